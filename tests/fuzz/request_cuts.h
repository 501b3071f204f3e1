/*
 * request_cuts.h - the promise of http/request.h that the same bytes give the same result however
 * they are cut, as one function for the unit test and the fuzzer.
 */
#ifndef PLAZA_TESTS_REQUEST_CUTS_H
#define PLAZA_TESTS_REQUEST_CUTS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "http/request.h"

struct cut_result {
	char *data; /* a block of exactly the bytes that were parsed, for the sanitizer */
	size_t len; /* of them that count */
	enum request_status status;
	struct request_parser parser;
	struct request request;
	size_t head_len;
};

static inline bool
cut_same_span(struct span a, const char *a_data, struct span b, const char *b_data)
{
	if (a.ptr == NULL || b.ptr == NULL)
		return a.ptr == b.ptr && a.len == b.len;
	return a.ptr - a_data == b.ptr - b_data && a.len == b.len;
}

/* The one span that may point elsewhere: "*" for OPTIONS of a URI without a path. */
static inline bool
cut_same_path(const struct cut_result *x, const struct cut_result *y)
{
	struct span a = x->request.path, b = y->request.path;

	return cut_same_span(a, x->data, b, y->data) ||
	       (span_eq(a, SPAN_LIT("*")) && span_eq(b, SPAN_LIT("*")));
}

static inline bool
cut_same_request(const struct cut_result *x, const struct cut_result *y)
{
	const struct request *a = &x->request, *b = &y->request;

	if (a->method != b->method || a->version_minor != b->version_minor || a->body != b->body ||
	    a->content_length != b->content_length || a->keep_alive != b->keep_alive ||
	    a->expects_continue != b->expects_continue ||
	    a->connection_upgrade != b->connection_upgrade || a->n_fields != b->n_fields ||
	    !cut_same_span(a->target, x->data, b->target, y->data) || !cut_same_path(x, y) ||
	    !cut_same_span(a->query, x->data, b->query, y->data) ||
	    !cut_same_span(a->host, x->data, b->host, y->data) ||
	    !cut_same_span(a->host_parts.name, x->data, b->host_parts.name, y->data) ||
	    a->host_parts.has_port != b->host_parts.has_port ||
	    a->host_parts.port != b->host_parts.port)
		return false;
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		const enum http_field id = (enum http_field)i;

		if (a->times[i] != b->times[i] ||
		    !cut_same_span(request_first(a, id), x->data, request_first(b, id), y->data))
			return false;
	}
	for (size_t i = 0; i < a->n_fields; i++)
		if (a->field[i].id != b->field[i].id ||
		    !cut_same_span(a->field[i].name, x->data, b->field[i].name, y->data) ||
		    !cut_same_span(a->field[i].value, x->data, b->field[i].value, y->data))
			return false;
	return true;
}

/* What can be told of a head that is not whole. */
static inline bool
cut_same_peek(const struct cut_result *x, const struct cut_result *y)
{
	static struct request a, b;

	request_peek(&x->parser, x->data, x->len, &a);
	request_peek(&y->parser, y->data, y->len, &b);
	if (a.method != b.method || !span_eq(a.path, b.path) || a.n_fields != b.n_fields)
		return false;
	for (size_t i = 0; i < a.n_fields; i++)
		if (a.field[i].id != b.field[i].id || !span_eq(a.field[i].name, b.field[i].name) ||
		    !span_eq(a.field[i].value, b.field[i].value))
			return false;
	return true;
}

static inline bool
cut_same(const struct cut_result *x, const struct cut_result *y)
{
	if (x->status != y->status)
		return false;
	if (x->status == REQUEST_BAD)
		return x->parser.error_status == y->parser.error_status &&
		       strcmp(x->parser.error_message, y->parser.error_message) == 0 &&
		       cut_same_peek(x, y);
	if (x->status == REQUEST_COMPLETE)
		return x->head_len == y->head_len && cut_same_request(x, y);
	return cut_same_peek(x, y);
}

/* One more call with the first `len` bytes, in memory of their own. */
static inline void
cut_parse(struct cut_result *r, const char *data, size_t len, size_t max)
{
	free(r->data);
	r->data = malloc(len ? len : 1);
	if (r->data == NULL)
		abort();
	if (len)
		memcpy(r->data, data, len);
	r->len = len < max ? len : max;
	r->status = request_parse(&r->parser, r->data, len, max, &r->request, &r->head_len);
}

/*
 * Parses data[0..len) in pieces (their sizes in turn, none 0), and after each piece compares with a
 * parse of the same bytes at once. True if all were the same, and the last as for all of `data`.
 */
static inline bool
cut_agrees(const char *data, size_t len, size_t max, const size_t *piece, size_t n_pieces)
{
	static struct cut_result cut, whole;
	size_t at = 0, n = 0;
	bool same = true;

	memset(&cut.parser, 0, sizeof(cut.parser));
	do {
		at += piece[n] < len - at ? piece[n] : len - at;
		n = (n + 1) % n_pieces;
		cut_parse(&cut, data, at, max);
		memset(&whole.parser, 0, sizeof(whole.parser));
		cut_parse(&whole, data, at, max);
		same = cut_same(&cut, &whole);
	} while (same && at < len && cut.status == REQUEST_INCOMPLETE);
	if (same) {
		memset(&whole.parser, 0, sizeof(whole.parser));
		cut_parse(&whole, data, len, max);
		same = cut_same(&cut, &whole);
	}
	free(cut.data);
	free(whole.data);
	cut.data = whole.data = NULL;
	return same;
}

#endif
