/*
 * product_sql.c - templates in which @ is the schema, and their texts. Pure but for memory.
 */
#include "store/product_sql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/product_results.h"

/* ids of the table's own sequence, owned by the column or only its default; found once */
#define NEXT_ID                                                                          \
	"nextval((select coalesce(pg_get_serial_sequence('@.products', 'id')::regclass," \
	" (select d.refobjid::regclass from pg_attrdef f"                                \
	" join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum"          \
	" join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid"    \
	" and d.refclassid = 'pg_class'::regclass and d.refobjid <> f.adrelid"           \
	" where f.adrelid = '@.products'::regclass and a.attname = 'id'))))"

/* Each row with its place and its id, drawn in the order of the places; `when` ends it. */
#define NEW_ROWS(when)                                                          \
	"r as materialized (select u.place, " NEXT_ID " as id, u.name, u.price" \
	" from unnest($1::text[], $2::text[]) with ordinality u(name, price, place) " when ")"

/* overriding: for a column that is generated always as identity */
#define INSERTED(columns)                                                       \
	"i as (insert into @.products(id, name, price) overriding system value" \
	" select id, name, price::numeric from r returning " columns ")"

/* The versions of the two parameters. */
#define MAY(one_of, none_of)                                                              \
	"(" one_of "::int8[] is null or version = any(" one_of "::int8[])) and (" none_of \
	"::int8[] is null or version <> all(" none_of "::int8[]))"

#define UPDATED                                                  \
	"update @.products set name = coalesce($2::text, name)," \
	" price = coalesce($3::numeric, price) where id = $1::int8 and " MAY("$4", "$5")

#define DELETED "delete from @.products where id = $1::int8 and " MAY("$2", "$3")

/* What is kept of the key; and that there is nothing, which a write then depends on. */
#define OLD(key, fingerprint)                                                         \
	"old as (select fingerprint = " fingerprint "::bytea as same, status, answer" \
	" from @.product_idempotency where key = " key "::text)"
#define NEW_KEY "not exists (select from old)"

#define KEPT(key, fingerprint, what)                                                            \
	"s as (insert into @.product_idempotency(key, fingerprint, status, answer) select " key \
	"::text, " fingerprint "::bytea, " what " returning status, answer)"

#define HOW_IT_WENT                                                 \
	"select 'done' as how, true as same, status, answer from s" \
	" union all select 'replayed', same, status, answer from old"
#define OF_ONE_PRODUCT(ways)                                                     \
	"select w.*, case when same then nullif(answer, '')::json ->> 'id' end," \
	" case when same then nullif(answer, '')::json ->> 'version' end from (" ways ") w"
/* A product that is there and was not written, $1, has versions that were not meant. */
#define MISSED(written)                                                 \
	" union all select 'missed', true, 0::int2, '' from @.products" \
	" where id = $1::int8 and " NEW_KEY " and not exists (select from " written ")"

/* As product_row.c would write it: a NaN, which a row may have had before or got from a trigger, is
 * null. */
#define ROW_TEXT(row)                                                         \
	"case when " row ".price::text = 'NaN' then replace(row_to_json(" row \
	".*)::text, '\"price\":\"NaN\"', '\"price\":null') else row_to_json(" row ".*)::text end"

/* Results in the order of the request: those in $3, between them those of `from`, by place. */
#define RESULTS(result, from)                                                                      \
	"200, '{\"results\":[' || string_agg(coalesce(k.text, " result ", '" PRODUCT_REFUSED_TEXT  \
	"'), ',' order by k.at) || ']}'"                                                           \
	" from (select text, at, count(*) filter (where text is null) over (order by at) as place" \
	" from unnest($3::text[]) with ordinality t(text, at)) k left join " from                  \
	" using (place) having " NEW_KEY
#define ONE_RESULT "'{\"status\":201,\"id\":' || e.id || ',\"version\":' || e.version || '}'"

