/*
 * answers.c - answers read strictly, and held against their requests. The requests are taken apart
 * by the parser that is tested elsewhere: here it only says how many there are and which is a HEAD.
 */
#include "answers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "door_box.h"
#include "http/chunked.h"
#include "http/request.h"

/* ---- one answer ---- */

/* RFC 9110 5.6.2 */
static bool
is_token(struct span s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c && strchr(marks, c))))
			return false;
	}
	return s.len > 0;
}

/* RFC 9110 5.5, and what we write is ASCII */
static bool
is_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < ' ' || s.ptr[i] > '~')
			return false;
	return true;
}

/* The next line, without its CRLF; false when it is not whole. */
static bool
take_line(struct span *stream, struct span *line)
{
	const char *end = stream->len ? memmem(stream->ptr, stream->len, "\r\n", 2) : NULL;

	if (!end)
		return false;
	*line = span_from(stream->ptr, (size_t)(end - stream->ptr));
	stream->len -= line->len + 2;
	stream->ptr = end + 2;
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 404 Not Found" */
static bool
read_status(struct span line, int *status)
{
	if (line.len < 13 || memcmp(line.ptr, "HTTP/1.1 ", 9) != 0 || !is_digit(line.ptr[9]) ||
	    !is_digit(line.ptr[10]) || !is_digit(line.ptr[11]) || line.ptr[12] != ' ' ||
	    !is_text(line))
		return false;
	*status = (line.ptr[9] - '0') * 100 + (line.ptr[10] - '0') * 10 + (line.ptr[11] - '0');
	return *status >= 100;
}

struct framing {
	bool has_length, has_coding;
	size_t length;
	unsigned n_dates, n_connections;
};

/* A number of at most 15 digits; false if it is none. */
static bool
read_length(struct span value, size_t *length)
{
	*length = 0;
	if (value.len == 0 || value.len > 15)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return false;
		*length = *length * 10 + (size_t)(value.ptr[i] - '0');
	}
	return value.len == 1 || value.ptr[0] != '0';
}

static const char *
read_field(struct span line, struct answer_view *answer, struct framing *framing)
{
	const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;

	if (!colon)
		return "a field line without a colon";
	struct span name = span_from(line.ptr, (size_t)(colon - line.ptr));
	if (!is_token(name))
		return "a field name that is no token";
	struct span value = span_from(colon + 1, line.len - name.len - 1);
	if (value.len == 0 || value.ptr[0] != ' ' || !is_text(value))
		return "a field value that is no text after a space";
	value.ptr++;
	value.len--;
	if (span_eq_nocase(name, SPAN_LIT("Content-Length"))) {
		if (framing->has_length || !read_length(value, &framing->length))
			return "a Content-Length that is repeated or no number";
		framing->has_length = true;
	} else if (span_eq_nocase(name, SPAN_LIT("Transfer-Encoding"))) {
		if (framing->has_coding || !span_eq(value, SPAN_LIT("chunked")))
			return "a Transfer-Encoding that is not chunked, once";
		framing->has_coding = true;
	} else if (span_eq_nocase(name, SPAN_LIT("Connection"))) {
		framing->n_connections++;
		if (memmem(value.ptr, value.len, "close", 5))
			answer->is_closing = true;
	} else if (span_eq_nocase(name, SPAN_LIT("Date"))) {
		framing->n_dates++;
	}
	return NULL;
}

/* One chunk after another, each "<hex>CRLF<bytes>CRLF", and no trailers: that is what we send. */
static enum answer_status
take_chunks(struct span *stream, const char **why)
{
	for (;;) {
		struct span line;
		size_t size = 0;

		if (!take_line(stream, &line))
			return ANSWER_CUT;
		*why = "a chunk size that is no hexadecimal number";
		if (line.len == 0 || line.len > 8)
			return ANSWER_BAD;
		for (size_t i = 0; i < line.len; i++) {
			const char *digits = "0123456789abcdef";
			int c = line.ptr[i] | 0x20;
			const char *digit = c ? strchr(digits, c) : NULL;

			if (!digit)
				return ANSWER_BAD;
			size = size * 16 + (size_t)(digit - digits);
		}
		if (stream->len < size + 2)
			return ANSWER_CUT;
		if (memcmp(stream->ptr + size, "\r\n", 2) != 0) {
			*why = "a chunk that is longer than its size";
			return ANSWER_BAD;
		}
		stream->ptr += size + 2;
		stream->len -= size + 2;
		if (size == 0)
			return ANSWER_WHOLE;
	}
}

