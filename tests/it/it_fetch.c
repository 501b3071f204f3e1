/*
 * it_fetch.c - URLs fetched by the whole daemon: asked for over HTTP, fetched by the executor from
 * an origin that behaves well or badly, killed and cut off in the middle.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_http.c tests/it/origin.c -ljansson -lz */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "job_http.h"
#include "origin.h"
#include "pg.h"

static struct origin origin;

static void
set_up(void)
{
	origin_start(&origin);
}

static void
tear_down(void)
{
	origin_stop(&origin);
}

/* The origin may be fetched from, and nothing else of this machine. */
static struct daemon *
start(const char *option)
{
	return jobs_start(origin.allow, option);
}

/* `text` with ^ in the place of the origin; the caller frees. */
static char *
at_origin(const char *text)
{
	return origin_text(&origin, text);
}

/* POST /api/fetch; 202 with its place. The id, which the caller frees. */
static char *
put_fetch(struct daemon *d, const char *text)
{
	char *body = at_origin(text), *location;
	struct http_answer a;

	http_request(daemon_port(d), "POST", "/api/fetch", JSON, body, &a);
	ck_assert_msg(a.status == 202, "%s: %d %s", body, a.status, a.body);
	json_t *job = json_loads(a.body, 0, NULL);
	char *id = strdup(job_str(job, "id"));
	location = it_printf("/api/jobs/%s", id);
	ck_assert_str_eq(http_field(&a, "Location"), location);
	json_decref(job);
	http_answer_fini(&a);
	free(location);
	free(body);
	return id;
}

/* Until it is done; the caller lets go of it. */
static json_t *
end_of(struct daemon *d, char *id)
{
	json_t *job;

	jobs_ends(d, id, "done");
	job = jobs_get(d, id);
	free(id);
	return job;
}

static const json_t *
url_of(const json_t *job, size_t n)
{
	return job_item(json_object_get(job, "result"), "urls", n);
}

static size_t
urls_in(const json_t *job)
{
	return json_array_size(json_object_get(json_object_get(job, "result"), "urls"));
}

START_TEST(urls_in_values_and_text_out)
{
	struct daemon *d = start(NULL);
	json_t *job = end_of(
	    d, put_fetch(d, "{\"urls\":[\"^/body?type=application/json&text={%22full_name%22:%22a/b"
			    "%22,%22stars%22:12345678901234567890}\",\"^/ok\"],\"extract\":"
			    "{\"name\":\"/full_name\",\"stars\":\"/stars\"},\"timeout\":\"15s\"}"));
	const json_t *url = url_of(job, 0), *values = json_object_get(url, "values");

	ck_assert_uint_eq(urls_in(job), 2);
	ck_assert_int_eq(job_int(url, "status"), 200);
	ck_assert_str_eq(job_str(values, "name"), "a/b");
	ck_assert_str_eq(job_str(values, "stars"), "12345678901234567890");
	ck_assert_uint_eq(json_array_size(json_object_get(url, "missing")), 0);
	ck_assert(json_is_null(json_object_get(url, "error")));
	url = url_of(job, 1);
	ck_assert_int_eq(job_int(url, "bytes"), 6);
	ck_assert_str_eq(job_str(url, "text"), "hello\n");
	ck_assert_int_eq(strncmp(job_str(url, "error"), "not-json", 8), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(url, "missing")), 2);
	json_decref(job);
	daemon_stop(d);
}
END_TEST

START_TEST(hundred_urls_ten_at_a_time)
{
	struct daemon *d = start(NULL);
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	fputs("{\"urls\":[", f);
	for (int i = 0; i < 100; i++)
		fprintf(f, "%s\"^/together?n=10&i=%d\"", i ? "," : "", i);
	fputs("]}", f);
	fclose(f);
	json_t *job = end_of(d, put_fetch(d, out));
	ck_assert_uint_eq(urls_in(job), 100);
	for (size_t i = 0; i < 100; i++) {
		char *query = it_printf("/together?n=10&i=%zu", i);
		const char *url = job_str(url_of(job, i), "url");
		ck_assert_str_eq(url + strlen(url) - strlen(query), query);
		ck_assert_int_eq(job_int(url_of(job, i), "status"), 200);
		free(query);
	}
	ck_assert_uint_eq(origin.seen->requests, 100);
	ck_assert_uint_eq(origin.seen->most_active, 10);
	json_decref(job);
	free(out);
	daemon_stop(d);
}
END_TEST

