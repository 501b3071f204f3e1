/*
 * it_config.c - the command line and the configuration as an operator meets them: what is printed,
 * every mistake at once, exit codes, secrets, addresses, forms of the log.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "http_client.h"

#define EXIT_USAGE  2
#define EXIT_OS     71
#define EXIT_CONFIG 78

static void
expect_text(const char *where, const char *text)
{
	ck_assert_msg(strstr(where, text) != NULL, "\"%s\" is not in:\n%s", text, where);
}

/* Some line holds both. */
static void
expect_line(const char *where, const char *begin, const char *text)
{
	for (const char *line = where; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t len = strcspn(line, "\n");
		char *copy = strndup(line, len);
		bool found = strncmp(copy, begin, strlen(begin)) == 0 && strstr(copy, text);
		free(copy);
		if (found)
			return;
		if (!line[len])
			break;
	}
	ck_abort_msg("no line \"%s...%s\" in:\n%s", begin, text, where);
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* A conf file of this test's own; the caller frees the path */
static char *
conf_file(const char *text)
{
	char *path = (char *)(uintptr_t)it_path("test.conf");

	it_write_file(path, text);
	return path;
}

START_TEST(help_and_versions)
{
	static const char *const forms[][2] = {{"-h", "--help"}, {"-V", "--version"}};
	struct run run, longer;

	for (int i = 0; i < 2; i++) {
		run_args(&run, NULL, it_plazad(), forms[i][0], NULL);
		run_args(&longer, NULL, it_plazad(), forms[i][1], NULL);
		ck_assert_int_eq(run.status, 0);
		ck_assert_int_eq(longer.status, 0);
		ck_assert_str_eq(run.out, longer.out);
		ck_assert_uint_eq(run.err_len, 0);
		if (i == 0) {
			static const char *const options[] = {
			    "-c", "-o", "-t", "-T", "-V", "-h", "section.key=value"};
			for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++)
				expect_text(run.out, options[o]);
		} else {
			static const char *const libraries[] = {
			    "plazad ", "libevent ", "libwebsockets ",
			    "libpq ",  "jansson ",  "libini_config ",
			    "zlib ",   "OpenSSL ",  "built with"};
			for (size_t o = 0; o < sizeof(libraries) / sizeof(libraries[0]); o++)
				expect_text(run.out, libraries[o]);
		}
		run_fini(&run);
		run_fini(&longer);
	}
}
END_TEST

START_TEST(usage_errors_exit_2)
{
	static const char *const wrong[][3] = {{"-x", NULL, NULL},        {"--no-such", NULL, NULL},
					       {"-c", NULL, NULL},        {"-o", NULL, NULL},
					       {"file.conf", NULL, NULL}, {"-t", "stray", NULL}};
	struct run run;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_args(&run, NULL, it_plazad(), wrong[i][0], wrong[i][1], NULL);
		ck_assert_msg(run.status == EXIT_USAGE, "%s: %d", wrong[i][0], run.status);
		expect_text(run.err, "usage: plazad");
		ck_assert_uint_eq(run.out_len, 0);
		run_fini(&run);
	}
}
END_TEST

