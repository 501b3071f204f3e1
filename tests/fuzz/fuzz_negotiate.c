/* links: src/http/chars.c src/http/negotiate.c */
/*
 * fuzz_negotiate.c - Accept and Accept-Encoding: nothing is read that is not there, and what must
 * not matter does not: the case of letters, and whether a list came in one field or in several.
 * The lines of an input are the fields.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_negotiate tests/fuzz/fuzz_negotiate.c \
 *		src/http/chars.c src/http/negotiate.c
 *	./fuzz_negotiate -max_len=1024 -dict=tests/fuzz/negotiate.dict tests/fuzz/corpus/negotiate
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPES 5

struct result {
	struct quality quality[TYPES];
	enum error_form text, problem;
	bool gzip;
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Fields of both names, each value in a block of its own. */
static void
add(struct request *request, const uint8_t *value, size_t len)
{
	static const enum http_field ids[] = {FIELD_ACCEPT, FIELD_ACCEPT_ENCODING};
	char *copy = malloc(len ? len : 1);

	check(copy != NULL);
	if (len)
		memcpy(copy, value, len);
	for (size_t i = 0; i < 2; i++) {
		request->times[ids[i]]++;
		request->field[request->n_fields++] =
		    (struct request_field){ids[i], SPAN_LIT("Name"), span_from(copy, len)};
	}
}

static struct result
ask(struct request *request)
{
	static const char *const types[TYPES] = {"text/plain", "application/problem+json",
						 "application/json", "text/html", "a/b"};
	struct result result;

	for (size_t i = 0; i < TYPES; i++) {
		result.quality[i] = negotiate_media(request, span_str(types[i]));
		check(result.quality[i].q <= QUALITY_MAX);
	}
	result.text = negotiate_error_form(request, ERROR_TEXT);
	result.problem = negotiate_error_form(request, ERROR_PROBLEM);
	result.gzip = negotiate_gzip(request);
	/* the other form has to be named, and the default one has to be worse */
	check(result.text == ERROR_TEXT || result.quality[0].q < QUALITY_MAX);
	check(result.text == ERROR_TEXT || result.quality[1].is_explicit ||
	      result.quality[2].is_explicit);
	/* or it is HTML that is named, and no JSON is taken */
	check(result.problem == ERROR_PROBLEM || result.quality[0].is_explicit ||
	      (result.quality[3].is_explicit && result.quality[1].q == 0 &&
	       result.quality[2].q == 0));
	check(result.text == ERROR_TEXT || result.problem == ERROR_PROBLEM);
	for (size_t i = 0; i < request->n_fields; i += 2)
		free((void *)(uintptr_t)request->field[i].value.ptr);
	return result;
}

static void
check_same(const struct result *a, const struct result *b)
{
	for (size_t i = 0; i < TYPES; i++)
		check(a->quality[i].q == b->quality[i].q &&
		      a->quality[i].is_explicit == b->quality[i].is_explicit);
	check(a->text == b->text && a->problem == b->problem && a->gzip == b->gzip);
}

/* Each line is a field. False: too many of them. */
static bool
split(struct request *request, const uint8_t *text, size_t size)
{
	*request = (struct request){0};
	for (size_t at = 0; at <= size;) {
		const uint8_t *end = size - at ? memchr(text + at, '\n', size - at) : NULL;
		size_t len = end ? (size_t)(end - text) - at : size - at;

		if (request->n_fields + 2 > REQUEST_MAX_FIELDS)
			return false;
		add(request, text + at, len);
		at += len + 1;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	uint8_t text[1024];
	bool is_one_list = true;

	if (size > sizeof(text))
		return 0;
	bool is_all = split(&request, data, size);
	struct result result = ask(&request);

	/* letters in the other case */
	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)(isupper(data[i]) ? tolower(data[i]) : toupper(data[i]));
	split(&request, text, size);
	struct result other = ask(&request);
	check_same(&result, &other);

	/* in one field; a string without an end would reach into the next one */
	for (size_t i = 0; i < size; i++) {
		is_one_list = is_one_list && data[i] != '"';
		text[i] = data[i] == '\n' ? ',' : data[i];
	}
	if (!is_all || !is_one_list)
		return 0;
	request = (struct request){0};
	add(&request, text, size);
	other = ask(&request);
	check_same(&result, &other);
	return 0;
}
