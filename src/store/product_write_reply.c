/*
 * product_write_reply.c - answers to writes, with or without Idempotency-Key.
 */
#include "store/product_write_reply.h"

#include "base/put.h"
#include "http/problem.h"
#include "http/server_timing.h"
#include "store/product_reply.h"
#include "store/product_row.h"

/* "Location: /api/products/" and 20 digits, "Preference-Applied: atomic" and the next two */
#define FIELDS_SIZE (SERVER_TIMING_SIZE + 160)

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

/* The lines that say how it came to this answer. */
static char *
put_fields(char *p, const struct products_answer *answer)
{
	if (answer->kept && answer->kept->is_replayed)
		p = PUT_LIT(p, "Idempotent-Replayed: true\r\n");
	return server_timing_put(p, answer->waited_us, answer->took_us);
}

/* The tag that product_row_tag made of the row, or would have made. */
static const char *
kept_tag(const struct products_kept *kept, char tag[PRODUCT_TAG_SIZE])
{
	if (!kept->id.len || !kept->version.len ||
	    kept->id.len + kept->version.len + 4 > PRODUCT_TAG_SIZE)
		return REPLY_ETAG_OF_BODY;
	char *p = PUT_LIT(tag, "\"");
	p = put(p, kept->id.ptr, kept->id.len);
	p = PUT_LIT(p, "-");
	p = put(p, kept->version.ptr, kept->version.len);
	memcpy(p, "\"", 2);
	return tag;
}

static void
reply_kept(struct exchange *x, const struct products_answer *answer, int status)
{
	const struct products_kept *kept = answer->kept;
	char fields[FIELDS_SIZE], tag[PRODUCT_TAG_SIZE], *p = fields;

	if (status == 201 && kept->id.len <= 20) {
		p = PUT_LIT(p, "Location: " PRODUCTS_PATH "/");
		p = put(p, kept->id.ptr, kept->id.len);
		p = PUT_LIT(p, "\r\n");
	}
	put_fields(p, answer);
	exchange_reply(x, &(struct reply){
			      .status = status,
			      .content_type = "application/json",
			      .body = kept->body,
			      .fields = fields,
			      .etag = kept_tag(kept, tag),
			  });
}

static void
reply_no_content(struct exchange *x, const struct products_answer *answer)
{
	char fields[FIELDS_SIZE];

	put_fields(fields, answer);
	exchange_reply(x, &(struct reply){.status = 204, .fields = fields});
}

void
product_reply_written(struct exchange *x, const struct products_answer *answer, int status)
{
	if (answer->outcome != PRODUCTS_OK || (!answer->kept && answer->n != 1))
		product_reply_trouble(x, answer);
	else if (status == 204)
		reply_no_content(x, answer);
	else if (answer->kept)
		reply_kept(x, answer, status);
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
		put_fields(p, answer);
	else
		*p = '\0';
	exchange_reply(x, &(struct reply){
			      .status = 200,
			      .content_type = "application/json",
			      .body = body,
			      .fields = fields,
			  });
}
