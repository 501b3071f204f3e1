/*
 * product_sql.c - templates in which @ is the schema, and their texts. Pure but for memory.
 */
#include "store/product_sql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* What is sent is text; each parameter is cast to its type, so that it has one. */
static const struct pg_statement templates[PRODUCT_STATEMENTS] = {
    [PRODUCT_GET] = {"product_get", "select p.* from @.products p where p.id = any($1::int8[])"},
    [PRODUCT_CREATE] = {"product_create",
			"insert into @.products(name, price) values ($1::text, $2::numeric) "
			"returning *"},
    /* the page that is asked for most; of list_query.c, which makes all others */
    [PRODUCT_LIST] = {"product_list", "select p.* from @.products p where p.id > $1::int8 order by "
				      "p.id limit $2::int8"},
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
