/*
 * join.c - coming into a room: what one that comes gets first, and where it goes on.
 */
#include "base/clock.h"
#include "hub/room_private.h"

static uint64_t
history_since(const struct rooms *rooms)
{
	uint64_t now_ms = clock_realtime_ms();

	return now_ms > rooms->options.history_age_ms ? now_ms - rooms->options.history_age_ms : 0;
}

/* Where it begins, of a room whose newest message is room->seq. */
static void
place_member(struct rooms *rooms, struct member *m, const struct join_wish *wish,
	     struct join_result *result)
{
	const struct room *room = m->room;
	uint64_t first = room->seq + 1, start = room->seq + 1;

	chat_log_first(rooms->options.log, &room->in_log, rooms->options.history_max,
		       history_since(rooms), &first);
	if (first > room->seq + 1)
		first = room->seq + 1;
	result->epoch = room->epoch;
	result->seq = room->seq;
	result->first = first;
	switch (wish->from) {
	case JOIN_NOW: break;
	case JOIN_LAST:
		start = room->seq + 1 -
			(wish->last < room->seq + 1 - first ? wish->last : room->seq + 1 - first);
		break;
	case JOIN_SINCE:
		if (wish->since_epoch != room->epoch || wish->since_seq > room->seq) {
			start = first;
			m->has_gap = true;
			m->why = GAP_EPOCH;
		} else if (wish->since_seq + 1 < first) {
			start = first;
			m->has_gap = true;
			m->why = GAP_TRIMMED;
			m->seq = wish->since_seq + 1;
		} else {
			start = wish->since_seq + 1;
			result->is_recovered = true;
		}
		break;
	}
	result->replay = room->seq + 1 - start;
	if (!m->has_gap)
		m->seq = start;
	m->fresh = room->pos;
	m->taken = room->bytes;
	m->pos = room->pos;
	if (result->replay > 0 &&
	    (!chat_log_seek(rooms->options.log, &room->in_log, start, &m->pos) ||
	     m->pos > room->pos)) {
		/* overwritten just now */
		m->pos = room->pos;
		m->has_gap = true;
		m->why = GAP_TRIMMED;
		result->is_recovered = false;
	}
	member_set_state(m, result->replay > 0 || m->has_gap ? MEMBER_BEHIND : MEMBER_LIVE);
}

/*
 * What it says that it has heard, from another worker, this one has to have come to. What has never
 * been said is not waited for.
 */
static bool
has_heard_more(const struct room *room, const struct join_wish *wish, uint64_t newest)
{
	return wish->from == JOIN_SINCE && wish->since_epoch == room->epoch &&
	       wish->since_seq > room->seq && wish->since_seq <= newest;
}

/*
 * What was said before it came is for the others alone: it is still OUT. If that is more than a
 * pass may take, it joins where the worker has come to, and `seq` says so.
 */
static void
read_before(struct rooms *rooms, struct room *room, const struct join_wish *wish)
{
	struct log_view view = {0};
	bool is_done;

	if (!chat_log_view(rooms->options.log, &room->in_log, &view))
		return;
	do {
		struct budget budget = PASS_BUDGET;

		is_done = room_read(rooms, room, &budget);
		room_flush(rooms, room, &budget);
	} while (!is_done && has_heard_more(room, wish, view.seq));
	if (!is_done)
		room_due(rooms, room);
}

enum log_result
rooms_join(struct rooms *rooms, struct member *m, struct span name, const struct log_member *who,
	   const struct join_wish *wish, struct join_result *result)
{
	struct log_view view;
	enum log_result joined =
	    chat_log_join(rooms->options.log, name, rooms->options.slot, who, &m->seat);

	if (joined != LOG_OK)
		return joined;
	*result = (struct join_result){0};
	struct room *room = rooms->by_index[m->seat.room.index];
	/* one that nobody was in may have gone from the log, and another have its place */
	if (!room || room->in_log.incarnation != m->seat.room.incarnation)
		room = room_new(rooms, &m->seat.room);
	if (!room || !audience_add(&room->audience[m->wire], m)) {
		chat_log_leave(rooms->options.log, &m->seat);
		if (room && room->n_members == 0)
			room_due(rooms, room);
		return LOG_TOO_LONG;
	}
	room->n_members++;
	count_add(&rooms->options.counters->members, 1);
	m->room = room;
	read_before(rooms, room, wish);
	place_member(rooms, m, wish, result);
	if (chat_log_view(rooms->options.log, &room->in_log, &view))
		result->count = view.n_members;
	room_moved(rooms, room);
	return LOG_OK;
}
