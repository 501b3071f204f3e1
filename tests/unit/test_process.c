/* links: src/proc/process.c src/proc/cpus.c src/base/log.c */
/*
 * test_process.c - title, descriptors, user, parent and limits of a process. Most of it happens in
 * a child, which says by its exit status whether all was well.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/cpus.h"
#include "proc/process.h"

static int main_argc;
static char **main_argv;

#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

/* Runs `fn` in a child; 0 is all well, else the line that failed. */
static int
in_child(int (*fn)(void))
{
	int status, pipe_fds[2], line = -1;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* above whatever fn plays with */
		int fd = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, 500);

		line = fn();
		(void)!write(fd, &line, sizeof(line));
		_exit(0);
	}
	close(pipe_fds[1]);
	(void)!read(pipe_fds[0], &line, sizeof(line));
	close(pipe_fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return line;
}

static size_t
read_cmdline(char *out, size_t size)
{
	FILE *file = fopen("/proc/self/cmdline", "r");
	size_t n = file ? fread(out, 1, size - 1, file) : 0;

	if (file)
		fclose(file);
	out[n] = '\0';
	return n;
}

static int
title_child(void)
{
	static const char title[] = "plazad: worker 12";
	char text[8192];

	setenv("PLAZA_TEST_BEFORE", "kept", 1);
	process_title_init(main_argc, main_argv, environ);
	process_set_role("worker 12");
	size_t n = read_cmdline(text, sizeof(text));
	EXPECT(strcmp(text, title) == 0);
	/* and nothing but NUL after it, whatever the arguments were */
	for (size_t i = strlen(title); i < n; i++)
		EXPECT(text[i] == '\0');
	EXPECT(getenv("PLAZA_TEST_BEFORE") && strcmp(getenv("PLAZA_TEST_BEFORE"), "kept") == 0);
	EXPECT(getenv("PATH") != NULL);

	process_set_role("a role whose name is longer than anybody would ever want a role to be");
	read_cmdline(text, sizeof(text));
	EXPECT(strncmp(text, "plazad: a role", 14) == 0);
	process_set_role("master");
	read_cmdline(text, sizeof(text));
	EXPECT(strcmp(text, "plazad: master") == 0);
	setenv("PLAZA_TEST_AFTER", "1", 1);
	unsetenv("PATH");
	EXPECT(getenv("PLAZA_TEST_AFTER") && !getenv("PATH"));
	return 0;
}

START_TEST(title_says_the_role_and_spares_the_environment)
{
	ck_assert_int_eq(in_child(title_child), 0);
}
END_TEST

static int closed_fds; /* a bit per descriptor */

