/*
 * access_lines.c - the daemon's standard output, read line by line.
 */
#include "access_lines.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

struct lines lines;

/* The daemon's standard output; its test's end is `lines`. */
static void
give_stdout(void *ctx)
{
	const int *fd = ctx;

	if (*fd < 0)
		close(STDOUT_FILENO);
	else if (dup2(*fd, STDOUT_FILENO) < 0)
		_exit(127);
}

struct daemon *
lines_start_on(int fd, const char *const *options, const char *conf)
{
	struct daemon_spec spec = {
	    .options = options, .conf = conf, .prepare = give_stdout, .ctx = &fd};

	return daemon_start_spec(&spec);
}

struct daemon *
lines_start(const char *const *options, const char *conf)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	struct daemon *d = lines_start_on(fds[1], options, conf);
	close(fds[1]);
	lines = (struct lines){.fd = fds[0]};
	return d;
}

bool
lines_more(int ms)
{
	struct pollfd pfd = {lines.fd, POLLIN, 0};

	if (poll(&pfd, 1, ms) <= 0)
		return false;
	if (lines.cap - lines.len < 65536) {
		lines.cap = lines.cap * 2 + 65536;
		lines.buf = realloc(lines.buf, lines.cap);
		ck_assert_ptr_nonnull(lines.buf);
	}
	ssize_t n = read(lines.fd, lines.buf + lines.len, lines.cap - lines.len - 1);
	if (n <= 0)
		return false;
	lines.len += (size_t)n;
	lines.buf[lines.len] = '\0';
	return true;
}

char *
lines_next(void)
{
	char *end;

	while (!lines.len || !(end = memchr(lines.buf, '\n', lines.len)))
		ck_assert_msg(lines_more(IT_DEADLINE_MS), "no line came");
	size_t len = (size_t)(end - lines.buf);
	char *line = strndup(lines.buf, len);
	lines.len -= len + 1;
	memmove(lines.buf, end + 1, lines.len + 1);
	ck_assert_uint_eq(strlen(line), len);
	return line;
}

void
lines_end(void)
{
	while (lines_more(IT_DEADLINE_MS))
		;
	close(lines.fd);
}

void
lines_expect_none(void)
{
	lines_end();
	ck_assert_msg(lines.len == 0, "lines that nobody expected: %s", lines.buf);
	free(lines.buf);
}

void
lines_expect_combined(const char *who, const char *rest)
{
	char *line = lines_next();
	int day, year, hour, minute, second, at = 0;
	char month[4];
	size_t len = strlen(who);

	ck_assert_msg(strncmp(line, who, len) == 0, "%s is not from %s", line, who);
	ck_assert_msg(sscanf(line + len, " - - [%2d/%3[A-Za-z]/%4d:%2d:%2d:%2d +0000] %n", &day,
			     month, &year, &hour, &minute, &second, &at) == 6 &&
			  at == 34,
		      "%s", line);
	ck_assert_msg(strcmp(line + len + at, rest) == 0, "%s is not %s", line, rest);
	free(line);
}

json_t *
lines_next_json(void)
{
	char *line = lines_next();
	json_error_t error;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(object != NULL, "%s in %s", error.text, line);
	ck_assert_uint_eq(json_object_size(object), 15);
	free(line);
	return object;
}

void
lines_expect_text(const json_t *object, const char *key, const char *want)
{
	const json_t *value = json_object_get(object, key);

	ck_assert_msg(value != NULL, "no %s", key);
	if (!want)
		ck_assert_msg(json_is_null(value), "%s is not null", key);
	else
		ck_assert_msg(json_is_string(value) && strcmp(json_string_value(value), want) == 0,
			      "%s is %s, not %s", key, json_string_value(value), want);
}
