/*
 * fetch_run.c - jobs of kind fetch, put and waited for.
 *
 * A job is PUT under an id that was made here: however often that is sent, it is there once. While
 * it is waited for it needs nobody, so what happens to the connection or to the server does not
 * matter to it; and an interrupt, which is the user's word that it is not wanted, cancels it.
 */
#include "ctl/fetch_run.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/job_api.h"
#include "ctl/json_text.h"
#include "ctl/progress.h"

#define NO_BODY span_from(NULL, 0)
/* How long a server may take for it that is asked to cancel. */
#define CANCEL_MS 5000

/* The URLs [from, to) of the list, those that were refused excepted. */
struct fetch_job {
	char id[UUID_TEXT_SIZE];
	size_t from, to, n;
	bool is_over;
	char state[16]; /* then; empty: it cannot be seen any more */
};

struct fetch {
	const struct fetch_args *args;
	struct fetch_list *list;
	struct fetch_job *job;
	size_t n_jobs;
	size_t ended; /* URLs of the jobs that are over */
	struct api api;
	struct progress progress;
	const struct fetch_job *watched;
	int exit;
};

static void
tick_cb(void *ctx, const char *waiting)
{
	struct fetch *fetch = ctx;

	progress_show(&fetch->progress, waiting);
}

static void
fail(struct fetch *fetch, const char *path, const struct api_answer *answer)
{
	progress_hide(&fetch->progress);
	api_fail(&fetch->api, path, answer, &fetch->exit);
}

/* False when nobody takes it. */
static bool
show(struct fetch *fetch)
{
	if (fetch->list->shown == fetch->list->n ||
	    fetch_url_is_open(&fetch->list->url[fetch->list->shown]))
		return true;
	progress_hide(&fetch->progress);
	if (!fetch_show(stdout, fetch->list, &fetch->args->form) && fetch->exit == CTL_OK)
		fetch->exit = CTL_FAILED;
	return ctl_flush(&fetch->exit);
}

static void
fail_urls(struct fetch *fetch, size_t from, size_t to, const char *what, const char *why)
{
	for (size_t i = from; i < to; i++)
		fetch_url_fail(&fetch->list->url[i], "%s%s%s", what, *why ? ": " : "", why);
}

/* --- put --- */

/* The k-th open URL from `from` on. */
static struct fetch_url *
nth_open(struct fetch *fetch, size_t from, size_t k)
{
	for (size_t i = from; i < fetch->list->n; i++)
		if (fetch_url_is_open(&fetch->list->url[i]) && k-- == 0)
			return &fetch->list->url[i];
	return NULL;
}

/* What the problem says of single URLs is what came of them. False: it is about something else. */
static bool
refuse_urls(struct fetch *fetch, size_t from, const struct api_answer *answer)
{
	json_t *json =
	    json_loadb(answer->body.data ? answer->body.data : "", answer->body.len, 0, NULL);
	const json_t *errors = json_object_get(json, "errors"), *error;
	const char *type = strrchr(job_text(json, "type"), '/');
	struct fetch_url *refused[64];
	size_t n = 0, i;
	bool ok = json_array_size(errors) > 0, has_refused = false;

	/* first they are all found: each that fails moves the numbers of those behind it */
	json_array_foreach(errors, i, error)
	{
		const char *pointer = job_text(error, "pointer");
		const size_t len = strlen("/args/urls/");
		uint64_t number;

		if (strncmp(pointer, "/args/urls/", len) != 0 ||
		    !number_parse(pointer + len, FETCH_JOB_URLS_MAX, &number))
			ok = false;
		else if (n < sizeof(refused) / sizeof(refused[0]))
			refused[n++] = nth_open(fetch, from, (size_t)number);
	}
	for (i = 0; ok && i < n; i++) {
		if (!refused[i])
			continue;
		fetch_url_fail(refused[i], "%s: %s", type ? type + 1 : "refused",
			       job_text(json_array_get(errors, i), "detail"));
		has_refused = true;
	}
	json_decref(json);
	/* else the same would come again */
	return ok && has_refused;
}

static bool
write_job(struct fetch *fetch, struct fetch_job *job, struct buffer *body)
{
	static const char head[] = "{\"kind\":\"fetch\",\"queue\":\"fetch\",\"args\":";

	body->len = 0;
	return buffer_append(body, head, strlen(head), SIZE_MAX / 2) &&
	       fetch_list_args(fetch->list, fetch->args->more, job->from, body, &job->to,
			       &job->n) &&
	       buffer_append(body, "}", 1, SIZE_MAX / 2);
}

