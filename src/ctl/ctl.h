/*
 * ctl.h - the commands of plazactl; each has a file of its own here, plazactl.c has their table.
 */
#ifndef PLAZA_CTL_CTL_H
#define PLAZA_CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1, /* what was asked for did not come about; stderr says why */
	CTL_USAGE = 2
};

/* argv[0] is the command's name; getopt may be used from the start. Returns an enum ctl_exit. */
int chat_command(int argc, char **argv);
int fetch_command(int argc, char **argv);
int jobs_command(int argc, char **argv);
int products_command(int argc, char **argv);
int ws_command(int argc, char **argv);

/* What the commands share. */

/*
 * A line to stderr, behind "plazactl: ". Whatever is in it, of a server or of an argument, commands
 * no terminal and is no second line.
 */
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* ctl_say why it failed, and set *exit; but only for the first reason, which counts. */
void ctl_fail(int *exit, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What is written to stdout is to be seen now. False, told unless nobody reads on, when it cannot.
 */
bool ctl_flush(int *exit);
/* False unless it is a decimal number of at most `max`. */
bool number_parse(const char *text, uint64_t max, uint64_t *number);
/* False unless it is TIME_ACCEPTED, up to nine digits. */
#define TIME_ACCEPTED "a time, as in 500ms, 15s, 10m or 2h"
bool time_parse(const char *text, uint64_t *ms);

#endif
