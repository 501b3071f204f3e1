/* links: src/proc/doorbell.c src/proc/segment.c src/base/log.c src/base/clock.c */
/*
 * test_doorbell.c - the shared segment, and who is rung when.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/doorbell.h"
#include "proc/segment.h"

static struct doorbell bell;
static struct segment *segment;

static void
setup(void)
{
	ck_assert(doorbell_init(&bell));
	segment = segment_new(1 << 20);
	ck_assert_ptr_nonnull(segment);
}

static void
teardown(void)
{
	for (unsigned i = 0; i <= DOORBELL_MASTER; i++)
		close(bell.fd[i]);
	segment_free(&segment);
	ck_assert_ptr_null(segment);
}

static bool
rings(unsigned slot)
{
	struct pollfd p = {bell.fd[slot], POLLIN, 0};

	return poll(&p, 1, 0) == 1;
}

START_TEST(one_answer_takes_back_all_rings)
{
	ck_assert(!rings(3));
	for (int i = 0; i < 1000; i++)
		doorbell_ring(&bell, 3);
	ck_assert(rings(3));
	ck_assert(!rings(2));
	ck_assert(!rings(DOORBELL_MASTER));
	doorbell_answer(&bell, 3);
	ck_assert(!rings(3));
	/* an answer to nothing does not block */
	doorbell_answer(&bell, 3);
}
END_TEST

START_TEST(bells_close_on_exec)
{
	for (unsigned i = 0; i <= DOORBELL_MASTER; i++) {
		ck_assert_int_eq(fcntl(bell.fd[i], F_GETFD), FD_CLOEXEC);
		ck_assert_int_ne(fcntl(bell.fd[i], F_GETFL) & O_NONBLOCK, 0);
	}
}
END_TEST

START_TEST(only_sleepers_are_rung_and_each_once)
{
	segment->slots[1].sleep = SLEEP_ASLEEP;
	segment->slots[SEGMENT_SLOTS - 1].sleep = SLEEP_ASLEEP;
	segment->slots[5].sleep = SLEEP_ASLEEP;
	segment->slots[6].sleep = SLEEP_RUNG;

	ck_assert_uint_eq(doorbell_ring_sleepers(&bell, segment, 5), 2);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++)
		ck_assert_msg(rings(i) == (i == 1 || i == SEGMENT_SLOTS - 1), "slot %u", i);
	ck_assert_uint_eq(segment->slots[1].sleep, SLEEP_RUNG);
	ck_assert_uint_eq(segment->slots[5].sleep, SLEEP_ASLEEP);

	/* until it has slept again, it knows */
	doorbell_answer(&bell, 1);
	ck_assert_uint_eq(doorbell_ring_sleepers(&bell, segment, 5), 0);
	ck_assert(!rings(1));
	segment->slots[1].sleep = SLEEP_ASLEEP;
	doorbell_ring_sleepers(&bell, segment, 5);
	ck_assert(rings(1));
}
END_TEST

START_TEST(a_child_is_woken_by_what_its_parent_publishes)
{
	/* both directions, through memory and bells that fork has shared */
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct pollfd p = {bell.fd[7], POLLIN, 0};

		segment->slots[7].sleep = SLEEP_ASLEEP;
		doorbell_ring(&bell, DOORBELL_MASTER);
		if (poll(&p, 1, 10000) != 1 || ((char *)segment->log)[4096] != 'x')
			_exit(1);
		_exit(0);
	}
	struct pollfd p = {bell.fd[DOORBELL_MASTER], POLLIN, 0};
	int status;
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	((char *)segment->log)[4096] = 'x';
	doorbell_ring_sleepers(&bell, segment, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(segment_begins_empty_and_aligned)
{
	const char *log = segment->log;

	ck_assert_uint_eq(segment->log_bytes, 1 << 20);
	ck_assert_uint_eq((uintptr_t)log % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	ck_assert_uint_eq((uintptr_t)segment->slots % 64, 0);
	ck_assert(log >= (const char *)(segment->slots + SEGMENT_SLOTS));
	for (size_t i = 0; i < segment->log_bytes; i += 4096)
		ck_assert_int_eq(log[i], 0);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		ck_assert_uint_eq(segment->slots[i].state, SLOT_EMPTY);
		ck_assert_uint_eq(segment->slots[i].sleep, SLEEP_AWAKE);
		ck_assert_int_eq(segment->slots[i].pid, 0);
		ck_assert_uint_ne(segment->slots[i].empty_since_ms, 0);
	}
}
END_TEST

START_TEST(two_generations_never_share_a_slot)
{
	bool used[SEGMENT_SLOTS] = {false};

	for (uint32_t generation = 7; generation < 7 + SEGMENT_GENERATIONS; generation++) {
		for (unsigned worker = 0; worker < SEGMENT_MAX_WORKERS; worker++) {
			unsigned slot = slot_index(worker, generation);

			ck_assert_uint_lt(slot, SEGMENT_SLOTS);
			ck_assert(!used[slot]);
			used[slot] = true;
			ck_assert_uint_eq(slot,
					  slot_index(worker, generation + SEGMENT_GENERATIONS));
		}
	}
}
END_TEST

START_TEST(a_segment_beyond_all_memory_is_refused)
{
	ck_assert_ptr_null(segment_new(SIZE_MAX - 100));
	ck_assert_ptr_null(segment_new(SIZE_MAX / 2));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("doorbell");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_answer_takes_back_all_rings);
	tcase_add_test(tc, bells_close_on_exec);
	tcase_add_test(tc, only_sleepers_are_rung_and_each_once);
	tcase_add_test(tc, a_child_is_woken_by_what_its_parent_publishes);
	tcase_add_test(tc, segment_begins_empty_and_aligned);
	tcase_add_test(tc, two_generations_never_share_a_slot);
	tcase_add_test(tc, a_segment_beyond_all_memory_is_refused);
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
