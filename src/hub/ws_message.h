/*
 * ws_message.h - a message of a client put together out of its fragments (RFC 6455 5.4), unpacked
 * (RFC 7692), and known to be UTF-8 if it is text (8.1). Knows no sockets, and no library.
 */
#ifndef PLAZA_HUB_WS_MESSAGE_H
#define PLAZA_HUB_WS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"

/* What is on its way of one connection; all zeros at first. */
struct ws_message {
	struct buffer bytes; /* what came of a message that is not whole yet */
	size_t checked;      /* of that, when it is text: is UTF-8 */
	unsigned fragments;
	bool is_deflated;
	bool in_frame; /* more of the same frame will come */
};

/* For all connections of a worker, one after the other; all zeros, and `max`, at first. */
struct ws_unpacker {
	size_t max;                /* bytes of a message */
	struct inflater *inflater; /* NULL before the first compressed message */
	struct buffer unpacked;    /* the message that is being delivered */
	size_t n_unpacked;         /* bytes so far; whoever counts begins with 0 */
};

/* Some bytes of a frame. */
struct ws_fragment {
	const unsigned char *data;
	size_t len;
	size_t expected; /* bytes of the same frame that are still to come */
	bool is_first;   /* of the message's first frame */
	bool is_last;    /* the message ends with these bytes */
	bool is_binary;
	bool has_rsv1;
};

/*
 * What it makes of the message: 0, or the code to close with, as soon as it cannot become right any
 * more. *is_whole: `whole` is the message, until ws_message_done.
 */
unsigned ws_message_add(struct ws_message *m, struct ws_unpacker *u, const struct ws_fragment *f,
			bool *is_whole, struct span *whole) __attribute__((warn_unused_result));
/* After ws_message_add in any case; what is not whole stays. */
void ws_message_done(struct ws_message *m, struct ws_unpacker *u, bool is_whole);

void ws_message_fini(struct ws_message *m);
void ws_unpacker_fini(struct ws_unpacker *u);

#endif
