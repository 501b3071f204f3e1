/*
 * it_faults.c - what goes wrong around the daemon: a database that dies, hangs or cannot be found,
 * clients that do not read or mean harm, a worker that stands still. Whoever has nothing to do with
 * it must not notice.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/traffic.c tests/it/pg.c */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "pg.h"
#include "traffic.h"
#include "ws_client.h"

#define JSON "Content-Type: application/json\r\n"
/* What blocks in these tests blocks for seconds; what does not is done in a fraction of this. */
#define PROMPT_MS 1000
/* whoever waited for a database or a name server in the loop would do so for longer than this */
#define STALL_OPTION "log.slow_callback=900ms"

/* On each of n kept connections, which are on all workers, one request; all are prompt. */
static void
expect_prompt(struct http_conn *c, size_t n)
{
	struct http_answer a;

	for (size_t i = 0; i < n; i++) {
		uint64_t began = it_now_ms();
		http_exchange(&c[i], "GET", "/Ada", NULL, NULL, &a);
		ck_assert_str_eq(a.body, "Hello, Ada");
		http_answer_fini(&a);
		ck_assert_msg(it_now_ms() - began < PROMPT_MS, "a greeting took %llu ms",
			      (unsigned long long)(it_now_ms() - began));
	}
}

static void
open_kept(struct http_conn *c, size_t n, struct daemon *d)
{
	pid_t workers[PROCFS_MAX], first = 0;
	bool both = daemon_workers(d, workers) < 2;

	for (int tries = 0; tries < 100; tries++) {
		for (size_t i = 0; i < n; i++) {
			http_open(&c[i], daemon_port(d));
			pid_t by = daemon_worker_of(d, c[i].fd);
			if (i == 0)
				first = by;
			both = both || by != first;
		}
		if (both)
			return;
		for (size_t i = 0; i < n; i++)
			http_close(&c[i]);
	}
	ck_abort_msg("connections never reached two workers");
}

static void
close_kept(struct http_conn *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		http_close(&c[i]);
}

static bool
store_works(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/api/products?limit=1", NULL, NULL, &a);
	bool ok = a.status == 200;
	if (!ok) {
		ck_assert_msg(a.status == 503, "%s%s", a.head, a.body);
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
		ck_assert_int_ge(strtol(http_field(&a, "Retry-After"), NULL, 10), 1);
		ck_assert_str_eq(http_field(&a, "Content-Type"), "application/problem+json");
	}
	http_answer_fini(&a);
	return ok;
}

static bool
can_write(struct http_conn *c)
{
	struct http_answer a;

	http_exchange(c, "POST", "/api/products", JSON, "{\"name\":\"a\",\"price\":1}", &a);
	ck_assert_msg(a.status == 201 || a.status == 503, "%s%s", a.head, a.body);
	bool ok = a.status == 201;
	http_answer_fini(&a);
	return ok;
}

START_TEST(postgresql_is_killed_and_comes_back)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, "store.queue_timeout=500ms", NULL);
	struct http_conn c[8];
	struct ws ws[2];
	pid_t before[PROCFS_MAX], after[PROCFS_MAX];
	size_t n = daemon_workers(d, before);

	daemon_wait_store(d);
	open_kept(c, 8, d);
	ws_open_everywhere(ws, 2, d, "/chat");
	for (int round = 0; round < 2; round++) {
		ck_assert(can_write(&c[0]));
		pg_do("kill");
		/* both workers come to know it */
		for (int i = 0; i < 8; i++) {
			WAIT_UNTIL(!store_works(d));
			http_expect(daemon_port(d), "POST", "/api/products", JSON,
				    "{\"name\":\"lost\",\"price\":1}", 503, NULL);
		}
		expect_prompt(c, 8);
		ws_send(&ws[0], "no database needed");
		ws_expect(&ws[0], "no database needed");
		ws_expect(&ws[1], "no database needed");
		pg_do("restart");
		/* without a restart of ours, on every connection and so on every worker */
		for (size_t i = 0; i < 8; i++) {
			WAIT_UNTIL(({
				struct http_answer a;
				http_exchange(&c[i], "GET", "/api/products/1", NULL, NULL, &a);
				bool ok = a.status == 200;
				http_answer_fini(&a);
				ok;
			}));
			WAIT_UNTIL(can_write(&c[i]));
		}
	}
	http_expect(daemon_port(d), "POST", "/api/products", JSON, "{\"name\":\"b\",\"price\":1}",
		    201, NULL);
	char *lost = pg_ask("select count(*) from products where name = 'lost'");
	ck_assert_str_eq(lost, "0");
	free(lost);
	ck_assert_uint_eq(daemon_workers(d, after), n);
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	close_kept(c, 8);
	daemon_expect_error(d, "store");
	daemon_stop(d);
	free(database);
}
END_TEST

