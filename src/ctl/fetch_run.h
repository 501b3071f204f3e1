/*
 * fetch_run.h - URLs to jobs, and jobs to results.
 */
#ifndef PLAZA_CTL_FETCH_RUN_H
#define PLAZA_CTL_FETCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/fetch_list.h"
#include "ctl/fetch_show.h"

struct fetch_args {
	const char *server;
	uint64_t patience_ms;
	bool has_terminal; /* the progress is to be seen */
	bool is_brief;     /* nobody waits for the end */
	struct fetch_form form;
	const char *more; /* of the args of each job: "" or ",..." */
};

/* Returns an enum ctl_exit. */
int fetch_run(const struct fetch_args *args, struct fetch_list *list);

#endif
