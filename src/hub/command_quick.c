/*
 * command_quick.c - see command_quick.h. It never says what is wrong: whatever it does not know is
 * jansson's to judge, so that there is one reader of mistakes, and this one can be held against it
 * (tests/fuzz/fuzz_command.c). Called by: session.c.
 */
#include "hub/command_quick.h"

#include <string.h>

#include "base/utf8.h"
#include "hub/plain_text.h"

struct scan {
	const char *p, *end;
};

/* JSON's four, RFC 8259 section 2. */
static void
skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

/* This character, and space in front of it. */
static bool
take(struct scan *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* A string that says what it is byte by byte; `string` is what is between the quotes. */
static bool
take_string(struct scan *s, struct span *string)
{
	if (!take(s, '"'))
		return false;
	const char *p = s->p;
	for (;;) {
		uint64_t word;

		while (s->end - p >= (ptrdiff_t)sizeof(word)) {
			memcpy(&word, p, sizeof(word));
			if (!plain_word(word))
				break;
			p += sizeof(word);
		}
		while (p < s->end && plain_character(*p))
			p++;
		if (p == s->end || (unsigned char)*p < 0x80)
			break;
		size_t n = utf8_character(p, (size_t)(s->end - p));
		if (n == 0)
			return false;
		p += n;
	}
	if (p == s->end || *p != '"')
		return false;
	*string = span_from(s->p, (size_t)(p - s->p));
	s->p = p + 1;
	return true;
}

/* Digits, as many as an id has at most. */
static bool
take_id(struct scan *s, uint32_t *id)
{
	uint64_t number = 0;
	unsigned n = 0;

	skip_space(s);
	const char *first = s->p;
	for (; n < 10 && s->p < s->end && *s->p >= '0' && *s->p <= '9'; n++, s->p++)
		number = number * 10 + (unsigned)(*s->p - '0');
	/* what follows, another digit or a fraction, the caller takes for no comma */
	if (n == 0 || number > UINT32_MAX || (*first == '0' && n > 1))
		return false;
	*id = (uint32_t)number;
	return true;
}

/* As read_label of command.c, of what has no control characters but DEL. */
static bool
is_cid(struct span cid)
{
	return cid.len > 0 && cid.len <= CHAT_LOG_ID_MAX && !memchr(cid.ptr, 0x7f, cid.len);
}

bool
command_read_quick(struct command *command, struct span text, size_t max)
{
	struct scan s = {text.ptr, text.ptr + text.len};
	struct span type = {0}, room = {0}, data = {0}, cid = {0};
	bool has_id = false;
	uint32_t id = 0;

	if (text.len == 0 || text.len > max || !take(&s, '{'))
		return false;
	do {
		struct span key, *value;

		if (!take_string(&s, &key) || !take(&s, ':'))
			return false;
		if (span_eq(key, SPAN_LIT("id"))) {
			if (has_id || !take_id(&s, &id))
				return false;
			has_id = true;
			continue;
		}
		if (span_eq(key, SPAN_LIT("t")))
			value = &type;
		else if (span_eq(key, SPAN_LIT("room")))
			value = &room;
		else if (span_eq(key, SPAN_LIT("data")))
			value = &data;
		else if (span_eq(key, SPAN_LIT("cid")))
			value = &cid;
		else
			return false;
		/* a key that comes twice is a mistake */
		if (value->ptr || !take_string(&s, value))
			return false;
	} while (take(&s, ','));
	if (!take(&s, '}'))
		return false;
	skip_space(&s);
	if (s.p != s.end || !span_eq(type, SPAN_LIT("pub")) || !data.ptr ||
	    !room_name_valid(room) || (cid.ptr && !is_cid(cid)))
		return false;
	*command = (struct command){
	    .type = COMMAND_PUB,
	    .has_id = has_id,
	    .id = id,
	    .room = room,
	    .pub = {.kind = LOG_TEXT, .data = data, .cid = cid},
	};
	return true;
}
