/*
 * product_write_reply.c - answers to writes, with or without Idempotency-Key.
 */
#include "store/product_write_reply.h"

#include "base/put.h"
#include "http/problem.h"
#include "http/server_timing.h"
#include "store/product_reply.h"

/* "Preference-Applied: atomic" */
#define FIELDS_SIZE (PRODUCT_FIELDS_SIZE + 40)

bool
product_key_read(struct exchange *x, struct idempotency *key)
{
	static const struct problem bad_key = {
	    .status = 400,
	    .type = "bad-key",
	    .title = "The Idempotency-Key is not accepted",
	    .detail = "an Idempotency-Key is 1 to 255 visible ASCII characters, bare or in quotes, "
		      "given once",
	    .hint = "Make a new UUID for each request, and send it again with each retry.",
	};

	switch (idempotency_read(exchange_request(x), exchange_body(x), key)) {
	case IDEMPOTENCY_OK: return true;
	case IDEMPOTENCY_BAD: exchange_problem(x, &bad_key); break;
	case IDEMPOTENCY_NO_MEMORY: product_reply_no_memory(x); break;
	}
	return false;
}

static void
reply_no_content(struct exchange *x, const struct products_answer *answer)
{
	char fields[FIELDS_SIZE];

	product_fields_put(fields, answer);
	exchange_reply(x, &(struct reply){.status = 204, .fields = fields});
}

void
product_reply_written(struct exchange *x, const struct products_answer *answer, int status)
{
	if (answer->outcome != PRODUCTS_OK || answer->n != 1)
		product_reply_trouble(x, answer);
	else if (status == 204)
		reply_no_content(x, answer);
	else
		/* the first column is ours */
		product_reply_row(x, answer, 1, status);
}

void
product_reply_results(struct exchange *x, const struct products_answer *answer, struct span body,
		      const char *more)
{
	char fields[FIELDS_SIZE], *p = put(fields, more, strlen(more));

	/* one that had nothing to ask of the database has taken none of its time */
	if (answer)
		product_fields_put(p, answer);
	else
		*p = '\0';
	exchange_reply(x, &(struct reply){
			      .status = 200,
			      .content_type = "application/json",
			      .body = body,
			      .fields = fields,
			  });
}
