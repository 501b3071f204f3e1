/*
 * product_list.c - pages of products and counts of them. The plain page by id is prepared; all
 * others are planned for the values that come with them.
 */
#include <stdlib.h>

#include "base/put.h"
#include "store/operation.h"

struct list {
	struct lane_request request; /* first: the lane hands it back */
	products_fn *done;
	void *ctx;
	uint32_t limit;    /* of a page; a count has none */
	const char *name;  /* a prepared statement, or NULL for `sql` */
	struct buffer sql; /* terminated */
	struct list_params params;
};

static bool
list_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct list *list = (const struct list *)request[i];
		const struct lane_query query = {
		    .name = list->name,
		    .sql = list->sql.data,
		    .n_params = list->params.n,
		    .values = list->params.value,
		};
		if (!lane_query_send(lane, &query))
			return false;
	}
	return true;
}

/* Each alone: one that takes long, or fails, is nobody else's business. */
static const struct lane_kind list_kind = {
    .name = "list",
    .max = 1,
    .send = list_send,
};

/* None of them takes long, and one Sync, one wake-up of each side, is enough for some. */
static const struct lane_kind plain_page_kind = {
    .name = "page",
    .max = 8,
    .send = list_send,
};

static void
list_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct list *list = (struct list *)request;
	struct products_answer a = operation_answer(request, answer);

	/* it has asked for one row more than it shows */
	if (list->limit && a.n > list->limit) {
		a.n = list->limit;
		a.more = true;
	}
	list->done(&a, list->ctx);
	buffer_fini(&list->sql);
	free(list);
}

static struct list *
list_new(products_fn *done, void *ctx)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->request.kind = &list_kind;
	list->request.done = list_done;
	list->done = done;
	list->ctx = ctx;
	return list;
}

static void
submit(const struct products *products, struct list *list, bool ok)
{
	if (ok) {
		lane_submit(products->slow, &list->request);
		return;
	}
	operation_no_memory(list->done, list->ctx);
	buffer_fini(&list->sql);
	free(list);
}

static void
set_plain_page(struct list *page, const struct list_query *list)
{
	struct list_params *params = &page->params;
	const int64_t after = list->has_after ? list->after.id : INT64_MIN;

	page->request.kind = &plain_page_kind;
	page->name = "product_list";
	char *p = params->id;
	if (after < 0)
		*p++ = '-';
	*put_number(p, after < 0 ? 0 - (uint64_t)after : (uint64_t)after) = '\0';
	*put_number(params->limit, (uint64_t)list->limit + 1) = '\0';
	params->value[0] = params->id;
	params->value[1] = params->limit;
	params->n = 2;
}

void
products_list(const struct products *products, const struct list_query *list, products_fn *done,
	      void *ctx)
{
	struct list *page = list_new(done, ctx);
	bool ok = true;

	if (!page) {
		operation_no_memory(done, ctx);
		return;
	}
	page->limit = list->limit;
	page->request.is_continued = list->is_continued;
	if (list->sort == SORT_ID && !list_query_has_filter(list))
		set_plain_page(page, list);
	else
		ok = list_query_page_sql(&page->sql, &page->params, products->sql->table, list);
	submit(products, page, ok);
}

void
products_count(const struct products *products, const struct list_query *list, products_fn *done,
	       void *ctx)
{
	struct list *count = list_new(done, ctx);

	if (!count) {
		operation_no_memory(done, ctx);
		return;
	}
	submit(products, count,
	       list_query_count_sql(&count->sql, &count->params, products->sql->table, list));
}