START_TEST(lost_connections_are_made_anew)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, NULL);

	daemon_wait_store(d);

	WAIT_UNTIL(store_works(d));
	for (int i = 0; i < 5; i++) {
		free(pg_query("postgres",
			      "select pg_terminate_backend(pid) from pg_stat_activity where "
			      "usename = 'plaza'"));
		for (int k = 0; k < 8; k++)
			WAIT_UNTIL(store_works(d));
	}
	daemon_expect_error(d, "store");
	daemon_stop(d);
	free(database);
}
END_TEST

START_TEST(postgresql_stands_still)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d =
	    daemon_start(database, "store.queue_timeout=500ms", "store.statement_timeout=1s",
			 "store.connect_timeout=1s", "store.queue_limit=8", STALL_OPTION, NULL);
	struct http_conn c[8], asking[60];
	struct ws ws[2];
	struct http_answer a;

	WAIT_UNTIL(store_works(d));
	open_kept(c, 8, d);
	ws_open_everywhere(ws, 2, d, "/chat");
	pg_do("pause");
	for (size_t i = 0; i < 60; i++) {
		http_open(&asking[i], daemon_port(d));
		http_send_text(&asking[i], "GET /api/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	for (int i = 0; i < 50; i++) {
		expect_prompt(c, 8);
		ws_send(&ws[i % 2], "prompt");
		ws_expect(&ws[0], "prompt");
		ws_expect(&ws[1], "prompt");
	}
	for (size_t i = 0; i < 60; i++) {
		http_read(&asking[i], "GET", &a);
		ck_assert_msg(a.status == 503 || a.status == 504, "%s%s", a.head, a.body);
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
		http_answer_fini(&a);
		http_close(&asking[i]);
	}
	expect_prompt(c, 8);
	pg_do("resume");
	for (int i = 0; i < 8; i++)
		WAIT_UNTIL(store_works(d));
	ck_assert(!daemon_log_has(d, 0, "slow callback"));
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	close_kept(c, 8);
	daemon_expect_error(d, "store");
	daemon_stop(d);
	free(database);
}
END_TEST

START_TEST(the_first_connection_is_waited_for)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct http_conn c;
	struct http_answer a;

	/* READY with a database that does not answer yet; a request waits, and is answered */
	pg_do("pause");
	struct daemon *d =
	    daemon_start(database, "store.queue_timeout=20s", "store.connect_timeout=20s", NULL);
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /api/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
	http_expect_get(daemon_port(d), "/", 200, NULL);
	ck_assert(!http_readable(&c, 0));
	pg_do("resume");
	http_read(&c, "GET", &a);
	ck_assert_str_eq(a.body, "{\"items\":[],\"next\":null}");
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
	free(database);

	/* one that accepts and never says a word */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	database = it_printf(
	    "store.database=host=127.0.0.1 port=%u dbname=plaza user=plaza sslmode=disable",
	    ntohs(addr.sin_port));
	d = daemon_start(database, "store.queue_timeout=600ms", "store.connect_timeout=1500ms",
			 NULL);
	uint64_t began = it_now_ms();
	http_expect_get(daemon_port(d), "/api/products", 503, NULL);
	ck_assert_uint_ge(it_now_ms() - began, 400);
	/* after the first failed attempt: at once */
	daemon_expect_error(d, "store");
	WAIT_UNTIL(({
		began = it_now_ms();
		http_expect_get(daemon_port(d), "/api/products", 503, NULL);
		it_now_ms() - began < 200;
	}));
	daemon_stop(d);
	close(fd);
	free(database);
}
END_TEST

