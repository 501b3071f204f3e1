/* links: $(door) -ljansson -levent_core -lz */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "http/answer.h"
#include "http/exchange.h"

/* An exchange without a connection: what it sends is gathered in `wire`. */
static struct config config;
static struct door door;
static struct exchange exchange;
static struct buffer wire;
static const char *failure;
static int n_written;

static void
written(struct exchange *x, const char *why)
{
	(void)x;
	n_written++;
	failure = why;
}

static void
released(struct exchange *x)
{
	(void)x;
	n_written = -1;
}

static const struct exchange_owner owner = {.on_written = written, .on_released = released};

static void
setup(void)
{
	config = (struct config){.http_gzip_min_size = 100};
	door = (struct door){.loop = loop_new(), .config = &config};
	ck_assert_ptr_nonnull(door.loop);
}

static void
teardown(void)
{
	ck_assert_uint_eq(door.uncoded_held, 0);
	loop_free(&door.loop);
	buffer_fini(&door.coded);
	buffer_fini(&door.conditions);
	gzip_free(&door.gzip);
	buffer_fini(&wire);
}

/* Request line, then `fields`, each line with CRLF. */
static void
ask(const char *line, const char *fields)
{
	static char head[20000];
	struct request_parser parser = {0};
	int len = snprintf(head, sizeof(head), "%s\r\nHost: a\r\n%s\r\n", line, fields);

	ck_assert(len > 0 && (size_t)len < sizeof(head));
	ck_assert_int_eq(
	    request_parse(&parser, head, (size_t)len, sizeof(head), &door.request, &door.head_len),
	    REQUEST_COMPLETE);
	exchange = (struct exchange){.owner = &owner,
				     .door = &door,
				     .late = &wire,
				     .is_head = door.request.method == HTTP_HEAD,
				     .is_minor_0 = door.request.version_minor == 0,
				     .is_keep = true,
				     .state = EXCHANGE_PENDING};
	answer_wish_read(&exchange);
}

/* The answer to what was asked, whole, with a terminator. */
static const char *
answer(const struct reply *reply)
{
	wire.len = 0;
	n_written = 0;
	failure = NULL;
	door.coded_in_pass = 0;
	exchange_reply(&exchange, reply);
	while (exchange.state == EXCHANGE_STREAMING) {
		ck_assert(exchange.wants_piece);
		door.coded_in_pass = 0;
		exchange_proceed(&exchange);
	}
	ck_assert_ptr_null(failure);
	ck_assert_int_gt(n_written, 0);
	ck_assert(buffer_append(&wire, "", 1, SIZE_MAX / 4));
	wire.len--;
	return wire.data;
}

static const char *
body_of(const char *wire_text)
{
	return strstr(wire_text, "\r\n\r\n") + 4;
}

/* How often the head has a line; the name's case is ours. */
static int
lines(const char *line)
{
	const char *end = body_of(wire.data);
	int n = 0;

	for (const char *p = wire.data; (p = strstr(p, line)) && p < end; p++)
		n += p[-1] == '\n';
	return n;
}

/* Whether the answer's status is this. */
#define expect_status(text)                                                                      \
	ck_assert_msg(strncmp(wire.data, "HTTP/1.1 " text, strlen("HTTP/1.1 " text)) == 0, "%s", \
		      wire.data)

/* ---- 304 ---- */

