/*
 * it_chat.c - the base behaviour of the chat: every message once, verbatim, in one order, to
 * everybody in the room on whichever worker; rooms; close codes; handshakes.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

#define CLIENTS 6

START_TEST(everybody_gets_each_message_verbatim)
{
	static const struct {
		enum ws_opcode opcode;
		const char *data;
		size_t len;
	} messages[] = {
#define MESSAGE(opcode, data) {opcode, data, sizeof(data) - 1}
	    MESSAGE(WS_TEXT, "hello"),
	    MESSAGE(WS_TEXT, ""),
	    MESSAGE(WS_BINARY, ""),
	    MESSAGE(WS_BINARY, "\0\xff\n\x80"),
	    MESSAGE(WS_TEXT, "{\"t\":\"join\",\"room\":\"x\"}"),
	    MESSAGE(WS_TEXT, " spaces, \"quotes\" and\nlines\r\n"),
	    MESSAGE(WS_TEXT, "\xf0\x9f\x98\x80\xe5\xa4\xaa"),
	    MESSAGE(WS_TEXT, "with\0nul"),
	};
	struct daemon *d = daemon_start("server.workers=3", NULL);
	struct ws ws[CLIENTS];

	ws_open_everywhere(ws, CLIENTS, d, "/chat");
	for (size_t m = 0; m < sizeof(messages) / sizeof(messages[0]); m++) {
		for (size_t from = 0; from < CLIENTS; from++) {
			ws_send_frame(&ws[from], true, messages[m].opcode, messages[m].data,
				      messages[m].len);
			for (size_t to = 0; to < CLIENTS; to++)
				ws_expect_data(&ws[to], messages[m].opcode, messages[m].data,
					       messages[m].len);
		}
	}
	for (size_t i = 0; i < CLIENTS; i++)
		ws_expect_silence(&ws[i]); /* once */
	for (size_t i = 0; i < CLIENTS; i++)
		ws_close(&ws[i]);
	daemon_stop(d);
}
END_TEST

