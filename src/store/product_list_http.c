/*
 * product_list_http.c - GET /api/products: a page, and how many there are in all if that is asked.
 */
#include "store/product_list_http.h"

#include <stdlib.h>

#include "http/chars.h"
#include "http/problem.h"
#include "http/refuse.h"
#include "http/server_timing.h"
#include "store/product_reply.h"
#include "store/product_row.h"

/* The memory of the last page's body. */
#define SPARE_MAX ((size_t)256 << 10)
static struct buffer spare;

/* A page that has come to this ends, at its limit or not. */
#define PAGE_BYTES ((size_t)1 << 20)

/*
 * A page is asked for in parts, so that what libpq holds of it is bounded, too: rows may be of any
 * size, and one worker's parts are as long as the rows that it has seen of late allow. Of usual
 * rows a hundred come at once. Where they are followed by large ones that is found out once; for as
 * long as it is remembered, no more is asked for than what may come if all are so large.
 */
#define PART_BYTES     ((size_t)256 << 10)
#define PART_ROWS      128
#define PART_ROWS_1ST  16
#define PART_ROWS_GROW 8
#define PART_BYTES_MAX ((size_t)16 << 20)
/* a row as large as any is half forgotten after 44 parts */
#define FORGET(size) ((size) - (size) / 64)
static struct {
	uint32_t rows; /* of a part, the first of a page among them */
	size_t largest;
} seen = {.rows = PART_ROWS_1ST};

/* One page under way. */
struct page {
	struct exchange *x;
	const struct products *products;
	struct list_query list; /* of the part in hand */
	uint32_t limit, given;  /* rows of the page, and those in `body` */
	bool has_more;          /* there are rows past those */
	uint32_t allowed;       /* rows of the size of the last part's that a part may have */
	struct buffer body;     /* the page, to be closed when the count is there */
	struct buffer fields;
	uint64_t waited_us, took_us;
	size_t query_len;
	char query[]; /* as it was sent */
};

static void
page_free(struct page *page)
{
	/* most are answered before another one is written */
	if (!spare.data && page->body.cap <= SPARE_MAX) {
		spare = page->body;
		page->body = (struct buffer){0};
	}
	buffer_fini(&page->body);
	buffer_fini(&page->fields);
	free(page);
}

/* --- what cannot be answered --- */

bool
product_search_ready(struct exchange *x, const struct products *products,
		     const struct list_query *list)
{
	if (!list->has_search || !products->search_ready ||
	    products->search_ready(products->search_ctx))
		return true;
	exchange_problem(x, &(struct problem){
				.status = 503,
				.type = "index-building",
				.title = "The search is not ready yet",
				.detail = "the database still builds the index that q needs",
				.hint = "Try again after Retry-After seconds; all else works.",
				.fields = "Retry-After: 5\r\n",
			    });
	return false;
}

/* Which of the values it was, the database does not say. */
static void
reply_incomparable(struct exchange *x, const struct list_query *list)
{
	const struct {
		bool is_given;
		const char *name;
	} values[] = {
	    {list->has_name, "name"},           {list->has_search, "q"},
	    {list->has_price_gte, "price.gte"}, {list->has_price_lte, "price.lte"},
	    {list->has_after, "after"},
	};
	static const char detail[] =
	    "the database cannot compare products with these values: it has no such characters, "
	    "or no such numbers";
	struct mistakes mistakes;

	mistakes_init(&mistakes);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].is_given)
			mistakes_add_parameter(&mistakes, span_str(values[i].name),
					       "may be the one that cannot be compared");
	exchange_problem(x, &(struct problem){
				.status = 400,
				.type = "bad-parameter",
				.title = "The query is not accepted",
				.detail = detail,
				.errors = mistakes.error,
				.n_errors = mistakes.n,
			    });
}

void
product_reply_list_trouble(struct exchange *x, const struct products_answer *answer,
			   const struct list_query *list)
{
	if (answer->outcome == PRODUCTS_INVALID)
		reply_incomparable(x, list);
	else
		product_reply_trouble(x, answer);
}

/* --- the next page --- */

/* Where the row is in the order of the list. */
static void
set_cursor(struct cursor *cursor, enum list_sort sort, const struct product_columns *columns,
	   int row)
{
	const bool is_name = sort == SORT_NAME || sort == SORT_NAME_DOWN;
	const int column = is_name ? columns->name : columns->price;
	const struct span key =
	    is_name ? product_row_name(columns, row) : product_row_price(columns, row);

	cursor->sort = sort;
	cursor->id = strtoll(product_row_id(columns, row).ptr, NULL, 10);
	cursor->key[0] = '\0';
	if (sort == SORT_ID || sort == SORT_ID_DOWN) {
		cursor->kind = CURSOR_ID;
	} else if (PQgetisnull(columns->result, row, column)) {
		cursor->kind = CURSOR_NULL;
	} else if (key.len > CURSOR_KEY_MAX) {
		cursor->kind = CURSOR_LONG;
	} else {
		cursor->kind = CURSOR_VALUE;
		memcpy(cursor->key, key.ptr, key.len);
		cursor->key[key.len] = '\0';
	}
}

