/*
 * listen.c - opens, shares and closes the listening sockets. Runs in: master, at start and reload.
 */
#include "proc/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "proc/holder.h"
#include "proc/notify.h"

#define LISTENER_TEXT_MAX 8192

static uint16_t
port_of(const struct sockaddr_storage *addr)
{
	/* at the same place for both families */
	return ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
}

static bool
same_address(const struct listen_address *a, const struct listen_address *b)
{
	return a->addr_len == b->addr_len && memcmp(&a->addr, &b->addr, a->addr_len) == 0;
}

static const struct listener *
listeners_find(const struct listeners *listeners, const struct listen_address *address)
{
	for (size_t i = 0; listeners && i < listeners->n; i++) {
		if (same_address(&listeners->listener[i].address, address))
			return &listeners->listener[i];
	}
	return NULL;
}

static bool
listener_has_fd(const struct listener *listener, int fd)
{
	for (int i = 0; listener && i < listener->n_fds; i++) {
		if (listener->fd[i] == fd)
			return true;
	}
	return false;
}

static void
log_refused(const struct listen_address *address, const char *call)
{
	const char *hint = "";

	if (errno == EACCES)
		hint = address->is_unix ? ": the directory must be writable"
					: ": a port below 1024 wants root or CAP_NET_BIND_SERVICE";
	else if (errno == EADDRNOTAVAIL)
		hint = ": no interface of this machine has that address";
	else if (errno == ENOENT && address->is_unix)
		hint = ": its directory must be made first";
	log_error("listen %s: %s: %s%s", address->text, call, strerror(errno), hint);
}

/* A bound socket, or -1 with errno. */
static int
bind_tcp(const struct sockaddr_storage *addr, socklen_t addr_len, bool reuse_port)
{
	const int on = 1;
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* REUSEADDR: connections of an earlier run in TIME_WAIT do not stand in the way */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    (addr->ss_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)addr, addr_len) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
log_taken(const struct listen_address *address, const char *holder)
{
	log_error("listen %s: taken by %s", address->text, holder);
}

/*
 * SO_REUSEPORT would let us share an address with another daemon of the same user unnoticed, so it
 * is asked for without first. Sockets of our own, on an overlapping address, do no harm.
 */
static bool
probe_tcp(const struct listen_address *address)
{
	char holder[64];
	int fd = bind_tcp(&address->addr, address->addr_len, false);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	if (errno != EADDRINUSE) {
		log_refused(address, "bind");
		return false;
	}
	if (holder_find(&address->addr, holder, sizeof(holder)) == HOLDER_SELF)
		return true;
	log_taken(address, holder);
	return false;
}

/* Sockets fd[n_fds..workers-1], on the port that fd[0] has. What was opened stays in `l`. */
static bool
grow_tcp(struct listener *l, unsigned workers)
{
	struct sockaddr_storage addr = l->address.addr;
	socklen_t addr_len = l->address.addr_len;

	while ((unsigned)l->n_fds < workers) {
		if (l->n_fds > 0) {
			addr_len = sizeof(addr);
			if (getsockname(l->fd[0], (struct sockaddr *)&addr, &addr_len) < 0) {
				log_refused(&l->address, "getsockname");
				return false;
			}
		}
		int fd = bind_tcp(&addr, addr_len, true);
		if (fd < 0) {
			log_refused(&l->address, "bind");
			return false;
		}
		l->fd[l->n_fds++] = fd;
		if (listen(fd, SOMAXCONN) < 0) {
			log_refused(&l->address, "listen");
			return false;
		}
	}
	return true;
}

/*
 * Whether the file at a unix socket's path is in nobody's use and now gone. Only a socket that
 * refuses connections is: whoever listened there has ended.
 */
static bool
remove_stale(const struct listen_address *address)
{
	const struct sockaddr_un *un = (const void *)&address->addr;
	struct stat st;
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);
	char holder[64] = "another process";

	if (lstat(un->sun_path, &st) < 0) {
		log_refused(address, "lstat");
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_error("listen %s: there is a file that is not a socket; it is left alone",
			  address->text);
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		log_refused(address, "socket");
		return false;
	}
	int failed = connect(fd, (const struct sockaddr *)un, address->addr_len) < 0 ? errno : 0;
	if (!failed && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0)
		holder_describe(peer.pid, holder, sizeof(holder));
	close(fd);
	if (failed == ECONNREFUSED) {
		if (unlink(un->sun_path) == 0 || errno == ENOENT)
			return true;
		log_refused(address, "unlink");
	} else if (!failed || failed == EAGAIN) {
		/* EAGAIN: its queue is full, so somebody is there */
		log_taken(address, holder);
	} else {
		errno = failed;
		log_refused(address, "connect");
	}
	return false;
}

