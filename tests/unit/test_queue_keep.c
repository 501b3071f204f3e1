/* links: $(queue_box) src/pg/look.c -levent_core -lpq -lcrypto -ljansson -lpthread */
/*
 * test_queue_keep.c - what jobs are kept in: the steps that make it, partitions that come and go
 * with time, and jobs put by SQL, in transactions of others.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/look.h"
#include "queue/jobs_schema.h"
#include "queue_rig.h"

#define STEP(i) (UINT64_C(1) << (i))
/* which make nothing any more */
#define OLD_STEPS                                                                               \
	(STEP(JOBS_STEP_OLD_PUT) | STEP(JOBS_STEP_OLD_CLAIM) | STEP(JOBS_STEP_OLD_FINISH) |     \
	 STEP(JOBS_STEP_OLD_EXTEND) | STEP(JOBS_STEP_OLD_CANCEL) | STEP(JOBS_STEP_OLD_RESCUE) | \
	 STEP(JOBS_STEP_OLD_KEEP) | STEP(JOBS_STEP_OLD_ENQUEUE))
#define ALL_STEPS ((STEP(JOBS_STEPS) - 1) & ~OLD_STEPS)

static struct pg_server server;
static struct queue_rig rig;
static struct jobs_schema *schema;
static PGconn *pg; /* as the superuser */

static void
start_server(void)
{
	pg_server_start(&server, "max_connections=100");
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

static void
setup(void)
{
	queue_rig_init(&rig, &server, 1);
	schema = jobs_schema_new("public");
	ck_assert_ptr_nonnull(schema);
	pg = pg_server_connect(&server);
}

static void
teardown(void)
{
	PQfinish(pg);
	jobs_schema_free(&schema);
	queue_rig_fini(&rig);
}

static void
sql(const char *text)
{
	PGresult *res = PQexec(pg, text);
	ExecStatusType status = PQresultStatus(res);

	ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", text,
		      PQerrorMessage(pg));
	PQclear(res);
}

/* The first value, or "" for null or no row; good until the next call. */
static const char *
value(const char *text)
{
	static char found[2000];
	PGresult *res = PQexec(pg, text);

	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(pg));
	snprintf(found, sizeof(found), "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return found;
}

/* ---- steps ---- */

static const char records[] = "select count(*) || ' ' || min(version) || ' ' || max(version) || "
			      "' ' || count(distinct checksum) from plaza_job_steps";

static enum steps_phase
take_as(const char *more, bool look_only, struct steps_run *run)
{
	char conninfo[400];

	schema->steps.look_only = look_only;
	snprintf(conninfo, sizeof(conninfo), "%s options='-c client_min_messages=warning' %s",
		 server.conninfo, more);
	PGconn *as = PQconnectdb(conninfo);
	ck_assert_msg(PQstatus(as) == CONNECTION_OK, "%s", PQerrorMessage(as));
	enum steps_phase phase = steps_begin(run, as, &schema->steps);
	while (phase != STEPS_DONE && phase != STEPS_FAILED) {
		PGresult *res = PQgetResult(as);
		phase = steps_take_result(run, res);
		PQclear(res);
	}
	PQfinish(as);
	return phase;
}

