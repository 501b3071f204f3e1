/*
 * jobs_queues.c - /api/queues: how full they are, until one is empty, and what they may.
 */
#include "ctl/jobs_queues.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/job_api.h"
#include "ctl/progress.h"

#define NO_BODY span_from(NULL, 0)
/* "/api/queues/", a name and a query */
#define QUEUE_PATH_SIZE 160

static json_int_t
integer(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

/* --- lines --- */

static void
put_head(void)
{
	if (isatty(STDOUT_FILENO))
		printf("%-20s %7s %7s %9s %9s %11s %-6s %7s\n", "QUEUE", "WAITING", "RUNNING",
		       "OLDEST_S", "ENDED/S", "CONCURRENCY", "STATE", "DEPTH");
}

static json_int_t
limit(const json_t *queue, const char *name)
{
	return integer(json_object_get(json_object_get(queue, "limits"), name), "value");
}

static void
put_queue(const json_t *queue)
{
	char name[JOB_CELL_SIZE];

	printf("%-20s %7" JSON_INTEGER_FORMAT " %7" JSON_INTEGER_FORMAT
	       " %9.1f %9.1f %11" JSON_INTEGER_FORMAT " %-6s %7" JSON_INTEGER_FORMAT "\n",
	       job_cell(name, job_text(queue, "queue")), integer(queue, "depth"),
	       integer(queue, "running"), json_number_value(json_object_get(queue, "oldest_age_s")),
	       json_number_value(json_object_get(queue, "drained_per_s")),
	       limit(queue, "concurrency"),
	       json_is_true(json_object_get(queue, "paused")) ? "paused" : "open",
	       limit(queue, "depth"));
}

void
jobs_queues(struct api *api, const struct jobs_args *args, int *exit)
{
	const json_t *queue;
	struct api_answer answer;
	json_t *json;
	size_t i;

	(void)args;
	if (job_send(api, "GET", QUEUES_PATH, NO_BODY, &answer, &json)) {
		put_head();
		json_array_foreach(json_object_get(json, "queues"), i, queue) put_queue(queue);
	} else {
		api_fail(api, QUEUES_PATH, &answer, exit);
	}
	json_decref(json);
	api_answer_fini(&answer);
}

/* --- wait --- */

struct wait {
	struct progress progress;
	const char *queue;
	json_int_t waiting, running;
	bool is_paused, has_told;
};

static void
tick_cb(void *ctx, const char *waiting)
{
	struct wait *wait = ctx;

	progress_show(&wait->progress, waiting || !wait->is_paused ? waiting : "it is paused");
}

static bool
is_empty(const json_t *queue, void *ctx)
{
	struct wait *wait = ctx;
	struct progress *progress = &wait->progress;

	wait->waiting = integer(queue, "depth");
	wait->running = integer(queue, "running");
	wait->is_paused = json_is_true(json_object_get(queue, "paused"));
	const json_int_t left = wait->waiting + wait->running;
	if (left > 0 && (uint64_t)left > progress->all)
		progress->all = (uint64_t)left;
	progress->done = progress->count = progress->all - (uint64_t)(left > 0 ? left : 0);
	if (left > 0 && wait->is_paused && !progress->is_terminal && !wait->has_told) {
		ctl_say("the queue %s is paused: what waits in it stays until plazactl jobs "
			"resume %s",
			wait->queue, wait->queue);
		wait->has_told = true;
	}
	tick_cb(wait, NULL);
	return left <= 0;
}

void
jobs_wait(struct api *api, const struct jobs_args *args, int *exit)
{
	static const struct api_calls calls = {.tick = tick_cb};
	struct wait wait = {.queue = args->argc    ? args->argv[0]
				     : args->queue ? args->queue
						   : "default"};
	char path[QUEUE_PATH_SIZE];
	const struct job_wish wish = {
	    .path = path,
	    .wait_s = isatty(STDERR_FILENO) ? JOB_WATCH_S : JOB_WAIT_S,
	    .until_ms = args->timeout ? clock_monotonic_ms() + args->timeout_ms : 0,
	    .is_over = is_empty,
	    .ctx = &wait,
	};
	struct api_answer answer;
	json_t *json;

	progress_init(&wait.progress, stderr, isatty(STDERR_FILENO), "waiting", "jobs ended");
	api->calls = &calls;
	api->ctx = &wait;
	api->shows_waiting = wait.progress.is_terminal;
	snprintf(path, sizeof(path), QUEUES_PATH "/%s?until=empty&", wait.queue);
	const enum job_await is = job_await(api, &wish, &answer, &json);
	progress_hide(&wait.progress);
	if (is != JOB_AWAIT_FAILED)
		put_queue(json);
	/* a queue is forgotten some time after its last job */
	else if (answer.status == 404)
		ctl_say("there is no queue %s, so there is nothing in it", wait.queue);
	else
		api_fail(api, path, &answer, exit);
	if (is == JOB_AWAIT_LATE)
		ctl_fail(exit,
			 "the queue %s is not empty after %s: %" JSON_INTEGER_FORMAT
			 " waiting, %" JSON_INTEGER_FORMAT " running%s",
			 wait.queue, args->timeout, wait.waiting, wait.running,
			 wait.is_paused ? "; it is paused" : "");
	json_decref(json);
	api_answer_fini(&answer);
}

/* --- pause, resume, limit --- */

/* False when nobody answers. */
static bool
set_queue(struct api *api, const char *queue, const char *body, bool is_first, int *exit)
{
	char path[QUEUE_PATH_SIZE];
	struct api_answer answer;
	int failed = CTL_OK;
	json_t *json;

	snprintf(path, sizeof(path), QUEUES_PATH "/%s", queue);
	if (job_send(api, "PATCH", path, span_str(body), &answer, &json)) {
		if (is_first)
			put_head();
		put_queue(json);
	} else {
		api_fail(api, path, &answer, &failed);
		*exit = failed;
	}
	const bool goes_on = answer.status != 0;
	json_decref(json);
	api_answer_fini(&answer);
	return goes_on;
}

static void
set_all(struct api *api, const struct jobs_args *args, const char *body, int *exit)
{
	for (int i = 0; i < args->argc; i++)
		if (!set_queue(api, args->argv[i], body, i == 0, exit))
			return;
}

void
jobs_pause(struct api *api, const struct jobs_args *args, int *exit)
{
	set_all(api, args, "{\"paused\":true}", exit);
}

void
jobs_resume(struct api *api, const struct jobs_args *args, int *exit)
{
	set_all(api, args, "{\"paused\":false}", exit);
}

/* The number, "null" for conf, or NULL when it is not this limit. */
static const char *
limit_value(const char *text, const char *name)
{
	const size_t len = strlen(name);
	uint64_t n;

	if (strncmp(text, name, len) != 0 || text[len] != '=')
		return NULL;
	text += len + 1;
	if (strcmp(text, "conf") == 0)
		return "null";
	/* JSON has no number with a zero before it */
	return number_parse(text, UINT32_MAX, &n) && text[0] != '0' ? text : NULL;
}

bool
jobs_limit_check(const char *text)
{
	return limit_value(text, "concurrency") || limit_value(text, "depth");
}

void
jobs_limit(struct api *api, const struct jobs_args *args, int *exit)
{
	static const char *const names[] = {"concurrency", "depth"};
	char body[128] = "{";

	for (size_t i = 0; i < 2; i++) {
		const char *value = NULL;

		/* of one that is there twice the last counts */
		for (int j = 1; j < args->argc; j++) {
			const char *other = limit_value(args->argv[j], names[i]);
			value = other ? other : value;
		}
		if (value) {
			const size_t len = strlen(body);
			snprintf(body + len, sizeof(body) - len, "%s\"%s\":%s", len > 1 ? "," : "",
				 names[i], value);
		}
	}
	const size_t len = strlen(body);
	snprintf(body + len, sizeof(body) - len, "}");
	set_queue(api, args->argv[0], body, true, exit);
}
