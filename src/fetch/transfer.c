/*
 * transfer.c - libcurl's multi interface, its sockets and its timer as watches of the loop.
 */
#include "fetch/transfer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <linux/tcp.h> /* glibc's tcp_info ends before what we want of it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"

#define USER_AGENT "plaza/" PLAZA_VERSION
/* of a connection, for what comes in; gzip can make a thousand times as much of it at once */
#define INPUT_SIZE 4096L
#define TICK_MS    1000
/* so many are begun or ended in one callback: each takes a tenth of a millisecond */
#define BATCH    8
#define TYPE_MAX 128

struct transfers {
	struct transfers_settings settings;
	CURLM *multi;       /* NULL: memory ran out; made anew when there is something to begin */
	struct watch timer; /* when curl wants to be called */
	struct watch tick;  /* looks for bodies that hardly come, while there are transfers */
	struct watch begin; /* gives curl those that have not begun */
	struct transfer *first;      /* that have */
	struct transfer *new, **end; /* that have not */
	bool in_curl, has_complained;
};

struct transfer {
	struct transfers *all;
	struct transfer *next, **self;
	bool has_begun;
	CURL *easy;
	struct curl_slist *fields;
	const struct transfer_events *events;
	void *ctx;

	bool is_hasty; /* its own time is shorter than what a connection may take */
	bool is_ready; /* the request may go out: a connection stands and is allowed */
	bool has_body; /* its first byte came */
	bool is_refused_by_caller;
	const char *refused; /* by the guard */
	const char *bad;     /* what of the answer is not taken */
	bool is_too_large, is_endless;
	bool in_head, is_final; /* a head is being read; it is no interim one */
	bool has_head;          /* the final one is whole */
	size_t head_bytes;
	unsigned heads, codings;
	/* of the newest head */
	bool has_location;
	size_t location_len, type_len;
	char *location;
	char type[TYPE_MAX];

	uint64_t slow_since_ms;
	uint64_t slow_bytes;
	curl_socket_t fd;   /* that libcurl waits for */
	bool has_first;     /* the connection had brought so much when it was first looked at: */
	uint64_t first_raw; /* bytes, as they come */
	char error[CURL_ERROR_SIZE];
};

/* A socket that curl wants to be told about. */
struct place {
	struct transfers *all;
	struct watch watch;
	curl_socket_t fd;
};

/* ---- the guard ---- */

static curl_socket_t
open_socket_cb(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = ctx;
	struct guard *guard = t->all->settings.guard;

	(void)purpose;
	guard_look(guard, loop_now_ms(t->all->settings.loop));
	if (!guard->has_seen && !t->all->has_complained) {
		t->all->has_complained = true;
		log_error("fetch: the addresses of this machine's interfaces cannot be read, so "
			  "nothing is fetched");
	}
	const char *why = guard_check(guard, &address->addr);
	if (why) {
		t->refused = why;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      address->protocol);
}

static bool
address_parse(const char *text, int port, struct sockaddr_storage *address)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)address;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons((uint16_t)port);
		return true;
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, text, &sin6->sin6_addr) == 1;
}

