/*
 * openapi.c - the description of the API, as it was when this program was built.
 */
#include "openapi/openapi.h"

#include "http/exchange.h"
#include "http/refuse.h"

/* openapi.json with the program's version in it, by the Makefile; no terminator */
static const unsigned char document[] = {
#include <src/openapi/openapi.inc>
};

static void
openapi_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	if (!refuse_unless_json(x))
		return;
	exchange_reply(x, &(struct reply){
			      .status = 200,
			      .content_type = "application/json",
			      .body = span_from((const char *)document, sizeof(document)),
			      /* another version may be there after any reload */
			      .fields = "Cache-Control: no-cache\r\n",
			      .etag = REPLY_ETAG_OF_BODY,
			  });
}

void
openapi_add_routes(struct route_table *routes)
{
	route_add(routes, &(struct route){
			      .methods = HTTP_METHOD_BIT(HTTP_GET),
			      .pattern = "/api/openapi.json",
			      .scope = SCOPE_STORE_READ,
			      .handle = openapi_handle,
			  });
}
