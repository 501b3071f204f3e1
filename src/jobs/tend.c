/*
 * tend.c - see tend.h. Each thing that is done has one timer and at most one call under way.
 */
#include "jobs/tend.h"

#include <stdlib.h>

#include "base/log.h"
#include "jobs/jobs_shared.h"

/* Others believe us dead after five of these. */
#define BEAT_MS   2000
#define QUEUES_MS 1000
/* Of many jobs that wait a look is work: it takes no more than this part of the time. */
#define QUEUES_SHARE   10
#define QUEUES_MS_MAX  60000
#define QUEUES_BUSY_MS 10000
#define RESCUE_MS      2000
/*
 * The server goes on with what a dead one has asked for, and may still claim jobs for it. Who does
 * not look again finds them by their silence, which takes longer.
 */
#define DEAD_FIRST_MS 250
#define DEAD_LAST_MS  1000
#define DEAD_FOR_MS   10000
/*
 * Who has not beaten for so long was stopped, and perhaps others with it, the whole machine: for a
 * while nobody's silence says anything, its own the least.
 */
#define STALL_MS 5000
#define GRACE_MS 12000
/* Schedules that other hosts have made are found by then. */
#define PROMOTE_MS 1000
#define KEEP_MS    3600000
/* After an answer that was none. */
#define AGAIN_MS      500
#define KEEP_AGAIN_MS 60000

struct tend;

struct chore {
	struct tend *tend;
	void (*begin)(struct tend *tend);
	struct watch timer;
	bool is_begun;
	bool is_wanted; /* at once, when the one under way has ended */
};

/* What was done for the dead one in a place of the segment. */
struct mourning {
	int64_t worker; /* whom it is for */
	uint64_t first_ms, next_ms, pause_ms;
};

struct tend {
	struct loop *loop;
	struct tend_settings settings;
	struct jobs_shared *shared;
	bool is_connected, is_known, is_draining, is_ended;
	bool is_read_only; /* the server, at the last beat */
	struct chore beat, queues, rescue, promote, keep;
	struct mourning dead[JOB_DEAD];
	struct mourning *rescued; /* that the call under way is for; NULL: no dead one */
	uint64_t beaten_ms, rescue_from_ms;
	/* to measure how fast queues drain */
	uint64_t drained[JOB_QUEUES], measured_ms;
	/* the queues' cells when the database was asked for them */
	struct {
		uint64_t hash;
		int64_t depth;
	} asked[JOB_QUEUES];
};

static void
chore_begin(struct chore *chore)
{
	watch_stop(&chore->timer);
	if (chore->is_begun) {
		chore->is_wanted = true;
		return;
	}
	const struct tend *tend = chore->tend;
	if (!tend->is_connected || tend->is_ended || (chore != &tend->beat && !tend->is_known))
		return;
	chore->is_begun = true;
	chore->is_wanted = false;
	chore->begin(chore->tend);
}

static void
chore_in(struct chore *chore, uint64_t ms)
{
	watch_start_ms(&chore->timer, ms);
}

/* Its answer is here. */
static void
chore_end(struct chore *chore, uint64_t next_ms)
{
	const struct tend *tend = chore->tend;

	chore->is_begun = false;
	if (!tend->is_connected || tend->is_ended || (tend->is_draining && chore != &tend->beat))
		return;
	chore_in(chore, chore->is_wanted ? 0 : next_ms);
}

static void
chore_cb(void *arg, short what)
{
	(void)what;
	chore_begin(arg);
}

static void
chore_init(struct chore *chore, struct tend *tend, const char *name, void (*begin)(struct tend *))
{
	chore->tend = tend;
	chore->begin = begin;
	watch_init_timer(&chore->timer, tend->loop, name, chore_cb, chore);
}

/* ---- jobs that somebody has moved ---- */

/* `was_there`: they have been waiting all the time, for a later moment. */
static void
take_moved(struct tend *tend, const struct moved *moved, bool was_there)
{
	const struct tend_settings *s = &tend->settings;

	for (size_t i = 0; i < moved->n; i++) {
		const struct moved_row *row = &moved->row[i];
		const struct job_told told = {
		    .id = &row->id,
		    .kind = row->kind,
		    .queue = row->queue,
		    .state = row->state,
		    .progress = -1,
		};
		struct job_queue_cell *cell;

		job_tell(s->teller, &told);
		if (row->state != JOB_STATE_QUEUED)
			continue;
		cell = jobs_queue(s->segment, row->queue, true);
		if (cell && was_there)
			jobs_queue_ready(tend->shared, cell, 1, row->hand);
		else if (cell)
			jobs_queue_put(tend->shared, cell, 1, row->hand);
		if (row->hand == 'p')
			s->ready(row->queue, false, s->ctx);
	}
}

