/*
 * guard.h - which addresses and ports fetch may connect to (server-side request forgery, SSRF): the
 * address that is connected to counts, never the name that it was found by. Pure, but for
 * guard_look.
 *
 * In this order:
 *   our own listening addresses: never
 *   what fetch.allow covers: yes, at the ports that it says, or at any
 *   what is not global unicast, has an IPv4 address embedded, or is an address of this machine: no
 *   a port that is not in fetch.ports: no
 *   all else: yes
 *
 * Whoever asks is told which kind of address a name has, and which option would let it through, for
 * without that nobody could mend it; but never the address itself, nor which one of several.
 */
#ifndef PLAZA_FETCH_GUARD_H
#define PLAZA_FETCH_GUARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/values.h"
#include "fetch/url.h"

#define GUARD_OWN_MAX 64

/* IPv4 stands in IPv6, as ::ffff:a.b.c.d */
struct guard_address {
	struct in6_addr address;
	uint16_t port; /* 0: any */
};

struct guard {
	const struct config *config;
	size_t n_own, n_local;
	struct guard_address own[GUARD_OWN_MAX];
	struct guard_address *local; /* of the interfaces, by guard_look */
	bool has_looked, has_seen;   /* it was looked, and once with success */
	uint64_t looked_ms;
};

/* By fetch.ports and fetch.allow of a config that lives longer; its server.listen are our own. */
void guard_init(struct guard *guard, const struct config *config);
void guard_fini(struct guard *guard);

/* One more of our own. False: there are too many (then nothing on this machine is allowed). */
bool guard_add_own(struct guard *guard, const struct sockaddr_storage *address);

/*
 * Reads the addresses of this machine's interfaces, unless it did so less than a second before
 * `now_ms`. Those of before stay when the kernel does not tell; if it never has, guard_check
 * refuses everything from then on.
 */
void guard_look(struct guard *guard, uint64_t now_ms);

/* NULL: may be connected to; else a literal that says why not, to follow "the host ". */
const char *guard_check(const struct guard *guard, const struct sockaddr *address);

/*
 * The same for one to which there is a connection whose own end has that address, too: so it is of
 * this machine, whether guard_look has seen it or not.
 */
const char *guard_check_self(const struct guard *guard, const struct sockaddr *address);

/*
 * What can be said of a URL before its name is looked up: as guard_check for a host that is an
 * address, else whether any address may be had at its port.
 */
const char *guard_check_url(const struct guard *guard, const struct fetch_url *url);

#endif
