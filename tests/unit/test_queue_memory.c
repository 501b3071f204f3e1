/* links: tests/unit/fail_alloc.c $(queue_box) -levent_core -lpq -lcrypto -ljansson -lpthread */
/*
 * test_queue_memory.c - each allocation in the life of a queue fails once, from its opening on:
 * every call has one answer, a true one, and afterwards it works as if nothing had been.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fail_alloc.h"
#include "queue_rig.h"

static struct pg_server server;
static struct queue_rig rig;

static void
start_server(void)
{
	pg_server_start(&server, "");
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

/* ---- calls ---- */

enum call {
	CALL_PUT,
	CALL_PUT_KEYED,
	CALL_CLAIM,
	CALL_FINISH,
	CALL_EXTEND,
	CALL_PART,
	CALL_CANCEL,
	CALL_RETRY,
	CALL_GET,
	CALL_LIST,
	CALL_QUEUES,
	CALL_SET,
	CALL_BEAT,
	CALL_RESCUE,
	CALL_DISOWN,
	CALL_PROMOTE,
	CALL_KEEP,
	CALLS
};

static unsigned answers;
static enum queue_outcome outcome;
static size_t n_claimed;
static struct claimed claimed;
static bool was_claimed;

static void
note(const struct queue_answer *answer)
{
	answers++;
	outcome = answer->outcome;
}

static void
put_cb(const struct queue_answer *answer, const struct put_row *row, size_t n, void *ctx)
{
	(void)row;
	(void)n;
	(void)ctx;
	note(answer);
}

static void
claim_cb(const struct queue_answer *answer, const struct claim_result *result, void *ctx)
{
	(void)ctx;
	note(answer);
	n_claimed = result ? result->n : 0;
	if (n_claimed) {
		was_claimed = true;
		claimed = result->job[0];
	}
}

static void
finish_cb(const struct queue_answer *answer, const struct ended_row *row, void *ctx)
{
	(void)row;
	(void)ctx;
	note(answer);
}

static void
extend_cb(const struct queue_answer *answer, const struct extend_row *row, void *ctx)
{
	(void)row;
	(void)ctx;
	note(answer);
}

static void
part_cb(const struct queue_answer *answer, bool is_lost, void *ctx)
{
	(void)is_lost;
	(void)ctx;
	note(answer);
}

static void
cancel_cb(const struct queue_answer *answer, const struct cancel_row *row, void *ctx)
{
	(void)row;
	(void)ctx;
	note(answer);
}

static void
retry_cb(const struct queue_answer *answer, const struct retry_row *row, void *ctx)
{
	(void)row;
	(void)ctx;
	note(answer);
}

static void
rows_cb(const struct queue_answer *answer, const struct job_row *row, size_t n, void *ctx)
{
	(void)row;
	(void)n;
	(void)ctx;
	note(answer);
}

static void
queues_cb(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	(void)row;
	(void)n;
	(void)ctx;
	note(answer);
}

static void
ids_cb(const struct queue_answer *answer, const struct uuid *id, size_t n, void *ctx)
{
	(void)id;
	(void)n;
	(void)ctx;
	note(answer);
}

static void
moved_cb(const struct queue_answer *answer, const struct moved *moved, void *ctx)
{
	(void)moved;
	(void)ctx;
	note(answer);
}

static void
keep_cb(const struct queue_answer *answer, void *ctx)
{
	(void)ctx;
	note(answer);
}

static void
put(bool is_keyed)
{
	struct job_new job = {
	    .hand = 'w',
	    .queue = SPAN_LIT("q"),
	    .kind = SPAN_LIT("k"),
	    .args = SPAN_LIT("{}"),
	    .priority = 5,
	    .max_attempts = 50,
	    .unique = is_keyed ? SPAN_LIT("key") : span_from(NULL, 0),
	};

	if (uuid_make(&job.id))
		queue_put(rig.queue, &job, 1, put_cb, NULL);
}

