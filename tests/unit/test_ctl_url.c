/* links: src/ctl/url.c */
/*
 * test_ctl_url.c - WebSocket URLs in their parts, and what is none.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/url.h"

static const struct {
	const char *text;
	bool is_tls;
	const char *address;
	int port;
	const char *host;
	const char *path;
} good[] = {
    {"ws://127.0.0.1:8080/chat", false, "127.0.0.1", 8080, "127.0.0.1:8080", "/chat"},
    {"ws://localhost", false, "localhost", 80, "localhost", "/"},
    {"WS://localhost:80/", false, "localhost", 80, "localhost", "/"},
    {"ws://localhost:/", false, "localhost", 80, "localhost", "/"},
    {"wss://a.example/x/y?z=1&q=%20", true, "a.example", 443, "a.example", "/x/y?z=1&q=%20"},
    {"wss://a.example:80?z=/:", true, "a.example", 80, "a.example:80", "/?z=/:"},
    {"ws://[::1]:8080/echo", false, "::1", 8080, "[::1]:8080", "/echo"},
    {"ws://[2001:db8::1]", false, "2001:db8::1", 80, "[2001:db8::1]", "/"},
};

START_TEST(good_url_is_split)
{
	struct url url;
	const char *wrong = url_parse(good[_i].text, &url);

	ck_assert_msg(!wrong, "%s: %s", good[_i].text, wrong);
	ck_assert_int_eq(url.is_tls, good[_i].is_tls);
	ck_assert_str_eq(url.address, good[_i].address);
	ck_assert_int_eq(url.port, good[_i].port);
	ck_assert_str_eq(url.host, good[_i].host);
	ck_assert_str_eq(url.path, good[_i].path);
}
END_TEST

static const struct {
	const char *text;
	const char *wrong; /* a part of the message */
} bad[] = {
    {"", "is no WebSocket URL"},
    {"127.0.0.1:8080", "is no WebSocket URL"},
    {"http://127.0.0.1:8080/chat", "is no WebSocket URL"},
    {"ws:/x", "is no WebSocket URL"},
    {"ws://", "the host is missing"},
    {"ws:///chat", "the host is missing"},
    {"ws://:8080/", "the host is missing"},
    {"ws://[]:8080/", "the host is missing"},
    {"ws://u:p@h/", "has no user"},
    {"ws://h/#top", "no #fragment"},
    {"ws://h:0/", "a number from 1 to 65535"},
    {"ws://h:65536/", "a number from 1 to 65535"},
    {"ws://h:99999999999999999999/", "a number from 1 to 65535"},
    {"ws://h:8x/", "a number from 1 to 65535"},
    {"ws://::1:8080/", "stands in []"},
    {"ws://[::1/", "stands in []"},
    {"ws://[::1]8080/", "stands in []"},
    {"ws://h/a b", "percent-encoded"},
    {"ws://h/\xc3\xb6", "percent-encoded"},
    {"ws://h/\r\nX: y", "percent-encoded"},
};

START_TEST(bad_url_is_refused_with_the_reason)
{
	struct url url;
	const char *wrong = url_parse(bad[_i].text, &url);

	ck_assert_msg(wrong != NULL, "%s was taken", bad[_i].text);
	ck_assert_msg(strstr(wrong, bad[_i].wrong) != NULL, "%s: %s", bad[_i].text, wrong);
}
END_TEST

START_TEST(lengths_are_bounded)
{
	char text[4096] = "ws://h/";
	struct url url;

	memset(text + 7, 'x', 2045);
	ck_assert_ptr_null(url_parse(text, &url));
	ck_assert_uint_eq(strlen(url.path), 2046);
	text[7 + 2045] = 'x';
	ck_assert_ptr_nonnull(strstr(url_parse(text, &url), "path is too long"));
	memset(text + 5, 'h', 255);
	text[260] = '\0';
	ck_assert_ptr_null(url_parse(text, &url));
	ck_assert_uint_eq(strlen(url.address), 255);
	memset(text + 5, 'h', 256);
	text[261] = '\0';
	ck_assert_ptr_nonnull(strstr(url_parse(text, &url), "host is too long"));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("ctl_url");
	TCase *tcase = tcase_create("url_parse");

	tcase_add_loop_test(tcase, good_url_is_split, 0, COUNT(good));
	tcase_add_loop_test(tcase, bad_url_is_refused_with_the_reason, 0, COUNT(bad));
	tcase_add_test(tcase, lengths_are_bounded);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
