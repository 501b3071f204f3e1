/*
 * store.c - the wiring: conninfo, lanes and routes of one worker, and the log lines of its
 * database: one when it is there, one when it is lost, one when the reason changes.
 */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/conninfo.h"
#include "pg/backlog.h"
#include "pg/conninfo.h"
#include "pg/lane.h"
#include "store/products.h"
#include "store/products_http.h"
#include "store/schema.h"

/* One for reads by id, one for writes, one for lists, so that none waits behind the others. */
#define STORE_LANES 3

/* Longer than a lane waits between two attempts: what others have given up is there for it. */
#define SCARCE_MS 10000

/* of the option's words */
enum { STORE_PREPARED_ON };

struct store {
	struct loop *loop;
	uint64_t connections; /* store.connections, for an error text */
	char *masked;         /* the conninfo without its password */
	struct conninfo *conninfo;
	struct conninfo *listen; /* of the feed, when it has its own */
	struct product_sql *sql;
	struct store_schema *schema;
	struct setup_plan plan;
	unsigned n_lanes;
	/* of each lane: lists that wait shall not take the place of reads and writes */
	struct backlog backlog[STORE_LANES];
	struct lane *lane[STORE_LANES];
	struct products products;
	struct feed *feed;
	bool feed_waits; /* for a lane: they share what connections there are */
	unsigned n_ready;
	_Atomic uint64_t *scarce_until_ms; /* see struct store_host */
	char reason[600]; /* of the trouble that was logged last; empty while all is well */
};

/*
 * Where the server has few connections left, the feed must not have the one without which nobody is
 * served; and another worker that has one may do better as its holder.
 */
static void
hold_feed_off(struct store *store)
{
	if (store->feed && store->feed_waits)
		feed_hold_off(store->feed, store->n_ready == 0);
}

static void
lane_ready(struct lane *lane, void *ctx)
{
	struct store *store = ctx;
	char description[256];

	store->n_ready++;
	hold_feed_off(store);
	/* once for all lanes: they go to the same place */
	if (store->n_ready < store->n_lanes)
		return;
	connection_describe(lane_connection(lane), description, sizeof(description));
	log_info("store: connected to %s (connections: %u)", description, store->n_lanes);
	store->reason[0] = '\0';
}

static void
lane_trouble(struct lane *lane, const struct connection_trouble *trouble, void *ctx)
{
	struct store *store = ctx;

	(void)lane;
	if (trouble->was_ready) {
		store->n_ready--;
		hold_feed_off(store);
	}
	const bool is_scarce = strcmp(trouble->sqlstate, "53300") == 0;
	if (is_scarce && store->n_ready == 0 && store->scarce_until_ms)
		atomic_store_explicit(store->scarce_until_ms, loop_now_ms(store->loop) + SCARCE_MS,
				      memory_order_relaxed);
	/* every lane has the same trouble, and has it again at each attempt */
	if (strncmp(store->reason, trouble->reason, sizeof(store->reason) - 1) == 0)
		return;
	snprintf(store->reason, sizeof(store->reason), "%s", trouble->reason);
	unsigned long long retry_ms = trouble->retry_ms;
	if (trouble->waits)
		log_warning("store: %s; retrying in %llu ms", trouble->reason, retry_ms);
	else if (trouble->schema)
		log_error("store: %s; retrying in %llu ms", trouble->reason, retry_ms);
	else if (is_scarce)
		log_error("store: cannot connect to %s: %s; the server has no connection left: "
			  "lower store.connections (%llu) or raise its max_connections; until then "
			  "fewer connections serve, if there are any; retrying in %llu ms",
			  store->masked, trouble->reason, (unsigned long long)store->connections,
			  retry_ms);
	else if (trouble->was_ready)
		log_warning("store: lost %s: %s, retrying in %llu ms", store->masked,
			    trouble->reason, retry_ms);
	else
		log_warning("store: cannot connect to %s: %s, retrying in %llu ms", store->masked,
			    trouble->reason, retry_ms);
}

