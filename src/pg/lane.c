/*
 * lane.c - who waits, who was sent, and the one place where each gets its answer.
 *
 * A request is in `waiting` (deadline: queue_timeout) or in the batch under way (deadline: what a
 * statement may take at the most). When it was answered before its result has come, its place
 * stays, empty, and the result is swallowed.
 */
#include "pg/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/batch.h"
#include "pg/blame.h"
#include "pg/parts.h"
#include "pg/session.h"

/* past statement_timeout, for the way there and back and for a server under load */
#define LANE_MARGIN_MS 1000
/* so many reads are worth a batch that the server finds when it is through with the one before */
#define LANE_SECOND_MIN  8
#define LANE_RETRY_S_MAX 60

struct lane {
	struct loop *loop;
	struct lane_settings settings;
	const struct lane_events *events;
	void *ctx;
	struct connection *connection;
	struct pass_hook hook;
	struct request_list waiting;
	size_t n_waiting;
	struct deadline_list queued, sent;
	struct batch batch;
	struct lane *const *other;
	unsigned n_others;
	struct watch silence;
	uint64_t heard_us; /* the server said something, or was asked something */
	char local_sql[SESSION_LOCAL_SIZE];
	bool ready;
	bool down;           /* the last attempt failed: do not wait for the next one */
	bool schema_missing; /* and this was why */
	bool stale;          /* prepared statements do not fit the schema any more: reconnect */
	bool broken;         /* libpq has refused a part of the group that is being made */
	bool stopping;
};

static unsigned
clamp_s(uint64_t ms)
{
	uint64_t s = (ms + 999) / 1000;

	return s < 1 ? 1 : s > LANE_RETRY_S_MAX ? LANE_RETRY_S_MAX : (unsigned)s;
}

static unsigned
retry_after_s(struct lane *lane, enum lane_outcome outcome)
{
	switch (outcome) {
	case LANE_DOWN: return clamp_s(connection_retry_in_ms(lane->connection));
	case LANE_FULL:
	case LANE_EXPIRED:
	case LANE_LATE:
		/* when nothing moves, statement_timeout is what ends it */
		return backlog_retry_after_s(lane->settings.backlog,
					     clamp_s(lane->settings.statement_timeout_ms),
					     loop_now_ms(lane->loop));
	case LANE_OK:
	case LANE_REFUSED:
	case LANE_UNKNOWN:
	case LANE_STOPPED: break;
	}
	return 1;
}

static const char *
error_field(const PGresult *error, int field)
{
	const char *text = PQresultErrorField(error, field);

	return text ? text : "";
}

/* The only caller of `done`. The request is in no list and in no batch any more. */
static void
answer(struct lane *lane, struct lane_request *request, enum lane_outcome outcome,
       const PGresult *result, const struct lane_share *share)
{
	const PGresult *error = outcome == LANE_REFUSED ? result : NULL;
	/* the second attempt found nothing out, so the first one may have been committed */
	if (request->is_unknown && outcome != LANE_OK)
		outcome = LANE_UNKNOWN;
	const bool has_result = outcome == LANE_OK || error;
	struct lane_answer a = {
	    .outcome = outcome,
	    .result = outcome == LANE_OK ? result : NULL,
	    .row = share ? share->row : -1,
	    .n_rows = share ? share->n_rows : 0,
	    .sqlstate = error_field(error, PG_DIAG_SQLSTATE),
	    .message = error_field(error, PG_DIAG_MESSAGE_PRIMARY),
	    .constraint = error_field(error, PG_DIAG_CONSTRAINT_NAME),
	    .table = error_field(error, PG_DIAG_TABLE_NAME),
	    .column = error_field(error, PG_DIAG_COLUMN_NAME),
	    .retry_after_s = retry_after_s(lane, outcome),
	    .schema_missing = outcome == LANE_DOWN && lane->schema_missing,
	    .waited_us = request->was_sent ? request->sent_us - request->submitted_us : 0,
	    .took_us = has_result && lane->heard_us > request->sent_us
			   ? lane->heard_us - request->sent_us
			   : 0,
	};

	deadline_disarm(&request->deadline);
	request->done(request, &a);
}

