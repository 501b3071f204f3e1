/* links: src/hub/room.c src/hub/log.c src/hub/frame.c src/base/siphash.c src/base/log.c
 * src/base/clock.c src/base/buffer.c -lpthread */
/*
 * test_room.c - who gets what, with sockets that take it, take a part, or nothing. A fake of ws.c
 * keeps what each member was sent.
 */
#include "hub/room.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "hub/frame.h"

#define QUEUE_MAX 100000

struct fake {
	struct member m;
	struct buffer got;     /* frames that "the kernel" took */
	struct buffer waiting; /* what "the library" holds */
	size_t window;         /* how much the socket takes yet */
	unsigned writes;
	unsigned closed; /* with this code */
};

static void *memory;
static size_t memory_size;
static struct chat_log chat;
static struct rooms rooms;

enum ws_result
ws_write(struct ws_conn *c, unsigned char *frames, size_t len)
{
	struct fake *f = (struct fake *)c;

	if (f->closed)
		return WS_REFUSED;
	if (f->waiting.len > 0)
		return WS_STUCK;
	f->writes++;
	size_t n = len < f->window ? len : f->window;
	f->window -= n;
	ck_assert(buffer_append(&f->got, frames, n, SIZE_MAX));
	if (n == len)
		return WS_SENT;
	ck_assert(buffer_append(&f->waiting, frames + n, len - n, SIZE_MAX));
	return WS_PARTIAL;
}

void
ws_want_writable(struct ws_conn *c, bool want)
{
	c->wants_writable = want;
}

void
ws_close(struct ws_conn *c, unsigned code)
{
	struct fake *f = (struct fake *)c;

	if (!f->closed)
		f->closed = code;
}

/* The socket takes `window` bytes more. */
static void
take(struct fake *f, size_t window)
{
	size_t n = f->waiting.len < window ? f->waiting.len : window;

	ck_assert(buffer_append(&f->got, f->waiting.data, n, SIZE_MAX));
	buffer_consume(&f->waiting, n);
	f->window = window - n;
	if (f->waiting.len > 0)
		return;
	/* as ws.c: whenever the socket takes bytes, for as long as that is wanted */
	for (int i = 0; i < 1000; i++) {
		rooms_catch_up(&rooms, &f->m);
		if (f->waiting.len > 0 || !f->m.conn.wants_writable)
			return;
	}
	ck_abort_msg("catches up for ever");
}

static void
start(size_t size)
{
	memory_size = size;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert(chat_log_format(memory, size));
	ck_assert(chat_log_attach(&chat, memory, size));
	ck_assert(rooms_init(&rooms, &chat, QUEUE_MAX));
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	start(4u << 20);
}

static void
teardown(void)
{
	ck_assert_uint_eq(rooms.n_rooms, 0);
	rooms_fini(&rooms);
	munmap(memory, memory_size);
}

static void
join(struct fake *f, const char *name)
{
	*f = (struct fake){.window = SIZE_MAX};
	ck_assert(rooms_join(&rooms, &f->m, span_str(name)));
}

static void
leave(struct fake *f)
{
	rooms_leave(&rooms, &f->m);
	buffer_fini(&f->got);
	buffer_fini(&f->waiting);
}

static void
publish(const char *name, const char *text)
{
	struct span room = span_str(name);

	ck_assert(chat_log_append(&chat, chat_log_hash(&chat, room), room, FRAME_TEXT, text,
				  strlen(text)));
}

static void
deliver(void)
{
	while (rooms_deliver(&rooms))
		;
	ck_assert(!rooms_have_news(&rooms));
}

/* Checks the frames that came, taken apart: texts joined by spaces. */
static void
expect(struct fake *f, const char *texts)
{
	static char got[1 << 20];
	size_t n = 0;

	for (size_t i = 0; i < f->got.len;) {
		const unsigned char *p = (unsigned char *)f->got.data + i;
		size_t len = p[1];

		ck_assert_uint_eq(p[0], 0x81);
		ck_assert_uint_lt(len, 126);
		ck_assert_uint_le(i + 2 + len, f->got.len);
		ck_assert_uint_lt(n + len + 2, sizeof(got));
		if (n > 0)
			got[n++] = ' ';
		memcpy(got + n, p + 2, len);
		n += len;
		i += 2 + len;
	}
	got[n] = '\0';
	if (strcmp(got, texts) != 0)
		ck_abort_msg("got \"%s\", not \"%s\"", got, texts);
	f->got.len = 0;
}

