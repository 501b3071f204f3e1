/* links: src/fetch/fetch_args.c src/fetch/url.c src/fetch/guard.c src/fetch/extract.c
 * src/config/network.c src/config/syntax.c src/http/json_text.c src/http/mistakes.c
 * src/base/buffer.c -ljansson */
/*
 * fuzz_fetch_args.c - the args of fetch jobs: either taken within their bounds, or with mistakes
 * whose pointers lead somewhere; and no secret is left in them by the mask.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_fetch_args tests/fuzz/fuzz_fetch_args.c \
 *		src/jobs/{fetch_args,url,guard,extract}.c src/config/{network,syntax}.c \
 *		src/http/{json_text,mistakes}.c src/base/buffer.c -ljansson
 *	./fuzz_fetch_args -max_len=2048 tests/fuzz/corpus/fetch_args
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch_args.h"
#include "http/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *ports[] = {"80", "443"}, *allow[] = {"127.0.0.1:8081"};
	static const struct config config = {.fetch_ports = {2, ports}, .fetch_allow = {1, allow}};
	static const struct json_text_rules rules = {
	    .what = "args", .max = 32 << 10, .allows_nul = true};
	static struct guard guard;
	static struct fetch_args args;
	static struct mistakes mistakes;
	struct json_text_error error;
	json_t *json = json_text_load(span_from((const char *)data, size), &rules, &error);

	if (!json)
		return 0;
	guard_init(&guard, &config);
	mistakes_init(&mistakes);
	const bool ok = fetch_args_read(json, &guard, &args, &mistakes);
	must(ok == (mistakes.n == 0));
	must(mistakes.place_len == 0);
	if (ok) {
		must(args.n_urls >= 1 && args.n_urls <= FETCH_URLS_MAX);
		must(args.n_headers <= FETCH_HEADERS_MAX && args.n_extract <= EXTRACT_MAX);
		for (size_t i = 0; i < args.n_headers; i++) {
			must(!memchr(args.header[i].value.ptr, '\n', args.header[i].value.len));
			must(!memchr(args.header[i].value.ptr, '\r', args.header[i].value.len));
		}
	}
	for (size_t i = 0; i < mistakes.n; i++)
		must(mistakes.error[i].pointer && mistakes.error[i].detail[0]);
	fetch_args_mask(json);
	json_t *headers = json_object_get(json, "headers");
	for (void *it = json_object_iter(headers); it; it = json_object_iter_next(headers, it)) {
		const struct span name =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));
		const char *value = json_string_value(json_object_iter_value(it));
		must(!fetch_header_is_secret(name) || strcmp(value, "***") == 0);
	}
	json_decref(json);
	return 0;
}
