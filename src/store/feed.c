/*
 * feed.c - the holder: one statement at a time on its connection, chosen by what is due.
 *
 * Statements are sent unnamed: there are few, and a pooler may stand in between.
 */
#include "store/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pg/connect.h"
#include "store/feed_horizon.h"
#include "store/search_index.h"

/* While a look waits for transactions they become rarer, up to so many times the pace. */
#define PACE_GROWTH 25
/* What nobody told us of is found by then. */
#define POLL_MS 1000
/* How often other hosts are told of our writes. NOTIFY locks the whole database for a moment. */
#define NOTIFY_MS 50
/* The room does not take it now. */
#define TELL_AGAIN_MS 20
/* After an error of the server. */
#define ERROR_MS  500
#define READ_ROWS 500
/* Rows that one transaction prunes, the pause between two of them, and between two rounds. */
#define PRUNE_ROWS     1000
#define PRUNE_AGAIN_MS 20
#define PRUNE_MS       60000
/* Past the server's own limit. */
#define ANSWER_MARGIN_MS 1000
/* A transaction that holds the feed for so long is worth a line. */
#define HELD_MS 10000

enum feed_state {
	FEED_ASIDE,  /* another worker has the seat, or nobody yet */
	FEED_HOLDING /* we have it */
};

/* The statement under way. */
enum feed_step {
	STEP_NONE,
	STEP_LISTEN,
	STEP_LOOK,
	STEP_READ,
	STEP_NOTIFY,
	STEP_PRUNE_LOG,
	STEP_PRUNE_KEYS,
	STEPS
};

