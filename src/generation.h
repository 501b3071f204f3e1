/*
 * generation.h - the processes of one configuration, workers and the executor: spawned, watched,
 * replaced, drained.
 * Runs in: master.
 */
#ifndef PLAZA_GENERATION_H
#define PLAZA_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "proc/doorbell.h"
#include "proc/listen.h"
#include "proc/process.h"
#include "proc/segment.h"

/* What every process of the daemon has in common. */
struct common {
	pid_t master;
	struct segment *segment;
	struct doorbell bell;
	struct process_user user;
};

enum generation_state {
	GENERATION_NONE,     /* no process, nothing owned */
	GENERATION_STARTING, /* not all processes were ready yet */
	GENERATION_SERVING,  /* takes the new connections; its dead are replaced */
	GENERATION_DRAINING, /* told SIGUSR1: serves what it has until server.drain_timeout */
	GENERATION_LEAVING,  /* told SIGUSR2, SIGTERM or SIGKILL: killed at its deadline */
};

struct child {
	pid_t pid; /* 0: none */
	bool ready;
	uint64_t spawned_ms;
	uint64_t ready_by_ms;      /* killed if it is not ready then; 0: not watched */
	uint64_t retry_ms;         /* when the next one is made; 0: never */
	uint64_t throttle_ms;      /* the pause before that */
	uint64_t next_throttle_ms; /* the one after the next early death */
};

struct generation {
	enum generation_state state;
	uint32_t number;
	struct config *config;
	struct listeners listeners; /* those of a draining generation are not listed any more */
	unsigned workers;
	unsigned processes; /* the same and, with a database, the executor, which is the last one */
	struct child child[SEGMENT_PROCESSES];
	uint64_t deadline_ms; /* the end of DRAINING or LEAVING; 0: none */
};

/* server.workers, or for auto the CPUs. */
unsigned generation_workers(const struct config *config);

/*
 * Takes `config` and `listeners` and forks the processes, in which this does not return. False when
 * a fork failed (logged); the others are there.
 */
bool generation_start(struct generation *g, const struct common *common, uint32_t number,
		      struct config *config, struct listeners *listeners);

/* As of the last generation_tend. */
bool generation_all_ready(const struct generation *g);
/* The last step of a start. */
void generation_serve(struct generation *g);

/* Whose process ended? False when it is none of this generation's. */
bool generation_find(const struct generation *g, pid_t pid, unsigned *index);

#define GENERATION_NAME_SIZE 24
/* "worker 3", "executor". Returns `name`. */
const char *generation_name(const struct generation *g, unsigned index,
			    char name[GENERATION_NAME_SIZE]);

/*
 * Logs the end of process `index`, empties its slot and, as long as the generation serves, plans
 * the next one: at once, or after a pause that doubles when it was not ready or died soon again.
 * Returns whether it had been ready.
 */
bool generation_bury(struct generation *g, const struct common *common, unsigned index, int status);

/* Notes who is ready; then what is due: processes to make, to kill, or the next step of a drain. */
void generation_tend(struct generation *g, const struct common *common, uint64_t now_ms);
/* When generation_tend has something to do; UINT64_MAX for never. */
uint64_t generation_deadline_ms(const struct generation *g);

/* SIGUSR1 to all; SIGUSR2 after `timeout_ms`. */
void generation_drain(struct generation *g, uint64_t timeout_ms);
/* `signum` to all; SIGKILL after `timeout_ms`. */
void generation_leave(struct generation *g, int signum, uint64_t timeout_ms);

/* Whether its processes, once told to drain or leave, have stopped taking anything new. */
bool generation_accepts_no_more(const struct generation *g, const struct common *common);

unsigned generation_living(const struct generation *g);
/* When none lives any more: frees what it owns, its listeners without closing them. */
void generation_end(struct generation *g);

/* Workers, addresses, database and conf file of a generation, for READY and for a reload. */
void generation_describe(const struct generation *g, char *out, size_t size);

#endif
