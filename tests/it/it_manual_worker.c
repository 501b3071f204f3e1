/*
 * it_manual_worker.c - the worker in sh of plaza-api(7), as it stands there: some of them run jobs,
 * and are killed at random, and one is stopped in the midst of a job for longer than its lease. No
 * job is lost, none has two ends, and who is late is not believed. A result that is not taken is
 * told, and its job is not done again.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define WORKERS 3 /* the first one is stopped, the others are killed */
#define JOBS    30
#define KILLS   8

/* The display of the page that is a script. */
static char *
script_of_page(void)
{
	char *path = it_printf("%s/man/plaza-api.7", it_srcdir());
	char *page = it_read_file(path), *out = NULL;
	size_t len = 0;

	ck_assert_ptr_nonnull(page);
	const char *at = strstr(page, "\n#!/bin/sh\n");
	ck_assert_msg(at != NULL, "%s has no script", path);
	const char *end = strstr(++at, "\n.Ed");
	ck_assert_ptr_nonnull(end);
	FILE *f = open_memstream(&out, &len);
	/* roff: \e is a backslash */
	for (; at <= end; at++) {
		if (at[0] == '\\' && at[1] == 'e') {
			putc('\\', f);
			at++;
		} else {
			putc(*at, f);
		}
	}
	fclose(f);
	free(page);
	free(path);
	return out;
}

static const char *
write_program(const char *name, const char *text)
{
	const char *path = it_path(name);

	it_write_file(path, text);
	ck_assert_int_eq(chmod(path, 0755), 0);
	return path;
}

static pid_t
start_worker(const char *script, const char *url, const char *program)
{
	const pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		it_die_with_test();
		/* so that the kill takes what it has started, too */
		setpgid(0, 0);
		execl(script, script, url, program, (char *)NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	return pid;
}

static void
kill_worker(pid_t pid)
{
	ck_assert_int_eq(kill(-pid, SIGKILL), 0);
	it_wait_pid(pid);
}

static long
count(const char *sql)
{
	char *text = pg_ask(sql);
	const long n = strtol(text, NULL, 10);

	free(text);
	return n;
}

static void
put_jobs(const struct daemon *d, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char *body = it_printf("{\"kind\":\"square\",\"args\":{\"n\":%u},"
				       "\"max_attempts\":100}",
				       i);
		http_expect(daemon_port(d), "POST", "/api/jobs",
			    "Content-Type: application/json\r\n", body, 202, NULL);
		free(body);
	}
}