static bool
open_lanes(struct store *store, const struct config *config)
{
	static const struct lane_events events = {lane_ready, lane_trouble};
	struct lane_settings settings = {
	    .connection =
		{
		    .conninfo = store->conninfo,
		    .plan = &store->plan,
		    .connect_timeout_ms = config->store_connect_timeout,
		},
	    .queue_timeout_ms = config->store_queue_timeout,
	    .statement_timeout_ms = config->store_statement_timeout,
	};

	for (unsigned i = 0; i < store->n_lanes; i++) {
		backlog_init(&store->backlog[i], config->store_queue_limit,
			     loop_now_ms(store->loop));
		settings.backlog = &store->backlog[i];
		/* so many that the server need not wait for us; the rest had better wait here */
		settings.groups_max = i == 2 ? 3 : LANE_GROUPS_MAX;
		store->lane[i] = lane_new(store->loop, &settings, &events, store);
		if (!store->lane[i])
			return false;
	}
	/* a server that is short of connections may have one for some of them only */
	for (unsigned i = 0; i < store->n_lanes; i++)
		lane_set_others(store->lane[i], store->lane, store->n_lanes);
	/* with fewer lanes, lists share with reads, then all share one */
	store->products = (struct products){
	    .loop = store->loop,
	    .sql = store->sql,
	    .requires_match = config->store_require_match,
	    .read = store->lane[0],
	    .write = store->lane[store->n_lanes > 1 ? 1 : 0],
	    .slow = store->lane[store->n_lanes > 2 ? 2 : 0],
	};
	return true;
}

static bool
open_database(struct store *store, const struct config *config, unsigned lanes)
{
	store->sql = product_sql_new(config->store_schema);
	store->schema = store_schema_new(config->store_schema);
	if (!store->sql || !store->schema)
		return false;
	store->schema->steps.look_only = config->store_migrate == STORE_MIGRATE_OFF;
	store->masked = config_mask_conninfo(config->store_database);
	store->conninfo = conninfo_new(config->store_database);
	if (!store->masked || !store->conninfo) {
		log_error("store: store.database cannot be used: not a libpq connection string, or "
			  "out of memory");
		return false;
	}
	store->connections = config->store_connections;
	store->n_lanes = lanes < 1 ? 1 : lanes > STORE_LANES ? STORE_LANES : lanes;
	store->plan = (struct setup_plan){
	    .steps = &store->schema->steps,
	    .statements = store->sql->statement,
	    .n_statements = PRODUCT_STATEMENTS,
	    .statement_timeout_ms = config->store_statement_timeout,
	    .is_prepared = config->store_prepared == STORE_PREPARED_ON,
	};
	return open_lanes(store, config);
}

struct store *
store_new(struct loop *loop, const struct config *config, unsigned lanes)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store) {
		log_error("store: out of memory");
		return NULL;
	}
	store->loop = loop;
	if (config->store_database[0] && !open_database(store, config, lanes))
		store_free(&store);
	return store;
}

void
store_free(struct store **store)
{
	struct store *s = *store;

	if (!s)
		return;
	for (unsigned i = 0; i < STORE_LANES; i++)
		lane_free(&s->lane[i]);
	feed_free(&s->feed);
	conninfo_free(&s->conninfo);
	conninfo_free(&s->listen);
	product_sql_free(&s->sql);
	store_schema_free(&s->schema);
	free(s->masked);
	free(s);
	*store = NULL;
}

bool
store_is_usable(const struct store *store)
{
	return store->n_lanes == 0 || store->n_ready > 0;
}

void
store_add_routes(struct store *store, struct route_table *routes)
{
	products_add_routes(store->n_lanes ? &store->products : NULL, routes);
}

static bool
search_ready(void *ctx)
{
	return feed_search_is_ready(ctx);
}

bool
store_start_feed(struct store *store, const struct config *config, const struct store_host *host)
{
	const bool has_own = config->store_listen[0] != '\0';

	if (store->n_lanes == 0)
		return true;
	if (has_own && !(store->listen = conninfo_new(config->store_listen))) {
		log_error("store: store.listen cannot be used: not a libpq connection string, or "
			  "out of memory");
		return false;
	}
	const struct feed_settings settings = {
	    .conninfo = has_own ? store->listen : store->conninfo,
	    .schema = store->schema,
	    .is_direct = has_own || store->plan.is_prepared,
	    .connect_timeout_ms = config->store_connect_timeout,
	    .statement_timeout_ms = config->store_statement_timeout,
	    .pace_ms = FEED_PACE_MS,
	    .change_retention_ms = config->store_change_retention,
	    .key_retention_ms = config->store_idempotency_retention,
	    .segment = host->segment,
	    .bell = host->bell,
	    .slot = host->slot,
	    .room = host->room,
	};
	store->scarce_until_ms = host->scarce_until_ms;
	store->products.feed = store->feed = feed_new(store->loop, &settings);
	store->feed_waits = !has_own;
	hold_feed_off(store);
	store->products.search_ready = search_ready;
	store->products.search_ctx = store->feed;
	return store->feed != NULL;
}

void
store_leave_feed(struct store *store)
{
	if (store->feed)
		feed_yield(store->feed);
}
