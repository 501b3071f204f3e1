/*
 * product_get.c - one product by its id.
 */
#include "store/operation.h"

#include <inttypes.h>
#include <stdio.h>

static const struct lane_kind get_kind = {
    .name = "get",
    .max = 64,
    .send = operation_send_each,
};

void
products_get(const struct products *products, int64_t id, products_fn *done, void *ctx)
{
	struct operation *op = operation_new(&get_kind, "product_get", 1, 0, done, ctx);

	if (!op)
		return;
	snprintf(op->number[0], sizeof(op->number[0]), "%" PRId64, id);
	lane_submit(products->read, &op->request);
}
