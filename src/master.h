/*
 * master.h - the parent process: sockets, segment, workers, signals. Never reads a client's byte.
 */
#ifndef PLAZA_MASTER_H
#define PLAZA_MASTER_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

struct master_args {
	struct config *config; /* the master's from now on */
	const char *file;      /* what a reload reads again */
	int file_required;
	char *const *overrides; /* -o, in force across reloads */
	size_t n_overrides;
	uint64_t started_us; /* clock_monotonic_us at the start of main */
};

/* Runs until a stop; returns an enum exit_code. */
int master_run(const struct master_args *args);

#endif
