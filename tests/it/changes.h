/*
 * changes.h - readers of the change feed for tests: who asks for changes, what the room has had,
 * and the log itself. Changes are JSON arrays in the order in which they came:
 * [{"seq":..,"op":..,"id":..,"version":..}, ...]
 */
#ifndef PLAZA_TESTS_IT_CHANGES_H
#define PLAZA_TESTS_IT_CHANGES_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon.h"

#define CHANGES      "/api/products/changes"
#define CHANGES_ROOM "/chat/_products"

/* One who asks a daemon for the next page again and again. */
struct reader {
	struct daemon *d;
	json_t *asked;
	char next[80];
};

void reader_open(struct reader *reader, struct daemon *d);
void reader_close(struct reader *reader);
/* One page more; nothing when the daemon is not there, or says 503. */
void reader_ask(struct reader *reader);
json_int_t reader_seq(const struct reader *reader);

json_int_t changes_seq(const json_t *change);

/* GET; NULL: nobody was there, the answer is not whole, or 503. */
json_t *changes_get(struct daemon *d, const char *target);

/* All that the room has had since the daemon began. */
json_t *changes_of_room(struct daemon *d);
bool changes_room_has(struct daemon *d, size_t n);

/* The log; `ask` is given SQL and returns what psql -At prints, to be freed. */
json_t *changes_truth(char *(*ask)(const char *sql));

/* Fails the test at the first difference. */
void changes_same(const char *who, const json_t *got, const json_t *want);

/* Waits until the reader and the room of its daemon have all of the log, and just that. */
void changes_all(struct reader *reader, char *(*ask)(const char *sql));

#endif
