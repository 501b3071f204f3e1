/*
 * hands.h - the jobs that an executor has in hand: each from its claim until the database has taken
 * down how it ended. Runs in: executor.
 *
 * A job holds a credit for all that time. While the database is away jobs run on, and how they
 * ended is kept here; hands_store, called when it is back, stores it.
 */
#ifndef PLAZA_JOBS_HANDS_H
#define PLAZA_JOBS_HANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "base/span.h"
#include "base/uuid.h"
#include "config/config.h"
#include "jobs/credits.h"
#include "jobs/job_teller.h"
#include "jobs/kind.h"
#include "queue/queue.h"

struct hands;

struct hands_settings {
	const struct config *config;
	struct queue *queue;
	const struct credits *credits;
	struct job_teller *teller;
	const struct sockaddr_storage *own;
	size_t n_own;
	/* One is out of hand, and its credit given back; NULL: somebody else had it already. */
	void (*left)(const struct ended_row *row, void *ctx);
	void *ctx;
};

/* Opens the kinds. What `settings` points to must live as long. NULL on failure, logged. */
struct hands *hands_new(struct loop *loop, const struct hands_settings *settings);
/* Forgets what is left, and closes the kinds. The queue is freed before. */
void hands_free(struct hands **hands);

/*
 * Runs a job for which the caller has taken a credit, which is the job's from here on. False: out
 * of memory; nobody has the job then, and the caller has the credit.
 */
bool hands_take(struct hands *hands, struct span queue, const struct claimed *job);
/* If it is here. */
void hands_cancel(struct hands *hands, const struct uuid *id);
/* All of them, and all that come from now on. */
void hands_give_back(struct hands *hands);

/* Whether ends may be stored: not before the first beat after an outage. */
void hands_set_stores(struct hands *hands, bool stores);
/* A credit that a kind was refused may be there. */
void hands_credit(struct hands *hands);

size_t hands_count(const struct hands *hands);
/* The ids of all; room for hands_count of them. */
void hands_list(const struct hands *hands, struct uuid *ids);

#endif
