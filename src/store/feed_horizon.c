/*
 * feed_horizon.c - keeps one look until it is decided. A newer one in its place would be decided
 * later, and then again a newer one: under load never.
 */
#include "store/feed_horizon.h"

static void
settle(struct feed_horizon *horizon, const struct feed_look *look, struct feed_look *decided)
{
	*decided = *look;
	horizon->settled = look->newest;
	horizon->has_settled = true;
	horizon->is_waiting = false;
}

bool
feed_horizon_look(struct feed_horizon *horizon, const struct feed_look *look,
		  struct feed_look *decided)
{
	bool is_decided = false;

	if (look->xmin >= look->next) {
		settle(horizon, look, decided);
		return true;
	}
	if (horizon->is_waiting && look->xmin >= horizon->waiting.next) {
		settle(horizon, &horizon->waiting, decided);
		is_decided = true;
	}
	if (!horizon->is_waiting && (!horizon->has_settled || look->newest > horizon->settled)) {
		horizon->waiting = *look;
		horizon->is_waiting = true;
	}
	return is_decided;
}
