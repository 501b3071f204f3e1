/* links: src/http/access_log.c src/http/access_line.c $(request) src/http/chars.c
 * src/http/host.c src/base/loop.c src/base/clock.c src/base/log.c */
/*
 * test_access_log.c - lines on their way out: whole, in order, to whatever standard output is, and
 * never at the price of the loop.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "http/access_log.h"

static struct loop *loop;
static struct access_log *log_;
static struct config config;
static struct request request;
static struct access_peer peer;
static int read_end, error_end;
static char text[16 << 20];

/* Both standard outputs become what the test reads; each test runs in its own process. */
static int
capture_error(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	return fds[0];
}

static void
capture(int fds[2])
{
	error_end = capture_error();
	ck_assert_int_eq(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
	close(fds[1]);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	read_end = fds[0];
}

static void
capture_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	capture(fds);
}

static const char *
read_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void
start(enum access_form form)
{
	config.log_access = (int)form;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	log_ = access_log_new(&config, 0);
	ck_assert_ptr_nonnull(log_);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	access_log_start(log_, loop);
}

static void
stop(void)
{
	access_log_free(&log_);
	ck_assert_ptr_null(log_);
	loop_free(&loop);
}

/* The target says which line it is; 200 bytes or so, `extra` more. */
static void
add_line(unsigned n, size_t extra)
{
	static char target[ACCESS_TARGET_MAX];
	struct access_entry entry = {.request = &request, .peer = &peer, .status = 200};
	int len = snprintf(target, sizeof(target), "/%06u/", n);

	memset(target + len, 'x', extra);
	request.target = span_from(target, (size_t)len + extra);
	access_log_add(log_, &entry);
}

static void
stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	loop_stop(loop);
}

/* Passes of the loop, for so long. */
static void
turn_ms(uint64_t ms)
{
	struct watch timer;

	watch_init_timer(&timer, loop, "test", stop_cb, NULL);
	ck_assert(watch_start_ms(&timer, ms));
	loop_run(loop);
}

/* The lines in `out` are whole and in order; how many there are. */
static unsigned
check_lines(const char *out)
{
	unsigned n = 0;
	long last = -1;

	for (const char *line = out; *line; n++) {
		const char *end = strchr(line, '\n'), *target = strstr(line, "\"GET /");

		ck_assert_msg(end != NULL, "an end is missing: %s", line);
		ck_assert_msg(strncmp(line, "unix: - - [", 11) == 0, "no beginning: %.80s", line);
		ck_assert_msg(target && target < end, "no request: %.80s", line);
		const char *another = strstr(line + 1, "unix:");
		ck_assert_msg(!another || another > end, "two in one: %.200s", line);
		ck_assert_msg(strncmp(end - 8, " \"-\" \"-\"", 8) == 0, "no end: %.80s", line);
		long number = strtol(target + 6, NULL, 10);
		ck_assert_int_gt(number, last);
		last = number;
		line = end + 1;
	}
	return n;
}

static unsigned
count_lost(const char *errors)
{
	unsigned lost = 0;

	for (const char *at = errors; (at = strstr(at, "access log: ")); at++) {
		unsigned n;

		ck_assert_int_eq(sscanf(at, "access log: %u access lines lost", &n), 1);
		lost += n;
	}
	return lost;
}

START_TEST(off_is_nothing)
{
	ck_assert_ptr_null(access_log_new(&config, 0));
	access_log_free(&log_);
}
END_TEST

START_TEST(lines_leave_at_the_end_of_the_pass)
{
	capture_pipe();
	start(ACCESS_COMBINED);
	add_line(1, 0);
	add_line(2, 0);
	ck_assert_str_eq(read_all(read_end), "");
	turn_ms(0);
	ck_assert_uint_eq(check_lines(read_all(read_end)), 2);
	/* and at the end of all, without a pass */
	add_line(3, 0);
	stop();
	ck_assert_uint_eq(check_lines(read_all(read_end)), 1);
	ck_assert_str_eq(read_all(error_end), "");
}
END_TEST

/* A packet pipe keeps what was written together, and shows it. */
START_TEST(pieces_for_a_pipe_are_whole_lines_that_stay_together)
{
	static char piece[65536];
	unsigned n = 0, pieces = 0;
	int fds[2];
	ssize_t len;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	capture(fds);
	start(ACCESS_COMBINED);
	for (unsigned i = 0; i < 100; i++)
		add_line(i, 7 * i);
	turn_ms(0);
	while ((len = read(read_end, piece, sizeof(piece) - 1)) > 0) {
		ck_assert_int_le(len, ACCESS_LINE_MAX);
		piece[len] = '\0';
		n += check_lines(piece);
		pieces++;
	}
	ck_assert_uint_eq(n, 100);
	/* as few as can be, about */
	ck_assert_uint_le(pieces, 100 * (150 + 7 * 50) / ACCESS_LINE_MAX * 5 / 4);
	stop();
}
END_TEST

