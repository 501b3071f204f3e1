/*
 * request.c - the strict parser of request heads.
 *
 * A head that arrives whole is read in one pass (parse_head). For one that does not, that pass
 * fails, and scan_head takes over: it looks at new bytes once, judges each line when it is
 * complete, and at the end of the head runs parse_head again for the view. Only scan_head reports
 * what is wrong with a line, so a verdict depends on the bytes and never on how they were cut.
 */
#include "http/request.h"
#include "http/chars.h"
#include "http/host.h"

/* Longest name of a field line: no registered one has more than about 40. */
#define MAX_NAME 256
/* What a client that wants https sends first (RFC 8446 5.1). */
#define TLS_HANDSHAKE 0x16

/* request_parser.state: what the line at line_start is. */
enum head_state {
	HEAD_NEW,          /* nothing was looked at yet */
	HEAD_REQUEST_LINE, /* the request line, or an empty line before it */
	HEAD_FIELDS        /* a field line, or the empty line at the end */
};

static const struct span method_names[HTTP_METHODS] = {
    [HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},   [HTTP_POST] = {"POST", 4},
    [HTTP_PUT] = {"PUT", 3},         [HTTP_PATCH] = {"PATCH", 5}, [HTTP_DELETE] = {"DELETE", 6},
    [HTTP_OPTIONS] = {"OPTIONS", 7}, [HTTP_TRACE] = {"TRACE", 5}, [HTTP_CONNECT] = {"CONNECT", 7},
};

struct span
http_method_name(enum http_method method)
{
	return method_names[method];
}

/* The verdict; NULL, so that a function that returns where it got to can end with it. */
static const char *
bad(struct request_parser *parser, int status, const char *message)
{
	parser->error_status = status;
	parser->error_message = message;
	return NULL;
}

/* Bytes that a machine with vectors looks at in one step; other machines do by halves. */
typedef uint8_t block __attribute__((vector_size(16)));

/* The place of the first byte that is not 0, where one is. */
static unsigned
word_first(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (unsigned)__builtin_clzll(word) / 8;
#else
	return (unsigned)__builtin_ctzll(word) / 8;
#endif
}

/* The first byte that is no text (char_is_text), or `end`: most of a head is passed here. */
static inline const char *
skip_text(const char *p, const char *end)
{
	while (end - p >= (ptrdiff_t)sizeof(block)) {
		uint64_t half[2];
		block bytes;

		memcpy(&bytes, p, sizeof(bytes));
		bytes = (block)((bytes < ' ') | (bytes == 0x7f));
		memcpy(half, &bytes, sizeof(half));
		if ((half[0] | half[1]) == 0) {
			p += sizeof(block);
			continue;
		}
		p += half[0] ? word_first(half[0]) : 8 + word_first(half[1]);
		if (*p != '\t')
			return p;
		p++;
	}
	while (p < end && char_is_text(*p))
		p++;
	return p;
}

static const struct span field_names[FIELD_COUNT] = {
    [FIELD_HOST] = {"host", 4},
    [FIELD_CONNECTION] = {"connection", 10},
    [FIELD_CONTENT_ENCODING] = {"content-encoding", 16},
    [FIELD_CONTENT_LENGTH] = {"content-length", 14},
    [FIELD_CONTENT_TYPE] = {"content-type", 12},
    [FIELD_TRANSFER_ENCODING] = {"transfer-encoding", 17},
    [FIELD_EXPECT] = {"expect", 6},
    [FIELD_UPGRADE] = {"upgrade", 7},
    [FIELD_ACCEPT] = {"accept", 6},
    [FIELD_ACCEPT_ENCODING] = {"accept-encoding", 15},
    [FIELD_ACCESS_CONTROL_REQUEST_HEADERS] = {"access-control-request-headers", 30},
    [FIELD_ACCESS_CONTROL_REQUEST_METHOD] = {"access-control-request-method", 29},
    [FIELD_IDEMPOTENCY_KEY] = {"idempotency-key", 15},
    [FIELD_IF_MATCH] = {"if-match", 8},
    [FIELD_IF_NONE_MATCH] = {"if-none-match", 13},
    [FIELD_LAST_EVENT_ID] = {"last-event-id", 13},
    [FIELD_REFERER] = {"referer", 7},
    [FIELD_USER_AGENT] = {"user-agent", 10},
    [FIELD_ORIGIN] = {"origin", 6},
    [FIELD_SEC_FETCH_SITE] = {"sec-fetch-site", 14},
    [FIELD_FORWARDED] = {"forwarded", 9},
    [FIELD_X_FORWARDED_FOR] = {"x-forwarded-for", 15},
    [FIELD_VIA] = {"via", 3},
    [FIELD_SEC_WEBSOCKET_KEY] = {"sec-websocket-key", 17},
    [FIELD_SEC_WEBSOCKET_VERSION] = {"sec-websocket-version", 21},
    [FIELD_SEC_WEBSOCKET_PROTOCOL] = {"sec-websocket-protocol", 22},
    [FIELD_SEC_WEBSOCKET_EXTENSIONS] = {"sec-websocket-extensions", 24},
};

