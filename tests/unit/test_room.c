/* links: tests/unit/fail_alloc.c $(hub_log) src/hub/rooms.c src/hub/room_name.c src/hub/run.c
 * src/hub/deliver.c src/hub/join.c src/hub/catch_up.c src/hub/wire.c src/hub/rate.c src/hub/frame.c
 * src/http/chars.c src/base/siphash.c src/base/log.c src/base/clock.c src/base/buffer.c -lpthread
 * -lz */
/*
 * test_room.c - who gets what, with sinks that take it, take a part, or nothing.
 */
#include "hub/room.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "base/log.h"
#include "fail_alloc.h"
#include "hub/frame.h"

#define QUEUE_MAX 100000

struct fake {
	struct member m;
	struct buffer got;     /* frames that "the kernel" took */
	struct buffer waiting; /* what "the library" holds */
	size_t window;         /* how much the socket takes yet */
	unsigned writes;
	bool wants;
	unsigned closed; /* with this code */
};

static void *memory;
static size_t memory_size;
static struct chat_log chat;
static struct chat_counters counters;
static struct rooms *rooms;
static struct rooms_options options;
static uint64_t next_conn;

/* As ck_assert, but without memory of its own. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static enum sink_result
fake_write(struct member *m, unsigned char *bytes, size_t len)
{
	struct fake *f = (struct fake *)m;

	if (f->closed)
		return SINK_REFUSED;
	if (f->waiting.len > 0)
		return SINK_STUCK;
	f->writes++;
	size_t n = len < f->window ? len : f->window;
	f->window -= n;
	must(buffer_append(&f->got, bytes, n, SIZE_MAX));
	if (n == len)
		return SINK_SENT;
	must(buffer_append(&f->waiting, bytes + n, len - n, SIZE_MAX));
	return SINK_PARTIAL;
}

static void
fake_want(struct member *m)
{
	((struct fake *)m)->wants = true;
}

static void
fake_lose(struct member *m, unsigned code)
{
	struct fake *f = (struct fake *)m;

	if (!f->closed)
		f->closed = code;
}

static const struct sink_calls fake_calls = {
    .write = fake_write, .want = fake_want, .lose = fake_lose};

/* The socket takes `window` bytes more. */
static void
take(struct fake *f, size_t window)
{
	size_t n = f->waiting.len < window ? f->waiting.len : window;

	must(buffer_append(&f->got, f->waiting.data, n, SIZE_MAX));
	buffer_consume(&f->waiting, n);
	f->window = window - n;
	if (f->waiting.len > 0)
		return;
	/* as a socket: whenever it takes bytes, for as long as that is wanted */
	for (int i = 0; i < 1000; i++) {
		rooms_catch_up(rooms, &f->m);
		if (f->waiting.len > 0 || f->m.state != MEMBER_BEHIND)
			return;
	}
	ck_abort_msg("catches up for ever");
}

static void
start(size_t bytes, size_t room_max)
{
	const struct chat_log_sizes sizes = {bytes, room_max, 4096};

	memory_size = chat_log_memory(&sizes);
	ck_assert_uint_gt(memory_size, 0);
	memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert(chat_log_format(memory, memory_size, &sizes));
	ck_assert(chat_log_attach(&chat, memory, memory_size));
	memset(&counters, 0, sizeof(counters));
	options = (struct rooms_options){
	    .log = &chat,
	    .counters = &counters,
	    .queue_max = QUEUE_MAX,
	    .history_max = 1000,
	    .history_age_ms = 3600 * 1000,
	};
	rooms = rooms_new(&options);
	ck_assert_ptr_nonnull(rooms);
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	start(4u << 20, 1u << 20);
}

static void
teardown(void)
{
	while (rooms_deliver(rooms))
		;
	ck_assert_uint_eq(counters.rooms, 0);
	ck_assert_uint_eq(counters.members, 0);
	rooms_free(&rooms);
	munmap(memory, memory_size);
}

