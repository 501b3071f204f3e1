/*
 * search_index.c - look, lock, drop what a build that failed has left, build, look again, have the
 * words in it counted. Each is one statement at a time on a connection that is there for this
 * alone.
 */
#include "store/search_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pg/connect.h"

/* Between two looks while somebody else builds. */
#define OTHERS_MS 1000
/* After a build that failed; doubles up to the last. */
#define RETRY_FIRST_MS 5000
#define RETRY_LAST_MS  300000
/* When it is the operator's to build. */
#define OPERATOR_MS 10000

/* Of the session, so that it ends with the connection: builds are no transactions. */
#define LOCK_SQL "select pg_catalog.pg_try_advisory_lock(482870819426)" /* that of steps.c + 1 */

enum search_state {
	SEARCH_CONNECTING, /* no connection, or it is not ready */
	SEARCH_SETTING,    /* no timeouts: a build takes what it takes, and blocks nobody */
	SEARCH_LOOKING,
	SEARCH_LOCKING,
	SEARCH_DROPPING,
	SEARCH_BUILDING,
	SEARCH_ANALYZING,
	SEARCH_PAUSING, /* `timer` looks again */
	SEARCH_READY
};

struct search_index {
	struct loop *loop;
	struct search_index_settings settings;
	search_index_fn *on_ready;
	void *ctx;
	struct setup_plan plan;
	struct connection_settings connection_settings;
	struct connection *connection;
	enum search_state state;
	struct watch timer;
	uint64_t retry_ms;
	bool has_lock;
	/* as of the last look */
	bool exists, is_valid, is_busy, is_partitioned, has_table, lacks_statistics;
	bool failed;      /* the statement under way */
	bool ended;       /* its results are all there; its Sync is not */
	char reason[300]; /* logged last */
};

static void
set_state(struct search_index *s, enum search_state state)
{
	s->state = state;
}

static void
ask(struct search_index *s, enum search_state state, const char *sql)
{
	PGconn *pg = connection_pg(s->connection);

	s->failed = s->ended = false;
	set_state(s, state);
	if (PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(pg) != 1)
		connection_reset(s->connection, PQerrorMessage(pg));
	else
		connection_flush(s->connection);
}

static void
pause_for(struct search_index *s, uint64_t ms)
{
	set_state(s, SEARCH_PAUSING);
	watch_start_ms(&s->timer, ms);
}

static void
log_once(struct search_index *s, const char *reason)
{
	if (strncmp(s->reason, reason, sizeof(s->reason) - 1) == 0)
		return;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	log_warning("store: search is not ready: %s", reason);
}

static void
pause_failed(struct search_index *s)
{
	pause_for(s, s->retry_ms);
	s->retry_ms = s->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : s->retry_ms * 2;
}

/* The connection must not be freed from inside its own events: the timer does it. */
static void
become_ready(struct search_index *s)
{
	set_state(s, SEARCH_READY);
	watch_start_ms(&s->timer, 0);
}

/* A vacuum of the table may have to be waited for, but search does not wait for that. */
static void
analyze(struct search_index *s)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "do $$begin perform pg_catalog.set_config('lock_timeout', '2s', true); %s; end$$",
		 s->settings.schema->index_analyze);
	ask(s, SEARCH_ANALYZING, sql);
}

static void
after_look(struct search_index *s)
{
	char reason[300];

	if (s->failed) {
		pause_failed(s);
	} else if (s->is_valid && (!s->lacks_statistics || s->settings.look_only)) {
		become_ready(s);
	} else if (s->is_valid && !s->has_lock) {
		ask(s, SEARCH_LOCKING, LOCK_SQL);
	} else if (s->is_valid) {
		analyze(s);
	} else if (!s->has_table) {
		/* dropped, this moment */
		pause_for(s, OTHERS_MS);
	} else if (s->settings.look_only || s->is_partitioned) {
		snprintf(reason, sizeof(reason), "%s; run: %s; %s",
			 s->is_partitioned
			     ? "products is partitioned, so make the index of each "
			       "partition, then that of the table"
			     : "it is not built here (store.migrate = off, or a pooler "
			       "and no store.listen)",
			 s->settings.schema->index_create, s->settings.schema->index_analyze);
		log_once(s, reason);
		pause_for(s, OPERATOR_MS);
	} else if (s->exists && s->is_busy) {
		pause_for(s, OTHERS_MS);
	} else if (!s->has_lock) {
		ask(s, SEARCH_LOCKING, LOCK_SQL);
	} else if (s->exists) {
		log_info("store: dropping the search index that an earlier build has left behind");
		ask(s, SEARCH_DROPPING, s->settings.schema->index_drop);
	} else {
		log_info("store: building the search index");
		ask(s, SEARCH_BUILDING, s->settings.schema->index_create);
	}
}

