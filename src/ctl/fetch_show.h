/*
 * fetch_show.h - what came of URLs, for programs and people: a line each, or JSON.
 */
#ifndef PLAZA_CTL_FETCH_SHOW_H
#define PLAZA_CTL_FETCH_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/fetch_list.h"

struct fetch_form {
	bool is_json;
	/* of the values that were asked for, in the order of the line */
	const char *const *name;
	size_t n_names;
};

/*
 * All that are not open any more, in the order given, up to the first that is. True: each of those
 * has a status.
 */
bool fetch_show(FILE *out, struct fetch_list *list, const struct fetch_form *form);

#endif
