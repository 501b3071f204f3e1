/* links: src/store/csv.c */
/*
 * test_csv.c - RFC 4180, record by record: what is read, and what is refused in which line.
 */
#include "store/csv.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Fields in [], records one after the other, then where and why it ended. */
static const struct csv_case {
	const char *text;
	const char *records; /* "[a][b]\n": a record of two */
	size_t bad_line;     /* 0: all was read */
	const char *said;    /* part of the error */
} cases[] = {
    {"", "", 0, ""},
    {"a", "[a]\n", 0, ""},
    {"a,b", "[a][b]\n", 0, ""},
    {"a,b\r\nc,d\r\n", "[a][b]\n[c][d]\n", 0, ""},
    {"a,b\nc,d\n", "[a][b]\n[c][d]\n", 0, ""},
    {"a,b\nc,d", "[a][b]\n[c][d]\n", 0, ""},
    {",", "[][]\n", 0, ""},
    {"\n", "[]\n", 0, ""},
    {"\r\n\r\n", "[]\n[]\n", 0, ""},
    {"a,\n", "[a][]\n", 0, ""},
    {"\"\"", "[]\n", 0, ""},
    {"\"\",\"\"\n", "[][]\n", 0, ""},
    {"\"a,b\",c", "[a,b][c]\n", 0, ""},
    {"\"a\r\nb\"\n", "[a\r\nb]\n", 0, ""},
    {"\"a\"\"b\"", "[a\"b]\n", 0, ""},
    {"\"\"\"\"", "[\"]\n", 0, ""},
    {"\"\"\"a\"\"\",\"\"\"\"\"\"\n\"x\"\"\"", "[\"a\"][\"\"]\n[x\"]\n", 0, ""},
    {" a , b ", "[ a ][ b ]\n", 0, ""},
    {"\xef\xbb\xbf"
     "a,b",
     "[a][b]\n", 0, ""},
    {"\xef\xbb", "[\xef\xbb]\n", 0, ""},
    {"\xef\xbb\xbf", "", 0, ""},
    {"'a,b'", "['a][b']\n", 0, ""},
    {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
     "[1][2][3][4][5][6][7][8][9][10][11][12][13][14][15][16]\n", 0, ""},
    {"\"", "", 1, "not closed"},
    {"a\n\"b\nc\n", "[a]\n", 2, "not closed"},
    {"\"a\"\"", "", 1, "not closed"},
    {"a\"", "", 1, "quote stands inside"},
    {"a\nb,c\"d\"", "[a]\n", 2, "quote stands inside"},
    {" \"a\"", "", 1, "quote stands inside"},
    {"\"a\" ,b", "", 1, "follows the closing quote"},
    {"\"a\"b", "", 1, "follows the closing quote"},
    {"x\n\"a\nb\"c\n", "[x]\n", 3, "follows the closing quote"},
    {"a\rb", "", 1, "carriage return"},
    {"a\r", "", 1, "carriage return"},
    {"\"a\"\r", "", 1, "carriage return"},
    {"a\r\r\n", "", 1, "carriage return"},
    {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "", 1, "16 fields"},
};

START_TEST(read)
{
	const struct csv_case *c = &cases[_i];
	char scratch[200], records[400] = "";
	/* of just its length, so that a sanitizer sees a read past it */
	const size_t len = strlen(c->text);
	char *text = malloc(len ? len : 1);
	enum csv_status status;
	struct csv csv;

	memcpy(text, c->text, len);
	csv_init(&csv, span_from(text, len), scratch);
	while ((status = csv_next(&csv)) == CSV_RECORD) {
		ck_assert_uint_ge(csv.n, 1);
		for (size_t i = 0; i < csv.n; i++) {
			strcat(records, "[");
			strncat(records, csv.field[i].ptr, csv.field[i].len);
			strcat(records, "]");
		}
		strcat(records, "\n");
	}
	ck_assert_str_eq(records, c->records);
	if (c->bad_line) {
		ck_assert_int_eq(status, CSV_BAD);
		ck_assert_uint_eq(csv.line, c->bad_line);
		ck_assert_msg(strstr(csv.error, c->said) != NULL, "%s", csv.error);
	} else {
		ck_assert_int_eq(status, CSV_END);
		ck_assert_int_eq(csv_next(&csv), CSV_END);
	}
	free(text);
}
END_TEST

START_TEST(lines_count_those_inside_of_quotes)
{
	static const size_t lines[] = {1, 2, 5, 6};
	char scratch[100];
	struct csv csv;

	csv_init(&csv, span_str("a\n\"b\n\n\"\nc\r\nd"), scratch);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(csv_next(&csv), CSV_RECORD);
		ck_assert_uint_eq(csv.line, lines[i]);
	}
	ck_assert_int_eq(csv_next(&csv), CSV_END);
}
END_TEST

/* Doubled quotes move into the scratch, which must be enough and must keep what it was given. */
START_TEST(earlier_fields_stay)
{
	enum { FIELDS = 1000 };
	char *text = malloc(5 * FIELDS), *scratch = malloc(5 * FIELDS);
	struct span kept[FIELDS];
	struct csv csv;

	for (size_t i = 0; i < FIELDS; i++)
		memcpy(text + 5 * i, "\"\"\"\"\n", 5);
	csv_init(&csv, span_from(text, 5 * FIELDS), scratch);
	for (size_t i = 0; i < FIELDS; i++) {
		ck_assert_int_eq(csv_next(&csv), CSV_RECORD);
		kept[i] = csv.field[0];
	}
	ck_assert_int_eq(csv_next(&csv), CSV_END);
	for (size_t i = 0; i < FIELDS; i++)
		ck_assert(span_eq(kept[i], SPAN_LIT("\"")));
	free(text);
	free(scratch);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("csv");
	TCase *tc = tcase_create("csv");

	tcase_add_loop_test(tc, read, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, lines_count_those_inside_of_quotes);
	tcase_add_test(tc, earlier_fields_stay);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