START_TEST(steps_are_taken_once)
{
	enum { MANY = 10 };
	pid_t child[MANY];
	char counts[40];

	snprintf(counts, sizeof(counts), "%d 1 %d %d", JOBS_STEPS, JOBS_STEPS, JOBS_STEPS);
	ck_assert_str_eq(value(records), counts);
	sql("drop schema public cascade; create schema public authorization plaza");
	for (int i = 0; i < MANY; i++) {
		child[i] = fork();
		ck_assert_int_ge(child[i], 0);
		if (child[i] == 0) {
			struct steps_run run;
			_exit(take_as("", false, &run) == STEPS_DONE ? 0 : 1);
		}
	}
	for (int i = 0; i < MANY; i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_str_eq(value(records), counts);
}
END_TEST

START_TEST(what_is_gone_is_made_again)
{
	struct steps_run run;

	sql("drop function job_claim; drop function job_enqueue; drop table job_part");
	ck_assert_int_eq(take_as("", true, &run), STEPS_FAILED);
	ck_assert_uint_eq(steps_missing(&run),
			  STEP(JOBS_STEP_TABLES) | STEP(JOBS_STEP_CLAIM) | STEP(JOBS_STEP_ENQUEUE));
	ck_assert_msg(take_as("", false, &run) == STEPS_DONE, "%s", run.error);
	ck_assert_str_ne(value("select job_enqueue('k')"), "");
}
END_TEST

/* What the first release has recorded, whatever became of its functions since. */
static const char released[] =
    "e0d361d8 e9342a92 17ca7461 c4a26359 72f8f735 b129368e 559caaf7 6a0531fe e6630d23 e1541968 "
    "6ee70edf";

START_TEST(released_steps_do_not_change)
{
	ck_assert_str_eq(value("select string_agg(left(checksum, 8), ' ' order by version) from "
			       "plaza_job_steps where version <= 11"),
			 released);
}
END_TEST

/* The functions of the first release, as far as steps look at them, and none of what is new. */
START_TEST(an_older_schema_is_brought_up_to_date)
{
	struct job_new job = queue_rig_job();
	struct steps_run run;

	const struct uuid id = queue_rig_put(&rig, &job);
	sql("do $$ declare f record; begin for f in select oid::regprocedure as name, "
	    "pg_get_function_result(oid) as type, pg_get_function_arguments(oid) as args, proname "
	    "from pg_proc where pronamespace = 'public'::regnamespace and proname in ('job_put', "
	    "'job_claim', 'job_finish', 'job_extend', 'job_put_part', 'job_cancel', 'job_retry', "
	    "'job_disown', 'job_keep', 'job_enqueue') loop execute format('create or replace "
	    "function public.%I(%s) returns %s language plpgsql as $f$begin perform 1 / 0; "
	    "end$f$', "
	    "f.proname, f.args, f.type); end loop; end $$");
	sql("drop index job_ready_id; alter table job_queue drop column is_full; drop function "
	    "job_sweep; drop function job_queue_set; drop function job_queue_full; delete from "
	    "plaza_job_steps where version > 11");
	ck_assert_int_eq(take_as("", true, &run), STEPS_FAILED);
	ck_assert_uint_eq(steps_missing(&run),
			  ALL_STEPS & ~(STEP(JOBS_STEP_TABLES) | STEP(JOBS_STEP_PARTITIONS) |
					STEP(JOBS_STEP_GET)));
	ck_assert_msg(take_as("", false, &run) == STEPS_DONE, "%s", run.error);
	ck_assert_msg(take_as("", true, &run) == STEPS_DONE, "%s", run.error);
	/* nobody has to connect anew */
	queue_cancel(rig.queue, &id, queue_rig_cancel_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_int_eq(rig.cancelled.how, CANCEL_DONE);
	ck_assert_str_ne(value("select job_enqueue('k')"), "");
}
END_TEST

/* { name, what stands in our way } */
static const char *const others[] = {
    "create table jobs(id int, title text)",
    "create table job_queue(id int)",
    "create view job_result as select 1 as id",
};

START_TEST(tables_of_others_are_left_alone)
{
	struct steps_run run;

	sql("drop schema public cascade; create schema public authorization plaza");
	sql(others[_i]);
	ck_assert_int_eq(take_as("", false, &run), STEPS_FAILED);
	ck_assert(run.schema_error);
	ck_assert_msg(strstr(run.error, "is there and is not a table of the job queue; rename it, "
					"or set store.schema to another schema") != NULL,
		      "%s", run.error);
	ck_assert_str_eq(value("select count(*) from pg_class where relname = 'plaza_job_steps'"),
			 "0");
}
END_TEST

static void
run_script(uint64_t mask, const char *role)
{
	char path[100], command[400];
	struct buffer script = {0};

	ck_assert(jobs_schema_script(schema, mask, role, &script));
	snprintf(path, sizeof(path), "%s/script.sql", server.dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(script.data, 1, script.len, f), script.len);
	fclose(f);
	buffer_fini(&script);
	snprintf(command, sizeof(command), "psql -qX -h %s/s -U postgres -d plaza -f %s",
		 server.dir, path);
	fflush(stdout);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_role_that_may_not_create_can_run_jobs)
{
	struct steps_run run;
	struct look look;

	sql("drop schema public cascade; drop role if exists \"odd \"\"role\"; "
	    "create role \"odd \"\"role\" login");
	look_at_steps(server.conninfo, &schema->steps, 5000, &look);
	ck_assert_msg(look.outcome == LOOK_DONE, "%s", look.error);
	ck_assert_uint_eq(look.missing, ALL_STEPS);
	run_script(look.missing, "odd \"role");
	ck_assert_msg(take_as("user='odd \"role'", true, &run) == STEPS_DONE, "%s", run.error);
	/* a second time it changes nothing */
	run_script(UINT64_MAX, "odd \"role");
	struct queue_rig theirs;
	struct pg_server as = server;
	snprintf(as.conninfo, sizeof(as.conninfo), "host=%s/s dbname=plaza user='odd \"role'",
		 server.dir);
	queue_rig_join(&theirs, &as, 2);
	struct job_new job = queue_rig_job();
	job.unique = span_str("key");
	const struct uuid id = queue_rig_put(&theirs, &job);
	ck_assert_uint_eq(queue_rig_claim(&theirs, 1, 7), 1);
	queue_rig_end(&theirs, 0, JOB_FAILED);
	queue_retry(theirs.queue, &id, queue_rig_retry_cb, &theirs);
	queue_rig_wait(&theirs, theirs.answers + 1);
	ck_assert_int_eq(theirs.retried.how, RETRY_DONE);
	queue_cancel(theirs.queue, &id, queue_rig_cancel_cb, &theirs);
	queue_rig_wait(&theirs, theirs.answers + 1);
	ck_assert_int_eq(theirs.cancelled.how, CANCEL_DONE);
	queue_beat(theirs.queue, 7, queue_rig_ids_cb, &theirs);
	queue_rescue(theirs.queue, 7, queue_rig_moved_cb, &theirs);
	queue_promote(theirs.queue, queue_rig_moved_cb, &theirs);
	queue_queues(theirs.queue, span_from(NULL, 0), queue_rig_queues_cb, &theirs);
	queue_rig_wait(&theirs, theirs.answers + 4);
	/* partitions too, which are not its own */
	sql("drop table jobs_default; create table jobs_default partition of jobs default");
	sql("do $$ begin execute format('drop table jobs_%s', to_char(now() at time zone 'UTC' + "
	    "interval '7 days', 'YYYYMMDD')); end $$");
	queue_keep(theirs.queue, queue_rig_keep_cb, &theirs);
	queue_rig_wait(&theirs, theirs.answers + 1);
	ck_assert_int_eq(theirs.answer.outcome, QUEUE_OK);
	ck_assert_str_eq(value("select count(*) from pg_inherits where inhparent = "
			       "'jobs'::regclass"),
			 "10");
	queue_rig_fini(&theirs);
	sql("drop owned by \"odd \"\"role\"; drop role \"odd \"\"role\"");
}
END_TEST

/* ---- partitions ---- */

static const char days[] =
    "select string_agg(substr(relname, 6), ' ' order by relname) from pg_class c join pg_inherits "
    "i "
    "on i.inhrelid = c.oid where i.inhparent = 'jobs'::regclass and relname <> 'jobs_default'";
static const char result_days[] =
    "select string_agg(substr(relname, 12), ' ' order by relname) from pg_class c join pg_inherits "
    "i on i.inhrelid = c.oid where i.inhparent = 'job_result'::regclass and relname <> "
    "'job_result_default'";

/* Another world's calendar: nothing of today is there. */
static void
forget_today(void)
{
	sql("do $$ declare t text; begin for t in select inhrelid::regclass::text from pg_inherits "
	    "where inhparent in ('jobs'::regclass, 'job_result'::regclass) and "
	    "inhrelid::regclass::text !~ 'default' loop execute 'drop table ' || t; end loop; "
	    "end $$");
}

static void
keep(const char *at)
{
	char text[200];

	snprintf(text, sizeof(text), "select job_keep('%s', 7 * 86400000)", at);
	sql(text);
	snprintf(text, sizeof(text), "select job_sweep('%s', 7 * 86400000, 1000)", at);
	sql(text);
}

START_TEST(days_come_and_go)
{
	forget_today();
	keep("2024-02-27 10:00Z");
	ck_assert_str_eq(value(days), "20240226 20240227 20240228 20240229 20240301 20240302 "
				      "20240303 20240304 20240305");
	ck_assert_str_eq(value(result_days), "20240226 20240227 20240228 20240229 20240301 "
					     "20240302 20240303 20240304 20240305");
	/* again it changes nothing, and in a time zone it is still UTC */
	sql("set timezone = 'Pacific/Auckland'");
	keep("2024-02-27 23:59:59Z");
	ck_assert_str_eq(value("select count(*) from pg_inherits where inhparent = "
			       "'jobs'::regclass"),
			 "10");
	keep("2024-03-08 00:00Z");
	ck_assert_str_eq(value(days), "20240301 20240302 20240303 20240304 20240305 20240307 "
				      "20240308 20240309 20240310 20240311 20240312 20240313 "
				      "20240314 20240315");
	ck_assert_str_eq(value(result_days), value(days));
	sql("set timezone = 'UTC'");
}
END_TEST

/* An id of a time, n telling ids of a time apart. */
#define ID_OF(at, n)                                                                            \
	"(lpad(to_hex((extract(epoch from timestamptz '" at "') * 1000)::bigint), 12, '0') || " \
	"'70008000" #n "' || repeat('0', 11))::uuid"

#define PUT_OLD(at, n)                                                                         \
	"insert into jobs(id, priority, max_attempts, hand, queue, kind, args, ukey) values "  \
	"(" ID_OF(at, n) ", 5, 5, 'w', 'q', 'k', '{}', 'u" at #n "'); insert into job_unique " \
			 "values ('q', 'u" at #n "', " ID_OF(at, n) "); "

START_TEST(what_lives_is_not_dropped)
{
	forget_today();
	keep("2024-02-27 10:00Z");
	sql(PUT_OLD("2024-02-26 01:00Z", 1) PUT_OLD("2024-02-27 01:00Z", 1)
		PUT_OLD("2024-02-28 01:00Z", 1) PUT_OLD("2024-02-29 01:00Z", 1));
	sql("insert into job_ready(id, last, priority, hand, queue) values (" ID_OF(
	    "2024-02-26 01:00Z", 1) ", 5, 5, 'w', 'q')");
	sql("insert into job_later values ('2025-01-01', " ID_OF("2024-02-27 01:00Z",
								 1) ", 0, 5, 5, false, 'w', "
								    "'q')");
	sql("insert into job_lease(id, lease, worker, deadline, attempt, last, priority, hand, "
	    "queue) values (" ID_OF("2024-02-28 01:00Z", 1) ", 1, 0, '2025-01-01', 1, 5, 5, 'w', "
							    "'q')");
	sql("insert into job_result(id, no, at, attempt, state) values (" ID_OF(
	    "2024-02-29 01:00Z", 1) ", 7, now(), 1, 'd')");
	keep("2024-03-20 10:00Z");
	ck_assert_str_eq(value("select string_agg(ukey, ' ' order by id) from jobs"),
			 "u2024-02-26 01:00Z1 u2024-02-27 01:00Z1 u2024-02-28 01:00Z1");
	ck_assert_str_eq(value("select count(*) from job_unique"), "3");
	ck_assert_str_eq(value("select count(*) from job_result"), "0");
	ck_assert_ptr_nonnull(strstr(value(days), "20240226 20240227 20240228 2024031"));
	/* each goes when its job has ended */
	sql("delete from job_ready");
	keep("2024-03-20 11:00Z");
	ck_assert_ptr_nonnull(strstr(value(days), "20240227 20240228 2024031"));
	sql("delete from job_later; delete from job_lease");
	keep("2024-03-20 12:00Z");
	ck_assert_str_eq(value("select count(*) from jobs"), "0");
	ck_assert_str_eq(value("select count(*) from job_unique"), "0");
}
END_TEST

START_TEST(what_the_default_one_has_caught_goes_to_its_day)
{
	forget_today();
	keep("2024-02-01 10:00Z");
	/* nobody has kept for weeks */
	sql(PUT_OLD("2024-02-27 01:00Z", 1) PUT_OLD("2024-02-27 02:00Z", 2)
		PUT_OLD("2024-02-20 01:00Z", 1));
	sql("insert into job_result(id, no, at, attempt, state) values (" ID_OF(
	    "2024-02-27 01:00Z", 1) ", 7, now(), 1, 'd')");
	ck_assert_str_eq(value("select count(*) from jobs_default"), "3");
	keep("2024-02-27 10:00Z");
	ck_assert_str_eq(value("select count(*) from jobs_20240227"), "2");
	ck_assert_str_eq(value("select count(*) from job_result_20240227"), "1");
	/* a day that is past gets no partition; its jobs go by themselves */
	ck_assert_str_eq(value("select count(*) from jobs_default"), "1");
	sql("insert into job_ready(id, last, priority, hand, queue) values (" ID_OF(
	    "2024-02-20 01:00Z", 1) ", 5, 5, 'w', 'q')");
	keep("2024-02-29 10:00Z");
	ck_assert_str_eq(value("select count(*) from jobs_default"), "1");
	sql("delete from job_ready");
	keep("2024-02-29 10:00Z");
	ck_assert_str_eq(value("select count(*) from jobs_default"), "0");
	ck_assert_str_eq(value("select count(*) from job_unique"), "2");
}
END_TEST

START_TEST(who_reads_is_not_waited_for)
{
	PGconn *reader = pg_server_connect(&server);

	forget_today();
	keep("2024-02-27 10:00Z");
	sql("insert into job_queue(queue, idle) values ('idle', '2024-02-01'), ('held', "
	    "'2024-02-01')");
	PQclear(PQexec(reader, "begin; select count(*) from jobs; "
			       "select * from job_queue where queue = 'held' for key share"));
	const uint64_t began_ms = clock_monotonic_ms();
	keep("2024-03-20 10:00Z");
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 20000);
	ck_assert_ptr_nonnull(strstr(value(days), "20240226"));
	ck_assert_str_eq(value("select string_agg(queue, ' ') from job_queue"), "held");
	PQclear(PQexec(reader, "commit"));
	PQfinish(reader);
	keep("2024-03-20 10:00Z");
	ck_assert_ptr_null(strstr(value(days), "20240226"));
	ck_assert_ptr_nonnull(strstr(value(days), "20240327"));
	ck_assert_str_eq(value("select count(*) from job_queue"), "0");
}
END_TEST

START_TEST(two_that_keep_are_in_nobodys_way)
{
	enum { MANY = 6 };
	PGconn *other[MANY];

	forget_today();
	for (int i = 0; i < MANY; i++)
		other[i] = pg_server_connect(&server);
	for (int day = 0; day < 3; day++) {
		for (int i = 0; i < MANY; i++) {
			char text[200];
			snprintf(text, sizeof(text),
				 "select job_keep(timestamptz '2024-02-27 10:00Z' + %d * interval "
				 "'9 days', 86400000)",
				 day);
			ck_assert_int_eq(PQsendQuery(other[i], text), 1);
		}
		for (int i = 0; i < MANY; i++) {
			PGresult *res;
			while ((res = PQgetResult(other[i])) != NULL) {
				ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s",
					      PQerrorMessage(other[i]));
				PQclear(res);
			}
		}
	}
	for (int i = 0; i < MANY; i++)
		PQfinish(other[i]);
	keep("2024-03-16 10:00Z");
	ck_assert_ptr_nonnull(strstr(value(days), "20240316 20240317"));
	ck_assert_str_eq(value(result_days), value(days));
}
END_TEST

