/* links: $(door_box_sources) */
/*
 * test_door_memory.c - the whole front door with each allocation failing in turn, and with none
 * succeeding from each one on: every talk ends in an answer or a close, nothing leaks, and when
 * there is memory again the same server answers again. Ours, libevent's, jansson's and OpenSSL's
 * allocations are one sequence.
 */
#include <check.h>
#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../fuzz/answers.h"
#include "../fuzz/door_box.h"
#include "../fuzz/door_talk.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);

/* Blocks of the front door at a time; there are a few dozen. */
#define BLOCKS_MAX 4096

static bool is_counting; /* between the making of a front door and its end */
static bool is_failing;  /* within that, but not while this file allocates */
static size_t fail_at;   /* which allocation fails, from 1; 0: none */
static bool for_ever;    /* and all after it */
static size_t n_allocations;
static size_t n_failed;
static void *block[BLOCKS_MAX];
static size_t n_blocks;

static bool
fails(void)
{
	if (!is_failing)
		return false;
	n_allocations++;
	if (!fail_at || n_allocations < fail_at || (n_allocations > fail_at && !for_ever))
		return false;
	n_failed++;
	return true;
}

static void *
made(void *p)
{
	if (p && is_counting) {
		if (n_blocks == BLOCKS_MAX)
			abort();
		block[n_blocks++] = p;
	}
	return p;
}

static void
forget(const void *p)
{
	for (size_t i = n_blocks; p && i > 0; i--) {
		if (block[i - 1] == p) {
			block[i - 1] = block[--n_blocks];
			return;
		}
	}
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : made(__real_malloc(size));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : made(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	forget(p);
	return made(__real_realloc(p, size));
}

void
__wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

char *
__wrap_strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = __wrap_malloc(size);

	return copy ? memcpy(copy, s, size) : NULL;
}

/* OpenSSL keeps what it makes once, so its blocks are not counted. */
static void *
crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_malloc(size);
}

static void *
crypto_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_realloc(p, size);
}

static void
crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	__real_free(p);
}

/* ---- talks ---- */

struct scenario {
	const char *name;
	void (*run)(const struct scenario *scenario);
	const char *bytes;
	size_t piece; /* bytes per read; 0: as they come */
	size_t send_max;
	enum box_peer peer;
	enum box_end end;
};

static struct box_heard heard;
static const char *wrong; /* the first thing that was */
/* of the run without a failure */
static int expected[64];
static size_t n_expected;

static void
note(const char *what)
{
	if (what && !wrong)
		wrong = what;
}

/* The answers heard: each is what it is with memory, or 503; the last one may be cut. */
static void
check_answers(void)
{
	struct span stream = span_from(heard.answers, heard.len);
	struct answer_view answer;
	const char *why;
	size_t n = 0;

	while (stream.len && !wrong) {
		/* that there is no HEAD here is up to the table */
		switch (answer_take(&stream, false, &answer, &why)) {
		case ANSWER_BAD: note(why); return;
		case ANSWER_CUT:
			if (!n_failed)
				note("an answer is cut although there was memory");
			return;
		case ANSWER_WHOLE: break;
		}
		if (answer.status == 100)
			continue;
		if (!n_failed && n < LENGTH(expected)) {
			expected[n] = answer.status;
			n_expected = n + 1;
		} else if (answer.status != 503 &&
			   (n >= n_expected || answer.status != expected[n])) {
			note("an answer that is neither the right one nor 503");
		}
		n++;
		if (answer.status == 101)
			return;
	}
}

static void
run_talk(const struct scenario *s)
{
	struct box_talk talk = {
	    .bytes = span_str(s->bytes),
	    .piece = &s->piece,
	    .n_pieces = s->piece ? 1 : 0,
	    .send_max = s->send_max,
	    .peer = s->peer,
	    .end = s->end,
	};

	note(box_talk(&talk, &heard));
	check_answers();
}

