/* links: src/http/json_body.c src/http/json_text.c tests/unit/fake_exchange.c -ljansson */
/*
 * test_json_body.c - which bodies are JSON to us, and what is said of the others.
 */
#include "http/json_body.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_exchange.h"

static const struct body_case {
	const char *body;
	int status;       /* 0: accepted */
	const char *said; /* part of the detail */
} cases[] = {
    {"{}", 0, ""},
    {"{\"name\":\"a\",\"price\":1}", 0, ""},
    {" [1, 2] ", 0, ""},
    {"42", 0, ""},
    {"\"text\"", 0, ""},
    {"null", 0, ""},
    {"\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"", 0, ""},
    {"99999999999999999999999999", 0, ""},
    {"1e308", 0, ""},
    {"{\"a\":\"x\\u0000y\"}", 0, ""},
    {"\"[[[[ \\\" {{{{\"", 0, ""},
    {"", 400, "line 1, column 0: the body ends"},
    {" ", 400, "the body ends"},
    {"{", 400, "the body ends"},
    {"{\"a\":1", 400, "the body ends"},
    {"nope", 400, "line 1, column 4: the body is not JSON"},
    {"{\n\"a\": tru }", 400, "line 2, column 8: the body is not JSON"},
    {"{'a':1}", 400, "is not JSON"},
    {"{\"a\":1,}", 400, "is not JSON"},
    {"{\"a\":01}", 400, "is not JSON"},
    {"{\"a\":+1}", 400, "is not JSON"},
    {"{\"a\":NaN}", 400, "is not JSON"},
    {"{} {}", 400, "something follows"},
    {"{}x", 400, "something follows"},
    {"{\"a\":1,\"a\":2}", 400, "same key twice"},
    {"{\"a\":1,\"\\u0061\":2}", 400, "same key twice"},
    {"\"\xff\"", 400, "not UTF-8"},
    {"\"\xc0\x80\"", 400, "not UTF-8"},
    {"\"\xed\xa0\x80\"", 400, "not UTF-8"},
    {"\"\\ud800\"", 400, "is not JSON"},
    {"\xef\xbb\xbf{}", 400, "is not JSON"},
    {"\"a\nb\"", 400, "is not JSON"},
    {"{\"a\":1e999}", 422, "too large"},
    {"{\"a\":-1e999}", 422, "too large"},
    {"{\"a\\u0000\":1}", 422, "U+0000"},
};

START_TEST(judged)
{
	const struct body_case *c = &cases[_i];
	struct json_text_error error = {0, ""};
	json_t *json = json_body_load(span_str(c->body), &error);

	if (c->status == 0) {
		ck_assert_msg(json != NULL, "%s: %s", c->body, error.detail);
	} else {
		ck_assert_msg(!json, "%s was accepted", c->body);
		ck_assert_msg(error.status == c->status, "%s: %d", c->body, error.status);
		ck_assert_msg(strstr(error.detail, c->said) != NULL, "%s: %s", c->body,
			      error.detail);
	}
	json_decref(json);
}
END_TEST

/* A parser that reads until a terminator would read past the span. */
START_TEST(only_the_span)
{
	struct json_text_error error;
	json_t *json = json_body_load(span_from("12345", 2), &error);

	ck_assert_ptr_nonnull(json);
	ck_assert_double_eq(json_real_value(json), 12);
	json_decref(json);
	ck_assert_ptr_null(json_body_load(span_from("{}\0", 3), &error));
	ck_assert_ptr_null(json_body_load(span_from(NULL, 0), &error));
	ck_assert_int_eq(error.status, 400);
}
END_TEST

/* `n` times `open`, a value, `n` times `close`. */
static char *
nest(size_t n, char open, char close)
{
	char *s = malloc(2 * n + 2);

	ck_assert_ptr_nonnull(s);
	memset(s, open, n);
	s[n] = '1';
	memset(s + n + 1, close, n);
	s[2 * n + 1] = '\0';
	return s;
}

START_TEST(depth_is_bounded)
{
	static const size_t depths[] = {JSON_TEXT_MAX_DEPTH, JSON_TEXT_MAX_DEPTH + 1, 100000};

	for (size_t i = 0; i < 3; i++) {
		struct json_text_error error;
		char *body = nest(depths[i], '[', ']');
		json_t *json = json_body_load(span_str(body), &error);
		if (i == 0) {
			ck_assert_ptr_nonnull(json);
		} else {
			ck_assert_ptr_null(json);
			ck_assert_int_eq(error.status, 400);
			ck_assert_ptr_nonnull(strstr(error.detail, "nested"));
		}
		json_decref(json);
		free(body);
	}
}
END_TEST

START_TEST(values_are_bounded)
{
	struct json_text_error error;
	size_t n = JSON_TEXT_MAX_VALUES - 1, len = 0;
	char *body = malloc(2 * n + 8);

	ck_assert_ptr_nonnull(body);
	body[len++] = '[';
	for (size_t i = 0; i < n; i++) {
		body[len++] = '1';
		body[len++] = ',';
	}
	body[len - 1] = ']';
	json_t *json = json_body_load(span_from(body, len), &error);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
	memcpy(body + len - 1, ",1]", 3);
	ck_assert_ptr_null(json_body_load(span_from(body, len + 2), &error));
	ck_assert_int_eq(error.status, 400);
	free(body);
}
END_TEST

START_TEST(bytes_are_bounded)
{
	static char body[JSON_BODY_MAX + 1];
	struct json_text_error error;

	memset(body, ' ', sizeof(body));
	body[JSON_BODY_MAX - 1] = '1';
	json_t *json = json_body_load(span_from(body, JSON_BODY_MAX), &error);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
	ck_assert_ptr_null(json_body_load(span_from(body, JSON_BODY_MAX + 1), &error));
	ck_assert_int_eq(error.status, 400);
	ck_assert_ptr_nonnull(strstr(error.detail, "are accepted"));
}
END_TEST

/* An object of `n` keys, with `value` for each, at `out`. */
static size_t
write_object(char *out, int n, const char *value)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += (size_t)sprintf(out + len, "%s\"k%d\":%s", i ? "," : "{", i, value);
	return len + (size_t)sprintf(out + len, "}");
}

