/*
 * kind_fetch.h - the kind "fetch": {"urls": [...], ...}, see fetch_args.h.
 */
#ifndef PLAZA_JOBS_KIND_FETCH_H
#define PLAZA_JOBS_KIND_FETCH_H

#include "jobs/kind.h"

extern const struct job_kind job_kind_fetch;

#endif
