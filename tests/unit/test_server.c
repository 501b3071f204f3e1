/* links: src/http/server.c src/http/door.c src/http/conn.c src/http/exchange.c src/http/response.c
 * src/http/problem.c src/http/request.c src/http/chunked.c src/http/route.c src/http/access.c
 * src/http/host.c src/http/handshake.c src/http/chars.c src/base/log.c src/base/clock.c
 * src/base/loop.c src/base/deadline.c src/base/buffer.c -levent_core -ljansson */
/*
 * A front door in a child process with routes of our own, and raw client sockets here: what is
 * asserted is what a client sees. All waiting is for bytes or for the end of a stream, with a
 * deadline.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "http/route.h"
#include "http/server.h"

#define DEADLINE_MS 10000
#define BIG_SIZE    ((size_t)12 << 20)

/* ---- the child ---- */

struct options {
	uint64_t header_ms, body_ms, idle_ms, write_ms;
	uint64_t max_connections;
	rlim_t descriptors; /* 0: as they are */
};

static struct loop *loop;
static struct http_server *server;
static struct route_table routes;
static struct watch stop_signal;
static struct watch abort_signal;
static char *big;
/* the parent reads a byte when the drain has begun, and the end when the child has ended */
static int report;
/* for /stats */
static unsigned handled, gone;
/* held by /hold until /release */
static struct exchange *held[8];
static size_t n_held;

struct later {
	struct watch timer;
	struct exchange *x;
	char body[32];
};

static void
reply_text(struct exchange *x, const char *body)
{
	struct reply reply = {.status = 200, .content_type = "text/plain", .body = span_str(body)};

	exchange_reply(x, &reply);
}

static void
later_cb(void *arg, short what)
{
	struct later *later = arg;

	(void)what;
	reply_text(later->x, later->body);
	free(later);
}

static void
gone_cb(struct exchange *x, void *ctx)
{
	(void)x;
	(void)ctx;
	gone++;
}

/* GET /slow/{ms} */
static void
slow_handle(struct exchange *x, void *ctx)
{
	struct later *later = calloc(1, sizeof(*later));
	struct span ms = exchange_param(x, 0);

	(void)ctx;
	handled++;
	later->x = x;
	snprintf(later->body, sizeof(later->body), "slow %.*s", (int)ms.len, ms.ptr);
	exchange_on_gone(x, gone_cb, NULL);
	watch_init_timer(&later->timer, loop, "test", later_cb, later);
	watch_start_ms(&later->timer, strtoul(later->body + 5, NULL, 10));
}

/* GET /fast/{word} */
static void
fast_handle(struct exchange *x, void *ctx)
{
	char body[300];
	struct span word = exchange_param(x, 0);

	(void)ctx;
	handled++;
	snprintf(body, sizeof(body), "fast %.*s", (int)word.len, word.ptr);
	reply_text(x, body);
}

static void
big_handle(struct exchange *x, void *ctx)
{
	struct reply reply = {.status = 200, .body = {big, BIG_SIZE}};

	(void)ctx;
	handled++;
	exchange_reply(x, &reply);
}

/* POST /json and /text: the body comes back */
static void
body_handle(struct exchange *x, void *ctx)
{
	struct reply reply = {.status = 200, .body = exchange_body(x)};

	(void)ctx;
	handled++;
	exchange_reply(x, &reply);
}

static void
hold_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	handled++;
	exchange_on_gone(x, gone_cb, NULL);
	held[n_held++] = x;
}

/* Answers all that is held, from inside another handler. */
static void
release_handle(struct exchange *x, void *ctx)
{
	char body[32];

	(void)ctx;
	snprintf(body, sizeof(body), "released %zu", n_held);
	while (n_held)
		reply_text(held[--n_held], "held");
	reply_text(x, body);
}

static void
stats_handle(struct exchange *x, void *ctx)
{
	char body[80];

	(void)ctx;
	snprintf(body, sizeof(body), "handled %u gone %u held %zu connections %zu", handled, gone,
		 n_held, http_server_connections(server));
	reply_text(x, body);
}

/* GET /up: takes the socket, writes the head that it was given to it, and closes. */
static void
up_upgrade(struct exchange *x, void *ctx)
{
	struct upgrade_socket socket;

	(void)ctx;
	if (!exchange_take_socket(x, &socket)) {
		exchange_error(x, 503, "No.", NULL);
		return;
	}
	(void)!write(socket.fd, socket.is_local ? "local\n" : "not local\n",
		     socket.is_local ? 6 : 10);
	(void)!write(socket.fd, socket.head.ptr, socket.head.len);
	close(socket.fd);
}

static void
refuse_upgrade(struct exchange *x, void *ctx)
{
	(void)ctx;
	exchange_error(x, 503, "No.", NULL);
}

