/*
 * json_text.h - JSON as text: its parts as they were written, so that numbers stay what they are;
 * and with line breaks, for people. Pure.
 *
 * What is given was read as JSON before; with anything else there is nothing found, and no harm.
 */
#ifndef PLAZA_CTL_JSON_TEXT_H
#define PLAZA_CTL_JSON_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/span.h"

/* The value of an object's first member of this name. */
bool json_text_member(struct span object, const char *name, struct span *value);

/*
 * The items of an array, one after the other: `array` becomes what is left of it. False: there is
 * none any more.
 */
bool json_text_item(struct span *array, struct span *item);

/*
 * All on one line, and nothing in it that a terminal would obey: line breaks and tabs are blanks,
 * DEL and C1 are escaped, as JSON has it.
 */
void json_text_line(FILE *out, struct span json);

/* In the same way, with each member and item on a line of its own. */
void json_text_indent(FILE *out, struct span json);

#endif
