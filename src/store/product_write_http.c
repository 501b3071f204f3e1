/*
 * product_write_http.c - POST /api/products.
 */
#include "store/product_write_http.h"

#include <jansson.h>

#include "http/json_body.h"
#include "http/problem.h"
#include "store/product_json.h"
#include "store/product_reply.h"

static void
create_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;

	if (answer->outcome != PRODUCTS_OK || answer->n != 1)
		product_reply_trouble(x, answer);
	else
		product_reply_row(x, answer, 0, 201);
}

void
product_create_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	struct product_input input;
	struct product_errors errors;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	json_t *json = json_body_read(x);
	if (!json)
		return;
	product_errors_init(&errors);
	if (product_read(json, PRODUCT_NEW, 0, &input, &errors))
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
