/* links: src/proc/notify.c src/base/log.c src/base/clock.c */
/*
 * test_notify.c - the datagrams that systemd gets, and the descriptors that it hands in.
 */
#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "proc/notify.h"

static char dir[] = "/tmp/plaza-notify-XXXXXX";

/* A socket such as systemd's; `name` as it stands in NOTIFY_SOCKET. */
static int
listen_on(const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct timeval patience = {10, 0};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(un.sun_path, name, strlen(name) + 1);
	if (name[0] == '@')
		un.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *
receive(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(state_reaches_a_socket_at_a_path)
{
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	int fd = listen_on(path);
	notify_send("READY=1\nSTATUS=serving %d of %s", 2, "them");
	ck_assert_str_eq(receive(fd), "READY=1\nSTATUS=serving 2 of them");
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(state_reaches_an_abstract_socket_also_when_the_variable_is_gone)
{
	const char *names;
	char name[64];

	snprintf(name, sizeof(name), "@plaza-test-%d", (int)getpid());
	int fd = listen_on(name);
	ck_assert_int_eq(notify_listen_fds(&names), 0);
	/* what we might start must not speak for us */
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	notify_send("STOPPING=1");
	ck_assert_str_eq(receive(fd), "STOPPING=1");
}
END_TEST

START_TEST(a_reload_tells_when_it_began_in_the_same_datagram)
{
	char name[64];
	uint64_t at, before = clock_monotonic_us();

	snprintf(name, sizeof(name), "@plaza-test-%d", (int)getpid());
	int fd = listen_on(name);
	notify_reloading();
	ck_assert_int_eq(sscanf(receive(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &at), 1);
	ck_assert(at >= before && at <= clock_monotonic_us());
}
END_TEST

START_TEST(without_systemd_nothing_happens)
{
	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	notify_reloading();
}
END_TEST

START_TEST(a_wrong_or_dead_socket_does_no_harm)
{
	static const char *const wrong[] = {"relative", "vsock:2:1234", "/nonexistent/socket", "@"};

	setenv("NOTIFY_SOCKET", wrong[_i], 1);
	notify_send("READY=1");
}
END_TEST

/* What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say, and how many descriptors are taken. */
static const struct {
	const char *pid; /* NULL: ours */
	const char *fds;
	const char *names;
	int n;
	const char *names_got;
} handed_in[] = {
    {NULL, "1", NULL, 1, ""},
    {NULL, "2", "web:public", 2, "web:public"},
    {NULL, "0", NULL, 0, ""},
    {NULL, "-1", NULL, 0, ""},
    {NULL, "2x", NULL, 0, ""},
    {NULL, "", NULL, 0, ""},
    /* our parent's, who did not clear them */
    {"1", "2", NULL, 0, ""},
    {"", "2", NULL, 0, ""},
};

START_TEST(descriptors_are_taken_when_they_are_meant_for_us)
{
	char pid[16];
	const char *names;
	int status;

	/* in a child, since 3 and 4 may be the test library's */
	pid_t child = fork();
	if (child == 0) {
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", handed_in[_i].pid ? handed_in[_i].pid : pid, 1);
		setenv("LISTEN_FDS", handed_in[_i].fds, 1);
		if (handed_in[_i].names)
			setenv("LISTEN_FDNAMES", handed_in[_i].names, 1);
		dup2(0, 3);
		dup2(0, 4);
		int n = notify_listen_fds(&names);
		bool gone =
		    !getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES");
		bool closes = true;
		for (int i = 0; i < n; i++)
			closes = closes && fcntl(3 + i, F_GETFD) == FD_CLOEXEC;
		_exit(n == handed_in[_i].n && strcmp(names, handed_in[_i].names_got) == 0 && gone &&
			      closes
			  ? 0
			  : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, state_reaches_a_socket_at_a_path);
	tcase_add_test(tc, state_reaches_an_abstract_socket_also_when_the_variable_is_gone);
	tcase_add_test(tc, a_reload_tells_when_it_began_in_the_same_datagram);
	tcase_add_test(tc, without_systemd_nothing_happens);
	tcase_add_loop_test(tc, a_wrong_or_dead_socket_does_no_harm, 0, 4);
	tcase_add_loop_test(tc, descriptors_are_taken_when_they_are_meant_for_us, 0,
			    (int)(sizeof(handed_in) / sizeof(handed_in[0])));
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
