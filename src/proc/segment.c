/*
 * segment.c - one shared anonymous mapping: slots first, then the broadcast log's area.
 */
#include "proc/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static size_t
head_bytes(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (SEGMENT_SLOTS * sizeof(struct slot) + page - 1) / page * page;
}

struct segment *
segment_new(size_t log_bytes)
{
	const size_t head = head_bytes();
	struct segment *segment = malloc(sizeof(*segment));

	if (!segment || log_bytes > SIZE_MAX - head) {
		log_error("shared segment: %s", strerror(ENOMEM));
		free(segment);
		return NULL;
	}
	/* the pages are made when they are first touched: an unused log costs no memory */
	char *base = mmap(NULL, head + log_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		log_error("shared segment: %zu bytes cannot be mapped: %s", head + log_bytes,
			  strerror(errno));
		free(segment);
		return NULL;
	}
	segment->slots = (struct slot *)(void *)base;
	segment->log = base + head;
	segment->log_bytes = log_bytes;
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++)
		segment->slots[i].empty_since_ms = clock_monotonic_ms();
	return segment;
}

void
segment_free(struct segment **segment)
{
	if (!*segment)
		return;
	munmap((*segment)->slots, head_bytes() + (*segment)->log_bytes);
	free(*segment);
	*segment = NULL;
}
