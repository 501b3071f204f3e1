/*
 * product_get_http.c - GET /api/products/{id}.
 */
#include "store/product_get_http.h"

#include "http/refuse.h"
#include "store/product_reply.h"

static void
get_done(const struct products_answer *answer, void *ctx)
{
	struct exchange *x = ctx;

	if (answer->outcome != PRODUCTS_OK)
		product_reply_trouble(x, answer);
	else if (answer->n == 0)
		product_reply_not_found(x, answer);
	else
		product_reply_row(x, answer, 0, 200);
}

void
product_get_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	int64_t id;

	if (!products)
		product_reply_no_store(x);
	else if (!product_parse_id(exchange_param(x, 0), &id))
		product_reply_not_found(x, NULL);
	else if (refuse_unless_json(x))
		products_get(products, id, get_done, x);
}
