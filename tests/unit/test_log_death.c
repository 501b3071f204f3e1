/* links: src/hub/rate.c src/base/siphash.c src/base/clock.c -lpthread -lz */
/*
 * test_log_death.c - processes that are killed, or stopped, at each step that the broadcast log
 * has.
 *
 * A fixed program of operations in a log so small that everything happens in it: rooms made and
 * evicted, rings that grow, step aside and are halved. A child runs it up to the k-th step of all
 * and is killed there, for each k; then the log is to be as before or after the operation of that
 * step, and is to go on.
 */
#include "log_rig.h"

#include <limits.h>
#include <stdarg.h>
#include <time.h>

#define ROOMS 6 /* of one shard, which has 4 of them */
#define OPS   130
#define SLOT  1 /* whom the child is */
#define OTHER 2 /* whose members are there throughout */

static struct span room_name[ROOMS];
static struct log_seat seats[OPS];

/* ---- what is logged ---- */

static struct {
	char line[512]; /* the last one */
	unsigned lines;
	bool looks;      /* at the locks; nobody else may be at them */
	unsigned locked; /* which were found held */
} said;

void
log_open(enum log_format format, enum log_level level)
{
	(void)format;
	(void)level;
}

static void __attribute__((format(printf, 1, 0))) say(const char *fmt, va_list ap)
{
	vsnprintf(said.line, sizeof(said.line), fmt, ap);
	said.lines++;
	for (unsigned shard = 0; said.looks && shard < CHAT_LOG_SHARDS; shard++) {
		pthread_mutex_t *mutex = &chat->area->shard[shard].mutex;
		int err = pthread_mutex_trylock(mutex);

		if (err == EBUSY)
			said.locked++;
		else if (err == 0)
			pthread_mutex_unlock(mutex);
	}
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

static void
open_small(void)
{
	struct log_member who = {.conn = 1000, .name_len = 5, .name = "other"};
	struct log_seat seat;

	rig_open(64 * K, 16 * K, 16);
	/* every run is to be the same */
	chat->area->key[0] = 1;
	chat->area->key[1] = 2;
	for (unsigned i = 0; i < ROOMS; i++)
		room_name[i] = rig_name(0, i);
	for (unsigned i = 0; i < 3; i++) {
		who.conn = 1000 + i;
		ck_assert_int_eq(chat_log_join(chat, room_name[0], OTHER, &who, &seat), LOG_OK);
	}
	memset(seats, 0, sizeof(seats));
}

/* ---- the program ---- */

struct op {
	enum { PUBLISH, JOIN, LEAVE } what;
	unsigned room;
	size_t len;   /* PUBLISH */
	unsigned who; /* LEAVE: by which op it came */
};

static struct op
op_at(unsigned i)
{
	unsigned x = i * 2654435761u;
	unsigned room = (x >> 8) % ROOMS;

	/* now and then one room alone for a while, so that it grows, and others then want theirs */
	if (i / 20 % 3 == 0)
		room = i / 60 % 2 ? 1 : 4;
	switch (i % 7) {
	case 3: return (struct op){.what = JOIN, .room = room % 3};
	case 6: return (struct op){.what = LEAVE, .who = i - 3};
	}
	return (struct op){.what = PUBLISH, .room = room, .len = (x >> 16) % 1500 + 8};
}

static struct span
op_payload(unsigned i)
{
	static char text[2048];
	size_t len = op_at(i).len;

	memset(text, 'a' + (int)(i % 26), len);
	snprintf(text, 8, "%u", i);
	return span_from(text, len);
}

/* Whether it has acted now, and had not before. */
static bool
op_run(unsigned i, unsigned slot)
{
	struct op op = op_at(i);
	struct log_member who = {.conn = i + 1, .since_ms = i, .name_len = 3, .name = "ann"};
	struct log_receipt receipt = {0};
	char id[16];
	int n = snprintf(id, sizeof(id), "op-%u", i);

	switch (op.what) {
	case PUBLISH:
		ck_assert_int_eq(
		    rig_say(room_name[op.room], span_from(id, (size_t)n), op_payload(i), &receipt),
		    LOG_OK);
		return !receipt.is_duplicate;
	case JOIN:
		ck_assert_int_eq(chat_log_join(chat, room_name[op.room], slot, &who, &seats[i]),
				 LOG_OK);
		return true;
	case LEAVE:
		if (seats[op.who].index)
			chat_log_leave(chat, &seats[op.who]);
		seats[op.who].index = 0;
		return true;
	}
	return false;
}

/* ---- what is to be seen ---- */

struct room_state {
	bool is_there;
	uint64_t head, tail, seq;
	uint32_t n_members;
	unsigned newest; /* the operation of the newest message, + 1 */
};
struct state {
	struct room_state room[ROOMS];
};

/* Without any lock; every record is read, and is what an operation had published. */
static void
state_read(struct state *state)
{
	for (unsigned i = 0; i < ROOMS; i++) {
		struct room_state *room = &state->room[i];
		struct log_room handle;
		struct log_record record;
		struct log_view view;

		*room = (struct room_state){0};
		if (!chat_log_find_room(chat, room_name[i], &handle) ||
		    !chat_log_view(chat, &handle, &view))
			continue;
		room->is_there = true;
		room->head = view.head;
		room->tail = view.tail;
		room->seq = view.seq;
		room->n_members = view.n_members;
		uint64_t seq = 0;

		for (uint64_t pos = view.head; pos != view.tail; pos = record.next) {
			char text[2048], id[16];

			ck_assert_int_eq(chat_log_read(chat, &handle, pos, &record), LOG_MESSAGE);
			ck_assert(seq == 0 || record.seq == seq + 1);
			seq = record.seq;
			ck_assert(chat_log_copy(chat, &handle, &record, text));
			unsigned op = (unsigned)strtoul(text, NULL, 10);
			int n = snprintf(id, sizeof(id), "op-%u", op);

			room->newest = op + 1;
			ck_assert_uint_eq(op_at(op).room, i);
			ck_assert(span_eq(span_from(text, record.len), op_payload(op)));
			ck_assert(
			    span_eq(span_from(record.id, record.id_len), span_from(id, (size_t)n)));
		}
		ck_assert(seq == 0 || seq == view.seq);
	}
}

static bool
room_is_as(const struct room_state *is, const struct room_state *before,
	   const struct room_state *after)
{
	if (!is->is_there)
		return !before->is_there || !after->is_there;
	/* made, but nothing published yet or ever more */
	if (!before->is_there && is->head == is->tail)
		return true;
	if (before->is_there && is->tail == before->tail && is->seq == before->seq &&
	    is->head >= before->head)
		return is->head <= after->head || !after->is_there || is->head <= before->tail;
	return after->is_there && is->tail == after->tail && is->seq == after->seq &&
	       is->head == after->head;
}

/* Before or after each operation of a run that nobody disturbs. */
static struct state states[OPS + 1];

/* How many operations the child has done; shared. */
static _Atomic unsigned *done;

/* ---- dying ---- */

static unsigned long hits, die_at_hit;

static void
die(const char *step)
{
	(void)step;
	if (hits++ == die_at_hit)
		raise(SIGKILL);
}

static void
child_dies_in_program(unsigned long at)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		hits = 0;
		die_at_hit = at;
		chat_log_fault = die;
		for (unsigned i = 0; i < OPS; i++) {
			op_run(i, SLOT);
			atomic_store(done, i + 1);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		ck_abort_msg("hit %lu: not killed: %x", at, (unsigned)status);
}

/* ---- each step that there is ---- */

static const char *const all_steps[] = {
    "aside: spare", "bytes",         "commit: half",    "commit: written",
    "committed",    "counted",       "dropped",         "evict: changing",
    "evict: floor", "evict: free",   "evict: gone",     "evict: unchained",
    "half",         "halve: home",   "halve: spare",    "head",
    "ids: cleared", "ids: one more", "locked",          "members: changed",
    "move: copied", "move: some",    "notice",          "noticed",
    "pool: given",  "pool: joined",  "pool: split",     "pool: taken",
    "ring: linked", "ring: set",     "room: chained",   "room: half",
    "room: made",   "room: slot",    "room: written",   "seat: counted",
    "seat: given",  "seat: taken",   "seat: uncounted", "seat: unlinked",
    "seat: used",   "seat: written", "space: taken",    "touch",
    "touch: out",   "unlocked",      "unlocking",       "writing",
};
#define N_STEPS (sizeof(all_steps) / sizeof(all_steps[0]))
static unsigned long step_hits[N_STEPS];

static void
count(const char *step)
{
	hits++;
	for (size_t i = 0; i < N_STEPS; i++)
		if (strcmp(all_steps[i], step) == 0) {
			step_hits[i]++;
			return;
		}
	ck_abort_msg("the step \"%s\" is not in the list", step);
}

/* Runs it once; the number of steps. */
static unsigned long
dry_run(void)
{
	open_small();
	hits = 0;
	chat_log_fault = count;
	for (unsigned i = 0; i < OPS; i++) {
		chat_log_fault = NULL;
		state_read(&states[i]);
		chat_log_fault = count;
		ck_assert(op_run(i, SLOT));
	}
	chat_log_fault = NULL;
	state_read(&states[OPS]);
	rig_verify();
	for (size_t i = 0; i < N_STEPS; i++)
		if (!step_hits[i])
			ck_abort_msg("the program does not come to \"%s\"", all_steps[i]);
	return hits;
}

static void
setup(void)
{
	done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(done, MAP_FAILED);
}

static void
teardown(void)
{
	munmap(done, sizeof(*done));
	rig_close();
}

static void
state_is_between(unsigned long at, const struct state *before, const struct state *after)
{
	struct state state;

	state_read(&state);
	for (unsigned i = 0; i < ROOMS; i++)
		if (!room_is_as(&state.room[i], &before->room[i], &after->room[i]))
			ck_abort_msg(
			    "hit %lu, room %u: %d %lu..%lu seq %lu; before %d %lu..%lu "
			    "seq %lu, after %d %lu..%lu seq %lu",
			    at, i, state.room[i].is_there, state.room[i].head, state.room[i].tail,
			    state.room[i].seq, before->room[i].is_there, before->room[i].head,
			    before->room[i].tail, before->room[i].seq, after->room[i].is_there,
			    after->room[i].head, after->room[i].tail, after->room[i].seq);
}

/* What the dead one had is given back, what others had is there. */
static void
members_are_right(unsigned long at)
{
	struct log_member list[16];
	struct log_room handle;
	uint64_t presence_seq;
	uint32_t members;
	size_t n;

	for (unsigned i = 0; i < ROOMS; i++) {
		if (!chat_log_find_room(chat, room_name[i], &handle))
			continue;
		ck_assert_int_eq(
		    chat_log_members(chat, &handle, 0, list, 16, &n, &presence_seq, &members),
		    LOG_OK);
		if (n != (i == 0 ? 3 : 0) || n != members)
			ck_abort_msg("hit %lu, room %u: %zu members", at, i, n);
		for (unsigned j = 0; j < n; j++)
			ck_assert_uint_eq(list[j].conn, 1000 + j);
	}
}

/* The rest of the program, from the operation on that may have been done or not. */
static void
go_on(unsigned long at, unsigned first)
{
	struct state before, after;

	memset(seats, 0, sizeof(seats));
	for (unsigned i = first; i < OPS && i < first + 8; i++) {
		state_read(&before);
		bool acted = op_run(i, OTHER + 1);

		state_read(&after);
		const struct room_state *b = &before.room[op_at(i).room];
		const struct room_state *a = &after.room[op_at(i).room];

		/* the first may have been done, and then it is not done again */
		if (op_at(i).what == PUBLISH &&
		    acted != (i != first || !b->is_there || b->newest != i + 1))
			ck_abort_msg("hit %lu: operation %u: acted %d", at, i, acted);
		if (op_at(i).what == PUBLISH && b->is_there)
			ck_assert_uint_eq(a->seq, b->seq + acted);
	}
	rig_verify();
}

START_TEST(a_process_killed_at_any_step_leaves_a_whole_log)
{
	unsigned long n = dry_run();

	for (unsigned long at = (unsigned long)_i; at < n; at += 4) {
		open_small();
		atomic_store(done, 0);
		child_dies_in_program(at);
		unsigned i = atomic_load(done);
		uint64_t cursor = chat_log_news_end(chat, 0);
		uint32_t index[OPS];
		size_t n_news;

		ck_assert_uint_lt(i, OPS);
		/* nobody has repaired anything yet; readers do not care */
		state_is_between(at, &states[i], &states[i + 1]);
		chat_log_recover(chat, SLOT);
		/* what the dead one did not come to say */
		if (chat->repaired)
			ck_assert(chat_log_news(chat, 0, &cursor, index, OPS, &n_news));
		rig_verify();
		state_is_between(at, &states[i], &states[i + 1]);
		members_are_right(at);
		go_on(at, i);
		rig_close();
	}
}
END_TEST

/* Those who repair may be killed in turn. */
START_TEST(a_repairer_killed_at_any_step_is_repaired)
{
	unsigned long n = dry_run();

	for (unsigned long at = (unsigned long)_i * 5; at < n; at += 173) {
		for (unsigned long j = 0;; j++) {
			int status;

			open_small();
			atomic_store(done, 0);
			child_dies_in_program(at);
			unsigned i = atomic_load(done);
			pid_t pid = fork();

			ck_assert_int_ge(pid, 0);
			if (pid == 0) {
				hits = 0;
				die_at_hit = j;
				chat_log_fault = die;
				chat_log_recover(chat, SLOT);
				_exit(0);
			}
			ck_assert_int_eq(waitpid(pid, &status, 0), pid);
			chat_log_recover(chat, SLOT);
			rig_verify();
			state_is_between(at, &states[i], &states[i + 1]);
			members_are_right(at);
			if (j % 8 == 0)
				go_on(at, i);
			rig_close();
			if (!WIFSIGNALED(status))
				break;
		}
	}
}
END_TEST

/* ---- stopped ---- */

static int held;
static const char *hold_at;

static void
hold(const char *step)
{
	char byte = 0;

	if (strcmp(step, hold_at) != 0)
		return;
	ck_assert_int_eq(write(held, &byte, 1), 1);
	for (;;)
		pause();
}

static const char *const hold_points[] = {"locked", "bytes", "commit: written", "noticed"};

START_TEST(a_stopped_writer_does_not_stop_the_others)
{
	struct log_member who = {.conn = 5};
	struct log_seat seat, other;
	struct log_view view;
	uint64_t presence_seq, first;
	uint32_t members;
	char byte;
	int ready[2];
	size_t n;

	open_small();
	rig_publish(room_name[1], "before", 6);
	ck_assert_int_eq(chat_log_join(chat, room_name[1], SLOT, &who, &seat), LOG_OK);
	ck_assert_int_eq(chat_log_join(chat, room_name[1], OTHER, &who, &other), LOG_OK);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		held = ready[1];
		hold_at = hold_points[_i];
		chat_log_fault = hold;
		rig_publish(room_name[1], "held", 4);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	/* the first waits for 50 ms, the others not at all */
	uint64_t begin_us = clock_monotonic_us();
	ck_assert_int_eq(rig_say(room_name[1], SPAN_LIT(""), SPAN_LIT("x"), NULL), LOG_BUSY);
	uint64_t first_us = clock_monotonic_us();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(rig_say(room_name[0], SPAN_LIT(""), SPAN_LIT("x"), NULL),
				 LOG_BUSY);
	ck_assert_int_eq(chat_log_join(chat, room_name[1], SLOT, &who, &other), LOG_BUSY);
	ck_assert_int_eq(
	    chat_log_members(chat, &seat.room, 0, NULL, 0, &n, &presence_seq, &members), LOG_BUSY);
	chat_log_leave(chat, &seat);
	chat_log_leave(chat, &seat);
	chat_log_recover(chat, OTHER);
	ck_assert_uint_ge(first_us - begin_us, 50000);
	/* recover has other shards to wait for, which are free */
	ck_assert_uint_lt(clock_monotonic_us() - first_us, 1000000);
	/* readers and other shards go on */
	ck_assert_uint_ge(rig_kept(room_name[1], &first), 1);
	rig_publish(rig_name(1, 0), "y", 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	rig_publish(room_name[1], "again", 5);
	ck_assert_uint_eq(chat->repaired, 1);
	/* and the seats are given back */
	ck_assert(chat_log_view(chat, &seat.room, &view));
	ck_assert_uint_eq(view.n_members, 0);
	rig_verify();
}
END_TEST

static int told_to_go;

static void
hold_for_a_while(const char *step)
{
	char byte = 0;

	if (strcmp(step, hold_at) != 0)
		return;
	chat_log_fault = NULL;
	ck_assert_int_eq(write(held, &byte, 1), 1);
	ck_assert_int_eq(read(told_to_go, &byte, 1), 1);
}

/* Nobody else may come for long, and members who have left are not to be seen until then. */
START_TEST(one_that_goes_on_sweeps)
{
	struct log_member who = {.conn = 5};
	struct log_seat seat, other;
	struct log_view view;
	int ready[2], go[2], status;
	char byte = 0;

	open_small();
	ck_assert_int_eq(chat_log_join(chat, room_name[1], SLOT, &who, &seat), LOG_OK);
	ck_assert_int_eq(chat_log_join(chat, room_name[1], OTHER, &who, &other), LOG_OK);
	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(go), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		held = ready[1];
		told_to_go = go[0];
		hold_at = hold_points[_i];
		chat_log_fault = hold_for_a_while;
		rig_publish(room_name[1], "held", 4);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	chat_log_leave(chat, &seat);
	chat_log_recover(chat, OTHER);
	ck_assert(chat_log_view(chat, &seat.room, &view));
	ck_assert_uint_eq(view.n_members, 2);
	ck_assert_int_eq(write(go[1], &byte, 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(chat_log_view(chat, &seat.room, &view));
	ck_assert_uint_eq(view.n_members, 0);
	ck_assert_uint_eq(view.seq, 1);
	rig_verify();
}
END_TEST

/* Seats that were marked while the lock was taken are swept when it is free again, with no death.
 */
START_TEST(marked_seats_are_swept)
{
	struct log_member who = {.conn = 5};
	struct log_seat seat[4];
	struct log_view view;

	open_small();
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(chat_log_join(chat, room_name[1], SLOT, &who, &seat[i]), LOG_OK);
	log_seat_mark(chat->area, 0, seat[1].index);
	log_seat_mark(chat->area, 0, seat[2].index);
	ck_assert(chat_log_view(chat, &seat[0].room, &view));
	ck_assert_uint_eq(view.n_members, 4);
	rig_publish(room_name[0], "x", 1);
	ck_assert(chat_log_view(chat, &seat[0].room, &view));
	ck_assert_uint_eq(view.n_members, 2);
	rig_verify();
}
END_TEST

/* ---- many at once ---- */

enum { WRITERS = 4, STRESS_ROOMS = 3 };

struct writer {
	pid_t pid;
	unsigned life;
};
/* By writer and room: the last seq and number that were acknowledged in this life; shared. */
static _Atomic uint64_t (*acked)[STRESS_ROOMS];

static void
write_on(unsigned w, unsigned life)
{
	static char text[700];
	struct log_receipt receipt;

	for (unsigned i = 1;; i++)
		for (unsigned r = 0; r < STRESS_ROOMS; r++) {
			size_t len = 64 + (i * 31 + w * 7) % 600;

			memset(text, 'a' + (int)(i % 26), len);
			snprintf(text, 64, "%u %u %u", w, life, i);
			while (rig_say(room_name[r], SPAN_LIT(""), span_from(text, len),
				       &receipt) != LOG_OK)
				;
			atomic_store(&acked[w][r], receipt.seq << 32 | i);
		}
}

static void
writer_start(struct writer *writer, unsigned w)
{
	writer->life++;
	for (unsigned r = 0; r < STRESS_ROOMS; r++)
		atomic_store(&acked[w][r], 0);
	writer->pid = fork();
	ck_assert_int_ge(writer->pid, 0);
	if (writer->pid == 0)
		write_on(w, writer->life);
}

struct stress_reader {
	uint64_t pos, seq;
	struct {
		unsigned life, i;
	} last[WRITERS];
	unsigned long messages;
	bool was_lost;
};

/* Takes one message; what it was, as far as can be told, follows what was before. */
static bool
stress_read(struct stress_reader *reader, unsigned r)
{
	struct log_room handle;
	struct log_record record;
	struct log_view view;
	char text[1024];
	unsigned w, life, i;

	if (!chat_log_find_room(chat, room_name[r], &handle))
		return false;
	switch (chat_log_read(chat, &handle, reader->pos, &record)) {
	case LOG_END: return false;
	case LOG_MESSAGE:
		ck_assert_uint_lt(record.len, sizeof(text));
		if (chat_log_copy(chat, &handle, &record, text))
			break;
		/* fall through */
	case LOG_LOST:
		ck_assert(chat_log_view(chat, &handle, &view));
		ck_assert_uint_ge(view.tail, reader->pos);
		reader->pos = view.head;
		reader->was_lost = true;
		return true;
	}
	text[63] = '\0';
	ck_assert_int_eq(sscanf(text, "%u %u %u", &w, &life, &i), 3);
	ck_assert_uint_lt(w, WRITERS);
	ck_assert_uint_gt(record.seq, reader->seq);
	ck_assert(reader->was_lost || record.seq == reader->seq + 1);
	reader->was_lost = false;
	reader->seq = record.seq;
	reader->pos = record.next;
	ck_assert_uint_eq(record.len, 64 + (i * 31 + w * 7) % 600);
	for (size_t at = 64; at < record.len; at++)
		ck_assert_int_eq(text[at], 'a' + (int)(i % 26));
	/* each writer's own order; nothing twice */
	if (life == reader->last[w].life)
		ck_assert_uint_gt(i, reader->last[w].i);
	else
		ck_assert_uint_gt(life, reader->last[w].life);
	reader->last[w].life = life;
	reader->last[w].i = i;
	reader->messages++;
	return true;
}

/* What was acknowledged is there for good, for as long as the room keeps it. */
static void
ack_holds(unsigned w, unsigned life, unsigned r)
{
	uint64_t ack = atomic_load(&acked[w][r]);
	struct log_room handle;
	struct log_record record;
	struct log_view view;
	char text[1024], want[64];
	uint64_t pos;

	if (!ack)
		return;
	ck_assert(chat_log_find_room(chat, room_name[r], &handle));
	ck_assert(chat_log_view(chat, &handle, &view));
	ck_assert_uint_ge(view.seq, ack >> 32);
	ck_assert(chat_log_seek(chat, &handle, ack >> 32, &pos));
	if (chat_log_read(chat, &handle, pos, &record) != LOG_MESSAGE || record.seq != ack >> 32 ||
	    !chat_log_copy(chat, &handle, &record, text))
		return;
	snprintf(want, sizeof(want), "%u %u %u", w, life, (uint32_t)ack);
	ck_assert_str_eq(text, want);
}

START_TEST(writers_killed_at_any_time)
{
	enum { KILLS = 60 };
	struct stress_reader reader[STRESS_ROOMS] = {0};
	struct writer writer[WRITERS] = {0};
	const struct log_member who = {.conn = 5};
	struct log_seat seat;
	unsigned long read = 0, fewest = 0;

	rig_open(64 * K, 16 * K, 64);
	for (unsigned i = 0; i < STRESS_ROOMS; i++) {
		room_name[i] = rig_name(0, i);
		/* a room that nobody is in may be forgotten with all that was acknowledged */
		ck_assert_int_eq(chat_log_join(chat, room_name[i], OTHER, &who, &seat), LOG_OK);
	}
	acked = mmap(NULL, sizeof(*acked) * WRITERS, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(acked, MAP_FAILED);
	for (unsigned w = 0; w < WRITERS; w++)
		writer_start(&writer[w], w);
	/* a room whose memory goes to the others again and again has less to be read */
	for (unsigned kills = 0; kills < KILLS || fewest <= 100;) {
		bool any = false;

		fewest = ULONG_MAX;
		for (unsigned r = 0; r < STRESS_ROOMS; r++) {
			any |= stress_read(&reader[r], r);
			if (reader[r].messages < fewest)
				fewest = reader[r].messages;
		}
		if (!any)
			sched_yield();
		/* as good as at random */
		if (any && ++read % 97 == 0 && clock_monotonic_us() % 5 == 0) {
			unsigned w = kills++ % WRITERS;

			kill(writer[w].pid, SIGKILL);
			ck_assert_int_eq(waitpid(writer[w].pid, NULL, 0), writer[w].pid);
			for (unsigned r = 0; r < STRESS_ROOMS; r++)
				ack_holds(w, writer[w].life, r);
			if (kills % 10 == 0)
				rig_check();
			writer_start(&writer[w], w);
		}
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		kill(writer[w].pid, SIGKILL);
		ck_assert_int_eq(waitpid(writer[w].pid, NULL, 0), writer[w].pid);
	}
	chat_log_recover(chat, SLOT);
	rig_verify();
	ck_assert_uint_eq(chat_log_resets(chat), 0);
	for (unsigned r = 0; r < STRESS_ROOMS; r++)
		while (stress_read(&reader[r], r))
			;
	munmap(acked, sizeof(*acked) * WRITERS);
}
END_TEST

/* Four writers and a reader at once: nothing lost, nothing twice, each writer's own order kept. */
START_TEST(writers_at_the_same_time)
{
	enum { EACH = 3000 };
	unsigned seen[WRITERS] = {0};
	pid_t pid[WRITERS];
	struct log_room handle;
	uint64_t pos = 0;

	rig_open(8192 * K, 2048 * K, 64);
	for (unsigned w = 0; w < WRITERS; w++) {
		pid[w] = fork();
		ck_assert_int_ge(pid[w], 0);
		if (pid[w])
			continue;
		for (unsigned i = 0; i < EACH; i++) {
			char text[64];
			int n = snprintf(text, sizeof(text), "%u %u", w, i);

			while (rig_say(SPAN_LIT("lobby"), SPAN_LIT(""), span_from(text, (size_t)n),
				       NULL) != LOG_OK)
				;
		}
		_exit(0);
	}
	while (!chat_log_find_room(chat, SPAN_LIT("lobby"), &handle))
		;
	for (unsigned n = 0; n < WRITERS * EACH;) {
		struct log_record record;
		char got[64] = "";
		unsigned w, i;

		switch (chat_log_read(chat, &handle, pos, &record)) {
		case LOG_END: continue;
		case LOG_LOST: ck_abort_msg("lost at %u", n);
		case LOG_MESSAGE: break;
		}
		ck_assert_uint_eq(record.seq, n + 1);
		ck_assert_uint_lt(record.len, sizeof(got));
		ck_assert(chat_log_copy(chat, &handle, &record, got));
		ck_assert_int_eq(sscanf(got, "%u %u", &w, &i), 2);
		ck_assert_uint_lt(w, WRITERS);
		ck_assert_uint_eq(i, seen[w]);
		seen[w]++;
		pos = record.next;
		n++;
	}
	for (unsigned w = 0; w < WRITERS; w++)
		ck_assert_int_eq(waitpid(pid[w], NULL, 0), pid[w]);
	rig_verify();
}
END_TEST

/*
 * A reader without a lock, while rooms come and go, grow and are halved: it never takes garbage for
 * a message.
 */
START_TEST(a_reader_never_sees_garbage)
{
	struct stress_reader reader[ROOMS] = {0};
	unsigned long messages = 0, lost = 0;

	open_small();
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (unsigned i = 0;; i++) {
			unsigned r = i / 50 % 3 ? i / 200 % ROOMS : i * 7 % ROOMS;
			char text[1600];
			size_t len = 8 + i * 37 % 1500;

			memset(text, 'a' + (int)(r + i % 4 * ROOMS), len);
			if (rig_say(room_name[r], SPAN_LIT(""), span_from(text, len), NULL) !=
			    LOG_OK)
				_exit(1);
		}
	}
	while (messages < 20000 || lost < 50) {
		for (unsigned r = 0; r < ROOMS; r++) {
			struct log_room handle;
			struct log_record record;
			struct log_view view;
			char text[2048];

			if (!chat_log_find_room(chat, room_name[r], &handle))
				continue;
			switch (chat_log_read(chat, &handle, reader[r].pos, &record)) {
			case LOG_END: continue;
			case LOG_MESSAGE:
				ck_assert_uint_lt(record.len, sizeof(text));
				if (chat_log_copy(chat, &handle, &record, text))
					break;
				/* fall through */
			case LOG_LOST:
				lost++;
				if (chat_log_view(chat, &handle, &view))
					reader[r].pos = lost % 2 ? view.head : view.tail;
				continue;
			}
			messages++;
			reader[r].pos = record.next;
			ck_assert_uint_eq(((unsigned)text[0] - 'a') % ROOMS, r);
			for (size_t i = 1; i < record.len; i++)
				if (text[i] != text[0])
					ck_abort_msg("room %u: garbage at %zu", r, i);
			if (messages % 100 == 0)
				sched_yield(); /* let it get ahead */
		}
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* Whoever reads our lines may be slow: meanwhile the others want the lock. */
START_TEST(nothing_is_said_with_the_lock_held)
{
	struct log_room room;
	struct ring ring;

	open_small();
	rig_publish(room_name[1], "before", 6);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(pthread_mutex_lock(&chat->area->shard[0].mutex));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	said.lines = 0;
	said.looks = true;
	rig_publish(room_name[1], "after", 5);
	ck_assert_ptr_nonnull(strstr(said.line, "shard 0; repaired"));
	rig_publish(room_name[1], "again", 5);
	ck_assert_uint_eq(said.lines, 1);
	rig_view(room_name[1], &room);
	ring = ring_of(
	    chat->area, 0,
	    atomic_load(
		&log_room_at(chat->area, 0, room.index % chat->area->layout.n_rooms + 1)->ring));
	ring.bytes[70] ^= 1;
	rig_check();
	ck_assert_ptr_nonnull(strstr(said.line, "shard 0 was damaged"));
	ck_assert_uint_eq(said.lines, 2);
	ck_assert_uint_eq(said.locked, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log_death");
	TCase *tc = tcase_create("log_death");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, a_process_killed_at_any_step_leaves_a_whole_log, 0, 4);
	tcase_add_loop_test(tc, a_repairer_killed_at_any_step_is_repaired, 0, 4);
	tcase_add_loop_test(tc, a_stopped_writer_does_not_stop_the_others, 0,
			    sizeof(hold_points) / sizeof(hold_points[0]));
	tcase_add_loop_test(tc, one_that_goes_on_sweeps, 0,
			    sizeof(hold_points) / sizeof(hold_points[0]));
	tcase_add_test(tc, marked_seats_are_swept);
	tcase_add_test(tc, writers_killed_at_any_time);
	tcase_add_test(tc, writers_at_the_same_time);
	tcase_add_test(tc, a_reader_never_sees_garbage);
	tcase_add_test(tc, nothing_is_said_with_the_lock_held);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
