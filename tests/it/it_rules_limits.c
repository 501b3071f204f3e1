/*
 * it_rules_limits.c - clients that are many, or ask for much at once: connections, descriptors,
 * memory and turns are bounded, and whoever stays within the bounds does not notice the others.
 * Addresses and their bound are it_address.c's.
 */
/* links: tests/it/rules.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/pg.c */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "rules.h"

#define PRODUCTS "/api/products"

static const struct rule_answer hello_a = HELLO("a");

static void
expect(struct http_conn *c, const struct rule_answer *want)
{
	bool is_last;
	char *wrong = rule_read(c, want, &is_last);

	ck_assert_msg(!wrong, "%s", wrong);
}

static void
ask(struct http_conn *c)
{
	http_send_text(c, GET("/a", ""));
	expect(c, &hello_a);
}

/*
 * Everything that the worker of `c` had to do when this was called is done: what was ready before
 * the first of these requests came no later than in the same turn of its loop.
 */
static void
let_it_work(struct http_conn *c)
{
	for (int i = 0; i < 3; i++)
		ask(c);
}

static bool
has_come(const struct http_conn *c)
{
	return poll(&(struct pollfd){c->fd, POLLIN, 0}, 1, 0) > 0;
}

/* Whether a new connection is served, and not told that there are too many. */
static bool
is_served(uint16_t port)
{
	struct http_conn c;
	struct http_answer a = {0};

	http_open(&c, port);
	/* a reset may take a refusal with it */
	const bool is = http_try_send(&c, GET("/a", ""), strlen(GET("/a", ""))) &&
			!http_try_read(&c, "GET", &a) && a.status == 200;
	http_answer_fini(&a);
	http_close(&c);
	return is;
}

/* ---- how many ---- */

/* http.max_connections */
START_TEST(connections_are_bounded)
{
	enum { MAX = 4 };
	static const struct rule refused[] = {
	    RULE(ENDS, "9110 15.6.4: one too many that says nothing", "",
		 ANSWER(503, TEXT "\nRetry-After: 1", NULL)),
	    RULE(LINGERS, "9110 15.6.4: one too many that asks", GET("/a", ""),
		 ANSWER(503, TEXT "\nRetry-After: 1", NULL)),
	};
	struct rules r;
	struct http_conn c[MAX];

	rules_start(&r, "server.workers=1", "http.max_connections=4", NULL);
	for (int i = 0; i < MAX; i++) {
		rules_open(&r, i % 2 ? VIA_IPV4 : VIA_UNIX, &c[i]);
		ask(&c[i]);
	}
	RULES_HOLD(&r, refused);
	/* they have noticed nothing, and one that leaves makes room */
	for (int i = 0; i < MAX; i++)
		ask(&c[i]);
	http_close(&c[0]);
	WAIT_UNTIL(is_served(r.port[VIA_IPV4]));
	for (int i = 1; i < MAX; i++) {
		ask(&c[i]);
		http_close(&c[i]);
	}
	free(daemon_log_wait(r.daemon, 0, "http.max_connections"));
	ck_assert_uint_eq(daemon_log_count(r.daemon, 0, "http.max_connections"), 1);
	rules_stop(&r);
}
END_TEST

#define FEW_DESCRIPTORS 200

/* In the daemon before exec: so few that a test can have more. */
static void
limit_descriptors(void *ctx)
{
	const struct rlimit few = {FEW_DESCRIPTORS, FEW_DESCRIPTORS};

	(void)ctx;
	if (setrlimit(RLIMIT_NOFILE, &few) != 0)
		_exit(99);
}