/* Closes every connection from inside a handler, and then answers. */
static void
abort_handle(struct exchange *x, void *ctx)
{
	struct span body = exchange_body(x);
	char last;

	(void)ctx;
	http_server_abort(server);
	/* views are good until the reply, whatever happens to the connection */
	last = body.len ? body.ptr[body.len - 1] : '-';
	reply_text(x, last == '!' ? "yes" : "no");
}

static void
drained_cb(void *ctx)
{
	(void)ctx;
	loop_stop(loop);
}

static void
stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	http_server_drain(server, drained_cb, NULL);
	(void)!write(report, "d", 1);
}

static void
abort_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	http_server_abort(server);
}

static void
add(const char *pattern, unsigned methods, void (*handle)(struct exchange *x, void *ctx),
    size_t body_limit, const char *body_type)
{
	route_add(&routes, &(struct route){.methods = methods,
					   .pattern = pattern,
					   .scope = SCOPE_GREET,
					   .body_limit = body_limit,
					   .body_type = body_type,
					   .handle = handle});
}

static int
serve(const struct options *options, int fd)
{
	const unsigned get = HTTP_METHOD_BIT(HTTP_GET);
	const unsigned post = HTTP_METHOD_BIT(HTTP_POST);
	static char greet[] = "greet";
	static char *public[] = {greet};
	struct config config = {
	    .server_public = {1, public},
	    .http_header_timeout = options->header_ms ? options->header_ms : DEADLINE_MS * 2,
	    .http_body_timeout = options->body_ms ? options->body_ms : DEADLINE_MS * 2,
	    .http_min_body_rate = 1000,
	    .http_idle_timeout = options->idle_ms ? options->idle_ms : DEADLINE_MS * 2,
	    .http_write_timeout = options->write_ms ? options->write_ms : DEADLINE_MS * 2,
	    .http_max_header_size = 4096,
	    .http_max_body_size = 100000,
	    .http_max_connections = options->max_connections,
	};
	struct listen_address address = {.is_loopback = true, .text = "127.0.0.1:0"};
	struct rlimit limit;

	big = malloc(BIG_SIZE);
	memset(big, 'x', BIG_SIZE);
	add("/slow/{ms}", get, slow_handle, 0, NULL);
	add("/fast/{word}", get, fast_handle, 0, NULL);
	add("/big", get, big_handle, 0, NULL);
	add("/json", post, body_handle, 1000, "application/json");
	add("/text", post, body_handle, 1 << 20, NULL);
	add("/api/json", post, body_handle, 1000, "application/json");
	add("/hold", get, hold_handle, 0, NULL);
	add("/release", get, release_handle, 0, NULL);
	add("/stats", get, stats_handle, 0, NULL);
	add("/abort", post, abort_handle, 1000, NULL);
	add("/nothing", get | post, fast_handle, ROUTE_BODY_UNREAD, NULL);
	route_add(&routes, &(struct route){.methods = get,
					   .pattern = "/up",
					   .scope = SCOPE_GREET,
					   .upgrade = up_upgrade});
	route_add(&routes, &(struct route){.methods = get,
					   .pattern = "/up/no",
					   .scope = SCOPE_GREET,
					   .upgrade = refuse_upgrade});
	route_add(&routes, &(struct route){.methods = get,
					   .pattern = "/private",
					   .scope = SCOPE_STORE_READ,
					   .handle = fast_handle});
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	loop = loop_new();
	server = http_server_new(loop, &config, &routes);
	if (!server || !http_server_listen(server, fd, &address) ||
	    !http_server_listen(server, fd, &address))
		return 1;
	if (options->descriptors) {
		if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
			return 1;
		limit.rlim_cur = options->descriptors;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			return 1;
	}
	watch_init_signal(&stop_signal, loop, SIGTERM, "stop", stop_cb, NULL);
	watch_init_signal(&abort_signal, loop, SIGUSR1, "abort", abort_cb, NULL);
	if (!watch_start(&stop_signal) || !watch_start(&abort_signal))
		return 1;
	loop_run(loop);
	watch_stop(&stop_signal);
	watch_stop(&abort_signal);
	http_server_free(&server);
	/* what is still held is answered after the server is gone: exactly once all the same */
	while (n_held)
		reply_text(held[--n_held], "late");
	loop_free(&loop);
	free(big);
	return 0;
}

/* ---- the fixture ---- */

static pid_t child;
static int child_report;
static struct sockaddr_in where;

static void
start(const struct options *options)
{
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int ends[2];

	where =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&where, len), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		close(ends[0]);
		report = ends[1];
		/* not _exit: a sanitizer looks for leaks at exit */
		exit(serve(options, fd));
	}
	close(ends[1]);
	close(fd);
	child_report = ends[0];
	signal(SIGPIPE, SIG_IGN);
}

static int
left_ms(uint64_t until_ms)
{
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < until_ms ? (int)(until_ms - now_ms) : 0;
}

/* What the child reports: a byte, or its end. */
static ssize_t
wait_report(void)
{
	struct pollfd pfd = {.fd = child_report, .events = POLLIN};
	char byte;

	ck_assert_msg(poll(&pfd, 1, DEADLINE_MS) == 1, "the server does not end");
	return read(child_report, &byte, 1);
}

