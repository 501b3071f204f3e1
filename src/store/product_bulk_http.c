/*
 * product_bulk_http.c - up to a thousand products at once: a result for each, or, as Prefer: atomic
 * wants it, all of them or none.
 */
#include "store/product_bulk_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/prefer.h"
#include "http/problem.h"
#include "store/csv.h"
#include "store/product_batch.h"
#include "store/product_reply.h"
#include "store/product_write_reply.h"

struct bulk {
	struct exchange *x;
	struct product_batch *batch;
	bool is_atomic;
	struct mistakes errors; /* of all, if it is atomic; else of the product in hand */
	size_t place;           /* mistakes_enter_item's */
};

static void
bulk_free(struct bulk *bulk)
{
	product_batch_free(&bulk->batch);
	free(bulk);
}

/* NULL: answered. */
static struct bulk *
bulk_new(struct exchange *x)
{
	struct bulk *bulk = calloc(1, sizeof(*bulk));

	if (bulk)
		bulk->batch = product_batch_new();
	if (!bulk || !bulk->batch) {
		free(bulk);
		product_reply_no_memory(x);
		return NULL;
	}
	bulk->x = x;
	bulk->is_atomic = prefer_has(exchange_request(x), SPAN_LIT("atomic"));
	mistakes_init(&bulk->errors);
	return bulk;
}

static void
reply_invalid(struct exchange *x, const struct mistakes *errors, const char *detail)
{
	exchange_problem(x, &(struct problem){
				.status = 422,
				.type = "validation",
				.title = "The content is not valid",
				.detail = detail,
				.errors = errors->error,
				.n_errors = errors->n,
			    });
}

/* --- answers --- */

static void
reply_results(const struct bulk *bulk, const struct products_answer *answer)
{
	const char *fields = bulk->is_atomic ? "Preference-Applied: atomic\r\n" : "";
	struct buffer body;

	buffer_init(&body);
	if (product_batch_write(bulk->batch, answer ? answer->result : NULL, &body))
		product_reply_results(bulk->x, answer, buffer_span(&body), fields);
	else
		product_reply_no_memory(bulk->x);
	buffer_fini(&body);
}

static void
bulk_done(const struct products_answer *answer, void *ctx)
{
	struct bulk *bulk = ctx;

	if (answer->outcome != PRODUCTS_OK)
		product_reply_trouble(bulk->x, answer);
	else
		reply_results(bulk, answer);
	bulk_free(bulk);
}

/* --- products --- */

/* The place of the next one, before it is read. */
static void
begin_product(struct bulk *bulk)
{
	if (bulk->is_atomic)
		bulk->place = mistakes_enter_item(&bulk->errors, bulk->batch->n);
	else
		bulk->errors.n = 0;
}

/* It has been read. False: out of memory. */
static bool
end_product(struct bulk *bulk, bool is_right, const struct product_input *input)
{
	if (bulk->is_atomic)
		mistakes_leave(&bulk->errors, bulk->place);
	if (is_right)
		return product_batch_add(bulk->batch, input);
	/* of an atomic one nothing but the errors will be told */
	if (bulk->is_atomic) {
		bulk->batch->end[bulk->batch->n] = 0;
		bulk->batch->n++;
		return true;
	}
	return product_batch_refuse(bulk->batch, &bulk->errors);
}

/* All of them have been read; the bulk is given away. */
static void
bulk_submit(struct bulk *bulk, const struct products *products, const struct idempotency *key)
{
	struct exchange *x = bulk->x;

	if (bulk->is_atomic && bulk->errors.n) {
		reply_invalid(x, &bulk->errors,
			      "all products were to go in or none, and not all can: each is "
			      "{\"name\":\"iPhone 12\",\"price\":999.99}");
	} else if (bulk->batch->n_rows == 0) {
		reply_results(bulk, NULL);
	} else {
		product_batch_end(bulk->batch);
		products_insert_all(products, bulk->batch, bulk->is_atomic, key, bulk_done, bulk);
		return;
	}
	bulk_free(bulk);
}

static void
reply_count(struct exchange *x)
{
	static const struct problem_error count = {
	    .pointer = "", .detail = "must be a list of 1 to 1000 products"};

	exchange_problem(x, &(struct problem){
				.status = 422,
				.type = "validation",
				.title = "The content is not valid",
				.detail = count.detail,
				.hint = "Send more in several requests; each of them is one "
					"transaction.",
				.errors = &count,
				.n_errors = 1,
			    });
}

