/*
 * door_box.c - the front door in a box: its loop, its routes, and the client's side of a talk.
 */
#include "door_box.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "http/access_log.h"
#include "http/exchange.h"
#include "http/json_body.h"
#include "http/route.h"
#include "http/server.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Passes of the loop until it has to come to rest: the longest talks need a few thousand. */
#define PASSES_MAX 200000
/* Of a talk; later ones get an answer of one byte. */
#define BIG_MAX 4
/* Exchanges and taken sockets at a time. */
#define OWED_MAX 64
/* Those of the front door that wait for more than a pass. */
#define TIMERS_MAX 64
/* Of /later/{turns}. */
#define TURNS_MAX 20

static struct config *config;
static struct route_table routes;
static struct loop *loop;
static struct http_server *server;
static int listener[BOX_PEERS] = {-1, -1, -1};
static struct pass_hook hook;
static struct access_log *access_log;
static int log_pipe[2] = {-1, -1}; /* it writes there, as to a standard output */

/* the talk in hand */
static const struct box_talk *talk;
static struct box_heard *heard;
static int server_fd = -1; /* the socket that was accepted last */
static size_t piece_left, piece_next;
static bool is_full; /* the next write takes nothing */
static unsigned n_big;

/* time */
static uint64_t pass_us, gone_by_us;
static struct event *timer[TIMERS_MAX]; /* every one that was ever set for later */
static size_t n_timers;

/* ---- what the server's system calls do ---- */

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags);
ssize_t __real_recv(int fd, void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t len, int flags);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
int __real_event_add(struct event *ev, const struct timeval *after);
int __wrap_event_add(struct event *ev, const struct timeval *after);
uint64_t __real_clock_monotonic_us(void);
uint64_t __wrap_clock_monotonic_us(void);

/* The sockets are unix ones, which cost the least; the peer's address is made up. */
int
__wrap_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(54321)};
	int taken = __real_accept4(fd, addr, addr_len, flags);

	if (taken < 0)
		return taken;
	server_fd = taken;
	if (fd == listener[BOX_UNIX] || !addr)
		return taken;
	in.sin_addr.s_addr =
	    fd == listener[BOX_LOOPBACK] ? htonl(INADDR_LOOPBACK) : inet_addr("203.0.113.7");
	memcpy(addr, &in, sizeof(in));
	*addr_len = sizeof(in);
	return taken;
}

ssize_t
__wrap_recv(int fd, void *data, size_t len, int flags)
{
	if (fd != server_fd || flags || !talk || !talk->n_pieces || talk->settles)
		return __real_recv(fd, data, len, flags);
	if (!piece_left)
		piece_left = talk->piece[piece_next++ % talk->n_pieces];
	if (len > piece_left)
		len = piece_left;
	ssize_t n = __real_recv(fd, data, len, flags);
	if (n > 0)
		piece_left -= (size_t)n;
	return n;
}

ssize_t
__wrap_send(int fd, const void *data, size_t len, int flags)
{
	if (fd != server_fd || !talk || !talk->send_max)
		return __real_send(fd, data, len, flags);
	is_full = !is_full;
	if (is_full) {
		errno = EAGAIN;
		return -1;
	}
	/* a long answer still comes in a few dozen pieces */
	size_t max = len / 16 > talk->send_max ? len / 16 : talk->send_max;
	return __real_send(fd, data, len < max ? len : max, flags);
}

/*
 * While time goes by, each timer fires in the next pass: those of deadline lists then look whether
 * the time has come, and if not are set anew.
 */
int
__wrap_event_add(struct event *ev, const struct timeval *after)
{
	static const struct timeval at_once;
	size_t i = 0;

	if (!after || (!after->tv_sec && !after->tv_usec))
		return __real_event_add(ev, after);
	while (i < n_timers && timer[i] != ev)
		i++;
	if (i == TIMERS_MAX)
		abort();
	timer[i] = ev;
	n_timers += i == n_timers;
	return __real_event_add(ev, pass_us ? &at_once : after);
}

