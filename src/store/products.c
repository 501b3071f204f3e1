/*
 * products.c - the table of products, and the rows of an answer.
 */
#include "store/products.h"

#define CREATE_TABLE                                                        \
	"create table products(id serial primary key, name text not null, " \
	"price decimal(10,2) not null)"

const struct pg_step products_steps[] = {
    {
	.name = "table products",
	.present = "to_regclass('products') is not null",
	.sql = CREATE_TABLE,
	.remedy = CREATE_TABLE "; grant select, insert on products to %s; "
			       "grant usage on sequence products_id_seq to %s",
    },
};
const size_t products_n_steps = sizeof(products_steps) / sizeof(products_steps[0]);

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
