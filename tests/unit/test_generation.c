/* links: src/generation.c src/jobs/jobs_shared.c src/jobs/credits.c src/proc/address_count.c
 * src/proc/process.c src/proc/cpus.c src/proc/segment.c src/proc/doorbell.c src/proc/listen.c
 * src/proc/holder.c src/proc/notify.c src/base/buffer.c src/base/log.c src/base/clock.c
 * src/base/siphash.c src/config/conninfo.c -lpq */
/*
 * test_generation.c - birth, death, pauses and deadlines of workers. The processes are real, what
 * they do is a script of the test's.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "executor.h"
#include "generation.h"
#include "hub/hub_segment.h"
#include "jobs/jobs_shared.h"
#include "worker.h"

static struct generation g;
static struct common common;
static struct config *config;
static unsigned recovered, freed;
static char no_database[] = "", database[] = "dbname=shelf";

/* What the workers of this test do; inherited by fork. */
static enum {
	GET_READY, /* and wait for a signal */
	EXIT_3,
	HANG, /* never ready, and only SIGKILL ends it */
	GET_READY_AND_EXIT
} script;

static int
play(struct slot *slot, const struct doorbell *bell)
{
	sigset_t none;

	if (script == EXIT_3)
		return 3;
	if (script == HANG) {
		signal(SIGTERM, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, SIG_IGN);
	}
	if (script != HANG) {
		slot->empty_since_ms = 0;
		slot->state = SLOT_READY;
		doorbell_ring(bell, DOORBELL_MASTER);
	}
	if (script == GET_READY_AND_EXIT)
		return 4;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
}

int
worker_run(const struct worker_args *args)
{
	struct slot *slot = &args->segment->slots[slot_index(args->index, args->generation)];

	if (slot->pid != getpid() || args->workers != g.workers || args->config != config)
		return 9;
	return play(slot, args->bell);
}

int
executor_run(const struct executor_args *args)
{
	struct slot *slot = &args->segment->slots[slot_index(SEGMENT_EXECUTOR, args->generation)];

	if (slot->pid != getpid() || args->config != config)
		return 9;
	return play(slot, args->bell);
}

void
hub_log_recover(struct segment *segment, const struct doorbell *bell, unsigned slot)
{
	ck_assert_uint_lt(slot, SEGMENT_SLOTS);
	ck_assert_ptr_eq(segment, common.segment);
	ck_assert_ptr_eq(bell, &common.bell);
	recovered++;
}

void
config_free(struct config **c)
{
	freed += *c != NULL;
	free(*c);
	*c = NULL;
}

static void
setup(void)
{
	common.master = getpid();
	common.segment = segment_new(4096);
	ck_assert_ptr_nonnull(common.segment);
	ck_assert(doorbell_init(&common.bell));
	config = calloc(1, sizeof(*config));
	config->server_workers = 2;
	config->store_database = no_database;
	script = GET_READY;
}

static void
teardown(void)
{
	for (unsigned i = 0; i < g.processes; i++) {
		if (g.child[i].pid) {
			kill(g.child[i].pid, SIGKILL);
			waitpid(g.child[i].pid, NULL, 0);
		}
	}
	generation_end(&g);
	segment_free(&common.segment);
}

static void
start(void)
{
	struct listeners none = {0, NULL};

	ck_assert(generation_start(&g, &common, 5, config, &none));
}

static struct slot *
slot_of(unsigned index)
{
	return &common.segment->slots[slot_index(index, 5)];
}

/* As the master's loop does, until a ring or a death. */
static void
wait_ring(void)
{
	struct pollfd p = {common.bell.fd[DOORBELL_MASTER], POLLIN, 0};

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	doorbell_answer(&common.bell, DOORBELL_MASTER);
}

static void
wait_all_ready(void)
{
	generation_tend(&g, &common, clock_monotonic_ms());
	while (!generation_all_ready(&g)) {
		wait_ring();
		generation_tend(&g, &common, clock_monotonic_ms());
	}
}

