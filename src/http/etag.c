/*
 * etag.c - entity-tags made and compared. Called by: answer.c, product_match.c.
 */
#include "http/etag.h"

#include <string.h>

/* all of it in this file, as in hub/log_record.c */
#define XXH_INLINE_ALL
#include <xxhash.h>

/*
 * XXH3 of 128 bits (xxhash.h: "stable since 0.8.0"): two bodies of one tag are not met by chance.
 * Who may write products, and knows how, could make two lists of one tag on purpose, and would hide
 * his own change from those who have the first; SHA-256, which rules that out, made a fifth of what
 * a list costs.
 */
#define HASH_BITS (8 * sizeof(XXH128_hash_t))
#define DIGITS    ((HASH_BITS + 5) / 6)

_Static_assert(ETAG_SIZE == 2 + 1 + DIGITS + 1 + 1, "W/, quotes, base64, terminator");

void
etag_of_body(struct span body, char tag[ETAG_SIZE])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const XXH128_hash_t hash = XXH3_128bits(body.ptr, body.len);
	uint64_t low = hash.low64, high = hash.high64;
	char *p = tag;

	*p++ = '"';
	for (size_t i = 0; i < DIGITS; i++) {
		*p++ = digits[low & 63];
		low = low >> 6 | high << 58;
		high >>= 6;
	}
	memcpy(p, "\"", 2);
}

/* The opaque part of a tag, quotes included; the W is case-sensitive. */
static struct span
opaque_part(struct span tag)
{
	if (tag.len >= 2 && tag.ptr[0] == 'W' && tag.ptr[1] == '/')
		return span_from(tag.ptr + 2, tag.len - 2);
	return tag;
}

/* etagc: %x21 / %x23-7E / obs-text */
static bool
is_tag_byte(char c)
{
	unsigned char u = (unsigned char)c;

	return u == 0x21 || (u >= 0x23 && u <= 0x7e) || u >= 0x80;
}

/* The length of the entity-tag that `text` begins with; 0: it begins with none. */
static size_t
tag_length(struct span text)
{
	struct span opaque = opaque_part(text);
	size_t at = 1;

	if (!opaque.len || opaque.ptr[0] != '"')
		return 0;
	while (at < opaque.len && is_tag_byte(opaque.ptr[at]))
		at++;
	if (at == opaque.len || opaque.ptr[at] != '"')
		return 0;
	return text.len - opaque.len + at + 1;
}

bool
etag_is_valid(struct span tag)
{
	return tag.len && tag_length(tag) == tag.len;
}

static struct span
skip(struct span text, size_t n)
{
	return span_from(text.ptr + n, text.len - n);
}

static struct span
skip_space(struct span text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = skip(text, 1);
	return text;
}

bool
etag_is_any(struct span value)
{
	const struct span rest = skip_space(value);

	return rest.len && rest.ptr[0] == '*' && skip_space(skip(rest, 1)).len == 0;
}

enum etag_next
etag_list_next(struct span *rest, struct span *tag)
{
	*rest = skip_space(*rest);
	/* an element may be empty (RFC 9110 5.6.1.2) */
	while (rest->len && rest->ptr[0] == ',')
		*rest = skip_space(skip(*rest, 1));
	if (!rest->len)
		return ETAG_END;
	*tag = span_from(rest->ptr, tag_length(*rest));
	if (!tag->len)
		return ETAG_BAD;
	*rest = skip_space(skip(*rest, tag->len));
	return !rest->len || rest->ptr[0] == ',' ? ETAG_TAG : ETAG_BAD;
}

static bool
is_weak(struct span tag)
{
	return opaque_part(tag).ptr != tag.ptr;
}

bool
etag_is_listed(struct span value, struct span tag, enum etag_comparison comparison)
{
	const struct span want = opaque_part(tag);
	const bool is_strong = comparison == ETAG_STRONG;
	struct span rest = value, one;
	enum etag_next next;
	bool is_listed = false;

	if (etag_is_any(value))
		return true;
	/* all of it is read, also behind a hit: one that is malformed says nothing */
	while ((next = etag_list_next(&rest, &one)) == ETAG_TAG)
		is_listed = is_listed || (span_eq(opaque_part(one), want) &&
					  !(is_strong && (is_weak(one) || is_weak(tag))));
	return next == ETAG_END && is_listed;
}
