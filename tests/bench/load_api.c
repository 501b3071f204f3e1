/*
 * load_api.c - how many requests a second the API answers, a closed loop: each
 * connection sends its next request when the answer to the last has come, as a client of pgbench
 * does.
 *
 * Usage: load_api [OPTION...] get|post|list|first|bulk|job|waited-job|health|paths PORT
 *   -c CONNECTIONS   64
 *   -d MILLISECONDS  1000, after a tenth of it that is not counted
 *   -n PRODUCTS      ids are drawn from 1 to this; a list begins behind one of them, where
 *                    as many follow as it has; with "first" all have the first page; 100000
 *   -s SEED          of the ids, 1
 *   -p PATH          of GET, for the mode "paths"; several are asked for in turns
 * Prints: requests a second, and p50 p99 max of the latencies in microseconds. An answer that is no
 * success ends the program.
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

#define IN_SIZE     ((size_t)1 << 18)
#define OUT_SIZE    ((size_t)1 << 16)
#define BULK_ROWS   1000
#define LIST_LENGTH 100
#define CURSOR_SIZE 48
#define PATHS_MAX   8
/* A connection whose answer does not come within this is a mistake of somebody's. */
#define PATIENCE_NS 10000000000u

enum mode {
	MODE_GET,
	MODE_POST,
	MODE_LIST,
	MODE_FIRST,
	MODE_BULK,
	MODE_JOB,
	MODE_WAITED_JOB,
	MODE_HEALTH,
	MODE_PATHS,
	MODES
};

static const char *const mode_names[MODES] = {"get", "post",       "list",   "first", "bulk",
					      "job", "waited-job", "health", "paths"};

struct client {
	int fd;
	uint64_t sent_ns;
	size_t head_len; /* of the answer; 0 while its head is not whole */
	size_t missing;  /* of its body */
	size_t kept;     /* bytes of a head that has begun, in `head` */
	char head[2048];
};

static enum mode mode;
static uint16_t port;
static unsigned long products = 100000;
static uint64_t random_state = 1;
static const char *path[PATHS_MAX];
static size_t n_paths, next_path;
static char *fixed; /* a request that is always the same */
static size_t fixed_len;
static struct histogram latency;
static uint64_t n_done, count_from_ns;

/* splitmix64 */
static uint64_t
next_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The "next" of a list by id that ended with this one: base64url of "id:N". */
static const char *
write_cursor(unsigned long id, char cursor[CURSOR_SIZE])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char plain[CURSOR_SIZE] = {0};
	int len = snprintf((char *)plain, sizeof(plain), "id:%lu", id), n = 0;

	for (int bit = 0; bit < 8 * len; bit += 6) {
		unsigned two = (unsigned)plain[bit / 8] << 8 | plain[bit / 8 + 1];
		cursor[n++] = digits[two >> (10 - bit % 8) & 63];
	}
	cursor[n] = '\0';
	return cursor;
}

static size_t
write_request(char *out)
{
	static const char tail[] = "HTTP/1.1\r\nHost: localhost\r\n";
	unsigned long id = next_random() % products + 1;
	const unsigned long list_ends = products > LIST_LENGTH ? products - LIST_LENGTH : 1;
	char body[96], cursor[CURSOR_SIZE];
	int len, n = 0;

	switch (mode) {
	case MODE_GET: n = snprintf(out, OUT_SIZE, "GET /api/products/%lu %s\r\n", id, tail); break;
	case MODE_HEALTH: n = snprintf(out, OUT_SIZE, "GET /health %s\r\n", tail); break;
	case MODE_LIST:
		n = snprintf(out, OUT_SIZE, "GET /api/products?limit=%d&after=%s %s\r\n",
			     LIST_LENGTH, write_cursor(id % list_ends, cursor), tail);
		break;
	case MODE_FIRST:
		n = snprintf(out, OUT_SIZE, "GET /api/products?limit=%d %s\r\n", LIST_LENGTH, tail);
		break;
	case MODE_POST:
		len = snprintf(body, sizeof(body), "{\"name\":\"product %lu\",\"price\":%lu.%02lu}",
			       id, id % 1000, id % 100);
		n = snprintf(out, OUT_SIZE,
			     "POST /api/products %sContent-Type: application/json\r\n"
			     "Content-Length: %d\r\n\r\n%s",
			     tail, len, body);
		break;
	case MODE_JOB:
	case MODE_WAITED_JOB:
		n = snprintf(out, OUT_SIZE,
			     "POST /api/jobs %sContent-Type: application/json\r\n%s"
			     "Content-Length: 32\r\n\r\n{\"kind\":\"sleep\",\"args\":{\"ms\":0}}",
			     tail, mode == MODE_JOB ? "" : "Prefer: wait=10\r\n");
		break;
	case MODE_PATHS:
		n = snprintf(out, OUT_SIZE, "GET %s %s\r\n", path[next_path++ % n_paths], tail);
		break;
	case MODE_BULK:
	case MODES: break;
	}
	return (size_t)n;
}

