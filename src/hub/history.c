/*
 * history.c - see history.h. Called by: session.c, chat_http.c.
 */
#include "hub/history.h"

#include <string.h>

#include "base/clock.h"
#include "base/put.h"
#include "hub/wire.h"

/* A page that is overwritten while it is read is begun again, so often. */
#define TRIES 3

struct page {
	struct chat_log *log;
	struct log_room room;
	struct span name;
	uint64_t epoch;
	uint64_t first;  /* the oldest message that may be had */
	uint64_t lo, hi; /* those of the page; lo > hi: none */
	bool is_upward;  /* what does not fit is left out at its end, not at its beginning */
	bool more;
	size_t n;
	uint64_t pos[HISTORY_LIMIT_MAX];
	struct buffer payload;
	struct buffer json; /* the messages, the newest first unless is_upward */
	size_t end[HISTORY_LIMIT_MAX];
};

static void
page_fini(struct page *page)
{
	buffer_fini(&page->payload);
	buffer_fini(&page->json);
}

static void
choose(struct page *page, const struct history_wish *wish, uint64_t newest)
{
	uint64_t lo = page->first, hi = newest;

	page->is_upward = wish->from == HISTORY_AFTER;
	if (page->is_upward) {
		if (wish->seq >= lo)
			lo = wish->seq < hi ? wish->seq + 1 : hi + 1;
		if (hi >= lo && hi - lo >= wish->limit)
			hi = lo + wish->limit - 1;
		page->more = hi < newest;
	} else {
		if (wish->from == HISTORY_BEFORE && wish->seq <= hi)
			hi = wish->seq > 0 ? wish->seq - 1 : 0;
		if (hi >= lo && hi - lo >= wish->limit)
			lo = hi - wish->limit + 1;
		page->more = lo > page->first && hi >= page->first;
	}
	page->lo = lo;
	page->hi = hi;
}

/* Where its messages are. False: lost. */
static bool
find(struct page *page)
{
	uint64_t pos;

	page->n = 0;
	if (page->lo > page->hi)
		return true;
	if (!chat_log_seek(page->log, &page->room, page->lo, &pos))
		return false;
	while (page->n < HISTORY_LIMIT_MAX) {
		struct log_record record;

		switch (chat_log_read(page->log, &page->room, pos, &record)) {
		case LOG_LOST: return false;
		case LOG_END: return true;
		case LOG_MESSAGE: break;
		}
		if (record.seq > page->hi)
			return true;
		page->pos[page->n++] = pos;
		pos = record.next;
	}
	return true;
}

/* Appends message i to page->json. LOG_BUSY: lost. */
static enum log_result
render(struct page *page, size_t i)
{
	struct log_record record;

	if (chat_log_read(page->log, &page->room, page->pos[i], &record) != LOG_MESSAGE)
		return LOG_BUSY;
	page->payload.len = 0;
	if (!buffer_reserve(&page->payload, record.len, SIZE_MAX))
		return LOG_TOO_LONG;
	if (record.len > 0 && !chat_log_copy(page->log, &page->room, &record, page->payload.data))
		return LOG_BUSY;
	const struct wire_message message = {
	    .room = page->name,
	    .epoch = page->epoch,
	    .record = &record,
	    .payload = (const unsigned char *)page->payload.data,
	};
	return wire_json(&page->json, &message) ? LOG_OK : LOG_TOO_LONG;
}

/* As many as fit, from the end that was asked for. */
static enum log_result
render_all(struct page *page)
{
	size_t found = page->n;

	page->json.len = 0;
	for (page->n = 0; page->n < found; page->n++) {
		size_t before = page->json.len;
		enum log_result result =
		    render(page, page->is_upward ? page->n : found - 1 - page->n);

		if (result != LOG_OK)
			return result;
		if (page->n > 0 && page->json.len + page->n > HISTORY_BYTES_MAX) {
			page->json.len = before;
			page->more = true;
			break;
		}
		page->end[page->n] = page->json.len;
	}
	return LOG_OK;
}

static enum log_result
write_page(const struct page *page, struct buffer *out)
{
	char number[WIRE_NUMBER_SIZE];

	if (!buffer_reserve(out, 256 + page->json.len + page->n, SIZE_MAX))
		return LOG_TOO_LONG;
	char *p = out->data + out->len;
	p = PUT_LIT(p, "\"room\":\"");
	p = put(p, page->name.ptr, page->name.len);
	p = PUT_LIT(p, "\",\"epoch\":\"");
	wire_number(number, page->epoch);
	p = put(p, number, strlen(number));
	p = PUT_LIT(p, "\",\"first\":");
	p = put_number(p, page->first);
	p = PUT_LIT(p, ",\"msgs\":[");
	for (size_t i = 0; i < page->n; i++) {
		size_t k = page->is_upward ? i : page->n - 1 - i;
		size_t begin = k ? page->end[k - 1] : 0;

		if (i > 0)
			*p++ = ',';
		p = put(p, page->json.data + begin, page->end[k] - begin);
	}
	p = PUT_LIT(p, "],\"more\":");
	p = page->more ? PUT_LIT(p, "true") : PUT_LIT(p, "false");
	out->len = (size_t)(p - out->data);
	return LOG_OK;
}

/* LOG_BUSY: overwritten meanwhile. */
static enum log_result
read_page(struct page *page, const struct history_bounds *bounds, const struct history_wish *wish)
{
	struct log_view view;
	uint64_t now_ms = clock_realtime_ms();
	uint64_t since_ms = now_ms > bounds->age_ms ? now_ms - bounds->age_ms : 0;

	page->n = 0;
	page->json.len = 0;
	page->more = false;
	page->first = 0;
	page->epoch = chat_log_epoch(page->log, page->name);
	if (!chat_log_find_room(page->log, page->name, &page->room))
		return LOG_OK;
	if (!chat_log_view(page->log, &page->room, &view) ||
	    !chat_log_first(page->log, &page->room, bounds->messages, since_ms, &page->first))
		return LOG_BUSY;
	page->epoch = view.epoch;
	choose(page, wish, view.seq);
	return find(page) ? render_all(page) : LOG_BUSY;
}

enum log_result
history_write(struct chat_log *log, const struct history_bounds *bounds, struct span room,
	      const struct history_wish *wish, struct buffer *out)
{
	struct page page = {.log = log, .name = room};
	enum log_result result = LOG_BUSY;

	for (unsigned i = 0; i < TRIES && result == LOG_BUSY; i++)
		result = read_page(&page, bounds, wish);
	if (result == LOG_OK)
		result = write_page(&page, out);
	page_fini(&page);
	return result;
}
