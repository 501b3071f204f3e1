/*
 * feed.h - the change feed of one worker: it looks after the seat of the holder, and as the holder
 * it moves the horizon (feed_horizon.h), publishes what is decided into the room, prunes what is
 * old and has the index for search built. Runs in: worker.
 *
 * Every worker has one. The holder has a connection of its own, which it keeps beside the lanes. It
 * looks when a worker of this host has written (feed_wake), when PostgreSQL notifies it of others,
 * and once a second. A change is in the room when every later snapshot sees it.
 */
#ifndef PLAZA_STORE_FEED_H
#define PLAZA_STORE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "pg/conninfo.h"
#include "proc/doorbell.h"
#include "proc/segment.h"
#include "store/feed_shared.h"
#include "store/schema.h"

#define FEED_CHANNEL "plaza_products"
/* A change as JSON text: two numbers of 20 digits, one of 19, a word. */
#define FEED_CHANGE_SIZE 128
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

struct feed;

/*
 * Takes the seat, when it is free, from the loop. `settings` is copied; what it points to must live
 * as long. Adds hooks to the loop, which must not run any more after feed_free. NULL on
 * out-of-memory, logged.
 */
struct feed *feed_new(struct loop *loop, const struct feed_settings *settings);
void feed_free(struct feed **feed);

/* Gives the seat up for good: this worker is leaving. */
void feed_yield(struct feed *feed);

/* After each write that may have been committed. `feed` may be NULL. */
void feed_wake(struct feed *feed);

/* How far the feed of this host has come. False: nobody knows yet. */
bool feed_place(const struct feed *feed, struct feed_place *place);

/* Whether the index for ?q= is known to be valid. */
bool feed_search_is_ready(const struct feed *feed);

/*
 * {"seq":5,"op":"insert","id":7,"version":12}; `op` as of the log, I U D or T; id and version may
 * be empty, then they are null. Returns the length.
 */
size_t feed_write_change(char out[FEED_CHANGE_SIZE], struct span seq, char op, struct span id,
			 struct span version);

#endif
