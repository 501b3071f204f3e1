/*
 * products_http.h - /api/products: requests to operations, answers to JSON.
 */
#ifndef PLAZA_STORE_PRODUCTS_HTTP_H
#define PLAZA_STORE_PRODUCTS_HTTP_H

#include "http/route.h"
#include "store/products.h"

/*
 * `products` must live as long as the table; NULL means that there is no database: 503 naming the
 * option.
 */
void products_add_routes(const struct products *products, struct route_table *routes);

#endif
