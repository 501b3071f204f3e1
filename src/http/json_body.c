/*
 * json_body.c - the rules of bodies, and the problems that answer those that keep none.
 */
#include "http/json_body.h"

#include "http/problem.h"

json_t *
json_body_load(struct span body, struct json_text_error *error)
{
	static const struct json_text_rules rules = {
	    .what = "body", .max = JSON_BODY_MAX, .allows_nul = true};

	return json_text_load(body, &rules, error);
}

json_t *
json_body_read(struct exchange *x)
{
	struct json_text_error error;
	json_t *json = json_body_load(exchange_body(x), &error);

	if (json)
		return json;
	const struct problem_error whole = {.pointer = "", .detail = error.detail};
	struct problem problem = {.status = error.status, .detail = error.detail};
	switch (error.status) {
	case 422:
		problem.type = "validation";
		problem.title = "The content is not valid";
		problem.errors = &whole;
		problem.n_errors = 1;
		break;
	case 503:
		problem.type = "overloaded";
		problem.title = "The server is overloaded";
		problem.fields = "Retry-After: 1\r\n";
		break;
	default:
		problem.type = "not-json";
		problem.title = "The body is not JSON";
		problem.hint = "jq . FILE shows where a file stops being JSON; in a shell, put it "
			       "into single quotes.";
	}
	exchange_problem(x, &problem);
	return NULL;
}