static bool
put(struct buffer *out, struct span s)
{
	return buffer_append(out, s.ptr, s.len, PRODUCT_REPLY_MAX);
}

/* One pair of the query, unless it is "after": that of the next page stands for it. */
static bool
write_pair(struct buffer *link, struct span pair, bool is_first)
{
	struct query_param after = {.name = "after"};

	query_read(pair, &after, 1);
	if (pair.len == 0 || after.state != QUERY_ABSENT)
		return true;
	if (!put(link, is_first ? SPAN_LIT("?") : SPAN_LIT("&")))
		return false;
	for (size_t i = 0; i < pair.len; i++) {
		const char c = pair.ptr[i];
		/* what cannot be in a query as it is cannot be in the field either */
		const bool ok = char_is(c, CHAR_QUERY) || c == '%'
				    ? buffer_append(link, &c, 1, SIZE_MAX / 4)
				    : buffer_printf(link, SIZE_MAX / 4, "%%%02X", (unsigned char)c);
		if (!ok)
			return false;
	}
	return true;
}

/* RFC 8288: the same query with another "after". */
static bool
write_link(struct buffer *link, struct span query, const char *after)
{
	bool ok = put(link, SPAN_LIT("Link: <" PRODUCTS_PATH));
	const size_t begin = link->len;

	while (ok && query.len) {
		const char *amp = memchr(query.ptr, '&', query.len);
		const size_t len = amp ? (size_t)(amp - query.ptr) : query.len;
		ok = write_pair(link, span_from(query.ptr, len), link->len == begin);
		query = span_from(query.ptr + len + (amp != NULL), query.len - len - (amp != NULL));
	}
	return ok && put(link, link->len == begin ? SPAN_LIT("?after=") : SPAN_LIT("&after=")) &&
	       put(link, span_str(after)) && put(link, SPAN_LIT(">; rel=\"next\"\r\n"));
}

/* --- the page --- */

static size_t
min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What the rows of a part tell of the next ones: how many there were, and their bytes. */
static void
learn(struct page *page, size_t n, size_t bytes, size_t largest)
{
	const size_t allowed = PART_BYTES / (bytes / n + 1);
	const size_t grown = min(min(n * PART_ROWS_GROW, allowed), PART_ROWS);

	page->allowed = allowed ? (uint32_t)allowed : 1;
	if (page->allowed < seen.rows)
		seen.rows = page->allowed;
	else if (grown > seen.rows)
		seen.rows = (uint32_t)grown;
	seen.largest = FORGET(seen.largest);
	if (largest > seen.largest)
		seen.largest = largest;
}

/* As many as the page lacks, if they are not too many at once. */
static uint32_t
part_rows(const struct page *page)
{
	const size_t missing = page->limit - page->given;
	size_t rows = seen.rows;

	/* a statement that sorts the whole table is not sent again and again */
	if (page->given && !list_query_is_plain(&page->list))
		rows = min(page->given * PART_ROWS_GROW, page->allowed);
	rows = min(rows, PART_BYTES_MAX / (seen.largest + 1));
	return rows ? (uint32_t)min(rows, missing) : 1;
}

static void
begin_body(struct page *page)
{
	page->body = spare;
	page->body.len = 0;
	spare = (struct buffer){0};
}

/* Rows of the part, until it is enough; `is_whole` when the page is. */
static bool
write_part(struct page *page, const struct products_answer *answer, bool *is_whole)
{
	struct buffer *body = &page->body;
	const int end = answer->row + (int)answer->n;
	int row = answer->row;
	struct product_columns columns;
	bool ok = true;

	if (page->given == 0) {
		begin_body(page);
		ok = put(body, SPAN_LIT("{\"items\":["));
	}
	const size_t begin = body->len;
	size_t largest = 0;
	product_columns_find(&columns, answer->result, 0);
	for (; ok && row < end && body->len < PAGE_BYTES; row++, page->given++) {
		const size_t row_begin = body->len;
		ok = (page->given == 0 || put(body, SPAN_LIT(","))) &&
		     product_row_json(body, &columns, row, PRODUCT_REPLY_MAX);
		if (body->len - row_begin > largest)
			largest = body->len - row_begin;
	}
	if (!ok)
		return false;
	if (answer->n == 0) {
		/* what was to come is gone; or nobody can tell what, as of such a cursor */
		page->has_more = page->given && page->list.after.kind == CURSOR_LONG;
		*is_whole = true;
		return true;
	}
	learn(page, (size_t)(row - answer->row), body->len - begin, largest);
	page->has_more = answer->more || row < end;
	page->list.has_after = true;
	set_cursor(&page->list.after, page->list.sort, &columns, row - 1);
	*is_whole = !page->has_more || page->given == page->limit || body->len >= PAGE_BYTES;
	return true;
}

