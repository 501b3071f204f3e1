/* links: src/jobs/job_input.c src/http/mistakes.c src/http/json_raw.c src/http/json_text.c
 * src/http/chars.c -ljansson -lm */
/*
 * test_job_input.c - jobs as clients send them: every type in every member, and what is told of it.
 */
#include "jobs/job_input.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_text.h"
#include "jobs/kinds.h"

/* A kind of ours that takes {"n": a number}. */
static bool
fake_check(const json_t *args, const struct config *config, struct mistakes *mistakes)
{
	(void)config;
	if (json_is_object(args) &&
	    (json_object_size(args) == 0 || json_is_number(json_object_get(args, "n"))))
		return true;
	mistakes_add_key(mistakes, SPAN_LIT("n"), "must be a number");
	return false;
}

static const struct job_kind fake = {.name = "ours", .check = fake_check};

const struct job_kind *
job_kind_find(struct span name)
{
	return span_eq(name, SPAN_LIT("ours")) ? &fake : NULL;
}

static struct mistakes mistakes;
static json_t *json;

static bool
read_text(const char *text, struct job_new *job)
{
	static const struct json_text_rules rules = {
	    .what = "text", .max = 100000, .allows_nul = true};
	struct json_text_error error;

	json_decref(json);
	json = json_text_load(span_str(text), &rules, &error);
	ck_assert_msg(json, "%s: %s", text, error.detail);
	mistakes_init(&mistakes);
	return job_read(json, span_str(text), NULL, job, &mistakes);
}

#define CK_SPAN(got, expected) \
	ck_assert_msg(span_eq(got, span_str(expected)), "%.*s", (int)(got).len, (got).ptr)

START_TEST(only_a_kind_is_needed)
{
	struct job_new job = {0};

	ck_assert(read_text("{\"kind\":\"mail\"}", &job));
	CK_SPAN(job.kind, "mail");
	CK_SPAN(job.queue, "default");
	CK_SPAN(job.args, "{}");
	ck_assert_int_eq(job.hand, 'w');
	ck_assert_int_eq(job.priority, 5);
	ck_assert_int_eq(job.max_attempts, 5);
	ck_assert_int_eq(job.run_at_ms, 0);
	ck_assert_ptr_null(job.unique.ptr);
	ck_assert(read_text("{\"kind\":\"ours\"}", &job));
	ck_assert_int_eq(job.hand, 'p');
}
END_TEST

/* What was sent is what is stored: digits, order and blanks. */
START_TEST(everything_is_kept)
{
	struct job_new job = {0};

	ck_assert(read_text("{\"args\": [1, 12345678901234567890123, 1.50, {\"b\":1,\"a\" :2}],"
			    "\"unique\":\"day 7 \xe5\xa4\xaa\",\"max_attempts\":100,"
			    "\"run_at\":\"2026-11-23T07:30:00.5+01:00\",\"priority\":0,"
			    "\"queue\":\"a.B_c-9\",\"kind\":\"x\"}",
			    &job));
	CK_SPAN(job.args, "[1, 12345678901234567890123, 1.50, {\"b\":1,\"a\" :2}]");
	CK_SPAN(job.unique, "day 7 \xe5\xa4\xaa");
	CK_SPAN(job.queue, "a.B_c-9");
	ck_assert_int_eq(job.max_attempts, 100);
	ck_assert_int_eq(job.priority, 0);
	ck_assert_int_eq(job.run_at_ms, 1795415400500);
}
END_TEST

#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct bad {
	const char *text, *pointer, *detail;
} bads[] = {
    {"1", "", "must be an object such as"},
    {"[]", "", "must be an object such as"},
    {"null", "", "must be an object such as"},
    {"{}", "/kind", "is missing"},
    {"{\"kind\":null}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"a b\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"a/b\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"a\\u0000\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"\xc3\xa9\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"" LONG_64 "5\"}", "/kind", "must be a string of 1 to 64"},
    {"{\"kind\":\"x\",\"queue\":7}", "/queue", "must be a string of 1 to 64"},
    {"{\"kind\":\"x\",\"queue\":\"';drop table jobs\"}", "/queue", "must be a string of"},
    {"{\"kind\":\"x\",\"priority\":-1}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"priority\":10}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"priority\":1.5}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"priority\":\"5\"}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"priority\":null}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"priority\":1e300}", "/priority", "must be a whole number from 0 to 9"},
    {"{\"kind\":\"x\",\"max_attempts\":0}", "/max_attempts", "from 1 to 100"},
    {"{\"kind\":\"x\",\"max_attempts\":101}", "/max_attempts", "from 1 to 100"},
    {"{\"kind\":\"x\",\"max_attempts\":true}", "/max_attempts", "from 1 to 100"},
    {"{\"kind\":\"x\",\"run_at\":1795415400}", "/run_at", "must be a time"},
    {"{\"kind\":\"x\",\"run_at\":\"tomorrow\"}", "/run_at", "must be a time"},
    {"{\"kind\":\"x\",\"run_at\":\"1969-12-31T23:59:59Z\"}", "/run_at", "must be a time"},
    {"{\"kind\":\"x\",\"unique\":\"\"}", "/unique", "must be a string of 1 to 255"},
    {"{\"kind\":\"x\",\"unique\":7}", "/unique", "must be a string of 1 to 255"},
    {"{\"kind\":\"x\",\"unique\":\"a\\nb\"}", "/unique", "must be a string of 1 to 255"},
    {"{\"kind\":\"x\",\"unique\":\"a\\u0000\"}", "/unique", "must be a string of 1 to 255"},
    {"{\"kind\":\"x\",\"unique\":\"" LONG_64 LONG_64 LONG_64 LONG_64 "\"}", "/unique",
     "must be a string of 1 to 255"},
    {"{\"kind\":\"x\",\"id\":\"7\"}", "/id", "is not a member of a job"},
    {"{\"kind\":\"x\",\"\":1}", "/", "is not a member of a job"},
    {"{\"kind\":\"ours\",\"args\":{\"n\":\"1\"}}", "/args/n", "must be a number"},
    {"{\"kind\":\"ours\",\"args\":null}", "/args/n", "must be a number"},
};

