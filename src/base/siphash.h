/*
 * siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of names that clients
 * choose, so that none can pick names that fall together in a table.
 */
#ifndef PLAZA_BASE_SIPHASH_H
#define PLAZA_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

#endif
