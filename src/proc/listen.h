/*
 * listen.h - the listening sockets, opened and kept by the master so that no worker's death loses
 * a queued connection.
 */
#ifndef PLAZA_PROC_LISTEN_H
#define PLAZA_PROC_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/address.h"
#include "config/config.h"
#include "proc/segment.h"

struct listener {
	struct listen_address address;
	/*
	 * TCP: one SO_REUSEPORT socket per worker, fd[i] is worker i's. Shared (unix sockets, and
	 * sockets handed in by systemd): one, fd[0], which all workers poll.
	 */
	bool shared;
	bool from_systemd;
	int n_fds;
	int fd[SEGMENT_MAX_WORKERS];
	/* the file of a unix socket that we made: only that one is removed in the end */
	dev_t file_dev;
	ino_t file_ino;
};

struct listeners {
	size_t n;
	struct listener *listener;
};

/*
 * Sockets for `wanted`, with at least `workers` each. Those that `old` (may be NULL) has already
 * are shared with it, descriptor for descriptor, so that they never close in between; grown when
 * there are more workers now, never shrunk: queued connections would be lost. One of the two is
 * then ended by listeners_close_except. An address is probed by a bind without SO_REUSEPORT first,
 * so that another daemon on it is an error, logged with the holder's name where /proc allows. When
 * LISTEN_FDS hands in sockets, they are used and `wanted` is not.
 * False, with `old` untouched, on any failure (logged).
 */
bool listeners_open(struct listeners *listeners, const struct listens *wanted, unsigned workers,
		    const struct listeners *old);

/* Closes the sockets, removes the files of unix sockets, frees. Idempotent. */
void listeners_close(struct listeners *listeners);

/* As listeners_close, but what `kept` has too stays open for it. */
void listeners_close_except(struct listeners *listeners, const struct listeners *kept);

/* Frees, and leaves every socket open: what a process does that only borrowed them. */
void listeners_forget(struct listeners *listeners);

/* "127.0.0.1:8080,public [::1]:8080" with the real port where 0 was asked for. The caller frees. */
char *listeners_text(const struct listeners *listeners);

#endif
