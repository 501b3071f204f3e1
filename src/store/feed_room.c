/*
 * feed_room.c - what the holder has read: how far every change is decided, and what of that the
 * room is told. It is told in the order of the log, and each once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/feed_change.h"
#include "store/feed_private.h"

/* While a look waits for transactions they become rarer, up to so many times the pace. */
#define PACE_GROWTH 25
/* The room does not take it now. */
#define TELL_AGAIN_MS 20
/* A transaction that holds the feed for so long is worth a line. */
#define HELD_MS 10000

/* ---- the room ---- */

static bool
has_to_tell(const struct feed_place *place)
{
	return place->is_untold || place->published < place->settled;
}

/*
 * A holder that died may have published one change more than it has noted. A room that is gone had
 * nobody in it.
 */
static void
find_published(struct feed *feed)
{
	char id[64 + 1];
	size_t len = feed->settings.room.last_id(id, sizeof(id) - 1, feed->settings.room.ctx);
	uint64_t era, seq;

	id[len] = '\0';
	if (sscanf(id, "p%" SCNu64 ".%" SCNu64, &era, &seq) == 2 && era == feed->place.era &&
	    seq > feed->place.published && seq <= feed->place.settled) {
		feed->place.published = seq;
		feed_shared_set(feed->shared, &feed->place);
	}
}

/* False: not now. */
static bool
tell(struct feed *feed, uint64_t seq, struct span json)
{
	char id[64];
	const int len = snprintf(id, sizeof(id), "p%" PRIu64 ".%" PRIu64, feed->place.era, seq);

	if (feed->settings.room.tell(span_from(id, (size_t)len), json, feed->settings.room.ctx))
		return true;
	feed->read_at_ms = loop_now_ms(feed->loop) + TELL_AGAIN_MS;
	return false;
}

bool
feed_tell_reset(struct feed *feed)
{
	char json[FEED_CHANGE_SIZE], seq[24];
	const struct span none = span_from("", 0);

	snprintf(seq, sizeof(seq), "%" PRIu64, feed->place.published);
	const size_t len = feed_write_change(json, span_str(seq), 'R', none, none);
	if (!tell(feed, feed->place.published, span_from(json, len)))
		return false;
	feed->place.is_untold = false;
	feed_shared_set(feed->shared, &feed->place);
	return true;
}

void
feed_take_changes(struct feed *feed, const PGresult *result)
{
	const int n = PQntuples(result);

	for (int i = 0; i < n; i++) {
		char json[FEED_CHANGE_SIZE];
		const size_t len =
		    feed_write_change(json, feed_cell(result, i, 0), PQgetvalue(result, i, 1)[0],
				      feed_cell(result, i, 2), feed_cell(result, i, 3));
		const uint64_t seq = feed_number(result, i, 0);

		if (!tell(feed, seq, span_from(json, len)))
			return;
		feed->place.published = seq;
		feed_shared_set(feed->shared, &feed->place);
	}
	/* above the last one there are only holes */
	if (n < FEED_READ_ROWS) {
		feed->place.published = feed->place.settled;
		feed_shared_set(feed->shared, &feed->place);
	}
	feed->wants_read = has_to_tell(&feed->place);
	feed->read_at_ms = loop_now_ms(feed->loop);
}

void
feed_room_open(struct feed *feed)
{
	feed->has_place = feed_shared_get(feed->shared, &feed->place);
	if (feed->has_place)
		find_published(feed);
	feed->wants_read = feed->has_place && has_to_tell(&feed->place);
	feed->told_newest = feed->has_place ? feed->place.settled : 0;
	feed->wants_told = false;
}

/* ---- the horizon ---- */

static bool
read_uuid(const char *text, uint64_t uuid[2])
{
	unsigned digits = 0;

	uuid[0] = uuid[1] = 0;
	for (; *text; text++) {
		static const char hex[] = "0123456789abcdef";
		const char *at = strchr(hex, *text);

		if (*text == '-')
			continue;
		if (!at || digits == 32)
			return false;
		uuid[digits / 16] = uuid[digits / 16] << 4 | (uint64_t)(at - hex);
		digits++;
	}
	return digits == 32;
}

/* What a look says of the log. */
struct log_state {
	uint64_t log[2];
	uint64_t pruned;
	bool has_settled;      /* the change that is settled by the place in force is there */
	uint64_t settled_mark; /* then */
};