START_TEST(a_database_that_is_not_there)
{
	static const char *const conninfos[] = {
	    "host=/nowhere dbname=plaza",
	    "host=127.0.0.1 port=1 dbname=plaza",
	};

	for (size_t i = 0; i < 3; i++) {
		char *database = i < 2 ? it_printf("store.database=%s", conninfos[i])
				       : it_printf("store.database=host=%s dbname=nope user=plaza",
						   pg_socket_dir());
		struct daemon *d = daemon_start(database, NULL);
		struct http_conn c[4];
		daemon_expect_error(d, "store");
		WAIT_UNTIL(!store_works(d));
		open_kept(c, 4, d);
		expect_prompt(c, 4);
		close_kept(c, 4);
		/* tried again and again, ever more slowly, and said now and then only */
		free(daemon_log_wait(d, 0, "store"));
		ck_assert_uint_lt(daemon_log_count(d, 0, "store"), 40);
		daemon_stop(d);
		free(database);
	}
}
END_TEST

/*
 * In the daemon before exec: a network of its own in which the only name server takes questions and
 * answers none. Without root, in a user namespace. What it may not do it says on its stderr.
 */
static void
deaf_name_server(void *ctx)
{
	const char *resolv_conf = ctx;
	unsigned uid = geteuid(), gid = getegid();
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	char map[64];

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | (uid ? CLONE_NEWUSER : 0)) != 0)
		_exit(99);
	if (uid) {
		int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		ssize_t n = write(fd, "deny", 4);
		close(fd);
		fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		int len = snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		n += write(fd, map, (size_t)len);
		close(fd);
		fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
		len = snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		n += write(fd, map, (size_t)len);
		close(fd);
		if (n <= 4)
			_exit(99);
	}
	/* both stay open across exec: the interface needs none, the server is never read */
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(resolv_conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0 ||
	    ioctl(tcp, SIOCSIFFLAGS, &lo) != 0 ||
	    bind(udp, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		_exit(99);
}

static bool
may_have_namespaces(char *resolv_conf)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		deaf_name_server(resolv_conf);
		_exit(0);
	}
	return it_wait_pid(pid) == 0;
}

