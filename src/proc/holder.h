/*
 * holder.h - who listens on a TCP address already, for the error that says so.
 */
#ifndef PLAZA_PROC_HOLDER_H
#define PLAZA_PROC_HOLDER_H

#include <stddef.h>
#include <sys/socket.h>

enum holder {
	HOLDER_UNKNOWN, /* /proc does not say */
	HOLDER_SELF,    /* this process, and nobody else */
	HOLDER_OTHER
};

/* Writes "nginx (pid 123)", or "another process", for HOLDER_OTHER and _UNKNOWN. */
enum holder holder_find(const struct sockaddr_storage *addr, char *name, size_t size);

/* "nginx (pid 123)"; just the pid where its name cannot be read. */
void holder_describe(int pid, char *name, size_t size);

#endif
