/*
 * generation.c - birth and death of processes, with the pauses and deadlines between them.
 * Called by: master.c, reload.c.
 */
#include "generation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/conninfo.h"
#include "executor.h"
#include "hub/hub_segment.h"
#include "jobs/jobs_shared.h"
#include "proc/address_count.h"
#include "proc/exit_codes.h"
#include "worker.h"

/* A process that is not ready by then never will be. */
#define READY_WITHIN_MS 10000
/* The pauses between workers of a slot that die early: within so long, or before they are ready. */
#define EARLY_DEATH_MS  10000
#define THROTTLE_MIN_MS 100
#define THROTTLE_MAX_MS 10000
/* Who lived so long died of something else than those before it. */
#define FORGET_AFTER_MS 60000
/* From SIGUSR2 to SIGKILL: for close handshakes and requests in hand. */
#define LEAVE_WITHIN_MS 10000

unsigned
generation_workers(const struct config *config)
{
	return config->server_workers ? (unsigned)config->server_workers : process_cpus();
}

static bool
is_executor(const struct generation *g, unsigned index)
{
	return index == g->workers;
}

static unsigned
slot_of(const struct generation *g, unsigned index)
{
	return slot_index(is_executor(g, index) ? SEGMENT_EXECUTOR : index, g->number);
}

const char *
generation_name(const struct generation *g, unsigned index, char name[GENERATION_NAME_SIZE])
{
	if (is_executor(g, index))
		snprintf(name, GENERATION_NAME_SIZE, "executor");
	else
		snprintf(name, GENERATION_NAME_SIZE, "worker %u", index);
	return name;
}

static void
generation_set_state(struct generation *g, enum generation_state state, uint64_t deadline_ms)
{
	g->state = state;
	g->deadline_ms = deadline_ms;
}

/* Whether its dead are replaced. */
static bool
replaces(const struct generation *g)
{
	return g->state == GENERATION_STARTING || g->state == GENERATION_SERVING;
}

/* Whether its process has come so far, whatever it does now. */
static bool
is_ready(const struct slot *slot)
{
	return slot->state == SLOT_READY || slot->state == SLOT_DRAINING;
}

/* Keeps 0 to 2, the doorbells, and what only a worker needs: its listening sockets. */
static bool
close_foreign_fds(const struct generation *g, const struct common *common, bool listens)
{
	const size_t n_bells = sizeof(common->bell.fd) / sizeof(common->bell.fd[0]);
	const size_t n_listeners = listens ? g->listeners.n : 0;
	size_t n = n_bells;

	for (size_t i = 0; i < n_listeners; i++)
		n += (size_t)g->listeners.listener[i].n_fds;
	int *keep = calloc(n, sizeof(*keep));
	if (!keep) {
		log_error("generation %u: %s", g->number, strerror(ENOMEM));
		return false;
	}
	memcpy(keep, common->bell.fd, sizeof(common->bell.fd));
	n = n_bells;
	for (size_t i = 0; i < n_listeners; i++) {
		const struct listener *l = &g->listeners.listener[i];

		for (int k = 0; k < l->n_fds; k++)
			keep[n++] = l->fd[k];
	}
	process_close_fds(keep, n);
	free(keep);
	return true;
}

static int
run_worker(const struct generation *g, const struct common *common, unsigned index)
{
	const struct worker_args args = {.index = index,
					 .workers = g->workers,
					 .generation = g->number,
					 .master = common->master,
					 .config = g->config,
					 .listeners = &g->listeners,
					 .segment = common->segment,
					 .bell = &common->bell,
					 .user = common->user};

	return close_foreign_fds(g, common, true) ? worker_run(&args) : EXIT_CODE_OS;
}

