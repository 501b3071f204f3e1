/* links: src/store/idempotency.c $(request) src/http/chars.c src/http/host.c
 * src/base/log.c -lcrypto */
/*
 * test_idempotency.c - keys as clients send them, and which requests are the same one.
 */
#include "store/idempotency.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct request
parse(char head[2000], const char *line, const char *fields)
{
	struct request_parser parser = {0};
	struct request request;
	size_t head_len;
	int len = snprintf(head, 2000, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, fields);

	ck_assert_int_eq(request_parse(&parser, head, (size_t)len, 2000, &request, &head_len),
			 REQUEST_COMPLETE);
	return request;
}

static const struct key_case {
	const char *fields;
	enum idempotency_status status;
	const char *key;
} keys[] = {
    {"", IDEMPOTENCY_OK, ""},
    {"Idempotency-Key: a\r\n", IDEMPOTENCY_OK, "a"},
    {"Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324\r\n", IDEMPOTENCY_OK,
     "8e03978e-40d5-43dd-bc93-6894a57f9324"},
    {"idempotency-key: \"8e03978e\"\r\n", IDEMPOTENCY_OK, "8e03978e"},
    {"Idempotency-Key: \"a\\\"b\\\\c\"\r\n", IDEMPOTENCY_OK, "a\"b\\c"},
    {"Idempotency-Key: a\"b\r\n", IDEMPOTENCY_OK, "a\"b"},
    {"Idempotency-Key: ');--\r\n", IDEMPOTENCY_OK, "');--"},
    {"Idempotency-Key: \r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"\"\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a\\\"\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a\\b\"\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a\"b\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a\";p=1\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: a b\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \"a b\"\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: a\tb\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: \xc3\xa9\r\n", IDEMPOTENCY_BAD, ""},
    {"Idempotency-Key: a\r\nIdempotency-Key: a\r\n", IDEMPOTENCY_BAD, ""},
};

START_TEST(keys_are_visible_ascii)
{
	const struct key_case *c = &keys[_i];
	char head[2000];
	const struct request request = parse(head, "POST /", c->fields);
	struct idempotency idempotency;

	ck_assert_msg(idempotency_read(&request, SPAN_LIT("{}"), &idempotency) == c->status, "%s",
		      c->fields);
	if (c->status == IDEMPOTENCY_OK) {
		ck_assert_uint_eq(idempotency.len, strlen(c->key));
		ck_assert(!idempotency.len || strcmp(idempotency.key, c->key) == 0);
	}
}
END_TEST

START_TEST(keys_are_bounded)
{
	for (size_t len = IDEMPOTENCY_KEY_MAX; len <= IDEMPOTENCY_KEY_MAX + 1; len++) {
		for (int quoted = 0; quoted < 2; quoted++) {
			char head[2000], fields[400], key[300];
			memset(key, 'k', len);
			key[len] = '\0';
			snprintf(fields, sizeof(fields), "Idempotency-Key: %s%s%s\r\n",
				 quoted ? "\"" : "", key, quoted ? "\"" : "");
			const struct request request = parse(head, "POST /", fields);
			struct idempotency idempotency;
			ck_assert_int_eq(idempotency_read(&request, SPAN_LIT(""), &idempotency),
					 len > IDEMPOTENCY_KEY_MAX ? IDEMPOTENCY_BAD
								   : IDEMPOTENCY_OK);
		}
	}
}
END_TEST

static const struct other_case {
	const char *line, *fields, *body;
	bool is_same;
} others[] = {
    {"POST /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", true},
    /* what does not matter */
    {"POST /a?b",
     "content-type: text/csv\r\nUser-Agent: x\r\nif-match: \"7-3\"\r\nAccept: */*\r\nPREFER: "
     "atomic\r\n",
     "{}", true},
    /* what does */
    {"PUT /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /b?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a?c", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a?b", "Content-Type: text/csx\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-4\"\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\n", "{}", false},
    {"POST /a?b", "Content-Type: text/csv\r\nPrefer: atomic\r\n", "{}", false},
    {"POST /a?b", "Content-Type: text/csv\r\nIf-None-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{}",
     false},
    {"POST /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "{} ",
     false},
    {"POST /a?b", "Content-Type: text/csv\r\nIf-Match: \"7-3\"\r\nPrefer: atomic\r\n", "", false},
};

START_TEST(a_key_is_for_one_request)
{
	const struct other_case *first = &others[0], *c = &others[_i];
	struct idempotency a, b;
	char head[2000], other_head[2000], fields[400], other_fields[400];

	snprintf(fields, sizeof(fields), "Idempotency-Key: k\r\n%s", first->fields);
	snprintf(other_fields, sizeof(other_fields), "%sIdempotency-Key: \"k\"\r\n", c->fields);
	const struct request request = parse(head, first->line, fields);
	const struct request other = parse(other_head, c->line, other_fields);
	ck_assert_int_eq(idempotency_read(&request, span_str(first->body), &a), IDEMPOTENCY_OK);
	ck_assert_int_eq(idempotency_read(&other, span_str(c->body), &b), IDEMPOTENCY_OK);
	ck_assert_msg((memcmp(a.fingerprint, b.fingerprint, sizeof(a.fingerprint)) == 0) ==
			  c->is_same,
		      "case %d", _i);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("idempotency");
	TCase *tc = tcase_create("idempotency");

	tcase_add_loop_test(tc, keys_are_visible_ascii, 0, N(keys));
	tcase_add_test(tc, keys_are_bounded);
	tcase_add_loop_test(tc, a_key_is_for_one_request, 0, N(others));
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
