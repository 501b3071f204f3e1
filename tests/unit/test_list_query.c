/* links: $(list_query_sources) -lm */
/*
 * test_list_query.c - what may be asked of lists: each mistake in its exact words, each statement
 * in its exact text.
 */
#include "store/list_query.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define T        "\"public\".products"

#define LIMIT_ERROR "limit must be a number from 1 to 1000, given once"
#define AFTER_ERROR "after must be the \"next\" of an earlier page, given once"
#define ORDER_ERROR "after is from a page of another order: sort must be what it was there"
#define SORT_ERROR  "sort must be one of id, -id, name, -name, price and -price, given once"
#define COUNT_ERROR "count must be exact or estimated, given once"
#define NAME_ERROR                                                                            \
	"name must be 1 to 2048 bytes of UTF-8 without NUL, given once: the whole name of a " \
	"product"
#define Q_ERROR "q must be 1 to 2048 bytes of UTF-8 without NUL, given once: words of a name"
#define GTE_ERROR \
	"price.gte must be a price from 0 to 99999999.99 with at most two decimals, given once"
#define LTE_ERROR \
	"price.lte must be a price from 0 to 99999999.99 with at most two decimals, given once"
#define FORMAT_ERROR   "format must be json, csv or ndjson, given once"
#define PAGE_ACCEPTS   "name, q, price.gte, price.lte, limit, after, sort and count are accepted"
#define EXPORT_ACCEPTS "name, q, price.gte, price.lte and format are accepted"

#define ERRORS 5

/* Cursors, by the sort that they are of. */
#define AFTER_ID    "aWQ6MQ"         /* id:1 */
#define AFTER_PRICE "cHJpY2U6MTotPQ" /* not one */

