/*
 * list_query.h - what a list, a count or an export of products was asked for: read from the query
 * of a request, every mistake named, and written as SQL with parameters. Pure.
 *
 * Nothing that a client sent is ever part of the SQL.
 */
#ifndef PLAZA_STORE_LIST_QUERY_H
#define PLAZA_STORE_LIST_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/mistakes.h"
#include "http/query.h"
#include "store/cursor.h"
#include "store/price.h"

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX     1000

/* A count that is not exact gives up here. */
#define LIST_COUNT_MAX 10000

enum list_use {
	LIST_PAGE,  /* limit, after, sort, count, and the filters */
	LIST_EXPORT /* format, and the filters */
};

enum list_count { COUNT_NONE, COUNT_EXACT, COUNT_ESTIMATED };

enum list_format { FORMAT_UNSAID, FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON };

struct list_query {
	uint32_t limit;
	enum list_sort sort;
	enum list_count count;
	enum list_format format;
	bool has_after;
	struct cursor after;
	bool is_continued; /* a further page of what is under way: no full queue turns it away */
	bool has_name, has_search, has_price_gte, has_price_lte;
	char name[QUERY_LONG_MAX + 1]; /* all terminated */
	char search[QUERY_LONG_MAX + 1];
	char price_gte[PRICE_TEXT_SIZE];
	char price_lte[PRICE_TEXT_SIZE];
};

/* False with every mistake. */
bool list_query_read(struct span query, enum list_use use, struct list_query *list,
		     struct mistakes *mistakes);

bool list_query_has_filter(const struct list_query *list);
/* By rising ids, and no filter. */
bool list_query_is_plain(const struct list_query *list);

/* name, q, price.gte, price.lte, a key, its id, the limit */
#define LIST_PARAMS_MAX 7

/* Text parameters of a statement; they point into it and into the list_query. */
struct list_params {
	int n;
	const char *value[LIST_PARAMS_MAX];
	char id[24], limit[24];
};

/*
 * Appends the statement that gives the page, terminated: up to `limit` rows of `table` (as SQL has
 * it, quoted, and without apostrophes), whole, in order, and one more if there is one. False on
 * out-of-memory.
 */
bool list_query_page_sql(struct buffer *sql, struct list_params *params, const char *table,
			 const struct list_query *list) __attribute__((warn_unused_result));

/*
 * The statement that counts: one row of `estimate`, which is NULL if the table's size is not known
 * or does not matter, and `counted`, which is NULL if the estimate is enough. Unless it is exact,
 * it counts to LIST_COUNT_MAX + 1 at the most.
 */
bool list_query_count_sql(struct buffer *sql, struct list_params *params, const char *table,
			  const struct list_query *list) __attribute__((warn_unused_result));

#endif
