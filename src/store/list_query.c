/*
 * list_query.c - parameters of lists: each is checked by itself, so that all mistakes are told at
 * once.
 */
#include "store/list_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/query_mistakes.h"
#include "store/product_id.h"

/* 2 KiB at most for each filter go beside it; a statement itself is a few hundred bytes. */
#define SQL_MAX 8192

enum param {
	PARAM_NAME,
	PARAM_SEARCH,
	PARAM_PRICE_GTE,
	PARAM_PRICE_LTE,
	/* of a page */
	PARAM_LIMIT,
	PARAM_AFTER,
	PARAM_SORT,
	PARAM_COUNT,
	PARAMS,
	/* of an export */
	PARAM_FORMAT = PARAM_LIMIT,
	EXPORT_PARAMS
};

/* --- read --- */

static bool
is_given(const struct query_param *param)
{
	return param->state == QUERY_GIVEN;
}

static bool
read_limit(const struct query_param *param, uint32_t *limit)
{
	int64_t value;

	if (!is_given(param) || !product_parse_id(query_value(param), &value) ||
	    value > LIST_LIMIT_MAX)
		return false;
	*limit = (uint32_t)value;
	return true;
}

static bool
read_sort(const struct query_param *param, enum list_sort *sort)
{
	*sort = is_given(param) ? list_sort_find(query_value(param)) : LIST_SORTS;
	return *sort != LIST_SORTS;
}

static bool
read_count(const struct query_param *param, enum list_count *count)
{
	if (is_given(param) && span_eq(query_value(param), SPAN_LIT("exact")))
		*count = COUNT_EXACT;
	else if (is_given(param) && span_eq(query_value(param), SPAN_LIT("estimated")))
		*count = COUNT_ESTIMATED;
	return *count != COUNT_NONE;
}

static bool
read_format(const struct query_param *param, enum list_format *format)
{
	if (is_given(param) && span_eq(query_value(param), SPAN_LIT("json")))
		*format = FORMAT_JSON;
	else if (is_given(param) && span_eq(query_value(param), SPAN_LIT("csv")))
		*format = FORMAT_CSV;
	else if (is_given(param) && span_eq(query_value(param), SPAN_LIT("ndjson")))
		*format = FORMAT_NDJSON;
	return *format != FORMAT_UNSAID;
}

/* In its room, which has a byte more for the end. */
static bool
read_text(const struct query_param *param)
{
	if (!is_given(param) || param->len == 0 || !list_text_valid(query_value(param)))
		return false;
	param->room[param->len] = '\0';
	return true;
}

static bool
read_price(const struct query_param *param, char text[PRICE_TEXT_SIZE])
{
	return is_given(param) && price_from_text(query_value(param), text) == NULL;
}

static bool
is_there(const struct query_param *param)
{
	return param->state != QUERY_ABSENT;
}

static void
read_filters(const struct query_param *params, struct list_query *list, struct mistakes *mistakes)
{
	const struct query_param *name = &params[PARAM_NAME], *search = &params[PARAM_SEARCH];
	const struct query_param *gte = &params[PARAM_PRICE_GTE];
	const struct query_param *lte = &params[PARAM_PRICE_LTE];

	list->has_name = is_there(name);
	if (list->has_name && !read_text(name))
		query_mistakes_add(mistakes, name,
				   "must be 1 to 2048 bytes of UTF-8 without NUL, given once: "
				   "the whole name of a product");
	list->has_search = is_there(search);
	if (list->has_search && !read_text(search))
		query_mistakes_add(mistakes, search,
				   "must be 1 to 2048 bytes of UTF-8 without NUL, given once: "
				   "words of a name");
	list->has_price_gte = is_there(gte);
	if (list->has_price_gte && !read_price(gte, list->price_gte))
		query_mistakes_add(mistakes, gte,
				   "must be a price from 0 to 99999999.99 with at most "
				   "two decimals, given once");
	list->has_price_lte = is_there(lte);
	if (list->has_price_lte && !read_price(lte, list->price_lte))
		query_mistakes_add(mistakes, lte,
				   "must be a price from 0 to 99999999.99 with at most "
				   "two decimals, given once");
}

