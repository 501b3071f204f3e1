/*
 * client_chat.c - see client_chat.h.
 */
#include "client_chat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/tcp.h> /* the C library's struct tcp_info is an old one */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_http.h"

/* Connections that are made before their first answers are waited for: less than any backlog. */
#define OPENING    64
#define TIMEOUT_MS 20000

void
chat_server_parse(struct chat_server *s, const char *text)
{
	int pids = 0;

	if (sscanf(text, "%31[^:]:%" SCNu16 ":%n", s->name, &s->port, &pids) != 2 || pids == 0)
		client_die("%s is not NAME:PORT:PID[,PID...]", text);
	processes_parse(&s->processes, text + pids);
	size_t len = strlen(s->name);
	s->is_json = len > 5 && strcmp(s->name + len - 5, "/json") == 0;
}

/* So many bytes, and no more; the socket still blocks. */
static void
receive(int fd, char *out, size_t len)
{
	if (recv(fd, out, len, MSG_WAITALL) != (ssize_t)len)
		client_die("the connection ends during the handshake");
}

static void
send_head(const struct chat_server *s, const char *room, int fd)
{
	char head[512];
	int len = snprintf(head, sizeof(head),
			   "GET /chat/%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			   "%sSec-WebSocket-Version: 13\r\n\r\n",
			   room, s->is_json ? "Sec-WebSocket-Protocol: chat.v1.json\r\n" : "");

	if (send(fd, head, (size_t)len, MSG_NOSIGNAL) != len)
		client_die("the connection ends during the handshake");
}

static void
take_head(const struct chat_server *s, int fd)
{
	char in[4096] = "", *end;

	/* just the head, not what follows it */
	do {
		ssize_t n = recv(fd, in, sizeof(in) - 1, MSG_PEEK);

		if (n <= 0)
			client_die("%s: no answer to the handshake", s->name);
		in[n] = '\0';
		end = strstr(in, "\r\n\r\n");
	} while (!end && strlen(in) < sizeof(in) - 1);
	if (!end || strncmp(in, "HTTP/1.1 101 ", 13) != 0)
		client_die("%s: refused: %s", s->name, in);
	receive(fd, in, (size_t)(end + 4 - in));
}

static void
take_welcome(const struct chat_server *s, int fd)
{
	char in[4096];
	size_t len;

	receive(fd, in, 2);
	len = (unsigned char)in[1];
	if (len == 126) {
		receive(fd, in, 2);
		len = (size_t)(unsigned char)in[0] << 8 | (unsigned char)in[1];
	}
	if (len >= sizeof(in))
		client_die("%s: a welcome of %zu bytes", s->name, len);
	receive(fd, in, len);
	in[len] = '\0';
	if (!strstr(in, "\"welcome\""))
		client_die("%s: no welcome: %s", s->name, in);
}

void
chat_open(const struct chat_server *s, const char *room, int *fd, size_t n)
{
	for (size_t i = 0; i < n; i += OPENING) {
		size_t end = i + OPENING < n ? i + OPENING : n;

		for (size_t j = i; j < end; j++) {
			fd[j] = client_connect(s->port);
			send_head(s, room, fd[j]);
		}
		for (size_t j = i; j < end; j++) {
			take_head(s, fd[j]);
			if (s->is_json)
				take_welcome(s, fd[j]);
			fcntl(fd[j], F_SETFL, O_NONBLOCK);
		}
	}
	processes_rest(&s->processes);
}

void
chat_close(const struct chat_server *s, const int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		client_reset(fd[i]);
	processes_rest(&s->processes);
}

size_t
chat_publish(const struct chat_server *s, unsigned char *out, const char *text, size_t len)
{
	static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
	char message[CHAT_PUBLISH_MAX];
	size_t head = 2;

	if (s->is_json) {
		len = (size_t)snprintf(
		    message, sizeof(message),
		    "{\"t\":\"pub\",\"room\":\"" CHAT_ROOM "\",\"data\":\"%.*s\"}", (int)len, text);
		text = message;
	}
	out[0] = 0x81;
	if (len < 126) {
		out[1] = 0x80 | (unsigned char)len;
	} else {
		out[1] = 0x80 | 126;
		out[2] = (unsigned char)(len >> 8);
		out[3] = (unsigned char)len;
		head = 4;
	}
	memcpy(out + head, mask, 4);
	for (size_t i = 0; i < len; i++)
		out[head + 4 + i] = (unsigned char)text[i] ^ mask[i % 4];
	return head + 4 + len;
}

bool
chat_frame(const unsigned char *data, size_t len, struct chat_frame *frame)
{
	size_t head = 2;

	if (len < 2)
		return false;
	if (data[0] != 0x81 || data[1] > 126)
		client_die("a frame that begins with %02x %02x came", data[0], data[1]);
	frame->len = data[1];
	if (frame->len == 126) {
		if (len < 4)
			return false;
		frame->len = (size_t)data[2] << 8 | data[3];
		head = 4;
	}
	frame->payload = (const char *)data + head;
	frame->size = head + frame->len;
	return len >= frame->size;
}

void
chat_check(const struct chat_server *s, const struct chat_frame *frame, const char *text,
	   size_t len)
{
	bool is_it = s->is_json ? memmem(frame->payload, frame->len, text, len) &&
				      memmem(frame->payload, frame->len, "\"msg\"", 5)
				: frame->len == len && memcmp(frame->payload, text, len) == 0;

	if (!is_it)
		client_die("%s: not %.*s came, but %.*s", s->name, (int)len, text, (int)frame->len,
			   frame->payload);
}

void
chat_send(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {fd, POLLOUT, 0};

			if (poll(&p, 1, TIMEOUT_MS) <= 0)
				client_die("the server takes no messages");
			continue;
		}
		if (n <= 0)
			client_die("send: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

uint64_t
chat_segments(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		client_die("TCP_INFO: %s", strerror(errno));
	return info.tcpi_data_segs_in;
}