static void
wait_child(void)
{
	int status;

	ck_assert_int_eq(wait_report(), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ended with %x",
		      (unsigned)status);
	close(child_report);
}

/* Every test ends with a drain that has to succeed. */
static void
stop(void)
{
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(wait_report(), 1);
	wait_child();
}

/* ---- clients ---- */

struct client {
	int fd;
	size_t len;
	size_t used; /* of data: shown to the test already */
	char data[65536];
};

struct answer {
	int status;
	char head[2048];
	size_t len;
	char body[4096]; /* its beginning, when it is longer */
};

static void
client_open(struct client *c)
{
	c->len = c->used = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(c->fd, 0);
	ck_assert_msg(connect(c->fd, (struct sockaddr *)&where, sizeof(where)) == 0, "connect: %s",
		      strerror(errno));
}

static void
client_close(struct client *c)
{
	close(c->fd);
}

/* With a reset, which cannot be mistaken for a half-close. */
static void
client_reset(struct client *c)
{
	struct linger linger = {1, 0};

	ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(c->fd);
}

static void
client_send_bytes(struct client *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

static void
client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

/* More bytes into data; false at the end of the stream. */
static bool
client_fill(struct client *c, uint64_t until_ms)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLIN};

	if (c->used) {
		memmove(c->data, c->data + c->used, c->len - c->used);
		c->len -= c->used;
		c->used = 0;
	}
	ck_assert_uint_lt(c->len, sizeof(c->data));
	ck_assert_msg(poll(&pfd, 1, left_ms(until_ms)) == 1, "no answer within the deadline");
	ssize_t n = recv(c->fd, c->data + c->len, sizeof(c->data) - c->len, 0);
	ck_assert_msg(n >= 0, "recv: %s", strerror(errno));
	c->len += (size_t)n;
	return n > 0;
}

/* The next answer; `is_head` when it is one to HEAD. */
static void
client_read(struct client *c, struct answer *answer, bool is_head)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	const char *end;

	while (!(end = memmem(c->data + c->used, c->len - c->used, "\r\n\r\n", 4)))
		ck_assert_msg(client_fill(c, until_ms), "the stream ended before an answer");
	size_t head_len = (size_t)(end + 4 - (c->data + c->used));
	ck_assert_uint_lt(head_len, sizeof(answer->head));
	memcpy(answer->head, c->data + c->used, head_len);
	answer->head[head_len] = '\0';
	c->used += head_len;
	ck_assert_int_eq(sscanf(answer->head, "HTTP/1.1 %d ", &answer->status), 1);
	answer->len = 0;
	answer->body[0] = '\0';
	if (answer->status == 100)
		return;
	ck_assert_ptr_nonnull(strstr(answer->head, "\r\nDate: "));
	ck_assert_ptr_nonnull(strstr(answer->head, "\r\nX-Content-Type-Options: nosniff\r\n"));
	const char *length = strstr(answer->head, "\r\nContent-Length: ");
	ck_assert_ptr_nonnull(length);
	answer->len = strtoul(length + 18, NULL, 10);
	for (size_t got = 0; !is_head && got < answer->len;) {
		if (c->used == c->len)
			ck_assert_msg(client_fill(c, until_ms), "the stream ended within a body");
		size_t n = c->len - c->used;
		if (n > answer->len - got)
			n = answer->len - got;
		for (size_t i = 0; i < n && got + i + 1 < sizeof(answer->body); i++) {
			answer->body[got + i] = c->data[c->used + i];
			answer->body[got + i + 1] = '\0';
		}
		c->used += n;
		got += n;
	}
}

static void
expect(struct client *c, int status, const char *body)
{
	struct answer answer;

	client_read(c, &answer, false);
	ck_assert_msg(answer.status == status, "%d instead of %d: %s", answer.status, status,
		      answer.body);
	if (body)
		ck_assert_str_eq(answer.body, body);
}

/* Nothing but the end of the stream is left, and it is no reset. */
static void
expect_end(struct client *c)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;

	ck_assert_uint_eq(c->len, c->used);
	ck_assert_msg(!client_fill(c, until_ms), "more than was expected: %.*s",
		      (int)(c->len - c->used), c->data + c->used);
	client_close(c);
}

/* Waits until the server says so of itself. */
static void
expect_stats(const char *wanted)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;
	struct client c;
	struct answer answer;

	client_open(&c);
	do {
		client_send(&c, "GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
		client_read(&c, &answer, false);
		ck_assert_msg(left_ms(until_ms) > 0, "%s instead of %s", answer.body, wanted);
	} while (strcmp(answer.body, wanted) != 0);
	client_close(&c);
}

#define GET(path)                "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path, fields, body) "POST " path " HTTP/1.1\r\nHost: localhost\r\n" fields "\r\n" body

