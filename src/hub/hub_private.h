/*
 * hub_private.h - what the files of the hub share: one client, and the hub of one worker.
 */
#ifndef PLAZA_HUB_HUB_PRIVATE_H
#define PLAZA_HUB_HUB_PRIVATE_H

#include "base/buffer.h"
#include "base/deadline.h"
#include "http/exchange.h"
#include "hub/pace.h"
#include "hub/room.h"
#include "hub/ws.h"

enum client_kind {
	CLIENT_CHAT, /* in a room */
	CLIENT_ECHO  /* hears itself */
};

/* One WebSocket. It lives from hub_adopt until on_closed. */
struct client {
	struct member member; /* first: its conn is what ws.c hands back */
	struct address_hold hold;
	enum client_kind kind;
	bool held;                  /* in hub->held, and not read from */
	struct deadline silence;    /* on hub->quiet, then on hub->pinged */
	struct client *prev, *next; /* all of the hub */
	struct client *held_prev, *held_next;
	struct buffer echo; /* answers that the socket would not take; paused then */
};

struct hub {
	struct loop *loop;
	const struct doorbell *bell;
	const struct segment *segment;
	unsigned slot;
	struct ws *ws;
	struct chat_log log;
	struct rooms rooms;
	bool published; /* in this pass: sleepers are to be rung */
	bool closing;   /* hub_close_all: nobody comes in any more */
	size_t max_clients;
	size_t n_clients;
	struct client clients; /* head of a ring */
	struct pace pace;
	bool holding;         /* a worker is far behind: who publishes is not read from */
	struct client *held;  /* the first of them */
	struct watch release; /* looks whether they may go on */
	struct deadline_list quiet, pinged;
	struct buffer echo; /* answers to what is just being read */
	struct watch doorbell;
	struct watch left; /* fires when the last one has left */
	struct pass_hook hook;
	void (*emptied)(void *ctx);
	void *emptied_ctx;
};

/* Whether one more may come in. */
bool hub_has_room(const struct hub *hub);

/*
 * Takes the socket of a checked handshake. `room` is copied. False on out-of-memory, and then the
 * socket is still the caller's.
 */
bool hub_adopt(struct hub *hub, const struct upgrade_socket *socket, enum client_kind kind,
	       struct span room) __attribute__((warn_unused_result));

/* echo.c: the events of a CLIENT_ECHO. */
void echo_message(struct hub *hub, struct client *client, bool binary, const unsigned char *data,
		  size_t len);
void echo_read(struct hub *hub, struct client *client);
void echo_writable(struct client *client);

#endif
