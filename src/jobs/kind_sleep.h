/*
 * kind_sleep.h - the kind "sleep": {"ms": 20}.
 */
#ifndef PLAZA_JOBS_KIND_SLEEP_H
#define PLAZA_JOBS_KIND_SLEEP_H

#include "jobs/kind.h"

extern const struct job_kind job_kind_sleep;

#endif
