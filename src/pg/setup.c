/*
 * setup.c - one statement at a time, so that an error names the statement that made it. There are
 * few, and nobody is served meanwhile.
 */
#include "pg/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/session.h"

static enum setup_phase
fail(struct setup *setup, const char *what, const char *error)
{
	setup->phase = SETUP_FAILED;
	snprintf(setup->error, sizeof(setup->error), "%s: %s", what, error);
	return setup->phase;
}

/* Sends the statement of the present phase, going on to the next phase when one is through. */
static enum setup_phase
send_next(struct setup *setup)
{
	const struct setup_plan *plan = setup->plan;
	bool ok = false;

	if (setup->phase == SETUP_PREPARE && setup->at == plan->n_statements)
		setup->phase = SETUP_DONE;
	switch (setup->phase) {
	case SETUP_SESSION: ok = session_send(setup->pg, plan->statement_timeout_ms); break;
	case SETUP_PREPARE:
		ok = PQsendPrepare(setup->pg, plan->statements[setup->at].name,
				   plan->statements[setup->at].sql, 0, NULL) == 1;
		break;
	case SETUP_CHECK:
	case SETUP_TAKE: /* sent by the steps themselves */
	case SETUP_DONE:
	case SETUP_FAILED: return setup->phase;
	}
	return ok ? setup->phase : fail(setup, "cannot send", PQerrorMessage(setup->pg));
}

/* What the steps have come to. */
static void
follow_steps(struct setup *setup, enum steps_phase phase)
{
	switch (phase) {
	case STEPS_LOOKING:
	case STEPS_READING: setup->phase = SETUP_CHECK; break;
	case STEPS_TAKING: setup->phase = SETUP_TAKE; break;
	case STEPS_DONE:
		setup->phase = setup->plan->is_prepared ? SETUP_SESSION : SETUP_DONE;
		send_next(setup);
		break;
	case STEPS_FAILED:
		setup->phase = SETUP_FAILED;
		setup->schema_error = setup->steps.schema_error;
		snprintf(setup->error, sizeof(setup->error), "%s", setup->steps.error);
		break;
	}
}

void
setup_begin(struct setup *setup, PGconn *pg, const struct setup_plan *plan)
{
	*setup = (struct setup){.plan = plan, .pg = pg, .phase = SETUP_CHECK};
	follow_steps(setup, steps_begin(&setup->steps, pg, plan->steps));
}

/* The statement under way has ended well. */
static enum setup_phase
go_on(struct setup *setup)
{
	switch (setup->phase) {
	case SETUP_SESSION:
		setup->phase = SETUP_PREPARE;
		setup->at = 0;
		break;
	case SETUP_PREPARE: setup->at++; break;
	case SETUP_CHECK:
	case SETUP_TAKE:
	case SETUP_DONE:
	case SETUP_FAILED: break;
	}
	return send_next(setup);
}

static enum setup_phase
fail_result(struct setup *setup, const PGresult *res)
{
	const char *error = PQresultErrorMessage(res);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	/* the server went away or throws us out: that says nothing about the statement */
	if (PQstatus(setup->pg) == CONNECTION_BAD || !severity || strcmp(severity, "ERROR") != 0)
		return fail(setup, "lost while setting up", error);
	if (setup->phase == SETUP_PREPARE)
		return fail(setup, setup->plan->statements[setup->at].name, error);
	return fail(setup, "session settings", error);
}

enum setup_phase
setup_advance(struct setup *setup)
{
	while (setup->phase != SETUP_DONE && setup->phase != SETUP_FAILED && !PQisBusy(setup->pg)) {
		PGresult *res = PQgetResult(setup->pg);
		if (setup->phase == SETUP_CHECK || setup->phase == SETUP_TAKE) {
			follow_steps(setup, steps_take_result(&setup->steps, res));
		} else if (!res) {
			go_on(setup);
		} else {
			ExecStatusType status = PQresultStatus(res);
			if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
				fail_result(setup, res);
		}
		PQclear(res);
	}
	return setup->phase;
}
