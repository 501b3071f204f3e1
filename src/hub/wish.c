/*
 * wish.c - reads the query of a chat URL, and says what is wrong with it.
 */
#include "hub/wish.h"

#include "http/problem.h"
#include "http/query.h"
#include "hub/position.h"

enum { PARAM_MODE, PARAM_LAST, PARAM_SINCE, PARAMS };

static bool
refuse(struct exchange *x, const char *type, const char *title, const char *detail)
{
	const struct problem problem = {
	    .status = 400, .type = type, .title = title, .detail = detail};

	exchange_problem(x, &problem);
	return false;
}

bool
wish_read_since(struct exchange *x, struct span text, struct join_wish *from)
{
	if (!position_read(text, &from->since_epoch, &from->since_seq))
		return refuse(x, "bad-position", "This is no position",
			      "A position is <epoch>:<seq>, as in 9f2c61d0:1042: 1 to 16 "
			      "hexadecimal digits, a colon, a number.");
	from->from = JOIN_SINCE;
	return true;
}

static bool
read_last(struct exchange *x, struct span text, struct join_wish *from)
{
	if (!position_read_number(text, &from->last))
		return refuse(x, "bad-position", "This is no number of messages",
			      "last is a number of messages, in decimal digits.");
	from->from = JOIN_LAST;
	return true;
}

bool
wish_read(struct exchange *x, struct url_wish *wish)
{
	struct query_param params[PARAMS] = {
	    [PARAM_MODE] = {.name = "mode"},
	    [PARAM_LAST] = {.name = "last"},
	    [PARAM_SINCE] = {.name = "since"},
	};

	*wish = (struct url_wish){0};
	query_read(exchange_request(x)->query, params, PARAMS);
	for (unsigned i = 0; i < PARAMS; i++) {
		if (params[i].state == QUERY_TWICE)
			return refuse(x, "bad-parameter", "A parameter is there twice",
				      "Each of mode, last and since may be there once.");
		if (params[i].state == QUERY_TOO_LONG)
			params[i].len = 0;
	}
	if (params[PARAM_MODE].state != QUERY_ABSENT) {
		if (!span_eq(query_value(&params[PARAM_MODE]), SPAN_LIT("json")))
			return refuse(x, "bad-mode", "There is no such mode",
				      "The only mode is json; without mode=json messages are "
				      "plain.");
		wish->is_json = true;
	}
	if (params[PARAM_LAST].state != QUERY_ABSENT &&
	    !read_last(x, query_value(&params[PARAM_LAST]), &wish->from))
		return false;
	return params[PARAM_SINCE].state == QUERY_ABSENT ||
	       wish_read_since(x, query_value(&params[PARAM_SINCE]), &wish->from);
}
