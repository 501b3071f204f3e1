/*
 * hub.c - the hub of one worker: ties connections, rooms and the log to the loop.
 *
 * A message goes from its publisher to the log and from there, on every worker, to the members of
 * its room: at the end of the pass, or when the doorbell wakes a worker that slept.
 */
#include "hub/hub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/frame.h"
#include "hub/hub_private.h"

/* How often it is looked whether held publishers may go on. */
#define RELEASE_MS 5
/* Descriptors that a worker needs for other things than clients. */
#define OTHER_FDS 512

bool
hub_log_format(struct segment *segment)
{
	return chat_log_format(segment->log, segment->log_bytes);
}

size_t
hub_message_max(size_t log_size)
{
	return chat_log_payload_max_in(log_size);
}

void
hub_log_recover(struct segment *segment, const struct doorbell *bell)
{
	struct chat_log log;

	if (!chat_log_attach(&log, segment->log, segment->log_bytes))
		return;
	chat_log_repair(&log);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		for (unsigned j = 0; j < CHAT_LOG_SHARDS && segment->slots[i].pid == 0; j++)
			chat_log_set_reader(&log, i, j, 0);
		/* the dead may have said that it rings somebody, and not have done it */
		if (atomic_load(&segment->slots[i].sleep) != SLEEP_AWAKE)
			doorbell_ring(bell, i);
	}
}

static void
client_hold(struct hub *hub, struct client *client)
{
	if (client->held)
		return;
	client->held = true;
	client->held_prev = NULL;
	client->held_next = hub->held;
	if (hub->held)
		hub->held->held_prev = client;
	hub->held = client;
	ws_pause(&client->member.conn);
}

static void
client_release(struct hub *hub, struct client *client)
{
	if (!client->held)
		return;
	client->held = false;
	if (client->held_prev)
		client->held_prev->held_next = client->held_next;
	else
		hub->held = client->held_next;
	if (client->held_next)
		client->held_next->held_prev = client->held_prev;
	ws_resume(&client->member.conn);
}

static void
client_publish(struct hub *hub, struct client *client, bool binary, const unsigned char *data,
	       size_t len)
{
	const struct room *room = client->member.room;

	if (!room)
		return;
	struct span name = room_name(room);
	if (name.ptr[0] == '_') {
		/* a room of the daemon's: clients listen */
		ws_close(&client->member.conn, CLOSE_POLICY);
	} else if (chat_log_append(&hub->log, room_hash(room), name,
				   binary ? FRAME_BINARY : FRAME_TEXT, data, len)) {
		hub->published = true;
		if (hub->holding)
			client_hold(hub, client);
	} else {
		/* plain clients know no errors, and must not believe that it was sent */
		ws_close(&client->member.conn, CLOSE_TRY_LATER);
	}
}

static void
open_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	deadline_arm(&client->silence, &hub->quiet);
}

static void
message_cb(struct ws_conn *c, bool binary, const unsigned char *data, size_t len, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	if (client->kind == CLIENT_ECHO)
		echo_message(hub, client, binary, data, len);
	else
		client_publish(hub, client, binary, data, len);
}

static void
read_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	deadline_arm(&client->silence, &hub->quiet);
	if (client->kind == CLIENT_ECHO)
		echo_read(hub, client);
}

static void
writable_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	if (client->kind == CLIENT_ECHO)
		echo_writable(client);
	else
		rooms_catch_up(&hub->rooms, &client->member);
}

static void
closed_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	client_release(hub, client);
	rooms_leave(&hub->rooms, &client->member);
	deadline_disarm(&client->silence);
	buffer_fini(&client->echo);
	address_hold_release(&client->hold);
	client->prev->next = client->next;
	client->next->prev = client->prev;
	free(client);
	/* later, when nobody is inside ws.c any more */
	if (--hub->n_clients == 0)
		watch_start_ms(&hub->left, 0);
}

static const struct ws_events events = {
    .on_open = open_cb,
    .on_message = message_cb,
    .on_read = read_cb,
    .on_writable = writable_cb,
    .on_closed = closed_cb,
};

