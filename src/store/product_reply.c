/*
 * product_reply.c - the problems of the store in words, and one product as an answer.
 */
#include "store/product_reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/put.h"
#include "http/problem.h"
#include "http/refuse.h"
#include "http/server_timing.h"
#include "store/product_row.h"

/* of the memory for one row */
#define BODY_KEPT_MAX 16384

void
product_reply_no_store(struct exchange *x)
{
	static const struct problem no_store = {
	    .status = 503,
	    .type = "no-store",
	    .title = "There is no product store",
	    .detail = "store.database is not set: name a PostgreSQL database there",
	    .hint = "In plaza.conf, below [store]: database = dbname=plaza; then reload.",
	};

	exchange_problem(x, &no_store);
}

void
product_reply_not_found(struct exchange *x, const struct products_answer *answer)
{
	static const struct problem not_found = {
	    .status = 404,
	    .type = "not-found",
	    .title = "There is no such product",
	    .detail = "no product has this id; an id is a positive number in decimal",
	    .hint = "GET " PRODUCTS_PATH " lists the products that there are.",
	};

	if (answer)
		refuse_timed(x, &not_found, 0, answer->waited_us, answer->took_us);
	else
		exchange_problem(x, &not_found);
}

void
product_reply_bad_query(struct exchange *x, const struct mistakes *mistakes, const char *example)
{
	char hint[120];

	snprintf(hint, sizeof(hint),
		 "For instance " PRODUCTS_PATH "%s; in a shell, put the URL into quotes.", example);
	refuse_query(x, mistakes, hint);
}

static const struct problem troubles[] = {
    [PRODUCTS_INVALID] =
	{
	    .status = 422,
	    .type = "validation",
	    .title = "The content is not valid",
	    .hint =
		"The API takes these values, and a rule of this database does not: its operator "
		"knows the rule by the name given here, and the log has more.",
	},
    [PRODUCTS_LEFT_OUT] =
	{
	    .status = 422,
	    .type = "validation",
	    .title = "The content is not valid",
	    .hint = "The API takes this request, and a trigger of this database does not: ask its "
		    "operator what the trigger wants.",
	},
    [PRODUCTS_CONFLICT] =
	{
	    .status = 409,
	    .type = "conflict",
	    .title = "There is such a product already",
	    .hint = "GET " PRODUCTS_PATH " shows the one that there is.",
	},
    [PRODUCTS_UNMATCHED] =
	{
	    .status = 412,
	    .type = "precondition-failed",
	    .title = PROBLEM_TITLE_412,
	    .detail = "it has a version that If-Match does not name, or that If-None-Match "
		      "excludes; nothing was changed",
	    .hint = "GET it again, look at what has changed, and send its new ETag in If-Match.",
	},
    [PRODUCTS_KEY_USED] =
	{
	    .status = 422,
	    .type = "idempotency-key-reused",
	    .title = "The Idempotency-Key was used for another request",
	    .detail = "method, path, If-Match, If-None-Match, Prefer, Content-Type and body must "
		      "be those that the key came with first",
	    .hint = "Make a new key, such as a UUID, for each request, and send it again with "
		    "each retry only.",
	},
    [PRODUCTS_KEY_BUSY] =
	{
	    .status = 409,
	    .type = "idempotency-key-in-use",
	    .title = "A request with this Idempotency-Key is under way",
	    .detail = "another request has locked the key, or the product, for longer than this "
		      "one could wait",
	    .hint = "Send the same request again after Retry-After seconds.",
	},
    [PRODUCTS_UNKNOWN] =
	{
	    .status = 503,
	    .type = "commit-unknown",
	    .title = "The outcome of the write is unknown",
	    .detail = "the database was lost while it wrote: look whether the product is as it "
		      "was to be before you send it again",
	    .hint = "GET " PRODUCTS_PATH "?sort=-id shows the newest first. With an "
		    "Idempotency-Key a request can be sent again without a look.",
	},
    [PRODUCTS_BUSY] =
	{
	    .status = 503,
	    .type = "store-busy",
	    .title = "The product store is busy",
	    .detail = "too many requests wait for the database (store.queue_limit, "
		      "store.queue_timeout)",
	    .hint = "Try again after Retry-After seconds, with fewer requests at a time.",
	},
    [PRODUCTS_SLOW] =
	{
	    .status = 503,
	    .type = "store-timeout",
	    .title = "The product store took too long",
	    .detail = "the database did not finish within store.statement_timeout, or gave way to "
		      "others; nothing was changed",
	},
    [PRODUCTS_DOWN] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the database cannot be reached or cannot work at present",
	},
    [PRODUCTS_NO_SCHEMA] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the database schema is not up to date; the server's log says what is to "
		      "be done",
	    .hint = "If it lasts, tell the operator; once the schema is there, it works by itself.",
	},
    [PRODUCTS_DENIED] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The product store is not available",
	    .detail = "the role of store.database may not use the table products; the server's "
		      "log says what to grant",
	    .hint = "Tell the operator, who has to grant it; then it works by itself.",
	},
    [PRODUCTS_FAILED] =
	{
	    .status = 500,
	    .type = "store-error",
	    .title = "The product store failed",
	    .detail = "the database reported an error; the server's log has it",
	},
};

