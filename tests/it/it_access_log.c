/*
 * it_access_log.c - the access log of the real daemon: what each request leaves in it, and that a
 * standard output of any kind, full, gone or rotated, costs lines at most.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "ws_client.h"

#define COMBINED "log.access=combined"
#define JSON     "log.access=json"
#define HOST     "Host: localhost\r\n"

/* What the daemon writes, read line by line. */
struct lines {
	int fd;
	char *buf;
	size_t len, cap;
};

static struct lines lines;

/* The daemon's standard output; its test's end is `lines`. */
static void
give_stdout(void *ctx)
{
	const int *fd = ctx;

	if (*fd < 0)
		close(STDOUT_FILENO);
	else if (dup2(*fd, STDOUT_FILENO) < 0)
		_exit(127);
}

static struct daemon *
start_on(int fd, const char *const *options, const char *conf)
{
	struct daemon_spec spec = {
	    .options = options, .conf = conf, .prepare = give_stdout, .ctx = &fd};

	return daemon_start_spec(&spec);
}

/* With its standard output in a pipe. */
static struct daemon *
start(const char *const *options, const char *conf)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	struct daemon *d = start_on(fds[1], options, conf);
	close(fds[1]);
	lines = (struct lines){.fd = fds[0]};
	return d;
}

/* More of what comes; false at its end, or when nothing comes within `ms`. */
static bool
lines_more(int ms)
{
	struct pollfd pfd = {lines.fd, POLLIN, 0};

	if (poll(&pfd, 1, ms) <= 0)
		return false;
	if (lines.cap - lines.len < 65536) {
		lines.cap = lines.cap * 2 + 65536;
		lines.buf = realloc(lines.buf, lines.cap);
		ck_assert_ptr_nonnull(lines.buf);
	}
	ssize_t n = read(lines.fd, lines.buf + lines.len, lines.cap - lines.len - 1);
	if (n <= 0)
		return false;
	lines.len += (size_t)n;
	lines.buf[lines.len] = '\0';
	return true;
}

/* The next line, without its newline; the caller frees. */
static char *
next_line(void)
{
	char *end;

	while (!lines.len || !(end = memchr(lines.buf, '\n', lines.len)))
		ck_assert_msg(lines_more(IT_DEADLINE_MS), "no line came");
	size_t len = (size_t)(end - lines.buf);
	char *line = strndup(lines.buf, len);
	lines.len -= len + 1;
	memmove(lines.buf, end + 1, lines.len + 1);
	ck_assert_uint_eq(strlen(line), len);
	return line;
}

/* To the end, which is that of all who could write. */
static void
lines_end(void)
{
	while (lines_more(IT_DEADLINE_MS))
		;
	close(lines.fd);
}

static void
expect_nothing_left(void)
{
	lines_end();
	ck_assert_msg(lines.len == 0, "lines that nobody expected: %s", lines.buf);
	free(lines.buf);
}

/* The next line is `who - - [time] rest`. */
static void
expect_combined(const char *who, const char *rest)
{
	char *line = next_line();
	int day, year, hour, minute, second, at = 0;
	char month[4];
	size_t len = strlen(who);

	ck_assert_msg(strncmp(line, who, len) == 0, "%s is not from %s", line, who);
	ck_assert_msg(sscanf(line + len, " - - [%2d/%3[A-Za-z]/%4d:%2d:%2d:%2d +0000] %n", &day,
			     month, &year, &hour, &minute, &second, &at) == 6 &&
			  at == 34,
		      "%s", line);
	ck_assert_msg(strcmp(line + len + at, rest) == 0, "%s is not %s", line, rest);
	free(line);
}

static json_t *
next_json(void)
{
	char *line = next_line();
	json_error_t error;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(object != NULL, "%s in %s", error.text, line);
	ck_assert_uint_eq(json_object_size(object), 15);
	free(line);
	return object;
}

static void
expect_text(const json_t *object, const char *key, const char *want)
{
	const json_t *value = json_object_get(object, key);

	ck_assert_msg(value != NULL, "no %s", key);
	if (!want)
		ck_assert_msg(json_is_null(value), "%s is not null", key);
	else
		ck_assert_msg(json_is_string(value) && strcmp(json_string_value(value), want) == 0,
			      "%s is %s, not %s", key, json_string_value(value), want);
}

