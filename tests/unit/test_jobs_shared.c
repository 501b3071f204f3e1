/* links: src/jobs/jobs_shared.c src/jobs/credits.c src/proc/segment.c src/proc/doorbell.c
 * src/base/log.c src/base/clock.c src/base/siphash.c */
/*
 * test_jobs_shared.c - the jobs' pages of the segment: who executors are, the table of queues, and
 * the ring of news with readers that are lapped and writers that are killed.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/jobs_shared.h"
#include "segment_rig.h"

static struct jobs_shared *shared;

static void
setup(void)
{
	shared = jobs_shared_of(segment);
}

/* ---- executors ---- */

/* How many are dead, and that none has two places. */
static unsigned
count_dead(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < JOB_DEAD; i++) {
		const int64_t worker = jobs_dead(shared, i);

		n += worker != 0;
		for (unsigned k = 0; worker && k < i; k++)
			ck_assert_int_ne(jobs_dead(shared, k), worker);
	}
	return n;
}

START_TEST(a_dead_executor_is_remembered_until_it_was_looked_after)
{
	jobs_set_worker(shared, 0, 11);
	jobs_set_worker(shared, 1, 12);
	ck_assert_uint_eq(count_dead(), 0);
	jobs_bury(segment, &bell, 0);
	ck_assert_uint_eq(count_dead(), 1);
	ck_assert_int_eq(jobs_dead(shared, 0), 11);
	ck_assert(was_rung(1));
	/* one that has given back all that it had is nobody's care */
	jobs_bury(segment, &bell, 0);
	ck_assert_uint_eq(count_dead(), 1);
	jobs_forget_dead(shared, 12);
	ck_assert_uint_eq(count_dead(), 1);
	jobs_forget_dead(shared, 11);
	ck_assert_uint_eq(count_dead(), 0);
	/* many in a row, of which as many as there are places for */
	for (int64_t i = 1; i <= JOB_DEAD + 2; i++) {
		jobs_set_worker(shared, 0, 100 + i);
		jobs_bury(segment, &bell, 0);
	}
	ck_assert_uint_eq(count_dead(), JOB_DEAD);
	for (unsigned i = 0; i < JOB_DEAD; i++) {
		ck_assert_int_gt(jobs_dead(shared, i), 100);
		jobs_forget_dead(shared, jobs_dead(shared, i));
	}
	ck_assert_uint_eq(count_dead(), 0);
}
END_TEST

START_TEST(executors_that_sleep_are_rung_once)
{
	jobs_ring(segment, &bell);
	ck_assert(!was_rung(0) && !was_rung(1));
	jobs_sleep(shared, 1, SLEEP_ASLEEP);
	jobs_ring(segment, &bell);
	jobs_ring(segment, &bell);
	ck_assert(!was_rung(0));
	ck_assert(was_rung(1));
	jobs_ring(segment, &bell);
	ck_assert(!was_rung(1));
	jobs_sleep(shared, 1, SLEEP_AWAKE);
	jobs_sleep(shared, 1, SLEEP_ASLEEP);
	jobs_ring(segment, &bell);
	ck_assert(was_rung(1));
	/* no chat wakes them */
	jobs_sleep(shared, 0, SLEEP_ASLEEP);
	ck_assert_uint_eq(doorbell_ring_sleepers(&bell, segment, 0), 0);
	ck_assert(!was_rung(0));
}
END_TEST

/* ---- queues ---- */

static struct job_queue_cell *
queue(const char *name, bool make)
{
	return jobs_queue(segment, span_str(name), make);
}

