/*
 * values.h - what a configuration holds: option section.name is the member section_name.
 */
#ifndef PLAZA_CONFIG_VALUES_H
#define PLAZA_CONFIG_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "config/address.h"

struct words {
	size_t n;
	char **word;
};

struct listens {
	size_t n;
	struct listen_address *address;
};

#define CONFIG_TYPE_WORDS      struct words
#define CONFIG_TYPE_LISTEN     struct listens
#define CONFIG_TYPE_COUNT      uint64_t
#define CONFIG_TYPE_AUTO       uint64_t /* 0 is auto */
#define CONFIG_TYPE_LIMIT      uint64_t /* 0 is off */
#define CONFIG_TYPE_TIME       uint64_t /* milliseconds */
#define CONFIG_TYPE_SIZE       uint64_t /* bytes */
#define CONFIG_TYPE_TEXT       char *   /* never NULL */
#define CONFIG_TYPE_CONNINFO   char *   /* never NULL */
#define CONFIG_TYPE_IDENTIFIER char *   /* never NULL */
#define CONFIG_TYPE_CHOICE     int      /* index of the word */

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

#endif
