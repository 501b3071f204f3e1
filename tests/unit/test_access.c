/* links: src/base/clock.c src/base/log.c src/http/access.c src/http/chars.c src/http/host.c */
/* links: src/http/origin.c $(request) src/http/route.c */
/*
 * test_access.c - who may use what: hosts, scopes and web pages.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/access.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* How the client came in. */
static const struct access_peer near = {.is_local_peer = true,
					.on_loopback = true}; /* 127.0.0.1 to 127.0.0.1 */
static const struct access_peer far = {.port = 0};            /* another machine */
static const struct access_peer unix_socket = {.is_local_peer = true};
static const struct access_peer proxy = {
    .is_local_peer = true, .on_loopback = true, .public_mark = true}; /* 127.0.0.1:8080,public */
static const struct access_peer public_unix = {.is_local_peer = true, .public_mark = true};

static char message[ACCESS_MESSAGE_MAX];

static void
parse(struct request *request, char *head, size_t size, const char *method, const char *fields)
{
	struct request_parser parser = {0};
	size_t head_len;
	int len = snprintf(head, size, "%s / HTTP/1.%d\r\n%s\r\n", method,
			   strstr(fields, "Host:") != NULL, fields);

	ck_assert_int_eq(request_parse(&parser, head, (size_t)len, size, request, &head_len),
			 REQUEST_COMPLETE);
}

/* `words` may be NULL: empty. */
static struct words
words_of(char *storage, char **word, const char *text)
{
	struct words words = {0, word};

	strcpy(storage, text ? text : "");
	for (char *w = strtok(storage, " "); w; w = strtok(NULL, " "))
		word[words.n++] = w;
	return words;
}

struct options {
	const char *names, *public, *origins;
};

static int
check_with(const struct options *options, const struct access_peer *peer, const char *method,
	   const char *fields, enum scope scope, bool is_upgrade)
{
	static struct request request;
	char head[2048], names[256], public[256], origins[256];
	char *name[8], *open[8], *origin[8];
	struct config config = {0};

	config.server_names = words_of(names, name, options->names);
	config.server_public = words_of(public, open, options->public);
	config.http_origins = words_of(origins, origin, options->origins);
	parse(&request, head, sizeof(head), method, fields);
	message[0] = '\0';
	int status =
	    access_check(&config, peer, &request, scope, is_upgrade, message, sizeof(message));
	ck_assert_int_eq(status == 0, message[0] == '\0');
	return status;
}

/* --- hosts --- */

static const struct {
	const char *fields;
	int near; /* on a loopback listener */
	const char *names;
} hosts[] = {
    {"Host: 127.0.0.1\r\n", 0, NULL},
    {"Host: 127.0.0.1:8080\r\n", 0, NULL},
    {"Host: 127.255.0.9\r\n", 0, NULL},
    {"Host: localhost\r\n", 0, NULL},
    {"Host: LocalHost:8080\r\n", 0, NULL},
    {"Host: [::1]:8080\r\n", 0, NULL},
    {"Host: [0:0:0:0:0:0:0:1]\r\n", 0, NULL},
    {"", 0, NULL}, /* HTTP/1.0 */
    {"Host: app.example\r\n", 421, NULL},
    {"Host: localhost.\r\n", 421, NULL},
    {"Host: localhost.evil.example\r\n", 421, NULL},
    {"Host: 127.0.0.1.evil.example\r\n", 421, NULL},
    {"Host: 127.0.0.1x\r\n", 421, NULL},
    {"Host: 127.1\r\n", 421, NULL},
    {"Host: 127.0.0.256\r\n", 421, NULL},
    {"Host: 127.0.0.01\r\n", 421, NULL},
    {"Host: 128.0.0.1\r\n", 421, NULL},
    {"Host: 10.0.0.1\r\n", 421, NULL},
    {"Host: 2130706433\r\n", 421, NULL},
    {"Host: [::2]\r\n", 421, NULL},
    {"Host: [::ffff:10.0.0.1]\r\n", 421, NULL},
    {"Host: APP.example:80\r\n", 0, "b.example app.Example"},
    {"Host: xapp.example:80\r\n", 421, "b.example app.Example"},
    {"Host: app.example\r\n", 0, "*"},
};

