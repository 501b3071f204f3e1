/*
 * load_http.c - how long answers take under a constant rate of requests, an open loop.
 *
 * When each request is due is fixed in advance: request i at begin + i / rate, on connection
 * i mod CONNECTIONS. A connection has one request at a time; what falls due meanwhile waits, and a
 * latency is counted from when its request was due, not from when it could be sent. So a server
 * that stops for a moment pays for all who would have come in that moment (no coordinated
 * omission).
 *
 * The generator never sleeps. How late it was itself is printed too: by how much it missed the due
 * time of requests whose connection was free. When that is not small against the latencies, they
 * tell of the generator, or of the machine, and not of the server.
 *
 * Usage: load_http [-c CONNECTIONS] [-r REQUESTS_PER_SECOND] [-d MILLISECONDS] REQUEST_FILE PORT
 * Prints, in microseconds: p50 p99 p99.9 max, then p50 p99 max of its own lateness.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_http.h"
#include "histogram.h"

#define IN_SIZE 65536
/* Answers are looked for after so many requests at the latest, however many are due. */
#define SEND_MAX 8
/* So long after the last request was due, whoever has no answer will get none. */
#define PATIENCE_NS 5000000000u

struct client {
	int fd;
	size_t missing; /* of the answer */
	uint64_t turn;  /* which of its requests is in hand, or is the next */
};

static struct target target;
static struct client *clients;
static uint64_t n_clients = 64;
static uint64_t total; /* requests */
static uint64_t begin_ns;
static double interval_ns;
static uint64_t n_done;
static struct histogram latency, lateness;

static uint64_t
due_ns(uint64_t request)
{
	return begin_ns + (uint64_t)((double)request * interval_ns);
}

static void
ask(struct client *c)
{
	/* a request is far smaller than a socket's buffer, which is empty */
	if (send(c->fd, target.request, target.request_len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)target.request_len)
		client_die("send: %s", strerror(errno));
	c->missing = target.answer_len;
}

static void
take(struct client *c)
{
	static char in[IN_SIZE];
	ssize_t n = recv(c->fd, in, IN_SIZE, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		client_die("the server has closed a connection");
	if ((size_t)n > c->missing)
		client_die("more than an answer came");
	if (c->missing == target.answer_len)
		client_check_start(&target, in, (size_t)n);
	c->missing -= (size_t)n;
	if (c->missing)
		return;
	uint64_t now = client_now_ns(), i = (uint64_t)(c - clients);
	histogram_add(&latency, now - due_ns(c->turn * n_clients + i));
	n_done++;
	c->turn++;
	uint64_t next = c->turn * n_clients + i;
	if (next < total && due_ns(next) <= now)
		ask(c);
}

static void
run(int epoll_fd)
{
	uint64_t request = 0; /* the next that falls due */

	begin_ns = client_now_ns() + 1000000;
	uint64_t end_ns = due_ns(total) + PATIENCE_NS;
	while (n_done < total) {
		struct epoll_event event[64];
		uint64_t now = client_now_ns();

		if (now > end_ns)
			client_die("%llu of %llu requests got no answer",
				   (unsigned long long)(total - n_done), (unsigned long long)total);
		for (int sent = 0; sent < SEND_MAX && request < total; request++) {
			uint64_t due = due_ns(request);
			struct client *c = &clients[request % n_clients];

			if (due > now && due > (now = client_now_ns()))
				break;
			/* else it is sent when the answer before it has come */
			if (c->missing || c->turn != request / n_clients)
				continue;
			ask(c);
			histogram_add(&lateness, now - due);
			sent++;
		}
		int n = epoll_wait(epoll_fd, event, 64, 0);
		for (int e = 0; e < n; e++)
			take(event[e].data.ptr);
	}
}

int
main(int argc, char **argv)
{
	double rate = 10000;
	uint64_t for_ms = 2000;
	int option;

	while ((option = getopt(argc, argv, "c:r:d:")) != -1) {
		switch (option) {
		case 'c': n_clients = strtoul(optarg, NULL, 10); break;
		case 'r': rate = strtod(optarg, NULL); break;
		case 'd': for_ms = strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	total = (uint64_t)(rate * (double)for_ms / 1e3);
	if (argc - optind != 2 || n_clients == 0 || total == 0)
		client_die("usage: load_http [-c CONNECTIONS] [-r REQUESTS_PER_SECOND] [-d MS] "
			   "REQUEST_FILE PORT");
	interval_ns = 1e9 / rate;
	client_raise_files();
	client_learn(&target, argv[optind], argv[optind + 1], false);
	clients = calloc(n_clients, sizeof(*clients));
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!clients || epoll_fd < 0)
		client_die("%s", strerror(errno));
	for (uint64_t i = 0; i < n_clients; i++) {
		clients[i].fd = client_connect(target.port);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event))
			client_die("epoll_ctl: %s", strerror(errno));
	}
	/* until the server has accepted them */
	usleep(50000);
	run(epoll_fd);
	for (uint64_t i = 0; i < n_clients; i++)
		client_reset(clients[i].fd);
	printf("%.1f %.1f %.1f %.1f %.1f %.1f %.1f\n", histogram_quantile(&latency, 0.5),
	       histogram_quantile(&latency, 0.99), histogram_quantile(&latency, 0.999),
	       (double)latency.max / 1e3, histogram_quantile(&lateness, 0.5),
	       histogram_quantile(&lateness, 0.99), (double)lateness.max / 1e3);
	return 0;
}
