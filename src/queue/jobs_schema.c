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
/* Of the function there are several editions: the one that has this in its text. */
#define HAS_TEXT(calls, text)                                                   \
	"exists (select from pg_proc p where p.oid = to_regprocedure('@." calls \
	"') and p.prosrc like '%" text "%')"

#define PUT_CALL     "job_put(uuid[],text,text[],text[],text,int[],int[],bigint[],text[],text[],bool)"
#define CLAIM_CALL   "job_claim(text,\"char\",int,bigint,bigint,int,bigint[],bigint,bigint[])"
#define FINISH_CALL  "job_finish(uuid[],bigint[],text,bigint[],bigint[],text[],text[])"
#define EXTEND_CALL  "job_extend(uuid[],bigint[],bigint[],int[])"
#define PART_CALL    "job_put_part(uuid[],bigint[],int[],text[])"
#define ENQUEUE_CALL "job_enqueue(text,json,text,int,timestamptz,int,text)"

static const struct {
	const char *name;
	const char *present;
	const char *sql;
	const char *checksum; /* of the SQL it had when it was released; NULL: of this one */
} templates[JOBS_STEPS] = {
    [JOBS_STEP_TABLES] =
	{"tables of the job queue",
	 "(select bool_and(to_regclass('@.' || t) is not null) from unnest(array['job_queue', "
	 "'jobs', 'job_ready', 'job_later', 'job_lease', 'job_lease_no', 'job_result', 'job_part', "
	 "'job_unique', 'job_worker', 'job_kind']) t)",
	 jobs_sql_tables, NULL},
    [JOBS_STEP_PARTITIONS] = {"function job_partitions", HAS_CALL("job_partitions(timestamptz)"),
			      jobs_sql_partitions, NULL},
    [JOBS_STEP_OLD_PUT] = {"function job_put", "true", "null;",
			   "17ca746119a3ed15e4cb7d7113154e03a0b4a27866d1346e0d0e0b88f595e636"},
    [JOBS_STEP_OLD_CLAIM] = {"function job_claim", "true", "null;",
			     "c4a26359ceab78762cd875181460d5f2a289f8eef4d13cb95f3819bdf2b79c46"},
    [JOBS_STEP_OLD_FINISH] = {"function job_finish", "true", "null;",
			      "72f8f735259d1def5992e8602ea15e768bc1997e9eaa3e16e5a9aae5c7cea5f0"},
    [JOBS_STEP_OLD_EXTEND] = {"functions job_extend, job_put_part and job_beat", "true", "null;",
			      "b129368e7d20d7de54d7935e4ebf107a6297cd1b054c9f59c9540b796c71e9b9"},
    [JOBS_STEP_OLD_CANCEL] = {"functions job_cancel and job_retry", "true", "null;",
			      "559caaf7a39bc7d6d873aa4b9fc536ab067c0a9dad12005903382d4bc1830011"},
    [JOBS_STEP_OLD_RESCUE] = {"functions job_rescue, job_disown and job_promote", "true", "null;",
			      "6a0531fe30adea48d59b6c4a1884ed883e0f929cfcd17b253e8357f4135be477"},
    [JOBS_STEP_GET] = {"function job_get", HAS_CALL("job_get(uuid[],bool)"), jobs_sql_get, NULL},
    [JOBS_STEP_OLD_KEEP] = {"function job_keep", "true", "null;",
			    "e15419688f1460222e70676e60036f0bdedc8402243a21267fcc7e18dd7ac4d3"},
    [JOBS_STEP_OLD_ENQUEUE] = {"function job_enqueue", "true", "null;",
			       "6ee70edf11e59598e2a5fd50b41d5c1543c50f64dc0f231ce70371f44ee86b11"},
    [JOBS_STEP_READY_ID] = {"index job_ready_id", "to_regclass('@.job_ready_id') is not null",
			    jobs_sql_ready_id, NULL},
    [JOBS_STEP_IS_FULL] = {"column is_full of job_queue",
			   "exists (select from pg_attribute a where a.attrelid = "
			   "to_regclass('@.job_queue') and a.attname = 'is_full')",
			   jobs_sql_is_full, NULL},
    [JOBS_STEP_PUT] = {"function job_put, second edition", HAS_TEXT(PUT_CALL, "took bool"),
		       jobs_sql_put, NULL},
    [JOBS_STEP_CLAIM] = {"function job_claim, second edition",
			 HAS_TEXT(CLAIM_CALL, "lock_not_available"), jobs_sql_claim, NULL},
    [JOBS_STEP_FINISH] = {"function job_finish, second edition",
			  HAS_TEXT(FINISH_CALL, "order by u.id"), jobs_sql_finish, NULL},
    [JOBS_STEP_EXTEND] = {"functions job_extend, job_put_part and job_beat, second edition",
			  HAS_TEXT(EXTEND_CALL, "greatest(l.deadline") " and " HAS_TEXT(
			      PART_CALL, "order by u.id") " and " HAS_CALL("job_beat(bigint)"),
			  jobs_sql_extend, NULL},
    [JOBS_STEP_CANCEL] = {"functions job_cancel and job_retry, second edition",
			  HAS_TEXT("job_cancel(uuid[])", "moves bool") " and " HAS_TEXT(
			      "job_retry(uuid[])", "least(last.attempt"),
			  jobs_sql_cancel, NULL},
    [JOBS_STEP_RESCUE] = {"functions job_rescue, job_disown and job_promote, second edition",
			  HAS_TEXT("job_disown(bigint,uuid[])", "for update") " and " HAS_CALL(
			      "job_rescue(bigint,bool,bool)") " and " HAS_CALL("job_promote(bool)"),
			  jobs_sql_rescue, NULL},
    [JOBS_STEP_KEEP] = {"function job_keep, second edition",
			HAS_TEXT("job_keep(timestamptz,bigint)", "unique_violation"), jobs_sql_keep,
			NULL},
    [JOBS_STEP_SWEEP] = {"function job_sweep", HAS_CALL("job_sweep(timestamptz,bigint,int)"),
			 jobs_sql_sweep, NULL},
    [JOBS_STEP_SET] = {"functions job_queue_set and job_queue_full",
		       HAS_CALL("job_queue_set(text,bool,bool,int,bool,int)") " and " HAS_CALL(
			   "job_queue_full(text[],text)"),
		       jobs_sql_set, NULL},
    [JOBS_STEP_ENQUEUE] = {"function job_enqueue, second edition",
			   HAS_TEXT(ENQUEUE_CALL, "is_full"), jobs_sql_enqueue, NULL},
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
    "\t@.job_sweep(timestamptz, bigint, int),\n"
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
		if (templates[i].checksum)
			memcpy(s->step[i].checksum, templates[i].checksum, STEPS_CHECKSUM_SIZE);
		else
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
