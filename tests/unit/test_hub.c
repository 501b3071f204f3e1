/* links: $(hub_sources) $(door) src/http/json_text.c src/http/query.c src/proc/segment.c
 * src/proc/doorbell.c -levent_core -lwebsockets -ljansson -lcrypto -lz -lpthread -lm */
/*
 * test_hub.c - chat over several workers: real processes around one segment, raw clients.
 */
#include "hub/hub.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/frame.h"
#include "hub/hub_private.h"
#include "hub/hub_segment.h"
#include "hub/log_area.h"
#include "ws_client.h"

#define WORKERS 3

struct worker {
	int listener;
	uint16_t port;
	pid_t pid;
};

static struct config config;
static struct segment *segment;
static struct doorbell bell;
static struct worker worker[WORKERS];

static struct loop *loop;
static struct hub *hub;
static struct watch accepting, stopping;

/* The first line says where to: "GET /chat/room HTTP/1.1". */
static void
accept_cb(void *arg, short what)
{
	static char head[65536];
	char path[128];
	int sndbuf = 65536; /* so that the kernel does not hide a client that does not read */
	size_t len;
	int fd = server_accept(*(int *)arg, head, sizeof(head), &len);

	(void)what;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	if (!hub_has_room(hub) || sscanf(head, "GET %127s ", path) != 1) {
		close(fd);
		return;
	}
	const bool is_echo = strcmp(path, "/echo") == 0;
	const char *room = strcmp(path, "/chat") == 0 ? "lobby" : path + strlen("/chat/");
	const struct upgrade_socket socket = {
	    .fd = fd, .is_local = true, .head = span_from(head, len)};
	const struct adopt_wish wish = {
	    .kind = is_echo ? CLIENT_ECHO : CLIENT_PLAIN,
	    .room = is_echo ? SPAN_LIT("") : span_str(room),
	};
	enum log_result result;
	struct client *client = hub_admit(hub, &wish, &result);
	if (client)
		hub_adopt(client, &socket);
	else
		close(fd);
}

static void
emptied(void *ctx)
{
	(void)ctx;
	if (hub->closing)
		loop_stop(loop);
}

static void
stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_stop(&accepting);
	hub_close_all(hub, CLOSE_GOING_AWAY);
	if (hub_connections(hub) == 0)
		loop_stop(loop);
}

static void
serve(unsigned slot)
{
	loop = loop_new();
	hub = hub_new(loop, &config, segment, &bell, slot);
	if (!loop || !hub)
		_exit(1);
	hub_on_empty(hub, emptied, NULL);
	watch_init(&accepting, loop, worker[slot].listener, LOOP_READ, "accept", accept_cb,
		   &worker[slot].listener);
	watch_init_signal(&stopping, loop, SIGTERM, "stop", stop_cb, NULL);
	watch_start(&accepting);
	watch_start(&stopping);
	server_is_ready();
	loop_run(loop);
	hub_free(&hub);
	watch_stop(&stopping);
	loop_free(&loop);
}

static void
start_worker(unsigned i)
{
	worker[i].pid = server_fork();
	if (worker[i].pid == 0) {
		serve(i);
		exit(0);
	}
}

static void
setup(void)
{
	config = (struct config){
	    .chat_max_message_size = 65536,
	    .chat_client_queue_size = 65536,
	    .chat_ping_interval = 25000,
	    .chat_pong_timeout = 10000,
	    .chat_log_size = 8u << 20,
	    .chat_room_log_size = 2u << 20,
	    .chat_max_rooms = 1000,
	    .chat_history_messages = 1000,
	    .chat_history_age = 3600 * 1000,
	    .chat_max_input_memory = 64u << 20,
	    .chat_max_output_memory = 64u << 20,
	    .chat_compression = 1, /* off */
	    .http_max_connections = 100,
	};
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	segment = segment_new(hub_memory(&config));
	ck_assert_ptr_nonnull(segment);
	ck_assert(hub_log_format(segment, &config));
	ck_assert(doorbell_init(&bell));
	for (unsigned i = 0; i < WORKERS; i++)
		worker[i].listener = server_listen(&worker[i].port);
}

