/*
 * feed_settings.h - what the change feed of a worker is given.
 */
#ifndef PLAZA_STORE_FEED_SETTINGS_H
#define PLAZA_STORE_FEED_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "pg/conninfo.h"
#include "proc/doorbell.h"
#include "proc/segment.h"
#include "store/schema.h"

#define FEED_CHANNEL "plaza_products"
/* A good pace_ms. */
#define FEED_PACE_MS 10
/* How long after its death the holder is missed at the most. */
#define FEED_TEND_MS 250

/* Where changes go. Called from the loop, by the holder alone. */
struct feed_room {
	/* Once for each id. False: not now; the same change comes again a little later. */
	bool (*tell)(struct span id, struct span json, void *ctx);
	/* The id of the newest that is there; its length, 0 when there is none. */
	size_t (*last_id)(char *id, size_t size, void *ctx);
	void *ctx;
};

struct feed_settings {
	const struct conninfo *conninfo;
	const struct store_schema *schema;
	bool is_direct; /* no pooler in between: LISTEN works */
	uint64_t connect_timeout_ms, statement_timeout_ms;
	uint64_t pace_ms; /* between two looks: one serves all writes of that time */
	uint64_t change_retention_ms, key_retention_ms;
	struct segment *segment;
	const struct doorbell *bell;
	unsigned slot;
	struct feed_room room;
};

#endif
