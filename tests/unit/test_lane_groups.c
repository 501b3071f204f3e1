/* links: tests/unit/lane_rig.c tests/unit/pg_server.c src/pg/lane.c src/pg/array.c src/pg/batch.c
 * src/pg/blame.c src/pg/parts.c src/pg/session.c src/pg/connect.c src/pg/setup.c src/pg/steps.c
 * src/pg/resolve.c src/pg/conninfo.c src/pg/backlog.c src/base/buffer.c src/base/loop.c
 * src/base/clock.c src/base/log.c src/base/deadline.c -levent_core -lpq -lcrypto -lpthread -lm */
/*
 * test_lane_groups.c - who shares a transaction with whom, and what becomes of a group in which one
 * is bad, blocked or lost: against a real PostgreSQL, which counts the transactions.
 */
#include "pg/array.h"
#include "pg/lane.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lane_rig.h"
#include "pg_server.h"

#define ASKS 400

static struct pg_server server;
static struct rig rig;
static struct ask ask[ASKS];
static char number[ASKS][12];
static unsigned phase, n_asks;
static PGconn *locker;

static void
start_server(void)
{
	pg_server_start(&server, "");
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	pg_server_sql(&server, "create table marks(n int check (n >= 0), at serial, "
			       "xid bigint default txid_current())");
	pg_server_sql(&server, "create table latecomers(n int unique deferrable initially "
			       "deferred, xid bigint default txid_current())");
	pg_server_sql(&server, "create table keys(k int primary key)");
	pg_server_sql(&server, "grant all on all tables in schema public to public");
	pg_server_sql(&server, "grant all on all sequences in schema public to public");
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
	phase = n_asks = 0;
	pg_server_sql(&server, "truncate marks, latecomers, keys restart identity");
	rig_init(&rig, server.conninfo);
	/* all at once, so that what gathers is what a test says */
	rig.backlog.limit = ASKS;
}

static void
teardown(void)
{
	rig_fini(&rig);
	ck_assert_uint_eq(rig.backlog.waiting, 0);
	for (unsigned i = 0; i < ASKS; i++)
		ck_assert_uint_le(ask[i].answers, 1);
}

/* Kinds */

static struct buffer arrays;

/* $1 is all numbers, each as often as its request weighs. */
static bool
send_all(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	struct array array;

	arrays.len = 0;
	ck_assert(array_begin(&array, &arrays, ARRAY_INT4, 1U << 20));
	for (unsigned i = 0; i < n; i++) {
		const struct ask *a = (const struct ask *)request[i];
		for (unsigned j = 0; j < (a->request.weight ? a->request.weight : 1); j++)
			ck_assert(array_add_int4(&array, (int32_t)strtol(a->param, NULL, 10)));
	}
	struct span bytes = array_end(&array);
	const char *values[] = {bytes.ptr};
	const int lengths[] = {(int)bytes.len}, formats[] = {1};
	const struct lane_query query = {
	    .sql = ((const struct ask *)request[0])->sql,
	    .n_params = 1,
	    .values = values,
	    .lengths = lengths,
	    .formats = formats,
	};
	return lane_query_send(lane, &query);
}

/* Rows in the order of the array. */
static unsigned dealt_nobody;

static void
deal_in_order(const PGresult *result, struct lane_request *const *request, unsigned n,
	      struct lane_share *share)
{
	int row = 0;

	for (unsigned i = 0; i < n; i++) {
		dealt_nobody += request[i] == NULL;
		share[i].row = row;
		share[i].n_rows = (int)share[i].weight;
		row += share[i].n_rows;
	}
	ck_assert_int_eq(PQntuples(result), row);
}

/* Even numbers have a row, wherever it is. */
static void
deal_by_number(const PGresult *result, struct lane_request *const *request, unsigned n,
	       struct lane_share *share)
{
	for (unsigned i = 0; i < n; i++) {
		const struct ask *a = (const struct ask *)request[i];
		for (int row = 0; a && row < PQntuples(result); row++) {
			if (strtol(PQgetvalue(result, row, 0), NULL, 10) ==
			    strtol(a->param, NULL, 10)) {
				share[i].row = row;
				share[i].n_rows = 1;
			}
		}
	}
}

#define INSERT_ALL                                                                        \
	"insert into marks(n) select n from unnest($1::int4[]) with ordinality u(n, at) " \
	"order by at returning n || ':' || xid"
#define INSERT_ONE "insert into marks(n) values ($1::int4) returning n || ':' || xid"
#define GET_EVEN                                                        \
	"select n || ':' || extract(epoch from now()) from unnest($1::" \
	"int4[]) n where n % 2 = 0 order by n desc"

