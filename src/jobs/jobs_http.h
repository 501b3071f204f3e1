/*
 * jobs_http.h - /api/jobs: put, get, list, cancel, retry.
 */
#ifndef PLAZA_JOBS_JOBS_HTTP_H
#define PLAZA_JOBS_JOBS_HTTP_H

#include "http/route.h"

struct jobs;

void jobs_http_add_routes(struct jobs *jobs, struct route_table *routes);

#endif
