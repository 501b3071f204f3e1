/* links: src/http/chars.c src/http/chunked.c */
/*
 * test_chunked.c - chunked bodies, rule by rule with its section: what is decoded, what is refused,
 * and that cuts change nothing.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "http/chunked.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

struct result {
	enum chunked_status status;
	struct chunked c;
	size_t used, decoded;
	char body[65536];
};

/* In pieces of `first` bytes, then `then` bytes, each decoded in place in memory of its own. */
static void
decode(struct result *r, struct span coded, uint64_t max, size_t first, size_t then)
{
	size_t at = 0, piece = first, used, n;

	chunked_init(&r->c, max);
	r->status = CHUNKED_MORE;
	r->used = r->decoded = 0;
	while (at < coded.len && r->status == CHUNKED_MORE) {
		if (piece > coded.len - at)
			piece = coded.len - at;
		char *in = malloc(piece);

		ck_assert_ptr_nonnull(in);
		memcpy(in, coded.ptr + at, piece);
		r->status = chunked_decode(&r->c, in, piece, &used, in, &n);
		ck_assert(r->status != CHUNKED_MORE || used == piece);
		ck_assert_uint_le(r->decoded + n, sizeof(r->body));
		memcpy(r->body + r->decoded, in, n);
		free(in);
		r->decoded += n;
		r->used += used;
		at += piece;
		piece = then;
	}
}

static struct result whole, cut;

static void
cuts_change_nothing(struct span coded, uint64_t max)
{
	decode(&whole, coded, max, coded.len, 1);
	for (size_t at = 0; at < coded.len; at++) {
		if (at == 0)
			decode(&cut, coded, max, 1, 1);
		else
			decode(&cut, coded, max, at, coded.len);
		ck_assert_int_eq(cut.status, whole.status);
		ck_assert_uint_eq(cut.used, whole.used);
		ck_assert_uint_eq(cut.decoded, whole.decoded);
		ck_assert_mem_eq(cut.body, whole.body, whole.decoded);
		ck_assert_int_eq(cut.c.error_status, whole.c.error_status);
		ck_assert(cut.c.error_message == whole.c.error_message);
	}
}

