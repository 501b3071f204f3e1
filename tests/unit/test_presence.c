/* links: tests/unit/fail_alloc.c src/hub/presence.c src/hub/picture.c src/hub/wire.c
 * src/hub/frame.c src/base/buffer.c src/base/log.c src/base/clock.c -ljansson -lz */
/*
 * test_presence.c - who is told what of those who come and go. The log, the room and the time are
 * fakes: a clock that the test moves, a table of members, and seats that take an event or do not.
 * What a client makes of its events is done here as the manual tells clients to do it.
 */
#include "hub/presence.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fail_alloc.h"
#include "hub/hub_private.h"

#define SEATS       6
#define TABLE_MAX   300
#define DEADLINES   8
#define ROOM        "r.1"
#define PROPERTY_N  3000
#define INTERVAL_MS PRESENCE_INTERVAL_MS

/* ---- the fakes ---- */

static uint64_t now_ms;
static struct deadline *armed[DEADLINES];

static struct log_member table[TABLE_MAX];
static uint32_t n_table;
static uint64_t table_seq;
static bool table_busy;

struct room {
	void *presence;
	struct log_room in_log;
	struct seat *seat[SEATS];
};
static struct room room;

/* What a client knows. */
struct listener {
	struct seat *seat;
	bool is_stuck;
	unsigned n_events;
	char *last; /* the last event */
	uint64_t last_ms;
	bool has_list; /* list is what is in the room */
	json_t *list;  /* by conn */
	uint64_t list_seq;
	uint32_t count;
};
static struct listener listener[SEATS];

static struct presence *presence;

uint64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return now_ms * 1000;
}

void
deadline_list_init(struct deadline_list *list, struct loop *loop, uint64_t duration_ms,
		   const char *name, void (*on_expired)(struct deadline *d, void *ctx), void *ctx)
{
	(void)loop;
	(void)name;
	list->duration_ms = duration_ms;
	list->on_expired = on_expired;
	list->ctx = ctx;
}

void
deadline_list_fini(struct deadline_list *list)
{
	for (size_t i = 0; i < DEADLINES; i++)
		ck_assert(!armed[i] || armed[i]->list != list);
}

void
deadline_arm(struct deadline *d, struct deadline_list *list)
{
	deadline_disarm(d);
	for (size_t i = 0; i < DEADLINES; i++) {
		if (armed[i])
			continue;
		d->list = list;
		d->expires_ms = now_ms + list->duration_ms;
		armed[i] = d;
		return;
	}
	ck_abort_msg("too many deadlines");
}

void
deadline_disarm(struct deadline *d)
{
	for (size_t i = 0; i < DEADLINES; i++) {
		if (armed[i] == d)
			armed[i] = NULL;
	}
	d->list = NULL;
}

/* Lets time pass, with what is due in it. */
static void
pass_ms(uint64_t ms)
{
	const uint64_t until_ms = now_ms + ms;

	for (;;) {
		struct deadline *first = NULL;

		for (size_t i = 0; i < DEADLINES; i++) {
			if (armed[i] && (!first || armed[i]->expires_ms < first->expires_ms))
				first = armed[i];
		}
		if (!first || first->expires_ms > until_ms)
			break;
		now_ms = first->expires_ms > now_ms ? first->expires_ms : now_ms;
		struct deadline_list *list = first->list;
		deadline_disarm(first);
		list->on_expired(first, list->ctx);
	}
	now_ms = until_ms;
}

struct span
room_name(const struct room *r)
{
	(void)r;
	return SPAN_LIT(ROOM);
}

const struct log_room *
room_in_log(const struct room *r)
{
	return &r->in_log;
}

void **
room_presence(struct room *r)
{
	return &r->presence;
}

bool
chat_log_find_room(struct chat_log *log, struct span name, struct log_room *in_log)
{
	(void)log;
	*in_log = room.in_log;
	return span_eq(name, SPAN_LIT(ROOM));
}

