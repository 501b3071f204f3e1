/*
 * it_access_log.c - the access log of the real daemon: what each request leaves in it. Where it
 * goes is for it_access_output.c.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/access_lines.c tests/it/ws_client.c tests/it/pg.c */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access_lines.h"
#include "harness.h"
#include "ws_client.h"

#define HOST "Host: localhost\r\n"

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
	struct daemon *d = lines_start(NULL, NULL);

	ck_assert_int_eq(ask(daemon_port(d), "GET", "/", NULL, NULL), 200);
	daemon_stop(d);
	lines_expect_none();
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
	struct daemon *d = lines_start(options, NULL);
	uint16_t port = daemon_port(d);
	struct http_conn c;
	struct http_answer a;

	/* answered by handlers */
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	lines_expect_combined("127.0.0.1", "\"GET /Ada HTTP/1.1\" 200 10 \"-\" \"-\"");
	ck_assert_int_eq(ask(port, "HEAD", "/Ada?x=%41",
			     "Referer: http://a.example/\"x\r\nUser-Agent: caf\xc3\xa9 \\ \"b\r\n",
			     NULL),
			 200);
	lines_expect_combined("127.0.0.1",
			      "\"HEAD /Ada?x=%41 HTTP/1.1\" 200 0 \"http://a.example/\\x22x\" "
			      "\"caf\\xC3\\xA9 \\x5C \\x22b\"");
	/* refused */
	http_request(port, "GET", "/there/is/nothing", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	char *want =
	    it_printf("\"GET /there/is/nothing HTTP/1.1\" 404 %zu \"-\" \"-\"", a.body_len);
	lines_expect_combined("127.0.0.1", want);
	free(want);
	http_answer_fini(&a);
	http_request(port, "POST", "/api/products", "Content-Type: text/plain\r\n", "x", &a);
	ck_assert_int_eq(a.status, 415);
	want = it_printf("\"POST /api/products HTTP/1.1\" 415 %zu \"-\" \"-\"", a.body_len);
	lines_expect_combined("127.0.0.1", want);
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
	lines_expect_combined("127.0.0.1", "\"GET /a HTTP/1.1\" 200 8 \"-\" \"-\"");
	lines_expect_combined("127.0.0.1", "\"GET /b HTTP/1.1\" 200 8 \"-\" \"-\"");
	lines_expect_combined("127.0.0.1", "\"GET http://localhost/c HTTP/1.0\" 200 8 \"-\" \"-\"");
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
	lines_expect_combined("::1", "\"GET /6 HTTP/1.1\" 200 8 \"-\" \"-\"");
	http_open_unix(&c, path);
	http_exchange(&c, "GET", "/u", NULL, NULL, &a);
	http_answer_fini(&a);
	http_close(&c);
	lines_expect_combined("unix:", "\"GET /u HTTP/1.1\" 200 8 \"-\" \"-\"");
	/* a WebSocket is there when it has been accepted */
	http_open(&c, port);
	ws_handshake(&c, "/echo", NULL, &a);
	ck_assert_int_eq(a.status, 101);
	http_answer_fini(&a);
	lines_expect_combined("127.0.0.1", "\"GET /echo HTTP/1.1\" 101 0 \"-\" \"-\"");
	http_close(&c);
	free(listen);
	free(path);
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

START_TEST(bytes_are_those_that_were_sent)
{
	const char *options[] = {COMBINED, "server.workers=1", "http.gzip_min_size=1", NULL};
	struct daemon *d = lines_start(options, NULL);
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
		lines_expect_combined("127.0.0.1", want);
		free(want);
		http_answer_fini(&a);
		want = it_printf("\"GET %s HTTP/1.1\" 200 %zu \"-\" \"-\"", names[i], plain);
		ck_assert_int_eq(ask(daemon_port(d), "GET", names[i], NULL, NULL), 200);
		lines_expect_combined("127.0.0.1", want);
		free(want);
		want = it_printf("\"HEAD %s HTTP/1.1\" 200 0 \"-\" \"-\"", names[i]);
		ck_assert_int_eq(ask(daemon_port(d), "HEAD", names[i], NULL, NULL), 200);
		lines_expect_combined("127.0.0.1", want);
		free(want);
	}
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

/* The line of `status` ends in this; how many bytes the answer had is told by others. */
static void
expect_bad(int status, const char *request)
{
	char *line = lines_next();
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
	struct daemon *d = lines_start(options, NULL);
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
	lines_expect_none();
}
END_TEST

START_TEST(who_is_turned_away_has_a_line)
{
	const char *options[] = {COMBINED, "server.workers=1", "http.max_connections=1", NULL};
	struct daemon *d = lines_start(options, NULL);
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
	lines_expect_combined("127.0.0.1", "\"GET / HTTP/1.1\" 200 16 \"-\" \"-\"");
	http_open(&turned_away, daemon_port(d));
	http_read(&turned_away, "GET", &a);
	ck_assert_int_eq(a.status, 503);
	http_answer_fini(&a);
	expect_bad(503, "\"-\"");
	http_close(&turned_away);
	http_close(&c);
	daemon_stop(d);
	lines_expect_none();
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
	struct daemon *d = lines_start(options, NULL);
	struct http_conn c;
	struct http_answer a;

	/* others are answered meanwhile, from the same memory */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /api/products/7 HTTP/1.1\r\n" HOST
			   "User-Agent: patient\r\nReferer: /from\r\n\r\n");
	ck_assert_int_eq(ask(daemon_port(d), "GET", "/meanwhile", "User-Agent: b\r\n", NULL), 200);
	json_t *line = lines_next_json();
	lines_expect_text(line, "target", "/meanwhile");
	json_decref(line);
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 503);
	line = lines_next_json();
	lines_expect_text(line, "method", "GET");
	lines_expect_text(line, "target", "/api/products/7");
	lines_expect_text(line, "proto", "HTTP/1.1");
	lines_expect_text(line, "host", "localhost");
	lines_expect_text(line, "referer", "/from");
	lines_expect_text(line, "user_agent", "patient");
	ck_assert_int_eq(number(line, "status"), 503);
	ck_assert_int_eq(number(line, "bytes_out"), (json_int_t)a.body_len);
	ck_assert_int_eq(number(line, "requests"), 1);
	ck_assert_int_ge(number(line, "duration_us"), 250000);
	json_decref(line);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	lines_expect_none();
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
	struct daemon *d = lines_start(options, NULL);
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
	line = lines_next_json();
	ck_assert_int_eq(number(line, "status"), 499);
	ck_assert_int_eq(number(line, "bytes_out"), 0);
	lines_expect_text(line, "target", "/api/products/8");
	json_decref(line);
	/* in the middle of a body */
	http_open(&c, daemon_port(d));
	http_send_text(&c,
		       "POST /api/products HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
		       "Content-Length: 10\r\n\r\n[1]");
	daemon_worker_of(d, c.fd);
	http_close(&c);
	line = lines_next_json();
	ck_assert_int_eq(number(line, "status"), 499);
	ck_assert_int_eq(number(line, "bytes_in"), 3);
	lines_expect_text(line, "target", "/api/products");
	json_decref(line);
	/* and in the middle of a head there is no request yet */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /half");
	daemon_worker_of(d, c.fd);
	http_close(&c);
	daemon_stop(d);
	lines_expect_none();
	close(fd);
	free(store);
}
END_TEST

