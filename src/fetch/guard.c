/*
 * guard.c - the classes of addresses, the exceptions, and what is this machine's own.
 */
#include "fetch/guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "config/network.h"

#define LOOK_MS 1000

/* ---- classes ---- */

static const struct address_class {
	const char *text;
	unsigned prefix;
	const char *why;
} classes[] = {
/* IANA's special-purpose registries (RFC 6890) and what clouds serve secrets at */
#define EXCEPT   " and those that fetch.allow names for this port or any"
#define BUT_FOR  "; accepted: public ones" EXCEPT
#define PRIVATE  "is at a private address" BUT_FOR
#define LOOPBACK "is at a loopback address" BUT_FOR
#define LINK     "is at a link-local address" BUT_FOR
#define SPECIAL  "is at an address that is not of the public Internet" BUT_FOR
#define EMBEDS   "is at an IPv6 address with an IPv4 address in it" BUT_FOR
    {"::ffff:0.0.0.0", 104, SPECIAL},
    {"::ffff:10.0.0.0", 104, PRIVATE},
    {"::ffff:100.64.0.0", 106, PRIVATE},
    {"::ffff:127.0.0.0", 104, LOOPBACK},
    {"::ffff:169.254.0.0", 112, LINK},
    {"::ffff:172.16.0.0", 108, PRIVATE},
    {"::ffff:192.0.0.0", 120, SPECIAL},
    {"::ffff:192.0.2.0", 120, SPECIAL},
    {"::ffff:192.88.99.0", 120, SPECIAL},
    {"::ffff:192.168.0.0", 112, PRIVATE},
    {"::ffff:198.18.0.0", 111, SPECIAL},
    {"::ffff:198.51.100.0", 120, SPECIAL},
    {"::ffff:203.0.113.0", 120, SPECIAL},
    {"::ffff:224.0.0.0", 100, SPECIAL},
    {"::ffff:240.0.0.0", 100, SPECIAL},
    {"::ffff:168.63.129.16", 128, SPECIAL}, /* Azure's wire server */
    {"::ffff:0:0", 96, NULL},               /* what is left of IPv4 */
    {"::", 128, SPECIAL},
    {"::1", 128, LOOPBACK},
    {"fc00::", 7, PRIVATE},
    {"fe80::", 10, LINK},
    {"fec0::", 10, PRIVATE},
    {"64:ff9b::", 96, EMBEDS},
    {"64:ff9b:1::", 48, EMBEDS},
    {"2002::", 16, EMBEDS},
    {"2001::", 32, EMBEDS},
    {"2001::", 23, SPECIAL},
    {"2001:db8::", 32, SPECIAL},
    {"3fff::", 20, SPECIAL},
    {"2000::", 3, NULL}, /* all that is global unicast today */
    {"::", 0, SPECIAL},
};

/* NULL: it is of the public Internet. */
static const char *
class_check(const struct in6_addr *address)
{
	/* the first that it is in counts; they are parsed once */
	static struct in6_addr net[sizeof(classes) / sizeof(classes[0])];
	static bool is_ready;
	size_t i = 0;

	for (; !is_ready && i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (inet_pton(AF_INET6, classes[i].text, &net[i]) != 1)
			abort();
	}
	is_ready = true;
	for (i = 0; !network_contains(&(struct network){net[i], classes[i].prefix, 0}, address);
	     i++)
		; /* the last one holds all */
	return classes[i].why;
}

static bool
is_unspecified(const struct in6_addr *address)
{
	return IN6_IS_ADDR_UNSPECIFIED(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && memcmp(address->s6_addr + 12, "\0\0\0", 4) == 0);
}

static bool
is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* ---- its life ---- */

static bool
address_of(const struct sockaddr *from, struct guard_address *out)
{
	if (from->sa_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, from, sizeof(sin));
		network_map_ipv4(&sin.sin_addr, &out->address);
		out->port = ntohs(sin.sin_port);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, from, sizeof(sin6));
		out->address = sin6.sin6_addr;
		out->port = ntohs(sin6.sin6_port);
		return true;
	}
	return false;
}

void
guard_init(struct guard *guard, const struct config *config)
{
	memset(guard, 0, sizeof(*guard));
	guard->config = config;
	for (size_t i = 0; i < config->server_listen.n; i++) {
		const struct listen_address *listen = &config->server_listen.address[i];

		if (!listen->is_unix)
			guard_add_own(guard, &listen->addr);
	}
}

void
guard_fini(struct guard *guard)
{
	free(guard->local);
	guard->local = NULL;
	guard->n_local = 0;
}

bool
guard_add_own(struct guard *guard, const struct sockaddr_storage *address)
{
	struct guard_address own;

	if (!address_of((const struct sockaddr *)address, &own) || own.port == 0)
		return true; /* nobody can connect to it */
	if (guard->n_own == GUARD_OWN_MAX) {
		/* any port of this machine, then */
		guard->own[0] = (struct guard_address){.address = in6addr_any};
		return false;
	}
	guard->own[guard->n_own++] = own;
	return true;
}