uint64_t
__wrap_clock_monotonic_us(void)
{
	return __real_clock_monotonic_us() + gone_by_us;
}

/* Also for the timers that are set already. */
static void
let_time_go_by(unsigned pass_ms)
{
	static const struct timeval at_once;

	pass_us = pass_ms * UINT64_C(1000);
	for (size_t i = 0; pass_us && i < n_timers; i++)
		if (evtimer_pending(timer[i], NULL))
			__real_event_add(timer[i], &at_once);
}

/* ---- handlers ---- */

static uint64_t
sum(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

static uint64_t
sum_span(uint64_t hash, struct span span)
{
	return sum(sum(hash, &span.len, sizeof(span.len)), span.ptr, span.len);
}

/* Everything that a handler can see. */
static void
see(const struct exchange *x)
{
	const struct request *r = exchange_request(x);
	struct span body = exchange_body(x);
	struct span method = http_method_name(r->method);
	uint64_t head = 0xcbf29ce484222325;
	uint64_t content = sum_span(head, body);

	/* when the other client's come has nothing to do with the talk */
	if (!heard || span_eq(r->host, SPAN_LIT("company")))
		return;
	head = sum_span(sum_span(sum_span(head, r->path), r->query), r->host);
	for (size_t i = 0; i < ROUTE_MAX_PARTS; i++)
		head = sum_span(head, exchange_param(x, i));
	for (size_t i = 0; i < r->n_fields; i++)
		head = sum_span(sum_span(head, r->field[i].name), r->field[i].value);
	heard->n_seen++;
	size_t room = sizeof(heard->seen) - heard->seen_len;
	int n = snprintf(heard->seen + heard->seen_len, room,
			 "%.*s %.*s 1.%u head %llx body %zu %llx\n", (int)method.len, method.ptr,
			 (int)r->target.len, r->target.ptr, r->version_minor,
			 (unsigned long long)head, body.len, (unsigned long long)content);
	if (n > 0 && (size_t)n < room)
		heard->seen_len += (size_t)n;
}

/* An exchange that is answered later, or a socket that was taken. */
struct owed {
	struct exchange *x; /* NULL: unused */
	bool is_held;
	bool is_timed;
	bool is_tagged;
	unsigned turns;
	struct watch timer;
	size_t len;
	char body[BOX_BODY_MAX];
};

struct taken {
	int fd; /* -1: unused */
	struct watch read;
};

/* An answer in pieces, as its name says. */
struct tale {
	struct exchange *x; /* NULL: unused */
	bool is_due;        /* the hook goes on with it */
	size_t at, len;
	char word[ROUTE_SEGMENT_MAX];
};

static struct owed owed[OWED_MAX];
static struct taken taken[OWED_MAX];
static struct tale tales[OWED_MAX];
static char big[BOX_BIG_SIZE];
static char text[BOX_TEXT_SIZE];

static void
reply(struct exchange *x, int status, struct span body)
{
	struct reply r = {.status = status, .content_type = "text/plain", .body = body};

	exchange_reply(x, &r);
}

/* With a tag, and worth to be coded when it is long enough. */
static void
reply_tagged(struct exchange *x, struct span body, const char *tag)
{
	struct reply r = {
	    .status = 200,
	    .content_type = "text/plain",
	    .body = body,
	    .fields = "Cache-Control: no-cache\r\n",
	    .etag = tag,
	};

	exchange_reply(x, &r);
}

static void
pay(struct owed *o)
{
	struct exchange *x = o->x;
	struct span body = span_from(o->body, o->len);

	if (o->is_timed)
		watch_stop(&o->timer);
	o->x = NULL;
	if (o->is_tagged)
		reply_tagged(x, body, "\"box\"");
	else
		reply(x, 200, body);
}

static struct owed *
owe(struct exchange *x, struct span body)
{
	for (size_t i = 0; i < OWED_MAX; i++) {
		struct owed *o = &owed[i];

		if (o->x)
			continue;
		*o = (struct owed){.x = x, .len = body.len};
		if (body.len)
			memcpy(o->body, body.ptr, body.len);
		return o;
	}
	fprintf(stderr, "door_box: more than %d exchanges are owed\n", OWED_MAX);
	abort();
}

/* After a proceed: one letter of the word. */
static void
tell(struct tale *tale)
{
	struct exchange *x = tale->x;
	size_t size = 1;

	tale->is_due = false;
	if (tale->at == tale->len) {
		tale->x = NULL;
		exchange_end(x);
		return;
	}
	const char *letter = &tale->word[tale->at++];
	switch (*letter) {
	case 'l': tale->is_due = true; return;
	case 'x':
		tale->x = NULL;
		exchange_abort(x);
		return;
	case 'm': size = 5000; break;
	case 'b': size = n_big++ < BIG_MAX ? sizeof(big) : 1; break;
	default: break;
	}
	exchange_send(x, size == 1 ? span_from(letter, 1) : span_from(big, size));
}

static void
tell_cb(struct exchange *x, void *ctx)
{
	(void)x;
	tell(ctx);
}

static void
stop_cb(void *ctx)
{
	struct tale *tale = ctx;

	tale->x = NULL;
}

static bool
hook_cb(void *arg)
{
	bool more = false;

	(void)arg;
	for (size_t i = 0; i < OWED_MAX; i++) {
		if (!tales[i].x || !tales[i].is_due)
			continue;
		more = true;
		tell(&tales[i]);
	}
	for (size_t i = 0; i < OWED_MAX; i++) {
		struct owed *o = &owed[i];

		if (!o->x || o->is_held || o->is_timed)
			continue;
		more = true;
		if (o->turns)
			o->turns--;
		else
			pay(o);
	}
	return more;
}

static void
timer_cb(void *arg, short what)
{
	(void)what;
	pay(arg);
}

static void
gone_cb(struct exchange *x, void *ctx)
{
	(void)x;
	pay(ctx);
}

static void
fast_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply(x, 200, exchange_param(x, 0));
}

