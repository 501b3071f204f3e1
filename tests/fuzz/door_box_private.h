/*
 * door_box_private.h - what the files of the box share.
 */
#ifndef PLAZA_TESTS_FUZZ_DOOR_BOX_PRIVATE_H
#define PLAZA_TESTS_FUZZ_DOOR_BOX_PRIVATE_H

#include "base/loop.h"
#include "door_box.h"
#include "http/route.h"
#include "http/server.h"

struct box {
	struct loop *loop;
	struct http_server *server;
	int listener[BOX_PEERS];
	/* in hand, or NULL */
	const struct box_talk *talk;
	struct box_heard *heard;
};

extern struct box box;

/* ---- door_box_calls.c: what the server's system calls do, and time ---- */

/* For a new loop, whose timers are others. */
void box_calls_reset(void);
void box_calls_begin_talk(void);
void box_calls_end_talk(void);
/* From now on, until the end of the talk, so much in each pass of the loop. */
void box_let_time_go_by(unsigned pass_ms);
/* So much, once. */
void box_leap(unsigned ms);
/* Once in each pass of the loop. */
void box_calls_pass(void);

/* ---- door_box_routes.c: the handlers ---- */

void box_routes_add(struct route_table *routes);
void box_routes_begin_talk(void);
/* Goes on with what is answered later; as a pass hook's. */
bool box_routes_pass(void *arg);
void box_routes_close_taken(void);
/* Answers all that is owed, now. */
void box_routes_pay_all(void);

#endif