START_TEST(what_is_old_is_swept_whatever_it_amounts_to)
{
	sql("insert into job_unique select 'q', n::text, " ID_OF(
	    "2024-02-26 01:00Z", 1) " from generate_series(1, 5000) n");
	ck_assert_str_eq(value("select job_sweep(now(), 86400000, 500)"), "t");
	ck_assert_str_eq(value("select count(*) from job_unique"), "4500");
	queue_keep(rig.queue, queue_rig_keep_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	ck_assert_str_eq(value("select count(*) from job_unique"), "0");
	ck_assert_str_eq(value("select job_sweep(now(), 86400000, 500)"), "f");
}
END_TEST

START_TEST(queues_that_nobody_needs_go)
{
	sql("insert into job_queue(queue, paused, concurrency, depth) values ('empty', false, "
	    "null, "
	    "null), ('ready', false, null, null), ('later', false, null, null), ('leased', false, "
	    "null, null), ('paused', true, null, null), ('bound', false, 3, null), ('deep', false, "
	    "null, 10)");
	sql("insert into job_ready(id, last, priority, hand, queue) values (gen_random_uuid(), 5, "
	    "5, 'w', 'ready')");
	sql("insert into job_later values (now(), gen_random_uuid(), 0, 5, 5, false, 'w', "
	    "'later')");
	sql("insert into job_lease(id, lease, worker, deadline, attempt, last, priority, hand, "
	    "queue) values (gen_random_uuid(), 1, 0, now(), 1, 5, 5, 'w', 'leased')");
	keep("2026-03-01 10:00Z");
	ck_assert_str_eq(value("select count(*) from job_queue"), "7");
	ck_assert_str_eq(value("select string_agg(queue, ' ') from job_queue where idle is not "
			       "null"),
			 "empty");
	keep("2026-03-01 10:59Z");
	ck_assert_str_eq(value("select count(*) from job_queue"), "7");
	/* one that is used again is not idle any more */
	sql("delete from job_ready");
	sql("insert into job_ready(id, last, priority, hand, queue) values (gen_random_uuid(), 5, "
	    "5, 'w', 'empty')");
	keep("2026-03-01 11:01Z");
	ck_assert_str_eq(value("select string_agg(queue, ' ') from job_queue where idle is not "
			       "null"),
			 "ready");
	keep("2026-03-01 12:02Z");
	ck_assert_str_eq(value("select string_agg(queue, ' ' order by queue) from job_queue"),
			 "bound deep empty later leased paused");
}
END_TEST

START_TEST(the_dead_are_forgotten_at_last)
{
	sql("insert into job_worker values (1, now() - interval '25 h'), (2, now() - interval '23 "
	    "h'), (3, now() - interval '25 h')");
	sql("insert into job_lease(id, lease, worker, deadline, attempt, last, priority, hand, "
	    "queue) values (gen_random_uuid(), 1, 3, now(), 1, 5, 5, 'w', 'q')");
	queue_keep(rig.queue, queue_rig_keep_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	ck_assert_str_eq(value("select string_agg(worker::text, ' ' order by worker) from "
			       "job_worker"),
			 "2 3");
}
END_TEST

/* A partition is dropped while its dead jobs are tried again: each is there whole, or gone. */
START_TEST(an_old_job_that_is_tried_again_is_kept)
{
	forget_today();
	keep("2024-02-27 10:00Z");
	sql(PUT_OLD("2024-02-26 01:00Z", 1));
	sql("insert into job_result(id, no, at, attempt, state) values (" ID_OF(
	    "2024-02-26 01:00Z", 1) ", 7, now(), 1, 'x')");
	PGconn *other = pg_server_connect(&server);
	PGresult *res = PQexec(
	    other, "begin; select how from job_retry(array[" ID_OF("2024-02-26 01:00Z", 1) "])");
	ck_assert_str_eq(PQgetvalue(res, 0, 0), "d");
	PQclear(res);
	/* it cannot get the lock, and does not see the job live again yet */
	keep("2024-03-20 10:00Z");
	ck_assert_str_eq(value("select count(*) from jobs"), "1");
	PQclear(PQexec(other, "commit"));
	keep("2024-03-20 10:00Z");
	ck_assert_str_eq(value("select count(*) from jobs join job_ready using (id)"), "1");
	PQfinish(other);
}
END_TEST

/* ---- put by SQL ---- */

START_TEST(a_transaction_enqueues)
{
	sql("listen plaza_jobs");
	sql("begin");
	char id[40];
	snprintf(id, sizeof(id), "%s",
		 value("select job_enqueue('mail', '{\"to\":1}', 'q', priority => 2)"));
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 0);
	sql("rollback");
	ck_assert_ptr_null(PQnotifies(pg));
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 0);
	ck_assert_str_eq(value("select count(*) from jobs"), "0");
	sql("begin");
	snprintf(id, sizeof(id), "%s",
		 value("select job_enqueue('mail', '{\"to\":1}', 'q', priority => 2)"));
	sql("commit");
	PGnotify *told = PQnotifies(pg);
	ck_assert_ptr_nonnull(told);
	ck_assert_str_eq(told->extra, "q");
	PQfreemem(told);
	struct uuid uuid;
	ck_assert(uuid_parse(span_str(id), &uuid));
	ck_assert(uuid_is_v7(&uuid));
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	ck_assert_int_eq(uuid_compare(&rig.claimed[0].id, &uuid), 0);
	ck_assert_str_eq(span_text(rig.claimed[0].args), "{\"to\":1}");
	queue_rig_end(&rig, 0, JOB_DONE);
	ck_assert_int_eq(queue_rig_state(&rig, &uuid), JOB_STATE_DONE);
	ck_assert_uint_eq(rig.job[0].priority, 2);
	ck_assert_int_eq(rig.job[0].run_at_ms, 0);
}
END_TEST

