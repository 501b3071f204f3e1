/*
 * conninfo.h - libpq connection strings: checked, and shown without their secrets.
 */
#ifndef PLAZA_CONFIG_CONNINFO_H
#define PLAZA_CONFIG_CONNINFO_H

#include <stddef.h>

/*
 * NULL when libpq takes it, else what is wrong and what is accepted, in `problem`. Never a part of
 * the string that may be a secret.
 */
const char *conninfo_check(const char *conninfo, char *problem, size_t size);

/* The conninfo with its password replaced by ***; the caller frees. NULL on out-of-memory. */
char *config_mask_conninfo(const char *conninfo);

#endif