static const struct lane_kind insert_all = {
    .name = "insert all",
    .max = 64,
    .max_weight = 100,
    .is_write = true,
    .send = send_all,
    .deal = deal_in_order,
};
static const struct lane_kind insert_each = {
    .name = "insert each",
    .max = 64,
    .is_write = true,
    .is_sorted = true,
    .send = rig_send_each,
};
static const struct lane_kind get_all = {
    .name = "get",
    .max = LANE_BATCH_MAX,
    .send = send_all,
    .deal = deal_by_number,
};
static const struct lane_kind read_each = {.name = "read", .max = 64, .send = rig_send_each};

static struct ask *
submit(const struct lane_kind *kind, const char *sql, int n)
{
	struct ask *a = &ask[n_asks];

	snprintf(number[n_asks], sizeof(number[0]), "%d", n);
	a->sql = sql;
	a->param = number[n_asks++];
	rig_submit(&rig, a, kind);
	return a;
}

static void
expect(unsigned i, enum lane_outcome outcome, const char *sqlstate)
{
	ck_assert_uint_eq(ask[i].answers, 1);
	ck_assert_msg(ask[i].outcome == outcome, "%u: %d, not %d %s %s", i, (int)ask[i].outcome,
		      (int)outcome, ask[i].sqlstate, rig.reason);
	ck_assert_str_eq(ask[i].sqlstate, sqlstate);
}

/* Its own row and nobody else's. */
static void
expect_own(unsigned i)
{
	expect(i, LANE_OK, "");
	ck_assert_int_eq(strtol(ask[i].value, NULL, 10), strtol(ask[i].param, NULL, 10));
	ck_assert_ptr_nonnull(strchr(ask[i].value, ':'));
}

static const char *
transaction_of(unsigned i)
{
	return strchr(ask[i].value, ':') + 1;
}

static unsigned
count_transactions(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_asks; i++) {
		bool is_new = ask[i].outcome == LANE_OK;
		for (unsigned j = 0; is_new && j < i; j++)
			is_new = ask[j].outcome != LANE_OK ||
				 strcmp(transaction_of(i), transaction_of(j)) != 0;
		n += is_new;
	}
	return n;
}

static void
lock(const char *sql)
{
	locker = pg_server_connect(&server);
	PQclear(PQexec(locker, "begin"));
	PGresult *res = PQexec(locker, sql);
	ck_assert_int_le(PQresultStatus(res), PGRES_TUPLES_OK);
	PQclear(res);
}

static void
unlock(void)
{
	PQfinish(locker);
	locker = NULL;
}

static bool
script_wait(struct rig *r)
{
	(void)r;
	return all_answered(ask, n_asks);
}

/* What gathers goes together */

START_TEST(reads_share_a_statement)
{
	rig_open(&rig);
	for (int i = 0; i < 200; i++)
		submit(&get_all, GET_EVEN, i / 2);
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 200; i++) {
		expect(i, LANE_OK, "");
		ck_assert_int_eq(ask[i].n_rows, i / 2 % 2 == 0);
		if (ask[i].n_rows) {
			expect_own(i);
			ck_assert_str_eq(transaction_of(i), transaction_of(0));
		}
		ck_assert_uint_gt(ask[i].waited_us, 0);
		ck_assert_uint_gt(ask[i].took_us, 0);
	}
}
END_TEST

START_TEST(a_kind_says_how_many)
{
	struct lane_kind ten = insert_each;

	ten.max = 10;
	rig_open(&rig);
	for (int i = 0; i < 35; i++)
		submit(i % 7 == 6 ? &insert_all : &ten, i % 7 == 6 ? INSERT_ALL : INSERT_ONE, i);
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 35; i++)
		expect_own(i);
	/* 30 of one kind by ten, 5 of another, however they were mixed */
	ck_assert_uint_eq(count_transactions(), 4);
	ck_assert_str_eq(transaction_of(6), transaction_of(34));
	ck_assert_str_eq(transaction_of(0), transaction_of(10));
	ck_assert_str_ne(transaction_of(0), transaction_of(11));
}
END_TEST

START_TEST(weights_count)
{
	static const unsigned weights[] = {40, 40, 40, 300, 40, 0};

	rig_open(&rig);
	for (unsigned i = 0; i < 6; i++) {
		ask[i].request.weight = weights[i];
		submit(&insert_all, INSERT_ALL, (int)i);
	}
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 6; i++) {
		expect_own(i);
		ck_assert_int_eq(ask[i].n_rows, weights[i] ? (int)weights[i] : 1);
	}
	ck_assert_uint_eq(count_transactions(), 4);
	ck_assert_str_eq(transaction_of(0), transaction_of(1));
	ck_assert_str_eq(transaction_of(4), transaction_of(5));
}
END_TEST

