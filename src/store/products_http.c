/*
 * products_http.c - three handlers; each ends in one exchange_reply or exchange_problem.
 *
 * A client that leaves changes nothing: its request is answered all the same, into the void.
 */
#include "store/products_http.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/query.h"
#include "store/cursor.h"
#include "store/product_json.h"

#define PATH          "/api/products"
#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
/* a thousand rows of names that were put there by others, each byte escaped as \u00XX, and more */
#define REPLY_MAX (256U << 20)

static void
reply_unavailable(struct exchange *x, struct problem problem, unsigned retry_after_s)
{
	char fields[40];

	snprintf(fields, sizeof(fields), "Retry-After: %u\r\n", retry_after_s);
	problem.fields = fields;
	exchange_problem(x, &problem);
}

static void
reply_no_store(struct exchange *x)
{
	static const struct problem no_store = {
	    .status = 503,
	    .type = "no-store",
	    .title = "There is no product store",
	    .detail = "store.database is not set: name a PostgreSQL database there",
	    .hint = "In plaza.conf, below [store]: database = dbname=plaza; then reload.",
	};

	exchange_problem(x, &no_store);
}

static void
reply_not_found(struct exchange *x)
{
	static const struct problem not_found = {
	    .status = 404,
	    .type = "not-found",
	    .title = "There is no such product",
	    .detail = "no product has this id; an id is a number from 1 to 2147483647",
	    .hint = "GET " PATH " lists the products that there are.",
	};

	exchange_problem(x, &not_found);
}

static const struct problem troubles[] = {
    [PRODUCTS_INVALID] =
	{
	    .status = 422,
	    .type = "validation",
	    .title = "The content is not valid",
	    .detail = "the database refuses these values: its table products has rules of its own",
	    .hint = "\\d products in psql shows the rules.",
	},
    [PRODUCTS_CONFLICT] =
	{
	    .status = 409,
	    .type = "conflict",
	    .title = "There is such a product already",
	    .detail = "a unique constraint of the table products refuses a second one",
	    .hint = "GET " PATH " shows the one that there is.",
	},
    [PRODUCTS_UNKNOWN] =
	{
	    .status = 503,
	    .type = "commit-unknown",
	    .title = "The outcome of the write is unknown",
	    .detail = "the database was lost while it wrote: look whether the product is there "
		      "before you send it again",
	    .hint = "GET " PATH " shows it if it is; the newest come last.",
	},
    [PRODUCTS_BUSY] =
	{
	    .status = 503,
	    .type = "store-busy",
	    .title = "The product store is busy",
	    .detail = "too many requests wait for the database (store.queue_limit, "
		      "store.queue_timeout)",
	    .hint = "Try again after Retry-After seconds, with fewer requests at a time.",
	},
    [PRODUCTS_SLOW] =
	{
	    .status = 503,
	    .type = "store-timeout",
	    .title = "The product store took too long",
	    .detail = "the database did not finish within store.statement_timeout, or gave way to "
		      "others; nothing was changed",
	},
    [PRODUCTS_DOWN] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the database cannot be reached or cannot work at present",
	},
    [PRODUCTS_NO_SCHEMA] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the table products is missing and cannot be made by the role of "
		      "store.database; the server's log says what to run",
	    .hint = "Tell the operator, who has to make the table; then it works by itself.",
	},
    [PRODUCTS_DENIED] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the role of store.database may not use the table products; the server's "
		      "log says what to grant",
	    .hint = "Tell the operator, who has to grant it; then it works by itself.",
	},
    [PRODUCTS_FAILED] =
	{
	    .status = 500,
	    .type = "store-error",
	    .title = "The product store failed",
	    .detail = "the database reported an error; the server's log has it",
	},
};

static void
reply_trouble(struct exchange *x, const struct products_answer *answer)
{
	enum products_outcome outcome = answer->outcome;

	/* an answer without the row that was asked for is nothing that we foresaw either */
	if (outcome == PRODUCTS_OK)
		outcome = PRODUCTS_FAILED;
	/* these pass; an unknown outcome is 503 as well, but waiting does not make it known */
	if (troubles[outcome].status == 503 && outcome != PRODUCTS_UNKNOWN)
		reply_unavailable(x, troubles[outcome], answer->retry_after_s);
	else
		exchange_problem(x, &troubles[outcome]);
}

static void
reply_no_memory(struct exchange *x)
{
	log_error("store: out of memory for an answer");
	reply_unavailable(x,
			  (struct problem){.status = 503,
					   .type = "overloaded",
					   .title = "The server is overloaded",
					   .detail = "out of memory"},
			  1);
}

static void
reply_json(struct exchange *x, int status, const struct buffer *body, const char *fields)
{
	const struct reply reply = {
	    .status = status,
	    .content_type = "application/json",
	    .body = buffer_span(body),
	    .fields = fields,
	    .etag = REPLY_ETAG_OF_BODY,
	};

	exchange_reply(x, &reply);
}

/* GET /api/products/{id} */

