/*
 * posters.h - clients that make products while a test breaks things under them: each sends one POST
 * at a time, half of them under an Idempotency-Key that stays until the answer is 201, the others
 * with a new product each time. All are known afterwards: what was acknowledged, how often, what
 * may be there. One poll() loop; nothing here waits for time to pass.
 */
#ifndef PLAZA_TESTS_IT_POSTERS_H
#define PLAZA_TESTS_IT_POSTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon.h"

struct posters;

struct posters *posters_start(struct daemon *d, unsigned clients);

/* Goes on until `n` more products are acknowledged; fails the test at its deadline. */
void posters_acknowledged(struct posters *p, size_t n);
/* Goes on until `n` more answers were no 201, or connections broke. */
void posters_refused(struct posters *p, size_t n);
/* Goes on until what `is_it` asks for is so. */
void posters_until(struct posters *p, bool (*is_it)(void *ctx), void *ctx);

/*
 * Sends nothing new, waits for all answers, and compares with the table: everything that was
 * acknowledged is there with the id that was told, nothing is there twice under a key, nothing is
 * there that was refused. Frees. `ask` is given SQL and returns what psql -At prints, to be freed.
 */
void posters_stop(struct posters *p, char *(*ask)(const char *sql));

/* Greetings and chat of who wants no products, each answered before anything else is done. */
void others_are_served(struct daemon *d);

#endif
