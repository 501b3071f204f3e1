/*
 * it_rules_time.c - clients that are slow, by bad luck or by design: how long each part of a
 * request and of its answer may take, and what they are told.
 *
 * Nothing here sleeps: clients wait for bytes or ends. That something comes too early is asserted
 * closely, that it comes too late only against hanging.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "rules.h"

/* As the daemons here are told; far enough apart to be told from each other. */
#define HEADER_MS   400
#define BODY_MS     700
#define IDLE_MS     1000
#define WRITE_MS    1600
#define DATABASE_MS 1500
/* The daemon's clock ticks in milliseconds, and it had its first look before us. */
#define EARLY_MS 20

#define PRODUCTS       "/api/products"
#define CREATE(fields) POST(PRODUCTS, JSON fields)
#define LATE           ANSWER(408, TEXT, NULL)
#define LATE_BELOW     ANSWER(408, PROBLEM, NULL)
#define LATE_BODY      LATE_BELOW

static void
start(struct rules *r)
{
	rules_start(r, "http.header_timeout=400ms", "http.body_timeout=700ms",
		    "http.min_body_rate=1k", "http.idle_timeout=1000ms",
		    "http.write_timeout=1600ms", NULL);
}

/* A rule about a client that says the one thing, and then the other again and again. */
struct slow_rule {
	struct rule rule;
	const char *drip;  /* NULL: nothing */
	unsigned after_ms; /* the last answer comes, or the end if there is none, after so long */
};

#define SLOW(ms, its_drip, ...)                                             \
	{                                                                   \
		.rule = RULE(__VA_ARGS__), .drip = its_drip, .after_ms = ms \
	}
#define NONE ANSWER(0, NULL, NULL)

static const struct slow_rule slow_rules[] = {
    SLOW(HEADER_MS, NULL, ENDS, "9112 9.5: who never says a word is closed", "", NONE),
    SLOW(HEADER_MS, NULL, ENDS, "9110 15.5.9: a head that stops", "GET / HT", LATE),
    SLOW(HEADER_MS, NULL, ENDS, "9110 15.5.9: a head without its end", "GET /a HTTP/1.1\r\n" HOST,
	 LATE),
    SLOW(HEADER_MS, NULL, ENDS, "9457 3: a head below /api", "GET /api/x HTTP/1.1\r\n" HOST,
	 LATE_BELOW),
    SLOW(HEADER_MS, NULL, ENDS, "9457 3: a path below /api, so far", "GET /api/x", LATE_BELOW),
    SLOW(HEADER_MS, "b", ENDS, "9110 15.5.9: a head that drips", "GET /a HTTP/1.1\r\nA: ", LATE),
    SLOW(HEADER_MS, "B: c\r\n", ENDS, "9110 15.5.9: a head that drips whole lines",
	 "GET /a HTTP/1.1\r\n", LATE),
    SLOW(HEADER_MS, "\r\n", ENDS, "9112 2.2: nothing but empty lines", "\r\n", LATE),
    SLOW(HEADER_MS, NULL, ENDS, "9110 15.5.9: the head of a second request", GET("/a", "") "GET",
	 HELLO("a"), LATE),
    SLOW(HEADER_MS, "a", ENDS, "9110 15.5.9: which drips", GET("/a", "") "GET /", HELLO("a"), LATE),
    SLOW(IDLE_MS, NULL, CUT, "9112 9.5: who says no more is closed without a word", GET("/a", ""),
	 HELLO("a")),
    SLOW(BODY_MS, NULL, ENDS, "9110 15.5.9: a body that does not come",
	 CREATE("Content-Length: 5\r\n"), LATE_BODY),
    SLOW(BODY_MS, NULL, ENDS, "9110 15.5.9: a body that stops",
	 CREATE("Content-Length: 5\r\n") "1234", LATE_BODY),
    SLOW(BODY_MS, NULL, ENDS, "9110 15.5.9: a body that was sent for",
	 CREATE("Expect: 100-continue\r\nContent-Length: 5\r\n"), ANSWER(100, NULL, ""), LATE_BODY),
    SLOW(BODY_MS, "x", ENDS, "9110 15.5.9: a byte now and then is no life",
	 CREATE("Content-Length: 10000\r\n"), LATE_BODY),
    SLOW(BODY_MS, NULL, ENDS, "9110 15.5.9: chunks that stop",
	 CREATE("Transfer-Encoding: chunked\r\n") "1\r\n{\r\n", LATE_BODY),
    SLOW(BODY_MS, "1\r\nx\r\n", ENDS, "9110 15.5.9: chunks that drip",
	 CREATE("Transfer-Encoding: chunked\r\n"), LATE_BODY),
    SLOW(BODY_MS, "a", ENDS, "9112 7.1.1: a chunk extension that drips",
	 CREATE("Transfer-Encoding: chunked\r\n") "5;", LATE_BODY),
    SLOW(BODY_MS, "a", ENDS, "9112 7.1.2: trailers that drip",
	 CREATE("Transfer-Encoding: chunked\r\n") "0\r\nA: ", LATE_BODY),
    /* answered before it began to come */
    SLOW(BODY_MS, NULL, CUT, "9112 9.5: a body that nobody wants and that stops",
	 POST("/", "Content-Length: 5\r\n") "1", ANSWER(405, TEXT, NULL)),
    SLOW(BODY_MS, "x", CUT, "9112 9.5: a body that nobody wants and that drips",
	 POST("/", "Content-Length: 10000\r\n"), ANSWER(405, TEXT, NULL)),
    SLOW(BODY_MS, "1\r\nx\r\n", CUT, "9112 9.5: chunks that nobody wants and that drip",
	 POST("/", "Transfer-Encoding: chunked\r\n"), ANSWER(405, TEXT, NULL)),
};

