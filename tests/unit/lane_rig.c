/*
 * lane_rig.c - the lane tests' loop and statements.
 */
#include "lane_rig.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const struct pg_step step = {
    .name = "table notes",
    .present = "to_regclass('public.notes') is not null",
    .sql = "create table public.notes(n int);",
    .checksum = "of notes",
};
static const struct pg_steps steps = {
    .feature = "notes",
    .schema = "public",
    .table = "plaza_steps",
    .remedy = "let another role make it",
    .step = &step,
    .n = 1,
};

static const struct pg_statement statements[] = {
    {"echo", "select $1::text"},
    {"sleep", "select pg_sleep($1::float8)"},
    {"divide", "select 1 / $1::int4"},
    {"write", "insert into notes values ($1::int4) returning n"},
    {"setting", "select current_setting($1::text)"},
    {"note", "select * from notes where n = $1::int4"},
};

static bool (*running_script)(struct rig *rig);
static struct watch ticker;
static uint64_t give_up_ms;

void
rig_init(struct rig *rig, const char *conninfo)
{
	memset(rig, 0, sizeof(*rig));
	rig->loop = loop_new();
	rig->conninfo = conninfo_new(conninfo);
	ck_assert(rig->loop && rig->conninfo);
	backlog_init(&rig->backlog, 256, 0);
	rig->plan = (struct setup_plan){&steps, statements, 6, 5000, true};
	rig->settings = (struct lane_settings){
	    .connection = {.conninfo = rig->conninfo,
			   .plan = &rig->plan,
			   .connect_timeout_ms = 5000},
	    .backlog = &rig->backlog,
	    .queue_timeout_ms = 5000,
	    .statement_timeout_ms = 5000,
	    .groups_max = LANE_GROUPS_MAX,
	};
}

static void
on_ready(struct lane *lane, void *ctx)
{
	struct rig *rig = ctx;

	(void)lane;
	rig->readies++;
}

static void
on_trouble(struct lane *lane, const struct connection_trouble *trouble, void *ctx)
{
	struct rig *rig = ctx;

	(void)lane;
	rig->troubles++;
	snprintf(rig->reason, sizeof(rig->reason), "%s", trouble->reason);
	rig->trouble = *trouble;
	rig->trouble.reason = rig->reason;
}

void
rig_open(struct rig *rig)
{
	static const struct lane_events events = {on_ready, on_trouble};

	rig->plan.statement_timeout_ms = rig->settings.statement_timeout_ms;
	rig->lane = lane_new(rig->loop, &rig->settings, &events, rig);
	ck_assert_ptr_nonnull(rig->lane);
}

void
rig_fini(struct rig *rig)
{
	lane_free(&rig->lane);
	conninfo_free(&rig->conninfo);
	loop_free(&rig->loop);
}

static bool
script_hook(void *arg)
{
	struct rig *rig = arg;

	ck_assert_msg(clock_monotonic_ms() < give_up_ms, "the script never ended");
	if (running_script(rig))
		loop_stop(rig->loop);
	return false;
}

static void
tick_cb(void *arg, short what)
{
	struct rig *rig = arg;

	(void)what;
	rig->ticks++;
	watch_start_ms(&ticker, 2);
}

void
rig_run(struct rig *rig, bool (*script)(struct rig *rig))
{
	struct pass_hook hook = {.fn = script_hook, .name = "script", .arg = rig};

	running_script = script;
	give_up_ms = clock_monotonic_ms() + 30000;
	loop_add_pass_hook(rig->loop, &hook);
	watch_init_timer(&ticker, rig->loop, "tick", tick_cb, rig);
	watch_start_ms(&ticker, 0);
	loop_run(rig->loop);
}

static void
ask_done(struct lane_request *request, const struct lane_answer *answer)
{
	struct ask *ask = (struct ask *)request;

	ask->answers++;
	ask->outcome = answer->outcome;
	ask->retry_after_s = answer->retry_after_s;
	ask->schema_missing = answer->schema_missing;
	snprintf(ask->sqlstate, sizeof(ask->sqlstate), "%s", answer->sqlstate);
	ck_assert_int_eq(answer->outcome == LANE_OK, answer->result != NULL);
	snprintf(ask->constraint, sizeof(ask->constraint), "%s", answer->constraint);
	ask->waited_us = answer->waited_us;
	ask->took_us = answer->took_us;
	ask->n_rows = answer->n_rows;
	if (answer->result && answer->n_rows) {
		const char *value = PQgetvalue(answer->result, answer->row, 0);
		ask->length = strlen(value);
		snprintf(ask->value, sizeof(ask->value), "%.60s", value);
	}
	if (ask->then)
		ask->then(ask);
}

bool
rig_send_each(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct ask *ask = (const struct ask *)request[i];
		const struct lane_query query = {
		    .name = ask->statement,
		    .sql = ask->sql,
		    .n_params = 1,
		    .values = &ask->param,
		};
		if (!lane_query_send(lane, &query))
			return false;
	}
	return true;
}

static const struct lane_kind read_alone = {.name = "read", .max = 1, .send = rig_send_each};
static const struct lane_kind write_alone = {
    .name = "write",
    .max = 1,
    .is_write = true,
    .send = rig_send_each,
};

void
rig_submit(struct rig *rig, struct ask *ask, const struct lane_kind *kind)
{
	ask->request.kind = kind;
	ask->request.done = ask_done;
	lane_submit(rig->lane, &ask->request);
}

void
rig_ask(struct rig *rig, struct ask *ask, const char *statement, const char *param)
{
	ask->statement = statement;
	ask->param = param;
	rig_submit(rig, ask, strcmp(statement, "write") == 0 ? &write_alone : &read_alone);
}

bool
all_answered(const struct ask *asks, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!asks[i].answers)
			return false;
	}
	return true;
}