static struct client *
silent_client(struct deadline *d)
{
	return (struct client *)(void *)((char *)d - offsetof(struct client, silence));
}

static void
quiet_cb(struct deadline *d, void *ctx)
{
	struct client *client = silent_client(d);
	struct hub *hub = ctx;
	unsigned char frame[WS_PRE + FRAME_HEAD_MAX];
	size_t len = frame_head(frame + WS_PRE, FRAME_PING, 0);

	/* one that takes no output gets no ping, and has to be heard of all the same */
	enum ws_result result = ws_write(&client->member.conn, frame + WS_PRE, len);
	if (result != WS_REFUSED)
		deadline_arm(&client->silence, &hub->pinged);
}

static void
pinged_cb(struct deadline *d, void *ctx)
{
	struct client *client = silent_client(d);
	struct hub *hub = ctx;

	rooms_leave(&hub->rooms, &client->member);
	ws_close(&client->member.conn, CLOSE_NO_PONG);
}

static void
left_cb(void *arg, short what)
{
	struct hub *hub = arg;

	(void)what;
	if (hub->n_clients == 0 && hub->emptied)
		hub->emptied(hub->emptied_ctx);
}

static void
doorbell_cb(void *arg, short what)
{
	struct hub *hub = arg;

	/* that it woke us is all: the pass hook reads the log */
	(void)what;
	doorbell_answer(hub->bell, hub->slot);
}

static void
release_cb(void *arg, short what)
{
	struct hub *hub = arg;

	(void)what;
	hub->holding = pace_still_holds(&hub->pace, loop_now_ms(hub->loop));
	if (hub->holding) {
		watch_start_ms(&hub->release, RELEASE_MS);
		return;
	}
	while (hub->held)
		client_release(hub, hub->held);
}

static void
set_readers(struct hub *hub, bool present)
{
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		chat_log_set_reader(&hub->log, hub->slot, i,
				    present ? hub->rooms.reader[i].pos : 0);
}

static bool
pass_cb(void *arg)
{
	struct hub *hub = arg;

	if (hub->published) {
		hub->published = false;
		doorbell_ring_sleepers(hub->bell, hub->segment, hub->slot);
		if (!hub->holding && pace_must_hold(&hub->pace, loop_now_ms(hub->loop))) {
			hub->holding = true;
			watch_start_ms(&hub->release, RELEASE_MS);
		}
	}
	bool more = rooms_deliver(&hub->rooms);
	set_readers(hub, true);
	return more;
}

static void
set_sleep(struct hub *hub, enum slot_sleep sleep)
{
	atomic_store(&hub->segment->slots[hub->slot].sleep, sleep);
}

static bool
sleep_cb(void *arg)
{
	struct hub *hub = arg;

	set_sleep(hub, SLEEP_ASLEEP);
	/* see doorbell_ring_sleepers: either we see what was published, or its publisher sees us */
	atomic_thread_fence(memory_order_seq_cst);
	if (!rooms_have_news(&hub->rooms))
		return true;
	set_sleep(hub, SLEEP_AWAKE);
	return false;
}

static void
wake_cb(void *arg)
{
	set_sleep(arg, SLEEP_AWAKE);
}

static size_t
max_clients(const struct config *config)
{
	struct rlimit limit;

	if (config->http_max_connections > 0)
		return config->http_max_connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return OTHER_FDS;
	return limit.rlim_cur > 2 * OTHER_FDS ? limit.rlim_cur - OTHER_FDS : limit.rlim_cur / 2;
}

