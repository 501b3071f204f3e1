/*
 * run.c - runs of bytes for the members of a room, and what goes into them.
 */
#include "hub/room_private.h"

void
run_take(struct rooms *rooms, struct buffer *run)
{
	if (rooms->n_spare > 0)
		*run = rooms->spare[--rooms->n_spare];
	else
		buffer_init(run);
	run->len = 0;
}

void
run_give(struct rooms *rooms, struct buffer *run)
{
	if (run->cap <= 2 * RUN_MAX && rooms->n_spare < SPARE_RUNS)
		rooms->spare[rooms->n_spare++] = *run;
	else
		buffer_fini(run);
	buffer_init(run);
}

size_t
run_len(const struct buffer *run)
{
	return run->len ? run->len - WIRE_HEADROOM : 0;
}

bool
run_begin(struct buffer *run)
{
	static const char headroom[WIRE_HEADROOM];

	return run->len > 0 || buffer_append(run, headroom, sizeof(headroom), SIZE_MAX);
}

/* On failure the run is as before. */
bool
run_message(struct rooms *rooms, struct buffer *run, enum wire wire,
	    const struct wire_message *message)
{
	size_t before = run->len;

	if (run_begin(run) && wire_message(run, wire, message, rooms->options.deflate))
		return true;
	run->len = before;
	return false;
}

/* Whether a member's wire can say what is missing. */
bool
tells_gaps(const struct member *m)
{
	return m->wire != WIRE_PLAIN && m->wire != WIRE_PLAIN_DEFLATE;
}

bool
run_gap(struct rooms *rooms, struct buffer *run, const struct member *m, uint64_t to)
{
	struct chat_counters *counters = rooms->options.counters;
	_Atomic uint64_t *const told[] = {
	    [GAP_SLOW] = &counters->gaps_slow,
	    [GAP_TRIMMED] = &counters->gaps_trimmed,
	    [GAP_LAG] = &counters->gaps_lag,
	    [GAP_EPOCH] = &counters->gaps_epoch,
	};
	const struct wire_gap gap = {
	    .room = room_name(m->room),
	    .epoch = m->room->epoch,
	    .from = m->why == GAP_EPOCH ? 0 : m->seq,
	    .to = to,
	    .why = m->why,
	};
	size_t before = run->len;

	if (m->why == GAP_SLOW || m->why == GAP_LAG)
		count_add(&counters->skips, to + 1 - m->seq);
	if (m->wire == WIRE_PLAIN || m->wire == WIRE_PLAIN_DEFLATE)
		return true;
	count_add(told[m->why], 1);
	if (run_begin(run) && wire_gap(run, m->wire, &gap))
		return true;
	run->len = before;
	return false;
}

/* False: what was to be copied is overwritten. */
bool
read_payload(struct rooms *rooms, const struct room *room, const struct log_record *record,
	     bool *is_out_of_memory)
{
	if (!buffer_reserve(&rooms->payload, record->len + 1, SIZE_MAX)) {
		*is_out_of_memory = true;
		return true;
	}
	return chat_log_copy(rooms->options.log, &room->in_log, record, rooms->payload.data);
}
