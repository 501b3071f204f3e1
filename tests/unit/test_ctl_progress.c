/* links: src/ctl/progress.c src/ctl/lines.c src/base/buffer.c src/base/clock.c */
/*
 * test_ctl_progress.c - the line of progress, at every width, and that there is none without a
 * terminal.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/progress.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
	uint64_t done, all, rows, ms;
	const char *note;
	unsigned columns;
	const char *line;
} lines[] = {
    {0, 100, 0, 0, NULL, 79,
     "importing   0% ["
     "........................................"
     "] 0 rows, 0/s"},
    {50, 100, 7, 1000, NULL, 79,
     "importing  50% ["
     "####################...................."
     "] 7 rows, 7/s"},
    {100, 100, 9000, 3000, NULL, 79,
     "importing 100% ["
     "########################################"
     "] 9000 rows, 3000/s"},
    /* an estimate that was too low */
    {150, 100, 1, 1000, NULL, 79,
     "importing 100% ["
     "########################################"
     "] 1 rows, 1/s"},
    /* too many to multiply in whole numbers */
    {UINT64_MAX / 2, UINT64_MAX, 1, 1000, NULL, 42, "importing  50% [######.......] 1 rows, 1/s"},
    {50, 100, 7, 1000, NULL, 40, "importing  50% [#####......] 7 rows, 7/s"},
    {50, 100, 7, 1000, NULL, 38, "importing  50% 7 rows, 7/s"},
    {50, 100, 7, 1000, NULL, 12, "importing  5"},
    {50, 100, 7, 1000, NULL, 1, "i"},
    {0, 0, 7, 500, NULL, 79, "importing 7 rows, 14/s"},
    {0, 0, 7, 500, "busy", 79, "importing 7 rows; busy"},
    /* never half a character */
    {0, 0, 7, 500, "b\xc3\xa9", 20, "importing 7 rows; b"},
    {0, 0, 7, 500, "b\xc3\xa9", 21, "importing 7 rows; b\xc3\xa9"},
    {50, 100, 7, 500, "\xe2\x82\xac", 24, "importing  50% 7 rows; "},
    {50, 100, 7, 500, "busy", 79,
     "importing  50% ["
     "####################...................."
     "] 7 rows; busy"},
};

START_TEST(a_line_fits_the_terminal)
{
	struct progress progress = {.what = "importing",
				    .done = lines[_i].done,
				    .all = lines[_i].all,
				    .unit = "rows",
				    .count = lines[_i].rows,
				    .begun_ms = 5000};
	char out[PROGRESS_LINE_MAX];

	progress_line(&progress, 5000 + lines[_i].ms, lines[_i].note, lines[_i].columns, out);
	ck_assert_uint_le(strlen(out), lines[_i].columns);
	ck_assert_str_eq(out, lines[_i].line);
}
END_TEST

START_TEST(no_width_is_passed)
{
	struct progress progress = {
	    .what = "exporting", .done = 1, .all = 3, .unit = "rows", .count = 123456789};
	char out[PROGRESS_LINE_MAX], note[300];

	memset(note, 'n', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	for (unsigned columns = 1; columns < 1000; columns++) {
		progress_line(&progress, 60000, columns % 2 ? note : NULL, columns, out);
		ck_assert_uint_le(strlen(out), columns);
		ck_assert_uint_lt(strlen(out), sizeof(out));
		ck_assert_int_eq(strncmp(out, "exporting", columns < 9 ? columns : 9), 0);
	}
}
END_TEST

START_TEST(it_is_shown_and_taken_away_on_a_terminal_alone)
{
	char *text = NULL;
	size_t len = 0;

	for (int is_terminal = 0; is_terminal < 2; is_terminal++) {
		FILE *out = open_memstream(&text, &len);
		struct progress progress;

		progress_init(&progress, out, is_terminal, "importing", "rows");
		progress_show(&progress, NULL);
		progress.count = 5;
		/* too soon for another one */
		progress_show(&progress, NULL);
		progress_hide(&progress);
		progress_hide(&progress);
		fclose(out);
		ck_assert_str_eq(text, is_terminal ? "\r\033[Kimporting 0 rows, 0/s\r\033[K" : "");
		free(text);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl progress");
	TCase *tc = tcase_create("progress");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, a_line_fits_the_terminal, 0, N(lines));
	tcase_add_test(tc, no_width_is_passed);
	tcase_add_test(tc, it_is_shown_and_taken_away_on_a_terminal_alone);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
