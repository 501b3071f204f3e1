/*
 * etag.c - entity-tags made and compared. Called by: answer.c.
 */
#include "http/etag.h"

#include <openssl/evp.h>

/*
 * 192 of SHA-256's bits: a client that may name products cannot find two bodies of one tag, by
 * chance or in 2^96 tries. SipHash would need a secret for that, which other hosts would not share.
 */
#define HASH_SIZE 24

_Static_assert(ETAG_SIZE == 2 + 1 + HASH_SIZE / 3 * 4 + 1 + 1, "W/, quotes, base64, terminator");

void
etag_of_body(struct span body, char tag[ETAG_SIZE])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char hash[EVP_MAX_MD_SIZE];
	char *p = tag;

	*p = '\0';
	if (!EVP_Digest(body.ptr, body.len, hash, NULL, EVP_sha256(), NULL))
		return;
	*p++ = '"';
	for (size_t i = 0; i < HASH_SIZE; i += 3) {
		unsigned bits = (unsigned)hash[i] << 16 | (unsigned)hash[i + 1] << 8 | hash[i + 2];

		*p++ = digits[bits >> 18];
		*p++ = digits[bits >> 12 & 63];
		*p++ = digits[bits >> 6 & 63];
		*p++ = digits[bits & 63];
	}
	*p++ = '"';
	*p = '\0';
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
etag_is_listed(struct span value, struct span tag)
{
	const struct span want = opaque_part(tag);
	struct span rest = skip_space(value);
	bool is_listed = false;

	if (rest.len && rest.ptr[0] == '*')
		return skip_space(skip(rest, 1)).len == 0;
	/* all of it is read, also behind a hit: one that is malformed says nothing */
	while (rest.len) {
		size_t len = tag_length(rest);

		is_listed =
		    is_listed || (len && span_eq(opaque_part(span_from(rest.ptr, len)), want));
		/* an element may be empty (RFC 9110 5.6.1.2) */
		rest = skip_space(skip(rest, len));
		if (!rest.len)
			return is_listed;
		if (rest.ptr[0] != ',')
			return false;
		rest = skip_space(skip(rest, 1));
	}
	return is_listed;
}
