/*
 * worker.c - one serving process: builds its loop after fork, wires the layers, and ends when it is
 * told to and nothing is left in hand.
 */
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "connections.h"
#include "greet/greet.h"
#include "http/access_log.h"
#include "http/server.h"
#include "hub/hub.h"
#include "jobs/job_told.h"
#include "jobs/jobs.h"
#include "jobs/jobs_shared.h"
#include "openapi/openapi.h"
#include "proc/exit_codes.h"
#include "proc/owner.h"
#include "store/store.h"

/* How often a worker looks whether a neighbour's sockets want it. */
#define OWNER_CHECK_MS 250
/*
 * From SIGUSR1 until nothing is accepted any more: long enough to take what still waits on an
 * address that leaves the configuration, since nobody else will.
 */
#define DRAIN_GRACE_MS 20

enum worker_state {
	WORKER_SERVING,
	WORKER_DRAINING, /* takes nothing new; WebSockets stay until their clients leave */
	WORKER_LEAVING,  /* as DRAINING; WebSockets were closed with 1012 */
	WORKER_STOPPING  /* as DRAINING; WebSockets were closed with 1001; ends at its deadline */
};

struct worker {
	const struct worker_args *args;
	enum worker_state state;
	bool accepting;
	bool drained; /* the front door has no connection left */
	struct loop *loop;
	struct route_table routes;
	struct hub *hub;
	struct store *store;
	struct jobs *jobs;
	struct greet_readiness readiness;
	struct address_count addresses;
	struct http_server *http;
	struct access_log *access_log; /* NULL: off */
	uint64_t *polled;              /* per listener, a bit per socket that we accept from */
	struct watch term, usr1, usr2;
	struct watch owner_timer, grace_timer, stop_timer;
};

_Static_assert(SEGMENT_MAX_WORKERS <= 64, "a bit per socket in worker.polled");

static struct slot *
own_slot(const struct worker *w)
{
	return &w->args->segment->slots[slot_index(w->args->index, w->args->generation)];
}

/* Whether this worker is the one, or one of those, that accept from socket k of `l`. */
static bool
is_ours(const struct worker *w, const struct listener *l, unsigned k, uint64_t now_ms)
{
	const struct worker_args *args = w->args;

	return l->shared || k == args->index ||
	       socket_owner(args->segment, args->generation, args->workers, k, now_ms) ==
		   args->index;
}

/* Starts and stops accepting as the slots of the neighbours want it now. */
static bool
check_sockets(struct worker *w)
{
	const struct listeners *listeners = w->args->listeners;
	const uint64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < listeners->n; i++) {
		const struct listener *l = &listeners->listener[i];

		for (unsigned k = 0; k < (unsigned)l->n_fds; k++) {
			const uint64_t bit = UINT64_C(1) << k;
			const bool want = is_ours(w, l, k, now_ms);

			if (want == ((w->polled[i] & bit) != 0))
				continue;
			if (!want)
				http_server_unlisten(w->http, l->fd[k]);
			else if (!http_server_listen(w->http, l->fd[k], &l->address))
				return false;
			if (!l->shared && k != w->args->index)
				log_debug("%s the connections of worker %u on %s",
					  want ? "accepting" : "leaving", k, l->address.text);
			w->polled[i] ^= bit;
		}
	}
	return true;
}

static void
owner_timer_cb(void *arg, short what)
{
	struct worker *w = arg;

	(void)what;
	check_sockets(w);
	watch_start_ms(&w->owner_timer, OWNER_CHECK_MS);
}

static void
end_when_empty(struct worker *w)
{
	if (w->drained && hub_connections(w->hub) == 0)
		loop_stop(w->loop);
}

/* The close code of the present state; 0: WebSockets may stay. */
static unsigned
close_code(const struct worker *w)
{
	switch (w->state) {
	case WORKER_SERVING:
	case WORKER_DRAINING: return 0;
	case WORKER_LEAVING: return 1012;
	case WORKER_STOPPING: return 1001;
	}
	return 0;
}

static void
drained_cb(void *ctx)
{
	struct worker *w = ctx;

	w->drained = true;
	/* one that was upgraded on the way out */
	if (close_code(w))
		hub_close_all(w->hub, close_code(w));
	end_when_empty(w);
}

static void
emptied_cb(void *ctx)
{
	end_when_empty(ctx);
}

