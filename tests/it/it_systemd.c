/*
 * it_systemd.c - the daemon's side of systemd: sd_notify(3) over a socket of the test's own, and
 * socket activation.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "ws_client.h"

struct environment {
	const char *notify; /* NOTIFY_SOCKET */
	int fd[4];          /* handed in from descriptor 3 on */
	int n_fds;
	bool for_another; /* LISTEN_PID is not the daemon's */
};

static void
set_environment(void *ctx)
{
	const struct environment *e = ctx;
	char text[32];
	int high[4];

	if (e->notify)
		setenv("NOTIFY_SOCKET", e->notify, 1);
	if (e->n_fds == 0)
		return;
	/* out of the way first, then to 3, 4, ... without close-on-exec */
	for (int i = 0; i < e->n_fds; i++)
		high[i] = fcntl(e->fd[i], F_DUPFD, 100);
	for (int i = 0; i < e->n_fds; i++) {
		dup2(high[i], 3 + i);
		close(high[i]);
	}
	snprintf(text, sizeof(text), "%d", e->n_fds);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid() + (e->for_another ? 1 : 0));
	setenv("LISTEN_PID", text, 1);
}

/* A datagram socket for NOTIFY_SOCKET; `path` may begin with @ for an abstract one. */
static int
open_notify(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, path, strlen(path));
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

/* Datagrams until one has a line `want`; that one is returned, the caller frees. */
static char *
expect_notify(int fd, const char *want)
{
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	char text[8192];

	for (;;) {
		uint64_t now = it_now_ms();
		struct pollfd p = {fd, POLLIN, 0};
		ck_assert_msg(now < until && poll(&p, 1, (int)(until - now)) == 1, "no %s came",
			      want);
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
		ck_assert_int_gt(n, 0);
		text[n] = '\0';
		const char *at = strstr(text, want);
		size_t len = strlen(want);
		if (at && (at == text || at[-1] == '\n') && (at[len] == '\0' || at[len] == '\n'))
			return strdup(text);
		/* a state nobody waits for may only be a STATUS */
		ck_assert_msg(strncmp(text, "STATUS=", 7) == 0, "%s instead of %s", text, want);
	}
}

START_TEST(tells_of_start_reload_and_stop)
{
	for (int abstract = 0; abstract < 2; abstract++) {
		char *path = abstract ? it_printf("@plaza-it-%d", (int)getpid())
				      : (char *)(uintptr_t)it_path("notify");
		struct environment e = {.notify = path};
		struct daemon_spec spec = {.prepare = set_environment, .ctx = &e};
		int fd = open_notify(path);
		struct daemon *d = daemon_start_spec(&spec);
		char *text = expect_notify(fd, "READY=1");
		ck_assert_msg(strstr(text, "STATUS="), "%s", text);
		free(text);
		/* it serves, when it says so */
		http_expect_get(daemon_port(d), "/", 200, NULL);

		ck_assert(daemon_reload(d));
		text = expect_notify(fd, "RELOADING=1");
		/* with the time, in the same datagram */
		const char *usec = strstr(text, "MONOTONIC_USEC=");
		ck_assert_msg(usec != NULL, "%s", text);
		uint64_t at_ms = strtoull(usec + 15, NULL, 10) / 1000, now_ms = it_now_ms();
		ck_assert_uint_le(at_ms, now_ms);
		ck_assert_uint_ge(at_ms + 2 * IT_DEADLINE_MS, now_ms);
		free(text);
		free(expect_notify(fd, "READY=1"));

		/* READY=1 also after a refused one, or systemctl reload would hang */
		daemon_write_conf(d, "[server]\nworkers = none\n");
		daemon_expect_error(d, "server.workers");
		ck_assert(!daemon_reload(d));
		free(expect_notify(fd, "RELOADING=1"));
		text = expect_notify(fd, "READY=1");
		ck_assert_msg(strstr(text, "refused"), "%s", text);
		free(text);

		kill(daemon_pid(d), SIGTERM);
		free(expect_notify(fd, "STOPPING=1"));
		daemon_ended(d, 0);
		/* nothing follows */
		ck_assert_int_eq(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0), 0);
		close(fd);
		free(path);
	}
}
END_TEST

