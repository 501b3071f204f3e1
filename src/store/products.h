/*
 * products.h - what can be done with products, typed, on lanes. Knows SQL; knows no HTTP.
 */
#ifndef PLAZA_STORE_PRODUCTS_H
#define PLAZA_STORE_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "pg/lane.h"
#include "pg/setup.h"
#include "store/list_query.h"
#include "store/product_json.h"
#include "store/product_sql.h"

enum products_outcome {
	PRODUCTS_OK,
	PRODUCTS_INVALID,  /* the database refuses the values: a constraint, a type, its encoding */
	PRODUCTS_CONFLICT, /* a unique constraint of the table */
	PRODUCTS_BUSY,     /* too many requests wait, or waited too long */
	PRODUCTS_SLOW,     /* statement_timeout, a lock, a conflict with others: try again */
	PRODUCTS_DOWN,     /* the database cannot be reached, or cannot work at present */
	PRODUCTS_NO_SCHEMA, /* it can, but the table is missing and we may not make it */
	PRODUCTS_DENIED,    /* our role may not use the table */
	PRODUCTS_UNKNOWN,   /* a write whose outcome nobody knows */
	PRODUCTS_FAILED     /* an error that we did not foresee, logged */
};

/* Valid until the callback returns. */
struct products_answer {
	enum products_outcome outcome;
	/* rows [row, row + n) are its own: others may have asked for the rest */
	const PGresult *result;
	int row;
	size_t n;  /* a get without a row is PRODUCTS_OK with none */
	bool more; /* a list: there are rows past these */
	unsigned retry_after_s;
	uint64_t waited_us, took_us; /* as of struct lane_answer */
};

typedef void products_fn(const struct products_answer *answer, void *ctx);

struct product products_row(const struct products_answer *answer, size_t i);

struct feed;

/* Which lane serves what; several may be the same one. */
struct products {
	const struct product_sql *sql;
	struct lane *read;
	struct lane *write;
	struct lane *slow;
	struct feed *feed; /* to be told of writes (feed_wake); NULL: there is none */
	/* whether q= may be asked for; NULL: always */
	bool (*search_ready)(void *ctx);
	void *search_ctx;
};

/*
 * `done` is called exactly once, maybe inside. Arguments are copied. `name` has no NUL; `price` is
 * from price.h.
 */
void products_create(const struct products *products, struct span name, const char *price,
		     products_fn *done, void *ctx);
void products_get(const struct products *products, int64_t id, products_fn *done, void *ctx);
/*
 * The rows of a page, in order; and how many rows all pages together have: one row, as
 * list_query_count_sql says. `list` must live until `done`.
 */
void products_list(const struct products *products, const struct list_query *list,
		   products_fn *done, void *ctx);
void products_count(const struct products *products, const struct list_query *list,
		    products_fn *done, void *ctx);

#endif