START_TEST(killed_and_late_workers_lose_nothing)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	/* so long the job of a killed worker is nobody's */
	struct daemon *d = daemon_start(option, "jobs.lease=1s", NULL);
	char *url = it_printf("http://127.0.0.1:%u", daemon_port(d));
	char *text = script_of_page();
	const char *script = write_program("worker.sh", text);
	/* it leaves a line for each time that a job is begun; the first time of all stops its
	 * worker, and itself */
	char *ledger = it_printf("%s", it_path("ledger")), *late = it_printf("%s", it_path("late"));
	char *code = it_printf("#!/bin/sh\nn=$(jq .n)\necho \"$n\" >>'%s'\n"
			       "[ -e '%s' ] || { : >'%s'; kill -STOP 0; }\n"
			       "printf '{\"square\":%%d}' $((n * n))\n",
			       ledger, late, late);
	const char *program = write_program("square.sh", code);
	unsigned seed = (unsigned)getpid();
	pid_t worker[WORKERS];

	daemon_wait_store(d);
	it_write_file(ledger, "");
	put_jobs(d, 0, 1);
	worker[0] = start_worker(script, url, program);
	WAIT_UNTIL(access(late, F_OK) == 0);
	put_jobs(d, 1, JOBS);
	for (unsigned i = 1; i < WORKERS; i++)
		worker[i] = start_worker(script, url, program);
	/* one after the other is killed when some more jobs have been begun */
	for (unsigned k = 0; k < KILLS; k++) {
		char *lines = it_printf("select %u < count(*) from job_result", 2 * k);
		const unsigned i = 1 + (unsigned)rand_r(&seed) % (WORKERS - 1);

		WAIT_UNTIL(*pg_ask(lines) == 't');
		kill_worker(worker[i]);
		worker[i] = start_worker(script, url, program);
		free(lines);
	}
	WAIT_UNTIL(count("select count(*) from job_result where state = 'd'") == JOBS);
	for (unsigned i = 1; i < WORKERS; i++)
		kill_worker(worker[i]);
	/* now the first one tells its end, before it can have this job, which is left to it alone
	 */
	ck_assert_int_eq(kill(-worker[0], SIGCONT), 0);
	put_jobs(d, JOBS, JOBS + 1);
	WAIT_UNTIL(count("select count(*) from job_result where state = 'd'") == JOBS + 1);
	kill_worker(worker[0]);

	/* each has one end, of its last attempt, with the result of its own arguments */
	ck_assert_int_eq(count("select count(distinct id) from job_result where state = 'd'"),
			 JOBS + 1);
	ck_assert_int_eq(count("select count(*) from job_result d join jobs j using (id) where "
			       "d.state = 'd' and j.args->>'n' = '0' and d.attempt > 1"),
			 1);
	ck_assert_int_eq(count("select count(*) from job_result d join job_result e using (id) "
			       "where d.state = 'd' and e.attempt > d.attempt"),
			 0);
	ck_assert_int_eq(count("select count(*) from jobs j join job_result r using (id) "
			       "where r.state = 'd' and (r.result->>'square')::int = "
			       "((j.args->>'n')::int) ^ 2"),
			 JOBS + 1);
	ck_assert_int_eq(count("select count(*) from job_lease"), 0);
	ck_assert_int_eq(count("select count(*) from job_ready"), 0);
	char *begun = it_read_file(ledger);
	for (unsigned i = 0; i <= JOBS; i++) {
		char *line = it_printf("\n%u\n", i), *all = it_printf("\n%s", begun);
		ck_assert_msg(strstr(all, line) != NULL, "job %u was never begun", i);
		free(all);
		free(line);
	}
	daemon_stop(d);
	free(begun);
	free(code);
	free(late);
	free(ledger);
	free(text);
	free(url);
	free(option);
}
END_TEST

/* What a program writes that is no result: a plain text, two values, too much. */
static const char *const no_results[] = {"echo mail sent", "echo 1; echo 2",
					 "printf '\"%070000d\"' 0"};

START_TEST(a_result_that_is_not_taken_fails_the_job)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(option, "jobs.lease=1s", NULL);
	char *url = it_printf("http://127.0.0.1:%u", daemon_port(d));
	char *text = script_of_page();
	const char *script = write_program("worker.sh", text);
	char *ledger = it_printf("%s", it_path("ledger"));
	char *code = it_printf("#!/bin/sh\necho begun >>'%s'\n%s\n", ledger, no_results[_i]);
	const char *program = write_program("plain.sh", code);

	daemon_wait_store(d);
	put_jobs(d, 0, 1);
	const pid_t worker = start_worker(script, url, program);
	WAIT_UNTIL(count("select count(*) from job_result where state = 'f'") == 1);
	kill_worker(worker);
	ck_assert_int_eq(count("select count(*) from job_result where attempt = 1 and "
			       "error like '%its result is no JSON, or too long%'"),
			 1);
	char *begun = it_read_file(ledger);
	ck_assert_str_eq(begun, "begun\n");
	daemon_stop(d);
	free(begun);
	free(code);
	free(ledger);
	free(text);
	free(url);
	free(option);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "worker");

	tcase_add_test(tc, killed_and_late_workers_lose_nothing);
	tcase_add_loop_test(tc, a_result_that_is_not_taken_fails_the_job, 0,
			    sizeof(no_results) / sizeof(no_results[0]));
}

int
main(void)
{
	return it_main("manual_worker", fill, IT_WITH_PG);
}
