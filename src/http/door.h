/*
 * door.h - what all connections of one worker share: scratch memory for the request in hand, the
 * rings of deadlines, the connections themselves, and the queue of those that go on later.
 *
 * Internal to http/: server.c owns it, the connections and their exchanges work in it. Knows
 * neither.
 */
#ifndef PLAZA_HTTP_DOOR_H
#define PLAZA_HTTP_DOOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/loop.h"
#include "config/config.h"
#include "http/request.h"
#include "http/response.h"
#include "http/route.h"

struct access_log;
struct exchange;
struct gzip;

/* A place in a doubly linked ring; alone it points to itself. */
struct ring {
	struct ring *prev, *next;
};

static inline void
ring_init(struct ring *r)
{
	r->prev = r->next = r;
}

static inline bool
ring_empty(const struct ring *r)
{
	return r->next == r;
}

/* Out of whichever ring it is in; idempotent. */
static inline void
ring_remove(struct ring *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
	ring_init(r);
}

/* `r` must be alone. */
static inline void
ring_append(struct ring *head, struct ring *r)
{
	r->prev = head->prev;
	r->next = head;
	r->prev->next = r;
	head->prev = r;
}

/* One recv: what one connection may bring into one turn of the loop. */
#define DOOR_READ_SIZE 65536

/* What clients can cause a line in the log of. */
enum complaint {
	COMPLAINT_SYSTEM, /* accept has failed */
	COMPLAINT_MEMORY,
	COMPLAINT_CONNECTIONS,
	COMPLAINT_ADDRESS,
	COMPLAINT_INPUT,
	COMPLAINT_OUTPUT,
	COMPLAINT_COUNT
};

/* What the door calls of those who use it; none is NULL. The deadlines' ctx is the door. */
struct door_calls {
	void (*resume)(struct ring *link); /* after door_resume_later, and out of its ring */
	void (*idle_expired)(struct deadline *d, void *ctx);
	void (*header_expired)(struct deadline *d, void *ctx);
	void (*body_expired)(struct deadline *d, void *ctx);
	void (*write_expired)(struct deadline *d, void *ctx);
	void (*linger_expired)(struct deadline *d, void *ctx);
	void (*grace_expired)(struct deadline *d, void *ctx);
};

struct door {
	struct loop *loop;
	const struct config *config;
	const struct route_table *routes;
	const struct door_calls *calls;
	struct access_log *access_log; /* NULL: off */

	/*
	 * The request in hand. One is handled at a time and most end within their callback, so
	 * its parts live here once, not in each connection.
	 */
	struct exchange *current; /* of whose connection input is being handled, or NULL */
	char *in;                 /* a started head, then what was just read */
	size_t in_size;
	struct buffer out; /* the answers to `current`, sent together */
	struct request request;
	size_t head_len;  /* of the request's head */
	struct span rest; /* what came after the request, as far as it has been read */
	struct route_match match;
	struct span bad_head; /* what came of a head that is being refused unread, for the log */
	struct response_common common; /* see door_common */
	struct buffer conditions;      /* of a request that has such a field several times */

	/* for answers that are coded; see answer.c and exchange_reply.c */
	struct gzip *gzip; /* NULL until one is */
	struct buffer coded;
	size_t coded_in_pass; /* bytes of work */
	size_t uncoded_held;  /* bytes of bodies that are coded slice by slice */

	struct deadline_list first; /* no byte has come yet */
	struct deadline_list idle;
	struct deadline_list header;
	struct deadline_list body;
	struct deadline_list body_more; /* a second that a body has earned */
	struct deadline_list write;
	struct deadline_list linger;
	struct deadline_list grace; /* for idle connections, while draining */
	struct deadline_list shed;  /* at once: for those that were idle before */

	struct ring conns;   /* with a descriptor */
	struct ring orphans; /* without, but a handler still owes the answer */
	struct ring resumed; /* answered from elsewhere; they go on at the end of the pass */
	size_t n_conns;
	size_t n_turned_away; /* of those: answered 503, and only waiting for their end */
	struct ring unused;   /* conn structs to be used again */
	size_t n_unused;
	size_t input_held;  /* bytes: partial heads, bodies, what came behind a request in hand */
	size_t output_held; /* bytes: answers that their clients have not taken yet */
	uint64_t next_log_us[COMPLAINT_COUNT];

	struct pass_hook hook;
	struct watch wake;

	bool is_draining;
	void (*drained)(void *ctx);
	void *drained_ctx;
};

/* `config`, `routes` and `calls` must outlive it. False on out-of-memory; door_fini is right then
 * too. */
bool door_init(struct door *door, struct loop *loop, const struct config *config,
	       const struct route_table *routes, const struct door_calls *calls)
    __attribute__((warn_unused_result));
/* No connection may be left, and no orphan or unused one (conn_leave_door). */
void door_fini(struct door *door);

/* At most once a minute of each kind: whether the line may be written now. */
bool door_may_log(struct door *door, enum complaint complaint);

/* Whether so many more bytes may be kept for clients (http.max_input_memory). If not: logged. */
bool door_has_input_room(struct door *door, size_t len);

/* What a client is told when it may not. */
extern const char door_no_input_room[];

/* The field lines that every answer has just now. */
static inline struct span
door_common(struct door *door)
{
	return response_common(&door->common, door->config->http_server_header == 0,
			       loop_now_us(door->loop));
}

/* Queues `link`, which is a connection's `resume_link`, for the end of this pass. */
void door_resume_later(struct door *door, struct ring *link);

/* Calls `drained` from the loop, soon, if it is due: after a connection has left. */
void door_check_drained(struct door *door);

#endif
