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
#include "store/idempotency.h"
#include "store/list_query.h"
#include "store/product_batch.h"
#include "store/product_json.h"
#include "store/product_match.h"
#include "store/product_sql.h"
#include "store/refusal.h"

enum products_outcome {
	PRODUCTS_OK,
	PRODUCTS_INVALID,  /* the database refuses the values: a constraint, a type, its encoding */
	PRODUCTS_CONFLICT, /* a unique constraint of the table */
	PRODUCTS_BUSY,     /* too many requests wait, or waited too long */
	PRODUCTS_SLOW,     /* statement_timeout, a lock, a conflict with others: try again */
	PRODUCTS_DOWN,     /* the database cannot be reached, or cannot work at present */
	PRODUCTS_NO_SCHEMA, /* it can, but the table is missing and we may not make it */
	PRODUCTS_DENIED,    /* our role may not use the table */
	PRODUCTS_ABSENT,    /* there is no such product to be changed */
	PRODUCTS_UNMATCHED, /* there is, in a version that was not meant */
	PRODUCTS_LEFT_OUT,  /* a trigger of the table has kept the row from being written */
	PRODUCTS_KEY_USED,  /* its Idempotency-Key was used for another request */
	PRODUCTS_KEY_BUSY,  /* another one with this key is under way, for longer than we wait */
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
	bool is_replayed;            /* this was answered to an earlier request with the same key */
	struct refusal refusal;      /* of PRODUCTS_INVALID and PRODUCTS_CONFLICT */
	uint64_t waited_us, took_us; /* as of struct lane_answer */
};

typedef void products_fn(const struct products_answer *answer, void *ctx);

struct feed;

/* Which lane serves what; several may be the same one. */
struct products {
	struct loop *loop;
	const struct product_sql *sql;
	struct lane *read;
	struct lane *write;
	struct lane *slow;
	struct feed *feed;   /* to be told of writes (feed_wake); NULL: there is none */
	bool requires_match; /* store.require_match: PUT, PATCH and DELETE want an If-Match */
	/* whether q= may be asked for; NULL: always */
	bool (*search_ready)(void *ctx);
	void *search_ctx;
};

/*
 * `done` is called exactly once, maybe inside. Arguments are copied, but for what the comments say.
 * A key of no length is none.
 */

/* One row: a column of ours, then the table's. */
void products_insert(const struct products *products, const struct product_input *input,
		     const struct idempotency *key, products_fn *done, void *ctx);
/*
 * The products of a batch that has been ended, as product_batch_write wants them; all or none if
 * `is_atomic`. It must live until `done`.
 */
void products_insert_all(const struct products *products, const struct product_batch *batch,
			 bool is_atomic, const struct idempotency *key, products_fn *done,
			 void *ctx);
/* What the input does not give stays. One row, as above. */
void products_update(const struct products *products, int64_t id, const struct product_input *input,
		     const struct product_match *match, const struct idempotency *key,
		     products_fn *done, void *ctx);
void products_delete(const struct products *products, int64_t id, const struct product_match *match,
		     const struct idempotency *key, products_fn *done, void *ctx);

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
