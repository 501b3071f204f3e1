/*
 * answer.c - a reply and what was asked of it, made one answer. Called by: exchange.c,
 * exchange_reply.c; judge.c has the wish read. Without any wish it is response_write.
 */
#include "http/answer.h"

#include <assert.h>
#include <string.h>

#include "http/cors.h"
#include "http/etag.h"
#include "http/negotiate.h"
#include "http/problem.h"

/*
 * What is coded in one pass, for all connections: 5 ms of work for JSON, 11 ms for the worst there
 * is. What comes when that is used up is sent as it is, which is always right and costs less.
 */
#define CODE_PER_PASS (4 * GZIP_SLICE)
/* What a slice costs however short it is, in bytes of work: deflate clears its tables. */
#define CODE_COST 1024

/* Further lines of one answer: those of CORS, a tag, and those about gzip. */
#define FIELDS_SIZE (CORS_FIELDS_SIZE + ANSWER_TAG_SIZE + 128)
/* Lines of a handler that a 304 has, too. */
#define KEPT_SIZE 1024

/* ---- the wish ---- */

/*
 * RFC 9110 5.3: the fields are one list. There is room for it. ptr is NULL where there is none; an
 * empty one is not the same.
 */
static struct span
joined(struct buffer *lists, const struct request *request, enum http_field id)
{
	const size_t begin = lists->len;

	if (request->times[id] <= 1)
		return request_first(request, id);
	for (size_t i = 0; i < request->n_fields; i++) {
		const struct request_field *field = &request->field[i];

		if (field->id != id)
			continue;
		if (field->value.len)
			memcpy(lists->data + lists->len, field->value.ptr, field->value.len);
		lists->len += field->value.len;
		lists->data[lists->len++] = ',';
	}
	return span_from(lists->data + begin, lists->len - begin);
}

static bool
is_condition(enum http_field id)
{
	return id == FIELD_IF_MATCH || id == FIELD_IF_NONE_MATCH;
}

/* Without memory there is no condition: a 200 says what there is, and with which ETag. */
static void
read_conditions(struct exchange *x)
{
	const struct request *request = &x->door->request;
	struct buffer *lists = &x->door->conditions;
	size_t room = 0;

	lists->len = 0;
	for (size_t i = 0; i < request->n_fields; i++)
		if (is_condition(request->field[i].id) && request->times[request->field[i].id] > 1)
			room += request->field[i].value.len + 1;
	if (room && !buffer_reserve(lists, room, SIZE_MAX / 4))
		return;
	x->wish.if_match = joined(lists, request, FIELD_IF_MATCH);
	x->wish.if_none_match = joined(lists, request, FIELD_IF_NONE_MATCH);
}

void
answer_wish_read(struct exchange *x)
{
	const struct request *request = &x->door->request;

	/* RFC 9110 13.1.1, 13.1.2: what a match means for other methods is for those who serve them
	 */
	x->wish.if_match = x->wish.if_none_match = span_from(NULL, 0);
	if ((request->method == HTTP_GET || request->method == HTTP_HEAD) &&
	    (request_has(request, FIELD_IF_MATCH) || request_has(request, FIELD_IF_NONE_MATCH)))
		read_conditions(x);
	/* caches of HTTP/1.0 know nothing of Vary, and there would be no chunks for a long body */
	x->wish.takes_gzip = x->door->config->http_gzip_min_size && request->version_minor &&
			     request_has(request, FIELD_ACCEPT_ENCODING) && negotiate_gzip(request);
}

/* ---- tags ---- */

void
answer_tag(const struct reply *reply, char tag[ANSWER_TAG_SIZE])
{
	const char *text = reply->etag;

	tag[0] = '\0';
	if (!text)
		return;
	if (!text[0]) {
		if (reply->body.len <= ETAG_BODY_MAX)
			etag_of_body(reply->body, tag);
		return;
	}
	const size_t len = strlen(text);
	assert(len < ANSWER_TAG_SIZE && etag_is_valid(span_from(text, len)));
	memcpy(tag, text, len + 1);
}

bool
answer_is_unchanged(const struct exchange *x, const struct reply *reply, const char *tag)
{
	return reply->status == 200 && tag[0] && x->wish.if_none_match.len &&
	       etag_is_listed(x->wish.if_none_match, span_str(tag), ETAG_WEAK);
}

/*
 * RFC 9110 15.4.5: of the 200's fields a 304 has these, besides Date and ETag. Timing is its own.
 * They say as much in a 412.
 */
static bool
is_for_304(struct span name)
{
	static const char *const names[] = {"Cache-Control", "Content-Location", "Expires",
					    "Server-Timing", "Vary"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_nocase(name, span_str(names[i])))
			return true;
	return false;
}

/* Copies those of `fields`, terminated. False: they are too long. */
static bool
keep_for_304(const char *fields, char kept[KEPT_SIZE])
{
	size_t len = 0;

	kept[0] = '\0';
	for (const char *end; fields && (end = strstr(fields, "\r\n")); fields = end + 2) {
		const size_t line_len = (size_t)(end + 2 - fields);
		const char *colon = memchr(fields, ':', line_len);

		if (!colon || !is_for_304(span_from(fields, (size_t)(colon - fields))))
			continue;
		if (line_len >= KEPT_SIZE - len)
			return false;
		memcpy(kept + len, fields, line_len);
		len += line_len;
		kept[len] = '\0';
	}
	return true;
}