static void
start_all(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		start_worker(i);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (worker[i].pid)
			server_end(worker[i].pid);
		worker[i].pid = 0;
	}
	free(segment);
}

static int
open_path(unsigned i, const char *path, int rcvbuf)
{
	char head[512];
	int fd = client_connect_small(worker[i].port, rcvbuf);
	int len = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n%s\r\n", path,
			   strchr(CLIENT_HEAD, '\n') + 1);

	ck_assert(client_write(fd, head, (size_t)len));
	client_expect_101(fd);
	return fd;
}

START_TEST(every_client_on_every_worker_gets_every_message)
{
	int fd[2 * WORKERS], elsewhere;

	start_all();
	elsewhere = open_path(0, "/chat/elsewhere", 0);
	for (unsigned i = 0; i < 2 * WORKERS; i++)
		fd[i] = open_path(i % WORKERS, i < WORKERS ? "/chat" : "/chat/lobby", 0);
	for (unsigned i = 0; i < 2 * WORKERS; i++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "{\"t\":\"join\"} from %u", i);

		ck_assert(client_send(fd[i], FIN | (i % 2 ? TEXT : BINARY), text, (size_t)n));
		for (unsigned j = 0; j < 2 * WORKERS; j++)
			client_expect(fd[j], FIN | (i % 2 ? TEXT : BINARY), text, (size_t)n);
	}
	client_text(fd[0], "");
	client_expect_text(fd[1], "");
	/* nothing of it, and nothing of the server's own, went elsewhere */
	client_text(elsewhere, "alone");
	client_expect_text(elsewhere, "alone");
	for (unsigned i = 0; i < 2 * WORKERS; i++)
		close(fd[i]);
	close(elsewhere);
}
END_TEST

START_TEST(what_follows_the_handshake_at_once_reaches_its_sender)
{
	start_all();
	for (int i = 0; i < 50; i++) {
		unsigned char out[1024];
		size_t len = sizeof(CLIENT_HEAD) + 1;
		int fd = client_connect_small(worker[i % WORKERS].port, 0);

		memcpy(out, CLIENT_HEAD "\r\n", len);
		len += client_frame(out + len, FIN | TEXT, "first", 5);
		ck_assert(client_write(fd, out, len));
		client_expect_101(fd);
		client_expect_text(fd, "first");
		close(fd);
	}
}
END_TEST