START_TEST(rows_are_locked_in_order)
{
	rig_open(&rig);
	for (int i = 0; i < 60; i++) {
		ask[i].request.order = (60 - i) / 2;
		submit(&insert_each, INSERT_ONE, i);
	}
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 60; i++)
		expect_own(i);
	/* by falling n in pairs, and within a pair as they came */
	ck_assert_int_eq(
	    pg_server_number(&server, "select count(*) from (select n, lag(n) over (order by at) "
				      "as before from marks) m where (60 - before) / 2 > (60 - n) "
				      "/ 2 or (60 - before) / 2 = (60 - n) / 2 and before > n"),
	    0);
	ck_assert_uint_eq(count_transactions(), 1);
}
END_TEST

/* One who is bad */

#define ROWS 40
static const struct bad_case {
	int first, last, step;
	unsigned transactions[2]; /* at most: found by halves; by the query's place */
} bad_cases[] = {
    {1, 0, 1, {1, 1}},          {0, 0, 1, {6, 1}},        {ROWS - 1, ROWS - 1, 1, {6, 1}},
    {7, 7, 1, {6, 2}},          {3, 5, 1, {9, 4}},        {0, ROWS - 1, ROWS - 1, {10, 1}},
    {1, ROWS - 1, 2, {20, 20}}, {0, ROWS - 1, 1, {0, 0}},
};

static bool
is_bad(const struct bad_case *c, int i)
{
	return i >= c->first && i <= c->last && (i - c->first) % c->step == 0;
}

static void
try_bad(const struct bad_case *c, const struct lane_kind *kind, const char *sql, unsigned most)
{
	int good = 0;

	rig_open(&rig);
	for (int i = 0; i < ROWS; i++) {
		good += !is_bad(c, i);
		submit(kind, sql, is_bad(c, i) ? -1 - i : i);
	}
	rig_run(&rig, script_wait);
	for (int i = 0; i < ROWS; i++) {
		if (!is_bad(c, i)) {
			expect_own((unsigned)i);
			continue;
		}
		expect((unsigned)i, LANE_REFUSED, "23514");
		ck_assert_str_eq(ask[i].constraint, "marks_n_check");
	}
	ck_assert_uint_le(count_transactions(), most);
	ck_assert_int_eq(pg_server_number(&server, "select count(distinct n) from marks"), good);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"), good);
	ck_assert_uint_eq(rig.troubles, 0);
	/* who was sent again did not leave twice; the window may have turned on a slow machine */
	if (rig.backlog.sent_per_s <= 0)
		ck_assert_uint_eq(rig.backlog.sent_in_window, ROWS);
}

START_TEST(bad_ones_cost_only_themselves_by_halves)
{
	try_bad(&bad_cases[_i], &insert_all, INSERT_ALL, bad_cases[_i].transactions[0]);
}
END_TEST

START_TEST(bad_ones_cost_only_themselves_by_place)
{
	try_bad(&bad_cases[_i], &insert_each, INSERT_ONE, bad_cases[_i].transactions[1]);
}
END_TEST

/* What fails at the commit has no query of its own. */
START_TEST(an_error_of_the_commit)
{
	const struct lane_kind *kind = _i ? &insert_each : &insert_all;
	const char *sql = _i ? "insert into latecomers values ($1::int4) returning n || ':' || xid"
			     : "insert into latecomers select unnest($1::int4[]) returning n || "
			       "':' || xid";

	rig_open(&rig);
	for (int i = 0; i < 8; i++)
		submit(kind, sql, i == 6 ? 3 : i);
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 8; i++) {
		if (i == 6)
			expect(i, LANE_REFUSED, "23505");
		else
			expect_own(i);
	}
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from latecomers"), 7);
}
END_TEST

START_TEST(one_that_is_slow)
{
	rig.settings.statement_timeout_ms = 300;
	rig_open(&rig);
	for (int i = 0; i < 7; i++)
		submit(&read_each, "select $1 || ':' || pg_sleep($1::float8)", i == 3 ? 20 : 0);
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 7; i++) {
		if (i == 3)
			expect(i, LANE_REFUSED, "57014");
		else
			expect_own(i);
	}
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

#define TOUCH "update marks set n = n where at = $1::int4 returning at || ':' || txid_current()"

