/*
 * transfer_loop.c - transfers from their start to their end: libcurl's multi interface, its sockets
 * and its timer as watches of the loop.
 */
#include "fetch/transfer.h"

#include <curl/curl.h>
#include <linux/tcp.h> /* glibc's tcp_info ends before what we want of it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fetch/transfer_private.h"

#define TICK_MS 1000
/* so many are begun or ended in one callback: each takes a tenth of a millisecond */
#define BATCH 8

/* A socket that curl wants to be told about. */
struct place {
	struct transfers *all;
	struct watch watch;
	curl_socket_t fd;
};

/* ---- the end ---- */

/* What libcurl says may quote the origin, a name in its certificate for one. */
static void
make_plain(char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text >= 0x7f)
			*text = '?';
	}
}

static void
fill_error(struct transfer *t, CURLcode code, struct transfer_end *end)
{
	make_plain(t->error);
	end->detail = t->error[0] ? t->error : curl_easy_strerror(code);
	if (t->refused && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)) {
		end->error = TRANSFER_NOT_ALLOWED;
		end->detail = t->refused;
		return;
	}
	/* one line that is longer than curl takes, which it calls a lack of memory */
	const bool is_long_line = code == CURLE_OUT_OF_MEMORY && t->is_ready && !t->has_head &&
				  t->raw > TRANSFER_HEAD_MAX;
	if (t->is_too_large || is_long_line) {
		end->error = TRANSFER_TOO_LARGE;
		end->detail = "the head is larger than 32 KiB or has more than 15 interim ones "
			      "before it";
		return;
	}
	if (t->is_endless) {
		end->error = TRANSFER_TOO_LARGE;
		end->detail = "the body is too long, and decodes to little";
		return;
	}
	if (t->bad) {
		end->error = TRANSFER_BAD;
		end->detail = t->bad;
		return;
	}
	if (t->is_refused_by_caller) {
		end->error = TRANSFER_TOO_LARGE;
		end->detail = "";
		return;
	}
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		/* nothing is known of a host that was not waited for */
		end->error = t->is_ready || t->is_hasty ? TRANSFER_TIMEOUT : TRANSFER_UNREACHABLE;
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT: end->error = TRANSFER_UNREACHABLE; break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS: end->error = TRANSFER_UNTRUSTED; break;
	case CURLE_OUT_OF_MEMORY: end->error = TRANSFER_NO_MEMORY; break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE: end->error = TRANSFER_BROKEN; break;
	default: end->error = TRANSFER_BAD;
	}
}

static void
link_first(struct transfer *t)
{
	struct transfers *all = t->all;

	t->next = all->first;
	t->self = &all->first;
	if (t->next)
		t->next->self = &t->next;
	all->first = t;
	t->has_begun = true;
}

static void
link_new(struct transfer *t)
{
	t->next = NULL;
	t->self = t->all->end;
	*t->self = t;
	t->all->end = &t->next;
}

static void
unlink_it(struct transfer *t)
{
	if (!t->self)
		return;
	*t->self = t->next;
	if (t->next)
		t->next->self = t->self;
	else if (!t->has_begun)
		t->all->end = t->self;
	t->self = NULL;
}

