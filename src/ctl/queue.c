/*
 * queue.c - lines that wait, in the order in which they came.
 */
#include "ctl/queue.h"

#include <stdlib.h>
#include <string.h>

void
queue_init(struct queue *q)
{
	*q = (struct queue){.last = &q->first};
}

void
queue_push(struct queue *q, struct queued *line)
{
	line->next = NULL;
	*q->last = line;
	q->last = &line->next;
	q->bytes += sizeof(*line) + line->len;
	q->n++;
}

bool
queue_add(struct queue *q, struct span text)
{
	struct queued *line = malloc(sizeof(*line) + text.len);

	if (!line)
		return false;
	line->len = text.len;
	if (text.len)
		memcpy(line->text, text.ptr, text.len);
	queue_push(q, line);
	return true;
}

struct queued *
queue_pop(struct queue *q)
{
	struct queued *line = q->first;

	q->first = line->next;
	if (!q->first)
		q->last = &q->first;
	q->bytes -= sizeof(*line) + line->len;
	q->n--;
	return line;
}

void
queue_fini(struct queue *q)
{
	while (q->first)
		free(queue_pop(q));
}
