/*
 * talk_show.h - what plazactl chat shows of a room: messages, who comes and goes, what is missing.
 *
 * On a terminal each line has a time, and who is meant. Otherwise the output has the messages
 * alone, a line each, and all else goes to the error output. What others wrote never commands a
 * terminal.
 */
#ifndef PLAZA_CTL_TALK_SHOW_H
#define PLAZA_CTL_TALK_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct talk_view {
	FILE *out;
	FILE *notes; /* the error output, where there is no terminal */
	bool is_terminal;
};

/* An event `msg`, or one of those in an answer to `history`. */
void talk_show_message(const struct talk_view *view, const json_t *message);
/* An event `pres`. */
void talk_show_presence(const struct talk_view *view, const json_t *event);
/* An answer to `presence`. */
void talk_show_members(const struct talk_view *view, const json_t *answer);
/* An event `gap`, or one that was found. */
void talk_show_gap(const struct talk_view *view, const json_t *gap);
/* What the client or the server has to say itself; texts of the server are made harmless. */
void talk_show_note(const struct talk_view *view, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
