/*
 * changes_http.c - GET /api/products/changes?since=&limit=: what has changed after a seq, without
 * gaps, in the one order of all readers.
 *
 * "next" can always be asked for next: it is the last change that was given out, else `since`. It
 * is never the horizon, which another host may not have come to.
 */
#include "store/changes_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/problem.h"
#include "http/query.h"
#include "http/server_timing.h"
#include "store/changes.h"
#include "store/feed.h"
#include "store/product_reply.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
/* of the text that names a parameter which is none */
#define UNKNOWN_SIZE 120

/* One request; from the oldest that is kept when it says nothing of since. */
struct reading {
	struct exchange *x;
	bool has_since;
	bool is_now;
	int64_t since;
	int64_t limit;
};

/* ---- what is asked for ---- */

/* Canonical decimal, up to 2^63 - 1. */
static bool
parse_number(struct span s, int64_t *number)
{
	uint64_t value = 0;

	if (s.len < 1 || s.len > 19 || (s.len > 1 && s.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(s.ptr[i] - '0');
	}
	*number = (int64_t)value;
	return value <= INT64_MAX;
}

static bool
parse_since(struct span s, struct reading *r)
{
	r->has_since = true;
	r->is_now = span_eq(s, SPAN_LIT("now"));
	return r->is_now || parse_number(s, &r->since);
}

static bool
parse_limit(struct span s, struct reading *r)
{
	return parse_number(s, &r->limit) && r->limit >= 1 && r->limit <= LIMIT_MAX;
}

/* Every mistake once; `unknown` is where the last one is written. */
static size_t
parse(struct span query, struct reading *r, struct problem_error errors[3],
      char unknown[UNKNOWN_SIZE])
{
	struct query_param params[] = {{.name = "since"}, {.name = "limit"}};
	const struct query_param *since = &params[0], *limit = &params[1];
	size_t n = 0;

	const struct span other = query_read(query, params, 2);
	r->limit = LIMIT_DEFAULT;
	if (since->state != QUERY_ABSENT &&
	    (since->state != QUERY_GIVEN || !parse_since(query_value(since), r)))
		errors[n++].detail = "since must be the \"next\" of an earlier answer, a number "
				     "from 0 to 9223372036854775807, or now, given once";
	if (limit->state != QUERY_ABSENT &&
	    (limit->state != QUERY_GIVEN || !parse_limit(query_value(limit), r)))
		errors[n++].detail = "limit must be a number from 1 to 1000, given once";
	if (other.ptr) {
		snprintf(unknown, UNKNOWN_SIZE,
			 "\"%.*s%s\" is not a parameter here; since and limit are accepted",
			 other.len < 40 ? (int)other.len : 40, other.ptr,
			 other.len > 40 ? ".." : "");
		errors[n++].detail = unknown;
	}
	return n;
}

static void
reply_bad_query(struct exchange *x, const struct problem_error *errors, size_t n)
{
	exchange_problem(x, &(struct problem){
				.status = 400,
				.type = "bad-parameter",
				.title = "The query is not accepted",
				.detail = errors[0].detail,
				.hint = "For instance " PRODUCTS_PATH "/changes?since=now; in a "
					"shell, put the URL into quotes.",
				.errors = errors,
				.n_errors = n,
			    });
}

static void
reply_not_ready(struct exchange *x)
{
	exchange_problem(x,
			 &(struct problem){
			     .status = 503,
			     .type = "feed-starting",
			     .title = "The change feed is not ready yet",
			     .detail = "no worker of this server has read the log of changes yet",
			     .hint = "Try again after Retry-After seconds; all else works.",
			     .fields = "Retry-After: 1\r\n",
			 });
}

static void
reply_pruned(struct exchange *x, int64_t pruned)
{
	char detail[160];

	snprintf(detail, sizeof(detail),
		 "not all changes after this one are kept any more (store.change_retention); the "
		 "oldest since that can be asked for is %" PRId64,
		 pruned);
	exchange_problem(x, &(struct problem){
				.status = 410,
				.type = "changes-pruned",
				.title = "These changes are not kept any more",
				.detail = detail,
				.hint = "Ask for since=now, read all products anew, and go on from "
					"that \"next\".",
			    });
}

/* ---- the answer ---- */

static struct span
cell(const struct products_answer *answer, size_t i, enum changes_column column)
{
	const int row = answer->row + (int)i;

	return span_from(PQgetvalue(answer->result, row, (int)column),
			 (size_t)PQgetlength(answer->result, row, (int)column));
}

/* Changes of rows [0, n) and where to go on from. */
static bool
write_page(struct buffer *body, const struct products_answer *answer, size_t n, const char *next)
{
	bool ok = buffer_append(body, "{\"changes\":[", 12, PRODUCT_REPLY_MAX);

	for (size_t i = 0; ok && i < n; i++) {
		char change[1 + FEED_CHANGE_SIZE] = ",";
		const size_t len = feed_write_change(
		    change + 1, cell(answer, i, CHANGES_SEQ), cell(answer, i, CHANGES_OP).ptr[0],
		    cell(answer, i, CHANGES_ID), cell(answer, i, CHANGES_VERSION));

		ok = buffer_append(body, change + (i == 0), len + (i != 0), PRODUCT_REPLY_MAX);
	}
	return ok && buffer_printf(body, PRODUCT_REPLY_MAX, "],\"next\":%s}", next);
}

static void
reply_page(struct exchange *x, const struct products_answer *answer, size_t n, const char *next)
{
	char timing[SERVER_TIMING_SIZE] = "";
	struct buffer body = {0};

	if (answer)
		server_timing_put(timing, answer->waited_us, answer->took_us);
	if (write_page(&body, answer, n, next))
		product_reply_json(x, 200, &body, timing);
	else
		product_reply_no_memory(x);
	buffer_fini(&body);
}

static void
read_done(const struct products_answer *answer, void *ctx)
{
	struct reading *r = ctx;
	struct exchange *x = r->x;
	int64_t pruned = 0;
	size_t n = answer->n;
	char next[24];

	if (answer->outcome == PRODUCTS_OK && n > 0)
		pruned = strtoll(cell(answer, 0, CHANGES_PRUNED).ptr, NULL, 10);
	if (answer->outcome != PRODUCTS_OK || n == 0) {
		product_reply_trouble(x, answer);
	} else if (cell(answer, 0, CHANGES_LOG).ptr[0] != 't') {
		/* the feed of this host is that of another database, until it has been there */
		reply_not_ready(x);
	} else if (r->has_since && r->since < pruned) {
		reply_pruned(x, pruned);
	} else {
		if (cell(answer, 0, CHANGES_SEQ).len == 0)
			n = 0;
		if (n > 0)
			snprintf(next, sizeof(next), "%s", cell(answer, n - 1, CHANGES_SEQ).ptr);
		else
			snprintf(next, sizeof(next), "%" PRId64, r->has_since ? r->since : pruned);
		reply_page(x, answer, n, next);
	}
	free(r);
}

static void
begin(struct exchange *x, const struct products *products, const struct reading *wanted)
{
	struct feed_place place;
	struct reading *r;
	char next[24];

	if (!products->feed || !feed_place(products->feed, &place)) {
		reply_not_ready(x);
		return;
	}
	if (wanted->is_now) {
		snprintf(next, sizeof(next), "%" PRIu64, place.settled);
		reply_page(x, NULL, 0, next);
		return;
	}
	r = malloc(sizeof(*r));
	if (!r) {
		product_reply_no_memory(x);
		return;
	}
	*r = *wanted;
	changes_read(products, &place, r->since, (uint32_t)r->limit, read_done, r);
}

void
changes_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct problem_error errors[3] = {0};
	struct reading r = {.x = x};
	char unknown[UNKNOWN_SIZE];

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	const size_t n = parse(exchange_request(x)->query, &r, errors, unknown);
	if (n)
		reply_bad_query(x, errors, n);
	else if (product_accepts_json(x))
		begin(x, products, &r);
}
