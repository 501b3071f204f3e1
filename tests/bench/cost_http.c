/*
 * cost_http.c - what a request costs a server in CPU time.
 *
 * A closed loop: each connection asks, takes the whole answer, asks again. The connections are made
 * and have had an answer before anything is measured, and the server rests when its CPU time is
 * read: first none has asked yet, then all have been answered. So the time is exact, and so is the
 * number of requests that it went into. On a machine with several CPUs the generator never sleeps,
 * or a server would pay for waking it, and the more the slower it is.
 *
 * Usage: cost_http [OPTION...] REQUEST_FILE PORT PID
 *   -c CONNECTIONS   64
 *   -d MILLISECONDS  for how long new requests are sent, 300
 *   -n REQUESTS      at least so many instead
 *   -p DEPTH         so many requests are sent together, and the next when all are answered
 *   -1               the server closes after each answer (the request asks for it)
 *   -m               measure memory: of the process, per connection that has had one answer
 * Prints: nanoseconds of CPU per request, requests, requests per second; with -m: connections,
 * bytes of memory (PSS) for each, bytes on the heap for each, bytes of those that libevent has
 * allocated (both 0 without the file COUNT_ALLOC of count_alloc.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client_http.h"
#include "process.h"

#define IN_SIZE 65536
/* Connections that are made before their first answers are waited for: less than any backlog. */
#define OPENING 256
/* A server that has answered everything sleeps by then. */
#define REST_US    3000
#define TIMEOUT_MS 10000

struct client {
	int fd;
	bool is_watched_out;
	bool is_busy;   /* a batch has not all its answers */
	size_t unsent;  /* of the batch */
	size_t missing; /* of its answers */
};

static struct target target;
static size_t depth = 1;
static bool is_closed; /* after each answer, by the server */
static struct client *clients;
static int epoll_fd;
static size_t batch_len, answers_len;
static size_t n_answered; /* batches */
static size_t n_busy;     /* batches without their whole answers */
static bool is_spinning;  /* instead of sleeping */

static void
watch(int op, size_t i)
{
	uint32_t events = clients[i].is_watched_out ? EPOLLIN | EPOLLOUT : EPOLLIN;

	if (epoll_ctl(epoll_fd, op, clients[i].fd,
		      &(struct epoll_event){.events = events, .data.u64 = i}))
		client_die("epoll_ctl: %s", strerror(errno));
}

static void
open_client(size_t i)
{
	clients[i] = (struct client){.fd = client_connect(target.port)};
	watch(EPOLL_CTL_ADD, i);
}

static void
push(size_t i)
{
	struct client *c = &clients[i];
	ssize_t n = send(c->fd, target.request + batch_len - c->unsent, c->unsent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN)
		client_die("the connection ends while a request is sent: %s", strerror(errno));
	if (n > 0)
		c->unsent -= (size_t)n;
	if ((c->unsent > 0) != c->is_watched_out) {
		c->is_watched_out = c->unsent > 0;
		watch(EPOLL_CTL_MOD, i);
	}
}

static void
ask(size_t i)
{
	clients[i].unsent = batch_len;
	clients[i].missing = answers_len;
	clients[i].is_busy = true;
	n_busy++;
	push(i);
}

static void
take(size_t i)
{
	static char in[IN_SIZE];
	struct client *c = &clients[i];
	ssize_t n = recv(c->fd, in, IN_SIZE, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		client_die("recv: %s", strerror(errno));
	if (n == 0) {
		if (!is_closed || c->missing)
			client_die("the server has closed a connection");
		close(c->fd);
		n_answered++;
		n_busy--;
		open_client(i);
		return;
	}
	if ((size_t)n > c->missing)
		client_die("more than an answer came");
	if (c->missing == answers_len)
		client_check_start(&target, in, (size_t)n);
	c->missing -= (size_t)n;
}

/* One wait. Whoever is done asks again, if wanted. */
static void
turn(bool again)
{
	struct epoll_event event[512];
	uint64_t begin = 0;
	int n;

	while ((n = epoll_wait(epoll_fd, event, 512, is_spinning ? 0 : TIMEOUT_MS)) <= 0) {
		uint64_t now = client_now_ns();

		begin = begin ? begin : now;
		if (!is_spinning || now - begin > TIMEOUT_MS * UINT64_C(1000000))
			client_die("%zu answers are missing", n_busy * depth);
	}
	for (int e = 0; e < n; e++) {
		size_t i = event[e].data.u64;
		struct client *c = &clients[i];

		if (event[e].events & EPOLLOUT)
			push(i);
		if (event[e].events & ~(uint32_t)EPOLLOUT)
			take(i);
		if (c->is_busy && !is_closed && !c->missing && !c->unsent) {
			c->is_busy = false;
			n_answered++;
			n_busy--;
		}
		if (again && !c->is_busy)
			ask(i);
	}
}

static void
settle(void)
{
	while (n_busy)
		turn(false);
	usleep(REST_US);
}

static void
open_all(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		open_client(i);
		ask(i);
		if (i % OPENING == OPENING - 1)
			settle();
	}
	settle();
}

