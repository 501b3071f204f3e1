/*
 * door_box.h - a whole front door in this process and thread: for the fuzzer, and for the tests
 * that talk to it thousands of times a second. Nothing waits: the loop runs until it would block.
 *
 * The programs that use it are linked with --wrap for accept4, recv and send, so that a talk says
 * where the server's reads are cut and how little its writes may bring; and for event_add and
 * clock_monotonic_us, so that it says how time goes by.
 *
 * Routes: GET /fast/{word}, answered at once; /later/{turns}, after so many passes of the loop;
 * /timer, by a timer of 0 ms; /hold, when the client has left, box_release is called or somebody
 * asks for /release; /big, more than a connection keeps unsent (the first few); /empty, 204;
 * /stream/{word}, in pieces, one for each letter: l makes it wait, m and b are long ones, x ends it
 * by an abort; /tag/{word}, /text and /text/later with an entity-tag, texts that are worth to be
 * coded. POST /echo (1000 bytes), /echo/later and /wide (http.max_body_size): the body comes back;
 * /json and /api/json: as JSON. /nothing is reserved, PUT and DELETE /thing/{id} take one later.
 * /private is of a scope that is not public. /up is a WebSocket that echoes its head and all that
 * follows, /up/no one that is refused.
 */
#ifndef PLAZA_TESTS_FUZZ_DOOR_BOX_H
#define PLAZA_TESTS_FUZZ_DOOR_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Limits that small inputs reach. */
#define BOX_HEADER_MAX 1024
#define BOX_BODY_MAX   2048
#define BOX_BIG_SIZE   ((size_t)300000)
#define BOX_TEXT_SIZE  2000
#define BOX_SEEN_MAX   ((size_t)1 << 18)
#define BOX_LOG_MAX    ((size_t)1 << 16)

/* Who the client is to the access rules. */
enum box_peer { BOX_UNIX, BOX_LOOPBACK, BOX_REMOTE, BOX_PEERS };

/* What the client does once it has sent all. */
enum box_end {
	BOX_HALF_CLOSE, /* shuts its side and reads to the end */
	BOX_CLOSE,      /* reads what there is, then closes */
	BOX_LEAVE,      /* closes, answers unread */
	BOX_STAY,       /* only reads: time has to end it */
	BOX_STARE,      /* not even that */
	BOX_ENDS
};

struct box_talk {
	struct span bytes;
	/* how many bytes each read of the server brings: in turn, and again from the first */
	const size_t *piece;
	size_t n_pieces; /* 0: as many as there are */
	bool settles;    /* a piece is sent only when all before it is done with */
	size_t send_max; /* each write of the server takes at most so many, every other one none; 0:
			    as the socket takes */
	enum box_peer peer;
	enum box_end end;
	/*
	 * How much time goes by: after each piece that settles, and when all is sent, in each pass
	 * of the loop, which then comes to rest when no deadline is left. 0: none.
	 */
	unsigned step_ms;
	/* another client has asked for /hold before, and gets its answers in the end */
	bool has_company;
	/* when all is sent, the server drains; the box is made anew afterwards */
	bool is_drained;
};

/* What came of it. */
struct box_heard {
	char *answers; /* good until the box hears into it again */
	size_t len, cap;
	bool is_ended;           /* the server has closed its side */
	bool is_aborted;         /* a handler has closed all connections */
	size_t n_seen;           /* requests that got to a handler */
	size_t seen_len;         /* a line for each: method, target, sums of fields and body */
	char seen[BOX_SEEN_MAX]; /* cut at the end */
	size_t log_len;          /* the access log without its times; with company, of both */
	char log[BOX_LOG_MAX];
};

/* False: out of memory, and nothing is open. `config` is the box's own. */
bool box_open(void);
/* Aborts what is left, answers what is held, frees all. Idempotent. */
void box_close(void);

/* From connect to the end. NULL, or what the box found wrong about the server. */
const char *box_talk(const struct box_talk *talk, struct box_heard *heard);
/* Whether the same requests came to the handlers; `may_stop`: or to one of them only the first. */
bool box_seen_alike(const struct box_heard *a, const struct box_heard *b, bool may_stop);
/*
 * Whether the access log has the same lines. Of the last one only that it is there: of what is no
 * request it shows what had come.
 */
bool box_logged_alike(const struct box_heard *a, const struct box_heard *b);
void box_heard_free(struct box_heard *heard);

/* The parts of it, for talks of other shapes. All with `heard` NULL: what is read is dropped. */
int box_connect(enum box_peer peer);
bool box_send(int fd, const char *data, size_t len);
/* Runs the loop until nothing more happens. False: it does not come to rest. */
bool box_run(void);
/* Reads what there is; false at the end of the stream. */
bool box_read(int fd, struct box_heard *heard);
/* Lets what is held be answered in the next pass; false when nothing is. */
bool box_release(void);
/* Begins a drain, and runs. The box has to be closed after it. */
bool box_drain(void);
/* The server has said that it is done. */
bool box_drained(void);

size_t box_connections(void);
/* Exchanges that a handler still owes the answer or its end, and sockets taken. */
size_t box_owed(void);

#endif
