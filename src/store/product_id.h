/*
 * product_id.h - ids as they are in URLs. Pure.
 */
#ifndef PLAZA_STORE_PRODUCT_ID_H
#define PLAZA_STORE_PRODUCT_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/*
 * A positive number in canonical decimal, so that every product has one URL. Ours have 31 bits; a
 * table that was there before us may have ids of 63.
 */
bool product_parse_id(struct span s, int64_t *id);

#endif
