/* links: tests/unit/door_rig.c $(door) -levent_core -ljansson */
/*
 * Connections: their ends, what they are owed and how long, how many there may be, drain.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "door_rig.h"

/* ---- ends ---- */

START_TEST(test_half_close)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/slow/20") GET("/fast/1") GET("/slow/1"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect(&c, 200, "slow 20");
	expect(&c, 200, "fast 1");
	expect(&c, 200, "slow 1");
	expect_end(&c);
	/* within a head, or a body: nothing can be answered */
	client_open(&c);
	client_send(&c, "GET /fast");
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 5\r\n", "he"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	client_open(&c);
	client_send(&c, GET("/big"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect(&c, 200, NULL);
	expect_end(&c);
	door_stop();
}
END_TEST

START_TEST(test_nothing_after_close)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, "GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" GET(
			    "/fast/b"));
	expect(&c, 200, "fast a");
	expect_end(&c);
	client_open(&c);
	client_send(&c, "GET /slow/5 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" GET(
			    "/fast/b"));
	expect(&c, 200, "slow 5");
	expect_end(&c);
	expect_stats("handled 2 gone 0 held 0 connections 1");
	door_stop();
}
END_TEST

/* The client leaves, the exchange stays, is told once and is answered once. */
START_TEST(test_gone)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	client_reset(&c);
	expect_stats("handled 1 gone 1 held 1 connections 1");
	client_open(&c);
	client_send(&c, GET("/release"));
	expect(&c, 200, "released 1");
	client_close(&c);
	/* answered when it is too late to be told, and when it is not yet known */
	client_open(&c);
	client_send(&c, GET("/slow/1"));
	client_reset(&c);
	client_open(&c);
	client_send(&c, GET("/slow/40"));
	expect(&c, 200, "slow 40");
	client_close(&c);
	door_stop();
}
END_TEST

START_TEST(test_abort)
{
	struct client c;
	struct client idle;

	door_start(&(struct door_options){0});
	client_open(&idle);
	client_send(&idle, GET("/fast/a"));
	expect(&idle, 200, "fast a");
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 2 gone 0 held 1 connections 3");
	ck_assert_int_eq(kill(door_pid, SIGUSR1), 0);
	expect_end(&idle);
	expect_end(&c);
	expect_stats("handled 2 gone 1 held 1 connections 1");
	/* the held one outlives the server: see serve() */
	door_stop();
}
END_TEST

START_TEST(test_abort_in_handler)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, POST("/abort", "Content-Length: 4\r\n", "all!") GET("/fast/a"));
	expect_end(&c);
	client_open(&c);
	client_send(&c, POST("/abort", "Content-Length: 4\r\n", "al"));
	client_send(&c, "l!");
	expect_end(&c);
	expect_stats("handled 0 gone 0 held 0 connections 1");
	door_stop();
}
END_TEST

/* ---- output ---- */

START_TEST(test_big_answers)
{
	struct client c;
	struct answer answer;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/big") GET("/fast/a") GET("/big"));
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	expect(&c, 200, "fast a");
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	/* the memory of a big answer is given back; what comes next does without it */
	client_send(&c, GET("/slow/1"));
	expect(&c, 200, "slow 1");
	client_close(&c);
	door_stop();
}
END_TEST

/* A client that takes nothing is not answered without end, and is closed. */
/* One that asks for much at once is given a part of it in each pass; the others have their turn. */
START_TEST(test_work_of_a_pass)
{
	/* 256 KiB of answers at the end of a pass, and as much when they could be sent */
	enum { REQUESTS = 1300, IN_A_PASS = 2 * ((256 << 10) / 2000 + 1) };
	struct client c;
	struct answer answer;
	char *all = malloc(65536);
	size_t len = 0;
	unsigned long pass = 0, n = 0;

	door_start(&(struct door_options){0});
	for (size_t i = 0; i < REQUESTS; i++)
		len += (size_t)snprintf(all + len, 65536 - len,
					"GET /passes HTTP/1.1\r\nHost: localhost\r\n\r\n");
	client_open(&c);
	client_send_bytes(&c, all, len);
	for (size_t i = 0; i < REQUESTS; i++) {
		client_read(&c, &answer, false);
		ck_assert_int_eq(answer.status, 200);
		n = strtoul(answer.body, NULL, 10) == pass ? n + 1 : 1;
		pass = strtoul(answer.body, NULL, 10);
		ck_assert_uint_le(n, IN_A_PASS);
	}
	client_close(&c);
	free(all);
	door_stop();
}
END_TEST

