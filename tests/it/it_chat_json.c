/*
 * it_chat_json.c - chat.v1.json spoken with the real daemon: every command and error, as the text
 * that a client sees. What comes from before is it_chat_history.c's.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/json_client.c tests/it/pg.c -ljansson */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "json_client.h"

/* ---- the welcome ---- */

START_TEST(both_ways_into_json_mode)
{
	struct daemon *d = daemon_start_default();
	struct ws ws = {.keep_pings = false};
	struct http_answer a;

	ws_open(&ws, daemon_port(d), "/chat?mode=json", NULL);
	hears(&ws, WELCOME_OF("lobby", "0", "1", "false", "0"));
	ws_close(&ws);
	http_open(&ws.c, daemon_port(d));
	ws_handshake(&ws.c, "/chat/r-1.x_", "Sec-WebSocket-Protocol: other, chat.v1.json\r\n", &a);
	ck_assert_int_eq(a.status, 101);
	ck_assert_str_eq(http_field(&a, "Sec-WebSocket-Protocol"), "chat.v1.json");
	http_answer_fini(&a);
	hears(&ws, WELCOME_OF("r-1.x_", "0", "1", "false", "0"));
	ws_expect_silence(&ws);
	ws_close(&ws);
	/* a room of the daemon's can be listened to */
	ws_open(&ws, daemon_port(d), "/chat/_news?mode=json", NULL);
	hears(&ws, WELCOME_OF("_news", "0", "1", "false", "0"));
	asks(&ws, "{\"id\":1,\"t\":\"pub\",\"room\":\"_news\",\"data\":1}",
	     ERR("\"id\":1,", "denied", "a room whose name begins with _ is only listened to"));
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(the_welcome_says_what_is_configured)
{
	struct daemon *d = daemon_start("chat.max_message_size=1000", "chat.ping_interval=1500ms",
					"chat.max_rooms_per_connection=3", "chat.publish_rate=7",
					"chat.publish_burst=9", "chat.client_queue_size=64k",
					"server.public=greet chat", NULL);
	struct ws ws;

	/* not from this machine: a proxy in front says so */
	ws_open(&ws, daemon_port(d), "/chat?mode=json", "X-Forwarded-For: 192.0.2.1\r\n");
	hears(&ws, "{\"t\":\"welcome\",\"v\":1,\"conn\":\"@\",\"room\":\"lobby\",\"epoch\":\"@\","
		   "\"seq\":0,\"first\":1,\"recovered\":false,\"replay\":0,\"count\":1,"
		   "\"max\":1000,\"ping\":1.500,\"limits\":{\"rooms\":3,\"rate\":7,\"burst\":9,"
		   "\"queue\":65536},\"retry\":{\"base\":500,\"max\":30000}}");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* ---- commands ---- */

START_TEST(what_each_command_is_answered)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;

	open_json(&ws, d, "/chat");
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"r1\",\"name\":\"ann\"}",
	     JOINED("1", "r1", "0", "1", "false", "0", "1"));
	asks(&ws, "{\"id\":2,\"t\":\"pub\",\"room\":\"r1\",\"data\":\"hi\",\"cid\":\"k1\"}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"r1\",\"seq\":1,\"ts\":#}");
	hears(&ws,
	      MSG("r1", "1", ",\"from\":\"@\",\"name\":\"ann\",\"cid\":\"k1\",\"data\":\"hi\""));
	/* in the room of the URL it has no name */
	asks(&ws, "{\"id\":4294967295,\"t\":\"pub\",\"room\":\"lobby\",\"data\":{\"a\": [1.50]}}",
	     "{\"id\":4294967295,\"t\":\"ok\",\"room\":\"lobby\",\"seq\":1,\"ts\":#}");
	hears(&ws, MSG("lobby", "1", ",\"from\":\"@\",\"data\":{\"a\":[1.50]}"));
	asks(&ws, "{\"id\":3,\"t\":\"history\",\"room\":\"r1\"}",
	     "{\"id\":3,\"t\":\"ok\",\"room\":\"r1\",\"epoch\":\"@\",\"first\":1,\"msgs\":[" MSG(
		 "r1", "1",
		 ",\"from\":\"@\",\"name\":\"ann\",\"cid\":\"k1\",\"data\":\"hi\"") "],\"more\":"
										    "false}");
	asks(&ws, "{\"id\":4,\"t\":\"presence\",\"room\":\"r1\"}",
	     "{\"id\":4,\"t\":\"ok\",\"room\":\"r1\",\"count\":1,\"pseq\":#,\"members\":[{\"conn\":"
	     "\"@\",\"name\":\"ann\",\"since\":#}],\"more\":false}");
	asks(&ws, "{\"id\":5,\"t\":\"leave\",\"room\":\"r1\"}",
	     "{\"id\":5,\"t\":\"ok\",\"room\":\"r1\"}");
	asks(&ws, "{\"t\":\"ping\",\"x\":{\"a\" : 1}}", "{\"t\":\"pong\",\"x\":{\"a\":1}}");
	asks(&ws, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	asks(&ws, "{\"id\":0,\"t\":\"ping\",\"x\":null}", "{\"id\":0,\"t\":\"pong\",\"x\":null}");
	/* of a room that nobody is in and nobody was */
	asks(&ws, "{\"id\":6,\"t\":\"history\",\"room\":\"nobody\"}",
	     "{\"id\":6,\"t\":\"ok\",\"room\":\"nobody\",\"epoch\":\"@\",\"first\":0,\"msgs\":[],"
	     "\"more\":false}");
	asks(&ws, "{\"id\":7,\"t\":\"presence\",\"room\":\"nobody\"}",
	     "{\"id\":7,\"t\":\"ok\",\"room\":\"nobody\",\"count\":0,\"pseq\":#,\"members\":[],"
	     "\"more\":false}");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* Without an id what succeeds is silent; what was asked for comes all the same. */
START_TEST(without_an_id)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;

	open_json(&ws, d, "/chat");
	ws_send(&ws, "{\"t\":\"join\",\"room\":\"r1\"}");
	ws_expect_silence(&ws);
	asks(&ws, "{\"t\":\"pub\",\"room\":\"r1\",\"data\":\"\"}",
	     MSG("r1", "1", ",\"from\":\"@\",\"data\":\"\""));
	ws_send(&ws, "{\"t\":\"leave\",\"room\":\"r1\"}");
	ws_expect_silence(&ws);
	asks(&ws, "{\"t\":\"history\",\"room\":\"r1\",\"limit\":1}",
	     "{\"t\":\"ok\",\"room\":\"r1\",\"epoch\":\"@\",\"first\":1,\"msgs\":[" MSG(
		 "r1", "1", ",\"from\":\"@\",\"data\":\"\"") "],\"more\":false}");
	asks(&ws, "{\"t\":\"leave\",\"room\":\"r1\"}",
	     ERR("", "not_joined", "the room has to be joined first"));
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(rooms_are_apart)
{
	struct daemon *d = daemon_start_default();
	struct ws a, b;

	open_json(&a, d, "/chat/r0");
	open_json(&b, d, "/chat/r1");
	asks(&a, "{\"id\":1,\"t\":\"join\",\"room\":\"r1\"}",
	     JOINED("1", "r1", "0", "1", "false", "0", "2"));
	asks(&b, "{\"t\":\"pub\",\"room\":\"r1\",\"data\":1}",
	     MSG("r1", "1", ",\"from\":\"@\",\"data\":1"));
	hears(&a, MSG("r1", "1", ",\"from\":\"@\",\"data\":1"));
	asks(&a, "{\"id\":2,\"t\":\"pub\",\"room\":\"r0\",\"data\":2}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"r0\",\"seq\":1,\"ts\":#}");
	hears(&a, MSG("r0", "1", ",\"from\":\"@\",\"data\":2"));
	/* nothing of a room follows the answer to its `leave` */
	asks(&a, "{\"id\":3,\"t\":\"leave\",\"room\":\"r1\"}",
	     "{\"id\":3,\"t\":\"ok\",\"room\":\"r1\"}");
	asks(&b, "{\"t\":\"pub\",\"room\":\"r1\",\"data\":3}",
	     MSG("r1", "2", ",\"from\":\"@\",\"data\":3"));
	ws_expect_silence(&a);
	/* and the URL's room is one like others */
	asks(&a, "{\"id\":4,\"t\":\"leave\",\"room\":\"r0\"}",
	     "{\"id\":4,\"t\":\"ok\",\"room\":\"r0\"}");
	asks(&a, "{\"id\":5,\"t\":\"join\",\"room\":\"r0\",\"last\":9}",
	     JOINED("5", "r0", "1", "1", "false", "1", "1"));
	hears(&a, MSG("r0", "1", ",\"r\":1,\"from\":\"@\",\"data\":2"));
	ws_close(&a);
	ws_close(&b);
	daemon_stop(d);
}
END_TEST

/* ---- plain and JSON in one room ---- */

START_TEST(plain_and_json_in_one_room)
{
	static const struct {
		const char *data;  /* of a `pub` */
		const char *plain; /* what a plain client hears */
		const char *json;  /* what a JSON client hears as data */
	} cases[] = {
	    {"\"hi\"", "hi", "\"hi\""},
	    {"\"\"", "", "\"\""},
	    {"\"a\\u00e9\\n\\\"\"", "a\xc3\xa9\n\"", "\"a\xc3\xa9\\n\\\"\""},
	    {"{ \"a\" : [ 1 , 2.50 ] }", "{\"a\":[1,2.50]}", "{\"a\":[1,2.50]}"},
	    {"null", "null", "null"},
	    {"12345678901234567890", "12345678901234567890", "12345678901234567890"},
	};
	struct daemon *d = daemon_start_default();
	struct ws json, plain;
	char text[256], expected[256];

	open_json(&json, d, "/chat/mix");
	ws_open(&plain, daemon_port(d), "/chat/mix", NULL);
	size_t n = sizeof(cases) / sizeof(cases[0]);
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "{\"t\":\"pub\",\"room\":\"mix\",\"data\":%s}",
			 cases[i].data);
		snprintf(expected, sizeof(expected),
			 MSG("mix", "%zu", ",\"from\":\"@\",\"data\":%s"), i + 1, cases[i].json);
		asks(&json, text, expected);
		ws_expect(&plain, cases[i].plain);
	}
	ws_send(&plain, "{\"t\":\"ping\"} \"\\");
	ws_expect(&plain, "{\"t\":\"ping\"} \"\\");
	snprintf(
	    expected, sizeof(expected),
	    MSG("mix", "%zu", ",\"from\":\"@\",\"data\":\"{\\\"t\\\":\\\"ping\\\"} \\\"\\\\\""),
	    n + 1);
	hears(&json, expected);
	ws_send_frame(&plain, true, WS_BINARY, "\0\xff\x10", 3);
	ws_expect_data(&plain, WS_BINARY, "\0\xff\x10", 3);
	snprintf(expected, sizeof(expected), MSG("mix", "%zu", ",\"from\":\"@\",\"b64\":\"AP8Q\""),
		 n + 2);
	hears(&json, expected);
	/* errors, pongs and answers are for the one alone */
	asks(&json, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	ws_expect_silence(&plain);
	ws_close(&json);
	ws_close(&plain);
	daemon_stop(d);
}
END_TEST

/* ---- once ---- */

START_TEST(an_id_acts_once)
{
	static const char pub[] =
	    "{\"id\":1,\"t\":\"pub\",\"room\":\"r\",\"data\":\"a\",\"cid\":\"k1\"}";
	struct daemon *d = daemon_start("server.workers=3", NULL);
	struct ws ws[4];

	ws_open_everywhere(ws, 4, d, "/chat/r?mode=json");
	for (size_t i = 0; i < 4; i++)
		free(next_text(&ws[i]));
	ws_send(&ws[0], pub);
	json_t *first = next_json(&ws[0]);
	ck_assert_str_eq(chat_text(first, "t"), "ok");
	ck_assert_ptr_null(json_object_get(first, "dup"));
	for (size_t i = 0; i < 4; i++)
		hears(&ws[i], MSG("r", "1", ",\"from\":\"@\",\"cid\":\"k1\",\"data\":\"a\""));
	/* through any worker, with whatever data */
	for (size_t i = 0; i < 4; i++) {
		ws_send(&ws[i], pub);
		json_t *again = next_json(&ws[i]);
		ck_assert(json_is_true(json_object_get(again, "dup")));
		ck_assert_uint_eq(chat_number(again, "seq"), 1);
		ck_assert_uint_eq(chat_number(again, "ts"), chat_number(first, "ts"));
		json_decref(again);
	}
	for (size_t i = 0; i < 4; i++)
		ws_expect_silence(&ws[i]);
	/* another room, another id */
	asks(&ws[0], "{\"t\":\"pub\",\"room\":\"r\",\"data\":\"b\",\"cid\":\"k2\"}",
	     MSG("r", "2", ",\"from\":\"@\",\"cid\":\"k2\",\"data\":\"b\""));
	asks(&ws[0], "{\"id\":2,\"t\":\"join\",\"room\":\"other\"}",
	     JOINED("2", "other", "0", "1", "false", "0", "1"));
	asks(&ws[0], "{\"t\":\"pub\",\"room\":\"other\",\"data\":\"c\",\"cid\":\"k1\"}",
	     MSG("other", "1", ",\"from\":\"@\",\"cid\":\"k1\",\"data\":\"c\""));
	json_decref(first);
	for (size_t i = 0; i < 4; i++)
		ws_drop(&ws[i]);
	daemon_stop(d);
}
END_TEST

/* ---- presence ---- */

START_TEST(who_is_there)
{
	struct daemon *d = daemon_start_default();
	struct ws ann, bob, plain;

	open_json(&ann, d, "/chat");
	open_json(&bob, d, "/chat");
	ws_open(&plain, daemon_port(d), "/chat/p", NULL);
	asks(&ann, "{\"id\":1,\"t\":\"join\",\"room\":\"p\",\"name\":\"ann\"}",
	     JOINED("1", "p", "0", "1", "false", "0", "2"));
	asks(&bob, "{\"id\":1,\"t\":\"join\",\"room\":\"p\",\"name\":\"b\\\"b\"}",
	     JOINED("1", "p", "0", "1", "false", "0", "3"));
	asks(&ann, "{\"id\":2,\"t\":\"presence\",\"room\":\"p\"}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"p\",\"count\":3,\"pseq\":#,\"members\":["
	     "{\"conn\":\"@\",\"since\":#},{\"conn\":\"@\",\"name\":\"ann\",\"since\":#},"
	     "{\"conn\":\"@\",\"name\":\"b\\\"b\",\"since\":#}],\"more\":false}");
	asks(&ann, "{\"id\":3,\"t\":\"presence\",\"room\":\"p\",\"offset\":1,\"limit\":1}",
	     "{\"id\":3,\"t\":\"ok\",\"room\":\"p\",\"count\":3,\"pseq\":#,\"members\":["
	     "{\"conn\":\"@\",\"name\":\"ann\",\"since\":#}],\"more\":true}");
	asks(&ann, "{\"id\":4,\"t\":\"presence\",\"room\":\"p\",\"offset\":3}",
	     "{\"id\":4,\"t\":\"ok\",\"room\":\"p\",\"count\":3,\"pseq\":#,\"members\":[],"
	     "\"more\":false}");
	/* and who comes and goes, for who wants to know */
	asks(&ann, "{\"id\":5,\"t\":\"leave\",\"room\":\"p\"}",
	     "{\"id\":5,\"t\":\"ok\",\"room\":\"p\"}");
	asks(&ann, "{\"id\":6,\"t\":\"join\",\"room\":\"p\",\"name\":\"ann\",\"pres\":\"diff\"}",
	     JOINED("6", "p", "0", "1", "false", "0", "3"));
	json_t *all = next_json(&ann);
	ck_assert_str_eq(chat_text(all, "t"), "pres");
	ck_assert_uint_eq(chat_number(all, "count"), 3);
	json_decref(all);
	asks(&bob, "{\"id\":2,\"t\":\"leave\",\"room\":\"p\"}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"p\"}");
	json_t *diff = next_json(&ann);
	ck_assert_str_eq(chat_text(diff, "t"), "pres");
	ck_assert_uint_eq(chat_number(diff, "count"), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(diff, "leave")), 1);
	json_decref(diff);
	ws_expect_silence(&bob);
	ws_expect_silence(&plain);
	ws_close(&ann);
	ws_close(&bob);
	ws_close(&plain);
	daemon_stop(d);
}
END_TEST