static bool
script_row_lock(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock("select * from marks where at = 5 for update");
		for (int i = 0; i < 24; i++) {
			ask[i].request.order = i / 2;
			submit(&insert_each, TOUCH, i / 2);
		}
	}
	return phase == 1 && all_answered(ask, n_asks);
}

START_TEST(one_row_that_is_locked)
{
	pg_server_sql(&server, "insert into marks(n) select generate_series(0, 20)");
	rig.settings.statement_timeout_ms = 600;
	rig_open(&rig);
	rig_run(&rig, script_row_lock);
	unlock();
	for (unsigned i = 2; i < 24; i++) {
		/* both of them, at the price of one wait */
		if (i / 2 == 5)
			expect(i, LANE_REFUSED, "55P03");
		else
			expect_own(i);
	}
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

static const struct lane_kind *locked_kind;
static const char *locked_sql;

static bool
script_table_lock(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock("lock table marks in exclusive mode");
		for (int i = 0; i < 30; i++) {
			ask[i].request.order = i;
			submit(locked_kind, locked_sql, i);
		}
	}
	return phase == 1 && all_answered(ask, n_asks);
}

/* Nobody waits for each of thirty in turn. */
START_TEST(a_table_that_is_locked)
{
	locked_kind = _i ? &insert_each : &insert_all;
	locked_sql = _i ? INSERT_ONE : INSERT_ALL;
	rig.settings.statement_timeout_ms = 400;
	rig_open(&rig);
	rig_run(&rig, script_table_lock);
	unlock();
	for (unsigned i = 0; i < 30; i++) {
		expect(i, LANE_REFUSED, "55P03");
		ck_assert_uint_lt(ask[i].waited_us + ask[i].took_us, 4 * 200000);
	}
	ck_assert_uint_eq(rig.troubles, 0);
}
END_TEST

/* Prepared statements that do not fit any more */

static bool
script_stale(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_sql(&server, "alter table notes add more int");
		for (int i = 0; i < 20; i++) {
			ask[n_asks].statement = i % 2 ? "note" : NULL;
			submit(i % 2 ? &read_each : &insert_each, INSERT_ONE, i);
		}
	}
	return phase == 1 && all_answered(ask, n_asks);
}

START_TEST(a_column_more_is_found)
{
	rig_open(&rig);
	rig_run(&rig, script_stale);
	for (unsigned i = 0; i < 20; i++) {
		if (i % 2)
			expect(i, LANE_OK, "");
		else
			expect_own(i);
	}
	ck_assert_uint_eq(rig.readies, 2);
	/* the writes beside them were done once */
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"), 10);
	pg_server_sql(&server, "alter table notes drop more");
}
END_TEST

START_TEST(what_another_connection_does_not_mend)
{
	rig_open(&rig);
	for (int i = 0; i < 9; i++)
		submit(&insert_each, i == 4 ? "insert into nothing values ($1::int4)" : INSERT_ONE,
		       i);
	rig_run(&rig, script_wait);
	for (unsigned i = 0; i < 9; i++) {
		if (i == 4)
			expect(i, LANE_REFUSED, "42P01");
		else
			expect_own(i);
	}
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"), 8);
	ck_assert_uint_eq(rig.readies, 2);
}
END_TEST

/* A connection that is lent to others between our transactions */

static bool
script_lent(struct rig *r)
{
	static const char *const names[] = {"statement_timeout", "lock_timeout", "jit",
					    "plan_cache_mode", "plaza.told"};
	if (phase == 0 && r->readies) {
		phase = 1;
		for (unsigned i = 0; i < 5; i++)
			rig_ask(r, &ask[i], "setting", names[i]);
		rig_ask(r, &ask[5], "echo", "unnamed");
		rig_ask(r, &ask[6], "divide", "0");
		n_asks = 7;
		for (int i = 0; i < 8; i++)
			submit(&insert_each, INSERT_ONE, i == 2 ? -1 : i);
	} else if (phase == 1 && all_answered(ask, n_asks)) {
		phase = 2;
		/* the session has kept nothing */
		submit(&read_each, "select count(*) from pg_prepared_statements where name <> $1",
		       0);
	}
	return phase == 2 && all_answered(ask, n_asks);
}

START_TEST(a_connection_that_is_lent)
{
	static const char *const values[] = {"1234ms", "617ms", "off", "auto", "on", "unnamed"};

	rig.settings.statement_timeout_ms = 1234;
	rig.plan.is_prepared = false;
	rig_open(&rig);
	rig_run(&rig, script_lent);
	for (unsigned i = 0; i < 6; i++) {
		expect(i, LANE_OK, "");
		ck_assert_str_eq(ask[i].value, values[i]);
	}
	expect(6, LANE_REFUSED, "22012");
	/* the query to blame is found behind the prelude */
	for (unsigned i = 7; i < 15; i++) {
		if (i == 9)
			expect(i, LANE_REFUSED, "23514");
		else
			expect_own(i);
	}
	ck_assert_str_eq(transaction_of(7), transaction_of(8));
	ck_assert_str_eq(transaction_of(10), transaction_of(14));
	ck_assert_str_eq(ask[15].value, "0");
}
END_TEST

