/*
 * log_record.c - see log_record.h. Nothing in a ring is believed: what a damaged record says is
 * only ever compared with positions that the room itself has.
 */
#include "hub/log_record.h"

#include <string.h>

/* all of it in this file: what it costs to call it would be more than what it does */
#define XXH_INLINE_ALL
#include <xxhash.h>

void
ring_get(const struct ring *ring, uint64_t pos, void *out, size_t len)
{
	uint64_t offset = ring_offset(ring->order, pos);
	uint64_t left = ring_capacity(ring->order) - offset;
	size_t n = len < left ? len : (size_t)left;

	memcpy(out, ring->bytes + offset, n);
	if (n < len)
		memcpy((unsigned char *)out + n, ring->bytes, len - n);
}

void
ring_put(const struct ring *ring, uint64_t pos, const void *data, size_t len)
{
	uint64_t offset = ring_offset(ring->order, pos);
	uint64_t left = ring_capacity(ring->order) - offset;
	size_t n = len < left ? len : (size_t)left;

	if (len == 0)
		return;
	memcpy(ring->bytes + offset, data, n);
	if (n < len)
		memcpy(ring->bytes, (const unsigned char *)data + n, len - n);
}

bool
record_is_sane(const struct record_head *head, uint64_t pos, uint64_t end)
{
	return head->pos == pos && head->kind >= LOG_TEXT && head->kind <= LOG_JSON &&
	       head->name_len <= CHAT_LOG_NAME_MAX && head->id_len <= CHAT_LOG_ID_MAX &&
	       pos < end && record_size(head->name_len, head->id_len, head->len) <= end - pos;
}

/*
 * XXH3 (xxhash.h, "stable since 0.8.0"): a tenth of the time that crc32 takes for a message of this
 * size. Who damages records here is a stray write, not somebody who chooses the bytes.
 */
uint32_t
record_sum(const struct ring *ring, const struct record_head *head)
{
	const size_t begin = offsetof(struct record_head, id_hash);
	uint64_t offset = ring_offset(ring->order, head->pos + begin);
	uint64_t left = ring_capacity(ring->order) - offset;
	size_t len = sizeof(*head) - begin + head->name_len + head->id_len + head->len;
	size_t n = len < left ? len : (size_t)left;
	XXH3_state_t state;

	if (n == len)
		return (uint32_t)XXH3_64bits(ring->bytes + offset, len);
	/* the same for the same bytes, wherever the ring's end falls between them */
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, ring->bytes + offset, n);
	XXH3_64bits_update(&state, ring->bytes, len - n);
	return (uint32_t)XXH3_64bits_digest(&state);
}

static size_t
ids_rows(const struct ring *ring)
{
	return ((size_t)1 << (ring->order + LOG_UNIT_BITS - 4)) / sizeof(uint64_t);
}

void
ids_clear(const struct ring *ring)
{
	memset(ids_row(ring, 0), 0, ids_rows(ring) * sizeof(uint64_t));
}

uint64_t *
ids_row(const struct ring *ring, uint32_t id_hash)
{
	return (uint64_t *)(void *)(ring->bytes + ring_capacity(ring->order)) +
	       (id_hash & (ids_rows(ring) - 1));
}

void
ids_rebuild(const struct ring *ring, uint64_t head, uint64_t tail)
{
	struct record_head h;

	ids_clear(ring);
	FAULT("ids: cleared");
	for (uint64_t pos = head; pos < tail; pos += record_size(h.name_len, h.id_len, h.len)) {
		ring_get(ring, pos, &h, sizeof(h));
		if (!record_is_sane(&h, pos, tail))
			break;
		if (h.id_len == 0)
			continue;
		uint64_t *row = ids_row(ring, h.id_hash);

		ring_put(ring, pos, row, sizeof(*row));
		*row = pos + 1;
		FAULT("ids: one more");
	}
}
_Static_assert(offsetof(struct record_head, id_before) == 0, "ids_rebuild writes it at pos");

bool
ids_find(const struct ring *ring, uint64_t head, uint64_t tail, uint32_t id_hash, struct span id,
	 uint64_t since_ms, struct record_head *found)
{
	uint64_t end = tail;
	char have[CHAT_LOG_ID_MAX];

	for (uint64_t at = *ids_row(ring, id_hash); at > head && at <= end; at = found->id_before) {
		uint64_t pos = at - 1;

		ring_get(ring, pos, found, sizeof(*found));
		if (!record_is_sane(found, pos, tail) || found->id_len == 0 ||
		    found->ts_ms < since_ms)
			return false;
		end = pos; /* backwards only */
		if (found->id_hash != id_hash || found->id_len != id.len)
			continue;
		ring_get(ring, pos + sizeof(*found) + found->name_len, have, id.len);
		if (memcmp(have, id.ptr, id.len) == 0)
			return true;
	}
	return false;
}