/* ---- errors ---- */

#define ROOM_RULE "a room's name is 1 to 64 of A-Z a-z 0-9 . _ - and not . or .."
#define TYPE_RULE                                                                              \
	"t is \\\"join\\\", \\\"pub\\\", \\\"history\\\", \\\"presence\\\", \\\"leave\\\" or " \
	"\\\"ping\\\""

static const struct {
	const char *text;
	const char *answer;
} mistakes[] = {
    {"hello", ERR("", "bad_request", "line 1, column 5: the command is not JSON (RFC 8259)")},
    {"", ERR("", "bad_request", "line 1, column 0: the command ends before its JSON value does")},
    {"[]", ERR("", "bad_request", "a command is a JSON object, {\\\"t\\\":\\\"ping\\\"}")},
    {"{\"id\":1}", ERR("\"id\":1,", "bad_request", TYPE_RULE)},
    {"{\"id\":1,\"t\":\"auth\",\"token\":\"x\"}", ERR("\"id\":1,", "unknown_type", TYPE_RULE)},
    {"{\"id\":-1,\"t\":\"ping\"}",
     ERR("", "bad_request", "id is a whole number from 0 to 4294967295")},
    {"{\"id\":1,\"t\":\"join\",\"room\":\"a/b\"}", ERR("\"id\":1,", "bad_room", ROOM_RULE)},
    {"{\"id\":1,\"t\":\"pub\",\"room\":\"lobby\"}",
     ERR("\"id\":1,", "bad_request", "data is missing; it is any JSON value")},
    {"{\"id\":1,\"t\":\"pub\",\"room\":\"elsewhere\",\"data\":1}",
     ERR("\"id\":1,", "not_joined", "the room has to be joined first")},
    {"{\"t\":\"leave\",\"room\":\"elsewhere\"}",
     ERR("", "not_joined", "the room has to be joined first")},
    {"{\"id\":1,\"t\":\"join\",\"room\":\"lobby\"}",
     ERR("\"id\":1,", "already_joined", "the room is joined already")},
};

