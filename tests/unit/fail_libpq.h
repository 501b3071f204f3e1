/*
 * fail_libpq.h - memory that runs out inside of libpq when a test wants it to: the calls of the
 * shared library to malloc and the like are bent to ours, in its table of addresses.
 */
#ifndef PLAZA_TESTS_UNIT_FAIL_LIBPQ_H
#define PLAZA_TESTS_UNIT_FAIL_LIBPQ_H

#include <stdbool.h>

/* Once, before anything else here. False: this libpq cannot be bent, nothing will ever fail. */
bool fail_libpq_begin(void);
/* The n-th allocation of libpq from now on fails; 0: none. */
void fail_libpq_at(unsigned n);
/* Memory is there again. Whether any allocation has failed. */
bool fail_libpq_end(void);

#endif