static int
standard_fds_child(void)
{
	char target[64];

	for (int fd = 0; fd <= 2; fd++) {
		if (closed_fds & 1 << fd)
			close(fd);
	}
	process_title_init(main_argc, main_argv, environ);
	for (int fd = 0; fd <= 2; fd++) {
		char path[32];

		EXPECT(fcntl(fd, F_GETFD) >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		EXPECT(n > 0);
		target[n] = '\0';
		if (closed_fds & 1 << fd)
			EXPECT(strcmp(target, "/dev/null") == 0);
	}
	/* none is left over */
	int next = dup(0);
	int again = dup(0);
	EXPECT(next > 2 && again > next);
	return 0;
}

START_TEST(closed_standard_descriptors_become_dev_null)
{
	closed_fds = _i;
	ck_assert_int_eq(in_child(standard_fds_child), 0);
}
END_TEST

static int
close_fds_child(void)
{
	int keep[4];
	int loose[2];

	keep[0] = fcntl(0, F_DUPFD, 300);
	keep[1] = fcntl(0, F_DUPFD, 20);
	keep[2] = fcntl(0, F_DUPFD, 21);
	/* what in_child reports by */
	keep[3] = 500;
	loose[0] = fcntl(0, F_DUPFD, 22);
	loose[1] = fcntl(0, F_DUPFD, 301);
	process_close_fds(keep, 4);
	for (int i = 0; i < 4; i++)
		EXPECT(fcntl(keep[i], F_GETFD) >= 0);
	for (int i = 0; i < 2; i++)
		EXPECT(fcntl(loose[i], F_GETFD) < 0 && errno == EBADF);
	for (int fd = 0; fd <= 2; fd++)
		EXPECT(fcntl(fd, F_GETFD) >= 0);
	return 0;
}

START_TEST(only_the_descriptors_to_keep_stay)
{
	ck_assert_int_eq(in_child(close_fds_child), 0);
}
END_TEST

START_TEST(root_finds_a_user_that_is_not_root)
{
	struct process_user user;

	ck_assert_ptr_null(process_user_find("", "", &user));
	ck_assert(user.change);
	ck_assert_uint_ne(user.uid, 0);
	ck_assert_str_eq(user.name, getpwnam("plaza") ? "plaza" : "nobody");
	ck_assert_ptr_null(process_user_find("daemon", "", &user));
	ck_assert_uint_eq(user.uid, getpwnam("daemon")->pw_uid);
	ck_assert_uint_eq(user.gid, getpwnam("daemon")->pw_gid);
	ck_assert_ptr_null(process_user_find("daemon", "mail", &user));
	ck_assert_uint_eq(user.gid, getgrnam("mail")->gr_gid);

	ck_assert_ptr_nonnull(strstr(process_user_find("no-such", "", &user), "no-such"));
	ck_assert_ptr_nonnull(strstr(process_user_find("", "no-such", &user), "no-such"));
	ck_assert_ptr_nonnull(strstr(process_user_find("root", "", &user), "never serve"));
}
END_TEST

static int
unprivileged_child(void)
{
	struct process_user user;

	if (geteuid() == 0) {
		EXPECT(setgroups(0, NULL) == 0);
		EXPECT(setgid(getpwnam("daemon")->pw_gid) == 0);
		EXPECT(setuid(getpwnam("daemon")->pw_uid) == 0);
	}
	const struct passwd *self = getpwuid(geteuid());
	EXPECT(self != NULL);
	EXPECT(!process_user_find("", "", &user) && !user.change);
	EXPECT(!process_user_find(self->pw_name, "", &user) && !user.change);
	EXPECT(process_user_find("root", "", &user));
	EXPECT(process_user_find("nobody", "", &user));
	EXPECT(process_user_find("", "mail", &user));
	/* and to become oneself is no news */
	user.change = false;
	EXPECT(process_user_become(&user));
	return 0;
}

START_TEST(others_stay_who_they_are)
{
	ck_assert_int_eq(in_child(unprivileged_child), 0);
}
END_TEST

static int
become_child(void)
{
	struct process_user user;
	char line[128];
	unsigned long long caps = 1;

	EXPECT(!process_user_find("daemon", "mail", &user));
	/* even what would keep capabilities over the change of user must not */
	EXPECT(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	EXPECT(process_user_become(&user));
	EXPECT(getuid() == user.uid && geteuid() == user.uid);
	EXPECT(getgid() == user.gid && getegid() == user.gid);
	EXPECT(getgroups(0, NULL) == 0);
	EXPECT(setuid(0) < 0 && setgid(0) < 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	FILE *file = fopen("/proc/self/status", "r");
	EXPECT(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapInh: %llx", &caps) == 1 ||
		    sscanf(line, "CapPrm: %llx", &caps) == 1 ||
		    sscanf(line, "CapEff: %llx", &caps) == 1)
			EXPECT(caps == 0);
	}
	fclose(file);
	return 0;
}

START_TEST(root_becomes_another_for_good)
{
	ck_assert_int_eq(in_child(become_child), 0);
}
END_TEST

START_TEST(a_child_dies_with_its_master)
{
	int life[2], ready[2];
	char byte;

	/* `life` reads end of file when the last process that holds its other end is gone */
	ck_assert_int_eq(pipe(life), 0);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t master = fork();
	if (master == 0) {
		pid_t self = getpid();

		if (fork() == 0) {
			bool ok = process_die_with(self);
			(void)!write(ready[1], ok ? "y" : "n", 1);
			for (;;)
				pause();
		}
		for (;;)
			pause();
	}
	close(life[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	kill(master, SIGKILL);
	ck_assert_int_eq(waitpid(master, NULL, 0), master);
	/* the test's own time limit ends this if it lives on */
	ck_assert_int_eq(read(life[0], &byte, 1), 0);
}
END_TEST

static int
orphan_child(void)
{
	/* not our parent: it has gone before we asked */
	EXPECT(!process_die_with(getpid()));
	return 0;
}

START_TEST(a_master_that_is_gone_already_is_noticed)
{
	ck_assert_int_eq(in_child(orphan_child), 0);
}
END_TEST

static int
nofile_child(void)
{
	struct rlimit limit;

	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct rlimit low = {64, limit.rlim_max};
	EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
	rlim_t want = limit.rlim_max < 1048576 ? limit.rlim_max : 1048576;
	EXPECT(process_raise_nofile() == want);
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	EXPECT(limit.rlim_cur == want);
	/* again: nothing changes */
	EXPECT(process_raise_nofile() == want);
	return 0;
}

START_TEST(soft_limit_rises_to_the_hard_one)
{
	ck_assert_int_eq(in_child(nofile_child), 0);
}
END_TEST

static int
cpus_child(void)
{
	cpu_set_t all, one;
	size_t first = 0;

	EXPECT(process_cpus() >= 1 && process_cpus() <= 64);
	EXPECT(sched_getaffinity(0, sizeof(all), &all) == 0);
	EXPECT(process_cpus() <= (unsigned)CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
	EXPECT(process_cpus() == 1);
	return 0;
}

START_TEST(affinity_counts)
{
	ck_assert_int_eq(in_child(cpus_child), 0);
}
END_TEST

/* A tree of cgroup files, and how many CPUs a process in there has; 0: no quota. */
static const struct {
	const char *membership;
	struct {
		const char *path, *text;
	} file[4];
	unsigned cpus;
} quotas[] = {
    {"0::/\n", {{"cpu.max", "200000 100000\n"}}, 2},
    {"0::/\n", {{"cpu.max", "max 100000\n"}}, 0},
    {"0::/\n", {{NULL, NULL}}, 0},
    {"", {{NULL, NULL}}, 0},
    /* rounded up: half a CPU is one worker */
    {"0::/\n", {{"cpu.max", "50000 100000\n"}}, 1},
    {"0::/\n", {{"cpu.max", "150000 100000\n"}}, 2},
    {"0::/a/b\n", {{"a/b/cpu.max", "max 100000\n"}, {"a/cpu.max", "300000 100000\n"}}, 3},
    {"0::/a/b\n", {{"a/b/cpu.max", "400000 100000\n"}, {"a/cpu.max", "100000 100000\n"}}, 1},
    {"0::/a/b\n", {{"a/b/cpu.max", "100000 100000\n"}, {"a/cpu.max", "400000 100000\n"}}, 1},
    /* another's group, or a name that only begins alike */
    {"0::/a/b\n", {{"a/c/cpu.max", "100000 100000\n"}}, 0},
    {"0::/a/bc\n", {{"a/b/cpu.max", "100000 100000\n"}}, 0},
    /* version 1, alone and beside version 2 */
    {"4:memory:/m\n3:cpu,cpuacct:/a\n1:name=systemd:/\n",
     {{"cpu/a/cpu.cfs_quota_us", "250000\n"}, {"cpu/a/cpu.cfs_period_us", "100000\n"}},
     3},
    {"3:cpu:/a\n",
     {{"cpu/a/cpu.cfs_quota_us", "-1\n"}, {"cpu/a/cpu.cfs_period_us", "100000\n"}},
     0},
    {"3:cpuset:/a\n",
     {{"cpu/a/cpu.cfs_quota_us", "100000\n"}, {"cpu/a/cpu.cfs_period_us", "100000\n"}},
     0},
    {"3:cpu:/a\n0::/u\n",
     {{"cpu/a/cpu.cfs_quota_us", "200000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"},
      {"u/cpu.max", "max 100000\n"}},
     2},
    /* a container sees a path that is not there; its own root is */
    {"3:cpu:/docker/abc\n",
     {{"cpu/cpu.cfs_quota_us", "100000\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}},
     1},
    {"0::/\n", {{"cpu.max", "nonsense\n"}}, 0},
    {"0::/\n", {{"cpu.max", "100000 0\n"}}, 0},
    {"no colon\n0:\n::\n", {{"cpu.max", "100000 100000\n"}}, 0},
};

static void
write_below(const char *root, const char *path, const char *text)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	FILE *file = fopen(full, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(quota_is_the_smallest_on_the_way_up)
{
	char root[] = "/tmp/plaza-cgroup-XXXXXX", command[64];

	ck_assert_ptr_nonnull(mkdtemp(root));
	for (size_t i = 0; i < 4 && quotas[_i].file[i].path; i++)
		write_below(root, quotas[_i].file[i].path, quotas[_i].file[i].text);
	unsigned cpus = cpus_by_quota(quotas[_i].membership, root);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
	ck_assert_uint_eq(cpus, quotas[_i].cpus);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("core");

	main_argc = argc;
	main_argv = argv;
	/* valgrind shows its client the arguments as they were */
	if (!getenv("LD_PRELOAD") || !strstr(getenv("LD_PRELOAD"), "vgpreload"))
		tcase_add_test(tc, title_says_the_role_and_spares_the_environment);
	tcase_add_loop_test(tc, closed_standard_descriptors_become_dev_null, 0, 8);
	tcase_add_test(tc, only_the_descriptors_to_keep_stay);
	if (geteuid() == 0) {
		tcase_add_test(tc, root_finds_a_user_that_is_not_root);
		tcase_add_test(tc, root_becomes_another_for_good);
	}
	tcase_add_test(tc, others_stay_who_they_are);
	tcase_add_test(tc, a_child_dies_with_its_master);
	tcase_add_test(tc, a_master_that_is_gone_already_is_noticed);
	tcase_add_test(tc, soft_limit_rises_to_the_hard_one);
	tcase_add_test(tc, affinity_counts);
	tcase_add_loop_test(tc, quota_is_the_smallest_on_the_way_up, 0,
			    (int)(sizeof(quotas) / sizeof(quotas[0])));
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
