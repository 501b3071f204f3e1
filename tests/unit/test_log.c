/* links: src/hub/rate.c src/base/siphash.c src/base/log.c src/base/clock.c -lpthread -lz */
/*
 * test_log.c - the broadcast log: order, wrapping, growing, lapping, who gets how much of the pool,
 * ids, history, rooms that go and come back, members.
 */
#include "log_rig.h"

static struct span lobby;

static void
setup(void)
{
	rig_open(1024 * K, 256 * K, 64);
	lobby = SPAN_LIT("lobby");
}

static void
teardown(void)
{
	if (rig.memory)
		rig_verify();
	rig_close();
}

/* Reads on from *pos; the message is a string in `out`. */
static enum log_read
next(const struct log_room *room, uint64_t *pos, char *out, size_t out_size)
{
	struct log_record record;
	enum log_read found = chat_log_read(chat, room, *pos, &record);

	if (found != LOG_MESSAGE)
		return found;
	ck_assert_uint_lt(record.len, out_size);
	if (!chat_log_copy(chat, room, &record, out))
		return LOG_LOST;
	out[record.len] = '\0';
	*pos = record.next;
	return LOG_MESSAGE;
}

START_TEST(messages_come_back_in_order_and_whole)
{
	char text[64], got[64];
	struct log_receipt receipt;
	struct log_record record;
	struct log_room room;

	ck_assert(!chat_log_find_room(chat, lobby, &room));
	for (unsigned i = 0; i < 50; i++) {
		int n = snprintf(text, sizeof(text), "message %u", i);
		const struct log_message m = {
		    .room = lobby,
		    .kind = (enum log_kind)(LOG_TEXT + i % 3),
		    .from = i,
		    .name = span_from("annabel", i % 8),
		    .id = span_from(text, i % 2 ? (size_t)n : 0),
		    .payload = span_from(text, i == 20 ? 0 : (size_t)n),
		};
		ck_assert_int_eq(chat_log_publish(chat, &m, &receipt), LOG_OK);
		ck_assert_uint_eq(receipt.seq, i + 1);
		ck_assert_uint_eq(receipt.epoch, chat_log_epoch(chat, lobby));
		ck_assert_uint_ne(receipt.epoch, 0);
		ck_assert(!receipt.is_duplicate);
	}
	struct log_view view = rig_view(lobby, &room);
	uint64_t pos = view.head, ts_ms = 0;

	ck_assert_uint_eq(view.seq, 50);
	ck_assert_uint_eq(view.epoch, receipt.epoch);
	ck_assert(span_eq(span_from(view.name, view.name_len), lobby));
	for (unsigned i = 0; i < 50; i++) {
		int n = snprintf(text, sizeof(text), "message %u", i);
		ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_MESSAGE);
		ck_assert_uint_eq(record.pos, pos);
		ck_assert_uint_eq(record.seq, i + 1);
		ck_assert_uint_ge(record.ts_ms, ts_ms);
		ts_ms = record.ts_ms;
		ck_assert_uint_eq(record.from, i);
		ck_assert_uint_eq(record.kind, LOG_TEXT + i % 3);
		ck_assert(
		    span_eq(span_from(record.name, record.name_len), span_from("annabel", i % 8)));
		ck_assert(span_eq(span_from(record.id, record.id_len),
				  span_from(text, i % 2 ? (size_t)n : 0)));
		ck_assert_uint_eq(record.len, i == 20 ? 0 : (size_t)n);
		ck_assert(chat_log_copy(chat, &room, &record, got));
		ck_assert(memcmp(got, text, record.len) == 0);
		pos = record.next;
	}
	ck_assert_uint_eq(ts_ms, receipt.ts_ms);
	ck_assert_uint_eq(pos, view.tail);
	ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_END);
	ck_assert_int_eq(chat_log_read(chat, &room, pos + 8, &record), LOG_LOST);
}
END_TEST

/* Every length against every place of the ring's end, while it grows, too. */
START_TEST(records_of_all_sizes_go_round)
{
	char text[3000], got[3001];
	struct log_room room;
	uint64_t pos = 0;

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 20000; i++) {
		size_t len = i * 7 % sizeof(text);

		text[0] = (char)('a' + i % 26);
		ck_assert_uint_eq(rig_publish(lobby, text, len), i + 1);
		if (i == 0)
			rig_view(lobby, &room);
		ck_assert_int_eq(next(&room, &pos, got, sizeof(got)), LOG_MESSAGE);
		ck_assert_uint_eq(strlen(got), len);
		ck_assert(memcmp(got, text, len) == 0);
	}
	ck_assert_uint_gt(pos, 100 * chat->room_max);
	ck_assert_uint_eq(chat_log_written(chat, room.shard), pos);
}
END_TEST

START_TEST(a_ring_grows_with_what_is_kept)
{
	static const char text[100] = "t";
	struct log_room room;
	uint64_t first;
	unsigned n = 0;

	/* all are kept until the room has its share, and then nearly as many */
	do {
		rig_publish(lobby, text, sizeof(text));
		n++;
		ck_assert_uint_lt(n, 10000);
	} while (rig_kept(lobby, &first) == n);
	struct log_view view = rig_view(lobby, &room);

	ck_assert_uint_gt(view.tail, chat->room_max * 9 / 10);
	for (unsigned i = 0; i < 3000; i++)
		rig_publish(lobby, text, sizeof(text));
	ck_assert_uint_ge(rig_kept(lobby, &first) + 2, n);
}
END_TEST