static void
later_handle(struct exchange *x, void *ctx)
{
	struct span turns = exchange_param(x, 0);

	(void)ctx;
	see(x);
	owe(x, turns)->turns = turns.len ? (unsigned char)turns.ptr[0] % TURNS_MAX : 0;
}

static void
timer_handle(struct exchange *x, void *ctx)
{
	struct owed *o = owe(x, SPAN_LIT("timer"));

	(void)ctx;
	see(x);
	o->is_timed = true;
	watch_init_timer(&o->timer, loop, "box timer", timer_cb, o);
	/* without memory for a timer it is answered by the hook */
	if (!watch_start_ms(&o->timer, 0))
		o->is_timed = false;
}

static void
hold_handle(struct exchange *x, void *ctx)
{
	struct owed *o = owe(x, SPAN_LIT("held"));

	(void)ctx;
	see(x);
	o->is_held = true;
	exchange_on_gone(x, gone_cb, o);
}

static void
stream_handle(struct exchange *x, void *ctx)
{
	static const struct stream_calls calls = {tell_cb, stop_cb};
	const struct reply head = {.status = 200, .content_type = "text/plain"};
	struct span word = exchange_param(x, 0);
	struct tale *tale = tales;

	(void)ctx;
	see(x);
	while (tale->x)
		if (++tale == tales + OWED_MAX)
			abort();
	*tale = (struct tale){.x = x, .len = word.len};
	memcpy(tale->word, word.ptr, word.len);
	if (!exchange_stream(x, &head, &calls, tale))
		tale->x = NULL;
}

/* Answers all that is held, from inside another handler. */
static void
release_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	for (size_t i = 0; i < OWED_MAX; i++)
		if (owed[i].x && owed[i].is_held)
			pay(&owed[i]);
	reply(x, 200, SPAN_LIT("released"));
}

