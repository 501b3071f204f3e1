/*
 * ws.c - plazactl ws: lines to messages and messages to lines, over one WebSocket.
 *
 * libwebsockets 4.1 as Debian builds it can neither watch stdin nor be watched: it has its own
 * poll. So once the connection is there, we wait on its descriptor, stdin and a signalfd, and then
 * let the library serve without blocking: lws_service with a negative timeout.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/span.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"
#include "ctl/url.h"

/* stdin is not read on while this much is not sent, or sent and not answered */
#define WINDOW_BYTES (4u << 20)
/* a message that is longer is no chat; the connection is closed with 1009 */
#define MESSAGE_MAX   (64u << 20)
#define WRITES_A_PASS 32
#define CLOSE_MS      5000

enum ws_state {
	WS_CONNECTING, /* until the handshake is answered */
	WS_OPEN,       /* messages go both ways */
	WS_CLOSING,    /* our Close is on its way; nothing more is read or written */
	WS_CLOSED      /* the connection is gone, `exit` is decided */
};

/* A line on its way: first in `unsent`, then in `unanswered`. */
struct message {
	struct message *next;
	size_t len;
	char text[];
};

struct queue {
	struct message *first, **last;
	size_t bytes; /* with the structs, so that empty lines count too */
	uint64_t n;
};

struct ws {
	struct lws_context *context;
	const struct url *url;
	struct lws *wsi; /* NULL when there is no connection (any more) */
	enum ws_state state;
	int exit;
	bool want_close; /* as soon as the library has sent what it holds */
	bool is_interrupted;

	struct line_reader input;
	bool is_input_over;
	struct queue unsent;
	struct queue unanswered;
	struct buffer received; /* the message that is coming, fragment by fragment */
	bool received_binary;
	uint64_t n_received;

	uint64_t wanted; /* -n: close after so many messages; 0: after the answers */
	uint64_t wait_ms;
	uint64_t progress_ms; /* when a message last went or came */
	uint64_t close_ms;    /* when we began to close */
	char peer_close[160]; /* what the peer's Close said */
};