static const struct {
	const char *line;
	const char *fields;
	const char *etag;
	int status;
} conditions[] = {
    /* RFC 9110 13.1.2 */
    {"GET / HTTP/1.1", "", "\"a\"", 200},
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\n", "\"a\"", 304},
    {"HEAD / HTTP/1.1", "If-None-Match: \"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.0", "If-None-Match: \"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: \"b\"\r\n", "\"a\"", 200},
    {"GET / HTTP/1.1", "If-None-Match: \"b\", \"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: *\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: a\r\n", "\"a\"", 200},
    {"GET / HTTP/1.1", "If-None-Match:\r\n", "\"a\"", 200},
    /* weak comparison (8.8.3.2) */
    {"GET / HTTP/1.1", "If-None-Match: W/\"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\n", "W/\"a\"", 304},
    /* without a tag there is nothing to compare, be it for any */
    {"GET / HTTP/1.1", "If-None-Match: *\r\n", NULL, 200},
    /* other methods want 412 from who serves them, never 304 */
    {"POST / HTTP/1.1", "If-None-Match: \"a\"\r\n", "\"a\"", 200},
    {"DELETE / HTTP/1.1", "If-None-Match: *\r\n", "\"a\"", 200},
    /* several fields are one list (5.3) */
    {"GET / HTTP/1.1", "If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match:\r\nA: b\r\nif-none-match: W/\"a\"\r\n", "\"a\"", 304},
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\nIf-None-Match: b\r\n", "\"a\"", 200},
    {"GET / HTTP/1.1", "If-None-Match: *\r\nIf-None-Match: \"a\"\r\n", "\"a\"", 200},
    {"GET / HTTP/1.1", "If-None-Match: \"c\r\nIf-None-Match: \"a\"\r\n", "\"a\"", 200},
};

START_TEST(answers_304_as_rfc_9110_13_1_2)
{
	const struct reply reply = {.status = 200,
				    .content_type = "text/plain",
				    .body = SPAN_LIT("content"),
				    .etag = conditions[_i].etag};

	ask(conditions[_i].line, conditions[_i].fields);
	answer(&reply);
	ck_assert_msg(atoi(wire.data + 9) == conditions[_i].status, "%s", wire.data);
	/* RFC 9110 8.8.3: both have the tag */
	ck_assert_int_eq(lines("ETag: "), conditions[_i].etag != NULL);
	if (conditions[_i].status == 304) {
		ck_assert_int_eq(lines("Content-"), 0);
		ck_assert_str_eq(body_of(wire.data), "");
	}
}
END_TEST

/* RFC 9110 15.4.5 */
START_TEST(a_304_has_the_fields_that_matter)
{
	const struct reply reply = {.status = 200,
				    .content_type = "application/json",
				    .body = SPAN_LIT("{}"),
				    .fields = "Cache-Control: no-cache\r\nLink: </a>\r\n"
					      "vary: Prefer\r\nExpires: 0\r\n"
					      "Content-Location: /b\r\nContent-Language: en\r\n",
				    .etag = "\"a\""};

	ask("GET / HTTP/1.1", "If-None-Match: \"a\"\r\n");
	answer(&reply);
	expect_status("304");
	ck_assert_int_eq(lines("ETag: \"a\"\r\n"), 1);
	ck_assert_int_eq(lines("Date: "), 1);
	ck_assert_int_eq(lines("Cache-Control: no-cache\r\n"), 1);
	ck_assert_int_eq(lines("vary: Prefer\r\n"), 1);
	ck_assert_int_eq(lines("Expires: 0\r\n"), 1);
	ck_assert_int_eq(lines("Content-Location: /b\r\n"), 1);
	ck_assert_int_eq(lines("Link: "), 0);
	ck_assert_int_eq(lines("Content-L"), 1);
	ck_assert_int_eq(lines("Content-Type"), 0);
}
END_TEST

START_TEST(a_304_without_room_for_its_fields_is_a_200)
{
	char fields[3000];
	const struct reply reply = {.status = 200,
				    .content_type = "text/plain",
				    .body = SPAN_LIT("x"),
				    .fields = fields,
				    .etag = "\"a\""};

	snprintf(fields, sizeof(fields), "Cache-Control: %0*d\r\n", 2000, 1);
	ask("GET / HTTP/1.1", "If-None-Match: \"a\"\r\n");
	answer(&reply);
	expect_status("200");
	ck_assert_str_eq(body_of(wire.data), "x");
}
END_TEST

