/*
 * fail_alloc.h - memory that runs out when a test wants it to. The test is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc, so it is our own allocations that fail, and
 * jansson's, which come through ours.
 */
#ifndef PLAZA_TESTS_UNIT_FAIL_ALLOC_H
#define PLAZA_TESTS_UNIT_FAIL_ALLOC_H

#include <stdbool.h>

/* The n-th allocation from now on fails, and with `for_good` all after it. */
void fail_alloc_at(unsigned n, bool for_good);
/* What is allocated until it is let go succeeds and does not count: the test's own. libcheck's is
 * as well: nothing may be asserted while memory runs out and is not held. */
void fail_alloc_hold(bool is_held);
/* Memory is there again. Whether any allocation has failed. */
bool fail_alloc_end(void);

#endif