static void
dequeue(struct lane *lane, struct lane_request *request, bool sending)
{
	TAILQ_REMOVE(&lane->waiting, request, link);
	lane->n_waiting--;
	/* who is sent again has been counted: the rate is that of new ones */
	backlog_leave(lane->settings.backlog, sending && !request->was_sent,
		      loop_now_ms(lane->loop));
}

/*
 * Those in `again` wait once more, before all others and in this order, unless their time is over.
 * They are in no list of the lane and have no deadline.
 */
static void
requeue(struct lane *lane, struct request_list *again)
{
	const uint64_t limit_us = lane->sent.duration_ms * 1000;
	const uint64_t now_us = loop_now_us(lane->loop);
	struct request_list late = TAILQ_HEAD_INITIALIZER(late);
	struct lane_request *request, *next;

	for (request = TAILQ_FIRST(again); request; request = next) {
		next = TAILQ_NEXT(request, link);
		if (lane->stopping || now_us - request->submitted_us >= limit_us) {
			TAILQ_REMOVE(again, request, link);
			TAILQ_INSERT_TAIL(&late, request, link);
			continue;
		}
		backlog_return(lane->settings.backlog);
		lane->n_waiting++;
		deadline_arm(&request->deadline, &lane->queued);
	}
	TAILQ_CONCAT(again, &lane->waiting, link);
	TAILQ_CONCAT(&lane->waiting, again, link);
	while ((request = TAILQ_FIRST(&late)) != NULL) {
		TAILQ_REMOVE(&late, request, link);
		answer(lane, request, lane->stopping ? LANE_STOPPED : LANE_EXPIRED, NULL, NULL);
	}
}

/* Who must be told that the outcome is unknown waits for better news until its deadline. */
static void
answer_waiting(struct lane *lane, enum lane_outcome outcome)
{
	struct request_list list = TAILQ_HEAD_INITIALIZER(list);
	struct lane_request *request, *next;

	/* `done` may submit more; those are judged anew and not answered here */
	for (request = TAILQ_FIRST(&lane->waiting); request; request = next) {
		next = TAILQ_NEXT(request, link);
		if (request->is_unknown && !lane->stopping)
			continue;
		dequeue(lane, request, false);
		deadline_disarm(&request->deadline);
		TAILQ_INSERT_TAIL(&list, request, link);
	}
	while ((request = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, request, link);
		answer(lane, request, outcome, NULL, NULL);
	}
}

static struct lane_request *
request_of(struct deadline *d)
{
	return (struct lane_request *)((char *)d - offsetof(struct lane_request, deadline));
}

static void
queued_expired_cb(struct deadline *d, void *ctx)
{
	struct lane *lane = ctx;
	struct lane_request *request = request_of(d);

	/* it waited for a lane that was busy, or for one that was not there */
	dequeue(lane, request, false);
	answer(lane, request, lane->ready ? LANE_EXPIRED : LANE_DOWN, NULL, NULL);
}

static void
sent_expired_cb(struct deadline *d, void *ctx)
{
	struct lane *lane = ctx;
	struct lane_request *request = request_of(d);

	lane->batch.request[request->slot] = NULL;
	answer(lane, request, request->kind->is_write ? LANE_UNKNOWN : LANE_LATE, NULL, NULL);
}

/* One result: each request's own, or dealt out. */
static void
answer_done(struct lane *lane, struct landed *landed)
{
	const unsigned n = landed->group.n;
	const struct lane_kind *kind = landed->group.kind;
	struct lane_share share[LANE_BATCH_MAX];

	for (unsigned i = 0; i < n; i++) {
		share[i] = (struct lane_share){.weight = landed->weight[i], .row = -1};
		if (!kind->deal && landed->result[i]) {
			share[i].row = 0;
			share[i].n_rows = PQntuples(landed->result[i]);
		}
	}
	if (kind->deal)
		kind->deal(landed->result[0], landed->request, n, share);
	for (unsigned i = 0; i < n; i++) {
		if (landed->request[i])
			answer(lane, landed->request[i], LANE_OK,
			       landed->result[kind->deal ? 0 : i], &share[i]);
	}
}

static void
answer_rest(struct lane *lane, struct landed *landed, enum lane_outcome outcome)
{
	for (unsigned i = 0; i < landed->group.n; i++) {
		if (landed->request[i])
			answer(lane, landed->request[i], outcome, landed->group.error, NULL);
	}
}

