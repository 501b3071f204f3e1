/*
 * hub.c - the hub of one worker: ties connections, rooms and the log to the loop.
 *
 * A message goes from its publisher to the log and from there, on every worker, to the members of
 * its room: at the end of the pass, or when the doorbell wakes a worker that slept.
 */
#include "hub/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/chat_http.h"
#include "hub/events.h"
#include "hub/frame.h"
#include "hub/hub_private.h"
#include "hub/hub_segment.h"
#include "hub/presence.h"

/* Descriptors that a worker needs for other things than clients. */
#define OTHER_FDS       512
#define LOG_INTERVAL_MS 60000

static void
open_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	deadline_arm(&client->silence, &hub->quiet);
	if (client->kind == CLIENT_JSON)
		session_welcome(client, client->seats, &hub->adopted);
	/* what its room has for it waits since it joined */
	if (client->waiting)
		ws_want_writable(c, true);
}

static void
message_cb(struct ws_conn *c, bool binary, const unsigned char *data, size_t len, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	switch (client->kind) {
	case CLIENT_ECHO: echo_message(hub, client, binary, data, len); break;
	case CLIENT_JSON: session_message(client, binary, data, len); break;
	case CLIENT_PLAIN: client_publish(client, binary, data, len); break;
	}
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

	(void)ctx;
	if (client->kind == CLIENT_ECHO)
		echo_writable(client);
	else
		client_writable(client);
}

static void
crowded_cb(struct ws_conn *c, void *ctx)
{
	struct hub *hub = ctx;

	if (loop_now_ms(hub->loop) >= hub->next_crowded_log_ms) {
		hub->next_crowded_log_ms = loop_now_ms(hub->loop) + LOG_INTERVAL_MS;
		log_warning("chat: clients whose messages do not come whole are closed: %zu bytes "
			    "of such are held, and chat.max_input_memory is %llu",
			    ws_input_bytes(hub->ws),
			    (unsigned long long)hub->config->chat_max_input_memory);
	}
	count_add(&hub->counters->kicks_input, 1);
	client_close((struct client *)c, CLOSE_TRY_LATER);
}

static void
closed_cb(struct ws_conn *c, void *ctx)
{
	struct client *client = (struct client *)c;
	struct hub *hub = ctx;

	client_release(hub, client);
	client_took_all(client);
	client_leave_all(client);
	if (client->session)
		session_free(client);
	deadline_disarm(&client->silence);
	buffer_fini(&client->replies);
	address_hold_release(&client->hold);
	client->prev->next = client->next;
	client->next->prev = client->prev;
	free(client);
	count_set(&hub->counters->connections, hub->n_clients - 1 + hub->n_streams);
	/* later, when nobody is inside ws.c any more */
	if (--hub->n_clients == 0)
		watch_start_ms(&hub->left, 0);
}

static const struct ws_events events = {
    .on_open = open_cb,
    .on_message = message_cb,
    .on_read = read_cb,
    .on_writable = writable_cb,
    .on_crowded = crowded_cb,
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
	enum ws_result result = ws_write(&client->conn, frame + WS_PRE, len);
	if (result != WS_REFUSED)
		deadline_arm(&client->silence, &hub->pinged);
}

static void
pinged_cb(struct deadline *d, void *ctx)
{
	struct hub *hub = ctx;

	count_add(&hub->counters->kicks_silent, 1);
	client_close(silent_client(d), CLOSE_NO_PONG);
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
set_readers(struct hub *hub, bool present)
{
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		chat_log_set_reader(&hub->log, hub->slot, i,
				    present ? rooms_seen(hub->rooms, i) : 0);
}

/* What is known elsewhere, for those who look at the counters. */
static void
count_log(struct hub *hub)
{
	uint64_t lag = 0;

	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		uint64_t written = chat_log_written(&hub->log, i), seen = rooms_seen(hub->rooms, i);

		lag += written > seen ? written - seen : 0;
	}
	count_set(&hub->counters->lag_bytes, lag);
	count_add(&hub->counters->repairs, hub->log.repaired);
	hub->log.repaired = 0;
}

