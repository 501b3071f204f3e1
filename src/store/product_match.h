/*
 * product_match.h - If-Match and If-None-Match of a request that changes a product (RFC 9110 13.1):
 * which versions of it may be changed. Pure.
 */
#ifndef PLAZA_STORE_PRODUCT_MATCH_H
#define PLAZA_STORE_PRODUCT_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"

#define PRODUCT_MATCH_MAX 16 /* entity-tags in one of the two fields */

/* Versions as PostgreSQL reads an array of int8: "{3,7}" */
#define PRODUCT_MATCH_TEXT_SIZE (PRODUCT_MATCH_MAX * 21 + 2)

struct product_match {
	bool has_match;      /* there was an If-Match, also one of "*" */
	bool has_none_match; /* there was an If-None-Match */
	/* the version must be one of these, and none of those; NULL: whichever it is */
	const char *one_of, *none_of;
	char text[2][PRODUCT_MATCH_TEXT_SIZE];
};

/*
 * Of the product `id`. A tag that is not one of this product's names no version; a weak one
 * matches for If-None-Match only (8.8.3.2). NULL, or what is wrong and what is accepted, a literal.
 * `match` must not move afterwards.
 */
const char *product_match_read(const struct request *request, int64_t id,
			       struct product_match *match);

#endif
