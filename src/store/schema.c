/*
 * schema.c - the steps as templates in which @ is the schema, and their texts. Pure but for memory.
 */
#include "store/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* An object of ours; to_regclass looks at tables, indexes and sequences alike. */
#define HAS(object) "to_regclass('@." object "') is not null"

#define HAS_VERSION                                                                    \
	"exists (select from pg_attribute where attrelid = to_regclass('@.products') " \
	"and attname = 'version' and not attisdropped)"

struct template
{
	const char *name;
	const char *present;
	const char *sql;
};

/*
 * What exists stays as it is, with whatever columns it has: columns are added with a constant
 * default, which rewrites nothing; everything else is beside the table.
 */
static const struct template templates[STORE_STEPS] = {
    [STORE_STEP_PRODUCTS] = {"table products", HAS("products"),
			     "create table @.products(id serial primary key, name text not null,\n"
			     "\tprice decimal(10,2) not null);"},

    /*
     * The sequence is nobody's, so that neither TRUNCATE RESTART IDENTITY nor a new table begins
     * it anew: a version never comes back. Any writer of products draws from it.
     */
    [STORE_STEP_VERSION] =
	{"version of products", HAS_VERSION " and " HAS("products_version_seq"),
	 "if not " HAS_VERSION " then\n"
	 "create sequence if not exists @.products_version_seq;\n"
	 "alter table @.products add column version bigint not null default 0;\n"
	 "else\n"
	 /* versions of others; they may go on counting until the triggers are there */
	 "create sequence if not exists @.products_version_seq;\n"
	 "perform setval('@.products_version_seq', greatest(nextval('@.products_version_seq'),\n"
	 "\t(select coalesce(max(version), 0) + 1000000000 from @.products)));\n"
	 "end if;\n"
	 "grant usage on sequence @.products_version_seq to public;"},

    /* op: (I)nsert, (U)pdate, (D)elete, (T)runcate, which has neither id nor version */
    [STORE_STEP_LOG] =
	{"table product_log", HAS("product_log"),
	 "create table @.product_log(seq bigint generated always as identity primary key,\n"
	 "\top \"char\" not null, id bigint, version bigint,\n"
	 "\tat timestamptz not null default now());\n"
	 "create index product_log_deleted on @.product_log(version, id) where op = 'D';"},

    /*
     * A version is drawn under the row's lock, and seq after all locks and waits of the statement:
     * the changes of a product have the same order by version and by seq. One exception has to
     * be mended: an insert, or an update that gives a row another id, draws its version before it
     * waits for the delete of who had the id.
     *
     * Triggers are ALWAYS there, also for session_replication_role = replica: a row that changed
     * without a new version would be overwritten unseen. products_log is security definer, so
     * that who could write products before still can.
     */
    [STORE_STEP_TRIGGERS] =
	{"triggers of products",
	 "(select count(*) from pg_trigger where tgrelid = to_regclass('@.products') and tgname "
	 "in ('products_version', 'products_insert', 'products_update', 'products_delete', "
	 "'products_truncate')) = 5",
	 "create or replace function @.products_version() returns trigger language plpgsql as "
	 "$function$\n"
	 "begin\n"
	 "new.version := pg_catalog.nextval('@.products_version_seq'::pg_catalog.regclass);\n"
	 "return new;\n"
	 "end $function$;\n"
	 "create or replace function @.products_log() returns trigger language plpgsql\n"
	 "security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as "
	 "$function$\n"
	 "declare\n"
	 "\twrote boolean;\n"
	 "\tagain boolean := current_setting('plaza.again', true) = 'on';\n"
	 "begin\n"
	 "if tg_op in ('INSERT', 'UPDATE') then\n"
	 /* the last condition is asked only for a row that is late: it is left out, and noted */
	 "insert into @.product_log(op, id, version)\n"
	 "\tselect case when tg_op = 'INSERT' or again then 'I'::\"char\" else 'U' end,\n"
	 "\tn.id, n.version from new_rows n where n.version >\n"
	 "\tcoalesce((select max(version) from @.product_log where op = 'D'), 0)\n"
	 "\tor not exists (select from @.product_log l where l.op = 'D'\n"
	 "\tand l.version > n.version and l.id = n.id)\n"
	 "\tor set_config('plaza.late', 'on', true) is null;\n"
	 "wrote := found;\n"
	 "if current_setting('plaza.late', true) = 'on' then\n"
	 "perform set_config('plaza.late', 'off', true), set_config('plaza.again', 'on', true);\n"
	 "update @.products p set version = p.version from new_rows n\n"
	 "\twhere p.id = n.id and exists (select from @.product_log l where l.op = 'D'\n"
	 "\tand l.version > n.version and l.id = n.id);\n"
	 "perform set_config('plaza.again', 'off', true);\n"
	 "wrote := true;\n"
	 "end if;\n"
	 "if not wrote then\n"
	 "return null;\n"
	 "end if;\n"
	 "if tg_op = 'UPDATE' then\n"
	 "insert into @.product_log(op, id, version)\n"
	 "\tselect 'D', o.id, nextval('@.products_version_seq')\n"
	 "\tfrom (select id from old_rows except select id from new_rows) o;\n"
	 "end if;\n"
	 "elsif tg_op = 'DELETE' then\n"
	 "insert into @.product_log(op, id, version)\n"
	 "\tselect 'D', o.id, nextval('@.products_version_seq') from old_rows o;\n"
	 "if not found then\n"
	 "return null;\n"
	 "end if;\n"
	 "else\n"
	 "insert into @.product_log(op) values ('T');\n"
	 "end if;\n"
	 "if current_setting('plaza.told', true) is distinct from 'on' then\n"
	 "perform pg_notify('plaza_products', '');\n"
	 "end if;\n"
	 "return null;\n"
	 "end $function$;\n"
	 "revoke all on function @.products_log() from public;\n"
	 "lock table @.products in share row exclusive mode;\n"
	 "create or replace trigger products_version before insert or update on @.products\n"
	 "\tfor each row execute function @.products_version();\n"
	 "create or replace trigger products_insert after insert on @.products\n"
	 "\treferencing new table as new_rows\n"
	 "\tfor each statement execute function @.products_log();\n"
	 "create or replace trigger products_update after update on @.products\n"
	 "\treferencing old table as old_rows new table as new_rows\n"
	 "\tfor each statement execute function @.products_log();\n"
	 "create or replace trigger products_delete after delete on @.products\n"
	 "\treferencing old table as old_rows\n"
	 "\tfor each statement execute function @.products_log();\n"
	 "create or replace trigger products_truncate after truncate on @.products\n"
	 "\tfor each statement execute function @.products_log();\n"
	 "alter table @.products enable always trigger products_version,\n"
	 "\tenable always trigger products_insert, enable always trigger products_update,\n"
	 "\tenable always trigger products_delete, enable always trigger products_truncate;"},

    [STORE_STEP_FEED] =
	{"table product_feed", HAS("product_feed"),
	 "create table @.product_feed(one bool primary key default true check (one),\n"
	 "\tpruned bigint not null default 0, log uuid not null default gen_random_uuid());\n"
	 "insert into @.product_feed default values;"},

    [STORE_STEP_IDEMPOTENCY] =
	{"table product_idempotency", HAS("product_idempotency"),
	 "create table @.product_idempotency(key text primary key, fingerprint bytea not null,\n"
	 "\tstatus smallint not null, answer text not null,\n"
	 "\tat timestamptz not null default now());\n"
	 "create index product_idempotency_at on @.product_idempotency(at);"},

    /* Each row in a subtransaction of its own; as whoever calls it. */
    [STORE_STEP_INSERT_EACH] =
	{"function products_insert_each",
	 "to_regprocedure('@.products_insert_each(text[],text[])') is not null",
	 "create or replace function @.products_insert_each(names text[], prices text[])\n"
	 "\treturns table(ord bigint, id bigint, version bigint, state text, message text)\n"
	 "\tlanguage plpgsql set search_path = pg_catalog, pg_temp as $function$\n"
	 "declare i bigint := 0;\n"
	 "begin\n"
	 /* a deferred one would be found at the commit, and undo them all */
	 "set constraints all immediate;\n"
	 "while i < cardinality(names) loop\n"
	 "i := i + 1;\n"
	 "ord := i;\n"
	 "id := null;\n"
	 "version := null;\n"
	 "state := null;\n"
	 "message := null;\n"
	 "begin\n"
	 "insert into @.products as p (name, price) values (names[i], prices[i]::numeric)\n"
	 "\treturning p.id, p.version into id, version;\n"
	 "exception when others then\n"
	 "if sqlstate !~ '^(22|23|P0001)' then\n"
	 "raise;\n"
	 "end if;\n"
	 "state := sqlstate;\n"
	 "message := sqlerrm;\n"
	 "end;\n"
	 "return next;\n"
	 "end loop;\n"
	 "end $function$;"},

    /* What the columns of the answer's rows are (product_kept.h); null in older answers. */
    [STORE_STEP_FORM] =
	{"form of product_idempotency",
	 "exists (select from pg_attribute where attrelid = "
	 "to_regclass('@.product_idempotency') and attname = 'form' and not attisdropped)",
	 "alter table @.product_idempotency add column form text;"},

    /*
     * The same as before, and it tells the place, and what has refused a row: the constraint, if it
     * has a name, and the column, if it is one of the table's own. A place without a name is
     * passed over. The triggers of the table find names as in any other insert of ours.
     */
    [STORE_STEP_INSERT_EACH_TELLS] =
	{"products_insert_each tells why",
	 "exists (select from pg_proc where oid = "
	 "to_regprocedure('@.products_insert_each(text[],text[])') and 'rule' = any (proargnames))",
	 "drop function if exists @.products_insert_each(text[], text[]);\n"
	 "create function @.products_insert_each(names text[], prices text[])\n"
	 "\treturns table(place bigint, id bigint, version bigint, state text, rule text, col "
	 "text)\n"
	 "\tlanguage plpgsql as $function$\n"
	 "declare home text;\n"
	 "begin\n"
	 /* a deferred one would be found at the commit, and undo them all */
	 "set constraints all immediate;\n"
	 "for i in 1 .. cardinality(names) loop\n"
	 "continue when names[i] is null;\n"
	 "place := i;\n"
	 "id := null;\n"
	 "version := null;\n"
	 "state := null;\n"
	 "rule := null;\n"
	 "col := null;\n"
	 "begin\n"
	 "insert into @.products as p (name, price) values (names[i], prices[i]::numeric)\n"
	 "\treturning p.id, p.version into id, version;\n"
	 "exception when others then\n"
	 "if sqlstate !~ '^(22|23|P0001)' then\n"
	 "raise;\n"
	 "end if;\n"
	 "get stacked diagnostics rule = constraint_name, col = column_name, home = table_name;\n"
	 "state := sqlstate;\n"
	 "rule := nullif(rule, '');\n"
	 "col := case home when 'products' then nullif(col, '') end;\n"
	 "end;\n"
	 "return next;\n"
	 "end loop;\n"
	 "end $function$;"},
};

