/* links: src/proc/listen.c src/proc/holder.c src/proc/notify.c src/config/address.c
 * src/base/buffer.c src/base/log.c src/base/clock.c */
/*
 * test_listen.c - sockets as the master opens them: who is refused, what a reload keeps, what is
 * left behind.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/listen.h"

#define MAX_WANTED 4

static struct listen_address addresses[MAX_WANTED];
static char dir[32];
static int log_fd;

/* What is logged goes to a file, so that the tests can read it. */
static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/plaza-listen-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	log_fd = open(dir, O_RDWR | O_TMPFILE | O_APPEND, 0600);
	ck_assert_int_ge(log_fd, 0);
	dup2(log_fd, STDERR_FILENO);
	unsetenv("LISTEN_FDS");
}

static void
teardown(void)
{
	rmdir(dir);
}

static bool
logged(const char *text)
{
	static char log[65536];
	ssize_t n = pread(log_fd, log, sizeof(log) - 1, 0);

	log[n > 0 ? n : 0] = '\0';
	return strstr(log, text) != NULL;
}

/* server.listen with these words, up to a NULL. */
static struct listens
wanted(const char *first, const char *second)
{
	const char *words[] = {first, second};
	struct listens l = {0, addresses};

	for (size_t i = 0; i < 2 && words[i]; i++) {
		ck_assert_ptr_null(listen_address_parse(words[i], &addresses[i]));
		l.n++;
	}
	return l;
}

