/*
 * it_jobs_faults.c - what the executor and its database survive: killed at random, stopped for
 * longer than anybody waits, cut off, restarted. Nothing is lost, nothing is done twice in the
 * database's eyes, and each attempt that was cut short is on record.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c -lpq */
#include <libpq-fe.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "job_db.h"
#include "pg.h"

/* Slow machines and sanitizers want longer. */
static uint64_t
within_ms(uint64_t ms)
{
	return it_has_sanitizers() ? 5 * ms : ms;
}

static void
wait_results(long n)
{
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") >= n);
}

START_TEST(killed_at_random_under_load)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=20", NULL);
	unsigned seed = (unsigned)getpid();
	long until = 0;

	job_put_sleeps("default", 600, 20);
	/* each one that dies early makes the next one wait longer: six take three seconds */
	for (int i = 0; i < 6; i++) {
		until += 1 + rand_r(&seed) % 90;
		wait_results(until);
		kill(daemon_executor(d), SIGKILL);
	}
	job_expect_all_done(600);
	/* what ran when it died has failed then, and says why */
	ck_assert_int_gt(job_number("select count(*) from job_result where state = 'e'"), 0);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'e' and error "
				    "not like 'lost%%'"),
			 0);
	/* at most what ran each time */
	ck_assert_int_le(job_number("select count(*) from job_result where state = 'e'"), 6 * 20);
	daemon_stop(d);
}
END_TEST

START_TEST(the_successor_takes_its_jobs_at_once)
{
	struct daemon *d = job_daemon(pg_fresh(), "server.shutdown_timeout=1s", NULL);
	const long dead = job_number("select worker from job_worker");

	job_put_sleeps("default", 3, 3600000);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	const uint64_t began = it_now_ms();
	kill(daemon_executor(d), SIGKILL);
	WAIT_UNTIL(job_number("select count(*) from job_lease where attempt = 2") == 3);
	ck_assert_uint_lt(it_now_ms() - began, within_ms(1000));
	ck_assert_int_eq(job_number("select count(*) from job_lease where worker = %ld", dead), 0);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'e'"), 3);
	daemon_stop(d);
}
END_TEST

/* Its last attempt: dead, and not tried for ever. */
START_TEST(what_always_kills_it_ends)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_do("select job_enqueue('sleep', '{\"ms\":3600000}', max_attempts => 2)");
	for (int attempt = 1; attempt <= 2; attempt++) {
		WAIT_UNTIL(job_number("select coalesce(max(attempt), 0) from job_lease") ==
			   attempt);
		kill(daemon_executor(d), SIGKILL);
	}
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'x'") == 1);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'e'"), 1);
	ck_assert_int_eq(job_number("select count(*) from job_ready"), 0);
	daemon_stop(d);
}
END_TEST

/* In a reload there are two; the one that drains is not replaced when it dies. */
START_TEST(one_that_drains_is_looked_after_too)
{
	struct daemon *d = job_daemon(pg_fresh(), "server.shutdown_timeout=1s", NULL);
	const pid_t old = daemon_executor(d);

	job_put_sleeps("default", 3, 3600000);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	ck_assert(daemon_reload(d));
	job_wait_executors(2);
	const uint64_t began = it_now_ms();
	kill(old, SIGKILL);
	WAIT_UNTIL(job_number("select count(*) from job_lease where attempt = 2") == 3);
	ck_assert_uint_lt(it_now_ms() - began, within_ms(1500));
	daemon_stop(d);
}
END_TEST

/* The executor itself knows that they run: what the database says, it may not have heard yet. */
static void
wait_told_running(struct daemon *d, unsigned n)
{
	struct http_conn c;
	unsigned told = 0;

	http_open(&c, daemon_port(d));
	WAIT_UNTIL(({
		struct http_answer a;

		http_exchange(&c, "GET", "/chat/_jobs/history", NULL, NULL, &a);
		told = 0;
		for (const char *at = a.body; (at = strstr(at, "\"running\"")) != NULL; at++)
			told++;
		http_answer_fini(&a);
		told >= n;
	}));
	http_close(&c);
}

START_TEST(stopped_for_longer_than_anybody_waits)
{
	const char *conninfo = pg_fresh();
	struct daemon *a = job_daemon(conninfo, NULL);
	const pid_t stopped = daemon_executor(a);

	job_put_sleeps("default", 3, 500);
	wait_told_running(a, 3);
	kill(stopped, SIGSTOP);
	const uint64_t began = it_now_ms();
	/* another host has the same database */
	char *database = it_printf("store.database=%s", conninfo);
	struct daemon *b = daemon_start(database, NULL);
	free(database);
	WAIT_UNTIL(job_number("select count(*) from job_lease where attempt = 1") == 0);
	const uint64_t took = it_now_ms() - began;
	ck_assert_msg(took < within_ms(15000), "%llu ms", (unsigned long long)took);
	job_wait_done(3);
	/* it wakes, ends its jobs, and nobody believes it */
	const size_t mark = daemon_log_mark(a);
	kill(stopped, SIGCONT);
	WAIT_UNTIL(daemon_log_count(a, mark, "taken from us") == 3);
	job_expect_all_done(3);
	ck_assert_int_eq(
	    job_number("select count(*) from job_result where state = 'd' and attempt = 1"), 0);
	/* and it works again */
	job_wait_executors(2);
	kill(daemon_executor(b), SIGSTOP);
	job_put_sleeps("default", 3, 0);
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") == 6);
	kill(daemon_executor(b), SIGCONT);
	daemon_stop(a);
	daemon_stop(b);
}
END_TEST