/*
 * What a table that others have made must be. id: a number, found by an index (that it is unique is
 * left to the table). What has no type here would be written or read wrongly.
 */
static const char wrong_template[] =
    "(with t as (select c.oid, c.relkind from pg_class c where c.oid = to_regclass('@.products')), "
    "a as (select a.attname, a.attnum, a.attgenerated, a.attidentity, a.attnotnull, "
    "case when y.typtype = 'd' then y.typbasetype else y.oid end as type, y.typcategory, "
    "format_type(a.atttypid, a.atttypmod) as shown "
    "from pg_attribute a join t on a.attrelid = t.oid join pg_type y on y.oid = a.atttypid "
    "where a.attnum > 0 and not a.attisdropped), "
    "w(n, text) as ("
    "select 1, 'there is no @.products, and search_path finds products in the schema ' || "
    "quote_ident(n.nspname) || '; set store.schema to that one, or make @.products yourself' "
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.oid = nullif(current_setting('plaza.seen', true), '')::oid "
    "and not exists (select from t) "
    "union all "
    "select 2, '@.products is not a table' from t where relkind not in ('r', 'p') "
    "union all "
    "select 3, '@.products has no column ' || c from t, unnest(array['id', 'name', 'price']) c "
    "where relkind in ('r', 'p') and not exists (select from a where attname = c) "
    "union all "
    "select 4, '@.products.' || attname || ' is ' || shown || '; accepted: ' || "
    "case attname when 'id' then 'smallint, integer or bigint' when 'name' then 'text or varchar' "
    "when 'price' then 'numeric, or another number' else 'bigint, not null and not generated' end "
    "from a "
    "where (attname = 'id' and type not in (20, 21, 23)) "
    "or (attname = 'name' and typcategory <> 'S') "
    "or (attname = 'price' and type not in (20, 21, 23, 700, 701, 1700)) "
    "or (attname = 'version' and (type <> 20 or not attnotnull or attgenerated <> '' or "
    "attidentity <> '')) "
    "union all "
    "select 5, '@.products has no index on id; run: alter table @.products add primary key (id)' "
    "from t join a on attname = 'id' where relkind in ('r', 'p') and not exists (select from "
    "pg_index i where i.indrelid = t.oid and i.indkey[0] = a.attnum and i.indpred is null)) "
    "select text from w order by n limit 1)";

