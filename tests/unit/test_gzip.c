/* links: src/http/gzip.c src/base/buffer.c -lz */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "http/gzip.h"

/* Bodies of every kind: what deflate likes best and least, and lists of products. */
enum kind { ZEROS, NOISE, LIST };

static char *
body_new(enum kind kind, size_t len)
{
	char *body = malloc(len + 128);
	unsigned seed = 1;
	size_t at = 0;

	ck_assert_ptr_nonnull(body);
	while (at < len) {
		int word = rand_r(&seed);

		switch (kind) {
		case ZEROS: body[at++] = '\0'; break;
		case NOISE: body[at++] = (char)(word >> 4); break;
		case LIST:
			at += (size_t)snprintf(
			    body + at, 128, "{\"id\":%zu,\"name\":\"Chair %d\",\"price\":%d.50},",
			    at, word % 100, word % 1000);
			break;
		}
	}
	return body;
}

/* Unpacks one whole gzip member and no byte more, as a client does (RFC 1952). */
static void
expect_member(const struct buffer *coded, const char *body, size_t len)
{
	z_stream stream = {0};
	char *plain = malloc(len + 1);

	ck_assert_ptr_nonnull(plain);
	/* 16: gzip and nothing else; zlib checks length and checksum of the trailer */
	ck_assert_int_eq(inflateInit2(&stream, 16 + 15), Z_OK);
	stream.next_in = (Bytef *)coded->data;
	stream.avail_in = (uInt)coded->len;
	stream.next_out = (Bytef *)plain;
	stream.avail_out = (uInt)len + 1;
	ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(stream.avail_in, 0);
	ck_assert_uint_eq(stream.total_out, len);
	if (len)
		ck_assert_mem_eq(plain, body, len);
	inflateEnd(&stream);
	free(plain);
}

static void
code(struct gzip *gzip, struct span body, size_t slice, struct buffer *out)
{
	struct gzip_progress progress = {0};
	bool is_last;

	do {
		size_t n = body.len < slice ? body.len : slice;

		is_last = n == body.len;
		ck_assert(gzip_slice(gzip, &progress, span_from(body.ptr, n), is_last, out));
		body = span_from(body.ptr ? body.ptr + n : NULL, body.len - n);
	} while (!is_last);
}

static const struct {
	enum kind kind;
	size_t len, slice;
} cases[] = {
    {LIST, 0, GZIP_SLICE},
    {LIST, 1, GZIP_SLICE},
    {LIST, 60000, GZIP_SLICE},
    {LIST, GZIP_SLICE, GZIP_SLICE},
    {LIST, GZIP_SLICE + 1, GZIP_SLICE},
    {LIST, 2 * GZIP_SLICE, GZIP_SLICE},
    {LIST, 1 << 20, GZIP_SLICE},
    {LIST, 1000, 1},
    {LIST, 100000, 777},
    {NOISE, GZIP_SLICE, GZIP_SLICE},
    {NOISE, 3 * GZIP_SLICE + 5, GZIP_SLICE},
    {NOISE, 500, 1},
    {NOISE, 65535, 65535},
    {ZEROS, 5 * GZIP_SLICE, GZIP_SLICE},
    {ZEROS, 300, 7},
};

START_TEST(comes_back_as_it_was)
{
	char *body = body_new(cases[_i].kind, cases[_i].len);
	struct gzip *gzip = gzip_new();
	struct buffer out = {0};

	ck_assert_ptr_nonnull(gzip);
	code(gzip, span_from(body, cases[_i].len), cases[_i].slice, &out);
	expect_member(&out, body, cases[_i].len);
	/* and again with the same state, behind what is there */
	size_t first = out.len;
	code(gzip, span_from(body, cases[_i].len), cases[_i].slice, &out);
	ck_assert_uint_eq(out.len, 2 * first);
	ck_assert_mem_eq(out.data, out.data + first, first);
	gzip_free(&gzip);
	ck_assert_ptr_null(gzip);
	buffer_fini(&out);
	free(body);
}
END_TEST

START_TEST(many_answers_share_one_state)
{
	enum { ANSWERS = 5 };
	const size_t slice = 5000;
	struct gzip *gzip = gzip_new();
	struct gzip_progress progress[ANSWERS] = {{0}};
	struct buffer out[ANSWERS] = {{0}};
	char *body[ANSWERS];
	size_t len[ANSWERS];

	ck_assert_ptr_nonnull(gzip);
	for (size_t i = 0; i < ANSWERS; i++) {
		len[i] = slice * 2 * (i + 1) + i;
		body[i] = body_new(i % 2 ? NOISE : LIST, len[i]);
	}
	for (size_t at = 0; at < len[ANSWERS - 1]; at += slice) {
		for (size_t i = 0; i < ANSWERS; i++) {
			bool is_last = at + slice >= len[i];

			if (at >= len[i])
				continue; /* it is whole already */
			ck_assert(gzip_slice(gzip, &progress[i],
					     span_from(body[i] + at, is_last ? len[i] - at : slice),
					     is_last, &out[i]));
		}
	}
	for (size_t i = 0; i < ANSWERS; i++) {
		expect_member(&out[i], body[i], len[i]);
		buffer_fini(&out[i]);
		free(body[i]);
	}
	gzip_free(&gzip);
}
END_TEST

/* What slices cost in size, and that there is something to be had at all. */
START_TEST(is_shorter)
{
	const size_t len = 8 * GZIP_SLICE;
	char *body = body_new(LIST, len);
	struct gzip *gzip = gzip_new();
	struct buffer sliced = {0};
	uLongf whole = compressBound(len);
	Bytef *packed = malloc(whole);

	ck_assert_ptr_nonnull(gzip);
	ck_assert_ptr_nonnull(packed);
	ck_assert_int_eq(compress2(packed, &whole, (const Bytef *)body, len, 4), Z_OK);
	code(gzip, span_from(body, len), GZIP_SLICE, &sliced);
	ck_assert_uint_lt(sliced.len, len / 4);
	ck_assert_uint_lt(sliced.len, whole + whole / 50);
	gzip_free(&gzip);
	buffer_fini(&sliced);
	free(packed);
	free(body);
}
END_TEST

START_TEST(nothing_to_free)
{
	struct gzip *gzip = NULL;

	gzip_free(&gzip);
	ck_assert_ptr_null(gzip);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gzip");
	TCase *tc = tcase_create("gzip");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, comes_back_as_it_was, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, many_answers_share_one_state);
	tcase_add_test(tc, is_shorter);
	tcase_add_test(tc, nothing_to_free);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
