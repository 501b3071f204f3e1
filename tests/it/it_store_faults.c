/*
 * it_store_faults.c - what becomes of products while their database is stopped, restarted, killed,
 * paused, full, or loses its connections, and while workers are killed: nothing that was
 * acknowledged is missing, nothing is there twice under a key, and those who greet and chat notice
 * nothing.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/stream.c tests/it/posters.c tests/it/pg.c -ljansson */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "posters.h"

#define CLIENTS 16
/* Acknowledged before, between and after. */
#define SOME 100

static struct daemon *
start(const char *conninfo)
{
	char *option = it_printf("store.database=%s", conninfo);
	struct daemon *d = daemon_start(option, "server.workers=2", "store.queue_timeout=500ms",
					"store.statement_timeout=1s", NULL);

	free(option);
	free(daemon_log_wait(d, 0, "store: connected"));
	return d;
}

START_TEST(a_stopped_and_started_database)
{
	struct daemon *d = start(pg_fresh());
	struct posters *p = posters_start(d, CLIENTS);

	posters_acknowledged(p, SOME);
	pg_do("stop");
	posters_refused(p, CLIENTS);
	others_are_served(d);
	pg_do("restart");
	posters_acknowledged(p, SOME);
	pg_do("restart");
	posters_acknowledged(p, SOME);
	posters_stop(p, pg_ask);
	daemon_stop(d);
}
END_TEST

START_TEST(a_killed_database)
{
	struct daemon *d = start(pg_fresh());
	struct posters *p = posters_start(d, CLIENTS);

	for (unsigned i = 0; i < 2; i++) {
		posters_acknowledged(p, SOME);
		pg_do("kill");
		posters_refused(p, CLIENTS);
		others_are_served(d);
		pg_do("restart");
	}
	posters_acknowledged(p, SOME);
	posters_stop(p, pg_ask);
	daemon_stop(d);
}
END_TEST

START_TEST(connections_that_are_terminated)
{
	struct daemon *d = start(pg_fresh());
	struct posters *p = posters_start(d, CLIENTS);

	for (unsigned i = 0; i < 15; i++) {
		posters_acknowledged(p, SOME / 10);
		free(pg_ask("select count(pg_terminate_backend(pid)) from pg_stat_activity"
			    " where datname = current_database() and pid <> pg_backend_pid()"));
	}
	others_are_served(d);
	posters_acknowledged(p, SOME);
	posters_stop(p, pg_ask);
	daemon_stop(d);
}
END_TEST

START_TEST(a_paused_database)
{
	struct daemon *d = start(pg_fresh());
	struct posters *p = posters_start(d, CLIENTS);

	posters_acknowledged(p, SOME);
	pg_do("pause");
	others_are_served(d);
	/* they are told, and not kept for ever */
	posters_refused(p, CLIENTS);
	others_are_served(d);
	pg_do("resume");
	posters_acknowledged(p, SOME);
	posters_stop(p, pg_ask);
	daemon_stop(d);
}
END_TEST

START_TEST(killed_workers)
{
	struct daemon *d = start(pg_fresh());
	struct posters *p = posters_start(d, CLIENTS);

	for (unsigned i = 0; i < 6; i++) {
		pid_t pids[PROCFS_MAX];

		posters_acknowledged(p, SOME / 2);
		size_t n = daemon_workers(d, pids);
		if (n)
			kill(pids[i % n], SIGKILL);
	}
	posters_acknowledged(p, SOME);
	posters_stop(p, pg_ask);
	daemon_stop(d);
}
END_TEST

/* ---- a full disk ---- */

static char *small_dir;

static void
small_do(const char *verb)
{
	struct run run;

	run_args(&run, NULL, pg_script(), verb, small_dir, NULL);
	ck_assert_msg(run.status == 0, "pg_tmp.sh %s: %s", verb, run.err);
	run_fini(&run);
}

static char *
small_ask(const char *sql)
{
	char *socket = it_printf("%s/s", small_dir);
	struct run run;

	run_args(&run, NULL, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U",
		 "postgres", "-d", "plaza", "-c", sql, NULL);
	ck_assert_msg(run.status == 0, "psql: %s", run.err);
	free(run.err);
	free(socket);
	return run.out;
}

/* Takes all that is left, but for what PostgreSQL holds already. */
static void
fill_disk(const char *path)
{
	static const char zeros[65536];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

START_TEST(a_full_disk)
{
	struct run run;

	small_dir = it_printf("%s/small", it_dir());
	ck_assert_int_eq(mkdir(small_dir, 0755), 0);
	if (mount("plaza", small_dir, "tmpfs", 0, "size=160m,mode=755") != 0) {
		printf("no tmpfs may be mounted here (%s): a full disk is not tried\n",
		       strerror(errno));
		return;
	}
	run_args(&run, NULL, pg_script(), "start", small_dir, "max_wal_size=32MB",
		 "wal_keep_size=0", "autovacuum=off", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	run_fini(&run);
	char *conninfo = it_printf("host=%s/s dbname=plaza user=plaza", small_dir);
	struct daemon *d = start(conninfo);
	struct posters *p = posters_start(d, CLIENTS);
	char *filler = it_printf("%s/filler", small_dir);

	posters_acknowledged(p, SOME);
	fill_disk(filler);
	posters_refused(p, CLIENTS);
	others_are_served(d);
	ck_assert_int_eq(unlink(filler), 0);
	/* a server that could not write its log is down for good, and its operator starts it */
	small_do("restart");
	posters_acknowledged(p, SOME);
	posters_stop(p, small_ask);
	daemon_expect_error(d, "No space left on device");
	daemon_stop(d);
	small_do("kill");
	ck_assert_int_eq(umount2(small_dir, MNT_DETACH), 0);
	free(filler);
	free(conninfo);
	free(small_dir);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "store faults");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_stopped_and_started_database);
	tcase_add_test(tc, a_killed_database);
	tcase_add_test(tc, connections_that_are_terminated);
	tcase_add_test(tc, a_paused_database);
	tcase_add_test(tc, killed_workers);
	tcase_add_test(tc, a_full_disk);
}

int
main(void)
{
	return it_main("store_faults", fill, IT_WITH_PG);
}
