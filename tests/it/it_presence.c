/*
 * it_presence.c - who is in a room, as its members are told: names, numbers and changes, over
 * several workers, after the death of one, and over a reload. What a list and the changes to it
 * add up to is always the room.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/json_client.c tests/it/pg.c */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "harness.h"
#include "json_client.h"

#define CROWD 200 /* above it, there are numbers alone */
#define TEXT  400

/* What a client knows of the room r, by the rules of the manual. */
struct view {
	struct chat chat;
	bool has_list;
	json_t *list; /* by conn */
	uint64_t seq;
	uint64_t count;
	unsigned events;
};

static void
view_put(struct view *v, const json_t *members)
{
	json_t *m;
	size_t i;

	json_array_foreach(members, i, m)
	{
		ck_assert_uint_gt(chat_number(m, "since"), UINT64_C(1600000000000));
		json_object_set(v->list, chat_text(m, "conn"), m);
	}
}

static void
view_apply(struct view *v, const json_t *event)
{
	const json_t *join = json_object_get(event, "join");
	const json_t *leave = json_object_get(event, "leave");
	const uint64_t seq = chat_number(event, "pseq");
	json_t *m;
	size_t i;

	ck_assert_str_eq(chat_text(event, "t"), "pres");
	ck_assert_str_eq(chat_text(event, "room"), "r");
	v->events++;
	v->count = chat_number(event, "count");
	if (!join) {
		ck_assert_ptr_null(leave);
		v->has_list = false;
	} else if (seq > v->seq || !v->has_list) {
		if (json_is_true(json_object_get(event, "all")))
			json_object_clear(v->list);
		else
			ck_assert(v->has_list);
		json_array_foreach(leave, i, m) json_object_del(v->list, chat_text(m, "conn"));
		view_put(v, join);
		v->has_list = true;
		v->seq = seq;
		ck_assert_uint_eq(json_object_size(v->list), v->count);
	}
}

/* The whole list by the command; it may be followed by changes. */
static void
view_ask(struct view *v)
{
	json_t *reply = chat_ask(&v->chat, "\"t\":\"presence\",\"room\":\"r\",\"limit\":200");

	ck_assert_str_eq(chat_text(reply, "t"), "ok");
	ck_assert_str_eq(chat_text(reply, "room"), "r");
	ck_assert(json_is_false(json_object_get(reply, "more")));
	/* what came before the reply comes first */
	while (json_array_size(v->chat.kept) > 0) {
		json_t *event = chat_event(&v->chat, 0);
		view_apply(v, event);
		json_decref(event);
	}
	json_object_clear(v->list);
	view_put(v, json_object_get(reply, "members"));
	v->seq = chat_number(reply, "pseq");
	v->count = chat_number(reply, "count");
	v->has_list = true;
	ck_assert_uint_eq(json_object_size(v->list), v->count);
	json_decref(reply);
}

/* The names in order, with commas; ? is one without a name. */
static void
view_names(const struct view *v, char out[TEXT])
{
	const char *names[64];
	const char *conn;
	json_t *m;
	size_t n = 0, len = 0;

	json_object_foreach(v->list, conn, m)
	{
		const char *name = json_string_value(json_object_get(m, "name"));
		size_t i = n++;
		ck_assert_uint_lt(n, 64);
		for (name = name ? name : "?"; i > 0 && strcmp(names[i - 1], name) > 0; i--)
			names[i] = names[i - 1];
		names[i] = name;
	}
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, TEXT - len, "%s%s", i ? "," : "", names[i]);
}

static void
view_event(struct view *v, uint64_t until_ms, const char *waits_for)
{
	json_t *event = chat_event(&v->chat, until_ms);

	ck_assert_msg(event, "%u events, the last said %llu members; no more while waiting for %s",
		      v->events, (unsigned long long)v->count, waits_for);
	view_apply(v, event);
	json_decref(event);
}

/* Hears until it knows that exactly these are there. */
static void
view_until(struct view *v, const char *names)
{
	const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	char now[TEXT];

	for (;;) {
		view_names(v, now);
		if (v->has_list && strcmp(now, names) == 0)
			return;
		view_event(v, until_ms, names);
	}
}

