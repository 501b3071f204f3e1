/*
 * jobs_list.h - lists of jobs, a line each; and what is done to all that are on one.
 */
#ifndef PLAZA_CTL_JOBS_LIST_H
#define PLAZA_CTL_JOBS_LIST_H

#include "ctl/api.h"
#include "ctl/jobs_args.h"

/* The verbs. *exit is an enum ctl_exit. */
void jobs_list(struct api *api, const struct jobs_args *args, int *exit);
void jobs_cancel(struct api *api, const struct jobs_args *args, int *exit);
void jobs_retry(struct api *api, const struct jobs_args *args, int *exit);

#endif
