/*
 * backlog.c - a counter and the drain rate of the last window of a second or more.
 */
#include "pg/backlog.h"

#include <math.h>

#define WINDOW_MS 1000
/* a window this old says nothing about now */
#define STALE_MS      10000
#define RETRY_AFTER_S 60

void
backlog_init(struct backlog *backlog, size_t limit, uint64_t now_ms)
{
	*backlog = (struct backlog){.limit = limit, .window_began_ms = now_ms};
}

static void
turn_window(struct backlog *backlog, uint64_t now_ms)
{
	uint64_t age_ms = now_ms - backlog->window_began_ms;

	if (age_ms < WINDOW_MS)
		return;
	/* an idle time in which nobody waited measures nothing */
	backlog->sent_per_s =
	    age_ms < STALE_MS ? (double)backlog->sent_in_window * 1000.0 / (double)age_ms : 0;
	backlog->sent_in_window = 0;
	backlog->window_began_ms = now_ms;
}

bool
backlog_enter(struct backlog *backlog, uint64_t now_ms)
{
	if (backlog_is_full(backlog))
		return false;
	if (backlog->waiting == 0)
		turn_window(backlog, now_ms);
	backlog->waiting++;
	return true;
}

void
backlog_return(struct backlog *backlog)
{
	backlog->waiting++;
}

void
backlog_leave(struct backlog *backlog, bool sent, uint64_t now_ms)
{
	backlog->waiting--;
	if (sent)
		backlog->sent_in_window++;
	turn_window(backlog, now_ms);
}

unsigned
backlog_retry_after_s(struct backlog *backlog, unsigned stuck_s, uint64_t now_ms)
{
	double s = stuck_s;

	turn_window(backlog, now_ms);
	if (backlog->sent_per_s > 0)
		s = ceil((double)backlog->waiting / backlog->sent_per_s);
	if (s < 1)
		return 1;
	return s > RETRY_AFTER_S ? RETRY_AFTER_S : (unsigned)s;
}
