/* links: $(door_box_sources) */
/*
 * test_door_cuts.c - any chunking of the same bytes gives the same requests and the same answers:
 * the whole front door, with a table of talks and with the corpus of fuzz_door, cut in two at each
 * byte, byte by byte and at random, settled between the pieces or not, and with a client that takes
 * little. What may differ is said in tests/fuzz/answers.h.
 */
#include <check.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/answers.h"
#include "../fuzz/door_box.h"
#include "../fuzz/door_talk.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Of random cuts, per talk. */
#define SEEDS 40
/* A longer talk is not cut at each byte but at so many, spread. */
#define SPLITS_MAX 600

static struct box_heard whole, cut;

static void
setup(void)
{
	ck_assert(box_open());
}

static void
teardown(void)
{
	box_close();
	box_heard_free(&whole);
	box_heard_free(&cut);
}

/* ---- one talk, cut ---- */

static void
talk_whole(const char *name, const struct box_talk *talk)
{
	const char *wrong = box_talk(talk, &whole);

	if (!wrong)
		wrong = answers_check(talk->bytes, span_from(whole.answers, whole.len), false,
				      whole.is_aborted ? ANSWERS_UNTIL_NOW : ANSWERS_ALL);
	ck_assert_msg(!wrong, "%s: %s\n%.*s", name, wrong, (int)whole.len, whole.answers);
}

static void
talk_cut(const char *name, const struct box_talk *talk)
{
	const char *wrong = box_talk(talk, &cut);

	if (!wrong)
		wrong = answers_check(talk->bytes, span_from(cut.answers, cut.len), false,
				      cut.is_aborted ? ANSWERS_UNTIL_NOW : ANSWERS_ALL);
	/* what of the answers was on its way when all was closed is a matter of time */
	if (!wrong && !cut.is_aborted &&
	    !answers_agree(talk->bytes, span_from(whole.answers, whole.len),
			   span_from(cut.answers, cut.len)))
		wrong = "it is answered otherwise";
	if (!wrong && !box_seen_alike(&whole, &cut, false))
		wrong = "other requests come to the handlers";
	if (!wrong && !cut.is_aborted && !memmem(talk->bytes.ptr, talk->bytes.len, "/stream/", 8) &&
	    !box_logged_alike(&whole, &cut))
		wrong = "other lines come to the access log";
	ck_assert_msg(!wrong, "%s in pieces of %zu, %zu, ..%s: %s\n%s\n%.*s\n---- whole: %s\n%.*s",
		      name, talk->piece[0], talk->piece[1 % talk->n_pieces],
		      talk->settles ? ", settled" : "", wrong, cut.seen, (int)cut.len, cut.answers,
		      whole.seen, (int)whole.len, whole.answers);
}

static void
talk_in_all_pieces(const char *name, struct span bytes, enum box_peer peer)
{
	size_t piece[16] = {1};
	struct box_talk talk = {.bytes = bytes, .peer = peer};
	uint32_t seed = 1;

	talk_whole(name, &talk);
	talk.piece = piece;
	/* byte by byte */
	talk.n_pieces = 1;
	talk_cut(name, &talk);
	talk.send_max = 3;
	talk_cut(name, &talk);
	talk.settles = true;
	talk_cut(name, &talk);
	talk.send_max = 0;
	/* in two */
	size_t step = 1 + bytes.len / SPLITS_MAX;
	talk.n_pieces = 2;
	for (size_t at = 1; at < bytes.len; at += step) {
		piece[0] = at;
		piece[1] = bytes.len;
		talk.settles = true;
		talk_cut(name, &talk);
		talk.settles = false;
		talk_cut(name, &talk);
	}
	/* anyhow */
	talk.n_pieces = LENGTH(piece);
	for (size_t n = 0; n < SEEDS; n++) {
		for (size_t i = 0; i < LENGTH(piece); i++) {
			seed = seed * 1664525 + 1013904223;
			piece[i] = 1 + (seed >> 16) % (n < SEEDS / 2 ? 8 : 120);
		}
		talk.settles = n & 1;
		talk.send_max = n & 2 ? 1 + n : 0;
		talk_cut(name, &talk);
	}
}

/* ---- named talks ---- */

