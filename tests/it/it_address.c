/*
 * it_address.c - how many connections one address may have: over all workers and generations, with
 * WebSockets, without the dead; and no bound for this machine.
 *
 * A loopback address is never counted, so each test makes a network of its own with other ones.
 * Where that is not allowed, the machine's own address has to do; where there is none, it says so.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"
#include "ws_client.h"

#define TOO_MANY "http.max_connections_per_address"

/* ---- addresses ---- */

enum client {
	CLIENT,
	OTHER_CLIENT, /* of another address */
	SAME_NETWORK  /* the same /64 as CLIENT; IPv6 only */
};

/* The addresses of a test; "" where there is none. */
struct net {
	char server[INET6_ADDRSTRLEN];
	char client[3][INET6_ADDRSTRLEN];
};

static const struct net own_ipv4 = {"192.0.2.1", {"192.0.2.10", "192.0.2.11", ""}};
static const struct net own_ipv6 = {"2001:db8:ffff::1",
				    {"2001:db8:1:2::10", "2001:db8:1:3::10", "2001:db8:1:2::11"}};

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
find_address(struct net *net)
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
static bool
open_ipv4(struct net *net, const char *test)
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

static bool
open_ipv6(struct net *net, const char *test)
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

/* ---- connections ---- */

/* A daemon on net's address, and on loopback. */
static struct daemon *
start(const struct net *net, const char *conf)
{
	char *listen = strchr(net->server, ':')
			   ? it_printf("server.listen=[%s]:0 127.0.0.1:0", net->server)
			   : it_printf("server.listen=%s:0 127.0.0.1:0", net->server);
	const char *const options[] = {listen, NULL};
	const struct daemon_spec spec = {.conf = conf, .options = options};
	struct daemon *d = daemon_start_spec(&spec);

	free(listen);
	return d;
}

