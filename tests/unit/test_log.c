/* links: src/base/siphash.c src/base/log.c src/base/clock.c -lpthread */
/*
 * test_log.c - the broadcast log: order, wrapping, lapping, and writers killed at each step.
 * Includes the file under test, for its fault points.
 */
#define PLAZA_FAULTS
#include "hub/log.c"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define SIZE (4096 + 4 * 8192)

static void *memory;
static struct chat_log chat;
static struct span room;
static uint64_t hash;
static unsigned shard;

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR); /* not of each repair */
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert(chat_log_format(memory, SIZE));
	ck_assert(chat_log_attach(&chat, memory, SIZE));
	room = SPAN_LIT("lobby");
	hash = chat_log_hash(&chat, room);
	shard = chat_log_shard(hash);
}

static void
teardown(void)
{
	munmap(memory, SIZE);
}

static bool
append(const char *text, size_t len)
{
	return chat_log_append(&chat, hash, room, 1, text, len);
}

/* Reads on from *pos; the message is a string in `out`. */
static enum chat_log_read
next(uint64_t *pos, char *out, size_t out_size)
{
	struct chat_log_record record;
	enum chat_log_read found =
	    chat_log_find(&chat, shard, *pos, chat_log_tail(&chat, shard), &record);

	if (found != CHAT_LOG_MESSAGE)
		return found;
	ck_assert_uint_lt(record.len, out_size);
	ck_assert_uint_eq(record.hash, hash);
	ck_assert_uint_eq(record.opcode, 1);
	ck_assert(span_eq(span_from(record.room, record.room_len), room));
	if (!chat_log_copy(&chat, shard, &record, out))
		return CHAT_LOG_LAPPED;
	out[record.len] = '\0';
	*pos = record.next;
	return CHAT_LOG_MESSAGE;
}

START_TEST(messages_come_back_in_order)
{
	char text[64], got[64];
	uint64_t pos = 0;

	ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
	for (int i = 0; i < 50; i++) {
		int n = snprintf(text, sizeof(text), "message %d", i);
		ck_assert(append(text, (size_t)n));
	}
	ck_assert(append("", 0));
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
		ck_assert_str_eq(got, text);
	}
	ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
	ck_assert_str_eq(got, "");
	ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
	ck_assert_uint_eq(pos, chat_log_tail(&chat, shard));
}
END_TEST

/* Every length against every place of the ring's end. */
START_TEST(records_of_all_sizes_go_round)
{
	char text[700], got[800];
	uint64_t pos = 0;

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 20000; i++) {
		size_t len = i * 7 % sizeof(text);

		text[0] = (char)('a' + i % 26);
		ck_assert(append(text, len));
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
		ck_assert_uint_eq(strlen(got), len);
		ck_assert(memcmp(got, text, len) == 0);
	}
	ck_assert_uint_gt(pos, 100 * chat.capacity);
}
END_TEST

START_TEST(a_lapped_reader_is_told)
{
	struct chat_log_record record;
	char got[1024];
	uint64_t pos = 0;

	ck_assert(append("first", 5));
	ck_assert_int_eq(chat_log_find(&chat, shard, 0, chat_log_tail(&chat, shard), &record),
			 CHAT_LOG_MESSAGE);
	memset(got, 'y', sizeof(got));
	while (chat_log_tail(&chat, shard) + 600 < chat.capacity)
		ck_assert(append(got, 500));
	/* everything is there still */
	ck_assert(chat_log_copy(&chat, shard, &record, got));
	ck_assert_mem_eq(got, "first", 5);
	ck_assert(append(got, 600));
	ck_assert(append(got, 600));
	ck_assert(!chat_log_copy(&chat, shard, &record, got));
	ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_LAPPED);
}
END_TEST

START_TEST(too_long_is_refused)
{
	size_t max = chat_log_payload_max(&chat);
	char *text = calloc(1, max + 1);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_gt(max, 512);
	ck_assert(append(text, max));
	ck_assert(!append(text, max + 1));
	free(text);
}
END_TEST

