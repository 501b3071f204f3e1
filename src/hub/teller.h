/*
 * teller.h - the daemon's own rooms for a process that has no clients: it writes into the log and
 * rings the workers, and reads nothing. Runs in: executor.
 */
#ifndef PLAZA_HUB_TELLER_H
#define PLAZA_HUB_TELLER_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/span.h"
#include "hub/counters.h"
#include "hub/log.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct hub_teller {
	struct chat_log log;
	struct segment *segment;
	const struct doorbell *bell;
	unsigned slot;
	struct chat_counters *counters;
	struct loop *loop;
	struct pass_hook hook;
	bool has_told; /* in this pass: its end rings the workers */
	uint64_t
	    busy_until_ms; /* somebody was stopped inside the log: it is not waited for again */
};

/* Adds a pass hook to the loop: `teller` lives as long as that runs. False, logged: no log. */
bool hub_teller_init(struct hub_teller *teller, struct loop *loop, struct segment *segment,
		     const struct doorbell *bell, unsigned slot);

/* As hub_tell, without an id. False: not now, and nobody will hear of it. */
bool hub_teller_tell(struct hub_teller *teller, struct span room, struct span json);

#endif
