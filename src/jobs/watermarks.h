/*
 * watermarks.h - for each queue from which this process claims, below which numbers there is
 * nothing that lives: looking there would only find dead rows, which stay as long as some
 * transaction does. Pure; they only make claims cheap, and nothing depends on them being high.
 */
#ifndef PLAZA_JOBS_WATERMARKS_H
#define PLAZA_JOBS_WATERMARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* A transaction that was under way may still bring jobs below what was claimed. */
#define WATERMARK_AGE_MS 1000
/* So often it is looked below all the same. */
#define WATERMARK_FULL_MS 5000

struct watermarks;

struct watermarks *watermarks_new(void); /* NULL on out-of-memory */
void watermarks_free(struct watermarks **marks);
/* The database may be another one by now. */
void watermarks_forget(struct watermarks *marks);

/*
 * The parameters of job_claim, texts of arrays and a number: in_marks, in_from, in_old. Valid until
 * the next call. False: out of memory.
 */
bool watermarks_ask(struct watermarks *marks, struct span queue, char hand, bool is_full,
		    uint64_t now_ms, const char *values[3]);

/* A job of this number was claimed. */
void watermarks_claimed(struct watermarks *marks, struct span queue, char hand, unsigned priority,
			int64_t seq, uint64_t now_ms);
/* Leases: as the claim has answered. */
void watermarks_leases(struct watermarks *marks, struct span queue, int64_t from, struct span old);

#endif