START_TEST(a_tag_of_the_body_changes_with_it)
{
	char condition[200];
	struct reply reply = {.status = 200,
			      .content_type = "text/plain",
			      .body = SPAN_LIT("one"),
			      .etag = REPLY_ETAG_OF_BODY};

	ask("GET / HTTP/1.1", "");
	const char *tag = strstr(answer(&reply), "\r\nETag: ");
	ck_assert_ptr_nonnull(tag);
	snprintf(condition, sizeof(condition), "If-None-Match: %.34s\r\n", tag + 8);
	ask("GET / HTTP/1.1", condition);
	answer(&reply);
	expect_status("304");
	reply.body = SPAN_LIT("two");
	ask("GET / HTTP/1.1", condition);
	answer(&reply);
	expect_status("200");
	/* only a 200 is content that the client has */
	reply.body = SPAN_LIT("one");
	reply.status = 404;
	ask("GET / HTTP/1.1", condition);
	answer(&reply);
	expect_status("404");
}
END_TEST

START_TEST(a_huge_body_has_no_tag)
{
	const size_t len = (5 << 20) + 1;
	char *body = calloc(1, len);
	const struct reply reply = {.status = 200,
				    .content_type = "image/png",
				    .body = {body, len},
				    .etag = REPLY_ETAG_OF_BODY};

	ck_assert_ptr_nonnull(body);
	ask("GET / HTTP/1.1", "If-None-Match: *\r\n");
	answer(&reply);
	expect_status("200");
	ck_assert_int_eq(lines("ETag"), 0);
	free(body);
}
END_TEST

/* As long as a head may be, in one field or in many. */
START_TEST(a_list_may_be_long)
{
	static char fields[8000];
	const struct reply reply = {.status = 200, .body = SPAN_LIT("x"), .etag = "\"a\""};
	size_t at = (size_t)snprintf(fields, sizeof(fields), "If-None-Match: \"a\"\r\n");

	for (int i = 0; i < 50; i++)
		at += (size_t)snprintf(fields + at, sizeof(fields) - at,
				       "If-None-Match: \"%080d\"\r\n", i);
	ask("GET / HTTP/1.1", fields);
	answer(&reply);
	expect_status("304");
	at = (size_t)snprintf(fields, sizeof(fields), "If-None-Match: \"a\"");
	for (int i = 0; i < 50; i++)
		at += (size_t)snprintf(fields + at, sizeof(fields) - at, ", \"%080d\"", i);
	snprintf(fields + at, sizeof(fields) - at, "\r\n");
	ask("GET / HTTP/1.1", fields);
	answer(&reply);
	expect_status("304");
}
END_TEST

/* ---- 412 ---- */

static const struct {
	const char *line;
	const char *fields;
	const char *etag;
	int of, status; /* what the handler answers, and what the client gets */
} matches[] = {
    /* RFC 9110 13.1.1 */
    {"GET / HTTP/1.1", "If-Match: \"a\"\r\n", "\"a\"", 200, 200},
    {"HEAD / HTTP/1.1", "If-Match: \"a\"\r\n", "\"a\"", 200, 200},
    {"GET / HTTP/1.1", "If-Match: \"b\"\r\n", "\"a\"", 200, 412},
    {"HEAD / HTTP/1.1", "If-Match: \"b\"\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.0", "If-Match: \"b\"\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.1", "If-Match: \"b\", \"a\"\r\n", "\"a\"", 200, 200},
    {"GET / HTTP/1.1", "If-Match: \"b\"\r\nA: b\r\nif-match: \"a\"\r\n", "\"a\"", 200, 200},
    {"GET / HTTP/1.1", "If-Match: *\r\n", "\"a\"", 200, 200},
    /* strong comparison (8.8.3.2) */
    {"GET / HTTP/1.1", "If-Match: W/\"a\"\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.1", "If-Match: \"a\"\r\n", "W/\"a\"", 200, 412},
    /* without a tag there is something all the same, but not what was meant */
    {"GET / HTTP/1.1", "If-Match: *\r\n", NULL, 200, 200},
    {"GET / HTTP/1.1", "If-Match: \"a\"\r\n", NULL, 200, 412},
    {"GET / HTTP/1.1", "If-Match: \"zbHb8M8hKvyUFxv6l2rZYdYpk8qTZBWw\"\r\n", "", 200, 412},
    /* what is no list is not fulfilled */
    {"GET / HTTP/1.1", "If-Match:\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.1", "If-Match: a\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.1", "If-Match: \"a\"\r\nIf-Match: a\r\n", "\"a\"", 200, 412},
    /* 13.2.1: what would be no success anyway is not looked at; other methods have their own */
    {"GET / HTTP/1.1", "If-Match: \"b\"\r\n", NULL, 404, 404},
    {"GET / HTTP/1.1", "If-Match: \"b\"\r\n", NULL, 503, 503},
    {"PUT / HTTP/1.1", "If-Match: \"b\"\r\n", "\"a\"", 200, 200},
    /* 13.2.2: first If-Match, then If-None-Match */
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\nIf-Match: \"a\"\r\n", "\"a\"", 200, 304},
    {"GET / HTTP/1.1", "If-None-Match: \"a\"\r\nIf-Match: \"b\"\r\n", "\"a\"", 200, 412},
    {"GET / HTTP/1.1", "If-None-Match: \"b\"\r\nIf-Match: \"a\"\r\n", "\"a\"", 200, 200},
    {"GET / HTTP/1.1", "If-None-Match: *\r\nIf-Match: *\r\n", "\"a\"", 200, 304},
    /* there are no dates here, and so no such conditions (13.1.4) */
    {"GET / HTTP/1.1", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n", "\"a\"", 200, 200},
};

