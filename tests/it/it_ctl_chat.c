/*
 * it_ctl_chat.c - plazactl chat against the real daemon: for scripts, on a terminal, and through
 * the deaths of its server.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "harness.h"
#include "ws_client.h"

static char *
url_of(struct daemon *d, const char *room)
{
	return it_printf("ws://127.0.0.1:%u/chat/%s", daemon_port(d), room);
}

static void
publish(struct daemon *d, const char *room, const char *text)
{
	char *path = it_printf("/chat/%s", room);
	struct http_answer a;

	http_request(daemon_port(d), "POST", path, NULL, text, &a);
	ck_assert_msg(a.status == 200, "%s", a.body);
	http_answer_fini(&a);
	free(path);
}

/* The whole history of a room, as its JSON text; the caller frees. */
static char *
history_of(struct daemon *d, const char *room)
{
	char *path = it_printf("/chat/%s/history?limit=200", room);
	struct http_answer a;

	http_request(daemon_port(d), "GET", path, NULL, NULL, &a);
	ck_assert_msg(a.status == 200, "%s", a.body);
	char *text = strdup(a.body);
	http_answer_fini(&a);
	free(path);
	return text;
}

static void
expect_line(struct child *child, const char *text)
{
	char *line = child_read_line(child);

	ck_assert_msg(line != NULL, "the end, not %s", text);
	ck_assert_str_eq(line, text);
	free(line);
}

/* Members of the room, by HTTP. */
static bool
has_members(struct daemon *d, const char *room, unsigned n)
{
	char *path = it_printf("/chat/%s/members", room), *count = it_printf("\"count\":%u,", n);
	struct http_answer a;

	http_request(daemon_port(d), "GET", path, NULL, NULL, &a);
	bool is_so = a.status == 200 && strstr(a.body, count);
	http_answer_fini(&a);
	free(count);
	free(path);
	return is_so;
}

/* --- for scripts --- */