/* As a laptop that was closed: nobody else is there, and it does not take its own jobs for lost. */
START_TEST(stopped_alone_it_goes_on)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	const pid_t pid = daemon_executor(d);

	job_put_sleeps("default", 3, 300);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	kill(pid, SIGSTOP);
	WAIT_UNTIL(job_number("select (now() - beat > '12 s')::int from job_worker") == 1);
	kill(pid, SIGCONT);
	job_expect_all_done(3);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(d);
}
END_TEST

START_TEST(the_database_is_restarted_and_killed_under_load)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=20", NULL);
	long until = 0;

	job_put_sleeps("default", 600, 20);
	for (int i = 0; i < 4; i++) {
		until += 60;
		wait_results(until);
		if (i % 2)
			pg_do("kill");
		pg_do("restart");
	}
	job_expect_all_done(600);
	/* nobody was away for so long that another one had to take them */
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(d);
}
END_TEST

START_TEST(ends_wait_for_a_database_that_is_away)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_put_sleeps("default", 3, 700);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	const size_t mark = daemon_log_mark(d);
	pg_do("stop");
	free(daemon_log_wait(d, mark, "executor warning: jobs: "));
	/* they end meanwhile; it would be another run of theirs that took so long again */
	const uint64_t ended = it_now_ms() + 800;
	WAIT_UNTIL(it_now_ms() >= ended);
	pg_do("restart");
	job_expect_all_done(3);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	ck_assert_int_lt(job_number("select max(ms) from job_result"), (long)within_ms(1500));
	daemon_stop(d);
}
END_TEST

START_TEST(connections_are_cut_in_a_loop)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=20", NULL);

	job_put_sleeps("default", 600, 10);
	/* each one that is lost soon after another makes the next attempt wait longer */
	for (int i = 0; i < 7; i++) {
		const long until = job_number("select count(*) from job_result") + 5;

		job_number("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
			   "application_name = 'plazad'");
		if (until < 550)
			WAIT_UNTIL(job_number("select count(*) from job_result") >= until);
	}
	job_expect_all_done(600);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(d);
}
END_TEST

/* ---- with producers that do not give up ---- */

#define PRODUCERS 4
#define PUTS      120 /* of each */
#define SLEEP_5   "{\"kind\":\"sleep\",\"args\":{\"ms\":5},\"max_attempts\":100"

/* Whether the job is there: 202, or 200 because it was. */
static bool
put_once(uint16_t port, const char *method, const char *target, const char *body)
{
	struct http_conn c;
	struct http_answer a;
	char head[300];
	bool is_put = false;
	const int n = snprintf(head, sizeof(head),
			       "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: %zu\r\n"
			       "Content-Type: application/json\r\nConnection: close\r\n\r\n",
			       method, target, port, strlen(body));

	if (!http_try_open(&c, port))
		return false;
	if (http_try_send(&c, head, (size_t)n) && http_try_send(&c, body, strlen(body)) &&
	    !http_try_read(&c, method, &a)) {
		is_put = a.status == 202 || a.status == 200;
		/* what is said of a body that is good, and of a queue that has room */
		if (!is_put && a.status != 503)
			_exit(3);
		http_answer_fini(&a);
	}
	http_close(&c);
	return is_put;
}

/* Half of its jobs have ids of its own; the others have keys, the same as the other producers'. */
static _Noreturn void
produce(uint16_t port, unsigned me)
{
	const uint64_t now_ms = (uint64_t)time(NULL) * 1000;

	it_die_with_test();
	for (unsigned i = 0; i < PUTS; i++) {
		char target[80] = "/api/jobs", body[200];

		if (i % 2)
			snprintf(target, sizeof(target), "/api/jobs/%08x-%04x-7000-8000-%06x%06x",
				 (unsigned)(now_ms >> 16), (unsigned)(now_ms & 0xffff), me, i);
		if (i % 2)
			snprintf(body, sizeof(body), SLEEP_5 "}");
		else
			snprintf(body, sizeof(body), SLEEP_5 ",\"unique\":\"key-%u\"}", i);
		/* refused at once while there is nobody: others want to run, too */
		while (!put_once(port, i % 2 ? "PUT" : "POST", target, body))
			sched_yield();
	}
	_exit(0);
}