START_TEST(a_mistake_is_told)
{
	const struct bad *b = &bads[_i];
	struct job_new job = {0};

	ck_assert_msg(!read_text(b->text, &job), "%s", b->text);
	ck_assert_msg(mistakes.n == 1, "%s: %zu", b->text, mistakes.n);
	ck_assert_msg(strcmp(mistakes.error[0].pointer, b->pointer) == 0, "%s: %s", b->text,
		      mistakes.error[0].pointer);
	ck_assert_msg(strstr(mistakes.error[0].detail, b->detail), "%s: %s", b->text,
		      mistakes.error[0].detail);
}
END_TEST

START_TEST(all_mistakes_are_told)
{
	struct job_new job = {0};

	ck_assert(!read_text("{\"queue\":1,\"priority\":[],\"run_at\":{},\"unique\":false,"
			     "\"max_attempts\":\"\",\"more\":1}",
			     &job));
	ck_assert_uint_eq(mistakes.n, 7);
}
END_TEST

START_TEST(arguments_have_a_bound)
{
	static char text[JOB_ARGS_MAX + 100];
	struct job_new job = {0};

	for (size_t extra = 0; extra < 2; extra++) {
		const size_t n = JOB_ARGS_MAX - 2 + extra;
		int at = snprintf(text, sizeof(text), "{\"kind\":\"x\",\"args\":\"");

		memset(text + at, 'a', n);
		memcpy(text + at + n, "\"}", 3);
		ck_assert(read_text(text, &job) == (extra == 0));
	}
	ck_assert_str_eq(mistakes.error[0].pointer, "/args");
}
END_TEST

static const struct time_case {
	const char *text;
	int64_t ms; /* -1: it is none */
} times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-23T07:30:00Z", 1795419000000},
    {"2026-11-23t07:30:00z", 1795419000000},
    {"2026-11-23 07:30:00Z", 1795419000000},
    {"2026-11-23T08:30:00+01:00", 1795419000000},
    {"2026-11-22T23:45:00-07:45", 1795419000000},
    {"2026-11-23T07:30:00.123456789Z", 1795419000123},
    {"2026-11-23T07:30:00.1Z", 1795419000100},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"2026-12-31T23:59:60Z", 1798761600000},
    {"9999-12-31T23:59:59.999Z", 253402300799999},
    {"2023-02-29T00:00:00Z", -1},
    {"1900-02-29T00:00:00Z", -1},
    {"2026-00-01T00:00:00Z", -1},
    {"2026-13-01T00:00:00Z", -1},
    {"2026-04-31T00:00:00Z", -1},
    {"2026-11-23T24:00:00Z", -1},
    {"2026-11-23T07:60:00Z", -1},
    {"2026-11-23T07:30:61Z", -1},
    {"2026-11-23T07:30Z", -1},
    {"2026-11-23T07:30:00", -1},
    {"2026-11-23T07:30:00+0100", -1},
    {"2026-11-23T07:30:00+24:00", -1},
    {"2026-11-23T07:30:00.Z", -1},
    {"2026-11-23T07:30:00Zx", -1},
    {"26-11-23T07:30:00Z", -1},
    {"", -1},
};

START_TEST(times_are_read)
{
	int64_t ms = 0;

	const bool ok = job_time_parse(span_str(times[_i].text), &ms);
	ck_assert_msg(ok == (times[_i].ms >= 0), "%s", times[_i].text);
	if (ok)
		ck_assert_msg(ms == times[_i].ms, "%s: %lld", times[_i].text, (long long)ms);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("job_input");
	TCase *tc = tcase_create("job_input");

	tcase_add_test(tc, only_a_kind_is_needed);
	tcase_add_test(tc, everything_is_kept);
	tcase_add_loop_test(tc, a_mistake_is_told, 0, N(bads));
	tcase_add_test(tc, all_mistakes_are_told);
	tcase_add_test(tc, arguments_have_a_bound);
	tcase_add_loop_test(tc, times_are_read, 0, N(times));
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	json_decref(json);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