enum log_result
chat_log_members(struct chat_log *log, const struct log_room *in_log, size_t offset,
		 struct log_member *out, size_t max, size_t *n, uint64_t *presence_seq,
		 uint32_t *count)
{
	(void)log;
	(void)in_log;
	if (table_busy)
		return LOG_BUSY;
	*n = 0;
	for (size_t i = offset; i < n_table && *n < max; i++)
		out[(*n)++] = table[i];
	*presence_seq = table_seq;
	*count = n_table;
	return LOG_OK;
}

/* ---- a client ---- */

static json_t *
parse(struct span text)
{
	json_error_t error;
	json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json, "%.*s: %s", (int)text.len, text.ptr, error.text);
	return json;
}

static void
put_all(json_t *list, const json_t *members)
{
	json_t *m;
	size_t i;

	json_array_foreach(members, i, m)
	    json_object_set(list, json_string_value(json_object_get(m, "conn")), m);
}

static void
listener_event(struct listener *l, struct span text)
{
	json_t *event = parse(text), *m;
	const json_t *join = json_object_get(event, "join");
	const json_t *leave = json_object_get(event, "leave");
	const uint64_t seq = (uint64_t)json_integer_value(json_object_get(event, "pseq"));
	size_t i;

	ck_assert_str_eq(json_string_value(json_object_get(event, "t")), "pres");
	ck_assert_str_eq(json_string_value(json_object_get(event, "room")), ROOM);
	ck_assert(json_is_integer(json_object_get(event, "pseq")));
	l->count = (uint32_t)json_integer_value(json_object_get(event, "count"));
	l->n_events++;
	free(l->last);
	l->last = strndup(text.ptr, text.len);
	/* at most four a second */
	ck_assert_msg(l->n_events == 1 || now_ms - l->last_ms >= INTERVAL_MS, "after %llu ms: %s",
		      (unsigned long long)(now_ms - l->last_ms), l->last);
	l->last_ms = now_ms;
	ck_assert_ptr_eq(join, leave ? join : NULL);
	if (!join) {
		l->has_list = false;
	} else if (json_is_true(json_object_get(event, "all"))) {
		if (!l->has_list || seq > l->list_seq) {
			json_object_clear(l->list);
			put_all(l->list, join);
			l->list_seq = seq;
			l->has_list = true;
		}
	} else if (seq > l->list_seq) {
		ck_assert_msg(l->has_list, "a change to no list: %s", l->last);
		json_array_foreach(leave, i, m)
		    json_object_del(l->list, json_string_value(json_object_get(m, "conn")));
		put_all(l->list, join);
		l->list_seq = seq;
	}
	json_decref(event);
}

/* The command `presence`: what comes replaces the list, if it is all of it. */
static void
listener_ask(struct listener *l)
{
	struct buffer out = {0};

	ck_assert(buffer_append(&out, "{", 1, SIZE_MAX));
	ck_assert_int_eq(presence_write_seat(presence, l->seat, 0, 1000, &out), LOG_OK);
	ck_assert(buffer_append(&out, "}", 1, SIZE_MAX));
	json_t *reply = parse(buffer_span(&out));
	if (json_is_false(json_object_get(reply, "more"))) {
		json_object_clear(l->list);
		put_all(l->list, json_object_get(reply, "members"));
		l->list_seq = (uint64_t)json_integer_value(json_object_get(reply, "pseq"));
		l->has_list = true;
	}
	json_decref(reply);
	buffer_fini(&out);
}

bool
rooms_announce(struct rooms *rooms, struct room *r, const struct rooms_event *event)
{
	(void)rooms;
	fail_alloc_hold(true);
	ck_assert_str_eq(event->name, "pres");
	for (size_t i = 0; i < SEATS; i++) {
		struct listener *l = &listener[i];

		if (!r->seat[i] || !event->wanted(&l->seat->member, event->ctx))
			continue;
		if (!l->is_stuck)
			listener_event(l, event->json);
		event->told(&l->seat->member, !l->is_stuck, event->ctx);
	}
	fail_alloc_hold(false);
	return true;
}

