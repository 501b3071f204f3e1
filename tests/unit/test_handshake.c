/* links: src/http/chars.c src/http/handshake.c src/http/host.c $(request) */
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
    {"RFC 6455 9.1 extensions that nobody knows", 0,
     LINE ALL "Sec-WebSocket-Extensions: a;b;c=d , e ; f = \"\\g\",,\r\n"
	      "Sec-WebSocket-Extensions: h\r\n\r\n"},
    {"RFC 6455 9.1 no name", 400, LINE ALL "Sec-WebSocket-Extensions: ;a\r\n\r\n"},
    {"RFC 6455 9.1 no parameter", 400, LINE ALL "Sec-WebSocket-Extensions: a;\r\n\r\n"},
    {"RFC 6455 9.1 no value", 400, LINE ALL "Sec-WebSocket-Extensions: a;b=\r\n\r\n"},
    {"RFC 6455 9.1 two words", 400, LINE ALL "Sec-WebSocket-Extensions: a b\r\n\r\n"},
    {"RFC 6455 9.1 a quote that does not end", 400,
     LINE ALL "Sec-WebSocket-Extensions: a;b=\"c\r\n\r\n"},
    {"RFC 6455 9.1 quoted, and no token", 400,
     LINE ALL "Sec-WebSocket-Extensions: a;b=\"c d\"\r\n\r\n"},
    {"RFC 6455 9.1 nothing quoted", 400, LINE ALL "Sec-WebSocket-Extensions: a;b=\"\"\r\n\r\n"},
    {"RFC 6455 9.1 in the second field", 400,
     LINE ALL "Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: (\r\n\r\n"},
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

#define ANSWER  "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define WRITTEN "GET / HTTP/1.1\r\nHost: localhost\r\n" UP KEY VERSION

static const struct {
	const char *head, *written;
	struct handshake_choice choice;
} heads[] = {
    {"GET /chat HTTP/1.1\r\n" ALL "\r\n", WRITTEN "\r\n", {0}},
    /* what the library need not see is not there */
    {"\r\nGET /chat/a%20b?c=%00&&&& HTTP/1.7\r\nCookie: x\r\nsec-websocket-version:13\r\nhost:a\r\n"
     "Origin: http://a\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
     "connection: upgrade, keep-alive\r\nupgrade: h2c, WEBSOCKET\r\n"
     "Sec-WebSocket-Protocol: a, b\r\n"
     "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     WRITTEN "\r\n",
     {0}},
    {"GET http://b.example?q HTTP/1.1\r\n" ALL "\r\n", WRITTEN "\r\n", {0}},
    {"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: a, b\r\nX: y\r\n" ALL "\r\n",
     WRITTEN "Sec-WebSocket-Protocol: b\r\n\r\n",
     {.protocol = "b"}},
    {"GET / HTTP/1.1\r\n" ALL "\r\n",
     WRITTEN "Sec-WebSocket-Protocol: chat.v1.json\r\nSec-WebSocket-Extensions: " ANSWER
	     "; server_max_window_bits=15\r\n\r\n",
     {.protocol = "chat.v1.json", .deflate = ANSWER "; server_max_window_bits=15"}},
};

START_TEST(the_head_is_written_anew)
{
	char out[2048];
	const char *message, *fields;
	size_t room = parse(heads[_i].head) + HANDSHAKE_HEAD_EXTRA;
	size_t len = strlen(heads[_i].written);

	ck_assert_int_eq(handshake_check(&request, &message, &fields), 0);
	ck_assert_uint_le(room, sizeof(out));
	ck_assert_uint_eq(handshake_write_head(&request, &heads[_i].choice, out, room), len);
	ck_assert_msg(memcmp(out, heads[_i].written, len) == 0, "%.*s", (int)len, out);
	/* in a block of its own, so that a sanitizer sees a byte too many */
	for (size_t size = 0; size <= len; size++) {
		char *exact = malloc(size ? size : 1);

		ck_assert_ptr_nonnull(exact);
		ck_assert_uint_eq(handshake_write_head(&request, &heads[_i].choice, exact, size),
				  size == len ? len : 0);
		free(exact);
	}
}
END_TEST

#define PMD "permessage-deflate"