static const struct bad_case {
	const char *query;
	const char *errors[ERRORS];
} bad[] = {
    {"limit=0", {LIMIT_ERROR}},
    {"limit=1001", {LIMIT_ERROR}},
    {"limit=", {LIMIT_ERROR}},
    {"limit", {LIMIT_ERROR}},
    {"limit=-1", {LIMIT_ERROR}},
    {"limit=%2B1", {LIMIT_ERROR}},
    {"limit=1.5", {LIMIT_ERROR}},
    {"limit=1e2", {LIMIT_ERROR}},
    {"limit=01", {LIMIT_ERROR}},
    {"limit=5&limit=5", {LIMIT_ERROR}},
    {"limit=99999999999999999999", {LIMIT_ERROR}},
    {"limit=9223372036854775807", {LIMIT_ERROR}},
    {"limit=%", {LIMIT_ERROR}},
    {"limit=1%00", {LIMIT_ERROR}},
    {"limit=1;drop table products", {LIMIT_ERROR}},
    {"after=", {AFTER_ERROR}},
    {"after=1", {AFTER_ERROR}},
    {"after=" AFTER_PRICE, {AFTER_ERROR}},
    {"after=" AFTER_ID "&after=" AFTER_ID, {AFTER_ERROR}},
    {"after=" AFTER_ID "%00", {AFTER_ERROR}},
    {"after=' or 1=1 --", {AFTER_ERROR}},
    {"after=" AFTER_ID "&sort=-id", {ORDER_ERROR}},
    {"sort=name&after=" AFTER_ID, {ORDER_ERROR}},
    {"after=" AFTER_ID "&sort=nam", {SORT_ERROR}},
    {"sort=", {SORT_ERROR}},
    {"sort=ID", {SORT_ERROR}},
    {"sort=+id", {SORT_ERROR}},
    {"sort=id,name", {SORT_ERROR}},
    {"sort=version", {SORT_ERROR}},
    {"sort=id&sort=id", {SORT_ERROR}},
    {"sort=id;select 1", {SORT_ERROR}},
    {"sort=(select 1)", {SORT_ERROR}},
    {"count=", {COUNT_ERROR}},
    {"count=none", {COUNT_ERROR}},
    {"count=exact&count=exact", {COUNT_ERROR}},
    {"count=EXACT", {COUNT_ERROR}},
    {"name=", {NAME_ERROR}},
    {"name=%00", {NAME_ERROR}},
    {"name=a%00b", {NAME_ERROR}},
    {"name=%ff", {NAME_ERROR}},
    {"name=%ed%a0%80", {NAME_ERROR}},
    {"name=%c0%80", {NAME_ERROR}},
    {"name=a&name=a", {NAME_ERROR}},
    {"name=a%2", {NAME_ERROR}},
    {"q=", {Q_ERROR}},
    {"q=%00", {Q_ERROR}},
    {"q=a%80", {Q_ERROR}},
    {"q=a&q=b", {Q_ERROR}},
    {"price.gte=", {GTE_ERROR}},
    {"price.gte=-1", {GTE_ERROR}},
    {"price.gte=0.005", {GTE_ERROR}},
    {"price.gte=1e2", {GTE_ERROR}},
    {"price.gte=100000000", {GTE_ERROR}},
    {"price.gte=NaN", {GTE_ERROR}},
    {"price.gte=1&price.gte=2", {GTE_ERROR}},
    {"price.gte=1'", {GTE_ERROR}},
    {"price.lte=Infinity", {LTE_ERROR}},
    {"price.lte=01", {LTE_ERROR}},
    {"price.lte=1,50", {LTE_ERROR}},
    {"price.lte=%31;--", {LTE_ERROR}},
    {"price.lte=" /* 70 digits */
     "1111111111111111111111111111111111111111111111111111111111111111111111",
     {LTE_ERROR}},
    {"page=2", {"\"page\" is not a parameter here; " PAGE_ACCEPTS}},
    {"Limit=1", {"\"Limit\" is not a parameter here; " PAGE_ACCEPTS}},
    {"price=1", {"\"price\" is not a parameter here; " PAGE_ACCEPTS}},
    {"price.gt=1", {"\"price.gt\" is not a parameter here; " PAGE_ACCEPTS}},
    {"format=csv", {"\"format\" is not a parameter here; " PAGE_ACCEPTS}},
    {"=1", {"\"\" is not a parameter here; " PAGE_ACCEPTS}},
    {"0123456789012345678901234567890123456789x=1",
     {"\"0123456789012345678901234567890123456789..\" is not a parameter here; " PAGE_ACCEPTS}},
    {"a=1&limit=3&b&a=2",
     {"\"a\" is not a parameter here; " PAGE_ACCEPTS,
      "\"b\" is not a parameter here; " PAGE_ACCEPTS,
      "\"a\" is not a parameter here; " PAGE_ACCEPTS}},
    {"limit=0&after=x&sort=y&count=z&name=",
     {LIMIT_ERROR, SORT_ERROR, AFTER_ERROR, COUNT_ERROR, NAME_ERROR}},
    {"x=1&q=&price.gte=&price.lte=",
     {Q_ERROR, GTE_ERROR, LTE_ERROR, "\"x\" is not a parameter here; " PAGE_ACCEPTS}},
};

static const struct bad_case bad_exports[] = {
    {"format=", {FORMAT_ERROR}},
    {"format=xml", {FORMAT_ERROR}},
    {"format=JSON", {FORMAT_ERROR}},
    {"format=csv&format=csv", {FORMAT_ERROR}},
    {"limit=1", {"\"limit\" is not a parameter here; " EXPORT_ACCEPTS}},
    {"sort=id", {"\"sort\" is not a parameter here; " EXPORT_ACCEPTS}},
    {"after=" AFTER_ID, {"\"after\" is not a parameter here; " EXPORT_ACCEPTS}},
    {"count=exact", {"\"count\" is not a parameter here; " EXPORT_ACCEPTS}},
    {"name=&format=x", {FORMAT_ERROR, NAME_ERROR}},
};

static struct list_query list;
static struct mistakes errors;

