/*
 * product_write.c - products made, changed and deleted. What comes at the same time leaves
 * together: new ones as one statement, changes as one transaction in the order of their ids.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pg/array.h"
#include "store/feed.h"
#include "store/operation.h"
#include "store/product_kept.h"

#define INSERT_MAX 256
#define CHANGE_MAX 64
#define KEYED_MAX  32
/* the arrays of so many names and prices, in bytes */
#define INSERT_BYTES_MAX ((size_t)INSERT_MAX * (PRODUCT_NAME_MAX + 64))

#define PARAMS_MAX 7

/* The constraint that two writes with one key meet at (schema.c). */
#define KEY_CONSTRAINT "product_idempotency_pkey"

struct write {
	struct lane_request request; /* first: the lane hands it back */
	const struct products *products;
	products_fn *done;
	void *ctx;
	enum product_statement statement;
	bool is_keyed;
	bool was_again;  /* sent again, for what was in its way may be gone */
	bool is_unknown; /* sent again, though it may have been done before */
	/* takes its place when a row is refused: each row for itself; or it is the same */
	enum product_statement fallback;
	int n_params;
	const char *value[PARAMS_MAX]; /* in `data`, or the caller's */
	int length[PARAMS_MAX];
	int format[PARAMS_MAX];
	char *end; /* of what is in `data` */
	char data[];
};

/* --- inserts --- */

/* libpq copies them: the memory is there for the next ones */
static struct buffer insert_names, insert_prices;

/* One statement for all. */
static bool
insert_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	struct array names, prices;

	insert_names.len = insert_prices.len = 0;
	if (!array_begin(&names, &insert_names, ARRAY_TEXT, INSERT_BYTES_MAX) ||
	    !array_begin(&prices, &insert_prices, ARRAY_TEXT, INSERT_BYTES_MAX))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct write *w = (const struct write *)request[i];
		if (!array_add_text(&names, span_from(w->value[0], (size_t)w->length[0])) ||
		    !array_add_text(&prices, span_from(w->value[1], (size_t)w->length[1])))
			return false;
	}
	const struct span name_bytes = array_end(&names), price_bytes = array_end(&prices);
	const char *const values[] = {name_bytes.ptr, price_bytes.ptr};
	const int lengths[] = {(int)name_bytes.len, (int)price_bytes.len};
	static const int formats[] = {1, 1};
	return lane_query_send(lane, &(struct lane_query){
					 .name = "product_insert",
					 .n_params = 2,
					 .values = values,
					 .lengths = lengths,
					 .formats = formats,
				     });
}

/* Each row says whose it is; one that a trigger of the table let fall is missing. */
static void
insert_deal(const PGresult *result, struct lane_request *const *request, unsigned n,
	    struct lane_share *share)
{
	(void)request;
	for (int row = 0; row < PQntuples(result); row++) {
		const unsigned long place = strtoul(PQgetvalue(result, row, 0), NULL, 10);
		if (place >= 1 && place <= n) {
			share[place - 1].row = row;
			share[place - 1].n_rows = 1;
		}
	}
}

static const struct lane_kind insert_kind = {
    .name = "insert",
    .max = INSERT_MAX,
    .is_write = true,
    .send = insert_send,
    .deal = insert_deal,
};

/* --- all others --- */

static bool
send_each(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct write *w = (const struct write *)request[i];
		const struct lane_query query = {
		    .name = w->products->sql->statement[w->statement].name,
		    .n_params = w->n_params,
		    .values = w->value,
		    .lengths = w->length,
		    .formats = w->format,
		};
		if (!lane_query_send(lane, &query))
			return false;
	}
	return true;
}

/* By id: two workers that change the same products do not wait for each other. */
static const struct lane_kind change_kind = {
    .name = "change",
    .max = CHANGE_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = send_each,
};

static const struct lane_kind bulk_kind = {
    .name = "bulk",
    .max = 1,
    .is_write = true,
    .send = send_each,
};

/* By key, for the same reason. */
static const struct lane_kind keyed_kind = {
    .name = "keyed",
    .max = KEYED_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = send_each,
};