/* A reserve descriptor answers, and accepting goes on when others are free again. */
START_TEST(without_descriptors_clients_are_told)
{
	enum { MANY = 300 };
	static struct http_conn c[MANY];
	static const struct rule_answer refused = ANSWER(503, TEXT "\nRetry-After: 1", NULL);
	char *path = (char *)(uintptr_t)it_path("few.sock");
	char *listen = it_printf("server.listen=127.0.0.1:0 unix:%s", path);
	const char *const options[] = {listen, "server.workers=1", "http.max_connections=1000",
				       "http.header_timeout=1h", NULL};
	const struct daemon_spec spec = {.options = options, .prepare = limit_descriptors};
	struct daemon *d = daemon_start_spec(&spec);
	pid_t workers[PROCFS_MAX];
	size_t n = 0;
	bool is_last;

	ck_assert_uint_eq(daemon_workers(d, workers), 1);
	do {
		ck_assert_uint_lt(n, MANY - 1);
		http_open(&c[n++], daemon_port(d));
		let_it_work(&c[0]);
	} while (procfs_count_fds(workers[0]) < FEW_DESCRIPTORS);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(kill(workers[0], SIGSTOP), 0);
		http_open_unix(&c[n], path);
		/* half of them have asked before anybody hears them */
		if (i % 2 == 0)
			http_send_text(&c[n], GET("/a", ""));
		ck_assert_int_eq(kill(workers[0], SIGCONT), 0);
		char *wrong = rule_read(&c[n], &refused, &is_last);
		ck_assert_msg(!wrong, "%s", wrong);
		ck_assert(is_last);
		wrong = rule_read_end(&c[n]);
		ck_assert_msg(!wrong, "%s", wrong);
		http_close(&c[n]);
	}
	free(daemon_log_wait(d, 0, "RLIMIT_NOFILE"));
	ck_assert_uint_eq(daemon_log_count(d, 0, "RLIMIT_NOFILE"), 1);
	/* those that were accepted are served; one that leaves makes room */
	for (size_t i = 0; i < n; i++)
		ask(&c[i]);
	http_close(&c[1]);
	WAIT_UNTIL(is_served(daemon_port(d)));
	for (size_t i = 0; i < n; i++)
		http_close(&c[i]);
	WAIT_UNTIL(is_served(daemon_port(d)));
	daemon_stop(d);
	free(listen);
	free(path);
}
END_TEST

/* ---- how much ---- */

/* One worker, and what it has of its own. */
struct sized {
	struct rules r;
	struct http_conn control;
	long before_kb;
};

static void
sized_start(struct sized *s, const char *option, const char *another)
{
	/* freed memory that a sanitizer keeps to itself would look like growth */
	it_asan_option("quarantine_size_mb=1");
	rules_start(&s->r, "server.workers=1", "http.header_timeout=1h", "http.idle_timeout=1h",
		    option, another, NULL);
	http_open_unix(&s->control, s->r.path);
	let_it_work(&s->control);
	s->before_kb = procfs_status(s->r.workers[0], "RssAnon");
}

static long
sized_growth_kb(struct sized *s)
{
	let_it_work(&s->control);
	return procfs_status(s->r.workers[0], "RssAnon") - s->before_kb;
}

static void
sized_stop(struct sized *s)
{
	http_close(&s->control);
	rules_stop(&s->r);
}

/* What a connection holds, in each state in which it may stay long. */
START_TEST(connections_hold_next_to_nothing)
{
	enum { N = 800, LONG = 8000 };
	static const struct {
		const char *name, *said;
		size_t long_bytes; /* of a head, besides */
		long most;         /* bytes a connection */
		bool is_answered;
	} cases[] = {
	    {"silent from the first", "", 0, 1024, false},
	    {"idle after a request", GET("/a", ""), 0, 1024, true},
	    {"with a part of a head", "GET /a HTTP/1.1\r\nA: b", 0, 1024 + 64, false},
	    {"with a long part of a head", "GET /a HTTP/1.1\r\nA: ", LONG, LONG + 1024 + 256,
	     false},
	};
	static struct http_conn c[N];
	static char more[LONG];
	struct sized s;

	memset(more, 'b', sizeof(more));
	sized_start(&s, "http.max_connections=1000", NULL);
	for (size_t i = 0; i < N; i++) {
		http_open_unix(&c[i], s.r.path);
		http_send_text(&c[i], cases[_i].said);
		http_send(&c[i], more, cases[_i].long_bytes);
		if (cases[_i].is_answered)
			expect(&c[i], &hello_a);
	}
	const long grown = sized_growth_kb(&s) * 1024 / N;
	/* sanitizers put much around each piece of memory */
	ck_assert_msg(it_has_sanitizers() || grown <= cases[_i].most,
		      "a connection %s holds %ld bytes", cases[_i].name, grown);
	for (size_t i = 0; i < N; i++)
		http_close(&c[i]);
	sized_stop(&s);
}
END_TEST

