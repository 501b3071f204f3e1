/*
 * publish.c - checks a message, writes it to the log, and remembers that others are to be told.
 */
#include "hub/publish.h"

#include "hub/hub_private.h"

/* What a client is told to wait while the log is locked: longer than a stopped holder may live. */
#define BUSY_RETRY_MS 1000

enum publish_result
hub_publish_any(struct hub *hub, const struct log_message *m, struct log_receipt *receipt,
		uint64_t *retry_ms)
{
	struct chat_counters *counters = hub->counters;

	switch (chat_log_publish(&hub->log, m, receipt)) {
	case LOG_OK: break;
	case LOG_BUSY:
		*retry_ms = BUSY_RETRY_MS;
		count_add(&counters->refused_busy, 1);
		return PUBLISH_BUSY;
	case LOG_RATE:
		*retry_ms = receipt->retry_ms;
		count_add(&counters->refused_rate, 1);
		return PUBLISH_RATE;
	case LOG_TOO_LONG: count_add(&counters->refused_other, 1); return PUBLISH_TOO_BIG;
	case LOG_FULL: count_add(&counters->refused_other, 1); return PUBLISH_FULL;
	}
	if (receipt->is_duplicate) {
		count_add(&counters->duplicates, 1);
		return PUBLISH_OK;
	}
	count_add(&counters->messages_in, 1);
	count_add(&counters->bytes_in, m->payload.len);
	hub->published = true;
	return PUBLISH_OK;
}

enum publish_result
hub_publish(struct hub *hub, struct rate *limit, const struct log_message *message,
	    struct log_receipt *receipt, uint64_t *retry_ms)
{
	struct chat_counters *counters = hub->counters;
	struct log_message m = *message;
	uint64_t now_us = loop_now_us(hub->loop);

	*retry_ms = 0;
	if (m.room.len > 0 && m.room.ptr[0] == '_') {
		count_add(&counters->refused_other, 1);
		return PUBLISH_DENIED;
	}
	if (m.payload.len > hub->max_message) {
		count_add(&counters->refused_other, 1);
		return PUBLISH_TOO_BIG;
	}
	if (limit)
		*retry_ms = rate_take(limit, &hub->publish_limit, now_us);
	if (*retry_ms > 0) {
		count_add(&counters->refused_rate, 1);
		return PUBLISH_RATE;
	}
	m.room_limit = hub->room_limit.per_second > 0 ? &hub->room_limit : NULL;
	return hub_publish_any(hub, &m, receipt, retry_ms);
}
