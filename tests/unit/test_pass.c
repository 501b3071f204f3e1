/* links: $(hub_log) src/hub/rooms.c src/hub/room_name.c src/hub/run.c src/hub/deliver.c
 * src/hub/join.c src/hub/catch_up.c src/hub/wire.c src/hub/rate.c src/hub/frame.c src/http/chars.c
 * src/base/siphash.c src/base/log.c src/base/clock.c src/base/buffer.c -lpthread -lz */
/*
 * test_pass.c - what one pass may do before sockets are looked at again: with many members, with
 * much to read, with many to close. Steps are counted, not timed.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "hub/frame.h"
#include "hub/room_private.h"

#define QUEUE_MAX 1000

struct fake {
	struct member m;
	size_t window; /* how much its socket takes yet */
	size_t n_bytes;
	unsigned n_writes, closed;
	bool is_stuck;
	char last[64]; /* the end of what it got */
};

static void *memory;
static size_t memory_size;
static struct chat_log chat;
static struct chat_counters counters;
static struct rooms *rooms;
static size_t n_writes; /* to all of them */
static void (*on_lose)(struct fake *f);

static enum sink_result
fake_write(struct member *m, unsigned char *bytes, size_t len)
{
	struct fake *f = (struct fake *)m;

	if (f->is_stuck)
		return SINK_STUCK;
	const size_t tail = len < sizeof(f->last) - 1 ? len : sizeof(f->last) - 1;
	memcpy(f->last, bytes + len - tail, tail);
	f->last[tail] = '\0';
	f->n_writes++;
	f->n_bytes += len;
	n_writes++;
	if (len <= f->window) {
		f->window -= len;
		return SINK_SENT;
	}
	f->is_stuck = true;
	return SINK_PARTIAL;
}

static void
fake_want(struct member *m)
{
	(void)m;
}

static void
fake_lose(struct member *m, unsigned code)
{
	struct fake *f = (struct fake *)m;

	f->closed = code;
	if (on_lose)
		on_lose(f);
}

static const struct sink_calls fake_calls = {
    .write = fake_write, .want = fake_want, .lose = fake_lose};

static void
setup(void)
{
	const struct chat_log_sizes sizes = {16u << 20, 4u << 20, 65536};
	const struct rooms_options options = {
	    .log = &chat,
	    .counters = &counters,
	    .queue_max = QUEUE_MAX,
	    .history_max = 1000000,
	    .history_age_ms = 3600 * 1000,
	};

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	memory_size = chat_log_memory(&sizes);
	ck_assert_uint_gt(memory_size, 0);
	memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert(chat_log_format(memory, memory_size, &sizes));
	ck_assert(chat_log_attach(&chat, memory, memory_size));
	rooms = rooms_new(&options);
	ck_assert_ptr_nonnull(rooms);
}

static void
teardown(void)
{
	while (rooms_deliver(rooms))
		;
	ck_assert_uint_eq(counters.members, 0);
	rooms_free(&rooms);
	munmap(memory, memory_size);
}

static struct join_result
join_with(struct fake *f, const char *name, const struct join_wish *wish)
{
	static uint64_t n_conns;
	const struct log_member who = {.conn = ++n_conns};
	struct join_result result;

	*f = (struct fake){.window = SIZE_MAX, .m = {.calls = &fake_calls, .wire = WIRE_PLAIN}};
	ck_assert_int_eq(rooms_join(rooms, &f->m, span_str(name), &who, wish, &result), LOG_OK);
	return result;
}

static void
join(struct fake *f, const char *name)
{
	static const struct join_wish now;

	join_with(f, name, &now);
}

static void
publish(const char *name, const char *text)
{
	const struct log_message message = {
	    .room = span_str(name),
	    .kind = LOG_TEXT,
	    .payload = span_str(text),
	};
	struct log_receipt receipt;

	ck_assert_int_eq(chat_log_publish(&chat, &message, &receipt), LOG_OK);
}

