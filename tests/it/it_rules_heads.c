/*
 * it_rules_heads.c - the request line, its target and Host, as RFC 9110, 9112 and 3986 have them,
 * and the bounds of heads.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <string.h>

#include "harness.h"
#include "rules.h"

/* Refused for its form, and told in that of the path, if there is one. */
#define BAD ANSWER(400, TEXT, NULL)

static const struct rule request_lines[] = {
    RULE(STAYS, "9112 3: method, target and version", GET("/a", ""), HELLO("a")),
    RULE(LINGERS, "9112 3: no method", " / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: a space at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: a space at the beginning", " GET / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: a tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: a vertical tab for a space", "GET /\vHTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3.2: a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3: no target", "GET HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3.1: a method that is no token", "G@T / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3.1: a method with a colon", "GET: / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9110 15.6.2: an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9110 9.1: methods have case", "get / HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9110 9.1: a method that begins as another", "GETS / HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9110 9.1: a method as short as can be", "! / HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9112 3: HTTP/0.9", "GET /\r\n", BAD),
    RULE(ENDS, "9112 2.3: 1.0 is spoken", "GET /a HTTP/1.0\r\n\r\n", HELLO("a")),
    RULE(STAYS, "9110 2.5: 1.2 is taken as 1.1", "GET /a HTTP/1.2\r\n" HOST "\r\n", HELLO("a")),
    RULE(STAYS, "9110 2.5: 1.9 is taken as 1.1", "GET /a HTTP/1.9\r\n" HOST "\r\n", HELLO("a")),
    RULE(LINGERS, "9112 3.2: 1.2 needs Host as 1.1 does", "GET /a HTTP/1.2\r\n\r\n", BAD),
    RULE(LINGERS, "9110 15.6.6: 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", ANSWER(505, TEXT, NULL)),
    RULE(LINGERS, "9110 15.6.6: 0.9 by name", "GET / HTTP/0.9\r\n" HOST "\r\n",
	 ANSWER(505, TEXT, NULL)),
    RULE(LINGERS, "9110 15.6.6: 9.9", "GET / HTTP/9.9\r\n" HOST "\r\n", ANSWER(505, TEXT, NULL)),
    RULE(LINGERS, "9113 3.4: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	 ANSWER(505, TEXT, NULL)),
    RULE(LINGERS, "9112 2.3: its name has case", "GET / http/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: one digit", "GET / HTTP/1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: no minor version", "GET / HTTP/1.\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: three digits", "GET / HTTP/1.10\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: a zero before it", "GET / HTTP/01.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: a comma", "GET / HTTP/1,1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: another name", "GET / HTTPS/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: no name", "GET / 1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.3: no version", "GET / HTTP/\r\n" HOST "\r\n", BAD),
};

static const struct rule targets[] = {
    /* the four forms, and who may use them */
    RULE(STAYS, "9112 3.2.1: origin form", GET("/a?b", ""), HELLO("a")),
    RULE(STAYS, "9112 3.2.2: absolute form", GET("http://localhost/a?b", ""), HELLO("a")),
    RULE(STAYS, "9112 3.2.2: absolute form with a port", GET("http://localhost:1/a", ""),
	 HELLO("a")),
    RULE(STAYS, "9110 4.2.3: an empty path is /", GET("http://localhost", ""), HELLO("Anonymous")),
    RULE(STAYS, "9110 4.2.3: an empty path with a query", GET("http://localhost?a", ""),
	 HELLO("Anonymous")),
    RULE(STAYS, "9110 4.2.3: schemes have no case", GET("HTTP://LocalHost/a", ""), HELLO("a")),
    RULE(STAYS, "9112 3.2.2: an IPv6 address in it", GET("http://[::1]:80/a", ""), HELLO("a")),
    RULE(LINGERS, "9110 7.4: https is another server", GET("https://localhost/a", ""),
	 ANSWER(421, TEXT, NULL)),
    RULE(LINGERS, "9110 7.4: so is any other scheme", GET("ftp://localhost/a", ""),
	 ANSWER(421, TEXT, NULL)),
    RULE(LINGERS, "3986 3.1: a scheme begins with a letter", GET("1a://localhost/a", ""), BAD),
    RULE(LINGERS, "3986 3: no scheme", GET("://localhost/a", ""), BAD),
    RULE(LINGERS, "9110 4.2.1: no authority", GET("http:///a", ""), BAD),
    RULE(LINGERS, "9110 4.2.1: an authority without a host", GET("http://:80/a", ""), BAD),
    RULE(LINGERS, "9110 4.2.4: user information", GET("http://u:p@localhost/a", ""), BAD),
    RULE(LINGERS, "3986 3.2.3: a port that is no number", GET("http://localhost:a/", ""), BAD),
    RULE(LINGERS, "9112 3.2.3: authority form is for CONNECT", GET("localhost:80", ""), BAD),
    RULE(LINGERS, "9112 3.2.3: CONNECT has no other form", "CONNECT / HTTP/1.1\r\n" HOST "\r\n",
	 BAD),
    RULE(LINGERS, "9112 3.2.3: CONNECT needs a port", "CONNECT localhost HTTP/1.1\r\n" HOST "\r\n",
	 BAD),
    RULE(LINGERS, "9112 3.2.3: not a whole URI either",
	 "CONNECT http://localhost:80/ HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9110 9.3.6: CONNECT is not done here",
	 "CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", ANSWER(405, "Allow:", NULL)),
    RULE(LINGERS, "9112 3.2.4: asterisk form is for OPTIONS", GET("*", ""), BAD),
    RULE(LINGERS, "9112 3.2.4: an asterisk and more", "OPTIONS *a HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3.2: none of the four", GET("a/b", ""), BAD),
    RULE(STAYS, "9110 9.3.8: TRACE is not done here", "TRACE / HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(405, "Allow:", NULL)),
    /* characters */
    RULE(STAYS, "3986 3.3: every character of a path", GET("/-._~!$&'()*+,;=:@09azAZ", ""),
	 HELLO("-._~!$&'()*+,;=:@09azAZ")),
    RULE(STAYS, "3986 3.4: every character of a query", GET("/a?-._~!$&'()*+,;=:@/?%00", ""),
	 HELLO("a")),
    RULE(LINGERS, "3986 3.5: a fragment is the client's", GET("/a#b", ""), BAD),
    RULE(LINGERS, "3986 2: a quote", GET("/a\"", ""), BAD),
    RULE(LINGERS, "3986 2: angle brackets", GET("/<a>", ""), BAD),
    RULE(LINGERS, "3986 2: a backslash", GET("/a\\b", ""), BAD),
    RULE(LINGERS, "3986 2: a caret", GET("/^", ""), BAD),
    RULE(LINGERS, "3986 2: a backquote", GET("/`", ""), BAD),
    RULE(LINGERS, "3986 2: braces", GET("/{a}", ""), BAD),
    RULE(LINGERS, "3986 2: a bar", GET("/a|b", ""), BAD),
    RULE(LINGERS, "3986 3.2.2: brackets outside of an address", GET("/[a]", ""), BAD),
    RULE(LINGERS, "3986 2: the same in a query", GET("/?a|b", ""), BAD),
    RULE(LINGERS, "3986 2: a byte that is no ASCII", GET("/\xc3\xa9", ""), BAD),
    RULE(LINGERS, "3986 2: a control character", GET("/\x01", ""), BAD),
    RULE(LINGERS, "3986 2: DEL", GET("/\x7f", ""), BAD),
    /* escapes */
    RULE(LINGERS, "3986 2.1: an escape without digits", GET("/%", ""), BAD),
    RULE(LINGERS, "3986 2.1: an escape with one digit", GET("/%4", ""), BAD),
    RULE(LINGERS, "3986 2.1: an escape that is not hexadecimal", GET("/%4g", ""), BAD),
    RULE(LINGERS, "3986 2.1: a bad one in the query", GET("/a?%zz", ""), BAD),
    RULE(STAYS, "3986 2.1: digits have no case", GET("/%e5%A4%aa", ""), HELLO("\xe5\xa4\xaa")),
    RULE(STAYS, "3986 6.2.2.2: an escape of what needs none", GET("/%41d%61", ""), HELLO("Ada")),
    RULE(STAYS, "3986 2.2: an escaped slash separates nothing", GET("/a%2Fb", ""), HELLO("a/b")),
    RULE(STAYS, "3986 2.4: decoded once only", GET("/%2541", ""), HELLO("%41")),
    RULE(STAYS, "3986 2.2: a plus is a plus", GET("/a+b", ""), HELLO("a+b")),
    RULE(STAYS, "9110 15.5.1: a name that is no UTF-8", GET("/%FF", ""), ANSWER(400, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.1: UTF-8 that is too long for it", GET("/%C0%AF", ""),
	 ANSWER(400, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.1: a NUL in a name", GET("/a%00", ""), ANSWER(400, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.1: a line end in a name", GET("/a%0D%0Ab", ""), ANSWER(400, TEXT, NULL)),
    /* segments: what a client should have resolved (3986 5.2.4) is not guessed */
    RULE(STAYS, "3986 3.3: a dot segment", GET("/.", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 3.3: two dots", GET("/a/../a", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 6.2.2.2: escaped dots", GET("/%2e%2E", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 6.2.2.2: a dot of both kinds", GET("/.%2e/a", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 3.3: above the root", GET("/../../etc/passwd", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 3.3: three dots are a name", GET("/...", ""), HELLO("...")),
    RULE(STAYS, "3986 3.3: an empty segment", GET("//a", ""), ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "3986 3.3: an empty segment at the end", GET("/a/", ""), ANSWER(404, TEXT, NULL)),
};

static const struct rule hosts[] = {
    RULE(STAYS, "9112 3.2: Host", "GET /a HTTP/1.1\r\nhOST:\tlocalhost \r\n\r\n", HELLO("a")),
    RULE(LINGERS, "9112 3.2: missing", "GET /a HTTP/1.1\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2: missing among others", "GET /a HTTP/1.1\r\nA: b\r\nHosts: a\r\n\r\n",
	 BAD),
    RULE(LINGERS, "9112 3.2: empty", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2: white space", "GET /a HTTP/1.1\r\nHost: \t\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2: twice", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", BAD),
    RULE(LINGERS, "9112 3.2: twice, with others between",
	 "GET /a HTTP/1.1\r\n" HOST "A: b\r\nhost: b\r\n"
	 "\r\n",
	 BAD),
    RULE(LINGERS, "9112 3.2: a list", "GET /a HTTP/1.1\r\nHost: localhost, localhost\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: a space in it", "GET /a HTTP/1.1\r\nHost: local host\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: a path in it", "GET /a HTTP/1.1\r\nHost: localhost/a\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: a scheme before it",
	 "GET /a HTTP/1.1\r\nHost: http://localhost\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: user information in it",
	 "GET /a HTTP/1.1\r\nHost: u@localhost\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: a port alone", "GET /a HTTP/1.1\r\nHost: :80\r\n\r\n", BAD),
    RULE(LINGERS, "9110 7.2: two ports", "GET /a HTTP/1.1\r\nHost: localhost:1:2\r\n\r\n", BAD),
    RULE(LINGERS, "3986 3.2.3: a port that is no number",
	 "GET /a HTTP/1.1\r\nHost: localhost:a\r\n\r\n", BAD),
    RULE(LINGERS, "3986 3.2.3: a port that none can be",
	 "GET /a HTTP/1.1\r\nHost: localhost:65536\r\n\r\n", BAD),
    RULE(STAYS, "3986 3.2.3: an empty port is the default",
	 "GET /a HTTP/1.1\r\nHost: localhost:\r\n\r\n", HELLO("a")),
    RULE(LINGERS, "3986 3.2.2: an address without brackets", "GET /a HTTP/1.1\r\nHost: ::1\r\n\r\n",
	 BAD),
    RULE(LINGERS, "3986 3.2.2: an open bracket", "GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", BAD),
    RULE(LINGERS, "3986 3.2.2: no address in the brackets",
	 "GET /a HTTP/1.1\r\nHost: [:::1]\r\n\r\n", BAD),
    RULE(LINGERS, "3986 3.2.2: a byte after the bracket", "GET /a HTTP/1.1\r\nHost: [::1]a\r\n\r\n",
	 BAD),
    RULE(LINGERS, "3986 3.2.2: a bad escape in it", "GET /a HTTP/1.1\r\nHost: local%host\r\n\r\n",
	 BAD),
    RULE(LINGERS, "3986 3.2.2: a byte that is no ASCII",
	 "GET /a HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", BAD),
    RULE(STAYS, "9112 3.2.2: the target's authority replaces it",
	 "GET http://localhost/a HTTP/1.1\r\nHost: other.example\r\n\r\n", HELLO("a")),
    RULE(LINGERS, "9112 3.2.2: which has to be valid all the same",
	 "GET http://localhost/a HTTP/1.1\r\nHost: @\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2.2: and there", "GET http://localhost/a HTTP/1.1\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2.2: and once", "GET http://localhost/a HTTP/1.1\r\n" HOST HOST "\r\n",
	 BAD),
    RULE(ENDS, "9112 3.2: 1.0 may do without", "GET /a HTTP/1.0\r\n\r\n", HELLO("a")),
    RULE(LINGERS, "9112 3.2: 1.0 may do without, not do it badly",
	 "GET /a HTTP/1.0\r\nHost: @\r\n\r\n", BAD),
    RULE(LINGERS, "9112 3.2: twice in 1.0", "GET /a HTTP/1.0\r\n" HOST HOST "\r\n", BAD),
    /* who is asked by another name on a loopback address is not who was meant */
    RULE_ONLY(ONLY_IP, STAYS, "9110 7.4: a host that is not this one",
	      "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", ANSWER(421, TEXT, "~server.names")),
    RULE_ONLY(ONLY_IP, STAYS, "9110 7.4: where there is nothing",
	      "GET /a/b HTTP/1.1\r\nHost: a.example\r\n\r\n", ANSWER(421, TEXT, NULL)),
    RULE_ONLY(ONLY_IP, STAYS, "9110 7.4: in the target",
	      "GET http://a.example/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
	      ANSWER(421, TEXT, NULL)),
    RULE_ONLY(1u << VIA_UNIX, STAYS, "9110 7.4: no other is asked over a unix socket",
	      "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", ANSWER(200, TEXT, "Hello, a")),
};

/* What the front door refuses before there is a route has the form of the path all the same. */
#define BELOW(status) ANSWER(status, PROBLEM "\nVary~Accept", "~\"hint\":\"")
#define READ(fields)  GET("/api/products", fields)

static const struct rule refusals_below_api[] = {
    RULE(LINGERS, "9457 3: a method that is not known", "BREW /api/x HTTP/1.1\r\n" HOST "\r\n",
	 BELOW(501)),
    RULE(LINGERS, "9457 3: another version", "GET /api/x HTTP/2.0\r\n" HOST "\r\n", BELOW(505)),
    RULE(LINGERS, "9457 3: no version", "GET /api/x\r\n", BELOW(400)),
    RULE(LINGERS, "9457 3: a space in the target", GET("/api/a b", ""), BELOW(400)),
    RULE(LINGERS, "9457 3: a byte that is no ASCII", GET("/api/\xc3\xa9", ""), BELOW(400)),
    RULE(LINGERS, "9457 3: an escape that is none", GET("/api/%zz", ""), BELOW(400)),
    RULE(LINGERS, "9457 3: one in the query", READ("") GET("/api/x?%zz", ""),
	 ANSWER(503, PROBLEM, NULL), BELOW(400)),
    RULE(LINGERS, "9457 3: bare LF", "GET /api/x HTTP/1.1\nHost: a\r\n\r\n", BELOW(400)),
    RULE(LINGERS, "9457 3: no Host", "GET /api/x HTTP/1.1\r\n\r\n", BELOW(400)),
    RULE(LINGERS, "9457 3: a field without a colon", READ("Abc\r\n"), BELOW(400)),
    RULE(LINGERS, "9457 3: an expectation", READ("Expect: x\r\n"), BELOW(417)),
    RULE(LINGERS, "9457 3: a coding", READ("Transfer-Encoding: gzip, chunked\r\n"), BELOW(501)),
    RULE(LINGERS, "9457 3: a whole URI", "BREW http://localhost/api/x HTTP/1.1\r\n" HOST "\r\n",
	 BELOW(501)),
    RULE(LINGERS, "9457 3: below /chat", "BREW /chat/a HTTP/1.1\r\n" HOST "\r\n", BELOW(501)),
    RULE(LINGERS, "9457 3: /apiary is elsewhere", "BREW /apiary HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9457 3: a target that is no path", GET("ftp://localhost/api/x", ""),
	 ANSWER(421, TEXT, NULL)),
    RULE(LINGERS, "9457 3: a mistake before the path", "G@T /api/x HTTP/1.1\r\n" HOST "\r\n", BAD),
    /* Accept counts if it stands before the mistake */
    RULE(LINGERS, "9110 12.5.1: text is asked for", READ("Accept: text/plain\r\nExpect: x\r\n"),
	 ANSWER(417, TEXT, NULL)),
    RULE(LINGERS, "9110 12.5.1: and behind it", READ("Expect: x\r\nAccept: text/plain\r\n"),
	 ANSWER(417, TEXT, NULL)),
    RULE(LINGERS, "9110 12.5.1: before a line that is none", READ("Accept: text/plain\r\nA b\r\n"),
	 ANSWER(400, TEXT, NULL)),
    RULE(LINGERS, "9110 12.5.1: behind it nothing is read", READ("A b\r\nAccept: text/plain\r\n"),
	 BELOW(400)),
    RULE(LINGERS, "9110 12.5.1: a page is looked for", READ("Accept: text/html\r\nA b\r\n"),
	 ANSWER(400, TEXT, NULL)),
    RULE(LINGERS, "9110 12.5.1: JSON is asked for elsewhere",
	 GET("/a", "Accept: application/json\r\nExpect: x\r\n"),
	 ANSWER(417, PROBLEM, "~\"hint\":\"")),
};

RULES_TEST(refusals_below_api, NULL)
RULES_TEST(request_lines, NULL)
RULES_TEST(targets, NULL)
RULES_TEST(hosts, NULL)

/* ---- bounds: rows whose bytes are too many to be written down ---- */

#define MAX_HEADER 2048 /* of these daemons: http.max_header_size */

#define N(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(heads_have_bounds)
{
	struct rule heads[] = {
	    {"9110 5.4: a head as long as it may be", .answer = {HELLO("a")}, .end = STAYS},
	    {"6585 5: a head one byte longer", .answer = {ANSWER(431, TEXT, NULL)}, .end = LINGERS},
	    {"6585 5: a field that never ends", .answer = {ANSWER(431, TEXT, NULL)},
	     .end = LINGERS},
	    {"6585 5: a name of 257 bytes", .answer = {ANSWER(431, TEXT, NULL)}, .end = LINGERS},
	    {"9110 5.1: a name of 256 bytes", .answer = {HELLO("a")}, .end = STAYS},
	    {"9110 15.5.15: a target that never ends", .answer = {ANSWER(414, TEXT, NULL)},
	     .end = LINGERS},
	    {"9110 15.5.15: a target that is too long", .answer = {ANSWER(414, TEXT, NULL)},
	     .end = LINGERS},
	    {"9110 15.5.15: a segment of 257 bytes", .answer = {ANSWER(414, TEXT, NULL)},
	     .end = STAYS},
	    {"9112 3: a query may be longer", .answer = {HELLO("a")}, .end = STAYS},
	    {"9112 3: a method of 300 bytes", .answer = {ANSWER(501, TEXT, NULL)}, .end = LINGERS},
	    {"9112 3: a method that never ends", .answer = {ANSWER(501, TEXT, NULL)},
	     .end = LINGERS},
	    {"9112 2.3: a version that never ends", .answer = {BAD}, .end = LINGERS},
	    {"9112 2.2: empty lines without end", .answer = {ANSWER(431, TEXT, NULL)},
	     .end = LINGERS},
	    {"9457 3: a long head below /api", .answer = {BELOW(431)}, .end = LINGERS},
	    {"9457 3: a long target below /api", .answer = {BELOW(414)}, .end = LINGERS},
	};
	struct rules r;

	rules_start(&r, "http.max_header_size=2k", NULL);
	rule_fill_to(&heads[0], "GET /a HTTP/1.1\r\n" HOST "A: ", 'b', MAX_HEADER, "\r\n\r\n");
	rule_fill_to(&heads[1], "GET /a HTTP/1.1\r\n" HOST "A: ", 'b', MAX_HEADER + 1, "\r\n\r\n");
	rule_fill(&heads[2], "GET /a HTTP/1.1\r\n" HOST "A: ", 'b', 3 * MAX_HEADER, "");
	rule_fill(&heads[3], "GET /a HTTP/1.1\r\n" HOST, 'b', 257, ": c\r\n\r\n");
	rule_fill(&heads[4], "GET /a HTTP/1.1\r\n" HOST, 'b', 256, ": c\r\n\r\n");
	rule_fill(&heads[5], "GET /", 'a', 3 * MAX_HEADER, "");
	rule_fill(&heads[6], "GET /", 'a', MAX_HEADER, " HTTP/1.1\r\n" HOST "\r\n");
	rule_fill(&heads[7], "GET /", 'a', 257, " HTTP/1.1\r\n" HOST "\r\n");
	rule_fill(&heads[8], "GET /a?", 'b', 1500, " HTTP/1.1\r\n" HOST "\r\n");
	rule_fill(&heads[9], "", 'B', 300, " / HTTP/1.1\r\n" HOST "\r\n");
	rule_fill(&heads[10], "", 'B', 3 * MAX_HEADER, "");
	rule_fill(&heads[11], "GET / HTTP/1.1", '1', 400, "\r\n" HOST "\r\n");
	rule_fill(&heads[12], "", ' ', 3 * MAX_HEADER, "");
	rule_fill(&heads[13], "GET /api/x HTTP/1.1\r\n" HOST "A: ", 'b', 3 * MAX_HEADER, "");
	rule_fill(&heads[14], "GET /api/x?", 'a', 3 * MAX_HEADER, "");
	for (size_t i = 0; i < heads[12].sent_len; i++)
		((char *)(uintptr_t)heads[12].sent)[i] = i % 2 ? '\n' : '\r';
	RULES_HOLD(&r, heads);
	rules_free(heads, N(heads));
	rules_stop(&r);
}
END_TEST

/* Longer than what is read at a time. */
START_TEST(long_heads_are_put_together)
{
	static const size_t sizes[] = {65535, 65536, 65537, 131071, 131072, 131073, 262144};
	struct rule heads_in_pieces[2 * N(sizes)];
	struct rules r;

	rules_start(&r, "http.max_header_size=256k", NULL);
	for (size_t i = 0; i < N(heads_in_pieces); i++) {
		const bool is_second = i >= N(sizes);
		struct rule *rule = &heads_in_pieces[i];
		*rule = (struct rule){
		    .name = "9110 5.4: a head of more than one piece",
		    .answer = {HELLO("a"), HELLO("b")},
		    .end = STAYS,
		    .only = ONLY_WHOLE,
		};
		if (!is_second)
			rule->answer[1].status = 0;
		rule_fill_to(rule,
			     is_second ? GET("/a", "") "GET /b HTTP/1.1\r\n" HOST "A: "
				       : "GET /a HTTP/1.1\r\n" HOST "A: ",
			     'b', sizes[i % N(sizes)] + (is_second ? strlen(GET("/a", "")) : 0),
			     "\r\n\r\n");
	}
	RULES_HOLD(&r, heads_in_pieces);
	rules_free(heads_in_pieces, N(heads_in_pieces));
	rules_stop(&r);
}
END_TEST

START_TEST(heads_have_few_lines)
{
	static const char line[] = "A: b\r\n";
	struct rule long_heads[] = {
	    {"9110 5.4: 100 header lines", .answer = {HELLO("a")}, .end = STAYS},
	    {"6585 5: 101 header lines", .answer = {ANSWER(431, TEXT, NULL)}, .end = LINGERS},
	};
	struct rules r;

	rules_start(&r, NULL);
	for (size_t i = 0; i < N(long_heads); i++) {
		/* one of them is Host */
		size_t n = 99 + i, at = strlen("GET /a HTTP/1.1\r\n" HOST);
		rule_fill(&long_heads[i], "GET /a HTTP/1.1\r\n" HOST, '.', n * strlen(line),
			  "\r\n");
		for (size_t k = 0; k < n; k++)
			memcpy((char *)(uintptr_t)long_heads[i].sent + at + k * strlen(line), line,
			       strlen(line));
	}
	RULES_HOLD(&r, long_heads);
	rules_free(long_heads, N(long_heads));
	rules_stop(&r);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "heads");

	tcase_add_test(tc, request_lines_rules);
	tcase_add_test(tc, targets_rules);
	tcase_add_test(tc, hosts_rules);
	tcase_add_test(tc, refusals_below_api_rules);
	tc = it_case(s, "bounds");
	tcase_add_test(tc, heads_have_bounds);
	tcase_add_test(tc, long_heads_are_put_together);
	tcase_add_test(tc, heads_have_few_lines);
}

int
main(void)
{
	return it_main("rules_heads", fill, 0);
}
