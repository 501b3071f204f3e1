/*
 * bench_chat.c - what a delivered chat message costs a server in CPU time.
 *
 * A closed loop: one of the members of a room publishes a burst of messages, and the next when
 * every member has got all bytes of it. The servers take turns; each round opens its members anew,
 * and the smallest of the rounds counts, since other work on the machine only ever makes one
 * dearer. As in cost_http.c the generator never sleeps on a machine with several CPUs, and the
 * server rests when its CPU time is read.
 *
 * Usage: bench_chat [OPTION...] NAME:PORT:PID[,PID...]...
 *   -m MEMBERS       1000
 *   -k BURST[,...]   messages sent together, 1: the next when the last has come; 1,8,64
 *   -s SIZE          bytes of a message, 64
 *   -d MILLISECONDS  for each burst size in a round, 200
 *   -r ROUNDS        5
 * Those whose name ends in /json have that mode. Beside such a one, the plain ones get messages of
 * the size that it makes of SIZE, so that the frames that go out are equally long.
 * Prints for each burst size and server: members, burst, name, nanoseconds of CPU per delivered
 * message, messages per write, bytes per message, messages a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_chat.h"
#include "client_http.h"

#define MAX_SERVERS 8
#define MAX_SIZES   8
#define BURST_MAX   1024
#define TIMEOUT_NS  UINT64_C(20000000000)
/* A server that has delivered everything sleeps by then. */
#define REST_US 3000
/* A member's segments are asked for with a system call each. */
#define SAMPLE 64

struct cost {
	double ns; /* 0: not measured yet */
	double messages_per_write;
	size_t bytes;
	double rate;
};

struct server {
	struct chat_server at;
	struct cost best[MAX_SIZES];
};

static size_t n_members = 1000, size = 64;
static unsigned burst_sizes[MAX_SIZES] = {1, 8, 64};
static size_t n_burst_sizes = 3;
static uint64_t for_ns = 200 * UINT64_C(1000000);
static struct server servers[MAX_SERVERS];
static size_t n_servers;
static bool has_json;
static size_t json_len = 0; /* of its last message */
static bool is_spinning;

static int *fds, epoll_fd;
static size_t *got; /* bytes of this burst, by member */
static unsigned char *out, *want, *in;
static size_t want_len, want_max;
static unsigned number; /* of the burst */

/* The text of message `i` of this burst. */
static size_t
make_text(const struct server *s, unsigned i, char text[CHAT_TEXT_MAX])
{
	size_t len = has_json && !s->at.is_json && json_len ? json_len : size;
	int head = snprintf(text, CHAT_TEXT_MAX, "%010u %010u ", number, i);

	memset(text + head, '0', len - (size_t)head);
	return len;
}

/* What the first member gets is looked at; the others have to get the same. */
static void
take_first(const struct server *s, unsigned burst)
{
	uint64_t begin = client_now_ns();
	size_t len = 0;
	unsigned n = 0;

	want_len = 0;
	while (n < burst) {
		ssize_t r = recv(fds[0], want + len, want_max - len, 0);
		struct chat_frame frame;

		if (r < 0 && errno == EAGAIN) {
			if (client_now_ns() - begin > TIMEOUT_NS)
				client_die("%s: %u of %u messages came", s->at.name, n, burst);
			if (!is_spinning)
				usleep(10);
			continue;
		}
		if (r <= 0)
			client_die("%s: the connection ends", s->at.name);
		len += (size_t)r;
		while (n < burst && chat_frame(want + want_len, len - want_len, &frame)) {
			char text[CHAT_TEXT_MAX];

			chat_check(&s->at, &frame, text, make_text(s, n, text));
			if (s->at.is_json)
				json_len = frame.len;
			want_len += frame.size;
			n++;
		}
	}
	if (want_len != len)
		client_die("%s: more than %u messages came", s->at.name, burst);
}

static void
take_others(const struct server *s)
{
	struct epoll_event event[512];
	uint64_t begin = client_now_ns();
	size_t missing = n_members - 1;

	memset(got, 0, n_members * sizeof(*got));
	while (missing > 0) {
		int n = epoll_wait(epoll_fd, event, 512, is_spinning ? 0 : 100);

		if (n <= 0 && client_now_ns() - begin > TIMEOUT_NS)
			client_die("%s: %zu members miss messages", s->at.name, missing);
		for (int i = 0; i < n; i++) {
			size_t m = event[i].data.u64;
			ssize_t len = recv(fds[m], in, want_max, 0);

			if (len < 0 && errno == EAGAIN)
				continue;
			if (len <= 0 || (size_t)len > want_len - got[m] ||
			    memcmp(in, want + got[m], (size_t)len) != 0)
				client_die("%s: member %zu got %s", s->at.name, m,
					   len <= 0 ? "the end" : "other bytes");
			got[m] += (size_t)len;
			if (got[m] == want_len)
				missing--;
		}
	}
}

static void
run_burst(const struct server *s, unsigned burst)
{
	size_t out_len = 0;

	number++;
	for (unsigned i = 0; i < burst; i++) {
		char text[CHAT_TEXT_MAX];
		size_t len = make_text(s, i, text);

		out_len += chat_publish(&s->at, out + out_len, text, len);
	}
	chat_send(fds[0], out, out_len);
	take_first(s, burst);
	take_others(s);
}

