/*
 * it_chat_lock.c - a worker of the real daemon is stopped while it holds a lock of the log: what
 * needs that lock is refused for a while, everything else goes on, and all is well when the worker
 * goes on, or is killed.
 *
 * It is stopped at random while it publishes, until it is caught: the lock's word says who holds
 * it. It lies in the memory that the workers share, which is read by way of /proc.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/json_client.c tests/it/pg.c -ljansson */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "hub/log_area.h"
#include "json_client.h"

#define CLIENTS 16
/* Copying is most of what is done with the lock: the longer, the sooner one is caught. */
#define LOAD      60000
#define PIPELINED 8
/* So many that some are in the shard of the lobby, and some are not. */
#define ROOMS 40
/* The holder's thread in the word of a robust mutex (linux/futex.h). */
#define TID_MASK 0x3fffffff

static struct daemon *d;
static struct ws ws[CLIENTS];       /* in the lobby, JSON */
static struct http_conn c[CLIENTS]; /* nothing has been asked on them yet */
static pid_t holder, other;
static struct http_conn *load, *quiet; /* one of the holder's, one of the other's */
static struct ws *talker;              /* of the other's */
static int memory;                     /* of the other */
static off_t area;                     /* in there */

/* The log in the memory of a process: in what it shares, at the head of a page. */
static off_t
find_area(pid_t pid)
{
	const off_t page = sysconf(_SC_PAGESIZE);
	char *path = it_printf("/proc/%d/maps", (int)pid);
	char *maps = it_read_file(path), *line, *rest = maps;
	off_t found = 0;

	ck_assert_ptr_nonnull(maps);
	while (!found && (line = strsep(&rest, "\n"))) {
		unsigned long long begin, end;
		char access[8];

		if (sscanf(line, "%llx-%llx %7s", &begin, &end, access) != 3 ||
		    strcmp(access, "rw-s") != 0)
			continue;
		for (off_t at = (off_t)begin; !found && at < (off_t)end; at += page) {
			uint64_t magic;

			if (pread(memory, &magic, sizeof(magic), at) == sizeof(magic) &&
			    magic == LOG_MAGIC)
				found = at;
		}
	}
	free(maps);
	free(path);
	ck_assert_msg(found, "the workers share no log");
	return found;
}

/* Who holds a shard's lock now, 0: nobody. */
static pid_t
holder_of(unsigned shard)
{
	pthread_mutex_t mutex;
	const off_t at =
	    area + (off_t)(offsetof(struct chat_log_area, shard) +
			   shard * sizeof(struct log_shard) + offsetof(struct log_shard, mutex));

	ck_assert_int_eq(pread(memory, &mutex, sizeof(mutex), at), sizeof(mutex));
	return mutex.__data.__lock & TID_MASK;
}

static bool
is_stopped(pid_t pid)
{
	char *path = it_printf("/proc/%d/stat", (int)pid);
	char *text = it_read_file(path);
	const char *state = text ? strrchr(text, ')') : NULL;
	const bool result = state && state[1] == ' ' && state[2] == 'T';

	free(text);
	free(path);
	return result;
}

static void
send_load(void)
{
	static char body[LOAD];

	memset(body, 'x', sizeof(body));
	for (unsigned i = 0; i < PIPELINED; i++) {
		http_sendf(load,
			   "POST /chat/lobby HTTP/1.1\r\nHost: localhost\r\n"
			   "Content-Length: %d\r\n\r\n",
			   LOAD);
		http_send(load, body, sizeof(body));
	}
}

static void
read_load(void)
{
	for (unsigned i = 0; i < PIPELINED; i++) {
		struct http_answer a;

		http_read(load, "POST", &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
	}
}

/* Returns with the holder stopped, and a lock held by it; its answers are to be read yet. */
static void
catch_it(void)
{
	struct it_wait wait = it_wait_begin();

	for (unsigned spin = 0;; spin = spin * 1103515245 + 12345) {
		send_load();
		for (volatile unsigned i = 0; i < spin / 65536; i++)
			;
		ck_assert_int_eq(kill(holder, SIGSTOP), 0);
		WAIT_UNTIL(is_stopped(holder));
		for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
			if (holder_of(shard) == holder)
				return;
		}
		ck_assert_int_eq(kill(holder, SIGCONT), 0);
		read_load();
		it_wait_again(&wait, __FILE__, __LINE__, "a worker that is stopped with a lock");
	}
}

