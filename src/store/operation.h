/*
 * operation.h - one request to a lane and its end: what the files product_*.c share.
 */
#ifndef PLAZA_STORE_OPERATION_H
#define PLAZA_STORE_OPERATION_H

#include "store/products.h"

#define OPERATION_PARAMS_MAX 4

struct operation {
	struct lane_request request; /* first: the lane hands it back */
	const char *statement;       /* for operation_send_each */
	int n_params;
	const char *param[OPERATION_PARAMS_MAX]; /* text; number[i] to begin with */
	products_fn *done;
	void *ctx;
	char number[2][24];
	char price[PRICE_TEXT_SIZE];
	char name[];
};

/* NULL: out of memory, and `done` has been called. */
struct operation *operation_new(const struct lane_kind *kind, const char *statement, int n_params,
				size_t name_len, products_fn *done, void *ctx);

/* What a lane's answer means for whoever asked; errors that are nobody's fault are logged. */
struct products_answer operation_answer(const struct lane_request *request,
					const struct lane_answer *answer);

/* Out of memory: `done` is called, and the log told. */
void operation_no_memory(products_fn *done, void *ctx);

/* A lane_kind's send: each operation's own statement with its own parameters. */
bool operation_send_each(struct lane *lane, struct lane_request *const *request, unsigned n);

#endif
