/* links: src/fetch/body_text.c */
/*
 * fuzz_body_text.c - bodies in any charset: what comes out is UTF-8 without zeros, and at most a
 * hundred characters.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_body_text tests/fuzz/fuzz_body_text.c \
 *		src/fetch/body_text.c
 *	./fuzz_body_text -max_len=1024 tests/fuzz/corpus/body_text
 *
 * Input: a Content-Type, a newline, a body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "fetch/body_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *newline = size ? memchr(data, '\n', size) : NULL;

	if (!newline)
		return 0;
	const struct span type =
	    span_from((const char *)data, (size_t)(newline - (const char *)data));
	const struct span body = span_from(newline + 1, size - type.len - 1);
	for (int is_whole = 0; is_whole < 2; is_whole++) {
		/* its own block, for the sanitizer */
		char *out = malloc(BODY_TEXT_MAX);
		size_t len, at = 0, chars = 0;

		if (!out)
			return 0;
		len = body_text(type, body, is_whole, out);
		while (at < len) {
			const size_t n = utf8_character(out + at, len - at);
			if (!n || out[at] == '\0' || ++chars > BODY_TEXT_CHARS)
				abort();
			at += n;
		}
		free(out);
	}
	return 0;
}
