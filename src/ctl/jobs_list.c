/*
 * jobs_list.c - GET /api/jobs page by page.
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
	/* the newest is first, so that no page comes twice */
	if (!walk->left || !job_id_check(next) || (walk->next[0] && strcmp(next, walk->next) >= 0))
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

static bool
print_job(struct api *api, const json_t *job, int *exit)
{
	const char *created = job_text(job, "created_at");
	const size_t second = strlen("2026-11-23T07:30:00");
	char id[JOB_CELL_SIZE], state[JOB_CELL_SIZE], queue[JOB_CELL_SIZE], kind[JOB_CELL_SIZE];
	char attempts[48], when[JOB_CELL_SIZE];

	(void)api;
	snprintf(attempts, sizeof(attempts), "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
		 integer(job, "attempt"), integer(job, "max_attempts"));
	/* a second is enough for people: 2026-11-23T07:30:00Z */
	job_cell(when, created);
	if (strlen(when) > second)
		snprintf(when + second, sizeof(when) - second, "Z");
	printf("%-36s %-9s %-12s %-12s %-7s %s\n", job_cell(id, job_text(job, "id")),
	       job_cell(state, job_text(job, "state")), job_cell(queue, job_text(job, "queue")),
	       job_cell(kind, job_text(job, "kind")), attempts, when);
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

struct change {
	const char *method, *rest; /* of the request: /api/jobs/ID and the rest */
	bool to_cancelled;         /* else to one that is to run */
	bool is_listed;            /* it was in the state that it was taken for */
};

/* What has become of it. */
static void
print_change(const char *id, const json_t *job)
{
	char state[JOB_CELL_SIZE];

	printf("%s %s\n", id,
	       json_is_true(json_object_get(job, "cancelling"))
		   ? "cancelling"
		   : job_cell(state, job_text(job, "state")));
}

/*
 * Whether a refusal is none: the job is as it was to become, by an attempt whose answer was lost;
 * or, of all that were in a state, it has left that by itself.
 */
static bool
is_all_right(struct api *api, const char *id, const struct change *change,
	     const struct api_answer *refusal)
{
	struct api_answer answer;
	char path[JOB_PATH_SIZE];
	bool is_so = false;
	json_t *json;

	if (change->is_listed && (refusal->status == 404 || refusal->status == 410))
		return true;
	if (refusal->status != 409 || (refusal->n_sent == 1 && !change->is_listed))
		return false;
	job_path(path, id, "");
	if (job_send(api, "GET", path, NO_BODY, &answer, &json)) {
		const char *state = job_text(json, "state");

		is_so = change->is_listed || (change->to_cancelled ? strcmp(state, "cancelled") == 0
								   : !job_state_is_final(state));
		if (is_so)
			print_change(id, json);
	}
	json_decref(json);
	api_answer_fini(&answer);
	return is_so;
}

static bool
change_job(struct api *api, const char *id, const struct change *change, int *exit)
{
	struct api_answer answer;
	char path[JOB_PATH_SIZE];
	int failed = CTL_OK;
	json_t *json;

	job_path(path, id, change->rest);
	if (job_send(api, change->method, path, NO_BODY, &answer, &json)) {
		print_change(id, json);
	} else if (!is_all_right(api, id, change, &answer)) {
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
change_listed(struct api *api, const json_t *job, bool to_cancelled, int *exit)
{
	const struct change change = {to_cancelled ? "DELETE" : "POST",
				      to_cancelled ? "" : "/retry", to_cancelled, true};
	const char *id = job_text(job, "id");

	/* it becomes a part of a path */
	return !job_id_check(id) || change_job(api, id, &change, exit);
}

static bool
cancel_listed(struct api *api, const json_t *job, int *exit)
{
	return change_listed(api, job, true, exit);
}

static bool
retry_listed(struct api *api, const json_t *job, int *exit)
{
	return change_listed(api, job, false, exit);
}

void
jobs_cancel(struct api *api, const struct jobs_args *args, int *exit)
{
	static const struct change change = {"DELETE", "", true, false};

	if (args->state)
		walk_jobs(api, args, 0, cancel_listed, exit);
	for (int i = 0; i < args->argc; i++)
		if (!change_job(api, args->argv[i], &change, exit))
			return;
}

void
jobs_retry(struct api *api, const struct jobs_args *args, int *exit)
{
	static const struct change change = {"POST", "/retry", false, false};

	if (args->state)
		walk_jobs(api, args, 0, retry_listed, exit);
	for (int i = 0; i < args->argc; i++)
		if (!change_job(api, args->argv[i], &change, exit))
			return;
}
