/*
 * chunked.c - the chunked transfer coding as a state machine: one byte, one step, so that it can
 * stop anywhere; only chunk data is moved in runs.
 *
 * It takes the grammar of RFC 9112 7.1 and nothing else. Chunk sizes and line ends are where
 * parsers that guess can be made to disagree about where a request ends.
 */
#include <string.h>

#include "http/chars.h"
#include "http/chunked.h"

/* Enough for 64 bits; a longer run of leading zeros only hides a size. */
#define MAX_SIZE_DIGITS 16

enum state {
	SIZE,           /* hex digits, at least one */
	EXT_BEFORE,     /* white space after a size or an extension: a semicolon must come */
	EXT_NAME_FIRST, /* after the semicolon */
	EXT_NAME,
	EXT_NAME_AFTER, /* white space after the name */
	EXT_VALUE_FIRST,
	EXT_VALUE, /* a token */
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	EXT_QUOTED_AFTER,
	SIZE_LF, /* the end of the chunk-size line */
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* a trailer line, or the empty line at the end */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	DONE
};

void
chunked_init(struct chunked *c, uint64_t max_body)
{
	*c = (struct chunked){.state = SIZE, .max = max_body};
}

/* Always false, so that a step can end with it. */
static bool
bad(struct chunked *c, int status, const char *message)
{
	c->error_status = status;
	c->error_message = message;
	return false;
}

static bool
is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* The size line goes on with an extension or ends. */
static bool
step_after_size(struct chunked *c, char byte)
{
	if (byte == ';')
		c->state = EXT_NAME_FIRST;
	else if (byte == '\r')
		c->state = SIZE_LF;
	else if (is_blank(byte))
		c->state = EXT_BEFORE;
	else
		return bad(c, 400, "a chunk size is not followed by CR LF or an extension");
	return true;
}

static bool
step_size(struct chunked *c, char byte)
{
	if (!char_is(byte, CHAR_HEX)) {
		if (c->size_digits == 0)
			return bad(c, 400, "a chunk does not begin with a hexadecimal size");
		return step_after_size(c, byte);
	}
	if (c->size_digits++ == MAX_SIZE_DIGITS)
		return bad(c, 400, "a chunk size has more than 16 digits");
	/* cannot overflow: 16 digits are 64 bits */
	c->left = c->left << 4 | char_hex(byte);
	if (c->left > c->max - c->total)
		return bad(c, 413, "the body is longer than is accepted here");
	return true;
}

/* chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112 7.1.1 */
static bool
step_extension(struct chunked *c, char byte)
{
	static const char wrong[] = "a chunk extension is not ;name, ;name=token or ;name=\"text\"";

	switch (c->state) {
	case EXT_BEFORE:
		if (is_blank(byte))
			return true;
		if (byte != ';')
			return bad(c, 400, wrong);
		c->state = EXT_NAME_FIRST;
		return true;
	case EXT_NAME_FIRST:
		if (is_blank(byte))
			return true;
		c->state = EXT_NAME;
		return char_is(byte, CHAR_TOKEN) || bad(c, 400, wrong);
	case EXT_NAME:
		if (char_is(byte, CHAR_TOKEN))
			return true;
		if (is_blank(byte)) {
			c->state = EXT_NAME_AFTER;
			return true;
		}
		if (byte == '=') {
			c->state = EXT_VALUE_FIRST;
			return true;
		}
		return step_after_size(c, byte);
	case EXT_NAME_AFTER:
		if (is_blank(byte))
			return true;
		if (byte != '=' && byte != ';')
			return bad(c, 400, wrong);
		c->state = byte == '=' ? EXT_VALUE_FIRST : EXT_NAME_FIRST;
		return true;
	case EXT_VALUE_FIRST:
		if (is_blank(byte))
			return true;
		c->state = byte == '"' ? EXT_QUOTED : EXT_VALUE;
		return byte == '"' || char_is(byte, CHAR_TOKEN) || bad(c, 400, wrong);
	case EXT_VALUE: return char_is(byte, CHAR_TOKEN) || step_after_size(c, byte);
	case EXT_QUOTED:
		if (byte == '"')
			c->state = EXT_QUOTED_AFTER;
		else if (byte == '\\')
			c->state = EXT_QUOTED_PAIR;
		return char_is_text(byte) || bad(c, 400, wrong);
	case EXT_QUOTED_PAIR:
		c->state = EXT_QUOTED;
		return char_is_text(byte) || bad(c, 400, wrong);
	default: return step_after_size(c, byte);
	}
}

static bool
step_trailer(struct chunked *c, char byte)
{
	if (++c->trailer_bytes > CHUNKED_MAX_TRAILERS)
		return bad(c, 431, "the trailer section is longer than 8192 bytes");
	switch (c->state) {
	case TRAILER_FIRST:
		if (byte == '\r') {
			c->state = END_LF;
			return true;
		}
		c->state = TRAILER_NAME;
		return char_is(byte, CHAR_TOKEN) ||
		       bad(c, 400, "a trailer line does not begin with a name");
	case TRAILER_NAME:
		if (byte == ':')
			c->state = TRAILER_VALUE;
		return byte == ':' || char_is(byte, CHAR_TOKEN) ||
		       bad(c, 400, "a trailer line is not name, colon and value");
	case TRAILER_VALUE:
		if (byte == '\r')
			c->state = TRAILER_LF;
		return byte == '\r' || char_is_text(byte) ||
		       bad(c, 400, "a trailer line has a control character in it");
	case TRAILER_LF:
		c->state = TRAILER_FIRST;
		return byte == '\n' || bad(c, 400, "a trailer line has a CR that does not end it");
	default:
		c->state = DONE;
		return byte == '\n' || bad(c, 400, "the chunked body does not end with CR LF");
	}
}

static bool
step(struct chunked *c, char byte)
{
	switch (c->state) {
	case SIZE: return step_size(c, byte);
	case SIZE_LF:
		c->total += c->left;
		c->size_digits = 0;
		c->state = c->left ? DATA : TRAILER_FIRST;
		return byte == '\n' ||
		       bad(c, 400, "a chunk size has a CR that does not end its line");
	case DATA_CR:
		c->state = DATA_LF;
		return byte == '\r' ||
		       bad(c, 400, "a chunk is longer than its size, or CR LF is missing");
	case DATA_LF:
		c->state = SIZE;
		return byte == '\n' ||
		       bad(c, 400, "a chunk is longer than its size, or CR LF is missing");
	case TRAILER_FIRST:
	case TRAILER_NAME:
	case TRAILER_VALUE:
	case TRAILER_LF:
	case END_LF: return step_trailer(c, byte);
	default:
		if (++c->extension_bytes > CHUNKED_MAX_EXTENSIONS)
			return bad(c, 400, "the chunk extensions are longer than 4096 bytes");
		return step_extension(c, byte);
	}
}

enum chunked_status
chunked_decode(struct chunked *c, const char *data, size_t len, size_t *used, char *out,
	       size_t *decoded)
{
	size_t i = 0, n = 0;

	while (i < len && c->state != DONE && c->error_status == 0) {
		if (c->state != DATA) {
			if (!step(c, data[i++]))
				break;
			continue;
		}
		size_t run = c->left < len - i ? (size_t)c->left : len - i;

		if (out)
			memmove(out + n, data + i, run);
		n += run;
		i += run;
		c->left -= run;
		if (c->left == 0)
			c->state = DATA_CR;
	}
	*used = i;
	*decoded = n;
	if (c->error_status)
		return CHUNKED_BAD;
	return c->state == DONE ? CHUNKED_DONE : CHUNKED_MORE;
}
