/*
 * rules.h - rules of HTTP as rows of a table: the bytes that a client sends, and everything that it
 * must see then. Each row is tried over IPv4, over IPv6 in single bytes, and over a unix socket.
 */
#ifndef PLAZA_TESTS_IT_RULES_H
#define PLAZA_TESTS_IT_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"

enum rule_via { VIA_IPV4, VIA_IPV6, VIA_UNIX, VIA_COUNT };

/* Bits of rule.only; 0 is everywhere. */
#define ONLY_IP    (1u << VIA_IPV4 | 1u << VIA_IPV6)
#define ONLY_WHOLE (1u << VIA_IPV4 | 1u << VIA_UNIX) /* the bytes have to come together */

/* What becomes of the connection after the last answer. */
enum rule_end {
	/* it serves on: a further request is answered, so that it began where it should */
	STAYS,
	/* "Connection: close", and then the end, which is no reset */
	ENDS,
	/* the same for a client that is still sending: it can read its answer */
	LINGERS,
	/* it ends although no answer has said so */
	CUT,
	/* it is no longer HTTP */
	TAKEN
};

/* An answer without a body, whatever its Content-Length says (to HEAD). */
#define HEAD_ONLY ((const char *)1)

struct rule_answer {
	int status;
	/*
	 * Lines "Name: value" that it has, once; "Name:" for any value; "Name~element" for a list
	 * that has it, in one of several fields; "!Name" for a field that it has not. NULL: none of
	 * interest.
	 */
	const char *fields;
	/* NULL: some. Otherwise all of it, or after a leading "~" what it has in it. */
	const char *body;
};

#define RULE_ANSWERS 6

struct rule {
	const char *name; /* the section of the RFC, a colon, and the rule */
	const char *sent;
	size_t sent_len;
	struct rule_answer answer[RULE_ANSWERS]; /* up to the first of status 0 */
	enum rule_end end;
	unsigned only;
};

/* A row of such a table; `bytes` is a literal, and may have NUL in it. Then come the answers. */
#define RULE_ONLY(where, its_end, its_name, bytes, ...)                         \
	{                                                                       \
		.name = its_name, .sent = bytes, .sent_len = sizeof(bytes) - 1, \
		.answer = {__VA_ARGS__}, .end = its_end, .only = where          \
	}
#define RULE(its_end, its_name, bytes, ...) RULE_ONLY(0, its_end, its_name, bytes, __VA_ARGS__)

#define HOST "Host: localhost\r\n"
/* Requests with further fields, each ended by CRLF. */
#define GET(target, fields)  "GET " target " HTTP/1.1\r\n" HOST fields "\r\n"
#define HEAD(target, fields) "HEAD " target " HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(target, fields) "POST " target " HTTP/1.1\r\n" HOST fields "\r\n"

/* Fields and answers that many rows have. */
#define JSON    "Content-Type: application/json\r\n"
#define TEXT    "Content-Type: text/plain; charset=utf-8"
#define PROBLEM "Content-Type: application/problem+json"
#define ANSWER(status, ...)         \
	{                           \
		status, __VA_ARGS__ \
	}
#define HELLO(name) ANSWER(200, TEXT, "Hello, " name)

struct rules {
	struct daemon *daemon;
	uint16_t port[VIA_COUNT]; /* 0: not there */
	char *path;               /* of the unix socket */
	pid_t workers[PROCFS_MAX];
	size_t n_workers;
};

/* Two workers, listening on all three unless the options say otherwise. */
void rules_start(struct rules *r, ...) __attribute__((sentinel));
/* The workers are the ones of the start, and the log has no error. */
void rules_stop(struct rules *r);

/*
 * A database that takes connections and never says a word, as the option store.database, to be
 * freed; *fd is to be closed. What needs it is answered 503 after store.queue_timeout, as long as
 * store.connect_timeout lasts.
 */
char *rules_mute_database(int *fd);

/* False where this machine has no such thing. */
bool rules_have(const struct rules *r, enum rule_via via);
void rules_open(const struct rules *r, enum rule_via via, struct http_conn *c);

/* Tries them all; prints those that do not hold, and fails the test if there are any. */
void rules_hold(const struct rules *r, const char *table, const struct rule *rules, size_t n);
#define RULES_HOLD(r, table) rules_hold(r, #table, table, sizeof(table) / sizeof((table)[0]))

/* A test of one table, by a daemon of its own with further options. */
#define RULES_TEST(table, ...)                \
	START_TEST(table##_rules)             \
	{                                     \
		struct rules r;               \
		rules_start(&r, __VA_ARGS__); \
		RULES_HOLD(&r, table);        \
		rules_stop(&r);               \
	}                                     \
	END_TEST

/* `before`, `n` times `c`, `after`, in memory that rules_free gives back: bytes of a rule. */
void rule_fill(struct rule *rule, const char *before, char c, size_t n, const char *after);
/* The same so that it is `whole` bytes in all. */
void rule_fill_to(struct rule *rule, const char *before, char c, size_t whole, const char *after);
void rules_free(struct rule *rules, size_t n);

/* The pieces of it. All return NULL, or what is wrong, to be freed. */

/* The next answer is such a one. */
char *rule_read(struct http_conn *c, const struct rule_answer *want, bool *is_last);
/* The stream ends, with nothing before that, and not by a reset. */
char *rule_read_end(struct http_conn *c);
/* The answers of the rule, and its end. */
char *rule_finish(struct http_conn *c, const struct rule *rule);

#endif