START_TEST(a_name_that_resolves_slowly_stalls_nothing)
{
	char *path = (char *)(uintptr_t)it_path("n.sock");
	char *listen = it_printf("server.listen=unix:%s", path);
	char *resolv_conf = (char *)(uintptr_t)it_path("resolv.conf");
	const char *const options[] = {listen,
				       "store.database=host=db.example.org dbname=plaza user=plaza",
				       "store.queue_timeout=1s",
				       "store.connect_timeout=3s",
				       STALL_OPTION,
				       NULL};
	struct daemon_spec spec = {
	    .options = options, .prepare = deaf_name_server, .ctx = resolv_conf};
	struct http_conn c, asking;
	struct http_answer a;

	it_write_file(resolv_conf, "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n");
	if (!may_have_namespaces(resolv_conf)) {
		fprintf(stderr, "no namespaces here: a_name_that_resolves_slowly is not run\n");
	} else {
		struct daemon *d = daemon_start_spec(&spec);
		http_open_unix(&asking, path);
		http_send_text(&asking, "GET /api/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
		uint64_t until = it_now_ms() + 4000;
		/* past the connect_timeout and the next attempt; enough connections for all workers
		 */
		for (unsigned n = 0; it_now_ms() < until; n++) {
			uint64_t began = it_now_ms();
			http_open_unix(&c, path);
			http_exchange(&c, "GET", "/Ada", NULL, NULL, &a);
			ck_assert_str_eq(a.body, "Hello, Ada");
			http_answer_fini(&a);
			http_close(&c);
			ck_assert_msg(it_now_ms() - began < PROMPT_MS, "a greeting took %llu ms",
				      (unsigned long long)(it_now_ms() - began));
		}
		http_read(&asking, "GET", &a);
		ck_assert_int_eq(a.status, 503);
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
		http_answer_fini(&a);
		http_close(&asking);
		ck_assert(!daemon_log_has(d, 0, "slow callback"));
		daemon_expect_error(d, "store");
		/* nor does it hold up the end */
		until = it_now_ms();
		daemon_stop(d);
		ck_assert_uint_lt(it_now_ms() - until, 8000);
	}
	free(listen);
	free(path);
	free(resolv_conf);
}
END_TEST

START_TEST(a_client_that_never_reads_is_closed)
{
	/* 25 MiB in all: more than sockets take, less than the log keeps */
	enum { SIZE = 32768, MESSAGES = 800, SENT_AT_ONCE = 8 };
	/* freed memory that a sanitizer keeps to itself would look like growth */
	it_asan_option("quarantine_size_mb=1");
	struct daemon *d = daemon_start("chat.client_queue_size=256k", "chat.log_size=256m",
					"chat.room_log_size=64m", NULL);
	struct ws ws[4], deaf[2];
	pid_t workers[PROCFS_MAX];
	long before[2];
	char *data = malloc(SIZE);

	ck_assert_uint_eq(daemon_workers(d, workers), 2);
	ws_open_everywhere(ws, 4, d, "/chat");
	ws_open_everywhere(deaf, 2, d, "/chat"); /* one on each worker */
	for (int i = 0; i < 2; i++)
		before[i] = procfs_status(workers[i], "RssAnon");
	memset(data, 'x', SIZE);
	for (unsigned sent = 0; sent < MESSAGES; sent += SENT_AT_ONCE) {
		for (unsigned k = 0; k < SENT_AT_ONCE; k++) {
			int n = snprintf(data, 16, "%u", sent + k);
			data[n] = ' ';
			ws_send_frame(&ws[k % 4], true, WS_BINARY, data, SIZE);
			/* one after the other, so that it is known what comes next */
			for (int i = 0; i < 4; i++)
				ws_expect_data(&ws[i], WS_BINARY, data, SIZE);
		}
		for (int i = 0; i < 2; i++) {
			long now = procfs_status(workers[i], "RssAnon");
			ck_assert_msg(now < before[i] + 24 * 1024,
				      "worker %d grew from %ld to %ld kB", i, before[i], now);
		}
	}
	/* what the deaf ones find when they listen at last: the first ones in order, then 4008 */
	for (int i = 0; i < 2; i++) {
		struct ws_frame f;
		unsigned next = 0, got;
		for (;;) {
			ws_read(&deaf[i], &f);
			if (f.opcode == WS_CLOSE)
				break;
			ck_assert_int_eq(f.opcode, WS_BINARY);
			ck_assert_uint_eq(f.len, SIZE);
			ck_assert_int_eq(sscanf(f.data, "%u ", &got), 1);
			ck_assert_uint_eq(got, next);
			next++;
			ws_frame_fini(&f);
		}
		ck_assert_uint_lt(next, MESSAGES);
		ck_assert_uint_eq(f.len >= 2, true);
		ck_assert_uint_eq(
		    (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1], 4008);
		ws_frame_fini(&f);
		ws_drop(&deaf[i]);
	}
	for (int i = 0; i < 4; i++) {
		ws_expect_silence(&ws[i]);
		ws_close(&ws[i]);
	}
	free(data);
	daemon_stop(d);
}
END_TEST

START_TEST(an_echo_that_is_not_read_is_bounded)
{
	/* freed memory that a sanitizer keeps to itself would look like growth */
	it_asan_option("quarantine_size_mb=1");
	struct daemon *d = daemon_start("server.workers=1", NULL);
	struct ws ws;
	pid_t workers[PROCFS_MAX];
	char *data = malloc(32768), *frame = malloc(32768 + 14);
	int small = 4096;

	ck_assert_uint_eq(daemon_workers(d, workers), 1);
	long before = procfs_status(workers[0], "RssAnon");
	memset(data, 'e', 32768);
	size_t len = ws_build_frame(frame, true, WS_TEXT, data, 32768);
	ws_open(&ws, daemon_port(d), "/echo", NULL);
	setsockopt(ws.c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	/* as much as it takes, up to 64 MiB: then it has stopped reading, or closed */
	size_t sent = 0;
	bool closed = false;
	int stuck = 0;
	while (sent < 64u << 20 && !closed && stuck < 40) {
		ssize_t n = send(ws.c.fd, frame + sent % len, len - sent % len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			sent += (size_t)n;
			stuck = 0;
			continue;
		}
		closed = errno != EAGAIN;
		stuck++;
		poll(&(struct pollfd){ws.c.fd, POLLOUT, 0}, 1, 25);
	}
	ck_assert_msg(closed || stuck, "it took %zu bytes and answered none", sent);
	long now = procfs_status(workers[0], "RssAnon");
	ck_assert_msg(now < before + 16 * 1024, "it grew from %ld to %ld kB", before, now);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	ws_drop(&ws);
	free(data);
	free(frame);
	daemon_stop(d);
}
END_TEST

START_TEST(a_worker_that_stands_still_holds_up_nobody_else)
{
	struct daemon *d = daemon_start_default();
	struct ws ws[2], more;
	char text[32];

	ws_open_everywhere(ws, 2, d, "/chat");
	pid_t stopped = daemon_worker_of(d, ws[0].c.fd);
	pid_t running = daemon_worker_of(d, ws[1].c.fd);
	ck_assert_int_eq(kill(stopped, SIGSTOP), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		ws_send(&ws[1], text);
		ws_expect(&ws[1], text);
	}
	ck_assert(procfs_alive(running));
	ck_assert_int_eq(kill(stopped, SIGCONT), 0);
	/* what was said meanwhile is not lost, for it was never in the worker */
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		ws_expect(&ws[0], text);
	}
	ws_open(&more, daemon_port(d), "/chat", NULL);
	ws_send(&ws[0], "back");
	ws_expect(&ws[0], "back");
	ws_expect(&ws[1], "back");
	ws_expect(&more, "back");
	ws_close(&more);
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(a_worker_that_missed_too_much_says_so)
{
	struct daemon *d = daemon_start("chat.log_size=1m", "chat.max_message_size=16k", NULL);
	struct ws ws[2];
	char *data = malloc(16384);

	/* a log so small that a standing worker is overtaken: never a silent gap */
	memset(data, 'l', 16384);
	ws_open_everywhere(ws, 2, d, "/chat");
	pid_t stopped = daemon_worker_of(d, ws[0].c.fd);
	ck_assert_int_eq(kill(stopped, SIGSTOP), 0);
	for (int i = 0; i < 200; i++) {
		ws_send_frame(&ws[1], true, WS_TEXT, data, 16384);
		ws_expect_data(&ws[1], WS_TEXT, data, 16384);
	}
	ck_assert_int_eq(kill(stopped, SIGCONT), 0);
	ws_expect_close(&ws[0], 4010);
	ws_send(&ws[1], "on");
	ws_expect(&ws[1], "on");
	ws_close(&ws[1]);
	free(data);
	daemon_stop(d);
}
END_TEST

START_TEST(many_slow_heads_harm_nobody)
{
	enum { SLOW = 300 };
	struct daemon *d = daemon_start("http.header_timeout=2s", NULL);
	struct http_conn slow[SLOW], c[8];
	struct http_answer a;

	open_kept(c, 8, d);
	for (size_t i = 0; i < SLOW; i++) {
		http_open(&slow[i], daemon_port(d));
		http_send_text(&slow[i], "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ");
	}
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < SLOW; i++)
			http_try_send(&slow[i], "b", 1);
		expect_prompt(c, 8);
	}
	for (size_t i = 0; i < SLOW; i++) {
		http_read(&slow[i], "GET", &a);
		ck_assert_int_eq(a.status, 408);
		http_answer_fini(&a);
		http_close(&slow[i]);
	}
	close_kept(c, 8);
	daemon_stop(d);
}
END_TEST

