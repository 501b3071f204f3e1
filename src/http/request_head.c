/*
 * request_head.c - the strict parser of request heads.
 *
 * A head that arrives whole is read in one pass (parse_head). For one that does not, that pass
 * fails, and scan_head takes over: it looks at new bytes once, judges each line when it is
 * complete, and at the end of the head runs parse_head again for the view. Only scan_head reports
 * what is wrong with a line, so a verdict depends on the bytes and never on how they were cut.
 */
#include "http/request.h"
#include "http/request_parts.h"

/* What a client that wants https sends first (RFC 8446 5.1). */
#define TLS_HANDSHAKE 0x16

/* request_parser.state: what the line at line_start is. */
enum head_state {
	HEAD_NEW,          /* nothing was looked at yet */
	HEAD_REQUEST_LINE, /* the request line, or an empty line before it */
	HEAD_FIELDS        /* a field line, or the empty line at the end */
};

static bool
is_empty_line(const char *p, const char *end)
{
	return end - p >= 2 && p[0] == '\r' && p[1] == '\n';
}

/*
 * The whole head in one pass. False when it is not over, or wrong: what it then says is only right
 * if scan_head has found every line to be right and complete.
 */
static bool
parse_head(struct request_parser *parser, const char *data, const char *end,
	   struct request *request, size_t *head_len)
{
	const char *p = data;
	size_t n = 0;

	while (is_empty_line(p, end))
		p += 2;
	p = request_parse_line(parser, p, end, request);
	if (p == NULL)
		return false;
	memset(request->times, 0, sizeof(request->times));
	while (!is_empty_line(p, end)) {
		struct request_field *field = &request->field[n];

		if (n == REQUEST_MAX_FIELDS)
			return false;
		p = request_parse_field(parser, p, end, field);
		if (p == NULL)
			return false;
		if (field->id != FIELD_OTHER && request->times[field->id]++ == 0)
			request->first[field->id] = (uint8_t)n;
		n++;
	}
	request->n_fields = n;
	*head_len = (size_t)(p + 2 - data);
	return request_check_fields(parser, request);
}

/* A complete line. False when it is wrong, and says so. */
static bool
scan_line(struct request_parser *parser, const char *line, const char *end, struct request *request)
{
	struct request_field field;

	if (parser->state == HEAD_REQUEST_LINE) {
		/* empty lines before the request line are skipped (RFC 9112 2.2) */
		if (is_empty_line(line, end))
			return true;
		parser->state = HEAD_FIELDS;
		return request_parse_line(parser, line, end, request) != NULL;
	}
	if (parser->n_fields++ == REQUEST_MAX_FIELDS) {
		request_bad(parser, 431, "the head has more than 100 fields");
		return false;
	}
	return request_parse_field(parser, line, end, &field) != NULL;
}

/* What is no text, where no line ends. */
static void
bad_byte(struct request_parser *parser, const char *data, const char *p)
{
	const char *message = "the head has a control character in it";

	if (*p == '\n')
		message = "a line ends without CR; CR LF is accepted";
	else if (p == data && *p == TLS_HANDSHAKE)
		message = "this is TLS; plain HTTP is spoken here";
	request_bad(parser, 400, message);
}

static enum request_status
scan_head(struct request_parser *parser, const char *data, const char *end, struct request *request,
	  size_t *head_len)
{
	const char *p = data + parser->scanned;

	while (p < end) {
		const char *line = data + parser->line_start;

		/* at the start of a line there is no CR before p, whatever byte is there */
		if (p == line || p[-1] != '\r') {
			p = request_skip_text(p, end);
			if (p == end)
				break;
			if (*p != '\r') {
				bad_byte(parser, data, p);
				return REQUEST_BAD;
			}
			p++;
			continue;
		}
		if (*p != '\n') {
			request_bad(parser, 400, "the head has a CR that does not end a line");
			return REQUEST_BAD;
		}
		p++;
		if (parser->state == HEAD_FIELDS && p - line == 2)
			return parse_head(parser, data, p, request, head_len) ? REQUEST_COMPLETE
									      : REQUEST_BAD;
		if (!scan_line(parser, line, p, request))
			return REQUEST_BAD;
		parser->line_start = (size_t)(p - data);
	}
	parser->scanned = (size_t)(p - data);
	return REQUEST_INCOMPLETE;
}

/* Which part of the head is to blame that it does not end before `end`. */
static void
bad_length(struct request_parser *parser, const char *data, const char *end)
{
	const char *p = data + parser->line_start;

	if (parser->state != HEAD_REQUEST_LINE || p == end || *p == '\r') {
		request_bad(parser, 431, "the head is longer than http.max_header_size");
		return;
	}
	/* of the request line, each part has a status of its own (RFC 9112 3) */
	const char *method = p;
	p = char_skip(p, end, CHAR_TOKEN);
	if (p == end) {
		request_bad(parser, 501, "the method is longer than any that is known");
		return;
	}
	if (p == method || *p != ' ') {
		request_bad(parser, 400,
			    "the request line does not begin with a method and a space");
		return;
	}
	p = memchr(p + 1, ' ', (size_t)(end - p - 1));
	if (p && end - p > (ptrdiff_t)strlen(" HTTP/1.1\r"))
		request_bad(
		    parser, 400,
		    "the request line is not method, target and HTTP/1.1 with a space between");
	else
		request_bad(parser, 414, "the request line is longer than http.max_header_size");
}

void
request_peek(const struct request_parser *parser, const char *data, size_t len,
	     struct request *request)
{
	struct request_parser scratch = {0};

	*request = (struct request){.method = HTTP_METHODS, .version_minor = 1};
	if (len == 0)
		return;
	const char *p = data, *const end = data + len;
	const char *const wrong = data + parser->line_start;
	while (is_empty_line(p, end))
		p += 2;
	p = request_parse_line(&scratch, p, end, request);
	while (p && p < wrong && request->n_fields < REQUEST_MAX_FIELDS) {
		struct request_field *field = &request->field[request->n_fields];

		p = request_parse_field(&scratch, p, wrong, field);
		if (!p)
			break;
		if (field->id != FIELD_OTHER && request->times[field->id]++ == 0)
			request->first[field->id] = (uint8_t)request->n_fields;
		request->n_fields++;
	}
}

bool
request_is_awaited(const struct request_parser *parser, size_t len)
{
	return parser->state == HEAD_REQUEST_LINE && parser->line_start == len;
}

enum request_status
request_parse(struct request_parser *parser, const char *data, size_t len, size_t max,
	      struct request *request, size_t *head_len)
{
	const char *end = data + (len < max ? len : max);
	enum request_status status;

	if (parser->error_status)
		return REQUEST_BAD;
	if (parser->state == HEAD_NEW) {
		if (parse_head(parser, data, end, request, head_len))
			return REQUEST_COMPLETE;
		parser->error_status = 0;
		parser->state = HEAD_REQUEST_LINE;
	}
	status = scan_head(parser, data, end, request, head_len);
	if (status != REQUEST_INCOMPLETE || len < max)
		return status;
	/* all of `max` was looked at, and the head is longer */
	bad_length(parser, data, end);
	return REQUEST_BAD;
}