START_TEST(test_no_taker)
{
	struct client c;

	door_start(&(struct door_options){.write_ms = 300});
	client_open(&c);
	for (int i = 0; i < 20; i++)
		client_send(&c, GET("/big"));
	/* one answer is in hand; the others wait */
	expect_stats("handled 1 gone 0 held 0 connections 2");
	expect_stats("handled 1 gone 0 held 0 connections 1");
	client_close(&c);
	door_stop();
}
END_TEST

/* ---- deadlines ---- */

#define TIMEOUT_MS 200

static void
expect_waited(uint64_t began_ms)
{
	uint64_t waited_ms = clock_monotonic_ms() - began_ms;

	ck_assert_msg(waited_ms >= TIMEOUT_MS, "only %u ms", (unsigned)waited_ms);
	ck_assert_msg(waited_ms < TIMEOUT_MS + DEADLINE_MS / 2, "%u ms", (unsigned)waited_ms);
}

/* What is not taken has a bound over all clients, and the one that is the furthest behind goes. */
START_TEST(test_output_memory)
{
	struct client eldest, next;
	size_t total = 0;
	ssize_t n;

	door_start(&(struct door_options){.output_memory = 12 << 20});
	client_open(&eldest);
	client_send(&eldest, GET("/big"));
	expect_stats("handled 1 gone 0 held 0 connections 2");
	client_open(&next);
	client_send(&next, GET("/big"));
	expect(&next, 200, NULL);
	client_close(&next);
	while ((n = recv(eldest.fd, eldest.data, sizeof(eldest.data), 0)) > 0)
		total += (size_t)n;
	ck_assert_uint_lt(total, BIG_SIZE);
	client_close(&eldest);
	door_stop();
}
END_TEST

/* A client that takes its answer slowly takes it: the timeout is for those who take nothing. */
START_TEST(test_slow_taker)
{
	struct client c, idle;
	size_t total = 0;

	door_start(&(struct door_options){.write_ms = TIMEOUT_MS});
	client_open(&idle);
	client_open(&c);
	client_send(&c, GET("/big"));
	uint64_t until_ms = clock_monotonic_ms() + 6 * TIMEOUT_MS;
	while (total < BIG_SIZE) {
		struct pollfd nothing = {.fd = idle.fd, .events = POLLIN};
		ssize_t n = recv(c.fd, c.data, sizeof(c.data), 0);

		ck_assert_msg(n > 0, "cut after %zu bytes", total);
		total += (size_t)n;
		/* the pace of a slow client, for a while */
		if (clock_monotonic_ms() < until_ms)
			ck_assert_int_eq(poll(&nothing, 1, TIMEOUT_MS / 4), 0);
	}
	client_close(&idle);
	client_close(&c);
	door_stop();
}
END_TEST

/* RFC 9112 2.2: an empty line after a request begins no other one, and no time for its head. */
START_TEST(test_empty_line_behind)
{
	struct client c;
	struct pollfd pfd;

	door_start(&(struct door_options){.header_ms = TIMEOUT_MS});
	client_open(&c);
	client_send(&c, GET("/fast/a") "\r\n");
	expect(&c, 200, "fast a");
	pfd = (struct pollfd){.fd = c.fd, .events = POLLIN};
	ck_assert_int_eq(poll(&pfd, 1, 2 * TIMEOUT_MS), 0);
	client_send(&c, "\r\n\r\n" GET("/fast/b"));
	expect(&c, 200, "fast b");
	/* half of one may still become something else */
	client_send(&c, "\r");
	expect(&c, 408, NULL);
	expect_end(&c);
	/* and one is enough: more of them keep no connection alive */
	client_open(&c);
	client_send(&c, GET("/fast/c") "\r\n");
	expect(&c, 200, "fast c");
	expect_stats("handled 3 gone 0 held 0 connections 2");
	client_send(&c, "\r\n");
	expect(&c, 408, NULL);
	expect_end(&c);
	door_stop();
}
END_TEST

