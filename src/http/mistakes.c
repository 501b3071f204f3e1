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

/* False: there is no room for it; *error is the last one, which says so, or NULL when that is said.
 */
static bool
begin(struct mistakes *m, struct problem_error **error)
{
	*error = NULL;
	if (m->n == MISTAKES_MAX)
		return false;
	*error = &m->error[m->n++];
	**error = (struct problem_error){.detail = "and there is more"};
	return m->n < MISTAKES_MAX;
}

static void write_detail(struct mistakes *m, struct problem_error *error, const char *fmt,
			 va_list ap) __attribute__((format(printf, 3, 0)));
static void add(struct mistakes *m, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
write_detail(struct mistakes *m, struct problem_error *error, const char *fmt, va_list ap)
{
	char *detail = m->detail[error - m->error];
	const int len = vsnprintf(detail, MISTAKES_DETAIL_SIZE, fmt, ap);

	if (len < 0)
		detail[0] = '\0';
	else if ((size_t)len >= MISTAKES_DETAIL_SIZE)
		mend_cut(detail, MISTAKES_DETAIL_SIZE - 1);
	error->detail = detail;
}

static void
add(struct mistakes *m, const char *fmt, va_list ap)
{
	struct problem_error *error;

	if (begin(m, &error)) {
		char *pointer = m->pointer[error - m->error];

		memcpy(pointer, m->place, m->place_len + 1);
		error->pointer = pointer;
		write_detail(m, error, fmt, ap);
	} else if (error) {
		error->pointer = "";
	}
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

void
mistakes_add_parameter(struct mistakes *m, struct span name, const char *fmt, ...)
{
	struct problem_error *error;
	va_list ap;

	if (!begin(m, &error))
		return;
	char *parameter = m->pointer[error - m->error];
	const size_t len = name.len < MISTAKES_KEY_MAX ? name.len : MISTAKES_KEY_MAX;
	if (len)
		memcpy(parameter, name.ptr, len);
	parameter[len] = '\0';
	error->parameter = parameter;
	va_start(ap, fmt);
	write_detail(m, error, fmt, ap);
	va_end(ap);
}
