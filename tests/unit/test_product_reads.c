/* links: tests/unit/fake_exchange.c tests/unit/fail_alloc.c src/store/product_get.c
 * src/store/product_get_http.c src/store/product_list.c src/store/product_list_http.c
 * src/store/product_export_http.c src/store/product_reply.c src/store/product_row.c
 * src/store/product_sql.c src/http/json_string.c src/store/operation.c src/store/refusal.c
 * src/http/refuse.c src/http/server_timing.c src/http/negotiate.c $(request) src/http/host.c
 * src/pg/array.c src/base/clock.c src/base/log.c $(list_query_sources) -lpq -lm */
/*
 * test_product_reads.c - what is read of products, with a lane that is made by hand: who shares a
 * statement, whose row is whose, what becomes of exports; and memory that runs out at each place.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fail_alloc.h"
#include "fake_exchange.h"
#include "pg/array.h"
#include "store/product_export_http.h"
#include "store/product_get_http.h"
#include "store/product_list_http.h"
#include "store/product_reply.h"

#define N(table)    (sizeof(table) / sizeof((table)[0]))
#define ROWS_MAX    64
#define COLUMNS_MAX 8

/* --- a lane --- */

struct lane {
	struct lane_request *waiting[ROWS_MAX];
	unsigned n;
	/* of the query that was sent last */
	char sql[2000];
	char name[64];
	int n_params;
	char params[3000]; /* with '|' between them */
};

static struct lane lane;
static struct product_sql *sql;
static struct products products;

void
lane_submit(struct lane *l, struct lane_request *request)
{
	l->waiting[l->n++] = request;
}

bool
lane_query_send(struct lane *l, const struct lane_query *query)
{
	char *p = l->params;

	snprintf(l->name, sizeof(l->name), "%s", query->name ? query->name : "");
	snprintf(l->sql, sizeof(l->sql), "%s", query->sql && !query->name ? query->sql : "");
	l->n_params = query->n_params;
	*p = '\0';
	for (int i = 0; i < query->n_params; i++) {
		if (!query->formats || !query->formats[i]) {
			p += sprintf(p, "%s%s", i ? "|" : "", query->values[i]);
			continue;
		}
		/* int8[]: a head of 20 bytes, then length and value of each */
		for (int at = 20; at < query->lengths[i]; at += 12) {
			int64_t value = 0;
			for (int k = 4; k < 12; k++)
				value = value << 8 | (unsigned char)query->values[i][at + k];
			p += sprintf(p, "%s%lld", at > 20 ? "," : "", (long long)value);
		}
	}
	return true;
}

/* --- a loop with one timer --- */

struct loop {
	uint64_t now_us;
	struct watch *timer; /* the one that was started */
	uint64_t pause_ms;
};

static struct loop loop;

uint64_t
loop_now_us(const struct loop *l)
{
	return l->now_us;
}

void
watch_init_timer(struct watch *w, struct loop *l, const char *name, loop_fn *fn, void *arg)
{
	*w = (struct watch){.loop = l, .name = name, .fn = fn, .arg = arg};
}

bool
watch_start_ms(struct watch *w, uint64_t ms)
{
	w->loop->timer = w;
	w->loop->pause_ms = ms;
	return true;
}

void
watch_stop(struct watch *w)
{
	if (w->loop->timer == w)
		w->loop->timer = NULL;
}

static void
fire_timer(void)
{
	struct watch *w = loop.timer;

	if (!w)
		abort();
	loop.timer = NULL;
	loop.now_us += loop.pause_ms * 1000;
	w->fn(w->arg, 0);
}

/* --- answers --- */

