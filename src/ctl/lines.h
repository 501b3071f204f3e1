/*
 * lines.h - messages as lines: cut out of an input, and shown on an output.
 */
#ifndef PLAZA_CTL_LINES_H
#define PLAZA_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/span.h"

/* The longest line, and so the longest message that is sent. */
#define LINE_MAX_BYTES (1u << 20)

struct line_reader {
	struct buffer data; /* what was read; lines before `at` are taken already */
	size_t at;
	size_t scanned; /* no newline between `at` and here */
	unsigned long number;
	bool is_eof;
};

enum line_read {
	LINE_READ_MORE,  /* bytes came */
	LINE_READ_END,   /* end of input; a last line without newline may be left */
	LINE_READ_FAILED /* errno says why */
};

/* One read(2); call it when it will not block, or may. */
enum line_read line_reader_read(struct line_reader *reader, int fd);

enum line_next {
	LINE_NEXT_NONE, /* read more, or at the end: that was all */
	LINE_NEXT_LINE, /* `line` is one, without its newline; good until the next read */
	LINE_NEXT_LONG,
	LINE_NEXT_NOT_UTF8
};

enum line_next line_reader_next(struct line_reader *reader, struct span *line);
void line_reader_fini(struct line_reader *reader);

bool text_is_utf8(struct span text);

/*
 * Writes a text as it is, only that control characters, which a terminal would obey, and what is
 * no UTF-8 become \n or \xNN. What was written so is written again as it is.
 */
void line_put(FILE *out, struct span text);

/* The same into `size` bytes, with a terminator and never a cut character. */
void text_show(char *out, size_t size, struct span text);

/* How many bytes of a text go into `max` without a character that is cut. */
size_t text_cut(const char *text, size_t max);

/*
 * Writes a message as one line: a text so; binary with "binary: " before it, its bytes as printable
 * ASCII with \n, \xNN and \\.
 */
void line_show(FILE *out, struct span message, bool is_binary);

#endif
