/*
 * request_field.c - one field line (RFC 9112 5), and which of the known fields it is. Called by:
 * request_head.c.
 */
#include "http/request_parts.h"

/* Longest name of a field line: no registered one has more than about 40. */
#define MAX_NAME 256

static const struct span field_names[FIELD_COUNT] = {
    [FIELD_HOST] = {"host", 4},
    [FIELD_CONNECTION] = {"connection", 10},
    [FIELD_CONTENT_ENCODING] = {"content-encoding", 16},
    [FIELD_CONTENT_LENGTH] = {"content-length", 14},
    [FIELD_CONTENT_TYPE] = {"content-type", 12},
    [FIELD_TRANSFER_ENCODING] = {"transfer-encoding", 17},
    [FIELD_EXPECT] = {"expect", 6},
    [FIELD_UPGRADE] = {"upgrade", 7},
    [FIELD_ACCEPT] = {"accept", 6},
    [FIELD_ACCEPT_ENCODING] = {"accept-encoding", 15},
    [FIELD_ACCESS_CONTROL_REQUEST_HEADERS] = {"access-control-request-headers", 30},
    [FIELD_ACCESS_CONTROL_REQUEST_METHOD] = {"access-control-request-method", 29},
    [FIELD_IDEMPOTENCY_KEY] = {"idempotency-key", 15},
    [FIELD_IF_MATCH] = {"if-match", 8},
    [FIELD_IF_NONE_MATCH] = {"if-none-match", 13},
    [FIELD_LAST_EVENT_ID] = {"last-event-id", 13},
    [FIELD_REFERER] = {"referer", 7},
    [FIELD_USER_AGENT] = {"user-agent", 10},
    [FIELD_ORIGIN] = {"origin", 6},
    [FIELD_SEC_FETCH_SITE] = {"sec-fetch-site", 14},
    [FIELD_FORWARDED] = {"forwarded", 9},
    [FIELD_X_FORWARDED_FOR] = {"x-forwarded-for", 15},
    [FIELD_VIA] = {"via", 3},
    [FIELD_SEC_WEBSOCKET_KEY] = {"sec-websocket-key", 17},
    [FIELD_SEC_WEBSOCKET_VERSION] = {"sec-websocket-version", 21},
    [FIELD_SEC_WEBSOCKET_PROTOCOL] = {"sec-websocket-protocol", 22},
    [FIELD_SEC_WEBSOCKET_EXTENSIONS] = {"sec-websocket-extensions", 24},
};

/*
 * First letter and length tell all known names apart, and so does this number made of them, with
 * which one look finds the only one to compare. (Two names in one place do not compile.)
 */
#define NAME_PLACES            128
#define NAME_PLACE(first, len) (((len)*44 + (unsigned char)(first)) % NAME_PLACES)

static const uint8_t name_places[NAME_PLACES] = {
    [NAME_PLACE('h', 4)] = FIELD_HOST,
    [NAME_PLACE('c', 10)] = FIELD_CONNECTION,
    [NAME_PLACE('c', 16)] = FIELD_CONTENT_ENCODING,
    [NAME_PLACE('c', 14)] = FIELD_CONTENT_LENGTH,
    [NAME_PLACE('c', 12)] = FIELD_CONTENT_TYPE,
    [NAME_PLACE('t', 17)] = FIELD_TRANSFER_ENCODING,
    [NAME_PLACE('e', 6)] = FIELD_EXPECT,
    [NAME_PLACE('u', 7)] = FIELD_UPGRADE,
    [NAME_PLACE('a', 6)] = FIELD_ACCEPT,
    [NAME_PLACE('a', 15)] = FIELD_ACCEPT_ENCODING,
    [NAME_PLACE('a', 30)] = FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
    [NAME_PLACE('a', 29)] = FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    [NAME_PLACE('i', 15)] = FIELD_IDEMPOTENCY_KEY,
    [NAME_PLACE('i', 8)] = FIELD_IF_MATCH,
    [NAME_PLACE('i', 13)] = FIELD_IF_NONE_MATCH,
    [NAME_PLACE('l', 13)] = FIELD_LAST_EVENT_ID,
    [NAME_PLACE('r', 7)] = FIELD_REFERER,
    [NAME_PLACE('u', 10)] = FIELD_USER_AGENT,
    [NAME_PLACE('o', 6)] = FIELD_ORIGIN,
    [NAME_PLACE('s', 14)] = FIELD_SEC_FETCH_SITE,
    [NAME_PLACE('f', 9)] = FIELD_FORWARDED,
    [NAME_PLACE('x', 15)] = FIELD_X_FORWARDED_FOR,
    [NAME_PLACE('v', 3)] = FIELD_VIA,
    [NAME_PLACE('s', 17)] = FIELD_SEC_WEBSOCKET_KEY,
    [NAME_PLACE('s', 21)] = FIELD_SEC_WEBSOCKET_VERSION,
    [NAME_PLACE('s', 22)] = FIELD_SEC_WEBSOCKET_PROTOCOL,
    [NAME_PLACE('s', 24)] = FIELD_SEC_WEBSOCKET_EXTENSIONS,
};