/* Sends all that waits, as one group, and answers it; rows may be fewer, or others, than asked. */
static void
answer_all(const PGresult *result, enum lane_outcome outcome)
{
	struct lane_request *request[ROWS_MAX] = {0}, *arrived[ROWS_MAX];
	struct lane_share share[ROWS_MAX];
	const unsigned n = lane.n;

	if (n == 0)
		abort(); /* libcheck may have no memory */
	memcpy(arrived, lane.waiting, n * sizeof(arrived[0]));
	lane.n = 0;
	/* as a lane does for a kind that is sorted: an insertion sort keeps equals in order */
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;
		for (; arrived[0]->kind->is_sorted && at &&
		       request[at - 1]->order > arrived[i]->order;
		     at--)
			request[at] = request[at - 1];
		request[at] = arrived[i];
	}
	const struct lane_kind *kind = request[0]->kind;
	const bool is_sent = kind->send(&lane, request, n);
	for (unsigned i = 0; i < n; i++)
		share[i] = (struct lane_share){.weight = 1, .row = -1};
	if (is_sent && outcome == LANE_OK && kind->deal)
		kind->deal(result, request, n, share);
	for (unsigned i = 0; i < n; i++) {
		const bool is_whole = !kind->deal;
		const struct lane_answer answer = {
		    .outcome = is_sent ? outcome : LANE_DOWN,
		    .result = is_sent && outcome == LANE_OK ? result : NULL,
		    .row = is_whole ? 0 : share[i].row,
		    .n_rows = is_whole ? PQntuples(result) : share[i].n_rows,
		    .sqlstate = "",
		    .message = "",
		    .constraint = "",
		    .table = "",
		    .column = "",
		    .retry_after_s = 7,
		    .waited_us = 1000,
		    .took_us = 2500,
		};
		request[i]->done(request[i], &answer);
	}
}

/* What the table has of columns: a test may have it altered. */
static const struct column {
	const char *name;
	Oid type;
} own_columns[] = {{"id", 23}, {"name", 25}, {"price", 1700}, {"version", 20}},
  *columns = own_columns;
static int n_columns = N(own_columns);
/* How long a name is at least. */
static int name_width;

/* Products of these ids, in this order; 0 ends them. Or two numbers that make a count. */
static PGresult *
make_rows(const int *ids)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc desc[COLUMNS_MAX] = {0};
	static char text[200 << 10];

	for (int i = 0; i < n_columns; i++) {
		union {
			const char *in;
			char *out;
		} name = {columns[i].name};
		desc[i].name = name.out;
		desc[i].typid = columns[i].type;
	}
	ck_assert_int_eq(PQsetResultAttrs(result, n_columns, desc), 1);
	for (int row = 0; ids[row]; row++) {
		for (int i = 0; i < n_columns; i++) {
			const int len = i == 0   ? sprintf(text, "%d", ids[row])
					: i == 1 ? sprintf(text, "p%-*d", name_width, ids[row])
					: i == 2 ? sprintf(text, "%d.50", ids[row])
						 : sprintf(text, "%d", ids[row] + 100);
			ck_assert_int_eq(PQsetvalue(result, row, i, text, len), 1);
		}
	}
	return result;
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	fake_exchange_hold(fail_alloc_hold);
	memset(&lane, 0, sizeof(lane));
	memset(&loop, 0, sizeof(loop));
	sql = product_sql_new("public");
	ck_assert_ptr_nonnull(sql);
	products = (struct products){
	    .loop = &loop, .sql = sql, .read = &lane, .write = &lane, .slow = &lane};
}

static void
teardown(void)
{
	product_sql_free(&sql);
}

static struct exchange *
begin_get(const char *id)
{
	struct exchange *x = fake_exchange_new("", id, NULL);

	product_get_handle(x, &products);
	return x;
}

static struct exchange *
begin_list(const char *query)
{
	struct exchange *x = fake_exchange_new(query, NULL, NULL);

	product_list_handle(x, &products);
	return x;
}

static struct exchange *
begin_export(const char *query)
{
	struct exchange *x = fake_exchange_new(query, NULL, NULL);

	product_export_handle(x, &products);
	return x;
}

static void
is_answered(struct exchange **x, int status, const char *text)
{
	ck_assert((*x)->answered);
	ck_assert_int_eq((*x)->status, status);
	if (text)
		ck_assert_str_eq((*x)->text, text);
	fake_exchange_free(x);
}

