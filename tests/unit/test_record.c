/* links: src/pg/record.c src/store/product_kept.c -lpq */
/*
 * test_record.c - rows as text, and results that are made of them.
 */
#include "pg/record.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/product_kept.h"

/* Fields in brackets, null is ~, each row ends with a semicolon; "!" when it is no such text. */
static void
read_all(const char *text, char *out, size_t size)
{
	/* of its exact size, so that a tool sees what is too much */
	char *copy = malloc(strlen(text)), *scratch = malloc(strlen(text));
	struct record record;
	struct span field;
	enum record_step step;
	size_t len = 0;

	memcpy(copy, text, strlen(text));
	record_begin(&record, span_from(copy, strlen(text)), scratch);
	out[0] = '\0';
	while ((step = record_next(&record, &field)) == RECORD_FIELD || step == RECORD_ROW) {
		if (step == RECORD_ROW)
			len += (size_t)snprintf(out + len, size - len, ";");
		else if (!field.ptr)
			len += (size_t)snprintf(out + len, size - len, "~");
		else
			/* it has its terminator */
			len += (size_t)snprintf(out + len, size - len, "[%s]", field.ptr);
		ck_assert(!field.ptr || step == RECORD_ROW || strlen(field.ptr) == field.len);
	}
	if (step == RECORD_BAD)
		snprintf(out + len, size - len, "!");
	free(copy);
	free(scratch);
}

static const struct {
	const char *text, *fields;
} texts[] = {
    {"(1)", "[1];"},
    {"(1,2)(3,4)", "[1][2];[3][4];"},
    {"()", "~;"},
    {"(,)", "~~;"},
    {"(,,x,)(\"\",)", "~~[x]~;[]~;"},
    {"(\"a b\",\"c,d\",\"(e)\")", "[a b][c,d][(e)];"},
    {"(\"say \"\"hi\"\"\",\"\"\"\")", "[say \"hi\"][\"];"},
    {"(\"back\\\\slash\",\"\\\\\")", "[back\\slash][\\];"},
    {"(\"two\nlines\",\xc3\xa9)", "[two\nlines][\xc3\xa9];"},
    /* what the server takes, and does not write */
    {"(a\"b,c\"d,\\,)", "[ab,cd][,];"},
    {"", ""},
    {"1", "!"},
    {"(", "!"},
    {"(1", "!"},
    {"(1,", "[1]!"},
    {"(1,\"", "[1]!"},
    {"(1,\"2)", "[1]!"},
    {"(1,\\", "[1]!"},
    {"(1))", "[1];!"},
    {"(1) (2)", "[1];!"},
};

START_TEST(rows_are_read)
{
	char out[200];

	read_all(texts[_i].text, out, sizeof(out));
	ck_assert_str_eq(out, texts[_i].fields);
}
END_TEST

START_TEST(a_result_is_made)
{
	PGresult *result = NULL;

	ck_assert_int_eq(product_kept_read(SPAN_LIT("(place,20)(id,23)(\"odd \"\"na,me\",25)"),
					   SPAN_LIT("(1,7,\"a \"\"b\"\"\")(2,,\"\")"), &result),
			 PRODUCT_KEPT_OK);
	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	ck_assert_int_eq(PQnfields(result), 3);
	ck_assert_int_eq(PQntuples(result), 2);
	ck_assert_str_eq(PQfname(result, 2), "odd \"na,me");
	ck_assert_uint_eq(PQftype(result, 0), 20);
	ck_assert_uint_eq(PQftype(result, 2), 25);
	ck_assert_str_eq(PQgetvalue(result, 0, 2), "a \"b\"");
	ck_assert_int_eq(PQgetlength(result, 0, 1), 1);
	ck_assert(PQgetisnull(result, 1, 1));
	ck_assert(!PQgetisnull(result, 1, 2));
	ck_assert_int_eq(PQgetlength(result, 1, 2), 0);
	PQclear(result);
}
END_TEST

static const struct {
	const char *form, *rows;
} bad[] = {
    {"", ""},
    {"", "(1)"},
    {"(a)", "(1)"},
    {"(a,25,x)", "(1)"},
    {"(,25)", "(1)"},
    {"(a,25", "(1)"},
    {"(a,25)", "(1"},
    {"(a,25)", "(1,2)"},
    {"(a,25)(b,25)", "(1)"},
    {"(a,25)(b,25)", "(1,2)(3)"},
    {"{\"id\":1}", "{\"id\":1}"},
    {"(a,25)", "{\"results\":[]}"},
};

START_TEST(no_result_is_made_of_others)
{
	PGresult *result = NULL;

	ck_assert_int_eq(product_kept_read(span_str(bad[_i].form), span_str(bad[_i].rows), &result),
			 PRODUCT_KEPT_BAD);
	ck_assert_ptr_null(result);
}
END_TEST

/* A table has 1600 columns at the most. */
START_TEST(columns_have_an_end)
{
	for (int n = 1664; n <= 1665; n++) {
		PGresult *result = NULL;
		char *form = malloc((size_t)n * 16), *rows = malloc((size_t)n * 2 + 2), *p = form;
		for (int i = 0; i < n; i++)
			p += sprintf(p, "(c%d,25)", i);
		p = rows;
		for (int i = 0; i < n; i++)
			p += sprintf(p, "%c1", i ? ',' : '(');
		sprintf(p, ")");
		ck_assert_int_eq(product_kept_read(span_str(form), span_str(rows), &result),
				 n == 1664 ? PRODUCT_KEPT_OK : PRODUCT_KEPT_BAD);
		if (result)
			ck_assert_str_eq(PQfname(result, n - 1), "c1663");
		PQclear(result);
		free(form);
		free(rows);
	}
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_add_loop_test(tc, rows_are_read, 0, N(texts));
	tcase_add_test(tc, a_result_is_made);
	tcase_add_loop_test(tc, no_result_is_made_of_others, 0, N(bad));
	tcase_add_test(tc, columns_have_an_end);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
