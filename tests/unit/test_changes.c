/* links: tests/unit/fake_exchange.c src/store/changes.c src/store/changes_http.c
 * src/store/feed_change.c src/store/product_reply.c src/store/product_row.c
 * src/store/operation.c src/store/refusal.c src/http/json_string.c src/http/refuse.c
 * src/http/server_timing.c src/http/negotiate.c $(request) src/http/host.c src/base/clock.c
 * src/base/log.c
 * $(list_query_sources) -lpq -lm */
/*
 * test_changes.c - what is answered to who asks for changes, from what the database has of them:
 * whether it is a page, changes that are not kept any more, or changes that are lost.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fake_exchange.h"
#include "store/changes.h"
#include "store/changes_http.h"
#include "store/feed.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define COLUMNS  (CHANGES_MARK + 1)
#define ROWS_MAX 3

/* ---- a lane and a feed ---- */

struct lane {
	struct lane_request *waiting;
	char params[200]; /* with '|' between them */
};

struct feed {
	bool is_started;
	struct feed_place place;
};

static struct lane lane;
static struct feed feed;
static const struct product_sql sql = {.schema = "\"public\""};
static struct products products = {.sql = &sql, .slow = &lane, .feed = &feed};

void
lane_submit(struct lane *l, struct lane_request *request)
{
	if (l->waiting)
		abort();
	l->waiting = request;
}

bool
lane_query_send(struct lane *l, const struct lane_query *query)
{
	char *p = l->params;

	for (int i = 0; i < query->n_params; i++)
		p += sprintf(p, "%s%s", i ? "|" : "", query->values[i]);
	return true;
}

bool
feed_place(const struct feed *f, struct feed_place *place)
{
	*place = f->place;
	return f->is_started;
}

/* A cell may be NULL; the first of a row too many is. */
static PGresult *
make_rows(const char *const row[ROWS_MAX][COLUMNS])
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc desc[COLUMNS] = {0};
	static char name[] = "x";

	for (int i = 0; i < COLUMNS; i++)
		desc[i].name = name;
	ck_assert_int_eq(PQsetResultAttrs(result, COLUMNS, desc), 1);
	for (int i = 0; i < ROWS_MAX && row[i][0]; i++) {
		for (int k = 0; k < COLUMNS; k++) {
			union {
				const char *in;
				char *out;
			} cell = {row[i][k]};
			ck_assert_int_eq(
			    PQsetvalue(result, i, k, cell.out, cell.in ? (int)strlen(cell.in) : -1),
			    1);
		}
	}
	return result;
}

static void
answer(const PGresult *result)
{
	struct lane_request *request = lane.waiting;

	ck_assert_ptr_nonnull(request);
	lane.waiting = NULL;
	ck_assert(request->kind->send(&lane, &request, 1));
	request->done(request, &(struct lane_answer){
				   .outcome = LANE_OK,
				   .result = result,
				   .n_rows = PQntuples(result),
				   .sqlstate = "",
				   .message = "",
				   .constraint = "",
				   .table = "",
				   .column = "",
			       });
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	memset(&lane, 0, sizeof(lane));
	feed = (struct feed){
	    .is_started = true,
	    .place = {.log = {0xab, 0xcd}, .era = 1, .settled = 12, .xid = 700, .published = 12},
	};
}

static struct exchange *
ask(const char *query)
{
	struct exchange *x = fake_exchange_new(query, NULL, NULL);

	changes_handle(x, &products);
	return x;
}

/* ---- answers ---- */

/* Its type, or the body of a page. */
#define LOST      "changes-lost"
#define PRUNED    "changes-pruned"
#define NOT_READY "feed-starting"
#define EMPTY(n)  "{\"changes\":[],\"next\":\"" n "\"}"

/* the log: pruned, whether it is ours, whole, short, the mark of `since`; a change */
#define NO_CHANGE NULL, NULL, NULL, NULL, NULL

