/*
 * fetch_args.c - each member of a fetch job's args: what it may be, and where it is not that.
 */
#include "fetch/fetch_args.h"

#include <string.h>

#include "base/utf8.h"
#include "config/syntax.h"
#include "fetch/url.h"

/* jansson's iterators want it writable, and do not write. */
static json_t *
unconst(const json_t *json)
{
	return (json_t *)(uintptr_t)json;
}

static struct span
string_of(const json_t *json)
{
	return span_from(json_string_value(json), json_string_length(json));
}

static bool
is_in(const char *const *list, struct span s)
{
	for (; *list; list++) {
		if (span_eq_nocase(span_str(*list), s))
			return true;
	}
	return false;
}

static bool
ends_in(struct span s, struct span end)
{
	return s.len >= end.len && span_eq_nocase(span_from(s.ptr + s.len - end.len, end.len), end);
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
fetch_header_is_secret(struct span name)
{
	/* whole words, and what a name may end in without a hyphen before it */
	static const char *const words[] = {"auth",          "authentication",
					    "authorization", "bearer",
					    "cookie",        "cookie2",
					    "credential",    "credentials",
					    "hmac",          "jwt",
					    "key",           "otp",
					    "pass",          "pwd",
					    "session",       "sessionid",
					    "sid",           "sig",
					    "signature",     NULL};
	static const char *const ends[] = {"apikey", "password",   "passwd", "secret",
					   "token",  "passphrase", NULL};
	size_t from = 0;

	/* it is sent by us, and means nothing elsewhere */
	if (span_eq_nocase(name, SPAN_LIT("idempotency-key")))
		return false;
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && is_alnum(name.ptr[i]))
			continue;
		const struct span word = span_from(name.ptr + from, i - from);
		for (const char *const *end = ends; *end; end++) {
			if (ends_in(word, span_str(*end)))
				return true;
		}
		if (is_in(words, word))
			return true;
		from = i + 1;
	}
	return false;
}

bool
fetch_method_is_idempotent(const char *method)
{
	return strcmp(method, "POST") != 0 && strcmp(method, "PATCH") != 0;
}

/* ---- urls ---- */

static void
read_url(const json_t *json, const struct guard *guard, struct mistakes *mistakes)
{
	struct fetch_url url;
	const char *why;

	if (!json_is_string(json)) {
		mistakes_add(mistakes, "must be a string with an http:// or https:// URL");
		return;
	}
	switch (fetch_url_parse(string_of(json), &url, &why)) {
	case FETCH_URL_MALFORMED: mistakes_add(mistakes, "%s", why); return;
	case FETCH_URL_NOT_ALLOWED: break;
	case FETCH_URL_OK:
		why = guard ? guard_check_url(guard, &url) : NULL;
		if (!why)
			return;
		mistakes->type = "url-not-allowed";
		mistakes_add(mistakes, "the host %s", why);
		return;
	}
	mistakes->type = "url-not-allowed";
	mistakes_add(mistakes, "%s", why);
}

static void
read_urls(const json_t *json, const struct guard *guard, struct fetch_args *args,
	  struct mistakes *mistakes)
{
	const size_t n = json_array_size(json);

	if (!json_is_array(json) || n < 1 || n > FETCH_URLS_MAX) {
		mistakes_add(mistakes, "must be a list of 1 to %d URLs", FETCH_URLS_MAX);
		return;
	}
	args->urls = json;
	args->n_urls = n;
	for (size_t i = 0; i < n && mistakes->n < MISTAKES_MAX; i++) {
		const size_t place = mistakes_enter_item(mistakes, i);
		read_url(json_array_get(json, i), guard, mistakes);
		mistakes_leave(mistakes, place);
	}
}

/* ---- headers ---- */

/* RFC 9110 5.6.2 */
static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.ptr[i];
		if (!is_alnum(c) && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return s.len > 0;
}

