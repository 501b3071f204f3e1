/*
 * origin.c - one process, one poll(2): each connection is a request that is read and an answer that
 * is a text, or a piece of text again and again.
 */
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define CONNS_MAX 2048
#define INPUT_MAX 65536

struct conn {
	int fd;
	char *in;
	size_t in_len;
	char *out; /* what is to be sent */
	size_t out_len, sent;
	const char *again; /* then this, for ever */
	size_t again_len, again_sent;
	uint64_t next_ms;   /* not before */
	uint64_t pause_ms;  /* after each piece of `again` */
	unsigned waits_for; /* so many together */
	bool is_active, closes, is_silent;
};

static struct conn conns[CONNS_MAX];
static struct pollfd fds[CONNS_MAX + 1];
static size_t n_conns;
static struct origin_seen *seen;
static unsigned bomb_len, together;
static char *bomb;

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void *
must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- what is asked for ---- */

/* The value of a name in the query; NULL when it is not there. Decoded, in a buffer of its own. */
static const char *
param(const char *query, const char *name)
{
	static char values[4][16384];
	static unsigned turn;
	char *value = values[turn++ % 4];
	const size_t len = strlen(name);
	size_t n = 0;

	while (query && *query) {
		if (strncmp(query, name, len) == 0 && query[len] == '=') {
			for (const char *p = query + len + 1; *p && *p != '&' && n < 16383; p++) {
				unsigned c;
				if (*p == '%' && sscanf(p + 1, "%2x", &c) == 1) {
					value[n++] = (char)c;
					p += 2;
				} else {
					value[n++] = *p;
				}
			}
			value[n] = '\0';
			return value;
		}
		query = strchr(query, '&');
		query = query ? query + 1 : NULL;
	}
	return NULL;
}

static unsigned long
number(const char *query, const char *name, unsigned long none)
{
	const char *value = param(query, name);

	return value ? strtoul(value, NULL, 10) : none;
}

/* ---- answers ---- */

static void
answer(struct conn *c, const char *head, const void *body, size_t len)
{
	const size_t head_len = strlen(head);

	c->out = must(malloc(head_len + len + 64));
	c->out_len = (size_t)sprintf(c->out, "%sContent-Length: %zu\r\n\r\n", head, len);
	if (len)
		memcpy(c->out + c->out_len, body, len);
	c->out_len += len;
}

static void
answer_text(struct conn *c, const char *head, const char *body)
{
	answer(c, head, body, strlen(body));
}

/* As it is, and then `again` for ever; or the connection is closed. */
static void
answer_raw(struct conn *c, const char *text, const char *again)
{
	c->out = must(strdup(text));
	c->out_len = strlen(text);
	c->again = again;
	c->again_len = again ? strlen(again) : 0;
	c->closes = true;
}

#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

/* gzip of gzip ...; the caller frees */
static char *
squeeze(const char *data, size_t len, unsigned times, size_t *out_len)
{
	char *text = must(malloc(len + 1));

	memcpy(text, data, len);
	while (times--) {
		char *out = must(malloc(len + len / 100 + 1000));
		z_stream z = {0};

		if (deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK)
			abort();
		z.next_in = (Bytef *)text;
		z.avail_in = (uInt)len;
		z.next_out = (Bytef *)out;
		z.avail_out = (uInt)(len + len / 100 + 1000);
		if (deflate(&z, Z_FINISH) != Z_STREAM_END)
			abort();
		len = z.total_out;
		deflateEnd(&z);
		free(text);
		text = out;
	}
	*out_len = len;
	return text;
}