/* Also when the head is gone by the time of the answer. */
static void
lose_head(void)
{
	exchange_keep(&exchange);
	memset(&door.request, 0, sizeof(door.request));
	if (door.conditions.cap)
		memset(door.conditions.data, 0, door.conditions.cap);
}

START_TEST(answers_412_as_rfc_9110_13_1_1)
{
	const struct reply reply = {.status = matches[_i].of,
				    .content_type = "text/plain",
				    .body = SPAN_LIT("content"),
				    .fields = "Server-Timing: db;dur=1\r\nLink: </a>\r\n",
				    .etag = matches[_i].etag};

	for (int is_late = 0; is_late < 2; is_late++) {
		ask(matches[_i].line, matches[_i].fields);
		if (is_late)
			lose_head();
		answer(&reply);
		ck_assert_msg(atoi(wire.data + 9) == matches[_i].status, "%s", wire.data);
		ck_assert_int_eq(lines("Server-Timing: db;dur=1\r\n"), 1);
		ck_assert_ptr_null(exchange.kept);
		if (matches[_i].status != 412)
			continue;
		ck_assert_int_eq(lines("ETag: "), 0);
		ck_assert_int_eq(lines("Link: "), 0);
		ck_assert_int_eq(lines("Content-Type: text/plain; charset=utf-8\r\n"), 1);
	}
}
END_TEST

/* An answer in pieces is refused with its head. */
START_TEST(a_stream_of_another_version_does_not_begin)
{
	static const struct stream_calls calls;
	const struct reply head = {.status = 200, .content_type = "text/plain"};

	wire.len = 0;
	ask("GET / HTTP/1.1", "If-Match: \"a\"\r\n");
	ck_assert(!exchange_stream(&exchange, &head, &calls, NULL));
	ck_assert(buffer_append(&wire, "", 1, SIZE_MAX / 4));
	expect_status("412");
	ck_assert_int_eq(exchange.state, EXCHANGE_NONE);
}
END_TEST

START_TEST(a_match_does_not_hinder_slices)
{
	static char body[4 * GZIP_SLICE];
	const struct reply reply = {.status = 200,
				    .content_type = "text/plain",
				    .body = {body, sizeof(body)},
				    .etag = "\"a\""};

	memset(body, 'x', sizeof(body));
	ask("GET / HTTP/1.1", "Accept-Encoding: gzip\r\nIf-Match: \"a\"\r\n");
	answer(&reply);
	expect_status("200");
	ck_assert_int_eq(lines("Transfer-Encoding: chunked\r\n"), 1);
	ask("GET / HTTP/1.1", "Accept-Encoding: gzip\r\nIf-Match: \"b\"\r\n");
	answer(&reply);
	expect_status("412");
}
END_TEST

/* ---- gzip ---- */

