/*
 * pooler.c - see pooler.h.
 */
#include "pooler.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "pg.h"

static struct {
	pid_t pid;
	const char *dir; /* of its socket, its configuration and its log */
	char *conninfo;
} pooler;

/* PgBouncer refuses to be root. */
static void
become_nobody(void)
{
	const struct passwd *nobody = getuid() == 0 ? getpwnam("nobody") : NULL;

	if (nobody &&
	    (setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0))
		_exit(126);
}

static void
write_conf(const char *path, const char *dbname)
{
	char *conf = it_printf("[databases]\n"
			       "%s = host=%s dbname=%s user=plaza\n"
			       "[pgbouncer]\n"
			       "listen_addr =\n"
			       "listen_port = 6432\n"
			       "unix_socket_dir = %s\n"
			       "logfile = %s.log\n"
			       "auth_type = any\n"
			       "pool_mode = transaction\n"
			       "default_pool_size = %d\n"
			       "max_client_conn = 100\n"
			       "server_login_retry = 1\n",
			       dbname, pg_socket_dir(), dbname, pooler.dir, it_path("pgbouncer"),
			       POOLER_SIZE);

	it_write_file(path, conf);
	free(conf);
}

static bool
answers(void)
{
	struct run run;

	run_args(&run, NULL, "psql", "-XAtqc", "select 1", pooler.conninfo, NULL);
	const bool yes = run.status == 0;
	run_fini(&run);
	return yes;
}

const char *
pooler_start(const char *dbname)
{
	if (!pooler.dir) {
		char *log;
		pooler.dir = it_path("b");
		ck_assert_int_eq(mkdir(pooler.dir, 0777), 0);
		ck_assert_int_eq(chmod(pooler.dir, 0777), 0);
		log = it_printf("%s.log", it_path("pgbouncer"));
		it_write_file(log, "");
		ck_assert_int_eq(chmod(log, 0666), 0);
		free(log);
		pooler.conninfo =
		    it_printf("host=%s port=6432 dbname=%s user=plaza", pooler.dir, dbname);
	}
	char *conf = it_printf("%s/conf", pooler.dir);
	write_conf(conf, dbname);
	pooler.pid = fork();
	ck_assert_int_ge(pooler.pid, 0);
	if (pooler.pid == 0) {
		become_nobody();
		it_die_with_test();
		execlp("pgbouncer", "pgbouncer", "-q", conf, (char *)NULL);
		execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", conf, (char *)NULL);
		fprintf(stderr, "pgbouncer: %s\n", strerror(errno));
		_exit(127);
	}
	free(conf);
	WAIT_UNTIL(answers());
	return pooler.conninfo;
}

void
pooler_kill(void)
{
	ck_assert_int_eq(kill(pooler.pid, SIGKILL), 0);
	ck_assert_int_eq(it_wait_pid(pooler.pid), 128 + SIGKILL);
}

char *
pooler_ask(const char *sql)
{
	struct run run;

	run_args(&run, NULL, "psql", "-XAtqc", sql, pooler.conninfo, NULL);
	ck_assert_msg(run.status == 0, "psql: %s", run.err);
	char *out = run.out;
	out[strcspn(out, "\n")] = '\0';
	free(run.err);
	return out;
}