static void fail(struct ws *ws, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
queue_init(struct queue *q)
{
	*q = (struct queue){.last = &q->first};
}

static void
queue_push(struct queue *q, struct message *m)
{
	m->next = NULL;
	*q->last = m;
	q->last = &m->next;
	q->bytes += sizeof(*m) + m->len;
	q->n++;
}

static struct message *
queue_pop(struct queue *q)
{
	struct message *m = q->first;

	q->first = m->next;
	if (!q->first)
		q->last = &q->first;
	q->bytes -= sizeof(*m) + m->len;
	q->n--;
	return m;
}

static void
queue_fini(struct queue *q)
{
	while (q->first)
		free(queue_pop(q));
}

/* The first reason is the one that counts, and is shown. */
static void
fail(struct ws *ws, const char *fmt, ...)
{
	va_list ap;

	if (ws->exit != CTL_OK)
		return;
	ws->exit = CTL_FAILED;
	fflush(stdout);
	fputs("plazactl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
}

static void
set_state(struct ws *ws, enum ws_state state)
{
	ws->state = state;
}

static void
progress(struct ws *ws)
{
	ws->progress_ms = clock_monotonic_ms();
}

/* What is not sent yet stays unsent. */
static void
begin_close(struct ws *ws)
{
	if (ws->want_close || ws->state != WS_OPEN)
		return;
	ws->want_close = true;
	ws->close_ms = clock_monotonic_ms();
	lws_callback_on_writable(ws->wsi);
}

/* --- what the library tells --- */

/*
 * A chat repeats a message, an echo puts something before it: either way the answer to the oldest
 * unanswered message ends with its text.
 */
static void
take_answer(struct ws *ws, struct span message)
{
	const struct message *m = ws->unanswered.first;

	if (!m || m->len > message.len)
		return;
	if (m->len == 0 || memcmp(message.ptr + message.len - m->len, m->text, m->len) == 0)
		free(queue_pop(&ws->unanswered));
}

static void
on_message(struct ws *ws)
{
	struct span message = buffer_span(&ws->received);

	progress(ws);
	ws->n_received++;
	line_show(stdout, message, ws->received_binary);
	if (!ws->received_binary)
		take_answer(ws, message);
	ws->received.len = 0;
	if (ws->wanted && ws->n_received >= ws->wanted)
		begin_close(ws);
}

/* Returns what the callback returns: -1 closes with the reason given to the library. */
static int
on_fragment(struct ws *ws, const void *data, size_t len)
{
	static char too_long[] = "message too long";

	if (ws->want_close || ws->state != WS_OPEN)
		return 0;
	if (lws_is_first_fragment(ws->wsi)) {
		ws->received.len = 0;
		ws->received_binary = lws_frame_is_binary(ws->wsi);
	}
	if (!buffer_append(&ws->received, data, len, MESSAGE_MAX)) {
		fail(ws, "a message came that is longer than %u MiB", MESSAGE_MAX >> 20);
		lws_close_reason(ws->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
				 (unsigned char *)too_long, sizeof(too_long) - 1);
		set_state(ws, WS_CLOSING);
		ws->close_ms = clock_monotonic_ms();
		return -1;
	}
	if (lws_is_final_fragment(ws->wsi))
		on_message(ws);
	return 0;
}

/* Sends the first unsent message. The library masks it in place, so it gets a copy. */
static bool
send_one(struct ws *ws)
{
	struct message *m = ws->unsent.first;
	unsigned char *copy = malloc(LWS_PRE + m->len + 1);

	if (!copy) {
		fail(ws, "out of memory");
		return false;
	}
	memcpy(copy + LWS_PRE, m->text, m->len);
	int n = lws_write(ws->wsi, copy + LWS_PRE, m->len, LWS_WRITE_TEXT);
	free(copy);
	if (n < (int)m->len) {
		fail(ws, "the connection broke while a message was sent");
		return false;
	}
	progress(ws);
	queue_pop(&ws->unsent);
	/* with -n it is a number that is waited for, not answers */
	if (ws->wanted)
		free(m);
	else
		queue_push(&ws->unanswered, m);
	return true;
}

static int
on_writable(struct ws *ws)
{
	if (ws->state != WS_OPEN)
		return 0;
	if (ws->want_close) {
		set_state(ws, WS_CLOSING);
		lws_close_reason(ws->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
		return -1;
	}
	/* nothing may be written while the library holds a rest */
	for (int i = 0; i < WRITES_A_PASS && ws->unsent.first && !lws_partial_buffered(ws->wsi);
	     i++) {
		if (!send_one(ws))
			return -1;
	}
	if (ws->unsent.first)
		lws_callback_on_writable(ws->wsi);
	return 0;
}

/* plazad sends codes without reasons; plazad(8) has the same list */
static const char *
close_hint(unsigned code)
{
	switch (code) {
	case 1001: return ": it stops";
	case 1002: return ": it took a frame for a breach of RFC 6455";
	case 1007: return ": a text message was not UTF-8";
	case 1008: return ": in this room only the server speaks";
	case 1009: return ": a message was longer than it accepts (chat.max_message_size)";
	case 1011: return ": it has no memory left";
	case 1012: return ": it is renewed; connect again";
	case 1013: return ": a message could not be published just now";
	case 4008: return ": this client is too far behind with reading";
	case 4010: return ": it missed messages itself; connect again";
	case 4012: return ": this client did not answer its ping";
	default: return "";
	}
}

/* RFC 6455 5.5.1: two bytes of code and a reason, or nothing */
static void
on_peer_close(struct ws *ws, const unsigned char *data, size_t len)
{
	char *out = ws->peer_close;
	size_t size = sizeof(ws->peer_close);

	if (len < 2) {
		snprintf(out, size, "without a code");
		return;
	}
	/* shown through line_show's eyes: the reason is the server's text */
	unsigned code = (unsigned)data[0] << 8 | data[1];
	FILE *f = fmemopen(out, size, "w");
	if (!f) {
		snprintf(out, size, "with %u", code);
		return;
	}
	fprintf(f, "with %u", code);
	if (len == 2) {
		fputs(close_hint(code), f);
	} else {
		fputc(' ', f);
		line_show(f, span_from((const char *)data + 2, len - 2), false);
	}
	fclose(f);
	out[size - 1] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static void
fail_unanswered(struct ws *ws, const char *why)
{
	uint64_t n_open = ws->unsent.n + ws->unanswered.n;

	if (ws->wanted)
		fail(ws, "%s; %" PRIu64 " of %" PRIu64 " messages came", why, ws->n_received,
		     ws->wanted);
	else if (n_open)
		fail(ws, "%s; messages not answered: %" PRIu64, why, n_open);
	else
		fail(ws, "%s", why);
}

static void
on_closed(struct ws *ws)
{
	char why[sizeof(ws->peer_close) + 64];

	/* after our own Close all is as wanted, or was told */
	if (ws->state == WS_OPEN) {
		bool is_normal = strcmp(ws->peer_close, "with 1000") == 0 ||
				 strncmp(ws->peer_close, "with 1000 ", 10) == 0;

		if (ws->peer_close[0])
			snprintf(why, sizeof(why), "the server closed the connection %s",
				 ws->peer_close);
		else
			snprintf(why, sizeof(why), "the connection broke off");
		if (!is_normal || ws->wanted || ws->unsent.first || ws->unanswered.first)
			fail_unanswered(ws, why);
	}
	set_state(ws, WS_CLOSED);
}

static const char *
status_hint(unsigned status)
{
	switch (status) {
	case 400: return ": bad request";
	case 403: return ": forbidden; ACCESS in plaza.conf(5) tells which option allows it";
	case 404: return ": there is no such path or room";
	case 405: return ": no WebSocket is there";
	case 421: return ": the host is not served; see server.names in plaza.conf(5)";
	case 426: return ": no upgrade to WebSocket came there; does a proxy pass on Upgrade?";
	case 429: return ": too many connections from this address";
	case 503: return ": not available just now";
	case 200: return ": that is no WebSocket";
	default: return "";
	}
}

static void
on_connect_failed(struct ws *ws, struct lws *wsi, const char *reason, size_t len)
{
	unsigned status = lws_http_client_http_response(wsi);

	if (status != 0 && status != 101)
		fail(ws, "the server refused with HTTP status %u%s", status, status_hint(status));
	else
		fail(ws, "cannot connect to %s: %.*s; does %s serve there?", ws->url->host,
		     (int)len, len ? reason : "",
		     ws->url->is_tls ? "a server with TLS (wss)" : "plazad");
	set_state(ws, WS_CLOSED);
}

/* Follows the callbacks that say why; but should there have been none, the loop must end too. */
static void
on_destroyed(struct ws *ws)
{
	ws->wsi = NULL;
	if (ws->state == WS_CONNECTING)
		fail(ws, "cannot connect to %s", ws->url->host);
	if (ws->state != WS_CLOSED)
		on_closed(ws);
}

static int
ws_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws *ws = lws_context_user(lws_get_context(wsi));

	(void)user;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		on_connect_failed(ws, wsi, in, in ? len : 0);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		progress(ws);
		set_state(ws, WS_OPEN);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE: return on_fragment(ws, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE: return on_writable(ws);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: on_peer_close(ws, in, len); break;
	case LWS_CALLBACK_CLIENT_CLOSED: on_closed(ws); break;
	case LWS_CALLBACK_WSI_DESTROY:
		if (wsi == ws->wsi)
			on_destroyed(ws);
		break;
	default: break;
	}
	return 0;
}

/* --- the input --- */

static bool
wants_input(const struct ws *ws)
{
	return ws->state == WS_OPEN && !ws->want_close && !ws->is_input_over &&
	       ws->unsent.bytes + ws->unanswered.bytes < WINDOW_BYTES;
}

/* False when memory ran out. */
static bool
push_line(struct ws *ws, struct span line)
{
	struct message *m = malloc(sizeof(*m) + line.len);

	if (!m)
		return false;
	m->len = line.len;
	if (line.len)
		memcpy(m->text, line.ptr, line.len);
	queue_push(&ws->unsent, m);
	lws_callback_on_writable(ws->wsi);
	return true;
}

/* What came before the bad line is sent and waited for, as if the input ended there. */
static void
take_lines(struct ws *ws)
{
	struct span line;
	enum line_next next;

	while ((next = line_reader_next(&ws->input, &line)) == LINE_NEXT_LINE) {
		if (!push_line(ws, line)) {
			fail(ws, "out of memory");
			begin_close(ws);
			return;
		}
	}
	if (next == LINE_NEXT_NONE)
		return;
	ws->is_input_over = true;
	progress(ws);
	if (next == LINE_NEXT_LONG)
		fail(ws, "line %lu is too long; accepted: %u bytes", ws->input.number,
		     LINE_MAX_BYTES);
	else
		fail(ws, "line %lu is not UTF-8, which a text message must be", ws->input.number);
}

static void
read_input(struct ws *ws)
{
	switch (line_reader_read(&ws->input, STDIN_FILENO)) {
	case LINE_READ_MORE: break;
	case LINE_READ_END:
		ws->is_input_over = true;
		progress(ws);
		break;
	case LINE_READ_FAILED:
		fail(ws, "cannot read the input: %s", strerror(errno));
		begin_close(ws);
		return;
	}
	take_lines(ws);
}

/* --- the loop --- */

/* Whether nothing but the server can bring us on. */
static bool
is_waiting(const struct ws *ws)
{
	return ws->state == WS_OPEN && !ws->want_close && !wants_input(ws);
}

static void
check_end(struct ws *ws)
{
	uint64_t now = clock_monotonic_ms();

	if (ws->want_close && ws->state != WS_CLOSED && now - ws->close_ms >= CLOSE_MS) {
		fail(ws, "the server does not answer the Close");
		set_state(ws, WS_CLOSED);
	}
	if (ws->is_input_over && !ws->wanted && !ws->unsent.first && !ws->unanswered.first)
		begin_close(ws);
	if (ws->wait_ms && is_waiting(ws) && now - ws->progress_ms >= ws->wait_ms) {
		char why[64];

		snprintf(why, sizeof(why), "no message came for %" PRIu64 " s", ws->wait_ms / 1000);
		fail_unanswered(ws, why);
		begin_close(ws);
	}
}

/* The first interrupt closes; the next one finds the default action again. */
static void
on_signal(struct ws *ws, int signals_fd, const sigset_t *signals)
{
	struct signalfd_siginfo info;

	if (read(signals_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	sigprocmask(SIG_UNBLOCK, signals, NULL);
	ws->is_interrupted = true;
	begin_close(ws);
}

static int
wait_ms(struct ws *ws)
{
	int ms = 1000;

	/* what came with the last bytes and is not served yet does not make the socket readable */
	if (lws_service_adjust_timeout(ws->context, ms, 0) == 0)
		return 0;
	/* the library may want to write its Close, and does not tell */
	if (ws->state == WS_CLOSING)
		return 50;
	if (ws->wait_ms && is_waiting(ws)) {
		uint64_t spent = clock_monotonic_ms() - ws->progress_ms;
		uint64_t left = spent < ws->wait_ms ? ws->wait_ms - spent : 0;

		if (left < (uint64_t)ms)
			ms = (int)left;
	}
	return ms;
}

static void
run_pass(struct ws *ws, int signals_fd, const sigset_t *signals)
{
	bool wants_write = ws->wsi && ws->state == WS_OPEN &&
			   (ws->want_close || ws->unsent.first || lws_partial_buffered(ws->wsi));
	struct pollfd fds[] = {
	    {ws->wsi ? lws_get_socket_fd(ws->wsi) : -1,
	     (short)(POLLIN | (wants_write ? POLLOUT : 0)), 0},
	    {wants_input(ws) ? STDIN_FILENO : -1, POLLIN, 0},
	    {ws->is_interrupted ? -1 : signals_fd, POLLIN, 0},
	};

	if (poll(fds, 3, wait_ms(ws)) < 0 && errno != EINTR) {
		fail(ws, "poll: %s", strerror(errno));
		set_state(ws, WS_CLOSED);
		return;
	}
	if (fds[2].revents)
		on_signal(ws, signals_fd, signals);
	if (fds[1].revents)
		read_input(ws);
	/* twice: pongs and Closes that the first one brought about leave with the second */
	lws_service(ws->context, -1);
	lws_service(ws->context, -1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		/* whoever read our output has seen enough: head(1) */
		if (errno == EPIPE)
			ws->exit = CTL_FAILED;
		else
			fail(ws, "cannot write the output: %s", strerror(errno));
		clearerr(stdout);
		begin_close(ws);
	}
	check_end(ws);
}

static void
run(struct ws *ws)
{
	sigset_t signals;

	/* until then a signal ends us at once: there is nothing to close */
	while (ws->state == WS_CONNECTING && ws->wsi)
		lws_service(ws->context, 0);
	if (ws->state != WS_OPEN)
		return;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

	while (ws->state != WS_CLOSED)
		run_pass(ws, signals_fd, &signals);
	if (signals_fd >= 0)
		close(signals_fd);
}

static bool
connect_start(struct ws *ws, const struct url *url)
{
	static const struct lws_protocols protocols[] = {
	    /* rx in pieces of 64 KiB; a message leaves in one write if the socket takes it */
	    {"ws", ws_cb, 0, 65536, 0, NULL, LWS_PRE + LINE_MAX_BYTES + 64},
	    {NULL, NULL, 0, 0, 0, NULL, 0}};
	struct lws_context_creation_info info = {0};
	struct lws_client_connect_info connect = {0};

	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.user = ws;
	info.uid = -1;
	info.gid = -1;
	info.options = LWS_SERVER_OPTION_VALIDATE_UTF8;
	if (url->is_tls)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	ws->context = lws_create_context(&info);
	if (!ws->context) {
		fail(ws, "libwebsockets does not start");
		return false;
	}
	connect.context = ws->context;
	connect.address = url->address;
	connect.port = url->port;
	connect.host = url->host;
	connect.path = url->path;
	connect.ssl_connection =
	    LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (url->is_tls ? LCCSCF_USE_SSL : 0);
	connect.ietf_version_or_minus_one = -1;
	connect.local_protocol_name = protocols[0].name;
	connect.pwsi = &ws->wsi;
	/* with NULL the callback was told why */
	if (!lws_client_connect_via_info(&connect)) {
		fail(ws, "cannot connect to %s: is there such a host?", url->host);
		return false;
	}
	return true;
}

/* --- arguments --- */

static const char usage[] =
    "usage: plazactl ws [-n COUNT] [-w SECONDS] [-v] URL\n"
    "  -n COUNT    close when so many messages have come\n"
    "  -w SECONDS  how long to wait for the next message after the end of input;\n"
    "              0: for ever (default 10)\n"
    "  -v          also show what libwebsockets has to say\n"
    "A line of the input is a message out, a message in is a line of the output;\n"
    "see plazactl(1).\n";

/* False unless it is a decimal number of at most `max`. */
static bool
number_parse(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *number <= max;
}

static int
usage_error(void)
{
	fputs("plazactl ws -h tells more\n", stderr);
	return CTL_USAGE;
}

/* The exit code when it ends here, else -1. */
static int
arguments_parse(int argc, char **argv, struct ws *ws, struct url *url)
{
	uint64_t seconds;
	bool verbose = false;
	const char *wrong;
	int c;

	while ((c = getopt(argc, argv, "+hn:vw:")) != -1) {
		switch (c) {
		case 'n':
			if (number_parse(optarg, UINT64_MAX, &ws->wanted) && ws->wanted > 0)
				break;
			fprintf(stderr, "plazactl: -n %s: accepted: a number from 1\n", optarg);
			return usage_error();
		case 'w':
			if (number_parse(optarg, 86400, &seconds)) {
				ws->wait_ms = seconds * 1000;
				break;
			}
			fprintf(stderr, "plazactl: -w %s: accepted: seconds, 0 to 86400\n", optarg);
			return usage_error();
		case 'v': verbose = true; break;
		case 'h': fputs(usage, stdout); return CTL_OK;
		default: return usage_error();
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "plazactl: ws takes one URL, as in ws://127.0.0.1:8080/chat\n");
		return usage_error();
	}
	wrong = url_parse(argv[optind], url);
	if (wrong) {
		fprintf(stderr, "plazactl: %s: %s\n", argv[optind], wrong);
		return usage_error();
	}
	lws_set_log_level(verbose ? LLL_ERR | LLL_WARN | LLL_NOTICE | LLL_INFO : 0, NULL);
	return -1;
}

int
ws_command(int argc, char **argv)
{
	struct url url;
	struct ws ws = {.url = &url, .wait_ms = 10000};
	int code = arguments_parse(argc, argv, &ws, &url);

	if (code >= 0)
		return code;
	queue_init(&ws.unsent);
	queue_init(&ws.unanswered);
	if (connect_start(&ws, &url))
		run(&ws);
	set_state(&ws, WS_CLOSED);
	if (ws.context)
		lws_context_destroy(ws.context);
	queue_fini(&ws.unsent);
	queue_fini(&ws.unanswered);
	line_reader_fini(&ws.input);
	buffer_fini(&ws.received);
	return ws.exit;
}