/* --- gets --- */

START_TEST(gets_share_a_statement)
{
	static const char *const ids[] = {"7", "3", "9223372036854775807", "7", "1", "12", "3"};
	struct exchange *x[N(ids)];
	PGresult *rows = make_rows((const int[]){12, 1, 7, 99, 3, 0});

	for (size_t i = 0; i < N(ids); i++)
		x[i] = begin_get(ids[i]);
	ck_assert_uint_eq(lane.n, N(ids));
	answer_all(rows, LANE_OK);
	ck_assert_str_eq(lane.name, "product_get");
	/* each once, and in order */
	ck_assert_str_eq(lane.params, "1,3,7,12,9223372036854775807");
	for (size_t i = 0; i < N(ids); i++) {
		char want[100];
		snprintf(want, sizeof(want),
			 "{\"id\":%s,\"name\":\"p%s\",\"price\":%s.50,\"version\":%d}", ids[i],
			 ids[i], ids[i], atoi(ids[i]) + 100);
		if (i == 2)
			is_answered(&x[i], 404, NULL);
		else
			is_answered(&x[i], 200, want);
	}
	PQclear(rows);
}
END_TEST

START_TEST(one_who_has_given_up_is_passed_over)
{
	struct exchange *x[3] = {begin_get("1"), begin_get("2"), begin_get("2")};
	PGresult *rows = make_rows((const int[]){2, 1, 0});
	struct lane_share share[3] = {{1, -1, 0}, {1, -1, 0}, {1, -1, 0}};
	struct lane_request *request[3];

	memcpy(request, lane.waiting, sizeof(request));
	request[1] = NULL;
	lane.waiting[0]->kind->deal(rows, request, 3, share);
	ck_assert_int_eq(share[0].row, 1);
	ck_assert_int_eq(share[0].n_rows, 1);
	ck_assert_int_eq(share[1].row, -1);
	ck_assert_int_eq(share[2].row, 0);
	answer_all(rows, LANE_OK);
	for (int i = 0; i < 3; i++)
		is_answered(&x[i], 200, NULL);
	PQclear(rows);
}
END_TEST

START_TEST(what_is_no_answer)
{
	static const struct {
		enum lane_outcome outcome;
		int status;
		const char *type;
	} cases[] = {
	    {LANE_FULL, 503, "store-busy"},           {LANE_EXPIRED, 503, "store-busy"},
	    {LANE_LATE, 503, "store-timeout"},        {LANE_DOWN, 503, "store-unavailable"},
	    {LANE_STOPPED, 503, "store-unavailable"}, {LANE_REFUSED, 500, "store-error"},
	};
	struct exchange *(*const begins[])(const char *) = {begin_get, begin_list, begin_export};
	PGresult *rows = make_rows((const int[]){0});

	for (size_t i = 0; i < N(cases); i++) {
		for (size_t b = 0; b < N(begins); b++) {
			struct exchange *x = begins[b](b ? "" : "1");
			answer_all(rows, cases[i].outcome);
			ck_assert_str_eq(x->type, cases[i].type);
			ck_assert_msg(strstr(x->fields, "Server-Timing: queue;dur=1.00, "
							"db;dur=2.50\r\n") != NULL,
				      "%s", x->fields);
			ck_assert((cases[i].status == 503) ==
				  (strstr(x->fields, "Retry-After: 7\r\n") != NULL));
			is_answered(&x, cases[i].status, NULL);
		}
	}
	PQclear(rows);
}
END_TEST

/* --- lists --- */