START_TEST(a_queue_has_one_cell)
{
	char name[JOB_QUEUE_NAME_MAX], longest[JOB_QUEUE_NAME_MAX + 2];
	size_t n = 0;

	ck_assert_ptr_null(queue("mail", false));
	struct job_queue_cell *cell = queue("mail", true);
	ck_assert_ptr_nonnull(cell);
	ck_assert_ptr_eq(queue("mail", false), cell);
	ck_assert_ptr_eq(queue("mail", true), cell);
	ck_assert_ptr_ne(queue("mails", true), cell);
	memset(longest, 'a', sizeof(longest));
	longest[JOB_QUEUE_NAME_MAX + 1] = '\0';
	ck_assert_ptr_null(queue(longest, true));
	ck_assert_ptr_null(queue("", true));
	longest[JOB_QUEUE_NAME_MAX] = '\0';
	ck_assert_ptr_nonnull(queue(longest, true));
	for (unsigned i = 0; i < JOB_QUEUES; i++) {
		const size_t len = jobs_queue_name(segment, i, name);

		n += len > 0;
		if (&shared->queue[i] == cell)
			ck_assert(len == 4 && memcmp(name, "mail", 4) == 0);
	}
	ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(the_table_is_full_and_empties_again)
{
	char name[16];

	for (int i = 0; i < JOB_QUEUES; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_ptr_nonnull(queue(name, true));
	}
	ck_assert_ptr_null(queue("one-more", true));
	ck_assert_ptr_nonnull(queue("q17", true));
	for (int i = 0; i < JOB_QUEUES; i += 2) {
		snprintf(name, sizeof(name), "q%d", i);
		jobs_queue_put(shared, queue(name, false), 3, 'p');
		jobs_queue_forget(queue(name, false));
		ck_assert_ptr_null(queue(name, false));
	}
	/* those that stayed are found behind those that are gone */
	for (int i = 1; i < JOB_QUEUES; i += 2) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_ptr_nonnull(queue(name, false));
	}
	struct job_queue_cell *cell = queue("one-more", true);
	ck_assert_ptr_nonnull(cell);
	ck_assert_int_eq(cell->depth, 0);
	/* a name that was there is not made twice */
	ck_assert_ptr_eq(queue("q17", true), queue("q17", false));
}
END_TEST

/* A process that is killed between taking a cell and writing its name. */
START_TEST(a_name_that_was_not_written_is_written_by_the_next)
{
	char name[JOB_QUEUE_NAME_MAX];
	struct job_queue_cell *cell = queue("mail", true);

	atomic_store(&cell->name_len, 0);
	memset((void *)cell->name, 0, sizeof(cell->name));
	ck_assert_uint_eq(jobs_queue_name(segment, (unsigned)(cell - shared->queue), name), 0);
	ck_assert_ptr_eq(queue("mail", false), cell);
	ck_assert_uint_eq(jobs_queue_name(segment, (unsigned)(cell - shared->queue), name), 4);
	ck_assert_mem_eq(name, "mail", 4);
}
END_TEST

START_TEST(a_queue_that_is_full_says_when_to_come_again)
{
	struct job_queue_cell *cell = queue("mail", true);

	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 4);
	jobs_queue_put(shared, cell, 8, 'w');
	ck_assert_uint_eq(cell->arrived, 0);
	ck_assert_uint_eq(shared->arrivals, 0);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 2);
	jobs_queue_put(shared, cell, 4, 'p');
	ck_assert_uint_eq(cell->arrived, 4);
	ck_assert_uint_eq(shared->arrivals, 1);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 0);
	jobs_queue_drain(cell, 3);
	ck_assert_uint_eq(cell->drained, 3);
	jobs_queue_leave(cell, 2);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 3);
	/* its own limit counts when it is lower */
	jobs_queue_set(cell, atomic_load(&cell->depth), 7, 8, false);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 1);
	jobs_queue_set(cell, atomic_load(&cell->depth), 7, 100, false);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 4), 3);
	/* what comes and leaves while the database is asked is in no answer of it */
	const int64_t asked = atomic_load(&cell->depth);
	jobs_queue_drain(cell, 6);
	jobs_queue_put(shared, cell, 2, 'w');
	jobs_queue_set(cell, asked, 9, 0, false);
	ck_assert_int_eq(atomic_load(&cell->depth), 5);
	/* never less than none, whatever the estimate has come to */
	jobs_queue_set(cell, atomic_load(&cell->depth), -5, 0, false);
	ck_assert_int_eq(jobs_queue_room(cell, 10, 100), 15);

	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, 100), 5);
	atomic_store(&cell->rate, 10 * 1000);
	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, 100), 11);
	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, 1), 1);
	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, INT64_MAX), 60);
	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, -1), 1);
	jobs_queue_set(cell, atomic_load(&cell->depth), 7, 0, true);
	ck_assert_uint_eq(jobs_queue_retry_after_s(cell, 1), 60);
}
END_TEST

