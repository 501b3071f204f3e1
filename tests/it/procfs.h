/*
 * procfs.h - what /proc says about the daemon's processes: titles, users, descriptors, memory, and
 * which of them has a connection.
 */
#ifndef PLAZA_TESTS_IT_PROCFS_H
#define PLAZA_TESTS_IT_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_MAX 256

/* Children of `parent` that live (no zombies); how many. */
size_t procfs_children(pid_t parent, pid_t pids[PROCFS_MAX]);
/* Neither gone nor a zombie. */
bool procfs_alive(pid_t pid);
/* /proc/PID/cmdline up to its first NUL, "" when there is none; good until the next call. */
const char *procfs_title(pid_t pid);
/* A number of /proc/PID/status: "VmRSS", "PPid", "Uid" (the real one), ... ; -1 when it is gone. */
long procfs_status(pid_t pid, const char *key);
/* The soft limit called `name` of /proc/PID/limits, as "Max open files". */
long procfs_limit(pid_t pid, const char *name);

/* The descriptors of a process, each "N what", one a line; the caller frees. */
char *procfs_fds(pid_t pid);
size_t procfs_count_fds(pid_t pid);

/*
 * The process in `pids` that holds the other end of the connected TCP socket `fd`; 0 when none does
 * (still in an accept queue, or gone).
 */
pid_t procfs_peer(int fd, const pid_t *pids, size_t n);

#endif
