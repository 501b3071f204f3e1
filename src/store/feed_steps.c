/*
 * feed_steps.c - the holder's statements, one at a time on its connection, chosen by what is due.
 *
 * They are sent unnamed: there are few, and a pooler may stand in between.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/feed_private.h"

/* How often other hosts are told of our writes. NOTIFY locks the whole database for a moment. */
#define NOTIFY_MS 50
/* Rows that one transaction prunes, the pause between two of them, and between two rounds. */
#define PRUNE_ROWS     1000
#define PRUNE_AGAIN_MS 20
#define PRUNE_MS       60000
/* Past the server's own limit. */
#define ANSWER_MARGIN_MS 1000

#define MARK "(extract(epoch from at) * 1000000)::int8"

/* Each @ is the schema. */
static const char *const templates[STEPS] = {
    [STEP_LISTEN] = "listen " FEED_CHANNEL,
    [STEP_LOOK] = "select s.xmin, s.xmax + age(s.xmax::text::xid) as next, "
		  "greatest((select max(seq) from @.product_log), f.pruned) as newest, "
		  "f.log, pg_is_in_recovery(), f.pruned, "
		  "(select " MARK " from @.product_log order by seq desc limit 1), "
		  "(select " MARK " from @.product_log where seq = $1::int8) "
		  "from (select pg_snapshot_xmin(c)::text::int8 as xmin, "
		  "pg_snapshot_xmax(c)::text::int8 as xmax "
		  "from pg_current_snapshot() c) s, @.product_feed f",
    [STEP_READ] = "select seq, op, id, version from @.product_log where seq > $1::int8 and seq <= "
		  "$2::int8 order by seq limit $3::int8",
    [STEP_NOTIFY] = "notify " FEED_CHANNEL,
    /*
     * Of the oldest rows those before the first that is to stay: `at` is when the transaction began
     * and does not rise with seq. Who prunes at the same time as another host waits for it at
     * product_feed, sees its mark and does nothing.
     */
    [STEP_PRUNE_LOG] =
	"with head as (select seq, at < now() - $2::int8 * interval '1 millisecond' as is_old "
	"from @.product_log where seq <= $1::int8 order by seq limit $3::int8), "
	"old as (select max(seq) as seq from head where seq < "
	"coalesce((select min(seq) from head where not is_old), 9223372036854775807)), "
	"mark as (update @.product_feed f set pruned = old.seq from old "
	"where old.seq > f.pruned returning f.pruned), "
	"gone as (delete from @.product_log l using mark where l.seq <= mark.pruned returning 1) "
	"select count(*) from gone",
    [STEP_PRUNE_KEYS] = "with gone as (delete from @.product_idempotency where ctid = any (array("
			"select ctid from @.product_idempotency where at < now() - $1::int8 * "
			"interval '1 millisecond' "
			"limit $2::int8)) returning 1) select count(*) from gone",
};

bool
feed_steps_init(struct feed *feed)
{
	bool ok = true;

	for (unsigned i = STEP_NONE + 1; ok && i < STEPS; i++)
		ok = (feed->sql[i] = steps_text(templates[i], feed->settings.schema->name)) != NULL;
	return ok;
}

void
feed_steps_fini(struct feed *feed)
{
	for (unsigned i = 0; i < STEPS; i++)
		free(feed->sql[i]);
}

/* ---- pruning ---- */

static uint64_t
prune_round_ms(const struct feed *feed)
{
	const struct feed_settings *s = &feed->settings;
	uint64_t ms = s->change_retention_ms < s->key_retention_ms ? s->change_retention_ms
								   : s->key_retention_ms;

	ms /= 4;
	return ms < FEED_TEND_MS ? FEED_TEND_MS : ms > PRUNE_MS ? PRUNE_MS : ms;
}

/* One table after the other, each until it has no more that is old. */
static void
plan_prune(struct feed *feed, enum feed_step step, bool more)
{
	uint64_t pause_ms = PRUNE_AGAIN_MS;

	feed->prune_next = step;
	if (!more) {
		feed->prune_next = step == STEP_PRUNE_LOG ? STEP_PRUNE_KEYS : STEP_PRUNE_LOG;
		if (step == STEP_PRUNE_KEYS)
			pause_ms = prune_round_ms(feed);
	}
	feed->prune_at_ms = loop_now_ms(feed->loop) + pause_ms;
}

/* ---- the connection ---- */

