/*
 * it_rules_framing.c - one reading of every message, or none: where lines, fields, bodies and
 * chunks end, and everything that two parsers could take apart differently.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "rules.h"

/* A request whose body gets to its handler, which has no database. */
#define REPLACE(fields) "PUT /api/products/1 HTTP/1.1\r\n" HOST JSON fields "\r\n"
#define CREATE(fields)  POST("/api/products", JSON fields)
#define HANDLED         ANSWER(503, PROBLEM, "~/problems/no-store")
/* Refused for its form, and told in that of the path, if there is one. */
#define BAD       ANSWER(400, TEXT, NULL)
#define BAD_BELOW ANSWER(400, PROBLEM, NULL)
/* By then it is known who asks, and for what. */
#define BAD_CHUNK ANSWER(400, PROBLEM, NULL)

static const struct rule content_length[] = {
    RULE(STAYS, "9110 8.6: Content-Length frames the body", CREATE("Content-Length: 2\r\n") "{}",
	 HANDLED),
    RULE(STAYS, "9110 8.6: leading zeros are digits", CREATE("Content-Length: 0002\r\n") "{}",
	 HANDLED),
    RULE(STAYS, "9112 5: white space around the number", CREATE("Content-Length: \t 2 \t\r\n") "{}",
	 HANDLED),
    RULE(STAYS, "9112 6.3: a length of 0 is no body", GET("/a", "Content-Length: 0\r\n"),
	 HELLO("a")),
    RULE(STAYS, "9112 6.3: without framing fields there is no body", GET("/a", ""), HELLO("a")),
    RULE(STAYS, "9112 6.3: 1.0 has lengths too",
	 "POST /api/products HTTP/1.0\r\nConnection: keep-alive\r\n" JSON
	 "Content-Length: 2\r\n\r\n{}",
	 HANDLED),
    RULE(LINGERS, "9112 6.3: two that differ",
	 CREATE("Content-Length: 2\r\nContent-Length: 3\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9112 6.3: two that are equal",
	 CREATE("Content-Length: 2\r\nContent-Length: 2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9112 6.3: two with other fields between",
	 CREATE("Content-Length: 2\r\nX: y\r\ncontent-length: 2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a list", CREATE("Content-Length: 2, 2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a list of one", CREATE("Content-Length: 2,\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a plus sign", CREATE("Content-Length: +2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a minus sign", CREATE("Content-Length: -2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: minus nothing", CREATE("Content-Length: -0\r\n"), BAD_BELOW),
    RULE(LINGERS, "9110 8.6: hexadecimal digits", CREATE("Content-Length: 0x2\r\n") "{}",
	 BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a fraction", CREATE("Content-Length: 2.0\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: an exponent", CREATE("Content-Length: 2e0\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: nothing", CREATE("Content-Length:\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: white space only", CREATE("Content-Length: \t \r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a space in the number", CREATE("Content-Length: 1 2\r\n") "{}",
	 BAD_BELOW),
    RULE(LINGERS, "9110 8.6: quotes", CREATE("Content-Length: \"2\"\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: a digit of another script",
	 CREATE("Content-Length: \xd9\xa2\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: more than 64 bits",
	 CREATE("Content-Length: 18446744073709551616\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: more than 64 bits that wrap to 2",
	 CREATE("Content-Length: 18446744073709551618\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9110 8.6: more digits than any number has",
	 CREATE("Content-Length: 999999999999999999999999999999999999999999\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9112 6.3: bad ones of GET count", GET("/a", "Content-Length: x\r\n"), BAD),
    RULE(LINGERS, "9110 15.5.14: 64 bits of length are too many",
	 CREATE("Content-Length: 18446744073709551615\r\n") "{}", ANSWER(413, PROBLEM, NULL)),
};

#define CHUNKS "2\r\n{}\r\n0\r\n\r\n"

static const struct rule transfer_encoding[] = {
    RULE(STAYS, "9112 6.1: chunked frames the body",
	 CREATE("Transfer-Encoding: chunked\r\n") CHUNKS, HANDLED),
    RULE(STAYS, "9112 7: codings have no case", CREATE("tRANSFER-eNCODING:\tcHUNKED \r\n") CHUNKS,
	 HANDLED),
    RULE(LINGERS, "9112 6.1: with Content-Length after it",
	 CREATE("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: with Content-Length before it",
	 CREATE("Content-Length: 12\r\nTransfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: with a Content-Length of 0",
	 CREATE("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: another coding before it",
	 CREATE("Transfer-Encoding: gzip, chunked\r\n") CHUNKS, ANSWER(501, PROBLEM, NULL)),
    RULE(LINGERS, "9112 6.1: another coding in a field of its own",
	 CREATE("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") CHUNKS,
	 ANSWER(501, PROBLEM, NULL)),
    RULE(LINGERS, "9112 6.3: an unknown coding, so that chunked is not the last",
	 CREATE("Transfer-Encoding: xchunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.3: part of the name", CREATE("Transfer-Encoding: chunke\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9112 6.3: identity, which is no longer one",
	 CREATE("Transfer-Encoding: identity\r\n") "{}", BAD_BELOW),
    RULE(LINGERS, "9112 6.3: not the last one",
	 CREATE("Transfer-Encoding: chunked, gzip\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.3: not the last field",
	 CREATE("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: chunked twice",
	 CREATE("Transfer-Encoding: chunked, chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: chunked in two fields",
	 CREATE("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: 1.0 has none",
	 "POST /api/products HTTP/1.0\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n" CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9112 6.1: 1.0 has none, kept alive or not",
	 "POST /api/products HTTP/1.0\r\nConnection: keep-alive\r\n" JSON
	 "Transfer-Encoding: chunked\r\n\r\n" CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9112 6.1: GET may have it, and it frames",
	 GET("/a", "Transfer-Encoding: gzip, chunked\r\n") CHUNKS, ANSWER(501, TEXT, NULL)),
    RULE(LINGERS, "9110 5.6.2: a parameter", CREATE("Transfer-Encoding: chunked;a=b\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9110 5.6.2: quotes", CREATE("Transfer-Encoding: \"chunked\"\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9110 5.6.2: a space in it", CREATE("Transfer-Encoding: chun ked\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9110 5.6.1: an empty element before it",
	 CREATE("Transfer-Encoding: , chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9110 5.6.1: an empty element after it",
	 CREATE("Transfer-Encoding: chunked,\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 6.1: empty", CREATE("Transfer-Encoding:\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9110 5.5: a vertical tab before it",
	 CREATE("Transfer-Encoding: \vchunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9110 5.5: a NUL after it", CREATE("Transfer-Encoding: chunked\0\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9110 5.5: a byte that is no ASCII",
	 CREATE("Transfer-Encoding: \xa0"
		"chunked\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9112 5.1: a space before its colon",
	 CREATE("Transfer-Encoding : chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 5.2: folded", CREATE("Transfer-Encoding:\r\n chunked\r\n") CHUNKS,
	 BAD_BELOW),
    RULE(LINGERS, "9112 5.2: folded out of another field",
	 CREATE("X: y\r\n Transfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 2.2: behind a bare LF",
	 CREATE("X: y\nTransfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    RULE(LINGERS, "9112 2.2: behind a bare CR",
	 CREATE("X: y\rTransfer-Encoding: chunked\r\n") CHUNKS, BAD_BELOW),
    /* then there is no body, and what follows is a request, which it is not */
    RULE(LINGERS, "9112 6.3: another name frames nothing",
	 GET("/a", "Transfer_Encoding: chunked\r\n") CHUNKS, ANSWER(200, TEXT, "Hello, a"), BAD),
};

static const struct rule lines[] = {
    RULE(STAYS, "9112 2.2: empty lines before a request", "\r\n\r\n" GET("/a", ""), HELLO("a")),
    RULE(STAYS, "9112 2.2: one CRLF after a body",
	 CREATE("Content-Length: 2\r\n") "{}\r\n" GET("/a", ""), ANSWER(503, NULL, NULL),
	 ANSWER(200, TEXT, "Hello, a")),
    RULE(LINGERS, "9112 2.2: an empty line is CR and LF", "\n" GET("/a", ""), BAD),
    RULE(LINGERS, "9112 2.2: bare LF everywhere", "GET / HTTP/1.1\nHost: localhost\n\n", BAD),
    RULE(LINGERS, "9112 2.2: bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.2: bare LF after a field", "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
	 BAD),
    RULE(LINGERS, "9112 2.2: bare LF at the end", "GET / HTTP/1.1\r\n" HOST "\n", BAD),
    RULE(LINGERS, "9112 2.2: bare LF in a value", GET("/", "A: b\nC: d\r\n"), BAD),
    RULE(LINGERS, "9112 2.2: bare CR after the request line", "GET / HTTP/1.1\r" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.2: bare CR in a value", GET("/", "A: b\rc\r\n"), BAD),
    RULE(LINGERS, "9112 2.2: bare CR before CR LF", GET("/", "A: b\r\r\n"), BAD),
    RULE(LINGERS, "9112 2.2: bare CR in the target", "GET /\rHTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9112 2.2: bare CR before a request", "\rGET / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9110 5.5: NUL in a value", GET("/", "A: b\0c\r\n"), BAD),
    RULE(LINGERS, "9110 5.5: NUL in a name", GET("/", "A\0: b\r\n"), BAD),
    RULE(LINGERS, "9110 5.5: NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9110 5.5: NUL before the request", "\0GET / HTTP/1.1\r\n" HOST "\r\n", BAD),
    RULE(LINGERS, "9110 5.5: another control character in a value", GET("/", "A: \x1b[0m\r\n"),
	 BAD),
    RULE(LINGERS, "9110 5.5: DEL in a value", GET("/", "A: b\x7f\r\n"), BAD),
    RULE(STAYS, "9110 5.5: other bytes in a value are its own", GET("/a", "A: \xff\x80\tb\r\n"),
	 HELLO("a")),
    RULE(LINGERS, "9112 5.2: folding by a space", GET("/", "A: b\r\n c\r\n"), BAD),
    RULE(LINGERS, "9112 5.2: folding by a tab", GET("/", "A: b\r\n\tc\r\n"), BAD),
    RULE(LINGERS, "9112 5.2: folding to nothing", GET("/", "A: b\r\n \r\n"), BAD),
    RULE(LINGERS, "9112 2.2: white space after the request line",
	 "GET / HTTP/1.1\r\n Host: localhost\r\n"
	 "\r\n",
	 BAD),
    RULE(LINGERS, "9112 5.1: a space before the colon", GET("/", "A : b\r\n"), BAD),
    RULE(LINGERS, "9112 5.1: a tab before the colon", GET("/", "A\t: b\r\n"), BAD),
    RULE(LINGERS, "9110 5.1: an empty name", GET("/", ": b\r\n"), BAD),
    RULE(LINGERS, "9110 5.1: a name of two words", GET("/", "A b: c\r\n"), BAD),
    RULE(LINGERS, "9110 5.1: a name with a delimiter", GET("/", "A(b): c\r\n"), BAD),
    RULE(LINGERS, "9110 5.1: a name that is no ASCII", GET("/", "\xc3\xa4: b\r\n"), BAD),
    RULE(LINGERS, "9112 5: a line without a colon", GET("/", "Abc\r\n"), BAD),
    RULE(STAYS, "9110 5.6.2: every character of a token", GET("/a", "!#$%&'*+-.^_`|~09azAZ: b\r\n"),
	 HELLO("a")),
    RULE(STAYS, "9110 5.5: an empty value", GET("/a", "A:\r\nB: \t\r\n"), HELLO("a")),
    RULE(LINGERS, "9112 3: TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	 BAD),
    RULE(LINGERS, "9112 3: the greeting of another protocol", "EHLO localhost\r\n", BAD),
    /* what follows is one for a parser that reads differently: it must not be answered */
    RULE(LINGERS, "9112 2.2: nothing is read after what cannot be framed",
	 "GET /a HTTP/1.1\r\nHost: localhost\r\nX: y\n\r\n" GET("/b", ""), BAD),
    RULE(LINGERS, "9112 9.3.2: what came before it is answered",
	 GET("/a", "") GET("/b", "") "GET  /c\r\n", ANSWER(200, TEXT, "Hello, a"),
	 ANSWER(200, TEXT, "Hello, b"), ANSWER(400, TEXT, NULL)),
};

#define CHUNKED CREATE("Transfer-Encoding: chunked\r\n")

static const struct rule chunks[] = {
    RULE(STAYS, "9112 7.1: several chunks", CHUNKED "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", HANDLED),
    RULE(STAYS, "9112 7.1: no chunk but the last", CHUNKED "0\r\n\r\n", HANDLED),
    RULE(STAYS, "9112 7.1: sizes are hexadecimal, in either case",
	 CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", HANDLED),
    RULE(STAYS, "9112 7.1: leading zeros", CHUNKED "002\r\n{}\r\n000\r\n\r\n", HANDLED),
    RULE(STAYS, "9112 7.1: 16 digits", CHUNKED "0000000000000002\r\n{}\r\n0\r\n\r\n", HANDLED),
    RULE(LINGERS, "9112 7.1: 17 digits", CHUNKED "00000000000000002\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(STAYS, "9112 7.1: line ends in the data are data", CHUNKED "4\r\n\r\n\r\n\r\n0\r\n\r\n",
	 HANDLED),
    RULE(LINGERS, "9112 7.1: no size", CHUNKED "\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: no digits", CHUNKED "g\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: a plus sign", CHUNKED "+2\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: a minus sign", CHUNKED "-2\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: 0x before it", CHUNKED "0x2\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: a space before it", CHUNKED " 2\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: a space after it", CHUNKED "2 \r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: something else after it", CHUNKED "2,\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: a NUL after it", CHUNKED "2\0\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: bare LF after it", CHUNKED "2\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: bare CR after it", CHUNKED "2\r{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: no line end after the data", CHUNKED "2\r\n{}0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: bare LF after the data", CHUNKED "2\r\n{}\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: bare CR after the data", CHUNKED "2\r\n{}\r0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: more data than its size", CHUNKED "1\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: less data than its size", CHUNKED "3\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: bare LF at the end", CHUNKED "2\r\n{}\r\n0\r\n\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1: 64 bits of size", CHUNKED "ffffffffffffffff\r\n",
	 ANSWER(413, PROBLEM, NULL)),
    RULE(LINGERS, "9112 7.1: sizes whose sum has 65 bits",
	 CHUNKED "2\r\n{}\r\nfffffffffffffffe\r\n", ANSWER(413, PROBLEM, NULL)),
    RULE(STAYS, "9112 7.1.1: an extension", CHUNKED "2;a\r\n{}\r\n0;b=c\r\n\r\n", HANDLED),
    RULE(STAYS, "9112 7.1.1: more of them, with white space",
	 CHUNKED "2 ; a = b\t;c;\td=\"e\"\r\n{}\r\n0\r\n\r\n", HANDLED),
    RULE(STAYS, "9110 5.6.4: quotes may hold what frames",
	 CHUNKED "2;a=\"\\\";\tb=c, \xff\"\r\n{}\r\n0\r\n\r\n", HANDLED),
    RULE(LINGERS, "9110 5.6.4: but no line end", CHUNKED "2;a=\"b\r\n{}\r\n0\r\n\r\n\"\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9110 5.6.4: not a quoted one either", CHUNKED "2;a=\"b\\\r\n{}\r\n0\r\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: an empty one", CHUNKED "2;\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: an empty value", CHUNKED "2;a=\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: a name that is no token", CHUNKED "2;a[]\r\n{}\r\n0\r\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: bare LF in it", CHUNKED "2;a\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: bare CR in it", CHUNKED "2;a\rb\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.1: a NUL in it", CHUNKED "2;a=\"\0\"\r\n{}\r\n0\r\n\r\n", BAD_CHUNK),
    RULE(STAYS, "9112 7.1.2: trailers", CHUNKED "2\r\n{}\r\n0\r\nA: b\r\nC:\r\n\r\n", HANDLED),
    RULE(STAYS, "9110 6.5.1: a length in them frames nothing",
	 CHUNKED "2\r\n{}\r\n0\r\nContent-Length: 50\r\n\r\n", HANDLED),
    RULE(STAYS, "9110 6.5.1: nor does a coding",
	 CHUNKED "2\r\n{}\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n", HANDLED),
    RULE(STAYS, "9110 6.5.1: nor does Connection end anything",
	 CHUNKED "2\r\n{}\r\n0\r\nConnection: close\r\nHost: @\r\nExpect: x\r\n\r\n", HANDLED),
    RULE(LINGERS, "9112 7.1.2: a line without a colon", CHUNKED "2\r\n{}\r\n0\r\nAb\r\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9112 7.1.2: no name", CHUNKED "2\r\n{}\r\n0\r\n: b\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 5.1: a space before a trailer's colon",
	 CHUNKED "2\r\n{}\r\n0\r\nA : b\r\n\r\n", BAD_CHUNK),
    RULE(LINGERS, "9112 5.2: a folded trailer", CHUNKED "2\r\n{}\r\n0\r\nA: b\r\n c\r\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9112 2.2: bare LF after a trailer", CHUNKED "2\r\n{}\r\n0\r\nA: b\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9112 2.2: bare CR in a trailer", CHUNKED "2\r\n{}\r\n0\r\nA: b\rc\r\n\r\n",
	 BAD_CHUNK),
    RULE(LINGERS, "9110 5.5: NUL in a trailer", CHUNKED "2\r\n{}\r\n0\r\nA: \0\r\n\r\n", BAD_CHUNK),
    /* a client that lies about its last chunk speaks to nobody */
    RULE(LINGERS, "9112 7.1: what follows a bad chunk is not read",
	 CHUNKED "1\r\n{}\r\n0\r\n\r\n" GET("/b", ""), BAD_CHUNK),
};

RULES_TEST(content_length, NULL)
RULES_TEST(transfer_encoding, NULL)
RULES_TEST(lines, NULL)
RULES_TEST(chunks, NULL)

/* ---- bounds: rows whose bytes are too many to be written down ---- */

#define N(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(bodies_have_bounds)
{
	struct rule bodies[] = {
	    {"9110 8.6: a body as long as it may be", .answer = {HANDLED}, .end = STAYS},
	    {"9110 15.5.14: a body one byte longer", .answer = {ANSWER(413, PROBLEM, NULL)},
	     .end = LINGERS},
	    {"9112 7.1: a chunk as long as it may be", .answer = {HANDLED}, .end = STAYS},
	    {"9110 15.5.14: a chunk one byte longer", .answer = {ANSWER(413, PROBLEM, NULL)},
	     .end = LINGERS},
	    {"9112 7.1.1: extensions of 4096 bytes", .answer = {HANDLED}, .end = STAYS},
	    {"9112 7.1.1: extensions of more", .answer = {BAD_CHUNK}, .end = LINGERS},
	    {"9112 7.1.2: trailers of 8192 bytes", .answer = {HANDLED}, .end = STAYS},
	    {"6585 5: trailers of more", .answer = {ANSWER(431, PROBLEM, NULL)}, .end = LINGERS},
	};
	struct rules r;

	rules_start(&r, "http.max_body_size=2k", NULL);
	rule_fill(&bodies[0], CREATE("Content-Length: 2048\r\n"), '1', 2048, "");
	rule_fill(&bodies[1], CREATE("Content-Length: 2049\r\n"), '1', 2049, "");
	rule_fill(&bodies[2], CHUNKED "800\r\n", '1', 2048, "\r\n0\r\n\r\n");
	rule_fill(&bodies[3], CHUNKED "801\r\n", '1', 2049, "\r\n0\r\n\r\n");
	/* counted without the size and its line end */
	rule_fill(&bodies[4], CHUNKED "2;", 'a', 4095, "\r\n{}\r\n0\r\n\r\n");
	rule_fill(&bodies[5], CHUNKED "2;", 'a', 4200, "\r\n{}\r\n0\r\n\r\n");
	rule_fill(&bodies[6], CHUNKED "2\r\n{}\r\n0\r\n", 'a', 8192 - 7, ": b\r\n\r\n");
	rule_fill(&bodies[7], CHUNKED "2\r\n{}\r\n0\r\n", 'a', 8192, ": b\r\n\r\n");
	RULES_HOLD(&r, bodies);
	rules_free(bodies, N(bodies));
	rules_stop(&r);
}
END_TEST

/* Those that nobody wants: read past up to http.max_body_size, and then the connection goes on. */
START_TEST(dropped_bodies_have_bounds)
{
	enum { MAX = 1 << 20 };
	struct rule dropped[] = {
	    {"9110 15.5.6: 64 KiB", .answer = {ANSWER(405, TEXT, NULL)}, .end = STAYS},
	    {"9110 15.5.6: as long as any that is taken", .answer = {ANSWER(405, TEXT, NULL)},
	     .end = STAYS},
	    {"9110 15.5.6: a byte longer", .answer = {ANSWER(405, TEXT, NULL)}, .end = LINGERS},
	    {"9112 7.1: in a chunk as long as any that is taken",
	     .answer = {ANSWER(405, TEXT, NULL)}, .end = STAYS},
	    {"9112 7.1: in a chunk a byte longer", .answer = {ANSWER(405, TEXT, NULL)}, .end = CUT},
	    /* longer than what this path takes, not than what any does */
	    {"9110 15.5.14: a product too large", .answer = {ANSWER(413, PROBLEM, NULL)},
	     .end = STAYS},
	    {"9110 15.5.14: a product too large, with more behind it",
	     .answer = {ANSWER(413, PROBLEM, NULL), HELLO("b")}, .end = STAYS},
	};
	struct rules r;

	rules_start(&r, NULL);
	rule_fill(&dropped[0], POST("/", "Content-Length: 65536\r\n"), 'x', 65536, "");
	rule_fill(&dropped[1], POST("/", "Content-Length: 1048576\r\n"), 'x', MAX, "");
	rule_fill(&dropped[2], POST("/", "Content-Length: 1048577\r\n"), 'x', MAX + 1, "");
	rule_fill(&dropped[3], POST("/", "Transfer-Encoding: chunked\r\n") "100000\r\n", 'x', MAX,
		  "\r\n0\r\n\r\n");
	rule_fill(&dropped[4], POST("/", "Transfer-Encoding: chunked\r\n") "100001\r\n", 'x',
		  MAX + 1, "\r\n0\r\n\r\n");
	rule_fill(&dropped[5], REPLACE("Content-Length: 1000000\r\n"), 'x', 1000000, "");
	rule_fill(&dropped[6], REPLACE("Content-Length: 1000000\r\n"), 'x', 1000000, GET("/b", ""));
	for (size_t i = 0; i < N(dropped); i++)
		dropped[i].only = ONLY_WHOLE;
	RULES_HOLD(&r, dropped);
	rules_free(dropped, N(dropped));
	rules_stop(&r);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "framing");

	tcase_add_test(tc, content_length_rules);
	tcase_add_test(tc, transfer_encoding_rules);
	tcase_add_test(tc, lines_rules);
	tcase_add_test(tc, chunks_rules);
	tc = it_case(s, "bounds");
	tcase_add_test(tc, bodies_have_bounds);
	tcase_add_test(tc, dropped_bodies_have_bounds);
}

int
main(void)
{
	return it_main("rules_framing", fill, 0);
}
