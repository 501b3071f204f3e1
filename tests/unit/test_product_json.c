/* links: src/store/product_json.c src/store/price.c src/http/mistakes.c src/http/json_body.c
 * src/http/json_text.c tests/unit/fake_exchange.c -ljansson -lm */
/*
 * test_product_json.c - products as clients send them.
 */
#include "store/product_json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_body.h"

static json_t *
load(const char *text)
{
	struct json_text_error error;
	json_t *json = json_body_load(span_str(text), &error);

	ck_assert_msg(json != NULL, "%s: %s", text, error.detail);
	return json;
}

static const struct good_case {
	const char *json;
	const char *name;
	const char *price;
} good[] = {
    {"{\"name\":\"iPhone 12\",\"price\":999.99}", "iPhone 12", "999.99"},
    {"{\"price\":\"12.5\",\"name\":\"Pen\"}", "Pen", "12.50"},
    {"{\"price\":0,\"name\":\" \"}", " ", "0.00"},
    {"{\"price\":1e2,\"name\":\"\\u592a\\u90ce\"}", "\xe5\xa4\xaa\xe9\x83\x8e", "100.00"},
    {"{\"price\":1,\"name\":\"a\\tb\"}", "a\tb", "1.00"},
};

START_TEST(accepted)
{
	struct product_input input;
	struct mistakes errors;
	json_t *json = load(good[_i].json);

	mistakes_init(&errors);
	ck_assert(product_read(json, PRODUCT_NEW, 0, &input, &errors));
	ck_assert_uint_eq(errors.n, 0);
	ck_assert(span_eq(input.name, span_str(good[_i].name)));
	ck_assert_str_eq(input.price, good[_i].price);
	json_decref(json);
}
END_TEST

static const struct bad_case {
	const char *json;
	const char *pointers; /* in order, separated by spaces; "." is the whole */
	enum product_form form;
} bad[] = {
    {"{}", "/name /price", PRODUCT_NEW},
    {"{\"name\":\"a\"}", "/price", PRODUCT_NEW},
    {"{\"price\":1}", "/name", PRODUCT_NEW},
    {"{\"name\":\"\",\"price\":1}", "/name", PRODUCT_NEW},
    {"{\"name\":null,\"price\":null}", "/name /price", PRODUCT_NEW},
    {"{\"name\":1,\"price\":true}", "/name /price", PRODUCT_NEW},
    {"{\"name\":[\"a\"],\"price\":{}}", "/name /price", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":-1}", "/price", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":\"1e2\"}", "/price", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":1.005}", "/price", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":1,\"id\":7}", "/id", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":1,\"\":7}", "/", PRODUCT_NEW},
    {"{\"name\":\"a\",\"price\":1,\"a/b~c\":7}", "/a~1b~0c", PRODUCT_NEW},
    {"{\"Name\":\"a\",\"price\":1}", "/name /Name", PRODUCT_NEW},
    {"{\"name\":\"\",\"price\":-1,\"x\":null}", "/name /price /x", PRODUCT_NEW},
    {"[]", ".", PRODUCT_NEW},
    {"[{\"name\":\"a\",\"price\":1}]", ".", PRODUCT_NEW},
    {"\"a\"", ".", PRODUCT_NEW},
    {"null", ".", PRODUCT_NEW},
    {"{\"name\":\"a\\u0000b\",\"price\":1}", "/name", PRODUCT_NEW},
    {"{\"name\":{\"a\":1},\"price\":\"\"}", "/name /price", PRODUCT_NEW},
    {"{\"name\":true,\"price\":[1]}", "/name /price", PRODUCT_NEW},
    {"{\"name\":false,\"price\":\"1\\u0000\"}", "/name /price", PRODUCT_NEW},
    {"{}", "/name /price", PRODUCT_WHOLE},
    {"{\"name\":\"a\"}", "/price", PRODUCT_WHOLE},
    {"{\"name\":\"a\",\"price\":1,\"id\":8}", "/id", PRODUCT_WHOLE},
    {"{\"name\":\"a\",\"price\":1,\"id\":\"7\"}", "/id", PRODUCT_WHOLE},
    {"{\"name\":\"a\",\"price\":1,\"id\":7.5}", "/id", PRODUCT_WHOLE},
    {"{\"name\":\"a\",\"price\":1,\"version\":3}", "/version", PRODUCT_WHOLE},
    {"{\"name\":null}", "/name", PRODUCT_PATCH},
    {"{\"price\":null}", "/price", PRODUCT_PATCH},
    {"{\"id\":null}", "/id", PRODUCT_PATCH},
    {"{\"id\":8}", "/id", PRODUCT_PATCH},
    {"{\"price\":-1,\"colour\":null}", "/price /colour", PRODUCT_PATCH},
    {"[]", ".", PRODUCT_PATCH},
    {"[{\"op\":\"remove\",\"path\":\"/name\"}]", ".", PRODUCT_PATCH},
    {"1", ".", PRODUCT_PATCH},
};

