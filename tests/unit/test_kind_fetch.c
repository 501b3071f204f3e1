/* links: $(kind_fetch_sources) tests/it/origin.c tests/it/origin.h
 * -lcurl -levent_core -ljansson -lz */
/*
 * test_kind_fetch.c - fetch jobs against an origin that answers well, badly and never, as whoever
 * runs jobs sees them: results, parts, bounds, cancel.
 */
#include "jobs/kind_fetch.h"

#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../it/origin.h"
#include "base/clock.h"
#include "base/log.h"
#include "jobs/run.h"

static struct origin origin, other;
static struct loop *loop;
static struct config config;
static char *ports[] = {"80", "443"}, *allow[2], allowed[2][64];
static struct credits_shared *shared;
static struct segment *segment;
static struct credits credits;
static struct job_kind_env env;
static void *process;

/* One job as its runner sees it. */
struct job {
	struct job_run run;
	json_t *args, *result, *parts;
	enum job_outcome outcome;
	bool is_done;
	char error[256];
	unsigned n_parts, percent;
};

static unsigned running;
static const struct job_run_events run_events;

static void
open_kind(void)
{
	ck_assert(job_kind_fetch.open(&env, &process));
}

static void
set_up(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	origin_start(&origin);
	origin_start(&other);
	loop = loop_new();
	snprintf(allowed[0], sizeof(allowed[0]), "127.0.0.1:%u", origin.port);
	snprintf(allowed[1], sizeof(allowed[1]), "127.0.0.1:%u", other.port);
	allow[0] = allowed[0];
	allow[1] = allowed[1];
	config = (struct config){
	    .fetch_concurrency = 10,
	    .fetch_per_host = 10,
	    .fetch_connect_timeout = 3000,
	    .fetch_timeout = 15000,
	    .fetch_max_size = 4 << 20,
	    .fetch_redirects = 5,
	    .fetch_ports = {2, ports},
	    .fetch_allow = {2, allow},
	};
	shared = aligned_alloc(64, sizeof(*shared));
	memset(shared, 0, sizeof(*shared));
	segment = calloc(1, sizeof(*segment));
	credits = (struct credits){.shared = shared, .segment = segment};
	env = (struct job_kind_env){.loop = loop, .config = &config, .credits = &credits};
	running = 0;
	open_kind();
}

static void
tear_down(void)
{
	job_kind_fetch.close(process);
	/* nothing was kept */
	ck_assert_uint_eq(credit_used(&shared->transfers), 0);
	for (size_t i = 0; i < CREDIT_ORIGINS; i++)
		ck_assert_uint_eq(credit_used(&shared->origin[i]), 0);
	loop_free(&loop);
	free(shared);
	free(segment);
	origin_stop(&origin);
	origin_stop(&other);
}

/* ---- the runner ---- */

static void
done(struct job_run *run, enum job_outcome outcome, struct span result, const char *error,
     uint64_t retry_after_ms)
{
	struct job *job = (struct job *)(void *)run;

	(void)retry_after_ms;
	ck_assert(!job->is_done);
	job->is_done = true;
	job->outcome = outcome;
	snprintf(job->error, sizeof(job->error), "%s", error ? error : "");
	if (result.len) {
		job->result = json_loadb(result.ptr, result.len, JSON_REJECT_DUPLICATES, NULL);
		ck_assert_msg(job->result != NULL, "%.*s", (int)result.len, result.ptr);
	}
	if (--running == 0)
		loop_stop(loop);
}

static void
part(struct job_run *run, unsigned n, struct span text)
{
	struct job *job = (struct job *)(void *)run;
	json_t *json = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);

	ck_assert_ptr_nonnull(json);
	while (json_array_size(job->parts) <= n)
		json_array_append_new(job->parts, json_null());
	ck_assert(json_is_null(json_array_get(job->parts, n)));
	json_array_set_new(job->parts, n, json);
	job->n_parts++;
}

static void
progress(struct job_run *run, unsigned percent)
{
	struct job *job = (struct job *)(void *)run;

	ck_assert_uint_ge(percent, job->percent);
	job->percent = percent;
}

static const struct job_run_events run_events = {done, part, progress};

/* `text` with @ in the place of the origin, and % of the other one. */
static json_t *
args_of(const char *text)
{
	char out[16384];
	size_t len = 0;

	for (; *text; text++) {
		if (*text == '@' || *text == '^')
			len += (size_t)sprintf(out + len, "http://127.0.0.1:%u",
					       *text == '@' ? origin.port : other.port);
		else
			out[len++] = *text;
	}
	out[len] = '\0';
	json_t *args = json_loads(out, 0, NULL);
	ck_assert_msg(args != NULL, "%s", out);
	return args;
}

