/*
 * it_sockets.c - the listening sockets over the daemon's life: taken, shared, handed over by a
 * reload, left by dead workers, handed in by systemd; and what systemd is told meanwhile.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "ws_client.h"

/* `n` connections, one after the other: enough to meet every socket of a few workers. */
static void
greet_often(uint16_t port, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		http_expect_get(port, "/", 200, "Hello, Anonymous");
}

static void
greet_unix(const char *path)
{
	struct http_conn c;
	struct http_answer a;

	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "Hello, Anonymous");
	http_answer_fini(&a);
	http_close(&c);
}

/* errno of a connect to 127.0.0.x; 0 when it succeeds */
static int
connect_error(unsigned last_byte, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(0x7f000000 + last_byte)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? errno : 0;

	close(fd);
	return error;
}

/* The port that the READY line shows after `host`. */
static uint16_t
port_after(const struct daemon *d, const char *host)
{
	const char *at = strstr(daemon_ready_line(d), host);

	ck_assert_msg(at != NULL, "no %s in: %s", host, daemon_ready_line(d));
	return (uint16_t)strtoul(at + strlen(host), NULL, 10);
}

/* ---- start ---- */

START_TEST(an_address_of_another_plazad_is_refused)
{
	struct daemon *d = daemon_start_default();
	char *option = it_printf("server.listen=127.0.0.1:%u", daemon_port(d));
	char *holder = it_printf("(pid %d)", (int)daemon_pid(d));
	struct run run;

	run_args(&run, NULL, it_plazad(), "-o", option, NULL);
	ck_assert_int_eq(run.status, 71);
	ck_assert_msg(strstr(run.err, holder) != NULL, "%s", run.err);
	run_fini(&run);
	greet_often(daemon_port(d), 1);
	free(option);
	free(holder);
	daemon_stop(d);
}
END_TEST

static void
close_0_and_1(void *ctx)
{
	(void)ctx;
	close(0);
	close(1);
}

START_TEST(closed_standard_descriptors_are_no_sockets)
{
	struct daemon_spec spec = {.prepare = close_0_and_1};
	struct daemon *d = daemon_start_spec(&spec);
	pid_t pids[PROCFS_MAX];

	ck_assert_uint_eq(daemon_workers(d, pids), 2);
	pids[2] = daemon_pid(d);
	for (int i = 0; i < 3; i++) {
		char *fds = procfs_fds(pids[i]);

		ck_assert_msg(strstr(fds, "0 /dev/null") == fds, "%s", fds);
		ck_assert_msg(strstr(fds, "\n1 /dev/null") != NULL, "%s", fds);
		free(fds);
	}
	greet_often(daemon_port(d), 4);
	daemon_stop(d);
}
END_TEST

START_TEST(a_unix_socket_serves_and_goes_with_the_daemon)
{
	const char *path = it_path("plaza.sock");
	char *option = it_printf("server.listen=unix:%s", path);
	struct stat st;

	for (int round = 0; round < 2; round++) {
		struct daemon *d = daemon_start(option, NULL);

		ck_assert_ptr_nonnull(strstr(daemon_ready_line(d), path));
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, 0666);
		for (int i = 0; i < 10; i++)
			greet_unix(path);
		if (round == 0) {
			/* a file is left behind, which the next one replaces */
			kill(daemon_pid(d), SIGKILL);
			daemon_ended(d, 128 + SIGKILL);
			ck_assert_int_eq(stat(path, &st), 0);
		} else {
			daemon_stop(d);
			ck_assert_int_ne(stat(path, &st), 0);
		}
	}
	free(option);
}
END_TEST

/* ---- workers come and go ---- */

START_TEST(no_socket_is_orphaned_when_the_number_of_workers_changes)
{
	static const unsigned workers[] = {4, 1, 3, 2, 6, 1};
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\nworkers = 4\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);

	for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
		char *conf =
		    it_printf("[server]\nlisten = 127.0.0.1:0\nworkers = %u\n", workers[i]);

		daemon_write_conf(d, conf);
		ck_assert(daemon_reload(d));
		daemon_wait_workers(d, workers[i]);
		greet_often(daemon_port(d), 60);
		free(conf);
	}
	daemon_stop(d);
}
END_TEST

/* ---- reloads ---- */

