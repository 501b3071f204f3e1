/* links: src/store/price.c -lm */
/*
 * test_price.c - which numbers and strings are prices, and what they are to PostgreSQL.
 */
#include "store/price.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct number_case {
	const char *json; /* read by strtod, as jansson does */
	const char *price;
} numbers[] = {
    {"0", "0.00"},
    {"-0", "0.00"},
    {"-0.0", "0.00"},
    {"1", "1.00"},
    {"999.99", "999.99"},
    {"1e2", "100.00"},
    {"1E-2", "0.01"},
    {"0.01", "0.01"},
    {"0.1", "0.10"},
    {"12.5", "12.50"},
    {"12.500", "12.50"},
    {"99999999.99", "99999999.99"},
    {"9999999999e-2", "99999999.99"},
    {"4.35", "4.35"},
    {"1.005e1", "10.05"},
    /* the same double as 1.1: what a double cannot hold is not seen */
    {"1.1000000000000000001", "1.10"},
    {"1e-400", "0.00"},
    {"-0.01", NULL},
    {"-1", NULL},
    {"0.001", NULL},
    {"1.005", NULL},
    {"12.345", NULL},
    {"1e-320", NULL},
    {"99999999.995", NULL},
    {"100000000", NULL},
    {"1e300", NULL},
};

START_TEST(number)
{
	const struct number_case *c = &numbers[_i];
	char text[PRICE_TEXT_SIZE] = "untouched";
	const char *wrong = price_from_number(strtod(c->json, NULL), text);

	if (c->price) {
		ck_assert_msg(!wrong, "%s: %s", c->json, wrong);
		ck_assert_str_eq(text, c->price);
	} else {
		ck_assert_msg(wrong != NULL, "%s taken as %s", c->json, text);
		ck_assert_str_eq(text, "untouched");
	}
}
END_TEST

START_TEST(no_number)
{
	char text[PRICE_TEXT_SIZE];

	ck_assert_ptr_nonnull(price_from_number(NAN, text));
	ck_assert_ptr_nonnull(price_from_number(INFINITY, text));
	ck_assert_ptr_nonnull(price_from_number(-INFINITY, text));
}
END_TEST

/* Every hundredth that a price may be comes back as itself; a sample of them, spread widely. */
START_TEST(every_cent)
{
	for (long long cents = 0; cents <= 9999999999LL; cents += 999331 + cents % 7) {
		char json[32], text[PRICE_TEXT_SIZE];
		snprintf(json, sizeof(json), "%lld.%02lld", cents / 100, cents % 100);
		ck_assert_ptr_null(price_from_number(strtod(json, NULL), text));
		ck_assert_str_eq(text, json);
		ck_assert_ptr_null(price_from_text(span_str(json), text));
		ck_assert_str_eq(text, json);
	}
}
END_TEST

static const struct text_case {
	const char *text;
	const char *price;
} texts[] = {
    {"0", "0.00"},
    {"0.0", "0.00"},
    {"0.5", "0.50"},
    {"12.50", "12.50"},
    {"7", "7.00"},
    {"99999999.99", "99999999.99"},
    {"10000000", "10000000.00"},
    {"", NULL},
    {"-0", NULL},
    {"-1", NULL},
    {"+1", NULL},
    {"00", NULL},
    {"01", NULL},
    {"00.5", NULL},
    {".5", NULL},
    {"5.", NULL},
    {"1.", NULL},
    {"1.234", NULL},
    {"1.2.3", NULL},
    {"1,50", NULL},
    {"100000000", NULL},
    {"123456789.00", NULL},
    {"1e2", NULL},
    {" 1", NULL},
    {"1 ", NULL},
    {"1\n", NULL},
    {"NaN", NULL},
    {"Infinity", NULL},
    {"0x10", NULL},
    {"\xd9\xa1", NULL},
};

START_TEST(text_of)
{
	const struct text_case *c = &texts[_i];
	char text[PRICE_TEXT_SIZE] = "untouched";
	const char *wrong = price_from_text(span_str(c->text), text);

	if (c->price) {
		ck_assert_msg(!wrong, "%s: %s", c->text, wrong);
		ck_assert_str_eq(text, c->price);
	} else {
		ck_assert_msg(wrong != NULL, "%s taken as %s", c->text, text);
		ck_assert_str_eq(text, "untouched");
	}
}
END_TEST

START_TEST(text_with_nul)
{
	char text[PRICE_TEXT_SIZE];

	ck_assert_ptr_nonnull(price_from_text(span_from("1\0", 2), text));
	ck_assert_ptr_nonnull(price_from_text(span_from("1.5\0", 4), text));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("price");
	TCase *tc = tcase_create("price");

	tcase_add_loop_test(tc, number, 0, sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(tc, no_number);
	tcase_add_test(tc, every_cent);
	tcase_add_loop_test(tc, text_of, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tc, text_with_nul);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