START_TEST(a_lapped_reader_is_told)
{
	static char text[1000];
	struct log_record record;
	struct log_room room;
	uint64_t pos = 0;
	char got[1024];

	rig_publish(lobby, "first", 5);
	rig_view(lobby, &room);
	ck_assert_int_eq(chat_log_read(chat, &room, 0, &record), LOG_MESSAGE);
	for (unsigned i = 0; i < 200; i++)
		rig_publish(lobby, text, sizeof(text));
	/* everything is there still, in another ring */
	ck_assert(chat_log_copy(chat, &room, &record, got));
	ck_assert_mem_eq(got, "first", 5);
	for (unsigned i = 0; i < 200; i++)
		rig_publish(lobby, text, sizeof(text));
	ck_assert(!chat_log_copy(chat, &room, &record, got));
	ck_assert_int_eq(next(&room, &pos, got, sizeof(got)), LOG_LOST);
}
END_TEST

static struct span moving, robber;
static const char *move_at;

/* Between a reader's look and its copying: the ring moves, and another room writes into the old
 * one. */
static void
move_once(const char *step)
{
	static char text[3000];

	if (!move_at || strcmp(step, move_at) != 0)
		return;
	move_at = NULL;
	memset(text, '!', sizeof(text));
	rig_publish(moving, text, sizeof(text));
	rig_publish(robber, text, sizeof(text));
}

START_TEST(a_reader_meets_a_ring_that_moves)
{
	struct log_record record;
	struct log_room room;
	char text[700], got[3001];

	memset(text, 'm', sizeof(text));
	chat_log_fault = move_once;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t pos = 0;

		moving = rig_name(1, 2 * i);
		robber = rig_name(1, 2 * i + 1);
		for (unsigned j = 0; j < 4; j++)
			rig_publish(moving, text, sizeof(text));
		uint64_t ring =
		    atomic_load(&log_room_slot_of(chat, (rig_view(moving, &room), &room))->ring);

		move_at = i == 0 ? "read: copying" : NULL;
		ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_MESSAGE);
		ck_assert_uint_eq(record.len, sizeof(text));
		move_at = i == 1 ? "read: copying" : NULL;
		ck_assert(chat_log_copy(chat, &room, &record, got));
		ck_assert_mem_eq(got, text, sizeof(text));
		ck_assert_ptr_null(move_at);
		/* it has, and the block is the other's */
		uint64_t now = atomic_load(&log_room_slot_of(chat, &room)->ring);
		struct log_room other;

		ck_assert_uint_ne(ring, now);
		rig_view(robber, &other);
		ck_assert_uint_eq(
		    ring_of(chat->area, 1, ring).unit,
		    ring_of(chat->area, 1, atomic_load(&log_room_slot_of(chat, &other)->ring))
			.unit);
	}
	chat_log_fault = NULL;
}
END_TEST

START_TEST(too_long_is_refused)
{
	size_t max = chat_log_payload_max(chat);
	char *text = calloc(1, max + 1);
	struct log_member who = {.conn = 1, .name_len = 3, .name = "ann"};
	struct log_seat seat;
	char name[65];

	ck_assert_ptr_nonnull(text);
	memset(name, 'n', sizeof(name));
	ck_assert_uint_gt(max, 32 * K - 256);
	rig_publish(lobby, text, max);
	ck_assert_int_eq(rig_say(lobby, SPAN_LIT(""), span_from(text, max + 1), NULL),
			 LOG_TOO_LONG);
	ck_assert_int_eq(rig_say(lobby, span_from(name, 65), SPAN_LIT("x"), NULL), LOG_TOO_LONG);
	ck_assert_int_eq(rig_say(lobby, span_from(name, 64), SPAN_LIT("x"), NULL), LOG_OK);
	ck_assert_int_eq(rig_say(span_from(name, 65), SPAN_LIT(""), SPAN_LIT("x"), NULL),
			 LOG_TOO_LONG);
	ck_assert_int_eq(rig_say(span_from(name, 64), SPAN_LIT(""), SPAN_LIT("x"), NULL), LOG_OK);
	ck_assert_int_eq(rig_say(SPAN_LIT(""), SPAN_LIT(""), SPAN_LIT("x"), NULL), LOG_TOO_LONG);
	ck_assert_int_eq(chat_log_join(chat, span_from(name, 65), 0, &who, &seat), LOG_TOO_LONG);
	free(text);
}
END_TEST

