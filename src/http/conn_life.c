/*
 * conn_life.c - how a connection is made, waits and ends. Called by: conn.c, conn_input.c, and the
 * exchange through the table that it is given here.
 *
 * Between conn_enter and conn_leave a connection is never freed: conn_close and conn_release leave
 * that to conn_leave.
 */
#include "http/conn_life.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/conn_output.h"
#include "http/judge.h"

#define UNUSED_MAX 256

_Static_assert(sizeof(struct conn) <= 928,
	       "with what malloc and libevent add, an idle connection holds under 1 KiB");

void
conn_count_held(struct conn *c)
{
	struct door *door = c->door;
	const size_t input = c->in.cap + c->body.cap;
	const size_t output = c->out.cap;

	/* an orphan outlives the door, and holds none */
	if (input == c->input_held && output == c->output_held)
		return;
	door->input_held += input - c->input_held;
	door->output_held += output - c->output_held;
	c->input_held = input;
	c->output_held = output;
}

/*
 * When answers that wait for their clients take more memory than they may, those clients go that
 * have taken nothing for the longest.
 */
static void
conn_shed_output(struct conn *c)
{
	struct door *door = c->door;
	const size_t max = (size_t)door->config->http_max_output_memory;

	while (door->output_held > max) {
		struct deadline *eldest = door->write.head.next;
		struct conn *victim = CONN_OF(eldest, write_deadline);

		if (eldest == &door->write.head || victim == c)
			return;
		if (door_may_log(door, COMPLAINT_OUTPUT))
			log_warning("http: clients that do not take their answers are closed: %zu "
				    "bytes are held for such, and http.max_output_memory is %zu",
				    door->output_held, max);
		conn_close(victim, "it has held too much of its answer for too long");
	}
}

static void
conn_free_buffers(struct conn *c)
{
	buffer_fini(&c->in);
	buffer_fini(&c->body);
	buffer_fini(&c->out);
	c->out_sent = 0;
	conn_count_held(c);
}

static void
conn_release(struct conn *c)
{
	struct door *door = c->door;

	if (door && door->current == &c->exchange)
		return;
	ring_remove(&c->link);
	conn_free_buffers(c);
	if (!door || door->n_unused >= UNUSED_MAX) {
		free(c);
		return;
	}
	ring_append(&door->unused, &c->link);
	door->n_unused++;
}

/* Out of the loop, the deadlines and the count. */
static void
conn_detach(struct conn *c, enum conn_state state)
{
	watch_stop(&c->read);
	watch_stop(&c->write);
	deadline_disarm(&c->deadline);
	deadline_disarm(&c->write_deadline);
	ring_remove(&c->resume_link);
	ring_remove(&c->link);
	address_hold_release(&c->exchange.hold);
	c->door->n_conns--;
	if (c->is_turned_away)
		c->door->n_turned_away--;
	c->fd = -1;
	conn_set_state(c, state);
	door_check_drained(c->door);
}

void
conn_close(struct conn *c, const char *reason)
{
	struct exchange *x = &c->exchange;
	int fd = c->fd;

	if (fd < 0)
		return;
	log_debug("http: connection %d closed after %llu requests: %s", fd,
		  (unsigned long long)c->exchange.n_requests, reason);
	if (c->state == CONN_BODY)
		exchange_forget(x);
	conn_detach(c, CONN_GONE);
	close(fd);
	if (x->state == EXCHANGE_PENDING) {
		ring_append(&c->door->orphans, &c->link);
		/* inside its own handler, the request is still being looked at */
		if (c->door->current != x)
			conn_free_buffers(c);
		exchange_lose_client(x);
		return;
	}
	if (x->state == EXCHANGE_STREAMING)
		exchange_lose_client(x);
	conn_release(c);
}

/* ---- what the exchange calls ---- */

static void
written_cb(struct exchange *x, const char *failure)
{
	struct conn *c = CONN_OF(x, exchange);

	if (failure)
		c->broken = failure;
	if (c->door->current == x && x->state == EXCHANGE_NONE)
		conn_answered(c);
	else if (ring_empty(&c->resume_link))
		door_resume_later(c->door, &c->resume_link);
}

static void
released_cb(struct exchange *x)
{
	conn_release(CONN_OF(x, exchange));
}

static int
take_fd_cb(struct exchange *x)
{
	struct conn *c = CONN_OF(x, exchange);
	int fd = c->fd;

	log_debug("http: connection %d became a WebSocket after %llu requests", fd,
		  (unsigned long long)c->exchange.n_requests);
	conn_detach(c, CONN_TAKEN);
	return fd;
}

static const struct exchange_owner exchange_owner = {
    .on_written = written_cb,
    .on_released = released_cb,
    .take_fd = take_fd_cb,
};

struct conn *
conn_new(struct door *door, int fd, const struct access_peer *peer)
{
	struct conn *c;

	if (ring_empty(&door->unused)) {
		c = malloc(sizeof(*c));
	} else {
		c = CONN_OF(door->unused.next, link);
		ring_remove(&c->link);
		door->n_unused--;
	}
	if (!c)
		return NULL;
	*c = (struct conn){.door = door, .fd = fd};
	c->exchange.owner = &exchange_owner;
	c->exchange.door = door;
	c->exchange.peer = *peer;
	c->exchange.late = &c->out;
	ring_init(&c->link);
	ring_init(&c->resume_link);
	ring_append(&door->conns, &c->link);
	door->n_conns++;
	return c;
}

/* ---- what comes next ---- */