/* A positive int4 in canonical decimal: every product has one URL. */
static bool
parse_id(struct span s, int32_t *id)
{
	int64_t value = 0;

	if (s.len < 1 || s.len > 10 || s.ptr[0] == '0')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		value = value * 10 + (s.ptr[i] - '0');
	}
	if (value > INT32_MAX)
		return false;
	*id = (int32_t)value;
	return true;
}

static void
reply_product(struct exchange *x, const struct products_answer *answer, int status)
{
	const struct product product = products_row(answer, 0);
	char fields[80];
	struct buffer body;

	buffer_init(&body);
	snprintf(fields, sizeof(fields), "Location: " PATH "/%.20s\r\n", product.id.ptr);
	if (product_write(&body, &product, REPLY_MAX))
		reply_json(x, status, &body, status == 201 ? fields : NULL);
	else
		reply_no_memory(x);
	buffer_fini(&body);
}

static void
get_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;

	if (answer->outcome != PRODUCTS_OK)
		reply_trouble(x, answer);
	else if (answer->n == 0)
		reply_not_found(x);
	else
		reply_product(x, answer, 200);
}

static void
get_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	int32_t id;

	if (!products)
		reply_no_store(x);
	else if (!parse_id(exchange_param(x, 0), &id))
		reply_not_found(x);
	else
		products_get(products, id, get_done, x);
}

/* POST /api/products */

static void
create_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;

	if (answer->outcome != PRODUCTS_OK || answer->n != 1)
		reply_trouble(x, answer);
	else
		reply_product(x, answer, 201);
}

static void
create_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct product_input input;
	struct product_errors errors;

	if (!products) {
		reply_no_store(x);
		return;
	}
	json_t *json = json_body_read(x);
	if (!json)
		return;
	if (product_read(json, &input, &errors))
		products_create(products, input.name, input.price, create_done, x);
	else
		exchange_problem(
		    x, &(struct problem){
			   .status = 422,
			   .type = "validation",
			   .title = "The content is not valid",
			   .detail = "a product is {\"name\":\"iPhone 12\",\"price\":999.99}",
			   .errors = errors.error,
			   .n_errors = errors.n,
		       });
	json_decref(json);
}

/* GET /api/products */

struct page {
	int64_t after;
	uint32_t limit;
};

static bool
parse_limit(struct span s, uint32_t *limit)
{
	int32_t value;

	if (!parse_id(s, &value) || value > LIMIT_MAX)
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
	size_t n = 0;

	*page = (struct page){.after = INT64_MIN, .limit = LIMIT_DEFAULT};
	const bool has_other = query_read(query, params, 2).ptr != NULL;
	if (limit->state != QUERY_ABSENT &&
	    (limit->state != QUERY_GIVEN || !parse_limit(query_value(limit), &page->limit)))
		errors[n++].detail = limit_error;
	if (after->state != QUERY_ABSENT &&
	    (after->state != QUERY_GIVEN || !cursor_read(query_value(after), &page->after)))
		errors[n++].detail = after_error;
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
	bool ok = buffer_append(body, "{\"items\":[", 10, REPLY_MAX);
	char next[CURSOR_TEXT_SIZE];

	for (size_t i = 0; ok && i < answer->n; i++) {
		const struct product product = products_row(answer, i);
		ok = (i == 0 || buffer_append(body, ",", 1, REPLY_MAX)) &&
		     product_write(body, &product, REPLY_MAX);
	}
	if (!ok || !answer->more)
		return ok && buffer_append(body, "],\"next\":null}", 14, REPLY_MAX);
	cursor_write(last_id(answer), next);
	return buffer_printf(body, REPLY_MAX, "],\"next\":\"%s\"}", next);
}

static void
list_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;
	struct buffer body;

	if (answer->outcome != PRODUCTS_OK) {
		reply_trouble(x, answer);
		return;
	}
	buffer_init(&body);
	if (write_page(&body, answer))
		reply_json(x, 200, &body, NULL);
	else
		reply_no_memory(x);
	buffer_fini(&body);
}

static void
list_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct problem_error errors[3] = {0};
	struct page page;

	if (!products) {
		reply_no_store(x);
		return;
	}
	size_t n = parse_page(exchange_request(x)->query, &page, errors);
	if (n)
		exchange_problem(x, &(struct problem){
					.status = 400,
					.type = "bad-parameter",
					.title = "The query is not accepted",
					.detail = errors[0].detail,
					.hint = "For instance " PATH "?limit=10; in a shell, put "
						"the URL into quotes.",
					.errors = errors,
					.n_errors = n,
				    });
	else
		products_list(products, page.after, page.limit, list_done, x);
}

void
products_add_routes(const struct products *products, struct route_table *routes)
{
	/* handlers only read it */
	void *ctx = (void *)(uintptr_t)products;
	const struct route table[] = {
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PATH,
	     .scope = SCOPE_STORE_READ,
	     .handle = list_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = PATH,
	     .scope = SCOPE_STORE_WRITE,
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/json",
	     .handle = create_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PATH "/{id}",
	     .scope = SCOPE_STORE_READ,
	     .handle = get_handle,
	     .ctx = ctx},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		route_add(routes, &table[i]);
}
