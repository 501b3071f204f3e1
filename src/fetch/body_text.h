/*
 * body_text.h - the first characters of a body, as UTF-8 that anybody can read. Pure, but that
 * iconv(3) may load a converter.
 *
 * The charset is that of a byte order mark, else that of the Content-Type, else UTF-8. Labels mean
 * what browsers take them for (encoding.spec.whatwg.org): "iso-8859-1" is windows-1252. An unknown
 * one is UTF-8: only converters that are listed here are ever loaded, for the origin chooses.
 */
#ifndef PLAZA_FETCH_BODY_TEXT_H
#define PLAZA_FETCH_BODY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Characters, that is code points; and the bytes that they can have. */
#define BODY_TEXT_CHARS 100
#define BODY_TEXT_MAX   (4 * BODY_TEXT_CHARS)
/* Of a body, its beginning: enough for so many characters in any charset, but for NULs. */
#define BODY_HEAD_MAX 4096

/*
 * Writes UTF-8 without U+0000 into `out` and returns its length; bytes that are no character are
 * U+FFFD. `is_whole`: `head` is all there is, so a character cut at its end is a bad one; else it
 * is left out.
 */
size_t body_text(struct span content_type, struct span head, bool is_whole,
		 char out[BODY_TEXT_MAX]);

/* The charset parameter of a Content-Type, not unquoted beyond its quotes; empty: there is none. */
struct span body_text_charset(struct span content_type);

#endif
