/*
 * conn_input.h - bytes into a connection, and the requests found in them.
 */
#ifndef PLAZA_HTTP_CONN_INPUT_H
#define PLAZA_HTTP_CONN_INPUT_H

#include "http/conn_state.h"

/* The socket is readable (arg is the conn). */
void conn_read_cb(void *arg, short what);

/*
 * The first read. The request of a new connection has mostly come by now, and one that ends with
 * its answer then never costs the loop a look at it. May free it.
 */
void conn_read_first(struct conn *c);

/* Goes on with what came while nothing could be handled. May free it. */
void conn_resume(struct conn *c);

#endif
