/*
 * it_ctl_fetch.c - plazactl fetch against the whole daemon and an origin: a line for each URL,
 * whatever becomes of the connection, the server, or the patience of who waits.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/job_http.c tests/it/origin.c tests/it/terminal.c
 * -lpq -ljansson -lz */
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
#include "origin.h"
#include "pg.h"
#include "terminal.h"

#define QUEUE_OF_FETCHES QUEUES "/fetch"
#define ARGS_MAX         24

static struct origin origin;

static void
set_up(void)
{
	origin_start(&origin);
}

static void
tear_down(void)
{
	origin_stop(&origin);
}

static struct daemon *
start(void)
{
	return jobs_start(origin.allow, "server.workers=1");
}

/* `text` with ^ in the place of the origin; the caller frees. */
static char *
at_origin(const char *text)
{
	return origin_text(&origin, text);
}

/* The lines without their second field, the milliseconds, and with ^ again. */
static char *
comparable(const char *text)
{
	char *out = NULL, *url = at_origin("^");
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	unsigned field = 0;

	for (; *text; text++) {
		field = *text == '\n' ? 0 : field + (*text == '\t');
		if (field == 1)
			continue;
		if (strncmp(text, url, strlen(url)) == 0) {
			putc('^', f);
			text += strlen(url) - 1;
		} else {
			putc(*text, f);
		}
	}
	fclose(f);
	free(url);
	return out;
}

/* plazactl fetch -u .. ARGUMENT..., each with ^ for the origin. */
static void
run_fetch(struct run *run, const struct daemon *d, const char *input, ...)
{
	char *args[ARGS_MAX] = {NULL}, *url = it_printf("http://127.0.0.1:%u", daemon_port(d));
	const char *argv[ARGS_MAX + 5] = {it_plazactl(), "fetch", "-u", url}, *arg;
	size_t n = 0;
	va_list ap;

	va_start(ap, input);
	while ((arg = va_arg(ap, const char *)) != NULL) {
		ck_assert_uint_lt(n, ARGS_MAX);
		args[n] = at_origin(arg);
		argv[4 + n] = args[n];
		n++;
	}
	va_end(ap);
	run_program(run, input, argv);
	for (size_t i = 0; i < n; i++)
		free(args[i]);
	free(url);
}

static void
expect_lines(const struct run *run, int status, const char *lines)
{
	char *have = comparable(run->out);

	ck_assert_msg(run->status == status, "%d: %s%s", run->status, run->out, run->err);
	ck_assert_str_eq(have, lines);
	free(have);
}

/* A fetch that runs, its standard error in `err`. */
static void
start_fetch(struct child *child, const struct daemon *d, const char *err, const char *urls)
{
	char *list = at_origin(urls);
	char *command = it_printf("exec '%s' fetch -u http://127.0.0.1:%u %s 2>%s", it_plazactl(),
				  daemon_port(d), list, err);
	const char *argv[] = {"sh", "-c", command, NULL};

	child_start(child, argv);
	free(command);
	free(list);
}

/* All of its output; the caller frees. */
static char *
read_all(struct child *child)
{
	char *out = NULL, *line;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	while ((line = child_read_line(child)) != NULL) {
		fprintf(f, "%s\n", line);
		free(line);
	}
	fclose(f);
	return out;
}

/* No job of the queue begins until it goes on. */
static void
hold(struct daemon *d, bool is_held)
{
	jobs_do(d, "PATCH", PATCH, is_held ? "{\"paused\":true}" : "{\"paused\":false}", 200,
		QUEUE_OF_FETCHES);
}

static long
n_jobs(void)
{
	return job_number("select count(*) from jobs where kind = 'fetch'");
}

/* The only one; the caller frees. */
static char *
the_job(void)
{
	return job_text("select id from jobs where kind = 'fetch'");
}

/* --- results --- */

