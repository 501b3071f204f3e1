/*
 * cursor.c - base64url (RFC 4648 section 5, no padding) of "SORT:ID", with ":=KEY", ":-" or ":#"
 * behind it unless it is sorted by id.
 */
#include "store/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/put.h"
#include "base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char *const words[LIST_SORTS] = {
    [SORT_ID] = "id",           [SORT_ID_DOWN] = "-id", [SORT_NAME] = "name",
    [SORT_NAME_DOWN] = "-name", [SORT_PRICE] = "price", [SORT_PRICE_DOWN] = "-price",
};

/* Between the id and the key, by enum cursor_key. */
static const char marks[] = {0, '=', '-', '#'};

const char *
list_sort_word(enum list_sort sort)
{
	return words[sort];
}

enum list_sort
list_sort_find(struct span word)
{
	unsigned i = 0;

	while (i < LIST_SORTS && !span_eq(word, span_str(words[i])))
		i++;
	return (enum list_sort)i;
}

bool
list_text_valid(struct span text)
{
	for (size_t at = 0, n; at < text.len; at += n) {
		n = utf8_character(text.ptr + at, text.len - at);
		if (n == 0 || text.ptr[at] == '\0')
			return false;
	}
	return true;
}

static void
encode(const char *plain, size_t len, char *text)
{
	unsigned bits = 0, n_bits = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | (unsigned char)plain[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			*text++ = alphabet[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		*text++ = alphabet[bits << (6 - n_bits) & 63];
	*text = '\0';
}

/* At most CURSOR_PLAIN_MAX bytes into `plain`. False: there is another character in it. */
static bool
decode(struct span text, char *plain, size_t *len)
{
	unsigned bits = 0, n_bits = 0;

	*len = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
		if (!digit)
			return false;
		bits = bits << 6 | (unsigned)(digit - alphabet);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			plain[(*len)++] = (char)(bits >> n_bits & 255);
		}
	}
	return true;
}

void
cursor_write(const struct cursor *cursor, char text[CURSOR_TEXT_SIZE])
{
	const bool is_negative = cursor->id < 0;
	const uint64_t id = is_negative ? 0 - (uint64_t)cursor->id : (uint64_t)cursor->id;
	char plain[CURSOR_PLAIN_MAX + 1], *p = plain;

	p = put(p, words[cursor->sort], strlen(words[cursor->sort]));
	*p++ = ':';
	if (is_negative)
		*p++ = '-';
	p = put_number(p, id);
	if (cursor->kind != CURSOR_ID) {
		*p++ = ':';
		*p++ = marks[cursor->kind];
	}
	if (cursor->kind == CURSOR_VALUE)
		p = put(p, cursor->key, strlen(cursor->key));
	encode(plain, (size_t)(p - plain), text);
}

static size_t
skip_digits(const char *s, size_t at)
{
	return at + strspn(s + at, "0123456789");
}

/* A price as PostgreSQL may have written it, whatever number its column is made of. */
static bool
is_price_key(const char *s)
{
	if (strcmp(s, "NaN") == 0 || strcmp(s, "Infinity") == 0 || strcmp(s, "-Infinity") == 0)
		return true;
	const size_t begin = s[0] == '-';
	size_t at = skip_digits(s, begin);
	/* no number of any type has more */
	if (at == begin || at - begin > 400)
		return false;
	if (s[at] == '.') {
		const size_t end = skip_digits(s, at + 1);
		if (end == at + 1)
			return false;
		at = end;
	}
	if (s[at] == 'e' && (s[at + 1] == '-' || s[at + 1] == '+')) {
		const size_t end = skip_digits(s, at + 2);
		if (end == at + 2 || end > at + 5)
			return false;
		at = end;
	}
	return s[at] == '\0';
}

/* What stands behind the id. */
static bool
read_key(struct span s, struct cursor *cursor)
{
	cursor->kind = CURSOR_ID;
	cursor->key[0] = '\0';
	if (cursor->sort == SORT_ID || cursor->sort == SORT_ID_DOWN)
		return s.len == 0;
	if (s.len < 2 || s.ptr[0] != ':' || s.len - 2 > CURSOR_KEY_MAX)
		return false;
	const bool is_name = cursor->sort == SORT_NAME || cursor->sort == SORT_NAME_DOWN;
	struct span key = span_from(s.ptr + 2, s.len - 2);
	switch (s.ptr[1]) {
	case '=': cursor->kind = CURSOR_VALUE; break;
	case '-': cursor->kind = CURSOR_NULL; return key.len == 0;
	case '#': cursor->kind = CURSOR_LONG; return key.len == 0 && is_name;
	default: return false;
	}
	if (!list_text_valid(key))
		return false;
	memcpy(cursor->key, key.ptr, key.len);
	cursor->key[key.len] = '\0';
	return is_name || is_price_key(cursor->key);
}

bool
cursor_read(struct span text, struct cursor *cursor)
{
	/* four characters of text may be three bytes */
	char plain[CURSOR_PLAIN_MAX + 4], again[CURSOR_TEXT_SIZE];
	size_t len;

	if (text.len == 0 || text.len >= CURSOR_TEXT_SIZE || !decode(text, plain, &len))
		return false;
	plain[len] = '\0';
	const char *colon = memchr(plain, ':', len);
	if (!colon)
		return false;
	cursor->sort = list_sort_find(span_from(plain, (size_t)(colon - plain)));
	if (cursor->sort == LIST_SORTS)
		return false;
	char *end;
	cursor->id = strtoll(colon + 1, &end, 10);
	if (!read_key(span_from(end, (size_t)(plain + len - end)), cursor))
		return false;
	/* one cursor has one text: what is written otherwise was not made here */
	cursor_write(cursor, again);
	return span_eq(text, span_str(again));
}
