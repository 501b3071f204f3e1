/*
 * rfc6455.h - cases of RFC 6455 as tables: what a client sends, what has to come back. Each case
 * runs through /echo and through a room, and the bytes go out frame by frame, all at once and one
 * by one.
 *
 * The ids are those of the groups of the Autobahn test suite, and of its cases where there is one:
 * 1 lengths, 2 pings, 3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 Closes, 9 limits, 12 and
 * 13 compression.
 */
#ifndef PLAZA_TESTS_IT_RFC6455_H
#define PLAZA_TESTS_IT_RFC6455_H

#include <stddef.h>
#include <stdint.h>

#include "ws_client.h"

#define FIN  0x80
#define RSV1 0x40
#define RSV2 0x20
#define RSV3 0x10
/* For the first byte of a frame to send. */
#define RFC_RAW     0x100 /* no frame: the bytes as they are */
#define RFC_DEFLATE 0x200 /* the payload is to be compressed */

struct rfc_frame {
	unsigned first; /* the first byte of the frame; 0 with no data: the end of the list */
	const char *data;
	size_t len;
	size_t times; /* so often; 0 is once */
};
#define RFC_FRAME(first, text)                   \
	{                                        \
		first, text, sizeof(text) - 1, 0 \
	}
#define RFC_LONG(first, text, times_)                 \
	{                                             \
		first, text, sizeof(text) - 1, times_ \
	}

#define RFC_FRAMES 10

/* How its bytes may go out. */
#define RFC_APART   1u /* frame by frame, and each ping waits for its pong */
#define RFC_AT_ONCE 2u
#define RFC_BYTES   4u /* one by one; only when they are few */
#define RFC_ALL     (RFC_APART | RFC_AT_ONCE | RFC_BYTES)

struct rfc_case {
	const char *id;
	const char *what;
	unsigned ways; /* 0: all */
	unsigned code; /* of the Close that it ends with, 1005 without one; 0: it stays open */
	struct rfc_frame send[RFC_FRAMES];
	/* messages, in this order, and pongs, in theirs; before a Close for a mistake they may lack
	 */
	struct rfc_frame expect[RFC_FRAMES];
};

struct rfc_client {
	uint16_t port;
	const char *fields;     /* further lines of the handshake, or NULL */
	const char *extensions; /* the answer has to have, or NULL */
	/* Makes payloads compressed, and what comes with RSV1 plain; the caller frees. */
	char *(*pack)(const char *data, size_t len, size_t *packed_len);
	char *(*unpack)(const char *data, size_t len, size_t *plain_len);
};

/* Fails the test with id, path and way. */
void rfc_run(const struct rfc_client *client, const struct rfc_case *cases, size_t n);

#endif
