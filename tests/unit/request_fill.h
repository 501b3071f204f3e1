/*
 * request_fill.h - requests for tests that come from no parser.
 */
#ifndef PLAZA_TESTS_UNIT_REQUEST_FILL_H
#define PLAZA_TESTS_UNIT_REQUEST_FILL_H

#include "http/request.h"

/* The known field comes once, with this value, in a place of its own; again: with another one. */
static inline void
request_fill(struct request *request, enum http_field id, struct span value)
{
	request->times[id] = 1;
	request->first[id] = (uint8_t)id;
	request->field[id] = (struct request_field){id, SPAN_LIT("Name"), value};
}

#endif
