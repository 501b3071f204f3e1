/*
 * command_quick.h - the short way through a command that is nearly all that clients ever say: a
 * `pub` of a text. Pure.
 */
#ifndef PLAZA_HUB_COMMAND_QUICK_H
#define PLAZA_HUB_COMMAND_QUICK_H

#include <stdbool.h>

#include "base/span.h"
#include "hub/command.h"

/*
 * Reads a `pub` without a mistake, whose members are t, room, data, cid and id, its strings written
 * without escapes: what command_read makes of it, without memory of its own. False, with `command`
 * as it was, for everything else, right or wrong: that is command_read's.
 */
bool command_read_quick(struct command *command, struct span text, size_t max)
    __attribute__((warn_unused_result));

#endif