/* An error: nothing of the group was committed, for certain. */
static void
settle_failed(struct lane *lane, struct landed *landed, struct request_list *again)
{
	if (parts_failed(landed, again) == PARTS_ELSEWHERE)
		lane->stale = true;
	answer_rest(lane, landed, LANE_REFUSED);
}

/* Whose result is not here, of a group whose connection is lost: once more, or what is left. */
static void
settle_lost(struct lane *lane, struct landed *landed, enum lane_outcome outcome,
	    struct request_list *again)
{
	if (!lane->stopping)
		parts_lost(landed, outcome == LANE_UNKNOWN, again);
	answer_rest(lane, landed, outcome);
}

static void
finish_group(struct lane *lane)
{
	struct request_list again = TAILQ_HEAD_INITIALIZER(again);
	struct landed landed;

	batch_land(&lane->batch, &landed);
	for (unsigned i = 0; i < landed.group.n; i++) {
		if (landed.request[i])
			deadline_disarm(&landed.request[i]->deadline);
	}
	if (!landed.group.error)
		answer_done(lane, &landed);
	else if (blame_is_final(landed.group.error))
		settle_failed(lane, &landed, &again);
	else
		/* libpq's own, such as no memory for a result: the server may have committed */
		settle_lost(lane, &landed, landed.group.kind->is_write ? LANE_UNKNOWN : LANE_DOWN,
			    &again);
	requeue(lane, &again);
	landed_fini(&landed);
}

/* Reads of which some are complete. */
static void
settle_reads(struct lane *lane, struct landed *landed, struct request_list *again)
{
	const struct lane_kind *kind = landed->group.kind;
	struct landed done = *landed;

	for (unsigned i = 0; i < landed->group.n; i++) {
		if (landed->result[kind->deal ? 0 : i])
			landed->request[i] = NULL;
		else
			done.request[i] = NULL;
	}
	settle_lost(lane, landed, lane->stopping ? LANE_STOPPED : LANE_DOWN, again);
	if (!kind->deal || landed->result[0])
		answer_done(lane, &done);
}

/* The connection is gone and no Sync has come for it. */
static void
abandon_group(struct lane *lane, struct landed *landed, struct request_list *again)
{
	const enum lane_outcome undone = lane->stopping ? LANE_STOPPED : LANE_DOWN;

	if (blame_is_final(landed->group.error))
		settle_failed(lane, landed, again);
	else if (!landed->group.is_synced)
		/* without a Sync there is no commit */
		settle_lost(lane, landed, undone, again);
	else if (landed->group.kind->is_write)
		/* its result may have come, but not that it was committed */
		settle_lost(lane, landed, LANE_UNKNOWN, again);
	else
		settle_reads(lane, landed, again);
	landed_fini(landed);
}

static void
abandon_batch(struct lane *lane)
{
	struct request_list again = TAILQ_HEAD_INITIALIZER(again);
	struct batch batch = lane->batch;

	/* take them out first: answers may call back into this lane */
	memset(&lane->batch, 0, sizeof(lane->batch));
	watch_stop(&lane->silence);
	/* those of the groups before `next` have been answered, and may be gone */
	for (unsigned i = batch_is_empty(&batch) ? 0 : batch.group[batch.next].first;
	     i < batch.n_places; i++) {
		if (batch.request[i])
			deadline_disarm(&batch.request[i]->deadline);
	}
	while (!batch_is_empty(&batch)) {
		struct landed landed;
		batch_land(&batch, &landed);
		abandon_group(lane, &landed, &again);
	}
	requeue(lane, &again);
}

/* One that is ready, else one that may become so. */
static struct lane *
find_other(const struct lane *lane)
{
	struct lane *found = NULL;

	for (unsigned i = 0; i < lane->n_others; i++) {
		struct lane *other = lane->other[i];
		if (!other || other->down || other->stopping)
			continue;
		if (other->ready)
			return other;
		if (!found)
			found = other;
	}
	return found;
}

static void
append(struct lane *lane, struct lane_request *request)
{
	TAILQ_INSERT_TAIL(&lane->waiting, request, link);
	lane->n_waiting++;
	deadline_arm(&request->deadline, &lane->queued);
}

