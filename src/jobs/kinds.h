/*
 * kinds.h - the kinds of jobs that plazad itself runs.
 */
#ifndef PLAZA_JOBS_KINDS_H
#define PLAZA_JOBS_KINDS_H

#include <stddef.h>

#include "base/span.h"
#include "jobs/kind.h"

/* So many, and each by its index; the order means nothing. */
size_t job_kinds(void);
const struct job_kind *job_kind_at(size_t index);

/* NULL: the user's own programs run it. */
const struct job_kind *job_kind_find(struct span name);

#endif
