/* links: $(queue_box) -levent_core -lpq -lcrypto -ljansson -lpthread */
/*
 * test_queue_many.c - many processes at one queue: bounds and leases hold whoever comes when, and
 * what a claim costs does not grow with what is dead.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "queue_rig.h"

static struct pg_server server;
static struct queue_rig rig;

static void
start_server(void)
{
	pg_server_start(&server, "max_connections=100 autovacuum=off");
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

static void
setup(void)
{
	queue_rig_init(&rig, &server, 3);
}

static void
teardown(void)
{
	queue_rig_fini(&rig);
}

static void
sql(const char *text)
{
	pg_server_sql(&server, text);
}

static long
number(const char *text)
{
	return pg_server_number(&server, text);
}

/* Runs `fn` in so many processes at a time, each with a queue of its own. */
static void
in_processes(unsigned n, void (*fn)(unsigned i))
{
	pid_t child[16];

	ck_assert_uint_le(n, 16);
	for (unsigned i = 0; i < n; i++) {
		child[i] = fork();
		ck_assert_int_ge(child[i], 0);
		if (child[i] == 0) {
			/* not the parent's loop and connections */
			queue_rig_join(&rig, &server, 2);
			fn(i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %u: %d", i,
			      status);
	}
}

/* ---- bounds ---- */

#define JOBS    600
#define CLAIMER 8
#define BOUND   7

/* Each claim, and each job it got, told to the database, which knows when. */
static void
claim_and_finish(unsigned i)
{
	const uint64_t until_ms = clock_monotonic_ms() + 50000;
	PGconn *pg = pg_server_connect(&server);

	for (;;) {
		char text[200];
		ck_assert(clock_monotonic_ms() < until_ms);
		const size_t n = queue_rig_claim(&rig, 1 + i % 5, (int64_t)i % 3);
		if (n == 0 && rig.end == CLAIM_EMPTY)
			break;
		ck_assert_uint_le(rig.running, BOUND);
		struct claimed mine[8];
		memcpy(mine, rig.claimed, n * sizeof(mine[0]));
		for (size_t j = 0; j < n; j++) {
			char id[UUID_TEXT_SIZE];
			uuid_print(&mine[j].id, id);
			/* another one that had it would be in the way */
			snprintf(text, sizeof(text), "insert into had values ('%s', %u, '%s')", id,
				 mine[j].attempt, mine[j].attempt > 1 ? "again" : "once");
			PGresult *res = PQexec(pg, text);
			ck_assert_msg(PQresultStatus(res) == PGRES_COMMAND_OK, "%s",
				      PQerrorMessage(pg));
			PQclear(res);
		}
		for (size_t j = 0; j < n; j++) {
			rig.claimed[0] = mine[j];
			/* some of the first attempts fail, and some are given back */
			const unsigned turn = mine[j].id.byte[15] % 8;
			const bool fails = turn == 0 && mine[j].attempt == 1;
			ck_assert(!queue_rig_end(&rig, 0, fails ? JOB_RETRY : JOB_DONE)->is_lost);
		}
	}
	PQfinish(pg);
}

START_TEST(claimers_never_exceed_the_bound_nor_share_a_job)
{
	sql("create table had(id uuid, attempt int, how text, primary key(id, attempt)); "
	    "grant all on had to plaza; create table most(n int); "
	    /* each commit that adds leases counts them all, alone */
	    "create function count_leases() returns trigger language plpgsql as $$ begin "
	    "insert into public.most select count(*) from public.job_lease; return null; "
	    "end $$; "
	    "create trigger count_leases after insert on job_lease for each statement execute "
	    "function count_leases(); grant all on most to plaza; "
	    "insert into job_queue(queue, concurrency) values ('q', 7)");
	queue_rig_put_many(&rig, JOBS);
	in_processes(CLAIMER, claim_and_finish);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'd'"), JOBS);
	ck_assert_int_eq(number("select count(distinct id) from had"), JOBS);
	ck_assert_int_eq(number("select count(*) from job_ready"), 0);
	ck_assert_int_eq(number("select count(*) from job_lease"), 0);
	ck_assert_int_eq(number("select max(n) from most"), BOUND);
}
END_TEST

START_TEST(the_bound_holds_over_old_leases)
{
	struct claimed old[40];
	const unsigned n = 300;

	/* more stragglers than a claim remembers one by one, and many that come and go above them
	 */
	rig.config.jobs_queue_concurrency = 50;
	queue_rig_put_many(&rig, n);
	ck_assert_uint_eq(queue_rig_claim(&rig, 40, 0), 40);
	memcpy(old, rig.claimed, sizeof(old));
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(queue_rig_claim(&rig, 100, 0), 10);
		ck_assert_int_eq(rig.end, CLAIM_FULL);
		ck_assert_uint_eq(rig.running, 50);
		struct claimed quick[10];
		memcpy(quick, rig.claimed, sizeof(quick));
		for (int j = 0; j < 10; j++) {
			rig.claimed[0] = quick[j];
			queue_rig_end(&rig, 0, JOB_DONE);
		}
		/* the old ones end one by one, and their places are taken at once */
		rig.claimed[0] = old[2 * i];
		queue_rig_end(&rig, 0, JOB_DONE);
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
		ck_assert_uint_eq(rig.running, 40);
		ck_assert_int_eq(number("select count(*) from job_lease"), 40);
	}
}
END_TEST

