/*
 * hub_http.c - the hub's routes: /chat, /chat/{room} and /echo, all of them WebSockets.
 */
#include <string.h>
#include <unistd.h>

#include "http/exchange.h"
#include "http/handshake.h"
#include "http/problem.h"
#include "hub/hub.h"
#include "hub/hub_private.h"

static void
take(struct exchange *x, struct hub *hub, enum client_kind kind, struct span room)
{
	const struct handshake_choice choice = {0};
	struct upgrade_socket socket;
	char name[CHAT_LOG_ROOM_MAX];

	if (!hub_has_room(hub)) {
		exchange_error(x, 503, "No more WebSockets here for now.", "Retry-After: 1\r\n");
		return;
	}
	/* what the exchange lends us goes with it */
	memcpy(name, room.ptr, room.len);
	if (!exchange_take_socket(x, &choice, &socket)) {
		exchange_error(x, 503, "Out of memory.", "Retry-After: 1\r\n");
		return;
	}
	if (!hub_adopt(hub, &socket, kind, span_from(name, room.len))) {
		close(socket.fd);
		address_hold_release(&socket.hold);
	}
}

static void
lobby_upgrade(struct exchange *x, void *ctx)
{
	take(x, ctx, CLIENT_CHAT, SPAN_LIT("lobby"));
}

static void
room_upgrade(struct exchange *x, void *ctx)
{
	static const struct problem no_room = {
	    .status = 404,
	    .type = "no-room",
	    .title = "There is no such room",
	    .detail = "A room's name is 1 to 64 of A-Z a-z 0-9 . _ - and not . or ..",
	    .hint = "Choose another name; any that fits is a room. /chat is the lobby.",
	};
	struct span room = exchange_param(x, 0);

	if (!room_name_valid(room)) {
		exchange_problem(x, &no_room);
		return;
	}
	take(x, ctx, CLIENT_CHAT, room);
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
}