/* Deterministic noise: a failure can be had again. */
static uint32_t
noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

START_TEST(noise_harms_nobody)
{
	static const char *const seeds[] = {
	    "GET /Ada HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
	    "POST /api/products HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" JSON
	    "\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
	    "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	    "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x89\x80\x01\x02\x03\x04",
	};
	struct daemon *d = daemon_start_default();
	struct http_conn c, kept[8];
	pid_t before[PROCFS_MAX], after[PROCFS_MAX];
	size_t n = daemon_workers(d, before);
	uint32_t state = 1;
	char bytes[512];

	open_kept(kept, 8, d);
	for (int i = 0; i < 900; i++) {
		const char *seed = seeds[i % 3];
		size_t len = strlen(seed);
		memcpy(bytes, seed, len);
		for (uint32_t k = 0; k <= noise(&state) % 6; k++)
			bytes[noise(&state) % len] = (char)noise(&state);
		http_open(&c, daemon_port(d));
		/* in one piece or in two, and gone without waiting, or after what comes */
		size_t cut = noise(&state) % len;
		http_try_send(&c, bytes, cut);
		http_try_send(&c, bytes + cut, len - cut);
		if (i % 2)
			http_readable(&c, 5);
		if (i % 4 == 3) {
			struct linger reset = {1, 0};
			setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		}
		http_close(&c);
		if (i % 100 == 0)
			expect_prompt(kept, 8);
	}
	expect_prompt(kept, 8);
	/* the same workers as before: none has died of it */
	ck_assert_uint_eq(daemon_workers(d, after), n);
	for (size_t i = 0; i < n; i++)
		ck_assert(procfs_alive(before[i]));
	close_kept(kept, 8);
	daemon_stop(d);
}
END_TEST

