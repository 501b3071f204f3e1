/*
 * owner.h - which worker polls which listening socket. Pure. Runs in: worker, a few times a second.
 *
 * Socket i of an address is worker i's. When nobody has served that slot for OWNER_VACANT_MS, or
 * there is no worker i (more sockets than workers: the number shrank), the next ready worker
 * polls it. Every worker computes the same answer, give or take the moment when it looks: for such
 * a moment two or none may poll a socket, which neither loses nor doubles a connection.
 */
#ifndef PLAZA_PROC_OWNER_H
#define PLAZA_PROC_OWNER_H

#include <stdint.h>

#include "proc/segment.h"

#define OWNER_VACANT_MS 1000

/* The worker of `generation` that polls socket `socket`; `workers` when there is none now. */
unsigned socket_owner(const struct segment *segment, uint32_t generation, unsigned workers,
		      unsigned socket, uint64_t now_ms);

#endif
