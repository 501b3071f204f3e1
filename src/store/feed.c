/*
 * feed.c - the seat: who holds the feed, and the bells that wake the holder.
 */
#include "store/feed.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/feed_private.h"

/* ---- the seat ---- */

static void
index_ready_cb(void *ctx)
{
	struct feed *feed = ctx;

	feed->index_is_valid = true;
	feed->shared->search_ready = true;
}

/* The only writer of `state`. */
static void
feed_set_state(struct feed *feed, enum feed_state state)
{
	if (state == feed->state)
		return;
	feed->state = state;
	if (state == FEED_ASIDE) {
		connection_free(&feed->connection);
		search_index_free(&feed->index);
		feed->step = STEP_NONE;
		feed_shared_give_up(feed->shared, feed->settings.slot, feed->pid);
		log_debug("store: this worker leaves the change feed");
		return;
	}
	log_debug("store: this worker holds the change feed");
	feed_room_open(feed);
	feed->connection =
	    connection_new(feed->loop, &feed->connection_settings, &feed_connection_events, feed);
	feed->index_is_valid = false;
	feed->index = search_index_new(feed->loop, &feed->index_settings, index_ready_cb, feed);
	/* out of memory: it may do better next time, or another one */
	if (!feed->connection || !feed->index)
		feed_set_state(feed, FEED_ASIDE);
}

static void
tend(struct feed *feed)
{
	const struct segment *segment = feed->settings.segment;

	if (segment->slots[feed->settings.slot].state == SLOT_READY &&
	    feed_shared_take(feed->shared, segment, feed->settings.slot, feed->pid))
		feed_set_state(feed, FEED_HOLDING);
	if (feed->state == FEED_ASIDE)
		watch_start_ms(&feed->timer, FEED_TEND_MS);
}

static void
timer_cb(void *arg, short what)
{
	struct feed *feed = arg;

	(void)what;
	if (feed->is_over)
		return;
	if (feed->state == FEED_ASIDE)
		tend(feed);
	else if (feed->step != STEP_NONE && connection_pg(feed->connection))
		connection_reset(feed->connection, "no answer in time");
	else
		feed_advance(feed);
}

/* ---- bells ---- */

static bool
pass_cb(void *arg)
{
	struct feed *feed = arg;
	const uint64_t bell = atomic_load_explicit(&feed->shared->bell, memory_order_relaxed);

	if (feed->state != FEED_HOLDING)
		return false;
	if (bell != feed->bell) {
		feed->bell = bell;
		feed->wants_look = feed->rang = true;
		feed_advance(feed);
	}
	return false;
}

static bool
news_cb(void *arg)
{
	const struct feed *feed = arg;

	return feed->state == FEED_HOLDING &&
	       atomic_load_explicit(&feed->shared->bell, memory_order_relaxed) != feed->bell;
}

void
feed_wake(struct feed *feed)
{
	unsigned slot;

	if (!feed)
		return;
	atomic_fetch_add_explicit(&feed->shared->bell, 1, memory_order_relaxed);
	/* a holder that takes the seat now looks anyway */
	if (feed->state != FEED_HOLDING && feed_shared_holder(feed->shared, &slot))
		doorbell_ring_sleeper(feed->settings.bell, feed->settings.segment, slot);
}

bool
feed_search_is_ready(const struct feed *feed)
{
	return atomic_load_explicit(&feed->shared->search_ready, memory_order_relaxed);
}

bool
feed_place(const struct feed *feed, struct feed_place *place)
{
	return feed_shared_get(feed->shared, place);
}

/* ---- life ---- */

struct feed *
feed_new(struct loop *loop, const struct feed_settings *settings)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed) {
		log_error("store: out of memory");
		return NULL;
	}
	feed->loop = loop;
	feed->settings = *settings;
	if (!feed_steps_init(feed)) {
		log_error("store: out of memory");
		feed_steps_fini(feed);
		free(feed);
		return NULL;
	}
	feed->plan = (struct setup_plan){
	    .steps = &settings->schema->steps,
	    .statement_timeout_ms = settings->statement_timeout_ms,
	    .is_prepared = settings->is_direct,
	};
	feed->connection_settings = (struct connection_settings){
	    .conninfo = settings->conninfo,
	    .plan = &feed->plan,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	};
	feed->index_settings = (struct search_index_settings){
	    .conninfo = settings->conninfo,
	    .schema = settings->schema,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	    .look_only = settings->schema->steps.look_only || !settings->is_direct,
	};
	feed->shared = feed_shared_of(settings->segment);
	feed->pid = getpid();
	watch_init_timer(&feed->timer, loop, "change feed", timer_cb, feed);
	feed->pass = (struct pass_hook){.fn = pass_cb, .name = "change feed", .arg = feed};
	feed->news = (struct news_hook){.fn = news_cb, .arg = feed};
	loop_add_pass_hook(loop, &feed->pass);
	loop_add_news_hook(loop, &feed->news);
	watch_start_ms(&feed->timer, 0);
	return feed;
}

void
feed_hold_off(struct feed *feed, bool is_held_off)
{
	if (feed->is_over || feed->is_held_off == is_held_off)
		return;
	feed->is_held_off = is_held_off;
	watch_stop(&feed->timer);
	if (is_held_off)
		feed_set_state(feed, FEED_ASIDE);
	else
		watch_start_ms(&feed->timer, 0);
}

void
feed_yield(struct feed *feed)
{
	feed->is_over = true;
	watch_stop(&feed->timer);
	feed_set_state(feed, FEED_ASIDE);
}

void
feed_free(struct feed **feed)
{
	struct feed *f = *feed;

	if (!f)
		return;
	feed_yield(f);
	feed_steps_fini(f);
	free(f);
	*feed = NULL;
}