static void
stop_accepting(struct worker *w)
{
	const struct listeners *listeners = w->args->listeners;

	w->accepting = false;
	watch_stop(&w->owner_timer);
	http_server_drain(w->http, drained_cb, w);
	/* they are the front door's connections, and have no end of their own */
	hub_end_streams(w->hub);
	/*
	 * Our copies only: a socket that left the configuration must close, so that its clients are
	 * refused instead of waiting in a queue for the hour that a drain may take.
	 */
	for (size_t i = 0; i < listeners->n; i++) {
		for (int k = 0; k < listeners->listener[i].n_fds; k++)
			close(listeners->listener[i].fd[k]);
	}
	own_slot(w)->state = SLOT_DRAINING;
	doorbell_ring(w->args->bell, DOORBELL_MASTER);
}

static void
worker_set_state(struct worker *w, enum worker_state state)
{
	if (state <= w->state)
		return;
	w->state = state;
	store_leave_feed(w->store);
	jobs_leave(w->jobs);
	if (w->accepting && !watch_started(&w->grace_timer))
		watch_start_ms(&w->grace_timer, DRAIN_GRACE_MS);
	if (close_code(w))
		hub_close_all(w->hub, close_code(w));
	end_when_empty(w);
}

static void
grace_timer_cb(void *arg, short what)
{
	(void)what;
	stop_accepting(arg);
}

static void
usr1_cb(void *arg, short what)
{
	(void)what;
	worker_set_state(arg, WORKER_DRAINING);
}

static void
usr2_cb(void *arg, short what)
{
	(void)what;
	worker_set_state(arg, WORKER_LEAVING);
}

static void
term_cb(void *arg, short what)
{
	struct worker *w = arg;
	/* the master kills at the end of server.shutdown_timeout: be gone a little earlier */
	const uint64_t timeout_ms = w->args->config->server_shutdown_timeout;

	(void)what;
	if (!watch_started(&w->stop_timer))
		watch_start_ms(&w->stop_timer,
			       timeout_ms - (timeout_ms < 2500 ? timeout_ms / 5 : 500));
	worker_set_state(w, WORKER_STOPPING);
}

static void
stop_timer_cb(void *arg, short what)
{
	struct worker *w = arg;

	(void)what;
	log_warning("stop: %zu connections and %zu WebSockets were not done in time; closed",
		    http_server_connections(w->http), hub_connections(w->hub));
	loop_stop(w->loop);
}

/*
 * Whoever asks this worker, on a connection that a stop has left for a moment, is to go elsewhere;
 * a worker that a reload replaces has a successor at the same address.
 */
static const char *
why_not_ready(void *ctx)
{
	const struct worker *w = ctx;

	if (w->state == WORKER_STOPPING)
		return "The server is stopping.";
	if (!store_is_usable(w->store))
		return "This worker has no connection to the database of products and jobs.";
	return NULL;
}