bool
answer_is_unmatched(const struct exchange *x, const struct reply *reply)
{
	char tag[ANSWER_TAG_SIZE];

	if (!x->wish.if_match.ptr || reply->status != 200)
		return false;
	answer_tag(reply, tag);
	return !etag_is_listed(x->wish.if_match, span_str(tag), ETAG_STRONG);
}

/* ---- gzip ---- */

static bool
is_compressible(const char *type)
{
	static const char *const types[] = {"application/json", "application/problem+json"};

	if (!type)
		return false;
	const struct span name = span_from(type, strcspn(type, "; "));
	if (name.len > 5 && span_eq_nocase(span_from(name.ptr, 5), SPAN_LIT("text/")))
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (span_eq_nocase(name, span_str(types[i])))
			return true;
	return false;
}

bool
answer_has_gzip_form(const struct exchange *x, const struct reply *reply)
{
	const uint64_t min = x->door->config->http_gzip_min_size;

	return min && reply->status == 200 && reply->body.len >= min &&
	       is_compressible(reply->content_type);
}

bool
answer_may_code(const struct door *door)
{
	return door->coded_in_pass < CODE_PER_PASS;
}

bool
answer_code(struct door *door, struct gzip_progress *progress, struct span slice, bool is_last)
{
	if (!door->gzip)
		door->gzip = gzip_new();
	if (!door->gzip)
		return false;
	door->coded_in_pass += slice.len + CODE_COST;
	door->coded.len = 0;
	return gzip_slice(door->gzip, progress, slice, is_last, &door->coded);
}

/* At once, into door->coded; the long ones are exchange_reply.c's. */
static bool
code_whole(struct door *door, struct span body)
{
	struct gzip_progress progress = {0};

	return body.len <= GZIP_SLICE && answer_may_code(door) &&
	       answer_code(door, &progress, body, true);
}

/* ---- the answer ---- */

static size_t
put(char *fields, size_t len, const char *text)
{
	const size_t n = strlen(text);

	assert(n < FIELDS_SIZE - len);
	memcpy(fields + len, text, n);
	return len + n;
}

static bool write_unmatched(struct exchange *x, struct buffer *out, const struct reply *reply,
			    struct response_head *head) __attribute__((cold));

/* The answer, with all that may be asked of it. */
static bool
write_as_wished(struct exchange *x, struct buffer *out, const struct reply *reply,
		struct response_head *head)
{
	char fields[FIELDS_SIZE], tag[ANSWER_TAG_SIZE], kept[KEPT_SIZE];
	const bool is_first_piece = head->body == RESPONSE_CHUNKS || head->body == RESPONSE_TO_END;
	const bool has_gzip = !is_first_piece && answer_has_gzip_form(x, reply);
	bool is_coded = has_gzip && x->wish.takes_gzip;
	struct reply sent = *reply;
	size_t len = cors_fields(x->door->config, x->wish.origin, fields, CORS_FIELDS_SIZE);

	/* RFC 9110 13.2.2: before If-None-Match */
	if (answer_is_unmatched(x, reply))
		return write_unmatched(x, out, reply, head);
	answer_tag(reply, tag);
	const bool is_304 = !is_first_piece && answer_is_unchanged(x, reply, tag) &&
			    keep_for_304(reply->fields, kept);
	if (is_304)
		sent = (struct reply){.status = 304, .fields = kept};
	else if (is_coded && x->is_head)
		/* RFC 9110 9.3.2: the length is known only to who makes the content */
		head->body = RESPONSE_TO_END;
	else if (is_coded && code_whole(x->door, reply->body))
		sent.body = buffer_span(&x->door->coded);
	else
		is_coded = false;
	if (tag[0]) {
		len = put(fields, len, "ETag: ");
		len = put(fields, len, answer_tag_prefix(tag, is_coded));
		len = put(fields, len, tag);
		len = put(fields, len, "\r\n");
	}
	if (has_gzip)
		len = put(fields, len, "Vary: Accept-Encoding\r\n");
	if (is_coded && !is_304)
		len = put(fields, len, "Content-Encoding: gzip\r\n");
	head->fields = span_from(fields, len);
	return response_write(out, &sent, head);
}

static bool
write_unmatched(struct exchange *x, struct buffer *out, const struct reply *reply,
		struct response_head *head)
{
	char kept[KEPT_SIZE];
	struct problem problem = {
	    .status = 412,
	    .type = "precondition-failed",
	    .title = PROBLEM_TITLE_412,
	    .detail = "its ETag is not in If-Match, or that is no list of entity-tags in quotes",
	    .hint = "Send it again without If-Match to see what there is, and its ETag.",
	    .fields = kept,
	};
	struct problem_answer answer;

	if (!keep_for_304(reply->fields, kept) || strlen(kept) > PROBLEM_FIELDS_MAX)
		problem.fields = NULL;
	problem_answer_init(&answer, &problem, x->wish.error_form);
	const bool is_written = write_as_wished(x, out, &answer.reply, head);
	problem_answer_fini(&answer);
	return is_written;
}

bool
answer_write(struct exchange *x, struct buffer *out, const struct reply *reply,
	     enum response_body body)
{
	const struct config *config = x->door->config;
	struct response_head head = {
	    .connection = RESPONSE_CLOSE, .body = body, .common = door_common(x->door)};

	if (x->is_keep)
		head.connection = x->is_minor_0 ? RESPONSE_KEEP_ALIVE : RESPONSE_KEEP;
	if (!reply->etag && !config->http_gzip_min_size && !config->http_origins.n &&
	    !x->wish.if_match.ptr)
		return response_write(out, reply, &head);
	return write_as_wished(x, out, reply, &head);
}
