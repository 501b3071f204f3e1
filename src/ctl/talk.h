/*
 * talk.h - one client in one room by chat.v1.json, over as many connections as that takes: what it
 * sends, and what it makes of what comes. Does no input or output but through its view.
 *
 * The URL's room is joined by the server when a connection begins; it is left and joined again, as
 * one that has a name, a wish for presence and a position. Lines are published one at a time, so
 * that they stay in order whatever happens, each under an id of its own (cid), so that one sent
 * again after a loss acts once.
 */
#ifndef PLAZA_CTL_TALK_H
#define PLAZA_CTL_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "ctl/queue.h"
#include "ctl/talk_show.h"

enum talk_state {
	TALK_AWAY,    /* there is no connection */
	TALK_COMING,  /* the welcome has not come */
	TALK_JOINING, /* the answer to the join has not come */
	TALK_IN       /* in the room */
};

struct talk {
	/* set before anything else */
	struct talk_view view;
	const char *name; /* or NULL */
	unsigned last;    /* so many messages of before first */
	bool wants_presence;
	/* to look at */
	enum talk_state state;
	struct queue lines; /* to be published; the first may be on its way */
	bool is_quitting;   /* /quit */
	char failed[256];   /* it cannot go on: why; else empty */
	uint64_t refused;   /* lines that the server does not take */
	uint64_t progress_ms;
	/* its own */
	struct queue commands; /* ready to be sent */
	char room[65];
	bool was_in;       /* once at least */
	bool has_position; /* what comes after epoch and seq is wanted */
	char epoch[33];
	int64_t seq;
	int64_t oldest; /* what came before it has not been shown; 0: unknown */
	char own_epoch[33];
	int64_t own_seq; /* of the last line that was acknowledged */
	uint64_t cid_prefix, cid;
	bool is_publishing; /* the first of the lines is on its way */
	uint32_t id, join_id, pub_id, who_id, history_id;
	uint64_t hold_ms; /* nothing is published before */
	uint64_t join_ms; /* when to join (again); 0: not at all */
	size_t max;       /* of a message, as the server says */
	uint64_t ping_ms; /* of silence, then we ask */
	uint64_t heard_ms, pinged_ms;
	uint64_t came_ms; /* when the welcome came */
	uint64_t retry_base_ms, retry_max_ms;
	uint64_t spread_ms[2]; /* a notice's window; 0, 0: none */
	unsigned tries;
};

void talk_init(struct talk *talk, uint64_t random);
void talk_fini(struct talk *talk);

/* A connection is there. */
void talk_begin(struct talk *talk, uint64_t now_ms);
/* It is gone. Returns in how many milliseconds to try again; `random` spreads that. */
uint64_t talk_lost(struct talk *talk, uint64_t now_ms, uint32_t random);

/* A message came. */
void talk_receive(struct talk *talk, uint64_t now_ms, struct span text, bool is_binary);
/*
 * A line of the input: a message, or on a terminal a command when it begins with a slash. False
 * when memory ran out.
 */
bool talk_line(struct talk *talk, struct span line) __attribute__((warn_unused_result));

/* Time passes; false when the server has been silent for too long. */
bool talk_tick(struct talk *talk, uint64_t now_ms);
/* When talk_tick and talk_next are to be called again at the latest. */
uint64_t talk_wait_ms(const struct talk *talk, uint64_t now_ms);

/* Whether there is something to send; then its text into `out`, which is emptied first. */
bool talk_has_next(const struct talk *talk, uint64_t now_ms);
bool talk_next(struct talk *talk, uint64_t now_ms, struct buffer *out);

/* Whether every line is acknowledged and has come back, as far as it will. */
bool talk_is_idle(const struct talk *talk);

#endif
