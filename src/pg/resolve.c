/*
 * resolve.c - a detached thread per look-up; it and the loop share a job by two references, so
 * that either may leave first. The answer is announced by an eventfd.
 */
#include "pg/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

/* no name server makes us try more than this for one name */
#define ADDRESSES_MAX 16

int (*resolve_lookup)(const char *node, const char *service, const struct addrinfo *hints,
		      struct addrinfo **result) = getaddrinfo;

/* All but `refs` belongs to the thread until it has written to `fd`, then to the loop. */
struct job {
	atomic_int refs;
	int fd;
	struct targets wanted;
	struct targets found;
	char error[256];
};

struct resolve {
	struct watch watch;
	struct job *job;
	resolve_fn *done;
	void *ctx;
};

static void
job_unref(struct job **job)
{
	if (atomic_fetch_sub(&(*job)->refs, 1) == 1) {
		if ((*job)->fd >= 0)
			close((*job)->fd);
		targets_fini(&(*job)->wanted);
		targets_fini(&(*job)->found);
		free(*job);
	}
	*job = NULL;
}

static void
look_up(struct job *job, const struct target *target)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	size_t n = 0;

	int rc = resolve_lookup(target->host, NULL, &hints, &list);
	if (rc != 0) {
		snprintf(job->error, sizeof(job->error), "host name \"%.80s\": %s", target->host,
			 rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return;
	}
	for (const struct addrinfo *a = list; a && n < ADDRESSES_MAX; a = a->ai_next, n++) {
		char text[NI_MAXHOST];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST) != 0 ||
		    !targets_add(&job->found, target->host, text, target->port))
			snprintf(job->error, sizeof(job->error), "host name \"%.80s\": no memory",
				 target->host);
	}
	freeaddrinfo(list);
}

static void *
resolve_thread(void *arg)
{
	struct job *job = arg;

	for (size_t i = 0; i < job->wanted.n; i++) {
		const struct target *t = &job->wanted.target[i];
		if (target_needs_lookup(t))
			look_up(job, t);
		else if (!targets_add(&job->found, t->host, t->addr, t->port))
			snprintf(job->error, sizeof(job->error), "out of memory");
	}
	const uint64_t one = 1;
	/* cannot fail: the counter of an eventfd that is written once */
	ssize_t written = write(job->fd, &one, sizeof(one));
	(void)written;
	job_unref(&job);
	return NULL;
}

static void
resolve_cb(void *arg, short what)
{
	struct resolve *r = arg;
	struct job *job = r->job;
	resolve_fn *done = r->done;
	void *ctx = r->ctx;

	(void)what;
	watch_stop(&r->watch);
	free(r);
	struct targets found = job->found;
	job->found = (struct targets){0};
	if (found.n)
		done(&found, NULL, ctx);
	else
		done(NULL, job->error, ctx);
	job_unref(&job);
}

bool
resolve_needed(const struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++) {
		if (target_needs_lookup(&targets->target[i]))
			return true;
	}
	return false;
}

static int
start_thread(struct job *job)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;

	int rc = pthread_attr_init(&attr);
	if (rc != 0)
		return rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, resolve_thread, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

struct resolve *
resolve_submit(struct loop *loop, const struct targets *targets, resolve_fn *done, void *ctx)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct job *job = calloc(1, sizeof(*job));
	int rc = ENOMEM;

	if (!r || !job) {
		free(job);
		goto fail;
	}
	atomic_init(&job->refs, 1);
	job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->job = job;
	r->done = done;
	r->ctx = ctx;
	if (job->fd < 0)
		rc = errno;
	else if (targets_copy(&job->wanted, targets)) {
		watch_init(&r->watch, loop, job->fd, LOOP_READ, "store resolve", resolve_cb, r);
		atomic_store(&job->refs, 2);
		rc = start_thread(job);
		if (rc == 0 && watch_start(&r->watch))
			return r;
		if (rc != 0)
			atomic_store(&job->refs, 1);
	}
	job_unref(&r->job);
fail:
	if (rc != 0)
		log_error("store: no thread to resolve host names: %s", strerror(rc));
	free(r);
	return NULL;
}

void
resolve_abandon(struct resolve **resolve)
{
	if (!*resolve)
		return;
	watch_stop(&(*resolve)->watch);
	job_unref(&(*resolve)->job);
	free(*resolve);
	*resolve = NULL;
}
