/*
 * worker.h - the process that serves: builds its loop after fork and wires the layers.
 */
#ifndef PLAZA_WORKER_H
#define PLAZA_WORKER_H

#include <stdint.h>

#include "config/config.h"
#include "proc/doorbell.h"
#include "proc/listen.h"
#include "proc/process.h"
#include "proc/segment.h"

struct worker_args {
	unsigned index;   /* 0.., its place among the listening sockets */
	unsigned workers; /* how many this generation has */
	uint32_t generation;
	pid_t master;
	const struct config *config;
	const struct listeners *listeners;
	struct segment *segment;
	const struct doorbell *bell;
	struct process_user user;
};

/*
 * Runs in the child until it is told to end; the return value is the exit status.
 *
 * SIGTERM: stop - accept nothing, finish requests, close WebSockets with 1001, end.
 * SIGUSR1: drain - an old generation: accept nothing, finish requests, keep WebSockets until they
 *          leave, then end.
 * SIGUSR2: leave - close WebSockets with 1012 now, otherwise as drain.
 * SIGINT and SIGHUP are ignored: a terminal sends them to the whole group, and the master decides.
 */
int worker_run(const struct worker_args *args);

#endif