static char *
text_new(size_t len)
{
	char *text = malloc(len + 64);
	size_t at = 0;

	ck_assert_ptr_nonnull(text);
	while (at < len)
		at += (size_t)snprintf(text + at, 64, "{\"id\":%zu,\"name\":\"Lamp\"},", at);
	return text;
}

/* The body without its chunks, if it has any (RFC 9112 7.1). */
static size_t
unchunk(char *out)
{
	const char *p = body_of(wire.data);
	size_t len = 0;

	if (!lines("Transfer-Encoding: chunked\r\n")) {
		len = (size_t)(wire.data + wire.len - p);
		memcpy(out, p, len);
		return len;
	}
	for (;;) {
		char *end;
		size_t n = strtoul(p, &end, 16);

		ck_assert_int_eq(memcmp(end, "\r\n", 2), 0);
		memcpy(out + len, end + 2, n);
		ck_assert_int_eq(memcmp(end + 2 + n, "\r\n", 2), 0);
		len += n;
		p = end + 2 + n + 2;
		if (!n) {
			ck_assert_ptr_eq(p, wire.data + wire.len);
			return len;
		}
	}
}

static void
expect_gzip(const char *body, size_t len)
{
	char *coded = malloc(wire.len);
	char *plain = malloc(len + 1);
	z_stream stream = {0};

	ck_assert(coded && plain);
	stream.next_in = (Bytef *)coded;
	stream.avail_in = (uInt)unchunk(coded);
	stream.next_out = (Bytef *)plain;
	stream.avail_out = (uInt)len + 1;
	ck_assert_int_eq(inflateInit2(&stream, 16 + 15), Z_OK);
	ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(stream.total_out, len);
	ck_assert_uint_eq(stream.avail_in, 0);
	ck_assert_mem_eq(plain, body, len);
	inflateEnd(&stream);
	free(plain);
	free(coded);
}

#define TAKES "Accept-Encoding: gzip\r\n"

static const struct {
	const char *line;
	const char *fields;
	const char *type;
	size_t len;
	int status;
	bool is_coded;
	bool has_vary;
} codings[] = {
    {"GET / HTTP/1.1", TAKES, "application/json", 100, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "application/json; charset=utf-8", 100, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "application/problem+json", 100, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "text/plain; charset=utf-8", 100, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "text/html", 100, 200, true, true},
    {"GET / HTTP/1.1", "Accept-Encoding: br, gzip;q=0.5\r\n", "text/html", 5000, 200, true, true},
    {"POST / HTTP/1.1", TAKES, "text/plain", 100, 200, true, true},
    /* up to a slice at once, above that in slices */
    {"GET / HTTP/1.1", TAKES, "text/plain", GZIP_SLICE, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "text/plain", GZIP_SLICE + 1, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "text/plain", 4 * GZIP_SLICE, 200, true, true},
    {"GET / HTTP/1.1", TAKES, "text/plain", 7 * GZIP_SLICE + 99, 200, true, true},
    /* RFC 9110 12.5.5: the other form says what it depends on, too */
    {"GET / HTTP/1.1", "", "text/plain", 100, 200, false, true},
    {"GET / HTTP/1.1", "Accept-Encoding: gzip;q=0\r\n", "text/plain", 100, 200, false, true},
    {"GET / HTTP/1.1", "Accept-Encoding: identity\r\n", "text/plain", 3 * GZIP_SLICE, 200, false,
     true},
    {"GET / HTTP/1.0", TAKES, "text/plain", 100, 200, false, true},
    {"GET / HTTP/1.0", TAKES, "text/plain", 3 * GZIP_SLICE, 200, false, true},
    /* what has one form only */
    {"GET / HTTP/1.1", TAKES, "text/plain", 99, 200, false, false},
    {"GET / HTTP/1.1", TAKES, "text/", 100, 200, false, false},
    {"GET / HTTP/1.1", TAKES, "image/png", 100, 200, false, false},
    {"GET / HTTP/1.1", TAKES, "application/jsonp", 100, 200, false, false},
    {"GET / HTTP/1.1", TAKES, NULL, 100, 200, false, false},
    {"GET / HTTP/1.1", TAKES, "text/plain", 100, 201, false, false},
    {"GET / HTTP/1.1", TAKES, "text/plain", 5 * GZIP_SLICE, 404, false, false},
};

