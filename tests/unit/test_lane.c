/* links: tests/unit/lane_rig.c tests/unit/pg_server.c src/pg/lane.c src/pg/batch.c src/pg/blame.c
 * src/pg/parts.c src/pg/session.c src/pg/connect.c src/pg/setup.c src/pg/steps.c src/pg/resolve.c
 * src/pg/conninfo.c src/pg/backlog.c src/base/buffer.c src/base/loop.c src/base/clock.c
 * src/base/log.c src/base/deadline.c -levent_core -lpq -lcrypto -lpthread -lm */
/*
 * test_lane.c - one answer for each request, against a real PostgreSQL that is slow, paused, killed
 * and restarted.
 */
#include "pg/lane.h"

#include <check.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lane_rig.h"
#include "pg/resolve.h"
#include "pg_server.h"

static struct pg_server server;
static struct rig rig;
static struct ask ask[300];
static unsigned phase;
static PGconn *locker;

static void
start_server(void)
{
	pg_server_start(&server, "");
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

static void
setup(void)
{
	memset(ask, 0, sizeof(ask));
	phase = 0;
	rig_init(&rig, server.conninfo);
}

static void
teardown(void)
{
	rig_fini(&rig);
	for (unsigned i = 0; i < sizeof(ask) / sizeof(ask[0]); i++)
		ck_assert_uint_le(ask[i].answers, 1);
}

static void
expect(unsigned i, enum lane_outcome outcome, const char *value)
{
	ck_assert_uint_eq(ask[i].answers, 1);
	ck_assert_msg(ask[i].outcome == outcome, "%u: %d, not %d %s", i, (int)ask[i].outcome,
		      (int)outcome, ask[i].sqlstate);
	if (value)
		ck_assert_str_eq(ask[i].value, value);
}

/* One who holds what writers need. */
static void
lock_notes(void)
{
	locker = pg_server_connect(&server);
	PQclear(PQexec(locker, "begin"));
	PGresult *res = PQexec(locker, "lock table notes in exclusive mode");
	ck_assert_int_eq(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
}

static void
unlock_notes(void)
{
	PQfinish(locker);
	locker = NULL;
}

static bool
script_many(struct rig *r)
{
	static char number[200][8];

	if (phase == 0) {
		phase = 1;
		for (unsigned i = 0; i < 200; i++) {
			snprintf(number[i], sizeof(number[i]), "%u", i);
			rig_ask(r, &ask[i], i % 10 == 7 ? "write" : "echo", number[i]);
		}
	}
	return all_answered(ask, 200);
}

START_TEST(each_gets_its_own)
{
	rig_open(&rig);
	rig_run(&rig, script_many);
	for (unsigned i = 0; i < 200; i++) {
		char number[8];
		snprintf(number, sizeof(number), "%u", i);
		expect(i, LANE_OK, number);
	}
	ck_assert_uint_eq(rig.readies, 1);
	ck_assert_uint_eq(rig.troubles, 0);
	ck_assert_uint_eq(rig.backlog.waiting, 0);
}
END_TEST

static bool
script_errors(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		rig_ask(r, &ask[0], "write", "77001");
		rig_ask(r, &ask[1], "divide", "0");
		rig_ask(r, &ask[2], "write", "77002");
		rig_ask(r, &ask[3], "divide", "one");
		rig_ask(r, &ask[4], "no_such_statement", "");
		rig_ask(r, &ask[5], "echo", "after");
	}
	return all_answered(ask, 6);
}

START_TEST(an_error_is_one_requests_own)
{
	rig_open(&rig);
	rig_run(&rig, script_errors);
	expect(0, LANE_OK, "77001");
	expect(1, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[1].sqlstate, "22012");
	expect(2, LANE_OK, "77002");
	expect(3, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[3].sqlstate, "22P02");
	/* retried once on a fresh connection, then refused */
	expect(4, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[4].sqlstate, "26000");
	ck_assert_uint_eq(rig.readies, 2);
	expect(5, LANE_OK, "after");
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from notes where n in (77001, "
						   "77002)"),
			 2);
}
END_TEST

static bool
script_full(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		/* not connected yet: all of them wait */
		ask[5].request.is_continued = true;
		for (unsigned i = 0; i < 6; i++)
			rig_ask(r, &ask[i], "echo", "x");
		expect(4, LANE_FULL, NULL);
		ck_assert_uint_eq(ask[5].answers, 0);
		ck_assert_uint_ge(ask[4].retry_after_s, 1);
		ck_assert_uint_le(ask[4].retry_after_s, 60);
	}
	return all_answered(ask, 6);
}

