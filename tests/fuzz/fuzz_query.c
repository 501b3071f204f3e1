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
	char room[QUERY_LONG_MAX];
	bool has_unknown;
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
ask(const char *query, size_t len, struct result *result)
{
	*result = (struct result){
	    .params = {{.name = "a", .room = result->room, .room_size = QUERY_LONG_MAX},
		       {.name = "limit"},
		       {.name = "since"},
		       {.name = "mode"}}};
	struct span rest = span_from(query, len);
	struct span unknown = query_read(rest, result->params, PARAMS);

	result->has_unknown = unknown.ptr != NULL;
	for (size_t i = 0; i < PARAMS; i++)
		if (result->params[i].state == QUERY_GIVEN)
			check(result->params[i].len <= (i ? QUERY_VALUE_MAX : QUERY_LONG_MAX));
	/* all of them, the first of which is known already, in order */
	struct span next = query_unknown(&rest, result->params, PARAMS);
	check(next.ptr == unknown.ptr && next.len == unknown.len);
	while (next.ptr) {
		check(next.ptr >= query && next.ptr + next.len <= query + len);
		const char *end = next.ptr + next.len;
		next = query_unknown(&rest, result->params, PARAMS);
		check(!next.ptr || next.ptr > end);
	}
	check(rest.len == 0);
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
	static struct result result, encoded;
	size_t len = 0;

	check(copy && other);
	if (size)
		memcpy(copy, data, size);
	ask(copy, size, &result);

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
		ask(other, len, &encoded);
		check_same(&result, &encoded);
	}
	free(copy);
	free(other);
	return 0;
}