/* These take locks of keys and of products, which have no common order. */
static const struct lane_kind keyed_alone_kind = {
    .name = "keyed",
    .max = 1,
    .is_write = true,
    .send = send_each,
};

/* --- answers --- */

static struct span
cell(const PGresult *result, int row, int column)
{
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static bool
is_insert(const struct write *w)
{
	return w->statement != PRODUCT_UPDATE && w->statement != PRODUCT_DELETE &&
	       w->statement != PRODUCT_KEYED_UPDATE && w->statement != PRODUCT_KEYED_DELETE;
}

/* Of the statements that product_sql.h describes: what became of it. */
enum how {
	HOW_DONE,
	HOW_REPLAYED,
	HOW_KEY_USED,
	HOW_UNMATCHED,
	HOW_LEFT_OUT, /* it could have been done, and was not */
	HOW_ABSENT
};

static enum how
how_keyed(const struct lane_answer *answer)
{
	const bool same = PQgetvalue(answer->result, answer->row, 1)[0] == 't';

	switch (PQgetvalue(answer->result, answer->row, 0)[0]) {
	case 'd': return HOW_DONE;
	case 'r': return same ? HOW_REPLAYED : HOW_KEY_USED;
	default: return same ? HOW_LEFT_OUT : HOW_UNMATCHED;
	}
}

/* Of one that is LANE_OK. */
static enum how
how_it_went(const struct write *w, const struct lane_answer *answer)
{
	if (answer->n_rows == 0)
		return is_insert(w) ? HOW_LEFT_OUT : HOW_ABSENT;
	if (w->is_keyed)
		return how_keyed(answer);
	if (is_insert(w))
		return HOW_DONE;
	if (PQgetisnull(answer->result, answer->row, 0))
		return HOW_LEFT_OUT;
	return PQgetvalue(answer->result, answer->row, 0)[0] == 't' ? HOW_DONE : HOW_UNMATCHED;
}

/* What was kept takes the place of the statement's own row. */
static void
read_kept(struct products_answer *a, PGresult **kept)
{
	switch (product_kept_read(cell(a->result, a->row, 2), cell(a->result, a->row, 3), kept)) {
	case PRODUCT_KEPT_OK:
		a->result = *kept;
		a->row = 0;
		a->n = (size_t)PQntuples(*kept);
		break;
	case PRODUCT_KEPT_BAD:
		log_error("store: product_idempotency has an answer that cannot be read");
		a->outcome = PRODUCTS_FAILED;
		break;
	case PRODUCT_KEPT_NO_MEMORY:
		log_error("store: out of memory for an answer that was kept");
		/* as good as unsaid: with its key it can be asked for again */
		a->outcome = PRODUCTS_UNKNOWN;
		break;
	}
}

static void
judge_write(const struct write *w, const struct lane_answer *answer, struct products_answer *a,
	    PGresult **kept)
{
	static const enum products_outcome outcomes[] = {
	    [HOW_DONE] = PRODUCTS_OK,           [HOW_REPLAYED] = PRODUCTS_OK,
	    [HOW_KEY_USED] = PRODUCTS_KEY_USED, [HOW_UNMATCHED] = PRODUCTS_UNMATCHED,
	    [HOW_LEFT_OUT] = PRODUCTS_LEFT_OUT, [HOW_ABSENT] = PRODUCTS_ABSENT,
	};
	const enum how how = how_it_went(w, answer);

	a->outcome = outcomes[how];
	a->is_replayed = how == HOW_REPLAYED;
	if (how == HOW_LEFT_OUT)
		operation_log_refusal(answer);
	/* of a delete there is nothing to be told */
	if (w->is_keyed && a->outcome == PRODUCTS_OK && w->statement != PRODUCT_KEYED_DELETE)
		read_kept(a, kept);
}

static bool
has_class(const char *sqlstate, const char *sqlstate_class)
{
	return strncmp(sqlstate, sqlstate_class, strlen(sqlstate_class)) == 0;
}

static void write_submit(struct write *w);

/* Another one with its key, maybe its own first attempt, was quicker: there is an answer now. */
static bool
is_key_taken(const struct write *w, const struct lane_answer *answer)
{
	return w->is_keyed &&
	       (answer->outcome == LANE_REFUSED || answer->outcome == LANE_UNKNOWN) &&
	       has_class(answer->sqlstate, "23505") &&
	       strcmp(answer->constraint, KEY_CONSTRAINT) == 0;
}

/* One row is bad; which one, each for itself will tell. */
static bool
is_fallback_due(const struct write *w, const struct lane_answer *answer)
{
	const char *s = answer->sqlstate;

	return answer->outcome == LANE_REFUSED && w->fallback != w->statement &&
	       (has_class(s, "22") || has_class(s, "23") || has_class(s, "P0001"));
}

/* Whether it was sent once more. */
static bool
tried_again(struct write *w, const struct lane_answer *answer)
{
	/* a product that was there, as it is to be, may have been deleted in this moment */
	const bool was_missed =
	    answer->outcome == LANE_OK && !is_insert(w) && how_it_went(w, answer) == HOW_LEFT_OUT;

	if (!w->was_again && (was_missed || is_key_taken(w, answer))) {
		w->was_again = true;
		w->is_unknown = answer->outcome == LANE_UNKNOWN;
	} else if (is_fallback_due(w, answer)) {
		operation_log_refusal(answer);
		w->statement = w->fallback;
	} else {
		return false;
	}
	write_submit(w);
	return true;
}

static void
write_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct write *w = (struct write *)request;
	PGresult *kept = NULL;

	if (answer->outcome == LANE_OK || answer->outcome == LANE_UNKNOWN)
		feed_wake(w->products->feed);
	if (tried_again(w, answer))
		return;
	struct products_answer a = operation_answer(request, answer);
	if (w->is_unknown && answer->outcome != LANE_OK)
		a.outcome = PRODUCTS_UNKNOWN;
	else if (w->is_keyed && answer->outcome == LANE_REFUSED &&
		 has_class(answer->sqlstate, "55P03"))
		a.outcome = PRODUCTS_KEY_BUSY;
	else if (answer->outcome == LANE_OK)
		judge_write(w, answer, &a, &kept);
	w->done(&a, w->ctx);
	PQclear(kept);
	free(w);
}

