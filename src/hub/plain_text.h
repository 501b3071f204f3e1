/*
 * plain_text.h - characters that JSON has in its strings as they are: ASCII without control
 * characters, quotes and backslashes, looked at eight at a time.
 */
#ifndef PLAZA_HUB_PLAIN_TEXT_H
#define PLAZA_HUB_PLAIN_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define PLAIN_EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* Whether all eight bytes of a word are plain. */
static inline bool
plain_word(uint64_t word)
{
	uint64_t quote = word ^ PLAIN_EACH('"'), backslash = word ^ PLAIN_EACH('\\');

	return ((word | (word - PLAIN_EACH(' ')) | (quote - PLAIN_EACH(1)) |
		 (backslash - PLAIN_EACH(1))) &
		PLAIN_EACH(0x80)) == 0;
}

static inline bool
plain_character(char c)
{
	return (unsigned char)c >= ' ' && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

#endif
