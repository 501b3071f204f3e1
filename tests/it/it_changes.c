/*
 * it_changes.c - the change feed of the real daemon: who asks for changes and who listens in the
 * room get each once, in the order of the log, whoever writes and whatever dies.
 */
/* links: tests/it/changes.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c -ljansson */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "changes.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "ws_client.h"

#define IDS        9
#define STATEMENTS 200

static struct reader reader;
static json_t *heard; /* by a member of the room, with what it missed left out */

static struct daemon *
start(const char *option)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, "chat.history_messages=100000", option, NULL);

	free(database);
	WAIT_UNTIL(daemon_log_has(d, 0, "the change feed begins"));
	reader_open(&reader, d);
	heard = json_array();
	return d;
}

static void
stop(struct daemon *d)
{
	daemon_stop(d);
	reader_close(&reader);
	json_decref(heard);
}

/* ---- readers ---- */

/* What a member has got by now; it comes again when its worker has died. */
static void
listen_on(struct daemon *d, struct ws *ws)
{
	struct ws_frame frame;

	while ((ws->c.len > 0 || http_readable(&ws->c, 0)) &&
	       ws_try_read(ws, &frame, it_now_ms() + IT_DEADLINE_MS) == NULL) {
		if (frame.opcode == WS_TEXT) {
			json_t *change = json_loadb(frame.data, frame.len, 0, NULL);
			const size_t n = json_array_size(heard);

			ck_assert_msg(change != NULL, "%s", frame.data);
			if (n)
				ck_assert_int_gt(changes_seq(change),
						 changes_seq(json_array_get(heard, n - 1)));
			json_array_append_new(heard, change);
		}
		ws_frame_fini(&frame);
	}
	if (ws->c.eof) {
		ws_drop(ws);
		WAIT_UNTIL(ws_try_open(ws, daemon_port(d), CHANGES_ROOM) == NULL);
	}
}

/* ---- the truth ---- */

/* Who follows these has what the table has. */
static void
check_replay(const json_t *changes)
{
	json_int_t version[IDS + 1] = {0}, newest[IDS + 1] = {0};
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		const json_int_t id = json_integer_value(json_object_get(change, "id"));
		const json_int_t v = json_integer_value(json_object_get(change, "version"));
		const char *op = json_string_value(json_object_get(change, "op"));

		if (strcmp(op, "truncate") == 0) {
			memset(version, 0, sizeof(version));
			continue;
		}
		ck_assert(id >= 1 && id <= IDS);
		ck_assert_int_gt(v, newest[id]);
		newest[id] = v;
		version[id] = strcmp(op, "delete") == 0 ? 0 : v;
	}
	char *text = pg_ask("select coalesce(json_object_agg(id, version), '{}') from products");
	json_t *table = json_loads(text, 0, NULL);
	for (int id = 1; id <= IDS; id++) {
		char key[12];

		snprintf(key, sizeof(key), "%d", id);
		ck_assert_int_eq(json_integer_value(json_object_get(table, key)), version[id]);
	}
	json_decref(table);
	free(text);
}

/* Readers and the room are where the table is. */
static void
check_all(void)
{
	json_t *want = changes_truth(pg_ask);

	changes_all(&reader, pg_ask);
	check_replay(want);
	json_decref(want);
}

/* ---- writers ---- */

/* psql with statements of its own; some transactions are rolled back, some wait for others. */
static void
start_psql(struct child *child, unsigned seed)
{
	const char *path = it_path("changes.sql");
	FILE *f = fopen(path, "w");
	char *db = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "plaza", "-d", db,
			      "-f",   path,    NULL};

	ck_assert_ptr_nonnull(f);
	fputs("\\o /dev/null\n", f);
	for (unsigned i = 0; i < STATEMENTS; i++) {
		const int id = 1 + rand_r(&seed) % IDS;
		const int kind = rand_r(&seed) % 10;

		fprintf(f, "begin;\n");
		if (kind < 2)
			fprintf(f, "delete from products where id = %d;\n", id);
		else
			fprintf(f,
				"insert into products(id, name, price) values (%d, 'n', 1) on "
				"conflict (id) do update set price = products.price + 1;\n",
				id);
		if (kind == 9)
			fprintf(f,
				"savepoint s; update products set price = 0 where id = %d; "
				"rollback to s;\n",
				id);
		fprintf(f, "%s;\n", kind == 3 ? "rollback" : "commit");
		if (i % 100 == 99)
			fprintf(f, "truncate products;\n");
	}
	ck_assert_int_eq(fclose(f), 0);
	child_start(child, argv);
	free(db);
}

