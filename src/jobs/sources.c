/*
 * sources.c - see sources.h.
 */
#include "jobs/sources.h"

#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 16

void
sources_fini(struct sources *sources)
{
	free(sources->source);
	free(sources->hashed);
	*sources = (struct sources){0};
}

static struct span
name_of(const struct source *source)
{
	return span_from(source->name, source->len);
}

/* FNV-1a: whoever makes so many queues that it matters has the database. */
static uint32_t *
head_of(const struct sources *sources, struct span name)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619;
	return &sources->hashed[hash & (sources->cap - 1)];
}

/* The link to this source. */
static uint32_t *
link_to(struct sources *sources, const struct source *source)
{
	const size_t at = (size_t)(source - sources->source) + 1;
	uint32_t *link = head_of(sources, name_of(source));

	while (*link != at)
		link = &sources->source[*link - 1].link;
	return link;
}

static void
add_link(struct sources *sources, struct source *source)
{
	uint32_t *head = head_of(sources, name_of(source));

	source->link = *head;
	*head = (uint32_t)(source - sources->source) + 1;
}

static bool
grow(struct sources *sources)
{
	const size_t cap = sources->cap ? 2 * sources->cap : CAP_FIRST;
	uint32_t *hashed = calloc(cap, sizeof(*hashed));
	struct source *source = hashed ? reallocarray(sources->source, cap, sizeof(*source)) : NULL;

	if (!source) {
		free(hashed);
		return false;
	}
	free(sources->hashed);
	sources->source = source;
	sources->hashed = hashed;
	sources->cap = cap;
	for (size_t i = 0; i < sources->n; i++)
		add_link(sources, &source[i]);
	return true;
}

struct source *
sources_get(struct sources *sources, struct span queue)
{
	struct source *source;

	if (queue.len == 0 || queue.len > JOB_NAME_MAX)
		return NULL;
	for (uint32_t at = sources->n ? *head_of(sources, queue) : 0; at; at = source->link) {
		source = &sources->source[at - 1];
		if (span_eq(name_of(source), queue))
			return source;
	}
	if (sources->n == sources->cap && !grow(sources))
		return NULL;
	source = &sources->source[sources->n++];
	*source = (struct source){.len = queue.len};
	memcpy(source->name, queue.ptr, queue.len);
	add_link(sources, source);
	return source;
}

static void
forget(struct sources *sources, struct source *source)
{
	struct source *last = &sources->source[sources->n - 1];

	*link_to(sources, source) = source->link;
	if (source != last) {
		*link_to(sources, last) = (uint32_t)(source - sources->source) + 1;
		*source = *last;
	}
	sources->n--;
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
		forget(sources, source);
		return;
	}
	source->is_claiming = false;
	source->is_blocked = end == CLAIM_FULL;
	source->is_locked = end == CLAIM_LOCKED;
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
sources_retry(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		struct source *source = &sources->source[i];

		if (source->is_locked)
			source_want(source, false);
		source->is_locked = false;
	}
}

void
source_failed(struct source *source, bool is_to_blame)
{
	source->is_claiming = false;
	if (is_to_blame)
		source->wants = source->is_full = false;
}
