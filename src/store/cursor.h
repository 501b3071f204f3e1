/*
 * cursor.h - the opaque text in "next" and ?after=: where a page of products ended. Pure.
 *
 * It has the order of its list in it, so that it is not taken for one of another order, and the
 * last row's place in that order, so that no row is seen twice or passed over because others come
 * and go.
 */
#ifndef PLAZA_STORE_CURSOR_H
#define PLAZA_STORE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* What a list is sorted by; equals are in the order of their ids, up or down like the rest. */
enum list_sort {
	SORT_ID,
	SORT_ID_DOWN,
	SORT_NAME,
	SORT_NAME_DOWN,
	SORT_PRICE,
	SORT_PRICE_DOWN,
	LIST_SORTS
};

/* As in ?sort=: "id", "-id".. */
const char *list_sort_word(enum list_sort sort);
/* LIST_SORTS when the word is none of them. */
enum list_sort list_sort_find(struct span word);
static inline bool
list_sort_is_down(enum list_sort sort)
{
	return sort % 2 == 1;
}

/* UTF-8 without NUL: what a text of the database may be compared with. */
bool list_text_valid(struct span text);

/* As long as a name of ours may be. */
#define CURSOR_KEY_MAX 1000

enum cursor_key {
	CURSOR_ID,    /* sorted by id alone */
	CURSOR_VALUE, /* `key` */
	CURSOR_NULL,  /* others' tables may have such */
	CURSOR_LONG   /* a name longer than CURSOR_KEY_MAX: the row itself has to be asked for it */
};

struct cursor {
	enum list_sort sort;
	int64_t id;
	enum cursor_key kind;
	char key[CURSOR_KEY_MAX + 1]; /* the name or price, terminated */
};

/* "-price:-9223372036854775808:=" and a key, as base64url, and a terminator */
#define CURSOR_PLAIN_MAX (30 + CURSOR_KEY_MAX)
#define CURSOR_TEXT_SIZE ((CURSOR_PLAIN_MAX + 2) / 3 * 4 + 1)

/* Made of A-Z a-z 0-9 - _ only: needs no escaping in JSON or in a query. */
void cursor_write(const struct cursor *cursor, char text[CURSOR_TEXT_SIZE]);

/* False for anything that cursor_write never writes. */
bool cursor_read(struct span text, struct cursor *cursor);

#endif
