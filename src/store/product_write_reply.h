/*
 * product_write_reply.h - what the routes that write have in common: the key that they come with,
 * and the answers that are kept with it.
 */
#ifndef PLAZA_STORE_PRODUCT_WRITE_REPLY_H
#define PLAZA_STORE_PRODUCT_WRITE_REPLY_H

#include <stdbool.h>

#include "http/exchange.h"
#include "store/products.h"

/* The Idempotency-Key, if there is one. False: answered. */
bool product_key_read(struct exchange *x, struct idempotency *key);

/*
 * The answer to a write of one product: 201, 200 or 204 when all is well, as it is now or as it was
 * kept; else what is wrong.
 */
void product_reply_written(struct exchange *x, const struct products_answer *answer, int status);

/* That of a bulk, of the body that is given, or kept. `fields` as of struct reply, or "". */
void product_reply_results(struct exchange *x, const struct products_answer *answer,
			   struct span body, const char *fields);

#endif
