/*
 * it_jobs_run.c - the executor at work: how many jobs run at a time, in which order and when, what
 * stops them, and what a reload and a stop make of those that run.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c -lpq */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "job_db.h"
#include "pg.h"

/* Three that sleep for a second, put one after the other: how long until all have been seen done.
 */
static uint64_t
three_seconds_took_ms(struct daemon *d)
{
	char *place[3];
	const uint64_t began = it_now_ms();
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	for (int i = 0; i < 3; i++) {
		http_exchange(&c, "POST", "/api/jobs", "Content-Type: application/json\r\n",
			      "{\"kind\":\"sleep\",\"args\":{\"ms\":1000}}", &a);
		ck_assert_int_eq(a.status, 202);
		place[i] = it_printf("%s?wait=20", http_field(&a, "Location"));
		http_answer_fini(&a);
	}
	for (int i = 0; i < 3; i++) {
		http_exchange(&c, "GET", place[i], NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_msg(strstr(a.body, "\"state\":\"done\"") != NULL, "%s", a.body);
		http_answer_fini(&a);
		free(place[i]);
	}
	http_close(&c);
	return it_now_ms() - began;
}

START_TEST(three_jobs_of_a_second_end_within_1200_ms)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	uint64_t took_ms = UINT64_MAX;
	long n = 0;

	/* the machine may be busy; but one that runs them in turn never comes below 2 s */
	for (int i = 0; i < 5 && took_ms >= 1200; i++, n += 3) {
		const uint64_t again_ms = three_seconds_took_ms(d);

		took_ms = again_ms < took_ms ? again_ms : took_ms;
	}
	ck_assert_uint_lt(took_ms, 1200);
	ck_assert_int_ge(job_number("select min(ms) from job_result"), 990);
	ck_assert_int_eq(job_most_at_once(), 3);
	job_expect_all_done(n);
	daemon_stop(d);
}
END_TEST

START_TEST(no_more_than_jobs_concurrency_run)
{
	enum { BOUNDS = 3 };
	static const long bounds[BOUNDS] = {1, 3, 7};
	struct daemon *d[BOUNDS];
	char *conninfo[BOUNDS];

	/* hosts of their own, at the same time */
	for (int i = 0; i < BOUNDS; i++) {
		char *option = it_printf("jobs.concurrency=%ld", bounds[i]);

		conninfo[i] = it_printf("%s", pg_fresh());
		d[i] = job_daemon(conninfo[i], option, NULL);
		/* all of them are used, and never one more; over several queues, too */
		job_put_sleeps("default", 10 * bounds[i], 20);
		job_put_sleeps("second", 10 * bounds[i], 20);
		job_put_sleeps("third", 10 * bounds[i], 20);
		free(option);
	}
	for (int i = 0; i < BOUNDS; i++) {
		job_db_use(conninfo[i]);
		job_expect_all_done(30 * bounds[i]);
		ck_assert_int_eq(job_most_at_once(), bounds[i]);
		daemon_stop(d[i]);
		free(conninfo[i]);
	}
}
END_TEST

START_TEST(many_jobs_of_no_time)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=1000", NULL);

	job_put_sleeps("default", 5000, 0);
	ck_assert_int_le(job_wait_done(5000), 1000);
	job_expect_all_done(5000);
	daemon_stop(d);
}
END_TEST

START_TEST(what_is_put_is_begun_at_once)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	long total_ms = 0;

	/* one after the other, each alone: the mean of the times until its end is stored */
	for (int i = 0; i < 20; i++) {
		job_put_sleeps("default", 1, 0);
		job_wait_done(i + 1);
	}
	total_ms = job_number("select sum(extract(epoch from r.at - j.created) * 1000)::int "
			      "from jobs j join job_result r using (id)");
	/* a look each second, without a word from the database, would take 500 */
	ck_assert_msg(total_ms / 20 < 200, "%ld ms each", total_ms / 20);
	daemon_stop(d);
}
END_TEST

/* Its connection is there and brings nothing: what SQL puts is found by the look of each second. */
START_TEST(a_listener_that_has_gone_deaf_holds_up_nobody)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	long backend = 0;

	WAIT_UNTIL((backend = job_number("select pid from pg_stat_activity where datname = "
					 "current_database() and query like 'listen%%'")) > 0);
	ck_assert_int_eq(kill((pid_t)backend, SIGSTOP), 0);
	const uint64_t began = it_now_ms();
	job_put_sleeps("default", 1, 0);
	job_wait_done(1);
	ck_assert_uint_lt(it_now_ms() - began, it_has_sanitizers() ? 10000 : 3000);
	ck_assert_int_eq(kill((pid_t)backend, SIGCONT), 0);
	daemon_stop(d);
}
END_TEST

