/*
 * feed_horizon.c - keeps one look until it is decided. A newer one in its place would be decided
 * later, and then again a newer one: under load never.
 */
#include "store/feed_horizon.h"

static void
settle(struct feed_horizon *horizon, const struct feed_look *look, uint64_t *settled, uint64_t *xid)
{
	*settled = horizon->settled = look->newest;
	*xid = look->next;
	horizon->has_settled = true;
	horizon->is_waiting = false;
}

bool
feed_horizon_look(struct feed_horizon *horizon, const struct feed_look *look, uint64_t *settled,
		  uint64_t *xid)
{
	bool decided = false;

	if (look->xmin >= look->next) {
		settle(horizon, look, settled, xid);
		return true;
	}
	if (horizon->is_waiting && look->xmin >= horizon->waiting.next) {
		settle(horizon, &horizon->waiting, settled, xid);
		decided = true;
	}
	if (!horizon->is_waiting && (!horizon->has_settled || look->newest > horizon->settled)) {
		horizon->waiting = *look;
		horizon->is_waiting = true;
	}
	return decided;
}
