/*
 * it_ctl_jobs.c - plazactl jobs against the whole daemon: jobs put, listed, looked at, cancelled,
 * tried again and waited for, in pipes and on terminals.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/job_http.c tests/it/terminal.c -lpq -ljansson */
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "job_db.h"
#include "job_http.h"
#include "pg.h"
#include "terminal.h"

#define ARGS_MAX 16

static struct daemon *
start(void)
{
	return jobs_start("server.workers=1", NULL);
}

static char *
url_of(const struct daemon *d)
{
	return it_printf("http://127.0.0.1:%u", daemon_port(d));
}

/* plazactl jobs -u .. ARGUMENT... */
static void
run_jobs(struct run *run, const struct daemon *d, const char *input, ...)
{
	char *url = url_of(d);
	const char *argv[ARGS_MAX + 5] = {it_plazactl(), "jobs", "-u", url}, *arg;
	size_t n = 4;
	va_list ap;

	va_start(ap, input);
	while ((arg = va_arg(ap, const char *)) != NULL) {
		ck_assert_uint_lt(n, ARGS_MAX + 4);
		argv[n++] = arg;
	}
	va_end(ap);
	run_program(run, input, argv);
	free(url);
}

/* It ends so, with nothing on its standard error; its output, which the caller frees. */
#define jobs_says(d, ...)                                                         \
	({                                                                        \
		struct run run_;                                                  \
                                                                                  \
		run_jobs(&run_, d, NULL, __VA_ARGS__, NULL);                      \
		ck_assert_msg(run_.status == 0, "%d: %s", run_.status, run_.err); \
		ck_assert_str_eq(run_.err, "");                                   \
		char *out_ = strdup(run_.out);                                    \
		run_fini(&run_);                                                  \
		out_;                                                             \
	})