static void
log_trouble(struct feed *feed, const char *what, const char *why)
{
	char text[sizeof(feed->trouble)];

	snprintf(text, sizeof(text), "%s: %s", what, why);
	if (strcmp(text, feed->trouble) == 0)
		return;
	snprintf(feed->trouble, sizeof(feed->trouble), "%s", text);
	log_warning("store: the change feed %s", text);
}

static void
send_step(struct feed *feed, enum feed_step step, int n_params, const char *const *values)
{
	PGconn *pg = connection_pg(feed->connection);

	if (PQsendQueryParams(pg, feed->sql[step], n_params, NULL, values, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(pg) != 1) {
		connection_reset(feed->connection, PQerrorMessage(pg));
		return;
	}
	feed->step = step;
	watch_start_ms(&feed->timer, feed->settings.statement_timeout_ms + ANSWER_MARGIN_MS);
	connection_flush(feed->connection);
}

static void
send_look(struct feed *feed)
{
	char settled[24];
	const char *const values[] = {settled};

	feed->wants_look = false;
	feed->rang_before = feed->rang;
	feed->rang = false;
	snprintf(settled, sizeof(settled), "%" PRIu64, feed->has_place ? feed->place.settled : 0);
	send_step(feed, STEP_LOOK, 1, values);
}

static void
send_read(struct feed *feed)
{
	char after[24], upto[24], rows[24];
	const char *const values[] = {after, upto, rows};

	if (feed->place.is_untold && !feed_tell_reset(feed)) {
		feed_advance(feed);
		return;
	}
	snprintf(after, sizeof(after), "%" PRIu64, feed->place.published);
	snprintf(upto, sizeof(upto), "%" PRIu64, feed->place.settled);
	snprintf(rows, sizeof(rows), "%d", FEED_READ_ROWS);
	send_step(feed, STEP_READ, 3, values);
}

static void
send_prune(struct feed *feed)
{
	const bool is_log = feed->prune_next == STEP_PRUNE_LOG;
	char upto[24], age[24], rows[24];
	const char *const values[] = {upto, age, rows};

	snprintf(upto, sizeof(upto), "%" PRIu64, feed->place.published);
	snprintf(age, sizeof(age), "%" PRIu64,
		 is_log ? feed->settings.change_retention_ms : feed->settings.key_retention_ms);
	snprintf(rows, sizeof(rows), "%d", PRUNE_ROWS);
	if (is_log)
		send_step(feed, STEP_PRUNE_LOG, 3, values);
	else
		send_step(feed, STEP_PRUNE_KEYS, 2, values + 1);
}

/* When a step is due; UINT64_MAX: not at all. */
static uint64_t
due_ms(const struct feed *feed, enum feed_step step)
{
	/* a standby takes no writes, and nobody can listen there */
	const bool may_write = feed->has_place && !feed->in_recovery;
	uint64_t at_ms = UINT64_MAX;

	switch (step) {
	case STEP_LISTEN:
		if (may_write && feed->settings.is_direct && !feed->is_listening)
			at_ms = 0;
		break;
	case STEP_LOOK:
		at_ms = feed->poll_at_ms;
		if (feed->wants_look && feed->look_at_ms < at_ms)
			at_ms = feed->look_at_ms;
		break;
	case STEP_READ:
		if (feed->wants_read)
			at_ms = feed->read_at_ms;
		break;
	case STEP_NOTIFY:
		if (may_write && feed->wants_told)
			at_ms = feed->notify_at_ms;
		break;
	case STEP_PRUNE_LOG:
	case STEP_PRUNE_KEYS:
		if (may_write && step == feed->prune_next)
			at_ms = feed->prune_at_ms;
		break;
	case STEP_NONE:
	case STEPS: break;
	}
	return at_ms;
}

/* The step that has been due for the longest, so that none starves; or a timer for the next. */
void
feed_advance(struct feed *feed)
{
	const uint64_t now_ms = loop_now_ms(feed->loop);
	enum feed_step next = STEP_NONE;
	uint64_t next_ms = UINT64_MAX;

	if (feed->state != FEED_HOLDING || feed->step != STEP_NONE ||
	    !connection_pg(feed->connection))
		return;
	for (enum feed_step step = STEP_LISTEN; step < STEPS; step++) {
		const uint64_t at_ms = due_ms(feed, step);

		if (at_ms < next_ms) {
			next_ms = at_ms;
			next = step;
		}
	}
	if (next_ms > now_ms) {
		watch_start_ms(&feed->timer, next_ms - now_ms);
		return;
	}
	switch (next) {
	case STEP_LOOK: send_look(feed); break;
	case STEP_READ: send_read(feed); break;
	case STEP_PRUNE_LOG:
	case STEP_PRUNE_KEYS: send_prune(feed); break;
	case STEP_NOTIFY:
		feed->wants_told = false;
		feed->notify_at_ms = now_ms + NOTIFY_MS;
		send_step(feed, next, 0, NULL);
		break;
	default: send_step(feed, next, 0, NULL); break;
	}
}

static bool
is_denied(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate && strcmp(sqlstate, "42501") == 0;
}

static void
take_error(struct feed *feed, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const uint64_t later_ms = loop_now_ms(feed->loop) + FEED_ERROR_MS;

	connection_note_fatal(feed->connection, result);
	log_trouble(feed, is_denied(result) ? "may not (plazad -S prints what to grant)" : "fails",
		    message ? message : PQresultErrorMessage(result));
	switch (feed->step) {
	case STEP_LOOK:
		feed->wants_look = true;
		feed->look_at_ms = feed->poll_at_ms = later_ms;
		break;
	case STEP_READ: feed->read_at_ms = later_ms; break;
	case STEP_PRUNE_LOG:
	case STEP_PRUNE_KEYS: plan_prune(feed, feed->step, false); break;
	/* polling does without it */
	case STEP_LISTEN: feed->is_listening = true; break;
	case STEP_NOTIFY:
	case STEP_NONE:
	case STEPS: break;
	}
}

static void
take_result(struct feed *feed, const PGresult *result)
{
	switch (feed->step) {
	case STEP_LISTEN:
		/* what was said before it was heard by nobody */
		feed->is_listening = feed->wants_look = true;
		break;
	case STEP_LOOK: feed_take_look(feed, result); break;
	case STEP_READ: feed_take_changes(feed, result); break;
	case STEP_PRUNE_LOG:
	case STEP_PRUNE_KEYS:
		plan_prune(feed, feed->step,
			   PQntuples(result) == 1 && feed_number(result, 0, 0) >= PRUNE_ROWS);
		break;
	case STEP_NOTIFY:
	case STEP_NONE:
	case STEPS: break;
	}
}

static void
take_results(struct feed *feed, PGconn *pg)
{
	bool was_null = false;

	while (feed->step != STEP_NONE && !PQisBusy(pg)) {
		PGresult *result = PQgetResult(pg);

		/* one ends the statement, its Sync comes next; two: the connection is lost */
		if (!result && was_null)
			return;
		was_null = !result;
		if (!result)
			continue;
		switch (PQresultStatus(result)) {
		case PGRES_PIPELINE_SYNC: feed->step = STEP_NONE; break;
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK: take_result(feed, result); break;
		default: take_error(feed, result); break;
		}
		PQclear(result);
	}
}

static void
take_notices(struct feed *feed, PGconn *pg)
{
	PGnotify *notice;

	while ((notice = PQnotifies(pg)) != NULL) {
		if (notice->be_pid != PQbackendPID(pg))
			feed->wants_look = true;
		PQfreemem(notice);
	}
}

static void
ready_cb(struct connection *connection, void *ctx)
{
	struct feed *feed = ctx;
	const uint64_t now_ms = loop_now_ms(feed->loop);

	(void)connection;
	feed->step = STEP_NONE;
	feed->horizon = (struct feed_horizon){0};
	feed->is_listening = false;
	feed->pace_ms = feed->settings.pace_ms;
	feed->wants_look = true;
	feed->look_at_ms = feed->poll_at_ms = feed->read_at_ms = now_ms;
	feed->prune_at_ms = now_ms + FEED_TEND_MS;
	feed->prune_next = STEP_PRUNE_LOG;
	if (feed->trouble[0])
		log_info("store: the change feed is connected");
	feed->trouble[0] = '\0';
	feed_advance(feed);
}

static void
trouble_cb(struct connection *connection, const struct connection_trouble *trouble, void *ctx)
{
	struct feed *feed = ctx;

	(void)connection;
	feed->step = STEP_NONE;
	watch_stop(&feed->timer);
	log_trouble(feed, "has no connection", trouble->reason);
}

static void
input_cb(struct connection *connection, void *ctx)
{
	struct feed *feed = ctx;
	PGconn *pg = connection_pg(connection);

	take_results(feed, pg);
	take_notices(feed, pg);
	if (connection_flush(connection))
		feed_advance(feed);
}

const struct connection_events feed_connection_events = {
    .on_ready = ready_cb,
    .on_trouble = trouble_cb,
    .on_input = input_cb,
};
