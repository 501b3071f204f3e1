/*
 * feed_private.h - the holder of the feed, for the files it is made of: feed.c has the seat and the
 * bells, feed_steps.c the statements and when each is due, feed_room.c what comes of their answers.
 */
#ifndef PLAZA_STORE_FEED_PRIVATE_H
#define PLAZA_STORE_FEED_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/span.h"
#include "pg/connect.h"
#include "pg/setup.h"
#include "store/feed_horizon.h"
#include "store/feed_settings.h"
#include "store/feed_shared.h"
#include "store/search_index.h"

/* What nobody told us of is found by then. */
#define FEED_POLL_MS 1000
/* After an error of the server. */
#define FEED_ERROR_MS 500
/* Of one statement. */
#define FEED_READ_ROWS 500

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

struct feed {
	struct loop *loop;
	struct feed_settings settings;
	struct setup_plan plan;
	struct connection_settings connection_settings;
	struct feed_shared *shared;
	char *sql[STEPS];
	int32_t pid;
	bool is_over;     /* feed_yield */
	bool is_held_off; /* feed_hold_off */

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

/* ---- feed_steps.c ---- */

/* False: out of memory. */
bool feed_steps_init(struct feed *feed);
void feed_steps_fini(struct feed *feed);

/* The step that has been due for the longest, or a timer for the next one. */
void feed_advance(struct feed *feed);

/* Of the holder's connection; `ctx` is the feed. */
extern const struct connection_events feed_connection_events;

/* ---- feed_room.c ---- */

/* Goes on where the holder before was. */
void feed_room_open(struct feed *feed);

/* The room is told that it goes on in another era. False: not now, at read_at_ms. */
bool feed_tell_reset(struct feed *feed);

void feed_take_look(struct feed *feed, const PGresult *result);
void feed_take_changes(struct feed *feed, const PGresult *result);

/* ---- results ---- */

static inline struct span
feed_cell(const PGresult *result, int row, int column)
{
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static inline uint64_t
feed_number(const PGresult *result, int row, int column)
{
	return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

#endif
