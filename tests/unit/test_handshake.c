/* links: src/http/chars.c src/http/handshake.c src/http/host.c src/http/request.c */
/*
 * test_handshake.c - WebSocket handshakes: which are taken, and the head written anew.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/handshake.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define HOST     "Host: localhost:8080\r\n"
#define UP       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"
#define ALL      HOST UP KEY VERSION

static struct request request;

static size_t
parse(const char *head)
{
	struct request_parser parser = {0};
	size_t head_len = 0;

	ck_assert_msg(request_parse(&parser, head, strlen(head), 16384, &request, &head_len) ==
			  REQUEST_COMPLETE,
		      "%s: %s", head, parser.error_message);
	return head_len;
}

#define LINE    "GET /chat HTTP/1.1\r\n"
#define NO_KEY  LINE HOST UP VERSION
#define NO_VERS LINE HOST UP KEY

static const struct {
	const char *rule;
	int status;
	const char *head;
} handshakes[] = {
    {"RFC 6455 4.2.1 all there is", 0, LINE ALL "\r\n"},
    {"RFC 6455 4.2.1 a higher version of HTTP", 0, "GET /chat HTTP/1.2\r\n" ALL "\r\n"},
    {"RFC 6455 4.2.1 lists, in any case", 0,
     LINE HOST "upgrade: h2c, WebSocket\r\nconnection: keep-alive, UPGRADE\r\n" KEY VERSION "\r\n"},
    {"RFC 9112 6.3 a body of nothing", 0, LINE ALL "Content-Length: 0\r\n\r\n"},
    {"RFC 9110 15.5.22 no handshake", 426, LINE HOST "\r\n"},
    {"RFC 9110 7.8 of HTTP/1.0", 426, "GET /chat HTTP/1.0\r\n" ALL "\r\n"},
    {"RFC 9110 7.8 Upgrade that Connection does not list", 426,
     LINE HOST "Upgrade: websocket\r\n" KEY VERSION "\r\n"},
    {"RFC 6455 4.2.1 no Upgrade", 426, LINE HOST "Connection: Upgrade\r\n" KEY VERSION "\r\n"},
    {"RFC 9110 7.8 another protocol", 426,
     LINE HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"},
    {"RFC 9110 7.8 one that begins alike", 426,
     LINE HOST "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"},
    {"RFC 6455 4.2.1 POST", 426, "POST /chat HTTP/1.1\r\n" ALL "\r\n"},
    {"RFC 6455 4.2.1 HEAD", 426, "HEAD /chat HTTP/1.1\r\n" ALL "\r\n"},
    {"RFC 6455 4.4 no version", 426, NO_VERS "\r\n"},
    {"RFC 6455 4.4 an older version", 426, NO_VERS "Sec-WebSocket-Version: 8\r\n\r\n"},
    {"RFC 6455 4.4 several versions", 426, NO_VERS "Sec-WebSocket-Version: 13, 8\r\n\r\n"},
    {"RFC 6455 4.3 a version with a zero before it", 426,
     NO_VERS "Sec-WebSocket-Version: 013\r\n\r\n"},
    {"RFC 6455 11.3.5 the version twice", 426, LINE ALL VERSION "\r\n"},
    {"RFC 6455 4.2.1 no key", 400, NO_KEY "\r\n"},
    {"RFC 6455 11.3.1 the key twice", 400, LINE ALL KEY "\r\n"},
    {"RFC 6455 4.2.1 an empty key", 400, NO_KEY "Sec-WebSocket-Key:\r\n\r\n"},
    {"RFC 6455 4.2.1 a key of 15 bytes", 400,
     NO_KEY "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n\r\n"},
    {"RFC 6455 4.2.1 a key of 17 bytes", 400,
     NO_KEY "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"},
    {"RFC 6455 4.2.1 a key that is not padded", 400,
     NO_KEY "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n\r\n"},
    {"RFC 6455 4.2.1 a key in the alphabet of URLs", 400,
     NO_KEY "Sec-WebSocket-Key: AAAAAAAAAAA-AAAAAAAAAA==\r\n\r\n"},
    {"RFC 6455 4.2.1 a key padded at its start", 400,
     NO_KEY "Sec-WebSocket-Key: =AAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"},
    {"RFC 9110 9.3.1 a body", 400, LINE ALL "Content-Length: 1\r\n\r\n"},
    {"RFC 9110 9.3.1 a body in chunks", 400, LINE ALL "Transfer-Encoding: chunked\r\n\r\n"},
};

START_TEST(only_whole_handshakes_are_taken)
{
	const char *message, *fields;
	int status;

	parse(handshakes[_i].head);
	status = handshake_check(&request, &message, &fields);
	ck_assert_msg(status == handshakes[_i].status, "%s: %d", handshakes[_i].rule, status);
	ck_assert_int_eq(message != NULL, status != 0);
	switch (status) {
	case 426:
		ck_assert_str_eq(fields, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
		break;
	default: ck_assert_ptr_null(fields);
	}
}
END_TEST

START_TEST(an_upgrade_is_told_from_an_ordinary_request)
{
	parse("GET / HTTP/1.1\r\n" ALL "\r\n");
	ck_assert(handshake_wanted(&request));
	/* wrong, but one */
	parse("POST / HTTP/1.1\r\n" HOST UP "\r\n");
	ck_assert(handshake_wanted(&request));
	parse("GET / HTTP/1.1\r\n" HOST KEY VERSION "\r\n");
	ck_assert(!handshake_wanted(&request));
	parse("GET / HTTP/1.0\r\n" ALL "\r\n");
	ck_assert(!handshake_wanted(&request));
	parse("GET / HTTP/1.1\r\n" HOST
	      "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n");
	ck_assert(!handshake_wanted(&request));
}
END_TEST

