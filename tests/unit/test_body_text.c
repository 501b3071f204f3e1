/* links: src/fetch/body_text.c */
/*
 * test_body_text.c - the first hundred characters of bodies in many charsets, well and badly
 * written, whole and cut.
 */
#include "fetch/body_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BAD "\xef\xbf\xbd"

static const struct {
	const char *type;
	struct span body;
	const char *text;
} cases[] = {
    {"", SPAN_LIT(""), ""},
    {"text/plain", SPAN_LIT("hello"), "hello"},
    {"text/plain", SPAN_LIT("\xe5\xa4\xaa\xf0\x9f\x98\x80"), "\xe5\xa4\xaa\xf0\x9f\x98\x80"},
    {"text/plain; charset=utf-8", SPAN_LIT("caf\xc3\xa9"), "caf\xc3\xa9"},
    {"text/plain; charset=ISO-8859-1", SPAN_LIT("caf\xe9 \x80"), "caf\xc3\xa9 \xe2\x82\xac"},
    {"text/plain; charset=\"latin1\"", SPAN_LIT("\xe9"), "\xc3\xa9"},
    {"text/plain;a=b;CHARSET=Windows-1252;x", SPAN_LIT("\xe9"), "\xc3\xa9"},
    {"text/plain; charset=windows-1251", SPAN_LIT("\xcf\xf0\xe8"), "\xd0\x9f\xd1\x80\xd0\xb8"},
    {"text/plain; charset=koi8-r", SPAN_LIT("\xf0\xd2"), "\xd0\x9f\xd1\x80"},
    {"text/html; charset=Shift_JIS", SPAN_LIT("\x93\xfa\x96\x7b"), "\xe6\x97\xa5\xe6\x9c\xac"},
    {"text/html; charset=euc-jp", SPAN_LIT("\xc6\xfc\xcb\xdc"), "\xe6\x97\xa5\xe6\x9c\xac"},
    {"text/html; charset=iso-2022-jp", SPAN_LIT("\x1b$BF|K\\\x1b(Bx"), "\xe6\x97\xa5\xe6\x9c\xacx"},
    {"text/html; charset=gb2312", SPAN_LIT("\xc8\xd5\xb1\xbe"), "\xe6\x97\xa5\xe6\x9c\xac"},
    {"text/html; charset=gb18030", SPAN_LIT("\x94\x39\xfc\x36"), "\xf0\x9f\x98\x80"},
    {"text/html; charset=big5", SPAN_LIT("\xa4\xe9\xa5\xbb"), "\xe6\x97\xa5\xe6\x9c\xac"},
    {"text/html; charset=euc-kr", SPAN_LIT("\xc7\xd1"), "\xed\x95\x9c"},
    /* the last one may have an accent behind it, and then has none */
    {"text/plain; charset=windows-1258", SPAN_LIT("ab"), "ab"},
    {"text/plain; charset=windows-1255", SPAN_LIT("\xf9"), "\xd7\xa9"},
    {"text/html; charset=big5-hkscs", SPAN_LIT("\x88\x66"), "\xc3\x8a"},
    {"text/plain; charset=utf-16", SPAN_LIT("h\0i\0"), "hi"},
    {"text/plain; charset=utf-16le", SPAN_LIT("=\xd8\x00\xde"), "\xf0\x9f\x98\x80"},
    {"text/plain; charset=utf-16be", SPAN_LIT("\0h\0i"), "hi"},
    /* what is not written as it should be is written so all the same */
    {"text/plain; charset=iso8859-2", SPAN_LIT("\xb1"), "\xc4\x85"},
    {"text/plain; charset=cp1250", SPAN_LIT("\xb9"), "\xc4\x85"},
    {"text/plain; charset=latin9", SPAN_LIT("\xa4"), "\xe2\x82\xac"},
    {"text/plain; charset=x-sjis", SPAN_LIT("\x93\xfa"), "\xe6\x97\xa5"},
    {"text/plain; charset=x-gbk", SPAN_LIT("\xc8\xd5"), "\xe6\x97\xa5"},
    {"text/plain; charset=windows-949", SPAN_LIT("\xc7\xd1"), "\xed\x95\x9c"},
    /* byte order marks say more than the charset, and are no text */
    {"text/plain; charset=latin1", SPAN_LIT("\xef\xbb\xbf\xc3\xa9"), "\xc3\xa9"},
    {"text/plain; charset=utf-8", SPAN_LIT("\xff\xfeh\0i\0"), "hi"},
    {"", SPAN_LIT("\xfe\xff\0h\0i"), "hi"},
    {"", SPAN_LIT("a\xef\xbb\xbf"), "a\xef\xbb\xbf"},
    /* no charset that we know */
    {"text/plain; charset=utf-7", SPAN_LIT("+AGE-"), "+AGE-"},
    {"text/plain; charset=ISO-2022-CN-EXT", SPAN_LIT("\xc3\xa9"), "\xc3\xa9"},
    {"text/plain; charset=UTF-8//IGNORE", SPAN_LIT("a\xff"), "a" BAD},
    {"text/plain; charset=../../x", SPAN_LIT("\xc3\xa9"), "\xc3\xa9"},
    {"text/plain; charset=", SPAN_LIT("\xc3\xa9"), "\xc3\xa9"},
    {"text/plain; charset", SPAN_LIT("\xc3\xa9"), "\xc3\xa9"},
    {"text/plain; charset=\"", SPAN_LIT("\xc3\xa9"), "\xc3\xa9"},
    /* zeros are left out */
    {"", SPAN_LIT("a\0b\0\0c"), "abc"},
    {"text/plain; charset=latin1", SPAN_LIT("\0a\0"), "a"},
    /* bad bytes: one for as much as a character could begin with, as browsers do */
    {"", SPAN_LIT("a\xff\xfe!"), "a" BAD BAD "!"},
    {"", SPAN_LIT("\x80\xbf"), BAD BAD},
    {"", SPAN_LIT("\xc0\xaf"), BAD BAD},
    {"", SPAN_LIT("\xe2\x82!"), BAD "!"},
    {"", SPAN_LIT("\xf0\x9f\x98!"), BAD "!"},
    {"", SPAN_LIT("\xf0\x80\x80!"), BAD BAD BAD "!"},
    {"", SPAN_LIT("\xed\xa0\x80"), BAD BAD BAD},
    {"", SPAN_LIT("\xf4\x90\x80\x80"), BAD BAD BAD BAD},
    {"", SPAN_LIT("\xe2\x82"), BAD},
    {"", SPAN_LIT("\xf0\x9f"), BAD},
    {"text/plain; charset=euc-jp", SPAN_LIT("a\xff\xffz"), "a" BAD BAD "z"},
    {"text/plain; charset=euc-jp", SPAN_LIT("a\xc6"), "a" BAD},
    {"text/plain; charset=utf-16le",
     SPAN_LIT("a\0\x00\xdc"
	      "b\0"),
     "a" BAD "b"},
    {"text/plain; charset=utf-16le", SPAN_LIT("a\0b"), "a" BAD},
};

