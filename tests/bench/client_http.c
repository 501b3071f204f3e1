/*
 * client_http.c - the request, its answer and the sockets of the load generators.
 */
#include "client_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)1 << 20)
#define ANSWER_MAX  ((size_t)1 << 16)
/* Nothing here takes long; a server that does not answer ends the benchmark. */
#define TIMEOUT_S 10

void
client_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
client_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

uint64_t
client_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int
client_connect(uint16_t port)
{
	struct sockaddr_in addr = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		client_die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		client_die("connect: %s", strerror(errno));
	return fd;
}

void
client_reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void
client_check_start(const struct target *t, const char *data, size_t len)
{
	size_t n = strlen(t->start);

	if (memcmp(data, t->start, len < n ? len : n) != 0)
		client_die("another answer than %s: %.*s", t->start, (int)(len < 200 ? len : 200),
			   data);
}

static void
load_request(struct target *t, const char *path)
{
	FILE *f = fopen(path, "r");

	t->request = malloc(REQUEST_MAX);
	if (!f || !t->request)
		client_die("%s: %s", path, strerror(errno));
	t->request_len = fread(t->request, 1, REQUEST_MAX, f);
	fclose(f);
	if (t->request_len == 0 || t->request_len == REQUEST_MAX)
		client_die("%s: has to have 1 to %zu bytes", path, REQUEST_MAX - 1);
}

/* The whole length that the head in `answer`, a string, tells; 0 while it is not there. */
static size_t
answer_length(char *answer)
{
	static const char name[] = "\r\nContent-Length:";
	char *end = strstr(answer, "\r\n\r\n");

	if (!end)
		return 0;
	for (char *at = answer; at < end; at++) {
		if (strncasecmp(at, name, sizeof(name) - 1) == 0)
			return (size_t)(end + 4 - answer) +
			       strtoul(at + sizeof(name) - 1, NULL, 10);
	}
	client_die("an answer without Content-Length: %s", answer);
}

/* One request, one answer. */
static void
ask(struct target *t, int fd)
{
	static char answer[ANSWER_MAX];
	size_t len = 0, want = 0;

	if (send(fd, t->request, t->request_len, MSG_NOSIGNAL) != (ssize_t)t->request_len)
		client_die("the connection ends while a request is sent: %s", strerror(errno));
	do {
		ssize_t n = recv(fd, answer + len, ANSWER_MAX - 1 - len, 0);

		if (n <= 0)
			client_die("the connection ends before an answer");
		len += (size_t)n;
		answer[len] = '\0';
		want = answer_length(answer);
	} while (!want || len < want);
	if (len != want || len < 12)
		client_die("more than an answer came: %s", answer);
	if (t->answer_len && t->answer_len != len)
		client_die("answers differ in length: %zu and %zu", t->answer_len, len);
	t->answer_len = len;
	memcpy(t->start, answer, 12);
}

void
client_learn(struct target *t, const char *request_path, const char *port, bool is_closed)
{
	t->port = (uint16_t)strtoul(port, NULL, 10);
	load_request(t, request_path);
	int fd = client_connect(t->port);
	ask(t, fd);
	if (is_closed) {
		char byte;

		if (recv(fd, &byte, 1, 0) != 0)
			client_die("the server does not close");
		close(fd);
		fd = client_connect(t->port);
	}
	ask(t, fd);
	client_reset(fd);
}
