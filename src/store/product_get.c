/*
 * product_get.c - one product by its id: all that are asked for at a time are one statement.
 */
#include <stdlib.h>

#include "pg/array.h"
#include "store/operation.h"

/* What a client waits for its own row grows with the others'; the gain hardly does any more. */
#define GET_MAX 256
/* the array of so many, in bytes */
#define IDS_MAX (64 + 12 * GET_MAX)

struct get {
	struct lane_request request; /* first: the lane hands it back; its order is the id */
	products_fn *done;
	void *ctx;
};

/* They come by rising ids; one that several ask for goes once. */
static bool
get_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	/* libpq copies it: the memory is there for the next one */
	static struct buffer bytes;
	struct array array;

	bytes.len = 0;
	if (!array_begin(&array, &bytes, ARRAY_INT8, IDS_MAX))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (i && request[i]->order == request[i - 1]->order)
			continue;
		if (!array_add_int8(&array, request[i]->order))
			return false;
	}
	const struct span ids = array_end(&array);
	const int length = (int)ids.len, format = 1;
	const struct lane_query query = {
	    .name = "product_get",
	    .n_params = 1,
	    .values = &ids.ptr,
	    .lengths = &length,
	    .formats = &format,
	};
	return lane_query_send(lane, &query);
}

/* Each row is for all who have asked for it. */
static void
get_deal(const PGresult *result, struct lane_request *const *request, unsigned n,
	 struct lane_share *share)
{
	int64_t id[GET_MAX];
	unsigned place[GET_MAX], n_ids = 0;
	const int column = PQfnumber(result, "id"), n_rows = PQntuples(result);

	for (unsigned i = 0; i < n; i++) {
		if (!request[i])
			continue;
		id[n_ids] = request[i]->order;
		place[n_ids++] = i;
	}
	for (int row = 0; column >= 0 && row < n_rows; row++) {
		const int64_t found = strtoll(PQgetvalue(result, row, column), NULL, 10);
		unsigned low = 0, high = n_ids;

		while (low < high) {
			const unsigned middle = low + (high - low) / 2;
			if (id[middle] < found)
				low = middle + 1;
			else
				high = middle;
		}
		for (; low < n_ids && id[low] == found; low++) {
			share[place[low]].row = row;
			share[place[low]].n_rows = 1;
		}
	}
}

static const struct lane_kind get_kind = {
    .name = "get",
    .max = GET_MAX,
    .is_sorted = true,
    .send = get_send,
    .deal = get_deal,
};

static void
get_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct get *get = (struct get *)request;
	const struct products_answer a = operation_answer(request, answer);

	get->done(&a, get->ctx);
	free(get);
}

void
products_get(const struct products *products, int64_t id, products_fn *done, void *ctx)
{
	struct get *get = calloc(1, sizeof(*get));

	if (!get) {
		operation_no_memory(done, ctx);
		return;
	}
	get->request.kind = &get_kind;
	get->request.order = id;
	get->request.done = get_done;
	get->done = done;
	get->ctx = ctx;
	lane_submit(products->read, &get->request);
}