/* Waits for one death and buries it; returns what generation_bury did. */
static bool
bury_next(unsigned *index)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	ck_assert_int_gt(pid, 0);
	ck_assert(generation_find(&g, pid, index));
	return generation_bury(&g, &common, *index, status);
}

static void
bury_all(void)
{
	unsigned index;

	while (generation_living(&g) > 0)
		bury_next(&index);
}

START_TEST(all_are_ready_when_each_has_said_so)
{
	start();
	ck_assert_uint_eq(generation_living(&g), 2);
	ck_assert_int_eq(g.state, GENERATION_STARTING);
	/* watched, that they become so */
	ck_assert_uint_le(generation_deadline_ms(&g), clock_monotonic_ms() + 10000);
	wait_all_ready();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(slot_of(i)->pid, g.child[i].pid);
		ck_assert_uint_eq(slot_of(i)->generation, 5);
	}
	generation_serve(&g);
	ck_assert_int_eq(g.state, GENERATION_SERVING);
	ck_assert_uint_eq(generation_deadline_ms(&g), UINT64_MAX);
}
END_TEST

/* As if it had been started earlier. */
static void
has_lived(unsigned index, uint64_t ms)
{
	g.child[index].spawned_ms = clock_monotonic_ms() - ms;
}

START_TEST(one_that_was_ready_is_replaced_at_once)
{
	unsigned index;

	start();
	wait_all_ready();
	generation_serve(&g);
	for (int round = 0; round < 5; round++) {
		pid_t pid = g.child[1].pid;

		has_lived(1, 10000);
		kill(pid, round % 2 ? SIGABRT : SIGKILL);
		ck_assert(bury_next(&index));
		ck_assert_uint_eq(index, 1);
		ck_assert_uint_eq(recovered, (unsigned)round + 1);
		ck_assert_int_eq(slot_of(1)->pid, 0);
		ck_assert_uint_eq(slot_of(1)->state, SLOT_EMPTY);
		ck_assert_uint_ne(slot_of(1)->empty_since_ms, 0);
		ck_assert_uint_le(generation_deadline_ms(&g), clock_monotonic_ms());
		generation_tend(&g, &common, clock_monotonic_ms());
		ck_assert_int_ne(g.child[1].pid, 0);
		ck_assert_int_ne(g.child[1].pid, pid);
		wait_all_ready();
	}
	/* the other one has not noticed anything */
	ck_assert_int_eq(kill(g.child[0].pid, 0), 0);
}
END_TEST

/* Kills the ready worker 0 and expects the next one after a pause of just so long. */
static void
expect_pause(uint64_t pause_ms)
{
	unsigned index;

	kill(g.child[0].pid, SIGKILL);
	ck_assert(bury_next(&index));
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(g.child[0].throttle_ms, pause_ms);
	uint64_t due_ms = generation_deadline_ms(&g);
	ck_assert_uint_le(due_ms, clock_monotonic_ms() + pause_ms);
	generation_tend(&g, &common, due_ms - 1);
	ck_assert_int_eq(g.child[0].pid, 0);
	generation_tend(&g, &common, due_ms);
	ck_assert_int_ne(g.child[0].pid, 0);
	wait_all_ready();
}

/* It gets as far as READY each time: that must not make us fork as fast as we can. */
START_TEST(death_soon_after_ready_again_is_answered_by_a_pause_that_doubles)
{
	static const unsigned pauses[] = {0,    100,  200,   400,   800,  1600,
					  3200, 6400, 10000, 10000, 10000};

	start();
	wait_all_ready();
	generation_serve(&g);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		expect_pause(pauses[i]);
	/* the other slot has nothing to do with it */
	ck_assert_uint_eq(g.child[1].next_throttle_ms, 0);
	/* a longer life ends that, and not yet what is known of the slot */
	has_lived(0, 10000);
	expect_pause(0);
	has_lived(0, 9000);
	expect_pause(10000);
	/* a minute does */
	has_lived(0, 60000);
	expect_pause(0);
	expect_pause(0);
	expect_pause(100);
}
END_TEST