/* ---- the table ---- */

static void
come_at(uint64_t conn, const char *name, uint64_t since_ms)
{
	struct log_member *m = &table[n_table++];

	ck_assert_uint_le(n_table, TABLE_MAX);
	*m = (struct log_member){
	    .conn = conn, .since_ms = since_ms, .name_len = (uint8_t)strlen(name)};
	memcpy(m->name, name, strlen(name));
	table_seq++;
	presence_members_changed(&room, presence);
}

static void
come(uint64_t conn, const char *name)
{
	come_at(conn, name, conn * 10);
}

static void
go(uint64_t conn)
{
	for (uint32_t i = 0; i < n_table; i++) {
		if (table[i].conn != conn)
			continue;
		memmove(&table[i], &table[i + 1], (n_table - i - 1) * sizeof(table[0]));
		n_table--;
		table_seq++;
		presence_members_changed(&room, presence);
		return;
	}
	ck_abort_msg("%llu is not there", (unsigned long long)conn);
}

/* A client of this worker comes in; `presence` as it says in its `join`. */
static struct listener *
sit(size_t i, int wants)
{
	struct listener *l = &listener[i];

	*l = (struct listener){.seat = calloc(1, sizeof(struct seat)), .list = json_object()};
	ck_assert_ptr_nonnull(l->seat);
	l->seat->member.wire = i % 2 ? WIRE_JSON : WIRE_JSON_DEFLATE;
	l->seat->member.room = &room;
	l->seat->presence = (unsigned)wants;
	room.seat[i] = l->seat;
	if (wants != SEAT_NO_PRESENCE)
		ck_assert(presence_watch(presence, l->seat));
	return l;
}

static void
stand_up(size_t i)
{
	if (!room.seat[i])
		return;
	room.seat[i] = NULL;
	free(listener[i].seat);
	json_decref(listener[i].list);
	free(listener[i].last);
}

/* Its list is the truth. */
static void
check_list(const struct listener *l)
{
	char conn[WIRE_NUMBER_SIZE];

	ck_assert(l->has_list);
	ck_assert_uint_eq(json_object_size(l->list), n_table);
	for (uint32_t i = 0; i < n_table; i++) {
		const json_t *m = json_object_get(l->list, wire_number(conn, table[i].conn));
		const char *name = json_string_value(json_object_get(m, "name"));

		ck_assert_msg(m, "%s is missing", conn);
		ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(m, "since")),
				  table[i].since_ms);
		if (table[i].name_len == 0)
			ck_assert_ptr_null(name);
		else
			ck_assert(
			    span_eq(span_str(name), span_from(table[i].name, table[i].name_len)));
	}
}

#define EXPECT_LAST(l, text) ck_assert_str_eq((l)->last, text)

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	now_ms = 1000000;
	presence = presence_new(NULL, NULL);
	ck_assert_ptr_nonnull(presence);
}

static void
teardown(void)
{
	for (size_t i = 0; i < SEATS; i++)
		stand_up(i);
	presence_room_gone(&room, presence);
	ck_assert_ptr_null(room.presence);
	presence_free(&presence);
	ck_assert_ptr_null(presence);
}

/* ---- the tests ---- */

START_TEST(the_list_then_what_changes)
{
	come(0xa1, "ann");
	struct listener *l = sit(0, SEAT_DIFF);
	pass_ms(0);
	EXPECT_LAST(l, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":1,\"all\":true,\"join\":["
		       "{\"conn\":\"000000a1\",\"name\":\"ann\",\"since\":1610}],\"leave\":[],"
		       "\"count\":1}");
	come(0xb2, "");
	pass_ms(INTERVAL_MS);
	EXPECT_LAST(l, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":2,\"join\":["
		       "{\"conn\":\"000000b2\",\"since\":1780}],\"leave\":[],\"count\":2}");
	go(0xa1);
	come(0x3, "c");
	pass_ms(INTERVAL_MS);
	EXPECT_LAST(l, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":4,\"join\":["
		       "{\"conn\":\"00000003\",\"name\":\"c\",\"since\":30}],\"leave\":["
		       "{\"conn\":\"000000a1\",\"name\":\"ann\",\"since\":1610}],\"count\":2}");
	/* nothing happens: nothing is told */
	pass_ms(10 * INTERVAL_MS);
	presence_members_changed(&room, presence);
	pass_ms(10 * INTERVAL_MS);
	ck_assert_uint_eq(l->n_events, 3);
	check_list(l);
}
END_TEST