static void
view_until_count(struct view *v, uint64_t count)
{
	const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)count);
	while (v->count != count)
		view_event(v, until_ms, text);
}

/* Joins r; `more` as {"pres":"diff","name":"ann"} without braces. */
static uint64_t
view_join(struct view *v, const char *more)
{
	json_t *reply = chat_ask(&v->chat, "\"t\":\"join\",\"room\":\"r\",%s", more);

	ck_assert_msg(strcmp(chat_text(reply, "t"), "ok") == 0, "%s",
		      json_dumps(reply, JSON_COMPACT));
	const uint64_t count = chat_number(reply, "count");
	json_decref(reply);
	return count;
}

static void
view_init(struct view *v)
{
	v->has_list = false;
	v->list = json_object();
	v->seq = v->count = 0;
	v->events = 0;
}

static void
view_open(struct view *v, struct daemon *d)
{
	chat_open(&v->chat, daemon_port(d), "/chat/base", NULL);
	view_init(v);
}

static void
view_drop(struct view *v)
{
	chat_drop(&v->chat);
	json_decref(v->list);
}

/* One on each of the workers. */
static void
open_views(struct view *v, size_t n, struct daemon *d)
{
	struct ws ws[8];

	ck_assert_uint_le(n, 8);
	ws_open_everywhere(ws, n, d, "/chat/base?mode=json");
	for (size_t i = 0; i < n; i++) {
		chat_adopt(&v[i].chat, &ws[i], NULL);
		view_init(&v[i]);
	}
}