static const char grants_template[] =
    "grant usage on schema @ to %s;\n"
    "grant select, insert, update, delete on @.products, @.product_idempotency to %s;\n"
    "grant select, delete on @.product_log to %s;\n"
    "grant select, update on @.product_feed to %s;\n"
    "grant select on @.plaza_steps to %s;\n"
    "do $grants$ begin\n"
    "if pg_catalog.pg_get_serial_sequence('@.products', 'id') is not null then\n"
    "execute 'grant usage on sequence ' ||\n"
    "\tpg_catalog.pg_get_serial_sequence('@.products', 'id') || $role$ to %s$role$;\n"
    "end if;\n"
    "end $grants$;\n";

/*
 * One row, if the table is there: whether it is partitioned, whether the index is there and whether
 * it is valid, whether somebody works on the table who may be making it, and whether the planner
 * knows nothing of the words in it and this role can tell it.
 */
static const char index_state_template[] =
    "select c.relkind = 'p', i.indexrelid is not null, coalesce(i.indisvalid, false), "
    "exists (select from pg_catalog.pg_locks l where l.relation = c.oid and l.granted "
    "and l.mode = 'ShareUpdateExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid()), "
    "c.reltuples > 0 and pg_catalog.pg_has_role(c.relowner, 'usage') and not exists "
    "(select from pg_catalog.pg_stats s, pg_catalog.pg_namespace n where n.oid = c.relnamespace "
    "and s.schemaname = n.nspname and s.tablename = 'products_search_idx') "
    "from pg_catalog.pg_class c left join pg_catalog.pg_index i on i.indrelid = c.oid "
    "and i.indexrelid = pg_catalog.to_regclass('@.products_search_idx') "
    "where c.oid = pg_catalog.to_regclass('@.products') "
    /* the last step: a build in the midst of them would have them wait for it, and it for them */
    "and pg_catalog.to_regprocedure('@.products_insert_each(text[],text[])') is not null";