static const struct answer_case {
	const char *query;
	const char *row[ROWS_MAX][COLUMNS];
	const char *want;
} cases[] = {
    /* pages */
    {"since=5.aa",
     {{"0", "t", "t", "f", "aa", "7", "U", "3", "9", "bb"},
      {"0", "t", "t", "f", "aa", "8", "T", NULL, NULL, "cc"}},
     "{\"changes\":[{\"seq\":7,\"op\":\"update\",\"id\":3,\"version\":9},"
     "{\"seq\":8,\"op\":\"truncate\",\"id\":null,\"version\":null}],\"next\":\"8.cc\"}"},
    {"since=8.cc", {{"0", "t", "t", "f", "cc", NO_CHANGE}}, EMPTY("8.cc")},
    /* the seq alone gets its mark, if it has one */
    {"since=8", {{"0", "t", "t", "f", "cc", NO_CHANGE}}, EMPTY("8.cc")},
    {"since=6", {{"0", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("6")},
    {"since=0", {{"0", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("0")},
    {"", {{"0", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("0")},
    {"since=now", {{"0", "t", "t", "f", "dd", NO_CHANGE}}, EMPTY("12.dd")},
    /* what is pruned */
    {"", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("12")},
    {"since=now", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("12")},
    {"since=12", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("12")},
    {"since=12.dd", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, EMPTY("12.dd")},
    {"since=11", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, PRUNED},
    {"since=11.dd", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, PRUNED},
    {"since=0", {{"12", "t", "t", "f", NULL, NO_CHANGE}}, PRUNED},
    /* another change has the number; none has it; it was never given out */
    {"since=8.ce", {{"0", "t", "t", "f", "cc", NO_CHANGE}}, LOST},
    {"since=8.ce", {{"0", "t", "f", "f", "cc", NO_CHANGE}}, LOST},
    {"since=8.c", {{"0", "t", "t", "f", "cc", NO_CHANGE}}, LOST},
    {"since=8.cc", {{"0", "t", "t", "f", NULL, "9", "U", "1", "2", "ee"}}, LOST},
    {"since=14.aa", {{"0", "t", "t", "t", NULL, NO_CHANGE}}, LOST},
    {"since=14", {{"0", "t", "t", "t", NULL, NO_CHANGE}}, LOST},
    /* a standby may still get it */
    {"since=14.aa", {{"0", "t", "f", "t", NULL, NO_CHANGE}}, EMPTY("14.aa")},
    {"since=14", {{"0", "t", "f", "t", NULL, NO_CHANGE}}, EMPTY("14")},
    {"since=8.cc", {{"0", "t", "f", "f", NULL, NO_CHANGE}}, EMPTY("8.cc")},
    {"since=now", {{"0", "t", "f", "t", NULL, NO_CHANGE}}, EMPTY("12")},
    /* the feed has not been in this log yet */
    {"since=8.cc", {{"0", "f", "t", "f", "cc", NO_CHANGE}}, NOT_READY},
    {"since=14.aa", {{"0", "f", "t", "t", NULL, NO_CHANGE}}, NOT_READY},
    {"since=now", {{"0", "t", "t", "t", NULL, NO_CHANGE}}, NOT_READY},
};

START_TEST(what_is_told)
{
	const struct answer_case *c = &cases[_i];
	PGresult *rows = make_rows(c->row);
	struct exchange *x = ask(c->query);

	answer(rows);
	ck_assert(x->answered);
	if (c->want[0] == '{') {
		ck_assert_msg(x->status == 200, "%s: %s", c->query, x->detail);
		ck_assert_str_eq(x->text, c->want);
	} else {
		ck_assert_msg(x->is_problem, "%s: %s", c->query, x->text);
		ck_assert_str_eq(x->type, c->want);
		ck_assert_int_eq(x->status, strcmp(c->want, NOT_READY) == 0 ? 503 : 410);
	}
	fake_exchange_free(&x);
	PQclear(rows);
}
END_TEST

static const struct {
	const char *query, *params;
} queries[] = {
    {"", "0|12|700|100|00000000000000ab00000000000000cd"},
    {"since=5.a0&limit=7", "5|12|700|7|00000000000000ab00000000000000cd"},
    {"since=9223372036854775807",
     "9223372036854775807|12|700|100|00000000000000ab00000000000000cd"},
    {"since=now&limit=7", "12|12|700|0|00000000000000ab00000000000000cd"},
};

START_TEST(what_is_asked_for)
{
	static const char *const none[ROWS_MAX][COLUMNS] = {{"0", "t", "t", "f", NULL, NO_CHANGE}};
	PGresult *rows = make_rows(none);
	struct exchange *x = ask(queries[_i].query);

	answer(rows);
	ck_assert_str_eq(lane.params, queries[_i].params);
	fake_exchange_free(&x);
	PQclear(rows);
}
END_TEST

START_TEST(nobody_is_asked_before_the_feed_has_begun)
{
	feed.is_started = false;
	struct exchange *x = ask("since=now");

	ck_assert_ptr_null(lane.waiting);
	ck_assert_str_eq(x->type, NOT_READY);
	ck_assert_str_eq(x->fields, "Retry-After: 1\r\n");
	fake_exchange_free(&x);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("changes");
	TCase *tc = tcase_create("changes");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, what_is_told, 0, N(cases));
	tcase_add_loop_test(tc, what_is_asked_for, 0, N(queries));
	tcase_add_test(tc, nobody_is_asked_before_the_feed_has_begun);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
