/*
 * it_readme.c - README's commands and examples, run as they stand there: only the port and the
 * place of the programs are put in.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "pg.h"
#include "ws_client.h"

#define PROMPT "    $ "
#define ROOT   "    # "

static char *
read_readme(void)
{
	char *path = it_printf("%s/README", it_srcdir());
	char *text = it_read_file(path);

	ck_assert_msg(text != NULL, "%s cannot be read", path);
	free(path);
	return text;
}

/* The caller frees */
static char *
replace(const char *text, const char *from, const char *to)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	ck_assert_ptr_nonnull(f);
	for (const char *at; (at = strstr(text, from)); text = at + strlen(from))
		fprintf(f, "%.*s%s", (int)(at - text), text, to);
	fputs(text, f);
	fclose(f);
	return out;
}

/* A command of README's, made to fit this daemon; the caller frees */
static char *
adapt(const char *command, struct daemon *d)
{
	char *address = it_printf("127.0.0.1:%u", daemon_port(d));
	char *a = replace(command, "127.0.0.1:8080", address);
	char *b = replace(a, "src/plazactl", it_plazactl());

	free(a);
	free(address);
	return b;
}

static char *
take_line(const char **at)
{
	size_t len = strcspn(*at, "\n");
	char *line = strndup(*at, len);

	*at += len + ((*at)[len] == '\n');
	return line;
}

/* The indented lines after a command are what it prints. */
START_TEST(examples_answer_what_is_printed)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, NULL);
	char *readme = read_readme();
	const char *at = readme;
	unsigned n = 0;

	while (*at) {
		char *line = take_line(&at);
		bool here =
		    strncmp(line, PROMPT, strlen(PROMPT)) == 0 && strstr(line, "127.0.0.1:8080");
		if (here) {
			char *expected = NULL;
			size_t len = 0;
			FILE *f = open_memstream(&expected, &len);
			while (strncmp(at, "    ", 4) == 0 &&
			       strncmp(at, PROMPT, strlen(PROMPT)) != 0) {
				char *answer = take_line(&at);
				fprintf(f, "%s\n", answer + 4);
				free(answer);
			}
			fclose(f);
			char *command = adapt(line + strlen(PROMPT), d);
			/* as at a terminal, without curl's progress */
			char *script = it_printf("export CURL_HOME=/nonexistent; %s 2>&1", command);
			char *quiet = replace(script, "curl ", "curl -sS --noproxy '*' ");
			struct run run;
			run_args(&run, NULL, "bash", "-c", quiet, NULL);
			ck_assert_msg(run.status == 0, "%s: %d: %s", command, run.status, run.out);
			/* bodies have no newline at their end, README's lines have */
			char *got =
			    it_printf("%s%s", run.out,
				      run.out_len && run.out[run.out_len - 1] == '\n' ? "" : "\n");
			ck_assert_msg(strcmp(got, expected) == 0, "%s\nprints:\n%snot:\n%s",
				      command, got, expected);
			n++;
			free(got);
			run_fini(&run);
			free(quiet);
			free(script);
			free(command);
			free(expected);
		}
		free(line);
	}
	/* the seven of the first screen */
	ck_assert_uint_ge(n, 7);
	free(readme);
	free(database);
	daemon_stop(d);
}
END_TEST

/* The line of README that holds `text`, without its indent; NULL if there is none */
static char *
find_line(const char *readme, const char *text)
{
	const char *at = strstr(readme, text);

	if (!at)
		return NULL;
	while (at > readme && at[-1] != '\n')
		at--;
	at += strspn(at, " ");
	return strndup(at, strcspn(at, "\n"));
}

/* A python3 that has the module websockets: what README needs for its other client. */
static const char *
find_python(void)
{
	static const char *const names[] = {"python3", "/usr/bin/python3"};

	for (size_t i = 0; i < 2; i++) {
		struct run run;
		run_args(&run, NULL, names[i], "-c", "import websockets", NULL);
		bool ok = run.status == 0;
		run_fini(&run);
		if (ok)
			return names[i];
	}
	return NULL;
}

