/*
 * ws_message.c - see ws_message.h. Called by: ws.c.
 */
#include "hub/ws_message.h"

#include "hub/frame.h"
#include "hub/inflater.h"

/* Frames that carry nothing cost nothing: this is what ends a message made of them. */
#define MAX_FRAGMENTS 32768
/* More memory than this is not kept for the next message to unpack. */
#define UNPACK_KEEP (64u << 10)

static unsigned
unpack(struct ws_unpacker *u, struct span *data)
{
	unsigned code = CLOSE_INTERNAL;

	if (!u->inflater)
		u->inflater = inflater_new();
	if (u->inflater) {
		switch (inflater_message(u->inflater, *data, &u->unpacked, u->max)) {
		case INFLATER_OK: code = 0; break;
		case INFLATER_TOO_BIG: code = CLOSE_TOO_BIG; break;
		case INFLATER_CORRUPT: code = CLOSE_INVALID_DATA; break;
		case INFLATER_NO_MEMORY: break;
		}
	}
	u->n_unpacked += u->unpacked.len;
	*data = buffer_span(&u->unpacked);
	return code;
}

/* Part of a message: what cannot become right any more is not waited for. */
static unsigned
keep(struct ws_message *m, const struct ws_fragment *f, size_t max)
{
	if (!buffer_append(&m->bytes, f->data, f->len, max))
		return CLOSE_INTERNAL;
	if (f->len == 0 || f->is_binary || m->is_deflated)
		return 0;
	size_t whole = frame_utf8_whole((unsigned char *)m->bytes.data + m->checked,
					m->bytes.len - m->checked);
	if (whole == FRAME_NO_UTF8)
		return CLOSE_INVALID_DATA;
	m->checked += whole;
	return 0;
}

unsigned
ws_message_add(struct ws_message *m, struct ws_unpacker *u, const struct ws_fragment *f,
	       bool *is_whole, struct span *whole)
{
	const bool starts_frame = !m->in_frame;
	unsigned code;

	*is_whole = false;
	m->in_frame = f->expected > 0;
	if (f->is_first) {
		m->bytes.len = 0;
		m->checked = 0;
		m->fragments = 0;
		m->is_deflated = f->has_rsv1;
	} else if (starts_frame && f->has_rsv1) {
		/* RFC 7692 6.1: on the first frame only */
		return CLOSE_PROTOCOL;
	}
	/* what the frame announces counts before it comes: it may be 2^62 bytes */
	size_t max = m->is_deflated ? inflater_input_max(u->max) : u->max;
	if (f->expected > max || m->bytes.len + f->len + f->expected > max ||
	    (f->expected == 0 && ++m->fragments > MAX_FRAGMENTS))
		return CLOSE_TOO_BIG;
	*whole = span_from((const char *)f->data, f->len);
	if (!f->is_last || m->bytes.len > 0) {
		code = keep(m, f, max);
		if (code != 0 || !f->is_last)
			return code;
		*whole = buffer_span(&m->bytes);
	}
	if (m->is_deflated) {
		code = unpack(u, whole);
		if (code != 0)
			return code;
	}
	if (!f->is_binary && !frame_utf8_valid((const unsigned char *)whole->ptr + m->checked,
					       whole->len - m->checked))
		return CLOSE_INVALID_DATA;
	*is_whole = true;
	return 0;
}

void
ws_message_done(struct ws_message *m, struct ws_unpacker *u, bool is_whole)
{
	if (u->unpacked.cap > UNPACK_KEEP)
		buffer_fini(&u->unpacked);
	if (is_whole)
		ws_message_fini(m);
}

void
ws_message_fini(struct ws_message *m)
{
	buffer_fini(&m->bytes);
}

void
ws_unpacker_fini(struct ws_unpacker *u)
{
	inflater_free(&u->inflater);
	buffer_fini(&u->unpacked);
}
