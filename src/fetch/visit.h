/*
 * visit.h - one URL of a fetch job, from its turn to its result: redirects, tries, pauses, and what
 * is kept of the body. Runs in: executor. Called by: kind_fetch.c.
 *
 * Any status is a result. Before it is one, an answer may be tried again, as people who retry by
 * hand would, VISIT_TRIES times in all:
 *   - no connection: always, for nothing was sent;
 *   - a connection that ended in the middle, and 408, 425, 429 and 5xx: for methods that are
 *     idempotent (RFC 9110 9.2.2), so not for POST and PATCH;
 *   - not after a timeout, and not what is wrong for good: certificates, addresses, sizes.
 * Between two tries it pauses for what Retry-After says, else for 0.25 s, the double each time,
 * more or less by chance. A pause that the URL's time has no room for is not made: what there is
 * then is the result. So no URL takes longer than its timeout, but for waiting until it is its
 * turn.
 *
 * A Retry-After of 429 or 503 is for all URLs of that host, in all jobs of this process: they wait,
 * or if their own timeout is shorter, end with the error host-busy. At a host that was not reached
 * many times in a row (host_pace.h), URLs end at once, with host-down.
 *
 * Redirects are followed by us, each as a new URL through the same checks. 303 asks with GET, and
 * so do 301 and 302 after a POST, as browsers do. Once the way has led to another origin, headers
 * that hold secrets are left out.
 */
#ifndef PLAZA_FETCH_VISIT_H
#define PLAZA_FETCH_VISIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "fetch/fetch_args.h"
#include "fetch/guard.h"
#include "fetch/host_pace.h"
#include "fetch/transfer.h"
#include "fetch/turns.h"

#define VISIT_TRIES    3
#define VISIT_PAUSE_MS 250

/* What all visits of a process have in common. */
struct visit_env {
	struct loop *loop;
	struct guard *guard;
	struct transfers *transfers;
	struct pace *pace;
	struct turns *turns;
	uint64_t timeout_ms, max_size; /* fetch.timeout, fetch.max_size */
	unsigned redirects;
	uint64_t random; /* a state; not 0 */
};

/* And those of a job. */
struct visit_job {
	const struct fetch_args *args;
	const char *id; /* for Idempotency-Key, with the URL's number */
	unsigned attempt;
	size_t values_max; /* bytes of a URL's values */
};

struct visit;

struct visit_events {
	/* It pauses, or goes on: while it pauses another one may have its place. */
	void (*paused)(bool is_paused, void *ctx);
	/* Exactly once, never inside visit_start, and the visit is gone; not after a cancel.
	 * `result` is JSON; ptr NULL: memory ran out. */
	void (*done)(size_t n, struct span result, void *ctx);
};

/* URL `n` of the job. NULL on out-of-memory. */
struct visit *visit_start(struct visit_env *env, const struct visit_job *job, size_t n,
			  const struct visit_events *events, void *ctx);

void visit_cancel(struct visit *visit);

/* The result of a URL that was not visited. False on out-of-memory. */
struct buffer;
bool visit_not(const struct visit_job *job, size_t n, const char *error, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
