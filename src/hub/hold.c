/*
 * hold.c - clients that are not read from for a while: they owe time for what they published, do
 * not take their answers, or publish while a worker is far behind (pace.h).
 */
#include "hub/hub_private.h"

/* How often it is looked whether held publishers may go on. */
#define RELEASE_MS 5

void
client_hold(struct hub *hub, struct client *client, uint64_t until_ms)
{
	if (client->held_until_ms < until_ms)
		client->held_until_ms = until_ms;
	if (client->held)
		return;
	client->held = true;
	client->held_prev = NULL;
	client->held_next = hub->held;
	if (hub->held)
		hub->held->held_prev = client;
	hub->held = client;
	ws_pause(&client->conn);
	if (!watch_started(&hub->release))
		watch_start_ms(&hub->release, RELEASE_MS);
}

void
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
	ws_resume(&client->conn);
}

/* Whether it may be read from; one with answers to take is not even asked. */
static bool
is_over(const struct hub *hub, const struct client *client)
{
	return !hub->holding && loop_now_ms(hub->loop) >= client->held_until_ms;
}

void
client_answered(struct hub *hub, struct client *client)
{
	if (!client->held)
		return;
	if (is_over(hub, client))
		client_release(hub, client);
	else if (!watch_started(&hub->release))
		watch_start_ms(&hub->release, RELEASE_MS);
}

void
hub_pace(struct hub *hub)
{
	if (!hub->holding && pace_must_hold(&hub->pace, loop_now_ms(hub->loop))) {
		hub->holding = true;
		watch_start_ms(&hub->release, RELEASE_MS);
	}
}

void
hub_release_cb(void *arg, short what)
{
	struct hub *hub = arg;
	struct client *client, *next;
	bool has_more = false;

	(void)what;
	hub->holding = hub->holding && pace_still_holds(&hub->pace, loop_now_ms(hub->loop));
	for (client = hub->held; client; client = next) {
		next = client->held_next;
		/* whoever never takes them costs nothing here: see client_answered */
		if (client->replies.len > 0)
			continue;
		if (is_over(hub, client))
			client_release(hub, client);
		else
			has_more = true;
	}
	if (hub->holding || has_more)
		watch_start_ms(&hub->release, RELEASE_MS);
}