void
guard_look(struct guard *guard, uint64_t now_ms)
{
	struct ifaddrs *list;
	size_t n = 0;

	if (guard->has_looked && now_ms - guard->looked_ms < LOOK_MS)
		return;
	guard->has_looked = true;
	guard->looked_ms = now_ms;
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		n++;
	struct guard_address *local = calloc(n ? n : 1, sizeof(*local));
	if (local) {
		n = 0;
		for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
			if (i->ifa_addr && address_of(i->ifa_addr, &local[n]))
				n++;
		}
		free(guard->local);
		guard->local = local;
		guard->n_local = n;
		guard->has_seen = true;
	}
	freeifaddrs(list);
}

/* ---- the question ---- */

static bool
is_local(const struct guard *guard, const struct in6_addr *address)
{
	for (size_t i = 0; i < guard->n_local; i++) {
		if (memcmp(&guard->local[i].address, address, sizeof(*address)) == 0)
			return true;
	}
	return false;
}

/* Who listens at an unspecified address has each of this machine; and to connect to it is to
 * connect to the loopback. */
static bool
is_own(const struct guard *guard, const struct guard_address *to)
{
	for (size_t i = 0; i < guard->n_own; i++) {
		const struct guard_address *own = &guard->own[i];

		if (own->port && own->port != to->port)
			continue;
		if (memcmp(&own->address, &to->address, sizeof(to->address)) == 0 ||
		    is_unspecified(&to->address))
			return true;
		if (is_unspecified(&own->address) &&
		    (is_loopback(&to->address) || is_local(guard, &to->address)))
			return true;
	}
	return false;
}

/* `address` NULL: whether some address is. Words are parsed anew each time; that is 100 ns each. */
static bool
is_excepted(const struct guard *guard, const struct in6_addr *address, uint16_t port)
{
	const struct words *words = &guard->config->fetch_allow;
	struct network network;

	for (size_t i = 0; i < words->n; i++) {
		if (!network_parse(words->word[i], &network) &&
		    (!network.port || network.port == port) &&
		    (!address || network_contains(&network, address)))
			return true;
	}
	return false;
}

static bool
is_usual_port(const struct guard *guard, uint16_t port)
{
	const struct words *words = &guard->config->fetch_ports;
	uint16_t usual;

	for (size_t i = 0; i < words->n; i++) {
		if (!port_number_parse(words->word[i], &usual) && usual == port)
			return true;
	}
	return false;
}

static const char itself[] = "is this server itself, which is never fetched";
static const char of_this_machine[] = "is at an address of this machine; accepted: others" EXCEPT;
static const char port_refused[] =
    "is asked at a port that fetch.ports does not have; accepted: those that it has";

/*
 * `is_ipv6`: the address was given as one of IPv6. The address comes before the port: who has both
 * refused needs one word of fetch.allow, and fetch.ports would not help.
 */
static const char *
check(const struct guard *guard, const struct guard_address *to, bool is_ipv6)
{
	if (is_own(guard, to))
		return itself;
	if (is_excepted(guard, &to->address, to->port))
		return NULL;
	const char *why = class_check(&to->address);
	if (!why && is_ipv6 && IN6_IS_ADDR_V4MAPPED(&to->address))
		why = EMBEDS;
	if (!why && is_local(guard, &to->address))
		why = of_this_machine;
	if (!why && !is_usual_port(guard, to->port))
		why = port_refused;
	return why;
}

const char *
guard_check(const struct guard *guard, const struct sockaddr *address)
{
	struct guard_address to;

	if (!address_of(address, &to))
		return "is at an address that is neither IPv4 nor IPv6";
	if (guard->has_looked && !guard->has_seen)
		return "cannot be judged: the addresses of this machine cannot be read";
	return check(guard, &to, address->sa_family == AF_INET6);
}

const char *
guard_check_url(const struct guard *guard, const struct fetch_url *url)
{
	struct guard_address to = {.port = url->port};

	if (url->kind == FETCH_HOST_IPV4)
		network_map_ipv4(url->address, &to.address);
	else if (url->kind == FETCH_HOST_IPV6)
		memcpy(&to.address, url->address, sizeof(to.address));
	else
		return is_usual_port(guard, url->port) || is_excepted(guard, NULL, url->port)
			   ? NULL
			   : port_refused;
	return check(guard, &to, url->kind == FETCH_HOST_IPV6);
}

const char *
guard_check_self(const struct guard *guard, const struct sockaddr *address)
{
	const char *why = guard_check(guard, address);
	struct guard_address to;

	if (why || !address_of(address, &to))
		return why;
	for (size_t i = 0; i < guard->n_own; i++) {
		if (is_unspecified(&guard->own[i].address) && guard->own[i].port == to.port)
			return itself;
	}
	return is_excepted(guard, &to.address, to.port) ? NULL : of_this_machine;
}
