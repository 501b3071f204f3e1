/*
 * memory_chat.c - what an idle WebSocket takes of a server's memory.
 *
 * Opens members of a room up to each of the given numbers, lets the server come to rest and its
 * slow timers pass, and looks at the memory of its processes. Then one message is delivered to all
 * of them, which must not cost anything for good, and it is looked at again.
 *
 * Usage: memory_chat NAME:PORT:PID[,PID...] CONNECTIONS...
 * Prints a line for each: connections, bytes more than without any as Pss, as Rss and as anonymous
 * Pss, of these the bytes on the heap (0 without the file COUNT_ALLOC of count_alloc.c).
 * Then "fit", the bytes of Pss for each connection by least squares through these points, and by
 * how much the farthest point is off that line, in percent of its bytes. Then "delivered", bytes of
 * Pss more for each connection when all have had a message.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_chat.h"
#include "client_http.h"

#define POINTS_MAX 16
/* Timers of a second, that give back what a handshake needed. */
#define SETTLE_US  2500000
#define TIMEOUT_NS UINT64_C(20000000000)

struct point {
	double n, bytes;
};

static struct chat_server server;
static struct process_memory empty;
static double empty_heap;

/* What count_alloc.c has counted, as in its struct counts. */
static double
heap(void)
{
	const char *path = getenv("COUNT_ALLOC");
	FILE *f = path ? fopen(path, "r") : NULL;
	uint64_t counts[3];

	if (!f)
		return 0;
	if (fread(counts, sizeof(*counts), 3, f) != 3)
		client_die("%s: no counts", path);
	fclose(f);
	return (double)counts[1];
}

/* Pss, more than without any connection; `memory` is the whole of it. */
static double
look(struct process_memory *memory)
{
	usleep(SETTLE_US);
	processes_memory(&server.processes, memory);
	return (double)memory->pss - (double)empty.pss;
}

static void
fit(const struct point *point, size_t n_points)
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0, off = 0;

	for (size_t i = 0; i < n_points; i++) {
		n++;
		x += point[i].n;
		y += point[i].bytes;
		xx += point[i].n * point[i].n;
		xy += point[i].n * point[i].bytes;
	}
	if (n_points < 2)
		return;
	double slope = (n * xy - x * y) / (n * xx - x * x), base = (y - slope * x) / n;
	for (size_t i = 0; i < n_points; i++) {
		double by = fabs(point[i].bytes - base - slope * point[i].n) / point[i].bytes;

		off = by > off ? by : off;
	}
	printf("fit %.0f %.1f\n", slope, off * 100);
}

/* One message to everybody. */
static void
deliver(const int *fd, size_t n)
{
	static const char text[] = "one message for everybody who is in this room at present";
	unsigned char out[CHAT_PUBLISH_MAX], in[4096];
	uint64_t begin = client_now_ns();

	chat_send(fd[0], out, chat_publish(&server, out, text, sizeof(text) - 1));
	for (size_t i = 0; i < n; i++) {
		struct chat_frame frame;
		size_t len = 0;

		while (!chat_frame(in, len, &frame)) {
			ssize_t r = recv(fd[i], in + len, sizeof(in) - len, 0);

			if (r < 0 && errno == EAGAIN && client_now_ns() - begin < TIMEOUT_NS) {
				usleep(100);
				continue;
			}
			if (r <= 0)
				client_die("%s: member %zu got no message", server.name, i);
			len += (size_t)r;
		}
		chat_check(&server, &frame, text, sizeof(text) - 1);
	}
}

int
main(int argc, char **argv)
{
	struct point point[POINTS_MAX];
	struct process_memory now;
	size_t n_points = 0, n = 0;
	int *fd = NULL;

	if (argc < 3 || argc - 2 > POINTS_MAX)
		client_die("usage: memory_chat NAME:PORT:PID[,PID...] CONNECTIONS...");
	chat_server_parse(&server, argv[1]);
	client_raise_files();
	/* what the first connections make for good is not theirs */
	int first[16];
	chat_open(&server, CHAT_ROOM, first, 16);
	chat_close(&server, first, 16);
	usleep(SETTLE_US);
	processes_memory(&server.processes, &empty);
	empty_heap = heap();
	for (int i = 2; i < argc; i++) {
		size_t more = strtoul(argv[i], NULL, 10);

		if (more <= n)
			client_die("numbers have to rise: %s", argv[i]);
		fd = realloc(fd, more * sizeof(*fd));
		if (!fd)
			client_die("out of memory");
		chat_open(&server, CHAT_ROOM, fd + n, more - n);
		n = more;
		double pss = look(&now);
		point[n_points++] = (struct point){(double)n, pss};
		printf("%zu %.0f %.0f %.0f %.0f\n", n, pss, (double)now.rss - (double)empty.rss,
		       (double)now.anonymous - (double)empty.anonymous, heap() - empty_heap);
	}
	fit(point, n_points);
	deliver(fd, n);
	printf("delivered %.0f\n", (look(&now) - point[n_points - 1].bytes) / (double)n);
	chat_close(&server, fd, n);
	free(fd);
	return 0;
}
