/*
 * put_http.h - jobs that come by HTTP: one, many, or one under an id of its client's.
 */
#ifndef PLAZA_JOBS_PUT_HTTP_H
#define PLAZA_JOBS_PUT_HTTP_H

#include "base/span.h"
#include "http/exchange.h"

struct jobs;

/* Handlers; ctx is a struct jobs. */

/* POST /api/jobs */
void put_post_handle(struct exchange *x, void *ctx);
/* PUT /api/jobs/{id} */
void put_id_handle(struct exchange *x, void *ctx);
/* POST /api/fetch: the body is the args of a job of kind fetch. */
void put_fetch_handle(struct exchange *x, void *ctx);

#endif
