/*
 * jobs_args.h - what the verbs of plazactl jobs are given.
 */
#ifndef PLAZA_CTL_JOBS_ARGS_H
#define PLAZA_CTL_JOBS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct jobs_args {
	const char *server;
	uint64_t patience_ms;
	/* NULL: not given */
	const char *queue, *state, *kind, *unique, *run_at, *timeout;
	uint64_t timeout_ms;
	bool has_count;
	uint64_t count;             /* 0: all */
	int priority, max_attempts; /* -1: not given */
	int argc;                   /* what stands behind the options */
	char *const *argv;
};

#endif