START_TEST(names_are_escaped)
{
	come(1, "a\"b\\\n\x01");
	come(2, "\xe5\xa4\xaa");
	come(3, "cut \xe5\xa4"); /* as nobody should have let it in */
	struct listener *l = sit(1, SEAT_DIFF);
	pass_ms(0);
	json_t *event = parse(span_str(l->last));
	static const char *const names[] = {"a\"b\\\n\x01", "\xe5\xa4\xaa", NULL};
	for (size_t i = 0; i < 2; i++)
		ck_assert_str_eq(json_string_value(json_object_get(
				     json_array_get(json_object_get(event, "join"), i), "name")),
				 names[i]);
	ck_assert_ptr_nonnull(strstr(l->last, "cut \xef\xbf\xbd"));
	json_decref(event);
}
END_TEST

START_TEST(only_those_who_asked_are_told)
{
	come(1, "x");
	struct listener *none = sit(0, SEAT_NO_PRESENCE);
	pass_ms(INTERVAL_MS);
	ck_assert_ptr_null(room.presence); /* costs nothing */
	struct listener *count = sit(1, SEAT_COUNT), *diff = sit(2, SEAT_DIFF);
	/* an event stream is in the room as well, and no seat */
	struct listener *stream = sit(3, SEAT_NO_PRESENCE);
	stream->seat->member.wire = WIRE_EVENTS;
	stream->seat->presence = SEAT_DIFF;
	come(2, "y");
	pass_ms(0);
	EXPECT_LAST(count, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":2,\"count\":2}");
	check_list(diff);
	ck_assert_uint_eq(none->n_events, 0);
	ck_assert_uint_eq(stream->n_events, 0);
	/* the last listener has left */
	stand_up(1);
	stand_up(2);
	go(1);
	pass_ms(INTERVAL_MS);
	ck_assert_ptr_null(room.presence);
	/* and others come */
	diff = sit(2, SEAT_DIFF);
	pass_ms(0);
	check_list(diff);
}
END_TEST

START_TEST(one_that_comes_later_has_the_list_first)
{
	come(1, "x");
	struct listener *first = sit(0, SEAT_DIFF);
	pass_ms(0);
	come(2, "y");
	struct listener *second = sit(1, SEAT_DIFF);
	pass_ms(INTERVAL_MS);
	ck_assert_ptr_null(strstr(first->last, "\"all\""));
	ck_assert_ptr_nonnull(strstr(second->last, "\"all\""));
	ck_assert_uint_eq(first->n_events, 2);
	ck_assert_uint_eq(second->n_events, 1);
	check_list(first);
	check_list(second);
	/* among those who count alone, too */
	stand_up(0);
	stand_up(1);
	struct listener *count = sit(2, SEAT_COUNT);
	come(3, "z");
	pass_ms(INTERVAL_MS);
	struct listener *third = sit(3, SEAT_DIFF);
	pass_ms(INTERVAL_MS); /* although nothing has changed */
	check_list(third);
	ck_assert_uint_eq(count->n_events, 1);
	ck_assert_uint_eq(count->count, 3);
}
END_TEST

START_TEST(at_most_four_a_second)
{
	struct listener *l = sit(0, SEAT_DIFF);
	const uint64_t began_ms = now_ms;

	/* listener_event checks the distances */
	for (uint64_t i = 1; i <= 100; i++) {
		come(i, "n");
		pass_ms(10);
	}
	ck_assert_uint_ge(l->n_events, (now_ms - began_ms) / (INTERVAL_MS + 1));
	pass_ms(INTERVAL_MS);
	check_list(l);
	/* after a quiet time the first one is told at once */
	pass_ms(INTERVAL_MS);
	unsigned n = l->n_events;
	go(50);
	pass_ms(0);
	ck_assert_uint_eq(l->n_events, n + 1);
}
END_TEST

