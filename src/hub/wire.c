/*
 * wire.c - frames, events and their JSON. Called by: run.c, deliver.c, history.c and others. This
 * is done once per message and kind of listener, so it is written for speed: no formatting routine,
 * no allocation but the growth of `out`.
 */
#include "hub/wire.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/put.h"
#include "base/utf8.h"
#include "hub/frame.h"
#include "hub/plain_text.h"

/* Everything of an event but its texts: names of fields, numbers, punctuation. */
#define FIXED_MAX 256
/* Text is escaped in blocks, so that room for the worst (\u0000) is made for a block at a time. */
#define BLOCK      1024
#define ESCAPE_MAX 6
/* A character that begins in a block may end behind it, and words are written whole. */
#define SLACK 32

#define RSV1 0x40
/* What a flush ends with and a message goes without (RFC 7692 7.2.1). */
#define FLUSH_TAIL 4
/* As negotiated: the largest window, without zlib's own header. */
#define RAW_WINDOW (-15)
/* Of chat messages level 6 takes a tenth more time and saves a hundredth. */
#define LEVEL 4
/* Each message begins by clearing the table whose size this is: 32 KiB. */
#define MEMORY 7

struct wire_deflate {
	z_stream stream;
	size_t min;
	struct buffer json; /* the event that is being compressed */
};

struct wire_deflate *
wire_deflate_new(size_t min)
{
	struct wire_deflate *deflate = calloc(1, sizeof(*deflate));

	if (deflate && deflateInit2(&deflate->stream, LEVEL, Z_DEFLATED, RAW_WINDOW, MEMORY,
				    Z_DEFAULT_STRATEGY) == Z_OK) {
		deflate->min = min;
		return deflate;
	}
	free(deflate);
	log_error("chat: out of memory");
	return NULL;
}

void
wire_deflate_free(struct wire_deflate **deflate)
{
	if (!*deflate)
		return;
	deflateEnd(&(*deflate)->stream);
	buffer_fini(&(*deflate)->json);
	free(*deflate);
	*deflate = NULL;
}

const char *
wire_number(char out[WIRE_NUMBER_SIZE], uint64_t number)
{
	size_t n = number >> 32 ? 9 : 8;

	while (n < WIRE_NUMBER_SIZE - 1 && number >> (4 * n))
		n++;
	out[n] = '\0';
	while (n) {
		out[--n] = "0123456789abcdef"[number & 15];
		number >>= 4;
	}
	return out;
}

static char *
put_hexadecimal(char *p, uint64_t number)
{
	char text[WIRE_NUMBER_SIZE];

	wire_number(text, number);
	return put(p, text, strlen(text));
}

static char *
put_span(char *p, struct span s)
{
	return put(p, s.ptr, s.len);
}

/* ---- text ---- */

/* What stands at `text` and is no plain ASCII; returns how much of it is done. */
static size_t
put_special(char **out, const char *text, size_t len)
{
	char *p = *out, c = *text;
	size_t n = utf8_character(text, len);

	if (n > 1) {
		*out = put(p, text, n);
		return n;
	}
	if (n == 0) {
		*out = PUT_LIT(p, "\xef\xbf\xbd");
		return 1;
	}
	*p++ = '\\';
	switch (c) {
	case '"':
	case '\\': *p++ = c; break;
	case '\b': *p++ = 'b'; break;
	case '\f': *p++ = 'f'; break;
	case '\n': *p++ = 'n'; break;
	case '\r': *p++ = 'r'; break;
	case '\t': *p++ = 't'; break;
	default:
		p = PUT_LIT(p, "u00");
		*p++ = (char)('0' + (c >> 4));
		*p++ = "0123456789abcdef"[c & 15];
	}
	*out = p;
	return 1;
}