/* The statement under way and its Sync are through. */
static void
go_on(struct search_index *s)
{
	switch (s->state) {
	case SEARCH_SETTING:
	case SEARCH_PAUSING: ask(s, SEARCH_LOOKING, s->settings.schema->index_state); break;
	case SEARCH_LOOKING: after_look(s); break;
	case SEARCH_LOCKING:
		/* with the lock, things may have changed since the look */
		if (s->has_lock)
			ask(s, SEARCH_LOOKING, s->settings.schema->index_state);
		else
			pause_for(s, OTHERS_MS);
		break;
	case SEARCH_DROPPING:
	case SEARCH_BUILDING:
		if (s->failed)
			pause_failed(s);
		else
			ask(s, SEARCH_LOOKING, s->settings.schema->index_state);
		break;
	case SEARCH_ANALYZING:
		/* only slower without */
		become_ready(s);
		break;
	case SEARCH_CONNECTING:
	case SEARCH_READY: break;
	}
}

static bool
is_true(const PGresult *res, int column)
{
	return PQgetvalue(res, 0, column)[0] == 't';
}

static void
take_rows(struct search_index *s, const PGresult *res)
{
	if (s->state == SEARCH_LOCKING)
		s->has_lock = is_true(res, 0);
	if (s->state != SEARCH_LOOKING)
		return;
	s->has_table = PQntuples(res) == 1;
	s->is_partitioned = s->has_table && is_true(res, 0);
	s->exists = s->has_table && is_true(res, 1);
	s->is_valid = s->has_table && is_true(res, 2);
	s->is_busy = s->has_table && is_true(res, 3);
	s->lacks_statistics = s->has_table && is_true(res, 4);
}

static void
note_failure(struct search_index *s, const PGresult *res)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (!message)
		message = "the server refused a statement";
	s->failed = true;
	connection_note_fatal(s->connection, res);
	if (s->state == SEARCH_ANALYZING)
		log_warning("store: search is slow until products is analyzed: %s", message);
	else
		log_once(s, message);
}

static void
take_result(struct search_index *s, const PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK: take_rows(s, res); break;
	case PGRES_COMMAND_OK:
	case PGRES_PIPELINE_SYNC: break;
	default: note_failure(s, res);
	}
}

static void
input_cb(struct connection *connection, void *ctx)
{
	struct search_index *s = ctx;
	bool synced = false;

	for (PGconn *pg = connection_pg(connection); pg && !synced && !PQisBusy(pg);) {
		PGresult *res = PQgetResult(pg);

		if (!res) {
			/* the end of a statement's results, or of all */
			if (s->ended)
				break;
			s->ended = true;
			continue;
		}
		take_result(s, res);
		synced = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
		PQclear(res);
	}
	if (synced)
		go_on(s);
	else
		connection_flush(connection);
}

static void
ready_cb(struct connection *connection, void *ctx)
{
	struct search_index *s = ctx;

	(void)connection;
	s->has_lock = false;
	ask(s, SEARCH_SETTING,
	    "select pg_catalog.set_config('statement_timeout', '0', false), "
	    "pg_catalog.set_config('lock_timeout', '0', false)");
}

static void
trouble_cb(struct connection *connection, const struct connection_trouble *trouble, void *ctx)
{
	struct search_index *s = ctx;

	(void)connection;
	if (s->state == SEARCH_READY)
		return;
	watch_stop(&s->timer);
	set_state(s, SEARCH_CONNECTING);
	/* the lanes have the same trouble, and tell it */
	log_debug("store: no connection to build the search index: %s", trouble->reason);
}

static void
timer_cb(void *arg, short what)
{
	struct search_index *s = arg;

	(void)what;
	if (s->state == SEARCH_PAUSING) {
		go_on(s);
	} else if (s->state == SEARCH_READY) {
		connection_free(&s->connection);
		log_info("store: search is ready");
		s->on_ready(s->ctx);
	}
}

struct search_index *
search_index_new(struct loop *loop, const struct search_index_settings *settings,
		 search_index_fn *on_ready, void *ctx)
{
	static const struct connection_events events = {ready_cb, trouble_cb, input_cb};
	struct search_index *s = calloc(1, sizeof(*s));

	if (!s) {
		log_error("store: out of memory");
		return NULL;
	}
	s->loop = loop;
	s->settings = *settings;
	s->on_ready = on_ready;
	s->ctx = ctx;
	s->retry_ms = RETRY_FIRST_MS;
	/* after the steps: they would wait for a build, which waits for all transactions */
	s->plan = (struct setup_plan){
	    .steps = &settings->schema->steps,
	    .statement_timeout_ms = settings->connect_timeout_ms,
	};
	s->connection_settings = (struct connection_settings){
	    .conninfo = settings->conninfo,
	    .plan = &s->plan,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	};
	watch_init_timer(&s->timer, loop, "search index", timer_cb, s);
	s->connection = connection_new(loop, &s->connection_settings, &events, s);
	if (!s->connection)
		search_index_free(&s);
	return s;
}

void
search_index_free(struct search_index **index)
{
	if (!*index)
		return;
	watch_stop(&(*index)->timer);
	connection_free(&(*index)->connection);
	free(*index);
	*index = NULL;
}
