/*
 * log.c - lines on stderr; no buffering, no allocation, safe to share one pipe among processes.
 *
 * A line that stderr does not take is dropped and counted: a stuck reader must not stop the master
 * and all workers, nor keep them from ending.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

static struct {
	enum log_format format;
	enum log_level level;
	bool journal;
	bool is_pipe;
	unsigned long lost; /* lines since the last one that was written */
	bool telling;       /* of them, in report_lost */
	char process[32];
} log_state = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO, false, false, 0, false, ""};

static const char *const level_names[] = {"error", "warning", "info", "debug"};
/* For a reader that is slow; one that did not take the last line either is not waited for. */
#define PATIENCE_MS 20

/* syslog(3) priorities, which sd-daemon(3) reads from "<N>" */
static const int level_priorities[] = {3, 4, 6, 7};

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream given as stderr */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	unsigned long long dev, ino;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
log_open(enum log_format format, enum log_level level)
{
	struct stat st;

	log_state.format = format;
	log_state.level = level;
	log_state.journal = stderr_is_journal();
	log_state.is_pipe = fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode);
}

void
log_set_process(const char *name)
{
	snprintf(log_state.process, sizeof(log_state.process), "%s", name);
}

bool
log_wants(enum log_level level)
{
	return level <= log_state.level;
}

/* Appends what fits; `at` stays below size. */
static size_t put(char *out, size_t size, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static size_t
put(char *out, size_t size, size_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(out + at, size - at, fmt, ap);
	va_end(ap);
	if (n < 0)
		return at;
	return (size_t)n < size - at ? at + (size_t)n : size - 1;
}

static size_t
put_time(char *out, size_t size, size_t at, bool iso)
{
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (iso)
		gmtime_r(&ts.tv_sec, &tm);
	else
		localtime_r(&ts.tv_sec, &tm);
	return put(out, size, at, "%04d-%02d-%02d%c%02d:%02d:%02d.%03ld%s", tm.tm_year + 1900,
		   tm.tm_mon + 1, tm.tm_mday, iso ? 'T' : ' ', tm.tm_hour, tm.tm_min, tm.tm_sec,
		   ts.tv_nsec / 1000000, iso ? "Z" : "");
}

/* The longest that a character becomes, and the mark of a cut. */
#define STEP_MAX (8 + 3)

static bool
is_inside_character(char c)
{
	return (c & 0xc0) == 0x80;
}

/* C0, DEL and C1, which a terminal may obey; n as of utf8_character. */
static bool
is_control(const unsigned char *p, size_t n)
{
	return *p < 0x20 || *p == 0x7f || (n == 2 && *p == 0xc2 && p[1] < 0xa0);
}

/* The next two have room for STEP_MAX bytes. */
static size_t
put_json(char *out, size_t size, size_t at, const unsigned char *p, size_t n)
{
	if (n == 0)
		return put(out, size, at, "\\ufffd");
	if (is_control(p, n))
		return put(out, size, at, "\\u%04x", p[n - 1]);
	if (*p == '"' || *p == '\\')
		out[at++] = '\\';
	memcpy(out + at, p, n);
	return at + n;
}

static size_t
put_text(char *out, size_t size, size_t at, const unsigned char *p, size_t n)
{
	/* PostgreSQL's messages have these in their middle */
	if (*p == '\n' || *p == '\t')
		return put(out, size, at, " ");
	if (n && !is_control(p, n)) {
		memcpy(out + at, p, n);
		return at + n;
	}
	for (size_t i = 0; i < (n ? n : 1); i++)
		at = put(out, size, at, "\\x%02x", p[i]);
	return at;
}

/*
 * A line stays one line, of UTF-8 and without anything that a terminal obeys, whatever the message
 * holds. What does not fit is cut, but through no escape and no character: the line stays JSON.
 */
static size_t
put_message(char *out, size_t size, size_t at, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t left = strlen(text); left;) {
		size_t n = utf8_character((const char *)p, left);

		if (size - at <= STEP_MAX)
			return put(out, size, at, "...");
		if (log_state.format == LOG_FORMAT_JSON)
			at = put_json(out, size, at, p, n);
		else
			at = put_text(out, size, at, p, n);
		p += n ? n : 1;
		left -= n ? n : 1;
	}
	return at;
}

