/*
 * holder.c - from an address over the socket's inode (/proc/net/tcp, tcp6) to a process
 * (/proc/PID/fd). Runs in: master, when a bind failed.
 */
#include "proc/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDER_MAX_INODES 256

/* As the kernel prints addresses there: 32-bit words of network order, read as native numbers. */
static void
format_address(const struct sockaddr_storage *addr, char *out, size_t size)
{
	if (addr->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)addr;
		uint32_t word[4];

		memcpy(word, &in6->sin6_addr, sizeof(word));
		snprintf(out, size, "%08X%08X%08X%08X", word[0], word[1], word[2], word[3]);
	} else {
		const struct sockaddr_in *in = (const void *)addr;

		snprintf(out, size, "%08X", in->sin_addr.s_addr);
	}
}

static bool
is_wildcard(const char *hex)
{
	return hex[strspn(hex, "0")] == '\0';
}

/* Inodes of listening sockets in `table` that a bind to `address`:`port` conflicts with. */
static size_t
find_listening(const char *table, const char *address, unsigned port, unsigned long *inodes)
{
	char line[512];
	size_t n = 0;
	FILE *file = fopen(table, "re");

	if (!file)
		return 0;
	while (n < HOLDER_MAX_INODES && fgets(line, sizeof(line), file)) {
		char local[33];
		unsigned local_port, state;
		unsigned long inode;

		if (sscanf(line,
			   " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			   local, &local_port, &state, &inode) != 4)
			continue;
		if (state != 0x0a || local_port != port)
			continue;
		if (is_wildcard(address) || is_wildcard(local) || strcmp(local, address) == 0)
			inodes[n++] = inode;
	}
	fclose(file);
	return n;
}

static bool
has_socket(const char *fd_dir, unsigned long inode)
{
	char want[40];
	bool found = false;
	struct dirent *entry;
	DIR *dir = opendir(fd_dir);

	if (!dir)
		return false;
	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	while (!found && (entry = readdir(dir))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, want) == 0;
	}
	closedir(dir);
	return found;
}

void
holder_describe(int pid, char *name, size_t size)
{
	char path[64], comm[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	FILE *file = fopen(path, "re");
	if (file) {
		if (!fgets(comm, sizeof(comm), file))
			comm[0] = '\0';
		comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
	}
	if (comm[0])
		snprintf(name, size, "%s (pid %d)", comm, pid);
	else
		snprintf(name, size, "pid %d", pid);
}

/* The first process, in the order of pids that /proc lists, that holds the socket: the eldest. */
static void
describe_owner(unsigned long inode, char *name, size_t size)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	snprintf(name, size, "another process");
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		char path[300];

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd", entry->d_name);
		if (has_socket(path, inode)) {
			holder_describe(atoi(entry->d_name), name, size);
			break;
		}
	}
	closedir(proc);
}

enum holder
holder_find(const struct sockaddr_storage *addr, char *name, size_t size)
{
	unsigned long inodes[HOLDER_MAX_INODES];
	char address[33];
	size_t n;

	/* the port lies at the same place in both */
	unsigned port = ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);

	snprintf(name, size, "another process");
	format_address(addr, address, sizeof(address));
	if (addr->ss_family == AF_INET6) {
		n = find_listening("/proc/net/tcp6", address, port, inodes);
	} else {
		n = find_listening("/proc/net/tcp", address, port, inodes);
		/* a socket on :: without IPV6_V6ONLY has all of IPv4 too; "-" equals only that */
		if (n == 0)
			n = find_listening("/proc/net/tcp6", "-", port, inodes);
	}
	for (size_t i = 0; i < n; i++) {
		if (has_socket("/proc/self/fd", inodes[i]))
			continue;
		describe_owner(inodes[i], name, size);
		return HOLDER_OTHER;
	}
	return n > 0 ? HOLDER_SELF : HOLDER_UNKNOWN;
}