START_TEST(bounds_are_for_the_host)
{
	struct daemon *d = start("fetch.per_host=3");
	char *ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = put_fetch(d, "{\"urls\":[\"^/together?n=3\",\"^/slow?ms=9\","
				      "\"^/together?n=3\",\"^/slow?ms=9\"]}");
	for (int i = 0; i < 5; i++)
		json_decref(end_of(d, ids[i]));
	ck_assert_uint_eq(origin.seen->requests, 20);
	ck_assert_uint_eq(origin.seen->most_active, 3);
	daemon_stop(d);
}
END_TEST

/* ---- what is refused at once ---- */

static const struct {
	const char *body, *type, *pointers;
} refused[] = {
    {"{\"urls\":[\"^/ok\",\"http://127.0.0.1/\"]}", "url-not-allowed", "/urls/1"},
    {"{\"urls\":[\"http://2130706433/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://0x7f.1/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://0177.0.0.1/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://[::1]/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://[::ffff:10.0.0.1]/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://[64:ff9b::7f00:1]/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://169.254.169.254/latest/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://168.63.129.16/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://example.com:22/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"http://u:p@example.com/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"file:///etc/passwd\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"gopher://127.0.0.1:6379/\"]}", "url-not-allowed", "/urls/0"},
    {"{\"urls\":[\"example.com\"]}", "validation", "/urls/0"},
    {"{\"urls\":[]}", "validation", "/urls"},
    {"{}", "validation", "/urls"},
    {"{\"urls\":[\"^/ok\"],\"timeout\":1}", "validation", "/timeout"},
    {"{\"urls\":[\"^/ok\"],\"method\":\"TRACE\"}", "validation", "/method"},
    {"{\"urls\":[\"^/ok\"],\"headers\":{\"Host\":\"x\"}}", "validation", "/headers/Host"},
    {"{\"urls\":[\"^/ok\"],\"headers\":{\"a\":\"b\\r\\nc: d\"}}", "validation", "/headers/a"},
    {"{\"urls\":[\"^/ok\"],\"extract\":{\"a\":\"b\"}}", "validation", "/extract/a"},
    {"{\"urls\":[\"^/ok\"],\"body\":\"x\"}", "validation", "/body"},
};

START_TEST(what_can_be_seen_is_refused)
{
	struct daemon *d = start(NULL);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *body = at_origin(refused[i].body);
		jobs_refused(d, "POST", "/api/fetch", JSON, body, 422, refused[i].type,
			     refused[i].pointers);
		free(body);
	}
	ck_assert_uint_eq(origin.seen->connections, 0);
	daemon_stop(d);
}
END_TEST

/* The text of a mistake names the option that would let it through. */
START_TEST(refusal_names_the_way_out)
{
	static const struct {
		const char *url, *option;
	} told[] = {
	    {"http://10.1.2.3/", "fetch.allow"},
	    {"http://10.1.2.3:8081/", "fetch.allow"},
	    {"http://example.org:8081/", "fetch.ports"},
	};
	struct daemon *d = start(NULL);

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		char *body = it_printf("{\"urls\":[\"%s\"]}", told[i].url);
		struct http_answer a;

		http_request(daemon_port(d), "POST", "/api/fetch", JSON, body, &a);
		ck_assert_int_eq(a.status, 422);
		ck_assert_msg(strstr(a.body, told[i].option), "%s: %s", told[i].url, a.body);
		http_answer_fini(&a);
		free(body);
	}
	daemon_stop(d);
}
END_TEST

