/*
 * it_jobs_faults.c - what the executor and its database survive: killed at random, stopped for
 * longer than anybody waits, cut off, restarted. Nothing is lost, nothing is done twice in the
 * database's eyes, and each attempt that was cut short is on record.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/origin.c -lpq -lz */
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
#include "origin.h"
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
	/* each one that dies early makes the next one wait longer: five take two seconds */
	for (int i = 0; i < 5; i++) {
		until += 1 + rand_r(&seed) % 90;
		wait_results(until);
		kill(daemon_executor(d), SIGKILL);
	}
	job_expect_all_done(600);
	ck_assert_int_eq(job_most_at_once(), 20);
	/* what ran when it died has failed then, and says why */
	ck_assert_int_gt(job_number("select count(*) from job_result where state = 'e'"), 0);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'e' and error "
				    "not like 'lost%%'"),
			 0);
	/* at most what ran each time */
	ck_assert_int_le(job_number("select count(*) from job_result where state = 'e'"), 5 * 20);
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

/* The server goes on with what the dead has asked for: it may be given jobs after its end. */
START_TEST(what_is_claimed_for_the_dead_is_taken_at_once)
{
	struct daemon *d = job_daemon(pg_fresh(), "server.shutdown_timeout=1s", NULL);
	const long dead = job_number("select worker from job_worker");

	job_put_sleeps("default", 1, 0);
	job_wait_done(1);
	const pid_t claims =
	    (pid_t)job_number("select pid from pg_stat_activity where datname = "
			      "current_database() and application_name = 'plazad' and query like "
			      "'%%job_claim%%'");
	ck_assert_int_gt(claims, 0);
	ck_assert_int_eq(kill(claims, SIGSTOP), 0);
	job_put_sleeps("default", 3, 3600000);
	/* who beats after that has been told of them before, and has asked for them */
	char *put_at = job_text("select clock_timestamp()");
	WAIT_UNTIL(job_number("select count(*) from job_worker where beat > '%s'", put_at) == 1);
	job_do("update job_queue set paused = true");
	kill(daemon_executor(d), SIGKILL);
	/* its successor has looked for what there was, which was nothing, and has its hands full */
	job_put_sleeps("other", 3, 3600000);
	WAIT_UNTIL(job_number("select count(*) from job_lease where worker <> %ld", dead) == 3);
	WAIT_UNTIL(job_number("select count(*) from job_worker where worker = %ld", dead) == 0);
	job_do("update job_queue set paused = false");
	const uint64_t began = it_now_ms();
	ck_assert_int_eq(kill(claims, SIGCONT), 0);
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'e'") == 3);
	ck_assert_uint_lt(it_now_ms() - began, within_ms(2000));
	ck_assert_int_eq(job_number("select count(*) from job_lease where worker = %ld", dead), 0);
	ck_assert_int_eq(job_number("select count(*) from job_ready where attempt = 1"), 3);
	free(put_at);
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

/* A daemon of its own host on the database of `conninfo`, besides those that are there. */
static struct daemon *
other_host(const char *conninfo, const char *option)
{
	char *database = it_printf("store.database=%s", conninfo);
	struct daemon *d = daemon_start(database, option, NULL);

	free(database);
	return d;
}

/*
 * An executor of another host waits for ten seconds and more until it believes that one is dead. So
 * what can be seen of that is seen at once, on three databases:
 * - `split`: one is stopped for longer than the other waits, which takes its jobs within 15 s. It
 *   wakes, ends its jobs, and is not believed;
 * - `alone`: one is stopped as a laptop that was closed: nobody else is there, and it does not take
 *   its own jobs for lost;
 * - `gone`: a whole daemon is killed, and the next one of that host knows nothing of it.
 */
START_TEST(silent_for_longer_than_anybody_waits)
{
	char *split = it_printf("%s", pg_fresh());
	/* it watches all the time, and has its hands full until about then */
	struct daemon *watcher = job_daemon(split, "jobs.concurrency=1", NULL);
	job_put_sleeps("default", 1, 9000);
	wait_told_running(watcher, 1);
	struct daemon *late = other_host(split, NULL);
	job_wait_executors(2);
	job_put_sleeps("default", 3, 500);
	wait_told_running(late, 3);
	const pid_t stopped = daemon_executor(late);
	kill(stopped, SIGSTOP);
	char *stopped_at = job_text("select now()");

	char *alone = it_printf("%s", pg_fresh());
	struct daemon *laptop = job_daemon(alone, NULL);
	job_put_sleeps("default", 3, 300);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	const pid_t closed = daemon_executor(laptop);
	kill(closed, SIGSTOP);

	char *gone = it_printf("%s", pg_fresh());
	struct daemon *next = job_daemon(gone, NULL);
	job_put_sleeps("default", 3, 300);
	WAIT_UNTIL(job_number("select count(*) from job_lease") == 3);
	kill(daemon_pid(next), SIGKILL);
	daemon_ended(next, 128 + SIGKILL);
	next = other_host(gone, NULL);

	job_db_use(split);
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'e'") == 3);
	char *took_ms = job_text("select extract(epoch from max(at) - '%s') * 1000 from job_result "
				 "where state = 'e'",
				 stopped_at);
	ck_assert_msg(strtod(took_ms, NULL) < (double)within_ms(15000), "%s ms", took_ms);
	job_wait_done(4);
	const size_t mark = daemon_log_mark(late);
	kill(stopped, SIGCONT);
	WAIT_UNTIL(daemon_log_count(late, mark, "taken from us") == 3);
	job_expect_all_done(4);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd' and "
				    "attempt = 1"),
			 1);
	/* and it works again */
	job_wait_executors(2);
	kill(daemon_executor(watcher), SIGSTOP);
	job_put_sleeps("default", 3, 0);
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") == 7);
	kill(daemon_executor(watcher), SIGCONT);
	daemon_stop(late);
	daemon_stop(watcher);

	job_db_use(alone);
	WAIT_UNTIL(job_number("select (now() - beat > '12 s')::int from job_worker") == 1);
	kill(closed, SIGCONT);
	job_expect_all_done(3);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	daemon_stop(laptop);

	job_db_use(gone);
	job_expect_all_done(3);
	ck_assert_int_eq(job_number("select min(attempt) from job_result where state = 'd'"), 2);
	daemon_stop(next);
	free(took_ms);
	free(stopped_at);
	free(gone);
	free(alone);
	free(split);
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
	do {
		struct http_answer a;

		http_request(daemon_port(d), "POST", "/api/jobs",
			     "Content-Type: application/json\r\n", "{\"kind\":\"sleep\"}", &a);
		ck_assert_int_eq(a.status, 503);
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
		ck_assert_int_ge(strtol(http_field(&a, "Retry-After"), NULL, 10), 1);
		http_answer_fini(&a);
	} while (it_now_ms() < ended);
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
	/* each one that is lost soon after another makes the next attempt wait longer: so now and
	 * then all of them, and for the rest one at a time */
	for (int i = 0; i < 20; i++) {
		const long until = job_number("select count(*) from job_result") + 5;

		job_number("select count(pg_terminate_backend(pid)) from (select pid from "
			   "pg_stat_activity where application_name = 'plazad' and datname = "
			   "current_database() order by random() limit %d) p",
			   i % 10 == 0 ? 100 : 1);
		if (until < 550)
			WAIT_UNTIL(job_number("select count(*) from job_result") >= until);
	}
	job_expect_all_done(600);
	ck_assert_int_eq(job_number("select max(attempt) from job_result"), 1);
	ck_assert_int_eq(job_most_at_once(), 20);
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

