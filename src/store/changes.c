/*
 * changes.c - one statement on the slow lane.
 */
#include "store/changes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/operation.h"

#define SQL_MAX 4096

struct changes {
	struct lane_request request; /* first: the lane hands it back */
	products_fn *done;
	void *ctx;
	struct buffer sql; /* terminated */
	char number[4][24];
	char log[40];
};

#define MARK "pg_catalog.to_hex((extract(epoch from at) * 1000000)::int8)"

/*
 * What is kept and what is pruned are of one snapshot. That a change is settled is known of the
 * server where the holder is; a lane may be on a standby that is behind. There nothing is shown
 * until its xmin is where that of the holder was: else a change might be seen before one that has
 * a lower seq. For the same reason what a standby does not have it may still get, below that; a
 * server that is none has each change that was ever told.
 */
static const char template[] =
    "select f.pruned, f.log = $5::uuid and (s.is_standby or s.newest >= $2::int8), "
    "not s.is_standby or ($1::int8 <= $2::int8 and s.is_settled), "
    "s.newest < $1::int8, (select " MARK " from %s.product_log where seq = $1::int8), "
    "l.seq, l.op, l.id, l.version, l.mark "
    "from %s.product_feed f cross join lateral ("
    "select greatest((select max(seq) from %s.product_log), f.pruned) as newest, "
    "pg_catalog.pg_is_in_recovery() as is_standby, "
    "pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::int8 >= $3::int8 "
    "as is_settled) s left join lateral ("
    "select seq, op, id, version, " MARK " as mark from %s.product_log "
    "where seq > $1::int8 and seq <= $2::int8 and s.is_settled "
    "order by seq limit $4::int8) l on true order by l.seq";

static bool
changes_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct changes *changes = (const struct changes *)request[i];
		const char *const values[] = {changes->number[0], changes->number[1],
					      changes->number[2], changes->number[3], changes->log};
		const struct lane_query query = {
		    .sql = changes->sql.data,
		    .n_params = sizeof(values) / sizeof(values[0]),
		    .values = values,
		};
		if (!lane_query_send(lane, &query))
			return false;
	}
	return true;
}

static const struct lane_kind changes_kind = {
    .name = "changes",
    .max = 1,
    .send = changes_send,
};

static void
changes_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct changes *changes = (struct changes *)request;
	const struct products_answer a = operation_answer(request, answer);

	changes->done(&a, changes->ctx);
	buffer_fini(&changes->sql);
	free(changes);
}

static void
put_number(char out[24], uint64_t number)
{
	snprintf(out, 24, "%" PRIu64, number);
}

void
changes_read(const struct products *products, const struct feed_place *place, int64_t since,
	     uint32_t limit, products_fn *done, void *ctx)
{
	struct changes *changes = calloc(1, sizeof(*changes));
	const char *schema = products->sql->schema;

	if (!changes ||
	    !buffer_printf(&changes->sql, SQL_MAX, template, schema, schema, schema, schema) ||
	    !buffer_append(&changes->sql, "", 1, SQL_MAX)) {
		if (changes)
			buffer_fini(&changes->sql);
		free(changes);
		operation_no_memory(done, ctx);
		return;
	}
	changes->request.kind = &changes_kind;
	changes->request.done = changes_done;
	changes->done = done;
	changes->ctx = ctx;
	put_number(changes->number[0], (uint64_t)since);
	put_number(changes->number[1], place->settled);
	put_number(changes->number[2], place->xid);
	put_number(changes->number[3], limit);
	snprintf(changes->log, sizeof(changes->log), "%016" PRIx64 "%016" PRIx64, place->log[0],
		 place->log[1]);
	lane_submit(products->slow, &changes->request);
}