/* Everything is answered and sent, and there will be no more. */
static void
conn_finish(struct conn *c)
{
	if (c->is_eof || !c->exchange.is_linger) {
		conn_close(c, c->is_eof ? "the client had finished" : "as agreed");
		return;
	}
	/*
	 * RFC 9112 9.6: closing with unread input resets the connection, and a reset can destroy
	 * the answer before the client has read it. So the client is shown the end, and what it
	 * still sends is dropped until it closes.
	 */
	shutdown(c->fd, SHUT_WR);
	conn_set_state(c, CONN_LINGER);
	c->body_received = 0;
	c->is_paused = false;
	if (!watch_start(&c->read)) {
		conn_close(c, "it cannot be watched");
		return;
	}
	deadline_arm(&c->deadline, &c->door->linger);
}

void
conn_pause(struct conn *c)
{
	if (!c->is_paused)
		watch_stop(&c->read);
	c->is_paused = true;
}

bool
conn_unpause(struct conn *c)
{
	if (!c->is_paused || c->is_eof)
		return true;
	c->is_paused = false;
	if (watch_start(&c->read))
		return true;
	conn_close(c, "it cannot be watched");
	return false;
}

static void
conn_wait_for_request(struct conn *c)
{
	struct door *door = c->door;

	if (c->is_eof) {
		/* no request will follow; answers may still be on their way */
		if (c->state == CONN_BODY)
			exchange_forget(&c->exchange);
		conn_set_state(c, CONN_CLOSING);
		deadline_disarm(&c->deadline);
		if (!c->out.len)
			conn_finish(c);
		return;
	}
	if (!conn_unpause(c))
		return;
	switch (c->state) {
	case CONN_IDLE:
		/* who still takes its answers is not idle */
		if (c->out.len)
			deadline_disarm(&c->deadline);
		else
			deadline_arm(&c->deadline, door->is_draining ? &door->grace : &door->idle);
		break;
	case CONN_HEAD:
		if (c->deadline.list != &door->header)
			deadline_arm(&c->deadline, &door->header);
		break;
	case CONN_DROP:
		if (c->deadline.list != &door->body && c->deadline.list != &door->body_more)
			deadline_arm(&c->deadline, &door->body);
		break;
	default: break; /* CONN_BODY: armed when its head came */
	}
}

void
conn_wait(struct conn *c)
{
	if (c->is_stalled) {
		deadline_disarm(&c->deadline);
		conn_pause(c);
		return;
	}
	switch (c->state) {
	case CONN_IDLE:
	case CONN_HEAD:
	case CONN_BODY:
	case CONN_DROP: conn_wait_for_request(c); break;
	case CONN_BUSY:
		deadline_disarm(&c->deadline);
		if (c->in.len >= c->door->config->http_max_header_size)
			conn_pause(c);
		else
			conn_unpause(c);
		break;
	case CONN_CLOSING:
		deadline_disarm(&c->deadline);
		if (c->out.len)
			conn_pause(c);
		else
			conn_finish(c);
		break;
	case CONN_LINGER:
	case CONN_TAKEN:
	case CONN_GONE: break;
	}
}

void
conn_enter(struct conn *c)
{
	assert(!c->door->current);
	c->door->current = &c->exchange;
	c->door->out.len = 0;
}

/* Input that was not handled is kept if it may be handled later. False: it cannot be. */
static bool
conn_keep_rest(struct conn *c, const char *rest, size_t len)
{
	if (c->state == CONN_BODY)
		return true; /* `in` is the head; all else was taken as body */
	if (c->state == CONN_CLOSING) {
		/* RFC 9112 9.6: nothing after the last request is looked at */
		if (len)
			c->exchange.is_linger = true;
		len = 0;
		buffer_fini(&c->body);
	}
	/* what has been kept since before has its room */
	if (len > c->input_held && !door_has_input_room(c->door, len - c->input_held))
		return false;
	return buffer_assign(&c->in, rest, len);
}

void
conn_leave(struct conn *c, const char *rest, size_t len)
{
	struct door *door = c->door;

	if (c->state == CONN_GONE || c->state == CONN_TAKEN) {
		door->current = NULL;
		if (c->exchange.state == EXCHANGE_LOST)
			conn_free_buffers(c);
		else
			conn_release(c);
		return;
	}
	if (!conn_keep_rest(c, rest, len)) {
		if (c->state == CONN_HEAD) {
			judge_refuse_head(&c->exchange, &c->parser, span_from(rest, len), 503,
					  door_no_input_room, "Retry-After: 1\r\n");
			conn_keep_rest(c, NULL, 0);
		} else {
			c->broken = door_no_input_room;
		}
	}
	if (!c->broken)
		conn_flush(c);
	conn_count_held(c);
	door->current = NULL;
	conn_shed_output(c);
	/* after a big answer: its memory is not kept for ever */
	if (door->out.cap > 2 * CONN_OUT_MAX)
		buffer_fini(&door->out);
	if (c->broken)
		conn_close(c, c->broken);
	else
		conn_wait(c);
}

void
conn_answered(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (!x->is_keep)
		conn_set_state(c, CONN_CLOSING);
	else
		conn_set_state(c, x->is_body_left ? CONN_DROP : CONN_IDLE);
	x->is_body_left = false;
}

void
conn_leave_door(struct door *door)
{
	while (!ring_empty(&door->orphans)) {
		struct conn *c = CONN_OF(door->orphans.next, link);

		ring_remove(&c->link);
		c->door = c->exchange.door = NULL;
	}
	while (!ring_empty(&door->unused)) {
		struct conn *c = CONN_OF(door->unused.next, link);

		ring_remove(&c->link);
		free(c);
	}
	door->n_unused = 0;
}
