/*
 * master_state.h - the master's state: master.c owns it, reload.c works on it.
 */
#ifndef PLAZA_MASTER_STATE_H
#define PLAZA_MASTER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "generation.h"
#include "hub/log.h"
#include "master_args.h"
#include "proc/listen.h"

enum master_state {
	MASTER_STARTING,  /* the first generation is not ready; its failure is ours */
	MASTER_SERVING,   /* READY was said */
	MASTER_WAITING,   /* a reload waits for the eldest of three generations to leave */
	MASTER_RELOADING, /* a new generation starts, the present one serves on */
	MASTER_HANDOVER,  /* the new one serves; the old one was told to accept no more */
	MASTER_STOPPING   /* only waits for workers to end */
};

struct master {
	const struct master_args *args;
	enum master_state state;
	struct common common;
	/* by the parity of their numbers, as the slots are */
	struct generation generation[SEGMENT_GENERATIONS];
	uint32_t serving;     /* number of the generation that takes new connections */
	uint32_t last_number; /* the highest that was given */
	int signal_fd;
	int exit_code;
	struct log_check check; /* of the chat log, after a crash */

	/* a reload */
	uint64_t reload_us; /* when it began */
	uint64_t handover_until_ms;
	bool reload_again;   /* another SIGHUP came during it */
	struct config *next; /* MASTER_WAITING: to be started */
	struct listeners next_listeners;
};

static inline struct generation *
master_generation(struct master *m, uint32_t number)
{
	return &m->generation[number % SEGMENT_GENERATIONS];
}

#endif
