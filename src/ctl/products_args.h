/*
 * products_args.h - what the two halves of plazactl products are given.
 */
#ifndef PLAZA_CTL_PRODUCTS_ARGS_H
#define PLAZA_CTL_PRODUCTS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/rows.h"

struct products_args {
	const char *file; /* "-": standard input or output */
	const char *server;
	enum rows_format format;
	uint64_t patience_ms;
	bool has_terminal; /* the progress is to be seen */
};

#endif
