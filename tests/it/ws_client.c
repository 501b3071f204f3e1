/*
 * ws_client.c - see ws_client.h.
 */
#include "ws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness.h"

void
ws_handshake(struct http_conn *c, const char *path, const char *fields, struct http_answer *a)
{
	char host[64] = "";

	if (!fields || !strcasestr(fields, "Host:"))
		snprintf(host, sizeof(host),
			 c->port ? "Host: 127.0.0.1:%u\r\n" : "Host: localhost\r\n", c->port);
	http_sendf(c,
		   "GET %s HTTP/1.1\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
		   "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
		   path, host, fields ? fields : "");
	http_read(c, "GET", a);
}

static const char *
check_accept(const struct http_answer *a)
{
	const char *upgrade = http_field(a, "Upgrade");
	const char *connection = http_field(a, "Connection");
	const char *accepted = http_field(a, "Sec-WebSocket-Accept");

	if (a->status != 101)
		return "the answer is not 101";
	if (!upgrade || strcasecmp(upgrade, "websocket") != 0)
		return "no Upgrade: websocket";
	if (!connection || strcasecmp(connection, "upgrade") != 0)
		return "no Connection: Upgrade";
	if (!accepted || strcmp(accepted, WS_ACCEPT) != 0)
		return "a wrong Sec-WebSocket-Accept";
	if (http_field(a, "Sec-WebSocket-Extensions") || http_field(a, "Sec-WebSocket-Protocol"))
		return "an extension or protocol that was not asked for";
	return NULL;
}

void
ws_open_on(struct ws *ws, struct http_conn *c, const char *path, const char *fields)
{
	struct http_answer a;

	memset(ws, 0, sizeof(*ws));
	ws->c = *c;
	ws_handshake(&ws->c, path, fields, &a);
	const char *wrong = check_accept(&a);
	ck_assert_msg(!wrong, "%s: %s: %s%s", path, wrong, a.head, a.body);
	http_answer_fini(&a);
}

void
ws_open(struct ws *ws, uint16_t port, const char *path, const char *fields)
{
	struct http_conn c;

	http_open(&c, port);
	ws_open_on(ws, &c, path, fields);
}

const char *
ws_try_open(struct ws *ws, uint16_t port, const char *path)
{
	char request[512];
	struct http_answer a;
	const char *wrong;

	memset(ws, 0, sizeof(*ws));
	if (!http_try_open(&ws->c, port))
		return "the connection is refused";
	int n = snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Key: " WS_KEY
			 "\r\nSec-WebSocket-Version: 13\r\n\r\n",
			 path, port);
	if (!http_try_send(&ws->c, request, (size_t)n)) {
		wrong = "the handshake cannot be sent";
	} else {
		wrong = http_try_read(&ws->c, "GET", &a);
		if (!wrong)
			wrong = check_accept(&a);
		http_answer_fini(&a);
	}
	if (wrong)
		http_close(&ws->c);
	return wrong;
}

void
ws_drop(struct ws *ws)
{
	http_close(&ws->c);
}

size_t
ws_build_frame(char *out, bool fin, unsigned opcode, const void *data, size_t len)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	const unsigned char *from = data;
	unsigned char *p = (unsigned char *)out;
	size_t n = 0;

	p[n++] = (unsigned char)((fin ? 0x80 : 0) | opcode);
	if (len < 126) {
		p[n++] = (unsigned char)(0x80 | len);
	} else if (len < 65536) {
		p[n++] = 0x80 | 126;
		p[n++] = (unsigned char)(len >> 8);
		p[n++] = (unsigned char)len;
	} else {
		p[n++] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			p[n++] = (unsigned char)((uint64_t)len >> shift);
	}
	memcpy(p + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		p[n++] = from[i] ^ mask[i % 4];
	return n;
}

bool
ws_try_send_frame(struct ws *ws, bool fin, enum ws_opcode opcode, const void *data, size_t len)
{
	char *out = malloc(len + 14);

	ck_assert_ptr_nonnull(out);
	bool ok = http_try_send(&ws->c, out, ws_build_frame(out, fin, opcode, data, len));
	free(out);
	return ok;
}

void
ws_send_frame(struct ws *ws, bool fin, enum ws_opcode opcode, const void *data, size_t len)
{
	ck_assert_msg(ws_try_send_frame(ws, fin, opcode, data, len), "the frame cannot be sent");
}

void
ws_send(struct ws *ws, const char *text)
{
	ws_send_frame(ws, true, WS_TEXT, text, strlen(text));
}

void
ws_frame_fini(struct ws_frame *frame)
{
	free(frame->data);
	memset(frame, 0, sizeof(*frame));
}

