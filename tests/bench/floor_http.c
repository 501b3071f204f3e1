/*
 * floor_http.c - the floor that the front door is measured against: one process, one epoll, and per
 * readable socket one recv, a count of the heads that ended in it, and one send of that many fixed
 * answers. It parses nothing, checks nothing and forgives nothing. Not part of the daemon.
 *
 * Usage: floor_http LENGTH [close]   answers of LENGTH bytes, head included, and closes after each
 * if it is told to; prints its port
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE     65536
#define ANSWERS_MAX 2048

static char in[IN_SIZE];
static char *answers; /* ANSWERS_MAX times the same */
static size_t answer_len;
static bool is_closing; /* after each answer */

static void
make_answers(size_t len)
{
	char head[256];
	const char *body = "Hello, Anonymous";
	int pad = 0;
	size_t n = 0;

	/* the padding is a field, so that wrk parses as much as it does with the daemon */
	for (; pad < 128; pad++) {
		n = (size_t)snprintf(head, sizeof(head),
				     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
				     "Content-Length: %zu\r\nX-Pad: %0*d\r\n\r\n%s",
				     strlen(body), pad, 0, body);
		if (n >= len)
			break;
	}
	answer_len = n;
	answers = malloc(answer_len * ANSWERS_MAX);
	if (!answers)
		exit(1);
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		memcpy(answers + i * answer_len, head, answer_len);
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
listen_on_any_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	struct sockaddr_in addr = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("bind");
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

static void
accept_all(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
		int on = 1;

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			close(fd);
	}
}

static bool
serve(int fd)
{
	ssize_t n = recv(fd, in, IN_SIZE, 0);
	size_t heads = 0;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	/* wrk sends whole heads */
	for (char *p = in, *end = in + n; (p = memmem(p, (size_t)(end - p), "\r\n\r\n", 4)); p += 4)
		heads++;
	if (heads > ANSWERS_MAX)
		return false;
	/* more of a body */
	if (heads == 0)
		return true;
	size_t len = heads * answer_len;
	return send(fd, answers, len, MSG_NOSIGNAL) == (ssize_t)len && !is_closing;
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: floor_http LENGTH [close]\n");
		return 2;
	}
	make_answers((size_t)atoi(argv[1]));
	is_closing = argc > 2;
	int listener = listen_on_any_port();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	static struct epoll_event events[512];

	signal(SIGPIPE, SIG_IGN);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	for (;;) {
		int n = epoll_wait(epoll, events, 512, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener)
				accept_all(epoll, listener);
			else if (!serve(fd))
				close(fd);
		}
	}
}
