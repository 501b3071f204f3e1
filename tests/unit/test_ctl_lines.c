/* links: src/ctl/lines.c src/base/buffer.c */
/*
 * test_ctl_lines.c - lines are cut out of any reads alike, and messages are shown as one line each.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/lines.h"

/* Writes `len` bytes into a pipe and reads them as they come; the pipe holds 64 KiB. */
static void
feed(struct line_reader *reader, int fds[2], const char *data, size_t len)
{
	ck_assert_int_eq(write(fds[1], data, len), (ssize_t)len);
	ck_assert_int_eq(line_reader_read(reader, fds[0]), LINE_READ_MORE);
}

static const struct {
	const char *input;
	size_t n;
	const char *lines[4];
} inputs[] = {
    {"", 0, {NULL}},
    {"\n", 1, {""}},
    {"a\nbc\n", 2, {"a", "bc"}},
    {"a\nbc", 2, {"a", "bc"}},
    {"\n\na\r\n", 3, {"", "", "a\r"}},
    {"\xe5\xa4\xaa\xe9\x83\x8e\n", 1, {"\xe5\xa4\xaa\xe9\x83\x8e"}},
};

/* However the bytes are cut into reads: all at once, one by one, two by two. */
START_TEST(lines_are_the_same_however_they_come)
{
	for (size_t step = 1; step <= 3; step++) {
		struct line_reader reader = {0};
		size_t n = 0, at = 0, len = strlen(inputs[_i].input);
		struct span line;
		int fds[2];

		ck_assert_int_eq(pipe(fds), 0);
		while (at < len || !reader.is_eof) {
			size_t piece = step == 3 || len - at < step ? len - at : step;

			if (at < len) {
				feed(&reader, fds, inputs[_i].input + at, piece);
				at += piece;
			} else {
				close(fds[1]);
				ck_assert_int_eq(line_reader_read(&reader, fds[0]), LINE_READ_END);
			}
			while (line_reader_next(&reader, &line) == LINE_NEXT_LINE) {
				ck_assert_uint_lt(n, inputs[_i].n);
				ck_assert(span_eq(line, span_str(inputs[_i].lines[n])));
				ck_assert_uint_eq(reader.number, ++n);
			}
		}
		ck_assert_uint_eq(n, inputs[_i].n);
		close(fds[0]);
		line_reader_fini(&reader);
	}
}
END_TEST

START_TEST(longest_line_is_taken_and_a_longer_one_is_not)
{
	static char chunk[65536];
	struct line_reader reader = {0};
	struct span line;
	int fds[2];

	memset(chunk, 'x', sizeof(chunk));
	ck_assert_int_eq(pipe(fds), 0);
	for (int i = 0; i < 16; i++) {
		feed(&reader, fds, chunk, sizeof(chunk));
		ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_NONE);
	}
	feed(&reader, fds, "\n", 1);
	ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_LINE);
	ck_assert_uint_eq(line.len, LINE_MAX_BYTES);
	for (int i = 0; i < 16; i++)
		feed(&reader, fds, chunk, sizeof(chunk));
	ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_NONE);
	feed(&reader, fds, "x", 1);
	ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_LONG);
	ck_assert_uint_eq(reader.number, 2);
	close(fds[0]);
	close(fds[1]);
	line_reader_fini(&reader);
}
END_TEST

START_TEST(line_that_is_not_utf8_is_told)
{
	struct line_reader reader = {0};
	struct span line;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	feed(&reader, fds, "ok\n\xc3\n", 5);
	ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_LINE);
	ck_assert_int_eq(line_reader_next(&reader, &line), LINE_NEXT_NOT_UTF8);
	ck_assert_uint_eq(reader.number, 2);
	close(fds[0]);
	close(fds[1]);
	line_reader_fini(&reader);
}
END_TEST

#define SPAN(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

static const struct {
	struct span message;
	bool is_binary;
	const char *shown;
} shows[] = {
    {SPAN(""), false, "\n"},
    {SPAN("plain \\n \xe5\xa4\xaa"), false, "plain \\n \xe5\xa4\xaa\n"},
    {SPAN("a\tb\nc\rd\x1b[31m\x7f"), false, "a\tb\\nc\\x0dd\\x1b[31m\\x7f\n"},
    {SPAN("a\0b"), false, "a\\x00b\n"},
    /* C1 controls, and their neighbour that is none */
    {SPAN("\xc2\x9b\xc2\xa0\xc2\x80"), false, "\\xc2\\x9b\xc2\xa0\\xc2\\x80\n"},
    /* and what is no UTF-8: a byte alone, a character that is cut, one that is overlong */
    {SPAN("a\x9b"
	  "b\xe5\xa4"),
     false, "a\\x9bb\\xe5\\xa4\n"},
    {SPAN("\xc0\xaf\xc2"), false, "\\xc0\\xaf\\xc2\n"},
    {SPAN(""), true, "binary: \n"},
    {SPAN("a\\\0\n\t\xff"
	  "b~"),
     true, "binary: a\\\\\\x00\\n\\x09\\xffb~\n"},
};

START_TEST(message_is_shown_as_one_line)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	line_show(out, shows[_i].message, shows[_i].is_binary);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_str_eq(text, shows[_i].shown);
	free(text);
}
END_TEST

START_TEST(text_goes_into_a_buffer_in_whole_characters)
{
	static const char *const shown[] = {"",
					    "a",
					    "a",
					    "a\xc3\xa9",
					    "a\xc3\xa9\\",
					    "a\xc3\xa9\\x",
					    "a\xc3\xa9\\x1",
					    "a\xc3\xa9\\x1b",
					    "a\xc3\xa9\\x1b"};
	char out[16];

	for (size_t size = 1; size <= sizeof(shown) / sizeof(shown[0]); size++) {
		memset(out, 'x', sizeof(out));
		text_show(out, size, span_str("a\xc3\xa9\x1b"));
		ck_assert_str_eq(out, shown[size - 1]);
	}
	text_show(out, sizeof(out), span_from(NULL, 0));
	ck_assert_str_eq(out, "");
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("ctl_lines");
	TCase *tcase = tcase_create("lines");

	tcase_add_loop_test(tcase, lines_are_the_same_however_they_come, 0, COUNT(inputs));
	tcase_add_test(tcase, longest_line_is_taken_and_a_longer_one_is_not);
	tcase_add_test(tcase, line_that_is_not_utf8_is_told);
	tcase_add_loop_test(tcase, message_is_shown_as_one_line, 0, COUNT(shows));
	tcase_add_test(tcase, text_goes_into_a_buffer_in_whole_characters);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
