/*
 * it_reload.c - SIGHUP: a new generation beside the old one, nothing lost on the way; a wrong
 * configuration is refused whole; old WebSockets stay until they leave, or 1012.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/traffic.c tests/it/pg.c */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "pg.h"
#include "traffic.h"
#include "ws_client.h"

static struct daemon *
start_with(const char *conf, const char *const *options)
{
	struct daemon_spec spec = {.conf = conf, .options = options};

	return daemon_start_spec(&spec);
}

START_TEST(twenty_reloads_under_traffic)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	const char *const options[] = {database, NULL};
	struct daemon *d = start_with("[http]\nidle_timeout = 60s\n", options);
	struct traffic_spec spec = {
	    .port = daemon_port(d), .getters = 2, .posters = 1, .chatters = 8};
	struct traffic *t = traffic_start(&spec);
	struct traffic_counts counts;

	traffic_more(t, 50);
	for (int i = 0; i < 20; i++) {
		char *conf = it_printf("[http]\nidle_timeout = %ds\n", 61 + i);
		daemon_write_conf(d, conf);
		free(conf);
		ck_assert(daemon_reload(d));
		traffic_more(t, 10);
	}
	traffic_stop(t, &counts);
	/* every 201 is a row, and there is no other */
	char *rows = pg_ask("select count(*) || ' ' || count(distinct name) from products");
	char *want = it_printf("%llu %llu", (unsigned long long)counts.posts,
			       (unsigned long long)counts.posts);
	ck_assert_str_eq(rows, want);
	ck_assert_uint_ge(counts.gets, 400);
	ck_assert_uint_ge(counts.chats, 200);
	free(rows);
	free(want);
	/* the eldest of three generations is always gone: two are left at the most */
	pid_t workers[PROCFS_MAX];
	WAIT_UNTIL(daemon_workers(d, workers) == 2);
	daemon_stop(d);
	free(database);
}
END_TEST