START_TEST(death_before_ready_is_answered_by_a_pause_that_doubles)
{
	static const unsigned pauses[] = {100,  200,  400,   800,   1600,
					  3200, 6400, 10000, 10000, 10000};
	unsigned index;
	uint64_t empty_since;

	start();
	wait_all_ready();
	generation_serve(&g);
	script = EXIT_3;
	kill(g.child[0].pid, SIGKILL);
	bury_next(&index);
	empty_since = slot_of(0)->empty_since_ms;
	generation_tend(&g, &common, clock_monotonic_ms());
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		ck_assert(!bury_next(&index));
		uint64_t now_ms = clock_monotonic_ms(), due_ms = generation_deadline_ms(&g);
		ck_assert_uint_le(due_ms, now_ms + pauses[i]);
		/* not before, however often we look */
		generation_tend(&g, &common, due_ms - 1);
		ck_assert_int_eq(g.child[0].pid, 0);
		ck_assert_uint_eq(g.child[0].throttle_ms, pauses[i]);
		generation_tend(&g, &common, due_ms);
		ck_assert_int_ne(g.child[0].pid, 0);
		/* neighbours go by when somebody served last */
		ck_assert_uint_eq(slot_of(0)->empty_since_ms, empty_since);
	}
	/* one that serves for a minute makes all forgotten */
	script = GET_READY;
	bury_next(&index);
	generation_tend(&g, &common, generation_deadline_ms(&g));
	wait_all_ready();
	ck_assert_uint_eq(slot_of(0)->empty_since_ms, 0);
	has_lived(0, 60000);
	expect_pause(0);
	expect_pause(0);
	expect_pause(100);
}
END_TEST

START_TEST(ready_counts_also_when_the_master_had_no_time_to_look)
{
	unsigned index;

	script = GET_READY_AND_EXIT;
	start();
	ck_assert(bury_next(&index));
	ck_assert(bury_next(&index));
	ck_assert_uint_eq(g.child[index].throttle_ms, 0);
}
END_TEST

START_TEST(one_that_is_never_ready_is_killed)
{
	unsigned index;

	script = HANG;
	start();
	uint64_t due_ms = generation_deadline_ms(&g);
	ck_assert_uint_gt(due_ms, clock_monotonic_ms() + 5000);
	generation_tend(&g, &common, due_ms - 1);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), 0);
	generation_tend(&g, &common, due_ms + 1000);
	ck_assert(!bury_next(&index));
	ck_assert(!bury_next(&index));
}
END_TEST

/* Replaced a moment before a reload: the new one has not heard of the drain. */
START_TEST(one_that_is_never_ready_is_killed_in_a_drain_too)
{
	unsigned index;

	start();
	wait_all_ready();
	generation_serve(&g);
	script = HANG;
	kill(g.child[1].pid, SIGKILL);
	ck_assert(bury_next(&index));
	generation_tend(&g, &common, generation_deadline_ms(&g));
	pid_t hangs = g.child[1].pid;
	ck_assert_int_ne(hangs, 0);
	generation_drain(&g, 168 * 3600 * 1000);
	ck_assert(bury_next(&index)); /* SIGUSR1 has ended the other one */
	ck_assert_uint_eq(index, 0);
	uint64_t due_ms = generation_deadline_ms(&g);
	ck_assert_uint_le(due_ms, clock_monotonic_ms() + 10000);
	generation_tend(&g, &common, due_ms - 1);
	ck_assert_int_eq(waitpid(hangs, NULL, WNOHANG), 0);
	generation_tend(&g, &common, due_ms);
	ck_assert(!bury_next(&index));
	ck_assert_uint_eq(index, 1);
	/* nobody comes in its place, and nothing is due but the end of the drain */
	ck_assert_uint_gt(generation_deadline_ms(&g), due_ms + 3600 * 1000);
	generation_tend(&g, &common, due_ms + 20000);
	ck_assert_uint_eq(generation_living(&g), 0);
	ck_assert_int_eq(g.state, GENERATION_DRAINING);
}
END_TEST

