/*
 * it_access.c - who may use what: scopes, what counts as this machine, host names and web origins.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

#define JSON "Content-Type: application/json\r\n"

/* 403 that names the option to change */
static void
expect_refused(uint16_t port, const char *method, const char *target, const char *fields,
	       const char *body, int status, const char *names)
{
	struct http_answer a;

	http_request(port, method, target, fields, body, &a);
	ck_assert_msg(a.status == status, "%s %s %s-> %s%s", method, target, fields, a.head,
		      a.body);
	ck_assert_msg(strstr(a.body, names) != NULL, "%s %s: \"%s\" is not in: %s", method, target,
		      names, a.body);
	http_answer_fini(&a);
}

static int
handshake_status(uint16_t port, const char *path, const char *fields)
{
	struct http_conn c;
	struct http_answer a;

	http_open(&c, port);
	ws_handshake(&c, path, fields, &a);
	int status = a.status;
	http_answer_fini(&a);
	http_close(&c);
	return status;
}

/* Everything but the greeting is for this machine, until server.public says otherwise. */
START_TEST(forwarded_requests_are_not_from_this_machine)
{
	static const char *const marks[] = {
	    "Forwarded: for=192.0.2.1\r\n",
	    "X-Forwarded-For: 192.0.2.1\r\n",
	    "Via: 1.1 proxy\r\n",
	    "forwarded: \r\n",
	    "X-FORWARDED-FOR: 127.0.0.1\r\n",
	};
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char fields[200];
		http_expect(port, "GET", "/", marks[i], NULL, 200, "Hello, Anonymous");
		http_expect(port, "GET", "/Ada", marks[i], NULL, 200, "Hello, Ada");
		http_expect(port, "GET", "/health", marks[i], NULL, 200, "OK");
		expect_refused(port, "GET", "/api/products", marks[i], NULL, 403, "server.public");
		expect_refused(port, "GET", "/api/products/1", marks[i], NULL, 403,
			       "server.public");
		snprintf(fields, sizeof(fields), "%s" JSON, marks[i]);
		expect_refused(port, "POST", "/api/products", fields, "{}", 403, "server.public");
		ck_assert_int_eq(handshake_status(port, "/chat", marks[i]), 403);
		ck_assert_int_eq(handshake_status(port, "/echo", marks[i]), 403);
		ck_assert_int_eq(handshake_status(port, "/chat/room", marks[i]), 403);
	}
	/* from this machine all is open; without a store that is 503 */
	http_expect_get(port, "/api/products", 503, NULL);
	ck_assert_int_eq(handshake_status(port, "/chat", NULL), 101);
	daemon_stop(d);
}
END_TEST

START_TEST(public_opens_single_scopes)
{
	static const char mark[] = "X-Forwarded-For: 192.0.2.1\r\n";
	struct daemon *d = daemon_start("server.public=chat store.read", NULL);
	uint16_t port = daemon_port(d);

	ck_assert_int_eq(handshake_status(port, "/chat", mark), 101);
	http_expect(port, "GET", "/api/products", mark, NULL, 503, NULL);
	expect_refused(port, "POST", "/api/products", "Via: 1.1 p\r\n" JSON, "{}", 403,
		       "store.write");
	/* not listed means not public, the greeting too */
	expect_refused(port, "GET", "/Ada", mark, NULL, 403, "server.public");
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	ck_assert(!daemon_log_has(d, 0, "warning: server.public"));
	daemon_stop(d);
}
END_TEST