/* Publishers on all workers at once; each client must see the same order. */
START_TEST(one_order_for_all)
{
	enum { EACH = 2000, MESSAGES = EACH * WORKERS };
	static char order[WORKERS][MESSAGES][16];
	int reader[WORKERS];
	pid_t publisher[WORKERS];

	config.chat_client_queue_size = 8u << 20;
	start_all();
	for (unsigned i = 0; i < WORKERS; i++)
		reader[i] = open_path(i, "/chat", 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		publisher[i] = fork();
		if (publisher[i])
			continue;
		int fd = open_path(i, "/chat", 0);
		pid_t drain = fork();
		if (drain == 0) {
			static char sink[65536];
			while (recv(fd, sink, sizeof(sink), 0) > 0)
				;
			_exit(0);
		}
		for (unsigned n = 0; n < EACH; n++) {
			char text[16];
			snprintf(text, sizeof(text), "%u-%u", i, n);
			if (!client_send(fd, FIN | TEXT, text, strlen(text)))
				_exit(1);
		}
		pause();
		_exit(0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		static struct client_message m;

		for (unsigned n = 0; n < MESSAGES; n++) {
			ck_assert_uint_eq(client_receive(reader[i], &m), FIN | TEXT);
			ck_assert_uint_lt(m.len, 16);
			strcpy(order[i][n], (char *)m.data);
		}
	}
	for (unsigned i = 1; i < WORKERS; i++)
		ck_assert_mem_eq(order[i], order[0], sizeof(order[0]));
	unsigned next[WORKERS] = {0};
	for (unsigned n = 0; n < MESSAGES; n++) {
		unsigned i, number;

		ck_assert_int_eq(sscanf(order[0][n], "%u-%u", &i, &number), 2);
		ck_assert_uint_lt(i, WORKERS);
		ck_assert_uint_eq(number, next[i]);
		next[i]++;
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		kill(publisher[i], SIGKILL);
		waitpid(publisher[i], NULL, 0);
		close(reader[i]);
	}
}
END_TEST

START_TEST(nobody_publishes_in_the_daemons_rooms)
{
	start_all();
	int talker = open_path(0, "/chat/_products", 0);
	int listener = open_path(1, "/chat/_products", 0);

	ck_assert(client_send(listener, FIN | PING, "x", 1));
	client_expect(listener, FIN | PONG, "x", 1);
	client_text(talker, "fake news");
	ck_assert_uint_eq(client_closed_with(talker), CLOSE_POLICY);
	ck_assert(client_send(listener, FIN | PING, "y", 1));
	client_expect(listener, FIN | PONG, "y", 1);
	close(listener);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_closed_with_4008)
{
	static char text[8000];

	memset(text, 'x', sizeof(text));
	start_all();
	int deaf = open_path(1, "/chat", 4096);
	int other = open_path(1, "/chat", 0);
	int talker = open_path(0, "/chat", 0);
	struct client_message *m = malloc(sizeof(*m));
	ck_assert_ptr_nonnull(m);
	/* kernel buffers, then the library's, then chat.client_queue_size; 5 s to be told */
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(client_send(talker, FIN | TEXT, text, sizeof(text)));
		ck_assert_uint_eq(client_receive(talker, m), FIN | TEXT);
		ck_assert_uint_eq(client_receive(other, m), FIN | TEXT);
		ck_assert_uint_eq(m->len, sizeof(text));
	}
	ck_assert_uint_eq(client_closed_with(deaf), CLOSE_SLOW);
	client_text(talker, "bye");
	client_expect_text(talker, "bye");
	client_expect_text(other, "bye");
	free(m);
	close(talker);
	close(other);
}
END_TEST

START_TEST(a_slow_client_that_reads_gets_everything)
{
	static char text[8000];
	unsigned n = 200;

	memset(text, 'x', sizeof(text));
	config.chat_client_queue_size = 4u << 20;
	start_all();
	int slow = open_path(1, "/chat", 4096);
	int talker = open_path(0, "/chat", 0);
	for (unsigned i = 0; i < n; i++) {
		text[0] = (char)('a' + i % 26);
		ck_assert(client_send(talker, FIN | TEXT, text, sizeof(text)));
		client_expect(talker, FIN | TEXT, text, sizeof(text));
	}
	for (unsigned i = 0; i < n; i++) {
		text[0] = (char)('a' + i % 26);
		client_expect(slow, FIN | TEXT, text, sizeof(text));
	}
	client_text(slow, "caught up");
	client_expect_text(slow, "caught up");
	close(slow);
	close(talker);
}
END_TEST

START_TEST(silence_is_pinged_and_then_closed)
{
	static struct client_message m;

	config.chat_ping_interval = 200;
	config.chat_pong_timeout = 300;
	start_all();
	int polite = open_path(0, "/chat", 0);
	int mute = open_path(0, "/chat", 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(client_receive(polite, &m), FIN | PING);
		ck_assert(client_send(polite, FIN | PONG, m.data, m.len));
	}
	/* any byte counts */
	client_text(polite, "x");
	client_expect_text(polite, "x");
	ck_assert_uint_eq(client_receive(mute, &m), FIN | PING);
	ck_assert_uint_eq(client_closed_with(mute), CLOSE_NO_PONG);
	close(polite);
}
END_TEST