static struct join_result
join_as(struct fake *f, const char *name, enum wire wire, const struct join_wish *wish)
{
	const struct log_member who = {.conn = ++next_conn};
	struct join_result result;
	enum log_result joined;

	*f = (struct fake){.window = SIZE_MAX, .m = {.calls = &fake_calls, .wire = wire}};
	joined = rooms_join(rooms, &f->m, span_str(name), &who, wish, &result);
	ck_assert_int_eq(joined, LOG_OK);
	return result;
}

static void
join(struct fake *f, const char *name)
{
	static const struct join_wish now;

	join_as(f, name, WIRE_PLAIN, &now);
}

static void
leave(struct fake *f)
{
	rooms_leave(rooms, &f->m);
	buffer_fini(&f->got);
	buffer_fini(&f->waiting);
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

static void
deliver(void)
{
	/* one that is closed leaves, which is news for its room */
	while (rooms_deliver(rooms) || rooms_have_news(rooms))
		;
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

/* Its own room's messages overwrite what a laggard needs. */
START_TEST(lapped_is_4008)
{
	struct fake slow, lucky;
	static char text[10001];

	memset(text, 'x', sizeof(text) - 1);
	join(&slow, "room");
	join(&lucky, "room");
	slow.window = 1;
	lucky.window = 1;
	publish("room", "1");
	deliver();
	publish("room", "2");
	deliver();
	take(&lucky, SIZE_MAX);
	expect(&lucky, "1 2");
	for (int i = 0; i < 200; i++)
		publish("other", text);
	deliver();
	take(&slow, SIZE_MAX);
	expect(&slow, "1 2");
	leave(&slow);
	leave(&lucky);
}
END_TEST

START_TEST(a_worker_that_is_lapped_closes_with_4010)
{
	static const struct join_wish now;
	struct fake a, elsewhere, json;
	static char text[10001];

	memset(text, 'x', sizeof(text) - 1);
	rooms_free(&rooms);
	options.queue_max = 4u << 20; /* this one is not slow, its worker is */
	rooms = rooms_new(&options);
	join(&a, "room");
	join_as(&json, "room", WIRE_JSON, &now);
	join(&elsewhere, "elsewhere");
	publish("elsewhere", "1");
	for (int i = 0; i < 200; i++)
		publish("room", text);
	do
		take(&json, SIZE_MAX);
	while (rooms_deliver(rooms) || rooms_have_news(rooms));
	ck_assert_uint_eq(a.closed, CLOSE_LOST);
	ck_assert_uint_eq(a.got.len, 0);
	ck_assert_uint_eq(elsewhere.closed, 0);
	expect(&elsewhere, "1");
	/* one that can be told is told, and goes on */
	ck_assert_uint_eq(json.closed, 0);
	take(&json, SIZE_MAX);
	ck_assert_int_eq(json.m.state, MEMBER_LIVE);
	ck_assert_ptr_nonnull(memmem(json.got.data, 200, "\"t\":\"gap\"", 9));
	ck_assert_ptr_nonnull(memmem(json.got.data, 200, "\"why\":\"lag\"", 11));
	ck_assert_uint_eq(counters.laps, 1);
	leave(&json);
	leave(&a);
	join(&a, "room");
	publish("room", "again");
	deliver();
	expect(&a, "again");
	leave(&a);
	leave(&elsewhere);
}
END_TEST

START_TEST(those_who_come_later_get_what_they_wish_for)
{
	struct fake f;
	struct join_result r;
	struct join_wish last = {.from = JOIN_LAST, .last = 2}, since = {.from = JOIN_SINCE};

	r = join_as(&f, "room", WIRE_PLAIN, &last);
	ck_assert_uint_eq(r.replay, 0);
	ck_assert_uint_eq(r.seq, 0);
	ck_assert_int_eq(f.m.state, MEMBER_LIVE);
	leave(&f);
	for (int i = 1; i <= 5; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		publish("room", text);
	}
	r = join_as(&f, "room", WIRE_PLAIN, &last);
	ck_assert_uint_eq(r.replay, 2);
	ck_assert_uint_eq(r.seq, 5);
	ck_assert_uint_eq(r.first, 1);
	publish("room", "6");
	deliver();
	take(&f, SIZE_MAX);
	expect(&f, "4 5 6");
	leave(&f);

	since.since_epoch = r.epoch;
	since.since_seq = 4;
	r = join_as(&f, "room", WIRE_PLAIN, &since);
	ck_assert(r.is_recovered);
	ck_assert_uint_eq(r.replay, 2);
	take(&f, SIZE_MAX);
	expect(&f, "5 6");
	leave(&f);
	since.since_seq = 6;
	r = join_as(&f, "room", WIRE_PLAIN, &since);
	ck_assert(r.is_recovered);
	ck_assert_uint_eq(r.replay, 0);
	leave(&f);
	/* ahead of the room, and another log's */
	since.since_seq = 7;
	r = join_as(&f, "room", WIRE_JSON, &since);
	ck_assert(!r.is_recovered);
	ck_assert_uint_eq(r.replay, 6);
	take(&f, SIZE_MAX);
	ck_assert_ptr_nonnull(memmem(f.got.data, f.got.len, "\"why\":\"epoch\"", 13));
	leave(&f);
	since.since_seq = 4;
	since.since_epoch++;
	r = join_as(&f, "room", WIRE_PLAIN, &since);
	ck_assert(!r.is_recovered);
	take(&f, SIZE_MAX);
	expect(&f, "1 2 3 4 5 6");
	leave(&f);
}
END_TEST

START_TEST(what_is_trimmed_is_told)
{
	struct fake f;
	struct join_result r;
	struct join_wish since = {.from = JOIN_SINCE, .since_seq = 1};

	rooms_free(&rooms);
	options.history_max = 2;
	rooms = rooms_new(&options);
	for (int i = 1; i <= 5; i++)
		publish("room", "x");
	since.since_epoch = chat_log_epoch(&chat, SPAN_LIT("room"));
	r = join_as(&f, "room", WIRE_JSON, &since);
	ck_assert(!r.is_recovered);
	ck_assert_uint_eq(r.first, 4);
	ck_assert_uint_eq(r.replay, 2);
	take(&f, SIZE_MAX);
	ck_assert_ptr_nonnull(memmem(f.got.data, f.got.len, "\"from\":2,\"to\":3", 15));
	ck_assert_ptr_nonnull(memmem(f.got.data, f.got.len, "\"why\":\"trimmed\"", 15));
	ck_assert_uint_eq(counters.gaps_trimmed, 1);
	leave(&f);
}
END_TEST

/* While one joins, others publish: once, between the looks that it takes at the log. */
static unsigned during_seek;

bool __real_chat_log_seek(const struct chat_log *log, const struct log_room *room, uint64_t seq,
			  uint64_t *pos);
bool __wrap_chat_log_seek(const struct chat_log *log, const struct log_room *room, uint64_t seq,
			  uint64_t *pos);

bool
__wrap_chat_log_seek(const struct chat_log *log, const struct log_room *room, uint64_t seq,
		     uint64_t *pos)
{
	static char text[1001];

	memset(text, 'x', sizeof(text) - 1);
	for (; during_seek > 0; during_seek--)
		publish("room", text);
	return __real_chat_log_seek(log, room, seq, pos);
}

static const struct {
	unsigned during;
	bool is_all;
} overwriters[] = {{1, false}, {10, false}, {1000, true}};

START_TEST(what_goes_while_one_joins_is_told)
{
	struct fake f;
	struct join_result r;
	struct join_wish since = {.from = JOIN_SINCE};
	struct log_room room;
	struct log_view view;
	uint64_t first;
	char text[1001], gap[64];

	rooms_free(&rooms);
	munmap(memory, memory_size);
	start(1u << 20, 64u << 10);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 100; i++)
		publish("room", text);
	since.since_epoch = chat_log_epoch(&chat, SPAN_LIT("room"));
	ck_assert(chat_log_find_room(&chat, SPAN_LIT("room"), &room));
	ck_assert(chat_log_first(&chat, &room, 1000, 0, &first));
	ck_assert_uint_gt(first, 1);
	since.since_seq = first - 1;
	during_seek = overwriters[_i].during;
	r = join_as(&f, "room", WIRE_JSON, &since);
	ck_assert_uint_eq(r.first, first);
	ck_assert_uint_eq(r.seq, 100);
	ck_assert(chat_log_view(&chat, &room, &view));
	uint64_t kept;
	ck_assert(chat_log_first(&chat, &room, 1000, 0, &kept));
	ck_assert_uint_gt(kept, first);
	ck_assert(r.is_recovered == !overwriters[_i].is_all);
	take(&f, SIZE_MAX);
	deliver();
	take(&f, SIZE_MAX);
	ck_assert_uint_eq(f.closed, 0);
	snprintf(gap, sizeof(gap), "\"from\":%u,\"to\":%u,", (unsigned)first,
		 overwriters[_i].is_all ? 100 : (unsigned)kept - 1);
	ck_assert_ptr_nonnull(memmem(f.got.data, f.got.len, gap, strlen(gap)));
	ck_assert_ptr_nonnull(memmem(f.got.data, f.got.len, "\"why\":\"trimmed\"", 15));
	leave(&f);
}
END_TEST

static unsigned n_deflated;

int __real_deflate(z_stream *stream, int flush);
int __wrap_deflate(z_stream *stream, int flush);

int
__wrap_deflate(z_stream *stream, int flush)
{
	n_deflated++;
	return __real_deflate(stream, flush);
}

/* Of those who are behind, or come later, each would cost what all the others together do. */
START_TEST(a_message_is_compressed_once)
{
	static const struct join_wish now, last = {.from = JOIN_LAST, .last = 10};
	const enum wire wire[] = {WIRE_PLAIN_DEFLATE, WIRE_JSON_DEFLATE};
	struct fake crowd[2][3], slow[2], late[2];
	char text[1001];

	rooms_free(&rooms);
	options.deflate = wire_deflate_new(100);
	rooms = rooms_new(&options);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < 3; j++)
			join_as(&crowd[i][j], "room", wire[i], &now);
		join_as(&slow[i], "room", wire[i], &now);
		slow[i].window = 0;
	}
	n_deflated = 0;
	for (unsigned i = 0; i < 10; i++) {
		publish("room", text);
		deliver();
	}
	for (unsigned i = 0; i < 2; i++) {
		join_as(&late[i], "room", wire[i], &last);
		take(&late[i], SIZE_MAX);
		take(&slow[i], SIZE_MAX);
		/* compressed ones are far shorter */
		ck_assert_uint_lt(crowd[i][0].got.len, 10 * 200);
		ck_assert_uint_gt(late[i].got.len, 10 * 1000);
		ck_assert_uint_gt(slow[i].got.len, 9 * 1000);
	}
	ck_assert_uint_eq(n_deflated, 2 * 10);
	/* and all together again */
	publish("room", text);
	deliver();
	ck_assert_uint_eq(n_deflated, 2 * 11);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < 3; j++)
			leave(&crowd[i][j]);
		leave(&slow[i]);
		leave(&late[i]);
	}
	wire_deflate_free(&options.deflate);
}
END_TEST

