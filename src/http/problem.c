/*
 * problem.c - errors in words: as RFC 9457 problem details, built by jansson, or as lines of text.
 * Called by: exchange_problem.c, answer.c.
 */
#include "http/problem.h"

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "http/chars.h"
#include "http/response.h"

/* --- hints --- */

const char *
problem_hint(int status)
{
	switch (status) {
	case 400: return "Mend the request and send it again; curl -v shows what was sent.";
	case 403:
		return "The operator can change the option that is named here; plaza.conf(5) "
		       "tells under ACCESS what it opens.";
	case 404: return "Case counts in a path, and so does a slash at its end.";
	case 405: return "Use one of the methods in Allow; OPTIONS asks for them.";
	case 408:
		return "Send the request in one go; http.header_timeout, http.body_timeout and "
		       "http.min_body_rate are the operator's limits.";
	case 409: return "Look at what is there, and send something that goes with it.";
	case 411: return "curl -d and --data-binary send a Content-Length by themselves.";
	case 413:
		return "Send less; http.max_body_size bounds all bodies, chat.max_message_size "
		       "those of messages, and a path may take less.";
	case 414: return "Send a shorter path; long data belong into a body.";
	case 415: return "With curl: -H 'Content-Type: application/json'.";
	case 417: return "Leave the field Expect out; with curl: -H 'Expect:'.";
	case 421:
		return "Use a name that is served, as in http://localhost, or let the operator "
		       "add this one to server.names.";
	case 422: return "Mend what is named here and send it again; nothing was changed.";
	case 426:
		return "Use a WebSocket client, as in plazactl ws URL; a proxy in front has to "
		       "pass on Upgrade and Connection.";
	case 429:
		return "Use the connections that are open, or close some; "
		       "http.max_connections_per_address is the operator's limit.";
	case 431: return "Send fewer or shorter fields; http.max_header_size bounds their length.";
	case 500: return "Tell the operator: the server's log has the cause.";
	case 501:
		return "OPTIONS asks for the methods of a path; the only Transfer-Encoding is "
		       "chunked.";
	case 503: return "Try again, after as many seconds as Retry-After says if it is there.";
	case 505: return "Use HTTP/1.1; with curl: --http1.1.";
	default: return "curl -v shows the whole request and the whole answer.";
	}
}

/* --- as JSON --- */

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
errors_json(const struct problem *problem)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < problem->n_errors; i++) {
		const struct problem_error *error = &problem->errors[i];
		json_t *item = json_object();
		int bad = json_array_append_new(list, item);

		/* the list owns the item now, also if it could not take it */
		if (!bad && error->pointer)
			bad = json_object_set_new(item, "pointer", text_json(error->pointer));
		if (!bad && error->parameter)
			bad = json_object_set_new(item, "parameter", text_json(error->parameter));
		if (!bad && error->detail)
			bad = json_object_set_new(item, "detail", text_json(error->detail));
		if (bad) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *
routes_json(const struct problem *problem)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < problem->n_routes; i++)
		if (json_array_append_new(list, text_json(problem->routes[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* The body's text, to be freed; NULL on out-of-memory. */
static char *
problem_json(const struct problem *problem, const char *title, const char *hint)
{
	json_t *json = json_object();
	char *text = NULL;

	if (!json)
		return NULL;
	json_t *uri = problem->type ? json_sprintf("/problems/%s", problem->type)
				    : json_string("about:blank");
	int bad = json_object_set_new(json, "type", uri);
	if (!bad)
		bad = json_object_set_new(json, "title", text_json(title));
	if (!bad)
		bad = json_object_set_new(json, "status", json_integer(problem->status));
	if (!bad && problem->detail)
		bad = json_object_set_new(json, "detail", text_json(problem->detail));
	if (!bad)
		bad = json_object_set_new(json, "hint", text_json(hint));
	if (!bad && problem->n_errors)
		bad = json_object_set_new(json, "errors", errors_json(problem));
	if (!bad && problem->n_routes)
		bad = json_object_set_new(json, "routes", routes_json(problem));
	if (!bad)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

/* --- as text --- */

/* Whole lines; one that has no room is left out. */
struct lines {
	size_t start; /* of the line in hand */
	size_t len;
	bool is_full;
	char *text; /* PROBLEM_TEXT_MAX */
};

/* What may quote a client stays one line of UTF-8. */
static void
put(struct lines *lines, const char *text)
{
	const char *end = text + strlen(text);

	while (text < end) {
		size_t n = utf8_character(text, (size_t)(end - text));

		/* an escape, or a character, and the end of the line */
		if (PROBLEM_TEXT_MAX - lines->len < 6) {
			lines->is_full = true;
			return;
		}
		if (n == 0 || (n == 1 && !char_is_text(*text))) {
			lines->len += (size_t)snprintf(lines->text + lines->len, 5, "\\x%02x",
						       (unsigned char)*text);
			text++;
		} else {
			memcpy(lines->text + lines->len, text, n);
			lines->len += n;
			text += n;
		}
	}
}

static void
end_line(struct lines *lines)
{
	if (lines->is_full)
		lines->len = lines->start;
	else
		lines->text[lines->len++] = '\n';
	lines->start = lines->len;
	lines->is_full = false;
}

static void
problem_lines(struct lines *lines, const struct problem *problem, const char *title,
	      const char *hint)
{
	const char *detail = problem->detail ? problem->detail : title;

	put(lines, detail);
	end_line(lines);
	for (size_t i = 0; i < problem->n_errors; i++) {
		const struct problem_error *error = &problem->errors[i];
		const char *why = error->detail ? error->detail : title;
		bool is_placed = error->pointer && error->pointer[0];

		if (!is_placed && strcmp(why, detail) == 0)
			continue;
		if (is_placed) {
			put(lines, error->pointer);
			put(lines, ": ");
		}
		put(lines, why);
		end_line(lines);
	}
	put(lines, "Hint: ");
	put(lines, hint);
	end_line(lines);
	for (size_t i = 0; i < problem->n_routes; i++) {
		put(lines, problem->routes[i]);
		end_line(lines);
	}
}

/* --- the answer --- */

void
problem_answer_init(struct problem_answer *answer, const struct problem *problem,
		    enum error_form form)
{
	const char *title = problem->title ? problem->title : response_phrase(problem->status);
	const char *hint = problem->hint ? problem->hint : problem_hint(problem->status);
	struct reply *reply = &answer->reply;

	const int len = snprintf(answer->fields, sizeof(answer->fields), PROBLEM_VARY "%s",
				 problem->fields ? problem->fields : "");
	assert(len > 0 && (size_t)len < sizeof(answer->fields));
	(void)len;
	*reply = (struct reply){.status = problem->status, .fields = answer->fields};
	answer->json = NULL;
	if (form == ERROR_TEXT) {
		struct lines lines = {.text = answer->text};

		problem_lines(&lines, problem, title, hint);
		reply->content_type = "text/plain; charset=utf-8";
		reply->body = span_from(answer->text, lines.len);
		return;
	}
	answer->json = problem_json(problem, title, hint);
	/* the status says the most, and needs no memory */
	if (!answer->json)
		snprintf(answer->text, sizeof(answer->text),
			 "{\"type\":\"about:blank\",\"status\":%d}", problem->status);
	reply->content_type = "application/problem+json";
	reply->body = span_str(answer->json ? answer->json : answer->text);
}

void
problem_answer_fini(struct problem_answer *answer)
{
	free(answer->json);
	answer->json = NULL;
}
