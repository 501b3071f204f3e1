/*
 * cursor.h - the opaque text in "next" and ?after=: where a page of products ended. Pure.
 */
#ifndef PLAZA_STORE_CURSOR_H
#define PLAZA_STORE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* base64url of "id:" and up to 20 characters of a number, and a terminator */
#define CURSOR_TEXT_SIZE 32

/* Made of A-Z a-z 0-9 - _ only: needs no escaping in JSON or in a query. */
void cursor_write(int64_t id, char text[CURSOR_TEXT_SIZE]);

/* False for anything that cursor_write never writes. */
bool cursor_read(struct span text, int64_t *id);

#endif
