/*
 * hub_segment.c - what the hub keeps in the shared segment: the counters of each slot, the log.
 */
#include "hub/hub_segment.h"

#include <stdatomic.h>

#include "base/log.h"

/* The hub's part of the segment: what each slot has counted, then the log. */
static size_t
counters_bytes(void)
{
	return (SEGMENT_SLOTS * sizeof(struct chat_counters) + 4095) / 4096 * 4096;
}

static struct chat_log_sizes
log_sizes(const struct config *config)
{
	const size_t most = config->chat_log_size / CHAT_LOG_SHARDS;

	return (struct chat_log_sizes){
	    .bytes = config->chat_log_size,
	    .room_max = config->chat_room_log_size < most ? config->chat_room_log_size : most,
	    .n_rooms = (unsigned)config->chat_max_rooms,
	};
}

size_t
hub_memory(const struct config *config)
{
	const struct chat_log_sizes sizes = log_sizes(config);
	size_t bytes = chat_log_memory(&sizes);

	return bytes > 0 ? counters_bytes() + bytes : 0;
}

bool
hub_log_format(struct segment *segment, const struct config *config)
{
	const struct chat_log_sizes sizes = log_sizes(config);

	return chat_log_format((char *)segment->log + counters_bytes(),
			       segment->log_bytes - counters_bytes(), &sizes);
}

struct chat_counters *
hub_counters(struct segment *segment, unsigned slot)
{
	return (struct chat_counters *)segment->log + slot;
}

bool
hub_log_attach(struct chat_log *log, struct segment *segment)
{
	return chat_log_attach(log, (char *)segment->log + counters_bytes(),
			       segment->log_bytes - counters_bytes());
}

size_t
hub_message_max(const struct config *config)
{
	const struct chat_log_sizes sizes = log_sizes(config);

	return chat_log_payload_max_in(&sizes);
}

static void
ring_sleepers(struct segment *segment, const struct doorbell *bell)
{
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		if (atomic_load(&segment->slots[i].sleep) != SLEEP_AWAKE)
			doorbell_ring(bell, i);
	}
}

void
hub_log_recover(struct segment *segment, const struct doorbell *bell, unsigned slot)
{
	struct chat_counters *counters = hub_counters(segment, slot);
	struct chat_log log;

	/* what it has counted stays, what it had is gone: the next one of this slot adds to that */
	count_set(&counters->connections, 0);
	count_set(&counters->rooms, 0);
	count_set(&counters->members, 0);
	count_set(&counters->held_bytes, 0);
	count_set(&counters->input_bytes, 0);
	count_set(&counters->lag_bytes, 0);
	if (!hub_log_attach(&log, segment))
		return;
	chat_log_recover(&log, slot);
	count_add(&counters->repairs, log.repaired);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		for (unsigned j = 0; j < CHAT_LOG_SHARDS && segment->slots[i].pid == 0; j++)
			chat_log_set_reader(&log, i, j, 0);
	}
	/* the dead may have said that it rings somebody, and not have done it */
	ring_sleepers(segment, bell);
}

bool
hub_log_check(struct segment *segment, const struct doorbell *bell, struct log_check *check)
{
	/* nobody else counts these, in whichever slot */
	struct chat_counters *counters = hub_counters(segment, 0);
	struct chat_log log;

	if (check->shards_left == 0 || !hub_log_attach(&log, segment))
		return false;
	const uint64_t resets = chat_log_resets(&log);
	const bool has_more = chat_log_check(&log, check);
	if (chat_log_resets(&log) != resets) {
		count_add(&counters->epochs, chat_log_resets(&log) - resets);
		ring_sleepers(segment, bell);
	}
	if (!has_more)
		log_info("chat log: looked through after a crash");
	return has_more;
}