/* Another log, or one that has lost its end: the room goes on from here. */
static void
begin_era(struct feed *feed, const struct log_state *state, const struct feed_look *decided)
{
	feed->place = (struct feed_place){
	    .log = {state->log[0], state->log[1]},
	    .era = feed->place.era + 1,
	    .settled = decided->newest,
	    .xid = decided->next,
	    .published = decided->newest,
	    .mark = decided->mark,
	    .is_untold = feed->has_place,
	};
	feed->has_place = true;
}

/*
 * Whether the log does not go on where the place is: it ends before, or has another change there by
 * now. A standby may only be behind.
 */
static bool
has_lost(const struct feed *feed, const struct log_state *state, uint64_t settled)
{
	const struct feed_place *place = &feed->place;

	if (state->has_settled)
		return place->mark != 0 && state->settled_mark != place->mark;
	if (feed->in_recovery)
		return false;
	return settled < place->settled || (place->mark != 0 && place->settled > state->pruned);
}

static void
move_horizon(struct feed *feed, const struct log_state *state, const struct feed_look *decided)
{
	struct feed_place *place = &feed->place;

	if (!feed->has_place || memcmp(place->log, state->log, sizeof(place->log)) != 0) {
		begin_era(feed, state, decided);
		/* what was known is of another database */
		feed->shared->search_ready = feed->index_is_valid;
		log_info("store: the change feed begins after change %" PRIu64, decided->newest);
	} else if (has_lost(feed, state, decided->newest)) {
		log_warning("store: the database has lost changes that were told, up to %" PRIu64
			    " (it is an older copy, or was a standby that was behind); the feed "
			    "goes on after %" PRIu64,
			    place->settled, decided->newest);
		begin_era(feed, state, decided);
	} else if (decided->newest >= place->settled) {
		place->settled = decided->newest;
		place->xid = decided->next;
		place->mark = decided->mark;
	}
	feed_shared_set(feed->shared, place);
	feed->wants_read = has_to_tell(place);
}

static void
log_held(struct feed *feed, uint64_t now_ms)
{
	if (!feed->horizon.is_waiting) {
		feed->held_since_ms = 0;
		feed->held_logged = false;
	} else if (feed->held_since_ms == 0) {
		feed->held_since_ms = now_ms;
	} else if (!feed->held_logged && now_ms - feed->held_since_ms >= HELD_MS) {
		feed->held_logged = true;
		log_warning("store: the change feed waits for a transaction below %" PRIu64
			    " that writes and does not end: see backend_xid in pg_stat_activity, "
			    "and pg_prepared_xacts",
			    feed->horizon.waiting.next);
	}
}

void
feed_take_look(struct feed *feed, const PGresult *result)
{
	const uint64_t now_ms = loop_now_ms(feed->loop);
	struct feed_look look, decided;
	struct log_state state;

	if (PQntuples(result) != 1 || !read_uuid(PQgetvalue(result, 0, 3), state.log)) {
		feed->look_at_ms = now_ms + FEED_ERROR_MS;
		return;
	}
	look = (struct feed_look){
	    .xmin = feed_number(result, 0, 0),
	    .next = feed_number(result, 0, 1),
	    .newest = feed_number(result, 0, 2),
	    .mark = feed_number(result, 0, 6),
	};
	state.pruned = feed_number(result, 0, 5);
	state.has_settled = !PQgetisnull(result, 0, 7);
	state.settled_mark = feed_number(result, 0, 7);
	feed->in_recovery = PQgetvalue(result, 0, 4)[0] == 't';
	atomic_fetch_add_explicit(&feed->shared->looks, 1, memory_order_relaxed);
	const bool is_decided = feed_horizon_look(&feed->horizon, &look, &decided);
	if (is_decided)
		move_horizon(feed, &state, &decided);
	if ((feed->rang || feed->rang_before) && look.newest > feed->told_newest)
		feed->wants_told = true;
	feed->told_newest = look.newest;
	/* who waits comes again, at first soon */
	if (!feed->horizon.is_waiting || is_decided)
		feed->pace_ms = feed->settings.pace_ms;
	else if (feed->pace_ms < PACE_GROWTH * feed->settings.pace_ms)
		feed->pace_ms *= 2;
	if (feed->horizon.is_waiting)
		feed->wants_look = true;
	feed->look_at_ms = now_ms + feed->pace_ms;
	feed->poll_at_ms = now_ms + FEED_POLL_MS;
	log_held(feed, now_ms);
}
