/*
 * stream.h - one TCP connection of many in a poll() loop: nothing here waits. For tests that have
 * hundreds of clients at work; a test with a few has http_client.h and ws_client.h.
 */
#ifndef PLAZA_TESTS_IT_STREAM_H
#define PLAZA_TESTS_IT_STREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
	int fd;       /* -1: closed */
	bool is_over; /* the peer has closed, or the connection broke: what is in `in` still counts
		       */
	char *in;
	size_t in_len, in_cap;
	size_t in_taken; /* of these bytes, already dealt with */
	char *out;
	size_t out_len, out_cap;
};

/* To 127.0.0.1, without waiting for it; over at once when that is refused. */
void stream_open(struct stream *s, uint16_t port);
/* Idempotent; gives its memory back. */
void stream_close(struct stream *s);

/* Sends it when the socket takes it. */
void stream_send(struct stream *s, const char *data, size_t len);
void stream_sendf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What to poll for, and what to do about what came of it. */
struct pollfd stream_poll(const struct stream *s);
void stream_ready(struct stream *s, short revents);

/* What came and is not taken. */
const char *stream_bytes(const struct stream *s);
size_t stream_len(const struct stream *s);
void stream_take(struct stream *s, size_t n);

/* A whole head of HTTP/1.1 and the body that its Content-Length tells of. */
struct stream_answer {
	int status;
	const char *body; /* not terminated; good until the next stream_ready or stream_close */
	size_t body_len;
};
/* Takes it; false when it is not whole yet. A 101 has no body. */
bool stream_take_answer(struct stream *s, struct stream_answer *answer);

/* A frame of a server, whole; its payload is good as long as above. */
struct stream_frame {
	unsigned opcode;
	const char *data;
	size_t len;
};
bool stream_take_frame(struct stream *s, struct stream_frame *frame);
/* A masked text frame, or another one. */
void stream_send_frame(struct stream *s, unsigned opcode, const char *data, size_t len);

#endif