START_TEST(the_most_urgent_run_first)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=1", NULL);

	/* all in one transaction: none is begun before all are there */
	job_do(
	    "select job_enqueue('sleep', priority => 9 - n %% 10) from generate_series(0, 29) n");
	job_wait_done(30);
	ck_assert_int_eq(
	    job_number("select count(*) from (select j.priority, lag(j.priority) over "
		       "(order by r.at) as before, j.created, lag(j.created) over (order by r.at) "
		       "from jobs j join job_result r using (id)) t where before > priority"),
	    0);
	job_expect_all_done(30);
	daemon_stop(d);
}
END_TEST

START_TEST(a_scheduled_one_waits_for_its_time)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_do("select job_enqueue('sleep', run_at => now() + n * interval '300 ms') from "
	       "generate_series(1, 5) n");
	ck_assert_int_eq(job_number("select count(*) from job_later"), 5);
	job_wait_done(5);
	/* not before, and soon after */
	ck_assert_int_eq(job_number("select count(*) from jobs j join job_result r using (id) "
				    "where r.at < j.run_at"),
			 0);
	ck_assert_int_eq(job_number("select count(*) from jobs j join job_result r using (id) "
				    "where r.at > j.run_at + interval '%s'",
				    it_has_sanitizers() ? "3 s" : "1 s"),
			 0);
	job_expect_all_done(5);
	daemon_stop(d);
}
END_TEST

START_TEST(what_cannot_run_fails_for_good)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_do("select job_enqueue('sleep', '{\"ms\":-1}')");
	job_do("select job_enqueue('sleep', '{\"hours\":1}')");
	job_do("select job_enqueue('sleep', '{\"ms\":1.5}')");
	/* one that the user's programs run is nobody's here */
	job_do("select job_enqueue('bake')");
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'f'") == 3);
	ck_assert_int_eq(job_number("select count(*) from job_result where error like "
				    "'/args%%must%%' or error like '/args/hours%%'"),
			 3);
	ck_assert_int_eq(job_number("select count(*) from job_ready where hand = 'w'"), 1);
	ck_assert_int_eq(job_number("select count(*) from job_result"), 3);
	daemon_stop(d);
}
END_TEST

START_TEST(a_paused_queue_rests)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_put_sleeps("rests", 1, 0);
	job_wait_done(1);
	job_do("update job_queue set paused = true where queue = 'rests'");
	job_put_sleeps("rests", 2, 0);
	/* others go on, for longer than it takes to look at all queues */
	job_put_sleeps("default", 1, 1100);
	job_wait_done(2);
	ck_assert_int_eq(job_number("select count(*) from job_ready where queue = 'rests'"), 2);
	ck_assert_int_eq(job_number("select count(*) from job_lease"), 0);
	job_do("update job_queue set paused = false where queue = 'rests'");
	job_expect_all_done(4);
	daemon_stop(d);
}
END_TEST

START_TEST(a_queue_has_its_own_bound)
{
	struct daemon *d = job_daemon(pg_fresh(), "jobs.concurrency=5", NULL);

	job_put_sleeps("narrow", 1, 0);
	job_wait_done(1);
	job_do("update job_queue set concurrency = 2 where queue = 'narrow'");
	job_do("delete from job_result");
	job_do("delete from jobs");
	job_put_sleeps("narrow", 40, 10);
	job_put_sleeps("default", 40, 10);
	job_expect_all_done(80);
	ck_assert_int_eq(job_most_at_once(), 5);
	/* the other one has not waited for it */
	job_do("delete from job_result r using jobs j where j.id = r.id and j.queue = 'default'");
	ck_assert_int_eq(job_most_at_once(), 2);
	daemon_stop(d);
}
END_TEST

/* More than there are places for in memory: only SQL can make so many. */
START_TEST(thousands_of_queues_share_what_there_is)
{
	/* not 100 ms: beside other tests a process may not run for so long */
	struct daemon *d =
	    job_daemon(pg_fresh(), "jobs.concurrency=100", "log.slow_callback=900ms", NULL);
	const long n = 2000;

	job_do("select count(job_enqueue('sleep', queue => 'q' || n)) from generate_series(1, %ld) "
	       "n",
	       n);
	job_expect_all_done(n);
	/* and one that is put beside them does not wait for theirs to be looked at */
	ck_assert(!daemon_log_has(d, 0, "slow callback"));
	daemon_stop(d);
}
END_TEST