START_TEST(workers_and_executors_are_killed_while_jobs_are_put)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=10",
				      "http.max_connections_per_address=off", NULL);
	pid_t producer[PRODUCERS], workers[PROCFS_MAX];
	unsigned seed = (unsigned)getpid();
	const long n = PRODUCERS * PUTS / 2 + PUTS / 2;
	long until = 0;

	for (unsigned i = 0; i < PRODUCERS; i++) {
		producer[i] = fork();
		ck_assert_int_ge(producer[i], 0);
		if (producer[i] == 0)
			produce(daemon_port(d), i);
	}
	for (int i = 0; i < 8; i++) {
		until += 1 + rand_r(&seed) % 35;
		wait_results(until);
		if (i % 2)
			kill(daemon_executor(d), SIGKILL);
		else if (daemon_workers(d, workers) > 0)
			kill(workers[0], SIGKILL);
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		ck_assert_int_eq(it_wait_pid(producer[i]), 0);
	/* nothing that was acknowledged is lost, and each key has had one effect */
	job_expect_all_done(n);
	ck_assert_int_eq(job_number("select count(*) from jobs where ukey is not null"), PUTS / 2);
	ck_assert_int_eq(job_number("select count(distinct ukey) from jobs"), PUTS / 2);
	daemon_stop(d);
}
END_TEST

/* As after a claim whose answer was lost, whatever the reason. */
START_TEST(a_lease_that_nobody_knows_of_is_given_back)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_put_sleeps("default", 1, 0);
	job_wait_done(1);
	job_do("update job_queue set paused = true");
	job_put_sleeps("default", 3, 0);
	job_do("with r as (delete from job_ready returning *) insert into job_lease(id, lease, "
	       "worker, deadline, attempt, last, priority, hand, queue) select id, "
	       "nextval('job_lease_no'), (select worker from job_worker), now() + '1 h', "
	       "attempt + 1, last, priority, hand, queue from r");
	job_do("update job_queue set paused = false");
	/* who connects asks what the database believes it has */
	job_do("select pg_terminate_backend(pid) from pg_stat_activity where application_name = "
	       "'plazad'");
	job_expect_all_done(4);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(d);
}
END_TEST

/* Rows that are gone stay in the tables and in their indexes as long as it lasts. */
START_TEST(a_transaction_that_pins_the_horizon)
{
	const char *conninfo = pg_fresh();
	const long n = it_has_sanitizers() ? 10000 : 50000;
	struct daemon *d =
	    job_daemon(conninfo, "jobs.concurrency=1000", "jobs.queue_depth=1000000", NULL);
	PGconn *idle = PQconnectdb(conninfo);

	ck_assert_int_eq(PQstatus(idle), CONNECTION_OK);
	PGresult *result = PQexec(idle, "begin; create table pins (); select txid_current()");
	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	PQclear(result);
	job_do("insert into job_queue(queue, paused) values ('default', true) on conflict (queue) "
	       "do update set paused = true");
	job_put_sleeps("default", n, 0);
	job_do("update job_queue set paused = false");
	job_expect_all_done(n);
	/* the last ones took no longer than the first ones, or not much */
	char *slower =
	    job_text("select (max(at) filter (where t = 5) - min(at) filter (where t = 5)) > "
		     "5 * (max(at) filter (where t = 1) - min(at) filter (where t = 1)) from "
		     "(select at, ntile(5) over (order by at) as t from job_result) r");
	ck_assert_str_eq(slower, "f");
	free(slower);
	PQfinish(idle);
	daemon_stop(d);
}
END_TEST

START_TEST(a_daemon_that_was_killed_leaves_nothing_behind)
{
	const char *conninfo = pg_fresh();
	struct daemon *d = job_daemon(conninfo, NULL);

	job_put_sleeps("default", 3, 300);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	kill(daemon_pid(d), SIGKILL);
	daemon_ended(d, 128 + SIGKILL);
	/* nobody of this host knows of them: they are missed as another host's are */
	char *database = it_printf("store.database=%s", conninfo);
	d = daemon_start(database, NULL);
	free(database);
	job_expect_all_done(3);
	ck_assert_int_eq(job_number("select min(attempt) from job_result where state = 'd'"), 2);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "executors");
	tcase_add_test(tc, killed_at_random_under_load);
	tcase_add_test(tc, workers_and_executors_are_killed_while_jobs_are_put);
	tcase_add_test(tc, the_successor_takes_its_jobs_at_once);
	tcase_add_test(tc, what_always_kills_it_ends);
	tcase_add_test(tc, one_that_drains_is_looked_after_too);
	tcase_add_test(tc, stopped_for_longer_than_anybody_waits);
	tcase_add_test(tc, stopped_alone_it_goes_on);
	tcase_add_test(tc, a_daemon_that_was_killed_leaves_nothing_behind);

	tc = it_case(s, "databases");
	tcase_add_test(tc, the_database_is_restarted_and_killed_under_load);
	tcase_add_test(tc, ends_wait_for_a_database_that_is_away);
	tcase_add_test(tc, connections_are_cut_in_a_loop);
	tcase_add_test(tc, a_lease_that_nobody_knows_of_is_given_back);
	tcase_add_test(tc, a_transaction_that_pins_the_horizon);
}

int
main(void)
{
	return it_main("jobs_faults", fill, IT_WITH_PG);
}
