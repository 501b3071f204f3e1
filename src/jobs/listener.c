/*
 * listener.c - see listener.h.
 */
#include "jobs/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pg/connect.h"
#include "pg/conninfo.h"
#include "pg/setup.h"

/* store.prepared, of its words; off means a pooler that gives each transaction another session */
enum { PREPARED_ON };

struct listener {
	struct loop *loop;
	struct listener_settings settings;
	struct conninfo *conninfo;
	struct setup_plan plan;
	struct connection_settings connection_settings;
	struct connection *connection; /* NULL: a pooler is in between */
	char trouble[300];             /* told last; empty while all is well */
};

static void
log_trouble(struct listener *listener, const char *why)
{
	if (strncmp(listener->trouble, why, sizeof(listener->trouble) - 1) == 0)
		return;
	snprintf(listener->trouble, sizeof(listener->trouble), "%s", why);
	/* the lanes have the same trouble, and say it; but it may have a server of its own */
	if (listener->settings.config->store_listen[0])
		log_warning("jobs: what SQL puts is noticed a second late: %s", why);
	else
		log_debug("jobs: not listening: %s", why);
}

static void
ready_cb(struct connection *c, void *ctx)
{
	struct listener *listener = ctx;
	PGconn *pg = connection_pg(c);

	if (PQsendQueryParams(pg, "listen " JOBS_CHANNEL, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(pg) != 1) {
		connection_reset(c, PQerrorMessage(pg));
		return;
	}
	if (connection_flush(c)) {
		listener->trouble[0] = '\0';
		log_debug("jobs: listening");
	}
}

static void
trouble_cb(struct connection *c, const struct connection_trouble *trouble, void *ctx)
{
	(void)c;
	log_trouble(ctx, trouble->reason);
}

static void
input_cb(struct connection *c, void *ctx)
{
	struct listener *listener = ctx;
	const struct listener_settings *s = &listener->settings;
	PGconn *pg = connection_pg(c);
	bool was_null = false;
	PGnotify *notice;

	while (!PQisBusy(pg)) {
		PGresult *result = PQgetResult(pg);
		const ExecStatusType status = PQresultStatus(result);

		/* one NULL stands between results, two mean that there is nothing more */
		if (!result) {
			if (was_null)
				break;
			was_null = true;
			continue;
		}
		was_null = false;
		if (status == PGRES_FATAL_ERROR) {
			connection_note_fatal(c, result);
			log_trouble(listener, PQresultErrorMessage(result));
		} else if (status == PGRES_COMMAND_OK) {
			/* nobody has heard what came until now */
			s->heard(span_from(NULL, 0), s->ctx);
		}
		PQclear(result);
	}
	while ((notice = PQnotifies(pg)) != NULL) {
		s->heard(span_str(notice->extra), s->ctx);
		PQfreemem(notice);
	}
}

struct listener *
listener_new(struct loop *loop, const struct listener_settings *settings)
{
	static const struct connection_events events = {ready_cb, trouble_cb, input_cb};
	const struct config *config = settings->config;
	const bool has_own = config->store_listen[0] != '\0';
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		log_error("jobs: out of memory");
		return NULL;
	}
	listener->loop = loop;
	listener->settings = *settings;
	if (!has_own && config->store_prepared != PREPARED_ON)
		return listener;
	listener->conninfo = conninfo_new(has_own ? config->store_listen : config->store_database);
	if (!listener->conninfo) {
		log_error("jobs: the connection string of store.listen or store.database cannot be "
			  "used, or out of memory");
		listener_free(&listener);
		return NULL;
	}
	listener->plan = (struct setup_plan){
	    .statement_timeout_ms = config->store_statement_timeout, .is_prepared = true};
	listener->connection_settings = (struct connection_settings){
	    .conninfo = listener->conninfo,
	    .plan = &listener->plan,
	    .connect_timeout_ms = config->store_connect_timeout,
	    .held_until_ms = settings->held_until_ms,
	};
	listener->connection =
	    connection_new(loop, &listener->connection_settings, &events, listener);
	if (!listener->connection)
		listener_free(&listener);
	return listener;
}

void
listener_yield(struct listener *listener)
{
	if (listener->connection && connection_is_held(listener->connection))
		connection_yield(listener->connection);
}

void
listener_free(struct listener **listener)
{
	struct listener *l = *listener;

	if (!l)
		return;
	connection_free(&l->connection);
	conninfo_free(&l->conninfo);
	free(l);
	*listener = NULL;
}
