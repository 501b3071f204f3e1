/* links: src/store/list_query.c src/store/cursor.c src/store/price.c src/store/product_id.c
 * src/http/query.c src/http/query_mistakes.c src/http/mistakes.c src/http/chars.c
 * src/base/buffer.c -lm */
/*
 * fuzz_list_query.c - queries of lists: whatever is in them, the SQL is the same as for harmless
 * values, its parameters are there and are text, and a refusal has words.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_list_query tests/fuzz/fuzz_list_query.c \
 *		src/store/list_query.c src/store/cursor.c src/store/price.c \
 *		src/store/product_id.c src/http/query.c src/http/query_mistakes.c \
 *		src/http/mistakes.c src/http/chars.c src/base/buffer.c -lm
 *	./fuzz_list_query -max_len=4000 -dict=tests/fuzz/list_query.dict \
 *		tests/fuzz/corpus/list_query
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/list_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLE "\"public\".products"

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Every parameter of it is one of those that come with it, and they are all there is of numbers. */
static void
check_params(const char *sql, const struct list_params *params)
{
	check(params->n <= LIST_PARAMS_MAX);
	for (int i = 0; i < params->n; i++)
		check(list_text_valid(span_str(params->value[i])));
	for (const char *p = sql; (p = strchr(p, '$')) != NULL; p++)
		check(p[1] >= '1' && p[1] <= '0' + params->n);
}

static void
check_sql(const struct list_query *list)
{
	struct list_query *plain = malloc(sizeof(*plain));
	struct list_params params;
	struct buffer sql, other;

	check(plain != NULL);
	*plain = *list;
	snprintf(plain->name, sizeof(plain->name), "x");
	snprintf(plain->search, sizeof(plain->search), "x");
	snprintf(plain->after.key, sizeof(plain->after.key), "1");
	for (int i = 0; i < 2; i++) {
		buffer_init(&sql);
		buffer_init(&other);
		if (i == 0) {
			check(list_query_page_sql(&other, &params, TABLE, plain));
			check(list_query_page_sql(&sql, &params, TABLE, list));
		} else {
			check(list_query_count_sql(&other, &params, TABLE, plain));
			check(list_query_count_sql(&sql, &params, TABLE, list));
		}
		check(span_eq(buffer_span(&sql), buffer_span(&other)));
		check(strlen(sql.data) == sql.len - 1);
		check_params(sql.data, &params);
		buffer_fini(&sql);
		buffer_fini(&other);
	}
	free(plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct list_query list;
	static struct mistakes errors;

	for (int use = LIST_PAGE; use <= LIST_EXPORT; use++) {
		memset(&list, 0x55, sizeof(list));
		if (list_query_read(span_from((const char *)data, size), (enum list_use)use, &list,
				    &errors)) {
			check(errors.n == 0 && list.limit >= 1 && list.limit <= LIST_LIMIT_MAX);
			check(list.sort < LIST_SORTS);
			check(!list.has_after || list.after.sort == list.sort);
			check_sql(&list);
			continue;
		}
		check(errors.n >= 1 && errors.n <= MISTAKES_MAX);
		for (size_t i = 0; i < errors.n; i++)
			check(errors.error[i].detail && errors.error[i].detail[0] &&
			      (errors.error[i].parameter || i == MISTAKES_MAX - 1));
	}
	return 0;
}
