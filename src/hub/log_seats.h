/*
 * log_seats.h - a shard's table of members. With the shard's lock, but for log_seat_mark.
 */
#ifndef PLAZA_HUB_LOG_SEATS_H
#define PLAZA_HUB_LOG_SEATS_H

#include "hub/log_area.h"

/* The word of a seat that is in use: from it alone can be told whose it is. */
static inline uint64_t
seat_word(uint32_t room, unsigned slot, enum seat_state state)
{
	return (uint64_t)room << 32 | (uint64_t)slot << 16 | (uint64_t)state;
}
static inline uint32_t
seat_room(uint64_t word)
{
	return (uint32_t)(word >> 32);
}
static inline unsigned
seat_slot_of(uint64_t word)
{
	return (unsigned)(word >> 16) & 0xffff;
}
static inline enum seat_state
seat_state_of(uint64_t word)
{
	return (enum seat_state)(word & 0xffff);
}

/* The seat's number, or 0 when there is none left. */
uint32_t log_seat_take(struct chat_log_area *area, unsigned shard, uint32_t room, unsigned slot,
		       const struct log_member *member);
void log_seat_give(struct chat_log_area *area, unsigned shard, uint32_t number);

/* Without the lock: has a seat given back by whoever has it, or next. Try to have it afterwards. */
void log_seat_mark(struct chat_log_area *area, unsigned shard, uint32_t number);
/* Gives back those that are marked. */
void log_seats_sweep(struct chat_log_area *area, unsigned shard);

/* Everything that is derived; before log_rooms_rebuild. */
void log_seats_rebuild(struct chat_log_area *area, unsigned shard);

#endif