/* Connections that are lost */

#define ONCE                                                                                 \
	"with i as (insert into keys values ($1::int4) on conflict do nothing returning k) " \
	"select "                                                                            \
	"$1 || ':' || count(*) from i"
#define TERMINATE                                                                        \
	"select pg_terminate_backend(pid) from pg_stat_activity where application_name " \
	"= 'plazad'"

static bool
script_lost(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock("lock table marks in exclusive mode");
		for (int i = 0; i < 30; i++) {
			ask[i].request.is_decided = i % 3 == 2;
			submit(i % 3 == 0   ? &get_all
			       : i % 3 == 1 ? &insert_all
					    : &insert_each,
			       i % 3 == 0   ? GET_EVEN
			       : i % 3 == 1 ? INSERT_ALL
					    : ONCE,
			       2 * i);
		}
	} else if (phase == 1 && ask[0].answers) {
		/* the reads are through, the inserts wait for their lock, or will */
		phase = 2;
		pg_server_sql(&server, TERMINATE);
	} else if (phase == 2 && r->troubles) {
		phase = 3;
		unlock();
	}
	return phase == 3 && all_answered(ask, n_asks);
}

START_TEST(only_who_is_decided_is_sent_again)
{
	rig_open(&rig);
	rig_run(&rig, script_lost);
	for (unsigned i = 0; i < 30; i++) {
		if (i % 3 == 1)
			expect(i, LANE_UNKNOWN, "");
		else
			expect_own(i);
	}
	ck_assert_uint_eq(rig.readies, 2);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"), 0);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from keys"), 10);
}
END_TEST

/* Who is told that it is unknown is told why the second attempt was refused, too. */
static bool
script_lost_and_refused(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock("lock table keys in exclusive mode");
		ask[0].request.is_decided = true;
		submit(&insert_each, "insert into keys values ($1::int4) returning k || ':'", 2);
	} else if (phase == 1 && pg_server_number(&server, "select count(*) from pg_locks where "
							   "not granted") == 1) {
		phase = 2;
		pg_server_sql(&server, TERMINATE);
	} else if (phase == 2 && r->troubles) {
		phase = 3;
		PQclear(PQexec(locker, "insert into keys values (2)"));
		PQclear(PQexec(locker, "commit"));
		unlock();
	}
	return phase == 3 && all_answered(ask, n_asks);
}

START_TEST(an_unknown_outcome_has_its_error)
{
	rig_open(&rig);
	rig_run(&rig, script_lost_and_refused);
	expect(0, LANE_UNKNOWN, "23505");
	ck_assert_str_eq(ask[0].constraint, "keys_pkey");
}
END_TEST

/* The first attempt may have been committed, and nobody comes to ask. */
static bool
script_gone(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		lock("lock table keys in exclusive mode");
		for (int i = 0; i < 5; i++) {
			ask[i].request.is_decided = true;
			submit(&insert_each, ONCE, i);
		}
	} else if (phase == 1) {
		phase = 2;
		submit(&read_each, "select $1 || ':'", 5);
		pg_server_run(&server, "kill");
		unlock();
	}
	return phase == 2 && all_answered(ask, n_asks);
}

START_TEST(unknown_stays_unknown)
{
	rig.settings.queue_timeout_ms = 500;
	rig_open(&rig);
	rig_run(&rig, script_gone);
	pg_server_run(&server, "restart");
	for (unsigned i = 0; i < 5; i++)
		ck_assert(ask[i].outcome == LANE_UNKNOWN || ask[i].outcome == LANE_DOWN);
	expect(4, LANE_UNKNOWN, "");
	expect(5, LANE_DOWN, "");
}
END_TEST

#define STORM 300
static unsigned kills;

