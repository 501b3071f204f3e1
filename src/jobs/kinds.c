/*
 * kinds.c - the table: one row for each kind.
 */
#include "jobs/kinds.h"

#include "jobs/kind_fetch.h"
#include "jobs/kind_sleep.h"

static const struct job_kind *const kinds[] = {
    &job_kind_fetch,
    &job_kind_sleep,
};

size_t
job_kinds(void)
{
	return sizeof(kinds) / sizeof(kinds[0]);
}

const struct job_kind *
job_kind_at(size_t index)
{
	return kinds[index];
}

const struct job_kind *
job_kind_find(struct span name)
{
	for (size_t i = 0; i < job_kinds(); i++) {
		if (span_eq(span_str(kinds[i]->name), name))
			return kinds[i];
	}
	return NULL;
}
