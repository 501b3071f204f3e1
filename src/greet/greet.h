/*
 * greet.h - GET / and GET /<name>: a greeting; GET /health; GET /robots.txt; and the names that are
 * never names.
 */
#ifndef PLAZA_GREET_GREET_H
#define PLAZA_GREET_GREET_H

#include "http/route.h"

void greet_add_routes(struct route_table *routes);

#endif