/*
 * Eight and four bytes of a name in lower case: the bit 0x20 maps no tchar but the upper-case
 * letter to a lower-case one, and '-' has it.
 */
static uint64_t
name_word(const char *name)
{
	uint64_t word;

	memcpy(&word, name, sizeof(word));
	return word | UINT64_MAX / 255 * ' ';
}

static uint32_t
name_half(const char *name)
{
	uint32_t half;

	memcpy(&half, name, sizeof(half));
	return half | UINT32_MAX / 255 * ' ';
}

/* `name` is a token, `known` is in lower case and as long. The last pieces overlap. */
static bool
is_name(const char *name, const char *known, size_t len)
{
	size_t i = 0;

	if (len >= 8) {
		for (; i + 8 < len; i += 8)
			if (name_word(name + i) != name_word(known + i))
				return false;
		return name_word(name + len - 8) == name_word(known + len - 8);
	}
	if (len >= 4)
		return name_half(name) == name_half(known) &&
		       name_half(name + len - 4) == name_half(known + len - 4);
	while (i < len && (name[i] | ' ') == known[i])
		i++;
	return i == len;
}

static enum http_field
field_find(const char *name, size_t len)
{
	enum http_field id = name_places[NAME_PLACE(name[0] | ' ', len)];

	/* FIELD_OTHER has the length 0 here, as no name has */
	return field_names[id].len == len && is_name(name, field_names[id].ptr, len) ? id
										     : FIELD_OTHER;
}

static const char *
bad_name(struct request_parser *parser, const char *name, const char *p, const char *end)
{
	if (p == name && p < end && (*p == ' ' || *p == '\t'))
		return request_bad(parser, 400,
				   "a field line begins with white space; folding is not accepted");
	if (p == name && p < end && *p == ':')
		return request_bad(parser, 400, "a field line has no name before its colon");
	if (p < end && (*p == ' ' || *p == '\t'))
		return request_bad(parser, 400,
				   "a header name has white space in it or before its colon");
	if (p < end && *p == '\r')
		return request_bad(parser, 400, "a field line has no colon");
	return request_bad(parser, 400, "a header name has a character that no token has");
}

const char *
request_parse_field(struct request_parser *parser, const char *p, const char *end,
		    struct request_field *field)
{
	const char *name = p, *value;
	size_t name_len;

	p = char_skip(p, end, CHAR_TOKEN);
	if (p == name || p == end || *p != ':')
		return bad_name(parser, name, p, end);
	name_len = (size_t)(p - name);
	if (name_len > MAX_NAME)
		return request_bad(parser, 431, "a header name is longer than 256 bytes");
	field->name = span_from(name, name_len);
	field->id = field_find(name, name_len);
	p++;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	value = p;
	p = request_skip_text(p, end);
	if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return request_bad(parser, 400, "a header value has a control character in it");
	name = p;
	while (name > value && (name[-1] == ' ' || name[-1] == '\t'))
		name--;
	field->value = span_from(value, (size_t)(name - value));
	return p + 2;
}