static void
start_args(struct job *job, json_t *args, json_t *parts)
{
	static struct mistakes mistakes;

	memset(job, 0, sizeof(*job));
	job->args = args;
	job->parts = json_array();
	mistakes_init(&mistakes);
	ck_assert_msg(job_kind_fetch.check(args, &config, &mistakes), "%s %s",
		      mistakes.error[0].pointer, mistakes.error[0].detail);
	snprintf(job->run.id, sizeof(job->run.id), "01890a5d-ac96-774b-bcce-b302099a8057");
	job->run.attempt = 2;
	job->run.args = args;
	job->run.parts = parts;
	job->run.process = process;
	job->run.events = &run_events;
	running++;
	job_kind_fetch.start(&job->run);
}

static void
start(struct job *job, const char *text)
{
	start_args(job, args_of(text), NULL);
}

static void
run_loop(void)
{
	if (running)
		loop_run(loop);
	ck_assert_uint_eq(running, 0);
}

static void
fini(struct job *job)
{
	json_decref(job->args);
	json_decref(job->result);
	json_decref(job->parts);
}

static const json_t *
url_result(const struct job *job, size_t n)
{
	return json_array_get(json_object_get(job->result, "urls"), n);
}

/* Runs a job of one URL; what came of it, owned by the job. */
static const json_t *
fetch(struct job *job, const char *text)
{
	start(job, text);
	run_loop();
	ck_assert_int_eq(job->outcome, JOB_DONE);
	ck_assert_uint_eq(json_array_size(json_object_get(job->result, "urls")),
			  json_array_size(json_object_get(job->args, "urls")));
	return url_result(job, 0);
}

static const char *
text_of(const json_t *result, const char *name)
{
	const json_t *value = json_object_get(result, name);

	ck_assert_msg(value != NULL, "%s is not there", name);
	return json_is_string(value) ? json_string_value(value) : "(null)";
}

static long long
number_of(const json_t *result, const char *name)
{
	const json_t *value = json_object_get(result, name);

	ck_assert_msg(value != NULL, "%s is not there", name);
	return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* ---- results ---- */

START_TEST(result_has_all_its_members)
{
	struct job job;
	const json_t *r = fetch(&job, "{\"urls\":[\"@/ok\"]}");

	ck_assert_uint_eq(json_object_size(r), 8);
	ck_assert_str_eq(text_of(r, "url"),
			 json_string_value(json_array_get(json_object_get(job.args, "urls"), 0)));
	ck_assert_int_eq(number_of(r, "status"), 200);
	ck_assert_int_eq(number_of(r, "bytes"), 6);
	ck_assert_int_ge(number_of(r, "ms"), 0);
	ck_assert_str_eq(text_of(r, "text"), "hello\n");
	ck_assert_uint_eq(json_object_size(json_object_get(r, "values")), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "missing")), 0);
	ck_assert(json_is_null(json_object_get(r, "error")));
	ck_assert_uint_eq(job.percent, 100);
	fini(&job);
}
END_TEST

/* which option would have let it through */
#define LOOPBACK                                                                \
	"url-not-allowed: the host is at a loopback address; accepted: public " \
	"ones and those that fetch.allow names for this port or any"

static const struct {
	const char *path;
	int status;
	const char *text, *error; /* the beginning */
	unsigned requests;
} cases[] = {
    {"@/status?code=404", 404, "status", "(null)", 1},
    {"@/status?code=204", 204, "", "(null)", 1},
    /* tried again, and then a result all the same */
    {"@/status?code=500", 500, "status", "(null)", 3},
    {"@/status?code=503", 503, "status", "(null)", 3},
    {"@/status?code=408", 408, "status", "(null)", 3},
    {"@/status?code=503&first=2", 200, "at last", "(null)", 3},
    {"@/status?code=429&first=1&after=1", 200, "at last", "(null)", 2},
    /* longer than there is time */
    {"@/status?code=429&after=100", 429, "status", "(null)", 1},
    {"@/close", 0, "(null)", "connection-lost: ", 3},
    {"@/close?first=1", 200, "at last", "(null)", 2},
    {"@/cut", 200, "0123456789", "connection-lost: ", 3},
    {"@/redirect?n=1", 200, "hello\n", "(null)", 2},
    {"@/redirect?n=5", 200, "hello\n", "(null)", 6},
    {"@/redirect?n=6", 302, "elsewhere", "too-many-redirects: more than 5", 6},
    {"@/redirect?to=http%3A%2F%2F127.0.0.1%3A1%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2F169.254.169.254%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2F0x7f.1%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=%2F%2F2130706433%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2Flocalhost%2F", 0, "(null)", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2F[::ffff:10.0.0.1]%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=file%3A%2F%2F%2Fetc%2Fpasswd", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=gopher%3A%2F%2F127.0.0.1%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2Fu%3Ap%40a%2F", 302, "elsewhere", "url-not-allowed: ", 1},
    {"@/redirect?to=http%3A%2F%2Fa%3A99999%2F", 302, "elsewhere", "bad-redirect: ", 1},
    {"@/size?n=4194304", 200, NULL, "(null)", 1},
    {"@/size?n=4194305", 200, NULL, "too-large: the body has more than 4194304 bytes", 1},
    {"@/bomb", 200, NULL, "too-large: the body", 1},
    {"@/endless", 200, NULL, "too-large: the body", 1},
    {"@/heads", 200, NULL, "too-large: the head", 1},
    {"@/interim", 0, "(null)", "too-large: the head", 1},
    {"@/trailers", 200, NULL, "too-large: the head", 1},
    {"@/gzip?times=3", 200, NULL, "bad-answer: ", 1},
    {"@/brotli", 200, NULL, "bad-answer: ", 1},
    {"@/garbage", 0, "(null)", "bad-answer: ", 1},
    {"@/body?type=text%2Fplain%3Bcharset%3Dlatin1&text=%E9", 200, "\xc3\xa9", "(null)", 1},
    {"@/body?text=%FF%00", 200, "\xef\xbf\xbd", "(null)", 1},
    {"http://localhost/", 0, "(null)", LOOPBACK, 0},
    {"https://localhost/", 0, "(null)", LOOPBACK, 0},
};

