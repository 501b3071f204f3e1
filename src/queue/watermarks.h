/*
 * watermarks.h - for each queue from which this process claims, below which numbers there is
 * nothing that lives: looking there would only find dead rows, which stay as long as some
 * transaction does. Pure; they only make claims cheap, and nothing depends on them being high.
 */
#ifndef PLAZA_QUEUE_WATERMARKS_H
#define PLAZA_QUEUE_WATERMARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/*
 * A transaction that was under way may still bring jobs below what was claimed: for so long nothing
 * is passed over. Where jobs rush by, this is what a claim finds of dead rows.
 */
#define WATERMARK_AGE_MS 64
/* So often it is looked below all the same: the less often the longer it takes. */
#define WATERMARK_FULL_MIN_MS 250
#define WATERMARK_FULL_MAX_MS 5000
/* time between such looks, in times that one takes */
#define WATERMARK_FULL_TIMES 100

/* Less than a second, after which each caller comes again: so one of them tries. */
#define WATERMARK_LOCKED_MS 900

struct watermarks;

struct watermarks *watermarks_new(void); /* NULL on out-of-memory */
void watermarks_free(struct watermarks **marks);
/* The database may be another one by now. */
void watermarks_forget(struct watermarks *marks);

/*
 * The parameters of job_claim, texts of arrays and a number: in_marks, in_from, in_old. Valid until
 * the next call. *is_full: look at all; set when it is time to. False: out of memory.
 */
bool watermarks_ask(struct watermarks *marks, struct span queue, char hand, bool *is_full,
		    uint64_t now_ms, const char *values[3]);
/* A look at all took so long. */
void watermarks_looked(struct watermarks *marks, struct span queue, char hand, uint64_t took_us);

/* A job of this number was claimed. */
void watermarks_claimed(struct watermarks *marks, struct span queue, char hand, unsigned priority,
			int64_t seq, uint64_t now_ms);
/*
 * A claim was answered, after it had waited in vain for the queue's row or not. While it is locked,
 * one claim in WATERMARK_LOCKED_MS tries it again.
 */
void watermarks_lock(struct watermarks *marks, struct span queue, bool is_locked, uint64_t now_ms);
bool watermarks_is_locked(struct watermarks *marks, struct span queue);
/* False: it is not locked, or the caller is the one that tries. */
bool watermarks_rest(struct watermarks *marks, struct span queue, uint64_t now_ms);

/* Leases: as the claim has answered. */
void watermarks_leases(struct watermarks *marks, struct span queue, int64_t from, struct span old);

#endif