/* --- requests --- */

/* `size`: of all that is kept in it. NULL: `done` has been called. */
static struct write *
write_new(const struct products *products, enum product_statement statement, size_t size,
	  const struct idempotency *key, products_fn *done, void *ctx)
{
	if (key && key->len)
		size += key->len + 1 + sizeof(key->fingerprint) + 1;
	struct write *w = malloc(sizeof(*w) + size);
	if (!w) {
		operation_no_memory(done, ctx);
		return NULL;
	}
	memset(w, 0, sizeof(*w));
	w->products = products;
	w->done = done;
	w->ctx = ctx;
	w->statement = w->fallback = statement;
	w->end = w->data;
	return w;
}

static void
add_param(struct write *w, const char *value, size_t len, int format)
{
	w->value[w->n_params] = value;
	w->length[w->n_params] = (int)len;
	w->format[w->n_params++] = format;
}

/* A copy of it, of len + 1 bytes. ptr NULL is NULL. */
static void
keep_param(struct write *w, struct span s, int format)
{
	add_param(w, s.ptr ? w->end : NULL, s.len, format);
	if (!s.ptr)
		return;
	memcpy(w->end, s.ptr, s.len);
	w->end += s.len;
	*w->end++ = '\0';
}

static struct span
text_or_null(const char *text)
{
	return text ? span_str(text) : span_from(NULL, 0);
}

/* Any order will do in which equal keys are equal: FNV-1a. */
static int64_t
order_of_key(const struct idempotency *key)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < key->len; i++)
		hash = (hash ^ (unsigned char)key->key[i]) * 0x100000001b3;
	return (int64_t)(hash >> 1);
}

/* The parameters of all keyed statements end in these. */
static void
keep_key(struct write *w, const struct idempotency *key)
{
	if (!key || !key->len)
		return;
	w->is_keyed = w->request.is_decided = true;
	keep_param(w, span_from(key->key, key->len), 0);
	keep_param(w, span_from((const char *)key->fingerprint, sizeof(key->fingerprint)), 1);
	w->request.order = order_of_key(key);
}

