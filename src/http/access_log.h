/*
 * access_log.h - the access log of one worker: a line for each answered request, to standard
 * output (log.access).
 *
 * Lines gather in a bounded buffer and leave at the end of the pass, in pieces of whole lines that
 * the kernel does not mix with those of other workers. A standard output that takes nothing stops
 * nobody: the lines that have no place are lost, and the other log says how many.
 */
#ifndef PLAZA_HTTP_ACCESS_LOG_H
#define PLAZA_HTTP_ACCESS_LOG_H

#include "base/loop.h"
#include "config/config.h"
#include "http/access_line.h"

struct access_log;

/*
 * Call it before the process gives up its user: standard output is opened anew where it can be.
 * NULL when log.access is off, or on out-of-memory, logged: then there is no log.
 */
struct access_log *access_log_new(const struct config *config, unsigned worker);

/* Lines may come. After whatever else hooks the end of the pass, so that its answers count in. */
void access_log_start(struct access_log *log, struct loop *loop);

/* Writes what is left, as far as it is taken soon. The loop must have run for the last time. */
void access_log_free(struct access_log **log);

/* Adds a line; `worker` of the entry is filled here. */
void access_log_add(struct access_log *log, struct access_entry *entry);

/* For an answer that comes later: what its entry has as `kept`. Valid until the next call. */
struct span access_log_keep(struct access_log *log, const struct request *request);

#endif
