/*
 * http_client.c - see http_client.h.
 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "api_doc.h"
#include "harness.h"

/* `from`, of the same family and length, may be NULL. */
static bool
open_to(struct http_conn *c, const struct sockaddr *from, const struct sockaddr *addr,
	socklen_t len)
{
	int one = 1;

	memset(c, 0, sizeof(*c));
	c->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	if (from)
		ck_assert_msg(bind(c->fd, from, len) == 0, "bind: %s", strerror(errno));
	if (connect(c->fd, addr, len) != 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	if (addr->sa_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (addr->sa_family == AF_INET)
		c->port = ntohs(((const struct sockaddr_in *)addr)->sin_port);
	else if (addr->sa_family == AF_INET6)
		c->port = ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
	return true;
}

bool
http_try_open(struct http_conn *c, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return open_to(c, NULL, (struct sockaddr *)&addr, sizeof(addr));
}

void
http_open(struct http_conn *c, uint16_t port)
{
	ck_assert_msg(http_try_open(c, port), "connect to port %u: %s", port, strerror(errno));
}

void
http_open_to(struct http_conn *c, const struct sockaddr *addr, socklen_t len)
{
	ck_assert_msg(open_to(c, NULL, addr, len), "connect: %s", strerror(errno));
}

void
http_open_from(struct http_conn *c, const struct sockaddr *from, const struct sockaddr *addr,
	       socklen_t len)
{
	ck_assert_msg(open_to(c, from, addr, len), "connect: %s", strerror(errno));
}

void
http_open_unix(struct http_conn *c, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path));
	ck_assert_msg(open_to(c, NULL, (struct sockaddr *)&addr, sizeof(addr)), "connect to %s: %s",
		      path, strerror(errno));
}

void
http_close(struct http_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

bool
http_try_send(struct http_conn *c, const char *data, size_t len)
{
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;

	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		uint64_t now = it_now_ms();
		if ((errno != EAGAIN && errno != EINTR) || now >= until)
			return false;
		poll(&(struct pollfd){c->fd, POLLOUT, 0}, 1, (int)(until - now));
	}
	return true;
}

void
http_send(struct http_conn *c, const char *data, size_t len)
{
	ck_assert_msg(http_try_send(c, data, len), "send: %s", strerror(errno));
}

void
http_send_text(struct http_conn *c, const char *text)
{
	http_send(c, text, strlen(text));
}

void
http_sendf(struct http_conn *c, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	ck_assert_int_ge(n, 0);
	http_send(c, text, (size_t)n);
	free(text);
}

bool
http_receive(struct http_conn *c, uint64_t until)
{
	if (c->eof)
		return false;
	if (c->cap - c->len < 16384) {
		c->cap = c->cap * 2 + 32768;
		c->buf = realloc(c->buf, c->cap);
		ck_assert_ptr_nonnull(c->buf);
	}
	uint64_t now = it_now_ms();
	struct pollfd p = {c->fd, POLLIN, 0};
	if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
		return false;
	ssize_t n = recv(c->fd, c->buf + c->len, c->cap - c->len - 1, 0);
	if (n <= 0) {
		c->eof = true;
		return false;
	}
	c->len += (size_t)n;
	return true;
}

static void
consume(struct http_conn *c, size_t n)
{
	c->len -= n;
	memmove(c->buf, c->buf + n, c->len);
}

static const char *
read_chunked(struct http_conn *c, uint64_t until, struct http_answer *a)
{
	for (;;) {
		char *end;
		while (c->len < 3 || !(end = memmem(c->buf, c->len, "\r\n", 2))) {
			if (!http_receive(c, until))
				return "the stream ends in a chunk size";
		}
		size_t line = (size_t)(end - c->buf) + 2;
		size_t size = strtoul(c->buf, NULL, 16);
		while (c->len < line + size + 2) {
			if (!http_receive(c, until))
				return "the stream ends in a chunk";
		}
		a->body = realloc(a->body, a->body_len + size + 1);
		ck_assert_ptr_nonnull(a->body);
		memcpy(a->body + a->body_len, c->buf + line, size);
		a->body_len += size;
		a->body[a->body_len] = '\0';
		if (memcmp(c->buf + line + size, "\r\n", 2) != 0)
			return "no CRLF after a chunk";
		consume(c, line + size + 2);
		if (size == 0)
			return NULL;
	}
}

