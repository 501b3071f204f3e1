/*
 * room.c - members, runs, positions and laggards; room.h says how they work together.
 */
#include "hub/room.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hub/frame.h"

/* A run is at most this, or one longer message: what libwebsockets may hold for a client. */
#define RUN_MAX (64 * 1024)
/* What one pass may take from the log before sockets are looked at again. */
#define PASS_RECORDS 256
#define PASS_BYTES   (256 * 1024)
/* What one laggard may take of one pass. */
#define CATCH_UP_RUNS    4
#define CATCH_UP_RECORDS 1024
#define MIN_BUCKETS      16

struct room {
	struct room *next; /* in its bucket */
	uint64_t hash;
	unsigned shard;
	size_t n;
	size_t cap;
	struct member **member;
	/* frames of this room that the worker has read, ever; laggards are measured against it */
	uint64_t bytes;
	/* the run of this pass: WS_PRE bytes, then frames; made of records in [from, to) */
	struct buffer run;
	uint64_t run_from, run_to;
	struct room *next_dirty;
	bool dirty;
	uint8_t name_len;
	char name[];
};

bool
rooms_init(struct rooms *rooms, struct chat_log *log, uint64_t queue_max)
{
	*rooms = (struct rooms){.log = log, .queue_max = queue_max, .n_buckets = MIN_BUCKETS};
	rooms->bucket = calloc(MIN_BUCKETS, sizeof(*rooms->bucket));
	if (!rooms->bucket) {
		log_error("chat: out of memory");
		return false;
	}
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		struct shard_reader *r = &rooms->reader[i];

		r->pos = chat_log_tail(log, i);
		r->joining.prev = r->joining.next = &r->joining;
	}
	return true;
}

void
rooms_fini(struct rooms *rooms)
{
	for (size_t i = 0; i < rooms->n_spare; i++)
		buffer_fini(&rooms->spare[i]);
	free(rooms->bucket);
	*rooms = (struct rooms){0};
}

bool
room_name_valid(struct span name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (name.len == 0 || name.len > CHAT_LOG_ROOM_MAX || span_eq(name, SPAN_LIT(".")) ||
	    span_eq(name, SPAN_LIT("..")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!memchr(allowed, name.ptr[i], sizeof(allowed) - 1))
			return false;
	}
	return true;
}

struct span
room_name(const struct room *room)
{
	return span_from(room->name, room->name_len);
}

uint64_t
room_hash(const struct room *room)
{
	return room->hash;
}

/* Where the room is linked, or would be. */
static struct room **
find_link(struct rooms *rooms, uint64_t hash, struct span name)
{
	struct room **link = &rooms->bucket[hash & (rooms->n_buckets - 1)];

	while (*link && ((*link)->hash != hash || !span_eq(room_name(*link), name)))
		link = &(*link)->next;
	return link;
}

/* Without memory for it the table stays as it is: slower, not wrong. */
static void
resize_table(struct rooms *rooms, size_t n_buckets)
{
	struct room **bucket = calloc(n_buckets, sizeof(*bucket));

	if (!bucket)
		return;
	for (size_t i = 0; i < rooms->n_buckets; i++) {
		struct room *room = rooms->bucket[i];

		while (room) {
			struct room *next = room->next;
			struct room **link = &bucket[room->hash & (n_buckets - 1)];

			room->next = *link;
			*link = room;
			room = next;
		}
	}
	free(rooms->bucket);
	rooms->bucket = bucket;
	rooms->n_buckets = n_buckets;
}

static struct room *
room_new(struct rooms *rooms, uint64_t hash, struct span name)
{
	struct room *room = calloc(1, sizeof(*room) + name.len);

	if (!room)
		return NULL;
	room->hash = hash;
	room->shard = chat_log_shard(hash);
	room->name_len = (uint8_t)name.len;
	memcpy(room->name, name.ptr, name.len);
	if (++rooms->n_rooms > rooms->n_buckets)
		resize_table(rooms, rooms->n_buckets * 2);
	struct room **link = &rooms->bucket[hash & (rooms->n_buckets - 1)];
	room->next = *link;
	*link = room;
	return room;
}