START_TEST(a_refused_start_is_never_ready)
{
	char *path = (char *)(uintptr_t)it_path("notify2");
	int fd = open_notify(path);
	struct run run;

	char *script = it_printf("NOTIFY_SOCKET='%s' exec '%s' -c /dev/null -o server.workers=none",
				 path, it_plazad());
	run_args(&run, NULL, "sh", "-c", script, NULL);
	ck_assert_int_eq(run.status, 78);
	ck_assert_int_eq(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0), 0);
	run_fini(&run);
	close(fd);
	free(script);
	free(path);
}
END_TEST

static int
listen_tcp(uint16_t *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}

START_TEST(serves_the_sockets_that_are_handed_in)
{
	char *path = (char *)(uintptr_t)it_path("activated.sock");
	uint16_t port, unused;
	struct environment e = {.n_fds = 2};
	const char *const options[] = {"server.listen=127.0.0.1:1",
				       NULL}; /* not used, not opened */
	struct daemon_spec spec = {.prepare = set_environment, .ctx = &e, .options = options};
	struct http_conn waiting, c;
	struct http_answer a;
	struct ws ws[4];

	e.fd[0] = listen_tcp(&port);
	e.fd[1] = listen_unix(path);
	/* whoever came before the daemon waits in the socket's queue */
	http_open(&waiting, port);
	http_send_text(&waiting, "GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n");
	struct daemon *d = daemon_start_spec(&spec);
	ck_assert_uint_eq(daemon_port(d), port);
	http_read(&waiting, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, early");
	http_answer_fini(&a);
	http_close(&waiting);
	for (int i = 0; i < 20; i++) {
		http_expect_get(port, "/Ada", 200, "Hello, Ada");
		http_open_unix(&c, path);
		http_exchange(&c, "GET", "/Ada", NULL, NULL, &a);
		ck_assert_str_eq(a.body, "Hello, Ada");
		http_answer_fini(&a);
		http_close(&c);
	}
	for (int i = 0; i < 4; i++)
		ws_open(&ws[i], port, "/chat", NULL);
	ws_send(&ws[0], "activated");
	for (int i = 0; i < 4; i++)
		ws_expect(&ws[i], "activated");
	/* across a reload */
	ck_assert(daemon_reload(d));
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	for (int i = 0; i < 4; i++)
		ws_close(&ws[i]);
	daemon_stop(d);
	/* systemd's sockets outlive us: who comes now waits for the next one */
	ck_assert_int_eq(access(path, F_OK), 0);
	http_open(&waiting, port);
	http_send_text(&waiting, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
	d = daemon_start_spec(&spec);
	http_read(&waiting, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, later");
	http_answer_fini(&a);
	http_close(&waiting);
	daemon_stop(d);
	close(e.fd[0]);
	close(e.fd[1]);

	/* sockets for another process are none of ours */
	e.fd[0] = listen_tcp(&port);
	e.n_fds = 1;
	e.for_another = true;
	const char *const own[] = {"server.listen=127.0.0.1:0", NULL};
	spec.options = own;
	d = daemon_start_spec(&spec);
	unused = daemon_port(d);
	ck_assert_uint_ne(unused, port);
	http_expect_get(unused, "/", 200, NULL);
	daemon_stop(d);
	close(e.fd[0]);
	free(path);
}
END_TEST

START_TEST(what_is_no_listening_socket_is_refused)
{
	struct run run;

	/* sh keeps its pid across exec, so LISTEN_PID is the daemon's */
	char *script = it_printf(
	    "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec '%s' -c /dev/null", it_plazad());
	run_args(&run, NULL, "sh", "-c", script, NULL);
	ck_assert_int_eq(run.status, 71);
	ck_assert_msg(strstr(run.err, "LISTEN_FDS"), "%s", run.err);
	run_fini(&run);
	free(script);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "systemd");

	tcase_add_test(tc, tells_of_start_reload_and_stop);
	tcase_add_test(tc, a_refused_start_is_never_ready);
	tcase_add_test(tc, serves_the_sockets_that_are_handed_in);
	tcase_add_test(tc, what_is_no_listening_socket_is_refused);
}

int
main(void)
{
	return it_main("systemd", fill, 0);
}
