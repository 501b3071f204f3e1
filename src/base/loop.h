/*
 * loop.h - a worker's event loop: libevent with named, timed callbacks and an end-of-pass hook.
 *
 * A pass is one wait and every callback that became ready by it. Each callback is timed; one that
 * takes longer than the limit is logged with its name. When the callbacks of a pass are done, the
 * pass-end hooks run, so that work which gathered during the pass (chat frames, database
 * requests) leaves together.
 *
 * Watches and timers are embedded in their owner: no allocation. Stopping one inside any
 * callback, its own included, is safe; its memory may be freed at once after the stop.
 */
#ifndef PLAZA_BASE_LOOP_H
#define PLAZA_BASE_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

#define LOOP_READ  EV_READ
#define LOOP_WRITE EV_WRITE

/* `what` is LOOP_READ and/or LOOP_WRITE for a descriptor; 0 for a timer or a signal. */
typedef void loop_fn(void *arg, short what);

struct watch {
	struct event ev;
	struct loop *loop;
	const char *name; /* a literal: "conn read" */
	loop_fn *fn;
	void *arg;
};

/* NULL on failure, logged. Make it after fork: epoll descriptors must not be shared. */
struct loop *loop_new(void);
void loop_free(struct loop **loop);

/* Callbacks at or over this many milliseconds are logged; 0 turns that off. */
void loop_set_slow_ms(struct loop *loop, uint64_t ms);

/* Runs until loop_stop; may be called again after that. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* When the running callback began; CLOCK_MONOTONIC. One clock read serves a whole callback. */
uint64_t loop_now_us(const struct loop *loop);

static inline uint64_t
loop_now_ms(const struct loop *loop)
{
	return loop_now_us(loop) / 1000;
}

/* A descriptor: fn is called as long as it is ready (level-triggered) and started. */
void watch_init(struct watch *w, struct loop *loop, int fd, short events, const char *name,
		loop_fn *fn, void *arg);
/* A timer that fires once per watch_start_ms. */
void watch_init_timer(struct watch *w, struct loop *loop, const char *name, loop_fn *fn, void *arg);
void watch_init_signal(struct watch *w, struct loop *loop, int signum, const char *name,
		       loop_fn *fn, void *arg);

/* Idempotent. False when the kernel or memory refuses (logged). */
bool watch_start(struct watch *w);
bool watch_start_ms(struct watch *w, uint64_t ms);
void watch_stop(struct watch *w);
bool watch_started(const struct watch *w);

/*
 * A hook at the end of every pass, in the order in which they were added. Returns true when it
 * has more to do: then the next wait does not block.
 */
struct pass_hook {
	bool (*fn)(void *arg);
	const char *name;
	void *arg;
	struct pass_hook *next;
};

void loop_add_pass_hook(struct loop *loop, struct pass_hook *hook);

/*
 * Called (if set) when all pass hooks had nothing to do and the loop is about to block, and when
 * the first callback after a wait begins. `sleep` returns false to forbid the block. It is how a
 * worker tells the others that it must be rung awake.
 */
void loop_set_sleep(struct loop *loop, bool (*sleep)(void *arg), void (*wake)(void *arg),
		    void *arg);

/*
 * Asked after `sleep`, each in the order in which they were added: true forbids the block, for
 * something came in between that nobody rings for any more (`wake` is called then).
 */
struct news_hook {
	bool (*fn)(void *arg);
	void *arg;
	struct news_hook *next;
};

void loop_add_news_hook(struct loop *loop, struct news_hook *hook);

#endif
