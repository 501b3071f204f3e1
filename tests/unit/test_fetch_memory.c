/* links: $(kind_fetch_sources) tests/it/origin.c tests/it/origin.h tests/unit/fail_alloc.c
 * -lcurl -levent_core -ljansson -lz */
/*
 * test_fetch_memory.c - a fetch job while memory runs out, at each allocation of ours and of
 * libcurl in turn: it ends once, as something, and the next one is served as if nothing had been.
 */
#include <check.h>
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../it/origin.h"
#include "base/log.h"
#include "fail_alloc.h"
#include "jobs/kind_fetch.h"
#include "jobs/run.h"

static struct origin origin;
static struct loop *loop;
static char *ports[] = {"80"}, *allow[1], allowed[64];
static struct config config = {
    .fetch_concurrency = 10,
    .fetch_per_host = 10,
    .fetch_connect_timeout = 3000,
    .fetch_timeout = 5000,
    .fetch_max_size = 1 << 20,
    .fetch_redirects = 5,
    .fetch_ports = {1, ports},
    .fetch_allow = {1, allow},
};
static struct credits_shared shared;
static struct segment segment;
static const struct credits credits = {.shared = &shared, .segment = &segment};
static void *process;

static struct job_run run;
static json_t *result;
static enum job_outcome outcome;
static bool is_done, is_looping;

static void
done_cb(struct job_run *r, enum job_outcome how, struct span text, const char *error,
	uint64_t retry_after_ms)
{
	(void)r, (void)error, (void)retry_after_ms;
	fail_alloc_hold(true);
	if (is_done)
		abort();
	is_done = true;
	outcome = how;
	result = text.len ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
	if (is_looping)
		loop_stop(loop);
	fail_alloc_hold(false);
}

static void
part_cb(struct job_run *r, unsigned n, struct span json)
{
	(void)r, (void)n, (void)json;
}

static void
progress_cb(struct job_run *r, unsigned percent)
{
	(void)r, (void)percent;
}

static const struct job_run_events events = {done_cb, part_cb, progress_cb};

/* At the n-th allocation; 0: never. Whether one has failed. */
static bool
run_job(const json_t *args, unsigned n, bool for_good)
{
	run = (struct job_run){.attempt = 1, .args = args, .process = process, .events = &events};
	json_decref(result);
	result = NULL;
	is_done = false;
	if (n)
		fail_alloc_at(n, for_good);
	job_kind_fetch.start(&run);
	is_looping = !is_done;
	if (is_looping)
		loop_run(loop);
	is_looping = false;
	const bool has_failed = n && fail_alloc_end();
	ck_assert(is_done);
	ck_assert_uint_eq(credit_used(&shared.transfers), 0);
	return has_failed;
}

/* Whether all is as it should be; in any case each URL has come to some end. */
static bool
is_whole(void)
{
	bool is_so = true;

	if (outcome == JOB_RETRY)
		return false;
	ck_assert_int_eq(outcome, JOB_DONE);
	const json_t *urls = json_object_get(result, "urls");
	ck_assert_uint_eq(json_array_size(urls), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *url = json_array_get(urls, i);
		const bool is_good = json_integer_value(json_object_get(url, "status")) == 200 &&
				     json_is_null(json_object_get(url, "error"));
		if (!is_good) {
			const char *error = json_string_value(json_object_get(url, "error"));

			/* whoever lacks memory blames no origin */
			ck_assert_ptr_nonnull(error);
			ck_assert_msg(strncmp(error, "too-large", 9) != 0, "%s", error);
		}
		is_so = is_so && is_good;
	}
	return is_so;
}

/* libcurl's memory comes through ours. */
static void *
curl_malloc(size_t size)
{
	return malloc(size);
}

static void *
curl_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

static void *
curl_realloc(void *p, size_t size)
{
	return realloc(p, size);
}

static char *
curl_strdup(const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

START_TEST(memory_runs_out)
{
	const bool for_good = _i == 1;
	char text[600];

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc,
					      curl_strdup, curl_calloc),
			 CURLE_OK);
	origin_start(&origin);
	loop = loop_new();
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", origin.port);
	allow[0] = allowed;
	const struct job_kind_env env = {.loop = loop, .config = &config, .credits = &credits};
	ck_assert(job_kind_fetch.open(&env, &process));
	snprintf(text, sizeof(text),
		 "{\"urls\":[\"http://127.0.0.1:%u/ok\",\"http://127.0.0.1:%u/gzip\","
		 "\"http://127.0.0.1:%u/redirect?n=1\"],\"method\":\"DELETE\",\"body\":\"x\","
		 "\"headers\":{\"X-A\":\"b\"}}",
		 origin.port, origin.port, origin.port);
	json_t *args = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(args);
	run_job(args, 0, false);
	ck_assert(is_whole());
	unsigned n = 1, hurt = 0;
	for (;; n++) {
		const bool has_failed = run_job(args, n, for_good);
		hurt += !is_whole();
		if (!has_failed)
			break;
		ck_assert_uint_lt(n, 5000);
		/* as if nothing had been */
		run_job(args, 0, false);
		ck_assert_msg(is_whole(), "after the failure of allocation %u", n);
	}
	ck_assert(is_whole());
	ck_assert_uint_gt(n, 20);
	ck_assert_uint_gt(hurt, 10);
	json_decref(args);
	json_decref(result);
	result = NULL;
	job_kind_fetch.close(process);
	loop_free(&loop);
	origin_stop(&origin);
	curl_global_cleanup();
}
END_TEST

START_TEST(memory_runs_out_at_the_beginning)
{
	origin_start(&origin);
	loop = loop_new();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	const struct job_kind_env env = {.loop = loop, .config = &config, .credits = &credits};
	bool is_open = false;

	for (unsigned n = 1; !is_open; n++) {
		fail_alloc_at(n, false);
		is_open = job_kind_fetch.open(&env, &process);
		ck_assert(fail_alloc_end() == !is_open);
		ck_assert_uint_lt(n, 20);
	}
	job_kind_fetch.close(process);
	loop_free(&loop);
	origin_stop(&origin);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch memory");
	TCase *tcase = tcase_create("memory");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, memory_runs_out, 0, 2);
	tcase_add_test(tcase, memory_runs_out_at_the_beginning);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
