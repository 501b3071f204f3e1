/*
 * product_json.h - a product as JSON: what a client sent, checked whole; what it gets, written.
 */
#ifndef PLAZA_STORE_PRODUCT_JSON_H
#define PLAZA_STORE_PRODUCT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/problem.h"
#include "store/price.h"

#define PRODUCT_NAME_MAX 1000 /* bytes of UTF-8 */

/* Enough for every member that we know and a few that we do not; the last one says "and more". */
#define PRODUCT_ERRORS_MAX 16
/* A key longer than this is not quoted in a pointer. */
#define PRODUCT_KEY_MAX 120

struct product_input {
	struct span name; /* points into the json_t */
	char price[PRICE_TEXT_SIZE];
};

struct product_errors {
	size_t n;
	struct problem_error error[PRODUCT_ERRORS_MAX]; /* as exchange_problem takes them */
	/* '/', and each byte of the key maybe as ~0 or ~1 */
	char pointer[PRODUCT_ERRORS_MAX][2 + 2 * PRODUCT_KEY_MAX];
};

/* False with every error, a JSON pointer (RFC 6901) for each. */
bool product_read(const json_t *json, struct product_input *input, struct product_errors *errors);

/* A row as PostgreSQL wrote it. */
struct product {
	struct span id;
	struct span name;
	struct span price;
};

/*
 * Appends {"id":1,"name":"iPhone 12","price":999.99}: the name verbatim but for what RFC 8259
 * section 7 says must be escaped, the numbers in PostgreSQL's own digits (as a string where they
 * are no JSON number, such as NaN). False as buffer_reserve.
 */
bool product_write(struct buffer *out, const struct product *product, size_t max)
    __attribute__((warn_unused_result));

#endif
