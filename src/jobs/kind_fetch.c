/*
 * kind_fetch.c - fetches URLs. Each that is finished is a part of the job, so that a later attempt
 * does not fetch it again; when all are, {"urls":[...]} in the order given is the result, whatever
 * became of each.
 *
 * A part is the JSON text of a URL's result, as a JSON string: so it comes back byte for byte, with
 * its numbers as the origin wrote them.
 */
#include "jobs/kind_fetch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/log.h"
#include "fetch/visit.h"
#include "http/json_string.h"
#include "jobs/credits.h"
#include "jobs/run.h"

/* Visits of a job that pause and those that do not, together. */
#define ALIVE_MAX 128
/* How often somebody looks for credits that were refused, if nobody rings. */
#define CREDIT_POLL_MS 100
/* Bytes of values in a whole job's result, divided among its URLs. */
#define VALUES_MAX ((size_t)4 << 20)
/* More than that cannot be: 1000 results of at most 50 KiB. */
#define RESULT_MAX ((size_t)64 << 20)

/* One per executor. */
struct fetcher {
	const struct config *config;
	const struct credits *credits;
	struct fetch_job *first; /* all that run */
	struct watch poll;
	struct guard guard;
	struct turns turns;
	struct visit_env env;
};

struct fetch_job {
	struct job_run *run;
	struct fetch_job *next_job, **self;
	struct fetcher *fetcher;
	struct fetch_args args;
	struct visit_job shared;
	size_t next, finished;
	unsigned alive, pausing;
	struct visit **visit; /* by the number of the URL, as is */
	struct buffer *result;
};

/* ---- credits ---- */

static enum turn_answer
take_credits(struct span origin, void *ctx)
{
	struct fetcher *f = ctx;
	struct credit *all = &f->credits->shared->transfers;
	enum turn_answer answer = TURN_TAKEN;

	if (!credit_take(f->credits, all, (uint32_t)f->config->fetch_concurrency)) {
		answer = TURN_FULL;
	} else if (!credit_take(f->credits, credit_origin(f->credits, origin),
				(uint32_t)f->config->fetch_per_host)) {
		credit_give(f->credits, all);
		answer = TURN_ORIGIN_FULL;
	}
	if (answer != TURN_TAKEN && !watch_started(&f->poll))
		watch_start_ms(&f->poll, CREDIT_POLL_MS);
	return answer;
}

static void
give_credits(struct span origin, void *ctx)
{
	struct fetcher *f = ctx;

	credit_give(f->credits, credit_origin(f->credits, origin));
	credit_give(f->credits, &f->credits->shared->transfers);
}

static const struct turns_events turns_events = {take_credits, give_credits};

static void
fetch_credit(void *process)
{
	struct fetcher *f = process;

	turns_pump(&f->turns);
}

static void
poll_cb(void *arg, short what)
{
	struct fetcher *f = arg;

	(void)what;
	turns_pump(&f->turns);
}

/* ---- a job ---- */

static void
job_free(struct fetch_job *job)
{
	const size_t n = job->args.n_urls;

	turns_hold(&job->fetcher->turns);
	for (size_t i = 0; job->visit && i < n; i++) {
		if (job->visit[i])
			visit_cancel(job->visit[i]);
	}
	turns_release(&job->fetcher->turns);
	for (size_t i = 0; job->result && i < n; i++)
		buffer_fini(&job->result[i]);
	*job->self = job->next_job;
	if (job->next_job)
		job->next_job->self = job->self;
	free(job->visit);
	free(job->result);
	free(job);
}

/* Memory that ran out may be there later. */
static void
end_without_memory(struct fetch_job *job)
{
	struct job_run *run = job->run;

	job_free(job);
	job_run_done(run, JOB_RETRY, span_from(NULL, 0), "out-of-memory: try again", 0);
}

