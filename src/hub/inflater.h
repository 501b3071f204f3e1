/*
 * inflater.h - compressed messages of clients (RFC 7692 7.2.2) made whole again. Each is compressed
 * by itself (client_no_context_takeover), so one inflater serves all connections of a worker, and
 * none of them keeps anything.
 */
#ifndef PLAZA_HUB_INFLATER_H
#define PLAZA_HUB_INFLATER_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"

struct inflater;

/* No memory of zlib's before the first message; some 40 KiB from then on. NULL on out-of-memory. */
struct inflater *inflater_new(void);
void inflater_free(struct inflater **inflater);

enum inflater_result {
	INFLATER_OK,
	INFLATER_TOO_BIG, /* more than `max` bytes; no more than that were made */
	INFLATER_CORRUPT, /* not deflate data, or cut off */
	INFLATER_NO_MEMORY
};

/* `data` is the payload of all the frames of a message. What comes of it replaces `out`. */
enum inflater_result inflater_message(struct inflater *inflater, struct span data,
				      struct buffer *out, size_t max);

/*
 * What a message of `len` bytes becomes at most, whoever compresses it: the bound of zlib for the
 * least apt of its settings, with room for a few blocks that carry nothing.
 */
static inline size_t
inflater_input_max(size_t len)
{
	return len + len / 8 + len / 64 + 64;
}

#endif
