/*
 * product_export_http.h - GET /api/products/export: all of them, however many there are.
 */
#ifndef PLAZA_STORE_PRODUCT_EXPORT_HTTP_H
#define PLAZA_STORE_PRODUCT_EXPORT_HTTP_H

#include "http/exchange.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void product_export_handle(struct exchange *x, void *ctx);

#endif