START_TEST(test_idle_timeout)
{
	struct client c;
	uint64_t began_ms = clock_monotonic_ms();

	door_start(&(struct door_options){.idle_ms = TIMEOUT_MS});
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	expect_end(&c);
	expect_waited(began_ms);
	/* a request in hand is not idle */
	client_open(&c);
	client_send(&c, GET("/slow/500"));
	expect(&c, 200, "slow 500");
	client_close(&c);
	door_stop();
}
END_TEST

/* RFC 9110 15.5.9: who has asked for nothing is told nothing. */
START_TEST(test_first_byte_timeout)
{
	struct client c;
	uint64_t began_ms = clock_monotonic_ms();

	door_start(&(struct door_options){.header_ms = TIMEOUT_MS});
	client_open(&c);
	expect_end(&c);
	expect_waited(began_ms);
	door_stop();
}
END_TEST

/* A byte a second would be enough for idle timeouts; here it has to be min_body_rate. */
START_TEST(test_dropped_body_timeout)
{
	struct client c;
	uint64_t began_ms;

	door_start(&(struct door_options){.body_ms = TIMEOUT_MS});
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, POST("/fast/a", "Content-Length: 100\r\n", "he"));
	expect(&c, 405, NULL);
	expect_end(&c);
	expect_waited(began_ms);
	door_stop();
}
END_TEST

/* Bodies and heads that do not end share one bound, and who comes later is told. */
START_TEST(test_input_memory)
{
	struct client holder, c;
	char some[60000];

	memset(some, 'x', sizeof(some));
	door_start(&(struct door_options){.input_memory = 100000});
	client_open(&holder);
	client_send(&holder, POST("/text", "Content-Length: 99999\r\n", ""));
	client_send_bytes(&holder, some, sizeof(some));
	expect_stats("handled 0 gone 0 held 0 connections 2");
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 99999\r\n", ""));
	client_send_bytes(&c, some, sizeof(some));
	expect(&c, 503, NULL);
	expect_end(&c);
	client_open(&c);
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	client_close(&c);
	/* what is given back may be used by others */
	client_reset(&holder);
	expect_stats("handled 1 gone 0 held 0 connections 1");
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 60000\r\n", ""));
	client_send_bytes(&c, some, sizeof(some));
	expect(&c, 200, NULL);
	client_close(&c);
	door_stop();
}
END_TEST

/* What came behind a request in hand is kept, and not counted twice, while that is answered. */
START_TEST(test_input_memory_behind_a_stream)
{
	struct client c;
	struct answer answer;
	char some[12000];

	memset(some, 'x', sizeof(some));
	door_start(&(struct door_options){.input_memory = 20000});
	client_open(&c);
	client_send(&c, GET("/pieces/4") POST("/text", "Content-Length: 12000\r\n", ""));
	client_send_bytes(&c, some, sizeof(some));
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	const char last[] = "piece 4\n\r\n0\r\n\r\n", *end;
	while (!(end = memmem(c.data, c.len, last, strlen(last))))
		ck_assert_msg(client_fill(&c, until_ms), "the stream was cut");
	c.used = (size_t)(end - c.data) + strlen(last);
	client_read(&c, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, sizeof(some));
	client_close(&c);
	door_stop();
}
END_TEST

