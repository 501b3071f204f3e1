/*
 * judge.h - whether the request in hand gets to its handler.
 */
#ifndef PLAZA_HTTP_JUDGE_H
#define PLAZA_HTTP_JUDGE_H

#include <stdbool.h>

#include "http/exchange_internal.h"

/*
 * Judges the head in door->request. False: it has been answered. True: a handler wants it;
 * body_limit is set.
 */
bool judge_accepts(struct exchange *x);

/*
 * More of a body has come than its route takes: 413. `has_more`: its end is still to come, and is
 * dropped.
 */
void judge_refuse_body(struct exchange *x, bool has_more);

/*
 * The route of a request that was accepted before, whose head has been parsed again. What it wishes
 * has been kept since (exchange_keep).
 */
void judge_route_again(struct exchange *x);

/* The rest of a request that was accepted will not come: answers, and then it is over. */
void judge_give_up(struct exchange *x, int status, const char *message, const char *fields);

/*
 * The same for one whose head is wrong, or not over, as far as it has come, with the parser's
 * state. `head` is empty if nothing has.
 */
void judge_refuse_head(struct exchange *x, const struct request_parser *parser, struct span head,
		       int status, const char *message, const char *fields);

#endif
