/*
 * slow_origin.c - as many slow origins as there are addresses of the loopback, in one process: each
 * lets a request wait. Every second connection is told the head and the first bytes at once, the
 * others nothing. Not part of the daemon.
 *
 * Usage: slow_origin MILLISECONDS N   prints its port, and after that a line whenever N requests
 * wait at once
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_http.h"

#define FIRST_LEN 1024
#define REST_LEN  1024
#define HEAD_SIZE 128

/* The due times of all are in the order in which they have asked. */
struct connection {
	STAILQ_ENTRY(connection) waiting;
	int fd;
	bool tells_at_once, waits, is_closed;
	uint64_t due_ns;
};

STAILQ_HEAD(connections, connection);

static char answer[HEAD_SIZE + FIRST_LEN + REST_LEN];
static size_t first_len, answer_len; /* of the answer: with the head */
static struct connections waiting = STAILQ_HEAD_INITIALIZER(waiting);
static unsigned long n_waiting, n_expected, n_accepted;
static uint64_t delay_ns;

static void
make_answer(void)
{
	int n = snprintf(answer, HEAD_SIZE,
			 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %d\r\n\r\n",
			 FIRST_LEN + REST_LEN);

	first_len = (size_t)n + FIRST_LEN;
	answer_len = first_len + REST_LEN;
	memset(answer + n, 'a', FIRST_LEN + REST_LEN);
}

static int
listen_on_any_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* any address: 127.0.0.0/8 has enough of them */
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		client_die("cannot listen: %s", strerror(errno));
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

/* Nobody from elsewhere is let in. */
static bool
is_local(const struct sockaddr_in *peer)
{
	return ntohl(peer->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static void
accept_all(int epoll, int listener)
{
	for (;;) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int fd =
		    accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int on = 1;

		if (fd < 0)
			return;
		struct connection *c = is_local(&peer) ? calloc(1, sizeof(*c)) : NULL;
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
		if (!c || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
			free(c);
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c->fd = fd;
		c->tells_at_once = n_accepted++ % 2;
	}
}

/* One that waits is freed when its time has come. */
static void
end(struct connection *c)
{
	close(c->fd);
	if (c->waits)
		c->is_closed = true;
	else
		free(c);
}

static void
take(struct connection *c)
{
	char in[4096];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	/* the request is one packet, and another one before the answer a mistake */
	if (n < 4 || c->waits || memcmp(in + n - 4, "\r\n\r\n", 4) != 0 ||
	    (c->tells_at_once &&
	     send(c->fd, answer, first_len, MSG_NOSIGNAL) != (ssize_t)first_len)) {
		end(c);
		return;
	}
	c->waits = true;
	c->due_ns = client_now_ns() + delay_ns;
	STAILQ_INSERT_TAIL(&waiting, c, waiting);
	if (++n_waiting == n_expected) {
		printf("%lu wait\n", n_waiting);
		fflush(stdout);
	}
}

/* Answers those whose time has come; milliseconds until the next one is due, -1: there is none. */
static int
answer_due(void)
{
	struct connection *c;

	while ((c = STAILQ_FIRST(&waiting)) != NULL) {
		const size_t from = c->tells_at_once ? first_len : 0;
		uint64_t now = client_now_ns();

		if (c->due_ns > now)
			return (int)((c->due_ns - now) / 1000000) + 1;
		STAILQ_REMOVE_HEAD(&waiting, waiting);
		n_waiting--;
		c->waits = false;
		if (c->is_closed)
			free(c);
		else if (send(c->fd, answer + from, answer_len - from, MSG_NOSIGNAL) !=
			 (ssize_t)(answer_len - from))
			shutdown(c->fd, SHUT_RDWR);
	}
	return -1;
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		client_die("usage: slow_origin MILLISECONDS N");
	delay_ns = strtoul(argv[1], NULL, 10) * 1000000;
	n_expected = strtoul(argv[2], NULL, 10);
	client_raise_files();
	make_answer();
	int listener = listen_on_any_port();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		client_die("epoll: %s", strerror(errno));
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, answer_due());

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				take(events[i].data.ptr);
			else
				accept_all(epoll, listener);
		}
	}
}