static json_int_t
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	ck_assert_msg(json_is_integer(value), "%s is no number", key);
	return json_integer_value(value);
}

/* The status of whatever comes. */
static int
send_raw(uint16_t port, const char *data, size_t len)
{
	struct http_conn c;
	struct http_answer a;

	http_open(&c, port);
	http_send(&c, data, len);
	http_read(&c, "GET", &a);
	int status = a.status;
	http_answer_fini(&a);
	http_close(&c);
	return status;
}

static int
ask(uint16_t port, const char *method, const char *target, const char *fields, const char *body)
{
	struct http_answer a;

	http_request(port, method, target, fields, body, &a);
	int status = a.status;
	http_answer_fini(&a);
	return status;
}

START_TEST(off_writes_nothing)
{
	struct daemon *d = start(NULL, NULL);

	ck_assert_int_eq(ask(daemon_port(d), "GET", "/", NULL, NULL), 200);
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(each_kind_of_answer_has_a_line)
{
	char *path = (char *)(uintptr_t)it_path("log.sock");
	char *listen = it_printf("server.listen=127.0.0.1:0 [::1]:0 unix:%s", path);
	const char *options[] = {COMBINED,
				 "server.workers=1",
				 listen,
				 "http.header_timeout=200ms",
				 "http.body_timeout=200ms",
				 "http.max_header_size=1k",
				 NULL};
	struct daemon *d = start(options, NULL);
	uint16_t port = daemon_port(d);
	struct http_conn c;
	struct http_answer a;

	/* answered by handlers */
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	expect_combined("127.0.0.1", "\"GET /Ada HTTP/1.1\" 200 10 \"-\" \"-\"");
	ck_assert_int_eq(ask(port, "HEAD", "/Ada?x=%41",
			     "Referer: http://a.example/\"x\r\nUser-Agent: caf\xc3\xa9 \\ \"b\r\n",
			     NULL),
			 200);
	expect_combined("127.0.0.1",
			"\"HEAD /Ada?x=%41 HTTP/1.1\" 200 0 \"http://a.example/\\x22x\" "
			"\"caf\\xC3\\xA9 \\x5C \\x22b\"");
	/* refused */
	http_request(port, "GET", "/there/is/nothing", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	char *want =
	    it_printf("\"GET /there/is/nothing HTTP/1.1\" 404 %zu \"-\" \"-\"", a.body_len);
	expect_combined("127.0.0.1", want);
	free(want);
	http_answer_fini(&a);
	http_request(port, "POST", "/api/products", "Content-Type: text/plain\r\n", "x", &a);
	ck_assert_int_eq(a.status, 415);
	want = it_printf("\"POST /api/products HTTP/1.1\" 415 %zu \"-\" \"-\"", a.body_len);
	expect_combined("127.0.0.1", want);
	free(want);
	http_answer_fini(&a);
	/* several on one connection, HTTP/1.0 and the absolute form among them */
	http_open(&c, port);
	http_send_text(&c, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST
			   "\r\nGET http://localhost/c HTTP/1.0\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		http_read(&c, "GET", &a);
		http_answer_fini(&a);
	}
	http_close(&c);
	expect_combined("127.0.0.1", "\"GET /a HTTP/1.1\" 200 8 \"-\" \"-\"");
	expect_combined("127.0.0.1", "\"GET /b HTTP/1.1\" 200 8 \"-\" \"-\"");
	expect_combined("127.0.0.1", "\"GET http://localhost/c HTTP/1.0\" 200 8 \"-\" \"-\"");
	/* over IPv6 and a unix socket */
	const char *at = strstr(daemon_ready_line(d), "[::1]:");
	ck_assert_ptr_nonnull(at);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = in6addr_loopback,
				   .sin6_port = htons((uint16_t)strtoul(at + 6, NULL, 10))};
	http_open_to(&c, (struct sockaddr *)&in6, sizeof(in6));
	http_exchange(&c, "GET", "/6", HOST, NULL, &a);
	http_answer_fini(&a);
	http_close(&c);
	expect_combined("::1", "\"GET /6 HTTP/1.1\" 200 8 \"-\" \"-\"");
	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/u", NULL, NULL, &a);
	http_answer_fini(&a);
	http_close(&c);
	expect_combined("unix:", "\"GET /u HTTP/1.1\" 200 8 \"-\" \"-\"");
	/* a WebSocket is there when it has been accepted */
	http_open(&c, port);
	ws_handshake(&c, "/echo", NULL, &a);
	ck_assert_int_eq(a.status, 101);
	http_answer_fini(&a);
	expect_combined("127.0.0.1", "\"GET /echo HTTP/1.1\" 101 0 \"-\" \"-\"");
	http_close(&c);
	free(listen);
	free(path);
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(bytes_are_those_that_were_sent)
{
	const char *options[] = {COMBINED, "server.workers=1", "http.gzip_min_size=1", NULL};
	struct daemon *d = start(options, NULL);
	static const char *const names[] = {
	    "/Ada",
	    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct http_answer a;

	/* coded, the short one gets longer and the long one shorter */
	for (size_t i = 0; i < 2; i++) {
		size_t plain = strlen("Hello, ") + strlen(names[i]) - 1;

		http_request(daemon_port(d), "GET", names[i], "Accept-Encoding: gzip\r\n", NULL,
			     &a);
		ck_assert_ptr_nonnull(http_field(&a, "Content-Encoding"));
		ck_assert(i == 0 ? a.body_len > plain : a.body_len < plain);
		char *want =
		    it_printf("\"GET %s HTTP/1.1\" 200 %zu \"-\" \"-\"", names[i], a.body_len);
		expect_combined("127.0.0.1", want);
		free(want);
		http_answer_fini(&a);
		want = it_printf("\"GET %s HTTP/1.1\" 200 %zu \"-\" \"-\"", names[i], plain);
		ck_assert_int_eq(ask(daemon_port(d), "GET", names[i], NULL, NULL), 200);
		expect_combined("127.0.0.1", want);
		free(want);
		want = it_printf("\"HEAD %s HTTP/1.1\" 200 0 \"-\" \"-\"", names[i]);
		ck_assert_int_eq(ask(daemon_port(d), "HEAD", names[i], NULL, NULL), 200);
		expect_combined("127.0.0.1", want);
		free(want);
	}
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

/* The line of `status` ends in this; how many bytes the answer had is told by others. */
static void
expect_bad(int status, const char *request)
{
	char *line = next_line();
	char *want = it_printf("] %s %d ", request, status);

	ck_assert_msg(strstr(line, want) != NULL, "%s is not in %s", want, line);
	ck_assert_msg(strcmp(line + strlen(line) - 8, " \"-\" \"-\"") == 0, "%s", line);
	free(want);
	free(line);
}

static const struct {
	const char *data;
	size_t len;
	int status;
	const char *shown;
} bad_heads[] = {
    {"GET /a b HTTP/1.1\r\n\r\n", 21, 400, "\"GET /a b HTTP/1.1\""},
    {"\r\nGET /\x1b[2J\" 200 HTTP/1.1\r\n\r\n", 28, 400, "\"GET /\\x1B[2J\\x22 200 HTTP/1.1\""},
    {"\x16\x03\x01\x00\xf1\x01\x00\r\n\r\n", 11, 400, "\"\\x16\\x03\\x01\\x00\\xF1\\x01\\x00\""},
    {"GET / HTTP/2.0\r\n\r\n", 18, 505, "\"GET / HTTP/2.0\""},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 36, 400, "\"GET / HTTP/1.1\""},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 36, 501, "\"BREW / HTTP/1.1\""},
    /* these come no further than their deadline */
    {"GET /half HTT", 13, 408, "\"GET /half HTT\""},
};

START_TEST(heads_that_cannot_be_read_are_shown_as_far_as_they_came)
{
	const char *options[] = {COMBINED, "server.workers=1", "http.header_timeout=200ms",
				 "http.max_header_size=1k", NULL};
	struct daemon *d = start(options, NULL);
	static char big[1500] = "GET /", want[300] = "\"GET /";

	for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
		int status = send_raw(daemon_port(d), bad_heads[i].data, bad_heads[i].len);
		ck_assert_msg(status == bad_heads[i].status, "%s: %d", bad_heads[i].data, status);
		expect_bad(status, bad_heads[i].shown);
	}
	memset(big + 5, 'x', sizeof(big) - 5);
	memset(want + 6, 'x', 256 - 3 - 5);
	memcpy(want + 6 + 256 - 3 - 5, "...\"", 5);
	ck_assert_int_eq(send_raw(daemon_port(d), big, sizeof(big)), 414);
	expect_bad(414, want);
	memcpy(big, "GET / HTTP/1.1\r\n" HOST "X-Long: ", 41);
	ck_assert_int_eq(send_raw(daemon_port(d), big, sizeof(big)), 431);
	expect_bad(431, "\"GET / HTTP/1.1\"");
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(who_is_turned_away_has_a_line)
{
	const char *options[] = {COMBINED, "server.workers=1", "http.max_connections=1", NULL};
	struct daemon *d = start(options, NULL);
	struct http_conn c, turned_away;
	struct http_answer a;

	/* whose line is not the next one's */
	ck_assert_int_eq(send_raw(daemon_port(d), "GET /a b HTTP/1.1\r\n\r\n", 21), 400);
	expect_bad(400, "\"GET /a b HTTP/1.1\"");
	/* its place is free as soon as the server has seen it leave */
	for (bool is_free = false; !is_free;) {
		http_open(&c, daemon_port(d));
		http_exchange(&c, "GET", "/", NULL, NULL, &a);
		is_free = a.status == 200;
		http_answer_fini(&a);
		if (is_free)
			break;
		expect_bad(503, "\"-\"");
		http_close(&c);
	}
	expect_combined("127.0.0.1", "\"GET / HTTP/1.1\" 200 16 \"-\" \"-\"");
	http_open(&turned_away, daemon_port(d));
	http_read(&turned_away, "GET", &a);
	ck_assert_int_eq(a.status, 503);
	http_answer_fini(&a);
	expect_bad(503, "\"-\"");
	http_close(&turned_away);
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

/* Something that is connected to and says nothing: what waits for it is answered later, or never.
 */
static int
open_silent(uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, 100), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

START_TEST(answers_that_come_later_keep_what_was_asked)
{
	uint16_t silent;
	int fd = open_silent(&silent);
	char *store = it_printf("store.database=host=127.0.0.1 port=%u sslmode=disable", silent);
	const char *options[] = {JSON, "server.workers=1", store, "store.queue_timeout=300ms",
				 NULL};
	struct daemon *d = start(options, NULL);
	struct http_conn c;
	struct http_answer a;

	/* others are answered meanwhile, from the same memory */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /api/products/7 HTTP/1.1\r\n" HOST
			   "User-Agent: patient\r\nReferer: /from\r\n\r\n");
	ck_assert_int_eq(ask(daemon_port(d), "GET", "/meanwhile", "User-Agent: b\r\n", NULL), 200);
	json_t *line = next_json();
	expect_text(line, "target", "/meanwhile");
	json_decref(line);
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 503);
	line = next_json();
	expect_text(line, "method", "GET");
	expect_text(line, "target", "/api/products/7");
	expect_text(line, "proto", "HTTP/1.1");
	expect_text(line, "host", "localhost");
	expect_text(line, "referer", "/from");
	expect_text(line, "user_agent", "patient");
	ck_assert_int_eq(number(line, "status"), 503);
	ck_assert_int_eq(number(line, "bytes_out"), (json_int_t)a.body_len);
	ck_assert_int_eq(number(line, "requests"), 1);
	ck_assert_int_ge(number(line, "duration_us"), 250000);
	json_decref(line);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
	close(fd);
	free(store);
}
END_TEST

START_TEST(who_leaves_before_the_answer_is_499)
{
	uint16_t silent;
	int fd = open_silent(&silent);
	char *store = it_printf("store.database=host=127.0.0.1 port=%u sslmode=disable", silent);
	const char *options[] = {JSON,
				 "server.workers=1",
				 store,
				 "store.connect_timeout=1m",
				 "store.queue_timeout=1m",
				 "http.body_timeout=1m",
				 NULL};
	struct daemon *d = start(options, NULL);
	struct http_conn c;
	json_t *line;

	/* from a handler that has not answered yet */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /api/products/8 HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_int_eq(
	    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)),
	    0);
	daemon_worker_of(d, c.fd);
	http_close(&c);
	line = next_json();
	ck_assert_int_eq(number(line, "status"), 499);
	ck_assert_int_eq(number(line, "bytes_out"), 0);
	expect_text(line, "target", "/api/products/8");
	json_decref(line);
	/* in the middle of a body */
	http_open(&c, daemon_port(d));
	http_send_text(&c,
		       "POST /api/products HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
		       "Content-Length: 10\r\n\r\n[1]");
	daemon_worker_of(d, c.fd);
	http_close(&c);
	line = next_json();
	ck_assert_int_eq(number(line, "status"), 499);
	ck_assert_int_eq(number(line, "bytes_in"), 3);
	expect_text(line, "target", "/api/products");
	json_decref(line);
	/* and in the middle of a head there is no request yet */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /half");
	daemon_worker_of(d, c.fd);
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
	close(fd);
	free(store);
}
END_TEST

