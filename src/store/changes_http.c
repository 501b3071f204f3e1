/*
 * changes_http.c - GET /api/products/changes?since=&limit=: what has changed after a seq, without
 * gaps, in the one order of all readers.
 *
 * "next" can always be asked for next: it is the last change that was given out, else `since`. It
 * is never the horizon, which another host may not have come to. It names the change by its seq and
 * its mark (changes.h); the seq alone, as the room has it, is taken as well.
 */
#include "store/changes_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/problem.h"
#include "http/query.h"
#include "http/query_mistakes.h"
#include "http/refuse.h"
#include "http/server_timing.h"
#include "store/changes.h"
#include "store/feed.h"
#include "store/product_reply.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define RESYNC_HINT   "Ask for since=now, read all products anew, and go on from that \"next\"."
/* a seq, a dot and a mark */
#define NEXT_SIZE (24 + CHANGES_MARK_MAX)

/* One request; from the oldest that is kept when it says nothing of since. */
struct reading {
	struct exchange *x;
	bool has_since;
	bool is_now; /* then `since` is the horizon */
	int64_t since;
	char mark[CHANGES_MARK_MAX + 1]; /* empty: there is none */
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
parse_mark(struct span s, char mark[CHANGES_MARK_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";

	if (s.len < 1 || s.len > CHANGES_MARK_MAX)
		return false;
	memcpy(mark, s.ptr, s.len);
	mark[s.len] = '\0';
	return strspn(mark, digits) == s.len;
}

/* now, 17 or 17.62781ac04d1f0 */
static bool
parse_since(struct span s, struct reading *r)
{
	const char *dot = memchr(s.ptr, '.', s.len);
	const size_t len = dot ? (size_t)(dot - s.ptr) : s.len;

	r->has_since = true;
	r->is_now = span_eq(s, SPAN_LIT("now"));
	if (r->is_now)
		return true;
	return parse_number(span_from(s.ptr, len), &r->since) &&
	       (!dot || parse_mark(span_from(dot + 1, s.len - len - 1), r->mark));
}

static bool
parse_limit(struct span s, struct reading *r)
{
	return parse_number(s, &r->limit) && r->limit >= 1 && r->limit <= LIMIT_MAX;
}

/* False with every mistake. */
static bool
parse(struct span query, struct reading *r, struct mistakes *mistakes)
{
	struct query_param params[] = {{.name = "since"}, {.name = "limit"}};
	const struct query_param *since = &params[0], *limit = &params[1];

	mistakes_init(mistakes);
	query_read(query, params, 2);
	r->limit = LIMIT_DEFAULT;
	if (since->state != QUERY_ABSENT &&
	    (since->state != QUERY_GIVEN || !parse_since(query_value(since), r)))
		query_mistakes_add(
		    mistakes, since,
		    "must be the \"next\" of an earlier answer, the seq of a change, "
		    "0, or now, given once");
	if (limit->state != QUERY_ABSENT &&
	    (limit->state != QUERY_GIVEN || !parse_limit(query_value(limit), r)))
		query_mistakes_add(mistakes, limit, "must be a number from 1 to 1000, given once");
	query_mistakes_add_unknown(mistakes, query, params, 2);
	return mistakes->n == 0;
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
	char detail[200];

	snprintf(detail, sizeof(detail),
		 "not all changes after this one are kept any more (store.change_retention); the "
		 "oldest since that can be asked for is %" PRId64,
		 pruned);
	exchange_problem(x, &(struct problem){
				.status = 410,
				.type = "changes-pruned",
				.title = "These changes are not kept any more",
				.detail = detail,
				.hint = RESYNC_HINT,
			    });
}

static void
reply_lost(struct exchange *x, int64_t since)
{
	char detail[200];

	snprintf(detail, sizeof(detail),
		 "the database does not have the change %" PRId64 " that was told: it is an older "
		 "copy, such as a standby that was behind when it took over, or a backup",
		 since);
	exchange_problem(x, &(struct problem){
				.status = 410,
				.type = "changes-lost",
				.title = "The database has lost changes",
				.detail = detail,
				.hint = RESYNC_HINT,
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

/* `mark` may be empty. */
static void
write_next(char next[NEXT_SIZE], int64_t seq, struct span mark)
{
	snprintf(next, NEXT_SIZE, "%" PRId64 "%s%.*s", seq, mark.len ? "." : "", (int)mark.len,
		 mark.ptr);
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
	return ok && buffer_printf(body, PRODUCT_REPLY_MAX, "],\"next\":\"%s\"}", next);
}

static void
reply_page(struct exchange *x, const struct products_answer *answer, size_t n, const char *next)
{
	char timing[SERVER_TIMING_SIZE] = "";
	struct buffer body = {0};

	server_timing_put(timing, answer->waited_us, answer->took_us);
	if (write_page(&body, answer, n, next))
		product_reply_json(x, 200, &body, timing);
	else
		product_reply_no_memory(x);
	buffer_fini(&body);
}

static bool
is_true(struct span s)
{
	return span_eq(s, SPAN_LIT("t"));
}

/*
 * Whether the change that the client had last is none of this log. A standby may only be behind;
 * and below what is pruned nobody knows.
 */
static bool
is_lost(const struct reading *r, const struct products_answer *answer, int64_t pruned)
{
	const struct span mark = cell(answer, 0, CHANGES_SINCE);

	if (r->since <= pruned)
		return false;
	if (mark.len)
		return r->mark[0] && !span_eq(mark, span_str(r->mark));
	return is_true(cell(answer, 0, CHANGES_WHOLE)) &&
	       (r->mark[0] || is_true(cell(answer, 0, CHANGES_SHORT)));
}

static void
reply_changes(const struct reading *r, const struct products_answer *answer, int64_t pruned)
{
	const size_t n = cell(answer, 0, CHANGES_SEQ).len ? answer->n : 0;
	const struct span mark = cell(answer, 0, CHANGES_SINCE);
	char next[NEXT_SIZE];

	if (n > 0)
		write_next(next, strtoll(cell(answer, n - 1, CHANGES_SEQ).ptr, NULL, 10),
			   cell(answer, n - 1, CHANGES_MARK));
	else if (!r->has_since)
		write_next(next, pruned, span_from("", 0));
	else
		write_next(next, r->since, mark.len ? mark : span_str(r->mark));
	reply_page(r->x, answer, n, next);
}

static void
read_done(const struct products_answer *answer, void *ctx)
{
	struct reading *r = ctx;
	int64_t pruned = 0;
	bool lost = false;

	if (answer->outcome == PRODUCTS_OK && answer->n > 0) {
		pruned = strtoll(cell(answer, 0, CHANGES_PRUNED).ptr, NULL, 10);
		lost = is_lost(r, answer, pruned);
	}
	if (answer->outcome != PRODUCTS_OK || answer->n == 0)
		product_reply_trouble(r->x, answer);
	else if (!is_true(cell(answer, 0, CHANGES_LOG)) || (r->is_now && lost))
		/* the feed of this host is that of another database, until it has been there */
		reply_not_ready(r->x);
	else if (lost)
		reply_lost(r->x, r->since);
	else if (r->has_since && r->since < pruned)
		reply_pruned(r->x, pruned);
	else
		reply_changes(r, answer, pruned);
	free(r);
}

static void
begin(struct exchange *x, const struct products *products, const struct reading *wanted)
{
	struct feed_place place;
	struct reading *r;

	if (!products->feed || !feed_place(products->feed, &place)) {
		reply_not_ready(x);
		return;
	}
	r = malloc(sizeof(*r));
	if (!r) {
		product_reply_no_memory(x);
		return;
	}
	*r = *wanted;
	if (r->is_now) {
		r->since = (int64_t)place.settled;
		r->limit = 0;
	}
	changes_read(products, &place, r->since, (uint32_t)r->limit, read_done, r);
}

void
changes_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct reading r = {.x = x};
	struct mistakes mistakes;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	if (!parse(exchange_request(x)->query, &r, &mistakes))
		product_reply_bad_query(x, &mistakes, "/changes?since=now");
	else if (refuse_unless_json(x))
		begin(x, products, &r);
}