START_TEST(a_slow_one_that_skips_is_told_what_it_missed)
{
	static const struct join_wish now;
	struct fake plain, json;
	char text[101];

	memset(text, 'x', 100);
	text[100] = '\0';
	join(&plain, "room");
	join_as(&json, "room", WIRE_JSON, &now);
	plain.m.skips_when_slow = json.m.skips_when_slow = true;
	plain.window = json.window = 50;
	for (unsigned i = 0; i < 3000; i++) {
		publish("room", text);
		deliver();
	}
	ck_assert_uint_eq(plain.closed, 0);
	ck_assert_uint_eq(json.closed, 0);
	take(&plain, SIZE_MAX);
	take(&json, SIZE_MAX);
	ck_assert_int_eq(plain.m.state, MEMBER_LIVE);
	ck_assert_int_eq(json.m.state, MEMBER_LIVE);
	ck_assert_uint_lt(plain.got.len, 2 * QUEUE_MAX);
	ck_assert_uint_eq(counters.gaps_slow, 1);
	/* the first was on its way when it stuck */
	ck_assert_ptr_nonnull(
	    memmem(json.got.data, json.got.len, "\"t\":\"gap\",\"room\":\"room\"", 22));
	publish("room", "end");
	deliver();
	ck_assert_mem_eq(plain.got.data + plain.got.len - 5, "\x81\3end", 5);
	leave(&plain);
	leave(&json);
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
	ck_assert(rooms_deliver(rooms));
	ck_assert(rooms_have_news(rooms));
	deliver();
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
	ck_assert_uint_eq(counters.rooms, N / 2);
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
		default: rooms_deliver(rooms); break;
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

/* ---- events that are not in the log ---- */

static unsigned told_yes, told_no, wanted_of[WIRES];

static bool
everybody_wants(struct member *m, void *ctx)
{
	wanted_of[m->wire]++;
	return m != ctx;
}

static void
was_told(struct member *m, bool is_accepted, void *ctx)
{
	must(m != ctx);
	if (is_accepted)
		told_yes++;
	else
		told_no++;
}

/* All but `not_to`, who does not want it. */
static bool
announce(const struct fake *in, const struct fake *not_to)
{
	struct rooms_event event = {
	    .name = "pres",
	    .json = SPAN_LIT("{\"n\":1}"),
	    .wanted = everybody_wants,
	    .told = was_told,
	    .ctx = not_to ? (void *)(uintptr_t)&not_to->m : NULL,
	};

	told_yes = told_no = 0;
	memset(wanted_of, 0, sizeof(wanted_of));
	return rooms_announce(rooms, in->m.room, &event);
}

START_TEST(an_event_is_for_those_whose_wire_can_say_it)
{
	static const struct join_wish now;
	struct fake plain, pressed, json, deaf, events, other;

	join(&plain, "room");
	join_as(&pressed, "room", WIRE_PLAIN_DEFLATE, &now);
	join_as(&json, "room", WIRE_JSON, &now);
	join_as(&deaf, "room", WIRE_JSON, &now);
	join_as(&events, "room", WIRE_EVENTS, &now);
	join_as(&other, "other", WIRE_JSON, &now);
	ck_assert(announce(&plain, &deaf));
	expect(&json, "{\"n\":1}");
	ck_assert_uint_eq(events.got.len, strlen("event: pres\ndata: {\"n\":1}\n\n"));
	ck_assert_mem_eq(events.got.data, "event: pres\ndata: {\"n\":1}\n\n", events.got.len);
	ck_assert_uint_eq(told_yes, 2);
	ck_assert_uint_eq(told_no, 0);
	/* the plain ones are not even asked, each other once */
	ck_assert_uint_eq(wanted_of[WIRE_PLAIN] + wanted_of[WIRE_PLAIN_DEFLATE], 0);
	ck_assert_uint_eq(wanted_of[WIRE_JSON], 2);
	ck_assert_uint_eq(wanted_of[WIRE_EVENTS], 1);
	expect(&plain, "");
	expect(&pressed, "");
	expect(&deaf, "");
	expect(&other, "");
	leave(&plain);
	leave(&pressed);
	leave(&json);
	leave(&deaf);
	leave(&events);
	leave(&other);
}
END_TEST

/* Nothing of an event is kept for one that does not take it, and no message is lost over it. */
START_TEST(an_event_waits_for_nobody)
{
	static const struct join_wish now;
	struct fake part, stuck, behind, gone;

	join_as(&part, "room", WIRE_JSON, &now);
	join_as(&stuck, "room", WIRE_JSON, &now);
	join_as(&behind, "room", WIRE_JSON, &now);
	join_as(&gone, "room", WIRE_JSON, &now);
	behind.window = 1;
	publish("room", "1");
	deliver();
	ck_assert_int_eq(behind.m.state, MEMBER_BEHIND);
	part.got.len = stuck.got.len = gone.got.len = 0;
	part.window = 4;
	ck_assert(buffer_append(&stuck.waiting, "\x81\4pong", 6, SIZE_MAX));
	gone.closed = CLOSE_RATE;
	ck_assert(announce(&part, NULL));
	ck_assert_uint_eq(told_yes, 1);
	ck_assert_uint_eq(told_no, 3);
	/* what was accepted is whole when the socket takes it, and what follows comes behind it */
	ck_assert_int_eq(part.m.state, MEMBER_BEHIND);
	publish("room", "2");
	deliver();
	take(&part, SIZE_MAX);
	ck_assert_mem_eq(part.got.data, "\x81\7{\"n\":1}", 9);
	part.got.len -= 9;
	memmove(part.got.data, part.got.data + 9, part.got.len);
	ck_assert_uint_eq(part.got.len, 2u + (unsigned char)part.got.data[1]);
	ck_assert_ptr_nonnull(memmem(part.got.data, part.got.len, "\"data\":\"2\"", 10));
	take(&stuck, SIZE_MAX);
	ck_assert_ptr_nonnull(memmem(stuck.got.data, stuck.got.len, "\"data\":\"2\"", 10));
	ck_assert_ptr_null(memmem(stuck.got.data, stuck.got.len, "\"n\"", 3));
	take(&behind, SIZE_MAX);
	ck_assert_ptr_nonnull(memmem(behind.got.data, behind.got.len, "\"data\":\"1\"", 10));
	ck_assert_ptr_nonnull(memmem(behind.got.data, behind.got.len, "\"data\":\"2\"", 10));
	ck_assert_ptr_null(memmem(behind.got.data, behind.got.len, "\"n\"", 3));
	ck_assert_uint_eq(gone.got.len, 0);
	leave(&part);
	leave(&stuck);
	leave(&behind);
	leave(&gone);
}
END_TEST

/* ---- memory that runs out: each allocation in turn, alone and with all after it ---- */

#define WALK_MAX 200

/* From nothing, so that whatever keeps its memory has to get it again. */
static void
rooms_anew(void)
{
	while (rooms_deliver(rooms))
		;
	rooms_free(&rooms);
	rooms = rooms_new(&options);
	ck_assert_ptr_nonnull(rooms);
}

/* The test's own memory is not to run out. */
static void
make_ready(struct fake *f)
{
	ck_assert(buffer_reserve(&f->got, 1 << 17, SIZE_MAX));
	ck_assert(buffer_reserve(&f->waiting, 1 << 17, SIZE_MAX));
}

static bool
got(const struct fake *f, const char *text)
{
	return f->got.len > 0 && memmem(f->got.data, f->got.len, text, strlen(text)) != NULL;
}

START_TEST(memory_runs_out_at_an_event)
{
	static const struct join_wish now;
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		struct fake json, events;

		ck_assert_uint_lt(n, WALK_MAX);
		rooms_anew();
		join_as(&json, "room", WIRE_JSON, &now);
		join_as(&events, "room", WIRE_EVENTS, &now);
		make_ready(&json);
		make_ready(&events);
		fail_alloc_at(n, _i);
		bool is_told = announce(&json, NULL);
		has_failed = fail_alloc_end();
		ck_assert(is_told != has_failed);
		unsigned n_got = json.got.len > 0;
		n_got += events.got.len > 0;
		ck_assert_uint_eq(told_yes, n_got);
		ck_assert_uint_eq(told_no, 0);
		ck_assert(!is_told || told_yes == 2);
		json.got.len = events.got.len = 0;
		ck_assert(announce(&json, NULL));
		ck_assert_uint_eq(told_yes, 2);
		expect(&json, "{\"n\":1}");
		leave(&json);
		leave(&events);
	}
}
END_TEST

