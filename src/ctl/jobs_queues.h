/*
 * jobs_queues.h - the verbs of plazactl jobs that are about queues. *exit is an enum ctl_exit.
 */
#ifndef PLAZA_CTL_JOBS_QUEUES_H
#define PLAZA_CTL_JOBS_QUEUES_H

#include <stdbool.h>

#include "ctl/api.h"
#include "ctl/jobs_args.h"

void jobs_queues(struct api *api, const struct jobs_args *args, int *exit);
void jobs_wait(struct api *api, const struct jobs_args *args, int *exit);
void jobs_pause(struct api *api, const struct jobs_args *args, int *exit);
void jobs_resume(struct api *api, const struct jobs_args *args, int *exit);
void jobs_limit(struct api *api, const struct jobs_args *args, int *exit);

/* Whether it is one of "concurrency=N" and "depth=N", which jobs_limit takes behind the queue. */
bool jobs_limit_check(const char *text);

#endif
