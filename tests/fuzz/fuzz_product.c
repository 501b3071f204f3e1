/* links: src/store/product_json.c src/store/price.c src/http/mistakes.c src/http/json_text.c
 * -ljansson -lm */
/*
 * fuzz_product.c - bodies of products: whatever comes, it is a product with a name and a price that
 * the database takes, or there are errors, and as many as fit their places.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_product tests/fuzz/fuzz_product.c \
 *		src/store/product_json.c src/store/price.c src/http/mistakes.c \
 *		src/http/json_text.c -ljansson -lm
 *	./fuzz_product -max_len=512 tests/fuzz/corpus/product
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "http/json_text.h"
#include "store/product_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* What PostgreSQL takes as text and as decimal(10,2), without rounding. */
static void
check_input(const struct product_input *input, enum product_form form)
{
	struct span name = input->name;
	char again[PRICE_TEXT_SIZE];

	check(form == PRODUCT_PATCH || (name.ptr && input->price[0]));
	if (name.ptr)
		check(name.len >= 1 && name.len <= PRODUCT_NAME_MAX &&
		      !memchr(name.ptr, '\0', name.len));
	while (name.len) {
		size_t n = utf8_character(name.ptr, name.len);
		check(n > 0);
		name = span_from(name.ptr + n, name.len - n);
	}
	if (input->price[0]) {
		check(strlen(input->price) < PRICE_TEXT_SIZE);
		check(!price_from_text(span_str(input->price), again));
		check(strcmp(again, input->price) == 0);
	}
}

static void
check_errors(const struct mistakes *errors)
{
	check(errors->n >= 1 && errors->n <= MISTAKES_MAX);
	for (size_t i = 0; i < errors->n; i++) {
		const char *pointer = errors->error[i].pointer;
		check(pointer && errors->error[i].detail && errors->error[i].detail[0]);
		check(pointer[0] == '\0' || pointer[0] == '/');
		check(strlen(pointer) < sizeof(errors->pointer[0]));
	}
}

static void
try(const json_t *json, enum product_form form, long item)
{
	struct product_input input;
	struct mistakes errors;

	mistakes_init(&errors);
	if (item >= 0)
		mistakes_enter_item(&errors, (size_t)item);
	if (product_read(json, form, 7, &input, &errors)) {
		check(errors.n == 0);
		check_input(&input, form);
	} else {
		check_errors(&errors);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct json_text_rules rules = {
	    .what = "body", .max = 65536, .allows_nul = true};
	const struct span text = span_from(size ? (const char *)data : "", size);
	struct json_text_error error;
	struct product_input input;
	struct mistakes errors;
	json_t *json = json_text_load(text, &rules, &error);

	if (json) {
		try(json, PRODUCT_NEW, -1);
		try(json, PRODUCT_WHOLE, -1);
		try(json, PRODUCT_PATCH, -1);
		for (size_t i = 0; i < json_array_size(json); i++)
			try(json_array_get(json, i), PRODUCT_NEW, (long)i);
	} else {
		check(error.status >= 400 && error.detail[0]);
	}
	json_decref(json);
	/* and as the fields of a record, cut in two at the first comma */
	const char *comma = memchr(text.ptr, ',', text.len);
	const size_t at = comma ? (size_t)(comma - text.ptr) : text.len;
	const size_t rest = at < text.len ? at + 1 : at;
	mistakes_init(&errors);
	if (product_read_text(span_from(text.ptr, at), span_from(text.ptr + rest, text.len - rest),
			      &input, &errors))
		check_input(&input, PRODUCT_NEW);
	else
		check_errors(&errors);
	return 0;
}
