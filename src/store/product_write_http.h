/*
 * product_write_http.h - POST /api/products, and PUT, PATCH and DELETE of one product.
 */
#ifndef PLAZA_STORE_PRODUCT_WRITE_HTTP_H
#define PLAZA_STORE_PRODUCT_WRITE_HTTP_H

#include "http/exchange.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void product_create_handle(struct exchange *x, void *ctx);
void product_replace_handle(struct exchange *x, void *ctx);
void product_patch_handle(struct exchange *x, void *ctx);
void product_delete_handle(struct exchange *x, void *ctx);

#endif
