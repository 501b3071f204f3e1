/*
 * position.h - positions and numbers as clients write them. Pure.
 */
#ifndef PLAZA_HUB_POSITION_H
#define PLAZA_HUB_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* The largest number that JSON carries exactly everywhere (RFC 8259 section 6). */
#define POSITION_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* An epoch: 1 to 16 hexadecimal digits, in either case. */
bool position_read_epoch(struct span text, uint64_t *epoch);

/* A seq, a count: decimal digits alone, at most POSITION_NUMBER_MAX. */
bool position_read_number(struct span text, uint64_t *number);

/* "<epoch>:<seq>", as ?since=, Last-Event-ID and the `id` of an event have it. */
bool position_read(struct span text, uint64_t *epoch, uint64_t *seq);

#endif
