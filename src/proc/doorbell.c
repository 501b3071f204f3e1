/*
 * doorbell.c - eventfd wake-ups: a process that said it sleeps is rung once, one that is awake
 * never. Runs in every process; the ringer and the rung share only the slot's `sleep` word.
 */
#include "proc/doorbell.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

bool
doorbell_init(struct doorbell *bell)
{
	for (unsigned i = 0; i <= DOORBELL_MASTER; i++) {
		bell->fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (bell->fd[i] >= 0)
			continue;
		log_error(
		    "doorbell: eventfd %u of %d: %s%s", i + 1, DOORBELL_MASTER + 1, strerror(errno),
		    errno == EMFILE ? "; raise RLIMIT_NOFILE (ulimit -n), 1024 is a good least"
				    : "");
		while (i > 0)
			close(bell->fd[--i]);
		return false;
	}
	return true;
}

void
doorbell_ring(const struct doorbell *bell, unsigned slot)
{
	uint64_t one = 1;
	/* EAGAIN means 2^64-2 rings that nobody answered: it is readable anyway */
	ssize_t n = write(bell->fd[slot], &one, sizeof(one));

	(void)n;
}

void
doorbell_answer(const struct doorbell *bell, unsigned slot)
{
	uint64_t rings;
	ssize_t n = read(bell->fd[slot], &rings, sizeof(rings));

	(void)n;
}

/*
 * The other half of a Dekker handshake: we published before a fence and look at `sleep` after it; a
 * sleeper stores `sleep`, passes such a fence and looks for news once more before it blocks. One of
 * the two sees the other.
 */
static bool
ring_sleeper(const struct doorbell *bell, const struct segment *segment, unsigned slot)
{
	_Atomic uint32_t *sleep = &segment->slots[slot].sleep;
	uint32_t asleep = SLEEP_ASLEEP;

	/* of several ringers only one pays for the system call */
	if (atomic_load_explicit(sleep, memory_order_relaxed) != SLEEP_ASLEEP ||
	    !atomic_compare_exchange_strong(sleep, &asleep, SLEEP_RUNG))
		return false;
	doorbell_ring(bell, slot);
	return true;
}

bool
doorbell_ring_sleeper(const struct doorbell *bell, const struct segment *segment, unsigned slot)
{
	atomic_thread_fence(memory_order_seq_cst);
	return ring_sleeper(bell, segment, slot);
}

unsigned
doorbell_ring_sleepers(const struct doorbell *bell, const struct segment *segment, unsigned self)
{
	unsigned n = 0;

	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		if (i != self && ring_sleeper(bell, segment, i))
			n++;
	}
	return n;
}
