/*
 * queue_sql.c - templates in which @ is the schema, and their texts. Pure but for memory.
 */
#include "queue/queue_sql.h"

#include <stdlib.h>

#include "base/log.h"

/* Answers of functions in the order of their columns, which jobs_sql_*.c name. */
static const struct pg_statement templates[QUEUE_STATEMENTS] = {
    [QUEUE_PUT] = {"job_put",
		   "select p.* from @.job_put($1::uuid[], $2::text, $3::text[], $4::text[], "
		   "$5::text, $6::int4[], $7::int4[], $8::int8[], $9::text[], $10::text[], "
		   "false) p "
		   "order by p.ord"},
    [QUEUE_CLAIM] = {"job_claim",
		     "select c.* from @.job_claim($1::text, $2::\"char\", $3::int4, $4::int8, "
		     "$5::int8, $6::int4, $7::int8[], $8::int8, $9::int8[]) c"},
    [QUEUE_FINISH] = {"job_finish",
		      "select f.* from @.job_finish($1::uuid[], $2::int8[], $3::text, $4::int8[], "
		      "$5::int8[], $6::text[], $7::text[]) f"},
    [QUEUE_EXTEND] = {"job_extend", "select e.* from @.job_extend($1::uuid[], $2::int8[], "
				    "$3::int8[], $4::int4[]) e"},
    [QUEUE_PART] = {"job_put_part", "select p.* from @.job_put_part($1::uuid[], $2::int8[], "
				    "$3::int4[], $4::text[]) p"},
    [QUEUE_CANCEL] = {"job_cancel", "select c.* from @.job_cancel($1::uuid[]) c"},
    [QUEUE_RETRY] = {"job_retry", "select r.* from @.job_retry($1::uuid[]) r"},
    [QUEUE_GET] = {"job_get", "select g.* from @.job_get($1::uuid[], true) g"},
    [QUEUE_QUEUES] =
	{"job_queues",
	 "select q.queue, r.n, r.n_p, l.n, e.n, r.ms, q.paused, q.concurrency, "
	 "q.depth, q.is_full from (select q.queue, q.paused, q.concurrency, q.depth, q.is_full "
	 "from @.job_queue q union all select n.queue, false, null, null, false from "
	 "(select r.queue from @.job_ready r union select l.queue from @.job_later l) n "
	 "where not exists (select from @.job_queue q where q.queue = n.queue)) q "
	 "cross join lateral (select count(*) as n, "
	 "count(*) filter (where r.hand = 'p') as n_p, "
	 "(extract(epoch from now() - min(r.since)) * 1000)::int8 as ms "
	 "from @.job_ready r where r.queue = q.queue) r cross join lateral "
	 "(select count(*) as n from @.job_later l where l.queue = q.queue) l "
	 "cross join lateral (select count(*) as n from @.job_lease e "
	 "where e.queue = q.queue) e where $1::text is null or q.queue = $1::text "
	 "order by q.queue"},
    [QUEUE_SET] = {"job_queue_set",
		   "select @.job_queue_set($1::text, $2::bool, $3::bool, $4::int4, $5::bool, "
		   "$6::int4)"},
    [QUEUE_FULL] = {"job_queue_full", /* a standby does without */
		    "select @.job_queue_full($1::text[], $2::text) where "
		    "pg_catalog.current_setting('transaction_read_only') = 'off'"},
    [QUEUE_BEAT] = {"job_beat", /* no id: a standby, and nothing was tried that it refuses */
		    "select b.* from @.job_beat($1::int8) b where "
		    "pg_catalog.current_setting('transaction_read_only') = 'off' union all select "
		    "null where pg_catalog.current_setting('transaction_read_only') = 'on'"},
    [QUEUE_BURY] = {"job_bury", "delete from @.job_worker w where w.worker = $1::int8 and not "
				"exists (select from @.job_lease l where l.worker = w.worker)"},
    [QUEUE_RESCUE] = {"job_rescue", /* a server that has only just come back has heard of nobody */
		      "select r.* from @.job_rescue($1::int8, $2::bool and "
		      "pg_catalog.pg_postmaster_start_time() < now() - interval '12 s', "
		      "$3::bool) r"},
    [QUEUE_DISOWN] = {"job_disown", "select d.* from @.job_disown($1::int8, $2::uuid[]) d"},
    [QUEUE_PROMOTE] = {"job_promote", "select p.* from @.job_promote($1::bool) p"},
    [QUEUE_KEEP] = {"job_keep", "select @.job_keep(now(), $1::int8)"},
    [QUEUE_SWEEP] = {"job_sweep", "select @.job_sweep(now(), $1::int8, 2000)"},
};

struct queue_sql *
queue_sql_new(const struct jobs_schema *schema)
{
	struct queue_sql *sql = calloc(1, sizeof(*sql));
	bool ok = sql && (sql->schema = jobs_schema_text(schema, "@")) != NULL;

	for (size_t i = 0; ok && i < QUEUE_STATEMENTS; i++) {
		sql->text[i] = jobs_schema_text(schema, templates[i].sql);
		sql->statement[i] = (struct pg_statement){templates[i].name, sql->text[i]};
		ok = sql->text[i] != NULL;
	}
	if (!ok) {
		log_error("jobs: out of memory");
		queue_sql_free(&sql);
	}
	return sql;
}

void
queue_sql_free(struct queue_sql **sql)
{
	struct queue_sql *s = *sql;

	if (!s)
		return;
	for (size_t i = 0; i < QUEUE_STATEMENTS; i++)
		free(s->text[i]);
	free(s->schema);
	free(s);
	*sql = NULL;
}