/* Whatever somebody has put into the tables of one queue. */
START_TEST(a_queue_that_cannot_be_claimed_holds_up_no_other)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);

	job_put_sleeps("odd", 1, 0);
	job_wait_done(1);
	/* an attempt that cannot be counted further */
	job_do("insert into job_ready(id, attempt, last, priority, hand, queue) select id, 32767, "
	       "5, 5, 'p', 'odd' from jobs");
	daemon_expect_error(d, "jobs: the database reports 22003");
	free(daemon_log_wait(d, 0, "jobs: the database reports 22003"));
	for (int i = 0; i < 30; i++) {
		job_put_sleeps("default", 1, 0);
		job_wait_done(i + 2);
	}
	const long total_ms =
	    job_number("select sum(extract(epoch from r.at - j.created) * 1000)::int "
		       "from jobs j join job_result r using (id) where queue = 'default'");
	ck_assert_msg(total_ms / 30 < (it_has_sanitizers() ? 200 : 140), "%ld ms each",
		      total_ms / 30);
	daemon_stop(d);
}
END_TEST

START_TEST(a_queue_that_is_locked_holds_up_no_other)
{
	const char *conninfo = pg_fresh();
	struct daemon *d = job_daemon(conninfo, NULL);
	PGconn *pg = PQconnectdb(conninfo);

	job_put_sleeps("locked", 1, 0);
	job_wait_done(1);
	ck_assert_int_eq(PQstatus(pg), CONNECTION_OK);
	PQclear(PQexec(pg, "begin"));
	PGresult *result = PQexec(pg, "update job_queue set depth = 5 where queue = 'locked'");
	ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	job_put_sleeps("locked", 3, 0);
	for (int i = 0; i < 20; i++) {
		job_put_sleeps("default", 1, 0);
		job_wait_done(i + 2);
	}
	const long total_ms =
	    job_number("select sum(extract(epoch from r.at - j.created) * 1000)::int "
		       "from jobs j join job_result r using (id) where queue = 'default'");
	ck_assert_msg(total_ms / 20 < 400, "%ld ms each", total_ms / 20);
	ck_assert_int_eq(job_number("select count(*) from job_ready where queue = 'locked'"), 3);
	PQclear(PQexec(pg, "commit"));
	PQfinish(pg);
	job_expect_all_done(24);
	daemon_stop(d);
}
END_TEST

static long
cpu_ms(pid_t pid)
{
	char *path = it_printf("/proc/%d/stat", (int)pid), *text = it_read_file(path);
	unsigned long user = 0, sys = 0;

	ck_assert_ptr_nonnull(text);
	/* proc(5): behind the name, which may hold anything, 11 fields and these */
	ck_assert_int_eq(sscanf(strrchr(text, ')') + 1,
				" %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
				&sys),
			 2);
	free(text);
	free(path);
	return (long)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

/* It waits from one attempt to the next, however many jobs come meanwhile. */
START_TEST(claims_that_fail_take_no_time)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	const pid_t executor = daemon_executor(d);
	struct http_conn c;
	long n = 0;

	job_put_sleeps("default", 1, 0);
	job_wait_done(1);
	daemon_expect_error(d, "permission denied for table job_lease");
	job_do("revoke insert on job_lease from plaza");
	http_open(&c, daemon_port(d));
	const long before_ms = cpu_ms(executor);
	const uint64_t until_ms = it_now_ms() + 1000;
	while (it_now_ms() < until_ms) {
		struct http_answer a;

		http_exchange(&c, "POST", "/api/jobs", "Content-Type: application/json\r\n",
			      "{\"kind\":\"sleep\"}", &a);
		ck_assert_int_eq(a.status, 202);
		http_answer_fini(&a);
		n++;
	}
	const long took_ms = cpu_ms(executor) - before_ms;
	ck_assert_msg(took_ms < (it_has_sanitizers() ? 600 : 300), "%ld ms of a second", took_ms);
	http_close(&c);
	job_do("grant insert on job_lease to plaza");
	job_expect_all_done(n + 1);
	daemon_stop(d);
}
END_TEST

static void
wait_running(long n)
{
	WAIT_UNTIL(job_number("select count(*) from job_lease") == n);
}

