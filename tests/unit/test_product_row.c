/* links: src/store/product_row.c src/http/json_string.c src/base/buffer.c -lpq -ljansson */
/*
 * test_product_row.c - rows written: every type that a further column may have, NULL, NaN, and what
 * JSON and CSV must escape. The results are made by hand; a server makes them in it_products_read.
 */
#include "store/product_row.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MAX      100000

enum { BOOL = 16, INT8 = 20, INT4 = 23, TEXT = 25, JSON = 114, FLOAT8 = 701, NUMERIC = 1700 };

/* One row of columns in the order of the table. */
struct cell {
	const char *name;
	Oid type;
	const char *value; /* NULL: null */
};

#define CELLS_MAX 8

static PGresult *
make_result(const struct cell *cells, size_t len)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc desc[CELLS_MAX] = {0};
	int n = 0;

	for (; n < CELLS_MAX && cells[n].name; n++) {
		/* libpq copies it */
		union {
			const char *in;
			char *out;
		} name = {cells[n].name};
		desc[n].name = name.out;
		desc[n].typid = cells[n].type;
	}
	ck_assert_int_eq(PQsetResultAttrs(result, n, desc), 1);
	for (int i = 0; i < n; i++) {
		union {
			const char *in;
			char *out;
		} value = {cells[i].value};
		int value_len = !value.in ? -1 : len && i == 1 ? (int)len : (int)strlen(value.in);
		ck_assert_int_eq(PQsetvalue(result, 0, i, value.out, value_len), 1);
	}
	return result;
}

static const struct row_case {
	struct cell cells[CELLS_MAX];
	const char *json, *csv, *tag;
} rows[] = {
    {{{"id", INT4, "7"},
      {"name", TEXT, "Pen"},
      {"price", NUMERIC, "12.50"},
      {"version", INT8, "3"}},
     "{\"id\":7,\"name\":\"Pen\",\"price\":12.50,\"version\":3}",
     "7,Pen,12.50,3",
     "\"7-3\""},
    {{{"version", INT8, "-3"},
      {"price", FLOAT8, "NaN"},
      {"name", TEXT, "\"\n\x01\\"},
      {"id", INT8, "0"}},
     "{\"id\":0,\"name\":\"\\\"\\n\\u0001\\\\\",\"price\":null,\"version\":-3}",
     "0,\"\"\"\n\x01\\\",,-3",
     "\"0--3\""},
    {{{"version", INT8, "1"},
      {"price", NUMERIC, "5.00"},
      {"name", TEXT, "\"\n\x01\\"},
      {"id", INT8, "1"}},
     "{\"id\":1,\"name\":\"\\\"\\n\\u0001\\\\\",\"price\":5.00,\"version\":1}",
     "1,\"\"\"\n\x01\\\",5.00,1",
     "\"1-1\""},
    {{{"version", INT8, "1"}, {"price", NUMERIC, "5.00"}, {"name", JSON, "[1]"}, {"id", INT8, "1"}},
     "{\"id\":1,\"name\":[1],\"price\":5.00,\"version\":1}",
     "1,[1],5.00,1",
     "\"1-1\""},
    /* no version: no tag of its own */
    {{{"id", INT8, "-9223372036854775808"}, {"name", TEXT, ""}, {"price", NUMERIC, "0.00"}},
     "{\"id\":-9223372036854775808,\"name\":\"\",\"price\":0.00}",
     "-9223372036854775808,\"\",0.00",
     ""},
    {{{"id", INT8, "-9223372036854775808"},
      {"name", TEXT, "a"},
      {"price", NUMERIC, "1"},
      {"version", INT8, "-9223372036854775808"}},
     "{\"id\":-9223372036854775808,\"name\":\"a\",\"price\":1,\"version\":-9223372036854775808}",
     "-9223372036854775808,a,1,-9223372036854775808",
     "\"-9223372036854775808--9223372036854775808\""},
    /* a version that is somebody else's, and NULL */
    {{{"id", INT8, "1"},
      {"name", TEXT, NULL},
      {"price", NUMERIC, NULL},
      {"version", TEXT, "of May"}},
     "{\"id\":1,\"name\":null,\"price\":null,"
     "\"version\":\"of May\"}",
     "1,,,of May",
     ""},
    {{{"id", INT8, "1"}, {"name", TEXT, "a"}, {"price", NUMERIC, "1"}, {"version", INT8, NULL}},
     "{\"id\":1,\"name\":\"a\",\"price\":1,\"version\":null}",
     "1,a,1,",
     ""},
    /* the table's own order does not count for ours, and names are whole */
    {{{"idx", INT4, "5"},
      {"price", NUMERIC, "NaN"},
      {"i", TEXT, "x"},
      {"name", TEXT, "n"},
      {"id", INT4, "2"},
      {"versions", INT4, "9"},
      {"Name", TEXT, "N"}},
     "{\"id\":2,\"name\":\"n\",\"price\":null,\"idx\":5,\"i\":\"x\",\"versions\":9,\"Name\":\"N\"}",
     "2,n,,5,x,9,N",
     ""},
    /* truth, and numbers that JSON does not know */
    {{{"id", INT4, "1"},
      {"name", TEXT, "NaN"},
      {"price", NUMERIC, "Infinity"},
      {"yes", BOOL, "t"},
      {"no", BOOL, "f"},
      {"unknown", BOOL, NULL},
      {"nan", FLOAT8, "NaN"},
      {"small", FLOAT8, "1e-07"}},
     "{\"id\":1,\"name\":\"NaN\",\"price\":\"Infinity\",\"yes\":true,\"no\":false,"
     "\"unknown\":null,\"nan\":null,\"small\":1e-07}",
     "1,NaN,Infinity,true,false,,,1e-07",
     ""},
    /* json stays json, on one line */
    {{{"id", INT4, "1"},
      {"name", TEXT, "a"},
      {"price", NUMERIC, "1"},
      {"more", JSON, "{\"a\":\r\n [1,\"\\n\"]}"},
      {"nothing", JSON, "null"}},
     "{\"id\":1,\"name\":\"a\",\"price\":1,\"more\":{\"a\":   [1,\"\\n\"]},\"nothing\":null}",
     "1,a,1,\"{\"\"a\"\":\r\n [1,\"\"\\n\"\"]}\",null",
     ""},
    /* escapes, in names of columns too */
    {{{"id", INT4, "1"},
      {"name", TEXT, "\"a\\b/c\""},
      {"price", NUMERIC, "-0.50"},
      {"a \"b\"\n,", TEXT, "\b\t\n\v\f\r\x01\x1f\x7f"}},
     "{\"id\":1,\"name\":\"\\\"a\\\\b/c\\\"\",\"price\":-0.50,"
     "\"a \\\"b\\\"\\n,\":\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f\"}",
     "1,\"\"\"a\\b/c\"\"\",-0.50,\"\b\t\n\v\f\r\x01\x1f\x7f\"",
     ""},
    {{{"id", INT4, "1"},
      {"name", TEXT, " a"},
      {"price", NUMERIC, "1"},
      {"b", TEXT, "b "},
      {"c", TEXT, "c,d"},
      {"d", TEXT, "\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80"}},
     "{\"id\":1,\"name\":\" a\",\"price\":1,\"b\":\"b \",\"c\":\"c,d\","
     "\"d\":\"\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80\"}",
     "1,\" a\",1,\"b \",\"c,d\",\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80",
     ""},
    /* a price of a type that is no number */
    {{{"id", INT4, "1"}, {"name", TEXT, "a"}, {"price", 790, "$1,000.00"}},
     "{\"id\":1,\"name\":\"a\",\"price\":\"$1,000.00\"}",
     "1,a,\"$1,000.00\"",
     ""},
};