#define WRITTEN "GET / HTTP/1.1\r\nHost: localhost\r\n" UP KEY VERSION

static const struct {
	const char *head, *written;
} heads[] = {
    {"GET /chat HTTP/1.1\r\n" ALL "\r\n", WRITTEN "\r\n"},
    /* what the library need not see is not there */
    {"\r\nGET /chat/a%20b?c=%00&&&& HTTP/1.7\r\nCookie: x\r\nsec-websocket-version:13\r\nhost:a\r\n"
     "Origin: http://a\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
     "connection: upgrade, keep-alive\r\nupgrade: h2c, WEBSOCKET\r\n"
     "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     WRITTEN "\r\n"},
    {"GET http://b.example?q HTTP/1.1\r\n" ALL "\r\n", WRITTEN "\r\n"},
    {"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: a, b\r\nX: y\r\n" HOST UP KEY VERSION
     "Sec-WebSocket-Protocol:c\r\n\r\n",
     WRITTEN "Sec-WebSocket-Protocol: a, b, c\r\n\r\n"},
};

START_TEST(the_head_is_written_anew)
{
	char out[1024];
	const char *message, *fields;
	size_t room = parse(heads[_i].head) + HANDSHAKE_HEAD_EXTRA;
	size_t len = strlen(heads[_i].written);

	ck_assert_int_eq(handshake_check(&request, &message, &fields), 0);
	ck_assert_uint_le(room, sizeof(out));
	ck_assert_uint_eq(handshake_write_head(&request, out, room), len);
	ck_assert_msg(memcmp(out, heads[_i].written, len) == 0, "%.*s", (int)len, out);
	/* in a block of its own, so that a sanitizer sees a byte too many */
	for (size_t size = 0; size <= len; size++) {
		char *exact = malloc(size ? size : 1);

		ck_assert_ptr_nonnull(exact);
		ck_assert_uint_eq(handshake_write_head(&request, exact, size),
				  size == len ? len : 0);
		free(exact);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("handshake");
	TCase *tc = tcase_create("handshake");

	tcase_add_loop_test(tc, only_whole_handshakes_are_taken, 0, N(handshakes));
	tcase_add_test(tc, an_upgrade_is_told_from_an_ordinary_request);
	tcase_add_loop_test(tc, the_head_is_written_anew, 0, N(heads));
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
