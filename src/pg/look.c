/*
 * look.c - connects, runs the steps' first two questions, and hangs up.
 */
#include "pg/look.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pg/conninfo.h"

static void
fail(struct look *look, const char *error)
{
	size_t len;

	look->outcome = LOOK_NO_ANSWER;
	snprintf(look->error, sizeof(look->error), "%s", error);
	/* libpq's texts end with a newline, and have more of them */
	len = strlen(look->error);
	while (len && look->error[len - 1] == '\n')
		look->error[--len] = '\0';
	for (char *p = look->error; *p; p++) {
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	}
}

/* False when the time is over. */
static bool
wait_for(PGconn *pg, short events, uint64_t until_ms)
{
	struct pollfd fd = {PQsocket(pg), events, 0};
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < until_ms && poll(&fd, 1, (int)(until_ms - now_ms)) > 0;
}

static bool
finish_connect(PGconn *pg, uint64_t until_ms)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING) {
		if (!wait_for(pg, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms))
			return false;
		want = PQconnectPoll(pg);
	}
	return want == PGRES_POLLING_OK;
}

/* Results until the question is answered. */
static enum steps_phase
ask(struct steps_run *run, PGconn *pg, const struct pg_steps *steps, uint64_t until_ms)
{
	enum steps_phase phase = steps_begin(run, pg, steps);

	while (phase != STEPS_DONE && phase != STEPS_FAILED) {
		while (PQisBusy(pg)) {
			if (!wait_for(pg, POLLIN, until_ms) || PQconsumeInput(pg) != 1)
				return phase;
		}
		PGresult *res = PQgetResult(pg);
		phase = steps_take_result(run, res);
		PQclear(res);
	}
	return phase;
}

static void
look_by(PGconn *pg, const struct pg_steps *steps, uint64_t until_ms, struct look *look)
{
	struct pg_steps only = *steps;
	struct steps_run run;

	only.look_only = true;
	if (PQstatus(pg) == CONNECTION_BAD || !finish_connect(pg, until_ms)) {
		fail(look,
		     PQstatus(pg) == CONNECTION_BAD ? PQerrorMessage(pg) : "no answer in time");
		return;
	}
	snprintf(look->role, sizeof(look->role), "%s", PQuser(pg));
	enum steps_phase phase = ask(&run, pg, &only, until_ms);
	look->missing = steps_missing(&run);
	/* that a step is missing is an answer */
	if (phase == STEPS_DONE || (phase == STEPS_FAILED && run.is_missing)) {
		look->outcome = LOOK_DONE;
		return;
	}
	fail(look, phase == STEPS_FAILED ? run.error : "no answer in time");
	if (phase == STEPS_FAILED && run.schema_error)
		look->outcome = LOOK_REFUSED;
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

void
look_at_steps(const char *conninfo, const struct pg_steps *steps, uint64_t timeout_ms,
	      struct look *look)
{
	const uint64_t until_ms = clock_monotonic_ms() + timeout_ms;
	struct conninfo *parsed = conninfo_new(conninfo);
	PGconn *pg = parsed ? conninfo_connect(parsed, conninfo_targets(parsed), 0) : NULL;

	*look = (struct look){.outcome = LOOK_NO_ANSWER};
	if (!pg) {
		fail(look, "not a libpq connection string, or out of memory");
	} else {
		PQsetNoticeReceiver(pg, ignore_notice, NULL);
		look_by(pg, steps, until_ms, look);
	}
	PQfinish(pg);
	conninfo_free(&parsed);
}
