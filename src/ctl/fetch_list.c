/*
 * fetch_list.c - URLs from arguments and lines, cut into jobs.
 */
#include "ctl/fetch_list.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/lines.h"

#define HEAD "{\"urls\":["
#define TAIL "]}"

bool
fetch_list_add(struct fetch_list *list, struct span text)
{
	if (list->n == list->cap) {
		const size_t cap = list->cap ? 2 * list->cap : 64;
		struct fetch_url *url = reallocarray(list->url, cap, sizeof(*url));

		if (!url)
			return false;
		list->url = url;
		list->cap = cap;
	}
	char *copy = strndup(text.ptr, text.len);
	if (!copy)
		return false;
	list->url[list->n++] = (struct fetch_url){.text = copy};
	list->bytes += text.len + sizeof(struct fetch_url);
	return true;
}

static struct span
trimmed(struct span s)
{
	while (s.len && strchr(" \t\r", s.ptr[0]) && s.ptr[0])
		s = span_from(s.ptr + 1, s.len - 1);
	while (s.len && strchr(" \t\r", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
		s.len--;
	return s;
}

/* False: nothing more can be read. */
static bool
take_lines(struct fetch_list *list, struct line_reader *reader, char why[200])
{
	struct span line;

	for (;;) {
		switch (line_reader_next(reader, &line)) {
		case LINE_NEXT_NONE: return true;
		case LINE_NEXT_LONG:
			snprintf(why, 200, "line %lu is too long; accepted: a URL", reader->number);
			return false;
		case LINE_NEXT_NOT_UTF8:
			snprintf(why, 200, "line %lu is not UTF-8", reader->number);
			return false;
		case LINE_NEXT_LINE: break;
		}
		if (memchr(line.ptr, '\0', line.len)) {
			snprintf(why, 200, "line %lu has a byte of zero", reader->number);
			return false;
		}
		line = trimmed(line);
		if (line.len && list->bytes > FETCH_LIST_BYTES_MAX) {
			snprintf(why, 200, "line %lu is one too many; accepted: %zu MiB of URLs",
				 reader->number, FETCH_LIST_BYTES_MAX >> 20);
			return false;
		}
		if (line.len && !fetch_list_add(list, line)) {
			snprintf(why, 200, "out of memory");
			return false;
		}
	}
}

bool
fetch_list_read(struct fetch_list *list, int fd, char why[200])
{
	struct line_reader reader = {0};
	enum line_read read;
	bool ok = true;

	do {
		read = line_reader_read(&reader, fd);
		if (read == LINE_READ_FAILED)
			snprintf(why, 200, "%s", strerror(errno));
		ok = read != LINE_READ_FAILED && take_lines(list, &reader, why);
	} while (ok && read == LINE_READ_MORE);
	line_reader_fini(&reader);
	return ok;
}

void
fetch_list_fini(struct fetch_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		fetch_url_forget(&list->url[i]);
	free(list->url);
	*list = (struct fetch_list){0};
}

bool
fetch_url_is_open(const struct fetch_url *url)
{
	return url->text && !url->result && !url->error;
}

void
fetch_url_forget(struct fetch_url *url)
{
	free(url->text);
	free(url->result);
	free(url->error);
	*url = (struct fetch_url){0};
}

void
fetch_url_fail(struct fetch_url *url, const char *fmt, ...)
{
	va_list ap;

	if (!fetch_url_is_open(url))
		return;
	va_start(ap, fmt);
	if (vasprintf(&url->error, fmt, ap) < 0)
		url->error = NULL;
	va_end(ap);
}

bool
fetch_list_args(struct fetch_list *list, const char *more, size_t from, struct buffer *out,
		size_t *to, size_t *n)
{
	/* behind what there is already */
	const size_t max = out->len + FETCH_JOB_BYTES_MAX, tail = strlen(TAIL) + strlen(more);
	bool ok = buffer_append(out, HEAD, strlen(HEAD), SIZE_MAX / 2), fits = true;

	*n = 0;
	for (*to = from; ok && *to < list->n && *n < FETCH_JOB_URLS_MAX; ++*to) {
		struct fetch_url *url = &list->url[*to];
		json_t *json = fetch_url_is_open(url) ? json_string(url->text) : NULL;
		char *text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
		const size_t len = text ? strlen(text) : 0;

		json_decref(json);
		fits = out->len + (*n ? 1 : 0) + len + tail <= max;
		if (!text) {
			fetch_url_fail(url, "validation: is not UTF-8");
		} else if (fits) {
			ok = (*n == 0 || buffer_append(out, ",", 1, SIZE_MAX / 2)) &&
			     buffer_append(out, text, len, SIZE_MAX / 2);
			++*n;
		} else if (*n == 0) {
			fetch_url_fail(url,
				       "validation: is too long; with all that it needs, a job "
				       "has %d bytes",
				       FETCH_JOB_BYTES_MAX);
			fits = true;
		}
		free(text);
		if (!fits)
			break;
	}
	return ok && buffer_append(out, "]", 1, SIZE_MAX / 2) &&
	       buffer_append(out, more, strlen(more), SIZE_MAX / 2) &&
	       buffer_append(out, "}", 1, SIZE_MAX / 2);
}
