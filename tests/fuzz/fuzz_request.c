/* links: src/http/chars.c src/http/host.c $(request) */
/*
 * fuzz_request.c - request heads: nothing is read that is not there, the view holds together, and
 * any cutting of the bytes gives the same result. The first five bytes of an input say how to cut.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_request tests/fuzz/fuzz_request.c \
 *		src/http/chars.c src/http/host.c src/http/request*.c
 *	./fuzz_request -max_len=4096 -dict=tests/fuzz/request.dict tests/fuzz/corpus/request
 */
#include <stdint.h>

#include "request_cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_span(struct span span, const char *data, size_t head_len)
{
	if (span.ptr)
		check(span.ptr >= data && span.ptr + span.len <= data + head_len);
}

/* The parts are those that a second look would give. */
static void
check_host(const struct request *r)
{
	struct host host;

	if (r->host.len == 0) {
		check(r->host_parts.name.len == 0 && !r->host_parts.has_port);
		return;
	}
	check(host_parse(r->host, &host) && r->host_parts.name.ptr == host.name.ptr &&
	      r->host_parts.name.len == host.name.len && r->host_parts.has_port == host.has_port &&
	      r->host_parts.port == host.port);
}

static void
check_view(const struct request *r, const char *data, size_t head_len)
{
	check_span(r->target, data, head_len);
	if (!span_eq(r->path, SPAN_LIT("*")))
		check_span(r->path, data, head_len);
	check_span(r->query, data, head_len);
	check_span(r->host, data, head_len);
	check(r->method < HTTP_METHODS && r->version_minor <= 1);
	check(r->n_fields <= REQUEST_MAX_FIELDS);
	check(r->host.len || r->version_minor == 0);
	check_host(r);
	check(r->times[FIELD_HOST] <= 1 && r->times[FIELD_CONTENT_LENGTH] <= 1);
	check(!r->times[FIELD_TRANSFER_ENCODING] || !r->times[FIELD_CONTENT_LENGTH]);
	check((r->body == BODY_CHUNKED) == (r->times[FIELD_TRANSFER_ENCODING] == 1));
	check((r->body == BODY_LENGTH) == (r->times[FIELD_CONTENT_LENGTH] == 1));
	check(r->body == BODY_LENGTH || r->content_length == 0);
	check(r->body != BODY_CHUNKED || r->version_minor == 1);
	if (r->method == HTTP_CONNECT)
		check(r->path.len == 0);
	else
		check(r->path.len && (r->path.ptr[0] == '/' || span_eq(r->path, SPAN_LIT("*"))));
	for (size_t i = 0; i < r->n_fields; i++) {
		check_span(r->field[i].name, data, head_len);
		check_span(r->field[i].value, data, head_len);
		check(r->field[i].name.len && r->field[i].name.ptr[r->field[i].name.len] == ':');
		check(r->field[i].id == FIELD_OTHER || request_has(r, r->field[i].id));
	}
	check(head_len >= 4 && memcmp(data + head_len - 4, "\r\n\r\n", 4) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	struct request_parser parser = {0};
	size_t head_len, max, piece[4];

	if (size < 5)
		return 0;
	const char *head = (const char *)data + 5;
	size_t len = size - 5;
	/* mostly no limit, sometimes one that is met */
	max = data[0] & 1 ? 16384 : (size_t)data[0] * 8;
	/* few enough pieces that an input costs no more than a hundred parses */
	for (size_t i = 0; i < 4; i++)
		piece[i] = data[i + 1] % 64 + 1 + len / 128;
	switch (request_parse(&parser, head, len, max, &request, &head_len)) {
	case REQUEST_COMPLETE:
		check(head_len <= len && head_len <= max);
		check_view(&request, head, head_len);
		break;
	case REQUEST_BAD: check(parser.error_status >= 400 && parser.error_message); break;
	default: check(parser.error_status == 0 && len < max); break;
	}
	check(cut_agrees(head, len, max, piece, 4));
	return 0;
}
