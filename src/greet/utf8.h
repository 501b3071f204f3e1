/*
 * utf8.h - whether bytes are text: UTF-8 (RFC 3629) without control characters.
 */
#ifndef PLAZA_GREET_UTF8_H
#define PLAZA_GREET_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* False for overlong forms, surrogates, beyond U+10FFFF, and for C0, DEL and C1. */
bool utf8_is_text(const char *data, size_t len);

#endif
