/*
 * loop.c - libevent behind named, timed callbacks; the outer loop runs the pass hooks.
 */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct loop {
	struct event_base *base;
	struct pass_hook *hooks;
	struct news_hook *news;
	bool (*sleep)(void *arg);
	void (*wake)(void *arg);
	void *sleep_arg;
	uint64_t now_us;
	uint64_t slow_us;
	bool stopping;
	bool asleep;  /* `sleep` was called and no callback has run since */
	bool is_late; /* time has passed since now_us: there was a wait */
};

/* libevent would write lines of its own to stderr. */
static void
libevent_log_cb(int severity, const char *message)
{
	if (severity == EVENT_LOG_ERR)
		log_error("libevent: %s", message);
	else if (severity == EVENT_LOG_WARN)
		log_warning("libevent: %s", message);
	else
		log_debug("libevent: %s", message);
}

struct loop *
loop_new(void)
{
	event_set_log_callback(libevent_log_cb);
	struct event_config *cfg = event_config_new();
	struct loop *loop = calloc(1, sizeof(*loop));

	if (cfg && loop) {
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
		loop->base = event_base_new_with_config(cfg);
	}
	if (cfg)
		event_config_free(cfg);
	if (!loop || !loop->base) {
		log_error("event loop: cannot be made: %s", strerror(errno));
		free(loop);
		return NULL;
	}
	loop->now_us = clock_monotonic_us();
	return loop;
}

void
loop_free(struct loop **loop)
{
	if (!*loop)
		return;
	event_base_free((*loop)->base);
	free(*loop);
	*loop = NULL;
}

void
loop_set_slow_ms(struct loop *loop, uint64_t ms)
{
	loop->slow_us = ms * 1000;
}

/*
 * A callback begins when the one before it has ended: so the clock is read once for each, and once
 * more after a wait.
 */
static void
begin_callback(struct loop *loop)
{
	if (!loop->is_late)
		return;
	loop->is_late = false;
	loop->now_us = clock_monotonic_us();
}

static void
end_callback(struct loop *loop, const char *name)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t took_us = now_us - loop->now_us;

	loop->now_us = now_us;
	if (loop->slow_us && took_us >= loop->slow_us)
		log_warning("slow callback: %s took %llu ms", name,
			    (unsigned long long)(took_us / 1000));
}

static void
watch_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct loop *loop = w->loop;
	/* the watch may be gone when fn returns */
	const char *name = w->name;

	(void)fd;
	begin_callback(loop);
	if (loop->asleep) {
		loop->asleep = false;
		loop->wake(loop->sleep_arg);
	}
	w->fn(w->arg, what & (EV_READ | EV_WRITE));
	end_callback(loop, name);
}

static bool
run_hooks(struct loop *loop)
{
	bool more = false;

	for (struct pass_hook *h = loop->hooks; h; h = h->next) {
		begin_callback(loop);
		if (h->fn(h->arg))
			more = true;
		end_callback(loop, h->name);
	}
	return more;
}

/* False: there is something to do after all. */
static bool
fall_asleep(struct loop *loop)
{
	if (loop->sleep && !loop->sleep(loop->sleep_arg))
		return false;
	for (const struct news_hook *h = loop->news; h; h = h->next) {
		if (!h->fn(h->arg))
			continue;
		if (loop->sleep)
			loop->wake(loop->sleep_arg);
		return false;
	}
	loop->asleep = loop->sleep != NULL;
	return true;
}

void
loop_run(struct loop *loop)
{
	loop->is_late = true;
	while (!loop->stopping) {
		int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

		if (run_hooks(loop))
			flags |= EVLOOP_NONBLOCK;
		if (loop->stopping)
			break;
		if (!(flags & EVLOOP_NONBLOCK) && !fall_asleep(loop))
			flags |= EVLOOP_NONBLOCK;
		loop->is_late = true;
		if (event_base_loop(loop->base, flags) < 0) {
			log_error("event loop: wait failed: %s", strerror(errno));
			break;
		}
	}
	loop->stopping = false;
}

void
loop_stop(struct loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

uint64_t
loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

static void
watch_assign(struct watch *w, struct loop *loop, int fd, short events, const char *name,
	     loop_fn *fn, void *arg)
{
	w->loop = loop;
	w->name = name;
	w->fn = fn;
	w->arg = arg;
	event_assign(&w->ev, loop->base, fd, events, watch_cb, w);
}

void
watch_init(struct watch *w, struct loop *loop, int fd, short events, const char *name, loop_fn *fn,
	   void *arg)
{
	watch_assign(w, loop, fd, (short)(events | EV_PERSIST), name, fn, arg);
}

void
watch_init_timer(struct watch *w, struct loop *loop, const char *name, loop_fn *fn, void *arg)
{
	watch_assign(w, loop, -1, 0, name, fn, arg);
}

void
watch_init_signal(struct watch *w, struct loop *loop, int signum, const char *name, loop_fn *fn,
		  void *arg)
{
	watch_assign(w, loop, signum, EV_SIGNAL | EV_PERSIST, name, fn, arg);
}

static bool
watch_add(struct watch *w, const struct timeval *tv)
{
	if (event_add(&w->ev, tv) == 0)
		return true;
	log_error("event loop: %s cannot be watched: %s", w->name, strerror(errno));
	return false;
}

bool
watch_start(struct watch *w)
{
	return watch_started(w) || watch_add(w, NULL);
}

bool
watch_start_ms(struct watch *w, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	return watch_add(w, &tv);
}

void
watch_stop(struct watch *w)
{
	event_del(&w->ev);
}

bool
watch_started(const struct watch *w)
{
	return event_pending(&w->ev, EV_READ | EV_WRITE | EV_SIGNAL | EV_TIMEOUT, NULL) != 0;
}

void
loop_add_pass_hook(struct loop *loop, struct pass_hook *hook)
{
	struct pass_hook **end = &loop->hooks;

	while (*end)
		end = &(*end)->next;
	hook->next = NULL;
	*end = hook;
}

void
loop_add_news_hook(struct loop *loop, struct news_hook *hook)
{
	struct news_hook **end = &loop->news;

	while (*end)
		end = &(*end)->next;
	hook->next = NULL;
	*end = hook;
}

void
loop_set_sleep(struct loop *loop, bool (*sleep)(void *arg), void (*wake)(void *arg), void *arg)
{
	loop->sleep = sleep;
	loop->wake = wake;
	loop->sleep_arg = arg;
}