/* ---- one request, one answer ---- */

static const struct {
	const char *request;
	int status;
	bool ends;          /* the server closes afterwards */
	const char *body;   /* NULL: any text */
	const char *fields; /* a part of the head, or NULL */
} singles[] = {
    {GET("/fast/a"), 200, false, "fast a", NULL},
    {GET("/fast/a?b=c"), 200, false, "fast a", NULL},
    {GET("/none"), 404, false, NULL, "Content-Type: text/plain; charset=utf-8\r\n"},
    {GET("/api/none"), 404, false, NULL, "Content-Type: application/problem+json\r\n"},
    {GET("/api"), 404, false, NULL, "Content-Type: application/problem+json\r\n"},
    {GET("/apis"), 404, false, NULL, "Content-Type: text/plain"},
    {"POST /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, false, NULL, "Allow: GET, HEAD\r\n"},
    {"DELETE /json HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, false, NULL, "Allow: POST\r\n"},
    {POST("/fast/a", "Content-Length: 3\r\n", "abc"), 405, true, NULL, "Allow: GET, HEAD\r\n"},
    {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, false, NULL,
     "Allow: GET, HEAD, POST\r\n"},
    {"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 405, true, NULL,
     "Allow: GET, HEAD, POST\r\n"},
    {"BREW /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, true, NULL, NULL},
    {"GET /fast/a HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\n\r\n", 400, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200, true, "fast a",
     "Connection: close\r\n"},
    {"GET /fast/a HTTP/1.0\r\n\r\n", 200, true, "fast a", "Connection: close\r\n"},
    {"GET /fast/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false, "fast a",
     "Connection: keep-alive\r\n"},
    {"GET /slow/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false, "slow 1",
     "Connection: keep-alive\r\n"},
    {"GET /fast/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, false, NULL, NULL},
    {"GET /none HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, false, NULL, NULL},
    {"GET /private HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy\r\n\r\n", 403, false, NULL, NULL},
    /* bodies */
    {POST("/json", "Content-Type: application/json\r\nContent-Length: 2\r\n", "{}"), 200, false,
     "{}", NULL},
    {POST("/json", "Content-Type: Application/JSON ; charset=utf-8\r\nContent-Length: 2\r\n", "{}"),
     200, false, "{}", NULL},
    {POST("/json", "Content-Type: application/json\r\nContent-Length: 0\r\n", ""), 200, false, "",
     NULL},
    {POST("/json", "Content-Length: 2\r\n", "{}"), 415, true, NULL, "text/plain"},
    {POST("/api/json", "Content-Type: text/json\r\nContent-Length: 2\r\n", "{}"), 415, true, NULL,
     "application/problem+json"},
    {POST("/json", "Content-Type: application/jsonx\r\nContent-Length: 2\r\n", "{}"), 415, true,
     NULL, NULL},
    {POST("/json", "Content-Type: application/json\r\nContent-Length: 1001\r\n", ""), 413, true,
     NULL, NULL},
    {POST("/text", "Content-Length: 100001\r\n", ""), 413, true, NULL, NULL},
    {POST("/json", "", ""), 411, false, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n", 413, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 200, false, "fast a",
     NULL},
    {POST("/nothing", "Content-Length: 5\r\n", "ab"), 200, true, "fast ", NULL},
    {POST("/text", "Expect: a-miracle\r\nContent-Length: 1\r\n", ""), 417, true, NULL, NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n",
	  "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n"),
     200, false, "abcde", NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 200, false, "", NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "x\r\n"), 400, true, NULL, NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "186a1\r\n"), 413, true, NULL, NULL},
    {POST("/json", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "1f4\r\n"),
     0, false, NULL, NULL},
    {POST("/api/json", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
	  "3e9\r\n"),
     413, true, NULL, "application/problem+json"},
    /* upgrades */
    {GET("/up"), 426, false, NULL, "Upgrade: websocket\r\n"},
    {GET("/up"), 426, false, NULL, "Connection: upgrade\r\n"},
    {"GET /up/no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
     503, false, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200,
     false, "fast a", NULL},
};

/* Also what is split at the worst places has the same answer. */
START_TEST(test_single)
{
	const size_t cuts[] = {SIZE_MAX, 1, 7};
	struct client c;
	struct answer answer;

	if (singles[_i].status == 0)
		return; /* valid so far, and unanswered */
	start(&(struct options){0});
	for (size_t k = 0; k < 3; k++) {
		const char *p = singles[_i].request;
		size_t len = strlen(p);

		client_open(&c);
		while (len) {
			size_t n = len < cuts[k] ? len : cuts[k];

			/* what was refused early need not take the rest */
			if (send(c.fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
				break;
			p += n;
			len -= n;
		}
		client_read(&c, &answer, false);
		ck_assert_msg(answer.status == singles[_i].status, "%s -> %d %s",
			      singles[_i].request, answer.status, answer.body);
		if (singles[_i].body)
			ck_assert_str_eq(answer.body, singles[_i].body);
		else
			ck_assert_uint_gt(answer.len, 0);
		if (singles[_i].fields)
			ck_assert_msg(strstr(answer.head, singles[_i].fields) != NULL, "%s",
				      answer.head);
		ck_assert_int_eq(strstr(answer.head, "Connection: close") != NULL,
				 singles[_i].ends);
		if (singles[_i].ends) {
			expect_end(&c);
		} else {
			client_send(&c, GET("/fast/again"));
			expect(&c, 200, "fast again");
			client_close(&c);
		}
	}
	stop();
}
END_TEST

START_TEST(test_head)
{
	struct client c;
	struct answer answer;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, "HEAD /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"HEAD /slow/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"HEAD /none HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/fast/b"));
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 6);
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 6);
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 404);
	expect(&c, 200, "fast b");
	client_close(&c);
	stop();
}
END_TEST

