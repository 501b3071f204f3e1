/*
 * history.h - a page of what was said in a room, as JSON: for the command `history` and for
 * GET /chat/<room>/history.
 */
#ifndef PLAZA_HUB_HISTORY_H
#define PLAZA_HUB_HISTORY_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/log.h"

#define HISTORY_LIMIT     50  /* messages of a page if nobody says */
#define HISTORY_LIMIT_MAX 200 /* and at most */
/* Of a page's JSON; a single message may be longer, and is a page of its own then. */
#define HISTORY_BYTES_MAX ((size_t)256 * 1024)

enum history_from {
	HISTORY_NEWEST, /* the newest messages */
	HISTORY_BEFORE, /* the newest of those before `seq` */
	HISTORY_AFTER   /* the oldest of those after `seq` */
};
struct history_wish {
	enum history_from from;
	uint64_t seq;
	uint64_t limit; /* 1 to HISTORY_LIMIT_MAX */
};

/* What is kept for those who ask: chat.history_messages, chat.history_age. */
struct history_bounds {
	uint64_t messages;
	uint64_t age_ms;
};

/*
 * Appends  "room":"r1","epoch":"9f2c61d0","first":543,"msgs":[...],"more":true  without braces, the
 * messages with rising seq. `first` is the oldest that may be had, 0 if there is no such room;
 * `more` says whether there are older ones (for AFTER: newer ones) than those on the page.
 * LOG_BUSY: what was to be read is overwritten all the time. LOG_TOO_LONG stands for out of memory.
 * `out` is as before then.
 */
enum log_result history_write(struct chat_log *log, const struct history_bounds *bounds,
			      struct span room, const struct history_wish *wish, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