static void
move_waiting(struct lane *lane, struct lane *other)
{
	struct lane_request *request;

	while ((request = TAILQ_FIRST(&lane->waiting)) != NULL) {
		dequeue(lane, request, false);
		backlog_return(other->settings.backlog);
		append(other, request);
	}
}

static void
ready_cb(struct connection *c, void *ctx)
{
	struct lane *lane = ctx;

	(void)c;
	lane->ready = true;
	lane->down = lane->schema_missing = lane->stale = lane->broken = false;
	lane->events->on_ready(lane, lane->ctx);
	/* the pass hook sends what waits */
}

static void
trouble_cb(struct connection *c, const struct connection_trouble *trouble, void *ctx)
{
	struct lane *lane = ctx;

	(void)c;
	lane->ready = lane->stale = false;
	lane->down = !trouble->was_ready;
	lane->schema_missing = trouble->schema;
	lane->events->on_trouble(lane, trouble, lane->ctx);
	abandon_batch(lane);
	/* after a loss they wait for the first attempt; after a failed one there is no point */
	struct lane *other = lane->down ? find_other(lane) : NULL;
	if (other)
		move_waiting(lane, other);
	else if (lane->down)
		answer_waiting(lane, LANE_DOWN);
}

static void
silence_cb(void *arg, short what)
{
	struct lane *lane = arg;
	uint64_t limit_ms = lane->settings.statement_timeout_ms + LANE_MARGIN_MS;
	uint64_t silent_ms = loop_now_ms(lane->loop) - lane->heard_us / 1000;

	(void)what;
	if (batch_is_empty(&lane->batch))
		return;
	if (silent_ms >= limit_ms)
		connection_reset(lane->connection, "the server has been silent for longer than "
						   "store.statement_timeout");
	else
		watch_start_ms(&lane->silence, limit_ms - silent_ms);
}

/* False when the connection has been lost on the way. */
static bool
take_results(struct lane *lane)
{
	PGconn *pg = connection_pg(lane->connection);

	while (!batch_is_empty(&lane->batch) && !PQisBusy(pg)) {
		PGresult *result = PQgetResult(pg);
		connection_note_fatal(lane->connection, result);
		switch (batch_note(&lane->batch, result)) {
		case BATCH_GOES_ON:
			if (!result || PQstatus(pg) != CONNECTION_BAD)
				break;
			connection_reset(lane->connection, PQerrorMessage(pg));
			return false;
		case BATCH_SYNCED:
			finish_group(lane);
			/* the answer may have sent more, and lost the connection by it */
			pg = connection_pg(lane->connection);
			if (!pg)
				return false;
			break;
		case BATCH_OUT_OF_STEP:
			connection_reset(lane->connection, "results out of step");
			return false;
		}
	}
	return true;
}

static void
input_cb(struct connection *c, void *ctx)
{
	struct lane *lane = ctx;

	lane->heard_us = clock_monotonic_us();
	if (!take_results(lane))
		return;
	if (batch_is_empty(&lane->batch)) {
		watch_stop(&lane->silence);
		if (lane->stale) {
			connection_reset(c, "the schema has changed under the prepared statements");
			return;
		}
	}
	connection_flush(c);
}

/* The oldest that waits, and who may go with it. */
static void
form_group(struct lane *lane, uint64_t now_us)
{
	struct lane_request *request = TAILQ_FIRST(&lane->waiting), *next;
	const struct lane_kind *kind = request->kind;
	struct group *group = batch_open(&lane->batch, kind);
	unsigned limit = kind->max < request->group_max ? kind->max : request->group_max;
	uint64_t weight = 0;

	if (limit > LANE_BATCH_MAX - lane->batch.n_places)
		limit = LANE_BATCH_MAX - lane->batch.n_places;
	for (; request && group->n < limit; request = next) {
		next = TAILQ_NEXT(request, link);
		if (request->kind != kind || request->group_max <= group->n)
			continue;
		weight += request->weight ? request->weight : 1;
		if (group->n && kind->max_weight && weight > kind->max_weight)
			break;
		if (limit > request->group_max)
			limit = request->group_max;
		dequeue(lane, request, true);
		request->was_sent = true;
		request->sent_us = now_us;
		deadline_arm(&request->deadline, &lane->sent);
		batch_add(&lane->batch, request);
	}
	batch_close(&lane->batch);
}

