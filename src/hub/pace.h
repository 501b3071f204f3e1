/*
 * pace.h - whether publishers have to wait for a worker that is slow to read the log.
 *
 * A room overwrites what a reader has not read, and its plain clients there would have to be
 * closed. A worker that is far behind but comes forward is busy: those who publish are read from
 * more slowly until it has caught up. One that does not come forward at all (stopped,
 * dead) is not waited for. Clients that lag are not waited for either: see room.h.
 */
#ifndef PLAZA_HUB_PACE_H
#define PLAZA_HUB_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/log.h"

struct pace {
	struct chat_log *log;
	uint64_t checked[CHAT_LOG_SHARDS]; /* what was written when readers were last looked at */
	struct {
		uint64_t pos;
		uint64_t since_ms; /* it has been there */
	} seen[CHAT_LOG_READERS][CHAT_LOG_SHARDS];
};

void pace_init(struct pace *pace, struct chat_log *log);

/*
 * After publishing: true when a worker is behind by more than half of what a room may have. Cheap:
 * looks at readers only once per sixteenth of that.
 */
bool pace_must_hold(struct pace *pace, uint64_t now_ms);

/* While holding: true until all that are waited for are behind by less than a quarter. */
bool pace_still_holds(struct pace *pace, uint64_t now_ms);

#endif