START_TEST(a_drain_ends_by_itself_and_replaces_nobody)
{
	unsigned index;

	start();
	wait_all_ready();
	generation_serve(&g);
	generation_drain(&g, 3600000);
	ck_assert_int_eq(g.state, GENERATION_DRAINING);
	/* SIGUSR1 ends our workers, for want of a handler */
	ck_assert(bury_next(&index));
	ck_assert(bury_next(&index));
	ck_assert_uint_eq(generation_living(&g), 0);
	generation_tend(&g, &common, clock_monotonic_ms());
	ck_assert_uint_eq(generation_living(&g), 0);
	generation_end(&g);
	ck_assert_uint_eq(freed, 1);
	ck_assert_int_eq(g.state, GENERATION_NONE);
	ck_assert_uint_eq(generation_deadline_ms(&g), UINT64_MAX);
}
END_TEST

START_TEST(who_does_not_leave_is_told_and_then_killed)
{
	int status;

	script = HANG;
	start();
	generation_drain(&g, 50);
	uint64_t due_ms = generation_deadline_ms(&g);
	ck_assert_uint_le(due_ms, clock_monotonic_ms() + 50);
	generation_tend(&g, &common, due_ms - 1);
	ck_assert_int_eq(g.state, GENERATION_DRAINING);
	generation_tend(&g, &common, due_ms);
	ck_assert_int_eq(g.state, GENERATION_LEAVING);
	due_ms = generation_deadline_ms(&g);
	ck_assert_uint_gt(due_ms, clock_monotonic_ms() + 5000);
	ck_assert_int_eq(waitpid(-1, &status, WNOHANG), 0);
	generation_tend(&g, &common, due_ms);
	/* killed once; nothing is due any more */
	ck_assert_uint_eq(generation_deadline_ms(&g), UINT64_MAX);
	bury_all();
}
END_TEST

START_TEST(with_a_database_there_is_an_executor)
{
	struct jobs_shared *jobs = jobs_shared_of(common.segment);
	const struct credits credits = {&jobs->credits, common.segment, &common.bell, 1};
	const struct credits others = {&jobs->credits, common.segment, &common.bell, 0};
	char name[GENERATION_NAME_SIZE], text[2048];
	unsigned index;

	config->store_database = database;
	start();
	ck_assert_uint_eq(generation_living(&g), 3);
	wait_all_ready();
	generation_serve(&g);
	generation_describe(&g, text, sizeof(text));
	ck_assert_msg(strstr(text, "2 workers and an executor"), "%s", text);
	ck_assert_int_eq(slot_of(SEGMENT_EXECUTOR)->pid, g.child[2].pid);
	ck_assert_str_eq(generation_name(&g, 0, name), "worker 0");
	ck_assert_str_eq(generation_name(&g, 2, name), "executor");

	/* when it dies its half of what a host may have is free, and its jobs are wanted */
	jobs_set_worker(jobs, 1, 77);
	jobs_set_worker(jobs, 0, 78);
	ck_assert(credit_take(&credits, &jobs->credits.jobs, 3));
	ck_assert(credit_take(&credits, &jobs->credits.jobs, 3));
	ck_assert(credit_take(&others, &jobs->credits.jobs, 3));
	has_lived(2, 10000);
	kill(g.child[2].pid, SIGKILL);
	ck_assert(bury_next(&index));
	ck_assert_uint_eq(index, 2);
	ck_assert_uint_eq(credit_used(&jobs->credits.jobs), 1);
	ck_assert_int_eq(jobs_dead(jobs, 0), 77);
	/* the one of the other generation is told, to look after them */
	struct pollfd p = {common.bell.fd[slot_index(SEGMENT_EXECUTOR, 0)], POLLIN, 0};
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_uint_le(generation_deadline_ms(&g), clock_monotonic_ms());
	generation_tend(&g, &common, clock_monotonic_ms());
	ck_assert_int_ne(g.child[2].pid, 0);
	wait_all_ready();

	/* the workers have no part in that */
	kill(g.child[0].pid, SIGKILL);
	ck_assert(bury_next(&index));
	ck_assert_uint_eq(credit_used(&jobs->credits.jobs), 1);
	ck_assert_int_eq(jobs_dead(jobs, 0), 77);
	jobs_forget_dead(jobs, 77);
	ck_assert_int_eq(jobs_dead(jobs, 0), 0);
	generation_tend(&g, &common, generation_deadline_ms(&g));
	wait_all_ready();
	/* one that cannot start waits, ever longer, as a worker does */
	script = EXIT_3;
	has_lived(2, 60000);
	kill(g.child[2].pid, SIGKILL);
	ck_assert(bury_next(&index));
	generation_tend(&g, &common, clock_monotonic_ms());
	for (unsigned pause_ms = 100; pause_ms <= 400; pause_ms *= 2) {
		ck_assert(!bury_next(&index));
		ck_assert_uint_eq(index, 2);
		ck_assert_uint_eq(g.child[2].throttle_ms, pause_ms);
		generation_tend(&g, &common, generation_deadline_ms(&g));
		ck_assert_int_ne(g.child[2].pid, 0);
	}
	ck_assert(!bury_next(&index));
	/* it goes with them */
	generation_drain(&g, 3600000);
	bury_all();
	ck_assert_uint_eq(generation_living(&g), 0);
}
END_TEST