/* ---- being alive ---- */

static void
note_read_only(struct tend *tend, const struct queue_answer *answer)
{
	if (answer->is_read_only && !tend->is_read_only)
		log_warning("jobs: the database takes no writes (it is a standby, or "
			    "default_transaction_read_only is on): nothing is run until it does");
	else if (answer->outcome == QUEUE_OK && tend->is_read_only)
		log_info("jobs: the database takes writes");
	if (answer->is_read_only || answer->outcome == QUEUE_OK)
		tend->is_read_only = answer->is_read_only;
}

static void
beat_cb(const struct queue_answer *answer, const struct uuid *id, size_t n, void *ctx)
{
	struct tend *tend = ctx;
	const struct tend_settings *s = &tend->settings;
	const bool was_known = tend->is_known;

	note_read_only(tend, answer);
	if (answer->outcome != QUEUE_OK) {
		chore_end(&tend->beat, AGAIN_MS);
		return;
	}
	tend->is_known = tend->is_connected;
	tend->beaten_ms = loop_now_ms(tend->loop);
	chore_end(&tend->beat, BEAT_MS);
	if (!tend->is_known)
		return;
	for (size_t i = 0; i < n; i++)
		s->cancelled(&id[i], s->ctx);
	if (!was_known && !tend->is_draining) {
		chore_begin(&tend->rescue);
		chore_begin(&tend->promote);
		chore_begin(&tend->queues);
		chore_begin(&tend->keep);
	}
	s->beaten(s->ctx);
}

static void
beat_begin(struct tend *tend)
{
	queue_beat(tend->settings.queue, tend->settings.worker, beat_cb, tend);
}

/* ---- the dead ---- */

/* The next one to look for, if its time has come; *in_ms: until the next look, for whomever. */
static struct mourning *
next_dead(struct tend *tend, uint64_t *in_ms)
{
	const uint64_t now_ms = loop_now_ms(tend->loop);
	struct mourning *due = NULL;

	*in_ms = RESCUE_MS;
	for (unsigned i = 0; i < JOB_DEAD; i++) {
		struct mourning *dead = &tend->dead[i];
		const int64_t worker = jobs_dead(tend->shared, i);

		if (worker == 0)
			continue;
		if (dead->worker != worker)
			*dead = (struct mourning){.worker = worker, .next_ms = now_ms};
		if (dead->next_ms <= now_ms && (!due || dead->next_ms < due->next_ms))
			due = dead;
		else if (dead->next_ms > now_ms && dead->next_ms - now_ms < *in_ms)
			*in_ms = dead->next_ms - now_ms;
	}
	if (due)
		*in_ms = 0;
	return due;
}

static void
looked_for_dead(struct tend *tend, struct mourning *dead)
{
	const uint64_t now_ms = loop_now_ms(tend->loop);

	if (dead->pause_ms == 0)
		dead->first_ms = now_ms;
	if (now_ms - dead->first_ms >= DEAD_FOR_MS) {
		jobs_forget_dead(tend->shared, dead->worker);
		*dead = (struct mourning){0};
		return;
	}
	dead->pause_ms = dead->pause_ms == 0                 ? DEAD_FIRST_MS
			 : 2 * dead->pause_ms < DEAD_LAST_MS ? 2 * dead->pause_ms
							     : DEAD_LAST_MS;
	dead->next_ms = now_ms + dead->pause_ms;
}

static void
rescue_cb(const struct queue_answer *answer, const struct moved *moved, void *ctx)
{
	struct tend *tend = ctx;
	uint64_t in_ms;

	if (answer->outcome != QUEUE_OK) {
		chore_end(&tend->rescue, AGAIN_MS);
		return;
	}
	take_moved(tend, moved, false);
	if (moved->n)
		log_info("jobs: %zu %s taken from %s", moved->n, moved->n == 1 ? "was" : "were",
			 tend->rescued ? "an executor that has died"
				       : "those who had not been heard of");
	if (tend->rescued && !moved->is_more)
		looked_for_dead(tend, tend->rescued);
	(void)next_dead(tend, &in_ms);
	chore_end(&tend->rescue, moved->is_more ? 0 : in_ms);
}