START_TEST(rows_are_written)
{
	const struct row_case *c = &rows[_i];
	PGresult *result = make_result(c->cells, 0);
	struct product_columns columns;
	char tag[PRODUCT_TAG_SIZE];
	struct buffer out;

	buffer_init(&out);
	product_columns_find(&columns, result, 0);
	ck_assert(product_row_json(&out, &columns, 0, MAX));
	ck_assert_msg(span_eq(buffer_span(&out), span_str(c->json)), "%.*s", (int)out.len,
		      out.data);
	json_t *json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
	buffer_fini(&out);

	ck_assert(product_row_csv(&out, &columns, 0, MAX));
	ck_assert_uint_eq(out.len, strlen(c->csv) + 2);
	ck_assert_msg(memcmp(out.data, c->csv, out.len - 2) == 0, "%.*s", (int)out.len, out.data);
	ck_assert_mem_eq(out.data + out.len - 2, "\r\n", 2);
	buffer_fini(&out);

	ck_assert_str_eq(product_row_tag(&columns, 0, tag), c->tag);

	/* a bound that does not suffice, at every length */
	for (size_t max = 0; max < strlen(c->json); max++) {
		ck_assert(!product_row_json(&out, &columns, 0, max));
		buffer_fini(&out);
	}
	for (size_t max = 0; max < strlen(c->csv) + 2; max++) {
		ck_assert(!product_row_csv(&out, &columns, 0, max));
		buffer_fini(&out);
	}
	PQclear(result);
}
END_TEST