START_TEST(checks_and_exits)
{
	char *good = conf_file("[server]\nlisten = 127.0.0.1:0\nworkers = 2\n"
			       "# a comment\n[http]\nidle_timeout = 5m\n");
	struct run run;

	run_args(&run, NULL, it_plazad(), "-t", "-c", good, NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	run_fini(&run);
	run_args(&run, NULL, it_plazad(), "--test", "--config", good, "--option",
		 "server.workers=3", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	run_fini(&run);
	it_write_file(good, "");
	run_args(&run, NULL, it_plazad(), "-t", "-c", good, NULL);
	ck_assert_msg(run.status == 0, "an empty file: %s", run.err);
	run_fini(&run);
	it_write_file(good, "# nothing but a comment\n\n");
	run_args(&run, NULL, it_plazad(), "-t", "-c", good, NULL);
	ck_assert_msg(run.status == 0, "a comment: %s", run.err);
	run_fini(&run);
	unlink(good);
	free(good);
}
END_TEST

START_TEST(a_file_that_is_named_must_be_there)
{
	static const char *const actions[] = {"-t", "-T", NULL};
	struct run run;

	for (int i = 0; i < 3; i++) {
		run_args(&run, NULL, it_plazad(), "-c", "/no/such/plaza.conf", actions[i], NULL);
		ck_assert_int_eq(run.status, EXIT_CONFIG);
		expect_text(run.err, "/no/such/plaza.conf");
		run_fini(&run);
	}
	run_args(&run, NULL, it_plazad(), "-c", it_dir(), "-t", NULL); /* a directory */
	ck_assert_int_eq(run.status, EXIT_CONFIG);
	run_fini(&run);
}
END_TEST

START_TEST(the_default_file_may_be_missing)
{
	struct run run;

	run_args(&run, NULL, it_plazad(), "-h", NULL);
	char *path = strstr(run.out, "not /");
	ck_assert_ptr_nonnull(path);
	path = strndup(path + 4, strcspn(path + 4, "\n"));
	run_fini(&run);
	if (access(path, F_OK) == 0) {
		fprintf(stderr, "%s is there: the_default_file_may_be_missing is not run\n", path);
		free(path);
		return;
	}
	run_args(&run, NULL, it_plazad(), "-t", NULL);
	ck_assert_int_eq(run.status, 0);
	expect_text(run.out, path);
	run_fini(&run);
	run_args(&run, NULL, it_plazad(), "-T", NULL);
	ck_assert_int_eq(run.status, 0);
	expect_text(run.out, path);
	run_fini(&run);

	/* started so, it says so: the port is ours, so that it ends by itself */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	char *option = it_printf("server.listen=127.0.0.1:%u", ntohs(addr.sin_port));
	run_args(&run, NULL, it_plazad(), "-o", option, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	expect_text(run.err, path);
	expect_text(run.err, " master info: there is no "); /* by whom, as every line */
	run_fini(&run);
	close(fd);
	free(option);
	free(path);
}
END_TEST

START_TEST(every_mistake_is_reported_at_once)
{
	char *path = conf_file("[server]\n"                 /* 1 */
			       "workers = many\n"           /* 2 */
			       "worker = 2\n"               /* 3 */
			       "listen = localhost\n"       /* 4 */
			       "public = greet chatt\n"     /* 5 */
			       "[http]\n"                   /* 6 */
			       "idle_timeout = 5 parsecs\n" /* 7 */
			       "max_header_size = 1g\n"     /* 8 */
			       "body_timeout = 10s\n"       /* 9 */
			       "body_timeout = 11s\n"       /* 10 */
			       "[htpp]\n"                   /* 11 */
			       "x = 1\n"                    /* 12 */
			       "[chat]\n"                   /* 13 */
			       "max_message_size = -1\n"    /* 14 */
			       "ping_interval = 10\n"       /* 15 */
			       "[log]\n"                    /* 16 */
			       "level = loud\n"             /* 17 */
			       "slow_callback = 99h\n");    /* 18 */
	static const struct {
		int line;
		const char *name, *accepted;
	} mistakes[] = {
	    {2, "server.workers", "auto"},       {3, "server.worker", "workers"},
	    {4, "server.listen", ":"},           {5, "server.public", "chat"},
	    {7, "http.idle_timeout", "ms"},      {8, "http.max_header_size", "1m"},
	    {10, "http.body_timeout", "line 9"}, {11, "", "http"},
	    {14, "chat.max_message_size", "1m"}, {15, "chat.ping_interval", "ms"},
	    {17, "log.level", "warning"},        {18, "log.slow_callback", "1h"},
	};
	static const char *const actions[] = {"-t", "-T", NULL};
	struct run run;

	for (int a = 0; a < 3; a++) {
		run_args(&run, NULL, it_plazad(), "-c", path, "-o", "http.origin=x", "-o",
			 "server.workers=0", "-o", "nonsense", actions[a], NULL);
		ck_assert_int_eq(run.status, EXIT_CONFIG);
		for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
			char *begin =
			    it_printf("%s:%d: %s", path, mistakes[i].line, mistakes[i].name);
			expect_line(run.err, begin, mistakes[i].accepted);
			free(begin);
		}
		expect_line(run.err, "-o: http.origin:", "http.origins");
		expect_line(run.err, "-o: server.workers:", "64");
		expect_line(run.err, "-o: ", "nonsense");
		/* one line each, and nothing more */
		ck_assert_msg(count_lines(run.err) == sizeof(mistakes) / sizeof(mistakes[0]) + 3,
			      "%s", run.err);
		run_fini(&run);
	}
	unlink(path);
	free(path);
}
END_TEST

/* Each value is right by itself; together they cannot be had. */
START_TEST(numbers_that_do_not_fit_together)
{
	struct run run;

	run_args(&run, NULL, it_plazad(), "-t", "-o", "chat.log_size=1m", NULL);
	ck_assert_int_eq(run.status, EXIT_CONFIG);
	expect_line(run.err,
		    "default: chat.max_message_size: 65536 bytes do not fit into "
		    "chat.log_size = 1048576; accepted: at most ",
		    "larger chat.log_size");
	run_fini(&run);
	run_args(&run, NULL, it_plazad(), "-t", "-o", "chat.room_log_size=64k", NULL);
	ck_assert_int_eq(run.status, EXIT_CONFIG);
	expect_line(run.err,
		    "default: chat.max_message_size: 65536 bytes do not fit into "
		    "chat.room_log_size = 65536; accepted: at most ",
		    "(or a larger chat.room_log_size)");
	run_fini(&run);
	run_args(&run, NULL, it_plazad(), "-t", "-o", "server.workers=4", "-o",
		 "store.connections=7", "-o", "store.database=dbname=x", NULL);
	ck_assert_int_eq(run.status, EXIT_CONFIG);
	expect_line(run.err, "-o: store.connections: 7 is too few: 4 workers", "18 or more");
	run_fini(&run);
}
END_TEST

START_TEST(output_that_cannot_be_written_is_an_error)
{
	static const char *const actions[] = {"-t", "-T", "-V", "-h"};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct run run;
		char *line = it_printf("exec %s %s >/dev/full", it_plazad(), actions[i]);

		run_args(&run, NULL, "/bin/sh", "-c", line, NULL);
		ck_assert_int_eq(run.status, 71);
		ck_assert_ptr_nonnull(strstr(run.err, "cannot write to standard output"));
		run_fini(&run);
		free(line);
	}
}
END_TEST

START_TEST(what_is_no_ini_file)
{
	static const struct {
		const char *text;
		int line;
	} cases[] = {
	    {"workers = 2\n", 1},          {"[server]\nworkers\n", 2},
	    {"[server\nworkers = 2\n", 1}, {"[server]\nworkers = 2\n[server]\nworkers = 3\n", 4},
	    {"[server]\n= 2\n", 2},
	};
	struct run run;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = conf_file(cases[i].text);
		run_args(&run, NULL, it_plazad(), "-t", "-c", path, NULL);
		ck_assert_msg(run.status == EXIT_CONFIG, "%s", cases[i].text);
		char *begin = it_printf("%s:%d: ", path, cases[i].line);
		expect_line(run.err, begin, "");
		free(begin);
		run_fini(&run);
		unlink(path);
		free(path);
	}
}
END_TEST