START_TEST(names)
{
	char longest[66];

	memset(longest, 'a', sizeof(longest));
	ck_assert(room_name_valid(SPAN_LIT("lobby")));
	ck_assert(room_name_valid(SPAN_LIT("A-Z.a_z-09")));
	ck_assert(room_name_valid(SPAN_LIT("...")));
	ck_assert(room_name_valid(SPAN_LIT("_products")));
	ck_assert(room_name_valid(span_from(longest, 64)));
	ck_assert(!room_name_valid(span_from(longest, 65)));
	ck_assert(!room_name_valid(SPAN_LIT("")));
	ck_assert(!room_name_valid(SPAN_LIT(".")));
	ck_assert(!room_name_valid(SPAN_LIT("..")));
	ck_assert(!room_name_valid(SPAN_LIT("a b")));
	ck_assert(!room_name_valid(SPAN_LIT("a/b")));
	ck_assert(!room_name_valid(SPAN_LIT("a\0b")));
	ck_assert(!room_name_valid(SPAN_LIT("caf\xc3\xa9")));
}
END_TEST

START_TEST(all_members_of_a_room_get_all_in_one_write)
{
	struct fake a, b, other;

	join(&a, "room");
	join(&b, "room");
	join(&other, "other");
	publish("room", "1");
	publish("other", "x");
	publish("room", "2");
	publish("nobody", "y");
	publish("room", "3");
	deliver();
	expect(&a, "1 2 3");
	expect(&b, "1 2 3");
	expect(&other, "x");
	ck_assert_uint_eq(a.writes, 1);
	leave(&a);
	publish("room", "4");
	deliver();
	expect(&b, "4");
	leave(&b);
	leave(&other);
}
END_TEST

START_TEST(one_gets_what_is_published_after_it_joined)
{
	struct fake a, b, c;

	join(&a, "room");
	publish("room", "1");
	publish("room", "2");
	join(&b, "room"); /* not read yet by this worker, but published before it came */
	publish("room", "3");
	join(&c, "room");
	ck_assert_int_eq(b.m.state, MEMBER_JOINING);
	deliver();
	expect(&a, "1 2 3");
	expect(&b, "3");
	expect(&c, "");
	publish("room", "4");
	deliver();
	expect(&a, "4");
	expect(&b, "4");
	expect(&c, "4");
	/* one that leaves while it waits */
	publish("room", "5");
	leave(&a);
	join(&a, "room");
	leave(&a);
	deliver();
	leave(&b);
	leave(&c);
}
END_TEST

START_TEST(a_laggard_is_served_from_the_log)
{
	struct fake a, slow;

	join(&a, "room");
	join(&slow, "room");
	slow.window = 5;
	publish("room", "one");
	publish("room", "two");
	deliver();
	ck_assert_int_eq(slow.m.state, MEMBER_BEHIND);
	for (int i = 0; i < 10; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		publish("room", text);
		publish("other", "not for it");
		deliver();
	}
	expect(&a, "one two 0 1 2 3 4 5 6 7 8 9");
	ck_assert_uint_eq(slow.writes, 1);
	take(&slow, 3);
	ck_assert_uint_eq(slow.writes, 1);
	take(&slow, 4);
	ck_assert_int_eq(slow.m.state, MEMBER_BEHIND);
	take(&slow, SIZE_MAX);
	ck_assert_int_eq(slow.m.state, MEMBER_LIVE);
	ck_assert(!slow.m.conn.wants_writable);
	publish("room", "end");
	deliver();
	expect(&slow, "one two 0 1 2 3 4 5 6 7 8 9 end");
	expect(&a, "end");
	leave(&a);
	leave(&slow);
}
END_TEST

/* Output of the library's own is in the way: the run was not taken at all. */
START_TEST(a_stuck_member_loses_nothing)
{
	struct fake a;

	join(&a, "room");
	ck_assert(buffer_append(&a.waiting, "\x81\4pong", 6, SIZE_MAX));
	publish("room", "1");
	publish("room", "2");
	deliver();
	ck_assert_int_eq(a.m.state, MEMBER_BEHIND);
	publish("room", "3");
	deliver();
	take(&a, SIZE_MAX);
	ck_assert_int_eq(a.m.state, MEMBER_LIVE);
	expect(&a, "pong 1 2 3");
	leave(&a);
}
END_TEST

