/*
 * it_executor.c - the process that runs jobs, as an operator sees it: when there is one, who it is,
 * how it dies and is replaced, and how it ends. Its database is never there in these tests.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c */
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"

#define DATABASE "store.database=host=/nowhere dbname=shelf"

START_TEST(there_is_one_with_a_database_only)
{
	struct daemon *d = daemon_start_default();
	pid_t pids[PROCFS_MAX];

	ck_assert_uint_eq(daemon_executors(d, pids), 0);
	ck_assert(!strstr(daemon_ready_line(d), "executor"));
	/* a database that a reload brings brings it, too, and one that it takes away takes it */
	daemon_write_conf(d, "[store]\ndatabase = host=/nowhere dbname=shelf\n");
	ck_assert(daemon_reload(d));
	ck_assert_uint_eq(daemon_executors(d, pids), 1);
	daemon_wait_workers(d, 2);
	daemon_write_conf(d, "");
	ck_assert(daemon_reload(d));
	WAIT_UNTIL(daemon_executors(d, pids) == 0);
	daemon_stop(d);

	d = daemon_start(DATABASE, NULL);
	ck_assert_uint_eq(daemon_executors(d, pids), 1);
	ck_assert_uint_eq(procfs_children(daemon_pid(d), pids), 3);
	ck_assert_str_eq(procfs_title(daemon_executor(d)), "plazad: executor");
	ck_assert_ptr_nonnull(strstr(daemon_ready_line(d), "2 workers and an executor"));
	http_expect_get(daemon_port(d), "/", 200, NULL);
	daemon_stop(d);
}
END_TEST

/* Whether one of these descriptors is a TCP socket, listening or not. */
static bool
has_tcp(const char *fds)
{
	static const char mark[] = " socket:[";
	char *tcp = it_read_file("/proc/net/tcp");
	bool is_there = false;

	ck_assert_ptr_nonnull(tcp);
	for (const char *at = fds; (at = strstr(at, mark)) != NULL; at += sizeof(mark) - 1) {
		const char *inode = at + sizeof(mark) - 1;
		char *field = it_printf(" %.*s ", (int)strcspn(inode, "]"), inode);

		is_there = is_there || strstr(tcp, field);
		free(field);
	}
	free(tcp);
	return is_there;
}

/* Nobody reaches it from outside, and it may do no more than a worker. */
START_TEST(it_has_no_socket_and_no_rights)
{
	struct daemon *d = daemon_start(DATABASE, "server.listen=127.0.0.1:0 127.0.0.2:0", NULL);
	const pid_t pid = daemon_executor(d);
	char *fds = procfs_fds(pid), *path = it_printf("/proc/%d/status", (int)pid);
	char *status = it_read_file(path);

	/* libcurl has a pair of Unix ones, which nobody else has */
	ck_assert_msg(!has_tcp(fds), "%s", fds);
	ck_assert_msg(!strstr(fds, "signalfd"), "%s", fds);
	ck_assert_ptr_nonnull(status);
	if (geteuid() == 0) {
		const struct passwd *want = getpwnam("plaza");

		if (!want)
			want = getpwnam("nobody");
		ck_assert_ptr_nonnull(want);
		ck_assert_int_eq(procfs_status(pid, "Uid"), (long)want->pw_uid);
		ck_assert_int_eq(procfs_status(pid, "Gid"), (long)want->pw_gid);
	}
	ck_assert_msg(strstr(status, "\nCapEff:\t0000000000000000"), "%s", status);
	ck_assert_msg(strstr(status, "\nNoNewPrivs:\t1"), "%s", status);
	free(status);
	free(path);
	free(fds);
	daemon_stop(d);
}
END_TEST

START_TEST(killed_it_is_back_at_once)
{
	struct daemon *d = daemon_start(DATABASE, NULL);
	pid_t workers[PROCFS_MAX], still[PROCFS_MAX], pid = daemon_executor(d);

	ck_assert_uint_eq(daemon_workers(d, workers), 2);
	size_t mark = daemon_log_mark(d);
	kill(pid, SIGKILL);
	free(daemon_log_wait(d, mark, "executor (pid "));
	ck_assert(daemon_log_has(d, mark, "replaced at once"));
	WAIT_UNTIL(daemon_executor(d) != pid);
	/* it is nobody else's business */
	ck_assert_uint_eq(daemon_workers(d, still), 2);
	for (int i = 0; i < 2; i++)
		ck_assert(still[i] == workers[0] || still[i] == workers[1]);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	/* and the next one waits, for the second in a row may be a crash at the start */
	mark = daemon_log_mark(d);
	kill(daemon_executor(d), SIGKILL);
	free(daemon_log_wait(d, mark, "; replaced in 0.1 s"));
	daemon_executor(d);
	daemon_stop(d);
}
END_TEST

START_TEST(a_reload_makes_another_one)
{
	struct daemon *d = daemon_start(DATABASE, NULL);

	for (int i = 0; i < 5; i++) {
		const pid_t old = daemon_executor(d);

		ck_assert(daemon_reload(d));
		ck_assert_int_ne(daemon_executor(d), old);
		WAIT_UNTIL(!procfs_alive(old));
	}
	/* none of them was killed */
	ck_assert(!daemon_log_has(d, 0, "killed"));
	daemon_stop(d);
}
END_TEST

START_TEST(a_stop_ends_it)
{
	static const int signals[] = {SIGTERM, SIGINT};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct daemon *d = daemon_start(DATABASE, NULL);
		const pid_t pid = daemon_executor(d);
		const uint64_t began = it_now_ms();

		kill(daemon_pid(d), signals[i]);
		daemon_ended(d, 0);
		ck_assert_uint_lt(it_now_ms() - began, 5000);
		ck_assert(!procfs_alive(pid));
	}
}
END_TEST

/* What only a master may tell it. */
START_TEST(a_terminal_does_not_end_it)
{
	struct daemon *d = daemon_start(DATABASE, NULL);
	const pid_t pid = daemon_executor(d);

	kill(pid, SIGINT);
	kill(pid, SIGHUP);
	kill(pid, SIGPIPE);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	ck_assert_int_eq(daemon_executor(d), pid);
	daemon_stop(d);
}
END_TEST

START_TEST(stopped_it_is_killed_at_the_end_of_a_stop)
{
	struct daemon *d = daemon_start(DATABASE, "server.shutdown_timeout=1s", NULL);
	const pid_t pid = daemon_executor(d);
	const uint64_t began = it_now_ms();

	kill(pid, SIGSTOP);
	kill(daemon_pid(d), SIGTERM);
	free(daemon_log_wait(d, 0, "1 process has not left in time; killed"));
	daemon_ended(d, 0);
	ck_assert_uint_ge(it_now_ms() - began, 500);
	ck_assert(!procfs_alive(pid));
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "executor");
	tcase_add_test(tc, there_is_one_with_a_database_only);
	tcase_add_test(tc, it_has_no_socket_and_no_rights);
	tcase_add_test(tc, killed_it_is_back_at_once);
	tcase_add_test(tc, a_reload_makes_another_one);
	tcase_add_test(tc, a_stop_ends_it);
	tcase_add_test(tc, a_terminal_does_not_end_it);
	tcase_add_test(tc, stopped_it_is_killed_at_the_end_of_a_stop);
}

int
main(void)
{
	return it_main("executor", fill, 0);
}