START_TEST(memory_runs_out_at_a_beginning)
{
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		rooms_free(&rooms);
		fail_alloc_at(n, _i);
		rooms = rooms_new(&options);
		has_failed = fail_alloc_end();
		ck_assert(!rooms == has_failed);
	}
}
END_TEST

/* Somebody comes in while there are messages that another one has not got yet. */
START_TEST(memory_runs_out_at_a_join)
{
	static const struct join_wish now;
	const struct join_wish last = {.from = JOIN_LAST, .last = 2};
	unsigned joined_in_need = 0;
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		const struct log_member who = {.conn = ++next_conn};
		struct fake old, f = {.window = SIZE_MAX};
		struct join_result r;
		struct log_view view;

		ck_assert_uint_lt(n, WALK_MAX);
		rooms_anew();
		join_as(&old, "room", WIRE_JSON, &now);
		make_ready(&old);
		make_ready(&f);
		f.m.calls = &fake_calls;
		publish("room", "one");
		publish("room", "two");
		fail_alloc_at(n, _i);
		enum log_result result = rooms_join(rooms, &f.m, SPAN_LIT("room"), &who, &last, &r);
		has_failed = fail_alloc_end();
		if (result == LOG_OK) {
			joined_in_need += has_failed;
			ck_assert_uint_eq(r.count, 2);
			ck_assert_uint_eq(r.replay, 2);
		} else {
			ck_assert(has_failed);
			ck_assert_int_eq(result, LOG_TOO_LONG);
			ck_assert_ptr_null(f.m.room);
			ck_assert(chat_log_view(&chat, room_in_log(old.m.room), &view));
			ck_assert_uint_eq(view.n_members, 1);
			result = rooms_join(rooms, &f.m, SPAN_LIT("room"), &who, &last, &r);
			ck_assert_int_eq(result, LOG_OK);
		}
		take(&f, SIZE_MAX);
		publish("room", "three");
		deliver();
		/* whatever the others have lost, it has its own */
		ck_assert_uint_eq(f.closed, 0);
		expect(&f, "one two three");
		ck_assert(old.closed == 0 || old.closed == CLOSE_INTERNAL);
		ck_assert(old.closed ||
			  (got(&old, "one") && got(&old, "two") && got(&old, "three")));
		ck_assert(has_failed || !old.closed);
		leave(&old);
		leave(&f);
	}
	ck_assert_uint_gt(joined_in_need, 0);
}
END_TEST