static const struct lane_kind *
kind_of(enum product_statement statement)
{
	switch (statement) {
	case PRODUCT_INSERT: return &insert_kind;
	case PRODUCT_UPDATE:
	case PRODUCT_DELETE: return &change_kind;
	case PRODUCT_BULK:
	case PRODUCT_BULK_EACH: return &bulk_kind;
	case PRODUCT_KEYED_INSERT: return &keyed_kind;
	default: return &keyed_alone_kind;
	}
}

static void
write_submit(struct write *w)
{
	w->request = (struct lane_request){
	    .kind = kind_of(w->statement),
	    .order = w->request.order,
	    .is_decided = w->is_keyed,
	    .done = write_done,
	};
	lane_submit(w->products->write, &w->request);
}

void
products_insert(const struct products *products, const struct product_input *input,
		const struct idempotency *key, products_fn *done, void *ctx)
{
	const struct span price = span_str(input->price);
	struct write *w =
	    write_new(products, key && key->len ? PRODUCT_KEYED_INSERT : PRODUCT_INSERT,
		      input->name.len + price.len + 2, key, done, ctx);

	if (!w)
		return;
	keep_param(w, input->name, 0);
	keep_param(w, price, 0);
	keep_key(w, key);
	write_submit(w);
}

void
products_insert_all(const struct products *products, const struct product_batch *batch,
		    bool is_atomic, const struct idempotency *key, products_fn *done, void *ctx)
{
	const bool is_keyed = key && key->len;
	struct write *w =
	    write_new(products, is_keyed ? PRODUCT_KEYED_BULK : PRODUCT_BULK, 0, key, done, ctx);

	if (!w)
		return;
	if (!is_atomic)
		w->fallback = is_keyed ? PRODUCT_KEYED_BULK_EACH : PRODUCT_BULK_EACH;
	add_param(w, batch->names.ptr, batch->names.len, 1);
	add_param(w, batch->prices.ptr, batch->prices.len, 1);
	keep_key(w, key);
	write_submit(w);
}

/* Both changes begin with the id and have the versions behind what they set. */
static void
keep_match(struct write *w, const struct product_match *match)
{
	keep_param(w, text_or_null(match->one_of), 0);
	keep_param(w, text_or_null(match->none_of), 0);
}

static void
keep_id(struct write *w, int64_t id)
{
	char digits[24];
	size_t at = sizeof(digits);

	for (uint64_t rest = (uint64_t)id; rest || at == sizeof(digits); rest /= 10)
		digits[--at] = (char)('0' + rest % 10);
	keep_param(w, span_from(digits + at, sizeof(digits) - at), 0);
	w->request.order = id;
}

#define CHANGE_SIZE (24 + 2 * (PRODUCT_MATCH_TEXT_SIZE + 1))

void
products_update(const struct products *products, int64_t id, const struct product_input *input,
		const struct product_match *match, const struct idempotency *key, products_fn *done,
		void *ctx)
{
	const struct span price = text_or_null(input->price[0] ? input->price : NULL);
	struct write *w =
	    write_new(products, key && key->len ? PRODUCT_KEYED_UPDATE : PRODUCT_UPDATE,
		      CHANGE_SIZE + input->name.len + price.len + 2, key, done, ctx);

	if (!w)
		return;
	keep_id(w, id);
	keep_param(w, input->name, 0);
	keep_param(w, price, 0);
	keep_match(w, match);
	keep_key(w, key);
	write_submit(w);
}

void
products_delete(const struct products *products, int64_t id, const struct product_match *match,
		const struct idempotency *key, products_fn *done, void *ctx)
{
	struct write *w =
	    write_new(products, key && key->len ? PRODUCT_KEYED_DELETE : PRODUCT_DELETE,
		      CHANGE_SIZE, key, done, ctx);

	if (!w)
		return;
	keep_id(w, id);
	keep_match(w, match);
	keep_key(w, key);
	write_submit(w);
}