#define N_SLOW (sizeof(slow_rules) / sizeof(slow_rules[0]))
#define N_ALL  (N_SLOW * VIA_COUNT)

struct slow {
	const struct slow_rule *rule;
	struct http_conn c;
	uint64_t began_ms;
	size_t n_read; /* answers */
	bool is_open;
};

static const struct rule_answer *
next_answer(const struct slow *s)
{
	return &s->rule->rule.answer[s->n_read];
}

/* Whether this answer is not what it is about: those come at once. */
static bool
is_before(const struct slow *s)
{
	return next_answer(s)->status && (next_answer(s)[1].status || s->rule->rule.end == CUT);
}

static void
fail_slow(const struct slow *s, char *wrong)
{
	ck_assert_msg(!wrong, "RFC %s: %s", s->rule->rule.name, wrong);
}

/* All of them at a time, so that it takes no longer than the slowest. */
START_TEST(slow_clients_are_told_and_closed)
{
	static struct slow slow[N_ALL];
	static struct pollfd p[N_ALL];
	struct rules r;
	size_t n = 0, n_open;

	start(&r);
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		for (size_t i = 0; rules_have(&r, via) && i < N_SLOW; i++) {
			struct slow *s = &slow[n++];
			bool is_last;
			s->rule = &slow_rules[i];
			s->is_open = true;
			s->began_ms = it_now_ms();
			rules_open(&r, via, &s->c);
			http_send(&s->c, s->rule->rule.sent, s->rule->rule.sent_len);
			for (; is_before(s); s->n_read++)
				fail_slow(s, rule_read(&s->c, next_answer(s), &is_last));
		}
	}
	const uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	do {
		n_open = 0;
		for (size_t i = 0; i < n; i++) {
			struct slow *s = &slow[i];
			p[i] = (struct pollfd){s->is_open ? s->c.fd : -1, POLLIN, 0};
			n_open += s->is_open;
			/* who is cut off notices it by that, or by the end that he reads */
			if (s->is_open && s->rule->drip)
				http_try_send(&s->c, s->rule->drip, strlen(s->rule->drip));
		}
		poll(p, (nfds_t)n, 10);
		const uint64_t now = it_now_ms();
		for (size_t i = 0; i < n; i++) {
			struct slow *s = &slow[i];
			const uint64_t took = now - s->began_ms;
			bool is_last = true;
			if (!s->is_open || (!p[i].revents && s->c.len == 0))
				continue;
			ck_assert_msg(took + EARLY_MS >= s->rule->after_ms, "RFC %s: after %llu ms",
				      s->rule->rule.name, (unsigned long long)took);
			if (next_answer(s)->status) {
				fail_slow(s, rule_read(&s->c, next_answer(s), &is_last));
				ck_assert_msg(is_last, "RFC %s: no Connection: close",
					      s->rule->rule.name);
			}
			/* bytes that cross with the close of a silent end reset it: no answer is
			 * lost */
			if (!s->rule->drip || s->rule->rule.end != CUT)
				fail_slow(s, rule_read_end(&s->c));
			http_close(&s->c);
			s->is_open = false;
		}
		ck_assert_msg(it_now_ms() < until, "%zu of them are still served", n_open);
	} while (n_open);
	rules_stop(&r);
}
END_TEST

