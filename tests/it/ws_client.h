/*
 * ws_client.h - RFC 6455 by hand, so that a test can send what no library would and sees every
 * frame that comes.
 */
#ifndef PLAZA_TESTS_IT_WS_CLIENT_H
#define PLAZA_TESTS_IT_WS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_client.h"

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

/* 4.1 and 4.2.2: this key makes this accept value */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct ws {
	struct http_conn c;
	bool keep_pings; /* ws_read returns pings, too; otherwise it answers them */
	bool takes_rsv1; /* compressed messages may come, and are returned as they are */
};

struct ws_frame {
	bool fin;
	bool rsv1;
	enum ws_opcode opcode;
	char *data; /* terminated besides */
	size_t len;
};

/* The whole handshake; fails the test when it is refused. `fields`: further lines or NULL. */
void ws_open(struct ws *ws, uint16_t port, const char *path, const char *fields);
/* On a connection of any kind that was opened already; it is the ws's then. */
void ws_open_on(struct ws *ws, struct http_conn *c, const char *path, const char *fields);
/* Sends the request and reads the answer, whatever it is; the connection stays open. */
void ws_handshake(struct http_conn *c, const char *path, const char *fields, struct http_answer *a);
/* NULL or what went wrong; nothing is left open then. */
const char *ws_try_open(struct ws *ws, uint16_t port, const char *path);
/* Without a close handshake. */
void ws_drop(struct ws *ws);

/* One masked frame. */
void ws_send_frame(struct ws *ws, bool fin, enum ws_opcode opcode, const void *data, size_t len);
bool ws_try_send_frame(struct ws *ws, bool fin, enum ws_opcode opcode, const void *data,
		       size_t len);
void ws_send(struct ws *ws, const char *text);
/* The bytes of that frame instead of the sending; returns how many. `out` has len + 14 bytes. */
size_t ws_build_frame(char *out, bool fin, unsigned opcode, const void *data, size_t len);

/* The next frame other than an answered ping; pongs are returned. */
void ws_read(struct ws *ws, struct ws_frame *frame);
/* NULL, or why there is none. */
const char *ws_try_read(struct ws *ws, struct ws_frame *frame, uint64_t until_ms);
void ws_frame_fini(struct ws_frame *frame);

/* The next message is exactly this, unfragmented. */
void ws_expect(struct ws *ws, const char *text);
void ws_expect_data(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len);
/* Data frames may still come before it; then the Close with `code`, and the end of the stream. */
void ws_expect_close(struct ws *ws, unsigned code);
/* Nothing has come that a ping's round trip would not have brought. */
void ws_expect_silence(struct ws *ws);
/* Our Close with 1000, theirs, the end. */
void ws_close(struct ws *ws);

/*
 * Opens clients on `path` until each of the live workers of `d` serves one of ws[0..n), n at least
 * the number of workers; all n are open afterwards.
 */
void ws_open_everywhere(struct ws *ws, size_t n, struct daemon *d, const char *path);

#endif