/* RFC 9110 5.5, without what is obsolete, and so that curl sends it as it is. */
static bool
is_field_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.ptr[i];
		if (c != '\t' && (c < 0x20 || c >= 0x7f))
			return false;
	}
	return !s.len || (!strchr(" \t", s.ptr[0]) && !strchr(" \t", s.ptr[s.len - 1]));
}

static void
read_header(struct span name, const json_t *json, struct fetch_args *args,
	    struct mistakes *mistakes)
{
	/* of the connection or of the message's form, which are not the client's */
	static const char *const ours[] = {"accept-encoding",
					   "connection",
					   "content-length",
					   "expect",
					   "host",
					   "job-attempt",
					   "keep-alive",
					   "proxy-connection",
					   "te",
					   "trailer",
					   "transfer-encoding",
					   "upgrade",
					   NULL};
	const struct span value = string_of(json);

	if (!is_token(name) || name.len > FETCH_NAME_MAX)
		mistakes_add(mistakes, "is no name of a header: 1 to %d of the letters of a token",
			     FETCH_NAME_MAX);
	else if (is_in(ours, name))
		mistakes_add(mistakes, "is a header that plazad sets itself");
	else if (!json_is_string(json) || value.len > FETCH_HEADER_MAX || !is_field_value(value))
		mistakes_add(mistakes,
			     "must be a string of visible ASCII, blanks in between, of at most %d "
			     "bytes",
			     FETCH_HEADER_MAX);
	else if (args->n_headers < FETCH_HEADERS_MAX)
		args->header[args->n_headers++] = (struct fetch_header){
		    .name = name.ptr, .value = value, .is_secret = fetch_header_is_secret(name)};
}

static bool
is_twice(const struct fetch_args *args, struct span name)
{
	for (size_t i = 0; i < args->n_headers; i++) {
		if (span_eq_nocase(span_str(args->header[i].name), name))
			return true;
	}
	return false;
}

static void
read_headers(const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	json_t *object = unconst(json);

	if (!json_is_object(json) || json_object_size(json) > FETCH_HEADERS_MAX) {
		mistakes_add(mistakes, "must be an object of at most %d headers",
			     FETCH_HEADERS_MAX);
		return;
	}
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const struct span name =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));
		const size_t place = mistakes_enter(mistakes, name);

		if (is_twice(args, name))
			mistakes_add(mistakes, "is there twice; case does not count in names");
		else
			read_header(name, json_object_iter_value(it), args, mistakes);
		mistakes_leave(mistakes, place);
	}
}

/* ---- the rest ---- */

static void
read_method(const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
					      "PATCH", "DELETE", "OPTIONS", NULL};

	for (const char *const *method = methods; *method && json_is_string(json); method++) {
		if (span_eq(string_of(json), span_str(*method))) {
			args->method = *method;
			return;
		}
	}
	mistakes_add(mistakes, "must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
}

static void
read_body(const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	if (!json_is_string(json)) {
		mistakes_add(mistakes, "must be a string (JSON, too, as a text)");
		return;
	}
	args->has_body = true;
	args->body = string_of(json);
}

static void
read_timeout(const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	const char *text = json_string_value(json);

	if (!text || strlen(text) != json_string_length(json) || strlen(text) > NUMBER_TEXT_MAX ||
	    number_parse(NUMBER_TIME, text, &args->timeout_ms) ||
	    args->timeout_ms < FETCH_TIMEOUT_MIN_MS || args->timeout_ms > FETCH_TIMEOUT_MAX_MS)
		mistakes_add(mistakes,
			     "must be a time from 10ms to 10m, as in \"15s\" or \"1500ms\"");
}

static bool
is_name(struct span s)
{
	if (s.len < 1 || s.len > FETCH_NAME_MAX)
		return false;
	while (s.len) {
		const size_t n = utf8_character(s.ptr, s.len);

		if (!n || s.ptr[0] == '\0')
			return false;
		s = span_from(s.ptr + n, s.len - n);
	}
	return true;
}

