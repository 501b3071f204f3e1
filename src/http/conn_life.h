/*
 * conn_life.h - how a connection is made, waits and ends.
 */
#ifndef PLAZA_HTTP_CONN_LIFE_H
#define PLAZA_HTTP_CONN_LIFE_H

#include <stddef.h>

#include "http/access.h"
#include "http/conn_state.h"
#include "http/door.h"

/* Among the door's connections, watched by nobody yet. NULL on out-of-memory; fd is not closed. */
struct conn *conn_new(struct door *door, int fd, const struct access_peer *peer);

/*
 * Idempotent. `reason` is a literal, logged. A pending exchange is told and keeps the memory until
 * it is answered. Nobody may touch `c` afterwards, except between conn_enter and conn_leave.
 */
void conn_close(struct conn *c, const char *reason);

/* A connection is handled between these two. */
void conn_enter(struct conn *c);
/* After input was handled up to `rest`, which may be kept. May free it. */
void conn_leave(struct conn *c, const char *rest, size_t len);

/* Watches and deadlines for whatever state it is in now. May free it. */
void conn_wait(struct conn *c);
/* Reads no more until conn_wait finds that it should. */
void conn_pause(struct conn *c);
/* Reads again. False: it was closed. */
bool conn_unpause(struct conn *c);

/* After `in`, `body` or `out` has changed: what the door holds for its clients is counted. */
void conn_count_held(struct conn *c);

/* The answer in hand is written: on to the next request, or to the end. */
void conn_answered(struct conn *c);

/* The door goes: frees what was kept to be used again, and leaves orphans to their answers. */
void conn_leave_door(struct door *door);

#endif
