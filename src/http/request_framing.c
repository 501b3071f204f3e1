/*
 * request_framing.c - what the fields of a request say together: Host, how the body is framed, what
 * is expected, and what becomes of the connection (RFC 9112 3.2, 6, 9.3). Called by:
 * request_head.c.
 */
#include "http/host.h"
#include "http/request_parts.h"

/* The next element of a comma-separated list, trimmed; false when there is none left. */
static bool
list_next(struct span *rest, struct span *element)
{
	const char *comma, *p = rest->ptr, *end;

	if (p == NULL)
		return false;
	end = p + rest->len;
	comma = memchr(p, ',', rest->len);
	*rest = comma ? span_from(comma + 1, (size_t)(end - comma - 1)) : span_from(NULL, 0);
	if (comma)
		end = comma;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*element = span_from(p, (size_t)(end - p));
	return true;
}

static bool
list_has(struct span list, struct span token)
{
	struct span element;

	while (list_next(&list, &element))
		if (span_eq_nocase(element, token))
			return true;
	return false;
}

bool
request_list_has(const struct request *request, enum http_field id, struct span token)
{
	if (request->times[id] <= 1)
		return list_has(request_first(request, id), token);
	for (size_t i = 0; i < request->n_fields; i++)
		if (request->field[i].id == id && list_has(request->field[i].value, token))
			return true;
	return false;
}

/* RFC 9112 3.2. */
static bool
check_host(struct request_parser *parser, struct request *request)
{
	struct host parts;

	if (request->times[FIELD_HOST] == 0) {
		if (request->version_minor == 0)
			return true;
		request_bad(parser, 400, "Host is missing");
		return false;
	}
	if (request->times[FIELD_HOST] > 1) {
		request_bad(parser, 400, "Host comes more than once");
		return false;
	}
	if (!host_parse(request_first(request, FIELD_HOST), &parts)) {
		request_bad(parser, 400, "Host is not host or host:port");
		return false;
	}
	/* the target's authority has replaced the field already (3.2.2) */
	if (request->host.len == 0) {
		request->host = request_first(request, FIELD_HOST);
		request->host_parts = parts;
	}
	return true;
}

/*
 * Only "chunked", once. What does not end with it is 400 even where its coding is unknown too (RFC
 * 9112 6.3 has a MUST, 6.1 for the 501 a SHOULD). Empty elements, which RFC 9110 5.6.1.2 lets pass
 * in a list, and parameters, which chunked has none of (7.1), are how chunked is hidden from other
 * parsers: 400.
 */
static bool
check_transfer_encoding(struct request_parser *parser, const struct request *request)
{
	bool chunked = false, unknown = false;
	struct span list, coding;

	for (size_t i = 0; i < request->n_fields; i++) {
		if (request->field[i].id != FIELD_TRANSFER_ENCODING)
			continue;
		list = request->field[i].value;
		while (list_next(&list, &coding)) {
			const char *end = coding.ptr + coding.len;

			if (coding.len == 0 || char_skip(coding.ptr, end, CHAR_TOKEN) != end) {
				request_bad(
				    parser, 400,
				    "Transfer-Encoding is not a list of plain tokens; chunked is "
				    "accepted");
				return false;
			}
			if (chunked) {
				request_bad(
				    parser, 400,
				    "Transfer-Encoding goes on after chunked; chunked alone is "
				    "accepted");
				return false;
			}
			chunked = span_eq_nocase(coding, SPAN_LIT("chunked"));
			unknown |= !chunked;
		}
	}
	if (!chunked)
		request_bad(
		    parser, 400,
		    "Transfer-Encoding does not end with chunked; chunked alone is accepted");
	else if (unknown)
		request_bad(
		    parser, 501,
		    "Transfer-Encoding has a coding that is not known; chunked alone is accepted");
	return chunked && !unknown;
}

static bool
check_content_length(struct request_parser *parser, struct request *request)
{
	struct span digits = request_first(request, FIELD_CONTENT_LENGTH);
	uint64_t length = 0;

	if (request->times[FIELD_CONTENT_LENGTH] > 1) {
		request_bad(parser, 400, "Content-Length comes more than once");
		return false;
	}
	for (size_t i = 0; i < digits.len; i++) {
		uint64_t digit = (uint64_t)(digits.ptr[i] - '0');

		if (!char_is(digits.ptr[i], CHAR_DIGIT)) {
			request_bad(parser, 400, "Content-Length is not a plain decimal number");
			return false;
		}
		if (length > (UINT64_MAX - digit) / 10) {
			request_bad(parser, 400, "Content-Length is larger than any body can be");
			return false;
		}
		length = length * 10 + digit;
	}
	if (digits.len == 0) {
		request_bad(parser, 400, "Content-Length is empty");
		return false;
	}
	request->body = BODY_LENGTH;
	request->content_length = length;
	return true;
}

/* RFC 9112 6.1 to 6.3. */
static bool
check_framing(struct request_parser *parser, struct request *request)
{
	request->body = BODY_NONE;
	request->content_length = 0;
	if (request->times[FIELD_TRANSFER_ENCODING]) {
		if (request->times[FIELD_CONTENT_LENGTH]) {
			request_bad(parser, 400,
				    "Transfer-Encoding and Content-Length come together");
			return false;
		}
		if (request->version_minor == 0) {
			request_bad(parser, 400,
				    "Transfer-Encoding comes in HTTP/1.0, which has none");
			return false;
		}
		request->body = BODY_CHUNKED;
		return check_transfer_encoding(parser, request);
	}
	return request->times[FIELD_CONTENT_LENGTH] == 0 || check_content_length(parser, request);
}

/* RFC 9110 10.1.1: 100-continue is void in 1.0, and where no body follows. */
static bool
check_expect(struct request_parser *parser, struct request *request)
{
	struct span list, expectation;
	bool expects = false;

	for (size_t i = 0; request->times[FIELD_EXPECT] && i < request->n_fields; i++) {
		if (request->field[i].id != FIELD_EXPECT)
			continue;
		list = request->field[i].value;
		while (list_next(&list, &expectation)) {
			/* an empty element says nothing (RFC 9110 5.6.1.2) */
			if (expectation.len == 0)
				continue;
			expects = span_eq_nocase(expectation, SPAN_LIT("100-continue"));
			if (expects)
				continue;
			request_bad(parser, 417,
				    "Expect asks for something else than 100-continue");
			return false;
		}
	}
	request->expects_continue =
	    expects && request->version_minor == 1 && request_has_body(request);
	return true;
}

bool
request_check_fields(struct request_parser *parser, struct request *request)
{
	if (!check_host(parser, request) || !check_framing(parser, request) ||
	    !check_expect(parser, request))
		return false;
	request->connection_upgrade = false;
	request->keep_alive = request->version_minor == 1;
	if (request->times[FIELD_CONNECTION] == 0)
		return true;
	/* "close" wins over "keep-alive" (RFC 9112 9.3) */
	if (request_list_has(request, FIELD_CONNECTION, SPAN_LIT("close")))
		request->keep_alive = false;
	else if (request->version_minor == 0)
		request->keep_alive =
		    request_list_has(request, FIELD_CONNECTION, SPAN_LIT("keep-alive"));
	request->connection_upgrade =
	    request_list_has(request, FIELD_CONNECTION, SPAN_LIT("upgrade"));
	return true;
}