static bool
open_unix(struct listener *l)
{
	const struct sockaddr_un *un = (const void *)&l->address.addr;
	struct stat st;

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		log_refused(&l->address, "socket");
		return false;
	}
	l->fd[l->n_fds++] = fd;
	/* mode 0666: as with loopback TCP, any local user may connect */
	mode_t mask = umask(0111);
	int failed = bind(fd, (const struct sockaddr *)un, l->address.addr_len) < 0 ? errno : 0;
	if (failed == EADDRINUSE) {
		if (!remove_stale(&l->address)) {
			umask(mask);
			return false;
		}
		failed = bind(fd, (const struct sockaddr *)un, l->address.addr_len) < 0 ? errno : 0;
	}
	umask(mask);
	errno = failed;
	if (failed) {
		log_refused(&l->address, "bind");
		return false;
	}
	if (lstat(un->sun_path, &st) == 0) {
		l->file_dev = st.st_dev;
		l->file_ino = st.st_ino;
	}
	if (listen(fd, SOMAXCONN) < 0) {
		log_refused(&l->address, "listen");
		return false;
	}
	return true;
}

static bool
listener_open(struct listener *l, const struct listen_address *address, unsigned workers,
	      const struct listener *old)
{
	if (old) {
		*l = *old;
		/* the mark may have changed */
		l->address = *address;
		return l->shared || grow_tcp(l, workers);
	}
	l->address = *address;
	l->shared = address->is_unix;
	if (l->shared)
		return open_unix(l);
	/* port 0 is always free */
	return (port_of(&address->addr) == 0 || probe_tcp(address)) && grow_tcp(l, workers);
}

/* The address of a socket that systemd made: not always one that a configuration could name. */
static void
describe_socket(struct listen_address *address)
{
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *in = (const void *)&address->addr;
	const struct sockaddr_in6 *in6 = (const void *)&address->addr;
	const struct sockaddr_un *un = (const void *)&address->addr;

	if (address->addr.ss_family == AF_INET) {
		address->is_loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(address->text, sizeof(address->text), "%s:%u", host, ntohs(in->sin_port));
	} else if (address->addr.ss_family == AF_INET6) {
		address->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(address->text, sizeof(address->text), "[%s]:%u", host,
			 ntohs(in6->sin6_port));
	} else {
		address->is_unix = true;
		/* unix(7): a NUL first means an abstract name, customarily shown as @ */
		size_t len = address->addr_len - offsetof(struct sockaddr_un, sun_path);
		if (len > 0 && un->sun_path[0] == '\0')
			snprintf(address->text, sizeof(address->text), "unix:@%.*s", (int)(len - 1),
				 un->sun_path + 1);
		else
			snprintf(address->text, sizeof(address->text), "unix:%.*s", (int)len,
				 un->sun_path);
	}
}

static bool
adopt_from_systemd(struct listener *l, int fd, struct span name)
{
	int type = 0, accepts = 0;
	socklen_t len = sizeof(type);

	l->address.addr_len = sizeof(l->address.addr);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) < 0 || !accepts ||
	    getsockname(fd, (struct sockaddr *)&l->address.addr, &l->address.addr_len) < 0 ||
	    (l->address.addr.ss_family != AF_INET && l->address.addr.ss_family != AF_INET6 &&
	     l->address.addr.ss_family != AF_UNIX)) {
		log_error("LISTEN_FDS: descriptor %d is not a listening stream socket (TCP or "
			  "unix); ListenStream= with Accept=no makes one",
			  fd);
		return false;
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		log_error("LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
		return false;
	}
	describe_socket(&l->address);
	l->address.is_public = span_eq(name, SPAN_LIT("public"));
	l->shared = true;
	l->from_systemd = true;
	l->fd[l->n_fds++] = fd;
	return true;
}

/* The next of the names that colons separate. */
static struct span
next_name(const char **names)
{
	const char *end = strchrnul(*names, ':');
	struct span name = span_from(*names, (size_t)(end - *names));

	*names = *end ? end + 1 : end;
	return name;
}

