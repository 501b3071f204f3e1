/*
 * product_batch.c - results are {"status":201,"id":7,"version":12} or
 * {"status":422,"errors":[{"pointer":"/price","detail":"..."}]}; product_sql.c writes the first
 * kind, too.
 */
#include "store/product_batch.h"

#include <stdlib.h>
#include <string.h>

#include "http/json_string.h"
#include "store/product_results.h"

/* A thousand products with every error that is told, and pointers of any bytes, escaped. */
#define BATCH_MAX ((size_t)64 << 20)

struct product_batch *
product_batch_new(void)
{
	struct product_batch *batch = calloc(1, sizeof(*batch));

	if (batch &&
	    (!array_begin(&batch->name_array, &batch->name_bytes, ARRAY_TEXT, BATCH_MAX) ||
	     !array_begin(&batch->price_array, &batch->price_bytes, ARRAY_TEXT, BATCH_MAX)))
		product_batch_free(&batch);
	return batch;
}

void
product_batch_free(struct product_batch **batch)
{
	struct product_batch *b = *batch;

	if (!b)
		return;
	buffer_fini(&b->name_bytes);
	buffer_fini(&b->price_bytes);
	buffer_fini(&b->known_bytes);
	buffer_fini(&b->text);
	free(b);
	*batch = NULL;
}

bool
product_batch_add(struct product_batch *batch, const struct product_input *input)
{
	batch->end[batch->n++] = batch->text.len;
	batch->n_rows++;
	return array_add_text(&batch->name_array, input->name) &&
	       array_add_text(&batch->price_array, span_str(input->price));
}

static bool
append(struct buffer *out, struct span s)
{
	return buffer_append(out, s.ptr, s.len, BATCH_MAX);
}

bool
product_batch_refuse(struct product_batch *batch, const struct product_errors *errors)
{
	struct buffer *out = &batch->text;
	bool ok = append(out, SPAN_LIT("{\"status\":422,\"errors\":["));

	for (size_t i = 0; ok && i < errors->n; i++)
		ok = append(out, i ? SPAN_LIT(",{\"pointer\":") : SPAN_LIT("{\"pointer\":")) &&
		     json_string_append(out, span_str(errors->error[i].pointer), BATCH_MAX) &&
		     append(out, SPAN_LIT(",\"detail\":")) &&
		     json_string_append(out, span_str(errors->error[i].detail), BATCH_MAX) &&
		     append(out, SPAN_LIT("}"));
	ok = ok && append(out, SPAN_LIT("]}"));
	batch->end[batch->n++] = out->len;
	return ok;
}

/* The result of the i-th that is known; empty: none is. */
static struct span
known(const struct product_batch *batch, unsigned i)
{
	const size_t begin = i ? batch->end[i - 1] : 0;

	if (batch->end[i] == begin)
		return span_from(NULL, 0);
	return span_from(batch->text.data + begin, batch->end[i] - begin);
}

bool
product_batch_end(struct product_batch *batch, bool with_known)
{
	struct array array;

	batch->names = array_end(&batch->name_array);
	batch->prices = array_end(&batch->price_array);
	if (!with_known)
		return true;
	if (!array_begin(&array, &batch->known_bytes, ARRAY_TEXT, BATCH_MAX))
		return false;
	for (unsigned i = 0; i < batch->n; i++) {
		const struct span text = known(batch, i);
		if (!(text.len ? array_add_text(&array, text) : array_add_null(&array)))
			return false;
	}
	batch->known = array_end(&array);
	return true;
}

static struct span
cell(const PGresult *result, int row, int column)
{
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* What the row says of the product that has this place among the right ones. */
static bool
write_row(struct buffer *out, const PGresult *result, int row)
{
	if (row >= 0 && !PQgetisnull(result, row, 1))
		return append(out, SPAN_LIT("{\"status\":201,\"id\":")) &&
		       append(out, cell(result, row, 1)) &&
		       append(out, SPAN_LIT(",\"version\":")) &&
		       append(out, cell(result, row, 2)) && append(out, SPAN_LIT("}"));
	if (row >= 0 && PQnfields(result) > 3 && span_eq(cell(result, row, 3), SPAN_LIT("23505")))
		return append(out, SPAN_LIT(PRODUCT_TWICE_TEXT));
	return append(out, SPAN_LIT(PRODUCT_REFUSED_TEXT));
}

bool
product_batch_write(const struct product_batch *batch, const PGresult *result, struct buffer *out)
{
	const int n_rows = result ? PQntuples(result) : 0;
	bool ok = append(out, SPAN_LIT("{\"results\":["));
	unsigned place = 0;
	int row = 0;

	for (unsigned i = 0; ok && i < batch->n; i++) {
		const struct span text = known(batch, i);

		ok = i == 0 || append(out, SPAN_LIT(","));
		if (text.len) {
			ok = ok && append(out, text);
			continue;
		}
		/* a trigger of the table may have let one fall: then its place is missing */
		place++;
		const bool is_there = row < n_rows && strtoul(PQgetvalue(result, row, 0), NULL,
							      10) == (unsigned long)place;
		ok = ok && write_row(out, result, is_there ? row : -1);
		row += is_there;
	}
	return ok && append(out, SPAN_LIT("]}"));
}
