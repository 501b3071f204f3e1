/*
 * door_talk.h - what clients send, for the tables of tests that use a door_box.
 */
#ifndef PLAZA_TESTS_FUZZ_DOOR_TALK_H
#define PLAZA_TESTS_FUZZ_DOOR_TALK_H

#define HOST                     "Host: a\r\n"
#define GET(path)                "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define ASK(path, fields)        "GET " path " HTTP/1.1\r\n" HOST fields "\r\n"
#define HEAD(path)               "HEAD " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, fields, body) "POST " path " HTTP/1.1\r\n" HOST fields "\r\n" body
#define LENGTH_OF(n)             "Content-Length: " #n "\r\n"
#define CHUNKED                  "Transfer-Encoding: chunked\r\n"
#define CONTINUE                 "Expect: 100-continue\r\n"
#define JSON                     "Content-Type: application/json\r\n"
#define UPGRADE(path)                                              \
	"GET " path " HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n" \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"      \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define TEN(x)     x x x x x x x x x x
#define HUNDRED(x) TEN(TEN(x))

#endif