START_TEST(each_url_has_a_line_in_the_order_given)
{
	struct daemon *d = start();
	struct run run;

	run_fetch(&run, d, NULL, "^/slow?ms=300", "^/status?code=404", "^/ok", "^/close", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.err, "");
	char *have = comparable(run.out), *end = strstr(have, "connection-lost: ");
	ck_assert_msg(end != NULL, "%s", have);
	*end = '\0';
	ck_assert_str_eq(have, "200\t6\t^/slow?ms=300\t-\n"
			       "404\t6\t^/status?code=404\t-\n"
			       "200\t6\t^/ok\t-\n"
			       "-\t0\t^/close\t");
	free(have);
	run_fini(&run);
	run_fetch(&run, d, NULL, "^/status?code=500", "^/ok", "^/ok", NULL);
	ck_assert_int_eq(run.status, 0);
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

START_TEST(what_is_not_fetched_costs_no_other)
{
	struct daemon *d = start();
	struct run run;

	run_fetch(&run, d, "^", "file:///etc/passwd", "^/ok", "http://10.0.0.1/", "^/ok?2",
		  "http://\xff/", "x y", NULL);
	ck_assert_int_eq(run.status, 1);
	char *have = comparable(run.out);
	const char *line = have;
	static const char *const begins[] = {
	    "-\t-\tfile:///etc/passwd\turl-not-allowed: has a scheme",
	    "200\t6\t^/ok\t-\n",
	    "-\t-\thttp://10.0.0.1/\turl-not-allowed: the host is at a private address",
	    "200\t6\t^/ok?2\t-\n",
	    "-\t-\thttp://\\xff/\tvalidation: is not UTF-8\n",
	    "-\t-\tx y\t",
	};
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		ck_assert_msg(strncmp(line, begins[i], strlen(begins[i])) == 0, "%s\nhas not\n%s",
			      line, begins[i]);
		line = strchr(line, '\n') + 1;
	}
	ck_assert_str_eq(line, "");
	ck_assert_int_eq(n_jobs(), 1);
	ck_assert_uint_eq(origin.seen->requests, 2);
	free(have);
	run_fini(&run);
	/* nothing is left to put; one line says why, whatever is in the URL */
	run_fetch(&run, d, NULL, "http://10.0.0.1/", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strncmp(run.out,
			      "-\t-\t-\thttp://10.0.0.1/\turl-not-allowed: the host is at a "
			      "private address",
			      71) == 0,
		      "%s", run.out);
	ck_assert_ptr_eq(strchr(run.out, '\n'), run.out + run.out_len - 1);
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	run_fetch(&run, d, NULL, "ftp://a/\x1b[31m\t\n\xc2\x9b", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(
	    strncmp(run.out, "-\t-\t-\tftp://a/\\x1b[31m\\x09\\n\\xc2\\x9b\tvalidation: ", 49) == 0,
	    "%s", run.out);
	ck_assert_ptr_eq(strchr(run.out, '\n'), run.out + run.out_len - 1);
	run_fini(&run);
	run_fetch(&run, d, NULL, "-b", "ftp://a/\x1b[31m\n", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strncmp(run.err, "plazactl: ftp://a/\\x1b[31m\\n: validation: ", 42) == 0,
		      "%s", run.err);
	run_fini(&run);
	ck_assert_int_eq(n_jobs(), 1);
	daemon_stop(d);
}
END_TEST

/* {"name":"a\tb\né","n":1.10,"o":{"x":[1,2]},"s":"","q":"\"","null":null} */
#define BODY                                                                                      \
	"^/body?type=application/json&text=%7b%22name%22:%22a%5ctb%5cn%C3%A9%22,%22n%22:1.10,%22" \
	"o%22:%7b%22x%22:[1,2]%7d,%22s%22:%22%22,%22q%22:%22%5c%22%22,%22z%22:null%7d"

START_TEST(values_are_fields)
{
	struct daemon *d = start();
	struct run run;

	run_fetch(&run, d, NULL, "-e", "s=/s", "-e", "name=/name", "-e", "number=/n", "-e",
		  "o=/o/x", "-e", "none=/none", "-e", "q \"\\=/q", "-e", "z=/z", BODY, "^/ok",
		  NULL);
	ck_assert_int_eq(run.status, 0);
	char *have = comparable(run.out), *at = strstr(have, "\t-\t"), *next = strchr(have, '\n');
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(next);
	*next++ = '\0';
	ck_assert_str_eq(at, "\t-\ts=\tname=a\\x09b\\n\xc3\xa9\tnumber=1.10\to=[1,2]\tnone"
			     "\tq \"\\=\"\tz=null");
	/* one that is no JSON has none of them */
	ck_assert_msg(strncmp(next, "200\t6\t^/ok\tnot-json: ", 20) == 0, "%s", next);
	ck_assert_ptr_nonnull(strstr(next, "\ts\tname\tnumber\to\tnone\tq \"\\\tz\n"));
	free(have);
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

START_TEST(json_is_what_the_server_has)
{
	struct daemon *d = start();
	json_t *json;
	struct run run;

	run_fetch(&run, d, NULL, "-j", "-e", "n=/n", BODY, "http://10.1.2.3/", "^/ok", NULL);
	ck_assert_int_eq(run.status, 1);
	/* as the origin has written it */
	ck_assert_msg(strstr(run.out, "\"values\":{\"n\":1.10}") != NULL, "%s", run.out);
	json = json_loads(run.out, 0, NULL);
	ck_assert_msg(json != NULL, "%s", run.out);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "urls")), 3);
	ck_assert_int_eq(job_int(job_item(json, "urls", 0), "status"), 200);
	ck_assert(json_is_null(json_object_get(job_item(json, "urls", 1), "status")));
	ck_assert_str_eq(job_str(job_item(json, "urls", 1), "url"), "http://10.1.2.3/");
	ck_assert_ptr_nonnull(
	    strstr(job_str(job_item(json, "urls", 1), "error"), "url-not-allowed"));
	ck_assert_str_eq(job_str(job_item(json, "urls", 2), "text"), "hello\n");
	json_decref(json);
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

