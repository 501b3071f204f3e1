/*
 * floor_chat.c - the least that delivering chat can cost: a bare epoll loop that joins all messages
 * of a pass to one run of frames and sends it once to every client. No rooms, no log, no limits, no
 * checks; it answers any head with a fixed 101. What the daemon is measured against.
 *
 * floor_chat: prints the port that it listens on, and serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 65536
#define RUN_MAX     (1 << 20)

struct client {
	int fd;
	bool open; /* the head was answered */
	size_t len;
	unsigned char in[16384]; /* what is no whole frame yet */
	unsigned char *late;     /* what the socket did not take */
	size_t late_len;
};

static struct client *client[MAX_CLIENTS];
static size_t n_clients;
static int epoll_fd;
static unsigned char run[RUN_MAX];
static size_t run_len;

static void
drop(struct client *c)
{
	for (size_t i = 0; i < n_clients; i++) {
		if (client[i] == c)
			client[i] = client[--n_clients];
	}
	close(c->fd);
	free(c->late);
	free(c);
}

/* Keeps what the socket does not take; false when it is broken. */
static bool
give(struct client *c, const unsigned char *data, size_t len)
{
	ssize_t n = c->late_len > 0 ? 0 : send(c->fd, data, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return false;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return true;
	len -= (size_t)n;
	c->late = realloc(c->late, c->late_len + len);
	if (!c->late)
		exit(1);
	memcpy(c->late + c->late_len, data + n, len);
	c->late_len += len;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd,
		  &(struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.ptr = c});
	return true;
}

static void
give_late(struct client *c)
{
	unsigned char *late = c->late;
	size_t len = c->late_len;

	c->late = NULL;
	c->late_len = 0;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd,
		  &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
	give(c, late, len);
	free(late);
}

/* Masked frames of up to 65535 bytes in, plain ones out. */
static void
take_frames(struct client *c)
{
	size_t at = 0;

	while (c->len - at >= 2) {
		unsigned char *p = c->in + at;
		size_t head = 2, len = p[1] & 0x7f;

		if (len == 126) {
			if (c->len - at < 4)
				break;
			len = (size_t)p[2] << 8 | p[3];
			head = 4;
		}
		if (c->len - at < head + 4 + len || run_len + head + len > sizeof(run))
			break;
		memcpy(run + run_len, p, head);
		run[run_len + 1] &= 0x7f;
		run_len += head;
		for (size_t i = 0; i < len; i++)
			run[run_len + i] = p[head + 4 + i] ^ p[head + i % 4];
		run_len += len;
		at += head + 4 + len;
	}
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
}

static void
readable(struct client *c)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n"
				     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			drop(c);
		return;
	}
	c->len += (size_t)n;
	if (c->open) {
		take_frames(c);
	} else if (memmem(c->in, c->len, "\r\n\r\n", 4)) {
		c->open = true;
		c->len = 0;
		give(c, (const unsigned char *)answer, sizeof(answer) - 1);
	}
}

int
main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t addr_len = sizeof(addr);
	struct epoll_event event[256];
	struct rlimit files;
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(listener, 4096) != 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &addr_len) != 0) {
		perror("floor_chat");
		return 1;
	}
	printf("%u\n", ntohs(addr.sin_port));
	fflush(stdout);
	epoll_fd = epoll_create1(0);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
	for (;;) {
		int n = epoll_wait(epoll_fd, event, 256, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = event[i].data.ptr;
			int fd;

			if (c) {
				if (event[i].events & EPOLLOUT)
					give_late(c);
				if (event[i].events & ~(unsigned)EPOLLOUT)
					readable(c);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0 || n_clients == MAX_CLIENTS)
				continue;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			c = calloc(1, sizeof(*c));
			if (!c)
				return 1;
			c->fd = fd;
			client[n_clients++] = c;
			epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd,
				  &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
		}
		for (size_t i = 0; run_len > 0 && i < n_clients; i++) {
			if (client[i]->open)
				give(client[i], run, run_len);
		}
		run_len = 0;
	}
}
