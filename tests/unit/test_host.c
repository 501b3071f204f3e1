/* links: src/http/chars.c src/http/host.c */
/*
 * test_host.c - host and port, by themselves: which spellings there are, and which are loopback.
 * What a request's Host makes of them: test_request_rules.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/host.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
	const char *rule;
	struct span text;
	const char *name; /* NULL: refused */
	int port;         /* -1: none */
} hosts[] = {
    {"RFC 3986 3.2.2 a name", SPAN_LIT("localhost"), "localhost", -1},
    {"RFC 3986 3.2.2 all that a name may have", SPAN_LIT("-._~!$&'()*+,;=aZ09%aF"),
     "-._~!$&'()*+,;=aZ09%aF", -1},
    {"RFC 3986 3.2.2 an underscore", SPAN_LIT("a_b:1"), "a_b", 1},
    {"RFC 3986 2.1 escapes only", SPAN_LIT("%61%62:1"), "%61%62", 1},
    {"RFC 3986 2.1 half an escape", SPAN_LIT("a%6"), NULL, -1},
    {"RFC 3986 2.1 half an escape before a port", SPAN_LIT("a%6:1"), NULL, -1},
    {"RFC 3986 2.1 no hexadecimal", SPAN_LIT("a%6g"), NULL, -1},
    {"RFC 3986 3.2.2 IPv4", SPAN_LIT("127.0.0.1:8080"), "127.0.0.1", 8080},
    {"RFC 3986 3.2.2 IPv6", SPAN_LIT("[::1]:8080"), "[::1]", 8080},
    {"RFC 3986 3.2.2 the longest IPv6", SPAN_LIT("[0000:0000:0000:0000:0000:ffff:255.255.255.255]"),
     "[0000:0000:0000:0000:0000:ffff:255.255.255.255]", -1},
    {"RFC 3986 3.2.2 one that is longer",
     SPAN_LIT("[00000:0000:0000:0000:0000:ffff:255.255.255.255]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP", SPAN_LIT("[vFF.a:!]:1"), "[vFF.a:!]", 1},
    {"RFC 3986 3.2.2 the shortest of them", SPAN_LIT("[V1.a]"), "[V1.a]", -1},
    {"RFC 3986 3.2.2 a later IP without its v", SPAN_LIT("[x1.a]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP without its dot", SPAN_LIT("[v1f2]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP of no version", SPAN_LIT("[v.ab]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP without a version", SPAN_LIT("[v.a]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP without an address", SPAN_LIT("[v1.]"), NULL, -1},
    {"RFC 3986 3.2.2 a later IP with a slash", SPAN_LIT("[v1.a/]"), NULL, -1},
    {"RFC 3986 3.2.2 no bracket at the end", SPAN_LIT("[::1"), NULL, -1},
    {"RFC 3986 3.2.2 nothing in the brackets", SPAN_LIT("[]"), NULL, -1},
    {"RFC 3986 3.2.2 something behind them", SPAN_LIT("[::1]1"), NULL, -1},
    {"RFC 3986 3.2.2 no brackets", SPAN_LIT("::1"), NULL, -1},
    {"RFC 3986 3.2.2 NUL in the brackets", SPAN_LIT("[::1\0]"), NULL, -1},
    {"RFC 6874 2 a zone", SPAN_LIT("[fe80::1%25lo]"), NULL, -1},
    {"RFC 3986 3.2.3 an empty port", SPAN_LIT("a:"), "a", -1},
    {"RFC 3986 3.2.3 zeros before a port", SPAN_LIT("a:000000000080"), "a", 80},
    {"RFC 3986 3.2.3 port 0", SPAN_LIT("a:0"), "a", 0},
    {"RFC 3986 3.2.3 port 65535", SPAN_LIT("a:65535"), "a", 65535},
    {"RFC 3986 3.2.3 port 65536", SPAN_LIT("a:65536"), NULL, -1},
    {"RFC 3986 3.2.3 a port that overflows", SPAN_LIT("a:18446744073709551696"), NULL, -1},
    {"RFC 3986 3.2.3 no number", SPAN_LIT("a:8o"), NULL, -1},
    {"RFC 3986 3.2.3 two ports", SPAN_LIT("a:1:2"), NULL, -1},
    {"RFC 9110 4.2.1 nothing", SPAN_LIT(""), NULL, -1},
    {"RFC 9110 4.2.1 no name", SPAN_LIT(":80"), NULL, -1},
    {"RFC 9110 4.2.4 user information", SPAN_LIT("u@a"), NULL, -1},
    {"RFC 3986 3.2.2 NUL", SPAN_LIT("a\0"), NULL, -1},
    {"RFC 3986 3.2.2 no ASCII", SPAN_LIT("\xc3\xa4"), NULL, -1},
};

/* In a block of its own, so that a sanitizer sees a byte too many. */
static bool
parse(struct span text, char **block, struct host *host)
{
	*block = malloc(text.len ? text.len : 1);
	ck_assert_ptr_nonnull(*block);
	memcpy(*block, text.ptr, text.len);
	return host_parse(span_from(*block, text.len), host);
}

START_TEST(hosts_are_taken_apart)
{
	struct host host;
	char *block;
	bool is_taken = parse(hosts[_i].text, &block, &host);

	ck_assert_msg(is_taken == (hosts[_i].name != NULL), "%s", hosts[_i].rule);
	if (is_taken) {
		ck_assert_msg(span_eq(host.name, span_str(hosts[_i].name)), "%s: %.*s",
			      hosts[_i].rule, (int)host.name.len, host.name.ptr);
		ck_assert_msg((host.has_port ? host.port : -1) == hosts[_i].port, "%s: %d",
			      hosts[_i].rule, host.port);
	}
	free(block);
}
END_TEST

START_TEST(nothing_has_no_pointer)
{
	struct host host;

	ck_assert(!host_parse(span_from(NULL, 0), &host));
}
END_TEST

static const struct {
	struct span name;
	bool is_loopback;
} names[] = {
    {SPAN_LIT("localhost"), true},
    {SPAN_LIT("LocalHost"), true},
    {SPAN_LIT("127.0.0.1"), true},
    {SPAN_LIT("127.1.1.1"), true},
    {SPAN_LIT("127.255.255.254"), true},
    {SPAN_LIT("[::1]"), true},
    {SPAN_LIT("[0:0:0:0:0:0:0:1]"), true},
    {SPAN_LIT("[::0001]"), true},
    /* other spellings that some resolvers know are names */
    {SPAN_LIT("127.1"), false},
    {SPAN_LIT("2130706433"), false},
    {SPAN_LIT("0x7f.0.0.1"), false},
    {SPAN_LIT("127.0.0.256"), false},
    {SPAN_LIT("127.0.0.0000000000000000000000000000000001"), false},
    {SPAN_LIT("127.0.0.1."), false},
    {SPAN_LIT("127.0.0.1.example"), false},
    {SPAN_LIT("localhost."), false},
    {SPAN_LIT("localhosts"), false},
    {SPAN_LIT("a.localhost"), false},
    {SPAN_LIT("128.0.0.1"), false},
    {SPAN_LIT("[::2]"), false},
    {SPAN_LIT("[::ffff:127.0.0.1]"), false},
    {SPAN_LIT("[v1.1]"), false},
    {SPAN_LIT("a"), false},
};

START_TEST(loopback_is_known_by_its_spelling)
{
	ck_assert_msg(host_is_loopback(names[_i].name) == names[_i].is_loopback, "%s",
		      names[_i].name.ptr);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host");
	TCase *tc = tcase_create("host");

	tcase_add_loop_test(tc, hosts_are_taken_apart, 0, N(hosts));
	tcase_add_test(tc, nothing_has_no_pointer);
	tcase_add_loop_test(tc, loopback_is_known_by_its_spelling, 0, N(names));
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