START_TEST(the_backlog_is_bounded)
{
	rig.backlog.limit = 4;
	rig_open(&rig);
	rig_run(&rig, script_full);
	for (unsigned i = 0; i < 4; i++)
		expect(i, LANE_OK, "x");
	/* the second half of something is no one more */
	expect(5, LANE_OK, "x");
}
END_TEST

/* More than may wait, in one pass, on a lane that is free: nobody is turned away. */
static bool
script_burst(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		for (unsigned i = 0; i < 16; i++)
			rig_ask(r, &ask[i], "echo", "x");
	}
	return phase == 1 && all_answered(ask, 16);
}

START_TEST(a_free_lane_takes_a_burst)
{
	rig.backlog.limit = 8;
	rig.settings.groups_max = 8;
	rig_open(&rig);
	rig_run(&rig, script_burst);
	for (unsigned i = 0; i < 16; i++)
		expect(i, LANE_OK, "x");
}
END_TEST

static bool
script_expire(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock_notes();
		rig_ask(r, &ask[0], "write", "1");
	} else if (phase == 1) {
		phase = 2;
		rig_ask(r, &ask[1], "echo", "never sent");
	} else if (phase == 2 && ask[1].answers) {
		ck_assert_uint_eq(ask[0].answers, 0);
		unlock_notes();
		phase = 3;
	}
	return phase == 3 && ask[0].answers;
}

START_TEST(who_waits_too_long_is_told)
{
	rig.settings.groups_max = 1;
	rig.settings.queue_timeout_ms = 100;
	rig_open(&rig);
	rig_run(&rig, script_expire);
	expect(0, LANE_OK, "1");
	expect(1, LANE_EXPIRED, NULL);
	ck_assert_uint_ge(ask[1].retry_after_s, 1);
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

static bool
script_timeout(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock_notes();
		rig_ask(r, &ask[0], "sleep", "20");
		rig_ask(r, &ask[1], "write", "1");
		rig_ask(r, &ask[2], "echo", "behind them");
	}
	if (phase == 1 && ask[1].answers) {
		unlock_notes();
		phase = 2;
	}
	return phase == 2 && all_answered(ask, 3);
}

START_TEST(the_server_keeps_the_statement_timeout)
{
	rig.settings.statement_timeout_ms = 200;
	rig_open(&rig);
	rig_run(&rig, script_timeout);
	expect(0, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[0].sqlstate, "57014");
	expect(1, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[1].sqlstate, "55P03");
	expect(2, LANE_OK, "behind them");
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

static bool
script_late(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock_notes();
		/* each stays below its timeout, and together they take longer than anybody waits */
		for (unsigned i = 0; i < 10; i++)
			rig_ask(r, &ask[i], "sleep", "0.2");
		rig_ask(r, &ask[10], "write", "88001");
	} else if (phase == 1 && all_answered(ask, 11)) {
		phase = 2;
		unlock_notes();
		rig_ask(r, &ask[11], "echo", "in step");
	} else if (phase == 2 && ask[11].outcome == LANE_EXPIRED) {
		/* the server is still at it */
		memset(&ask[11], 0, sizeof(ask[11]));
		rig_ask(r, &ask[11], "echo", "in step");
	}
	return phase == 2 && ask[11].answers && ask[11].outcome != LANE_EXPIRED;
}

START_TEST(an_answer_that_comes_late_is_swallowed)
{
	rig.settings.statement_timeout_ms = 500;
	rig.settings.queue_timeout_ms = 100;
	rig_open(&rig);
	rig_run(&rig, script_late);
	expect(0, LANE_OK, NULL);
	expect(9, LANE_LATE, NULL);
	expect(10, LANE_UNKNOWN, NULL);
	expect(11, LANE_OK, "in step");
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

static bool
script_down(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "waits for the first attempt");
		ck_assert_uint_eq(ask[0].answers, 0);
	} else if (phase == 1 && ask[0].answers) {
		phase = 2;
		rig_ask(r, &ask[1], "echo", "does not wait for the second");
		ck_assert_uint_eq(ask[1].answers, 1);
	}
	return r->troubles == 3;
}

