/* links: src/jobs/job_input.c src/http/mistakes.c src/http/json_raw.c src/http/json_text.c
 * src/http/chars.c -ljansson -lm */
/*
 * fuzz_job.c - jobs as clients send them: whatever comes, it is a job that the database takes,
 *whose arguments are a part of what was sent and mean what jansson reads there; or there are
 *mistakes.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -I/usr/include/postgresql \
 *		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o fuzz_job \
 *		tests/fuzz/fuzz_job.c src/jobs/job_input.c src/http/mistakes.c \
 *		src/http/json_raw.c src/http/json_text.c src/http/chars.c -ljansson -lm
 *	./fuzz_job -max_len=512 tests/fuzz/corpus/job
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_raw.h"
#include "http/json_text.h"
#include "jobs/job_input.h"
#include "jobs/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_text_rules rules = {.what = "body", .max = 65536, .allows_nul = true};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
takes_all(const json_t *args, const struct config *config, struct mistakes *mistakes)
{
	(void)args;
	(void)config;
	(void)mistakes;
	return true;
}

static const struct job_kind ours = {.name = "ours", .check = takes_all};

const struct job_kind *
job_kind_find(struct span name)
{
	return span_eq(name, SPAN_LIT("ours")) ? &ours : NULL;
}

static void
check_job(const struct job_new *job, const json_t *json)
{
	struct json_text_error error;

	check(job_name_valid(job->kind) && job_name_valid(job->queue));
	check(job->hand == 'p' || job->hand == 'w');
	check(job->priority >= 0 && job->priority < JOB_PRIORITIES);
	check(job->max_attempts >= 1 && job->max_attempts <= JOB_ATTEMPTS_MAX);
	check(job->run_at_ms >= 0 && job->run_at_ms <= JOB_RUN_AT_MAX);
	check(!job->unique.ptr || (job->unique.len >= 1 && job->unique.len <= JOB_KEY_MAX &&
				   !memchr(job->unique.ptr, '\0', job->unique.len)));
	check(job->args.len >= 1 && job->args.len <= JOB_ARGS_MAX);
	json_t *args = json_text_load(job->args, &rules, &error);
	const json_t *sent = json_object_get(json, "args");
	check(args && (sent ? json_equal(args, sent) : json_object_size(args) == 0));
	json_decref(args);
}

static void
check_mistakes(const struct mistakes *mistakes)
{
	check(mistakes->n >= 1 && mistakes->n <= MISTAKES_MAX);
	for (size_t i = 0; i < mistakes->n; i++) {
		const char *pointer = mistakes->error[i].pointer;

		check(pointer && strlen(pointer) < MISTAKES_POINTER_SIZE);
		check(pointer[0] == '\0' || pointer[0] == '/');
		check(mistakes->error[i].detail[0]);
	}
}

static void
try(const json_t *json, struct span text)
{
	struct job_new job = {0};
	static struct mistakes mistakes;

	mistakes_init(&mistakes);
	if (job_read(json, text, NULL, &job, &mistakes)) {
		check(mistakes.n == 0);
		check_job(&job, json);
	} else {
		check_mistakes(&mistakes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = span_from(size ? (const char *)data : "", size);
	struct span rest = text, item;
	struct json_text_error error;
	json_t *json = json_text_load(text, &rules, &error);
	int64_t ms;
	size_t i = 0;

	job_time_parse(text, &ms);
	if (!json)
		return 0;
	if (json_is_array(json)) {
		while (json_raw_item(&rest, &item)) {
			check(i < json_array_size(json));
			try(json_array_get(json, i++), item);
		}
		check(i == json_array_size(json));
	} else {
		try(json, text);
	}
	json_decref(json);
	return 0;
}
