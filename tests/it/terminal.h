/*
 * terminal.h - commands run on a terminal of their own.
 */
#ifndef PLAZA_TESTS_IT_TERMINAL_H
#define PLAZA_TESTS_IT_TERMINAL_H

/*
 * What a command for sh(1) writes to a terminal that is its standard error, and with "1>&2" its
 * output, too; the caller frees. It must end with this status.
 */
char *terminal_run(const char *command, int status);

#endif