/* Closes every connection from inside a handler, and then answers. */
static void
abort_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	if (heard)
		heard->is_aborted = true;
	http_server_abort(server);
	reply(x, 200, SPAN_LIT("aborted"));
}

static void
big_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply(x, 200, span_from(big, n_big++ < BIG_MAX ? sizeof(big) : 1));
}

static void
tag_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply_tagged(x, exchange_param(x, 0), "\"box\"");
}

static void
text_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply_tagged(x, span_from(text, BOX_TEXT_SIZE), REPLY_ETAG_OF_BODY);
}

static void
text_later_handle(struct exchange *x, void *ctx)
{
	struct owed *o = owe(x, span_from(text, BOX_TEXT_SIZE));

	(void)ctx;
	see(x);
	o->is_tagged = true;
	o->turns = 1;
}

static void
empty_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply(x, 204, span_from(NULL, 0));
}

static void
echo_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	reply(x, 200, exchange_body(x));
}

static void
echo_later_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	owe(x, exchange_body(x))->turns = 2;
}

static void
json_handle(struct exchange *x, void *ctx)
{
	char body[64];

	(void)ctx;
	see(x);
	json_t *json = json_body_read(x);
	if (!json)
		return;
	int n =
	    snprintf(body, sizeof(body), "%d %zu", (int)json_typeof(json), json_object_size(json));
	json_decref(json);
	reply(x, 201, span_from(body, (size_t)n));
}

static void
error_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	exchange_error(x, 409, "It is as it is.", "Retry-After: 1\r\n");
}

/* ---- the taken socket ---- */

static void
taken_close(struct taken *t)
{
	watch_stop(&t->read);
	close(t->fd);
	t->fd = -1;
}

static void
taken_read_cb(void *arg, short what)
{
	struct taken *t = arg;
	char data[4096];
	ssize_t n = read(t->fd, data, sizeof(data));

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || write(t->fd, data, (size_t)n) != n)
		taken_close(t);
}

static void
up_upgrade(struct exchange *x, void *ctx)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
				   "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
	struct taken *t = taken;
	struct upgrade_socket socket;

	(void)ctx;
	see(x);
	if (!exchange_take_socket(x, &socket)) {
		exchange_error(x, 503, "There is no memory left.", NULL);
		return;
	}
	while (t->fd >= 0)
		if (++t == taken + OWED_MAX)
			abort();
	t->fd = socket.fd;
	/* the client may have gone */
	signal(SIGPIPE, SIG_IGN);
	(void)!write(t->fd, head, sizeof(head) - 1);
	(void)!write(t->fd, socket.head.ptr, socket.head.len);
	watch_init(&t->read, loop, t->fd, LOOP_READ, "box taken", taken_read_cb, t);
	if (!watch_start(&t->read))
		taken_close(t);
}

static void
refuse_upgrade(struct exchange *x, void *ctx)
{
	(void)ctx;
	see(x);
	exchange_error(x, 503, "Not now.", NULL);
}

/* ---- open and closed ---- */

#define M(method) HTTP_METHOD_BIT(HTTP_##method)

