/*
 * job_teller.c - see job_teller.h.
 */
#include "jobs/job_teller.h"

static bool
pass_cb(void *arg)
{
	struct job_teller *teller = arg;

	if (teller->has_told)
		doorbell_ring_sleepers(teller->bell, teller->segment, teller->slot);
	if (teller->has_cancelled)
		jobs_ring(teller->segment, teller->bell);
	teller->has_told = teller->has_cancelled = false;
	return false;
}

void
job_teller_init(struct job_teller *teller, struct loop *loop)
{
	teller->has_told = teller->has_cancelled = false;
	teller->hook = (struct pass_hook){.fn = pass_cb, .name = "jobs tell", .arg = teller};
	loop_add_pass_hook(loop, &teller->hook);
}

void
job_teller_wake(struct job_teller *teller)
{
	/* no job has this id */
	const struct job_news news = {.state = JOB_STATE_QUEUED};

	jobs_tell(jobs_shared_of(teller->segment), &news);
	teller->has_told = true;
}

void
job_tell(struct job_teller *teller, const struct job_told *told)
{
	const struct job_news news = {.id = *told->id, .state = told->state};
	char text[JOB_TOLD_SIZE];

	jobs_tell(jobs_shared_of(teller->segment), &news);
	teller->has_told = true;
	if (told->state == JOB_STATE_CANCELLING)
		teller->has_cancelled = true;
	else if (teller->tell)
		teller->tell(job_told_json(told, text), teller->ctx);
}
