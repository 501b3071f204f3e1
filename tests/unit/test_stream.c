/* links: tests/unit/door_rig.c $(door) -levent_core -ljansson */
/*
 * Answers in pieces: framing, order, ends, and clients that are slow or leave.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "door_rig.h"

/* Until `text` has come; it and what was before it is shown to the test then. */
static void
expect_text(struct client *c, const char *text)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	const char *at;

	while (!(at = memmem(c->data + c->used, c->len - c->used, text, strlen(text))))
		ck_assert_msg(client_fill(c, until_ms), "the end instead of %s", text);
	c->used = (size_t)(at - c->data) + strlen(text);
}

/* RFC 9112 7.1: in chunks, the last of them empty, and then the next answer. */
START_TEST(test_chunks)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/pieces/3") GET("/fast/a") GET("/pieces/0") GET("/fast/b"));
	expect_text(&c, "Transfer-Encoding: chunked\r\n\r\n"
			"8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n8\r\npiece 3\n\r\n"
			"0\r\n\r\n");
	expect(&c, 200, "fast a");
	expect_text(&c, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	expect(&c, 200, "fast b");
	client_close(&c);
	door_stop();
}
END_TEST

/* RFC 9112 6.3: HTTP/1.0 knows no chunks; the end is that of the connection. */
START_TEST(test_minor_0)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, "GET /pieces/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_text(&c, "\r\nConnection: close\r\n\r\npiece 1\npiece 2\n");
	ck_assert_ptr_null(memmem(c.data, c.len, "Transfer-Encoding", 17));
	expect_end(&c);
	door_stop();
}
END_TEST

/* RFC 9110 9.3.2: the head alone; nobody makes pieces for it. */
START_TEST(test_head)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, "HEAD /flood/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/fast/a"));
	expect_text(&c, "\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n");
	expect_text(&c, "fast a");
	client_close(&c);
	door_stop();
}
END_TEST

/* RFC 9112 8: what cannot be finished ends without its last chunk. */
START_TEST(test_cut)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/cut/2") GET("/fast/a"));
	expect_text(&c, "8\r\npiece 2\n\r\n");
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	ck_assert(!client_fill(&c, until_ms) && c.len == c.used);
	client_close(&c);
	door_stop();
}
END_TEST

/* A client that has shut its side still gets all pieces (RFC 9112 9.6). */
START_TEST(test_half_close)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/pieces/4"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_text(&c, "piece 4\n\r\n0\r\n\r\n");
	expect_end(&c);
	door_stop();
}
END_TEST

/* Waits until so many streams were told to stop. */
static void
expect_stopped(const char *wanted)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	struct client c;
	struct answer answer;

	client_open(&c);
	do {
		client_send(&c, GET("/stopped"));
		client_read(&c, &answer, false);
		ck_assert_msg(clock_monotonic_ms() < until_ms, "%s", answer.body);
	} while (strcmp(answer.body, wanted) != 0);
	client_close(&c);
}

/* But nobody waits for the end of one that has none: that client has left. */
START_TEST(test_half_close_of_endless)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/endless"));
	expect_text(&c, "6\r\nfirst\n\r\n");
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	expect_stopped("stopped 1");
	/* what it sent behind its request changes nothing */
	client_open(&c);
	client_send(&c, GET("/endless") GET("/fast/a"));
	expect_text(&c, "6\r\nfirst\n\r\n");
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	expect_stopped("stopped 2");
	door_stop();
}
END_TEST

/* The client sets the pace: who reads nothing gets no further pieces made, and others go on. */
START_TEST(test_slow_client)
{
	struct client slow, c;
	size_t total = 0;

	door_start(&(struct door_options){0});
	client_open(&slow);
	client_send(&slow, GET("/flood/65536"));
	expect_text(&slow, "Transfer-Encoding: chunked\r\n\r\n10000\r\n");
	client_open(&c);
	for (int i = 0; i < 100; i++) {
		client_send(&c, GET("/fast/a"));
		expect(&c, 200, "fast a");
	}
	/* it goes on for whoever reads on: more than any buffer on the way holds */
	while (total < (size_t)64 << 20) {
		ssize_t n = recv(slow.fd, slow.data, sizeof(slow.data), 0);

		ck_assert_int_gt(n, 0);
		total += (size_t)n;
	}
	client_reset(&slow);
	expect_stopped("stopped 1");
	client_close(&c);
	door_stop();
}
END_TEST

/* Who takes nothing for http.write_timeout is closed, and the handler is told. */
START_TEST(test_no_taker)
{
	struct client c;

	door_start(&(struct door_options){.write_ms = 200});
	client_open(&c);
	client_send(&c, GET("/flood/65536"));
	expect_stopped("stopped 1");
	client_close(&c);
	door_stop();
}
END_TEST

/* A server that closes everything tells the streams, also those that wait for a timer. */
START_TEST(test_abort)
{
	struct client flood, c;

	door_start(&(struct door_options){0});
	client_open(&flood);
	client_send(&flood, GET("/flood/65536"));
	expect_text(&flood, "\r\n10000\r\n");
	ck_assert_int_eq(kill(door_pid, SIGUSR1), 0);
	while (recv(flood.fd, flood.data, sizeof(flood.data), 0) > 0)
		;
	client_close(&flood);
	expect_stopped("stopped 1");
	client_open(&c);
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	client_close(&c);
	door_stop();
}
END_TEST

/* Its head was written before a drain began, and promised more: the next answer is the last. */
START_TEST(test_drain)
{
	struct client c;
	struct answer answer;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/pieces/500") GET("/fast/a"));
	expect_text(&c, "piece 1\n");
	ck_assert_int_eq(kill(door_pid, SIGTERM), 0);
	ck_assert_int_eq(door_wait_report(), 1);
	expect_text(&c, "piece 500\n\r\n0\r\n\r\n");
	client_read(&c, &answer, false);
	ck_assert_str_eq(answer.body, "fast a");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&c);
	door_wait_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tc = tcase_create("stream");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_chunks);
	tcase_add_test(tc, test_minor_0);
	tcase_add_test(tc, test_head);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_half_close);
	tcase_add_test(tc, test_half_close_of_endless);
	tcase_add_test(tc, test_slow_client);
	tcase_add_test(tc, test_no_taker);
	tcase_add_test(tc, test_abort);
	tcase_add_test(tc, test_drain);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