START_TEST(more_than_fit_into_one_job_are_several)
{
	struct daemon *d = start();
	char *input = NULL, *urls;
	size_t len = 0;
	FILE *f = open_memstream(&input, &len);
	struct run run;

	fputs("\n", f);
	for (int i = 0; i < 2200; i++)
		fprintf(f, i % 3 ? "^/ok?%d\n" : " ^/ok?%d\t\r\n\n", i);
	fputs("^/ok?last", f);
	fclose(f);
	urls = at_origin(input);
	run_fetch(&run, d, urls, "^/ok?first", "-", "^/ok?end", NULL);
	ck_assert_msg(run.status == 0, "%d: %s", run.status, run.err);
	char *have = comparable(run.out);
	const char *line = have;
	for (int i = -1; i < 2202; i++) {
		char *want = i < 0       ? strdup("200\t6\t^/ok?first\t-\n")
			     : i < 2200  ? it_printf("200\t6\t^/ok?%d\t-\n", i)
			     : i == 2200 ? strdup("200\t6\t^/ok?last\t-\n")
					 : strdup("200\t6\t^/ok?end\t-\n");

		ck_assert_msg(strncmp(line, want, strlen(want)) == 0, "%.100s is not %s", line,
			      want);
		line += strlen(want);
		free(want);
	}
	ck_assert_str_eq(line, "");
	/* 32 KiB each, of some 30 bytes a URL */
	ck_assert_int_ge(n_jobs(), 2);
	ck_assert_int_le(n_jobs(), 4);
	ck_assert_uint_eq(origin.seen->requests, 2203);
	free(have);
	run_fini(&run);
	free(urls);
	free(input);
	daemon_stop(d);
}
END_TEST

