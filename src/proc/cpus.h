/*
 * cpus.h - how many CPUs the cgroup's quota allows. Runs in: master, at start and reload.
 */
#ifndef PLAZA_PROC_CPUS_H
#define PLAZA_PROC_CPUS_H

/*
 * `membership` is the text of /proc/self/cgroup, `root` where the hierarchies are mounted
 * (/sys/fs/cgroup). The smallest quota of the own cgroup and its ancestors, rounded up to whole
 * CPUs; 0 when there is none.
 */
unsigned cpus_by_quota(const char *membership, const char *root);

#endif
