/*
 * refuse.c - see refuse.h.
 */
#include "http/refuse.h"

#include <stdio.h>

#include "base/log.h"
#include "base/put.h"
#include "http/negotiate.h"
#include "http/query_mistakes.h"
#include "http/server_timing.h"

void
refuse_no_memory(struct exchange *x, const char *who)
{
	log_error("%s: out of memory for an answer", who);
	exchange_problem(x, &(struct problem){
				.status = 503,
				.type = "overloaded",
				.title = "The server is overloaded",
				.detail = "out of memory",
				.fields = "Retry-After: 1\r\n",
			    });
}

void
refuse_types(struct exchange *x, const char *types)
{
	char detail[200];

	snprintf(detail, sizeof(detail), "what there is: %s; Accept takes none of it", types);
	exchange_problem(x, &(struct problem){
				.status = 406,
				.type = "not-acceptable",
				.title = "There is nothing that Accept takes",
				.detail = detail,
				.hint = "Leave the field Accept out, or add */*;q=0.1 to it.",
			    });
}

bool
refuse_unless_json(struct exchange *x)
{
	if (negotiate_media(exchange_request(x), SPAN_LIT("application/json")).q > 0)
		return true;
	refuse_types(x, "application/json");
	return false;
}

void
refuse_query(struct exchange *x, const struct mistakes *mistakes, const char *hint)
{
	const struct problem problem = query_mistakes_problem(mistakes, hint);

	exchange_problem(x, &problem);
}

void
refuse_timed(struct exchange *x, const struct problem *problem, unsigned retry_after_s,
	     uint64_t waited_us, uint64_t took_us)
{
	char fields[SERVER_TIMING_SIZE + 40], *p = fields;
	struct problem timed = *problem;

	if (retry_after_s) {
		p = PUT_LIT(p, "Retry-After: ");
		p = put_number(p, retry_after_s);
		p = PUT_LIT(p, "\r\n");
	}
	server_timing_put(p, waited_us, took_us);
	timed.fields = fields;
	exchange_problem(x, &timed);
}