START_TEST(a_running_one_can_be_cancelled)
{
	struct daemon *d = job_daemon(pg_fresh(), "server.shutdown_timeout=1s", NULL);

	job_put_sleeps("default", 3, 3600000);
	wait_running(3);
	/* as another host would: only the beat tells */
	job_do("update job_lease set cancel = true where id in (select id from job_lease order by "
	       "id limit 2)");
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'c'") == 2);
	ck_assert_int_eq(job_number("select count(*) from job_lease where not cancel"), 1);
	ck_assert_int_eq(job_number("select count(*) from job_lease"), 1);
	/* and their places are free */
	job_put_sleeps("default", 3, 50);
	ck_assert_int_eq(job_wait_done(3), 3);
	ck_assert_int_eq(job_most_at_once(), 2);
	daemon_stop(d);
}
END_TEST

START_TEST(a_reload_lets_jobs_end_where_they_run)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	const pid_t old = daemon_executor(d);

	job_put_sleeps("default", 3, 1000);
	wait_running(3);
	ck_assert(daemon_reload(d));
	ck_assert(procfs_alive(old));
	job_put_sleeps("default", 3, 20);
	/* the new one begins nothing while the old one has all places */
	job_wait_done(6);
	ck_assert_int_eq(job_most_at_once(), 3);
	WAIT_UNTIL(!procfs_alive(old));
	job_wait_executors(1);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	job_expect_all_done(6);
	daemon_stop(d);
}
END_TEST

/* With the shipped default, whoever comes and goes. */
START_TEST(the_bound_holds_over_reloads_and_kills)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	const long n = 48;

	/* longer than it takes a new one to claim: the old one has jobs in hand all that time */
	job_put_sleeps("default", n, 150);
	for (int i = 0; i < 6; i++) {
		const long until = job_number("select count(*) from job_result where state = 'd'");
		pid_t pids[PROCFS_MAX];

		ck_assert(daemon_reload(d));
		/* one of the two, or the one, while it has jobs in hand */
		if (i % 2 && daemon_executors(d, pids) > 0)
			kill(pids[0], SIGKILL);
		WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") >=
			   until + 4);
	}
	job_expect_all_done(n);
	ck_assert_int_eq(job_most_at_once(), 3);
	/* only what was killed was tried again */
	ck_assert_int_le(job_number("select count(*) from job_result where state = 'e'"), 3 * 3);
	daemon_stop(d);
}
END_TEST

START_TEST(a_reload_changes_the_bound_while_jobs_run)
{
	static const int bounds[] = {1, 8};
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	long n = 20;

	job_put_sleeps("default", n, 50);
	WAIT_UNTIL(job_number("select count(*) from job_result") >= 3);
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		char *conf = it_printf("[jobs]\nconcurrency = %d\n", bounds[i]);
		const pid_t old = daemon_executor(d);

		daemon_write_conf(d, conf);
		ck_assert(daemon_reload(d));
		/* as long as there are two, neither passes the larger bound */
		WAIT_UNTIL(!procfs_alive(old));
		job_expect_all_done(n);
		ck_assert_int_le(job_most_at_once(), i ? bounds[i] : 3);
		job_do("with r as (delete from job_result) delete from jobs");
		n = 3 * bounds[i];
		job_put_sleeps("default", n, 50);
		job_expect_all_done(n);
		ck_assert_int_eq(job_most_at_once(), bounds[i]);
		free(conf);
	}
	daemon_stop(d);
}
END_TEST

/* There is no queue any more, but what was begun ends, and is stored. */
START_TEST(a_reload_without_a_database_lets_jobs_end)
{
	const char *conninfo = pg_fresh();
	char *conf = it_printf("[store]\ndatabase = %s\n", conninfo);
	struct daemon_spec spec = {.conf = conf};
	struct daemon *d = daemon_start_spec(&spec);
	const pid_t old = daemon_executor(d);

	job_db_use(conninfo);
	job_wait_executors(1);
	job_put_sleeps("default", 3, 1000);
	job_put_sleeps("default", 3, 0);
	wait_running(3);
	daemon_write_conf(d, "");
	ck_assert(daemon_reload(d));
	http_expect_get(daemon_port(d), "/", 200, NULL);
	ck_assert(procfs_alive(old));
	WAIT_UNTIL(!procfs_alive(old));
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd'"), 3);
	ck_assert_int_eq(job_number("select count(*) from job_lease"), 0);
	ck_assert_int_eq(job_number("select count(*) from job_ready where attempt = 0"), 3);
	ck_assert_int_eq(job_number("select count(*) from job_worker"), 0);
	/* and the rest is done when there is one again */
	daemon_write_conf(d, conf);
	ck_assert(daemon_reload(d));
	job_expect_all_done(6);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(d);
	free(conf);
}
END_TEST

