/*
 * it_access_output.c - the access log on a standard output of any kind: full, gone or rotated, it
 * costs lines at most.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/access_lines.c tests/it/pg.c */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_lines.h"
#include "harness.h"
#include "http_client.h"

#define HOST "Host: localhost\r\n"

static int
ask(uint16_t port, const char *method, const char *target, const char *fields, const char *body)
{
	struct http_answer a;

	http_request(port, method, target, fields, body, &a);
	int status = a.status;
	http_answer_fini(&a);
	return status;
}

#define CLIENTS  4
#define REQUESTS 3000

struct load {
	uint16_t port;
	unsigned client;
	const char *failure;
};

/* Each target once: its number and then more or fewer bytes, so that lines of all lengths meet. */
static void *
load_run(void *arg)
{
	struct load *load = arg;
	static char fill[1200];
	struct http_conn c;
	struct http_answer a;

	memset(fill, 'f', sizeof(fill));
	for (unsigned i = 0; i < REQUESTS && !load->failure; i++) {
		/* new connections now and then go to either worker */
		if (i % 100 == 0 && !http_try_open(&c, load->port)) {
			load->failure = "cannot connect";
			break;
		}
		char *text = it_printf("GET /%u-%06u?%.*s HTTP/1.1\r\n" HOST "\r\n", load->client,
				       i, (int)(i * 37 % sizeof(fill)), fill);
		if (!http_try_send(&c, text, strlen(text)))
			load->failure = "cannot send";
		else if (!load->failure)
			load->failure = http_try_read(&c, "GET", &a);
		free(text);
		if (!load->failure && a.status != 200)
			load->failure = "another status";
		http_answer_fini(&a);
		if (i % 100 == 99 || load->failure)
			http_close(&c);
	}
	return NULL;
}

static void
load_start(struct load load[CLIENTS], pthread_t thread[CLIENTS], uint16_t port)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		load[i] = (struct load){.port = port, .client = i};
		ck_assert_int_eq(pthread_create(&thread[i], NULL, load_run, &load[i]), 0);
	}
}

static void
load_end(struct load load[CLIENTS], pthread_t thread[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_msg(!load[i].failure, "%s", load[i].failure);
	}
}

/* Each line of the load is whole, and there at most once; how many there are. */
static unsigned
check_load(const char *text)
{
	static bool seen[CLIENTS][REQUESTS];
	unsigned n = 0;

	memset(seen, 0, sizeof(seen));
	for (const char *line = text; *line; n++) {
		const char *end = strchr(line, '\n'), *request = strstr(line, "\"GET /");
		unsigned client, i;
		int at = 0;

		ck_assert_msg(end != NULL, "the last line is not whole: %s", line);
		ck_assert_msg(strncmp(line, "127.0.0.1 - - [", 15) == 0, "no beginning: %.100s",
			      line);
		ck_assert_msg(request && request < end &&
				  sscanf(request, "\"GET /%1u-%6u?%n", &client, &i, &at) == 2 &&
				  at == 15,
			      "no request: %.100s", line);
		ck_assert_uint_lt(client, CLIENTS);
		ck_assert_uint_lt(i, REQUESTS);
		ck_assert_msg(!seen[client][i], "twice: %.100s", line);
		seen[client][i] = true;
		request += at;
		ck_assert_uint_eq(strspn(request, "f"), i * 37 % 1200);
		request += i * 37 % 1200;
		ck_assert_msg(strncmp(request, " HTTP/1.1\" 200 ", 15) == 0, "%.100s", line);
		ck_assert_msg(strncmp(end - 8, " \"-\" \"-\"", 8) == 0, "no end: %.200s", line);
		line = end + 1;
	}
	return n;
}

/* The sum of what the log says is lost, so far. */
static unsigned
count_lost(struct daemon *d)
{
	unsigned sum = 0;
	char *log = daemon_log_copy(d, 0);

	for (const char *at = log; (at = strstr(at, "access log: ")); at++) {
		unsigned lost = 0;

		ck_assert_int_eq(
		    sscanf(at, "access log: %u access lines lost: nobody reads", &lost), 1);
		sum += lost;
	}
	free(log);
	return sum;
}

/*
 * What is not there is lost, and said to be. A worker tells at once, then after a minute, and at
 * its end: so the workers are replaced.
 */
static void
expect_rest_lost(struct daemon *d, unsigned there)
{
	ck_assert(daemon_reload(d));
	WAIT_UNTIL(there + count_lost(d) == CLIENTS * REQUESTS);
}

START_TEST(lines_of_two_workers_in_one_pipe_stay_whole)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = lines_start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	load_start(load, thread, daemon_port(d));
	while (lines_more(1000))
		;
	load_end(load, thread);
	/* a reader that has to wait for its CPU may be too slow */
	expect_rest_lost(d, check_load(lines.buf));
	ck_assert_uint_lt(count_lost(d), CLIENTS * REQUESTS / 2);
	lines.len = 0;
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_loses_lines_and_no_requests)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = lines_start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];
	struct http_answer a;

	load_start(load, thread, daemon_port(d));
	load_end(load, thread);
	char *line = daemon_log_wait(d, 0, "access lines lost: nobody reads standard output");
	ck_assert_ptr_nonnull(strstr(line, " warning: "));
	free(line);
	/* at most once a minute, and there are two workers */
	ck_assert_uint_le(daemon_log_count(d, 0, "access lines lost"), 2);
	/* read again, it goes on; what there is, is whole */
	while (lines_more(500))
		;
	ck_assert_uint_gt(check_load(lines.buf), 50);
	expect_rest_lost(d, check_load(lines.buf));
	lines.len = 0;
	http_request(daemon_port(d), "GET", "/again", NULL, NULL, &a);
	http_answer_fini(&a);
	lines_expect_combined("127.0.0.1", "\"GET /again HTTP/1.1\" 200 12 \"-\" \"-\"");
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

