/*
 * mistakes.h - what is wrong with a JSON value or a query that a client sent: each mistake with its
 * JSON pointer (RFC 6901), or the name of its parameter, as exchange_problem takes them. Pure, no
 * allocation.
 *
 *   struct mistakes m;
 *   mistakes_init(&m);
 *   const size_t place = mistakes_enter(&m, SPAN_LIT("urls"));
 *   mistakes_add(&m, "must be a list of 1 to %d URLs", URLS_MAX);       // at /urls
 *   mistakes_leave(&m, place);
 */
#ifndef PLAZA_HTTP_MISTAKES_H
#define PLAZA_HTTP_MISTAKES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "http/problem.h"

/* Enough for every member of a thing and a few that it does not have; the last one says "and there
 * is more". */
#define MISTAKES_MAX 16
/* Bytes of a pointer. A key that does not fit, or is longer than MISTAKES_KEY_MAX, is left out: the
 * pointer is then that of what it is in. */
#define MISTAKES_POINTER_SIZE 400
#define MISTAKES_KEY_MAX      120
#define MISTAKES_DETAIL_SIZE  240

struct mistakes {
	size_t n;
	/* problem type of what is more than a form error, a literal; NULL: "validation" */
	const char *type;
	size_t place_len; /* the pointer of what is being looked at */
	char place[MISTAKES_POINTER_SIZE];
	struct problem_error error[MISTAKES_MAX]; /* point into the two below: do not copy it */
	char pointer[MISTAKES_MAX][MISTAKES_POINTER_SIZE]; /* or the parameter */
	char detail[MISTAKES_MAX][MISTAKES_DETAIL_SIZE];
};

void mistakes_init(struct mistakes *m);

/* Into a member or an item; mistakes_leave with what they return goes back. */
size_t mistakes_enter(struct mistakes *m, struct span key);
size_t mistakes_enter_item(struct mistakes *m, size_t i);
void mistakes_leave(struct mistakes *m, size_t place);

/* At the present place: what it must be. Untrusted bytes have no place in `fmt`'s values but as
 * UTF-8; a detail is cut at its size, between characters. */
void mistakes_add(struct mistakes *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a member. */
void mistakes_add_key(struct mistakes *m, struct span key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Of a query; a name is cut at MISTAKES_KEY_MAX. */
void mistakes_add_parameter(struct mistakes *m, struct span name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