/* From here on a signal is a callback. The master forked us with all of them blocked. */
static bool
start_signals(struct worker *w)
{
	sigset_t none;

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log file at its limit is an error of write */
	signal(SIGCHLD, SIG_DFL);
	watch_init_signal(&w->term, w->loop, SIGTERM, "SIGTERM", term_cb, w);
	watch_init_signal(&w->usr1, w->loop, SIGUSR1, "SIGUSR1", usr1_cb, w);
	watch_init_signal(&w->usr2, w->loop, SIGUSR2, "SIGUSR2", usr2_cb, w);
	if (!watch_start(&w->term) || !watch_start(&w->usr1) || !watch_start(&w->usr2))
		return false;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* Changes of products go into a room of the hub. */
static bool
tell_cb(struct span id, struct span json, void *ctx)
{
	return hub_tell(ctx, SPAN_LIT("_products"), id, json);
}

static size_t
last_id_cb(char *id, size_t size, void *ctx)
{
	return hub_last_id(ctx, SPAN_LIT("_products"), id, size);
}

/* Changes of jobs go into another one. */
static void
tell_job_cb(struct span json, void *ctx)
{
	/* a room that takes nothing now misses it: the database has it all */
	if (!hub_tell(ctx, SPAN_LIT(JOBS_ROOM), span_from(NULL, 0), json))
		log_debug("the room " JOBS_ROOM " was not told of a job");
}

static bool
start_jobs(struct worker *w, unsigned lanes)
{
	const struct worker_args *args = w->args;
	const struct jobs_host host = {
	    .config = args->config,
	    .segment = args->segment,
	    .bell = args->bell,
	    .slot = slot_index(args->index, args->generation),
	    .lanes = lanes,
	    .tell = tell_job_cb,
	    .ctx = w->hub,
	};

	w->jobs = jobs_new(w->loop, &host);
	return w->jobs != NULL;
}

static bool
start_feed(struct worker *w)
{
	const struct worker_args *args = w->args;
	const struct store_host host = {
	    .segment = args->segment,
	    .bell = args->bell,
	    .slot = slot_index(args->index, args->generation),
	    .room = {.tell = tell_cb, .last_id = last_id_cb, .ctx = w->hub},
	    /* products before jobs */
	    .scarce_until_ms = &jobs_shared_of(args->segment)->held_until_ms,
	};

	return store_start_feed(w->store, args->config, &host);
}

/* The layers, from below. */
static bool
worker_build(struct worker *w)
{
	const struct worker_args *args = w->args;
	const struct config *config = args->config;
	const unsigned slot = slot_index(args->index, args->generation);
	const struct connections share =
	    connections_share(config->store_connections, args->workers);

	w->polled = calloc(args->listeners->n ? args->listeners->n : 1, sizeof(*w->polled));
	w->loop = loop_new();
	if (!w->polled || !w->loop)
		return false;
	loop_set_slow_ms(w->loop, config->log_slow_callback);
	watch_init_timer(&w->owner_timer, w->loop, "listening sockets", owner_timer_cb, w);
	watch_init_timer(&w->grace_timer, w->loop, "drain", grace_timer_cb, w);
	watch_init_timer(&w->stop_timer, w->loop, "stop", stop_timer_cb, w);

	w->hub = hub_new(w->loop, config, args->segment, args->bell, slot);
	w->store = w->hub ? store_new(w->loop, config, share.store) : NULL;
	if (!w->store || !start_feed(w) || !start_jobs(w, share.jobs))
		return false;
	hub_on_empty(w->hub, emptied_cb, w);
	w->readiness = (struct greet_readiness){why_not_ready, w};
	greet_add_routes(&w->readiness, &w->routes);
	hub_add_routes(w->hub, &w->routes);
	openapi_add_routes(&w->routes);
	store_add_routes(w->store, &w->routes);
	jobs_add_routes(w->jobs, &w->routes);
	w->addresses = (struct address_count){args->segment, slot};
	w->http = http_server_new(w->loop, config, &w->routes, &w->addresses);
	if (!w->http)
		return false;
	if (w->access_log) {
		http_server_set_access_log(w->http, w->access_log);
		access_log_start(w->access_log, w->loop);
	}
	return start_signals(w);
}

static bool
worker_serve(struct worker *w)
{
	struct slot *slot = own_slot(w);

	w->accepting = true;
	if (!check_sockets(w) || !watch_start_ms(&w->owner_timer, OWNER_CHECK_MS))
		return false;
	slot->empty_since_ms = 0;
	slot->state = SLOT_READY;
	/* again, because now we count among the neighbours of sockets without a worker */
	if (!check_sockets(w))
		return false;
	doorbell_ring(w->args->bell, DOORBELL_MASTER);
	loop_run(w->loop);
	return true;
}

/* Requests that still wait get their answer from the store's end, into connections that are gone.
 */
static void
worker_fini(struct worker *w)
{
	sigset_t all;

	/* without the loop a second SIGTERM would kill us, and look like a crash to the master */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (w->http)
		http_server_abort(w->http);
	jobs_free(&w->jobs);
	store_free(&w->store);
	hub_free(&w->hub);
	if (w->http)
		http_server_free(&w->http);
	access_log_free(&w->access_log);
	if (w->loop)
		loop_free(&w->loop);
	free(w->polled);
}

int
worker_run(const struct worker_args *args)
{
	struct worker *w = calloc(1, sizeof(*w));
	char role[32];
	bool ok = false;

	snprintf(role, sizeof(role), "worker %u", args->index);
	process_set_role(role);
	log_open((enum log_format)args->config->log_format,
		 (enum log_level)args->config->log_level);
	if (!w)
		return EXIT_CODE_OS;
	w->args = args;
	/* before the user changes: it opens what was given to us, not to that user */
	w->access_log = access_log_new(args->config, args->index);
	if (!process_user_become(&args->user) || !process_die_with(args->master)) {
		access_log_free(&w->access_log);
		free(w);
		return EXIT_CODE_OS;
	}
	ok = worker_build(w) && worker_serve(w);
	worker_fini(w);
	free(w);
	return ok ? EXIT_CODE_OK : EXIT_CODE_OS;
}
