/*
 * origin.h - the origins of web pages (RFC 6454): what a browser says of the page that a request
 * comes from. Pure.
 */
#ifndef PLAZA_HTTP_ORIGIN_H
#define PLAZA_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "config/config.h"
#include "http/host.h"
#include "http/request.h"

/*
 * 1 + the index in http.origins of the one that the request's Origin is; 0: it has none, has
 * several, or one that is not listed.
 */
uint16_t origin_listed(const struct config *config, const struct request *request);

/* Whether a page of `origin` came from where it now writes to, which may be no host at all. */
bool origin_is_host(struct span origin, const struct host *host);

#endif
