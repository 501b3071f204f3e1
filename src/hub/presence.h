/*
 * presence.h - tells those who asked for it who comes and goes in their rooms. The truth is the
 * log's table of members; each worker compares it with what it has told last, at most once in
 * PRESENCE_INTERVAL_MS for a room, and nothing at all for rooms in which nobody listens to it.
 *
 * Seats with SEAT_DIFF get the whole list first ("all":true), then what has changed since;
 * SEAT_COUNT the number alone, and so does everybody while there are more than PICTURE_MAX. Who
 * could not take an event (its socket was full) gets the whole list again when it can: nothing is
 * queued, and a list is never silently wrong.
 */
#ifndef PLAZA_HUB_PRESENCE_H
#define PLAZA_HUB_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/loop.h"
#include "base/span.h"
#include "hub/log.h"
#include "hub/picture.h"

#define PRESENCE_INTERVAL_MS 250
/* Members on one page of presence_write_room. */
#define PRESENCE_PAGE_MAX PICTURE_MAX

struct presence;
struct room;
struct rooms;
struct seat;

/* NULL on out-of-memory, logged. `rooms` are set by presence_set_rooms. */
struct presence *presence_new(struct loop *loop, struct chat_log *log);
/* After the rooms. */
void presence_free(struct presence **presence);
void presence_set_rooms(struct presence *presence, struct rooms *rooms);

/* For rooms_options, with the presence as ctx. */
void presence_members_changed(struct room *room, void *ctx);
void presence_room_gone(struct room *room, void *ctx);

/*
 * For a seat whose `presence` has been set and which is in its room: it is told from now on, the
 * first time soon. Nothing needs to be said when it leaves. False on out-of-memory.
 */
bool presence_watch(struct presence *presence, struct seat *seat)
    __attribute__((warn_unused_result));

/*
 * Appends  "room":"r1","count":2,"pseq":7,"members":[...],"more":false  without braces: the members
 * from `offset` on, in the order in which they came, at most `limit` and PRESENCE_PAGE_MAX. Pages
 * fit together as long as `pseq` is the same. LOG_BUSY; LOG_TOO_LONG stands for out of memory.
 */
enum log_result presence_write_seat(struct presence *presence, struct seat *seat, size_t offset,
				    size_t limit, struct buffer *out)
    __attribute__((warn_unused_result));
/* The same for one that is not in the room; if there is no such room, nobody is in it. */
enum log_result presence_write_room(struct presence *presence, struct span room, size_t offset,
				    size_t limit, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
