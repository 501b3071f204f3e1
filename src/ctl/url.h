/*
 * url.h - a WebSocket URL (RFC 6455 section 3) in its parts. Pure.
 */
#ifndef PLAZA_CTL_URL_H
#define PLAZA_CTL_URL_H

#include <stdbool.h>

struct url {
	bool is_tls;
	int port;
	char address[256]; /* to connect to: an IPv6 address without brackets */
	char host[272];  /* the Host field: with brackets, and the port unless it is the default */
	char path[2048]; /* with the query; "/" at least */
};

/* NULL, or what is wrong and what is accepted, a literal. */
const char *url_parse(const char *text, struct url *url);

#endif
