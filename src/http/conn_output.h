/*
 * conn_output.h - answers out of a connection.
 */
#ifndef PLAZA_HTTP_CONN_OUTPUT_H
#define PLAZA_HTTP_CONN_OUTPUT_H

#include <stddef.h>

#include "http/conn_state.h"

/*
 * More bytes of answers than this, and the next pipelined request waits: until they are sent, and
 * for the next pass. So it also bounds the work of a pass, as each answer has a few hundred bytes.
 */
#define CONN_OUT_MAX ((size_t)256 << 10)

static inline size_t
conn_unsent(const struct conn *c)
{
	return c->out.len - c->out_sent;
}

/* Both mark a connection `broken` that takes no more. */

/* Sends of `out` what the socket takes now. */
void conn_send_own(struct conn *c);

/*
 * Sends what has gathered in the door for this connection; what is not taken now stays in `out`,
 * watched and with a deadline.
 */
void conn_flush(struct conn *c);

/* From now on the client has http.write_timeout to take something. */
void conn_arm_write(struct conn *c);
/* Whether it has taken something since. */
bool conn_takes(const struct conn *c);

#endif