START_TEST(url_ends_as_it_ends)
{
	char text[500];
	struct job job;

	snprintf(text, sizeof(text), "{\"urls\":[\"%s\",\"^/ok\"]}", cases[_i].path);
	const json_t *r = fetch(&job, text);
	ck_assert_msg(number_of(r, "status") == (cases[_i].status ? cases[_i].status : -1),
		      "%s: %lld %s", cases[_i].path, number_of(r, "status"), text_of(r, "error"));
	if (cases[_i].text)
		ck_assert_str_eq(text_of(r, "text"), cases[_i].text);
	ck_assert_msg(strncmp(text_of(r, "error"), cases[_i].error, strlen(cases[_i].error)) == 0,
		      "%s: %s", cases[_i].path, text_of(r, "error"));
	ck_assert_uint_eq(origin.seen->requests, cases[_i].requests);
	/* and no other one fails by it */
	ck_assert_str_eq(text_of(url_result(&job, 1), "text"), "hello\n");
	fini(&job);
}
END_TEST

START_TEST(redirects_may_be_results)
{
	struct job job;

	config.fetch_redirects = 0;
	job_kind_fetch.close(process);
	open_kind();
	const json_t *r = fetch(&job, "{\"urls\":[\"@/redirect?n=1\"]}");
	ck_assert_int_eq(number_of(r, "status"), 302);
	ck_assert(json_is_null(json_object_get(r, "error")));
	fini(&job);
}
END_TEST

START_TEST(hundred_characters_of_text)
{
	struct job job;
	const json_t *r = fetch(&job, "{\"urls\":[\"@/size?n=100000\"]}");

	ck_assert_int_eq(number_of(r, "bytes"), 100000);
	ck_assert_uint_eq(strlen(text_of(r, "text")), 100);
	fini(&job);
}
END_TEST

#define JSON_URL                                                                                 \
	"@/body?type=application%2Fjson&text={%22name%22:%22x%22,%22id%22:12345678901234567890," \
	"%22n%22:1.50,%22o%22:{%22a%22:[1,2]}}"

START_TEST(values_are_picked)
{
	struct job job;
	const json_t *r = fetch(&job, "{\"urls\":[\"" JSON_URL
				      "\"],\"extract\":{\"name\":\"/name\",\"id\":\"/id\","
				      "\"a1\":\"/o/a/1\",\"o\":\"/o\",\"none\":\"/none\"}}");
	const json_t *values = json_object_get(r, "values"),
		     *missing = json_object_get(r, "missing");

	ck_assert_str_eq(text_of(values, "name"), "x");
	ck_assert_str_eq(text_of(values, "id"), "12345678901234567890");
	ck_assert_int_eq(number_of(values, "a1"), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(values, "o"), "a")), 2);
	ck_assert(json_is_null(json_object_get(values, "none")));
	ck_assert_uint_eq(json_array_size(missing), 1);
	ck_assert_str_eq(json_string_value(json_array_get(missing, 0)), "none");
	ck_assert(json_is_null(json_object_get(r, "error")));
	fini(&job);
}
END_TEST

START_TEST(no_json_has_no_values)
{
	struct job job;
	const json_t *r = fetch(&job, "{\"urls\":[\"@/ok\"],\"extract\":{\"a\":\"/a\"}}");

	ck_assert_int_eq(number_of(r, "status"), 200);
	ck_assert_str_eq(text_of(r, "text"), "hello\n");
	ck_assert(json_is_null(json_object_get(json_object_get(r, "values"), "a")));
	ck_assert_uint_eq(json_array_size(json_object_get(r, "missing")), 1);
	ck_assert_str_eq(text_of(r, "error"), "not-json: the body is not JSON");
	fini(&job);
}
END_TEST

/* ---- requests ---- */