/* As many from job->from on as fit into one. False when it cannot go on. */
static bool
put_job(struct fetch *fetch, struct fetch_job *job, struct buffer *body)
{
	char path[JOB_PATH_SIZE];
	bool ok = false, again = true;

	job_path(path, job->id, "");
	while (again) {
		struct api_answer answer;
		json_t *json;

		if (!write_job(fetch, job, body)) {
			ctl_fail(&fetch->exit, "out of memory");
			return false;
		}
		if (job->n == 0)
			return true;
		ok = job_send(&fetch->api, "PUT", path, buffer_span(body), &answer, &json);
		/* without those that were refused, and maybe more that there is room for now */
		again = !ok && answer.status == 422 && refuse_urls(fetch, job->from, &answer);
		if (!ok && !again)
			fail(fetch, JOBS_PATH, &answer);
		if (!ok && !again && !api_is_interrupted())
			fail_urls(fetch, job->from, fetch->list->n, "not put",
				  answer.status ? api_problem(&answer) : answer.why);
		json_decref(json);
		api_answer_fini(&answer);
	}
	return ok;
}

/* False when not all could be; those that were go on. */
static bool
put_jobs(struct fetch *fetch)
{
	struct buffer body = {0};
	bool ok = true;

	for (size_t at = 0; ok && at < fetch->list->n;) {
		struct fetch_job *longer =
		    reallocarray(fetch->job, fetch->n_jobs + 1, sizeof(*longer));

		if (!longer) {
			ctl_fail(&fetch->exit, "out of memory");
			ok = false;
			break;
		}
		fetch->job = longer;
		struct fetch_job *job = &fetch->job[fetch->n_jobs];
		*job = (struct fetch_job){.from = at};
		ok = job_id_make(job->id) && put_job(fetch, job, &body);
		/* what was interrupted may be there, too */
		if (job->n && (ok || api_is_interrupted()))
			fetch->n_jobs++;
		at = job->to;
		tick_cb(fetch, NULL);
	}
	buffer_fini(&body);
	return ok;
}

/* --- wait --- */

static uint64_t
percent_of(const json_t *json)
{
	const json_int_t pct =
	    json_integer_value(json_object_get(json_object_get(json, "progress"), "pct"));

	return pct < 0 ? 0 : pct > 100 ? 100 : (uint64_t)pct;
}

static bool
is_final(const json_t *json, void *ctx)
{
	struct fetch *fetch = ctx;
	const bool is_over = job_state_is_final(job_text(json, "state"));
	const size_t n = fetch->watched->n;

	fetch->progress.done = fetch->ended + (is_over ? n : (size_t)(n * percent_of(json) / 100));
	fetch->progress.count = fetch->progress.done;
	tick_cb(fetch, NULL);
	return is_over;
}

/* The job is over: its results are those of its URLs. */
static void
take_results(struct fetch *fetch, struct fetch_job *job, const struct api_answer *answer,
	     const json_t *json)
{
	const json_t *errors = json_object_get(json, "errors");
	const json_t *last = json_array_get(errors, json_array_size(errors) - 1);
	struct span result, urls = {NULL, 0}, item;
	char what[64];

	if (json_text_member(buffer_span(&answer->body), "result", &result))
		json_text_member(result, "urls", &urls);
	for (size_t i = job->from; i < job->to; i++) {
		struct fetch_url *url = &fetch->list->url[i];

		if (fetch_url_is_open(url) && json_text_item(&urls, &item))
			url->result = strndup(item.ptr, item.len);
	}
	snprintf(what, sizeof(what), "the job is %.20s", job_text(json, "state"));
	fail_urls(fetch, job->from, job->to, what, job_text(last, "error"));
	snprintf(job->state, sizeof(job->state), "%s", job_text(json, "state"));
	job->is_over = true;
}

/* False when nobody answers. `until_ms` as in struct job_wish. */
static bool
await_job(struct fetch *fetch, struct fetch_job *job, int wait_s, uint64_t until_ms)
{
	char path[JOB_PATH_SIZE];
	const struct job_wish wish = {path, wait_s, until_ms, is_final, fetch};
	struct api_answer answer;
	json_t *json;

	job_path(path, job->id, "?");
	fetch->watched = job;
	const enum job_await is = job_await(&fetch->api, &wish, &answer, &json);
	const bool ok = is != JOB_AWAIT_FAILED;
	if (is == JOB_AWAIT_OVER)
		take_results(fetch, job, &answer, json);
	else if (!ok && !api_is_interrupted())
		fail(fetch, path, &answer);
	if (!ok && answer.status) {
		fail_urls(fetch, job->from, job->to, "the job cannot be seen",
			  api_problem(&answer));
		/* it is kept no longer, or it never was there */
		job->is_over = answer.status == 404 || answer.status == 410;
	}
	const bool goes_on = ok || answer.status != 0;
	if (goes_on)
		fetch->ended += job->n;
	json_decref(json);
	api_answer_fini(&answer);
	return goes_on;
}