/* What is there of them; those that were not visited have `error`. */
static bool
put_results(const struct fetch_job *job, const char *error, struct buffer *out)
{
	bool ok = buffer_printf(out, RESULT_MAX, "{\"urls\":[");

	for (size_t i = 0; ok && i < job->args.n_urls; i++) {
		const struct buffer *result = &job->result[i];

		ok = i == 0 || buffer_append(out, ",", 1, RESULT_MAX);
		if (ok)
			ok = result->len ? buffer_append(out, result->data, result->len, RESULT_MAX)
					 : visit_not(&job->shared, i, error, out);
	}
	return ok && buffer_append(out, "]}", 2, RESULT_MAX);
}

static void
end(struct fetch_job *job, enum job_outcome outcome, const char *error)
{
	struct job_run *run = job->run;
	struct buffer out;

	buffer_init(&out);
	if (put_results(job, error, &out)) {
		job_free(job);
		job_run_done(run, outcome, buffer_span(&out), NULL, 0);
	} else if (outcome == JOB_CANCELLED) {
		job_free(job);
		job_run_done(run, outcome, span_from(NULL, 0), NULL, 0);
	} else {
		end_without_memory(job);
	}
	buffer_fini(&out);
}

static bool
store_part(struct fetch_job *job, size_t n, struct span result)
{
	struct buffer part;

	buffer_init(&part);
	const bool ok = json_string_append(&part, result, RESULT_MAX);
	if (ok)
		job_run_part(job->run, (unsigned)n, buffer_span(&part));
	buffer_fini(&part);
	return ok;
}

static const struct visit_events visit_events;

/* As many as may go at once; those that pause do not count. */
static bool
feed(struct fetch_job *job)
{
	while (job->next < job->args.n_urls && job->alive < ALIVE_MAX &&
	       job->alive - job->pausing < job->fetcher->config->fetch_concurrency) {
		const size_t n = job->next++;

		if (job->result[n].len)
			continue;
		job->visit[n] =
		    visit_start(&job->fetcher->env, &job->shared, n, &visit_events, job);
		if (!job->visit[n])
			return false;
		job->alive++;
	}
	return true;
}

static void
visit_paused(bool is_paused, void *ctx)
{
	struct fetch_job *job = ctx;

	if (!is_paused) {
		job->pausing--;
		return;
	}
	job->pausing++;
	/* what memory has not let begin now is begun when the next one ends */
	if (!feed(job))
		job->next--;
}

static void
visit_done(size_t n, struct span result, void *ctx)
{
	struct fetch_job *job = ctx;

	job->visit[n] = NULL;
	job->alive--;
	if (!result.ptr || !buffer_assign(&job->result[n], result.ptr, result.len) ||
	    !store_part(job, n, result)) {
		end_without_memory(job);
		return;
	}
	job->finished++;
	job_run_progress(job->run, (unsigned)(job->finished * 100 / job->args.n_urls));
	if (job->finished == job->args.n_urls)
		end(job, JOB_DONE, NULL);
	else if (!feed(job))
		end_without_memory(job);
}

static const struct visit_events visit_events = {visit_paused, visit_done};

/* What an earlier attempt has finished. */
static bool
take_parts(struct fetch_job *job)
{
	for (size_t i = 0; i < job->args.n_urls; i++) {
		const json_t *part = json_array_get(job->run->parts, i);

		if (!json_is_string(part) || !json_string_length(part))
			continue;
		if (!buffer_assign(&job->result[i], json_string_value(part),
				   json_string_length(part)))
			return false;
		job->finished++;
	}
	return true;
}