static void
is_refused(const struct bad_case *c, enum list_use use)
{
	size_t n = 0;

	ck_assert_msg(!list_query_read(span_str(c->query), use, &list, &errors), "%s", c->query);
	while (n < ERRORS && c->errors[n])
		n++;
	for (size_t i = 0; i < n && i < errors.n; i++) {
		const char *detail = c->errors[i];
		const bool is_unknown = detail[0] == '"';
		const struct span name = span_from(
		    detail + is_unknown, strcspn(detail + is_unknown, is_unknown ? "\"" : " "));

		ck_assert_ptr_null(errors.error[i].pointer);
		ck_assert_str_eq(errors.error[i].detail, detail);
		/* the text begins with it, unless that is too long there */
		ck_assert_msg(span_eq(name, span_str(errors.error[i].parameter)) ||
				  strlen(errors.error[i].parameter) > 40,
			      "%s: %s", errors.error[i].parameter, detail);
	}
	ck_assert_uint_eq(errors.n, n);
}

START_TEST(mistakes_are_named)
{
	is_refused(&bad[_i], LIST_PAGE);
}
END_TEST

START_TEST(mistakes_of_exports_are_named)
{
	is_refused(&bad_exports[_i], LIST_EXPORT);
}
END_TEST

START_TEST(mistakes_are_bounded)
{
	char query[4000];
	size_t len = 0;

	for (int i = 0; i < 500; i++)
		len += (size_t)sprintf(query + len, "p%d&", i);
	ck_assert(!list_query_read(span_from(query, len), LIST_PAGE, &list, &errors));
	ck_assert_uint_eq(errors.n, MISTAKES_MAX);
	ck_assert_str_eq(errors.error[0].detail, "\"p0\" is not a parameter here; " PAGE_ACCEPTS);
	ck_assert_str_eq(errors.error[MISTAKES_MAX - 1].detail, "and there is more");
}
END_TEST

START_TEST(a_name_has_its_bounds)
{
	char query[4 * QUERY_LONG_MAX] = "name=";

	memset(query + 5, 'x', QUERY_LONG_MAX + 1);
	ck_assert(list_query_read(span_from(query, 5 + QUERY_LONG_MAX), LIST_PAGE, &list, &errors));
	ck_assert_uint_eq(strlen(list.name), QUERY_LONG_MAX);
	ck_assert(
	    !list_query_read(span_from(query, 6 + QUERY_LONG_MAX), LIST_PAGE, &list, &errors));
	ck_assert_str_eq(errors.error[0].detail, NAME_ERROR);
	/* the longest cursor there is */
	struct cursor cursor = {.sort = SORT_NAME, .id = INT64_MIN, .kind = CURSOR_VALUE};
	memset(cursor.key, 'k', CURSOR_KEY_MAX);
	char text[CURSOR_TEXT_SIZE];
	cursor_write(&cursor, text);
	const int len = snprintf(query, sizeof(query), "sort=name&after=%s", text);
	ck_assert(list_query_read(span_from(query, (size_t)len), LIST_PAGE, &list, &errors));
	ck_assert_str_eq(list.after.key, cursor.key);
}
END_TEST