static void
await_jobs(struct fetch *fetch)
{
	const int wait_s = fetch->args->has_terminal ? JOB_WATCH_S : JOB_WAIT_S;
	bool goes_on = show(fetch);

	for (size_t i = 0; goes_on && i < fetch->n_jobs; i++)
		goes_on = await_job(fetch, &fetch->job[i], wait_s, 0) && show(fetch);
}

/* --- the end before the end --- */

static void
tell_going_on(struct fetch *fetch)
{
	const bool is_default = strcmp(fetch->args->server, API_SERVER) == 0;

	for (size_t i = 0; i < fetch->n_jobs; i++) {
		if (!fetch->job[i].is_over)
			fprintf(stderr, "the job goes on: plazactl jobs%s%s show %s\n",
				is_default ? "" : " -u ", is_default ? "" : fetch->args->server,
				fetch->job[i].id);
	}
}

/* False when nobody answers. */
static bool
cancel_job(struct fetch *fetch, const struct fetch_job *job)
{
	char path[JOB_PATH_SIZE];
	struct api_answer answer;
	json_t *json;

	job_path(path, job->id, "");
	fetch->api.deadline_ms = clock_monotonic_ms() + CANCEL_MS;
	job_send(&fetch->api, "DELETE", path, NO_BODY, &answer, &json);
	fetch->api.deadline_ms = 0;
	const bool goes_on = answer.status != 0;
	json_decref(json);
	api_answer_fini(&answer);
	return goes_on;
}

/* What is finished by then is a result as any other. */
static void
cancel_jobs(struct fetch *fetch)
{
	bool goes_on = true;

	for (size_t i = 0; goes_on && i < fetch->n_jobs; i++)
		goes_on = fetch->job[i].is_over || cancel_job(fetch, &fetch->job[i]);
	/* a worker that does not hear of it may take its time: the job is as good as cancelled */
	const uint64_t until_ms = clock_monotonic_ms() + CANCEL_MS;
	for (size_t i = 0; goes_on && i < fetch->n_jobs; i++) {
		struct fetch_job *job = &fetch->job[i];

		if (job->is_over)
			continue;
		goes_on = await_job(fetch, job, JOB_WATCH_S, until_ms);
		if (job->state[0])
			ctl_say("the job %s is %s", job->id, job->state);
	}
}

static void
take_interrupt(struct fetch *fetch)
{
	const int sig = api_take_interrupt();

	progress_hide(&fetch->progress);
	ctl_fail(&fetch->exit, "interrupted");
	if (sig == SIGINT)
		cancel_jobs(fetch);
}

/* The ids of the jobs; each URL that is in none is told. */
static void
show_jobs(struct fetch *fetch)
{
	progress_hide(&fetch->progress);
	for (size_t i = 0; i < fetch->list->n; i++) {
		const struct fetch_url *url = &fetch->list->url[i];

		if (!fetch_url_is_open(url)) {
			ctl_say("%s: %s", url->text, url->error ? url->error : "out of memory");
			fetch->exit = CTL_FAILED;
		}
	}
	for (size_t i = 0; i < fetch->n_jobs; i++)
		printf("%s\n", fetch->job[i].id);
}

/* The results of all; of those that nobody has waited for, where to find them. */
static void
show_results(struct fetch *fetch, bool is_put)
{
	if (is_put || !api_is_interrupted())
		await_jobs(fetch);
	if (api_is_interrupted())
		take_interrupt(fetch);
	progress_hide(&fetch->progress);
	tell_going_on(fetch);
	fail_urls(fetch, 0, fetch->list->n, "unknown", "nobody has waited for it");
	show(fetch);
}

int
fetch_run(const struct fetch_args *args, struct fetch_list *list)
{
	static const struct api_calls calls = {.tick = tick_cb};
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch || !api_init(&fetch->api, args->server, args->patience_ms, &calls, fetch)) {
		free(fetch);
		ctl_say("out of memory");
		return CTL_FAILED;
	}
	fetch->args = args;
	fetch->list = list;
	progress_init(&fetch->progress, stderr, args->has_terminal, "fetching", "URLs");
	fetch->progress.all = list->n;
	fetch->api.shows_waiting = args->has_terminal;
	api_take_interrupts();
	const bool is_put = put_jobs(fetch);
	if (args->is_brief)
		show_jobs(fetch);
	else
		show_results(fetch, is_put);
	ctl_flush(&fetch->exit);
	api_fini(&fetch->api);
	int code = fetch->exit;
	free(fetch->job);
	free(fetch);
	return code;
}
