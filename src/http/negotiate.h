/*
 * negotiate.h - what a request accepts (RFC 9110 12): media types, the form of error answers,
 * gzip. Pure functions over a parsed request; without the field they cost one load.
 *
 * A malformed element of a list is skipped, never an error; a list that has nothing else counts as
 * none. Several fields are one list (RFC 9110 5.3).
 */
#ifndef PLAZA_HTTP_NEGOTIATE_H
#define PLAZA_HTTP_NEGOTIATE_H

#include <stdbool.h>

#include "base/span.h"
#include "http/request.h"

#define QUALITY_MAX 1000 /* "q=1": a quality is in thousandths */

struct quality {
	unsigned q;       /* 0: not acceptable */
	bool is_explicit; /* the type itself is in Accept, not a range with '*' around it */
};

/*
 * What Accept says of `type`, as in SPAN_LIT("application/json"): the most specific range decides,
 * the better one of two that are equally so. All that we answer is UTF-8: a range may have
 * "charset=utf-8", while one with any other parameter is for something that we do not have.
 */
struct quality negotiate_media(const struct request *request, struct span type);

/* How errors are told. */
enum error_form {
	ERROR_TEXT,   /* text/plain */
	ERROR_PROBLEM /* application/problem+json */
};

/*
 * `form`, unless Accept names the other one (application/problem+json or application/json;
 * text/plain), and with a higher quality than it gives `form` by any range; or names HTML, and
 * takes no JSON.
 */
enum error_form negotiate_error_form(const struct request *request, enum error_form form);

/*
 * Whether an answer may be coded by gzip (RFC 9110 12.5.3): Accept-Encoding takes it, and does not
 * like "identity" better. Without the field it may not: clients that can say so.
 */
bool negotiate_gzip(const struct request *request);

#endif