static void
call(enum call which)
{
	struct queue *q = rig.queue;
	const struct claim claim = {
	    .queue = SPAN_LIT("q"), .hand = 'w', .max = 1, .worker = 3, .lease_ms = 60000};
	const struct ended ended = {.id = claimed.id,
				    .lease = claimed.lease,
				    .outcome = JOB_GIVEN_BACK,
				    .result = SPAN_LIT("{}"),
				    .error = "no"};
	const struct extend extend = {claimed.id, claimed.lease, 1000, 5};
	const struct part part = {claimed.id, claimed.lease, 1, SPAN_LIT("1")};
	const struct job_list list = {.state = JOB_STATE_DEAD, .limit = 5};
	const struct queue_change change = {.name = SPAN_LIT("q"), .sets_paused = true};

	switch (which) {
	case CALL_PUT: put(false); break;
	case CALL_PUT_KEYED: put(true); break;
	case CALL_CLAIM: queue_claim(q, &claim, claim_cb, NULL); break;
	case CALL_FINISH: queue_finish(q, &ended, finish_cb, NULL); break;
	case CALL_EXTEND: queue_extend(q, &extend, extend_cb, NULL); break;
	case CALL_PART: queue_put_part(q, &part, part_cb, NULL); break;
	case CALL_CANCEL: queue_cancel(q, &claimed.id, cancel_cb, NULL); break;
	case CALL_RETRY: queue_retry(q, &claimed.id, retry_cb, NULL); break;
	case CALL_GET: queue_get(q, &claimed.id, rows_cb, NULL); break;
	case CALL_LIST: queue_list(q, &list, rows_cb, NULL); break;
	case CALL_QUEUES: queue_queues(q, span_from(NULL, 0), queues_cb, NULL); break;
	case CALL_SET: queue_set(q, &change, queues_cb, NULL); break;
	case CALL_BEAT: queue_beat(q, 3, ids_cb, NULL); break;
	case CALL_RESCUE: queue_rescue(q, 3, moved_cb, NULL); break;
	case CALL_DISOWN: queue_disown(q, 3, &claimed.id, 1, moved_cb, NULL); break;
	case CALL_PROMOTE: queue_promote(q, moved_cb, NULL); break;
	case CALL_KEEP: queue_keep(q, keep_cb, NULL); break;
	case CALLS: break;
	}
}

static uint64_t give_up_ms;
static struct watch ticker;

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_start_ms(&ticker, 2);
}

/* Ends when it is answered, or the queue is ready; also when that takes too long. */
static bool wants_answer;

static bool
pass(void *arg)
{
	(void)arg;
	if ((wants_answer ? answers > 0 : queue_is_ready(rig.queue)) ||
	    clock_monotonic_ms() > give_up_ms)
		loop_stop(rig.loop);
	return false;
}

static void
run(bool for_answer)
{
	wants_answer = for_answer;
	give_up_ms = clock_monotonic_ms() + 20000;
	if (wants_answer ? answers == 0 : !queue_is_ready(rig.queue))
		loop_run(rig.loop);
}

static void
hook(void)
{
	static struct pass_hook hooks[2];
	static unsigned n;

	hooks[n] = (struct pass_hook){.fn = pass, .name = "memory"};
	loop_add_pass_hook(rig.loop, &hooks[n++]);
	watch_init_timer(&ticker, rig.loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
}

static void
begin(void)
{
	queue_rig_init(&rig, &server, 2);
	hook();
}

START_TEST(each_call_is_answered_once)
{
	const enum call which = (enum call)_i;
	unsigned n = 0, failed = 0;

	begin();
	/* one of each kind, that all may be asked about it */
	answers = 0;
	call(CALL_PUT);
	run(true);
	for (bool has_failed = true; has_failed;) {
		/* what the call is about is there each time */
		if (which == CALL_FINISH || which == CALL_EXTEND || which == CALL_PART ||
		    which == CALL_BEAT || which == CALL_RESCUE || which == CALL_DISOWN) {
			answers = 0;
			call(CALL_CLAIM);
			run(true);
		}
		answers = 0;
		fail_alloc_at(++n, false);
		call(which);
		/* libevent's and the log's own are not asked for while it waits */
		run(true);
		has_failed = fail_alloc_end();
		ck_assert_msg(answers == 1, "allocation %u: %u answers", n, answers);
		ck_assert_msg(has_failed || outcome == QUEUE_OK, "allocation %u: %d", n, outcome);
		failed += has_failed && outcome != QUEUE_OK;
		/* and then it works */
		run(false);
		answers = 0;
		call(which);
		run(true);
		ck_assert_uint_eq(answers, 1);
		ck_assert_msg(outcome == QUEUE_OK, "after allocation %u: %d", n, outcome);
		ck_assert_uint_lt(n, 500);
	}
	ck_assert_uint_ge(failed, 1);
	watch_stop(&ticker);
	queue_rig_fini(&rig);
}
END_TEST

/* Allocations of an opening, and a few more; each in a process of its own. */
#define OPENING 110

START_TEST(a_queue_opens_or_not)
{
	const struct queue_settings settings = {.config = &rig.config, .lanes = 3};

	begin();
	queue_free(&rig.queue);
	loop_free(&rig.loop);
	rig.loop = loop_new();
	hook();
	fail_alloc_at((unsigned)_i, false);
	rig.queue = queue_new(rig.loop, &settings);
	if (rig.queue)
		run(false);
	const bool has_failed = fail_alloc_end();
	/* the last of them are more than there are */
	ck_assert(has_failed || rig.queue);
	ck_assert(has_failed || _i > 40);
	ck_assert(!has_failed || _i < OPENING);
	ck_assert(!rig.queue || queue_is_ready(rig.queue));
	watch_stop(&ticker);
	queue_rig_fini(&rig);
	ck_assert_ptr_null(rig.queue);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue, memory");
	TCase *tc = tcase_create("memory");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_loop_test(tc, each_call_is_answered_once, 0, CALLS);
	tcase_add_loop_test(tc, a_queue_opens_or_not, 1, OPENING + 1);
	tcase_set_timeout(tc, 300);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
