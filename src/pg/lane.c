/*
 * lane.c - who waits, who was sent, and the one place where each gets its answer.
 *
 * A request is in `waiting` (deadline: queue_timeout) or in a slot of the batch under way
 * (deadline: what a statement may take at the most). When a slot's request was answered before its
 * result has come, the slot stays, empty, and swallows the result.
 */
#include "pg/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* past statement_timeout, for the way there and back and for a server under load */
#define LANE_MARGIN_MS   1000
#define LANE_RETRY_S_MAX 60

TAILQ_HEAD(request_list, lane_request);

struct slot {
	struct lane_request *request; /* NULL when answered already */
	PGresult *result;             /* what has come before the Sync */
};

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
	/* the batch under way: slot[next_slot..n_slots) have no Sync yet */
	struct slot slot[LANE_BATCH_MAX];
	unsigned n_slots, next_slot;
	struct watch silence;
	uint64_t heard_ms; /* the server said something, or was asked something */
	bool ready;
	bool down;           /* the last attempt failed: do not wait for the next one */
	bool schema_missing; /* and this was why */
	bool stale;          /* prepared statements do not fit the schema any more: reconnect */
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

/* The only caller of `done`. The request is in no list and no slot any more. */
static void
answer(struct lane *lane, struct lane_request *request, enum lane_outcome outcome,
       const PGresult *result)
{
	struct lane_answer a = {
	    .outcome = outcome,
	    .result = outcome == LANE_OK ? result : NULL,
	    .sqlstate = "",
	    .message = "",
	    .retry_after_s = retry_after_s(lane, outcome),
	    .schema_missing = outcome == LANE_DOWN && lane->schema_missing,
	};
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (outcome == LANE_REFUSED && sqlstate)
		a.sqlstate = sqlstate;
	if (outcome == LANE_REFUSED && message)
		a.message = message;
	deadline_disarm(&request->deadline);
	request->done(request, &a);
}

static void
enqueue(struct lane *lane, struct lane_request *request, bool at_head)
{
	request->sent = false;
	if (at_head)
		TAILQ_INSERT_HEAD(&lane->waiting, request, link);
	else
		TAILQ_INSERT_TAIL(&lane->waiting, request, link);
	lane->n_waiting++;
	deadline_arm(&request->deadline, &lane->queued);
}

static struct lane_request *
dequeue(struct lane *lane, struct lane_request *request, bool sending)
{
	TAILQ_REMOVE(&lane->waiting, request, link);
	lane->n_waiting--;
	backlog_leave(lane->settings.backlog, sending, loop_now_ms(lane->loop));
	return request;
}

static void
answer_waiting(struct lane *lane, enum lane_outcome outcome)
{
	/* `done` may submit more; those are judged anew and not answered here */
	size_t n = lane->n_waiting;

	while (n-- > 0 && lane->n_waiting > 0)
		answer(lane, dequeue(lane, TAILQ_FIRST(&lane->waiting), false), outcome, NULL);
}

static void
queued_expired_cb(struct deadline *d, void *ctx)
{
	struct lane *lane = ctx;
	struct lane_request *request =
	    (struct lane_request *)((char *)d - offsetof(struct lane_request, deadline));

	/* it waited for a lane that was busy, or for one that was not there */
	answer(lane, dequeue(lane, request, false), lane->ready ? LANE_EXPIRED : LANE_DOWN, NULL);
}

static void
sent_expired_cb(struct deadline *d, void *ctx)
{
	struct lane *lane = ctx;
	struct lane_request *request =
	    (struct lane_request *)((char *)d - offsetof(struct lane_request, deadline));

	lane->slot[request->slot].request = NULL;
	answer(lane, request, request->is_write ? LANE_UNKNOWN : LANE_LATE, NULL);
}

/*
 * Errors that tell of this connection or of its prepared statements rather than of the request: the
 * statement is gone, its result type has changed, the table is another one now (the schema steps
 * run again on reconnect), or this server has become a standby.
 */
static bool
is_stale(const PGresult *result)
{
	static const char *const states[] = {"26000", "0A000", "42P01", "42703", "25006"};
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	for (size_t i = 0; sqlstate && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	}
	return false;
}

/* Severity ERROR: the transaction is rolled back for certain, even if the connection ends now. */
static bool
is_plain_error(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return PQresultStatus(result) == PGRES_FATAL_ERROR && severity &&
	       strcmp(severity, "ERROR") == 0;
}