/* ---- keys ---- */

#define KEYS 40

static void
put_keys(unsigned i)
{
	for (unsigned k = 0; k < KEYS; k++) {
		struct job_new job[3];
		char key[3][16];

		/* arrays of keys in orders that differ */
		for (unsigned j = 0; j < 3; j++) {
			job[j] = queue_rig_job();
			snprintf(key[j], sizeof(key[j]), "key%u",
				 i % 2 ? (k + j) % KEYS : (KEYS + k - j) % KEYS);
			job[j].unique = span_str(key[j]);
		}
		queue_rig_put_ask(&rig, job, 3);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	}
}

START_TEST(a_key_has_one_effect)
{
	in_processes(8, put_keys);
	ck_assert_int_eq(number("select count(*) from jobs"), KEYS);
	ck_assert_int_eq(number("select count(*) from job_ready"), KEYS);
	ck_assert_int_eq(number("select count(distinct ukey) from jobs"), KEYS);
	ck_assert_int_eq(number("select count(*) from job_unique join jobs using (id) where key = "
				"ukey"),
			 KEYS);
}
END_TEST

static struct uuid shared_id[KEYS];

static void
put_ids(unsigned i)
{
	for (unsigned k = 0; k < KEYS; k++) {
		struct job_new job = queue_rig_job();

		job.id = shared_id[i % 2 ? k : KEYS - 1 - k];
		job.is_id_given = true;
		job.priority = (int)i % 2;
		queue_rig_put_ask(&rig, &job, 1);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	}
}

START_TEST(an_id_has_one_effect)
{
	for (unsigned k = 0; k < KEYS; k++)
		ck_assert(uuid_make(&shared_id[k]));
	in_processes(8, put_ids);
	ck_assert_int_eq(number("select count(*) from jobs"), KEYS);
	ck_assert_int_eq(number("select count(*) from job_ready"), KEYS);
}
END_TEST

/* The second one waits for the first, and finds it when that is committed. */
START_TEST(a_put_repeated_too_early_takes_no_key_away)
{
	static const char put[] =
	    "select how from job_put(array['01900000-0000-7000-8000-000000000001'::uuid], 't', "
	    "'{q}', '{k}', 'w', '{5}', '{5}', '{null}', '{1}', '{key}', false)";
	PGconn *first = pg_server_connect(&server), *second = pg_server_connect(&server);
	const uint64_t until_ms = clock_monotonic_ms() + 20000;

	PQclear(PQexec(first, "begin"));
	PGresult *res = PQexec(first, put);
	ck_assert_str_eq(PQgetvalue(res, 0, 0), "m");
	PQclear(res);
	ck_assert_int_eq(PQsendQuery(second, put), 1);
	while (number("select count(*) from pg_locks where not granted") == 0)
		ck_assert(clock_monotonic_ms() < until_ms);
	PQclear(PQexec(first, "commit"));
	res = PQgetResult(second);
	ck_assert_str_eq(PQgetvalue(res, 0, 0), "e");
	PQclear(res);
	PQfinish(first);
	PQfinish(second);
	ck_assert_int_eq(number("select count(*) from job_unique where key = 'key'"), 1);
	ck_assert_int_eq(number("select count(*) from job_ready"), 1);
}
END_TEST