enum sending { SENDING_DONE, SENDING_NOTHING, SENDING_LOST };

static enum sending
send_group(struct lane *lane)
{
	struct group *group = &lane->batch.group[lane->batch.n - 1];
	const struct lane_kind *kind = group->kind;
	PGconn *pg = connection_pg(lane->connection);
	const char *reason = NULL;

	if (kind->send(lane, lane->batch.request + group->first, group->n) &&
	    group->n_queries == (kind->deal ? 1 : group->n)) {
		group->is_synced = true;
		if (PQpipelineSync(pg) == 1)
			return SENDING_DONE;
	} else if (group->n_queries == 0 && !lane->broken) {
		return SENDING_NOTHING;
	} else if (!lane->broken) {
		reason = "no memory for the whole of a transaction";
	}
	/* what has been sent of it cannot be taken back in any other way */
	connection_reset(lane->connection, reason ? reason : PQerrorMessage(pg));
	return SENDING_LOST;
}

/* The last group was not sent at all. */
static void
drop_group(struct lane *lane, struct request_list *dropped)
{
	struct landed landed;

	batch_drop(&lane->batch, &landed);
	for (unsigned i = 0; i < landed.group.n; i++) {
		deadline_disarm(&landed.request[i]->deadline);
		TAILQ_INSERT_TAIL(dropped, landed.request[i], link);
	}
}

static void
send_batch(struct lane *lane)
{
	struct request_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	enum sending sending = SENDING_NOTHING;
	struct lane_request *request;

	lane->heard_us = clock_monotonic_us();
	watch_start_ms(&lane->silence, lane->settings.statement_timeout_ms + LANE_MARGIN_MS);
	while (sending != SENDING_LOST && lane->batch.n < lane->settings.groups_max &&
	       lane->batch.n_places < LANE_BATCH_MAX && !TAILQ_EMPTY(&lane->waiting)) {
		form_group(lane, lane->heard_us);
		sending = send_group(lane);
		if (sending == SENDING_NOTHING)
			drop_group(lane, &dropped);
	}
	if (sending != SENDING_LOST)
		connection_flush(lane->connection);
	while ((request = TAILQ_FIRST(&dropped)) != NULL) {
		TAILQ_REMOVE(&dropped, request, link);
		answer(lane, request, LANE_DOWN, NULL, NULL);
	}
}

static bool
flush_hook(void *arg)
{
	struct lane *lane = arg;

	const struct lane_request *first = TAILQ_FIRST(&lane->waiting);
	const unsigned under_way = lane->batch.n - lane->batch.next;

	if (lane->ready && under_way == 0 && connection_is_held(lane->connection)) {
		connection_yield(lane->connection);
		return false;
	}
	/* without room nothing would be sent, and a silent server not be found out while many ask
	 */
	const bool has_room =
	    lane->batch.n < lane->settings.groups_max && lane->batch.n_places < LANE_BATCH_MAX;

	/* writes gather: a commit costs the same for one and for many */
	if (lane->ready && !lane->stale && first &&
	    (under_way == 0 || (under_way == 1 && has_room && !first->kind->is_write &&
				lane->n_waiting >= LANE_SECOND_MIN)))
		send_batch(lane);
	return false;
}

static const char *
find_sql(const struct setup_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_statements; i++) {
		if (strcmp(plan->statements[i].name, name) == 0)
			return plan->statements[i].sql;
	}
	return NULL;
}

