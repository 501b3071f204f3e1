/*
 * door.c - the front door's shared state made and unmade, and the queue of deferred answers. Called
 * by: server.c, conn_life.c. Calls up only through door->calls.
 */
#include "http/door.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/gzip.h"

const char door_no_input_room[] =
    "The server holds as much unfinished input as it may (http.max_input_memory).";

#define LOG_INTERVAL_US 60000000u

/* After the last answer, what a client still sends is dropped for so long at most. */
#define LINGER_MS 2000
/* How long a draining server waits for the next request of a connection that was just used. */
#define GRACE_MS 1000

bool
door_may_log(struct door *door, enum complaint complaint)
{
	uint64_t now_us = loop_now_us(door->loop);

	if (now_us < door->next_log_us[complaint])
		return false;
	door->next_log_us[complaint] = now_us + LOG_INTERVAL_US;
	return true;
}

bool
door_has_input_room(struct door *door, size_t len)
{
	const size_t max = (size_t)door->config->http_max_input_memory;

	if (door->input_held <= max && len <= max - door->input_held)
		return true;
	if (door_may_log(door, COMPLAINT_INPUT))
		log_warning(
		    "http: unfinished requests are answered 503, or wait: %zu bytes of such "
		    "are held, and http.max_input_memory is %zu",
		    door->input_held, max);
	return false;
}

/* So many go on in one pass, and then the loop turns: each may have a lot to do. */
#define RESUME_BATCH 32

/*
 * Connections whose answer came from elsewhere in this pass go on now. Only those that are queued
 * already: what they cause waits for the next pass, so that the loop gets its turn.
 */
static void
run_resumed(struct door *door)
{
	struct ring now;

	if (ring_empty(&door->resumed))
		return;
	watch_stop(&door->wake);
	now = door->resumed;
	now.next->prev = now.prev->next = &now;
	ring_init(&door->resumed);
	for (unsigned n = 0; n < RESUME_BATCH && !ring_empty(&now); n++) {
		struct ring *link = now.next;

		ring_remove(link);
		door->calls->resume(link);
	}
	if (ring_empty(&now))
		return;
	/* the others first, before those that came meanwhile */
	now.next->prev = &door->resumed;
	now.prev->next = door->resumed.next;
	door->resumed.next->prev = now.prev;
	door->resumed.next = now.next;
	watch_start_ms(&door->wake, 0);
}

static void
tell_drained(struct door *door)
{
	void (*drained)(void *ctx) = door->drained;

	if (!drained || door->n_conns)
		return;
	door->drained = NULL;
	drained(door->drained_ctx);
}

/* With it, a drain ends even if there is no memory for the timer. */
static bool
door_hook(void *arg)
{
	struct door *door = arg;
	bool any = !ring_empty(&door->resumed);

	door->coded_in_pass = 0;
	run_resumed(door);
	tell_drained(door);
	/* requests that go on now may have given work to hooks that ran before this one */
	return any;
}

/* Answers can also come after our hook of the pass has run: then the timer brings us here. */
static void
door_wake_cb(void *arg, short what)
{
	struct door *door = arg;

	(void)what;
	run_resumed(door);
	tell_drained(door);
}

void
door_resume_later(struct door *door, struct ring *link)
{
	if (ring_empty(&door->resumed))
		watch_start_ms(&door->wake, 0);
	ring_append(&door->resumed, link);
}

void
door_check_drained(struct door *door)
{
	if (door->drained && door->n_conns == 0)
		watch_start_ms(&door->wake, 0);
}

bool
door_init(struct door *door, struct loop *loop, const struct config *config,
	  const struct route_table *routes, const struct door_calls *calls)
{
	*door = (struct door){.loop = loop, .config = config, .routes = routes, .calls = calls};
	ring_init(&door->conns);
	ring_init(&door->orphans);
	ring_init(&door->resumed);
	ring_init(&door->unused);
	deadline_list_init(&door->first, loop, config->http_header_timeout, "http first byte",
			   calls->idle_expired, door);
	deadline_list_init(&door->idle, loop, config->http_idle_timeout, "http idle timeout",
			   calls->idle_expired, door);
	deadline_list_init(&door->header, loop, config->http_header_timeout, "http header timeout",
			   calls->header_expired, door);
	deadline_list_init(&door->body, loop, config->http_body_timeout, "http body timeout",
			   calls->body_expired, door);
	deadline_list_init(&door->body_more, loop, 1000, "http body timeout", calls->body_expired,
			   door);
	deadline_list_init(&door->write, loop, config->http_write_timeout, "http write timeout",
			   calls->write_expired, door);
	deadline_list_init(&door->linger, loop, LINGER_MS, "http linger timeout",
			   calls->linger_expired, door);
	deadline_list_init(&door->grace, loop, GRACE_MS, "http drain", calls->grace_expired, door);
	deadline_list_init(&door->shed, loop, 0, "http drain", calls->grace_expired, door);
	watch_init_timer(&door->wake, loop, "http wake", door_wake_cb, door);
	door->hook = (struct pass_hook){.fn = door_hook, .name = "http answers", .arg = door};
	/* a started head is never longer than its limit: the parser refuses it before */
	door->in_size = (size_t)config->http_max_header_size + DOOR_READ_SIZE;
	door->in = malloc(door->in_size);
	if (!door->in || !buffer_reserve(&door->out, DOOR_READ_SIZE, DOOR_READ_SIZE))
		return false;
	loop_add_pass_hook(loop, &door->hook);
	return true;
}

void
door_fini(struct door *door)
{
	assert(door->n_conns == 0 && ring_empty(&door->orphans) && ring_empty(&door->unused));
	deadline_list_fini(&door->first);
	deadline_list_fini(&door->idle);
	deadline_list_fini(&door->header);
	deadline_list_fini(&door->body);
	deadline_list_fini(&door->body_more);
	deadline_list_fini(&door->write);
	deadline_list_fini(&door->linger);
	deadline_list_fini(&door->grace);
	deadline_list_fini(&door->shed);
	watch_stop(&door->wake);
	free(door->in);
	door->in = NULL;
	buffer_fini(&door->out);
	buffer_fini(&door->coded);
	buffer_fini(&door->conditions);
	gzip_free(&door->gzip);
}
