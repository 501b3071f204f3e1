/* links: src/http/chars.c src/http/host.c src/http/request.c */
/*
 * test_request.c - heads that are taken, heads that are refused, and the same result however the
 * bytes are cut.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/request_cuts.h"

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
	const char *target, *path, *query, *host;
	enum http_method method;
	unsigned minor;
} lines[] = {
    {SPAN_LIT("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n"), "/", "/", "", "a:1", HTTP_GET, 1},
    {SPAN_LIT("HEAD /%41b/c;d=e?f=%20/?:@ HTTP/1.1\r\nhOST:a \t\r\n\r\n"), "/%41b/c;d=e?f=%20/?:@",
     "/%41b/c;d=e", "f=%20/?:@", "a", HTTP_HEAD, 1},
    {SPAN_LIT("POST //x? HTTP/1.1\r\nHost:[::1]:80\r\n\r\n"), "//x?", "//x", "", "[::1]:80",
     HTTP_POST, 1},
    {SPAN_LIT("PUT /-._~!$&'()*+,;=:@ HTTP/1.1\r\nHost: 1.2.3.4:\r\n\r\n"), "/-._~!$&'()*+,;=:@",
     "/-._~!$&'()*+,;=:@", "", "1.2.3.4:", HTTP_PUT, 1},
    {SPAN_LIT("PATCH / HTTP/1.0\r\n\r\n"), "/", "/", "", "", HTTP_PATCH, 0},
    {SPAN_LIT("DELETE / HTTP/1.7\r\nHost: a%2Db_c\r\n\r\n"), "/", "/", "", "a%2Db_c", HTTP_DELETE,
     1},
    {SPAN_LIT("\r\n\r\nTRACE / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n"), "/", "/", "", "[v1.a:b]",
     HTTP_TRACE, 1},
    {SPAN_LIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "*", "*", "", "a", HTTP_OPTIONS, 1},
    {SPAN_LIT("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n"), "b:443", "", "", "b:443", HTTP_CONNECT,
     1},
    {SPAN_LIT("GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n"), "http://b:80/c?d", "/c", "d",
     "b:80", HTTP_GET, 1},
    {SPAN_LIT("GET HTTP://b?d HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP://b?d", "/", "d", "b", HTTP_GET,
     1},
    {SPAN_LIT("GET http://[::1] HTTP/1.0\r\n\r\n"), "http://[::1]", "/", "", "[::1]", HTTP_GET, 0},
};

START_TEST(request_line_is_taken_apart)
{
	take(lines[_i].head);
	is_span(request.target, lines[_i].target);
	is_span(request.path, lines[_i].path);
	is_span(request.query, lines[_i].query);
	is_span(request.host, lines[_i].host);
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
	    {"content-length", FIELD_CONTENT_LENGTH},
	    {"Content-Type", FIELD_CONTENT_TYPE},
	    {"Expect", FIELD_EXPECT},
	    {"Upgrade", FIELD_UPGRADE},
	    {"Accept", FIELD_ACCEPT},
	    {"Accept-Encoding", FIELD_ACCEPT_ENCODING},
	    {"Access-Control-Request-Headers", FIELD_ACCESS_CONTROL_REQUEST_HEADERS},
	    {"Access-Control-Request-Method", FIELD_ACCESS_CONTROL_REQUEST_METHOD},
	    {"If-None-Match", FIELD_IF_NONE_MATCH},
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
					     "Hosts"};
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
	for (size_t i = 0; i < n_known; i++) {
		is_span(request.field[i].name, known[i].name);
		ck_assert_int_eq(request.field[i].id, known[i].id);
		ck_assert_uint_eq(request.times[known[i].id], 1);
		ck_assert(request.first[known[i].id].ptr == request.field[i].value.ptr);
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
	ck_assert_int_eq(request.body, BODY_NONE);
	ck_assert(!request.expects_continue && !request.connection_upgrade);
	ck_assert_uint_eq(request.n_fields, 0);
	for (enum http_field id = FIELD_OTHER; id < FIELD_COUNT; id++)
		ck_assert(!request_has(&request, id) && request.first[id].ptr == NULL);
}
END_TEST

/* --- what is refused --- */