START_TEST(sizes_are_looked_at)
{
	static const struct {
		struct chat_log_sizes sizes;
		size_t payload_max; /* 0: refused */
	} cases[] = {
	    {{64u << 20, 4u << 20, 65536}, (512 * K) - 192},
	    {{1u << 20, 256 * K, 65536}, (32 * K) - 192},
	    {{1u << 20, 256 * K, 1}, (32 * K) - 192},
	    /* a room's share is a power of two, and a shard's pool at most */
	    {{1u << 20, 4u << 20, 64}, (32 * K) - 192},
	    {{64u << 20, (4u << 20) - 1, 64}, (256 * K) - 192},
	    {{(1u << 20) - 1, 256 * K, 64}, (16 * K) - 192},
	    {{64 * K, 16 * K, 64}, (2 * K) - 192},
	    {{64 * K - 1, 16 * K, 64}, 0},
	    {{1u << 20, 16 * K - 1, 64}, 0},
	    {{1u << 20, 256 * K, 0}, 0},
	    {{0, 0, 0}, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct chat_log_sizes *sizes = &cases[i].sizes;

		ck_assert_uint_eq(chat_log_payload_max_in(sizes), cases[i].payload_max);
		ck_assert_int_eq(chat_log_memory(sizes) > sizes->bytes, cases[i].payload_max > 0);
		if (!cases[i].payload_max)
			continue;
		rig_open(sizes->bytes, sizes->room_max, sizes->n_rooms);
		ck_assert_uint_eq(chat_log_payload_max(chat), cases[i].payload_max);
		ck_assert_uint_ge(chat_log_room_limit(chat), sizes->n_rooms);
		ck_assert_uint_lt(chat_log_room_limit(chat), sizes->n_rooms + CHAT_LOG_SHARDS);
		char *text = calloc(1, cases[i].payload_max);

		ck_assert_ptr_nonnull(text);
		/* rooms of all shards, twice around */
		for (unsigned n = 0; n < 64; n++)
			rig_publish(rig_name(n % 4, 0), text, cases[i].payload_max);
		rig_verify();
		free(text);
	}
}
END_TEST

START_TEST(what_is_no_log_is_refused)
{
	const struct chat_log_sizes sizes = {1u << 20, 256 * K, 64};
	struct chat_log log;

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	ck_assert(!chat_log_format(rig.memory, rig.size - 1, &sizes));
	ck_assert(!chat_log_attach(&log, rig.memory, rig.size - 1));
	ck_assert(!chat_log_attach(&log, rig.memory, 4096));
	chat->area->magic++;
	ck_assert(!chat_log_attach(&log, rig.memory, rig.size));
	chat->area->magic--;
	ck_assert(chat_log_attach(&log, rig.memory, rig.size));
}
END_TEST

/* Pages of the log that exist. */
static size_t
touched(void)
{
	size_t pages = rig.size / 4096, n = 0;
	unsigned char *in = malloc(pages);

	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(mincore(rig.memory, pages * 4096, in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n;
}

START_TEST(an_unused_log_takes_no_memory)
{
	rig_open(64u << 20, 4u << 20, 65536);
	ck_assert_uint_gt(rig.size, 64u << 20);
	ck_assert_uint_lt(touched(), 200);
	for (unsigned i = 0; i < 100; i++)
		rig_publish(rig_name(0, i), "x", 1);
	ck_assert_uint_lt(touched(), 200 + 100 + 20);
}
END_TEST

START_TEST(rooms_spread_over_all_shards)
{
	unsigned count[CHAT_LOG_SHARDS] = {0};

	for (unsigned i = 0; i < 400; i++) {
		char name[16];
		int n = snprintf(name, sizeof(name), "room-%u", i);
		count[log_shard_of(log_hash(chat->area, span_from(name, (size_t)n)))]++;
	}
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		ck_assert_uint_gt(count[i], 50);
}
END_TEST

/* The values of the paper's appendix A and of its reference code. */
START_TEST(siphash_vectors)
{
	unsigned char data[16];
	uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)i;
	ck_assert_uint_eq(siphash(key, data, 15), 0xa129ca6149be45e5);
	ck_assert_uint_eq(siphash(key, data, 0), 0x726fdb47dd0e0e31);
	ck_assert_uint_eq(siphash(key, data, 8), 0x93f5f5799a932462);
}
END_TEST

/* ---- who gets how much ---- */

START_TEST(a_loud_room_ages_out_itself_alone)
{
	static char text[2000];
	struct span quiet = rig_name(1, 0), loud = rig_name(1, 1);
	uint64_t first;

	for (unsigned i = 0; i < 10; i++)
		rig_publish(quiet, "quiet", 5);
	for (unsigned i = 0; i < 5000; i++)
		rig_publish(loud, text, sizeof(text));
	ck_assert_uint_eq(rig_kept(quiet, &first), 10);
	ck_assert_uint_eq(first, 1);
	/* and it leaves room for others */
	for (unsigned i = 0; i < 5; i++)
		rig_publish(rig_name(1, 2 + i), "new", 3);
	ck_assert_uint_eq(rig_kept(quiet, &first), 10);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(rig_kept(rig_name(1, 2 + i), &first), 1);
	ck_assert_uint_gt(rig_kept(loud, &first), 20);
}
END_TEST

START_TEST(loud_rooms_share)
{
	static char text[500];
	uint64_t least = UINT64_MAX, most = 0, first;

	/* 256 KiB for five of them, of which the first has nearly all at first */
	for (unsigned i = 0; i < 2000; i++)
		rig_publish(rig_name(2, 0), text, sizeof(text));
	for (unsigned i = 0; i < 2000; i++)
		for (unsigned j = 0; j < 5; j++)
			rig_publish(rig_name(2, j), text, sizeof(text));
	for (unsigned j = 0; j < 5; j++) {
		uint64_t n = rig_kept(rig_name(2, j), &first);

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	ck_assert_uint_gt(least, 50);
	ck_assert_uint_le(most, 2 * least + 3);
}
END_TEST

/* When a record wants more than anyone can halve, the idle go first, then the messages of others.
 */
START_TEST(a_long_message_finds_a_place)
{
	struct log_member who = {.conn = 1};
	size_t max = chat_log_payload_max(chat);
	char *text = calloc(1, max);
	struct log_seat seat;
	uint64_t first;

	ck_assert_ptr_nonnull(text);
	/* 4 KiB each, and the pool is full */
	rig_open(1024 * K, 256 * K, 400);
	for (unsigned i = 0; i < 64; i++) {
		rig_publish(rig_name(3, i), text, 100);
		if (i < 32)
			ck_assert_int_eq(chat_log_join(chat, rig_name(3, i), 1, &who, &seat),
					 LOG_OK);
	}
	for (unsigned i = 0; i < 64; i++)
		ck_assert_uint_eq(rig_kept(rig_name(3, i), &first), 1);
	rig_publish(rig_name(3, 64), text, max);
	rig_verify();
	ck_assert_uint_eq(rig_kept(rig_name(3, 64), &first), 1);
	for (unsigned i = 0; i < 32; i++)
		ck_assert_uint_eq(rig_kept(rig_name(3, i), &first), 1);
	/* no more of them than needed, the oldest */
	ck_assert_uint_eq(rig_kept(rig_name(3, 32), &first), 0);
	ck_assert_uint_eq(rig_kept(rig_name(3, 63), &first), 1);
	/* now all of them have members */
	rig_open(1024 * K, 256 * K, 400);
	for (unsigned i = 0; i < 64; i++) {
		rig_publish(rig_name(3, i), text, 100);
		ck_assert_int_eq(chat_log_join(chat, rig_name(3, i), 1, &who, &seat), LOG_OK);
	}
	rig_publish(rig_name(3, 64), text, max);
	rig_verify();
	ck_assert_uint_eq(rig_kept(rig_name(3, 64), &first), 1);
	/* the rooms are there, and go on from where they were */
	for (unsigned i = 0; i < 64; i++)
		ck_assert_uint_eq(rig_publish(rig_name(3, i), text, 100), 2);
	free(text);
}
END_TEST

/* What nobody was in or published to for an hour is not kept at the cost of what is used now. */
START_TEST(stale_rooms_make_way_for_those_that_grow)
{
	static char text[100];
	uint64_t first;

	rig_open(1024 * K, 256 * K, 400);
	for (unsigned i = 0; i < 64; i++)
		rig_publish(rig_name(3, i), text, sizeof(text));
	for (unsigned i = 0; i < 1000; i++)
		rig_publish(rig_name(3, 0), text, sizeof(text));
	ck_assert_uint_lt(rig_kept(rig_name(3, 0), &first), 30);
	for (unsigned i = 1; i < 64; i++) {
		struct log_room room;

		ck_assert(chat_log_find_room(chat, rig_name(3, i), &room));
		if (i >= 32)
			continue;
		/* as if it were from then */
		struct room_slot *slot = log_room_slot_of(chat, &room);

		atomic_fetch_sub(&slot->commit[0].ts_ms, LOG_STALE_MS + 1000);
		atomic_fetch_sub(&slot->commit[1].ts_ms, LOG_STALE_MS + 1000);
	}
	for (unsigned i = 0; i < 1000; i++)
		rig_publish(rig_name(3, 0), text, sizeof(text));
	ck_assert_uint_gt(rig_kept(rig_name(3, 0), &first), 300);
	for (unsigned i = 32; i < 64; i++)
		ck_assert_uint_eq(rig_kept(rig_name(3, i), &first), 1);
}
END_TEST

/* ---- ids ---- */

START_TEST(an_id_acts_once)
{
	struct log_receipt first, again;
	char id[32];

	for (unsigned i = 0; i < 500; i++) {
		int n = snprintf(id, sizeof(id), "id-%u", i);
		ck_assert_int_eq(rig_say(lobby, span_from(id, (size_t)n), SPAN_LIT("once"), &first),
				 LOG_OK);
		ck_assert(!first.is_duplicate);
		ck_assert_uint_eq(first.seq, i + 1);
		/* any of those that are kept, whatever else it says */
		n = snprintf(id, sizeof(id), "id-%u", i / 2);
		ck_assert_int_eq(
		    rig_say(lobby, span_from(id, (size_t)n), SPAN_LIT("twice"), &again), LOG_OK);
		ck_assert(again.is_duplicate);
		ck_assert_uint_eq(again.seq, i / 2 + 1);
		ck_assert_uint_eq(again.epoch, first.epoch);
		/* in another room it is another */
		ck_assert_int_eq(
		    rig_say(SPAN_LIT("other"), span_from(id, (size_t)n), SPAN_LIT("x"), &again),
		    LOG_OK);
		ck_assert_int_eq(again.is_duplicate, i % 2);
	}
}
END_TEST

START_TEST(an_id_goes_with_its_record)
{
	static char text[1000];
	struct log_receipt receipt;
	struct log_room room;
	struct log_record record;

	ck_assert_int_eq(rig_say(lobby, SPAN_LIT("mine"), SPAN_LIT("once"), &receipt), LOG_OK);
	rig_view(lobby, &room);
	while (chat_log_read(chat, &room, 0, &record) == LOG_MESSAGE) {
		ck_assert_int_eq(rig_say(lobby, SPAN_LIT("mine"), SPAN_LIT("once"), &receipt),
				 LOG_OK);
		ck_assert(receipt.is_duplicate);
		rig_publish(lobby, text, sizeof(text));
	}
	ck_assert_int_eq(rig_say(lobby, SPAN_LIT("mine"), SPAN_LIT("once"), &receipt), LOG_OK);
	ck_assert(!receipt.is_duplicate);
}
END_TEST

/* As if its record were from five minutes before. */
START_TEST(an_id_is_forgotten_in_time)
{
	struct log_receipt receipt;
	uint64_t hash = log_hash(chat->area, lobby);
	struct record_head h;

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(rig_say(lobby, SPAN_LIT("mine"), SPAN_LIT("x"), &receipt), LOG_OK);
		ck_assert_int_eq(receipt.is_duplicate, i);
	}
	uint32_t number = log_room_find(chat->area, hash, lobby);
	const struct room_slot *room = log_room_at(chat->area, log_shard_of(hash), number);
	struct ring ring = ring_of(chat->area, log_shard_of(hash), atomic_load(&room->ring));

	ring_get(&ring, 0, &h, sizeof(h));
	h.ts_ms -= CHAT_LOG_ID_MS + 1;
	ring_put(&ring, 0, &h, sizeof(h));
	ck_assert_int_eq(rig_say(lobby, SPAN_LIT("mine"), SPAN_LIT("x"), &receipt), LOG_OK);
	ck_assert(!receipt.is_duplicate);
	h.ts_ms += CHAT_LOG_ID_MS + 1;
	ring_put(&ring, 0, &h, sizeof(h));
}
END_TEST

/* ---- history ---- */

START_TEST(history_is_found_by_seq)
{
	static char text[400];
	struct log_record record;
	struct log_room room;
	uint64_t first, pos, seq = 0;

	for (unsigned i = 0; i < 2000; i++)
		seq = rig_publish(lobby, text, i * 31 % sizeof(text));
	uint64_t kept = rig_kept(lobby, &first);

	ck_assert_uint_gt(kept, 500);
	struct log_view view = rig_view(lobby, &room);

	for (uint64_t want = 0; want < seq + 3; want++) {
		ck_assert(chat_log_seek(chat, &room, want, &pos));
		if (want > seq) {
			ck_assert_uint_eq(pos, view.tail);
			continue;
		}
		ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_MESSAGE);
		ck_assert_uint_eq(record.seq, want < first ? first : want);
	}
	static const uint64_t counts[] = {0, 1, 2, 100, 499, 100000, UINT64_MAX};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t got, want = counts[i] > kept ? first : seq - counts[i] + 1;

		ck_assert(chat_log_first(chat, &room, counts[i], 0, &got));
		ck_assert_uint_eq(got, want);
		ck_assert(chat_log_first(chat, &room, counts[i], UINT64_MAX, &got));
		ck_assert_uint_eq(got, seq + 1);
	}
}
END_TEST