static uint16_t
loopback_port(const struct daemon *d)
{
	const char *at = strstr(daemon_ready_line(d), "127.0.0.1:");

	ck_assert_ptr_nonnull(at);
	return (uint16_t)strtoul(at + strlen("127.0.0.1:"), NULL, 10);
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

static void
open_as(struct http_conn *c, const struct net *net, enum client client, struct daemon *d)
{
	struct sockaddr_storage from, to;
	socklen_t len = make_address(&to, net->server, daemon_port(d));

	make_address(&from, net->client[client], 0);
	http_open_from(c, (struct sockaddr *)&from, (struct sockaddr *)&to, len);
}

/* The connection is one that is served. */
static void
expect_served(struct http_conn *c)
{
	struct http_answer a;

	http_exchange(c, "GET", "/Ada", NULL, NULL, &a);
	ck_assert_msg(a.status == 200 && !a.close, "%s%s", a.head, a.body);
	http_answer_fini(&a);
}

static void
open_served(struct http_conn *c, size_t n, const struct net *net, enum client client,
	    struct daemon *d)
{
	for (size_t i = 0; i < n; i++) {
		open_as(&c[i], net, client, d);
		expect_served(&c[i]);
	}
}

static void
close_all(struct http_conn *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		http_close(&c[i]);
}

/* It is told 429 without having asked for anything, and that is its end. */
static void
expect_turned_away(const struct net *net, enum client client, struct daemon *d)
{
	struct http_conn c;
	struct http_answer a;

	open_as(&c, net, client, d);
	http_read(&c, "GET", &a);
	ck_assert_msg(a.status == 429, "%s%s", a.head, a.body);
	ck_assert(a.close);
	ck_assert_str_eq(http_field(&a, "Content-Type"), "text/plain; charset=utf-8");
	ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
	ck_assert_ptr_nonnull(strstr(a.body, "address"));
	ck_assert_ptr_nonnull(strstr(a.body, "\nHint: "));
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
}

/* Whether one more is served; if so, it stays open. */
static bool
try_open_served(struct http_conn *c, const struct net *net, enum client client, struct daemon *d)
{
	static const char request[] = "GET /Ada HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct http_answer a;

	open_as(c, net, client, d);
	/* what is turned away may be closed before it has asked */
	http_try_send(c, request, strlen(request));
	const char *wrong = http_try_read(c, "GET", &a);
	const bool is_served = !wrong && a.status == 200;
	if (!wrong) {
		ck_assert_msg(is_served || a.status == 429, "%s%s", a.head, a.body);
		http_answer_fini(&a);
	}
	if (!is_served)
		http_close(c);
	return is_served;
}

/* ---- tests ---- */

START_TEST(sixty_four_fit_and_not_one_more_on_whichever_worker)
{
	struct http_conn c[64], other, local[100];
	struct net net;
	size_t n;

	if (!open_ipv4(&net, "sixty_four_fit_and_not_one_more_on_whichever_worker"))
		return;
	struct daemon *d = start(&net, "");
	size_t mark = daemon_log_mark(d);
	open_served(c, 64, &net, CLIENT, d);
	/* they are spread over both workers, and so are these */
	for (n = 1; n < 64 && daemon_worker_of(d, c[n].fd) == daemon_worker_of(d, c[0].fd);)
		n++;
	ck_assert_uint_lt(n, 64);
	for (int i = 0; i < 30; i++)
		expect_turned_away(&net, CLIENT, d);
	/* said once by each worker, with the address */
	char *line = daemon_log_wait(d, mark, TOO_MANY);
	ck_assert_msg(strstr(line, net.client[CLIENT]) && strstr(line, "429: 64 "), "%s", line);
	free(line);
	ck_assert_uint_le(daemon_log_count(d, mark, TOO_MANY), 2);
	/* another address has as many, and this machine any number */
	if (net.client[OTHER_CLIENT][0]) {
		open_served(&other, 1, &net, OTHER_CLIENT, d);
		http_close(&other);
	}
	for (n = 0; n < 100; n++) {
		http_open(&local[n], loopback_port(d));
		expect_served(&local[n]);
	}
	close_all(local, 100);
	/* those that are there have noticed nothing */
	expect_served(&c[0]);
	expect_served(&c[63]);
	/* one leaves, one comes */
	http_close(&c[20]);
	WAIT_UNTIL(try_open_served(&c[20], &net, CLIENT, d));
	expect_turned_away(&net, CLIENT, d);
	close_all(c, 64);
	daemon_stop(d);
}
END_TEST

START_TEST(a_killed_workers_connections_are_not_counted)
{
	enum { LIMIT = 16 };
	struct http_conn c[LIMIT], again[LIMIT];
	pid_t served_by[LIMIT];
	struct net net;
	size_t lost = 0;

	if (!open_ipv4(&net, "a_killed_workers_connections_are_not_counted"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 16\n");
	open_served(c, LIMIT, &net, CLIENT, d);
	expect_turned_away(&net, CLIENT, d);
	for (size_t i = 0; i < LIMIT; i++) {
		served_by[i] = daemon_worker_of(d, c[i].fd);
		lost += served_by[i] == served_by[0];
	}
	size_t mark = daemon_log_mark(d);
	ck_assert_int_eq(kill(served_by[0], SIGKILL), 0);
	/* its slot is empty before this is said */
	free(daemon_log_wait(d, mark, "signal 9"));
	open_served(again, lost, &net, CLIENT, d);
	for (int i = 0; i < 10; i++)
		expect_turned_away(&net, CLIENT, d);
	close_all(again, lost);
	close_all(c, LIMIT);
	/* and nothing is left of anybody */
	for (size_t i = 0; i < LIMIT; i++)
		WAIT_UNTIL(try_open_served(&c[i], &net, CLIENT, d));
	expect_turned_away(&net, CLIENT, d);
	close_all(c, LIMIT);
	daemon_stop(d);
}
END_TEST

/* In old generations, too, and when they came while there was no bound. */
START_TEST(websockets_count_until_they_end)
{
	static const char bound[] =
	    "[server]\npublic = greet chat\n[http]\nmax_connections_per_address = 3\n";
	static const char unbound[] =
	    "[server]\npublic = greet chat\n[http]\nmax_connections_per_address = off\n";
	struct http_conn c, again;
	struct ws ws[3], more[3];
	struct net net;

	if (!open_ipv4(&net, "websockets_count_until_they_end"))
		return;
	struct daemon *d = start(&net, bound);
	for (size_t i = 0; i < 3; i++) {
		open_as(&c, &net, CLIENT, d);
		ws_open_on(&ws[i], &c, i == 1 ? "/echo" : "/chat", NULL);
	}
	expect_turned_away(&net, CLIENT, d);
	ck_assert(daemon_reload(d));
	expect_turned_away(&net, CLIENT, d);
	/* by a close handshake, and without one */
	ws_close(&ws[0]);
	WAIT_UNTIL(try_open_served(&c, &net, CLIENT, d));
	expect_turned_away(&net, CLIENT, d);
	ws_drop(&ws[1]);
	WAIT_UNTIL(try_open_served(&again, &net, CLIENT, d));
	expect_turned_away(&net, CLIENT, d);
	http_close(&again);
	http_close(&c);
	ws_drop(&ws[2]);

	daemon_write_conf(d, unbound);
	ck_assert(daemon_reload(d));
	for (size_t i = 0; i < 3; i++) {
		open_as(&c, &net, CLIENT, d);
		ws_open_on(&ws[i], &c, "/chat", NULL);
		open_as(&c, &net, CLIENT, d);
		ws_open_on(&more[i], &c, "/chat", NULL);
	}
	daemon_write_conf(d, bound);
	ck_assert(daemon_reload(d));
	expect_turned_away(&net, CLIENT, d);
	for (size_t i = 0; i < 3; i++)
		ws_close(&more[i]);
	expect_turned_away(&net, CLIENT, d);
	ws_send(&ws[0], "all well?");
	ws_expect(&ws[2], "all well?");
	ws_close(&ws[2]);
	WAIT_UNTIL(try_open_served(&c, &net, CLIENT, d));
	http_close(&c);
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(a_refused_handshake_counts_until_its_connection_ends)
{
	struct http_conn c[2];
	struct http_answer a;
	struct net net;

	if (!open_ipv4(&net, "a_refused_handshake_counts_until_its_connection_ends"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 2\n");
	for (int i = 0; i < 2; i++) {
		open_as(&c[i], &net, CLIENT, d);
		ws_handshake(&c[i], "/chat", NULL, &a);
		ck_assert_int_eq(a.status, 403);
		http_answer_fini(&a);
	}
	expect_turned_away(&net, CLIENT, d);
	close_all(c, 2);
	WAIT_UNTIL(try_open_served(&c[0], &net, CLIENT, d));
	http_close(&c[0]);
	daemon_stop(d);
}
END_TEST

START_TEST(ipv6_neighbours_count_together)
{
	struct http_conn one[2], neighbour[2], other;
	struct net net;

	if (!open_ipv6(&net, "ipv6_neighbours_count_together"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 4\n");
	size_t mark = daemon_log_mark(d);
	open_served(one, 2, &net, CLIENT, d);
	open_served(neighbour, 2, &net, SAME_NETWORK, d);
	expect_turned_away(&net, CLIENT, d);
	expect_turned_away(&net, SAME_NETWORK, d);
	free(daemon_log_wait(d, mark, "2001:db8:1:2::/64 "));
	open_served(&other, 1, &net, OTHER_CLIENT, d);
	http_close(&other);
	http_close(&neighbour[1]);
	WAIT_UNTIL(try_open_served(&neighbour[1], &net, CLIENT, d));
	close_all(neighbour, 2);
	close_all(one, 2);
	daemon_stop(d);
}
END_TEST

/* However many want in, answers are for a few of them at once, and the others serve on. */
START_TEST(those_turned_away_hold_up_nobody)
{
	enum { N = 400 };
	static struct http_conn many[N];
	struct http_conn c;
	struct http_answer a;
	struct net net;
	size_t n = 0, unanswered = 0;

	if (!open_ipv4(&net, "those_turned_away_hold_up_nobody"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 1\n");
	open_served(&c, 1, &net, CLIENT, d);
	while (n < N && !unanswered) {
		open_as(&many[n], &net, CLIENT, d);
		if (http_try_read(&many[n], "GET", &a)) {
			unanswered++;
		} else {
			ck_assert_int_eq(a.status, 429);
			http_answer_fini(&a);
		}
		n++;
	}
	ck_assert_uint_eq(unanswered, 1);
	expect_served(&c);
	close_all(many, n);
	/* when they have gone, the next one is answered again */
	for (bool answered = false; !answered;) {
		open_as(&many[0], &net, CLIENT, d);
		answered = !http_try_read(&many[0], "GET", &a);
		if (answered)
			http_answer_fini(&a);
		http_close(&many[0]);
	}
	http_close(&c);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "address");

	tcase_add_test(tc, sixty_four_fit_and_not_one_more_on_whichever_worker);
	tcase_add_test(tc, a_killed_workers_connections_are_not_counted);
	tcase_add_test(tc, websockets_count_until_they_end);
	tcase_add_test(tc, a_refused_handshake_counts_until_its_connection_ends);
	tcase_add_test(tc, ipv6_neighbours_count_together);
	tcase_add_test(tc, those_turned_away_hold_up_nobody);
}

int
main(void)
{
	return it_main("address", fill, 0);
}
