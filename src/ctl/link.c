/*
 * link.c - one WebSocket to a server, as a client, by libwebsockets. See link.h.
 */
#include "ctl/link.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/lines.h"

/* a message that is longer is no chat; the connection is closed with 1009 */
#define MESSAGE_MAX   (64u << 20)
#define WRITES_A_PASS 32
#define CLOSE_MS      5000

static void end(struct link *link, enum link_end how, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
set_state(struct link *link, enum link_state state)
{
	link->state = state;
}

/* The first reason is the one that counts. */
static void
end(struct link *link, enum link_end how, const char *fmt, ...)
{
	va_list ap;

	if (link->end != LINK_NEVER)
		return;
	link->end = how;
	va_start(ap, fmt);
	vsnprintf(link->why, sizeof(link->why), fmt, ap);
	va_end(ap);
}

void
link_want_write(struct link *link)
{
	if (link->state != LINK_OPEN)
		return;
	link->want_write = true;
	lws_callback_on_writable(link->wsi);
}

void
link_close(struct link *link)
{
	if (link->state == LINK_CONNECTING) {
		end(link, LINK_OURS, "%s", "");
		set_state(link, LINK_CLOSED);
	}
	if (link->want_close || link->state != LINK_OPEN)
		return;
	link->want_close = true;
	link->close_ms = clock_monotonic_ms();
	lws_callback_on_writable(link->wsi);
}

void
link_abandon(struct link *link, const char *why)
{
	end(link, LINK_BROKEN, "%s", why);
	set_state(link, LINK_CLOSED);
}

/* --- what the library tells --- */

/* Returns what the callback returns: -1 closes with the reason given to the library. */
static int
on_fragment(struct link *link, const void *data, size_t len)
{
	static char too_long[] = "message too long";

	if (link->want_close || link->state != LINK_OPEN)
		return 0;
	if (lws_is_first_fragment(link->wsi)) {
		link->received.len = 0;
		link->received_binary = lws_frame_is_binary(link->wsi);
	}
	if (!buffer_append(&link->received, data, len, MESSAGE_MAX)) {
		end(link, LINK_BROKEN, "a message is longer than %u MiB", MESSAGE_MAX >> 20);
		lws_close_reason(link->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
				 (unsigned char *)too_long, sizeof(too_long) - 1);
		set_state(link, LINK_CLOSING);
		link->close_ms = clock_monotonic_ms();
		return -1;
	}
	if (lws_is_final_fragment(link->wsi)) {
		link->calls->on_message(link->ctx, buffer_span(&link->received),
					link->received_binary);
		link->received.len = 0;
	}
	return 0;
}

bool
link_send(struct link *link, struct span text)
{
	/* the library masks it in place, so it gets a copy */
	unsigned char *copy = malloc(LWS_PRE + text.len + 1);

	if (!copy) {
		end(link, LINK_BROKEN, "out of memory");
		return false;
	}
	if (text.len)
		memcpy(copy + LWS_PRE, text.ptr, text.len);
	int n = lws_write(link->wsi, copy + LWS_PRE, text.len, LWS_WRITE_TEXT);
	free(copy);
	if (n < (int)text.len) {
		end(link, LINK_BROKEN, "the connection broke while a message was sent");
		return false;
	}
	return true;
}

static int
on_writable(struct link *link)
{
	if (link->state != LINK_OPEN)
		return 0;
	if (link->want_close) {
		set_state(link, LINK_CLOSING);
		lws_close_reason(link->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
		return -1;
	}
	/* nothing may be written while the library holds a rest */
	for (int i = 0; i < WRITES_A_PASS && link->want_write && !lws_partial_buffered(link->wsi);
	     i++) {
		link->want_write = link->calls->on_writable(link->ctx);
		if (link->end != LINK_NEVER)
			return -1;
	}
	if (link->want_write)
		lws_callback_on_writable(link->wsi);
	return 0;
}

/* plazad sends codes without reasons; plaza-chat(7) has the same list */
static const char *
close_hint(unsigned code)
{
	switch (code) {
	case 1001: return ": it stops";
	case 1002:
		return ": a frame broke RFC 6455; or it is renewed, for libwebsockets 4.1 "
		       "shows 1012 to 1014 as 1002";
	case 1007: return ": a text message was not UTF-8";
	case 1008: return ": in this room only the server speaks";
	case 1009: return ": a message was longer than it accepts (chat.max_message_size)";
	case 1011: return ": it has no memory left";
	case 1012: return ": it is renewed; connect again";
	case 1013: return ": a message could not be published just now";
	case 4008: return ": this client is too far behind with reading";
	case 4010: return ": it missed messages itself; connect again";
	case 4012: return ": this client did not answer its ping";
	case 4013: return ": too many messages a second (chat.publish_rate, chat.room_rate)";
	case 4501: return ": too many commands that were wrong";
	default: return "";
	}
}

/* RFC 6455 5.5.1: two bytes of code and a reason, or nothing */
static void
on_peer_close(struct link *link, const unsigned char *data, size_t len)
{
	char *out = link->peer_close;
	size_t size = sizeof(link->peer_close);

	if (len < 2) {
		snprintf(out, size, "without a code");
		return;
	}
	link->code = (unsigned)data[0] << 8 | data[1];
	/* shown through line_show's eyes: the reason is the server's text */
	FILE *f = fmemopen(out, size, "w");
	if (!f) {
		snprintf(out, size, "with %u", link->code);
		return;
	}
	fprintf(f, "with %u", link->code);
	if (len == 2) {
		fputs(close_hint(link->code), f);
	} else {
		fputc(' ', f);
		line_show(f, span_from((const char *)data + 2, len - 2), false);
	}
	fclose(f);
	out[size - 1] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static void
on_closed(struct link *link)
{
	if (link->state == LINK_CLOSED)
		return;
	if (link->state == LINK_CLOSING)
		end(link, LINK_OURS, "%s", "");
	else if (link->peer_close[0])
		end(link, LINK_PEER, "the server closed the connection %s", link->peer_close);
	else
		end(link, LINK_BROKEN, "the connection broke off");
	set_state(link, LINK_CLOSED);
}

static const char *
status_hint(unsigned status)
{
	switch (status) {
	case 400: return ": bad request, as by a wrong mode, last or since in the URL";
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
on_connect_failed(struct link *link, struct lws *wsi, const char *reason, size_t len)
{
	unsigned status;

	if (link->state == LINK_CLOSED)
		return;
	status = lws_http_client_http_response(wsi);
	if (status != 0 && status != 101) {
		link->code = status;
		end(link, LINK_REFUSED, "the server refused with HTTP status %u%s", status,
		    status_hint(status));
	} else {
		end(link, LINK_UNREACHABLE, "cannot connect to %s: %.*s; does %s serve there?",
		    link->url->host, (int)len, len ? reason : "",
		    link->url->is_tls ? "a server with TLS (wss)" : "plazad");
	}
	set_state(link, LINK_CLOSED);
}

/* Follows the callbacks that say why; but should there have been none, it has ended too. */
static void
on_destroyed(struct link *link)
{
	link->wsi = NULL;
	if (link->state == LINK_CONNECTING)
		end(link, LINK_UNREACHABLE, "cannot connect to %s", link->url->host);
	on_closed(link);
}

static int
link_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct link *link = lws_context_user(lws_get_context(wsi));

	(void)user;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		on_connect_failed(link, wsi, in, in ? len : 0);
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		if (link->state == LINK_CONNECTING) {
			set_state(link, LINK_OPEN);
			link->calls->on_open(link->ctx);
		}
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE: return on_fragment(link, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE: return on_writable(link);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: on_peer_close(link, in, len); break;
	case LWS_CALLBACK_CLIENT_CLOSED: on_closed(link); break;
	case LWS_CALLBACK_WSI_DESTROY:
		if (wsi == link->wsi)
			on_destroyed(link);
		break;
	default: break;
	}
	return 0;
}

/* --- the loop --- */

static int
wait_ms(const struct link *link, int ms)
{
	int most = ms;

	if (!link->wsi)
		return ms;
	/* what came with the last bytes and is not served yet does not make the socket readable */
	if (lws_service_adjust_timeout(link->context, ms, 0) == 0)
		return 0;
	/* the library waits for the socket to be connected, or to write its Close, and does not
	 * tell */
	if (link->state == LINK_CONNECTING)
		most = 10;
	if (link->state == LINK_CLOSING)
		most = 50;
	return ms < most ? ms : most;
}

bool
link_pass(struct link *link, struct pollfd *others, size_t n, int ms)
{
	struct pollfd fds[1 + LINK_OTHERS] = {{-1, POLLIN, 0}};

	if (link->state != LINK_CLOSED) {
		fds[0].fd = link->wsi ? lws_get_socket_fd(link->wsi) : -1;
		if (link->state == LINK_OPEN && link->wsi &&
		    (link->want_close || link->want_write || lws_partial_buffered(link->wsi)))
			fds[0].events |= POLLOUT;
	}
	for (size_t i = 0; i < n; i++)
		fds[1 + i] = others[i];
	int got = poll(fds, (nfds_t)(1 + n), link->state == LINK_CLOSED ? ms : wait_ms(link, ms));
	for (size_t i = 0; i < n; i++)
		others[i].revents = got > 0 ? fds[1 + i].revents : (short)0;
	if (got < 0 && errno != EINTR)
		return false;
	if (link->state == LINK_CLOSED)
		return true;
	/* twice: pongs and Closes that the first one brought about leave with the second */
	lws_service(link->context, -1);
	lws_service(link->context, -1);
	if ((link->want_close || link->state == LINK_CLOSING) && link->state != LINK_CLOSED &&
	    clock_monotonic_ms() - link->close_ms >= CLOSE_MS)
		link_abandon(link, "the server does not answer the Close");
	return true;
}

void
link_open(struct link *link)
{
	static const struct lws_protocols protocols[] = {
	    /* rx in pieces of 64 KiB; a message leaves in one write if the socket takes it */
	    {"link", link_cb, 0, 65536, 0, NULL, LWS_PRE + LINK_SEND_MAX + 64},
	    {NULL, NULL, 0, 0, 0, NULL, 0}};
	struct lws_context_creation_info info = {0};
	struct lws_client_connect_info connect = {0};

	link_fini(link);
	link->end = LINK_NEVER;
	link->code = 0;
	link->why[0] = link->peer_close[0] = '\0';
	link->want_close = link->want_write = false;
	set_state(link, LINK_CONNECTING);

	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	info.user = link;
	info.uid = -1;
	info.gid = -1;
	info.options = LWS_SERVER_OPTION_VALIDATE_UTF8;
	if (link->url->is_tls)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	link->context = lws_create_context(&info);
	if (!link->context) {
		end(link, LINK_UNREACHABLE, "libwebsockets does not start");
		set_state(link, LINK_CLOSED);
		return;
	}
	connect.context = link->context;
	connect.address = link->url->address;
	connect.port = link->url->port;
	connect.host = link->url->host;
	connect.path = link->url->path;
	connect.protocol = link->subprotocol;
	connect.ssl_connection =
	    LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (link->url->is_tls ? LCCSCF_USE_SSL : 0);
	connect.ietf_version_or_minus_one = -1;
	connect.local_protocol_name = protocols[0].name;
	connect.pwsi = &link->wsi;
	if (!lws_client_connect_via_info(&connect)) {
		/* unless the callback was told why */
		end(link, LINK_UNREACHABLE, "cannot connect to %s: is there such a host?",
		    link->url->host);
		set_state(link, LINK_CLOSED);
		return;
	}
	/* it may be there already, and wants to send its handshake */
	lws_service(link->context, -1);
}

void
link_fini(struct link *link)
{
	set_state(link, LINK_CLOSED);
	if (link->context)
		lws_context_destroy(link->context);
	link->context = NULL;
	link->wsi = NULL;
	buffer_fini(&link->received);
}

bool
link_may_retry(const struct link *link)
{
	unsigned code = link->code;

	switch (link->end) {
	case LINK_UNREACHABLE:
	case LINK_BROKEN: return true;
	case LINK_REFUSED: return code == 429 || code >= 500;
	case LINK_PEER:
		/* the first group would come again for the same message; 1002 may be 1012 */
		if (code == 1003 || code == 1007 || code == 1008 || code == 1009 || code == 1010)
			return false;
		return code < 4500 || code > 4999;
	case LINK_NEVER:
	case LINK_OURS: break;
	}
	return false;
}

void
link_set_verbose(bool verbose)
{
	lws_set_log_level(verbose ? LLL_ERR | LLL_WARN | LLL_NOTICE | LLL_INFO : 0, NULL);
}
