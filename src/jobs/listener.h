/*
 * listener.h - hears what SQL puts into queues: LISTEN on a connection of its own, which comes back
 * when it is lost. Runs in: executor.
 */
#ifndef PLAZA_JOBS_LISTENER_H
#define PLAZA_JOBS_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "config/config.h"

#define JOBS_CHANNEL "plaza_jobs"

struct listener;

struct listener_settings {
	const struct config *config;           /* store.*; must live as long */
	const _Atomic uint64_t *held_until_ms; /* as of connection_settings */
	/* Something is ready in this queue; an empty name: maybe in any (nobody listened before).
	 */
	void (*heard)(struct span queue, void *ctx);
	void *ctx;
};

/*
 * Connects in the background. Behind a pooler, where LISTEN does not work, it does nothing: who
 * looks once a second finds all the same. NULL on failure, logged.
 */
struct listener *listener_new(struct loop *loop, const struct listener_settings *settings);
/* Gives its connection up while others want it more (held_until_ms): after each pass. */
void listener_yield(struct listener *listener);
void listener_free(struct listener **listener);

#endif