/*
 * First letter and length tell all known names apart, and so does this number made of them, with
 * which one look finds the only one to compare. (Two names in one place do not compile.)
 */
#define NAME_PLACES            128
#define NAME_PLACE(first, len) (((len)*44 + (unsigned char)(first)) % NAME_PLACES)

static const uint8_t name_places[NAME_PLACES] = {
    [NAME_PLACE('h', 4)] = FIELD_HOST,
    [NAME_PLACE('c', 10)] = FIELD_CONNECTION,
    [NAME_PLACE('c', 16)] = FIELD_CONTENT_ENCODING,
    [NAME_PLACE('c', 14)] = FIELD_CONTENT_LENGTH,
    [NAME_PLACE('c', 12)] = FIELD_CONTENT_TYPE,
    [NAME_PLACE('t', 17)] = FIELD_TRANSFER_ENCODING,
    [NAME_PLACE('e', 6)] = FIELD_EXPECT,
    [NAME_PLACE('u', 7)] = FIELD_UPGRADE,
    [NAME_PLACE('a', 6)] = FIELD_ACCEPT,
    [NAME_PLACE('a', 15)] = FIELD_ACCEPT_ENCODING,
    [NAME_PLACE('a', 30)] = FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
    [NAME_PLACE('a', 29)] = FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    [NAME_PLACE('i', 15)] = FIELD_IDEMPOTENCY_KEY,
    [NAME_PLACE('i', 8)] = FIELD_IF_MATCH,
    [NAME_PLACE('i', 13)] = FIELD_IF_NONE_MATCH,
    [NAME_PLACE('l', 13)] = FIELD_LAST_EVENT_ID,
    [NAME_PLACE('r', 7)] = FIELD_REFERER,
    [NAME_PLACE('u', 10)] = FIELD_USER_AGENT,
    [NAME_PLACE('o', 6)] = FIELD_ORIGIN,
    [NAME_PLACE('s', 14)] = FIELD_SEC_FETCH_SITE,
    [NAME_PLACE('f', 9)] = FIELD_FORWARDED,
    [NAME_PLACE('x', 15)] = FIELD_X_FORWARDED_FOR,
    [NAME_PLACE('v', 3)] = FIELD_VIA,
    [NAME_PLACE('s', 17)] = FIELD_SEC_WEBSOCKET_KEY,
    [NAME_PLACE('s', 21)] = FIELD_SEC_WEBSOCKET_VERSION,
    [NAME_PLACE('s', 22)] = FIELD_SEC_WEBSOCKET_PROTOCOL,
    [NAME_PLACE('s', 24)] = FIELD_SEC_WEBSOCKET_EXTENSIONS,
};

/*
 * Eight and four bytes of a name in lower case: the bit 0x20 maps no tchar but the upper-case
 * letter to a lower-case one, and '-' has it.
 */
static uint64_t
name_word(const char *name)
{
	uint64_t word;

	memcpy(&word, name, sizeof(word));
	return word | UINT64_MAX / 255 * ' ';
}

static uint32_t
name_half(const char *name)
{
	uint32_t half;

	memcpy(&half, name, sizeof(half));
	return half | UINT32_MAX / 255 * ' ';
}

/* `name` is a token, `known` is in lower case and as long. The last pieces overlap. */
static bool
is_name(const char *name, const char *known, size_t len)
{
	size_t i = 0;

	if (len >= 8) {
		for (; i + 8 < len; i += 8)
			if (name_word(name + i) != name_word(known + i))
				return false;
		return name_word(name + len - 8) == name_word(known + len - 8);
	}
	if (len >= 4)
		return name_half(name) == name_half(known) &&
		       name_half(name + len - 4) == name_half(known + len - 4);
	while (i < len && (name[i] | ' ') == known[i])
		i++;
	return i == len;
}

