/*
 * client.c - one WebSocket of the chat: its rooms, what it is sent, and its end. What a JSON client
 * says is session.c's, what a plain one says is published as it is.
 *
 * Output goes in this order: answers that the socket would not take before, then what its rooms
 * have for it, room by room.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "hub/frame.h"
#include "hub/hub_private.h"
#include "hub/publish.h"

/* A plain client that publishes too fast is not read from for as long as it owes; and at most this.
 */
#define DEBT_MAX_MS 2000

static struct seat *
seat_of(struct member *m)
{
	return (struct seat *)m;
}

/* ---- what the socket has not taken ---- */

static void
count_held(struct hub *hub, struct client *client, size_t held)
{
	hub->held_bytes = hub->held_bytes - client->held_bytes + held;
	client->held_bytes = held;
	count_set(&hub->counters->held_bytes, hub->held_bytes);
}

static void
unlink_stuck(struct client *client)
{
	if (!client->stuck_next)
		return;
	client->stuck_prev->stuck_next = client->stuck_next;
	client->stuck_next->stuck_prev = client->stuck_prev;
	client->stuck_prev = client->stuck_next = NULL;
}

void
client_took_all(struct client *client)
{
	if (client->held_bytes == 0)
		return;
	unlink_stuck(client);
	count_held(client->hub, client, 0);
}

/* Those that have been stuck for the longest go, if it is too much. */
void
client_holds(struct client *client, size_t bytes)
{
	struct hub *hub = client->hub;

	if (client->held_bytes == 0) {
		client->stuck_next = &hub->clients;
		client->stuck_prev = hub->clients.stuck_prev;
		client->stuck_prev->stuck_next = client;
		hub->clients.stuck_prev = client;
	}
	count_held(hub, client, client->held_bytes + bytes);
	hub->is_over = hub->held_bytes > hub->config->chat_max_output_memory;
}

void
clients_shed(struct hub *hub)
{
	hub->is_over = false;
	while (hub->held_bytes > hub->config->chat_max_output_memory) {
		struct client *oldest = hub->clients.stuck_next;

		if (oldest == &hub->clients)
			return;
		count_add(&hub->counters->kicks_slow, 1);
		/* its memory goes with it, within the time that a Close may take */
		client_took_all(oldest);
		client_close(oldest, CLOSE_SLOW);
	}
}

/* ---- a room's way to the socket ---- */

_Static_assert(WIRE_HEADROOM >= WS_PRE, "a run is written as it is");

static enum sink_result
sink_write(struct member *m, unsigned char *bytes, size_t len)
{
	struct client *client = seat_of(m)->client;

	/* answers go first */
	if (client->replies.len > 0)
		return SINK_STUCK;
	switch (ws_write(&client->conn, bytes, len)) {
	case WS_SENT: return SINK_SENT;
	case WS_PARTIAL: client_holds(client, len); return SINK_PARTIAL;
	case WS_STUCK: return SINK_STUCK;
	case WS_REFUSED: break;
	}
	return SINK_REFUSED;
}

static void
sink_soon(const struct member *m)
{
	const struct client *client = ((const struct seat *)m)->client;

	__builtin_prefetch(client);
	__builtin_prefetch(&client->replies);
}

static void
sink_want(struct member *m)
{
	struct seat *seat = seat_of(m), **link = &seat->client->waiting;

	if (!seat->is_waiting) {
		while (*link)
			link = &(*link)->next_waiting;
		*link = seat;
		seat->next_waiting = NULL;
		seat->is_waiting = true;
	}
	ws_want_writable(&seat->client->conn, true);
}

static void
sink_lose(struct member *m, unsigned code)
{
	struct client *client = seat_of(m)->client;

	if (code == CLOSE_SLOW)
		count_add(&client->hub->counters->kicks_slow, 1);
	else if (code == CLOSE_LOST)
		count_add(&client->hub->counters->kicks_lost, 1);
	client_close(client, code);
}

