/*
 * log_space.h - who gets how much of a shard's pool. With the shard's lock.
 */
#ifndef PLAZA_HUB_LOG_SPACE_H
#define PLAZA_HUB_LOG_SPACE_H

#include "hub/log_area.h"

/*
 * Makes a place for `need` bytes at the room's tail: its ring grows, or its oldest records go. When
 * the pool is used up, it gets what rooms have that nobody was in or published to for
 * LOG_STALE_MS; then half of the largest ring, if that leaves its owner as much as it takes. If
 * there is still no place for as much as this one record, other rooms without members go, then the
 * messages of rooms with members. False when that was not enough, either, which cannot be.
 */
#define LOG_STALE_MS (60 * 60 * 1000)
bool log_space_make(struct chat_log_area *area, unsigned shard, uint32_t number, uint64_t need,
		    uint64_t now_ms);

/* After a death, when everything else is made anew: brings home the ring that was left half way. */
void log_space_rebuild(struct chat_log_area *area, unsigned shard);

#endif