static const struct {
	const char *rule;
	struct span coded;
	const char *body;
} good[] = {
    {"RFC 9112 7.1 no body", SPAN_LIT("0\r\n\r\n"), ""},
    {"RFC 9112 7.1 one chunk", SPAN_LIT("5\r\nhello\r\n0\r\n\r\n"), "hello"},
    {"RFC 9112 7.1 a last chunk of several zeros",
     SPAN_LIT("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n"), "hello world"},
    {"RFC 9112 7.1 leading zeros", SPAN_LIT("0000000000000005\r\nhello\r\n0\r\n\r\n"), "hello"},
    {"RFC 9112 7.1 a last chunk of 16 zeros", SPAN_LIT("0000000000000000\r\n\r\n"), ""},
    {"RFC 9112 7.1 digits in either case",
     SPAN_LIT("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), "01234567890123456789a"},
    {"RFC 9112 7.1 data that looks like an end", SPAN_LIT("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
     "\r\n0\r\n\r\n"},
    {"RFC 9112 7.1.1 an extension", SPAN_LIT("1;a\r\nx\r\n0\r\n\r\n"), "x"},
    {"RFC 9112 7.1.1 extensions with values",
     SPAN_LIT("1;a=b;c=\"d; \\\"e\";f\r\nx\r\n0;g=h\r\n\r\n"), "x"},
    {"RFC 9112 7.1.1 white space where it may be (BWS)",
     SPAN_LIT("1 ; a\t=\t\"\" ;b\r\nx\r\n0\r\n\r\n"), "x"},
    {"RFC 9112 7.1.1 more of it", SPAN_LIT("1 \t ;  a \t =  b  ;  c  ; d\r\nx\r\n0\t \t;e\r\n\r\n"),
     "x"},
    {"RFC 9112 7.1.1 an extension of a last chunk", SPAN_LIT("0;a=\"\t\x80\\\t\"\r\n\r\n"), ""},
    {"RFC 9112 7.1.1 a size in an extension", SPAN_LIT("1;5=5\r\nx\r\n0\r\n\r\n"), "x"},
    {"RFC 9112 7.1.2 trailers", SPAN_LIT("1\r\nx\r\n0\r\nDigest: abc\r\nEmpty:\r\n\r\n"), "x"},
    {"RFC 9110 6.5.1 framing fields in trailers mean nothing",
     SPAN_LIT("0\r\nContent-Length: 99\r\nTransfer-Encoding: gzip\r\n\r\n"), ""},
    {"RFC 9110 6.5.1 nor does Host", SPAN_LIT("0\r\nHost: @\r\nHost:\r\n\r\n"), ""},
};

START_TEST(bodies_are_decoded_and_what_follows_is_left)
{
	char more[256];
	struct span coded = good[_i].coded;

	memcpy(more, coded.ptr, coded.len);
	memcpy(more + coded.len, "GET / HT", 8);
	decode(&whole, span_from(more, coded.len + 8), 1000, coded.len + 8, 1);
	ck_assert_msg(whole.status == CHUNKED_DONE, "%s: %s", good[_i].rule, whole.c.error_message);
	ck_assert_uint_eq(whole.used, coded.len);
	ck_assert_uint_eq(whole.decoded, strlen(good[_i].body));
	ck_assert_mem_eq(whole.body, good[_i].body, whole.decoded);
	cuts_change_nothing(span_from(more, coded.len + 8), 1000);
}
END_TEST

START_TEST(unfinished_bodies_want_more)
{
	struct span coded = good[_i].coded;

	for (size_t len = 1; len < coded.len; len++) {
		decode(&whole, span_from(coded.ptr, len), 1000, len, 1);
		ck_assert_int_eq(whole.status, CHUNKED_MORE);
	}
}
END_TEST

static const struct {
	const char *rule;
	int status;
	struct span coded;
} refused[] = {
    {"RFC 9112 7.1 no size", 400, SPAN_LIT("\r\nhello\r\n")},
    {"RFC 9112 7.1 an extension without a size", 400, SPAN_LIT(";a\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a plus", 400, SPAN_LIT("+5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a minus", 400, SPAN_LIT("-5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 minus zero", 400, SPAN_LIT("-0\r\n\r\n")},
    {"RFC 9112 7.1 a space before a size", 400, SPAN_LIT(" 5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a tab before a size", 400, SPAN_LIT("\t5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a space behind a size", 400, SPAN_LIT("5 \r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a space behind the last size", 400, SPAN_LIT("0 \r\n\r\n")},
    {"RFC 9112 7.1 a space in a size", 400, SPAN_LIT("0 5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 0x", 400, SPAN_LIT("0x5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a letter that is not hexadecimal", 400, SPAN_LIT("5g\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 an underscore", 400, SPAN_LIT("0_5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a comma", 400, SPAN_LIT("5,5\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a fraction", 400, SPAN_LIT("5.0\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a vertical tab behind a size", 400, SPAN_LIT("5\v\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 NUL behind a size", 400, SPAN_LIT("5\0\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 obs-text behind a size", 400, SPAN_LIT("5\xa0\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 zeros that hide a size", 400,
     SPAN_LIT("00000000000000005\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 17 zeros", 400, SPAN_LIT("00000000000000000\r\n\r\n")},
    {"RFC 9112 7.1 a size that overflows to 5", 413,
     SPAN_LIT("10000000000000005\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a size that overflows 32 bits to 5", 413,
     SPAN_LIT("100000005\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a size of 64 bits", 413, SPAN_LIT("ffffffffffffffff\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 bare LF behind a size", 400, SPAN_LIT("5\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 bare CR behind a size", 400, SPAN_LIT("5\rhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 CR CR LF behind a size", 400, SPAN_LIT("5\r\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 bare LF behind the last size", 400, SPAN_LIT("0\n\r\n")},
    {"RFC 9112 7.1 bare LF behind the data", 400, SPAN_LIT("5\r\nhello\n0\r\n\r\n")},
    {"RFC 9112 7.1 bare CR behind the data", 400, SPAN_LIT("5\r\nhello\r0\r\n\r\n")},
    {"RFC 9112 7.1 LF CR behind the data", 400, SPAN_LIT("5\r\nhello\n\r0\r\n\r\n")},
    {"RFC 9112 7.1 any two bytes behind the data", 400, SPAN_LIT("5\r\nhelloxx0\r\n\r\n")},
    {"RFC 9112 7.1 a chunk that is too long", 400, SPAN_LIT("5\r\nhello!\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 a chunk that is too short", 400, SPAN_LIT("6\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 no CRLF behind the data", 400, SPAN_LIT("5\r\nhello0\r\n\r\n")},
    {"RFC 9112 7.1 an empty line before a size", 400, SPAN_LIT("5\r\nhello\r\n\r\n0\r\n\r\n")},
    {"RFC 9112 7.1 bare LF at the end", 400, SPAN_LIT("0\r\n\n")},
    {"RFC 9112 7.1 a CR at the end that ends nothing", 400, SPAN_LIT("0\r\n\rx")},
    {"RFC 9112 7.1 the next request instead of the end", 400,
     SPAN_LIT("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {"RFC 9112 7.1.1 an extension without a name", 400, SPAN_LIT("5;\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 an empty one before another", 400, SPAN_LIT("5;;a\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 a value without a name", 400, SPAN_LIT("5;=a\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 an extension without a value", 400, SPAN_LIT("5;a=\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 two values", 400, SPAN_LIT("5;a=b=c\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 a space at the end", 400, SPAN_LIT("5;a \r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 a space at the end of a value", 400, SPAN_LIT("5;a=b \r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 text behind a name", 400, SPAN_LIT("5;a b\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 a name that is no token", 400, SPAN_LIT("5;a@\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 a value that is no token", 400, SPAN_LIT("5;a=b/c\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF behind the semicolon", 400, SPAN_LIT("5;\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF behind a name", 400, SPAN_LIT("5;a\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF within a name", 400, SPAN_LIT("5;a\nb\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF behind a value", 400, SPAN_LIT("5;a=b\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF in quotes", 400, SPAN_LIT("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF behind quotes", 400, SPAN_LIT("5;a=\"\"\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 bare LF behind the last one", 400, SPAN_LIT("0;a\n\r\n")},
    {"RFC 9112 7.1.1 bare CR in one", 400, SPAN_LIT("5;a\rb\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 NUL in one", 400, SPAN_LIT("5;a\0\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 an open quote", 400, SPAN_LIT("5;a=\"b\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 CR in quotes, escaped", 400, SPAN_LIT("5;a=\"b\\\r\"\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 NUL in quotes", 400, SPAN_LIT("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 text behind quotes", 400, SPAN_LIT("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.1 quotes for a name", 400, SPAN_LIT("5;\"a\"\r\nhello\r\n0\r\n\r\n")},
    {"RFC 9112 7.1.2 a trailer without a colon", 400, SPAN_LIT("0\r\nabc\r\n\r\n")},
    {"RFC 9112 5.1 a space before its colon", 400, SPAN_LIT("0\r\na : b\r\n\r\n")},
    {"RFC 9110 5.1 a trailer without a name", 400, SPAN_LIT("0\r\n: b\r\n\r\n")},
    {"RFC 9110 5.6.2 a trailer name that is no token", 400, SPAN_LIT("0\r\na@: b\r\n\r\n")},
    {"RFC 9112 5.2 a trailer that begins with a space", 400, SPAN_LIT("0\r\n a: b\r\n\r\n")},
    {"RFC 9112 5.2 folding in trailers", 400, SPAN_LIT("0\r\na: b\r\n c\r\n\r\n")},
    {"RFC 9112 2.2 bare LF in trailers", 400, SPAN_LIT("0\r\na: b\n\r\n")},
    {"RFC 9112 2.2 bare CR in trailers", 400, SPAN_LIT("0\r\na: b\rc: d\r\n\r\n")},
    {"RFC 9112 2.2 bare LF behind trailers", 400, SPAN_LIT("0\r\na: b\r\n\n")},
    {"RFC 9110 5.5 NUL in trailers", 400, SPAN_LIT("0\r\na: \0\r\n\r\n")},
    {"RFC 9110 5.5 a control character in trailers", 400, SPAN_LIT("0\r\na: \x1b\r\n\r\n")},
};

START_TEST(what_could_be_read_in_two_ways_is_refused)
{
	size_t used, n;

	decode(&whole, refused[_i].coded, 1000, refused[_i].coded.len, 1);
	ck_assert_msg(whole.status == CHUNKED_BAD, "%s: is taken", refused[_i].rule);
	ck_assert_msg(whole.c.error_status == refused[_i].status, "%s: %d %s", refused[_i].rule,
		      whole.c.error_status, whole.c.error_message);
	cuts_change_nothing(refused[_i].coded, 1000);
	/* and stays so, whatever comes */
	ck_assert_int_eq(chunked_decode(&whole.c, "0\r\n\r\n", 5, &used, whole.body, &n),
			 CHUNKED_BAD);
	ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(the_bound_of_the_body_is_exact_and_early)
{
	decode(&whole, SPAN_LIT("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 5, 99, 1);
	ck_assert_int_eq(whole.status, CHUNKED_DONE);
	/* the size alone is enough to know */
	decode(&whole, SPAN_LIT("3\r\nabc\r\n3"), 5, 99, 1);
	ck_assert_int_eq(whole.status, CHUNKED_BAD);
	ck_assert_int_eq(whole.c.error_status, 413);
	ck_assert_uint_eq(whole.decoded, 3);
	decode(&whole, SPAN_LIT("1"), 0, 99, 1);
	ck_assert_int_eq(whole.c.error_status, 413);
	decode(&whole, SPAN_LIT("0\r\n\r\n"), 0, 99, 1);
	ck_assert_int_eq(whole.status, CHUNKED_DONE);
	decode(&whole, SPAN_LIT("1\r\na\r\nfffffffffffffffe\r\n"), UINT64_MAX, 99, 1);
	ck_assert_int_eq(whole.status, CHUNKED_MORE);
	decode(&whole, SPAN_LIT("1\r\na\r\nffffffffffffffff\r\n"), UINT64_MAX, 99, 1);
	ck_assert_int_eq(whole.c.error_status, 413);
}
END_TEST

START_TEST(extensions_have_a_bound_over_all_chunks)
{
	static char coded[65536];
	size_t n = 0;
	int chunks = 0;

	/* more than ten bytes of extension each */
	for (; (chunks + 1) * 10 <= CHUNKED_MAX_EXTENSIONS; chunks++)
		n += (size_t)sprintf(coded + n, "1;abcdefg=\"\"\r\nx\r\n");
	decode(&whole, span_from(coded, n), 10000, n, 1);
	ck_assert_int_eq(whole.status, CHUNKED_BAD);
	ck_assert_int_eq(whole.c.error_status, 400);
	/* exactly, with the CR */
	n = (size_t)sprintf(coded, "1;%0*d\r\nx\r\n0\r\n\r\n", CHUNKED_MAX_EXTENSIONS - 1, 0);
	decode(&whole, span_from(coded, n), 1, n, 1);
	ck_assert_int_eq(whole.status, CHUNKED_DONE);
	n = (size_t)sprintf(coded, "1;%0*d\r\nx\r\n0\r\n\r\n", CHUNKED_MAX_EXTENSIONS, 0);
	decode(&whole, span_from(coded, n), 1, n, 1);
	ck_assert_int_eq(whole.c.error_status, 400);
	/* as data it is no extension */
	n = (size_t)sprintf(coded, "2000\r\n");
	memset(coded + n, ';', 0x2000);
	decode(&whole, span_from(coded, n + 0x2000), 10000, n + 0x2000, 1);
	ck_assert_int_eq(whole.status, CHUNKED_MORE);
	/* small ones in many chunks are all right */
	for (n = 0, chunks = 0; chunks < 1000; chunks++)
		n += (size_t)sprintf(coded + n, "1;a\r\nx\r\n");
	n += (size_t)sprintf(coded + n, "0\r\n\r\n");
	decode(&whole, span_from(coded, n), 10000, n, 1);
	ck_assert_int_eq(whole.status, CHUNKED_DONE);
	ck_assert_uint_eq(whole.decoded, 1000);
}
END_TEST

START_TEST(trailers_have_a_bound)
{
	static char coded[3 * CHUNKED_MAX_TRAILERS];
	size_t n = (size_t)sprintf(coded, "0\r\n"), end = n + CHUNKED_MAX_TRAILERS;

	while (n + 10 <= end - 2)
		n += (size_t)sprintf(coded + n, "abc: def\r\n");
	sprintf(coded + n, "\r\n");
	decode(&whole, span_from(coded, n + 2), 0, n + 2, 1);
	ck_assert_int_eq(whole.status, CHUNKED_DONE);
	n += (size_t)sprintf(coded + n, "abc: def\r\n\r\n");
	decode(&whole, span_from(coded, n), 0, n, 1);
	ck_assert_int_eq(whole.status, CHUNKED_BAD);
	ck_assert_int_eq(whole.c.error_status, 431);
}
END_TEST

START_TEST(the_output_may_be_nowhere)
{
	struct chunked c;
	struct span in = SPAN_LIT("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	size_t used, n;

	chunked_init(&c, 5);
	ck_assert_int_eq(chunked_decode(&c, in.ptr, in.len, &used, NULL, &n), CHUNKED_DONE);
	ck_assert_uint_eq(used, in.len);
	ck_assert_uint_eq(n, 5);
	/* what is not kept counts all the same */
	chunked_init(&c, 4);
	ck_assert_int_eq(chunked_decode(&c, in.ptr, in.len, &used, NULL, &n), CHUNKED_BAD);
	ck_assert_int_eq(c.error_status, 413);
}
END_TEST

START_TEST(the_output_may_be_another_place)
{
	struct chunked c;
	char in[] = "3\r\nabc\r\n0\r\n\r\n", out[sizeof(in)];
	size_t used, n;

	chunked_init(&c, 10);
	ck_assert_int_eq(chunked_decode(&c, in, sizeof(in) - 1, &used, out, &n), CHUNKED_DONE);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(out, "abc", 3);
	ck_assert_str_eq(in, "3\r\nabc\r\n0\r\n\r\n");
	ck_assert_int_eq(chunked_decode(&c, in, sizeof(in) - 1, &used, out, &n), CHUNKED_DONE);
	ck_assert_uint_eq(used, 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chunked");
	TCase *tc = tcase_create("chunked");

	tcase_add_loop_test(tc, bodies_are_decoded_and_what_follows_is_left, 0, N(good));
	tcase_add_loop_test(tc, unfinished_bodies_want_more, 0, N(good));
	tcase_add_loop_test(tc, what_could_be_read_in_two_ways_is_refused, 0, N(refused));
	tcase_add_test(tc, the_bound_of_the_body_is_exact_and_early);
	tcase_add_test(tc, extensions_have_a_bound_over_all_chunks);
	tcase_add_test(tc, trailers_have_a_bound);
	tcase_add_test(tc, the_output_may_be_another_place);
	tcase_add_test(tc, the_output_may_be_nowhere);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