/* Clients who send on while a request of theirs is in hand are not read beyond the bound. */
START_TEST(test_input_memory_while_busy)
{
	struct client busy[2], c;
	char some[60000];

	memset(some, 'x', sizeof(some));
	door_start(&(struct door_options){.input_memory = 100000});
	for (size_t i = 0; i < 2; i++) {
		client_open(&busy[i]);
		client_send(&busy[i], GET("/hold"));
	}
	expect_stats("handled 2 gone 0 held 2 connections 3");
	for (size_t i = 0; i < 2; i++) {
		client_send(&busy[i], POST("/text", "Content-Length: 60000\r\n", ""));
		client_send_bytes(&busy[i], some, sizeof(some));
	}
	expect_stats("handled 2 gone 0 held 2 connections 3");
	/* there is room for a head of somebody else */
	client_open(&c);
	client_send(&c, "GET /fa");
	expect_stats("handled 2 gone 0 held 2 connections 4");
	client_send(&c, "st/a HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/release"));
	expect(&c, 200, "fast a");
	expect(&c, 200, "released 2");
	/* and what was left in the socket is read when its time comes */
	for (size_t i = 0; i < 2; i++) {
		expect(&busy[i], 200, "held");
		client_close(&busy[i]);
	}
	client_close(&c);
	door_stop();
}
END_TEST

START_TEST(test_header_timeout)
{
	struct client c;
	uint64_t began_ms = clock_monotonic_ms();

	door_start(&(struct door_options){.header_ms = TIMEOUT_MS});
	client_open(&c);
	client_send(&c, GET("/fast/a") "GET /fa");
	expect(&c, 200, "fast a");
	/* more bytes of the same head earn nothing */
	for (int i = 0; i < 4; i++) {
		struct pollfd pfd = {.fd = c.fd, .events = POLLIN};

		if (poll(&pfd, 1, TIMEOUT_MS / 4) == 0)
			client_send(&c, "a");
	}
	expect(&c, 408, NULL);
	expect_waited(began_ms);
	expect_end(&c);
	door_stop();
}
END_TEST

START_TEST(test_body_timeout)
{
	struct client c;
	uint64_t began_ms;
	char some[1500];

	memset(some, 'x', sizeof(some));
	door_start(&(struct door_options){.body_ms = TIMEOUT_MS});
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, POST("/text", "Content-Length: 100\r\n", "he"));
	expect(&c, 408, NULL);
	expect_waited(began_ms);
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 1000);
	expect_end(&c);
	/* 1500 bytes at 1000 a second earn one second, not two */
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, POST("/text", "Content-Length: 99999\r\n", ""));
	client_send_bytes(&c, some, sizeof(some));
	expect(&c, 408, NULL);
	ck_assert_uint_ge(clock_monotonic_ms() - began_ms, 1000 + TIMEOUT_MS);
	expect_end(&c);
	door_stop();
}
END_TEST

/* ---- budgets ---- */

START_TEST(test_max_connections)
{
	struct client c[4];
	struct answer answer;

	door_start(&(struct door_options){.max_connections = 2});
	for (int i = 0; i < 2; i++) {
		client_open(&c[i]);
		client_send(&c[i], GET("/fast/a"));
		expect(&c[i], 200, "fast a");
	}
	/* whether it asks first or not */
	client_open(&c[2]);
	client_read(&c[2], &answer, false);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.head, "Retry-After: 1\r\n"));
	expect_end(&c[2]);
	client_open(&c[3]);
	client_send(&c[3], GET("/fast/a"));
	expect(&c[3], 503, NULL);
	expect_end(&c[3]);
	/* those that were there have noticed nothing */
	client_send(&c[0], GET("/fast/b"));
	expect(&c[0], 200, "fast b");
	client_close(&c[0]);
	client_send(&c[1], GET("/fast/b"));
	expect(&c[1], 200, "fast b");
	expect_stats("handled 4 gone 0 held 0 connections 2");
	client_close(&c[1]);
	door_stop();
}
END_TEST