START_TEST(enqueued_jobs_are_as_those_of_others)
{
	char first[40];

	/* kinds that plazad runs are the executor's */
	sql("select job_enqueue('sleep', '{\"ms\":0}'), job_enqueue('fetch'), job_enqueue('mine')");
	ck_assert_str_eq(value("select string_agg(kind || hand::text, ' ' order by kind) from "
			       "jobs"),
			 "fetchp minew sleepp");
	ck_assert_str_eq(value("select string_agg(distinct queue, ' ') from job_ready"), "default");
	snprintf(first, sizeof(first), "%s",
		 value("select job_enqueue('mine', unique_key => 'u')"));
	ck_assert_str_eq(value("select job_enqueue('mine', unique_key => 'u')"), first);
	ck_assert_str_ne(value("select job_enqueue('mine', queue => 'other', unique_key => 'u')"),
			 first);
	sql("select job_enqueue('later', run_at => now() + interval '1 hour', max_attempts => 9)");
	ck_assert_str_eq(value("select count(*) from job_later where last = 9 and run_at between "
			       "now() + interval '59 min' and now() + interval '61 min'"),
			 "1");
	/* any JSON for the kinds of others, and any text as a key */
	sql("select job_enqueue('json', 'null'), job_enqueue('json', '[7]'), "
	    "job_enqueue('json', unique_key => 'a \xc3\xa4 b'), "
	    "job_enqueue('json', run_at => '1920-01-01')");
	ck_assert_str_eq(value("select count(*) from job_ready join jobs using (id) where kind = "
			       "'json'"),
			 "4");
	sql("delete from job_ready r using jobs j where j.id = r.id and kind = 'json'");
	/* many together */
	sql("select job_enqueue('mine', json_build_object('n', i)) from generate_series(1, 1000) "
	    "i");
	ck_assert_str_eq(value("select count(distinct args::text) from jobs where kind = 'mine'"),
			 "1001");
	/* and they are listed before anybody has claimed */
	queue_queues(rig.queue, span_from(NULL, 0), queue_rig_queues_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_uint_eq(rig.n, 2);
	ck_assert_str_eq(span_text(rig.row[0].name), "default");
	ck_assert_int_eq(rig.row[0].ready, 1004);
	ck_assert_int_eq(rig.row[0].ready_p, 2);
	ck_assert_int_eq(rig.row[0].later, 1);
}
END_TEST

static const struct {
	const char *args, *error;
} wrong[] = {
    {"''", "kind: accepted are 1 to 64 of the characters A-Z a-z 0-9 . _ -"},
    {"null", "kind: accepted are"},
    {"'a b'", "kind: accepted are"},
    {"repeat('k', 65)", "kind: accepted are"},
    {"E'k\\n'", "kind: accepted are"},
    {"'\xc3\xa4'", "kind: accepted are"},
    {"'k', null", "args: accepted is JSON"},
    {"'k', json_build_object('a', repeat('x', 32768))",
     "args: accepted are at most 32768 bytes, these are 32778"},
    {"'k', queue => null", "queue: accepted are"},
    {"'k', queue => 'a/b'", "queue: accepted are"},
    {"'k', queue => '..'", "queue: accepted are"},
    {"'.'", "kind: accepted are"},
    {"'k', priority => 10", "priority: accepted is 0 (first) to 9"},
    {"'k', priority => -1", "priority: accepted is"},
    {"'k', priority => null", "priority: accepted is"},
    {"'k', max_attempts => 0", "max_attempts: accepted is 1 to 100"},
    {"'k', max_attempts => 101", "max_attempts: accepted is"},
    {"'k', run_at => 'infinity'", "run_at: accepted is a time up to the year 9999"},
    {"'k', run_at => '-infinity'", "run_at: accepted is"},
    {"'k', run_at => '10000-01-01 00:00Z'", "run_at: accepted is"},
    {"'k', unique_key => ''", "unique_key: accepted are 1 to 255 bytes without control characters"},
    {"'k', unique_key => E'a\\tb'", "unique_key: accepted are"},
    {"'k', unique_key => E'\\x7f'", "unique_key: accepted are"},
    {"'k', unique_key => repeat('\xc3\xa4', 128)", "unique_key: accepted are"},
    {"'k', unique_key => repeat('u', 256)", "unique_key: accepted are"},
};

START_TEST(a_wrong_argument_is_named)
{
	char text[300];

	snprintf(text, sizeof(text), "select job_enqueue(%s)", wrong[_i].args);
	PGresult *res = PQexec(pg, text);
	ck_assert_int_eq(PQresultStatus(res), PGRES_FATAL_ERROR);
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "22023");
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	ck_assert_msg(strncmp(message, wrong[_i].error, strlen(wrong[_i].error)) == 0, "%s: %s",
		      text, message);
	PQclear(res);
	ck_assert_str_eq(value("select count(*) from jobs"), "0");
}
END_TEST