/* BULK_ROWS rows as CSV, the same in each request. */
static void
make_bulk(void)
{
	char *body = malloc(OUT_SIZE);
	size_t len = 0;

	fixed = malloc(2 * OUT_SIZE);
	if (!body || !fixed)
		client_die("%s", strerror(errno));
	len += (size_t)snprintf(body, OUT_SIZE, "name,price\r\n");
	for (unsigned i = 0; i < BULK_ROWS; i++)
		len += (size_t)snprintf(body + len, OUT_SIZE - len, "product %06u,%u.%02u\r\n", i,
					i % 1000, i % 100);
	fixed_len = (size_t)snprintf(fixed, 2 * OUT_SIZE,
				     "POST /api/products HTTP/1.1\r\nHost: localhost\r\n"
				     "Content-Type: text/csv\r\nContent-Length: %zu\r\n\r\n%s",
				     len, body);
	free(body);
}

static void
ask(struct client *c)
{
	static char out[OUT_SIZE];
	const char *request = fixed ? fixed : out;
	size_t len = fixed ? fixed_len : write_request(out);

	c->sent_ns = client_now_ns();
	c->head_len = c->kept = c->missing = 0;
	while (len) {
		/* a bulk may be more than the socket takes at once; the server reads on meanwhile
		 */
		ssize_t n = send(c->fd, request, len, MSG_NOSIGNAL);
		if (n < 0)
			client_die("send: %s", strerror(errno));
		request += n;
		len -= (size_t)n;
	}
}

/* The head is whole in c->head: what follows it. */
static void
read_head(struct client *c)
{
	const char *field = strstr(c->head, "\r\nContent-Length: ");

	if (strncmp(c->head, "HTTP/1.1 20", 11) != 0 || !field)
		client_die("not the answer that was expected: %.400s", c->head);
	c->missing = strtoul(field + 18, NULL, 10);
}

/* Takes what belongs to the answer in hand; true when that is whole. */
static bool
eat(struct client *c, const char *in, size_t len)
{
	if (!c->head_len) {
		size_t n = sizeof(c->head) - 1 - c->kept, before = c->kept;

		n = len < n ? len : n;
		memcpy(c->head + c->kept, in, n);
		c->kept += n;
		c->head[c->kept] = '\0';
		const char *end = strstr(c->head, "\r\n\r\n");
		if (!end) {
			if (c->kept == sizeof(c->head) - 1)
				client_die("a long head: %.200s", c->head);
			return false;
		}
		c->head_len = (size_t)(end + 4 - c->head);
		read_head(c);
		len -= c->head_len - before;
	}
	if (len > c->missing)
		client_die("more than an answer came");
	c->missing -= len;
	return c->missing == 0;
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
	if (!eat(c, in, (size_t)n))
		return;
	uint64_t now = client_now_ns();
	if (c->sent_ns >= count_from_ns) {
		histogram_add(&latency, now - c->sent_ns);
		n_done++;
	}
	ask(c);
}

static double
run(struct client *clients, unsigned long n, uint64_t for_ns)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	uint64_t begin = client_now_ns(), end = begin + for_ns + for_ns / 10, heard = begin;

	count_from_ns = begin + for_ns / 10;
	for (unsigned long i = 0; i < n; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = client_connect(port);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event))
			client_die("epoll_ctl: %s", strerror(errno));
		ask(&clients[i]);
	}
	for (uint64_t now = begin; now < end; now = client_now_ns()) {
		struct epoll_event event[64];
		/* it sleeps as a client of pgbench does: the processors are for all */
		int ready = epoll_wait(epoll_fd, event, 64, 100);

		for (int e = 0; e < ready; e++)
			take(event[e].data.ptr);
		if (ready)
			heard = now;
		else if (now - heard > PATIENCE_NS)
			client_die("no answer");
	}
	double seconds = (double)(client_now_ns() - count_from_ns) / 1e9;
	for (unsigned long i = 0; i < n; i++)
		client_reset(clients[i].fd);
	close(epoll_fd);
	return (double)n_done / seconds;
}

int
main(int argc, char **argv)
{
	unsigned long n_clients = 64, for_ms = 1000;
	int option;

	while ((option = getopt(argc, argv, "c:d:n:p:s:")) != -1) {
		switch (option) {
		case 'c': n_clients = strtoul(optarg, NULL, 10); break;
		case 'd': for_ms = strtoul(optarg, NULL, 10); break;
		case 'n': products = strtoul(optarg, NULL, 10); break;
		case 's': random_state = strtoul(optarg, NULL, 10); break;
		case 'p':
			if (n_paths == PATHS_MAX)
				return 2;
			path[n_paths++] = optarg;
			break;
		default: return 2;
		}
	}
	if (argc - optind == 2) {
		while (mode < MODES && strcmp(argv[optind], mode_names[mode]) != 0)
			mode++;
		port = (uint16_t)strtoul(argv[optind + 1], NULL, 10);
	}
	if (argc - optind != 2 || mode == MODES || !n_clients || !for_ms || !products || !port ||
	    (mode == MODE_PATHS) != (n_paths > 0))
		client_die("usage: load_api [-c CONNECTIONS] [-d MS] [-n PRODUCTS] [-s SEED] "
			   "get|post|list|first|bulk|job|waited-job|health PORT, or -p PATH... "
			   "paths PORT");
	client_raise_files();
	if (mode == MODE_BULK)
		make_bulk();
	struct client *clients = calloc(n_clients, sizeof(*clients));
	if (!clients)
		client_die("%s", strerror(errno));
	double rate = run(clients, n_clients, for_ms * 1000000u);
	printf("%.1f %.1f %.1f %.1f\n", rate, histogram_quantile(&latency, 0.5),
	       histogram_quantile(&latency, 0.99), (double)latency.max / 1e3);
	free(clients);
	free(fixed);
	return 0;
}
