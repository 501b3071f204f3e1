/*
 * runner.c - see runner.h.
 */
#include "jobs/runner.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "jobs/jobs_shared.h"

struct runner {
	struct loop *loop;
	struct runner_settings settings;
	struct watch doorbell, emptied;
};

static void
doorbell_cb(void *arg, short what)
{
	struct runner *r = arg;

	(void)what;
	doorbell_answer(r->settings.bell, r->settings.slot);
}

static void
emptied_cb(void *arg, short what)
{
	struct runner *r = arg;

	(void)what;
	r->settings.emptied(r->settings.ctx);
}

struct runner *
runner_new(struct loop *loop, const struct runner_settings *settings)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r) {
		log_error("jobs: out of memory");
		return NULL;
	}
	r->loop = loop;
	r->settings = *settings;
	watch_init(&r->doorbell, loop, settings->bell->fd[settings->slot], LOOP_READ,
		   "jobs doorbell", doorbell_cb, r);
	watch_init_timer(&r->emptied, loop, "jobs emptied", emptied_cb, r);
	if (!watch_start(&r->doorbell))
		runner_free(&r);
	return r;
}

void
runner_free(struct runner **runner)
{
	if (!*runner)
		return;
	watch_stop(&(*runner)->doorbell);
	watch_stop(&(*runner)->emptied);
	free(*runner);
	*runner = NULL;
}

void
runner_drain(struct runner *runner)
{
	watch_start_ms(&runner->emptied, 0);
}

void
runner_leave(struct runner *runner)
{
	watch_start_ms(&runner->emptied, 0);
}

size_t
runner_running(const struct runner *runner)
{
	(void)runner;
	return 0;
}
