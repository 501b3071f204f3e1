/*
 * sources.c - see sources.h.
 */
#include "jobs/sources.h"

#include <stdlib.h>
#include <string.h>

void
sources_fini(struct sources *sources)
{
	free(sources->source);
	*sources = (struct sources){0};
}

struct source *
sources_get(struct sources *sources, struct span queue)
{
	if (queue.len == 0 || queue.len > JOB_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < sources->n; i++) {
		struct source *source = &sources->source[i];

		if (span_eq(span_from(source->name, source->len), queue))
			return source;
	}
	if (sources->n == sources->cap) {
		const size_t cap = sources->cap ? 2 * sources->cap : 16;
		struct source *grown = reallocarray(sources->source, cap, sizeof(*sources->source));

		if (!grown)
			return NULL;
		sources->source = grown;
		sources->cap = cap;
	}
	struct source *source = &sources->source[sources->n++];

	*source = (struct source){.len = queue.len};
	memcpy(source->name, queue.ptr, queue.len);
	return source;
}

void
source_want(struct source *source, bool is_full)
{
	source->is_full = source->is_full || is_full;
	source->wants = true;
	source->wants_again = source->is_claiming;
}

size_t
sources_wanting(const struct sources *sources)
{
	size_t n = 0;

	for (size_t i = 0; i < sources->n; i++)
		n += sources->source[i].wants && !sources->source[i].is_claiming;
	return n;
}

struct source *
sources_next(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		const size_t at = (sources->next + i) % sources->n;
		struct source *source = &sources->source[at];

		if (!source->wants || source->is_claiming)
			continue;
		sources->next = at + 1;
		source->is_claiming = true;
		source->wants_again = false;
		return source;
	}
	return NULL;
}

void
source_claimed(struct sources *sources, struct source *source, enum claim_end end)
{
	if (end == CLAIM_ABSENT && !source->wants_again) {
		*source = sources->source[--sources->n];
		return;
	}
	source->is_claiming = false;
	source->is_blocked = end == CLAIM_FULL;
	/* of a queue that is full or paused it is told when that has changed, or by the next look
	 */
	source->wants = source->wants_again || end == CLAIM_MORE;
	if (!source->wants_again)
		source->is_full = false;
}

void
source_unblock(struct source *source)
{
	if (source->is_blocked || source->is_claiming)
		source_want(source, false);
}

void
source_failed(struct source *source, bool is_to_blame)
{
	source->is_claiming = false;
	if (is_to_blame)
		source->wants = source->is_full = false;
}