START_TEST(a_loopback_listener_answers_to_its_names_only)
{
	struct options options = {.names = hosts[_i].names, .public = "greet"};

	ck_assert_msg(check_with(&options, &near, "GET", hosts[_i].fields, SCOPE_CHAT, false) ==
			  hosts[_i].near,
		      "%s %s", hosts[_i].fields, message);
	ck_assert_int_eq(check_with(&options, &proxy, "GET", hosts[_i].fields, SCOPE_GREET, false),
			 hosts[_i].near);
	/* the others have no such rule */
	ck_assert_int_eq(
	    check_with(&options, &unix_socket, "GET", hosts[_i].fields, SCOPE_CHAT, false), 0);
	ck_assert_int_eq(check_with(&options, &far, "GET", hosts[_i].fields, SCOPE_GREET, false),
			 0);
}
END_TEST

START_TEST(a_refused_host_is_named_with_the_option)
{
	struct options options = {.names = "a.example b.example"};

	ck_assert_int_eq(
	    check_with(&options, &near, "GET", "Host: c.example:80\r\n", SCOPE_GREET, false), 421);
	ck_assert_ptr_nonnull(strstr(message, "c.example"));
	ck_assert_ptr_nonnull(strstr(message, "server.names (a.example b.example)"));
}
END_TEST

START_TEST(the_host_of_an_absolute_target_counts)
{
	static struct request request;
	static const char head[] = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct request_parser parser = {0};
	struct config config = {0};
	size_t head_len;

	ck_assert_int_eq(request_parse(&parser, head, sizeof(head) - 1, 1024, &request, &head_len),
			 REQUEST_COMPLETE);
	ck_assert_int_eq(access_check_host(&config, &near, &request, message, sizeof(message)),
			 421);
}
END_TEST

/* --- scopes --- */

#define LOCAL "Host: localhost\r\n"

static const struct {
	const struct access_peer *peer;
	const char *fields;
	bool is_local;
} peers[] = {
    {&near, LOCAL, true},
    {&unix_socket, LOCAL, true},
    {&far, LOCAL, false},
    {&proxy, LOCAL, false},
    {&public_unix, LOCAL, false},
    {&near, LOCAL "X-Forwarded-For: 127.0.0.1\r\n", false},
    {&near, LOCAL "x-forwarded-for:\r\n", false},
    {&near, LOCAL "Forwarded: for=127.0.0.1\r\n", false},
    {&unix_socket, LOCAL "Via: 1.1 proxy\r\n", false},
    {&near, LOCAL "X-Real-IP: 10.0.0.1\r\n", true},
};

START_TEST(only_this_machine_may_use_what_is_not_public)
{
	static struct request request;
	char head[512];
	struct options options = {.public = "greet store.read"};

	parse(&request, head, sizeof(head), "GET", peers[_i].fields);
	ck_assert_int_eq(access_is_local(peers[_i].peer, &request), peers[_i].is_local);
	for (enum scope scope = SCOPE_GREET; scope < SCOPE_COUNT; scope++) {
		bool is_public = scope == SCOPE_GREET || scope == SCOPE_STORE_READ;
		int status =
		    check_with(&options, peers[_i].peer, "GET", peers[_i].fields, scope, false);

		ck_assert_int_eq(status, is_public || peers[_i].is_local ? 0 : 403);
		if (status == 0)
			continue;
		ck_assert_ptr_nonnull(strstr(message, scope_name(scope)));
		ck_assert_ptr_nonnull(strstr(message, "server.public (greet store.read)"));
	}
	options.public = "*";
	ck_assert_int_eq(
	    check_with(&options, peers[_i].peer, "GET", peers[_i].fields, SCOPE_JOBS, false), 0);
	options.public = NULL;
	ck_assert_int_eq(
	    check_with(&options, peers[_i].peer, "GET", peers[_i].fields, SCOPE_GREET, false),
	    peers[_i].is_local ? 0 : 403);
}
END_TEST

#define V4(a, b, c, d)                        \
	{                                     \
		[10] = 0xff, 0xff, a, b, c, d \
	}

