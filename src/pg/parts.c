/*
 * parts.c - see parts.h. A request remembers the largest group that it may be in; that number falls
 * with each failure, so that there is an end.
 */
#include "pg/parts.h"

#include "pg/blame.h"

/* Who was in so many groups that failed by a lock is told so: it may be the whole table's. */
#define LOCKS_MAX 3

/* Request `i` shall be sent again. */
static void
take(struct landed *landed, unsigned i, unsigned group_max, struct request_list *again)
{
	struct lane_request *request = landed->request[i];

	landed->request[i] = NULL;
	if (!request)
		return;
	if (group_max < request->group_max)
		request->group_max = group_max;
	TAILQ_INSERT_TAIL(again, request, link);
}

/* Another connection may do: all once more, if that is new to one of them. */
static bool
is_new_to_session(const struct landed *landed)
{
	for (unsigned i = 0; i < landed->group.n; i++) {
		if (landed->request[i] && !landed->request[i]->was_stale)
			return true;
	}
	return false;
}

static void
take_stale(struct landed *landed, struct request_list *again)
{
	for (unsigned i = 0; i < landed->group.n; i++) {
		if (landed->request[i])
			landed->request[i]->was_stale = true;
		take(landed, i, LANE_BATCH_MAX, again);
	}
}

/* Who is to blame alone, and last; or, when nobody knows, each half for itself. */
static void
take_parts(struct landed *landed, struct request_list *again)
{
	const unsigned n = landed->group.n, half = n / 2;
	const unsigned failed = landed->group.kind->deal ? BATCH_NOBODY : landed->group.failed_at;

	for (unsigned i = 0; i < n; i++) {
		if (failed == BATCH_NOBODY)
			take(landed, i, i < half ? half : n - half, again);
		else if (i != failed)
			take(landed, i, i < failed ? failed : n - failed - 1, again);
	}
	if (failed != BATCH_NOBODY)
		take(landed, failed, 1, again);
}

/*
 * One query waited in vain. It had its time, and so would those have that wait for the same row;
 * the others go on without them, until it looks as if all waited for the same.
 */
static void
take_unblocked(struct landed *landed, struct request_list *again)
{
	const struct group *group = &landed->group;
	const unsigned failed = group->failed_at;
	const struct lane_request *blocked =
	    group->kind->is_sorted ? landed->request[failed] : NULL;

	for (unsigned i = 0; i < group->n; i++) {
		struct lane_request *r = landed->request[i];
		if (!r || i == failed || (blocked && r->order == blocked->order))
			continue;
		if (++r->n_locks < LOCKS_MAX)
			take(landed, i, i < failed ? failed : group->n - failed - 1, again);
	}
}

/* The same when nobody knows which: one half may do better, and then it is enough. */
static void
take_halves_once(struct landed *landed, struct request_list *again)
{
	const unsigned n = landed->group.n, half = n / 2;

	for (unsigned i = 0; i < n; i++) {
		struct lane_request *r = landed->request[i];
		if (!r || r->n_locks)
			continue;
		r->n_locks = LOCKS_MAX;
		take(landed, i, i < half ? half : n - half, again);
	}
}

enum parts
parts_failed(struct landed *landed, struct request_list *again)
{
	const struct group *group = &landed->group;
	const bool is_known = !group->kind->deal && group->failed_at != BATCH_NOBODY;
	const enum blame blame = blame_of(group->error);

	if (blame == BLAME_SESSION && is_new_to_session(landed)) {
		take_stale(landed, again);
		return PARTS_ELSEWHERE;
	}
	if (group->n < 2)
		return PARTS_HERE;
	if (blame == BLAME_SESSION || blame == BLAME_SOMEONE)
		take_parts(landed, again);
	else if (is_known && (blame == BLAME_LOCK || blame == BLAME_TIME))
		take_unblocked(landed, again);
	else if (blame == BLAME_LOCK)
		take_halves_once(landed, again);
	return PARTS_HERE;
}

void
parts_lost(struct landed *landed, bool is_unknown, struct request_list *again)
{
	for (unsigned i = 0; i < landed->group.n; i++) {
		struct lane_request *r = landed->request[i];
		if (!r || r->was_lost || (is_unknown && !r->is_decided))
			continue;
		r->was_lost = true;
		r->is_unknown |= is_unknown;
		take(landed, i, LANE_BATCH_MAX, again);
	}
}
