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

/* Each member and item on a line of its own. */
void json_text_indent(FILE *out, struct span json);

#endif
