/*
 * presence.c - see presence.h; what an event says is in picture.c.
 */
#include "hub/presence.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "base/log.h"
#include "hub/hub_private.h"

/* Of what a page is appended to, and it: each name may be nothing but escapes. */
#define PAGE_JSON_MAX (1024 * 1024)

/* When so many were told something in one callback, the other rooms wait for the next one. */
#define TOLD_AT_ONCE 4096

/* What those who listen to a room have been told. */
enum known {
	KNOWN_NOTHING,
	KNOWN_COUNT, /* there is nobody to whom the list was told, or it is too long */
	KNOWN_LIST   /* watched.told */
};

/* A room with a listener here. */
struct watched {
	struct presence *presence;
	struct room *room;
	/* on `soon`: something is to be told; on `rest`: something was, not long ago */
	struct deadline due;
	bool is_dirty; /* look again when due */
	enum known known;
	uint64_t presence_seq;
	struct picture told;
};

struct presence {
	struct loop *loop;
	struct chat_log *log;
	struct rooms *rooms;
	struct deadline_list soon, rest;
	uint64_t callback_us; /* when it began, in which so many were told something: */
	size_t n_told;
	struct buffer json;
	/* what was read last; one more than a picture has tells that it has too many */
	struct log_member member[PICTURE_MAX + 1];
};

_Static_assert(PRESENCE_PAGE_MAX <= PICTURE_MAX, "a page is read into presence.member");

/* ---- telling ---- */

enum listeners { TELL_COUNT, TELL_CHANGE, TELL_LIST };

struct telling {
	enum listeners to;
	bool is_change; /* to be told to those who know what was before */
	bool is_first;  /* nobody knows what was before */
	bool is_crowd;  /* the number is for all of them */
	size_t n_count, n_diff;
	bool is_missed; /* somebody could not take it */
};

static struct seat *
seat_of(struct member *m)
{
	/* event streams are members, too, but have no seat */
	if (m->wire != WIRE_JSON && m->wire != WIRE_JSON_DEFLATE)
		return NULL;
	return (struct seat *)m;
}

static bool
is_wanted(struct member *m, void *ctx)
{
	const struct seat *seat = seat_of(m);
	struct telling *telling = ctx;

	if (!seat || seat->presence == SEAT_NO_PRESENCE)
		return false;
	const bool is_new = seat->presence_missed || telling->is_first;
	switch (telling->to) {
	case TELL_COUNT:
		if (seat->presence == SEAT_COUNT)
			telling->n_count++;
		else
			telling->n_diff++;
		return (seat->presence == SEAT_COUNT || telling->is_crowd) &&
		       (telling->is_change || is_new);
	case TELL_CHANGE: return seat->presence == SEAT_DIFF && !is_new;
	case TELL_LIST: return seat->presence == SEAT_DIFF && is_new;
	}
	return false;
}

static void
was_told(struct member *m, bool is_accepted, void *ctx)
{
	struct telling *telling = ctx;

	((struct seat *)m)->presence_missed = !is_accepted;
	if (!is_accepted)
		telling->is_missed = true;
}

static bool
tell(struct watched *w, struct telling *telling, enum listeners to,
     const struct picture_change *change)
{
	struct presence *p = w->presence;

	telling->to = to;
	p->json.len = 0;
	if (!picture_write_change(&p->json, change))
		return false;
	const struct rooms_event event = {
	    .name = "pres",
	    .json = buffer_span(&p->json),
	    .wanted = is_wanted,
	    .told = was_told,
	    .ctx = telling,
	};
	return rooms_announce(p->rooms, w->room, &event);
}

static void
watched_free(struct watched *w)
{
	deadline_disarm(&w->due);
	picture_fini(&w->told);
	*room_presence(w->room) = NULL;
	free(w);
}

/* To all of them, as each wants it. False on out-of-memory: somebody may have been told nothing. */
static bool
tell_all(struct watched *w, struct telling *telling, struct picture_change *change,
	 const struct picture *now)
{
	telling->is_change = w->known == KNOWN_NOTHING || change->presence_seq != w->presence_seq;
	telling->is_first = w->known == KNOWN_NOTHING;
	if (!tell(w, telling, TELL_COUNT, change))
		return false;
	w->presence_seq = change->presence_seq;
	if (telling->is_crowd || telling->n_diff == 0) {
		picture_fini(&w->told);
		w->known = KNOWN_COUNT;
		return true;
	}
	change->now = now;
	telling->is_first = w->known != KNOWN_LIST;
	if (!telling->is_first && telling->is_change) {
		change->before = &w->told;
		if (!tell(w, telling, TELL_CHANGE, change))
			return false;
	}
	change->before = NULL;
	if (!tell(w, telling, TELL_LIST, change))
		return false;
	if (!telling->is_first && !telling->is_change)
		return true;
	w->known = KNOWN_LIST;
	return picture_assign(&w->told, now->member, now->n);
}

static void
watched_look(struct watched *w)
{
	struct presence *p = w->presence;
	struct telling telling = {0};
	struct picture_change change = {.room = room_name(w->room)};
	size_t n;

	switch (chat_log_members(p->log, room_in_log(w->room), 0, p->member, PICTURE_MAX + 1, &n,
				 &change.presence_seq, &change.count)) {
	case LOG_OK: break;
	case LOG_BUSY: w->is_dirty = true; return;
	case LOG_TOO_LONG:
	case LOG_RATE:
	case LOG_FULL: return; /* the room is gone, and so are its listeners */
	}
	telling.is_crowd = n > PICTURE_MAX;
	picture_sort(p->member, n);
	const struct picture now = {p->member, n};
	if (!tell_all(w, &telling, &change, &now)) {
		/* some of them may hear all of it once more */
		w->known = KNOWN_NOTHING;
		w->is_dirty = true;
	} else if (telling.n_count + telling.n_diff == 0) {
		watched_free(w); /* the last listener has left */
	} else if (telling.is_missed) {
		w->is_dirty = true;
	}
	p->n_told += telling.n_count + telling.n_diff;
}

