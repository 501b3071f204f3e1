/*
 * route_text.h - methods and routes told to people: in Allow fields, and in the list of what there
 * is that comes with a 404. Pure.
 */
#ifndef PLAZA_HTTP_ROUTE_TEXT_H
#define PLAZA_HTTP_ROUTE_TEXT_H

#include <stddef.h>

#include "http/route.h"

/* Enough for all methods there are. */
#define METHODS_TEXT_SIZE 80

/* "GET, HEAD, OPTIONS" for HTTP_METHOD_BIT()s. Returns `out`. */
const char *methods_text(unsigned methods, char out[METHODS_TEXT_SIZE]);

/*
 * One line about a route: "GET /chat/{room} (WebSocket)". Cut at `size`, which is not 0, and
 * terminated; returns its length.
 */
size_t route_text(const struct route *route, char *out, size_t size);

#endif
