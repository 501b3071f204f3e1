/*
 * log_lock.h - a shard's lock. Who has it finds everything behind it as it should be.
 */
#ifndef PLAZA_HUB_LOG_LOCK_H
#define PLAZA_HUB_LOG_LOCK_H

#include "hub/log_area.h"

/* False when another process has held it for 50 ms. */
bool log_lock(struct chat_log *log, unsigned shard) __attribute__((warn_unused_result));
void log_unlock(struct chat_log *log, unsigned shard);

#endif
