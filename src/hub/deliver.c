/*
 * deliver.c - what is new in the log, to everybody in its room.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/frame.h"
#include "hub/room_private.h"

/* What one room may take of a pass when others have news, too. */
#define TURN_RECORDS 64
#define NEWS_AT_ONCE 64

/* It will get nothing of what has been read so far, and is told so if it can be. */
static void
member_skip(struct room *room, struct member *m, enum gap_why why)
{
	m->pos = room->pos;
	m->taken = room->bytes;
	/* that nothing is known of what was before says more */
	m->why = m->has_gap && m->why == GAP_EPOCH ? GAP_EPOCH : why;
	m->has_gap = true;
}

/* Too far behind, by its own fault or the log's. */
static void
member_overdue(struct rooms *rooms, struct room *room, struct member *m)
{
	if (m->skips_when_slow)
		member_skip(room, m, GAP_SLOW);
	else
		member_lose(rooms, m, CLOSE_SLOW);
}

/*
 * Members lie anywhere in memory, and with thousands of them no cache has them: what comes next is
 * on its way while the kernel has the last one.
 */
#define AHEAD_MEMBER 8
#define AHEAD_SINK   4

static void
fetch_ahead(const struct audience *a, size_t i)
{
	if (i + AHEAD_MEMBER < a->n) {
		const char *m = (const char *)a->member[i + AHEAD_MEMBER];

		__builtin_prefetch(m);
		__builtin_prefetch(m + 64);
	}
	if (i + AHEAD_SINK < a->n) {
		const struct member *m = a->member[i + AHEAD_SINK];

		if (m->calls->soon)
			m->calls->soon(m);
	}
}

static bool
is_spent(const struct budget *budget)
{
	return budget->records == 0 || budget->bytes == 0 || budget->writes == 0;
}

static void
spend(size_t *left, size_t n)
{
	*left -= n < *left ? n : *left;
}

/* The hot loop: everybody on a wire gets the run, which ends at room->pos. */
static void
audience_flush(struct rooms *rooms, struct room *room, struct audience *a, struct budget *budget)
{
	struct chat_counters *counters = rooms->options.counters;
	size_t len = run_len(&a->run), sent = 0;

	if (len == 0)
		return;
	unsigned char *bytes = (unsigned char *)a->run.data + WIRE_HEADROOM;
	for (size_t i = 0; i < a->n; i++) {
		struct member *m = a->member[i];
		enum sink_result result;

		fetch_ahead(a, i);
		if (m->state == MEMBER_BEHIND && m->taken < room->bytes &&
		    room->bytes - m->taken > rooms->options.queue_max)
			member_overdue(rooms, room, m);
		if (m->state != MEMBER_LIVE)
			continue;
		result = m->calls->write(m, bytes, len);
		if (result == SINK_SENT) {
			sent++;
			continue;
		}
		if (result == SINK_REFUSED)
			continue;
		m->taken = a->run_bytes;
		m->fresh = 0;
		if (result == SINK_PARTIAL) {
			sent++;
			m->pos = room->pos;
			m->seq = room->seq + 1;
			m->unsent = (size_t)(room->bytes - a->run_bytes);
		} else {
			m->pos = a->run_pos;
			m->seq = a->run_seq;
			m->unsent = 0;
		}
		member_set_state(m, MEMBER_BEHIND);
	}
	spend(&budget->writes, a->n);
	count_add(&counters->writes, sent);
	count_add(&counters->deliveries, sent * a->run_messages);
	count_add(&counters->bytes_out, sent * len);
	a->run.len = 0;
	a->run_messages = 0;
}

void
room_flush(struct rooms *rooms, struct room *room, struct budget *budget)
{
	for (unsigned i = 0; i < WIRES; i++) {
		struct audience *a = &room->audience[i];

		audience_flush(rooms, room, a, budget);
		if (a->run.data)
			run_give(rooms, &a->run);
	}
}

/*
 * The worker has lost its place in a room: it goes on with the oldest that is kept. False: the room
 * is gone, and all of its members with it.
 */