/* Without quotes. On failure `out` may have a part of it. */
static bool
append_escaped(struct buffer *out, struct span text)
{
	if (text.len == 0)
		return true;
	const char *s = text.ptr, *end = text.ptr + text.len;
	while (s < end) {
		size_t left = (size_t)(end - s);
		const char *stop = s + (left < BLOCK ? left : BLOCK);

		if (!buffer_reserve(out, ESCAPE_MAX * (size_t)(stop - s) + SLACK, SIZE_MAX))
			return false;
		char *p = out->data + out->len;
		while (s < stop) {
			uint64_t word;

			while (stop - s >= (ptrdiff_t)sizeof(word)) {
				memcpy(&word, s, sizeof(word));
				if (!plain_word(word))
					break;
				memcpy(p, &word, sizeof(word));
				s += sizeof(word);
				p += sizeof(word);
			}
			while (s < stop && plain_character(*s))
				*p++ = *s++;
			while (s < stop && !plain_character(*s))
				s += put_special(&p, s, (size_t)(end - s));
		}
		out->len = (size_t)(p - out->data);
	}
	return true;
}

static bool
append_base64(struct buffer *out, struct span data)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *d = (const unsigned char *)data.ptr;
	size_t left = data.len;

	if (left > SIZE_MAX / 4 || !buffer_reserve(out, (left + 2) / 3 * 4, SIZE_MAX))
		return false;
	char *p = out->data + out->len;
	for (; left >= 3; d += 3, left -= 3) {
		*p++ = digits[d[0] >> 2];
		*p++ = digits[(d[0] & 3) << 4 | d[1] >> 4];
		*p++ = digits[(d[1] & 15) << 2 | d[2] >> 6];
		*p++ = digits[d[2] & 63];
	}
	if (left) {
		unsigned second = left == 2 ? d[1] : 0;

		*p++ = digits[d[0] >> 2];
		*p++ = digits[(d[0] & 3u) << 4 | second >> 4];
		*p++ = left == 2 ? digits[(second & 15) << 2] : '=';
		*p++ = '=';
	}
	out->len = (size_t)(p - out->data);
	return true;
}

static bool
append_lit(struct buffer *out, const char *text, size_t len)
{
	return buffer_append(out, text, len, SIZE_MAX);
}
#define APPEND_LIT(out, s) append_lit(out, s, sizeof(s) - 1)

bool
wire_string(struct buffer *out, struct span text)
{
	size_t before = out->len;

	if (APPEND_LIT(out, "\"") && append_escaped(out, text) && APPEND_LIT(out, "\""))
		return true;
	out->len = before;
	return false;
}

/* ---- events ---- */

static bool
append_data(struct buffer *out, const struct wire_message *m)
{
	struct span payload = span_from((const char *)m->payload, m->record->len);

	switch (m->record->kind) {
	case LOG_TEXT:
		return APPEND_LIT(out, ",\"data\":\"") && append_escaped(out, payload) &&
		       APPEND_LIT(out, "\"}");
	case LOG_BINARY:
		return APPEND_LIT(out, ",\"b64\":\"") && append_base64(out, payload) &&
		       APPEND_LIT(out, "\"}");
	case LOG_JSON:
		return APPEND_LIT(out, ",\"data\":") &&
		       buffer_append(out, payload.ptr, payload.len, SIZE_MAX) &&
		       APPEND_LIT(out, "}");
	}
	return false;
}

/* On failure `out` may have a part of it. */
static bool
append_message(struct buffer *out, const struct wire_message *m)
{
	const struct log_record *record = m->record;

	if (!buffer_reserve(out, FIXED_MAX, SIZE_MAX))
		return false;
	char *p = out->data + out->len;
	p = PUT_LIT(p, "{\"t\":\"msg\",\"room\":\"");
	p = put_span(p, m->room);
	p = PUT_LIT(p, "\",\"seq\":");
	p = put_number(p, record->seq);
	p = PUT_LIT(p, ",\"ts\":");
	p = put_number(p, record->ts_ms);
	if (m->is_replay)
		p = PUT_LIT(p, ",\"r\":1");
	if (record->from) {
		p = PUT_LIT(p, ",\"from\":\"");
		p = put_hexadecimal(p, record->from);
		*p++ = '"';
	}
	out->len = (size_t)(p - out->data);
	if (record->name_len > 0 &&
	    !(APPEND_LIT(out, ",\"name\":\"") &&
	      append_escaped(out, span_from(record->name, record->name_len)) &&
	      APPEND_LIT(out, "\"")))
		return false;
	if (record->id_len > 0 &&
	    !(APPEND_LIT(out, ",\"cid\":\"") &&
	      append_escaped(out, span_from(record->id, record->id_len)) && APPEND_LIT(out, "\"")))
		return false;
	return append_data(out, m);
}

