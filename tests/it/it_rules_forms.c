/*
 * it_rules_forms.c - the form that an answer has, and what of it a client may ask for: what can be
 * done with a path, errors for programs and for people, other origins, conditions, codings.
 *
 * What the answers of the store are besides is it_answers.c's.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "rules.h"

#define OPTIONS(target, fields) "OPTIONS " target " HTTP/1.1\r\n" HOST fields "\r\n"
#define METHOD(method, target)  method " " target " HTTP/1.1\r\n" HOST "\r\n"
#define PRODUCTS                "/api/products"
#define SMALL                   "Content-Length: 5\r\n"
#define FIVE                    "12345"

/* ---- what can be done ---- */

#define GREET_ALLOW    "Allow: GET, HEAD, OPTIONS"
#define POST_ALLOW     "Allow: GET, HEAD, POST, OPTIONS"
#define ROW_ALLOW      "Allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
#define SERVER_ALLOW   "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
#define ALLOWED(allow) ANSWER(204, allow "\n!Content-Type", "")
#define TRACED         ANSWER(405, GREET_ALLOW "\n" TEXT, NULL)

static const struct rule allowed[] = {
    RULE(STAYS, "9110 9.3.7: of the server", OPTIONS("*", ""),
	 ALLOWED(SERVER_ALLOW "\n!Accept-Post\n!Accept-Patch")),
    RULE(STAYS, "9110 9.3.7: of /", OPTIONS("/", ""), ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of a name", OPTIONS("/Ada?x", ""), ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of /health", OPTIONS("/health", ""), ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of /robots.txt", OPTIONS("/robots.txt", ""), ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of the products", OPTIONS(PRODUCTS, ""),
	 ALLOWED(POST_ALLOW "\nAccept-Post: application/json, text/csv\n!Accept-Patch")),
    RULE(STAYS, "9110 9.3.7: of a product", OPTIONS(PRODUCTS "/1", ""),
	 ALLOWED(ROW_ALLOW "\nAccept-Patch: application/merge-patch+json\n!Accept-Post")),
    RULE(STAYS, "9110 9.3.7: of /chat", OPTIONS("/chat", ""), ALLOWED(POST_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of a room", OPTIONS("/chat/room", ""), ALLOWED(POST_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of /echo", OPTIONS("/echo", ""), ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of nothing", OPTIONS("/a/b", ""), ANSWER(404, "!Allow\n" TEXT, NULL)),
    RULE(STAYS, "9110 9.3.7: of what is kept free", OPTIONS("/api", ""),
	 ANSWER(404, "!Allow\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 9.3.7: with a body", OPTIONS("/", SMALL) FIVE, ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 9.3.7: of the server, with a body", OPTIONS("*", SMALL) FIVE,
	 ALLOWED(SERVER_ALLOW)),
    RULE(ENDS, "9110 9.3.7: in 1.0", "OPTIONS / HTTP/1.0\r\n\r\n", ALLOWED(GREET_ALLOW)),
    RULE(STAYS, "9110 10.2.1: GET is not all of it", METHOD("POST", "/Ada"),
	 ANSWER(405, GREET_ALLOW "\n" TEXT, NULL)),
    RULE(STAYS, "9110 15.5.6: PUT", METHOD("PUT", "/"), ANSWER(405, GREET_ALLOW, NULL)),
    RULE(STAYS, "9110 15.5.6: PATCH", METHOD("PATCH", "/health"), ANSWER(405, GREET_ALLOW, NULL)),
    RULE(STAYS, "9110 15.5.6: DELETE", METHOD("DELETE", PRODUCTS "/export"),
	 ANSWER(405, GREET_ALLOW "\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: POST to a product", METHOD("POST", PRODUCTS "/1"),
	 ANSWER(405, ROW_ALLOW "\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: PUT of all products", METHOD("PUT", PRODUCTS),
	 ANSWER(405, POST_ALLOW "\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: PUT to a room", METHOD("PUT", "/chat/room"),
	 ANSWER(405, POST_ALLOW "\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: POST to what is said in a room", METHOD("POST", "/chat/room/history"),
	 ANSWER(405, GREET_ALLOW "\n" PROBLEM, NULL)),
    RULE(STAYS, "9110 15.5.6: POST to /echo", METHOD("POST", "/echo"),
	 ANSWER(405, GREET_ALLOW "\n" TEXT, NULL)),
    RULE(STAYS, "9110 9.3.8: TRACE of a path", METHOD("TRACE", "/"), TRACED),
    RULE(STAYS, "9110 9.3.8: TRACE shows nobody his cookies",
	 "TRACE / HTTP/1.1\r\n" HOST "Cookie: secret\r\n\r\n", TRACED),
    RULE(STAYS, "9110 9.3.8: TRACE of nothing", METHOD("TRACE", "/a/b"),
	 ANSWER(404, "!Allow", NULL)),
    RULE(LINGERS, "9110 9.3.6: CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n",
	 ANSWER(405, SERVER_ALLOW, NULL)),
};

/* ---- errors ---- */

#define NOTHING(fields)       GET("/a/b", fields)
#define NOTHING_BELOW(fields) GET("/api/x", fields)
#define IN_TEXT               ANSWER(404, TEXT "\nVary~Accept", "~\nHint: ")
#define IN_JSON               ANSWER(404, PROBLEM "\nVary~Accept", "~\"hint\":\"")

static const struct rule errors[] = {
    RULE(
	STAYS, "9110 15.5.5: a 404 lists the routes", NOTHING(""),
	ANSWER(404, TEXT,
	       "~\nGET /{name}\nGET /health\nGET /health/live\nGET /health/ready\nGET /robots.txt\n"
	       "GET /chat (WebSocket)\n")),
    RULE(STAYS, "9457 3.2: and below /api as members", NOTHING_BELOW(""),
	 ANSWER(404, PROBLEM, "~\"routes\":[\"GET /\",\"GET /{name}\",\"GET /health\"")),
    RULE(STAYS, "9110 15.5.5: those that are open to who asks", NOTHING("Via: 1.1 a\r\n"),
	 ANSWER(404, TEXT,
		"~\nGET /\nGET /{name}\nGET /health\nGET /health/live\n"
		"GET /health/ready\nGET /robots.txt\n")),
    RULE(STAYS, "9457 3.1: type, title, status and detail", NOTHING_BELOW(""),
	 ANSWER(404, PROBLEM,
		"~{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"")),
    /* programs ask below these, and people elsewhere */
    RULE(STAYS, "9457 3: below /api", NOTHING_BELOW(""), IN_JSON),
    RULE(STAYS, "9457 3: below /chat", GET("/chat/a/b", ""), IN_JSON),
    RULE(STAYS, "9457 3: at /chat", GET("/chat", ""), ANSWER(426, PROBLEM, "~\"hint\":\"")),
    RULE(STAYS, "9110 12.1: plain text elsewhere", NOTHING(""), IN_TEXT),
    RULE(STAYS, "9110 12.1: /chatter is elsewhere", GET("/chatter/b", ""), IN_TEXT),
    RULE(STAYS, "9110 12.1: /apiary is elsewhere", GET("/apiary/b", ""), IN_TEXT),
    /* unless Accept asks for the other one, and likes it better */
    RULE(STAYS, "9110 12.5.1: JSON is asked for", NOTHING("Accept: application/json\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.5.1: problems are asked for",
	 NOTHING("Accept: Application/Problem+JSON\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.5.1: text is asked for", NOTHING_BELOW("Accept: text/plain\r\n"), IN_TEXT),
    RULE(STAYS, "9110 12.5.1: anything", NOTHING("Accept: */*\r\n"), IN_TEXT),
    RULE(STAYS, "9110 12.5.1: anything, below /api", NOTHING_BELOW("Accept: */*\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.5.1: as browsers ask",
	 NOTHING_BELOW("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.4.2: the higher quality wins",
	 NOTHING("Accept: text/plain;q=0.5, application/json;q=0.6\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.4.2: wherever it stands",
	 NOTHING("Accept: application/json;q=0.501, text/plain;q=0.5\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.4.2: the lower one does not",
	 NOTHING("Accept: text/plain;q=0.5, application/json;q=0.4\r\n"), IN_TEXT),
    RULE(STAYS, "9110 12.4.2: nor does an equal one",
	 NOTHING("Accept: application/json, text/plain\r\n"), IN_TEXT),
    RULE(STAYS, "9110 12.4.2: a quality of 0 is no", NOTHING("Accept: application/json;q=0\r\n"),
	 IN_TEXT),
    RULE(STAYS, "9110 5.3: over several fields",
	 NOTHING("Accept: text/html\r\nAccept: application/json\r\n"), IN_JSON),
    RULE(STAYS, "9110 12.5.1: what cannot be had is not insisted on",
	 GET("/a", "Accept: image/png\r\n"), HELLO("a")),
    RULE(STAYS, "9110 12.5.1: nor is what cannot be understood",
	 GET("/a", "Accept: a/b/c;;q=x,,\"\r\n"), HELLO("a")),
};

/* Each status of these says what to do. */
static const struct rule hints[] = {
    RULE(LINGERS, "9110 15.5.1: 400", "GET  /\r\n", ANSWER(400, TEXT, "~\nHint: ")),
    RULE(STAYS, "9110 15.5.4: 403", GET(PRODUCTS, "Via: 1.1 a\r\n"),
	 ANSWER(403, PROBLEM, "~\"hint\":\"")),
    RULE(STAYS, "9110 15.5.6: 405", METHOD("PUT", "/"), ANSWER(405, TEXT, "~\nHint: ")),
    RULE(STAYS, "9110 15.5.12: 411", POST(PRODUCTS, JSON), ANSWER(411, PROBLEM, "~\"hint\":\"")),
    RULE(LINGERS, "9110 15.5.14: 413", POST(PRODUCTS, JSON "Content-Length: 9999999\r\n"),
	 ANSWER(413, PROBLEM, "~\"hint\":\"")),
    RULE(STAYS, "9110 15.5.16: 415", POST(PRODUCTS, SMALL) FIVE,
	 ANSWER(415, PROBLEM "\nAccept: application/json, text/csv", "~\"hint\":\"")),
    RULE(LINGERS, "9110 15.5.18: 417", GET("/", "Expect: x\r\n"), ANSWER(417, TEXT, "~\nHint: ")),
    RULE(LINGERS, "9110 15.5.20: 421", GET("ftp://localhost/", ""), ANSWER(421, TEXT, "~\nHint: ")),
    RULE(STAYS, "9110 15.5.22: 426", GET("/echo", ""), ANSWER(426, TEXT, "~\nHint: ")),
    RULE(LINGERS, "9110 15.6.2: 501", METHOD("BREW", "/"), ANSWER(501, TEXT, "~\nHint: ")),
    RULE(STAYS, "9110 15.6.4: 503", GET(PRODUCTS, ""), ANSWER(503, PROBLEM, "~\"hint\":\"")),
    RULE(LINGERS, "9110 15.6.6: 505", "GET / HTTP/2.0\r\n\r\n", ANSWER(505, TEXT, "~\nHint: ")),
};

/* ---- other origins: what the Fetch standard calls CORS ---- */

#define LISTED   "Origin: https://app.example\r\n"
#define UNLISTED "Origin: https://evil.example\r\n"
#define ASKS     "Access-Control-Request-Method: POST\r\n"
#define MAY      "Access-Control-Allow-Origin: https://app.example\nVary~Origin"
#define MAY_NOT  "!Access-Control-Allow-Origin\n!Access-Control-Allow-Methods\nVary~Origin"

static const struct rule origins[] = {
    RULE(STAYS, "6454 7: an answer for a page that is listed", GET("/a", LISTED),
	 ANSWER(200,
		MAY "\nAccess-Control-Expose-Headers~ETag\n"
		    "!Access-Control-Allow-Credentials",
		"Hello, a")),
    RULE(STAYS, "6454 7: an error, too", GET("/a/b", LISTED), ANSWER(404, MAY, NULL)),
    RULE(STAYS, "6454 7: a refused method", POST("/", LISTED), ANSWER(405, MAY, NULL)),
    RULE(STAYS, "6454 7: a page that is not listed", GET("/a", UNLISTED),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: no page at all", GET("/a", ""), ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: a page of nowhere", GET("/a", "Origin: null\r\n"),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: another scheme", GET("/a", "Origin: http://app.example\r\n"),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: another port", GET("/a", "Origin: https://app.example:444\r\n"),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: a name that goes on", GET("/a", "Origin: https://app.example.org\r\n"),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: two of them", GET("/a", LISTED UNLISTED),
	 ANSWER(200, MAY_NOT, "Hello, a")),
    RULE(STAYS, "6454 7: a page that is listed may write", POST(PRODUCTS, LISTED JSON SMALL) FIVE,
	 ANSWER(503, MAY "\n" PROBLEM, "~no-store")),
    RULE(STAYS, "6454 7: a page that is not may not", POST(PRODUCTS, UNLISTED JSON SMALL) FIVE,
	 ANSWER(403, MAY_NOT "\n" PROBLEM, "~http.origins")),
    RULE(STAYS, "9110 9.3.7: a browser asks first",
	 OPTIONS(PRODUCTS, LISTED ASKS "Access-Control-Request-Headers: content-type,x\r\n"),
	 ANSWER(204,
		MAY "\nAllow: GET, HEAD, POST, OPTIONS\nAccess-Control-Allow-Methods~POST\n"
		    "Access-Control-Allow-Headers~content-type\nAccess-Control-Allow-Headers~x\n"
		    "Access-Control-Max-Age:\nVary~Access-Control-Request-Headers",
		"")),
    RULE(STAYS, "9110 9.3.7: and asks of no fields", OPTIONS(PRODUCTS, LISTED ASKS),
	 ANSWER(204, MAY "\nAccess-Control-Allow-Methods~POST\n!Access-Control-Allow-Headers", "")),
    RULE(STAYS, "9110 9.3.7: for a page that is not listed", OPTIONS(PRODUCTS, UNLISTED ASKS),
	 ANSWER(204, MAY_NOT "\nAllow:", "")),
    RULE(STAYS, "9110 9.3.7: OPTIONS that asks nothing", OPTIONS(PRODUCTS, LISTED),
	 ANSWER(204, MAY "\n!Access-Control-Allow-Methods", "")),
};

static const struct rule no_origins[] = {
    RULE(STAYS, "6454 7: who lists none says nothing of it", GET("/a", LISTED),
	 ANSWER(200, "!Access-Control-Allow-Origin\n!Vary", "Hello, a")),
    RULE(STAYS, "9110 9.3.7: nor to who asks first", OPTIONS(PRODUCTS, LISTED ASKS),
	 ANSWER(204, "!Access-Control-Allow-Origin\n!Access-Control-Allow-Methods\nAllow:", "")),
};

/* ---- codings ---- */

#define CODED ANSWER(200, "Content-Encoding: gzip\nVary~Accept-Encoding\n" TEXT, NULL)
#define PLAIN ANSWER(200, "!Content-Encoding\nVary~Accept-Encoding\n" TEXT, "Hello, a")

static const struct rule codings[] = {
    RULE(STAYS, "9110 8.4.1.3: gzip", GET("/a", "Accept-Encoding: gzip\r\n"), CODED),
    RULE(STAYS, "9110 8.4.1: names have no case", GET("/a", "Accept-Encoding: br, GZip\r\n"),
	 CODED),
    RULE(STAYS, "9110 8.4.1.3: x-gzip is gzip", GET("/a", "Accept-Encoding: x-gzip\r\n"), CODED),
    RULE(STAYS, "9110 12.5.3: any", GET("/a", "Accept-Encoding: *\r\n"), CODED),
    RULE(STAYS, "9110 12.5.3: no field, no coding", GET("/a", ""), PLAIN),
    RULE(STAYS, "9110 12.5.3: an empty one", GET("/a", "Accept-Encoding:\r\n"), PLAIN),
    RULE(STAYS, "9110 12.5.3: others only", GET("/a", "Accept-Encoding: br, deflate\r\n"), PLAIN),
    RULE(STAYS, "9110 12.4.2: a quality of 0", GET("/a", "Accept-Encoding: gzip;q=0\r\n"), PLAIN),
    RULE(STAYS, "9110 12.4.2: of 0.000", GET("/a", "Accept-Encoding: gzip;q=0.000, *\r\n"), PLAIN),
    RULE(STAYS, "9110 12.4.2: any but not that", GET("/a", "Accept-Encoding: *;q=0\r\n"), PLAIN),
    RULE(STAYS, "9110 12.5.3: as it is is liked better",
	 GET("/a", "Accept-Encoding: identity, gzip;q=0.5\r\n"), PLAIN),
    RULE(STAYS, "9110 12.5.3: it is liked better than as it is",
	 GET("/a", "Accept-Encoding: identity;q=0.5, gzip;q=0.501\r\n"), CODED),
    RULE(STAYS, "9110 5.3: over several fields",
	 GET("/a", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n"), CODED),
    RULE(ENDS, "9110 12.5.5: 1.0 knows no Vary", "GET /a HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n",
	 ANSWER(200, "!Content-Encoding", "Hello, a")),
    RULE(STAYS, "9110 9.3.2: HEAD tells of it", HEAD("/a", "Accept-Encoding: gzip\r\n"),
	 ANSWER(200, "Content-Encoding: gzip\nVary~Accept-Encoding", HEAD_ONLY)),
    RULE(STAYS, "9110 15.5.5: errors are short enough", GET("/a/b", "Accept-Encoding: gzip\r\n"),
	 ANSWER(404, "!Content-Encoding", "~\nHint: ")),
    RULE(STAYS, "9112 9.3.2: and the next request is not behind it",
	 GET("/a", "Accept-Encoding: gzip\r\n") GET("/b", ""), CODED, HELLO("b")),
};

static const struct rule short_ones[] = {
    RULE(STAYS, "9110 8.4.1.3: shorter than http.gzip_min_size",
	 GET("/a", "Accept-Encoding: gzip\r\n"), ANSWER(200, "!Content-Encoding", "Hello, a")),
    RULE(STAYS, "9110 8.4.1.3: as long", GET("/ab", "Accept-Encoding: gzip\r\n"), CODED),
};

static const struct rule no_codings[] = {
    RULE(STAYS, "9110 8.4.1.3: by default", GET("/a", "Accept-Encoding: gzip\r\n"),
	 ANSWER(200, "!Content-Encoding\n!Vary", "Hello, a")),
};

/* ---- the name of the server ---- */

static const struct rule named[] = {
    RULE(STAYS, "9110 10.2.4: an answer", GET("/a", ""), ANSWER(200, "Server: plaza", "Hello, a")),
    RULE(STAYS, "9110 10.2.4: an error", GET("/a/b", ""), ANSWER(404, "Server: plaza", NULL)),
    RULE(LINGERS, "9110 10.2.4: of what was not understood", "\n",
	 ANSWER(400, "Server: plaza", NULL)),
    RULE(STAYS, "9110 10.2.4: without content", OPTIONS("*", ""), ANSWER(204, "Server: plaza", "")),
};

static const struct rule unnamed[] = {
    RULE(STAYS, "9110 10.2.4: an answer", GET("/a", ""), ANSWER(200, "!Server", "Hello, a")),
    RULE(STAYS, "9110 10.2.4: an error", GET("/a/b", ""), ANSWER(404, "!Server", NULL)),
    RULE(LINGERS, "9110 10.2.4: of what was not understood", "\n", ANSWER(400, "!Server", NULL)),
};

RULES_TEST(allowed, NULL)
RULES_TEST(errors, NULL)
RULES_TEST(hints, NULL)
RULES_TEST(origins, "http.origins=https://other.example https://app.example", NULL)
RULES_TEST(no_origins, NULL)
RULES_TEST(codings, "http.gzip_min_size=8", NULL)
RULES_TEST(short_ones, "http.gzip_min_size=9", NULL)
RULES_TEST(no_codings, NULL)
RULES_TEST(named, NULL)
RULES_TEST(unnamed, "http.server_header=off", NULL)

/* ---- conditions ---- */

/*
 * RFC 9110 13.1.2: what a client says that it has, @ standing for the tag of what there is,
 * and $ for that without its quotes.
 */
static const struct {
	const char *name, *fields;
	int status;
} conditions[] = {
    {"9110 13.1.2: the same", "If-None-Match: @\r\n", 304},
    {"9110 8.8.3.2: compared weakly", "If-None-Match: W/@\r\n", 304},
    {"9110 13.1.2: one of several", "If-None-Match: \"a\", W/\"b\" ,@,\"c\"\r\n", 304},
    {"9110 5.3: over several fields", "If-None-Match: \"a\"\r\nIf-None-Match: @\r\n", 304},
    {"9110 13.1.2: anything", "If-None-Match: *\r\n", 304},
    {"9110 8.8.3: a tag may have a comma", "If-None-Match: \"a,b\", @\r\n", 304},
    {"9110 13.1.2: another", "If-None-Match: \"a\"\r\n", 200},
    {"9110 8.8.3: the tag and more", "If-None-Match: \"@\"\r\n", 200},
    {"9110 8.8.3: without its quotes", "If-None-Match: $\r\n", 200},
    {"9110 13.1.2: nothing", "If-None-Match:\r\n", 200},
    {"9110 8.8.3: an open quote", "If-None-Match: \"a, @\r\n", 200},
    {"9110 13.1.3: a date counts for nothing beside a tag",
     "If-None-Match: \"a\"\r\nIf-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 200},
    {"9110 13.1.3: nor where nothing has a date",
     "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 200},
    {"9110 13.1.5: a range is ignored, whatever it depends on",
     "If-Range: @\r\nRange: bytes=0-3\r\n", 200},
};

/* `text` with the tag. */
static char *
with_tag(const char *text, const char *tag)
{
	const int len = (int)strlen(tag);
	char *out = it_printf("%s", "");

	for (; *text; text++) {
		char *more = *text == '@'   ? it_printf("%s%s", out, tag)
			     : *text == '$' ? it_printf("%s%.*s", out, len - 2, tag + 1)
					    : it_printf("%s%c", out, *text);
		free(out);
		out = more;
	}
	return out;
}

START_TEST(conditions_hold)
{
	static const char *const methods[] = {"GET", "HEAD"};
	struct rules r;
	struct http_answer a;
	char tag[128];

	rules_start(&r, NULL);
	http_request(r.port[VIA_IPV4], "GET", "/robots.txt", NULL, NULL, &a);
	ck_assert_uint_eq(http_field_count(&a, "ETag"), 1);
	snprintf(tag, sizeof(tag), "%s", http_field(&a, "ETag"));
	/* RFC 9110 8.8.3: strong, and in quotes */
	ck_assert(tag[0] == '"' && tag[strlen(tag) - 1] == '"' && strlen(tag) > 2);
	http_answer_fini(&a);
	char *same = it_printf("ETag: %s\n!Content-Length\n!Content-Type", tag);
	char *whole = it_printf("ETag: %s\nContent-Length: 25\n" TEXT, tag);
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		char *fields = with_tag(conditions[i].fields, tag);
		for (size_t m = 0; m < 2; m++) {
			char *sent = it_printf("%s /robots.txt HTTP/1.1\r\n" HOST "%s\r\n",
					       methods[m], fields);
			const bool is_same = conditions[i].status == 304;
			const struct rule rule[] = {{
			    .name = conditions[i].name,
			    .sent = sent,
			    .sent_len = strlen(sent),
			    .answer = {{conditions[i].status, is_same ? same : whole,
					m == 1    ? HEAD_ONLY
					: is_same ? ""
						  : "User-agent: *\nDisallow: /"}},
			    .end = STAYS,
			}};
			rules_hold(&r, "conditions", rule, 1);
			free(sent);
		}
		free(fields);
	}
	free(same);
	free(whole);
	rules_stop(&r);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "forms");

	tcase_add_test(tc, allowed_rules);
	tcase_add_test(tc, errors_rules);
	tcase_add_test(tc, hints_rules);
	tcase_add_test(tc, origins_rules);
	tcase_add_test(tc, no_origins_rules);
	tcase_add_test(tc, codings_rules);
	tcase_add_test(tc, short_ones_rules);
	tcase_add_test(tc, no_codings_rules);
	tcase_add_test(tc, named_rules);
	tcase_add_test(tc, unnamed_rules);
	tcase_add_test(tc, conditions_hold);
}

int
main(void)
{
	return it_main("rules_forms", fill, 0);
}
