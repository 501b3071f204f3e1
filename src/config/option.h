/*
 * option.h - options.def as a table, and one value of it at a time into a struct config.
 */
#ifndef PLAZA_CONFIG_OPTION_H
#define PLAZA_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "config/values.h"

enum option_type {
	OPTION_TYPE_WORDS,
	OPTION_TYPE_LISTEN,
	OPTION_TYPE_COUNT,
	OPTION_TYPE_AUTO,
	OPTION_TYPE_LIMIT,
	OPTION_TYPE_TIME,
	OPTION_TYPE_SIZE,
	OPTION_TYPE_TEXT,
	OPTION_TYPE_IDENTIFIER,
	OPTION_TYPE_CONNINFO,
	OPTION_TYPE_CHOICE
};

struct option_def {
	const char *section;
	const char *name;
	enum option_type type;
	const char *def;
	const char *min; /* the words of a CHOICE */
	const char *max;
	bool restart;
	size_t offset; /* of the member in struct config */
};

extern const struct option_def option_defs[OPTION_COUNT];

/* OPTION_COUNT when there is none; case is ignored, as libini_config does. */
enum config_option option_find(const char *section, const char *name);
bool option_section_exists(const char *section);

#define OPTION_PROBLEM_MAX 768

/*
 * Gives the option a value and config->text its normal form. False when it is wrong: `problem` then
 * says what and what is accepted, and the old value stands.
 */
bool option_set(struct config *config, enum config_option option, const char *text,
		char problem[OPTION_PROBLEM_MAX]);

/* Frees what option_set has made. */
void option_clear(struct config *config, enum config_option option);

/* What may have been meant, or else what there is, to follow "unknown option; ". */
void option_suggest(const char *section, const char *name, char out[OPTION_PROBLEM_MAX]);
void option_suggest_section(const char *section, char out[OPTION_PROBLEM_MAX]);

#endif
