/*
 * ws_client.h - for tests: a raw RFC 6455 client that sends what it is told, right or wrong, and
 * a server process around a loop that hands accepted sockets and their heads to a function.
 */
#ifndef PLAZA_TESTS_WS_CLIENT_H
#define PLAZA_TESTS_WS_CLIENT_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/span.h"

#define CLIENT_TIMEOUT_S 20

#define FIN      0x80
#define RSV1     0x40
#define CONT     0x0
#define TEXT     0x1
#define BINARY   0x2
#define CLOSE    0x8
#define PING     0x9
#define PONG     0xa
#define UNMASKED 0x100 /* for client_send: a frame that breaks the rule */

#define CLIENT_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define CLIENT_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define CLIENT_HEAD                                                       \
	"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Key: " CLIENT_KEY           \
	"\r\nSec-WebSocket-Version: 13\r\n"

/* Made by the parent, so that it knows the port. */
static inline int
server_listen(uint16_t *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* Accepts one connection and reads its head, and what came with it. */
static inline int
server_accept(int listener, char *head, size_t size, size_t *head_len)
{
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1) {
		ssize_t n = recv(fd, head + len, size - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n"))
			break;
	}
	*head_len = len;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static inline int
client_connect_small(uint16_t port, int rcvbuf)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval tv = {.tv_sec = CLIENT_TIMEOUT_S};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* False: the peer is gone. */
static inline bool
client_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Builds a frame of the client; `first` is the first byte, and maybe UNMASKED. Returns its size. */
static inline size_t
client_frame(unsigned char *out, unsigned first, const void *payload, size_t len)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	unsigned masked = first & UNMASKED ? 0 : 0x80;
	size_t n = 0;

	out[n++] = (unsigned char)first;
	if (len < 126) {
		out[n++] = (unsigned char)(masked | len);
	} else if (len < 65536) {
		out[n++] = (unsigned char)(masked | 126);
		out[n++] = (unsigned char)(len >> 8);
		out[n++] = (unsigned char)len;
	} else {
		out[n++] = (unsigned char)(masked | 127);
		for (int i = 7; i >= 0; i--)
			out[n++] = (unsigned char)((uint64_t)len >> (8 * i));
	}
	if (masked) {
		memcpy(out + n, mask, 4);
		n += 4;
	}
	for (size_t i = 0; i < len; i++)
		out[n + i] = ((const unsigned char *)payload)[i] ^ (masked ? mask[i % 4] : 0);
	return n + len;
}

static inline bool
client_send(int fd, unsigned first, const void *payload, size_t len)
{
	unsigned char *out = malloc(len + 14);

	ck_assert_ptr_nonnull(out);
	bool sent = client_write(fd, out, client_frame(out, first, payload, len));
	free(out);
	return sent;
}

static inline void
client_text(int fd, const char *text)
{
	ck_assert(client_send(fd, FIN | TEXT, text, strlen(text)));
}

/* 0: end of file or reset. */
static inline size_t
client_read(int fd, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(fd, (char *)data + got, len - got, 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			ck_abort_msg("nothing came for %d s", CLIENT_TIMEOUT_S);
		if (n <= 0)
			return 0;
		got += (size_t)n;
	}
	return got;
}

struct client_message {
	unsigned first; /* 0: the connection ended */
	size_t len;
	unsigned char data[1 << 21];
};

/* One frame; checks that the server breaks no rule. */
static inline unsigned
client_receive(int fd, struct client_message *m)
{
	unsigned char h[10];

	m->first = 0;
	m->len = 0;
	if (!client_read(fd, h, 2))
		return 0;
	ck_assert_msg(!(h[1] & 0x80), "a server's frame must not be masked");
	ck_assert_msg(!(h[0] & 0x70), "reserved bits are set");
	m->len = h[1] & 0x7f;
	if (m->len == 126) {
		ck_assert(client_read(fd, h + 2, 2));
		m->len = (size_t)h[2] << 8 | h[3];
		ck_assert_uint_ge(m->len, 126);
	} else if (m->len == 127) {
		ck_assert(client_read(fd, h + 2, 8));
		m->len = 0;
		for (int i = 2; i < 10; i++)
			m->len = m->len << 8 | h[i];
		ck_assert_uint_ge(m->len, 65536);
	}
	ck_assert_uint_lt(m->len, sizeof(m->data));
	if (m->len && !client_read(fd, m->data, m->len))
		return 0;
	m->data[m->len] = '\0';
	return m->first = h[0];
}

static inline void
client_expect(int fd, unsigned first, const void *data, size_t len)
{
	static struct client_message m;

	ck_assert_uint_eq(client_receive(fd, &m), first);
	ck_assert_uint_eq(m.len, len);
	if (len)
		ck_assert_mem_eq(m.data, data, len);
}

static inline void
client_expect_text(int fd, const char *text)
{
	static struct client_message m;

	ck_assert_uint_eq(client_receive(fd, &m), FIN | TEXT);
	ck_assert_str_eq((char *)m.data, text);
}

/* Reads on until a Close, answers it, and waits for the end. Returns its code, 0 without one. */
static inline unsigned
client_closed_with(int fd)
{
	static struct client_message m;
	unsigned code = 0;

	while (client_receive(fd, &m)) {
		if (m.first != (FIN | CLOSE))
			continue;
		ck_assert_uint_eq(code, 0);
		code = m.len >= 2 ? (unsigned)m.data[0] << 8 | m.data[1] : 1005;
		client_send(fd, FIN | CLOSE, m.data, m.len);
	}
	close(fd);
	return code;
}

/* Whether the head has a line `name: value`, or none of that name when `value` is NULL. */
static inline void
client_expect_field(const char *head, const char *name, const char *value)
{
	char begin[64], line[256];

	snprintf(begin, sizeof(begin), "\r\n%s:", name);
	const char *at = strcasestr(head, begin);
	if (!value) {
		ck_assert_ptr_null(at);
		return;
	}
	ck_assert_msg(at, "no %s in: %s", name, head);
	snprintf(line, sizeof(line), " %s\r\n", value);
	at += strlen(begin);
	ck_assert_msg(strncmp(at, line, strlen(line)) == 0, "%s:%s", name, at);
	ck_assert_ptr_null(strcasestr(at, begin));
}

/* The answer's head; ends behind the empty line. */
static inline void
client_expect_101_with(int fd, const char *protocol, const char *extensions)
{
	char head[1024];
	size_t len = 0;

	do {
		ck_assert_uint_lt(len, sizeof(head) - 1);
		ck_assert_uint_eq(client_read(fd, head + len, 1), 1);
		head[++len] = '\0';
	} while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0);
	ck_assert_ptr_eq(strstr(head, "HTTP/1.1 101 "), head);
	ck_assert_ptr_nonnull(strcasestr(head, "\r\nUpgrade: websocket\r\n"));
	ck_assert_ptr_nonnull(strcasestr(head, "\r\nConnection: Upgrade\r\n"));
	ck_assert_ptr_nonnull(strstr(head, CLIENT_ACCEPT));
	client_expect_field(head, "Sec-WebSocket-Protocol", protocol);
	client_expect_field(head, "Sec-WebSocket-Extensions", extensions);
}

static inline void
client_expect_101(int fd)
{
	client_expect_101_with(fd, NULL, NULL);
}

static inline int
client_open(uint16_t port)
{
	int fd = client_connect_small(port, 0);

	ck_assert(client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	client_expect_101(fd);
	return fd;
}

/*
 * Forks a server. SIGTERM waits until it calls server_is_ready: before it has a handler of its own
 * there is libcheck's, which kills the test.
 */
static inline pid_t
server_fork(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		sigprocmask(SIG_UNBLOCK, &term, NULL);
	return pid;
}

static inline void
server_is_ready(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
}

/* Asks the server process to end, and takes no sanitizer's or other complaint. */
static inline void
server_end(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		ck_abort_msg("the server ended with %x", (unsigned)status);
}

#endif