START_TEST(webhook_says_whose_it_is)
{
	struct job job;
	const json_t *r =
	    fetch(&job, "{\"urls\":[\"^/ok\",\"@/ok\"],\"method\":\"POST\",\"body\":\"{}\","
			"\"headers\":{\"X-A\":\"b\",\"Authorization\":\"s\"}}");
	const char *last = origin.seen->last;

	ck_assert_int_eq(number_of(r, "status"), 200);
	ck_assert_ptr_nonnull(strstr(last, "POST /ok HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(last, "\r\nX-A: b\r\n"));
	ck_assert_ptr_nonnull(strstr(last, "\r\nAuthorization: s\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(last, "\r\nIdempotency-Key: 01890a5d-ac96-774b-bcce-b302099a8057-1\r\n"));
	ck_assert_ptr_nonnull(strstr(last, "\r\nJob-Attempt: 2\r\n"));
	ck_assert_ptr_nonnull(strstr(last, "\r\nUser-Agent: plaza/"));
	ck_assert_ptr_nonnull(strstr(last, "\r\n\r\n{}"));
	fini(&job);
	/* the client's own ones stand */
	fetch(&job,
	      "{\"urls\":[\"@/ok\"],\"method\":\"POST\",\"headers\":{\"idempotency-key\":\"k\","
	      "\"User-Agent\":\"me\"}}");
	ck_assert_ptr_nonnull(strstr(last, "\r\nidempotency-key: k\r\n"));
	ck_assert_ptr_null(strstr(last, "\r\nIdempotency-Key:"));
	ck_assert_ptr_nonnull(strstr(last, "\r\nUser-Agent: me\r\n"));
	ck_assert_ptr_null(strstr(last, "plaza/"));
	fini(&job);
	/* and who only reads needs none */
	fetch(&job, "{\"urls\":[\"@/ok\"]}");
	ck_assert_ptr_null(strstr(last, "Idempotency-Key"));
	ck_assert_ptr_null(strstr(last, "Job-Attempt"));
	fini(&job);
}
END_TEST

static const struct {
	const char *method;
	int code;
	const char *then;
	bool has_body;
} redirects[] = {
    {"POST", 301, "GET", false},   {"POST", 302, "GET", false}, {"POST", 303, "GET", false},
    {"POST", 307, "POST", true},   {"POST", 308, "POST", true}, {"PUT", 301, "PUT", true},
    {"PUT", 302, "PUT", true},     {"PUT", 303, "GET", false},  {"DELETE", 303, "GET", false},
    {"PATCH", 307, "PATCH", true},
};

START_TEST(method_after_a_redirect)
{
	char text[300], line[50];
	struct job job;

	snprintf(text, sizeof(text),
		 "{\"urls\":[\"@/redirect?n=1&code=%d\"],\"method\":\"%s\",\"body\":\"abc\","
		 "\"headers\":{\"Content-Language\":\"de\"}}",
		 redirects[_i].code, redirects[_i].method);
	fetch(&job, text);
	snprintf(line, sizeof(line), "%s /ok HTTP/1.1\r\n", redirects[_i].then);
	ck_assert_msg(strncmp(origin.seen->last, line, strlen(line)) == 0, "%s", origin.seen->last);
	ck_assert((strstr(origin.seen->last, "\r\n\r\nabc") != NULL) == redirects[_i].has_body);
	ck_assert((strstr(origin.seen->last, "Content-Language") != NULL) ==
		  redirects[_i].has_body);
	fini(&job);
}
END_TEST

START_TEST(secrets_stay_with_their_origin)
{
	char text[400];
	struct job job;

	/* here and there again */
	fetch(&job, "{\"urls\":[\"@/redirect?n=1\"],\"headers\":{\"Authorization\":\"s\"}}");
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\nAuthorization: s\r\n"));
	fini(&job);
	/* elsewhere */
	snprintf(
	    text, sizeof(text),
	    "{\"urls\":[\"@/redirect?to=http://127.0.0.1:%u/redirect?to=http:%%2F%%2F127.0.0.1:%u"
	    "%%2Fecho\"],\"headers\":{\"Authorization\":\"s\",\"X-Api-Key\":\"s\",\"Cookie\":"
	    "\"s\",\"X-A\":\"b\"}}",
	    other.port, origin.port);
	fetch(&job, text);
	ck_assert_uint_eq(other.seen->requests, 1);
	ck_assert_ptr_nonnull(strstr(other.seen->last, "\r\nX-A: b\r\n"));
	ck_assert_ptr_null(strstr(other.seen->last, "Authorization"));
	ck_assert_ptr_null(strstr(other.seen->last, "X-Api-Key"));
	ck_assert_ptr_null(strstr(other.seen->last, "Cookie"));
	/* nor are they sent when the way leads back */
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "GET /echo "));
	ck_assert_ptr_null(strstr(origin.seen->last, "Authorization"));
	fini(&job);
}
END_TEST

/* What is not idempotent may have been done. */
START_TEST(post_is_not_sent_twice)
{
	static const char *const paths[] = {"@/close", "@/status?code=500",
					    "@/status?code=503&after=1", "@/cut"};
	static const char *const asked[] = {"POST", "PATCH"};
	char text[200];
	struct job job;

	for (unsigned i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "{\"urls\":[\"%s\"],\"method\":\"%s\"}", paths[_i],
			 asked[i]);
		/* there is a connection that could be used; and no pause */
		job_kind_fetch.close(process);
		open_kind();
		fetch(&job, "{\"urls\":[\"@/ok\"]}");
		fini(&job);
		const unsigned before = origin.seen->requests;
		fetch(&job, text);
		ck_assert_uint_eq(origin.seen->requests, before + 1);
		fini(&job);
	}
}
END_TEST

/* ---- time ---- */

START_TEST(hanging_origin_costs_its_timeout)
{
	struct job job;
	const uint64_t begun = clock_monotonic_ms();
	const json_t *r =
	    fetch(&job, "{\"urls\":[\"@/never\",\"@/ok\",\"@/drip?ms=20\"],\"timeout\":\"2s\"}");
	const uint64_t took = clock_monotonic_ms() - begun;

	/* libcurl's clock is a little ahead of ours */
	ck_assert_uint_ge(took, 1990);
	ck_assert_uint_lt(took, 12000);
	ck_assert_int_eq(strncmp(text_of(r, "error"), "timeout: ", 9), 0);
	ck_assert_int_eq(number_of(r, "status"), -1);
	ck_assert_str_eq(text_of(url_result(&job, 1), "text"), "hello\n");
	/* what there was */
	r = url_result(&job, 2);
	ck_assert_int_eq(strncmp(text_of(r, "error"), "timeout: ", 9), 0);
	ck_assert_int_eq(number_of(r, "status"), 200);
	ck_assert_int_eq(text_of(r, "text")[0], 'x');
	fini(&job);
}
END_TEST

/* One 429, and all that ask there wait. A POST is not tried again, so its answer comes at once. */
START_TEST(pause_is_for_the_host)
{
	const uint64_t begun = clock_monotonic_ms();
	struct job job;

	fetch(&job, "{\"urls\":[\"@/status?code=503&after=1\"],\"method\":\"POST\"}");
	ck_assert_int_eq(number_of(url_result(&job, 0), "status"), 503);
	ck_assert_uint_eq(origin.seen->requests, 1);
	fini(&job);
	const json_t *r = fetch(&job, "{\"urls\":[\"@/ok\",\"^/ok\"]}");
	ck_assert_str_eq(text_of(r, "text"), "hello\n");
	ck_assert_str_eq(text_of(url_result(&job, 1), "text"), "hello\n");
	ck_assert_uint_ge(clock_monotonic_ms() - begun, 1000);
	ck_assert_uint_eq(origin.seen->requests, 2);
	fini(&job);
}
END_TEST

/* Those that have no time for it end, and nobody is asked. */
START_TEST(pause_may_be_too_long)
{
	struct job job;

	fetch(&job, "{\"urls\":[\"@/status?code=429&after=200\"],\"method\":\"POST\"}");
	fini(&job);
	const json_t *r = fetch(&job, "{\"urls\":[\"@/ok\",\"^/ok\"]}");
	ck_assert_int_eq(strncmp(text_of(r, "error"), "host-busy: ", 11), 0);
	ck_assert_int_eq(number_of(r, "status"), -1);
	ck_assert_uint_eq(origin.seen->requests, 1);
	ck_assert_str_eq(text_of(url_result(&job, 1), "text"), "hello\n");
	fini(&job);
}
END_TEST

START_TEST(host_that_is_down_is_left_alone)
{
	struct job job;
	json_t *urls = json_array();
	char url[64];

	/* nobody listens there */
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", other.port);
	for (int i = 0; i < 30; i++)
		json_array_append_new(urls, json_string(url));
	kill(other.pid, SIGKILL);
	waitpid(other.pid, NULL, 0);
	const uint64_t begun = clock_monotonic_ms();
	start_args(&job, json_pack("{s:o}", "urls", urls), NULL);
	run_loop();
	unsigned down = 0, unreachable = 0;
	for (size_t i = 0; i < 30; i++) {
		const char *error = text_of(url_result(&job, i), "error");
		down += strncmp(error, "host-down: ", 11) == 0;
		unreachable += strncmp(error, "unreachable: ", 13) == 0;
	}
	ck_assert_uint_eq(down + unreachable, 30);
	ck_assert_uint_ge(down, 20);
	ck_assert_uint_lt(clock_monotonic_ms() - begun, 3000);
	fini(&job);
}
END_TEST

/* A redirect is no answer when nobody is asked where it leads to. */
START_TEST(redirect_to_a_host_that_is_left_alone)
{
	static const char *const errors[] = {"host-down: ", "host-busy: "};
	char text[300];
	struct job job;

	if (_i == 0) {
		kill(other.pid, SIGKILL);
		waitpid(other.pid, NULL, 0);
		fetch(&job, "{\"urls\":[\"^/\",\"^/\",\"^/\",\"^/\",\"^/\"]}");
	} else {
		fetch(&job, "{\"urls\":[\"^/status?code=429&after=200\"],\"method\":\"POST\"}");
	}
	fini(&job);
	snprintf(text, sizeof(text),
		 "{\"urls\":[\"@/redirect?to=http%%3A%%2F%%2F127.0.0.1:%u%%2Fok\"]}", other.port);
	const json_t *r = fetch(&job, text);
	ck_assert_msg(strncmp(text_of(r, "error"), errors[_i], 11) == 0, "%s", text_of(r, "error"));
	ck_assert_int_eq(number_of(r, "status"), -1);
	ck_assert(json_is_null(json_object_get(r, "text")));
	fini(&job);
}
END_TEST

/* A listener that takes no more connections, as a host behind a firewall is. */
static int
open_mute(unsigned short *port, int held[4])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	for (int i = 0; i < 4; i++) {
		held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(held[i], (struct sockaddr *)&address, sizeof(address));
	}
	*port = ntohs(address.sin_port);
	return fd;
}

