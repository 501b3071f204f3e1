/*
 * hub_private.h - what the files of the hub share: one client, and the hub of one worker.
 */
#ifndef PLAZA_HUB_HUB_PRIVATE_H
#define PLAZA_HUB_HUB_PRIVATE_H

#include "base/buffer.h"
#include "base/deadline.h"
#include "http/exchange.h"
#include "hub/counters.h"
#include "hub/pace.h"
#include "hub/rate.h"
#include "hub/room.h"
#include "hub/ws.h"

enum client_kind {
	CLIENT_PLAIN, /* in one room */
	CLIENT_JSON,  /* chat.v1.json, in any number of rooms: session.c */
	CLIENT_ECHO   /* hears itself */
};

/* One room of one client. */
struct seat {
	struct member member; /* first */
	struct client *client;
	struct seat *next;         /* of the client */
	struct seat *next_waiting; /* behind, and waits for the socket */
	bool is_waiting;
	enum { SEAT_NO_PRESENCE, SEAT_COUNT, SEAT_DIFF } presence;
	bool presence_missed; /* presence.c: what it knows of its room's members is not whole */
	uint8_t name_len;
	char name[]; /* in this room, as others see it */
};

struct chat_http;
struct events;
struct presence;
struct session; /* session.c: what JSON mode keeps besides */

/* One WebSocket. It lives from hub_adopt until on_closed. */
struct client {
	struct ws_conn conn; /* first: what ws.c hands back */
	struct hub *hub;
	struct address_hold hold;
	enum client_kind kind;
	enum wire wire;
	bool is_limited; /* chat.publish_rate is for it */
	bool held;       /* in hub->held, and not read from */
	uint64_t held_until_ms;
	uint64_t number; /* its conn in the log */
	struct rate rate;
	struct deadline silence;    /* on hub->quiet, then on hub->pinged */
	struct client *prev, *next; /* all of the hub */
	struct client *held_prev, *held_next;
	struct client *stuck_prev,
	    *stuck_next;         /* those whose sockets are full, the longest first */
	size_t held_bytes;       /* what was written and may wait in this process */
	struct seat *seats;      /* its rooms; a plain one has one */
	struct seat *waiting;    /* of those, which wait for the socket, in the order of coming */
	struct buffer replies;   /* frames that the socket would not take; go before all else */
	struct session *session; /* JSON */
};

struct hub {
	struct loop *loop;
	const struct config *config;
	const struct doorbell *bell;
	const struct segment *segment;
	unsigned slot;
	struct ws *ws;
	struct chat_log log;
	struct chat_counters *counters;
	struct rooms *rooms;
	struct presence *presence;
	size_t max_message;
	bool published; /* in this pass: sleepers are to be rung */
	bool closing;   /* hub_close_all: nobody comes in any more */
	bool is_over;   /* clients hold more than chat.max_output_memory */
	struct rate_limit publish_limit, room_limit;
	size_t held_bytes;
	uint64_t next_crowded_log_ms;
	struct join_result adopted; /* of the client that is just coming in, for its on_open */
	struct buffer reply;        /* what is just being answered */
	struct wire_deflate *deflate;
	size_t max_clients;
	size_t n_clients;
	size_t n_streams; /* events.c: those that listen over HTTP, counted by the front door */
	struct events *events;
	struct chat_http *http;
	struct client clients; /* head of a ring */
	uint64_t n_numbers;    /* given out */
	struct pace pace;
	bool holding;         /* a worker is far behind: who publishes is not read from */
	struct client *held;  /* the first of them */
	struct watch release; /* looks whether they may go on */
	struct deadline_list quiet, pinged;
	struct buffer echo; /* answers to what is just being read */
	struct watch doorbell;
	struct watch left; /* fires when the last one has left */
	struct pass_hook hook;
	struct news_hook news;
	void (*emptied)(void *ctx);
	void *emptied_ctx;
};

/* What a handshake asks for. */
struct adopt_wish {
	enum client_kind kind;
	bool deflates;    /* compressed messages may go to it */
	struct span room; /* not of CLIENT_ECHO */
	struct join_wish from;
};
/*
 * A client in its room, still without a socket: whoever sees its 101 later must get what others
 * publish from now on, on whichever worker. `wish` is copied. NULL with *result as of rooms_join.
 */
struct client *hub_admit(struct hub *hub, const struct adopt_wish *wish, enum log_result *result);
/* It will not come after all. */
void hub_dismiss(struct client *client);
/* At once after hub_admit: the socket of its checked handshake, which is answered now. */
void hub_adopt(struct client *client, const struct upgrade_socket *socket);

/* hold.c */

/* Stops reading from a client, until then at least and as long as a worker is far behind. */
void client_hold(struct hub *hub, struct client *client, uint64_t until_ms);
void client_release(struct hub *hub, struct client *client);
/* It has taken its answers: releases it as soon as nothing else holds it. */
void client_answered(struct hub *hub, struct client *client);

/* After publishing: holds all who publish as long as another worker is far behind. */
void hub_pace(struct hub *hub);
/* Of hub->release. */
void hub_release_cb(void *arg, short what);

/* client.c */

/* Whether one more may come in. */
bool hub_has_room(const struct hub *hub);

/* A new connection's number in the log, for WebSockets and event streams. */
uint64_t hub_next_number(struct hub *hub);

/*
 * Sends a JSON text as a frame of its own, before whatever the client's rooms have for it. What the
 * socket does not take is kept, at most CLIENT_REPLIES_MAX; a client that does not take its
 * answers is not read from, and is closed with CLOSE_SLOW beyond that.
 */
#define CLIENT_REPLIES_MAX (512 * 1024)
void client_reply(struct client *client, struct span json);

/* The seat in a room of that name, or NULL. */
struct seat *client_seat(const struct client *client, struct span room);
/* As rooms_join. NULL with *result told; `wish` and `joined` as there. */
struct seat *client_join(struct client *client, struct span room, struct span name,
			 const struct join_wish *wish, struct join_result *joined,
			 enum log_result *result);
void client_leave(struct client *client, struct seat *seat);
void client_leave_all(struct client *client);
/* Leaves every room and says why; the seats are there until the client is gone. */
void client_close(struct client *client, unsigned code);
/* The socket takes bytes. */
void client_writable(struct client *client);
/* So many bytes more of its output wait here: see clients_shed. */
void client_holds(struct client *client, size_t bytes);
/* Nothing of its output waits here any more. */
void client_took_all(struct client *client);
/* Closes those that have been stuck for the longest, while there is too much for all. */
void clients_shed(struct hub *hub);
/* A message of a CLIENT_PLAIN. */
void client_publish(struct client *client, bool binary, const unsigned char *data, size_t len);

/* echo.c: the events of a CLIENT_ECHO. */
void echo_message(struct hub *hub, struct client *client, bool binary, const unsigned char *data,
		  size_t len);
void echo_read(struct hub *hub, struct client *client);
void echo_writable(struct client *client);

/* session.c: the events of a CLIENT_JSON. False: out of memory. */
bool session_open(struct client *client);
/* After the URL's room is joined: the welcome. */
void session_welcome(struct client *client, const struct seat *seat,
		     const struct join_result *joined);
void session_message(struct client *client, bool binary, const unsigned char *data, size_t len);
/* {"t":"notice","what":"drain",...}, before the Close with 1012. */
void session_drain(struct client *client);
void session_free(struct client *client);

#endif