/* Who was refused and stays takes nobody's place. */
START_TEST(test_turned_away_hold_no_place)
{
	struct client watcher, served, refused, next;
	struct answer answer;

	door_start(&(struct door_options){.max_connections = 2});
	client_open(&watcher);
	client_send(&watcher, GET("/fast/a"));
	expect(&watcher, 200, "fast a");
	client_open(&served);
	client_send(&served, GET("/fast/a"));
	expect(&served, 200, "fast a");
	client_open(&refused);
	client_read(&refused, &answer, false);
	ck_assert_int_eq(answer.status, 503);
	client_close(&served);
	/* until the server has seen that end; the refused one is still there then */
	do {
		client_send(&watcher, GET("/stats"));
		client_read(&watcher, &answer, false);
		ck_assert_int_eq(answer.status, 200);
	} while (strstr(answer.body, "connections 3"));
	client_open(&next);
	client_send(&next, GET("/fast/b"));
	expect(&next, 200, "fast b");
	client_close(&next);
	client_close(&refused);
	client_close(&watcher);
	door_stop();
}
END_TEST

static void
set_descriptors(rlim_t n)
{
	struct rlimit limit;

	ck_assert_int_eq(prlimit(door_pid, RLIMIT_NOFILE, NULL, &limit), 0);
	limit.rlim_cur = n;
	ck_assert_int_eq(prlimit(door_pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* Not even the reserve is left: who comes waits in the queue, and nobody is lost. */
START_TEST(test_accepting_pauses_and_resumes)
{
	enum { N = 40 };
	static struct client c[N];
	struct client watcher;
	struct answer answer;

	door_start(&(struct door_options){.descriptors = 64, .max_connections = 1000});
	client_open(&watcher);
	client_send(&watcher, GET("/fast/a"));
	expect(&watcher, 200, "fast a");
	for (int round = 0; round < 2; round++) {
		set_descriptors(3);
		client_open(&c[0]);
		client_send(&c[0], GET("/fast/b"));
		/* those that are there are served as ever */
		for (int i = 0; i < 3; i++) {
			client_send(&watcher, GET("/fast/a"));
			expect(&watcher, 200, "fast a");
		}
		struct pollfd pfd = {.fd = c[0].fd, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, 0), 0);
		set_descriptors(64);
		expect(&c[0], 200, "fast b");
		client_close(&c[0]);
	}
	/* there is a reserve again, which answers */
	set_descriptors(30);
	int n = 0, readable = 0;
	while (n < N && !readable) {
		struct pollfd pfd;

		client_open(&c[n]);
		for (int i = 0; i < 3; i++) {
			client_send(&watcher, GET("/fast/a"));
			expect(&watcher, 200, "fast a");
		}
		/* one that was taken hears nothing before it asks */
		pfd = (struct pollfd){.fd = c[n++].fd, .events = POLLIN};
		readable = poll(&pfd, 1, 0);
	}
	ck_assert_int_eq(readable, 1);
	client_read(&c[n - 1], &answer, false);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: text/plain"));
	ck_assert_ptr_nonnull(strstr(answer.head, "Retry-After: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close\r\n"));
	ck_assert_ptr_nonnull(strstr(answer.body, "descriptor"));
	ck_assert_ptr_nonnull(strstr(answer.body, "\nHint: Try again"));
	while (n > 0)
		client_close(&c[--n]);
	client_close(&watcher);
	door_stop();
}
END_TEST

/* Without descriptors the reserve answers, and service goes on when some are free again. */
START_TEST(test_no_descriptors)
{
	enum { N = 40 };
	static struct client c[N];
	struct answer answer;
	unsigned served = 0, refused = 0;

	door_start(&(struct door_options){.descriptors = 30, .max_connections = 1000});
	for (int i = 0; i < N; i++) {
		client_open(&c[i]);
		client_send(&c[i], GET("/fast/a"));
		/* a reset may take this answer: the descriptor is closed at once */
		struct pollfd pfd = {.fd = c[i].fd, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, DEADLINE_MS), 1);
		char byte;
		if (recv(c[i].fd, &byte, 1, MSG_PEEK) <= 0) {
			refused++;
			continue;
		}
		client_read(&c[i], &answer, false);
		if (answer.status == 200)
			served++;
		else
			refused++;
	}
	ck_assert_uint_gt(served, 5);
	ck_assert_uint_gt(refused, 5);
	for (int i = 0; i < N; i++)
		client_close(&c[i]);
	for (bool ok = false; !ok;) {
		client_open(&c[0]);
		client_send(&c[0], GET("/fast/a"));
		struct pollfd pfd = {.fd = c[0].fd, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, DEADLINE_MS), 1);
		char head[12];
		ssize_t n = recv(c[0].fd, head, sizeof(head), 0);
		ok = n == 12 && memcmp(head, "HTTP/1.1 200", 12) == 0;
		client_close(&c[0]);
	}
	door_stop();
}
END_TEST