/* Not while it has a run. */
static void
room_free(struct rooms *rooms, struct room *room)
{
	*find_link(rooms, room->hash, room_name(room)) = room->next;
	free(room->member);
	free(room);
	if (--rooms->n_rooms < rooms->n_buckets / 8 && rooms->n_buckets > MIN_BUCKETS)
		resize_table(rooms, rooms->n_buckets / 2);
}

static bool
room_add(struct room *room, struct member *m)
{
	if (room->n == room->cap) {
		size_t cap = room->cap ? room->cap * 2 : 1;
		struct member **member = realloc(room->member, cap * sizeof(struct member *));

		if (!member)
			return false;
		room->member = member;
		room->cap = cap;
	}
	m->room = room;
	m->index = room->n;
	room->member[room->n++] = m;
	return true;
}

static void
unlink_joining(struct member *m)
{
	m->prev->next = m->next;
	m->next->prev = m->prev;
	m->prev = m->next = NULL;
}

/* The only writer of member->state. */
static void
member_set_state(struct member *m, enum member_state state)
{
	if (m->state == MEMBER_JOINING)
		unlink_joining(m);
	m->state = state;
	m->unsent = 0;
	ws_want_writable(&m->conn, state == MEMBER_BEHIND);
}

bool
rooms_join(struct rooms *rooms, struct member *m, struct span name)
{
	uint64_t hash = chat_log_hash(rooms->log, name);
	struct room *room = *find_link(rooms, hash, name);
	bool is_new = !room;

	if (!room)
		room = room_new(rooms, hash, name);
	if (!room)
		return false;
	if (!room_add(room, m)) {
		if (is_new)
			room_free(rooms, room);
		return false;
	}
	struct shard_reader *reader = &rooms->reader[room->shard];
	m->pos = chat_log_tail(rooms->log, room->shard);
	if (m->pos == reader->pos) {
		member_set_state(m, MEMBER_LIVE);
		return true;
	}
	member_set_state(m, MEMBER_JOINING);
	m->next = &reader->joining;
	m->prev = reader->joining.prev;
	m->prev->next = m;
	m->next->prev = m;
	return true;
}

void
rooms_leave(struct rooms *rooms, struct member *m)
{
	struct room *room = m->room;

	if (!room)
		return;
	member_set_state(m, MEMBER_OUT);
	struct member *last = room->member[--room->n];
	room->member[m->index] = last;
	last->index = m->index;
	m->room = NULL;
	if (room->n == 0)
		room_free(rooms, room);
}

/* It leaves when the pass is over: until then rooms and their arrays stay as they are. */
static void
member_lose(struct rooms *rooms, struct member *m, unsigned code)
{
	if (m->lost_code)
		return;
	m->lost_code = code;
	m->next_lost = rooms->lost;
	rooms->lost = m;
}

static void
close_lost(struct rooms *rooms)
{
	while (rooms->lost) {
		struct member *m = rooms->lost;

		rooms->lost = m->next_lost;
		rooms_leave(rooms, m);
		ws_close(&m->conn, m->lost_code);
	}
}

static void
run_take(struct rooms *rooms, struct buffer *run)
{
	if (rooms->n_spare > 0)
		*run = rooms->spare[--rooms->n_spare];
	else
		buffer_init(run);
	run->len = 0;
}

static void
run_give(struct rooms *rooms, struct buffer *run)
{
	if (run->cap <= 2 * RUN_MAX && rooms->n_spare < ROOM_SPARE_RUNS)
		rooms->spare[rooms->n_spare++] = *run;
	else
		buffer_fini(run);
	buffer_init(run);
}

enum run_result { RUN_OK, RUN_LAPPED, RUN_NO_MEMORY };