static const struct route all_routes[] = {
    {.methods = M(GET), .pattern = "/fast/{word}", .handle = fast_handle},
    {.methods = M(GET), .pattern = "/later/{turns}", .handle = later_handle},
    {.methods = M(GET), .pattern = "/timer", .handle = timer_handle},
    {.methods = M(GET), .pattern = "/hold", .handle = hold_handle},
    {.methods = M(GET), .pattern = "/release", .handle = release_handle},
    {.methods = M(GET), .pattern = "/abort", .handle = abort_handle},
    {.methods = M(GET), .pattern = "/big", .handle = big_handle},
    {.methods = M(GET), .pattern = "/stream/{word}", .handle = stream_handle},
    {.methods = M(GET), .pattern = "/tag/{word}", .handle = tag_handle},
    {.methods = M(GET) | M(DELETE), .pattern = "/text", .handle = text_handle},
    {.methods = M(GET), .pattern = "/text/later", .handle = text_later_handle},
    {.methods = M(GET) | M(DELETE), .pattern = "/empty", .handle = empty_handle},
    {.methods = M(GET), .pattern = "/error", .handle = error_handle},
    {.methods = M(GET), .pattern = "/api/error", .handle = error_handle},
    {.methods = M(POST), .pattern = "/echo", .body_limit = 1000, .handle = echo_handle},
    {.methods = M(POST), .pattern = "/echo/later", .body_limit = 1000, .handle = echo_later_handle},
    {.methods = M(POST) | M(PATCH),
     .pattern = "/wide",
     .body_limit = 1 << 20,
     .handle = echo_handle},
    {.methods = M(POST),
     .pattern = "/json",
     .body_limit = 1000,
     .body_type = "application/json",
     .handle = json_handle},
    {.methods = M(POST),
     .pattern = "/api/json",
     .body_limit = 1000,
     .body_type = "application/json",
     .handle = json_handle},
    {.pattern = "/nothing"},
    {.methods = M(PUT) | M(DELETE),
     .pattern = "/thing/{id}",
     .body_limit = 1000,
     .handle = echo_later_handle},
    {.methods = M(GET) | M(POST),
     .pattern = "/private",
     .scope = SCOPE_STORE_WRITE,
     .body_limit = 100,
     .handle = echo_handle},
    {.methods = M(GET), .pattern = "/up", .upgrade = up_upgrade},
    {.methods = M(GET), .pattern = "/up/no", .upgrade = refuse_upgrade},
};

/* Whatever an option is that nobody here thought of, it has its default. */
static bool
load_config(void)
{
	static char *overrides[] = {
	    "http.header_timeout=1m",
	    "http.body_timeout=1m",
	    "http.idle_timeout=2m",
	    "http.write_timeout=1m",
	    "http.max_header_size=1k",
	    "http.max_body_size=2k",
	    "http.max_connections=64",
	    "http.gzip_min_size=200",
	    "http.origins=https://app.example",
	    "server.public=greet",
	    "server.names=a",
	    "log.access=combined",
	};
	struct config_errors errors = {0};

	config =
	    config_load("/nonexistent/plaza.conf", false, overrides, LENGTH(overrides), &errors);
	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "door_box: %s\n", errors.line[i]);
	config_errors_fini(&errors);
	return config != NULL;
}

static int
listen_somewhere(void)
{
	/* bound to no name, a unix socket gets one of its own (unix(7), autobind) */
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where.sun_family)) != 0 ||
	    listen(fd, 64) != 0) {
		perror("door_box: listen");
		abort();
	}
	return fd;
}

/* It opens what is standard output at this moment anew. */
static void
open_access_log(void)
{
	int saved = dup(STDOUT_FILENO);

	if (saved < 0 || dup2(log_pipe[1], STDOUT_FILENO) < 0)
		abort();
	access_log = access_log_new(config, 0);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	if (access_log) {
		http_server_set_access_log(server, access_log);
		access_log_start(access_log, loop);
	}
}

/* What was written since, without the times, which have brackets. False: it is not printable. */
static bool
read_access_log(char *lines, size_t *len)
{
	static char data[65536];
	ssize_t n = read(log_pipe[0], data, sizeof(data));
	bool is_time = false;

	*len = 0;
	for (ssize_t i = 0; i < n; i++) {
		if (data[i] != '\n' && (data[i] < ' ' || data[i] > '~'))
			return false;
		if (data[i] == '[' || data[i] == '\n')
			is_time = data[i] == '[';
		if (!is_time && *len < BOX_LOG_MAX)
			lines[(*len)++] = data[i];
		if (data[i] == ']')
			is_time = false;
	}
	return true;
}

