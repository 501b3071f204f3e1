/*
 * door_rig.c - the child that serves, and the clients.
 */
#include "door_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "http/access_log.h"
#include "http/exchange.h"
#include "http/handshake.h"
#include "http/route.h"
#include "http/server.h"

/* ---- the child ---- */

static struct loop *loop;
static struct http_server *server;
static struct route_table routes;
static struct watch stop_signal;
static struct watch abort_signal;
static char *big;
/* the parent reads a byte when the drain has begun, and the end when the child has ended */
static int report;
/* for /stats */
static unsigned handled, gone, stopped;
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

/* GET /pieces/{n}: "piece 1\n" .. "piece n\n", every other one later; /flood/{bytes}: no end; /cut
 */
struct tale {
	struct watch timer;
	struct exchange *x;
	unsigned at, n; /* n 0: never over */
	size_t size;
	bool is_cut;
};

static void
tale_free(struct tale *tale)
{
	watch_stop(&tale->timer);
	free(tale);
}

static void
tale_tell(struct tale *tale)
{
	char piece[32];

	if (tale->size) {
		exchange_send(tale->x, span_from(big, tale->size));
		return;
	}
	snprintf(piece, sizeof(piece), "piece %u\n", tale->at);
	exchange_send(tale->x, span_str(piece));
}

static void
tale_timer_cb(void *arg, short what)
{
	(void)what;
	tale_tell(arg);
}

static void
tale_proceed_cb(struct exchange *x, void *ctx)
{
	struct tale *tale = ctx;

	if (tale->at++ == tale->n && !tale->size) {
		if (tale->is_cut)
			exchange_abort(x);
		else
			exchange_end(x);
		tale_free(tale);
	} else if (tale->at % 2 || tale->size) {
		tale_tell(tale);
	} else {
		watch_start_ms(&tale->timer, 1);
	}
}

static void
tale_stop_cb(void *ctx)
{
	stopped++;
	tale_free(ctx);
}

static void
tale_handle(struct exchange *x, void *ctx)
{
	static const struct stream_calls calls = {.proceed = tale_proceed_cb, .stop = tale_stop_cb};
	const struct reply head = {.status = 200, .content_type = "text/plain"};
	struct tale *tale = calloc(1, sizeof(*tale));
	char number[16];
	struct span n = exchange_param(x, 0);

	handled++;
	snprintf(number, sizeof(number), "%.*s", (int)n.len, n.ptr);
	tale->x = x;
	tale->n = (unsigned)strtoul(number, NULL, 10);
	if (ctx == &big)
		tale->size = tale->n;
	tale->is_cut = ctx == &stopped;
	watch_init_timer(&tale->timer, loop, "tale", tale_timer_cb, tale);
	if (!exchange_stream(x, &head, &calls, tale))
		tale_free(tale);
}

/* GET /endless: "first\n", and then nothing more. */

static bool endless_began;

static void
endless_proceed_cb(struct exchange *x, void *ctx)
{
	(void)ctx;
	if (!endless_began)
		exchange_send(x, SPAN_LIT("first\n"));
	endless_began = true;
}

static void
endless_stop_cb(void *ctx)
{
	(void)ctx;
	stopped++;
}

