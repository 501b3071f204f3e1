/*
 * counters.h - what the hub of each worker has counted, in the shared segment: to be read by any
 * process, at any time, without asking. A counter only rises; a gauge says so.
 */
#ifndef PLAZA_HUB_COUNTERS_H
#define PLAZA_HUB_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* name, what it says; the order is the order in memory */
#define CHAT_COUNTERS(X)                                                                  \
	X(connections, "gauge: WebSockets and event streams that are open")               \
	X(rooms, "gauge: rooms with a member in this worker")                             \
	X(members, "gauge: members of those")                                             \
	X(messages_in, "messages published by clients of this worker")                    \
	X(bytes_in, "their payloads")                                                     \
	X(duplicates, "publishes answered from memory, by their id")                      \
	X(deliveries, "messages given to a listener")                                     \
	X(writes, "system calls, or pieces of a stream, that carried them")               \
	X(bytes_out, "bytes of those")                                                    \
	X(held_bytes, "gauge: bytes that clients have not taken")                         \
	X(input_bytes, "gauge: bytes of messages that have not come whole")               \
	X(kicks_slow, "clients closed with 4008")                                         \
	X(kicks_lost, "clients closed with 4010")                                         \
	X(kicks_rate, "clients closed with 4013")                                         \
	X(kicks_abuse, "clients closed with 4501")                                        \
	X(kicks_silent, "clients closed with 4012")                                       \
	X(kicks_input, "clients closed for chat.max_input_memory")                        \
	X(refused_rate, "publishes refused for their rate")                               \
	X(refused_busy, "publishes refused because the log was locked")                   \
	X(refused_other, "commands and publishes refused for what they say")              \
	X(skips, "messages that a slow client was not given")                             \
	X(gaps_slow, "gaps told, by reason")                                              \
	X(gaps_trimmed, "")                                                               \
	X(gaps_lag, "")                                                                   \
	X(gaps_epoch, "")                                                                 \
	X(laps, "rooms whose messages were overwritten before this worker had read them") \
	X(wakes, "sleeping workers rung")                                                 \
	X(repairs, "locks of dead processes repaired")                                    \
	X(epochs, "epochs begun because the log was damaged")                             \
	X(lag_bytes, "gauge: bytes of the log not read at the end of the last pass")

/* Fan-out latency: from a record's time to the pass that wrote it, by powers of two of 1 ms. */
#define CHAT_LATENCY_BUCKETS 16

struct chat_counters {
#define FIELD(name, text) _Atomic uint64_t name;
	CHAT_COUNTERS(FIELD)
#undef FIELD
	_Atomic uint64_t
	    latency[CHAT_LATENCY_BUCKETS]; /* [i]: below 2^i ms; the last: all others */
};

/* Only its own process writes, and the master when that is dead: no locked instruction. */
static inline void
count_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void
count_set(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, n, memory_order_relaxed);
}

#endif
