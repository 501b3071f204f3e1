/*
 * jobs_schema.c - the steps of the job queue as templates in which @ is the schema, and their
 * texts. Pure but for memory.
 */
#include "queue/jobs_schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "queue/jobs_sql.h"

#define HAS_CALL(calls) "to_regprocedure('@." calls "') is not null"

static const struct {
	const char *name;
	const char *present;
	const char *sql;
} templates[JOBS_STEPS] = {
    [JOBS_STEP_TABLES] =
	{"tables of the job queue",
	 "(select bool_and(to_regclass('@.' || t) is not null) from unnest(array['job_queue', "
	 "'jobs', 'job_ready', 'job_later', 'job_lease', 'job_lease_no', 'job_result', 'job_part', "
	 "'job_unique', 'job_worker', 'job_kind']) t)",
	 jobs_sql_tables},
    [JOBS_STEP_PARTITIONS] = {"function job_partitions", HAS_CALL("job_partitions(timestamptz)"),
			      jobs_sql_partitions},
    [JOBS_STEP_PUT] = {"function job_put",
		       HAS_CALL("job_put(uuid[],text,text[],text[],text,int[],int[],bigint[],"
				"text[],text[],bool)"),
		       jobs_sql_put},
    [JOBS_STEP_CLAIM] = {"function job_claim",
			 HAS_CALL("job_claim(text,\"char\",int,bigint,bigint,int,bigint[],bigint,"
				  "bigint[])"),
			 jobs_sql_claim},
    [JOBS_STEP_FINISH] = {"function job_finish",
			  HAS_CALL("job_finish(uuid[],bigint[],text,bigint[],bigint[],text[],"
				   "text[])"),
			  jobs_sql_finish},
    [JOBS_STEP_EXTEND] = {"functions job_extend, job_put_part and job_beat",
			  HAS_CALL("job_beat(bigint)"), jobs_sql_extend},
    [JOBS_STEP_CANCEL] = {"functions job_cancel and job_retry", HAS_CALL("job_retry(uuid[])"),
			  jobs_sql_cancel},
    [JOBS_STEP_RESCUE] = {"functions job_rescue, job_disown and job_promote",
			  HAS_CALL("job_promote(bool)"), jobs_sql_rescue},
    [JOBS_STEP_GET] = {"function job_get", HAS_CALL("job_get(uuid[],bool)"), jobs_sql_get},
    [JOBS_STEP_KEEP] = {"function job_keep", HAS_CALL("job_keep(timestamptz,bigint)"),
			jobs_sql_keep},
    [JOBS_STEP_ENQUEUE] = {"function job_enqueue",
			   HAS_CALL("job_enqueue(text,json,text,int,timestamptz,int,text)"),
			   jobs_sql_enqueue},
};

/*
 * Tables of others that have our names: each of ours has a column that is hardly in another one.
 * Catalogs only: to_regclass sees what was committed after this statement's snapshot was taken.
 */
static const char wrong_template[] =
    "(select '@.' || t.name || ' is there and is not a table of the job queue; rename it, or set "
    "store.schema to another schema' from (values ('job_queue', 'paused'), ('jobs', 'ukey'), "
    "('job_ready', 'last'), ('job_later', 'last'), ('job_lease', 'lease'), ('job_result', 'no'), "
    "('job_part', 'part'), ('job_unique', 'key'), ('job_worker', 'beat'), ('job_kind', 'kind')) "
    "t(name, col) join pg_class c on c.relname = t.name and c.relnamespace = "
    "to_regnamespace('@') where not exists (select from pg_attribute a where a.attrelid = c.oid "
    "and a.attname = t.col and not a.attisdropped) limit 1)";

/* What it calls runs as itself, but for what makes and drops partitions and what others call. */
static const char grants_template[] =
    "grant usage on schema @ to %s;\n"
    "grant select, insert, update, delete on @.job_queue, @.jobs, @.job_ready, @.job_later,\n"
    "\t@.job_lease, @.job_result, @.job_part, @.job_unique, @.job_worker, @.job_kind to %s;\n"
    "grant select, usage on sequence @.job_lease_no to %s;\n"
    "grant select on @.plaza_job_steps to %s;\n"
    "grant execute on function @.job_partitions(timestamptz), @.job_keep(timestamptz, bigint),\n"
    "\t@.job_enqueue(text, json, text, int, timestamptz, int, text) to %s;\n";

static const char remedy[] = "let a role that may run what plazad -S prints (plazad(8))";

char *
jobs_schema_text(const struct jobs_schema *s, const char *template)
{
	return steps_text(template, s->name);
}

static bool
fill_steps(struct jobs_schema *s)
{
	bool ok = true;

	for (size_t i = 0; ok && i < JOBS_STEPS; i++) {
		s->present[i] = steps_text(templates[i].present, s->name);
		s->sql[i] = steps_text(templates[i].sql, s->name);
		s->step[i] = (struct pg_step){
		    .name = templates[i].name,
		    .present = s->present[i],
		    .sql = s->sql[i],
		};
		steps_checksum(templates[i].sql, s->step[i].checksum);
		ok = s->present[i] && s->sql[i] && s->step[i].checksum[0];
	}
	return ok;
}

struct jobs_schema *
jobs_schema_new(const char *schema)
{
	struct jobs_schema *s = calloc(1, sizeof(*s));
	size_t len = strlen(schema);

	if (s && (s->name = malloc(len + 3)) != NULL) {
		/* letters, digits and _ only: nothing to escape */
		s->name[0] = '"';
		memcpy(s->name + 1, schema, len);
		memcpy(s->name + 1 + len, "\"", 2);
	}
	if (!s || !s->name || !fill_steps(s) || !(s->wrong = steps_text(wrong_template, s->name)) ||
	    !(s->grants = steps_text(grants_template, s->name))) {
		log_error("jobs: out of memory");
		jobs_schema_free(&s);
		return NULL;
	}
	s->steps = (struct pg_steps){
	    .feature = "jobs",
	    .schema = s->name,
	    .table = "plaza_job_steps",
	    .wrong = s->wrong,
	    .remedy = remedy,
	    .step = s->step,
	    .n = JOBS_STEPS,
	};
	return s;
}

void
jobs_schema_free(struct jobs_schema **schema)
{
	struct jobs_schema *s = *schema;

	if (!s)
		return;
	for (size_t i = 0; i < JOBS_STEPS; i++) {
		free(s->present[i]);
		free(s->sql[i]);
	}
	free(s->name);
	free(s->wrong);
	free(s->grants);
	free(s);
	*schema = NULL;
}

bool
jobs_schema_script(const struct jobs_schema *schema, uint64_t mask, const char *role,
		   struct buffer *out)
{
	return buffer_printf(out, STEPS_SQL_MAX,
			     "\\set ON_ERROR_STOP on\n"
			     "set client_min_messages = warning;\n") &&
	       steps_script(&schema->steps, mask, out) &&
	       (!role[0] ||
		(buffer_printf(out, STEPS_SQL_MAX, "\n-- for the role of store.database\n") &&
		 steps_grants(schema->grants, role, out)));
}
