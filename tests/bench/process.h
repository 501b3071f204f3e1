/*
 * process.h - what a server's processes have used, read from outside. Not part of the daemon.
 */
#ifndef PLAZA_BENCH_PROCESS_H
#define PLAZA_BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#define PROCESSES_MAX 16

/* The processes of one server. */
struct processes {
	int pid[PROCESSES_MAX];
	size_t n;
};

/* From "PID[,PID...]"; ends the program if it is not that. */
void processes_parse(struct processes *p, const char *text);

/* Nanoseconds of CPU that all of them together have used. */
uint64_t processes_cpu_ns(const struct processes *p);

/* Waits until they use none: until nothing is left to be done of what they were given. */
void processes_rest(const struct processes *p);

struct process_memory {
	uint64_t pss;       /* bytes; of pages that n processes share, an nth */
	uint64_t rss;       /* bytes */
	uint64_t anonymous; /* bytes of the Pss that are no file's and no shared memory's */
};

void processes_memory(const struct processes *p, struct process_memory *memory);

#endif
