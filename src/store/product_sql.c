/*
 * product_sql.c - templates in which @ is the schema, and their texts. Pure but for memory.
 */
#include "store/product_sql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ids of the table's own sequence, owned by the column or only its default; found once */
#define NEXT_ID                                                                          \
	"nextval((select coalesce(pg_get_serial_sequence('@.products', 'id')::regclass," \
	" (select d.refobjid::regclass from pg_attrdef f"                                \
	" join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum"          \
	" join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid"    \
	" and d.refclassid = 'pg_class'::regclass and d.refobjid <> f.adrelid"           \
	" where f.adrelid = '@.products'::regclass and a.attname = 'id'))))"

/* Each row with its place and its id, drawn in the order of the places; `when` ends it. */
#define NEW_ROWS(when)                                                               \
	"r as materialized (select u.place, " NEXT_ID " as id, u.name, u.price"      \
	" from unnest($1::text[], $2::text[]) with ordinality u(name, price, place)" \
	" where u.name is not null" when ")"

/* overriding: for a column that is generated always as identity */
#define INSERTED(columns)                                                       \
	"i as (insert into @.products(id, name, price) overriding system value" \
	" select id, name, price::numeric from r order by place returning " columns ")"

/*
 * A trigger of the table may give a row another id, so that whose it is follows from the order in
 * which they went in: that of their places, as long as none was left out. Else it is an error, of
 * which nothing but its class matters to us; the text is for the server's log.
 */
#define ALL_ARE_IN(or_else)                                                                       \
	"(select case when a.n = b.n" or_else " then true else ('" PRODUCT_LEFT_OUT_TEXT ": ' ||" \
	" b.n - a.n)::bool end from (select count(*) from i) a(n), (select count(*) from r) b(n))"

/* The rows that are in, each with its place in the request. */
#define BY_PLACE                                                          \
	"(select p.place, n.id, n.version from"                           \
	" (select row_number() over () as nth, i.id, i.version from i) n" \
	" join (select row_number() over (order by place) as nth, place from r) p using (nth)) e"

/* The versions of the two parameters. */
#define MAY(one_of, none_of)                                                               \
	"((" one_of "::int8[] is null or version = any(" one_of "::int8[])) and (" none_of \
	"::int8[] is null or version <> all(" none_of "::int8[])))"

#define UPDATED                                                  \
	"update @.products set name = coalesce($2::text, name)," \
	" price = coalesce($3::numeric, price) where id = $1::int8 and " MAY("$4", "$5")

#define DELETED "delete from @.products where id = $1::int8 and " MAY("$2", "$3")

/* What is kept of the key; and that there is nothing, which a write then depends on. Answers of
 * before there was a form (schema.c) cannot be told any more, but their keys are used. */
#define OLD(key, fingerprint)                                                                      \
	"old as (select fingerprint = " fingerprint "::bytea and form is not null as same, form, " \
	"answer from @.product_idempotency where key = " key "::text)"
#define NEW_KEY "not exists (select from old)"

#define KEPT(key, fingerprint, what)                                                       \
	"s as (insert into @.product_idempotency(key, fingerprint, status, form, answer) " \
	"select " key "::text, " fingerprint "::bytea, " what " returning form, answer)"

#define HOW_IT_WENT                                               \
	"select 'done' as how, true as same, form, answer from s" \
	" union all select 'replayed', same, form, answer from old"
/* A product that is there and was not written, $1. */
#define MISSED(written, may)                                              \
	" union all select 'missed', " may ", null, null from @.products" \
	" where id = $1::int8 and " NEW_KEY " and not exists (select from " written ")"

/*
 * Forms, and rows in the order of the request. Of a domain libpq tells the type that it is made of,
 * and so does this.
 */
#define FORM_OF_TABLE                                                                       \
	"'(place,20)' || (select string_agg(row(a.attname, (with recursive b(oid, base) as" \
	" (select t.oid, t.typbasetype union all select y.oid, y.typbasetype from b"        \
	" join pg_type y on y.oid = b.base) select oid from b where base = 0))::text, ''"   \
	" order by a.attnum) from pg_attribute a join pg_type t on t.oid = a.atttypid"      \
	" where a.attrelid = '@.products'::regclass and a.attnum > 0 and not a.attisdropped)"
