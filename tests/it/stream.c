/*
 * stream.c - see stream.h.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ws_client.h"

#define READ_SIZE 65536

void
stream_open(struct stream *s, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;

	memset(s, 0, sizeof(*s));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(s->fd, 0);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->is_over = connect(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 &&
		     errno != EINPROGRESS;
}

void
stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->in);
	free(s->out);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->is_over = true;
}

static void
reserve(char **data, size_t len, size_t *cap, size_t extra)
{
	if (*cap - len >= extra)
		return;
	*cap = len + extra + *cap;
	*data = realloc(*data, *cap);
	ck_assert_ptr_nonnull(*data);
}

static void
flush(struct stream *s)
{
	if (s->out_len == 0 || s->is_over)
		return;
	ssize_t n = send(s->fd, s->out, s->out_len, MSG_NOSIGNAL);
	if (n > 0) {
		s->out_len -= (size_t)n;
		memmove(s->out, s->out + n, s->out_len);
	} else if (errno != EAGAIN && errno != ENOTCONN && errno != EINTR) {
		/* what came before the end is still to be read */
		s->out_len = 0;
	}
}

void
stream_send(struct stream *s, const char *data, size_t len)
{
	reserve(&s->out, s->out_len, &s->out_cap, len);
	memcpy(s->out + s->out_len, data, len);
	s->out_len += len;
	flush(s);
}

void
stream_sendf(struct stream *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	ck_assert_int_ge(n, 0);
	stream_send(s, text, (size_t)n);
	free(text);
}

void
stream_send_frame(struct stream *s, unsigned opcode, const char *data, size_t len)
{
	reserve(&s->out, s->out_len, &s->out_cap, len + 14);
	s->out_len += ws_build_frame(s->out + s->out_len, true, opcode, data, len);
	flush(s);
}

struct pollfd
stream_poll(const struct stream *s)
{
	return (struct pollfd){s->is_over ? -1 : s->fd,
			       (short)(POLLIN | (s->out_len > 0 ? POLLOUT : 0)), 0};
}

void
stream_ready(struct stream *s, short revents)
{
	if (s->is_over)
		return;
	if (revents & POLLOUT)
		flush(s);
	if (!(revents & (POLLIN | POLLERR | POLLHUP)))
		return;
	if (s->in_taken > 0) {
		s->in_len -= s->in_taken;
		memmove(s->in, s->in + s->in_taken, s->in_len);
		s->in_taken = 0;
	}
	reserve(&s->in, s->in_len, &s->in_cap, READ_SIZE);
	ssize_t n = recv(s->fd, s->in + s->in_len, READ_SIZE, 0);
	if (n > 0)
		s->in_len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->is_over = true;
}

const char *
stream_bytes(const struct stream *s)
{
	return s->in + s->in_taken;
}

size_t
stream_len(const struct stream *s)
{
	return s->in_len - s->in_taken;
}

void
stream_take(struct stream *s, size_t n)
{
	ck_assert_uint_le(n, stream_len(s));
	s->in_taken += n;
}

bool
stream_take_answer(struct stream *s, struct stream_answer *answer)
{
	const size_t len = stream_len(s);
	const char *head = len > 0 ? stream_bytes(s) : "";
	const char *end = len > 0 ? memmem(head, len, "\r\n\r\n", 4) : NULL;

	if (!end)
		return false;
	const size_t head_len = (size_t)(end - head) + 4;
	char *copy = strndup(head, head_len);
	ck_assert_ptr_nonnull(copy);
	*answer = (struct stream_answer){0};
	ck_assert_msg(sscanf(copy, "HTTP/1.1 %d ", &answer->status) == 1, "not an answer: %s",
		      copy);
	if (answer->status != 101) {
		const char *field = strcasestr(copy, "\r\nContent-Length:");
		ck_assert_msg(field, "no Content-Length: %s", copy);
		answer->body_len = strtoul(field + 17, NULL, 10);
	}
	free(copy);
	if (len < head_len + answer->body_len)
		return false;
	answer->body = head + head_len;
	stream_take(s, head_len + answer->body_len);
	return true;
}

bool
stream_take_frame(struct stream *s, struct stream_frame *frame)
{
	const size_t have = stream_len(s);
	size_t head = 2;

	if (have < 2)
		return false;
	const unsigned char *p = (const unsigned char *)stream_bytes(s);
	size_t len = p[1];
	ck_assert_msg((p[0] & 0xf0) == 0x80 && len < 0x80, "a frame that begins with %02x %02x",
		      p[0], p[1]);
	if (len >= 126) {
		const size_t n = len == 126 ? 2 : 8;
		head += n;
		if (have < head)
			return false;
		len = 0;
		for (size_t i = 0; i < n; i++)
			len = len << 8 | p[2 + i];
	}
	if (have - head < len)
		return false;
	*frame = (struct stream_frame){p[0] & 0x0f, (const char *)p + head, len};
	stream_take(s, head + len);
	return true;
}
