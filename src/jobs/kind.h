/*
 * kind.h - a kind of job that plazad itself runs: one row in kinds.c and one file.
 *
 * A kind without a row is run by the user's own programs, over HTTP.
 */
#ifndef PLAZA_JOBS_KIND_H
#define PLAZA_JOBS_KIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/span.h"
#include "config/config.h"
#include "http/mistakes.h"
#include "jobs/credits.h"
#include "proc/segment.h"

struct job_run;

/* What the kinds of an executor have in common; lives as long as the process. */
struct job_kind_env {
	struct loop *loop;
	const struct config *config;
	const struct credits *credits; /* of this host, shared with the executor of a reload */
	/* where this daemon listens on TCP: no job may go there */
	const struct sockaddr_storage *own;
	size_t n_own;
};

struct job_kind {
	const char *name;

	/*
	 * Whether these args will do; if not, every mistake is added, in the place where the args
	 * are, which `mistakes` is at. Pure. It runs in the worker that a job is put into, and in
	 * the executor before `start`: an SQL function puts jobs, too, and options change.
	 */
	bool (*check)(const json_t *args, const struct config *config, struct mistakes *mistakes);
	/* Masks in `args` what nobody may be shown. NULL: there is nothing. */
	void (*show)(json_t *args);

	/* The rest runs in the executor. */

	/*
	 * Once in each, before it runs anything; *process is what each run of this kind gets.
	 * False, logged: the executor cannot start. NULL: nothing to open.
	 */
	bool (*open)(const struct job_kind_env *env, void **process);
	/* When nothing runs any more, or the process ends in the middle: calls back nobody. */
	void (*close)(void *process);
	/* A credit that it was refused (credits.h) may be there now. NULL: it takes none. */
	void (*credit)(void *process);

	/* Answers by job_run_done, exactly once, now or later. Never blocks. */
	void (*start)(struct job_run *run);
	/*
	 * It is wanted no more, or this process is ending: answers soon, JOB_CANCELLED, or as it
	 * really ended if it has just done so. What becomes of it is not the kind's business. NULL:
	 * it always ends soon.
	 */
	void (*cancel)(struct job_run *run);
};

#endif
