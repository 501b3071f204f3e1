/*
 * master.h - the parent process: sockets, segment, workers, signals. Never reads a client's byte.
 */
#ifndef PLAZA_MASTER_H
#define PLAZA_MASTER_H

#include "master_args.h"

/* Runs until a stop; returns an enum exit_code. */
int master_run(const struct master_args *args);

#endif
