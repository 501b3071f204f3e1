/*
 * product_json.h - a product as a client sent it, checked whole. Pure.
 */
#ifndef PLAZA_STORE_PRODUCT_JSON_H
#define PLAZA_STORE_PRODUCT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "http/mistakes.h"
#include "store/price.h"

#define PRODUCT_NAME_MAX 1000 /* bytes of UTF-8 */

struct product_input {
	struct span name;            /* points into what was read; ptr NULL: not given */
	char price[PRICE_TEXT_SIZE]; /* empty: not given */
};

enum product_form {
	PRODUCT_NEW,   /* name and price */
	PRODUCT_WHOLE, /* the same, and maybe its id */
	PRODUCT_PATCH  /* a merge patch (RFC 7396) of these: what is not there stays */
};

/*
 * False with every error added, at the place of the product. `id` is the one of the path,
 * which an id in `json` must be; of a new product it is not looked at.
 */
bool product_read(const json_t *json, enum product_form form, int64_t id,
		  struct product_input *input, struct mistakes *errors);

/* The same for a new product whose two fields are text, any bytes. */
bool product_read_text(struct span name, struct span price, struct product_input *input,
		       struct mistakes *errors);

#endif