static void
endless_handle(struct exchange *x, void *ctx)
{
	static const struct stream_calls calls = {
	    .proceed = endless_proceed_cb, .stop = endless_stop_cb, .is_endless = true};
	const struct reply head = {.status = 200, .content_type = "text/plain"};

	(void)ctx;
	handled++;
	endless_began = false;
	(void)!exchange_stream(x, &head, &calls, NULL);
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
		exchange_reply(
		    held[--n_held],
		    &(struct reply){.status = 200, .body = SPAN_LIT("held"), .etag = "\"held\""});
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

static unsigned passes;

static bool
count_pass(void *arg)
{
	(void)arg;
	passes++;
	return false;
}

static void
passes_handle(struct exchange *x, void *ctx)
{
	char body[2001];

	(void)ctx;
	snprintf(body, sizeof(body), "%2000u", passes);
	reply_text(x, body);
}

static void
stopped_handle(struct exchange *x, void *ctx)
{
	char body[32];

	(void)ctx;
	snprintf(body, sizeof(body), "stopped %u", stopped);
	reply_text(x, body);
}

/* GET /up: takes the socket, writes the head that it was given to it, and closes. */
static void
up_upgrade(struct exchange *x, void *ctx)
{
	const struct handshake_choice choice = {0};
	struct upgrade_socket socket;

	(void)ctx;
	if (!exchange_take_socket(x, &choice, &socket)) {
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

static void
add_with(const char *pattern, void (*handle)(struct exchange *x, void *ctx), void *ctx)
{
	route_add(&routes, &(struct route){.methods = HTTP_METHOD_BIT(HTTP_GET),
					   .pattern = pattern,
					   .scope = SCOPE_GREET,
					   .handle = handle,
					   .ctx = ctx});
}

static int
serve(const struct door_options *options, int fd)
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
	    .http_max_input_memory = options->input_memory ? options->input_memory : 1 << 20,
	    .http_max_output_memory = options->output_memory ? options->output_memory : 1 << 30,
	};
	struct listen_address address = {.is_loopback = true, .text = "127.0.0.1:0"};
	struct rlimit limit;
	struct access_log *access_log = NULL;
	struct pass_hook hook = {.fn = count_pass, .name = "test passes"};

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
	add("/stopped", get, stopped_handle, 0, NULL);
	add("/endless", get, endless_handle, 0, NULL);
	add("/passes", get, passes_handle, 0, NULL);
	add("/stats", get, stats_handle, 0, NULL);
	add("/hold/body", get, hold_handle, 1000, NULL);
	add("/abort", post, abort_handle, 1000, NULL);
	route_add(&routes, &(struct route){.pattern = "/nothing"});
	add_with("/pieces/{n}", tale_handle, NULL);
	add_with("/flood/{bytes}", tale_handle, &big);
	add_with("/cut/{n}", tale_handle, &stopped);
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
	loop_add_pass_hook(loop, &hook);
	server = http_server_new(loop, &config, &routes, NULL);
	if (!server || !http_server_listen(server, fd, &address) ||
	    !http_server_listen(server, fd, &address))
		return 1;
	if (options->access_log) {
		if (dup2(options->access_log, STDOUT_FILENO) < 0)
			return 1;
		config.log_access = ACCESS_COMBINED;
		access_log = access_log_new(&config, 0);
		http_server_set_access_log(server, access_log);
		access_log_start(access_log, loop);
	}
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
	access_log_free(&access_log);
	loop_free(&loop);
	free(big);
	return 0;
}

/* ---- the fixture ---- */

pid_t door_pid;
static int child_report;
static struct sockaddr_in where;

void
door_start(const struct door_options *options)
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
	signal(SIGPIPE, SIG_IGN);
	door_pid = fork();
	ck_assert_int_ge(door_pid, 0);
	if (door_pid == 0) {
		close(ends[0]);
		report = ends[1];
		/* not _exit: a sanitizer looks for leaks at exit */
		exit(serve(options, fd));
	}
	close(ends[1]);
	close(fd);
	child_report = ends[0];
}

static int
left_ms(uint64_t until_ms)
{
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < until_ms ? (int)(until_ms - now_ms) : 0;
}

ssize_t
door_wait_report(void)
{
	struct pollfd pfd = {.fd = child_report, .events = POLLIN};
	char byte;

	ck_assert_msg(poll(&pfd, 1, DEADLINE_MS) == 1, "the server does not end");
	return read(child_report, &byte, 1);
}

void
door_wait_end(void)
{
	int status;

	ck_assert_int_eq(door_wait_report(), 0);
	ck_assert_int_eq(waitpid(door_pid, &status, 0), door_pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ended with %x",
		      (unsigned)status);
	close(child_report);
}

void
door_stop(void)
{
	ck_assert_int_eq(kill(door_pid, SIGTERM), 0);
	ck_assert_int_eq(door_wait_report(), 1);
	door_wait_end();
}

/* ---- clients ---- */

void
client_open(struct client *c)
{
	c->len = c->used = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(c->fd, 0);
	ck_assert_msg(connect(c->fd, (struct sockaddr *)&where, sizeof(where)) == 0, "connect: %s",
		      strerror(errno));
}

void
client_close(struct client *c)
{
	close(c->fd);
}

void
client_reset(struct client *c)
{
	struct linger linger = {1, 0};

	ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(c->fd);
}

void
client_send_bytes(struct client *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

void
client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

bool
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

void
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
	/* RFC 9110 8.6: 204 has no length, not even 0; and 304 need not have that of its 200 */
	ck_assert_int_eq(length == NULL, answer->status == 204 || answer->status == 304);
	if (!length)
		return;
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

void
expect(struct client *c, int status, const char *body)
{
	struct answer answer;

	client_read(c, &answer, false);
	ck_assert_msg(answer.status == status, "%d instead of %d: %s", answer.status, status,
		      answer.body);
	if (body)
		ck_assert_str_eq(answer.body, body);
}

void
expect_end(struct client *c)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;

	ck_assert_uint_eq(c->len, c->used);
	ck_assert_msg(!client_fill(c, until_ms), "more than was expected: %.*s",
		      (int)(c->len - c->used), c->data + c->used);
	client_close(c);
}

void
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
