/*
 * network.h - addresses that are not of this machine, for what treats them differently: a test
 * makes a network of its own, where that is allowed.
 */
#ifndef PLAZA_TESTS_IT_NETWORK_H
#define PLAZA_TESTS_IT_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "http_client.h"

enum network_client {
	CLIENT,
	OTHER_CLIENT, /* of another address */
	SAME_NETWORK  /* the same /64 as CLIENT; IPv6 only */
};

/* The addresses of a test; "" where there is none. */
struct network {
	char server[INET6_ADDRSTRLEN];
	char client[3][INET6_ADDRSTRLEN];
};

/*
 * This test, and what it starts, get a network where nothing is but them; else IPv4 has the
 * machine's own address. False, and said so, when there is none for this test.
 */
bool network_open_ipv4(struct network *net, const char *test);
bool network_open_ipv6(struct network *net, const char *test);

void network_connect(struct http_conn *c, const struct network *net, enum network_client client,
		     uint16_t port);

#endif
