/*
 * linear.h - whether what many clients saw of a few products could have happened one after the
 * other, each act at one moment between its begin and its end (Herlihy and Wing's
 * linearizability), given the truth: every version that was ever committed.
 *
 * Since each write has a value of its own and each version one write, no search is needed: the
 * versions of a product are the order, and only real time can contradict it.
 */
#ifndef PLAZA_TESTS_IT_LINEAR_H
#define PLAZA_TESTS_IT_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum act_kind {
	ACT_READ,
	ACT_WRITE, /* without a condition */
	ACT_CAS    /* if the version is `expected` */
};

enum act_result {
	ACT_OK,       /* read or wrote `version` */
	ACT_MISMATCH, /* ACT_CAS: another version was there; nothing is changed */
	ACT_REFUSED,  /* for another reason; nothing is changed */
	ACT_UNKNOWN   /* it may have happened, once, at any time after its begin */
};

struct act {
	unsigned product;
	enum act_kind kind;
	enum act_result result;
	uint64_t begin, end; /* of one clock that never stands still */
	int64_t expected;    /* ACT_CAS */
	int64_t version;     /* ACT_OK */
	uint64_t value;      /* written, or read; a write's is like no other's */
};

/* One committed version of a product. Value 0 is what was there at first. */
struct truth {
	unsigned product;
	int64_t version;
	uint64_t value;
};

/*
 * NULL, or what could not have happened, in memory good until the next call. Both are put in
 * another order.
 */
const char *linear_check(struct act *acts, size_t n_acts, struct truth *truths, size_t n_truths);

#endif
