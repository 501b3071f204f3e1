/*
 * fetch_args.h - what a fetch job is asked to do: its args, checked whole. Pure.
 *
 *   {"urls":[...], "method":"GET", "headers":{...}, "body":"...", "timeout":"15s",
 *    "extract":{"name":"/json/pointer"}}                                only urls is required
 */
#ifndef PLAZA_FETCH_FETCH_ARGS_H
#define PLAZA_FETCH_FETCH_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "fetch/extract.h"
#include "fetch/guard.h"
#include "http/mistakes.h"

#define FETCH_URLS_MAX       1000
#define FETCH_HEADERS_MAX    32
#define FETCH_HEADER_MAX     4096 /* bytes of a value */
#define FETCH_NAME_MAX       64   /* bytes of a header's name, or of a value's in extract */
#define FETCH_TIMEOUT_MIN_MS 10
#define FETCH_TIMEOUT_MAX_MS 600000

struct fetch_header {
	const char *name;
	struct span value;
	bool is_secret; /* never shown, and never sent to another origin than the URL's own */
};

/* Points into the JSON that it was read from. */
struct fetch_args {
	const json_t *urls; /* an array of strings */
	size_t n_urls;
	const char *method;
	bool has_body;
	struct span body;
	uint64_t timeout_ms; /* 0: not given */
	size_t n_headers;
	struct fetch_header header[FETCH_HEADERS_MAX];
	size_t n_extract;
	struct span extract_name[EXTRACT_MAX];
	struct span extract_pointer[EXTRACT_MAX];
};

/*
 * False with every mistake added. URLs that can be seen to be none that we fetch make the mistakes'
 * type "url-not-allowed"; `guard` NULL: only those with a form that is not fetched.
 */
bool fetch_args_read(const json_t *json, const struct guard *guard, struct fetch_args *args,
		     struct mistakes *mistakes);

/* Puts *** in the place of each secret header's value. */
void fetch_args_mask(json_t *json);

/* Whether a header of this name holds what is nobody else's business. */
bool fetch_header_is_secret(struct span name);

/* RFC 9110 9.2.2: asking twice does no more than asking once. */
bool fetch_method_is_idempotent(const char *method);

#endif