START_TEST(lines_are_published_and_seen)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops"), *history;
	struct ws ws[2];
	struct run run;

	ws_open_everywhere(ws, 2, d, "/chat/ops");
	run_args(&run, "a\n\n\xe5\xa4\xaa\xe9\x83\x8e\n/who", it_plazactl(), "chat", "-n", "ann",
		 url, NULL);
	ck_assert_msg(run.status == 0, "%d: %s", run.status, run.err);
	ck_assert_str_eq(run.out, "a\n\n\xe5\xa4\xaa\xe9\x83\x8e\n/who\n");
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	for (int i = 0; i < 2; i++) {
		ws_expect(&ws[i], "a");
		ws_expect(&ws[i], "");
		ws_expect(&ws[i], "\xe5\xa4\xaa\xe9\x83\x8e");
		ws_expect(&ws[i], "/who");
		ws_close(&ws[i]);
	}
	history = history_of(d, "ops");
	ck_assert_msg(strstr(history, "\"name\":\"ann\""), "%s", history);
	free(history);
	/* nothing in, nothing out; what was before, on wish, made one line and harmless */
	run_args(&run, "", it_plazactl(), "chat", url, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "");
	run_fini(&run);
	publish(d, "ops", "two\nlines\x1b[2J");
	run_args(&run, "x\n", it_plazactl(), "chat", "-l", "2", url, NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "/who\ntwo\\nlines\\x1b[2J\nx\n");
	run_fini(&run);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(thousands_of_lines_stay_in_order)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops"), *in = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&in, &len);
	struct run run;

	for (int i = 0; i < 3000; i++)
		fprintf(f, "line %d\n", i);
	fclose(f);
	run_args(&run, in, it_plazactl(), "chat", url, NULL);
	ck_assert_msg(run.status == 0, "%d: %s", run.status, run.err);
	ck_assert_uint_eq(run.out_len, len);
	ck_assert(memcmp(run.out, in, len) == 0);
	run_fini(&run);
	free(in);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(what_went_wrong_is_told)
{
	struct daemon *d = daemon_start_default();
	struct run run;
	static const struct {
		const char *room, *says;
	} refused[] = {
	    {"_x", "not published: "},
	    {"a%20b", "HTTP status 404: there is no such path or room"},
	    {"lobby?mode=no", "HTTP status 400"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *url = url_of(d, refused[i].room);

		run_args(&run, "x\ny\n", it_plazactl(), "chat", url, NULL);
		ck_assert_msg(run.status == 1, "%s: %d: %s", url, run.status, run.err);
		ck_assert_msg(strstr(run.err, refused[i].says), "%s", run.err);
		run_fini(&run);
		free(url);
	}
	/* no room of the chat, but a WebSocket */
	char *echo = it_printf("ws://127.0.0.1:%u/echo", daemon_port(d));
	run_args(&run, "x\n", it_plazactl(), "chat", "-w", "1", echo, NULL);
	ck_assert_int_eq(run.status, 1);
	run_fini(&run);
	free(echo);
	char *url = url_of(d, "ops");
	run_args(&run, "x\n\xff\ny\n", it_plazactl(), "chat", url, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "x\n");
	ck_assert_msg(strstr(run.err, "line 2 is not UTF-8"), "%s", run.err);
	run_fini(&run);
	daemon_stop(d);
	run_args(&run, "x\n", it_plazactl(), "chat", url, NULL);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "does plazad serve there?"), "%s", run.err);
	run_fini(&run);
	free(url);
	static const char *const wrong[][3] = {
	    {NULL},
	    {"a b"},
	    {".."},
	    {"-x"},
	    {"http://127.0.0.1/"},
	    {"a", "b"},
	    {"-l", "-1", "a"},
	    {"-n", "", "a"},
	    {"-w", "x", "a"},
	    {"-n", "\n", "a"},
	    {"-l", "1001", "a"},
	    {"ws://127.0.0.1/chat/a?since=1:2"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_args(&run, "", it_plazactl(), "chat", wrong[i][0], wrong[i][1], wrong[i][2],
			 NULL);
		ck_assert_msg(run.status == 2, "%zu: %d: %s", i, run.status, run.err);
		ck_assert_uint_gt(run.err_len, 0);
		run_fini(&run);
	}
	run_args(&run, "", it_plazactl(), "chat", "-h", NULL);
	ck_assert_int_eq(run.status, 0);
	ck_assert_ptr_nonnull(strstr(run.out, "ROOM"));
	run_fini(&run);
}
END_TEST

/* --- losses --- */

static void
kill_workers(struct daemon *d)
{
	pid_t pids[PROCFS_MAX];
	size_t n = daemon_workers(d, pids);

	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (size_t i = 0; i < n; i++)
		WAIT_UNTIL(!procfs_alive(pids[i]));
	daemon_wait_workers(d, n);
}

