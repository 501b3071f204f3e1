/*
 * changes_http.h - GET /api/products/changes.
 */
#ifndef PLAZA_STORE_CHANGES_HTTP_H
#define PLAZA_STORE_CHANGES_HTTP_H

#include "http/exchange.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void changes_handle(struct exchange *x, void *ctx);

#endif
