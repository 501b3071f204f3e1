/*
 * feed_change.h - a change as JSON text. Pure.
 */
#ifndef PLAZA_STORE_FEED_CHANGE_H
#define PLAZA_STORE_FEED_CHANGE_H

#include <stddef.h>

#include "base/span.h"

/* A change as JSON text: two numbers of 20 digits, one of 19, a word. */
#define FEED_CHANGE_SIZE 128

/*
 * {"seq":5,"op":"insert","id":7,"version":12}; `op` as of the log, I U D or T, or R for a reset;
 * id and version may be empty, then they are null. Returns the length.
 */
size_t feed_write_change(char out[FEED_CHANGE_SIZE], struct span seq, char op, struct span id,
			 struct span version);

#endif