/* Those of its URLs have their time and fail, over a kill, too; others are not held up. */
START_TEST(an_origin_that_hangs)
{
	struct origin origin;
	char *body = NULL;
	size_t len = 0;

	origin_start(&origin);
	char *allow = it_printf("fetch.allow=127.0.0.1:%u", origin.port);
	struct daemon *d = job_daemon(pg_fresh(), allow, NULL);
	FILE *f = open_memstream(&body, &len);

	fputs("{\"timeout\":\"2s\",\"urls\":[", f);
	for (int i = 0; i < 10; i++)
		fprintf(f, "%s\"http://127.0.0.1:%u/%s?%d\"", i ? "," : "", origin.port,
			i % 2 ? "never" : "ok", i);
	fputs("]}", f);
	fclose(f);
	http_expect(daemon_port(d), "POST", "/api/fetch", "Content-Type: application/json\r\n",
		    body, 202, NULL);
	WAIT_UNTIL(job_number("select count(*) from job_part") == 5);
	/* others go on meanwhile */
	job_put_sleeps("default", 3, 0);
	job_wait_done(3);
	WAIT_UNTIL(origin.seen->active == 5);
	ck_assert_uint_eq(origin.seen->requests, 10);
	kill(daemon_executor(d), SIGKILL);
	job_expect_all_done(4);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'e'"), 1);
	ck_assert_int_eq(job_number("select count(*) from job_result r, json_array_elements("
				    "r.result->'urls') u where u->>'error' like 'timeout%%' and "
				    "u->>'url' like '%%/never?_'"),
			 5);
	ck_assert_int_eq(job_number("select count(*) from job_result r, json_array_elements("
				    "r.result->'urls') u where u->>'error' is null and "
				    "u->>'text' = E'hello\\n' and u->>'url' like '%%/ok?_'"),
			 5);
	WAIT_UNTIL(origin.seen->active == 0);
	daemon_stop(d);
	origin_stop(&origin);
	free(body);
	free(allow);
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

static void
wait_empty(struct daemon *d, const char *queue)
{
	char *target = it_printf("/api/queues/%s?until=empty&wait=5", queue);
	struct it_wait wait = it_wait_begin();
	long last = -1;

	for (;;) {
		struct http_answer a;

		http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		const char *depth = strstr(a.body, "\"depth\":"),
			   *running = strstr(a.body, "\"running\":");
		ck_assert(depth && running);
		const long left = strtol(depth + strlen("\"depth\":"), NULL, 10) +
				  strtol(running + strlen("\"running\":"), NULL, 10);
		http_answer_fini(&a);
		if (left == 0)
			break;
		/* as long as something moves */
		if (left != last)
			wait = it_wait_begin();
		last = left;
		it_wait_again(&wait, __FILE__, __LINE__, "the queue is empty");
	}
	free(target);
}

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
	/* to count them again and again would be the greater part of the work */
	wait_empty(d, "default");
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

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "executors");
	tcase_add_test(tc, killed_at_random_under_load);
	tcase_add_test(tc, workers_and_executors_are_killed_while_jobs_are_put);
	tcase_add_test(tc, the_successor_takes_its_jobs_at_once);
	tcase_add_test(tc, what_is_claimed_for_the_dead_is_taken_at_once);
	tcase_add_test(tc, what_always_kills_it_ends);
	tcase_add_test(tc, an_origin_that_hangs);
	tcase_add_test(tc, one_that_drains_is_looked_after_too);
	tcase_add_test(tc, silent_for_longer_than_anybody_waits);

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
