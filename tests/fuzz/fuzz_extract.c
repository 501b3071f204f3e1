/* links: src/fetch/extract.c src/base/buffer.c -ljansson */
/*
 * fuzz_extract.c - JSON pointers and the texts that they are for: a text in one piece gives what it
 * gives byte by byte, is taken when jansson takes it, and what is found jansson can read.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_extract tests/fuzz/fuzz_extract.c \
 *		src/fetch/extract.c src/base/buffer.c -ljansson
 *	./fuzz_extract -max_len=1024 tests/fuzz/corpus/extract
 *
 * Input: a pointer, a newline, a text.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "fetch/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* -1 when the text is no JSON. */
static int
find(struct span pointer, struct span text, size_t step, struct buffer *out)
{
	struct extract *x = extract_new(&pointer, 1);
	int found = -1;
	bool ok;

	must(x != NULL);
	for (size_t i = 0; i < text.len; i += step)
		must(extract_feed(x, text.ptr + i, step < text.len - i ? step : text.len - i));
	if (!extract_end(x)) {
		found = (int)extract_value(x, 0, out, SIZE_MAX / 2, &ok);
		must(ok);
	}
	extract_free(&x);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *newline = size ? memchr(data, '\n', size) : NULL;
	struct buffer one, many;
	json_t *json;

	if (!newline)
		return 0;
	const struct span pointer =
	    span_from((const char *)data, (size_t)(newline - (const char *)data));
	const struct span text = span_from(newline + 1, size - pointer.len - 1);
	if (extract_pointer_check(pointer))
		return 0;
	buffer_init(&one);
	buffer_init(&many);
	const int found = find(pointer, text, text.len ? text.len : 1, &one);
	must(find(pointer, text, 1, &many) == found);
	must(span_eq(buffer_span(&one), buffer_span(&many)));
	json =
	    json_loadb(text.len ? text.ptr : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	/* jansson takes a zero byte for an end */
	if (json && !memchr(text.ptr, '\0', text.len))
		must(found >= 0 || text.len > EXTRACT_DEPTH_MAX);
	json_decref(json);
	if (found == EXTRACT_FOUND) {
		json = json_loadb(one.data, one.len, JSON_DECODE_ANY, NULL);
		must(json != NULL);
		json_decref(json);
	}
	buffer_fini(&one);
	buffer_fini(&many);
	return 0;
}