static const struct named_talk {
	const char *name;
	const char *bytes;
	const char *statuses; /* of the final answers when it comes in one piece */
	size_t n_seen;        /* requests that come to a handler */
} named[] = {
    {"one request", GET("/fast/a"), "200", 1},
    {"fast and slow ones mixed",
     GET("/fast/a") GET("/later/5") GET("/fast/b") GET("/timer") GET("/later/0") GET("/fast/c"),
     "200 200 200 200 200 200", 6},
    {"many", TEN(GET("/fast/a")) TEN(GET("/later/1")),
     "200 200 200 200 200 200 200 200 200 200 "
     "200 200 200 200 200 200 200 200 200 200",
     20},
    {"held until all is sent", GET("/hold") GET("/fast/a") GET("/hold"), "200 200 200", 3},
    {"held behind what is not read", GET("/big") GET("/hold") GET("/fast/a"), "200 200 200", 3},
    {"an unfinished head", GET("/fast/a") "GET /fast/b HTTP/1.1\r\nHo", "200", 1},
    {"an unfinished body", GET("/fast/a") POST("/echo", LENGTH_OF(9), "abc"), "200", 1},
    {"a body and the next", POST("/echo", LENGTH_OF(3), "abc") GET("/fast/a"), "200 200", 2},
    {"bodies one after another",
     POST("/echo", LENGTH_OF(1), "a") POST("/echo/later", LENGTH_OF(2), "bc")
	 POST("/echo", LENGTH_OF(0), "") POST("/wide", LENGTH_OF(3), "GET"),
     "200 200 200 200", 4},
    {"chunks", POST("/echo", CHUNKED, "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n") GET("/fast/a"),
     "200 200", 2},
    {"chunks with extensions and trailers",
     POST(
	 "/echo/later", CHUNKED,
	 "3;a=b;c=\"d;\\\"e\"\r\nabc\r\n1 ; x\r\nd\r\n0;last\r\nContent-Length: 99\r\nX: y\r\n\r\n")
	 GET("/fast/a"),
     "200 200", 2},
    {"no chunks", POST("/echo", CHUNKED, "3\r\nabcd\r\n0\r\n\r\n") GET("/fast/a"), "400", 0},
    {"more chunks than the route takes",
     POST("/echo", CHUNKED, "3e8\r\n" HUNDRED("0123456789") "\r\n1\r\nx\r\n0\r\n\r\n")
	 GET("/fast/a"),
     "413 200", 1},
    {"HEAD",
     HEAD("/fast/a") HEAD("/big") HEAD("/later/2") HEAD("/nowhere") HEAD("/stream/ab")
	 GET("/fast/a"),
     "200 200 200 404 200 200", 5},
    {"100-continue", POST("/echo", CONTINUE LENGTH_OF(3), "abc") GET("/fast/a"), "200 200", 2},
    {"100-continue and chunks",
     GET("/later/1") POST("/echo", CONTINUE CHUNKED, "3\r\nabc\r\n0\r\n\r\n") GET("/fast/a"),
     "200 200 200", 3},
    {"100-continue to what is refused",
     POST("/nowhere", CONTINUE LENGTH_OF(3), "abc") GET("/fast/a"), "404", 0},
    {"100-continue of HTTP/1.0",
     "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n" CONTINUE LENGTH_OF(3) "\r\nabc" GET(
	 "/fast/a"),
     "200 200", 2},
    {"refused bodies",
     POST("/nowhere", LENGTH_OF(4), "GET ") POST("/json", CHUNKED, "1\r\na\r\n0\r\n\r\n")
	 POST("/fast/a", LENGTH_OF(2), "ab") GET("/fast/a"),
     "404 415 405 200", 1},
    {"a body longer than its route takes",
     POST("/echo", LENGTH_OF(1010), HUNDRED("0123456789") "0123456789") GET("/fast/a"), "413 200",
     1},
    {"a body longer than any", POST("/wide", LENGTH_OF(3000), HUNDRED("0123456789")) GET("/fast/a"),
     "413", 0},
    {"chunks that nobody wants, and what is none",
     POST("/nowhere", CHUNKED, "1\r\na\r\n0\r\n\r\n") POST("/nowhere", CHUNKED, "x\r\n")
	 GET("/fast/a"),
     "404 404", 0},
    {"JSON",
     POST("/json", JSON LENGTH_OF(7), "{\"a\":1}")
	 POST("/api/json", JSON CHUNKED, "1\r\n{\r\n0\r\n\r\n") GET("/api/error")
	     GET("/api/nowhere") GET("/error"),
     "201 400 409 404 409", 4},
    {"empty lines", "\r\n\r\n" POST("/echo", LENGTH_OF(3), "abc") "\r\n" GET("/fast/a") "\r\n",
     "200 200", 2},
    {"HTTP/1.0", "GET /fast/a HTTP/1.0\r\n\r\n" GET("/fast/b"), "200", 1},
    {"HTTP/1.0 that goes on",
     "GET /fast/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
     "POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nab" GET("/fast/b"),
     "200 200", 2},
    {"the client wants to close",
     GET("/later/1") "GET /fast/a HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n" GET("/fast/b"),
     "200 200", 2},
    {"absolute, and escapes",
     "GET http://b:80/fast/%61%2f?x=%20 HTTP/1.1\r\n" HOST "\r\n"
     "GET /f%61st/x HTTP/1.1\r\n" HOST "\r\n"
     "GET https://b/fast/a HTTP/1.1\r\n" HOST "\r\n",
     "200 200 421", 2},
    {"nothing that names a path",
     "OPTIONS * HTTP/1.1\r\n" HOST
     "\r\n" GET("/fast/a") "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
     NULL, 1},
    {"TRACE and others",
     "TRACE /fast/a HTTP/1.1\r\n" HOST "\r\n"
     "DELETE /empty HTTP/1.1\r\n" HOST "\r\n"
     "PUT /thing/7 HTTP/1.1\r\n" HOST LENGTH_OF(1) "\r\nx",
     NULL, 2},
    {"no method", GET("/fast/a") "BREW /fast/a HTTP/1.1\r\n" HOST "\r\n" GET("/fast/a"), "200 501",
     1},
    {"a version of tomorrow", GET("/fast/a") "GET /fast/a HTTP/2.0\r\n" HOST "\r\n", "200 505", 1},
    {"a bare LF", GET("/fast/a") "GET /fast/a HTTP/1.1\n" HOST "\r\n", "200 400", 1},
    {"both lengths", POST("/echo", LENGTH_OF(3) CHUNKED, "0\r\n\r\n") GET("/fast/a"), "400", 0},
    {"a long head",
     GET("/fast/a") "GET /fast/a HTTP/1.1\r\n" HOST "X: " HUNDRED("0123456789") "\r\n\r\n",
     "200 431", 1},
    {"a long target",
     "GET /fast/" HUNDRED("0123456789") HUNDRED("0123456789") " HTTP/1.1\r\n" HOST "\r\n", "414",
     0},
    {"a long part",
     GET("/fast/" TEN("0123456789") TEN("0123456789") TEN("0123456789")) GET("/fast/a"), "414 200",
     1},
    {"pieces", GET("/stream/abc") GET("/fast/a") GET("/stream/lalbl") GET("/stream/mm"),
     "200 200 200 200", 4},
    {"pieces to HTTP/1.0", "GET /stream/almb HTTP/1.0\r\n\r\n" GET("/fast/a"), "200", 1},
    {"pieces that end early", GET("/fast/a") GET("/stream/lablx") GET("/fast/a"), NULL, 2},
    {"more than a connection keeps", TEN(GET("/big")) GET("/fast/a") GET("/later/1"),
     "200 200 200 200 200 200 200 200 200 200 200 200", 12},
    {"an upgrade, and what follows", UPGRADE("/up") GET("/fast/a") "frames", "101", 1},
    {"an upgrade after others", GET("/later/3") GET("/big") UPGRADE("/up") "frames", "200 200 101",
     3},
    {"an upgrade that is refused", UPGRADE("/up/no") GET("/fast/a") GET("/up"), "503 200 426", 2},
    {"what is reserved", POST("/nothing", LENGTH_OF(1), "x") GET("/fast/a"), "404 200", 1},
    {"tags",
     ASK("/tag/a", "If-None-Match: \"box\"\r\n")
	 ASK("/tag/a", "If-None-Match: W/\"box\", \"c\"\r\n")
	     ASK("/text/later", "If-None-Match: \"a\"\r\nIf-None-Match: \"box\"\r\n")
		 ASK("/text", "If-None-Match: \"a\"\r\n") HEAD("/text") GET("/tag/a"),
     "304 304 304 200 200 200", 6},
    {"gzip",
     ASK("/text", "Accept-Encoding: gzip\r\n") ASK("/text/later", "Accept-Encoding: gzip\r\n")
	 ASK("/big", "Accept-Encoding: br, gzip;q=0.1\r\n")
	     ASK("/text", "Accept-Encoding: gzip;q=0\r\n") "HEAD /text HTTP/1.1\r\nHost: "
							   "a\r\nAccept-Encoding: gzip\r\n\r\n" GET(
							       "/fast/a"),
     "200 200 200 200 200 200", 6},
    {"pages of others",
     ASK("/fast/a",
	 "Origin: https://app.example\r\n") "OPTIONS /echo HTTP/1.1\r\n" HOST
					    "Origin: https://app.example\r\n"
					    "Access-Control-Request-Method: POST\r\n\r\n" POST(
						"/echo",
						"Origin: https://b.example\r\n" LENGTH_OF(1), "x")
						GET("/fast/a"),
     "200 204 403 200", 2},
    {"forms of errors",
     ASK("/api/error", "Accept: text/plain\r\n") ASK("/error", "Accept: application/json\r\n")
	 ASK("/nowhere", "Accept: */*\r\n"),
     "409 409 404", 2},
    {"what is not public",
     GET("/private") POST("/private", "Via: 1.1 b\r\n" LENGTH_OF(1), "x") GET("/fast/a"),
     "200 403 200", 2},
};

