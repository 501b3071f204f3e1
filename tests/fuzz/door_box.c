/*
 * door_box.c - the front door in a box: opened, run until it rests, and talked to.
 */
#include "door_box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "door_box_private.h"
#include "http/access_log.h"
#include "http/route.h"
#include "http/server.h"

/* Passes of the loop until it has to come to rest: the longest talks need a few thousand. */
#define PASSES_MAX 200000

struct box box;

static struct config *config;
static struct route_table routes;
static struct pass_hook hook;
static struct access_log *access_log;
static int log_pipe[2] = {-1, -1}; /* it writes there, as to a standard output */

/* ---- open and closed ---- */

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

	config = config_load("/nonexistent/plaza.conf", false, overrides,
			     sizeof(overrides) / sizeof(overrides[0]), &errors);
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
		http_server_set_access_log(box.server, access_log);
		access_log_start(access_log, box.loop);
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
		loop_stop(box.loop);
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
	box_calls_pass();
	is_wild = ++n_passes > PASSES_MAX;
	if (is_wild)
		loop_stop(box.loop);
	return false;
}

bool
box_run(void)
{
	n_passes = 0;
	has_woken = true;
	loop_run(box.loop);
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
		box_routes_add(&routes);
		for (size_t i = 0; i < BOX_PEERS; i++)
			box.listener[i] = listen_somewhere();
		if (pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC) != 0)
			abort();
		log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	}
	box_calls_reset();
	box.loop = loop_new();
	if (!box.loop)
		return false;
	loop_set_sleep(box.loop, sleep_cb, wake_cb, NULL);
	watch_init_timer(&any, box.loop, "box", NULL, NULL);
	event_assign(&tick, event_get_base(&any.ev), -1, 0, tick_cb, NULL);
	counter = (struct pass_hook){.fn = count_cb, .name = "box passes"};
	hook = (struct pass_hook){.fn = box_routes_pass, .name = "box answers"};
	loop_add_pass_hook(box.loop, &counter);
	box.server = http_server_new(box.loop, config, &routes, NULL);
	loop_add_pass_hook(box.loop, &hook);
	for (size_t i = 0; box.server && i < BOX_PEERS; i++) {
		struct listen_address address = {
		    .text = "box",
		    .is_unix = i == BOX_UNIX,
		    .is_loopback = i == BOX_LOOPBACK,
		};
		if (!http_server_listen(box.server, box.listener[i], &address)) {
			http_server_free(&box.server);
			break;
		}
	}
	if (box.server)
		open_access_log();
	else
		loop_free(&box.loop);
	return box.server != NULL;
}

void
box_close(void)
{
	char dropped[4096];

	if (!box.loop)
		return;
	if (box.server)
		http_server_abort(box.server);
	box_routes_close_taken();
	http_server_free(&box.server);
	/* exactly once, even if the server is gone */
	box_routes_pay_all();
	access_log_free(&access_log);
	while (read(log_pipe[0], dropped, sizeof(dropped)) > 0)
		;
	loop_free(&box.loop);
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

	if (fd < 0 || getsockname(box.listener[peer], (struct sockaddr *)&where, &len) != 0 ||
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
		if (box.talk && box.talk->end == BOX_STARE)
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

size_t
box_connections(void)
{
	return http_server_connections(box.server);
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
	http_server_drain(box.server, drained_cb, NULL);
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
	const char *data = box.talk->bytes.ptr;
	size_t left = box.talk->bytes.len;

	if (!box.talk->settles || !box.talk->n_pieces) {
		send_all(fd, data, left, box.heard);
		return true;
	}
	for (size_t i = 0; left; i++) {
		size_t n = box.talk->piece[i % box.talk->n_pieces];

		if (n > left)
			n = left;
		if (!send_all(fd, data, n, box.heard))
			break;
		data += n;
		left -= n;
		if (!box_run())
			return false;
		if (box.talk->step_ms) {
			box_leap(box.talk->step_ms);
			if (!box_run())
				return false;
		}
		if (box.talk->end != BOX_LEAVE && box.talk->end != BOX_STARE &&
		    !box_read(fd, box.heard))
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
		before = box.heard->len;
		if (!box_run())
			return false;
		box.heard->is_ended = !box_read(fd, box.heard);
	} while (!box.heard->is_ended && box.heard->len > before);
	return true;
}

/* The same, and behind what is held there may be more of the kind. */
static bool
hear_all(int fd)
{
	do
		if (!listen_on(fd))
			return false;
	while (!box.heard->is_ended && box_release());
	return true;
}

static const char *
converse(int fd)
{
	static const char wild[] = "the loop does not come to rest";

	if (!box_run() || !say(fd) || (box.talk->is_drained && !box_drain()) ||
	    (box.talk->step_ms && !box_run()))
		return wild;
	box_let_time_go_by(box.talk->step_ms);
	switch (box.talk->end) {
	case BOX_HALF_CLOSE:
		shutdown(fd, SHUT_WR);
		if (!hear_all(fd))
			return wild;
		if (!box.heard->is_ended)
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
	if (box.talk->end >= BOX_STAY && box.talk->step_ms &&
	    box_connections() > box.talk->has_company)
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
	if (!box.talk->is_drained &&
	    memcmp(data + n - (sizeof(last) - 1), last, sizeof(last) - 1) != 0)
		return "the other client has no second answer";
	return NULL;
}

const char *
box_talk(const struct box_talk *t, struct box_heard *h)
{
	const char *wrong;

	box.talk = t;
	box.heard = h;
	box.heard->len = box.heard->seen_len = box.heard->n_seen = 0;
	box.heard->is_ended = box.heard->is_aborted = false;
	box_calls_begin_talk();
	box_routes_begin_talk();
	int other = t->has_company ? invite() : -1;
	int fd = box_connect(t->peer);
	wrong = converse(fd);
	close(fd);
	do
		if (!box_run() && !wrong)
			wrong = "the loop does not come to rest after the end";
	while (box_release());
	if (t->has_company) {
		const char *missing = see_off(other);

		if (!wrong && !box.heard->is_aborted)
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
	if (!read_access_log(box.heard->log, &box.heard->log_len) && !wrong)
		wrong = "a line of the access log has a character that is not printable";
	box_calls_end_talk();
	box.talk = NULL;
	box.heard = NULL;
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
