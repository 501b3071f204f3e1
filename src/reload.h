/*
 * reload.h - another configuration while serving.
 */
#ifndef PLAZA_RELOAD_H
#define PLAZA_RELOAD_H

struct master;

/* SIGHUP. */
void reload_begin(struct master *m);
/* In WAITING, RELOADING and HANDOVER: goes on as soon as it can. */
void reload_step(struct master *m);
/* A worker of the new generation ended before it was ready. */
void reload_fail(struct master *m);
/* A stop overtakes it. */
void reload_forget(struct master *m);

#endif