static void
list_statuses(char *out, size_t size)
{
	struct span stream = span_from(whole.answers, whole.len);
	struct answer_view answer;
	const char *why;
	size_t at = 0;

	out[0] = '\0';
	/* which are HEAD's matters only to their bodies, which have no status lines in them */
	while (stream.len && at + 8 < size) {
		const char *begin = memmem(stream.ptr, stream.len, "HTTP/1.1 ", 9);

		if (!begin)
			break;
		stream.len -= (size_t)(begin - stream.ptr);
		stream.ptr = begin;
		if (answer_take(&stream, true, &answer, &why) != ANSWER_WHOLE)
			break;
		if (answer.status == 100)
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%d", at ? " " : "", answer.status);
		if (answer.status == 101)
			break;
	}
}

START_TEST(named_talk_is_the_same_in_any_pieces)
{
	const struct named_talk *t = &named[_i];
	char statuses[256];

	talk_in_all_pieces(t->name, span_str(t->bytes), BOX_UNIX);
	list_statuses(statuses, sizeof(statuses));
	if (t->statuses)
		ck_assert_msg(strcmp(statuses, t->statuses) == 0, "%s: %s instead of %s", t->name,
			      statuses, t->statuses);
	ck_assert_msg(whole.n_seen == t->n_seen, "%s: %zu requests came to a handler: %s", t->name,
		      whole.n_seen, whole.seen);
}
END_TEST

