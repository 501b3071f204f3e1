/*
 * executor.c - one process that runs jobs: builds its loop after fork, wires the layers, and ends
 * when it is told to and no job is left in hand.
 */
#include "executor.h"

#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "connections.h"
#include "hub/teller.h"
#include "jobs/runner.h"
#include "proc/exit_codes.h"

/* What a stop leaves for giving back, and after that for ending, of server.shutdown_timeout. */
#define GIVE_BACK_MS 1500
#define END_MS       500

enum executor_state {
	EXECUTOR_SERVING,
	EXECUTOR_DRAINING, /* claims nothing; its jobs run to their ends */
	EXECUTOR_STOPPING, /* the same, up to a deadline */
	EXECUTOR_LEAVING   /* gives back what still runs */
};

struct executor {
	const struct executor_args *args;
	enum executor_state state;
	struct loop *loop;
	struct hub_teller teller;
	struct runner *runner;
	struct watch term, usr1, usr2;
	struct watch leave_timer, end_timer;
};

static struct slot *
own_slot(const struct executor *e)
{
	return &e->args->segment->slots[slot_index(SEGMENT_EXECUTOR, e->args->generation)];
}

static void
executor_set_state(struct executor *e, enum executor_state state)
{
	if (state <= e->state)
		return;
	e->state = state;
	if (state == EXECUTOR_LEAVING)
		runner_leave(e->runner);
	else
		runner_drain(e->runner);
	own_slot(e)->state = SLOT_DRAINING;
	doorbell_ring(e->args->bell, DOORBELL_MASTER);
}

/* `ms` before the end of a stop; of a short one a part. */
static uint64_t
before_end(const struct executor *e, uint64_t ms, uint64_t part)
{
	const uint64_t timeout_ms = e->args->config->server_shutdown_timeout;

	return timeout_ms - (timeout_ms / part < ms ? timeout_ms / part : ms);
}

static void
usr1_cb(void *arg, short what)
{
	(void)what;
	executor_set_state(arg, EXECUTOR_DRAINING);
}

static void
usr2_cb(void *arg, short what)
{
	(void)what;
	executor_set_state(arg, EXECUTOR_LEAVING);
}

static void
term_cb(void *arg, short what)
{
	struct executor *e = arg;

	(void)what;
	if (!watch_started(&e->end_timer)) {
		watch_start_ms(&e->leave_timer, before_end(e, GIVE_BACK_MS, 2));
		watch_start_ms(&e->end_timer, before_end(e, END_MS, 5));
	}
	executor_set_state(e, EXECUTOR_STOPPING);
}

static void
leave_timer_cb(void *arg, short what)
{
	(void)what;
	executor_set_state(arg, EXECUTOR_LEAVING);
}

static void
end_timer_cb(void *arg, short what)
{
	struct executor *e = arg;

	(void)what;
	log_warning("stop: %zu jobs could not be given back in time; they are tried again when "
		    "this process has been missed",
		    runner_running(e->runner));
	loop_stop(e->loop);
}

/* It was told to drain or to leave, and nothing is left. */
static void
emptied_cb(void *ctx)
{
	struct executor *e = ctx;

	loop_stop(e->loop);
}

static void
tell_cb(struct span json, void *ctx)
{
	struct executor *e = ctx;

	/* who listens there is told what there is to tell now: nobody waits for it */
	(void)hub_teller_tell(&e->teller, SPAN_LIT("_jobs"), json);
}

/* From here on a signal is a callback. The master forked us with all of them blocked. */
static bool
start_signals(struct executor *e)
{
	sigset_t none;

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	watch_init_signal(&e->term, e->loop, SIGTERM, "SIGTERM", term_cb, e);
	watch_init_signal(&e->usr1, e->loop, SIGUSR1, "SIGUSR1", usr1_cb, e);
	watch_init_signal(&e->usr2, e->loop, SIGUSR2, "SIGUSR2", usr2_cb, e);
	if (!watch_start(&e->term) || !watch_start(&e->usr1) || !watch_start(&e->usr2))
		return false;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* The layers, from below. */
static bool
executor_build(struct executor *e)
{
	const struct executor_args *args = e->args;
	const unsigned slot = slot_index(SEGMENT_EXECUTOR, args->generation);
	const struct runner_settings settings = {
	    .config = args->config,
	    .lanes = connections_share(args->config->store_connections, args->workers).executor,
	    .segment = args->segment,
	    .bell = args->bell,
	    .slot = slot,
	    .side = args->generation % SEGMENT_GENERATIONS,
	    .own = args->own,
	    .n_own = args->n_own,
	    .tell = tell_cb,
	    .emptied = emptied_cb,
	    .ctx = e,
	};

	e->loop = loop_new();
	if (!e->loop)
		return false;
	loop_set_slow_ms(e->loop, args->config->log_slow_callback);
	watch_init_timer(&e->leave_timer, e->loop, "leave", leave_timer_cb, e);
	watch_init_timer(&e->end_timer, e->loop, "stop", end_timer_cb, e);
	if (!hub_teller_init(&e->teller, e->loop, args->segment, args->bell, slot))
		return false;
	e->runner = runner_new(e->loop, &settings);
	return e->runner && start_signals(e);
}

static void
executor_serve(struct executor *e)
{
	struct slot *slot = own_slot(e);

	slot->empty_since_ms = 0;
	slot->state = SLOT_READY;
	doorbell_ring(e->args->bell, DOORBELL_MASTER);
	loop_run(e->loop);
}

static void
executor_fini(struct executor *e)
{
	sigset_t all;

	/* without the loop a second SIGTERM would kill us, and look like a crash to the master */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	runner_free(&e->runner);
	if (e->loop)
		loop_free(&e->loop);
}

int
executor_run(const struct executor_args *args)
{
	struct executor *e = calloc(1, sizeof(*e));
	bool ok = false;

	process_set_role("executor");
	log_open((enum log_format)args->config->log_format,
		 (enum log_level)args->config->log_level);
	if (!e)
		return EXIT_CODE_OS;
	e->args = args;
	if (process_user_become(&args->user) && process_die_with(args->master) &&
	    executor_build(e)) {
		executor_serve(e);
		ok = true;
	}
	executor_fini(e);
	free(e);
	return ok ? EXIT_CODE_OK : EXIT_CODE_OS;
}
