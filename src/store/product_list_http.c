/*
 * product_list_http.c - GET /api/products: a page.
 */
#include "store/product_list_http.h"

#include <stdint.h>
#include <stdlib.h>

#include "http/problem.h"
#include "http/query.h"
#include "store/cursor.h"
#include "store/product_json.h"
#include "store/product_reply.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

struct page {
	int64_t after;
	uint32_t limit;
};

static bool
parse_limit(struct span s, uint32_t *limit)
{
	int64_t value;

	if (!product_parse_id(s, &value) || value > LIMIT_MAX)
		return false;
	*limit = (uint32_t)value;
	return true;
}

static const char limit_error[] = "limit must be a number from 1 to 1000, given once";
static const char after_error[] = "after must be the \"next\" of an earlier page, given once";
static const char other_error[] = "unknown parameter; limit and after are accepted";

/* Every mistake once. */
static size_t
parse_page(struct span query, struct page *page, struct problem_error errors[3])
{
	struct query_param params[] = {{.name = "limit"}, {.name = "after"}};
	const struct query_param *limit = &params[0], *after = &params[1];
	struct cursor cursor;
	size_t n = 0;

	*page = (struct page){.after = INT64_MIN, .limit = LIMIT_DEFAULT};
	const bool has_other = query_read(query, params, 2).ptr != NULL;
	if (limit->state != QUERY_ABSENT &&
	    (limit->state != QUERY_GIVEN || !parse_limit(query_value(limit), &page->limit)))
		errors[n++].detail = limit_error;
	if (after->state != QUERY_ABSENT &&
	    (after->state != QUERY_GIVEN || !cursor_read(query_value(after), &cursor) ||
	     cursor.sort != SORT_ID))
		errors[n++].detail = after_error;
	else if (after->state == QUERY_GIVEN)
		page->after = cursor.id;
	if (has_other)
		errors[n++].detail = other_error;
	return n;
}

/* The last row's id; the column may be wider than ours in a table that was there before us. */
static int64_t
last_id(const struct products_answer *answer)
{
	return strtoll(products_row(answer, answer->n - 1).id.ptr, NULL, 10);
}

static bool
write_page(struct buffer *body, const struct products_answer *answer)
{
	bool ok = buffer_append(body, "{\"items\":[", 10, PRODUCT_REPLY_MAX);
	char next[CURSOR_TEXT_SIZE];

	for (size_t i = 0; ok && i < answer->n; i++) {
		const struct product product = products_row(answer, i);
		ok = (i == 0 || buffer_append(body, ",", 1, PRODUCT_REPLY_MAX)) &&
		     product_write(body, &product, PRODUCT_REPLY_MAX);
	}
	if (!ok || !answer->more)
		return ok && buffer_append(body, "],\"next\":null}", 14, PRODUCT_REPLY_MAX);
	cursor_write(&(struct cursor){.sort = SORT_ID, .id = last_id(answer)}, next);
	return buffer_printf(body, PRODUCT_REPLY_MAX, "],\"next\":\"%s\"}", next);
}

static void
list_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;
	struct buffer body;

	if (answer->outcome != PRODUCTS_OK) {
		product_reply_trouble(x, answer);
		return;
	}
	buffer_init(&body);
	if (write_page(&body, answer))
		product_reply_json(x, 200, &body, NULL);
	else
		product_reply_no_memory(x);
	buffer_fini(&body);
}

void
product_list_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct problem_error errors[3] = {0};
	struct page page;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	size_t n = parse_page(exchange_request(x)->query, &page, errors);
	if (n)
		exchange_problem(x, &(struct problem){
					.status = 400,
					.type = "bad-parameter",
					.title = "The query is not accepted",
					.detail = errors[0].detail,
					.hint = "For instance " PRODUCTS_PATH
						"?limit=10; in a shell, put "
						"the URL into quotes.",
					.errors = errors,
					.n_errors = n,
				    });
	else
		products_list(products, page.after, page.limit, list_done, x);
}