#define FORM_OF_BULK  "'(place,20)(id,20)(version,20)'"
#define FORM_OF_EACH  "'(place,20)(id,20)(version,20)(state,25)(rule,25)(col,25)'"
#define ROWS(columns) "string_agg(row(" columns ")::text, '' order by e.place)"

/* What is sent is text, but for arrays and bytes; each parameter is cast, so that it has a type. */
static const struct pg_statement templates[PRODUCT_STATEMENTS] = {
    [PRODUCT_GET] = {"product_get", "select p.* from @.products p where p.id = any($1::int8[])"},
    /* the page that is asked for most; of list_query.c, which makes all others */
    [PRODUCT_LIST] = {"product_list", "select p.* from @.products p where p.id > $1::int8 order by "
				      "p.id limit $2::int8"},
    [PRODUCT_INSERT] = {"product_insert", "with " NEW_ROWS("") ", " INSERTED(
					      "*") " select row_number() over () as place, i.* "
						   "from i where " ALL_ARE_IN(" or b.n = 1")},
    [PRODUCT_BULK] = {"product_bulk",
		      "with " NEW_ROWS("") ", " INSERTED(
			  "id, version") " select e.* from " BY_PLACE
					 " where " ALL_ARE_IN("") " order by e.place"},
    [PRODUCT_BULK_EACH] = {"product_bulk_each",
			   "select e.place, e.id, e.version, e.state, e.rule, e.col from "
			   "@.products_insert_each($1::text[], $2::text[]) e order by e.place"},
    [PRODUCT_UPDATE] = {"product_update",
			"with u as (" UPDATED " returning *) select true, u.* from u"
			" union all select nullif(" MAY(
			    "$4", "$5") ", true), p.* from @.products p"
					" where p.id = $1::int8 and not exists (select from u)"},
    [PRODUCT_DELETE] = {"product_delete",
			"with d as (" DELETED " returning id)"
			" select true from d union all select nullif(" MAY(
			    "$2", "$3") ", true) from @.products"
					" where id = $1::int8 and not exists (select from d)"},
    [PRODUCT_KEYED_INSERT] =
	{"product_keyed_insert",
	 "with " OLD("$3", "$4") ", i as (insert into @.products(name, price) select $1::text,"
				 " $2::numeric where " NEW_KEY " returning *), " KEPT(
				     "$3", "$4",
				     "201, " FORM_OF_TABLE
				     ", row(1, i.*)::text from i") " " HOW_IT_WENT},
    [PRODUCT_KEYED_BULK] =
	{"product_keyed_bulk",
	 "with " OLD("$3", "$4") ", " NEW_ROWS(" and " NEW_KEY) ", " INSERTED(
	     "id, version") ", " KEPT("$3", "$4",
				      "200, " FORM_OF_BULK ", " ROWS(
					  "e.place, e.id, e.version") " from " BY_PLACE
								      " having " NEW_KEY
								      " and " ALL_ARE_IN(
									  "")) " " HOW_IT_WENT},
    [PRODUCT_KEYED_BULK_EACH] =
	{"product_keyed_bulk_each",
	 "with " OLD("$3", "$4") ", each as materialized (select f.*"
				 " from (select where " NEW_KEY ") g cross join lateral"
				 " @.products_insert_each($1::text[], $2::text[]) f), " KEPT(
				     "$3", "$4",
				     "200, " FORM_OF_EACH ", " ROWS(
					 "e.place, e.id, e.version, e.state, e.rule, "
					 "e.col") " from each e having " NEW_KEY) " " HOW_IT_WENT},
    [PRODUCT_KEYED_UPDATE] =
	{"product_keyed_update",
	 "with " OLD("$6", "$7") ", u as (" UPDATED " and " NEW_KEY " returning *), " KEPT(
	     "$6", "$7",
	     "200, " FORM_OF_TABLE
	     ", row(1, u.*)::text from u") " " HOW_IT_WENT MISSED("u", MAY("$4", "$5"))},
    [PRODUCT_KEYED_DELETE] =
	{"product_keyed_delete",
	 "with " OLD("$4", "$5") ", d as (" DELETED " and " NEW_KEY " returning id), " KEPT(
	     "$4", "$5", "204, '', '' from d") " " HOW_IT_WENT MISSED("d", MAY("$2", "$3"))},
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
