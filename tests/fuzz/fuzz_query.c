/* links: src/http/chars.c src/http/query.c */
/*
 * fuzz_query.c - queries: nothing is read that is not there, and what must not matter does not: the
 * same bytes percent-encoded, and empty pairs.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_query tests/fuzz/fuzz_query.c src/http/chars.c \
 *		src/http/query.c
 *	./fuzz_query -max_len=512 tests/fuzz/corpus/query
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARAMS 4

struct result {
	struct query_param params[PARAMS];
	bool has_unknown;
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static struct result
ask(const char *query, size_t len)
{
	struct result result = {
	    .params = {{.name = "a"}, {.name = "limit"}, {.name = "since"}, {.name = "mode"}}};
	struct span unknown = query_read(span_from(query, len), result.params, PARAMS);

	result.has_unknown = unknown.ptr != NULL;
	if (unknown.ptr)
		check(unknown.ptr >= query && unknown.ptr + unknown.len <= query + len);
	for (size_t i = 0; i < PARAMS; i++)
		if (result.params[i].state == QUERY_GIVEN)
			check(result.params[i].len <= QUERY_VALUE_MAX);
	return result;
}

static void
check_same(const struct result *a, const struct result *b)
{
	check(a->has_unknown == b->has_unknown);
	for (size_t i = 0; i < PARAMS; i++) {
		check(a->params[i].state == b->params[i].state);
		if (a->params[i].state == QUERY_GIVEN)
			check(span_eq(query_value(&a->params[i]), query_value(&b->params[i])));
	}
}

static bool
is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	char *copy = calloc(1, size + 1), *other = malloc(3 * size + 4);
	size_t len = 0;

	check(copy && other);
	if (size)
		memcpy(copy, data, size);
	struct result result = ask(copy, size);

	/* every byte that means only itself encoded, every '&' doubled */
	other[len++] = '&';
	for (size_t i = 0; i < size; i++) {
		uint8_t c = data[i];

		if (c == '%' && size - i >= 3 && is_hex(data[i + 1]) && is_hex(data[i + 2])) {
			memcpy(other + len, data + i, 3);
			len += 3;
			i += 2;
		} else if (c == '&') {
			other[len++] = '&';
			other[len++] = '&';
		} else if (c == '=' || c == '%') {
			/* a second '=' is a byte of the value; an escape that is none stays */
			other[len++] = (char)c;
		} else {
			other[len++] = '%';
			other[len++] = hex[c >> 4];
			other[len++] = hex[c & 15];
		}
	}
	/* what cannot be decoded may look like an escape once its neighbours are encoded: %%41 */
	bool is_clean = true;
	for (size_t i = 0; i < size; i++)
		if (data[i] == '%' &&
		    !(size - i >= 3 && is_hex(data[i + 1]) && is_hex(data[i + 2])))
			is_clean = false;
	if (is_clean) {
		struct result encoded = ask(other, len);
		check_same(&result, &encoded);
	}
	free(copy);
	free(other);
	return 0;
}
