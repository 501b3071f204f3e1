/*
 * reload.c - SIGHUP: check the new configuration whole, start a generation on it beside the old
 * one, and only when that serves let the old one drain. Called by: master.c.
 */
#include "reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "master_state.h"
#include "preflight.h"
#include "proc/notify.h"

/* An old worker that does not answer its signal holds up a reload no longer than that. */
#define HANDOVER_MAX_MS 1000

static void
reload_refuse(struct master *m, const char *why)
{
	log_error("reload refused: %s; the running configuration stays", why);
	/* systemd waits for READY=1 after every RELOADING=1 */
	notify_send("READY=1\nSTATUS=reload refused: %s", why);
	m->state = MASTER_SERVING;
}

static void
log_kept(const char *name, bool restart, void *ctx)
{
	(void)ctx;
	if (restart)
		log_warning("reload: %s has changed; only a restart applies that", name);
}

static void
log_changed(const char *name, bool restart, void *ctx)
{
	(void)restart;
	(void)ctx;
	log_info("reload: %s has changed", name);
}

/*
 * Checked as the file has it, for a restart has to take it too, and then as it comes into force,
 * with what only a restart would change.
 */
static bool
check_next(const struct config *now, struct config *next, struct config_errors *errors)
{
	if (!preflight_check(next, errors))
		return false;
	config_compare(now, next, log_kept, NULL);
	if (!config_keep_restart(now, next) || !preflight_check(next, errors))
		return false;
	config_compare(now, next, log_changed, NULL);
	return true;
}

/* NULL when it is refused. */
static struct config *
load_next(struct master *m, const struct config *now)
{
	const struct master_args *args = m->args;
	struct config_errors errors = {0, NULL};

	struct config *next = config_load(args->file, args->file_required, args->overrides,
					  args->n_overrides, &errors);
	if (!next || !check_next(now, next, &errors)) {
		for (size_t i = 0; i < errors.n; i++)
			log_error("%s", errors.line[i]);
		reload_refuse(m, errors.n > 0 ? errors.line[0] : "out of memory");
		config_free(&next);
	}
	config_errors_fini(&errors);
	return next;
}

void
reload_begin(struct master *m)
{
	const struct generation *now = master_generation(m, m->serving);

	m->reload_again = false;
	m->reload_us = clock_monotonic_us();
	notify_reloading();
	log_info("SIGHUP: reading %s", m->args->file);
	m->next = load_next(m, now->config);
	if (!m->next)
		return;
	if (!listeners_open(&m->next_listeners, &m->next->server_listen,
			    generation_workers(m->next), &now->listeners)) {
		config_free(&m->next);
		reload_refuse(m, "an address cannot be opened, see above");
		return;
	}
	m->state = MASTER_WAITING;

	/* slots are for two generations: the eldest of three has to go */
	struct generation *eldest = master_generation(m, m->serving + 1);
	if (eldest->state == GENERATION_DRAINING)
		eldest->deadline_ms = clock_monotonic_ms();
	reload_step(m);
}

static void
start_next(struct master *m)
{
	/* numbers only rise, and the parity is the other one */
	m->last_number += m->last_number % 2 == m->serving % 2 ? 1 : 2;
	m->state = MASTER_RELOADING;
	if (!generation_start(master_generation(m, m->last_number), &m->common, m->last_number,
			      m->next, &m->next_listeners))
		reload_fail(m);
	m->next = NULL;
}

static void
hand_over(struct master *m)
{
	struct generation *old = master_generation(m, m->serving);
	struct generation *now = master_generation(m, m->last_number);

	generation_serve(now);
	m->serving = now->number;
	log_open((enum log_format)now->config->log_format, (enum log_level)now->config->log_level);
	generation_drain(old, now->config->server_drain_timeout);
	/* those that left the configuration; the old workers close theirs when they are drained */
	listeners_close_except(&old->listeners, &now->listeners);
	m->state = MASTER_HANDOVER;
	m->handover_until_ms = clock_monotonic_ms() + HANDOVER_MAX_MS;
}

/* From here on every new connection meets the new configuration. */
static void
finish(struct master *m)
{
	const struct generation *now = master_generation(m, m->serving);
	char text[2048];

	m->state = MASTER_SERVING;
	m->handover_until_ms = 0;
	generation_describe(now, text, sizeof(text));
	preflight_warn(now->config);
	log_info("reloaded: %s, generation %u, %llu ms", text, now->number,
		 (unsigned long long)(clock_monotonic_us() - m->reload_us) / 1000);
	notify_send("READY=1\nSTATUS=serving: %s", text);
}

void
reload_step(struct master *m)
{
	const struct generation *other = master_generation(m, m->serving + 1);

	if (m->state == MASTER_WAITING && other->state == GENERATION_NONE)
		start_next(m);
	if (m->state == MASTER_RELOADING && generation_all_ready(other)) {
		hand_over(m);
		return;
	}
	if (m->state == MASTER_HANDOVER && (generation_accepts_no_more(other, &m->common) ||
					    clock_monotonic_ms() >= m->handover_until_ms))
		finish(m);
}

void
reload_fail(struct master *m)
{
	struct generation *failed = master_generation(m, m->last_number);

	generation_leave(failed, SIGKILL, 0);
	listeners_close_except(&failed->listeners, &master_generation(m, m->serving)->listeners);
	reload_refuse(m, "a new worker could not start, see above");
}

void
reload_forget(struct master *m)
{
	listeners_close_except(&m->next_listeners, &master_generation(m, m->serving)->listeners);
	config_free(&m->next);
	m->reload_again = false;
}
