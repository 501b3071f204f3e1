/*
 * frame.h - WebSocket frames as the server sends them (RFC 6455 5.2: one piece, unmasked), the
 * close codes that the hub uses, and what a text message may contain. Pure.
 */
#ifndef PLAZA_HUB_FRAME_H
#define PLAZA_HUB_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
	FRAME_TEXT = 0x1,
	FRAME_BINARY = 0x2,
	FRAME_CLOSE = 0x8,
	FRAME_PING = 0x9,
};

/* RFC 6455 7.4.1, and from 4000 on our own: below 4500 a client may come back at once. */
enum close_code {
	CLOSE_GOING_AWAY = 1001, /* the daemon stops */
	CLOSE_PROTOCOL = 1002,
	CLOSE_INVALID_DATA = 1007, /* a text message that is not UTF-8 */
	CLOSE_POLICY = 1008,       /* a message to a room of the daemon's */
	CLOSE_TOO_BIG = 1009,
	CLOSE_INTERNAL = 1011, /* out of memory */
	CLOSE_RESTART = 1012,
	CLOSE_TRY_LATER = 1013, /* no room now for a message, or for the rest of it */
	CLOSE_SLOW = 4008,      /* behind by more than chat.client_queue_size */
	CLOSE_LOST = 4010,      /* the worker itself missed messages: nobody knows which */
	CLOSE_NO_PONG = 4012,   /* was pinged and stayed silent */
	CLOSE_RATE = 4013,      /* published far faster than chat.publish_rate */
	CLOSE_ABUSE = 4501      /* one mistake after the other: do not come back */
};

#define FRAME_HEAD_MAX 10

/* Size of a frame with a payload of `len` bytes. */
static inline size_t
frame_size(size_t len)
{
	return len + (len < 126 ? 2u : len < 65536 ? 4u : FRAME_HEAD_MAX);
}

/* Writes the head of a whole message; returns its length. */
size_t frame_head(unsigned char *out, enum frame_opcode opcode, size_t len);

#define FRAME_CLOSE_SIZE 4
/* A Close frame with a code and no reason. */
void frame_close(unsigned char out[FRAME_CLOSE_SIZE], unsigned code);

#define FRAME_NO_UTF8 SIZE_MAX
/*
 * How many bytes of a text are whole characters (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). Those behind them, at most three, may be the start of one; if nothing
 * can make it UTF-8 any more, FRAME_NO_UTF8.
 */
size_t frame_utf8_whole(const unsigned char *text, size_t len);

static inline bool
frame_utf8_valid(const unsigned char *text, size_t len)
{
	return frame_utf8_whole(text, len) == len;
}

#endif
