/*
 * steps.c - the SQL around schema steps, and the order in which they are looked for and taken.
 * Every word of it is our own; nothing here comes from a client.
 */
#include "pg/steps.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* "plaza" in ASCII: the one lock under which all processes of all Plazas change this database */
#define STEP_LOCK "482870819425" /* 0x706c617a61 */

/* How long a step waits for a lock: all who want the table after it wait as well. */
#define LOCK_TIMEOUT "2s"
/*
 * A step that did not get its lock goes on holding the advisory one for so long, so that all
 * processes together leave the table alone for most of the time.
 */
#define PAUSE_S "4"

#define GONE_SIZE 500

/* Results of the statements up to the advisory lock, which has a row as the last one has. */
#define RESULTS_BEFORE_BLOCK 5

static const char begin_sql[] = "set transaction isolation level read committed; "
				"set local search_path = pg_catalog; "
				"set local statement_timeout = 0; "
				"set local lock_timeout = '" LOCK_TIMEOUT "'; ";

static enum steps_phase
fail(struct steps_run *run, bool schema_error, const char *what, const char *error)
{
	run->phase = STEPS_FAILED;
	run->schema_error = schema_error;
	snprintf(run->error, sizeof(run->error), "%s: %s", what, error);
	return run->phase;
}

static uint64_t
bit(size_t i)
{
	return UINT64_C(1) << i;
}

static uint64_t
all_bits(const struct pg_steps *steps)
{
	return bit(steps->n) - 1;
}

uint64_t
steps_missing(const struct steps_run *run)
{
	return all_bits(run->steps) & ~run->present;
}

char *
steps_text(const char *template, const char *schema)
{
	size_t size = strlen(template) + 1, schema_len = strlen(schema);

	for (const char *at = template; (at = strchr(at, '@')) != NULL; at++)
		size += schema_len;
	char *text = malloc(size), *p = text;
	if (!text)
		return NULL;
	for (const char *at = template; *at; at++) {
		if (*at == '@') {
			memcpy(p, schema, schema_len);
			p += schema_len;
		} else {
			*p++ = *at;
		}
	}
	*p = '\0';
	return text;
}