static enum answer_status
take_body(struct span *stream, bool is_head, struct answer_view *answer,
	  const struct framing *framing, const char **why)
{
	const char *begin = stream->ptr;
	enum answer_status status = ANSWER_WHOLE;
	bool bodiless = answer->status < 200 || answer->status == 204;

	if (bodiless && (framing->has_length || framing->has_coding)) {
		*why = "a length of what has no body (RFC 9110 8.6, RFC 9112 6.1)";
		return ANSWER_BAD;
	}
	if (framing->has_length && framing->has_coding) {
		*why = "Content-Length beside Transfer-Encoding";
		return ANSWER_BAD;
	}
	answer->is_chunked = framing->has_coding;
	if (bodiless || is_head || answer->status == 304) {
		;
	} else if (framing->has_coding) {
		status = take_chunks(stream, why);
	} else if (framing->has_length) {
		if (stream->len < framing->length)
			return ANSWER_CUT;
		stream->ptr += framing->length;
		stream->len -= framing->length;
	} else if (answer->is_closing) {
		stream->ptr += stream->len;
		stream->len = 0;
	} else {
		*why = "a body without a length on a connection that goes on";
		return ANSWER_BAD;
	}
	answer->body = span_from(begin, (size_t)(stream->ptr - begin));
	return status;
}

enum answer_status
answer_take(struct span *stream, bool is_head, struct answer_view *answer, const char **why)
{
	struct span begin = *stream, line;
	struct framing framing = {0};

	*answer = (struct answer_view){0};
	if (!take_line(stream, &line))
		return ANSWER_CUT;
	if (!read_status(line, &answer->status)) {
		*why = "a status line that is none";
		return ANSWER_BAD;
	}
	for (;;) {
		if (!take_line(stream, &line))
			return ANSWER_CUT;
		if (line.len == 0)
			break;
		*why = read_field(line, answer, &framing);
		if (*why)
			return ANSWER_BAD;
	}
	answer->head = span_from(begin.ptr, (size_t)(stream->ptr - begin.ptr));
	if (answer->status >= 200 && framing.n_dates != 1) {
		*why = "a final answer has one Date (RFC 9110 6.6.1)";
		return ANSWER_BAD;
	}
	if (framing.n_connections > 1) {
		*why = "Connection twice";
		return ANSWER_BAD;
	}
	return take_body(stream, is_head, answer, &framing, why);
}

/* ---- the requests ---- */

enum walk_status {
	WALK_WHOLE, /* a request, with its body */
	WALK_OPEN,  /* a head whose body is not whole, too long or malformed */
	WALK_BAD,   /* no head: the stream is over */
	WALK_END    /* nothing more, or a part of a head */
};

/* Takes the next request off `sent`. */
static enum walk_status
walk(struct span *sent, struct request *request)
{
	struct request_parser parser = {0};
	struct chunked chunked;
	size_t head_len, used, decoded;

	if (!sent->len)
		return WALK_END;
	switch (request_parse(&parser, sent->ptr, sent->len, BOX_HEADER_MAX, request, &head_len)) {
	case REQUEST_INCOMPLETE: return WALK_END;
	case REQUEST_BAD: return WALK_BAD;
	case REQUEST_COMPLETE: break;
	}
	sent->ptr += head_len;
	sent->len -= head_len;
	if (request->body == BODY_LENGTH) {
		if (request->content_length > sent->len || request->content_length > BOX_BODY_MAX)
			return WALK_OPEN;
		sent->ptr += request->content_length;
		sent->len -= (size_t)request->content_length;
	} else if (request->body == BODY_CHUNKED) {
		char *out = malloc(sent->len ? sent->len : 1);

		if (!out)
			abort();
		chunked_init(&chunked, BOX_BODY_MAX);
		enum chunked_status status =
		    chunked_decode(&chunked, sent->ptr, sent->len, &used, out, &decoded);
		free(out);
		if (status != CHUNKED_DONE)
			return WALK_OPEN;
		sent->ptr += used;
		sent->len -= used;
	}
	return WALK_WHOLE;
}

/* Whether its answer may be cut by the handler: /stream/{word} with an x in it. */
static bool
may_be_cut(const struct request *request)
{
	return request->path.len > 8 && memcmp(request->path.ptr, "/stream/", 8) == 0 &&
	       (memchr(request->path.ptr, 'x', request->path.len) ||
		memchr(request->path.ptr, '%', request->path.len));
}

