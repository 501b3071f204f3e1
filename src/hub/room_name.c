/*
 * room_name.c - what a room may be called. Called by everything that takes a name from outside.
 */
#include <string.h>

#include "hub/room.h"

bool
room_name_valid(struct span name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (name.len == 0 || name.len > CHAT_LOG_ROOM_MAX || span_eq(name, SPAN_LIT(".")) ||
	    span_eq(name, SPAN_LIT("..")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!memchr(allowed, name.ptr[i], sizeof(allowed) - 1))
			return false;
	}
	return true;
}