static void
read_after(const struct query_param *param, struct list_query *list, struct mistakes *mistakes)
{
	list->has_after = is_there(param);
	if (!list->has_after)
		return;
	if (!is_given(param) || !cursor_read(query_value(param), &list->after))
		query_mistakes_add(mistakes, param,
				   "must be the \"next\" of an earlier page, given once");
	/* a sort that is none is a mistake of its own */
	else if (list->sort != LIST_SORTS && list->after.sort != list->sort)
		query_mistakes_add(mistakes, param,
				   "is from a page of another order: sort must be what it was "
				   "there");
}

static void
read_page(const struct query_param *params, struct list_query *list, struct mistakes *mistakes)
{
	if (is_there(&params[PARAM_LIMIT]) && !read_limit(&params[PARAM_LIMIT], &list->limit))
		query_mistakes_add(mistakes, &params[PARAM_LIMIT],
				   "must be a number from 1 to 1000, given once");
	if (is_there(&params[PARAM_SORT]) && !read_sort(&params[PARAM_SORT], &list->sort))
		query_mistakes_add(mistakes, &params[PARAM_SORT],
				   "must be one of id, -id, name, -name, price and -price, "
				   "given once");
	read_after(&params[PARAM_AFTER], list, mistakes);
	if (is_there(&params[PARAM_COUNT]) && !read_count(&params[PARAM_COUNT], &list->count))
		query_mistakes_add(mistakes, &params[PARAM_COUNT],
				   "must be exact or estimated, given once");
}

bool
list_query_read(struct span query, enum list_use use, struct list_query *list,
		struct mistakes *mistakes)
{
	/* the longest cursor, and more, so that it is looked at as a cursor */
	char after[CURSOR_TEXT_SIZE];
	struct query_param params[PARAMS] = {
	    [PARAM_NAME] = {.name = "name", .room = list->name, .room_size = QUERY_LONG_MAX},
	    [PARAM_SEARCH] = {.name = "q", .room = list->search, .room_size = QUERY_LONG_MAX},
	    [PARAM_PRICE_GTE] = {.name = "price.gte"},
	    [PARAM_PRICE_LTE] = {.name = "price.lte"},
	    [PARAM_LIMIT] = {.name = "limit"},
	    [PARAM_AFTER] = {.name = "after", .room = after, .room_size = sizeof(after)},
	    [PARAM_SORT] = {.name = "sort"},
	    [PARAM_COUNT] = {.name = "count"},
	};
	size_t n = PARAMS;

	if (use == LIST_EXPORT) {
		params[PARAM_FORMAT].name = "format";
		n = EXPORT_PARAMS;
	}
	list->limit = LIST_LIMIT_DEFAULT;
	list->sort = SORT_ID;
	list->count = COUNT_NONE;
	list->format = FORMAT_UNSAID;
	list->has_after = list->is_continued = false;
	mistakes_init(mistakes);
	const bool has_unknown = query_read(query, params, n).ptr != NULL;
	if (use == LIST_PAGE)
		read_page(params, list, mistakes);
	else if (is_there(&params[PARAM_FORMAT]) &&
		 !read_format(&params[PARAM_FORMAT], &list->format))
		query_mistakes_add(mistakes, &params[PARAM_FORMAT],
				   "must be json, csv or ndjson, given once");
	read_filters(params, list, mistakes);
	if (has_unknown)
		query_mistakes_add_unknown(mistakes, query, params, n);
	return mistakes->n == 0;
}

bool
list_query_has_filter(const struct list_query *list)
{
	return list->has_name || list->has_search || list->has_price_gte || list->has_price_lte;
}

