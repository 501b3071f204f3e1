/*
 * catch_up.c - members that are behind: each is served from the log, with runs of its own.
 */
#include "hub/frame.h"
#include "hub/room_private.h"

/* What one laggard may take of one pass. */
#define CATCH_UP_RUNS    4
#define CATCH_UP_RECORDS 1024

/* A message is compressed once, for those who get it together; for one alone it is not. */
static enum wire
own_wire(const struct member *m)
{
	switch (m->wire) {
	case WIRE_PLAIN_DEFLATE: return WIRE_PLAIN;
	case WIRE_JSON_DEFLATE: return WIRE_JSON;
	default: return m->wire;
	}
}

enum build_result { BUILD_OK, BUILD_LOST, BUILD_NO_MEMORY };

/* A laggard's own run: its room's messages from its position up to the worker's. */
static enum build_result
build_run(struct rooms *rooms, struct member *m, struct buffer *run, unsigned *budget,
	  uint64_t *messages)
{
	struct room *room = m->room;
	struct log_record record;

	while (*budget > 0 && m->pos < room->pos) {
		bool no_memory = false;

		switch (chat_log_read(rooms->options.log, &room->in_log, m->pos, &record)) {
		case LOG_LOST: return BUILD_LOST;
		case LOG_END: return BUILD_LOST; /* can not be: the worker has read beyond */
		case LOG_MESSAGE: break;
		}
		if (run_len(run) > 0 && run_len(run) + frame_size(record.len) > RUN_MAX)
			return BUILD_OK;
		if (!read_payload(rooms, room, &record, &no_memory))
			return BUILD_LOST;
		if (no_memory)
			return BUILD_NO_MEMORY;
		--*budget;
		/* what it was to begin with went between two looks at the log */
		if (!m->has_gap && record.seq > m->seq) {
			m->has_gap = true;
			m->why = GAP_TRIMMED;
		}
		if (m->has_gap && (m->why == GAP_EPOCH || record.seq > m->seq) &&
		    !run_gap(rooms, run, m, record.seq - 1))
			return BUILD_NO_MEMORY;
		m->has_gap = false;
		const struct wire_message message = {
		    .room = room_name(room),
		    .epoch = room->epoch,
		    .record = &record,
		    .payload = (const unsigned char *)rooms->payload.data,
		    .is_replay = record.pos < m->fresh,
		};
		if (!run_message(rooms, run, own_wire(m), &message))
			return BUILD_NO_MEMORY;
		++*messages;
		m->pos = record.next;
		m->seq = record.seq + 1;
		if (record.pos >= m->fresh)
			m->unsent += frame_size(record.len);
	}
	if (m->pos >= room->pos && m->has_gap) {
		/* nothing at all is left of what it missed */
		if ((m->why == GAP_EPOCH || room->seq >= m->seq) &&
		    !run_gap(rooms, run, m, room->seq))
			return BUILD_NO_MEMORY;
		m->has_gap = false;
		m->seq = room->seq + 1;
	}
	return BUILD_OK;
}

/* What it was to get next is overwritten. Whether it may go on behind the hole. */
static bool
survives_loss(struct rooms *rooms, struct member *m)
{
	struct log_view view;

	if (!tells_gaps(m) && !m->skips_when_slow)
		return false;
	if (!chat_log_view(rooms->options.log, &m->room->in_log, &view) ||
	    view.epoch != m->room->epoch)
		return false;
	/* at the head it is damaged: it goes on where the worker is */
	m->pos = view.head > m->pos && view.head < m->room->pos ? view.head : m->room->pos;
	m->why = m->has_gap && m->why == GAP_EPOCH ? GAP_EPOCH : GAP_SLOW;
	m->has_gap = true;
	return true;
}

void
rooms_catch_up(struct rooms *rooms, struct member *m)
{
	struct chat_counters *counters = rooms->options.counters;
	unsigned budget = CATCH_UP_RECORDS;
	unsigned code = 0;
	struct buffer run;

	if (m->state != MEMBER_BEHIND)
		return;
	m->taken += m->unsent;
	m->unsent = 0;
	run_take(rooms, &run);
	for (unsigned i = 0; i < CATCH_UP_RUNS && !code; i++) {
		uint64_t messages = 0;

		if (m->pos >= m->room->pos && !m->has_gap) {
			member_set_state(m, MEMBER_LIVE);
			break;
		}
		run.len = 0;
		switch (build_run(rooms, m, &run, &budget, &messages)) {
		case BUILD_OK: break;
		case BUILD_LOST:
			if (!survives_loss(rooms, m))
				code = CLOSE_SLOW;
			break;
		case BUILD_NO_MEMORY: code = CLOSE_INTERNAL; break;
		}
		if (code)
			break;
		if (run_len(&run) == 0)
			continue;
		size_t len = run_len(&run);
		enum sink_result result =
		    m->calls->write(m, (unsigned char *)run.data + WIRE_HEADROOM, len);
		if (result == SINK_REFUSED)
			break;
		if (result == SINK_STUCK) {
			/* can not be: it was asked for, and a run is one write */
			code = CLOSE_INTERNAL;
			break;
		}
		count_add(&counters->writes, 1);
		count_add(&counters->deliveries, messages);
		count_add(&counters->bytes_out, len);
		if (result == SINK_PARTIAL)
			break;
		m->taken += m->unsent;
		m->unsent = 0;
	}
	run_give(rooms, &run);
	if (!code)
		return;
	rooms_leave(rooms, m);
	m->calls->lose(m, code);
}
