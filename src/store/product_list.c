/*
 * product_list.c - pages of products and counts of them. The plain page by id is prepared, and who
 * asks for one that already waits to be sent shares its answer; all others are planned for the
 * values that come with them.
 */
#include <stdlib.h>

#include "base/loop.h"

#include "base/put.h"
#include "store/operation.h"

/* One who waits for a list. */
struct asker {
	products_fn *done;
	void *ctx;
	uint64_t since_us;
	struct asker *next;
};

struct list {
	struct lane_request request; /* first: the lane hands it back */
	struct asker asker;          /* the first, and so on */
	struct asker **last;         /* where one more goes */
	unsigned n_askers;
	uint32_t limit;    /* of a page; a count has none */
	int64_t after;     /* of a plain page */
	const char *name;  /* a prepared statement, or NULL for `sql` */
	struct buffer sql; /* terminated */
	struct list_params params;
};

/*
 * Plain pages that have not been sent yet, each in its place or overwritten there by a later one. A
 * statement that begins after all have asked is as good as one for each.
 */
#define UNSENT_BITS 6
static struct list *unsent[1 << UNSENT_BITS];

/* Their answers are made in one go, and the loop shall turn in between. */
#define ASKERS_MAX 64

static struct list **
place_of(int64_t after, uint32_t limit)
{
	const uint64_t hash = ((uint64_t)after * 1009 + limit) * 0x9e3779b97f4a7c15u;

	return &unsent[hash >> (64 - UNSENT_BITS)];
}

static void
close_to_others(const struct list *list)
{
	struct list **place = place_of(list->after, list->limit);

	if (*place == list)
		*place = NULL;
}

static bool
list_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct list *list = (const struct list *)request[i];
		close_to_others(list);
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
	const uint64_t sent_us = list->asker.since_us + a.waited_us;

	close_to_others(list);
	/* it has asked for one row more than it shows */
	if (list->limit && a.n > list->limit) {
		a.n = list->limit;
		a.more = true;
	}
	for (struct asker *asker = &list->asker, *next; asker; asker = next) {
		next = asker->next;
		a.waited_us = sent_us > asker->since_us ? sent_us - asker->since_us : 0;
		asker->done(&a, asker->ctx);
		if (asker != &list->asker)
			free(asker);
	}
	buffer_fini(&list->sql);
	free(list);
}

static struct list *
list_new(const struct products *products, products_fn *done, void *ctx)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->request.kind = &list_kind;
	list->request.done = list_done;
	list->asker = (struct asker){done, ctx, loop_now_us(products->loop), NULL};
	list->last = &list->asker.next;
	list->n_askers = 1;
	return list;
}

static void
submit(const struct products *products, struct list *list, bool ok)
{
	if (ok) {
		lane_submit(products->slow, &list->request);
		return;
	}
	operation_no_memory(list->asker.done, list->asker.ctx);
	buffer_fini(&list->sql);
	free(list);
}

static void
set_plain_page(struct list *page)
{
	struct list_params *params = &page->params;
	const int64_t after = page->after;

	page->request.kind = &plain_page_kind;
	page->name = "product_list";
	char *p = params->id;
	if (after < 0)
		*p++ = '-';
	*put_number(p, after < 0 ? 0 - (uint64_t)after : (uint64_t)after) = '\0';
	*put_number(params->limit, (uint64_t)page->limit + 1) = '\0';
	params->value[0] = params->id;
	params->value[1] = params->limit;
	params->n = 2;
}

/*
 * False: nobody waits for the same, or there is no memory. It waits no longer than the first one,
 * and takes no place of a queue.
 */
static bool
join(const struct products *products, struct list *page, int64_t after, uint32_t limit,
     products_fn *done, void *ctx)
{
	if (!page || page->after != after || page->limit != limit || page->n_askers == ASKERS_MAX)
		return false;
	struct asker *asker = malloc(sizeof(*asker));
	if (!asker)
		return false;
	*asker = (struct asker){done, ctx, loop_now_us(products->loop), NULL};
	*page->last = asker;
	page->last = &asker->next;
	page->n_askers++;
	return true;
}

/* NULL: done is done, without memory. */
static struct list *
page_new(const struct products *products, const struct list_query *list, products_fn *done,
	 void *ctx)
{
	struct list *page = list_new(products, done, ctx);

	if (!page) {
		operation_no_memory(done, ctx);
		return NULL;
	}
	page->request.is_continued = list->is_continued;
	page->limit = list->limit;
	return page;
}

static void
list_plain(const struct products *products, const struct list_query *list, products_fn *done,
	   void *ctx)
{
	const int64_t after = list->has_after ? list->after.id : INT64_MIN;
	struct list **place = place_of(after, list->limit);

	if (join(products, *place, after, list->limit, done, ctx))
		return;
	struct list *page = page_new(products, list, done, ctx);
	if (!page)
		return;
	page->after = after;
	set_plain_page(page);
	/* before it is submitted, which may answer it at once */
	*place = page;
	submit(products, page, true);
}

void
products_list(const struct products *products, const struct list_query *list, products_fn *done,
	      void *ctx)
{
	if (list_query_is_plain(list)) {
		list_plain(products, list, done, ctx);
		return;
	}
	struct list *page = page_new(products, list, done, ctx);
	if (page)
		submit(products, page,
		       list_query_page_sql(&page->sql, &page->params, products->sql->table, list));
}

void
products_count(const struct products *products, const struct list_query *list, products_fn *done,
	       void *ctx)
{
	struct list *count = list_new(products, done, ctx);

	if (!count) {
		operation_no_memory(done, ctx);
		return;
	}
	submit(products, count,
	       list_query_count_sql(&count->sql, &count->params, products->sql->table, list));
}