static const struct {
	struct access_peer peer;
	const char *fields;
	uint8_t client[16];
} clients[] = {
    {{.address = V4(192, 0, 2, 7)}, LOCAL, V4(192, 0, 2, 7)},
    {{.address = {0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 3, 4}}, LOCAL, {0x20, 1, 0xd, 0xb8, 0, 1, 0, 2}},
    {{.is_local_peer = true, .address = V4(127, 0, 0, 1)}, LOCAL, V4(127, 0, 0, 1)},
    {{.is_local_peer = true}, LOCAL, {0}},
    /* what another machine says of itself is not asked for */
    {{.address = V4(192, 0, 2, 7)}, LOCAL "X-Forwarded-For: 10.0.0.1\r\n", V4(192, 0, 2, 7)},
    /* what a proxy here has written stands last */
    {{.is_local_peer = true, .address = V4(127, 0, 0, 1)},
     LOCAL "X-Forwarded-For: 10.0.0.1\r\n",
     V4(10, 0, 0, 1)},
    {{.is_local_peer = true},
     LOCAL "X-Forwarded-For: 1.1.1.1, 2.2.2.2,\t10.0.0.1 \r\n",
     V4(10, 0, 0, 1)},
    {{.is_local_peer = true},
     LOCAL "X-Forwarded-For: 1.1.1.1\r\nAccept: 3.3.3.3\r\nX-Forwarded-For: 10.0.0.1\r\n",
     V4(10, 0, 0, 1)},
    {{.is_local_peer = true},
     LOCAL "X-Forwarded-For: 2001:db8:1:2:3:4:5:6\r\n",
     {0x20, 1, 0xd, 0xb8, 0, 1, 0, 2}},
    {{.is_local_peer = true}, LOCAL "X-Forwarded-For: ::ffff:10.0.0.1\r\n", V4(10, 0, 0, 1)},
    /* no address: all of those are one */
    {{.is_local_peer = true, .address = V4(127, 0, 0, 1)},
     LOCAL "X-Forwarded-For: unknown\r\n",
     {0}},
    {{.is_local_peer = true, .address = V4(127, 0, 0, 1)}, LOCAL "X-Forwarded-For:\r\n", {0}},
    {{.is_local_peer = true}, LOCAL "X-Forwarded-For: 10.0.0.1,\r\n", {0}},
    {{.is_local_peer = true}, LOCAL "X-Forwarded-For: 10.0.0.256\r\n", {0}},
    {{.is_local_peer = true},
     LOCAL "X-Forwarded-For: 0000:0000:0000:0000:0000:ffff:192.168.100.1000\r\n",
     {0}},
};

START_TEST(limits_count_the_client_that_asks)
{
	static struct request request;
	char head[512];
	uint8_t client[16];

	parse(&request, head, sizeof(head), "GET", clients[_i].fields);
	memset(client, 0x5a, sizeof(client));
	access_client(&clients[_i].peer, &request, client);
	ck_assert_mem_eq(client, clients[_i].client, sizeof(client));
}
END_TEST

START_TEST(a_refusal_says_why_a_request_is_not_local)
{
	struct options options = {0};

	check_with(&options, &far, "GET", LOCAL, SCOPE_CHAT, false);
	ck_assert_ptr_nonnull(strstr(message, "another machine"));
	check_with(&options, &proxy, "GET", LOCAL, SCOPE_CHAT, false);
	ck_assert_ptr_nonnull(strstr(message, "marked public"));
	check_with(&options, &near, "GET", LOCAL "Via: x\r\n", SCOPE_CHAT, false);
	ck_assert_ptr_nonnull(strstr(message, "Via"));
	ck_assert_ptr_nonnull(strstr(message, "server.public (empty)"));
}
END_TEST

/* What is at a path may be of several scopes. */
START_TEST(one_open_scope_of_several_is_enough)
{
	static char read_scope[] = "store.read";
	static char *public[] = {read_scope};
	static struct request request;
	const struct config config = {.server_public = {1, public}};
	const unsigned reading = 1U << SCOPE_STORE_READ, writing = 1U << SCOPE_STORE_WRITE;
	char head[512];

	parse(&request, head, sizeof(head), "OPTIONS", LOCAL);
	for (enum scope scope = SCOPE_GREET; scope < SCOPE_COUNT; scope++) {
		ck_assert(access_may_use(&config, &near, &request, scope));
		ck_assert_int_eq(access_may_use(&config, &far, &request, scope),
				 scope == SCOPE_STORE_READ);
	}
	ck_assert_int_eq(access_check_scopes(&config, &far, &request, reading | writing, message,
					     sizeof(message)),
			 0);
	ck_assert_int_eq(
	    access_check_scopes(&config, &near, &request, writing, message, sizeof(message)), 0);
	ck_assert_int_eq(access_check_scopes(&config, &far, &request, writing | 1U << SCOPE_JOBS,
					     message, sizeof(message)),
			 403);
	ck_assert_ptr_nonnull(strstr(message, "the scope store.write is not in server.public"));
}
END_TEST

