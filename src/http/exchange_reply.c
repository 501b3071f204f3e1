/*
 * exchange_reply.c - the answer of a handler: whole, or, when it is long and to be coded by gzip,
 * slice by slice, so that the loop turns in between. Called by: handlers, exchange_problem.c.
 */
#include <stdlib.h>
#include <string.h>

#include "http/answer.h"
#include "http/exchange.h"
#include "http/exchange_internal.h"
#include "http/gzip.h"

/*
 * What a worker holds of bodies that wait to be coded, in bytes: with many of them it is not the
 * clients that they wait for, but us. What is more is sent as it is, and soon gone.
 */
#define HELD_MAX ((size_t)16 << 20)

struct slices {
	struct door *door;
	struct gzip_progress progress;
	size_t at;
	size_t len;
	char body[];
};

static void
slices_free(struct slices *slices)
{
	slices->door->uncoded_held -= slices->len;
	free(slices);
}

static struct slices *
slices_new(struct door *door, struct span body)
{
	struct slices *slices;

	if (body.len > HELD_MAX - door->uncoded_held)
		return NULL;
	slices = malloc(sizeof(*slices) + body.len);
	if (!slices)
		return NULL;
	*slices = (struct slices){.door = door, .len = body.len};
	memcpy(slices->body, body.ptr, body.len);
	door->uncoded_held += body.len;
	return slices;
}

static void
slices_stop(void *ctx)
{
	slices_free(ctx);
}

static void
slices_proceed(struct exchange *x, void *ctx)
{
	struct slices *slices = ctx;
	struct door *door = slices->door;
	const size_t left = slices->len - slices->at;
	const bool is_last = left <= GZIP_SLICE;
	const struct span slice = span_from(slices->body + slices->at, is_last ? left : GZIP_SLICE);

	if (left == 0) {
		slices_free(slices);
		exchange_end(x);
	} else if (!answer_may_code(door)) {
		exchange_proceed_later(x);
	} else if (!answer_code(door, &slices->progress, slice, is_last)) {
		slices_free(slices);
		exchange_abort(x);
	} else {
		slices->at += slice.len;
		exchange_send(x, buffer_span(&door->coded));
	}
}

/* False: it cannot be, for want of memory. */
static bool
reply_in_slices(struct exchange *x, const struct reply *reply, const char *tag)
{
	static const struct stream_calls calls = {.proceed = slices_proceed, .stop = slices_stop};
	struct slices *slices = slices_new(x->door, reply->body);
	struct buffer fields = {0};

	if (!slices)
		return false;
	if (!buffer_printf(&fields, SIZE_MAX / 4,
			   "%s%s%s%sVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n%s%c",
			   tag[0] ? "ETag: " : "", answer_tag_prefix(tag, true), tag,
			   tag[0] ? "\r\n" : "", reply->fields ? reply->fields : "", '\0')) {
		slices_free(slices);
		return false;
	}
	struct reply head = {
	    .status = reply->status, .content_type = reply->content_type, .fields = fields.data};
	/* that holds, and the tag of this head is one of its fields */
	x->wish.if_match = span_from(NULL, 0);
	if (!exchange_stream(x, &head, &calls, slices))
		slices_free(slices);
	buffer_fini(&fields);
	return true;
}

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	char tag[ANSWER_TAG_SIZE];
	struct reply tagged;

	/* a client that has left may have left its door, too */
	if (reply->body.len <= GZIP_SLICE || x->state != EXCHANGE_PENDING || x->is_head ||
	    !x->wish.takes_gzip || !answer_has_gzip_form(x, reply)) {
		exchange_reply_whole(x, reply);
		return;
	}
	answer_tag(reply, tag);
	tagged = *reply;
	tagged.etag = tag[0] ? tag : NULL;
	if (answer_is_unmatched(x, reply) || answer_is_unchanged(x, reply, tag) ||
	    !reply_in_slices(x, reply, tag))
		exchange_reply_whole(x, &tagged);
}
