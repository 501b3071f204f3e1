/*
 * product_export_http.c - rows by rising ids, a page of them at a time. The next page is asked for
 * when the client has taken the last one, so that neither the size of the table nor a slow reader
 * costs memory. It is no snapshot: a row is as it was when its page was read.
 */
#include "store/product_export_http.h"

#include <stdlib.h>

#include "http/negotiate.h"
#include "store/product_list_http.h"
#include "store/product_reply.h"
#include "store/product_row.h"
#include "store/server_timing.h"

/* What a page aims at. Rows may be of any size: the first page is short, and each tells the next.
 */
#define PAGE_BYTES     ((size_t)256 << 10)
#define PAGE_ROWS      1000
#define PAGE_ROWS_1ST  16
#define PAGE_ROWS_GROW 8

enum export_state {
	EXPORT_FIRST,   /* the first page is asked for: any answer may still be given */
	EXPORT_SENDING, /* the rest of `out` goes whenever the client can take more */
	EXPORT_ASKING,  /* the client can take more, and the next page is asked for */
	EXPORT_STOPPED  /* the client has left while a page was asked for */
};

struct export
{
	struct exchange *x; /* NULL when it is gone */
	const struct products *products;
	enum export_state state;
	enum list_format format;
	bool is_last;  /* there is nothing behind `out` */
	bool has_rows; /* before the page in hand */
	int n_columns; /* of the first page */
	size_t at;     /* what of `out` has been sent */
	struct buffer out;
	struct list_query list; /* of the page in hand, or the next one */
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

static void
export_free(struct export *e)
{
	buffer_fini(&e->out);
	free(e);
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

/*
 * The page into `out`, with what begins and ends the whole. False: out of memory, or the table has
 * other columns by now, which the head of a CSV does not have.
 */
static bool
write_page(struct export *e, const struct products_answer *answer)
{
	const int end = answer->row + (int)answer->n;
	struct product_columns columns;
	bool ok = true;

	product_columns_find(&columns, answer->result, 0);
	e->out.len = e->at = 0;
	e->is_last = !answer->more;
	if (e->state == EXPORT_FIRST) {
		e->n_columns = columns.n;
		if (e->format == FORMAT_CSV)
			ok = product_row_csv_head(&e->out, &columns, PRODUCT_REPLY_MAX);
		else if (e->format == FORMAT_JSON)
			ok = put(e, "[");
	} else if (e->format == FORMAT_CSV && columns.n != e->n_columns) {
		return false;
	}
	for (int row = answer->row; ok && row < end; row++) {
		ok = write_row(e, &columns, row);
		e->has_rows = true;
	}
	if (ok && answer->n) {
		e->list.limit = rows_next(e, answer->n);
		e->list.has_after = true;
		e->list.after.sort = SORT_ID;
		e->list.after.kind = CURSOR_ID;
		e->list.after.id = strtoll(product_row_id(&columns, end - 1).ptr, NULL, 10);
	}
	if (ok && e->is_last && e->format == FORMAT_JSON)
		ok = put(e, "\n]\n");
	return ok;
}

/* --- under way --- */

static void export_page_done(const struct products_answer *answer, void *ctx);

static void
ask(struct export *e, enum export_state state)
{
	e->state = state;
	products_list(e->products, &e->list, export_page_done, e);
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
		e->state = EXPORT_SENDING;
	} else if (e->is_last) {
		exchange_end(e->x);
		export_free(e);
	} else {
		ask(e, EXPORT_ASKING);
	}
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

	/* nobody else waits for it; the answer that is under way frees it */
	if (e->state == EXPORT_ASKING) {
		e->state = EXPORT_STOPPED;
		e->x = NULL;
	} else {
		export_free(e);
	}
}

static void
begin(struct export *e, const struct products_answer *answer)
{
	static const struct stream_calls calls = {.proceed = export_proceed_cb,
						  .stop = export_stop_cb};
	char fields[SERVER_TIMING_SIZE + 20] = "Vary: Accept\r\n";

	if (!write_page(e, answer)) {
		product_reply_no_memory(e->x);
		export_free(e);
		return;
	}
	server_timing_put(fields + strlen(fields), answer->waited_us, answer->took_us);
	const struct reply head = {
	    .status = 200,
	    .content_type = content_types[e->format],
	    .fields = fields,
	};
	e->state = EXPORT_SENDING;
	if (!exchange_stream(e->x, &head, &calls, e))
		export_free(e);
}

static void
export_page_done(const struct products_answer *answer, void *ctx)
{
	struct export *e = ctx;

	switch (e->state) {
	case EXPORT_FIRST:
		if (answer->outcome == PRODUCTS_OK) {
			begin(e, answer);
		} else {
			product_reply_list_trouble(e->x, answer);
			export_free(e);
		}
		break;
	case EXPORT_ASKING:
		if (answer->outcome == PRODUCTS_OK && write_page(e, answer)) {
			go_on(e);
		} else {
			/* what was sent looks whole to nobody */
			exchange_abort(e->x);
			export_free(e);
		}
		break;
	case EXPORT_STOPPED: export_free(e); break;
	case EXPORT_SENDING: break;
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
	struct list_errors errors;

	if (!products) {
		product_reply_no_store(x);
		return;
	}
	struct export *e = malloc(sizeof(*e));
	if (!e) {
		product_reply_no_memory(x);
		return;
	}
	e->x = x;
	e->products = products;
	e->is_last = e->has_rows = false;
	e->out = (struct buffer){0};
	if (!list_query_read(request->query, LIST_EXPORT, &e->list, &errors)) {
		product_reply_bad_list(x, &errors, "/export?format=csv");
		export_free(e);
		return;
	}
	e->format = e->list.format == FORMAT_UNSAID ? choose_format(request) : e->list.format;
	if (e->format == FORMAT_UNSAID) {
		product_reply_not_acceptable(
		    x, "application/json, text/csv, application/x-ndjson; or ?format=json, csv, "
		       "ndjson");
		export_free(e);
	} else if (!product_search_ready(x, products, &e->list)) {
		export_free(e);
	} else {
		e->list.limit = PAGE_ROWS_1ST;
		ask(e, EXPORT_FIRST);
	}
}