START_TEST(an_address_that_leaves_is_refused_while_its_clients_stay)
{
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0 127.0.0.2:0\n"
					   "workers = 2\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);
	uint16_t stays = port_after(d, "127.0.0.1:"), leaves = port_after(d, "127.0.0.2:");
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = htons(leaves), .sin_addr = {htonl(0x7f000002)}};
	struct http_conn c;
	struct ws old, new;

	http_open_to(&c, (struct sockaddr *)&in, sizeof(in));
	c.port = leaves;
	ws_open_on(&old, &c, "/chat", NULL);
	char *conf =
	    it_printf("[server]\nlisten = 127.0.0.1:0 unix:%s\nworkers = 2\n", it_path("new.sock"));
	daemon_write_conf(d, conf);
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(connect_error(2, leaves), ECONNREFUSED);
	greet_often(stays, 10);
	greet_unix(it_path("new.sock"));

	/* one chat over both generations */
	ws_open(&new, stays, "/chat", NULL);
	ws_send(&old, "from the old");
	ws_expect(&new, "from the old");
	ws_expect(&old, "from the old");
	ws_send(&new, "from the new");
	ws_expect(&old, "from the new");
	ws_expect(&new, "from the new");
	ws_close(&old);
	daemon_wait_workers(d, 2);

	daemon_write_conf(d, "[server]\nlisten = 127.0.0.1:0\nworkers = 2\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_ne(access(it_path("new.sock"), F_OK), 0);
	greet_often(stays, 10);
	ws_close(&new);
	free(conf);
	daemon_stop(d);
}
END_TEST

START_TEST(new_connections_meet_the_new_workers_only)
{
	struct daemon *d = daemon_start_default();
	struct http_conn c[40];
	struct ws ws;
	pid_t before[PROCFS_MAX];

	/* it keeps one old worker alive */
	ws_open(&ws, daemon_port(d), "/chat", NULL);
	ck_assert_uint_eq(daemon_workers(d, before), 2);
	ck_assert(daemon_reload(d));
	for (int i = 0; i < 40; i++) {
		http_open(&c[i], daemon_port(d));
		pid_t pid = daemon_worker_of(d, c[i].fd);
		ck_assert_int_ne(pid, before[0]);
		ck_assert_int_ne(pid, before[1]);
	}
	for (int i = 0; i < 40; i++)
		http_close(&c[i]);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(a_reload_onto_a_taken_address_is_refused)
{
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\nworkers = 2\n",
				   .bare = true};
	struct daemon *d = daemon_start_spec(&spec);
	struct daemon *other = daemon_start_default();
	uint16_t port = daemon_port(other);
	char *conf = it_printf("[server]\nlisten = 127.0.0.1:0 127.0.0.1:%u\nworkers = 3\n", port);
	pid_t before[PROCFS_MAX], after[PROCFS_MAX];

	ck_assert_uint_eq(daemon_workers(d, before), 2);
	daemon_expect_error(d, "taken by plazad");
	daemon_expect_error(d, "reload refused");
	daemon_write_conf(d, conf);
	ck_assert(!daemon_reload(d));
	ck_assert_uint_eq(daemon_workers(d, after), 2);
	ck_assert_mem_eq(before, after, 2 * sizeof(pid_t));
	greet_often(daemon_port(d), 10);
	daemon_stop(other);
	ck_assert(daemon_reload(d));
	greet_often(daemon_port(d), 10);
	greet_often(port, 10);
	free(conf);
	daemon_stop(d);
}
END_TEST

START_TEST(the_eldest_of_three_generations_has_to_leave)
{
	struct daemon *d = daemon_start_default();
	struct ws ws[3];

	for (int i = 0; i < 3; i++) {
		if (i == 1)
			ck_assert(daemon_reload(d));
		if (i == 2) {
			/* two generations side by side, never three */
			size_t mark = daemon_log_mark(d);
			kill(daemon_pid(d), SIGHUP);
			ws_expect_close(&ws[0], 1012);
			free(daemon_log_wait(d, mark, "reloaded"));
		}
		ws_open(&ws[i], daemon_port(d), "/chat", NULL);
	}
	ws_send(&ws[1], "both here");
	ws_expect(&ws[2], "both here");
	ws_expect(&ws[1], "both here");
	ws_close(&ws[1]);
	ws_close(&ws[2]);
	daemon_stop(d);
}
END_TEST

START_TEST(many_hangups_at_once_end_in_few_reloads)
{
	struct daemon *d = daemon_start_default();
	size_t mark = daemon_log_mark(d);

	for (int i = 0; i < 50; i++)
		kill(daemon_pid(d), SIGHUP);
	free(daemon_log_wait(d, mark, "reloaded"));
	daemon_wait_workers(d, 2);
	greet_often(daemon_port(d), 4);
	ck_assert_uint_lt(daemon_log_count(d, mark, "reloaded"), 50);
	daemon_stop(d);
}
END_TEST

START_TEST(a_stopped_old_worker_does_not_hold_up_a_reload)
{
	struct daemon *d = daemon_start("server.shutdown_timeout=1s", NULL);
	pid_t pids[PROCFS_MAX];

	ck_assert_uint_eq(daemon_workers(d, pids), 2);
	kill(pids[0], SIGSTOP);
	ck_assert(daemon_reload(d));
	greet_often(daemon_port(d), 20);
	kill(pids[0], SIGCONT);
	daemon_wait_workers(d, 2);
	daemon_stop(d);
}
END_TEST

/* ---- systemd ---- */

struct systemd {
	int notify;
	char path[108]; /* "": no NOTIFY_SOCKET */
	int listen_fd;  /* -1: no LISTEN_FDS */
	const char *names;
};

