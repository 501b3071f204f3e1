/*
 * floor_chat.c - the least that delivering chat can cost: a bare epoll loop that joins all messages
 * of a pass to one run of frames and then sends it to every client in a bare loop of send(). No
 * rooms, no log, no limits, no checks; it answers any head with a fixed 101. What the daemon is
 * measured against.
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

#define MAX_FDS 65536
#define IN_MAX  65536
#define RUN_MAX (1 << 20)

/* By descriptor. */
struct client {
	bool open;       /* the head was answered */
	size_t at;       /* in `listener` */
	size_t in_len;   /* what is no whole frame yet */
	size_t late_len; /* what the socket did not take */
	unsigned char *in, *late;
};

static struct client clients[MAX_FDS];
/* Descriptors of open clients: all that sending a run looks at. */
static int listeners[MAX_FDS];
static size_t n_listeners;
static size_t n_late; /* of clients with something late */
static int epoll_fd;
static unsigned char in[IN_MAX];
static unsigned char run[RUN_MAX];
static size_t run_len;

static void
watch(int op, int fd, uint32_t events)
{
	epoll_ctl(epoll_fd, op, fd, &(struct epoll_event){.events = events, .data.fd = fd});
}

static void *
check(void *p)
{
	if (!p) {
		fputs("floor_chat: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static void
drop(int fd)
{
	struct client *c = &clients[fd];

	if (c->open) {
		int last = listeners[--n_listeners];

		listeners[c->at] = last;
		clients[last].at = c->at;
	}
	if (c->late_len > 0)
		n_late--;
	free(c->in);
	free(c->late);
	*c = (struct client){0};
	close(fd);
}

/* Keeps what the socket has not taken of `data`; `n` is what send() told. */
static void
keep(int fd, const unsigned char *data, size_t len, ssize_t n)
{
	struct client *c = &clients[fd];

	if (n < 0 && errno != EAGAIN)
		return; /* its end of file will come */
	if (n > 0) {
		data += n;
		len -= (size_t)n;
	}
	if (c->late_len == 0)
		n_late++;
	c->late = check(realloc(c->late, c->late_len + len));
	memcpy(c->late + c->late_len, data, len);
	c->late_len += len;
	watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
}

static void
give_late(int fd)
{
	struct client *c = &clients[fd];
	unsigned char *late = c->late;
	size_t len = c->late_len;
	ssize_t n = send(fd, late, len, MSG_NOSIGNAL);

	c->late = NULL;
	c->late_len = 0;
	n_late--;
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
	if (n != (ssize_t)len)
		keep(fd, late, len, n);
	free(late);
}

/* The hot loop. */
static void
give_run(void)
{
	for (size_t i = 0; i < n_listeners; i++) {
		int fd = listeners[i];
		/* behind what waits, even if there is room by now */
		bool is_late = n_late > 0 && clients[fd].late_len > 0;
		ssize_t n = is_late ? 0 : send(fd, run, run_len, MSG_NOSIGNAL);

		if (n != (ssize_t)run_len)
			keep(fd, run, run_len, n);
	}
	run_len = 0;
}

/* Masked frames of up to 65535 bytes in, plain ones out; returns how much is whole. */
static size_t
take_frames(const unsigned char *data, size_t data_len)
{
	size_t at = 0;

	while (data_len - at >= 2) {
		const unsigned char *p = data + at;
		size_t head = 2, len = p[1] & 0x7f;

		if (len == 126) {
			if (data_len - at < 4)
				break;
			len = (size_t)p[2] << 8 | p[3];
			head = 4;
		}
		if (data_len - at < head + 4 + len)
			break;
		if (run_len + head + len > sizeof(run))
			give_run();
		memcpy(run + run_len, p, head);
		run[run_len + 1] &= 0x7f;
		run_len += head;
		for (size_t i = 0; i < len; i++)
			run[run_len + i] = p[head + 4 + i] ^ p[head + i % 4];
		run_len += len;
		at += head + 4 + len;
	}
	return at;
}

static void
readable(int fd)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n"
				     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	struct client *c = &clients[fd];
	size_t taken;

	if (c->in_len > 0)
		memcpy(in, c->in, c->in_len);
	ssize_t n = recv(fd, in + c->in_len, sizeof(in) - c->in_len, 0);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			drop(fd);
		return;
	}
	size_t len = c->in_len + (size_t)n;
	if (c->open) {
		taken = take_frames(in, len);
	} else if (memmem(in, len, "\r\n\r\n", 4)) {
		taken = len;
		c->open = true;
		c->at = n_listeners;
		listeners[n_listeners++] = fd;
		n = send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
		if (n != (ssize_t)sizeof(answer) - 1)
			keep(fd, (const unsigned char *)answer, sizeof(answer) - 1, n);
	} else {
		taken = 0;
	}
	c->in_len = len - taken;
	if (c->in_len > 0) {
		c->in = check(realloc(c->in, c->in_len));
		memcpy(c->in, in + taken, c->in_len);
	}
}

static void
accept_one(int door)
{
	int one = 1, fd = accept4(door, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= MAX_FDS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

int
main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t addr_len = sizeof(addr);
	struct rlimit files;
	int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (door < 0 || bind(door, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(door, 4096) != 0 ||
	    getsockname(door, (struct sockaddr *)&addr, &addr_len) != 0) {
		perror("floor_chat");
		return 1;
	}
	printf("%u\n", ntohs(addr.sin_port));
	fflush(stdout);
	epoll_fd = epoll_create1(0);
	watch(EPOLL_CTL_ADD, door, EPOLLIN);
	for (;;) {
		struct epoll_event event[256];
		int n = epoll_wait(epoll_fd, event, 256, -1);

		for (int i = 0; i < n; i++) {
			int fd = event[i].data.fd;

			if (fd == door) {
				accept_one(door);
				continue;
			}
			if (event[i].events & EPOLLOUT)
				give_late(fd);
			if (event[i].events & ~(uint32_t)EPOLLOUT)
				readable(fd);
		}
		if (run_len > 0)
			give_run();
	}
}
