/*
 * cpus.c - reads cpu.max (cgroup v2) or cpu.cfs_quota_us (v1), from the own cgroup up to the root.
 */
#include "proc/cpus.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool
read_line(const char *dir, const char *name, char *line, int size)
{
	char path[PATH_MAX];

	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool got = fgets(line, size, file) != NULL;
	fclose(file);
	return got;
}

static bool
read_quota_v2(const char *dir, long long *quota, long long *period)
{
	char line[64];

	/* "max 100000" is no quota: sscanf stops there */
	return read_line(dir, "cpu.max", line, sizeof(line)) &&
	       sscanf(line, "%lld %lld", quota, period) == 2;
}

static bool
read_quota_v1(const char *dir, long long *quota, long long *period)
{
	char line[64];

	/* a quota of -1 is none */
	return read_line(dir, "cpu.cfs_quota_us", line, sizeof(line)) &&
	       sscanf(line, "%lld", quota) == 1 &&
	       read_line(dir, "cpu.cfs_period_us", line, sizeof(line)) &&
	       sscanf(line, "%lld", period) == 1;
}

/* The smaller of `cpus` (0: none yet) and every quota from root/path upwards to root. */
static unsigned
smallest_quota(unsigned cpus, const char *root, const char *path,
	       bool (*read_quota)(const char *dir, long long *quota, long long *period))
{
	char dir[PATH_MAX];
	const size_t top = strlen(root);

	int n = snprintf(dir, sizeof(dir), "%s%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return cpus;
	for (;;) {
		long long quota, period;

		if (read_quota(dir, &quota, &period) && quota > 0 && period > 0) {
			long long here = quota / period + (quota % period != 0);
			if (here < UINT_MAX && (!cpus || (unsigned)here < cpus))
				cpus = (unsigned)here;
		}
		char *slash = strrchr(dir + top, '/');
		if (!slash)
			return cpus;
		*slash = '\0';
	}
}

/* Whether the comma-separated `controllers` of a line of /proc/self/cgroup have "cpu". */
static bool
has_cpu(const char *controllers, size_t len)
{
	const char *end = controllers + len;

	for (const char *p = controllers; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;

		if (stop - p == 3 && memcmp(p, "cpu", 3) == 0)
			return true;
		p = stop + 1;
	}
	return false;
}

unsigned
cpus_by_quota(const char *membership, const char *root)
{
	unsigned cpus = 0;

	/* lines "hierarchy:controllers:path"; v2 is the one with an empty list (cgroups(7)) */
	for (const char *line = membership; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *controllers = memchr(line, ':', (size_t)(end - line));
		const char *path =
		    controllers ? memchr(controllers + 1, ':', (size_t)(end - controllers - 1))
				: NULL;

		if (path) {
			char own[PATH_MAX];
			size_t len = (size_t)(path - ++controllers);

			int n = snprintf(own, sizeof(own), "%.*s", (int)(end - path - 1), path + 1);
			bool fits = n > 0 && (size_t)n < sizeof(own);
			if (fits && len == 0) {
				cpus = smallest_quota(cpus, root, own, read_quota_v2);
			} else if (fits && has_cpu(controllers, len)) {
				char mount[PATH_MAX];

				n = snprintf(mount, sizeof(mount), "%s/cpu", root);
				if (n > 0 && (size_t)n < sizeof(mount))
					cpus = smallest_quota(cpus, mount, own, read_quota_v1);
			}
		}
		line = *end ? end + 1 : end;
	}
	return cpus;
}