START_TEST(mistakes_are_answered)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;

	open_json(&ws, d, "/chat");
	asks(&ws, mistakes[_i].text, mistakes[_i].answer);
	/* it can go on */
	asks(&ws, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(binary_is_no_command)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;

	open_json(&ws, d, "/chat");
	ws_send_frame(&ws, true, WS_BINARY, "{\"t\":\"ping\"}", 12);
	hears(&ws, ERR("", "bad_request", "a command is a text message; a binary one is none"));
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(a_connection_has_so_many_rooms)
{
	struct daemon *d = daemon_start("chat.max_rooms_per_connection=3", NULL);
	struct ws ws;

	open_json(&ws, d, "/chat");
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"a\"}",
	     JOINED("1", "a", "0", "1", "false", "0", "1"));
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"b\"}",
	     JOINED("1", "b", "0", "1", "false", "0", "1"));
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"c\"}",
	     ERR("\"id\":1,", "limit",
		 "a connection may be in as many rooms as `limits` of its welcome says"));
	asks(&ws, "{\"id\":2,\"t\":\"leave\",\"room\":\"lobby\"}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"lobby\"}");
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"c\"}",
	     JOINED("1", "c", "0", "1", "false", "0", "1"));
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* Each room of the log has a member: a new one has no place until somebody leaves. */
START_TEST(there_are_so_many_rooms)
{
	struct daemon *d = daemon_start("chat.max_rooms=8", NULL);
	unsigned joined = 0, refused = 0;
	char text[96];
	struct ws ws;

	open_json(&ws, d, "/chat");
	for (unsigned i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "{\"id\":%u,\"t\":\"join\",\"room\":\"r%u\"}", i, i);
		ws_send(&ws, text);
		json_t *answer = next_json(&ws);
		ck_assert_uint_eq(chat_number(answer, "id"), i);
		if (strcmp(chat_text(answer, "t"), "ok") == 0) {
			joined++;
		} else {
			ck_assert_str_eq(chat_text(answer, "code"), "limit");
			ck_assert(json_is_true(json_object_get(answer, "temp")));
			ck_assert_uint_eq(chat_number(answer, "retry"), 10000);
			refused++;
		}
		json_decref(answer);
	}
	/* and it is no mistake of the client's */
	ck_assert_uint_ge(joined, 2);
	ck_assert_uint_ge(refused, 40);
	asks(&ws, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(too_long_is_too_long)
{
	struct daemon *d = daemon_start("chat.max_message_size=100", NULL);
	char text[102];
	struct ws ws;

	open_json(&ws, d, "/chat");
	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"t\":\"ping\"}", 12);
	text[100] = '\0';
	asks(&ws, text, "{\"t\":\"pong\"}");
	text[100] = ' ';
	text[101] = '\0';
	ws_send(&ws, text);
	ws_expect_close(&ws, 1009);
	ws_drop(&ws);
	daemon_stop(d);
}
END_TEST

