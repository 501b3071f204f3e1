/* links: src/http/chars.c src/http/host.c $(request) */
/*
 * test_request_rules.c - each rule of a strict server about a request's head: its section, bytes
 * that keep or break it, and the verdict, which is the same at any cutting of the bytes. A 0 is a
 * head that is taken. What has two readings for two parsers has none here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/request_cuts.h"

#define MAX    16384
#define LINE   "GET / HTTP/1.1\r\n"
#define H      "Host: a\r\n"
#define GET    LINE H
#define POST   "POST / HTTP/1.1\r\n" H
#define HOST   LINE "Host: "
#define TE     POST "Transfer-Encoding: "
#define CL     POST "Content-Length: "
#define TARGET " HTTP/1.1\r\n" H "\r\n"

struct rule {
	const char *rule;
	int status;
	struct span head;
};

/* --- line ends --- */

static const struct rule line_ends[] = {
    {"RFC 9112 2.2 an empty line before the request line", 0, SPAN_LIT("\r\n" GET "\r\n")},
    {"RFC 9112 2.2 several of them", 0, SPAN_LIT("\r\n\r\n\r\n" GET "\r\n")},
    {"RFC 9112 2.2 one that ends with LF", 400, SPAN_LIT("\n" GET "\r\n")},
    {"RFC 9112 2.2 one of a space", 400, SPAN_LIT(" \r\n" GET "\r\n")},
    {"RFC 9112 2.2 a space before the request line", 400, SPAN_LIT(" " GET "\r\n")},
    {"RFC 9112 2.2 bare LF everywhere", 400, SPAN_LIT("GET / HTTP/1.1\nHost: a\n\n")},
    {"RFC 9112 2.2 bare LF after the request line", 400,
     SPAN_LIT("GET / HTTP/1.1\nHost: a\r\n\r\n")},
    {"RFC 9112 2.2 bare LF after a field", 400, SPAN_LIT(LINE "Host: a\n\r\n")},
    {"RFC 9112 2.2 bare LF within a value", 400, SPAN_LIT(GET "A: b\nB: c\r\n\r\n")},
    {"RFC 9112 2.2 bare LF that would hide a coding", 400,
     SPAN_LIT(POST "A: b\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 2.2 bare LF at the end", 400, SPAN_LIT(GET "\n")},
    {"RFC 9112 2.2 LF CR", 400, SPAN_LIT("GET / HTTP/1.1\n\rHost: a\n\r\n\r")},
    {"RFC 9112 2.2 bare CR in the request line", 400, SPAN_LIT("GET /\rHTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.2 bare CR after the version", 400, SPAN_LIT("GET / HTTP/1.1\rHost: a\r\n\r\n")},
    {"RFC 9112 2.2 bare CR in a name", 400, SPAN_LIT(POST "Content\rLength: 5\r\n\r\n")},
    {"RFC 9112 2.2 bare CR before the colon", 400, SPAN_LIT(POST "Content-Length\r: 5\r\n\r\n")},
    {"RFC 9112 2.2 bare CR in a value", 400, SPAN_LIT(GET "A: b\rc\r\n\r\n")},
    {"RFC 9112 2.2 bare CR that would hide a coding", 400,
     SPAN_LIT(POST "A: b\rTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 2.2 CR CR LF", 400, SPAN_LIT(GET "A: b\r\r\n\r\n")},
    {"RFC 9112 2.2 CR CR LF at the end", 400, SPAN_LIT(GET "\r\r\n")},
    {"RFC 9112 2.2 a CR at the end that ends nothing", 400, SPAN_LIT(GET "\rA: b\r\n\r\n")},
    {"RFC 9112 2.2 white space before the first field", 400, SPAN_LIT(LINE " " H "\r\n")},
    {"RFC 9112 2.2 a tab before the first field", 400,
     SPAN_LIT("POST / HTTP/1.1\r\n\tContent-Length: 5\r\n" H "\r\n")},
    {"RFC 9112 2.2 octets that are no HTTP: TLS", 400, SPAN_LIT("\x16\x03\x01\x02")},
    {"RFC 9112 2.2 octets that are no HTTP: a SOCKS greeting", 400, SPAN_LIT("\x05\x01\0")},
};

/* --- the request line --- */

static const struct rule request_lines[] = {
    {"RFC 9112 3 no method", 400, SPAN_LIT("/ HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 a method alone", 400, SPAN_LIT("GET\r\n" H "\r\n")},
    {"RFC 9112 3 no target", 400, SPAN_LIT("GET HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 an empty target", 400, SPAN_LIT("GET  HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 two spaces before the target", 400, SPAN_LIT("GET  / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 two spaces before the version", 400, SPAN_LIT("GET /  HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 a space at the end", 400, SPAN_LIT("GET / HTTP/1.1 \r\n" H "\r\n")},
    {"RFC 9112 3 a tab at the end", 400, SPAN_LIT("GET / HTTP/1.1\t\r\n" H "\r\n")},
    {"RFC 9112 3 a space in the target", 400, SPAN_LIT("GET /a b HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 a second version", 400, SPAN_LIT("GET / HTTP/1.1 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 tabs for spaces", 400, SPAN_LIT("GET\t/\tHTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 vertical tabs for spaces", 400, SPAN_LIT("GET\v/\vHTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 form feeds for spaces", 400, SPAN_LIT("GET\f/\fHTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3 NUL in the target", 400, SPAN_LIT("GET /\0 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9110 9.1 every method that is known", 0, SPAN_LIT("PATCH /" TARGET)},
    {"RFC 9110 9.1 a method that is no token", 400, SPAN_LIT("G@T /" TARGET)},
    {"RFC 9110 9.1 a method in quotes", 400, SPAN_LIT("\"GET\" /" TARGET)},
    {"RFC 9110 9.1 a method with a NUL", 400, SPAN_LIT("GET\0 /" TARGET)},
    {"RFC 9110 9.1 a method that is not ASCII", 400, SPAN_LIT("G\xc9T /" TARGET)},
    {"RFC 9110 9.1 an unknown method", 501, SPAN_LIT("BREW /" TARGET)},
    {"RFC 9110 9.1 an unknown method of all sorts of tchar", 501,
     SPAN_LIT("a1!#$%&'*+-.^_`|~ /" TARGET)},
    {"RFC 9110 9.1 a method in lower case", 501, SPAN_LIT("get /" TARGET)},
    {"RFC 9110 9.1 a method in mixed case", 501, SPAN_LIT("Get /" TARGET)},
    {"RFC 9110 9.1 a method that begins like another", 501, SPAN_LIT("GETS /" TARGET)},
    {"RFC 9110 9.1 half a method", 501, SPAN_LIT("GE /" TARGET)},
    {"RFC 9110 9.1 an unknown method for *", 501, SPAN_LIT("BREW *" TARGET)},
    {"RFC 9110 9.1 an unknown method, a wrong target", 400, SPAN_LIT("BREW /#" TARGET)},
    {"RFC 9110 9.1 an unknown method, another version", 505,
     SPAN_LIT("BREW / HTTP/2.0\r\n" H "\r\n")},
};

static const struct rule versions[] = {
    {"RFC 9112 2.3 HTTP/1.1", 0, SPAN_LIT("GET / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 HTTP/1.0", 0, SPAN_LIT("GET / HTTP/1.0\r\n\r\n")},
    {"RFC 9110 2.5 HTTP/1.2 is taken as 1.1", 0, SPAN_LIT("GET / HTTP/1.2\r\n" H "\r\n")},
    {"RFC 9110 2.5 HTTP/1.9 is taken as 1.1", 0, SPAN_LIT("GET / HTTP/1.9\r\n" H "\r\n")},
    {"RFC 9110 2.5 HTTP/1.9 has to have a Host", 400, SPAN_LIT("GET / HTTP/1.9\r\n\r\n")},
    {"RFC 9110 15.6.6 HTTP/0.9 by name", 505, SPAN_LIT("GET / HTTP/0.9\r\n" H "\r\n")},
    {"RFC 9110 15.6.6 HTTP/2.0", 505, SPAN_LIT("GET / HTTP/2.0\r\n" H "\r\n")},
    {"RFC 9110 15.6.6 HTTP/3.1", 505, SPAN_LIT("GET / HTTP/3.1\r\n" H "\r\n")},
    {"RFC 9110 15.6.6 HTTP/9.9", 505, SPAN_LIT("GET / HTTP/9.9\r\n" H "\r\n")},
    {"RFC 9113 3.4 the preface of HTTP/2", 505, SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {"RFC 9112 2.3 no version, as in HTTP/0.9", 400, SPAN_LIT("GET /\r\n\r\n")},
    {"RFC 9112 2.3 lower case", 400, SPAN_LIT("GET / http/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 mixed case", 400, SPAN_LIT("GET / HTTp/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 another name", 400, SPAN_LIT("GET / HTTPS/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 no digits", 400, SPAN_LIT("GET / HTTP/\r\n" H "\r\n")},
    {"RFC 9112 2.3 no minor digit", 400, SPAN_LIT("GET / HTTP/1.\r\n" H "\r\n")},
    {"RFC 9112 2.3 no dot", 400, SPAN_LIT("GET / HTTP/1\r\n" H "\r\n")},
    {"RFC 9112 2.3 HTTP/2", 400, SPAN_LIT("GET / HTTP/2\r\n" H "\r\n")},
    {"RFC 9112 2.3 a minor of two digits", 400, SPAN_LIT("GET / HTTP/1.10\r\n" H "\r\n")},
    {"RFC 9112 2.3 a minor with a leading zero", 400, SPAN_LIT("GET / HTTP/1.01\r\n" H "\r\n")},
    {"RFC 9112 2.3 a major of two digits", 400, SPAN_LIT("GET / HTTP/11.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a major with a leading zero", 400, SPAN_LIT("GET / HTTP/01.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a version that overflows", 400,
     SPAN_LIT("GET / HTTP/4294967297.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a sign", 400, SPAN_LIT("GET / HTTP/+1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a comma", 400, SPAN_LIT("GET / HTTP/1,1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a space in it", 400, SPAN_LIT("GET / HTTP/ 1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3 a byte behind it", 400, SPAN_LIT("GET / HTTP/1.1x\r\n" H "\r\n")},
    {"RFC 9112 2.3 a NUL behind it", 400, SPAN_LIT("GET / HTTP/1.1\0\r\n" H "\r\n")},
};

/* --- the target --- */

static const struct rule targets[] = {
    {"RFC 9112 3.2.1 origin form", 0, SPAN_LIT("GET /a/b?c" TARGET)},
    {"RFC 9112 3.2.1 a path of two slashes is no authority", 0, SPAN_LIT("GET //b/c" TARGET)},
    {"RFC 9112 3.2.1 a relative path", 400, SPAN_LIT("GET a/b" TARGET)},
    {"RFC 9112 3.2.1 a query alone", 400, SPAN_LIT("GET ?a" TARGET)},
    {"RFC 3986 3.3 all that a path may have", 0, SPAN_LIT("GET /-._~!$&'()*+,;=:@aZ09%fF" TARGET)},
    {"RFC 3986 3.4 all that a query may have", 0,
     SPAN_LIT("GET /?-._~!$&'()*+,;=:@/?aZ09%00" TARGET)},
    {"RFC 3986 2 a double quote", 400, SPAN_LIT("GET /\"" TARGET)},
    {"RFC 3986 2 a <", 400, SPAN_LIT("GET /<" TARGET)},
    {"RFC 3986 2 a >", 400, SPAN_LIT("GET /?>" TARGET)},
    {"RFC 3986 2 a backslash", 400, SPAN_LIT("GET /a\\b" TARGET)},
    {"RFC 3986 2 a caret", 400, SPAN_LIT("GET /^" TARGET)},
    {"RFC 3986 2 a backtick", 400, SPAN_LIT("GET /`" TARGET)},
    {"RFC 3986 2 a brace", 400, SPAN_LIT("GET /{" TARGET)},
    {"RFC 3986 2 a bar", 400, SPAN_LIT("GET /?|" TARGET)},
    {"RFC 3986 2 a bracket in the path", 400, SPAN_LIT("GET /[" TARGET)},
    {"RFC 3986 2 a bracket in the query", 400, SPAN_LIT("GET /?a]" TARGET)},
    {"RFC 3986 2 a byte that is not ASCII", 400, SPAN_LIT("GET /\xe5\xa4\xaa" TARGET)},
    {"RFC 3986 2 DEL", 400, SPAN_LIT("GET /\x7f" TARGET)},
    {"RFC 3986 3.5 a fragment", 400, SPAN_LIT("GET /a#b" TARGET)},
    {"RFC 3986 3.5 a fragment behind a query", 400, SPAN_LIT("GET /a?b#c" TARGET)},
    {"RFC 3986 3.5 a fragment alone", 400, SPAN_LIT("GET #a" TARGET)},
    {"RFC 3986 2.1 an escape", 0, SPAN_LIT("GET /%e5%A4?%aa" TARGET)},
    {"RFC 3986 2.1 half an escape", 400, SPAN_LIT("GET /%4" TARGET)},
    {"RFC 3986 2.1 half an escape before a query", 400, SPAN_LIT("GET /%4?a" TARGET)},
    {"RFC 3986 2.1 an escape that is not hexadecimal", 400, SPAN_LIT("GET /%g0" TARGET)},
    {"RFC 3986 2.1 an escape of another kind", 400, SPAN_LIT("GET /%u0041" TARGET)},
    {"RFC 3986 2.1 two percent signs", 400, SPAN_LIT("GET /%%41" TARGET)},
    {"RFC 3986 2.1 a percent sign at the end of the query", 400, SPAN_LIT("GET /?%" TARGET)},
    {"RFC 9112 3.2.2 absolute form", 0, SPAN_LIT("GET http://b:80/c?d" TARGET)},
    {"RFC 9112 3.2.2 absolute form in 1.0", 0, SPAN_LIT("GET http://b/ HTTP/1.0\r\n\r\n")},
    {"RFC 9112 3.2.2 absolute form of any method", 0, SPAN_LIT("DELETE http://b/" TARGET)},
    {"RFC 9110 4.2.3 the scheme ignores case", 0, SPAN_LIT("GET hTTp://b/" TARGET)},
    {"RFC 3986 3.2.3 an empty port", 0, SPAN_LIT("GET http://b:/" TARGET)},
    {"RFC 3986 3.2.3 port 65536", 400, SPAN_LIT("GET http://b:65536/" TARGET)},
    {"RFC 3986 3.2.2 a zone", 400, SPAN_LIT("GET http://[fe80::1%25lo]/" TARGET)},
    {"RFC 9110 4.2.4 user information", 400, SPAN_LIT("GET http://u@a/" TARGET)},
    {"RFC 9110 4.2.4 user information with a password", 400, SPAN_LIT("GET http://u:p@a/" TARGET)},
    {"RFC 9110 4.2.4 empty user information", 400, SPAN_LIT("GET http://@a/" TARGET)},
    {"RFC 9110 4.2.1 an empty authority", 400, SPAN_LIT("GET http:///a" TARGET)},
    {"RFC 9110 4.2.1 an authority of a port only", 400, SPAN_LIT("GET http://:80/a" TARGET)},
    {"RFC 9110 4.2.1 one slash", 400, SPAN_LIT("GET http:/a" TARGET)},
    {"RFC 9110 4.2.1 a backslash for a slash", 400, SPAN_LIT("GET http:\\\\a\\" TARGET)},
    {"RFC 9110 4.2.1 a backslash in the authority", 400, SPAN_LIT("GET http://a\\@b/" TARGET)},
    {"RFC 3986 3.5 a fragment in absolute form", 400, SPAN_LIT("GET http://a#b" TARGET)},
    {"RFC 3986 3.5 a fragment behind an absolute path", 400, SPAN_LIT("GET http://a/b#c" TARGET)},
    {"RFC 9110 7.4 https", 421, SPAN_LIT("GET https://a/" TARGET)},
    {"RFC 9110 7.4 ftp", 421, SPAN_LIT("GET ftp://a/" TARGET)},
    {"RFC 9110 7.4 a scheme with all that one may have", 421, SPAN_LIT("GET a1+b-c.d://a/" TARGET)},
    {"RFC 3986 3.1 a scheme that begins with a digit", 400, SPAN_LIT("GET 1a://a/" TARGET)},
    {"RFC 3986 3.1 no scheme", 400, SPAN_LIT("GET ://a/" TARGET)},
    {"RFC 9112 3.2.3 authority form for CONNECT", 0, SPAN_LIT("CONNECT [::1]:443" TARGET)},
    {"RFC 9112 3.2.3 authority form for GET", 400, SPAN_LIT("GET a:80" TARGET)},
    {"RFC 9112 3.2.3 authority form for an unknown method", 400, SPAN_LIT("BREW a:80" TARGET)},
    {"RFC 9112 3.2.3 CONNECT to a path", 400, SPAN_LIT("CONNECT /" TARGET)},
    {"RFC 9112 3.2.3 CONNECT to a URI", 400, SPAN_LIT("CONNECT http://a:80" TARGET)},
    {"RFC 9112 3.2.3 CONNECT to *", 400, SPAN_LIT("CONNECT *" TARGET)},
    {"RFC 9112 3.2.3 CONNECT with user information", 400, SPAN_LIT("CONNECT u@a:80" TARGET)},
    {"RFC 9112 3.2.3 CONNECT with a path", 400, SPAN_LIT("CONNECT a:80/" TARGET)},
    {"RFC 9110 9.3.6 CONNECT without a port", 400, SPAN_LIT("CONNECT a" TARGET)},
    {"RFC 9110 9.3.6 CONNECT with an empty port", 400, SPAN_LIT("CONNECT a:" TARGET)},
    {"RFC 9110 9.3.6 CONNECT with port 65536", 400, SPAN_LIT("CONNECT a:65536" TARGET)},
    {"RFC 9112 3.2.4 asterisk form", 0, SPAN_LIT("OPTIONS *" TARGET)},
    {"RFC 9112 3.2.4 asterisk form for GET", 400, SPAN_LIT("GET *" TARGET)},
    {"RFC 9112 3.2.4 more than an asterisk", 400, SPAN_LIT("OPTIONS *a" TARGET)},
    {"RFC 9112 3.2.4 a query of an asterisk", 400, SPAN_LIT("OPTIONS *?a" TARGET)},
};

/* --- Host --- */

static const struct rule hosts[] = {
    {"RFC 9112 3.2 none", 400, SPAN_LIT(LINE "A: b\r\n\r\n")},
    {"RFC 9112 3.2 none in 1.2", 400, SPAN_LIT("GET / HTTP/1.2\r\n\r\n")},
    {"RFC 9112 3.2 none in 1.0", 0, SPAN_LIT("GET / HTTP/1.0\r\n\r\n")},
    {"RFC 9112 3.2 two", 400, SPAN_LIT(GET "Host: b\r\n\r\n")},
    {"RFC 9112 3.2 the same twice", 400, SPAN_LIT(GET H "\r\n")},
    {"RFC 9112 3.2 two, with others between", 400, SPAN_LIT(GET "A: b\r\nhost: a\r\n\r\n")},
    {"RFC 9112 3.2 two in 1.0", 400, SPAN_LIT("GET / HTTP/1.0\r\n" H H "\r\n")},
    {"RFC 9112 3.2 empty", 400, SPAN_LIT(HOST "\r\n\r\n")},
    {"RFC 9112 3.2 empty in 1.0", 400, SPAN_LIT("GET / HTTP/1.0\r\nHost: \r\n\r\n")},
    {"RFC 9112 3.2 an empty one and one", 400, SPAN_LIT(LINE "Host:\r\n" H "\r\n")},
    {"RFC 9112 3.2 a name with a space before its colon", 400, SPAN_LIT(LINE "Host : a\r\n\r\n")},
    {"RFC 9112 3.2 in a folded line", 400, SPAN_LIT(LINE "Host:\r\n a\r\n\r\n")},
    {"RFC 9112 3.2.2 absolute form replaces a valid one", 0, SPAN_LIT("GET http://b/" TARGET)},
    {"RFC 9112 3.2.2 absolute form without one", 400, SPAN_LIT("GET http://a/ HTTP/1.1\r\n\r\n")},
    {"RFC 9112 3.2 absolute form and an invalid one", 400,
     SPAN_LIT("GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n")},
    {"RFC 9112 3.2 absolute form and an empty one", 400,
     SPAN_LIT("GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n")},
    {"RFC 9112 3.2 absolute form and two", 400, SPAN_LIT("GET http://a/ HTTP/1.1\r\n" H H "\r\n")},
    {"RFC 9112 3.2 CONNECT and an invalid one", 400,
     SPAN_LIT("CONNECT a:1 HTTP/1.1\r\nHost: a b\r\n\r\n")},
    {"RFC 3986 3.2.2 all that a name may have", 0, SPAN_LIT(HOST "-._~!$&'()*+,;=aZ09%4a\r\n\r\n")},
    {"RFC 3986 3.2.2 an underscore", 0, SPAN_LIT(HOST "a_b:80\r\n\r\n")},
    {"RFC 3986 3.2.2 a dot at the end", 0, SPAN_LIT(HOST "a.\r\n\r\n")},
    {"RFC 3986 3.2.2 a list", 400, SPAN_LIT(HOST "a, b\r\n\r\n")},
    {"RFC 3986 3.2.2 two names", 400, SPAN_LIT(HOST "a b\r\n\r\n")},
    {"RFC 3986 3.2.2 a tab in it", 400, SPAN_LIT(HOST "a\tb\r\n\r\n")},
    {"RFC 3986 3.2.2 NUL behind it", 400, SPAN_LIT(HOST "a\0b\r\n\r\n")},
    {"RFC 3986 3.2.2 a path in it", 400, SPAN_LIT(HOST "a/b\r\n\r\n")},
    {"RFC 3986 3.2.2 a query in it", 400, SPAN_LIT(HOST "a?b\r\n\r\n")},
    {"RFC 3986 3.2.2 a fragment in it", 400, SPAN_LIT(HOST "a#b\r\n\r\n")},
    {"RFC 3986 3.2.2 a scheme in it", 400, SPAN_LIT(HOST "http://a\r\n\r\n")},
    {"RFC 3986 3.2.2 user information in it", 400, SPAN_LIT(HOST "u@a\r\n\r\n")},
    {"RFC 3986 3.2.2 a backslash in it", 400, SPAN_LIT(HOST "a\\b\r\n\r\n")},
    {"RFC 3986 3.2.2 quotes", 400, SPAN_LIT(HOST "\"a\"\r\n\r\n")},
    {"RFC 3986 3.2.2 a byte that is not ASCII", 400, SPAN_LIT(HOST "\xe4\r\n\r\n")},
    {"RFC 3986 2.1 a bad escape in it", 400, SPAN_LIT(HOST "a%4\r\n\r\n")},
    {"RFC 3986 3.2.3 an empty port", 0, SPAN_LIT(HOST "a:\r\n\r\n")},
    {"RFC 3986 3.2.3 port 65535", 0, SPAN_LIT(HOST "a:65535\r\n\r\n")},
    {"RFC 3986 3.2.3 port 65536", 400, SPAN_LIT(HOST "a:65536\r\n\r\n")},
    {"RFC 3986 3.2.3 a port that overflows", 400, SPAN_LIT(HOST "a:18446744073709551617\r\n\r\n")},
    {"RFC 3986 3.2.3 a port that is no number", 400, SPAN_LIT(HOST "a:b\r\n\r\n")},
    {"RFC 3986 3.2.3 a port with a sign", 400, SPAN_LIT(HOST "a:+80\r\n\r\n")},
    {"RFC 3986 3.2.3 a space before the port", 400, SPAN_LIT(HOST "a: 80\r\n\r\n")},
    {"RFC 3986 3.2.3 two ports", 400, SPAN_LIT(HOST "a:1:2\r\n\r\n")},
    {"RFC 3986 3.2.3 a port only", 400, SPAN_LIT(HOST ":80\r\n\r\n")},
    {"RFC 3986 3.2.2 an IPv6 address", 0, SPAN_LIT(HOST "[fe80::1]:80\r\n\r\n")},
    {"RFC 3986 3.2.2 an IPv6 address that ends like IPv4", 0,
     SPAN_LIT(HOST "[::ffff:127.0.0.1]\r\n\r\n")},
    {"RFC 3986 3.2.2 an address of the future", 0, SPAN_LIT(HOST "[v1f.a:b!]\r\n\r\n")},
    {"RFC 3986 3.2.2 one without its dot", 400, SPAN_LIT(HOST "[v1f]\r\n\r\n")},
    {"RFC 3986 3.2.2 a bare IPv6 address", 400, SPAN_LIT(HOST "::1\r\n\r\n")},
    {"RFC 3986 3.2.2 a bad IPv6 address", 400, SPAN_LIT(HOST "[:::1]\r\n\r\n")},
    {"RFC 3986 3.2.2 an IPv6 address of nine groups", 400,
     SPAN_LIT(HOST "[1:2:3:4:5:6:7:8:9]\r\n\r\n")},
    {"RFC 3986 3.2.2 an IPv4 address in brackets", 400, SPAN_LIT(HOST "[127.0.0.1]\r\n\r\n")},
    {"RFC 3986 3.2.2 a zone", 400, SPAN_LIT(HOST "[fe80::1%lo]\r\n\r\n")},
    {"RFC 6874 2 a zone, escaped: not for Host", 400, SPAN_LIT(HOST "[fe80::1%25lo]\r\n\r\n")},
    {"RFC 3986 3.2.2 empty brackets", 400, SPAN_LIT(HOST "[]\r\n\r\n")},
    {"RFC 3986 3.2.2 an open bracket", 400, SPAN_LIT(HOST "[::1\r\n\r\n")},
    {"RFC 3986 3.2.2 a closing bracket", 400, SPAN_LIT(HOST "::1]\r\n\r\n")},
    {"RFC 3986 3.2.2 a byte behind the bracket", 400, SPAN_LIT(HOST "[::1]a\r\n\r\n")},
    {"RFC 3986 3.2.2 a byte before the bracket", 400, SPAN_LIT(HOST "a[::1]\r\n\r\n")},
};

/* --- field lines --- */

static const struct rule fields[] = {
    {"RFC 9112 5 white space around a value", 0, SPAN_LIT(GET "A: \t b \t \r\n\r\n")},
    {"RFC 9112 5 none around it", 0, SPAN_LIT(GET "A:b\r\n\r\n")},
    {"RFC 9110 5.5 an empty value", 0, SPAN_LIT(GET "A:\r\n\r\n")},
    {"RFC 9110 5.5 a colon in a value", 0, SPAN_LIT(GET "A::\r\n\r\n")},
    {"RFC 9110 5.5 obs-text in a value", 0, SPAN_LIT(GET "A: \x80\xff\r\n\r\n")},
    {"RFC 9110 5.5 a tab in a value", 0, SPAN_LIT(GET "A: 0123456789abcde\tf\r\n\r\n")},
    {"RFC 9110 5.6.2 all that a name may have", 0, SPAN_LIT(GET "aZ09!#$%&'*+-.^_`|~: b\r\n\r\n")},
    {"RFC 9112 5.1 a space before the colon", 400, SPAN_LIT(GET "A : b\r\n\r\n")},
    {"RFC 9112 5.1 a tab before the colon", 400, SPAN_LIT(POST "Content-Length\t: 5\r\n\r\n")},
    {"RFC 9112 5.1 a vertical tab before the colon", 400,
     SPAN_LIT(POST "Transfer-Encoding\v: chunked\r\n\r\n")},
    {"RFC 9112 5.1 a space in a name", 400, SPAN_LIT(POST "Content Length: 5\r\n\r\n")},
    {"RFC 9112 5.2 folding", 400, SPAN_LIT(GET "A: b\r\n c\r\n\r\n")},
    {"RFC 9112 5.2 folding with a tab", 400, SPAN_LIT(GET "A: b\r\n\tc\r\n\r\n")},
    {"RFC 9112 5.2 folding of a coding", 400,
     SPAN_LIT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n")},
    {"RFC 9112 5.2 a folded line of white space", 400, SPAN_LIT(GET " \r\n\r\n")},
    {"RFC 9112 5.2 a folded line that looks like a field", 400,
     SPAN_LIT(POST "A: b\r\n Content-Length: 5\r\n\r\n")},
    {"RFC 9110 5.1 an empty name", 400, SPAN_LIT(GET ": b\r\n\r\n")},
    {"RFC 9110 5.1 no colon", 400, SPAN_LIT(GET "Ab\r\n\r\n")},
    {"RFC 9110 5.6.2 a name that is no token", 400, SPAN_LIT(GET "A(b): c\r\n\r\n")},
    {"RFC 9110 5.6.2 a name in quotes", 400, SPAN_LIT(POST "\"Content-Length\": 5\r\n\r\n")},
    {"RFC 9110 5.6.2 a name with a comma", 400, SPAN_LIT(GET "A,B: c\r\n\r\n")},
    {"RFC 9110 5.6.2 a name that is not ASCII", 400, SPAN_LIT(GET "\xc3\xa4: c\r\n\r\n")},
    {"RFC 9110 5.6.2 NUL in a name", 400, SPAN_LIT(GET "A\0: b\r\n\r\n")},
    {"RFC 9110 5.6.2 NUL before a framing name", 400, SPAN_LIT(POST "\0Content-Length: 5\r\n\r\n")},
    {"RFC 9110 5.6.2 NUL behind a framing name", 400, SPAN_LIT(POST "Content-Length\0: 5\r\n\r\n")},
    {"RFC 9110 5.6.2 a soft hyphen before a framing name", 400,
     SPAN_LIT(POST "\xadTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9110 5.5 NUL in a value", 400, SPAN_LIT(GET "A: b\0c\r\n\r\n")},
    {"RFC 9110 5.5 NUL as a value", 400, SPAN_LIT(GET "A:\0\r\n\r\n")},
    {"RFC 9110 5.5 a control character in a value", 400, SPAN_LIT(GET "A: 0123456\x1b[0m\r\n\r\n")},
    {"RFC 9110 5.5 a control character in the second block", 400,
     SPAN_LIT(GET "A: 0123456789abcdefghijkl\x01nopqrstuvwxyz\r\n\r\n")},
    {"RFC 9110 5.5 one behind a tab", 400,
     SPAN_LIT(GET "A: 01234567\t9abc\x1f"
		  "efghijklmnopqrstuvwxyz\r\n\r\n")},
    {"RFC 9110 5.5 DEL in a value", 400, SPAN_LIT(GET "A: 0123456789\x7f\r\n\r\n")},
    {"RFC 9110 5.5 a vertical tab for white space", 400, SPAN_LIT(GET "A:\vb\r\n\r\n")},
    {"RFC 9110 5.5 a form feed for white space", 400, SPAN_LIT(GET "A: b\f\r\n\r\n")},
};

/* --- Content-Length --- */

static const struct rule lengths[] = {
    {"RFC 9110 8.6 a length", 0, SPAN_LIT(CL "5\r\n\r\n")},
    {"RFC 9110 8.6 leading zeros, which are decimal", 0, SPAN_LIT(CL "0010\r\n\r\n")},
    {"RFC 9110 8.6 the largest of 64 bits", 0, SPAN_LIT(CL "18446744073709551615\r\n\r\n")},
    {"RFC 9112 5 white space around it", 0, SPAN_LIT(POST "Content-Length:\t5 \r\n\r\n")},
    {"RFC 9112 6.3 two of them", 400, SPAN_LIT(CL "1\r\nContent-Length: 2\r\n\r\n")},
    {"RFC 9112 6.3 one twice", 400, SPAN_LIT(CL "1\r\nContent-Length: 1\r\n\r\n")},
    {"RFC 9112 6.3 two, with others between", 400,
     SPAN_LIT(CL "0\r\nA: b\r\ncontent-LENGTH: 5\r\n\r\n")},
    {"RFC 9112 6.3 one and an empty one", 400, SPAN_LIT(CL "1\r\nContent-Length:\r\n\r\n")},
    {"RFC 9112 6.3 a list", 400, SPAN_LIT(CL "1, 2\r\n\r\n")},
    {"RFC 9112 6.3 a list of the same", 400, SPAN_LIT(CL "1, 1\r\n\r\n")},
    {"RFC 9112 6.3 a list with an empty element", 400, SPAN_LIT(CL "1,\r\n\r\n")},
    {"RFC 9110 8.6 empty", 400, SPAN_LIT(CL "\r\n\r\n")},
    {"RFC 9110 8.6 a plus", 400, SPAN_LIT(CL "+1\r\n\r\n")},
    {"RFC 9110 8.6 a minus", 400, SPAN_LIT(CL "-1\r\n\r\n")},
    {"RFC 9110 8.6 minus zero", 400, SPAN_LIT(CL "-0\r\n\r\n")},
    {"RFC 9110 8.6 hexadecimal", 400, SPAN_LIT(CL "0x1\r\n\r\n")},
    {"RFC 9110 8.6 hexadecimal digits", 400, SPAN_LIT(CL "a\r\n\r\n")},
    {"RFC 9110 8.6 a fraction", 400, SPAN_LIT(CL "1.0\r\n\r\n")},
    {"RFC 9110 8.6 an exponent", 400, SPAN_LIT(CL "1e1\r\n\r\n")},
    {"RFC 9110 8.6 an underscore", 400, SPAN_LIT(CL "1_0\r\n\r\n")},
    {"RFC 9110 8.6 quotes", 400, SPAN_LIT(CL "\"1\"\r\n\r\n")},
    {"RFC 9110 8.6 a space in it", 400, SPAN_LIT(CL "1 2\r\n\r\n")},
    {"RFC 9110 8.6 a parameter", 400, SPAN_LIT(CL "1;a=b\r\n\r\n")},
    {"RFC 9110 8.6 NUL behind it", 400, SPAN_LIT(CL "1\0\r\n\r\n")},
    {"RFC 9110 8.6 a vertical tab before it", 400, SPAN_LIT(CL "\v1\r\n\r\n")},
    {"RFC 9110 8.6 obs-text behind it", 400, SPAN_LIT(CL "1\xa0\r\n\r\n")},
    {"RFC 9110 8.6 digits of another script", 400, SPAN_LIT(CL "\xd9\xa1\r\n\r\n")},
    {"RFC 9112 6.3 over 64 bits by one", 400, SPAN_LIT(CL "18446744073709551616\r\n\r\n")},
    {"RFC 9112 6.3 over 64 bits by a digit", 400, SPAN_LIT(CL "184467440737095516150\r\n\r\n")},
    {"RFC 9112 6.3 over 64 bits, back to 5", 400, SPAN_LIT(CL "18446744073709551621\r\n\r\n")},
    {"RFC 9112 6.3 a wrong one of GET, too", 400, SPAN_LIT(GET "Content-Length: a\r\n\r\n")},
    {"RFC 9112 6.3 a wrong one in 1.0, too", 400,
     SPAN_LIT("GET / HTTP/1.0\r\nContent-Length: a\r\n\r\n")},
};

/* --- Transfer-Encoding --- */

static const struct rule codings[] = {
    {"RFC 9112 7.1 chunked", 0, SPAN_LIT(TE "chunked\r\n\r\n")},
    {"RFC 9112 7 in any case", 0, SPAN_LIT(POST "tRANSFER-eNCODING: ChunKED\r\n\r\n")},
    {"RFC 9112 5 white space around it", 0, SPAN_LIT(POST "Transfer-Encoding:\tchunked \r\n\r\n")},
    {"RFC 9112 6.3 of GET, too", 0, SPAN_LIT(GET "Transfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 with Content-Length", 400, SPAN_LIT(TE "chunked\r\nContent-Length: 1\r\n\r\n")},
    {"RFC 9112 6.1 with Content-Length before it", 400,
     SPAN_LIT(CL "1\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 with Content-Length: 0", 400,
     SPAN_LIT(TE "chunked\r\nContent-Length: 0\r\n\r\n")},
    {"RFC 9112 6.1 an unknown one with Content-Length", 400,
     SPAN_LIT(TE "x\r\nContent-Length: 1\r\n\r\n")},
    {"RFC 9112 6.1 an empty one with Content-Length", 400,
     SPAN_LIT(TE "\r\nContent-Length: 1\r\n\r\n")},
    {"RFC 9112 6.1 in 1.0", 400,
     SPAN_LIT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 in 1.0 to keep open", 400,
     SPAN_LIT("POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 an unknown one before chunked", 501, SPAN_LIT(TE "gzip, chunked\r\n\r\n")},
    {"RFC 9112 6.1 identity before chunked", 501, SPAN_LIT(TE "identity, chunked\r\n\r\n")},
    {"RFC 9112 6.1 one in a field before chunked's", 501,
     SPAN_LIT(TE "gzip\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 two before chunked", 501, SPAN_LIT(TE "gzip, br, chunked\r\n\r\n")},
    {"RFC 9112 6.3 an unknown one alone: no end is known", 400, SPAN_LIT(TE "gzip\r\n\r\n")},
    {"RFC 9112 6.3 identity alone", 400, SPAN_LIT(TE "identity\r\n\r\n")},
    {"RFC 9112 6.3 one that ends like chunked", 400, SPAN_LIT(TE "xchunked\r\n\r\n")},
    {"RFC 9112 6.3 one that begins like chunked", 400, SPAN_LIT(TE "chunkedx\r\n\r\n")},
    {"RFC 9112 6.3 half of chunked", 400, SPAN_LIT(TE "chunke\r\n\r\n")},
    {"RFC 9112 6.3 chunked not last", 400, SPAN_LIT(TE "chunked, gzip\r\n\r\n")},
    {"RFC 9112 6.3 chunked not last, over two fields", 400,
     SPAN_LIT(TE "chunked\r\nTransfer-Encoding: identity\r\n\r\n")},
    {"RFC 9112 6.1 chunked twice", 400, SPAN_LIT(TE "chunked, chunked\r\n\r\n")},
    {"RFC 9112 6.1 chunked in two fields", 400,
     SPAN_LIT(TE "chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1 chunked in two fields, others between", 400,
     SPAN_LIT(TE "chunked\r\nA: b\r\ntransfer-encoding: x\r\n\r\n")},
    {"RFC 9112 7 empty", 400, SPAN_LIT(TE "\r\n\r\n")},
    {"RFC 9112 7 a comma", 400, SPAN_LIT(TE ",\r\n\r\n")},
    {"RFC 9112 7 an empty element before it", 400, SPAN_LIT(TE ",chunked\r\n\r\n")},
    {"RFC 9112 7 an empty element after it", 400, SPAN_LIT(TE "chunked,\r\n\r\n")},
    {"RFC 9112 7 an empty field before it", 400,
     SPAN_LIT(TE "\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 7 an empty field after it", 400,
     SPAN_LIT(TE "chunked\r\nTransfer-Encoding:\r\n\r\n")},
    {"RFC 9112 7.1 a parameter", 400, SPAN_LIT(TE "chunked;a=b\r\n\r\n")},
    {"RFC 9112 7.1 a q-value", 400, SPAN_LIT(TE "chunked;q=1\r\n\r\n")},
    {"RFC 9112 7.1 a parameter behind white space", 400, SPAN_LIT(TE "chunked ;a=b\r\n\r\n")},
    {"RFC 9112 7 a semicolon", 400, SPAN_LIT(TE "chunked;\r\n\r\n")},
    {"RFC 9112 7 a parameter of another one", 400, SPAN_LIT(TE "gzip;a=b, chunked\r\n\r\n")},
    {"RFC 9112 7 quotes", 400, SPAN_LIT(TE "\"chunked\"\r\n\r\n")},
    {"RFC 9112 7 single quotes, which are a token", 400, SPAN_LIT(TE "'chunked'\r\n\r\n")},
    {"RFC 9112 7 two words", 400, SPAN_LIT(TE "chunked gzip\r\n\r\n")},
    {"RFC 9112 7 two words, chunked last", 400, SPAN_LIT(TE "x chunked\r\n\r\n")},
    {"RFC 9112 7 a colon", 400, SPAN_LIT(TE ": chunked\r\n\r\n")},
    {"RFC 9112 7 a line written out", 400, SPAN_LIT(TE "chunked\\r\\n\r\n\r\n")},
    {"RFC 9110 5.5 a vertical tab before it", 400, SPAN_LIT(TE "\vchunked\r\n\r\n")},
    {"RFC 9110 5.5 a vertical tab after it", 400, SPAN_LIT(TE "chunked\v\r\n\r\n")},
    {"RFC 9110 5.5 a form feed before it", 400, SPAN_LIT(TE "\fchunked\r\n\r\n")},
    {"RFC 9110 5.5 a backspace after it", 400, SPAN_LIT(TE "chunked\b\r\n\r\n")},
    {"RFC 9110 5.5 NUL after it", 400, SPAN_LIT(TE "chunked\0\r\n\r\n")},
    {"RFC 9112 7 a no-break space after it", 400, SPAN_LIT(TE "chunked\xa0\r\n\r\n")},
    {"RFC 9112 7 a byte order mark before it", 400,
     SPAN_LIT(TE "\xef\xbb\xbf"
		 "chunked\r\n\r\n")},
    {"RFC 9112 5.1 a space before its colon", 400,
     SPAN_LIT(POST "Transfer-Encoding : chunked\r\n\r\n")},
    {"RFC 9112 5.1 the same beside Content-Length", 400,
     SPAN_LIT(CL "5\r\nTransfer-Encoding : chunked\r\n\r\n")},
};

/* --- Expect --- */

static const struct rule expectations[] = {
    {"RFC 9110 10.1.1 100-continue", 0, SPAN_LIT(CL "1\r\nExpect: 100-Continue\r\n\r\n")},
    {"RFC 9110 10.1.1 twice", 0, SPAN_LIT(CL "1\r\nExpect: 100-continue, 100-continue\r\n\r\n")},
    {"RFC 9110 5.6.1.2 empty elements", 0, SPAN_LIT(CL "1\r\nExpect: ,100-continue,\r\n\r\n")},
    {"RFC 9110 10.1.1 another one", 417, SPAN_LIT(POST "Expect: 200-ok\r\n\r\n")},
    {"RFC 9110 10.1.1 another one of GET", 417, SPAN_LIT(GET "Expect: x\r\n\r\n")},
    {"RFC 9110 10.1.1 another one behind it", 417,
     SPAN_LIT(POST "Expect: 100-continue, x\r\n\r\n")},
    {"RFC 9110 10.1.1 another one before it", 417,
     SPAN_LIT(POST "Expect: x, 100-continue\r\n\r\n")},
    {"RFC 9110 10.1.1 another one in a second field", 417,
     SPAN_LIT(POST "Expect: 100-continue\r\nExpect: x\r\n\r\n")},
    {"RFC 9110 10.1.1 a parameter", 417, SPAN_LIT(POST "Expect: 100-continue;a=b\r\n\r\n")},
    {"RFC 9112 6.3 framing is judged before it", 400, SPAN_LIT(CL "a\r\nExpect: x\r\n\r\n")},
};

static void
verdict_is_the_rule(const struct rule *r)
{
	static struct request request;
	struct request_parser parser = {0};
	size_t head_len = 0;
	enum request_status status =
	    request_parse(&parser, r->head.ptr, r->head.len, MAX, &request, &head_len);

	if (r->status == 0) {
		ck_assert_msg(status == REQUEST_COMPLETE, "%s: %s", r->rule,
			      status == REQUEST_BAD ? parser.error_message : "incomplete");
		ck_assert_uint_eq(head_len, r->head.len);
		return;
	}
	ck_assert_msg(status == REQUEST_BAD, "%s: is taken", r->rule);
	ck_assert_msg(parser.error_status == r->status, "%s: %d %s", r->rule, parser.error_status,
		      parser.error_message);
	ck_assert_ptr_nonnull(parser.error_message);
	/* and stays so, whatever comes */
	ck_assert_int_eq(request_parse(&parser, "", 0, MAX, &request, &head_len), REQUEST_BAD);
	ck_assert_int_eq(parser.error_status, r->status);
}

static void
cuts_change_nothing(const struct rule *r)
{
	size_t one = 1;

	ck_assert_msg(cut_agrees(r->head.ptr, r->head.len, MAX, &one, 1), "byte by byte: %s",
		      r->rule);
	for (size_t at = 1; at < r->head.len; at++) {
		size_t cut[2] = {at, r->head.len};

		ck_assert_msg(cut_agrees(r->head.ptr, r->head.len, MAX, cut, 2), "cut at %zu: %s",
			      at, r->rule);
	}
}

static void
rules_hold(const struct rule *rule, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		verdict_is_the_rule(&rule[i]);
		cuts_change_nothing(&rule[i]);
	}
}

/* A test for each table, so that a failure names what it is about. */
#define RULES_TEST(name, table)                                        \
	START_TEST(name)                                               \
	{                                                              \
		rules_hold(table, sizeof(table) / sizeof((table)[0])); \
	}                                                              \
	END_TEST

RULES_TEST(rfc9112_2_2_line_ends, line_ends)
RULES_TEST(rfc9112_3_request_line, request_lines)
RULES_TEST(rfc9112_2_3_version, versions)
RULES_TEST(rfc9112_3_2_target, targets)
RULES_TEST(rfc9112_3_2_host, hosts)
RULES_TEST(rfc9112_5_fields, fields)
RULES_TEST(rfc9112_6_2_content_length, lengths)
RULES_TEST(rfc9112_6_1_transfer_encoding, codings)
RULES_TEST(rfc9110_10_1_1_expect, expectations)

/* Everywhere in a head that is right otherwise, each byte that may stand nowhere. */
START_TEST(rfc9110_5_5_control_characters_anywhere)
{
	static const char head[] = "GET /a?b HTTP/1.1\r\nHost: a\r\nAb: 0123456789\r\n\r\n";
	static struct request request;
	char spoilt[sizeof(head)];

	for (size_t at = 0; at < sizeof(head) - 1; at++) {
		for (int byte = 0; byte < 0x20; byte++) {
			struct request_parser parser = {0};
			size_t head_len;

			if (byte == '\t' || byte == '\n' || byte == '\r')
				continue;
			memcpy(spoilt, head, sizeof(head));
			spoilt[at] = (char)byte;
			ck_assert_msg(request_parse(&parser, spoilt, sizeof(head) - 1, MAX,
						    &request, &head_len) == REQUEST_BAD,
				      "byte %d at %zu", byte, at);
			ck_assert_int_eq(parser.error_status, 400);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("request_rules");
	TCase *tc = tcase_create("rules");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, rfc9112_2_2_line_ends);
	tcase_add_test(tc, rfc9112_3_request_line);
	tcase_add_test(tc, rfc9112_2_3_version);
	tcase_add_test(tc, rfc9112_3_2_target);
	tcase_add_test(tc, rfc9112_3_2_host);
	tcase_add_test(tc, rfc9112_5_fields);
	tcase_add_test(tc, rfc9112_6_2_content_length);
	tcase_add_test(tc, rfc9112_6_1_transfer_encoding);
	tcase_add_test(tc, rfc9110_10_1_1_expect);
	tcase_add_test(tc, rfc9110_5_5_control_characters_anywhere);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
