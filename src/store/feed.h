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

#include "base/loop.h"
#include "store/feed_change.h"
#include "store/feed_settings.h"
#include "store/feed_shared.h"

struct feed;

/*
 * Takes the seat, when it is free, from the loop. `settings` is copied; what it points to must live
 * as long. Adds hooks to the loop, which must not run any more after feed_free. NULL on
 * out-of-memory, logged.
 */
struct feed *feed_new(struct loop *loop, const struct feed_settings *settings);
void feed_free(struct feed **feed);

/*
 * The seat is not for this worker at present; it gives it up if it has it. Not from inside of the
 * room's calls.
 */
void feed_hold_off(struct feed *feed, bool is_held_off);

/* Gives the seat up for good: this worker is leaving. */
void feed_yield(struct feed *feed);

/* After each write that may have been committed. `feed` may be NULL. */
void feed_wake(struct feed *feed);

/* How far the feed of this host has come. False: nobody knows yet. */
bool feed_place(const struct feed *feed, struct feed_place *place);

/* Whether the index for ?q= is known to be valid. */
bool feed_search_is_ready(const struct feed *feed);

#endif
