/* links: src/ctl/input.c src/ctl/ctl.c src/ctl/queue.c src/ctl/lines.c src/base/buffer.c */
/*
 * test_ctl_input.c - lines of the standard input, lines that wait, numbers of arguments.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/input.h"
#include "ctl/queue.h"

/* The standard input becomes a pipe with this in it, at its end. */
static void
give(const char *text, size_t len)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], text, len), (ssize_t)len);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
	close(fds[1]);
}

START_TEST(lines_come_until_the_end)
{
	struct input in = {0};
	struct span line;

	give("a\n\nb", 4);
	ck_assert(!input_line(&in, &line));
	ck_assert(input_read(&in));
	ck_assert(input_line(&in, &line));
	ck_assert(span_eq(line, SPAN_LIT("a")));
	ck_assert(input_line(&in, &line));
	ck_assert(span_eq(line, SPAN_LIT("")));
	/* whether there is more of it is not known yet */
	ck_assert(!input_line(&in, &line));
	ck_assert(!in.is_over);
	ck_assert(input_read(&in));
	ck_assert(in.is_over);
	ck_assert(input_line(&in, &line));
	ck_assert(span_eq(line, SPAN_LIT("b")));
	ck_assert(!input_line(&in, &line));
	ck_assert_str_eq(in.why, "");
	input_fini(&in);
}
END_TEST

START_TEST(bad_line_is_the_end)
{
	struct input in = {0};
	struct span line;

	give("a\n\xff\nb\n", 6);
	ck_assert(input_read(&in));
	ck_assert(input_line(&in, &line));
	ck_assert(!input_line(&in, &line));
	ck_assert(in.is_over);
	ck_assert_str_eq(in.why, "line 2 is not UTF-8, which a text message must be");
	ck_assert(!input_line(&in, &line));
	input_fini(&in);
	/* nor can one that is closed be read */
	in = (struct input){0};
	close(STDIN_FILENO);
	ck_assert(!input_read(&in));
	ck_assert(in.is_over);
	ck_assert_ptr_nonnull(strstr(in.why, "cannot read the input: "));
	input_fini(&in);
}
END_TEST

START_TEST(longest_line_is_told)
{
	struct input in = {0};
	struct span line;
	char piece[4096];
	int fds[2];

	memset(piece, 'x', sizeof(piece));
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
	for (size_t n = 0; n <= LINE_MAX_BYTES && !in.why[0]; n += sizeof(piece)) {
		ck_assert_int_eq(write(fds[1], piece, sizeof(piece)), (ssize_t)sizeof(piece));
		ck_assert(input_read(&in));
		ck_assert(!input_line(&in, &line));
	}
	ck_assert_str_eq(in.why, "line 1 is too long; accepted: 1048576 bytes");
	close(fds[1]);
	input_fini(&in);
}
END_TEST

START_TEST(first_interrupt_is_ours)
{
	int fd = interrupt_open();
	sigset_t blocked;

	ck_assert_int_ge(fd, 0);
	raise(SIGTERM);
	interrupt_take(fd);
	/* and the next one is not */
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
	ck_assert(!sigismember(&blocked, SIGTERM));
	ck_assert(!sigismember(&blocked, SIGINT));
	close(fd);
}
END_TEST

START_TEST(queue_keeps_the_order)
{
	struct queue q;
	struct queued *line;

	queue_init(&q);
	ck_assert(queue_add(&q, SPAN_LIT("a")));
	ck_assert(queue_add(&q, SPAN_LIT("")));
	ck_assert(queue_add(&q, SPAN_LIT("ccc")));
	ck_assert_uint_eq(q.n, 3);
	ck_assert_uint_eq(q.bytes, 3 * sizeof(*line) + 4);
	line = queue_pop(&q);
	ck_assert(span_eq(queued_span(line), SPAN_LIT("a")));
	queue_push(&q, line);
	for (int i = 0; i < 3; i++) {
		static const char *const order[] = {"", "ccc", "a"};

		line = queue_pop(&q);
		ck_assert(span_eq(queued_span(line), span_str(order[i])));
		free(line);
	}
	ck_assert_uint_eq(q.n, 0);
	ck_assert_uint_eq(q.bytes, 0);
	/* an emptied one is as good as new, and what is left is given back */
	ck_assert(queue_add(&q, SPAN_LIT("d")));
	ck_assert_ptr_eq(q.last, &q.first->next);
	queue_fini(&q);
	ck_assert_ptr_null(q.first);
}
END_TEST

static const struct {
	const char *text;
	uint64_t max;
	bool is_good;
	uint64_t number;
} numbers[] = {
    {"0", 9, true, 0},
    {"007", 7, true, 7},
    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, false, 0},
    {"8", 7, false, 0},
    {"", 7, false, 0},
    {" 1", 7, false, 0},
    {"+1", 7, false, 0},
    {"-1", UINT64_MAX, false, 0},
    {"1x", 7, false, 0},
    {"0x1", 7, false, 0},
};

START_TEST(number_is_decimal)
{
	uint64_t number = 0;
	bool is_good = number_parse(numbers[_i].text, numbers[_i].max, &number);

	ck_assert_int_eq(is_good, numbers[_i].is_good);
	if (is_good)
		ck_assert_uint_eq(number, numbers[_i].number);
}
END_TEST

START_TEST(first_reason_counts)
{
	int exit = CTL_OK, fds[2];
	char text[100];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	ctl_fail(&exit, "one %d", 1);
	ctl_fail(&exit, "two");
	ck_assert_int_eq(exit, CTL_FAILED);
	ssize_t n = read(fds[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "plazactl: one 1\n");
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("ctl_input");
	TCase *tcase = tcase_create("input");

	tcase_add_test(tcase, lines_come_until_the_end);
	tcase_add_test(tcase, bad_line_is_the_end);
	tcase_add_test(tcase, longest_line_is_told);
	tcase_add_test(tcase, first_interrupt_is_ours);
	tcase_add_test(tcase, queue_keeps_the_order);
	tcase_add_loop_test(tcase, number_is_decimal, 0, COUNT(numbers));
	tcase_add_test(tcase, first_reason_counts);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
