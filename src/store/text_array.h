/*
 * text_array.h - a text[] of PostgreSQL in its binary form, made element by element: nothing in it
 * needs to be escaped. Pure.
 */
#ifndef PLAZA_STORE_TEXT_ARRAY_H
#define PLAZA_STORE_TEXT_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

struct text_array {
	struct buffer bytes;
	uint32_t n;
};

/* All zeros is an empty one that holds no memory. False in these: out of memory. */

/* A ptr that is NULL is a null. */
bool text_array_add(struct text_array *array, struct span text) __attribute__((warn_unused_result));
/* Afterwards `bytes` is a parameter of format 1. */
bool text_array_end(struct text_array *array) __attribute__((warn_unused_result));
void text_array_fini(struct text_array *array);

#endif
