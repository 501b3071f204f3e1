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
#include "http/problem.h"
#include "store/price.h"

#define PRODUCT_NAME_MAX 1000 /* bytes of UTF-8 */

/* Enough for every member that we know and a few that we do not; the last one says "and more". */
#define PRODUCT_ERRORS_MAX 16
/* A key longer than this is not quoted in a pointer. */
#define PRODUCT_KEY_MAX 120

struct product_input {
	struct span name;            /* points into what was read; ptr NULL: not given */
	char price[PRICE_TEXT_SIZE]; /* empty: not given */
};

/* What is wrong with one product, or with all of a list. */
struct product_errors {
	size_t n;
	/* the place in a list of the product in hand, which each pointer begins with; or -1 */
	long item;
	struct problem_error error[PRODUCT_ERRORS_MAX]; /* as exchange_problem takes them */
	/* "/9999/", and each byte of the key maybe as ~0 or ~1 */
	char pointer[PRODUCT_ERRORS_MAX][8 + 2 * PRODUCT_KEY_MAX];
};

void product_errors_init(struct product_errors *errors);

/* `key` without a pointer means the whole product. `detail` is a literal. */
void product_errors_add(struct product_errors *errors, struct span key, const char *detail);

enum product_form {
	PRODUCT_NEW,   /* name and price */
	PRODUCT_WHOLE, /* the same, and maybe its id */
	PRODUCT_PATCH  /* a merge patch (RFC 7396) of these: what is not there stays */
};

/*
 * False with every error added, a JSON pointer (RFC 6901) for each. `id` is the one of the path,
 * which an id in `json` must be; of a new product it is not looked at.
 */
bool product_read(const json_t *json, enum product_form form, int64_t id,
		  struct product_input *input, struct product_errors *errors);

/* The same for a new product whose two fields are text, any bytes. */
bool product_read_text(struct span name, struct span price, struct product_input *input,
		       struct product_errors *errors);

#endif
