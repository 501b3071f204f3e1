/* links: src/store/product_batch.c src/store/refusal.c src/http/json_string.c src/pg/array.c
 * src/base/buffer.c -lpq -ljansson */
/*
 * test_product_batch.c - bulks: what the database gets of them, and a result for each product in
 * its place. The database's results are made by hand.
 */
#include "store/product_batch.h"

#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void
add(struct product_batch *batch, const char *name, const char *price)
{
	struct product_input input = {.name = span_str(name)};

	strcpy(input.price, price);
	ck_assert(product_batch_add(batch, &input));
}

static void
refuse(struct product_batch *batch, const char *pointer, const char *detail)
{
	const struct mistakes errors = {.n = 1, .error = {{.pointer = pointer, .detail = detail}}};

	ck_assert(product_batch_refuse(batch, &errors));
}

/* Rows of "place id version state rule column" with as many columns; "-" is NULL. */
static PGresult *
result_of(int n_columns, const char *const rows[][6], int n)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	static char name[] = "c";
	PGresAttDesc columns[6] = {{.name = name}, {.name = name}, {.name = name},
				   {.name = name}, {.name = name}, {.name = name}};

	ck_assert_ptr_nonnull(result);
	ck_assert(PQsetResultAttrs(result, n_columns, columns));
	for (int row = 0; row < n; row++)
		for (int column = 0; column < n_columns; column++) {
			const char *text = rows[row][column];
			char copy[32];
			strcpy(copy, text);
			const bool is_null = strcmp(text, "-") == 0;
			ck_assert(PQsetvalue(result, row, column, is_null ? NULL : copy,
					     is_null ? -1 : (int)strlen(copy)));
		}
	return result;
}

static void
expect_written(const struct product_batch *batch, const PGresult *result, const char *want)
{
	struct buffer out;

	buffer_init(&out);
	ck_assert(product_batch_write(batch, result, &out));
	ck_assert_msg(span_eq(buffer_span(&out), span_str(want)), "%.*s", (int)out.len, out.data);
	json_t *json = json_loadb(out.data, out.len, 0, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "results")), batch->n);
	json_decref(json);
	buffer_fini(&out);
}

#define REFUSED(status, pointer, detail)                                                       \
	"{\"status\":" status ",\"errors\":[{\"pointer\":\"" pointer "\",\"detail\":\"" detail \
	"\"}]}"

START_TEST(each_result_is_in_its_place)
{
	static const char *const rows[][6] = {{"2", "7", "12"}, {"4", "8", "13"}};
	struct product_batch *batch = product_batch_new();

	refuse(batch, "/price", "must be \"more\"");
	add(batch, "a", "1.00");
	refuse(batch, "/a\"\\\x01~1b", "is not");
	add(batch, "b", "2.00");
	product_batch_end(batch);
	ck_assert_uint_eq(batch->n, 4);
	ck_assert_uint_eq(batch->n_rows, 2);
	PGresult *result = result_of(3, rows, 2);
	expect_written(batch, result,
		       "{\"results\":[{\"status\":422,\"errors\":[{\"pointer\":\"/price\","
		       "\"detail\":\"must be \\\"more\\\"\"}]},"
		       "{\"status\":201,\"id\":7,\"version\":12},"
		       "{\"status\":422,\"errors\":[{\"pointer\":\"/a\\\"\\\\\\u0001~1b\","
		       "\"detail\":\"is not\"}]},{\"status\":201,\"id\":8,\"version\":13}]}");
	PQclear(result);
	product_batch_free(&batch);
	ck_assert_ptr_null(batch);
}
END_TEST