/* The first one into a room of which this worker knows nothing. */
START_TEST(memory_runs_out_at_the_first_join)
{
	const struct join_wish last = {.from = JOIN_LAST, .last = 2};
	bool has_failed = true;

	publish("room", "one");
	for (unsigned n = 1; has_failed; n++) {
		const struct log_member who = {.conn = ++next_conn};
		struct fake f = {.window = SIZE_MAX, .m = {.calls = &fake_calls}};
		struct join_result r;

		ck_assert_uint_lt(n, WALK_MAX);
		rooms_anew();
		make_ready(&f);
		fail_alloc_at(n, _i);
		enum log_result result = rooms_join(rooms, &f.m, SPAN_LIT("room"), &who, &last, &r);
		has_failed = fail_alloc_end();
		if (result != LOG_OK) {
			ck_assert(has_failed);
			ck_assert_int_eq(result, LOG_TOO_LONG);
			deliver();
			ck_assert_uint_eq(counters.rooms, 0);
			ck_assert_uint_eq(counters.members, 0);
			result = rooms_join(rooms, &f.m, SPAN_LIT("room"), &who, &last, &r);
			ck_assert_int_eq(result, LOG_OK);
			ck_assert_uint_eq(r.count, 1);
		}
		take(&f, SIZE_MAX);
		expect(&f, "one");
		leave(&f);
	}
}
END_TEST