void
steps_checksum(const char *sql, char checksum[STEPS_CHECKSUM_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;

	checksum[0] = '\0';
	/* fails only when there is no memory; an empty checksum is then never recorded */
	if (EVP_Digest(sql, strlen(sql), digest, &len, EVP_sha256(), NULL) != 1)
		return;
	for (unsigned i = 0; i < len && 2 * i + 2 < STEPS_CHECKSUM_SIZE; i++)
		snprintf(checksum + (size_t)2 * i, 3, "%02x", digest[i]);
}

/* Several statements in one transaction, which ends with the last of them. */
static bool
send_all(struct steps_run *run, struct buffer *sql, bool ok)
{
	run->n_results = 0;
	ok = ok && buffer_append(sql, "", 1, STEPS_SQL_MAX);
	if (!ok)
		fail(run, false, "schema", "out of memory");
	else if (PQsendQuery(run->pg, sql->data) != 1)
		fail(run, false, "cannot send", PQerrorMessage(run->pg));
	buffer_fini(sql);
	return run->phase != STEPS_FAILED;
}

/* One row: may read the records, may write them, what is wrong, and for each step whether it is
 * there. */
static void
look(struct steps_run *run)
{
	const struct pg_steps *s = run->steps;
	struct buffer sql = {0};

	/* what the role itself would find must be asked before search_path is ours */
	bool ok = buffer_printf(
	    &sql, STEPS_SQL_MAX,
	    "select pg_catalog.set_config('plaza.seen', "
	    "coalesce(pg_catalog.to_regclass(nullif('%s', ''))::pg_catalog.oid::pg_catalog.text, "
	    "''), true); "
	    "set local search_path = pg_catalog; "
	    "select coalesce(has_table_privilege(to_regclass('%s.%s'), 'select'), false), "
	    "not pg_is_in_recovery() and "
	    "coalesce(has_table_privilege(to_regclass('%s.%s'), 'insert'), "
	    "has_schema_privilege(to_regnamespace('%s'), 'create'), "
	    "has_database_privilege(current_database(), 'create')), (%s)",
	    s->sought ? s->sought : "", s->schema, s->table, s->schema, s->table, s->schema,
	    s->wrong ? s->wrong : "null");
	for (size_t i = 0; ok && i < s->n; i++)
		ok = buffer_printf(&sql, STEPS_SQL_MAX, ", (%s)", s->step[i].present);
	run->phase = STEPS_LOOKING;
	send_all(run, &sql, ok);
}

static void
read_records(struct steps_run *run)
{
	struct buffer sql = {0};

	bool ok = buffer_printf(&sql, STEPS_SQL_MAX,
				"select version, checksum, name from %s.%s "
				"order by version desc",
				run->steps->schema, run->steps->table);
	run->phase = STEPS_READING;
	send_all(run, &sql, ok);
}

/*
 * What is to be said of one that is recorded, precious and not there. The text is a literal of SQL,
 * too: names of schemas have no quote in them.
 */
static void
describe_gone(const struct pg_steps *s, size_t i, char text[GONE_SIZE])
{
	snprintf(text, GONE_SIZE,
		 "%s.%s has it, so it was renamed, moved or dropped, and is not made anew, "
		 "empty: give it its name back; or, to begin with an empty one, run: delete from "
		 "%s.%s where version = %zu",
		 s->schema, s->table, s->schema, s->table, i + 1);
}

/*
 * In the block, which looks once more under the lock: it may have been made between our two
 * questions.
 */
static bool
put_guard(struct buffer *out, const struct pg_steps *s, size_t i)
{
	char text[GONE_SIZE];

	if (!s->step[i].is_precious)
		return true;
	describe_gone(s, i, text);
	return buffer_printf(out, STEPS_SQL_MAX,
			     "if exists (select from %s.%s where version = %zu) then\n"
			     "raise exception using message = '%s';\n"
			     "end if;\n",
			     s->schema, s->table, i + 1, text);
}

/*
 * The block that takes a step unless somebody else just has, and records it. Who waited for the
 * advisory lock looks again; to see what its last holder has made, this session's catalog caches
 * must take in what others have changed, and an advisory lock does not make them: the lock on a
 * table does.
 */
static bool
put_block(struct buffer *out, const struct pg_steps *s, size_t i)
{
	const struct pg_step *step = &s->step[i];

	return buffer_printf(out, STEPS_SQL_MAX,
			     "do $plaza_step$\nbegin\n"
			     "perform 1 from pg_class limit 1;\n"
			     "begin\n"
			     "if to_regnamespace('%s') is null then\n"
			     "create schema %s;\n"
			     "end if;\n"
			     "if to_regclass('%s.%s') is null then\n"
			     "create table %s.%s(version int primary key, name text not null,\n"
			     "\tchecksum text not null, at timestamptz not null default now());\n"
			     "end if;\n"
			     "perform set_config('plaza.step', 'found', true);\n"
			     "if (%s) is not true then\n",
			     s->schema, s->schema, s->schema, s->table, s->schema, s->table,
			     step->present) &&
	       put_guard(out, s, i) &&
	       buffer_printf(out, STEPS_SQL_MAX,
			     "%s\n"
			     "perform set_config('plaza.step', 'made', true);\n"
			     "end if;\n"
			     "insert into %s.%s(version, name, checksum)\n"
			     "\tvalues (%zu, '%s', '%s') on conflict do nothing;\n"
			     "exception when lock_not_available then\n"
			     "perform pg_sleep(" PAUSE_S ");\n"
			     "raise;\n"
			     "end;\n"
			     "end $plaza_step$;",
			     step->sql, s->schema, s->table, i + 1, step->name, step->checksum);
}

static void
take(struct steps_run *run, size_t at)
{
	struct buffer sql = {0};

	run->at = at;
	run->was_made = false;
	bool ok = buffer_printf(&sql, STEPS_SQL_MAX,
				"%sselect pg_advisory_xact_lock(" STEP_LOCK "); ", begin_sql) &&
		  put_block(&sql, run->steps, at) &&
		  buffer_printf(&sql, STEPS_SQL_MAX, " select current_setting('plaza.step', true)");
	run->phase = STEPS_TAKING;
	send_all(run, &sql, ok);
}

/* The first step that is needed, or that is there and can be recorded; or n. */
static size_t
next_step(const struct steps_run *run, size_t from)
{
	size_t i = from;

	while (i < run->steps->n && (run->present & bit(i)) &&
	       ((run->recorded & bit(i)) || !run->may_record || run->steps->look_only))
		i++;
	return i;
}

static void
fail_missing(struct steps_run *run, size_t at, const char *error)
{
	const struct pg_steps *s = run->steps;
	char what[200], reason[700];

	snprintf(what, sizeof(what), "%s (step %zu of schema %s) is missing", s->step[at].name,
		 at + 1, s->schema);
	snprintf(reason, sizeof(reason), "%.400s; %s", error,
		 s->remedy ? s->remedy : "a role that may must make it");
	fail(run, true, what, reason);
	run->is_missing = true;
}

static void
fail_gone(struct steps_run *run, size_t at)
{
	const struct pg_steps *s = run->steps;
	char what[200], reason[GONE_SIZE];

	snprintf(what, sizeof(what), "%s (step %zu of schema %s) is gone", s->step[at].name, at + 1,
		 s->schema);
	describe_gone(s, at, reason);
	fail(run, true, what, reason);
}

static void
take_next(struct steps_run *run, size_t from)
{
	size_t at = next_step(run, from);

	if (at == run->steps->n)
		run->phase = STEPS_DONE;
	else if (run->steps->look_only && run->steps->step[at].is_precious &&
		 (run->recorded & bit(at)))
		fail_gone(run, at);
	else if (run->steps->look_only)
		fail_missing(run, at, "it is not made because store.migrate = off");
	else
		take(run, at);
}

static void
after_look(struct steps_run *run)
{
	if (run->is_readable)
		read_records(run);
	else
		take_next(run, 0);
}

enum steps_phase
steps_begin(struct steps_run *run, PGconn *pg, const struct pg_steps *steps)
{
	*run = (struct steps_run){.steps = steps, .pg = pg};
	if (!steps || steps->n == 0)
		run->phase = STEPS_DONE;
	else
		look(run);
	return run->phase;
}

static bool
is_true(const PGresult *res, int column)
{
	return PQgetvalue(res, 0, column)[0] == 't';
}

static void
note_look(struct steps_run *run, const PGresult *res)
{
	if (PQntuples(res) != 1 || PQnfields(res) != (int)run->steps->n + 3)
		return;
	run->is_readable = is_true(res, 0);
	run->may_record = is_true(res, 1);
	for (size_t i = 0; i < run->steps->n; i++)
		run->present |= is_true(res, (int)i + 3) ? bit(i) : 0;
	if (!PQgetisnull(res, 0, 2))
		fail(run, true, "the schema cannot be used", PQgetvalue(res, 0, 2));
}

/* The highest version comes first: it tells best what is the matter. */
static void
note_records(struct steps_run *run, const PGresult *res)
{
	const struct pg_steps *s = run->steps;
	char text[500];

	for (int row = 0; row < PQntuples(res); row++) {
		long version = strtol(PQgetvalue(res, row, 0), NULL, 10);
		const char *checksum = PQgetvalue(res, row, 1), *name = PQgetvalue(res, row, 2);

		if (version < 1)
			continue;
		if ((size_t)version > s->n) {
			snprintf(text, sizeof(text),
				 "%s.%s has step %ld (%.100s), and this plaza knows %zu: "
				 "it was made by a newer one, which is the one to run here",
				 s->schema, s->table, version, name, s->n);
			fail(run, true, "the schema is too new", text);
			return;
		}
		if (strcmp(checksum, s->step[version - 1].checksum) != 0) {
			snprintf(text, sizeof(text),
				 "%s.%s has step %ld (%.100s) with checksum %.12s, and in "
				 "this plaza it is %.12s (%s): it was made by another program, or "
				 "the record was changed; run the plaza that made it",
				 s->schema, s->table, version, name, checksum,
				 s->step[version - 1].checksum, s->step[version - 1].name);
			fail(run, true, "the schema is another one", text);
			return;
		}
		run->recorded |= bit((size_t)version - 1);
	}
}

static void
note_result(struct steps_run *run, const PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		return;
	switch (run->phase) {
	case STEPS_LOOKING: note_look(run, res); break;
	case STEPS_READING: note_records(run, res); break;
	case STEPS_TAKING:
		if (run->n_results > RESULTS_BEFORE_BLOCK)
			run->was_made = strcmp(PQgetvalue(res, 0, 0), "made") == 0;
		break;
	case STEPS_DONE:
	case STEPS_FAILED: break;
	}
}

static void
fail_result(struct steps_run *run, const PGresult *res)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *error = message ? message : PQresultErrorMessage(res);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	char what[200];

	/* the server went away or throws us out: that says nothing about the schema */
	if (PQstatus(run->pg) == CONNECTION_BAD || !severity || strcmp(severity, "ERROR") != 0) {
		fail(run, false, "lost while setting up", error);
	} else if (run->phase != STEPS_TAKING) {
		snprintf(what, sizeof(what), "the schema %s cannot be looked at",
			 run->steps->schema);
		fail(run, true, what, error);
	} else if (run->steps->step[run->at].is_precious && sqlstate &&
		   strcmp(sqlstate, "P0001") == 0) {
		fail_gone(run, run->at);
	} else if (!sqlstate ||
		   (strcmp(sqlstate, "55P03") != 0 && strncmp(sqlstate, "40", 2) != 0)) {
		fail_missing(run, run->at, error);
	} else {
		snprintf(what, sizeof(what), "step %zu of schema %s (%s) waits", run->at + 1,
			 run->steps->schema, run->steps->step[run->at].name);
		run->is_waiting = true;
		/* one text for both, since the lanes of a process have now this and now that */
		fail(run, true, what,
		     "others use the table, or another process is at the step, and the lock was "
		     "not to be had within " LOCK_TIMEOUT "; a transaction that goes on for long "
		     "must end first");
	}
}