/* What count_alloc.c has counted, as in its struct counts. */
static void
heap(uint64_t counts[3])
{
	const char *path = getenv("COUNT_ALLOC");
	FILE *f = path ? fopen(path, "r") : NULL;

	memset(counts, 0, 3 * sizeof(*counts));
	if (!f)
		return;
	if (fread(counts, sizeof(*counts), 3, f) != 3)
		client_die("%s: no counts", path);
	fclose(f);
}

static void
measure_memory(size_t n, const struct processes *server)
{
	struct process_memory empty, full;
	uint64_t before[3], after[3];

	processes_memory(server, &empty);
	heap(before);
	open_all(n);
	processes_memory(server, &full);
	heap(after);
	printf("%zu %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, (full.pss - empty.pss) / n,
	       (after[1] - before[1]) / n, (after[2] - before[2]) / n);
}

static void
measure_cost(size_t n, const struct processes *server, uint64_t for_ns, size_t requests)
{
	open_all(n);
	/* warm: each connection once more than the opening, caches, lists, branches */
	for (size_t i = 0; i < n; i++)
		ask(i);
	settle();

	uint64_t cpu = processes_cpu_ns(server), begin = client_now_ns();
	size_t before = n_answered;
	for (size_t i = 0; i < n; i++)
		ask(i);
	while (requests ? (n_answered - before + n_busy) * depth < requests
			: client_now_ns() - begin < for_ns)
		turn(true);
	while (n_busy)
		turn(false);
	uint64_t took = client_now_ns() - begin;
	usleep(REST_US);
	cpu = processes_cpu_ns(server) - cpu;
	size_t done = (n_answered - before) * depth;
	printf("%.1f %zu %.0f\n", (double)cpu / (double)done, done,
	       (double)done * 1e9 / (double)took);
}

int
main(int argc, char **argv)
{
	size_t n = 64, requests = 0;
	uint64_t for_ms = 300;
	struct processes server;
	bool is_memory = false;
	int option;

	while ((option = getopt(argc, argv, "c:d:n:p:1m")) != -1) {
		switch (option) {
		case 'c': n = strtoul(optarg, NULL, 10); break;
		case 'd': for_ms = strtoul(optarg, NULL, 10); break;
		case 'n': requests = strtoul(optarg, NULL, 10); break;
		case 'p': depth = strtoul(optarg, NULL, 10); break;
		case '1': is_closed = true; break;
		case 'm': is_memory = true; break;
		default: return 2;
		}
	}
	if (argc - optind != 3 || n == 0 || depth == 0)
		client_die("usage: cost_http [-c CONNECTIONS] [-d MS | -n REQUESTS] [-p DEPTH] "
			   "[-1] [-m] REQUEST_FILE PORT PID");
	processes_parse(&server, argv[optind + 2]);
	is_spinning = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	client_raise_files();
	client_learn(&target, argv[optind], argv[optind + 1], is_closed);
	batch_len = target.request_len * depth;
	answers_len = target.answer_len * depth;
	target.request = realloc(target.request, batch_len);
	clients = calloc(n, sizeof(*clients));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!target.request || !clients || epoll_fd < 0)
		client_die("%s", strerror(errno));
	for (size_t i = 1; i < depth; i++)
		memcpy(target.request + i * target.request_len, target.request, target.request_len);

	if (is_memory)
		measure_memory(n, &server);
	else
		measure_cost(n, &server, for_ms * 1000000, requests);
	for (size_t i = 0; i < n; i++)
		client_reset(clients[i].fd);
	return 0;
}
