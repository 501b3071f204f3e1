/*
 * load_chat.c - how long messages take to the members of a room under a given rate, an open loop;
 * and, before that, how many a second a server can deliver at all.
 *
 * When each message is due is fixed in advance, at random (with the same seed for every server), as
 * people do not take turns: the gaps are exponential. Several members publish. A latency is counted
 * from when the message was due, not from when it could be sent, so a server that stops for a
 * moment pays for all that would have come in that moment (no coordinated omission).
 *
 * One process cannot read for a thousand members at once without being late itself. So latencies
 * are those of a few probes, evenly spread over the order in which the members came; the others are
 * drained a few at a time in between. The generator never sleeps, and prints how late it was
 * itself.
 *
 * Usage: load_chat [OPTION...] NAME:PORT:PID[,PID...]
 *   -m MEMBERS       1000
 *   -s SIZE          bytes of a message, 64
 *   -d MILLISECONDS  2000
 *   -w MESSAGES      so many are on their way at any time: finds the peak
 *   -r RATE          so many a second instead
 * Prints with -w: messages a second that all members got.
 * Prints with -r, in microseconds: p50 p99 p99.9 max of the latencies, p50 p99 max of its own
 * lateness; then the share of the time that the server's processes ran, in percent of one CPU.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_chat.h"
#include "client_http.h"
#include "histogram.h"

#define PROBES_MAX  32
#define PUBLISHERS  16
#define PROBE_SIZE  (1 << 18)
#define SINK_SIZE   (1 << 18)
#define SINKS_TURN  4
#define PATIENCE_NS UINT64_C(10000000000)
/* What -w may publish in all. */
#define MESSAGES_MAX 4000000

struct probe {
	int fd;
	unsigned char *in;
	size_t len;
	uint64_t n; /* messages that came */
};

static struct chat_server server;
static size_t n_members = 1000, size = 64;
static double rate;
static uint64_t for_ns = 2000 * UINT64_C(1000000), window;

static int *fds, epoll_fd;
static struct probe probes[PROBES_MAX];
static size_t n_probes;
static size_t *sinks, n_sinks, next_sink; /* their indices in fds */
static uint64_t *taken;                   /* bytes, by sink */
static uint64_t *due;                     /* by message; when it was published, with -w */
static uint64_t *end;                     /* bytes that the messages so far have, by arrival */
static uint64_t n_total, n_published;
static uint64_t n_taken;     /* messages that every sink had at the last look at them all */
static uint64_t least_taken; /* bytes, in this look so far */
static struct histogram latency, lateness;
static bool is_counting;

static void
publish(uint64_t late_ns)
{
	char text[CHAT_TEXT_MAX];
	unsigned char out[CHAT_PUBLISH_MAX];
	/* the next of the publishers, which are sinks */
	int fd = fds[sinks[n_published % PUBLISHERS * (n_sinks / PUBLISHERS)]];
	int head = snprintf(text, sizeof(text), "%010llu ", (unsigned long long)n_published);

	memset(text + head, '0', size - (size_t)head);
	chat_send(fd, out, chat_publish(&server, out, text, size));
	n_published++;
	if (is_counting)
		histogram_add(&lateness, late_ns);
}

