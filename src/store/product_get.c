/*
 * product_get.c - one product by its id.
 */
#include "store/operation.h"

#include <inttypes.h>
#include <stdio.h>

void
products_get(const struct products *products, int64_t id, products_fn *done, void *ctx)
{
	struct operation *op = operation_new("product_get", 1, 0, done, ctx);

	if (!op)
		return;
	snprintf(op->number[0], sizeof(op->number[0]), "%" PRId64, id);
	lane_submit(products->read, &op->request);
}
