/*
 * runner.h - what an executor does: it claims jobs, as many as there are credits for, runs them by
 * their kinds and stores how they ended. It looks after the queue, too: rescues, promotes, keeps.
 * Runs in: executor.
 */
#ifndef PLAZA_JOBS_RUNNER_H
#define PLAZA_JOBS_RUNNER_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/span.h"
#include "config/config.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct runner;

struct runner_settings {
	const struct config *config;
	unsigned lanes; /* connections to the database, besides the one that listens */
	struct segment *segment;
	const struct doorbell *bell;
	unsigned slot; /* its own */
	unsigned side; /* which of two executors of this host: the parity of its generation */
	const struct sockaddr_storage *own; /* where this daemon listens */
	size_t n_own;
	/* What has changed, {"id","kind","queue","state"}, for whoever listens. */
	void (*tell)(struct span json, void *ctx);
	/* After runner_drain or runner_leave, from the loop: nothing is left in hand. */
	void (*emptied)(void *ctx);
	void *ctx;
};

/*
 * Connects in the background. What `settings` points to must live as long. Adds hooks to the loop,
 * which must not run any more after runner_free. NULL on failure, logged.
 */
struct runner *runner_new(struct loop *loop, const struct runner_settings *settings);
void runner_free(struct runner **runner);

/* Claims nothing more; what runs goes on to its end. */
void runner_drain(struct runner *runner);
/* The same, and what runs is given back: it runs again elsewhere, and the attempt does not count.
 */
void runner_leave(struct runner *runner);

/* Jobs in hand: those that run, and those whose end is not stored yet. */
size_t runner_running(const struct runner *runner);

#endif
