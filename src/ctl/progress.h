/*
 * progress.h - how far something is, on one line of a terminal that is written over and over;
 * nothing at all where there is no terminal.
 */
#ifndef PLAZA_CTL_PROGRESS_H
#define PLAZA_CTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;
	bool is_terminal;
	const char *what;   /* "importing" */
	uint64_t done, all; /* whatever is measured; all 0: nobody knows */
	const char *unit;   /* "rows": what is counted */
	uint64_t count;
	uint64_t begun_ms, shown_ms;
	bool is_shown; /* a line is on the screen that has to go before anything else is written */
};

void progress_init(struct progress *progress, FILE *out, bool is_terminal, const char *what,
		   const char *unit);

/* Shows it, some times a second. `note` stands in place of the speed, or is NULL. */
void progress_show(struct progress *progress, const char *note);
/* Takes the line away: something else is to be written, or it is over. */
void progress_hide(struct progress *progress);

/*
 * The line, of at most `columns` characters, as it is at `now_ms`, into `out`, which has room for
 * PROGRESS_LINE_MAX. Pure.
 */
#define PROGRESS_LINE_MAX 256
void progress_line(const struct progress *progress, uint64_t now_ms, const char *note,
		   unsigned columns, char *out);

#endif
