/*
 * jobs_host.h - what a worker's job queue is given by the process that it is in.
 */
#ifndef PLAZA_JOBS_JOBS_HOST_H
#define PLAZA_JOBS_JOBS_HOST_H

#include "base/span.h"
#include "config/config.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct jobs_host {
	const struct config *config;
	const struct segment *segment;
	const struct doorbell *bell;
	unsigned slot;  /* this worker's */
	unsigned lanes; /* 1 to 3 connections; without store.database none is opened */
	void (*tell)(struct span json, void *ctx); /* into the room `_jobs` (job_told.h) */
	void *ctx;
};

#endif