START_TEST(down_is_told_at_once)
{
	rig_fini(&rig);
	rig_init(&rig, "host=/nonexistent dbname=plaza password=sesame");
	rig_open(&rig);
	rig_run(&rig, script_down);
	expect(0, LANE_DOWN, NULL);
	expect(1, LANE_DOWN, NULL);
	ck_assert(!ask[1].schema_missing);
	ck_assert_uint_ge(ask[1].retry_after_s, 1);
	ck_assert(!rig.trouble.was_ready);
	/* the third: 400 ms, half of it chance */
	ck_assert_uint_ge(rig.trouble.retry_ms, 200);
	ck_assert_uint_le(rig.trouble.retry_ms, 400);
	ck_assert_ptr_nonnull(strstr(rig.reason, "No such file or directory"));
	ck_assert_ptr_null(strchr(rig.reason, '\n'));
	ck_assert_ptr_null(strstr(rig.reason, "sesame"));
}
END_TEST

static bool
script_terminate(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock_notes();
		rig_ask(r, &ask[0], "echo", "done before");
		rig_ask(r, &ask[1], "write", "99001");
		rig_ask(r, &ask[2], "write", "99002");
		rig_ask(r, &ask[3], "echo", "retried");
	} else if (phase == 1 && ask[0].answers) {
		/* the write waits for its lock now, or will */
		phase = 2;
		rig_ask(r, &ask[4], "echo", "waited");
		pg_server_sql(&server, "select pg_terminate_backend(pid) from pg_stat_activity "
				       "where application_name = 'plazad'");
	} else if (phase == 2 && r->troubles) {
		unlock_notes();
		phase = 3;
	}
	return phase == 3 && all_answered(ask, 5);
}

START_TEST(a_lost_write_is_never_sent_again)
{
	rig_open(&rig);
	rig_run(&rig, script_terminate);
	expect(0, LANE_OK, "done before");
	expect(1, LANE_UNKNOWN, NULL);
	expect(2, LANE_UNKNOWN, NULL);
	expect(3, LANE_OK, "retried");
	expect(4, LANE_OK, "waited");
	ck_assert_int_eq(rig.readies, 2);
	ck_assert(rig.trouble.was_ready);
	ck_assert_ptr_nonnull(strstr(rig.reason, "terminating connection"));
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from notes where n > 99000"),
			 0);
}
END_TEST

static bool
script_kill(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "x");
	} else if (phase == 1 && ask[0].answers) {
		phase = 2;
		pg_server_run(&server, "kill");
		rig_ask(r, &ask[1], "write", "1");
		rig_ask(r, &ask[2], "echo", "x");
	} else if (phase == 2 && ask[1].answers && ask[2].answers && r->troubles >= 3) {
		phase = 3;
		rig_ask(r, &ask[3], "echo", "x");
		pg_server_run(&server, "restart");
	} else if (phase == 3 && r->readies == 2) {
		phase = 4;
		rig_ask(r, &ask[4], "echo", "back");
	}
	return phase == 4 && ask[4].answers;
}

START_TEST(a_killed_server_comes_back)
{
	rig_open(&rig);
	rig_run(&rig, script_kill);
	/* not sent yet or sent: both are honest */
	ck_assert(ask[1].outcome == LANE_UNKNOWN || ask[1].outcome == LANE_DOWN);
	expect(2, LANE_DOWN, NULL);
	expect(3, LANE_DOWN, NULL);
	expect(4, LANE_OK, "back");
}
END_TEST

static bool
script_idle(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_sql(&server, "select pg_terminate_backend(pid) from pg_stat_activity "
				       "where usename = 'plaza'");
	}
	return r->troubles == 1;
}

START_TEST(who_asked_for_nothing_is_told_why)
{
	rig_open(&rig);
	rig_run(&rig, script_idle);
	ck_assert(rig.trouble.was_ready);
	ck_assert_str_eq(rig.trouble.sqlstate, "57P01");
	ck_assert_msg(strstr(rig.reason, "terminating connection due to administrator command"),
		      "%s", rig.reason);
}
END_TEST

