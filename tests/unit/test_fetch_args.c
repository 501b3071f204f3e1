/* links: src/fetch/fetch_args.c src/fetch/url.c src/fetch/guard.c src/fetch/extract.c
 * src/config/network.c src/config/syntax.c src/http/json_text.c src/http/mistakes.c
 * src/base/buffer.c -ljansson */
/*
 * test_fetch_args.c - every member of a fetch job's args, well and badly, each mistake at its
 * place; and what is masked.
 */
#include "fetch/fetch_args.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_text.h"

static char *ports[] = {"80", "443"};
static const struct config config = {.fetch_ports = {2, ports}};
static struct guard guard;
static struct mistakes mistakes;
static struct fetch_args args;
static json_t *json;

static void
set_up(void)
{
	guard_init(&guard, &config);
	mistakes_init(&mistakes);
}

static void
tear_down(void)
{
	json_decref(json);
	json = NULL;
}

static bool
read(const char *text)
{
	static const struct json_text_rules rules = {
	    .what = "args", .max = 1 << 20, .allows_nul = true};
	struct json_text_error error;

	json = json_text_load(span_str(text), &rules, &error);
	ck_assert_msg(json != NULL, "%s: %s", text, error.detail);
	return fetch_args_read(json, &guard, &args, &mistakes);
}

START_TEST(least_is_a_list_of_urls)
{
	ck_assert(read("{\"urls\":[\"https://example.com/x\",\"http://1.1.1.1\"]}"));
	ck_assert_uint_eq(mistakes.n, 0);
	ck_assert_uint_eq(args.n_urls, 2);
	ck_assert_str_eq(json_string_value(json_array_get(args.urls, 1)), "http://1.1.1.1");
	ck_assert_str_eq(args.method, "GET");
	ck_assert(!args.has_body);
	ck_assert_uint_eq(args.timeout_ms, 0);
	ck_assert_uint_eq(args.n_headers, 0);
	ck_assert_uint_eq(args.n_extract, 0);
}
END_TEST

