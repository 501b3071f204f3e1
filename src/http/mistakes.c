/*
 * mistakes.c - the list of them, and the pointer to each.
 */
#include "http/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
mistakes_init(struct mistakes *m)
{
	m->n = 0;
	m->type = NULL;
	m->place_len = 0;
	m->place[0] = '\0';
}

/* RFC 6901 section 3: ~ is ~0 and / is ~1. Nothing is put when it does not fit whole. */
size_t
mistakes_enter(struct mistakes *m, struct span key)
{
	const size_t before = m->place_len;
	size_t at = before;

	if (key.len > MISTAKES_KEY_MAX || at + 2 * key.len + 2 > sizeof(m->place))
		return before;
	m->place[at++] = '/';
	for (size_t i = 0; i < key.len; i++) {
		const char c = key.ptr[i];

		if (c == '~' || c == '/') {
			m->place[at++] = '~';
			m->place[at++] = c == '~' ? '0' : '1';
		} else {
			m->place[at++] = c;
		}
	}
	m->place[at] = '\0';
	m->place_len = at;
	return before;
}

size_t
mistakes_enter_item(struct mistakes *m, size_t i)
{
	char number[24];
	const int len = snprintf(number, sizeof(number), "%zu", i);

	return mistakes_enter(m, span_from(number, (size_t)len));
}

void
mistakes_leave(struct mistakes *m, size_t place)
{
	m->place_len = place;
	m->place[place] = '\0';
}

/* Takes off the beginning of a character at the end of what was cut. */
static void
mend_cut(char *text, size_t len)
{
	size_t at = len;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0 || (unsigned char)text[at - 1] < 0xc0)
		return;
	const unsigned char lead = (unsigned char)text[at - 1];
	const size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (len - (at - 1) < whole)
		text[at - 1] = '\0';
}

static void
add(struct mistakes *m, const char *fmt, va_list ap)
{
	if (m->n == MISTAKES_MAX)
		return;
	const size_t i = m->n++;
	if (i == MISTAKES_MAX - 1) {
		m->error[i] = (struct problem_error){.pointer = "", .detail = "and there is more"};
		return;
	}
	memcpy(m->pointer[i], m->place, m->place_len + 1);
	const int len = vsnprintf(m->detail[i], sizeof(m->detail[i]), fmt, ap);
	if (len < 0)
		m->detail[i][0] = '\0';
	else if ((size_t)len >= sizeof(m->detail[i]))
		mend_cut(m->detail[i], sizeof(m->detail[i]) - 1);
	m->error[i] = (struct problem_error){.pointer = m->pointer[i], .detail = m->detail[i]};
}

void
mistakes_add(struct mistakes *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(m, fmt, ap);
	va_end(ap);
}

void
mistakes_add_key(struct mistakes *m, struct span key, const char *fmt, ...)
{
	const size_t place = mistakes_enter(m, key);
	va_list ap;

	va_start(ap, fmt);
	add(m, fmt, ap);
	va_end(ap);
	mistakes_leave(m, place);
}