/* More connections than structs and tables have room for at first, each within a head. */
static void
run_many(const struct scenario *s)
{
	int fd[40];

	(void)s;
	for (size_t i = 0; i < LENGTH(fd); i++) {
		fd[i] = box_connect(BOX_UNIX);
		(void)box_send(fd[i], "GET /later/3 HT", 15);
	}
	if (!box_run())
		note("the loop does not come to rest");
	for (size_t i = 0; i < LENGTH(fd); i++)
		(void)box_send(fd[i], "TP/1.1\r\nHost: a\r\n\r\n", 19);
	if (!box_run())
		note("the loop does not come to rest");
	for (size_t i = 0; i < LENGTH(fd); i++) {
		heard.len = 0;
		(void)box_read(fd[i], &heard);
		check_answers();
		close(fd[i]);
	}
	if (!box_run())
		note("the loop does not come to rest");
	if (box_connections() || box_owed())
		note("the clients have left, but something of them is still there");
}

/* Connections of all kinds meet a drain: idle ones, one within a request, one that is served. */
static void
run_drain(const struct scenario *s)
{
	static const char *const said[] = {
	    "",           GET("/fast/a"),      "GET /fa",
	    GET("/hold"), GET("/stream/alal"), POST("/echo", LENGTH_OF(3), "a")};
	int fd[LENGTH(said)];

	(void)s;
	for (size_t i = 0; i < LENGTH(said); i++) {
		fd[i] = box_connect(BOX_UNIX);
		(void)box_send(fd[i], said[i], strlen(said[i]));
	}
	if (!box_run())
		note("the loop does not come to rest");
	(void)box_drain();
	box_release();
	for (size_t i = 0; i < LENGTH(said); i++) {
		shutdown(fd[i], SHUT_WR);
		if (!box_run())
			note("the loop does not come to rest");
		heard.len = 0;
		(void)box_read(fd[i], &heard);
		close(fd[i]);
	}
	if (!box_run())
		note("the loop does not come to rest");
	if (box_connections() || box_owed())
		note("the clients have left, but something of them is still there");
	if (!box_drained())
		note("the drain has no end");
}

static const struct scenario scenarios[] = {
    {.name = "nothing is asked", .run = run_talk, .bytes = ""},
    {.name = "keep-alive",
     .run = run_talk,
     .bytes = GET("/fast/a") GET("/empty") GET("/nowhere") GET("/fast/b")},
    {.name = "byte by byte",
     .run = run_talk,
     .bytes = GET("/fast/a") POST("/echo", LENGTH_OF(3), "abc"),
     .piece = 1},
    {.name = "bodies",
     .run = run_talk,
     .bytes = POST("/echo", CONTINUE LENGTH_OF(9), "123456789")
	 POST("/nowhere", LENGTH_OF(9), "123456789"),
     .piece = 20},
    {.name = "a body that has no end, behind a slow answer",
     .run = run_talk,
     .bytes = GET("/fast/a") POST("/echo", LENGTH_OF(9), "abc"),
     .send_max = 3},
    {.name = "chunks",
     .run = run_talk,
     .bytes = POST("/echo/later", CHUNKED, "3;x=y\r\nabc\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n")
	 GET("/fast/a"),
     .piece = 7},
    {.name = "deferred",
     .run = run_talk,
     .bytes = GET("/later/3")
	 GET("/timer") "GET /later/1 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"a\"\r\n\r\n"
		       "GET /hold HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"a\"\r\n\r\n"},
    {.name = "the client leaves",
     .run = run_talk,
     .bytes = GET("/big") GET("/later/3") GET("/hold"),
     .end = BOX_LEAVE},
    {.name = "the client takes little",
     .run = run_talk,
     .bytes = GET("/big") GET("/later/3") GET("/big") GET("/fast/a"),
     .send_max = 1000},
    {.name = "pieces",
     .run = run_talk,
     .bytes = GET("/stream/almlb") GET("/fast/a"),
     .send_max = 1000},
    {.name = "pieces to HTTP/1.0",
     .run = run_talk,
     .bytes = "GET /stream/almlb HTTP/1.0\r\n\r\n",
     .send_max = 1000},
    {.name = "pieces and no client",
     .run = run_talk,
     .bytes = GET("/stream/almbll"),
     .end = BOX_LEAVE},
    {.name = "JSON",
     .run = run_talk,
     .bytes = POST("/json", JSON LENGTH_OF(19), "{\"a\":[1,2,{\"b\":3}]}") POST(
	 "/api/json", JSON LENGTH_OF(1), "{") GET("/api/error") GET("/error") GET("/api/nowhere")},
    {.name = "tags and gzip",
     .run = run_talk,
     .bytes = ASK("/text", "Accept-Encoding: gzip\r\n") ASK("/tag/a", "If-None-Match: \"box\"\r\n")
	 ASK("/text/later", "Accept-Encoding: gzip\r\nIf-None-Match: \"c\"\r\n")},
    {.name = "gzip in pieces",
     .run = run_talk,
     .bytes = ASK("/big", "Accept-Encoding: gzip\r\n") GET("/fast/a")},
    {.name = "bad requests", .run = run_talk, .bytes = "GET / HTTP/1.1\nHost: a\r\n\r\n"},
    {.name = "strangers",
     .run = run_talk,
     .bytes = GET("/private") GET("/fast/a"),
     .peer = BOX_REMOTE},
    {.name = "upgrade", .run = run_talk, .bytes = GET("/later/1") UPGRADE("/up") "frames"},
    {.name = "upgrade refused", .run = run_talk, .bytes = UPGRADE("/up/no") GET("/up")},
    {.name = "many", .run = run_many},
    {.name = "drain", .run = run_drain},
};

