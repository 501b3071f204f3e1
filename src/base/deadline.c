/*
 * deadline.c - rings by duration. The timer is set for the head at some time in the past, so it
 * may fire early; it is then set anew. Arming therefore never touches it, except on an empty ring.
 */
#include "base/deadline.h"

#include <stddef.h>

#define SLACK_MAX_MS 500

static void
unlink_deadline(struct deadline *d)
{
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->list = NULL;
}

static void
set_timer(struct deadline_list *list)
{
	const struct deadline *first = list->head.next;
	uint64_t now_ms = loop_now_ms(list->loop);

	watch_start_ms(&list->timer, first->expires_ms > now_ms ? first->expires_ms - now_ms : 0);
}

static void
expire_cb(void *arg, short what)
{
	struct deadline_list *list = arg;
	uint64_t now_ms = loop_now_ms(list->loop);

	(void)what;
	/* what is left is due already: the timer is set to now */
	for (unsigned n = 0; n < DEADLINE_BATCH && list->head.next != &list->head &&
			     list->head.next->expires_ms <= now_ms;
	     n++) {
		struct deadline *d = list->head.next;

		unlink_deadline(d);
		list->on_expired(d, list->ctx);
	}
	if (list->head.next != &list->head)
		set_timer(list);
}

void
deadline_list_init(struct deadline_list *list, struct loop *loop, uint64_t duration_ms,
		   const char *name, void (*on_expired)(struct deadline *d, void *ctx), void *ctx)
{
	list->head.prev = list->head.next = &list->head;
	list->loop = loop;
	list->duration_ms = duration_ms;
	list->slack_ms = duration_ms / 64 < SLACK_MAX_MS ? duration_ms / 64 : SLACK_MAX_MS;
	list->on_expired = on_expired;
	list->ctx = ctx;
	watch_init_timer(&list->timer, loop, name, expire_cb, list);
}

void
deadline_list_fini(struct deadline_list *list)
{
	while (list->head.next != &list->head)
		unlink_deadline(list->head.next);
	watch_stop(&list->timer);
}

void
deadline_arm(struct deadline *d, struct deadline_list *list)
{
	/* the present millisecond has begun already: one more makes the wait at least as long */
	const uint64_t least_ms = loop_now_ms(list->loop) + list->duration_ms + 1;

	if (d->list == list && d->expires_ms > least_ms)
		return;
	if (d->list)
		unlink_deadline(d);
	d->list = list;
	d->expires_ms = least_ms + list->slack_ms;
	d->prev = list->head.prev;
	d->next = &list->head;
	d->prev->next = d;
	list->head.prev = d;
	if (!watch_started(&list->timer))
		set_timer(list);
}

uint64_t
deadline_age_ms(const struct deadline *d)
{
	const struct deadline_list *list = d->list;
	const uint64_t now_ms = loop_now_ms(list->loop);
	/* the last time that could have left it where it is */
	const uint64_t armed_ms = d->expires_ms - list->duration_ms - 1;

	return armed_ms < now_ms ? now_ms - armed_ms : 0;
}

void
deadline_disarm(struct deadline *d)
{
	if (d->list)
		unlink_deadline(d);
}