static bool
has_ended(struct child *child)
{
	int status;

	if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid) {
		/* statements may fail; psql goes on */
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		child->pid = 0;
	}
	return child->pid == 0;
}

/* One write by the daemon; whether it succeeds is all the same. */
static void
put_one(struct daemon *d, unsigned *seed)
{
	static const char body[] = "{\"name\":\"by http\",\"price\":2}";
	struct http_conn c;
	struct http_answer a;
	char *request = it_printf("PUT /api/products/%d HTTP/1.1\r\nHost: localhost:%u\r\n"
				  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
				  1 + rand_r(seed) % IDS, daemon_port(d), strlen(body), body);

	if (http_try_open(&c, daemon_port(d))) {
		if (http_try_send(&c, request, strlen(request)) &&
		    http_try_read(&c, "PUT", &a) == NULL)
			http_answer_fini(&a);
		http_close(&c);
	}
	free(request);
}

START_TEST(all_readers_agree_whoever_writes_and_dies)
{
	struct daemon *d = start(NULL);
	struct child psql[2];
	struct ws ws;
	pid_t pids[PROCFS_MAX];
	unsigned seed = 5, kills = 0;
	json_int_t kill_at = 100;

	ws_open(&ws, daemon_port(d), CHANGES_ROOM, NULL);
	start_psql(&psql[0], 1);
	start_psql(&psql[1], 2);
	struct it_wait wait = it_wait_begin();
	json_int_t before = 0;
	for (bool is_over = false; !is_over;) {
		const bool first = has_ended(&psql[0]), second = has_ended(&psql[1]);

		is_over = first && second && kills > 0;
		reader_ask(&reader);
		listen_on(d, &ws);
		put_one(d, &seed);
		/* one after the other, and so the holder now and then, whichever it is */
		const size_t n = daemon_workers(d, pids);
		const json_int_t next = reader_seq(&reader);
		const bool is_due = next >= kill_at || (first && second && kills == 0);
		if (is_due && n == 2 && kills < 4) {
			kill(pids[kills % 2], SIGKILL);
			WAIT_UNTIL(!procfs_alive(pids[kills % 2]));
			kills++;
			kill_at = next + 80;
		}
		/* slow is not stuck */
		if (next != before)
			wait = it_wait_begin();
		before = next;
		it_wait_again(&wait, __FILE__, __LINE__, "psql to end");
	}
	ck_assert_uint_ge(kills, 1);
	check_all();
	listen_on(d, &ws);
	ck_assert_uint_gt(json_array_size(heard), 0);
	/* what it heard is of the log, in this order: increasing and known */
	json_t *want = changes_truth(pg_ask), *change;
	size_t i, at = 0;
	json_array_foreach(heard, i, change)
	{
		while (at < json_array_size(want) &&
		       changes_seq(json_array_get(want, at)) < changes_seq(change))
			at++;
		ck_assert(at < json_array_size(want) &&
			  json_equal(change, json_array_get(want, at)));
	}
	json_decref(want);
	ws_drop(&ws);
	stop(d);
}
END_TEST

START_TEST(goes_on_over_a_restart_of_the_server_and_a_reload)
{
	struct daemon *d = start(NULL);

	free(pg_ask("insert into products(name, price) values ('a', 1)"));
	check_all();
	pg_do("restart");
	free(pg_ask("insert into products(name, price) values ('b', 1)"));
	check_all();
	/* the old holder leaves, one of the new workers comes */
	ck_assert(daemon_reload(d));
	free(pg_ask("update products set price = 2"));
	check_all();
	ck_assert_uint_eq(json_array_size(reader.asked), 4);
	stop(d);
}
END_TEST

/* ---- answers ---- */