START_TEST(a_stop_has_its_deadline)
{
	script = HANG;
	start();
	generation_leave(&g, SIGTERM, 700);
	uint64_t due_ms = generation_deadline_ms(&g);
	ck_assert_uint_le(due_ms, clock_monotonic_ms() + 700);
	generation_tend(&g, &common, due_ms);
	bury_all();
	ck_assert_uint_eq(generation_living(&g), 0);
}
END_TEST

START_TEST(foreign_children_are_nobodys)
{
	unsigned index = 7;

	start();
	ck_assert(!generation_find(&g, getpid(), &index));
	ck_assert(!generation_find(&g, 1, &index));
	ck_assert_uint_eq(index, 7);
}
END_TEST

START_TEST(workers_get_no_descriptor_that_they_do_not_need)
{
	struct pollfd p;
	int pipe_fds[2];

	/* as if it were the master's, or had come from who started us */
	ck_assert_int_eq(pipe(pipe_fds), 0);
	start();
	wait_all_ready();
	close(pipe_fds[1]);
	p = (struct pollfd){pipe_fds[0], POLLIN, 0};
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_ne(p.revents & POLLHUP, 0);
}
END_TEST

START_TEST(the_number_of_workers_is_the_options_or_the_cpus)
{
	config->server_workers = 7;
	ck_assert_uint_eq(generation_workers(config), 7);
	config->server_workers = 0;
	ck_assert_uint_eq(generation_workers(config), process_cpus());
	free(config);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("generation");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, all_are_ready_when_each_has_said_so);
	tcase_add_test(tc, one_that_was_ready_is_replaced_at_once);
	tcase_add_test(tc, death_soon_after_ready_again_is_answered_by_a_pause_that_doubles);
	tcase_add_test(tc, death_before_ready_is_answered_by_a_pause_that_doubles);
	tcase_add_test(tc, ready_counts_also_when_the_master_had_no_time_to_look);
	tcase_add_test(tc, one_that_is_never_ready_is_killed);
	tcase_add_test(tc, one_that_is_never_ready_is_killed_in_a_drain_too);
	tcase_add_test(tc, a_drain_ends_by_itself_and_replaces_nobody);
	tcase_add_test(tc, who_does_not_leave_is_told_and_then_killed);
	tcase_add_test(tc, with_a_database_there_is_an_executor);
	tcase_add_test(tc, a_stop_has_its_deadline);
	tcase_add_test(tc, foreign_children_are_nobodys);
	tcase_add_test(tc, workers_get_no_descriptor_that_they_do_not_need);
	tcase_add_test(tc, the_number_of_workers_is_the_options_or_the_cpus);
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
