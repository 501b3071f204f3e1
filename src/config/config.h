/*
 * config.h - the effective configuration: options.def read from a file, then -o, then defaults.
 *
 * A struct config (config/values.h) never changes after it was made; a reload makes another one.
 */
#ifndef PLAZA_CONFIG_CONFIG_H
#define PLAZA_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/errors.h"
#include "config/values.h"

/*
 * Reads `file`, then the `overrides` ("section.key=value", split at the first =; the last one for
 * an option counts). Without `required`, a missing file is no error and config->file is NULL. NULL
 * when anything is wrong; `errors` then has a line for each mistake, in the order of the file.
 */
struct config *config_load(const char *file, bool required, char *const *overrides,
			   size_t n_overrides, struct config_errors *errors);
void config_free(struct config **config);

/* One about an option of a config that was loaded; the text begins with where it was set. */
void config_errors_add_option(struct config_errors *errors, const struct config *config,
			      enum config_option option, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * -T: the file's own syntax, over every option a comment that says where it came from. Loaded as a
 * file it gives the same configuration, except for secrets: they are ***, which no load takes.
 */
void config_dump(const struct config *config, FILE *out);

/*
 * Calls `changed` for each option ("section.key") whose value differs, however it is written. For a
 * reload: options marked RESTART have `restart` true, and the caller keeps their old values by
 * config_keep_restart.
 */
void config_compare(const struct config *before, const struct config *after,
		    void (*changed)(const char *name, bool restart, void *ctx), void *ctx);
/* Gives `after` the values of `before` for all RESTART options. False on out-of-memory. */
bool config_keep_restart(const struct config *before, struct config *after);

#endif
