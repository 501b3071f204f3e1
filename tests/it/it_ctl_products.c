/*
 * it_ctl_products.c - plazactl products against the real daemon and PostgreSQL: what goes in comes
 * out, what is refused is told, and whatever is restarted in the middle, each row is there once.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/terminal.c */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "terminal.h"

#define ALL "select string_agg(name || '|' || price, E'\\n' order by id) from products"

static bool
is_ready(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
	bool is_so = a.status == 200;
	http_answer_fini(&a);
	return is_so;
}

/* On a store of its own, which pg_ask asks. */
static struct daemon *
start(void)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);

	WAIT_UNTIL(is_ready(d));
	free(option);
	return d;
}

static char *
url_of(const struct daemon *d)
{
	return it_printf("http://127.0.0.1:%u", daemon_port(d));
}

/* plazactl products -u .. ARGUMENT... */
static void
run_products(struct run *run, const struct daemon *d, const char *input, const char *format,
	     const char *verb, const char *file)
{
	char *url = url_of(d);

	run_args(run, input, it_plazactl(), "products", "-u", url, "-f", format, verb, file, NULL);
	free(url);
}

static void
expect_run(const struct run *run, int status, const char *out)
{
	ck_assert_msg(run->status == status, "%d: %s%s", run->status, run->out, run->err);
	ck_assert_str_eq(run->out, out);
}

/* How many products there are, by the database. */
static unsigned
count(void)
{
	char *text = pg_ask("select count(*) from products");
	unsigned n = (unsigned)strtoul(text, NULL, 10);

	free(text);
	return n;
}

/* --- round trips --- */

static const struct {
	const char *format, *rows;
} trips[] = {
    {"csv", "name,price\n"
	    "Pen,1.5\n"
	    "\"a \"\"quoted\"\", b\",0\n"
	    "\"two\nlines\r\nthree\",99999999.99\n"
	    "\" blanks \",0.01\n"
	    "\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80,12.30\n"},
    {"ndjson", "{\"name\":\"Pen\",\"price\":1.50}\n"
	       "{\"price\":\"0.10\",\"name\":\"\\\"q\\\" \\\\ \\u0001 \\n \\u00e9\"}\n"
	       "{\"name\":\",;'$1\",\"price\":99999999.99}\n"
	       "{\"name\":\" \",\"price\":0}\n"
	       "{\"name\":\"\\ud83d\\ude00\",\"price\":0.07}\n"},
};

/* Without what differs from store to store. */
static char *
without_numbers(const char *file)
{
	struct run run;

	run_args(&run, NULL, "sed", "-E",
		 "s/^[0-9]+,//; s/,[0-9]+\r?$//; s/\"(id|version)\":[0-9]+,?//g", file, NULL);
	ck_assert_int_eq(run.status, 0);
	char *text = strdup(run.out);
	run_fini(&run);
	return text;
}

START_TEST(what_goes_in_comes_out_and_goes_in_again)
{
	const char *format = trips[_i].format;
	char *exported[2], *first = NULL;
	const char *names[] = {"first", "second"};
	struct run run;

	for (int i = 0; i < 2; i++) {
		struct daemon *d = start();
		char *path = strdup(it_path(names[i]));

		run_products(&run, d, i ? NULL : trips[_i].rows, format, "import", i ? first : "-");
		expect_run(&run, 0, "5 imported, 0 refused\n");
		ck_assert_str_eq(run.err, "");
		run_fini(&run);
		run_products(&run, d, NULL, format, "export", path);
		expect_run(&run, 0, "5 exported\n");
		ck_assert_str_eq(run.err, "");
		run_fini(&run);
		exported[i] = without_numbers(path);
		if (i == 0) {
			/* the second store has other numbers */
			first = path;
		} else {
			free(path);
		}
		daemon_stop(d);
	}
	ck_assert_str_eq(exported[0], exported[1]);
	ck_assert_uint_gt(strlen(exported[0]), 50);
	free(exported[0]);
	free(exported[1]);
	free(first);
}
END_TEST