START_TEST(what_does_not_come_whole_is_told_of)
{
	const char *options[] = {JSON, "server.workers=1", "http.body_timeout=500ms", NULL};
	struct daemon *d = start(options, NULL);
	static const char head[] =
	    "POST /api/products HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n";
	struct http_conn c;
	struct http_answer a;

	/* too slow; another request meanwhile has the same memory */
	http_open(&c, daemon_port(d));
	http_sendf(&c, "%sContent-Length: 10\r\n\r\n{\"a\"", head);
	daemon_worker_of(d, c.fd);
	ck_assert_int_eq(ask(daemon_port(d), "HEAD", "/meanwhile", NULL, NULL), 200);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 408);
	http_answer_fini(&a);
	http_close(&c);
	json_t *line = next_json();
	ck_assert_int_eq(number(line, "status"), 200);
	json_decref(line);
	line = next_json();
	ck_assert_int_eq(number(line, "status"), 408);
	ck_assert_int_eq(number(line, "bytes_in"), 4);
	ck_assert_int_ge(number(line, "duration_us"), 490000);
	expect_text(line, "method", "POST");
	expect_text(line, "target", "/api/products");
	json_decref(line);
	/* no chunks */
	http_open(&c, daemon_port(d));
	http_sendf(&c, "%sTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx", head);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 400);
	http_answer_fini(&a);
	http_close(&c);
	line = next_json();
	ck_assert_int_eq(number(line, "status"), 400);
	ck_assert_int_eq(number(line, "bytes_in"), 3);
	expect_text(line, "target", "/api/products");
	json_decref(line);
	/* a head that cannot be read is a request, too, if not much is known of it */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET / HTTP/1.1\r\n" HOST "\r\n\x01\r\n\r\n");
	line = next_json();
	ck_assert_int_eq(number(line, "requests"), 1);
	json_decref(line);
	line = next_json();
	ck_assert_int_eq(number(line, "requests"), 2);
	ck_assert_int_eq(number(line, "status"), 400);
	ck_assert_int_eq(number(line, "duration_us"), 0);
	expect_text(line, "method", NULL);
	expect_text(line, "target", "\x01");
	expect_text(line, "proto", NULL);
	json_decref(line);
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
	/* whole ones, in one piece and in two */
	d = start((const char *[]){JSON, "server.workers=1", NULL}, NULL);
	http_open(&c, daemon_port(d));
	for (int pieces = 1; pieces <= 2; pieces++) {
		http_sendf(&c, "%sContent-Length: 10\r\n\r\n{\"name\"", head);
		if (pieces == 2)
			/* a request on another connection shows that this one was looked at */
			ck_assert_int_eq(ask(daemon_port(d), "GET", "/between", NULL, NULL), 200);
		http_send_text(&c, ":1}");
		http_read(&c, "POST", &a);
		int status = a.status;
		http_answer_fini(&a);
		if (pieces == 2)
			json_decref(next_json());
		line = next_json();
		ck_assert_int_eq(number(line, "status"), status);
		ck_assert_int_eq(number(line, "bytes_in"), 10);
		ck_assert_int_eq(number(line, "requests"), pieces);
		expect_text(line, "target", "/api/products");
		json_decref(line);
	}
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(json_is_json_whatever_comes)
{
	const char *options[] = {JSON, "server.workers=2", NULL};
	struct daemon *d = start(options, NULL);
	char agent[64];
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	json_int_t n = 0;
	for (unsigned byte = 0x20; byte < 0x100; byte++) {
		if (byte == 0x7f)
			continue;
		snprintf(agent, sizeof(agent), "User-Agent: a%c\xc3\xa9z\r\n", byte);
		http_exchange(&c, "GET", "/x", agent, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
		json_t *line = next_json();
		ck_assert_int_eq(number(line, "requests"), ++n);
		const char *shown = json_string_value(json_object_get(line, "user_agent"));
		if (byte < 0x80)
			snprintf(agent, sizeof(agent), "a%c\xc3\xa9z", byte);
		else
			snprintf(agent, sizeof(agent), "a\xef\xbf\xbd\xc3\xa9z");
		ck_assert_str_eq(shown, agent);
		expect_text(line, "addr", "127.0.0.1");
		struct sockaddr_in in;
		socklen_t len = sizeof(in);
		ck_assert_int_eq(getsockname(c.fd, (struct sockaddr *)&in, &len), 0);
		ck_assert_int_eq(number(line, "port"), ntohs(in.sin_port));
		ck_assert_int_le(number(line, "worker"), 1);
		ck_assert_int_lt(number(line, "duration_us"), 10000000);
		const char *time = json_string_value(json_object_get(line, "time"));
		unsigned fields[7], end = 0;
		ck_assert_int_eq(sscanf(time, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ%n", &fields[0],
					&fields[1], &fields[2], &fields[3], &fields[4], &fields[5],
					&fields[6], &end),
				 7);
		ck_assert_uint_eq(end, 24);
		json_decref(line);
	}
	http_close(&c);
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

/* ---- standard outputs ---- */

#define CLIENTS  4
#define REQUESTS 3000

struct load {
	uint16_t port;
	unsigned client;
	const char *failure;
};

/* Each target once: its number and then more or fewer bytes, so that lines of all lengths meet. */
static void *
load_run(void *arg)
{
	struct load *load = arg;
	static char fill[1200];
	struct http_conn c;
	struct http_answer a;

	memset(fill, 'f', sizeof(fill));
	for (unsigned i = 0; i < REQUESTS && !load->failure; i++) {
		/* new connections now and then go to either worker */
		if (i % 100 == 0 && !http_try_open(&c, load->port)) {
			load->failure = "cannot connect";
			break;
		}
		char *text = it_printf("GET /%u-%06u?%.*s HTTP/1.1\r\n" HOST "\r\n", load->client,
				       i, (int)(i * 37 % sizeof(fill)), fill);
		if (!http_try_send(&c, text, strlen(text)))
			load->failure = "cannot send";
		else if (!load->failure)
			load->failure = http_try_read(&c, "GET", &a);
		free(text);
		if (!load->failure && a.status != 200)
			load->failure = "another status";
		http_answer_fini(&a);
		if (i % 100 == 99 || load->failure)
			http_close(&c);
	}
	return NULL;
}

static void
load_start(struct load load[CLIENTS], pthread_t thread[CLIENTS], uint16_t port)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		load[i] = (struct load){.port = port, .client = i};
		ck_assert_int_eq(pthread_create(&thread[i], NULL, load_run, &load[i]), 0);
	}
}