static bool
script_storm(struct rig *r)
{
	/* a little at a time, and a blow between any two */
	for (unsigned i = 0; i < 4 && n_asks < STORM && r->readies > r->troubles; i++) {
		unsigned at = n_asks;
		ask[at].request.is_decided = at % 3 == 2;
		submit(at % 3 == 0   ? &insert_all
		       : at % 3 == 1 ? &get_all
				     : &insert_each,
		       at % 3 == 0   ? INSERT_ALL
		       : at % 3 == 1 ? GET_EVEN
				     : ONCE,
		       (int)at * 2);
	}
	if (r->readies > kills && n_asks > kills * 60) {
		kills = r->readies;
		ck_assert_int_eq(PQsendQuery(locker, TERMINATE), 1);
		PGresult *res;
		while ((res = PQgetResult(locker)) != NULL)
			PQclear(res);
	}
	return n_asks == STORM && all_answered(ask, n_asks);
}

START_TEST(terminated_again_and_again)
{
	unsigned known = 0, unknown = 0;
	char sql[100];

	kills = 0;
	locker = pg_server_connect(&server);
	rig_open(&rig);
	rig_run(&rig, script_storm);
	for (unsigned i = 0; i < STORM; i++) {
		bool ok = ask[i].outcome == LANE_OK;
		long rows = 1;
		if (i % 3 != 1) {
			snprintf(sql, sizeof(sql), "select count(*) from %s = %u",
				 i % 3 ? "keys where k" : "marks where n", 2 * i);
			PGresult *res = PQexec(locker, sql);
			rows = strtol(PQgetvalue(res, 0, 0), NULL, 10);
			PQclear(res);
		}
		/* reads and decided ones get their answer sooner or later, or were never sent */
		ck_assert_msg(ok || ask[i].outcome == LANE_DOWN || ask[i].outcome == LANE_UNKNOWN,
			      "%u: %d", i, (int)ask[i].outcome);
		if (i % 3 == 1)
			ck_assert_int_ne(ask[i].outcome, LANE_UNKNOWN);
		if (ok)
			ck_assert_int_eq(rows, 1);
		else if (ask[i].outcome == LANE_DOWN && i % 3 != 1)
			ck_assert_int_eq(rows, 0);
		ck_assert_int_le(rows, 1);
		known += ok;
		unknown += ask[i].outcome == LANE_UNKNOWN;
	}
	ck_assert_uint_ge(rig.troubles, 4);
	ck_assert_uint_gt(known, STORM / 2);
	ck_assert_uint_lt(unknown, STORM / 2);
	unlock();
}
END_TEST

static bool
script_pause(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_run(&server, "pause");
		for (int i = 0; i < 10; i++)
			submit(i % 2 ? &get_all : &insert_all, i % 2 ? GET_EVEN : INSERT_ALL, i);
	} else if (phase == 1 && all_answered(ask, n_asks)) {
		phase = 2;
		pg_server_run(&server, "resume");
	}
	return phase == 2;
}

START_TEST(a_server_that_is_paused)
{
	rig.settings.statement_timeout_ms = 100;
	rig.settings.connection.connect_timeout_ms = 200;
	rig_open(&rig);
	rig_run(&rig, script_pause);
	for (unsigned i = 0; i < 10; i++)
		expect(i, i % 2 ? LANE_DOWN : LANE_UNKNOWN, "");
}
END_TEST

/* Those who cannot be sent do not make the server seem to be asked anew. */
static bool
script_silent(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		pg_server_run(&server, "pause");
		submit(&get_all, GET_EVEN, 0);
	} else if (phase == 1 && ask[0].request.was_sent) {
		phase = 2;
		for (int i = 1; i < 20; i++)
			submit(&get_all, GET_EVEN, i);
	} else if (phase == 2 && all_answered(ask, n_asks)) {
		phase = 3;
		pg_server_run(&server, "resume");
	}
	return phase == 3;
}

START_TEST(many_who_wait_do_not_hide_a_silence)
{
	rig.settings.statement_timeout_ms = 100;
	rig.settings.connection.connect_timeout_ms = 200;
	rig.settings.groups_max = 1;
	rig_open(&rig);
	rig_run(&rig, script_silent);
	for (unsigned i = 0; i < 20; i++)
		expect(i, LANE_DOWN, "");
}
END_TEST

/* A server that is short of connections */

static struct rig second;

static bool
script_short(struct rig *r)
{
	/* whichever was too late */
	struct rig *poor = second.troubles ? &second : r;

	if (phase == 0) {
		phase = 1;
		for (unsigned i = 0; i < 10; i++)
			rig_ask(i % 2 ? &second : r, &ask[i], "echo", "early");
	} else if (phase == 1 && r->readies + second.readies && r->troubles + second.troubles) {
		phase = 2;
		ck_assert_str_eq(poor->trouble.sqlstate, "53300");
		ck_assert(lane_is_down(poor->lane) && !lane_is_ready(poor->lane));
		for (unsigned i = 10; i < 20; i++)
			rig_ask(poor, &ask[i], "echo", "later");
	} else if (phase == 2 && all_answered(ask, 20)) {
		phase = 3;
		ck_assert_uint_eq(r->readies + second.readies, 1);
		pg_server_sql(&server, "alter role tight connection limit 5");
	}
	/* and in the end it has its own */
	return phase == 3 && lane_is_ready(r->lane) && lane_is_ready(second.lane);
}