/* Whoever has no time says nothing of a host; who waits as long as one should, does. */
START_TEST(host_is_not_down_for_who_has_no_time)
{
	unsigned short port;
	int held[4];
	const int mute = open_mute(&port, held);
	char text[300];
	struct job job;

	snprintf(allowed[1], sizeof(allowed[1]), "127.0.0.1:%u", port);
	config.fetch_connect_timeout = 500;
	job_kind_fetch.close(process);
	open_kind();
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text),
			 "{\"urls\":[\"http://127.0.0.1:%u/\"],\"timeout\":\"40ms\"}", port);
		const json_t *r = fetch(&job, text);
		ck_assert_msg(strncmp(text_of(r, "error"), "timeout: ", 9) == 0, "%s",
			      text_of(r, "error"));
		fini(&job);
	}
	snprintf(text, sizeof(text), "{\"urls\":[\"http://127.0.0.1:%u/\"]}", port);
	const json_t *r = fetch(&job, text);
	ck_assert_msg(strncmp(text_of(r, "error"), "unreachable: ", 13) == 0, "%s",
		      text_of(r, "error"));
	fini(&job);
	/* three times that was; with two more it is five */
	r = fetch(&job, text);
	fini(&job);
	r = fetch(&job, text);
	ck_assert_msg(strncmp(text_of(r, "error"), "host-down: ", 11) == 0, "%s",
		      text_of(r, "error"));
	fini(&job);
	for (int i = 0; i < 4; i++)
		close(held[i]);
	close(mute);
}
END_TEST

