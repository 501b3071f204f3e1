/*
 * it_master.c - the master and its workers as an operator sees them: titles, READY, users, limits,
 * descriptors, death and replacement, and every way to stop.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/traffic.c tests/it/pg.c */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "traffic.h"
#include "ws_client.h"

START_TEST(titles_say_the_role)
{
	struct daemon *d = daemon_start("server.workers=3", NULL);
	pid_t workers[PROCFS_MAX];
	bool seen[3] = {false};

	ck_assert_str_eq(procfs_title(daemon_pid(d)), "plazad: master");
	ck_assert_uint_eq(daemon_workers(d, workers), 3);
	for (int i = 0; i < 3; i++) {
		unsigned n;
		ck_assert_int_eq(sscanf(procfs_title(workers[i]), "plazad: worker %u", &n), 1);
		ck_assert_uint_lt(n, 3);
		ck_assert(!seen[n]);
		seen[n] = true;
		/* it is the whole line, as ps shows it */
		char title[32];
		snprintf(title, sizeof(title), "plazad: worker %u", n);
		ck_assert_str_eq(procfs_title(workers[i]), title);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(ready_says_what_is_served)
{
	struct daemon *d =
	    daemon_start("server.workers=2", "server.listen=127.0.0.1:0 127.0.0.2:0", NULL);
	const char *line = daemon_ready_line(d);
	char *address = it_printf("127.0.0.1:%u", daemon_port(d));

	/* version, addresses, workers, database, conf, milliseconds */
	ck_assert_msg(strstr(line, "master info: READY: plaza "), "%s", line);
	ck_assert_msg(strstr(line, address), "%s", line);
	ck_assert_msg(strstr(line, " 127.0.0.2:"), "%s", line);
	ck_assert_msg(strstr(line, "2 workers"), "%s", line);
	ck_assert_msg(strstr(line, "database none"), "%s", line);
	ck_assert_msg(strstr(line, daemon_conf_path(d)), "%s", line);
	ck_assert_msg(strstr(line, " ms"), "%s", line);
	ck_assert_uint_eq(daemon_log_count(d, 0, "READY"), 1);
	free(address);
	daemon_stop(d);
	/* a database that is not there is not waited for */
	uint64_t began = it_now_ms();
	d = daemon_start("store.database=host=/nowhere dbname=shelf", NULL);
	ck_assert_uint_lt(it_now_ms() - began, 5000);
	ck_assert_ptr_nonnull(strstr(daemon_ready_line(d), "dbname=shelf"));
	daemon_stop(d);
}
END_TEST

START_TEST(workers_are_not_root)
{
	struct daemon *d = daemon_start_default();
	pid_t workers[PROCFS_MAX];
	size_t n = daemon_workers(d, workers);

	ck_assert_uint_eq(n, 2);
	for (size_t i = 0; i < n; i++) {
		char *path = it_printf("/proc/%d/status", (int)workers[i]);
		char *status = it_read_file(path);
		unsigned uid[4], gid[4];
		ck_assert_ptr_nonnull(status);
		/* real, effective, saved, and of the file system */
		ck_assert_int_eq(sscanf(strstr(status, "\nUid:"), "\nUid: %u %u %u %u", &uid[0],
					&uid[1], &uid[2], &uid[3]),
				 4);
		ck_assert_int_eq(sscanf(strstr(status, "\nGid:"), "\nGid: %u %u %u %u", &gid[0],
					&gid[1], &gid[2], &gid[3]),
				 4);
		const struct passwd *want = NULL;
		if (geteuid() == 0) {
			want = getpwnam("plaza");
			if (!want)
				want = getpwnam("nobody");
			ck_assert_ptr_nonnull(want);
			/* no further groups, no capabilities */
			ck_assert_msg(strstr(status, "\nCapPrm:\t0000000000000000"), "%s", status);
			ck_assert_msg(strstr(status, "\nCapEff:\t0000000000000000"), "%s", status);
			char *groups = strstr(status, "\nGroups:");
			unsigned group;
			ck_assert(sscanf(groups, "\nGroups: %u", &group) != 1 || group != 0);
			ck_assert_int_eq(procfs_status(daemon_pid(d), "Uid"), 0);
		}
		for (int k = 0; k < 4; k++) {
			ck_assert_uint_eq(uid[k], want ? want->pw_uid : geteuid());
			ck_assert_uint_eq(gid[k], want ? want->pw_gid : getegid());
		}
		free(status);
		free(path);
	}
	http_expect_get(daemon_port(d), "/", 200, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(workers_become_the_user_that_is_named)
{
	struct run run;

	if (geteuid() != 0) {
		/* who is not root cannot become another one, and is told before anything starts */
		run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", "server.user=root",
			 NULL);
		ck_assert_int_eq(run.status, 78);
		ck_assert_msg(strstr(run.err, "server.user"), "%s", run.err);
		run_fini(&run);
		return;
	}
	struct daemon *d = daemon_start("server.user=daemon", NULL);
	pid_t workers[PROCFS_MAX];
	ck_assert_uint_eq(daemon_workers(d, workers), 2);
	ck_assert_int_eq(procfs_status(workers[0], "Uid"), (long)getpwnam("daemon")->pw_uid);
	ck_assert_int_eq(procfs_status(workers[0], "Gid"), (long)getpwnam("daemon")->pw_gid);
	daemon_stop(d);
	static const char *const wrong[] = {"server.user=no-such-user", "server.user=root",
					    "server.group=no-such-group"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o",
			 "server.listen=127.0.0.1:0", "-o", wrong[i], NULL);
		ck_assert_msg(run.status == 78, "%s: %d", wrong[i], run.status);
		ck_assert_msg(strstr(run.err, i < 2 ? "server.user" : "server.group"), "%s",
			      run.err);
		run_fini(&run);
	}
}
END_TEST

static void
low_soft_limit(void *ctx)
{
	struct rlimit limit = {256, 4096};

	(void)ctx;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* and something open that is none of their business */
	int fd = open("/etc/hostname", O_RDONLY);
	dup2(fd, 77);
}

/*
 * What an idle worker has, each with a reason: its log, the sockets of all workers (those of a dead
 * neighbour are served, too), the bells of all, its loop, libwebsockets' pipe and urandom, and one
 * kept back for when there are none left.
 */
static void
expect_known(const char *fds, size_t n_workers)
{
	static const char *const known[] = {" /dev/null", " /dev/urandom",
					    " pipe:[",    " anon_inode:[eventfd]",
					    " socket:[",  " anon_inode:[eventpoll]"};
	size_t sockets = 0, loops = 0;
	char *copy = strdup(fds), *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool found = strtol(line, NULL, 10) <= 2;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
			found = strstr(line, known[i]) != NULL;
		ck_assert_msg(found, "what is this for: %s", line);
		sockets += strstr(line, " socket:[") != NULL;
		loops += strstr(line, "eventpoll") != NULL;
	}
	free(copy);
	ck_assert_msg(sockets == n_workers && loops == 1, "%s", fds);
}

START_TEST(limits_and_descriptors)
{
	enum { MANY = 400 };
	struct http_conn c[MANY];
	struct http_answer a;
	struct daemon_spec spec = {.prepare = low_soft_limit};
	struct daemon *d = daemon_start_spec(&spec);
	pid_t workers[PROCFS_MAX];
	size_t n = daemon_workers(d, workers);

	/* the soft one is raised to the hard one */
	ck_assert_int_eq(procfs_limit(daemon_pid(d), "Max open files"), 4096);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(procfs_limit(workers[i], "Max open files"), 4096);
		char *fds = procfs_fds(workers[i]);
		ck_assert_msg(!strstr(fds, "/etc/hostname"), "%s", fds);
		ck_assert_msg(!strstr(fds, "signalfd"), "the master's signals: %s", fds);
		ck_assert_msg(!strstr(fds, "timerfd"), "%s", fds);
		expect_known(fds, n);
		/* its pipes past 0, 1 and 2 are its own, the loop's: nobody else has them */
		char *save = NULL, *others = procfs_fds(workers[(i + 1) % n]);
		for (char *line = strtok_r(fds, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			const char *pipe = strstr(line, " pipe:");
			if (pipe && strtol(line, NULL, 10) > 2)
				ck_assert_msg(!strstr(others, pipe), "two workers have%s", pipe);
		}
		free(others);
		free(fds);
	}
	/* from what it was raised to all else is computed: more clients than the soft one was */
	for (size_t i = 0; i < MANY; i++) {
		http_open(&c[i], daemon_port(d));
		http_exchange(&c[i], "GET", "/", NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
	}
	for (size_t i = 0; i < MANY; i++)
		http_close(&c[i]);
	daemon_stop(d);
}
END_TEST

/* A worker other than `pid` with the same number */
static bool
replaced(struct daemon *d, pid_t pid, size_t n_workers)
{
	pid_t workers[PROCFS_MAX];
	size_t n = daemon_workers(d, workers);

	for (size_t i = 0; i < n; i++) {
		if (workers[i] == pid)
			return false;
	}
	return n == n_workers;
}

START_TEST(a_killed_worker_is_replaced_under_traffic)
{
	struct daemon *d = daemon_start("server.workers=3", NULL);
	struct traffic_spec spec = {
	    .port = daemon_port(d), .getters = 2, .chatters = 8, .tolerate_resets = true};
	struct traffic *t = traffic_start(&spec);
	struct traffic_counts counts;
	pid_t workers[PROCFS_MAX];
	struct ws ws[3];
	static const char *const replaced_when[] = {"at once", "in 0.1 s", "in 0.2 s"};
	pid_t served_by[3];

	ws_open_everywhere(ws, 3, d, "/chat/witness");
	for (int i = 0; i < 3; i++)
		served_by[i] = daemon_worker_of(d, ws[i].c.fd);
	traffic_more(t, 20);
	for (int round = 0; round < 3; round++) {
		pid_t victim = served_by[0];
		if (round > 0) {
			ck_assert_uint_ge(daemon_workers(d, workers), 1);
			victim = workers[0] == served_by[1] || workers[0] == served_by[2]
				     ? workers[2]
				     : workers[0];
			if (victim == served_by[1] || victim == served_by[2])
				victim = workers[1];
		}
		size_t mark = daemon_log_mark(d);
		char *about = it_printf("pid %d,", (int)victim);
		ck_assert_int_eq(kill(victim, SIGKILL), 0);
		/* with pid, signal and uptime */
		char *line = daemon_log_wait(d, mark, about);
		ck_assert_msg(strstr(line, "signal 9"), "%s", line);
		ck_assert_msg(strstr(line, " s"), "%s", line);
		/* the second and the third time it is the slot of the first */
		ck_assert_msg(strstr(line, replaced_when[round]), "%s", line);
		free(line);
		free(about);
		WAIT_UNTIL(replaced(d, victim, 3));
		traffic_more(t, 20);
		if (round == 0) {
			http_expect_eof(&ws[0].c);
			ws_drop(&ws[0]);
		}
		/* whoever was elsewhere has not noticed */
		ws_send(&ws[1], "all well?");
		ws_expect(&ws[1], "all well?");
		ws_expect(&ws[2], "all well?");
	}
	traffic_stop(t, &counts);
	ck_assert_uint_gt(counts.gets, 100);
	ck_assert_uint_gt(counts.chats, 100);
	/* no more broke than those that the dead had: one per client and kill */
	ck_assert_msg(counts.broken <= 3 * (2 + 8), "%llu connections broke",
		      (unsigned long long)counts.broken);
	ws_close(&ws[1]);
	ws_close(&ws[2]);
	daemon_stop(d);
}
END_TEST

START_TEST(all_workers_killed_at_once)
{
	struct daemon *d = daemon_start("server.workers=4", NULL);
	pid_t workers[PROCFS_MAX];

	for (int round = 0; round < 5; round++) {
		size_t n = daemon_workers(d, workers);
		ck_assert_uint_eq(n, 4);
		for (size_t i = 0; i < n; i++)
			kill(workers[i], SIGKILL);
		for (size_t i = 0; i < n; i++)
			WAIT_UNTIL(replaced(d, workers[i], 4));
		/* the master kept the sockets: nobody is refused */
		http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	}
	ck_assert_uint_eq(daemon_log_count(d, 0, "signal 9"), 20);
	daemon_stop(d);
}
END_TEST

START_TEST(workers_that_cannot_start_are_retried_ever_more_slowly)
{
	it_asan_option("detect_leaks=0"); /* a leak checker needs descriptors, too */
	struct daemon *d = daemon_start("server.workers=2", NULL);
	pid_t workers[PROCFS_MAX];
	struct rlimit was, none = {3, 0};
	struct ws ws;

	/* from now on a new worker gets no descriptor for its loop */
	ck_assert_int_eq(prlimit(daemon_pid(d), RLIMIT_NOFILE, NULL, &was), 0);
	none.rlim_max = was.rlim_max;
	ck_assert_int_eq(prlimit(daemon_pid(d), RLIMIT_NOFILE, &none, NULL), 0);
	daemon_expect_error(d, "Too many open files");
	ck_assert_uint_eq(daemon_workers(d, workers), 2);
	ws_open(&ws, daemon_port(d), "/chat", NULL);
	pid_t stays = daemon_worker_of(d, ws.c.fd);
	pid_t victim = workers[0] == stays ? workers[1] : workers[0];
	size_t mark = daemon_log_mark(d);
	ck_assert_int_eq(kill(victim, SIGKILL), 0);
	static const char *const pauses[] = {"at once", "in 0.1 s", "in 0.2 s", "in 0.4 s",
					     "in 0.8 s"};
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		free(daemon_log_wait(d, mark, pauses[i]));
	/* meanwhile its neighbour takes the connections that would wait for it */
	for (int i = 0; i < 20; i++)
		http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	ws_send(&ws, "still here");
	ws_expect(&ws, "still here");
	/* and when it can start, it does, and serves its own again */
	ck_assert_int_eq(prlimit(daemon_pid(d), RLIMIT_NOFILE, &was, NULL), 0);
	WAIT_UNTIL(replaced(d, victim, 2));
	struct ws both[2];
	ws_open_everywhere(both, 2, d, "/chat");
	ws_send(&both[0], "both");
	ws_expect(&both[0], "both");
	ws_expect(&both[1], "both");
	ws_expect(&ws, "both");
	ws_close(&both[0]);
	ws_close(&both[1]);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/*
 * Too few descriptors, one more each time until it serves: never half a daemon.
 */
START_TEST(a_start_that_fails_exits_71)
{
	unsigned failed = 0;
	bool served = false;

	it_asan_option("detect_leaks=0"); /* a leak checker needs descriptors, too */
	for (int n = 24; n < 400 && !served; n += n < 120 ? 16 : 1) {
		char *script =
		    it_printf(""
			      "ulimit -n %d; exec '%s' -c /dev/null -o server.workers=2 -o "
			      "server.listen=127.0.0.1:0 2>&1",
			      n, it_plazad());
		const char *argv[] = {"sh", "-c", script, NULL};
		struct child child;
		char *line;
		bool error = false;
		child_start(&child, argv);
		while (!served && (line = child_read_line(&child))) {
			served = strstr(line, "READY") != NULL;
			error = error || strstr(line, " error: ");
			free(line);
		}
		if (served)
			kill(child.pid, SIGTERM);
		int status = child_wait(&child);
		ck_assert_msg(status == (served ? 0 : 71), "with %d descriptors: %d", n, status);
		ck_assert_msg(served || error, "with %d descriptors: no error in the log", n);
		failed += !served;
		free(script);
	}
	ck_assert(served);
	ck_assert_uint_ge(failed, 8);
}
END_TEST

START_TEST(no_worker_outlives_a_killed_master)
{
	struct daemon *d = daemon_start("server.workers=4", NULL);
	pid_t workers[PROCFS_MAX];
	struct ws ws;
	size_t n = daemon_workers(d, workers);
	uint16_t port = daemon_port(d);

	ck_assert_uint_eq(n, 4);
	ws_open(&ws, port, "/chat", NULL);
	ck_assert_int_eq(kill(daemon_pid(d), SIGKILL), 0);
	for (size_t i = 0; i < n; i++)
		WAIT_UNTIL(!procfs_alive(workers[i]));
	ws_drop(&ws);
	daemon_ended(d, 128 + SIGKILL);
	/* and the port is free for the next one */
	char *listen = it_printf("server.listen=127.0.0.1:%u", port);
	d = daemon_start(listen, NULL);
	ck_assert_uint_eq(daemon_port(d), port);
	http_expect_get(port, "/", 200, NULL);
	free(listen);
	daemon_stop(d);
}
END_TEST

/* A POST whose body is half there: a request in hand */
static void
begin_post(struct http_conn *c, uint16_t port)
{
	http_open(c, port);
	http_send_text(c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n"
			  "Content-Type: application/json\r\nExpect: 100-continue\r\n"
			  "Content-Length: 22\r\n\r\n");
	struct http_answer a;
	http_read(c, "POST", &a);
	ck_assert_int_eq(a.status, 100); /* so it is in hand by now */
	http_answer_fini(&a);
	http_send_text(c, "{\"name\":\"");
}

static void
end_post(struct http_conn *c)
{
	struct http_answer a;

	http_send_text(c, "a\",\"price\":1}");
	http_read(c, "POST", &a);
	ck_assert_int_eq(a.status, 503); /* without a database; but an answer */
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(c);
	http_close(c);
}

static void
stop_gracefully(int signum)
{
	struct daemon *d = daemon_start("store.database=host=/nowhere", NULL);
	struct http_conn idle, half, posting;
	struct http_answer a;
	struct ws ws[4];

	ws_open_everywhere(ws, 4, d, "/chat");
	http_open(&idle, daemon_port(d));
	http_exchange(&idle, "GET", "/", NULL, NULL, &a);
	http_answer_fini(&a);
	http_open(&half, daemon_port(d));
	http_exchange(&half, "GET", "/", NULL, NULL, &a);
	http_answer_fini(&a);
	http_send_text(&half, "GET /half HTTP/1.1\r\nHo");
	begin_post(&posting, daemon_port(d));

	size_t mark = daemon_log_mark(d);
	ck_assert_int_eq(kill(daemon_pid(d), signum), 0);
	free(daemon_log_wait(d, mark, "stopping"));
	for (int i = 0; i < 4; i++)
		ws_expect_close(&ws[i], 1001);
	http_expect_eof(&idle);
	http_close(&idle);
	/* nobody new is kept waiting: refused, while the others are finished */
	WAIT_UNTIL(({
		struct http_conn tried;
		bool open = http_try_open(&tried, daemon_port(d));
		if (open)
			http_close(&tried);
		!open;
	}));
	/* what was in hand is finished */
	http_send_text(&half, "st: localhost\r\n\r\n");
	http_read(&half, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, half");
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(&half);
	http_close(&half);
	end_post(&posting);
	daemon_ended(d, 0);
}

START_TEST(sigterm_finishes_what_is_in_hand)
{
	stop_gracefully(SIGTERM);
}
END_TEST

START_TEST(sigint_does_the_same)
{
	stop_gracefully(SIGINT);
}
END_TEST

START_TEST(a_terminals_interrupt_reaches_all_and_harms_none)
{
	struct daemon_spec spec = {.own_group = true};
	struct daemon *d = daemon_start_spec(&spec);
	struct ws ws[2];

	ws_open_everywhere(ws, 2, d, "/chat");
	/* Control-C goes to the whole group, and the master decides */
	ck_assert_int_eq(kill(-daemon_pid(d), SIGINT), 0);
	ws_expect_close(&ws[0], 1001);
	ws_expect_close(&ws[1], 1001);
	daemon_ended(d, 0);
}
END_TEST

START_TEST(a_second_signal_stops_at_once)
{
	static const int pairs[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGTERM}, {SIGTERM, SIGINT}};

	for (int i = 0; i < 3; i++) {
		struct daemon *d =
		    daemon_start("server.shutdown_timeout=1h", "http.body_timeout=1h",
				 "store.database=host=/nowhere", NULL);
		struct http_conn posting;
		begin_post(&posting, daemon_port(d));
		size_t mark = daemon_log_mark(d);
		kill(daemon_pid(d), pairs[i][0]);
		free(daemon_log_wait(d, mark, "stopping"));
		ck_assert(procfs_alive(daemon_pid(d)));
		kill(daemon_pid(d), pairs[i][1]);
		daemon_ended(d, 0);
		http_close(&posting);
	}
}
END_TEST

START_TEST(a_stop_has_its_time)
{
	/* a request that never ends, a WebSocket that never answers: gone within the timeout */
	struct daemon *d = daemon_start("server.shutdown_timeout=1s", "http.body_timeout=1h",
					"store.database=host=/nowhere", NULL);
	struct http_conn posting;
	struct ws ws;
	uint64_t began;

	begin_post(&posting, daemon_port(d));
	ws_open(&ws, daemon_port(d), "/chat", NULL);
	began = it_now_ms();
	kill(daemon_pid(d), SIGTERM);
	daemon_ended(d, 0);
	ck_assert_uint_lt(it_now_ms() - began, 5000);
	http_close(&posting);
	ws_drop(&ws);
}
END_TEST

START_TEST(an_idle_daemon_stops_quickly)
{
	struct daemon *d = daemon_start("server.shutdown_timeout=1h", NULL);
	struct http_conn idle[4];

	/* connections that never said a word hold nothing up */
	for (int i = 0; i < 4; i++)
		http_open(&idle[i], daemon_port(d));
	uint64_t began = it_now_ms();
	daemon_stop(d);
	ck_assert_uint_lt(it_now_ms() - began, 10000);
	for (int i = 0; i < 4; i++)
		http_close(&idle[i]);
}
END_TEST

START_TEST(a_log_that_nobody_reads_ends_nothing)
{
	struct daemon *d = daemon_start_default();
	pid_t workers[PROCFS_MAX];

	/* signals that are none of the master's */
	kill(daemon_pid(d), SIGPIPE);
	kill(daemon_pid(d), SIGUSR1);
	kill(daemon_pid(d), SIGUSR2);
	ck_assert_uint_eq(daemon_workers(d, workers), 2);
	/* nor the workers' own from a terminal that hangs up */
	kill(workers[0], SIGHUP);
	kill(workers[0], SIGINT);
	kill(workers[0], SIGPIPE);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	pid_t again[PROCFS_MAX];
	ck_assert_uint_eq(daemon_workers(d, again), 2);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "processes");
	tcase_add_test(tc, titles_say_the_role);
	tcase_add_test(tc, ready_says_what_is_served);
	tcase_add_test(tc, workers_are_not_root);
	tcase_add_test(tc, workers_become_the_user_that_is_named);
	tcase_add_test(tc, limits_and_descriptors);

	tc = it_case(s, "deaths");
	tcase_add_test(tc, a_killed_worker_is_replaced_under_traffic);
	tcase_add_test(tc, all_workers_killed_at_once);
	tcase_add_test(tc, workers_that_cannot_start_are_retried_ever_more_slowly);
	tcase_add_test(tc, a_start_that_fails_exits_71);
	tcase_add_test(tc, no_worker_outlives_a_killed_master);

	tc = it_case(s, "stops");
	tcase_add_test(tc, sigterm_finishes_what_is_in_hand);
	tcase_add_test(tc, sigint_does_the_same);
	tcase_add_test(tc, a_terminals_interrupt_reaches_all_and_harms_none);
	tcase_add_test(tc, a_second_signal_stops_at_once);
	tcase_add_test(tc, a_stop_has_its_time);
	tcase_add_test(tc, an_idle_daemon_stops_quickly);
	tcase_add_test(tc, a_log_that_nobody_reads_ends_nothing);
}

int
main(void)
{
	return it_main("master", fill, 0);
}
