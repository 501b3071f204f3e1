/* links: src/base/log.c */
/*
 * test_base_log.c - what a log line looks like in each format, and that untrusted bytes stay
 * harmless.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int read_end;
static char text[3 * LOG_LINE_MAX];

/* stderr becomes a pipe whose other end the test reads; each test runs in its own process */
static void
capture(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	read_end = fds[0];
	unsetenv("JOURNAL_STREAM");
}

static const char *
captured(void)
{
	ssize_t n = read(read_end, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

START_TEST(text_line_has_time_process_and_level)
{
	int year, month, day, hour, minute, second, ms, end = 0;

	capture();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_set_process("worker 0");
	log_info("%s is %d", "answer", 42);
	const char *line = captured();
	ck_assert_int_eq(sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d.%3d%n", &year, &month, &day, &hour,
				&minute, &second, &ms, &end),
			 7);
	ck_assert_int_eq(end, 23);
	ck_assert_str_eq(line + end, " worker 0 info: answer is 42\n");
}
END_TEST

START_TEST(level_hides_what_is_less_important)
{
	capture();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	log_info("hidden");
	log_debug("hidden");
	ck_assert_str_eq(captured(), "");
	ck_assert(!log_wants(LOG_LEVEL_INFO));
	log_warning("shown");
	ck_assert_ptr_nonnull(strstr(captured(), " warning: shown\n"));
	log_error("shown too");
	ck_assert_ptr_nonnull(strstr(captured(), " error: shown too\n"));
}
END_TEST

START_TEST(journal_line_has_priority_and_no_time)
{
	struct stat st;
	char stream[64];

	capture();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
	log_set_process("master");
	log_error("a");
	ck_assert_str_eq(captured(), "<3>master error: a\n");
	log_warning("b");
	ck_assert_str_eq(captured(), "<4>master warning: b\n");
	log_info("c");
	ck_assert_str_eq(captured(), "<6>master info: c\n");
	log_debug("d");
	ck_assert_str_eq(captured(), "<7>master debug: d\n");
}
END_TEST

START_TEST(journal_of_another_stream_is_not_ours)
{
	capture();
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_info("a");
	ck_assert_int_ne(captured()[0], '<');
}
END_TEST

START_TEST(json_line_escapes_the_message)
{
	capture();
	log_open(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_set_process("worker 1");
	log_info("a \"quoted\" \\ line\nand more");
	const char *line = captured();
	ck_assert_ptr_nonnull(strstr(line, "\"process\":\"worker 1\",\"level\":\"info\","));
	ck_assert_ptr_nonnull(
	    strstr(line, "\"message\":\"a \\\"quoted\\\" \\\\ line\\u000aand more\"}\n"));
	ck_assert_int_eq(strncmp(line, "{\"time\":\"", 9), 0);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(long_message_is_cut_and_stays_one_line)
{
	static char message[2 * LOG_LINE_MAX];

	memset(message, 'x', sizeof(message) - 1);
	for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
		capture();
		log_open((enum log_format)format, LOG_LEVEL_INFO);
		log_info("%s", message);
		const char *line = captured();
		size_t len = strlen(line);
		ck_assert_uint_le(len, LOG_LINE_MAX);
		ck_assert_uint_ge(len, LOG_LINE_MAX - 200);
		ck_assert_int_eq(line[len - 1], '\n');
		ck_assert_ptr_nonnull(strstr(line, "xxx..."));
		if (format == LOG_FORMAT_JSON)
			ck_assert_str_eq(line + len - 3, "\"}\n");
	}
}
END_TEST

START_TEST(newline_in_a_message_does_not_forge_a_line)
{
	capture();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_info("a\n2026-01-01 00:00:00.000 master error: forged");
	const char *line = captured();
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

/* What libraries and PostgreSQL say goes into a line as it is; a terminal shows the line. */
static const struct {
	const char *in, *text, *json;
} messages[] = {
    {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m", "\\u001b[31mred\\u001b[0m"},
    {"ring\a back\b\r start\x7f", "ring\\x07 back\\x08\\x0d start\\x7f",
     "ring\\u0007 back\\u0008\\u000d start\\u007f"},
    {"LINE 1:\tselect\n  ^", "LINE 1: select   ^", "LINE 1:\\u0009select\\u000a  ^"},
    /* C1, as UTF-8 and as bytes */
    {"\xc2\x9b"
     "31m\xc2\x80\xc2\xa0",
     "\\xc2\\x9b31m\\xc2\\x80\xc2\xa0", "\\u009b31m\\u0080\xc2\xa0"},
    {"\x9b"
     "31m\x85",
     "\\x9b31m\\x85", "\\ufffd31m\\ufffd"},
    {"Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8d\x8e",
     "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8d\x8e",
     "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8d\x8e"},
    /* no UTF-8: cut at the end, overlong, a surrogate */
    {"cut \xe2\x82", "cut \\xe2\\x82", "cut \\ufffd\\ufffd"},
    {"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
    {"C:\\path \"x\"", "C:\\path \"x\"", "C:\\\\path \\\"x\\\""},
};

START_TEST(a_line_has_nothing_that_a_terminal_obeys)
{
	char want[256];

	capture();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_info("%s", messages[_i].in);
	snprintf(want, sizeof(want), " info: %s\n", messages[_i].text);
	const char *line = captured();
	ck_assert_msg(strstr(line, want) != NULL, "%s", line);
	log_open(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_info("%s", messages[_i].in);
	snprintf(want, sizeof(want), "\"message\":\"%s\"}\n", messages[_i].json);
	line = captured();
	ck_assert_msg(strstr(line, want) != NULL, "%s", line);
}
END_TEST

/* check(3) ends a test that waits. */
START_TEST(a_reader_that_is_stuck_stops_nobody)
{
	static char fill[LOG_LINE_MAX];
	int flags;

	capture();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	flags = fcntl(STDERR_FILENO, F_GETFL);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(STDERR_FILENO, fill, sizeof(fill)) > 0)
		;
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, flags), 0);
	log_info("lost");
	log_info("lost too");
	while (read(read_end, text, sizeof(text)) > 0)
		;
	log_info("shown");
	const char *line = captured();
	ck_assert_ptr_nonnull(strstr(line, " warning: 2 log lines before this one were lost"));
	ck_assert_ptr_nonnull(strstr(line, " info: shown\n"));
	log_info("and once");
	ck_assert_ptr_null(strstr(captured(), "warning"));
}
END_TEST

static const struct {
	const char *in;
	size_t len;
	size_t size;
	const char *out;
} escapes[] = {
    {"plain", 5, 64, "plain"},
    {"a\nb", 3, 64, "a\\nb"},
    {"\x1b[31m\x7f\xff", 7, 64, "\\x1b[31m\\x7f\\xff"},
    {"back\\slash", 10, 64, "back\\\\slash"},
    {"nul\0in", 6, 64, "nul\\x00in"},
    {"0123456789abcdef", 16, 16, "012345678..."},
    {"", 0, 16, ""},
};

START_TEST(escape_makes_bytes_printable)
{
	char out[64];

	ck_assert_str_eq(log_escape(out, escapes[_i].size, escapes[_i].in, escapes[_i].len),
			 escapes[_i].out);
}
END_TEST

/* Of each, the last one that fits depends on where the line began: eight places tell them all. */
static const struct {
	enum log_format format;
	const char *unit;  /* fills the message */
	const char *shown; /* as the line has it */
	const char *end;
} cuts[] = {
    {LOG_FORMAT_JSON, "\x01", "\\u0001", "...\"}\n"},
    {LOG_FORMAT_JSON, "\"", "\\\"", "...\"}\n"},
    {LOG_FORMAT_JSON, "\xf0\x9f\x8d\x8e", "\xf0\x9f\x8d\x8e", "...\"}\n"},
    {LOG_FORMAT_TEXT, "\xf0\x9f\x8d\x8e", "\xf0\x9f\x8d\x8e", "...\n"},
    {LOG_FORMAT_TEXT, "\x1b", "\\x1b", "...\n"},
    {LOG_FORMAT_TEXT, "\xc2\x9b", "\\xc2\\x9b", "...\n"},
    {LOG_FORMAT_JSON, "\xff", "\\ufffd", "...\"}\n"},
};

START_TEST(cut_goes_through_no_escape_and_no_character)
{
	static char message[2 * LOG_LINE_MAX];
	const char *unit = cuts[_i].unit, *shown = cuts[_i].shown, *end = cuts[_i].end;

	capture();
	log_open(cuts[_i].format, LOG_LEVEL_INFO);
	for (size_t before = 0; before < 8; before++) {
		size_t at = before;

		memset(message, 'x', before);
		for (; at + strlen(unit) < sizeof(message); at += strlen(unit))
			memcpy(message + at, unit, strlen(unit));
		message[at] = '\0';
		log_info("%s", message);
		const char *line = captured();
		size_t len = strlen(line);
		ck_assert_uint_le(len, LOG_LINE_MAX);
		ck_assert_str_eq(line + len - strlen(end), end);
		/* whole ones only, back to the first */
		const char *p = line + len - strlen(end), *first = strstr(line, shown);
		ck_assert_ptr_nonnull(first);
		ck_assert_uint_eq((size_t)(p - first) % strlen(shown), 0);
		for (; p > first; p -= strlen(shown))
			ck_assert_int_eq(strncmp(p - strlen(shown), shown, strlen(shown)), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, text_line_has_time_process_and_level);
	tcase_add_test(tc, level_hides_what_is_less_important);
	tcase_add_test(tc, journal_line_has_priority_and_no_time);
	tcase_add_test(tc, journal_of_another_stream_is_not_ours);
	tcase_add_test(tc, json_line_escapes_the_message);
	tcase_add_test(tc, long_message_is_cut_and_stays_one_line);
	tcase_add_loop_test(tc, cut_goes_through_no_escape_and_no_character, 0,
			    sizeof(cuts) / sizeof(cuts[0]));
	tcase_add_test(tc, newline_in_a_message_does_not_forge_a_line);
	tcase_add_loop_test(tc, a_line_has_nothing_that_a_terminal_obeys, 0,
			    sizeof(messages) / sizeof(messages[0]));
	tcase_add_test(tc, a_reader_that_is_stuck_stops_nobody);
	tcase_add_loop_test(tc, escape_makes_bytes_printable, 0,
			    sizeof(escapes) / sizeof(escapes[0]));
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
