/* links: tests/unit/fail_alloc.c tests/unit/fail_libpq.c tests/unit/pg_server.c src/pg/lane.c
 * src/pg/array.c src/pg/batch.c
 * src/pg/blame.c src/pg/parts.c src/pg/session.c src/pg/connect.c src/pg/setup.c src/pg/steps.c
 * src/pg/resolve.c src/pg/conninfo.c src/pg/backlog.c src/base/buffer.c src/base/loop.c
 * src/base/clock.c src/base/log.c src/base/deadline.c -levent_core -lpq -lcrypto -lpthread -lm */
/*
 * test_lane_memory.c - each allocation in the life of a lane fails once, ours and those of libpq,
 * from the first attempt to connect on: everybody has one answer, a true one, and nothing leaks.
 */
#include "pg/array.h"
#include "pg/lane.h"

#include <check.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fail_alloc.h"
#include "fail_libpq.h"
#include "pg_server.h"

#define ASKS 6

struct ask {
	struct lane_request request; /* first: the lane hands it back */
	unsigned answers;
	enum lane_outcome outcome;
};

static struct pg_server server;
static struct ask ask[ASKS];
static struct loop *loop;
static struct lane *lane;
static bool was_ready;
/* which allocation fails: of ours, of libpq's, of libpq's from READY on; 0: none */
static unsigned fail_ours, fail_theirs, fail_when_ready;
static bool has_failed;
static const struct pg_statement statement = {"unused", "select $1::text"};
static uint64_t give_up_ms;
static struct watch ticker;

static void
start_server(void)
{
	pg_server_start(&server, "");
	pg_server_sql(&server, "create table notes(n int); grant all on notes to plaza");
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

/* What a feature does: memory for the parameters of the whole group. */
static bool
send_all(struct lane *l, struct lane_request *const *request, unsigned n)
{
	struct buffer numbers = {0};
	struct array array;
	bool ok = array_begin(&array, &numbers, ARRAY_INT4, 1U << 20);

	for (unsigned i = 0; ok && i < n; i++)
		ok = array_add_int4(&array, (int32_t)request[i]->order);
	if (ok) {
		const struct span bytes = array_end(&array);
		const int length = (int)bytes.len, format = 1;
		const struct lane_query query = {
		    .sql = request[0]->kind->is_write
			       ? "insert into notes select unnest($1::int4[])"
			       : "select unnest($1::int4[])",
		    .n_params = 1,
		    .values = &bytes.ptr,
		    .lengths = &length,
		    .formats = &format,
		};
		ok = lane_query_send(l, &query);
	}
	buffer_fini(&numbers);
	return ok;
}

static void
deal(const PGresult *result, struct lane_request *const *request, unsigned n,
     struct lane_share *share)
{
	(void)request;
	for (unsigned i = 0; i < n; i++) {
		share[i].n_rows = PQntuples(result) ? 1 : 0;
		share[i].row = share[i].n_rows ? (int)i : -1;
	}
}

static void
done(struct lane_request *request, const struct lane_answer *answer)
{
	struct ask *a = (struct ask *)request;

	a->answers++;
	a->outcome = answer->outcome;
}

static void
on_ready(struct lane *l, void *ctx)
{
	static const struct lane_kind read = {.max = 64, .send = send_all, .deal = deal};
	static const struct lane_kind write = {
	    .max = 64, .is_write = true, .send = send_all, .deal = deal};

	(void)ctx;
	if (was_ready)
		return;
	was_ready = true;
	if (fail_when_ready)
		fail_libpq_at(fail_when_ready);
	for (unsigned i = 0; i < ASKS; i++) {
		ask[i].request.kind = i % 2 ? &write : &read;
		ask[i].request.order = i;
		ask[i].request.done = done;
		lane_submit(l, &ask[i].request);
	}
}

static void
on_trouble(struct lane *l, const struct connection_trouble *trouble, void *ctx)
{
	(void)l;
	(void)trouble;
	(void)ctx;
}

static bool
is_over(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ASKS; i++)
		n += ask[i].answers;
	return n >= ASKS || clock_monotonic_ms() > give_up_ms;
}

static bool
script_hook(void *arg)
{
	(void)arg;
	if (is_over())
		loop_stop(loop);
	return false;
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_start_ms(&ticker, 2);
}