/* ---- the walk ---- */

/* Whether an allocation failed. */
static bool
walk(const struct scenario *s, size_t n, bool ever)
{
	fail_at = n;
	for_ever = ever;
	n_allocations = n_failed = 0;
	wrong = NULL;
	is_counting = is_failing = true;
	bool is_open = box_open();
	if (is_open)
		s->run(s);
	else if (!n_failed)
		note("it cannot be opened");
	bool has_failed = n_failed > 0;
	is_failing = false;
	if (is_open && s->run != run_drain) {
		const struct box_talk again = {.bytes = SPAN_LIT(GET("/fast/again"))};

		note(box_talk(&again, &heard));
		if (heard.len < 12 || memcmp(heard.answers, "HTTP/1.1 200", 12) != 0)
			note("with memory again, it does not answer");
	}
	box_close();
	is_counting = false;
	if (n_blocks)
		note("memory is left");
	n_blocks = 0;
	ck_assert_msg(!wrong, "%s, with %s %zu failing: %s\n%.*s", s->name,
		      ever ? "all allocations from" : "allocation", n, wrong, (int)heard.len,
		      heard.answers);
	return has_failed;
}

static void
setup(void)
{
	event_set_mem_functions(__wrap_malloc, __wrap_realloc, __wrap_free);
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
	ck_assert(CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free));
	/* each failure is an error in the log */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	heard.cap = (size_t)4 << 20;
	heard.answers = malloc(heard.cap);
	ck_assert_ptr_nonnull(heard.answers);
	/* what is made once and kept */
	const struct box_talk first = {.bytes = SPAN_LIT(GET("/text"))};
	ck_assert(box_open());
	ck_assert_ptr_null(box_talk(&first, &heard));
	box_close();
}

static void
teardown(void)
{
	box_heard_free(&heard);
}

START_TEST(each_allocation_may_fail)
{
	const struct scenario *s = &scenarios[_i];
	size_t n;

	ck_assert(!walk(s, 0, false));
	for (n = 1; walk(s, n, false); n++)
		;
	/* the front door itself takes more than this */
	ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(all_allocations_from_any_one_may_fail)
{
	const struct scenario *s = &scenarios[_i];

	ck_assert(!walk(s, 0, false));
	for (size_t n = 1; walk(s, n, true); n++)
		;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("door memory");
	TCase *tc = tcase_create("door memory");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_allocation_may_fail, 0, (int)LENGTH(scenarios));
	tcase_add_loop_test(tc, all_allocations_from_any_one_may_fail, 0,
			    (int)LENGTH(scenarios) - 1);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