static enum http_field
field_find(const char *name, size_t len)
{
	enum http_field id = name_places[NAME_PLACE(name[0] | ' ', len)];

	/* FIELD_OTHER has the length 0 here, as no name has */
	return field_names[id].len == len && is_name(name, field_names[id].ptr, len) ? id
										     : FIELD_OTHER;
}

/* --- the request line, RFC 9112 3 --- */

/* Path and query up to the first byte that can be in neither. */
static const char *
parse_path(const char *p, const char *end, struct request *request)
{
	const char *start = p;

	for (;;) {
		p = char_skip(p, end, CHAR_PATH);
		if (!char_is_escape(p, end))
			break;
		p += 3;
	}
	request->path = span_from(start, (size_t)(p - start));
	return p;
}

static const char *
parse_query(const char *p, const char *end, struct request *request)
{
	const char *start;

	if (p == end || *p != '?')
		return p;
	start = ++p;
	for (;;) {
		p = char_skip(p, end, CHAR_QUERY);
		if (!char_is_escape(p, end))
			break;
		p += 3;
	}
	request->query = span_from(start, (size_t)(p - start));
	return p;
}

/* http://authority/path?query; for another scheme the authority and all may be of other kinds. */
static const char *
parse_absolute_form(struct request_parser *parser, const char *p, const char *end,
		    struct request *request)
{
	const char *scheme = p, *slash;

	while (p < end &&
	       (char_is(*p, CHAR_ALPHA | CHAR_DIGIT) || *p == '+' || *p == '-' || *p == '.'))
		p++;
	if (p == scheme || !char_is(*scheme, CHAR_ALPHA) || end - p < 3 || memcmp(p, "://", 3) != 0)
		return bad(
		    parser, 400,
		    "the request target is neither a path that begins with / nor an http URI");
	if (!span_eq_nocase(span_from(scheme, (size_t)(p - scheme)), SPAN_LIT("http")))
		return bad(parser, 421, "the request target has another scheme than http");
	slash = p + 2;
	p += 3;
	request->host.ptr = p;
	while (p < end && *p != '/' && *p != '?' && *p != ' ' && *p != '\r')
		p++;
	request->host.len = (size_t)(p - request->host.ptr);
	if (!host_parse(request->host, &request->host_parts))
		return bad(parser, 400, "the request target's authority is not host or host:port");
	/* an empty path is "/", and one stands just before the authority; for OPTIONS it is "*"
	 * (RFC 9110 4.2.3, RFC 9112 3.2.4) */
	if (p < end && *p == '/')
		p = parse_path(p, end, request);
	else if (request->method == HTTP_OPTIONS && (p == end || *p != '?'))
		request->path = SPAN_LIT("*");
	else
		request->path = span_from(slash, 1);
	return parse_query(p, end, request);
}

static const char *
parse_authority_form(struct request_parser *parser, const char *p, const char *end,
		     struct request *request)
{
	request->host.ptr = p;
	while (p < end && *p != ' ' && *p != '\r')
		p++;
	request->host.len = (size_t)(p - request->host.ptr);
	request->path = span_from(p, 0);
	/* a port has to be there (RFC 9110 9.3.6) */
	if (!host_parse(request->host, &request->host_parts) || !request->host_parts.has_port)
		return bad(parser, 400, "the target of CONNECT is not host:port");
	return p;
}

static const char *
parse_target(struct request_parser *parser, const char *p, const char *end, struct request *request)
{
	const char *target = p;

	if (p < end && *p == '/' && request->method != HTTP_CONNECT) {
		p = parse_query(parse_path(p, end, request), end, request);
	} else if (p < end && *p == '*' &&
		   (request->method == HTTP_OPTIONS || request->method == HTTP_METHODS)) {
		/* of a method that we do not know we cannot tell; the preface of HTTP/2 has it */
		request->path = span_from(p++, 1);
	} else if (request->method == HTTP_CONNECT) {
		p = parse_authority_form(parser, p, end, request);
	} else {
		p = parse_absolute_form(parser, p, end, request);
	}
	if (p == NULL)
		return NULL;
	request->target = span_from(target, (size_t)(p - target));
	if (p < end && *p == ' ')
		return p + 1;
	if (p < end && *p == '%')
		return bad(parser, 400,
			   "a % in the request target is not followed by two hex digits");
	if (p < end && *p == '\r')
		return bad(parser, 400, "the request line has no version; HTTP/1.1 is accepted");
	return bad(parser, 400, "the request target has a character that must be percent-encoded");
}

