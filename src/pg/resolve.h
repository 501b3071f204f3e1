/*
 * resolve.h - host names to addresses, in a thread of its own, so that a slow name server stalls
 * nobody.
 */
#ifndef PLAZA_PG_RESOLVE_H
#define PLAZA_PG_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

#include "base/loop.h"
#include "pg/conninfo.h"

struct resolve;

/*
 * `found` has every target with each address of its name, in order, to be tried in turn; targets
 * that need no look-up are there as they were. It is the callee's to keep or targets_fini.
 * When no target is left, `found` is NULL and `error` says why.
 */
typedef void resolve_fn(struct targets *found, const char *error, void *ctx);

bool resolve_needed(const struct targets *targets);

/* Calls `done` once, from the loop, never from inside. NULL when no thread can be had (logged). */
struct resolve *resolve_submit(struct loop *loop, const struct targets *targets, resolve_fn *done,
			       void *ctx);

/* `done` is not called any more; the thread ends on its own when the resolver lets it. */
void resolve_abandon(struct resolve **resolve);

/* getaddrinfo(3). Tests put a slow one here, before any thread runs. */
extern int (*resolve_lookup)(const char *node, const char *service, const struct addrinfo *hints,
			     struct addrinfo **result);

#endif