static const struct {
	const char *what;
	int status;
	struct span head;
} refused[] = {
    /* the request line */
    {"no method", 400, SPAN_LIT(" / HTTP/1.1\r\n" H "\r\n")},
    {"two spaces before the target", 400, SPAN_LIT("GET  / HTTP/1.1\r\n" H "\r\n")},
    {"two spaces before the version", 400, SPAN_LIT("GET /  HTTP/1.1\r\n" H "\r\n")},
    {"a space at the end", 400, SPAN_LIT("GET / HTTP/1.1 \r\n" H "\r\n")},
    {"a space in the target", 400, SPAN_LIT("GET /a b HTTP/1.1\r\n" H "\r\n")},
    {"tabs for spaces", 400, SPAN_LIT("GET\t/\tHTTP/1.1\r\n" H "\r\n")},
    {"a method that is no token", 400, SPAN_LIT("G@T / HTTP/1.1\r\n" H "\r\n")},
    {"an unknown method", 501, SPAN_LIT("BREW / HTTP/1.1\r\n" H "\r\n")},
    {"a method in lower case", 501, SPAN_LIT("get / HTTP/1.1\r\n" H "\r\n")},
    {"a method that begins like another", 501, SPAN_LIT("GETS / HTTP/1.1\r\n" H "\r\n")},
    {"an unknown method and a bad target", 400, SPAN_LIT("BREW /# HTTP/1.1\r\n" H "\r\n")},
    {"HTTP/0.9", 400, SPAN_LIT("GET /\r\n\r\n")},
    {"HTTP/0.9 by name", 505, SPAN_LIT("GET / HTTP/0.9\r\n" H "\r\n")},
    {"HTTP/2.0", 505, SPAN_LIT("GET / HTTP/2.0\r\n" H "\r\n")},
    {"the preface of HTTP/2", 505, SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {"http/1.1", 400, SPAN_LIT("GET / http/1.1\r\n" H "\r\n")},
    {"HTTP/1", 400, SPAN_LIT("GET / HTTP/1\r\n" H "\r\n")},
    {"HTTP/1.", 400, SPAN_LIT("GET / HTTP/1.\r\n" H "\r\n")},
    {"HTTP/1.10", 400, SPAN_LIT("GET / HTTP/1.10\r\n" H "\r\n")},
    {"HTTP/01.1", 400, SPAN_LIT("GET / HTTP/01.1\r\n" H "\r\n")},
    {"HTTP/1,1", 400, SPAN_LIT("GET / HTTP/1,1\r\n" H "\r\n")},
    {"a byte behind the version", 400, SPAN_LIT("GET / HTTP/1.1x\r\n" H "\r\n")},
    /* the target */
    {"no target", 400, SPAN_LIT("GET HTTP/1.1\r\n" H "\r\n")},
    {"an empty target", 400, SPAN_LIT("GET  HTTP/1.1\r\n" H "\r\n")},
    {"a relative target", 400, SPAN_LIT("GET a/b HTTP/1.1\r\n" H "\r\n")},
    {"a fragment", 400, SPAN_LIT("GET /a#b HTTP/1.1\r\n" H "\r\n")},
    {"a backslash", 400, SPAN_LIT("GET /a\\b HTTP/1.1\r\n" H "\r\n")},
    {"a brace", 400, SPAN_LIT("GET /{ HTTP/1.1\r\n" H "\r\n")},
    {"a quote in the query", 400, SPAN_LIT("GET /?\" HTTP/1.1\r\n" H "\r\n")},
    {"a bracket in the path", 400, SPAN_LIT("GET /[ HTTP/1.1\r\n" H "\r\n")},
    {"a byte that is not ASCII", 400, SPAN_LIT("GET /\xe5\xa4\xaa HTTP/1.1\r\n" H "\r\n")},
    {"a DEL", 400, SPAN_LIT("GET /\x7f HTTP/1.1\r\n" H "\r\n")},
    {"half an escape", 400, SPAN_LIT("GET /%4 HTTP/1.1\r\n" H "\r\n")},
    {"an escape that is not hexadecimal", 400, SPAN_LIT("GET /%g0 HTTP/1.1\r\n" H "\r\n")},
    {"a percent sign at the end of the query", 400, SPAN_LIT("GET /?% HTTP/1.1\r\n" H "\r\n")},
    {"asterisk for GET", 400, SPAN_LIT("GET * HTTP/1.1\r\n" H "\r\n")},
    {"more than an asterisk", 400, SPAN_LIT("OPTIONS *a HTTP/1.1\r\n" H "\r\n")},
    {"authority for GET", 400, SPAN_LIT("GET a:80 HTTP/1.1\r\n" H "\r\n")},
    {"CONNECT without a port", 400, SPAN_LIT("CONNECT a HTTP/1.1\r\n" H "\r\n")},
    {"CONNECT to a path", 400, SPAN_LIT("CONNECT / HTTP/1.1\r\n" H "\r\n")},
    {"https", 421, SPAN_LIT("GET https://a/ HTTP/1.1\r\n" H "\r\n")},
    {"ftp", 421, SPAN_LIT("GET ftp://a/ HTTP/1.1\r\n" H "\r\n")},
    {"a scheme with all that one may have", 421,
     SPAN_LIT("GET a1+b-c.d://a/ HTTP/1.1\r\n" H "\r\n")},
    {"a scheme that begins with a digit", 400, SPAN_LIT("GET 1a://a/ HTTP/1.1\r\n" H "\r\n")},
    {"no scheme", 400, SPAN_LIT("GET ://a/ HTTP/1.1\r\n" H "\r\n")},
    {"user information", 400, SPAN_LIT("GET http://u@a/ HTTP/1.1\r\n" H "\r\n")},
    {"an empty authority", 400, SPAN_LIT("GET http:///a HTTP/1.1\r\n" H "\r\n")},
    {"an authority of a port only", 400, SPAN_LIT("GET http://:80/a HTTP/1.1\r\n" H "\r\n")},
    {"a fragment in absolute form", 400, SPAN_LIT("GET http://a#b HTTP/1.1\r\n" H "\r\n")},
    {"absolute form without Host", 400, SPAN_LIT("GET http://a/ HTTP/1.1\r\n\r\n")},
    {"absolute form and a bad Host", 400, SPAN_LIT("GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n")},
    /* line ends and control characters */
    {"bare LF", 400, SPAN_LIT("GET / HTTP/1.1\nHost: a\n\n")},
    {"bare LF after a field", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a\n\r\n")},
    {"bare LF at the end", 400, SPAN_LIT(GET "\n")},
    {"bare LF before the request", 400, SPAN_LIT("\n" GET "\r\n")},
    {"bare CR in the request line", 400, SPAN_LIT("GET /\rHTTP/1.1\r\n" H "\r\n")},
    {"bare CR in a value", 400, SPAN_LIT(GET "A: b\rc\r\n\r\n")},
    {"CR CR LF", 400, SPAN_LIT(GET "A: b\r\r\n\r\n")},
    {"CR at the end that ends nothing", 400, SPAN_LIT(GET "\rA: b\r\n\r\n")},
    {"NUL in the request line", 400, SPAN_LIT("GET /\0 HTTP/1.1\r\n" H "\r\n")},
    {"NUL in a value", 400, SPAN_LIT(GET "A: b\0c\r\n\r\n")},
    {"NUL in a name", 400, SPAN_LIT(GET "A\0: b\r\n\r\n")},
    {"a control character in a value", 400, SPAN_LIT(GET "A: 01234567\x1b[0m\r\n\r\n")},
    {"DEL in a value", 400, SPAN_LIT(GET "A: 0123456789\x7f\r\n\r\n")},
    {"TLS", 400, SPAN_LIT("\x16\x03\x01\x02")},
    /* field lines */
    {"folding", 400, SPAN_LIT(GET "A: b\r\n c\r\n\r\n")},
    {"folding with a tab", 400, SPAN_LIT(GET "A: b\r\n\tc\r\n\r\n")},
    {"white space before the first field", 400, SPAN_LIT("GET / HTTP/1.1\r\n " H "\r\n")},
    {"a line of white space", 400, SPAN_LIT(GET " \r\n\r\n")},
    {"a space before the colon", 400, SPAN_LIT(GET "A : b\r\n\r\n")},
    {"a tab before the colon", 400, SPAN_LIT(GET "Content-Length\t: 5\r\n\r\n")},
    {"a space in a name", 400, SPAN_LIT(GET "A B: c\r\n\r\n")},
    {"an empty name", 400, SPAN_LIT(GET ": b\r\n\r\n")},
    {"no colon", 400, SPAN_LIT(GET "Ab\r\n\r\n")},
    {"a name that is no token", 400, SPAN_LIT(GET "A(b): c\r\n\r\n")},
    {"a name with a byte that is not ASCII", 400, SPAN_LIT(GET "\xc3\xa4: c\r\n\r\n")},
    /* Host */
    {"no Host", 400, SPAN_LIT("GET / HTTP/1.1\r\nA: b\r\n\r\n")},
    {"no Host in 1.2", 400, SPAN_LIT("GET / HTTP/1.2\r\n\r\n")},
    {"two of them", 400, SPAN_LIT(GET "Host: a\r\n\r\n")},
    {"two in 1.0", 400, SPAN_LIT("GET / HTTP/1.0\r\n" H H "\r\n")},
    {"an empty one", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {"an empty one in 1.0", 400, SPAN_LIT("GET / HTTP/1.0\r\nHost: \r\n\r\n")},
    {"a list", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n")},
    {"a path in it", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {"user information in it", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
    {"a port that is no number", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n")},
    {"a port that is too large", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n")},
    {"two ports", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n")},
    {"a bare IPv6 address", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n")},
    {"a bad IPv6 address", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: [:::1]\r\n\r\n")},
    {"an open bracket", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n")},
    {"a byte behind the bracket", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n")},
    {"a bad escape in it", 400, SPAN_LIT("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n")},
    /* framing */
    {"two lengths", 400, SPAN_LIT(POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n")},
    {"a length twice", 400, SPAN_LIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n")},
    {"a list of lengths", 400, SPAN_LIT(POST "Content-Length: 1, 1\r\n\r\n")},
    {"an empty length", 400, SPAN_LIT(POST "Content-Length:\r\n\r\n")},
    {"a sign", 400, SPAN_LIT(POST "Content-Length: +1\r\n\r\n")},
    {"a negative length", 400, SPAN_LIT(POST "Content-Length: -1\r\n\r\n")},
    {"a hexadecimal length", 400, SPAN_LIT(POST "Content-Length: 0x1\r\n\r\n")},
    {"a length with a fraction", 400, SPAN_LIT(POST "Content-Length: 1.0\r\n\r\n")},
    {"a space in a length", 400, SPAN_LIT(POST "Content-Length: 1 2\r\n\r\n")},
    {"a length over 64 bits", 400, SPAN_LIT(POST "Content-Length: 18446744073709551616\r\n\r\n")},
    {"a length far over 64 bits", 400,
     SPAN_LIT(POST "Content-Length: 99999999999999999999999999\r\n\r\n")},
    {"a length of GET that is none", 400, SPAN_LIT(GET "Content-Length: a\r\n\r\n")},
    {"both", 400, SPAN_LIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n")},
    {"both, the other way", 400,
     SPAN_LIT(POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"chunked in 1.0", 400, SPAN_LIT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n")},
    {"an unknown coding", 501, SPAN_LIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {"an unknown coding alone", 501, SPAN_LIT(POST "Transfer-Encoding: xchunked\r\n\r\n")},
    {"identity", 501, SPAN_LIT(POST "Transfer-Encoding: identity\r\n\r\n")},
    {"an unknown coding in a field of its own", 501,
     SPAN_LIT(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"chunked not last", 400, SPAN_LIT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n")},
    {"chunked not last over two fields", 400,
     SPAN_LIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n")},
    {"chunked twice", 400, SPAN_LIT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n")},
    {"chunked in two fields", 400,
     SPAN_LIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"an empty coding", 400, SPAN_LIT(POST "Transfer-Encoding:\r\n\r\n")},
    {"an empty element", 400, SPAN_LIT(POST "Transfer-Encoding: ,chunked\r\n\r\n")},
    {"an empty element at the end", 400, SPAN_LIT(POST "Transfer-Encoding: chunked,\r\n\r\n")},
    {"a parameter", 400, SPAN_LIT(POST "Transfer-Encoding: chunked;a=b\r\n\r\n")},
    {"quotes", 400, SPAN_LIT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n")},
    {"a vertical tab", 400, SPAN_LIT(POST "Transfer-Encoding: \vchunked\r\n\r\n")},
    {"another expectation", 417, SPAN_LIT(POST "Expect: 200-ok\r\n\r\n")},
    {"a second expectation", 417, SPAN_LIT(POST "Expect: 100-continue\r\nExpect: x\r\n\r\n")},
};

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

START_TEST(what_could_be_read_in_two_ways_is_refused)
{
	enum request_status status = parse(refused[_i].head);

	ck_assert_msg(status == REQUEST_BAD, "%s: is taken", refused[_i].what);
	ck_assert_msg(parser.error_status == refused[_i].status, "%s: %d %s", refused[_i].what,
		      parser.error_status, parser.error_message);
	ck_assert_ptr_nonnull(parser.error_message);
	/* and stays so, whatever comes */
	status = request_parse(&parser, refused[_i].head.ptr, refused[_i].head.len, MAX, &request,
			       &head_len);
	ck_assert_int_eq(status, REQUEST_BAD);
}
END_TEST

/* Everywhere in a head that is right otherwise, each byte that may stand nowhere. */
START_TEST(control_characters_are_refused_wherever_they_stand)
{
	static const char head[] = "GET /a?b HTTP/1.1\r\nHost: a\r\nAb: 0123456789\r\n\r\n";
	char spoilt[sizeof(head)];

	for (size_t at = 0; at < sizeof(head) - 1; at++) {
		for (int byte = 0; byte < 0x20; byte++) {
			if (byte == '\t' || byte == '\n' || byte == '\r')
				continue;
			memcpy(spoilt, head, sizeof(head));
			spoilt[at] = (char)byte;
			ck_assert_msg(parse(span_from(spoilt, sizeof(head) - 1)) == REQUEST_BAD,
				      "byte %d at %zu", byte, at);
			ck_assert_int_eq(parser.error_status, 400);
		}
	}
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
	every_cut_agrees(refused[_i].head, MAX);
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
	tcase_add_loop_test(tc, what_could_be_read_in_two_ways_is_refused, 0, N(refused));
	tcase_add_test(tc, control_characters_are_refused_wherever_they_stand);
	tcase_add_test(tc, heads_over_the_limit_are_refused);
	tcase_add_test(tc, fields_are_counted);
	tcase_add_test(tc, names_have_a_bound);
	suite_add_tcase(s, tc);
	tc = tcase_create("cuts");
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, good_heads_may_be_cut_anywhere, 0, N(lines));
	tcase_add_loop_test(tc, framed_heads_may_be_cut_anywhere, 0, N(bodies));
	tcase_add_loop_test(tc, bad_heads_may_be_cut_anywhere, 0, N(refused));
	tcase_add_test(tc, long_heads_may_be_cut_anywhere);
	tcase_add_test(tc, a_slow_head_costs_no_more_than_its_bytes);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
