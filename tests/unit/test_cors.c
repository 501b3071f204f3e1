/* links: src/http/chars.c src/http/cors.c src/http/host.c src/http/origin.c */
/*
 * test_cors.c - which pages of other origins are shown what.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "http/cors.h"
#include "http/origin.h"
#include "request_fill.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static struct config config;
static struct request request;

/* Words separated by blanks, as the configuration has them. */
static void
list(const char *origins)
{
	static char storage[256];
	static char *word[8];

	snprintf(storage, sizeof(storage), "%s", origins);
	config.http_origins = (struct words){0, word};
	for (char *w = strtok(storage, " "); w; w = strtok(NULL, " "))
		word[config.http_origins.n++] = w;
}

static void
set(enum http_field id, unsigned times, const char *value)
{
	request_fill(&request, id, times ? span_str(value) : span_from(NULL, 0));
	request.times[id] = (uint8_t)times;
}

/* --- origins --- */

static const struct {
	const char *listed, *origin;
	unsigned times;
	uint16_t index; /* 1 + */
} origins[] = {
    {"", "https://app.example", 1, 0},
    {"https://app.example", "", 0, 0},
    {"https://app.example", "", 1, 0},
    {"https://app.example", "https://app.example", 1, 1},
    {"https://app.example", "https://app.example", 2, 0},
    {"http://a https://app.example http://b", "https://app.example", 1, 2},
    {"http://a https://app.example http://b", "http://b", 1, 3},
    /* RFC 6454 5: scheme, host and port, the default one said or not */
    {"https://app.example", "https://APP.example", 1, 1},
    {"https://app.example", "https://app.example:443", 1, 1},
    {"http://app.example", "http://app.example:80", 1, 1},
    {"http://[::1]:8080", "http://[::1]:8080", 1, 1},
    {"https://app.example", "http://app.example", 1, 0},
    {"https://app.example", "https://app.example:80", 1, 0},
    {"https://app.example:8443", "https://app.example", 1, 0},
    {"https://app.example", "https://app.example.evil.example", 1, 0},
    {"https://app.example", "https://xapp.example", 1, 0},
    {"https://app.example", "https://app.example/", 1, 0},
    {"https://app.example", "https://u@app.example", 1, 0},
    {"https://app.example", "https://app.example https://app.example", 1, 0},
    {"https://app.example", "null", 1, 0},
    {"https://app.example", "*", 1, 0},
    /* of other schemes nothing is known but their text */
    {"moz-extension://12", "moz-extension://12", 1, 1},
    {"moz-extension://12", "moz-extension://12:1", 1, 0},
};

START_TEST(rfc6454_an_origin_is_listed_or_not)
{
	list(origins[_i].listed);
	set(FIELD_ORIGIN, origins[_i].times, origins[_i].origin);
	ck_assert_msg(origin_listed(&config, &request) == origins[_i].index, "%s among %s",
		      origins[_i].origin, origins[_i].listed);
}
END_TEST

/* --- the fields of all answers --- */

static const char listed_fields[] =
    "Vary: Origin\r\n"
    "Access-Control-Allow-Origin: https://app.example\r\n"
    "Access-Control-Expose-Headers: Location, ETag, Retry-After, Link, "
    "Idempotent-Replayed, Preference-Applied, Server-Timing\r\n";

START_TEST(without_the_option_nothing_is_added)
{
	char out[CORS_FIELDS_SIZE];

	list("");
	ck_assert_uint_eq(cors_fields(&config, 0, out, sizeof(out)), 0);
}
END_TEST

START_TEST(a_listed_origin_is_shown_the_answer)
{
	char out[CORS_FIELDS_SIZE];

	list("http://a https://app.example");
	size_t len = cors_fields(&config, 2, out, sizeof(out));
	ck_assert(span_eq(span_from(out, len), span_str(listed_fields)));
	/* never credentials, never everybody */
	ck_assert_ptr_null(memmem(out, len, "Credentials", 11));
	ck_assert_ptr_null(memmem(out, len, "*", 1));
}
END_TEST

/* RFC 9110 12.5.5: whoever asked, the answer to a listed origin is another one. */
START_TEST(rfc9110_12_5_5_others_are_told_that_it_varies)
{
	char out[CORS_FIELDS_SIZE];

	list("https://app.example");
	size_t len = cors_fields(&config, 0, out, sizeof(out));
	ck_assert(span_eq(span_from(out, len), SPAN_LIT("Vary: Origin\r\n")));
}
END_TEST

