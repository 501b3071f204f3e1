/*
 * product_write.c - products made, changed and deleted.
 */
#include "store/operation.h"

#include <stdio.h>
#include <string.h>

static const struct lane_kind create_kind = {
    .name = "create",
    .max = 1,
    .is_write = true,
    .send = operation_send_each,
};

void
products_create(const struct products *products, struct span name, const char *price,
		products_fn *done, void *ctx)
{
	struct operation *op =
	    operation_new(&create_kind, "product_create", 2, name.len, done, ctx);

	if (!op)
		return;
	memcpy(op->name, name.ptr, name.len);
	snprintf(op->price, sizeof(op->price), "%s", price);
	op->param[0] = op->name;
	op->param[1] = op->price;
	lane_submit(products->write, &op->request);
}
