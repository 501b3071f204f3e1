/*
 * prefer.h - what a client would like (RFC 7240): Prefer. Pure.
 */
#ifndef PLAZA_HTTP_PREFER_H
#define PLAZA_HTTP_PREFER_H

#include <stdbool.h>

#include "base/span.h"
#include "http/request.h"

/*
 * Whether a Prefer of the request has this preference, without a value: Prefer: atomic. Case does
 * not matter; what is unknown or malformed is passed over, as RFC 7240 section 2 wants it.
 */
bool prefer_has(const struct request *request, struct span name);

/*
 * The value of the first preference of this name: 10 of "Prefer: wait=10", without the quotes of
 * wait="10". False: there is none, or it has no value.
 */
bool prefer_value(const struct request *request, struct span name, struct span *value);

#endif