/* What was asked for, and the SQL of the page; the parameters with '|' between them. */
static const struct page_case {
	const char *query;
	/* of ?after= instead, with the sort of the list */
	struct cursor after;
	bool has_after;
	const char *sql, *params;
} pages[] = {
    {"", {0}, false, "select p.* from " T " p where true order by p.id limit $1::int8", "101"},
    {"limit=1000&sort=-id",
     {0},
     false,
     "select p.* from " T " p where true order by p.id desc limit $1::int8",
     "1001"},
    {"limit=1",
     {.sort = SORT_ID, .id = -5},
     true,
     "select p.* from " T " p where true and p.id > $1::int8 order by p.id limit $2::int8",
     "-5|2"},
    {"sort=-id",
     {.sort = SORT_ID_DOWN, .id = 7},
     true,
     "select p.* from " T " p where true and p.id < $1::int8 order by p.id desc limit $2::int8",
     "7|101"},
    {"name=a'b%22&q=x%20y&price.gte=1&price.lte=2.5",
     {0},
     false,
     "select p.* from " T " p where true and p.name = $1 and to_tsvector('simple', p.name) @@ "
     "websearch_to_tsquery('simple', $2) and p.price >= $3::numeric and p.price <= $4::numeric "
     "order by p.id limit $5::int8",
     "a'b\"|x y|1.00|2.50|101"},
    {"price.lte=3&sort=price&q=pen",
     {0},
     false,
     "select p.* from " T " p where true and to_tsvector('simple', p.name) @@ "
     "websearch_to_tsquery('simple', $1) and p.price <= $2::numeric order by p.price, p.id limit "
     "$3::int8",
     "pen|3.00|101"},
    {"sort=-price&price.gte=3",
     {.sort = SORT_PRICE_DOWN, .id = 9, .kind = CURSOR_VALUE, .key = "12.50"},
     true,
     "select p.* from " T " p where true and p.price >= $1::numeric and (p.price, p.id) < ($2, "
     "$3::int8) order by p.price desc, p.id desc limit $4::int8",
     "3.00|12.50|9|101"},
    {"sort=name",
     {.sort = SORT_NAME, .id = 9, .kind = CURSOR_VALUE, .key = "'; drop table products"},
     true,
     "select p.* from ((select p.* from " T " p where true and (p.name, p.id) > ($1, $2::int8) "
     "order by p.name, p.id limit $3::int8) union all (select p.* from " T
     " p where true and p.name is null and (select not a.attnotnull from pg_catalog.pg_attribute "
     "a where a.attrelid = '" T "'::regclass and a.attname = 'name') order by p.id limit "
     "$3::int8)) p order by p.name, p.id limit $3::int8",
     "'; drop table products|9|101"},
    {"sort=price&name=x",
     {.sort = SORT_PRICE, .id = 9, .kind = CURSOR_VALUE, .key = "NaN"},
     true,
     "select p.* from ((select p.* from " T " p where true and p.name = $1 and (p.price, p.id) > "
     "($2, $3::int8) order by p.price, p.id limit $4::int8) union all (select p.* from " T
     " p where true and p.name = $1 and p.price is null and (select not a.attnotnull from "
     "pg_catalog.pg_attribute a where a.attrelid = '" T
     "'::regclass and a.attname = 'price') order by p.id limit $4::int8)) p order by p.price, "
     "p.id limit $4::int8",
     "x|NaN|9|101"},
    {"sort=name",
     {.sort = SORT_NAME, .id = 9, .kind = CURSOR_NULL},
     true,
     "select p.* from " T " p where true and (p.name is null and p.id > $1::int8) order by "
     "p.name, p.id limit $2::int8",
     "9|101"},
    {"sort=-name",
     {.sort = SORT_NAME_DOWN, .id = 9, .kind = CURSOR_NULL},
     true,
     "select p.* from " T " p where true and (p.name is null and p.id < $1::int8 or p.name is "
     "not null) order by p.name desc, p.id desc limit $2::int8",
     "9|101"},
    {"sort=-name",
     {.sort = SORT_NAME_DOWN, .id = 9, .kind = CURSOR_LONG},
     true,
     "select p.* from " T " p where true and (p.name, p.id) < ((select o.name from " T
     " o where o.id = $1::int8), $1::int8) order by p.name desc, p.id desc limit $2::int8",
     "9|101"},
};

static void
are_params(const struct list_params *params, const char *want)
{
	char text[1000] = "";
	size_t len = 0;

	for (int i = 0; i < params->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "|" : "",
					params->value[i]);
	ck_assert_str_eq(text, want);
}

