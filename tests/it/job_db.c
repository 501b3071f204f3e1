/*
 * job_db.c - see job_db.h. One connection as superuser, made again when it is lost.
 */
#include "job_db.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "pg.h"

#define OPTIONS_MAX 16

static PGconn *pg;
static char *superuser;

void
job_db_use(const char *conninfo)
{
	const char *dbname = strstr(conninfo, "dbname=");

	ck_assert_ptr_nonnull(dbname);
	dbname += strlen("dbname=");
	free(superuser);
	superuser = it_printf("host=%s dbname=%.*s user=postgres", pg_socket_dir(),
			      (int)strcspn(dbname, " "), dbname);
	PQfinish(pg);
	pg = NULL;
}

struct daemon *
job_daemon(const char *conninfo, ...)
{
	const char *options[OPTIONS_MAX + 2];
	char *database = it_printf("store.database=%s", conninfo);
	size_t n = 0;
	va_list ap;

	job_db_use(conninfo);
	options[n++] = database;
	va_start(ap, conninfo);
	while ((options[n] = va_arg(ap, const char *)) != NULL) {
		ck_assert_uint_lt(n, OPTIONS_MAX);
		n++;
	}
	va_end(ap);
	options[n] = NULL;
	struct daemon_spec spec = {.options = options};
	struct daemon *d = daemon_start_spec(&spec);
	free(database);
	job_wait_executors(1);
	return d;
}

void
job_wait_executors(long n)
{
	WAIT_UNTIL(job_number("select (to_regclass('job_worker') is not null)::int") == 1);
	WAIT_UNTIL(job_number("select count(*) from job_worker") == n);
}

/* NULL: it has gone away. */
static PGresult *
try_sql(const char *sql)
{
	if (pg && PQstatus(pg) != CONNECTION_OK) {
		PQfinish(pg);
		pg = NULL;
	}
	if (!pg)
		pg = PQconnectdb(superuser);
	if (PQstatus(pg) != CONNECTION_OK)
		return NULL;
	PGresult *result = PQexec(pg, sql);
	const ExecStatusType status = PQresultStatus(result);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return result;
	/* class 57: the server is going down; no SQLSTATE: it is gone */
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	ck_assert_msg(!sqlstate || strncmp(sqlstate, "57", 2) == 0, "%s: %s", sql,
		      PQerrorMessage(pg));
	PQclear(result);
	PQfinish(pg);
	pg = NULL;
	return NULL;
}

static char *ask(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *
ask(const char *fmt, va_list ap)
{
	PGresult *result;
	char *sql = NULL;

	ck_assert_int_ge(vasprintf(&sql, fmt, ap), 0);
	WAIT_UNTIL((result = try_sql(sql)) != NULL);
	char *text =
	    strdup(PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	free(sql);
	ck_assert_ptr_nonnull(text);
	return text;
}

char *
job_text(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = ask(fmt, ap);
	va_end(ap);
	return text;
}

long
job_number(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = ask(fmt, ap);
	va_end(ap);
	const long number = strtol(text, NULL, 10);
	free(text);
	return number;
}

void
job_do(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(ask(fmt, ap));
	va_end(ap);
}

void
job_put_sleeps(const char *queue, long n, long ms)
{
	const long put = job_number("select count(job_enqueue('sleep', '{\"ms\":%ld}', '%s', "
				    "max_attempts => 100)) from generate_series(1, %ld)",
				    ms, queue, n);

	ck_assert_int_eq(put, n);
}

long
job_wait_done(long n)
{
	long most = 0, done = 0, last = -1;
	struct it_wait wait = it_wait_begin();

	while (done < n) {
		const long leases = job_number("select count(*) from job_lease");

		most = leases > most ? leases : most;
		done = job_number("select count(*) from job_result where state = 'd'");
		/* as long as something moves */
		if (done != last)
			wait = it_wait_begin();
		last = done;
		if (done < n)
			it_wait_again(&wait, __FILE__, __LINE__, "all jobs are done");
	}
	return most;
}

long
job_most_at_once(void)
{
	/* both ends of how long it took are cut to whole milliseconds */
	return job_number("select max(n) from (select sum(d) over (order by at, d) as n from "
			  "(select at - (ms - 2) * interval '1 ms' as at, 1 as d from job_result "
			  "where state = 'd' union all select at, -1 from job_result "
			  "where state = 'd') e) s");
}

void
job_expect_all_done(long n)
{
	job_wait_done(n);
	ck_assert_int_eq(job_number("select count(*) from jobs"), n);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd'"), n);
	ck_assert_int_eq(job_number("select count(distinct id) from job_result where state = 'd'"),
			 n);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 0);
	ck_assert_int_eq(job_number("select count(*) from job_ready"), 0);
	ck_assert_int_eq(job_number("select count(*) from job_later"), 0);
	/* the last attempt is the one that was done, and those before it have failed */
	ck_assert_int_eq(
	    job_number(
		"select count(*) from (select id, count(*) as n, max(attempt) as last, "
		"max(attempt) filter (where state = 'd') as done, "
		"count(*) filter (where state = 'e') as failed from job_result group by id) r "
		"where n <> last or done <> last or failed <> last - 1"),
	    0);
}
