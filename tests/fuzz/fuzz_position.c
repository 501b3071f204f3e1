/* links: src/hub/position.c src/hub/room_name.c src/http/chars.c */
/*
 * fuzz_position.c - positions, numbers and names of rooms: what is accepted says the same when it
 * is written again.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_position tests/fuzz/fuzz_position.c \
 *		src/hub/position.c src/hub/room_name.c src/http/chars.c
 *	./fuzz_position -max_len=100 tests/fuzz/corpus/position
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/position.h"
#include "hub/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Of an epoch: without zeros in front and in lower case. */
static void
check_epoch(struct span text, uint64_t epoch)
{
	char again[20];
	int n = snprintf(again, sizeof(again), "%" PRIx64, epoch);

	check(text.len <= 16 && text.len >= (size_t)n);
	check(strncasecmp(text.ptr + text.len - n, again, (size_t)n) == 0);
	for (size_t i = 0; i < text.len - (size_t)n; i++)
		check(text.ptr[i] == '0');
}

static void
check_number(struct span text, uint64_t number)
{
	char again[24];
	int n = snprintf(again, sizeof(again), "%" PRIu64, number);

	check(number <= POSITION_NUMBER_MAX && text.len <= 16 && text.len >= (size_t)n);
	check(memcmp(text.ptr + text.len - n, again, (size_t)n) == 0);
	for (size_t i = 0; i < text.len - (size_t)n; i++)
		check(text.ptr[i] == '0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);
	uint64_t epoch, number;

	if (position_read(text, &epoch, &number)) {
		size_t colon = (size_t)((const char *)memchr(data, ':', size) - text.ptr);

		check_epoch(span_from(text.ptr, colon), epoch);
		check_number(span_from(text.ptr + colon + 1, size - colon - 1), number);
	}
	if (position_read_epoch(text, &epoch))
		check_epoch(text, epoch);
	if (position_read_number(text, &number))
		check_number(text, number);
	if (room_name_valid(text)) {
		check(size >= 1 && size <= CHAT_LOG_ROOM_MAX);
		for (size_t i = 0; i < size; i++)
			check(isalnum(data[i]) || strchr("._-", data[i]));
		check(size > 2 || isalnum(data[0]) || strchr("_-", data[0]) ||
		      (size == 2 && data[1] != '.'));
	}
	return 0;
}
