/*
 * preflight.h - what can be told of a configuration only with the system at hand: its user, and
 * whether its numbers fit together. Runs in: main (-t and start), master (reload).
 */
#ifndef PLAZA_PREFLIGHT_H
#define PLAZA_PREFLIGHT_H

#include <stdbool.h>

#include "config/config.h"

/* False when it cannot be run; `errors` then has a line for each reason. Opens and binds nothing.
 */
bool preflight_check(const struct config *config, struct config_errors *errors);

/* Logs what is allowed but deserves a warning at each start and each reload. */
void preflight_warn(const struct config *config);

#endif