static bool
script_pause(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_run(&server, "pause");
		rig_ask(r, &ask[0], "echo", "x");
		rig_ask(r, &ask[1], "write", "1");
		r->ticks = 0;
	} else if (phase == 1 && all_answered(ask, 2)) {
		phase = 2;
		ck_assert_msg(r->ticks > 100, "the loop made %u rounds", r->ticks);
		pg_server_run(&server, "resume");
	} else if (phase == 2 && r->readies == 2) {
		phase = 3;
		rig_ask(r, &ask[2], "echo", "awake");
	}
	return phase == 3 && ask[2].answers;
}

START_TEST(a_paused_server_stalls_nobody)
{
	rig.settings.statement_timeout_ms = 100;
	rig.settings.connection.connect_timeout_ms = 200;
	rig_open(&rig);
	rig_run(&rig, script_pause);
	expect(0, LANE_DOWN, NULL);
	expect(1, LANE_UNKNOWN, NULL);
	expect(2, LANE_OK, "awake");
}
END_TEST

static bool
script_dropped(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_sql(&server, "drop table notes");
		rig_ask(r, &ask[0], "write", "5");
		rig_ask(r, &ask[1], "echo", "beside it");
	}
	return phase == 1 && all_answered(ask, 2);
}

START_TEST(a_dropped_table_is_made_again)
{
	rig_open(&rig);
	rig_run(&rig, script_dropped);
	expect(0, LANE_OK, "5");
	expect(1, LANE_OK, "beside it");
	ck_assert_uint_eq(rig.readies, 2);
}
END_TEST

static bool
script_denied(struct rig *r)
{
	if (phase == 0 && r->troubles) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "x");
		ck_assert(r->trouble.schema);
		pg_server_sql(&server, "create table notes(n int); grant select on notes to guest");
	} else if (phase == 1 && r->readies) {
		phase = 2;
		rig_ask(r, &ask[1], "echo", "y");
		rig_ask(r, &ask[2], "write", "1");
	}
	return phase == 2 && all_answered(ask, 3);
}

START_TEST(a_role_that_may_not_create)
{
	char conninfo[200];

	pg_server_sql(&server, "drop table if exists notes; create role guest login");
	rig_fini(&rig);
	snprintf(conninfo, sizeof(conninfo), "%s user=guest", server.conninfo);
	rig_init(&rig, conninfo);
	rig_open(&rig);
	rig_run(&rig, script_denied);
	expect(0, LANE_DOWN, NULL);
	ck_assert(ask[0].schema_missing);
	ck_assert_ptr_nonnull(
	    strstr(rig.reason, "table notes (step 1 of schema public) is missing: "));
	ck_assert_ptr_nonnull(strstr(rig.reason, "permission denied for schema public; "));
	ck_assert_ptr_nonnull(strstr(rig.reason, "; let another role make it"));
	/* once it is there, it is used as it is */
	expect(1, LANE_OK, "y");
	expect(2, LANE_REFUSED, NULL);
	ck_assert_str_eq(ask[2].sqlstate, "42501");
	pg_server_sql(&server, "drop table notes; drop role guest");
}
END_TEST

START_TEST(too_many_connections_are_told_by_sqlstate)
{
	char conninfo[200];

	pg_server_sql(&server, "create role crowd login connection limit 0");
	rig_fini(&rig);
	snprintf(conninfo, sizeof(conninfo), "%s user=crowd", server.conninfo);
	rig_init(&rig, conninfo);
	rig_open(&rig);
	rig_run(&rig, script_down);
	ck_assert_str_eq(rig.trouble.sqlstate, "53300");
	ck_assert_ptr_nonnull(strstr(rig.reason, "too many connections"));
	ck_assert_ptr_null(strstr(rig.reason, "LOCATION"));
	pg_server_sql(&server, "drop role crowd");
}
END_TEST

#define CROWD 8
static struct rig crowd[CROWD];

static bool
script_crowd(struct rig *r)
{
	unsigned ready = 0;

	(void)r;
	for (unsigned i = 0; i < CROWD; i++)
		ready += crowd[i].readies;
	return ready == CROWD;
}

START_TEST(many_at_once_take_the_step_once)
{
	pg_server_sql(&server, "drop table if exists notes");
	for (unsigned i = 0; i < CROWD; i++) {
		rig_init(&crowd[i], server.conninfo);
		/* all in one loop, so that they really are at it together */
		if (i) {
			loop_free(&crowd[i].loop);
			crowd[i].loop = crowd[0].loop;
		}
		rig_open(&crowd[i]);
	}
	rig_run(&crowd[0], script_crowd);
	for (unsigned i = CROWD; i-- > 0;) {
		ck_assert_msg(crowd[i].troubles == 0, "%s", crowd[i].reason);
		if (i)
			crowd[i].loop = NULL;
		rig_fini(&crowd[i]);
	}
}
END_TEST