START_TEST(thousands_keep_their_order)
{
	struct daemon *d = start();
	size_t len = 0;
	char *rows = NULL, *wrong;
	FILE *f = open_memstream(&rows, &len);
	struct run run;

	fputs("name,price\n", f);
	for (int i = 1; i <= 2500; i++)
		fprintf(f, "row %d,%d.25\n", i, i);
	fclose(f);
	run_products(&run, d, rows, "csv", "import", "-");
	expect_run(&run, 0, "2500 imported, 0 refused\n");
	run_fini(&run);
	wrong = pg_ask("select count(*) from (select name, row_number() over (order by id) n from "
		       "products) p where name <> 'row ' || n");
	ck_assert_str_eq(wrong, "0");
	ck_assert_uint_eq(count(), 2500);
	free(wrong);
	run_products(&run, d, NULL, "csv", "export", "-");
	ck_assert_int_eq(run.status, 0);
	size_t lines = 0;
	for (size_t i = 0; i < run.out_len; i++)
		lines += run.out[i] == '\n';
	ck_assert_uint_eq(lines, 2501);
	run_fini(&run);
	free(rows);
	daemon_stop(d);
}
END_TEST

/* --- refusals --- */

START_TEST(a_bad_row_is_told_with_its_line_and_costs_no_other)
{
	struct daemon *d = start();
	const char *file = it_path("rows.csv");
	char *want;
	struct run run;

	it_write_file(file, "name,price\nPen,1\nInk,-1\n\nGlue\n\"two\nlines\",x\nCap,2\n,3\n");
	run_products(&run, d, NULL, "csv", "import", file);
	expect_run(&run, 1, "2 imported, 4 refused\n");
	want = it_printf("%s:3: /price: ", file);
	ck_assert_msg(strstr(run.err, want) != NULL, "%s", run.err);
	free(want);
	want = it_printf("%s:5: has 1 field; the header line has 2\n", file);
	ck_assert_msg(strstr(run.err, want) != NULL, "%s", run.err);
	free(want);
	want = it_printf("%s:6: /price: ", file);
	ck_assert_msg(strstr(run.err, want) != NULL, "%s", run.err);
	free(want);
	want = it_printf("%s:9: /name: ", file);
	ck_assert_msg(strstr(run.err, want) != NULL, "%s", run.err);
	free(want);
	run_fini(&run);
	char *all = pg_ask(ALL);
	ck_assert_str_eq(all, "Pen|1.00\nCap|2.00");
	free(all);
	daemon_stop(d);
}
END_TEST

/* One row that makes the server refuse all of a request: it is found by halves. */
START_TEST(the_row_to_blame_for_a_refused_request_is_found)
{
	struct daemon *d = start();
	size_t len = 0;
	char *rows = NULL;
	FILE *f = open_memstream(&rows, &len);
	struct run run;

	for (int i = 1; i <= 40; i++) {
		if (i == 17)
			fputs("{\"name\":\"\\u0000\",\"price\":1}\n", f);
		else
			fprintf(f, "{\"name\":\"row %d\",\"price\":%d}\n", i, i);
	}
	fclose(f);
	run_products(&run, d, rows, "ndjson", "import", "-");
	expect_run(&run, 1, "39 imported, 1 refused\n");
	ck_assert_msg(strncmp(run.err, "standard input:17: ", 19) == 0, "%s", run.err);
	ck_assert_ptr_eq(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
	run_fini(&run);
	ck_assert_uint_eq(count(), 39);
	free(rows);
	daemon_stop(d);
}
END_TEST

/* --- what is restarted --- */

/* Of the file that an export writes to until it is whole. */
static size_t
n_bytes(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	DIR *dir = opendir(it_dir());
	struct dirent *entry;
	struct stat info;
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, name, strlen(name)) != 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &info, 0) == 0)
			n += (size_t)info.st_size;
	}
	closedir(dir);
	return n;
}

/* Rows `from` to `to`, into an import that runs. */
static void
write_rows(struct child *child, int from, int to)
{
	for (int i = from; i <= to; i++) {
		char *row = it_printf("{\"name\":\"row %d\",\"price\":%d}\n", i, i);

		child_write(child, row);
		free(row);
	}
}

static void
start_import(struct child *child, const char *url)
{
	const char *argv[] = {it_plazactl(), "products", "-u", url, "-f",
			      "ndjson",      "import",   "-",  NULL};

	child_start(child, argv);
}