/* ---- the loop ---- */

static struct event tick;
static bool has_woken, is_wild;
static size_t n_passes;

/* Makes the wait end at once, and unlike a watch wakes nobody. */
static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static bool
sleep_cb(void *arg)
{
	(void)arg;
	if (!has_woken) {
		/* a whole pass without a callback, and no hook has more to do */
		loop_stop(loop);
		return false;
	}
	has_woken = false;
	event_active(&tick, 0, 0);
	return true;
}

static void
wake_cb(void *arg)
{
	(void)arg;
	has_woken = true;
}

/* The first hook, once a pass. */
static bool
count_cb(void *arg)
{
	(void)arg;
	gone_by_us += pass_us;
	is_wild = ++n_passes > PASSES_MAX;
	if (is_wild)
		loop_stop(loop);
	return false;
}

bool
box_run(void)
{
	n_passes = 0;
	has_woken = true;
	loop_run(loop);
	return !is_wild;
}

bool
box_open(void)
{
	static struct pass_hook counter;
	struct watch any;

	if (!config) {
		if (!load_config())
			abort();
		for (size_t i = 0; i < LENGTH(all_routes); i++)
			route_add(&routes, &all_routes[i]);
		for (size_t i = 0; i < OWED_MAX; i++)
			taken[i].fd = -1;
		memset(big, 'b', sizeof(big));
		for (int i = 0; i < BOX_TEXT_SIZE; i++)
			text[i] = i % 20 == 19 ? '\n' : (char)('a' + i / 20 % 26);
		for (size_t i = 0; i < BOX_PEERS; i++)
			listener[i] = listen_somewhere();
		if (pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC) != 0)
			abort();
		log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	}
	n_timers = 0;
	loop = loop_new();
	if (!loop)
		return false;
	loop_set_sleep(loop, sleep_cb, wake_cb, NULL);
	watch_init_timer(&any, loop, "box", NULL, NULL);
	event_assign(&tick, event_get_base(&any.ev), -1, 0, tick_cb, NULL);
	counter = (struct pass_hook){.fn = count_cb, .name = "box passes"};
	hook = (struct pass_hook){.fn = hook_cb, .name = "box answers"};
	loop_add_pass_hook(loop, &counter);
	server = http_server_new(loop, config, &routes, NULL);
	loop_add_pass_hook(loop, &hook);
	for (size_t i = 0; server && i < BOX_PEERS; i++) {
		struct listen_address address = {
		    .text = "box",
		    .is_unix = i == BOX_UNIX,
		    .is_loopback = i == BOX_LOOPBACK,
		};
		if (!http_server_listen(server, listener[i], &address)) {
			http_server_free(&server);
			break;
		}
	}
	if (server)
		open_access_log();
	else
		loop_free(&loop);
	return server != NULL;
}

void
box_close(void)
{
	char dropped[4096];

	if (!loop)
		return;
	if (server)
		http_server_abort(server);
	for (size_t i = 0; i < OWED_MAX; i++)
		if (taken[i].fd >= 0)
			taken_close(&taken[i]);
	http_server_free(&server);
	/* exactly once, even if the server is gone */
	for (size_t i = 0; i < OWED_MAX; i++)
		if (owed[i].x)
			pay(&owed[i]);
	access_log_free(&access_log);
	while (read(log_pipe[0], dropped, sizeof(dropped)) > 0)
		;
	loop_free(&loop);
}

/* ---- the client ---- */

static void
trouble(const char *what)
{
	perror(what);
	abort();
}

int
box_connect(enum box_peer peer)
{
	struct sockaddr_un where;
	socklen_t len = sizeof(where);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || getsockname(listener[peer], (struct sockaddr *)&where, &len) != 0 ||
	    connect(fd, (struct sockaddr *)&where, len) != 0)
		trouble("door_box: connect");
	return fd;
}

