/*
 * notify.c - the two systemd protocols that need no library: a datagram to $NOTIFY_SOCKET and
 * descriptors from 3 on. Runs in: master.
 */
#include "proc/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static struct {
	bool known; /* the environment has been read */
	struct sockaddr_un addr;
	socklen_t addr_len; /* 0: nobody wants to know */
	char names[4096];
} notify;

/* Once: what is in the environment now is gone from it when children are made. */
static void
read_notify_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (notify.known)
		return;
	notify.known = true;
	if (len == 0)
		return;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(notify.addr.sun_path)) {
		log_warning("NOTIFY_SOCKET is neither an absolute path nor an abstract name of at "
			    "most %zu bytes; nobody is notified",
			    sizeof(notify.addr.sun_path) - 1);
		return;
	}
	notify.addr.sun_family = AF_UNIX;
	memcpy(notify.addr.sun_path, path, len + 1);
	/* unix(7): an abstract name begins with a NUL and has no terminator */
	if (path[0] == '@')
		notify.addr.sun_path[0] = '\0';
	notify.addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void
notify_send(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	read_notify_socket();
	if (!notify.addr_len)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&notify.addr,
			     notify.addr_len) < 0)
		log_warning("NOTIFY_SOCKET: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void
notify_reloading(void)
{
	/* sd_notify(3): both in one datagram; the time tells this reload's READY=1 from others */
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
}

/* A decimal number from 0 to INT_MAX, else -1. */
static long
number_from(const char *text)
{
	char *end;

	if (!text || !*text)
		return -1;
	errno = 0;
	long value = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && value >= 0 && value <= INT_MAX ? value : -1;
}

int
notify_listen_fds(const char **names)
{
	const char *given = getenv("LISTEN_FDNAMES");
	long pid = number_from(getenv("LISTEN_PID"));
	long n = number_from(getenv("LISTEN_FDS"));

	read_notify_socket();
	snprintf(notify.names, sizeof(notify.names), "%s", given ? given : "");
	*names = notify.names;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
	/* meant for another process: our parent, who did not clear it */
	if (pid != getpid() || n <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if (fcntl(LISTEN_FDS_START + i, F_SETFD, FD_CLOEXEC) < 0) {
			log_error("LISTEN_FDS is %ld, but descriptor %d is not open", n,
				  LISTEN_FDS_START + i);
			return i;
		}
	}
	return (int)n;
}
