/*
 * ini_file.h - an INI file as a list of what it sets, each with its line. Knows no option.
 */
#ifndef PLAZA_CONFIG_INI_FILE_H
#define PLAZA_CONFIG_INI_FILE_H

#include <stddef.h>

#include "config/errors.h"

struct ini_section {
	char *name;
	unsigned line;
};

struct ini_setting {
	char *section;
	char *name;
	char *value; /* "" for "name =" */
	unsigned line;
};

/* Both lists in the order of the file; a section may come several times, a setting too. */
struct ini_file {
	size_t n_sections;
	struct ini_section *section;
	size_t n_settings;
	struct ini_setting *setting;
};

enum ini_result {
	INI_FILE_READ,    /* what could be understood is in the lists, mistakes are in `errors` */
	INI_FILE_MISSING, /* there is no such file; no error is added */
	INI_FILE_FAILED   /* nothing could be understood; `errors` says why */
};

/* In every case ini_file_fini comes afterwards. */
enum ini_result ini_file_read(const char *path, struct ini_file *ini, struct config_errors *errors);
void ini_file_fini(struct ini_file *ini);

#endif
