/*
 * jobs_shared.c - see jobs_shared.h.
 */
#include "jobs/jobs_shared.h"

#include <string.h>

#include "base/siphash.h"

/* News whose writer has not come to its end for so long is missed. */
#define STUCK_MS 10
/* While no rate is known. */
#define RETRY_S     5
#define RETRY_MAX_S 60

enum { HASH_NEVER, HASH_AGAIN, HASHES };

struct jobs_shared *
jobs_shared_of(const struct segment *segment)
{
	return segment->jobs;
}

/* ---- executors ---- */

void
jobs_set_worker(struct jobs_shared *shared, unsigned side, int64_t worker)
{
	atomic_store(&shared->executor[side].worker, worker);
}

void
jobs_bury(const struct segment *segment, const struct doorbell *bell, unsigned side)
{
	struct jobs_shared *shared = jobs_shared_of(segment);
	const int64_t worker = atomic_exchange(&shared->executor[side].worker, 0);

	atomic_store(&shared->executor[side].sleep, SLEEP_AWAKE);
	credits_clear(&shared->credits, bell, side);
	/* when there is no place for it, it is found by its silence */
	for (unsigned i = 0; worker && i < JOB_DEAD; i++) {
		int64_t none = 0;

		if (atomic_compare_exchange_strong(&shared->dead[i], &none, worker))
			break;
	}
	/* the dead may have said that it rings somebody, and not have done it */
	for (unsigned other = 0; other < SEGMENT_GENERATIONS; other++) {
		if (atomic_load(&shared->executor[other].worker))
			doorbell_ring(bell, slot_index(SEGMENT_EXECUTOR, other));
	}
}

int64_t
jobs_dead(const struct jobs_shared *shared, unsigned place)
{
	return atomic_load(&shared->dead[place]);
}

void
jobs_forget_dead(struct jobs_shared *shared, int64_t worker)
{
	for (unsigned i = 0; i < JOB_DEAD; i++) {
		int64_t dead = worker;

		atomic_compare_exchange_strong(&shared->dead[i], &dead, 0);
	}
}

void
jobs_sleep(struct jobs_shared *shared, unsigned side, enum slot_sleep sleep)
{
	atomic_store(&shared->executor[side].sleep, sleep);
	/* see doorbell_ring_sleeper: either we see what there is, or its author sees us */
	if (sleep == SLEEP_ASLEEP)
		atomic_thread_fence(memory_order_seq_cst);
}

void
jobs_ring(const struct segment *segment, const struct doorbell *bell)
{
	struct jobs_shared *shared = jobs_shared_of(segment);

	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned side = 0; side < SEGMENT_GENERATIONS; side++) {
		uint32_t asleep = SLEEP_ASLEEP;

		if (atomic_compare_exchange_strong(&shared->executor[side].sleep, &asleep,
						   SLEEP_RUNG))
			doorbell_ring(bell, slot_index(SEGMENT_EXECUTOR, side));
	}
}

/* ---- queues ---- */