/* Each @ is the schema. */
static const char *const templates[STEPS] = {
    [STEP_LISTEN] = "listen " FEED_CHANNEL,
    [STEP_LOOK] = "select s.xmin, s.xmax + age(s.xmax::text::xid) as next, "
		  "greatest((select max(seq) from @.product_log), f.pruned) as newest, "
		  "f.log, pg_is_in_recovery() "
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

struct feed {
	struct loop *loop;
	struct feed_settings settings;
	struct setup_plan plan;
	struct connection_settings connection_settings;
	struct feed_shared *shared;
	char *sql[STEPS];
	int32_t pid;
	bool is_over; /* feed_yield */

	enum feed_state state;
	struct connection *connection;
	struct search_index_settings index_settings;
	struct search_index *index; /* while we hold the seat */
	bool index_is_valid;
	enum feed_step step;
	struct watch timer;
	struct pass_hook pass;
	struct news_hook news;
	char trouble[600]; /* logged last; empty while all is well */

	struct feed_horizon horizon;
	struct feed_place place;
	bool has_place;
	bool is_listening;
	bool in_recovery;
	uint64_t bell; /* heard so far */

	/* what is due */
	bool wants_look;        /* at look_at_ms; at poll_at_ms anyway */
	bool wants_read;        /* at read_at_ms: the room is not where the horizon is */
	bool wants_told;        /* at tell_at_ms: other hosts do not know of what we have written */
	bool rang, rang_before; /* by our own host, since the look was sent, and before */
	uint64_t pace_ms;       /* between looks */
	uint64_t look_at_ms, poll_at_ms, read_at_ms, notify_at_ms, prune_at_ms;
	uint64_t told_newest;   /* other hosts know of what is up to here */
	uint64_t held_since_ms; /* the horizon has not come to what is there; 0: it has */
	bool held_logged;
	enum feed_step prune_next;
};

static void advance(struct feed *feed);

/* ---- JSON ---- */

size_t
feed_write_change(char out[FEED_CHANGE_SIZE], struct span seq, char op, struct span id,
		  struct span version)
{
	const char *word = op == 'I'   ? "insert"
			   : op == 'U' ? "update"
			   : op == 'D' ? "delete"
				       : "truncate";
	const struct span null = SPAN_LIT("null");

	if (id.len == 0)
		id = null;
	if (version.len == 0)
		version = null;
	int n = snprintf(out, FEED_CHANGE_SIZE,
			 "{\"seq\":%.*s,\"op\":\"%s\",\"id\":%.*s,\"version\":%.*s}", (int)seq.len,
			 seq.ptr, word, (int)id.len, id.ptr, (int)version.len, version.ptr);
	return n < 0 ? 0 : n < FEED_CHANGE_SIZE ? (size_t)n : FEED_CHANGE_SIZE - 1;
}

static struct span
cell(const PGresult *result, int row, int column)
{
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static uint64_t
number(const PGresult *result, int row, int column)
{
	return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

/* ---- the room ---- */

/*
 * A holder that died may have published one change more than it has noted. A room that is gone had
 * nobody in it.
 */
static void
find_published(struct feed *feed)
{
	char id[64 + 1];
	size_t len = feed->settings.room.last_id(id, sizeof(id) - 1, feed->settings.room.ctx);
	uint64_t era, seq;

	id[len] = '\0';
	if (sscanf(id, "p%" SCNu64 ".%" SCNu64, &era, &seq) == 2 && era == feed->place.era &&
	    seq > feed->place.published && seq <= feed->place.settled) {
		feed->place.published = seq;
		feed_shared_set(feed->shared, &feed->place);
	}
}

static void
take_changes(struct feed *feed, const PGresult *result)
{
	const int n = PQntuples(result);

	for (int i = 0; i < n; i++) {
		char id[64], json[FEED_CHANGE_SIZE];
		const size_t len =
		    feed_write_change(json, cell(result, i, 0), PQgetvalue(result, i, 1)[0],
				      cell(result, i, 2), cell(result, i, 3));
		const uint64_t seq = number(result, i, 0);
		const int id_len =
		    snprintf(id, sizeof(id), "p%" PRIu64 ".%" PRIu64, feed->place.era, seq);

		if (!feed->settings.room.tell(span_from(id, (size_t)id_len), span_from(json, len),
					      feed->settings.room.ctx)) {
			feed->read_at_ms = loop_now_ms(feed->loop) + TELL_AGAIN_MS;
			return;
		}
		feed->place.published = seq;
		feed_shared_set(feed->shared, &feed->place);
	}
	/* above the last one there are only holes */
	if (n < READ_ROWS) {
		feed->place.published = feed->place.settled;
		feed_shared_set(feed->shared, &feed->place);
	}
	feed->wants_read = feed->place.published < feed->place.settled;
	feed->read_at_ms = loop_now_ms(feed->loop);
}

/* ---- the horizon ---- */

static bool
read_uuid(const char *text, uint64_t uuid[2])
{
	unsigned digits = 0;

	uuid[0] = uuid[1] = 0;
	for (; *text; text++) {
		static const char hex[] = "0123456789abcdef";
		const char *at = strchr(hex, *text);

		if (*text == '-')
			continue;
		if (!at || digits == 32)
			return false;
		uuid[digits / 16] = uuid[digits / 16] << 4 | (uint64_t)(at - hex);
		digits++;
	}
	return digits == 32;
}

/* Another log, or one that has lost its end: the room goes on from here. */
static void
begin_era(struct feed *feed, const uint64_t log[2], uint64_t settled, uint64_t xid)
{
	feed->place = (struct feed_place){
	    .log = {log[0], log[1]},
	    .era = feed->place.era + 1,
	    .settled = settled,
	    .xid = xid,
	    .published = settled,
	};
	feed->has_place = true;
}

static void
move_horizon(struct feed *feed, const uint64_t log[2], uint64_t settled, uint64_t xid)
{
	struct feed_place *place = &feed->place;

	if (!feed->has_place || memcmp(place->log, log, sizeof(place->log)) != 0) {
		begin_era(feed, log, settled, xid);
		/* what was known is of another database */
		feed->shared->search_ready = feed->index_is_valid;
		log_info("store: the change feed begins after change %" PRIu64, settled);
	} else if (settled < place->settled && !feed->in_recovery) {
		log_warning(
		    "store: the database has lost the changes from %" PRIu64 " to %" PRIu64
		    " (an older copy of it, or a standby that was behind); the feed goes on "
		    "from there",
		    settled + 1, place->settled);
		begin_era(feed, log, settled, xid);
	} else if (settled >= place->settled) {
		place->settled = settled;
		place->xid = xid;
	}
	feed_shared_set(feed->shared, place);
	feed->wants_read = place->published < place->settled;
}

static void
log_held(struct feed *feed, uint64_t now_ms)
{
	if (!feed->horizon.is_waiting) {
		feed->held_since_ms = 0;
		feed->held_logged = false;
	} else if (feed->held_since_ms == 0) {
		feed->held_since_ms = now_ms;
	} else if (!feed->held_logged && now_ms - feed->held_since_ms >= HELD_MS) {
		feed->held_logged = true;
		log_warning("store: the change feed waits for a transaction below %" PRIu64
			    " that writes and does not end: see backend_xid in pg_stat_activity, "
			    "and pg_prepared_xacts",
			    feed->horizon.waiting.next);
	}
}

static void
take_look(struct feed *feed, const PGresult *result)
{
	const uint64_t now_ms = loop_now_ms(feed->loop);
	struct feed_look look;
	uint64_t log[2], settled, xid;

	if (PQntuples(result) != 1 || !read_uuid(PQgetvalue(result, 0, 3), log)) {
		feed->look_at_ms = now_ms + ERROR_MS;
		return;
	}
	look = (struct feed_look){
	    .xmin = number(result, 0, 0),
	    .next = number(result, 0, 1),
	    .newest = number(result, 0, 2),
	};
	feed->in_recovery = PQgetvalue(result, 0, 4)[0] == 't';
	atomic_fetch_add_explicit(&feed->shared->looks, 1, memory_order_relaxed);
	const bool decided = feed_horizon_look(&feed->horizon, &look, &settled, &xid);
	if (decided)
		move_horizon(feed, log, settled, xid);
	if ((feed->rang || feed->rang_before) && look.newest > feed->told_newest)
		feed->wants_told = true;
	feed->told_newest = look.newest;
	/* who waits comes again, at first soon */
	if (!feed->horizon.is_waiting || decided)
		feed->pace_ms = feed->settings.pace_ms;
	else if (feed->pace_ms < PACE_GROWTH * feed->settings.pace_ms)
		feed->pace_ms *= 2;
	if (feed->horizon.is_waiting)
		feed->wants_look = true;
	feed->look_at_ms = now_ms + feed->pace_ms;
	feed->poll_at_ms = now_ms + POLL_MS;
	log_held(feed, now_ms);
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
	feed->wants_look = false;
	feed->rang_before = feed->rang;
	feed->rang = false;
	send_step(feed, STEP_LOOK, 0, NULL);
}

static void
send_read(struct feed *feed)
{
	char after[24], upto[24], rows[24];
	const char *const values[] = {after, upto, rows};

	snprintf(after, sizeof(after), "%" PRIu64, feed->place.published);
	snprintf(upto, sizeof(upto), "%" PRIu64, feed->place.settled);
	snprintf(rows, sizeof(rows), "%d", READ_ROWS);
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
static void
advance(struct feed *feed)
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
	const uint64_t later_ms = loop_now_ms(feed->loop) + ERROR_MS;

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
	case STEP_LOOK: take_look(feed, result); break;
	case STEP_READ: take_changes(feed, result); break;
	case STEP_PRUNE_LOG:
	case STEP_PRUNE_KEYS:
		plan_prune(feed, feed->step,
			   PQntuples(result) == 1 && number(result, 0, 0) >= PRUNE_ROWS);
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
	advance(feed);
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
		advance(feed);
}

/* ---- the seat ---- */

static const struct connection_events events = {
    .on_ready = ready_cb,
    .on_trouble = trouble_cb,
    .on_input = input_cb,
};

static void
index_ready_cb(void *ctx)
{
	struct feed *feed = ctx;

	feed->index_is_valid = true;
	feed->shared->search_ready = true;
}

/* The only writer of `state`. */
static void
feed_set_state(struct feed *feed, enum feed_state state)
{
	if (state == feed->state)
		return;
	feed->state = state;
	if (state == FEED_ASIDE) {
		connection_free(&feed->connection);
		search_index_free(&feed->index);
		feed->step = STEP_NONE;
		feed_shared_give_up(feed->shared, feed->settings.slot, feed->pid);
		log_debug("store: this worker leaves the change feed");
		return;
	}
	log_debug("store: this worker holds the change feed");
	feed->has_place = feed_shared_get(feed->shared, &feed->place);
	if (feed->has_place)
		find_published(feed);
	feed->wants_read = feed->has_place && feed->place.published < feed->place.settled;
	feed->told_newest = feed->has_place ? feed->place.settled : 0;
	feed->wants_told = false;
	feed->connection = connection_new(feed->loop, &feed->connection_settings, &events, feed);
	feed->index_is_valid = false;
	feed->index = search_index_new(feed->loop, &feed->index_settings, index_ready_cb, feed);
	/* out of memory: it may do better next time, or another one */
	if (!feed->connection || !feed->index)
		feed_set_state(feed, FEED_ASIDE);
}

static void
tend(struct feed *feed)
{
	const struct segment *segment = feed->settings.segment;

	if (segment->slots[feed->settings.slot].state == SLOT_READY &&
	    feed_shared_take(feed->shared, segment, feed->settings.slot, feed->pid))
		feed_set_state(feed, FEED_HOLDING);
	if (feed->state == FEED_ASIDE)
		watch_start_ms(&feed->timer, FEED_TEND_MS);
}

static void
timer_cb(void *arg, short what)
{
	struct feed *feed = arg;

	(void)what;
	if (feed->is_over)
		return;
	if (feed->state == FEED_ASIDE)
		tend(feed);
	else if (feed->step != STEP_NONE && connection_pg(feed->connection))
		connection_reset(feed->connection, "no answer in time");
	else
		advance(feed);
}

/* ---- bells ---- */

static bool
pass_cb(void *arg)
{
	struct feed *feed = arg;
	const uint64_t bell = atomic_load_explicit(&feed->shared->bell, memory_order_relaxed);

	if (feed->state != FEED_HOLDING)
		return false;
	if (bell != feed->bell) {
		feed->bell = bell;
		feed->wants_look = feed->rang = true;
		advance(feed);
	}
	return false;
}

static bool
news_cb(void *arg)
{
	const struct feed *feed = arg;

	return feed->state == FEED_HOLDING &&
	       atomic_load_explicit(&feed->shared->bell, memory_order_relaxed) != feed->bell;
}

void
feed_wake(struct feed *feed)
{
	unsigned slot;

	if (!feed)
		return;
	atomic_fetch_add_explicit(&feed->shared->bell, 1, memory_order_relaxed);
	/* a holder that takes the seat now looks anyway */
	if (feed->state != FEED_HOLDING && feed_shared_holder(feed->shared, &slot))
		doorbell_ring_sleeper(feed->settings.bell, feed->settings.segment, slot);
}

bool
feed_search_is_ready(const struct feed *feed)
{
	return atomic_load_explicit(&feed->shared->search_ready, memory_order_relaxed);
}

bool
feed_place(const struct feed *feed, struct feed_place *place)
{
	return feed_shared_get(feed->shared, place);
}

/* ---- life ---- */

static char *
fill_in(const char *template, const char *schema)
{
	size_t size = strlen(template) + 1;

	for (const char *at = template; (at = strchr(at, '@')) != NULL; at++)
		size += strlen(schema);
	char *text = malloc(size), *p = text;

	for (const char *at = template; p && *at; at++) {
		if (*at != '@') {
			*p++ = *at;
			continue;
		}
		memcpy(p, schema, strlen(schema));
		p += strlen(schema);
	}
	if (p)
		*p = '\0';
	return text;
}

struct feed *
feed_new(struct loop *loop, const struct feed_settings *settings)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	bool ok = feed != NULL;

	for (unsigned i = STEP_NONE + 1; ok && i < STEPS; i++)
		ok = (feed->sql[i] = fill_in(templates[i], settings->schema->name)) != NULL;
	if (!ok) {
		log_error("store: out of memory");
		if (feed) {
			for (unsigned i = 0; i < STEPS; i++)
				free(feed->sql[i]);
		}
		free(feed);
		return NULL;
	}
	feed->loop = loop;
	feed->settings = *settings;
	feed->plan = (struct setup_plan){
	    .steps = &settings->schema->steps,
	    .statement_timeout_ms = settings->statement_timeout_ms,
	    .is_prepared = settings->is_direct,
	};
	feed->connection_settings = (struct connection_settings){
	    .conninfo = settings->conninfo,
	    .plan = &feed->plan,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	};
	feed->index_settings = (struct search_index_settings){
	    .conninfo = settings->conninfo,
	    .schema = settings->schema,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	    .look_only = settings->schema->steps.look_only || !settings->is_direct,
	};
	feed->shared = feed_shared_of(settings->segment);
	feed->pid = getpid();
	watch_init_timer(&feed->timer, loop, "change feed", timer_cb, feed);
	feed->pass = (struct pass_hook){.fn = pass_cb, .name = "change feed", .arg = feed};
	feed->news = (struct news_hook){.fn = news_cb, .arg = feed};
	loop_add_pass_hook(loop, &feed->pass);
	loop_add_news_hook(loop, &feed->news);
	watch_start_ms(&feed->timer, 0);
	return feed;
}

void
feed_yield(struct feed *feed)
{
	feed->is_over = true;
	watch_stop(&feed->timer);
	feed_set_state(feed, FEED_ASIDE);
}

void
feed_free(struct feed **feed)
{
	struct feed *f = *feed;

	if (!f)
		return;
	feed_yield(f);
	for (unsigned i = 0; i < STEPS; i++)
		free(f->sql[i]);
	free(f);
	*feed = NULL;
}