START_TEST(codes_what_the_client_takes)
{
	const size_t len = codings[_i].len;
	char *body = text_new(len);
	const struct reply reply = {.status = codings[_i].status,
				    .content_type = codings[_i].type,
				    .body = {body, len},
				    .fields = "A: b\r\n",
				    .etag = "\"a\""};

	ask(codings[_i].line, codings[_i].fields);
	answer(&reply);
	ck_assert_int_eq(atoi(wire.data + 9), codings[_i].status);
	ck_assert_int_eq(lines("Content-Encoding: gzip\r\n"), codings[_i].is_coded);
	ck_assert_int_eq(lines("Vary: Accept-Encoding\r\n"), codings[_i].has_vary);
	ck_assert_int_eq(lines("A: b\r\n"), 1);
	/* RFC 9110 8.8.3.3: not the same bytes, so not the same strong tag */
	ck_assert_int_eq(lines("ETag: W/\"a\"\r\n"), codings[_i].is_coded);
	ck_assert_int_eq(lines("ETag: \"a\"\r\n"), !codings[_i].is_coded);
	ck_assert_int_eq(lines("Content-Length: ") + lines("Transfer-Encoding: "), 1);
	ck_assert_int_eq(lines("Transfer-Encoding: "), codings[_i].is_coded && len > GZIP_SLICE);
	if (codings[_i].is_coded)
		expect_gzip(body, len);
	else
		ck_assert_mem_eq(body_of(wire.data), body, len);
	free(body);
}
END_TEST

START_TEST(off_codes_nothing)
{
	char *body = text_new(5000);
	const struct reply reply = {
	    .status = 200, .content_type = "text/plain", .body = {body, 5000}};

	config.http_gzip_min_size = 0;
	ask("GET / HTTP/1.1", TAKES);
	answer(&reply);
	ck_assert_int_eq(lines("Content-Encoding"), 0);
	ck_assert_int_eq(lines("Vary"), 0);
	ck_assert_int_eq(lines("Content-Length: 5000\r\n"), 1);
	free(body);
}
END_TEST

/* RFC 9110 9.3.2: HEAD has the head of GET, where that is known without the content */
START_TEST(a_head_is_that_of_the_get)
{
	const size_t lens[] = {99, 100, GZIP_SLICE, 3 * GZIP_SLICE};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *body = text_new(lens[i]);
		const struct reply reply = {.status = 200,
					    .content_type = "text/plain",
					    .body = {body, lens[i]},
					    .etag = REPLY_ETAG_OF_BODY};
		char get[1000], *length;

		ask("GET / HTTP/1.1", TAKES);
		answer(&reply);
		size_t head_len = (size_t)(body_of(wire.data) - wire.data);
		ck_assert_uint_lt(head_len, sizeof(get));
		memcpy(get, wire.data, head_len);
		get[head_len] = '\0';
		if (lens[i] >= 100) {
			length = strstr(get, lens[i] > GZIP_SLICE ? "Transfer-Enc" : "Content-Len");
			ck_assert_ptr_nonnull(length);
			const char *next = strstr(length, "\r\n") + 2;
			memmove(length, next, strlen(next) + 1);
		}
		ask("HEAD / HTTP/1.1", TAKES);
		ck_assert_str_eq(answer(&reply), get);
		free(body);
	}
}
END_TEST

START_TEST(a_coded_answer_may_be_304)
{
	const size_t lens[] = {100, 3 * GZIP_SLICE};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *body = text_new(lens[i]);
		const struct reply reply = {.status = 200,
					    .content_type = "text/plain",
					    .body = {body, lens[i]},
					    .etag = "\"a\""};

		ask("GET / HTTP/1.1", TAKES "If-None-Match: W/\"a\"\r\n");
		answer(&reply);
		expect_status("304");
		ck_assert_int_eq(lines("Vary: Accept-Encoding\r\n"), 1);
		ck_assert_int_eq(lines("Content-"), 0);
		ck_assert_int_eq(lines("Transfer-"), 0);
		ck_assert_str_eq(body_of(wire.data), "");
		free(body);
	}
}
END_TEST