/* Nobody misses a message and goes on: each has all of it, or is closed. */
START_TEST(memory_runs_out_at_a_delivery)
{
	static const enum wire wires[] = {WIRE_PLAIN, WIRE_JSON, WIRE_EVENTS, WIRE_JSON};
	enum { N = 4, SLOW = 3 };
	static const struct join_wish now;
	unsigned closed = 0;
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		struct fake f[N];

		ck_assert_uint_lt(n, WALK_MAX);
		rooms_anew();
		for (unsigned i = 0; i < N; i++) {
			join_as(&f[i], "room", wires[i], &now);
			make_ready(&f[i]);
		}
		/* it is behind when there is no memory */
		f[SLOW].window = 1;
		publish("room", "one");
		deliver();
		publish("room", "two");
		publish("room", "three");
		fail_alloc_at(n, _i);
		deliver();
		has_failed = fail_alloc_end();
		publish("room", "four");
		deliver();
		take(&f[SLOW], SIZE_MAX);
		for (unsigned i = 0; i < N; i++) {
			closed += f[i].closed != 0;
			ck_assert(f[i].closed == 0 ||
				  (has_failed && f[i].closed == CLOSE_INTERNAL));
			ck_assert(!f[i].closed || !f[i].m.room);
			ck_assert(f[i].closed || (got(&f[i], "one") && got(&f[i], "two") &&
						  got(&f[i], "three") && got(&f[i], "four")));
		}
		ck_assert_uint_eq(f[SLOW].closed, 0);
		for (unsigned i = 0; i < N; i++)
			leave(&f[i]);
	}
	ck_assert_uint_gt(closed, 0);
}
END_TEST