/* ---- order ---- */

START_TEST(test_pipeline)
{
	struct client c;
	char wanted[32];

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, GET("/slow/30") GET("/fast/1") GET("/slow/1") GET("/none") GET("/slow/10")
			    POST("/text", "Content-Length: 4\r\n", "body") GET("/fast/2"));
	expect(&c, 200, "slow 30");
	expect(&c, 200, "fast 1");
	expect(&c, 200, "slow 1");
	expect(&c, 404, NULL);
	expect(&c, 200, "slow 10");
	expect(&c, 200, "body");
	expect(&c, 200, "fast 2");
	/* many, across the borders of the server's reads */
	for (int i = 0; i < 5000; i++) {
		char request[64];
		int n = snprintf(request, sizeof(request),
				 "GET /fast/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);

		client_send_bytes(&c, request, (size_t)n);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(wanted, sizeof(wanted), "fast %d", i);
		expect(&c, 200, wanted);
	}
	client_close(&c);
	stop();
}
END_TEST

/* While an answer is awaited, what follows is bounded, and then it is all served. */
START_TEST(test_pipeline_behind_held)
{
	enum { N = 20000 };
	struct client c;
	struct client other;
	const char *request = GET("/fast/x");
	size_t len = strlen(request);
	char *all = malloc(len * N);
	size_t sent = 0;

	start(&(struct options){0});
	for (size_t i = 0; i < N; i++)
		memcpy(all + i * len, request, len);
	client_open(&c);
	int small = 65536;
	ck_assert_int_eq(setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	for (;;) {
		ssize_t n = send(c.fd, all + sent, len * N - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
		ck_assert_uint_lt(sent, len * N);
	}
	/* none of them was handled */
	expect_stats("handled 1 gone 0 held 1 connections 2");
	client_open(&other);
	client_send(&other, GET("/release"));
	expect(&other, 200, "released 1");
	expect(&c, 200, "held");
	for (size_t i = 0; i < sent / len; i++)
		expect(&c, 200, "fast x");
	client_close(&other);
	client_close(&c);
	free(all);
	stop();
}
END_TEST

/* Answers that come from inside other handlers, several at once, on several connections. */
START_TEST(test_release_from_elsewhere)
{
	struct client c[4];

	start(&(struct options){0});
	for (int i = 0; i < 4; i++)
		client_open(&c[i]);
	for (int i = 0; i < 3; i++)
		client_send(&c[i], GET("/hold") GET("/fast/after"));
	expect_stats("handled 3 gone 0 held 3 connections 5");
	client_send(&c[3], GET("/fast/before") GET("/release") GET("/fast/behind"));
	expect(&c[3], 200, "fast before");
	expect(&c[3], 200, "released 3");
	expect(&c[3], 200, "fast behind");
	for (int i = 0; i < 3; i++) {
		expect(&c[i], 200, "held");
		expect(&c[i], 200, "fast after");
	}
	for (int i = 0; i < 4; i++)
		client_close(&c[i]);
	stop();
}
END_TEST

/* ---- bodies ---- */

START_TEST(test_continue)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
	expect(&c, 100, NULL);
	client_send(&c, "hello");
	expect(&c, 200, "hello");
	/* not needed when the body is there already */
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 5\r\n", "he"));
	client_send(&c, "llo");
	expect(&c, 200, "hello");
	/* nor wanted for a body that is refused */
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 500000\r\n", ""));
	expect(&c, 413, NULL);
	expect_end(&c);
	/* and unknown to HTTP/1.0 */
	client_open(&c);
	client_send(&c, "POST /text HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	client_send(&c, "hello");
	expect(&c, 200, "hello");
	expect_end(&c);
	stop();
}
END_TEST

START_TEST(test_long_body)
{
	struct client c;
	struct answer answer;
	char *body = malloc(100000);
	char head[128];

	start(&(struct options){0});
	for (size_t i = 0; i < 100000; i++)
		body[i] = (char)('a' + i % 23);
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 100000\r\n", ""));
	client_send_bytes(&c, body, 100000);
	client_read(&c, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 100000);
	ck_assert_mem_eq(answer.body, body, sizeof(answer.body) - 1);
	/* the same in chunks of 999, with a request behind it */
	client_send(&c, POST("/text", "Transfer-Encoding: chunked\r\n", ""));
	for (size_t at = 0; at < 99900; at += 999) {
		client_send(&c, "3e7\r\n");
		client_send_bytes(&c, body + at, 999);
		client_send(&c, "\r\n");
	}
	snprintf(head, sizeof(head), "0\r\n\r\n%s", GET("/fast/b"));
	client_send(&c, head);
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, 99900);
	ck_assert_mem_eq(answer.body, body, sizeof(answer.body) - 1);
	expect(&c, 200, "fast b");
	client_close(&c);
	free(body);
	stop();
}
END_TEST

/* A client that first sends all of a refused body still reads its answer: no reset destroys it. */
START_TEST(test_refused_body_lingers)
{
	struct client c;
	char *body = calloc(1, 3 << 20);

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 3145728\r\n", ""));
	client_send_bytes(&c, body, 3 << 20);
	expect(&c, 413, NULL);
	expect_end(&c);
	expect_stats("handled 0 gone 0 held 0 connections 1");
	/* who never stops is closed in the end */
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 999999999\r\n", ""));
	for (int i = 0; i < 100; i++)
		if (send(c.fd, body, 1 << 20, MSG_NOSIGNAL) < 0)
			break;
		else
			ck_assert_int_lt(i, 99);
	client_close(&c);
	free(body);
	stop();
}
END_TEST

/* ---- ends ---- */

START_TEST(test_half_close)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, GET("/slow/20") GET("/fast/1") GET("/slow/1"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect(&c, 200, "slow 20");
	expect(&c, 200, "fast 1");
	expect(&c, 200, "slow 1");
	expect_end(&c);
	/* within a head, or a body: nothing can be answered */
	client_open(&c);
	client_send(&c, "GET /fast");
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 5\r\n", "he"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect_end(&c);
	client_open(&c);
	client_send(&c, GET("/big"));
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	expect(&c, 200, NULL);
	expect_end(&c);
	stop();
}
END_TEST

START_TEST(test_nothing_after_close)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, "GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" GET(
			    "/fast/b"));
	expect(&c, 200, "fast a");
	expect_end(&c);
	client_open(&c);
	client_send(&c, "GET /slow/5 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" GET(
			    "/fast/b"));
	expect(&c, 200, "slow 5");
	expect_end(&c);
	expect_stats("handled 2 gone 0 held 0 connections 1");
	stop();
}
END_TEST