/* ---- drain ---- */

START_TEST(test_drain)
{
	struct client idle, head, body, busy, stalled, used;
	struct answer answer;

	door_start(&(struct door_options){.idle_ms = DEADLINE_MS * 10});
	client_open(&idle);
	client_open(&head);
	client_send(&head, "GET /fast/a HT");
	client_open(&body);
	client_send(&body, POST("/text", "Content-Length: 5\r\n", "he"));
	client_open(&busy);
	client_send(&busy, GET("/hold") GET("/fast/never"));
	client_open(&stalled);
	client_send(&stalled, GET("/big") GET("/fast/never"));
	client_open(&used);
	client_send(&used, GET("/fast/a"));
	expect(&used, 200, "fast a");
	expect_stats("handled 3 gone 0 held 1 connections 7");
	ck_assert_int_eq(kill(door_pid, SIGTERM), 0);
	ck_assert_int_eq(door_wait_report(), 1);
	/* just used: its client may be sending already */
	client_send(&used, GET("/release"));
	client_read(&used, &answer, false);
	ck_assert_str_eq(answer.body, "released 1");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&used);
	client_send(&head, "TP/1.1\r\nHost: localhost\r\n\r\n");
	client_read(&head, &answer, false);
	ck_assert_str_eq(answer.body, "fast a");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&head);
	client_send(&body, "llo");
	client_read(&body, &answer, false);
	ck_assert_str_eq(answer.body, "hello");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&body);
	client_read(&busy, &answer, false);
	ck_assert_str_eq(answer.body, "held");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&busy);
	client_read(&stalled, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	/* written before the drain began; what follows it is the last one */
	client_read(&stalled, &answer, false);
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&stalled);
	expect_end(&idle);
	door_wait_end();
}
END_TEST

/* Who was idle before is not waited for, but who has just been answered is. */
START_TEST(test_drain_of_idle)
{
	struct client idle, used;
	struct answer answer;

	door_start(&(struct door_options){.idle_ms = DEADLINE_MS * 10});
	client_open(&idle);
	client_open(&used);
	/* a second, and what a deadline may be late */
	client_send(&used, GET("/slow/1600"));
	expect(&used, 200, "slow 1600");
	ck_assert_int_eq(kill(door_pid, SIGTERM), 0);
	ck_assert_int_eq(door_wait_report(), 1);
	expect_end(&idle);
	client_send(&used, GET("/fast/a"));
	client_read(&used, &answer, false);
	ck_assert_str_eq(answer.body, "fast a");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&used);
	door_wait_end();
}
END_TEST

START_TEST(test_drain_of_nothing)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	client_close(&c);
	door_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    test_half_close,
	    test_nothing_after_close,
	    test_gone,
	    test_abort,
	    test_abort_in_handler,
	    test_big_answers,
	    test_work_of_a_pass,
	    test_no_taker,
	    test_slow_taker,
	    test_output_memory,
	    test_empty_line_behind,
	    test_idle_timeout,
	    test_first_byte_timeout,
	    test_dropped_body_timeout,
	    test_input_memory,
	    test_input_memory_behind_a_stream,
	    test_input_memory_while_busy,
	    test_header_timeout,
	    test_body_timeout,
	    test_max_connections,
	    test_turned_away_hold_no_place,
	    test_accepting_pauses_and_resumes,
	    test_no_descriptors,
	    test_drain,
	    test_drain_of_idle,
	    test_drain_of_nothing,
	};
	Suite *suite = suite_create("server");
	TCase *tc = tcase_create("server");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
