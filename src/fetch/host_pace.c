/*
 * host_pace.c - a table of the hosts that are to be left alone for a while.
 */
#include "fetch/host_pace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/siphash.h"

#define BUCKETS 1024

struct host {
	struct host *next;
	uint64_t paused_until_ms;
	uint64_t down_until_ms;
	uint64_t down_ms; /* how long the next time */
	uint64_t touched_ms;
	unsigned failures; /* in a row */
	bool is_tried;     /* it was down, and one has gone there to see */
	size_t len;
	char name[];
};

struct pace {
	uint64_t key[2];
	size_t n;
	struct host *bucket[BUCKETS];
};

struct pace *
pace_new(void)
{
	struct pace *pace = calloc(1, sizeof(*pace));

	/* without randomness somebody could make the chains long; they are bounded */
	if (pace && getrandom(pace->key, sizeof(pace->key), GRND_NONBLOCK) < 0)
		memset(pace->key, 0, sizeof(pace->key));
	return pace;
}

void
pace_free(struct pace **pace)
{
	if (!*pace)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((*pace)->bucket[i]) {
			struct host *host = (*pace)->bucket[i];
			(*pace)->bucket[i] = host->next;
			free(host);
		}
	}
	free(*pace);
	*pace = NULL;
}

/* Where it hangs, or would. */
static struct host **
place_of(struct pace *pace, struct span name)
{
	struct host **at = &pace->bucket[siphash(pace->key, name.ptr, name.len) % BUCKETS];

	while (*at && !span_eq(span_from((*at)->name, (*at)->len), name))
		at = &(*at)->next;
	return at;
}

static void
forget(struct pace *pace, struct host **at)
{
	struct host *host = *at;

	if (!host)
		return;
	*at = host->next;
	free(host);
	pace->n--;
}

/* Nothing that it says counts any more. */
static bool
is_over(const struct host *host, uint64_t now_ms)
{
	return host->paused_until_ms <= now_ms && host->down_until_ms <= now_ms &&
	       host->touched_ms + 2 * PACE_DOWN_MAX_MS < now_ms;
}

static void
sweep(struct pace *pace, uint64_t now_ms)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct host **at = &pace->bucket[i]; *at;) {
			if (is_over(*at, now_ms))
				forget(pace, at);
			else
				at = &(*at)->next;
		}
	}
}

/* NULL: no room, no memory. */
static struct host *
remember(struct pace *pace, struct span name, uint64_t now_ms)
{
	struct host **at = place_of(pace, name);

	if (!*at && pace->n == PACE_HOSTS) {
		sweep(pace, now_ms);
		at = place_of(pace, name);
	}
	if (!*at && pace->n < PACE_HOSTS) {
		struct host *host = calloc(1, sizeof(*host) + name.len);
		if (!host)
			return NULL;
		host->down_ms = PACE_DOWN_MS;
		host->len = name.len;
		memcpy(host->name, name.ptr, name.len);
		*at = host;
		pace->n++;
	}
	if (*at)
		(*at)->touched_ms = now_ms;
	return *at;
}

enum pace_answer
pace_ask(struct pace *pace, struct span name, uint64_t now_ms, uint64_t *wait_ms)
{
	struct host **at = place_of(pace, name);
	struct host *host = *at;

	*wait_ms = 0;
	if (!host)
		return PACE_GO;
	if (is_over(host, now_ms)) {
		forget(pace, at);
		return PACE_GO;
	}
	if (host->down_until_ms > now_ms) {
		*wait_ms = host->down_until_ms - now_ms;
		return PACE_DOWN;
	}
	if (host->paused_until_ms > now_ms) {
		*wait_ms = host->paused_until_ms - now_ms;
		return PACE_WAIT;
	}
	if (host->failures >= PACE_FAILURES) {
		host->is_tried = true;
		host->down_until_ms = now_ms + PACE_DOWN_MS;
	}
	return PACE_GO;
}

void
pace_answered(struct pace *pace, struct span name)
{
	struct host **at = place_of(pace, name);

	if (!*at)
		return;
	if ((*at)->paused_until_ms) {
		(*at)->failures = 0;
		(*at)->down_until_ms = 0;
		(*at)->down_ms = PACE_DOWN_MS;
	} else {
		forget(pace, at);
	}
}

void
pace_unreachable(struct pace *pace, struct span name, uint64_t now_ms)
{
	struct host *host = remember(pace, name, now_ms);

	if (!host || ++host->failures < PACE_FAILURES)
		return;
	/* those that were under way when it went down say nothing new */
	if (host->failures > PACE_FAILURES && !host->is_tried)
		return;
	host->is_tried = false;
	host->down_until_ms = now_ms + host->down_ms;
	host->down_ms = host->down_ms * 2 < PACE_DOWN_MAX_MS ? host->down_ms * 2 : PACE_DOWN_MAX_MS;
}

void
pace_pause(struct pace *pace, struct span name, uint64_t now_ms, uint64_t ms)
{
	struct host *host = remember(pace, name, now_ms);

	if (!host)
		return;
	ms = ms < PACE_PAUSE_MAX_MS ? ms : PACE_PAUSE_MAX_MS;
	if (now_ms + ms > host->paused_until_ms)
		host->paused_until_ms = now_ms + ms;
}
