/*
 * product_export_http.c - rows by rising ids, a page of them at a time. The next page is asked for
 * when the client has taken the last one, so that neither the size of the table nor a slow reader
 * costs memory. It is no snapshot: a row is as it was when its page was read.
 *
 * Once it is under way it outlives what passes: a full queue, a lock, a restart of the server. A
 * page that was refused is asked for again, from behind the last row that was sent.
 */
#include "store/product_export_http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/negotiate.h"
#include "http/refuse.h"
#include "http/server_timing.h"
#include "store/product_list_http.h"
#include "store/product_reply.h"
#include "store/product_row.h"

/* What a page aims at. Rows may be of any size: the first page is short, and each tells the next.
 */
#define PAGE_BYTES     ((size_t)256 << 10)
#define PAGE_ROWS      1000
#define PAGE_ROWS_1ST  16
#define PAGE_ROWS_GROW 8

/*
 * How long a page may be waited for before the export is cut; proxies and plazactl give up a
 * connection that is silent for 60 s.
 */
#define WAIT_MS 45000
/* Between two attempts; doubled each time. */
#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS  1000

enum export_state {
	EXPORT_NEW,     /* nothing was asked for yet */
	EXPORT_FIRST,   /* the first page is asked for: any answer may still be given */
	EXPORT_SENDING, /* the rest of `out` goes whenever the client can take more */
	EXPORT_ASKING,  /* the client can take more, and the next page is asked for */
	EXPORT_WAITING, /* that page was refused; it is asked for again at the timer */
	EXPORT_LEFT,    /* the client has left while a page was asked for */
	EXPORT_OVER     /* freed */
};

struct export
{
	struct exchange *x; /* not while EXPORT_LEFT */
	const struct products *products;
	enum export_state state;
	enum list_format format;
	bool is_last;      /* there is nothing behind `out` */
	bool has_rows;     /* before the page in hand */
	PGresult *columns; /* of the first page; no rows */
	size_t at;         /* what of `out` has been sent */
	struct buffer out;
	struct list_query list; /* of the page in hand, or the next one */
	uint64_t wanted_ms;     /* since when the next page is waited for */
	uint64_t pause_ms;      /* the next one */
	struct watch timer;
};

static const char *const types[] = {
    [FORMAT_JSON] = "application/json",
    [FORMAT_CSV] = "text/csv",
    [FORMAT_NDJSON] = "application/x-ndjson",
};

static const char *const content_types[] = {
    [FORMAT_JSON] = "application/json",
    [FORMAT_CSV] = "text/csv; charset=utf-8; header=present",
    [FORMAT_NDJSON] = "application/x-ndjson",
};

static void export_page_done(const struct products_answer *answer, void *ctx);

static void
export_free(struct export *e)
{
	PQclear(e->columns);
	buffer_fini(&e->out);
	free(e);
}

/* The only writer of `state`. A page may be answered inside; afterwards `e` may be gone. */
static void
export_set_state(struct export *e, enum export_state state)
{
	if (e->state == EXPORT_WAITING)
		watch_stop(&e->timer);
	e->state = state;
	if (state == EXPORT_FIRST || state == EXPORT_ASKING)
		products_list(e->products, &e->list, export_page_done, e);
	else if (state == EXPORT_OVER)
		export_free(e);
}

/* --- pages --- */

static bool
put(struct export *e, const char *text)
{
	return buffer_append(&e->out, text, strlen(text), PRODUCT_REPLY_MAX);
}

static bool
write_row(struct export *e, const struct product_columns *columns, int row)
{
	switch (e->format) {
	case FORMAT_CSV: return product_row_csv(&e->out, columns, row, PRODUCT_REPLY_MAX);
	case FORMAT_NDJSON:
		return product_row_json(&e->out, columns, row, PRODUCT_REPLY_MAX) && put(e, "\n");
	case FORMAT_JSON:
	case FORMAT_UNSAID: break;
	}
	return put(e, e->has_rows ? ",\n" : "\n") &&
	       product_row_json(&e->out, columns, row, PRODUCT_REPLY_MAX);
}

