/* links: src/store/product_match.c src/http/etag.c $(request)
 * src/http/chars.c src/http/host.c -lcrypto */
/*
 * test_product_match.c - If-Match and If-None-Match, as they come in real requests.
 */
#include "store/product_match.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static char head[4000];

static struct request
parse(const char *fields)
{
	struct request_parser parser = {0};
	struct request request;
	size_t head_len;
	int len = snprintf(head, sizeof(head), "PUT /api/products/7 HTTP/1.1\r\nHost: a\r\n%s\r\n",
			   fields);

	ck_assert_int_eq(
	    request_parse(&parser, head, (size_t)len, sizeof(head), &request, &head_len),
	    REQUEST_COMPLETE);
	return request;
}

#define FIVE "\"a\",\"b\",\"c\",\"d\",\"e\""

static const struct match_case {
	const char *fields;
	const char *one_of, *none_of; /* NULL: any */
	bool has_match, has_none_match;
} good[] = {
    {"", NULL, NULL, false, false},
    {"If-Match: *\r\n", NULL, NULL, true, false},
    {"if-match: \"7-3\"\r\n", "{3}", NULL, true, false},
    {"IF-MATCH: \"7-3\" , \"7-4\"\r\n", "{3,4}", NULL, true, false},
    {"If-Match: \"7-3\"\r\nIf-Match: \"7-4\",\"7-5\"\r\n", "{3,4,5}", NULL, true, false},
    {"If-Match: ,\"7-3\",,\r\n", "{3}", NULL, true, false},
    {"If-Match: \"7-9223372036854775807\"\r\n", "{9223372036854775807}", NULL, true, false},
    {"If-Match: \"7-0\"\r\n", "{0}", NULL, true, false},
    /* tags that are well formed and none of this product's */
    {"If-Match: \"7-9223372036854775808\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"8-3\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"77-3\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"7-03\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"7-3x\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"7-\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"7--3\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"7-3}');drop\"\r\n", "{}", NULL, true, false},
    {"If-Match: \"a,b\", \"7-3\"\r\n", "{3}", NULL, true, false},
    /* RFC 9110 8.8.3.2 */
    {"If-Match: W/\"7-3\"\r\n", "{}", NULL, true, false},
    {"If-None-Match: W/\"7-3\"\r\n", NULL, "{3}", false, true},
    {"If-None-Match: \"7-3\", W/\"7-4\"\r\n", NULL, "{3,4}", false, true},
    {"If-None-Match: \"8-3\"\r\n", NULL, "{}", false, true},
    {"If-None-Match: *\r\n", "{}", NULL, false, true},
    {"If-None-Match: *\r\nIf-Match: \"7-3\"\r\n", "{}", NULL, true, true},
    {"If-None-Match: \"7-4\"\r\nIf-Match: \"7-3\"\r\n", "{3}", "{4}", true, true},
    {"If-Match: " FIVE "," FIVE "," FIVE ",\"7-3\"\r\n", "{3}", NULL, true, false},
};

START_TEST(which_versions)
{
	const struct match_case *c = &good[_i];
	const struct request request = parse(c->fields);
	struct product_match match;
	const char *wrong = product_match_read(&request, 7, &match);

	ck_assert_msg(!wrong, "%s: %s", c->fields, wrong);
	ck_assert_int_eq(match.has_match, c->has_match);
	ck_assert_int_eq(match.has_none_match, c->has_none_match);
	ck_assert_msg((match.one_of == NULL) == (c->one_of == NULL), "%s", c->fields);
	ck_assert_msg((match.none_of == NULL) == (c->none_of == NULL), "%s", c->fields);
	if (c->one_of)
		ck_assert_str_eq(match.one_of, c->one_of);
	if (c->none_of)
		ck_assert_str_eq(match.none_of, c->none_of);
}
END_TEST

static const char *const bad[] = {
    "\r\n",           "7-3\r\n",
    "\"7-3\r\n",      "7-3\"\r\n",
    "'7-3'\r\n",      "\"7-3\" \"7-4\"\r\n",
    "\"7-3\"x\r\n",   "w/\"7-3\"\r\n",
    "W/7-3\r\n",      "*, \"7-3\"\r\n",
    "\"7-3\", *\r\n", "**\r\n",
    ",\r\n",          "\"7 3\"\r\n",
    "\"7\t3\"\r\n",   FIVE "," FIVE "," FIVE ",\"7-3\",\"7-4\"\r\n",
};

START_TEST(what_is_no_list)
{
	static const char *const names[] = {"If-Match", "If-None-Match"};

	for (size_t i = 0; i < 2; i++) {
		char fields[400];
		snprintf(fields, sizeof(fields), "%s: %s", names[i], bad[_i]);
		const struct request request = parse(fields);
		struct product_match match;
		const char *wrong = product_match_read(&request, 7, &match);
		ck_assert_msg(wrong != NULL, "%s was accepted", fields);
		ck_assert_int_eq(strncmp(wrong, names[i], strlen(names[i])), 0);
	}
}
END_TEST

START_TEST(a_star_is_alone_over_all_lines)
{
	static const char *const fields[] = {
	    "If-Match: *\r\nIf-Match: *\r\n", "If-Match: *\r\nIf-Match: \"7-3\"\r\n",
	    "If-Match: \"7-3\"\r\nIf-Match: *\r\n", "If-None-Match: *\r\nIf-None-Match: *\r\n"};

	for (size_t i = 0; i < 4; i++) {
		const struct request request = parse(fields[i]);
		struct product_match match;
		ck_assert_msg(product_match_read(&request, 7, &match) != NULL, "%s", fields[i]);
	}
}
END_TEST

/* The longest list there can be has room. */
START_TEST(sixteen_long_tags)
{
	char fields[2000] = "If-Match: ", want[PRODUCT_MATCH_TEXT_SIZE] = "{";

	for (int i = 0; i < PRODUCT_MATCH_MAX; i++) {
		strcat(fields, i ? ",\"9223372036854775807-9223372036854775807\""
				 : "\"9223372036854775807-9223372036854775807\"");
		strcat(want, i ? ",9223372036854775807" : "9223372036854775807");
	}
	strcat(fields, "\r\n");
	strcat(want, "}");
	const struct request request = parse(fields);
	struct product_match match;
	ck_assert_ptr_null(product_match_read(&request, INT64_MAX, &match));
	ck_assert_str_eq(match.one_of, want);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("product_match");
	TCase *tc = tcase_create("product_match");

	tcase_add_loop_test(tc, which_versions, 0, N(good));
	tcase_add_loop_test(tc, what_is_no_list, 0, N(bad));
	tcase_add_test(tc, a_star_is_alone_over_all_lines);
	tcase_add_test(tc, sixteen_long_tags);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