/* From the first attempt to connect until everybody has an answer. False: there is no lane. */
static bool
live(void)
{
	static const struct lane_events events = {on_ready, on_trouble};
	struct conninfo *conninfo = conninfo_new(server.conninfo);
	struct setup_plan plan = {
	    .statements = &statement,
	    .n_statements = 1,
	    .statement_timeout_ms = 500,
	    .is_prepared = true,
	};
	struct backlog backlog;
	struct pass_hook hook = {.fn = script_hook, .name = "script"};

	loop = loop_new();
	memset(ask, 0, sizeof(ask));
	was_ready = false;
	give_up_ms = clock_monotonic_ms() + 20000;
	ck_assert(conninfo && loop);
	backlog_init(&backlog, 100, 0);
	const struct lane_settings settings = {
	    .connection = {.conninfo = conninfo, .plan = &plan, .connect_timeout_ms = 5000},
	    .backlog = &backlog,
	    .queue_timeout_ms = 5000,
	    .statement_timeout_ms = 500,
	    .groups_max = LANE_GROUPS_MAX,
	};
	loop_add_pass_hook(loop, &hook);
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	fail_alloc_at(fail_ours, false);
	fail_libpq_at(fail_theirs);
	lane = lane_new(loop, &settings, &events, NULL);
	if (lane) {
		watch_start_ms(&ticker, 0);
		loop_run(loop);
	}
	has_failed = fail_alloc_end();
	has_failed |= fail_libpq_end();
	const bool was_made = lane != NULL;
	lane_free(&lane);
	ck_assert_uint_eq(backlog.waiting, 0);
	watch_stop(&ticker);
	loop_free(&loop);
	conninfo_free(&conninfo);
	return was_made;
}

/* What was answered is what is there. */
static void
check_answers(const char *what, unsigned n, unsigned outcomes)
{
	unsigned written = 0, unknown = 0;

	for (unsigned i = 0; i < ASKS; i++) {
		ck_assert_msg(ask[i].answers == 1, "%s %u: request %u has %u answers", what, n, i,
			      ask[i].answers);
		ck_assert_msg(ask[i].outcome == LANE_OK ||
				  (has_failed && (outcomes >> ask[i].outcome & 1)),
			      "%s %u: request %u has outcome %d", what, n, i, (int)ask[i].outcome);
		written += i % 2 && ask[i].outcome == LANE_OK;
		unknown += ask[i].outcome == LANE_UNKNOWN;
	}
	const long there = pg_server_number(&server, "select count(*) from notes");
	ck_assert_msg(there >= (long)written && there <= (long)(written + unknown),
		      "%s %u: %u were written, %u maybe, and %ld are there", what, n, written,
		      unknown, there);
	pg_server_sql(&server, "truncate notes");
}

START_TEST(memory_runs_out)
{
	for (fail_ours = 1;; fail_ours++) {
		const bool was_made = live();

		ck_assert(was_made || has_failed);
		if (was_made)
			check_answers("allocation", fail_ours, 1U << LANE_DOWN);
		if (!has_failed)
			break;
	}
	/* the lane, its connection, a group's parameters at the least */
	ck_assert_uint_gt(fail_ours, 3);
	ck_assert_uint_lt(fail_ours, 1000);
}
END_TEST

/* While it connects nothing has been asked for, and the next attempt comes soon. */
START_TEST(memory_of_libpq_runs_out_while_it_connects)
{
	if (!fail_libpq_begin())
		return;
	for (fail_theirs = 1;; fail_theirs++) {
		ck_assert(live());
		check_answers("allocation of libpq", fail_theirs,
			      1U << LANE_DOWN | 1U << LANE_UNKNOWN);
		if (!has_failed)
			break;
	}
	ck_assert_uint_gt(fail_theirs, 20);
}
END_TEST

START_TEST(memory_of_libpq_runs_out_later)
{
	if (!fail_libpq_begin())
		return;
	for (fail_when_ready = 1;; fail_when_ready++) {
		ck_assert(live());
		check_answers("later allocation of libpq", fail_when_ready,
			      1U << LANE_DOWN | 1U << LANE_UNKNOWN);
		if (!has_failed)
			break;
	}
	ck_assert_uint_gt(fail_when_ready, 5);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lane memory");
	TCase *tc = tcase_create("lane memory");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_test(tc, memory_runs_out);
	tcase_add_test(tc, memory_of_libpq_runs_out_while_it_connects);
	tcase_add_test(tc, memory_of_libpq_runs_out_later);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