bool
list_query_is_plain(const struct list_query *list)
{
	return list->sort == SORT_ID && !list_query_has_filter(list);
}

/* --- written as SQL --- */

/* One statement under way. A parameter that is used twice has one number. */
struct writer {
	struct buffer *sql;
	struct list_params *params;
	const char *table;
	const struct list_query *list;
	int key, id, limit; /* their numbers */
	bool ok;
};

static void
add(struct writer *w, const char *text)
{
	w->ok = w->ok && buffer_append(w->sql, text, strlen(text), SQL_MAX);
}

static int
number_of(struct writer *w, const char *value)
{
	w->params->value[w->params->n] = value;
	return ++w->params->n;
}

static void
add_number(struct writer *w, const char *before, int number, const char *behind)
{
	w->ok = w->ok && buffer_printf(w->sql, SQL_MAX, "%s$%d%s", before, number, behind);
}

static void
add_from(struct writer *w)
{
	add(w, " from ");
	add(w, w->table);
	add(w, " p where true");
}

/*
 * Values have the types of the columns, which may be others than ours, but for prices: 5.00 is no
 * integer, and may be compared with one.
 */
static void
add_filters(struct writer *w)
{
	const struct list_query *list = w->list;

	if (list->has_name)
		add_number(w, " and p.name = ", 1, "");
	/* the very expression of the index */
	if (list->has_search)
		add_number(w,
			   " and to_tsvector('simple', p.name) @@ websearch_to_tsquery('simple', ",
			   1 + list->has_name, ")");
	if (list->has_price_gte)
		add_number(w, " and p.price >= ", 1 + list->has_name + list->has_search,
			   "::numeric");
	if (list->has_price_lte)
		add_number(w, " and p.price <= ",
			   1 + list->has_name + list->has_search + list->has_price_gte,
			   "::numeric");
}

static void
number_filters(struct writer *w)
{
	const struct list_query *list = w->list;

	if (list->has_name)
		number_of(w, list->name);
	if (list->has_search)
		number_of(w, list->search);
	if (list->has_price_gte)
		number_of(w, list->price_gte);
	if (list->has_price_lte)
		number_of(w, list->price_lte);
}

static const char *
column(const struct list_query *list)
{
	return list->sort == SORT_NAME || list->sort == SORT_NAME_DOWN ? "p.name" : "p.price";
}

static bool
is_by_id(const struct list_query *list)
{
	return list->sort == SORT_ID || list->sort == SORT_ID_DOWN;
}

static void
add_order(struct writer *w)
{
	const char *down = list_sort_is_down(w->list->sort) ? " desc" : "";

	add(w, " order by ");
	if (!is_by_id(w->list)) {
		add(w, column(w->list));
		add(w, down);
		add(w, ", ");
	}
	add(w, "p.id");
	add(w, down);
	add_number(w, " limit ", w->limit, "::int8");
}

/* " and p.id > $6::int8" */
static void
add_past_id(struct writer *w)
{
	add_number(w, list_sort_is_down(w->list->sort) ? " and p.id < " : " and p.id > ", w->id,
		   "::int8");
}

/* Rows whose key is past the cursor's, which is a value. */
static void
add_past_value(struct writer *w)
{
	const bool down = list_sort_is_down(w->list->sort);

	add(w, " and (");
	add(w, column(w->list));
	add(w, down ? ", p.id) < (" : ", p.id) > (");
	if (w->list->after.kind == CURSOR_LONG) {
		add(w, "(select o.name from ");
		add(w, w->table);
		add_number(w, " o where o.id = ", w->id, "::int8)");
	} else {
		add_number(w, "", w->key, "");
	}
	add_number(w, ", ", w->id, "::int8)");
}