static bool
script_ready(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		rig_ask(r, &ask[0], "sleep", "20");
		rig_ask(r, &ask[1], "write", "1");
	} else if (phase == 1) {
		/* the two have been sent; these wait */
		phase = 2;
		rig_ask(r, &ask[2], "echo", "x");
		rig_ask(r, &ask[3], "write", "1");
		return true;
	}
	return false;
}

static void
ask_again(struct ask *a)
{
	rig_ask(&rig, a + 10, "echo", "too late");
}

START_TEST(the_end_answers_everybody)
{
	rig_open(&rig);
	for (unsigned i = 0; i < 4; i++)
		ask[i].then = ask_again;
	rig_run(&rig, script_ready);
	lane_free(&rig.lane);
	expect(0, LANE_STOPPED, NULL);
	expect(1, LANE_UNKNOWN, NULL);
	expect(2, LANE_STOPPED, NULL);
	expect(3, LANE_STOPPED, NULL);
	for (unsigned i = 10; i < 14; i++)
		expect(i, LANE_STOPPED, NULL);
	ck_assert_uint_eq(rig.backlog.waiting, 0);
}
END_TEST

static unsigned rounds;

static void
and_again(struct ask *a)
{
	if (++rounds < 500)
		rig_ask(&rig, a, "echo", "x");
}

static bool
script_rounds(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		ask[0].then = and_again;
		rig_ask(r, &ask[0], "echo", "x");
	}
	if (rounds == 500)
		ask[0].answers = 1;
	return rounds == 500;
}

START_TEST(an_answer_may_ask_again)
{
	rig_open(&rig);
	rig_run(&rig, script_rounds);
	ck_assert_int_eq(ask[0].outcome, LANE_OK);
}
END_TEST

/* Far more than the sockets hold, both ways: whoever only wrote would wait for ever. */
#define LARGE 1000000
static char *large;

static bool
script_large(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		for (unsigned i = 0; i < 40; i++)
			rig_ask(r, &ask[i], "echo", large);
	}
	return phase == 1 && all_answered(ask, 40);
}

START_TEST(large_requests_and_answers)
{
	large = malloc(LARGE + 1);
	ck_assert_ptr_nonnull(large);
	memset(large, 'x', LARGE);
	large[LARGE] = '\0';
	/* it takes its time under valgrind */
	rig.settings.queue_timeout_ms = rig.settings.statement_timeout_ms = 30000;
	rig_open(&rig);
	rig_run(&rig, script_large);
	for (unsigned i = 0; i < 40; i++) {
		expect(i, LANE_OK, NULL);
		ck_assert_uint_eq(ask[i].length, LARGE);
	}
	free(large);
}
END_TEST

static bool
script_echo(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "x");
	}
	return ask[0].answers;
}

/* A server that takes connections and says nothing: the next one gets its turn. */
START_TEST(the_next_host_has_its_turn)
{
	char dir[] = "/tmp/plaza-mute-XXXXXX", conninfo[300];
	struct sockaddr_un mute = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(mute.sun_path, sizeof(mute.sun_path), "%s/.s.PGSQL.5432", dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&mute, sizeof(mute)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	rig_fini(&rig);
	snprintf(conninfo, sizeof(conninfo), "host=/nonexistent,%s,%s/s dbname=plaza user=plaza",
		 dir, server.dir);
	rig_init(&rig, conninfo);
	rig.settings.connection.connect_timeout_ms = 500;
	rig_open(&rig);
	rig_run(&rig, script_echo);
	expect(0, LANE_OK, "x");
	ck_assert_uint_eq(rig.troubles, 0);
	close(fd);
	unlink(mute.sun_path);
	rmdir(dir);
}
END_TEST

static bool
script_settings(struct rig *r)
{
	static const char *const names[] = {"application_name",
					    "statement_timeout",
					    "lock_timeout",
					    "idle_in_transaction_session_timeout",
					    "jit",
					    "plan_cache_mode",
					    "client_encoding",
					    "plaza.told"};

	if (phase == 0) {
		phase = 1;
		for (unsigned i = 0; i < 8; i++)
			rig_ask(r, &ask[i], "setting", names[i]);
	}
	return all_answered(ask, 8);
}

START_TEST(the_session_is_as_we_want_it)
{
	static const char *const values[] = {
	    "plazad", "1234ms", "617ms", "1234ms", "off", "force_generic_plan", "UTF8", "on"};

	rig.settings.statement_timeout_ms = 1234;
	rig_open(&rig);
	rig_run(&rig, script_settings);
	for (unsigned i = 0; i < 8; i++)
		expect(i, LANE_OK, values[i]);
}
END_TEST

static bool
script_mute(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "x");
	}
	return ask[0].answers;
}