static const char index_drop_template[] = "drop index concurrently if exists @.products_search_idx";

/* The expression is that of ?q= in product_list.c. */
static const char index_create_template[] =
    "create index concurrently if not exists products_search_idx on @.products "
    "using gin (to_tsvector('simple', name))";

/*
 * Until then the planner takes any word for a frequent one, and looks for a rare one by reading the
 * whole table in the order of id.
 */
static const char index_analyze_template[] = "analyze @.products";

static const char remedy[] = "let a role that may run what plazad -S prints (plazad(8))";

static bool
fill_steps(struct store_schema *s)
{
	bool ok = true;

	for (size_t i = 0; ok && i < STORE_STEPS; i++) {
		s->present[i] = steps_text(templates[i].present, s->name);
		s->sql[i] = steps_text(templates[i].sql, s->name);
		s->step[i] = (struct pg_step){
		    .name = templates[i].name,
		    .is_precious = i == STORE_STEP_PRODUCTS,
		    .present = s->present[i],
		    .sql = s->sql[i],
		};
		steps_checksum(templates[i].sql, s->step[i].checksum);
		ok = s->present[i] && s->sql[i] && s->step[i].checksum[0];
	}
	return ok;
}

static bool
fill_others(struct store_schema *s)
{
	s->wrong = steps_text(wrong_template, s->name);
	s->grants = steps_text(grants_template, s->name);
	s->index_state = steps_text(index_state_template, s->name);
	s->index_drop = steps_text(index_drop_template, s->name);
	s->index_create = steps_text(index_create_template, s->name);
	s->index_analyze = steps_text(index_analyze_template, s->name);
	return s->wrong && s->grants && s->index_state && s->index_drop && s->index_create &&
	       s->index_analyze;
}

