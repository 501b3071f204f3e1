/*
 * handshake.h - a WebSocket's opening handshake, the server's side of RFC 6455 4.2.1. Pure: checks
 * over a parsed request, and the request head written anew for libwebsockets, which checks little.
 */
#ifndef PLAZA_HTTP_HANDSHAKE_H
#define PLAZA_HTTP_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "http/request.h"

/*
 * Whether the request asks for a WebSocket: HTTP/1.1, Connection lists upgrade, Upgrade lists
 * websocket. Anything else is an ordinary request (RFC 9110 7.8: other upgrades are ignored).
 */
bool handshake_wanted(const struct request *request);

/*
 * 0 when the handshake is right, else the status of its refusal: 426 when it is none or asks for
 * another version, 400. *message says what is accepted; *fields is NULL or further header
 * lines of the answer, as in struct reply. Both are literals. With 426, whose Upgrade field must be
 * listed in Connection (RFC 9110 7.8), the answer's Connection field has to name "upgrade".
 */
int handshake_check(const struct request *request, const char **message, const char **fields);

/* A buffer of this many bytes more than the parsed head is always enough. */
#define HANDSHAKE_HEAD_EXTRA 256

/*
 * Writes the canonical head of a checked handshake: a request line and a Host that are always the
 * same, Upgrade, Connection, Sec-WebSocket-Key, -Version and, if it came, -Protocol. Extensions are
 * not passed on: none is offered as long as compression is off. Returns its length, 0 if `size` is
 * too small.
 */
size_t handshake_write_head(const struct request *request, char *out, size_t size);

#endif