START_TEST(the_plain_page_is_prepared)
{
	struct exchange *x = begin_list("limit=2&after=aWQ6MQ");
	PGresult *rows = make_rows((const int[]){2, 3, 4, 0});

	answer_all(rows, LANE_OK);
	ck_assert_str_eq(lane.name, "product_list");
	ck_assert_str_eq(lane.params, "1|3");
	ck_assert_str_eq(x->fields, "Link: </api/products?limit=2&after=aWQ6Mw>; rel=\"next\"\r\n"
				    "Server-Timing: queue;dur=1.00, db;dur=2.50\r\n");
	is_answered(&x, 200,
		    "{\"items\":[{\"id\":2,\"name\":\"p2\",\"price\":2.50,\"version\":102},"
		    "{\"id\":3,\"name\":\"p3\",\"price\":3.50,\"version\":103}],"
		    "\"next\":\"aWQ6Mw\"}");
	x = begin_list("");
	answer_all(rows, LANE_OK);
	/* of rows whose size is not known yet only some are asked for at once */
	ck_assert_str_eq(lane.params, "-9223372036854775808|17");
	ck_assert_ptr_null(strstr(x->fields, "Link"));
	is_answered(&x, 200, NULL);
	PQclear(rows);
}
END_TEST

/* The query goes on as it was sent, but for what may not stand in a field. */
START_TEST(a_link_is_the_query)
{
	struct exchange *x =
	    begin_list("&sort=price&%61fter=cHJpY2U6MTo9MS41MA&name=%C3%A9>&&limit=1&q=\"a\"&");
	PGresult *rows = make_rows((const int[]){5, 6, 0});

	ck_assert_uint_eq(lane.n, 1);
	answer_all(rows, LANE_OK);
	ck_assert_str_eq(lane.name, "");
	ck_assert_str_eq(lane.params, "\xc3\xa9>|\"a\"|1.50|1|2");
	ck_assert_str_eq(x->fields, "Link: </api/products?sort=price&name=%C3%A9%3E&limit=1&"
				    "q=%22a%22&after=cHJpY2U6NTo9NS41MA>; rel=\"next\"\r\n"
				    "Server-Timing: queue;dur=1.00, db;dur=2.50\r\n");
	is_answered(&x, 200, NULL);
	PQclear(rows);
}
END_TEST

/* Who asks while it waits has the same statement; who asks later has another. */
START_TEST(lists_share_a_statement)
{
	static const char *const queries[] = {"", "limit=100", "limit=99", "", "after=aWQ6MQ", ""};
	PGresult *rows = make_rows((const int[]){2, 3, 0});
	struct lane_request *sent[1];
	struct exchange *x[N(queries)], *later;

	for (size_t i = 0; i < N(queries); i++)
		x[i] = begin_list(queries[i]);
	/* sixteen rows are all that the first part of either has */
	ck_assert_uint_eq(lane.n, 2);
	sent[0] = lane.waiting[0];
	ck_assert(sent[0]->kind->send(&lane, sent, 1));
	later = begin_list("");
	ck_assert_uint_eq(lane.n, 3);
	answer_all(rows, LANE_OK);
	for (size_t i = 0; i < N(queries); i++) {
		ck_assert_ptr_nonnull(strstr(x[i]->fields, "queue;dur=1.00"));
		is_answered(&x[i], 200,
			    "{\"items\":[{\"id\":2,\"name\":\"p2\",\"price\":2.50,\"version\":102},"
			    "{\"id\":3,\"name\":\"p3\",\"price\":3.50,\"version\":103}],"
			    "\"next\":null}");
	}
	is_answered(&later, 200, NULL);
	/* what goes wrong is told to all, and the next one does not wait for it */
	x[0] = begin_list("");
	x[1] = begin_list("");
	ck_assert_uint_eq(lane.n, 1);
	answer_all(rows, LANE_EXPIRED);
	is_answered(&x[0], 503, NULL);
	is_answered(&x[1], 503, NULL);
	x[0] = begin_list("");
	ck_assert_uint_eq(lane.n, 1);
	answer_all(rows, LANE_OK);
	is_answered(&x[0], 200, NULL);
	PQclear(rows);
}
END_TEST