/* The client leaves, the exchange stays, is told once and is answered once. */
START_TEST(test_gone)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	client_reset(&c);
	expect_stats("handled 1 gone 1 held 1 connections 1");
	client_open(&c);
	client_send(&c, GET("/release"));
	expect(&c, 200, "released 1");
	client_close(&c);
	/* answered when it is too late to be told, and when it is not yet known */
	client_open(&c);
	client_send(&c, GET("/slow/1"));
	client_reset(&c);
	client_open(&c);
	client_send(&c, GET("/slow/40"));
	expect(&c, 200, "slow 40");
	client_close(&c);
	stop();
}
END_TEST

START_TEST(test_abort)
{
	struct client c;
	struct client idle;

	start(&(struct options){0});
	client_open(&idle);
	client_send(&idle, GET("/fast/a"));
	expect(&idle, 200, "fast a");
	client_open(&c);
	client_send(&c, GET("/hold"));
	expect_stats("handled 2 gone 0 held 1 connections 3");
	ck_assert_int_eq(kill(child, SIGUSR1), 0);
	expect_end(&idle);
	expect_end(&c);
	expect_stats("handled 2 gone 1 held 1 connections 1");
	/* the held one outlives the server: see serve() */
	stop();
}
END_TEST

START_TEST(test_abort_in_handler)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, POST("/abort", "Content-Length: 4\r\n", "all!") GET("/fast/a"));
	expect_end(&c);
	client_open(&c);
	client_send(&c, POST("/abort", "Content-Length: 4\r\n", "al"));
	client_send(&c, "l!");
	expect_end(&c);
	expect_stats("handled 0 gone 0 held 0 connections 1");
	stop();
}
END_TEST

/* ---- output ---- */

START_TEST(test_big_answers)
{
	struct client c;
	struct answer answer;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, GET("/big") GET("/fast/a") GET("/big"));
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	expect(&c, 200, "fast a");
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	client_send(&c, GET("/fast/b"));
	expect(&c, 200, "fast b");
	client_close(&c);
	stop();
}
END_TEST

/* A client that takes nothing is not answered without end, and is closed. */
START_TEST(test_no_taker)
{
	struct client c;

	start(&(struct options){.write_ms = 300});
	client_open(&c);
	for (int i = 0; i < 20; i++)
		client_send(&c, GET("/big"));
	/* one answer is in hand; the others wait */
	expect_stats("handled 1 gone 0 held 0 connections 2");
	expect_stats("handled 1 gone 0 held 0 connections 1");
	client_close(&c);
	stop();
}
END_TEST

