/*
 * queue_open.c - the wiring: conninfo and lanes of one process, and the log lines of its database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/conninfo.h"
#include "pg/conninfo.h"
#include "queue/queue_private.h"

/* of the options' words */
enum { STORE_MIGRATE_OFF = 1, STORE_PREPARED_ON = 0 };

/* A claim waits for those before it, and a look at a long list takes its time. */
#define CLAIM_GROUPS_MAX 4

static void
lane_ready(struct lane *lane, void *ctx)
{
	struct queue *queue = ctx;
	char description[256];

	if (++queue->n_ready == queue->n_lanes) {
		queue->ready_ms = loop_now_ms(queue->loop);
		connection_describe(lane_connection(lane), description, sizeof(description));
		log_info("jobs: connected to %s (connections: %u)", description, queue->n_lanes);
		queue->reason[0] = '\0';
	}
	if (queue->on_change)
		queue->on_change(queue->ctx);
}

static void
lane_trouble(struct lane *lane, const struct connection_trouble *trouble, void *ctx)
{
	struct queue *queue = ctx;
	const unsigned long long retry_ms = trouble->retry_ms;

	(void)lane;
	watermarks_forget(queue->watermarks);
	if (trouble->was_ready) {
		queue->n_ready--;
		if (queue->on_change)
			queue->on_change(queue->ctx);
	}
	/* every lane has the same trouble, and has it again at each attempt */
	if (strncmp(queue->reason, trouble->reason, sizeof(queue->reason) - 1) == 0)
		return;
	snprintf(queue->reason, sizeof(queue->reason), "%s", trouble->reason);
	if (trouble->waits)
		log_warning("jobs: %s; retrying in %llu ms", trouble->reason, retry_ms);
	else if (trouble->schema)
		log_error("jobs: %s; retrying in %llu ms", trouble->reason, retry_ms);
	else if (trouble->was_ready)
		log_warning("jobs: lost %s: %s, retrying in %llu ms", queue->masked,
			    trouble->reason, retry_ms);
	else
		log_warning("jobs: cannot connect to %s: %s, retrying in %llu ms", queue->masked,
			    trouble->reason, retry_ms);
}

static bool
open_lanes(struct queue *queue, const struct queue_settings *s)
{
	static const struct lane_events events = {lane_ready, lane_trouble};
	const struct config *config = s->config;
	struct lane_settings settings = {
	    .connection =
		{
		    .conninfo = queue->conninfo,
		    .plan = &queue->plan,
		    .connect_timeout_ms = config->store_connect_timeout,
		    .held_until_ms = s->held_until_ms,
		},
	    .queue_timeout_ms = config->store_queue_timeout,
	    .statement_timeout_ms = config->store_statement_timeout,
	};

	for (unsigned i = 0; i < queue->n_lanes; i++) {
		backlog_init(&queue->backlog[i], s->limit ? s->limit : config->store_queue_limit,
			     loop_now_ms(queue->loop));
		settings.backlog = &queue->backlog[i];
		settings.groups_max = i ? CLAIM_GROUPS_MAX : LANE_GROUPS_MAX;
		queue->lane[i] = lane_new(queue->loop, &settings, &events, queue);
		if (!queue->lane[i])
			return false;
	}
	for (unsigned i = 0; i < queue->n_lanes; i++)
		lane_set_others(queue->lane[i], queue->lane, queue->n_lanes);
	queue->change = queue->lane[0];
	queue->claim = queue->lane[queue->n_lanes > 1 ? 1 : 0];
	queue->read = queue->lane[queue->n_lanes - 1];
	return true;
}

static bool
open_database(struct queue *queue, const struct queue_settings *settings)
{
	const struct config *config = settings->config;

	queue->watermarks = watermarks_new();
	queue->schema = jobs_schema_new(config->store_schema);
	if (!queue->watermarks || !queue->schema || !(queue->sql = queue_sql_new(queue->schema)))
		return false;
	queue->schema->steps.look_only = config->store_migrate == STORE_MIGRATE_OFF;
	queue->masked = config_mask_conninfo(config->store_database);
	queue->conninfo = conninfo_new(config->store_database);
	if (!queue->masked || !queue->conninfo) {
		log_error("jobs: store.database cannot be used: not a libpq connection string, or "
			  "out of memory");
		return false;
	}
	queue->plan = (struct setup_plan){
	    .steps = &queue->schema->steps,
	    .statements = queue->sql->statement,
	    .n_statements = QUEUE_STATEMENTS,
	    .statement_timeout_ms = config->store_statement_timeout,
	    .is_prepared = config->store_prepared == STORE_PREPARED_ON,
	};
	return open_lanes(queue, settings);
}

struct queue *
queue_new(struct loop *loop, const struct queue_settings *settings)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue) {
		log_error("jobs: out of memory");
		return NULL;
	}
	queue->loop = loop;
	queue->config = settings->config;
	queue->on_change = settings->on_change;
	queue->ctx = settings->ctx;
	queue->n_lanes = settings->lanes < 1             ? 1
			 : settings->lanes > QUEUE_LANES ? QUEUE_LANES
							 : settings->lanes;
	if (!open_database(queue, settings)) {
		log_error("jobs: the queue cannot be opened");
		queue_free(&queue);
	}
	return queue;
}

void
queue_free(struct queue **queue)
{
	struct queue *q = *queue;

	if (!q)
		return;
	/* answers come, and may ask for more: to lanes that are there */
	q->on_change = NULL;
	for (unsigned i = 0; i < QUEUE_LANES; i++)
		lane_free(&q->lane[i]);
	watermarks_free(&q->watermarks);
	conninfo_free(&q->conninfo);
	queue_sql_free(&q->sql);
	jobs_schema_free(&q->schema);
	free(q->masked);
	free(q);
	*queue = NULL;
}

bool
queue_is_ready(const struct queue *queue)
{
	return queue->n_ready == queue->n_lanes;
}

bool
queue_is_usable(const struct queue *queue)
{
	return queue->n_ready > 0;
}