/* Whether stderr took it. A pipe that is writable has room for PIPE_BUF bytes, which is a line. */
static bool
write_line(const char *line, size_t len)
{
	struct pollfd pfd = {STDERR_FILENO, POLLOUT, 0};
	struct iovec iov = {(void *)(uintptr_t)line, len};
	ssize_t n = -1;

	if (poll(&pfd, 1, log_state.lost ? 0 : PATIENCE_MS) <= 0 || !(pfd.revents & POLLOUT))
		return false;
	/* another process may take that room meanwhile; not all kernels can be told not to wait */
	errno = EOPNOTSUPP;
	if (log_state.is_pipe)
		n = pwritev2(STDERR_FILENO, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && errno != EAGAIN)
		n = write(STDERR_FILENO, line, len);
	return n >= 0;
}

static void
report_lost(void)
{
	unsigned long lost = log_state.lost;

	log_state.telling = true;
	log_warning("%lu log lines before this one were lost: stderr did not take them", lost);
	log_state.telling = false;
	log_state.lost = log_state.lost > lost ? lost : 0;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX - 160];
	char line[LOG_LINE_MAX];
	/* keep room for the closing of a line: newline, or quote, brace and newline */
	const size_t size = sizeof(line) - 4;
	size_t at = 0;

	if (!log_wants(level))
		return;
	int saved = errno;
	if (log_state.lost && !log_state.telling)
		report_lost();
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text)) {
		size_t cut = sizeof(text) - 4;

		/* before a character, which has three such bytes at most */
		while (cut > sizeof(text) - 7 && is_inside_character(text[cut]))
			cut--;
		memcpy(text + cut, "...", 4);
	}
	if (log_state.format == LOG_FORMAT_JSON) {
		at = put(line, size, at, "{\"time\":\"");
		at = put_time(line, size, at, true);
		at = put(line, size, at, "\",\"process\":\"%s\",\"level\":\"%s\",\"message\":\"",
			 log_state.process, level_names[level]);
		at = put_message(line, size, at, text);
		memcpy(line + at, "\"}", 2);
		at += 2;
	} else {
		if (log_state.journal) {
			at = put(line, size, at, "<%d>", level_priorities[level]);
		} else {
			at = put_time(line, size, at, false);
			at = put(line, size, at, " ");
		}
		at = put(line, size, at, "%s%s%s: ", log_state.process,
			 log_state.process[0] ? " " : "", level_names[level]);
		at = put_message(line, size, at, text);
	}
	line[at++] = '\n';
	if (!write_line(line, at))
		log_state.lost++;
	errno = saved;
}

#define LOG_FUNCTION(name, level)         \
	void name(const char *fmt, ...)   \
	{                                 \
		va_list ap;               \
		va_start(ap, fmt);        \
		log_line(level, fmt, ap); \
		va_end(ap);               \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

const char *
log_escape(char *out, size_t out_size, const void *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = data;
	size_t at = 0;

	/* the longest escape is four bytes, the mark of a cut is three and the terminator one */
	for (size_t i = 0; i < len; i++) {
		if (out_size < 8 || at + 8 > out_size) {
			at += (size_t)snprintf(out + at, out_size - at, "...");
			return out;
		}
		if (p[i] == '\\') {
			out[at++] = '\\';
			out[at++] = '\\';
		} else if (p[i] == '\n') {
			out[at++] = '\\';
			out[at++] = 'n';
		} else if (p[i] < 0x20 || p[i] >= 0x7f) {
			out[at++] = '\\';
			out[at++] = 'x';
			out[at++] = hex[p[i] >> 4];
			out[at++] = hex[p[i] & 15];
		} else {
			out[at++] = (char)p[i];
		}
	}
	if (out_size)
		out[at] = '\0';
	return out;
}
