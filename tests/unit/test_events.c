/* links: src/hub/events.c src/hub/wire.c src/hub/frame.c src/base/buffer.c src/base/log.c
 * src/base/clock.c -lz */
/*
 * test_events.c - a stream of events whose timers fire at the worst of moments, which the real loop
 * cannot be made to do at will. All around events.c is a fake that does as it is told.
 */
#include "hub/events.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "http/exchange.h"
#include "hub/chat_http.h"
#include "hub/hub_private.h"
#include "hub/wish.h"

struct exchange {
	struct request request;
};

static struct fake {
	struct route route;
	const struct stream_calls *calls;
	void *stream;
	struct member *member;
	bool has_piece; /* `proceed` has not followed yet */
	char piece[256];
	bool is_waking;
	struct watch *wake;
	struct deadline *quiet;
	unsigned catch_ups;
	enum sink_result result; /* of the last write of one */
	bool has_ended;
} fake;

static struct config config;
static struct chat_counters counters;
static struct hub hub;
static struct events *events;
static struct exchange exchange;

const struct request *
exchange_request(const struct exchange *x)
{
	return &x->request;
}

bool
exchange_stream(struct exchange *x, const struct reply *head, const struct stream_calls *calls,
		void *ctx)
{
	ck_assert_ptr_eq(x, &exchange);
	ck_assert_int_eq(head->status, 200);
	fake.calls = calls;
	fake.stream = ctx;
	fake.has_piece = true;
	return true;
}

void
exchange_send(struct exchange *x, struct span piece)
{
	ck_assert_ptr_eq(x, &exchange);
	ck_assert_msg(!fake.has_piece, "two pieces for one proceed");
	ck_assert_uint_gt(piece.len, 0);
	ck_assert_uint_lt(piece.len, sizeof(fake.piece));
	fake.has_piece = true;
	memcpy(fake.piece, piece.ptr, piece.len);
	fake.piece[piece.len] = '\0';
}

void
exchange_end(struct exchange *x)
{
	ck_assert_ptr_eq(x, &exchange);
	fake.has_ended = true;
}

static void
proceed(void)
{
	ck_assert(fake.has_piece);
	fake.has_piece = false;
	fake.calls->proceed(&exchange, fake.stream);
}

bool
chat_http_room(struct exchange *x, struct span *room)
{
	(void)x;
	*room = SPAN_LIT("room");
	return true;
}

void
chat_http_unavailable(struct exchange *x, const char *type, const char *detail, uint64_t retry_ms)
{
	(void)x;
	(void)type;
	(void)retry_ms;
	ck_abort_msg("%s", detail);
}

bool
wish_read(struct exchange *x, struct url_wish *wish)
{
	(void)x;
	*wish = (struct url_wish){0};
	return true;
}

bool
wish_read_since(struct exchange *x, struct span text, struct join_wish *from)
{
	(void)x;
	(void)text;
	(void)from;
	return false;
}

bool
hub_has_room(const struct hub *h)
{
	(void)h;
	return true;
}

uint64_t
hub_next_number(struct hub *h)
{
	(void)h;
	return 7;
}

void
route_add(struct route_table *table, const struct route *route)
{
	(void)table;
	fake.route = *route;
}

enum log_result
rooms_join(struct rooms *rooms, struct member *m, struct span name, const struct log_member *who,
	   const struct join_wish *wish, struct join_result *result)
{
	(void)rooms;
	(void)name;
	(void)who;
	(void)wish;
	*result = (struct join_result){.epoch = 0x9f2c61d0, .seq = 4};
	m->state = MEMBER_LIVE;
	fake.member = m;
	return LOG_OK;
}

void
rooms_leave(struct rooms *rooms, struct member *m)
{
	(void)rooms;
	m->state = MEMBER_OUT;
}

void
rooms_catch_up(struct rooms *rooms, struct member *m)
{
	unsigned char bytes[WIRE_HEADROOM + 16] = {0};

	(void)rooms;
	memcpy(bytes + WIRE_HEADROOM, "data: message\n\n", 15);
	fake.catch_ups++;
	fake.result = m->calls->write(m, bytes + WIRE_HEADROOM, 15);
}

uint64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return 0;
}

void
watch_init_timer(struct watch *w, struct loop *loop, const char *name, loop_fn *fn, void *arg)
{
	(void)loop;
	(void)name;
	w->fn = fn;
	w->arg = arg;
	fake.wake = w;
}

