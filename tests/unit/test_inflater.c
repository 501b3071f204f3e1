/* links: tests/unit/fail_alloc.c src/hub/inflater.c src/base/buffer.c -lz */
/*
 * test_inflater.c - compressed messages: right, wrong, cut off, and too big when unpacked.
 */
#include "hub/inflater.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fail_alloc.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static struct inflater *inflater;
static struct buffer out;

static void
setup(void)
{
	inflater = inflater_new();
	ck_assert_ptr_nonnull(inflater);
}

static void
teardown(void)
{
	buffer_fini(&out);
	inflater_free(&inflater);
	ck_assert_ptr_null(inflater);
}

/* As a client does it (RFC 7692 7.2.1); the caller frees. */
static struct span
compress_message(const void *data, size_t len, int level, int bits, int mem_level, int strategy)
{
	z_stream z = {0};
	size_t room = inflater_input_max(len) + 64;
	unsigned char *bytes = malloc(room);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED, -bits, mem_level, strategy), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (uInt)len;
	z.next_out = bytes;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	ck_assert_uint_eq(z.avail_in, 0);
	ck_assert_uint_gt(z.avail_out, 0);
	size_t n = room - z.avail_out;
	ck_assert_uint_ge(n, 4);
	ck_assert_mem_eq(bytes + n - 4, "\0\0\xff\xff", 4);
	deflateEnd(&z);
	return span_from((char *)bytes, n - 4);
}

static unsigned char *
fill(size_t len, unsigned kind)
{
	unsigned char *data = malloc(len ? len : 1);
	unsigned random = 1;

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < len; i++) {
		random = random * 1103515245 + 12345;
		data[i] = kind == 0   ? 0
			  : kind == 1 ? (unsigned char)(random >> 16)
				      : (unsigned char)("some words, and more\n"[i % 21]);
	}
	return data;
}

/* RFC 7692 7.2.3 */
static const struct {
	const char *rule;
	const char *data;
	size_t len;
	const char *text;
} examples[] = {
    {"7.2.3.1 a fixed block", "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, "Hello"},
    {"7.2.3.3 a stored block", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, "Hello"},
    {"7.2.3.4 a block marked as the last", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, "Hello"},
    {"7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, "Hello"},
    {"7.2.3.6 nothing", "\x00", 1, ""},
    {"two last blocks", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 15,
     "HelloHello"},
};

START_TEST(the_examples_of_the_rfc)
{
	ck_assert_msg(inflater_message(inflater, span_from(examples[_i].data, examples[_i].len),
				       &out, 100) == INFLATER_OK,
		      "%s", examples[_i].rule);
	ck_assert_uint_eq(out.len, strlen(examples[_i].text));
	ck_assert(out.len == 0 || memcmp(out.data, examples[_i].text, out.len) == 0);
}
END_TEST

START_TEST(whatever_a_client_compresses_comes_back)
{
	static const size_t lengths[] = {0, 1, 125, 4095, 4096, 4097, 65535, 65536, 300000};
	static const struct {
		int level, bits, mem_level, strategy;
	} ways[] = {{1, 15, 8, 0}, {9, 9, 9, 0},        {0, 15, 8, 0},
		    {6, 9, 1, 0},  {6, 15, 1, Z_FIXED}, {6, 15, 8, Z_HUFFMAN_ONLY}};

	for (int l = 0; l < N(lengths); l++) {
		unsigned char *data = fill(lengths[l], (unsigned)_i);
		for (int w = 0; w < N(ways); w++) {
			struct span c =
			    compress_message(data, lengths[l], ways[w].level, ways[w].bits,
					     ways[w].mem_level, ways[w].strategy);
			/* no right client is refused before its message is unpacked */
			ck_assert_uint_le(c.len, inflater_input_max(lengths[l]));
			ck_assert_int_eq(inflater_message(inflater, c, &out, lengths[l]),
					 INFLATER_OK);
			ck_assert_uint_eq(out.len, lengths[l]);
			ck_assert(lengths[l] == 0 || memcmp(out.data, data, lengths[l]) == 0);
			/* one byte too many */
			if (lengths[l] > 0)
				ck_assert_int_eq(
				    inflater_message(inflater, c, &out, lengths[l] - 1),
				    INFLATER_TOO_BIG);
			free((void *)(uintptr_t)c.ptr);
		}
		free(data);
	}
}
END_TEST

START_TEST(a_bomb_is_unpacked_up_to_the_limit_only)
{
	const size_t huge = 64 << 20, max = 65536;
	unsigned char *data = fill(huge, 0);
	struct span c = compress_message(data, huge, 9, 15, 9, 0);

	free(data);
	ck_assert_uint_lt(c.len, max);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(inflater_message(inflater, c, &out, max), INFLATER_TOO_BIG);
	ck_assert_uint_le(out.cap, 2 * (max + 1));
	free((void *)(uintptr_t)c.ptr);
	/* and the next one knows nothing of it */
	ck_assert_int_eq(
	    inflater_message(inflater, span_from(examples[0].data, examples[0].len), &out, max),
	    INFLATER_OK);
	ck_assert_uint_eq(out.len, 5);
}
END_TEST

START_TEST(what_is_cut_off_is_corrupt)
{
	unsigned char *data = fill(3000, 2);
	struct span c = compress_message(data, 3000, 6, 15, 8, 0);

	for (size_t len = 0; len < c.len; len++) {
		char *exact = malloc(len ? len : 1);
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, c.ptr, len);
		ck_assert_msg(inflater_message(inflater, span_from(exact, len), &out, 3000) ==
				  INFLATER_CORRUPT,
			      "%zu of %zu", len, c.len);
		free(exact);
	}
	free((void *)(uintptr_t)c.ptr);
	free(data);
}
END_TEST

static const struct {
	const char *what;
	const char *data;
	size_t len;
} wrong[] = {
    {"a reserved block type", "\x06\x00", 2},
    {"a stored block whose length does not match", "\x00\x05\x00\x05\x00Hello\x00", 11},
    {"a reference to before the start", "\x02\x13\x00", 3},
    {"a last block with nothing behind it", "\xf3\x48\xcd\xc9\xc9\x07\x00", 7},
    {"no byte at all", "", 0},
    {"a header of zlib's", "\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00\x05\x8c\x01\xf5", 13},
    {"plain text", "Hello", 5},
};

START_TEST(what_is_no_deflate_data_is_corrupt)
{
	ck_assert_msg(inflater_message(inflater, span_from(wrong[_i].data, wrong[_i].len), &out,
				       1000) == INFLATER_CORRUPT,
		      "%s", wrong[_i].what);
}
END_TEST

/* Of any bytes at all it makes at most `max`, and never looks past them. */
START_TEST(noise)
{
	unsigned random = 7;

	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)i % 61;
		char *bytes = malloc(len ? len : 1);

		ck_assert_ptr_nonnull(bytes);
		for (size_t j = 0; j < len; j++) {
			random = random * 1103515245 + 12345;
			bytes[j] = (char)(random >> 16);
		}
		if (inflater_message(inflater, span_from(bytes, len), &out, 500) == INFLATER_OK)
			ck_assert_uint_le(out.len, 500);
		free(bytes);
	}
}
END_TEST