/* What is sent is text, but for arrays and bytes; each parameter is cast, so that it has a type. */
static const struct pg_statement templates[PRODUCT_STATEMENTS] = {
    [PRODUCT_GET] = {"product_get", "select p.* from @.products p where p.id = any($1::int8[])"},
    /* the page that is asked for most; of list_query.c, which makes all others */
    [PRODUCT_LIST] = {"product_list", "select p.* from @.products p where p.id > $1::int8 order by "
				      "p.id limit $2::int8"},
    [PRODUCT_INSERT] = {"product_insert",
			"with " NEW_ROWS("") ", " INSERTED(
			    "*") " select r.place, i.* from r join i using (id) order by r.place"},
    [PRODUCT_BULK] = {"product_bulk", "with " NEW_ROWS("") ", " INSERTED(
					  "id, version") " select r.place, i.id, i.version from r "
							 "join i using (id) order by r.place"},
    [PRODUCT_BULK_EACH] = {"product_bulk_each",
			   "select e.place, e.id, e.version, e.state from "
			   "@.products_insert_each($1::text[], $2::text[])"
			   " e(place, id, version, state, message) order by e.place"},
    [PRODUCT_UPDATE] = {"product_update",
			"with u as (" UPDATED " returning *) select true, u.* from u"
			" union all select false, p.* from @.products p"
			" where p.id = $1::int8 and not exists (select from u)"},
    [PRODUCT_DELETE] = {"product_delete", "with d as (" DELETED " returning id)"
					  " select true from d union all select false"
					  " from @.products where id = $1::int8"
					  " and not exists (select from d)"},
    [PRODUCT_KEYED_INSERT] =
	{"product_keyed_insert",
	 "with " OLD("$3",
		     "$4") ", i as (insert into @.products(name, price)"
			   " select $1::text, $2::numeric where " NEW_KEY " returning *), " KEPT(
			       "$3", "$4",
			       "201, " ROW_TEXT("i") " from i") " " OF_ONE_PRODUCT(HOW_IT_WENT)},
    [PRODUCT_KEYED_BULK] =
	{"product_keyed_bulk",
	 "with " OLD("$4", "$5") ", " NEW_ROWS("where " NEW_KEY) ", " INSERTED(
	     "id, version") ", " KEPT("$4", "$5",
				      RESULTS(ONE_RESULT, "(select r.place, i.* from r join i "
							  "using (id)) e")) " " HOW_IT_WENT},
    [PRODUCT_KEYED_BULK_EACH] =
	{"product_keyed_bulk_each",
	 "with " OLD("$4", "$5") ", each as materialized (select f.place, f.id, f.version, f.state"
				 " from (select where " NEW_KEY ") g cross join lateral"
				 " @.products_insert_each($1::text[], $2::text[])"
				 " f(place, id, version, state, message)), " KEPT(
				     "$4", "$5",
				     RESULTS("case when e.state = '23505' then"
					     " '" PRODUCT_TWICE_TEXT
					     "' when e.id is not null then " ONE_RESULT " end",
					     "each e")) " " HOW_IT_WENT},
    [PRODUCT_KEYED_UPDATE] =
	{"product_keyed_update",
	 "with " OLD("$6", "$7") ", u as (" UPDATED " and " NEW_KEY " returning *), " KEPT(
	     "$6", "$7",
	     "200, " ROW_TEXT("u") " from u") " " OF_ONE_PRODUCT(HOW_IT_WENT MISSED("u"))},
    [PRODUCT_KEYED_DELETE] =
	{"product_keyed_delete",
	 "with " OLD("$4", "$5") ", d as (" DELETED " and " NEW_KEY " returning id), " KEPT(
	     "$4", "$5", "204, '' from d") " " HOW_IT_WENT MISSED("d")},
};

/* "a""b" of a"b: an identifier as it is. */
static char *
quote_identifier(const char *name)
{
	char *quoted = malloc(2 * strlen(name) + 3), *p = quoted;

	if (!quoted)
		return NULL;
	*p++ = '"';
	for (; *name; name++) {
		if (*name == '"')
			*p++ = '"';
		*p++ = *name;
	}
	*p++ = '"';
	*p = '\0';
	return quoted;
}

/* Each "@." of the template is the schema's. */
static char *
fill_in(const char *template, const char *schema)
{
	const size_t schema_len = strlen(schema);
	size_t size = strlen(template) + 1;

	for (const char *at = template; (at = strstr(at, "@.")) != NULL; at += 2)
		size += schema_len;
	char *text = malloc(size), *p = text;
	if (!text)
		return NULL;
	for (const char *at = template; *at; at++) {
		if (at[0] == '@' && at[1] == '.') {
			memcpy(p, schema, schema_len);
			p += schema_len;
		} else {
			*p++ = *at;
		}
	}
	*p = '\0';
	return text;
}

struct product_sql *
product_sql_new(const char *schema)
{
	struct product_sql *sql = calloc(1, sizeof(*sql));
	bool ok = sql && (sql->schema = quote_identifier(schema)) != NULL &&
		  (sql->table = fill_in("@.products", sql->schema)) != NULL;

	for (size_t i = 0; ok && i < PRODUCT_STATEMENTS; i++) {
		sql->text[i] = fill_in(templates[i].sql, sql->schema);
		sql->statement[i] = (struct pg_statement){templates[i].name, sql->text[i]};
		ok = sql->text[i] != NULL;
	}
	if (!ok) {
		log_error("store: out of memory");
		product_sql_free(&sql);
	}
	return sql;
}

void
product_sql_free(struct product_sql **sql)
{
	struct product_sql *s = *sql;

	if (!s)
		return;
	for (size_t i = 0; i < PRODUCT_STATEMENTS; i++)
		free(s->text[i]);
	free(s->table);
	free(s->schema);
	free(s);
	*sql = NULL;
}