START_TEST(not_all_share_one_statement)
{
	struct exchange *x[130];
	PGresult *rows = make_rows((const int[]){2, 0});

	for (size_t i = 0; i < N(x); i++)
		x[i] = begin_list("");
	ck_assert_uint_eq(lane.n, 3);
	answer_all(rows, LANE_OK);
	for (size_t i = 0; i < N(x); i++)
		is_answered(&x[i], 200, NULL);
	PQclear(rows);
}
END_TEST

/* What the lane was asked for, and its answer: rows behind those, as many as there are. */
static void
answer_part(const char *params, int first, unsigned n)
{
	int ids[ROWS_MAX * 20];

	ck_assert_uint_eq(lane.n, 1);
	for (unsigned i = 0; i < n; i++)
		ids[i] = first + (int)i;
	ids[n] = 0;
	PGresult *rows = make_rows(ids);
	answer_all(rows, LANE_OK);
	PQclear(rows);
	ck_assert_str_eq(lane.params, params);
}

static unsigned
n_items(const struct exchange *x)
{
	unsigned n = 0;

	for (const char *p = x->text; (p = strstr(p, "{\"id\":")) != NULL; p++)
		n++;
	return n;
}

START_TEST(a_long_page_has_parts)
{
	struct exchange *x = begin_list("after=aWQ6MQ&limit=500");

	ck_assert(!lane.waiting[0]->is_continued);
	answer_part("1|17", 2, 17);
	/* no full queue turns away what has begun */
	ck_assert(lane.waiting[0]->is_continued);
	answer_part("17|129", 18, 129);
	answer_part("145|129", 146, 129);
	answer_part("273|129", 274, 129);
	answer_part("401|101", 402, 101);
	ck_assert_uint_eq(n_items(x), 500);
	ck_assert_ptr_nonnull(strstr(x->text, "},{\"id\":501,"));
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":\"aWQ6NTAx\"}"));
	ck_assert_ptr_nonnull(strstr(x->fields, "queue;dur=5.00, db;dur=12.50"));
	is_answered(&x, 200, NULL);
	/* its worker has learned of it; the last row may be there no more */
	x = begin_list("");
	answer_part("-9223372036854775808|101", 1, 50);
	ck_assert_uint_eq(n_items(x), 50);
	is_answered(&x, 200, NULL);
	x = begin_list("after=aWQ6MQ&limit=129");
	answer_part("1|129", 2, 129);
	answer_part("129|2", 0, 0);
	ck_assert_uint_eq(n_items(x), 128);
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":null}"));
	is_answered(&x, 200, NULL);
	/* each statement of these may sort the table: the rest at once */
	x = begin_list("sort=-id&limit=1000");
	answer_part("129", 1, 129);
	answer_part("128|873", 130, 873);
	ck_assert_uint_eq(n_items(x), 1000);
	is_answered(&x, 200, NULL);
}
END_TEST

START_TEST(a_page_ends_at_a_mebibyte)
{
	name_width = 100 << 10;
	struct exchange *x = begin_list("after=aWQ6MQ");
	answer_part("1|17", 2, 17);
	ck_assert_uint_eq(n_items(x), 11);
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":\"aWQ6MTI\"}"));
	ck_assert_ptr_nonnull(strstr(x->fields, "after=aWQ6MTI>; rel=\"next\""));
	is_answered(&x, 200, NULL);
	/* and the next one does not even ask for so many at once */
	x = begin_list("after=aWQ6MTI");
	answer_part("12|3", 13, 3);
	for (int first = 15; first < 23; first += 2) {
		char params[20];
		snprintf(params, sizeof(params), "%d|3", first - 1);
		answer_part(params, first, 3);
	}
	answer_part("22|3", 23, 3);
	ck_assert_uint_eq(n_items(x), 11);
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":\"aWQ6MjM\"}"));
	is_answered(&x, 200, NULL);
	/* at the last row it is the end */
	x = begin_list("limit=1");
	answer_part("-9223372036854775808|2", 1, 1);
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":null}"));
	is_answered(&x, 200, NULL);
	/* small ones again, and again as many */
	name_width = 0;
	x = begin_list("after=aWQ6MQ");
	answer_part("1|3", 2, 3);
	answer_part("3|17", 4, 17);
	answer_part("19|83", 20, 82);
	ck_assert_uint_eq(n_items(x), 100);
	is_answered(&x, 200, NULL);
}
END_TEST

