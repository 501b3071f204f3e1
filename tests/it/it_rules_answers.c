/*
 * it_rules_answers.c - what users look at: methods, statuses and their fields, bodies wanted and
 * not, connections that stay and that end.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "rules.h"

#define EXPECT    "Expect: 100-continue\r\n"
#define PRODUCTS  "/api/products"
#define WEBSOCKET "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

#define ACCEPTED                                                                 \
	ANSWER(101,                                                              \
	       "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: " \
	       "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",                                   \
	       "")

/* ---- connections that stay, and that end ---- */

static const struct rule persistence[] = {
    RULE(STAYS, "9112 9.3: 1.1 stays", GET("/a", ""), HELLO("a")),
    RULE(ENDS, "9112 9.6: unless the client says close", GET("/a", "Connection: close\r\n"),
	 HELLO("a")),
    RULE(ENDS, "9110 7.6.1: options have no case", GET("/a", "connection:\tCLOSE\r\n"), HELLO("a")),
    RULE(ENDS, "9110 7.6.1: one of several", GET("/a", "Connection: x, close ,y\r\n"), HELLO("a")),
    RULE(ENDS, "9110 7.6.1: in the last of several fields",
	 GET("/a", "Connection: x\r\nA: b\r\nConnection: ,close\r\n"), HELLO("a")),
    RULE(ENDS, "9112 9.3: close wins over keep-alive",
	 GET("/a", "Connection: keep-alive, close\r\n"), HELLO("a")),
    RULE(STAYS, "9110 7.6.1: another option", GET("/a", "Connection: closed, not-close\r\n"),
	 HELLO("a")),
    RULE(STAYS, "9112 9.3: keep-alive in 1.1 says nothing new",
	 GET("/a", "Connection: keep-alive\r\n"), ANSWER(200, "!Connection", "Hello, a")),
    RULE(ENDS, "9112 9.3: 1.0 ends", "GET /a HTTP/1.0\r\n" HOST "\r\n", HELLO("a")),
    RULE(STAYS, "9112 9.3: unless it says keep-alive, and then it is told",
	 "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	 ANSWER(200, "Connection: keep-alive", "Hello, a")),
    RULE(ENDS, "9112 9.3: close wins over keep-alive in 1.0",
	 "GET /a HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", HELLO("a")),
    RULE(STAYS, "9112 9.3: an error that is framed ends nothing", GET("/a/b", ""),
	 ANSWER(404, TEXT, NULL)),
    /* what comes together; a client that sends it later writes to a closed connection */
    RULE_ONLY(ONLY_WHOLE, LINGERS, "9112 9.6: nothing is answered after close",
	      GET("/a", "Connection: close\r\n") GET("/b", ""), HELLO("a")),
    RULE_ONLY(ONLY_WHOLE, LINGERS, "9112 9.6: nor is what could not be framed",
	      GET("/a", "Connection: close\r\n") "\0\r\n\r\n", HELLO("a")),
    RULE_ONLY(ONLY_WHOLE, LINGERS, "9112 9.3: nothing is answered after 1.0",
	      "GET /a HTTP/1.0\r\n\r\n" GET("/b", ""), HELLO("a")),
    RULE(STAYS, "9112 9.3.2: pipelined requests are answered in order",
	 GET("/a", "") HEAD("/b", "") GET("/a/b", "")
	     POST("/c", "Content-Length: 3\r\n") "abc" GET("/d", ""),
	 HELLO("a"), ANSWER(200, TEXT, HEAD_ONLY), ANSWER(404, TEXT, NULL), ANSWER(405, TEXT, NULL),
	 HELLO("d")),
    RULE(STAYS, "9110 7.8: an upgrade that is not known is not done",
	 GET("/a", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"),
	 ANSWER(200, "!Upgrade", "Hello, a")),
};

/* ---- methods ---- */

static const struct rule methods[] = {
    RULE(STAYS, "9110 9.3.2: HEAD of /", HEAD("/", ""),
	 ANSWER(200, "Content-Length: 16\n" TEXT, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of a name", HEAD("/Ada", ""),
	 ANSWER(200, "Content-Length: 10\n" TEXT, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of /health", HEAD("/health", ""),
	 ANSWER(200, "Content-Length: 2\nCache-Control: no-store", HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of /robots.txt", HEAD("/robots.txt", ""),
	 ANSWER(200, "Content-Length: 25", HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of nothing", HEAD("/a/b", ""),
	 ANSWER(404, "Content-Length:\n" TEXT, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of a WebSocket", HEAD("/chat", ""),
	 ANSWER(426, "Upgrade: websocket\nContent-Length:", HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of the products", HEAD(PRODUCTS, ""),
	 ANSWER(503, "Content-Length:\n" PROBLEM, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD of a product", HEAD(PRODUCTS "/1", ""),
	 ANSWER(503, "Content-Length:\n" PROBLEM, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.2: HEAD in 1.0", "HEAD /Ada HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	 ANSWER(200, "Content-Length: 10\nConnection: keep-alive", HEAD_ONLY)),
    RULE(ENDS, "9110 9.3.2: HEAD that ends", HEAD("/Ada", "Connection: close\r\n"),
	 ANSWER(200, "Content-Length: 10", HEAD_ONLY)),
    /* the head was not read, so nobody knows that it was HEAD */
    RULE(LINGERS, "9110 9.3.2: HEAD that is not understood", "HEAD /Ada HTTP/1.1\r\n\r\n",
	 ANSWER(400, TEXT, NULL)),
    RULE(STAYS, "9110 14.2: Range is ignored", GET("/Ada", "Range: bytes=0-3\r\n"),
	 ANSWER(200, "!Content-Range", "Hello, Ada")),
    RULE(STAYS, "9110 14.2: whatever it is", GET("/Ada", "Range: bytes=9-1,x\r\nRange: y\r\n"),
	 ANSWER(200, "!Content-Range", "Hello, Ada")),
    RULE(STAYS, "9110 13.1.5: and If-Range with it",
	 GET("/Ada", "Range: bytes=0-3\r\nIf-Range: \"x\"\r\n"),
	 ANSWER(200, "!Content-Range", "Hello, Ada")),
};

/* ---- bodies that are not wanted ---- */

#define SMALL   "Content-Length: 5\r\n"
#define FIVE    "12345"
#define CODED   "Transfer-Encoding: chunked\r\n"
#define TRAPPED "GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n"

static const struct rule unwanted[] = {
    RULE(STAYS, "9110 15.5.6: a body of a method that is not taken", POST("/", SMALL) FIVE,
	 ANSWER(405, "Allow:\n" TEXT, NULL)),
    RULE(STAYS, "9112 9.3: it is no request, though it looks like one",
	 POST("/", "Content-Length: 36\r\n") TRAPPED, ANSWER(405, TEXT, NULL)),
    RULE(STAYS, "9112 7.1: in chunks", POST("/", CODED) "5\r\n12345\r\n0\r\nA: b\r\n\r\n",
	 ANSWER(405, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.5: where there is nothing", POST("/a/b", SMALL) FIVE,
	 ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.5: at a path that is kept free", POST("/ui", SMALL) FIVE,
	 ANSWER(404, TEXT, NULL)),
    RULE(STAYS, "9110 9.3.1: of GET", GET("/a", SMALL) FIVE, ANSWER(413, TEXT, NULL)),
    RULE(STAYS, "9110 9.3.2: of HEAD", HEAD("/a", SMALL) FIVE, ANSWER(413, TEXT, HEAD_ONLY)),
    RULE(STAYS, "9110 9.3.1: of GET, in chunks", GET("/a", CODED) "0\r\n\r\n",
	 ANSWER(413, TEXT, NULL)),
    RULE(STAYS, "9110 15.5.16: of another type",
	 POST(PRODUCTS, "Content-Type: text/plain\r\n" SMALL) FIVE,
	 ANSWER(415, PROBLEM, "~application/json")),
    RULE(STAYS, "9110 8.3: of no type", POST(PRODUCTS, SMALL) FIVE, ANSWER(415, PROBLEM, NULL)),
    RULE(STAYS, "9110 8.3: of two types", POST(PRODUCTS, JSON JSON SMALL) FIVE,
	 ANSWER(415, PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.16: in a coding",
	 POST(PRODUCTS, JSON "Content-Encoding: gzip\r\n" SMALL) FIVE,
	 ANSWER(415, PROBLEM "\nAccept-Encoding:", NULL)),
    RULE(STAYS, "9110 15.5.12: of no length", POST(PRODUCTS, JSON), ANSWER(411, PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.4: of who may not", POST(PRODUCTS, JSON "Via: 1.1 a\r\n" SMALL) FIVE,
	 ANSWER(403, PROBLEM, "~server.public")),
    RULE_ONLY(ONLY_IP, STAYS, "9110 7.4: of who asks somebody else",
	      "POST " PRODUCTS " HTTP/1.1\r\nHost: a.example\r\n" JSON SMALL "\r\n" FIVE,
	      ANSWER(421, PROBLEM, "~server.names")),
    RULE(STAYS, "9110 8.3.1: parameters of a type are no matter",
	 POST(PRODUCTS, "Content-Type: Application/JSON ; charset=utf-8\r\n" SMALL) FIVE,
	 ANSWER(503, PROBLEM, "~no-store")),
    RULE(LINGERS, "9110 15.5.14: longer than any that is taken",
	 POST("/", "Content-Length: 1048577\r\n"), ANSWER(405, "Allow:\n" TEXT, NULL)),
    RULE(STAYS, "9112 6.3: of 0 bytes", POST("/", "Content-Length: 0\r\n"),
	 ANSWER(405, TEXT, NULL)),
    RULE(STAYS, "9112 9.3: in 1.0 that is kept alive",
	 "POST / HTTP/1.0\r\nConnection: keep-alive\r\n" SMALL "\r\n" FIVE,
	 ANSWER(405, "Connection: keep-alive\n" TEXT, NULL)),
    RULE(STAYS, "9112 9.3.2: of several, in order",
	 POST("/", SMALL) FIVE POST("/a/b", CODED) "5\r\n12345\r\n0\r\n\r\n" GET("/a", SMALL) FIVE,
	 ANSWER(405, TEXT, NULL), ANSWER(404, TEXT, NULL), ANSWER(413, TEXT, NULL)),
    RULE(TAKEN, "6455 4.1: before a handshake", POST("/", SMALL) FIVE GET("/echo", WEBSOCKET KEY),
	 ANSWER(405, TEXT, NULL), ACCEPTED),
    RULE(ENDS, "9112 9.6: of a client that wants the end anyway",
	 POST("/", "Connection: close\r\n" SMALL) FIVE, ANSWER(405, TEXT, NULL)),
    /* the answer is out by then: all that can be done is to end */
    RULE(CUT, "9112 7.1: in chunks that are none", POST("/", CODED) "x\r\n",
	 ANSWER(405, TEXT, NULL)),
    RULE(CUT, "9112 7.1: in chunks longer than any that are taken", POST("/", CODED) "100001\r\n",
	 ANSWER(405, TEXT, NULL)),
    /* it may send the body or not, and so the next byte could be either */
    RULE(LINGERS, "9110 10.1.1: not sent for, and not waited for", POST("/", EXPECT SMALL),
	 ANSWER(405, TEXT, NULL)),
};

static const struct rule expectations[] = {
    RULE(LINGERS, "9110 10.1.1: no 100 for a body of another type",
	 POST(PRODUCTS, "Content-Type: text/plain\r\n" EXPECT SMALL), ANSWER(415, PROBLEM, NULL)),
    RULE(LINGERS, "9110 10.1.1: no 100 for a body that is too long",
	 POST(PRODUCTS, JSON EXPECT "Content-Length: 1048577\r\n"), ANSWER(413, PROBLEM, NULL)),
    RULE(LINGERS, "9110 10.1.1: no 100 where there is nothing", POST("/a/b", EXPECT SMALL),
	 ANSWER(404, TEXT, NULL)),
    RULE(LINGERS, "9110 10.1.1: no 100 for whom it is forbidden",
	 POST(PRODUCTS, "Via: 1.1 a\r\n" JSON EXPECT SMALL), ANSWER(403, PROBLEM, NULL)),
    RULE_ONLY(ONLY_WHOLE, STAYS, "9110 10.1.1: no 100 when the body is there",
	      POST(PRODUCTS, JSON EXPECT SMALL) FIVE, ANSWER(503, PROBLEM, "~no-store")),
    RULE(STAYS, "9110 10.1.1: no 100 where no body follows", GET("/a", EXPECT), HELLO("a")),
    RULE(STAYS, "9110 10.1.1: no 100 for a body of 0 bytes",
	 POST(PRODUCTS, JSON EXPECT "Content-Length: 0\r\n"), ANSWER(503, PROBLEM, "~no-store")),
    RULE(ENDS, "9110 10.1.1: no 100 to 1.0",
	 "POST " PRODUCTS " HTTP/1.0\r\n" JSON EXPECT SMALL "\r\n" FIVE,
	 ANSWER(503, PROBLEM, "~no-store")),
    RULE(STAYS, "9110 10.1.1: expectations have no case",
	 GET("/a", "Expect: 100-Continue, 100-CONTINUE\r\n"), HELLO("a")),
    RULE(LINGERS, "9110 15.5.18: another expectation", GET("/a", "Expect: 200-ok\r\n"),
	 ANSWER(417, TEXT, NULL)),
    RULE(LINGERS, "9110 15.5.18: another one beside it", GET("/a", EXPECT "Expect: x\r\n"),
	 ANSWER(417, TEXT, NULL)),
};

/* ---- WebSockets ---- */

#define UPGRADE "Upgrade: websocket"
static const struct rule upgrades[] = {
    RULE(TAKEN, "6455 4.2.2: a handshake", GET("/chat", WEBSOCKET KEY), ACCEPTED),
    RULE(TAKEN, "9112 9.3.2: after a request that is answered",
	 GET("/a", "") GET("/echo", WEBSOCKET KEY), HELLO("a"), ACCEPTED),
    RULE(STAYS, "9110 15.5.22: no handshake", GET("/chat", ""),
	 ANSWER(426, UPGRADE "\nConnection: Upgrade\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.22: another protocol",
	 GET("/echo", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
	 ANSWER(426, UPGRADE "\nConnection: Upgrade\n" TEXT, NULL)),
    RULE(STAYS, "6455 4.2.1: another version",
	 GET("/chat",
	     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n" KEY),
	 ANSWER(426, "Sec-WebSocket-Version: 13\n" UPGRADE, NULL)),
    RULE(STAYS, "6455 4.2.1: no key", GET("/chat", WEBSOCKET), ANSWER(400, PROBLEM, NULL)),
    RULE(STAYS, "6455 4.2.1: a key of 15 bytes",
	 GET("/chat", WEBSOCKET "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"),
	 ANSWER(400, PROBLEM, NULL)),
    RULE(STAYS, "6455 11.3.1: two keys", GET("/chat", WEBSOCKET KEY KEY),
	 ANSWER(400, PROBLEM, NULL)),
    RULE(STAYS, "6455 10.2: a page of somebody else",
	 GET("/chat", WEBSOCKET KEY "Origin: http://a.example\r\n"),
	 ANSWER(403, PROBLEM, "~http.origins")),
    RULE(STAYS, "9110 7.8: upgrades of 1.0 are ignored",
	 "GET /chat HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
	 "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
	 ANSWER(426, "Upgrade: websocket\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 7.6.1: Connection does not list it",
	 GET("/chat", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" KEY),
	 ANSWER(426, "Upgrade: websocket\n" PROBLEM, NULL)),
    RULE(TAKEN, "6455 4.2.1: in a list of protocols, in any case",
	 GET("/echo", "Connection: keep-alive, UPGRADE\r\nUpgrade: h2c, WebSocket\r\n"
		      "Sec-WebSocket-Version: 13\r\n" KEY),
	 ACCEPTED),
    RULE(STAYS, "6455 4.1: a handshake with a body", GET("/chat", WEBSOCKET KEY SMALL) FIVE,
	 ANSWER(400, PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: another method",
	 "DELETE /chat HTTP/1.1\r\n" HOST WEBSOCKET KEY "\r\n",
	 ANSWER(405, "Allow:\n" PROBLEM, NULL)),
};

RULES_TEST(persistence, NULL)
RULES_TEST(methods, NULL)
RULES_TEST(unwanted, NULL)
RULES_TEST(expectations, NULL)
RULES_TEST(upgrades, NULL)

/* ---- answers that take turns with what the client sends ---- */

static void
holds(char *wrong)
{
	ck_assert_msg(!wrong, "%s", wrong);
}

static void
expect_answer(struct http_conn *c, const struct rule_answer *want)
{
	bool is_last;

	holds(rule_read(c, want, &is_last));
	ck_assert(!is_last);
}

/* RFC 9110 10.1.1, 15.2.1: 100 before the body is sent, and the answer after it. */
START_TEST(bodies_are_sent_for)
{
	static const char *const heads[] = {
	    POST(PRODUCTS, JSON EXPECT "Content-Length: 2\r\n"),
	    POST(PRODUCTS, JSON EXPECT CODED),
	};
	static const char *const bodies[] = {"{}", "2\r\n{}\r\n0\r\n\r\n"};
	const struct rule_answer go_on = {100, "!Content-Length", ""};
	const struct rule_answer done = {503, PROBLEM, "~no-store"};
	struct rules r;
	struct http_conn c;

	rules_start(&r, NULL);
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		if (!rules_have(&r, via))
			continue;
		rules_open(&r, via, &c);
		for (int i = 0; i < 4; i++) {
			http_send_text(&c, heads[i % 2]);
			expect_answer(&c, &go_on);
			http_send_text(&c, bodies[i % 2]);
			expect_answer(&c, &done);
		}
		http_close(&c);
	}
	rules_stop(&r);
}
END_TEST

/* RFC 9112 9.6: a client that has shut its side has said all, and is owed all answers. */
START_TEST(half_closed_clients_are_answered)
{
	static const struct rule said[] = {
	    RULE(ENDS, "one", GET("/a", ""), HELLO("a")),
	    RULE(ENDS, "several", GET("/a", "") GET("/a/b", "") GET("/c", ""), HELLO("a"),
		 ANSWER(404, TEXT, NULL), HELLO("c")),
	    RULE(ENDS, "with a body", POST(PRODUCTS, JSON "Content-Length: 2\r\n") "{}",
		 ANSWER(503, PROBLEM, "~no-store")),
	    RULE(ENDS, "a body that is dropped", POST("/", SMALL) FIVE, ANSWER(405, TEXT, NULL)),
	    RULE(ENDS, "half of a body that is dropped", POST("/", SMALL) "12",
		 ANSWER(405, TEXT, NULL)),
	    /* to these there is no answer */
	    RULE(ENDS, "nothing", "", ANSWER(0, NULL, NULL)),
	    RULE(ENDS, "half of a head", "GET /a HTTP/1.1\r\nHo", ANSWER(0, NULL, NULL)),
	    RULE(ENDS, "a head too many", GET("/a", "") "GET", HELLO("a")),
	    RULE(ENDS, "half of a body", POST(PRODUCTS, JSON SMALL) "{", ANSWER(0, NULL, NULL)),
	    RULE(ENDS, "half of a chunk", POST(PRODUCTS, JSON CODED) "5\r\n{",
		 ANSWER(0, NULL, NULL)),
	};
	struct rules r;
	struct http_conn c;

	rules_start(&r, NULL);
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		for (size_t i = 0; rules_have(&r, via) && i < sizeof(said) / sizeof(said[0]); i++) {
			bool is_last;
			rules_open(&r, via, &c);
			http_send(&c, said[i].sent, said[i].sent_len);
			ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
			for (size_t k = 0; said[i].answer[k].status; k++)
				holds(rule_read(&c, &said[i].answer[k], &is_last));
			holds(rule_read_end(&c));
			http_close(&c);
		}
	}
	rules_stop(&r);
}
END_TEST

/* RFC 9110 6.6.1, 5.6.7: the Date of an answer is the time of its making, in the one format. */
START_TEST(answers_have_the_date)
{
	struct rules r;
	struct http_answer a;
	struct tm tm = {0};

	rules_start(&r, NULL);
	const time_t before = time(NULL);
	http_request(r.port[VIA_IPV4], "GET", "/", NULL, NULL, &a);
	const time_t after = time(NULL);
	const char *date = http_field(&a, "Date");
	const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	ck_assert_msg(end && !*end, "Date: %s", date);
	const time_t told = timegm(&tm);
	ck_assert_msg(told >= before - 1 && told <= after, "Date: %s", date);
	char again[64];
	strftime(again, sizeof(again), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	ck_assert_str_eq(again, date);
	http_answer_fini(&a);
	rules_stop(&r);
}
END_TEST

/* ---- slow answers ---- */

/* RFC 9112 9.3.2: whichever is ready first, answers come in the order of the requests. */
START_TEST(slow_and_fast_answers_keep_their_order)
{
	static const struct rule mixed[] = {
	    RULE(STAYS, "9112 9.3.2: slow, fast, slow, fast",
		 GET(PRODUCTS "/1", "") GET("/a", "") GET(PRODUCTS "/2", "") GET("/b", ""),
		 ANSWER(503, PROBLEM "\nRetry-After:", NULL), HELLO("a"),
		 ANSWER(503, PROBLEM, NULL), HELLO("b")),
	    RULE(ENDS, "9112 9.6: the end waits for a slow one too",
		 GET(PRODUCTS "/1", "Connection: close\r\n"), ANSWER(503, PROBLEM, NULL)),
	    RULE_ONLY(ONLY_WHOLE, LINGERS, "9112 9.6: and nothing behind it is answered",
		      GET(PRODUCTS "/1", "Connection: close\r\n") GET("/b", ""),
		      ANSWER(503, PROBLEM, NULL)),
	    RULE(LINGERS, "9112 9.3.2: what cannot be framed waits for its turn",
		 GET(PRODUCTS "/1", "") "GET  /\r\n", ANSWER(503, PROBLEM, NULL),
		 ANSWER(400, TEXT, NULL)),
	    RULE(TAKEN, "9112 9.3.2: an upgrade waits for its turn",
		 GET(PRODUCTS "/1", "") GET("/echo", WEBSOCKET KEY), ANSWER(503, PROBLEM, NULL),
		 ACCEPTED),
	};
	struct rules r;
	int fd;
	char *database = rules_mute_database(&fd);

	rules_start(&r, database, "store.queue_timeout=100ms", "store.connect_timeout=5m", NULL);
	RULES_HOLD(&r, mixed);
	rules_stop(&r);
	close(fd);
	free(database);
}
END_TEST

/* RFC 9112 7.1: the content is what the chunks hold, wherever they are cut. */
START_TEST(chunks_are_put_together)
{
	static const struct rule cuts[] = {
	    RULE(STAYS, "9112 7.1: one chunk",
		 POST(PRODUCTS, JSON CODED) "a\r\n{\"name\":5}\r\n0\r\n\r\n",
		 ANSWER(422, PROBLEM, "~/name")),
	    RULE(STAYS, "9112 7.1: chunks of one byte",
		 POST(PRODUCTS,
		      JSON CODED) "1\r\n{\r\n1\r\n\"\r\n1\r\nn\r\n1\r\na\r\n1\r\nm\r\n1\r\ne"
				  "\r\n1\r\n\"\r\n1\r\n:\r\n1\r\n5\r\n1\r\n}\r\n0\r\n\r\n",
		 ANSWER(422, PROBLEM, "~/name")),
	    RULE(STAYS, "9112 7.1.2: trailers are no part of it",
		 POST(PRODUCTS, JSON CODED) "a\r\n{\"name\":5}\r\n0\r\nA: b\r\n\r\n",
		 ANSWER(422, PROBLEM, "~/name")),
	    RULE(STAYS, "9112 7.1: an empty one is empty", POST(PRODUCTS, JSON CODED) "0\r\n\r\n",
		 ANSWER(400, PROBLEM, NULL)),
	};
	struct rules r;
	int fd;
	char *database = rules_mute_database(&fd);

	rules_start(&r, database, "store.connect_timeout=5m", NULL);
	RULES_HOLD(&r, cuts);
	rules_stop(&r);
	close(fd);
	free(database);
}
END_TEST

/* ---- as people do it ---- */

/* With curl, which speaks for many. */
START_TEST(curl_is_served_over_all_transports)
{
	struct rules r;
	struct run run;

	run_args(&run, NULL, "sh", "-c", "command -v curl", NULL);
	const bool has_curl = run.status == 0;
	run_fini(&run);
	if (!has_curl) {
		fprintf(stderr, "no curl here: curl_is_served is not run\n");
		return;
	}
	rules_start(&r, NULL);
	char *urls[VIA_COUNT] = {
	    [VIA_IPV4] = it_printf("http://127.0.0.1:%u", r.port[VIA_IPV4]),
	    [VIA_IPV6] = it_printf("http://[::1]:%u", r.port[VIA_IPV6]),
	    [VIA_UNIX] = it_printf("http://localhost"),
	};
	for (enum rule_via via = 0; via < VIA_COUNT; via++) {
		const bool is_unix = via == VIA_UNIX;
		if (!rules_have(&r, via)) {
			free(urls[via]);
			continue;
		}
		char *name = it_printf("%s/Ada", urls[via]);
		char *products = it_printf("%s" PRODUCTS, urls[via]);
		/* two requests on one connection */
		run_args(&run, NULL, "curl", "-sgS", "-m", "20", is_unix ? "--unix-socket" : "-q",
			 is_unix ? r.path : "-q", name, name, NULL);
		ck_assert_msg(run.status == 0, "%s", run.err);
		ck_assert_str_eq(run.out, "Hello, AdaHello, Ada");
		run_fini(&run);
		run_args(&run, NULL, "curl", "-sgSI", "-m", "20", is_unix ? "--unix-socket" : "-q",
			 is_unix ? r.path : "-q", name, NULL);
		ck_assert_msg(run.status == 0, "%s", run.err);
		ck_assert_ptr_nonnull(strstr(run.out, "HTTP/1.1 200 OK\r\n"));
		ck_assert_ptr_nonnull(strstr(run.out, "\r\nContent-Length: 10\r\n"));
		run_fini(&run);
		/* a body, sent for */
		run_args(&run, NULL, "curl", "-sgS", "-m", "20", is_unix ? "--unix-socket" : "-q",
			 is_unix ? r.path : "-q", "-H", "Expect: 100-continue", "--json", "{}",
			 products, NULL);
		ck_assert_msg(run.status == 0, "%s", run.err);
		ck_assert_ptr_nonnull(strstr(run.out, "no-store"));
		run_fini(&run);
		free(name);
		free(products);
		free(urls[via]);
	}
	rules_stop(&r);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "answers");

	tcase_add_test(tc, persistence_rules);
	tcase_add_test(tc, methods_rules);
	tcase_add_test(tc, unwanted_rules);
	tcase_add_test(tc, expectations_rules);
	tcase_add_test(tc, upgrades_rules);
	tc = it_case(s, "turns");
	tcase_add_test(tc, bodies_are_sent_for);
	tcase_add_test(tc, half_closed_clients_are_answered);
	tcase_add_test(tc, answers_have_the_date);
	tcase_add_test(tc, slow_and_fast_answers_keep_their_order);
	tcase_add_test(tc, chunks_are_put_together);
	tcase_add_test(tc, curl_is_served_over_all_transports);
}

int
main(void)
{
	return it_main("rules_answers", fill, 0);
}
