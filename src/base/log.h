/*
 * log.h - one line on stderr per event, in every process.
 *
 * text     2026-11-22 16:56:01.123 worker 0 info: message
 * journal  <6>worker 0 info: message             (stderr is the journal's stream)
 * json     {"time":"...","process":"worker 0","level":"info","message":"..."}
 *
 * A line is one write(2) and at most LOG_LINE_MAX bytes, cut at the end with "...". It is UTF-8
 * without control characters: those of a message, and bytes that are no UTF-8, are shown as \xNN
 * (in json as \u00NN and \ufffd), newlines and tabs of a text line as blanks. Lines that stderr
 * does not take are lost, and the next one that it takes tells how many. Bytes that a client sent
 * go through log_escape first.
 */
#ifndef PLAZA_BASE_LOG_H
#define PLAZA_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_MAX 4096

enum log_level {
	LOG_LEVEL_ERROR,   /* the operator must act: something does not work */
	LOG_LEVEL_WARNING, /* the operator should know: something is degraded */
	LOG_LEVEL_INFO,    /* what the daemon did */
	LOG_LEVEL_DEBUG    /* what a developer asks for */
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Before it is called: text, info. Whether stderr is the journal is read from $JOURNAL_STREAM. */
void log_open(enum log_format format, enum log_level level);

/* "master", "worker 0"; copied. Empty until then, and then left out of the line. */
void log_set_process(const char *name);

bool log_wants(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Writes `len` untrusted bytes as printable ASCII (\n, \xNN, \\) with a terminator into
 * `out`, cut with "..." when they do not fit. Returns `out`.
 */
const char *log_escape(char *out, size_t out_size, const void *data, size_t len);

#endif