START_TEST(options_are_sent)
{
	struct daemon *d = start();
	struct run run;

	run_fetch(&run, d, NULL, "-d", "a=1", "-H", "X-One: two  three ", "-H",
		  "Authorization:Bearer geheim", "-t", "10s", "^/echo", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	ck_assert_msg(strncmp(origin.seen->last, "POST /echo ", 11) == 0, "%s", origin.seen->last);
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\nX-One: two  three\r\n"));
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\nAuthorization: Bearer geheim\r\n"));
	ck_assert_ptr_nonnull(strstr(origin.seen->last, "\r\n\r\na=1"));
	run_fini(&run);
	run_fetch(&run, d, NULL, "-m", "PUT", "-d", "b", "^/echo", NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_msg(strncmp(origin.seen->last, "PUT /echo ", 10) == 0, "%s", origin.seen->last);
	run_fini(&run);
	run_fetch(&run, d, NULL, "-t", "50ms", "^/never", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_ptr_nonnull(strstr(run.out, "\ttimeout: "));
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

/* What is wrong with all of it is no URL's fault. */
START_TEST(a_refusal_is_told_with_its_hint)
{
	struct daemon *d = start();
	struct run run;

	run_fetch(&run, d, NULL, "-m", "BREW", "^/ok", "^/ok", NULL);
	expect_lines(
	    &run, 1,
	    "-\t-\t^/ok\tnot put: /args/method: must be GET, HEAD, POST, PUT, PATCH, DELETE or "
	    "OPTIONS\n"
	    "-\t-\t^/ok\tnot put: /args/method: must be GET, HEAD, POST, PUT, PATCH, DELETE or "
	    "OPTIONS\n");
	ck_assert_msg(strstr(run.err, "/api/jobs: 422: /args/method: must be GET") != NULL, "%s",
		      run.err);
	ck_assert_ptr_nonnull(strstr(run.err, "\nhint: "));
	ck_assert_int_eq(n_jobs(), 0);
	run_fini(&run);
	daemon_stop(d);
	d = daemon_start("server.workers=1", NULL);
	run_fetch(&run, d, NULL, "-w", "0", "^/ok", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "store.database is not set") != NULL, "%s", run.err);
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

START_TEST(nobody_has_to_wait)
{
	struct daemon *d = start();
	struct run run;

	hold(d, true);
	run_fetch(&run, d, NULL, "-b", "^/ok", "^/ok?2", "ftp://a/", NULL);
	char *id = the_job(), *want = it_printf("%s\n", id);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, want);
	ck_assert_msg(strncmp(run.err, "plazactl: ftp://a/: url-not-allowed: ", 36) == 0, "%s",
		      run.err);
	jobs_is(d, id, "queued");
	hold(d, false);
	jobs_becomes(d, id, "done");
	free(want);
	free(id);
	run_fini(&run);
	daemon_stop(d);
}
END_TEST

/* --- what is lost and restarted --- */

static char *
listen_of(const struct daemon *d)
{
	return it_printf("server.listen=127.0.0.1:%u", daemon_port(d));
}

START_TEST(a_restart_of_the_daemon_costs_nothing)
{
	char *listen, *out, *text;
	const char *conninfo = pg_fresh(), *err = it_path("err");
	struct daemon *d = job_daemon(conninfo, origin.allow, "server.workers=1", NULL);
	struct child child;

	jobs_wait_ready(d);
	hold(d, true);
	start_fetch(&child, d, err, "^/ok ^/ok?2");
	WAIT_UNTIL(n_jobs() == 1);
	listen = listen_of(d);
	daemon_stop(d);
	d = job_daemon(conninfo, origin.allow, listen, "server.workers=1", NULL);
	jobs_wait_ready(d);
	hold(d, false);
	out = read_all(&child);
	text = comparable(out);
	ck_assert_str_eq(text, "200\t6\t^/ok\t-\n200\t6\t^/ok?2\t-\n");
	ck_assert_int_eq(child_wait(&child), 0);
	free(text);
	text = it_read_file(err);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(n_jobs(), 1);
	ck_assert_uint_eq(origin.seen->requests, 2);
	free(text);
	free(out);
	free(listen);
	daemon_stop(d);
}
END_TEST

/* The connection is lost under a wait that the server has begun. */
START_TEST(a_worker_that_is_killed_costs_nothing)
{
	struct daemon *d = start();
	const char *err = it_path("err");
	pid_t pids[PROCFS_MAX];
	struct child child;
	char *out, *text;

	hold(d, true);
	start_fetch(&child, d, err, "^/ok");
	WAIT_UNTIL(n_jobs() == 1);
	ck_assert_uint_eq(daemon_workers(d, pids), 1);
	daemon_expect_error(d, "worker");
	ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
	jobs_wait_ready(d);
	hold(d, false);
	out = read_all(&child);
	text = comparable(out);
	ck_assert_str_eq(text, "200\t6\t^/ok\t-\n");
	ck_assert_int_eq(child_wait(&child), 0);
	ck_assert_int_eq(n_jobs(), 1);
	free(text);
	free(out);
	daemon_stop(d);
}
END_TEST

START_TEST(a_server_that_was_never_there_is_given_up_at_once)
{
	struct run run;

	run_args(&run, NULL, it_plazactl(), "fetch", "-u", "http://127.0.0.1:1", "http://a/", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strncmp(run.err, "plazactl: http://127.0.0.1:1: ", 30) == 0, "%s", run.err);
	ck_assert_msg(strncmp(run.out, "-\t-\t-\thttp://a/\tnot put: ", 24) == 0, "%s", run.out);
	run_fini(&run);
}
END_TEST

/* --- interrupts --- */

START_TEST(an_interrupt_cancels_and_shows_what_is_finished)
{
	struct daemon *d = start();
	const char *err = it_path("err");
	struct child child;
	char *out, *text, *want, *id;

	start_fetch(&child, d, err, "^/never ^/ok ^/status?code=201");
	WAIT_UNTIL(job_number("select count(*) from job_part") == 2);
	id = the_job();
	ck_assert_int_eq(kill(child.pid, SIGINT), 0);
	out = read_all(&child);
	text = comparable(out);
	ck_assert_msg(strncmp(text, "-\t0\t^/never\tcancelled: ", 22) == 0, "%s", text);
	ck_assert_str_eq(strchr(text, '\n') + 1, "200\t6\t^/ok\t-\n"
						 "201\t6\t^/status?code=201\t-\n");
	ck_assert_int_eq(child_wait(&child), 1);
	free(text);
	text = it_read_file(err);
	want = it_printf("plazactl: interrupted\nplazactl: the job %s is cancelled\n", id);
	ck_assert_str_eq(text, want);
	jobs_is(d, id, "cancelled");
	free(want);
	free(text);
	free(out);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(a_job_that_waits_is_cancelled_too)
{
	struct daemon *d = start();
	struct child child;
	char *out, *text, *id;

	hold(d, true);
	start_fetch(&child, d, it_path("err"), "^/ok");
	WAIT_UNTIL(n_jobs() == 1);
	id = the_job();
	ck_assert_int_eq(kill(child.pid, SIGINT), 0);
	out = read_all(&child);
	text = comparable(out);
	ck_assert_str_eq(text, "-\t-\t^/ok\tthe job is cancelled\n");
	ck_assert_int_eq(child_wait(&child), 1);
	jobs_is(d, id, "cancelled");
	free(text);
	free(out);
	free(id);
	daemon_stop(d);
}
END_TEST

static const int others[] = {SIGTERM, SIGHUP};

START_TEST(after_another_signal_the_job_goes_on)
{
	struct daemon *d = start();
	const char *err = it_path("err");
	struct child child;
	char *out, *text, *want, *id;

	hold(d, true);
	start_fetch(&child, d, err, "^/ok");
	WAIT_UNTIL(n_jobs() == 1);
	id = the_job();
	ck_assert_int_eq(kill(child.pid, others[_i]), 0);
	out = read_all(&child);
	text = comparable(out);
	ck_assert_str_eq(text, "-\t-\t^/ok\tunknown: nobody has waited for it\n");
	ck_assert_int_eq(child_wait(&child), 1);
	free(text);
	text = it_read_file(err);
	want = it_printf("plazactl: interrupted\n"
			 "the job goes on: plazactl jobs -u http://127.0.0.1:%u show %s\n",
			 daemon_port(d), id);
	ck_assert_str_eq(text, want);
	jobs_is(d, id, "queued");
	hold(d, false);
	jobs_becomes(d, id, "done");
	free(want);
	free(text);
	free(out);
	free(id);
	daemon_stop(d);
}
END_TEST

/* --- the terminal --- */

START_TEST(a_terminal_sees_a_bar_and_nothing_else_does)
{
	struct daemon *d = start();
	char *url = at_origin("^/ok"), *command, *text;

	command = it_printf("'%s' fetch -u http://127.0.0.1:%u %s %s >/dev/null", it_plazactl(),
			    daemon_port(d), url, url);
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "fetching ") != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "% ["));
	ck_assert_ptr_nonnull(strstr(text, " URLs, "));
	/* it is gone at the end */
	ck_assert_str_eq(text + strlen(text) - 4, "\r\033[K");
	free(command);
	free(text);
	/* and before a line of the same terminal */
	command = it_printf("'%s' fetch -u http://127.0.0.1:%u %s 1>&2", it_plazactl(),
			    daemon_port(d), url);
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "\r\033[K200\t") != NULL, "%s", text);
	free(command);
	free(text);
	free(url);
	daemon_stop(d);
}
END_TEST