/* From elsewhere: a burst, and then at the rate; what is refused is said, with when to try again.
 */
START_TEST(publishing_too_fast)
{
	struct daemon *d = daemon_start("chat.publish_rate=1", "chat.publish_burst=3",
					"server.public=greet chat", NULL);
	struct ws ws, local;

	ws_open(&ws, daemon_port(d), "/chat?mode=json", "X-Forwarded-For: 192.0.2.1\r\n");
	free(next_text(&ws));
	for (int i = 0; i < 3; i++) {
		ws_send(&ws, "{\"t\":\"pub\",\"room\":\"lobby\",\"data\":1,\"cid\":\"k\"}");
		if (i == 0)
			free(next_text(&ws));
	}
	/* it is no mistake: one may try as often as one likes */
	for (int i = 0; i < 20; i++) {
		ws_send(&ws, "{\"id\":9,\"t\":\"pub\",\"room\":\"lobby\",\"data\":1}");
		json_t *refused = next_json(&ws);
		ck_assert_str_eq(chat_text(refused, "t"), "err");
		ck_assert_str_eq(chat_text(refused, "code"), "rate");
		ck_assert(json_is_true(json_object_get(refused, "temp")));
		ck_assert_uint_eq(chat_number(refused, "id"), 9);
		ck_assert_uint_gt(chat_number(refused, "retry"), 0);
		ck_assert_uint_le(chat_number(refused, "retry"), 1000);
		json_decref(refused);
	}
	ws_close(&ws);
	/* from here there is no limit */
	open_json(&local, d, "/chat/here");
	for (int i = 0; i < 50; i++)
		asks(&local, "{\"t\":\"pub\",\"room\":\"here\",\"data\":1}",
		     MSG("here", "#", ",\"from\":\"@\",\"data\":1"));
	ws_close(&local);
	daemon_stop(d);
}
END_TEST