/* The statements under way have ended well, and are committed. */
static void
go_on(struct steps_run *run)
{
	switch (run->phase) {
	case STEPS_LOOKING: after_look(run); break;
	case STEPS_READING: take_next(run, 0); break;
	case STEPS_TAKING:
		if (run->was_made)
			log_info("%s: schema %s: step %zu is made: %s", run->steps->feature,
				 run->steps->schema, run->at + 1, run->steps->step[run->at].name);
		run->present |= bit(run->at);
		run->recorded |= bit(run->at);
		take_next(run, run->at + 1);
		break;
	case STEPS_DONE:
	case STEPS_FAILED: break;
	}
}

enum steps_phase
steps_take_result(struct steps_run *run, const PGresult *result)
{
	if (run->phase == STEPS_DONE || run->phase == STEPS_FAILED)
		return run->phase;
	if (!result) {
		go_on(run);
		return run->phase;
	}
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		fail_result(run, result);
		return run->phase;
	}
	run->n_results++;
	note_result(run, result);
	return run->phase;
}

bool
steps_script(const struct pg_steps *steps, uint64_t mask, struct buffer *out)
{
	bool ok = true;

	for (size_t i = 0; ok && i < steps->n; i++) {
		if (!(mask & bit(i)))
			continue;
		ok = buffer_printf(out, STEPS_SQL_MAX,
				   "\n-- step %zu: %s\nbegin;\n%s\n"
				   "do $$ begin perform pg_advisory_xact_lock(" STEP_LOCK
				   "); end $$;\n",
				   i + 1, steps->step[i].name, begin_sql) &&
		     put_block(out, steps, i) && buffer_printf(out, STEPS_SQL_MAX, "\ncommit;\n");
	}
	return ok;
}

bool
steps_grants(const char *grants, const char *role, struct buffer *out)
{
	bool ok = true;

	for (const char *p = grants; ok && *p;) {
		size_t len = strcspn(p, "%");

		ok = buffer_append(out, p, len, STEPS_SQL_MAX);
		p += len;
		if (p[0] != '%')
			continue;
		ok = ok && buffer_append(out, "\"", 1, STEPS_SQL_MAX);
		for (const char *r = role; ok && *r; r++) {
			ok = buffer_append(out, r, 1, STEPS_SQL_MAX) &&
			     (*r != '"' || buffer_append(out, r, 1, STEPS_SQL_MAX));
		}
		ok = ok && buffer_append(out, "\"", 1, STEPS_SQL_MAX);
		p += 2;
	}
	return ok;
}