START_TEST(star_opens_all_and_is_warned_of_at_every_start)
{
	static const char mark[] = "X-Forwarded-For: 192.0.2.1\r\n";
	struct daemon *d = daemon_start("server.public=*", NULL);
	uint16_t port = daemon_port(d);

	char *line = daemon_log_wait(d, 0, "server.public");
	ck_assert_msg(strstr(line, "warning"), "%s", line);
	free(line);
	ck_assert_int_eq(handshake_status(port, "/chat", mark), 101);
	http_expect(port, "GET", "/", mark, NULL, 200, NULL);
	http_expect(port, "POST", "/api/products", "Via: 1.1 p\r\n" JSON, "{}", 503, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(a_public_entry_makes_nobody_local)
{
	char *path = (char *)(uintptr_t)it_path("public.sock");
	char *listen = it_printf("server.listen=127.0.0.1:0,public unix:%s", path);
	struct daemon *d = daemon_start(listen, NULL);
	uint16_t port = daemon_port(d);
	struct http_conn c;
	struct http_answer a;

	/* for behind a proxy: whatever the proxy adds or not */
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	expect_refused(port, "GET", "/api/products", NULL, NULL, 403, "server.public");
	ck_assert_int_eq(handshake_status(port, "/chat", NULL), 403);

	/* the entry beside it is not marked */
	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/api/products", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 503);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	free(listen);
	free(path);
}
END_TEST

/* An address of this machine that is not a loopback one; traffic to it stays inside. */
static bool
other_address(struct sockaddr_in *addr)
{
	struct ifaddrs *all, *a;
	bool found = false;

	ck_assert_int_eq(getifaddrs(&all), 0);
	for (a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || !(a->ifa_flags & IFF_UP) ||
		    (a->ifa_flags & IFF_LOOPBACK))
			continue;
		memcpy(addr, a->ifa_addr, sizeof(*addr));
		found = true;
	}
	freeifaddrs(all);
	return found;
}

START_TEST(peers_of_other_addresses_are_not_local)
{
	struct sockaddr_in addr;
	char text[INET_ADDRSTRLEN];
	struct http_conn c;
	struct http_answer a;

	if (!other_address(&addr)) {
		fprintf(stderr,
			"only loopback addresses here: peers_of_other_addresses is not run\n");
		return;
	}
	inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text));
	char *listen = it_printf("server.listen=%s:0", text);
	struct daemon *d = daemon_start(listen, NULL);
	addr.sin_port = htons(daemon_port(d));

	http_open_to(&c, (struct sockaddr *)&addr, sizeof(addr));
	/* not a loopback listener: any Host */
	http_exchange(&c, "GET", "/Ada", "Host: plaza.example\r\n", NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_exchange(&c, "GET", "/api/products", "Host: plaza.example\r\n", NULL, &a);
	ck_assert_int_eq(a.status, 403);
	ck_assert_ptr_nonnull(strstr(a.body, "server.public"));
	http_answer_fini(&a);
	http_close(&c);
	http_open_to(&c, (struct sockaddr *)&addr, sizeof(addr));
	ws_handshake(&c, "/chat", NULL, &a);
	ck_assert_int_eq(a.status, 403);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	free(listen);
}
END_TEST

START_TEST(loopback_listeners_answer_to_local_names)
{
	static const struct {
		const char *host;
		int status;
	} cases[] = {
	    {"localhost", 200},
	    {"LocalHost:8080", 200},
	    {"127.0.0.1", 200},
	    {"127.0.0.1:1234", 200},
	    {"127.1.2.3", 200},
	    {"[::1]", 200},
	    {"[::1]:80", 200},
	    {"plaza.example", 200},
	    {"PLAZA.example:8080", 200},
	    {"www.plaza.example", 421},
	    {"evil.example", 421},
	    {"localhost.evil.example", 421},
	    {"192.0.2.1", 421},
	    {"127.0.0.1.evil.example", 421},
	    {"[::2]", 421},
	    {"0.0.0.0", 421},
	};
	struct daemon *d = daemon_start("server.names=plaza.example other.example", NULL);
	uint16_t port = daemon_port(d);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char fields[100];
		struct http_answer a;
		snprintf(fields, sizeof(fields), "Host: %s\r\n", cases[i].host);
		http_request(port, "GET", "/", fields, NULL, &a);
		ck_assert_msg(a.status == cases[i].status, "Host: %s -> %s%s", cases[i].host,
			      a.head, a.body);
		if (a.status == 421)
			ck_assert_msg(strstr(a.body, "server.names") != NULL, "%s", a.body);
		http_answer_fini(&a);
		/* also where nothing is, and before an upgrade */
		if (cases[i].status == 421) {
			http_expect(port, "GET", "/no/such", fields, NULL, 421, NULL);
			ck_assert_int_eq(handshake_status(port, "/chat", fields), 421);
		}
	}
	daemon_stop(d);

	d = daemon_start("server.names=*", NULL);
	http_expect(daemon_port(d), "GET", "/", "Host: anything.example\r\n", NULL, 200, NULL);
	daemon_stop(d);
}
END_TEST