/* --- web pages --- */

static const struct {
	int status;
	const char *fields;
	const char *origins;
} pages[] = {
    /* no browser */
    {0, LOCAL, NULL},
    /* what the browser says */
    {0, LOCAL "Sec-Fetch-Site: same-origin\r\n", NULL},
    {0, LOCAL "Sec-Fetch-Site: none\r\n", NULL},
    {403, LOCAL "Sec-Fetch-Site: same-site\r\n", NULL},
    {403, LOCAL "Sec-Fetch-Site: cross-site\r\n", NULL},
    {403, LOCAL "Sec-Fetch-Site:\r\n", NULL},
    {403, LOCAL "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", NULL},
    /* it wins over Origin */
    {403, LOCAL "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n", NULL},
    {0, LOCAL "Sec-Fetch-Site: same-origin\r\nOrigin: https://other.example\r\n", NULL},
    /* but not over the option */
    {0, LOCAL "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n",
     "https://app.example"},
    {403, LOCAL "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n",
     "https://other.example"},
    /* Origin against Host */
    {0, LOCAL "Origin: http://localhost\r\n", NULL},
    {0, LOCAL "Origin: https://LOCALHOST\r\n", NULL},
    {0, "Host: 127.0.0.1:8080\r\nOrigin: http://127.0.0.1:8080\r\n", NULL},
    {0, "Host: localhost:80\r\nOrigin: http://localhost\r\n", NULL},
    {0, "Host: localhost:443\r\nOrigin: https://localhost\r\n", NULL},
    {0, "Host: [::1]:80\r\nOrigin: http://[::1]\r\n", NULL},
    {403, "Host: localhost:443\r\nOrigin: http://localhost\r\n", NULL},
    {403, "Host: localhost:8080\r\nOrigin: http://localhost\r\n", NULL},
    {403, "Host: localhost:8080\r\nOrigin: http://localhost:8081\r\n", NULL},
    {403, LOCAL "Origin: http://localhost:8080\r\n", NULL},
    {403, LOCAL "Origin: http://localhost.evil.example\r\n", NULL},
    {403, LOCAL "Origin: ftp://localhost\r\n", NULL},
    {403, LOCAL "Origin: localhost\r\n", NULL},
    {403, LOCAL "Origin: http:localhost\r\n", NULL},
    {403, LOCAL "Origin: http://\r\n", NULL},
    {403, LOCAL "Origin: http://localhost/\r\n", NULL},
    {403, LOCAL "Origin: null\r\n", NULL},
    {403, LOCAL "Origin:\r\n", NULL},
    {403, LOCAL "Origin: http://localhost\r\nOrigin: http://localhost\r\n", NULL},
    {403, "Origin: http://localhost\r\n", NULL}, /* HTTP/1.0 without Host */
    /* Origin against the option */
    {0, LOCAL "Origin: https://app.example\r\n", "http://x https://app.example"},
    {0, LOCAL "Origin: https://App.Example\r\n", "http://x null https://app.example:443"},
    {0, LOCAL "Origin: http://app.example:81\r\n", "http://app.example:81"},
    {0, LOCAL "Origin: moz-extension://12\r\n", "moz-extension://12"},
    {403, LOCAL "Origin: http://app.example\r\n", "https://app.example"},
    {403, LOCAL "Origin: https://app.example:444\r\n", "https://app.example"},
    {403, LOCAL "Origin: https://evil-app.example\r\n", "https://app.example"},
    {403, LOCAL "Origin: https://app.example\r\nOrigin: https://evil.example\r\n",
     "https://app.example"},
};

START_TEST(pages_of_other_sites_may_not_act)
{
	static const char *const unsafe[] = {"POST", "PUT", "PATCH", "DELETE"};
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
	struct options options = {.origins = pages[_i].origins, .public = "*"};

	for (int i = 0; i < N(unsafe); i++)
		ck_assert_msg(check_with(&options, &near, unsafe[i], pages[_i].fields,
					 SCOPE_STORE_WRITE, false) == pages[_i].status,
			      "%s %s", pages[_i].fields, message);
	for (int i = 0; i < N(safe); i++)
		ck_assert_int_eq(
		    check_with(&options, &near, safe[i], pages[_i].fields, SCOPE_STORE_READ, false),
		    0);
	ck_assert_int_eq(check_with(&options, &near, "GET", pages[_i].fields, SCOPE_CHAT, true),
			 pages[_i].status);
	/* it is no matter of where the request comes from */
	ck_assert_int_eq(check_with(&options, &far, "POST", pages[_i].fields, SCOPE_CHAT, false),
			 pages[_i].status);
}
END_TEST