/* Which message a frame brings. */
static uint64_t
number_of(const struct chat_frame *frame)
{
	static const char field[] = "\"data\":\"";
	const char *text = frame->payload;
	uint64_t number = 0;

	if (server.is_json) {
		text = memmem(frame->payload, frame->len, field, sizeof(field) - 1);
		if (!text)
			client_die("%s: %.*s", server.name, (int)frame->len, frame->payload);
		text += sizeof(field) - 1;
	}
	for (int i = 0; i < 10; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	if (number >= n_published)
		client_die("%s: a message that was not published", server.name);
	return number;
}

static void
take_probe(struct probe *p)
{
	ssize_t r = recv(p->fd, p->in + p->len, PROBE_SIZE - p->len, 0);
	struct chat_frame frame;
	size_t at = 0;

	if (r < 0 && errno == EAGAIN)
		return;
	if (r <= 0)
		client_die("%s: a connection ends", server.name);
	uint64_t now = client_now_ns();
	p->len += (size_t)r;
	for (; chat_frame(p->in + at, p->len - at, &frame); at += frame.size) {
		uint64_t number = number_of(&frame);

		if (is_counting)
			histogram_add(&latency, now > due[number] ? now - due[number] : 0);
		if (p == probes)
			end[p->n] = (p->n ? end[p->n - 1] : 0) + frame.size;
		p->n++;
	}
	p->len -= at;
	memmove(p->in, p->in + at, p->len);
}

static void
take_sinks(void)
{
	static unsigned char in[SINK_SIZE];

	for (int i = 0; i < SINKS_TURN; i++) {
		ssize_t r = recv(fds[sinks[next_sink]], in, sizeof(in), 0);

		if (r == 0 || (r < 0 && errno != EAGAIN))
			client_die("%s: a connection ends", server.name);
		if (r > 0)
			taken[next_sink] += (uint64_t)r;
		if (taken[next_sink] < least_taken)
			least_taken = taken[next_sink];
		if (++next_sink < n_sinks)
			continue;
		while (n_taken < probes[0].n && end[n_taken] <= least_taken)
			n_taken++;
		next_sink = 0;
		least_taken = UINT64_MAX;
	}
}

static void
take(void)
{
	struct epoll_event event[PROBES_MAX];
	int n = epoll_wait(epoll_fd, event, PROBES_MAX, 0);

	for (int i = 0; i < n; i++)
		take_probe(event[i].data.ptr);
	take_sinks();
}

/* Until everybody has everything. */
static void
take_rest(void)
{
	uint64_t begin = client_now_ns();
	bool is_whole;

	do {
		take();
		is_whole = n_taken == n_published;
		for (size_t i = 0; i < n_probes; i++)
			is_whole = is_whole && probes[i].n == n_published;
		if (client_now_ns() - begin > PATIENCE_NS)
			client_die("%s: members miss messages", server.name);
	} while (!is_whole);
}

static void
run_window(void)
{
	uint64_t begin = client_now_ns(), counted = 0, now;

	/* the first quarter is for warming up */
	while ((now = client_now_ns()) - begin < for_ns && n_published < n_total) {
		if (!counted && now - begin > for_ns / 4) {
			begin = now - for_ns / 4;
			counted = n_taken + 1;
		}
		if (n_published - n_taken < window) {
			due[n_published] = now;
			publish(0);
		}
		take();
	}
	double s = (double)(now - begin - for_ns / 4) / 1e9;
	printf("%.0f\n", (double)(n_taken + 1 - counted) / s);
	take_rest();
}

static void
run_rate(void)
{
	uint64_t begin = client_now_ns() + 1000000, state = 88172645463325252u;
	double at = 0;

	for (uint64_t i = 0; i < n_total; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		at -= log(((double)(state >> 11) + 0.5) / 9007199254740992.0) / rate * 1e9;
		due[i] = begin + (uint64_t)at;
	}
	uint64_t cpu = processes_cpu_ns(&server.processes);
	while (n_published < n_total) {
		uint64_t now = client_now_ns();

		/* the first tenth is for warming up */
		is_counting = n_published > n_total / 10;
		if (now >= due[n_published])
			publish(now - due[n_published]);
		else
			take();
		if (now > due[n_published ? n_published - 1 : 0] + PATIENCE_NS)
			client_die("%s: not to be loaded with %.0f messages a second", server.name,
				   rate);
	}
	uint64_t took = client_now_ns() - begin;
	cpu = processes_cpu_ns(&server.processes) - cpu;
	take_rest();
	printf("%.0f %.0f %.0f %.0f %.1f %.1f %.0f %.0f\n", histogram_quantile(&latency, 0.5),
	       histogram_quantile(&latency, 0.99), histogram_quantile(&latency, 0.999),
	       (double)latency.max / 1e3, histogram_quantile(&lateness, 0.5),
	       histogram_quantile(&lateness, 0.99), (double)lateness.max / 1e3,
	       (double)cpu * 100 / (double)took);
}

static void
open_members(void)
{
	n_probes = n_members / 4 < PROBES_MAX ? n_members / 4 : PROBES_MAX;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		client_die("epoll_create1: %s", strerror(errno));
	chat_open(&server, CHAT_ROOM, fds, n_members);
	for (size_t i = 0, p = 0; i < n_members; i++) {
		/* the first and the last, and those in between */
		if (p == n_probes || i < p * (n_members - 1) / (n_probes - 1)) {
			sinks[n_sinks++] = i;
			continue;
		}
		probes[p] = (struct probe){.fd = fds[i], .in = malloc(PROBE_SIZE)};
		if (!probes[p].in || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i],
					       &(struct epoll_event){.events = EPOLLIN,
								     .data.ptr = &probes[p]}) != 0)
			client_die("probe %zu: %s", p, strerror(errno));
		p++;
	}
	least_taken = UINT64_MAX;
}

int
main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "m:s:d:w:r:")) != -1) {
		switch (option) {
		case 'm': n_members = strtoul(optarg, NULL, 10); break;
		case 's': size = strtoul(optarg, NULL, 10); break;
		case 'd': for_ns = strtoul(optarg, NULL, 10) * UINT64_C(1000000); break;
		case 'w': window = strtoul(optarg, NULL, 10); break;
		case 'r': rate = strtod(optarg, NULL); break;
		default: return 2;
		}
	}
	n_total = window ? MESSAGES_MAX : (uint64_t)(rate * (double)for_ns / 1e9);
	if (argc - optind != 1 || n_members < 4 * PUBLISHERS || size < 16 || size > CHAT_TEXT_MAX ||
	    n_total == 0 || !window == !(rate > 0))
		client_die("usage: load_chat [-m MEMBERS] [-s SIZE] [-d MS] -w MESSAGES | -r RATE "
			   "NAME:PORT:PID[,PID...]");
	chat_server_parse(&server, argv[optind]);
	client_raise_files();
	fds = calloc(n_members, sizeof(*fds));
	sinks = calloc(n_members, sizeof(*sinks));
	taken = calloc(n_members, sizeof(*taken));
	due = calloc(n_total, sizeof(*due));
	end = calloc(n_total, sizeof(*end));
	if (!fds || !sinks || !taken || !due || !end)
		client_die("out of memory");
	open_members();
	if (window)
		run_window();
	else
		run_rate();
	chat_close(&server, fds, n_members);
	return 0;
}
