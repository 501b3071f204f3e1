/*
 * master.c - the parent: one thread, one poll() over signals, the doorbell and the next deadline.
 * It starts, replaces and stops workers and never reads a client's byte.
 */
#include "master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/hub_segment.h"
#include "master_state.h"
#include "preflight.h"
#include "proc/exit_codes.h"
#include "proc/notify.h"
#include "reload.h"

/* Blocked for good; they are read from signal_fd. */
static bool
open_signals(struct master *m)
{
	static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++) {
		/* an ignored one, as a shell's background job inherits it, would never arrive */
		signal(handled[i], SIG_DFL);
		sigaddset(&set, handled[i]);
	}
	/* a log that nobody reads any more must not end us; and what only workers are told */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	m->signal_fd = -1;
	if (sigprocmask(SIG_SETMASK, &set, NULL) == 0)
		m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		log_error("signalfd: %s", strerror(errno));
	return m->signal_fd >= 0;
}

static void
leave_all(struct master *m, int signum, uint64_t timeout_ms)
{
	for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++) {
		if (m->generation[i].state != GENERATION_NONE)
			generation_leave(&m->generation[i], signum, timeout_ms);
	}
}

/* All workers get `signum`, and at the deadline SIGKILL. The loop ends when they have. */
static void
master_stop(struct master *m, int signum, int exit_code)
{
	/* room below server.shutdown_timeout for the last ones to die and for us to exit */
	const uint64_t timeout_ms =
	    master_generation(m, m->serving)->config->server_shutdown_timeout;
	const uint64_t margin_ms = timeout_ms < 2000 ? timeout_ms / 10 : 200;

	reload_forget(m);
	m->state = MASTER_STOPPING;
	m->exit_code = exit_code;
	leave_all(m, signum, timeout_ms - margin_ms);
	/* so that new clients are refused as soon as the workers have closed theirs */
	listeners_close_except(&master_generation(m, m->serving + 1)->listeners,
			       &master_generation(m, m->serving)->listeners);
	listeners_close(&master_generation(m, m->serving)->listeners);
}

/* Everything before the first fork. Returns EXIT_CODE_OK when the first generation is on its way.
 */
static int
master_start(struct master *m)
{
	struct config *config = m->args->config;
	struct listeners listeners;

	const char *error =
	    process_user_find(config->server_user, config->server_group, &m->common.user);
	if (error) {
		log_error("server.user, server.group: %s", error);
		config_free(&config);
		return EXIT_CODE_CONFIG;
	}
	preflight_warn(config);
	process_raise_nofile();
	if (!open_signals(m) || !doorbell_init(&m->common.bell) ||
	    !listeners_open(&listeners, &config->server_listen, generation_workers(config), NULL)) {
		config_free(&config);
		return EXIT_CODE_OS;
	}
	m->common.segment = segment_new(hub_memory(config));
	if (!m->common.segment || !hub_log_format(m->common.segment, config)) {
		listeners_close(&listeners);
		config_free(&config);
		return EXIT_CODE_OS;
	}
	m->common.master = getpid();
	m->serving = m->last_number = 1;
	if (!generation_start(master_generation(m, 1), &m->common, 1, config, &listeners))
		master_stop(m, SIGKILL, EXIT_CODE_OS);
	return EXIT_CODE_OK;
}

static void
say_ready(struct master *m)
{
	struct generation *g = master_generation(m, m->serving);
	char text[2048];

	generation_serve(g);
	m->state = MASTER_SERVING;
	generation_describe(g, text, sizeof(text));
	log_info("READY: plaza %s %s; %llu ms", PLAZA_VERSION, text,
		 (unsigned long long)(clock_monotonic_us() - m->args->started_us) / 1000);
	notify_send("READY=1\nSTATUS=serving: %s", text);
}

static void
take_stop(struct master *m, const struct signalfd_siginfo *info)
{
	const char *name = info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";

	if (m->state == MASTER_STOPPING) {
		log_info("%s again: stopping at once", name);
		leave_all(m, SIGKILL, 0);
		return;
	}
	log_info("%s: stopping", name);
	notify_send("STOPPING=1\nSTATUS=stopping");
	master_stop(m, SIGTERM, EXIT_CODE_OK);
}

