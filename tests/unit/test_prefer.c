/* links: src/http/prefer.c $(request) src/http/chars.c src/http/host.c */
/*
 * test_prefer.c - Prefer, as it comes in real requests.
 */
#include "http/prefer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static char head[1000];

static struct request
parse(const char *fields)
{
	struct request_parser parser = {0};
	struct request request;
	size_t head_len;
	int len = snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);

	ck_assert_int_eq(
	    request_parse(&parser, head, (size_t)len, sizeof(head), &request, &head_len),
	    REQUEST_COMPLETE);
	return request;
}

static const struct prefer_case {
	const char *fields;
	bool is_atomic;
} prefers[] = {
    {"", false},
    {"Prefer: atomic\r\n", true},
    {"prefer: Atomic\r\n", true},
    {"Prefer: return=minimal, atomic\r\n", true},
    {"Prefer: return=minimal\r\nPrefer: atomic\r\n", true},
    {"Prefer: atomic; strictly=yes\r\n", true},
    {"Prefer: ,, atomic ,\r\n", true},
    {"Prefer: wait=\"a, b\\\"\", atomic\r\n", true},
    {"Prefer: wait=\", atomic\"\r\n", false},
    {"Prefer: wait=\", atomic\r\n", false},
    {"Prefer: atomically\r\n", false},
    {"Prefer: atomic=no\r\n", false},
    {"Prefer: atomic=\r\n", true},
    {"Prefer: atomic=\"\"\r\n", true},
    {"Prefer: atomic=no, atomic\r\n", false},
    {"Prefer: \r\n", false},
    {"X-Prefer: atomic\r\n", false},
    {"Accept: atomic\r\n", false},
};

START_TEST(preferences)
{
	const struct request request = parse(prefers[_i].fields);

	ck_assert_msg(prefer_has(&request, SPAN_LIT("atomic")) == prefers[_i].is_atomic, "%s",
		      prefers[_i].fields);
}
END_TEST

static const struct value_case {
	const char *fields;
	const char *value; /* NULL: none */
} values[] = {
    {"", NULL},
    {"Prefer: wait\r\n", NULL},
    {"Prefer: wait=\r\n", NULL},
    {"Prefer: wait=\"\"\r\n", NULL},
    {"Prefer: waiting=10\r\n", NULL},
    {"Prefer: wait=10\r\n", "10"},
    {"Prefer: WAIT = 10 ;soon=no\r\n", "10"},
    {"Prefer: respond-async, wait=\"10\"\r\n", "10"},
    {"Prefer: atomic\r\nPrefer: wait=10, wait=20\r\n", "10"},
    {"Prefer: other=\"wait=1, wait=2\", wait=3\r\n", "3"},
    {"Prefer: wait=\"10\r\n", "\"10"},
};

START_TEST(preferences_with_values)
{
	const struct request request = parse(values[_i].fields);
	const char *const expected = values[_i].value;
	struct span value;

	const bool is_there = prefer_value(&request, SPAN_LIT("wait"), &value);
	ck_assert_msg(is_there == (expected != NULL), "%s", values[_i].fields);
	if (is_there)
		ck_assert_msg(span_eq(value, span_str(expected)), "%s", values[_i].fields);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("prefer");
	TCase *tc = tcase_create("prefer");

	tcase_add_loop_test(tc, preferences, 0, N(prefers));
	tcase_add_loop_test(tc, preferences_with_values, 0, N(values));
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
