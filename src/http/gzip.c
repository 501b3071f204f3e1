/*
 * gzip.c - all of zlib. Called by: answer.c.
 */
#include "http/gzip.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Of JSON, level 6 would save a tenth and cost more than twice the time; level 1 the reverse. */
#define LEVEL 4
/* A deflate stream without a frame, window and memory as zlib has them by default. */
#define RAW_WINDOW (-15)
#define MEMORY     8

#define OUT_MAX    (SIZE_MAX / 4)
#define FRAME_ROOM 64 /* more than header, trailer and the end of a slice */

struct gzip {
	z_stream stream;
};

struct gzip *
gzip_new(void)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip && deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, RAW_WINDOW, MEMORY,
				 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void
gzip_free(struct gzip **gzip)
{
	if (!*gzip)
		return;
	deflateEnd(&(*gzip)->stream);
	free(*gzip);
	*gzip = NULL;
}

/* The members of RFC 1952 2.3: deflate, no flags, no time, no hint, an unknown system. */
static void
put_header(struct buffer *out)
{
	static const char header[] = "\x1f\x8b\x08\0\0\0\0\0\0\xff";

	memcpy(out->data + out->len, header, sizeof(header) - 1);
	out->len += sizeof(header) - 1;
}

static void
put_trailer(struct buffer *out, const struct gzip_progress *progress)
{
	uint32_t trailer[2] = {htole32(progress->crc), htole32(progress->len)};

	memcpy(out->data + out->len, trailer, sizeof(trailer));
	out->len += sizeof(trailer);
}

bool
gzip_slice(struct gzip *gzip, struct gzip_progress *progress, struct span slice, bool is_last,
	   struct buffer *out)
{
	z_stream *stream = &gzip->stream;

	assert(slice.len <= GZIP_SLICE);
	deflateReset(stream);
	size_t room = deflateBound(stream, slice.len) + FRAME_ROOM;
	if (!buffer_reserve(out, room, OUT_MAX))
		return false;
	if (!progress->is_begun)
		put_header(out);
	progress->is_begun = true;
	progress->crc = (uint32_t)crc32(progress->crc, (const Bytef *)slice.ptr, (uInt)slice.len);
	progress->len += (uint32_t)slice.len;
	/* zlib takes its input without const, and leaves it alone */
	stream->next_in = (Bytef *)(uintptr_t)slice.ptr;
	stream->avail_in = (uInt)slice.len;
	stream->next_out = (Bytef *)out->data + out->len;
	/* the trailer's place is not zlib's */
	stream->avail_out = (uInt)(room - FRAME_ROOM / 2);
	int status = deflate(stream, is_last ? Z_FINISH : Z_SYNC_FLUSH);
	/* deflateBound is for this: there is always room left */
	assert(stream->avail_in == 0 && stream->avail_out > 0);
	assert(status == (is_last ? Z_STREAM_END : Z_OK));
	(void)status;
	out->len = (size_t)((char *)stream->next_out - out->data);
	if (is_last)
		put_trailer(out, progress);
	return true;
}
