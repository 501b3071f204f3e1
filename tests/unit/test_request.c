/* links: src/http/chars.c src/http/host.c $(request) */
/*
 * test_request.c - what heads are taken apart into, the limits of their size, and the same result
 * however the bytes are cut. Which heads are taken at all: test_request_rules.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/request_cuts.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

#define MAX  16384
#define H    "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" H
#define POST "POST / HTTP/1.1\r\n" H
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static struct request request;
static struct request_parser parser;
static size_t head_len;

static enum request_status
parse(struct span head)
{
	parser = (struct request_parser){0};
	return request_parse(&parser, head.ptr, head.len, MAX, &request, &head_len);
}

static void
take(struct span head)
{
	enum request_status status = parse(head);

	ck_assert_msg(status == REQUEST_COMPLETE, "%.*s: %s", (int)head.len, head.ptr,
		      status == REQUEST_BAD ? parser.error_message : "incomplete");
}

static void
is_span(struct span span, const char *text)
{
	ck_assert_msg(span_eq(span, span_str(text)), "'%.*s' is not '%s'", (int)span.len, span.ptr,
		      text);
}

/* --- what is taken --- */

static const struct {
	struct span head;
	const char *target, *path, *query, *host, *name;
	int port;
	enum http_method method;
	unsigned minor;
} lines[] = {
    {SPAN_LIT("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n"), "/", "/", "", "a:1", "a", 1, HTTP_GET, 1},
    {SPAN_LIT("HEAD /%41b/c;d=e?f=%20/?:@ HTTP/1.1\r\nhOST:a \t\r\n\r\n"), "/%41b/c;d=e?f=%20/?:@",
     "/%41b/c;d=e", "f=%20/?:@", "a", "a", -1, HTTP_HEAD, 1},
    {SPAN_LIT("POST //x? HTTP/1.1\r\nHost:[::1]:80\r\n\r\n"), "//x?", "//x", "", "[::1]:80",
     "[::1]", 80, HTTP_POST, 1},
    {SPAN_LIT("PUT /-._~!$&'()*+,;=:@ HTTP/1.1\r\nHost: 1.2.3.4:\r\n\r\n"), "/-._~!$&'()*+,;=:@",
     "/-._~!$&'()*+,;=:@", "", "1.2.3.4:", "1.2.3.4", -1, HTTP_PUT, 1},
    {SPAN_LIT("PATCH / HTTP/1.0\r\n\r\n"), "/", "/", "", "", "", -1, HTTP_PATCH, 0},
    {SPAN_LIT("DELETE / HTTP/1.7\r\nHost: a%2Db_c\r\n\r\n"), "/", "/", "", "a%2Db_c", "a%2Db_c", -1,
     HTTP_DELETE, 1},
    {SPAN_LIT("\r\n\r\nTRACE / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n"), "/", "/", "", "[v1.a:b]",
     "[v1.a:b]", -1, HTTP_TRACE, 1},
    {SPAN_LIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "*", "*", "", "a", "a", -1, HTTP_OPTIONS,
     1},
    /* RFC 9110 4.2.3: an empty path is "/", but not for OPTIONS */
    {SPAN_LIT("OPTIONS http://b:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "http://b:80", "*", "", "b:80",
     "b", 80, HTTP_OPTIONS, 1},
    {SPAN_LIT("OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "http://b/", "/", "", "b", "b", -1,
     HTTP_OPTIONS, 1},
    {SPAN_LIT("OPTIONS http://b?c HTTP/1.1\r\nHost: a\r\n\r\n"), "http://b?c", "/", "c", "b", "b",
     -1, HTTP_OPTIONS, 1},
    {SPAN_LIT("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n"), "b:443", "", "", "b:443", "b", 443,
     HTTP_CONNECT, 1},
    /* RFC 9112 3.2.2: the target's authority replaces Host */
    {SPAN_LIT("GET http://b:80/c?d HTTP/1.1\r\nHost: a:81\r\n\r\n"), "http://b:80/c?d", "/c", "d",
     "b:80", "b", 80, HTTP_GET, 1},
    {SPAN_LIT("GET HTTP://b?d HTTP/1.1\r\nHost: a:81\r\n\r\n"), "HTTP://b?d", "/", "d", "b", "b",
     -1, HTTP_GET, 1},
    {SPAN_LIT("GET http://[::1] HTTP/1.0\r\n\r\n"), "http://[::1]", "/", "", "[::1]", "[::1]", -1,
     HTTP_GET, 0},
};

START_TEST(request_line_is_taken_apart)
{
	take(lines[_i].head);
	is_span(request.target, lines[_i].target);
	is_span(request.path, lines[_i].path);
	is_span(request.query, lines[_i].query);
	is_span(request.host, lines[_i].host);
	is_span(request.host_parts.name, lines[_i].name);
	ck_assert_int_eq(request.host_parts.has_port ? request.host_parts.port : -1,
			 lines[_i].port);
	ck_assert_int_eq(request.method, lines[_i].method);
	ck_assert_uint_eq(request.version_minor, lines[_i].minor);
	ck_assert_uint_eq(head_len, lines[_i].head.len);
}
END_TEST

START_TEST(fields_are_listed_and_known_ones_numbered)
{
	static const struct {
		const char *name;
		enum http_field id;
	} known[] = {
	    {"hOSt", FIELD_HOST},
	    {"CONNECTION", FIELD_CONNECTION},
	    {"content-ENCODING", FIELD_CONTENT_ENCODING},
	    {"content-length", FIELD_CONTENT_LENGTH},
	    {"Content-Type", FIELD_CONTENT_TYPE},
	    {"Expect", FIELD_EXPECT},
	    {"Upgrade", FIELD_UPGRADE},
	    {"Accept", FIELD_ACCEPT},
	    {"Accept-Encoding", FIELD_ACCEPT_ENCODING},
	    {"Access-Control-Request-Headers", FIELD_ACCESS_CONTROL_REQUEST_HEADERS},
	    {"Access-Control-Request-Method", FIELD_ACCESS_CONTROL_REQUEST_METHOD},
	    {"Idempotency-Key", FIELD_IDEMPOTENCY_KEY},
	    {"If-Match", FIELD_IF_MATCH},
	    {"If-None-Match", FIELD_IF_NONE_MATCH},
	    {"Last-Event-ID", FIELD_LAST_EVENT_ID},
	    {"Referer", FIELD_REFERER},
	    {"User-Agent", FIELD_USER_AGENT},
	    {"Origin", FIELD_ORIGIN},
	    {"Sec-Fetch-Site", FIELD_SEC_FETCH_SITE},
	    {"Forwarded", FIELD_FORWARDED},
	    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
	    {"Via", FIELD_VIA},
	    {"Sec-WebSocket-Key", FIELD_SEC_WEBSOCKET_KEY},
	    {"Sec-WebSocket-Version", FIELD_SEC_WEBSOCKET_VERSION},
	    {"Sec-WebSocket-Protocol", FIELD_SEC_WEBSOCKET_PROTOCOL},
	    {"Sec-WebSocket-Extensions", FIELD_SEC_WEBSOCKET_EXTENSIONS},
	};
	static const char *const others[] = {"Age",
					     "Date",
					     "Cookie",
					     "Referee",
					     "Sec-Ch-Ua",
					     "User-Agency",
					     "Content-Typo",
					     "Sec-Fetch-Mode",
					     "Content-Lengts",
					     "Accept-Encodinh",
					     "Transfer-Encodin_",
					     "sec-websocket-kez",
					     "Sec-WebSocket-Versiom",
					     "H",
					     "Hosts",
					     "Hoss",
					     "Accepu",
					     "A"};
	char head[4096];
	int len = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\n");
	size_t n_known = sizeof(known) / sizeof(known[0]);
	size_t n_others = sizeof(others) / sizeof(others[0]);

	for (size_t i = 0; i < n_known; i++)
		len += snprintf(head + len, sizeof(head) - (size_t)len, "%s: %s\r\n", known[i].name,
				known[i].id == FIELD_EXPECT ? "100-continue" : "1");
	for (size_t i = 0; i < n_others; i++)
		len += snprintf(head + len, sizeof(head) - (size_t)len, "%s: o\r\n", others[i]);
	len += snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
	take(span_from(head, (size_t)len));
	ck_assert_uint_eq(request.n_fields, n_known + n_others);
	/* all but FIELD_OTHER, and a coding, which no length may be beside */
	ck_assert_uint_eq(n_known, FIELD_COUNT - 2);
	for (size_t i = 0; i < n_known; i++) {
		is_span(request.field[i].name, known[i].name);
		ck_assert_int_eq(request.field[i].id, known[i].id);
		ck_assert_uint_eq(request.times[known[i].id], 1);
		ck_assert(request_first(&request, known[i].id).ptr == request.field[i].value.ptr);
	}
	for (size_t i = n_known; i < n_known + n_others; i++)
		ck_assert_msg(request.field[i].id == FIELD_OTHER, "%s", others[i - n_known]);
	ck_assert(!request_has(&request, FIELD_TRANSFER_ENCODING));
}
END_TEST

START_TEST(values_lose_the_white_space_around_them_only)
{
	take(SPAN_LIT(GET "A:\r\nB: \t \r\nC:x\r\nD: \t a \t b\t \r\nE: \x80\xff~\x21\r\n"
			  "F: 0123456789abcdef0123456789abcdef\tz\r\n\r\n"));
	is_span(request.field[1].value, "");
	is_span(request.field[2].value, "");
	is_span(request.field[3].value, "x");
	is_span(request.field[4].value, "a \t b");
	is_span(request.field[5].value, "\x80\xff~!");
	is_span(request.field[6].value, "0123456789abcdef0123456789abcdef\tz");
}
END_TEST

static const struct {
	struct span head;
	enum request_body body;
	uint64_t length;
	bool keep_alive, expects, upgrade;
} bodies[] = {
    {SPAN_LIT(GET "\r\n"), BODY_NONE, 0, true, false, false},
    {SPAN_LIT(POST "Content-Length: 0\r\n\r\n"), BODY_LENGTH, 0, true, false, false},
    {SPAN_LIT(POST "Content-Length: 00012\r\nConnection: close\r\n\r\n"), BODY_LENGTH, 12, false,
     false, false},
    {SPAN_LIT(POST "Content-Length: 18446744073709551615\r\n\r\n"), BODY_LENGTH, UINT64_MAX, true,
     false, false},
    {SPAN_LIT(POST "Transfer-Encoding: chunked\r\n\r\n"), BODY_CHUNKED, 0, true, false, false},
    {SPAN_LIT(POST "transfer-encoding:\tChunKed \r\nExpect: 100-Continue\r\n\r\n"), BODY_CHUNKED, 0,
     true, true, false},
    {SPAN_LIT(POST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"), BODY_LENGTH, 1, true, true,
     false},
    {SPAN_LIT(POST "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n"), BODY_LENGTH, 0, true,
     false, false},
    {SPAN_LIT(GET "Expect: 100-continue\r\n\r\n"), BODY_NONE, 0, true, false, false},
    {SPAN_LIT("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"), BODY_LENGTH,
     1, false, false, false},
    {SPAN_LIT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), BODY_NONE, 0, true, false,
     false},
    {SPAN_LIT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"), BODY_NONE, 0, false,
     false, false},
    {SPAN_LIT(GET "Connection: ,foo , upGrade\r\n\r\n"), BODY_NONE, 0, true, false, true},
    {SPAN_LIT(GET "Connection: Upgrade\r\nA: b\r\nConnection: close\r\n\r\n"), BODY_NONE, 0, false,
     false, true},
    {SPAN_LIT(POST "Content-Length: 1\r\nExpect:, 100-continue ,\r\nExpect:\r\n\r\n"), BODY_LENGTH,
     1, true, true, false},
    {SPAN_LIT(POST "Content-Length: 1\r\nExpect: ,\r\n\r\n"), BODY_LENGTH, 1, true, false, false},
    /* names that are like the framing ones frame nothing */
    {SPAN_LIT(POST "Content_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n"), BODY_NONE, 0, true,
     false, false},
    {SPAN_LIT(POST "Content-Lengths: 5\r\nX-Transfer-Encoding: chunked\r\n\r\n"), BODY_NONE, 0,
     true, false, false},
    {SPAN_LIT(GET "Connection: not-close, closed\r\n\r\n"), BODY_NONE, 0, true, false, false},
};

START_TEST(framing_and_connection_are_understood)
{
	take(bodies[_i].head);
	ck_assert_int_eq(request.body, bodies[_i].body);
	ck_assert_uint_eq(request.content_length, bodies[_i].length);
	ck_assert_int_eq(request.keep_alive, bodies[_i].keep_alive);
	ck_assert_int_eq(request.expects_continue, bodies[_i].expects);
	ck_assert_int_eq(request.connection_upgrade, bodies[_i].upgrade);
}
END_TEST

START_TEST(lists_are_searched_over_all_fields)
{
	take(SPAN_LIT(GET "Upgrade: h2c , foo\r\nX: websocket\r\nUpgrade:WebSocket\r\n\r\n"));
	ck_assert(request_list_has(&request, FIELD_UPGRADE, SPAN_LIT("websocket")));
	ck_assert(request_list_has(&request, FIELD_UPGRADE, SPAN_LIT("h2c")));
	ck_assert(request_list_has(&request, FIELD_UPGRADE, SPAN_LIT("foo")));
	ck_assert(!request_list_has(&request, FIELD_UPGRADE, SPAN_LIT("fo")));
	ck_assert(!request_list_has(&request, FIELD_UPGRADE, SPAN_LIT("h2c , foo")));
	ck_assert(!request_list_has(&request, FIELD_ACCEPT, SPAN_LIT("foo")));
	ck_assert_uint_eq(request.times[FIELD_UPGRADE], 2);
}
END_TEST

START_TEST(bytes_behind_the_head_are_left_alone)
{
	struct span two = SPAN_LIT(POST "Content-Length: 3\r\n\r\nGET\r\n\x00\x01");

	take(two);
	ck_assert_mem_eq(two.ptr + head_len, "GET\r\n", 5);
}
END_TEST

/* The second request of a connection finds what the first one left in the view. */
START_TEST(nothing_is_left_of_the_request_before)
{
	take(SPAN_LIT("POST http://b/?q HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nExpect: "
		      "100-continue\r\nConnection: close, upgrade\r\n" KEY "\r\n"));
	take(SPAN_LIT("GET / HTTP/1.0\r\n\r\n"));
	is_span(request.query, "");
	is_span(request.host, "");
	is_span(request.host_parts.name, "");
	ck_assert_int_eq(request.body, BODY_NONE);
	ck_assert(!request.expects_continue && !request.connection_upgrade);
	ck_assert_uint_eq(request.n_fields, 0);
	for (enum http_field id = FIELD_OTHER; id < FIELD_COUNT; id++)
		ck_assert(!request_has(&request, id) && request_first(&request, id).ptr == NULL);
}
END_TEST

/* --- what is said --- */

static const struct {
	const char *said;
	struct span head;
} messages[] = {
    {"does not begin with a method", SPAN_LIT("\"GET\" / HTTP/1.1\r\n")},
    {"has no version", SPAN_LIT("GET /\r\n")},
    {"must be percent-encoded", SPAN_LIT("GET /\" HTTP/1.1\r\n")},
    {"not followed by two hex digits", SPAN_LIT("GET /%4 HTTP/1.1\r\n")},
    {"neither a path that begins with / nor", SPAN_LIT("GET a HTTP/1.1\r\n")},
    {"another scheme than http", SPAN_LIT("GET ftp://a/ HTTP/1.1\r\n")},
    {"authority is not host or host:port", SPAN_LIT("GET http://u@a/ HTTP/1.1\r\n")},
    {"CONNECT is not host:port", SPAN_LIT("CONNECT a HTTP/1.1\r\n")},
    {"with a space between", SPAN_LIT("GET / http/1.1\r\n")},
    {"version is not 1.0 or 1.1", SPAN_LIT("GET / HTTP/2.0\r\n")},
    {"GET, HEAD, POST", SPAN_LIT("BREW / HTTP/1.1\r\n")},
    {"folding is not accepted", SPAN_LIT(GET " a: b\r\n")},
    {"folding is not accepted", SPAN_LIT(GET "\ta: b\r\n")},
    {"no name before its colon", SPAN_LIT(GET ": b\r\n")},
    {"in it or before its colon", SPAN_LIT(GET "a : b\r\n")},
    {"in it or before its colon", SPAN_LIT(GET "a\tb: c\r\n")},
    {"has no colon", SPAN_LIT(GET "a\r\n")},
    {"a character that no token has", SPAN_LIT(GET "a@: b\r\n")},
    {"a line ends without CR", SPAN_LIT("GET / HTTP/1.1\n")},
    {"a CR that does not end a line", SPAN_LIT("GET / HTTP/1.1\r\r\n")},
    {"TLS", SPAN_LIT("\x16\x03\x01\x02\x00\x01")},
    {"a control character", SPAN_LIT(GET "a: \x01\r\n")},
    {"Host is missing", SPAN_LIT("GET / HTTP/1.1\r\n\r\n")},
    {"Host comes more than once", SPAN_LIT(GET H "\r\n")},
    {"Host is not host or host:port", SPAN_LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {"Content-Length is empty", SPAN_LIT(POST "Content-Length:\r\n\r\n")},
    {"Content-Length comes more than once",
     SPAN_LIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n")},
    {"not a plain decimal number", SPAN_LIT(POST "Content-Length: 1, 1\r\n\r\n")},
    {"larger than any body", SPAN_LIT(POST "Content-Length: 99999999999999999999\r\n\r\n")},
    {"come together", SPAN_LIT(POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"HTTP/1.0, which has none", SPAN_LIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"does not end with chunked", SPAN_LIT(POST "Transfer-Encoding: gzip\r\n\r\n")},
    {"goes on after chunked", SPAN_LIT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n")},
    {"a coding that is not known", SPAN_LIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {"not a list of plain tokens", SPAN_LIT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n")},
    {"something else than 100-continue", SPAN_LIT(GET "Expect: x\r\n\r\n")},
};

START_TEST(refusals_say_what_is_wrong)
{
	ck_assert_int_eq(parse(messages[_i].head), REQUEST_BAD);
	ck_assert_msg(strstr(parser.error_message, messages[_i].said) != NULL, "'%s': %s",
		      messages[_i].said, parser.error_message);
}
END_TEST

/* --- limits --- */

/* "GET /aaa.. HTTP/1.1" and a field with a value that fills up to `len` bytes in all. */
static size_t
head_of(char *out, size_t path, size_t len)
{
	size_t n = (size_t)sprintf(out, "GET /");

	memset(out + n, 'a', path);
	n += path;
	n += (size_t)sprintf(out + n, " HTTP/1.1\r\n" H "A: ");
	while (n + 4 < len)
		out[n++] = 'b';
	n += (size_t)sprintf(out + n, "\r\n\r\n");
	return n;
}

static int
status_with_max(const char *head, size_t len, size_t max)
{
	enum request_status status;

	parser = (struct request_parser){0};
	status = request_parse(&parser, head, len, max, &request, &head_len);
	return status == REQUEST_BAD ? parser.error_status : status == REQUEST_COMPLETE ? 0 : -1;
}

START_TEST(heads_over_the_limit_are_refused)
{
	char head[8192];
	size_t len = head_of(head, 10, 1024);

	ck_assert_uint_eq(len, 1024);
	ck_assert_int_eq(status_with_max(head, len, 1024), 0);
	ck_assert_int_eq(status_with_max(head, len, 1023), 431);
	ck_assert_int_eq(status_with_max(head, 1022, 1023), -1);
	ck_assert_int_eq(status_with_max(head, 1023, 1023), 431);
	/* what comes behind a head is no part of it */
	len = head_of(head, 10, 1024);
	memset(head + len, 'x', 4096);
	ck_assert_int_eq(status_with_max(head, len + 4096, 1024), 0);
	/* the request line alone */
	len = head_of(head, 2000, 0);
	ck_assert_int_eq(status_with_max(head, len, 1024), 414);
	ck_assert_int_eq(status_with_max(head, 1024, 1024), 414);
	ck_assert_int_eq(status_with_max(head, 1023, 1024), -1);
	/* an error before the limit comes first */
	head[100] = '#';
	ck_assert_int_eq(status_with_max(head, len, 1024), 414);
	ck_assert_int_eq(status_with_max(head, len, 4096), 400);
	head[100] = '\n';
	ck_assert_int_eq(status_with_max(head, len, 1024), 400);
	/* nothing but empty lines */
	for (size_t i = 0; i < 1024; i += 2)
		memcpy(head + i, "\r\n", 2);
	ck_assert_int_eq(status_with_max(head, 1022, 1024), -1);
	ck_assert_int_eq(status_with_max(head, 1024, 1024), 431);
}
END_TEST

/* RFC 9112 3: what is too long in a request line decides what is said. */
START_TEST(parts_of_a_request_line_over_the_limit)
{
	static const struct {
		const char *before, *after;
		int status;
	} parts[] = {
	    {"", " / HTTP/1.1\r\n\r\n", 501},           {"\r\n", " / HTTP/1.1\r\n\r\n", 501},
	    {"@", " / HTTP/1.1\r\n\r\n", 400},          {" ", " / HTTP/1.1\r\n\r\n", 400},
	    {"GET /", " HTTP/1.1\r\n\r\n", 414},        {"BREW /", " HTTP/1.1\r\n\r\n", 414},
	    {"GET /?", " HTTP/1.1\r\n\r\n", 414},       {"GET http://", "/ HTTP/1.1\r\n\r\n", 414},
	    {"CONNECT ", ":1 HTTP/1.1\r\n\r\n", 414},   {"GET / ", " HTTP/1.1\r\n\r\n", 400},
	    {"GET / HTTP/1.", "\r\n\r\n", 400},         {"GET / HTTP/1.1\r\n", ": b\r\n\r\n", 431},
	    {"GET / HTTP/1.1\r\na: ", "\r\n\r\n", 431},
	};
	char head[1024];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int n = sprintf(head, "%s%0*d%s", parts[i].before, 500, 0, parts[i].after);

		ck_assert_msg(status_with_max(head, (size_t)n, 500) == parts[i].status,
			      "%s..%s: %d %s", parts[i].before, parts[i].after, parser.error_status,
			      parser.error_message);
	}
	/* a target that just does not fit, cut within the version */
	for (size_t max = 14; max <= 24; max++)
		ck_assert_int_eq(status_with_max("GET /012345678 HTTP/1.1\r\n\r\n", 27, max), 414);
	ck_assert_int_eq(status_with_max("GET /012345678 HTTP/1.1\r\n\r\n", 27, 25), 431);
}
END_TEST

START_TEST(fields_are_counted)
{
	char head[8192];
	size_t n = (size_t)sprintf(head, "%s", GET);

	for (int i = 1; i < REQUEST_MAX_FIELDS; i++)
		n += (size_t)sprintf(head + n, "A%d: b\r\n", i);
	strcpy(head + n, "\r\n");
	ck_assert_int_eq(status_with_max(head, n + 2, MAX), 0);
	ck_assert_uint_eq(request.n_fields, REQUEST_MAX_FIELDS);
	strcpy(head + n, "B: c\r\n\r\n");
	ck_assert_int_eq(status_with_max(head, n + 8, MAX), 431);
	ck_assert_int_eq(status_with_max(head, n + 6, MAX), 431);
	ck_assert_int_eq(status_with_max(head, n + 5, MAX), -1);
}
END_TEST

START_TEST(names_have_a_bound)
{
	char head[1024];

	for (int len = 256; len <= 257; len++) {
		int n = sprintf(head, "%s%0*d: x\r\n\r\n", GET, len, 0);

		ck_assert_int_eq(status_with_max(head, (size_t)n, MAX), len == 256 ? 0 : 431);
	}
}
END_TEST

/* --- cuts --- */

static void
every_cut_agrees(struct span head, size_t max)
{
	size_t one = 1;

	ck_assert_msg(cut_agrees(head.ptr, head.len, max, &one, 1), "byte by byte: %.*s",
		      (int)head.len, head.ptr);
	for (size_t at = 1; at < head.len; at++) {
		size_t cut[2] = {at, head.len};

		ck_assert_msg(cut_agrees(head.ptr, head.len, max, cut, 2), "cut at %zu: %.*s", at,
			      (int)head.len, head.ptr);
	}
}

START_TEST(good_heads_may_be_cut_anywhere)
{
	every_cut_agrees(lines[_i].head, MAX);
}
END_TEST

START_TEST(framed_heads_may_be_cut_anywhere)
{
	every_cut_agrees(bodies[_i].head, MAX);
}
END_TEST

START_TEST(bad_heads_may_be_cut_anywhere)
{
	every_cut_agrees(messages[_i].head, MAX);
}
END_TEST

/* What is told of a head that is wrong or not over: the method, the path, the fields before that.
 */
static const struct {
	struct span head;
	enum http_method method;
	const char *path;
	size_t n_fields;
} peeks[] = {
    {SPAN_LIT(""), HTTP_METHODS, "", 0},
    {SPAN_LIT("\r\n\r\n"), HTTP_METHODS, "", 0},
    {SPAN_LIT("POST"), HTTP_METHODS, "", 0},
    {SPAN_LIT("POST /a/b"), HTTP_POST, "/a/b", 0},
    {SPAN_LIT("\r\nPOST /a/b?c HT"), HTTP_POST, "/a/b", 0},
    {SPAN_LIT("POST http://a/b?c HTTP/1.1\r\nA:"), HTTP_POST, "/b", 0},
    {SPAN_LIT("BREW /a HTTP/1.1\r\nA: b\r\n"), HTTP_METHODS, "/a", 0},
    {SPAN_LIT("GET /a\" HTTP/1.1\r\n"), HTTP_GET, "/a", 0},
    {SPAN_LIT("GET /a\x01 HTTP/1.1\r\n"), HTTP_GET, "/a", 0},
    {SPAN_LIT("GET a HTTP/1.1\r\n"), HTTP_GET, "", 0},
    {SPAN_LIT("GET /a HTTP/1.1\r\nA: b\r\nB: c\r\nC"), HTTP_GET, "/a", 2},
    {SPAN_LIT("GET /a HTTP/1.1\r\nA: b\r\nB c\r\nC: d\r\n\r\n"), HTTP_GET, "/a", 1},
    {SPAN_LIT(GET "Expect: x\r\n\r\n"), HTTP_GET, "/", 2},
};

START_TEST(a_bad_head_tells_what_it_can)
{
	const struct span head = peeks[_i].head;

	ck_assert_int_ne(parse(head), REQUEST_COMPLETE);
	request_peek(&parser, head.ptr, head.len, &request);
	ck_assert_int_eq(request.method, peeks[_i].method);
	ck_assert_msg(span_eq(request.path, span_str(peeks[_i].path)), "%s: %.*s", head.ptr,
		      (int)request.path.len, request.path.ptr);
	ck_assert_uint_eq(request.n_fields, peeks[_i].n_fields);
	ck_assert(!request_has(&request, FIELD_HOST) ||
		  request_first(&request, FIELD_HOST).ptr == request.field[0].value.ptr);
}
END_TEST

/* Who is turned away has not been read from. */
START_TEST(without_bytes_nothing_is_told)
{
	parser = (struct request_parser){0};
	request_peek(&parser, NULL, 0, &request);
	ck_assert_int_eq(request.method, HTTP_METHODS);
	ck_assert_uint_eq(request.path.len + request.n_fields, 0);
}
END_TEST

START_TEST(long_heads_may_be_cut_anywhere)
{
	char head[1024];
	size_t len = head_of(head, 20, 200);

	every_cut_agrees(span_from(head, len), 200);
	every_cut_agrees(span_from(head, len), 199);
	every_cut_agrees(span_from(head, len), 30);
	every_cut_agrees(span_from(head, len), 0);
}
END_TEST

/* A head of a megabyte, byte by byte: quadratic work would run into the time limit below. */
START_TEST(a_slow_head_costs_no_more_than_its_bytes)
{
	size_t len = 1 << 20, wanted_more = 0;
	char *head = malloc(len + 1);

	ck_assert_ptr_nonnull(head);
	ck_assert_uint_eq(head_of(head, 10, len), len);
	parser = (struct request_parser){0};
	for (size_t at = 1; at < len; at++)
		wanted_more += request_parse(&parser, head, at, len, &request, &head_len) ==
			       REQUEST_INCOMPLETE;
	ck_assert_uint_eq(wanted_more, len - 1);
	ck_assert(request_parse(&parser, head, len, len, &request, &head_len) == REQUEST_COMPLETE);
	ck_assert_uint_eq(head_len, len);
	free(head);
}
END_TEST

START_TEST(methods_have_names)
{
	is_span(http_method_name(HTTP_GET), "GET");
	is_span(http_method_name(HTTP_CONNECT), "CONNECT");
	for (enum http_method m = HTTP_GET; m < HTTP_METHODS; m++)
		ck_assert_uint_ge(http_method_name(m).len, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("request");
	TCase *tc = tcase_create("taken");

	tcase_add_loop_test(tc, request_line_is_taken_apart, 0, N(lines));
	tcase_add_test(tc, fields_are_listed_and_known_ones_numbered);
	tcase_add_test(tc, values_lose_the_white_space_around_them_only);
	tcase_add_loop_test(tc, framing_and_connection_are_understood, 0, N(bodies));
	tcase_add_test(tc, lists_are_searched_over_all_fields);
	tcase_add_test(tc, bytes_behind_the_head_are_left_alone);
	tcase_add_test(tc, nothing_is_left_of_the_request_before);
	tcase_add_test(tc, methods_have_names);
	suite_add_tcase(s, tc);
	tc = tcase_create("refused");
	tcase_add_loop_test(tc, refusals_say_what_is_wrong, 0, N(messages));
	tcase_add_test(tc, heads_over_the_limit_are_refused);
	tcase_add_test(tc, parts_of_a_request_line_over_the_limit);
	tcase_add_test(tc, fields_are_counted);
	tcase_add_test(tc, names_have_a_bound);
	suite_add_tcase(s, tc);
	tc = tcase_create("cuts");
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, good_heads_may_be_cut_anywhere, 0, N(lines));
	tcase_add_loop_test(tc, framed_heads_may_be_cut_anywhere, 0, N(bodies));
	tcase_add_loop_test(tc, bad_heads_may_be_cut_anywhere, 0, N(messages));
	tcase_add_loop_test(tc, a_bad_head_tells_what_it_can, 0, N(peeks));
	tcase_add_test(tc, without_bytes_nothing_is_told);
	tcase_add_test(tc, long_heads_may_be_cut_anywhere);
	tcase_add_test(tc, a_slow_head_costs_no_more_than_its_bytes);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