static void
be_systemd(void *ctx)
{
	const struct systemd *s = ctx;
	char pid[16];

	if (s->path[0])
		setenv("NOTIFY_SOCKET", s->path, 1);
	if (s->listen_fd < 0)
		return;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", s->names, 1);
	dup2(s->listen_fd, 3);
}

static void
notify_open(struct systemd *s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct timeval patience = {IT_DEADLINE_MS / 1000, 0};

	snprintf(s->path, sizeof(s->path), "%s", it_path("notify"));
	memcpy(un.sun_path, s->path, sizeof(s->path));
	s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(s->notify, (struct sockaddr *)&un, sizeof(un)), 0);
	setsockopt(s->notify, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void
expect_notify(const struct systemd *s, const char *begin, const char *part)
{
	char text[4096];
	ssize_t n = recv(s->notify, text, sizeof(text) - 1, 0);

	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0 && strstr(text, part), "%s", text);
}

START_TEST(systemd_is_told_of_every_step)
{
	struct systemd s = {.listen_fd = -1};
	struct daemon_spec spec = {.conf = "[server]\nlisten = 127.0.0.1:0\n",
				   .bare = true,
				   .prepare = be_systemd,
				   .ctx = &s};

	notify_open(&s);
	struct daemon *d = daemon_start_spec(&spec);
	expect_notify(&s, "READY=1\n", "STATUS=serving");
	ck_assert(daemon_reload(d));
	expect_notify(&s, "RELOADING=1\n", "\nMONOTONIC_USEC=");
	expect_notify(&s, "READY=1\n", "STATUS=serving");
	/* or systemctl reload would wait for ever */
	daemon_expect_error(d, "nonsense");
	daemon_expect_error(d, "reload refused");
	daemon_write_conf(d, "[nonsense]\n");
	ck_assert(!daemon_reload(d));
	expect_notify(&s, "RELOADING=1\n", "\nMONOTONIC_USEC=");
	expect_notify(&s, "READY=1\n", "STATUS=reload refused: ");
	kill(daemon_pid(d), SIGTERM);
	expect_notify(&s, "STOPPING=1", "");
	daemon_ended(d, 0);
	close(s.notify);
	unlink(s.path);
}
END_TEST

START_TEST(sockets_of_systemd_are_served_by_all)
{
	/* without a database 503 for us; and what comes in by a public socket is not us */
	static const struct {
		const char *name;
		int status;
	} cases[] = {{"web", 503}, {"public", 403}};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(in);
	struct systemd s = {.names = cases[_i].name};
	struct daemon_spec spec = {.prepare = be_systemd, .ctx = &s};
	struct http_answer a;

	s.listen_fd = fcntl(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), F_DUPFD_CLOEXEC, 20);
	ck_assert_int_eq(bind(s.listen_fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(s.listen_fd, 100), 0);
	ck_assert_int_eq(getsockname(s.listen_fd, (struct sockaddr *)&in, &len), 0);
	struct daemon *d = daemon_start_spec(&spec);
	ck_assert_uint_eq(daemon_port(d), ntohs(in.sin_port));
	ck_assert(daemon_log_has(d, 0, "server.listen is not used"));
	greet_often(daemon_port(d), 20);
	http_request(daemon_port(d), "GET", "/api/products", NULL, NULL, &a);
	ck_assert_int_eq(a.status, cases[_i].status);
	http_answer_fini(&a);
	ck_assert(daemon_reload(d));
	greet_often(daemon_port(d), 20);
	daemon_stop(d);
	/* it is systemd's: connections wait there for the next start */
	ck_assert_int_eq(connect_error(1, ntohs(in.sin_port)), 0);
	close(s.listen_fd);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "start");

	tcase_add_test(tc, an_address_of_another_plazad_is_refused);
	tcase_add_test(tc, closed_standard_descriptors_are_no_sockets);
	tcase_add_test(tc, a_unix_socket_serves_and_goes_with_the_daemon);
	tc = it_case(suite, "workers");
	tcase_add_test(tc, no_socket_is_orphaned_when_the_number_of_workers_changes);
	tc = it_case(suite, "reload");
	tcase_add_test(tc, an_address_that_leaves_is_refused_while_its_clients_stay);
	tcase_add_test(tc, new_connections_meet_the_new_workers_only);
	tcase_add_test(tc, a_reload_onto_a_taken_address_is_refused);
	tcase_add_test(tc, the_eldest_of_three_generations_has_to_leave);
	tcase_add_test(tc, many_hangups_at_once_end_in_few_reloads);
	tcase_add_test(tc, a_stopped_old_worker_does_not_hold_up_a_reload);
	tc = it_case(suite, "systemd");
	tcase_add_test(tc, systemd_is_told_of_every_step);
	tcase_add_loop_test(tc, sockets_of_systemd_are_served_by_all, 0, 2);
}

int
main(void)
{
	return it_main("sockets", fill, 0);
}