/* Whole and well-formed as a server's frame (5.2): 1 done, 0 more bytes are needed */
static int
take_frame(struct ws *ws, struct ws_frame *frame, const char **wrong)
{
	struct http_conn *c = &ws->c;
	const unsigned char *p = (const unsigned char *)c->buf;
	size_t head = 2;
	uint64_t len;

	*wrong = NULL;
	if (c->len < 2)
		return 0;
	if (p[0] & (ws->takes_rsv1 && !(p[0] & 0x08) ? 0x30 : 0x70))
		*wrong = "a reserved bit is set";
	else if (p[1] & 0x80)
		*wrong = "a server's frame is masked";
	if (*wrong)
		return 0;
	len = p[1] & 0x7f;
	if (len == 126) {
		if (c->len < 4)
			return 0;
		len = (uint64_t)p[2] << 8 | p[3];
		head = 4;
		if (len < 126)
			*wrong = "a length in more bytes than needed";
	} else if (len == 127) {
		if (c->len < 10)
			return 0;
		len = 0;
		for (int i = 2; i < 10; i++)
			len = len << 8 | p[i];
		head = 10;
		if (len < 65536)
			*wrong = "a length in more bytes than needed";
	}
	if (c->len - head < len)
		return 0;
	frame->fin = p[0] & 0x80;
	frame->rsv1 = p[0] & 0x40;
	frame->opcode = (enum ws_opcode)(p[0] & 0x0f);
	frame->len = (size_t)len;
	frame->data = malloc(frame->len + 1);
	ck_assert_ptr_nonnull(frame->data);
	memcpy(frame->data, c->buf + head, frame->len);
	frame->data[frame->len] = '\0';
	c->len -= head + frame->len;
	memmove(c->buf, c->buf + head + frame->len, c->len);
	return 1;
}

const char *
ws_try_read(struct ws *ws, struct ws_frame *frame, uint64_t until_ms)
{
	const char *wrong;

	for (;;) {
		if (take_frame(ws, frame, &wrong)) {
			if (frame->opcode != WS_PING || ws->keep_pings)
				return NULL;
			ws_try_send_frame(ws, true, WS_PONG, frame->data, frame->len);
			ws_frame_fini(frame);
			continue;
		}
		if (wrong)
			return wrong;
		if (!http_receive(&ws->c, until_ms))
			return !ws->c.eof  ? "no frame in time"
			       : ws->c.len ? "the stream ends in a frame"
					   : "the stream ends without a Close";
	}
}

void
ws_read(struct ws *ws, struct ws_frame *frame)
{
	const char *wrong = ws_try_read(ws, frame, it_now_ms() + IT_DEADLINE_MS);

	ck_assert_msg(!wrong, "%s", wrong);
}

void
ws_expect_data(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	struct ws_frame f;

	ws_read(ws, &f);
	if (f.opcode == WS_CLOSE && opcode != WS_CLOSE)
		ck_abort_msg("a Close %u instead of a message",
			     f.len >= 2 ? (unsigned)(unsigned char)f.data[0] << 8 |
					      (unsigned char)f.data[1]
					: 1005);
	ck_assert_msg(f.fin && f.opcode == opcode, "opcode %d fin %d instead of opcode %d: %s",
		      f.opcode, f.fin, opcode, f.data);
	ck_assert_msg(f.len == len && memcmp(f.data, data, len) == 0,
		      "%zu bytes \"%.60s\" instead of %zu \"%.60s\"", f.len, f.data, len,
		      (const char *)data);
	ws_frame_fini(&f);
}

void
ws_expect(struct ws *ws, const char *text)
{
	ws_expect_data(ws, WS_TEXT, text, strlen(text));
}

void
ws_expect_close(struct ws *ws, unsigned code)
{
	struct ws_frame f;

	for (;;) {
		ws_read(ws, &f);
		if (f.opcode == WS_CLOSE)
			break;
		ws_frame_fini(&f);
	}
	unsigned got = 1005;
	if (f.len >= 2)
		got = (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1];
	ck_assert_msg(got == code, "closed with %u \"%s\", not %u", got,
		      f.len > 2 ? f.data + 2 : "", code);
	ck_assert_msg(f.len <= 125, "a Close of %zu bytes", f.len);
	ws_try_send_frame(ws, true, WS_CLOSE, f.data, f.len >= 2 ? 2 : 0);
	ws_frame_fini(&f);
	http_expect_eof(&ws->c);
	http_close(&ws->c);
}

void
ws_expect_silence(struct ws *ws)
{
	ws_send_frame(ws, true, WS_PING, "silence?", 8);
	ws_expect_data(ws, WS_PONG, "silence?", 8);
}

void
ws_close(struct ws *ws)
{
	ws_send_frame(ws, true, WS_CLOSE, "\x03\xe8", 2);
	ws_expect_close(ws, 1000);
}

void
ws_open_everywhere(struct ws *ws, size_t n, struct daemon *d, const char *path)
{
	pid_t workers[PROCFS_MAX], has[PROCFS_MAX];
	size_t n_workers = daemon_workers(d, workers), n_has = 0, n_open = 0;

	ck_assert_uint_ge(n, n_workers);
	for (int tries = 0; n_open < n; tries++) {
		ck_assert_msg(tries < 500, "500 connections never reached every worker");
		ws_open(&ws[n_open], daemon_port(d), path, NULL);
		pid_t pid = daemon_worker_of(d, ws[n_open].c.fd);
		bool fresh = true;
		for (size_t i = 0; i < n_has; i++)
			fresh = fresh && has[i] != pid;
		if (fresh)
			has[n_has++] = pid;
		/* keep room for the workers that have none yet */
		if (fresh || n - n_open > n_workers - n_has)
			n_open++;
		else
			ws_drop(&ws[n_open]);
	}
}