static void
transfer_free(struct transfer *t)
{
	unlink_it(t);
	if (t->easy) {
		curl_multi_remove_handle(t->all->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->fields);
	free(t->location);
	free(t);
}

static void
finish(struct transfer *t, CURLcode code)
{
	struct transfer_end end = {.was_sent = t->is_ready, .detail = ""};
	long status = 0;
	curl_off_t retry_after_s = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	end.status = status >= 200 ? (int)status : 0;
	end.has_location = t->has_location;
	end.location = span_from(t->location, t->location_len);
	end.content_type = span_from(t->type, t->type_len);
	if (retry_after_s > 0)
		end.retry_after_ms =
		    (uint64_t)(retry_after_s < 86400 ? retry_after_s : 86400) * 1000;
	if (code != CURLE_OK) {
		fill_error(t, code, &end);
	} else if (!end.status) {
		end.error = TRANSFER_BAD;
		end.detail = "there was no answer but an interim one";
	}

	/* the handle first, so that the caller may start another one with its connection */
	curl_multi_remove_handle(t->all->multi, t->easy);
	t->events->done(&end, t->ctx);
	transfer_free(t);
}

/* ---- curl and the loop ---- */

/*
 * A multi handle that has run out of memory is given up with all that is under way: libcurl (7.88)
 * leaves a socket behind whose table of transfers is destroyed, and uses that table for the next
 * one that has a socket of this number.
 */
static void
multi_give_up(struct transfers *all)
{
	while (all->first)
		finish(all->first, CURLE_OUT_OF_MEMORY);
	curl_multi_cleanup(all->multi);
	all->multi = NULL;
	watch_stop(&all->timer);
}

static void
call_curl(struct transfers *all, curl_socket_t fd, int what)
{
	CURLMsg *msg;
	int running, left;

	all->in_curl = true;
	const CURLMcode called = curl_multi_socket_action(all->multi, fd, what, &running);
	all->in_curl = false;
	while ((msg = curl_multi_info_read(all->multi, &left))) {
		char *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		/* msg is curl's, and gone when the handle is removed */
		const CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		finish((struct transfer *)(void *)t, code);
	}
	if (called == CURLM_OUT_OF_MEMORY || called == CURLM_INTERNAL_ERROR)
		multi_give_up(all);
}

static void
socket_cb(void *arg, short what)
{
	struct place *place = arg;
	const int readable = what & LOOP_READ ? CURL_CSELECT_IN : 0;
	const int writable = what & LOOP_WRITE ? CURL_CSELECT_OUT : 0;

	call_curl(place->all, place->fd, readable | writable);
}

static void
timer_cb(void *arg, short what)
{
	(void)what;
	call_curl(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
want_timer_cb(CURLM *multi, long ms, void *ctx)
{
	struct transfers *all = ctx;

	(void)multi;
	if (ms < 0)
		watch_stop(&all->timer);
	else
		watch_start_ms(&all->timer, (uint64_t)ms);
	return 0;
}

/* What a connection has brought since it was there, as it came; 0: it is not known. */
static uint64_t
raw_bytes(curl_socket_t fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (fd == CURL_SOCKET_BAD || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_bytes_received;
}

/*
 * Never -1, which would be the end of all transfers: a socket without a watch is ended by its
 * timeout.
 */
static int
want_socket_cb(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
	struct transfers *all = ctx;
	struct place *place = of_socket;
	char *owner = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
	struct transfer *t = (struct transfer *)(void *)owner;
	if (t) {
		t->fd = what == CURL_POLL_REMOVE ? CURL_SOCKET_BAD : fd;
		/* the last look at it: it may be closed next */
		if (what == CURL_POLL_REMOVE)
			t->raw = raw_bytes(fd);
	}
	if (what == CURL_POLL_REMOVE) {
		if (place) {
			watch_stop(&place->watch);
			curl_multi_assign(all->multi, fd, NULL);
			free(place);
		}
		return 0;
	}
	if (!place) {
		place = calloc(1, sizeof(*place));
		if (!place)
			return 0;
		place->all = all;
		place->fd = fd;
		curl_multi_assign(all->multi, fd, place);
	} else {
		watch_stop(&place->watch);
	}
	watch_init(&place->watch, all->settings.loop, fd,
		   (short)((what & CURL_POLL_IN ? LOOP_READ : 0) |
			   (what & CURL_POLL_OUT ? LOOP_WRITE : 0)),
		   "fetch socket", socket_cb, place);
	watch_start(&place->watch);
	return 0;
}

static bool
multi_open(struct transfers *all)
{
	all->multi = curl_multi_init();
	if (!all->multi)
		return false;
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, want_socket_cb);
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, want_timer_cb);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_MAXCONNECTS, (long)all->settings.connections);
	return true;
}

/*
 * Whether much has come that is neither head nor body: the extensions of chunks (RFC 9112 7.1.1),
 * which libcurl drops without telling anybody. Chunks of one byte have five around it.
 */
static bool
is_flood(struct transfer *t)
{
	curl_off_t down = 0;
	const uint64_t raw = t->is_ready ? raw_bytes(t->fd) : 0;

	if (!raw)
		return false;
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	/* a kept connection has brought other answers before; and it may be another one by now */
	if (!t->has_first || raw < t->first_raw)
		t->first_raw = raw;
	t->has_first = true;
	return raw - t->first_raw > t->all->settings.max_input + 8 * (uint64_t)down;
}

/* False: it goes on. */
static bool
tick_ends(struct transfer *t, uint64_t now_ms)
{
	if (is_flood(t)) {
		t->is_endless = true;
		finish(t, CURLE_ABORTED_BY_CALLBACK);
		return true;
	}
	if (!t->has_body || now_ms - t->slow_since_ms < TRANSFER_SLOW_MS)
		return false;
	if (t->slow_bytes >= TRANSFER_SLOW_BYTES) {
		t->slow_since_ms = now_ms;
		t->slow_bytes = 0;
		return false;
	}
	snprintf(t->error, sizeof(t->error), "the body comes too slowly: %u bytes in %u s",
		 (unsigned)t->slow_bytes, TRANSFER_SLOW_MS / 1000);
	finish(t, CURLE_OPERATION_TIMEDOUT);
	return true;
}

/* Once a second: whose body comes too slowly, or without end. */
static void
tick_cb(void *arg, short what)
{
	struct transfers *all = arg;
	const uint64_t now_ms = loop_now_ms(all->settings.loop);
	unsigned ended = 0;

	(void)what;
	for (struct transfer *t = all->first; t && ended < BATCH;) {
		if (!tick_ends(t, now_ms)) {
			t = t->next;
			continue;
		}
		ended++;
		/* who was told may have cancelled others */
		t = all->first;
	}
	if (all->first)
		watch_start_ms(&all->tick, ended < BATCH ? TICK_MS : 1);
}

/* ---- the beginning ---- */

/* The next ones; curl connects at once when it is called for its timer. */
static void
begin_cb(void *arg, short what)
{
	struct transfers *all = arg;

	(void)what;
	const bool is_open = all->multi || multi_open(all);
	for (unsigned i = 0; i < BATCH && all->new; i++) {
		struct transfer *t = all->new;

		unlink_it(t);
		link_first(t);
		if (!is_open || curl_multi_add_handle(all->multi, t->easy) != CURLM_OK)
			finish(t, CURLE_OUT_OF_MEMORY);
	}
	if (all->first && !watch_started(&all->tick))
		watch_start_ms(&all->tick, TICK_MS);
	if (is_open)
		call_curl(all, CURL_SOCKET_TIMEOUT, 0);
	if (all->new)
		watch_start_ms(&all->begin, 0);
}

struct transfer *
transfer_start(struct transfers *all, const struct transfer_request *request,
	       const struct transfer_events *events, void *ctx)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->all = all;
	t->fd = CURL_SOCKET_BAD;
	t->events = events;
	t->ctx = ctx;
	t->is_hasty = request->timeout_ms < all->settings.connect_timeout_ms;
	t->easy = curl_easy_init();
	if (!t->easy || !transfer_setup(t, request)) {
		transfer_free(t);
		return NULL;
	}
	link_new(t);
	if (!watch_started(&all->begin))
		watch_start_ms(&all->begin, 0);
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	if (t->all->in_curl) /* transfer.h: not in `body` */
		abort();
	transfer_free(t);
}

struct transfers *
transfers_new(const struct transfers_settings *settings)
{
	struct transfers *all = NULL;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		all = calloc(1, sizeof(*all));
	if (!all) {
		log_error("fetch: libcurl cannot be used: out of memory");
		return NULL;
	}
	all->settings = *settings;
	all->end = &all->new;
	watch_init_timer(&all->timer, settings->loop, "fetch timer", timer_cb, all);
	watch_init_timer(&all->tick, settings->loop, "fetch tick", tick_cb, all);
	watch_init_timer(&all->begin, settings->loop, "fetch begin", begin_cb, all);
	if (!multi_open(all)) {
		log_error("fetch: libcurl cannot be used: out of memory");
		transfers_free(&all);
	}
	return all;
}

void
transfers_free(struct transfers **transfers)
{
	struct transfers *all = *transfers;

	if (!all)
		return;
	while (all->first)
		transfer_free(all->first);
	while (all->new)
		transfer_free(all->new);
	curl_multi_cleanup(all->multi);
	watch_stop(&all->timer);
	watch_stop(&all->tick);
	watch_stop(&all->begin);
	curl_global_cleanup();
	free(all);
	*transfers = NULL;
}