static void
end_import(struct child *child, const char *out)
{
	child_close_input(child);
	char *line = child_read_line(child);
	ck_assert_ptr_nonnull(line);
	ck_assert_str_eq(line, out);
	free(line);
	ck_assert_int_eq(child_wait(child), 0);
}

/* Every row from 1 on, once, and in order. */
static void
expect_rows(unsigned n)
{
	char *wrong =
	    pg_ask("select count(*) from (select name, row_number() over (order by id) n from "
		   "products) p where name <> 'row ' || n");

	ck_assert_str_eq(wrong, "0");
	free(wrong);
	ck_assert_uint_eq(count(), n);
}

START_TEST(a_restart_of_the_daemon_costs_nothing)
{
	struct daemon *d = start();
	char *url = url_of(d), *listen = it_printf("server.listen=127.0.0.1:%u", daemon_port(d));
	/* as the daemon names it, since pg_fresh has no more than one */
	char *database =
	    it_printf("store.database=%s", strstr(daemon_ready_line(d), "database ") + 9);
	struct child child;

	*strstr(database, "; conf") = '\0';
	start_import(&child, url);
	write_rows(&child, 1, 1500);
	/* 1000 have gone, the others wait for more */
	WAIT_UNTIL(count() == 1000);
	daemon_stop(d);
	write_rows(&child, 1501, 2100);
	d = daemon_start(database, listen, "server.workers=1", NULL);
	end_import(&child, "2100 imported, 0 refused");
	expect_rows(2100);
	daemon_stop(d);
	free(url);
	free(database);
	free(listen);
}
END_TEST

static bool
has_insert_under_way(void)
{
	char *n = pg_query("postgres",
			   "select count(*) from pg_stat_activity where usename = 'plaza' and "
			   "wait_event_type = 'Lock'");
	bool is_so = strcmp(n, "0") != 0;

	free(n);
	return is_so;
}

/* The answer is lost, and so is it known by nobody if the rows are in. They are, once. */
START_TEST(a_worker_killed_under_a_request_costs_nothing)
{
	struct daemon *d = start();
	char *url = url_of(d);
	pid_t pids[PROCFS_MAX];
	struct child child, psql;
	const char *argv[] = {"psql", "-X",       "-q", "-h", pg_socket_dir(),
			      "-U",   "postgres", NULL, NULL};
	char *database, *line;

	database = strdup(strstr(daemon_ready_line(d), "dbname=") + 7);
	database[strcspn(database, " ;")] = '\0';
	argv[7] = database;
	/* somebody holds the table */
	child_start(&psql, argv);
	child_write(&psql, "begin; lock table products in share mode; \\echo held\n");
	line = child_read_line(&psql);
	ck_assert_str_eq(line, "held");
	free(line);
	start_import(&child, url);
	write_rows(&child, 1, 1000);
	child_close_input(&child);
	WAIT_UNTIL(has_insert_under_way());
	ck_assert_uint_eq(daemon_workers(d, pids), 1);
	daemon_expect_error(d, "worker");
	ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
	/* its statement waits on, and will be committed or not */
	child_write(&psql, "commit;\n");
	child_close_input(&psql);
	ck_assert_int_eq(child_wait(&psql), 0);
	line = child_read_line(&child);
	ck_assert_str_eq(line, "1000 imported, 0 refused");
	free(line);
	ck_assert_int_eq(child_wait(&child), 0);
	expect_rows(1000);
	free(database);
	free(url);
	daemon_stop(d);
}
END_TEST

/* An export begins again, and is whole at its end. */
START_TEST(a_database_killed_under_an_export_costs_nothing)
{
	struct daemon *d = start();
	char *file = strdup(it_path("big.ndjson")), *url = url_of(d), *text;
	const char *argv[] = {it_plazactl(), "products", "-u", url, "export", file, NULL};
	struct child child;

	/* some tens of megabytes */
	free(pg_ask("insert into products (name, price) select repeat('x', 250), n % 1000 from "
		    "generate_series(1, 150000) n"));
	child_start(&child, argv);
	WAIT_UNTIL(n_bytes(file) > 0);
	pg_do("kill");
	pg_do("restart");
	text = child_read_line(&child);
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, "150000 exported");
	free(text);
	ck_assert_int_eq(child_wait(&child), 0);
	text = it_read_file(file);
	size_t lines = 0;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	ck_assert_uint_eq(lines, 150000);
	free(text);
	free(url);
	free(file);
	daemon_stop(d);
}
END_TEST