START_TEST(a_role_that_may_only_enqueue)
{
	sql("drop role if exists guest; create role guest; grant usage on schema public to guest; "
	    "set role guest");
	PGresult *res = PQexec(pg, "select job_enqueue('k')");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42501");
	PQclear(res);
	sql("reset role; grant execute on function "
	    "job_enqueue to guest; set role guest");
	ck_assert_str_ne(value("select job_enqueue('k', unique_key => 'u')"), "");
	res = PQexec(pg, "select count(*) from jobs");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42501");
	PQclear(res);
	res = PQexec(pg, "select job_keep(now(), 0)");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42501");
	PQclear(res);
	sql("reset role; drop owned by guest; drop role guest");
}
END_TEST

static void
look_at_queues(void)
{
	/* behind the second one, what the first one has marked is there */
	for (int i = 0; i < 2; i++) {
		queue_queues(rig.queue, span_from(NULL, 0), queue_rig_queues_cb, &rig);
		queue_rig_wait(&rig, rig.answers + 1);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	}
}

static void
expect_full(const char *queue, bool is_full)
{
	char text[100];

	snprintf(text, sizeof(text), "select job_enqueue('k', queue => '%s')", queue);
	PGresult *res = PQexec(pg, text);
	ck_assert_int_eq(PQresultStatus(res), is_full ? PGRES_FATAL_ERROR : PGRES_TUPLES_OK);
	if (is_full) {
		snprintf(text, sizeof(text), "the queue %s is full", queue);
		ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "53400");
		ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY), text);
	}
	PQclear(res);
}

