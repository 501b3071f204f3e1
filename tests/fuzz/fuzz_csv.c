/* links: src/store/csv.c */
/*
 * fuzz_csv.c - CSV: nothing is read that is not there, and what was read, written again with every
 * field in quotes, is read as the same.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_csv tests/fuzz/fuzz_csv.c src/store/csv.c
 *	./fuzz_csv -max_len=512 tests/fuzz/corpus/csv
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_within(struct span s, const char *begin, size_t size)
{
	return s.len == 0 || (s.ptr >= begin && s.ptr + s.len <= begin + size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* each byte may be doubled, and each is the end of a field at the most */
	char *text = malloc(size + 1), *scratch = malloc(size + 1), *again = malloc(5 * size + 8);
	char *other_scratch = malloc(5 * size + 8);
	size_t len = 0, n_records = 0, line = 0;
	enum csv_status status;
	struct csv csv, other;

	check(text && scratch && again && other_scratch);
	if (size)
		memcpy(text, data, size);
	csv_init(&csv, span_from(text, size), scratch);
	while ((status = csv_next(&csv)) == CSV_RECORD) {
		check(csv.n >= 1 && csv.n <= CSV_FIELDS_MAX);
		check(csv.line > line);
		line = csv.line;
		n_records++;
		for (size_t i = 0; i < csv.n; i++) {
			check(is_within(csv.field[i], text, size) ||
			      is_within(csv.field[i], scratch, size));
			again[len++] = '"';
			for (size_t j = 0; j < csv.field[i].len; j++) {
				if (csv.field[i].ptr[j] == '"')
					again[len++] = '"';
				again[len++] = csv.field[i].ptr[j];
			}
			again[len++] = '"';
			again[len++] = i + 1 < csv.n ? ',' : '\n';
		}
	}
	check(len <= 5 * size + 8);
	if (status == CSV_BAD)
		check(csv.error && csv.error[0] && csv.line > line);
	/* both from the beginning: fields of the first must be those of the second */
	csv_init(&csv, span_from(text, size), scratch);
	csv_init(&other, span_from(again, len), other_scratch);
	for (size_t r = 0; r < n_records; r++) {
		check(csv_next(&csv) == CSV_RECORD && csv_next(&other) == CSV_RECORD);
		check(csv.n == other.n);
		for (size_t i = 0; i < csv.n; i++)
			check(span_eq(csv.field[i], other.field[i]));
	}
	check(csv_next(&other) == CSV_END);
	free(text);
	free(scratch);
	free(again);
	free(other_scratch);
	return 0;
}