/* A connection is there, old or new, and the request is about to go. */
static int
ready_cb(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
	struct transfer *t = ctx;
	const struct guard *guard = t->all->settings.guard;
	struct sockaddr_storage address;

	(void)own_port;
	/* who has the same address at both ends talks to itself, whatever the interfaces say */
	if (!address_parse(peer, peer_port, &address))
		t->refused = "is at an address that cannot be read";
	else if (strcmp(peer, own) == 0)
		t->refused = guard_check_self(guard, (const struct sockaddr *)&address);
	else
		t->refused = guard_check(guard, (const struct sockaddr *)&address);
	t->is_ready = !t->refused;
	return t->refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- what comes ---- */

static struct span
trim(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
		s = span_from(s.ptr + 1, s.len - 1);
	while (s.len && s.ptr[s.len - 1] && strchr(" \t\r\n", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Codings that have to be undone, all in all: a list, and the field may come again. */
static void
count_codings(struct transfer *t, struct span value)
{
	while (value.len) {
		const char *comma = memchr(value.ptr, ',', value.len);
		const size_t len = comma ? (size_t)(comma - value.ptr) : value.len;
		const struct span coding = trim(span_from(value.ptr, len));

		if (coding.len && !span_eq_nocase(coding, SPAN_LIT("identity")) &&
		    !span_eq_nocase(coding, SPAN_LIT("chunked"))) {
			if (!span_eq_nocase(coding, SPAN_LIT("gzip")) &&
			    !span_eq_nocase(coding, SPAN_LIT("x-gzip")) &&
			    !span_eq_nocase(coding, SPAN_LIT("deflate")))
				t->bad = "the body has a coding other than gzip and deflate, which "
					 "were asked for";
			else if (++t->codings > 1)
				t->bad = "the body is compressed more than once";
		}
		value = span_from(value.ptr + len, value.len - len);
		if (value.len)
			value = span_from(value.ptr + 1, value.len - 1);
	}
}

static void
take_location(struct transfer *t, struct span value)
{
	/* one more byte than a URL can have: it is refused as too long then */
	const size_t len = value.len <= FETCH_URL_MAX + 1 ? value.len : FETCH_URL_MAX + 1;
	char *copy = realloc(t->location, len + 1);

	if (!copy) {
		t->bad = "out of memory";
		return;
	}
	t->location = copy;
	if (len)
		memcpy(copy, value.ptr, len);
	t->location_len = len;
	t->has_location = true;
}

static void
take_field(struct transfer *t, struct span line)
{
	const char *colon = memchr(line.ptr, ':', line.len);

	if (!colon)
		return;
	const struct span name = span_from(line.ptr, (size_t)(colon - line.ptr));
	const struct span value =
	    trim(span_from(colon + 1, line.len - (size_t)(colon + 1 - line.ptr)));
	if (span_eq_nocase(name, SPAN_LIT("location"))) {
		take_location(t, value);
	} else if (span_eq_nocase(name, SPAN_LIT("content-type"))) {
		t->type_len = value.len < TYPE_MAX ? value.len : TYPE_MAX;
		memcpy(t->type, value.ptr, t->type_len);
	} else if (span_eq_nocase(name, SPAN_LIT("content-encoding")) ||
		   span_eq_nocase(name, SPAN_LIT("transfer-encoding"))) {
		count_codings(t, value);
	}
}

/* HTTP/1.1 103 Early Hints */
static bool
is_interim(struct span line)
{
	const char *blank = memchr(line.ptr, ' ', line.len);

	return blank && blank + 1 < line.ptr + line.len && blank[1] == '1';
}

/* A line of a head, or of the trailer. */
static size_t
head_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	const struct span line = span_from(data, size * n);

	t->head_bytes += line.len;
	if (t->head_bytes > TRANSFER_HEAD_MAX) {
		t->is_too_large = true;
		return 0;
	}
	/* what a trailer says counts for nothing */
	if (t->has_head)
		return line.len;
	if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
		if (++t->heads > TRANSFER_HEADS_MAX) {
			t->is_too_large = true;
			return 0;
		}
		t->in_head = true;
		t->is_final = !is_interim(line);
		/* RFC 9110 7.8: what would follow is no HTTP */
		if (!t->is_final && memmem(line.ptr, line.len, " 101", 4))
			t->bad = "the origin changes the protocol, which nobody has asked for";
		t->has_location = false;
		t->type_len = t->location_len = 0;
		t->codings = 0;
	} else if (trim(line).len == 0) {
		t->has_head = t->in_head && t->is_final;
		t->in_head = false;
	} else if (t->in_head) {
		take_field(t, line);
	}
	return t->bad ? 0 : line.len;
}

static size_t
body_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	if (!t->has_body) {
		t->has_body = true;
		t->slow_since_ms = loop_now_ms(t->all->settings.loop);
	}
	t->slow_bytes += size * n;
	if (t->events->body(data, size * n, t->ctx))
		return size * n;
	t->is_refused_by_caller = true;
	return 0;
}

/* Whenever something has come, decoded or not. */
static int
progress_cb(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct transfer *t = ctx;

	(void)down_all, (void)up_all, (void)up;
	t->is_endless = down > 0 && (uint64_t)down > t->all->settings.max_input;
	return t->is_endless;
}

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
	const bool is_long_line = code == CURLE_OUT_OF_MEMORY && t->is_ready && !t->has_head;
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
	if (t)
		t->fd = what == CURL_POLL_REMOVE ? CURL_SOCKET_BAD : fd;
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
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (!t->is_ready || t->fd == CURL_SOCKET_BAD ||
	    getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	/* a kept connection has brought other answers before; and it may be another one by now */
	if (!t->has_first || info.tcpi_bytes_received < t->first_raw)
		t->first_raw = info.tcpi_bytes_received;
	t->has_first = true;
	return info.tcpi_bytes_received - t->first_raw >
	       t->all->settings.max_input + 8 * (uint64_t)down;
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

static bool
add_field(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* curl has its own way to say that a field is there and empty. */
static bool
add_header(struct curl_slist **list, const struct transfer_header *header)
{
	const size_t name_len = strlen(header->name);
	char *line = malloc(name_len + header->value.len + 3);
	bool ok = false;

	if (line) {
		memcpy(line, header->name, name_len);
		if (header->value.len) {
			memcpy(line + name_len, ": ", 2);
			memcpy(line + name_len + 2, header->value.ptr, header->value.len);
			line[name_len + 2 + header->value.len] = '\0';
		} else {
			memcpy(line + name_len, ";", 2);
		}
		ok = add_field(list, line);
	}
	free(line);
	return ok;
}

static bool
set_fields(struct transfer *t, const struct transfer_request *request)
{
	bool has_type = false;

	for (size_t i = 0; i < request->n_headers; i++) {
		has_type = has_type || strcasecmp(request->headers[i].name, "content-type") == 0;
		if (!add_header(&t->fields, &request->headers[i]))
			return false;
	}
	/* 100-continue would be a round trip more; and nobody here sends forms */
	return add_field(&t->fields, "Expect:") &&
	       (has_type ||
		add_field(&t->fields, request->has_body ? "Content-Type: text/plain; charset=utf-8"
							: "Content-Type:"));
}

/* An option that cannot be set is either memory or a curl that we were not made for. */
#define SET(easy, option, value) (curl_easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK)

static bool
set_method(CURL *easy, const struct transfer_request *request)
{
	const bool is_post = strcmp(request->method, "POST") == 0;

	if (strcmp(request->method, "HEAD") == 0)
		return SET(easy, NOBODY, 1L);
	if (request->has_body || is_post || strcmp(request->method, "PUT") == 0 ||
	    strcmp(request->method, "PATCH") == 0) {
		if (!SET(easy, POST, 1L) ||
		    !SET(easy, POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) ||
		    !SET(easy, POSTFIELDS, request->body.len ? request->body.ptr : ""))
			return false;
		return is_post || SET(easy, CUSTOMREQUEST, request->method);
	}
	return SET(easy, HTTPGET, 1L) &&
	       (strcmp(request->method, "GET") == 0 || SET(easy, CUSTOMREQUEST, request->method));
}

static bool
set_all(struct transfer *t, const struct transfer_request *request)
{
	const struct transfers_settings *settings = &t->all->settings;
	CURL *easy = t->easy;
	const uint64_t connect_ms = settings->connect_timeout_ms < request->timeout_ms
					? settings->connect_timeout_ms
					: request->timeout_ms;

	return SET(easy, PRIVATE, t) && SET(easy, ERRORBUFFER, t->error) &&
	       SET(easy, URL, request->url->text) && SET(easy, PATH_AS_IS, 1L) &&
	       SET(easy, PROTOCOLS_STR, "http,https") && SET(easy, FOLLOWLOCATION, 0L) &&
	       SET(easy, PROXY, "") && SET(easy, NOPROXY, "*") &&
	       SET(easy, NETRC, (long)CURL_NETRC_IGNORED) &&
	       SET(easy, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       SET(easy, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       SET(easy, SSL_VERIFYPEER, 1L) && SET(easy, SSL_VERIFYHOST, 2L) &&
	       /* with a folder beside the file, curl would read all of it for each connection */
	       SET(easy, CAPATH, NULL) &&
	       (!settings->ca_file || SET(easy, CAINFO, settings->ca_file)) &&
	       SET(easy, OPENSOCKETFUNCTION, open_socket_cb) && SET(easy, OPENSOCKETDATA, t) &&
	       SET(easy, PREREQFUNCTION, ready_cb) && SET(easy, PREREQDATA, t) &&
	       SET(easy, WRITEFUNCTION, body_cb) && SET(easy, WRITEDATA, t) &&
	       SET(easy, HEADERFUNCTION, head_cb) && SET(easy, HEADERDATA, t) &&
	       SET(easy, XFERINFOFUNCTION, progress_cb) && SET(easy, XFERINFODATA, t) &&
	       SET(easy, NOPROGRESS, 0L) && SET(easy, ACCEPT_ENCODING, "gzip, deflate") &&
	       SET(easy, USERAGENT, USER_AGENT) && SET(easy, HTTPHEADER, t->fields) &&
	       SET(easy, BUFFERSIZE, INPUT_SIZE) && SET(easy, NOSIGNAL, 1L) &&
	       /* a resolver that hangs is left to its thread: else the loop would wait for it */
	       SET(easy, QUICK_EXIT, 1L) && SET(easy, FRESH_CONNECT, request->is_once ? 1L : 0L) &&
	       SET(easy, CONNECTTIMEOUT_MS, (long)(connect_ms ? connect_ms : 1)) &&
	       SET(easy, TIMEOUT_MS, (long)(request->timeout_ms ? request->timeout_ms : 1)) &&
	       set_method(easy, request);
}

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
	if (!t->easy || !set_fields(t, request) || !set_all(t, request)) {
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

/* A handshake with nobody: libcurl reads the certificates for it, and keeps them for all others. */
static void
greet_nobody(struct transfers *all, CURL *easy, unsigned port)
{
	const struct transfers_settings *settings = &all->settings;
	char url[64];
	int running;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	if (!SET(easy, URL, url) || !SET(easy, PROXY, "") || !SET(easy, NOPROXY, "*") ||
	    !SET(easy, CAPATH, NULL) ||
	    (settings->ca_file && !SET(easy, CAINFO, settings->ca_file)) ||
	    !SET(easy, NOSIGNAL, 1L) || curl_multi_add_handle(all->multi, easy) != CURLM_OK)
		return;
	/* it is connected at once, says hello, and would read: no more is wanted */
	for (int i = 0; i < 4; i++)
		curl_multi_perform(all->multi, &running);
	curl_multi_remove_handle(all->multi, easy);
}

void
transfers_warm(struct transfers *all)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CURL *easy = curl_easy_init();

	/* whoever listens and never accepts has connections all the same */
	if (easy && fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		greet_nobody(all, easy, ntohs(address.sin_port));
	if (easy)
		curl_easy_cleanup(easy);
	if (fd >= 0)
		close(fd);
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
