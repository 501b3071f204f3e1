/*
 * operation.h - the end of each operation: what the files product_*.c share.
 */
#ifndef PLAZA_STORE_OPERATION_H
#define PLAZA_STORE_OPERATION_H

#include "store/products.h"

/* What a lane's answer means for whoever asked; errors that are nobody's fault are logged. */
struct products_answer operation_answer(const struct lane_request *request,
					const struct lane_answer *answer);

/*
 * A write that the server has refused for its values, or a trigger has kept from being done: the
 * operator, who knows the rules of the table, is told now and then.
 */
void operation_log_refusal(const struct lane_answer *answer);

/* Out of memory: `done` is called, and the log told. */
void operation_no_memory(products_fn *done, void *ctx);

#endif