int __real_inflateInit2_(z_stream *z, int bits, const char *version, int size);
int __wrap_inflateInit2_(z_stream *z, int bits, const char *version, int size);

static void *
zlib_alloc(void *opaque, unsigned n, unsigned size)
{
	(void)opaque;
	return calloc(n, size);
}

static void
zlib_free(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

/* So that it is our memory that zlib has, and it can run out. */
int
__wrap_inflateInit2_(z_stream *z, int bits, const char *version, int size)
{
	z->zalloc = zlib_alloc;
	z->zfree = zlib_free;
	return __real_inflateInit2_(z, bits, version, size);
}

START_TEST(memory_runs_out)
{
	unsigned char *data = fill(100000, 1);
	struct span c = compress_message(data, 100000, 6, 15, 8, 0);
	bool has_failed = true;
	unsigned n;

	for (n = 1; has_failed; n++) {
		teardown();
		setup();
		fail_alloc_at(n, _i);
		enum inflater_result result = inflater_message(inflater, c, &out, 100000);
		has_failed = fail_alloc_end();
		ck_assert_int_eq(result, has_failed ? INFLATER_NO_MEMORY : INFLATER_OK);
		/* and the same one has all of it when there is memory again */
		ck_assert_int_eq(inflater_message(inflater, c, &out, 100000), INFLATER_OK);
		ck_assert_uint_eq(out.len, 100000);
		ck_assert_mem_eq(out.data, data, 100000);
	}
	/* zlib's state, its window, and several times the room for the message */
	ck_assert_uint_gt(n, 5);
	free((void *)(uintptr_t)c.ptr);
	free(data);
	inflater_free(&inflater);
	fail_alloc_at(1, false);
	inflater = inflater_new();
	ck_assert(fail_alloc_end());
	ck_assert_ptr_null(inflater);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("inflater");
	TCase *tc = tcase_create("inflater");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_examples_of_the_rfc, 0, N(examples));
	tcase_add_loop_test(tc, whatever_a_client_compresses_comes_back, 0, 3);
	tcase_add_test(tc, a_bomb_is_unpacked_up_to_the_limit_only);
	tcase_add_test(tc, what_is_cut_off_is_corrupt);
	tcase_add_loop_test(tc, what_is_no_deflate_data_is_corrupt, 0, N(wrong));
	tcase_add_test(tc, noise);
	tcase_add_loop_test(tc, memory_runs_out, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