static void
load_end(struct load load[CLIENTS], pthread_t thread[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_msg(!load[i].failure, "%s", load[i].failure);
	}
}

/* Each line of the load is whole, and there at most once; how many there are. */
static unsigned
check_load(const char *text)
{
	static bool seen[CLIENTS][REQUESTS];
	unsigned n = 0;

	memset(seen, 0, sizeof(seen));
	for (const char *line = text; *line; n++) {
		const char *end = strchr(line, '\n'), *request = strstr(line, "\"GET /");
		unsigned client, i;
		int at = 0;

		ck_assert_msg(end != NULL, "the last line is not whole: %s", line);
		ck_assert_msg(strncmp(line, "127.0.0.1 - - [", 15) == 0, "no beginning: %.100s",
			      line);
		ck_assert_msg(request && request < end &&
				  sscanf(request, "\"GET /%1u-%6u?%n", &client, &i, &at) == 2 &&
				  at == 15,
			      "no request: %.100s", line);
		ck_assert_uint_lt(client, CLIENTS);
		ck_assert_uint_lt(i, REQUESTS);
		ck_assert_msg(!seen[client][i], "twice: %.100s", line);
		seen[client][i] = true;
		request += at;
		ck_assert_uint_eq(strspn(request, "f"), i * 37 % 1200);
		request += i * 37 % 1200;
		ck_assert_msg(strncmp(request, " HTTP/1.1\" 200 ", 15) == 0, "%.100s", line);
		ck_assert_msg(strncmp(end - 8, " \"-\" \"-\"", 8) == 0, "no end: %.200s", line);
		line = end + 1;
	}
	return n;
}