START_TEST(a_stop_does_not_wait_for_a_reader)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = lines_start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	load_start(load, thread, daemon_port(d));
	load_end(load, thread);
	uint64_t begin_ms = it_now_ms();
	daemon_stop(d);
	ck_assert_uint_lt(it_now_ms() - begin_ms, 5000);
	while (lines_more(0))
		;
	ck_assert_uint_gt(check_load(lines.buf), 50);
	close(lines.fd);
	free(lines.buf);
}
END_TEST

START_TEST(a_reload_changes_the_form)
{
	struct daemon *d =
	    lines_start((const char *[]){"server.workers=1", NULL}, "[log]\naccess = combined\n");
	uint16_t port = daemon_port(d);

	ck_assert_int_eq(ask(port, "GET", "/1", NULL, NULL), 200);
	lines_expect_combined("127.0.0.1", "\"GET /1 HTTP/1.1\" 200 8 \"-\" \"-\"");
	daemon_write_conf(d, "[log]\naccess = json\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/2", NULL, NULL), 200);
	json_t *line = lines_next_json();
	lines_expect_text(line, "target", "/2");
	json_decref(line);
	daemon_write_conf(d, "[log]\naccess = off\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/3", NULL, NULL), 200);
	daemon_write_conf(d, "[log]\naccess = combined\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/4", NULL, NULL), 200);
	lines_expect_combined("127.0.0.1", "\"GET /4 HTTP/1.1\" 200 8 \"-\" \"-\"");
	daemon_write_conf(d, "[log]\naccess = common\n");
	daemon_expect_error(d, "log.access");
	ck_assert(!daemon_reload(d));
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

/* What logrotate's copytruncate does to a file that was opened for appending. */
START_TEST(a_file_that_is_copied_and_truncated_goes_on_from_its_begin)
{
	char *path = (char *)(uintptr_t)it_path("access.txt");
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	struct daemon *d = lines_start_on(fd, (const char *[]){COMBINED, NULL}, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	close(fd);
	for (unsigned round = 0; round < 2; round++) {
		load_start(load, thread, daemon_port(d));
		load_end(load, thread);
		struct stat st;
		char *text = NULL;
		/* the last line may be on its way */
		WAIT_UNTIL((free(text), text = it_read_file(path)) &&
			   check_load(text) == CLIENTS * REQUESTS);
		ck_assert_int_eq(stat(path, &st), 0);
		/* no hole: what is to be seen is all there is */
		ck_assert_uint_eq((size_t)st.st_size, strlen(text));
		free(text);
		ck_assert_int_eq(truncate(path, 0), 0);
	}
	/* renaming it takes the daemon along, a reload too: it was given a file and not a name */
	char *renamed = it_printf("%s.1", path);
	ck_assert_int_eq(rename(path, renamed), 0);
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(daemon_port(d), "GET", "/renamed", NULL, NULL), 200);
	char *text = NULL;
	WAIT_UNTIL((free(text), text = it_read_file(renamed)) && strstr(text, "GET /renamed "));
	free(text);
	ck_assert_int_ne(access(path, F_OK), 0);
	daemon_stop(d);
	unlink(renamed);
	free(renamed);
	free(path);
}
END_TEST

START_TEST(a_closed_standard_output_hurts_nobody)
{
	struct daemon *d = lines_start_on(-1, (const char *[]){COMBINED, NULL}, NULL);

	for (int i = 0; i < 10; i++)
		http_expect_get(daemon_port(d), "/", 200, "Hello, Anonymous");
	ck_assert(!daemon_log_has(d, 0, "access log"));
	daemon_stop(d);
}
END_TEST

START_TEST(a_reader_that_is_gone_hurts_nobody)
{
	struct daemon *d = lines_start((const char *[]){JSON, NULL}, NULL);

	close(lines.fd);
	for (int i = 0; i < 10; i++)
		http_expect_get(daemon_port(d), "/", 200, "Hello, Anonymous");
	char *line = daemon_log_wait(d, 0, "access lines lost: Broken pipe");
	ck_assert_ptr_nonnull(strstr(line, " warning: "));
	free(line);
	daemon_stop(d);
}
END_TEST

/* Under systemd it is a socket of the journal, the same as standard error. */
START_TEST(a_socket_takes_lines_too)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct daemon *d = lines_start_on(fds[1], (const char *[]){COMBINED, NULL}, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	close(fds[1]);
	lines = (struct lines){.fd = fds[0]};
	load_start(load, thread, daemon_port(d));
	while (lines_more(1000))
		;
	load_end(load, thread);
	expect_rest_lost(d, check_load(lines.buf));
	lines.len = 0;
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "outputs");

	tcase_add_test(tc, lines_of_two_workers_in_one_pipe_stay_whole);
	tcase_add_test(tc, a_pipe_that_nobody_reads_loses_lines_and_no_requests);
	tcase_add_test(tc, a_stop_does_not_wait_for_a_reader);
	tcase_add_test(tc, a_reload_changes_the_form);
	tcase_add_test(tc, a_file_that_is_copied_and_truncated_goes_on_from_its_begin);
	tcase_add_test(tc, a_closed_standard_output_hurts_nobody);
	tcase_add_test(tc, a_reader_that_is_gone_hurts_nobody);
	tcase_add_test(tc, a_socket_takes_lines_too);
}

int
main(void)
{
	return it_main("access_output", fill, 0);
}
