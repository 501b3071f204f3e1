/*
 * picture.h - who is in a room at one moment, and what has changed from one such moment to another;
 * in JSON, as clients of chat.v1.json and of GET /chat/<room>/members get it. Pure.
 */
#ifndef PLAZA_HUB_PICTURE_H
#define PLAZA_HUB_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/log.h"

/* Of a room with more members there is no picture, only their number. */
#define PICTURE_MAX 200

struct picture {
	struct log_member *member; /* by conn, lowest first; NULL when n is 0 */
	size_t n;                  /* at most PICTURE_MAX */
};

/* Sorts by conn. */
void picture_sort(struct log_member *member, size_t n);
/* Becomes a copy of what is sorted. False on out-of-memory, with the picture as before. */
bool picture_assign(struct picture *picture, const struct log_member *sorted, size_t n)
    __attribute__((warn_unused_result));
void picture_fini(struct picture *picture);

/* An event `pres` of a room. */
struct picture_change {
	struct span room;
	uint64_t presence_seq;
	uint32_t count;
	/* the members before, NULL if they do not matter: the event has all of now, and says so */
	const struct picture *before;
	const struct picture *now; /* NULL: the event has their number alone */
};

/*
 * Appends {"t":"pres",...}. Who came under the conn of somebody that was there (left and joined in
 * between, with another name) is a join: it takes the other one's place. False on out-of-memory.
 */
bool picture_write_change(struct buffer *out, const struct picture_change *change)
    __attribute__((warn_unused_result));

/* Appends [{"conn":..,"name":..,"since":..},...]; no name if none was given. False as above. */
bool picture_write_members(struct buffer *out, const struct log_member *member, size_t n)
    __attribute__((warn_unused_result));

#endif