static const char *
in_dir(const char *prefix, const char *name)
{
	static char text[4][128];
	static unsigned next;
	char *out = text[next++ % 4];

	snprintf(out, sizeof(text[0]), "%s%s/%s", prefix, dir, name);
	return out;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static const char *
with_port(const char *host, uint16_t port)
{
	static char text[4][64];
	static unsigned next;
	char *out = text[next++ % 4];

	snprintf(out, sizeof(text[0]), "%s:%u", host, port);
	return out;
}

/* A connected client, or -1 with errno. */
static int
connect_tcp(uint16_t port)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Accepts all that waits; how many. */
static int
drain(const struct listener *l)
{
	int n = 0;

	for (int i = 0; i < l->n_fds; i++) {
		for (int fd; (fd = accept(l->fd[i], NULL, NULL)) >= 0; n++)
			close(fd);
		ck_assert_int_eq(errno, EAGAIN);
	}
	return n;
}

START_TEST(one_socket_per_worker_on_one_port)
{
	struct listeners ls;
	struct listens w = wanted("127.0.0.1:0", NULL);

	ck_assert(listeners_open(&ls, &w, 3, NULL));
	ck_assert_uint_eq(ls.n, 1);
	ck_assert_int_eq(ls.listener[0].n_fds, 3);
	ck_assert(!ls.listener[0].shared);
	uint16_t port = port_of(ls.listener[0].fd[0]);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(port_of(ls.listener[0].fd[i]), port);
		ck_assert_int_ne(fcntl(ls.listener[0].fd[i], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_eq(fcntl(ls.listener[0].fd[i], F_GETFD), FD_CLOEXEC);
	}
	char *text = listeners_text(&ls);
	ck_assert_str_eq(text, with_port("127.0.0.1", port));
	free(text);

	/* the kernel spreads them, and none is lost */
	for (int i = 0; i < 60; i++)
		ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_eq(drain(&ls.listener[0]), 60);
	listeners_close(&ls);
	ck_assert_uint_eq(ls.n, 0);
	ck_assert_int_eq(connect_tcp(port), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	listeners_close(&ls);
}
END_TEST

START_TEST(a_port_is_free_again_although_connections_linger)
{
	struct listeners ls;
	struct listens w = wanted("127.0.0.1:0", NULL);

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	uint16_t port = port_of(ls.listener[0].fd[0]);
	int client = connect_tcp(port);
	int server = accept(ls.listener[0].fd[0], NULL, NULL);
	/* the side that closes first gets the TIME_WAIT */
	close(server);
	close(client);
	listeners_close(&ls);
	w = wanted(with_port("127.0.0.1", port), NULL);
	ck_assert(listeners_open(&ls, &w, 2, NULL));
	listeners_close(&ls);
}
END_TEST

/* Another daemon: named, listening with SO_REUSEPORT as we would. Ends with us. */
static pid_t
start_other(const char *name, const struct sockaddr *addr, socklen_t len, bool any_v6,
	    uint16_t *port)
{
	const int on = 1, off = 0;
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	int fd = socket(addr->sa_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (any_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	ck_assert_int_eq(bind(fd, addr, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	if (port)
		*port = port_of(fd);
	close(fd);
	return pid;
}

static void
stop_other(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static uint16_t
start_other_tcp(const char *name, pid_t *pid)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	uint16_t port;

	*pid = start_other(name, (struct sockaddr *)&in, sizeof(in), false, &port);
	return port;
}

START_TEST(an_address_of_another_process_is_refused_and_the_holder_named)
{
	static const char *const hosts[] = {"127.0.0.1", "*"};
	struct listeners ls;
	char holder[64];
	pid_t pid;

	uint16_t port = start_other_tcp("holder-of-it", &pid);
	struct listens w = wanted("127.0.0.1:0", with_port(hosts[_i], port));
	ck_assert(!listeners_open(&ls, &w, 2, NULL));
	snprintf(holder, sizeof(holder), "taken by holder-of-it (pid %d)", (int)pid);
	ck_assert(logged(holder));
	ck_assert(logged(addresses[1].text));
	stop_other(pid);
	ck_assert(listeners_open(&ls, &w, 2, NULL));
	listeners_close(&ls);
}
END_TEST

START_TEST(a_socket_on_all_of_both_protocols_has_ours_too)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct listeners ls;

	uint16_t port;
	pid_t pid = start_other("both", (struct sockaddr *)&in6, sizeof(in6), true, &port);
	struct listens w = wanted(with_port("127.0.0.1", port), NULL);
	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert(logged("taken by both (pid"));
	stop_other(pid);
}
END_TEST

START_TEST(all_addresses_beside_one_address_are_no_conflict_with_ourselves)
{
	struct listeners ls, next;
	struct listens w = wanted("127.0.0.1:0", NULL);

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	uint16_t port = port_of(ls.listener[0].fd[0]);
	/* as on a reload that goes from one address to all */
	w = wanted(with_port("*", port), NULL);
	ck_assert(listeners_open(&next, &w, 1, &ls));
	listeners_close_except(&ls, &next);
	ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_eq(drain(&next.listener[0]), 1);
	listeners_close(&next);
}
END_TEST

START_TEST(an_address_listed_twice_is_refused)
{
	struct listeners ls;
	struct listens w = wanted("127.0.0.1:0", "127.0.0.1:0");

	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert(logged("listed twice"));
}
END_TEST

START_TEST(an_address_that_no_interface_has_is_refused)
{
	struct listeners ls;
	struct listens w = wanted("192.0.2.1:0", NULL);

	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert(logged("no interface"));
}
END_TEST

START_TEST(ipv6_is_apart_from_ipv4)
{
	struct listeners ls;
	struct listens w = wanted("127.0.0.1:0", NULL);
	char v6[32];

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	uint16_t port = port_of(ls.listener[0].fd[0]);
	listeners_close(&ls);
	snprintf(v6, sizeof(v6), "[::]:%u", port);
	w = wanted(v6, with_port("*", port));
	ck_assert(listeners_open(&ls, &w, 2, NULL));
	char *text = listeners_text(&ls);
	ck_assert_ptr_nonnull(strstr(text, v6));
	free(text);
	ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_eq(drain(&ls.listener[0]), 0);
	ck_assert_int_eq(drain(&ls.listener[1]), 1);
	listeners_close(&ls);
}
END_TEST

START_TEST(a_reload_keeps_sockets_and_what_waits_in_them)
{
	struct listeners ls, next;
	struct listens w = wanted("127.0.0.1:0", NULL);

	ck_assert(listeners_open(&ls, &w, 2, NULL));
	int fd[2] = {ls.listener[0].fd[0], ls.listener[0].fd[1]};
	uint16_t port = port_of(fd[0]);
	for (int i = 0; i < 20; i++)
		ck_assert_int_ge(connect_tcp(port), 0);

	/* more workers, and the mark is new */
	w = wanted("127.0.0.1:0,public", NULL);
	ck_assert(listeners_open(&next, &w, 4, &ls));
	ck_assert_int_eq(next.listener[0].n_fds, 4);
	ck_assert(next.listener[0].address.is_public);
	listeners_close_except(&ls, &next);
	ck_assert_int_eq(next.listener[0].fd[0], fd[0]);
	ck_assert_int_eq(next.listener[0].fd[1], fd[1]);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(port_of(next.listener[0].fd[i]), port);

	/* fewer workers: all sockets stay */
	ls = next;
	ck_assert(listeners_open(&next, &w, 1, &ls));
	listeners_close_except(&ls, &next);
	ck_assert_int_eq(next.listener[0].n_fds, 4);
	ck_assert_int_eq(drain(&next.listener[0]), 20);
	listeners_close(&next);
	ck_assert_int_eq(connect_tcp(port), -1);
}
END_TEST

START_TEST(an_address_that_leaves_closes_and_one_that_comes_opens)
{
	struct listeners ls, next;
	struct listens w = wanted("127.0.0.1:0", in_dir("unix:", "a"));

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	uint16_t port = port_of(ls.listener[0].fd[0]);
	w = wanted(in_dir("unix:", "b"), "127.0.0.2:0");
	ck_assert(listeners_open(&next, &w, 1, &ls));
	/* until the new workers are ready, both are open */
	ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_ge(connect_unix(in_dir("", "a")), 0);
	ck_assert_int_ge(connect_unix(in_dir("", "b")), 0);
	listeners_close_except(&ls, &next);
	ck_assert_int_eq(connect_tcp(port), -1);
	ck_assert_int_eq(connect_unix(in_dir("", "a")), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_ge(connect_unix(in_dir("", "b")), 0);
	listeners_close(&next);
}
END_TEST

START_TEST(a_refused_reload_leaves_the_old_sockets_alone)
{
	struct listeners ls, next;
	struct listens w = wanted("127.0.0.1:0", in_dir("unix:", "a"));
	pid_t pid;

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	uint16_t port = port_of(ls.listener[0].fd[0]);
	uint16_t taken = start_other_tcp("other", &pid);
	w = wanted("127.0.0.1:0", with_port("127.0.0.1", taken));
	ck_assert(!listeners_open(&next, &w, 3, &ls));
	stop_other(pid);
	ck_assert_int_eq(ls.listener[0].n_fds, 1);
	ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_ge(connect_unix(in_dir("", "a")), 0);
	ck_assert_int_eq(drain(&ls.listener[0]), 1);

	/* the same when the new workers do not come up */
	w = wanted("127.0.0.1:0", "127.0.0.2:0");
	ck_assert(listeners_open(&next, &w, 3, &ls));
	listeners_close_except(&next, &ls);
	for (int i = 0; i < 20; i++)
		ck_assert_int_ge(connect_tcp(port), 0);
	ck_assert_int_eq(drain(&ls.listener[0]), 20);
	listeners_close(&ls);
}
END_TEST

START_TEST(any_local_user_may_use_a_unix_socket)
{
	struct listeners ls;
	struct listens w = wanted(in_dir("unix:", "s"), NULL);
	struct stat st;

	umask(0077);
	ck_assert(listeners_open(&ls, &w, 4, NULL));
	ck_assert_int_eq(umask(0022), 0077);
	ck_assert_int_eq(ls.listener[0].n_fds, 1);
	ck_assert(ls.listener[0].shared);
	ck_assert_int_eq(stat(in_dir("", "s"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
	char *text = listeners_text(&ls);
	ck_assert_str_eq(text, in_dir("unix:", "s"));
	free(text);
	ck_assert_int_ge(connect_unix(in_dir("", "s")), 0);
	listeners_close(&ls);
	ck_assert_int_eq(stat(in_dir("", "s"), &st), -1);
}
END_TEST

START_TEST(a_unix_socket_that_was_left_behind_is_replaced)
{
	struct listeners ls;
	struct listens w = wanted(in_dir("unix:", "s"), NULL);

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	/* as if it had been killed */
	close(ls.listener[0].fd[0]);
	listeners_forget(&ls);
	ck_assert(listeners_open(&ls, &w, 1, NULL));
	ck_assert_int_ge(connect_unix(in_dir("", "s")), 0);
	listeners_close(&ls);
}
END_TEST

START_TEST(a_live_unix_socket_is_taken)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct listeners ls;
	char holder[64];

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", in_dir("", "s"));
	pid_t pid = start_other("holder-of-it", (struct sockaddr *)&un, sizeof(un), false, NULL);
	struct listens w = wanted(in_dir("unix:", "s"), NULL);
	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert(logged("taken by"));
	/* whoever called listen(2), as the kernel remembers it: this test */
	snprintf(holder, sizeof(holder), "(pid %d)", (int)getpid());
	ck_assert(logged(holder));
	/* also when its queue is full */
	int fd[4];
	for (int i = 0; i < 4; i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fd[i], (struct sockaddr *)&un, sizeof(un));
	}
	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert_int_eq(access(un.sun_path, F_OK), 0);
	stop_other(pid);
	unlink(un.sun_path);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
	struct listeners ls;
	struct listens w = wanted(in_dir("unix:", "file"), NULL);
	int fd = open(in_dir("", "file"), O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert(!listeners_open(&ls, &w, 1, NULL));
	ck_assert(logged("not a socket"));
	ck_assert_int_eq(unlink(in_dir("", "file")), 0);
}
END_TEST

START_TEST(a_successors_unix_socket_is_not_removed)
{
	struct listeners ls, successor;
	struct listens w = wanted(in_dir("unix:", "s"), NULL);

	ck_assert(listeners_open(&ls, &w, 1, NULL));
	ck_assert_int_eq(unlink(in_dir("", "s")), 0);
	ck_assert(listeners_open(&successor, &w, 1, NULL));
	listeners_close(&ls);
	ck_assert_int_ge(connect_unix(in_dir("", "s")), 0);
	listeners_close(&successor);
}
END_TEST

/*
 * Sockets at 3 and 4, in a child because those numbers may be the test library's: no assertion of
 * it works from there on.
 */
static int
handed_in_child(void)
{
	const int on = 1;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct listeners ls, next;
	char number[16], text[160];

	int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/handed-in", dir);
	if (bind(tcp, (struct sockaddr *)&in, sizeof(in)) || listen(tcp, 1) ||
	    bind(local, (struct sockaddr *)&un, sizeof(un)) || listen(local, 1))
		return __LINE__;
	tcp = fcntl(tcp, F_DUPFD, 100);
	local = fcntl(local, F_DUPFD, 100);
	const uint16_t port = port_of(tcp);
	struct listens w = wanted("127.0.0.1:1", NULL);
	dup2(tcp, 3);
	dup2(local, 4);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "public:web", 1);
	if (!listeners_open(&ls, &w, 4, NULL) || ls.n != 2)
		return __LINE__;
	const struct listener *a = &ls.listener[0], *b = &ls.listener[1];
	if (!a->from_systemd || !a->shared || a->n_fds != 1 || a->fd[0] != 3)
		return __LINE__;
	if (!a->address.is_public || !a->address.is_loopback || a->address.is_unix)
		return __LINE__;
	if (!b->shared || b->fd[0] != 4 || b->address.is_public || !b->address.is_unix)
		return __LINE__;
	if (!(fcntl(3, F_GETFL) & O_NONBLOCK) || fcntl(3, F_GETFD) != FD_CLOEXEC)
		return __LINE__;
	snprintf(text, sizeof(text), "127.0.0.1:%u,public unix:%s", port, un.sun_path);
	char *shown = listeners_text(&ls);
	if (strcmp(shown, text) != 0)
		return __LINE__;
	free(shown);
	/* a reload cannot change them, nor close them */
	if (!listeners_open(&next, &w, 2, &ls) || next.n != 2 || next.listener[1].fd[0] != 4)
		return __LINE__;
	listeners_close_except(&ls, &next);
	if (fcntl(3, F_GETFD) < 0)
		return __LINE__;
	listeners_close(&next);
	/* its file is systemd's */
	if (unlink(un.sun_path) < 0)
		return __LINE__;
	return 0;
}

static int
wrong_socket_child(void)
{
	char number[16];
	struct listeners ls;
	struct listens w = wanted("127.0.0.1:0", NULL);
	/* not listening */
	int fd = fcntl(socket(AF_INET, SOCK_STREAM, 0), F_DUPFD, 100);

	dup2(fd, 3);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "1", 1);
	return listeners_open(&ls, &w, 1, NULL) ? __LINE__ : 0;
}

static int (*const children[])(void) = {handed_in_child, wrong_socket_child};

START_TEST(sockets_of_systemd_are_used_instead)
{
	int status, pipe_fds[2], line = -1;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = fcntl(pipe_fds[1], F_DUPFD, 200);

		line = children[_i]();
		(void)!write(fd, &line, sizeof(line));
		_exit(0);
	}
	close(pipe_fds[1]);
	ck_assert_int_eq(read(pipe_fds[0], &line, sizeof(line)), sizeof(line));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(line, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_socket_per_worker_on_one_port);
	tcase_add_test(tc, a_port_is_free_again_although_connections_linger);
	tcase_add_loop_test(tc, an_address_of_another_process_is_refused_and_the_holder_named, 0,
			    2);
	tcase_add_test(tc, all_addresses_beside_one_address_are_no_conflict_with_ourselves);
	tcase_add_test(tc, an_address_listed_twice_is_refused);
	tcase_add_test(tc, an_address_that_no_interface_has_is_refused);
	tcase_add_test(tc, a_reload_keeps_sockets_and_what_waits_in_them);
	tcase_add_test(tc, an_address_that_leaves_closes_and_one_that_comes_opens);
	tcase_add_test(tc, a_refused_reload_leaves_the_old_sockets_alone);
	tcase_add_test(tc, any_local_user_may_use_a_unix_socket);
	tcase_add_test(tc, a_unix_socket_that_was_left_behind_is_replaced);
	tcase_add_test(tc, a_live_unix_socket_is_taken);
	tcase_add_test(tc, a_file_that_is_no_socket_is_left_alone);
	tcase_add_test(tc, a_successors_unix_socket_is_not_removed);
	tcase_add_loop_test(tc, sockets_of_systemd_are_used_instead, 0, 2);
	int v6 = socket(AF_INET6, SOCK_STREAM, 0);
	if (v6 >= 0) {
		close(v6);
		tcase_add_test(tc, ipv6_is_apart_from_ipv4);
		tcase_add_test(tc, a_socket_on_all_of_both_protocols_has_ours_too);
	}
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
