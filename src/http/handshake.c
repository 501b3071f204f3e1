/*
 * handshake.c - what RFC 6455 4.2.1 wants of a client's handshake. libwebsockets would take any
 * key, no version, POST and HTTP/1.0, so all of it is checked here and only the rest is passed on.
 */
#include "http/handshake.h"
#include "http/chars.h"

bool
handshake_wanted(const struct request *request)
{
	/* an Upgrade in HTTP/1.0 is to be ignored (RFC 9110 7.8) */
	return request->version_minor == 1 && request->connection_upgrade &&
	       request_list_has(request, FIELD_UPGRADE, SPAN_LIT("websocket"));
}

/* base64 of 16 bytes (4.1): 22 characters and "==". */
static bool
is_key(struct span key)
{
	if (key.len != 24 || key.ptr[22] != '=' || key.ptr[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!char_is(key.ptr[i], CHAR_ALPHA | CHAR_DIGIT) && key.ptr[i] != '+' &&
		    key.ptr[i] != '/')
			return false;
	return true;
}

int
handshake_check(const struct request *request, const char **message, const char **fields)
{
	*fields = NULL;
	*message = NULL;
	/* in any other method Upgrade is to be ignored, as one may (RFC 9110 7.8) */
	if (!handshake_wanted(request) || request->method != HTTP_GET) {
		*message = "this path takes WebSockets only (RFC 6455)";
		*fields = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
		return 426;
	}
	if (request->times[FIELD_SEC_WEBSOCKET_VERSION] != 1 ||
	    !span_eq(request_first(request, FIELD_SEC_WEBSOCKET_VERSION), SPAN_LIT("13"))) {
		*message = "Sec-WebSocket-Version must be 13, once";
		*fields = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
		return 426;
	}
	if (request->times[FIELD_SEC_WEBSOCKET_KEY] != 1 ||
	    !is_key(request_first(request, FIELD_SEC_WEBSOCKET_KEY))) {
		*message = "Sec-WebSocket-Key must be 16 bytes in base64, once";
		return 400;
	}
	if (request_has_body(request)) {
		*message = "a WebSocket handshake has no body";
		return 400;
	}
	return 0;
}

/* A place to write to, which notes when it was too small. */
struct out {
	char *at;
	size_t room;
	bool full;
};

static void
put(struct out *out, struct span bytes)
{
	if (out->full || bytes.len > out->room) {
		out->full = true;
		return;
	}
	if (bytes.len)
		memcpy(out->at, bytes.ptr, bytes.len);
	out->at += bytes.len;
	out->room -= bytes.len;
}

static void
put_field(struct out *out, struct span name, struct span value)
{
	put(out, name);
	put(out, value);
	put(out, SPAN_LIT("\r\n"));
}

size_t
handshake_write_head(const struct request *request, char *buffer, size_t size)
{
	struct out out = {.at = buffer, .room = size};

	/*
	 * Route and access are decided. libwebsockets takes targets and hosts apart for nobody, and
	 * ends connections without an answer over a long one, %00 or many parameters.
	 */
	put(&out, SPAN_LIT("GET / HTTP/1.1\r\nHost: localhost\r\n"
			   "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
	put_field(&out, SPAN_LIT("Sec-WebSocket-Key: "),
		  request_first(request, FIELD_SEC_WEBSOCKET_KEY));
	put(&out, SPAN_LIT("Sec-WebSocket-Version: 13\r\n"));
	/* several fields of one list are one list (RFC 9110 5.3) */
	if (request_has(request, FIELD_SEC_WEBSOCKET_PROTOCOL)) {
		struct span glue = SPAN_LIT("Sec-WebSocket-Protocol: ");

		for (size_t i = 0; i < request->n_fields; i++) {
			if (request->field[i].id != FIELD_SEC_WEBSOCKET_PROTOCOL)
				continue;
			put(&out, glue);
			put(&out, request->field[i].value);
			glue = SPAN_LIT(", ");
		}
		put(&out, SPAN_LIT("\r\n"));
	}
	put(&out, SPAN_LIT("\r\n"));
	return out.full ? 0 : size - out.room;
}
