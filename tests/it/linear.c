/*
 * linear.c - see linear.h.
 */
#include "linear.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char wrong[300];

static const char *fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *
fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(wrong, sizeof(wrong), format, ap);
	va_end(ap);
	return wrong;
}

static int
compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int
by_product_and_version(const void *a, const void *b)
{
	const struct truth *x = a, *y = b;

	return x->product != y->product ? compare(x->product, y->product)
					: (x->version > y->version) - (x->version < y->version);
}

static int
by_begin(const void *a, const void *b)
{
	return compare(((const struct act *)a)->begin, ((const struct act *)b)->begin);
}

static const struct truth *
find_truth(const struct truth *truths, size_t n, unsigned product, int64_t version)
{
	const struct truth key = {.product = product, .version = version};

	return bsearch(&key, truths, n, sizeof(key), by_product_and_version);
}

/* Who wrote a value; NULL for what was there at first, and for a value that nobody has written. */
static const struct act *
find_writer(const struct act *acts, size_t n, uint64_t value)
{
	for (size_t i = 0; value && i < n; i++) {
		if (acts[i].kind != ACT_READ && acts[i].value == value)
			return &acts[i];
	}
	return NULL;
}

/* Each committed version is one write's, which was not told that it had failed. */
static const char *
check_truths(const struct act *acts, size_t n_acts, const struct truth *truths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct truth *t = &truths[i];
		const struct act *writer = find_writer(acts, n_acts, t->value);

		if (i && by_product_and_version(&truths[i - 1], t) == 0)
			return fail("version %" PRId64 " of product %u is there twice", t->version,
				    t->product);
		for (size_t k = 0; t->value && k < i; k++) {
			if (truths[k].value == t->value)
				return fail("value %" PRIu64 " was written twice", t->value);
		}
		if (!writer && t->value)
			return fail("value %" PRIu64 " is nobody's", t->value);
		if (writer && writer->product != t->product)
			return fail("value %" PRIu64 " went to another product", t->value);
		if (writer && (writer->result == ACT_MISMATCH || writer->result == ACT_REFUSED))
			return fail("value %" PRIu64 " was refused, and is there", t->value);
		if (writer && writer->result == ACT_OK && writer->version != t->version)
			return fail("value %" PRIu64 " was told version %" PRId64
				    ", and has %" PRId64,
				    t->value, writer->version, t->version);
		if (writer && writer->kind == ACT_CAS &&
		    (i == 0 || t[-1].product != t->product || t[-1].version != writer->expected))
			return fail("value %" PRIu64 " went over another version than %" PRId64,
				    t->value, writer->expected);
	}
	return NULL;
}

/* Whether `expected` was the version all the time between the act's begin and its end. */
static bool
was_current(const struct act *act, const struct act *acts, size_t n_acts,
	    const struct truth *truths, size_t n)
{
	const struct truth *t = find_truth(truths, n, act->product, act->expected);

	if (!t)
		return false;
	const struct act *writer = find_writer(acts, n_acts, t->value);
	const struct truth *next = t + 1 < truths + n && t[1].product == t->product ? t + 1 : NULL;
	const struct act *follower = next ? find_writer(acts, n_acts, next->value) : NULL;

	if (writer && (writer->result != ACT_OK || writer->end > act->begin))
		return false;
	return !follower || follower->begin > act->end;
}

static const char *
check_act(const struct act *act, const struct act *acts, size_t n_acts, const struct truth *truths,
	  size_t n)
{
	if (act->result == ACT_OK) {
		const struct truth *t = find_truth(truths, n, act->product, act->version);

		if (!t || t->value != act->value)
			return fail("version %" PRId64 " of product %u with value %" PRIu64
				    " was answered, and never committed",
				    act->version, act->product, act->value);
		const struct act *writer = find_writer(acts, n_acts, t->value);
		if (writer && writer->begin > act->end)
			return fail("value %" PRIu64 " was read before it was written", act->value);
	}
	if (act->result == ACT_MISMATCH && was_current(act, acts, n_acts, truths, n))
		return fail("version %" PRId64 " of product %u was refused while it was the one",
			    act->expected, act->product);
	return NULL;
}

/* What has ended before another act began cannot have seen more than that one. */
static const char *
check_order(const struct act *acts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct act *later = &acts[i];

		for (size_t k = 0; later->result == ACT_OK && k < i; k++) {
			const struct act *earlier = &acts[k];

			if (earlier->product != later->product || earlier->result != ACT_OK ||
			    earlier->end >= later->begin)
				continue;
			if (earlier->version > later->version ||
			    (later->kind != ACT_READ && earlier->version == later->version))
				return fail("version %" PRId64 " of product %u was answered, and "
					    "afterwards %" PRId64,
					    earlier->version, later->product, later->version);
		}
	}
	return NULL;
}

const char *
linear_check(struct act *acts, size_t n_acts, struct truth *truths, size_t n_truths)
{
	const char *why;

	qsort(acts, n_acts, sizeof(*acts), by_begin);
	qsort(truths, n_truths, sizeof(*truths), by_product_and_version);
	why = check_truths(acts, n_acts, truths, n_truths);
	for (size_t i = 0; !why && i < n_acts; i++)
		why = check_act(&acts[i], acts, n_acts, truths, n_truths);
	return why ? why : check_order(acts, n_acts);
}
