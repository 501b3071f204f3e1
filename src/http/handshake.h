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

/*
 * Whether the client offers this subprotocol (RFC 6455 1.9). To the byte: names differ by case.
 */
bool handshake_offers_protocol(const struct request *request, struct span name);

/*
 * The answer to the first offer of permessage-deflate (RFC 7692 section 7) that is right and that
 * we can keep to, or NULL. We compress each message by itself and with the largest window, and want
 * the same of the client, so that neither side keeps a window for the other.
 */
const char *handshake_deflate(const struct request *request);

/* What the answer takes of the client's offers. */
struct handshake_choice {
	const char *protocol; /* a subprotocol that it offers, or NULL */
	const char *deflate;  /* of handshake_deflate, or NULL */
};

/* A buffer of this many bytes more than the parsed head is always enough. */
#define HANDSHAKE_HEAD_EXTRA 512

/*
 * Writes the canonical head of a checked handshake: a request line and a Host that are always the
 * same, Upgrade, Connection, Sec-WebSocket-Key and -Version; and -Protocol and -Extensions as if
 * the client had offered just what is chosen: that is then the answer. Returns its length, 0 if
 * `size` is too small.
 */
size_t handshake_write_head(const struct request *request, const struct handshake_choice *choice,
			    char *out, size_t size);

#endif
