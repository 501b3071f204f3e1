/*
 * pg.c - see pg.h.
 */
#include "pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static char fresh_name[64];

const char *
pg_script(void)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/tests/it/pg_tmp.sh", it_srcdir());
	return path;
}

static char *
pg_dir(void)
{
	return it_printf("%s/pg", it_dir());
}

const char *
pg_socket_dir(void)
{
	static char dir[128];

	snprintf(dir, sizeof(dir), "%s/pg/s", it_dir());
	return dir;
}

void
pg_start(void)
{
	char command[2048];

	snprintf(command, sizeof(command), "'%s' start '%s/pg' max_connections=200 >/dev/null",
		 pg_script(), it_dir());
	if (system(command) != 0) { /* a child of main: no test is running yet */
		fprintf(stderr, "PostgreSQL does not start: %s\n", command);
		exit(1);
	}
}

void
pg_do(const char *verb)
{
	char *dir = pg_dir();
	struct run run;

	run_args(&run, NULL, pg_script(), verb, dir, NULL);
	ck_assert_msg(run.status == 0, "pg_tmp.sh %s: %s", verb, run.err);
	run_fini(&run);
	free(dir);
}

char *
pg_conninfo_of(const char *dbname)
{
	return it_printf("host=%s dbname=%s user=plaza", pg_socket_dir(), dbname);
}

const char *
pg_conninfo(void)
{
	static char *text;

	if (!text)
		text = pg_conninfo_of("plaza");
	return text;
}

char *
pg_query(const char *dbname, const char *sql)
{
	struct run run;

	run_args(&run, NULL, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", pg_socket_dir(), "-U",
		 "postgres", "-d", dbname, "-c", sql, NULL);
	ck_assert_msg(run.status == 0, "psql: %s", run.err);
	char *out = run.out;
	if (run.out_len > 0 && out[run.out_len - 1] == '\n')
		out[run.out_len - 1] = '\0';
	free(run.err);
	return out;
}

char *
pg_ask(const char *sql)
{
	return pg_query(fresh_name, sql);
}

const char *
pg_fresh(void)
{
	static unsigned n;
	static char *conninfo;
	char sql[200];

	snprintf(fresh_name, sizeof(fresh_name), "t%d_%u", (int)getpid(), n++);
	snprintf(sql, sizeof(sql), "create database %s owner plaza", fresh_name);
	free(pg_query("postgres", sql));
	free(conninfo);
	conninfo = pg_conninfo_of(fresh_name);
	return conninfo;
}
