/* links: src/hub/inflater.c src/base/buffer.c -lz */
/*
 * fuzz_inflater.c - compressed messages (RFC 7692) from outside: one after the other through one
 * inflater, as connections share it. No more is made than was asked for; what is accepted is what
 * another use of zlib makes of the same bytes; and no message leaves anything to the next.
 *
 * Input: a byte that chooses the limit, then messages, each with its length in two bytes.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_inflater tests/fuzz/fuzz_inflater.c \
 *		src/hub/inflater.c src/base/buffer.c -lz
 *	./fuzz_inflater -max_len=4096 tests/fuzz/corpus/inflater
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "hub/inflater.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than a message of the longest input becomes, but for the worst bombs. */
#define TRUTH_MAX (1u << 20)

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static const size_t limits[] = {0, 1, 5, 125, 126, 4095, 4096, 4097, 65535, 65536, TRUTH_MAX};

/* What is known to be true of a message, by the plainest way that there is: byte by byte. */
enum truth { TRUTH_WHOLE, TRUTH_CORRUPT, TRUTH_LONG };

static unsigned char truth[TRUTH_MAX + 1];

static enum truth
find_truth(const uint8_t *data, size_t size, size_t *len)
{
	static const uint8_t tail[4] = {0, 0, 0xff, 0xff};
	z_stream z = {0};
	enum truth result = TRUTH_WHOLE;

	check(inflateInit2(&z, -15) == Z_OK);
	z.next_out = truth;
	z.avail_out = sizeof(truth);
	for (size_t i = 0; i < size + 4 && result == TRUTH_WHOLE; i++) {
		uint8_t byte = i < size ? data[i] : tail[i - size];

		z.next_in = &byte;
		z.avail_in = 1;
		while (result == TRUTH_WHOLE) {
			int status = inflate(&z, Z_NO_FLUSH);

			if (status == Z_STREAM_END)
				check(inflateReset(&z) == Z_OK);
			else if (status != Z_OK && status != Z_BUF_ERROR)
				result = TRUTH_CORRUPT;
			else if (z.avail_out == 0)
				result = TRUTH_LONG;
			else if (z.avail_in == 0)
				break;
			if (status == Z_STREAM_END && z.avail_in == 0)
				break;
		}
	}
	*len = sizeof(truth) - z.avail_out;
	/* 128: right behind a block, and nothing of a byte is left over */
	if (result == TRUTH_WHOLE && z.data_type != 128)
		result = TRUTH_CORRUPT;
	inflateEnd(&z);
	return result;
}

static void
check_message(struct inflater *inflater, struct buffer *out, const uint8_t *data, size_t size,
	      size_t max)
{
	/* a block of its own: one byte too far is seen */
	char *exact = malloc(size ? size : 1);
	size_t len;

	check(exact != NULL);
	if (size)
		memcpy(exact, data, size);
	const enum inflater_result result =
	    inflater_message(inflater, span_from(exact, size), out, max);
	free(exact);
	check(out->cap <= 4096 || out->cap <= 2 * (max + 1));
	switch (find_truth(data, size, &len)) {
	case TRUTH_WHOLE: check(result == (len <= max ? INFLATER_OK : INFLATER_TOO_BIG)); break;
	case TRUTH_CORRUPT:
		check(result == (len <= max ? INFLATER_CORRUPT : INFLATER_TOO_BIG));
		break;
	case TRUTH_LONG: check(result == INFLATER_TOO_BIG); break;
	}
	if (result != INFLATER_OK)
		return;
	check(out->len == len);
	check(len == 0 || memcmp(out->data, truth, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inflater *inflater;
	struct buffer out = {0};

	if (!inflater)
		inflater = inflater_new();
	check(inflater != NULL);
	if (size == 0)
		return 0;
	const size_t max = limits[data[0] % (sizeof(limits) / sizeof(limits[0]))];
	data++;
	size--;
	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		check_message(inflater, &out, data, len, max);
		data += len;
		size -= len;
	}
	buffer_fini(&out);
	return 0;
}
