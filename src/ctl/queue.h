/*
 * queue.h - lines that wait, in the order in which they came.
 */
#ifndef PLAZA_CTL_QUEUE_H
#define PLAZA_CTL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct queued {
	struct queued *next;
	size_t len;
	char text[];
};

struct queue {
	struct queued *first, **last;
	size_t bytes; /* with the structs, so that empty lines count too */
	uint64_t n;
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);

/* A copy, to the end. False when memory ran out. */
bool queue_add(struct queue *q, struct span text) __attribute__((warn_unused_result));
/* One that queue_pop gave, to the end. */
void queue_push(struct queue *q, struct queued *line);
/* The first, which there must be; the caller frees it. */
struct queued *queue_pop(struct queue *q);

static inline struct span
queued_span(const struct queued *line)
{
	return span_from(line->text, line->len);
}

#endif