/* The rest of the line: HTTP/D.D CRLF. */
static const char *
parse_version(struct request_parser *parser, const char *p, const char *end,
	      struct request *request)
{
	if (end - p >= 10 && memcmp(p, "HTTP/1.1\r\n", 10) == 0) {
		request->version_minor = 1;
		return p + 10;
	}
	if (end - p < 10 || memcmp(p, "HTTP/", 5) != 0 || !char_is(p[5], CHAR_DIGIT) ||
	    p[6] != '.' || !char_is(p[7], CHAR_DIGIT) || p[8] != '\r' || p[9] != '\n')
		return bad(
		    parser, 400,
		    "the request line is not method, target and HTTP/1.1 with a space between");
	if (p[5] != '1')
		return bad(parser, 505, "the HTTP version is not 1.0 or 1.1");
	/* a higher minor version is one that we speak as 1.1 (RFC 9110 2.5) */
	request->version_minor = p[7] != '0';
	return p + 10;
}

/* HTTP_METHODS when it is a token that is no method of ours. */
static enum http_method
method_find(struct span name)
{
	enum http_method method = HTTP_GET;

	while (method < HTTP_METHODS && !span_eq(name, method_names[method]))
		method++;
	return method;
}

static const char *
parse_request_line(struct request_parser *parser, const char *p, const char *end,
		   struct request *request)
{
	const char *method = p;

	request->host = span_from(NULL, 0);
	request->host_parts = (struct host){0};
	request->query = span_from(NULL, 0);
	if (end - p >= 4 && memcmp(p, "GET ", 4) == 0) {
		request->method = HTTP_GET;
		p += 4;
	} else {
		p = char_skip(p, end, CHAR_TOKEN);
		if (p == method || p == end || *p != ' ')
			return bad(parser, 400,
				   "the request line does not begin with a method and a space");
		request->method = method_find(span_from(method, (size_t)(p - method)));
		p++;
	}
	p = parse_target(parser, p, end, request);
	if (p)
		p = parse_version(parser, p, end, request);
	if (p && request->method == HTTP_METHODS)
		return bad(parser, 501,
			   "the method is not known; GET, HEAD, POST, PUT, PATCH, DELETE, "
			   "OPTIONS, TRACE and CONNECT are");
	return p;
}

/* --- field lines, RFC 9112 5 --- */

static const char *
bad_name(struct request_parser *parser, const char *name, const char *p, const char *end)
{
	if (p == name && p < end && (*p == ' ' || *p == '\t'))
		return bad(parser, 400,
			   "a field line begins with white space; folding is not accepted");
	if (p == name && p < end && *p == ':')
		return bad(parser, 400, "a field line has no name before its colon");
	if (p < end && (*p == ' ' || *p == '\t'))
		return bad(parser, 400, "a header name has white space in it or before its colon");
	if (p < end && *p == '\r')
		return bad(parser, 400, "a field line has no colon");
	return bad(parser, 400, "a header name has a character that no token has");
}

static const char *
parse_field(struct request_parser *parser, const char *p, const char *end,
	    struct request_field *field)
{
	const char *name = p, *value;
	size_t name_len;

	p = char_skip(p, end, CHAR_TOKEN);
	if (p == name || p == end || *p != ':')
		return bad_name(parser, name, p, end);
	name_len = (size_t)(p - name);
	if (name_len > MAX_NAME)
		return bad(parser, 431, "a header name is longer than 256 bytes");
	field->name = span_from(name, name_len);
	field->id = field_find(name, name_len);
	p++;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	value = p;
	p = skip_text(p, end);
	if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return bad(parser, 400, "a header value has a control character in it");
	name = p;
	while (name > value && (name[-1] == ' ' || name[-1] == '\t'))
		name--;
	field->value = span_from(value, (size_t)(name - value));
	return p + 2;
}

