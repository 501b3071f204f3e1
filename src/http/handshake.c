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

/* --- Sec-WebSocket-Extensions (RFC 6455 9.1) --- */

#define DEFLATE_ANSWER   "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define DEFLATE_MIN_BITS 8
#define DEFLATE_MAX_BITS 15

static void
skip_space(struct span *rest)
{
	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
		*rest = span_from(rest->ptr + 1, rest->len - 1);
}

static bool
take_char(struct span *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_from(rest->ptr + 1, rest->len - 1);
	return true;
}

static struct span
take_token(struct span *rest)
{
	const char *end = char_skip(rest->ptr, rest->ptr + rest->len, CHAR_TOKEN);
	struct span token = span_from(rest->ptr, (size_t)(end - rest->ptr));

	*rest = span_from(end, rest->len - token.len);
	return token;
}

/* The parameters of one offer, as permessage-deflate takes them. */
struct deflate_offer {
	bool is_right;        /* none is unknown, comes twice or has a wrong value (RFC 7692 7.1) */
	unsigned seen;        /* of deflate_parameters */
	unsigned server_bits; /* 0: not named */
};

struct extension {
	struct span name;
	struct deflate_offer deflate;
};

enum deflate_value { VALUE_NONE, VALUE_BITS, VALUE_BITS_OR_NONE };

static const struct {
	struct span name;
	enum deflate_value value;
} deflate_parameters[] = {
    {SPAN_LIT("server_no_context_takeover"), VALUE_NONE},
    {SPAN_LIT("client_no_context_takeover"), VALUE_NONE},
    {SPAN_LIT("client_max_window_bits"), VALUE_BITS_OR_NONE},
    {SPAN_LIT("server_max_window_bits"), VALUE_BITS},
};
#define SERVER_MAX_WINDOW_BITS 3

/* RFC 7692 7.1.2.1: 8 to 15, without leading zeros; else 0. */
static unsigned
window_bits(struct span value)
{
	unsigned bits = 0;

	if (value.len < 1 || value.len > 2 || value.ptr[0] == '0')
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!char_is(value.ptr[i], CHAR_DIGIT))
			return 0;
		bits = bits * 10 + (unsigned)(value.ptr[i] - '0');
	}
	return bits >= DEFLATE_MIN_BITS && bits <= DEFLATE_MAX_BITS ? bits : 0;
}

/* `value.ptr` is NULL when there is none. */
static void
add_parameter(struct deflate_offer *offer, struct span name, struct span value)
{
	const unsigned n = sizeof(deflate_parameters) / sizeof(deflate_parameters[0]);
	unsigned i = 0;

	while (i < n && !span_eq(name, deflate_parameters[i].name))
		i++;
	if (i == n || offer->seen & 1u << i) {
		offer->is_right = false;
		return;
	}
	offer->seen |= 1u << i;
	if (value.ptr ? deflate_parameters[i].value == VALUE_NONE || window_bits(value) == 0
		      : deflate_parameters[i].value == VALUE_BITS)
		offer->is_right = false;
	else if (i == SERVER_MAX_WINDOW_BITS)
		offer->server_bits = window_bits(value);
}

/* A token, or one in quotes; what is escaped in them is no value that we know. */
static bool
take_value(struct span *rest, struct span *value)
{
	if (!take_char(rest, '"')) {
		*value = take_token(rest);
		return value->len > 0;
	}
	size_t i = 0;
	for (; i < rest->len && rest->ptr[i] != '"'; i++) {
		if (rest->ptr[i] == '\\')
			i++;
		/* without its escapes it has to be a token */
		if (i == rest->len || !char_is(rest->ptr[i], CHAR_TOKEN))
			return false;
	}
	*value = span_from(rest->ptr, i);
	*rest = span_from(rest->ptr + i, rest->len - i);
	return value->len > 0 && take_char(rest, '"');
}

/* All the fields are one list (RFC 9110 5.3). */
struct extension_list {
	const struct request *request;
	size_t n_fields; /* looked at */
	struct span rest;
};

enum extension_found { EXTENSION_FOUND, EXTENSION_END, EXTENSION_BAD };

static enum extension_found
extension_next(struct extension_list *list, struct extension *e)
{
	struct span *rest = &list->rest;

	for (;;) {
		skip_space(rest);
		if (rest->len > 0 && !take_char(rest, ','))
			break;
		while (rest->len == 0) {
			const struct request_field *field;

			if (list->n_fields == list->request->n_fields)
				return EXTENSION_END;
			field = &list->request->field[list->n_fields++];
			if (field->id == FIELD_SEC_WEBSOCKET_EXTENSIONS)
				*rest = field->value;
		}
	}
	*e = (struct extension){.name = take_token(rest), .deflate.is_right = true};
	if (e->name.len == 0)
		return EXTENSION_BAD;
	for (skip_space(rest); take_char(rest, ';'); skip_space(rest)) {
		struct span value = {NULL, 0};

		skip_space(rest);
		struct span name = take_token(rest);
		skip_space(rest);
		if (take_char(rest, '=')) {
			skip_space(rest);
			if (!take_value(rest, &value))
				return EXTENSION_BAD;
		}
		if (name.len == 0)
			return EXTENSION_BAD;
		add_parameter(&e->deflate, name, value);
	}
	return rest->len == 0 || rest->ptr[0] == ',' ? EXTENSION_FOUND : EXTENSION_BAD;
}

static bool
are_extensions(const struct request *request)
{
	struct extension_list list = {.request = request};
	struct extension e;
	enum extension_found found;

	while ((found = extension_next(&list, &e)) == EXTENSION_FOUND)
		;
	return found == EXTENSION_END;
}

/* --- the handshake --- */

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
	if (!are_extensions(request)) {
		*message = "Sec-WebSocket-Extensions must be a list of extensions "
			   "(RFC 6455 9.1): name; parameter=value, ...";
		return 400;
	}
	return 0;
}

bool
handshake_offers_protocol(const struct request *request, struct span name)
{
	for (size_t i = 0; i < request->n_fields; i++) {
		struct span rest = request->field[i].value;

		if (request->field[i].id != FIELD_SEC_WEBSOCKET_PROTOCOL)
			continue;
		while (rest.len > 0) {
			skip_space(&rest);
			struct span token = take_token(&rest);
			skip_space(&rest);
			if (rest.len > 0 && !take_char(&rest, ','))
				return false;
			if (token.len > 0 && span_eq(token, name))
				return true;
		}
	}
	return false;
}

const char *
handshake_deflate(const struct request *request)
{
	struct extension_list list = {.request = request};
	struct extension e;

	while (extension_next(&list, &e) == EXTENSION_FOUND) {
		if (!span_eq(e.name, SPAN_LIT("permessage-deflate")) || !e.deflate.is_right)
			continue;
		/* what we send is compressed once for all, whatever one of them wishes for */
		if (e.deflate.server_bits == 0)
			return DEFLATE_ANSWER;
		if (e.deflate.server_bits == DEFLATE_MAX_BITS)
			return DEFLATE_ANSWER "; server_max_window_bits=15";
	}
	return NULL;
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
handshake_write_head(const struct request *request, const struct handshake_choice *choice,
		     char *buffer, size_t size)
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
	if (choice->protocol)
		put_field(&out, SPAN_LIT("Sec-WebSocket-Protocol: "), span_str(choice->protocol));
	if (choice->deflate)
		put_field(&out, SPAN_LIT("Sec-WebSocket-Extensions: "), span_str(choice->deflate));
	put(&out, SPAN_LIT("\r\n"));
	return out.full ? 0 : size - out.room;
}
