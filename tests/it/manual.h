/*
 * manual.h - runs every example of a page of the manual, in its order, against one daemon, and
 * compares what comes with what the page shows.
 *
 * Examples are the literal displays with lines that begin with
 *	$ 	a shell command; the lines below it are its output
 *	ws://	a WebSocket is opened, and closed at the end of the display
 *	C: 	what it sends
 *	S: 	the next message that it gets, or "close CODE"
 * A line that begins with blanks continues the one before. Epochs, times, pseqs and numbers of
 * connections stand for others; an epoch in a command is the one that was last shown.
 */
#ifndef PLAZA_TESTS_IT_MANUAL_H
#define PLAZA_TESTS_IT_MANUAL_H

#include "daemon.h"

/* `name` as in "plaza-chat.7"; the page calls the daemon 127.0.0.1:8080. */
void manual_run(struct daemon *d, const char *name, unsigned *n_commands, unsigned *n_frames);

#endif
