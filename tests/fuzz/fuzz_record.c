/* links: src/pg/record.c */
/*
 * fuzz_record.c - rows as text: nothing is read or written that is not there, and what was read,
 * written again as the server does, is read as the same.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_record tests/fuzz/fuzz_record.c src/pg/record.c
 *	./fuzz_record -max_len=512 tests/fuzz/corpus/record
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pg/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static char *
put_field(char *p, struct span field)
{
	if (!field.ptr)
		return p;
	*p++ = '"';
	for (size_t i = 0; i < field.len; i++) {
		if (field.ptr[i] == '"' || field.ptr[i] == '\\')
			*p++ = field.ptr[i];
		*p++ = field.ptr[i];
	}
	*p++ = '"';
	return p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a field of one byte at the least becomes four and what is behind it */
	char *text = malloc(size + 1), *scratch = malloc(size + 1), *again = malloc(5 * size + 8);
	char *other_scratch = malloc(5 * size + 8), *p = again;
	struct record record, other;
	struct span field, same;
	enum record_step step;
	bool is_first = true;

	check(text && scratch && again && other_scratch);
	if (size)
		memcpy(text, data, size);
	record_begin(&record, span_from(text, size), scratch);
	while ((step = record_next(&record, &field)) == RECORD_FIELD || step == RECORD_ROW) {
		if (step == RECORD_ROW) {
			*p++ = ')';
			is_first = true;
			continue;
		}
		if (field.ptr) {
			check(field.ptr >= scratch && field.ptr + field.len < scratch + size);
			check(field.ptr[field.len] == '\0');
		}
		*p++ = is_first ? '(' : ',';
		is_first = false;
		p = put_field(p, field);
	}
	check((size_t)(p - again) <= 5 * size + 8);
	/* both from the beginning, as far as the first one goes */
	record_begin(&record, span_from(text, size), scratch);
	record_begin(&other, span_from(again, (size_t)(p - again)), other_scratch);
	while ((step = record_next(&record, &field)) == RECORD_FIELD || step == RECORD_ROW) {
		/* the last row may be broken off before a field is through */
		const enum record_step then = record_next(&other, &same);
		if (then == RECORD_BAD)
			break;
		check(then == step);
		if (step == RECORD_FIELD)
			check(span_eq(field, same) && !field.ptr == !same.ptr);
	}
	if (step == RECORD_END)
		check(record_next(&other, &same) == RECORD_END);
	free(text);
	free(scratch);
	free(again);
	free(other_scratch);
	return 0;
}
