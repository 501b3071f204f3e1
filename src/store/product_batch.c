/*
 * product_batch.c - results are {"status":201,"id":7,"version":12} or
 * {"status":422,"errors":[{"pointer":"/price","detail":"..."}]}.
 */
#include "store/product_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_string.h"
#include "store/refusal.h"

/* A thousand products with every error that is told, and pointers of any bytes, escaped. */
#define BATCH_MAX ((size_t)64 << 20)

/* Of one that was wrong to the program which has answered this first, and is right to this one. */
#define UNTOLD                                                                                  \
	"{\"status\":422,\"errors\":[{\"pointer\":\"\",\"detail\":\"was refused when this key " \
	"was new\"}]}"

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

/* One member of "errors", and what is before it. */
static bool
write_error(struct buffer *out, const char *before, const char *pointer, const char *detail)
{
	return append(out, span_str(before)) && append(out, SPAN_LIT("{\"pointer\":")) &&
	       json_string_append(out, span_str(pointer), BATCH_MAX) &&
	       append(out, SPAN_LIT(",\"detail\":")) &&
	       json_string_append(out, span_str(detail), BATCH_MAX) && append(out, SPAN_LIT("}"));
}

bool
product_batch_refuse(struct product_batch *batch, const struct mistakes *errors)
{
	struct buffer *out = &batch->text;
	bool ok = append(out, SPAN_LIT("{\"status\":422,\"errors\":["));

	for (size_t i = 0; ok && i < errors->n; i++)
		ok = write_error(out, i ? "," : "", errors->error[i].pointer,
				 errors->error[i].detail);
	ok = ok && append(out, SPAN_LIT("]}"));
	batch->end[batch->n++] = out->len;
	return ok && array_add_null(&batch->name_array) && array_add_null(&batch->price_array);
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

void
product_batch_end(struct product_batch *batch)
{
	batch->names = array_end(&batch->name_array);
	batch->prices = array_end(&batch->price_array);
}

/* One that the result lacks is empty. */
static struct span
cell(const PGresult *result, int row, int column)
{
	if (column >= PQnfields(result))
		return span_from("", 0);
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* What the row says of its product. */
static bool
write_row(struct buffer *out, const PGresult *result, int row)
{
	const struct refusal refusal = {
	    .sqlstate = cell(result, row, 3),
	    .rule = cell(result, row, 4),
	    .column = cell(result, row, 5),
	};
	char text[REFUSAL_SIZE], before[40];

	if (!PQgetisnull(result, row, 1))
		return append(out, SPAN_LIT("{\"status\":201,\"id\":")) &&
		       append(out, cell(result, row, 1)) &&
		       append(out, SPAN_LIT(",\"version\":")) &&
		       append(out, cell(result, row, 2)) && append(out, SPAN_LIT("}"));
	refusal_describe(&refusal, text);
	snprintf(before, sizeof(before), "{\"status\":%d,\"errors\":[", refusal_status(&refusal));
	return write_error(out, before, refusal_pointer(&refusal), text) &&
	       append(out, SPAN_LIT("]}"));
}

bool
product_batch_write(const struct product_batch *batch, const PGresult *result, struct buffer *out)
{
	const int n_rows = result ? PQntuples(result) : 0;
	bool ok = append(out, SPAN_LIT("{\"results\":["));
	int row = 0;

	for (unsigned i = 0; ok && i < batch->n; i++) {
		ok = i == 0 || append(out, SPAN_LIT(","));
		if (row < n_rows &&
		    strtoul(PQgetvalue(result, row, 0), NULL, 10) == (unsigned long)i + 1)
			ok = ok && write_row(out, result, row++);
		else if (known(batch, i).len)
			ok = ok && append(out, known(batch, i));
		else
			ok = ok && append(out, SPAN_LIT(UNTOLD));
	}
	return ok && append(out, SPAN_LIT("]}"));
}