START_TEST(what_changes_takes_effect)
{
	struct daemon *d = start_with("[http]\nmax_header_size = 2k\n", NULL);
	char request[4000];

	int n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
	memset(request + n, 'x', 3000 - (size_t)n);
	strcpy(request + 3000, "\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		struct http_conn c;
		struct http_answer a;
		http_open(&c, daemon_port(d));
		http_send_text(&c, request);
		http_read(&c, "GET", &a);
		ck_assert_int_eq(a.status, i == 0 ? 431 : 200);
		http_answer_fini(&a);
		http_close(&c);
		if (i == 0) {
			size_t mark = daemon_log_mark(d);
			daemon_write_conf(
			    d, "[http]\nmax_header_size = 8k\n[server]\nnames = b.example\n");
			ck_assert(daemon_reload(d));
			/* it says what has changed */
			ck_assert(daemon_log_has(d, mark, "http.max_header_size"));
			ck_assert(daemon_log_has(d, mark, "server.names"));
			ck_assert(!daemon_log_has(d, mark, "chat.ping_interval"));
		}
	}
	http_expect(daemon_port(d), "GET", "/", "Host: b.example\r\n", NULL, 200, NULL);
	/* what only a restart applies is said, and the old value stays */
	size_t mark = daemon_log_mark(d);
	daemon_write_conf(d, "[chat]\nlog_size = 32m\n");
	ck_assert(daemon_reload(d));
	char *line = daemon_log_wait(d, mark, "chat.log_size");
	ck_assert_msg(strstr(line, "restart"), "%s", line);
	free(line);
	http_expect(daemon_port(d), "GET", "/", "Host: b.example\r\n", NULL, 421, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(overrides_stay_in_force)
{
	const char *const options[] = {"server.names=cli.example", NULL};
	struct daemon *d = start_with("", options);

	daemon_write_conf(d, "[server]\nnames = file.example\n");
	ck_assert(daemon_reload(d));
	http_expect(daemon_port(d), "GET", "/", "Host: cli.example\r\n", NULL, 200, NULL);
	http_expect(daemon_port(d), "GET", "/", "Host: file.example\r\n", NULL, 421, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(a_wrong_configuration_is_refused_whole)
{
	struct daemon *d = start_with("[server]\nnames = old.example\n", NULL);
	pid_t before[PROCFS_MAX], after[PROCFS_MAX];
	size_t n = daemon_workers(d, before);
	struct ws ws;
	struct http_conn kept;
	struct http_answer a;

	ws_open(&ws, daemon_port(d), "/chat", NULL);
	http_open(&kept, daemon_port(d));
	http_exchange(&kept, "GET", "/", NULL, NULL, &a);
	http_answer_fini(&a);
	static const char *const wrong[] = {
	    "[server]\nnames = new.example\nworkers = none\n[http]\nnonsense = 1\n",
	    "[server]\nnames = new.example\nlisten = nowhere\n",
	    "not an ini file\n",
	};
	daemon_expect_error(d, "server.workers");
	daemon_expect_error(d, "http.nonsense");
	daemon_expect_error(d, "server.listen");
	daemon_expect_error(d, "reload refused");
	daemon_expect_error(d, daemon_conf_path(d));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t mark = daemon_log_mark(d);
		daemon_write_conf(d, wrong[i]);
		ck_assert(!daemon_reload(d));
		if (i == 0) {
			/* each mistake, as at the start */
			char *where = it_printf("%s:3: server.workers", daemon_conf_path(d));
			ck_assert(daemon_log_has(d, mark, where));
			free(where);
			where = it_printf("%s:5: http.nonsense", daemon_conf_path(d));
			ck_assert(daemon_log_has(d, mark, where));
			free(where);
		}
		http_expect(daemon_port(d), "GET", "/", "Host: old.example\r\n", NULL, 200, NULL);
		http_expect(daemon_port(d), "GET", "/", "Host: new.example\r\n", NULL, 421, NULL);
	}
	/* a missing file, too */
	unlink(daemon_conf_path(d));
	ck_assert(!daemon_reload(d));
	/* nobody has been bothered */
	ck_assert_uint_eq(daemon_workers(d, after), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(procfs_alive(before[i]), 1);
	ws_send(&ws, "unbothered");
	ws_expect(&ws, "unbothered");
	http_exchange(&kept, "GET", "/", "Host: old.example\r\n", NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert(!a.close);
	http_answer_fini(&a);
	http_close(&kept);
	/* and a right one is taken again */
	daemon_write_conf(d, "[server]\nnames = new.example\n");
	ck_assert(daemon_reload(d));
	http_expect(daemon_port(d), "GET", "/", "Host: new.example\r\n", NULL, 200, NULL);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* What fits into the file's log has to fit into the running one, which stays. */
START_TEST(a_reload_is_checked_with_what_only_a_restart_changes)
{
	const char *const options[] = {NULL};
	struct daemon *d = start_with("[chat]\nlog_size = 1m\nmax_message_size = 16k\n", options);
	static const struct {
		const char *conf;
		bool taken;
		const char *says;
	} rows[] = {
	    {"[chat]\nlog_size = 64m\nmax_message_size = 500k\n", false,
	     "512000 bytes do not fit into chat.log_size = 1048576"},
	    {"[chat]\nlog_size = 64m\nmax_message_size = 17k\n", true,
	     "chat.max_message_size has changed"},
	    /* as it stands it could not be started again */
	    {"[chat]\nlog_size = 2m\nmax_message_size = 1m\n", false,
	     "1048576 bytes do not fit into chat.log_size = 2097152"},
	};

	daemon_expect_error(d, "chat.max_message_size");
	daemon_expect_error(d, "reload refused");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t mark = daemon_log_mark(d);

		daemon_write_conf(d, rows[i].conf);
		ck_assert_msg(daemon_reload(d) == rows[i].taken, "%s", rows[i].conf);
		ck_assert_msg(daemon_log_has(d, mark, rows[i].says), "%s", rows[i].conf);
		/* nothing is said to have changed that has not */
		ck_assert_uint_eq(daemon_log_count(d, mark, "max_message_size has changed"),
				  rows[i].taken);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_taken_address_refuses_the_reload)
{
	struct daemon *other = daemon_start_default();
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\nworkers = 2\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);
	char *conf = it_printf("[server]\nlisten = 127.0.0.1:0 127.0.0.1:%u\nworkers = 2\n",
			       daemon_port(other));

	daemon_expect_error(d, "taken by");
	daemon_expect_error(d, "reload refused");
	daemon_write_conf(d, conf);
	ck_assert(!daemon_reload(d));
	http_expect_get(daemon_port(d), "/", 200, NULL);
	http_expect_get(daemon_port(other), "/", 200, NULL);
	/* gone, it is free for us */
	daemon_stop(other);
	ck_assert(daemon_reload(d));
	http_expect_get(daemon_port(d), "/", 200, NULL);
	free(conf);
	daemon_stop(d);
}
END_TEST

START_TEST(addresses_come_and_go)
{
	char *path = (char *)(uintptr_t)it_path("r.sock");
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\nworkers = 2\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);
	char *conf = it_printf("[server]\nlisten = 127.0.0.1:0 unix:%s\nworkers = 2\n", path);
	struct http_conn c;
	struct http_answer a;

	daemon_write_conf(d, conf);
	ck_assert(daemon_reload(d));
	for (int i = 0; i < 10; i++) {
		http_expect_get(daemon_port(d), "/", 200, NULL);
		http_open_unix(&c, path);
		http_exchange(&c, "GET", "/", NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
		http_close(&c);
	}
	/* and the first one leaves: its clients are refused, not kept waiting */
	char *only = it_printf("[server]\nlisten = unix:%s\nworkers = 2\n", path);
	daemon_write_conf(d, only);
	ck_assert(daemon_reload(d));
	WAIT_UNTIL(({
		bool open = http_try_open(&c, daemon_port(d));
		if (open)
			http_close(&c);
		!open;
	}));
	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	ck_assert_int_ne(access(path, F_OK), 0);
	free(only);
	free(conf);
	free(path);
}
END_TEST

START_TEST(one_chat_spans_the_generations)
{
	struct daemon *d = daemon_start_default();
	struct ws old[2], new[2];
	pid_t old_workers[PROCFS_MAX];
	size_t n_old = daemon_workers(d, old_workers);

	ws_open_everywhere(old, 2, d, "/chat");
	ck_assert(daemon_reload(d));
	for (int i = 0; i < 2; i++) {
		ws_open(&new[i], daemon_port(d), "/chat", NULL);
		pid_t by = daemon_worker_of(d, new[i].c.fd);
		for (size_t k = 0; k < n_old; k++)
			ck_assert_int_ne(by, old_workers[k]);
	}
	for (int round = 0; round < 50; round++) {
		char text[2][32];
		snprintf(text[0], sizeof(text[0]), "old %d", round);
		snprintf(text[1], sizeof(text[1]), "new %d", round);
		ws_send(round % 2 ? &old[0] : &old[1], text[0]);
		for (int i = 0; i < 2; i++) {
			ws_expect(&old[i], text[0]);
			ws_expect(&new[i], text[0]);
		}
		ws_send(round % 2 ? &new[0] : &new[1], text[1]);
		for (int i = 0; i < 2; i++) {
			ws_expect(&old[i], text[1]);
			ws_expect(&new[i], text[1]);
		}
	}
	/* an old worker is there as long as its last client, and no longer */
	pid_t by[2] = {daemon_worker_of(d, old[0].c.fd), daemon_worker_of(d, old[1].c.fd)};
	ws_close(&old[0]);
	WAIT_UNTIL(!procfs_alive(by[0]));
	ck_assert(procfs_alive(by[1]));
	ws_send(&new[0], "one less");
	ws_expect(&old[1], "one less");
	ws_close(&old[1]);
	WAIT_UNTIL(!procfs_alive(by[1]));
	daemon_wait_workers(d, 2);
	ws_expect(&new[0], "one less");
	ws_expect(&new[1], "one less");
	ws_close(&new[0]);
	ws_close(&new[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(a_third_generation_ends_the_eldest)
{
	struct daemon *d = daemon_start("server.drain_timeout=1h", NULL);
	struct ws first[2], second[2];

	ws_open_everywhere(first, 2, d, "/chat");
	ck_assert(daemon_reload(d));
	ws_open(&second[0], daemon_port(d), "/chat", NULL);
	ws_open(&second[1], daemon_port(d), "/chat", NULL);
	size_t mark = daemon_log_mark(d);
	kill(daemon_pid(d), SIGHUP);
	ws_expect_close(&first[0], 1012);
	ws_expect_close(&first[1], 1012);
	free(daemon_log_wait(d, mark, "reloaded"));
	/* the second one stays */
	ws_send(&second[0], "two");
	ws_expect(&second[0], "two");
	ws_expect(&second[1], "two");
	ws_close(&second[0]);
	ws_close(&second[1]);
	daemon_wait_workers(d, 2);
	daemon_stop(d);
}
END_TEST

START_TEST(a_drain_has_its_time)
{
	struct daemon *d = daemon_start("server.drain_timeout=1s", NULL);
	struct ws ws[2], deaf;

	ws_open_everywhere(ws, 2, d, "/chat");
	ws_open(&deaf, daemon_port(d), "/chat", NULL); /* and answers nothing */
	ck_assert(daemon_reload(d));
	ws_expect_close(&ws[0], 1012);
	ws_expect_close(&ws[1], 1012);
	daemon_wait_workers(d, 2);
	ws_drop(&deaf);
	daemon_stop(d);
}
END_TEST

START_TEST(requests_in_hand_are_finished)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d =
	    daemon_start(database, "store.statement_timeout=1h", "store.queue_timeout=5m", NULL);
	struct http_conn waiting, half, idle;
	struct http_answer a;

	http_expect(daemon_port(d), "POST", "/api/products", "Content-Type: application/json\r\n",
		    "{\"name\":\"a\",\"price\":1}", 201, NULL);
	/* a lane that still prepares its statements would wait for the lock, too */
	free(daemon_log_wait(d, 0, "worker 0 info: store: connected"));
	free(daemon_log_wait(d, 0, "worker 1 info: store: connected"));
	/* and so would who makes the index */
	free(daemon_log_wait(d, 0, "search is ready"));
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	struct child holder;
	child_start(&holder, argv);
	child_write(&holder, "begin; lock table products; select 'held';\n");
	free(child_read_line(&holder));
	/* one waits for the database, one for its client, one for nothing */
	http_open(&waiting, daemon_port(d));
	http_send_text(&waiting, "GET /api/products/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
	http_open(&half, daemon_port(d));
	http_exchange(&half, "GET", "/", NULL, NULL, &a);
	http_answer_fini(&a);
	http_send_text(&half, "GET /half HTTP/1.1\r\nHost: local");
	http_open(&idle, daemon_port(d));
	http_exchange(&idle, "GET", "/", NULL, NULL, &a);
	http_answer_fini(&a);
	WAIT_UNTIL(({
		char *n = pg_ask(
		    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
		    "datname = current_database()");
		bool locked = strcmp(n, "1") == 0;
		free(n);
		locked;
	}));
	ck_assert(daemon_reload(d));
	/* new ones are served meanwhile */
	http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	http_expect_eof(&idle);
	http_close(&idle);
	http_send_text(&half, "host\r\n\r\n");
	http_read(&half, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, half");
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(&half);
	http_close(&half);
	child_write(&holder, "commit;\n");
	child_close_input(&holder);
	ck_assert_int_eq(child_wait(&holder), 0);
	http_read(&waiting, "GET", &a);
	ck_assert_str_eq(a.body, "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}");
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(&waiting);
	http_close(&waiting);
	daemon_wait_workers(d, 2);
	free(dbname);
	free(database);
	daemon_stop(d);
}
END_TEST

START_TEST(database_connections_count_for_both_generations)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, "store.connections=10", NULL);
	struct ws ws[2];

	/* two generations of two workers and an executor; beside them the ears of the feed and the
	 * executors, and the maker of the search index */
	ws_open_everywhere(ws, 2, d, "/chat");
	for (int generation = 0; generation < 2; generation++) {
		for (int i = 0; i < 20; i++)
			http_expect(daemon_port(d), "POST", "/api/products",
				    "Content-Type: application/json\r\n",
				    "{\"name\":\"a\",\"price\":1}", 201, NULL);
		char *used =
		    pg_ask("select count(*) from pg_stat_activity where usename = 'plaza' and "
			   "datname = current_database()");
		ck_assert_int_ge(strtol(used, NULL, 10), 1);
		ck_assert_int_le(strtol(used, NULL, 10), 10 + 4);
		free(used);
		if (generation == 0)
			ck_assert(daemon_reload(d));
	}
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	free(database);
	daemon_stop(d);
}
END_TEST

START_TEST(workers_grow_and_shrink)
{
	static const int counts[] = {2, 5, 1, 3, 2};
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\nworkers = 2\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);
	struct traffic_spec traffic = {.port = daemon_port(d), .getters = 2, .chatters = 6};
	struct traffic *t = traffic_start(&traffic);
	struct traffic_counts done;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char *conf = it_printf("[server]\nlisten = 127.0.0.1:0\nworkers = %d\n", counts[i]);
		daemon_write_conf(d, conf);
		free(conf);
		ck_assert(daemon_reload(d));
		traffic_more(t, 30);
		/* no connection waits at a socket that has no worker any more */
		for (int k = 0; k < 50; k++)
			http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	}
	traffic_stop(t, &done);
	daemon_wait_workers(d, 2);
	daemon_stop(d);
}
END_TEST

START_TEST(a_signal_during_a_reload_is_not_lost)
{
	struct daemon *d = start_with("[server]\nnames = n0.example\n", NULL);

	for (int i = 1; i <= 10; i++) {
		size_t mark = daemon_log_mark(d);
		char *conf = it_printf("[server]\nnames = n%d.example\n", i);
		char *host = it_printf("Host: n%d.example\r\n", i);
		kill(daemon_pid(d), SIGHUP);
		daemon_write_conf(d, conf);
		kill(daemon_pid(d),
		     SIGHUP); /* whatever the first one read, this one reads the last */
		free(daemon_log_wait(d, mark, "reloaded"));
		WAIT_UNTIL(({
			struct http_answer a;
			http_request(daemon_port(d), "GET", "/", host, NULL, &a);
			bool now = a.status == 200;
			http_answer_fini(&a);
			now;
		}));
		free(conf);
		free(host);
	}
	/* and a stop in the middle of one is a stop */
	kill(daemon_pid(d), SIGHUP);
	kill(daemon_pid(d), SIGTERM);
	daemon_ended(d, 0);
}
END_TEST

/* Workers of the old generation are just then on their way out. */
START_TEST(a_stop_right_after_a_reload_kills_nobody)
{
	for (int i = 0; i < 5; i++) {
		struct daemon *d = start_with("[log]\nlevel = info\n", NULL);
		size_t mark = daemon_log_mark(d);

		kill(daemon_pid(d), SIGHUP);
		free(daemon_log_wait(d, mark, "reloaded"));
		kill(daemon_pid(d), SIGTERM);
		WAIT_UNTIL(daemon_log_closed(d));
		ck_assert(!daemon_log_has(d, mark, "died by signal"));
		daemon_ended(d, 0);
	}
}
END_TEST

START_TEST(a_worker_killed_while_it_drains_is_not_replaced)
{
	struct daemon *d = daemon_start_default();
	struct ws ws[2];

	ws_open_everywhere(ws, 2, d, "/chat");
	pid_t old = daemon_worker_of(d, ws[0].c.fd);
	ck_assert(daemon_reload(d));
	ck_assert(procfs_alive(old));
	kill(old, SIGKILL);
	http_expect_eof(&ws[0].c);
	ws_drop(&ws[0]);
	daemon_wait_workers(d, 3); /* two new ones and the other old one */
	ws_send(&ws[1], "alone");
	ws_expect(&ws[1], "alone");
	ws_close(&ws[1]);
	daemon_wait_workers(d, 2);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "reload");
	tcase_add_test(tc, twenty_reloads_under_traffic);
	tcase_add_test(tc, what_changes_takes_effect);
	tcase_add_test(tc, overrides_stay_in_force);
	tcase_add_test(tc, workers_grow_and_shrink);
	tcase_add_test(tc, addresses_come_and_go);
	tcase_add_test(tc, a_signal_during_a_reload_is_not_lost);

	tc = it_case(s, "refused");
	tcase_add_test(tc, a_wrong_configuration_is_refused_whole);
	tcase_add_test(tc, a_reload_is_checked_with_what_only_a_restart_changes);
	tcase_add_test(tc, a_taken_address_refuses_the_reload);

	tc = it_case(s, "generations");
	tcase_add_test(tc, one_chat_spans_the_generations);
	tcase_add_test(tc, a_third_generation_ends_the_eldest);
	tcase_add_test(tc, a_drain_has_its_time);
	tcase_add_test(tc, requests_in_hand_are_finished);
	tcase_add_test(tc, database_connections_count_for_both_generations);
	tcase_add_test(tc, a_stop_right_after_a_reload_kills_nobody);
	tcase_add_test(tc, a_worker_killed_while_it_drains_is_not_replaced);
}

int
main(void)
{
	return it_main("reload", fill, IT_WITH_PG);
}
