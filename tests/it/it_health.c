/*
 * it_health.c - what the health checks say while the daemon serves, while its database is gone,
 * while it is being replaced and while it stops.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define ACCEPT_JSON "Accept: application/json\r\n"

static int
status_of(struct daemon *d, const char *target)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	int status = a.status;
	http_answer_fini(&a);
	return status;
}

/* Whatever the rest does: this process serves. */
static void
expect_alive(struct daemon *d)
{
	http_expect_get(daemon_port(d), "/health", 200, "OK");
	http_expect_get(daemon_port(d), "/health/live", 200, "OK");
}

static void
expect_not_ready(const struct http_answer *a, const char *why)
{
	ck_assert_int_eq(a->status, 503);
	ck_assert_msg(strncmp(a->body, why, strlen(why)) == 0, "%s", a->body);
	ck_assert_str_eq(http_field(a, "Retry-After"), "1");
	ck_assert_str_eq(http_field(a, "Cache-Control"), "no-store");
	ck_assert_str_eq(http_field(a, "Content-Type"), "text/plain; charset=utf-8");
}

#define NO_DATABASE "This worker has no connection to the database of products and jobs.\n"
#define STOPPING    "The server is stopping.\n"

START_TEST(without_a_store_what_serves_is_ready)
{
	struct daemon *d = daemon_start_default();
	struct http_answer a;

	expect_alive(d);
	http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "OK");
	ck_assert_str_eq(http_field(&a, "Cache-Control"), "no-store");
	http_answer_fini(&a);
	http_request(daemon_port(d), "HEAD", "/health/ready", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_expect(daemon_port(d), "POST", "/health/ready", NULL, "x", 405, NULL);
	/* what is below it is not a name, and neither is what is not there */
	http_expect_get(daemon_port(d), "/health/other", 404, NULL);
	http_expect_get(daemon_port(d), "/health/ready/", 404, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(ready_follows_the_database_and_live_does_not)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	/* one worker, so that one answer speaks for all */
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	struct http_answer a;

	WAIT_UNTIL(status_of(d, "/health/ready") == 200);
	for (int i = 0; i < 2; i++) {
		pg_do(i ? "kill" : "stop");
		WAIT_UNTIL(status_of(d, "/health/ready") == 503);
		http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
		expect_not_ready(&a, NO_DATABASE);
		http_answer_fini(&a);
		http_request(daemon_port(d), "GET", "/health/ready", ACCEPT_JSON, NULL, &a);
		ck_assert_int_eq(a.status, 503);
		ck_assert_str_eq(http_field(&a, "Content-Type"), "application/problem+json");
		ck_assert_ptr_nonnull(strstr(a.body, "\"type\":\"/problems/not-ready\""));
		http_answer_fini(&a);
		expect_alive(d);
		pg_do("restart");
		WAIT_UNTIL(status_of(d, "/health/ready") == 200);
		expect_alive(d);
	}
	daemon_stop(d);
	free(option);
}
END_TEST

/* A request whose body is still to come, so that no worker can end. */
static void
hold(struct daemon *d, struct http_conn *c)
{
	http_open(c, daemon_port(d));
	http_send_text(c, "POST /chat/held HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
			  "\r\nhe");
}

static void
let_go(struct http_conn *c)
{
	struct http_answer a;

	http_send_text(c, "ld");
	http_read(c, "POST", &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_close(c);
}

START_TEST(a_stop_is_told_on_connections_that_are_left)
{
	struct daemon *d = daemon_start("server.workers=1", NULL);
	struct http_conn held, asking;
	struct http_answer a;

	hold(d, &held);
	http_open(&asking, daemon_port(d));
	http_exchange(&asking, "GET", "/health/ready", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert(!a.close);
	http_answer_fini(&a);
	ck_assert_int_eq(kill(daemon_pid(d), SIGTERM), 0);
	/* in use it is not closed before it has been told */
	for (bool is_told = false; !is_told; http_answer_fini(&a)) {
		http_exchange(&asking, "GET", "/health/ready", NULL, NULL, &a);
		is_told = a.status != 200;
		if (is_told)
			expect_not_ready(&a, STOPPING);
		ck_assert(is_told || !a.close);
	}
	http_close(&asking);
	let_go(&held);
	daemon_ended(d, 0);
}
END_TEST

START_TEST(live_and_health_stay_while_it_stops)
{
	static const char *const targets[] = {"/health", "/health/live"};
	struct daemon *d = daemon_start("server.workers=1", NULL);
	struct http_conn held, asking[2];
	struct http_answer a;

	hold(d, &held);
	for (int i = 0; i < 2; i++)
		http_open(&asking[i], daemon_port(d));
	for (int i = 0; i < 2; i++) {
		http_exchange(&asking[i], "GET", targets[i], NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
	}
	ck_assert_int_eq(kill(daemon_pid(d), SIGTERM), 0);
	/* its last answer is the one that closes */
	for (int i = 0, is_last = 0; i < 2; i += is_last, http_answer_fini(&a)) {
		http_exchange(&asking[i], "GET", targets[i], NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_str_eq(a.body, "OK");
		is_last = a.close;
	}
	for (int i = 0; i < 2; i++)
		http_close(&asking[i]);
	let_go(&held);
	daemon_ended(d, 0);
}
END_TEST

START_TEST(a_reload_is_no_stop)
{
	struct daemon *d = daemon_start("server.workers=1", NULL);
	struct http_conn held, asking;
	struct http_answer a;
	bool is_last = false;

	hold(d, &held);
	http_open(&asking, daemon_port(d));
	http_exchange(&asking, "GET", "/health/ready", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	ck_assert_int_eq(kill(daemon_pid(d), SIGHUP), 0);
	for (; !is_last; http_answer_fini(&a)) {
		http_exchange(&asking, "GET", "/health/ready", NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		is_last = a.close;
	}
	http_close(&asking);
	ck_assert_int_eq(status_of(d, "/health/ready"), 200);
	let_go(&held);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "health");

	tcase_add_test(tc, without_a_store_what_serves_is_ready);
	tcase_add_test(tc, ready_follows_the_database_and_live_does_not);
	tcase_add_test(tc, a_stop_is_told_on_connections_that_are_left);
	tcase_add_test(tc, live_and_health_stay_while_it_stops);
	tcase_add_test(tc, a_reload_is_no_stop);
}

int
main(void)
{
	return it_main("health", fill, IT_WITH_PG);
}