static void
fetch_start(struct job_run *run)
{
	struct fetcher *f = run->process;
	struct fetch_job *job = calloc(1, sizeof(*job));
	static struct mistakes mistakes;

	if (!job) {
		job_run_done(run, JOB_RETRY, span_from(NULL, 0), "out-of-memory: try again", 0);
		return;
	}
	job->run = run;
	job->fetcher = f;
	job->next_job = f->first;
	job->self = &f->first;
	if (f->first)
		f->first->self = &job->next_job;
	f->first = job;
	mistakes_init(&mistakes);
	/*
	 * Where they may lead to was checked when they were put, as far as that can be seen; of
	 * what only this process knows, such as addresses of interfaces, each URL is told when it
	 * connects: it costs no other one.
	 */
	if (!fetch_args_read(run->args, NULL, &job->args, &mistakes)) {
		job->args.n_urls = 0;
		job_free(job);
		job_run_done(run, JOB_FAILED, span_from(NULL, 0), mistakes.error[0].detail, 0);
		return;
	}
	const size_t n = job->args.n_urls;
	job->shared = (struct visit_job){
	    .args = &job->args,
	    .id = run->id,
	    .attempt = run->attempt,
	    .values_max = VALUES_MAX / n < EXTRACT_OUT_MAX ? VALUES_MAX / n : EXTRACT_OUT_MAX,
	};
	job->visit = calloc(n, sizeof(*job->visit));
	job->result = calloc(n, sizeof(*job->result));
	run->state = job;
	if (!job->visit || !job->result || !take_parts(job))
		end_without_memory(job);
	else if (job->finished == n)
		end(job, JOB_DONE, NULL);
	else if (!feed(job))
		end_without_memory(job);
}

static void
fetch_cancel(struct job_run *run)
{
	end(run->state, JOB_CANCELLED, "cancelled: the job was, before this URL was finished");
}

/* ---- the kind ---- */

static bool
fetch_check(const json_t *args, const struct config *config, struct mistakes *mistakes)
{
	struct fetch_args read;
	struct guard guard;

	guard_init(&guard, config);
	return fetch_args_read(args, &guard, &read, mistakes);
}

static void
fetch_close(void *process)
{
	struct fetcher *f = process;

	while (f->first)
		job_free(f->first);
	transfers_free(&f->env.transfers);
	pace_free(&f->env.pace);
	watch_stop(&f->poll);
	guard_fini(&f->guard);
	free(f);
}

static bool
fetch_open(const struct job_kind_env *env, void **process)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (!f) {
		log_error("fetch: out of memory");
		return false;
	}
	f->config = env->config;
	f->credits = env->credits;
	guard_init(&f->guard, env->config);
	for (size_t i = 0; i < env->n_own; i++)
		guard_add_own(&f->guard, &env->own[i]);
	turns_init(&f->turns, &turns_events, f);
	watch_init_timer(&f->poll, env->loop, "fetch credits", poll_cb, f);
	f->env = (struct visit_env){
	    .loop = env->loop,
	    .guard = &f->guard,
	    .transfers = transfers_new(&(struct transfers_settings){
		.loop = env->loop,
		.guard = &f->guard,
		.connect_timeout_ms = env->config->fetch_connect_timeout,
		.max_input = 2 * env->config->fetch_max_size + (64 << 10),
		.connections = (unsigned)env->config->fetch_concurrency * 2,
	    }),
	    .pace = pace_new(),
	    .turns = &f->turns,
	    .timeout_ms = env->config->fetch_timeout,
	    .max_size = env->config->fetch_max_size,
	    .redirects = (unsigned)env->config->fetch_redirects,
	    .random = 1,
	};
	/* only to have not all of them come back at once */
	if (getrandom(&f->env.random, sizeof(f->env.random), GRND_NONBLOCK) < 0 || !f->env.random)
		f->env.random = loop_now_us(env->loop) | 1;
	if (!f->env.transfers || !f->env.pace) {
		log_error("fetch: it cannot be made: out of memory");
		fetch_close(f);
		return false;
	}
	transfers_warm(f->env.transfers);
	*process = f;
	return true;
}

const struct job_kind job_kind_fetch = {
    .name = "fetch",
    .check = fetch_check,
    .show = fetch_args_mask,
    .open = fetch_open,
    .close = fetch_close,
    .credit = fetch_credit,
    .start = fetch_start,
    .cancel = fetch_cancel,
};