/* Where this generation listens on TCP; the caller frees. NULL: out of memory. */
static struct sockaddr_storage *
own_addresses(const struct generation *g, size_t *n)
{
	struct sockaddr_storage *own = calloc(g->listeners.n + 1, sizeof(*own));

	*n = 0;
	for (size_t i = 0; own && i < g->listeners.n; i++) {
		const struct listener *l = &g->listeners.listener[i];
		socklen_t len = sizeof(own[*n]);

		if (l->n_fds > 0 &&
		    getsockname(l->fd[0], (struct sockaddr *)(void *)&own[*n], &len) == 0 &&
		    (own[*n].ss_family == AF_INET || own[*n].ss_family == AF_INET6))
			++*n;
	}
	return own;
}

static int
run_executor(const struct generation *g, const struct common *common)
{
	struct executor_args args = {.workers = g->workers,
				     .generation = g->number,
				     .master = common->master,
				     .config = g->config,
				     .segment = common->segment,
				     .bell = &common->bell,
				     .user = common->user};
	/* before the sockets are closed */
	struct sockaddr_storage *own = own_addresses(g, &args.n_own);
	int status = EXIT_CODE_OS;

	args.own = own;
	if (own && close_foreign_fds(g, common, false))
		status = executor_run(&args);
	free(own);
	return status;
}

static _Noreturn void
run_child(const struct generation *g, const struct common *common, unsigned index)
{
	int status;

	common->segment->slots[slot_of(g, index)].pid = getpid();
	if (is_executor(g, index))
		status = run_executor(g, common);
	else
		status = run_worker(g, common, index);
	/* what a start that failed for want of something leaves behind is of no interest */
	if (status != EXIT_CODE_OK)
		_exit(status);
	exit(status);
}

static uint64_t
longer_pause(uint64_t pause_ms)
{
	if (pause_ms == 0)
		return THROTTLE_MIN_MS;
	return pause_ms < THROTTLE_MAX_MS / 2 ? 2 * pause_ms : THROTTLE_MAX_MS;
}

/*
 * The next one at once, unless it is the second in a row that died early or the first that was not
 * even ready: those wait, ever longer, so that a crash at the start does not become a fork bomb.
 */
static void
plan_retry(struct child *child, bool was_ready, uint64_t now_ms)
{
	const uint64_t lived_ms = now_ms - child->spawned_ms;

	if (was_ready && lived_ms >= FORGET_AFTER_MS)
		child->next_throttle_ms = 0;
	if (was_ready && lived_ms >= EARLY_DEATH_MS) {
		child->throttle_ms = 0;
	} else {
		child->throttle_ms = child->next_throttle_ms;
		if (!was_ready && child->throttle_ms == 0)
			child->throttle_ms = THROTTLE_MIN_MS;
		child->next_throttle_ms = longer_pause(child->throttle_ms);
	}
	child->retry_ms = now_ms + child->throttle_ms;
}

static void
spawn_child(struct generation *g, const struct common *common, unsigned index)
{
	struct child *child = &g->child[index];
	struct slot *slot = &common->segment->slots[slot_of(g, index)];
	const uint64_t now_ms = clock_monotonic_ms();
	char name[GENERATION_NAME_SIZE];
	sigset_t all, before;

	slot->generation = g->number;
	slot->sleep = SLEEP_AWAKE;
	slot->state = SLOT_STARTING;
	address_count_clear(common->segment, slot_of(g, index));
	generation_name(g, index, name);
	/* the child unblocks them when it has its own handlers: none is lost in between */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		run_child(g, common, index);
	int saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	child->retry_ms = 0;
	child->ready = false;
	if (pid < 0) {
		slot->state = SLOT_EMPTY;
		plan_retry(child, false, now_ms);
		log_error("%s: fork: %s; tried again in %.1f s", name, strerror(saved),
			  (double)child->throttle_ms / 1000);
		return;
	}
	slot->pid = pid;
	child->pid = pid;
	child->spawned_ms = now_ms;
	child->ready_by_ms = now_ms + READY_WITHIN_MS;
	log_debug("%s started: pid %d, generation %u", name, (int)pid, g->number);
}

bool
generation_start(struct generation *g, const struct common *common, uint32_t number,
		 struct config *config, struct listeners *listeners)
{
	bool all = true;