bool
wire_json(struct buffer *out, const struct wire_message *message)
{
	size_t before = out->len;

	if (append_message(out, message))
		return true;
	out->len = before;
	return false;
}

/* Of FIXED_MAX bytes. */
static char *
put_gap(char *p, const struct wire_gap *gap)
{
	static const struct span why[] = {
	    [GAP_SLOW] = SPAN_LIT("slow"),
	    [GAP_TRIMMED] = SPAN_LIT("trimmed"),
	    [GAP_LAG] = SPAN_LIT("lag"),
	    [GAP_EPOCH] = SPAN_LIT("epoch"),
	};

	p = PUT_LIT(p, "{\"t\":\"gap\",\"room\":\"");
	p = put_span(p, gap->room);
	p = PUT_LIT(p, "\",\"from\":");
	p = put_number(p, gap->from);
	p = PUT_LIT(p, ",\"to\":");
	p = put_number(p, gap->to);
	p = PUT_LIT(p, ",\"why\":\"");
	p = put_span(p, why[gap->why]);
	p = PUT_LIT(p, "\",\"epoch\":\"");
	p = put_hexadecimal(p, gap->epoch);
	return PUT_LIT(p, "\"}");
}

/* ---- frames ---- */

/* Leaves the place of a head whose payload may be `guess` bytes long. */
static bool
frame_begin(struct buffer *out, size_t guess)
{
	size_t head = frame_size(guess) - guess;

	if (!buffer_reserve(out, head, SIZE_MAX))
		return false;
	out->len += head;
	return true;
}

/* The frame begins at `at`; whatever follows the place of its head is its payload. */
static bool
frame_end(struct buffer *out, size_t at, size_t guess, enum frame_opcode opcode)
{
	size_t guessed = frame_size(guess) - guess;
	size_t len = out->len - at - guessed;
	size_t head = frame_size(len) - len;

	if (head > guessed && !buffer_reserve(out, head - guessed, SIZE_MAX))
		return false;
	if (head != guessed) {
		memmove(out->data + at + head, out->data + at + guessed, len);
		out->len = at + head + len;
	}
	frame_head((unsigned char *)out->data + at, opcode, len);
	return true;
}

static bool
frame_whole(struct buffer *out, enum frame_opcode opcode, struct span payload)
{
	if (!buffer_reserve(out, frame_size(payload.len), SIZE_MAX))
		return false;
	char *p = out->data + out->len;
	p += frame_head((unsigned char *)p, opcode, payload.len);
	p = put_span(p, payload);
	out->len = (size_t)(p - out->data);
	return true;
}

/* In a context that knows no earlier message: every client can read it (RFC 7692 7.1.1). */
static bool
frame_deflated(struct buffer *out, enum frame_opcode opcode, struct span payload,
	       struct wire_deflate *d)
{
	if (!d || payload.len == 0 || payload.len < d->min || payload.len > UINT32_MAX / 2)
		return frame_whole(out, opcode, payload);
	size_t before = out->len;
	size_t head = frame_size(payload.len) - payload.len;
	/* what does not fit in here is not shorter than the payload */
	size_t room = payload.len + FLUSH_TAIL;
	if (!buffer_reserve(out, head + room, SIZE_MAX))
		return false;
	deflateReset(&d->stream);
	/* zlib takes its input without const, and leaves it alone */
	d->stream.next_in = (Bytef *)(uintptr_t)payload.ptr;
	d->stream.avail_in = (uInt)payload.len;
	d->stream.next_out = (Bytef *)out->data + before + head;
	d->stream.avail_out = (uInt)room;
	if (deflate(&d->stream, Z_SYNC_FLUSH) != Z_OK || d->stream.avail_out == 0)
		return frame_whole(out, opcode, payload);
	out->len += head + room - d->stream.avail_out - FLUSH_TAIL;
	if (!frame_end(out, before, payload.len, opcode)) {
		out->len = before;
		return false;
	}
	out->data[before] = (char)(out->data[before] | RSV1);
	return true;
}