/* ---- who is not slow ---- */

/* Nothing comes for so long. */
static void
expect_silence(struct http_conn *c, int ms)
{
	ck_assert_msg(!http_readable(c, ms), "something came, or the end");
}

static void
expect(struct http_conn *c, const struct rule_answer *want)
{
	bool is_last;
	char *wrong = rule_read(c, want, &is_last);

	ck_assert_msg(!wrong, "%s", wrong);
	ck_assert(!is_last);
}

static const struct rule_answer hello_a = HELLO("a");

/* The deadline of a head counts from its first byte, that of the first byte until then. */
START_TEST(each_deadline_has_its_own_beginning)
{
	const struct rule_answer late = LATE;
	struct rules r;
	struct http_conn c;
	bool is_last;

	start(&r);
	http_open(&c, r.port[VIA_IPV4]);
	/* together longer than either, and far from each: machines are busy */
	expect_silence(&c, HEADER_MS / 2);
	const uint64_t began = it_now_ms();
	http_send_text(&c, "GET /a HTTP/1.1\r\n");
	expect_silence(&c, HEADER_MS * 5 / 8);
	char *wrong = rule_read(&c, &late, &is_last);
	ck_assert_msg(!wrong, "%s", wrong);
	ck_assert_uint_ge(it_now_ms() - began + EARLY_MS, HEADER_MS);
	http_close(&c);

	/* after an answer it is http.idle_timeout that counts, and for each request anew */
	http_open(&c, r.port[VIA_IPV4]);
	for (int i = 0; i < 4; i++) {
		http_send_text(&c, GET("/a", ""));
		expect(&c, &hello_a);
		expect_silence(&c, IDLE_MS / 2);
	}
	/* and then the head has all of its own time */
	http_send_text(&c, "GET /a HTTP/1.1\r\n");
	expect_silence(&c, HEADER_MS / 2);
	http_send_text(&c, HOST "\r\n");
	expect(&c, &hello_a);
	http_close(&c);
	rules_stop(&r);
}
END_TEST

/* http.min_body_rate: each kilobyte that has come earns a second. */
START_TEST(bodies_that_come_fast_enough_have_their_time)
{
	enum { SENT = 2048 };
	static char body[SENT];
	const struct rule_answer done = {503, PROBLEM, "~no-store"};
	const struct rule_answer refused = {405, TEXT, NULL};
	struct rules r;
	struct http_conn wanted, chunked, dropped;

	memset(body, ' ', sizeof(body));
	start(&r);
	http_open(&wanted, r.port[VIA_IPV4]);
	http_send_text(&wanted, CREATE("Content-Length: 2053\r\n"));
	http_send(&wanted, body, sizeof(body));
	http_open(&chunked, r.port[VIA_IPV4]);
	http_send_text(&chunked, CREATE("Transfer-Encoding: chunked\r\n") "805\r\n");
	http_send(&chunked, body, sizeof(body));
	http_open(&dropped, r.port[VIA_IPV4]);
	http_send_text(&dropped, POST("/", "Content-Length: 2053\r\n"));
	http_send(&dropped, body, sizeof(body));
	expect(&dropped, &refused);
	/* twice the time that a body has by itself */
	expect_silence(&wanted, 2 * BODY_MS);
	expect_silence(&chunked, 0);
	expect_silence(&dropped, 0);
	http_send_text(&wanted, "12345");
	expect(&wanted, &done);
	http_send_text(&chunked, "12345\r\n0\r\n\r\n");
	expect(&chunked, &done);
	http_send_text(&dropped, "12345" GET("/a", ""));
	expect(&dropped, &hello_a);
	http_close(&wanted);
	http_close(&chunked);
	http_close(&dropped);
	rules_stop(&r);
}
END_TEST

/* Who waits for us is not slow, however long it takes: no deadline of his counts meanwhile. */
START_TEST(requests_in_hand_have_no_deadline_of_their_client)
{
	const struct rule_answer busy = {503, PROBLEM, "~/problems/store-"};
	struct rules r;
	struct http_conn c[VIA_COUNT];
	int fd;
	char *database = rules_mute_database(&fd);

	rules_start(&r, "http.header_timeout=400ms", "http.body_timeout=700ms",
		    "http.idle_timeout=1000ms", "http.write_timeout=1600ms",
		    "store.queue_timeout=1500ms", "store.connect_timeout=5m", database, NULL);
	const uint64_t began = it_now_ms();
	/* the one behind it is not late either: it waits because of us */
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		if (!rules_have(&r, via))
			continue;
		rules_open(&r, via, &c[via]);
		http_send_text(&c[via], GET(PRODUCTS "/1", "") GET("/a", ""));
	}
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		if (!rules_have(&r, via))
			continue;
		expect(&c[via], &busy);
		ck_assert_uint_ge(it_now_ms() - began + EARLY_MS, DATABASE_MS);
		expect(&c[via], &hello_a);
		http_close(&c[via]);
	}
	rules_stop(&r);
	close(fd);
	free(database);
}
END_TEST

