/* links: src/http/chars.c src/http/chunked.c */
/*
 * fuzz_chunked.c - chunked bodies: bounds, and the same result however the bytes are cut, whether
 * they are decoded in place or not. The first five bytes of an input say how to cut.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_chunked tests/fuzz/fuzz_chunked.c \
 *		src/http/chars.c src/http/chunked.c
 *	./fuzz_chunked -max_len=8192 -dict=tests/fuzz/chunked.dict tests/fuzz/corpus/chunked
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static char *
block(size_t size)
{
	char *p = malloc(size ? size : 1);

	check(p != NULL);
	return p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunked whole, cut;
	size_t used, decoded, total_used = 0, total_decoded = 0;
	enum chunked_status status, cut_status = CHUNKED_MORE;
	uint64_t max;

	if (size < 5)
		return 0;
	const char *coded = (const char *)data + 5;
	size_t len = size - 5;
	max = data[0] == 255 ? UINT64_MAX : data[0];
	chunked_init(&whole, max);
	char *out = block(len);
	status = chunked_decode(&whole, coded, len, &used, out, &decoded);
	check(used <= len && decoded <= used && decoded <= max);
	check((status == CHUNKED_BAD) == (whole.error_status != 0));
	check(status != CHUNKED_BAD || whole.error_message);
	check(status != CHUNKED_MORE || used == len);

	/* again in pieces, each decoded in place in a block of its own */
	chunked_init(&cut, max);
	for (size_t at = 0, n = 0; at < len && cut_status == CHUNKED_MORE; n++) {
		size_t piece = (size_t)data[1 + n % 4] % 64 + 1, piece_used, piece_decoded;

		if (piece > len - at)
			piece = len - at;
		char *in = block(piece);
		memcpy(in, coded + at, piece);
		cut_status = chunked_decode(&cut, in, piece, &piece_used, in, &piece_decoded);
		check(cut_status != CHUNKED_MORE || piece_used == piece);
		check(total_decoded + piece_decoded <= decoded);
		check(memcmp(out + total_decoded, in, piece_decoded) == 0);
		total_used += piece_used;
		total_decoded += piece_decoded;
		at += piece;
		free(in);
	}
	check(cut_status == status && total_used == used && total_decoded == decoded);
	check(cut.error_status == whole.error_status);
	check(!cut.error_message || strcmp(cut.error_message, whole.error_message) == 0);

	/* and without the bytes */
	chunked_init(&cut, max);
	check(chunked_decode(&cut, coded, len, &total_used, NULL, &total_decoded) == status);
	check(total_used == used && total_decoded == decoded);

	/* what is over stays over */
	if (status != CHUNKED_MORE) {
		check(chunked_decode(&whole, coded, len, &used, out, &decoded) == status);
		check(used == 0 && decoded == 0);
	}
	free(out);
	return 0;
}
