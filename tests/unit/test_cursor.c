/* links: src/store/cursor.c */
/*
 * test_cursor.c - what was written is read back; anything else is not.
 */
#include "store/cursor.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const int64_t ids[] = {0,         1,         9,         10, 255,      1000000007,
			      INT32_MAX, INT64_MAX, INT64_MIN, -1, -1000000, 4294967296};

static const char *const names[] = {"", "a", "iPhone 12", ":=", "\xe5\xa4\xaa\xe9\x83\x8e", "\n"};
static const char *const prices[] = {"0.00", "12.50",    "-1",        "NaN",    "Infinity",
				     "0",    "99999999", "-Infinity", "1e+300", "1.5e-07"};

static void
comes_back(const struct cursor *cursor)
{
	char text[CURSOR_TEXT_SIZE];
	struct cursor read;

	memset(&read, 0x55, sizeof(read));
	cursor_write(cursor, text);
	ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_"),
			  strlen(text));
	ck_assert_msg(cursor_read(span_str(text), &read), "%s %lld %s", text, (long long)cursor->id,
		      cursor->key);
	ck_assert_int_eq(read.sort, cursor->sort);
	ck_assert_int_eq(read.id, cursor->id);
	ck_assert_int_eq(read.kind, cursor->kind);
	ck_assert_str_eq(read.key, cursor->kind == CURSOR_VALUE ? cursor->key : "");
	/* and no part of it is a cursor of the same length */
	ck_assert(!cursor_read(span_from(text, strlen(text) + 1), &read));
}

START_TEST(what_is_written_is_read)
{
	struct cursor cursor = {.id = ids[_i]};

	for (cursor.sort = SORT_ID; cursor.sort < LIST_SORTS; cursor.sort++) {
		const bool is_name = cursor.sort == SORT_NAME || cursor.sort == SORT_NAME_DOWN;

		if (cursor.sort <= SORT_ID_DOWN) {
			cursor.kind = CURSOR_ID;
			comes_back(&cursor);
			continue;
		}
		cursor.kind = CURSOR_NULL;
		comes_back(&cursor);
		if (is_name) {
			cursor.kind = CURSOR_LONG;
			comes_back(&cursor);
		}
		cursor.kind = CURSOR_VALUE;
		const char *const *keys = is_name ? names : prices;
		const int n = is_name ? N(names) : N(prices);
		for (int i = 0; i < n; i++) {
			snprintf(cursor.key, sizeof(cursor.key), "%s", keys[i]);
			comes_back(&cursor);
		}
	}
}
END_TEST

START_TEST(the_longest)
{
	struct cursor cursor = {.sort = SORT_NAME_DOWN, .id = INT64_MIN, .kind = CURSOR_VALUE};

	memset(cursor.key, 'x', CURSOR_KEY_MAX);
	comes_back(&cursor);
}
END_TEST

/* Cursors of earlier versions were of this form, and still are. */
START_TEST(the_text_stays)
{
	const struct cursor cursor = {.sort = SORT_ID, .id = 1};
	char text[CURSOR_TEXT_SIZE];

	cursor_write(&cursor, text);
	ck_assert_str_eq(text, "aWQ6MQ");
}
END_TEST

static const char *const forged[] = {
    "",
    "1",
    "100",
    "aWQ6",     /* id: */
    "aWQ6MDE",  /* id:01 */
    "aWQ6KzE",  /* id:+1 */
    "aWQ6IDE",  /* "id: 1" */
    "aWQ6LTA",  /* id:-0 */
    "aWQ6MXg",  /* id:1x */
    "aWQ6MQ==", /* id:1 with padding */
    "aWQ6MR",   /* id:1 with stray bits */
    "aWQ6MQA",  /* id:1 and a NUL */
    "eHk6MQ",   /* xy:1 */
    "aWQ6MQ ",
    "aWQ6M\xc3\xa9",
    "aWQ6OTIyMzM3MjAzNjg1NDc3NTgwOA", /* id:9223372036854775808 */
    "aWQ6MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA",
};