/* ---- bounds ---- */

static json_t *
many(const char *path, unsigned n)
{
	json_t *urls = json_array();

	for (unsigned i = 0; i < n; i++) {
		char url[100];
		snprintf(url, sizeof(url), "http://127.0.0.1:%u%s",
			 i % 2 ? other.port : origin.port, path);
		json_array_append_new(urls, json_string(url));
	}
	return json_pack("{s:o}", "urls", urls);
}

START_TEST(ten_at_a_time)
{
	struct job job;

	start_args(&job, many("/together?n=3", 100), NULL);
	run_loop();
	for (size_t i = 0; i < 100; i++)
		ck_assert_str_eq(text_of(url_result(&job, i), "text"), "hello\n");
	ck_assert_uint_eq(job.n_parts, 100);
	ck_assert_uint_eq(origin.seen->requests, 50);
	ck_assert_uint_le(origin.seen->most_active + other.seen->most_active, 20);
	ck_assert_uint_le(origin.seen->most_active, 10);
	ck_assert_uint_ge(origin.seen->most_active, 3);
	fini(&job);
}
END_TEST

START_TEST(bounds_are_for_all_jobs_together)
{
	struct job job[3];

	config.fetch_concurrency = 4;
	config.fetch_per_host = 3;
	for (int i = 0; i < 3; i++)
		start_args(&job[i], many("/together?n=2", 20), NULL);
	ck_assert_uint_le(credit_used(&shared->transfers), 4);
	run_loop();
	ck_assert_uint_eq(origin.seen->requests, 30);
	ck_assert_uint_le(origin.seen->most_active, 3);
	ck_assert_uint_le(other.seen->most_active, 3);
	ck_assert_uint_ge(origin.seen->most_active, 2);
	for (int i = 0; i < 3; i++)
		fini(&job[i]);
}
END_TEST

static void
give_back_cb(void *arg, short what)
{
	(void)what;
	/* the other executor's */
	atomic_fetch_sub(&shared->transfers.halves, (uint64_t)10 << 32);
	job_kind_fetch.credit(arg);
}

START_TEST(other_executor_has_all_credits)
{
	struct watch timer;
	struct job job;

	atomic_store(&shared->transfers.halves, (uint64_t)10 << 32);
	watch_init_timer(&timer, loop, "give back", give_back_cb, process);
	watch_start_ms(&timer, 1500);
	const uint64_t begun = clock_monotonic_ms();
	const json_t *r = fetch(&job, "{\"urls\":[\"@/ok\"],\"timeout\":\"1s\"}");
	/* waiting is not its time */
	ck_assert_str_eq(text_of(r, "text"), "hello\n");
	ck_assert_uint_ge(clock_monotonic_ms() - begun, 1400);
	fini(&job);
}
END_TEST

/* ---- parts ---- */

