/*
 * product_list.c - pages of products in the order of a key.
 */
#include "store/operation.h"

#include <inttypes.h>
#include <stdio.h>

static const struct lane_kind list_kind = {
    .name = "list",
    .max = 1,
    .send = operation_send_each,
};

void
products_list(const struct products *products, int64_t after, uint32_t limit, products_fn *done,
	      void *ctx)
{
	struct operation *op = operation_new(&list_kind, "product_list", 2, 0, done, ctx);

	if (!op)
		return;
	op->limit = limit;
	snprintf(op->number[0], sizeof(op->number[0]), "%" PRId64, after);
	snprintf(op->number[1], sizeof(op->number[1]), "%" PRIu64, (uint64_t)limit + 1);
	lane_submit(products->slow, &op->request);
}
