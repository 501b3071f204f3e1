/*
 * process.h - what a process is to the system: its title, its user, its parent, its limits.
 */
#ifndef PLAZA_PROC_PROCESS_H
#define PLAZA_PROC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Call first in main: opens /dev/null on whichever of the descriptors 0 to 2 is closed, so that no
 * socket becomes stderr, and takes argv's memory for titles, later seen in /proc/PID/cmdline.
 */
void process_title_init(int argc, char **argv, char **envp);
/* "worker 0" makes the title "plazad: worker 0" and the name in log lines "worker 0". */
void process_set_role(const char *role);

/* Who the workers become. */
struct process_user {
	bool change; /* false when not started as root */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/*
 * As root: `user` or, empty, plaza, else nobody; `group` or the user's own. Otherwise `change` is
 * false, and naming another user than the present one is an error. NULL on success, else what is
 * wrong, for an error line; valid until the next call.
 */
const char *process_user_find(const char *user, const char *group, struct process_user *found);

/* In a child: becomes that user for good, all groups and capabilities gone. False logged. */
bool process_user_become(const struct process_user *user);

/*
 * In a child, after process_user_become (which would clear it): the kernel kills this process when
 * its parent `master` ends. False when the master is gone already.
 */
bool process_die_with(pid_t master);

/* Raises the soft RLIMIT_NOFILE to the hard one, at most 1,048,576; returns the soft limit. */
uint64_t process_raise_nofile(void);

/* In a child: closes every descriptor from 3 on that is not among the `n` of `keep` (sorted here).
 */
void process_close_fds(int *keep, size_t n);

/* CPUs that affinity and the cgroup's quota give, 1 to 64. */
unsigned process_cpus(void);

#endif
