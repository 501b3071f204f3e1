/*
 * inflater.c - zlib's inflate over one message at a time. Called by: ws_message.c.
 */
#include "hub/inflater.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* The first room for a message; then it doubles. */
#define FIRST_ROOM 4096

struct inflater {
	z_stream z;
	bool is_ready;
};

struct inflater *
inflater_new(void)
{
	return calloc(1, sizeof(struct inflater));
}

void
inflater_free(struct inflater **inflater)
{
	if (!*inflater)
		return;
	if ((*inflater)->is_ready)
		inflateEnd(&(*inflater)->z);
	free(*inflater);
	*inflater = NULL;
}

/* Before each message: a fresh context. */
static bool
reset(struct inflater *inflater)
{
	if (inflater->is_ready)
		return inflateReset(&inflater->z) == Z_OK;
	/* the client may use the largest window: we name none to it */
	inflater->is_ready = inflateInit2(&inflater->z, -MAX_WBITS) == Z_OK;
	return inflater->is_ready;
}

/* All of `in`, and what it has for us. */
static enum inflater_result
inflate_span(z_stream *z, struct span in, struct buffer *out, size_t max)
{
	/* zlib reads, and does not write there */
	z->next_in = (unsigned char *)(uintptr_t)in.ptr;
	z->avail_in = (uInt)in.len;
	for (;;) {
		if (out->len == out->cap) {
			size_t room = out->cap ? out->cap : FIRST_ROOM;

			/* one byte past `max` tells too much from just enough */
			if (room > max + 1 - out->len)
				room = max + 1 - out->len;
			if (!buffer_reserve(out, room, max + 1))
				return INFLATER_NO_MEMORY;
		}
		size_t room = out->cap - out->len;
		if (room > max + 1 - out->len)
			room = max + 1 - out->len;
		z->next_out = (unsigned char *)out->data + out->len;
		z->avail_out = (uInt)room;
		int status = inflate(z, Z_SYNC_FLUSH);
		out->len += room - z->avail_out;
		if (out->len > max)
			return INFLATER_TOO_BIG;
		switch (status) {
		case Z_STREAM_END:
			/* a last block may be followed by others (RFC 7692 7.2.3.4) */
			if (inflateReset(z) != Z_OK)
				return INFLATER_CORRUPT;
			break;
		case Z_OK: break;
		case Z_BUF_ERROR: /* all is read, and there is no more to say */ break;
		case Z_MEM_ERROR: return INFLATER_NO_MEMORY;
		default: return INFLATER_CORRUPT;
		}
		if (z->avail_in == 0 && z->avail_out > 0)
			return INFLATER_OK;
	}
}

enum inflater_result
inflater_message(struct inflater *inflater, struct span data, struct buffer *out, size_t max)
{
	z_stream *z = &inflater->z;

	out->len = 0;
	if (max >= UINT32_MAX || data.len >= UINT32_MAX)
		return INFLATER_TOO_BIG;
	if (!reset(inflater))
		return INFLATER_NO_MEMORY;
	enum inflater_result result = inflate_span(z, data, out, max);
	/* 7.2.2: what the sender has cut off */
	if (result == INFLATER_OK)
		result = inflate_span(z, SPAN_LIT("\0\0\xff\xff"), out, max);
	/* at the head of a block, and of a byte (zlib.h, inflate: data_type) */
	if (result == INFLATER_OK && z->data_type != 128)
		return INFLATER_CORRUPT;
	return result;
}