START_TEST(rooms_spread_over_all_shards)
{
	unsigned count[CHAT_LOG_SHARDS] = {0};

	for (unsigned i = 0; i < 400; i++) {
		char name[16];
		int n = snprintf(name, sizeof(name), "room-%u", i);
		count[chat_log_shard(chat_log_hash(&chat, span_from(name, (size_t)n)))]++;
	}
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		ck_assert_uint_gt(count[i], 50);
}
END_TEST

/* The values of the paper's appendix A and of its reference code. */
START_TEST(siphash_vectors)
{
	unsigned char data[16];
	uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)i;
	ck_assert_uint_eq(siphash(key, data, 15), 0xa129ca6149be45e5);
	ck_assert_uint_eq(siphash(key, data, 0), 0x726fdb47dd0e0e31);
	ck_assert_uint_eq(siphash(key, data, 8), 0x93f5f5799a932462);
}
END_TEST

static const char *die_at;
static unsigned die_after;

static void
die(const char *step)
{
	if (strcmp(step, die_at) == 0 && die_after-- == 0)
		raise(SIGKILL);
}

/* A child that dies at a step of appending `text`. */
static void
append_and_die(const char *step, const char *text)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		die_at = step;
		fault_hook = die;
		_exit(append(text, strlen(text)) ? 10 : 11);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		ck_abort_msg("%s: not killed: %x", step, (unsigned)status);
}

static const struct {
	const char *step;
	bool committed;
} deaths[] = {
    {"locked", false},  {"intent", false},   {"padded", false},  {"half", false},
    {"written", false}, {"committed", true}, {"unlocked", true},
};

/*
 * At every step, with the ring's end at every distance: the survivors see all that was committed,
 * in order, and nothing else.
 */
START_TEST(a_writer_killed_at_any_step_leaves_a_whole_log)
{
	const char *step = deaths[_i].step;
	char text[400], got[512];
	uint64_t pos = 0;

	memset(text, 'z', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < 60; i++) {
		size_t len = i * 37 % 300;

		ck_assert(append(text, len));
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
		ck_assert_uint_eq(strlen(got), len);
		append_and_die(step, text + i % 200);
		if (deaths[_i].committed) {
			ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
			ck_assert_str_eq(got, text + i % 200);
		}
		/* what is not committed nobody sees, before the repair and after it */
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
		if (i % 2)
			chat_log_repair(&chat);
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
		pos = chat_log_tail(&chat, shard);
		ck_assert(append("after", 5));
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
		ck_assert_str_eq(got, "after");
	}
	ck_assert_uint_gt(pos, chat.capacity);
}
END_TEST

static const char *const repair_steps[] = {"repair: padded", "repair: committed"};

START_TEST(a_repairer_killed_at_any_step_is_repaired)
{
	char text[800], got[1024];
	uint64_t pos = 0;

	memset(text, 'r', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 40; i++) {
		append_and_die("half", text);
		/* the second death comes one part later where the hole crosses the ring's end */
		uint64_t tail = chat_log_tail(&chat, shard);
		bool crosses = chat.capacity - tail % chat.capacity < sizeof(text) + 48;

		die_after = crosses && i % 2;
		append_and_die(repair_steps[_i], "not to be seen");
		die_after = 0;
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
		ck_assert(append("after", 5));
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_MESSAGE);
		ck_assert_str_eq(got, "after");
		ck_assert_int_eq(next(&pos, got, sizeof(got)), CHAT_LOG_END);
	}
	ck_assert_uint_gt(pos, 3 * chat.capacity);
}
END_TEST

static int held;

static void
hold(const char *step)
{
	char byte = 0;

	if (strcmp(step, "intent") != 0)
		return;
	ck_assert_int_eq(write(held, &byte, 1), 1);
	for (;;)
		pause();
}

START_TEST(a_stopped_writer_does_not_stop_the_others)
{
	struct span other = SPAN_LIT("other");
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		held = ready[1];
		fault_hook = hold;
		append("held", 4);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	/* the first waits for 50 ms, the others not at all */
	uint64_t begin_us = clock_monotonic_us();
	ck_assert(!append("x", 1));
	uint64_t first_us = clock_monotonic_us();
	for (int i = 0; i < 100; i++)
		ck_assert(!append("x", 1));
	ck_assert_uint_ge(first_us - begin_us, 50000);
	ck_assert_uint_lt(clock_monotonic_us() - first_us, 50000);
	/* other shards go on */
	for (char c = 'a'; chat_log_shard(chat_log_hash(&chat, other)) == shard; c++)
		other = span_from(&"abcdefghijklmnopqrstuvwxyz"[c - 'a'], 1);
	ck_assert(chat_log_append(&chat, chat_log_hash(&chat, other), other, 1, "y", 1));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(append("again", 5));
}
END_TEST

