/* links: tests/unit/door_rig.c $(door) -levent_core -ljansson */
/*
 * Which line of the access log each way has that a request can take through the door.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "door_rig.h"

static int log_end;
static char lines[1 << 20];
static size_t len, used; /* of it: looked at */

/* A door whose lines the test reads. */
static void
start(struct door_options options)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	options.access_log = ends[1];
	door_start(&options);
	close(ends[1]);
	log_end = ends[0];
	len = used = 0;
}

static bool
read_more(void)
{
	struct pollfd pfd = {.fd = log_end, .events = POLLIN};

	ck_assert_msg(poll(&pfd, 1, DEADLINE_MS) == 1, "no line within the deadline");
	ssize_t n = read(log_end, lines + len, sizeof(lines) - 1 - len);
	ck_assert_int_ge(n, 0);
	len += (size_t)n;
	lines[len] = '\0';
	return n > 0;
}

/* The next line from its request on, without those of /stats; NULL at the end. */
static const char *
next_line(void)
{
	static char line[1000];
	char *end, *request;

	do {
		while (!(end = strchr(lines + used, '\n')))
			if (!read_more())
				return NULL;
		*end = '\0';
		request = strchr(lines + used, '"');
		ck_assert_msg(strncmp(lines + used, "127.0.0.1 - - [", 15) == 0 && request, "%s",
			      lines + used);
		ck_assert_uint_lt(strlen(request), sizeof(line));
		memcpy(line, request, strlen(request) + 1);
		used = (size_t)(end + 1 - lines);
	} while (strncmp(line, "\"GET /stats ", 12) == 0);
	return line;
}

/* The next line begins with this. */
static const char *
expect_line(const char *want)
{
	const char *line = next_line();

	ck_assert_msg(line && strncmp(line, want, strlen(want)) == 0, "%s instead of %s", line,
		      want);
	ck_assert_str_eq(line + strlen(line) - 8, " \"-\" \"-\"");
	return line;
}

/* The door has ended, and there is no line that nobody expected. */
static void
expect_no_line(void)
{
	const char *line = next_line();

	ck_assert_msg(!line && used == len, "%s", line ? line : lines + used);
	close(log_end);
}

START_TEST(test_answers)
{
	struct client c;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/fast/a") GET("/slow/1") POST("/json",
							   "Content-Type: application/json\r\n"
							   "Content-Length: 4\r\n",
							   "true") "GET /fast/a\r\n\r\n");
	expect(&c, 200, "fast a");
	expect(&c, 200, "slow 1");
	expect(&c, 200, "true");
	expect(&c, 400, NULL);
	expect_end(&c);
	expect_line("\"GET /fast/a HTTP/1.1\" 200 6 ");
	expect_line("\"GET /slow/1 HTTP/1.1\" 200 6 ");
	expect_line("\"POST /json HTTP/1.1\" 200 4 ");
	expect_line("\"GET /fast/a\" 400 ");
	door_stop();
	expect_no_line();
}
END_TEST

/* At its end, with what was sent: not the framing of chunks. */
START_TEST(test_streams)
{
	struct client c;
	struct answer answer;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/pieces/3") GET("/pieces/0") "HEAD /pieces/3 HTTP/1.1\r\n"
							  "Host: localhost\r\n\r\n");
	expect_line("\"GET /pieces/3 HTTP/1.1\" 200 24 ");
	expect_line("\"GET /pieces/0 HTTP/1.1\" 200 0 ");
	expect_line("\"HEAD /pieces/3 HTTP/1.1\" 200 0 ");
	client_close(&c);
	client_open(&c);
	client_send(&c, "GET /pieces/2 HTTP/1.0\r\n\r\n");
	expect_line("\"GET /pieces/2 HTTP/1.0\" 200 16 ");
	client_close(&c);
	/* cut by the handler */
	client_open(&c);
	client_send(&c, GET("/cut/2"));
	expect_line("\"GET /cut/2 HTTP/1.1\" 200 16 ");
	client_close(&c);
	/* by the client; others are answered while it lasts */
	client_open(&c);
	client_send(&c, GET("/flood/1000"));
	ck_assert(client_fill(&c, clock_monotonic_ms() + DEADLINE_MS));
	struct client other;
	client_open(&other);
	client_send(&other, GET("/fast/a"));
	client_read(&other, &answer, false);
	client_close(&other);
	expect_line("\"GET /fast/a HTTP/1.1\" 200 6 ");
	client_reset(&c);
	unsigned long bytes = 0;
	ck_assert_int_eq(sscanf(expect_line("\"GET /flood/1000 "),
				"\"GET /flood/1000 HTTP/1.1\" 200 %lu \"-\"", &bytes),
			 1);
	ck_assert_uint_ge(bytes, 1000);
	ck_assert_uint_eq(bytes % 1000, 0);
	door_stop();
	expect_no_line();
}
END_TEST