START_TEST(an_interrupt_ends_it_and_what_is_in_stays)
{
	struct daemon *d = start();
	char *url = url_of(d), *line;
	struct child child;

	start_import(&child, url);
	write_rows(&child, 1, 1001);
	WAIT_UNTIL(count() == 1000);
	/* it waits for more of its input */
	ck_assert_int_eq(kill(child.pid, SIGINT), 0);
	line = child_read_line(&child);
	ck_assert_ptr_nonnull(line);
	ck_assert_str_eq(line, "1000 imported, 0 refused");
	free(line);
	ck_assert_int_eq(child_wait(&child), 1);
	expect_rows(1000);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(a_database_that_comes_back_is_waited_for)
{
	struct daemon *d = start();
	char *url = url_of(d);
	struct child child;

	start_import(&child, url);
	write_rows(&child, 1, 1001);
	WAIT_UNTIL(count() == 1000);
	pg_do("stop");
	child_close_input(&child);
	WAIT_UNTIL(!is_ready(d));
	pg_do("restart");
	end_import(&child, "1001 imported, 0 refused");
	expect_rows(1001);
	free(url);
	daemon_stop(d);
}
END_TEST

/* --- files --- */

/* How many files of the test's directory begin so. */
static unsigned
n_files(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	DIR *dir = opendir(it_dir());
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, name, strlen(name)) == 0;
	closedir(dir);
	return n;
}

START_TEST(an_export_is_there_whole_or_not_at_all)
{
	struct daemon *d = daemon_start_default(); /* without a store */
	char *file = strdup(it_path("kept.csv")), *url = url_of(d), *text;
	struct stat info;
	struct run run;

	it_write_file(file, "before\n");
	run_args(&run, NULL, it_plazactl(), "products", "-w", "0", "-u", url, "export", file, NULL);
	expect_run(&run, 1, "");
	ck_assert_ptr_nonnull(strstr(run.err, "store.database is not set"));
	run_fini(&run);
	text = it_read_file(file);
	ck_assert_str_eq(text, "before\n");
	ck_assert_uint_eq(n_files(file), 1);
	free(text);
	free(url);
	daemon_stop(d);

	d = start();
	run_products(&run, d, NULL, "csv", "export", file);
	expect_run(&run, 0, "0 exported\n");
	run_fini(&run);
	text = it_read_file(file);
	ck_assert_msg(strncmp(text, "id,name,price", 13) == 0, "%s", text);
	ck_assert_uint_eq(n_files(file), 1);
	ck_assert_int_eq(stat(file, &info), 0);
	ck_assert_uint_eq(info.st_mode & 0777, 0644);
	free(text);
	/* what cannot be written is a failure */
	run_products(&run, d, NULL, "csv", "export", "/dev/full");
	expect_run(&run, 1, "");
	ck_assert_ptr_nonnull(strstr(run.err, "No space left"));
	run_fini(&run);
	run_products(&run, d, NULL, "csv", "export", "/nonexistent/x.csv");
	expect_run(&run, 1, "");
	run_fini(&run);
	run_products(&run, d, NULL, "csv", "import", "/nonexistent/x.csv");
	expect_run(&run, 1, "");
	ck_assert_ptr_nonnull(strstr(run.err, "No such file"));
	run_fini(&run);
	free(file);
	daemon_stop(d);
}
END_TEST

START_TEST(a_server_that_was_never_there_is_given_up_at_once)
{
	uint64_t begun = it_now_ms();
	struct run run;

	run_args(&run, "name,price\nPen,1\n", it_plazactl(), "products", "-u", "http://127.0.0.1:1",
		 "-f", "csv", "import", "-", NULL);
	expect_run(&run, 1, "0 imported, 0 refused\n");
	ck_assert_ptr_nonnull(strstr(run.err, "http://127.0.0.1:1: "));
	run_fini(&run);
	ck_assert_uint_lt(it_now_ms() - begun, 30000);
}
END_TEST

