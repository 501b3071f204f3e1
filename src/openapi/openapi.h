/*
 * openapi.h - GET /api/openapi.json: what there is here, told in OpenAPI 3.1.
 */
#ifndef PLAZA_OPENAPI_OPENAPI_H
#define PLAZA_OPENAPI_OPENAPI_H

#include "http/route.h"

void openapi_add_routes(struct route_table *routes);

#endif
