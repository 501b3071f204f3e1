/*
 * conn.h - the accepted sockets of a door: opened, timed, drained. Internal to http/.
 */
#ifndef PLAZA_HTTP_CONN_H
#define PLAZA_HTTP_CONN_H

#include "http/access.h"
#include "http/door.h"
#include "proc/address_count.h"

struct conn;

/* What a door calls that is filled with connections. */
extern const struct door_calls conn_door_calls;

/*
 * Takes fd (non-blocking) and `hold`, which counts it for its address, or none. NULL on failure,
 * and then both are ended.
 */
struct conn *conn_open(struct door *door, int fd, const struct access_peer *peer,
		       struct address_hold *hold);

/* Answers before any request: there are too many connections. May free it. */
void conn_turn_away(struct conn *c, int status, const char *message);

/* What drain means for every connection of the door, which is draining by now. */
void conn_drain_all(struct door *door);

/* `reason` as in conn_close. */
void conn_close_all(struct door *door, const char *reason);

#endif