START_TEST(refused)
{
	struct product_input input;
	struct mistakes errors;
	json_t *json = load(bad[_i].json);
	char pointers[200] = "";

	mistakes_init(&errors);
	ck_assert_msg(!product_read(json, bad[_i].form, 7, &input, &errors), "%s", bad[_i].json);
	for (size_t i = 0; i < errors.n; i++) {
		const char *p = errors.error[i].pointer;
		ck_assert(strlen(errors.error[i].detail) > 0);
		strcat(pointers, i ? " " : "");
		strcat(pointers, p[0] ? p : ".");
	}
	ck_assert_str_eq(pointers, bad[_i].pointers);
	json_decref(json);
}
END_TEST

static const struct change_case {
	enum product_form form;
	const char *json;
	const char *name; /* NULL: not given */
	const char *price;
} changes[] = {
    {PRODUCT_WHOLE, "{\"name\":\"a\",\"price\":1}", "a", "1.00"},
    {PRODUCT_WHOLE, "{\"name\":\"a\",\"price\":1,\"id\":7}", "a", "1.00"},
    {PRODUCT_PATCH, "{}", NULL, ""},
    {PRODUCT_PATCH, "{\"id\":7}", NULL, ""},
    {PRODUCT_PATCH, "{\"name\":\"b\"}", "b", ""},
    {PRODUCT_PATCH, "{\"price\":\"0.5\"}", NULL, "0.50"},
    {PRODUCT_PATCH, "{\"price\":2,\"name\":\"c\"}", "c", "2.00"},
};

START_TEST(a_change_says_what_it_changes)
{
	const struct change_case *c = &changes[_i];
	struct product_input input;
	struct mistakes errors;
	json_t *json = load(c->json);

	mistakes_init(&errors);
	ck_assert_msg(product_read(json, c->form, 7, &input, &errors), "%s", c->json);
	ck_assert_uint_eq(errors.n, 0);
	ck_assert_int_eq(input.name.ptr != NULL, c->name != NULL);
	if (c->name)
		ck_assert(span_eq(input.name, span_str(c->name)));
	ck_assert_str_eq(input.price, c->price);
	json_decref(json);
}
END_TEST

static const struct text_case {
	struct span name, price;
	const char *kept;     /* the price; NULL: refused */
	const char *pointers; /* as above, of item 3 of a list */
} texts[] = {
    {SPAN_LIT("Pen"), SPAN_LIT("1.5"), "1.50", ""},
    {SPAN_LIT(" 'a\n\"; drop table products; --"), SPAN_LIT("0"), "0.00", ""},
    {SPAN_LIT(""), SPAN_LIT(""), NULL, "/3/name /3/price"},
    {SPAN_LIT("a\0b"), SPAN_LIT("1"), NULL, "/3/name"},
    {SPAN_LIT("\xff"), SPAN_LIT("1"), NULL, "/3/name"},
    {SPAN_LIT("\xed\xa0\x80"), SPAN_LIT("1"), NULL, "/3/name"},
    {SPAN_LIT("a"), SPAN_LIT("1e2"), NULL, "/3/price"},
    {SPAN_LIT("a"), SPAN_LIT("-0"), NULL, "/3/price"},
    {SPAN_LIT("a"), SPAN_LIT("NaN"), NULL, "/3/price"},
    {SPAN_LIT("a"), SPAN_LIT("0.005"), NULL, "/3/price"},
    {SPAN_LIT("a"), SPAN_LIT("100000000"), NULL, "/3/price"},
    {SPAN_LIT("a"), SPAN_LIT("99999999.99"), "99999999.99", ""},
    {SPAN_LIT("a"), SPAN_LIT("1\0"), NULL, "/3/price"},
};