START_TEST(history_is_found_by_time)
{
	struct log_record record;
	struct log_room room;
	uint64_t at[5] = {0}, first, seq = 0, pos;

	for (unsigned i = 0; i < 5; i++) {
		struct log_receipt receipt;
		uint64_t until = clock_monotonic_us() + 3000;

		for (unsigned j = 0; j < 10; j++) {
			ck_assert_int_eq(rig_say(lobby, SPAN_LIT(""), SPAN_LIT("x"), &receipt),
					 LOG_OK);
			seq = receipt.seq;
		}
		at[i] = receipt.ts_ms;
		while (clock_monotonic_us() < until)
			;
	}
	rig_view(lobby, &room);
	for (unsigned i = 0; i < 5; i++) {
		/* all from then on, none from before */
		ck_assert(chat_log_first(chat, &room, 1000, at[i], &first));
		ck_assert(chat_log_seek(chat, &room, first, &pos));
		ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_MESSAGE);
		ck_assert_uint_ge(record.ts_ms, at[i]);
		ck_assert_uint_le(first, i * 10 + 10);
		if (first > 1) {
			ck_assert(chat_log_seek(chat, &room, first - 1, &pos));
			ck_assert_int_eq(chat_log_read(chat, &room, pos, &record), LOG_MESSAGE);
			ck_assert_uint_lt(record.ts_ms, at[i]);
		}
		ck_assert(chat_log_first(chat, &room, 1000, at[4] + 1, &first));
		ck_assert_uint_eq(first, seq + 1);
	}
}
END_TEST