/* The row where a part ended is gone, and its name was too long: the page ends with it. */
START_TEST(a_part_may_lose_its_place)
{
	name_width = 1100;
	struct exchange *x = begin_list("sort=name&limit=20");
	answer_part("17", 1, 17);
	answer_part("16|5", 0, 0);
	ck_assert_uint_eq(n_items(x), 16);
	/* "name:16:#" */
	ck_assert_ptr_nonnull(strstr(x->text, "}],\"next\":\"bmFtZToxNjoj\"}"));
	is_answered(&x, 200, NULL);
}
END_TEST

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

START_TEST(a_search_waits_for_its_index)
{
	products.search_ready = never;
	struct exchange *x[2] = {begin_list("q=a"), begin_export("q=a")};

	ck_assert_uint_eq(lane.n, 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(x[i]->type, "index-building");
		ck_assert_str_eq(x[i]->fields, "Retry-After: 5\r\n");
		is_answered(&x[i], 503, NULL);
	}
	struct exchange *other = begin_list("name=a");
	ck_assert_uint_eq(lane.n, 1);
	PGresult *rows = make_rows((const int[]){0});
	answer_all(rows, LANE_OK);
	is_answered(&other, 200, "{\"items\":[],\"next\":null}");
	PQclear(rows);
}
END_TEST

/* --- exports --- */

/* One page of the many that an export asks for: more of them, or the last. */
static void
answer_page(int first, unsigned limit, bool is_last)
{
	int ids[2000], n = 0;

	for (; n < (is_last ? (int)limit / 2 : (int)limit + 1); n++)
		ids[n] = first + n;
	ids[n] = 0;
	PGresult *rows = make_rows(ids);
	answer_all(rows, LANE_OK);
	PQclear(rows);
}