static bool
is_success(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The slot's Sync has come: what the server said is final. */
static void
finish_slot(struct lane *lane, struct slot *slot)
{
	struct lane_request *request = slot->request;
	PGresult *result = slot->result;

	*slot = (struct slot){0};
	if (!request) {
		PQclear(result);
		return;
	}
	if (is_success(result)) {
		answer(lane, request, LANE_OK, result);
	} else if (is_stale(result) && !request->retried) {
		request->retried = true;
		lane->stale = true;
		backlog_return(lane->settings.backlog);
		enqueue(lane, request, false);
	} else {
		answer(lane, request, LANE_REFUSED, result);
	}
	PQclear(result);
}

/* The connection is gone and the slot has no Sync. Returns the request if it shall be sent again.
 */
static struct lane_request *
abandon_slot(struct lane *lane, struct slot *slot)
{
	struct lane_request *request = slot->request;
	PGresult *result = slot->result;
	struct lane_request *again = NULL;

	*slot = (struct slot){0};
	if (!request) {
		/* answered at its deadline */
	} else if (is_plain_error(result)) {
		answer(lane, request, LANE_REFUSED, result);
	} else if (request->is_write) {
		/* its result may have come, but not that it was committed */
		answer(lane, request, LANE_UNKNOWN, NULL);
	} else if (is_success(result)) {
		answer(lane, request, LANE_OK, result);
	} else if (request->retried || lane->stopping) {
		answer(lane, request, lane->stopping ? LANE_STOPPED : LANE_DOWN, NULL);
	} else {
		again = request;
	}
	PQclear(result);
	return again;
}

static void
abandon_batch(struct lane *lane)
{
	struct slot slot[LANE_BATCH_MAX];
	unsigned n = lane->n_slots - lane->next_slot;

	/* take them out first: answers may call back into this lane */
	memcpy(slot, lane->slot + lane->next_slot, n * sizeof(slot[0]));
	memset(lane->slot, 0, sizeof(lane->slot));
	lane->n_slots = lane->next_slot = 0;
	watch_stop(&lane->silence);
	for (unsigned i = 0; i < n; i++) {
		if (slot[i].request)
			deadline_disarm(&slot[i].request->deadline);
	}
	/* backwards, so that those at the head of the queue stay in order */
	for (unsigned i = n; i-- > 0;) {
		struct lane_request *again = abandon_slot(lane, &slot[i]);
		if (again) {
			again->retried = true;
			backlog_return(lane->settings.backlog);
			enqueue(lane, again, true);
		}
	}
}

static void
ready_cb(struct connection *c, void *ctx)
{
	struct lane *lane = ctx;

	(void)c;
	lane->ready = true;
	lane->down = lane->schema_missing = lane->stale = false;
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
	if (lane->down)
		answer_waiting(lane, LANE_DOWN);
}

static void
silence_cb(void *arg, short what)
{
	struct lane *lane = arg;
	uint64_t limit_ms = lane->settings.statement_timeout_ms + LANE_MARGIN_MS;
	uint64_t silent_ms = loop_now_ms(lane->loop) - lane->heard_ms;

	(void)what;
	if (!lane->n_slots)
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
	bool was_null = false;

	while (lane->next_slot < lane->n_slots && !PQisBusy(pg)) {
		struct slot *slot = &lane->slot[lane->next_slot];
		PGresult *result = PQgetResult(pg);
		if (!result) {
			/* one ends each statement; two in a row: not the protocol we know */
			if (was_null) {
				connection_reset(lane->connection, "results out of step");
				return false;
			}
			was_null = true;
			continue;
		}
		was_null = false;
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			if (++lane->next_slot == lane->n_slots)
				lane->n_slots = lane->next_slot = 0;
			finish_slot(lane, slot);
			/* the answer may have sent more, and lost the connection by it */
			pg = connection_pg(lane->connection);
			if (!pg)
				return false;
			continue;
		}
		connection_note_fatal(lane->connection, result);
		PQclear(slot->result);
		slot->result = result;
		if (PQstatus(pg) == CONNECTION_BAD) {
			connection_reset(lane->connection, PQerrorMessage(pg));
			return false;
		}
	}
	return true;
}

static void
input_cb(struct connection *c, void *ctx)
{
	struct lane *lane = ctx;

	lane->heard_ms = loop_now_ms(lane->loop);
	if (!take_results(lane))
		return;
	if (lane->n_slots == 0) {
		watch_stop(&lane->silence);
		if (lane->stale) {
			connection_reset(c, "the schema has changed under the prepared statements");
			return;
		}
	}
	connection_flush(c);
}

static bool
send_request(struct lane *lane, PGconn *pg, struct lane_request *request)
{
	request->sent = true;
	request->slot = lane->n_slots;
	lane->slot[lane->n_slots++] = (struct slot){.request = request};
	deadline_arm(&request->deadline, &lane->sent);
	return PQsendQueryPrepared(pg, request->statement, request->n_params, request->param, NULL,
				   NULL, 0) == 1 &&
	       PQpipelineSync(pg) == 1;
}

static void
send_batch(struct lane *lane)
{
	PGconn *pg = connection_pg(lane->connection);

	while (lane->n_slots < lane->settings.batch_max && !TAILQ_EMPTY(&lane->waiting)) {
		struct lane_request *request = dequeue(lane, TAILQ_FIRST(&lane->waiting), true);
		if (!send_request(lane, pg, request)) {
			connection_reset(lane->connection, PQerrorMessage(pg));
			return;
		}
	}
	lane->heard_ms = loop_now_ms(lane->loop);
	watch_start_ms(&lane->silence, lane->settings.statement_timeout_ms + LANE_MARGIN_MS);
	connection_flush(lane->connection);
}

static bool
flush_hook(void *arg)
{
	struct lane *lane = arg;

	if (lane->ready && !lane->stale && lane->n_slots == 0 && !TAILQ_EMPTY(&lane->waiting))
		send_batch(lane);
	return false;
}

void
lane_submit(struct lane *lane, struct lane_request *request)
{
	request->lane = lane;
	request->retried = false;
	if (lane->stopping) {
		answer(lane, request, LANE_STOPPED, NULL);
		return;
	}
	if (lane->down) {
		answer(lane, request, LANE_DOWN, NULL);
		return;
	}
	/* nobody shall be turned away from a lane that is free to send */
	if (lane->n_waiting >= lane->settings.batch_max)
		flush_hook(lane);
	if (!backlog_enter(lane->settings.backlog, loop_now_ms(lane->loop))) {
		answer(lane, request, LANE_FULL, NULL);
		return;
	}
	enqueue(lane, request, false);
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

const struct connection *
lane_connection(const struct lane *lane)
{
	return lane->connection;
}