START_TEST(an_empty_room_has_no_history)
{
	struct log_member who = {.conn = 5};
	struct log_seat seat;
	struct log_view view;
	uint64_t pos, first;
	struct log_record record;

	ck_assert_int_eq(chat_log_join(chat, lobby, 0, &who, &seat), LOG_OK);
	ck_assert(chat_log_view(chat, &seat.room, &view));
	ck_assert_uint_eq(view.head, view.tail);
	ck_assert(chat_log_seek(chat, &seat.room, 0, &pos));
	ck_assert_uint_eq(pos, view.tail);
	ck_assert(chat_log_first(chat, &seat.room, 10, 0, &first));
	ck_assert_uint_eq(first, view.seq + 1);
	ck_assert_int_eq(chat_log_read(chat, &seat.room, view.tail, &record), LOG_END);
}
END_TEST

/* ---- rooms that go ---- */

START_TEST(the_room_not_used_for_longest_makes_way)
{
	unsigned max = chat->area->layout.n_rooms;
	struct log_member who = {.conn = 1};
	struct log_room room, gone;
	struct log_record record;
	struct log_view view;
	struct log_seat seat, last;
	uint64_t pos;

	for (unsigned i = 0; i < max; i++)
		for (unsigned j = 0; j <= i; j++)
			rig_publish(rig_name(0, i), "x", 1);
	/* 1 has a member, 0 and 2 are used again: 3 goes */
	ck_assert_int_eq(chat_log_join(chat, rig_name(0, 1), 0, &who, &seat), LOG_OK);
	rig_publish(rig_name(0, 0), "x", 1);
	rig_publish(rig_name(0, 2), "x", 1);
	rig_view(rig_name(0, 3), &gone);
	ck_assert_uint_eq(rig_publish(rig_name(0, max), "x", 1), 4 + 1);
	ck_assert(!chat_log_find_room(chat, rig_name(0, 3), &room));
	for (unsigned i = 0; i <= max; i++)
		ck_assert_int_eq(chat_log_find_room(chat, rig_name(0, i), &room), i != 3);
	/* who still has it is told, even if another is in its place */
	ck_assert(!chat_log_view(chat, &gone, &view));
	ck_assert_int_eq(chat_log_read(chat, &gone, 0, &record), LOG_LOST);
	ck_assert(!chat_log_seek(chat, &gone, 0, &pos));
	ck_assert(!chat_log_first(chat, &gone, 1, 0, &pos));
	/* it returns above what it ever had, for an old position is not to match others */
	ck_assert_uint_gt(rig_publish(rig_name(0, 3), "y", 1), 4);
	rig_verify();
	/* with members in all of them there are no more */
	for (unsigned i = 0; i < max; i++)
		ck_assert_int_eq(chat_log_join(chat, rig_name(0, max + 1 + i), 0, &who, &last),
				 i < max - 1 ? LOG_OK : LOG_FULL);
	ck_assert_int_eq(rig_say(rig_name(0, 2), SPAN_LIT(""), SPAN_LIT("x"), NULL), LOG_FULL);
	ck_assert_int_eq(rig_say(rig_name(0, 1), SPAN_LIT(""), SPAN_LIT("x"), NULL), LOG_OK);
	chat_log_leave(chat, &seat);
}
END_TEST

