/*
 * syntax.h - the syntax of single values: numbers with units, words, host names, origins. Pure.
 *
 * Where a function returns `const char *`, NULL is success, else what is wrong as a literal that
 * continues a sentence: "is not a time".
 */
#ifndef PLAZA_CONFIG_SYNTAX_H
#define PLAZA_CONFIG_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/values.h"

enum number_kind { NUMBER_COUNT, NUMBER_TIME, NUMBER_SIZE };

#define NUMBER_TEXT_MAX 32

/* Digits and a unit; a time must have one, a size without one is bytes. */
const char *number_parse(enum number_kind kind, const char *text, uint64_t *value);

/* As one would write it, in the largest unit that is exact: "90s", "64k", "0ms". */
const char *number_print(enum number_kind kind, uint64_t value, char out[NUMBER_TEXT_MAX]);

/* UTF-8 without control characters; a tab is fine. */
const char *text_check(const char *text, size_t len);

/* Splits at spaces and tabs. False on out-of-memory, and then `words` is empty. */
bool words_split(struct words *words, const char *text);
/* Joined by single spaces; the caller frees. NULL on out-of-memory. */
char *words_join(const struct words *words);
void words_fini(struct words *words);
bool words_contain(const struct words *words, const char *word);

/* A host name (RFC 1123 2.1), an IPv4 address or an [IPv6] one; lowers its case in place. */
const char *host_check(char *word);

/*
 * scheme://host[:port]. Rewrites it in place to what browsers send as Origin (RFC 6454 6.2): lower
 * case, no default port.
 */
const char *origin_check(char *word);

/*
 * Edits (insert, delete, replace, swap neighbours; case ignored) that make `a` into `b`; more than
 * any useful answer when either is longer than names get.
 */
unsigned edit_distance(const char *a, const char *b);

#endif
