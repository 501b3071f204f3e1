/*
 * product_reply.h - answers that several routes of products give.
 */
#ifndef PLAZA_STORE_PRODUCT_REPLY_H
#define PLAZA_STORE_PRODUCT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/exchange.h"
#include "http/mistakes.h"
#include "http/server_timing.h"
#include "store/product_id.h"
#include "store/products.h"

#define PRODUCTS_PATH "/api/products"

/* a thousand rows of names that were put there by others, each byte escaped as \u00XX, and more */
#define PRODUCT_REPLY_MAX (256U << 20)

/* The lines that say how it came to an answer: Idempotent-Replayed, Server-Timing. */
#define PRODUCT_FIELDS_SIZE (SERVER_TIMING_SIZE + 40)
char *product_fields_put(char *p, const struct products_answer *answer);

/* Each of these is the answer. With `answer` it tells by Server-Timing what the database took. */

void product_reply_no_store(struct exchange *x);
/* `answer`: or NULL, when there was no need to ask. */
void product_reply_not_found(struct exchange *x, const struct products_answer *answer);
void product_reply_no_memory(struct exchange *x);
/* 400 with every mistake of a query; `example` as in "?limit=10". */
void product_reply_bad_query(struct exchange *x, const struct mistakes *mistakes,
			     const char *example);
/* Anything but PRODUCTS_OK with the rows that were asked for. */
void product_reply_trouble(struct exchange *x, const struct products_answer *answer);
/* JSON with an ETag of its bytes; `fields` may be NULL. */
void product_reply_json(struct exchange *x, int status, const struct buffer *body,
			const char *fields);
/*
 * Its first row, whose columns begin at `first`: with the row's own ETag, and with its Location if
 * it was made (201).
 */
void product_reply_row(struct exchange *x, const struct products_answer *answer, int first,
		       int status);

#endif