static bool
pass_cb(void *arg)
{
	struct hub *hub = arg;

	const bool published = hub->published;

	hub->published = false;
	/* a move that a pass itself brings about is news for its own worker: there is another pass
	 */
	if (rooms_moved(hub->rooms) || published)
		count_add(&hub->counters->wakes,
			  doorbell_ring_sleepers(hub->bell, hub->segment, hub->slot));
	if (published)
		hub_pace(hub);
	bool more = rooms_deliver(hub->rooms);
	if (hub->is_over)
		clients_shed(hub);
	set_readers(hub, true);
	count_set(&hub->counters->input_bytes, ws_input_bytes(hub->ws));
	count_log(hub);
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
	/* see doorbell_ring_sleeper: either we see what was published, or its publisher sees us */
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

static bool
news_cb(void *arg)
{
	const struct hub *hub = arg;

	return rooms_have_news(hub->rooms);
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

static bool
hub_new_rooms(struct hub *hub)
{
	const struct config *config = hub->config;

	/* where this worker's numbers begin: two workers never meet */
	if (getrandom(&hub->n_numbers, sizeof(hub->n_numbers), 0) !=
	    (ssize_t)sizeof(hub->n_numbers)) {
		log_error("chat: no random number: %s", strerror(errno));
		return false;
	}
	if (config->chat_compression == 0 &&
	    !(hub->deflate = wire_deflate_new(config->chat_compression_min)))
		return false;
	hub->presence = presence_new(hub->loop, &hub->log);
	if (!hub->presence)
		return false;
	const struct rooms_options options = {
	    .log = &hub->log,
	    .counters = hub->counters,
	    .slot = hub->slot,
	    .queue_max = config->chat_client_queue_size,
	    .history_max = config->chat_history_messages,
	    .history_age_ms = config->chat_history_age,
	    .deflate = hub->deflate,
	    .members_changed = presence_members_changed,
	    .room_gone = presence_room_gone,
	    .ctx = hub->presence,
	};
	hub->rooms = rooms_new(&options);
	if (hub->rooms)
		presence_set_rooms(hub->presence, hub->rooms);
	return hub->rooms != NULL;
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
	hub->config = config;
	hub->bell = bell;
	hub->segment = segment;
	hub->slot = slot;
	hub->max_clients = max_clients(config);
	hub->counters = hub_counters(segment, slot);
	hub->publish_limit = (struct rate_limit){(uint32_t)config->chat_publish_rate,
						 (uint32_t)config->chat_publish_burst};
	hub->room_limit = (struct rate_limit){(uint32_t)config->chat_room_rate,
					      (uint32_t)config->chat_room_burst};
	hub->clients.prev = hub->clients.next = &hub->clients;
	hub->clients.stuck_prev = hub->clients.stuck_next = &hub->clients;
	deadline_list_init(&hub->quiet, loop, config->chat_ping_interval, "chat ping", quiet_cb,
			   hub);
	deadline_list_init(&hub->pinged, loop, config->chat_pong_timeout, "chat pong timeout",
			   pinged_cb, hub);
	watch_init_timer(&hub->release, loop, "chat release", hub_release_cb, hub);
	watch_init_timer(&hub->left, loop, "chat last left", left_cb, hub);
	watch_init(&hub->doorbell, loop, bell->fd[slot], LOOP_READ, "chat doorbell", doorbell_cb,
		   hub);
	if (!hub_log_attach(&hub->log, segment) || !hub_new_rooms(hub) ||
	    !watch_start(&hub->doorbell)) {
		hub_free(&hub);
		return NULL;
	}
	pace_init(&hub->pace, &hub->log);
	hub->max_message = config->chat_max_message_size;
	if (hub->max_message > chat_log_payload_max(&hub->log)) {
		hub->max_message = chat_log_payload_max(&hub->log);
		log_warning("chat.max_message_size: only %zu bytes fit into chat.room_log_size",
			    hub->max_message);
	}
	if (config->chat_client_queue_size > hub->log.room_max)
		log_warning(
		    "chat.client_queue_size: chat.room_log_size keeps %llu bytes for a room, and "
		    "a client that is further behind is closed",
		    (unsigned long long)hub->log.room_max);
	hub->events = events_new(hub);
	hub->http = chat_http_new(hub);
	if (!hub->events || !hub->http) {
		hub_free(&hub);
		return NULL;
	}
	hub->ws =
	    ws_new(loop, hub->max_message, (size_t)config->chat_max_input_memory, &events, hub);
	if (!hub->ws) {
		hub_free(&hub);
		return NULL;
	}
	hub->hook = (struct pass_hook){.fn = pass_cb, .name = "chat deliver", .arg = hub};
	loop_add_pass_hook(loop, &hub->hook);
	loop_set_sleep(loop, sleep_cb, wake_cb, hub);
	hub->news = (struct news_hook){.fn = news_cb, .arg = hub};
	loop_add_news_hook(loop, &hub->news);
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
	if (h->rooms)
		set_readers(h, false);
	ws_free(&h->ws);
	events_free(&h->events);
	chat_http_free(&h->http);
	rooms_free(&h->rooms);
	presence_free(&h->presence);
	wire_deflate_free(&h->deflate);
	deadline_list_fini(&h->quiet);
	deadline_list_fini(&h->pinged);
	watch_stop(&h->doorbell);
	watch_stop(&h->left);
	watch_stop(&h->release);
	buffer_fini(&h->echo);
	buffer_fini(&h->reply);
	free(h);
	*hub = NULL;
}

void
hub_dismiss(struct client *client)
{
	client_leave_all(client);
	if (client->session)
		session_free(client);
	free(client);
}

struct client *
hub_admit(struct hub *hub, const struct adopt_wish *wish, enum log_result *result)
{
	struct client *client = calloc(1, sizeof(*client));

	*result = LOG_TOO_LONG;
	if (!client)
		return NULL;
	client->hub = hub;
	client->kind = wish->kind;
	if (wish->kind == CLIENT_JSON)
		client->wire = wish->deflates ? WIRE_JSON_DEFLATE : WIRE_JSON;
	else
		client->wire = wish->deflates ? WIRE_PLAIN_DEFLATE : WIRE_PLAIN;
	client->number = hub_next_number(hub);
	if ((wish->kind == CLIENT_JSON && !session_open(client)) ||
	    (wish->kind != CLIENT_ECHO &&
	     !client_join(client, wish->room, SPAN_LIT(""), &wish->from, &hub->adopted, result))) {
		hub_dismiss(client);
		return NULL;
	}
	return client;
}

void
hub_adopt(struct client *client, const struct upgrade_socket *socket)
{
	struct hub *hub = client->hub;

	client->is_limited = !socket->is_local;
	client->hold = socket->hold;
	client->next = &hub->clients;
	client->prev = hub->clients.prev;
	client->prev->next = client;
	client->next->prev = client;
	hub->n_clients++;
	count_set(&hub->counters->connections, hub->n_clients + hub->n_streams);
	ws_adopt(hub->ws, &client->conn, socket->fd, socket->head);
}

void
hub_end_streams(struct hub *hub)
{
	events_end_all(hub->events);
}

void
hub_close_all(struct hub *hub, unsigned code)
{
	hub->closing = true;
	hub_end_streams(hub);
	for (struct client *client = hub->clients.next; client != &hub->clients;
	     client = client->next) {
		if (client->kind == CLIENT_JSON && code == CLOSE_RESTART)
			session_drain(client);
		client_close(client, code);
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