START_TEST(finished_urls_are_not_fetched_again)
{
	struct job first, second;

	/* 1.50 is to come back so, and the large number */
	start(&first, "{\"urls\":[\"" JSON_URL "\",\"@/ok\",\"^/ok\"],\"extract\":{\"n\":\"/n\"}}");
	run_loop();
	ck_assert_uint_eq(first.n_parts, 3);
	json_t *parts = json_deep_copy(first.parts);
	json_array_set_new(parts, 1, json_null());
	ck_assert_uint_eq(origin.seen->requests, 2);
	start_args(&second, json_incref(first.args), parts);
	run_loop();
	ck_assert_uint_eq(second.n_parts, 1);
	ck_assert_uint_eq(origin.seen->requests, 3);
	ck_assert_uint_eq(other.seen->requests, 1);
	ck_assert(json_equal(url_result(&second, 0), url_result(&first, 0)));
	ck_assert_str_eq(text_of(url_result(&second, 1), "text"), "hello\n");
	json_decref(parts);
	/* all of them, now: it is done within its start */
	fini(&second);
	start_args(&second, json_incref(first.args), first.parts);
	ck_assert(second.is_done);
	ck_assert_int_eq(second.outcome, JOB_DONE);
	ck_assert(json_equal(second.result, first.result));
	ck_assert_uint_eq(origin.seen->requests, 3);
	fini(&second);
	fini(&first);
}
END_TEST

START_TEST(parts_that_are_none_are_not_taken)
{
	struct job job;
	json_t *parts = json_pack("[i,o,s,n]", 5, json_object(), "");

	start_args(&job, args_of("{\"urls\":[\"@/ok\",\"@/ok\",\"@/ok\",\"@/ok\"]}"), parts);
	run_loop();
	ck_assert_uint_eq(origin.seen->requests, 4);
	json_decref(parts);
	fini(&job);
}
END_TEST

/* ---- cancel ---- */

/* Cancels a job as soon as it is so far. */
struct canceller {
	struct watch timer;
	struct job *job;
	unsigned requests, parts; /* so many, at least */
};

static void
cancel_cb(void *arg, short what)
{
	struct canceller *c = arg;

	(void)what;
	if (origin.seen->requests + other.seen->requests < c->requests ||
	    c->job->n_parts < c->parts) {
		watch_start_ms(&c->timer, 5);
		return;
	}
	job_kind_fetch.cancel(&c->job->run);
	ck_assert(c->job->is_done);
}

static void
cancel_at(struct job *job, unsigned requests, unsigned parts)
{
	struct canceller c = {.job = job, .requests = requests, .parts = parts};

	watch_init_timer(&c.timer, loop, "cancel", cancel_cb, &c);
	watch_start_ms(&c.timer, 0);
	run_loop();
	ck_assert_int_eq(job->outcome, JOB_CANCELLED);
}

START_TEST(cancel_ends_all_of_it_at_once)
{
	struct job job;
	json_t *args = many("/never", 40);

	json_array_set_new(json_object_get(args, "urls"), 1,
			   json_array_get(json_object_get(args, "urls"), 0));
	json_incref(json_array_get(json_object_get(args, "urls"), 0));
	start_args(&job, args, NULL);
	cancel_at(&job, 10, 0);
	ck_assert_uint_eq(origin.seen->requests + other.seen->requests, 10);
	ck_assert_uint_eq(credit_used(&shared->transfers), 0);
	ck_assert_int_eq(strncmp(text_of(url_result(&job, 39), "error"), "cancelled: ", 11), 0);
	fini(&job);
	/* and the next one runs as if nothing had been */
	ck_assert_int_eq(number_of(fetch(&job, "{\"urls\":[\"@/ok\"]}"), "status"), 200);
	fini(&job);
}
END_TEST

/* In whichever phase each of the others is. */
START_TEST(cancel_keeps_what_was_finished)
{
	static const char *const others[] = {
	    "@/never", "@/status?code=429&after=5", "@/drip?ms=5", "@/slow?ms=60000", "@/endless",
	};
	char text[200];
	struct job job;

	snprintf(text, sizeof(text), "{\"urls\":[\"^/ok\",\"%s\"]}", others[_i]);
	config.fetch_max_size = SIZE_MAX / 4;
	job_kind_fetch.close(process);
	open_kind();
	start(&job, text);
	cancel_at(&job, 2, 1);
	ck_assert_str_eq(text_of(url_result(&job, 0), "text"), "hello\n");
	ck_assert_int_eq(strncmp(text_of(url_result(&job, 1), "error"), "cancelled: ", 11), 0);
	fini(&job);
}
END_TEST

/* Nothing of it has begun: its visits are new, or wait for their turn. */
START_TEST(cancel_before_it_began)
{
	struct job first, second;

	config.fetch_concurrency = 1;
	start(&first, "{\"urls\":[\"@/never\",\"@/never\"]}");
	start(&second, "{\"urls\":[\"^/ok\"]}");
	job_kind_fetch.cancel(&second.run);
	ck_assert_int_eq(second.outcome, JOB_CANCELLED);
	fini(&second);
	start(&second, "{\"urls\":[\"^/ok\"]}");
	cancel_at(&first, 1, 0);
	ck_assert(second.is_done);
	ck_assert_int_eq(second.outcome, JOB_DONE);
	fini(&second);
	fini(&first);
}
END_TEST

