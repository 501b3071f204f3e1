/*
 * publish.h - the one way into a room, for every kind of client: what may be published, how fast,
 * and what then wakes others.
 */
#ifndef PLAZA_HUB_PUBLISH_H
#define PLAZA_HUB_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/log.h"
#include "hub/rate.h"

struct hub;

enum publish_result {
	PUBLISH_OK,      /* the receipt is filled */
	PUBLISH_DENIED,  /* a room of the daemon's: begins with _ */
	PUBLISH_TOO_BIG, /* longer than chat.max_message_size, or than the log can carry */
	PUBLISH_RATE,    /* again in *retry_ms */
	PUBLISH_BUSY,    /* the log is locked by a stopped process; again in *retry_ms */
	PUBLISH_FULL     /* no more rooms (chat.max_rooms) */
};

/*
 * `limit`: the publisher's own bucket, or NULL for one that has no limit. The room's bucket
 * (chat.room_rate) counts besides; for that one, a duplicate (message->id) costs nothing.
 */
enum publish_result hub_publish(struct hub *hub, struct rate *limit,
				const struct log_message *message, struct log_receipt *receipt,
				uint64_t *retry_ms) __attribute__((warn_unused_result));

/*
 * Into whatever room it is, unlimited by rates but for message->room_limit, and whatever its size
 * as long as the log takes it.
 */
enum publish_result hub_publish_any(struct hub *hub, const struct log_message *message,
				    struct log_receipt *receipt, uint64_t *retry_ms)
    __attribute__((warn_unused_result));

#endif
