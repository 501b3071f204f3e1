/*
 * jobs_common.h - what the files of a worker's job queue share.
 */
#ifndef PLAZA_JOBS_JOBS_COMMON_H
#define PLAZA_JOBS_JOBS_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "http/exchange.h"
#include "http/mistakes.h"
#include "http/query.h"
#include "http/route.h"
#include "jobs/job_teller.h"
#include "jobs/jobs_host.h"
#include "jobs/jobs_shared.h"
#include "queue/queue.h"

struct job_waits;
struct queue_waits;
struct work;

struct jobs {
	struct loop *loop;
	const struct config *config;
	struct jobs_host host;
	struct jobs_shared *shared;
	struct queue *queue; /* NULL: no store.database */
	struct job_waits *waits;
	struct queue_waits *queue_waits;
	struct work *work;
	bool is_leaving;

	struct jobs_reader reader;
	struct pass_hook pass;
	struct news_hook news;
	struct watch news_timer; /* for news that is being written */
	struct job_teller teller;
	bool has_put; /* in this pass: its end rings the executors */
};

/* After the commit of a change of a job that `hand` runs: all of this host hear of it. */
void jobs_changed(struct jobs *jobs, const struct job_told *told, char hand);

/* The same for one that was claimed, where it is now. */
void jobs_ended(struct jobs *jobs, const struct uuid *id, const struct ended_row *row);
/* Something may be claimed that was held back: whoever waits on this host asks again. */
void jobs_stir(struct jobs *jobs, struct job_queue_cell *cell);

/* `wait` of a query: whole seconds, 0 to 60; 0 without it. */
#define JOBS_WAIT_MAX_S 60
uint64_t jobs_read_wait(const struct query_param *wait, struct mistakes *mistakes);
/* `wait` of Prefer: so long as may be waited, of what is wished; 0: there is no wish. */
uint64_t jobs_wait_wished(const struct request *request);

/* There is a queue, the client takes JSON, and sets no condition of a change. False: answered. */
bool jobs_may_ask(struct jobs *jobs, struct exchange *x);
/* That, and the id in the path; or the name of a queue there. False: answered. */
bool jobs_read_id(struct jobs *jobs, struct exchange *x, struct uuid *id);
bool jobs_read_queue(struct jobs *jobs, struct exchange *x, struct span *name);

/* Routes of the scope of jobs, whose handlers get `jobs`. */
void jobs_add_table(struct jobs *jobs, struct route_table *routes, const struct route *table,
		    size_t n);

#endif