/* What comes when the pass has done enough: at once, but plain; or later, in slices. */
START_TEST(a_pass_codes_so_much)
{
	const size_t len = GZIP_SLICE;
	char *body = text_new(5 * len);
	struct reply reply = {
	    .status = 200, .content_type = "text/plain", .body = {body, len}, .etag = "\"a\""};
	size_t n_coded = 0;

	for (int i = 0; i < 20; i++) {
		ask("GET / HTTP/1.1", TAKES);
		wire.len = 0;
		exchange_reply(&exchange, &reply);
		ck_assert(buffer_append(&wire, "", 1, SIZE_MAX / 4));
		n_coded += (size_t)lines("Content-Encoding: gzip\r\n");
		ck_assert_int_eq(lines("ETag: \"a\"\r\n") + lines("Content-Encoding: gzip\r\n"), 1);
	}
	ck_assert_uint_gt(n_coded, 1);
	ck_assert_uint_lt(n_coded, 6);
	ck_assert(!answer_may_code(&door));
	/* a long one begins, and waits for its turns */
	reply.body.len = 5 * len;
	ask("GET / HTTP/1.1", TAKES);
	wire.len = 0;
	exchange_reply(&exchange, &reply);
	ck_assert_int_eq(exchange.state, EXCHANGE_STREAMING);
	const size_t head_len = wire.len;
	exchange_proceed(&exchange);
	exchange_proceed(&exchange);
	ck_assert_uint_eq(wire.len, head_len);
	while (exchange.state == EXCHANGE_STREAMING) {
		door.coded_in_pass = 0;
		exchange_proceed(&exchange);
	}
	ck_assert(buffer_append(&wire, "", 1, SIZE_MAX / 4));
	wire.len--;
	expect_gzip(body, 5 * len);
	free(body);
}
END_TEST

/* Also a long one is given up when its client leaves. */
START_TEST(a_client_may_leave_between_slices)
{
	const size_t len = 5 * GZIP_SLICE;
	char *body = text_new(len);
	const struct reply reply = {
	    .status = 200, .content_type = "text/plain", .body = {body, len}};

	ask("GET / HTTP/1.1", TAKES);
	exchange_reply(&exchange, &reply);
	exchange_proceed(&exchange);
	ck_assert_uint_eq(door.uncoded_held, len);
	exchange_lose_client(&exchange);
	ck_assert_uint_eq(door.uncoded_held, 0);
	/* and one that has left before, its door as well */
	ask("GET / HTTP/1.1", TAKES);
	exchange.state = EXCHANGE_LOST;
	exchange.door = NULL;
	exchange_reply(&exchange, &reply);
	ck_assert_int_eq(n_written, -1);
	free(body);
}
END_TEST

/* What waits to be coded is bounded; the rest goes as it is. */
START_TEST(bodies_that_wait_are_bounded)
{
	const size_t len = 3 << 20;
	char *body = text_new(len);
	const struct reply reply = {
	    .status = 200, .content_type = "text/plain", .body = {body, len}, .etag = "\"a\""};
	struct exchange waiting[8];
	size_t n = 0;

	for (int i = 0; i < 8; i++) {
		ask("GET / HTTP/1.1", TAKES);
		wire.len = 0;
		exchange_reply(&exchange, &reply);
		if (exchange.state == EXCHANGE_STREAMING)
			waiting[n++] = exchange;
	}
	ck_assert_uint_gt(n, 1);
	ck_assert_uint_lt(n, 8);
	ck_assert_int_eq(exchange.state, EXCHANGE_NONE);
	ck_assert(buffer_append(&wire, "", 1, SIZE_MAX / 4));
	ck_assert_int_eq(lines("Content-Encoding"), 0);
	ck_assert_int_eq(lines("Vary: Accept-Encoding\r\n"), 1);
	ck_assert_mem_eq(body_of(wire.data), body, len);
	while (n)
		exchange_lose_client(&waiting[--n]);
	free(body);
}
END_TEST

