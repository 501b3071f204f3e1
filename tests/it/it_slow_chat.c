/*
 * it_slow_chat.c - clients of the chat that do not read, or slowly: closed with 4008 or told what
 * they were not given, as chat.slow_client or they themselves want it; at no great price in memory,
 * and unnoticed by others.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/json_client.c tests/it/pg.c */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon.h"
#include "harness.h"
#include "json_client.h"

/* 27 MiB in all: more than sockets take, less than the log keeps. */
#define SIZE     32768
#define MESSAGES 850
#define QUEUE    "chat.client_queue_size=256k"
#define LOG      "chat.log_size=256m", "chat.room_log_size=64m"

/* A client that never reads, with a socket that takes little, for there are many. */
static void
make_deaf(const struct ws *ws)
{
	const int small = 4096;

	ck_assert_int_eq(setsockopt(ws->c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
}

/* The n-th message, by its text. */
static void
fill_message(char *data, unsigned number)
{
	memset(data, 'x', SIZE);
	const int n = snprintf(data, 16, "%u", number);
	data[n] = ' ';
}

/* `talker` says messages first..last and hears each, as must do all that are not slow. */
static void
talk(struct ws *talker, unsigned first, unsigned last)
{
	char *data = malloc(SIZE);

	ck_assert_ptr_nonnull(data);
	for (unsigned i = first; i <= last; i++) {
		fill_message(data, i);
		ws_send_frame(talker, true, WS_TEXT, data, SIZE);
		ws_expect_data(talker, WS_TEXT, data, SIZE);
	}
	free(data);
}

static unsigned
number_of(const char *data, size_t len)
{
	unsigned number;

	ck_assert_uint_eq(len, SIZE);
	ck_assert_int_eq(sscanf(data, "%u ", &number), 1);
	return number;
}

static unsigned
close_code(const struct ws_frame *f)
{
	return f->len >= 2 ? (unsigned)(unsigned char)f->data[0] << 8 | (unsigned char)f->data[1]
			   : 1005;
}

/* What a client in JSON mode has heard of a room. */
struct heard {
	uint64_t last;    /* seq */
	unsigned next;    /* number of the message that it expects */
	unsigned missing; /* by gaps */
	unsigned gaps;
	unsigned closed; /* with this code */
	unsigned pongs;
};

/* Reads on until it has seq `end` or a Close. */
static void
hear(struct ws *ws, struct heard *h, uint64_t end)
{
	while (h->last < end && !h->closed) {
		struct ws_frame f;
		json_error_t error;

		ws_read(ws, &f);
		if (f.opcode == WS_PONG) {
			h->pongs++;
		} else if (f.opcode == WS_CLOSE) {
			h->closed = close_code(&f);
		} else {
			ck_assert_int_eq(f.opcode, WS_TEXT);
			json_t *json = json_loadb(f.data, f.len, 0, &error);
			ck_assert_msg(json, "%.100s: %s", f.data, error.text);
			const char *t = chat_text(json, "t");
			if (strcmp(t, "gap") == 0) {
				const uint64_t from = chat_number(json, "from");
				const uint64_t to = chat_number(json, "to");
				ck_assert_str_eq(chat_text(json, "why"), "slow");
				ck_assert_str_eq(chat_text(json, "room"), "r");
				ck_assert_uint_eq(from, h->last + 1);
				ck_assert_uint_ge(to, from);
				h->last = to;
				h->next += (unsigned)(to - from + 1);
				h->missing += (unsigned)(to - from + 1);
				h->gaps++;
			} else {
				ck_assert_str_eq(t, "msg");
				ck_assert_uint_eq(chat_number(json, "seq"), h->last + 1);
				ck_assert_uint_eq(
				    number_of(chat_text(json, "data"),
					      json_string_length(json_object_get(json, "data"))),
				    h->next);
				h->last++;
				h->next++;
			}
			json_decref(json);
		}
		ws_frame_fini(&f);
	}
}

START_TEST(closed_with_4008)
{
	struct daemon *d = daemon_start(QUEUE, LOG, NULL);
	struct ws talker, plain;
	struct chat slow, again;
	json_t *welcome;
	struct ws_frame f;

	ws_open(&talker, daemon_port(d), "/chat/r", NULL);
	ws_open(&plain, daemon_port(d), "/chat/r", NULL);
	chat_open(&slow, daemon_port(d), "/chat/r", &welcome);
	struct heard h = {.last = chat_number(welcome, "seq")};
	char *epoch = strdup(chat_text(welcome, "epoch"));
	const uint64_t base = h.last;
	json_decref(welcome);
	talk(&talker, 0, MESSAGES - 1);

	/* the first ones in order, then the Close */
	unsigned next = 0;
	for (;;) {
		ws_read(&plain, &f);
		if (f.opcode == WS_CLOSE)
			break;
		ck_assert_uint_eq(number_of(f.data, f.len), next);
		next++;
		ws_frame_fini(&f);
	}
	ck_assert_uint_eq(close_code(&f), 4008);
	ck_assert_uint_lt(next, MESSAGES);
	ws_frame_fini(&f);
	ws_drop(&plain);
	hear(&slow.ws, &h, base + MESSAGES);
	ck_assert_uint_eq(h.closed, 4008);
	ck_assert_uint_eq(h.gaps, 0);
	ck_assert_uint_lt(h.last, base + MESSAGES);
	chat_drop(&slow);
	/* in JSON mode nothing is lost by it */
	char *path = it_printf("/chat/r?since=%s:%llu", epoch, (unsigned long long)h.last);
	chat_open(&again, daemon_port(d), path, &welcome);
	ck_assert_uint_eq(chat_number(welcome, "seq"), base + MESSAGES);
	json_decref(welcome);
	h.closed = 0;
	hear(&again.ws, &h, base + MESSAGES);
	ck_assert_uint_eq(h.gaps, 0);
	ck_assert_uint_eq(h.next, MESSAGES);
	/* and it is one like the others again */
	ws_send_frame(&talker, true, WS_TEXT, "and so on", 9);
	ws_expect(&talker, "and so on");
	json_t *event = chat_event(&again, it_now_ms() + IT_DEADLINE_MS);
	ck_assert_str_eq(chat_text(event, "data"), "and so on");
	json_decref(event);
	chat_close(&again);
	ws_close(&talker);
	free(path);
	free(epoch);
	daemon_stop(d);
}
END_TEST

START_TEST(skipped_and_told)
{
	struct daemon *d = daemon_start(QUEUE, LOG, "chat.slow_client=skip", NULL);
	struct ws talker, plain;
	struct chat slow;
	json_t *welcome;

	ws_open(&talker, daemon_port(d), "/chat/r", NULL);
	ws_open(&plain, daemon_port(d), "/chat/r", NULL);
	chat_open(&slow, daemon_port(d), "/chat/r", &welcome);
	struct heard h = {.last = chat_number(welcome, "seq")};
	const uint64_t base = h.last;
	json_decref(welcome);
	talk(&talker, 0, MESSAGES - 1);
	/* a ping behind all that: it is not skipped, and its sender is not closed */
	ws_send_frame(&slow.ws, true, WS_PING, "there?", 6);

	hear(&slow.ws, &h, base + MESSAGES);
	ck_assert_uint_eq(h.closed, 0);
	ck_assert_uint_eq(h.last, base + MESSAGES);
	ck_assert_uint_eq(h.next, MESSAGES);
	ck_assert_uint_gt(h.gaps, 0);
	ck_assert_uint_gt(h.missing, 0);
	if (h.pongs == 0)
		ws_expect_data(&slow.ws, WS_PONG, "there?", 6);
	else
		ck_assert_uint_eq(h.pongs, 1);
	/* a plain one goes on, in order, behind what it was not given */
	ws_send(&talker, "well");
	ws_expect(&talker, "well");
	unsigned next = 0, heard = 0;
	for (bool is_end = false; !is_end;) {
		struct ws_frame f;
		ws_read(&plain, &f);
		ck_assert_msg(f.opcode == WS_TEXT, "opcode %d, code %u", f.opcode, close_code(&f));
		is_end = f.len == 4;
		if (!is_end) {
			const unsigned number = number_of(f.data, f.len);
			ck_assert_uint_ge(number, next);
			next = number + 1;
			heard++;
		}
		ws_frame_fini(&f);
	}
	ck_assert_uint_gt(heard, 0);
	ck_assert_uint_lt(heard, MESSAGES);
	/* all of them live on */
	json_t *event = chat_event(&slow, it_now_ms() + IT_DEADLINE_MS);
	ck_assert_uint_eq(chat_number(event, "seq"), base + MESSAGES + 1);
	json_decref(event);
	ws_expect_silence(&plain);
	chat_close(&slow);
	ws_close(&plain);
	ws_close(&talker);
	daemon_stop(d);
}
END_TEST

/* "slow" of a join is for that room, whatever the configuration says. */
START_TEST(each_may_choose)
{
	static const char *const options[] = {"chat.slow_client=close", "chat.slow_client=skip"};
	static const char *const wishes[] = {"skip", "close"};

	for (int i = 0; i < 2; i++) {
		struct daemon *d = daemon_start(QUEUE, LOG, options[i], NULL);
		struct ws talker;
		struct chat slow;

		ws_open(&talker, daemon_port(d), "/chat/r", NULL);
		chat_open(&slow, daemon_port(d), "/chat/base", NULL);
		json_t *joined =
		    chat_ask(&slow, "\"t\":\"join\",\"room\":\"r\",\"slow\":\"%s\"", wishes[i]);
		struct heard h = {.last = chat_number(joined, "seq")};
		const uint64_t base = h.last;
		json_decref(joined);
		talk(&talker, 0, MESSAGES - 1);
		hear(&slow.ws, &h, base + MESSAGES);
		ck_assert_uint_eq(h.closed, i == 0 ? 0 : 4008);
		ck_assert(i == 0 ? h.gaps > 0 : h.gaps == 0);
		chat_drop(&slow);
		ws_close(&talker);
		daemon_stop(d);
	}
}
END_TEST

/* It does not take its output, but it lives: what it says counts, and its pings are answered. */
START_TEST(a_slow_client_that_speaks_is_alive)
{
	enum { TIMES = 20 };
	struct daemon *d =
	    daemon_start(QUEUE, LOG, "chat.slow_client=skip", "chat.ping_interval=500ms",
			 "chat.pong_timeout=1500ms", NULL);
	struct ws talker, slow;
	struct ws_frame f;
	unsigned pongs = 0;
	bool is_end;

	ws_open(&talker, daemon_port(d), "/chat/r", NULL);
	ws_open(&slow, daemon_port(d), "/chat/r", NULL);
	const uint64_t began_ms = it_now_ms();
	unsigned n = 0;
	/* twice as long as a silent one would have, and more than its socket takes */
	while (it_now_ms() - began_ms < 4000 || n < MESSAGES) {
		talk(&talker, n, n + MESSAGES / TIMES - 1);
		n += MESSAGES / TIMES;
		ws_send_frame(&slow, true, WS_PING, "alive", 5);
	}
	ws_send(&talker, "over");
	ws_expect(&talker, "over");
	for (bool is_over = false; !is_over;) {
		ws_read(&slow, &f);
		ck_assert_msg(f.opcode != WS_CLOSE, "closed with %u", close_code(&f));
		pongs += f.opcode == WS_PONG;
		is_over = f.opcode == WS_TEXT && f.len == 4;
		ws_frame_fini(&f);
	}
	ws_send_frame(&slow, true, WS_PING, "end", 3);
	do {
		ws_read(&slow, &f);
		ck_assert_int_eq(f.opcode, WS_PONG);
		is_end = strcmp(f.data, "end") == 0;
		pongs += !is_end;
		ws_frame_fini(&f);
	} while (!is_end);
	/* RFC 6455 5.5.3: of several pings at once the newest may be answered alone */
	ck_assert_uint_ge(pongs, 1);
	ws_close(&slow);
	ws_close(&talker);
	daemon_stop(d);
}
END_TEST

START_TEST(fifty_that_never_read_cost_little)
{
	enum { DEAF = 50, KB_EACH = 600 };
	static const char *const policies[] = {"chat.slow_client=close", "chat.slow_client=skip"};

	/* freed memory that a sanitizer keeps to itself would look like growth */
	it_asan_option("quarantine_size_mb=1");
	for (int i = 0; i < 2; i++) {
		struct daemon *d = daemon_start(QUEUE, LOG, policies[i], NULL);
		struct ws talker[2], deaf[DEAF];
		pid_t workers[PROCFS_MAX];
		long before[2], most[2] = {0, 0};

		ck_assert_uint_eq(daemon_workers(d, workers), 2);
		ws_open_everywhere(talker, 2, d, "/chat/r");
		for (size_t j = 0; j < DEAF; j++) {
			/* of both kinds */
			ws_open(&deaf[j], daemon_port(d), j % 2 ? "/chat/r" : "/chat/r?mode=json",
				NULL);
			make_deaf(&deaf[j]);
		}
		for (int k = 0; k < 2; k++)
			before[k] = procfs_status(workers[k], "RssAnon");
		for (unsigned n = 0; n < MESSAGES; n += 10) {
			char *data = malloc(SIZE);
			ck_assert_ptr_nonnull(data);
			for (unsigned m = n; m < n + 10; m++) {
				fill_message(data, m);
				ws_send_frame(&talker[m % 2], true, WS_TEXT, data, SIZE);
				for (int k = 0; k < 2; k++)
					ws_expect_data(&talker[k], WS_TEXT, data, SIZE);
			}
			free(data);
			for (int k = 0; k < 2; k++) {
				const long now = procfs_status(workers[k], "RssAnon");
				most[k] = now > most[k] ? now : most[k];
			}
		}
		for (int k = 0; k < 2; k++)
			ck_assert_msg(most[k] < before[k] + DEAF * KB_EACH,
				      "%s: worker %d grew from %ld to %ld kB", policies[i], k,
				      before[k], most[k]);
		for (size_t j = 0; j < DEAF; j++)
			ws_drop(&deaf[j]);
		for (int k = 0; k < 2; k++) {
			ws_expect_silence(&talker[k]);
			ws_close(&talker[k]);
		}
		daemon_stop(d);
	}
}
END_TEST

/* The notice of a worker that ends stands behind what the socket has not taken. */
START_TEST(told_to_come_back_all_the_same)
{
	struct daemon *d = daemon_start(LOG, "chat.client_queue_size=64m", "server.workers=1",
					"server.drain_timeout=1s", NULL);
	struct ws talker, deaf;
	struct ws_frame f;
	char *last = NULL;

	ws_open(&talker, daemon_port(d), "/chat/r", NULL);
	/* its socket takes what it may: it has 5 s to read that in the end */
	open_json(&deaf, d, "/chat/r");
	talk(&talker, 0, MESSAGES - 1);
	ck_assert(daemon_reload(d));
	ws_expect_close(&talker, 1012);
	for (;;) {
		ws_read(&deaf, &f);
		if (f.opcode == WS_CLOSE)
			break;
		free(last);
		last = strdup(f.data);
		ws_frame_fini(&f);
	}
	ck_assert_uint_eq(close_code(&f), 1012);
	ws_frame_fini(&f);
	ck_assert_ptr_nonnull(last);
	ck_assert_msg(strstr(last, "\"what\":\"drain\",\"retry\":[1000,8000]}"), "%.100s", last);
	free(last);
	ws_drop(&deaf);
	ws_drop(&talker);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "slow chat");

	tcase_add_test(tc, closed_with_4008);
	tcase_add_test(tc, skipped_and_told);
	tcase_add_test(tc, each_may_choose);
	tcase_add_test(tc, a_slow_client_that_speaks_is_alive);
	tcase_add_test(tc, fifty_that_never_read_cost_little);
	tcase_add_test(tc, told_to_come_back_all_the_same);
}

int
main(void)
{
	return it_main("slow chat", fill, 0);
}
