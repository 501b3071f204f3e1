/*
 * harness.h - what every integration test stands on: deadlines instead of sleeps, a directory of
 * the program's own, programs run with their output caught, and nothing left behind.
 *
 * One guard process per test program waits for the program's end, however it comes, and then
 * removes the directory and the PostgreSQL cluster in it. Each test is a process of its own
 * (check's CK_FORK); what it starts dies with it.
 */
#ifndef PLAZA_TESTS_IT_HARNESS_H
#define PLAZA_TESTS_IT_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How long anything may take before a test gives up: generous, for sanitizers on a busy machine. */
#define IT_DEADLINE_MS 20000

#define IT_WITH_PG 1u /* the program wants a PostgreSQL (pg.h) */

/*
 * main of a test program. `fill` adds test cases made by it_case. Environment: PLAZAD and PLAZACTL
 * (the programs under test, default ./src/...), srcdir.
 */
int it_main(const char *name, void (*fill)(Suite *suite), unsigned flags);
TCase *it_case(Suite *suite, const char *name);

const char *it_plazad(void);
const char *it_plazactl(void);
const char *it_srcdir(void);
/* The program's directory, readable by all: workers of a root daemon are nobody. */
const char *it_dir(void);
/* DIR/name, which is unique to this test; good until the test ends. */
const char *it_path(const char *name);

void it_write_file(const char *path, const char *text);
/* The whole file with a terminator; the caller frees. NULL when it cannot be read. */
char *it_read_file(const char *path);
/* printf into memory that the caller frees */
char *it_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

uint64_t it_now_ms(void);

/*
 * A file in which something is kept that is to be printed if this test fails, however it fails:
 * whatever has the suffix ".log" in it_dir at the end is printed. Good until the test ends.
 */
const char *it_log_path(void);

/* Adds to ASAN_OPTIONS for what this test starts from here on; nothing without sanitizers. */
void it_asan_option(const char *option);
/* Whether this build has the address sanitizer, the daemon's memory and time being no measure. */
bool it_has_sanitizers(void);

struct it_wait {
	uint64_t until_ms;
};
struct it_wait it_wait_begin(void);
/* Returns after some milliseconds, or fails the test when the deadline has passed. */
void it_wait_again(const struct it_wait *wait, const char *file, int line, const char *what);

/* Asks until the answer is true; fails the test after IT_DEADLINE_MS. */
#define WAIT_UNTIL(expr)                                                  \
	do {                                                              \
		const struct it_wait wait_ = it_wait_begin();             \
		while (!(expr))                                           \
			it_wait_again(&wait_, __FILE__, __LINE__, #expr); \
	} while (0)

/* A program run by a test, its output caught. */
struct run {
	int status; /* exit status, or 128 + signal */
	char *out;
	size_t out_len;
	char *err;
	size_t err_len;
};

/* Runs it to its end with `input` (may be NULL) as its standard input. */
void run_program(struct run *run, const char *input, const char *const *argv);
/* The same with arguments listed, the first being the program; ends with NULL. */
void run_args(struct run *run, const char *input, ...) __attribute__((sentinel));
void run_fini(struct run *run);

/* A program that a test talks with while it runs. */
struct child {
	pid_t pid;
	int in;  /* -1 when closed */
	int out; /* its standard output; its stderr goes to ours */
	char *buf;
	size_t len, cap;
};

void child_start(struct child *child, const char *const *argv);
void child_write(struct child *child, const char *text);
void child_close_input(struct child *child);
/* The next line without its newline, which the caller frees; NULL at the end of its output. */
char *child_read_line(struct child *child);
/* Waits for its end; the exit status, or 128 + signal. */
int child_wait(struct child *child);

/* Waits with a deadline for a child process; exit status, or 128 + signal. */
int it_wait_pid(pid_t pid);

/* In a forked child before exec: ends when the test does. */
void it_die_with_test(void);

#endif