/* The marks of "next" are left out. */
static void
expect(struct daemon *d, const char *query, int status, const char *text)
{
	struct http_answer a;
	char *target = it_printf(CHANGES "%s", query);

	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	char *dot = strstr(a.body, "],\"next\":\"");
	if (dot && (dot = strchr(dot, '.')) != NULL)
		memmove(dot, strrchr(a.body, '"'), strlen(strrchr(a.body, '"')) + 1);
	ck_assert_msg(a.status == status && strstr(a.body, text), "%s: %s%s", query, a.head,
		      a.body);
	http_answer_fini(&a);
	free(target);
}

static bool
has_all(void)
{
	char *text = pg_ask("select coalesce(max(seq), 0) from product_log");
	const json_int_t seq = strtoll(text, NULL, 10);

	free(text);
	reader_ask(&reader);
	return reader_seq(&reader) == seq;
}

START_TEST(answers_what_is_asked)
{
	static const char *const bad[] = {"?since=",
					  "?since=-1",
					  "?since=1e3",
					  "?since=%201",
					  "?since=01",
					  "?since=9223372036854775808",
					  "?since=NOW",
					  "?since=1&since=1",
					  "?since='",
					  "?since=1.",
					  "?since=.5",
					  "?since=1.G",
					  "?since=1.0123456789abcdef0",
					  "?since=1.5.5",
					  "?since=now.5",
					  "?limit=0",
					  "?limit=1001",
					  "?limit=x",
					  "?limit=1&limit=2",
					  "?after=1"};
	struct daemon *d = start(NULL);
	struct http_answer a;
	char etag[100];

	expect(d, "", 200, "{\"changes\":[],\"next\":\"0\"}");
	expect(d, "?since=now", 200, "{\"changes\":[],\"next\":\"0\"}");
	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	free(pg_ask("truncate products"));
	WAIT_UNTIL(has_all());
	expect(d, "", 200,
	       "{\"changes\":[{\"seq\":1,\"op\":\"insert\",\"id\":1,\"version\":1},"
	       "{\"seq\":2,\"op\":\"insert\",\"id\":2,\"version\":2},"
	       "{\"seq\":3,\"op\":\"truncate\",\"id\":null,\"version\":null}],\"next\":\"3\"}");
	expect(
	    d, "?since=1&limit=1", 200,
	    "{\"changes\":[{\"seq\":2,\"op\":\"insert\",\"id\":2,\"version\":2}],\"next\":\"2\"}");
	expect(d, "?since=3", 200, "{\"changes\":[],\"next\":\"3\"}");
	expect(d, "?since=now&limit=1000", 200, "{\"changes\":[],\"next\":\"3\"}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(d, bad[i], 400, "/problems/bad-parameter");

	http_request(daemon_port(d), "GET", CHANGES "?since=0", NULL, NULL, &a);
	snprintf(etag, sizeof(etag), "If-None-Match: %s\r\n", http_field(&a, "ETag"));
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	http_expect(daemon_port(d), "GET", CHANGES "?since=0", etag, NULL, 304, "");
	http_request(daemon_port(d), "POST", CHANGES_ROOM, NULL, "{\"seq\":9}", &a);
	ck_assert_int_eq(a.status, 403);
	http_answer_fini(&a);
	stop(d);
}
END_TEST

static bool
is_lost(struct daemon *d, const char *since)
{
	struct http_answer a;
	char *target = it_printf(CHANGES "?since=%s", since);

	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	const bool lost = a.status == 410;
	if (lost)
		ck_assert_msg(strstr(a.body, "/problems/changes-lost") != NULL, "%s", a.body);
	http_answer_fini(&a);
	free(target);
	return lost;
}

/*
 * The database is one of before: who knows changes that it does not have is told, also when others
 * have their numbers by now.
 */
/* Who listens is told to read all anew. */
static bool
room_is_reset(struct daemon *d, size_t at)
{
	json_t *room = changes_of_room(d);
	json_t *want = json_pack("{s:i, s:s, s:n, s:n}", "seq", 2, "op", "reset", "id", "version");
	const bool is_so = json_equal(json_array_get(room, at), want);

	json_decref(want);
	json_decref(room);
	return is_so;
}

START_TEST(what_was_told_and_is_lost_is_410)
{
	struct daemon *d = start(NULL);
	char second[80], fourth[80];

	for (int i = 1; i <= 4; i++) {
		free(pg_ask("insert into products(name, price) values ('a', 1)"));
		WAIT_UNTIL(has_all());
		if (i == 2)
			memcpy(second, reader.next, sizeof(second));
	}
	memcpy(fourth, reader.next, sizeof(fourth));
	/* what is to be told has its mark, however it is come to */
	ck_assert_ptr_nonnull(strchr(fourth, '.'));
	for (size_t i = 0; i < 3; i++) {
		static const char *const since[] = {"now", "4", "3"};
		struct reader other;

		reader_open(&other, d);
		snprintf(other.next, sizeof(other.next), "%s", since[i]);
		reader_ask(&other);
		ck_assert_str_eq(other.next, fourth);
		reader_close(&other);
	}
	/* nobody was ever told of the fifth; only who says so knows the fourth */
	ck_assert(is_lost(d, "5"));
	ck_assert(is_lost(d, "9223372036854775807"));
	ck_assert(is_lost(d, "4.5"));
	ck_assert(is_lost(d, "5.5"));
	ck_assert(!is_lost(d, fourth));

	free(pg_ask("begin; delete from product_log where seq > 2; "
		    "select setval('product_log_seq_seq', 2); commit"));
	free(daemon_log_wait(d, 0, "the database has lost changes that were told, up to 4"));
	WAIT_UNTIL(room_is_reset(d, 4));
	ck_assert(is_lost(d, fourth));
	ck_assert(is_lost(d, "4"));
	expect(d, "?since=now", 200, "{\"changes\":[],\"next\":\"2\"}");
	expect(d, "?since=2", 200, "{\"changes\":[],\"next\":\"2\"}");
	for (int i = 3; i <= 5; i++)
		free(pg_ask("update products set price = 2 where id = 1"));
	memcpy(reader.next, second, sizeof(second));
	WAIT_UNTIL(has_all());
	ck_assert_int_eq(reader_seq(&reader), 5);
	/* there is a fourth now, and it is another one */
	ck_assert(is_lost(d, fourth));
	ck_assert(!is_lost(d, second));
	stop(d);
}
END_TEST

static bool
is_gone(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", CHANGES "?since=0", NULL, NULL, &a);
	const bool gone = a.status == 410;
	if (gone)
		ck_assert_msg(strstr(a.body, "/problems/changes-pruned") &&
				  strstr(a.body, "the oldest since that can be asked for is 2"),
			      "%s", a.body);
	http_answer_fini(&a);
	return gone;
}

START_TEST(what_is_not_kept_is_410)
{
	struct daemon *d = start("store.change_retention=1s");

	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	WAIT_UNTIL(is_gone(d));
	expect(d, "", 200, "{\"changes\":[],\"next\":\"2\"}");
	expect(d, "?since=2", 200, "{\"changes\":[],\"next\":\"2\"}");
	stop(d);
}
END_TEST

START_TEST(is_503_while_nobody_has_read_the_log)
{
	char *option = it_printf("store.database=host=%s/none", it_dir());
	struct daemon *d = daemon_start(option, NULL);
	struct http_answer a;

	http_request(daemon_port(d), "GET", CHANGES "?since=0", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.body, "/problems/feed-starting"));
	ck_assert_str_eq(http_field(&a, "Retry-After"), "1");
	http_answer_fini(&a);
	daemon_stop(d);
	free(option);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tcase = it_case(suite, "changes");

	tcase_add_test(tcase, all_readers_agree_whoever_writes_and_dies);
	tcase_add_test(tcase, goes_on_over_a_restart_of_the_server_and_a_reload);
	tcase_add_test(tcase, answers_what_is_asked);
	tcase_add_test(tcase, what_was_told_and_is_lost_is_410);
	tcase_add_test(tcase, what_is_not_kept_is_410);
	tcase_add_test(tcase, is_503_while_nobody_has_read_the_log);
}

int
main(void)
{
	return it_main("changes", fill, IT_WITH_PG);
}
