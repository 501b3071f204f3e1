/* links: src/fetch/url.c */
/*
 * test_fetch_url.c - URLs in one normal form, in which a host that any resolver would take for an
 * address is that address; what Location means; and what is none.
 */
#include "fetch/url.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *normal, *host;
	enum fetch_host kind;
	int port;
} good[] = {
    {"http://example.com", "http://example.com/", "example.com", FETCH_HOST_NAME, 80},
    {"HTTPS://Example.COM/a/b?c=d", "https://example.com/a/b?c=d", "example.com", FETCH_HOST_NAME,
     443},
    {"http://example.com./", "http://example.com/", "example.com", FETCH_HOST_NAME, 80},
    {"https://example.com:443/", "https://example.com/", "example.com", FETCH_HOST_NAME, 443},
    {"https://example.com:80/", "https://example.com:80/", "example.com", FETCH_HOST_NAME, 80},
    {"http://example.com:/x", "http://example.com/x", "example.com", FETCH_HOST_NAME, 80},
    {"http://localhost:8081", "http://localhost:8081/", "localhost", FETCH_HOST_NAME, 8081},
    {"http://a_b-c.1a/x", "http://a_b-c.1a/x", "a_b-c.1a", FETCH_HOST_NAME, 80},
    {"http://x/?q#frag?ment", "http://x/?q", "x", FETCH_HOST_NAME, 80},
    {"http://x?q", "http://x/?q", "x", FETCH_HOST_NAME, 80},
    {"http://x#f", "http://x/", "x", FETCH_HOST_NAME, 80},
    {"http://x/%7e%zz{}|", "http://x/%7e%zz%7B%7D%7C", "x", FETCH_HOST_NAME, 80},
    {"http://x/a/../b/./c/%2E%2e/d", "http://x/b/d", "x", FETCH_HOST_NAME, 80},
    {"http://x/../..", "http://x/", "x", FETCH_HOST_NAME, 80},
    {"http://x/a/b/..", "http://x/a/", "x", FETCH_HOST_NAME, 80},
    {"http://x/?/../a", "http://x/?/../a", "x", FETCH_HOST_NAME, 80},
    {"http://xn--mnchen-3ya.de/", "http://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de", FETCH_HOST_NAME,
     80},
    {"http://x/@a:b", "http://x/@a:b", "x", FETCH_HOST_NAME, 80},
    /* one address in all its spellings */
    {"http://127.0.0.1/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://127.0.0.1./", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://2130706433/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://0x7f000001/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://0X7F.1/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://017700000001/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://0177.0.0.01:8080/", "http://127.0.0.1:8080/", "127.0.0.1", FETCH_HOST_IPV4, 8080},
    {"http://127.1/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://127.0.1/", "http://127.0.0.1/", "127.0.0.1", FETCH_HOST_IPV4, 80},
    {"http://127.65535/", "http://127.0.255.255/", "127.0.255.255", FETCH_HOST_IPV4, 80},
    {"http://0/", "http://0.0.0.0/", "0.0.0.0", FETCH_HOST_IPV4, 80},
    {"http://0x/", "http://0.0.0.0/", "0.0.0.0", FETCH_HOST_IPV4, 80},
    {"http://4294967295/", "http://255.255.255.255/", "255.255.255.255", FETCH_HOST_IPV4, 80},
    {"http://[::1]/", "http://[::1]/", "::1", FETCH_HOST_IPV6, 80},
    {"https://[0:0::1]:8443/x", "https://[::1]:8443/x", "::1", FETCH_HOST_IPV6, 8443},
    {"http://[::FFFF:7f00:1]/", "http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", FETCH_HOST_IPV6,
     80},
    {"http://[::ffff:10.0.0.1]/", "http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1", FETCH_HOST_IPV6,
     80},
};

START_TEST(good_url_has_a_normal_form)
{
	struct fetch_url url, again;
	const char *why = NULL;

	ck_assert_msg(fetch_url_parse(span_str(good[_i].text), &url, &why) == FETCH_URL_OK, "%s %s",
		      good[_i].text, why);
	ck_assert_str_eq(url.text, good[_i].normal);
	ck_assert_uint_eq(url.len, strlen(url.text));
	ck_assert_str_eq(url.host, good[_i].host);
	ck_assert_int_eq(url.kind, good[_i].kind);
	ck_assert_int_eq(url.port, good[_i].port);
	ck_assert_int_eq(url.text[url.path_at], '/');
	/* and that is its own */
	ck_assert(fetch_url_parse(span_str(url.text), &again, &why) == FETCH_URL_OK);
	ck_assert_str_eq(again.text, url.text);
	ck_assert(fetch_url_same_origin(&url, &again));
	ck_assert_mem_eq(again.address, url.address, sizeof(url.address));
}
END_TEST

static const struct {
	const char *text;
	enum fetch_url_verdict verdict;
	const char *why;
} bad[] = {
    {"", FETCH_URL_MALFORMED, "no scheme"},
    {"example.com/x", FETCH_URL_MALFORMED, "no scheme"},
    {"//example.com/x", FETCH_URL_MALFORMED, "no scheme"},
    {"http:example.com", FETCH_URL_MALFORMED, "no //"},
    {"http:/example.com", FETCH_URL_MALFORMED, "no //"},
    {"http:\\\\example.com", FETCH_URL_MALFORMED, "no //"},
    {"http://", FETCH_URL_MALFORMED, "no host"},
    {"http:///x", FETCH_URL_MALFORMED, "no host"},
    {"http://:80/", FETCH_URL_MALFORMED, "no host"},
    {"http://./", FETCH_URL_MALFORMED, "no host"},
    {"http://a..b/", FETCH_URL_MALFORMED, "no name"},
    {"http://.a/", FETCH_URL_MALFORMED, "no name"},
    {"http://a../", FETCH_URL_MALFORMED, "two dots"},
    {"http://a b/", FETCH_URL_MALFORMED, "blanks"},
    {"http://a/ b", FETCH_URL_MALFORMED, "blanks"},
    {"http://a/\n", FETCH_URL_MALFORMED, "blanks"},
    {"http://a/\r\nX: y", FETCH_URL_MALFORMED, "blanks"},
    {"http://m\xc3\xbcnchen.de/", FETCH_URL_MALFORMED, "xn--"},
    {"http://\xe2\x91\xa0.1/", FETCH_URL_MALFORMED, "beyond ASCII"},
    {"http://127.0.0.1%00.example.com/", FETCH_URL_MALFORMED, "no name"},
    {"http://%31%32%37.0.0.1/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://a%2eb/", FETCH_URL_MALFORMED, "no name"},
    {"http://a\\b/", FETCH_URL_MALFORMED, "backslash"},
    {"http://example.com\\@127.0.0.1/", FETCH_URL_MALFORMED, "backslash"},
    {"http://a:0/", FETCH_URL_MALFORMED, "port"},
    {"http://a:65536/", FETCH_URL_MALFORMED, "port"},
    {"http://a:-1/", FETCH_URL_MALFORMED, "port"},
    {"http://a:8x/", FETCH_URL_MALFORMED, "port"},
    {"http://a:1:2/", FETCH_URL_MALFORMED, "port"},
    {"http://a:99999999999999999999/", FETCH_URL_MALFORMED, "port"},
    {"http://1.2.3.4.5/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://256.1.1.1/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://1.2.3.256/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://4294967296/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://example.08/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://example.0x1/", FETCH_URL_MALFORMED, "no IPv4 address"},
    {"http://[::1/", FETCH_URL_MALFORMED, "]"},
    {"http://[::1]x/", FETCH_URL_MALFORMED, "between ]"},
    {"http://[1.2.3.4]/", FETCH_URL_MALFORMED, "no IPv6 address"},
    {"http://[fe80::1%25eth0]/", FETCH_URL_MALFORMED, "no IPv6 address"},
    {"http://[]/", FETCH_URL_MALFORMED, "no IPv6 address"},
    {"http://::1/", FETCH_URL_MALFORMED, "no host"},
    {"ftp://example.com/", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"file:///etc/passwd", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"gopher://127.0.0.1:6379/_x", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"dict://127.0.0.1:11211/", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"javascript:alert(1)", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"localhost:8080/x", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"http+unix://x/", FETCH_URL_NOT_ALLOWED, "scheme"},
    {"http://user@example.com/", FETCH_URL_NOT_ALLOWED, "user"},
    {"http://user:pass@example.com/", FETCH_URL_NOT_ALLOWED, "user"},
    {"http://@example.com/", FETCH_URL_NOT_ALLOWED, "user"},
    {"http://example.com:80@127.0.0.1/", FETCH_URL_NOT_ALLOWED, "user"},
    {"http://1.1.1.1 &@2.2.2.2# @3.3.3.3/", FETCH_URL_MALFORMED, "blanks"},
};

START_TEST(bad_url_is_none)
{
	struct fetch_url url;
	const char *why = NULL;

	ck_assert_int_eq(fetch_url_parse(span_str(bad[_i].text), &url, &why), bad[_i].verdict);
	ck_assert_msg(strstr(why, bad[_i].why), "%s: %s", bad[_i].text, why);
}
END_TEST

START_TEST(bounds)
{
	struct fetch_url url;
	const char *why;
	char text[FETCH_URL_MAX + 2] = "http://x/";

	memset(text + 9, 'a', FETCH_URL_MAX - 9);
	ck_assert_int_eq(fetch_url_parse(span_str(text), &url, &why), FETCH_URL_OK);
	ck_assert_uint_eq(url.len, FETCH_URL_MAX);
	text[FETCH_URL_MAX] = 'a';
	ck_assert_int_eq(fetch_url_parse(span_str(text), &url, &why), FETCH_URL_MALFORMED);
	/* what becomes longer by its normal form */
	text[FETCH_URL_MAX] = '\0';
	text[20] = '{';
	ck_assert_int_eq(fetch_url_parse(span_str(text), &url, &why), FETCH_URL_MALFORMED);

	char host[300] = "http://";
	for (int i = 0; i < 63; i++)
		strcat(host, "a");
	ck_assert_int_eq(fetch_url_parse(span_str(host), &url, &why), FETCH_URL_OK);
	strcat(host, "a");
	ck_assert_int_eq(fetch_url_parse(span_str(host), &url, &why), FETCH_URL_MALFORMED);
	strcpy(host, "http://");
	for (int i = 0; i < 126; i++)
		strcat(host, "a.");
	strcat(host, "a"); /* 253 */
	ck_assert_int_eq(fetch_url_parse(span_str(host), &url, &why), FETCH_URL_OK);
	strcat(host, "a");
	ck_assert_int_eq(fetch_url_parse(span_str(host), &url, &why), FETCH_URL_MALFORMED);
	/* a zero is no end */
	ck_assert_int_eq(fetch_url_parse(span_from("http://a\0b/", 11), &url, &why),
			 FETCH_URL_MALFORMED);
}
END_TEST

/* RFC 3986 5.4, where the base is http://a/b/c/d;p?q */
static const struct {
	const char *location, *means;
} follow[] = {
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g/"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q"},
    {"g#s", "http://a/b/c/g"},
    {"g?y#s", "http://a/b/c/g?y"},
    {";x", "http://a/b/c/;x"},
    {"g;x=1/../y", "http://a/b/c/y"},
    {"", "http://a/b/c/d;p?q"},
    {".", "http://a/b/c/"},
    {"./", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../../g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {"..g", "http://a/b/c/..g"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
    {"g?y/../x", "http://a/b/c/g?y/../x"},
    {"https://b:8443/x", "https://b:8443/x"},
    {"//0x7f.1:81/x", "http://127.0.0.1:81/x"},
    {"  /g ", "http://a/g"},
    {"/a b", "http://a/a%20b"},
    {"/\xc3\xbc?\xc3\xbc", "http://a/%C3%BC?%C3%BC"},
    {"/x\\y", "http://a/x%5Cy"},
    /* none that we follow */
    {"ftp://b/", NULL},
    {"file:///etc/passwd", NULL},
    {"http://u@b/", NULL},
    {"//u:p@b/", NULL},
    {"http:g", NULL},
    {"\\\\b/", NULL},
    {"/\\b/", NULL},
    {"http://\xc3\xbc/", NULL},
    {"//b\\@c/", NULL},
};

START_TEST(location_is_followed)
{
	struct fetch_url base, url;
	const char *why;

	ck_assert(fetch_url_parse(SPAN_LIT("http://a/b/c/d;p?q"), &base, &why) == FETCH_URL_OK);
	const enum fetch_url_verdict verdict =
	    fetch_url_follow(&base, span_str(follow[_i].location), &url, &why);
	if (follow[_i].means) {
		ck_assert_msg(verdict == FETCH_URL_OK, "%s %s", follow[_i].location, why);
		ck_assert_str_eq(url.text, follow[_i].means);
	} else {
		ck_assert_msg(verdict != FETCH_URL_OK, "%s is %s", follow[_i].location, url.text);
	}
}
END_TEST

START_TEST(origins_differ_by_scheme_host_and_port)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
	    {"http://a/x", "http://A:80/y?z", true},      {"http://a/", "https://a/", false},
	    {"http://a/", "http://a:81/", false},         {"http://a/", "http://b/", false},
	    {"http://127.1/", "http://127.0.0.1/", true}, {"https://a:80/", "http://a:80/", false},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct fetch_url a, b;
		const char *why;

		ck_assert(fetch_url_parse(span_str(pairs[i].a), &a, &why) == FETCH_URL_OK);
		ck_assert(fetch_url_parse(span_str(pairs[i].b), &b, &why) == FETCH_URL_OK);
		ck_assert_msg(fetch_url_same_origin(&a, &b) == pairs[i].same, "%s %s", pairs[i].a,
			      pairs[i].b);
	}
}
END_TEST

