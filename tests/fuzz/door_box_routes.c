/*
 * door_box_routes.c - the handlers of the boxed server: each way to answer that there is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door_box_private.h"
#include "http/exchange.h"
#include "http/handshake.h"
#include "http/json_body.h"

/* Of a talk; later ones get an answer of one byte. */
#define BIG_MAX 4
/* Exchanges and taken sockets at a time. */
#define OWED_MAX 64
/* Of /later/{turns}. */
#define TURNS_MAX 20

static unsigned n_big;

/* ---- what came ---- */

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
	if (!box.heard || span_eq(r->host, SPAN_LIT("company")))
		return;
	head = sum_span(sum_span(sum_span(head, r->path), r->query), r->host);
	for (size_t i = 0; i < ROUTE_MAX_PARTS; i++)
		head = sum_span(head, exchange_param(x, i));
	for (size_t i = 0; i < r->n_fields; i++)
		head = sum_span(sum_span(head, r->field[i].name), r->field[i].value);
	box.heard->n_seen++;
	size_t room = sizeof(box.heard->seen) - box.heard->seen_len;
	int n = snprintf(box.heard->seen + box.heard->seen_len, room,
			 "%.*s %.*s 1.%u head %llx body %zu %llx\n", (int)method.len, method.ptr,
			 (int)r->target.len, r->target.ptr, r->version_minor,
			 (unsigned long long)head, body.len, (unsigned long long)content);
	if (n > 0 && (size_t)n < room)
		box.heard->seen_len += (size_t)n;
}

/* ---- what is owed ---- */

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

bool
box_routes_pass(void *arg)
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

/* ---- handlers ---- */

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
	watch_init_timer(&o->timer, box.loop, "box timer", timer_cb, o);
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
	static const struct stream_calls calls = {.proceed = tell_cb, .stop = stop_cb};
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
	if (box.heard)
		box.heard->is_aborted = true;
	http_server_abort(box.server);
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
	const struct handshake_choice choice = {0};
	struct upgrade_socket socket;

	(void)ctx;
	see(x);
	if (!exchange_take_socket(x, &choice, &socket)) {
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
	watch_init(&t->read, box.loop, t->fd, LOOP_READ, "box taken", taken_read_cb, t);
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

/* ---- for the box ---- */

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

void
box_routes_add(struct route_table *routes)
{
	for (size_t i = 0; i < sizeof(all_routes) / sizeof(all_routes[0]); i++)
		route_add(routes, &all_routes[i]);
	for (size_t i = 0; i < OWED_MAX; i++)
		taken[i].fd = -1;
	memset(big, 'b', sizeof(big));
	for (int i = 0; i < BOX_TEXT_SIZE; i++)
		text[i] = i % 20 == 19 ? '\n' : (char)('a' + i / 20 % 26);
}

void
box_routes_begin_talk(void)
{
	n_big = 0;
}

void
box_routes_close_taken(void)
{
	for (size_t i = 0; i < OWED_MAX; i++)
		if (taken[i].fd >= 0)
			taken_close(&taken[i]);
}

void
box_routes_pay_all(void)
{
	for (size_t i = 0; i < OWED_MAX; i++)
		if (owed[i].x)
			pay(&owed[i]);
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
box_owed(void)
{
	size_t n = 0;

	for (size_t i = 0; i < OWED_MAX; i++)
		n += (size_t)(owed[i].x != NULL) + (size_t)(tales[i].x != NULL) +
		     (size_t)(taken[i].fd >= 0);
	return n;
}