static void
take_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT: take_stop(m, &info); break;
		case SIGHUP: m->reload_again = m->state != MASTER_STOPPING; break;
		default: break; /* SIGCHLD: take_ends looks anyway */
		}
	}
}

static void
take_end(struct master *m, struct generation *g, unsigned index, int status)
{
	bool was_ready = generation_bury(g, &m->common, index, status);

	/* SIGKILL comes from outside: what is killed may be anywhere, but has done nothing wrong */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		chat_log_check_begin(&m->check);

	if (g->state == GENERATION_STARTING && !was_ready) {
		if (m->state == MASTER_STARTING) {
			char name[GENERATION_NAME_SIZE];

			log_error("start failed: %s ended before it was ready",
				  generation_name(g, index, name));
			master_stop(m, SIGKILL, EXIT_CODE_OS);
		} else {
			reload_fail(m);
		}
	}
}

static void
take_ends(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++) {
			unsigned index;

			if (generation_find(&m->generation[i], pid, &index)) {
				take_end(m, &m->generation[i], index, status);
				break;
			}
		}
	}
}

/* Draining ones whose last worker has ended. */
static void
end_generations(struct master *m)
{
	for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++) {
		struct generation *g = &m->generation[i];

		if ((g->state == GENERATION_DRAINING || g->state == GENERATION_LEAVING) &&
		    generation_living(g) == 0) {
			log_debug("generation %u has ended", g->number);
			generation_end(g);
		}
	}
}

/* Waits for a signal, a ring or the next deadline, or only looks for them. */
static void
wait_for_news(struct master *m, bool has_work)
{
	struct pollfd fds[2] = {{m->signal_fd, POLLIN, 0},
				{m->common.bell.fd[DOORBELL_MASTER], POLLIN, 0}};
	uint64_t next = UINT64_MAX, now_ms = clock_monotonic_ms();
	int wait_ms = -1;

	for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++) {
		uint64_t at = generation_deadline_ms(&m->generation[i]);
		next = at < next ? at : next;
	}
	if (m->state == MASTER_HANDOVER && m->handover_until_ms < next)
		next = m->handover_until_ms;
	if (next != UINT64_MAX)
		wait_ms = next <= now_ms ? 0 : next - now_ms > 60000 ? 60000 : (int)(next - now_ms);
	if (has_work)
		wait_ms = 0;
	if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	if (fds[1].revents)
		doorbell_answer(&m->common.bell, DOORBELL_MASTER);
}

static bool
all_ended(const struct master *m)
{
	for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++) {
		if (m->generation[i].state != GENERATION_NONE)
			return false;
	}
	return true;
}

/* What follows from what is known; then wait, and learn more. */
static void
master_loop(struct master *m)
{
	for (;;) {
		for (unsigned i = 0; i < SEGMENT_GENERATIONS; i++)
			generation_tend(&m->generation[i], &m->common, clock_monotonic_ms());
		end_generations(m);
		if (m->state == MASTER_STOPPING && all_ended(m))
			break;
		if (m->state == MASTER_STARTING &&
		    generation_all_ready(master_generation(m, m->serving)))
			say_ready(m);
		reload_step(m);
		if (m->state == MASTER_SERVING && m->reload_again)
			reload_begin(m);

		wait_for_news(m, m->state != MASTER_STOPPING &&
				     hub_log_check(m->common.segment, &m->common.bell, &m->check));
		take_signals(m);
		take_ends(m);
	}
}

static void
master_end(struct master *m)
{
	segment_free(&m->common.segment);
	if (m->exit_code == EXIT_CODE_OK)
		log_info("stopped");
}

int
master_run(const struct master_args *args)
{
	struct master m = {.args = args, .state = MASTER_STARTING, .signal_fd = -1};

	process_set_role("master");
	int code = master_start(&m);
	if (code != EXIT_CODE_OK)
		return code;
	master_loop(&m);
	master_end(&m);
	return m.exit_code;
}
