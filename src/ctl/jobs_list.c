/*
 * jobs_list.c - GET /api/jobs page by page, and GET /api/queues.
 */
#include "ctl/jobs_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/job_api.h"

#define PAGE_MAX       1000
#define TERMINAL_COUNT 20
#define NO_BODY        span_from(NULL, 0)

static json_int_t
integer(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

/* --- pages --- */

/* False: no more of them. */
typedef bool (*job_fn)(struct api *api, const json_t *job, int *exit);

struct walk {
	char next[UUID_TEXT_SIZE]; /* empty: the first page */
	uint64_t left;
	job_fn each;
};

static void
page_path(const struct walk *walk, const struct jobs_args *args, char *path, size_t size)
{
	const uint64_t limit = walk->left < PAGE_MAX ? walk->left : PAGE_MAX;
	const struct {
		const char *name, *value;
	} param[] = {
	    {"queue", args->queue},
	    {"kind", args->kind},
	    {"state", args->state},
	    {"after", walk->next[0] ? walk->next : NULL},
	};
	size_t at = (size_t)snprintf(path, size, JOBS_PATH "?limit=%" PRIu64, limit);

	/* none has a character that a URL would escape */
	for (size_t i = 0; i < sizeof(param) / sizeof(param[0]); i++)
		if (param[i].value)
			at += (size_t)snprintf(path + at, size - at, "&%s=%s", param[i].name,
					       param[i].value);
}

/* Of one page; false: that was the last that is wanted. */
static bool
walk_page(struct walk *walk, struct api *api, const json_t *page, int *exit)
{
	const json_t *jobs = json_object_get(page, "jobs"), *job;
	const char *next = job_text(page, "next");
	size_t i;

	json_array_foreach(jobs, i, job)
	{
		if (!walk->left || !walk->each(api, job, exit))
			return false;
		walk->left--;
	}
	if (!walk->left || !job_id_check(next))
		return false;
	snprintf(walk->next, sizeof(walk->next), "%s", next);
	return true;
}

static void
walk_jobs(struct api *api, const struct jobs_args *args, uint64_t count, job_fn each, int *exit)
{
	struct walk walk = {.left = count ? count : UINT64_MAX, .each = each};
	bool goes_on = true;

	while (goes_on) {
		struct api_answer answer;
		char path[400];
		json_t *page;

		page_path(&walk, args, path, sizeof(path));
		goes_on = job_send(api, "GET", path, NO_BODY, &answer, &page);
		if (goes_on)
			goes_on = walk_page(&walk, api, page, exit);
		else
			api_fail(api, JOBS_PATH, &answer, exit);
		json_decref(page);
		api_answer_fini(&answer);
	}
}

/* --- list --- */

/* A second is enough for people: 2026-11-23T07:30:00Z */
static void
put_time(const char *text)
{
	const size_t len = strlen("2026-11-23T07:30:00");

	if (strlen(text) < len)
		fputs("-", stdout);
	else
		printf("%.*sZ", (int)len, text);
}

static bool
print_job(struct api *api, const json_t *job, int *exit)
{
	char attempts[48];

	(void)api;
	snprintf(attempts, sizeof(attempts), "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
		 integer(job, "attempt"), integer(job, "max_attempts"));
	printf("%-36s %-9s %-12s %-12s %-7s ", job_text(job, "id"), job_text(job, "state"),
	       job_text(job, "queue"), job_text(job, "kind"), attempts);
	put_time(job_text(job, "created_at"));
	putchar('\n');
	return !ferror(stdout) || ctl_flush(exit);
}

void
jobs_list(struct api *api, const struct jobs_args *args, int *exit)
{
	const bool is_terminal = isatty(STDOUT_FILENO);
	const uint64_t count = args->has_count ? args->count : is_terminal ? TERMINAL_COUNT : 0;

	if (is_terminal)
		printf("%-36s %-9s %-12s %-12s %-7s %s\n", "ID", "STATE", "QUEUE", "KIND",
		       "ATTEMPT", "CREATED");
	walk_jobs(api, args, count, print_job, exit);
}

/* --- cancel, retry --- */

/* Whether a job is as it was to become, by an attempt whose answer was lost. */
static bool
is_changed(struct api *api, const char *id, bool to_cancelled)
{
	struct api_answer answer;
	char path[JOB_PATH_SIZE];
	bool is_so = false;
	json_t *json;

	job_path(path, id, "");
	if (job_send(api, "GET", path, NO_BODY, &answer, &json)) {
		const char *state = job_text(json, "state");

		is_so = to_cancelled ? strcmp(state, "cancelled") == 0 : !job_state_is_final(state);
		if (is_so)
			printf("%s %s\n", id, state);
	}
	json_decref(json);
	api_answer_fini(&answer);
	return is_so;
}

static bool
change_job(struct api *api, const char *method, const char *id, const char *rest, int *exit)
{
	struct api_answer answer;
	char path[JOB_PATH_SIZE];
	int failed = CTL_OK;
	json_t *json;

	job_path(path, id, rest);
	if (job_send(api, method, path, NO_BODY, &answer, &json)) {
		const bool is_cancelling = json_is_true(json_object_get(json, "cancelling"));

		printf("%s %s\n", id, is_cancelling ? "cancelling" : job_text(json, "state"));
	} else if (answer.status != 409 || answer.n_sent == 1 ||
		   !is_changed(api, id, rest[0] == '\0')) {
		api_fail(api, path, &answer, &failed);
		*exit = failed;
	}
	/* what cannot be done to this one may be done to the next, unless nobody answers */
	const bool goes_on = answer.status != 0;
	json_decref(json);
	api_answer_fini(&answer);
	return goes_on;
}

static bool
cancel_job(struct api *api, const char *id, int *exit)
{
	return change_job(api, "DELETE", id, "", exit);
}

static bool
retry_job(struct api *api, const char *id, int *exit)
{
	return change_job(api, "POST", id, "/retry", exit);
}

static bool
cancel_listed(struct api *api, const json_t *job, int *exit)
{
	return cancel_job(api, job_text(job, "id"), exit);
}

static bool
retry_listed(struct api *api, const json_t *job, int *exit)
{
	return retry_job(api, job_text(job, "id"), exit);
}

void
jobs_cancel(struct api *api, const struct jobs_args *args, int *exit)
{
	if (args->state)
		walk_jobs(api, args, 0, cancel_listed, exit);
	for (int i = 0; i < args->argc; i++)
		if (!cancel_job(api, args->argv[i], exit))
			return;
}

void
jobs_retry(struct api *api, const struct jobs_args *args, int *exit)
{
	if (args->state)
		walk_jobs(api, args, 0, retry_listed, exit);
	for (int i = 0; i < args->argc; i++)
		if (!retry_job(api, args->argv[i], exit))
			return;
}

/* --- queues --- */

void
jobs_queue_head(void)
{
	if (isatty(STDOUT_FILENO))
		printf("%-20s %7s %7s %9s %9s %11s %s\n", "QUEUE", "WAITING", "RUNNING", "OLDEST_S",
		       "ENDED/S", "CONCURRENCY", "STATE");
}

void
jobs_queue_line(const json_t *queue)
{
	const json_t *limits = json_object_get(queue, "limits");
	const json_t *concurrency = json_object_get(limits, "concurrency");

	printf("%-20s %7" JSON_INTEGER_FORMAT " %7" JSON_INTEGER_FORMAT " %9.1f %9.1f"
	       " %11" JSON_INTEGER_FORMAT " %s\n",
	       job_text(queue, "queue"), integer(queue, "depth"), integer(queue, "running"),
	       json_number_value(json_object_get(queue, "oldest_age_s")),
	       json_number_value(json_object_get(queue, "drained_per_s")),
	       integer(concurrency, "value"),
	       json_is_true(json_object_get(queue, "paused")) ? "paused" : "open");
}

void
jobs_queues(struct api *api, const struct jobs_args *args, int *exit)
{
	const json_t *queues, *queue;
	struct api_answer answer;
	json_t *json;
	size_t i;

	(void)args;
	if (job_send(api, "GET", QUEUES_PATH, NO_BODY, &answer, &json)) {
		queues = json_object_get(json, "queues");
		jobs_queue_head();
		json_array_foreach(queues, i, queue) jobs_queue_line(queue);
	} else {
		api_fail(api, QUEUES_PATH, &answer, exit);
	}
	json_decref(json);
	api_answer_fini(&answer);
}
