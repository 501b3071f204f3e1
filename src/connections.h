/*
 * connections.h - how store.connections is shared out: among the workers, each with lanes of the
 * product store and of the job queue, and the executor. Pure.
 */
#ifndef PLAZA_CONNECTIONS_H
#define PLAZA_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Of one process each, 1 to 3; all 0 when not even one each fits. */
struct connections {
	unsigned store;    /* of a worker, for products */
	unsigned jobs;     /* of a worker, for jobs */
	unsigned executor; /* of the executor */
};

/* Both generations of a reload have their share. */
struct connections connections_share(uint64_t limit, unsigned workers);

/* The smallest limit that is enough. */
uint64_t connections_needed(unsigned workers);

#endif