START_TEST(lanes_stand_in_for_each_other)
{
	struct lane *lanes[3] = {NULL};
	char conninfo[200];

	pg_server_sql(&server, "create role tight login connection limit 1 in role plaza");
	rig_fini(&rig);
	snprintf(conninfo, sizeof(conninfo), "%s user=tight", server.conninfo);
	rig_init(&rig, conninfo);
	rig_init(&second, conninfo);
	loop_free(&second.loop);
	second.loop = rig.loop;
	rig_open(&rig);
	rig_open(&second);
	lanes[0] = rig.lane;
	lanes[2] = second.lane;
	lane_set_others(rig.lane, lanes, 3);
	lane_set_others(second.lane, lanes, 3);
	rig_run(&rig, script_short);
	for (unsigned i = 0; i < 20; i++) {
		expect(i, LANE_OK, "");
		ck_assert_str_eq(ask[i].value, i < 10 ? "early" : "later");
	}
	/* who went over to the other one is counted there */
	ck_assert_uint_eq(rig.backlog.waiting, 0);
	ck_assert_uint_eq(second.backlog.waiting, 0);
	lanes[2] = NULL;
	second.loop = NULL;
	rig_fini(&second);
}
END_TEST

/* Deadlines */

static unsigned freed;
static enum lane_outcome freed_as;

static void
free_it(struct ask *a)
{
	freed++;
	freed_as = a->outcome;
	free(a);
}

static bool
script_late(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		static const struct lane_kind alone = {.max = 1, .send = rig_send_each};
		/* each in its time, and together longer than those behind them have */
		for (int i = 0; i < 5; i++)
			submit(&alone, "select $1 || ':' || pg_sleep(0.4)", i);
		for (int i = 0; i < 6; i++) {
			struct ask *a = calloc(1, sizeof(*a));
			ck_assert_ptr_nonnull(a);
			a->sql = INSERT_ALL;
			a->param = "7";
			a->then = free_it;
			rig_submit(r, a, &insert_all);
		}
	} else if (phase == 1 && freed == 6 && all_answered(ask, 5)) {
		phase = 2;
		submit(&read_each, "select $1 || ':'", 6);
	} else if (phase == 2 && ask[5].outcome == LANE_EXPIRED) {
		/* the server is still at it */
		memset(&ask[--n_asks], 0, sizeof(ask[0]));
		submit(&read_each, "select $1 || ':'", 6);
	}
	return phase == 2 && ask[5].answers && ask[5].outcome != LANE_EXPIRED;
}

START_TEST(who_was_answered_may_be_gone)
{
	freed = dealt_nobody = 0;
	rig.settings.statement_timeout_ms = 500;
	rig.settings.queue_timeout_ms = 100;
	rig_open(&rig);
	rig_run(&rig, script_late);
	ck_assert_uint_eq(freed, 6);
	ck_assert_int_eq(freed_as, LANE_UNKNOWN);
	/* the rows that came in the end were nobody's */
	expect_own(5);
	ck_assert_uint_eq(dealt_nobody, 6);
	ck_assert_uint_eq(rig.troubles, 0);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"), 6);
}
END_TEST

/* Nobody may look at it any more, wherever its memory is used again. */
static void
spoil_it(struct ask *a)
{
	freed++;
	memset(a, 0xee, sizeof(*a));
}

static bool
script_half(struct rig *r)
{
	static const struct lane_kind alone = {.max = 1, .send = rig_send_each};

	if (phase == 0 && r->readies) {
		phase = 1;
		for (int i = 0; i < 3; i++)
			submit(&alone, "select $1 || ':'", i)->then = spoil_it;
		submit(&alone, "select $1 || ':' || pg_sleep(60)", 3);
	}
	return freed == 3;
}

/* Some groups of a batch are through when the lane is given up. */
START_TEST(who_was_answered_is_left_alone)
{
	freed = 0;
	rig_open(&rig);
	rig_run(&rig, script_half);
	lane_free(&rig.lane);
	expect(3, LANE_STOPPED, "");
	memset(ask, 0, 3 * sizeof(ask[0]));
}
END_TEST

/* Answers that do things */

static unsigned again;

