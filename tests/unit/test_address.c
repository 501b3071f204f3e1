/* links: src/config/address.c */
/*
 * test_address.c - what server.listen takes, what it is turned into, and what it refuses.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/address.h"

enum { TCP = 0, UNIX = 1, LOOPBACK = 2, PUBLIC = 4 };

static const struct {
	const char *entry;
	const char *text;
	int family;
	int flags;
	int port;
} good[] = {
    {"127.0.0.1:8080", "127.0.0.1:8080", AF_INET, LOOPBACK, 8080},
    {"127.255.0.9:1", "127.255.0.9:1", AF_INET, LOOPBACK, 1},
    {"localhost:0", "127.0.0.1:0", AF_INET, LOOPBACK, 0},
    {"*:65535", "0.0.0.0:65535", AF_INET, TCP, 65535},
    {"0.0.0.0:80", "0.0.0.0:80", AF_INET, TCP, 80},
    {"192.0.2.7:8080,public", "192.0.2.7:8080", AF_INET, PUBLIC, 8080},
    {"127.0.0.1:8080,public", "127.0.0.1:8080", AF_INET, LOOPBACK | PUBLIC, 8080},
    {"[::1]:8080", "[::1]:8080", AF_INET6, LOOPBACK, 8080},
    {"[0:0::0:1]:80", "[::1]:80", AF_INET6, LOOPBACK, 80},
    {"[::]:80,public", "[::]:80", AF_INET6, PUBLIC, 80},
    {"[2001:DB8::1]:443", "[2001:db8::1]:443", AF_INET6, TCP, 443},
    {"unix:/run/plaza/plaza.sock", "unix:/run/plaza/plaza.sock", AF_UNIX, UNIX, 0},
    {"unix:/s,public", "unix:/s", AF_UNIX, UNIX | PUBLIC, 0},
};

START_TEST(good_entries_are_made_canonical)
{
	struct listen_address a;
	const char *wrong = listen_address_parse(good[_i].entry, &a);

	ck_assert_msg(!wrong, "%s: %s", good[_i].entry, wrong);
	ck_assert_str_eq(a.text, good[_i].text);
	ck_assert_int_eq(a.addr.ss_family, good[_i].family);
	ck_assert_int_eq(a.is_unix, !!(good[_i].flags & UNIX));
	ck_assert_int_eq(a.is_loopback, !!(good[_i].flags & LOOPBACK));
	ck_assert_int_eq(a.is_public, !!(good[_i].flags & PUBLIC));
	if (good[_i].family == AF_INET) {
		ck_assert_int_eq(ntohs(((struct sockaddr_in *)&a.addr)->sin_port), good[_i].port);
		ck_assert_uint_eq(a.addr_len, sizeof(struct sockaddr_in));
	} else if (good[_i].family == AF_INET6) {
		ck_assert_int_eq(ntohs(((struct sockaddr_in6 *)&a.addr)->sin6_port), good[_i].port);
		ck_assert_uint_eq(a.addr_len, sizeof(struct sockaddr_in6));
	}
}
END_TEST

/* The canonical text is itself an entry, and means the same. */
START_TEST(canonical_text_parses_to_the_same)
{
	struct listen_address a, b;

	ck_assert_ptr_null(listen_address_parse(good[_i].entry, &a));
	ck_assert_ptr_null(listen_address_parse(a.text, &b));
	ck_assert_str_eq(a.text, b.text);
	ck_assert_uint_eq(a.addr_len, b.addr_len);
	ck_assert_mem_eq(&a.addr, &b.addr, a.addr_len);
}
END_TEST

#define NEEDS_BOTH    "needs an address and a port"
#define BAD_PORT      "the port must be a number from 0 to 65535"
#define BAD_HOST      "the host must be an IPv4 address"
#define BAD_V6        "what stands in [] must be an IPv6 address"
#define NEEDS_BRACKET "an IPv6 address stands in []"
#define BAD_UNIX      "unix: needs the absolute path of a file"
#define BAD_MARK      "public is the only mark"

static const struct {
	const char *entry;
	const char *wrong; /* how the message begins */
} bad[] = {
    {"", NEEDS_BOTH},
    {"8080", NEEDS_BOTH},
    {":8080", NEEDS_BOTH},
    {"127.0.0.1", NEEDS_BOTH},
    {"[::1]", NEEDS_BOTH},
    {"[::1]8080", NEEDS_BOTH},
    {"[::1:8080", NEEDS_BOTH},
    {"[::1]x:80", NEEDS_BOTH},
    {"127.0.0.1:", BAD_PORT},
    {"127.0.0.1:65536", BAD_PORT},
    {"127.0.0.1:99999999999999999999", BAD_PORT},
    {"127.0.0.1:-1", BAD_PORT},
    {"127.0.0.1:+80", BAD_PORT},
    {"127.0.0.1:080", BAD_PORT},
    {"127.0.0.1:80x", BAD_PORT},
    {"127.0.0.1:http", BAD_PORT},
    {"127.0.0.256:80", BAD_HOST},
    {"127.1:80", BAD_HOST},
    {"example.com:80", BAD_HOST},
    {"::1:8080", NEEDS_BRACKET},
    {"[]:80", BAD_V6},
    {"[127.0.0.1]:80", BAD_V6},
    {"[fe80::1%eth0]:80", BAD_V6},
    {"[::ffff:127.0.0.1]:80", "an IPv4 address is written without []"},
    {"unix:", BAD_UNIX},
    {"unix:run/x", BAD_UNIX},
    {"unix:/run/", BAD_UNIX},
    {"127.0.0.1:80,", BAD_MARK},
    {"127.0.0.1:80,private", BAD_MARK},
    {"127.0.0.1:80,public,public", BAD_MARK},
};

START_TEST(bad_entries_are_refused_with_the_reason)
{
	struct listen_address a;
	const char *wrong = listen_address_parse(bad[_i].entry, &a);

	ck_assert_msg(wrong != NULL, "%s was taken", bad[_i].entry);
	ck_assert_msg(strncmp(wrong, bad[_i].wrong, strlen(bad[_i].wrong)) == 0, "%s: %s",
		      bad[_i].entry, wrong);
}
END_TEST

/* sun_path has 108 bytes, the last of which is the terminator. */
START_TEST(longest_unix_path_is_107_bytes)
{
	const struct sockaddr_un *sun;
	struct listen_address a;
	char entry[300];

	snprintf(entry, sizeof(entry), "unix:/%0106d", 7);
	ck_assert_ptr_null(listen_address_parse(entry, &a));
	sun = (const struct sockaddr_un *)&a.addr;
	ck_assert_uint_eq(strlen(sun->sun_path), 107);
	ck_assert_str_eq(sun->sun_path, entry + 5);
	ck_assert_str_eq(a.text, entry);
	snprintf(entry, sizeof(entry), "unix:/%0107d", 7);
	ck_assert_ptr_nonnull(strstr(listen_address_parse(entry, &a), "107 bytes"));
	snprintf(entry, sizeof(entry), "unix:/%0250d", 7);
	ck_assert_ptr_nonnull(strstr(listen_address_parse(entry, &a), "too long"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *tcase = tcase_create("listen_address_parse");

	tcase_add_loop_test(tcase, good_entries_are_made_canonical, 0,
			    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tcase, canonical_text_parses_to_the_same, 0,
			    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tcase, bad_entries_are_refused_with_the_reason, 0,
			    sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, longest_unix_path_is_107_bytes);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
