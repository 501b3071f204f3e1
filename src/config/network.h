/*
 * network.h - an address range with a port, as fetch.allow has them: CIDR[:port]. Pure.
 *
 *   10.0.0.0/8   127.0.0.1:8081   192.168.7.0/24:8080   fd00::/8   fd00::/8:80   [::1]:8080
 *
 * An address alone is a range of one. What is of IPv4 stands in IPv6, as ::ffff:a.b.c.d; ::/0 is
 * every address of both.
 */
#ifndef PLAZA_CONFIG_NETWORK_H
#define PLAZA_CONFIG_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* `address` is four bytes in network order. */
static inline void
network_map_ipv4(const void *address, struct in6_addr *out)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(out->s6_addr, prefix, sizeof(prefix));
	memcpy(out->s6_addr + 12, address, 4);
}

struct network {
	struct in6_addr address;
	unsigned prefix; /* bits, 0 to 128 */
	uint16_t port;   /* 0: any */
};

/* NULL, or what is wrong, a literal to follow the quoted word. */
const char *network_parse(const char *word, struct network *network);

bool network_contains(const struct network *network, const struct in6_addr *address);

/* A decimal number from 1 to 65535; NULL, or what is wrong. */
const char *port_number_parse(const char *word, uint16_t *port);

#endif
