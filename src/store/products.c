/*
 * products.c - the table of products, and the rows of an answer.
 */
#include "store/products.h"

static struct span
cell(const PGresult *result, int row, int column)
{
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

struct product
products_row(const struct products_answer *answer, size_t i)
{
	int row = (int)i;

	return (struct product){
	    .id = cell(answer->result, row, 0),
	    .name = cell(answer->result, row, 1),
	    .price = cell(answer->result, row, 2),
	};
}
