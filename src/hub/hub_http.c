/*
 * hub_http.c - the hub's routes: /chat, /chat/{room} and /echo, all of them WebSockets.
 */
#include "http/exchange.h"
#include "http/handshake.h"
#include "http/problem.h"
#include "hub/chat_http.h"
#include "hub/events.h"
#include "hub/hub.h"
#include "hub/hub_private.h"
#include "hub/wish.h"

#define CHAT_PROTOCOL "chat.v1.json"

static const struct problem no_memory = {
    .status = 503,
    .detail = "Out of memory.",
    .fields = "Retry-After: 1\r\n",
};
static const struct problem log_busy = {
    .status = 503,
    .type = "chat-busy",
    .title = "The chat is busy",
    .detail = "The chat's log is locked by a process that does not go on.",
    .fields = "Retry-After: 1\r\n",
};
static const struct problem log_full = {
    .status = 503,
    .type = "chat-full",
    .title = "There are too many rooms",
    .detail = "All rooms that the chat can have (chat.max_rooms) have members.",
    .fields = "Retry-After: 10\r\n",
};

static void
take(struct exchange *x, struct hub *hub, enum client_kind kind, struct span room)
{
	struct handshake_choice choice = {0};
	struct upgrade_socket socket;
	struct url_wish url = {0};
	enum log_result result;

	if (!hub_has_room(hub)) {
		exchange_error(x, 503, "No more WebSockets here for now.", "Retry-After: 1\r\n");
		return;
	}
	if (kind != CLIENT_ECHO && !wish_read(x, &url))
		return;
	if (kind == CLIENT_PLAIN &&
	    handshake_offers_protocol(exchange_request(x), SPAN_LIT(CHAT_PROTOCOL)))
		choice.protocol = CHAT_PROTOCOL;
	/* the subprotocol and ?mode=json are the same wish */
	if (kind == CLIENT_PLAIN && (url.is_json || choice.protocol))
		kind = CLIENT_JSON;
	if (hub->deflate)
		choice.deflate = handshake_deflate(exchange_request(x));
	const struct adopt_wish wish = {
	    .kind = kind, .deflates = choice.deflate, .room = room, .from = url.from};
	struct client *client = hub_admit(hub, &wish, &result);
	if (!client) {
		exchange_problem(x, result == LOG_BUSY   ? &log_busy
				    : result == LOG_FULL ? &log_full
							 : &no_memory);
		return;
	}
	if (!exchange_take_socket(x, &choice, &socket)) {
		hub_dismiss(client);
		exchange_problem(x, &no_memory);
		return;
	}
	hub_adopt(client, &socket);
}

static void
lobby_upgrade(struct exchange *x, void *ctx)
{
	take(x, ctx, CLIENT_PLAIN, SPAN_LIT("lobby"));
}

static void
room_upgrade(struct exchange *x, void *ctx)
{
	struct span room;

	if (chat_http_room(x, &room))
		take(x, ctx, CLIENT_PLAIN, room);
}

static void
echo_upgrade(struct exchange *x, void *ctx)
{
	take(x, ctx, CLIENT_ECHO, SPAN_LIT(""));
}

void
hub_add_routes(struct hub *hub, struct route_table *routes)
{
	static const struct {
		const char *pattern;
		void (*upgrade)(struct exchange *x, void *ctx);
	} table[] = {
	    {"/chat", lobby_upgrade},
	    {"/chat/{room}", room_upgrade},
	    {"/echo", echo_upgrade},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct route route = {
		    .methods = HTTP_METHOD_BIT(HTTP_GET),
		    .pattern = table[i].pattern,
		    .scope = SCOPE_CHAT,
		    .upgrade = table[i].upgrade,
		    .ctx = hub,
		};

		route_add(routes, &route);
	}
	chat_http_add_routes(hub->http, routes);
	events_add_routes(hub->events, routes);
}
