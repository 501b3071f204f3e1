/*
 * product_write_http.c - one product made, replaced, patched or deleted.
 */
#include "store/product_write_http.h"

#include <jansson.h>

#include "http/body_type.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "store/product_bulk_http.h"
#include "store/product_json.h"
#include "store/product_reply.h"
#include "store/product_write_reply.h"

static void
reply_invalid(struct exchange *x, const struct mistakes *errors)
{
	exchange_problem(x, &(struct problem){
				.status = 422,
				.type = "validation",
				.title = "The content is not valid",
				.detail = "a product is {\"name\":\"iPhone 12\",\"price\":999.99}",
				.errors = errors->error,
				.n_errors = errors->n,
			    });
}

/* --- POST /api/products --- */

static void
create_done(const struct products_answer *answer, void *ctx)
{
	product_reply_written(ctx, answer, 201);
}

static void
create_one(struct exchange *x, const struct products *products, const json_t *json,
	   const struct idempotency *key)
{
	struct product_input input;
	struct mistakes errors;

	mistakes_init(&errors);
	if (product_read(json, PRODUCT_NEW, 0, &input, &errors))
		products_insert(products, &input, key, create_done, x);
	else
		reply_invalid(x, &errors);
}

void
product_create_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct idempotency key;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	if (!product_key_read(x, &key))
		return;
	if (body_type_is(exchange_request(x), SPAN_LIT("text/csv"))) {
		product_bulk_csv(x, products, &key);
		return;
	}
	/* the route takes as much as CSV may have */
	if (exchange_body(x).len > JSON_BODY_MAX) {
		exchange_problem(x, &(struct problem){
					.status = 413,
					.detail = "A body of JSON has at most 65536 bytes here; "
						  "text/csv may have 1048576.",
					.hint = "Send less in each request, or CSV.",
				    });
		return;
	}
	json_t *json = json_body_read(x);
	if (!json)
		return;
	if (json_is_array(json))
		product_bulk_json(x, products, json, &key);
	else
		create_one(x, products, json, &key);
	json_decref(json);
}

/* --- /api/products/{id} --- */

/* What the heads of all changes say. */
struct change {
	int64_t id;
	struct idempotency key;
	struct product_match match;
};

/* False: answered. */
static bool
read_change(struct exchange *x, const struct products *products, struct change *change)
{
	static const struct problem no_match = {
	    .status = 428,
	    .type = "precondition-required",
	    .title = "The version that is meant has to be named",
	    .detail = "store.require_match is on: a change wants an If-Match with the product's "
		      "ETag",
	    .hint = "GET it first and send its ETag, such as If-Match: \"7-3\".",
	};

	if (!products) {
		product_reply_no_store(x);
		return false;
	}
	if (!product_parse_id(exchange_param(x, 0), &change->id)) {
		product_reply_not_found(x, NULL);
		return false;
	}
	const char *wrong = product_match_read(exchange_request(x), change->id, &change->match);
	if (wrong) {
		exchange_problem(x, &(struct problem){
					.status = 400,
					.type = "bad-match",
					.title = "The condition is not accepted",
					.detail = wrong,
					.hint = "The ETag of a GET goes there as it is, quotes and "
						"all.",
				    });
		return false;
	}
	if (products->requires_match && !change->match.has_match) {
		exchange_problem(x, &no_match);
		return false;
	}
	return product_key_read(x, &change->key);
}

static void
update_done(const struct products_answer *answer, void *ctx)
{
	product_reply_written(ctx, answer, 200);
}

static void
update(struct exchange *x, const struct products *products, enum product_form form)
{
	struct change change;
	struct product_input input;
	struct mistakes errors;

	if (!read_change(x, products, &change))
		return;
	json_t *json = json_body_read(x);
	if (!json)
		return;
	mistakes_init(&errors);
	if (product_read(json, form, change.id, &input, &errors))
		products_update(products, change.id, &input, &change.match, &change.key,
				update_done, x);
	else
		reply_invalid(x, &errors);
	json_decref(json);
}

void
product_replace_handle(struct exchange *x, void *ctx)
{
	update(x, ctx, PRODUCT_WHOLE);
}

void
product_patch_handle(struct exchange *x, void *ctx)
{
	update(x, ctx, PRODUCT_PATCH);
}

static void
delete_done(const struct products_answer *answer, void *ctx)
{
	product_reply_written(ctx, answer, 204);
}

void
product_delete_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct change change;

	if (read_change(x, products, &change))
		products_delete(products, change.id, &change.match, &change.key, delete_done, x);
}