/* Appends one message's frame; on failure the run is as before. */
static enum run_result
run_append(const struct chat_log *log, unsigned shard, struct buffer *run,
	   const struct chat_log_record *record)
{
	size_t before = run->len;

	if (!buffer_reserve(run, WS_PRE + frame_size(record->len), SIZE_MAX))
		return RUN_NO_MEMORY;
	if (before == 0)
		run->len = WS_PRE;
	unsigned char *to = (unsigned char *)run->data + run->len;
	size_t head = frame_head(to, (enum frame_opcode)record->opcode, record->len);
	if (!chat_log_copy(log, shard, record, to + head)) {
		run->len = before;
		return RUN_LAPPED;
	}
	run->len += head + record->len;
	return RUN_OK;
}

static size_t
run_len(const struct buffer *run)
{
	return run->len ? run->len - WS_PRE : 0;
}

/* The hot loop: everybody in a room gets the run. */
static void
room_flush(struct rooms *rooms, struct room *room)
{
	size_t len = run_len(&room->run);

	if (len == 0)
		return;
	unsigned char *frames = (unsigned char *)room->run.data + WS_PRE;
	for (size_t i = 0; i < room->n; i++) {
		struct member *m = room->member[i];
		enum ws_result result;

		if (m->state == MEMBER_BEHIND && room->bytes - m->taken > rooms->queue_max)
			member_lose(rooms, m, CLOSE_SLOW);
		if (m->state != MEMBER_LIVE)
			continue;
		result = ws_write(&m->conn, frames, len);
		if (result == WS_SENT || result == WS_REFUSED)
			continue;
		member_set_state(m, MEMBER_BEHIND);
		m->taken = room->bytes - len;
		m->pos = result == WS_PARTIAL ? room->run_to : room->run_from;
		m->unsent = result == WS_PARTIAL ? len : 0;
	}
	room->run.len = 0;
}

static void
flush_dirty(struct rooms *rooms)
{
	while (rooms->dirty) {
		struct room *room = rooms->dirty;

		rooms->dirty = room->next_dirty;
		room->dirty = false;
		room_flush(rooms, room);
		run_give(rooms, &room->run);
	}
}

/* The worker itself has lost its place: what its members missed cannot be told. */
static void
shard_lost(struct rooms *rooms, unsigned shard)
{
	struct shard_reader *reader = &rooms->reader[shard];
	size_t n = 0;

	flush_dirty(rooms);
	reader->pos = chat_log_tail(rooms->log, shard);
	for (size_t i = 0; i < rooms->n_buckets; i++) {
		for (struct room *room = rooms->bucket[i]; room; room = room->next) {
			if (room->shard != shard)
				continue;
			for (size_t j = 0; j < room->n; j++)
				member_lose(rooms, room->member[j], CLOSE_LOST);
			n += room->n;
		}
	}
	log_warning("chat: this worker fell behind the whole log of shard %u (chat.log_size); %zu "
		    "clients closed with %d",
		    shard, n, CLOSE_LOST);
}

/* Those who joined at or before `pos` get what comes from there on. */
static void
admit_joined(struct rooms *rooms, struct shard_reader *reader, uint64_t pos)
{
	while (reader->joining.next != &reader->joining && reader->joining.next->pos <= pos) {
		struct member *m = reader->joining.next;

		/* what the run has so far was published before it came */
		room_flush(rooms, m->room);
		member_set_state(m, MEMBER_LIVE);
	}
}

static bool
deliver_record(struct rooms *rooms, unsigned shard, const struct chat_log_record *record)
{
	struct room *room =
	    *find_link(rooms, record->hash, span_from(record->room, record->room_len));

	if (!room)
		return true;
	if (!room->dirty) {
		room->dirty = true;
		room->next_dirty = rooms->dirty;
		rooms->dirty = room;
		run_take(rooms, &room->run);
	}
	size_t size = frame_size(record->len);
	if (run_len(&room->run) > 0 && run_len(&room->run) + size > RUN_MAX)
		room_flush(rooms, room);
	if (room->run.len == 0)
		room->run_from = record->pos;
	switch (run_append(rooms->log, shard, &room->run, record)) {
	case RUN_OK:
		room->run_to = record->next;
		room->bytes += size;
		return true;
	case RUN_NO_MEMORY:
		/* nobody may miss a message and not be told */
		for (size_t i = 0; i < room->n; i++)
			member_lose(rooms, room->member[i], CLOSE_INTERNAL);
		return true;
	case RUN_LAPPED: break;
	}
	return false;
}

