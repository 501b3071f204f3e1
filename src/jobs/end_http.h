/*
 * end_http.h - what a worker over HTTP tells of a job that it has claimed: finish, fail, extend.
 */
#ifndef PLAZA_JOBS_END_HTTP_H
#define PLAZA_JOBS_END_HTTP_H

#include "http/route.h"

struct jobs;

void end_add_routes(struct jobs *jobs, struct route_table *routes);

#endif