START_TEST(a_stop_closes_all_with_1001)
{
	int fd[30], status;

	start_all();
	for (unsigned i = 0; i < 30; i++)
		fd[i] = open_path(0, i % 3 ? "/chat" : "/echo", 0);
	kill(worker[0].pid, SIGTERM);
	for (unsigned i = 0; i < 30; i++)
		ck_assert_uint_eq(client_closed_with(fd[i]), CLOSE_GOING_AWAY);
	ck_assert_int_eq(waitpid(worker[0].pid, &status, 0), worker[0].pid);
	ck_assert_int_eq(status, 0);
	worker[0].pid = 0;
}
END_TEST

/* Clients that neither read nor answer hold a stop up for a bounded time. */
START_TEST(a_stop_does_not_wait_for_the_deaf)
{
	int fd[3], status;

	start_all();
	for (unsigned i = 0; i < 3; i++)
		fd[i] = open_path(0, "/chat", 0);
	uint64_t begin_ms = clock_monotonic_ms();
	kill(worker[0].pid, SIGTERM);
	ck_assert_int_eq(waitpid(worker[0].pid, &status, 0), worker[0].pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, 8000);
	worker[0].pid = 0;
	for (unsigned i = 0; i < 3; i++)
		close(fd[i]);
}
END_TEST