START_TEST(a_full_queue_takes_no_more)
{
	const struct queue_change change = {
	    .name = SPAN_LIT("small"), .sets_depth = true, .depth = 1};

	rig.config.jobs_queue_depth = 3;
	queue_set(rig.queue, &change, queue_rig_queues_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	queue_rig_put_many(&rig, 2);
	look_at_queues();
	expect_full("q", false);
	expect_full("small", false);
	sql("select job_enqueue('k', queue => 'late', run_at => now() + interval '1 h') from "
	    "generate_series(1, 3)");
	look_at_queues();
	expect_full("q", true);
	expect_full("small", true);
	expect_full("late", true);
	expect_full("other", false);
	/* a transaction can go on without it */
	sql("do $$ begin perform job_enqueue('k', queue => 'q'); exception when "
	    "configuration_limit_exceeded then perform job_enqueue('k', queue => 'other'); end "
	    "$$");
	ck_assert_str_eq(value("select count(*) from job_ready where queue = 'other'"), "2");
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	look_at_queues();
	expect_full("q", false);
	expect_full("small", true);
	/* nobody is waited for */
	PGconn *holder = pg_server_connect(&server);
	PQclear(PQexec(holder, "begin; select * from job_queue for update"));
	look_at_queues();
	expect_full("q", false);
	PQclear(PQexec(holder, "rollback"));
	PQfinish(holder);
	look_at_queues();
	expect_full("q", true);
}
END_TEST

START_TEST(who_puts_into_a_new_queue_does_not_wait_for_a_transaction)
{
	const struct job_new job = queue_rig_job();

	sql("begin; select job_enqueue('k', queue => 'q')");
	queue_rig_put(&rig, &job);
	ck_assert_uint_eq(queue_rig_claim(&rig, 9, 0), 1);
	keep("2026-01-01");
	sql("commit");
	ck_assert_uint_eq(queue_rig_claim_full(&rig, 9, 0, true), 1);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("queue, kept");
	TCase *tc = tcase_create("kept");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, steps_are_taken_once);
	tcase_add_test(tc, what_is_gone_is_made_again);
	tcase_add_test(tc, released_steps_do_not_change);
	tcase_add_test(tc, an_older_schema_is_brought_up_to_date);
	tcase_add_loop_test(tc, tables_of_others_are_left_alone, 0, N(others));
	tcase_add_test(tc, a_role_that_may_not_create_can_run_jobs);
	tcase_add_test(tc, days_come_and_go);
	tcase_add_test(tc, what_lives_is_not_dropped);
	tcase_add_test(tc, what_the_default_one_has_caught_goes_to_its_day);
	tcase_add_test(tc, who_reads_is_not_waited_for);
	tcase_add_test(tc, two_that_keep_are_in_nobodys_way);
	tcase_add_test(tc, what_is_old_is_swept_whatever_it_amounts_to);
	tcase_add_test(tc, queues_that_nobody_needs_go);
	tcase_add_test(tc, the_dead_are_forgotten_at_last);
	tcase_add_test(tc, an_old_job_that_is_tried_again_is_kept);
	tcase_add_test(tc, a_transaction_enqueues);
	tcase_add_test(tc, enqueued_jobs_are_as_those_of_others);
	tcase_add_loop_test(tc, a_wrong_argument_is_named, 0, N(wrong));
	tcase_add_test(tc, a_role_that_may_only_enqueue);
	tcase_add_test(tc, a_full_queue_takes_no_more);
	tcase_add_test(tc, who_puts_into_a_new_queue_does_not_wait_for_a_transaction);
	tcase_set_timeout(tc, 120);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