/* ---- who locks several ---- */

static struct claimed leases[KEYS];

static void
lock_many(unsigned i)
{
	for (unsigned round = 0; round < 60; round++) {
		const unsigned before = rig.answers;
		for (unsigned k = 0; k < KEYS; k++) {
			const struct extend ask = {leases[k].id, leases[k].lease, 60000, -1};
			if (i % 2)
				queue_cancel(rig.queue, &leases[k].id, queue_rig_cancel_cb, &rig);
			else
				queue_extend(rig.queue, &ask, queue_rig_extend_cb, &rig);
		}
		queue_rig_wait(&rig, before + KEYS);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	}
}

START_TEST(nobody_waits_crosswise)
{
	/* leases fall as ids rise */
	for (unsigned k = 0; k < KEYS; k++) {
		struct job_new job = queue_rig_job();
		queue_rig_put(&rig, &job);
	}
	sql("update job_ready r set priority = "
	    "9 - (select count(*) from job_ready o where o.id < r.id) / 5");
	ck_assert_uint_eq(queue_rig_claim(&rig, KEYS, 0), KEYS);
	memcpy(leases, rig.claimed, sizeof(leases));
	in_processes(6, lock_many);
	ck_assert_int_eq(number("select count(*) from job_lease where cancel"), KEYS);
	ck_assert_int_eq(number("select deadlocks from pg_stat_database where datname = 'plaza'"),
			 0);
}
END_TEST

/* ---- a queue that somebody holds ---- */

static void
ask_claim(const char *queue)
{
	const struct claim claim = {
	    .queue = span_str(queue), .hand = 'w', .max = 1, .lease_ms = 60000, .is_full = true};

	queue_claim(rig.queue, &claim, queue_rig_claim_cb, &rig);
}

START_TEST(a_held_queue_holds_up_no_other)
{
	const uint64_t until_ms = clock_monotonic_ms() + 20000;
	struct job_new job = queue_rig_job();
	PGconn *holder = pg_server_connect(&server);
	unsigned before;

	queue_rig_put_many(&rig, 2);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	job.queue = span_str("other");
	queue_rig_put(&rig, &job);
	PQclear(PQexec(holder, "begin; select * from job_queue where queue = 'q' for update"));
	const uint64_t began_ms = clock_monotonic_ms();
	before = rig.answers;
	for (int i = 0; i < 50; i++)
		ask_claim("q");
	queue_rig_wait(&rig, before + 50);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	ck_assert_int_eq(rig.end, CLAIM_LOCKED);
	ck_assert_uint_eq(rig.n, 0);
	ask_claim("q");
	ask_claim("other");
	queue_rig_wait(&rig, before + 52);
	ck_assert_uint_eq(rig.n, 1);
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 5000);
	/* settings wait for it, but not for long, and puts do not wait at all */
	const struct queue_change change = {
	    .name = SPAN_LIT("q"), .sets_paused = true, .is_paused = true};
	queue_set(rig.queue, &change, queue_rig_queues_cb, &rig);
	queue_rig_wait(&rig, before + 53);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_BUSY);
	queue_rig_put_many(&rig, 1);
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 8000);
	PQclear(PQexec(holder, "commit"));
	PQfinish(holder);
	while (queue_rig_claim_full(&rig, 9, 0, true) == 0) {
		ck_assert(clock_monotonic_ms() < until_ms);
		ck_assert_int_eq(rig.end, CLAIM_LOCKED);
		queue_rig_get(&rig, &job.id);
	}
	ck_assert_uint_eq(rig.n, 2);
}
END_TEST

