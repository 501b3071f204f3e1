/*
 * ctl.c - what the commands of plazactl share.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/span.h"
#include "ctl/lines.h"

static void __attribute__((format(printf, 1, 0))) say(const char *fmt, va_list ap)
{
	char *text;

	fflush(stdout);
	fputs("plazactl: ", stderr);
	if (vasprintf(&text, fmt, ap) >= 0) {
		line_put(stderr, span_str(text));
		free(text);
	} else {
		fputs("out of memory", stderr);
	}
	putc('\n', stderr);
}

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
ctl_fail(int *exit, const char *fmt, ...)
{
	va_list ap;

	if (*exit != CTL_OK)
		return;
	*exit = CTL_FAILED;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

bool
ctl_flush(int *exit)
{
	/* what has failed before is not written again: errno is what that has left */
	const int before = errno;
	struct pollfd out = {.fd = STDOUT_FILENO};

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		errno = before;
		return true;
	}
	if (errno == 0)
		errno = before;
	if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR))
		errno = EPIPE;
	/* whoever read our output has seen enough: head(1) */
	if (errno == EPIPE)
		*exit = CTL_FAILED;
	else
		ctl_fail(exit, "cannot write the output: %s", strerror(errno ? errno : EIO));
	clearerr(stdout);
	return false;
}

bool
number_parse(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *number <= max;
}

bool
time_parse(const char *text, uint64_t *ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	const size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 9)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) == 0) {
			*ms = strtoull(text, NULL, 10) * units[i].ms;
			return *ms > 0;
		}
	}
	return false;
}
