/*
 * it_address.c - how many connections one address may have: over all workers and generations, with
 * WebSockets, without the dead; and no bound for this machine.
 *
 * A loopback address is never counted, so each test makes a network of its own with other ones
 * (network.c). Where that is not allowed, the machine's own address has to do; where there is none,
 * it says so.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/network.c tests/it/pg.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "network.h"
#include "ws_client.h"

#define TOO_MANY "http.max_connections_per_address"

/* ---- connections ---- */

/* A daemon on net's address, and on loopback. */
static struct daemon *
start(const struct network *net, const char *conf)
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
open_served(struct http_conn *c, size_t n, const struct network *net, enum network_client client,
	    struct daemon *d)
{
	for (size_t i = 0; i < n; i++) {
		network_connect(&c[i], net, client, daemon_port(d));
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
expect_turned_away(const struct network *net, enum network_client client, struct daemon *d)
{
	struct http_conn c;
	struct http_answer a;

	network_connect(&c, net, client, daemon_port(d));
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
try_open_served(struct http_conn *c, const struct network *net, enum network_client client,
		struct daemon *d)
{
	static const char request[] = "GET /Ada HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct http_answer a;

	network_connect(c, net, client, daemon_port(d));
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
	struct network net;
	size_t n;

	if (!network_open_ipv4(&net, "sixty_four_fit_and_not_one_more_on_whichever_worker"))
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
	struct network net;
	size_t lost = 0;

	if (!network_open_ipv4(&net, "a_killed_workers_connections_are_not_counted"))
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
	struct network net;

	if (!network_open_ipv4(&net, "websockets_count_until_they_end"))
		return;
	struct daemon *d = start(&net, bound);
	for (size_t i = 0; i < 3; i++) {
		network_connect(&c, &net, CLIENT, daemon_port(d));
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
		network_connect(&c, &net, CLIENT, daemon_port(d));
		ws_open_on(&ws[i], &c, "/chat", NULL);
		network_connect(&c, &net, CLIENT, daemon_port(d));
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
	struct network net;

	if (!network_open_ipv4(&net, "a_refused_handshake_counts_until_its_connection_ends"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 2\n");
	for (int i = 0; i < 2; i++) {
		network_connect(&c[i], &net, CLIENT, daemon_port(d));
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
	struct network net;

	if (!network_open_ipv6(&net, "ipv6_neighbours_count_together"))
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
	struct network net;
	size_t n = 0, unanswered = 0;

	if (!network_open_ipv4(&net, "those_turned_away_hold_up_nobody"))
		return;
	struct daemon *d = start(&net, "[http]\nmax_connections_per_address = 1\n");
	open_served(&c, 1, &net, CLIENT, d);
	while (n < N && !unanswered) {
		network_connect(&many[n], &net, CLIENT, daemon_port(d));
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
		network_connect(&many[0], &net, CLIENT, daemon_port(d));
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
