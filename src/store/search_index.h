/*
 * search_index.h - the index under ?q=, built beside the traffic: on a direct connection of its
 * own, by one process at a time over all hosts, never blocking the loop or a writer.
 */
#ifndef PLAZA_STORE_SEARCH_INDEX_H
#define PLAZA_STORE_SEARCH_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "pg/conninfo.h"
#include "store/schema.h"

struct search_index;

/* Once, from the loop: a valid index is there. The connection is closed by then. */
typedef void search_index_fn(void *ctx);

struct search_index_settings {
	const struct conninfo *conninfo; /* direct, no pooler */
	const struct store_schema *schema;
	uint64_t connect_timeout_ms;
	/* store.migrate = off, or no direct connection: waits until somebody else has built it */
	bool look_only;
};

/*
 * Begins at once, and tries again until the index is valid. What `settings` points to must live as
 * long. NULL on out-of-memory, logged.
 */
struct search_index *search_index_new(struct loop *loop,
				      const struct search_index_settings *settings,
				      search_index_fn *on_ready, void *ctx);

/* A build under way is left to the server, which ends it or leaves an invalid index behind. */
void search_index_free(struct search_index **index);

#endif
