/*
 * fail_alloc.c - see fail_alloc.h.
 */
#include "fail_alloc.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned countdown; /* 0: nothing fails */
static bool is_for_good, is_held, has_failed;

static bool
fails(void)
{
	if (is_held || countdown == 0 || --countdown > 0)
		return false;
	countdown = is_for_good ? 1 : 0;
	has_failed = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void
fail_alloc_at(unsigned n, bool for_good)
{
	countdown = n;
	is_for_good = for_good;
	has_failed = false;
}

void
fail_alloc_hold(bool held)
{
	is_held = held;
}

bool
fail_alloc_end(void)
{
	countdown = 0;
	return has_failed;
}