static bool
listeners_adopt(struct listeners *listeners, int n, const char *names)
{
	listeners->listener = calloc((size_t)n, sizeof(*listeners->listener));
	if (!listeners->listener) {
		log_error("listen: %s", strerror(ENOMEM));
		return false;
	}
	for (int i = 0; i < n; i++) {
		listeners->n++;
		if (!adopt_from_systemd(&listeners->listener[i], LISTEN_FDS_START + i,
					next_name(&names))) {
			listeners_close(listeners);
			return false;
		}
	}
	log_info("listening on the %d %s that LISTEN_FDS hands in; server.listen is not used", n,
		 n == 1 ? "socket" : "sockets");
	return true;
}

/* What a reload keeps when the sockets are not ours to choose. */
static bool
listeners_copy(struct listeners *listeners, const struct listeners *old)
{
	listeners->listener = calloc(old->n, sizeof(*listeners->listener));
	if (!listeners->listener) {
		log_error("listen: %s", strerror(ENOMEM));
		return false;
	}
	memcpy(listeners->listener, old->listener, old->n * sizeof(*listeners->listener));
	listeners->n = old->n;
	return true;
}

bool
listeners_open(struct listeners *listeners, const struct listens *wanted, unsigned workers,
	       const struct listeners *old)
{
	*listeners = (struct listeners){0, NULL};
	if (workers > SEGMENT_MAX_WORKERS)
		workers = SEGMENT_MAX_WORKERS;
	if (old && old->n > 0 && old->listener[0].from_systemd)
		return listeners_copy(listeners, old);
	if (!old) {
		const char *names;
		int n = notify_listen_fds(&names);

		if (n > 0)
			return listeners_adopt(listeners, n, names);
	}

	listeners->listener = calloc(wanted->n ? wanted->n : 1, sizeof(*listeners->listener));
	if (!listeners->listener) {
		log_error("listen: %s", strerror(ENOMEM));
		return false;
	}
	for (size_t i = 0; i < wanted->n; i++) {
		const struct listen_address *address = &wanted->address[i];

		/* with port 0 each entry is a port of its own, but they could not be told apart */
		if (listeners_find(listeners, address)) {
			log_error("listen %s: listed twice", address->text);
			listeners_close_except(listeners, old);
			return false;
		}
		listeners->n++;
		if (!listener_open(&listeners->listener[i], address, workers,
				   listeners_find(old, address))) {
			listeners_close_except(listeners, old);
			return false;
		}
	}
	return true;
}

/* Before the close, so that whoever finds the name gone may bind it at once. */
static void
remove_file(const struct listener *l)
{
	const struct sockaddr_un *un = (const void *)&l->address.addr;
	struct stat st;

	if (!l->file_ino || lstat(un->sun_path, &st) < 0)
		return;
	/* another daemon may have replaced it */
	if (st.st_dev == l->file_dev && st.st_ino == l->file_ino)
		unlink(un->sun_path);
}

void
listeners_close_except(struct listeners *listeners, const struct listeners *kept)
{
	for (size_t i = 0; i < listeners->n; i++) {
		struct listener *l = &listeners->listener[i];
		const struct listener *other = listeners_find(kept, &l->address);

		if (!other)
			remove_file(l);
		for (int k = 0; k < l->n_fds; k++) {
			if (!listener_has_fd(other, l->fd[k]))
				close(l->fd[k]);
		}
	}
	listeners_forget(listeners);
}

void
listeners_close(struct listeners *listeners)
{
	listeners_close_except(listeners, NULL);
}

void
listeners_forget(struct listeners *listeners)
{
	free(listeners->listener);
	*listeners = (struct listeners){0, NULL};
}

char *
listeners_text(const struct listeners *listeners)
{
	struct buffer text;
	bool ok = true;

	buffer_init(&text);
	for (size_t i = 0; i < listeners->n && ok; i++) {
		const struct listener *l = &listeners->listener[i];
		struct listen_address real = l->address;

		if (!l->address.is_unix && port_of(&l->address.addr) == 0) {
			real.addr_len = sizeof(real.addr);
			if (getsockname(l->fd[0], (struct sockaddr *)&real.addr, &real.addr_len) ==
			    0)
				describe_socket(&real);
		}
		ok = buffer_printf(&text, LISTENER_TEXT_MAX, "%s%s%s", i ? " " : "", real.text,
				   real.is_public ? ",public" : "");
	}
	/* the terminator; too many addresses for a log line are cut, not refused */
	ok = buffer_append(&text, "", 1, LISTENER_TEXT_MAX + 1);
	if (!ok) {
		buffer_fini(&text);
		return NULL;
	}
	return text.data;
}