/* --- JSON --- */

void
product_bulk_json(struct exchange *x, const struct products *products, const json_t *json,
		  const struct idempotency *key)
{
	const size_t n = json_array_size(json);
	struct product_input input;
	bool ok = true;

	if (n < 1 || n > PRODUCT_BATCH_MAX) {
		reply_count(x);
		return;
	}
	struct bulk *bulk = bulk_new(x);
	if (!bulk)
		return;
	for (size_t i = 0; ok && i < n; i++) {
		begin_product(bulk);
		const bool is_right =
		    product_read(json_array_get(json, i), PRODUCT_NEW, 0, &input, &bulk->errors);
		ok = end_product(bulk, is_right, &input);
	}
	if (ok) {
		bulk_submit(bulk, products, key);
	} else {
		product_reply_no_memory(x);
		bulk_free(bulk);
	}
}

/* --- CSV --- */

/* Where in each record they are. */
struct columns {
	size_t name, price;
};

static void
reply_not_csv(struct exchange *x, int status, size_t line, const char *wrong)
{
	char detail[300];

	snprintf(detail, sizeof(detail), "line %zu: %s", line, wrong);
	const struct problem_error whole = {.pointer = "", .detail = detail};
	exchange_problem(
	    x, &(struct problem){
		   .status = status,
		   .type = status == 422 ? "validation" : "not-csv",
		   .title = status == 422 ? "The content is not valid"
					  : "The body is not CSV (RFC 4180)",
		   .detail = detail,
		   .hint = "The first line is name,price; then comes a line for each product.",
		   .errors = status == 422 ? &whole : NULL,
		   .n_errors = status == 422,
	       });
}

/* The first record. NULL, or what is wrong. */
static const char *
read_columns(const struct csv *csv, struct columns *columns)
{
	static const char wrong[] =
	    "must be name,price or price,name: these two columns are accepted";

	if (csv->n != 2)
		return wrong;
	columns->name = span_eq(csv->field[0], SPAN_LIT("name")) ? 0 : 1;
	columns->price = 1 - columns->name;
	if (!span_eq(csv->field[columns->name], SPAN_LIT("name")) ||
	    !span_eq(csv->field[columns->price], SPAN_LIT("price")))
		return wrong;
	return NULL;
}

/* False: answered. */
static bool
read_records(struct bulk *bulk, struct csv *csv)
{
	struct exchange *x = bulk->x;
	struct columns columns;
	struct product_input input;
	enum csv_status status = csv_next(csv);
	const char *wrong;

	if (status == CSV_END) {
		reply_count(x);
		return false;
	}
	if (status == CSV_RECORD && (wrong = read_columns(csv, &columns)) != NULL) {
		reply_not_csv(x, 422, csv->line, wrong);
		return false;
	}
	while (status == CSV_RECORD && (status = csv_next(csv)) == CSV_RECORD) {
		if (csv->n != 2) {
			reply_not_csv(x, 400, csv->line,
				      "must have two fields, a name and a price");
			return false;
		}
		if (bulk->batch->n == PRODUCT_BATCH_MAX) {
			reply_count(x);
			return false;
		}
		begin_product(bulk);
		const bool is_right = product_read_text(
		    csv->field[columns.name], csv->field[columns.price], &input, &bulk->errors);
		if (!end_product(bulk, is_right, &input)) {
			product_reply_no_memory(x);
			return false;
		}
	}
	if (status == CSV_BAD)
		reply_not_csv(x, 400, csv->line, csv->error);
	else if (bulk->batch->n == 0)
		reply_count(x);
	return status == CSV_END && bulk->batch->n > 0;
}

void
product_bulk_csv(struct exchange *x, const struct products *products, const struct idempotency *key)
{
	const struct span body = exchange_body(x);
	struct csv csv;

	struct bulk *bulk = bulk_new(x);
	if (!bulk)
		return;
	char *scratch = malloc(body.len ? body.len : 1);
	if (!scratch) {
		product_reply_no_memory(x);
		bulk_free(bulk);
		return;
	}
	csv_init(&csv, body, scratch);
	if (read_records(bulk, &csv))
		bulk_submit(bulk, products, key);
	else
		bulk_free(bulk);
	free(scratch);
}