static void
rescue_begin(struct tend *tend)
{
	const uint64_t now_ms = loop_now_ms(tend->loop);
	uint64_t in_ms;

	if (now_ms - tend->beaten_ms > STALL_MS) {
		tend->rescue_from_ms = now_ms + GRACE_MS;
		chore_begin(&tend->beat);
	}
	if (now_ms < tend->rescue_from_ms) {
		chore_end(&tend->rescue, tend->rescue_from_ms - now_ms);
		return;
	}
	tend->rescued = next_dead(tend, &in_ms);
	queue_rescue(tend->settings.queue, tend->rescued ? tend->rescued->worker : 0, rescue_cb,
		     tend);
}

static bool
has_new_dead(const struct tend *tend)
{
	for (unsigned i = 0; i < JOB_DEAD; i++) {
		const int64_t worker = jobs_dead(tend->shared, i);

		if (worker && worker != tend->dead[i].worker)
			return true;
	}
	return false;
}

void
tend_rescue(struct tend *tend)
{
	if (!tend->is_draining && has_new_dead(tend) &&
	    loop_now_ms(tend->loop) >= tend->rescue_from_ms)
		chore_begin(&tend->rescue);
}

/* ---- the scheduled ---- */

static void
promote_cb(const struct queue_answer *answer, const struct moved *moved, void *ctx)
{
	struct tend *tend = ctx;
	uint64_t next_ms = PROMOTE_MS;

	if (answer->outcome != QUEUE_OK) {
		chore_end(&tend->promote, AGAIN_MS);
		return;
	}
	take_moved(tend, moved, true);
	if (moved->is_more)
		next_ms = 0;
	else if (moved->next_ms >= 0 && moved->next_ms < PROMOTE_MS)
		next_ms = (uint64_t)moved->next_ms;
	chore_end(&tend->promote, next_ms);
}

static void
promote_begin(struct tend *tend)
{
	queue_promote(tend->settings.queue, promote_cb, tend);
}

void
tend_promote_in(struct tend *tend, uint64_t ms)
{
	/* later ones are seen by the next look */
	if (ms < PROMOTE_MS && !tend->is_draining && !tend->promote.is_begun)
		chore_in(&tend->promote, ms);
}

/* ---- the queues ---- */

static void
measure(struct tend *tend)
{
	const uint64_t now_ms = loop_now_ms(tend->loop), took_ms = now_ms - tend->measured_ms;

	for (unsigned i = 0; i < JOB_QUEUES; i++) {
		struct job_queue_cell *cell = &tend->shared->queue[i];
		const uint64_t drained = atomic_load(&cell->drained);
		const uint64_t n = drained > tend->drained[i] ? drained - tend->drained[i] : 0;

		/* half of it is what was before: one second says little */
		if (tend->measured_ms && took_ms)
			atomic_store(&cell->rate,
				     (atomic_load(&cell->rate) + n * 1000000 / took_ms) / 2);
		tend->drained[i] = drained;
	}
	tend->measured_ms = now_ms;
}

static bool
is_idle(const struct queue_row *row)
{
	return row->ready == 0 && row->later == 0 && row->running == 0 && !row->is_paused &&
	       row->concurrency < 0 && row->depth < 0;
}

/* Where jobs go that name no queue: names that somebody makes up must not keep them out. */
static const char *const kept[] = {"default", "fetch"};

static bool
is_kept(struct span name)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (span_eq(span_str(kept[i]), name))
			return true;
	}
	return false;
}

static bool
is_crowded(const struct tend *tend)
{
	unsigned used = 0;

	for (unsigned i = 0; i < JOB_QUEUES; i++)
		used += atomic_load(&tend->shared->queue[i].name_len) > 0;
	return used > JOB_QUEUES / 4 * 3;
}

/*
 * Those whose names the database does not have; and where cells run short, those that it has for
 * nothing but their names.
 */
static void
forget_gone(struct tend *tend, const struct queue_row *row, size_t n)
{
	const bool crowded = is_crowded(tend);

	for (unsigned i = 0; i < JOB_QUEUES; i++) {
		struct job_queue_cell *cell = &tend->shared->queue[i];
		char name[JOB_QUEUE_NAME_MAX];
		const size_t len = jobs_queue_name(tend->settings.segment, i, name);
		size_t k = 0;

		while (k < n && !span_eq(row[k].name, span_from(name, len)))
			k++;
		if (len == 0 || is_kept(span_from(name, len)) ||
		    (k < n && !(crowded && is_idle(&row[k]))))
			continue;
		/* what has been put there is not committed yet, maybe */
		if (atomic_load(&cell->depth) > 0)
			jobs_queue_set(cell, atomic_load(&cell->depth), 0, 0, false);
		else
			jobs_queue_forget(cell);
	}
}