/* ---- the fields of CORS ---- */

START_TEST(pages_of_other_origins_may_read)
{
	static char origin[] = "https://app.example";
	static char *origins[] = {origin};
	const struct reply reply = {.status = 404, .body = SPAN_LIT("x"), .fields = "A: b\r\n"};

	ask("GET / HTTP/1.1", "");
	answer(&reply);
	ck_assert_int_eq(lines("Access-Control-") + lines("Vary: "), 0);
	config.http_origins = (struct words){1, origins};
	answer_wish_read(&exchange);
	exchange.state = EXCHANGE_PENDING;
	exchange.wish.origin = 1;
	answer(&reply);
	ck_assert_int_eq(lines("Access-Control-Allow-Origin: https://app.example\r\n"), 1);
	ck_assert_int_eq(lines("Vary: Origin\r\n"), 1);
	ck_assert_int_eq(lines("A: b\r\n"), 1);
	/* with all the rest */
	char *body = text_new(200);
	const struct reply more = {.status = 200,
				   .content_type = "text/plain",
				   .body = {body, 200},
				   .etag = REPLY_ETAG_OF_BODY};
	ask("GET / HTTP/1.1", TAKES);
	exchange.wish.origin = 1;
	answer(&more);
	ck_assert_int_eq(lines("Access-Control-Allow-Origin: https://app.example\r\n"), 1);
	ck_assert_int_eq(lines("Vary: "), 2);
	ck_assert_int_eq(lines("ETag: W/"), 1);
	expect_gzip(body, 200);
	free(body);
}
END_TEST

/* What most answers are: nothing was asked, nothing is added. */
START_TEST(a_plain_answer_is_plain)
{
	const struct reply reply = {
	    .status = 200, .content_type = "text/plain", .body = SPAN_LIT("Hello")};
	char plain[300];

	config.http_gzip_min_size = 0;
	ask("GET / HTTP/1.1", TAKES "If-None-Match: *\r\nOrigin: https://a.example\r\n");
	answer(&reply);
	struct span common = door_common(&door);
	snprintf(plain, sizeof(plain),
		 "HTTP/1.1 200 OK\r\n%.*sContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
		 "Hello",
		 (int)common.len, common.ptr);
	ck_assert_str_eq(wire.data, plain);
	ck_assert_int_eq(lines("Server: plaza\r\n"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("answer");
	TCase *tc = tcase_create("answer");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, answers_304_as_rfc_9110_13_1_2, 0,
			    (int)(sizeof(conditions) / sizeof(conditions[0])));
	tcase_add_test(tc, a_304_has_the_fields_that_matter);
	tcase_add_test(tc, a_304_without_room_for_its_fields_is_a_200);
	tcase_add_test(tc, a_tag_of_the_body_changes_with_it);
	tcase_add_test(tc, a_huge_body_has_no_tag);
	tcase_add_test(tc, a_list_may_be_long);
	tcase_add_loop_test(tc, answers_412_as_rfc_9110_13_1_1, 0,
			    (int)(sizeof(matches) / sizeof(matches[0])));
	tcase_add_test(tc, a_stream_of_another_version_does_not_begin);
	tcase_add_test(tc, a_match_does_not_hinder_slices);
	tcase_add_loop_test(tc, codes_what_the_client_takes, 0,
			    (int)(sizeof(codings) / sizeof(codings[0])));
	tcase_add_test(tc, off_codes_nothing);
	tcase_add_test(tc, a_head_is_that_of_the_get);
	tcase_add_test(tc, a_coded_answer_may_be_304);
	tcase_add_test(tc, a_pass_codes_so_much);
	tcase_add_test(tc, a_client_may_leave_between_slices);
	tcase_add_test(tc, bodies_that_wait_are_bounded);
	tcase_add_test(tc, pages_of_other_origins_may_read);
	tcase_add_test(tc, a_plain_answer_is_plain);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