/* A message to each of many crowds: the loop turns between them. */
START_TEST(a_pass_writes_to_so_many)
{
	enum { ROOMS = 30, CROWD = 500 };
	struct fake *f = calloc((size_t)ROOMS * CROWD, sizeof(*f));
	char name[16];
	unsigned passes = 0;

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < ROOMS * CROWD; i++) {
		snprintf(name, sizeof(name), "room-%d", i / CROWD);
		join(&f[i], name);
	}
	while (rooms_deliver(rooms))
		;
	for (int i = 0; i < ROOMS; i++) {
		snprintf(name, sizeof(name), "room-%d", i);
		publish(name, name);
	}
	bool more;
	do {
		n_writes = 0;
		more = rooms_deliver(rooms);
		ck_assert_uint_gt(n_writes, 0);
		ck_assert_uint_lt(n_writes, PASS_WRITES + CROWD);
		passes++;
	} while (more);
	ck_assert_uint_ge(passes, ROOMS * CROWD / (PASS_WRITES + CROWD));
	for (int i = 0; i < ROOMS * CROWD; i++) {
		snprintf(name, sizeof(name), "room-%d", i / CROWD);
		ck_assert_uint_eq(f[i].n_writes, 1);
		ck_assert_ptr_nonnull(strstr(f[i].last, name));
		rooms_leave(rooms, &f[i].m);
	}
	free(f);
}
END_TEST

/* Long runs to one crowd: a pass has one of them, and they stay long. */
START_TEST(a_crowd_gets_whole_runs)
{
	enum { CROWD = PASS_WRITES + 1, MESSAGES = 200, SIZE = 1000 };
	struct fake *f = calloc(CROWD, sizeof(*f));
	char text[SIZE + 1];

	ck_assert_ptr_nonnull(f);
	memset(text, 'x', SIZE);
	text[SIZE] = '\0';
	for (int i = 0; i < CROWD; i++)
		join(&f[i], "room");
	while (rooms_deliver(rooms))
		;
	for (int i = 0; i < MESSAGES; i++)
		publish("room", text);
	bool more;
	do {
		n_writes = 0;
		more = rooms_deliver(rooms);
		ck_assert_uint_eq(n_writes, CROWD);
	} while (more);
	for (int i = 0; i < CROWD; i++) {
		ck_assert_uint_eq(f[i].n_bytes, MESSAGES * (SIZE + 4));
		ck_assert_uint_eq(f[i].n_writes, MESSAGES * (SIZE + 4) / RUN_MAX + 1);
		rooms_leave(rooms, &f[i].m);
	}
	free(f);
}
END_TEST

/* One that joins does not wait for all that others have not been given yet. */
START_TEST(a_join_reads_what_a_pass_may)
{
	enum { BACKLOG = 5000 };
	static const struct join_wish now;
	struct fake member, newcomer, liar, ahead;
	struct join_result joined;
	char text[16];

	join(&member, "room");
	for (int i = 1; i <= BACKLOG; i++) {
		snprintf(text, sizeof(text), "m%05d", i);
		publish("room", text);
	}
	joined = join_with(&newcomer, "room", &now);
	ck_assert_uint_le(joined.seq, PASS_RECORDS);
	ck_assert_uint_eq(member.n_bytes, joined.seq * 8);
	/* a position of the future has been heard nowhere, and is a gap */
	struct join_wish since = {JOIN_SINCE, 0, joined.epoch, BACKLOG + 1};
	const uint64_t before = joined.seq;
	joined = join_with(&liar, "room", &since);
	ck_assert(!joined.is_recovered);
	ck_assert_uint_le(joined.seq, before + PASS_RECORDS);
	rooms_leave(rooms, &liar.m);
	/* one that has heard more from another worker gets nothing of that twice */
	since.since_seq = 2000;
	joined = join_with(&ahead, "room", &since);
	ck_assert(joined.is_recovered);
	ck_assert_uint_ge(joined.seq, 2000);
	ck_assert_uint_le(joined.seq, 2000 + PASS_RECORDS);
	ck_assert_uint_eq(joined.replay, joined.seq - 2000);
	rooms_leave(rooms, &ahead.m);
	while (rooms_deliver(rooms))
		;
	ck_assert_uint_eq(member.n_bytes, BACKLOG * 8);
	ck_assert_uint_eq(newcomer.n_bytes, (BACKLOG - before) * 8);
	ck_assert_str_eq(newcomer.last + strlen(newcomer.last) - 6, "m05000");
	rooms_leave(rooms, &member.m);
	rooms_leave(rooms, &newcomer.m);
}
END_TEST