const char *
http_try_read(struct http_conn *c, const char *method, struct http_answer *a)
{
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	char *end;

	memset(a, 0, sizeof(*a));
	while (!c->buf || !(end = memmem(c->buf, c->len, "\r\n\r\n", 4))) {
		if (!http_receive(c, until)) {
			if (!c->eof)
				return "no answer in time";
			return c->len ? "the stream ends in a head"
				      : "the stream ends before the answer";
		}
	}
	size_t head_len = (size_t)(end - c->buf) + 4;
	a->head = strndup(c->buf, head_len - 2);
	ck_assert_ptr_nonnull(a->head);
	consume(c, head_len);
	if (sscanf(a->head, "HTTP/1.1 %d ", &a->status) != 1 || a->status < 100 || a->status > 599)
		return "not a status line of HTTP/1.1";
	if (strchr(a->head, '\n') == a->head)
		return "an empty head";
	const char *connection = http_field(a, "Connection");
	a->close = connection && strcasecmp(connection, "close") == 0;
	a->body = strdup("");
	/* each and every one */
	const char *sniff = http_field(a, "X-Content-Type-Options");
	if (a->status >= 200 && (!sniff || strcmp(sniff, "nosniff") != 0))
		return "an answer without X-Content-Type-Options: nosniff";
	const char *length = http_field(a, "Content-Length");
	const char *coding = http_field(a, "Transfer-Encoding");
	bool none =
	    strcmp(method, "HEAD") == 0 || a->status < 200 || a->status == 204 || a->status == 304;
	if (none)
		return NULL;
	if (coding)
		return strcasecmp(coding, "chunked") == 0 ? read_chunked(c, until, a)
							  : "an unknown transfer coding";
	length = http_field(a, "Content-Length");
	if (!length)
		return "an answer without Content-Length";
	size_t want = strtoul(length, NULL, 10);
	while (c->len < want) {
		if (!http_receive(c, until))
			return "the stream ends in a body";
	}
	a->body = realloc(a->body, want + 1);
	ck_assert_ptr_nonnull(a->body);
	if (want)
		memcpy(a->body, c->buf, want);
	a->body[want] = '\0';
	a->body_len = want;
	consume(c, want);
	return NULL;
}

void
http_read(struct http_conn *c, const char *method, struct http_answer *a)
{
	const char *wrong = http_try_read(c, method, a);

	ck_assert_msg(!wrong, "%s (%s)", wrong, a->head ? a->head : "no head");
}

void
http_answer_fini(struct http_answer *a)
{
	free(a->head);
	free(a->body);
	memset(a, 0, sizeof(*a));
}

void
http_expect_eof(struct http_conn *c)
{
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;

	while (http_receive(c, until))
		;
	ck_assert_msg(c->eof, "the connection stays open");
	ck_assert_msg(c->len == 0, "unasked bytes before the end: %.*s", (int)c->len, c->buf);
}

bool
http_readable(struct http_conn *c, int ms)
{
	struct pollfd p = {c->fd, POLLIN, 0};

	return c->len > 0 || poll(&p, 1, ms) > 0;
}

/* Points at the line of the n-th such field, or NULL */
static const char *
find_field(const struct http_answer *a, const char *name, size_t nth)
{
	size_t len = strlen(name);

	for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		const char *p = line + 2;
		if (strncasecmp(p, name, len) == 0 && p[len] == ':' && nth-- == 0)
			return p + len + 1;
	}
	return NULL;
}

const char *
http_field(const struct http_answer *a, const char *name)
{
	static _Thread_local char value[8][1024];
	static _Thread_local unsigned turn;
	const char *p = find_field(a, name, 0);

	if (!p)
		return NULL;
	char *out = value[turn++ % 8];
	p += strspn(p, " \t");
	size_t n = strcspn(p, "\r");
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (n >= sizeof(value[0]))
		n = sizeof(value[0]) - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

size_t
http_field_count(const struct http_answer *a, const char *name)
{
	size_t n = 0;

	while (find_field(a, name, n))
		n++;
	return n;
}

void
http_exchange(struct http_conn *c, const char *method, const char *target, const char *fields,
	      const char *body, struct http_answer *a)
{
	char host[64] = "", length[64] = "";

	if (!fields || !strcasestr(fields, "Host:"))
		snprintf(host, sizeof(host),
			 c->port ? "Host: 127.0.0.1:%u\r\n" : "Host: localhost\r\n", c->port);
	if (body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	http_sendf(c, "%s %s HTTP/1.1\r\n%s%s%s\r\n%s", method, target, host, fields ? fields : "",
		   length, body ? body : "");
	http_read(c, method, a);
	api_doc_check(method, target, a->status);
}

void
http_request(uint16_t port, const char *method, const char *target, const char *fields,
	     const char *body, struct http_answer *a)
{
	struct http_conn c;

	http_open(&c, port);
	http_exchange(&c, method, target, fields, body, a);
	http_close(&c);
}

void
http_expect(uint16_t port, const char *method, const char *target, const char *fields,
	    const char *body, int status, const char *answer_body)
{
	struct http_answer a;

	http_request(port, method, target, fields, body, &a);
	ck_assert_msg(a.status == status, "%s %s: %d, not %d: %s%s", method, target, a.status,
		      status, a.head, a.body);
	ck_assert_msg(!answer_body || strcmp(a.body, answer_body) == 0,
		      "%s %s: the body is \"%s\", not \"%s\"", method, target, a.body,
		      answer_body ? answer_body : "");
	http_answer_fini(&a);
}
