/*
 * wire.h - a message of the log in the bytes that each kind of listener gets. Pure. What goes out
 * is written once for all listeners of a kind, not once for each.
 */
#ifndef PLAZA_HUB_WIRE_H
#define PLAZA_HUB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/log.h"

enum wire {
	WIRE_PLAIN,         /* a WebSocket frame with the payload alone */
	WIRE_JSON,          /* a WebSocket frame with an event of chat.v1.json */
	WIRE_PLAIN_DEFLATE, /* the same two, compressed (RFC 7692) when that is worth it */
	WIRE_JSON_DEFLATE,
	WIRE_EVENTS, /* an event of text/event-stream */
	WIRES
};

/* What is needed to compress; one per worker. Each message gets a fresh context. */
struct wire_deflate;
/* `min`: shorter payloads go as they are. NULL on out-of-memory, logged. */
struct wire_deflate *wire_deflate_new(size_t min);
void wire_deflate_free(struct wire_deflate **deflate);

struct wire_message {
	struct span room;
	uint64_t epoch;
	const struct log_record *record;
	const unsigned char *payload; /* record->len bytes */
	bool is_replay;               /* "r":1 */
};

/*
 * Appends it to `out`, in one piece. False on out-of-memory, with `out` as before. `deflate` may be
 * NULL for what is not compressed.
 */
bool wire_message(struct buffer *out, enum wire wire, const struct wire_message *message,
		  struct wire_deflate *deflate) __attribute__((warn_unused_result));

/* The object of an event `msg` alone, as history has it; not framed. */
bool wire_json(struct buffer *out, const struct wire_message *message)
    __attribute__((warn_unused_result));

enum gap_why { GAP_SLOW, GAP_TRIMMED, GAP_LAG, GAP_EPOCH };

struct wire_gap {
	struct span room;
	uint64_t epoch;
	uint64_t from, to;
	enum gap_why why;
};
/* A gap, for the wires that can say so; nothing for the plain ones. */
bool wire_gap(struct buffer *out, enum wire wire, const struct wire_gap *gap)
    __attribute__((warn_unused_result));

/* A text frame, or an event with `name`, around JSON that somebody else wrote; not for plain. */
bool wire_event(struct buffer *out, enum wire wire, const char *name, struct span json)
    __attribute__((warn_unused_result));

/* {"key":"value" pieces: a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
bool wire_string(struct buffer *out, struct span text) __attribute__((warn_unused_result));

/* A connection's number as clients see it, and an epoch's; lower-case hexadecimal, terminated. */
#define WIRE_NUMBER_SIZE 17
const char *wire_number(char out[WIRE_NUMBER_SIZE], uint64_t number);

#endif