static bool
room_lost(struct rooms *rooms, struct room *room, struct budget *budget)
{
	struct log_view view = {0};
	size_t closed = 0;
	bool is_there;

	room_flush(rooms, room, budget);
	is_there = chat_log_view(rooms->options.log, &room->in_log, &view);
	const enum gap_why why = is_there && view.epoch == room->epoch ? GAP_LAG : GAP_EPOCH;
	/* what is there and cannot be read is damaged: behind it all is well again */
	const uint64_t go_on = is_there && view.head != room->pos ? view.head : view.tail;
	count_add(&rooms->options.counters->laps, 1);
	for (unsigned i = 0; i < WIRES; i++) {
		struct audience *a = &room->audience[i];

		for (size_t j = 0; j < a->n; j++) {
			struct member *m = a->member[j];

			/* one that is just joining has missed nothing */
			if (m->state == MEMBER_OUT)
				continue;
			if (!is_there || (!tells_gaps(m) && !m->skips_when_slow)) {
				member_lose(rooms, m, CLOSE_LOST);
				closed++;
				continue;
			}
			if (m->state == MEMBER_LIVE) {
				m->seq = room->seq + 1;
				m->fresh = 0;
				m->unsent = 0;
				member_set_state(m, MEMBER_BEHIND);
			}
			m->pos = go_on;
			m->taken = room->bytes;
			m->why = m->has_gap && m->why == GAP_EPOCH ? GAP_EPOCH : why;
			m->has_gap = true;
		}
	}
	if (is_there) {
		struct log_record oldest;

		room->epoch = view.epoch;
		room->pos = go_on;
		room->seq =
		    chat_log_read(rooms->options.log, &room->in_log, go_on, &oldest) == LOG_MESSAGE
			? oldest.seq - 1
			: view.seq;
	}
	log_warning("chat: this worker fell behind in the room %.*s (chat.room_log_size); %zu "
		    "clients closed with %d",
		    (int)room->name_len, room->name, closed, CLOSE_LOST);
	return is_there;
}

static void
note_latency(struct chat_counters *counters, uint64_t ts_ms, uint64_t now_ms)
{
	uint64_t ms = now_ms > ts_ms ? now_ms - ts_ms : 0;
	unsigned bucket = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);

	if (bucket >= CHAT_LATENCY_BUCKETS)
		bucket = CHAT_LATENCY_BUCKETS - 1;
	count_add(&counters->latency[bucket], 1);
}

/*
 * Nobody may miss a message and not be told. One that is behind has the log to get it from, and one
 * that is just joining begins behind it.
 */
static void
out_of_memory(struct rooms *rooms, struct audience *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->member[i]->state == MEMBER_LIVE)
			member_lose(rooms, a->member[i], CLOSE_INTERNAL);
	}
}

static void
room_has_read(struct room *room, const struct log_record *record)
{
	room->pos = record->next;
	room->seq = record->seq;
	room->bytes += frame_size(record->len);
}

/* Of its run: nothing goes behind that any more. */
static bool
is_full(const struct audience *a, const struct log_record *record)
{
	return run_len(&a->run) > 0 && run_len(&a->run) + frame_size(record->len) > RUN_MAX;
}

/* How many members have to be given their runs before this can go into one. */
static size_t
writes_before(const struct room *room, const struct log_record *record)
{
	size_t n = 0;

	for (unsigned i = 0; i < WIRES; i++) {
		if (is_full(&room->audience[i], record))
			n += room->audience[i].n;
	}
	return n;
}

static void
deliver_record(struct rooms *rooms, struct room *room, const struct log_record *record,
	       struct budget *budget)
{
	const struct wire_message message = {
	    .room = room_name(room),
	    .epoch = room->epoch,
	    .record = record,
	    .payload = (const unsigned char *)rooms->payload.data,
	};

	for (unsigned i = 0; i < WIRES; i++) {
		struct audience *a = &room->audience[i];

		if (a->n == 0)
			continue;
		if (is_full(a, record))
			audience_flush(rooms, room, a, budget);
		if (!a->run.data)
			run_take(rooms, &a->run);
		if (a->run.len == 0) {
			a->run_pos = record->pos;
			a->run_seq = record->seq;
			a->run_bytes = room->bytes;
		}
		if (!run_message(rooms, &a->run, (enum wire)i, &message)) {
			out_of_memory(rooms, a);
			continue;
		}
		a->run_messages++;
	}
	room_has_read(room, record);
}

/* Up to its end in the log. False: the budget was used up before. */
bool
room_read(struct rooms *rooms, struct room *room, struct budget *budget)
{
	struct log_record record;
	uint64_t now_ms = clock_realtime_ms();

	for (;;) {
		bool no_memory = false;

		if (budget->records == 0 || budget->bytes == 0)
			return false;
		switch (chat_log_read(rooms->options.log, &room->in_log, room->pos, &record)) {
		case LOG_END: return true;
		case LOG_LOST: break;
		case LOG_MESSAGE:
			/* runs are better whole: the last ones are given out when it returns */
			if (writes_before(room, &record) >= budget->writes)
				return false;
			if (!read_payload(rooms, room, &record, &no_memory))
				break;
			if (no_memory) {
				for (unsigned i = 0; i < WIRES; i++)
					out_of_memory(rooms, &room->audience[i]);
				room_has_read(room, &record);
			} else {
				deliver_record(rooms, room, &record, budget);
				note_latency(rooms->options.counters, record.ts_ms, now_ms);
			}
			rooms->seen[room->in_log.shard] += record.next - record.pos;
			budget->records--;
			spend(&budget->bytes, record.len);
			continue;
		}
		if (!room_lost(rooms, room, budget))
			return true;
		budget->records--;
	}
}

