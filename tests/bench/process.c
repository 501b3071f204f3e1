/*
 * process.c - CPU time from the processes' clocks, memory from smaps_rollup.
 */
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client_http.h"

/* Who has used no CPU time for so long has nothing to do; a daemon's own timers are rarer. */
#define REST_US 20000
/* What else may be going on for ever: that much of the time is taken for rest. */
#define REST_SHARE    0.02
#define REST_PATIENCE 1000

void
processes_parse(struct processes *p, const char *text)
{
	const char *at = text;

	p->n = 0;
	do {
		char *end;
		long pid = strtol(at, &end, 10);

		if (pid <= 0 || pid > INT32_MAX || (*end && *end != ',') || p->n == PROCESSES_MAX)
			client_die("%s is not PID[,PID...]", text);
		p->pid[p->n++] = (int)pid;
		at = end + 1;
	} while (at[-1] == ',');
}

uint64_t
processes_cpu_ns(const struct processes *p)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < p->n; i++) {
		clockid_t clock;
		struct timespec t;

		if (clock_getcpuclockid(p->pid[i], &clock) || clock_gettime(clock, &t))
			client_die("no CPU time of process %d", p->pid[i]);
		ns += (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	}
	return ns;
}

void
processes_rest(const struct processes *p)
{
	uint64_t before = processes_cpu_ns(p);

	for (int i = 0; i < REST_PATIENCE; i++) {
		usleep(REST_US);
		uint64_t now = processes_cpu_ns(p);

		if ((double)(now - before) < REST_SHARE * REST_US * 1e3)
			return;
		before = now;
	}
	client_die("process %d does not come to rest", p->pid[0]);
}

void
processes_memory(const struct processes *p, struct process_memory *memory)
{
	*memory = (struct process_memory){0};
	for (size_t i = 0; i < p->n; i++) {
		char path[64], line[256];
		uint64_t kib;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", p->pid[i]);
		FILE *f = fopen(path, "r");
		if (!f)
			client_die("%s: %s", path, strerror(errno));
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
				memory->pss += kib * 1024;
			else if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
				memory->rss += kib * 1024;
			else if (sscanf(line, "Pss_Anon: %" SCNu64, &kib) == 1)
				memory->anonymous += kib * 1024;
		}
		fclose(f);
	}
	if (!memory->pss)
		client_die("process %d: no Pss", p->pid[0]);
}