static void
read_want(struct span name, const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	const char *why = json_is_string(json)
			      ? extract_pointer_check(string_of(json))
			      : "must be a JSON pointer (RFC 6901), as in \"/owner/name\"";

	if (!is_name(name)) {
		mistakes_add(mistakes, "is no name: 1 to %d bytes of UTF-8 without U+0000",
			     FETCH_NAME_MAX);
	} else if (why) {
		mistakes_add(mistakes, "%s", why);
	} else {
		args->extract_name[args->n_extract] = name;
		args->extract_pointer[args->n_extract++] = string_of(json);
	}
}

static void
read_extract(const json_t *json, struct fetch_args *args, struct mistakes *mistakes)
{
	json_t *object = unconst(json);

	if (!json_is_object(json) || json_object_size(json) > EXTRACT_MAX) {
		mistakes_add(mistakes, "must be an object of at most %d names with JSON pointers",
			     EXTRACT_MAX);
		return;
	}
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const struct span name =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));
		const size_t place = mistakes_enter(mistakes, name);

		read_want(name, json_object_iter_value(it), args, mistakes);
		mistakes_leave(mistakes, place);
	}
}

static void
read_member(struct span key, const json_t *value, const struct guard *guard,
	    struct fetch_args *args, struct mistakes *mistakes)
{
	const size_t place = mistakes_enter(mistakes, key);

	if (span_eq(key, SPAN_LIT("urls")))
		read_urls(value, guard, args, mistakes);
	else if (span_eq(key, SPAN_LIT("method")))
		read_method(value, args, mistakes);
	else if (span_eq(key, SPAN_LIT("headers")))
		read_headers(value, args, mistakes);
	else if (span_eq(key, SPAN_LIT("body")))
		read_body(value, args, mistakes);
	else if (span_eq(key, SPAN_LIT("timeout")))
		read_timeout(value, args, mistakes);
	else if (span_eq(key, SPAN_LIT("extract")))
		read_extract(value, args, mistakes);
	else
		mistakes_add(mistakes, "is no member of a fetch; accepted: urls, method, headers, "
				       "body, timeout, extract");
	mistakes_leave(mistakes, place);
}

bool
fetch_args_read(const json_t *json, const struct guard *guard, struct fetch_args *args,
		struct mistakes *mistakes)
{
	const size_t n = mistakes->n;
	json_t *object = unconst(json);

	memset(args, 0, sizeof(*args));
	args->method = "GET";
	if (!json_is_object(json)) {
		mistakes_add(mistakes, "must be an object, {\"urls\": [\"https://...\"]}");
		return false;
	}
	if (!json_object_get(json, "urls"))
		mistakes_add_key(mistakes, SPAN_LIT("urls"), "is missing: a list of 1 to %d URLs",
				 FETCH_URLS_MAX);
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
		read_member(span_from(json_object_iter_key(it), json_object_iter_key_len(it)),
			    json_object_iter_value(it), guard, args, mistakes);
	if (args->has_body && strcmp(args->method, "POST") != 0 &&
	    strcmp(args->method, "PUT") != 0 && strcmp(args->method, "PATCH") != 0 &&
	    strcmp(args->method, "DELETE") != 0)
		mistakes_add_key(mistakes, SPAN_LIT("body"),
				 "needs the method POST, PUT, PATCH or DELETE");
	return mistakes->n == n;
}

void
fetch_args_mask(json_t *json)
{
	json_t *headers = json_object_get(json, "headers");

	for (void *it = json_object_iter(headers); it; it = json_object_iter_next(headers, it)) {
		const struct span name =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));
		if (!fetch_header_is_secret(name) ||
		    json_object_iter_set_new(headers, it, json_string("***")) == 0)
			continue;
		/* out of memory: then none of them is shown */
		json_object_del(json, "headers");
		return;
	}
}