START_TEST(rooms_without_messages_go_first)
{
	unsigned max = chat->area->layout.n_rooms;
	struct log_member who = {.conn = 1};
	struct log_room room;
	struct log_seat seat;

	for (unsigned i = 0; i + 1 < max; i++)
		rig_publish(rig_name(0, i), "x", 1);
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(chat_log_join(chat, rig_name(0, max + i), 0, &who, &seat), LOG_OK);
		chat_log_leave(chat, &seat);
	}
	for (unsigned i = 0; i + 1 < max; i++)
		ck_assert(chat_log_find_room(chat, rig_name(0, i), &room));
}
END_TEST

START_TEST(handles_out_of_all_bounds_are_refused)
{
	static const struct log_room bad[] = {
	    {UINT32_MAX, 1, 0}, {0, 1, 4}, {64, 1, 3}, {15, 1, 1}, {16, 1, 0}, {0, 0, 0}, {0, 2, 0},
	};
	struct log_view view;
	struct log_record record = {0};
	uint64_t pos;
	uint32_t count;
	size_t n;
	char out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert(!chat_log_view(chat, &bad[i], &view) || i == 5);
		if (i == 5)
			continue;
		ck_assert_int_eq(chat_log_read(chat, &bad[i], 0, &record), LOG_LOST);
		ck_assert(!chat_log_copy(chat, &bad[i], &record, &out));
		ck_assert(!chat_log_seek(chat, &bad[i], 0, &pos));
		if (i != 1)
			ck_assert_int_eq(
			    chat_log_members(chat, &bad[i], 0, NULL, 0, &n, &pos, &count),
			    LOG_FULL);
	}
}
END_TEST

/* ---- news ---- */