/* All of the body but what comes behind "next". */
static bool
write_next(struct page *page)
{
	struct buffer *body = &page->body;
	char next[CURSOR_TEXT_SIZE];

	if (!page->has_more)
		return put(body, SPAN_LIT("],\"next\":null"));
	cursor_write(&page->list.after, next);
	return put(body, SPAN_LIT("],\"next\":\"")) && put(body, span_str(next)) &&
	       put(body, SPAN_LIT("\"")) &&
	       write_link(&page->fields, span_from(page->query, page->query_len), next);
}

static void
reply_page(struct page *page)
{
	char timing[SERVER_TIMING_SIZE];

	const char *end = server_timing_put(timing, page->waited_us, page->took_us);
	if (put(&page->body, SPAN_LIT("}")) &&
	    put(&page->fields, span_from(timing, (size_t)(end - timing) + 1)))
		product_reply_json(page->x, 200, &page->body, page->fields.data);
	else
		product_reply_no_memory(page->x);
	page_free(page);
}

/* Of the two, what is known best; and says how well. */
static bool
write_count(struct page *page, const struct products_answer *answer)
{
	const PGresult *result = answer->result;
	const int row = answer->row;
	const bool has_counted = !PQgetisnull(result, row, 1);
	const long long estimate = strtoll(PQgetvalue(result, row, 0), NULL, 10);
	const long long counted = strtoll(PQgetvalue(result, row, 1), NULL, 10);
	const char *of = "exact";
	long long count = counted;

	if (!has_counted) {
		count = estimate;
		of = "estimate";
	} else if (page->list.count == COUNT_ESTIMATED && counted > LIST_COUNT_MAX) {
		count = LIST_COUNT_MAX;
		of = "minimum";
	}
	return buffer_printf(&page->body, PRODUCT_REPLY_MAX, ",\"count\":%lld,\"count_is\":\"%s\"",
			     count, of);
}

static void
count_done(const struct products_answer *answer, void *ctx)
{
	struct page *page = ctx;

	page->waited_us += answer->waited_us;
	page->took_us += answer->took_us;
	if (answer->outcome != PRODUCTS_OK || answer->n != 1) {
		product_reply_list_trouble(page->x, answer, &page->list);
		page_free(page);
	} else if (!write_count(page, answer)) {
		product_reply_no_memory(page->x);
		page_free(page);
	} else {
		reply_page(page);
	}
}

static void page_done(const struct products_answer *answer, void *ctx);

static void
ask_part(struct page *page)
{
	page->list.limit = part_rows(page);
	page->list.is_continued = page->given > 0;
	products_list(page->products, &page->list, page_done, page);
}

/* The row that such a cursor hangs on has gone, and nobody can tell what came behind it. */
static bool
is_lost(const struct page *page, const struct products_answer *answer)
{
	return page->given == 0 && page->list.has_after && page->list.after.kind == CURSOR_LONG &&
	       answer->n == 0;
}

static void
page_done(const struct products_answer *answer, void *ctx)
{
	static const struct problem lost = {
	    .status = 410,
	    .type = "cursor-expired",
	    .title = "The list cannot be gone on with",
	    .detail = "the product where the page ended is gone, and its name was too long for "
		      "after",
	    .hint = "Begin again without after, or sort by id.",
	};
	struct page *page = ctx;
	bool is_whole = false;

	page->waited_us += answer->waited_us;
	page->took_us += answer->took_us;
	if (answer->outcome != PRODUCTS_OK) {
		product_reply_list_trouble(page->x, answer, &page->list);
		page_free(page);
	} else if (is_lost(page, answer)) {
		exchange_problem(page->x, &lost);
		page_free(page);
	} else if (!write_part(page, answer, &is_whole) || (is_whole && !write_next(page))) {
		product_reply_no_memory(page->x);
		page_free(page);
	} else if (!is_whole) {
		ask_part(page);
	} else if (page->list.count != COUNT_NONE) {
		products_count(page->products, &page->list, count_done, page);
	} else {
		reply_page(page);
	}
}

static struct page *
page_new(struct exchange *x, const struct products *products)
{
	const struct span query = exchange_request(x)->query;
	struct page *page = malloc(sizeof(*page) + query.len);

	if (!page)
		return NULL;
	page->x = x;
	page->products = products;
	page->given = 0;
	page->has_more = false;
	page->waited_us = page->took_us = 0;
	page->body = page->fields = (struct buffer){0};
	page->query_len = query.len;
	if (query.len)
		memcpy(page->query, query.ptr, query.len);
	return page;
}

void
product_list_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct mistakes mistakes;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	struct page *page = page_new(x, products);
	if (!page) {
		product_reply_no_memory(x);
		return;
	}
	if (!list_query_read(span_from(page->query, page->query_len), LIST_PAGE, &page->list,
			     &mistakes)) {
		product_reply_bad_query(x, &mistakes, "?limit=10&sort=-price");
		page_free(page);
	} else if (!refuse_unless_json(x) || !product_search_ready(x, products, &page->list)) {
		page_free(page);
	} else {
		page->limit = page->list.limit;
		ask_part(page);
	}
}