/* --- what the fields say together --- */

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
		bad(parser, 400, "Host is missing");
		return false;
	}
	if (request->times[FIELD_HOST] > 1) {
		bad(parser, 400, "Host comes more than once");
		return false;
	}
	if (!host_parse(request_first(request, FIELD_HOST), &parts)) {
		bad(parser, 400, "Host is not host or host:port");
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
				bad(parser, 400,
				    "Transfer-Encoding is not a list of plain tokens; chunked is "
				    "accepted");
				return false;
			}
			if (chunked) {
				bad(parser, 400,
				    "Transfer-Encoding goes on after chunked; chunked alone is "
				    "accepted");
				return false;
			}
			chunked = span_eq_nocase(coding, SPAN_LIT("chunked"));
			unknown |= !chunked;
		}
	}
	if (!chunked)
		bad(parser, 400,
		    "Transfer-Encoding does not end with chunked; chunked alone is accepted");
	else if (unknown)
		bad(parser, 501,
		    "Transfer-Encoding has a coding that is not known; chunked alone is accepted");
	return chunked && !unknown;
}

static bool
check_content_length(struct request_parser *parser, struct request *request)
{
	struct span digits = request_first(request, FIELD_CONTENT_LENGTH);
	uint64_t length = 0;

	if (request->times[FIELD_CONTENT_LENGTH] > 1) {
		bad(parser, 400, "Content-Length comes more than once");
		return false;
	}
	for (size_t i = 0; i < digits.len; i++) {
		uint64_t digit = (uint64_t)(digits.ptr[i] - '0');

		if (!char_is(digits.ptr[i], CHAR_DIGIT)) {
			bad(parser, 400, "Content-Length is not a plain decimal number");
			return false;
		}
		if (length > (UINT64_MAX - digit) / 10) {
			bad(parser, 400, "Content-Length is larger than any body can be");
			return false;
		}
		length = length * 10 + digit;
	}
	if (digits.len == 0) {
		bad(parser, 400, "Content-Length is empty");
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
			bad(parser, 400, "Transfer-Encoding and Content-Length come together");
			return false;
		}
		if (request->version_minor == 0) {
			bad(parser, 400, "Transfer-Encoding comes in HTTP/1.0, which has none");
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
			bad(parser, 417, "Expect asks for something else than 100-continue");
			return false;
		}
	}
	request->expects_continue =
	    expects && request->version_minor == 1 && request_has_body(request);
	return true;
}

static bool
check_head(struct request_parser *parser, struct request *request)
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

/* --- the head --- */

static bool
is_empty_line(const char *p, const char *end)
{
	return end - p >= 2 && p[0] == '\r' && p[1] == '\n';
}

/*
 * The whole head in one pass. False when it is not over, or wrong: what it then says is only right
 * if scan_head has found every line to be right and complete.
 */
static bool
parse_head(struct request_parser *parser, const char *data, const char *end,
	   struct request *request, size_t *head_len)
{
	const char *p = data;
	size_t n = 0;

	while (is_empty_line(p, end))
		p += 2;
	p = parse_request_line(parser, p, end, request);
	if (p == NULL)
		return false;
	memset(request->times, 0, sizeof(request->times));
	while (!is_empty_line(p, end)) {
		struct request_field *field = &request->field[n];

		if (n == REQUEST_MAX_FIELDS)
			return false;
		p = parse_field(parser, p, end, field);
		if (p == NULL)
			return false;
		if (field->id != FIELD_OTHER && request->times[field->id]++ == 0)
			request->first[field->id] = (uint8_t)n;
		n++;
	}
	request->n_fields = n;
	*head_len = (size_t)(p + 2 - data);
	return check_head(parser, request);
}

/* A complete line. False when it is wrong, and says so. */
static bool
scan_line(struct request_parser *parser, const char *line, const char *end, struct request *request)
{
	struct request_field field;

	if (parser->state == HEAD_REQUEST_LINE) {
		/* empty lines before the request line are skipped (RFC 9112 2.2) */
		if (is_empty_line(line, end))
			return true;
		parser->state = HEAD_FIELDS;
		return parse_request_line(parser, line, end, request) != NULL;
	}
	if (parser->n_fields++ == REQUEST_MAX_FIELDS) {
		bad(parser, 431, "the head has more than 100 fields");
		return false;
	}
	return parse_field(parser, line, end, &field) != NULL;
}

