/*
 * products_http.c - the table of what can be asked of products; each handler ends in one
 * exchange_reply or exchange_problem.
 *
 * A client that leaves changes nothing: its request is answered all the same, into the void.
 */
#include "store/products_http.h"

#include <stdint.h>

#include "http/json_body.h"
#include "store/changes_http.h"
#include "store/product_bulk_http.h"
#include "store/product_export_http.h"
#include "store/product_get_http.h"
#include "store/product_list_http.h"
#include "store/product_reply.h"
#include "store/product_write_http.h"

void
products_add_routes(const struct products *products, struct route_table *routes)
{
	/* handlers only read it */
	void *ctx = (void *)(uintptr_t)products;
	const struct route table[] = {
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PRODUCTS_PATH,
	     .scope = SCOPE_STORE_READ,
	     .handle = product_list_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = PRODUCTS_PATH,
	     .scope = SCOPE_STORE_WRITE,
	     .body_limit = PRODUCT_CSV_MAX,
	     .body_type = "application/json, text/csv",
	     .handle = product_create_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PRODUCTS_PATH "/export",
	     .scope = SCOPE_STORE_READ,
	     .handle = product_export_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PRODUCTS_PATH "/changes",
	     .scope = SCOPE_STORE_READ,
	     .handle = changes_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = PRODUCTS_PATH "/{id}",
	     .scope = SCOPE_STORE_READ,
	     .handle = product_get_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_PUT),
	     .pattern = PRODUCTS_PATH "/{id}",
	     .scope = SCOPE_STORE_WRITE,
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/json",
	     .handle = product_replace_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_PATCH),
	     .pattern = PRODUCTS_PATH "/{id}",
	     .scope = SCOPE_STORE_WRITE,
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/merge-patch+json",
	     .handle = product_patch_handle,
	     .ctx = ctx},
	    {.methods = HTTP_METHOD_BIT(HTTP_DELETE),
	     .pattern = PRODUCTS_PATH "/{id}",
	     .scope = SCOPE_STORE_WRITE,
	     .handle = product_delete_handle,
	     .ctx = ctx},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		route_add(routes, &table[i]);
}
