/*
 * executor.h - the process that runs jobs: one beside the workers of a generation that has a
 * database.
 */
#ifndef PLAZA_EXECUTOR_H
#define PLAZA_EXECUTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/config.h"
#include "proc/doorbell.h"
#include "proc/process.h"
#include "proc/segment.h"

struct executor_args {
	unsigned workers; /* how many this generation has */
	uint32_t generation;
	pid_t master;
	const struct config *config;
	/* where this daemon listens on TCP: no job may go there */
	const struct sockaddr_storage *own;
	size_t n_own;
	struct segment *segment;
	const struct doorbell *bell;
	struct process_user user;
};

/*
 * Runs in the child until it is told to end; the return value is the exit status.
 *
 * SIGTERM: stop - claim nothing more, let jobs run until shortly before server.shutdown_timeout,
 *          give back what still runs, end.
 * SIGUSR1: drain - an old generation: claim nothing more, end with the last job.
 * SIGUSR2: leave - give back what runs, end.
 */
int executor_run(const struct executor_args *args);

#endif
