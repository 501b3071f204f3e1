/*
 * segment.c - one shared anonymous mapping: slots first, then their tables of addresses, then the
 * store's page, the jobs' pages, then the broadcast log's area.
 */
#include "proc/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* What `bytes` take when something that is page-aligned follows. */
static size_t
whole_pages(size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static size_t
slots_bytes(void)
{
	return whole_pages(SEGMENT_SLOTS * sizeof(struct slot));
}

static size_t
addresses_bytes(void)
{
	return whole_pages(SEGMENT_SLOTS * sizeof(struct address_table));
}

/* All that stands before the log. */
static size_t
head_bytes(void)
{
	return slots_bytes() + addresses_bytes() + whole_pages(SEGMENT_STORE_BYTES) +
	       whole_pages(SEGMENT_JOBS_BYTES);
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
	if (getrandom(segment->address_key, sizeof(segment->address_key), 0) !=
	    (ssize_t)sizeof(segment->address_key)) {
		log_error("shared segment: no random key: %s", strerror(errno));
		free(segment);
		return NULL;
	}
	/* the pages are made when they are first touched: what is not used costs no memory */
	char *base = mmap(NULL, head + log_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		log_error("shared segment: %zu bytes cannot be mapped: %s; %zu of them are for the "
			  "chat (chat.log_size, chat.max_rooms)",
			  head + log_bytes, strerror(errno), log_bytes);
		free(segment);
		return NULL;
	}
	segment->slots = (struct slot *)(void *)base;
	segment->addresses = (struct address_table *)(void *)(base + slots_bytes());
	segment->store = base + slots_bytes() + addresses_bytes();
	segment->jobs = base + slots_bytes() + addresses_bytes() + whole_pages(SEGMENT_STORE_BYTES);
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