START_TEST(a_refused_page_is_named_with_both_values_and_the_option)
{
	struct options options = {0};

	ck_assert_int_eq(check_with(&options, &near, "POST",
				    "Host: localhost:8080\r\nOrigin: http://evil.example\r\n",
				    SCOPE_CHAT, false),
			 403);
	ck_assert_ptr_nonnull(strstr(message, "http://evil.example"));
	ck_assert_ptr_nonnull(strstr(message, "localhost:8080"));
	ck_assert_ptr_nonnull(strstr(message, "http.origins"));
	ck_assert_int_eq(check_with(&options, &near, "GET",
				    "Host: localhost:8080\r\nSec-Fetch-Site: cross-site\r\n"
				    "Origin: http://evil.example\r\n",
				    SCOPE_CHAT, true),
			 403);
	ck_assert_ptr_nonnull(strstr(message, "cross-site"));
	ck_assert_ptr_nonnull(strstr(message, "http://evil.example"));
	ck_assert_ptr_nonnull(strstr(message, "http.origins"));
}
END_TEST

/* --- all of it --- */

START_TEST(hosts_come_before_scopes_and_scopes_before_pages)
{
	struct options options = {0};
	static const char evil[] = "Host: evil.example\r\nOrigin: http://x\r\nVia: 1.1 x\r\n";

	ck_assert_int_eq(check_with(&options, &near, "POST", evil, SCOPE_CHAT, false), 421);
	ck_assert_int_eq(check_with(&options, &far, "POST", evil, SCOPE_CHAT, false), 403);
	ck_assert_ptr_nonnull(strstr(message, "server.public"));
}
END_TEST

START_TEST(messages_are_printable_and_fit)
{
	char fields[2048];
	struct options options = {.origins = "http://a"};
	int n = snprintf(fields, sizeof(fields), LOCAL "Origin: ");

	memset(fields + n, '\xff', 1000);
	strcpy(fields + n + 1000, "\r\n");
	ck_assert_int_eq(check_with(&options, &near, "POST", fields, SCOPE_CHAT, false), 403);
	ck_assert_uint_lt(strlen(message), ACCESS_MESSAGE_MAX);
	for (const char *p = message; *p; p++)
		ck_assert(*p >= ' ' && *p <= '~');
	ck_assert_ptr_nonnull(strstr(message, "http.origins"));
	/* the longest there is */
	n = snprintf(fields, sizeof(fields), "Host: ");
	memset(fields + n, 'h', 500);
	n += 500;
	n += snprintf(fields + n, sizeof(fields) - (size_t)n,
		      "\r\nSec-Fetch-Site: %0500d\r\nOrigin: %0500d\r\n", 0, 0);
	ck_assert_int_eq(check_with(&options, &unix_socket, "POST", fields, SCOPE_CHAT, false),
			 403);
	ck_assert_ptr_nonnull(strstr(message, "http.origins"));
	ck_assert_int_eq(message[strlen(message) - 1], ')');
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access");
	TCase *tc = tcase_create("access");

	tcase_add_loop_test(tc, a_loopback_listener_answers_to_its_names_only, 0, N(hosts));
	tcase_add_test(tc, a_refused_host_is_named_with_the_option);
	tcase_add_test(tc, the_host_of_an_absolute_target_counts);
	tcase_add_loop_test(tc, only_this_machine_may_use_what_is_not_public, 0, N(peers));
	tcase_add_loop_test(tc, limits_count_the_client_that_asks, 0, N(clients));
	tcase_add_test(tc, a_refusal_says_why_a_request_is_not_local);
	tcase_add_test(tc, one_open_scope_of_several_is_enough);
	tcase_add_loop_test(tc, pages_of_other_sites_may_not_act, 0, N(pages));
	tcase_add_test(tc, a_refused_page_is_named_with_both_values_and_the_option);
	tcase_add_test(tc, hosts_come_before_scopes_and_scopes_before_pages);
	tcase_add_test(tc, messages_are_printable_and_fit);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