static void
make_bomb(void)
{
	static char zeros[1 << 20];
	z_stream z = {0};

	if (bomb)
		return;
	bomb = must(malloc(2 << 20));
	if (deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_out = (Bytef *)bomb;
	z.avail_out = 2 << 20;
	for (int i = 0; i < 64; i++) {
		z.next_in = (Bytef *)zeros;
		z.avail_in = sizeof(zeros);
		if (deflate(&z, i == 63 ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			abort();
	}
	bomb_len = (unsigned)z.total_out;
	deflateEnd(&z);
}

/* Whether this time is one of the first `n` of this path. */
static bool
is_early(const char *path, unsigned long n)
{
	static char *known[256];
	static unsigned long times[256];

	for (size_t i = 0; i < 256; i++) {
		if (!known[i])
			known[i] = must(strdup(path));
		if (strcmp(known[i], path) == 0)
			return times[i]++ < n;
	}
	return false;
}

static void
answer_status(struct conn *c, const char *path, const char *query)
{
	char head[512], after[128] = "";
	const char *value = param(query, "after");
	const unsigned long code = number(query, "code", 200), first = number(query, "first", 0);

	if (first && !is_early(path, first)) {
		answer_text(c, OK, "at last");
		return;
	}
	if (value)
		snprintf(after, sizeof(after), "Retry-After: %s\r\n", value);
	snprintf(head, sizeof(head), "HTTP/1.1 %lu Status\r\nContent-Type: text/plain\r\n%s", code,
		 after);
	if (code == 204 || code == 304) {
		snprintf(head + strlen(head), sizeof(head) - strlen(head), "\r\n");
		answer_raw(c, head, NULL);
		c->closes = false;
	} else {
		answer_text(c, head, "status");
	}
}

static void
answer_redirect(struct conn *c, const char *query)
{
	char head[20000];
	const unsigned long n = number(query, "n", 1);
	const char *to = param(query, "to");
	char own[64];

	snprintf(own, sizeof(own), n > 1 ? "/redirect?n=%lu" : "/ok", n - 1);
	snprintf(head, sizeof(head), "HTTP/1.1 %lu Found\r\nLocation: %s\r\n",
		 number(query, "code", 302), to ? to : own);
	answer_text(c, head, "elsewhere");
}

static void
answer_body(struct conn *c, const char *query)
{
	char head[1024];
	const char *type = param(query, "type"), *text = param(query, "text");

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n",
		 type ? type : "text/plain");
	answer_text(c, head, text ? text : "");
}

static void
answer_size(struct conn *c, const char *query)
{
	const size_t n = number(query, "n", 0);
	char *body = must(malloc(n + 1));

	memset(body, 'x', n);
	answer(c, OK, body, n);
	free(body);
}

static void
answer_gzip(struct conn *c, const char *query)
{
	char head[256] =
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip";
	const unsigned times = (unsigned)number(query, "times", 1);
	size_t len;
	char *body = squeeze("{\"a\":1}", 7, times, &len);

	for (unsigned i = 1; i < times; i++)
		strcat(head, ", gzip");
	strcat(head, "\r\n");
	answer(c, head, body, len);
	free(body);
}

/* Stored blocks of no bytes. */
static char hollow[5000];

/* The first ten bytes of gzip (RFC 1952 2.3), in a body that ends with the connection. */
static void
answer_gzip_start(struct conn *c, char flags)
{
	const char start[10] = {0x1f, (char)0x8b, 8, flags, 0, 0, 0, 0, 0, 3};

	for (size_t i = 0; i < sizeof(hollow); i += 5)
		memcpy(hollow + i, "\0\0\0\xff\xff", 5);
	answer_raw(c, OK "Content-Encoding: gzip\r\n\r\n", NULL);
	c->out = must(realloc(c->out, c->out_len + sizeof(start)));
	memcpy(c->out + c->out_len, start, sizeof(start));
	c->out_len += sizeof(start);
}

#define TEN(s)     s s s s s s s s s s
#define HUNDRED(s) TEN(TEN(s))

static void
reply(struct conn *c, char *path, const char *request)
{
	char *query = strchr(path, '?');
	char whole[1024];

	snprintf(whole, sizeof(whole), "%s", path);
	if (query)
		*query++ = '\0';
	if (strcmp(path, "/ok") == 0) {
		answer_text(c, OK, "hello\n");
	} else if (strcmp(path, "/size") == 0) {
		answer_size(c, query);
	} else if (strcmp(path, "/status") == 0) {
		answer_status(c, whole, query);
	} else if (strcmp(path, "/redirect") == 0) {
		answer_redirect(c, query);
	} else if (strcmp(path, "/echo") == 0) {
		answer_text(c, OK, request);
	} else if (strcmp(path, "/body") == 0) {
		answer_body(c, query);
	} else if (strcmp(path, "/slow") == 0) {
		answer_text(c, OK, "hello\n");
		c->next_ms = now_ms() + number(query, "ms", 1000);
	} else if (strcmp(path, "/together") == 0) {
		answer_text(c, OK, "hello\n");
		c->waits_for = (unsigned)number(query, "n", 1);
		together++;
	} else if (strcmp(path, "/never") == 0) {
		c->is_silent = true;
	} else if (strcmp(path, "/close") == 0) {
		if (is_early(whole, number(query, "first", ULONG_MAX)))
			answer_raw(c, "", NULL);
		else
			answer_text(c, OK, "at last");
	} else if (strcmp(path, "/cut") == 0) {
		answer_raw(c, OK "Content-Length: 100\r\n\r\n0123456789", NULL);
	} else if (strcmp(path, "/drip") == 0) {
		answer_raw(c, OK "Content-Length: 1000000\r\n\r\n", "x");
		c->pause_ms = number(query, "ms", 100);
	} else if (strcmp(path, "/endless") == 0) {
		answer_raw(c, OK "Transfer-Encoding: chunked\r\n\r\n",
			   "3e8\r\n" HUNDRED("0123456789") "\r\n");
	} else if (strcmp(path, "/extension") == 0) {
		answer_raw(c, OK "Transfer-Encoding: chunked\r\n\r\n1;", HUNDRED("0123456789"));
	} else if (strcmp(path, "/chunks") == 0) {
		answer_raw(c, OK "Transfer-Encoding: chunked\r\n\r\n", HUNDRED("1\r\nx\r\n"));
	} else if (strcmp(path, "/gzip") == 0) {
		answer_gzip(c, query);
	} else if (strcmp(path, "/bomb") == 0) {
		make_bomb();
		answer(c, OK "Content-Encoding: gzip\r\n", bomb, bomb_len);
	} else if (strcmp(path, "/brotli") == 0) {
		answer_text(c, OK "Content-Encoding: br\r\n", "x");
	} else if (strcmp(path, "/heads") == 0) {
		answer_raw(c, OK, "X-Field: " TEN("0123456789") "\r\n");
	} else if (strcmp(path, "/line") == 0) {
		answer_raw(c, OK "X-Field: ", HUNDRED("0123456789"));
	} else if (strcmp(path, "/interim") == 0 && !param(query, "n")) {
		answer_raw(c, "", "HTTP/1.1 103 Early Hints\r\n\r\n");
	} else if (strcmp(path, "/interim") == 0) {
		char head[8192] = "";
		for (unsigned long i = number(query, "n", 1); i && strlen(head) < 7000; i--)
			strcat(head, "HTTP/1.1 103 Early Hints\r\nLocation: /never\r\n\r\n");
		strcat(head, OK);
		answer_text(c, head, "hello\n");
	} else if (strcmp(path, "/trailers") == 0) {
		answer_raw(c, OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
			   "X-Field: " TEN("0123456789") "\r\n");
	} else if (strcmp(path, "/raw") == 0) {
		const char *text = param(query, "text");
		answer_raw(c, text ? text : "", param(query, "more") ? "x" : NULL);
		c->pause_ms = 60000;
	} else if (strcmp(path, "/hollow") == 0) {
		answer_gzip_start(c, 0);
		c->again = hollow;
		c->again_len = sizeof(hollow);
	} else if (strcmp(path, "/name") == 0) {
		answer_gzip_start(c, 8); /* FNAME */
		c->again = HUNDRED("0123456789");
		c->again_len = 1000;
	} else if (strcmp(path, "/garbage") == 0) {
		answer_raw(c, "220 mail.example ESMTP\r\n", NULL);
	} else {
		answer_text(c, "HTTP/1.1 404 Not Found\r\n", "no such path");
	}
	if (strncmp(request, "HEAD ", 5) == 0 && c->out && !c->closes) {
		char *end = strstr(c->out, "\r\n\r\n");
		if (end)
			c->out_len = (size_t)(end + 4 - c->out);
	}
}

/* ---- connections ---- */

static void
end_answer(struct conn *c)
{
	free(c->out);
	c->out = NULL;
	c->out_len = c->sent = 0;
	c->again = NULL;
	c->again_sent = 0;
	c->pause_ms = c->next_ms = 0;
	c->waits_for = 0;
	if (c->is_active)
		seen->active--;
	c->is_active = c->is_silent = false;
}

static void
drop(size_t i)
{
	end_answer(&conns[i]);
	close(conns[i].fd);
	free(conns[i].in);
	conns[i] = conns[--n_conns];
}

/* It has something to say, now or at its time. */
static bool
will_write(const struct conn *c)
{
	return c->is_active && !c->is_silent && together >= c->waits_for;
}

/* A whole request, if there is one. False: the connection is to be closed. */
static bool
take_request(struct conn *c)
{
	char *end = c->in_len ? memmem(c->in, c->in_len, "\r\n\r\n", 4) : NULL;
	char path[16384] = "";
	size_t body = 0;

	/* a TLS hello: servers say something like this */
	if (!c->is_active && c->in_len && c->in[0] == 0x16) {
		c->in_len = 0;
		c->is_active = true;
		seen->active++;
		answer_raw(c, "HTTP/1.1 400 Bad Request\r\n\r\n", NULL);
		return true;
	}
	if (!end || c->is_active)
		return c->in_len < INPUT_MAX - 1;
	const size_t head = (size_t)(end + 4 - c->in);
	c->in[c->in_len] = '\0';
	const char *length = strcasestr(c->in, "\r\ncontent-length:");
	if (length && length < end)
		body = strtoul(length + 17, NULL, 10);
	if (c->in_len < head + body)
		return true;
	const size_t all = head + body;
	char *request = must(strndup(c->in, all));
	c->in_len -= all;
	memmove(c->in, c->in + all, c->in_len);

	snprintf(seen->last, sizeof(seen->last), "%s", request);
	sscanf(request, "%*s %16383s", path);
	c->is_active = true;
	c->closes = false;
	const unsigned active = ++seen->active;
	if (active > seen->most_active)
		seen->most_active = active;
	seen->requests++;
	reply(c, path, request);
	free(request);
	return true;
}

/* False: it is gone. */
static bool
can_read(struct conn *c)
{
	if (!c->in)
		c->in = must(malloc(INPUT_MAX));
	const ssize_t n = recv(c->fd, c->in + c->in_len, INPUT_MAX - 1 - c->in_len, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->in_len += (size_t)n;
	return take_request(c);
}

static bool
can_write(struct conn *c)
{
	while (will_write(c) && now_ms() >= c->next_ms) {
		if (c->sent == c->out_len && !c->again) {
			const bool closes = c->closes;

			end_answer(c);
			return !closes && take_request(c);
		}
		const bool is_first = c->sent < c->out_len;
		const char *from = is_first ? c->out + c->sent : c->again + c->again_sent;
		const size_t len = is_first ? c->out_len - c->sent : c->again_len - c->again_sent;
		const ssize_t n = send(c->fd, from, len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN;
		seen->sent += (size_t)n;
		if (is_first) {
			c->sent += (size_t)n;
			continue;
		}
		c->again_sent = (c->again_sent + (size_t)n) % c->again_len;
		if (c->pause_ms)
			c->next_ms = now_ms() + c->pause_ms;
	}
	return true;
}

static void
take_connection(int listener)
{
	const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (n_conns == CONNS_MAX) {
		close(fd);
		return;
	}
	conns[n_conns++] = (struct conn){.fd = fd};
	seen->connections++;
}

static _Noreturn void
serve(int listener)
{
	for (;;) {
		const uint64_t now = now_ms();
		int wait = -1;

		fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < n_conns; i++) {
			const struct conn *c = &conns[i];
			short events = POLLIN;

			if (will_write(c) && c->next_ms <= now)
				events |= POLLOUT;
			else if (will_write(c) && (wait < 0 || c->next_ms - now < (uint64_t)wait))
				wait = (int)(c->next_ms - now);
			fds[i + 1] = (struct pollfd){.fd = c->fd, .events = events};
		}
		const size_t n = n_conns;
		if (poll(fds, n + 1, wait) < 0 && errno != EINTR)
			abort();
		/* from the last one: drop() moves the last into a place */
		for (size_t i = n; i-- > 0;) {
			bool stays = true;
			if (fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR))
				stays = can_read(&conns[i]);
			if (stays)
				stays = can_write(&conns[i]);
			if (!stays)
				drop(i);
		}
		if (fds[0].revents)
			take_connection(listener);
	}
}

void
origin_start(struct origin *origin)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	origin->seen = mmap(NULL, sizeof(*origin->seen), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || origin->seen == MAP_FAILED ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 2048) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		abort();
	origin->port = ntohs(address.sin_port);
	snprintf(origin->allow, sizeof(origin->allow), "fetch.allow=127.0.0.1:%u", origin->port);
	fflush(NULL);
	origin->pid = fork();
	if (origin->pid < 0)
		abort();
	if (origin->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		seen = origin->seen;
		serve(fd);
	}
	close(fd);
}

void
origin_stop(struct origin *origin)
{
	if (origin->pid <= 0)
		return;
	kill(origin->pid, SIGKILL);
	waitpid(origin->pid, NULL, 0);
	munmap(origin->seen, sizeof(*origin->seen));
	*origin = (struct origin){0};
}

char *
origin_text(const struct origin *origin, const char *text)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = must(open_memstream(&out, &len));

	for (; *text; text++) {
		if (*text == '^')
			fprintf(f, "http://127.0.0.1:%u", origin->port);
		else
			putc(*text, f);
	}
	if (fclose(f) != 0)
		abort();
	return out;
}