/* The sum of what the log says is lost, so far. */
static unsigned
count_lost(struct daemon *d)
{
	unsigned sum = 0;
	char *log = daemon_log_copy(d, 0);

	for (const char *at = log; (at = strstr(at, "access log: ")); at++) {
		unsigned lost = 0;

		ck_assert_int_eq(
		    sscanf(at, "access log: %u access lines lost: nobody reads", &lost), 1);
		sum += lost;
	}
	free(log);
	return sum;
}

/*
 * What is not there is lost, and said to be. A worker tells at once, then after a minute, and at
 * its end: so the workers are replaced.
 */
static void
expect_rest_lost(struct daemon *d, unsigned there)
{
	ck_assert(daemon_reload(d));
	WAIT_UNTIL(there + count_lost(d) == CLIENTS * REQUESTS);
}

START_TEST(lines_of_two_workers_in_one_pipe_stay_whole)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	load_start(load, thread, daemon_port(d));
	while (lines_more(1000))
		;
	load_end(load, thread);
	/* a reader that has to wait for its CPU may be too slow */
	expect_rest_lost(d, check_load(lines.buf));
	ck_assert_uint_lt(count_lost(d), CLIENTS * REQUESTS / 2);
	lines.len = 0;
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_loses_lines_and_no_requests)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];
	struct http_answer a;

	load_start(load, thread, daemon_port(d));
	load_end(load, thread);
	char *line = daemon_log_wait(d, 0, "access lines lost: nobody reads standard output");
	ck_assert_ptr_nonnull(strstr(line, " warning: "));
	free(line);
	/* at most once a minute, and there are two workers */
	ck_assert_uint_le(daemon_log_count(d, 0, "access lines lost"), 2);
	/* read again, it goes on; what there is, is whole */
	while (lines_more(500))
		;
	ck_assert_uint_gt(check_load(lines.buf), 50);
	expect_rest_lost(d, check_load(lines.buf));
	lines.len = 0;
	http_request(daemon_port(d), "GET", "/again", NULL, NULL, &a);
	http_answer_fini(&a);
	expect_combined("127.0.0.1", "\"GET /again HTTP/1.1\" 200 12 \"-\" \"-\"");
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