/* ---- deadlines ---- */

#define TIMEOUT_MS 200

static void
expect_waited(uint64_t began_ms)
{
	uint64_t waited_ms = clock_monotonic_ms() - began_ms;

	ck_assert_msg(waited_ms >= TIMEOUT_MS, "only %u ms", (unsigned)waited_ms);
	ck_assert_msg(waited_ms < TIMEOUT_MS + DEADLINE_MS / 2, "%u ms", (unsigned)waited_ms);
}

START_TEST(test_idle_timeout)
{
	struct client c;
	uint64_t began_ms = clock_monotonic_ms();

	start(&(struct options){.idle_ms = TIMEOUT_MS});
	client_open(&c);
	expect_end(&c);
	expect_waited(began_ms);
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	expect_end(&c);
	expect_waited(began_ms);
	/* a request in hand is not idle */
	client_open(&c);
	client_send(&c, GET("/slow/500"));
	expect(&c, 200, "slow 500");
	client_close(&c);
	stop();
}
END_TEST

START_TEST(test_header_timeout)
{
	struct client c;
	uint64_t began_ms = clock_monotonic_ms();

	start(&(struct options){.header_ms = TIMEOUT_MS});
	client_open(&c);
	client_send(&c, GET("/fast/a") "GET /fa");
	expect(&c, 200, "fast a");
	/* more bytes of the same head earn nothing */
	for (int i = 0; i < 4; i++) {
		struct pollfd pfd = {.fd = c.fd, .events = POLLIN};

		if (poll(&pfd, 1, TIMEOUT_MS / 4) == 0)
			client_send(&c, "a");
	}
	expect(&c, 408, NULL);
	expect_waited(began_ms);
	expect_end(&c);
	stop();
}
END_TEST

START_TEST(test_body_timeout)
{
	struct client c;
	uint64_t began_ms;
	char some[1500];

	memset(some, 'x', sizeof(some));
	start(&(struct options){.body_ms = TIMEOUT_MS});
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, POST("/text", "Content-Length: 100\r\n", "he"));
	expect(&c, 408, NULL);
	expect_waited(began_ms);
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 1000);
	expect_end(&c);
	/* 1500 bytes at 1000 a second earn one second, not two */
	client_open(&c);
	began_ms = clock_monotonic_ms();
	client_send(&c, POST("/text", "Content-Length: 99999\r\n", ""));
	client_send_bytes(&c, some, sizeof(some));
	expect(&c, 408, NULL);
	ck_assert_uint_ge(clock_monotonic_ms() - began_ms, 1000 + TIMEOUT_MS);
	expect_end(&c);
	stop();
}
END_TEST

/* ---- budgets ---- */

START_TEST(test_max_connections)
{
	struct client c[4];
	struct answer answer;

	start(&(struct options){.max_connections = 2});
	for (int i = 0; i < 2; i++) {
		client_open(&c[i]);
		client_send(&c[i], GET("/fast/a"));
		expect(&c[i], 200, "fast a");
	}
	/* whether it asks first or not */
	client_open(&c[2]);
	client_read(&c[2], &answer, false);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.head, "Retry-After: 1\r\n"));
	expect_end(&c[2]);
	client_open(&c[3]);
	client_send(&c[3], GET("/fast/a"));
	expect(&c[3], 503, NULL);
	expect_end(&c[3]);
	/* those that were there have noticed nothing */
	client_send(&c[0], GET("/fast/b"));
	expect(&c[0], 200, "fast b");
	client_close(&c[0]);
	client_send(&c[1], GET("/fast/b"));
	expect(&c[1], 200, "fast b");
	expect_stats("handled 4 gone 0 held 0 connections 2");
	client_close(&c[1]);
	stop();
}
END_TEST

/* Without descriptors the reserve answers, and service goes on when some are free again. */
START_TEST(test_no_descriptors)
{
	enum { N = 40 };
	static struct client c[N];
	struct answer answer;
	unsigned served = 0, refused = 0;

	start(&(struct options){.descriptors = 30, .max_connections = 1000});
	for (int i = 0; i < N; i++) {
		client_open(&c[i]);
		client_send(&c[i], GET("/fast/a"));
		/* a reset may take this answer: the descriptor is closed at once */
		struct pollfd pfd = {.fd = c[i].fd, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, DEADLINE_MS), 1);
		char byte;
		if (recv(c[i].fd, &byte, 1, MSG_PEEK) <= 0) {
			refused++;
			continue;
		}
		client_read(&c[i], &answer, false);
		if (answer.status == 200)
			served++;
		else
			refused++;
	}
	ck_assert_uint_gt(served, 5);
	ck_assert_uint_gt(refused, 5);
	for (int i = 0; i < N; i++)
		client_close(&c[i]);
	for (bool ok = false; !ok;) {
		client_open(&c[0]);
		client_send(&c[0], GET("/fast/a"));
		struct pollfd pfd = {.fd = c[0].fd, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, DEADLINE_MS), 1);
		char head[12];
		ssize_t n = recv(c[0].fd, head, sizeof(head), 0);
		ok = n == 12 && memcmp(head, "HTTP/1.1 200", 12) == 0;
		client_close(&c[0]);
	}
	stop();
}
END_TEST

