/*
 * access_lines.h - the lines of an access log, as the daemon writes them.
 */
#ifndef PLAZA_TESTS_IT_ACCESS_LINES_H
#define PLAZA_TESTS_IT_ACCESS_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon.h"

#define COMBINED "log.access=combined"
#define JSON     "log.access=json"

/* What has come of it and was not taken. */
struct lines {
	int fd;
	char *buf;
	size_t len, cap;
};

extern struct lines lines;

/* With its standard output in a pipe, whose end is `lines`. */
struct daemon *lines_start(const char *const *options, const char *conf);
/* With this one; -1: closed. */
struct daemon *lines_start_on(int fd, const char *const *options, const char *conf);

/* More of what comes; false at its end, or when nothing comes within `ms`. */
bool lines_more(int ms);
/* The next line, without its newline; the caller frees. */
char *lines_next(void);
/* To the end, which is that of all who could write. */
void lines_end(void);
/* The same; nothing may come. Frees. */
void lines_expect_none(void);

/* The next line is `who - - [time] rest`. */
void lines_expect_combined(const char *who, const char *rest);
/* The next line as an object with all its members. */
json_t *lines_next_json(void);
/* NULL: null. */
void lines_expect_text(const json_t *object, const char *key, const char *want);

#endif
