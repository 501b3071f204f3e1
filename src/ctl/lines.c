/*
 * lines.c - messages as lines: cut out of an input, and shown on an output.
 */
#include "ctl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

#define READ_BYTES 65536

enum line_read
line_reader_read(struct line_reader *reader, int fd)
{
	struct buffer *data = &reader->data;
	ssize_t n;

	buffer_consume(data, reader->at);
	reader->scanned -= reader->at;
	reader->at = 0;
	/* line_reader_next stops at a longer line, so there is always room */
	if (!buffer_reserve(data, READ_BYTES, LINE_MAX_BYTES + 2 * READ_BYTES)) {
		errno = ENOMEM;
		return LINE_READ_FAILED;
	}
	do
		n = read(fd, data->data + data->len, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? LINE_READ_MORE : LINE_READ_FAILED;
	data->len += (size_t)n;
	reader->is_eof = n == 0;
	return reader->is_eof ? LINE_READ_END : LINE_READ_MORE;
}

bool
text_is_utf8(struct span s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_character(s.ptr + i, s.len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

enum line_next
line_reader_next(struct line_reader *reader, struct span *line)
{
	const struct buffer *data = &reader->data;
	size_t end = data->len;
	bool found = false;

	if (reader->scanned < data->len) {
		const char *newline =
		    memchr(data->data + reader->scanned, '\n', data->len - reader->scanned);

		found = newline != NULL;
		if (found)
			end = (size_t)(newline - data->data);
	}
	reader->scanned = end;
	if (end - reader->at > LINE_MAX_BYTES) {
		reader->number++;
		return LINE_NEXT_LONG;
	}
	/* the last line need not end in a newline */
	if (!found && !(reader->is_eof && end > reader->at))
		return LINE_NEXT_NONE;
	*line = span_from(data->data + reader->at, end - reader->at);
	reader->at = reader->scanned = end + found;
	reader->number++;
	return text_is_utf8(*line) ? LINE_NEXT_LINE : LINE_NEXT_NOT_UTF8;
}

void
line_reader_fini(struct line_reader *reader)
{
	buffer_fini(&reader->data);
	*reader = (struct line_reader){0};
}

static void
show_byte(FILE *out, unsigned char c)
{
	if (c == '\n')
		fputs("\\n", out);
	else
		fprintf(out, "\\x%02x", c);
}

static void
show_binary(FILE *out, struct span m)
{
	fputs("binary: ", out);
	for (size_t i = 0; i < m.len; i++) {
		unsigned char c = (unsigned char)m.ptr[i];

		if (c == '\\')
			fputs("\\\\", out);
		else if (c < 0x20 || c >= 0x7f)
			show_byte(out, c);
		else
			putc(c, out);
	}
}

/*
 * How many bytes are not shown as they are: C0 but the tab, DEL, C1, which UTF-8 has as C2 80 to
 * C2 9F, and what is no UTF-8, which some terminals take for C1. Else 0, and `*shown` are.
 */
static size_t
control_len(const char *p, size_t len, size_t *shown)
{
	const unsigned char c = (unsigned char)p[0];

	*shown = utf8_character(p, len);
	if (*shown == 0 || (c < 0x20 && c != '\t') || c == 0x7f)
		return 1;
	return c == 0xc2 && (unsigned char)p[1] < 0xa0 ? 2 : 0;
}

void
line_put(FILE *out, struct span m)
{
	size_t from = 0, shown;

	for (size_t i = 0; i < m.len;) {
		const size_t n = control_len(m.ptr + i, m.len - i, &shown);

		if (n == 0) {
			i += shown;
			continue;
		}
		fwrite(m.ptr + from, 1, i - from, out);
		for (size_t j = 0; j < n; j++)
			show_byte(out, (unsigned char)m.ptr[i + j]);
		i += n;
		from = i;
	}
	if (m.len > from)
		fwrite(m.ptr + from, 1, m.len - from, out);
}

void
text_show(char *out, size_t size, struct span text)
{
	char *all = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&all, &len);

	if (f) {
		line_put(f, text);
		if (fclose(f) != 0)
			len = 0;
	}
	if (len > size - 1)
		len = text_cut(all, size - 1);
	if (len)
		memcpy(out, all, len);
	out[len] = '\0';
	free(all);
}

size_t
text_cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return len;
	for (len = max; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

void
line_show(FILE *out, struct span message, bool is_binary)
{
	if (is_binary)
		show_binary(out, message);
	else
		line_put(out, message);
	putc('\n', out);
}