/* --- input and output --- */

/* A line that no URL can be costs no other one; one that is no line at all costs all. */
START_TEST(lines_may_be_long)
{
	struct daemon *d = start();
	char *ok = at_origin("^/ok\n"), *input = malloc((2u << 20) + 100);
	struct run run;

	memset(input, 'x', 2u << 20);
	memcpy(input + 100000, "\n", 1);
	memcpy(input + 100001, ok, strlen(ok) + 1);
	run_fetch(&run, d, input, "-", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_ptr_nonnull(strstr(run.out, "x\tvalidation: is too long"));
	ck_assert_int_eq(strncmp(strchr(run.out, '\n') + 1, "200\t", 4), 0);
	run_fini(&run);
	memset(input, 'x', 2u << 20);
	memcpy(input, ok, strlen(ok));
	snprintf(input + (2u << 20), 100, "\n%s", ok);
	run_fetch(&run, d, input, "-", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_str_eq(run.err,
			 "plazactl: standard input: line 2 is too long; accepted: a URL\n");
	ck_assert_int_eq(n_jobs(), 1);
	run_fini(&run);
	free(input);
	free(ok);
	daemon_stop(d);
}
END_TEST

static const struct {
	const char *options, *to, *says;
} outputs[] = {
    {"", ">/dev/full", "plazactl: cannot write the output: No space left on device\n"},
    {"-j", ">/dev/full", "plazactl: cannot write the output: No space left on device\n"},
    {"-b", ">/dev/full", "plazactl: cannot write the output: No space left on device\n"},
    {"", ">&-", "plazactl: cannot write the output: Bad file descriptor\n"},
    /* whoever reads has seen enough, and that is told by nothing but the exit status */
    {"", "| true", ""},
    {"-j", "| true", ""},
};

START_TEST(output_that_fails_is_told_once)
{
	struct daemon *d = start();
	char *url = at_origin("^/slow?ms=300"), *command;
	struct run run;

	command =
	    it_printf("set -o pipefail; '%s' fetch -u http://127.0.0.1:%u %s '%s' '%s' %s",
		      it_plazactl(), daemon_port(d), outputs[_i].options, url, url, outputs[_i].to);
	run_args(&run, NULL, "bash", "-c", command, NULL);
	ck_assert_msg(run.status == 1, "%s: %d", command, run.status);
	ck_assert_str_eq(run.out, "");
	ck_assert_str_eq(run.err, outputs[_i].says);
	/* it was not in vain */
	jobs_do(d, "GET", NULL, NULL, 200, QUEUE_OF_FETCHES "?until=empty&wait=20");
	ck_assert_uint_eq(origin.seen->requests, 2);
	run_fini(&run);
	free(command);
	free(url);
	daemon_stop(d);
}
END_TEST

/* --- arguments --- */

static const struct {
	const char *argv[6], *says;
} wrong[] = {
    {{NULL}, "fetch takes URLs, or - for those from the standard input"},
    {{"-j"}, "fetch takes URLs"},
    {{"http://a/", "-j"}, "-j: options stand before the URLs"},
    {{"-x", "http://a/"}, "fetch has no option -x"},
    {{"-e"}, "-e takes a value"},
    {{"-e", "name", "http://a/"}, "-e name: accepted: NAME=/POINTER"},
    {{"-e", "=/a", "http://a/"}, "-e =/a: accepted: NAME=/POINTER"},
    {{"-e", "a=b", "http://a/"}, "-e a=b: accepted: NAME=/POINTER"},
    {{"-e", "a=/b", "-e", "a=/c", "http://a/"}, "-e a: is there twice"},
    {{"-e", "\xff=/b", "http://a/"}, "-e: is not UTF-8"},
    {{"-H", "X", "http://a/"}, "-H X: accepted: 'NAME: VALUE'"},
    {{"-H", ": a", "http://a/"}, "-H : a: accepted"},
    {{"-H", "A: b", "-H", "A: c", "http://a/"}, "-H A: is there twice"},
    {{"-t", "15", "http://a/"}, "-t 15: accepted: a time, as in 500ms, 15s, 10m or 2h"},
    {{"-t", "s", "http://a/"}, "-t s: accepted: a time"},
    {{"-w", "x", "http://a/"}, "-w x: accepted: seconds"},
    {{"-u", "ftp://a", "http://a/"}, "ftp://a: is no server; accepted: http://"},
};

START_TEST(wrong_arguments_are_told_with_what_is_accepted)
{
	const char *argv[10] = {it_plazactl(), "fetch"};
	struct run run;

	for (size_t i = 0; i < 6 && wrong[_i].argv[i]; i++)
		argv[2 + i] = wrong[_i].argv[i];
	run_program(&run, NULL, argv);
	ck_assert_int_eq(run.status, 2);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strstr(run.err, wrong[_i].says) != NULL, "%s", run.err);
	ck_assert_ptr_nonnull(strstr(run.err, "plazactl fetch -h tells more\n"));
	run_fini(&run);
}
END_TEST

static const struct {
	const char *input, *says;
} bad_inputs[] = {
    {"http://a/\n\xff\n", "standard input: line 2 is not UTF-8"},
    {"", "standard input: there are no URLs; accepted: one on each line\n"},
    {"\n \t\r\n", "standard input: there are no URLs"},
};

START_TEST(a_bad_line_is_told_and_nothing_is_put)
{
	struct run run;

	run_args(&run, bad_inputs[_i].input, it_plazactl(), "fetch", "-u", "http://127.0.0.1:1",
		 "-j", "-", NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strstr(run.err, bad_inputs[_i].says) != NULL, "%s", run.err);
	run_fini(&run);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "fetch");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, each_url_has_a_line_in_the_order_given);
	tcase_add_test(tc, what_is_not_fetched_costs_no_other);
	tcase_add_test(tc, values_are_fields);
	tcase_add_test(tc, json_is_what_the_server_has);
	tcase_add_test(tc, more_than_fit_into_one_job_are_several);
	tcase_add_test(tc, options_are_sent);
	tcase_add_test(tc, a_refusal_is_told_with_its_hint);
	tcase_add_test(tc, nobody_has_to_wait);
	tcase_add_test(tc, a_restart_of_the_daemon_costs_nothing);
	tcase_add_test(tc, a_worker_that_is_killed_costs_nothing);
	tcase_add_test(tc, a_server_that_was_never_there_is_given_up_at_once);
	tcase_add_test(tc, an_interrupt_cancels_and_shows_what_is_finished);
	tcase_add_test(tc, a_job_that_waits_is_cancelled_too);
	tcase_add_loop_test(tc, after_another_signal_the_job_goes_on, 0,
			    (int)(sizeof(others) / sizeof(others[0])));
	tcase_add_test(tc, a_terminal_sees_a_bar_and_nothing_else_does);
	tcase_add_test(tc, lines_may_be_long);
	tcase_add_loop_test(tc, output_that_fails_is_told_once, 0,
			    (int)(sizeof(outputs) / sizeof(outputs[0])));
	tcase_add_loop_test(tc, wrong_arguments_are_told_with_what_is_accepted, 0,
			    (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_loop_test(tc, a_bad_line_is_told_and_nothing_is_put, 0,
			    (int)(sizeof(bad_inputs) / sizeof(bad_inputs[0])));
}

int
main(void)
{
	return it_main("ctl_fetch", fill, IT_WITH_PG);
}
