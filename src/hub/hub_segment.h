/*
 * hub_segment.h - what the hub keeps in the shared segment, and what the master does with it.
 */
#ifndef PLAZA_HUB_HUB_SEGMENT_H
#define PLAZA_HUB_HUB_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "hub/counters.h"
#include "hub/log.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

/* The shared memory that the hub wants of a segment; 0 when the options do not fit. */
size_t hub_memory(const struct config *config);
/* In the master, once, before the first fork: makes the log in the segment's area. */
bool hub_log_format(struct segment *segment, const struct config *config);
/* The longest message that these options let a log carry. */
size_t hub_message_max(const struct config *config);
/*
 * In the master, when the process of a slot has ended: its members leave their rooms, and nobody
 * sleeps over what it published.
 */
void hub_log_recover(struct segment *segment, const struct doorbell *bell, unsigned slot);
/*
 * In the master: some milliseconds of a check that chat_log_check_begin has made due, as it is when
 * a process ended by a fault of its own, which may have spoilt the memory that it shared. Whether
 * there is more of it.
 */
bool hub_log_check(struct segment *segment, const struct doorbell *bell, struct log_check *check);

/* A process's view of the log. False, logged, if there is none. */
bool hub_log_attach(struct chat_log *log, struct segment *segment);
/* What a slot has counted. */
struct chat_counters *hub_counters(struct segment *segment, unsigned slot);

#endif