static void
look_at(struct rooms *rooms, struct room *room)
{
	struct log_view view;

	room_due(rooms, room);
	if (!chat_log_view(rooms->options.log, &room->in_log, &view))
		return;
	/* another room of the shard was damaged; positions from before are no more */
	room->epoch = view.epoch;
	if (view.presence_seq == room->presence_seq)
		return;
	room->presence_seq = view.presence_seq;
	if (rooms->options.members_changed)
		rooms->options.members_changed(room, rooms->options.ctx);
}

static void
read_news(struct rooms *rooms, unsigned shard)
{
	const uint32_t limit = chat_log_room_limit(rooms->options.log);
	uint32_t index[NEWS_AT_ONCE];
	size_t n;

	do {
		if (chat_log_news(rooms->options.log, shard, &rooms->cursor[shard], index,
				  NEWS_AT_ONCE, &n)) {
			for (struct room *room = rooms->all.next; room != &rooms->all;
			     room = room->next) {
				if (room->in_log.shard == shard)
					look_at(rooms, room);
			}
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			/* it comes out of shared memory */
			if (index[i] < limit && rooms->by_index[index[i]])
				look_at(rooms, rooms->by_index[index[i]]);
		}
	} while (n == NEWS_AT_ONCE);
}

bool
rooms_deliver(struct rooms *rooms)
{
	struct budget budget = PASS_BUDGET;
	uint64_t written[CHAT_LOG_SHARDS];

	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		written[i] = chat_log_written(rooms->options.log, i);
		if (chat_log_has_news(rooms->options.log, i, rooms->cursor[i]))
			read_news(rooms, i);
	}
	while (!is_spent(&budget)) {
		struct room *room = rooms_next_due(rooms);
		struct budget turn;

		if (!room)
			break;
		if (room->n_members == 0) {
			room_free(rooms, room);
			continue;
		}
		turn = budget;
		/* alone it may have all: the longer a run, the less a message costs */
		if (rooms->due_first && turn.records > TURN_RECORDS)
			turn.records = TURN_RECORDS;
		budget.records -= turn.records;
		bool is_done = room_read(rooms, room, &turn);
		room_flush(rooms, room, &turn);
		turn.records += budget.records;
		budget = turn;
		if (!is_done)
			room_due(rooms, room);
	}
	rooms_close_lost(rooms);
	if (rooms->due_first)
		return true;
	memcpy(rooms->seen, written, sizeof(written));
	return false;
}

bool
rooms_have_news(const struct rooms *rooms)
{
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		if (chat_log_has_news(rooms->options.log, i, rooms->cursor[i]))
			return true;
	}
	return rooms->due_first != NULL;
}

uint64_t
rooms_seen(const struct rooms *rooms, unsigned shard)
{
	return rooms->seen[shard];
}

bool
rooms_announce(struct rooms *rooms, struct room *room, const struct rooms_event *event)
{
	struct buffer run;
	bool ok = true;

	run_take(rooms, &run);
	for (unsigned i = 0; i < WIRES && ok; i++) {
		struct audience *a = &room->audience[i];

		if (a->n == 0 || i == WIRE_PLAIN || i == WIRE_PLAIN_DEFLATE)
			continue;
		run.len = 0;
		ok = run_begin(&run) && wire_event(&run, (enum wire)i, event->name, event->json);
		for (size_t j = 0; j < a->n && ok; j++) {
			struct member *m = a->member[j];
			enum sink_result result = SINK_STUCK;

			if (!event->wanted(m, event->ctx))
				continue;
			/* one that is behind has its room's messages to take first */
			if (m->state == MEMBER_LIVE)
				result = m->calls->write(
				    m, (unsigned char *)run.data + WIRE_HEADROOM, run_len(&run));
			if (result == SINK_PARTIAL) {
				m->pos = room->pos;
				m->seq = room->seq + 1;
				m->fresh = 0;
				m->taken = room->bytes;
				m->unsent = 0;
				member_set_state(m, MEMBER_BEHIND);
			}
			event->told(m, result == SINK_SENT || result == SINK_PARTIAL, event->ctx);
		}
	}
	run_give(rooms, &run);
	return ok;
}