START_TEST(goes_on_after_its_worker_was_killed)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", "-n", "ann", url, NULL};
	struct child child;

	child_start(&child, argv);
	child_write(&child, "a\n");
	expect_line(&child, "a");
	for (int i = 0; i < 3; i++) {
		char *there = it_printf("there %d", i), *mine = it_printf("mine %d", i);
		char *line = it_printf("%s\n", mine);

		kill_workers(d);
		/* said before it is back, by it and by others: each once */
		child_write(&child, line);
		publish(d, "ops", there);
		char *first = child_read_line(&child), *second = child_read_line(&child);
		ck_assert_ptr_nonnull(first);
		ck_assert_ptr_nonnull(second);
		bool mine_first = strcmp(first, mine) == 0;
		ck_assert_str_eq(mine_first ? first : second, mine);
		ck_assert_str_eq(mine_first ? second : first, there);
		free(first);
		free(second);
		free(line);
		free(mine);
		free(there);
	}
	child_write(&child, "z\n");
	child_close_input(&child);
	expect_line(&child, "z");
	ck_assert_ptr_null(child_read_line(&child));
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(every_line_acts_once_while_workers_die)
{
	struct daemon *d = daemon_start("chat.history_messages=10000", NULL);
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", "-w", "0", url, NULL};
	struct child child;
	int shown = 0;

	child_start(&child, argv);
	child_write(&child, "come\n");
	expect_line(&child, "come");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 100; i++) {
			char *line = it_printf("%d\n", round * 100 + i);
			child_write(&child, line);
			free(line);
		}
		kill_workers(d);
	}
	child_close_input(&child);
	for (char *line; (line = child_read_line(&child)); shown++) {
		ck_assert_int_eq(atoi(line), shown);
		free(line);
	}
	ck_assert_int_eq(shown, 400);
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(moves_over_to_the_next_generation)
{
	struct daemon *d = daemon_start("server.drain_timeout=1s", NULL);
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", url, NULL};
	struct child child;

	child_start(&child, argv);
	child_write(&child, "a\n");
	expect_line(&child, "a");
	ck_assert(daemon_reload(d));
	WAIT_UNTIL(has_members(d, "ops", 0));
	publish(d, "ops", "meanwhile");
	expect_line(&child, "meanwhile");
	child_write(&child, "z\n");
	expect_line(&child, "z");
	/* an interrupt is a farewell */
	kill(child.pid, SIGINT);
	ck_assert_ptr_null(child_read_line(&child));
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(gives_up_when_nobody_comes_back)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops");
	char *command = it_printf("'%s' chat -w 1 %s 2>&1", it_plazactl(), url);
	const char *argv[] = {"sh", "-c", command, NULL};
	struct child child;
	char *line;

	child_start(&child, argv);
	child_write(&child, "a\n");
	expect_line(&child, "a");
	daemon_stop(d);
	line = child_read_line(&child);
	ck_assert_str_eq(line, "plazactl: the server closed the connection with 1001: it stops; "
			       "connecting again");
	free(line);
	child_write(&child, "b\n");
	child_close_input(&child);
	line = child_read_line(&child);
	ck_assert_str_eq(line, "plazactl: nothing came for 1 s; lines not published: 1");
	free(line);
	ck_assert_int_eq(child_wait(&child), 1);
	free(command);
	free(url);
}
END_TEST

START_TEST(follows_after_the_end_of_its_input)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", "-f", url, NULL};
	struct child child;

	child_start(&child, argv);
	child_close_input(&child);
	WAIT_UNTIL(has_members(d, "ops", 1));
	publish(d, "ops", "one");
	expect_line(&child, "one");
	publish(d, "ops", "two");
	expect_line(&child, "two");
	kill(child.pid, SIGTERM);
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

/* --- on a terminal --- */

/* child->in and ->out are the terminal's other end. */
static void
terminal_start(struct child *child, const char *const *argv)
{
	int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios mode;

	memset(child, 0, sizeof(*child));
	ck_assert_int_ge(ours, 0);
	ck_assert_int_eq(grantpt(ours), 0);
	ck_assert_int_eq(unlockpt(ours), 0);
	int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(theirs, 0);
	/* what is typed is not to be seen, lines end in \n */
	ck_assert_int_eq(tcgetattr(theirs, &mode), 0);
	mode.c_lflag &= ~(tcflag_t)ECHO;
	mode.c_oflag &= ~(tcflag_t)OPOST;
	ck_assert_int_eq(tcsetattr(theirs, TCSANOW, &mode), 0);
	child->pid = fork();
	ck_assert_int_ge(child->pid, 0);
	if (child->pid == 0) {
		it_die_with_test();
		if (setsid() < 0 || ioctl(theirs, TIOCSCTTY, 0) != 0 || dup2(theirs, 0) < 0 ||
		    dup2(theirs, 1) < 0 || dup2(theirs, 2) < 0)
			_exit(127);
		char **args = NULL;
		memcpy(&args, &argv, sizeof(args)); /* execvp's const is historical */
		execvp(argv[0], args);
		_exit(127);
	}
	close(theirs);
	child->in = dup(ours);
	child->out = ours;
}