START_TEST(two_clients_chat)
{
	struct daemon *d = daemon_start_default();
	char *readme = read_readme();
	char *ours = find_line(readme, "plazactl ws ws://127.0.0.1:8080/chat");
	char *other = find_line(readme, "python3 -m websockets ws://127.0.0.1:8080/chat");
	const char *python = find_python();
	struct child child;
	char *line;

	ck_assert_ptr_nonnull(ours);
	ck_assert_ptr_nonnull(other);
	char *command = adapt(ours, d);
	char *script = it_printf("exec %s", command);
	const char *argv[] = {"sh", "-c", script, NULL};
	child_start(&child, argv);
	child_write(&child, "anybody?\n");
	line = child_read_line(&child);
	ck_assert_str_eq(line, "anybody?");
	free(line);
	if (python) {
		/* it closes at the end of its input, and may not wait for what it sent to come back
		 */
		char *adapted = adapt(other, d);
		char *with = replace(adapted, "python3", python);
		struct child guest;
		char *guest_script = it_printf("exec %s", with);
		const char *guest_argv[] = {"sh", "-c", guest_script, NULL};
		child_start(&guest, guest_argv);
		child_write(&guest, "me\n");
		line = child_read_line(&child);
		ck_assert_str_eq(line, "me");
		free(line);
		child_write(&child, "welcome\n");
		bool heard = false;
		while (!heard && (line = child_read_line(&guest))) {
			heard = strstr(line, "< welcome") != NULL;
			free(line);
		}
		ck_assert(heard);
		child_close_input(&guest);
		ck_assert_int_eq(child_wait(&guest), 0);
		free(guest_script);
		free(with);
		free(adapted);
	} else {
		fprintf(stderr, "no python3 with websockets: README's other client is not run\n");
	}
	child_close_input(&child);
	ck_assert_int_eq(child_wait(&child), 0);
	free(script);
	free(command);
	free(ours);
	free(other);
	free(readme);
	daemon_stop(d);
}
END_TEST

/* What changes the whole machine is left to those who install; every other line is run here. */
START_TEST(production_lines_work)
{
	static const char *const left[] = {"./bootstrap", "systemd-sysusers", "apt-get install",
					   "pg_createcluster", "systemctl "};
	char *readme = read_readme();
	const char *at = strstr(readme, "\nIn production\n");
	char *conf = (char *)(uintptr_t)it_path("production.conf");
	char *sample_path = it_printf("%s/conf/plaza.conf", it_srcdir());
	char *sample = it_read_file(sample_path);
	struct daemon *d = NULL;
	unsigned ran = 0, n_left = 0;
	struct run run;

	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(sample);
	it_write_file(conf, sample);
	/* the role and the database are README's to make */
	free(pg_query("postgres", "drop database if exists plaza"));
	free(pg_query("postgres", "alter role plaza rename to plaza_away"));
	const char *end = strstr(at, "\nThat is peer");
	ck_assert_ptr_nonnull(end);
	while (at < end) {
		char *line = take_line(&at);
		bool skip = strncmp(line, ROOT, strlen(ROOT)) != 0;
		for (size_t i = 0; i < sizeof(left) / sizeof(left[0]) && !skip; i++) {
			if (strncmp(line + strlen(ROOT), left[i], strlen(left[i])) == 0) {
				skip = true;
				n_left++;
			}
		}
		if (skip) {
			free(line);
			continue;
		}
		const char *command = line + strlen(ROOT);
		if (strncmp(command, "curl ", 5) == 0) {
			/* by now it would be enabled: started on the file as README has changed it
			 */
			char *there = it_printf("host=%s user=plaza", pg_socket_dir());
			char *edited = it_read_file(conf);
			ck_assert_ptr_nonnull(edited);
			char *local = replace(edited, "host=/run/postgresql", there);
			ck_assert_msg(strstr(local, there), "%s", edited);
			struct daemon_spec spec = {.conf = local};
			d = daemon_start_spec(&spec);
			char *adapted = adapt(command, d);
			char *script = replace(adapted, "curl ", "curl -sS --noproxy '*' ");
			run_args(&run, NULL, "sh", "-c", script, NULL);
			ck_assert_msg(run.status == 0, "%s: %s", script, run.err);
			ck_assert_str_eq(run.out, "Hello, Ada");
			free(script);
			free(adapted);
			free(local);
			free(edited);
			free(there);
		} else {
			char *a = replace(command, "runuser -u postgres -- ", "");
			char *b = replace(a, "/etc/plaza/plaza.conf", conf);
			char *script =
			    it_printf("export PGHOST='%s' PGUSER=postgres; %s", pg_socket_dir(), b);
			run_args(&run, NULL, "sh", "-c", script, NULL);
			ck_assert_msg(run.status == 0, "%s: %s", script, run.err);
			free(script);
			free(b);
			free(a);
		}
		run_fini(&run);
		ran++;
		free(line);
	}
	ck_assert_uint_ge(ran, 4);
	ck_assert_uint_ge(n_left, 4);
	ck_assert_ptr_nonnull(d);
	/* and the store is there */
	WAIT_UNTIL(({
		struct http_answer a;
		http_request(daemon_port(d), "POST", "/api/products",
			     "Content-Type: application/json\r\n",
			     "{\"name\":\"iPhone 12\",\"price\":999.99}", &a);
		bool ok = a.status == 201;
		http_answer_fini(&a);
		ok;
	}));
	daemon_stop(d);
	free(sample);
	free(sample_path);
	free(conf);
	free(readme);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "readme");

	tcase_add_test(tc, examples_answer_what_is_printed);
	tcase_add_test(tc, two_clients_chat);
	tcase_add_test(tc, production_lines_work);
}

int
main(void)
{
	return it_main("readme", fill, IT_WITH_PG);
}