static const struct sink_calls socket_calls = {
    .write = sink_write,
    .want = sink_want,
    .soon = sink_soon,
    .lose = sink_lose,
};

static struct seat *
next_waiting(struct client *client)
{
	struct seat *seat = client->waiting;

	if (seat) {
		client->waiting = seat->next_waiting;
		seat->is_waiting = false;
	}
	return seat;
}

void
client_writable(struct client *client)
{
	struct hub *hub = client->hub;
	struct seat *last = NULL;

	client_took_all(client);
	if (client->replies.len > 0) {
		size_t len = client->replies.len - WS_PRE;
		enum ws_result result =
		    ws_write(&client->conn, (unsigned char *)client->replies.data + WS_PRE, len);

		if (result == WS_STUCK) {
			client_holds(client, len);
			return;
		}
		buffer_fini(&client->replies);
		if (result == WS_PARTIAL)
			client_holds(client, len);
		if (result != WS_SENT)
			return;
		client_answered(hub, client);
	}
	/* each of its rooms has a turn; those that want more come again behind the others */
	for (struct seat *seat = client->waiting; seat; seat = seat->next_waiting)
		last = seat;
	while (client->waiting && client->held_bytes == 0) {
		struct seat *seat = next_waiting(client);

		rooms_catch_up(hub->rooms, &seat->member);
		if (seat->member.state == MEMBER_BEHIND)
			sink_want(&seat->member);
		if (seat == last || !ws_is_open(&client->conn))
			break;
	}
	ws_want_writable(&client->conn, client->waiting != NULL && client->held_bytes == 0);
}

/* ---- answers ---- */

void
client_reply(struct client *client, struct span json)
{
	struct hub *hub = client->hub;
	struct buffer *out = client->replies.len > 0 ? &client->replies : &hub->reply;
	static const char headroom[WS_PRE];
	unsigned char head[FRAME_HEAD_MAX];
	size_t head_len = frame_head(head, FRAME_TEXT, json.len);

	if (out == &hub->reply)
		out->len = 0;
	if (client->replies.len > CLIENT_REPLIES_MAX) {
		count_add(&hub->counters->kicks_slow, 1);
		client_close(client, CLOSE_SLOW);
		return;
	}
	if ((out->len == 0 && !buffer_append(out, headroom, sizeof(headroom), SIZE_MAX)) ||
	    !buffer_append(out, head, head_len, SIZE_MAX) ||
	    !buffer_append(out, json.ptr, json.len, SIZE_MAX)) {
		client_close(client, CLOSE_INTERNAL);
		return;
	}
	if (out == &client->replies) {
		client_holds(client, head_len + json.len);
		return;
	}
	switch (ws_write(&client->conn, (unsigned char *)out->data + WS_PRE, out->len - WS_PRE)) {
	case WS_SENT:
	case WS_REFUSED: break;
	case WS_PARTIAL: client_holds(client, out->len - WS_PRE); break;
	case WS_STUCK:
		/* it asks and does not listen */
		client_holds(client, out->len);
		client->replies = *out;
		buffer_init(out);
		client_hold(hub, client, 0);
		break;
	}
}

/* ---- rooms ---- */

bool
hub_has_room(const struct hub *hub)
{
	return !hub->closing && hub->n_clients + hub->n_streams < hub->max_clients;
}

uint64_t
hub_next_number(struct hub *hub)
{
	/* an odd step comes past all numbers before it comes back, and looks like none */
	hub->n_numbers += UINT64_C(0x9e3779b97f4a7c15);
	return hub->n_numbers != 0 ? hub->n_numbers : hub_next_number(hub);
}

struct seat *
client_seat(const struct client *client, struct span room)
{
	for (struct seat *seat = client->seats; seat; seat = seat->next) {
		if (span_eq(room_name(seat->member.room), room))
			return seat;
	}
	return NULL;
}