/* Of a cell that was another queue's then, or nobody's, nothing is kept. */
static int64_t
asked_depth(const struct tend *tend, const struct job_queue_cell *cell)
{
	const size_t i = (size_t)(cell - tend->shared->queue);

	return atomic_load(&cell->hash) == tend->asked[i].hash ? tend->asked[i].depth
							       : atomic_load(&cell->depth);
}

static void
queues_cb(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	struct tend *tend = ctx;
	const struct tend_settings *s = &tend->settings;
	uint64_t pause_ms;

	if (answer->outcome != QUEUE_OK) {
		/* one that took too long is not asked for again at once */
		chore_end(&tend->queues, answer->outcome == QUEUE_BUSY ? QUEUES_BUSY_MS : AGAIN_MS);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const int64_t depth = row[i].ready + row[i].later;
		struct job_queue_cell *cell =
		    jobs_queue(s->segment, row[i].name, !is_idle(&row[i]));

		if (cell)
			jobs_queue_set(cell, asked_depth(tend, cell), depth,
				       row[i].depth < 0 ? 0 : row[i].depth, row[i].is_paused);
		if (row[i].ready_p > 0 && !row[i].is_paused)
			s->ready(row[i].name, true, s->ctx);
	}
	forget_gone(tend, row, n);
	measure(tend);
	pause_ms = QUEUES_SHARE * answer->took_us / 1000;
	if (pause_ms < QUEUES_MS)
		pause_ms = QUEUES_MS;
	chore_end(&tend->queues, pause_ms < QUEUES_MS_MAX ? pause_ms : QUEUES_MS_MAX);
}

static void
queues_begin(struct tend *tend)
{
	for (unsigned i = 0; i < JOB_QUEUES; i++) {
		const struct job_queue_cell *cell = &tend->shared->queue[i];

		tend->asked[i].hash = atomic_load(&cell->hash);
		tend->asked[i].depth = atomic_load(&cell->depth);
	}
	queue_queues(tend->settings.queue, span_from(NULL, 0), queues_cb, tend);
}

/* ---- what is old ---- */

static void
keep_cb(const struct queue_answer *answer, void *ctx)
{
	struct tend *tend = ctx;

	chore_end(&tend->keep, answer->outcome == QUEUE_OK ? KEEP_MS : KEEP_AGAIN_MS);
}

static void
keep_begin(struct tend *tend)
{
	queue_keep(tend->settings.queue, keep_cb, tend);
}

/* ---- life ---- */

struct tend *
tend_new(struct loop *loop, const struct tend_settings *settings)
{
	struct tend *tend = calloc(1, sizeof(*tend));

	if (!tend) {
		log_error("jobs: out of memory");
		return NULL;
	}
	tend->loop = loop;
	tend->settings = *settings;
	tend->shared = jobs_shared_of(settings->segment);
	chore_init(&tend->beat, tend, "jobs beat", beat_begin);
	chore_init(&tend->queues, tend, "jobs queues", queues_begin);
	chore_init(&tend->rescue, tend, "jobs rescue", rescue_begin);
	chore_init(&tend->promote, tend, "jobs promote", promote_begin);
	chore_init(&tend->keep, tend, "jobs keep", keep_begin);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		(void)jobs_queue(settings->segment, span_str(kept[i]), true);
	return tend;
}

static void
stop_timers(struct tend *tend, bool all)
{
	if (all)
		watch_stop(&tend->beat.timer);
	watch_stop(&tend->queues.timer);
	watch_stop(&tend->rescue.timer);
	watch_stop(&tend->promote.timer);
	watch_stop(&tend->keep.timer);
}

void
tend_free(struct tend **tend)
{
	if (!*tend)
		return;
	stop_timers(*tend, true);
	free(*tend);
	*tend = NULL;
}

void
tend_set_connected(struct tend *tend, bool connected)
{
	if (tend->is_connected == connected)
		return;
	tend->is_connected = connected;
	tend->is_known = false;
	if (connected)
		chore_begin(&tend->beat);
	else
		stop_timers(tend, true);
}

void
tend_drain(struct tend *tend)
{
	tend->is_draining = true;
	stop_timers(tend, false);
}

bool
tend_end(struct tend *tend)
{
	tend->is_ended = true;
	stop_timers(tend, true);
	return tend->is_known || (tend->beat.is_begun && !tend->is_read_only);
}
