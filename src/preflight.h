/*
 * preflight.h - what can be told of a configuration only with the system at hand: its user, and
 * whether its numbers fit together; its database. Runs in: main (-t, -S and start), master
 * (reload).
 */
#ifndef PLAZA_PREFLIGHT_H
#define PLAZA_PREFLIGHT_H

#include <stdbool.h>

#include "config/config.h"

/* False when it cannot be run; `errors` then has a line for each reason. Opens and binds nothing.
 */
bool preflight_check(const struct config *config, struct config_errors *errors);

/*
 * With store.migrate = off: asks the database, in a child process without privileges, whether the
 * schema is up to date. False, after saying why on stderr and, if that helps, with the SQL to run,
 * when it is not; a database that does not answer within store.connect_timeout is only logged.
 */
bool preflight_schema(const struct config *config);

/* The whole SQL of the schema, for -S. False: out of memory, or stdout cannot be written. */
bool preflight_print_schema(const struct config *config);

/* Logs what is allowed but deserves a warning at each start and each reload. */
void preflight_warn(const struct config *config);

#endif