/* Rows of this size more, and the next page is as long as it should be. */
static uint32_t
rows_next(const struct export *e, size_t n_rows)
{
	const size_t bytes_each = e->out.len / n_rows + 1;
	size_t rows = PAGE_BYTES / bytes_each;

	if (rows > n_rows * PAGE_ROWS_GROW)
		rows = n_rows * PAGE_ROWS_GROW;
	return rows < 1 ? 1 : rows > PAGE_ROWS ? PAGE_ROWS : (uint32_t)rows;
}

/* Names and types, in their order: a row of others is no row of this export. */
static bool
has_same_columns(const struct export *e, const PGresult *result)
{
	const int n = PQnfields(e->columns);
	bool is_same = PQnfields(result) == n;

	for (int i = 0; is_same && i < n; i++)
		is_same = PQftype(result, i) == PQftype(e->columns, i) &&
			  strcmp(PQfname(result, i), PQfname(e->columns, i)) == 0;
	return is_same;
}

/* Of the first page, what all begins with. */
static bool
write_head(struct export *e, const struct product_columns *columns)
{
	e->columns = PQcopyResult(columns->result, PG_COPYRES_ATTRS);
	if (!e->columns)
		return false;
	switch (e->format) {
	case FORMAT_CSV: return product_row_csv_head(&e->out, columns, PRODUCT_REPLY_MAX);
	case FORMAT_NDJSON: return true;
	case FORMAT_JSON:
	case FORMAT_UNSAID: break;
	}
	return put(e, "[");
}

/* The page into `out`, with what begins and ends the whole. NULL, or why it cannot be. */
static const char *
write_page(struct export *e, const struct products_answer *answer)
{
	const int end = answer->row + (int)answer->n;
	struct product_columns columns;
	bool ok = true;

	product_columns_find(&columns, answer->result, 0);
	e->out.len = e->at = 0;
	e->is_last = !answer->more;
	if (!e->columns)
		ok = write_head(e, &columns);
	else if (!has_same_columns(e, answer->result))
		return "the table has other columns than it had at the beginning";
	for (int row = answer->row; ok && row < end; row++) {
		ok = write_row(e, &columns, row);
		e->has_rows = true;
	}
	if (ok && answer->n) {
		e->list.limit = rows_next(e, answer->n);
		e->list.has_after = e->list.is_continued = true;
		e->list.after.sort = SORT_ID;
		e->list.after.kind = CURSOR_ID;
		e->list.after.id = strtoll(product_row_id(&columns, end - 1).ptr, NULL, 10);
	}
	if (ok && e->is_last && e->format == FORMAT_JSON)
		ok = put(e, "\n]\n");
	return ok ? NULL : "out of memory";
}

/* --- under way --- */

/* What was sent looks whole to nobody. */
static void
cut(struct export *e, const char *why)
{
	log_warning("store: an export was cut after the product %" PRId64 ": %s", e->list.after.id,
		    why);
	exchange_abort(e->x);
	export_set_state(e, EXPORT_OVER);
}

/* A `proceed` is there: a piece of the page, or the next page, or the end. */
static void
go_on(struct export *e)
{
	const size_t left = e->out.len - e->at;

	if (left) {
		const size_t len = left < EXCHANGE_PIECE ? left : EXCHANGE_PIECE;

		exchange_send(e->x, span_from(e->out.data + e->at, len));
		e->at += len;
		export_set_state(e, EXPORT_SENDING);
	} else if (e->is_last) {
		exchange_end(e->x);
		export_set_state(e, EXPORT_OVER);
	} else {
		e->wanted_ms = loop_now_ms(e->products->loop);
		e->pause_ms = PAUSE_FIRST_MS;
		export_set_state(e, EXPORT_ASKING);
	}
}

/* Whether the same page may well be answered a little later. */
static bool
is_passing(enum products_outcome outcome)
{
	return outcome == PRODUCTS_BUSY || outcome == PRODUCTS_SLOW || outcome == PRODUCTS_DOWN ||
	       outcome == PRODUCTS_NO_SCHEMA;
}

static void
take_refusal(struct export *e, enum products_outcome outcome)
{
	if (!is_passing(outcome)) {
		cut(e, "the database refuses to give the next ones");
	} else if (loop_now_ms(e->products->loop) - e->wanted_ms >= WAIT_MS) {
		cut(e, "the database has been busy or away for too long");
	} else if (!watch_start_ms(&e->timer, e->pause_ms)) {
		cut(e, "out of memory");
	} else {
		if (e->pause_ms == PAUSE_FIRST_MS)
			log_debug("store: an export waits after the product %" PRId64,
				  e->list.after.id);
		e->pause_ms = e->pause_ms * 2 < PAUSE_LAST_MS ? e->pause_ms * 2 : PAUSE_LAST_MS;
		export_set_state(e, EXPORT_WAITING);
	}
}

