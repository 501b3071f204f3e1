/*
 * process.c - title, user, parent, limits and descriptors of a process. Runs in: master and
 * workers, single-threaded.
 */
#include "proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/cpus.h"
#include "proc/segment.h"

#define NOFILE_MAX 1048576

/*
 * libbsd's setproctitle marks the end of a title that is shorter than the arguments with a '.',
 * which not every kernel hides again; so we pad with NUL ourselves.
 */
static struct {
	char *begin; /* the memory of argv's and environ's strings, which lie side by side */
	size_t size;
	char *environ_block; /* where environ's strings are now */
} title;

/* Moves environ's strings out of the way; false leaves them where they are. */
static bool
move_environ(char **envp, size_t bytes)
{
	char *at = malloc(bytes);

	if (!at)
		return false;
	title.environ_block = at;
	for (char **e = envp; *e; e++) {
		size_t len = strlen(*e) + 1;

		*e = memcpy(at, *e, len);
		at += len;
	}
	return true;
}

static void
open_standard_fds(void)
{
	/* open takes the lowest free number, so this ends at the first one above stderr */
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd > STDERR_FILENO)
		close(fd);
}

void
process_title_init(int argc, char **argv, char **envp)
{
	char *end;
	size_t environ_bytes = 0;

	open_standard_fds();
	if (argc < 1)
		return;
	title.begin = end = argv[0];
	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(argv[i]) + 1;
	title.size = (size_t)(end - title.begin);
	for (char **e = envp; *e; e++) {
		environ_bytes += strlen(*e) + 1;
		if (*e == end)
			end += strlen(*e) + 1;
	}
	if (environ_bytes > 0 && move_environ(envp, environ_bytes))
		title.size = (size_t)(end - title.begin);
}

void
process_set_role(const char *role)
{
	char text[64];

	log_set_process(role);
	snprintf(text, sizeof(text), "plazad: %s", role);
	if (title.size == 0)
		return;
	memset(title.begin, 0, title.size);
	memcpy(title.begin, text, strnlen(text, title.size - 1));
}

static const char *user_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static const char *
user_error(const char *fmt, ...)
{
	static char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

static const char *
check_unchanged(const char *user, const char *group)
{
	if (user[0]) {
		const struct passwd *pw = getpwnam(user);

		if (!pw || pw->pw_uid != geteuid())
			return user_error("%s is not the user that started plazad; "
					  "only root can become another one",
					  user);
	}
	if (group[0]) {
		const struct group *gr = getgrnam(group);

		if (!gr || gr->gr_gid != getegid())
			return user_error("%s is not the group that started plazad; "
					  "only root can become another one",
					  group);
	}
	return NULL;
}

const char *
process_user_find(const char *user, const char *group, struct process_user *found)
{
	const struct passwd *pw;

	memset(found, 0, sizeof(*found));
	found->uid = geteuid();
	found->gid = getegid();
	if (found->uid != 0)
		return check_unchanged(user, group);

	if (user[0]) {
		pw = getpwnam(user);
		if (!pw)
			return user_error("there is no user %s", user);
	} else {
		pw = getpwnam("plaza");
		if (!pw)
			pw = getpwnam("nobody");
		if (!pw)
			return user_error("there is neither a user plaza nor nobody; "
					  "name another one");
	}
	if (pw->pw_uid == 0)
		return user_error("%s is root, as which workers never serve; name "
				  "another user",
				  pw->pw_name);
	found->change = true;
	found->uid = pw->pw_uid;
	found->gid = pw->pw_gid;
	snprintf(found->name, sizeof(found->name), "%s", pw->pw_name);
	if (group[0]) {
		const struct group *gr = getgrnam(group);

		if (!gr)
			return user_error("there is no group %s", group);
		found->gid = gr->gr_gid;
	}
	return NULL;
}

bool
process_user_become(const struct process_user *user)
{
	/* what we might execute (nothing) gains nothing by a set-user-ID bit */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("no_new_privs: %s", strerror(errno));
	if (!user->change)
		return true;

	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0 ||
	    /* securebits may have kept what setresuid normally clears (capabilities(7)) */
	    syscall(SYS_capset, &head, none) < 0) {
		log_error("cannot become user %s: %s", user->name, strerror(errno));
		return false;
	}
	if (setresuid(0, 0, 0) == 0) {
		log_error("could become root again after becoming user %s", user->name);
		return false;
	}
	return true;
}

bool
process_die_with(pid_t master)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		log_error("cannot ask for a signal at the master's end: %s", strerror(errno));
		return false;
	}
	/* it may have ended before we asked */
	return getppid() == master;
}

uint64_t
process_raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	rlim_t want = limit.rlim_max < NOFILE_MAX ? limit.rlim_max : NOFILE_MAX;
	if (limit.rlim_cur < want) {
		struct rlimit raised = {want, limit.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
		else
			log_warning("RLIMIT_NOFILE stays at %llu: %s",
				    (unsigned long long)limit.rlim_cur, strerror(errno));
	}
	return limit.rlim_cur;
}

static int
compare_fds(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void
process_close_fds(int *keep, size_t n)
{
	unsigned from = STDERR_FILENO + 1;

	qsort(keep, n, sizeof(*keep), compare_fds);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < 0 || (unsigned)keep[i] < from)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}

unsigned
process_cpus(void)
{
	unsigned cpus = 0;
	char membership[8192];
	cpu_set_t *set = NULL;

	/* the kernel's mask may be wider than cpu_set_t; it says so by EINVAL */
	for (int bits = 1024; bits <= 1 << 18; bits *= 4) {
		size_t size = CPU_ALLOC_SIZE((size_t)bits);

		set = CPU_ALLOC((size_t)bits);
		if (set && sched_getaffinity(0, size, set) == 0)
			cpus = (unsigned)CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (cpus || errno != EINVAL)
			break;
	}

	FILE *file = fopen("/proc/self/cgroup", "re");
	if (file) {
		membership[fread(membership, 1, sizeof(membership) - 1, file)] = '\0';
		fclose(file);
		unsigned quota = cpus_by_quota(membership, "/sys/fs/cgroup");
		if (quota && quota < cpus)
			cpus = quota;
	}
	if (cpus < 1)
		return 1;
	return cpus < SEGMENT_MAX_WORKERS ? cpus : SEGMENT_MAX_WORKERS;
}