START_TEST(text_is_read_as_json_strings_are)
{
	const struct text_case *c = &texts[_i];
	struct product_input input;
	struct mistakes errors;
	char pointers[200] = "";

	mistakes_init(&errors);
	mistakes_enter_item(&errors, 3);
	bool ok = product_read_text(c->name, c->price, &input, &errors);
	ck_assert_int_eq(ok, c->kept != NULL);
	if (ok) {
		ck_assert(span_eq(input.name, c->name));
		ck_assert_str_eq(input.price, c->kept);
	}
	for (size_t i = 0; i < errors.n; i++) {
		strcat(pointers, i ? " " : "");
		strcat(pointers, errors.error[i].pointer);
	}
	ck_assert_str_eq(pointers, c->pointers);
}
END_TEST

/* Of a list, errors add up; a product that has none of its own is right. */
START_TEST(errors_of_a_list)
{
	static const char *const items[] = {"{\"name\":\"a\",\"price\":1}", "{\"a/b\":0}", "7",
					    "{\"name\":\"b\",\"price\":2}"};
	static const bool ok[] = {true, false, false, true};
	static const char *const pointers[] = {"/1/name", "/1/price", "/1/a~1b", "/2"};
	struct product_input input;
	struct mistakes errors;

	mistakes_init(&errors);
	for (size_t i = 0; i < 4; i++) {
		json_t *json = load(items[i]);
		const size_t place = mistakes_enter_item(&errors, i);
		ck_assert_int_eq(product_read(json, PRODUCT_NEW, 0, &input, &errors), ok[i]);
		mistakes_leave(&errors, place);
		json_decref(json);
	}
	ck_assert_uint_eq(errors.n, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(errors.error[i].pointer, pointers[i]);
}
END_TEST

START_TEST(name_length_counts_bytes)
{
	static const struct {
		size_t characters;
		const char *character;
		bool ok;
	} names[] = {
	    {1000, "a", true},
	    {1001, "a", false},
	    {500, "\xc3\xa9", true},
	    {501, "\xc3\xa9", false},
	};

	for (size_t i = 0; i < 4; i++) {
		char text[1100] = "{\"price\":1,\"name\":\"";
		for (size_t j = 0; j < names[i].characters; j++)
			strcat(text, names[i].character);
		strcat(text, "\"}");
		struct product_input input;
		struct mistakes errors;
		json_t *json = load(text);
		mistakes_init(&errors);
		ck_assert_int_eq(product_read(json, PRODUCT_NEW, 0, &input, &errors), names[i].ok);
		json_decref(json);
	}
}
END_TEST

/* However much is wrong, the answer stays small, and each pointer is whole or absent. */
START_TEST(errors_are_bounded)
{
	json_t *json = json_object();
	char key[MISTAKES_KEY_MAX + 2];

	for (size_t i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key %zu", i);
		json_object_set_new(json, key, json_null());
	}
	struct product_input input;
	struct mistakes errors;
	mistakes_init(&errors);
	ck_assert(!product_read(json, PRODUCT_NEW, 0, &input, &errors));
	ck_assert_uint_eq(errors.n, MISTAKES_MAX);
	ck_assert_str_eq(errors.error[errors.n - 1].pointer, "");
	json_decref(json);

	for (size_t len = MISTAKES_KEY_MAX; len <= MISTAKES_KEY_MAX + 1; len++) {
		json = load("{\"name\":\"a\",\"price\":1}");
		memset(key, '~', len);
		key[len] = '\0';
		json_object_set_new(json, key, json_null());
		mistakes_init(&errors);
		ck_assert(!product_read(json, PRODUCT_NEW, 0, &input, &errors));
		ck_assert_uint_eq(errors.n, 1);
		ck_assert_uint_eq(strlen(errors.error[0].pointer),
				  len > MISTAKES_KEY_MAX ? 0 : 1 + 2 * len);
		json_decref(json);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("product_json");
	TCase *tc = tcase_create("product_json");

	tcase_add_loop_test(tc, accepted, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(tc, a_change_says_what_it_changes, 0,
			    sizeof(changes) / sizeof(changes[0]));
	tcase_add_loop_test(tc, text_is_read_as_json_strings_are, 0,
			    sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tc, errors_of_a_list);
	tcase_add_test(tc, name_length_counts_bytes);
	tcase_add_test(tc, errors_are_bounded);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
