/*
 * backlog.h - how many requests of this process may wait for a lane, or for several that share one,
 * and how long a client that is turned away had better wait. Pure: the caller brings the time.
 */
#ifndef PLAZA_PG_BACKLOG_H
#define PLAZA_PG_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog {
	size_t limit;
	size_t waiting;
	uint64_t window_began_ms;
	size_t sent_in_window; /* since window_began_ms */
	double sent_per_s;     /* of the window before; 0 while nothing is known */
};

void backlog_init(struct backlog *backlog, size_t limit, uint64_t now_ms);

static inline bool
backlog_is_full(const struct backlog *backlog)
{
	return backlog->waiting >= backlog->limit;
}

/* One more waits. False when the limit is reached. */
bool backlog_enter(struct backlog *backlog, uint64_t now_ms) __attribute__((warn_unused_result));
/* One that was let in before waits again, limit or not. */
void backlog_return(struct backlog *backlog);
/* One has left: `sent` to the database, or given up. */
void backlog_leave(struct backlog *backlog, bool sent, uint64_t now_ms);

/*
 * Retry-After in seconds, 1 to 60: the time that what waits now will take at the measured rate.
 * When nothing has moved lately, `stuck_s`.
 */
unsigned backlog_retry_after_s(struct backlog *backlog, unsigned stuck_s, uint64_t now_ms);

#endif
