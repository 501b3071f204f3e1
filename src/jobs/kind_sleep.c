/*
 * kind_sleep.c - does nothing for {"ms": 0..3600000} milliseconds, 0 if it is not given; its result
 * is null. It shows how a kind is written, and what a job costs.
 */
#include "jobs/kind_sleep.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "jobs/run.h"

#define SLEEP_MAX_MS 3600000

LIST_HEAD(sleep_list, sleep);

struct sleep_process {
	struct loop *loop;
	struct sleep_list sleeps;
};

struct sleep {
	struct job_run *run;
	struct watch timer;
	LIST_ENTRY(sleep) link;
};

/* -1: these are no milliseconds. */
static int64_t
read_ms(const json_t *ms)
{
	const double value = json_number_value(ms);

	if (!ms)
		return 0;
	if (!json_is_number(ms) || !(value >= 0 && value <= SLEEP_MAX_MS) ||
	    (double)(int64_t)value != value)
		return -1;
	return (int64_t)value;
}

static bool
sleep_check(const json_t *args, const struct config *config, struct mistakes *mistakes)
{
	const size_t before = mistakes->n;
	const char *key;
	json_t *value;

	(void)config;
	if (!json_is_object(args)) {
		mistakes_add(mistakes, "must be an object, {\"ms\": 20}");
		return false;
	}
	/* jansson's iteration wants an object that could be changed; it is not */
	json_object_foreach((json_t *)(uintptr_t)args, key, value)
	{
		if (strcmp(key, "ms") != 0)
			mistakes_add_key(mistakes, span_str(key),
					 "sleep has no such member; it has ms");
		else if (read_ms(value) < 0)
			mistakes_add_key(mistakes, SPAN_LIT("ms"),
					 "must be a whole number of milliseconds, 0 to %d",
					 SLEEP_MAX_MS);
	}
	return mistakes->n == before;
}

static void
sleep_free(struct sleep *sleep)
{
	watch_stop(&sleep->timer);
	LIST_REMOVE(sleep, link);
	free(sleep);
}

static void
sleep_end(struct sleep *sleep, enum job_outcome outcome)
{
	struct job_run *run = sleep->run;

	sleep_free(sleep);
	job_run_done(run, outcome, span_from(NULL, 0), NULL, 0);
}

static void
timer_cb(void *arg, short what)
{
	(void)what;
	sleep_end(arg, JOB_DONE);
}

static bool
sleep_open(const struct job_kind_env *env, void **process)
{
	struct sleep_process *p = calloc(1, sizeof(*p));

	if (!p) {
		log_error("jobs: out of memory");
		return false;
	}
	p->loop = env->loop;
	LIST_INIT(&p->sleeps);
	*process = p;
	return true;
}

static void
sleep_close(void *process)
{
	struct sleep_process *p = process;

	while (!LIST_EMPTY(&p->sleeps))
		sleep_free(LIST_FIRST(&p->sleeps));
	free(p);
}

static void
sleep_start(struct job_run *run)
{
	struct sleep_process *p = run->process;
	const int64_t ms = read_ms(json_object_get(run->args, "ms"));

	if (ms == 0) {
		job_run_done(run, JOB_DONE, span_from(NULL, 0), NULL, 0);
		return;
	}
	struct sleep *sleep = calloc(1, sizeof(*sleep));
	if (!sleep) {
		job_run_done(run, JOB_GIVEN_BACK, span_from(NULL, 0), NULL, 0);
		return;
	}
	sleep->run = run;
	run->state = sleep;
	LIST_INSERT_HEAD(&p->sleeps, sleep, link);
	watch_init_timer(&sleep->timer, p->loop, "sleep", timer_cb, sleep);
	watch_start_ms(&sleep->timer, (uint64_t)ms);
}

static void
sleep_cancel(struct job_run *run)
{
	sleep_end(run->state, JOB_CANCELLED);
}

const struct job_kind job_kind_sleep = {
    .name = "sleep",
    .check = sleep_check,
    .open = sleep_open,
    .close = sleep_close,
    .start = sleep_start,
    .cancel = sleep_cancel,
};