START_TEST(the_database_refuses_some)
{
	static const struct {
		const char *row[6], *want;
	} cases[] = {
	    {{"1", "8", "13", "-", "-", "-"}, "{\"status\":201,\"id\":8,\"version\":13}"},
	    {{"1", "-", "-", "-", "-", "-"},
	     REFUSED("422", "", "a trigger of the database has kept it from being done")},
	    {{"1", "-", "-", "23505", "-", "-"},
	     REFUSED("409", "", "a unique constraint allows no second one")},
	    {{"1", "-", "-", "23505", "one \"a\"", "-"},
	     REFUSED("409", "", "the unique constraint one \\\"a\\\" allows no second one")},
	    {{"1", "-", "-", "23514", "polite", "-"},
	     REFUSED("422", "", "the constraint polite of the database refuses it")},
	    {{"1", "-", "-", "23514", "-", "-"}, REFUSED("422", "", "the database refuses it")},
	    {{"1", "-", "-", "23502", "-", "price"},
	     REFUSED("422", "/price", "the database's table wants a value for its column price")},
	    {{"1", "-", "-", "23502", "-", "colour"},
	     REFUSED("422", "", "the database's table wants a value for its column colour")},
	    {{"1", "-", "-", "22001", "-", "-"},
	     REFUSED("422", "", "the columns of the database's table cannot take it")},
	    {{"1", "-", "-", "P0001", "-", "name"},
	     REFUSED("422", "/name", "a trigger of the database refuses it")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct product_batch *batch = product_batch_new();
		const char *rows[1][6];
		char want[400];

		memcpy(rows[0], cases[i].row, sizeof(rows[0]));
		add(batch, "a", "1.00");
		product_batch_end(batch);
		PGresult *result = result_of(6, rows, 1);
		snprintf(want, sizeof(want), "{\"results\":[%s]}", cases[i].want);
		expect_written(batch, result, want);
		PQclear(result);
		product_batch_free(&batch);
	}
}
END_TEST

/* Rows that were kept with a key, by a program for which other products were right. */
START_TEST(what_was_kept_decides)
{
	static const char *const rows[][6] = {{"1", "8", "13"}, {"4", "9", "14"}};
	struct product_batch *batch = product_batch_new();

	refuse(batch, "/name", "x");
	add(batch, "a", "1.00");
	refuse(batch, "/name", "y");
	add(batch, "a", "1.00");
	add(batch, "a", "1.00");
	product_batch_end(batch);
	PGresult *result = result_of(3, rows, 2);
	expect_written(
	    batch, result,
	    "{\"results\":[{\"status\":201,\"id\":8,\"version\":13}," REFUSED(
		"422", "",
		"was refused when this key was new") "," REFUSED("422", "/name",
								 "y") ","
								      "{\"status\":201,\"id\":9,"
								      "\"version\":14}," REFUSED(
									  "422", "",
									  "was refused when this "
									  "key was new") "]}");
	PQclear(result);
	product_batch_free(&batch);
	product_batch_free(&batch);
}
END_TEST

START_TEST(none_is_right)
{
	struct product_batch *batch = product_batch_new();

	refuse(batch, "", "must be an object");
	product_batch_end(batch);
	ck_assert_uint_eq(batch->n_rows, 0);
	expect_written(batch, NULL,
		       "{\"results\":[{\"status\":422,\"errors\":[{\"pointer\":\"\",\"detail\":"
		       "\"must be an object\"}]}]}");
	product_batch_free(&batch);
}
END_TEST

static uint32_t
word(struct span s, size_t at)
{
	uint32_t value;

	ck_assert_uint_le(at + 4, s.len);
	memcpy(&value, s.ptr + at, 4);
	return ntohl(value);
}

/* The texts of a text[] in binary, with | behind each; NULL is ~. */
static void
expect_array(struct span s, const char *want)
{
	char have[4000] = "";
	size_t at = 20;

	ck_assert_uint_eq(word(s, 0), 1);
	ck_assert_uint_eq(word(s, 8), 25);
	for (uint32_t i = 0; i < word(s, 12); i++) {
		const uint32_t len = word(s, at);
		at += 4;
		if (len == UINT32_MAX) {
			strcat(have, "~|");
			continue;
		}
		ck_assert_uint_le(at + len, s.len);
		strncat(have, s.ptr + at, len);
		strcat(have, "|");
		at += len;
	}
	ck_assert_uint_eq(at, s.len);
	ck_assert_str_eq(have, want);
}

START_TEST(what_the_database_gets)
{
	struct product_batch *batch = product_batch_new();

	add(batch, "a,\"{}\\", "1.00");
	refuse(batch, "/name", "x");
	add(batch, "'b'", "2.50");
	product_batch_end(batch);
	expect_array(batch->names, "a,\"{}\\|~|'b'|");
	expect_array(batch->prices, "1.00|~|2.50|");
	product_batch_free(&batch);
}
END_TEST

START_TEST(a_thousand_have_room)
{
	struct product_batch *batch = product_batch_new();

	for (unsigned i = 0; i < PRODUCT_BATCH_MAX; i++) {
		if (i % 2)
			add(batch, "a", "1.00");
		else
			refuse(batch, "/name", "x");
	}
	product_batch_end(batch);
	ck_assert_uint_eq(batch->n, PRODUCT_BATCH_MAX);
	ck_assert_uint_eq(batch->n_rows, PRODUCT_BATCH_MAX / 2);
	ck_assert_uint_eq(word(batch->names, 12), PRODUCT_BATCH_MAX);
	ck_assert_uint_eq(word(batch->prices, 12), PRODUCT_BATCH_MAX);
	product_batch_free(&batch);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("product_batch");
	TCase *tc = tcase_create("product_batch");

	tcase_add_test(tc, each_result_is_in_its_place);
	tcase_add_test(tc, the_database_refuses_some);
	tcase_add_test(tc, what_was_kept_decides);
	tcase_add_test(tc, none_is_right);
	tcase_add_test(tc, what_the_database_gets);
	tcase_add_test(tc, a_thousand_have_room);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
