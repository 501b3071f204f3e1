/*
 * pace.c - looks at how far the readers of all workers are behind.
 */
#include "hub/pace.h"

#include <string.h>

/* How long a worker may not come forward and still be waited for: longer than its longest pass. */
#define STALLED_MS 500

void
pace_init(struct pace *pace, struct chat_log *log)
{
	memset(pace, 0, sizeof(*pace));
	pace->log = log;
}

/* Whether a reader that comes forward is behind by more than `limit`. */
static bool
anyone_behind(struct pace *pace, unsigned shard, uint64_t limit, uint64_t now_ms)
{
	uint64_t tail = chat_log_written(pace->log, shard);
	bool behind = false;

	for (unsigned slot = 0; slot < CHAT_LOG_READERS; slot++) {
		uint64_t pos = chat_log_reader(pace->log, slot, shard);

		/* a tail that was read first may be the smaller one */
		if (pos == 0 || pos >= tail || tail - pos <= limit)
			continue;
		if (pace->seen[slot][shard].pos != pos) {
			pace->seen[slot][shard].pos = pos;
			pace->seen[slot][shard].since_ms = now_ms;
		}
		if (now_ms - pace->seen[slot][shard].since_ms < STALLED_MS)
			behind = true;
	}
	return behind;
}

bool
pace_must_hold(struct pace *pace, uint64_t now_ms)
{
	bool hold = false;

	for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
		uint64_t tail = chat_log_written(pace->log, shard);

		if (tail - pace->checked[shard] < pace->log->room_max / 16)
			continue;
		pace->checked[shard] = tail;
		if (anyone_behind(pace, shard, pace->log->room_max / 2, now_ms))
			hold = true;
	}
	return hold;
}

bool
pace_still_holds(struct pace *pace, uint64_t now_ms)
{
	for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
		if (anyone_behind(pace, shard, pace->log->room_max / 4, now_ms))
			return true;
	}
	return false;
}