bool
watch_start_ms(struct watch *w, uint64_t ms)
{
	ck_assert_ptr_eq(w, fake.wake);
	ck_assert_uint_eq(ms, 0);
	fake.is_waking = true;
	return true;
}

void
watch_stop(struct watch *w)
{
	ck_assert_ptr_eq(w, fake.wake);
	fake.is_waking = false;
}

static void
wake(void)
{
	ck_assert(fake.is_waking);
	fake.is_waking = false;
	fake.wake->fn(fake.wake->arg, 0);
}

void
deadline_list_init(struct deadline_list *list, struct loop *loop, uint64_t duration_ms,
		   const char *name, void (*on_expired)(struct deadline *d, void *ctx), void *ctx)
{
	(void)loop;
	(void)name;
	list->duration_ms = duration_ms;
	list->on_expired = on_expired;
	list->ctx = ctx;
}

void
deadline_list_fini(struct deadline_list *list)
{
	(void)list;
}

void
deadline_arm(struct deadline *d, struct deadline_list *list)
{
	d->list = list;
	fake.quiet = d;
}

void
deadline_disarm(struct deadline *d)
{
	d->list = NULL;
}

static void
silence(void)
{
	struct deadline_list *list = fake.quiet->list;

	ck_assert_ptr_nonnull(list);
	fake.quiet->list = NULL;
	list->on_expired(fake.quiet, list->ctx);
}

/* A stream that has been greeted and waits for what comes. */
static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	fake = (struct fake){.has_piece = false};
	config = (struct config){.chat_ping_interval = 25000};
	counters = (struct chat_counters){0};
	hub = (struct hub){.config = &config, .counters = &counters};
	events = events_new(&hub);
	ck_assert_ptr_nonnull(events);
	events_add_routes(events, NULL);
	fake.route.handle(&exchange, fake.route.ctx);
	ck_assert_uint_eq(hub.n_streams, 1);
	proceed();
	ck_assert_ptr_eq(strstr(fake.piece, "id: 9f2c61d0:4\nretry: "), fake.piece);
	proceed();
	ck_assert(!fake.has_piece);
}

static void
teardown(void)
{
	events_free(&events);
	ck_assert_uint_eq(hub.n_streams, 0);
	ck_assert_uint_eq(counters.connections, 0);
}

static void
fall_behind(void)
{
	fake.member->state = MEMBER_BEHIND;
	fake.member->calls->want(fake.member);
}

START_TEST(one_that_waits_is_served)
{
	fall_behind();
	fall_behind();
	wake();
	ck_assert_uint_eq(fake.catch_ups, 1);
	ck_assert_int_eq(fake.result, SINK_PARTIAL);
	ck_assert_str_eq(fake.piece, "data: message\n\n");
	/* and again when it has taken that, not before */
	ck_assert(!fake.is_waking);
	proceed();
	ck_assert_uint_eq(fake.catch_ups, 2);
}
END_TEST

/* The comment is on its way when its turn comes: it is served behind that, and not ended. */
START_TEST(silence_ends_while_it_waits)
{
	fall_behind();
	silence();
	ck_assert_str_eq(fake.piece, ":\n\n");
	wake();
	ck_assert_uint_eq(fake.catch_ups, 0);
	ck_assert_int_eq(fake.member->state, MEMBER_BEHIND);
	proceed();
	ck_assert_uint_eq(fake.catch_ups, 1);
	ck_assert_int_eq(fake.result, SINK_PARTIAL);
}
END_TEST

START_TEST(it_is_told_to_go_while_it_waits)
{
	fall_behind();
	events_end_all(events);
	ck_assert_ptr_nonnull(strstr(fake.piece, "event: notice\n"));
	wake();
	ck_assert_uint_eq(fake.catch_ups, 0);
	proceed();
	ck_assert(fake.has_ended);
	ck_assert_uint_eq(hub.n_streams, 0);
}
END_TEST

START_TEST(its_client_leaves_while_it_waits)
{
	fall_behind();
	fake.calls->stop(fake.stream);
	wake();
	ck_assert_uint_eq(fake.catch_ups, 0);
	ck_assert_uint_eq(hub.n_streams, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("events");
	TCase *tc = tcase_create("events");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_that_waits_is_served);
	tcase_add_test(tc, silence_ends_while_it_waits);
	tcase_add_test(tc, it_is_told_to_go_while_it_waits);
	tcase_add_test(tc, its_client_leaves_while_it_waits);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