START_TEST(all_of_it)
{
	ck_assert(read("{\"urls\":[\"https://example.com/hook\"],\"method\":\"POST\","
		       "\"headers\":{\"Authorization\":\"Bearer x\",\"Content-Type\":\"a/b\","
		       "\"X-Empty\":\"\"},\"body\":\"{\\\"a\\\":\\u00001}\",\"timeout\":\"1500ms\","
		       "\"extract\":{\"name\":\"/full_name\",\"all\":\"\"}}"));
	ck_assert_str_eq(args.method, "POST");
	ck_assert(args.has_body);
	ck_assert(span_eq(args.body, SPAN_LIT("{\"a\":\0001}")));
	ck_assert_uint_eq(args.timeout_ms, 1500);
	ck_assert_uint_eq(args.n_headers, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert(args.header[i].is_secret ==
			  (strcmp(args.header[i].name, "Authorization") == 0));
	ck_assert_uint_eq(args.n_extract, 2);
	for (size_t i = 0; i < 2; i++)
		ck_assert(
		    span_eq(args.extract_pointer[i], span_eq(args.extract_name[i], SPAN_LIT("all"))
							 ? SPAN_LIT("")
							 : SPAN_LIT("/full_name")));
}
END_TEST

#define URLS "\"urls\":[\"http://example.com\"]"

static const struct {
	const char *text, *pointer, *detail;
	bool not_allowed;
} bad[] = {
    {"[]", "", "must be an object", false},
    {"\"http://example.com\"", "", "must be an object", false},
    {"{}", "/urls", "is missing", false},
    {"{\"url\":\"http://example.com\"," URLS "}", "/url", "no member", false},
    {"{\"urls\":[]}", "/urls", "1 to 1000", false},
    {"{\"urls\":\"http://example.com\"}", "/urls", "1 to 1000", false},
    {"{\"urls\":null}", "/urls", "1 to 1000", false},
    {"{\"urls\":[\"http://a.b\",1]}", "/urls/1", "must be a string", false},
    {"{\"urls\":[\"\"]}", "/urls/0", "no scheme", false},
    {"{\"urls\":[\"http://a\\u0000b\"]}", "/urls/0", "blanks, controls", false},
    {"{\"urls\":[\"http://a\",\"http://b\",\"http://c\",\"http://0x7f.1\"]}", "/urls/3", "loopback",
     true},
    {"{\"urls\":[\"http://a:8080/\"]}", "/urls/0", "fetch.ports", true},
    {"{\"urls\":[\"http://[::ffff:10.0.0.1]/\"]}", "/urls/0", "private", true},
    {"{\"urls\":[\"ftp://a/\"]}", "/urls/0", "scheme", true},
    {"{\"urls\":[\"http://u:p@a/\"]}", "/urls/0", "user", true},
    {"{" URLS ",\"method\":\"get\"}", "/method", "must be GET", false},
    {"{" URLS ",\"method\":\"CONNECT\"}", "/method", "must be GET", false},
    {"{" URLS ",\"method\":\"GET\\u0000\"}", "/method", "must be GET", false},
    {"{" URLS ",\"method\":null}", "/method", "must be GET", false},
    {"{" URLS ",\"body\":\"x\"}", "/body", "needs the method", false},
    {"{" URLS ",\"body\":\"\",\"method\":\"HEAD\"}", "/body", "needs the method", false},
    {"{" URLS ",\"body\":{},\"method\":\"POST\"}", "/body", "must be a string", false},
    {"{" URLS ",\"timeout\":15}", "/timeout", "must be a time", false},
    {"{" URLS ",\"timeout\":\"15\"}", "/timeout", "must be a time", false},
    {"{" URLS ",\"timeout\":\"9ms\"}", "/timeout", "must be a time", false},
    {"{" URLS ",\"timeout\":\"11m\"}", "/timeout", "must be a time", false},
    {"{" URLS ",\"timeout\":\"1s\\u0000\"}", "/timeout", "must be a time", false},
    {"{" URLS ",\"timeout\":\"-1s\"}", "/timeout", "must be a time", false},
    {"{" URLS ",\"headers\":[]}", "/headers", "must be an object", false},
    {"{" URLS ",\"headers\":{\"\":\"x\"}}", "/headers/", "is no name", false},
    {"{" URLS ",\"headers\":{\"a b\":\"x\"}}", "/headers/a b", "is no name", false},
    {"{" URLS ",\"headers\":{\"a:\":\"x\"}}", "/headers/a:", "is no name", false},
    {"{" URLS ",\"headers\":{\"a\":1}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\r\\nHost: y\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\ny\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\u0000\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\" x\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"\xc3\xa9\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"hOsT\":\"x\"}}", "/headers/hOsT", "sets itself", false},
    {"{" URLS ",\"headers\":{\"Content-Length\":\"1\"}}", "/headers/Content-Length", "sets itself",
     false},
    {"{" URLS ",\"headers\":{\"Transfer-Encoding\":\"chunked\"}}", "/headers/Transfer-Encoding",
     "sets itself", false},
    {"{" URLS ",\"headers\":{\"Connection\":\"x\"}}", "/headers/Connection", "sets itself", false},
    {"{" URLS ",\"headers\":{\"Proxy-Connection\":\"x\"}}", "/headers/Proxy-Connection",
     "sets itself", false},
    {"{" URLS ",\"headers\":{\"Keep-Alive\":\"x\"}}", "/headers/Keep-Alive", "sets itself", false},
    {"{" URLS ",\"headers\":{\"Upgrade\":\"x\"}}", "/headers/Upgrade", "sets itself", false},
    {"{" URLS ",\"headers\":{\"TE\":\"x\"}}", "/headers/TE", "sets itself", false},
    {"{" URLS ",\"headers\":{\"Trailer\":\"x\"}}", "/headers/Trailer", "sets itself", false},
    {"{" URLS ",\"headers\":{\"Expect\":\"x\"}}", "/headers/Expect", "sets itself", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\r\\n y\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\ry\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\u007f\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\\t\"}}", "/headers/a", "must be a string", false},
    {"{" URLS ",\"headers\":{\"a\":\"x\",\"A\":\"y\"}}", NULL, "is there twice", false},
    {"{" URLS ",\"extract\":[]}", "/extract", "must be an object", false},
    {"{" URLS ",\"extract\":\"/a\"}", "/extract", "must be an object", false},
    {"{" URLS ",\"extract\":{\"a\":1}}", "/extract/a", "JSON pointer", false},
    {"{" URLS ",\"extract\":{\"a\":\"b\"}}", "/extract/a", "JSON pointer", false},
    {"{" URLS ",\"extract\":{\"a/b\":\"/~2\"}}", "/extract/a~1b", "JSON pointer", false},
    {"{" URLS ",\"extract\":{\"\":\"/a\"}}", "/extract/", "is no name", false},
};

START_TEST(mistake_is_at_its_place)
{
	ck_assert_msg(!read(bad[_i].text), "%s", bad[_i].text);
	ck_assert_uint_eq(mistakes.n, 1);
	if (bad[_i].pointer)
		ck_assert_str_eq(mistakes.error[0].pointer, bad[_i].pointer);
	ck_assert_msg(strstr(mistakes.error[0].detail, bad[_i].detail), "%s: %s", bad[_i].text,
		      mistakes.error[0].detail);
	if (bad[_i].not_allowed)
		ck_assert_str_eq(mistakes.type, "url-not-allowed");
	else
		ck_assert_ptr_null(mistakes.type);
}
END_TEST

START_TEST(all_mistakes_are_told_together)
{
	ck_assert(!read("{\"urls\":[\"x\",\"http://a\",\"http://127.0.0.1\"],\"method\":\"x\","
			"\"timeout\":0,\"more\":1}"));
	ck_assert_uint_eq(mistakes.n, 5);
	ck_assert_str_eq(mistakes.type, "url-not-allowed");
}
END_TEST

START_TEST(place_of_the_args_is_in_each_pointer)
{
	mistakes_enter(&mistakes, SPAN_LIT("args"));
	ck_assert(!read("{\"urls\":[\"x\"]}"));
	ck_assert_str_eq(mistakes.error[0].pointer, "/args/urls/0");
}
END_TEST

/* `n` members: "a0":value, ... */
static bool
read_many(const char *head, size_t n, const char *fmt)
{
	char *text = malloc(64 * n + 200);
	size_t len = (size_t)sprintf(text, "{%s", head);

	for (size_t i = 0; i < n; i++) {
		if (i)
			text[len++] = ',';
		len += (size_t)sprintf(text + len,
				       *fmt == 'u'   ? "\"http://a%zu\""
				       : *fmt == 'h' ? "\"h%zu\":\"x\""
						     : "\"e%zu\":\"/a\"",
				       i);
	}
	strcpy(text + len, *fmt == 'u' ? "]}" : "}}");
	mistakes_init(&mistakes);
	json_decref(json);
	const bool ok = read(text);
	free(text);
	return ok;
}

START_TEST(lists_are_bounded)
{
	ck_assert(read_many("\"urls\":[", FETCH_URLS_MAX, "u"));
	ck_assert_uint_eq(args.n_urls, FETCH_URLS_MAX);
	ck_assert(!read_many("\"urls\":[", FETCH_URLS_MAX + 1, "u"));
	ck_assert(read_many(URLS ",\"headers\":{", FETCH_HEADERS_MAX, "h"));
	ck_assert_uint_eq(args.n_headers, FETCH_HEADERS_MAX);
	ck_assert(!read_many(URLS ",\"headers\":{", FETCH_HEADERS_MAX + 1, "h"));
	ck_assert(read_many(URLS ",\"extract\":{", EXTRACT_MAX, "e"));
	ck_assert_uint_eq(args.n_extract, EXTRACT_MAX);
	ck_assert(!read_many(URLS ",\"extract\":{", EXTRACT_MAX + 1, "e"));
}
END_TEST

static const struct {
	const char *name;
	bool is_secret;
} names[] = {
    {"Authorization", true},
    {"authorization", true},
    {"Proxy-Authorization", true},
    {"Cookie", true},
    {"X-Api-Key", true},
    {"x-api-key", true},
    {"Api-Key", true},
    {"X-Auth-Token", true},
    {"PRIVATE-TOKEN", true},
    {"X-Vault-Token", true},
    {"X-Hub-Signature", true},
    {"X-Client-Secret", true},
    {"X-Goog-Api-Key", true},
    {"Ocp-Apim-Subscription-Key", true},
    {"Token", true},
    {"X-Hub-Signature-256", true},
    {"X-Session-Id", true},
    {"X-Accesstoken", true},
    {"X_API_KEY", true},
    {"X-Auth-User", true},
    {"X-Amz-Credential", true},
    {"Password", true},
    {"X-Dbpassword-2", true},
    {"X-Jwt-Assertion", true},
    {"Author", false},
    {"X-Keyboard", false},
    {"X-Compass", false},
    {"-", false},
    {"Content-Type", false},
    {"Accept", false},
    {"User-Agent", false},
    {"X-Request-Id", false},
    {"Idempotency-Key", false},
    {"", false},
};

START_TEST(secrets_are_known)
{
	ck_assert_msg(fetch_header_is_secret(span_str(names[_i].name)) == names[_i].is_secret, "%s",
		      names[_i].name);
}
END_TEST

START_TEST(secrets_are_masked_and_nothing_else)
{
	ck_assert(read("{" URLS ",\"headers\":{\"Authorization\":\"Bearer x\",\"Accept\":\"a/b\","
		       "\"X-Api-Key\":\"k\"}}"));
	fetch_args_mask(json);
	const json_t *headers = json_object_get(json, "headers");
	ck_assert_str_eq(json_string_value(json_object_get(headers, "Authorization")), "***");
	ck_assert_str_eq(json_string_value(json_object_get(headers, "X-Api-Key")), "***");
	ck_assert_str_eq(json_string_value(json_object_get(headers, "Accept")), "a/b");
	ck_assert_uint_eq(json_object_size(headers), 3);
}
END_TEST

static void *
no_memory(size_t size)
{
	(void)size;
	return NULL;
}

START_TEST(secrets_are_masked_without_memory)
{
	ck_assert(read("{" URLS ",\"headers\":{\"Cookie\":\"x\",\"Token\":\"y\"}}"));
	json_set_alloc_funcs(no_memory, free);
	fetch_args_mask(json);
	json_set_alloc_funcs(malloc, free);
	ck_assert_ptr_null(json_object_get(json, "headers"));
}
END_TEST

START_TEST(mask_takes_anything)
{
	static const char *const texts[] = {"{}",
					    "[]",
					    "1",
					    "{\"headers\":1}",
					    "{\"headers\":[]}",
					    "{\"headers\":{}}",
					    "{\"headers\":{\"Cookie\":1}}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *any = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		fetch_args_mask(any);
		json_decref(any);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch args");
	TCase *tcase = tcase_create("args");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, least_is_a_list_of_urls);
	tcase_add_test(tcase, all_of_it);
	tcase_add_loop_test(tcase, mistake_is_at_its_place, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, all_mistakes_are_told_together);
	tcase_add_test(tcase, place_of_the_args_is_in_each_pointer);
	tcase_add_test(tcase, lists_are_bounded);
	tcase_add_loop_test(tcase, secrets_are_known, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(tcase, secrets_are_masked_and_nothing_else);
	tcase_add_test(tcase, secrets_are_masked_without_memory);
	tcase_add_test(tcase, mask_takes_anything);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
