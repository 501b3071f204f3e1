/*
 * door_box_calls.c - what the system calls and the clock of the boxed server do: --wrap brings them
 * here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "door_box_private.h"

/* Those of the front door that wait for more than a pass. */
#define TIMERS_MAX 64

static int server_fd = -1; /* the socket that was accepted last */
static size_t piece_left, piece_next;
static bool is_full; /* the next write takes nothing */

static uint64_t pass_us, gone_by_us;
static struct event *timer[TIMERS_MAX]; /* every one that was ever set for later */
static size_t n_timers;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags);
ssize_t __real_recv(int fd, void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t len, int flags);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
int __real_event_add(struct event *ev, const struct timeval *after);
int __wrap_event_add(struct event *ev, const struct timeval *after);
uint64_t __real_clock_monotonic_us(void);
uint64_t __wrap_clock_monotonic_us(void);

/* The sockets are unix ones, which cost the least; the peer's address is made up. */
int
__wrap_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(54321)};
	int taken = __real_accept4(fd, addr, addr_len, flags);

	if (taken < 0)
		return taken;
	server_fd = taken;
	if (fd == box.listener[BOX_UNIX] || !addr)
		return taken;
	in.sin_addr.s_addr =
	    fd == box.listener[BOX_LOOPBACK] ? htonl(INADDR_LOOPBACK) : inet_addr("203.0.113.7");
	memcpy(addr, &in, sizeof(in));
	*addr_len = sizeof(in);
	return taken;
}

ssize_t
__wrap_recv(int fd, void *data, size_t len, int flags)
{
	if (fd != server_fd || flags || !box.talk || !box.talk->n_pieces || box.talk->settles)
		return __real_recv(fd, data, len, flags);
	if (!piece_left)
		piece_left = box.talk->piece[piece_next++ % box.talk->n_pieces];
	if (len > piece_left)
		len = piece_left;
	ssize_t n = __real_recv(fd, data, len, flags);
	if (n > 0)
		piece_left -= (size_t)n;
	return n;
}

ssize_t
__wrap_send(int fd, const void *data, size_t len, int flags)
{
	if (fd != server_fd || !box.talk || !box.talk->send_max)
		return __real_send(fd, data, len, flags);
	is_full = !is_full;
	if (is_full) {
		errno = EAGAIN;
		return -1;
	}
	/* a long answer still comes in a few dozen pieces */
	size_t max = len / 16 > box.talk->send_max ? len / 16 : box.talk->send_max;
	return __real_send(fd, data, len < max ? len : max, flags);
}

/*
 * While time goes by, each timer fires in the next pass: those of deadline lists then look whether
 * the time has come, and if not are set anew.
 */
int
__wrap_event_add(struct event *ev, const struct timeval *after)
{
	static const struct timeval at_once;
	size_t i = 0;

	if (!after || (!after->tv_sec && !after->tv_usec))
		return __real_event_add(ev, after);
	while (i < n_timers && timer[i] != ev)
		i++;
	if (i == TIMERS_MAX)
		abort();
	timer[i] = ev;
	n_timers += i == n_timers;
	return __real_event_add(ev, pass_us ? &at_once : after);
}

uint64_t
__wrap_clock_monotonic_us(void)
{
	return __real_clock_monotonic_us() + gone_by_us;
}

static void
fire_timers(void)
{
	static const struct timeval at_once;

	for (size_t i = 0; i < n_timers; i++)
		if (evtimer_pending(timer[i], NULL))
			__real_event_add(timer[i], &at_once);
}

void
box_let_time_go_by(unsigned step_ms)
{
	pass_us = step_ms * UINT64_C(1000);
	if (pass_us)
		fire_timers();
}

void
box_leap(unsigned ms)
{
	gone_by_us += ms * UINT64_C(1000);
	fire_timers();
}

void
box_calls_pass(void)
{
	gone_by_us += pass_us;
}

void
box_calls_reset(void)
{
	n_timers = 0;
}

void
box_calls_begin_talk(void)
{
	piece_left = piece_next = 0;
	is_full = false;
}

void
box_calls_end_talk(void)
{
	pass_us = 0;
	server_fd = -1;
}