/* The same bytes to other rules: a name that loopback does not answer to, a stranger. */
START_TEST(named_talk_is_the_same_to_strangers)
{
	const struct named_talk *t = &named[_i];

	talk_in_all_pieces(t->name, span_str(t->bytes), _i % 2 ? BOX_LOOPBACK : BOX_REMOTE);
}
END_TEST

/* Whatever a client has sent when it falls silent, and whether it reads or not. */
START_TEST(silent_client_is_let_go)
{
	const struct named_talk *t = &named[_i];
	size_t len = strlen(t->bytes);
	const char *wrong = NULL;

	for (size_t at = 0; at <= len && !wrong; at += 1 + len / 200) {
		struct box_talk talk = {
		    .bytes = span_from(t->bytes, at), .end = BOX_STAY, .step_ms = 15000};

		wrong = box_talk(&talk, &cut);
		if (!wrong)
			wrong = answers_check(talk.bytes, span_from(cut.answers, cut.len), false,
					      ANSWERS_UNTIL_NOW);
		talk.end = BOX_STARE;
		if (!wrong)
			wrong = box_talk(&talk, &cut);
		ck_assert_msg(!wrong, "%s, silent after %zu bytes: %s\n%.*s", t->name, at, wrong,
			      (int)cut.len, cut.answers);
	}
}
END_TEST

/* ---- the corpus ---- */

#define CORPUS_TESTS 10

START_TEST(corpus_is_the_same_in_any_pieces)
{
	static char input[65536];
	const char *srcdir = getenv("srcdir");
	char folder[4096], path[4400];
	struct dirent **entries;

	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/door", srcdir ? srcdir : ".");
	int n = scandir(folder, &entries, NULL, alphasort);
	ck_assert_msg(n > 2, "%s: no corpus", folder);
	for (int i = 0; i < n; i++) {
		if (i % CORPUS_TESTS == _i && entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			FILE *f = fopen(path, "rb");
			ck_assert_ptr_nonnull(f);
			size_t size = fread(input, 1, sizeof(input), f);
			fclose(f);
			/* its first five bytes are for the fuzzer */
			if (size > 5)
				talk_in_all_pieces(
				    entries[i]->d_name, span_from(input + 5, size - 5),
				    (enum box_peer)((unsigned char)input[0] % BOX_PEERS));
		}
		free(entries[i]);
	}
	free(entries);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("door cuts");
	TCase *tc = tcase_create("door cuts");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, named_talk_is_the_same_in_any_pieces, 0, (int)LENGTH(named));
	tcase_add_loop_test(tc, named_talk_is_the_same_to_strangers, 0, (int)LENGTH(named));
	tcase_add_loop_test(tc, silent_client_is_let_go, 0, (int)LENGTH(named));
	tcase_add_loop_test(tc, corpus_is_the_same_in_any_pieces, 0, CORPUS_TESTS);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