START_TEST(what_has_no_room_is_left_out_whole)
{
	char out[CORS_FIELDS_SIZE];
	const size_t len = sizeof(listed_fields) - 1;

	list("https://app.example");
	/* snprintf ends with a byte that is not counted */
	ck_assert_uint_eq(cors_fields(&config, 1, out, len + 1), len);
	ck_assert_uint_eq(cors_fields(&config, 1, out, len), 0);
	ck_assert_uint_eq(cors_fields(&config, 1, out, 0), 0);
	/* the longest host there is */
	char host[300] = "https://";
	memset(host + 8, 'a', 253);
	memcpy(host + 261, ":65535", 7);
	list(host);
	ck_assert_uint_gt(cors_fields(&config, 1, out, sizeof(out)), 267);
}
END_TEST

/* --- preflights --- */

START_TEST(a_preflight_is_an_options_with_both_fields)
{
	for (unsigned bits = 0; bits < 8; bits++) {
		request.method = bits & 1 ? HTTP_OPTIONS : HTTP_GET;
		set(FIELD_ORIGIN, bits >> 1 & 1, "https://app.example");
		set(FIELD_ACCESS_CONTROL_REQUEST_METHOD, bits >> 2, "PUT");
		ck_assert_int_eq(cors_is_preflight(&request), bits == 7);
	}
}
END_TEST

#define START                                                                           \
	"Access-Control-Allow-Methods: GET, OPTIONS\r\nAccess-Control-Max-Age: 600\r\n" \
	"Vary: Access-Control-Request-Headers\r\n"
#define ALLOW "Access-Control-Allow-Headers: "

static const struct {
	const char *names; /* NULL: not asked for */
	unsigned times;
	const char *fields;
} preflights[] = {
    {NULL, 0, START},
    {"", 1, START},
    {"content-type", 1, START ALLOW "content-type\r\n"},
    {"content-type,if-none-match, x-a", 1, START ALLOW "content-type,if-none-match, x-a\r\n"},
    {"a", 2, START},
    {"a\"b", 1, START},
    {"a: b", 1, START},
    {"a;b", 1, START},
    {"a\xc3\xa9", 1, START},
    {"a\x01", 1, START},
};

START_TEST(a_preflight_allows_the_fields_that_it_asks_for)
{
	char out[CORS_PREFLIGHT_SIZE];

	set(FIELD_ACCESS_CONTROL_REQUEST_HEADERS, preflights[_i].times, preflights[_i].names);
	cors_preflight_fields(&request, "GET, OPTIONS", out);
	ck_assert_str_eq(out, preflights[_i].fields);
}
END_TEST

START_TEST(a_preflight_of_many_fields_is_bounded)
{
	char names[1002], out[CORS_PREFLIGHT_SIZE];
	static const char methods[] =
	    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT";

	memset(names, 'a', sizeof(names));
	names[1000] = '\0';
	set(FIELD_ACCESS_CONTROL_REQUEST_HEADERS, 1, names);
	cors_preflight_fields(&request, methods, out);
	ck_assert_str_eq(out + strlen(out) - 4, "aa\r\n");
	ck_assert_uint_gt(strlen(out), 1000);
	names[1000] = 'a';
	names[1001] = '\0';
	set(FIELD_ACCESS_CONTROL_REQUEST_HEADERS, 1, names);
	cors_preflight_fields(&request, methods, out);
	ck_assert_ptr_null(strstr(out, ALLOW));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cors");
	TCase *tc = tcase_create("cors");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, rfc6454_an_origin_is_listed_or_not, 0, N(origins));
	tcase_add_test(tc, without_the_option_nothing_is_added);
	tcase_add_test(tc, a_listed_origin_is_shown_the_answer);
	tcase_add_test(tc, rfc9110_12_5_5_others_are_told_that_it_varies);
	tcase_add_test(tc, what_has_no_room_is_left_out_whole);
	tcase_add_test(tc, a_preflight_is_an_options_with_both_fields);
	tcase_add_loop_test(tc, a_preflight_allows_the_fields_that_it_asks_for, 0, N(preflights));
	tcase_add_test(tc, a_preflight_of_many_fields_is_bounded);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
