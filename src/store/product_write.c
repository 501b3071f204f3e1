/*
 * product_write.c - products made, changed and deleted.
 */
#include "store/operation.h"

#include <stdio.h>
#include <string.h>

void
products_create(const struct products *products, struct span name, const char *price,
		products_fn *done, void *ctx)
{
	struct operation *op = operation_new("product_create", 2, name.len, done, ctx);

	if (!op)
		return;
	memcpy(op->name, name.ptr, name.len);
	snprintf(op->price, sizeof(op->price), "%s", price);
	op->request.param[0] = op->name;
	op->request.param[1] = op->price;
	op->request.is_write = true;
	lane_submit(products->write, &op->request);
}