START_TEST(members_come_and_go)
{
	struct daemon *d = daemon_start_default();
	struct view v[2];
	struct ws plain[2];
	struct http_answer a;

	open_views(v, 2, d);
	ck_assert_uint_eq(view_join(&v[0], "\"pres\":\"diff\",\"name\":\"ann\""), 1);
	view_until(&v[0], "ann");
	ck_assert_ptr_nonnull(json_object_get(v[0].list, v[0].chat.conn));
	/* on the other worker, one that counts */
	ck_assert_uint_eq(view_join(&v[1], "\"pres\":\"count\",\"name\":\"b\\u00f6b \\\"\\\\\""),
			  2);
	view_until(&v[0], "ann,b\xc3\xb6"
			  "b \"\\");
	view_until_count(&v[1], 2);
	ck_assert(!v[1].has_list);
	/* a plain client is one, too, without a name, on whichever worker */
	ws_open_everywhere(plain, 2, d, "/chat/r");
	view_until(&v[0], "?,?,ann,b\xc3\xb6"
			  "b \"\\");
	view_until_count(&v[1], 4);
	/* the command and the resource say the same */
	view_ask(&v[0]);
	view_until(&v[0], "?,?,ann,b\xc3\xb6"
			  "b \"\\");
	http_request(daemon_port(d), "GET", "/chat/r/members", NULL, NULL, &a);
	ck_assert_msg(a.status == 200, "%s%s", a.head, a.body);
	json_t *members = json_loads(a.body, 0, NULL), *m;
	size_t i;
	ck_assert_uint_eq(chat_number(members, "count"), 4);
	ck_assert_uint_eq(chat_number(members, "pseq"), v[0].seq);
	ck_assert_uint_eq(json_array_size(json_object_get(members, "members")), 4);
	json_array_foreach(json_object_get(members, "members"), i, m)
	    ck_assert(json_equal(m, json_object_get(v[0].list, chat_text(m, "conn"))));
	json_decref(members);
	http_answer_fini(&a);
	/* each way to go */
	ws_close(&plain[0]);
	view_until(&v[0], "?,ann,b\xc3\xb6"
			  "b \"\\");
	ws_drop(&plain[1]);
	view_until(&v[0], "ann,b\xc3\xb6"
			  "b \"\\");
	view_until_count(&v[1], 2);
	chat_tell(&v[1].chat, "\"t\":\"leave\",\"room\":\"r\"");
	view_until(&v[0], "ann");
	/* who has left hears nothing more, who comes back has the list as it is now */
	ck_assert_uint_eq(view_join(&v[1], "\"pres\":\"diff\""), 2);
	view_until(&v[0], "?,ann");
	view_until(&v[1], "?,ann");
	chat_tell(&v[0].chat, "\"t\":\"leave\",\"room\":\"r\"");
	view_until(&v[1], "?");
	unsigned before = v[0].events;
	ck_assert_uint_eq(view_join(&v[0], "\"name\":\"quiet\""), 2);
	view_until(&v[1], "?,quiet");
	ws_expect_silence(&v[0].chat.ws);
	ck_assert_uint_eq(v[0].events, before);
	view_drop(&v[0]);
	view_until(&v[1], "?");
	view_drop(&v[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(members_of_a_dead_worker_leave_at_once)
{
	enum { DOOMED = 12, PROMPT_MS = 3000 };
	struct daemon *d = daemon_start_default();
	struct view v[2], count;
	struct chat doomed[DOOMED];
	struct ws plain[2];

	open_views(v, 2, d);
	pid_t victim = daemon_worker_of(d, v[1].chat.ws.c.fd);
	view_join(&v[0], "\"pres\":\"diff\",\"name\":\"ann\"");
	view_join(&v[1], "\"pres\":\"diff\",\"name\":\"bob\"");
	/* some more of them there, and one plain client on each */
	size_t n = 0;
	while (n < DOOMED) {
		chat_open(&doomed[n], daemon_port(d), "/chat/r", NULL);
		if (daemon_worker_of(d, doomed[n].ws.c.fd) == victim)
			n++;
		else
			chat_drop(&doomed[n]);
	}
	ws_open_everywhere(plain, 2, d, "/chat/r");
	bool is_first_doomed = daemon_worker_of(d, plain[0].c.fd) == victim;
	for (bool is_placed = false; !is_placed;) {
		view_open(&count, d);
		is_placed = daemon_worker_of(d, count.chat.ws.c.fd) != victim;
		if (!is_placed)
			view_drop(&count);
	}
	view_join(&count, "\"pres\":\"count\",\"name\":\"carl\"");
	view_until_count(&v[0], DOOMED + 5);
	view_until_count(&count, DOOMED + 5);
	const uint64_t began_ms = it_now_ms();
	ck_assert_int_eq(kill(victim, SIGKILL), 0);
	/* nobody reconnects; who is alive is told, by the first event already */
	view_event(&v[0], it_now_ms() + IT_DEADLINE_MS, "the death of a worker");
	view_until(&v[0], "?,ann,carl");
	view_until_count(&count, 3);
	ck_assert_msg(it_has_sanitizers() || it_now_ms() - began_ms < PROMPT_MS,
		      "their leaves took %llu ms", (unsigned long long)(it_now_ms() - began_ms));
	/* not a trace of them by asking, either */
	view_ask(&v[0]);
	view_until(&v[0], "?,ann,carl");
	for (size_t i = 0; i < DOOMED; i++)
		chat_drop(&doomed[i]);
	view_drop(&v[1]);
	ws_drop(&plain[is_first_doomed ? 0 : 1]);
	/* the survivors have stayed connected */
	ws_expect_silence(&v[0].chat.ws);
	ws_close(&plain[is_first_doomed ? 1 : 0]);
	view_until(&v[0], "ann,carl");
	view_drop(&count);
	view_until(&v[0], "ann");
	view_drop(&v[0]);
	daemon_stop(d);
}
END_TEST

START_TEST(one_room_over_a_reload)
{
	struct daemon *d = daemon_start_default();
	struct view ann, bob, carl;

	view_open(&ann, d);
	view_join(&ann, "\"pres\":\"diff\",\"name\":\"ann\"");
	daemon_write_conf(d, "[http]\nidle_timeout = 61s\n");
	ck_assert(daemon_reload(d));
	/* of two generations, and each hears of the other */
	view_open(&bob, d);
	view_join(&bob, "\"pres\":\"diff\",\"name\":\"bob\"");
	view_until(&ann, "ann,bob");
	view_until(&bob, "ann,bob");
	/* the third one ends the first */
	daemon_write_conf(d, "[http]\nidle_timeout = 62s\n");
	ck_assert(daemon_reload(d));
	view_open(&carl, d);
	view_join(&carl, "\"pres\":\"diff\",\"name\":\"carl\"");
	view_until(&bob, "bob,carl");
	view_until(&carl, "bob,carl");
	view_drop(&ann);
	view_drop(&bob);
	view_until(&carl, "carl");
	view_drop(&carl);
	daemon_stop(d);
}
END_TEST

START_TEST(a_crowd_is_a_number)
{
	struct daemon *d = daemon_start_default();
	struct ws crowd[CROWD + 5];
	struct view ann;

	view_open(&ann, d);
	view_join(&ann, "\"pres\":\"diff\",\"name\":\"ann\"");
	const uint64_t began_ms = it_now_ms();
	for (size_t i = 0; i < CROWD + 5; i++)
		ws_open(&crowd[i], daemon_port(d), "/chat/r", NULL);
	view_until_count(&ann, CROWD + 6);
	ck_assert(!ann.has_list);
	/* four a second, and the first at once */
	ck_assert_uint_le(ann.events, 2 + (it_now_ms() - began_ms) / 250);
	for (size_t i = 0; i < 10; i++)
		ws_close(&crowd[i]);
	view_until_count(&ann, CROWD - 4);
	ck_assert(ann.has_list);
	/* view_apply has compared the list with the number */
	ck_assert_uint_eq(json_object_size(ann.list), CROWD - 4);
	for (size_t i = 10; i < CROWD + 5; i++)
		ws_drop(&crowd[i]);
	view_until_count(&ann, 1);
	view_until(&ann, "ann");
	view_drop(&ann);
	daemon_stop(d);
}
END_TEST

/* Lists asked for while members come and go on both workers: nobody stays who is gone. */
START_TEST(lists_and_changes_do_not_race)
{
	enum { RESTLESS = 6, ROUNDS = 8, STEPS = 40 };
	struct daemon *d = daemon_start_default();
	struct view watch[2], restless[RESTLESS];
	bool in_room[RESTLESS] = {false};
	char names[TEXT];

	srand(11);
	open_views(watch, 2, d);
	open_views(restless, RESTLESS, d);
	for (size_t i = 0; i < 2; i++)
		view_join(&watch[i], "\"pres\":\"diff\",\"name\":\"watch\"");
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned step = 0; step < STEPS; step++) {
			const size_t i = (size_t)rand() % RESTLESS;
			if (in_room[i])
				chat_tell(&restless[i].chat, "\"t\":\"leave\",\"room\":\"r\"");
			else
				chat_tell(&restless[i].chat,
					  "\"t\":\"join\",\"room\":\"r\",\"name\":\"%u.%u\"", round,
					  step);
			in_room[i] = !in_room[i];
			if (rand() % 4 == 0)
				view_ask(&watch[(size_t)rand() % 2]);
		}
		for (size_t i = 0; i < RESTLESS; i++) {
			if (in_room[i])
				chat_tell(&restless[i].chat, "\"t\":\"leave\",\"room\":\"r\"");
			in_room[i] = false;
		}
		chat_tell(&restless[0].chat, "\"t\":\"join\",\"room\":\"r\",\"name\":\"x%u\"",
			  round);
		in_room[0] = true;
		snprintf(names, sizeof(names), "watch,watch,x%u", round);
		for (size_t i = 0; i < 2; i++)
			view_until(&watch[i], names);
	}
	for (size_t i = 0; i < RESTLESS; i++)
		view_drop(&restless[i]);
	for (size_t i = 0; i < 2; i++)
		view_until(&watch[i], "watch,watch");
	for (size_t i = 0; i < 2; i++)
		view_drop(&watch[i]);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "presence");

	tcase_add_test(tc, members_come_and_go);
	tcase_add_test(tc, members_of_a_dead_worker_leave_at_once);
	tcase_add_test(tc, one_room_over_a_reload);
	tcase_add_test(tc, a_crowd_is_a_number);
	tcase_add_test(tc, lists_and_changes_do_not_race);
}

int
main(void)
{
	return it_main("presence", fill, 0);
}
