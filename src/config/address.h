/*
 * address.h - a listen address as it stands in the configuration. Pure: resolves no names.
 *
 *   127.0.0.1:8080   [::1]:8080   unix:/run/plaza/plaza.sock   each optionally followed by ,public
 */
#ifndef PLAZA_CONFIG_ADDRESS_H
#define PLAZA_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct listen_address {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool is_unix;
	bool is_loopback; /* TCP on 127.0.0.0/8 or ::1 */
	bool is_public;   /* marked ",public": nobody who comes in here counts as this machine */
	char text[160];   /* canonical, without the mark: what logs and READY show */
};

/*
 * Literal addresses only, plus "localhost" (127.0.0.1) and "*" (all of IPv4). Port 0 is accepted:
 * the kernel picks (for tests). Returns NULL on success, else what is wrong, a literal.
 */
const char *listen_address_parse(const char *text, struct listen_address *address);

#endif
