/*
 * greet.h - GET / and GET /<name>: a greeting; GET /health, /health/live and /health/ready;
 * GET /robots.txt; and the names that are never names.
 */
#ifndef PLAZA_GREET_GREET_H
#define PLAZA_GREET_GREET_H

#include "http/route.h"

/* What GET /health/ready asks of whoever knows the rest of the process. */
struct greet_readiness {
	/* NULL: this worker can do all that it is there for. Else why not, a literal sentence. */
	const char *(*why_not)(void *ctx);
	void *ctx;
};

/* `readiness` must live as long as the routes. */
void greet_add_routes(const struct greet_readiness *readiness, struct route_table *routes);

#endif