struct seat *
client_join(struct client *client, struct span room, struct span name, const struct join_wish *wish,
	    struct join_result *joined, enum log_result *result)
{
	struct hub *hub = client->hub;
	struct log_member who = {
	    .conn = client->number,
	    .since_ms = clock_realtime_ms(),
	    .name_len = (uint8_t)name.len,
	};
	struct seat *seat = calloc(1, sizeof(*seat) + name.len);

	*result = LOG_TOO_LONG;
	if (!seat || name.len > CHAT_LOG_NAME_MAX) {
		free(seat);
		return NULL;
	}
	if (name.len > 0) {
		memcpy(who.name, name.ptr, name.len);
		memcpy(seat->name, name.ptr, name.len);
	}
	seat->name_len = (uint8_t)name.len;
	seat->client = client;
	seat->member.calls = &socket_calls;
	seat->member.wire = client->wire;
	seat->member.skips_when_slow = hub->config->chat_slow_client == 1;
	*result = rooms_join(hub->rooms, &seat->member, room, &who, wish, joined);
	if (*result != LOG_OK) {
		free(seat);
		return NULL;
	}
	seat->next = client->seats;
	client->seats = seat;
	return seat;
}

void
client_leave(struct client *client, struct seat *seat)
{
	struct seat **link = &client->seats;

	rooms_leave(client->hub->rooms, &seat->member);
	while (*link != seat)
		link = &(*link)->next;
	*link = seat->next;
	if (seat->is_waiting) {
		link = &client->waiting;
		while (*link != seat)
			link = &(*link)->next_waiting;
		*link = seat->next_waiting;
	}
	free(seat);
}

void
client_leave_all(struct client *client)
{
	while (client->seats)
		client_leave(client, client->seats);
}

/* ---- its end ---- */

/* The seats stay until it is gone: a room may be at work on one just now. */
void
client_close(struct client *client, unsigned code)
{
	for (struct seat *seat = client->seats; seat; seat = seat->next)
		rooms_leave(client->hub->rooms, &seat->member);
	/* whoever is sent away is told all, a notice too; one that has to go is heard no more */
	if (code == CLOSE_RESTART || code == CLOSE_GOING_AWAY)
		ws_close_behind(&client->conn, &client->replies, code);
	else
		ws_close(&client->conn, code);
	/* the socket may take its time to close */
	buffer_fini(&client->replies);
}

/* ---- publishing as it is ---- */

void
client_publish(struct client *client, bool binary, const unsigned char *data, size_t len)
{
	struct hub *hub = client->hub;
	const struct room *room = client->seats ? client->seats->member.room : NULL;
	struct log_receipt receipt;
	uint64_t retry_ms;

	if (!room)
		return;
	const struct log_message message = {
	    .room = room_name(room),
	    .kind = binary ? LOG_BINARY : LOG_TEXT,
	    .from = client->number,
	    .payload = span_from((const char *)data, len),
	};
	/* plain clients know no errors, and must not believe that it was sent */
	switch (hub_publish(hub, NULL, &message, &receipt, &retry_ms)) {
	case PUBLISH_OK: break;
	case PUBLISH_DENIED: client_close(client, CLOSE_POLICY); return;
	case PUBLISH_TOO_BIG: client_close(client, CLOSE_TOO_BIG); return;
	case PUBLISH_RATE:
		count_add(&hub->counters->kicks_rate, 1);
		client_close(client, CLOSE_RATE);
		return;
	case PUBLISH_BUSY:
	case PUBLISH_FULL: client_close(client, CLOSE_TRY_LATER); return;
	}
	uint64_t debt_ms = client->is_limited ? rate_owe(&client->rate, &hub->publish_limit,
							 loop_now_us(hub->loop))
					      : 0;
	if (debt_ms > DEBT_MAX_MS) {
		count_add(&hub->counters->kicks_rate, 1);
		client_close(client, CLOSE_RATE);
	} else if (debt_ms > 0 || hub->holding) {
		client_hold(hub, client, loop_now_ms(hub->loop) + debt_ms);
	}
}
