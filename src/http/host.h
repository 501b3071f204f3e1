/*
 * host.h - "host:port" as Host, an absolute-form target and an Origin spell it (RFC 9110 7.2,
 * RFC 3986 3.2.2). Pure.
 */
#ifndef PLAZA_HTTP_HOST_H
#define PLAZA_HTTP_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct host {
	struct span name; /* as sent, an IPv6 literal with its brackets; never empty */
	bool has_port;    /* false also for a colon with nothing behind it */
	uint16_t port;
};

/*
 * False unless `text` is a name, an IPv4 or a bracketed IP literal, and maybe a port up to 65535.
 * An empty name is refused: no http URI may have one (RFC 9110 4.2.1). So is user information.
 */
bool host_parse(struct span text, struct host *host);

/* localhost, 127.0.0.0/8 in four decimal numbers, or [::1] in any spelling. */
bool host_is_loopback(struct span name);

#endif
