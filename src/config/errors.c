/*
 * errors.c - the mistakes of one configuration, gathered so that all are reported at once.
 */
#include "config/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A file that is no configuration at all shall not fill the journal. */
#define ERRORS_MAX 1000

static void
errors_add_line(struct config_errors *errors, char *line)
{
	char **grown = errors->n < ERRORS_MAX
			   ? reallocarray(errors->line, errors->n + 1, sizeof(*grown))
			   : NULL;

	if (!grown || !line) {
		free(line);
		if (grown)
			errors->line = grown;
		return;
	}
	errors->line = grown;
	errors->line[errors->n++] = line;
}

void
config_errors_add(struct config_errors *errors, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	errors_add_line(errors, line);
}

void
config_errors_fini(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->line[i]);
	free(errors->line);
	*errors = (struct config_errors){0};
}
