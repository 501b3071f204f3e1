/*
 * frame.c - frame heads and UTF-8.
 */
#include "hub/frame.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define FIN 0x80

size_t
frame_head(unsigned char *out, enum frame_opcode opcode, size_t len)
{
	out[0] = (unsigned char)(FIN | opcode);
	if (len < 126) {
		out[1] = (unsigned char)len;
		return 2;
	}
	if (len < 65536) {
		out[1] = 126;
		out[2] = (unsigned char)(len >> 8);
		out[3] = (unsigned char)len;
		return 4;
	}
	out[1] = 127;
	for (unsigned i = 0; i < 8; i++)
		out[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
	return FRAME_HEAD_MAX;
}

void
frame_close(unsigned char out[FRAME_CLOSE_SIZE], unsigned code)
{
	frame_head(out, FRAME_CLOSE, 2);
	out[2] = (unsigned char)(code >> 8);
	out[3] = (unsigned char)code;
}

/* Whether it can be the start of a character: with the lowest or the highest bytes behind it. */
static bool
is_cut_character(const unsigned char *text, size_t len)
{
	char low[4] = "\x80\x80\x80\x80", high[4] = "\xbf\xbf\xbf\xbf";

	if (len >= sizeof(low))
		return false;
	memcpy(low, text, len);
	memcpy(high, text, len);
	return utf8_character(low, sizeof(low)) > 0 || utf8_character(high, sizeof(high)) > 0;
}

size_t
frame_utf8_whole(const unsigned char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t word;

		while (len - i >= sizeof(word)) {
			memcpy(&word, text + i, sizeof(word));
			if (word & 0x8080808080808080)
				break;
			i += sizeof(word);
		}
		if (i == len)
			break;
		size_t n = utf8_character((const char *)text + i, len - i);
		if (n == 0)
			return is_cut_character(text + i, len - i) ? i : FRAME_NO_UTF8;
		i += n;
	}
	return i;
}
