/*
 * daemon.h - the real plazad, started on a free port, its log collected line by line.
 *
 * A thread of the test reads the log, so that the daemon never waits for a slow test. daemon_stop
 * fails the test when the daemon does not end as it should, or when its log holds an assertion, a
 * sanitizer's report or an error that was not announced.
 */
#ifndef PLAZA_TESTS_IT_DAEMON_H
#define PLAZA_TESTS_IT_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "procfs.h"

struct daemon;

struct daemon_spec {
	const char *conf;           /* the conf file's text; NULL: an empty file */
	const char *const *options; /* -o section.key=value, ends with NULL; may be NULL */
	const char *program;        /* NULL: it_plazad() */
	bool bare;                  /* without the server.listen and server.workers of the tests */
	bool own_group;             /* a process group of its own */
	/* in the child, just before exec */
	void (*prepare)(void *ctx);
	void *ctx;
};

/*
 * With server.listen=127.0.0.1:0 and server.workers=2 unless the options say otherwise. Returns
 * after READY.
 */
struct daemon *daemon_start(const char *option, ...) __attribute__((sentinel));
struct daemon *daemon_start_default(void);
struct daemon *daemon_start_spec(const struct daemon_spec *spec);

/* SIGTERM; must exit 0, with a clean log. Frees. */
void daemon_stop(struct daemon *d);
/* For a daemon that was told to end already: waits, checks `status` and the log, frees. */
void daemon_ended(struct daemon *d, int status);
/* Waits for the master's end only; status as of it_wait_pid. */
int daemon_wait(struct daemon *d);

pid_t daemon_pid(const struct daemon *d);
/* The first TCP port of the READY line. */
uint16_t daemon_port(const struct daemon *d);
const char *daemon_ready_line(const struct daemon *d);

/* A further " error:" line that holds `text` is expected. */
void daemon_expect_error(struct daemon *d, const char *text);

/* How much log there is; a place to look from. */
size_t daemon_log_mark(struct daemon *d);
/* Waits for a line with `text` after `mark`; a copy of the line that the caller frees. */
char *daemon_log_wait(struct daemon *d, size_t mark, const char *text);
/* Whether there is one now. */
bool daemon_log_has(struct daemon *d, size_t mark, const char *text);
/* How many lines with `text` there are after `mark`. */
size_t daemon_log_count(struct daemon *d, size_t mark, const char *text);
/* Waits until every worker has its database: the schema steps are taken, all lanes serve. */
void daemon_wait_store(struct daemon *d);
/* All of it after `mark`; the caller frees. */
char *daemon_log_copy(struct daemon *d, size_t mark);
/* Whether every process that could write the log is gone. */
bool daemon_log_closed(struct daemon *d);

/* Puts another text into the conf file, without telling the daemon. */
void daemon_write_conf(struct daemon *d, const char *text);
const char *daemon_conf_path(const struct daemon *d);

/*
 * SIGHUP and the wait for its end: a new generation serves and the old one has got its word. False
 * when the daemon refused the configuration.
 */
bool daemon_reload(struct daemon *d);

/* All live workers of all generations (children whose title says so). */
size_t daemon_workers(struct daemon *d, pid_t pids[PROCFS_MAX]);
/* The executors in the same way, of which there are none without a database. */
size_t daemon_executors(struct daemon *d, pid_t pids[PROCFS_MAX]);
/* The one, when no reload is under way: waits for it. */
pid_t daemon_executor(struct daemon *d);
/* Waits for `n` live workers and not one more. */
void daemon_wait_workers(struct daemon *d, size_t n);
/* The worker that serves the connection `fd`; waits until it was accepted. */
pid_t daemon_worker_of(struct daemon *d, int fd);

#endif
