/*
 * errors.h - the mistakes of one configuration, gathered so that all are reported at once.
 */
#ifndef PLAZA_CONFIG_ERRORS_H
#define PLAZA_CONFIG_ERRORS_H

#include <stddef.h>

/*
 * Every mistake of one load, each a line "FILE:LINE: section.key: what is wrong; what is accepted".
 * All zeros is empty. No line holds a secret.
 */
struct config_errors {
	size_t n;
	char **line;
};

void config_errors_add(struct config_errors *errors, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void config_errors_fini(struct config_errors *errors);

#endif