/* The first attempt takes longer than anybody waits. */
START_TEST(an_attempt_is_not_waited_for_for_ever)
{
	pg_server_run(&server, "pause");
	rig.settings.queue_timeout_ms = 100;
	rig_open(&rig);
	rig_run(&rig, script_mute);
	pg_server_run(&server, "resume");
	expect(0, LANE_DOWN, NULL);
	ck_assert_uint_eq(ask[0].retry_after_s, 1);
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

static sem_t may_answer;
static atomic_uint lookups;

static int
hanging_lookup(const char *node, const char *service, const struct addrinfo *hints,
	       struct addrinfo **result)
{
	struct addrinfo h = *hints;

	(void)node;
	atomic_fetch_add(&lookups, 1);
	sem_wait(&may_answer);
	h.ai_flags |= AI_NUMERICHOST;
	return getaddrinfo("127.0.0.1", service, &h, result);
}

static bool
script_name(struct rig *r)
{
	if (phase == 0) {
		phase = 1;
		rig_ask(r, &ask[0], "echo", "x");
	} else if (phase == 1 && r->troubles == 3) {
		phase = 2;
		ck_assert_str_eq(r->reason,
				 "host names were not resolved within store.connect_timeout");
		/* three attempts, and still one thread only */
		ck_assert_uint_eq(atomic_load(&lookups), 1);
		ck_assert_uint_gt(r->ticks, 30);
		for (int i = 0; i < 100; i++)
			sem_post(&may_answer);
	}
	return phase == 2 && strstr(r->reason, "port 1 failed: Connection refused");
}

START_TEST(a_slow_name_stalls_nobody)
{
	ck_assert_int_eq(sem_init(&may_answer, 0, 0), 0);
	resolve_lookup = hanging_lookup;
	rig_fini(&rig);
	rig_init(&rig, "host=database.example port=1 dbname=plaza user=plaza");
	rig.settings.connection.connect_timeout_ms = 100;
	rig_open(&rig);
	rig_run(&rig, script_name);
	expect(0, LANE_DOWN, NULL);
	ck_assert_ptr_nonnull(strstr(rig.reason, "\"127.0.0.1\""));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lane");
	TCase *tc = tcase_create("lane");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_gets_its_own);
	tcase_add_test(tc, an_error_is_one_requests_own);
	tcase_add_test(tc, the_backlog_is_bounded);
	tcase_add_test(tc, a_free_lane_takes_a_burst);
	tcase_add_test(tc, who_waits_too_long_is_told);
	tcase_add_test(tc, the_server_keeps_the_statement_timeout);
	tcase_add_test(tc, an_answer_that_comes_late_is_swallowed);
	tcase_add_test(tc, down_is_told_at_once);
	tcase_add_test(tc, a_lost_write_is_never_sent_again);
	tcase_add_test(tc, a_killed_server_comes_back);
	tcase_add_test(tc, who_asked_for_nothing_is_told_why);
	tcase_add_test(tc, a_paused_server_stalls_nobody);
	tcase_add_test(tc, a_dropped_table_is_made_again);
	tcase_add_test(tc, a_role_that_may_not_create);
	tcase_add_test(tc, too_many_connections_are_told_by_sqlstate);
	tcase_add_test(tc, many_at_once_take_the_step_once);
	tcase_add_test(tc, the_end_answers_everybody);
	tcase_add_test(tc, an_answer_may_ask_again);
	tcase_add_test(tc, large_requests_and_answers);
	tcase_add_test(tc, the_next_host_has_its_turn);
	tcase_add_test(tc, an_attempt_is_not_waited_for_for_ever);
	tcase_add_test(tc, a_slow_name_stalls_nobody);
	tcase_add_test(tc, the_session_is_as_we_want_it);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