static bool
frame_json(struct buffer *out, const struct wire_message *message)
{
	size_t before = out->len;
	/* what is escaped, or base64, is longer, and then the payload moves by some bytes */
	size_t guess = message->record->len + 120;

	if (frame_begin(out, guess) && append_message(out, message) &&
	    frame_end(out, before, guess, FRAME_TEXT))
		return true;
	out->len = before;
	return false;
}

/* ---- text/event-stream ---- */

/*
 * "id:" and "event:" of an event, and what comes in front of its data. One without a name is what
 * an EventSource's onmessage hears: so are messages.
 */
static bool
append_event_head(struct buffer *out, uint64_t epoch, uint64_t seq, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!buffer_reserve(out, FIXED_MAX + len, SIZE_MAX))
		return false;
	char *p = out->data + out->len;
	if (epoch) {
		p = PUT_LIT(p, "id: ");
		p = put_hexadecimal(p, epoch);
		*p++ = ':';
		p = put_number(p, seq);
		*p++ = '\n';
	}
	if (name) {
		p = PUT_LIT(p, "event: ");
		p = put(p, name, len);
		*p++ = '\n';
	}
	p = PUT_LIT(p, "data: ");
	out->len = (size_t)(p - out->data);
	return true;
}

static bool
event_message(struct buffer *out, const struct wire_message *m)
{
	size_t before = out->len;

	if (append_event_head(out, m->epoch, m->record->seq, NULL) && append_message(out, m) &&
	    APPEND_LIT(out, "\n\n"))
		return true;
	out->len = before;
	return false;
}

static bool
event_whole(struct buffer *out, uint64_t epoch, uint64_t seq, const char *name, struct span json)
{
	size_t before = out->len;

	if (append_event_head(out, epoch, seq, name) &&
	    buffer_append(out, json.ptr, json.len, SIZE_MAX) && APPEND_LIT(out, "\n\n"))
		return true;
	out->len = before;
	return false;
}

/* ---- the wires ---- */

bool
wire_message(struct buffer *out, enum wire wire, const struct wire_message *m,
	     struct wire_deflate *d)
{
	struct span payload = span_from((const char *)m->payload, m->record->len);
	enum frame_opcode opcode = m->record->kind == LOG_BINARY ? FRAME_BINARY : FRAME_TEXT;

	switch (wire) {
	case WIRE_PLAIN: return frame_whole(out, opcode, payload);
	case WIRE_PLAIN_DEFLATE: return frame_deflated(out, opcode, payload, d);
	case WIRE_JSON: return frame_json(out, m);
	case WIRE_JSON_DEFLATE:
		if (!d)
			return frame_json(out, m);
		d->json.len = 0;
		return append_message(&d->json, m) &&
		       frame_deflated(out, FRAME_TEXT, buffer_span(&d->json), d);
	case WIRE_EVENTS: return event_message(out, m);
	case WIRES: break;
	}
	return false;
}

bool
wire_gap(struct buffer *out, enum wire wire, const struct wire_gap *gap)
{
	char json[FIXED_MAX];
	struct span whole = span_from(json, (size_t)(put_gap(json, gap) - json));

	switch (wire) {
	case WIRE_PLAIN:
	case WIRE_PLAIN_DEFLATE: return true;
	case WIRE_JSON:
	case WIRE_JSON_DEFLATE: return frame_whole(out, FRAME_TEXT, whole);
	/* with an id: whoever comes back after it is not told of the same gap again */
	case WIRE_EVENTS: return event_whole(out, gap->epoch, gap->to, "gap", whole);
	case WIRES: break;
	}
	return false;
}

bool
wire_event(struct buffer *out, enum wire wire, const char *name, struct span json)
{
	switch (wire) {
	case WIRE_PLAIN:
	case WIRE_PLAIN_DEFLATE: return true;
	case WIRE_JSON:
	case WIRE_JSON_DEFLATE: return frame_whole(out, FRAME_TEXT, json);
	case WIRE_EVENTS: return event_whole(out, 0, 0, name, json);
	case WIRES: break;
	}
	return false;
}