bool
box_read(int fd, struct box_heard *into)
{
	static char dropped[65536];

	for (;;) {
		char *at = dropped;
		size_t room = sizeof(dropped);

		if (into) {
			if (into->cap - into->len < sizeof(dropped)) {
				into->cap = into->cap * 2 + sizeof(dropped);
				into->answers = realloc(into->answers, into->cap);
				if (!into->answers)
					trouble("door_box: realloc");
			}
			at = into->answers + into->len;
			room = into->cap - into->len;
		}
		ssize_t n = read(fd, at, room);
		if (n < 0 && errno == EAGAIN)
			return true;
		/* ECONNRESET: it closed before it had read all, which only loses what we sent */
		if (n <= 0)
			return false;
		if (into)
			into->len += (size_t)n;
	}
}

/* False: it does not take all, and never will. */
static bool
send_all(int fd, const char *data, size_t len, struct box_heard *into)
{
	for (bool stuck = false; len;) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
			stuck = false;
			continue;
		}
		if (n < 0 && errno != EAGAIN)
			return false;
		if (stuck || !box_run())
			return false;
		if (talk && talk->end == BOX_STARE)
			return false;
		if (!box_read(fd, into))
			return false;
		stuck = true;
	}
	return true;
}

bool
box_send(int fd, const char *data, size_t len)
{
	return send_all(fd, data, len, NULL);
}

bool
box_release(void)
{
	bool any = false;

	for (size_t i = 0; i < OWED_MAX; i++) {
		any = any || (owed[i].x && owed[i].is_held);
		owed[i].is_held = false;
	}
	return any;
}

size_t
box_connections(void)
{
	return http_server_connections(server);
}

size_t
box_owed(void)
{
	size_t n = 0;

	for (size_t i = 0; i < OWED_MAX; i++)
		n += (size_t)(owed[i].x != NULL) + (size_t)(tales[i].x != NULL) +
		     (size_t)(taken[i].fd >= 0);
	return n;
}

static bool is_drained;

static void
drained_cb(void *ctx)
{
	(void)ctx;
	is_drained = true;
}

bool
box_drain(void)
{
	is_drained = false;
	http_server_drain(server, drained_cb, NULL);
	return box_run();
}

bool
box_drained(void)
{
	return is_drained;
}

/* Sends it all; false: the loop is wild. */
static bool
say(int fd)
{
	const char *data = talk->bytes.ptr;
	size_t left = talk->bytes.len;

	if (!talk->settles || !talk->n_pieces) {
		send_all(fd, data, left, heard);
		return true;
	}
	for (size_t i = 0; left; i++) {
		size_t n = talk->piece[i % talk->n_pieces];

		if (n > left)
			n = left;
		if (!send_all(fd, data, n, heard))
			break;
		data += n;
		left -= n;
		if (!box_run())
			return false;
		if (talk->end != BOX_LEAVE && talk->end != BOX_STARE && !box_read(fd, heard))
			break;
	}
	return true;
}

/* Reads until nothing comes any more. */
static bool
listen_on(int fd)
{
	size_t before;

	do {
		before = heard->len;
		if (!box_run())
			return false;
		heard->is_ended = !box_read(fd, heard);
	} while (!heard->is_ended && heard->len > before);
	return true;
}

/* The same, and behind what is held there may be more of the kind. */
static bool
hear_all(int fd)
{
	do
		if (!listen_on(fd))
			return false;
	while (!heard->is_ended && box_release());
	return true;
}

static const char *
converse(int fd)
{
	static const char wild[] = "the loop does not come to rest";

	if (!box_run() || !say(fd) || (talk->is_drained && !box_drain()))
		return wild;
	switch (talk->end) {
	case BOX_HALF_CLOSE:
		shutdown(fd, SHUT_WR);
		if (!hear_all(fd))
			return wild;
		if (!heard->is_ended)
			return "the client has shut its side and was answered, and yet is not "
			       "let go";
		break;
	case BOX_CLOSE:
		if (!hear_all(fd))
			return wild;
		break;
	case BOX_STAY:
		if (!hear_all(fd))
			return wild;
		break;
	default:
		do
			if (!box_run())
				return wild;
		while (box_release());
		break;
	}
	if (talk->end >= BOX_STAY && talk->pass_ms && box_connections() > talk->has_company)
		return "time has gone by, and the connection is still there";
	return NULL;
}

