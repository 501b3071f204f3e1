/*
 * procfs.c - see procfs.h.
 */
#include "procfs.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static char *
read_proc(pid_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return it_read_file(path);
}

/* The state letter and the parent, of /proc/PID/stat */
static bool
read_stat(pid_t pid, char *state, pid_t *parent)
{
	char *text = read_proc(pid, "stat");
	bool ok = false;

	if (text) {
		/* the name may hold anything, also a ")" */
		const char *end = strrchr(text, ')');
		int ppid;
		ok = end && sscanf(end + 1, " %c %d", state, &ppid) == 2;
		if (ok)
			*parent = ppid;
	}
	free(text);
	return ok;
}

size_t
procfs_children(pid_t parent, pid_t pids[PROCFS_MAX])
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) && n < PROCFS_MAX) {
		char state;
		pid_t ppid;
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (read_stat(pid, &state, &ppid) && ppid == parent && state != 'Z' && state != 'X')
			pids[n++] = pid;
	}
	closedir(dir);
	return n;
}

bool
procfs_alive(pid_t pid)
{
	char state;
	pid_t ppid;

	return read_stat(pid, &state, &ppid) && state != 'Z' && state != 'X';
}

const char *
procfs_title(pid_t pid)
{
	static char title[256];
	char *text = read_proc(pid, "cmdline");

	snprintf(title, sizeof(title), "%s", text ? text : "");
	free(text);
	return title;
}

long
procfs_status(pid_t pid, const char *key)
{
	char *text = read_proc(pid, "status");
	long value = -1;
	size_t len = strlen(key);

	for (char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			value = strtol(line + len + 1, NULL, 10);
			break;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	free(text);
	return value;
}

long
procfs_limit(pid_t pid, const char *name)
{
	char *text = read_proc(pid, "limits");
	char *line = text ? strstr(text, name) : NULL;
	long value = line ? strtol(line + strlen(name), NULL, 10) : -1;

	free(text);
	return value;
}

char *
procfs_fds(pid_t pid)
{
	char path[80], target[256];
	size_t len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	struct dirent *entry;

	ck_assert_ptr_nonnull(out);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		fprintf(out, "%s %s\n", entry->d_name, target);
	}
	if (dir)
		closedir(dir);
	fclose(out);
	return text;
}

size_t
procfs_count_fds(pid_t pid)
{
	char *text = procfs_fds(pid);
	size_t n = 0;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	free(text);
	return n;
}

/* As /proc/net/tcp and tcp6 write an address: words of host order in hex. */
static void
format_address(const struct sockaddr_storage *addr, char *out, size_t size)
{
	if (addr->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
		snprintf(out, size, "%08" PRIX32 ":%04X", in->sin_addr.s_addr, ntohs(in->sin_port));
		return;
	}
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	uint32_t word[4];
	memcpy(word, &in6->sin6_addr, sizeof(word));
	snprintf(out, size, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 ":%04X", word[0],
		 word[1], word[2], word[3], ntohs(in6->sin6_port));
}

pid_t
procfs_peer(int fd, const pid_t *pids, size_t n)
{
	struct sockaddr_storage ours, theirs;
	socklen_t ours_len = sizeof(ours), theirs_len = sizeof(theirs);
	char local[64], remote[64], pair[160], socket_name[64];
	unsigned long inode = 0;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ours, &ours_len), 0);
	if (getpeername(fd, (struct sockaddr *)&theirs, &theirs_len) != 0)
		return 0;
	format_address(&theirs, local, sizeof(local)); /* the daemon's side */
	format_address(&ours, remote, sizeof(remote));
	snprintf(pair, sizeof(pair), " %s %s ", local, remote);
	char *table = it_read_file(ours.ss_family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6");
	ck_assert_ptr_nonnull(table);
	const char *line = strstr(table, pair);
	if (line)
		sscanf(line + strlen(pair), "%*s %*s %*s %*s %*s %*s %lu", &inode);
	free(table);
	if (inode == 0)
		return 0;
	snprintf(socket_name, sizeof(socket_name), " socket:[%lu]\n", inode);
	for (size_t i = 0; i < n; i++) {
		char *fds = procfs_fds(pids[i]);
		bool found = strstr(fds, socket_name) != NULL;
		free(fds);
		if (found)
			return pids[i];
	}
	return 0;
}