/* http.max_input_memory: unfinished heads and bodies have one bound together. */
START_TEST(unfinished_requests_share_one_bound)
{
	enum { N = 60, PIECE = 32 << 10, MAX = 1 << 20 };
	static const struct {
		const char *begin, *end;
		struct rule_answer refused, done;
	} cases[] = {
	    {"GET /a HTTP/1.1\r\n" HOST "A: ", "\r\n\r\n",
	     ANSWER(503, TEXT "\nRetry-After: 1", "~http.max_input_memory"), HELLO("a")},
	    {POST(PRODUCTS, JSON "Content-Length: 32769\r\n"), " ",
	     ANSWER(503, PROBLEM "\nRetry-After: 1", "~http.max_input_memory"),
	     ANSWER(503, PROBLEM, "~no-store")},
	};
	static char piece[PIECE];
	static struct http_conn c[N];
	struct sized s;
	size_t n = 0;
	bool is_last;

	memset(piece, ' ', sizeof(piece));
	sized_start(&s, "http.max_input_memory=1m", "http.max_header_size=64k");
	for (size_t i = 0; i < N; i++) {
		http_open_unix(&c[n], s.r.path);
		http_send_text(&c[n], cases[_i].begin);
		http_send(&c[n], piece, sizeof(piece));
		let_it_work(&s.control);
		if (!has_come(&c[n])) {
			n++;
			continue;
		}
		char *wrong = rule_read(&c[n], &cases[_i].refused, &is_last);
		ck_assert_msg(!wrong, "%s", wrong);
		ck_assert(is_last);
		wrong = rule_read_end(&c[n]);
		ck_assert_msg(!wrong, "%s", wrong);
		http_close(&c[n]);
	}
	ck_assert_msg(n <= MAX / PIECE && n >= MAX / PIECE / 4, "%zu are held", n);
	/* those that were let in go on, and what they held is free again */
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++) {
			http_send_text(&c[i], cases[_i].end);
			expect(&c[i], &cases[_i].done);
			http_send_text(&c[i], cases[_i].begin);
			http_send(&c[i], piece, sizeof(piece));
		}
	}
	for (size_t i = 0; i < n; i++)
		http_close(&c[i]);
	sized_stop(&s);
}
END_TEST

/* What is taken of `len` bytes until nothing more is, though the worker has had its turns. */
static size_t
send_what_is_taken(struct http_conn *c, struct http_conn *control, const char *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(c->fd, data + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			let_it_work(control);
			n = send(c->fd, data + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0)
				break;
		}
		sent += (size_t)n;
	}
	return sent;
}

#define FLOOD_LINE "GET /000000 HTTP/1.1\r\nHost: a\r\n\r\n"
#define FLOOD_SIZE (sizeof(FLOOD_LINE) - 1)

/* Numbered requests, so that their answers are told apart. */
static char *
make_flood(size_t n)
{
	char *flood = malloc(n * FLOOD_SIZE + 1);

	ck_assert_ptr_nonnull(flood);
	for (size_t i = 0; i < n; i++)
		sprintf(flood + i * FLOOD_SIZE, "GET /%06zu HTTP/1.1\r\nHost: a\r\n\r\n", i);
	return flood;
}

/* Pipelines are read no further than there is room for their answers, and lose nothing by that. */
START_TEST(pipelines_wait_for_who_does_not_read)
{
	enum { N = 200000 };
	char *flood = make_flood(N);
	struct http_conn c;
	struct sized s;
	char body[32];

	sized_start(&s, "http.write_timeout=1h", NULL);
	http_open_unix(&c, s.r.path);
	const size_t sent = send_what_is_taken(&c, &s.control, flood, N * FLOOD_SIZE);
	ck_assert_msg(sent < 2u << 20, "%zu bytes of requests are taken", sent);
	const long grown = sized_growth_kb(&s);
	ck_assert_msg(grown < 2048, "it grew by %ld kB", grown);
	/* the last one was cut anywhere */
	const size_t whole = sent / FLOOD_SIZE, cut = sent % FLOOD_SIZE;
	for (size_t i = 0; i <= whole; i++) {
		if (i == whole && cut == 0)
			break;
		if (i == whole)
			http_send(&c, flood + sent, FLOOD_SIZE - cut);
		snprintf(body, sizeof(body), "Hello, %06zu", i);
		expect(&c, &(struct rule_answer){200, NULL, body});
	}
	http_close(&c);
	free(flood);
	sized_stop(&s);
}
END_TEST

START_TEST(pipelines_wait_for_a_slow_answer)
{
	enum { N = 200000 };
	char *flood = make_flood(N);
	struct http_conn c;
	struct sized s;
	int fd;
	char *database = rules_mute_database(&fd);

	sized_start(&s, "store.queue_timeout=5m", database);
	http_open_unix(&c, s.r.path);
	http_send_text(&c, GET(PRODUCTS "/1", ""));
	const size_t sent = send_what_is_taken(&c, &s.control, flood, N * FLOOD_SIZE);
	ck_assert_msg(sent < 1u << 20, "%zu bytes of requests are taken", sent);
	const long grown = sized_growth_kb(&s);
	ck_assert_msg(grown < 1024, "it grew by %ld kB", grown);
	ck_assert(!has_come(&c));
	http_close(&c);
	free(flood);
	free(database);
	close(fd);
	sized_stop(&s);
}
END_TEST

/* ---- whose turn it is ---- */

