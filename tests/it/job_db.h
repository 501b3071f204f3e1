/*
 * job_db.h - jobs as the database sees them: a test puts them by SQL and asks what became of them.
 */
#ifndef PLAZA_TESTS_IT_JOB_DB_H
#define PLAZA_TESTS_IT_JOB_DB_H

#include <stdbool.h>

#include "daemon.h"

/*
 * A daemon on a database of this test's own, `conninfo` (pg_fresh), with these further options;
 * returns when its executor has the database.
 */
struct daemon *job_daemon(const char *conninfo, ...) __attribute__((sentinel));
/* From here on what is asked below is asked of this test's database of another pg_fresh. */
void job_db_use(const char *conninfo);
/* Waits until so many executors are known to the database. */
void job_wait_executors(long n);

/* One number, as superuser; it waits for a database that is away. */
long job_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for one text, which the caller frees; "" for null. */
char *job_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A statement without an answer. */
void job_do(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Puts `n` jobs that sleep for `ms` milliseconds into a queue, in one transaction. */
void job_put_sleeps(const char *queue, long n, long ms);

/* Waits until that many jobs are done; how many leases there were at the most meanwhile. */
long job_wait_done(long n);

/*
 * How many of those that are done ran at the same time, at the most, on all hosts: exact, by when
 * their ends were stored and how long they took. Their credits are given back after that, so no two
 * overlap that had the same one; they take 5 ms or more.
 */
long job_most_at_once(void);

/*
 * That `n` jobs were put and each is done, once; that nothing is left of them but their results;
 * and that each attempt is recorded.
 */
void job_expect_all_done(long n);

#endif