START_TEST(pages_grow_to_a_bound)
{
	struct exchange *x = begin_export("format=ndjson");
	static const unsigned limits[] = {16, 128, 1000, 1000};
	int first = 1;

	for (size_t i = 0; i < N(limits); i++) {
		char want[40];
		ck_assert_uint_eq(lane.n, 1);
		answer_page(first, limits[i], i == N(limits) - 1);
		first += (int)limits[i];
		snprintf(want, sizeof(want), "|%u", limits[i] + 1);
		ck_assert_msg(strcmp(strchr(lane.params, '|'), want) == 0, "%s", lane.params);
		/* nothing more is asked for until the client has taken this */
		while (!x->answered && lane.n == 0)
			fake_exchange_proceed(x);
	}
	ck_assert(x->answered && !x->was_aborted);
	int lines = 0;
	for (const char *p = x->text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	ck_assert_int_eq(lines, 16 + 128 + 1000 + 500);
	is_answered(&x, 200, NULL);
}
END_TEST

/* One that has sent its first 16 rows and asks for the next page. */
static struct exchange *
begin_second_page(const char *query)
{
	struct exchange *x = begin_export(query);

	answer_page(1, 16, false);
	while (lane.n == 0)
		fake_exchange_proceed(x);
	return x;
}

static void
refuse(enum lane_outcome outcome)
{
	PGresult *rows = make_rows((const int[]){0});

	answer_all(rows, outcome);
	PQclear(rows);
}

START_TEST(an_export_is_left)
{
	/* before its first page, while it is sent, while the next is asked for, while it waits to
	 * ask again */
	for (int when = 0; when < 4; when++) {
		struct exchange *x = when < 2 ? begin_export("") : begin_second_page("");
		if (when == 0) {
			x->is_head = true;
			answer_page(1, 16, false);
			is_answered(&x, 200, "");
			continue;
		}
		if (when == 1)
			answer_page(1, 16, false);
		if (when == 3)
			refuse(LANE_FULL);
		fake_exchange_leave(x);
		fake_exchange_free(&x);
		if (when == 2)
			answer_page(17, 128, false);
		ck_assert_uint_eq(lane.n, 0);
		ck_assert_ptr_null(loop.timer);
	}
}
END_TEST

/* The same page again after each, until it comes; then the pauses are short again. */
START_TEST(an_export_waits_for_what_passes)
{
	static const enum lane_outcome passing[] = {LANE_FULL, LANE_EXPIRED, LANE_LATE,
						    LANE_DOWN, LANE_STOPPED, LANE_FULL};
	static const uint64_t pauses[] = {50, 100, 200, 400, 800, 1000};
	struct exchange *x = begin_second_page("format=ndjson");

	for (int page = 0; page < 2; page++) {
		const char *want = page ? "144|1001" : "16|129";

		/* whoever is new can come again; this one has only begun */
		ck_assert(lane.waiting[0]->is_continued);

		for (size_t i = 0; i < N(passing); i++) {
			refuse(passing[i]);
			ck_assert_str_eq(lane.params, want);
			ck_assert(!x->answered);
			ck_assert_uint_eq(lane.n, 0);
			ck_assert_uint_eq(loop.pause_ms, pauses[i]);
			fire_timer();
			ck_assert_uint_eq(lane.n, 1);
		}
		answer_page(page ? 145 : 17, page ? 1000 : 128, page == 1);
		ck_assert_str_eq(lane.params, want);
		while (lane.n == 0 && !x->answered)
			fake_exchange_proceed(x);
	}
	ck_assert(!x->was_aborted);
	const char *p = x->text;
	for (int id = 1; id <= 16 + 128 + 500; id++) {
		char line[30];

		snprintf(line, sizeof(line), "{\"id\":%d,", id);
		ck_assert(strncmp(p, line, strlen(line)) == 0);
		p = strchr(p, '\n') + 1;
	}
	ck_assert_str_eq(p, "");
	is_answered(&x, 200, NULL);
}
END_TEST

static void
is_cut(struct exchange **x)
{
	ck_assert((*x)->answered && (*x)->was_aborted);
	ck_assert_uint_eq(lane.n, 0);
	ck_assert_ptr_null(loop.timer);
	fake_exchange_free(x);
}

START_TEST(an_export_waits_for_45_seconds)
{
	struct exchange *x = begin_second_page("format=csv");
	uint64_t since_us;

	/* that it had waited before does not count */
	refuse(LANE_DOWN);
	loop.now_us += 44000000;
	fire_timer();
	answer_page(17, 128, false);
	while (lane.n == 0)
		fake_exchange_proceed(x);
	since_us = loop.now_us;
	for (refuse(LANE_DOWN); !x->answered; refuse(LANE_DOWN))
		fire_timer();
	ck_assert_uint_ge(loop.now_us - since_us, 45000000);
	ck_assert_uint_le(loop.now_us - since_us, 46000000);
	is_cut(&x);
}
END_TEST

START_TEST(an_export_is_cut_by_what_does_not_pass)
{
	struct exchange *x = begin_second_page("format=csv");

	refuse(LANE_REFUSED);
	is_cut(&x);
}
END_TEST

static const struct {
	struct column column[COLUMNS_MAX];
	int n;
} altered[] = {
    {{{"id", 23}, {"name", 25}, {"cost", 1700}, {"version", 20}}, 4},
    {{{"id", 23}, {"name", 25}, {"price", 701}, {"version", 20}}, 4},
    {{{"id", 23}, {"price", 1700}, {"name", 25}, {"version", 20}}, 4},
    {{{"id", 23}, {"name", 25}, {"price", 1700}, {"version", 20}, {"colour", 25}}, 5},
    {{{"id", 23}, {"name", 25}, {"price", 1700}}, 3},
};

START_TEST(an_export_has_the_same_columns_to_its_end)
{
	static const char *const formats[] = {"format=csv", "format=json", "format=ndjson"};

	for (size_t f = 0; f < N(formats); f++) {
		struct exchange *x = begin_second_page(formats[f]);

		columns = altered[_i].column;
		n_columns = altered[_i].n;
		answer_page(17, 128, false);
		is_cut(&x);
		/* and the next one has these */
		x = begin_second_page(formats[f]);
		answer_page(17, 128, true);
		while (!x->answered)
			fake_exchange_proceed(x);
		ck_assert(!x->was_aborted);
		fake_exchange_free(&x);
		columns = own_columns;
		n_columns = N(own_columns);
	}
}
END_TEST

/* --- memory --- */

/* The n-th allocation fails, and maybe all after it: an answer all the same, and nothing is left.
 */
static bool
go(struct exchange *(*begin)(const char *), const char *what, unsigned n, bool for_good)
{
	PGresult *rows = make_rows((const int[]){1, 2, 3, 0});
	PGresult *count = make_rows((const int[]){1, 0});

	fail_alloc_at(n, for_good);
	fail_alloc_hold(true);
	struct exchange *x = fake_exchange_new(begin == begin_get ? "" : what,
					       begin == begin_get ? what : NULL, NULL);
	fail_alloc_hold(false);
	if (begin == begin_get)
		product_get_handle(x, &products);
	else if (begin == begin_list)
		product_list_handle(x, &products);
	else
		product_export_handle(x, &products);
	/* pages, a count; the last ones end it */
	for (int turn = 0; turn < 20 && !x->answered; turn++) {
		if (lane.n)
			answer_all(begin == begin_list && turn ? count : rows, LANE_OK);
		else
			fake_exchange_proceed(x);
	}
	const bool has_failed = fail_alloc_end();
	ck_assert(x->answered);
	ck_assert_uint_eq(lane.n, 0);
	ck_assert_msg(x->status == 200 || x->status == 503, "%d", x->status);
	fake_exchange_free(&x);
	PQclear(count);
	PQclear(rows);
	return has_failed;
}

static const struct {
	struct exchange *(*begin)(const char *);
	const char *what;
	unsigned least; /* places where memory is taken */
} walks[] = {
    {begin_get, "2", 1},
    {begin_list, "limit=2&count=exact", 4},
    {begin_list, "limit=2&sort=-price&name=a&q=b", 4},
    {begin_export, "format=csv", 3},
    {begin_export, "name=a", 3},
};

START_TEST(memory_runs_out_at_each_place)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	for (int for_good = 0; for_good < 2; for_good++) {
		unsigned n = 1;
		while (go(walks[_i].begin, walks[_i].what, n, for_good))
			n++;
		ck_assert_uint_gt(n, walks[_i].least);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("product_reads");
	TCase *tc = tcase_create("product_reads");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, gets_share_a_statement);
	tcase_add_test(tc, one_who_has_given_up_is_passed_over);
	tcase_add_test(tc, what_is_no_answer);
	tcase_add_test(tc, the_plain_page_is_prepared);
	tcase_add_test(tc, lists_share_a_statement);
	tcase_add_test(tc, not_all_share_one_statement);
	tcase_add_test(tc, a_long_page_has_parts);
	tcase_add_test(tc, a_page_ends_at_a_mebibyte);
	tcase_add_test(tc, a_part_may_lose_its_place);
	tcase_add_test(tc, a_link_is_the_query);
	tcase_add_test(tc, a_search_waits_for_its_index);
	tcase_add_test(tc, pages_grow_to_a_bound);
	tcase_add_test(tc, an_export_is_left);
	tcase_add_test(tc, an_export_waits_for_what_passes);
	tcase_add_test(tc, an_export_waits_for_45_seconds);
	tcase_add_test(tc, an_export_is_cut_by_what_does_not_pass);
	tcase_add_loop_test(tc, an_export_has_the_same_columns_to_its_end, 0, N(altered));
	tcase_add_loop_test(tc, memory_runs_out_at_each_place, 0, N(walks));
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
