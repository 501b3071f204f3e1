/*
 * it_ctl.c - plazactl ws against the real daemon: the lines that README promises, and its ends.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

static char *
url_of(struct daemon *d, const char *path)
{
	return it_printf("ws://127.0.0.1:%u%s", daemon_port(d), path);
}

START_TEST(echoes_five_messages)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "/echo");
	struct run run;

	/* seq -f 'Message %g' 0 4 | plazactl ws ws://.../echo */
	char *command = it_printf("seq -f 'Message %%g' 0 4 | '%s' ws %s", it_plazactl(), url);
	run_args(&run, NULL, "sh", "-c", command, NULL);
	ck_assert_msg(run.status == 0, "%d: %s", run.status, run.err);
	ck_assert_str_eq(run.out, "Server received: Message 0\nServer received: Message 1\n"
				  "Server received: Message 2\nServer received: Message 3\n"
				  "Server received: Message 4\n");
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	free(command);

	/* nothing in, nothing out; no newline at the end; empty lines; UTF-8 */
	run_args(&run, "", it_plazactl(), "ws", url, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "");
	run_fini(&run);
	run_args(&run, "a\n\n\xe5\xa4\xaa\xe9\x83\x8e", it_plazactl(), "ws", url, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "Server received: a\nServer received: \n"
				  "Server received: \xe5\xa4\xaa\xe9\x83\x8e\n");
	run_fini(&run);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(echoes_ten_thousand_messages)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "/echo");
	char *in = malloc(10000 * 16), *out = malloc(10000 * 40);
	size_t n_in = 0, n_out = 0;
	struct run run;

	for (int i = 0; i < 10000; i++) {
		n_in += (size_t)sprintf(in + n_in, "m %d\n", i);
		n_out += (size_t)sprintf(out + n_out, "Server received: m %d\n", i);
	}
	run_args(&run, in, it_plazactl(), "ws", url, NULL);
	ck_assert_msg(run.status == 0, "%d: %s", run.status, run.err);
	ck_assert_uint_eq(run.out_len, n_out);
	ck_assert(memcmp(run.out, out, n_out) == 0);
	run_fini(&run);
	free(in);
	free(out);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(chats)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "/chat");
	const char *argv[] = {it_plazactl(), "ws", url, NULL};
	struct child a, b;
	struct ws ws[2];
	char *line;
	struct run run;

	/* what one client sends, every client gets, on whichever worker */
	ws_open_everywhere(ws, 2, d, "/chat");
	child_start(&a, argv);
	child_write(&a, "from a\n");
	line = child_read_line(&a);
	ck_assert_str_eq(line, "from a");
	free(line);
	child_start(&b, argv);
	child_write(&b, "from b\n");
	for (int i = 0; i < 2; i++) {
		line = child_read_line(i ? &b : &a);
		ck_assert_str_eq(line, "from b");
		free(line);
	}
	ws_expect(&ws[0], "from a");
	ws_expect(&ws[1], "from a");
	ws_expect(&ws[0], "from b");
	ws_expect(&ws[1], "from b");
	/* a message out is a line, whatever is in it */
	ws_send(&ws[0], "two\nlines");
	line = child_read_line(&a);
	ck_assert_str_eq(line, "two\\nlines");
	free(line);
	child_close_input(&a);
	ck_assert_int_eq(child_wait(&a), 0);
	child_close_input(&b);
	ck_assert_int_eq(child_wait(&b), 0);
	ws_expect(&ws[1], "two\nlines");
	ws_expect(&ws[0], "two\nlines");

	/* one line from a script, seen to be delivered */
	run_args(&run, "backup done\n", it_plazactl(), "ws", url, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "backup done\n");
	run_fini(&run);
	ws_expect(&ws[0], "backup done");
	ws_expect(&ws[1], "backup done");
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(waits_for_a_count)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "/chat/count");
	const char *argv[] = {it_plazactl(), "ws", "-n", "3", url, NULL};
	struct child child;
	struct ws ws;
	char *line;

	child_start(&child, argv);
	child_write(&child, "first\n");
	line = child_read_line(&child);
	ck_assert_str_eq(line, "first");
	free(line);
	/* its input is at its end, and it stays for two more */
	child_close_input(&child);
	ws_open(&ws, daemon_port(d), "/chat/count", NULL);
	ws_send(&ws, "second");
	line = child_read_line(&child);
	ck_assert_str_eq(line, "second");
	free(line);
	ck_assert(procfs_alive(child.pid));
	ws_send(&ws, "third");
	line = child_read_line(&child);
	ck_assert_str_eq(line, "third");
	free(line);
	ck_assert_ptr_null(child_read_line(&child));
	ck_assert_int_eq(child_wait(&child), 0);
	ws_close(&ws);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(tells_what_went_wrong)
{
	struct daemon *d = daemon_start_default();
	struct run run;
	static const struct {
		const char *path, *says;
	} refused[] = {{"/no/such", "404"}, {"/Ada", ""}, {"/chat/a%20b", "404"}};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *url = url_of(d, refused[i].path);
		run_args(&run, "x\n", it_plazactl(), "ws", url, NULL);
		ck_assert_msg(run.status == 1, "%s: %d", url, run.status);
		ck_assert_msg(strstr(run.err, refused[i].says), "%s", run.err);
		ck_assert_uint_gt(run.err_len, 0);
		run_fini(&run);
		free(url);
	}
	/* a room of the daemon's takes nothing from clients */
	char *url = url_of(d, "/chat/_x");
	run_args(&run, "x\n", it_plazactl(), "ws", url, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "1008: in this room only the server speaks"), "%s", run.err);
	run_fini(&run);
	free(url);
	/* nobody there */
	url = url_of(d, "/chat");
	daemon_stop(d);
	run_args(&run, "x\n", it_plazactl(), "ws", url, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "does plazad serve there?"), "%s", run.err);
	run_fini(&run);
	free(url);
	/* no use */
	static const char *const wrong[][2] = {{NULL, NULL},
					       {"ws", NULL},
					       {"nonsense", NULL},
					       {"ws", "http://127.0.0.1/"},
					       {"ws", "127.0.0.1:80/chat"},
					       {"-x", NULL}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_args(&run, "", it_plazactl(), wrong[i][0], wrong[i][1], NULL);
		ck_assert_msg(run.status == 2, "%s %s: %d", wrong[i][0] ? wrong[i][0] : "",
			      wrong[i][1] ? wrong[i][1] : "", run.status);
		run_fini(&run);
	}
	run_args(&run, "", it_plazactl(), "-h", NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_ptr_nonnull(strstr(run.out, "ws"));
	run_fini(&run);
}
END_TEST

