/* links: src/hub/presence.c src/hub/picture.c src/hub/wire.c src/hub/frame.c src/base/buffer.c
 * src/base/log.c src/base/clock.c -lz */
/*
 * test_presence_crowd.c - many rooms with many listeners each, of which all have news at once: the
 * loop turns in between, and each room has its turn. Everything around presence.c is a fake.
 */
#include "hub/presence.h"

#include <check.h>
#include <stdlib.h>

#include "hub/hub_private.h"

#define ROOMS 32
#define CROWD 1000
/* What one callback may tell, and the room with which it comes to that. */
#define AT_ONCE (4096 + CROWD)

struct room {
	void *presence;
	struct log_room in_log;
	unsigned n_events;
	struct seat seat; /* all of its listeners; last, for its name has no bound */
};

static struct room *room[ROOMS];
static struct presence *presence;
static uint64_t now_us, table_seq;
static size_t n_told;
static struct deadline_list *soon, *rest;

uint64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return now_us;
}

void
deadline_list_init(struct deadline_list *list, struct loop *loop, uint64_t duration_ms,
		   const char *name, void (*on_expired)(struct deadline *d, void *ctx), void *ctx)
{
	(void)loop;
	(void)name;
	list->head.prev = list->head.next = &list->head;
	list->duration_ms = duration_ms;
	list->on_expired = on_expired;
	list->ctx = ctx;
	if (duration_ms == 0)
		soon = list;
	else
		rest = list;
}

void
deadline_list_fini(struct deadline_list *list)
{
	(void)list;
}

void
deadline_disarm(struct deadline *d)
{
	if (!d->list)
		return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->list = NULL;
}

void
deadline_arm(struct deadline *d, struct deadline_list *list)
{
	deadline_disarm(d);
	d->list = list;
	d->prev = list->head.prev;
	d->next = &list->head;
	d->prev->next = d;
	list->head.prev = d;
}

/* All that wait on a list, in one callback. */
static void
expire(struct deadline_list *list)
{
	struct deadline *last = list->head.prev;
	bool is_last = last == &list->head;

	now_us += 1000;
	n_told = 0;
	while (!is_last) {
		struct deadline *d = list->head.next;

		is_last = d == last;
		deadline_disarm(d);
		list->on_expired(d, list->ctx);
	}
}

struct span
room_name(const struct room *r)
{
	(void)r;
	return SPAN_LIT("room");
}

const struct log_room *
room_in_log(const struct room *r)
{
	return &r->in_log;
}

void **
room_presence(struct room *r)
{
	return &r->presence;
}

bool
chat_log_find_room(struct chat_log *log, struct span name, struct log_room *in_log)
{
	(void)log;
	(void)name;
	(void)in_log;
	return false;
}

enum log_result
chat_log_members(struct chat_log *log, const struct log_room *in_log, size_t offset,
		 struct log_member *out, size_t max, size_t *n, uint64_t *presence_seq,
		 uint32_t *count)
{
	(void)log;
	(void)in_log;
	(void)offset;
	(void)out;
	(void)max;
	*n = 0;
	*presence_seq = table_seq;
	*count = CROWD;
	return LOG_OK;
}

bool
rooms_announce(struct rooms *rooms, struct room *r, const struct rooms_event *event)
{
	(void)rooms;
	for (unsigned i = 0; i < CROWD; i++) {
		if (!event->wanted(&r->seat.member, event->ctx))
			continue;
		event->told(&r->seat.member, true, event->ctx);
		n_told++;
		if (i == 0)
			r->n_events++;
	}
	return true;
}

START_TEST(all_have_their_turn)
{
	unsigned callbacks = 0, n_events = 0;

	for (unsigned i = 0; i < ROOMS; i++) {
		room[i]->seat.member.wire = WIRE_JSON;
		room[i]->seat.member.room = room[i];
		room[i]->seat.presence = SEAT_COUNT;
		ck_assert(presence_watch(presence, &room[i]->seat));
	}
	/* the first time, and then after a change in all of them */
	for (unsigned round = 1; round <= 2; round++) {
		struct deadline_list *due = round == 1 ? soon : rest;

		for (; due->head.next != &due->head; due = soon) {
			expire(due);
			ck_assert_uint_gt(n_told, 0);
			ck_assert_uint_lt(n_told, AT_ONCE);
			callbacks++;
		}
		for (unsigned i = 0; i < ROOMS; i++) {
			ck_assert_uint_eq(room[i]->n_events, round);
			n_events++;
		}
		table_seq++;
		for (unsigned i = 0; i < ROOMS; i++)
			presence_members_changed(room[i], presence);
	}
	ck_assert_uint_ge(callbacks, n_events * CROWD / AT_ONCE);
	for (unsigned i = 0; i < ROOMS; i++)
		presence_room_gone(room[i], presence);
}
END_TEST

static void
setup(void)
{
	presence = presence_new(NULL, NULL);
	ck_assert_ptr_nonnull(presence);
	for (unsigned i = 0; i < ROOMS; i++) {
		room[i] = calloc(1, sizeof(*room[i]));
		ck_assert_ptr_nonnull(room[i]);
	}
}

static void
teardown(void)
{
	presence_free(&presence);
	for (unsigned i = 0; i < ROOMS; i++)
		free(room[i]);
}

int
main(void)
{
	Suite *s = suite_create("presence crowd");
	TCase *tc = tcase_create("presence crowd");
	SRunner *runner = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_have_their_turn);
	suite_add_tcase(s, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
