/*
 * negotiate.c - the lists of Accept and Accept-Encoding, read in place. Called by: judge.c,
 * answer.c.
 */
#include "http/negotiate.h"

#include <stddef.h>
#include <string.h>

#include "http/chars.h"

/* --- lists (RFC 9110 5.6.1) --- */

/* All fields of one name. */
struct list {
	const struct request *request;
	enum http_field id;
	size_t n_fields; /* looked at */
	struct span rest;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.len && is_space(s.ptr[0]))
		s = span_from(s.ptr + 1, s.len - 1);
	while (s.len && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Up to the next comma that is not in a quoted string; one that has no end takes all. */
static size_t
element_len(struct span rest)
{
	bool in_quotes = false;
	size_t i;

	for (i = 0; i < rest.len; i++) {
		char c = rest.ptr[i];

		if (in_quotes && c == '\\')
			i++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (c == ',' && !in_quotes)
			return i;
	}
	return rest.len;
}

/* The next element that is not empty. */
static bool
list_next(struct list *list, struct span *element)
{
	for (;;) {
		while (list->rest.len == 0) {
			const struct request_field *field;

			if (list->n_fields == list->request->n_fields)
				return false;
			field = &list->request->field[list->n_fields++];
			if (field->id == list->id)
				list->rest = field->value;
		}
		size_t len = element_len(list->rest);
		size_t used = len < list->rest.len ? len + 1 : len;

		*element = trim(span_from(list->rest.ptr, len));
		list->rest = span_from(list->rest.ptr + used, list->rest.len - used);
		if (element->len)
			return true;
	}
}

/* --- elements --- */

/* Off the front of *rest; empty when there is none. */
static struct span
take_token(struct span *rest)
{
	size_t len = 0;

	while (len < rest->len && char_is(rest->ptr[len], CHAR_TOKEN))
		len++;
	struct span token = span_from(rest->ptr, len);
	*rest = span_from(rest->ptr + len, rest->len - len);
	return token;
}

static bool
take_char(struct span *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_from(rest->ptr + 1, rest->len - 1);
	return true;
}

/* RFC 9110 5.6.4, from behind the opening quote. What is escaped in it stays so. */
static bool
take_quoted(struct span *rest, struct span *text)
{
	size_t i = 0;

	while (i < rest->len && rest->ptr[i] != '"')
		i += rest->ptr[i] == '\\' ? 2 : 1;
	if (i >= rest->len)
		return false;
	*text = span_from(rest->ptr, i);
	*rest = span_from(rest->ptr + i + 1, rest->len - i - 1);
	return true;
}

/* RFC 9110 12.4.2: 0 to 1 with at most three decimals. */
static bool
parse_qvalue(struct span text, unsigned *q)
{
	unsigned unit = QUALITY_MAX / 10;

	if (text.len < 1 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
	    (text.len > 1 && text.ptr[1] != '.'))
		return false;
	*q = text.ptr[0] == '1' ? QUALITY_MAX : 0;
	for (size_t i = 2; i < text.len; i++, unit /= 10) {
		if (!char_is(text.ptr[i], CHAR_DIGIT))
			return false;
		*q += unit * (unsigned)(text.ptr[i] - '0');
	}
	return *q <= QUALITY_MAX;
}

struct parameters {
	unsigned q;
	bool has_charset; /* utf-8 */
	bool has_others;
};

/* RFC 9110 5.6.6. False: malformed. What follows q belongs to no grammar any more. */
static bool
parse_parameters(struct span rest, struct parameters *parameters)
{
	bool has_q = false;

	*parameters = (struct parameters){.q = QUALITY_MAX};
	for (rest = trim(rest); rest.len; rest = trim(rest)) {
		struct span name, value;

		if (!take_char(&rest, ';'))
			return false;
		rest = trim(rest);
		if (rest.len == 0 || rest.ptr[0] == ';')
			continue;
		name = take_token(&rest);
		if (name.len == 0 || !take_char(&rest, '='))
			return false;
		bool is_quoted = take_char(&rest, '"');
		if (is_quoted && !take_quoted(&rest, &value))
			return false;
		if (!is_quoted) {
			value = take_token(&rest);
			if (value.len == 0)
				return false;
		}
		if (has_q)
			continue;
		if (span_eq_nocase(name, SPAN_LIT("q"))) {
			has_q = true;
			if (is_quoted || !parse_qvalue(value, &parameters->q))
				return false;
		} else if (span_eq_nocase(name, SPAN_LIT("charset")) &&
			   span_eq_nocase(value, SPAN_LIT("utf-8"))) {
			parameters->has_charset = true;
		} else {
			parameters->has_others = true;
		}
	}
	return true;
}

/* --- Accept --- */

/* A media range (RFC 9110 12.5.1). */
struct range {
	struct span type, subtype;
	struct parameters parameters;
};

static bool
is_star(struct span token)
{
	return token.len == 1 && token.ptr[0] == '*';
}

static bool
parse_range(struct span element, struct range *range)
{
	range->type = take_token(&element);
	if (range->type.len == 0 || !take_char(&element, '/'))
		return false;
	range->subtype = take_token(&element);
	if (range->subtype.len == 0 || (is_star(range->type) && !is_star(range->subtype)))
		return false;
	return parse_parameters(element, &range->parameters);
}

/* How closely it fits, 0: not at all. */
enum { FIT_NONE, FIT_ANY, FIT_TYPE, FIT_SUBTYPE, FIT_PARAMETERS };

static unsigned
range_fit(const struct range *range, struct span type, struct span subtype)
{
	if (range->parameters.has_others)
		return FIT_NONE;
	if (is_star(range->type))
		return FIT_ANY;
	if (!span_eq_nocase(range->type, type))
		return FIT_NONE;
	if (is_star(range->subtype))
		return FIT_TYPE;
	if (!span_eq_nocase(range->subtype, subtype))
		return FIT_NONE;
	return range->parameters.has_charset ? FIT_PARAMETERS : FIT_SUBTYPE;
}

struct quality
negotiate_media(const struct request *request, struct span type)
{
	struct list list = {.request = request, .id = FIELD_ACCEPT};
	struct quality quality = {.q = QUALITY_MAX};
	unsigned best = FIT_NONE;
	bool is_empty = true;
	struct span element, subtype = type;

	if (!request_has(request, FIELD_ACCEPT))
		return quality;
	type = take_token(&subtype);
	take_char(&subtype, '/');
	while (list_next(&list, &element)) {
		struct range range;

		if (!parse_range(element, &range))
			continue;
		is_empty = false;
		unsigned fit = range_fit(&range, type, subtype);
		if (fit > best || (fit && fit == best && range.parameters.q > quality.q)) {
			best = fit;
			quality.q = range.parameters.q;
		}
	}
	if (best == FIT_NONE && !is_empty)
		quality.q = 0;
	quality.is_explicit = best >= FIT_SUBTYPE;
	return quality;
}

/* --- the form of errors --- */

/*
 * No range names JSON without a 'j', or text/plain without an 'x'; mostly that saves to take the
 * list apart.
 */
static bool
may_name(const struct request *request, enum error_form form)
{
	const char letter = form == ERROR_TEXT ? 'x' : 'j';

	for (size_t i = 0; i < request->n_fields; i++) {
		const struct request_field *field = &request->field[i];

		if (field->id == FIELD_ACCEPT && field->value.len &&
		    (memchr(field->value.ptr, letter, field->value.len) ||
		     memchr(field->value.ptr, letter - 'a' + 'A', field->value.len)))
			return true;
	}
	return false;
}

static unsigned
max_q(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

enum error_form
negotiate_error_form(const struct request *request, enum error_form form)
{
	if (!request_has(request, FIELD_ACCEPT) ||
	    !may_name(request, form == ERROR_TEXT ? ERROR_PROBLEM : ERROR_TEXT))
		return form;
	struct quality text = negotiate_media(request, SPAN_LIT("text/plain"));
	struct quality problem = negotiate_media(request, SPAN_LIT("application/problem+json"));
	struct quality json = negotiate_media(request, SPAN_LIT("application/json"));

	if (form == ERROR_PROBLEM) {
		struct quality html = negotiate_media(request, SPAN_LIT("text/html"));
		const unsigned any_json = max_q(problem.q, json.q);

		/* nothing is HTML here; who looks for that and takes no JSON reads text */
		if (html.is_explicit && html.q && any_json == 0)
			return ERROR_TEXT;
		return text.is_explicit && text.q > any_json ? ERROR_TEXT : form;
	}
	unsigned asked = max_q(problem.is_explicit ? problem.q : 0, json.is_explicit ? json.q : 0);
	return asked > text.q ? ERROR_PROBLEM : form;
}

/* --- Accept-Encoding --- */

bool
negotiate_gzip(const struct request *request)
{
	struct list list = {.request = request, .id = FIELD_ACCEPT_ENCODING};
	/* a quality, or -1: not in the list */
	int gzip = -1, identity = -1, any = -1;
	struct span element;

	if (!request_has(request, FIELD_ACCEPT_ENCODING))
		return false;
	while (list_next(&list, &element)) {
		struct span coding = take_token(&element);
		struct parameters parameters;
		int *which = NULL;

		if (coding.len == 0 || !parse_parameters(element, &parameters) ||
		    parameters.has_charset || parameters.has_others)
			continue;
		/* RFC 9110 8.4.1.3: x-gzip is gzip */
		if (span_eq_nocase(coding, SPAN_LIT("gzip")) ||
		    span_eq_nocase(coding, SPAN_LIT("x-gzip")))
			which = &gzip;
		else if (span_eq_nocase(coding, SPAN_LIT("identity")))
			which = &identity;
		else if (is_star(coding))
			which = &any;
		if (which && (int)parameters.q > *which)
			*which = (int)parameters.q;
	}
	if (gzip < 0)
		gzip = any;
	/* '*' speaks of what is not listed: it says nothing of how identity compares */
	return gzip > 0 && gzip >= identity;
}