START_TEST(what_does_not_come_whole_is_told_of)
{
	const char *options[] = {JSON, "server.workers=1", "http.body_timeout=500ms", NULL};
	struct daemon *d = lines_start(options, NULL);
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
	json_t *line = lines_next_json();
	ck_assert_int_eq(number(line, "status"), 200);
	json_decref(line);
	line = lines_next_json();
	ck_assert_int_eq(number(line, "status"), 408);
	ck_assert_int_eq(number(line, "bytes_in"), 4);
	ck_assert_int_ge(number(line, "duration_us"), 490000);
	lines_expect_text(line, "method", "POST");
	lines_expect_text(line, "target", "/api/products");
	json_decref(line);
	/* no chunks */
	http_open(&c, daemon_port(d));
	http_sendf(&c, "%sTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx", head);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 400);
	http_answer_fini(&a);
	http_close(&c);
	line = lines_next_json();
	ck_assert_int_eq(number(line, "status"), 400);
	ck_assert_int_eq(number(line, "bytes_in"), 3);
	lines_expect_text(line, "target", "/api/products");
	json_decref(line);
	/* a head that cannot be read is a request, too, if not much is known of it */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET / HTTP/1.1\r\n" HOST "\r\n\x01\r\n\r\n");
	line = lines_next_json();
	ck_assert_int_eq(number(line, "requests"), 1);
	json_decref(line);
	line = lines_next_json();
	ck_assert_int_eq(number(line, "requests"), 2);
	ck_assert_int_eq(number(line, "status"), 400);
	ck_assert_int_eq(number(line, "duration_us"), 0);
	lines_expect_text(line, "method", NULL);
	lines_expect_text(line, "target", "\x01");
	lines_expect_text(line, "proto", NULL);
	json_decref(line);
	http_close(&c);
	daemon_stop(d);
	lines_expect_none();
	/* whole ones, in one piece and in two */
	d = lines_start((const char *[]){JSON, "server.workers=1", NULL}, NULL);
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
			json_decref(lines_next_json());
		line = lines_next_json();
		ck_assert_int_eq(number(line, "status"), status);
		ck_assert_int_eq(number(line, "bytes_in"), 10);
		ck_assert_int_eq(number(line, "requests"), pieces);
		lines_expect_text(line, "target", "/api/products");
		json_decref(line);
	}
	http_close(&c);
	daemon_stop(d);
	lines_expect_none();
}
END_TEST

START_TEST(json_is_json_whatever_comes)
{
	const char *options[] = {JSON, "server.workers=2", NULL};
	struct daemon *d = lines_start(options, NULL);
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
		json_t *line = lines_next_json();
		ck_assert_int_eq(number(line, "requests"), ++n);
		const char *shown = json_string_value(json_object_get(line, "user_agent"));
		if (byte < 0x80)
			snprintf(agent, sizeof(agent), "a%c\xc3\xa9z", byte);
		else
			snprintf(agent, sizeof(agent), "a\xef\xbf\xbd\xc3\xa9z");
		ck_assert_str_eq(shown, agent);
		lines_expect_text(line, "addr", "127.0.0.1");
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
	lines_expect_none();
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
}

int
main(void)
{
	return it_main("access_log", fill, 0);
}