START_TEST(a_stop_does_not_wait_for_a_reader)
{
	const char *options[] = {COMBINED, NULL};
	struct daemon *d = start(options, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	load_start(load, thread, daemon_port(d));
	load_end(load, thread);
	uint64_t begin_ms = it_now_ms();
	daemon_stop(d);
	ck_assert_uint_lt(it_now_ms() - begin_ms, 5000);
	while (lines_more(0))
		;
	ck_assert_uint_gt(check_load(lines.buf), 50);
	close(lines.fd);
	free(lines.buf);
}
END_TEST

START_TEST(a_reload_changes_the_form)
{
	struct daemon *d =
	    start((const char *[]){"server.workers=1", NULL}, "[log]\naccess = combined\n");
	uint16_t port = daemon_port(d);

	ck_assert_int_eq(ask(port, "GET", "/1", NULL, NULL), 200);
	expect_combined("127.0.0.1", "\"GET /1 HTTP/1.1\" 200 8 \"-\" \"-\"");
	daemon_write_conf(d, "[log]\naccess = json\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/2", NULL, NULL), 200);
	json_t *line = next_json();
	expect_text(line, "target", "/2");
	json_decref(line);
	daemon_write_conf(d, "[log]\naccess = off\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/3", NULL, NULL), 200);
	daemon_write_conf(d, "[log]\naccess = combined\n");
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(port, "GET", "/4", NULL, NULL), 200);
	expect_combined("127.0.0.1", "\"GET /4 HTTP/1.1\" 200 8 \"-\" \"-\"");
	daemon_write_conf(d, "[log]\naccess = common\n");
	daemon_expect_error(d, "log.access");
	ck_assert(!daemon_reload(d));
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