START_TEST(too_far_behind_is_4008_and_the_others_notice_nothing)
{
	struct fake a, slow;
	char text[101];
	unsigned sent = 0;

	memset(text, 'x', 100);
	text[100] = '\0';
	join(&a, "room");
	join(&slow, "room");
	slow.window = 50;
	while (!slow.closed && sent * 102 < 2 * QUEUE_MAX) {
		publish("room", text);
		sent++;
		deliver();
	}
	ck_assert_uint_eq(slow.closed, CLOSE_SLOW);
	/* exactly: one frame more than the bound */
	ck_assert_uint_eq(sent, QUEUE_MAX / 102 + 1);
	ck_assert_ptr_null(slow.m.room);
	ck_assert_uint_eq(a.got.len, sent * 102);
	ck_assert_uint_eq(a.closed, 0);
	leave(&a);
	leave(&slow);
}
END_TEST

/* Other rooms' messages are no debt of a laggard's, but they overwrite what it needs. */
START_TEST(lapped_is_4008)
{
	struct fake slow, lucky;
	static char text[10001];
	const char *other = "other";
	char name[16];

	memset(text, 'x', sizeof(text) - 1);
	join(&slow, "room");
	join(&lucky, "room");
	/* a room in the same shard */
	for (int i = 0;
	     chat_log_shard(chat_log_hash(&chat, span_str(other))) != room_hash(slow.m.room) >> 62;
	     i++) {
		snprintf(name, sizeof(name), "other%d", i);
		other = name;
	}
	slow.window = 1;
	lucky.window = 1;
	publish("room", "1");
	deliver();
	publish("room", "2");
	deliver();
	take(&lucky, SIZE_MAX);
	expect(&lucky, "1 2");
	lucky.window = 1;
	publish("room", "3");
	deliver();
	for (int i = 0; i < 200; i++) {
		publish(other, text);
		deliver();
	}
	ck_assert_uint_eq(slow.closed, 0);
	take(&slow, SIZE_MAX);
	ck_assert_uint_eq(slow.closed, CLOSE_SLOW);
	/* what this one misses is with the library already */
	take(&lucky, SIZE_MAX);
	ck_assert_uint_eq(lucky.closed, 0);
	ck_assert_int_eq(lucky.m.state, MEMBER_LIVE);
	expect(&lucky, "3");
	leave(&slow);
	leave(&lucky);
}
END_TEST

START_TEST(a_worker_that_is_lapped_closes_with_4010)
{
	struct fake a, elsewhere;
	static char text[10001];
	char name[16] = "";

	memset(text, 'x', sizeof(text) - 1);
	join(&a, "room");
	for (int i = 0; !name[0] || chat_log_shard(chat_log_hash(&chat, span_str(name))) ==
					room_hash(a.m.room) >> 62;
	     i++)
		snprintf(name, sizeof(name), "other%d", i);
	join(&elsewhere, name);
	publish(name, "1");
	for (int i = 0; i < 200; i++)
		publish("room", text);
	deliver();
	ck_assert_uint_eq(a.closed, CLOSE_LOST);
	ck_assert_uint_eq(a.got.len, 0);
	ck_assert_uint_eq(elsewhere.closed, 0);
	expect(&elsewhere, "1");
	leave(&a);
	join(&a, "room");
	publish("room", "again");
	deliver();
	expect(&a, "again");
	leave(&a);
	leave(&elsewhere);
}
END_TEST

START_TEST(runs_are_bounded)
{
	struct fake a;
	static char text[30001];

	memset(text, 'x', sizeof(text) - 1);
	join(&a, "room");
	for (int i = 0; i < 5; i++)
		publish("room", text);
	deliver();
	ck_assert_uint_eq(a.got.len, 5 * 30004);
	ck_assert_uint_eq(a.writes, 3);
	/* a pass ends after some, so that sockets are looked at */
	for (int i = 0; i < 300; i++)
		publish("room", "y");
	ck_assert(rooms_deliver(&rooms));
	ck_assert(rooms_have_news(&rooms));
	ck_assert(!rooms_deliver(&rooms));
	ck_assert_uint_eq(a.got.len, 5 * 30004 + 300 * 3);
	/* and so does a laggard's turn */
	a.window = 0;
	for (int i = 0; i < 3; i++)
		publish("room", text);
	deliver();
	leave(&a);
}
END_TEST