static void
cut_newline(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

/* plazactl jobs put ..., its id; the caller frees */
#define put_says(d, ...)                                      \
	({                                                    \
		char *id_ = jobs_says(d, "put", __VA_ARGS__); \
		ck_assert_uint_eq(strlen(id_), 37);           \
		cut_newline(id_);                             \
		id_;                                          \
	})

/* The fields at these numbers of each line, with a blank between them; the caller frees. */
static char *
fields_of(const char *text, const char *awk)
{
	struct run run;

	run_args(&run, text, "awk", awk, NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	char *out = strdup(run.out);
	run_fini(&run);
	return out;
}

static void
expect_text(char *have, const char *want)
{
	ck_assert_str_eq(have, want);
	free(have);
}

/* --- put --- */

START_TEST(a_job_is_put_as_the_options_say)
{
	struct daemon *d = start();
	char *id = put_says(d, "-q", "q.1", "-p", "0", "-a", "7", "-U", "one \xc3\xa9", "-r",
			    "2099-01-01T00:00:00Z", "mail", " {\"to\": 1.10, \"at\": \"\\u00e9\"}");
	char *same = put_says(d, "-q", "q.1", "-U", "one \xc3\xa9", "mail"), *text, *plain;
	json_t *job = jobs_get(d, id);

	ck_assert_str_eq(job_str(job, "kind"), "mail");
	ck_assert_str_eq(job_str(job, "queue"), "q.1");
	ck_assert_str_eq(job_str(job, "state"), "scheduled");
	ck_assert_str_eq(job_str(job, "unique"), "one \xc3\xa9");
	ck_assert_str_eq(job_str(job, "run_at"), "2099-01-01T00:00:00.000Z");
	ck_assert_int_eq(job_int(job, "priority"), 0);
	ck_assert_int_eq(job_int(job, "max_attempts"), 7);
	json_decref(job);
	/* the same key: the same job */
	ck_assert_str_eq(same, id);
	/* args are what was written */
	text = jobs_says(d, "show", id);
	ck_assert_msg(strstr(text, "\"args\":{\"to\": 1.10, \"at\": \"\\u00e9\"}") != NULL, "%s",
		      text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	plain = put_says(d, "mail");
	job = jobs_get(d, plain);
	ck_assert_str_eq(job_str(job, "queue"), "default");
	ck_assert_int_eq(job_int(job, "priority"), 5);
	ck_assert_uint_eq(json_object_size(json_object_get(job, "args")), 0);
	json_decref(job);
	free(plain);
	free(text);
	free(same);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(args_come_from_the_input)
{
	struct daemon *d = start();
	struct run run;

	run_jobs(&run, d, "[1,\n2]\n", "put", "mail", "-", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	cut_newline(run.out);
	json_t *job = jobs_get(d, run.out);
	ck_assert_uint_eq(json_array_size(json_object_get(job, "args")), 2);
	json_decref(job);
	/* it is shown on one line, as it was written but for the line break */
	char *text = jobs_says(d, "show", run.out);
	ck_assert_msg(strstr(text, "\"args\":[1, 2]") != NULL, "%s", text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	run_fini(&run);
	run_jobs(&run, d, "[1,", "put", "mail", "-", NULL);
	ck_assert_int_eq(run.status, 2);
	ck_assert_ptr_nonnull(strstr(run.err, "the arguments of the job are no JSON: "));
	run_fini(&run);
	run_jobs(&run, d, "", "put", "mail", "-", NULL);
	ck_assert_int_eq(run.status, 2);
	run_fini(&run);
	ck_assert_int_eq(job_number("select count(*) from jobs"), 1);
	daemon_stop(d);
}
END_TEST

START_TEST(a_refusal_is_told_with_its_place_and_hint)
{
	struct daemon *d = start();
	struct run run;

	run_jobs(&run, d, NULL, "put", "sleep", "{\"ms\":\"1\"}", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strstr(run.err, "/api/jobs: 422: /args/ms: must be a whole number") != NULL,
		      "%s", run.err);
	ck_assert_ptr_nonnull(strstr(run.err, "\nhint: "));
	run_fini(&run);
	run_jobs(&run, d, NULL, "put", "-r", "tomorrow", "sleep", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_ptr_nonnull(strstr(run.err, "/run_at: must be a time"));
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

static bool
has_line(const char *path)
{
	char *text = it_read_file(path);
	const bool is_so = text && strchr(text, '\n');

	free(text);
	return is_so;
}

/* It is waited for: the queue has room when its job has ended. */
START_TEST(a_full_queue_is_waited_for)
{
	struct daemon *d = start();
	char *url = url_of(d), *line;
	const char *err = it_path("err");
	char *command =
	    it_printf("exec '%s' jobs -u %s put -q q mail 2>'%s'", it_plazactl(), url, err);
	const char *argv[] = {"sh", "-c", command, NULL};
	struct child child;
	struct run run;

	jobs_do(d, "PATCH", PATCH, "{\"depth\":1}", 200, QUEUES "/q");
	free(put_says(d, "-q", "q", "mail"));
	run_jobs(&run, d, NULL, "-w", "0", "put", "-q", "q", "mail", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "given up: the next try") != NULL, "%s", run.err);
	run_fini(&run);
	child_start(&child, argv);
	/* somebody who sees no progress is told, once for all attempts */
	WAIT_UNTIL(has_line(err));
	json_t *claimed = jobs_claim(d, "q", 60);
	line = child_read_line(&child);
	ck_assert_ptr_nonnull(line);
	ck_assert_uint_eq(strlen(line), 36);
	ck_assert_int_eq(child_wait(&child), 0);
	free(line);
	line = it_read_file(err);
	ck_assert_msg(
	    strncmp(line, "plazactl: the queue q has as many jobs waiting as it may", 56) == 0,
	    "%s", line);
	ck_assert_msg(strcmp(strchr(line, '\n') - 29, "; trying again for up to 60 s\n") == 0, "%s",
		      line);
	free(line);
	free(command);
	json_decref(claimed);
	free(url);
	daemon_stop(d);
}
END_TEST

/* --- list, show --- */

START_TEST(lists_are_what_the_filters_say)
{
	struct daemon *d = start();
	char *a = put_says(d, "-q", "one", "mail"), *b = put_says(d, "-q", "two", "mail");
	char *c = put_says(d, "-q", "one", "print"), *out, *want;

	free(jobs_says(d, "cancel", b));
	out = jobs_says(d, "list");
	want = it_printf("%s queued one print 0/5\n%s cancelled two mail 0/5\n"
			 "%s queued one mail 0/5\n",
			 c, b, a);
	expect_text(fields_of(out, "{print $1, $2, $3, $4, $5}"), want);
	free(want);
	/* when: a time in one field, and the last */
	expect_text(fields_of(out, "$6 ~ /^20[0-9-]*T[0-9:]*Z$/ && NF == 6 {print \"y\"}"),
		    "y\ny\ny\n");
	/* without a verb, options before and behind it */
	expect_text(jobs_says(d, "-n", "0"), out);
	want = it_printf("%s\n%s\n", c, a);
	expect_text(fields_of(jobs_says(d, "-q", "one"), "{print $1}"), want);
	expect_text(fields_of(jobs_says(d, "list", "-s", "queued"), "{print $1}"), want);
	expect_text(fields_of(jobs_says(d, "-s", "queued", "list"), "{print $1}"), want);
	free(want);
	want = it_printf("%s\n", a);
	expect_text(fields_of(jobs_says(d, "-k", "mail", "list", "-q", "one"), "{print $1}"), want);
	free(want);
	want = it_printf("%s\n%s\n", c, b);
	expect_text(fields_of(jobs_says(d, "-n", "2"), "{print $1}"), want);
	free(want);
	expect_text(jobs_says(d, "-q", "three"), "");
	free(out);
	free(a);
	free(b);
	free(c);
	daemon_stop(d);
}
END_TEST

START_TEST(pages_are_put_together)
{
	struct daemon *d = start();
	char *out;

	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	job_put_sleeps("q", 2300, 0);
	out = jobs_says(d, "list");
	expect_text(fields_of(out, "!seen[$1]++ {n++} END {print n, NR}"), "2300 2300\n");
	expect_text(fields_of(jobs_says(d, "-n", "1500"), "END {print NR}"), "1500\n");
	free(out);
	/* who reads no further has seen enough */
	char *url = url_of(d);
	char *command = it_printf("'%s' jobs -u %s | head -1 | wc -l", it_plazactl(), url);
	struct run run;
	run_args(&run, NULL, "sh", "-c", command, NULL);
	ck_assert_int_eq(atoi(run.out), 1);
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	free(command);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(people_see_heads_and_twenty)
{
	struct daemon *d = start();
	char *command, *text, *id;

	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	job_put_sleeps("q", 30, 0);
	command = it_printf("'%s' jobs -u http://127.0.0.1:%u 1>&2", it_plazactl(), daemon_port(d));
	text = terminal_run(command, 0);
	expect_text(fields_of(text, "NR == 1 {print $1, $2} END {print NR}"), "ID STATE\n21\n");
	free(command);
	free(text);
	id = job_text("select min(id::text) from jobs");
	command = it_printf("'%s' jobs -u http://127.0.0.1:%u show %s 1>&2", it_plazactl(),
			    daemon_port(d), id);
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "{\r\n  \"id\": \"") == text, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\r\n  \"state\": \"queued\",\r\n"));
	/* it is JSON still */
	json_t *json = json_loads(text, 0, NULL);
	ck_assert_str_eq(job_str(json, "id"), id);
	json_decref(json);
	free(command);
	free(text);
	free(id);
	daemon_stop(d);
}
END_TEST

/* --- cancel, retry --- */

START_TEST(jobs_are_cancelled_and_tried_again)
{
	struct daemon *d = start();
	char *a = put_says(d, "-q", "q", "mail"), *b = put_says(d, "-q", "q", "mail"), *want;
	json_t *claimed = jobs_claim(d, "q", 60);
	struct run run;

	ck_assert_str_eq(job_str(claimed, "id"), a);
	want = it_printf("%s cancelling\n%s cancelled\n", a, b);
	expect_text(jobs_says(d, "cancel", a, b), want);
	free(want);
	want = it_printf("%s queued\n", b);
	expect_text(jobs_says(d, "retry", b), want);
	/* what cannot be done costs no other: a runs, and nobody has made the last one */
	run_jobs(&run, d, NULL, "retry", a, "00000000-0000-7000-8000-000000000000", b, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	char *first = it_printf("/api/jobs/%s/retry: 409: it is running, and", a);
	ck_assert_msg(strstr(run.err, first) != NULL, "%s", run.err);
	free(first);
	first = it_printf("/api/jobs/%s/retry: 409: it is queued, and", b);
	ck_assert_msg(strstr(run.err, first) != NULL, "%s", run.err);
	free(first);
	ck_assert_ptr_nonnull(strstr(run.err, "8000-000000000000/retry: 4"));
	run_fini(&run);
	run_jobs(&run, d, NULL, "cancel", "00000000-0000-7000-8000-000000000000", b, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_uint_eq(run.out_len, strlen("00000000-0000-7000-8000-000000000000 cancelled\n"));
	run_fini(&run);
	free(want);
	json_decref(claimed);
	free(a);
	free(b);
	daemon_stop(d);
}
END_TEST

START_TEST(all_in_a_state_are_taken)
{
	struct daemon *d = start();
	char *mail = put_says(d, "-q", "q", "mail");

	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/r");
	job_put_sleeps("q", 1200, 0);
	job_put_sleeps("r", 3, 0);
	expect_text(fields_of(jobs_says(d, "cancel", "-s", "queued", "-q", "q", "-k", "sleep"),
			      "$2 == \"cancelled\" && !seen[$1]++ {n++} END {print n, NR}"),
		    "1200 1200\n");
	jobs_is(d, mail, "queued");
	expect_text(fields_of(jobs_says(d, "list", "-s", "queued"), "END {print NR}"), "4\n");
	expect_text(fields_of(jobs_says(d, "retry", "-q", "q", "-s", "cancelled"),
			      "$2 == \"queued\" && !seen[$1]++ {n++} END {print n, NR}"),
		    "1200 1200\n");
	expect_text(jobs_says(d, "retry", "-s", "dead"), "");
	expect_text(fields_of(jobs_says(d, "cancel", "-s", "queued"), "END {print NR}"), "1204\n");
	free(mail);
	daemon_stop(d);
}
END_TEST

/* --- wait, queues --- */

/* Whether there is an established TCP connection with this inode. */
static bool
is_established(const char *inode)
{
	char *command = it_printf("$4 == \"01\" && $10 == \"%s\" {exit 1}", inode);
	struct run run;

	run_args(&run, NULL, "awk", command, "/proc/net/tcp", NULL);
	const bool is_so = run.status == 1;
	run_fini(&run);
	free(command);
	return is_so;
}

/* Whether a client has begun to talk with its server. */
static bool
has_connection(pid_t pid)
{
	bool is_so = false;

	for (int fd = 3; fd < 32 && !is_so; fd++) {
		char path[64], target[64];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		const ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strncmp(target, "socket:[", 8) == 0) {
			target[strcspn(target, "]")] = '\0';
			is_so = is_established(target + 8);
		}
	}
	return is_so;
}

START_TEST(a_queue_is_waited_for)
{
	struct daemon *d = start();
	char *url = url_of(d), *line, *id = put_says(d, "-q", "q", "mail");
	const char *argv[] = {it_plazactl(), "jobs", "-u", url, "wait", "q", NULL};
	struct child child;
	struct run run;

	json_t *claimed = jobs_claim(d, "q", 60);
	child_start(&child, argv);
	json_decref(jobs_call(d, claimed, "finish", "\"result\":1", 200));
	line = child_read_line(&child);
	ck_assert_ptr_nonnull(line);
	expect_text(fields_of(line, "{print $1, $2, $3, $6, $7}"), "q 0 0 1000 open\n");
	ck_assert_int_eq(child_wait(&child), 0);
	free(line);
	/* and one that is empty already, or not there */
	expect_text(fields_of(jobs_says(d, "wait", "-q", "q"), "{print $1, $2, $3}"), "q 0 0\n");
	run_jobs(&run, d, NULL, "wait", NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "");
	ck_assert_str_eq(run.err,
			 "plazactl: there is no queue default, so there is nothing in it\n");
	run_fini(&run);
	json_decref(claimed);
	free(id);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(a_wait_outlives_the_daemon)
{
	const char *conninfo = pg_fresh();
	struct daemon *d = job_daemon(conninfo, "server.workers=1", NULL);
	char *url, *listen, *line;
	struct child child;

	jobs_wait_ready(d);
	url = url_of(d);
	listen = it_printf("server.listen=127.0.0.1:%u", daemon_port(d));
	const char *argv[] = {it_plazactl(), "jobs", "-u", url, "wait", "q", NULL};
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	job_put_sleeps("q", 3, 10);
	child_start(&child, argv);
	WAIT_UNTIL(has_connection(child.pid));
	jobs_settle(d);
	daemon_stop(d);
	d = job_daemon(conninfo, listen, "server.workers=1", NULL);
	jobs_wait_ready(d);
	jobs_do(d, "PATCH", PATCH, "{\"paused\":false}", 200, QUEUES "/q");
	line = child_read_line(&child);
	ck_assert_ptr_nonnull(line);
	expect_text(fields_of(line, "{print $1, $2, $3}"), "q 0 0\n");
	ck_assert_int_eq(child_wait(&child), 0);
	free(line);
	free(listen);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_alone)
{
	struct daemon *d = start();
	char *url = url_of(d), *id = put_says(d, "-q", "q", "mail");
	const char *argv[] = {it_plazactl(), "jobs", "-u", url, "wait", "q", NULL};
	struct child child;

	child_start(&child, argv);
	WAIT_UNTIL(has_connection(child.pid));
	ck_assert_int_eq(kill(child.pid, SIGINT), 0);
	ck_assert_ptr_null(child_read_line(&child));
	ck_assert_int_eq(child_wait(&child), 1);
	jobs_is(d, id, "queued");
	free(id);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(a_terminal_sees_a_bar)
{
	struct daemon *d = start();
	char *command, *text;

	job_put_sleeps("q", 5, 100);
	command = it_printf("'%s' jobs -u http://127.0.0.1:%u wait q >/dev/null", it_plazactl(),
			    daemon_port(d));
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "waiting ") != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, " jobs ended, "));
	ck_assert_str_eq(text + strlen(text) - 4, "\r\033[K");
	free(command);
	free(text);
	daemon_stop(d);
}
END_TEST

START_TEST(queues_are_lines)
{
	struct daemon *d = start();
	char *out, *command, *text;

	expect_text(jobs_says(d, "queues"), "");
	free(put_says(d, "-q", "b", "mail"));
	free(put_says(d, "-q", "b", "mail"));
	json_t *claimed = jobs_claim(d, "b", 60);
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true,\"concurrency\":3}", 200, QUEUES "/a");
	out = jobs_says(d, "queues");
	expect_text(fields_of(out, "{print $1, $2, $3, $6, $7}"), "a 0 0 3 paused\n"
								  "b 1 1 1000 open\n");
	free(out);
	command = it_printf("'%s' jobs -u http://127.0.0.1:%u queues 1>&2", it_plazactl(),
			    daemon_port(d));
	text = terminal_run(command, 0);
	expect_text(fields_of(text, "NR == 1 {print $1} END {print NR}"), "QUEUE\n3\n");
	free(command);
	free(text);
	json_decref(claimed);
	daemon_stop(d);
}
END_TEST

START_TEST(a_wait_has_an_end)
{
	struct daemon *d = start();
	char *id = put_says(d, "-q", "q", "mail");
	struct run run;

	run_jobs(&run, d, NULL, "wait", "-t", "300ms", "q", NULL);
	ck_assert_int_eq(run.status, 1);
	expect_text(fields_of(run.out, "{print $1, $2, $3}"), "q 1 0\n");
	ck_assert_str_eq(run.err, "plazactl: the queue q is not empty after 300ms: 1 waiting, "
				  "0 running\n");
	run_fini(&run);
	json_t *claimed = jobs_claim(d, "q", 60);
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	run_jobs(&run, d, NULL, "-t", "1s", "wait", "-q", "q", NULL);
	ck_assert_int_eq(run.status, 1);
	/* who waits for a paused queue hears of it */
	ck_assert_str_eq(run.err,
			 "plazactl: the queue q is paused: what waits in it stays until "
			 "plazactl jobs resume q\n"
			 "plazactl: the queue q is not empty after 1s: 0 waiting, 1 running; "
			 "it is paused\n");
	run_fini(&run);
	json_decref(jobs_call(d, claimed, "finish", "\"result\":1", 200));
	expect_text(fields_of(jobs_says(d, "wait", "-t", "1h", "q"), "{print $1, $2, $3, $7}"),
		    "q 0 0 paused\n");
	json_decref(claimed);
	free(id);
	daemon_stop(d);
}
END_TEST

/* name, concurrency, state, depth */
#define LIMITS "{print $1, $6, $7, $8}"

START_TEST(queues_are_paused_and_limited)
{
	struct daemon *d = start();
	char *command, *text;
	struct run run;

	free(put_says(d, "-q", "a", "mail"));
	expect_text(fields_of(jobs_says(d, "pause", "a", "b"), LIMITS),
		    "a 1000 paused 10000\nb 1000 paused 10000\n");
	expect_text(fields_of(jobs_says(d, "limit", "a", "depth=20", "concurrency=3"), LIMITS),
		    "a 3 paused 20\n");
	/* one of them leaves the other one */
	expect_text(fields_of(jobs_says(d, "limit", "a", "concurrency=4"), LIMITS),
		    "a 4 paused 20\n");
	expect_text(fields_of(jobs_says(d, "resume", "a"), LIMITS), "a 4 open 20\n");
	expect_text(fields_of(jobs_says(d, "limit", "a", "depth=conf"), LIMITS),
		    "a 4 open 10000\n");
	expect_text(fields_of(jobs_says(d, "queues"), LIMITS),
		    "a 4 open 10000\nb 1000 paused 10000\n");
	/* what plaza.conf does not allow, both of it */
	run_jobs(&run, d, NULL, "limit", "a", "concurrency=1001", "depth=4000000000", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_ptr_nonnull(strstr(run.err, "/api/queues/a: 422: /concurrency: must be a whole "
					      "number from 1 to 1000 (jobs.queue_concurrency"));
	ck_assert_ptr_nonnull(strstr(run.err, "; /depth: must be a whole number from 1 to 10000"));
	run_fini(&run);
	command = it_printf("'%s' jobs -u http://127.0.0.1:%u resume a b 1>&2", it_plazactl(),
			    daemon_port(d));
	text = terminal_run(command, 0);
	expect_text(fields_of(text, "NR == 1 {print $8} END {print NR, $7}"), "DEPTH\r\n3 open\n");
	free(command);
	free(text);
	daemon_stop(d);
}
END_TEST

/* --- failures and arguments --- */

/* What cannot be written is a failure, whatever there is of it; a reader who has gone is silent. */
START_TEST(output_that_fails_is_told)
{
	struct daemon *d = start();
	char *id = put_says(d, "-q", "q", "mail");
	const struct {
		const char *verb, *to, *says;
	} outputs[] = {
	    {"list", ">/dev/full", "No space left on device"},
	    {"list", ">&-", "Bad file descriptor"},
	    {"list", "| true", NULL},
	    {"queues", ">/dev/full", "No space left on device"},
	    {"pause q", ">&-", "Bad file descriptor"},
	    {"show", ">/dev/full", "No space left on device"},
	    {"show", "| true", NULL},
	    {"put -q q mail", ">/dev/full", "No space left on device"},
	};

	/* more than is kept in memory, so that some of it fails before the end */
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/p");
	job_put_sleeps("p", 500, 0);
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		const bool shows = strcmp(outputs[i].verb, "show") == 0;
		char *command = it_printf(
		    "set -o pipefail; '%s' jobs -u http://127.0.0.1:%u %s %s %s", it_plazactl(),
		    daemon_port(d), outputs[i].verb, shows ? id : "", outputs[i].to);
		struct run run;

		run_args(&run, NULL, "bash", "-c", command, NULL);
		ck_assert_str_eq(run.out, "");
		if (outputs[i].says) {
			ck_assert_msg(run.status == 1, "%s: %d", command, run.status);
			ck_assert_msg(strstr(run.err, outputs[i].says) != NULL, "%s: %s", command,
				      run.err);
		} else {
			ck_assert_str_eq(run.err, "");
		}
		run_fini(&run);
		free(command);
	}
	free(id);
	daemon_stop(d);
}
END_TEST

static const char *const verbs[][3] = {
    {"list"},
    {"put", "mail"},
    {"queues"},
    {"wait"},
    {"wait", "-t", "1h"},
    {"pause", "q"},
    {"resume", "q"},
    {"limit", "q", "depth=1"},
    {"show", "00000000-0000-7000-8000-000000000000"},
    {"cancel", "00000000-0000-7000-8000-000000000000"},
    {"retry", "-s", "dead"},
};

START_TEST(a_server_that_is_not_there_is_told)
{
	const char *argv[8] = {it_plazactl(), "jobs", "-u", "http://127.0.0.1:1"};
	struct run run;

	for (size_t i = 0; i < 3 && verbs[_i][i]; i++)
		argv[4 + i] = verbs[_i][i];
	run_program(&run, NULL, argv);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strncmp(run.err, "plazactl: http://127.0.0.1:1: ", 30) == 0, "%s", run.err);
	run_fini(&run);
}
END_TEST

static const struct {
	const char *argv[6], *says;
} wrong[] = {
    {{"delete"}, "jobs has no verb delete; accepted: list, put, show, "},
    {{"list", "x"}, "jobs list takes options and no argument"},
    {{"list", "-p", "1"}, "jobs list has no option -p"},
    {{"-p", "1"}, "jobs list has no option -p"},
    {{"-x"}, "jobs has no option -x"},
    {{"list", "-q"}, "-q takes a value"},
    {{"-q", "a b"}, "-q a b: accepted: 1 to 64 of the characters"},
    {{"-q", ""}, "-q : accepted: 1 to 64 of the characters"},
    {{"-k", "a/b"}, "-k a/b: accepted: 1 to 64"},
    {{"-s", "ended"}, "-s ended: accepted: queued, scheduled, running, done, failed, dead or"},
    {{"-n", "x"}, "-n x: accepted: a number; 0 is all"},
    {{"-w", "-1"}, "-w -1: accepted: seconds"},
    {{"-u", "ftp://a"}, "ftp://a: is no server"},
    {{"put"}, "jobs put takes KIND and maybe ARGS, in JSON"},
    {{"put", "a", "{}", "{}"}, "jobs put takes KIND"},
    {{"put", "a b"}, "a b is no name of a kind"},
    {{"put", "a", "{"}, "the arguments of the job are no JSON: "},
    {{"put", "-p", "10", "a"}, "-p 10: accepted: a number from 0"},
    {{"put", "-a", "0", "a"}, "-a 0: accepted: a number from 1 to 100"},
    {{"put", "-U", "", "a"}, "-U : accepted: 1 to 255 bytes"},
    {{"put", "-r", "", "a"}, "-r : accepted: a time"},
    {{"put", "-n", "1", "a"}, "jobs put has no option -n"},
    {{"show"}, "jobs show takes ID..."},
    {{"show", "1"}, "1 is no id of a job, which is a UUID"},
    {{"show", "../queues"}, "../queues is no id of a job"},
    {{"show", "00000000-0000-7000-8000-00000000000x"}, "is no id of a job"},
    {{"show", "00000000-0000-7000-8000-0000000000000"}, "is no id of a job"},
    {{"cancel"}, "jobs cancel takes ID..., or -s STATE and no ID"},
    {{"cancel", "-q", "q"}, "jobs cancel takes ID..., or -s STATE and no ID"},
    {{"retry", "-s", "dead", "00000000-0000-7000-8000-000000000000"}, "or -s STATE and no ID"},
    {{"put", "mail", "-q", "q"}, "-q: options stand before the arguments"},
    {{"pause", "q", "-w", "2"}, "-w: options stand before the arguments"},
    {{"put", "a", "-5x"}, "the arguments of the job are no JSON: "},
    {{"retry", "-s", "done"}, "jobs retry -s done: accepted: failed, dead or cancelled"},
    {{"retry", "-s", "running"}, "jobs retry -s running: accepted: failed, dead or"},
    {{"cancel", "-s", "dead"}, "jobs cancel -s dead: accepted: queued, scheduled or running"},
    {{"retry", "-q", "q", "00000000-0000-7000-8000-000000000000"}, "-q and -k with -s STATE only"},
    {{"wait", "a", "b"}, "jobs wait takes the name of one QUEUE, or none"},
    {{"wait", "a/b"}, "a/b is no name of a queue"},
    {{"wait", "-q", "a", "a"}, "jobs wait takes a QUEUE once"},
    {{"wait", "-t", "10", "a"}, "-t 10: accepted: a time, as in 500ms, 15s, 10m or 2h"},
    {{"wait", "-t", "0s", "a"}, "-t 0s: accepted: a time"},
    {{"list", "-t", "1s"}, "jobs list has no option -t"},
    {{"queues", "a"}, "jobs queues takes no argument"},
    {{"pause"}, "jobs pause takes QUEUE..."},
    {{"pause", "a", "b c"}, "b c is no name of a queue"},
    {{"resume", ""}, " is no name of a queue"},
    {{"resume", ".."}, ".. is no name of a queue"},
    {{"list", "-q", "."}, "-q .: accepted: 1 to 64 of the characters"},
    {{"limit", "a"}, "jobs limit takes QUEUE and concurrency=N, depth=N or both"},
    {{"limit", "a", "depth=1", "depth=1", "depth=1"}, "jobs limit takes QUEUE and"},
    {{"limit", "a b", "depth=1"}, "a b is no name of a queue"},
    {{"limit", "a", "depth"}, "depth: accepted: concurrency=N or depth=N, where N is a number"},
    {{"limit", "a", "depth=0"}, "depth=0: accepted: concurrency=N or depth=N"},
    {{"limit", "a", "depth=01"}, "depth=01: accepted: concurrency=N or depth=N"},
    {{"limit", "a", "depth=1\x1b\n"}, "depth=1\\x1b\\n: accepted: concurrency=N or depth=N"},
    {{"limit", "a", "depth=\"1\""}, "depth=\"1\": accepted: concurrency=N or depth=N"},
    {{"limit", "a", "running=1"}, "running=1: accepted: concurrency=N or depth=N"},
};

START_TEST(wrong_arguments_are_told_with_what_is_accepted)
{
	const char *argv[10] = {it_plazactl(), "jobs"};
	struct run run;

	for (size_t i = 0; i < 6 && wrong[_i].argv[i]; i++)
		argv[2 + i] = wrong[_i].argv[i];
	run_program(&run, NULL, argv);
	ck_assert_msg(run.status == 2, "%d: %s", run.status, run.err);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strstr(run.err, wrong[_i].says) != NULL, "%s", run.err);
	ck_assert_ptr_nonnull(strstr(run.err, "plazactl jobs -h tells more\n"));
	run_fini(&run);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "jobs");

	tcase_add_test(tc, a_job_is_put_as_the_options_say);
	tcase_add_test(tc, args_come_from_the_input);
	tcase_add_test(tc, a_refusal_is_told_with_its_place_and_hint);
	tcase_add_test(tc, a_full_queue_is_waited_for);
	tcase_add_test(tc, lists_are_what_the_filters_say);
	tcase_add_test(tc, pages_are_put_together);
	tcase_add_test(tc, people_see_heads_and_twenty);
	tcase_add_test(tc, jobs_are_cancelled_and_tried_again);
	tcase_add_test(tc, all_in_a_state_are_taken);
	tcase_add_test(tc, a_queue_is_waited_for);
	tcase_add_test(tc, a_wait_outlives_the_daemon);
	tcase_add_test(tc, an_interrupt_ends_the_wait_alone);
	tcase_add_test(tc, a_terminal_sees_a_bar);
	tcase_add_test(tc, queues_are_lines);
	tcase_add_test(tc, a_wait_has_an_end);
	tcase_add_test(tc, queues_are_paused_and_limited);
	tcase_add_test(tc, output_that_fails_is_told);
	tcase_add_loop_test(tc, a_server_that_is_not_there_is_told, 0,
			    (int)(sizeof(verbs) / sizeof(verbs[0])));
	tcase_add_loop_test(tc, wrong_arguments_are_told_with_what_is_accepted, 0,
			    (int)(sizeof(wrong) / sizeof(wrong[0])));
}

int
main(void)
{
	return it_main("ctl_jobs", fill, IT_WITH_PG);
}