START_TEST(origin_has_a_text)
{
	struct fetch_url url;
	char text[FETCH_ORIGIN_SIZE];
	const char *why;

	ck_assert(fetch_url_parse(SPAN_LIT("https://Example.com/x"), &url, &why) == FETCH_URL_OK);
	ck_assert_uint_eq(fetch_url_origin(&url, text), strlen("example.com:443"));
	ck_assert_str_eq(text, "example.com:443");
	ck_assert(fetch_url_parse(SPAN_LIT("http://[::1]:81/x"), &url, &why) == FETCH_URL_OK);
	fetch_url_origin(&url, text);
	ck_assert_str_eq(text, "[::1]:81");
}
END_TEST

/* Whatever inet_aton takes for an address is that one here, or no URL: never a name. */
START_TEST(spellings_agree_with_the_resolver)
{
	static const char digits[] = "0178xXaf.";
	unsigned long seen = 0;
	uint64_t state = 0x9e3779b97f4a7c15;

	for (int round = 0; round < 200000; round++) {
		char text[64] = "http://";
		struct in_addr resolved;
		struct fetch_url url;
		const char *why;
		size_t len = 7;

		for (int n = 1 + round % 14; n; n--) {
			state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
			text[len++] =
			    digits[(state * 0x2545f4914f6cdd1d >> 40) % (sizeof(digits) - 1)];
		}
		text[len] = '\0';
		if (!inet_aton(text + 7, &resolved))
			continue;
		seen++;
		if (fetch_url_parse(span_str(text), &url, &why) != FETCH_URL_OK)
			continue;
		ck_assert_msg(url.kind == FETCH_HOST_IPV4, "%s is a name", text);
		ck_assert_msg(memcmp(url.address, &resolved, 4) == 0, "%s is %s", text, url.host);
	}
	ck_assert_uint_gt(seen, 1000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch url");
	TCase *tcase = tcase_create("url");

	tcase_add_loop_test(tcase, good_url_has_a_normal_form, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tcase, bad_url_is_none, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, bounds);
	tcase_add_loop_test(tcase, location_is_followed, 0, sizeof(follow) / sizeof(follow[0]));
	tcase_add_test(tcase, origins_differ_by_scheme_host_and_port);
	tcase_add_test(tcase, origin_has_a_text);
	tcase_add_test(tcase, spellings_agree_with_the_resolver);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
