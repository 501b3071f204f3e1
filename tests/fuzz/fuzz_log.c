/* links: src/hub/rate.c $(hub_log) src/base/siphash.c src/base/log.c src/base/clock.c -lpthread -lz
 */
/*
 * fuzz_log.c - the walks over the records of the broadcast log's rooms, in memory that is damaged:
 * none of them leaves the ring or goes round for ever, and after chat_log_check all that is kept
 *can be read and the log goes on.
 *
 * An input is a row of steps: what to do, which room, and what that needs. Bytes that are not there
 * are 0.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_log tests/fuzz/fuzz_log.c src/hub/log_*.c \
 *		src/base/siphash.c src/base/log.c src/base/clock.c -lz
 *	./fuzz_log -max_len=2048 tests/fuzz/corpus/log
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"
#include "hub/log_seats.h"
#include "hub/log_space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step {
	PUBLISH,
	DAMAGE_RING,   /* anywhere in the block */
	DAMAGE_RECORD, /* in the head of one */
	DAMAGE_ROOM,   /* one of its positions */
	READ,
	SEEK,
	CHECK,
	REBUILD,
	STEPS
};

#define ROOMS 6

static struct chat_log chat;
static void *memory;
static size_t memory_size;

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
open_log(void)
{
	const struct chat_log_sizes sizes = {64 * 1024, 16 * 1024, 24};

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	if (!memory) {
		memory_size = chat_log_memory(&sizes);
		memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		check(memory != MAP_FAILED);
	} else {
		check(madvise(memory, memory_size, MADV_DONTNEED) == 0);
	}
	check(chat_log_format(memory, memory_size, &sizes));
	check(chat_log_attach(&chat, memory, memory_size));
	/* the same input does the same each time */
	chat.area->key[0] = 1;
	chat.area->key[1] = 2;
}

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned
take(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static struct span
room_name(unsigned i)
{
	return span_from(&"abcdefghijklmnop"[i % ROOMS], 1);
}

/* Copied into a block that is exactly as long, so that a sanitizer sees more. */
static void
read_all(unsigned i)
{
	struct log_room room;
	struct log_record record;
	struct log_view view;

	if (!chat_log_find_room(&chat, room_name(i), &room) || !chat_log_view(&chat, &room, &view))
		return;
	for (uint64_t pos = view.head; chat_log_read(&chat, &room, pos, &record) == LOG_MESSAGE;
	     pos = record.next) {
		check(record.pos == pos && record.next > pos && record.next <= view.tail);
		check(record.name_len <= CHAT_LOG_NAME_MAX && record.id_len <= CHAT_LOG_ID_MAX);
		char *copy = malloc(record.len ? record.len : 1);

		check(copy != NULL);
		if (!chat_log_copy(&chat, &room, &record, copy))
			check(record.len > chat_log_payload_max(&chat));
		free(copy);
	}
}

static void
publish(struct input *in, unsigned i)
{
	static char text[2048];
	static const char ids[] = "0123456789abcdef";
	size_t len = take(in) * 7;
	unsigned id = take(in);
	struct log_receipt receipt;
	const struct log_message m = {
	    .room = room_name(i),
	    .kind = (enum log_kind)(LOG_TEXT + id % 3),
	    .name = span_from("somebody", id >> 5),
	    .id = span_from(ids + id % 8, id % 4),
	    .payload = span_from(text, len),
	};

	check(chat_log_publish(&chat, &m, &receipt) == LOG_OK);
	if (receipt.is_duplicate)
		return;
	struct log_room room;
	struct log_view view;

	check(chat_log_find_room(&chat, room_name(i), &room) && chat_log_view(&chat, &room, &view));
	check(view.seq == receipt.seq);
}

/* The slot of a room that is there and has a ring, or NULL. */
static struct room_slot *
slot_of(unsigned i, struct ring *ring)
{
	struct log_room room;

	if (!chat_log_find_room(&chat, room_name(i), &room))
		return NULL;
	struct room_slot *slot = log_room_slot_of(&chat, &room);

	*ring = ring_of(chat.area, room.shard, atomic_load(&slot->ring));
	return ring->bytes ? slot : NULL;
}

static void
damage(struct input *in, enum step step, unsigned i)
{
	unsigned a = take(in), b = take(in), c = take(in);
	struct ring ring;
	struct room_slot *slot = slot_of(i, &ring);

	if (!slot)
		return;
	struct room_commit *commit = &slot->commit[atomic_load(&slot->n_commits) & 1];
	uint64_t pos = atomic_load(&slot->head);
	struct record_head h;

	if (step == DAMAGE_RING) {
		ring.bytes[(a << 8 | b) % (4096u << ring.order)] = (unsigned char)c;
	} else if (step == DAMAGE_RECORD) {
		for (unsigned n = 0; n < a / 64; n++) {
			ring_get(&ring, pos, &h, sizeof(h));
			pos += record_size(h.name_len, h.id_len, h.len);
		}
		ring_put(&ring, pos + b % sizeof(h), &(unsigned char){(unsigned char)c}, 1);
	} else {
		_Atomic uint64_t *const words[] = {&slot->head, &commit->tail, &commit->last,
						   &commit->seq, &commit->ts_ms};
		/* a little off, or far */
		uint64_t by = b < 128 ? b : c % 2 ? (uint64_t)b << (c % 64) : 0 - (uint64_t)b;

		atomic_fetch_add(words[a % 5], by * 8);
	}
}

static void
check_all(void)
{
	struct log_check all = {0};

	chat_log_check_begin(&all);
	while (chat_log_check(&chat, &all))
		;
}

static void
run_step(struct input *in)
{
	enum step step = (enum step)(take(in) % STEPS);
	unsigned i = take(in) % ROOMS;
	struct log_room room;
	uint64_t pos;

	switch (step) {
	case PUBLISH: publish(in, i); break;
	case DAMAGE_RING:
	case DAMAGE_RECORD:
	case DAMAGE_ROOM: damage(in, step, i); break;
	case READ: read_all(i); break;
	case SEEK:
		if (!chat_log_find_room(&chat, room_name(i), &room))
			break;
		check(chat_log_seek(&chat, &room, take(in), &pos));
		check(chat_log_first(&chat, &room, take(in), take(in), &pos));
		break;
	case CHECK: check_all(); break;
	default:
		for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
			log_seats_rebuild(chat.area, shard);
			log_rooms_rebuild(chat.area, shard);
			log_space_rebuild(chat.area, shard);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	open_log();
	while (in.size)
		run_step(&in);
	check_all();
	uint64_t resets = chat_log_resets(&chat);

	for (unsigned i = 0; i < ROOMS; i++) {
		struct input nothing = {NULL, 0};
		struct log_room room;
		struct log_view view;
		struct log_record record;

		publish(&nothing, i);
		check(chat_log_find_room(&chat, room_name(i), &room) &&
		      chat_log_view(&chat, &room, &view));
		uint64_t pos = view.head;

		while (chat_log_read(&chat, &room, pos, &record) == LOG_MESSAGE)
			pos = record.next;
		check(pos == view.tail && record.seq == view.seq);
		read_all(i);
	}
	check_all();
	check(chat_log_resets(&chat) == resets);
	return 0;
}