START_TEST(one_order_for_all)
{
	enum { MESSAGES = 400 };
	struct daemon *d = daemon_start("server.workers=3", NULL);
	struct ws ws[CLIENTS];
	unsigned next[CLIENTS] = {0};
	char text[64];

	ws_open_everywhere(ws, CLIENTS, d, "/chat");
	for (unsigned m = 0; m < MESSAGES; m++) {
		for (size_t from = 0; from < CLIENTS; from++) {
			snprintf(text, sizeof(text), "%zu %u", from, m);
			ws_send(&ws[from], text);
		}
	}
	for (unsigned i = 0; i < CLIENTS * MESSAGES; i++) {
		struct ws_frame first;
		unsigned from, m;
		ws_read(&ws[0], &first);
		/* each sender's own messages keep their order, none is lost, none comes twice */
		ck_assert_int_eq(sscanf(first.data, "%u %u", &from, &m), 2);
		ck_assert_uint_lt(from, CLIENTS);
		ck_assert_msg(m == next[from], "message %u of %u, not %u", m, from, next[from]);
		next[from]++;
		for (size_t to = 1; to < CLIENTS; to++)
			ws_expect_data(&ws[to], WS_TEXT, first.data, first.len);
		ws_frame_fini(&first);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		ws_close(&ws[i]);
	daemon_stop(d);
}
END_TEST

START_TEST(workers_wake_each_other)
{
	enum { TURNS = 100 };
	struct daemon *d = daemon_start_default();
	struct ws ws[2];

	/* while nothing else goes on, each message has to wake the other worker: to and fro */
	ws_open_everywhere(ws, 2, d, "/chat");
	uint64_t began = it_now_ms();
	for (int i = 0; i < TURNS; i++) {
		ws_send(&ws[i % 2], "ball");
		ws_expect(&ws[(i + 1) % 2], "ball");
		ws_expect(&ws[i % 2], "ball");
	}
	/* a worker that slept until its own timer would take an eighth of a second each time */
	ck_assert_uint_lt(it_now_ms() - began, 6000);
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(the_server_says_nothing_of_its_own)
{
	struct daemon *d = daemon_start_default();
	struct ws a, b, c;

	ws_open(&a, daemon_port(d), "/chat", NULL);
	ws_expect_silence(&a);
	ws_open(&b, daemon_port(d), "/chat", NULL);
	ws_expect_silence(&a);
	ws_expect_silence(&b);
	ws_send(&b, "hi");
	ws_expect(&a, "hi");
	ws_expect(&b, "hi");
	/* nobody hears of those who come, leave or vanish; whoever comes gets no history */
	ws_open(&c, daemon_port(d), "/chat", NULL);
	ws_expect_silence(&c);
	ws_close(&c);
	ws_drop(&b);
	ws_expect_silence(&a);
	ws_send(&a, "alone");
	ws_expect(&a, "alone");
	ws_expect_silence(&a);
	ws_close(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(rooms_are_apart)
{
	static const char *const bad[] = {"/chat/.",     "/chat/..",        "/chat/a%20b",
					  "/chat/a%2Fb", "/chat/%E5%A4%AA", "/chat/",
					  "/chat/a/b",   "/chat/a,b",       "/chat/a%00b"};
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct ws lobby[4], other[2];
	struct http_conn c;
	struct http_answer a;
	char path[100];

	ws_open(&lobby[0], port, "/chat", NULL);
	ws_open(&lobby[1], port, "/chat/lobby", NULL);
	ws_open(&lobby[2], port, "/chat/%6cobby", NULL);
	ws_open(&lobby[3], port, "/chat?x=1", NULL);
	strcpy(path, "/chat/A-z_0.9");
	memset(path + strlen(path), 'r', 64 - strlen("A-z_0.9"));
	path[6 + 64] = '\0';
	ws_open(&other[0], port, path, NULL);
	ws_open(&other[1], port, path, NULL);

	ws_send(&lobby[2], "to the lobby");
	ws_send(&other[0], "to the other");
	for (int i = 0; i < 4; i++)
		ws_expect(&lobby[i], "to the lobby");
	for (int i = 0; i < 2; i++)
		ws_expect(&other[i], "to the other");
	for (int i = 0; i < 4; i++)
		ws_expect_silence(&lobby[i]);

	strcat(path, "r"); /* 65 */
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		const char *target = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : path;
		http_open(&c, port);
		ws_handshake(&c, target, NULL, &a);
		ck_assert_msg(a.status == 404, "%s: %s", target, a.head);
		http_answer_fini(&a);
		http_close(&c);
	}
	for (int i = 0; i < 4; i++)
		ws_close(&lobby[i]);
	ws_close(&other[0]);
	ws_close(&other[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(rooms_of_the_daemon_are_for_listening)
{
	struct daemon *d = daemon_start_default();
	struct ws listener, talker;

	ws_open(&listener, daemon_port(d), "/chat/_news", NULL);
	ws_open(&talker, daemon_port(d), "/chat/_news", NULL);
	ws_expect_silence(&listener);
	ws_send(&talker, "me too");
	ws_expect_close(&talker, 1008);
	ws_expect_silence(&listener);
	ws_close(&listener);
	daemon_stop(d);
}
END_TEST

START_TEST(fragments_become_one_message)
{
	struct daemon *d = daemon_start_default();
	struct ws ws[2];

	ws_open_everywhere(ws, 2, d, "/chat");
	/* a code point may be cut, a ping may come between */
	ws_send_frame(&ws[0], false, WS_TEXT, "a\xe5", 2);
	ws_send_frame(&ws[0], true, WS_PING, "p", 1);
	ws_send_frame(&ws[0], false, WS_CONTINUATION, "\xa4", 1);
	ws_send_frame(&ws[0], false, WS_CONTINUATION, "", 0);
	/* meanwhile another one's message goes through */
	ws_send(&ws[1], "whole");
	for (int i = 0; i < 2; i++) {
		struct ws_frame f;
		ws_read(&ws[0], &f);
		ck_assert_str_eq(f.data, f.opcode == WS_PONG ? "p" : "whole");
		ws_frame_fini(&f);
	}
	ws_expect(&ws[1], "whole");
	ws_send_frame(&ws[0], true, WS_CONTINUATION, "\xaa!", 2);
	for (int i = 0; i < 2; i++)
		ws_expect(&ws[i], "a\xe5\xa4\xaa!");
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(messages_up_to_the_limit)
{
	struct daemon *d = daemon_start_default(); /* 64k */
	struct ws ws[2];
	char *data = malloc(65537);

	memset(data, 'm', 65537);
	ws_open_everywhere(ws, 2, d, "/chat");
	ws_send_frame(&ws[0], true, WS_TEXT, data, 65536);
	ws_expect_data(&ws[0], WS_TEXT, data, 65536);
	ws_expect_data(&ws[1], WS_TEXT, data, 65536);
	ws_send_frame(&ws[0], true, WS_TEXT, data, 65537);
	ws_expect_close(&ws[0], 1009);
	/* in pieces, too: the sum counts */
	ws_open(&ws[0], daemon_port(d), "/chat", NULL);
	ws_send_frame(&ws[0], false, WS_BINARY, data, 40000);
	ws_send_frame(&ws[0], true, WS_CONTINUATION, data, 40000);
	ws_expect_close(&ws[0], 1009);
	/* an announced length is enough, nobody waits for its bytes */
	ws_open(&ws[0], daemon_port(d), "/chat", NULL);
	http_send(&ws[0].c,
		  "\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"
		  "ab",
		  16);
	ws_expect_close(&ws[0], 1009);
	/* nobody else noticed */
	ws_expect_silence(&ws[1]);
	ws_close(&ws[1]);
	free(data);
	daemon_stop(d);
}
END_TEST

/* chat.max_input_memory: 64 such messages have room, of plain and JSON clients and of /echo. */
START_TEST(messages_that_do_not_come_whole_are_bounded)
{
	enum { HELD = 64, MORE = 10, PART = 60000 };
	static struct ws ws[HELD + MORE];
	static char part[PART];
	struct daemon *d = daemon_start("server.workers=1", "chat.max_input_memory=4m",
					"http.max_connections_per_address=off", NULL);
	const size_t mark = daemon_log_mark(d);
	struct ws_frame f;
	char path[32];

	memset(part, 'p', sizeof(part));
	for (unsigned i = 0; i < HELD + MORE; i++) {
		snprintf(path, sizeof(path), "/chat/r%u%s", i, i % 3 == 1 ? "?mode=json" : "");
		ws_open(&ws[i], daemon_port(d), i % 3 == 2 ? "/echo" : path, NULL);
		if (i % 3 == 1) {
			ws_read(&ws[i], &f); /* the welcome */
			ws_frame_fini(&f);
		}
		ws_send_frame(&ws[i], false, WS_TEXT, part, sizeof(part));
		ws_expect_silence(&ws[i]);
		if (i >= HELD)
			ws_expect_close(&ws[i - HELD], 1013);
	}
	/* each of the others is heard to the end */
	for (unsigned i = MORE; i < HELD + MORE; i++) {
		ws_send_frame(&ws[i], true, WS_CONTINUATION, "", 0);
		ws_read(&ws[i], &f);
		ck_assert_int_eq(f.opcode, WS_TEXT);
		if (i % 3 == 0)
			ck_assert_uint_eq(f.len, PART);
		ws_frame_fini(&f);
		ws_close(&ws[i]);
	}
	free(daemon_log_wait(d, mark, "chat.max_input_memory is 4194304"));
	ck_assert_uint_eq(daemon_log_count(d, mark, "chat.max_input_memory"), 1);
	daemon_stop(d);
}
END_TEST

/* What else closes with which code: it_rfc6455_frames.c, it_rfc6455_text.c. */
START_TEST(bad_messages_reach_nobody)
{
	static const struct {
		unsigned code;
		const char *bytes;
		size_t len;
	} bad[] = {
	    {1007, "\x81\x81\0\0\0\0\xff", 7},
	    {1007, "\x01\x84\0\0\0\0good\x80\x81\0\0\0\0\xfe", 17},
	    {1002, "\x83\x81\0\0\0\0x", 7},
	    {1002, "\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y", 14},
	    {1002, "\xc1\x81\0\0\0\0x", 7},
	};
	struct daemon *d = daemon_start_default();
	struct ws ws, witness;

	ws_open(&witness, daemon_port(d), "/chat", NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ws_open(&ws, daemon_port(d), "/chat", NULL);
		http_send(&ws.c, bad[i].bytes, bad[i].len);
		ws_expect_close(&ws, bad[i].code);
	}
	ws_open(&ws, daemon_port(d), "/chat", NULL);
	ws_send(&ws, "good");
	ws_expect(&witness, "good");
	ws_expect_silence(&witness);
	ws_close(&ws);
	ws_close(&witness);
	daemon_stop(d);
}
END_TEST

START_TEST(dead_peers_are_found_by_pings)
{
	struct daemon *d =
	    daemon_start("chat.ping_interval=200ms", "chat.pong_timeout=300ms", NULL);
	struct ws dead, alive;
	struct ws_frame f;

	ws_open(&dead, daemon_port(d), "/chat", NULL);
	ws_open(&alive, daemon_port(d), "/chat", NULL);
	/* the one answers none; its end comes within the two times, while the other one stays */
	dead.keep_pings = true;
	ws_read(&dead, &f);
	ck_assert_int_eq(f.opcode, WS_PING);
	ws_frame_fini(&f);
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	const char *wrong = NULL;
	unsigned code = 0;
	while (!wrong) {
		/* the living one keeps answering what comes */
		struct ws_frame g;
		if (!ws_try_read(&alive, &g, it_now_ms() + 20))
			ck_abort_msg("an unasked frame: opcode %d", g.opcode);
		ck_assert_msg(!alive.c.eof, "a client that answers pings was closed");
		wrong = ws_try_read(&dead, &f, it_now_ms() + 20);
		if (wrong && !dead.c.eof && it_now_ms() < until) {
			wrong = NULL;
		} else if (!wrong) {
			if (f.opcode == WS_CLOSE && f.len >= 2)
				code = (unsigned)(uint8_t)f.data[0] << 8 | (uint8_t)f.data[1];
			ws_frame_fini(&f);
		}
	}
	ck_assert_msg(dead.c.eof, "a client that answers no ping is kept");
	ck_assert_uint_eq(code, 4012);
	ws_drop(&dead);
	ws_send(&alive, "still here");
	ws_expect(&alive, "still here");
	ws_close(&alive);
	daemon_stop(d);
}
END_TEST

START_TEST(handshakes_are_checked_whole)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
	    {"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
	     "Upgrade\r\n"
	     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 8\r\n\r\n",
	     426},
	    {"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
	     "Upgrade\r\n"
	     "Sec-WebSocket-Version: 13\r\n\r\n",
	     400},
	    {"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
	     "Upgrade\r\n"
	     "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
	     400},
	    {"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
	     400},
	    {"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
	     426},
	    {"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	     426},
	    {"POST /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
	     "Upgrade\r\n"
	     "Sec-WebSocket-Key: " WS_KEY
	     "\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
	     200},
	    /* on another path the wish is no more than a wish (RFC 9110 7.8) */
	    {"GET /Ada HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
	     200},
	};
	struct daemon *d = daemon_start_default();
	struct http_conn c;
	struct http_answer a;
	struct ws ws;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_open(&c, daemon_port(d));
		http_send_text(&c, cases[i].request);
		http_read(&c, "GET", &a);
		ck_assert_msg(a.status == cases[i].status, "%s-> %s", cases[i].request, a.head);
		if (i == 0)
			ck_assert_str_eq(http_field(&a, "Sec-WebSocket-Version"), "13");
		http_answer_fini(&a);
		http_close(&c);
	}
	/* as browsers write it, and with offers that nobody has to take */
	ws_open(&ws, daemon_port(d), "/chat",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
	ws_send(&ws, "x");
	ws_expect(&ws, "x");
	ws_close(&ws);
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /chat HTTP/1.1\r\nHost: localhost\r\nupgrade: WebSocket\r\n"
			   "connection: keep-alive, Upgrade\r\nsec-websocket-key: " WS_KEY
			   "\r\nsec-websocket-version: 13\r\n\r\n");
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 101);
	ck_assert_str_eq(http_field(&a, "Sec-WebSocket-Accept"), WS_ACCEPT);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(messages_may_come_with_the_handshake)
{
	struct daemon *d = daemon_start_default();
	struct ws ws = {0};
	struct http_answer a;
	char bytes[1000];
	size_t n =
	    (size_t)snprintf(bytes, sizeof(bytes),
			     "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
			     "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
			     "Connection: Upgrade\r\nSec-WebSocket-Key: " WS_KEY
			     "\r\nSec-WebSocket-Version: 13\r\n\r\n");

	/* behind another request, with two messages and half of a third behind itself */
	n += ws_build_frame(bytes + n, true, WS_TEXT, "one", 3);
	n += ws_build_frame(bytes + n, true, WS_TEXT, "two", 3);
	size_t half = n + 4;
	n += ws_build_frame(bytes + n, true, WS_TEXT, "three", 5);
	http_open(&ws.c, daemon_port(d));
	http_send(&ws.c, bytes, half);
	http_read(&ws.c, "GET", &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_read(&ws.c, "GET", &a);
	ck_assert_int_eq(a.status, 101);
	http_answer_fini(&a);
	ws_expect(&ws, "one");
	ws_expect(&ws, "two");
	http_send(&ws.c, bytes + half, n - half);
	ws_expect(&ws, "three");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(many_members_come_and_go)
{
	enum { ROUNDS = 20, MEMBERS = 40 };
	struct daemon *d = daemon_start_default();
	struct ws witness[2], ws[MEMBERS];
	char text[32];

	ws_open_everywhere(witness, 2, d, "/chat");
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < MEMBERS; i++)
			ws_open(&ws[i], daemon_port(d), "/chat", NULL);
		snprintf(text, sizeof(text), "round %d", r);
		ws_send(&ws[r % MEMBERS], text);
		for (int i = 0; i < MEMBERS; i++)
			ws_expect(&ws[i], text);
		for (int i = 0; i < MEMBERS; i++) {
			/* politely, in the middle of a frame, or without a word */
			if (i % 3 == 0)
				ws_close(&ws[i]);
			else if (i % 3 == 1)
				http_try_send(&ws[i].c, "\x81\xfe", 2);
			if (i % 3)
				ws_drop(&ws[i]);
		}
		ws_expect(&witness[0], text);
		ws_expect(&witness[1], text);
	}
	ws_expect_silence(&witness[0]);
	ws_expect_silence(&witness[1]);
	ws_close(&witness[0]);
	ws_close(&witness[1]);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "messages");
	tcase_add_test(tc, everybody_gets_each_message_verbatim);
	tcase_add_test(tc, one_order_for_all);
	tcase_add_test(tc, workers_wake_each_other);
	tcase_add_test(tc, the_server_says_nothing_of_its_own);
	tcase_add_test(tc, rooms_are_apart);
	tcase_add_test(tc, rooms_of_the_daemon_are_for_listening);
	tcase_add_test(tc, fragments_become_one_message);
	tcase_add_test(tc, messages_up_to_the_limit);
	tcase_add_test(tc, messages_that_do_not_come_whole_are_bounded);
	tcase_add_test(tc, many_members_come_and_go);

	tc = it_case(s, "protocol");
	tcase_add_test(tc, bad_messages_reach_nobody);
	tcase_add_test(tc, dead_peers_are_found_by_pings);
	tcase_add_test(tc, handshakes_are_checked_whole);
	tcase_add_test(tc, messages_may_come_with_the_handshake);
}

int
main(void)
{
	return it_main("chat", fill, 0);
}