START_TEST(a_crowd_is_counted)
{
	struct listener *diff = sit(0, SEAT_DIFF), *count = sit(1, SEAT_COUNT);

	for (uint64_t i = 1; i <= PICTURE_MAX; i++)
		come(i, "n");
	pass_ms(INTERVAL_MS);
	check_list(diff);
	come(1000, "one more");
	pass_ms(INTERVAL_MS);
	EXPECT_LAST(diff, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":201,\"count\":201}");
	EXPECT_LAST(count, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":201,\"count\":201}");
	ck_assert(!diff->has_list);
	/* one that comes into a crowd */
	struct listener *late = sit(2, SEAT_DIFF);
	pass_ms(INTERVAL_MS);
	ck_assert_uint_eq(late->count, 201);
	unsigned n = diff->n_events;
	pass_ms(10 * INTERVAL_MS);
	ck_assert_uint_eq(diff->n_events, n);
	ck_assert_uint_eq(late->n_events, 1);
	/* when it is none any more, the list is told */
	go(7);
	pass_ms(INTERVAL_MS);
	check_list(diff);
	check_list(late);
	ck_assert_uint_eq(count->count, 200);
	ck_assert_ptr_null(strstr(count->last, "join"));
}
END_TEST

START_TEST(a_locked_log_is_tried_again)
{
	struct listener *l = sit(0, SEAT_DIFF);

	table_busy = true;
	come(1, "x");
	pass_ms(5 * INTERVAL_MS);
	ck_assert_uint_eq(l->n_events, 0);
	struct buffer out = {0};
	ck_assert_int_eq(presence_write_seat(presence, l->seat, 0, 10, &out), LOG_BUSY);
	ck_assert_uint_eq(out.len, 0);
	table_busy = false;
	pass_ms(INTERVAL_MS);
	check_list(l);
	ck_assert_uint_eq(l->n_events, 1);
}
END_TEST

START_TEST(one_that_takes_nothing_gets_the_list_later)
{
	struct listener *slow = sit(0, SEAT_DIFF), *slow_count = sit(1, SEAT_COUNT);
	struct listener *quick = sit(2, SEAT_DIFF);

	come(1, "x");
	pass_ms(INTERVAL_MS);
	slow->is_stuck = slow_count->is_stuck = true;
	come(2, "y");
	pass_ms(INTERVAL_MS);
	go(1);
	pass_ms(3 * INTERVAL_MS);
	check_list(quick);
	ck_assert_uint_eq(quick->n_events, 3);
	slow->is_stuck = slow_count->is_stuck = false;
	pass_ms(INTERVAL_MS);
	check_list(slow);
	ck_assert_ptr_nonnull(strstr(slow->last, "\"all\""));
	ck_assert_uint_eq(slow_count->count, 1);
	ck_assert_uint_eq(quick->n_events, 3);
	/* that was all */
	pass_ms(10 * INTERVAL_MS);
	ck_assert_uint_eq(slow->n_events, 2);
	ck_assert_uint_eq(slow_count->n_events, 2);
}
END_TEST

START_TEST(another_name_under_the_same_conn)
{
	struct listener *l = sit(0, SEAT_DIFF);

	come(1, "x");
	pass_ms(INTERVAL_MS);
	go(1);
	come_at(1, "y", 99);
	pass_ms(INTERVAL_MS);
	EXPECT_LAST(
	    l, "{\"t\":\"pres\",\"room\":\"r.1\",\"pseq\":3,\"join\":["
	       "{\"conn\":\"00000001\",\"name\":\"y\",\"since\":99}],\"leave\":[],\"count\":1}");
	check_list(l);
}
END_TEST