bool
rooms_deliver(struct rooms *rooms)
{
	struct chat_log_record record;
	size_t records = 0, bytes = 0;
	bool more = false;

	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		unsigned shard = (rooms->first_shard + i) % CHAT_LOG_SHARDS;
		struct shard_reader *reader = &rooms->reader[shard];
		uint64_t end = chat_log_tail(rooms->log, shard);

		while (reader->pos < end) {
			enum chat_log_read found;

			if (records == PASS_RECORDS || bytes >= PASS_BYTES) {
				more = true;
				break;
			}
			found = chat_log_find(rooms->log, shard, reader->pos, end, &record);
			if (found == CHAT_LOG_END) {
				reader->pos = end;
				break;
			}
			if (found == CHAT_LOG_MESSAGE) {
				admit_joined(rooms, reader, record.pos);
				if (deliver_record(rooms, shard, &record)) {
					reader->pos = record.next;
					records++;
					bytes += record.len;
					continue;
				}
			}
			shard_lost(rooms, shard);
			break;
		}
		admit_joined(rooms, reader, reader->pos);
	}
	rooms->first_shard++;
	flush_dirty(rooms);
	close_lost(rooms);
	return more;
}

bool
rooms_have_news(const struct rooms *rooms)
{
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		if (chat_log_tail(rooms->log, i) != rooms->reader[i].pos)
			return true;
	}
	return false;
}

/* A laggard's own run: its room's messages from its position up to the worker's. */
static enum run_result
build_run(struct rooms *rooms, struct member *m, struct buffer *run, unsigned *budget)
{
	const struct room *room = m->room;
	uint64_t end = rooms->reader[room->shard].pos;
	struct chat_log_record record;

	while (m->pos<end && * budget> 0) {
		enum run_result result;

		switch (chat_log_find(rooms->log, room->shard, m->pos, end, &record)) {
		case CHAT_LOG_LAPPED: return RUN_LAPPED;
		case CHAT_LOG_END: m->pos = end; return RUN_OK;
		case CHAT_LOG_MESSAGE: break;
		}
		--*budget;
		if (record.hash == room->hash &&
		    span_eq(span_from(record.room, record.room_len), room_name(room))) {
			if (run->len > 0 && run_len(run) + frame_size(record.len) > RUN_MAX)
				return RUN_OK;
			result = run_append(rooms->log, room->shard, run, &record);
			if (result != RUN_OK)
				return result;
		}
		m->pos = record.next;
	}
	return RUN_OK;
}

void
rooms_catch_up(struct rooms *rooms, struct member *m)
{
	unsigned budget = CATCH_UP_RECORDS;
	unsigned code = 0;
	struct buffer run;

	if (m->state != MEMBER_BEHIND)
		return;
	m->taken += m->unsent;
	m->unsent = 0;
	run_take(rooms, &run);
	for (unsigned i = 0; i < CATCH_UP_RUNS && m->state == MEMBER_BEHIND && !code; i++) {
		if (m->taken == m->room->bytes) {
			member_set_state(m, MEMBER_LIVE);
			break;
		}
		run.len = 0;
		switch (build_run(rooms, m, &run, &budget)) {
		case RUN_OK: break;
		case RUN_LAPPED: code = CLOSE_SLOW; break;
		case RUN_NO_MEMORY: code = CLOSE_INTERNAL; break;
		}
		if (code || run.len == 0)
			break;
		size_t len = run_len(&run);
		switch (ws_write(&m->conn, (unsigned char *)run.data + WS_PRE, len)) {
		case WS_SENT: m->taken += len; continue;
		case WS_PARTIAL: m->unsent = len; break;
		case WS_STUCK:
			/* can not be: on_writable says that nothing waits, and one run is one write
			 */
			code = CLOSE_INTERNAL;
			break;
		case WS_REFUSED: break;
		}
		break;
	}
	run_give(rooms, &run);
	if (!code)
		return;
	rooms_leave(rooms, m);
	ws_close(&m->conn, code);
}