/* NULL comes last, and so first on the way down. */
static void
add_past_null(struct writer *w)
{
	add(w, " and (");
	add(w, column(w->list));
	add(w, " is null");
	add_past_id(w);
	if (list_sort_is_down(w->list->sort)) {
		add(w, " or ");
		add(w, column(w->list));
		add(w, " is not null");
	}
	add(w, ")");
}

/*
 * On the way up rows without a key come behind all others, and no comparison finds them. Whether
 * there can be any is asked for once: in most tables it costs nothing, and where there is an index
 * over the key both parts can use it.
 */
static void
add_page_before_nulls(struct writer *w)
{
	add(w, "select p.* from ((select p.*");
	add_from(w);
	add_filters(w);
	add_past_value(w);
	add_order(w);
	add(w, ") union all (select p.*");
	add_from(w);
	add_filters(w);
	add(w, " and ");
	add(w, column(w->list));
	add(w, " is null and (select not a.attnotnull from pg_catalog.pg_attribute a where "
	       "a.attrelid = '");
	add(w, w->table);
	add(w, "'::regclass and a.attname = '");
	add(w, column(w->list) + 2);
	add(w, "') order by p.id");
	add_number(w, " limit ", w->limit, "::int8)) p");
	add_order(w);
}

bool
list_query_page_sql(struct buffer *sql, struct list_params *params, const char *table,
		    const struct list_query *list)
{
	struct writer w = {sql, params, table, list, 0, 0, 0, true};
	const struct cursor *after = &list->after;

	params->n = 0;
	number_filters(&w);
	if (list->has_after && after->kind == CURSOR_VALUE)
		w.key = number_of(&w, after->key);
	if (list->has_after) {
		snprintf(params->id, sizeof(params->id), "%" PRId64, after->id);
		w.id = number_of(&w, params->id);
	}
	snprintf(params->limit, sizeof(params->limit), "%" PRIu64, (uint64_t)list->limit + 1);
	w.limit = number_of(&w, params->limit);
	if (list->has_after && after->kind != CURSOR_ID && after->kind != CURSOR_NULL &&
	    !list_sort_is_down(list->sort)) {
		add_page_before_nulls(&w);
		return w.ok && buffer_append(sql, "", 1, SQL_MAX);
	}
	add(&w, "select p.*");
	add_from(&w);
	add_filters(&w);
	if (list->has_after && after->kind == CURSOR_ID)
		add_past_id(&w);
	else if (list->has_after && after->kind == CURSOR_NULL)
		add_past_null(&w);
	else if (list->has_after)
		add_past_value(&w);
	add_order(&w);
	return w.ok && buffer_append(sql, "", 1, SQL_MAX);
}

/* As text: it is part of the SQL. */
#define TEXT(number)    TEXT_OF(number)
#define TEXT_OF(number) #number

bool
list_query_count_sql(struct buffer *sql, struct list_params *params, const char *table,
		     const struct list_query *list)
{
	struct writer w = {sql, params, table, list, 0, 0, 0, true};

	params->n = 0;
	number_filters(&w);
	if (list->count == COUNT_EXACT) {
		add(&w, "select null::int8, count(*)");
		add_from(&w);
		add_filters(&w);
		return w.ok && buffer_append(sql, "", 1, SQL_MAX);
	}
	/* what VACUUM and ANALYZE have seen last, unless it is so little that counting is as good
	 */
	if (list_query_has_filter(list)) {
		add(&w, "select null::int8, (select count(*) from (select true");
	} else {
		add(&w, "select c.reltuples::int8, case when c.reltuples < " TEXT(
			    LIST_COUNT_MAX) " then (select count(*) from (select true");
	}
	add_from(&w);
	add_filters(&w);
	add(&w, " limit " TEXT(LIST_COUNT_MAX) " + 1) s)");
	if (!list_query_has_filter(list)) {
		add(&w, " end from pg_catalog.pg_class c where c.oid = '");
		add(&w, table);
		add(&w, "'::regclass");
	}
	return w.ok && buffer_append(sql, "", 1, SQL_MAX);
}
