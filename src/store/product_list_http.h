/*
 * product_list_http.h - GET /api/products; and what it and the export refuse alike.
 */
#ifndef PLAZA_STORE_PRODUCT_LIST_HTTP_H
#define PLAZA_STORE_PRODUCT_LIST_HTTP_H

#include "http/exchange.h"
#include "store/products.h"

/* `ctx` is the struct products, or NULL when there is no database. */
void product_list_handle(struct exchange *x, void *ctx);

/* As product_reply_trouble, for what has values of the client in its query. */
void product_reply_list_trouble(struct exchange *x, const struct products_answer *answer,
				const struct list_query *list);
/* False: q is asked for, and cannot be served yet; answered. */
bool product_search_ready(struct exchange *x, const struct products *products,
			  const struct list_query *list);

#endif
