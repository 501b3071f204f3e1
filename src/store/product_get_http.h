/*
 * product_get_http.h - GET /api/products/{id}.
 */
#ifndef PLAZA_STORE_PRODUCT_GET_HTTP_H
#define PLAZA_STORE_PRODUCT_GET_HTTP_H

#include "http/exchange.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void product_get_handle(struct exchange *x, void *ctx);

#endif