START_TEST(news_tell_which_rooms)
{
	uint32_t index[16];
	uint64_t cursor[CHAT_LOG_SHARDS];
	struct log_member who = {.conn = 1};
	struct log_room room[3];
	struct log_seat seat;
	size_t n;

	for (unsigned i = 0; i < 3; i++) {
		rig_publish(rig_name(2, i), "x", 1);
		rig_view(rig_name(2, i), &room[i]);
	}
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		cursor[i] = chat_log_news_end(chat, i);
		ck_assert(!chat_log_has_news(chat, i, cursor[i]));
	}
	rig_publish(rig_name(2, 1), "x", 1);
	rig_publish(rig_name(2, 1), "x", 1);
	ck_assert_int_eq(chat_log_join(chat, rig_name(2, 2), 0, &who, &seat), LOG_OK);
	rig_publish(rig_name(2, 0), "x", 1);
	chat_log_leave(chat, &seat);
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		ck_assert_int_eq(chat_log_has_news(chat, i, cursor[i]), i == 2);
	ck_assert(!chat_log_news(chat, 2, &cursor[2], index, 16, &n));
	ck_assert_uint_eq(n, 4);
	ck_assert_uint_eq(index[0], room[1].index);
	ck_assert_uint_eq(index[1], room[2].index);
	ck_assert_uint_eq(index[2], room[0].index);
	ck_assert_uint_eq(index[3], room[2].index);
	ck_assert(!chat_log_has_news(chat, 2, cursor[2]));
	ck_assert(!chat_log_news(chat, 2, &cursor[2], index, 16, &n));
	ck_assert_uint_eq(n, 0);
	/* a few at a time */
	rig_publish(rig_name(2, 0), "x", 1);
	rig_publish(rig_name(2, 1), "x", 1);
	ck_assert(!chat_log_news(chat, 2, &cursor[2], index, 1, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(index[0], room[0].index);
	ck_assert(chat_log_has_news(chat, 2, cursor[2]));
	ck_assert(!chat_log_news(chat, 2, &cursor[2], index, 1, &n));
	ck_assert_uint_eq(index[0], room[1].index);
	/* as many as the ring has, and one more */
	for (unsigned i = 0; i < LOG_NEWS; i++)
		rig_publish(rig_name(2, i % 2), "x", 1);
	uint64_t before = cursor[2];

	ck_assert(!chat_log_news(chat, 2, &cursor[2], index, 16, &n));
	ck_assert_uint_eq(n, 16);
	cursor[2] = before;
	rig_publish(rig_name(2, 0), "x", 1);
	ck_assert(chat_log_news(chat, 2, &cursor[2], index, 16, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert(!chat_log_has_news(chat, 2, cursor[2]));
}
END_TEST

START_TEST(readers_are_known)
{
	ck_assert_uint_eq(chat_log_reader(chat, 3, 1), 0);
	chat_log_set_reader(chat, 3, 1, 77);
	ck_assert_uint_eq(chat_log_reader(chat, 3, 1), 77);
	ck_assert_uint_eq(chat_log_reader(chat, 3, 2), 0);
	ck_assert_uint_eq(chat_log_reader(chat, 4, 1), 0);
	chat_log_recover(chat, 3);
	ck_assert_uint_eq(chat_log_reader(chat, 3, 1), 0);
}
END_TEST

/* ---- members ---- */

static void
member(struct log_member *who, unsigned i)
{
	*who = (struct log_member){.conn = i + 1, .since_ms = i * 10};
	who->name_len = (uint8_t)snprintf(who->name, sizeof(who->name), "member %u", i);
}

START_TEST(members_are_listed_in_the_order_of_coming)
{
	struct log_member who, list[100];
	struct log_seat seat[100];
	struct log_view view;
	uint64_t presence_seq;
	uint32_t count;
	size_t n;

	for (unsigned i = 0; i < 100; i++) {
		member(&who, i);
		ck_assert_int_eq(chat_log_join(chat, lobby, i % 5, &who, &seat[i]), LOG_OK);
	}
	ck_assert(chat_log_view(chat, &seat[0].room, &view));
	ck_assert_uint_eq(view.n_members, 100);
	for (unsigned i = 0; i < 100; i += 3)
		chat_log_leave(chat, &seat[i]);
	uint64_t before = view.presence_seq;

	ck_assert(chat_log_view(chat, &seat[0].room, &view));
	ck_assert_uint_eq(view.n_members, 66);
	ck_assert_uint_eq(view.presence_seq, before + 34);
	for (unsigned i = 0; i < 100; i += 3) {
		member(&who, i);
		ck_assert_int_eq(chat_log_join(chat, lobby, i % 5, &who, &seat[i]), LOG_OK);
	}
	ck_assert_int_eq(
	    chat_log_members(chat, &seat[0].room, 0, list, 100, &n, &presence_seq, &count), LOG_OK);
	ck_assert_uint_eq(n, 100);
	ck_assert_uint_eq(count, 100);
	ck_assert_uint_eq(presence_seq, before + 68);
	for (unsigned i = 0; i < 100; i++) {
		member(&who, i < 66 ? i / 2 * 3 + 1 + i % 2 : (i - 66) * 3);
		ck_assert_uint_eq(list[i].conn, who.conn);
		ck_assert_uint_eq(list[i].since_ms, who.since_ms);
		ck_assert(span_eq(span_from(list[i].name, list[i].name_len),
				  span_from(who.name, who.name_len)));
	}
	/* a part of them */
	ck_assert_int_eq(
	    chat_log_members(chat, &seat[0].room, 90, list, 7, &n, &presence_seq, &count), LOG_OK);
	ck_assert_uint_eq(n, 7);
	ck_assert_uint_eq(count, 100);
	ck_assert_uint_eq(list[0].conn, (90 - 66) * 3 + 1);
	ck_assert_int_eq(
	    chat_log_members(chat, &seat[0].room, 98, list, 7, &n, &presence_seq, &count), LOG_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(
	    chat_log_members(chat, &seat[0].room, 100, list, 7, &n, &presence_seq, &count), LOG_OK);
	ck_assert_uint_eq(n, 0);
	/* those of a slot */
	chat_log_recover(chat, 2);
	ck_assert_int_eq(
	    chat_log_members(chat, &seat[0].room, 0, list, 100, &n, &presence_seq, &count), LOG_OK);
	ck_assert_uint_eq(count, 80);
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_ne((list[i].conn - 1) % 5, 2);
}
END_TEST

START_TEST(seats_run_out)
{
	struct log_member who = {.conn = 1};
	struct log_seat seat, one;
	struct log_view view;

	ck_assert_int_eq(chat_log_join(chat, lobby, 0, &who, &one), LOG_OK);
	for (unsigned i = 1; i < LOG_SEATS; i++)
		ck_assert_int_eq(chat_log_join(chat, lobby, 1, &who, &seat), LOG_OK);
	ck_assert_int_eq(chat_log_join(chat, lobby, 0, &who, &seat), LOG_FULL);
	chat_log_leave(chat, &one);
	ck_assert_int_eq(chat_log_join(chat, lobby, 0, &who, &one), LOG_OK);
	ck_assert_int_eq(chat_log_join(chat, lobby, 0, &who, &seat), LOG_FULL);
	chat_log_recover(chat, 1);
	ck_assert(chat_log_view(chat, &one.room, &view));
	ck_assert_uint_eq(view.n_members, 1);
}
END_TEST

/* ---- damage ---- */

START_TEST(damage_begins_a_new_epoch)
{
	struct span hurt = rig_name(1, 0), well = rig_name(1, 1);
	uint64_t epoch = chat_log_epoch(chat, hurt), other = chat_log_epoch(chat, rig_name(2, 0));
	struct log_room room;
	uint64_t first, cursor;
	uint32_t index[4];
	size_t n;

	for (unsigned i = 0; i < 5; i++) {
		rig_publish(hurt, "some text", 9);
		rig_publish(well, "some text", 9);
		rig_publish(rig_name(2, 0), "some text", 9);
	}
	rig_check();
	ck_assert_uint_eq(chat_log_resets(chat), 0);
	ck_assert_uint_eq(chat_log_epoch(chat, hurt), epoch);
	rig_view(hurt, &room);
	cursor = chat_log_news_end(chat, 1);
	struct ring ring = ring_of(
	    chat->area, 1,
	    atomic_load(
		&log_room_at(chat->area, 1, room.index % chat->area->layout.n_rooms + 1)->ring));

	ring.bytes[2 * 80 + 70] ^= 1;
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	rig_check();
	ck_assert_uint_eq(chat_log_resets(chat), 1);
	ck_assert_uint_ne(chat_log_epoch(chat, hurt), epoch);
	ck_assert_uint_eq(chat_log_epoch(chat, rig_name(2, 0)), other);
	ck_assert(chat_log_news(chat, 1, &cursor, index, 4, &n));
	ck_assert_uint_eq(rig_kept(hurt, &first), 0);
	ck_assert_uint_eq(rig_kept(well, &first), 5);
	ck_assert_uint_eq(rig_publish(hurt, "x", 1), 6);
}
END_TEST

/* What a second crash may have spoilt behind the place where the first check is. */
START_TEST(a_check_in_slices_begins_again_in_the_middle)
{
	enum { LEN = 3 << 20 };
	const bool again = _i;
	struct log_check check = {0};
	struct log_room room;

	rig_close();
	rig_open(128 << 20, 32 << 20, 64);
	const struct span first = rig_name(0, 0), second = rig_name(2, 0);
	char *text = calloc(1, LEN);
	ck_assert_ptr_nonnull(text);
	ck_assert(!chat_log_check(chat, &check));
	for (unsigned i = 0; i < 8; i++) {
		rig_publish(first, text, LEN);
		rig_publish(second, text, LEN);
	}
	rig_view(first, &room);
	chat_log_check_begin(&check);
	ck_assert(chat_log_check(chat, &check));
	struct ring ring = ring_of(
	    chat->area, 0,
	    atomic_load(
		&log_room_at(chat->area, 0, room.index % chat->area->layout.n_rooms + 1)->ring));
	ring.bytes[LEN] ^= 1;
	if (again)
		chat_log_check_begin(&check);
	ck_assert(chat_log_check(chat, &check));
	while (chat_log_check(chat, &check))
		;
	ck_assert_uint_eq(chat_log_resets(chat), again);
	ck_assert(!chat_log_check(chat, &check));
	rig_check();
	ck_assert_uint_eq(chat_log_resets(chat), 1);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, messages_come_back_in_order_and_whole);
	tcase_add_test(tc, records_of_all_sizes_go_round);
	tcase_add_test(tc, a_ring_grows_with_what_is_kept);
	tcase_add_test(tc, a_lapped_reader_is_told);
	tcase_add_test(tc, a_reader_meets_a_ring_that_moves);
	tcase_add_test(tc, too_long_is_refused);
	tcase_add_test(tc, sizes_are_looked_at);
	tcase_add_test(tc, what_is_no_log_is_refused);
	tcase_add_test(tc, an_unused_log_takes_no_memory);
	tcase_add_test(tc, rooms_spread_over_all_shards);
	tcase_add_test(tc, siphash_vectors);
	tcase_add_test(tc, a_loud_room_ages_out_itself_alone);
	tcase_add_test(tc, loud_rooms_share);
	tcase_add_test(tc, a_long_message_finds_a_place);
	tcase_add_test(tc, stale_rooms_make_way_for_those_that_grow);
	tcase_add_test(tc, an_id_acts_once);
	tcase_add_test(tc, an_id_goes_with_its_record);
	tcase_add_test(tc, an_id_is_forgotten_in_time);
	tcase_add_test(tc, history_is_found_by_seq);
	tcase_add_test(tc, history_is_found_by_time);
	tcase_add_test(tc, an_empty_room_has_no_history);
	tcase_add_test(tc, the_room_not_used_for_longest_makes_way);
	tcase_add_test(tc, rooms_without_messages_go_first);
	tcase_add_test(tc, handles_out_of_all_bounds_are_refused);
	tcase_add_test(tc, news_tell_which_rooms);
	tcase_add_test(tc, readers_are_known);
	tcase_add_test(tc, members_are_listed_in_the_order_of_coming);
	tcase_add_test(tc, seats_run_out);
	tcase_add_test(tc, damage_begins_a_new_epoch);
	tcase_add_loop_test(tc, a_check_in_slices_begins_again_in_the_middle, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