static PGconn *held_by;
static size_t n_locked, n_claimed;

/* More than are sent before it is known; and some are left that are sent so as not to wait. */
#define RELEASED_BY 20

static void
release_cb(const struct queue_answer *answer, const struct claim_result *result, void *ctx)
{
	ck_assert_int_eq(answer->outcome, QUEUE_OK);
	n_locked += result->end == CLAIM_LOCKED;
	n_claimed += result->n;
	if (n_locked == RELEASED_BY && held_by) {
		PQclear(PQexec(held_by, "commit"));
		PQfinish(held_by);
		held_by = NULL;
	}
	/* there are as many jobs as claims */
	if (result->end != CLAIM_LOCKED)
		ck_assert_uint_eq(result->n, 1);
	queue_rig_claim_cb(answer, result, ctx);
}

/* Who was to claim nothing so as not to wait is not told that there is nothing. */
START_TEST(a_queue_that_is_let_go_is_claimed_from)
{
	enum { MANY = 50 };
	const struct claim claim = {
	    .queue = SPAN_LIT("q"), .hand = 'w', .max = 1, .lease_ms = 60000, .is_full = true};

	queue_rig_put_many(&rig, 1 + MANY);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	held_by = pg_server_connect(&server);
	PQclear(PQexec(held_by, "begin; select * from job_queue where queue = 'q' for update"));
	const unsigned before = rig.answers;
	for (int i = 0; i < MANY; i++)
		queue_claim(rig.queue, &claim, release_cb, &rig);
	queue_rig_wait(&rig, before + MANY);
	ck_assert_ptr_null(held_by);
	ck_assert_uint_eq(n_locked + n_claimed, MANY);
	ck_assert_uint_gt(n_claimed, 0);
	ck_assert_int_eq(number("select count(*) from job_lease"), 1 + (long)n_claimed);
}
END_TEST

START_TEST(a_queue_that_somebody_makes_holds_up_no_other)
{
	PGconn *holder = pg_server_connect(&server);

	PQclear(PQexec(holder, "begin; insert into job_queue(queue) values ('q')"));
	queue_rig_put_many(&rig, 1);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 0);
	ck_assert_int_eq(rig.end, CLAIM_LOCKED);
	PQclear(PQexec(holder, "rollback"));
	PQfinish(holder);
}
END_TEST

/* ---- cancelled while claimed ---- */

static void
cancel_some(unsigned i)
{
	if (i % 2) {
		while (queue_rig_claim(&rig, 3, 0) > 0 || rig.end != CLAIM_EMPTY) {
			struct claimed mine[3];
			const size_t n = rig.n;
			memcpy(mine, rig.claimed, n * sizeof(mine[0]));
			for (size_t j = 0; j < n; j++) {
				rig.claimed[0] = mine[j];
				queue_rig_end(&rig, 0, JOB_RETRY);
			}
		}
		return;
	}
	for (unsigned k = 0; k < KEYS; k++) {
		const unsigned before = rig.answers;
		queue_cancel(rig.queue, &shared_id[i ? k : KEYS - 1 - k], queue_rig_cancel_cb,
			     &rig);
		queue_rig_wait(&rig, before + 1);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
		ck_assert_int_ne(rig.cancelled.how, CANCEL_ABSENT);
	}
}

START_TEST(each_ends_once_though_cancelled_while_it_runs)
{
	for (unsigned k = 0; k < KEYS; k++) {
		struct job_new job = queue_rig_job();
		job.max_attempts = 100;
		shared_id[k] = queue_rig_put(&rig, &job);
	}
	in_processes(4, cancel_some);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'c'"), KEYS);
	ck_assert_int_eq(number("select count(*) from job_result where state in ('d', 'f', 'x')"),
			 0);
	ck_assert_int_eq(number("select count(*) from job_ready") +
			     number("select count(*) from job_lease") +
			     number("select count(*) from job_later"),
			 0);
}
END_TEST

/* ---- a pinned horizon ---- */

