/*
 * request_line.c - the first line of a request: method, target in its four forms, version (RFC 9112
 * 3, RFC 3986). Called by: request_head.c.
 */
#include "http/host.h"
#include "http/request_parts.h"

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
		return request_bad(
		    parser, 400,
		    "the request target is neither a path that begins with / nor an http URI");
	if (!span_eq_nocase(span_from(scheme, (size_t)(p - scheme)), SPAN_LIT("http")))
		return request_bad(parser, 421, "the request target has another scheme than http");
	slash = p + 2;
	p += 3;
	request->host.ptr = p;
	while (p < end && *p != '/' && *p != '?' && *p != ' ' && *p != '\r')
		p++;
	request->host.len = (size_t)(p - request->host.ptr);
	if (!host_parse(request->host, &request->host_parts))
		return request_bad(parser, 400,
				   "the request target's authority is not host or host:port");
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
		return request_bad(parser, 400, "the target of CONNECT is not host:port");
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
		return request_bad(parser, 400,
				   "a % in the request target is not followed by two hex digits");
	if (p < end && *p == '\r')
		return request_bad(parser, 400,
				   "the request line has no version; HTTP/1.1 is accepted");
	return request_bad(parser, 400,
			   "the request target has a character that must be percent-encoded");
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
		return request_bad(
		    parser, 400,
		    "the request line is not method, target and HTTP/1.1 with a space between");
	if (p[5] != '1')
		return request_bad(parser, 505, "the HTTP version is not 1.0 or 1.1");
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

const char *
request_parse_line(struct request_parser *parser, const char *p, const char *end,
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
			return request_bad(
			    parser, 400,
			    "the request line does not begin with a method and a space");
		request->method = method_find(span_from(method, (size_t)(p - method)));
		p++;
	}
	p = parse_target(parser, p, end, request);
	if (p)
		p = parse_version(parser, p, end, request);
	if (p && request->method == HTTP_METHODS)
		return request_bad(parser, 501,
				   "the method is not known; GET, HEAD, POST, PUT, PATCH, DELETE, "
				   "OPTIONS, TRACE and CONNECT are");
	return p;
}