/* What is no text, where no line ends. */
static void
bad_byte(struct request_parser *parser, const char *data, const char *p)
{
	const char *message = "the head has a control character in it";

	if (*p == '\n')
		message = "a line ends without CR; CR LF is accepted";
	else if (p == data && *p == TLS_HANDSHAKE)
		message = "this is TLS; plain HTTP is spoken here";
	bad(parser, 400, message);
}

static enum request_status
scan_head(struct request_parser *parser, const char *data, const char *end, struct request *request,
	  size_t *head_len)
{
	const char *p = data + parser->scanned;

	while (p < end) {
		const char *line = data + parser->line_start;

		/* at the start of a line there is no CR before p, whatever byte is there */
		if (p == line || p[-1] != '\r') {
			p = skip_text(p, end);
			if (p == end)
				break;
			if (*p != '\r') {
				bad_byte(parser, data, p);
				return REQUEST_BAD;
			}
			p++;
			continue;
		}
		if (*p != '\n') {
			bad(parser, 400, "the head has a CR that does not end a line");
			return REQUEST_BAD;
		}
		p++;
		if (parser->state == HEAD_FIELDS && p - line == 2)
			return parse_head(parser, data, p, request, head_len) ? REQUEST_COMPLETE
									      : REQUEST_BAD;
		if (!scan_line(parser, line, p, request))
			return REQUEST_BAD;
		parser->line_start = (size_t)(p - data);
	}
	parser->scanned = (size_t)(p - data);
	return REQUEST_INCOMPLETE;
}

/* Which part of the head is to blame that it does not end before `end`. */
static void
bad_length(struct request_parser *parser, const char *data, const char *end)
{
	const char *p = data + parser->line_start;

	if (parser->state != HEAD_REQUEST_LINE || p == end || *p == '\r') {
		bad(parser, 431, "the head is longer than http.max_header_size");
		return;
	}
	/* of the request line, each part has a status of its own (RFC 9112 3) */
	const char *method = p;
	p = char_skip(p, end, CHAR_TOKEN);
	if (p == end) {
		bad(parser, 501, "the method is longer than any that is known");
		return;
	}
	if (p == method || *p != ' ') {
		bad(parser, 400, "the request line does not begin with a method and a space");
		return;
	}
	p = memchr(p + 1, ' ', (size_t)(end - p - 1));
	if (p && end - p > (ptrdiff_t)strlen(" HTTP/1.1\r"))
		bad(parser, 400,
		    "the request line is not method, target and HTTP/1.1 with a space between");
	else
		bad(parser, 414, "the request line is longer than http.max_header_size");
}

void
request_peek(const struct request_parser *parser, const char *data, size_t len,
	     struct request *request)
{
	const char *p = data, *const end = data + len;
	const char *const wrong = data + parser->line_start;
	struct request_parser scratch = {0};

	*request = (struct request){.method = HTTP_METHODS, .version_minor = 1};
	while (is_empty_line(p, end))
		p += 2;
	p = parse_request_line(&scratch, p, end, request);
	while (p && p < wrong && request->n_fields < REQUEST_MAX_FIELDS) {
		struct request_field *field = &request->field[request->n_fields];

		p = parse_field(&scratch, p, wrong, field);
		if (!p)
			break;
		if (field->id != FIELD_OTHER && request->times[field->id]++ == 0)
			request->first[field->id] = (uint8_t)request->n_fields;
		request->n_fields++;
	}
}

bool
request_is_awaited(const struct request_parser *parser, size_t len)
{
	return parser->state == HEAD_REQUEST_LINE && parser->line_start == len;
}

enum request_status
request_parse(struct request_parser *parser, const char *data, size_t len, size_t max,
	      struct request *request, size_t *head_len)
{
	const char *end = data + (len < max ? len : max);
	enum request_status status;

	if (parser->error_status)
		return REQUEST_BAD;
	if (parser->state == HEAD_NEW) {
		if (parse_head(parser, data, end, request, head_len))
			return REQUEST_COMPLETE;
		parser->error_status = 0;
		parser->state = HEAD_REQUEST_LINE;
	}
	status = scan_head(parser, data, end, request, head_len);
	if (status != REQUEST_INCOMPLETE || len < max)
		return status;
	/* all of `max` was looked at, and the head is longer */
	bad_length(parser, data, end);
	return REQUEST_BAD;
}