START_TEST(dumps_what_is_in_force)
{
	static const char *const names[] = {"listen",
					    "workers",
					    "user",
					    "group",
					    "public",
					    "names",
					    "shutdown_timeout",
					    "drain_timeout",
					    "header_timeout",
					    "body_timeout",
					    "min_body_rate",
					    "idle_timeout",
					    "write_timeout",
					    "max_header_size",
					    "max_body_size",
					    "max_connections",
					    "max_connections_per_address",
					    "origins",
					    "max_message_size",
					    "log_size",
					    "client_queue_size",
					    "ping_interval",
					    "pong_timeout",
					    "database",
					    "connections",
					    "connect_timeout",
					    "statement_timeout",
					    "queue_limit",
					    "queue_timeout",
					    "level",
					    "format",
					    "slow_callback"};
	static const char *const defaults[] = {
	    "\nlisten = 127.0.0.1:8080\n", "\nworkers = auto\n",
	    "\npublic = greet\n",          "\nshutdown_timeout = 10s\n",
	    "\ndrain_timeout = 1h\n",      "\nheader_timeout = 10s\n",
	    "\nbody_timeout = 30s\n",      "\nmin_body_rate = 1k\n",
	    "\nidle_timeout = 75s\n",      "\nwrite_timeout = 30s\n",
	    "\nmax_header_size = 16k\n",   "\nmax_body_size = 1m\n",
	    "\nmax_connections = auto\n",  "\nmax_message_size = 64k\n",
	    "\nlog_size = 64m\n",          "\nclient_queue_size = 1m\n",
	    "\nping_interval = 25s\n",     "\npong_timeout = 10s\n",
	    "\nconnections = 90\n",        "\nconnect_timeout = 5s\n",
	    "\nstatement_timeout = 5s\n",  "\nqueue_limit = 256\n",
	    "\nqueue_timeout = 2s\n",      "\nlevel = info\n",
	    "\nformat = text\n",           "\nslow_callback = 100ms\n"};
	char *path = conf_file(
	    "[http]\n\nidle_timeout = 5m\norigins = https://a.example https://b.example\n");
	struct run run, again;

	/* an empty file: the defaults */
	run_args(&run, NULL, it_plazad(), "-T", "-c", "/dev/null", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		expect_text(run.out, defaults[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *line = it_printf("\n%s =", names[i]);
		expect_text(run.out, line);
		free(line);
	}
	run_fini(&run);

	/* marks of where a value came from; -o wins, also over the file; the first = splits */
	run_args(&run, NULL, it_plazad(), "--dump", "-c", path, "-o", "server.workers=7", "-o",
		 "http.idle_timeout=6m", "-o", "store.database=host=/nowhere dbname=a=b", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	expect_text(run.out, "# -o\nworkers = 7\n");
	expect_text(run.out, "# -o\nidle_timeout = 6m\n");
	expect_text(run.out, "# -o\ndatabase = host=/nowhere dbname=a=b\n");
	expect_text(run.out, "test.conf:4\norigins = https://a.example https://b.example\n");
	expect_text(run.out, "# default\nformat = text\n");

	/* it is a conf file itself, and says the same */
	it_write_file(path, run.out);
	run_args(&again, NULL, it_plazad(), "-T", "-c", path, NULL);
	ck_assert_msg(again.status == 0, "%s", again.err);
	expect_text(again.out, "\nworkers = 7\n");
	expect_text(again.out, "\nidle_timeout = 6m\n");
	expect_text(again.out, "\ndatabase = host=/nowhere dbname=a=b\n");
	ck_assert(!strstr(again.out, "# default"));
	run_fini(&again);
	run_fini(&run);
	unlink(path);
	free(path);
}
END_TEST

START_TEST(secrets_stay_secret)
{
	static const char *const conninfos[] = {
	    "host=/nowhere dbname=plaza password=geheim42",
	    "host=/nowhere password = 'geheim42 \\'x' dbname=plaza",
	    "postgresql://user:geheim42@localhost/plaza",
	    "postgresql://user@localhost/plaza?password=geheim42",
	};
	struct run run;

	for (size_t i = 0; i < sizeof(conninfos) / sizeof(conninfos[0]); i++) {
		char *option = it_printf("store.database=%s", conninfos[i]);
		run_args(&run, NULL, it_plazad(), "-T", "-c", "/dev/null", "-o", option, NULL);
		ck_assert_msg(run.status == 0, "%s", run.err);
		ck_assert_msg(!strstr(run.out, "geheim42"), "%s", run.out);
		expect_text(run.out, "***");
		run_fini(&run);
		free(option);
	}
	/* a conninfo that is wrong is not printed with its password either */
	run_args(&run, NULL, it_plazad(), "-t", "-c", "/dev/null", "-o",
		 "store.database=host=x password=geheim42 nonsense=1", NULL);
	ck_assert_int_eq(run.status, EXIT_CONFIG);
	expect_line(run.err, "-o: store.database:", "");
	ck_assert_msg(!strstr(run.err, "geheim42"), "%s", run.err);
	run_fini(&run);
	/* nor is it in any log */
	struct daemon *d = daemon_start(
	    "store.database=host=/nowhere password=geheim42 dbname=plaza", "log.level=debug", NULL);
	http_expect_get(daemon_port(d), "/api/products", 503, NULL);
	expect_text(daemon_ready_line(d), "***");
	ck_assert(!daemon_log_has(d, 0, "geheim42"));
	ck_assert_ptr_null(strstr(procfs_title(daemon_pid(d)), "geheim42"));
	daemon_stop(d);
}
END_TEST

START_TEST(a_taken_port_names_its_holder)
{
	struct daemon *d = daemon_start_default();
	char *option = it_printf("server.listen=127.0.0.1:%u", daemon_port(d));
	struct run run;

	/* by another plazad, in spite of SO_REUSEPORT */
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", option, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	char *pid = it_printf("%d", (int)daemon_pid(d));
	expect_text(run.err, pid);
	expect_text(run.err, "plazad");
	free(pid);
	run_fini(&run);
	/* and by all addresses of it */
	char *any = it_printf("server.listen=*:%u", daemon_port(d));
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", any, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	run_fini(&run);
	free(any);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	daemon_stop(d);

	/* by anybody else */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	char *other = it_printf("server.listen=127.0.0.1:%u", ntohs(addr.sin_port));
	pid = it_printf("%d", (int)getpid());
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", other, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	expect_text(run.err, pid);
	run_fini(&run);
	close(fd);
	/* -t opens nothing, so it finds nothing wrong */
	run_args(&run, NULL, it_plazad(), "-t", "-c", "/dev/null", "-o", other, NULL);
	ck_assert_int_eq(run.status, 0);
	run_fini(&run);
	free(pid);
	free(other);
	free(option);
}
END_TEST

START_TEST(listens_on_all_that_is_asked_for)
{
	char *path = (char *)(uintptr_t)it_path("a.sock");
	char *option = it_printf("server.listen=127.0.0.1:0 unix:%s [::1]:0 127.0.0.2:0", path);
	struct daemon *d = daemon_start(option, NULL);
	struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct http_answer a;
	struct http_conn c;
	char *at;

	http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	/* the one line names them all, with their real ports */
	at = strstr(daemon_ready_line(d), "[::1]:");
	ck_assert_msg(at != NULL, "%s", daemon_ready_line(d));
	addr6.sin6_port = htons((uint16_t)strtoul(at + 6, NULL, 10));
	ck_assert_uint_ne(addr6.sin6_port, 0);
	http_open_to(&c, (struct sockaddr *)&addr6, sizeof(addr6));
	http_exchange(&c, "GET", "/Ada", NULL, NULL, &a);
	ck_assert_str_eq(a.body, "Hello, Ada");
	http_answer_fini(&a);
	http_exchange(&c, "GET", "/Ada", "Host: [::1]\r\n", NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_close(&c);
	expect_text(daemon_ready_line(d), path);
	for (int i = 0; i < 10; i++) {
		http_open_unix(&c, path);
		http_exchange(&c, "GET", "/Ada", NULL, NULL, &a);
		ck_assert_str_eq(a.body, "Hello, Ada");
		http_answer_fini(&a);
		/* any Host, for it is no loopback listener, and the peer is this machine's */
		http_exchange(&c, "GET", "/api/products", "Host: any.example\r\n", NULL, &a);
		ck_assert_int_eq(a.status, 503);
		http_answer_fini(&a);
		http_close(&c);
	}
	ck_assert_int_eq(access(path, F_OK), 0);
	daemon_stop(d);
	ck_assert_msg(access(path, F_OK) != 0, "the unix socket's file is left");
	free(option);
	free(path);
}
END_TEST

START_TEST(unix_sockets_are_not_stolen)
{
	char *path = (char *)(uintptr_t)it_path("b.sock");
	char *option = it_printf("server.listen=unix:%s", path);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct http_conn c;
	struct http_answer a;
	struct run run;

	/* one that nobody listens to any more is replaced */
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	struct daemon *d = daemon_start(option, NULL);
	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	http_close(&c);
	/* one that is served is not */
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", option, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	char *pid = it_printf("%d", (int)daemon_pid(d));
	expect_text(run.err, pid);
	free(pid);
	run_fini(&run);
	http_open_unix(&c, path);
	http_close(&c);
	daemon_stop(d);
	/* nor is a file that is something else */
	it_write_file(path, "precious");
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", option, NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	run_fini(&run);
	char *text = it_read_file(path);
	ck_assert_str_eq(text, "precious");
	free(text);
	unlink(path);
	/* what cannot be made at all */
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o",
		 "server.listen=unix:/no/such/dir/x.sock", NULL);
	ck_assert_int_eq(run.status, EXIT_OS);
	expect_text(run.err, "/no/such/dir/x.sock");
	run_fini(&run);
	free(option);
	free(path);
}
END_TEST

START_TEST(lines_of_the_log)
{
	struct daemon *d = daemon_start("log.level=debug", NULL);
	regex_t form;

	/* 2026-11-22 16:56:01.123 worker 0 info: ... */
	ck_assert_int_eq(
	    regcomp(&form,
		    "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} "
		    "(master|worker [0-9]+) (error|warning|info|debug): .+",
		    REG_EXTENDED | REG_NOSUB),
	    0);
	ck_assert_msg(regexec(&form, daemon_ready_line(d), 0, NULL, 0) == 0, "%s",
		      daemon_ready_line(d));
	ck_assert_uint_eq(daemon_log_count(d, 0, "READY"), 1);
	kill(daemon_pid(d), SIGTERM);
	char *line = daemon_log_wait(d, 0, "stopping");
	ck_assert_int_eq(regexec(&form, line, 0, NULL, 0), 0);
	free(line);
	regfree(&form);
	daemon_ended(d, 0);

	/* one JSON object a line */
	d = daemon_start("log.format=json", "server.public=*", NULL);
	line = daemon_log_wait(d, 0, "READY");
	json_t *json = json_loads(line, 0, NULL);
	ck_assert_msg(json != NULL, "%s", line);
	ck_assert_str_eq(json_string_value(json_object_get(json, "process")), "master");
	ck_assert_str_eq(json_string_value(json_object_get(json, "level")), "info");
	ck_assert_ptr_nonnull(json_string_value(json_object_get(json, "time")));
	ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(json, "message")), "READY"));
	json_decref(json);
	free(line);
	line = daemon_log_wait(d, 0, "server.public");
	json = json_loads(line, 0, NULL);
	ck_assert_msg(json != NULL, "%s", line);
	ck_assert_str_eq(json_string_value(json_object_get(json, "level")), "warning");
	json_decref(json);
	free(line);
	daemon_stop(d);
}
END_TEST

