/*
 * utf8.c - the table of RFC 3629 section 4, row by row.
 */
#include "greet/utf8.h"

#include <stdint.h>

/* Lead bytes first..last are followed by a byte low..high, then by `more` bytes 80..BF. */
struct utf8_row {
	uint8_t first, last;
	uint8_t low, high;
	uint8_t more;
};

static const struct utf8_row rows[] = {
    {0xc2, 0xc2, 0xa0, 0xbf, 0}, /* from A0: below are the C1 controls */
    {0xc3, 0xdf, 0x80, 0xbf, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 1}, /* below are overlong */
    {0xe1, 0xec, 0x80, 0xbf, 1}, {0xed, 0xed, 0x80, 0x9f, 1}, /* above are surrogates */
    {0xee, 0xef, 0x80, 0xbf, 1}, {0xf0, 0xf0, 0x90, 0xbf, 2}, /* below are overlong */
    {0xf1, 0xf3, 0x80, 0xbf, 2}, {0xf4, 0xf4, 0x80, 0x8f, 2}, /* above is beyond U+10FFFF */
};

static const struct utf8_row *
row_find(uint8_t lead)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (lead >= rows[i].first && lead <= rows[i].last)
			return &rows[i];
	return NULL;
}

/* The length of the character at p[0..len), which is not ASCII; 0 when it is none. */
static size_t
character_len(const uint8_t *p, size_t len)
{
	const struct utf8_row *row = row_find(p[0]);

	if (!row || len < (size_t)row->more + 2 || p[1] < row->low || p[1] > row->high)
		return 0;
	for (size_t i = 2; i < (size_t)row->more + 2; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return (size_t)row->more + 2;
}

bool
utf8_is_text(const char *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	size_t i = 0;

	while (i < len) {
		size_t n = 1;

		if (p[i] >= 0x80)
			n = character_len(p + i, len - i);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			n = 0;
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}
