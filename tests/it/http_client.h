/*
 * http_client.h - HTTP/1.1 by hand: whatever bytes a test wants to send, and answers read strictly.
 */
#ifndef PLAZA_TESTS_IT_HTTP_CLIENT_H
#define PLAZA_TESTS_IT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "daemon.h"

struct http_conn {
	int fd;
	uint16_t port; /* for the Host field; 0 with unix sockets */
	char *buf;     /* received and not yet taken */
	size_t len, cap;
	bool eof;
};

struct http_answer {
	int status;
	bool close; /* Connection: close */
	char *head; /* status line and fields, each ended by CRLF, terminated */
	char *body; /* terminated besides */
	size_t body_len;
};

/* Connects to 127.0.0.1; fails the test when it cannot. */
void http_open(struct http_conn *c, uint16_t port);
void http_open_to(struct http_conn *c, const struct sockaddr *addr, socklen_t len);
/* From another address of this machine; both are `len` bytes. */
void http_open_from(struct http_conn *c, const struct sockaddr *from, const struct sockaddr *addr,
		    socklen_t len);
void http_open_unix(struct http_conn *c, const char *path);
/* False instead of a failed test. */
bool http_try_open(struct http_conn *c, uint16_t port);
void http_close(struct http_conn *c);

void http_send(struct http_conn *c, const char *data, size_t len);
void http_send_text(struct http_conn *c, const char *text);
/* printf, with \r\n as it is given */
void http_sendf(struct http_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* False when the peer has closed. */
bool http_try_send(struct http_conn *c, const char *data, size_t len);

/* The next answer; `method` tells whether a body belongs to it. Interim ones (1xx) are answers. */
void http_read(struct http_conn *c, const char *method, struct http_answer *a);
/* NULL, or why there is no whole and right answer. */
const char *http_try_read(struct http_conn *c, const char *method, struct http_answer *a);
void http_answer_fini(struct http_answer *a);

/* One read more into buf; false at the end of the stream or at the deadline. */
bool http_receive(struct http_conn *c, uint64_t until_ms);

/* Waits for the end of the stream, nothing more may come before it. */
void http_expect_eof(struct http_conn *c);
/* Whether something came, or the end, within the time given. */
bool http_readable(struct http_conn *c, int ms);

/* The value of a field without white space, in memory good until the next call; NULL if absent. */
const char *http_field(const struct http_answer *a, const char *name);
size_t http_field_count(const struct http_answer *a, const char *name);

/*
 * One request on a connection of its own. `fields` are further header lines, each with CRLF, or
 * NULL; Host is sent unless they hold one; a body brings Content-Length.
 */
void http_request(uint16_t port, const char *method, const char *target, const char *fields,
		  const char *body, struct http_answer *a);
/* The same on an open connection. */
void http_exchange(struct http_conn *c, const char *method, const char *target, const char *fields,
		   const char *body, struct http_answer *a);

/* Asserts status and, when not NULL, the exact body. */
void http_expect(uint16_t port, const char *method, const char *target, const char *fields,
		 const char *body, int status, const char *answer_body);
#define http_expect_get(port, target, status, answer_body) \
	http_expect(port, "GET", target, NULL, NULL, status, answer_body)

#endif