/* ---- drain ---- */

START_TEST(test_drain)
{
	struct client idle, head, body, busy, stalled, used;
	struct answer answer;

	start(&(struct options){.idle_ms = DEADLINE_MS * 10});
	client_open(&idle);
	client_open(&head);
	client_send(&head, "GET /fast/a HT");
	client_open(&body);
	client_send(&body, POST("/text", "Content-Length: 5\r\n", "he"));
	client_open(&busy);
	client_send(&busy, GET("/hold") GET("/fast/never"));
	client_open(&stalled);
	client_send(&stalled, GET("/big") GET("/fast/never"));
	client_open(&used);
	client_send(&used, GET("/fast/a"));
	expect(&used, 200, "fast a");
	expect_stats("handled 3 gone 0 held 1 connections 7");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(wait_report(), 1);
	/* just used: its client may be sending already */
	client_send(&used, GET("/release"));
	client_read(&used, &answer, false);
	ck_assert_str_eq(answer.body, "released 1");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&used);
	client_send(&head, "TP/1.1\r\nHost: localhost\r\n\r\n");
	client_read(&head, &answer, false);
	ck_assert_str_eq(answer.body, "fast a");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&head);
	client_send(&body, "llo");
	client_read(&body, &answer, false);
	ck_assert_str_eq(answer.body, "hello");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&body);
	client_read(&busy, &answer, false);
	ck_assert_str_eq(answer.body, "held");
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&busy);
	client_read(&stalled, &answer, false);
	ck_assert_uint_eq(answer.len, BIG_SIZE);
	/* written before the drain began; what follows it is the last one */
	client_read(&stalled, &answer, false);
	ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close"));
	expect_end(&stalled);
	expect_end(&idle);
	wait_child();
}
END_TEST

START_TEST(test_drain_of_nothing)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, GET("/fast/a"));
	expect(&c, 200, "fast a");
	client_close(&c);
	stop();
}
END_TEST

/* ---- upgrades ---- */

#define HANDSHAKE                                                                                \
	"GET /up?x=1 HTTP/1.1\r\nHost: localhost\r\nX-Other: dropped\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                  \
	"Sec-WebSocket-Version: 13\r\n"

/* Everything until the end, as text. */
static void
client_read_all(struct client *c)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;

	while (client_fill(c, until_ms))
		;
	c->data[c->len] = '\0';
}

START_TEST(test_upgrade)
{
	struct client c;

	start(&(struct options){0});
	client_open(&c);
	client_send(&c, HANDSHAKE "\r\nfirst bytes");
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "local\nGET /up?x=1 HTTP/1.1\r\n", 28), 0);
	ck_assert_ptr_nonnull(strstr(c.data, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
	ck_assert_ptr_null(strstr(c.data, "X-Other"));
	ck_assert_ptr_nonnull(strstr(c.data, "\r\n\r\nfirst bytes"));
	client_close(&c);
	/* from behind a proxy */
	client_open(&c);
	client_send(&c, HANDSHAKE "Via: 1.1 proxy\r\n\r\n");
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "not local\nGET", 13), 0);
	client_close(&c);
	/* pipelined: what was asked before is answered first, even much and late */
	client_open(&c);
	client_send(&c, GET("/slow/5") GET("/fast/a") GET("/big") HANDSHAKE "\r\n!");
	expect(&c, 200, "slow 5");
	expect(&c, 200, "fast a");
	expect(&c, 200, NULL);
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "local\nGET", 9), 0);
	ck_assert_ptr_nonnull(strstr(c.data, "\r\n\r\n!"));
	client_close(&c);
	expect_stats("handled 3 gone 0 held 0 connections 1");
	stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    test_head,
	    test_pipeline,
	    test_pipeline_behind_held,
	    test_release_from_elsewhere,
	    test_continue,
	    test_long_body,
	    test_refused_body_lingers,
	    test_half_close,
	    test_nothing_after_close,
	    test_gone,
	    test_abort,
	    test_abort_in_handler,
	    test_big_answers,
	    test_no_taker,
	    test_idle_timeout,
	    test_header_timeout,
	    test_body_timeout,
	    test_max_connections,
	    test_no_descriptors,
	    test_drain,
	    test_drain_of_nothing,
	    test_upgrade,
	};
	Suite *suite = suite_create("server");
	TCase *tc = tcase_create("server");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_single, 0, (int)(sizeof(singles) / sizeof(singles[0])));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