static bool
has_told_enough(struct presence *p)
{
	const uint64_t now_us = loop_now_us(p->loop);

	if (p->callback_us != now_us) {
		p->callback_us = now_us;
		p->n_told = 0;
	}
	return p->n_told >= TOLD_AT_ONCE;
}

static void
due_cb(struct deadline *d, void *ctx)
{
	struct watched *w = (struct watched *)(void *)((char *)d - offsetof(struct watched, due));
	struct presence *p = ctx;

	if (!w->is_dirty)
		return;
	if (has_told_enough(p)) {
		deadline_arm(&w->due, &p->soon);
		return;
	}
	w->is_dirty = false;
	deadline_arm(&w->due, &p->rest);
	watched_look(w);
}

static void
look_soon(struct watched *w)
{
	w->is_dirty = true;
	if (!deadline_armed(&w->due))
		deadline_arm(&w->due, &w->presence->soon);
}

void
presence_members_changed(struct room *room, void *ctx)
{
	struct watched *w = *room_presence(room);

	(void)ctx;
	if (w)
		look_soon(w);
}

void
presence_room_gone(struct room *room, void *ctx)
{
	struct watched *w = *room_presence(room);

	(void)ctx;
	if (w)
		watched_free(w);
}

bool
presence_watch(struct presence *presence, struct seat *seat)
{
	struct room *room = seat->member.room;
	struct watched *w = *room_presence(room);

	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return false;
		w->presence = presence;
		w->room = room;
		*room_presence(room) = w;
	}
	/* whatever the others know: this one is told the whole list */
	seat->presence_missed = true;
	look_soon(w);
	return true;
}

/* ---- asking ---- */

static enum log_result
write_page(struct presence *p, struct span name, const struct log_room *in_log, size_t offset,
	   size_t limit, struct buffer *out, uint64_t *presence_seq)
{
	const size_t max = limit < PRESENCE_PAGE_MAX ? limit : PRESENCE_PAGE_MAX;
	enum log_result result = LOG_FULL;
	uint32_t count = 0;
	size_t n = 0;

	*presence_seq = 0;
	if (in_log)
		result = chat_log_members(p->log, in_log, offset, p->member, max, &n, presence_seq,
					  &count);
	if (result == LOG_BUSY)
		return result;
	if (result != LOG_OK) {
		/* there is no such room (any more) */
		n = 0;
		count = 0;
	}
	if (!buffer_append(out, "\"room\":", 7, PAGE_JSON_MAX) || !wire_string(out, name) ||
	    !buffer_printf(out, PAGE_JSON_MAX,
			   ",\"count\":%" PRIu32 ",\"pseq\":%" PRIu64 ",\"members\":", count,
			   *presence_seq) ||
	    !picture_write_members(out, p->member, n) ||
	    !buffer_printf(out, PAGE_JSON_MAX, ",\"more\":%s",
			   offset + n < count ? "true" : "false"))
		return LOG_TOO_LONG;
	return LOG_OK;
}

enum log_result
presence_write_seat(struct presence *presence, struct seat *seat, size_t offset, size_t limit,
		    struct buffer *out)
{
	struct room *room = seat->member.room;
	struct watched *w = *room_presence(room);
	uint64_t presence_seq;
	enum log_result result = write_page(presence, room_name(room), room_in_log(room), offset,
					    limit, out, &presence_seq);

	/*
	 * Somebody on this list may be gone before others were told that it came, and then nobody
	 * would be told that it left: what follows is no change to this list.
	 */
	if (result == LOG_OK && w && seat->presence == SEAT_DIFF &&
	    (w->known != KNOWN_LIST || w->presence_seq != presence_seq)) {
		seat->presence_missed = true;
		look_soon(w);
	}
	return result;
}

enum log_result
presence_write_room(struct presence *presence, struct span room, size_t offset, size_t limit,
		    struct buffer *out)
{
	struct log_room in_log;
	uint64_t presence_seq;
	const bool is_there = chat_log_find_room(presence->log, room, &in_log);

	return write_page(presence, room, is_there ? &in_log : NULL, offset, limit, out,
			  &presence_seq);
}

/* ---- the worker's ---- */

struct presence *
presence_new(struct loop *loop, struct chat_log *log)
{
	struct presence *p = calloc(1, sizeof(*p));

	if (!p) {
		log_error("chat: out of memory");
		return NULL;
	}
	p->loop = loop;
	p->log = log;
	deadline_list_init(&p->soon, loop, 0, "chat presence", due_cb, p);
	deadline_list_init(&p->rest, loop, PRESENCE_INTERVAL_MS, "chat presence rest", due_cb, p);
	return p;
}

void
presence_set_rooms(struct presence *presence, struct rooms *rooms)
{
	presence->rooms = rooms;
}

void
presence_free(struct presence **presence)
{
	struct presence *p = *presence;

	if (!p)
		return;
	deadline_list_fini(&p->soon);
	deadline_list_fini(&p->rest);
	buffer_fini(&p->json);
	free(p);
	*presence = NULL;
}
