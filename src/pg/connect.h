/*
 * connect.h - one database connection that comes back: resolved, connected and set up without ever
 * blocking the loop, and made again with backoff and jitter when it is lost.
 */
#ifndef PLAZA_PG_CONNECT_H
#define PLAZA_PG_CONNECT_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "pg/conninfo.h"
#include "pg/setup.h"

struct connection;

struct connection_settings {
	const struct conninfo *conninfo;
	const struct setup_plan *plan;
	uint64_t connect_timeout_ms; /* for each address */
	/*
	 * In shared memory, or NULL: until then, by clock_monotonic_ms, there are too few
	 * connections for all, and others come first.
	 */
	const _Atomic uint64_t *held_until_ms;
};

/* Why there is no connection, and when the next attempt begins. */
struct connection_trouble {
	bool was_ready;     /* lost; otherwise an attempt failed */
	bool schema;        /* connected, but a schema step could not be taken */
	bool waits;         /* and can be soon, by itself: others are at the table */
	char sqlstate[6];   /* what the server said, else "" */
	const char *reason; /* one line without secrets */
	uint64_t retry_ms;
};

struct connection_events {
	/* In pipeline mode, non-blocking, all statements prepared. */
	void (*on_ready)(struct connection *c, void *ctx);
	/* After a READY, or after an attempt that failed. The PGconn is gone. */
	void (*on_trouble)(struct connection *c, const struct connection_trouble *trouble,
			   void *ctx);
	/* READY and input has been consumed: take results, then call connection_flush. */
	void (*on_input)(struct connection *c, void *ctx);
};

/* Begins to connect; events come from the loop, never from inside. NULL on out-of-memory, logged.
 * `settings` and `events` must live as long. */
struct connection *connection_new(struct loop *loop, const struct connection_settings *settings,
				  const struct connection_events *events, void *ctx);
/* Without events. */
void connection_free(struct connection **c);

/* While READY only, else NULL. */
PGconn *connection_pg(const struct connection *c);

/* Pushes out what libpq holds. False: the connection was lost, on_trouble has been called. */
bool connection_flush(struct connection *c);

/* READY, and it had better be given to others: connection_yield once nothing is under way. */
bool connection_is_held(const struct connection *c);
void connection_yield(struct connection *c);

/* While READY: gives the connection up (on_trouble is called inside) and makes another one. */
void connection_reset(struct connection *c, const char *reason);

/* The server's last word before it hangs up; becomes the reason when the connection is lost. */
void connection_note_fatal(struct connection *c, const PGresult *result);

/* Until the next attempt; 0 when one is under way. */
uint64_t connection_retry_in_ms(const struct connection *c);

/* "host h port p dbname d user u, PostgreSQL 15.2" of a READY one. */
void connection_describe(const struct connection *c, char *out, size_t out_size);

#endif
