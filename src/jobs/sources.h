/*
 * sources.h - the queues that an executor claims from: which of them may have something for it, and
 * which is next. Pure. Runs in: executor.
 */
#ifndef PLAZA_JOBS_SOURCES_H
#define PLAZA_JOBS_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "queue/queue.h"

struct source {
	char name[JOB_NAME_MAX + 1];
	size_t len;
	bool wants;       /* a claim may bring something */
	bool is_full;     /* behind the watermark, too */
	bool wants_again; /* said while a claim was under way */
	bool is_claiming;
	bool is_blocked; /* as many of the queue were claimed as may be */
	bool is_locked;  /* somebody's transaction holds it */
	uint32_t link;   /* the next one with this hash, counted from 1; 0: none */
};

struct sources {
	struct source *source;
	uint32_t *hashed; /* `cap` heads of links: SQL may make thousands of queues */
	size_t n, cap;    /* a power of two */
	size_t next;      /* turns go round */
};

void sources_fini(struct sources *sources);

/* The source of a queue; made if it is new. NULL: out of memory, or no name of a queue. */
struct source *sources_get(struct sources *sources, struct span queue);

/* Something may be ready there. */
void source_want(struct source *source, bool is_full);

/* How many want a claim. */
size_t sources_wanting(const struct sources *sources);
/* The next of those, which is claimed from now; NULL: none. */
struct source *sources_next(struct sources *sources);
/* A claim has ended so; of a queue that is absent the source is gone on return. */
void source_claimed(struct sources *sources, struct source *source, enum claim_end end);
/* A claimed job of this queue has ended. */
void source_unblock(struct source *source);
/* All that were locked want a claim. */
void sources_retry(struct sources *sources);
/* A claim has failed: it comes again; if the queue is to blame, not before the next look at it. */
void source_failed(struct source *source, bool is_to_blame);

#endif