/* It came and went between two events, and somebody has seen it on a list in between. */
START_TEST(a_list_and_changes_do_not_race)
{
	struct listener *l = sit(0, SEAT_DIFF), *other = sit(1, SEAT_DIFF);

	come(1, "x");
	pass_ms(INTERVAL_MS);
	come(2, "ghost");
	listener_ask(l);
	ck_assert_uint_eq(json_object_size(l->list), 2);
	go(2);
	pass_ms(INTERVAL_MS);
	check_list(l);
	check_list(other);
	/* and when the list is older than what was told, or the same */
	come(3, "z");
	listener_ask(l);
	pass_ms(INTERVAL_MS);
	check_list(l);
	listener_ask(l);
	unsigned n = l->n_events;
	pass_ms(5 * INTERVAL_MS);
	ck_assert_uint_eq(l->n_events, n);
	check_list(l);
}
END_TEST

START_TEST(pages_of_a_room)
{
	static const struct {
		const char *room;
		size_t offset, limit;
		const char *says;
	} rows[] = {
	    {ROOM, 0, 2,
	     "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[{\"conn\":\"00000009\",\"name\":"
	     "\"x\","
	     "\"since\":90},{\"conn\":\"00000007\",\"since\":70}],\"more\":true"},
	    {ROOM, 2, 2,
	     "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[{\"conn\":\"00000008\",\"name\":"
	     "\"z\","
	     "\"since\":80}],\"more\":false"},
	    {ROOM, 1, 2,
	     "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[{\"conn\":\"00000007\","
	     "\"since\":70},"
	     "{\"conn\":\"00000008\",\"name\":\"z\",\"since\":80}],\"more\":false"},
	    {ROOM, 3, 2, "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[],\"more\":false"},
	    {ROOM, SIZE_MAX, 2,
	     "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[],\"more\":false"},
	    {ROOM, 0, 0, "\"room\":\"r.1\",\"count\":3,\"pseq\":3,\"members\":[],\"more\":true"},
	    {"no.such", 0, 2,
	     "\"room\":\"no.such\",\"count\":0,\"pseq\":0,\"members\":[],\"more\":false"},
	};

	come(9, "x");
	come(7, "");
	come(8, "z");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer out = {0};
		ck_assert_int_eq(presence_write_room(presence, span_str(rows[i].room),
						     rows[i].offset, rows[i].limit, &out),
				 LOG_OK);
		ck_assert(buffer_append(&out, "", 1, SIZE_MAX));
		ck_assert_str_eq(out.data, rows[i].says);
		buffer_fini(&out);
	}
	/* one page has a bound of its own */
	for (uint64_t i = 100; n_table < PRESENCE_PAGE_MAX + 5; i++)
		come(i, "");
	struct buffer out = {0};
	ck_assert(buffer_append(&out, "{", 1, SIZE_MAX));
	ck_assert_int_eq(presence_write_room(presence, SPAN_LIT(ROOM), 0, SIZE_MAX, &out), LOG_OK);
	ck_assert(buffer_append(&out, "}", 1, SIZE_MAX));
	json_t *page = parse(buffer_span(&out));
	ck_assert_uint_eq(json_array_size(json_object_get(page, "members")), PRESENCE_PAGE_MAX);
	ck_assert(json_is_true(json_object_get(page, "more")));
	json_decref(page);
	buffer_fini(&out);
}
END_TEST