START_TEST(a_stop_gives_back_what_runs)
{
	const char *conninfo = pg_fresh();
	struct daemon *d = job_daemon(conninfo, "server.shutdown_timeout=2s", NULL);

	job_put_sleeps("default", 2, 3600000);
	job_put_sleeps("default", 1, 400);
	wait_running(3);
	const uint64_t began = it_now_ms();
	daemon_stop(d);
	/* it had time to end, which one of them has used */
	ck_assert_uint_lt(it_now_ms() - began, it_has_sanitizers() ? 5000 : 3000);
	ck_assert_int_eq(job_number("select count(*) from job_lease"), 0);
	ck_assert_int_eq(job_number("select count(*) from job_ready where attempt = 0"), 2);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd'"), 1);
	ck_assert_int_eq(job_number("select count(*) from job_worker"), 0);
	/* and the next one goes on with them */
	d = job_daemon(conninfo, "server.shutdown_timeout=1s", NULL);
	wait_running(2);
	ck_assert_int_eq(job_number("select max(attempt) from job_lease"), 1);
	daemon_stop(d);
	ck_assert_int_eq(job_number("select count(*) from job_ready where attempt = 0"), 2);
}
END_TEST

START_TEST(an_idle_one_stops_at_once)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	const uint64_t began = it_now_ms();

	daemon_stop(d);
	ck_assert_uint_lt(it_now_ms() - began, 3000);
	ck_assert_int_eq(job_number("select count(*) from job_worker"), 0);
}
END_TEST

START_TEST(the_room_hears_of_it)
{
	struct daemon *d = job_daemon(pg_fresh(), NULL);
	struct http_answer a;

	job_do("select job_enqueue('sleep', '{\"ms\":1}', 'quiet')");
	job_wait_done(1);
	char *id = job_text("select id from jobs");
	struct http_conn c;

	http_open(&c, daemon_port(d));
	for (bool heard = false; !heard;) {
		http_exchange(&c, "GET", "/chat/_jobs/history", NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		heard = strstr(a.body, "\"state\":\"done\"") != NULL;
		if (heard) {
			const char *running = strstr(a.body, "\"state\":\"running\"");

			ck_assert_msg(running && running < strstr(a.body, "\"state\":\"done\""),
				      "%s", a.body);
			ck_assert_msg(strstr(a.body, id) != NULL, "%s", a.body);
			ck_assert_msg(strstr(a.body, "\"queue\":\"quiet\"") != NULL, "%s", a.body);
			/* never what it was given */
			ck_assert_msg(!strstr(a.body, "\"ms\""), "%s", a.body);
		}
		http_answer_fini(&a);
	}
	http_close(&c);
	free(id);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "running");
	tcase_add_test(tc, three_jobs_of_a_second_end_within_1200_ms);
	tcase_add_test(tc, no_more_than_jobs_concurrency_run);
	tcase_add_test(tc, many_jobs_of_no_time);
	tcase_add_test(tc, what_is_put_is_begun_at_once);
	tcase_add_test(tc, a_listener_that_has_gone_deaf_holds_up_nobody);
	tcase_add_test(tc, the_most_urgent_run_first);
	tcase_add_test(tc, a_scheduled_one_waits_for_its_time);
	tcase_add_test(tc, what_cannot_run_fails_for_good);
	tcase_add_test(tc, a_paused_queue_rests);
	tcase_add_test(tc, a_queue_has_its_own_bound);
	tcase_add_test(tc, thousands_of_queues_share_what_there_is);
	tcase_add_test(tc, a_queue_that_cannot_be_claimed_holds_up_no_other);
	tcase_add_test(tc, a_queue_that_is_locked_holds_up_no_other);
	tcase_add_test(tc, claims_that_fail_take_no_time);
	tcase_add_test(tc, a_running_one_can_be_cancelled);
	tcase_add_test(tc, the_room_hears_of_it);

	tc = it_case(s, "ends");
	tcase_add_test(tc, a_reload_lets_jobs_end_where_they_run);
	tcase_add_test(tc, the_bound_holds_over_reloads_and_kills);
	tcase_add_test(tc, a_reload_changes_the_bound_while_jobs_run);
	tcase_add_test(tc, a_reload_without_a_database_lets_jobs_end);
	tcase_add_test(tc, a_stop_gives_back_what_runs);
	tcase_add_test(tc, an_idle_one_stops_at_once);
}

int
main(void)
{
	return it_main("jobs_run", fill, IT_WITH_PG);
}
