/*
 * pair.h - a primary and its streaming standby, both by pg_tmp.sh, each in a folder of its own.
 */
#ifndef PLAZA_TESTS_IT_PAIR_H
#define PLAZA_TESTS_IT_PAIR_H

#include <stdbool.h>

struct pair {
	char *primary, *standby; /* their folders; the socket is in FOLDER/s */
};

/* With is_sync the primary waits for its standby with each commit. */
void pair_open(struct pair *pair, bool is_sync);
void pair_close(struct pair *pair);

/* Of pg_tmp.sh: promote, kill, restart, pause... */
void pair_do(const char *verb, const char *folder);

/* The standby gets nothing more, and nobody is told; or it catches up. */
void pair_cut(const struct pair *pair);
void pair_join(const struct pair *pair);

/* As superuser in the database plaza: what psql -At prints, for the caller to free. */
char *pair_ask(const char *folder, const char *sql);
bool pair_says(const char *folder, const char *sql, const char *answer);

#endif