static const struct number_case {
	const char *digits, *json;
} numbers[] = {
    {"0", "0"},
    {"-0.50", "-0.50"},
    {"1e+20", "1e+20"},
    {"1.5e-07", "1.5e-07"},
    {"NaN", "null"},
    {"Infinity", "\"Infinity\""},
    {"-Infinity", "\"-Infinity\""},
};

START_TEST(numbers_are_json_or_strings)
{
	const struct cell cells[CELLS_MAX] = {{"id", INT4, numbers[_i].digits}};
	PGresult *result = make_result(cells, 0);
	struct product_columns columns;
	char want[64];
	struct buffer out;

	buffer_init(&out);
	product_columns_find(&columns, result, 0);
	ck_assert(product_row_json(&out, &columns, 0, MAX));
	snprintf(want, sizeof(want), "{\"id\":%s}", numbers[_i].json);
	ck_assert_msg(span_eq(buffer_span(&out), span_str(want)), "%.*s", (int)out.len, out.data);
	buffer_fini(&out);
	PQclear(result);
}
END_TEST

START_TEST(columns_before_the_first_are_nobodys)
{
	const struct cell cells[CELLS_MAX] = {{"id", BOOL, "t"},
					      {"more", INT4, "1"},
					      {"id", INT4, "2"},
					      {"name", TEXT, "n"},
					      {"price", NUMERIC, "1.00"}};
	PGresult *result = make_result(cells, 0);
	struct product_columns columns;
	struct buffer out;

	buffer_init(&out);
	product_columns_find(&columns, result, 2);
	ck_assert(product_row_json(&out, &columns, 0, MAX));
	ck_assert(product_row_csv_head(&out, &columns, MAX));
	ck_assert(product_row_csv(&out, &columns, 0, MAX));
	ck_assert(span_eq(buffer_span(&out), SPAN_LIT("{\"id\":2,\"name\":\"n\",\"price\":1.00}"
						      "id,name,price\r\n2,n,1.00\r\n")));
	ck_assert(span_eq(product_row_id(&columns, 0), SPAN_LIT("2")));
	ck_assert(span_eq(product_row_name(&columns, 0), SPAN_LIT("n")));
	ck_assert(span_eq(product_row_price(&columns, 0), SPAN_LIT("1.00")));
	ck_assert_uint_eq(product_row_version(&columns, 0).len, 0);
	buffer_fini(&out);
	PQclear(result);
}
END_TEST

START_TEST(names_of_columns_are_quoted_in_csv)
{
	const struct cell cells[CELLS_MAX] = {
	    {"id", INT4, "1"}, {"a,b", INT4, "1"}, {"c\"d", INT4, "1"}, {" ", INT4, "1"}};
	PGresult *result = make_result(cells, 0);
	struct product_columns columns;
	struct buffer out;

	buffer_init(&out);
	product_columns_find(&columns, result, 0);
	ck_assert(product_row_csv_head(&out, &columns, MAX));
	ck_assert(span_eq(buffer_span(&out), SPAN_LIT("id,\"a,b\",\"c\"\"d\",\" \"\r\n")));
	buffer_fini(&out);
	PQclear(result);
}
END_TEST

/* CPU time of a page of products with names of this byte. */
static double
page_seconds(char byte)
{
	static char name[1001];
	struct timespec before, after;
	struct product_columns columns;
	struct buffer out;

	memset(name, byte, 1000);
	const struct cell cells[CELLS_MAX] = {
	    {"id", INT4, "1"}, {"name", TEXT, name}, {"price", NUMERIC, "1.00"}};
	PGresult *result = make_result(cells, 1000);
	product_columns_find(&columns, result, 0);
	buffer_init(&out);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (int i = 0; i < 1000; i++)
		ck_assert(product_row_json(&out, &columns, 0, (size_t)1 << 30));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	buffer_fini(&out);
	PQclear(result);
	return (double)(after.tv_sec - before.tv_sec) +
	       (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

/* Who names products could hold all who list them: escaped bytes are six, and cost as many. */
START_TEST(escapes_cost_little_more_than_letters)
{
	double letters = page_seconds('a');

	ck_assert_double_lt(page_seconds('\x01'), 20 * letters);
	ck_assert_double_lt(page_seconds('"'), 20 * letters);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("product_row");
	TCase *tc = tcase_create("product_row");

	tcase_add_loop_test(tc, rows_are_written, 0, N(rows));
	tcase_add_loop_test(tc, numbers_are_json_or_strings, 0, N(numbers));
	tcase_add_test(tc, columns_before_the_first_are_nobodys);
	tcase_add_test(tc, names_of_columns_are_quoted_in_csv);
	tcase_add_test(tc, escapes_cost_little_more_than_letters);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