/* What one from elsewhere may do where nobody has configured anything of it. */
START_TEST(there_is_a_limit_by_default)
{
	struct daemon *d = daemon_start("server.public=greet chat", NULL);
	const uint64_t begin_ms = it_now_ms();
	bool is_refused = false;
	unsigned n = 0;
	struct ws ws;

	ws_open(&ws, daemon_port(d), "/chat?mode=json", "X-Forwarded-For: 192.0.2.1\r\n");
	json_t *welcome = next_json(&ws);
	const json_t *limits = json_object_get(welcome, "limits");
	ck_assert_uint_eq(chat_number(limits, "rate"), 20);
	ck_assert_uint_eq(chat_number(limits, "burst"), 100);
	json_decref(welcome);
	while (!is_refused) {
		ck_assert_uint_lt(n, 10000);
		ws_send(&ws, "{\"id\":1,\"t\":\"pub\",\"room\":\"lobby\",\"data\":1}");
		for (bool is_answered = false; !is_answered;) {
			json_t *event = next_json(&ws);

			is_refused = strcmp(chat_text(event, "t"), "err") == 0;
			is_answered = is_refused || strcmp(chat_text(event, "t"), "ok") == 0;
			if (is_refused)
				ck_assert_str_eq(chat_text(event, "code"), "rate");
			json_decref(event);
		}
		n += !is_refused;
	}
	ck_assert_uint_ge(n, 100);
	ck_assert_uint_le(n, 101 + (it_now_ms() - begin_ms) / 50);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(a_room_has_a_rate_of_its_own)
{
	struct daemon *d = daemon_start("chat.room_rate=1", "chat.room_burst=2", NULL);
	struct ws a, b;

	open_json(&a, d, "/chat/r");
	open_json(&b, d, "/chat/r");
	asks(&a, "{\"t\":\"pub\",\"room\":\"r\",\"data\":1}",
	     MSG("r", "1", ",\"from\":\"@\",\"data\":1"));
	asks(&a, "{\"t\":\"pub\",\"room\":\"r\",\"data\":2,\"cid\":\"k\"}",
	     MSG("r", "2", ",\"from\":\"@\",\"cid\":\"k\",\"data\":2"));
	hears(&b, MSG("r", "1", ",\"from\":\"@\",\"data\":1"));
	hears(&b, MSG("r", "2", ",\"from\":\"@\",\"cid\":\"k\",\"data\":2"));
	asks(&b, "{\"t\":\"pub\",\"room\":\"r\",\"data\":3}",
	     "{\"t\":\"err\",\"code\":\"rate\","
	     "\"msg\":\"too fast: `limits` of the welcome or chat.room_rate say how fast\","
	     "\"temp\":true,\"retry\":#}");
	/* what was published already costs nothing */
	asks(&b, "{\"id\":1,\"t\":\"pub\",\"room\":\"r\",\"data\":2,\"cid\":\"k\"}",
	     "{\"id\":1,\"t\":\"ok\",\"room\":\"r\",\"seq\":2,\"ts\":#,\"dup\":true}");
	ws_close(&a);
	ws_close(&b);
	daemon_stop(d);
}
END_TEST

START_TEST(ten_mistakes_are_the_end)
{
	struct daemon *d = daemon_start_default();
	struct ws ws, other;

	open_json(&other, d, "/chat");
	open_json(&ws, d, "/chat");
	for (int i = 0; i < 9; i++)
		asks(&ws, "{\"id\":1,\"t\":\"leave\",\"room\":\"r\"}",
		     ERR("\"id\":1,", "not_joined", "the room has to be joined first"));
	asks(&ws, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	asks(&ws, "nonsense",
	     ERR("", "bad_request", "line 1, column 8: the command is not JSON (RFC 8259)"));
	ws_expect_close(&ws, 4501);
	ws_drop(&ws);
	asks(&other, "{\"t\":\"ping\"}", "{\"t\":\"pong\"}");
	ws_close(&other);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "chat.v1.json");

	tcase_add_test(tc, both_ways_into_json_mode);
	tcase_add_test(tc, the_welcome_says_what_is_configured);
	tcase_add_test(tc, what_each_command_is_answered);
	tcase_add_test(tc, without_an_id);
	tcase_add_test(tc, rooms_are_apart);
	tcase_add_test(tc, plain_and_json_in_one_room);
	tcase_add_test(tc, an_id_acts_once);
	tcase_add_test(tc, who_is_there);
	tcase_add_loop_test(tc, mistakes_are_answered, 0, sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(tc, binary_is_no_command);
	tcase_add_test(tc, a_connection_has_so_many_rooms);
	tcase_add_test(tc, there_are_so_many_rooms);
	tcase_add_test(tc, too_long_is_too_long);
	tcase_add_test(tc, publishing_too_fast);
	tcase_add_test(tc, there_is_a_limit_by_default);
	tcase_add_test(tc, a_room_has_a_rate_of_its_own);
	tcase_add_test(tc, ten_mistakes_are_the_end);
}

int
main(void)
{
	return it_main("chat_json", fill, 0);
}
