/*
 * store.h - the product store of one worker: /api/products on PostgreSQL lanes.
 */
#ifndef PLAZA_STORE_STORE_H
#define PLAZA_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/config.h"
#include "http/route.h"
#include "store/feed.h"

struct store;

/*
 * In a worker, with 1 to 3 lanes. Without store.database it answers 503 and opens nothing.
 * Connects in the background. NULL on out-of-memory, logged.
 */
struct store *store_new(struct loop *loop, const struct config *config, unsigned lanes);

/* Answers whatever still waits with 503 and closes the connections. */
void store_free(struct store **store);

/* Whether it can serve at present: a lane is connected, or there is no store.database to serve. */
bool store_is_usable(const struct store *store);

void store_add_routes(struct store *store, struct route_table *routes);

/* What this worker shares with the others of its host, and where the feed tells of changes. */
struct store_host {
	struct segment *segment;
	const struct doorbell *bell;
	unsigned slot;
	struct feed_room room;
	/*
	 * Raised by a worker that finds no connection left at the server, and has none: until then,
	 * by clock_monotonic_ms, others leave theirs to it.
	 */
	_Atomic uint64_t *scarce_until_ms;
};

/* Without it the changes of products are not served. False on failure, logged. */
bool store_start_feed(struct store *store, const struct config *config,
		      const struct store_host *host);
/* This worker is leaving: another one is to hold the feed. */
void store_leave_feed(struct store *store);

#endif
