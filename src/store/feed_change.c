/*
 * feed_change.c - the words of the operations.
 */
#include "store/feed_change.h"

#include <stdio.h>

size_t
feed_write_change(char out[FEED_CHANGE_SIZE], struct span seq, char op, struct span id,
		  struct span version)
{
	const char *word = op == 'I'   ? "insert"
			   : op == 'U' ? "update"
			   : op == 'D' ? "delete"
			   : op == 'T' ? "truncate"
				       : "reset";
	const struct span null = SPAN_LIT("null");

	if (id.len == 0)
		id = null;
	if (version.len == 0)
		version = null;
	int n = snprintf(out, FEED_CHANGE_SIZE,
			 "{\"seq\":%.*s,\"op\":\"%s\",\"id\":%.*s,\"version\":%.*s}", (int)seq.len,
			 seq.ptr, word, (int)id.len, id.ptr, (int)version.len, version.ptr);
	return n < 0 ? 0 : n < FEED_CHANGE_SIZE ? (size_t)n : FEED_CHANGE_SIZE - 1;
}