/* ---- steps of a close, counted by the pages that are touched ---- */

#define LAGGARDS 300
#define ROOMS    2

static char *page;
static size_t page_size;
static volatile size_t n_touched;

static struct fake *
laggard(unsigned room, unsigned i)
{
	return (struct fake *)(void *)(page + (room * LAGGARDS + i) * page_size);
}

static void
touched(int sig, siginfo_t *info, void *context)
{
	char *at = (char *)info->si_addr;

	(void)sig;
	(void)context;
	if (at < page || at >= page + ROOMS * LAGGARDS * page_size)
		_exit(3);
	n_touched++;
	at -= (size_t)(at - page) % page_size;
	if (mprotect(at, page_size, PROT_READ | PROT_WRITE) != 0)
		_exit(4);
}

static void
hide(void)
{
	ck_assert_int_eq(mprotect(page, ROOMS * LAGGARDS * page_size, PROT_NONE), 0);
}

/* As a client that is closed: it leaves its other room, too, where it is lost as well. */
static void
leave_all(struct fake *f)
{
	const size_t i = (size_t)((char *)f - page) / page_size % LAGGARDS;

	for (unsigned room = 0; room < ROOMS; room++)
		rooms_leave(rooms, &laggard(room, (unsigned)i)->m);
	hide();
}

START_TEST(many_laggards_leave_in_steps_of_their_number)
{
	const struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO};
	static const char *const name[ROOMS] = {"room", "other"};
	char text[QUEUE_MAX - 100];

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	ck_assert_uint_le(sizeof(struct fake), page_size);
	page = mmap(NULL, ROOMS * LAGGARDS * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned room = 0; room < ROOMS; room++) {
		for (unsigned i = 0; i < LAGGARDS; i++) {
			join(laggard(room, i), name[room]);
			laggard(room, i)->window = 0;
		}
		publish(name[room], "1");
	}
	while (rooms_deliver(rooms))
		;
	for (unsigned room = 0; room < ROOMS; room++)
		publish(name[room], text);
	while (rooms_deliver(rooms))
		;
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	on_lose = leave_all;
	/* it is found that they are too far behind: all of both rooms in one pass */
	for (unsigned room = 0; room < ROOMS; room++)
		publish(name[room], text);
	while (rooms_deliver(rooms))
		;
	on_lose = NULL;
	/* each in both rooms, its neighbours, and who takes its place: some ten pages */
	ck_assert_uint_gt(n_touched, LAGGARDS);
	ck_assert_uint_lt(n_touched, 20 * LAGGARDS);
	for (unsigned i = 0; i < LAGGARDS; i++)
		ck_assert(laggard(0, i)->closed == CLOSE_SLOW ||
			  laggard(1, i)->closed == CLOSE_SLOW);
	munmap(page, ROOMS * LAGGARDS * page_size);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pass");
	TCase *tc = tcase_create("pass");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_pass_writes_to_so_many);
	tcase_add_test(tc, a_crowd_gets_whole_runs);
	tcase_add_test(tc, a_join_reads_what_a_pass_may);
	tcase_add_test(tc, many_laggards_leave_in_steps_of_their_number);
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