/* Blocks that the backends of this database have touched, as far as they have told. */
static long
blocks(void)
{
	sql("select pg_stat_force_next_flush()");
	return number("select sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) "
		      "from pg_statio_user_tables where relname in ('job_ready', 'job_lease', "
		      "'job_queue')");
}

/* What a call touches. What a fresh session looks up is only there the second time. */
static long
cost_of(PGconn *pg, const char *call)
{
	char text[600];

	snprintf(text, sizeof(text), "explain (analyze, buffers, format json) select * from %s",
		 call);
	PGresult *res = PQexec(pg, text);
	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s", PQerrorMessage(pg));
	const char *at = strstr(PQgetvalue(res, 0, 0), "\"Shared Hit Blocks\": ");
	ck_assert_ptr_nonnull(at);
	const long hit = strtol(at + 21, NULL, 10);
	at = strstr(at, "\"Shared Read Blocks\": ");
	ck_assert_ptr_nonnull(at);
	const long cost = hit + strtol(at + 22, NULL, 10);
	PQclear(res);
	return cost;
}

/* Of 10 jobs. */
static long
cost_of_a_claim(void)
{
	PGconn *pg = pg_server_connect(&server);
	char call[400];

	/* a watermark is as old as it is in a process that has been at it for some seconds */
	snprintf(call, sizeof(call),
		 "job_claim('q', 'w', 10, 0, 60000, 1000, array[0,0,0,0,0,%ld,0,0,0,0]::int8[], "
		 "%ld, '{}')",
		 number("select min(seq) - 1 from job_ready"),
		 number("select last_value + 1 from job_lease_no"));
	cost_of(pg, call);
	const long cost = cost_of(pg, call);
	PQfinish(pg);
	sql("delete from job_lease");
	return cost;
}

/* Of one in the midst of those that wait. */
static long
cost_of_a_cancel(void)
{
	PGconn *pg = pg_server_connect(&server);
	long cost = -1;

	for (int i = 0; i < 2; i++) {
		char call[100];
		PGresult *res = PQexec(pg, "select id from job_ready order by seq limit 1 offset "
					   "(select count(*) / 2 from job_ready)");
		snprintf(call, sizeof(call), "job_cancel('{%s}')", PQgetvalue(res, 0, 0));
		PQclear(res);
		cost = cost_of(pg, call);
	}
	PQfinish(pg);
	return cost;
}

/* So many more that wait. */
static void
fill(unsigned n)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "with j as (insert into jobs(id, priority, max_attempts, hand, queue, kind, args) "
		 "select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, "
		 "'0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid, 5, "
		 "5, 'w', 'q', 'k', '{}' from generate_series(1, %u) returning id) insert into "
		 "job_ready(id, last, priority, hand, queue) select id, 5, 5, 'w', 'q' from j",
		 n);
	sql(text);
}

START_TEST(a_long_queue_does_not_slow_cancels)
{
	fill(100);
	const long before = cost_of_a_cancel();
	fill(100000);
	/* whatever statistics say, or do not say yet */
	const long fresh = cost_of_a_cancel();
	sql("analyze");
	const long after = cost_of_a_cancel();
	/* the indexes are higher by a level or two */
	ck_assert_msg(fresh < before + 30 && after < before + 30, "%ld blocks, then %ld and %ld",
		      before, fresh, after);
	ck_assert_int_eq(number("select count(*) from job_ready"), 100100 - 6);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'c'"), 6);
}
END_TEST