START_TEST(many_rooms_come_and_go)
{
	enum { N = 3000 };
	struct fake *f = calloc(N, sizeof(*f));
	char name[16];

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "room-%d", i / 2);
		join(&f[i], name);
	}
	ck_assert_uint_eq(rooms.n_rooms, N / 2);
	ck_assert_uint_ge(rooms.n_buckets * 2, rooms.n_rooms);
	for (int i = 0; i < N / 2; i += 7) {
		snprintf(name, sizeof(name), "room-%d", i);
		publish(name, name);
	}
	deliver();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "room-%d", i / 2);
		expect(&f[i], i / 2 % 7 == 0 ? name : "");
	}
	for (int i = 0; i < N; i++)
		leave(&f[i * 7 % N]);
	ck_assert_uint_eq(rooms.n_rooms, 0);
	ck_assert_uint_le(rooms.n_buckets, 64);
	free(f);
}
END_TEST

/*
 * Any mix of joining, leaving, publishing and sockets of all speeds: everybody gets exactly what
 * was published in its room from its joining on, in order.
 */
START_TEST(any_mix_keeps_the_order)
{
	enum { MEMBERS = 12, ROOMS = 3, STEPS = 6000 };
	static const char *const name[ROOMS] = {"a", "b", "c"};
	static struct fake f[MEMBERS];
	unsigned next[MEMBERS] = {0}, published[ROOMS] = {0};
	bool in[MEMBERS] = {false};

	srandom((unsigned)_i + 1);
	for (int step = 0; step < STEPS; step++) {
		unsigned m = (unsigned)random() % MEMBERS, room = m % ROOMS;

		switch (random() % 8) {
		case 0:
			if (in[m] && random() % 8 == 0) {
				leave(&f[m]);
				in[m] = false;
			} else if (!in[m]) {
				join(&f[m], name[room]);
				f[m].window = (size_t)random() % 200;
				next[m] = published[room];
				in[m] = true;
			}
			break;
		case 1:
		case 2:
		case 3:
		case 4: {
			char text[16];

			snprintf(text, sizeof(text), "%u", published[room]++);
			publish(name[room], text);
			break;
		}
		case 5:
			if (in[m])
				take(&f[m], (size_t)random() % 100);
			break;
		default: rooms_deliver(&rooms); break;
		}
	}
	deliver();
	for (unsigned m = 0; m < MEMBERS; m++) {
		if (!in[m])
			continue;
		ck_assert_uint_eq(f[m].closed, 0);
		take(&f[m], SIZE_MAX);
		ck_assert_int_eq(f[m].m.state, MEMBER_LIVE);
		for (size_t i = 0; i < f[m].got.len;) {
			const unsigned char *p = (unsigned char *)f[m].got.data + i;
			char text[16];
			int n = snprintf(text, sizeof(text), "%u", next[m]++);

			ck_assert_int_eq(p[1], n);
			ck_assert_mem_eq(p + 2, text, (size_t)n);
			i += 2u + p[1];
		}
		ck_assert_uint_eq(next[m], published[m % ROOMS]);
		leave(&f[m]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("room");
	TCase *tc = tcase_create("room");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, names);
	tcase_add_test(tc, all_members_of_a_room_get_all_in_one_write);
	tcase_add_test(tc, one_gets_what_is_published_after_it_joined);
	tcase_add_test(tc, a_laggard_is_served_from_the_log);
	tcase_add_test(tc, a_stuck_member_loses_nothing);
	tcase_add_test(tc, too_far_behind_is_4008_and_the_others_notice_nothing);
	tcase_add_test(tc, lapped_is_4008);
	tcase_add_test(tc, a_worker_that_is_lapped_closes_with_4010);
	tcase_add_test(tc, runs_are_bounded);
	tcase_add_test(tc, many_rooms_come_and_go);
	tcase_add_loop_test(tc, any_mix_keeps_the_order, 0, 20);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
