/*
 * master_args.h - what main hands to the master, and a reload reads again.
 */
#ifndef PLAZA_MASTER_ARGS_H
#define PLAZA_MASTER_ARGS_H

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

#endif
