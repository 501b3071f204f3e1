/*
 * ctl.c - what the commands of plazactl share.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
ctl_fail(int *exit, const char *fmt, ...)
{
	va_list ap;

	if (*exit != CTL_OK)
		return;
	*exit = CTL_FAILED;
	fflush(stdout);
	fputs("plazactl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
}

bool
ctl_flush(int *exit)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	/* whoever read our output has seen enough: head(1) */
	if (errno == EPIPE)
		*exit = CTL_FAILED;
	else
		ctl_fail(exit, "cannot write the output: %s", strerror(errno));
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