/* ---- who does not take his answers ---- */

#define FLOOD 6000 /* requests whose answers no socket takes all of */

static void
send_flood(struct http_conn *c)
{
	static const char request[] = "GET /a/b HTTP/1.1\r\nHost: a\r\n\r\n";
	char *flood = malloc(FLOOD * (sizeof(request) - 1));

	ck_assert_ptr_nonnull(flood);
	for (size_t i = 0; i < FLOOD; i++)
		memcpy(flood + i * (sizeof(request) - 1), request, sizeof(request) - 1);
	http_send(c, flood, FLOOD * (sizeof(request) - 1));
	free(flood);
}

/* Over a unix socket, whose buffers do not grow: the end is seen by what can no longer be sent. */
START_TEST(who_takes_nothing_is_closed)
{
	struct rules r;
	struct http_conn c;

	start(&r);
	http_open_unix(&c, r.path);
	const uint64_t began = it_now_ms();
	send_flood(&c);
	/* the rest is not read, and so some time nothing more can be sent */
	while (http_try_send(&c, "\r\n", 2))
		ck_assert_uint_lt(it_now_ms() - began, IT_DEADLINE_MS);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_ge(it_now_ms() - began + EARLY_MS, WRITE_MS);
	http_close(&c);
	rules_stop(&r);
}
END_TEST

START_TEST(who_takes_some_now_and_then_is_served)
{
	enum { PIECE = 256 << 10 };
	const struct rule_answer nothing = {404, TEXT, NULL};
	struct rules r;
	struct http_conn c, clock;

	start(&r);
	http_open_unix(&c, r.path);
	send_flood(&c);
	/* between two pieces, a client that says nothing comes and is closed */
	for (int i = 0; i < 4; i++) {
		rules_open(&r, VIA_IPV4, &clock);
		char *wrong = rule_read_end(&clock);
		ck_assert_msg(!wrong, "%s", wrong);
		http_close(&clock);
		const size_t before = c.len;
		while (c.len < before + PIECE && poll(&(struct pollfd){c.fd, POLLIN, 0}, 1, 0) == 1)
			ck_assert(http_receive(&c, it_now_ms() + IT_DEADLINE_MS));
	}
	for (int i = 0; i < FLOOD; i++)
		expect(&c, &nothing);
	http_send_text(&c, GET("/a", ""));
	expect(&c, &hello_a);
	http_close(&c);
	rules_stop(&r);
}
END_TEST

/* RFC 9112 9.6: who was told the end and goes on sending is heard for a while, not for ever. */
START_TEST(lingering_has_an_end)
{
	const struct rule_answer bad = {400, TEXT, NULL};
	struct rules r;
	struct http_conn c;
	bool is_last;

	start(&r);
	http_open_unix(&c, r.path);
	http_send_text(&c, "GET  / HTTP/1.1\r\n");
	char *wrong = rule_read(&c, &bad, &is_last);
	ck_assert_msg(!wrong, "%s", wrong);
	wrong = rule_read_end(&c);
	ck_assert_msg(!wrong, "%s", wrong);
	const uint64_t began = it_now_ms();
	while (http_try_send(&c, "x", 1)) {
		ck_assert_uint_lt(it_now_ms() - began, IT_DEADLINE_MS);
		poll(&(struct pollfd){c.fd, 0, 0}, 1, 10);
	}
	http_close(&c);
	rules_stop(&r);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "slow");

	tcase_add_test(tc, slow_clients_are_told_and_closed);
	tc = it_case(s, "in time");
	tcase_add_test(tc, each_deadline_has_its_own_beginning);
	tcase_add_test(tc, bodies_that_come_fast_enough_have_their_time);
	tcase_add_test(tc, requests_in_hand_have_no_deadline_of_their_client);
	tc = it_case(s, "answers");
	tcase_add_test(tc, who_takes_nothing_is_closed);
	tcase_add_test(tc, who_takes_some_now_and_then_is_served);
	tcase_add_test(tc, lingering_has_an_end);
}

int
main(void)
{
	return it_main("rules_time", fill, 0);
}