struct store_schema *
store_schema_new(const char *schema)
{
	struct store_schema *s = calloc(1, sizeof(*s));
	size_t len = strlen(schema);

	if (s && (s->name = malloc(len + 3)) != NULL) {
		/* letters, digits and _ only: nothing to escape */
		s->name[0] = '"';
		memcpy(s->name + 1, schema, len);
		memcpy(s->name + 1 + len, "\"", 2);
	}
	if (!s || !s->name || !fill_steps(s) || !fill_others(s)) {
		log_error("store: out of memory");
		store_schema_free(&s);
		return NULL;
	}
	s->steps = (struct pg_steps){
	    .feature = "store",
	    .schema = s->name,
	    .table = "plaza_steps",
	    .wrong = s->wrong,
	    .sought = "products",
	    .remedy = remedy,
	    .step = s->step,
	    .n = STORE_STEPS,
	};
	return s;
}

void
store_schema_free(struct store_schema **schema)
{
	struct store_schema *s = *schema;

	if (!s)
		return;
	for (size_t i = 0; i < STORE_STEPS; i++) {
		free(s->present[i]);
		free(s->sql[i]);
	}
	free(s->name);
	free(s->wrong);
	free(s->grants);
	free(s->index_state);
	free(s->index_drop);
	free(s->index_create);
	free(s->index_analyze);
	free(s);
	*schema = NULL;
}

bool
store_schema_script(const struct store_schema *schema, uint64_t mask, const char *role,
		    struct buffer *out)
{
	return buffer_printf(out, STEPS_SQL_MAX,
			     "\\set ON_ERROR_STOP on\n"
			     "set client_min_messages = warning;\n") &&
	       steps_script(&schema->steps, mask, out) &&
	       buffer_printf(out, STEPS_SQL_MAX, "\n-- for search by ?q=\n%s;\n%s;\n",
			     schema->index_create, schema->index_analyze) &&
	       (!role[0] ||
		(buffer_printf(out, STEPS_SQL_MAX, "\n-- for the role of store.database\n") &&
		 steps_grants(schema->grants, role, out)));
}