START_TEST(body_is_decoded)
{
	char out[BODY_TEXT_MAX];
	/* a block of its own, for the sanitizer */
	char *body = malloc(cases[_i].body.len + !cases[_i].body.len);

	memcpy(body, cases[_i].body.ptr, cases[_i].body.len);
	const size_t len =
	    body_text(span_str(cases[_i].type), span_from(body, cases[_i].body.len), true, out);
	ck_assert_msg(span_eq(span_from(out, len), span_str(cases[_i].text)), "%.*s", (int)len,
		      out);
	free(body);
}
END_TEST

/* 4,096 bytes of these, of which the first hundred characters count. */
static const struct {
	const char *type, *character, *utf8;
	size_t bytes;
} hundreds[] = {
    {"", "x", "x", 1},
    {"", "\xc3\xa9", "\xc3\xa9", 2},
    {"", "\xe2\x82\xac", "\xe2\x82\xac", 3},
    {"", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 4},
    {"", "\xff", BAD, 1},
    {"; charset=latin1", "\xe9", "\xc3\xa9", 1},
    {"; charset=windows-1252", "\x80", "\xe2\x82\xac", 1},
    {"; charset=gb18030", "\x94\x39\xfc\x36", "\xf0\x9f\x98\x80", 4},
    {"; charset=utf-16be", "\xd8=\xde\x00", "\xf0\x9f\x98\x80", 4},
};

START_TEST(hundred_characters)
{
	char body[BODY_HEAD_MAX + 4], out[BODY_TEXT_MAX], want[BODY_TEXT_MAX];
	const size_t n = strlen(hundreds[_i].utf8);

	for (size_t i = 0; i < BODY_HEAD_MAX; i += hundreds[_i].bytes)
		memcpy(body + i, hundreds[_i].character, hundreds[_i].bytes);
	for (size_t i = 0; i < BODY_TEXT_CHARS; i++)
		memcpy(want + i * n, hundreds[_i].utf8, n);
	const size_t len =
	    body_text(span_str(hundreds[_i].type), span_from(body, BODY_HEAD_MAX), false, out);
	ck_assert_uint_eq(len, BODY_TEXT_CHARS * n);
	ck_assert_mem_eq(out, want, len);
}
END_TEST

START_TEST(cut_character_is_left_out)
{
	char out[BODY_TEXT_MAX];

	ck_assert_uint_eq(body_text(SPAN_LIT(""), SPAN_LIT("a\xe2\x82"), false, out), 1);
	ck_assert_uint_eq(body_text(SPAN_LIT(""), SPAN_LIT("a\xf0\x9f\x98"), false, out), 1);
	ck_assert_uint_eq(body_text(SPAN_LIT(""), SPAN_LIT("a\xff"), false, out), 1);
	ck_assert_uint_eq(body_text(SPAN_LIT("a/b;charset=euc-jp"), SPAN_LIT("a\xc6"), false, out),
			  1);
	/* it is wrong before it is cut */
	ck_assert_uint_eq(body_text(SPAN_LIT(""), SPAN_LIT("\xff\xe2\x82"), false, out), 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("body text");
	TCase *tcase = tcase_create("text");

	tcase_add_loop_test(tcase, body_is_decoded, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(tcase, hundred_characters, 0, sizeof(hundreds) / sizeof(hundreds[0]));
	tcase_add_test(tcase, cut_character_is_left_out);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