/* ---- news ---- */

static struct job_news
news_of(uint64_t n)
{
	struct job_news news = {.state = JOB_STATE_DONE};

	memcpy(news.id.byte, &n, sizeof(n));
	memcpy(news.id.byte + 8, &n, sizeof(n));
	return news;
}

static uint64_t
number_of(const struct job_news *news)
{
	uint64_t n, again;

	memcpy(&n, news->id.byte, sizeof(n));
	memcpy(&again, news->id.byte + 8, sizeof(again));
	ck_assert_uint_eq(n, again);
	return n;
}

static void
tell(uint64_t n)
{
	const struct job_news news = news_of(n);

	jobs_tell(shared, &news);
}

START_TEST(news_is_read_in_order)
{
	struct jobs_reader early, late;
	struct job_news news[8];
	bool missed;

	jobs_reader_init(&early, shared);
	ck_assert(!jobs_has_news(shared, &early));
	for (uint64_t i = 1; i <= 5; i++)
		tell(i);
	jobs_reader_init(&late, shared);
	ck_assert(jobs_has_news(shared, &early));
	ck_assert(!jobs_has_news(shared, &late));
	ck_assert_uint_eq(jobs_read_news(shared, &early, 1, news, 3, &missed), 3);
	ck_assert_uint_eq(number_of(&news[0]), 1);
	ck_assert_uint_eq(number_of(&news[2]), 3);
	ck_assert_int_eq(news[2].state, JOB_STATE_DONE);
	ck_assert_uint_eq(jobs_read_news(shared, &early, 1, news, 8, &missed), 2);
	ck_assert(!missed);
	ck_assert_uint_eq(number_of(&news[1]), 5);
	ck_assert(!jobs_has_news(shared, &early));
	tell(6);
	ck_assert_uint_eq(jobs_read_news(shared, &late, 1, news, 8, &missed), 1);
	ck_assert_uint_eq(number_of(&news[0]), 6);
}
END_TEST

START_TEST(a_reader_that_was_lapped_is_told_so)
{
	struct jobs_reader reader;
	struct job_news news[JOB_NEWS];
	bool missed;
	size_t n;

	jobs_reader_init(&reader, shared);
	for (uint64_t i = 1; i <= JOB_NEWS; i++)
		tell(i);
	/* just not */
	struct jobs_reader at_the_edge = reader;
	n = jobs_read_news(shared, &at_the_edge, 1, news, JOB_NEWS, &missed);
	ck_assert(!missed);
	ck_assert_uint_eq(n, JOB_NEWS);
	tell(JOB_NEWS + 1);
	n = jobs_read_news(shared, &reader, 1, news, JOB_NEWS, &missed);
	ck_assert(missed);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(number_of(&news[n - 1]), JOB_NEWS + 1);
	n = jobs_read_news(shared, &reader, 1, news, JOB_NEWS, &missed);
	ck_assert(!missed && n == 0);
}
END_TEST

/* Its number is taken, nothing is written. */
START_TEST(news_that_is_not_written_is_waited_for_and_then_missed)
{
	struct jobs_reader reader;
	struct job_news news[8];
	bool missed;

	jobs_reader_init(&reader, shared);
	tell(1);
	const uint64_t hole = atomic_fetch_add(&shared->n_news, 1) + 1;
	tell(3);
	ck_assert_uint_eq(jobs_read_news(shared, &reader, 100, news, 8, &missed), 1);
	ck_assert(!missed);
	ck_assert(jobs_has_news(shared, &reader));
	ck_assert_uint_eq(jobs_read_news(shared, &reader, 105, news, 8, &missed), 0);
	ck_assert(!missed);
	/* it was slow, no more */
	struct jobs_reader patient = reader;
	struct job_news_cell *cell = &shared->news[hole % JOB_NEWS];
	struct job_news_cell whole = *cell;
	atomic_store(&cell->seq, hole);
	ck_assert_uint_eq(jobs_read_news(shared, &patient, 106, news, 8, &missed), 0);
	*cell = whole;
	/* it is dead */
	ck_assert_uint_eq(jobs_read_news(shared, &reader, 110, news, 8, &missed), 1);
	ck_assert(missed);
	ck_assert_uint_eq(number_of(&news[0]), 3);
	ck_assert(!jobs_has_news(shared, &reader));
}
END_TEST

