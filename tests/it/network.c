/*
 * network.c - a network namespace with addresses on its loopback device.
 */
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

static const struct network own_ipv4 = {"192.0.2.1", {"192.0.2.10", "192.0.2.11", ""}};
static const struct network own_ipv6 = {
    "2001:db8:ffff::1", {"2001:db8:1:2::10", "2001:db8:1:3::10", "2001:db8:1:2::11"}};

/* `name` is lo, or an alias of it for a further IPv4 address. */
static void
add_ipv4(int fd, const char *name, const char *text)
{
	struct ifreq request = {0};
	struct sockaddr_in addr = {.sin_family = AF_INET};

	strcpy(request.ifr_name, name);
	ck_assert_int_eq(inet_pton(AF_INET, text, &addr.sin_addr), 1);
	memcpy(&request.ifr_addr, &addr, sizeof(addr));
	ck_assert_msg(ioctl(fd, SIOCSIFADDR, &request) == 0, "%s: %s", text, strerror(errno));
}

static bool
add_ipv6(const char *text)
{
	struct in6_ifreq request = {.ifr6_prefixlen = 128,
				    .ifr6_ifindex = (int)if_nametoindex("lo")};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET6, text, &request.ifr6_addr), 1);
	bool ok = fd >= 0 && ioctl(fd, SIOCSIFADDR, &request) == 0;
	const struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = request.ifr6_addr};
	/* it is there a moment later, maybe */
	if (ok)
		WAIT_UNTIL(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* This process, and what it starts, get a network where nothing is but them. */
static bool
leave_network(void)
{
	/* an unprivileged user may in a user namespace, on some systems */
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void
make_network(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	add_ipv4(fd, "lo:1", own_ipv4.server);
	add_ipv4(fd, "lo:2", own_ipv4.client[CLIENT]);
	add_ipv4(fd, "lo:3", own_ipv4.client[OTHER_CLIENT]);
	close(fd);
}

/* The machine's own address, that it can talk to itself with. */
static bool
find_address(struct network *net)
{
	struct ifaddrs *all;
	struct sockaddr_in addr;
	bool found = false;

	ck_assert_int_eq(getifaddrs(&all), 0);
	for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || !(a->ifa_flags & IFF_UP) ||
		    (a->ifa_flags & IFF_LOOPBACK))
			continue;
		memcpy(&addr, a->ifa_addr, sizeof(addr));
		inet_ntop(AF_INET, &addr.sin_addr, net->server, sizeof(net->server));
		strcpy(net->client[CLIENT], net->server);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

/* False, and said so, when there is no network for this test. */
bool
network_open_ipv4(struct network *net, const char *test)
{
	memset(net, 0, sizeof(*net));
	if (leave_network()) {
		make_network();
		*net = own_ipv4;
		return true;
	}
	if (find_address(net))
		return true;
	fprintf(stderr, "only loopback addresses here: %s is not run\n", test);
	return false;
}

bool
network_open_ipv6(struct network *net, const char *test)
{
	if (leave_network()) {
		make_network();
		*net = own_ipv6;
		if (add_ipv6(net->server) && add_ipv6(net->client[0]) && add_ipv6(net->client[1]) &&
		    add_ipv6(net->client[2]))
			return true;
	}
	fprintf(stderr, "no IPv6 addresses can be made here: %s is not run\n", test);
	return false;
}

static socklen_t
make_address(struct sockaddr_storage *addr, const char *text, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(addr, &in, sizeof(in));
		return sizeof(in);
	}
	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	memcpy(addr, &in6, sizeof(in6));
	return sizeof(in6);
}

void
network_connect(struct http_conn *c, const struct network *net, enum network_client client,
		uint16_t port)
{
	struct sockaddr_storage from, to;
	socklen_t len = make_address(&to, net->server, port);

	make_address(&from, net->client[client], 0);
	http_open_from(c, (struct sockaddr *)&from, (struct sockaddr *)&to, len);
}
