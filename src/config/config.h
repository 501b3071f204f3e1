/*
 * config.h - the effective configuration: options.def read from a file, then -o, then defaults.
 *
 * A struct config never changes after it was made; a reload makes another one. Option
 * section.name is the member section_name.
 */
#ifndef PLAZA_CONFIG_CONFIG_H
#define PLAZA_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/address.h"
#include "config/errors.h"

struct words {
	size_t n;
	char **word;
};

struct listens {
	size_t n;
	struct listen_address *address;
};

#define CONFIG_TYPE_WORDS    struct words
#define CONFIG_TYPE_LISTEN   struct listens
#define CONFIG_TYPE_COUNT    uint64_t
#define CONFIG_TYPE_AUTO     uint64_t /* 0 is auto */
#define CONFIG_TYPE_TIME     uint64_t /* milliseconds */
#define CONFIG_TYPE_SIZE     uint64_t /* bytes */
#define CONFIG_TYPE_TEXT     char *   /* never NULL */
#define CONFIG_TYPE_CONNINFO char *   /* never NULL */
#define CONFIG_TYPE_CHOICE   int      /* index of the word */

enum config_option {
#define OPTION(section, name, ...) OPTION_##section##_##name,
#include "config/options.def"
#undef OPTION
	OPTION_COUNT
};

struct config {
#define OPTION(section, name, type, ...) CONFIG_TYPE_##type section##_##name;
#include "config/options.def"
#undef OPTION
	/* where each value came from, for -T: "plaza.conf:12", "-o", "default" */
	char *source[OPTION_COUNT];
	/* the same for error lines, with the path as it was given: "/etc/plaza/plaza.conf:12" */
	char *where[OPTION_COUNT];
	/* each value in its one normal form ("60s" is "1m"), for -T and to compare; with secrets */
	char *text[OPTION_COUNT];
	/* the file that was read; NULL when there was none at the default path */
	char *file;
};

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

/* "plaza.conf:12", "-o" or "default", for messages about one option that are found later. */
const char *config_source(const struct config *config, enum config_option option);

/*
 * Calls `changed` for each option ("section.key") whose value differs, however it is written. For a
 * reload: options marked RESTART have `restart` true, and the caller keeps their old values by
 * config_keep_restart.
 */
void config_compare(const struct config *before, const struct config *after,
		    void (*changed)(const char *name, bool restart, void *ctx), void *ctx);
/* Gives `after` the values of `before` for all RESTART options. False on out-of-memory. */
bool config_keep_restart(const struct config *before, struct config *after);

/* The conninfo with its password replaced by ***; the caller frees. NULL on out-of-memory. */
char *config_mask_conninfo(const char *conninfo);

bool words_contain(const struct words *words, const char *word);

#endif