struct hub *
hub_new(struct loop *loop, const struct config *config, struct segment *segment,
	const struct doorbell *bell, unsigned slot)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub) {
		log_error("chat: out of memory");
		return NULL;
	}
	hub->loop = loop;
	hub->bell = bell;
	hub->segment = segment;
	hub->slot = slot;
	hub->max_clients = max_clients(config);
	hub->clients.prev = hub->clients.next = &hub->clients;
	deadline_list_init(&hub->quiet, loop, config->chat_ping_interval, "chat ping", quiet_cb,
			   hub);
	deadline_list_init(&hub->pinged, loop, config->chat_pong_timeout, "chat pong timeout",
			   pinged_cb, hub);
	watch_init_timer(&hub->release, loop, "chat release", release_cb, hub);
	watch_init_timer(&hub->left, loop, "chat last left", left_cb, hub);
	watch_init(&hub->doorbell, loop, bell->fd[slot], LOOP_READ, "chat doorbell", doorbell_cb,
		   hub);
	if (!chat_log_attach(&hub->log, segment->log, segment->log_bytes) ||
	    !rooms_init(&hub->rooms, &hub->log, config->chat_client_queue_size) ||
	    !watch_start(&hub->doorbell)) {
		hub_free(&hub);
		return NULL;
	}
	pace_init(&hub->pace, &hub->log);
	size_t max_message = config->chat_max_message_size;
	if (max_message > chat_log_payload_max(&hub->log)) {
		max_message = chat_log_payload_max(&hub->log);
		log_warning("chat.max_message_size: only %zu bytes fit into chat.log_size",
			    max_message);
	}
	if (config->chat_client_queue_size > hub->log.capacity)
		log_warning(
		    "chat.client_queue_size: chat.log_size keeps %llu bytes for a room, and "
		    "a client that is further behind is closed",
		    (unsigned long long)hub->log.capacity);
	hub->ws = ws_new(loop, max_message, &events, hub);
	if (!hub->ws) {
		hub_free(&hub);
		return NULL;
	}
	hub->hook = (struct pass_hook){.fn = pass_cb, .name = "chat deliver", .arg = hub};
	loop_add_pass_hook(loop, &hub->hook);
	loop_set_sleep(loop, sleep_cb, wake_cb, hub);
	set_sleep(hub, SLEEP_AWAKE);
	return hub;
}

void
hub_free(struct hub **hub)
{
	struct hub *h = *hub;

	if (!h)
		return;
	/* nobody is to be told, and nobody rings for us */
	h->emptied = NULL;
	loop_set_sleep(h->loop, NULL, NULL, NULL);
	set_sleep(h, SLEEP_AWAKE);
	if (h->log.area)
		set_readers(h, false);
	ws_free(&h->ws);
	rooms_fini(&h->rooms);
	deadline_list_fini(&h->quiet);
	deadline_list_fini(&h->pinged);
	watch_stop(&h->doorbell);
	watch_stop(&h->left);
	watch_stop(&h->release);
	buffer_fini(&h->echo);
	free(h);
	*hub = NULL;
}

bool
hub_has_room(const struct hub *hub)
{
	return !hub->closing && hub->n_clients < hub->max_clients;
}

bool
hub_adopt(struct hub *hub, const struct upgrade_socket *socket, enum client_kind kind,
	  struct span room)
{
	struct client *client = calloc(1, sizeof(*client));

	/*
	 * It joins before its 101 is written: whoever has seen that answer must get what others
	 * publish from then on, on whichever worker.
	 */
	if (!client || (kind == CLIENT_CHAT && !rooms_join(&hub->rooms, &client->member, room))) {
		free(client);
		return false;
	}
	client->kind = kind;
	client->hold = socket->hold;
	client->next = &hub->clients;
	client->prev = hub->clients.prev;
	client->prev->next = client;
	client->next->prev = client;
	hub->n_clients++;
	ws_adopt(hub->ws, &client->member.conn, socket->fd, socket->head);
	return true;
}

void
hub_close_all(struct hub *hub, unsigned code)
{
	hub->closing = true;
	for (struct client *client = hub->clients.next; client != &hub->clients;
	     client = client->next) {
		rooms_leave(&hub->rooms, &client->member);
		ws_close(&client->member.conn, code);
	}
}

size_t
hub_connections(const struct hub *hub)
{
	return hub->n_clients;
}

void
hub_on_empty(struct hub *hub, void (*emptied)(void *ctx), void *ctx)
{
	hub->emptied = emptied;
	hub->emptied_ctx = ctx;
}
