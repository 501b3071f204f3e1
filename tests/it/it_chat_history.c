/*
 * it_chat_history.c - what was said before a client came, in chat.v1.json: pages of history,
 * replay, recovery, and the gaps that say what is missing.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/json_client.c tests/it/pg.c -ljansson */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "json_client.h"

/* ---- history ---- */

/* The seqs of a page must be from..to, none if to is 0. */
static void
ck_page(struct ws *ws, const char *fields, uint64_t from, uint64_t to, bool more)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"id\":1,\"t\":\"history\",\"room\":\"h\"%s}", fields);
	ws_send(ws, text);
	json_t *page = next_json(ws);
	const json_t *msgs = json_object_get(page, "msgs");
	size_t n = to ? (size_t)(to - from + 1) : 0;
	ck_assert_msg(json_array_size(msgs) == n, "%s: %zu messages", fields,
		      json_array_size(msgs));
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(chat_number(json_array_get(msgs, i), "seq"), from + i);
	ck_assert_msg(json_is_true(json_object_get(page, "more")) == more, "%s", fields);
	ck_assert_uint_eq(chat_number(page, "id"), 1);
	json_decref(page);
}

START_TEST(history_comes_in_pages)
{
	struct daemon *d = daemon_start("chat.history_messages=250", NULL);
	struct ws ws;

	publish_plain(d, "/chat/h", 1, 300);
	open_json(&ws, d, "/chat");
	ck_page(&ws, "", 251, 300, true);
	ck_page(&ws, ",\"limit\":1", 300, 300, true);
	ck_page(&ws, ",\"limit\":200", 101, 300, true);
	ck_page(&ws, ",\"before\":101,\"limit\":20", 81, 100, true);
	ck_page(&ws, ",\"before\":71,\"limit\":20", 51, 70, false);
	ck_page(&ws, ",\"before\":61", 51, 60, false);
	ck_page(&ws, ",\"before\":51", 0, 0, false);
	ck_page(&ws, ",\"before\":0", 0, 0, false);
	ck_page(&ws, ",\"before\":9007199254740991,\"limit\":2", 299, 300, true);
	ck_page(&ws, ",\"after\":0,\"limit\":3", 51, 53, true);
	ck_page(&ws, ",\"after\":60,\"limit\":200", 61, 260, true);
	ck_page(&ws, ",\"after\":260", 261, 300, false);
	ck_page(&ws, ",\"after\":299", 300, 300, false);
	ck_page(&ws, ",\"after\":300", 0, 0, false);
	ck_page(&ws, ",\"after\":9007199254740991", 0, 0, false);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(a_page_has_256_kib)
{
	enum { LEN = 60000 };
	struct daemon *d = daemon_start_default();
	char *text = malloc(LEN + 1);
	struct ws ws;

	memset(text, 'x', LEN);
	text[LEN] = '\0';
	ws_open(&ws, daemon_port(d), "/chat/h", NULL);
	for (int i = 0; i < 10; i++) {
		ws_send(&ws, text);
		ws_expect(&ws, text);
	}
	ws_close(&ws);
	open_json(&ws, d, "/chat");
	ck_page(&ws, "", 7, 10, true);
	ck_page(&ws, ",\"before\":7", 3, 6, true);
	ck_page(&ws, ",\"before\":3", 1, 2, false);
	ck_page(&ws, ",\"after\":0", 1, 4, true);
	ck_page(&ws, ",\"after\":7", 8, 10, false);
	ws_close(&ws);
	/* one that is longer than a page by itself: 65,536 control characters */
	char *control = malloc(65536);
	memset(control, '\x01', 65536);
	ws_open(&ws, daemon_port(d), "/chat/h", NULL);
	ws_send_frame(&ws, true, WS_TEXT, control, 65536);
	ws_expect_data(&ws, WS_TEXT, control, 65536);
	ws_close(&ws);
	open_json(&ws, d, "/chat");
	ck_page(&ws, "", 11, 11, true);
	ck_page(&ws, ",\"after\":10", 11, 11, false);
	ws_close(&ws);
	free(control);
	free(text);
	daemon_stop(d);
}
END_TEST

START_TEST(without_history)
{
	struct daemon *d = daemon_start("chat.history_messages=0", NULL);
	struct ws ws;

	publish_plain(d, "/chat/h", 1, 3);
	open_json(&ws, d, "/chat/h?last=3");
	ws_expect_silence(&ws);
	asks(&ws, "{\"id\":1,\"t\":\"history\",\"room\":\"h\"}",
	     ERR("\"id\":1,", "no_history", "nothing is kept here (chat.history_messages)"));
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* ---- replay, recovery, gaps ---- */

static void
hears_replay(struct ws *ws, const char *room, unsigned from, unsigned to)
{
	char expected[160];

	for (unsigned i = from; i <= to; i++) {
		snprintf(expected, sizeof(expected),
			 MSG("%s", "%u", ",\"r\":1,\"from\":\"@\",\"data\":\"m%u\""), room, i, i);
		hears(ws, expected);
	}
}

START_TEST(what_was_said_before)
{
	struct daemon *d = daemon_start("chat.history_messages=8", NULL);
	char epoch[20], path[96], text[160], expected[320];
	struct ws ws, live;

	publish_plain(d, "/chat/h", 1, 10); /* 3 to 10 are kept */
	epoch_of(d, "/chat/h", epoch);
	/* by URL */
	ws_open(&ws, daemon_port(d), "/chat/h?mode=json&last=2", NULL);
	hears(&ws, WELCOME_OF("h", "10", "3", "false", "2"));
	hears_replay(&ws, "h", 9, 10);
	ws_expect_silence(&ws);
	ws_close(&ws);
	snprintf(path, sizeof(path), "/chat/h?mode=json&since=%s:6", epoch);
	ws_open(&ws, daemon_port(d), path, NULL);
	hears(&ws, WELCOME_OF("h", "10", "3", "true", "4"));
	hears_replay(&ws, "h", 7, 10);
	ws_expect_silence(&ws);
	ws_close(&ws);
	/* by command */
	open_json(&ws, d, "/chat");
	open_json(&live, d, "/chat/h");
	asks(&ws, "{\"id\":1,\"t\":\"join\",\"room\":\"h\",\"last\":100}",
	     JOINED("1", "h", "10", "3", "false", "8", "2"));
	hears_replay(&ws, "h", 3, 10);
	/* live follows */
	asks(&live, "{\"t\":\"pub\",\"room\":\"h\",\"data\":\"m11\"}",
	     MSG("h", "11", ",\"from\":\"@\",\"data\":\"m11\""));
	hears(&ws, MSG("h", "11", ",\"from\":\"@\",\"data\":\"m11\""));
	/* 4 to 11 are kept now */
	static const struct {
		unsigned since, first_replayed;
		const char *recovered;
		unsigned gap_from; /* 0: none */
	} cases[] = {
	    {11, 12, "true", 0}, {10, 11, "true", 0}, {3, 4, "true", 0},
	    {2, 4, "false", 3},  {0, 4, "false", 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		asks(&ws, "{\"id\":2,\"t\":\"leave\",\"room\":\"h\"}",
		     "{\"id\":2,\"t\":\"ok\",\"room\":\"h\"}");
		snprintf(
		    text, sizeof(text),
		    "{\"id\":3,\"t\":\"join\",\"room\":\"h\",\"since\":{\"epoch\":\"%s\",\"seq\":"
		    "%u},\"last\":1}",
		    epoch, cases[i].since);
		snprintf(expected, sizeof(expected), JOINED("3", "h", "11", "4", "%s", "%u", "2"),
			 cases[i].recovered, 12 - cases[i].first_replayed);
		asks(&ws, text, expected);
		if (cases[i].gap_from) {
			snprintf(expected, sizeof(expected),
				 "{\"t\":\"gap\",\"room\":\"h\",\"from\":%u,\"to\":3,\"why\":"
				 "\"trimmed\","
				 "\"epoch\":\"%s\"}",
				 cases[i].gap_from, epoch);
			hears(&ws, expected);
		}
		hears_replay(&ws, "h", cases[i].first_replayed, 11);
	}
	ws_expect_silence(&ws);
	ws_close(&ws);
	ws_close(&live);
	daemon_stop(d);
}
END_TEST

/* A position of another epoch, or one that is still to come. */
START_TEST(positions_of_elsewhere)
{
	struct daemon *d = daemon_start_default();
	char epoch[20], text[160];
	struct ws ws;

	publish_plain(d, "/chat/h", 1, 3);
	epoch_of(d, "/chat/h", epoch);
	open_json(&ws, d, "/chat");
	for (unsigned i = 0; i < 2; i++) {
		snprintf(
		    text, sizeof(text),
		    "{\"id\":3,\"t\":\"join\",\"room\":\"h\",\"since\":{\"epoch\":\"%s\",\"seq\":"
		    "%u}}",
		    i ? epoch : "1", i ? 4 : 2);
		/* those who asked before may be leaving yet */
		asks(&ws, text, JOINED("3", "h", "3", "1", "false", "3", "#"));
		json_t *gap = next_json(&ws);
		ck_assert_str_eq(chat_text(gap, "t"), "gap");
		ck_assert_str_eq(chat_text(gap, "why"), "epoch");
		ck_assert_str_eq(chat_text(gap, "epoch"), epoch);
		ck_assert_str_eq(chat_text(gap, "room"), "h");
		json_decref(gap);
		hears_replay(&ws, "h", 1, 3);
		asks(&ws, "{\"id\":2,\"t\":\"leave\",\"room\":\"h\"}",
		     "{\"id\":2,\"t\":\"ok\",\"room\":\"h\"}");
	}
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* One that reads nothing, and wants to skip: a gap says what it was not given. */
START_TEST(slow_clients_that_skip)
{
	enum { LEN = 30000, MESSAGES = 600 };
	struct daemon *d =
	    daemon_start("chat.client_queue_size=64k", "chat.room_log_size=8m", NULL);
	char *text = malloc(LEN + 64);
	struct ws slow, fast;

	open_json(&slow, d, "/chat");
	open_json(&fast, d, "/chat/s");
	asks(&slow, "{\"id\":1,\"t\":\"join\",\"room\":\"s\",\"slow\":\"skip\"}",
	     JOINED("1", "s", "0", "1", "false", "0", "2"));
	int n = sprintf(text, "{\"t\":\"pub\",\"room\":\"s\",\"data\":\"");
	memset(text + n, 'x', LEN);
	strcpy(text + n + LEN, "\"}");
	for (int i = 0; i < MESSAGES; i++) {
		ws_send(&fast, text);
		free(next_text(&fast));
	}
	uint64_t next = 1, gaps = 0, missed = 0;
	while (next <= MESSAGES) {
		json_t *event = next_json(&slow);

		if (strcmp(chat_text(event, "t"), "gap") == 0) {
			ck_assert_str_eq(chat_text(event, "why"), "slow");
			ck_assert_uint_eq(chat_number(event, "from"), next);
			next = chat_number(event, "to") + 1;
			missed += next - chat_number(event, "from");
			gaps++;
		} else {
			ck_assert_uint_eq(chat_number(event, "seq"), next);
			next++;
		}
		json_decref(event);
	}
	ck_assert_uint_eq(next, MESSAGES + 1);
	ck_assert_uint_gt(gaps, 0);
	ck_assert_uint_gt(missed, 0);
	/* and it is none the worse for it */
	asks(&fast, "{\"t\":\"pub\",\"room\":\"s\",\"data\":1}",
	     MSG("s", "601", ",\"from\":\"@\",\"data\":1"));
	hears(&slow, MSG("s", "601", ",\"from\":\"@\",\"data\":1"));
	free(text);
	ws_close(&slow);
	ws_close(&fast);
	daemon_stop(d);
}
END_TEST

/* ---- the end of a worker ---- */

START_TEST(a_reload_says_when_to_come_back)
{
	struct daemon *d = daemon_start("server.drain_timeout=1s", NULL);
	char path[96], epoch[20];
	struct ws ws, plain;

	publish_plain(d, "/chat/h", 1, 5);
	epoch_of(d, "/chat/h", epoch);
	open_json(&ws, d, "/chat/h");
	ws_open(&plain, daemon_port(d), "/chat/h", NULL);
	ck_assert(daemon_reload(d));
	hears(&ws, "{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[1000,8000]}");
	ws_expect_close(&ws, 1012);
	ws_expect_close(&plain, 1012);
	ws_drop(&ws);
	ws_drop(&plain);
	publish_plain(d, "/chat/h", 6, 7);
	snprintf(path, sizeof(path), "/chat/h?mode=json&since=%s:5", epoch);
	ws_open(&ws, daemon_port(d), path, NULL);
	hears(&ws, WELCOME_OF("h", "7", "1", "true", "2"));
	hears_replay(&ws, "h", 6, 7);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* Limits are set by whoever the process runs as, which is not the test if that is root. */
static void
limit_memory(pid_t pid, const struct rlimit *limit)
{
	const long uid = procfs_status(pid, "Uid"), gid = procfs_status(pid, "Gid");
	const pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (getuid() == 0 && (setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) != 0 ||
				      setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0))
			_exit(1);
		_exit(prlimit(pid, RLIMIT_AS, limit, NULL) == 0 ? 0 : 2);
	}
	ck_assert_int_eq(it_wait_pid(child), 0);
}

/* The worker may have no more memory than it has: what does not fit into it is refused. */
START_TEST(a_worker_without_memory)
{
	static const char ask[] = "{\"id\":2,\"t\":\"history\",\"room\":\"big\",\"limit\":200}";
	enum { LEN = 60000, MESSAGES = 100 };
	struct daemon *d = daemon_start("server.workers=1", "chat.room_log_size=16m", NULL);
	struct rlimit before, none;
	char *body = malloc(LEN + 1);
	struct ws ws;

	memset(body, 'x', LEN);
	body[LEN] = '\0';
	for (int i = 0; i < MESSAGES; i++)
		http_expect(daemon_port(d), "POST", "/chat/big", NULL, body, 200, NULL);
	free(body);
	open_json(&ws, d, "/chat/big");
	const pid_t worker = daemon_worker_of(d, ws.c.fd);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){4096, before.rlim_max};
	limit_memory(worker, &none);
	asks(&ws, ask,
	     "{\"id\":2,\"t\":\"err\",\"code\":\"internal\",\"msg\":\"out of memory\","
	     "\"temp\":true,\"retry\":1000}");
	limit_memory(worker, &before);
	ws_send(&ws, ask);
	json_t *page = next_json(&ws);
	ck_assert_str_eq(chat_text(page, "t"), "ok");
	json_decref(page);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* Changes a text in the memory that a process shares with the others; a small log is soon found. */
static void
spoil(pid_t pid, const char *text)
{
	char *path = it_printf("/proc/%d/mem", (int)pid), *maps_path, *maps, *line, *rest;
	const int memory = open(path, O_RDWR | O_CLOEXEC);
	bool found = false;

	ck_assert_int_ge(memory, 0);
	maps_path = it_printf("/proc/%d/maps", (int)pid);
	rest = maps = it_read_file(maps_path);
	while (!found && (line = strsep(&rest, "\n"))) {
		unsigned long long begin, end;
		char access[8];

		if (sscanf(line, "%llx-%llx %7s", &begin, &end, access) != 3 ||
		    strcmp(access, "rw-s") != 0)
			continue;
		const size_t len = (size_t)(end - begin);
		char *bytes = malloc(len);
		ck_assert_ptr_nonnull(bytes);
		const ssize_t n = pread(memory, bytes, len, (off_t)begin);
		const char *at = n > 0 ? memmem(bytes, (size_t)n, text, strlen(text)) : NULL;
		if (at) {
			ck_assert_int_eq(pwrite(memory, "?", 1, (off_t)begin + (at - bytes)), 1);
			found = true;
		}
		free(bytes);
	}
	ck_assert(found);
	close(memory);
	free(maps);
	free(maps_path);
	free(path);
}

/* One worker aborts; returns when the other's memory has been looked through. */
static void
crash_one(struct daemon *d)
{
	const size_t mark = daemon_log_mark(d);
	pid_t pids[PROCFS_MAX];

	ck_assert_uint_eq(daemon_workers(d, pids), 2);
	ck_assert_int_eq(kill(pids[0], SIGABRT), 0);
	free(daemon_log_wait(d, mark, "looked through after a crash"));
	daemon_wait_workers(d, 2);
}

START_TEST(memory_is_looked_through_after_a_crash)
{
	static const char said[] = "this is to be spoilt";
	struct daemon *d =
	    daemon_start("chat.log_size=4m", "chat.room_log_size=1m", "chat.max_rooms=64", NULL);
	pid_t pids[PROCFS_MAX];
	struct http_answer a;

	http_expect(daemon_port(d), "POST", "/chat/h", NULL, said, 200, NULL);
	crash_one(d);
	http_request(daemon_port(d), "GET", "/chat/h/history", NULL, NULL, &a);
	ck_assert_ptr_nonnull(strstr(a.body, said));
	http_answer_fini(&a);
	ck_assert_uint_gt(daemon_workers(d, pids), 0);
	spoil(pids[0], said);
	daemon_expect_error(d, "was damaged");
	crash_one(d);
	http_request(daemon_port(d), "GET", "/chat/h/history", NULL, NULL, &a);
	ck_assert_ptr_nonnull(strstr(a.body, "\"msgs\":[]"));
	http_answer_fini(&a);
	http_expect(daemon_port(d), "POST", "/chat/h", NULL, "on", 200, NULL);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "chat.v1.json, from before");

	tcase_add_test(tc, history_comes_in_pages);
	tcase_add_test(tc, a_page_has_256_kib);
	tcase_add_test(tc, without_history);
	tcase_add_test(tc, what_was_said_before);
	tcase_add_test(tc, positions_of_elsewhere);
	tcase_add_test(tc, slow_clients_that_skip);
	tcase_add_test(tc, a_reload_says_when_to_come_back);
	tcase_add_test(tc, memory_is_looked_through_after_a_crash);
	/* a sanitizer has memory of its own to ask for */
	if (!it_has_sanitizers())
		tcase_add_test(tc, a_worker_without_memory);
}

int
main(void)
{
	return it_main("chat_history", fill, 0);
}
