/*
 * jobs_list.h - lists of jobs and queues, a line each; and what is done to all that are on one.
 */
#ifndef PLAZA_CTL_JOBS_LIST_H
#define PLAZA_CTL_JOBS_LIST_H

#include <jansson.h>

#include "ctl/api.h"
#include "ctl/jobs_args.h"

/* The verbs. *exit is an enum ctl_exit. */
void jobs_list(struct api *api, const struct jobs_args *args, int *exit);
void jobs_queues(struct api *api, const struct jobs_args *args, int *exit);
void jobs_cancel(struct api *api, const struct jobs_args *args, int *exit);
void jobs_retry(struct api *api, const struct jobs_args *args, int *exit);

/* The line of a queue, and the one above it on a terminal. */
void jobs_queue_head(void);
void jobs_queue_line(const json_t *queue);

#endif