/* A line that ends so, behind its time; lines of other kinds may come before it. */
static void
expect_shown(struct child *child, const char *text)
{
	char *line;

	while ((line = child_read_line(child)) != NULL) {
		size_t len = strlen(line), n = strlen(text);
		bool is_it = len >= n && strcmp(line + len - n, text) == 0;

		ck_assert_msg(!strpbrk(line, "\x1b\x07\r"), "%s", line);
		/* HH:MM:SS */
		ck_assert_msg(len > 9 && line[2] == ':' && line[5] == ':' && line[8] == ' ', "%s",
			      line);
		free(line);
		if (is_it)
			return;
	}
	ck_abort_msg("the end, not %s", text);
}

START_TEST(people_see_who_and_when)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", "-n", "ann", url, NULL};
	const char *others[] = {it_plazactl(), "chat", "-f", "-n", "bob", url, NULL};
	struct child child, other;
	char *line = NULL;

	publish(d, "ops", "before");
	terminal_start(&child, argv);
	expect_shown(&child, " -- in the room ops; /help tells more");
	expect_shown(&child, " -- 1 here: ann");
	child_start(&other, others);
	expect_shown(&child, " -- bob came, 2 here");
	child_write(&other, "hi\x1b]0;x\x07\n");
	expect_shown(&child, " bob: hi\\x1b]0;x\\x07");
	child_write(&child, "hello\n");
	expect_shown(&child, " ann: hello");
	publish(d, "ops", "alarm");
	expect_shown(&child, " (http): alarm");
	child_write(&child, "/who\n");
	expect_shown(&child, " -- 2 here: ann, bob");
	child_write(&child, "/nonsense\n");
	expect_shown(&child, " -- /nonsense is no command; /help tells which there are");
	child_write(&child, "//who\n");
	expect_shown(&child, " ann: /who");
	/* all of it was shown */
	child_write(&child, "/history\n");
	expect_shown(&child, " -- nothing older is kept");
	kill_workers(d);
	expect_shown(&child, " connecting again");
	expect_shown(&child, " -- connected again, nothing is missing");
	/* in the one order or the other */
	do {
		free(line);
		line = child_read_line(&child);
		ck_assert_ptr_nonnull(line);
	} while (!strstr(line, "bob") || !strstr(line, "2 here"));
	free(line);
	kill(other.pid, SIGTERM);
	ck_assert_int_eq(child_wait(&other), 0);
	expect_shown(&child, " -- bob left, 1 here");
	child_write(&child, "bye\n/quit\n");
	expect_shown(&child, " ann: bye");
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(people_page_back)
{
	struct daemon *d = daemon_start_default();
	char *url = url_of(d, "ops");
	const char *argv[] = {it_plazactl(), "chat", "-l", "1", url, NULL};
	struct child child;

	for (int i = 1; i <= 4; i++) {
		char *text = it_printf("m%d", i);
		publish(d, "ops", text);
		free(text);
	}
	terminal_start(&child, argv);
	expect_shown(&child, " (http): m4");
	child_write(&child, "/history 2\n");
	expect_shown(&child, " (http): m2");
	expect_shown(&child, " (http): m3");
	expect_shown(&child, " -- end of 2 older messages");
	child_write(&child, "/history 2\n");
	expect_shown(&child, " (http): m1");
	expect_shown(&child, " -- end of 1 older messages, all there are");
	/* Ctrl-D */
	child_write(&child, "\x04");
	ck_assert_int_eq(child_wait(&child), 0);
	free(url);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *scripts = it_case(s, "scripts"), *losses = it_case(s, "losses");
	TCase *people = it_case(s, "people");

	tcase_add_test(scripts, lines_are_published_and_seen);
	tcase_add_test(scripts, thousands_of_lines_stay_in_order);
	tcase_add_test(scripts, what_went_wrong_is_told);
	tcase_add_test(scripts, follows_after_the_end_of_its_input);
	tcase_add_test(losses, goes_on_after_its_worker_was_killed);
	tcase_add_test(losses, every_line_acts_once_while_workers_die);
	tcase_add_test(losses, moves_over_to_the_next_generation);
	tcase_add_test(losses, gives_up_when_nobody_comes_back);
	tcase_add_test(people, people_see_who_and_when);
	tcase_add_test(people, people_page_back);
}

int
main(void)
{
	return it_main("ctl_chat", fill, 0);
}
