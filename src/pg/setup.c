/*
 * setup.c - one statement at a time, so that an error names the statement that made it. There are
 * few, and nobody is served meanwhile.
 */
#include "pg/setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Settings that this server does not know are passed over. They are set by a statement and not as
 * startup options: poolers refuse those, and the daemon's own statement_timeout shall win over
 * the role's. A lock is waited for half as long as a statement may take, so that the error says
 * what it was.
 */
static const char session_sql[] =
    "select set_config(s.name, v.value, false)"
    " from (values ('statement_timeout', $1::text), ('lock_timeout', $2::text),"
    " ('idle_in_transaction_session_timeout', $1::text), ('jit', 'off'),"
    " ('plan_cache_mode', 'force_generic_plan')) v(name, value)"
    " join pg_settings s using (name)";

static enum setup_phase
fail(struct setup *setup, const char *what, const char *error)
{
	setup->phase = SETUP_FAILED;
	snprintf(setup->error, sizeof(setup->error), "%s: %s", what, error);
	return setup->phase;
}

/* "products cannot be made: permission denied ...; a role that may must run: create table ..." */
static enum setup_phase
fail_step(struct setup *setup, const char *error)
{
	const struct pg_step *step = &setup->plan->steps[setup->at];
	const char *user = PQuser(setup->pg);
	char *role = user ? PQescapeIdentifier(setup->pg, user, strlen(user)) : NULL;
	char remedy[640], what[80];
	size_t at = 0;

	/* each %s of the remedy, which is our own literal, is the role */
	for (const char *p = step->remedy; *p && at + 1 < sizeof(remedy); p++) {
		if (p[0] == '%' && p[1] == 's') {
			int n = snprintf(remedy + at, sizeof(remedy) - at, "%s", role ? role : "?");
			at += n < 0 ? 0 : (size_t)n;
			if (at >= sizeof(remedy))
				at = sizeof(remedy) - 1;
			p++;
		} else {
			remedy[at++] = *p;
		}
	}
	remedy[at] = '\0';
	PQfreemem(role);
	snprintf(what, sizeof(what), "%s is missing and cannot be made", step->name);
	fail(setup, what, error);
	setup->schema_error = true;
	size_t len = strlen(setup->error);
	while (len && (setup->error[len - 1] == '\n' || setup->error[len - 1] == ' '))
		len--;
	snprintf(setup->error + len, sizeof(setup->error) - len, "; a role that may must run: %s",
		 remedy);
	return setup->phase;
}

static bool
send_session(struct setup *setup)
{
	char timeout[24], lock_timeout[24];
	const char *const values[] = {timeout, lock_timeout};
	uint64_t ms = setup->plan->statement_timeout_ms;

	snprintf(timeout, sizeof(timeout), "%" PRIu64, ms);
	snprintf(lock_timeout, sizeof(lock_timeout), "%" PRIu64, ms < 2 ? 1 : ms / 2);
	return PQsendQueryParams(setup->pg, session_sql, 2, NULL, values, NULL, NULL, 0) == 1;
}

/* Sends the statement of the present phase, going on to the next phase when one is through. */
static enum setup_phase
send_next(struct setup *setup)
{
	const struct setup_plan *plan = setup->plan;
	char sql[4096];
	bool ok = false;

	if (setup->phase == SETUP_CHECK && setup->at == plan->n_steps)
		setup->phase = SETUP_SESSION;
	if (setup->phase == SETUP_PREPARE && setup->at == plan->n_statements)
		setup->phase = SETUP_DONE;
	switch (setup->phase) {
	case SETUP_CHECK:
		ok = step_check_sql(&plan->steps[setup->at], sql, sizeof(sql)) &&
		     PQsendQueryParams(setup->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
		break;
	case SETUP_TAKE:
		ok = step_take_sql(&plan->steps[setup->at], sql, sizeof(sql)) &&
		     PQsendQueryParams(setup->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
		break;
	case SETUP_SESSION: ok = send_session(setup); break;
	case SETUP_PREPARE:
		ok = PQsendPrepare(setup->pg, plan->statements[setup->at].name,
				   plan->statements[setup->at].sql, 0, NULL) == 1;
		break;
	case SETUP_DONE:
	case SETUP_FAILED: return setup->phase;
	}
	return ok ? setup->phase : fail(setup, "cannot send", PQerrorMessage(setup->pg));
}

void
setup_begin(struct setup *setup, PGconn *pg, const struct setup_plan *plan)
{
	*setup = (struct setup){.plan = plan, .pg = pg, .phase = SETUP_CHECK};
	send_next(setup);
}

/* The statement under way has ended well. */
static enum setup_phase
go_on(struct setup *setup)
{
	switch (setup->phase) {
	case SETUP_CHECK:
		if (setup->answer)
			setup->at++;
		else
			setup->phase = SETUP_TAKE;
		break;
	case SETUP_TAKE:
		setup->phase = SETUP_CHECK;
		setup->at++;
		break;
	case SETUP_SESSION:
		setup->phase = SETUP_PREPARE;
		setup->at = 0;
		break;
	case SETUP_PREPARE: setup->at++; break;
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
	switch (setup->phase) {
	case SETUP_TAKE: return fail_step(setup, error);
	case SETUP_CHECK: return fail(setup, setup->plan->steps[setup->at].name, error);
	case SETUP_PREPARE: return fail(setup, setup->plan->statements[setup->at].name, error);
	case SETUP_SESSION:
	case SETUP_DONE:
	case SETUP_FAILED: break;
	}
	return fail(setup, "session settings", error);
}

enum setup_phase
setup_advance(struct setup *setup)
{
	while (setup->phase != SETUP_DONE && setup->phase != SETUP_FAILED && !PQisBusy(setup->pg)) {
		PGresult *res = PQgetResult(setup->pg);
		if (!res) {
			go_on(setup);
			continue;
		}
		ExecStatusType status = PQresultStatus(res);
		if (status == PGRES_TUPLES_OK)
			setup->answer = PQntuples(res) == 1 && PQgetvalue(res, 0, 0)[0] == 't';
		else if (status != PGRES_COMMAND_OK)
			fail_result(setup, res);
		PQclear(res);
	}
	return setup->phase;
}