START_TEST(process_ends_in_the_middle)
{
	struct job job;

	start_args(&job, many("/never", 40), NULL);
	job_kind_fetch.close(process);
	ck_assert(!job.is_done);
	open_kind();
	fini(&job);
}
END_TEST

START_TEST(our_own_address_is_not_fetched)
{
	struct sockaddr_storage own = {0};
	struct sockaddr_in *sin = (struct sockaddr_in *)&own;
	struct job job;

	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin->sin_port = htons(other.port);
	env.own = &own;
	env.n_own = 1;
	job_kind_fetch.close(process);
	open_kind();
	/* a redirect: the check of the args has not seen it */
	char text[200];
	snprintf(text, sizeof(text),
		 "{\"urls\":[\"@/redirect?to=http:%%2F%%2Flocalhost:%u%%2Fok\"]}", other.port);
	const json_t *r = fetch(&job, text);
	ck_assert_int_eq(strncmp(text_of(r, "error"), "url-not-allowed: ", 17), 0);
	ck_assert_uint_eq(other.seen->connections, 0);
	fini(&job);
	/* who puts jobs may not know it: the other URLs are fetched all the same */
	r = fetch(&job, "{\"urls\":[\"^/ok\",\"@/ok\"]}");
	ck_assert_int_eq(strncmp(text_of(r, "error"), "url-not-allowed: ", 17), 0);
	ck_assert_uint_eq(other.seen->connections, 0);
	ck_assert_str_eq(text_of(url_result(&job, 1), "text"), "hello\n");
	fini(&job);
}
END_TEST

START_TEST(args_that_options_have_changed_since)
{
	struct job job;

	memset(&job, 0, sizeof(job));
	job.args = args_of("{\"urls\":[\"@/ok\"]}");
	job.parts = json_array();
	job.run.args = job.args;
	job.run.process = process;
	job.run.events = &run_events;
	config.fetch_allow.n = 0;
	running = 1;
	job_kind_fetch.start(&job.run);
	run_loop();
	ck_assert_int_eq(job.outcome, JOB_DONE);
	ck_assert_int_eq(strncmp(text_of(url_result(&job, 0), "error"), "url-not-allowed: ", 17),
			 0);
	ck_assert_uint_eq(origin.seen->connections, 0);
	fini(&job);
}
END_TEST

START_TEST(args_that_nobody_has_checked)
{
	struct job job;

	memset(&job, 0, sizeof(job));
	job.args = args_of("{\"urls\":[\"@/ok\"],\"method\":7}");
	job.parts = json_array();
	job.run.args = job.args;
	job.run.process = process;
	job.run.events = &run_events;
	running = 1;
	job_kind_fetch.start(&job.run);
	ck_assert(job.is_done);
	ck_assert_int_eq(job.outcome, JOB_FAILED);
	ck_assert_str_ne(job.error, "");
	fini(&job);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kind fetch");
	TCase *tcase = tcase_create("fetch");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, result_has_all_its_members);
	tcase_add_loop_test(tcase, url_ends_as_it_ends, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tcase, redirects_may_be_results);
	tcase_add_test(tcase, hundred_characters_of_text);
	tcase_add_test(tcase, values_are_picked);
	tcase_add_test(tcase, no_json_has_no_values);
	tcase_add_test(tcase, webhook_says_whose_it_is);
	tcase_add_loop_test(tcase, method_after_a_redirect, 0,
			    sizeof(redirects) / sizeof(redirects[0]));
	tcase_add_test(tcase, secrets_stay_with_their_origin);
	tcase_add_loop_test(tcase, post_is_not_sent_twice, 0, 4);
	tcase_add_test(tcase, hanging_origin_costs_its_timeout);
	tcase_add_test(tcase, pause_is_for_the_host);
	tcase_add_test(tcase, pause_may_be_too_long);
	tcase_add_test(tcase, host_that_is_down_is_left_alone);
	tcase_add_loop_test(tcase, redirect_to_a_host_that_is_left_alone, 0, 2);
	tcase_add_test(tcase, host_is_not_down_for_who_has_no_time);
	tcase_add_test(tcase, ten_at_a_time);
	tcase_add_test(tcase, bounds_are_for_all_jobs_together);
	tcase_add_test(tcase, other_executor_has_all_credits);
	tcase_add_test(tcase, finished_urls_are_not_fetched_again);
	tcase_add_test(tcase, parts_that_are_none_are_not_taken);
	tcase_add_test(tcase, cancel_ends_all_of_it_at_once);
	tcase_add_loop_test(tcase, cancel_keeps_what_was_finished, 0, 5);
	tcase_add_test(tcase, cancel_before_it_began);
	tcase_add_test(tcase, process_ends_in_the_middle);
	tcase_add_test(tcase, our_own_address_is_not_fetched);
	tcase_add_test(tcase, args_that_options_have_changed_since);
	tcase_add_test(tcase, args_that_nobody_has_checked);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
