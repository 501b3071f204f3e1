/*
 * json_raw.h - parts of a JSON text as they were sent, byte for byte: what is stored and shown
 * again keeps its numbers, which jansson would read as doubles. Pure.
 *
 * The text is JSON: json_text_load has taken it. Nothing here judges, and what is no JSON gives
 * some span within it, or none.
 */
#ifndef PLAZA_HTTP_JSON_RAW_H
#define PLAZA_HTTP_JSON_RAW_H

#include <stdbool.h>

#include "base/span.h"

/* The value of a member of an object; ptr NULL when there is none. The key is ASCII. */
struct span json_raw_member(struct span object, struct span key);

/*
 * The items of an array, one after the other: *rest is the array at first, and then what is left.
 * False at the end.
 */
bool json_raw_item(struct span *rest, struct span *item);

#endif
