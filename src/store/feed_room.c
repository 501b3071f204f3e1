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

void
feed_take_changes(struct feed *feed, const PGresult *result)
{
	const int n = PQntuples(result);

	for (int i = 0; i < n; i++) {
		char id[64], json[FEED_CHANGE_SIZE];
		const size_t len =
		    feed_write_change(json, feed_cell(result, i, 0), PQgetvalue(result, i, 1)[0],
				      feed_cell(result, i, 2), feed_cell(result, i, 3));
		const uint64_t seq = feed_number(result, i, 0);
		const int id_len =
		    snprintf(id, sizeof(id), "p%" PRIu64 ".%" PRIu64, feed->place.era, seq);

		if (!feed->settings.room.tell(span_from(id, (size_t)id_len), span_from(json, len),
					      feed->settings.room.ctx)) {
			feed->read_at_ms = loop_now_ms(feed->loop) + TELL_AGAIN_MS;
			return;
		}
		feed->place.published = seq;
		feed_shared_set(feed->shared, &feed->place);
	}
	/* above the last one there are only holes */
	if (n < FEED_READ_ROWS) {
		feed->place.published = feed->place.settled;
		feed_shared_set(feed->shared, &feed->place);
	}
	feed->wants_read = feed->place.published < feed->place.settled;
	feed->read_at_ms = loop_now_ms(feed->loop);
}

void
feed_room_open(struct feed *feed)
{
	feed->has_place = feed_shared_get(feed->shared, &feed->place);
	if (feed->has_place)
		find_published(feed);
	feed->wants_read = feed->has_place && feed->place.published < feed->place.settled;
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

/* Another log, or one that has lost its end: the room goes on from here. */
static void
begin_era(struct feed *feed, const uint64_t log[2], uint64_t settled, uint64_t xid)
{
	feed->place = (struct feed_place){
	    .log = {log[0], log[1]},
	    .era = feed->place.era + 1,
	    .settled = settled,
	    .xid = xid,
	    .published = settled,
	};
	feed->has_place = true;
}

static void
move_horizon(struct feed *feed, const uint64_t log[2], uint64_t settled, uint64_t xid)
{
	struct feed_place *place = &feed->place;

	if (!feed->has_place || memcmp(place->log, log, sizeof(place->log)) != 0) {
		begin_era(feed, log, settled, xid);
		/* what was known is of another database */
		feed->shared->search_ready = feed->index_is_valid;
		log_info("store: the change feed begins after change %" PRIu64, settled);
	} else if (settled < place->settled && !feed->in_recovery) {
		log_warning(
		    "store: the database has lost the changes from %" PRIu64 " to %" PRIu64
		    " (an older copy of it, or a standby that was behind); the feed goes on "
		    "from there",
		    settled + 1, place->settled);
		begin_era(feed, log, settled, xid);
	} else if (settled >= place->settled) {
		place->settled = settled;
		place->xid = xid;
	}
	feed_shared_set(feed->shared, place);
	feed->wants_read = place->published < place->settled;
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
	struct feed_look look;
	uint64_t log[2], settled, xid;

	if (PQntuples(result) != 1 || !read_uuid(PQgetvalue(result, 0, 3), log)) {
		feed->look_at_ms = now_ms + FEED_ERROR_MS;
		return;
	}
	look = (struct feed_look){
	    .xmin = feed_number(result, 0, 0),
	    .next = feed_number(result, 0, 1),
	    .newest = feed_number(result, 0, 2),
	};
	feed->in_recovery = PQgetvalue(result, 0, 4)[0] == 't';
	atomic_fetch_add_explicit(&feed->shared->looks, 1, memory_order_relaxed);
	const bool decided = feed_horizon_look(&feed->horizon, &look, &settled, &xid);
	if (decided)
		move_horizon(feed, log, settled, xid);
	if ((feed->rang || feed->rang_before) && look.newest > feed->told_newest)
		feed->wants_told = true;
	feed->told_newest = look.newest;
	/* who waits comes again, at first soon */
	if (!feed->horizon.is_waiting || decided)
		feed->pace_ms = feed->settings.pace_ms;
	else if (feed->pace_ms < PACE_GROWTH * feed->settings.pace_ms)
		feed->pace_ms *= 2;
	if (feed->horizon.is_waiting)
		feed->wants_look = true;
	feed->look_at_ms = now_ms + feed->pace_ms;
	feed->poll_at_ms = now_ms + FEED_POLL_MS;
	log_held(feed, now_ms);
}