static void
timer_cb(void *arg, short what)
{
	(void)what;
	export_set_state(arg, EXPORT_ASKING);
}

static void
export_proceed_cb(struct exchange *x, void *ctx)
{
	(void)x;
	go_on(ctx);
}

static void
export_stop_cb(void *ctx)
{
	struct export *e = ctx;

	/* the answer that is under way ends it */
	export_set_state(e, e->state == EXPORT_ASKING ? EXPORT_LEFT : EXPORT_OVER);
}

static void
begin(struct export *e, const struct products_answer *answer)
{
	static const struct stream_calls calls = {.proceed = export_proceed_cb,
						  .stop = export_stop_cb};
	char fields[SERVER_TIMING_SIZE + 20] = "Vary: Accept\r\n";

	if (write_page(e, answer)) {
		product_reply_no_memory(e->x);
		export_set_state(e, EXPORT_OVER);
		return;
	}
	server_timing_put(fields + strlen(fields), answer->waited_us, answer->took_us);
	const struct reply head = {
	    .status = 200,
	    .content_type = content_types[e->format],
	    .fields = fields,
	};
	const bool goes_on = exchange_stream(e->x, &head, &calls, e);
	export_set_state(e, goes_on ? EXPORT_SENDING : EXPORT_OVER);
}

static void
export_page_done(const struct products_answer *answer, void *ctx)
{
	struct export *e = ctx;
	const bool is_page = answer->outcome == PRODUCTS_OK;

	if (e->state == EXPORT_LEFT) {
		export_set_state(e, EXPORT_OVER);
	} else if (e->state == EXPORT_FIRST && is_page) {
		begin(e, answer);
	} else if (e->state == EXPORT_FIRST) {
		product_reply_list_trouble(e->x, answer, &e->list);
		export_set_state(e, EXPORT_OVER);
	} else if (is_page) {
		const char *why = write_page(e, answer);

		if (why)
			cut(e, why);
		else
			go_on(e);
	} else {
		take_refusal(e, answer->outcome);
	}
}

/* What the client likes best; of equals the one that it names, else the first. */
static enum list_format
choose_format(const struct request *request)
{
	enum list_format best = FORMAT_UNSAID;
	struct quality best_quality = {0, false};

	for (enum list_format f = FORMAT_JSON; f <= FORMAT_NDJSON; f++) {
		const struct quality quality = negotiate_media(request, span_str(types[f]));

		if (quality.q > best_quality.q ||
		    (quality.q && quality.q == best_quality.q && quality.is_explicit &&
		     !best_quality.is_explicit)) {
			best = f;
			best_quality = quality;
		}
	}
	return best;
}

void
product_export_handle(struct exchange *x, void *ctx)
{
	const struct products *products = ctx;
	const struct request *request = exchange_request(x);
	struct mistakes mistakes;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	struct export *e = calloc(1, sizeof(*e));
	if (!e) {
		product_reply_no_memory(x);
		return;
	}
	e->x = x;
	e->products = products;
	watch_init_timer(&e->timer, products->loop, "export", timer_cb, e);
	if (!list_query_read(request->query, LIST_EXPORT, &e->list, &mistakes)) {
		product_reply_bad_query(x, &mistakes, "/export?format=csv");
		export_set_state(e, EXPORT_OVER);
		return;
	}
	e->format = e->list.format == FORMAT_UNSAID ? choose_format(request) : e->list.format;
	if (e->format == FORMAT_UNSAID) {
		refuse_types(
		    x, "application/json, text/csv, application/x-ndjson; or ?format=json, csv, "
		       "ndjson");
		export_set_state(e, EXPORT_OVER);
	} else if (!product_search_ready(x, products, &e->list)) {
		export_set_state(e, EXPORT_OVER);
	} else {
		e->list.limit = PAGE_ROWS_1ST;
		export_set_state(e, EXPORT_FIRST);
	}
}