/* A final answer, and all interim ones before it. */
static enum answer_status
take_final(struct span *stream, bool is_head, struct answer_view *answer, bool *has_interim,
	   const char **why)
{
	enum answer_status status;

	*has_interim = false;
	for (;;) {
		if (stream->len == 0)
			return ANSWER_CUT;
		status = answer_take(stream, is_head, answer, why);
		if (status != ANSWER_WHOLE || answer->status != 100)
			return status;
		*has_interim = true;
	}
}

const char *
answers_check(struct span sent, struct span answers, bool is_ended, enum answers_end end)
{
	static struct request request;
	struct answer_view answer;
	const char *why = "";
	enum walk_status walked;
	const bool is_timed = end == ANSWERS_UNTIL_NOW;
	bool has_interim;

	do {
		walked = walk(&sent, &request);
		bool is_head =
		    (walked == WALK_WHOLE || walked == WALK_OPEN) && request.method == HTTP_HEAD;
		if (walked == WALK_END && (!is_timed || !answers.len))
			break;
		struct span before = answers;
		enum answer_status status =
		    take_final(&answers, is_head, &answer, &has_interim, &why);
		if (is_timed && is_head && status == ANSWER_WHOLE && answer.status == 408) {
			/* that it is a HEAD may not have been known yet */
			answers = before;
			status = take_final(&answers, false, &answer, &has_interim, &why);
		}
		switch (status) {
		case ANSWER_BAD: return why;
		case ANSWER_CUT:
			if (is_timed || (walked != WALK_BAD && may_be_cut(&request)))
				return NULL;
			if (answers.len)
				return "the stream ends within an answer";
			if (end == ANSWERS_SOME)
				return NULL;
			/* a body that is still to come */
			if (walked == WALK_OPEN)
				return NULL;
			return "a request without an answer";
		case ANSWER_WHOLE: break;
		}
		if (is_timed && answer.status == 408)
			return answer.is_closing && !answers.len ? NULL : "408, and no end";
		if (walked == WALK_END)
			return "an answer to no request";
		if (has_interim &&
		    (walked == WALK_BAD || request.version_minor == 0 || !request.expects_continue))
			return "100 to a request that did not ask for it";
		/* what follows is no HTTP any more */
		if (answer.status == 101)
			return walked == WALK_WHOLE ? NULL : "101 to what is no request";
		if (answer.status < 200)
			return "an interim answer that nobody knows";
		if (walked == WALK_BAD && (answer.status < 400 || !answer.is_closing))
			return "what is no request is not answered by an error that closes";
		if (answer.is_closing) {
			if (answers.len)
				return "an answer after Connection: close";
			return NULL;
		}
	} while (walked == WALK_WHOLE);
	if (answers.len)
		return "an answer to no request";
	if (is_ended && walked == WALK_END && !sent.len)
		return "the connection ended, and no answer said so";
	return NULL;
}

/* ---- two streams ---- */

/* The same but for the values of Date, which are all as long. */
static bool
same_head(struct span a, struct span b)
{
	static const char date[] = "\r\nDate: ";
	const char *at;

	if (a.len != b.len)
		return false;
	at = memmem(a.ptr, a.len, date, sizeof(date) - 1);
	if (!at)
		return memcmp(a.ptr, b.ptr, a.len) == 0;
	size_t before = (size_t)(at - a.ptr) + sizeof(date) - 1;
	size_t value = sizeof("Sun, 06 Nov 1994 08:49:37 GMT") - 1;
	return a.len >= before + value && memcmp(a.ptr, b.ptr, before) == 0 &&
	       memcmp(a.ptr + before + value, b.ptr + before + value, a.len - before - value) == 0;
}

bool
answers_agree(struct span sent, struct span a, struct span b)
{
	static struct request request;
	struct answer_view x, y;
	const char *why;
	bool interim;

	for (;;) {
		enum walk_status walked = walk(&sent, &request);
		bool is_head =
		    (walked == WALK_WHOLE || walked == WALK_OPEN) && request.method == HTTP_HEAD;
		enum answer_status x_status = take_final(&a, is_head, &x, &interim, &why);
		enum answer_status y_status = take_final(&b, is_head, &y, &interim, &why);

		if (x_status != y_status || x_status == ANSWER_BAD)
			return false;
		if (x_status == ANSWER_CUT)
			return true;
		if (!same_head(x.head, y.head) || !span_eq(x.body, y.body))
			return false;
		if (x.status == 101)
			return span_eq(a, b);
		if (walked != WALK_WHOLE || x.is_closing)
			return a.len == 0 && b.len == 0;
	}
}
