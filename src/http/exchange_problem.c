/*
 * exchange_problem.c - the answer of a handler, or of the front door, that is an error: in the form
 * that its request wishes. Called by: judge.c, handlers.
 */
#include "http/exchange.h"
#include "http/exchange_internal.h"
#include "http/problem.h"

void
exchange_problem(struct exchange *x, const struct problem *problem)
{
	struct problem_answer answer;

	problem_answer_init(&answer, problem, x->wish.error_form);
	exchange_reply(x, &answer.reply);
	problem_answer_fini(&answer);
}

void
exchange_error(struct exchange *x, int status, const char *message, const char *fields)
{
	exchange_problem(x,
			 &(struct problem){.status = status, .detail = message, .fields = fields});
}
