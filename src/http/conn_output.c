/*
 * conn_output.c - answers out of a connection: what gathers in the door is sent at once, and what
 * the client does not take is kept; only then is writing watched. Called by: conn.c, conn_life.c,
 * conn_input.c. Never closes anything.
 */
#include "http/conn_output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What the socket takes now of data[0..len); marks the connection broken if it takes no more. */
static size_t
conn_send(struct conn *c, const char *data, size_t len)
{
	ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN && errno != EINTR)
		c->broken = "the client was gone before its answer";
	return 0;
}

void
conn_send_own(struct conn *c)
{
	c->out_sent += conn_send(c, c->out.data + c->out_sent, conn_unsent(c));
	if (c->out_sent == c->out.len) {
		buffer_fini(&c->out);
		c->out_sent = 0;
	}
}

/* To the end of what waits already; what was sent of that is dropped first. */
static bool
conn_keep_output(struct conn *c, const char *data, size_t len)
{
	if (c->out_sent) {
		buffer_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	return buffer_append(&c->out, data, len, CONN_ANY_SIZE);
}

static unsigned
conn_unacked(const struct conn *c)
{
	int n = 0;

	/* tcp(7), unix(7); without it every client counts as one that takes nothing */
	return ioctl(c->fd, SIOCOUTQ, &n) == 0 ? (unsigned)n : 0;
}

void
conn_arm_write(struct conn *c)
{
	c->unacked = conn_unacked(c);
	deadline_arm(&c->write_deadline, &c->door->write);
}

bool
conn_takes(const struct conn *c)
{
	return conn_unacked(c) < c->unacked;
}

void
conn_flush(struct conn *c)
{
	struct buffer *gathered = &c->door->out;
	bool is_first = c->out.len == 0;
	size_t sent = 0;

	if (is_first && gathered->len)
		sent = conn_send(c, gathered->data, gathered->len);
	if (sent < gathered->len &&
	    !conn_keep_output(c, gathered->data + sent, gathered->len - sent))
		c->broken = "out of memory";
	gathered->len = 0;
	if (!c->out.len || deadline_armed(&c->write_deadline))
		return;
	/* what was in `out` before is a deferred answer, not tried yet */
	if (!is_first)
		conn_send_own(c);
	if (!c->out.len || c->broken)
		return;
	if (!watch_start(&c->write)) {
		c->broken = "it cannot be watched";
		return;
	}
	conn_arm_write(c);
}