/* Four writers and a reader at once: nothing lost, nothing twice, each writer's own order kept. */
START_TEST(writers_at_the_same_time)
{
	enum { WRITERS = 4, EACH = 3000 };
	unsigned seen[WRITERS] = {0};
	pid_t pid[WRITERS];
	uint64_t pos = 0;
	void *big = mmap(NULL, 4u << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(chat_log_format(big, 4u << 20));
	ck_assert(chat_log_attach(&chat, big, 4u << 20));
	hash = chat_log_hash(&chat, room);
	shard = chat_log_shard(hash);
	for (unsigned w = 0; w < WRITERS; w++) {
		pid[w] = fork();
		ck_assert_int_ge(pid[w], 0);
		if (pid[w])
			continue;
		for (unsigned i = 0; i < EACH; i++) {
			char text[64];
			int n = snprintf(text, sizeof(text), "%u %u", w, i);
			while (!append(text, (size_t)n))
				;
		}
		_exit(0);
	}
	for (unsigned n = 0; n < WRITERS * EACH;) {
		char got[64];
		unsigned w, i;

		switch (next(&pos, got, sizeof(got))) {
		case CHAT_LOG_END: continue;
		case CHAT_LOG_LAPPED: ck_abort_msg("lapped at %u", n);
		case CHAT_LOG_MESSAGE: break;
		}
		ck_assert_int_eq(sscanf(got, "%u %u", &w, &i), 2);
		ck_assert_uint_lt(w, WRITERS);
		ck_assert_uint_eq(i, seen[w]);
		seen[w]++;
		n++;
	}
	for (unsigned w = 0; w < WRITERS; w++)
		ck_assert_int_eq(waitpid(pid[w], NULL, 0), pid[w]);
	munmap(big, 4u << 20);
}
END_TEST

/* A reader that is lapped again and again never takes garbage for a message. */
START_TEST(a_lapped_reader_never_sees_garbage)
{
	pid_t pid = fork();
	uint64_t pos = 0;
	unsigned messages = 0, laps = 0;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char text[256];

		for (unsigned i = 0;; i++) {
			size_t len = i % sizeof(text);

			memset(text, (int)('a' + i % 26), len);
			if (!append(text, len))
				_exit(1);
		}
	}
	while (messages < 5000 || laps < 5) {
		char got[512];

		switch (next(&pos, got, sizeof(got))) {
		case CHAT_LOG_END: break;
		case CHAT_LOG_LAPPED:
			laps++;
			pos = chat_log_tail(&chat, shard);
			break;
		case CHAT_LOG_MESSAGE:
			messages++;
			if (strspn(got, (char[]){got[0], '\0'}) != strlen(got))
				ck_abort_msg("garbage: %s", got);
			break;
		}
		if (messages % 100 == 0)
			sched_yield(); /* let it get ahead */
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, messages_come_back_in_order);
	tcase_add_test(tc, records_of_all_sizes_go_round);
	tcase_add_test(tc, a_lapped_reader_is_told);
	tcase_add_test(tc, too_long_is_refused);
	tcase_add_test(tc, rooms_spread_over_all_shards);
	tcase_add_test(tc, siphash_vectors);
	tcase_add_loop_test(tc, a_writer_killed_at_any_step_leaves_a_whole_log, 0,
			    sizeof(deaths) / sizeof(deaths[0]));
	tcase_add_loop_test(tc, a_repairer_killed_at_any_step_is_repaired, 0,
			    sizeof(repair_steps) / sizeof(repair_steps[0]));
	tcase_add_test(tc, a_stopped_writer_does_not_stop_the_others);
	tcase_add_test(tc, writers_at_the_same_time);
	tcase_add_test(tc, a_lapped_reader_never_sees_garbage);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