static void
setup(void)
{
	/* the lobby's members get nothing to read: they are not to be behind */
	d = daemon_start("chat.client_queue_size=64m", "chat.room_log_size=32m",
			 "chat.log_size=256m", NULL);
	ws_open_everywhere(ws, CLIENTS, d, "/chat/talk?mode=json");
	other = daemon_worker_of(d, ws[0].c.fd);
	talker = &ws[0];
	free(next_text(talker));
	load = quiet = NULL;
	for (unsigned i = 0; i < CLIENTS; i++) {
		http_open(&c[i], daemon_port(d));
		const pid_t pid = daemon_worker_of(d, c[i].fd);
		if (pid == other) {
			quiet = &c[i];
		} else {
			load = &c[i];
			holder = pid;
		}
	}
	ck_assert_msg(load && quiet, "one worker has all connections");
	char *path = it_printf("/proc/%d/mem", (int)other);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(memory >= 0, "%s cannot be read", path);
	free(path);
	area = find_area(other);
}

static void
teardown(void)
{
	close(memory);
	for (unsigned i = 0; i < CLIENTS; i++) {
		ws_drop(&ws[i]);
		http_close(&c[i]);
	}
	daemon_stop(d);
}

static void
refused_http(const char *method, const char *target, const char *body)
{
	struct http_answer a;

	http_exchange(quiet, method, target, NULL, body, &a);
	ck_assert_msg(a.status == 503, "%s %s: %d", method, target, a.status);
	ck_assert_ptr_nonnull(strstr(a.body, "chat-busy"));
	ck_assert_str_eq(http_field(&a, "Retry-After"), "1");
	http_answer_fini(&a);
}

/* What comes of a room before it is thrown away. */
static char *
next_reply(struct ws *w)
{
	for (;;) {
		char *text = next_text(w);

		if (strstr(text, "\"id\":"))
			return text;
		free(text);
	}
}

#define BUSY(id)                                                                                  \
	"{\"id\":" id ",\"t\":\"err\",\"code\":\"unavailable\",\"msg\":\"the log of messages is " \
	"busy\",\"temp\":true,\"retry\":1000}"

START_TEST(a_stopped_holder_costs_an_error)
{
	const bool is_killed = _i;
	unsigned n_busy = 0;
	struct http_answer a;

	for (unsigned i = 0; i < ROOMS; i++) {
		char *join = it_printf("{\"id\":1,\"t\":\"join\",\"room\":\"s%u\"}", i);

		ws_send(talker, join);
		free(next_text(talker));
		free(join);
	}
	asks(talker, "{\"id\":1,\"t\":\"join\",\"room\":\"lobby\"}",
	     JOINED("1", "lobby", "0", "1", "false", "0", "1"));
	asks(talker, "{\"id\":2,\"t\":\"leave\",\"room\":\"lobby\"}",
	     "{\"id\":2,\"t\":\"ok\",\"room\":\"lobby\"}");
	catch_it();
	asks(talker, "{\"id\":3,\"t\":\"join\",\"room\":\"lobby\"}", BUSY("3"));
	refused_http("POST", "/chat/lobby", "x");
	refused_http("GET", "/chat/lobby/members", NULL);
	refused_http("GET", "/chat/lobby/events", NULL);
	/* what is published can be read without the lock */
	http_exchange(quiet, "GET", "/chat/lobby/history?limit=1", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	/* of its other rooms those of other shards know nothing of it */
	for (unsigned i = 0; i < ROOMS; i++) {
		char *pub = it_printf("{\"id\":5,\"t\":\"pub\",\"room\":\"s%u\",\"data\":1}", i);

		ws_send(talker, pub);
		char *reply = next_reply(talker);
		if (strcmp(reply, BUSY("5")) == 0)
			n_busy++;
		else
			ck_assert_msg(strstr(reply, "\"t\":\"ok\""), "%s", reply);
		free(reply);
		free(pub);
	}
	ck_assert_uint_gt(n_busy, 0);
	ck_assert_uint_lt(n_busy, ROOMS);
	if (is_killed) {
		const size_t mark = daemon_log_mark(d);

		ck_assert_int_eq(kill(holder, SIGKILL), 0);
		free(daemon_log_wait(d, mark, "died writing to shard"));
		daemon_wait_workers(d, 2);
	} else {
		ck_assert_int_eq(kill(holder, SIGCONT), 0);
		read_load();
	}
	http_exchange(quiet, "POST", "/chat/lobby", NULL, "x", &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	ws_send(talker, "{\"id\":4,\"t\":\"presence\",\"room\":\"talk\"}");
	char *reply = next_reply(talker);
	ck_assert_msg(strstr(reply, "\"t\":\"ok\""), "%s", reply);
	free(reply);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "chat lock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_stopped_holder_costs_an_error, 0, 2);
}

int
main(void)
{
	return it_main("chat_lock", fill, 0);
}