static void
ask_once_more(struct ask *a)
{
	struct ask *next = calloc(1, sizeof(*next));

	ck_assert_ptr_nonnull(next);
	next->sql = a->sql;
	next->param = "1";
	next->then = free_it;
	rig_submit(&rig, next, a->request.kind);
	again++;
	free(a);
}

static bool
script_busy(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		for (int i = 0; i < 60; i++) {
			struct ask *a = calloc(1, sizeof(*a));
			ck_assert_ptr_nonnull(a);
			a->sql = i % 2 ? INSERT_ONE : INSERT_ALL;
			a->param = i % 5 ? "3" : "-3";
			a->then = ask_once_more;
			rig_submit(r, a, i % 2 ? &insert_each : &insert_all);
		}
	}
	return freed == 60;
}

START_TEST(answers_free_and_ask_again)
{
	freed = again = 0;
	/* as few as may be: each answer makes the next ones leave */
	rig.backlog.limit = 60;
	rig_open(&rig);
	rig_run(&rig, script_busy);
	ck_assert_uint_eq(again, 60);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks where n = 3"), 48);
}
END_TEST

/* No memory */

static unsigned failures, queries_before;

static bool
send_failing(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	if (failures == 0)
		return rig_send_each(lane, request, n);
	failures--;
	if (queries_before)
		ck_assert(rig_send_each(lane, request, queries_before));
	return false;
}

static const struct lane_kind failing = {
    .name = "failing",
    .max = 64,
    .is_write = true,
    .send = send_failing,
};

static bool
script_memory(struct rig *r)
{
	if (phase == 0 && r->readies) {
		phase = 1;
		for (int i = 0; i < 10; i++)
			submit(&failing, INSERT_ONE, i);
		submit(&insert_all, INSERT_ALL, 10);
	}
	return phase == 1 && all_answered(ask, n_asks);
}

static const struct memory_case {
	unsigned failures, queries_before;
	enum lane_outcome outcome;
	unsigned readies;
} memory_cases[] = {
    {0, 0, LANE_OK, 1},
    /* nothing had been sent: nobody else notices */
    {1, 0, LANE_DOWN, 1},
    /* a part cannot be taken back: another connection, and once more */
    {1, 3, LANE_OK, 2},
    {2, 3, LANE_DOWN, 3},
};

START_TEST(no_memory_for_a_group)
{
	const struct memory_case *c = &memory_cases[_i];

	failures = c->failures;
	queries_before = c->queries_before;
	rig_open(&rig);
	rig_run(&rig, script_memory);
	for (unsigned i = 0; i < 10; i++)
		expect(i, c->outcome, "");
	expect_own(10);
	ck_assert_int_eq(pg_server_number(&server, "select count(*) from marks"),
			 c->outcome == LANE_OK ? 11 : 1);
	/* the last case may end before it is there again */
	ck_assert_uint_ge(rig.readies, c->readies);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("lane groups");
	TCase *tc = tcase_create("lane groups");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reads_share_a_statement);
	tcase_add_test(tc, a_kind_says_how_many);
	tcase_add_test(tc, weights_count);
	tcase_add_test(tc, rows_are_locked_in_order);
	tcase_add_loop_test(tc, bad_ones_cost_only_themselves_by_halves, 0, N(bad_cases));
	tcase_add_loop_test(tc, bad_ones_cost_only_themselves_by_place, 0, N(bad_cases));
	tcase_add_loop_test(tc, an_error_of_the_commit, 0, 2);
	tcase_add_test(tc, one_that_is_slow);
	tcase_add_test(tc, one_row_that_is_locked);
	tcase_add_loop_test(tc, a_table_that_is_locked, 0, 2);
	tcase_add_test(tc, a_column_more_is_found);
	tcase_add_test(tc, what_another_connection_does_not_mend);
	tcase_add_test(tc, a_connection_that_is_lent);
	tcase_add_test(tc, only_who_is_decided_is_sent_again);
	tcase_add_test(tc, unknown_stays_unknown);
	tcase_add_test(tc, an_unknown_outcome_has_its_error);
	tcase_add_test(tc, terminated_again_and_again);
	tcase_add_test(tc, a_server_that_is_paused);
	tcase_add_test(tc, many_who_wait_do_not_hide_a_silence);
	tcase_add_test(tc, lanes_stand_in_for_each_other);
	tcase_add_test(tc, who_was_answered_may_be_gone);
	tcase_add_test(tc, who_was_answered_is_left_alone);
	tcase_add_test(tc, answers_free_and_ask_again);
	tcase_add_loop_test(tc, no_memory_for_a_group, 0, N(memory_cases));
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
