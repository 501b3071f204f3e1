/*
 * cors.c - the fields of CORS. Called by: judge.c for preflights, answer.c for every answer.
 */
#include "http/cors.h"

#include <stdio.h>
#include <string.h>

#include "http/chars.h"

/* Of field names that are asked for. */
#define NAMES_MAX 1000

size_t
cors_fields(const struct config *config, uint16_t origin, char *out, size_t size)
{
	int len;

	if (config->http_origins.n == 0)
		return 0;
	/* the configuration has it as browsers write it: in lower case, without a default port */
	if (origin)
		len = snprintf(out, size,
			       "Vary: Origin\r\n"
			       "Access-Control-Allow-Origin: %s\r\n"
			       "Access-Control-Expose-Headers: Location, ETag, Retry-After, Link, "
			       "Idempotent-Replayed, Preference-Applied, Server-Timing\r\n",
			       config->http_origins.word[origin - 1]);
	else
		len = snprintf(out, size, "Vary: Origin\r\n");
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

bool
cors_is_preflight(const struct request *request)
{
	return request->method == HTTP_OPTIONS && request_has(request, FIELD_ORIGIN) &&
	       request_has(request, FIELD_ACCESS_CONTROL_REQUEST_METHOD);
}

/* A list of tokens, and not too long. */
static bool
names_are_fine(struct span names)
{
	for (size_t i = 0; i < names.len; i++)
		if (!char_is(names.ptr[i], CHAR_TOKEN) && names.ptr[i] != ',' &&
		    names.ptr[i] != ' ' && names.ptr[i] != '\t')
			return false;
	return names.len > 0 && names.len <= NAMES_MAX;
}

void
cors_preflight_fields(const struct request *request, const char *methods,
		      char out[CORS_PREFLIGHT_SIZE])
{
	struct span names = span_from(NULL, 0);
	int len;

	/* a browser sends one field; several would be somebody else's idea */
	if (request->times[FIELD_ACCESS_CONTROL_REQUEST_HEADERS] == 1)
		names = request_first(request, FIELD_ACCESS_CONTROL_REQUEST_HEADERS);
	/* answers to OPTIONS are not cached (RFC 9110 9.3.7), but who knows */
	len = snprintf(out, CORS_PREFLIGHT_SIZE,
		       "Access-Control-Allow-Methods: %s\r\n"
		       "Access-Control-Max-Age: 600\r\n"
		       "Vary: Access-Control-Request-Headers\r\n",
		       methods);
	if (names_are_fine(names))
		snprintf(out + len, CORS_PREFLIGHT_SIZE - (size_t)len,
			 "Access-Control-Allow-Headers: %.*s\r\n", (int)names.len, names.ptr);
}