START_TEST(test_client_that_leaves)
{
	struct client c, other;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	client_reset(&c);
	expect_line("\"GET /hold HTTP/1.1\" 499 0 ");
	/* the handler's answer, which goes nowhere, has no line */
	client_open(&other);
	client_send(&other, GET("/release"));
	expect(&other, 200, "released 1");
	expect_line("\"GET /release HTTP/1.1\" 200 10 ");
	client_close(&other);
	door_stop();
	expect_no_line();
}
END_TEST

/* What the end of the server takes from its clients is not answered either. */
START_TEST(test_abort)
{
	struct client c;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	ck_assert_int_eq(kill(door_pid, SIGTERM), 0);
	ck_assert_int_eq(door_wait_report(), 1);
	ck_assert_int_eq(kill(door_pid, SIGUSR1), 0);
	expect_line("\"GET /hold HTTP/1.1\" 499 0 ");
	door_wait_end();
	client_close(&c);
	expect_no_line();
}
END_TEST

#define UPGRADE(path)                                                            \
	"GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"     \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"Sec-WebSocket-Version: 13\r\n\r\n"

START_TEST(test_upgrades)
{
	struct client c;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/fast/a") UPGRADE("/up"));
	expect_line("\"GET /fast/a HTTP/1.1\" 200 6 ");
	expect_line("\"GET /up HTTP/1.1\" 101 0 ");
	client_close(&c);
	client_open(&c);
	client_send(&c, UPGRADE("/up/no"));
	expect_line("\"GET /up/no HTTP/1.1\" 503 ");
	client_close(&c);
	door_stop();
	expect_no_line();
}
END_TEST

/* A refused body is dropped after the line; what follows it has its own. */
START_TEST(test_dropped_body)
{
	struct client c;

	start((struct door_options){0});
	client_open(&c);
	client_send(&c,
		    "POST /fast/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234");
	expect_line("\"POST /fast/a HTTP/1.1\" 405 ");
	client_send(&c, "56789" GET("/fast/b") "x\r\n\r\n");
	expect_line("\"GET /fast/b HTTP/1.1\" 200 6 ");
	expect_line("\"x\" 400 ");
	client_close(&c);
	door_stop();
	expect_no_line();
}
END_TEST

START_TEST(test_turned_away)
{
	enum { N = 40 };
	static struct client c[N];
	unsigned refused = 0;

	start((struct door_options){.descriptors = 30, .max_connections = 1000});
	for (int i = 0; i < N; i++)
		client_open(&c[i]);
	while (refused == 0) {
		read_more();
		for (char *at = lines; (at = strstr(at, "\"-\" 503 ")); at++)
			refused++;
	}
	ck_assert_int_eq(strncmp(lines, "127.0.0.1 - - [", 15), 0);
	for (int i = 0; i < N; i++)
		client_close(&c[i]);
	door_stop();
	close(log_end);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("exchange_log");
	TCase *tc = tcase_create("exchange_log");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_answers);
	tcase_add_test(tc, test_streams);
	tcase_add_test(tc, test_client_that_leaves);
	tcase_add_test(tc, test_abort);
	tcase_add_test(tc, test_upgrades);
	tcase_add_test(tc, test_dropped_body);
	tcase_add_test(tc, test_turned_away);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
