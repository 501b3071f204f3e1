/*
 * product_list_http.h - GET /api/products.
 */
#ifndef PLAZA_STORE_PRODUCT_LIST_HTTP_H
#define PLAZA_STORE_PRODUCT_LIST_HTTP_H

#include "http/exchange.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void product_list_handle(struct exchange *x, void *ctx);

#endif
