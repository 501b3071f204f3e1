/*
 * response.c - one reservation per answer, then copies of prepared pieces: no formatting on the hot
 * path.
 */
#include "http/response.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/put.h"

/* Whatever a handler answers is sent: the bound is the address space. */
#define RESPONSE_MAX (SIZE_MAX / 4)
/* More than all fixed parts of a head together. */
#define HEAD_ROOM 256
/* More than all that is put around a piece. */
#define CHUNK_ROOM 32

struct status_line {
	int status;
	const char *phrase;
	const char *line; /* with its CRLF */
	size_t len;
};

#define STATUS(code, phrase)                                        \
	{                                                           \
		code, phrase, "HTTP/1.1 " #code " " phrase "\r\n",  \
		    sizeof("HTTP/1.1 " #code " " phrase "\r\n") - 1 \
	}

/* 200 first: it is looked for most. */
static const struct status_line status_lines[] = {
    STATUS(200, "OK"),
    STATUS(201, "Created"),
    STATUS(202, "Accepted"),
    STATUS(204, "No Content"),
    STATUS(206, "Partial Content"),
    STATUS(301, "Moved Permanently"),
    STATUS(302, "Found"),
    STATUS(303, "See Other"),
    STATUS(304, "Not Modified"),
    STATUS(307, "Temporary Redirect"),
    STATUS(308, "Permanent Redirect"),
    STATUS(400, "Bad Request"),
    STATUS(401, "Unauthorized"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(406, "Not Acceptable"),
    STATUS(408, "Request Timeout"),
    STATUS(409, "Conflict"),
    STATUS(410, "Gone"),
    STATUS(411, "Length Required"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(415, "Unsupported Media Type"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(417, "Expectation Failed"),
    STATUS(421, "Misdirected Request"),
    STATUS(422, "Unprocessable Content"),
    STATUS(426, "Upgrade Required"),
    STATUS(428, "Precondition Required"),
    STATUS(429, "Too Many Requests"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(500, "Internal Server Error"),
    STATUS(501, "Not Implemented"),
    STATUS(502, "Bad Gateway"),
    STATUS(503, "Service Unavailable"),
    STATUS(504, "Gateway Timeout"),
    STATUS(505, "HTTP Version Not Supported"),
};

static const struct status_line *
status_find(int status)
{
	for (size_t i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++)
		if (status_lines[i].status == status)
			return &status_lines[i];
	return NULL;
}

const char *
response_phrase(int status)
{
	const struct status_line *line = status_find(status);

	if (line)
		return line->phrase;
	return status < 400 ? "OK" : "Error";
}

static char *
put_status(char *p, int status)
{
	const struct status_line *line = status_find(status);

	if (line)
		return put(p, line->line, line->len);
	p = PUT_LIT(p, "HTTP/1.1 ");
	p = put_number(p, (size_t)status);
	*p++ = ' ';
	const char *phrase = response_phrase(status);
	p = put(p, phrase, strlen(phrase));
	return PUT_LIT(p, "\r\n");
}

/* RFC 9110 7.8: an Upgrade field, which 426 must have, has to be named in Connection. */
static char *
put_connection(char *p, int status, enum response_connection connection)
{
	bool upgrade = status == 426;

	switch (connection) {
	case RESPONSE_KEEP: return upgrade ? PUT_LIT(p, "Connection: upgrade\r\n") : p;
	case RESPONSE_KEEP_ALIVE:
		return upgrade ? PUT_LIT(p, "Connection: keep-alive, upgrade\r\n")
			       : PUT_LIT(p, "Connection: keep-alive\r\n");
	case RESPONSE_CLOSE: break;
	}
	return upgrade ? PUT_LIT(p, "Connection: close, upgrade\r\n")
		       : PUT_LIT(p, "Connection: close\r\n");
}

struct span
response_common(struct response_common *common, bool has_server, uint64_t now_us)
{
	if (now_us >= common->until_us) {
		char date[CLOCK_HTTP_DATE_SIZE];

		common->until_us = clock_http_date(now_us, date);
		common->len = (size_t)snprintf(common->text, sizeof(common->text),
					       "X-Content-Type-Options: nosniff\r\n"
					       "%sDate: %s\r\n",
					       has_server ? "Server: plaza\r\n" : "", date);
	}
	return span_from(common->text, common->len);
}

bool
response_write(struct buffer *out, const struct reply *reply, const struct response_head *head)
{
	const int status = reply->status;
	/* these never have content, and 204 not even its length (RFC 9110 6.4.1, 8.6) */
	const bool is_bodiless = status == 204 || status == 304;
	const size_t type_len = reply->content_type ? strlen(reply->content_type) : 0;
	const size_t fields_len = reply->fields ? strlen(reply->fields) : 0;
	const size_t body_len = is_bodiless || head->body != RESPONSE_WHOLE ? 0 : reply->body.len;

	assert(status >= 200 && status <= 999);
	if (body_len > RESPONSE_MAX ||
	    !buffer_reserve(out,
			    HEAD_ROOM + head->common.len + head->fields.len + type_len +
				fields_len + body_len,
			    RESPONSE_MAX))
		return false;
	char *p = put_status(out->data + out->len, status);
	p = put(p, head->common.ptr, head->common.len);
	if (type_len) {
		p = PUT_LIT(p, "Content-Type: ");
		p = put(p, reply->content_type, type_len);
		p = PUT_LIT(p, "\r\n");
	}
	if (head->body == RESPONSE_CHUNKS) {
		p = PUT_LIT(p, "Transfer-Encoding: chunked\r\n");
	} else if (!is_bodiless && head->body != RESPONSE_TO_END) {
		p = PUT_LIT(p, "Content-Length: ");
		p = put_number(p, reply->body.len);
		p = PUT_LIT(p, "\r\n");
	}
	p = put_connection(p, status, head->connection);
	p = put(p, head->fields.ptr, head->fields.len);
	p = put(p, reply->fields, fields_len);
	p = PUT_LIT(p, "\r\n");
	p = put(p, reply->body.ptr, body_len);
	out->len = (size_t)(p - out->data);
	return true;
}

bool
response_write_chunk(struct buffer *out, struct span piece)
{
	assert(piece.len);
	/* room for all of it first, so that none of it is left behind when there is none */
	return buffer_reserve(out, piece.len + CHUNK_ROOM, RESPONSE_MAX) &&
	       buffer_printf(out, RESPONSE_MAX, "%zx\r\n", piece.len) &&
	       buffer_append(out, piece.ptr, piece.len, RESPONSE_MAX) &&
	       buffer_append(out, "\r\n", 2, RESPONSE_MAX);
}

bool
response_write_last_chunk(struct buffer *out)
{
	return buffer_append(out, "0\r\n\r\n", 5, RESPONSE_MAX);
}

bool
response_write_continue(struct buffer *out)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return buffer_append(out, interim, sizeof(interim) - 1, RESPONSE_MAX);
}