static uint64_t
count_writes(void)
{
	uint64_t writes = 0;

	for (size_t i = 0; i < n_members; i += 1 + n_members / SAMPLE)
		writes += chat_segments(fds[i]);
	return writes;
}

static void
measure(struct server *s, size_t which)
{
	unsigned burst = burst_sizes[which];
	uint64_t begin = client_now_ns(), now, bursts = 0;
	size_t sampled = 0;

	/* warm: caches, buffers that grow */
	do
		run_burst(s, burst);
	while (client_now_ns() - begin < for_ns / 4);
	usleep(REST_US);
	uint64_t writes = count_writes(), cpu = processes_cpu_ns(&s->at.processes);
	begin = client_now_ns();
	do {
		run_burst(s, burst);
		bursts++;
		now = client_now_ns();
	} while (now - begin < for_ns || bursts < 3);
	usleep(REST_US);
	cpu = processes_cpu_ns(&s->at.processes) - cpu;
	writes = count_writes() - writes;
	for (size_t i = 0; i < n_members; i += 1 + n_members / SAMPLE)
		sampled++;
	double messages = (double)bursts * burst;
	struct cost cost = {
	    .ns = (double)cpu / (messages * (double)n_members),
	    .messages_per_write = messages * (double)sampled / (double)writes,
	    .bytes = want_len / burst,
	    .rate = messages * 1e9 / (double)(now - begin),
	};
	if (s->best[which].ns == 0 || cost.ns < s->best[which].ns)
		s->best[which] = cost;
}

static void
run_round(struct server *s)
{
	chat_open(&s->at, CHAT_ROOM, fds, n_members);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		client_die("epoll_create1: %s", strerror(errno));
	for (size_t i = 1; i < n_members; i++) {
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i],
			      &(struct epoll_event){.events = EPOLLIN, .data.u64 = i}))
			client_die("epoll_ctl: %s", strerror(errno));
	}
	for (size_t i = 0; i < n_burst_sizes; i++)
		measure(s, i);
	close(epoll_fd);
	chat_close(&s->at, fds, n_members);
}

static void
parse_bursts(const char *text)
{
	n_burst_sizes = 0;
	do {
		char *end;
		unsigned long k = strtoul(text, &end, 10);

		if (k == 0 || k > BURST_MAX || (*end && *end != ',') || n_burst_sizes == MAX_SIZES)
			client_die("-k takes up to %d numbers from 1 to %d", MAX_SIZES, BURST_MAX);
		burst_sizes[n_burst_sizes++] = (unsigned)k;
		text = end + 1;
	} while (text[-1] == ',');
}

int
main(int argc, char **argv)
{
	unsigned rounds = 5, largest = 1;
	int option;

	while ((option = getopt(argc, argv, "m:k:s:d:r:")) != -1) {
		switch (option) {
		case 'm': n_members = strtoul(optarg, NULL, 10); break;
		case 'k': parse_bursts(optarg); break;
		case 's': size = strtoul(optarg, NULL, 10); break;
		case 'd': for_ns = strtoul(optarg, NULL, 10) * UINT64_C(1000000); break;
		case 'r': rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	for (; optind < argc && n_servers < MAX_SERVERS; optind++) {
		chat_server_parse(&servers[n_servers].at, argv[optind]);
		has_json = has_json || servers[n_servers].at.is_json;
		n_servers++;
	}
	if (n_servers == 0 || n_members < 2 || rounds == 0 || size < 32 || size > CHAT_TEXT_MAX / 2)
		client_die("usage: bench_chat [-m MEMBERS] [-k BURST,...] [-s SIZE] [-d MS] "
			   "[-r ROUNDS] NAME:PORT:PID[,PID...]...");
	is_spinning = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	client_raise_files();
	for (size_t i = 0; i < n_burst_sizes; i++)
		largest = burst_sizes[i] > largest ? burst_sizes[i] : largest;
	want_max = largest * (size_t)(CHAT_TEXT_MAX + 4);
	fds = calloc(n_members, sizeof(*fds));
	got = calloc(n_members, sizeof(*got));
	out = malloc(largest * (size_t)CHAT_PUBLISH_MAX);
	want = malloc(want_max);
	in = malloc(want_max);
	if (!fds || !got || !out || !want || !in)
		client_die("out of memory");

	/* so that the plain ones know how long the messages of JSON mode are */
	for (size_t i = 0; has_json && i < n_servers; i++) {
		if (servers[i].at.is_json)
			run_round(&servers[i]);
	}
	for (unsigned r = 0; r < rounds; r++) {
		for (size_t i = 0; i < n_servers; i++)
			run_round(&servers[i]);
	}
	for (size_t k = 0; k < n_burst_sizes; k++) {
		for (size_t i = 0; i < n_servers; i++) {
			const struct cost *c = &servers[i].best[k];

			printf("%zu %u %s %.2f %.2f %zu %.0f\n", n_members, burst_sizes[k],
			       servers[i].at.name, c->ns, c->messages_per_write, c->bytes, c->rate);
		}
	}
	return 0;
}
