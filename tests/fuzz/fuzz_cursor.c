/* links: src/store/cursor.c */
/*
 * fuzz_cursor.c - cursors: what is accepted is what is written, letter by letter, and its key is
 *one that a database can compare with. Tried as it is, and as what is inside of the base64.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_cursor tests/fuzz/fuzz_cursor.c \
 *		src/store/cursor.c
 *	./fuzz_cursor -max_len=2000 tests/fuzz/corpus/cursor
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
try(struct span text)
{
	char again[CURSOR_TEXT_SIZE];
	struct cursor cursor;

	memset(&cursor, 0x55, sizeof(cursor));
	if (!cursor_read(text, &cursor))
		return;
	check(cursor.sort < LIST_SORTS);
	const size_t len = strnlen(cursor.key, sizeof(cursor.key));
	check(len <= CURSOR_KEY_MAX && list_text_valid(span_from(cursor.key, len)));
	check((cursor.kind == CURSOR_ID) == (cursor.sort <= SORT_ID_DOWN));
	check(cursor.kind == CURSOR_VALUE || len == 0);
	if (cursor.sort == SORT_PRICE || cursor.sort == SORT_PRICE_DOWN)
		check(strspn(cursor.key, "0123456789.+-eNaInfity") == len);
	cursor_write(&cursor, again);
	check(span_eq(text, span_str(again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *text = malloc(size / 3 * 4 + 4);
	unsigned bits = 0, n_bits = 0;
	size_t len = 0;

	check(text != NULL);
	try(span_from((const char *)data, size));
	for (size_t i = 0; i < size; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			text[len++] = digits[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		text[len++] = digits[bits << (6 - n_bits) & 63];
	try(span_from(text, len));
	free(text);
	return 0;
}
