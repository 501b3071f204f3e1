/*
 * conn_input.h - bytes into a connection, and the requests found in them.
 */
#ifndef PLAZA_HTTP_CONN_INPUT_H
#define PLAZA_HTTP_CONN_INPUT_H

#include "http/conn_state.h"

/* The socket is readable (arg is the conn). */
void conn_read_cb(void *arg, short what);

/* Goes on with what came while nothing could be handled. May free it. */
void conn_resume(struct conn *c);

#endif
