/*
 * url.h - an http or https URL as fetch takes it: strictly read, and written anew in one normal
 * form, so that whoever reads it next reads the same host. Pure.
 *
 * A host that is an address in any spelling that some resolver takes (RFC 6943 3.1.1: decimal,
 * octal, hexadecimal, fewer than four parts, IPv4 in IPv6) is that address, and stands in the
 * normal form as such. What stays is a name that no resolver takes for an address.
 */
#ifndef PLAZA_FETCH_URL_H
#define PLAZA_FETCH_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Bytes of the normal form. */
#define FETCH_URL_MAX  2048
#define FETCH_HOST_MAX 255

enum fetch_host { FETCH_HOST_NAME, FETCH_HOST_IPV4, FETCH_HOST_IPV6 };

struct fetch_url {
	bool is_tls;
	enum fetch_host kind;
	uint16_t port;
	uint8_t address[16]; /* of an IPv4 host the first four; network order */
	/* lower case, no dot at its end; an address as inet_ntop writes it, without [] */
	char host[FETCH_HOST_MAX + 1];
	size_t path_at; /* where in text the path begins: there is always one */
	size_t len;
	char text[FETCH_URL_MAX + 1]; /* scheme://host[:port]/path[?query]; no fragment */
};

enum fetch_url_verdict {
	FETCH_URL_OK,
	FETCH_URL_MALFORMED,
	FETCH_URL_NOT_ALLOWED /* it is a URL, but of a scheme or with credentials that we refuse */
};

/* *why: what is wrong and what is accepted, a literal; unless OK. */
enum fetch_url_verdict fetch_url_parse(struct span text, struct fetch_url *url, const char **why);

/*
 * What a Location field means at `base` (RFC 9110 10.2.2, RFC 3986 5.2). What browsers forgive
 * there is forgiven: blanks around it, and bytes of a path or query that should have been escaped.
 */
enum fetch_url_verdict fetch_url_follow(const struct fetch_url *base, struct span location,
					struct fetch_url *url, const char **why);

/* RFC 6454 section 5 */
bool fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b);

/* "host:port", as origins are counted: returns its length. */
#define FETCH_ORIGIN_SIZE (FETCH_HOST_MAX + 10)
size_t fetch_url_origin(const struct fetch_url *url, char out[FETCH_ORIGIN_SIZE]);

#endif