char *
product_fields_put(char *p, const struct products_answer *answer)
{
	if (answer->is_replayed)
		p = PUT_LIT(p, "Idempotent-Replayed: true\r\n");
	return server_timing_put(p, answer->waited_us, answer->took_us);
}

void
product_reply_trouble(struct exchange *x, const struct products_answer *answer)
{
	enum products_outcome outcome = answer->outcome;
	char text[REFUSAL_SIZE];

	if (outcome == PRODUCTS_ABSENT) {
		product_reply_not_found(x, answer);
		return;
	}
	/* an answer without the row that was asked for is nothing that we foresaw either */
	if (outcome == PRODUCTS_OK)
		outcome = PRODUCTS_FAILED;
	struct problem problem = troubles[outcome];
	const struct problem_error refused = {
	    .pointer = refusal_pointer(&answer->refusal),
	    .detail = text,
	};
	if (!problem.detail) {
		refusal_describe(&answer->refusal, text);
		problem.detail = text;
		problem.errors = &refused;
		problem.n_errors = 1;
	}
	/* these pass; an unknown outcome is 503 as well, but waiting does not make it known */
	const bool passes =
	    (problem.status == 503 && outcome != PRODUCTS_UNKNOWN) || outcome == PRODUCTS_KEY_BUSY;
	const unsigned after_s = answer->retry_after_s ? answer->retry_after_s : 1;
	refuse_timed(x, &problem, passes ? after_s : 0, answer->waited_us, answer->took_us);
}

void
product_reply_no_memory(struct exchange *x)
{
	refuse_no_memory(x, "store");
}

void
product_reply_json(struct exchange *x, int status, const struct buffer *body, const char *fields)
{
	const struct reply reply = {
	    .status = status,
	    .content_type = "application/json",
	    .body = buffer_span(body),
	    .fields = fields,
	    .etag = REPLY_ETAG_OF_BODY,
	};

	exchange_reply(x, &reply);
}

void
product_reply_row(struct exchange *x, const struct products_answer *answer, int first, int status)
{
	/* a worker answers one at a time, and most rows are short: the memory stays */
	static struct buffer body;
	/* "Location: /api/products/" and 20 digits */
	char fields[PRODUCT_FIELDS_SIZE + 80], tag[PRODUCT_TAG_SIZE], *p = fields;
	struct product_columns columns;

	product_columns_find(&columns, answer->result, first);
	body.len = 0;
	if (!product_row_json(&body, &columns, answer->row, PRODUCT_REPLY_MAX)) {
		product_reply_no_memory(x);
		return;
	}
	const struct span id = product_row_id(&columns, answer->row);
	if (status == 201 && id.len <= 20) {
		p = PUT_LIT(p, "Location: " PRODUCTS_PATH "/");
		p = put(p, id.ptr, id.len);
		p = PUT_LIT(p, "\r\n");
	}
	product_fields_put(p, answer);
	const struct reply reply = {
	    .status = status,
	    .content_type = "application/json",
	    .body = buffer_span(&body),
	    .fields = fields,
	    .etag = product_row_tag(&columns, answer->row, tag),
	};
	exchange_reply(x, &reply);
	if (body.cap > BODY_KEPT_MAX)
		buffer_fini(&body);
}