START_TEST(keys_are_bounded)
{
	static const struct {
		int keys;
		const char *value;
		bool is_taken;
	} objects[] = {
	    {JSON_TEXT_MAX_KEYS, "1", true},
	    {JSON_TEXT_MAX_KEYS + 1, "1", false},
	    /* each object has its own, and so has what is around it */
	    {JSON_TEXT_MAX_KEYS, "{\"a\":1,\"b\":2}", true},
	    {JSON_TEXT_MAX_KEYS, "[{\"a\":[1]},{\"a\":1}]", true},
	    {JSON_TEXT_MAX_KEYS + 1, "{}", false},
	    /* colons of strings are none */
	    {JSON_TEXT_MAX_KEYS, "\":\\\":{:\"", true},
	};
	static char body[JSON_BODY_MAX];

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		struct json_text_error error;
		size_t len = write_object(body, objects[i].keys, objects[i].value);
		json_t *json = json_body_load(span_from(body, len), &error);
		ck_assert_msg((json != NULL) == objects[i].is_taken, "%d times %s", objects[i].keys,
			      objects[i].value);
		ck_assert(json || strstr(error.detail, "keys"));
		json_decref(json);
	}
}
END_TEST

START_TEST(problems)
{
	static const struct {
		const char *body;
		int status;
		const char *type;
		size_t n_errors;
	} answers[] = {
	    {"{", 400, "not-json", 0},
	    {"1e999", 422, "validation", 1},
	};

	for (size_t i = 0; i < 2; i++) {
		struct exchange *x = fake_exchange_new(NULL, NULL, answers[i].body);
		ck_assert_ptr_null(json_body_read(x));
		ck_assert(x->answered && x->is_problem);
		ck_assert_int_eq(x->status, answers[i].status);
		ck_assert_str_eq(x->type, answers[i].type);
		ck_assert_uint_eq(x->n_errors, answers[i].n_errors);
		if (answers[i].n_errors)
			ck_assert_ptr_nonnull(fake_exchange_error(x, ""));
		fake_exchange_free(&x);
	}
	struct exchange *x = fake_exchange_new(NULL, NULL, "{}");
	json_t *json = json_body_read(x);
	ck_assert_ptr_nonnull(json);
	ck_assert(!x->answered);
	json_decref(json);
	fake_exchange_free(&x);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_body");
	TCase *tc = tcase_create("json_body");

	tcase_add_loop_test(tc, judged, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, only_the_span);
	tcase_add_test(tc, depth_is_bounded);
	tcase_add_test(tc, values_are_bounded);
	tcase_add_test(tc, bytes_are_bounded);
	tcase_add_test(tc, keys_are_bounded);
	tcase_add_test(tc, problems);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
