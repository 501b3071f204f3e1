/*
 * operation.h - one request to a lane and its end: what the files product_*.c share.
 */
#ifndef PLAZA_STORE_OPERATION_H
#define PLAZA_STORE_OPERATION_H

#include "store/products.h"

struct operation {
	struct lane_request request; /* first: the lane hands it back */
	products_fn *done;
	void *ctx;
	uint32_t limit; /* of a list; else 0 */
	char number[2][24];
	char price[PRICE_TEXT_SIZE];
	char name[];
};

/* NULL: out of memory, and `done` has been called. */
struct operation *operation_new(const char *statement, int n_params, size_t name_len,
				products_fn *done, void *ctx);

#endif