START_TEST(more_lines_than_the_buffer_has_room_for_all_come)
{
	static const char name[] = "/tmp/plaza-access-XXXXXX";
	char path[sizeof(name)];

	memcpy(path, name, sizeof(name));
	error_end = capture_error();
	int fd = mkostemp(path, O_APPEND);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	start(ACCESS_COMBINED);
	for (unsigned i = 0; i < 300; i++)
		add_line(i, ACCESS_TARGET_MAX - 10);
	turn_ms(0);
	stop();
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_uint_eq(check_lines(read_all(fd)), 300);
	ck_assert_str_eq(read_all(error_end), "");
}
END_TEST

/* What a stalled output costs: lines, told of once. Nothing waits: check(3) would end the test. */
static void
stall_and_go_on(void)
{
	const unsigned total = 3000;

	start(ACCESS_COMBINED);
	for (unsigned i = 0; i < total; i++) {
		add_line(i, 100);
		if (i % 100 == 99)
			turn_ms(0);
	}
	const char *errors = read_all(error_end);
	unsigned told = count_lost(errors);
	ck_assert_uint_gt(told, 0);
	/* at once, and then not again for a minute */
	ck_assert_ptr_nonnull(strstr(errors, "warning: access log: "));
	ck_assert_ptr_nonnull(strstr(errors, "nobody reads standard output"));
	ck_assert_ptr_null(strstr(strstr(errors, "access log: ") + 1, "access log: "));
	/* the reader comes back: the oldest lines are there, and new ones follow */
	unsigned n = check_lines(read_all(read_end));
	turn_ms(20);
	n += check_lines(read_all(read_end));
	add_line(total, 0);
	turn_ms(20);
	const char *rest = read_all(read_end);
	n += check_lines(rest);
	ck_assert_ptr_nonnull(strstr(rest, "GET /003000/"));
	stop();
	/* the rest of the count comes at the latest with the end */
	unsigned lost = told + count_lost(read_all(error_end));
	ck_assert_uint_eq(n + lost, total + 1);
}

START_TEST(a_full_pipe_loses_lines_and_tells_how_many)
{
	capture_pipe();
	stall_and_go_on();
}
END_TEST

START_TEST(a_full_socket_loses_lines_and_tells_how_many)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	capture(fds);
	stall_and_go_on();
}
END_TEST

START_TEST(room_that_was_read_is_used_again)
{
	static char some[32768];
	unsigned i = 0;

	capture_pipe();
	start(ACCESS_COMBINED);
	for (; i < 3000; i++) {
		add_line(i, 100);
		if (i % 100 == 99)
			turn_ms(0);
	}
	ck_assert_int_eq(read(read_end, some, sizeof(some)), sizeof(some));
	turn_ms(20);
	/* the pipe is full again, and the buffer is not */
	add_line(i, 0);
	size_t len = strlen(read_all(read_end));
	turn_ms(20);
	ssize_t n = read(read_end, text + len, sizeof(text) - 1 - len);
	ck_assert_int_gt(n, 0);
	text[len + (size_t)n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "GET /003000/"));
	stop();
}
END_TEST

/* Another user's pipe cannot be opened anew. */
START_TEST(a_full_pipe_of_another_user_does_not_block_either)
{
	capture_pipe();
	ck_assert_int_eq(setgid(65534), 0);
	ck_assert_int_eq(setuid(65534), 0);
	stall_and_go_on();
}
END_TEST

START_TEST(a_reader_that_is_gone_costs_lines_only)
{
	capture_pipe();
	start(ACCESS_JSON);
	close(read_end);
	for (unsigned i = 0; i < 10; i++) {
		add_line(i, 0);
		turn_ms(0);
	}
	const char *errors = read_all(error_end);
	ck_assert_ptr_nonnull(strstr(errors, "access log: 1 access lines lost: Broken pipe\n"));
	stop();
	ck_assert_ptr_nonnull(
	    strstr(read_all(error_end), "access log: 9 access lines lost: Broken pipe\n"));
}
END_TEST