/* ---- another client ---- */

static int
invite(void)
{
	static const char bytes[] = "GET /hold HTTP/1.1\r\nHost: company\r\n\r\n"
				    "GET /fast/company HTTP/1.1\r\nHost: company\r\n\r\n";
	int fd = box_connect(BOX_UNIX);

	if (!box_send(fd, bytes, sizeof(bytes) - 1) || !box_run())
		abort();
	return fd;
}

/* All has been released. */
static const char *
see_off(int fd)
{
	static const char last[] = "\r\n\r\ncompany";
	char data[2048];
	ssize_t n = read(fd, data, sizeof(data));

	close(fd);
	if (n < 0 || !memmem(data, (size_t)n, "\r\n\r\nheld", 8))
		return "the other client has no answer";
	if (!talk->is_drained && memcmp(data + n - (sizeof(last) - 1), last, sizeof(last) - 1) != 0)
		return "the other client has no second answer";
	return NULL;
}

const char *
box_talk(const struct box_talk *t, struct box_heard *h)
{
	const char *wrong;

	talk = t;
	heard = h;
	heard->len = heard->seen_len = heard->n_seen = 0;
	heard->is_ended = heard->is_aborted = false;
	piece_left = piece_next = 0;
	is_full = false;
	n_big = 0;
	int other = t->has_company ? invite() : -1;
	int fd = box_connect(t->peer);
	let_time_go_by(t->pass_ms);
	wrong = converse(fd);
	close(fd);
	do
		if (!box_run() && !wrong)
			wrong = "the loop does not come to rest after the end";
	while (box_release());
	if (t->has_company) {
		const char *missing = see_off(other);

		if (!wrong && !heard->is_aborted)
			wrong = missing;
		if (!box_run() && !wrong)
			wrong = "the loop does not come to rest";
	}
	if (!wrong && box_connections())
		wrong = "the client has left, but its connection is still there";
	if (!wrong && box_owed())
		wrong = "the client has left, but somebody holds its exchange or socket";
	if (!wrong && t->is_drained && !is_drained)
		wrong = "the drain has no end";
	if (!read_access_log(heard->log, &heard->log_len) && !wrong)
		wrong = "a line of the access log has a character that is not printable";
	pass_us = 0;
	talk = NULL;
	heard = NULL;
	server_fd = -1;
	if (t->is_drained) {
		box_close();
		if (!box_open())
			abort();
	}
	return wrong;
}

/* Up to its last line. */
static size_t
log_body(const struct box_heard *h)
{
	const char *end = h->log_len > 1 ? memrchr(h->log, '\n', h->log_len - 1) : NULL;

	return end ? (size_t)(end + 1 - h->log) : 0;
}

bool
box_logged_alike(const struct box_heard *a, const struct box_heard *b)
{
	size_t len = log_body(a);

	return (a->log_len == 0) == (b->log_len == 0) && len == log_body(b) &&
	       memcmp(a->log, b->log, len) == 0;
}

bool
box_seen_alike(const struct box_heard *a, const struct box_heard *b, bool may_stop)
{
	size_t len = a->seen_len < b->seen_len ? a->seen_len : b->seen_len;

	return (may_stop || (a->n_seen == b->n_seen && a->seen_len == b->seen_len)) &&
	       memcmp(a->seen, b->seen, len) == 0;
}

void
box_heard_free(struct box_heard *h)
{
	free(h->answers);
	h->answers = NULL;
	h->len = h->cap = 0;
}