START_TEST(more_than_max_connections_are_refused)
{
	char byte;
	int fd[4], extra;

	config.http_max_connections = 4;
	start_all();
	for (unsigned i = 0; i < 4; i++)
		fd[i] = open_path(0, "/chat", 0);
	extra = client_connect_small(worker[0].port, 0);
	ck_assert(client_write(extra, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	ck_assert_int_le(recv(extra, &byte, 1, 0), 0);
	close(extra);
	client_send(fd[0], FIN | CLOSE, "\x03\xe8", 2);
	ck_assert_uint_eq(client_closed_with(fd[0]), 1000);
	fd[0] = open_path(0, "/chat", 0);
	for (unsigned i = 0; i < 4; i++)
		close(fd[i]);
}
END_TEST

/*
 * A child that publishes `n` messages of 8000 bytes, at most 8 of them ahead of what comes back,
 * which it checks. Exits 0.
 */
static pid_t
talk_in_child(int fd, unsigned n)
{
	enum { AHEAD = 8 };
	static char text[8000];
	static struct client_message m;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	memset(text, ' ', sizeof(text));
	for (unsigned i = 0; i < n + AHEAD; i++) {
		if (i < n) {
			int len = snprintf(text, sizeof(text), "%u", i);
			text[len] = ' ';
			if (!client_send(fd, FIN | TEXT, text, sizeof(text)))
				_exit(1);
		}
		if (i >= AHEAD && (client_receive(fd, &m) != (FIN | TEXT) ||
				   atoi((char *)m.data) != (int)(i - AHEAD)))
			_exit(2);
	}
	_exit(0);
}

static void
expect_exit_0(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/*
 * A reader that comes forward, but slowly: publishers go no further than the log can keep for it.
 * This process plays the slow worker, in a slot of its own.
 */
START_TEST(publishers_wait_for_a_busy_worker)
{
	enum { SLOT = 77 };
	struct chat_log log;
	struct log_room lobby;
	uint64_t begin, pos;

	start_all();
	ck_assert(hub_log_attach(&log, segment));
	int talker = open_path(0, "/chat", 0);
	/* position 0 is nobody's */
	client_text(talker, "first");
	client_expect_text(talker, "first");
	ck_assert(chat_log_find_room(&log, SPAN_LIT("lobby"), &lobby));
	const unsigned shard = lobby.shard;
	begin = pos = chat_log_written(&log, shard);
	chat_log_set_reader(&log, SLOT, shard, pos);
	/* not a publisher: each answer to it is a pass of their worker, in which they might go on
	 */
	int pacer = open_path(0, "/echo", 0);
	pid_t child = talk_in_child(talker, 1000);
	for (unsigned held = 0; held < 2000;) {
		ck_assert(client_send(pacer, FIN | PING, "", 0));
		client_expect(pacer, FIN | PONG, "", 0);
		chat_log_set_reader(&log, SLOT, shard, pos += 16);
		uint64_t behind = chat_log_written(&log, shard) - begin;
		ck_assert_uint_le(behind, log.room_max / 4 * 3);
		if (behind > log.room_max / 2)
			held++;
	}
	close(pacer);
	/* it has caught up: all go on */
	chat_log_set_reader(&log, SLOT, shard, 0);
	expect_exit_0(child);
	ck_assert_uint_gt(chat_log_written(&log, shard) - begin, 3 * log.room_max);
	close(talker);
}
END_TEST

START_TEST(publishers_do_not_wait_for_a_stopped_worker)
{
	start_all();
	int reader = open_path(1, "/chat", 0);
	int talker = open_path(0, "/chat", 0);
	client_text(talker, "first");
	client_expect_text(talker, "first");
	client_expect_text(reader, "first");
	kill(worker[1].pid, SIGSTOP);
	expect_exit_0(talk_in_child(talker, 1000));
	/* nobody can say what its own clients missed; they are told that much */
	kill(worker[1].pid, SIGCONT);
	ck_assert_uint_eq(client_closed_with(reader), CLOSE_LOST);
	close(talker);
}
END_TEST

/* Messages of all sizes from one worker, which is killed; the others serve on, in order. */
START_TEST(a_killed_worker_takes_nothing_with_it)
{
	config.chat_client_queue_size = 1u << 20;
	for (int round = 0; round < 10; round++) {
		if (round == 0)
			start_all();
		int reader = open_path(1, "/chat", 0);
		struct client_message *m = malloc(sizeof(*m));
		ck_assert_ptr_nonnull(m);
		pid_t flooder = fork();
		ck_assert_int_ge(flooder, 0);
		if (flooder == 0) {
			static unsigned char text[3000];
			int fd = open_path(0, "/chat/lobby", 0);

			for (unsigned i = 0;; i++) {
				char number[16];
				int n = snprintf(number, sizeof(number), "%u,", i);
				memset(text, 'x', sizeof(text));
				memcpy(text, number, (size_t)n);
				if (!client_send(fd, FIN | TEXT, text, 20 + i * 7 % 200))
					_exit(0);
				/* as fast as its messages come back, so that all can follow */
				if (i >= 20 && !client_receive(fd, m))
					_exit(0);
			}
		}
		unsigned next = 0;
		for (; next < 50; next++) {
			ck_assert_uint_eq(client_receive(reader, m), FIN | TEXT);
			ck_assert_int_eq(atoi((char *)m->data), next);
		}
		const struct chat_counters *counters = hub_counters(segment, 0);

		ck_assert_uint_eq(counters->members, 1);
		kill(worker[0].pid, SIGKILL);
		waitpid(worker[0].pid, NULL, 0);
		hub_log_recover(segment, &bell, 0);
		/* or the next one in this slot would begin with what is no more */
		ck_assert_uint_eq(counters->connections, 0);
		ck_assert_uint_eq(counters->rooms, 0);
		ck_assert_uint_eq(counters->members, 0);
		ck_assert_uint_ge(counters->messages_in, 50);
		start_worker(0);
		/* still there: the rest of the flood, then what comes now */
		int talker = open_path(0, "/chat", 0);
		client_text(talker, "after");
		for (;;) {
			ck_assert_uint_eq(client_receive(reader, m), FIN | TEXT);
			if (strcmp((char *)m->data, "after") == 0)
				break;
			ck_assert_int_eq(atoi((char *)m->data), next++);
		}
		client_expect_text(talker, "after");
		free(m);
		waitpid(flooder, NULL, 0);
		close(talker);
		close(reader);
	}
}
END_TEST

/* ---- what is counted ---- */

/* Waits for what a worker does at the end of a pass. */
static void
wait_for(const _Atomic uint64_t *counter, uint64_t n)
{
	const uint64_t until_ms = clock_monotonic_ms() + CLIENT_TIMEOUT_S * 1000;

	while (atomic_load(counter) < n && clock_monotonic_ms() < until_ms)
		sched_yield();
	ck_assert_uint_eq(atomic_load(counter), n);
}

/* Who listens to the members of a room elsewhere is not to hear of it when it happens to wake. */
START_TEST(who_comes_or_goes_wakes_those_who_sleep)
{
	const uint64_t until_ms = clock_monotonic_ms() + CLIENT_TIMEOUT_S * 1000;
	const struct chat_counters *counters = hub_counters(segment, 0);

	start_all();
	/* where nobody else is, nobody is woken */
	for (unsigned i = 0; i < 50; i++)
		close(open_path(0, "/chat", 0));
	int elsewhere = open_path(1, "/chat/other", 0);
	ck_assert_uint_eq(counters->wakes, 0);
	/* the others may not be asleep yet, and need no bell then */
	while (counters->wakes == 0 && clock_monotonic_ms() < until_ms)
		close(open_path(0, "/chat/other", 0));
	ck_assert_uint_gt(counters->wakes, 0);
	ck_assert_uint_eq(counters->messages_in, 0);
	close(elsewhere);
}
END_TEST

START_TEST(locks_of_the_dead_are_counted)
{
	const struct chat_counters *counters = hub_counters(segment, 0);
	struct chat_log log;
	int status;

	start_all();
	int fd = open_path(0, "/chat/here", 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (!hub_log_attach(&log, segment))
			_exit(1);
		for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
			if (pthread_mutex_lock(&log.area->shard[i].mutex) != 0)
				_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	client_text(fd, "on we go");
	client_expect_text(fd, "on we go");
	wait_for(&counters->repairs, 1);
	/* the master finds those that nobody has needed since */
	hub_log_recover(segment, &bell, 5);
	ck_assert_uint_eq(hub_counters(segment, 5)->repairs, CHAT_LOG_SHARDS - 1);
	close(fd);
}
END_TEST

static void
look_through(struct log_check *check)
{
	chat_log_check_begin(check);
	while (hub_log_check(segment, &bell, check))
		;
}

START_TEST(memory_is_looked_at_after_a_crash)
{
	const struct chat_counters *counters = hub_counters(segment, 0);
	struct log_check check = {0};
	const char *needle = "to be spoilt";
	char *at;

	start_all();
	int fd = open_path(0, "/chat/here", 0);
	client_text(fd, needle);
	client_expect_text(fd, needle);
	look_through(&check);
	ck_assert_uint_eq(counters->epochs, 0);
	at = memmem(segment->log, segment->log_bytes, needle, strlen(needle));
	ck_assert_ptr_nonnull(at);
	at[3] ^= 1;
	/* none is due */
	ck_assert(!hub_log_check(segment, &bell, &check));
	ck_assert_uint_eq(counters->epochs, 0);
	look_through(&check);
	ck_assert_uint_eq(counters->epochs, 1);
	/* who had heard it is still there, and hears what comes */
	client_text(fd, "well");
	client_expect_text(fd, "well");
	close(fd);
}
END_TEST

START_TEST(echo)
{
	static unsigned char want[66000], data[65536];
	const size_t prefix = strlen("Server received: ");
	int fd;

	start_all();
	fd = open_path(0, "/echo", 0);
	for (int i = 0; i < 5; i++) {
		char text[32], answer[64];

		snprintf(text, sizeof(text), "Message %d", i);
		snprintf(answer, sizeof(answer), "Server received: Message %d", i);
		client_text(fd, text);
		client_expect_text(fd, answer);
	}
	memcpy(want, "Server received: ", prefix);
	for (size_t i = 0; i < sizeof(data); i++)
		want[prefix + i] = data[i] = (unsigned char)(i * 7 >> 2);
	ck_assert(client_send(fd, FIN | BINARY, data, sizeof(data)));
	client_expect(fd, FIN | BINARY, want, prefix + sizeof(data));
	ck_assert(client_send(fd, FIN | BINARY, data, 0));
	client_expect(fd, FIN | BINARY, want, prefix);
	close(fd);
}
END_TEST

/* Who sends and does not read cannot make the server keep what it would answer. */
START_TEST(echo_stops_reading_from_one_that_does_not_read)
{
	static char text[5000];
	struct timeval short_time = {.tv_usec = 300 * 1000};
	unsigned sent = 0;

	memset(text, 'x', sizeof(text));
	start_all();
	int fd = open_path(0, "/echo", 4096);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof(short_time));
	while (sent < 20000 && client_send(fd, FIN | TEXT, text, sizeof(text)))
		sent++;
	ck_assert_uint_gt(sent, 2);
	ck_assert_uint_lt(sent, 20000);
	struct client_message *m = malloc(sizeof(*m));
	ck_assert_ptr_nonnull(m);
	for (unsigned i = 0; i < sent; i++) {
		ck_assert_uint_eq(client_receive(fd, m), FIN | TEXT);
		ck_assert_uint_eq(m->len, sizeof(text) + strlen("Server received: "));
	}
	free(m);
	close(fd);
}
END_TEST

/* Those that have been stuck for the longest have to go, and hear why. */
START_TEST(what_echo_holds_for_all_is_bounded)
{
	enum { DEAF = 20, MAX = 200000 };
	static char text[5000];
	const struct timeval short_time = {.tv_usec = 300 * 1000};
	const struct chat_counters *counters = hub_counters(segment, 0);
	int fd[DEAF], n = 0;

	memset(text, 'x', sizeof(text));
	config.chat_max_output_memory = MAX;
	start_all();
	while (n < DEAF && counters->kicks_slow == 0) {
		fd[n] = open_path(0, "/echo", 4096);
		setsockopt(fd[n], SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof(short_time));
		while (client_send(fd[n], FIN | TEXT, text, sizeof(text)))
			;
		ck_assert_uint_gt(counters->held_bytes, 0);
		n++;
	}
	ck_assert_uint_ge(counters->kicks_slow, 1);
	ck_assert_uint_le(counters->held_bytes, MAX);
	struct client_message *m = malloc(sizeof(*m));
	ck_assert_ptr_nonnull(m);
	unsigned first;
	while ((first = client_receive(fd[0], m)) == (FIN | TEXT))
		ck_assert_uint_eq(m->len, sizeof(text) + strlen("Server received: "));
	ck_assert_uint_eq(first, FIN | CLOSE);
	ck_assert_uint_eq((unsigned)m->data[0] << 8 | m->data[1], CLOSE_SLOW);
	free(m);
	while (n > 0)
		close(fd[--n]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hub");
	TCase *tc = tcase_create("hub");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_client_on_every_worker_gets_every_message);
	tcase_add_test(tc, what_follows_the_handshake_at_once_reaches_its_sender);
	tcase_add_test(tc, one_order_for_all);
	tcase_add_test(tc, nobody_publishes_in_the_daemons_rooms);
	tcase_add_test(tc, a_client_that_does_not_read_is_closed_with_4008);
	tcase_add_test(tc, a_slow_client_that_reads_gets_everything);
	tcase_add_test(tc, silence_is_pinged_and_then_closed);
	tcase_add_test(tc, a_stop_closes_all_with_1001);
	tcase_add_test(tc, a_stop_does_not_wait_for_the_deaf);
	tcase_add_test(tc, more_than_max_connections_are_refused);
	tcase_add_test(tc, publishers_wait_for_a_busy_worker);
	tcase_add_test(tc, publishers_do_not_wait_for_a_stopped_worker);
	tcase_add_test(tc, a_killed_worker_takes_nothing_with_it);
	tcase_add_test(tc, who_comes_or_goes_wakes_those_who_sleep);
	tcase_add_test(tc, locks_of_the_dead_are_counted);
	tcase_add_test(tc, memory_is_looked_at_after_a_crash);
	tcase_add_test(tc, echo);
	tcase_add_test(tc, echo_stops_reading_from_one_that_does_not_read);
	tcase_add_test(tc, what_echo_holds_for_all_is_bounded);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