static const struct {
	const char *rule;
	const char *fields;
	const char *answer;
} offers[] = {
    {"no offer", "", NULL},
    {"RFC 7692 7.1 a bare one", PMD, ANSWER},
    {"RFC 7692 7.1.2.2 as browsers do it", PMD "; client_max_window_bits", ANSWER},
    {"RFC 7692 7.1.2.2 with a value", PMD "; client_max_window_bits=8", ANSWER},
    {"RFC 7692 7.1.2.2 of two digits", PMD "; client_max_window_bits=10", ANSWER},
    {"RFC 7692 7.1.1 all there is, without space",
     PMD ";client_no_context_takeover;server_no_context_takeover;client_max_window_bits", ANSWER},
    {"RFC 7692 7.1.2.1 a window that we have", PMD "; server_max_window_bits=15",
     ANSWER "; server_max_window_bits=15"},
    {"RFC 6455 9.1 in quotes", PMD "; server_max_window_bits=\"15\"",
     ANSWER "; server_max_window_bits=15"},
    {"RFC 7692 7.1.2.1 a smaller window", PMD "; server_max_window_bits=14", NULL},
    {"RFC 7692 7.1.2.1 the smallest window", PMD "; server_max_window_bits=8", NULL},
    {"RFC 7692 5.2 a fallback", PMD "; server_max_window_bits=10, " PMD, ANSWER},
    {"RFC 7692 5.2 in another field",
     PMD "; server_max_window_bits=10\r\nSec-WebSocket-Extensions: " PMD, ANSWER},
    {"RFC 6455 9.1 behind one that we do not know", "x-webkit-deflate-frame, " PMD, ANSWER},
    {"RFC 6455 9.1 with its own parameter", "a; b=\"c\"," PMD, ANSWER},
    {"RFC 7692 7.1 unknown parameter", PMD "; window=15", NULL},
    {"RFC 7692 7.1 the wrong one is passed over", PMD "; window=15," PMD, ANSWER},
    {"RFC 7692 7.1 twice", PMD "; client_max_window_bits; client_max_window_bits=15", NULL},
    {"RFC 7692 7.1.1.1 a value", PMD "; server_no_context_takeover=true", NULL},
    {"RFC 7692 7.1.1.2 a value", PMD "; client_no_context_takeover=1", NULL},
    {"RFC 7692 7.1.2.1 no value", PMD "; server_max_window_bits", NULL},
    {"RFC 7692 7.1.2.1 0", PMD "; server_max_window_bits=0", NULL},
    {"RFC 7692 7.1.2.1 7", PMD "; server_max_window_bits=7", NULL},
    {"RFC 7692 7.1.2.1 16", PMD "; server_max_window_bits=16", NULL},
    {"RFC 7692 7.1.2.1 a leading zero", PMD "; server_max_window_bits=015", NULL},
    {"RFC 7692 7.1.2.1 two of them", PMD "; server_max_window_bits=08", NULL},
    {"RFC 7692 7.1.2.1 a sign", PMD "; server_max_window_bits=+9", NULL},
    {"RFC 7692 7.1.2.1 more digits", PMD "; server_max_window_bits=150", NULL},
    {"RFC 7692 7.1.2.2 16", PMD "; client_max_window_bits=16", NULL},
    {"RFC 7692 7.1.2.2 no number", PMD "; client_max_window_bits=a", NULL},
    {"RFC 7692 11.1 a name that begins alike", PMD "d", NULL},
};

START_TEST(compression_is_negotiated)
{
	char head[1024];
	const char *message, *fields;

	snprintf(head, sizeof(head), LINE ALL "%s%s%s\r\n",
		 offers[_i].fields[0] ? "Sec-WebSocket-Extensions: " : "", offers[_i].fields,
		 offers[_i].fields[0] ? "\r\n" : "");
	parse(head);
	ck_assert_msg(handshake_check(&request, &message, &fields) == 0, "%s", offers[_i].rule);
	const char *answer = handshake_deflate(&request);
	if (!answer || !offers[_i].answer)
		ck_assert_msg(answer == offers[_i].answer, "%s: %s", offers[_i].rule, answer);
	else
		ck_assert_str_eq(answer, offers[_i].answer);
}
END_TEST

START_TEST(subprotocols_are_found_by_their_whole_name)
{
	static const struct {
		const char *fields;
		bool is_offered;
	} table[] = {
	    {"", false},
	    {"Sec-WebSocket-Protocol: chat.v1.json\r\n", true},
	    {"Sec-WebSocket-Protocol: a,\tchat.v1.json ,b\r\n", true},
	    {"sec-websocket-protocol: a\r\nX: y\r\nSec-WebSocket-Protocol: b,chat.v1.json\r\n",
	     true},
	    {"Sec-WebSocket-Protocol: Chat.v1.json\r\n", false},
	    {"Sec-WebSocket-Protocol: chat.v1.jso\r\n", false},
	    {"Sec-WebSocket-Protocol: chat.v1.json2\r\n", false},
	    {"Sec-WebSocket-Protocol: chat.v1.json x\r\n", false},
	    {"Sec-WebSocket-Protocol: \"chat.v1.json\"\r\n", false},
	    {"Sec-WebSocket-Extensions: chat.v1.json\r\n", false},
	};
	char head[1024];

	for (int i = 0; i < N(table); i++) {
		snprintf(head, sizeof(head), LINE ALL "%s\r\n", table[i].fields);
		parse(head);
		ck_assert_msg(handshake_offers_protocol(&request, SPAN_LIT("chat.v1.json")) ==
				  table[i].is_offered,
			      "%s", table[i].fields);
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
	tcase_add_loop_test(tc, compression_is_negotiated, 0, N(offers));
	tcase_add_test(tc, subprotocols_are_found_by_their_whole_name);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
