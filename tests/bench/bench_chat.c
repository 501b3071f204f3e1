/*
 * bench_chat.c - what a delivered chat message costs a server in CPU time.
 *
 * bench_chat [-m MEMBERS] [-k BURST] [-n BURSTS] [-r ROUNDS] NAME:PORT:PID...
 *
 * For each server it opens MEMBERS WebSockets in one room. One of them sends a burst of messages of
 * 64 bytes, and when every member has got every byte of it, the next. The server's CPU time is read
 * from /proc. Servers take turns; the smallest of the rounds counts, and the ratio is to the first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE     64
#define TIMEOUT_MS  20000
#define MAX_SERVERS 4

static unsigned members = 1000, burst = 64, bursts = 200, rounds = 5;

struct server {
	char name[32];
	uint16_t port;
	int pid;
	double best_ns;
};

static void
die(const char *what)
{
	fprintf(stderr, "bench_chat: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Nanoseconds that the process has run; stat counts ticks of 10 ms. */
static uint64_t
cpu_ns(int pid)
{
	char path[64];
	uint64_t ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%" SCNu64, &ns) == 1) {
		fclose(f);
		return ns;
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	uint64_t user = 0, system = 0;
	if (!f ||
	    fscanf(f,
		   "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &user, &system) != 2)
		die(path);
	fclose(f);
	return (user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static int
open_member(uint16_t port)
{
	static const char head[] =
	    "GET /chat/bench HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n";
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char answer[1024];
	size_t len = 0;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (send(fd, head, sizeof(head) - 1, 0) != (ssize_t)sizeof(head) - 1)
		die("send");
	while (len < 4 || memcmp(answer + len - 4, "\r\n\r\n", 4) != 0) {
		if (len == sizeof(answer) || recv(fd, answer + len, 1, 0) != 1)
			die("handshake");
		len++;
	}
	if (memcmp(answer, "HTTP/1.1 101 ", 13) != 0) {
		fprintf(stderr, "bench_chat: refused: %.*s\n", (int)len, answer);
		exit(1);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* The next burst: as it is sent, masked, and as it must come back. */
static void
make_burst(unsigned number, unsigned char *out, unsigned char *want)
{
	static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};

	for (unsigned i = 0; i < burst; i++) {
		char text[MESSAGE + 1];

		snprintf(text, sizeof(text), "%010u %010u %042d", number, i, 0);
		want[0] = out[0] = 0x81;
		want[1] = MESSAGE;
		out[1] = 0x80 | MESSAGE;
		memcpy(out + 2, mask, 4);
		memcpy(want + 2, text, MESSAGE);
		for (unsigned j = 0; j < MESSAGE; j++)
			out[6 + j] = (unsigned char)text[j] ^ mask[j % 4];
		out += 6 + MESSAGE;
		want += 2 + MESSAGE;
	}
}

static void
send_all(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {fd, POLLOUT, 0};
			poll(&p, 1, TIMEOUT_MS);
			continue;
		}
		if (n <= 0)
			die("send");
		data += n;
		len -= (size_t)n;
	}
}

static void
run_round(struct server *s)
{
	size_t want_len = burst * (2 + MESSAGE);
	unsigned char *out = malloc(burst * (6 + MESSAGE)), *want = malloc(want_len);
	unsigned char *in = malloc(want_len);
	size_t *got = calloc(members, sizeof(*got));
	int *fd = calloc(members, sizeof(*fd)), epoll_fd = epoll_create1(0);
	struct epoll_event event[512];
	uint64_t begin_ns = 0;

	if (!out || !want || !in || !got || !fd || epoll_fd < 0)
		die("set-up");
	for (unsigned i = 0; i < members; i++) {
		fd[i] = open_member(s->port);
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd[i],
			  &(struct epoll_event){.events = EPOLLIN, .data.u32 = i});
	}
	for (unsigned number = 0; number < bursts + 10; number++) {
		unsigned missing = members;

		if (number == 10) /* warm */
			begin_ns = cpu_ns(s->pid);
		make_burst(number, out, want);
		memset(got, 0, members * sizeof(*got));
		send_all(fd[0], out, burst * (6 + MESSAGE));
		while (missing > 0) {
			int n = epoll_wait(epoll_fd, event, 512, TIMEOUT_MS);

			if (n <= 0) {
				fprintf(stderr, "bench_chat: %s: %u members miss messages\n",
					s->name, missing);
				exit(1);
			}
			for (int i = 0; i < n; i++) {
				unsigned m = event[i].data.u32;
				ssize_t len = recv(fd[m], in, want_len - got[m], 0);

				if (len < 0 && errno == EAGAIN)
					continue;
				if (len <= 0 || memcmp(in, want + got[m], (size_t)len) != 0) {
					fprintf(stderr, "bench_chat: %s: member %u got %s\n",
						s->name, m, len <= 0 ? "closed" : "other bytes");
					exit(1);
				}
				got[m] += (size_t)len;
				if (got[m] == want_len)
					missing--;
			}
		}
	}
	double ns = (double)(cpu_ns(s->pid) - begin_ns) / ((double)bursts * burst * members);
	if (s->best_ns == 0 || ns < s->best_ns)
		s->best_ns = ns;
	for (unsigned i = 0; i < members; i++)
		close(fd[i]);
	close(epoll_fd);
	free(out);
	free(want);
	free(in);
	free(got);
	free(fd);
}

int
main(int argc, char **argv)
{
	struct server server[MAX_SERVERS] = {0};
	struct rlimit files;
	int n = 0, option;

	while ((option = getopt(argc, argv, "m:k:n:r:")) != -1) {
		unsigned value = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		switch (option) {
		case 'm': members = value; break;
		case 'k': burst = value; break;
		case 'n': bursts = value; break;
		case 'r': rounds = value; break;
		default: return 2;
		}
	}
	for (; optind < argc && n < MAX_SERVERS; optind++, n++) {
		if (sscanf(argv[optind], "%31[^:]:%" SCNu16 ":%d", server[n].name, &server[n].port,
			   &server[n].pid) != 3) {
			fprintf(stderr, "bench_chat: %s is not NAME:PORT:PID\n", argv[optind]);
			return 2;
		}
	}
	if (n == 0 || members == 0 || burst == 0 || bursts == 0 || rounds == 0) {
		fprintf(stderr, "usage: bench_chat [-m MEMBERS] [-k BURST] [-n BURSTS] [-r ROUNDS] "
				"NAME:PORT:PID...\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (unsigned r = 0; r < rounds; r++) {
		for (int i = 0; i < n; i++)
			run_round(&server[i]);
	}
	for (int i = 0; i < n; i++)
		printf("chat members=%u burst=%u %-8s %7.1f ns/message ratio %.2f\n", members,
		       burst, server[i].name, server[i].best_ns,
		       server[i].best_ns / server[0].best_ns);
	return 0;
}