/* Killed at any point by the parent, over and over. */
static _Noreturn void
tell_for_ever(_Atomic uint64_t *told, uint64_t n)
{
	for (;; n++) {
		tell(n);
		atomic_fetch_add(told, 1);
	}
}

/*
 * What is read is always whole (number_of checks both halves), a writer's news comes in its order,
 * and whatever was not read was said to be missed.
 */
START_TEST(writers_are_killed_in_the_middle)
{
	enum { WRITERS = 3 };
	_Atomic uint64_t *told =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t last[WRITERS] = {0}, next[WRITERS] = {0}, n_read = 0, now_ms = 1;
	struct jobs_reader reader;
	pid_t pid[WRITERS] = {0};

	ck_assert_ptr_ne((void *)told, MAP_FAILED);
	jobs_reader_init(&reader, shared);
	/* writers may be so far ahead that little is read in a round, and the rest is missed */
	for (unsigned round = 0; round < 200 || n_read < 1000; round++) {
		const unsigned w = round % WRITERS;
		const uint64_t before = atomic_load(told);

		if (pid[w]) {
			kill(pid[w], SIGKILL);
			waitpid(pid[w], NULL, 0);
		}
		next[w] += UINT64_C(1) << 32;
		pid[w] = fork();
		ck_assert_int_ge(pid[w], 0);
		if (pid[w] == 0)
			tell_for_ever(told, (uint64_t)w << 56 | next[w]);
		while (atomic_load(told) < before + 2000) {
			struct job_news news[64];
			bool missed;
			const size_t n =
			    jobs_read_news(shared, &reader, now_ms++, news, 64, &missed);

			for (size_t i = 0; i < n; i++) {
				const uint64_t number = number_of(&news[i]);
				const uint64_t writer = number >> 56;

				ck_assert_uint_lt(writer, WRITERS);
				ck_assert_int_eq(news[i].state, JOB_STATE_DONE);
				ck_assert_uint_gt(number << 8, last[writer]);
				last[writer] = number << 8;
				n_read++;
			}
		}
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		kill(pid[w], SIGKILL);
		waitpid(pid[w], NULL, 0);
	}
	/* the ring goes on */
	struct job_news news[64];
	bool missed;
	while (jobs_has_news(shared, &reader))
		jobs_read_news(shared, &reader, now_ms += 20, news, 64, &missed);
	tell(77);
	ck_assert_uint_eq(jobs_read_news(shared, &reader, now_ms, news, 64, &missed), 1);
	ck_assert_uint_eq(number_of(&news[0]), 77);
	ck_assert(!missed);
	munmap((void *)told, 4096);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_dead_executor_is_remembered_until_it_was_looked_after);
	tcase_add_test(tc, executors_that_sleep_are_rung_once);
	tcase_add_test(tc, a_queue_has_one_cell);
	tcase_add_test(tc, the_table_is_full_and_empties_again);
	tcase_add_test(tc, a_name_that_was_not_written_is_written_by_the_next);
	tcase_add_test(tc, a_queue_that_is_full_says_when_to_come_again);
	tcase_add_test(tc, news_is_read_in_order);
	tcase_add_test(tc, a_reader_that_was_lapped_is_told_so);
	tcase_add_test(tc, news_that_is_not_written_is_waited_for_and_then_missed);
	tcase_add_test(tc, writers_are_killed_in_the_middle);
}

int
main(void)
{
	return rig_main("jobs_shared", fill);
}