START_TEST(slow_callbacks_are_named)
{
	struct daemon *d = daemon_start("log.slow_callback=1ms", "server.workers=2", NULL);
	struct http_conn c;
	struct http_answer a;
	char *flood = malloc(1 << 20);
	size_t len = 0;
	unsigned n = 0;

	/* thousands of requests in one read take more than a millisecond */
	while (len < (1 << 20) - 100) {
		len +=
		    (size_t)sprintf(flood + len, "GET /%u HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
		n++;
	}
	http_open(&c, daemon_port(d));
	/* how many come in one read is the kernel's choice, so again until it was enough */
	const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	do {
		size_t sent = 0;
		unsigned got = 0;
		while (got < n) {
			if (sent < len) {
				ssize_t k = send(c.fd, flood + sent, len - sent,
						 MSG_NOSIGNAL | MSG_DONTWAIT);
				if (k > 0)
					sent += (size_t)k;
			}
			if (http_readable(&c, sent < len ? 0 : IT_DEADLINE_MS)) {
				http_read(&c, "GET", &a);
				ck_assert_int_eq(a.status, 200);
				http_answer_fini(&a);
				got++;
			}
		}
	} while (!daemon_log_has(d, 0, "slow callback") && it_now_ms() < until_ms);
	char *line = daemon_log_wait(d, 0, "slow callback");
	/* which one, and how long */
	ck_assert_msg(strstr(line, "warning") && strstr(line, " ms"), "%s", line);
	free(line);
	free(flood);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "database");
	tcase_add_test(tc, postgresql_is_killed_and_comes_back);
	tcase_add_test(tc, lost_connections_are_made_anew);
	tcase_add_test(tc, postgresql_stands_still);
	tcase_add_test(tc, the_first_connection_is_waited_for);
	tcase_add_test(tc, a_database_that_is_not_there);
	tcase_add_test(tc, a_name_that_resolves_slowly_stalls_nothing);

	tc = it_case(s, "slow clients");
	tcase_add_test(tc, a_client_that_never_reads_is_closed);
	tcase_add_test(tc, an_echo_that_is_not_read_is_bounded);
	tcase_add_test(tc, many_slow_heads_harm_nobody);

	tc = it_case(s, "still workers");
	tcase_add_test(tc, a_worker_that_stands_still_holds_up_nobody_else);
	tcase_add_test(tc, a_worker_that_missed_too_much_says_so);
	tcase_add_test(tc, slow_callbacks_are_named);

	tc = it_case(s, "hostile clients");
	tcase_add_test(tc, noise_harms_nobody);
}

int
main(void)
{
	return it_main("faults", fill, IT_WITH_PG);
}
