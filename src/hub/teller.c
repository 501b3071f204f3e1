/*
 * teller.c - see teller.h.
 */
#include "hub/teller.h"

#include <string.h>

#include "hub/hub_segment.h"

/* Each attempt on a log whose lock is held by a stopped process takes 50 ms of the loop. */
#define BUSY_MS 1000

static bool
pass_cb(void *arg)
{
	struct hub_teller *teller = arg;

	if (teller->has_told) {
		teller->has_told = false;
		count_add(&teller->counters->wakes,
			  doorbell_ring_sleepers(teller->bell, teller->segment, teller->slot));
	}
	return false;
}

bool
hub_teller_init(struct hub_teller *teller, struct loop *loop, struct segment *segment,
		const struct doorbell *bell, unsigned slot)
{
	memset(teller, 0, sizeof(*teller));
	if (!hub_log_attach(&teller->log, segment))
		return false;
	teller->segment = segment;
	teller->bell = bell;
	teller->slot = slot;
	teller->counters = hub_counters(segment, slot);
	teller->loop = loop;
	teller->hook = (struct pass_hook){.fn = pass_cb, .name = "chat tell", .arg = teller};
	loop_add_pass_hook(loop, &teller->hook);
	return true;
}

bool
hub_teller_tell(struct hub_teller *teller, struct span room, struct span json)
{
	const struct log_message message = {.room = room, .kind = LOG_JSON, .payload = json};
	struct log_receipt receipt;

	if (loop_now_ms(teller->loop) < teller->busy_until_ms)
		return false;
	switch (chat_log_publish(&teller->log, &message, &receipt)) {
	case LOG_OK: break;
	case LOG_BUSY:
		teller->busy_until_ms = loop_now_ms(teller->loop) + BUSY_MS;
		count_add(&teller->counters->refused_busy, 1);
		return false;
	case LOG_RATE:
	case LOG_TOO_LONG:
	case LOG_FULL: count_add(&teller->counters->refused_other, 1); return false;
	}
	count_add(&teller->counters->messages_in, 1);
	count_add(&teller->counters->bytes_in, json.len);
	teller->has_told = true;
	return true;
}
