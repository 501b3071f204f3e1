/*
 * fetch_result.c - the result of one URL as JSON.
 */
#include "fetch/fetch_result.h"

#include <stdio.h>

#include "http/json_string.h"

/* far beyond what its parts can have together */
#define RESULT_MAX ((size_t)1 << 20)

#define ADD(out, literal) buffer_append(out, literal, sizeof(literal) - 1, RESULT_MAX)

/* Of all values together; what does not fit is missing, and *is_cut then. */
static bool
add_values(struct buffer *out, const struct fetch_result *result, bool missing[EXTRACT_MAX],
	   bool *is_cut)
{
	size_t left = result->values_max;

	for (size_t i = 0; i < result->n_values; i++) {
		struct buffer value;
		enum extract_found found = EXTRACT_MISSING;
		bool ok = true, fits = true;

		buffer_init(&value);
		if (result->extract)
			found = extract_value(result->extract, i, &value, RESULT_MAX, &ok);
		if (found == EXTRACT_FOUND)
			fits = value.len <= left;
		missing[i] = found != EXTRACT_FOUND || !fits;
		*is_cut = *is_cut || found == EXTRACT_TOO_LARGE || !fits;
		ok = ok && (i == 0 || ADD(out, ",")) &&
		     json_string_append(out, result->names[i], RESULT_MAX) && ADD(out, ":") &&
		     (missing[i] ? ADD(out, "null")
				 : buffer_append(out, value.data, value.len, RESULT_MAX));
		if (!missing[i])
			left -= value.len;
		buffer_fini(&value);
		if (!ok)
			return false;
	}
	return true;
}

static bool
add_missing(struct buffer *out, const struct fetch_result *result, const bool missing[EXTRACT_MAX])
{
	bool is_first = true;

	for (size_t i = 0; i < result->n_values; i++) {
		if (!missing[i])
			continue;
		if ((!is_first && !ADD(out, ",")) ||
		    !json_string_append(out, result->names[i], RESULT_MAX))
			return false;
		is_first = false;
	}
	return true;
}

static bool
add_all(struct buffer *out, const struct fetch_result *result)
{
	bool missing[EXTRACT_MAX], is_cut = false;
	const char *error = result->error;
	char cut[120];

	if (!ADD(out, "{\"url\":") || !json_string_append(out, result->url, RESULT_MAX))
		return false;
	if (!(result->status ? buffer_printf(out, RESULT_MAX, ",\"status\":%d", result->status)
			     : ADD(out, ",\"status\":null")) ||
	    !buffer_printf(out, RESULT_MAX, ",\"ms\":%llu,\"bytes\":%llu,\"text\":",
			   (unsigned long long)result->ms, (unsigned long long)result->bytes) ||
	    !(result->has_text ? json_string_append(out, result->text, RESULT_MAX)
			       : ADD(out, "null")) ||
	    !ADD(out, ",\"values\":{") || !add_values(out, result, missing, &is_cut) ||
	    !ADD(out, "},\"missing\":[") || !add_missing(out, result, missing) ||
	    !ADD(out, "],\"error\":"))
		return false;
	if (!error && is_cut) {
		snprintf(cut, sizeof(cut), "values-too-large: %zu bytes are kept of all values",
			 result->values_max);
		error = cut;
	}
	return (error ? json_string_append(out, span_str(error), RESULT_MAX) : ADD(out, "null")) &&
	       ADD(out, "}");
}

bool
fetch_result_append(struct buffer *out, const struct fetch_result *result)
{
	struct buffer own;

	buffer_init(&own);
	const bool ok =
	    add_all(&own, result) && buffer_append(out, own.data, own.len, SIZE_MAX / 2);
	buffer_fini(&own);
	return ok;
}
