/*
 * transfer_answer.c - what comes of a transfer: heads line by line, of which some fields are kept,
 * and the body, which goes on to the caller; and the bounds of both that libcurl does not know.
 */
#include <stdlib.h>
#include <string.h>

#include "fetch/transfer_private.h"

static struct span
trim(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
		s = span_from(s.ptr + 1, s.len - 1);
	while (s.len && s.ptr[s.len - 1] && strchr(" \t\r\n", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Codings that have to be undone, all in all: a list, and the field may come again. */
static void
count_codings(struct transfer *t, struct span value)
{
	while (value.len) {
		const char *comma = memchr(value.ptr, ',', value.len);
		const size_t len = comma ? (size_t)(comma - value.ptr) : value.len;
		const struct span coding = trim(span_from(value.ptr, len));

		if (coding.len && !span_eq_nocase(coding, SPAN_LIT("identity")) &&
		    !span_eq_nocase(coding, SPAN_LIT("chunked"))) {
			if (!span_eq_nocase(coding, SPAN_LIT("gzip")) &&
			    !span_eq_nocase(coding, SPAN_LIT("x-gzip")) &&
			    !span_eq_nocase(coding, SPAN_LIT("deflate")))
				t->bad = "the body has a coding other than gzip and deflate, which "
					 "were asked for";
			else if (++t->codings > 1)
				t->bad = "the body is compressed more than once";
		}
		value = span_from(value.ptr + len, value.len - len);
		if (value.len)
			value = span_from(value.ptr + 1, value.len - 1);
	}
}

static void
take_location(struct transfer *t, struct span value)
{
	/* one more byte than a URL can have: it is refused as too long then */
	const size_t len = value.len <= FETCH_URL_MAX + 1 ? value.len : FETCH_URL_MAX + 1;
	char *copy = realloc(t->location, len + 1);

	if (!copy) {
		t->bad = "out of memory";
		return;
	}
	t->location = copy;
	if (len)
		memcpy(copy, value.ptr, len);
	t->location_len = len;
	t->has_location = true;
}

static void
take_field(struct transfer *t, struct span line)
{
	const char *colon = memchr(line.ptr, ':', line.len);

	if (!colon)
		return;
	const struct span name = span_from(line.ptr, (size_t)(colon - line.ptr));
	const struct span value =
	    trim(span_from(colon + 1, line.len - (size_t)(colon + 1 - line.ptr)));
	if (span_eq_nocase(name, SPAN_LIT("location"))) {
		take_location(t, value);
	} else if (span_eq_nocase(name, SPAN_LIT("content-type"))) {
		t->type_len = value.len < TYPE_MAX ? value.len : TYPE_MAX;
		memcpy(t->type, value.ptr, t->type_len);
	} else if (span_eq_nocase(name, SPAN_LIT("content-encoding")) ||
		   span_eq_nocase(name, SPAN_LIT("transfer-encoding"))) {
		count_codings(t, value);
	}
}

/* HTTP/1.1 103 Early Hints */
static bool
is_interim(struct span line)
{
	const char *blank = memchr(line.ptr, ' ', line.len);

	return blank && blank + 1 < line.ptr + line.len && blank[1] == '1';
}

/* A line of a head, or of the trailer. */
static size_t
head_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	const struct span line = span_from(data, size * n);

	t->head_bytes += line.len;
	if (t->head_bytes > TRANSFER_HEAD_MAX) {
		t->is_too_large = true;
		return 0;
	}
	/* what a trailer says counts for nothing */
	if (t->has_head)
		return line.len;
	if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
		if (++t->heads > TRANSFER_HEADS_MAX) {
			t->is_too_large = true;
			return 0;
		}
		t->in_head = true;
		t->is_final = !is_interim(line);
		/* RFC 9110 7.8: what would follow is no HTTP */
		if (!t->is_final && memmem(line.ptr, line.len, " 101", 4))
			t->bad = "the origin changes the protocol, which nobody has asked for";
		t->has_location = false;
		t->type_len = t->location_len = 0;
		t->codings = 0;
	} else if (trim(line).len == 0) {
		t->has_head = t->in_head && t->is_final;
		t->in_head = false;
	} else if (t->in_head) {
		take_field(t, line);
	}
	return t->bad ? 0 : line.len;
}

static size_t
body_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	if (!t->has_body) {
		t->has_body = true;
		t->slow_since_ms = loop_now_ms(t->all->settings.loop);
	}
	t->slow_bytes += size * n;
	if (t->events->body(data, size * n, t->ctx))
		return size * n;
	t->is_refused_by_caller = true;
	return 0;
}

/* Whenever something has come, decoded or not. */
static int
progress_cb(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct transfer *t = ctx;

	(void)down_all, (void)up_all, (void)up;
	t->is_endless = down > 0 && (uint64_t)down > t->all->settings.max_input;
	return t->is_endless;
}

bool
transfer_answer_setup(struct transfer *t)
{
	CURL *easy = t->easy;

	return SET(easy, WRITEFUNCTION, body_cb) && SET(easy, WRITEDATA, t) &&
	       SET(easy, HEADERFUNCTION, head_cb) && SET(easy, HEADERDATA, t) &&
	       SET(easy, XFERINFOFUNCTION, progress_cb) && SET(easy, XFERINFODATA, t) &&
	       SET(easy, NOPROGRESS, 0L);
}
