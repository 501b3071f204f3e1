/*
 * problem.c - errors answered: as RFC 9457 problem details, built by jansson, or as a line of text.
 * Called by: judge.c, handlers. Answers through exchange_reply.
 */
#include "http/exchange.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/exchange_internal.h"
#include "http/response.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* `text` may quote a client: what is no UTF-8 is shown escaped instead of lost. NULL: no memory. */
static json_t *
text_json(const char *text)
{
	json_t *json = json_string(text);

	if (json)
		return json;
	char escaped[1024];
	return json_string(log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

static json_t *
errors_json(const struct problem_error *errors, size_t n_errors)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n_errors; i++) {
		json_t *item = json_object();
		int bad = json_array_append_new(list, item);

		/* the list owns the item now, also if it could not take it */
		if (!bad && errors[i].pointer)
			bad = json_object_set_new(item, "pointer", text_json(errors[i].pointer));
		if (!bad && errors[i].detail)
			bad = json_object_set_new(item, "detail", text_json(errors[i].detail));
		if (bad) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The body's text, to be freed; NULL on out-of-memory. */
static char *
problem_text(int status, const char *type, const char *title, const char *detail,
	     const struct problem_error *errors, size_t n_errors)
{
	json_t *problem = json_object();
	char *text = NULL;

	if (!problem)
		return NULL;
	json_t *uri = type ? json_sprintf("/problems/%s", type) : json_string("about:blank");
	int bad = json_object_set_new(problem, "type", uri);
	if (!bad && title)
		bad = json_object_set_new(problem, "title", text_json(title));
	if (!bad)
		bad = json_object_set_new(problem, "status", json_integer(status));
	if (!bad && detail)
		bad = json_object_set_new(problem, "detail", text_json(detail));
	if (!bad && n_errors)
		bad = json_object_set_new(problem, "errors", errors_json(errors, n_errors));
	if (!bad)
		text = json_dumps(problem, JSON_COMPACT);
	json_decref(problem);
	return text;
}

void
exchange_problem(struct exchange *x, int status, const char *type, const char *title,
		 const char *detail, const struct problem_error *errors, size_t n_errors,
		 const char *fields)
{
	char bare[64];
	char *text = problem_text(status, type, title, detail, errors, errors ? n_errors : 0);

	/* the status says the most, and needs no memory */
	snprintf(bare, sizeof(bare), "{\"type\":\"about:blank\",\"status\":%d}", status);
	struct reply reply = {
	    .status = status,
	    .content_type = "application/problem+json",
	    .body = span_str(text ? text : bare),
	    .fields = fields,
	};
	exchange_reply(x, &reply);
	free(text);
}

void
exchange_error(struct exchange *x, int status, const char *message, const char *fields)
{
	if (x->is_api) {
		exchange_problem(x, status, NULL, response_phrase(status), message, NULL, 0,
				 fields);
		return;
	}
	struct reply reply = {
	    .status = status,
	    .content_type = TEXT_TYPE,
	    .body = span_str(message),
	    .fields = fields,
	};
	exchange_reply(x, &reply);
}
