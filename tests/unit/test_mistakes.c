/* links: src/http/mistakes.c */
/*
 * test_mistakes.c - the pointers and the texts of what is wrong with a JSON value.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/mistakes.h"

static struct mistakes m;

START_TEST(pointers_say_where)
{
	mistakes_init(&m);
	mistakes_add(&m, "must be an object");
	const size_t list = mistakes_enter(&m, SPAN_LIT("urls"));
	const size_t item = mistakes_enter_item(&m, 12);
	mistakes_add_key(&m, SPAN_LIT("a/b~c"), "must be %d to %d", 1, 2);
	mistakes_add(&m, "is none");
	mistakes_leave(&m, item);
	mistakes_leave(&m, list);
	mistakes_add_key(&m, SPAN_LIT(""), "is empty");

	ck_assert_uint_eq(m.n, 4);
	ck_assert_str_eq(m.error[0].pointer, "");
	ck_assert_str_eq(m.error[0].detail, "must be an object");
	ck_assert_str_eq(m.error[1].pointer, "/urls/12/a~1b~0c");
	ck_assert_str_eq(m.error[1].detail, "must be 1 to 2");
	ck_assert_str_eq(m.error[2].pointer, "/urls/12");
	ck_assert_str_eq(m.error[3].pointer, "/");
}
END_TEST

START_TEST(parameters_have_names)
{
	char name[2 * MISTAKES_KEY_MAX];

	memset(name, 'n', sizeof(name));
	mistakes_init(&m);
	mistakes_add_parameter(&m, SPAN_LIT("limit"), "must be %d", 7);
	mistakes_add_parameter(&m, span_from(name, sizeof(name)), "is none");
	mistakes_add_parameter(&m, span_from(NULL, 0), "is empty");
	mistakes_add(&m, "a body, too");
	ck_assert_uint_eq(m.n, 4);
	for (size_t i = 0; i < 3; i++)
		ck_assert_ptr_null(m.error[i].pointer);
	ck_assert_str_eq(m.error[0].parameter, "limit");
	ck_assert_str_eq(m.error[0].detail, "must be 7");
	ck_assert_uint_eq(strlen(m.error[1].parameter), MISTAKES_KEY_MAX);
	ck_assert_str_eq(m.error[2].parameter, "");
	ck_assert_ptr_null(m.error[3].parameter);
	ck_assert_str_eq(m.error[3].pointer, "");
	for (int i = 0; i < 1000; i++)
		mistakes_add_parameter(&m, SPAN_LIT("p"), "more");
	ck_assert_uint_eq(m.n, MISTAKES_MAX);
	ck_assert_str_eq(m.error[MISTAKES_MAX - 1].detail, "and there is more");
	ck_assert_ptr_null(m.error[MISTAKES_MAX - 1].pointer);
	ck_assert_ptr_null(m.error[MISTAKES_MAX - 1].parameter);
}
END_TEST

START_TEST(there_is_an_end)
{
	mistakes_init(&m);
	for (int i = 0; i < 1000; i++)
		mistakes_add(&m, "mistake %d", i);
	ck_assert_uint_eq(m.n, MISTAKES_MAX);
	ck_assert_str_eq(m.error[MISTAKES_MAX - 2].detail, "mistake 14");
	ck_assert_str_eq(m.error[MISTAKES_MAX - 1].detail, "and there is more");
}
END_TEST

/* Keys of any length and any depth come from outside. */
START_TEST(what_does_not_fit_is_left_out_whole)
{
	static char key[MISTAKES_KEY_MAX + 1];
	size_t place[100];

	memset(key, '/', sizeof(key));
	mistakes_init(&m);
	mistakes_add_key(&m, span_from(key, sizeof(key)), "too long for a pointer");
	ck_assert_str_eq(m.error[0].pointer, "");
	for (size_t i = 0; i < 100; i++)
		place[i] = mistakes_enter(&m, span_from(key, MISTAKES_KEY_MAX));
	mistakes_add(&m, "deep");
	ck_assert_uint_eq(strlen(m.error[1].pointer), 1 + 2 * MISTAKES_KEY_MAX);
	for (size_t i = 100; i > 0; i--)
		mistakes_leave(&m, place[i - 1]);
	mistakes_add(&m, "again at the top");
	ck_assert_str_eq(m.error[2].pointer, "");
}
END_TEST

START_TEST(texts_are_cut_between_characters)
{
	char text[2 * MISTAKES_DETAIL_SIZE + 1];

	for (size_t i = 0; i < sizeof(text) - 1; i += 3)
		memcpy(text + i, "\xe5\xa4\xaa", 3);
	text[sizeof(text) - 1] = '\0';
	mistakes_init(&m);
	mistakes_add(&m, "%s", text);
	mistakes_add(&m, "a%s", text);
	mistakes_add(&m, "ab%s", text);
	for (size_t i = 0; i < 3; i++) {
		const size_t len = strlen(m.error[i].detail);
		ck_assert_uint_le(len, MISTAKES_DETAIL_SIZE - 1);
		ck_assert_uint_ge(len, MISTAKES_DETAIL_SIZE - 3);
		ck_assert_uint_eq((len - i) % 3, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mistakes");
	TCase *tcase = tcase_create("mistakes");

	tcase_add_test(tcase, pointers_say_where);
	tcase_add_test(tcase, parameters_have_names);
	tcase_add_test(tcase, there_is_an_end);
	tcase_add_test(tcase, what_does_not_fit_is_left_out_whole);
	tcase_add_test(tcase, texts_are_cut_between_characters);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