/* The same, before base64. */
static const char *const plain[] = {
    "id:1:",
    "id:1:=1",
    "id:1:-",
    "id:1:#",
    "-id:1:=",
    "+id:1",
    "ID:1",
    "id",
    ":1",
    "name:1",
    "name:1:",
    "name:1=a",
    "name:1:a",
    "name:1:-a",
    "name:1:#a",
    "name::=a",
    "name:x:=a",
    "name:1:=\xff",
    "name:1:=\xed\xa0\x80",
    "name:1:=\xe5\xa4",
    "price:1:#",
    "price:1:=",
    "price:1:=a",
    "price:1:=1'",
    "price:1:=1;drop table products",
    "price:1:= 1",
    "price:1:=1.",
    "price:1:=.5",
    "price:1:=--1",
    "price:1:=+1",
    "price:1:=1e5",
    "price:1:=1e+",
    "price:1:=1e+99999",
    "price:1:=nan",
    "price:1:=0x1",
    "price:1:=$1",
};

static void
is_refused(struct span text)
{
	struct cursor cursor;
	char *copy = malloc(text.len ? text.len : 1); /* of just its size */

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text.ptr, text.len);
	ck_assert_msg(!cursor_read(span_from(copy, text.len), &cursor), "%.*s", (int)text.len,
		      text.ptr);
	free(copy);
}

static struct span
base64(const char *s, size_t len, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | (unsigned char)s[i]) & 0xffff;
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			out[n++] = digits[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		out[n++] = digits[bits << (6 - n_bits) & 63];
	return span_from(out, n);
}

START_TEST(refused)
{
	is_refused(span_str(forged[_i]));
}
END_TEST

START_TEST(refused_inside)
{
	char text[200];

	is_refused(base64(plain[_i], strlen(plain[_i]), text));
}
END_TEST

START_TEST(refused_with_nul)
{
	struct cursor cursor;
	char text[64];

	ck_assert(cursor_read(SPAN_LIT("aWQ6MQ"), &cursor));
	is_refused(span_from("aWQ6MQ\0", 7));
	is_refused(span_from("\0\0\0", 3));
	ck_assert(cursor_read(base64("name:1:=ab", 10, text), &cursor));
	is_refused(base64("name:1:=a\0b", 11, text));
	is_refused(base64("name:1:=ab\0", 11, text));
	is_refused(base64("na\0me:1:=ab", 11, text));
}
END_TEST

START_TEST(refused_when_too_long)
{
	char s[CURSOR_PLAIN_MAX + 100], text[2 * sizeof(s)];
	const size_t head = (size_t)sprintf(s, "name:1:=");

	memset(s + head, 'x', sizeof(s) - head);
	struct cursor cursor;
	ck_assert(cursor_read(base64(s, head + CURSOR_KEY_MAX, text), &cursor));
	for (size_t more = 1; more < 60; more++)
		is_refused(base64(s, head + CURSOR_KEY_MAX + more, text));
	/* a price is never that long */
	const size_t n = (size_t)sprintf(s, "price:1:=");
	memset(s + n, '1', sizeof(s) - n);
	is_refused(base64(s, n + 900, text));
}
END_TEST

START_TEST(sorts_have_words)
{
	for (enum list_sort sort = SORT_ID; sort < LIST_SORTS; sort++) {
		const char *word = list_sort_word(sort);

		ck_assert_int_eq(list_sort_find(span_str(word)), sort);
		ck_assert_int_eq(list_sort_is_down(sort), word[0] == '-');
	}
	ck_assert_int_eq(list_sort_find(SPAN_LIT("")), LIST_SORTS);
	ck_assert_int_eq(list_sort_find(SPAN_LIT("-")), LIST_SORTS);
	ck_assert_int_eq(list_sort_find(SPAN_LIT("ID")), LIST_SORTS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tc = tcase_create("cursor");

	tcase_add_loop_test(tc, what_is_written_is_read, 0, N(ids));
	tcase_add_test(tc, the_longest);
	tcase_add_test(tc, the_text_stays);
	tcase_add_loop_test(tc, refused, 0, N(forged));
	tcase_add_loop_test(tc, refused_inside, 0, N(plain));
	tcase_add_test(tc, refused_with_nul);
	tcase_add_test(tc, refused_when_too_long);
	tcase_add_test(tc, sorts_have_words);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