static const struct {
	const char *argv[6], *says;
} wrong[] = {
    {{"import"}, "import or export, and a file"},
    {{"delete", "x.csv"}, "import or export, and a file"},
    {{"import", "x.csv", "y.csv"}, "import or export, and a file"},
    {{"import", "rows"}, "its name does not tell the format"},
    {{"import", "-"}, "its name does not tell the format"},
    {{"import", ".csv"}, "its name does not tell the format"},
    {{"-f", "xml", "import", "rows.csv"}, "-f xml: accepted: csv or ndjson"},
    {{"-w", "-1", "import", "rows.csv"}, "-w -1: accepted: seconds"},
    {{"-u", "ftp://a", "import", "rows.csv"}, "ftp://a: is no server; accepted: http://"},
    {{"-u", "http://", "import", "rows.csv"}, "is no server"},
    {{"-u", "http:///x", "import", "rows.csv"}, "is no server"},
    {{"-u", "http://a b", "import", "rows.csv"}, "is no server"},
    {{"-u", "http://a?x", "import", "rows.csv"}, "is no server"},
    {{"-x", "import", "rows.csv"}, "products -h tells more"},
};

START_TEST(wrong_arguments_are_told_with_what_is_accepted)
{
	const char *argv[10] = {it_plazactl(), "products"};
	struct run run;

	for (size_t i = 0; i < 6 && wrong[_i].argv[i]; i++)
		argv[2 + i] = wrong[_i].argv[i];
	run_program(&run, NULL, argv);
	expect_run(&run, 2, "");
	ck_assert_msg(strstr(run.err, wrong[_i].says) != NULL, "%s", run.err);
	run_fini(&run);
}
END_TEST

/* --- the bar --- */

START_TEST(a_terminal_sees_a_bar_and_nothing_else_does)
{
	struct daemon *d = start();
	char *file = strdup(it_path("bar.csv")), *text, *command;
	struct run run;

	it_write_file(file, "name,price\nPen,1\nInk,2\n");
	command = it_printf("'%s' products -u http://127.0.0.1:%u import %s", it_plazactl(),
			    daemon_port(d), file);
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "importing ") != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "% ["));
	/* it is gone at the end */
	ck_assert_str_eq(text + strlen(text) - 4, "\r\033[K");
	free(text);
	run_args(&run, NULL, "sh", "-c", command, NULL);
	expect_run(&run, 0, "2 imported, 0 refused\n");
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	free(command);
	command = it_printf("'%s' products -u http://127.0.0.1:%u -f ndjson export -",
			    it_plazactl(), daemon_port(d));
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "exporting ") != NULL, "%s", text);
	free(text);
	run_args(&run, NULL, "sh", "-c", command, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.err, "");
	ck_assert_ptr_nonnull(strstr(run.out, "\"name\":\"Ink\""));
	run_fini(&run);
	free(command);
	free(file);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "products");

	tcase_add_loop_test(tc, what_goes_in_comes_out_and_goes_in_again, 0, 2);
	tcase_add_test(tc, thousands_keep_their_order);
	tcase_add_test(tc, a_bad_row_is_told_with_its_line_and_costs_no_other);
	tcase_add_test(tc, the_row_to_blame_for_a_refused_request_is_found);
	tcase_add_test(tc, a_restart_of_the_daemon_costs_nothing);
	tcase_add_test(tc, a_worker_killed_under_a_request_costs_nothing);
	tcase_add_test(tc, a_database_that_comes_back_is_waited_for);
	tcase_add_test(tc, a_database_killed_under_an_export_costs_nothing);
	tcase_add_test(tc, an_interrupt_ends_it_and_what_is_in_stays);
	tcase_add_test(tc, an_export_is_there_whole_or_not_at_all);
	tcase_add_test(tc, a_server_that_was_never_there_is_given_up_at_once);
	tcase_add_loop_test(tc, wrong_arguments_are_told_with_what_is_accepted, 0,
			    (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(tc, a_terminal_sees_a_bar_and_nothing_else_does);
}

int
main(void)
{
	return it_main("ctl_products", fill, IT_WITH_PG);
}