/* What it trusts as this machine, it protects from a page that calls itself so. */
START_TEST(listeners_on_all_addresses_are_loopback_ones_too)
{
	static const char evil[] = "Host: evil.example\r\n";
	struct daemon *d = daemon_start("server.listen=*:0", NULL);
	uint16_t port = daemon_port(d);
	struct sockaddr_in addr;
	struct http_conn c;
	struct http_answer a;

	http_expect_get(port, "/api/products", 503, NULL);
	expect_refused(port, "GET", "/api/products", evil, NULL, 421, "server.names");
	expect_refused(port, "POST", "/api/products", "Host: evil.example\r\n" JSON, "{}", 421,
		       "server.names");
	ck_assert_int_eq(handshake_status(port, "/chat", evil), 421);
	/* who comes in on another address may call it as he likes, and is trusted with nothing */
	if (other_address(&addr)) {
		addr.sin_port = htons(port);
		http_open_to(&c, (struct sockaddr *)&addr, sizeof(addr));
		http_exchange(&c, "GET", "/Ada", evil, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
		http_exchange(&c, "GET", "/api/products", evil, NULL, &a);
		ck_assert_int_eq(a.status, 403);
		http_answer_fini(&a);
		http_close(&c);
	}
	daemon_stop(d);

	d = daemon_start("server.listen=*:0", "server.names=plaza.example", NULL);
	http_expect(daemon_port(d), "GET", "/api/products", "Host: plaza.example\r\n", NULL, 503,
		    NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(web_pages_of_others_may_not_act)
{
	static const struct {
		const char *fields;
		bool allowed;
	} cases[] = {
	    {"Host: localhost\r\n", true}, /* not a browser */
	    {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", true},
	    {"Host: localhost\r\nSec-Fetch-Site: none\r\n", true},
	    {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\nOrigin: http://localhost:3\r\n",
	     true},
	    {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", false},
	    {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n",
	     true},
	    {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n",
	     false},
	    {"Host: localhost\r\nSec-Fetch-Site: same-site\r\n", false},
	    {"Host: localhost:99\r\nOrigin: http://localhost:99\r\n", true},
	    {"Host: localhost:99\r\nOrigin: http://localhost:98\r\n", false},
	    {"Host: localhost\r\nOrigin: http://evil.example\r\n", false},
	    {"Host: localhost\r\nOrigin: null\r\n", false},
	    {"Host: localhost\r\nOrigin: https://app.example\r\n", true},
	    {"Host: localhost\r\nOrigin: http://app.example\r\n", false},
	    {"Host: localhost\r\nOrigin: https://app.example:444\r\n", false},
	};
	struct daemon *d = daemon_start("http.origins=https://app.example", NULL);
	uint16_t port = daemon_port(d);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char fields[300];
		int status = handshake_status(port, "/chat", cases[i].fields);
		ck_assert_msg(status == (cases[i].allowed ? 101 : 403), "%s-> %d", cases[i].fields,
			      status);
		status = handshake_status(port, "/echo", cases[i].fields);
		ck_assert_msg(status == (cases[i].allowed ? 101 : 403), "%s-> %d", cases[i].fields,
			      status);
		snprintf(fields, sizeof(fields), "%s" JSON, cases[i].fields);
		if (cases[i].allowed)
			http_expect(port, "POST", "/api/products", fields, "{}", 503, NULL);
		else
			expect_refused(port, "POST", "/api/products", fields, "{}", 403,
				       "http.origins");
		/* reading harms nobody: the browser keeps the answer from the page */
		http_expect(port, "GET", "/Ada", cases[i].fields, NULL, 200, "Hello, Ada");
	}
	/* both values are named */
	expect_refused(port, "POST", "/api/products",
		       "Host: localhost\r\nOrigin: http://evil.example\r\n" JSON, "{}", 403,
		       "evil.example");
	expect_refused(port, "POST", "/api/products",
		       "Host: localhost\r\nOrigin: http://evil.example\r\n" JSON, "{}", 403,
		       "localhost");
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "access");

	tcase_add_test(tc, forwarded_requests_are_not_from_this_machine);
	tcase_add_test(tc, public_opens_single_scopes);
	tcase_add_test(tc, star_opens_all_and_is_warned_of_at_every_start);
	tcase_add_test(tc, a_public_entry_makes_nobody_local);
	tcase_add_test(tc, peers_of_other_addresses_are_not_local);
	tcase_add_test(tc, loopback_listeners_answer_to_local_names);
	tcase_add_test(tc, listeners_on_all_addresses_are_loopback_ones_too);
	tcase_add_test(tc, web_pages_of_others_may_not_act);
}

int
main(void)
{
	return it_main("access", fill, 0);
}
