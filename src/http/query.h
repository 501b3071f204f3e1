/*
 * query.h - the query of a request taken apart: name=value pairs with '&' between them. Pure.
 *
 * The caller says which names there are. Names and values are percent-decoded (RFC 3986 2.1); a '+'
 * is a '+': that it is a blank is the rule of forms, which nobody sends here. Empty pairs, as in
 * "a=1&&b=2", are passed over; a name without '=' has the empty value.
 */
#ifndef PLAZA_HTTP_QUERY_H
#define PLAZA_HTTP_QUERY_H

#include <stddef.h>

#include "base/span.h"

/* Bytes of a value, decoded: numbers, words. */
#define QUERY_VALUE_MAX 64
/* And of one that the caller brings room for: names, cursors. */
#define QUERY_LONG_MAX 2048

enum query_state {
	QUERY_ABSENT,
	QUERY_GIVEN,
	QUERY_TWICE,   /* or more often: `value` is the first one */
	QUERY_TOO_LONG /* or an escape in it is none; `value` is not set */
};

struct query_param {
	/* the caller's: its name, and room for a value if it shall be longer than `text` is */
	const char *name;
	char *room; /* or NULL */
	size_t room_size;
	/* query_read's */
	enum query_state state;
	size_t len;
	char text[QUERY_VALUE_MAX];
};

/*
 * Fills params[0..n). Returns the first name that is none of theirs, as it was sent, in `query`;
 * ptr is NULL if there is none.
 */
struct span query_read(struct span query, struct query_param *params, size_t n);

/*
 * For whoever names each mistake: the next such name in what is left of the query, and takes off
 * what it has looked at.
 */
struct span query_unknown(struct span *rest, const struct query_param *params, size_t n);

/* The value of one that is GIVEN. */
static inline struct span
query_value(const struct query_param *param)
{
	return span_from(param->room ? param->room : param->text, param->len);
}

#endif
