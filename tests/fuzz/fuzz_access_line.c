/* links: src/http/access_line.c $(request) src/http/chars.c src/http/host.c -ljansson */
/*
 * fuzz_access_line.c - lines of the access log. Whatever a client sent, a line is bounded,
 * printable ASCII and forges nothing, JSON tells the very same characters again, and what was
 * kept for later makes the same line. The first eight bytes of an input say where it is cut
 * into fields, and how often each is repeated.
 *
 *	./bootstrap fuzz 60 access_line
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/request_fill.h"
#include "base/utf8.h"
#include "http/access_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer than any bound, at one byte for each of it. */
#define TEXT_MAX 6000

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* The characters of `text` as JSON is to have them, in UTF-8; returns how many bytes. */
static size_t
expected(struct span text, char *out)
{
	size_t len = 0;

	for (size_t at = 0; at < text.len;) {
		size_t n = text.ptr[at] ? utf8_character(text.ptr + at, text.len - at) : 0;

		memcpy(out + len, n ? text.ptr + at : "\xef\xbf\xbd", n ? n : 3);
		len += n ? n : 3;
		at += n ? n : 1;
	}
	return len;
}

static void
check_member(const json_t *object, const char *key, struct span text)
{
	static char want[3 * TEXT_MAX];
	const json_t *value = json_object_get(object, key);
	const char *got = json_string_value(value);
	size_t len = expected(text, want), got_len = json_string_length(value);

	check(got != NULL);
	if (got_len == len && memcmp(got, want, len) == 0)
		return;
	/* cut */
	check(got_len >= 3 && memcmp(got + got_len - 3, "...", 3) == 0);
	check(got_len - 3 < len && memcmp(got, want, got_len - 3) == 0);
}

static void
check_line(const char *line, size_t len)
{
	check(len > 0 && len <= ACCESS_LINE_MAX && line[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		check(line[i] >= 0x20 && line[i] < 0x7f);
}

/* Quotes are where the format has them, each backslash begins an escape. */
static void
check_combined(const char *line, size_t len)
{
	unsigned quotes = 0;

	for (size_t i = 0; i < len; i++) {
		quotes += line[i] == '"';
		if (line[i] == '\\')
			check(i + 4 < len && line[i + 1] == 'x' &&
			      strchr("0123456789ABCDEF", line[i + 2]) &&
			      strchr("0123456789ABCDEF", line[i + 3]));
	}
	check(quotes == 6);
}

static void
check_entry(struct access_entry *entry, struct span text[4])
{
	static char line[ACCESS_LINE_MAX], again[ACCESS_LINE_MAX], kept[ACCESS_KEPT_MAX];
	struct access_stamp stamp = {.ms = 999, .now_us = 5};

	for (int i = ACCESS_COMBINED; i <= ACCESS_JSON; i++) {
		const enum access_form form = (enum access_form)i;
		const struct request *request = entry->request;

		access_stamp_set(&stamp, form, 1795382038);
		size_t len = access_line_write(line, form, &stamp, entry);
		check_line(line, len);
		if (form == ACCESS_COMBINED) {
			check_combined(line, len);
		} else {
			json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
			check(object && json_object_size(object) == 15);
			if (request) {
				check_member(object, "target", text[0]);
				check_member(object, "referer", text[1]);
				check_member(object, "user_agent", text[2]);
				if (text[3].len)
					check_member(object, "host", text[3]);
			}
			json_decref(object);
		}
		if (!request)
			continue;
		entry->kept = span_from(kept, access_line_keep(kept, form, request));
		check(entry->kept.len <= sizeof(kept));
		entry->request = NULL;
		check(access_line_write(again, form, &stamp, entry) == len &&
		      memcmp(again, line, len) == 0);
		entry->request = request;
		entry->kept = span_from(NULL, 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char memory[4][TEXT_MAX];
	static struct request request;
	struct access_peer peer = {0};
	struct span text[4];

	if (size < 8)
		return 0;
	const uint8_t *rest = data + 8;
	size_t left = size - 8;
	memcpy(peer.address, data, 8);
	for (size_t i = 0; i < 4; i++) {
		size_t n = i == 3 || data[i] > left ? left : data[i], len = 0;
		const size_t times = data[4 + i] + 1u;

		for (size_t k = 0; k < times && len + n <= TEXT_MAX; k++) {
			if (n)
				memcpy(memory[i] + len, rest, n);
			len += n;
		}
		/* exactly as long, so that a sanitizer sees reads past the end */
		char *exact = malloc(len ? len : 1);
		check(exact != NULL);
		if (len)
			memcpy(exact, memory[i], len);
		text[i] = span_from(exact, len);
		rest += n;
		left -= n;
	}
	memset(&request, 0, sizeof(request));
	request.method = (enum http_method)(data[0] % HTTP_METHODS);
	request.version_minor = data[1] & 1;
	request.target = text[0];
	request_fill(&request, FIELD_REFERER, text[1]);
	request_fill(&request, FIELD_USER_AGENT, text[2]);
	request.host = text[3];
	struct access_entry entry = {.request = &request, .peer = &peer, .status = 200};
	check_entry(&entry, text);
	entry = (struct access_entry){.bad = text[0], .peer = &peer, .status = 400};
	check_entry(&entry, text);
	for (size_t i = 0; i < 4; i++)
		free((void *)(uintptr_t)text[i].ptr);
	return 0;
}
