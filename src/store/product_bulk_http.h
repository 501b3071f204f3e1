/*
 * product_bulk_http.h - POST /api/products of many: an array of JSON, or CSV.
 */
#ifndef PLAZA_STORE_PRODUCT_BULK_HTTP_H
#define PLAZA_STORE_PRODUCT_BULK_HTTP_H

#include <jansson.h>

#include "http/exchange.h"
#include "store/products.h"

/* Bytes of a body of CSV. */
#define PRODUCT_CSV_MAX ((size_t)1 << 20)

/* Each answers, now or later. */
void product_bulk_json(struct exchange *x, const struct products *products, const json_t *json,
		       const struct idempotency *key);
void product_bulk_csv(struct exchange *x, const struct products *products,
		      const struct idempotency *key);

#endif
