/*
 * request_parts.h - the inside of the parser of request heads, for the files request_*.c only.
 *
 * What takes a line apart returns where the next one begins, or NULL: then it has said what is
 * wrong.
 */
#ifndef PLAZA_HTTP_REQUEST_PARTS_H
#define PLAZA_HTTP_REQUEST_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "http/chars.h"
#include "http/request.h"

/* The verdict; NULL, so that a function that returns where it got to can end with it. */
static inline const char *
request_bad(struct request_parser *parser, int status, const char *message)
{
	parser->error_status = status;
	parser->error_message = message;
	return NULL;
}

/* Bytes that a machine with vectors looks at in one step; other machines do by halves. */
typedef uint8_t request_block __attribute__((vector_size(16)));

/* The place of the first byte that is not 0, where one is. */
static inline unsigned
request_word_first(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (unsigned)__builtin_clzll(word) / 8;
#else
	return (unsigned)__builtin_ctzll(word) / 8;
#endif
}

/* The first byte that is no text (char_is_text), or `end`: most of a head is passed here. */
static inline const char *
request_skip_text(const char *p, const char *end)
{
	while (end - p >= (ptrdiff_t)sizeof(request_block)) {
		uint64_t half[2];
		request_block bytes;

		memcpy(&bytes, p, sizeof(bytes));
		bytes = (request_block)((bytes < ' ') | (bytes == 0x7f));
		memcpy(half, &bytes, sizeof(half));
		if ((half[0] | half[1]) == 0) {
			p += sizeof(request_block);
			continue;
		}
		p += half[0] ? request_word_first(half[0]) : 8 + request_word_first(half[1]);
		if (*p != '\t')
			return p;
		p++;
	}
	while (p < end && char_is_text(*p))
		p++;
	return p;
}

/* request_line.c: method, target and version. */
const char *request_parse_line(struct request_parser *parser, const char *p, const char *end,
			       struct request *request);

/* request_field.c: a name and its value. */
const char *request_parse_field(struct request_parser *parser, const char *p, const char *end,
				struct request_field *field);

/* request_framing.c: what the fields say together. False when they do not go together. */
bool request_check_fields(struct request_parser *parser, struct request *request);

#endif
