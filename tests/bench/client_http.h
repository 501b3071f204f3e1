/*
 * client_http.h - what the two load generators share: whom they ask, what, and how its answer is
 * known to be whole. Not part of the daemon.
 */
#ifndef PLAZA_BENCH_CLIENT_HTTP_H
#define PLAZA_BENCH_CLIENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A server on loopback and one request to it, whose answers are all of one length. */
struct target {
	uint16_t port;
	char *request;
	size_t request_len;
	char start[16]; /* of its answer: "HTTP/1.1 200" */
	size_t answer_len;
};

/* Tells stderr and ends the program. */
void client_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* As many descriptors as the hard limit gives. */
void client_raise_files(void);

/*
 * Takes the request from a file, byte by byte, asks for it twice and looks at the answers; over
 * one connection, or over two when the server is to close after each.
 */
void client_learn(struct target *t, const char *request_path, const char *port, bool is_closed);

/* A connected socket, blocking, with TCP_NODELAY. */
int client_connect(uint16_t port);

/* Ends it at once, without TIME_WAIT, so that ports do not run out. */
void client_reset(int fd);

/* Dies if what has come is not the beginning of the answer that was learnt. */
void client_check_start(const struct target *t, const char *data, size_t len);

uint64_t client_now_ns(void);

#endif