START_TEST(a_full_disk_is_told_by_its_name)
{
	error_end = capture_error();
	int fd = open("/dev/full", O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	start(ACCESS_COMBINED);
	add_line(1, 0);
	add_line(2, 0);
	turn_ms(0);
	ck_assert_ptr_nonnull(
	    strstr(read_all(error_end), "2 access lines lost: No space left on device\n"));
	stop();
}
END_TEST

/* A file that takes a part of a line gets its rest before anything else. */
START_TEST(a_line_that_has_begun_is_ended)
{
	static const char name[] = "/tmp/plaza-access-XXXXXX";
	char path[sizeof(name)];
	struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};

	memcpy(path, name, sizeof(name));
	error_end = capture_error();
	int fd = mkostemp(path, O_APPEND);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	start(ACCESS_COMBINED);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 1000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 40; i++) {
		add_line(i, 30);
		if (i % 4 == 3)
			turn_ms(0);
	}
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	add_line(40, 0);
	turn_ms(0);
	stop();
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	unsigned n = check_lines(read_all(fd));
	ck_assert_ptr_nonnull(strstr(text, "GET /000040/"));
	ck_assert_uint_gt(n, 5);
	ck_assert_uint_eq(n + count_lost(read_all(error_end)), 41);
}
END_TEST

START_TEST(standard_output_stays_as_it_was_given)
{
	capture_pipe();
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	start(ACCESS_COMBINED);
	add_line(1, 0);
	turn_ms(0);
	/* others have it too, and would be surprised by O_NONBLOCK */
	ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL), flags);
	stop();
	ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL), flags);
}
END_TEST

START_TEST(a_kept_request_makes_its_line_later)
{
	static char kept[ACCESS_KEPT_MAX];
	struct access_entry entry = {.peer = &peer, .status = 499};

	capture_pipe();
	start(ACCESS_COMBINED);
	request.target = SPAN_LIT("/kept");
	struct span span = access_log_keep(log_, &request);
	ck_assert_uint_le(span.len, sizeof(kept));
	memcpy(kept, span.ptr, span.len);
	request.target = SPAN_LIT("/other");
	access_log_keep(log_, &request);
	entry.kept = span_from(kept, span.len);
	access_log_add(log_, &entry);
	stop();
	ck_assert_ptr_nonnull(strstr(read_all(read_end), "\"GET /kept HTTP/1.0\" 499 0 "));
}
END_TEST

/* Two processes, one pipe: what the workers do. */
START_TEST(lines_of_two_processes_do_not_mix)
{
	const unsigned total = 4000;
	unsigned n = 0;
	size_t len = 0;
	ssize_t got;

	capture_pipe();
	for (unsigned child = 0; child < 2; child++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid)
			continue;
		close(read_end);
		start(ACCESS_COMBINED);
		for (unsigned i = 0; i < total; i++) {
			add_line(child * total + i, i * 31 % 1500);
			if (i % 20 == 19)
				turn_ms(i % 60 == 59);
		}
		stop();
		exit(0);
	}
	close(STDOUT_FILENO);
	ck_assert_int_eq(fcntl(read_end, F_SETFL, 0), 0);
	while ((got = read(read_end, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	for (char *line = text, *end; *line; line = end + 1, n++) {
		end = strchr(line, '\n');
		ck_assert_ptr_nonnull(end);
		*end = '\0';
		ck_assert_int_eq(strncmp(line, "unix: - - [", 11), 0);
		ck_assert_int_eq(strncmp(end - 8, " \"-\" \"-\"", 8), 0);
		ck_assert_ptr_null(strstr(line + 1, "unix:"));
	}
	for (unsigned child = 0; child < 2; child++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_gt(n, 100);
	ck_assert_uint_eq(n + count_lost(read_all(error_end)), 2 * total);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access_log");
	TCase *tc = tcase_create("access_log");

	tcase_add_test(tc, off_is_nothing);
	tcase_add_test(tc, lines_leave_at_the_end_of_the_pass);
	tcase_add_test(tc, pieces_for_a_pipe_are_whole_lines_that_stay_together);
	tcase_add_test(tc, more_lines_than_the_buffer_has_room_for_all_come);
	tcase_add_test(tc, a_full_pipe_loses_lines_and_tells_how_many);
	tcase_add_test(tc, room_that_was_read_is_used_again);
	tcase_add_test(tc, a_full_socket_loses_lines_and_tells_how_many);
	if (geteuid() == 0)
		tcase_add_test(tc, a_full_pipe_of_another_user_does_not_block_either);
	tcase_add_test(tc, a_reader_that_is_gone_costs_lines_only);
	tcase_add_test(tc, a_full_disk_is_told_by_its_name);
	tcase_add_test(tc, a_line_that_has_begun_is_ended);
	tcase_add_test(tc, standard_output_stays_as_it_was_given);
	tcase_add_test(tc, a_kept_request_makes_its_line_later);
	tcase_add_test(tc, lines_of_two_processes_do_not_mix);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