/* As a job: the same args stand one level deeper. */
START_TEST(job_of_the_kind_is_the_same)
{
	struct daemon *d = start(NULL);
	char *body = at_origin("{\"kind\":\"fetch\",\"args\":{\"urls\":[\"^/ok\"]}}");
	char *id = jobs_put(d, "%s", body);
	json_t *job = end_of(d, id);

	ck_assert_str_eq(job_str(url_of(job, 0), "text"), "hello\n");
	json_decref(job);
	free(body);
	jobs_refused(d, "POST", JOBS, JSON,
		     "{\"kind\":\"fetch\",\"args\":{\"urls\":[\"http://127.1/\"]}}", 422,
		     "url-not-allowed", "/args/urls/0");
	daemon_stop(d);
}
END_TEST

/* ---- what only shows when connecting ---- */

START_TEST(what_only_shows_then_ends_that_url)
{
	struct daemon *d = start(NULL);
	char *text = it_printf(
	    "{\"urls\":[\"http://localhost/\",\"^/redirect?to=http:%%2F%%2F0x7f.1%%2F\","
	    "\"^/redirect?to=http:%%2F%%2Flocalhost:%u%%2F\",\"^/redirect?to=file:%%2F%%2F%%2Fx\","
	    "\"^/ok\"]}",
	    daemon_port(d));
	json_t *job = end_of(d, put_fetch(d, text));

	for (size_t i = 0; i < 4; i++) {
		const char *error = job_str(url_of(job, i), "error");
		ck_assert_msg(strncmp(error, "url-not-allowed: ", 17) == 0, "%zu: %s", i, error);
		if (i < 2)
			ck_assert_msg(strstr(error, "fetch.allow"), "%s", error);
	}
	ck_assert_str_eq(job_str(url_of(job, 4), "text"), "hello\n");
	json_decref(job);
	free(text);
	daemon_stop(d);
}
END_TEST

START_TEST(our_own_port_is_never_fetched)
{
	struct daemon *d = jobs_start("fetch.allow=0.0.0.0/0 ::/0", NULL);
	char *text = it_printf("{\"urls\":[\"http://localhost:%u/health\"]}", daemon_port(d));
	json_t *job = end_of(d, put_fetch(d, text));
	const char *error = job_str(url_of(job, 0), "error");

	ck_assert_msg(strncmp(error, "url-not-allowed: ", 17) == 0, "%s", error);
	ck_assert(json_is_null(json_object_get(url_of(job, 0), "status")));
	json_decref(job);
	free(text);
	/* everything else is, then */
	job = end_of(d, put_fetch(d, "{\"urls\":[\"^/ok\"]}"));
	ck_assert_str_eq(job_str(url_of(job, 0), "text"), "hello\n");
	json_decref(job);
	daemon_stop(d);
}
END_TEST

/* ---- webhooks and secrets ---- */

START_TEST(webhook_is_sent_and_its_secret_never_shown)
{
	struct daemon *d = start(NULL);
	char *id =
	    put_fetch(d, "{\"urls\":[\"^/ok\"],\"method\":\"POST\",\"body\":\"{}\",\"headers\":"
			 "{\"Authorization\":\"Bearer s3cret\",\"X-Hook-Token\":\"s3cret\","
			 "\"Content-Type\":\"application/json\"}}");
	char *key = it_printf("\r\nIdempotency-Key: %s-0\r\n", id);
	json_t *job = end_of(d, id);
	char *shown = json_dumps(job, 0);

	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\nAuthorization: Bearer s3cret\r\n"));
	ck_assert_ptr_nonnull(strstr(origin.seen->last, key));
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\nJob-Attempt: 1\r\n"));
	ck_assert_ptr_null(strstr(shown, "s3cret"));
	ck_assert_ptr_nonnull(strstr(shown, "***"));
	ck_assert_ptr_nonnull(strstr(shown, "application/json"));
	free(shown);
	json_decref(job);
	/* nor to who waits for it, nor when it fails */
	char *body = at_origin("{\"urls\":[\"^/close\"],\"headers\":{\"Cookie\":\"s3cret\"}}");
	struct http_answer a;
	http_request(daemon_port(d), "POST", "/api/fetch", JSON "Prefer: wait=30\r\n", body, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(strstr(a.body, "s3cret"));
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "s3cret"));
	http_answer_fini(&a);
	free(body);
	ck_assert(!daemon_log_has(d, 0, "s3cret"));
	/* nor in the list */
	job = jobs_ask(d, "GET", NULL, NULL, 200, "/api/jobs");
	shown = json_dumps(job, 0);
	ck_assert_ptr_null(strstr(shown, "s3cret"));
	free(shown);
	json_decref(job);
	free(key);
	daemon_stop(d);
}
END_TEST