/* What logrotate's copytruncate does to a file that was opened for appending. */
START_TEST(a_file_that_is_copied_and_truncated_goes_on_from_its_begin)
{
	char *path = (char *)(uintptr_t)it_path("access.txt");
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	struct daemon *d = start_on(fd, (const char *[]){COMBINED, NULL}, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	close(fd);
	for (unsigned round = 0; round < 2; round++) {
		load_start(load, thread, daemon_port(d));
		load_end(load, thread);
		struct stat st;
		char *text = NULL;
		/* the last line may be on its way */
		WAIT_UNTIL((free(text), text = it_read_file(path)) &&
			   check_load(text) == CLIENTS * REQUESTS);
		ck_assert_int_eq(stat(path, &st), 0);
		/* no hole: what is to be seen is all there is */
		ck_assert_uint_eq((size_t)st.st_size, strlen(text));
		free(text);
		ck_assert_int_eq(truncate(path, 0), 0);
	}
	/* renaming it takes the daemon along, a reload too: it was given a file and not a name */
	char *renamed = it_printf("%s.1", path);
	ck_assert_int_eq(rename(path, renamed), 0);
	ck_assert(daemon_reload(d));
	ck_assert_int_eq(ask(daemon_port(d), "GET", "/renamed", NULL, NULL), 200);
	char *text = NULL;
	WAIT_UNTIL((free(text), text = it_read_file(renamed)) && strstr(text, "GET /renamed "));
	free(text);
	ck_assert_int_ne(access(path, F_OK), 0);
	daemon_stop(d);
	unlink(renamed);
	free(renamed);
	free(path);
}
END_TEST

START_TEST(a_closed_standard_output_hurts_nobody)
{
	struct daemon *d = start_on(-1, (const char *[]){COMBINED, NULL}, NULL);

	for (int i = 0; i < 10; i++)
		http_expect_get(daemon_port(d), "/", 200, "Hello, Anonymous");
	ck_assert(!daemon_log_has(d, 0, "access log"));
	daemon_stop(d);
}
END_TEST

START_TEST(a_reader_that_is_gone_hurts_nobody)
{
	struct daemon *d = start((const char *[]){JSON, NULL}, NULL);

	close(lines.fd);
	for (int i = 0; i < 10; i++)
		http_expect_get(daemon_port(d), "/", 200, "Hello, Anonymous");
	char *line = daemon_log_wait(d, 0, "access lines lost: Broken pipe");
	ck_assert_ptr_nonnull(strstr(line, " warning: "));
	free(line);
	daemon_stop(d);
}
END_TEST

/* Under systemd it is a socket of the journal, the same as standard error. */
START_TEST(a_socket_takes_lines_too)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct daemon *d = start_on(fds[1], (const char *[]){COMBINED, NULL}, NULL);
	struct load load[CLIENTS];
	pthread_t thread[CLIENTS];

	close(fds[1]);
	lines = (struct lines){.fd = fds[0]};
	load_start(load, thread, daemon_port(d));
	while (lines_more(1000))
		;
	load_end(load, thread);
	expect_rest_lost(d, check_load(lines.buf));
	lines.len = 0;
	daemon_stop(d);
	expect_nothing_left();
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "lines");

	tcase_add_test(tc, off_writes_nothing);
	tcase_add_test(tc, each_kind_of_answer_has_a_line);
	tcase_add_test(tc, bytes_are_those_that_were_sent);
	tcase_add_test(tc, heads_that_cannot_be_read_are_shown_as_far_as_they_came);
	tcase_add_test(tc, who_is_turned_away_has_a_line);
	tcase_add_test(tc, answers_that_come_later_keep_what_was_asked);
	tcase_add_test(tc, who_leaves_before_the_answer_is_499);
	tcase_add_test(tc, what_does_not_come_whole_is_told_of);
	tcase_add_test(tc, json_is_json_whatever_comes);
	tc = it_case(suite, "outputs");
	tcase_add_test(tc, lines_of_two_workers_in_one_pipe_stay_whole);
	tcase_add_test(tc, a_pipe_that_nobody_reads_loses_lines_and_no_requests);
	tcase_add_test(tc, a_stop_does_not_wait_for_a_reader);
	tcase_add_test(tc, a_reload_changes_the_form);
	tcase_add_test(tc, a_file_that_is_copied_and_truncated_goes_on_from_its_begin);
	tcase_add_test(tc, a_closed_standard_output_hurts_nobody);
	tcase_add_test(tc, a_reader_that_is_gone_hurts_nobody);
	tcase_add_test(tc, a_socket_takes_lines_too);
}

int
main(void)
{
	return it_main("access_log", fill, 0);
}
