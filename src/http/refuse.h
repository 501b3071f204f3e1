/*
 * refuse.h - refusals that several features give in the same words. Each of these is the answer,
 * unless it says something else.
 */
#ifndef PLAZA_HTTP_REFUSE_H
#define PLAZA_HTTP_REFUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/exchange.h"
#include "http/mistakes.h"
#include "http/problem.h"

/* 503 for want of memory, logged as of `who`: "store". */
void refuse_no_memory(struct exchange *x, const char *who);

/* 406: Accept takes nothing of `types`, the list of them in words. */
void refuse_types(struct exchange *x, const char *types);
/* Whether Accept takes JSON. False: it has been told, by 406. */
bool refuse_unless_json(struct exchange *x);

/* 400 with every mistake of a query, of which there is one at least. */
void refuse_query(struct exchange *x, const struct mistakes *mistakes, const char *hint);

/* What a database made of a request: with Server-Timing, and with Retry-After unless that is 0. The
 * fields of `problem` are not looked at. */
void refuse_timed(struct exchange *x, const struct problem *problem, unsigned retry_after_s,
		  uint64_t waited_us, uint64_t took_us);

#endif