START_TEST(ends_with_the_server)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "/chat");
	const char *argv[] = {it_plazactl(), "ws", url, NULL};
	struct child child;
	char *line;

	child_start(&child, argv);
	child_write(&child, "x\n");
	line = child_read_line(&child);
	ck_assert_str_eq(line, "x");
	free(line);
	daemon_stop(d);
	ck_assert_ptr_null(child_read_line(&child));
	ck_assert_int_eq(child_wait(&child), 1);

	/* an interrupt is a farewell */
	d = daemon_start_default();
	free(url);
	url = url_of(d, "/chat");
	argv[2] = url;
	child_start(&child, argv);
	child_write(&child, "x\n");
	free(child_read_line(&child));
	kill(child.pid, SIGINT);
	ck_assert_int_eq(child_wait(&child), 0);
	daemon_stop(d);
	free(url);
}
END_TEST

START_TEST(other_addresses)
{
	struct daemon *d = daemon_start("server.listen=[::1]:0", NULL);
	struct run run;
	char *at = strstr(daemon_ready_line(d), "[::1]:");
	ck_assert_ptr_nonnull(at);
	char *url = it_printf("ws://[::1]:%lu/echo", strtoul(at + 6, NULL, 10));

	run_args(&run, "six\n", it_plazactl(), "ws", url, NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	ck_assert_str_eq(run.out, "Server received: six\n");
	run_fini(&run);
	free(url);
	daemon_stop(d);
	/* by name */
	d = daemon_start_default();
	url = it_printf("ws://localhost:%u/echo", daemon_port(d));
	run_args(&run, "name\n", it_plazactl(), "ws", url, NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	ck_assert_str_eq(run.out, "Server received: name\n");
	run_fini(&run);
	free(url);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "ws");

	tcase_add_test(tc, echoes_five_messages);
	tcase_add_test(tc, echoes_ten_thousand_messages);
	tcase_add_test(tc, chats);
	tcase_add_test(tc, waits_for_a_count);
	tcase_add_test(tc, tells_what_went_wrong);
	tcase_add_test(tc, ends_with_the_server);
	tcase_add_test(tc, other_addresses);
}

int
main(void)
{
	return it_main("ctl", fill, 0);
}