/* Whatever happens in whatever order: in the end every list is the room. */
START_TEST(lists_are_right_in_the_end)
{
	uint64_t next = 1;

	srand(1 + (unsigned)_i);
	for (unsigned step = 0; step < PROPERTY_N; step++) {
		const size_t i = (size_t)rand() % SEATS;
		struct listener *l = room.seat[i] ? &listener[i] : NULL;

		/* _i = 0: about a handful; 1: about the crowd's number */
		switch (rand() % 10) {
		case 0:
		case 1:
			if (n_table < (_i ? PICTURE_MAX + 3 : 8))
				come(next++ * 0x9e3779b1u % 1000003, "new");
			break;
		case 2:
			if (n_table > (_i ? PICTURE_MAX - 3 : 0))
				go(table[(size_t)rand() % n_table].conn);
			break;
		case 3:
			if (n_table > 0) {
				uint64_t conn = table[(size_t)rand() % n_table].conn;
				go(conn);
				come_at(conn, "again", step);
			}
			break;
		case 4:
			if (l && rand() % 4 == 0)
				stand_up(i);
			else if (!l)
				sit(i, rand() % 3);
			break;
		case 5:
			if (l)
				l->is_stuck = !l->is_stuck;
			break;
		case 6:
			if (l && l->seat->presence == SEAT_DIFF && !l->is_stuck && !table_busy)
				listener_ask(l);
			break;
		case 7: table_busy = rand() % 4 == 0; break;
		default: pass_ms((uint64_t)rand() % (2 * INTERVAL_MS)); break;
		}
		if (step % 50 != 49)
			continue;
		table_busy = false;
		for (size_t j = 0; j < SEATS; j++)
			listener[j].is_stuck = false;
		pass_ms(2 * INTERVAL_MS);
		for (size_t j = 0; j < SEATS; j++) {
			const struct listener *k = &listener[j];
			if (!room.seat[j] || k->seat->presence == SEAT_NO_PRESENCE)
				continue;
			ck_assert_uint_eq(k->count, n_table);
			if (k->seat->presence == SEAT_DIFF && n_table <= PICTURE_MAX)
				check_list(k);
		}
	}
}
END_TEST

/* With each allocation failing, alone and with all after it: later, but in the end all is told. */
START_TEST(memory_runs_out)
{
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		struct buffer page = {0};

		ck_assert_uint_lt(n, 200);
		teardown();
		setup();
		n_table = 0;
		come(1, "ann");
		come(2, "b");
		struct listener *diff = sit(0, SEAT_NO_PRESENCE), *count = sit(1, SEAT_COUNT);
		diff->seat->presence = SEAT_DIFF;
		fail_alloc_at(n, _i);
		const bool is_watched = presence_watch(presence, diff->seat);
		pass_ms(0);
		fail_alloc_hold(true);
		come(3, "c");
		go(1);
		fail_alloc_hold(false);
		pass_ms(INTERVAL_MS);
		const enum log_result result =
		    presence_write_seat(presence, diff->seat, 0, 100, &page);
		has_failed = fail_alloc_end();
		ck_assert(is_watched || has_failed);
		ck_assert(result == LOG_OK || (has_failed && result == LOG_TOO_LONG));
		buffer_fini(&page);
		if (!is_watched)
			ck_assert(presence_watch(presence, diff->seat));
		pass_ms(2 * INTERVAL_MS);
		check_list(diff);
		ck_assert_uint_eq(count->count, 2);
	}
	presence_free(&presence);
	fail_alloc_at(1, false);
	presence = presence_new(NULL, NULL);
	ck_assert(fail_alloc_end());
	ck_assert_ptr_null(presence);
	setup();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("presence");
	TCase *tc = tcase_create("presence");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_list_then_what_changes);
	tcase_add_test(tc, names_are_escaped);
	tcase_add_test(tc, only_those_who_asked_are_told);
	tcase_add_test(tc, one_that_comes_later_has_the_list_first);
	tcase_add_test(tc, at_most_four_a_second);
	tcase_add_test(tc, a_crowd_is_counted);
	tcase_add_test(tc, a_locked_log_is_tried_again);
	tcase_add_test(tc, one_that_takes_nothing_gets_the_list_later);
	tcase_add_test(tc, another_name_under_the_same_conn);
	tcase_add_test(tc, a_list_and_changes_do_not_race);
	tcase_add_test(tc, pages_of_a_room);
	tcase_add_loop_test(tc, lists_are_right_in_the_end, 0, 2);
	tcase_add_loop_test(tc, memory_runs_out, 0, 2);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