static bool
send_text(PGconn *pg, const char *sql)
{
	return PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

/*
 * What must hold in this transaction before `query` runs: on a connection that is not ours alone,
 * all settings; for a text of its own, that it is planned for its values.
 */
static bool
send_prelude(struct lane *lane, PGconn *pg, const struct lane_query *query)
{
	struct group *group = &lane->batch.group[lane->batch.n - 1];
	const bool is_prepared = lane->settings.connection.plan->is_prepared;

	if (group->prelude_at != BATCH_NOBODY || (is_prepared && query->name))
		return true;
	group->prelude_at = group->n_queries;
	return send_text(pg, is_prepared
				 ? "select pg_catalog.set_config('plan_cache_mode', 'auto', true)"
				 : lane->local_sql);
}

bool
lane_query_send(struct lane *lane, const struct lane_query *query)
{
	const struct setup_plan *plan = lane->settings.connection.plan;
	const char *name = query->name, *sql = query->sql;
	PGconn *pg = connection_pg(lane->connection);

	if (name && !plan->is_prepared) {
		sql = find_sql(plan, name);
		/* the server will say that there is no such statement */
		if (sql)
			name = NULL;
	}
	if (lane->broken || !send_prelude(lane, pg, query) ||
	    (name ? PQsendQueryPrepared(pg, name, query->n_params, query->values, query->lengths,
					query->formats, 0)
		  : PQsendQueryParams(pg, sql, query->n_params, NULL, query->values, query->lengths,
				      query->formats, 0)) != 1) {
		lane->broken = true;
		return false;
	}
	lane->batch.group[lane->batch.n - 1].n_queries++;
	return true;
}

void
lane_submit(struct lane *lane, struct lane_request *request)
{
	struct lane *other = lane->down && !lane->stopping ? find_other(lane) : NULL;

	if (other)
		lane = other;
	request->submitted_us = loop_now_us(lane->loop);
	request->group_max = LANE_BATCH_MAX;
	request->n_locks = 0;
	request->was_sent = request->was_lost = request->was_stale = request->is_unknown = false;
	if (lane->stopping) {
		answer(lane, request, LANE_STOPPED, NULL, NULL);
		return;
	}
	if (lane->down) {
		answer(lane, request, LANE_DOWN, NULL, NULL);
		return;
	}
	/* nobody shall be turned away from a lane that is free to send */
	if (backlog_is_full(lane->settings.backlog))
		flush_hook(lane);
	if (request->is_continued) {
		backlog_return(lane->settings.backlog);
	} else if (!backlog_enter(lane->settings.backlog, loop_now_ms(lane->loop))) {
		answer(lane, request, LANE_FULL, NULL, NULL);
		return;
	}
	append(lane, request);
}

struct lane *
lane_new(struct loop *loop, const struct lane_settings *settings, const struct lane_events *events,
	 void *ctx)
{
	static const struct connection_events connection_events = {ready_cb, trouble_cb, input_cb};
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		log_error("store: out of memory for a lane");
		return NULL;
	}
	lane->loop = loop;
	lane->settings = *settings;
	lane->events = events;
	lane->ctx = ctx;
	TAILQ_INIT(&lane->waiting);
	session_local_sql(settings->statement_timeout_ms, lane->local_sql);
	deadline_list_init(&lane->queued, loop, settings->queue_timeout_ms, "store queue deadline",
			   queued_expired_cb, lane);
	/* a batch's last statement may begin only after others took their time */
	deadline_list_init(&lane->sent, loop,
			   settings->queue_timeout_ms + settings->statement_timeout_ms +
			       LANE_MARGIN_MS,
			   "store answer deadline", sent_expired_cb, lane);
	watch_init_timer(&lane->silence, loop, "store silence", silence_cb, lane);
	lane->connection =
	    connection_new(loop, &lane->settings.connection, &connection_events, lane);
	if (!lane->connection) {
		free(lane);
		return NULL;
	}
	lane->hook = (struct pass_hook){.fn = flush_hook, .name = "store flush", .arg = lane};
	loop_add_pass_hook(loop, &lane->hook);
	return lane;
}

void
lane_free(struct lane **lane)
{
	struct lane *l = *lane;

	if (!l)
		return;
	l->stopping = true;
	l->ready = false;
	abandon_batch(l);
	answer_waiting(l, LANE_STOPPED);
	connection_free(&l->connection);
	deadline_list_fini(&l->queued);
	deadline_list_fini(&l->sent);
	free(l);
	*lane = NULL;
}

void
lane_set_others(struct lane *lane, struct lane *const *other, unsigned n)
{
	lane->other = other;
	lane->n_others = n;
}

bool
lane_is_ready(const struct lane *lane)
{
	return lane->ready;
}

bool
lane_is_down(const struct lane *lane)
{
	return lane->down;
}

const struct connection *
lane_connection(const struct lane *lane)
{
	return lane->connection;
}