START_TEST(a_pinned_horizon_does_not_slow_claims)
{
	const unsigned n = 40;

	queue_rig_put_many(&rig, n);
	const long before = cost_of_a_claim();
	PGconn *pin = pg_server_connect(&server);
	PQclear(PQexec(pin, "begin isolation level repeatable read; select count(*) from jobs"));
	/* 50,000 jobs pass */
	const long touched = blocks();
	for (unsigned i = 0; i < 50; i++) {
		static struct claimed c[1000];
		struct job_new many[1000];
		for (unsigned j = 0; j < 1000; j++)
			many[j] = queue_rig_job();
		queue_rig_put_ask(&rig, many, 1000);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
		ck_assert_uint_eq(queue_rig_claim(&rig, 1000, 0), 1000);
		memcpy(c, rig.claimed, sizeof(c));
		const unsigned answers = rig.answers;
		for (unsigned j = 0; j < 1000; j++) {
			const struct ended ended = {
			    .id = c[j].id, .lease = c[j].lease, .outcome = JOB_DONE};
			queue_finish(rig.queue, &ended, queue_rig_finish_cb, &rig);
		}
		queue_rig_wait(&rig, answers + 1000);
	}
	/* none of them is gone */
	sql("vacuum job_ready, job_lease");
	ck_assert_int_ge(number("select n_dead_tup from pg_stat_user_tables where relname = "
				"'job_ready'"),
			 50000);
	const long after = cost_of_a_claim();
	ck_assert_msg(after < before + 60, "%ld blocks before, %ld after", before, after);
	/* about ten of these tables for each job, whether it is the first or the last */
	ck_assert_int_lt((blocks() - touched) / 50000, 40);
	PQclear(PQexec(pin, "commit"));
	PQfinish(pin);
}
END_TEST

START_TEST(another_isolation_does_no_harm)
{
	struct queue_rig other;
	PGconn *strict = pg_server_connect(&server);

	queue_rig_put_many(&rig, 3);
	sql("alter role plaza set default_transaction_isolation = 'repeatable read'");
	queue_rig_join(&other, &server, 2);
	sql("alter role plaza reset default_transaction_isolation");
	ck_assert_uint_eq(queue_rig_claim(&other, 2, 0), 2);
	ck_assert(!queue_rig_end(&other, 0, JOB_DONE)->is_lost);
	queue_rig_fini(&other);
	/* who has not ours is told */
	PGresult *res = PQexec(strict, "begin isolation level serializable; select * from "
				       "job_claim('q', 'w', 1, 0, 1000, 10, "
				       "array_fill(0::int8, array[10]), 0, '{}')");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY),
			 "jobs are claimed under read committed only, and this is serializable");
	PQclear(res);
	PQfinish(strict);
}
END_TEST

START_TEST(a_job_that_comes_late_is_not_overlooked)
{
	struct job_new job = queue_rig_job();
	PGconn *slow = pg_server_connect(&server);

	/* its number is drawn before those of others, and seen after they are claimed */
	PQclear(PQexec(slow, "begin; select job_enqueue('late', queue => 'q')"));
	for (int i = 0; i < 3; i++) {
		queue_rig_put(&rig, &job);
		job = queue_rig_job();
		ck_assert_uint_eq(queue_rig_claim(&rig, 10, 0), 1);
	}
	PQclear(PQexec(slow, "commit"));
	PQfinish(slow);
	ck_assert_uint_eq(queue_rig_claim_full(&rig, 10, 0, true), 1);
	ck_assert_str_eq(span_text(rig.claimed[0].kind), "late");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue, many");
	TCase *tc = tcase_create("many");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, claimers_never_exceed_the_bound_nor_share_a_job);
	tcase_add_test(tc, the_bound_holds_over_old_leases);
	tcase_add_test(tc, a_key_has_one_effect);
	tcase_add_test(tc, an_id_has_one_effect);
	tcase_add_test(tc, a_put_repeated_too_early_takes_no_key_away);
	tcase_add_test(tc, nobody_waits_crosswise);
	tcase_add_test(tc, a_held_queue_holds_up_no_other);
	tcase_add_test(tc, a_queue_that_is_let_go_is_claimed_from);
	tcase_add_test(tc, a_queue_that_somebody_makes_holds_up_no_other);
	tcase_add_test(tc, each_ends_once_though_cancelled_while_it_runs);
	tcase_add_test(tc, a_pinned_horizon_does_not_slow_claims);
	tcase_add_test(tc, a_long_queue_does_not_slow_cancels);
	tcase_add_test(tc, another_isolation_does_no_harm);
	tcase_add_test(tc, a_job_that_comes_late_is_not_overlooked);
	tcase_set_timeout(tc, 200);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
