/*
 * conn.c - the accepted sockets of a door: opened, gone on with, timed, drained. Called by:
 * server.c, the loop, and the door through conn_door_calls.
 *
 * Below it are conn_input.c (bytes to requests), conn_life.c (what a connection waits for, and its
 * end) and conn_output.c (answers to bytes); what they share is conn_state.h.
 */
#include "http/conn.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/conn_input.h"
#include "http/conn_life.h"
#include "http/conn_output.h"
#include "http/judge.h"

/* A connection not used for so long is idle to a draining server. */
#define DRAIN_IDLE_MS 1000

static void
conn_write_cb(void *arg, short what)
{
	struct conn *c = arg;
	size_t before = conn_unsent(c);

	(void)what;
	conn_send_own(c);
	conn_count_held(c);
	if (c->broken) {
		conn_close(c, c->broken);
		return;
	}
	if (c->out.len) {
		if (conn_unsent(c) < before)
			conn_arm_write(c);
		return;
	}
	watch_stop(&c->write);
	deadline_disarm(&c->write_deadline);
	if (c->is_stalled) {
		conn_resume(c);
		return;
	}
	if (c->exchange.state == EXCHANGE_STREAMING && c->exchange.wants_piece &&
	    ring_empty(&c->resume_link))
		door_resume_later(c->door, &c->resume_link);
	conn_wait(c);
}

struct conn *
conn_open(struct door *door, int fd, const struct access_peer *peer, struct address_hold *hold)
{
	struct conn *c = conn_new(door, fd, peer);

	if (!c) {
		close(fd);
		address_hold_release(hold);
		return NULL;
	}
	c->exchange.hold = *hold;
	watch_init(&c->read, door->loop, fd, LOOP_READ, "http read", conn_read_cb, c);
	watch_init(&c->write, door->loop, fd, LOOP_WRITE, "http write", conn_write_cb, c);
	deadline_arm(&c->deadline, &door->first);
	c->is_paused = true;
	c->is_new = true;
	door_resume_later(door, &c->resume_link);
	return c;
}

void
conn_turn_away(struct conn *c, int status, const char *message)
{
	ring_remove(&c->resume_link);
	c->is_new = false;
	c->is_turned_away = true;
	c->door->n_turned_away++;
	conn_enter(c);
	judge_refuse_head(&c->exchange, &c->parser, span_from(NULL, 0), status, message,
			  "Retry-After: 1\r\n");
	conn_leave(c, NULL, 0);
}

/* ---- deadlines ---- */

static void
conn_time_out(struct conn *c, const char *message)
{
	conn_enter(c);
	if (c->state == CONN_BODY)
		judge_give_up(&c->exchange, 408, message, NULL);
	else
		judge_refuse_head(&c->exchange, &c->parser, buffer_span(&c->in), 408, message,
				  NULL);
	conn_leave(c, NULL, 0);
}

static void
conn_idle_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_close(CONN_OF(d, deadline), "idle");
}

static void
conn_header_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_time_out(CONN_OF(d, deadline),
		      "The request line and the header fields have to come sooner.");
}

/* The lists know one duration each, so what a body has earned is waited for in seconds. */
static void
conn_body_expired_cb(struct deadline *d, void *ctx)
{
	struct conn *c = CONN_OF(d, deadline);
	struct door *door = ctx;
	uint64_t earned_ms = c->body_received / door->config->http_min_body_rate * 1000;
	uint64_t taken_ms = loop_now_ms(door->loop) - c->body_since_ms;

	if (taken_ms < door->config->http_body_timeout + earned_ms)
		deadline_arm(&c->deadline, &door->body_more);
	else if (c->state == CONN_DROP)
		conn_close(c, "the rest of a refused body did not come");
	else
		conn_time_out(c, "The body has to come faster.");
}

static void
conn_write_expired_cb(struct deadline *d, void *ctx)
{
	struct conn *c = CONN_OF(d, write_deadline);

	(void)ctx;
	/* there is no event before the socket is a third empty: a slow reader is still one */
	if (conn_takes(c))
		conn_arm_write(c);
	else
		conn_close(c, "the client does not take its answer");
}

static void
conn_linger_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_close(CONN_OF(d, deadline), "the client has not closed after the last answer");
}

/* Whether a request lies in the socket, unread. */
static bool
conn_is_readable(const struct conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK) > 0;
}

static void
conn_grace_expired_cb(struct deadline *d, void *ctx)
{
	struct conn *c = CONN_OF(d, deadline);

	(void)ctx;
	/* what has come just now is still answered, by its own readable event */
	if (!conn_is_readable(c))
		conn_close(c, "idle while draining");
}

static void
resume_cb(struct ring *link)
{
	struct conn *c = CONN_OF(link, resume_link);

	if (c->is_new)
		conn_read_first(c);
	else
		conn_resume(c);
}

const struct door_calls conn_door_calls = {
    .resume = resume_cb,
    .idle_expired = conn_idle_expired_cb,
    .header_expired = conn_header_expired_cb,
    .body_expired = conn_body_expired_cb,
    .write_expired = conn_write_expired_cb,
    .linger_expired = conn_linger_expired_cb,
    .grace_expired = conn_grace_expired_cb,
};

/* ---- drain ---- */

/* Closes nothing: that may be a lot, and is left to the deadlines, which let the loop turn. */
static void
conn_drain(struct conn *c)
{
	struct door *door = c->door;

	/* any other state gets to its next answer, which is the last one, or to its deadline */
	if (c->state != CONN_IDLE || c->is_stalled || c->is_eof)
		return;
	if (c->out.len) {
		c->exchange.is_linger = true;
		conn_set_state(c, CONN_CLOSING);
		conn_wait(c);
		return;
	}
	/*
	 * The client of a connection that was just used may be about to send its next request, and
	 * would have to take the close for a failure. It is answered, with "Connection: close".
	 */
	const struct deadline *d = &c->deadline;
	if (!deadline_armed(d))
		return; /* in hand right now: conn_wait gives it the grace */
	deadline_arm(&c->deadline,
		     deadline_age_ms(d) >= DRAIN_IDLE_MS ? &door->shed : &door->grace);
}

void
conn_drain_all(struct door *door)
{
	for (struct ring *r = door->conns.next; r != &door->conns; r = r->next)
		conn_drain(CONN_OF(r, link));
}

void
conn_close_all(struct door *door, const char *reason)
{
	while (!ring_empty(&door->conns))
		conn_close(CONN_OF(door->conns.next, link), reason);
}