/* What systemd sets when stderr is the journal */
static void
journal_env(void *ctx)
{
	struct stat st;
	char value[64];

	(void)ctx;
	fstat(STDERR_FILENO, &st);
	snprintf(value, sizeof(value), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", value, 1);
}

START_TEST(lines_for_the_journal)
{
	const char *const options[] = {"server.public=*", NULL};
	struct daemon_spec spec = {.options = options, .prepare = journal_env};
	struct daemon *d = daemon_start_spec(&spec);

	/* a priority and no time: the journal has its own */
	ck_assert_msg(strncmp(daemon_ready_line(d), "<6>master info: READY", 21) == 0, "%s",
		      daemon_ready_line(d));
	char *line = daemon_log_wait(d, 0, "server.public");
	ck_assert_msg(strncmp(line, "<4>master warning: ", 19) == 0, "%s", line);
	free(line);
	daemon_stop(d);
}
END_TEST

START_TEST(levels_of_the_log)
{
	struct daemon *d = daemon_start("log.level=info", NULL);
	ck_assert(!daemon_log_has(d, 0, " debug: "));
	daemon_stop(d);
	d = daemon_start("log.level=debug", NULL);
	ck_assert(daemon_log_has(d, 0, " debug: "));
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "arguments");
	tcase_add_test(tc, help_and_versions);
	tcase_add_test(tc, usage_errors_exit_2);
	tcase_add_test(tc, checks_and_exits);
	tcase_add_test(tc, a_file_that_is_named_must_be_there);
	tcase_add_test(tc, the_default_file_may_be_missing);

	tc = it_case(s, "configuration");
	tcase_add_test(tc, every_mistake_is_reported_at_once);
	tcase_add_test(tc, numbers_that_do_not_fit_together);
	tcase_add_test(tc, output_that_cannot_be_written_is_an_error);
	tcase_add_test(tc, what_is_no_ini_file);
	tcase_add_test(tc, dumps_what_is_in_force);
	tcase_add_test(tc, secrets_stay_secret);

	tc = it_case(s, "addresses");
	tcase_add_test(tc, a_taken_port_names_its_holder);
	tcase_add_test(tc, listens_on_all_that_is_asked_for);
	tcase_add_test(tc, unix_sockets_are_not_stolen);

	tc = it_case(s, "log");
	tcase_add_test(tc, lines_of_the_log);
	tcase_add_test(tc, lines_for_the_journal);
	tcase_add_test(tc, levels_of_the_log);
}

int
main(void)
{
	return it_main("config", fill, 0);
}
