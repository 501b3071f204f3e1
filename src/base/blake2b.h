/*
 * blake2b.h - BLAKE2b (RFC 7693) without a key, in one call: a name for bytes that nobody, knowing
 * all of this, can make two of.
 */
#ifndef PLAZA_BASE_BLAKE2B_H
#define PLAZA_BASE_BLAKE2B_H

#include <stddef.h>

#define BLAKE2B_MAX 64

/* Writes the hash of `out_len` bytes, 1 to BLAKE2B_MAX. */
void blake2b(unsigned char *out, size_t out_len, const void *data, size_t len);

#endif
