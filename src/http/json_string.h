/*
 * json_string.h - text as a string of JSON. Pure.
 */
#ifndef PLAZA_HTTP_JSON_STRING_H
#define PLAZA_HTTP_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"

/* The most that `len` bytes can become. */
#define JSON_STRING_ROOM(len) (6 * (len) + 2)

/* With its quotes, and what RFC 8259 section 7 wants escaped. False as buffer_reserve. */
bool json_string_append(struct buffer *out, struct span s, size_t max)
    __attribute__((warn_unused_result));

/* The same into room for JSON_STRING_ROOM(s.len); returns where it ends. */
char *json_string_put(char *p, struct span s);

#endif