/* In a process of its own: requests without end, as fast as answers are made. */
static pid_t
flood_in_child(const char *path)
{
	enum { BATCH = 4000 };
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	it_die_with_test();
	static char sink[1 << 20];
	char *flood = make_flood(BATCH);
	struct http_conn c;
	http_open_unix(&c, path);
	for (size_t at = 0;;) {
		struct pollfd p = {c.fd, POLLIN | POLLOUT, 0};
		poll(&p, 1, -1);
		ssize_t n =
		    send(c.fd, flood + at, BATCH * FLOOD_SIZE - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			at = (at + (size_t)n) % (BATCH * FLOOD_SIZE);
		if (recv(c.fd, sink, sizeof(sink), MSG_DONTWAIT) == 0)
			_exit(1);
	}
}

/* One connection cannot hold the loop, nor can a few. */
START_TEST(a_flood_of_one_is_no_drought_of_others)
{
	enum { FLOODS = 4, PROMPT_MS = 3000 };
	pid_t child[FLOODS];
	struct sized s;

	sized_start(&s, NULL, NULL);
	for (int i = 0; i < FLOODS; i++)
		child[i] = flood_in_child(s.r.path);
	for (int i = 0; i < 300; i++) {
		const uint64_t began = it_now_ms();
		ask(&s.control);
		ck_assert_msg(it_now_ms() - began < PROMPT_MS, "an answer took %llu ms",
			      (unsigned long long)(it_now_ms() - began));
	}
	for (int i = 0; i < FLOODS; i++) {
		ck_assert_int_eq(kill(child[i], SIGKILL), 0);
		ck_assert_int_eq(it_wait_pid(child[i]), 128 + SIGKILL);
	}
	let_it_work(&s.control);
	sized_stop(&s);
}
END_TEST

/* What a process has used of the CPU; 0 where the kernel does not count it. */
static uint64_t
cpu_us(pid_t pid)
{
	char *path = it_printf("/proc/%d/schedstat", (int)pid);
	char *text = it_read_file(path);
	const uint64_t ns = text ? strtoull(text, NULL, 10) : 0;

	free(path);
	free(text);
	return ns / 1000;
}

/* At most 10 ms of work for one request, whatever the largest body has in it. */
START_TEST(the_largest_body_is_no_long_turn)
{
	enum { MAX = 64 << 10, MAX_US = 10000 };
	/* begun, filled and ended */
	static const struct {
		const char *begin, *filling, *end;
	} bodies[] = {
	    {"{\"name\":\"", "a", "\"}"},
	    {"{\"name\":\"", "\\u0041", "\"}"},
	    {"{\"name\":\"", "\xf0\x9f\x98\x80", "\"}"},
	    {"[", "1,", "1]"},
	    {"[", "1e-300,", "1]"},
	    {"[", "{},", "1]"},
	    {"[", "\"\",", "1]"},
	    {"", "[", ""},
	    {"{", "\"\":1,", "\"\":1}"},
	    {"{", " ", "}"},
	    {"", "x", ""},
	};
	const size_t begin_len = strlen(bodies[_i].begin), end_len = strlen(bodies[_i].end);
	const size_t filling_len = strlen(bodies[_i].filling);
	char *body = malloc(MAX + 1);
	struct sized s;
	struct http_answer a;
	int fd;
	char *database = rules_mute_database(&fd);

	ck_assert_ptr_nonnull(body);
	strcpy(body, bodies[_i].begin);
	size_t len = begin_len;
	for (; len + filling_len + end_len <= MAX; len += filling_len)
		memcpy(body + len, bodies[_i].filling, filling_len);
	strcpy(body + len, bodies[_i].end);
	sized_start(&s, "store.connect_timeout=5m", database);
	const uint64_t before = cpu_us(s.r.workers[0]);
	http_exchange(&s.control, "POST", PRODUCTS, JSON, body, &a);
	const uint64_t took = cpu_us(s.r.workers[0]) - before;
	ck_assert_msg(a.status == 400 || a.status == 422, "%s%s", a.head, a.body);
	ck_assert_msg(it_has_sanitizers() || took <= MAX_US, "it took %llu us",
		      (unsigned long long)took);
	http_answer_fini(&a);
	sized_stop(&s);
	close(fd);
	free(database);
	free(body);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "many");

	tcase_add_test(tc, connections_are_bounded);
	tcase_add_test(tc, without_descriptors_clients_are_told);
	tc = it_case(s, "much");
	tcase_add_loop_test(tc, connections_hold_next_to_nothing, 0, 4);
	tcase_add_loop_test(tc, unfinished_requests_share_one_bound, 0, 2);
	tcase_add_test(tc, pipelines_wait_for_who_does_not_read);
	tcase_add_test(tc, pipelines_wait_for_a_slow_answer);
	tc = it_case(s, "turns");
	tcase_add_test(tc, a_flood_of_one_is_no_drought_of_others);
	tcase_add_loop_test(tc, the_largest_body_is_no_long_turn, 0, 11);
}

int
main(void)
{
	return it_main("rules_limits", fill, 0);
}
