/*
 * watermarks.c - see watermarks.h. Few queues: a list, the one asked last in front.
 */
#include "queue/watermarks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* so many that one is old enough */
#define MARK_STEP_MS 16
#define MARKS        (WATERMARK_AGE_MS / MARK_STEP_MS + 2)

#define QUEUES_MAX   256
#define NAME_MAX_LEN 64 /* JOB_NAME_MAX */
#define HANDS        2
#define PRIORITIES   10 /* JOB_PRIORITIES */
/* "{", and so many numbers with what is between them */
#define OLD_SIZE   (34 * 21)
#define MARKS_SIZE (PRIORITIES * 21 + 3)

/* The highest numbers that were claimed by some time. */
struct mark {
	uint64_t at_ms;
	int64_t seq[PRIORITIES];
};

struct hand_marks {
	int64_t highest[PRIORITIES];
	struct mark mark[MARKS]; /* the newest first, MARK_STEP_MS apart at least */
	uint64_t full_ms, full_again_ms;
};

struct queue_marks {
	TAILQ_ENTRY(queue_marks) link;
	char name[NAME_MAX_LEN];
	size_t name_len;
	bool is_locked;
	uint64_t try_ms; /* if it is locked: when it is tried again */
	int64_t from;
	char old[OLD_SIZE];
	struct hand_marks hand[HANDS];
};

TAILQ_HEAD(marks_list, queue_marks);

struct watermarks {
	struct marks_list queues;
	unsigned n;
	char marks[MARKS_SIZE], from[24];
};

struct watermarks *
watermarks_new(void)
{
	struct watermarks *marks = calloc(1, sizeof(*marks));

	if (marks)
		TAILQ_INIT(&marks->queues);
	return marks;
}

static void
drop(struct watermarks *marks, struct queue_marks *q)
{
	TAILQ_REMOVE(&marks->queues, q, link);
	marks->n--;
	free(q);
}

void
watermarks_forget(struct watermarks *marks)
{
	struct queue_marks *q;

	while ((q = TAILQ_FIRST(&marks->queues)) != NULL)
		drop(marks, q);
}

void
watermarks_free(struct watermarks **marks)
{
	if (!*marks)
		return;
	watermarks_forget(*marks);
	free(*marks);
	*marks = NULL;
}

static struct queue_marks *
find(struct watermarks *marks, struct span name)
{
	struct queue_marks *q;

	TAILQ_FOREACH(q, &marks->queues, link)
	{
		if (span_eq(span_from(q->name, q->name_len), name))
			return q;
	}
	return NULL;
}

static struct queue_marks *
make(struct watermarks *marks, struct span name)
{
	struct queue_marks *q = name.len <= NAME_MAX_LEN ? calloc(1, sizeof(*q)) : NULL;

	if (!q)
		return NULL;
	if (marks->n == QUEUES_MAX)
		drop(marks, TAILQ_LAST(&marks->queues, marks_list));
	memcpy(q->name, name.ptr, name.len);
	q->name_len = name.len;
	memcpy(q->old, "{}", 3);
	for (unsigned i = 0; i < HANDS; i++)
		q->hand[i].full_again_ms = WATERMARK_FULL_MIN_MS;
	TAILQ_INSERT_HEAD(&marks->queues, q, link);
	marks->n++;
	return q;
}

static struct hand_marks *
hand_of(struct queue_marks *q, char hand)
{
	return &q->hand[hand == 'p' ? 0 : 1];
}

static void
turn(struct hand_marks *h, uint64_t now_ms)
{
	if (now_ms - h->mark[0].at_ms < MARK_STEP_MS)
		return;
	memmove(h->mark + 1, h->mark, (MARKS - 1) * sizeof(h->mark[0]));
	memcpy(h->mark[0].seq, h->highest, sizeof(h->highest));
	h->mark[0].at_ms = now_ms;
}

/* The newest one that is old enough. */
static const struct mark *
mark_of(const struct hand_marks *h, uint64_t now_ms)
{
	unsigned i = 0;

	while (i < MARKS - 1 && now_ms - h->mark[i].at_ms < WATERMARK_AGE_MS)
		i++;
	return &h->mark[i];
}

bool
watermarks_ask(struct watermarks *marks, struct span queue, char hand, bool *is_full,
	       uint64_t now_ms, const char *values[3])
{
	struct queue_marks *q = find(marks, queue);
	size_t len = 0;

	if (!q && !(q = make(marks, queue)))
		return false;
	struct hand_marks *h = hand_of(q, hand);
	turn(h, now_ms);
	if (*is_full || now_ms - h->full_ms >= h->full_again_ms) {
		h->full_ms = now_ms;
		*is_full = true;
	}
	const struct mark *mark = mark_of(h, now_ms);
	for (unsigned i = 0; i < PRIORITIES; i++)
		len += (size_t)snprintf(marks->marks + len, sizeof(marks->marks) - len,
					"%c%" PRId64, i ? ',' : '{', *is_full ? 0 : mark->seq[i]);
	memcpy(marks->marks + len, "}", 2);
	snprintf(marks->from, sizeof(marks->from), "%" PRId64, q->from);
	values[0] = marks->marks;
	values[1] = marks->from;
	values[2] = q->old;
	return true;
}

void
watermarks_looked(struct watermarks *marks, struct span queue, char hand, uint64_t took_us)
{
	struct queue_marks *q = find(marks, queue);
	const uint64_t again_ms = took_us * WATERMARK_FULL_TIMES / 1000;

	if (!q)
		return;
	hand_of(q, hand)->full_again_ms = again_ms < WATERMARK_FULL_MIN_MS   ? WATERMARK_FULL_MIN_MS
					  : again_ms > WATERMARK_FULL_MAX_MS ? WATERMARK_FULL_MAX_MS
									     : again_ms;
}

void
watermarks_claimed(struct watermarks *marks, struct span queue, char hand, unsigned priority,
		   int64_t seq, uint64_t now_ms)
{
	struct queue_marks *q = find(marks, queue);

	if (!q || priority >= PRIORITIES)
		return;
	struct hand_marks *h = hand_of(q, hand);
	turn(h, now_ms);
	if (seq > h->highest[priority])
		h->highest[priority] = seq;
}

void
watermarks_lock(struct watermarks *marks, struct span queue, bool is_locked, uint64_t now_ms)
{
	struct queue_marks *q = find(marks, queue);

	if (!q)
		return;
	q->is_locked = is_locked;
	q->try_ms = now_ms + WATERMARK_LOCKED_MS;
}

bool
watermarks_is_locked(struct watermarks *marks, struct span queue)
{
	const struct queue_marks *q = find(marks, queue);

	return q && q->is_locked;
}

bool
watermarks_rest(struct watermarks *marks, struct span queue, uint64_t now_ms)
{
	struct queue_marks *q = find(marks, queue);

	if (!q || !q->is_locked)
		return false;
	if (now_ms < q->try_ms)
		return true;
	q->try_ms = now_ms + WATERMARK_LOCKED_MS;
	return false;
}

void
watermarks_leases(struct watermarks *marks, struct span queue, int64_t from, struct span old)
{
	struct queue_marks *q = find(marks, queue);

	if (!q || old.len >= sizeof(q->old) || !old.len)
		return;
	q->from = from;
	memcpy(q->old, old.ptr, old.len);
	q->old[old.len] = '\0';
}