START_TEST(pages_are_sql)
{
	const struct page_case *c = &pages[_i];
	char query[2000], after[CURSOR_TEXT_SIZE];
	struct list_params params;
	struct buffer sql;

	snprintf(query, sizeof(query), "%s", c->query);
	if (c->has_after) {
		cursor_write(&c->after, after);
		snprintf(query, sizeof(query), "%s&after=%s", c->query, after);
	}
	ck_assert_msg(list_query_read(span_str(query), LIST_PAGE, &list, &errors), "%s: %s", query,
		      errors.error[0].detail);
	buffer_init(&sql);
	ck_assert(list_query_page_sql(&sql, &params, T, &list));
	ck_assert_int_eq(sql.data[sql.len - 1], 0);
	ck_assert_str_eq(sql.data, c->sql);
	are_params(&params, c->params);
	buffer_fini(&sql);
}
END_TEST

static const struct count_case {
	const char *query;
	const char *sql, *params;
} counts[] = {
    {"count=exact", "select null::int8, count(*) from " T " p where true", ""},
    {"count=exact&name=a&sort=-price",
     "select null::int8, count(*) from " T " p where true and p.name = $1", "a"},
    {"count=estimated",
     "select c.reltuples::int8, case when c.reltuples < 10000 then (select count(*) from (select "
     "true from " T " p where true limit 10000 + 1) s) end from pg_catalog.pg_class c where "
     "c.oid = '" T "'::regclass",
     ""},
    {"count=estimated&price.lte=5&q=x",
     "select null::int8, (select count(*) from (select true from " T
     " p where true and to_tsvector('simple', p.name) @@ websearch_to_tsquery('simple', $1) and "
     "p.price <= $2::numeric limit 10000 + 1) s)",
     "x|5.00"},
};

START_TEST(counts_are_sql)
{
	struct list_params params;
	struct buffer sql;

	ck_assert(list_query_read(span_str(counts[_i].query), LIST_PAGE, &list, &errors));
	buffer_init(&sql);
	ck_assert(list_query_count_sql(&sql, &params, T, &list));
	ck_assert_str_eq(sql.data, counts[_i].sql);
	are_params(&params, counts[_i].params);
	buffer_fini(&sql);
}
END_TEST

static const struct {
	const char *query;
	enum list_format format;
} exports[] = {
    {"", FORMAT_UNSAID},
    {"format=json", FORMAT_JSON},
    {"format=csv&name=a", FORMAT_CSV},
    {"q=a&format=ndjson", FORMAT_NDJSON},
};

START_TEST(exports_have_formats)
{
	ck_assert(list_query_read(span_str(exports[_i].query), LIST_EXPORT, &list, &errors));
	ck_assert_int_eq(list.format, exports[_i].format);
	ck_assert_int_eq(list.sort, SORT_ID);
	ck_assert(!list.has_after && !list.is_continued);
	ck_assert_int_eq(list_query_has_filter(&list), _i >= 2);
}
END_TEST

/* Another one's leavings are no part of what is read. */
START_TEST(nothing_stays_of_an_earlier_one)
{
	ck_assert(list_query_read(SPAN_LIT("limit=5&sort=name&count=exact&name=a&q=b&price.gte=1&"
					   "price.lte=2"),
				  LIST_PAGE, &list, &errors));
	ck_assert(list_query_has_filter(&list));
	ck_assert(list_query_read(SPAN_LIT(""), LIST_PAGE, &list, &errors));
	ck_assert_uint_eq(list.limit, 100);
	ck_assert_int_eq(list.sort, SORT_ID);
	ck_assert_int_eq(list.count, COUNT_NONE);
	ck_assert(!list_query_has_filter(&list));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("list_query");
	TCase *tc = tcase_create("list_query");

	tcase_add_loop_test(tc, mistakes_are_named, 0, N(bad));
	tcase_add_loop_test(tc, mistakes_of_exports_are_named, 0, N(bad_exports));
	tcase_add_test(tc, mistakes_are_bounded);
	tcase_add_test(tc, a_name_has_its_bounds);
	tcase_add_loop_test(tc, pages_are_sql, 0, N(pages));
	tcase_add_loop_test(tc, counts_are_sql, 0, N(counts));
	tcase_add_loop_test(tc, exports_have_formats, 0, N(exports));
	tcase_add_test(tc, nothing_stays_of_an_earlier_one);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
