/*
 * door_rig.h - a front door in a child process with routes of its own, and raw client sockets. What
 * tests assert is what a client sees. All waiting is for bytes, or for the end of a stream, with a
 * deadline; what goes wrong fails the test.
 *
 * Routes: GET /fast/{word} -> "fast <word>" at once; /slow/{ms} -> "slow <ms>" so much later; /hold
 * -> "held", tagged so, when somebody asks for /release; /hold/body the same, with a body; /big ->
 * BIG_SIZE bytes; /stats; /passes -> of the loop so far, in 2000 bytes; /private (scope
 * store.read); /up and /up/no (WebSocket: taken, refused). POST /json and /api/json
 * (application/json, up to 1000 bytes), /text (up to http.max_body_size, which is 100000): the body
 * comes back; /abort closes every connection. /nothing is reserved. In pieces: /pieces/{n} ->
 * "piece 1\n" to "piece <n>\n"; /cut/{n} the same, cut; /flood/{bytes} without end; /endless ->
 * "first\n" and then nothing; /stopped -> how many of them were told to stop.
 */
#ifndef PLAZA_TESTS_UNIT_DOOR_RIG_H
#define PLAZA_TESTS_UNIT_DOOR_RIG_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define DEADLINE_MS 10000
#define BIG_SIZE    ((size_t)12 << 20)

/* 0: longer than any test, or as it is. */
struct door_options {
	uint64_t header_ms, body_ms, idle_ms, write_ms;
	uint64_t max_connections, input_memory, output_memory;
	rlim_t descriptors; /* 0: as they are */
	int access_log;     /* where lines of log.access = combined go; 0: nowhere */
};

extern pid_t door_pid;

void door_start(const struct door_options *options);
/* What the door reports: 1 when a drain (SIGTERM) has begun, 0 when it has ended. */
ssize_t door_wait_report(void);
/* It ends by itself, with success. */
void door_wait_end(void);
/* Drains it; every test ends with that, and it has to succeed. SIGUSR1 closes all connections. */
void door_stop(void);

struct client {
	int fd;
	size_t len;
	size_t used; /* of data: shown to the test already */
	char data[65536];
};

struct answer {
	int status;
	char head[2048];
	size_t len;
	char body[4096]; /* its beginning, when it is longer */
};

void client_open(struct client *c);
void client_close(struct client *c);
/* With a reset, which cannot be mistaken for a half-close. */
void client_reset(struct client *c);
void client_send(struct client *c, const char *text);
void client_send_bytes(struct client *c, const char *data, size_t len);
/* More bytes into data; false at the end of the stream. */
bool client_fill(struct client *c, uint64_t until_ms);
/* The next answer; `is_head` when it is one to HEAD. */
void client_read(struct client *c, struct answer *answer, bool is_head);

/* The next answer is this; a NULL body is any. */
void expect(struct client *c, int status, const char *body);
/* Nothing but the end of the stream is left, and it is no reset. Closes. */
void expect_end(struct client *c);
/* Waits until the server says so of itself, on a connection of its own. */
void expect_stats(const char *wanted);

#define GET(path)                "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path, fields, body) "POST " path " HTTP/1.1\r\nHost: localhost\r\n" fields "\r\n" body

#endif