	memset(g, 0, sizeof(*g));
	g->number = number;
	g->config = config;
	g->listeners = *listeners;
	*listeners = (struct listeners){0, NULL};
	g->workers = generation_workers(config);
	g->processes = g->workers + (config->store_database[0] ? 1 : 0);
	generation_set_state(g, GENERATION_STARTING, 0);
	for (unsigned i = 0; i < g->processes; i++) {
		/* neighbours step in only for a slot that stays empty from here on */
		common->segment->slots[slot_of(g, i)].empty_since_ms = clock_monotonic_ms();
		spawn_child(g, common, i);
		all = all && g->child[i].pid;
	}
	return all;
}

bool
generation_all_ready(const struct generation *g)
{
	for (unsigned i = 0; i < g->processes; i++) {
		if (!g->child[i].ready)
			return false;
	}
	return true;
}

void
generation_serve(struct generation *g)
{
	generation_set_state(g, GENERATION_SERVING, 0);
}

bool
generation_find(const struct generation *g, pid_t pid, unsigned *index)
{
	for (unsigned i = 0; i < g->processes; i++) {
		if (g->child[i].pid == pid) {
			*index = i;
			return true;
		}
	}
	return false;
}

static void
describe_status(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "died by signal %d (%s%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void
empty_slot(struct slot *slot, uint64_t now_ms)
{
	slot->pid = 0;
	slot->state = SLOT_EMPTY;
	slot->sleep = SLEEP_AWAKE;
	/* one that dies again and again before it is ready leaves the slot empty all the time */
	if (slot->empty_since_ms == 0)
		slot->empty_since_ms = now_ms;
}

bool
generation_bury(struct generation *g, const struct common *common, unsigned index, int status)
{
	struct child *child = &g->child[index];
	struct slot *slot = &common->segment->slots[slot_of(g, index)];
	const uint64_t now_ms = clock_monotonic_ms();
	const pid_t pid = child->pid;
	/* it may have become ready since we looked */
	const bool was_ready = child->ready || is_ready(slot);
	char how[80], next[40] = "", name[GENERATION_NAME_SIZE];

	empty_slot(slot, now_ms);
	hub_log_recover(common->segment, &common->bell, slot_of(g, index));
	if (is_executor(g, index))
		jobs_bury(common->segment, &common->bell, g->number % SEGMENT_GENERATIONS);
	child->pid = 0;
	child->ready = false;
	child->ready_by_ms = 0;
	describe_status(status, how, sizeof(how));
	generation_name(g, index, name);
	if (!replaces(g) && status == 0) {
		log_debug("%s (pid %d, generation %u) %s after %.3f s", name, (int)pid, g->number,
			  how, (double)(now_ms - child->spawned_ms) / 1000);
		return was_ready;
	}
	if (g->state == GENERATION_SERVING || (g->state == GENERATION_STARTING && was_ready)) {
		plan_retry(child, was_ready, now_ms);
		if (child->throttle_ms)
			snprintf(next, sizeof(next), "; replaced in %.1f s",
				 (double)child->throttle_ms / 1000);
		else
			snprintf(next, sizeof(next), "; replaced at once");
	}
	log_warning("%s (pid %d, generation %u) %s after %.3f s%s%s", name, (int)pid, g->number,
		    how, (double)(now_ms - child->spawned_ms) / 1000,
		    was_ready ? "" : ", before it was ready", next);
	return was_ready;
}

static void
signal_all(const struct generation *g, int signum)
{
	for (unsigned i = 0; i < g->processes; i++) {
		if (g->child[i].pid)
			kill(g->child[i].pid, signum);
	}
}

/* Notes that it is ready, or kills it when it is so no more in time. */
static void
watch_child(struct generation *g, const struct common *common, unsigned index, uint64_t now_ms)
{
	struct child *child = &g->child[index];
	char name[GENERATION_NAME_SIZE];

	if (child->pid && !child->ready && is_ready(&common->segment->slots[slot_of(g, index)])) {
		child->ready = true;
		child->ready_by_ms = 0;
	}
	if (child->pid && child->ready_by_ms && child->ready_by_ms <= now_ms) {
		log_warning("%s (pid %d) was not ready within %d s; killed",
			    generation_name(g, index, name), (int)child->pid,
			    READY_WITHIN_MS / 1000);
		child->ready_by_ms = 0;
		kill(child->pid, SIGKILL);
	}
}

static void
tend_children(struct generation *g, const struct common *common, uint64_t now_ms)
{
	for (unsigned i = 0; i < g->processes; i++) {
		const struct child *child = &g->child[i];

		watch_child(g, common, i, now_ms);
		if (replaces(g) && !child->pid && child->retry_ms && child->retry_ms <= now_ms)
			spawn_child(g, common, i);
	}
}

void
generation_tend(struct generation *g, const struct common *common, uint64_t now_ms)
{
	switch (g->state) {
	case GENERATION_NONE: break;
	case GENERATION_STARTING:
	case GENERATION_SERVING: tend_children(g, common, now_ms); break;
	case GENERATION_DRAINING:
		/* one that hangs in its start has not seen SIGUSR1, and the drain may take hours */
		tend_children(g, common, now_ms);
		if (g->deadline_ms <= now_ms) {
			log_info("generation %u: %u old %s told to leave, and to close their "
				 "WebSockets (1012)",
				 g->number, generation_living(g),
				 generation_living(g) == 1 ? "process is" : "processes are");
			generation_leave(g, SIGUSR2, LEAVE_WITHIN_MS);
		}
		break;
	case GENERATION_LEAVING:
		if (g->deadline_ms && g->deadline_ms <= now_ms) {
			log_warning("generation %u: %u %s left in time; killed", g->number,
				    generation_living(g),
				    generation_living(g) == 1 ? "process has not"
							      : "processes have not");
			generation_leave(g, SIGKILL, 0);
		}
		break;
	}
}

uint64_t
generation_deadline_ms(const struct generation *g)
{
	uint64_t next = g->deadline_ms ? g->deadline_ms : UINT64_MAX;

	if (!replaces(g) && g->state != GENERATION_DRAINING)
		return next;
	for (unsigned i = 0; i < g->processes; i++) {
		const struct child *child = &g->child[i];
		uint64_t at = child->pid ? child->ready_by_ms : replaces(g) ? child->retry_ms : 0;

		if (at && at < next)
			next = at;
	}
	return next;
}

void
generation_drain(struct generation *g, uint64_t timeout_ms)
{
	generation_set_state(g, GENERATION_DRAINING, clock_monotonic_ms() + timeout_ms);
	signal_all(g, SIGUSR1);
}

void
generation_leave(struct generation *g, int signum, uint64_t timeout_ms)
{
	generation_set_state(g, GENERATION_LEAVING,
			     signum == SIGKILL ? 0 : clock_monotonic_ms() + timeout_ms);
	signal_all(g, signum);
}

bool
generation_accepts_no_more(const struct generation *g, const struct common *common)
{
	for (unsigned i = 0; i < g->processes; i++) {
		if (g->child[i].pid && common->segment->slots[slot_of(g, i)].state != SLOT_DRAINING)
			return false;
	}
	return true;
}

unsigned
generation_living(const struct generation *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->processes; i++)
		n += g->child[i].pid != 0;
	return n;
}

void
generation_end(struct generation *g)
{
	config_free(&g->config);
	listeners_forget(&g->listeners);
	g->workers = g->processes = 0;
	generation_set_state(g, GENERATION_NONE, 0);
}

void
generation_describe(const struct generation *g, char *out, size_t size)
{
	char *addresses = listeners_text(&g->listeners);
	char *database =
	    g->config->store_database[0] ? config_mask_conninfo(g->config->store_database) : NULL;

	snprintf(out, size, "listening on %s; %u %s%s; database %s; conf %s",
		 addresses ? addresses : "?", g->workers, g->workers == 1 ? "worker" : "workers",
		 g->processes > g->workers ? " and an executor" : "",
		 database                       ? database
		 : g->config->store_database[0] ? "***"
						: "none",
		 g->config->file ? g->config->file : "defaults");
	free(addresses);
	free(database);
}