static void
write_name(struct job_queue_cell *cell, struct span name)
{
	uint64_t words[JOB_QUEUE_NAME_MAX / 8] = {0};

	memcpy(words, name.ptr, name.len);
	/* whoever finds it without a name writes it, and all write the same */
	for (size_t i = 0; i < JOB_QUEUE_NAME_MAX / 8; i++)
		atomic_store_explicit(&cell->name[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&cell->name_len, (uint32_t)name.len, memory_order_release);
}

static uint64_t
hash_name(const struct segment *segment, struct span name)
{
	const uint64_t hash = siphash(segment->address_key, name.ptr, name.len);

	return hash < HASHES ? hash + HASHES : hash;
}

/*
 * By open addressing. Two processes that make the same name at the same moment, one of them in a
 * place that was free again, may make it twice; then one counts in a cell that nobody else finds,
 * until the executor forgets it.
 */
struct job_queue_cell *
jobs_queue(const struct segment *segment, struct span name, bool make)
{
	struct jobs_shared *shared = jobs_shared_of(segment);
	const uint64_t hash = hash_name(segment, name);

	if (name.len == 0 || name.len > JOB_QUEUE_NAME_MAX)
		return NULL;
	for (;;) {
		struct job_queue_cell *free_cell = NULL;
		uint64_t free_hash = HASH_NEVER;

		for (unsigned i = 0; i < JOB_QUEUES; i++) {
			struct job_queue_cell *cell = &shared->queue[(hash + i) % JOB_QUEUES];
			const uint64_t there = atomic_load(&cell->hash);

			if (there == hash) {
				if (atomic_load(&cell->name_len) == 0)
					write_name(cell, name);
				return cell;
			}
			if (there < HASHES && !free_cell) {
				free_cell = cell;
				free_hash = there;
			}
			if (there == HASH_NEVER)
				break;
		}
		if (!make || !free_cell)
			return NULL;
		/* lost to somebody: maybe to one with the same name */
		if (atomic_compare_exchange_strong(&free_cell->hash, &free_hash, hash)) {
			write_name(free_cell, name);
			return free_cell;
		}
	}
}

size_t
jobs_queue_name(const struct segment *segment, unsigned i, char name[JOB_QUEUE_NAME_MAX])
{
	const struct job_queue_cell *cell = &jobs_shared_of(segment)->queue[i];
	uint64_t words[JOB_QUEUE_NAME_MAX / 8];
	const uint32_t len = atomic_load_explicit(&cell->name_len, memory_order_acquire);

	if (atomic_load(&cell->hash) < HASHES || len > JOB_QUEUE_NAME_MAX)
		return 0;
	for (size_t k = 0; k < JOB_QUEUE_NAME_MAX / 8; k++)
		words[k] = atomic_load_explicit(&cell->name[k], memory_order_relaxed);
	memcpy(name, words, JOB_QUEUE_NAME_MAX);
	return len;
}

void
jobs_queue_set(struct job_queue_cell *cell, int64_t asked, int64_t depth, int64_t limit,
	       bool is_paused)
{
	atomic_fetch_add(&cell->depth, depth - asked);
	atomic_store(&cell->limit, limit);
	atomic_store(&cell->is_paused, is_paused);
}

void
jobs_queue_expect(struct job_queue_cell *cell, uint64_t n)
{
	cell->depth += (int64_t)n;
}

void
jobs_queue_put(struct jobs_shared *shared, struct job_queue_cell *cell, uint64_t n, char hand)
{
	atomic_fetch_add(&cell->depth, (int64_t)n);
	jobs_queue_ready(shared, cell, n, hand);
}

void
jobs_queue_ready(struct jobs_shared *shared, struct job_queue_cell *cell, uint64_t n, char hand)
{
	if (hand != 'p') {
		atomic_fetch_add(&cell->arrived_w, n ? n : 1);
		return;
	}
	atomic_fetch_add(&cell->arrived, n ? n : 1);
	atomic_fetch_add(&shared->arrivals, 1);
}

void
jobs_queue_leave(struct job_queue_cell *cell, uint64_t n)
{
	atomic_fetch_sub(&cell->depth, (int64_t)n);
}

void
jobs_queue_drain(struct job_queue_cell *cell, uint64_t n)
{
	atomic_fetch_sub(&cell->depth, (int64_t)n);
	atomic_fetch_add(&cell->drained, n);
}

void
jobs_queue_forget(struct job_queue_cell *cell)
{
	atomic_store(&cell->name_len, 0);
	atomic_store(&cell->drained, 0);
	atomic_store(&cell->rate, 0);
	jobs_queue_set(cell, atomic_load(&cell->depth), 0, 0, false);
	atomic_store(&cell->hash, HASH_AGAIN);
}

int64_t
jobs_queue_room(const struct job_queue_cell *cell, int64_t limit_conf, int64_t n)
{
	const int64_t own = atomic_load(&cell->limit);
	const int64_t limit = own > 0 && own < limit_conf ? own : limit_conf;
	const int64_t room = limit - atomic_load(&cell->depth);

	return room < 0 ? 0 : room < n ? room : n;
}

unsigned
jobs_queue_retry_after_s(const struct job_queue_cell *cell, int64_t n)
{
	const uint64_t rate = atomic_load(&cell->rate), most = UINT64_C(1) << 40;
	uint64_t s;

	if (atomic_load(&cell->is_paused))
		return RETRY_MAX_S;
	if (rate == 0)
		return RETRY_S;
	s = (n < 1 ? 1 : (uint64_t)n < most ? (uint64_t)n : most) * 1000 / rate + 1;
	return s < RETRY_MAX_S ? (unsigned)s : RETRY_MAX_S;
}

/* ---- news ---- */

/* So that what two writers have written into one place, a lap apart, is not taken for news. */
static uint64_t
check_of(uint64_t seq, const uint64_t id[2], enum job_state state)
{
	uint64_t sum = seq * UINT64_C(0x9e3779b97f4a7c15);

	sum = (sum ^ id[0]) * UINT64_C(0xbf58476d1ce4e5b9);
	sum = (sum ^ sum >> 29 ^ id[1]) * UINT64_C(0x94d049bb133111eb);
	return (sum ^ sum >> 31) << 8 | (unsigned char)state;
}

void
jobs_tell(struct jobs_shared *shared, const struct job_news *news)
{
	const uint64_t seq = atomic_fetch_add(&shared->n_news, 1) + 1;
	struct job_news_cell *cell = &shared->news[seq % JOB_NEWS];
	uint64_t id[2];

	memcpy(id, news->id.byte, sizeof(id));
	atomic_store_explicit(&cell->id[0], id[0], memory_order_relaxed);
	atomic_store_explicit(&cell->id[1], id[1], memory_order_relaxed);
	atomic_store_explicit(&cell->check, check_of(seq, id, news->state), memory_order_relaxed);
	atomic_store_explicit(&cell->seq, seq, memory_order_release);
}

void
jobs_reader_init(struct jobs_reader *reader, const struct jobs_shared *shared)
{
	*reader = (struct jobs_reader){.seq = atomic_load(&shared->n_news)};
}

bool
jobs_has_news(const struct jobs_shared *shared, const struct jobs_reader *reader)
{
	return atomic_load(&shared->n_news) != reader->seq;
}

/* The news numbered `seq`; false when it does not stand there, whole. */
static bool
read_one(const struct jobs_shared *shared, uint64_t seq, struct job_news *news)
{
	const struct job_news_cell *cell = &shared->news[seq % JOB_NEWS];

	if (atomic_load_explicit(&cell->seq, memory_order_acquire) != seq)
		return false;
	const uint64_t id[2] = {atomic_load_explicit(&cell->id[0], memory_order_relaxed),
				atomic_load_explicit(&cell->id[1], memory_order_relaxed)};
	const uint64_t check = atomic_load_explicit(&cell->check, memory_order_relaxed);
	memcpy(news->id.byte, id, sizeof(id));
	news->state = (enum job_state)(check & 0xff);
	return check == check_of(seq, id, news->state);
}

size_t
jobs_read_news(const struct jobs_shared *shared, struct jobs_reader *reader, uint64_t now_ms,
	       struct job_news *news, size_t max, bool *missed)
{
	size_t n = 0;

	*missed = false;
	while (n < max) {
		const uint64_t end = atomic_load(&shared->n_news);

		if (reader->seq == end)
			break;
		if (end - reader->seq > JOB_NEWS) {
			reader->seq = end - JOB_NEWS / 2;
			reader->stuck_ms = 0;
			*missed = true;
		}
		if (read_one(shared, reader->seq + 1, &news[n])) {
			n++;
		} else if (reader->stuck_ms == 0) {
			reader->stuck_ms = now_ms;
			break;
		} else if (now_ms - reader->stuck_ms < STUCK_MS) {
			break;
		} else {
			*missed = true;
		}
		reader->stuck_ms = 0;
		reader->seq++;
	}
	return n;
}