START_TEST(memory_runs_out_at_catching_up)
{
	static const struct join_wish now;
	static char text[20001];
	unsigned closed = 0;
	bool has_failed = true;

	memset(text, 'x', sizeof(text) - 1);
	for (unsigned n = 1; has_failed; n++) {
		struct fake slow, other;

		ck_assert_uint_lt(n, WALK_MAX);
		rooms_anew();
		join_as(&slow, "room", WIRE_JSON, &now);
		join(&other, "room");
		make_ready(&slow);
		slow.window = 1;
		/* what it catches up with is longer than any run so far */
		for (int i = 0; i < 4; i++) {
			publish("room", text);
			deliver();
		}
		publish("room", "end");
		deliver();
		fail_alloc_at(n, _i);
		take(&slow, SIZE_MAX);
		has_failed = fail_alloc_end();
		ck_assert(n > 1 || has_failed);
		deliver();
		closed += slow.closed != 0;
		ck_assert(slow.closed == 0 || (has_failed && slow.closed == CLOSE_INTERNAL));
		ck_assert(slow.closed || got(&slow, "end"));
		ck_assert(slow.closed || slow.got.len > 4 * strlen(text));
		ck_assert(!slow.closed || !slow.m.room);
		ck_assert_uint_eq(other.closed, 0);
		ck_assert_uint_eq(other.got.len, 4 * (strlen(text) + 4) + 5);
		leave(&slow);
		leave(&other);
	}
	ck_assert_uint_gt(closed, 0);
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
	tcase_add_test(tc, those_who_come_later_get_what_they_wish_for);
	tcase_add_test(tc, what_is_trimmed_is_told);
	tcase_add_loop_test(tc, what_goes_while_one_joins_is_told, 0,
			    sizeof(overwriters) / sizeof(overwriters[0]));
	tcase_add_test(tc, a_message_is_compressed_once);
	tcase_add_test(tc, a_slow_one_that_skips_is_told_what_it_missed);
	tcase_add_test(tc, runs_are_bounded);
	tcase_add_test(tc, many_rooms_come_and_go);
	tcase_add_loop_test(tc, any_mix_keeps_the_order, 0, 20);
	tcase_add_test(tc, an_event_is_for_those_whose_wire_can_say_it);
	tcase_add_test(tc, an_event_waits_for_nobody);
	tcase_add_loop_test(tc, memory_runs_out_at_an_event, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out_at_a_beginning, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out_at_a_join, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out_at_the_first_join, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out_at_a_delivery, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out_at_catching_up, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