/* ---- faults ---- */

START_TEST(killed_executor_fetches_only_what_was_not)
{
	struct daemon *d = start(NULL);
	char *id = put_fetch(d, "{\"urls\":[\"^/ok?1\",\"^/ok?2\",\"^/ok?3\",\"^/slow?ms=60000\","
				"\"^/ok?5\"],\"timeout\":\"60s\"}");

	/* all but the slow one are parts in the database */
	WAIT_UNTIL(({
		char *n = pg_ask("select count(*) from job_part");
		bool is_so = strcmp(n, "4\n") == 0 || strcmp(n, "4") == 0;
		free(n);
		is_so;
	}));
	ck_assert_uint_eq(origin.seen->requests, 5);
	kill(daemon_executor(d), SIGKILL);
	WAIT_UNTIL(origin.seen->requests >= 6);
	/* nobody asks for those again */
	jobs_do(d, "DELETE", NULL, NULL, 202, "/api/jobs/%s", id);
	jobs_ends(d, id, "cancelled");
	ck_assert_uint_eq(origin.seen->requests, 6);
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "GET /slow"));
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(cancel_aborts_at_once)
{
	struct daemon *d = start(NULL);
	char *id = put_fetch(d, "{\"urls\":[\"^/never\",\"^/drip?ms=20\"],\"timeout\":\"10m\"}");

	WAIT_UNTIL(origin.seen->active == 2);
	const uint64_t began = it_now_ms();
	jobs_do(d, "DELETE", NULL, NULL, 202, "/api/jobs/%s", id);
	WAIT_UNTIL(origin.seen->active == 0);
	ck_assert_uint_lt(it_now_ms() - began, it_has_sanitizers() ? 10000 : 2000);
	jobs_ends(d, id, "cancelled");
	free(id);
	daemon_stop(d);
}
END_TEST

/* The database goes while it runs: it ends, and its result is stored when the database is back. */
START_TEST(fetch_ends_without_a_database)
{
	struct daemon *d = start(NULL);
	char *id = put_fetch(d, "{\"urls\":[\"^/ok\",\"^/slow?ms=1500\"]}");

	WAIT_UNTIL(origin.seen->requests == 2);
	pg_do("stop");
	WAIT_UNTIL(origin.seen->active == 0);
	pg_do("restart");
	jobs_wait_ready(d);
	json_t *job = end_of(d, id);
	ck_assert_int_eq(job_int(job, "attempt"), 1);
	ck_assert_str_eq(job_str(url_of(job, 1), "text"), "hello\n");
	ck_assert_uint_eq(origin.seen->requests, 2);
	json_decref(job);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *asking = it_case(s, "asking"), *guarding = it_case(s, "guarding"),
	      *faults = it_case(s, "faults");

	tcase_add_checked_fixture(asking, set_up, tear_down);
	tcase_add_test(asking, urls_in_values_and_text_out);
	tcase_add_test(asking, hundred_urls_ten_at_a_time);
	tcase_add_test(asking, bounds_are_for_the_host);
	tcase_add_test(asking, job_of_the_kind_is_the_same);
	tcase_add_test(asking, webhook_is_sent_and_its_secret_never_shown);
	tcase_add_checked_fixture(guarding, set_up, tear_down);
	tcase_add_test(guarding, what_can_be_seen_is_refused);
	tcase_add_test(guarding, refusal_names_the_way_out);
	tcase_add_test(guarding, what_only_shows_then_ends_that_url);
	tcase_add_test(guarding, our_own_port_is_never_fetched);
	tcase_add_checked_fixture(faults, set_up, tear_down);
	tcase_add_test(faults, killed_executor_fetches_only_what_was_not);
	tcase_add_test(faults, cancel_aborts_at_once);
	tcase_add_test(faults, fetch_ends_without_a_database);
}

int
main(void)
{
	return it_main("fetch", fill, IT_WITH_PG);
}
