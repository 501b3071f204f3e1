/* links: $(transfer_sources) tests/it/origin.c tests/it/origin.h tests/unit/tls_origin.c
 * -lcurl -levent_core -lssl -lcrypto -lz */
/*
 * test_transfer.c - requests to an origin that answers well, badly and never, and addresses that
 * are only seen when connecting.
 */
#include "fetch/transfer.h"

#include <arpa/inet.h>
#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../it/origin.h"
#include "base/clock.h"
#include "base/log.h"
#include "tls_origin.h"

#define BODY_MAX (1 << 20)

static struct origin origin;
static struct loop *loop;
static struct guard guard;
static struct config config;
static struct transfers *all;
static char *ports[] = {"80", "443"}, *allow[1], allowed[64];

struct got {
	struct transfer *transfer;
	enum transfer_error error;
	int status;
	bool is_done, was_sent, has_location;
	char location[64], type[64], detail[256];
	uint64_t retry_after_ms;
	size_t len, max;
	char body[4096];
};

static unsigned pending;

/* ---- names ---- */

/* Those that end in .test are looked up here; libcurl's resolver calls this getaddrinfo. */
static const struct {
	const char *name, *address[3];
} names[] = {
    {"private.test", {"10.0.0.1"}},
    {"metadata.test", {"169.254.169.254"}},
    {"loopback.test", {"127.0.0.1", "::1"}},
    {"mapped.test", {"::ffff:127.0.0.1"}},
    {"embedded.test", {"64:ff9b::7f00:1", "2002:7f00:1::1"}},
    {"mixed.test", {"10.0.0.1", "169.254.169.254", "127.0.0.1"}},
    {"hangs.test", {NULL}},
};

static int hold[2]; /* a lookup that hangs does so until this is closed */

static struct addrinfo *
address_of(const char *text, const char *port)
{
	/* in one block each, as freeaddrinfo of glibc wants it */
	struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
	struct sockaddr_in *sin = (struct sockaddr_in *)(info + 1);
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)(info + 1);

	info->ai_addr = (struct sockaddr *)(info + 1);
	info->ai_socktype = SOCK_STREAM;
	info->ai_protocol = IPPROTO_TCP;
	info->ai_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (info->ai_family == AF_INET) {
		info->ai_addrlen = sizeof(*sin);
		inet_pton(AF_INET, text, &sin->sin_addr);
		sin->sin_port = htons((uint16_t)atoi(port));
	} else {
		info->ai_addrlen = sizeof(*sin6);
		inet_pton(AF_INET6, text, &sin6->sin6_addr);
		sin6->sin6_port = htons((uint16_t)atoi(port));
	}
	info->ai_addr->sa_family = (sa_family_t)info->ai_family;
	return info;
}

int
getaddrinfo(const char *restrict node, const char *restrict service,
	    const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
	int (*theirs)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	char byte;

	for (size_t i = 0; node && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(node, names[i].name) != 0)
			continue;
		if (!names[i].address[0]) {
			if (read(hold[0], &byte, 1) < 0)
				return EAI_SYSTEM;
			return EAI_AGAIN;
		}
		*found = NULL;
		for (size_t n = 3; n-- > 0;) {
			if (!names[i].address[n])
				continue;
			struct addrinfo *info = address_of(names[i].address[n], service);
			info->ai_next = *found;
			*found = info;
		}
		return 0;
	}
	*(void **)&theirs = dlsym(RTLD_NEXT, "getaddrinfo");
	return theirs(node, service, hints, found);
}

/* ---- the rig ---- */

static uint64_t connect_timeout_ms = 15000;

static void
open_transfers(const char *ca_file)
{
	all = transfers_new(&(struct transfers_settings){.loop = loop,
							 .guard = &guard,
							 .connect_timeout_ms = connect_timeout_ms,
							 .max_input = 4 << 20,
							 .connections = 16,
							 .ca_file = ca_file});
	ck_assert_ptr_nonnull(all);
}

static void
set_up(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	origin_start(&origin);
	loop = loop_new();
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", origin.port);
	allow[0] = allowed;
	config.fetch_ports = (struct words){2, ports};
	config.fetch_allow = (struct words){1, allow};
	guard_init(&guard, &config);
	ck_assert_int_eq(pipe(hold), 0);
	open_transfers(NULL);
	pending = 0;
}

static void
tear_down(void)
{
	close(hold[1]);
	transfers_free(&all);
	ck_assert_ptr_null(all);
	guard_fini(&guard);
	loop_free(&loop);
	origin_stop(&origin);
}

static bool
body_cb(const char *data, size_t len, void *ctx)
{
	struct got *got = ctx;

	for (size_t i = 0; i < len && got->len + i < sizeof(got->body) - 1; i++)
		got->body[got->len + i] = data[i];
	got->len += len;
	return got->len <= got->max;
}

static void
done_cb(const struct transfer_end *end, void *ctx)
{
	struct got *got = ctx;

	ck_assert(!got->is_done);
	got->is_done = true;
	got->error = end->error;
	got->status = end->status;
	got->was_sent = end->was_sent;
	got->has_location = end->has_location;
	got->retry_after_ms = end->retry_after_ms;
	snprintf(got->location, sizeof(got->location), "%.*s", (int)end->location.len,
		 end->location.len ? end->location.ptr : "");
	snprintf(got->type, sizeof(got->type), "%.*s", (int)end->content_type.len,
		 end->content_type.ptr);
	snprintf(got->detail, sizeof(got->detail), "%s", end->detail);
	if (--pending == 0)
		loop_stop(loop);
}

static const struct transfer_events events = {body_cb, done_cb};

/* `path` may be a whole URL. */
static bool
start_with(struct got *got, struct transfer_request *request, const char *path)
{
	struct fetch_url url;
	char text[2000];
	const char *why;

	if (*path == '/')
		snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", origin.port, path);
	else
		snprintf(text, sizeof(text), "%s", path);
	ck_assert_msg(fetch_url_parse(span_str(text), &url, &why) == FETCH_URL_OK, "%s", text);
	memset(got, 0, sizeof(*got));
	got->max = BODY_MAX;
	request->url = &url;
	if (!request->method)
		request->method = "GET";
	if (!request->timeout_ms)
		request->timeout_ms = 20000;
	got->transfer = transfer_start(all, request, &events, got);
	pending += got->transfer != NULL;
	return got->transfer != NULL;
}

static const struct got *
get_for(const char *path, uint64_t timeout_ms)
{
	static struct got got;

	ck_assert(start_with(&got, &(struct transfer_request){.timeout_ms = timeout_ms}, path));
	loop_run(loop);
	ck_assert(got.is_done);
	return &got;
}

static const struct got *
get(const char *path)
{
	return get_for(path, 0);
}

START_TEST(answer_comes_whole)
{
	const struct got *got = get("/ok");

	ck_assert_int_eq(got->error, TRANSFER_OK);
	ck_assert_int_eq(got->status, 200);
	ck_assert_str_eq(got->body, "hello\n");
	ck_assert_str_eq(got->type, "text/plain");
	ck_assert(got->was_sent);
	ck_assert(!got->has_location);
	ck_assert_uint_eq(got->retry_after_ms, 0);
	ck_assert_uint_eq(get("/size?n=1000000")->len, 1000000);
}
END_TEST

static const struct {
	const char *path;
	enum transfer_error error;
	int status;
	const char *detail;
} cases[] = {
    {"/status?code=404", TRANSFER_OK, 404, ""},
    {"/status?code=500", TRANSFER_OK, 500, ""},
    {"/status?code=204", TRANSFER_OK, 204, ""},
    {"/status?code=999", TRANSFER_OK, 999, ""},
    {"/redirect?n=1", TRANSFER_OK, 302, ""},
    {"/gzip", TRANSFER_OK, 200, ""},
    {"/gzip?times=2", TRANSFER_BAD, 200, "compressed more than once"},
    {"/gzip?times=3", TRANSFER_BAD, 200, "compressed more than once"},
    {"/brotli", TRANSFER_BAD, 200, "other than gzip"},
    {"/bomb", TRANSFER_TOO_LARGE, 200, ""},
    {"/endless", TRANSFER_TOO_LARGE, 200, ""},
    {"/heads", TRANSFER_TOO_LARGE, 200, "head"},
    {"/interim", TRANSFER_TOO_LARGE, 0, "interim"},
    {"/interim?n=3", TRANSFER_OK, 200, ""},
    {"/trailers", TRANSFER_TOO_LARGE, 200, "head"},
    {"/close", TRANSFER_BROKEN, 0, ""},
    {"/cut", TRANSFER_BROKEN, 200, ""},
    {"/garbage", TRANSFER_BAD, 0, ""},
    {"/line", TRANSFER_TOO_LARGE, 200, "head"},
    {"/raw?text=X%3A", TRANSFER_BAD, 0, ""},
    {"/raw?text=HTTP/1.1%20101%20Switching%20Protocols%0D%0AUpgrade:%20x%0D%0A%0D%0A&more=1",
     TRANSFER_BAD, 0, "protocol"},
    {"/hollow", TRANSFER_TOO_LARGE, 200, "decodes to little"},
    {"/name", TRANSFER_TOO_LARGE, 200, "decodes to little"},
    {"/extension", TRANSFER_TOO_LARGE, 200, "decodes to little"},
    {"/chunks", TRANSFER_TOO_LARGE, 200, ""},
};

START_TEST(origin_may_do_what_it_likes)
{
	const struct got *got = get(cases[_i].path);

	ck_assert_msg(got->error == cases[_i].error, "%s: %d %s", cases[_i].path, got->error,
		      got->detail);
	ck_assert_int_eq(got->status, cases[_i].status);
	ck_assert_msg(strstr(got->detail, cases[_i].detail), "%s: %s", cases[_i].path, got->detail);
	/* nothing more was taken than was wanted */
	ck_assert_uint_lt(got->len, BODY_MAX + 70000);
	/* and the next one is served as if nothing had been */
	ck_assert_str_eq(get("/ok")->body, "hello\n");
}
END_TEST

/* A trailer is no head. */
START_TEST(trailer_says_nothing)
{
	static const char *const trailers[] = {
	    "Location:%20http%3A%2F%2Fa%2F%0D%0A",
	    "HTTP/1.1%20302%20Found%0D%0ALocation:%20http%3A%2F%2Fa%2F%0D%0A",
	    "Content-Type:%20x%0D%0A",
	};
	char path[400];

	snprintf(path, sizeof(path),
		 "/raw?text=HTTP/1.1%%20302%%20Found%%0D%%0AContent-Type:%%20a/b%%0D%%0A"
		 "Transfer-Encoding:%%20chunked%%0D%%0A%%0D%%0A0%%0D%%0A%s%%0D%%0A",
		 trailers[_i]);
	const struct got *got = get(path);
	ck_assert_int_eq(got->status, 302);
	ck_assert(!got->has_location);
	ck_assert_str_eq(got->type, "a/b");
}
END_TEST

/* One field without an end is curl's to bound, at 100 KiB. */
START_TEST(line_without_end)
{
	get("/line");
	ck_assert_uint_lt(origin.seen->sent, 8 << 20);
}
END_TEST

START_TEST(machine_that_is_not_known_is_fetched_nothing_from)
{
	/* as if the kernel had said nothing, ever */
	guard.has_looked = true;
	guard.looked_ms = loop_now_ms(loop);
	guard.has_seen = false;
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	const struct got *got = get("/ok");
	ck_assert_int_eq(got->error, TRANSFER_NOT_ALLOWED);
	ck_assert_ptr_nonnull(strstr(got->detail, "cannot be judged"));
	ck_assert_uint_eq(origin.seen->connections, 0);
}
END_TEST

START_TEST(gzip_is_undone)
{
	ck_assert_str_eq(get("/gzip")->body, "{\"a\":1}");
}
END_TEST

START_TEST(what_the_head_says)
{
	const struct got *got = get("/redirect?to=http%3A%2F%2Fa%2Fb");

	ck_assert(got->has_location);
	ck_assert_str_eq(got->location, "http://a/b");
	ck_assert_uint_eq(get("/status?code=429&after=7")->retry_after_ms, 7000);
	ck_assert_uint_eq(get("/status?code=429&after=99999999999")->retry_after_ms, 86400000);
	ck_assert_str_eq(get("/body?type=a%2Fb%3Bcharset%3Dx")->type, "a/b;charset=x");
	/* of an interim answer it says nothing */
	ck_assert(!get("/interim?n=2")->has_location);
}
END_TEST

static const struct {
	const char *after;
	uint64_t least_ms, most_ms;
} pauses[] = {
    {"7", 7000, 7000},
    {"0", 0, 0},
    {"-7", 0, 0},
    {"soon", 0, 0},
    {"", 0, 0},
    {"99999999999", 86400000, 86400000},
    /* long ago, and beyond all pauses */
    {"Wed,%2021%20Oct%202015%2007:28:00%20GMT", 0, 0},
    {"Fri,%2031%20Dec%209999%2023:59:59%20GMT", 86400000, 86400000},
};

START_TEST(pause_is_read)
{
	char path[200];

	snprintf(path, sizeof(path), "/status?code=503&after=%s", pauses[_i].after);
	const struct got *got = get(path);
	ck_assert_int_eq(got->error, TRANSFER_OK);
	ck_assert_uint_ge(got->retry_after_ms, pauses[_i].least_ms);
	ck_assert_uint_le(got->retry_after_ms, pauses[_i].most_ms);
}
END_TEST

/* RFC 9110 10.2.3: a date counts from now. */
START_TEST(pause_until_a_date)
{
	const time_t then = time(NULL) + 100;
	char path[200], date[100];
	struct tm tm;

	strftime(date, sizeof(date), "%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT",
		 gmtime_r(&then, &tm));
	snprintf(path, sizeof(path), "/status?code=503&after=%s", date);
	const uint64_t ms = get(path)->retry_after_ms;
	ck_assert_uint_le(ms, 100000);
	ck_assert_uint_ge(ms, 70000);
}
END_TEST

/* What comes behind an answer is nobody's: RFC 9112 9.2. */
START_TEST(answer_that_nobody_asked_for)
{
	const struct got *got =
	    get("/raw?text=HTTP/1.1%20200%20OK%0D%0AContent-Length:%202%0D%0A%0D%0AokHTTP/1.1%20"
		"200%20OK%0D%0AContent-Length:%204%0D%0A%0D%0Aevil&more=1");

	ck_assert_str_eq(got->body, "ok");
	ck_assert_str_eq(get("/ok")->body, "hello\n");
	ck_assert_uint_eq(origin.seen->connections, 2);
}
END_TEST

START_TEST(connections_are_used_again)
{
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
	ck_assert_uint_eq(origin.seen->connections, 1);
	ck_assert_uint_eq(origin.seen->requests, 5);
}
END_TEST

/*
 * libcurl asks once more when a kept connection ends without an answer. Whoever has read the
 * request may have done what it says: RFC 9110 9.2.2.
 */
START_TEST(kept_connection_ends_without_an_answer)
{
	static const struct {
		const char *method;
		bool once;
	} asked[] = {{"POST", true}, {"GET", false}, {"PUT", false}};
	struct got got;

	ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
	struct transfer_request request = {.method = asked[_i].method, .is_once = asked[_i].once};
	ck_assert(start_with(&got, &request, "/close"));
	loop_run(loop);
	ck_assert_int_eq(got.error, TRANSFER_BROKEN);
	ck_assert(got.was_sent);
	ck_assert((origin.seen->requests == 2) == asked[_i].once);
	ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
}
END_TEST

START_TEST(request_is_what_was_asked_for)
{
	static const struct transfer_header headers[] = {
	    {"X-Empty", SPAN_LIT("")},
	    {"Accept", SPAN_LIT("a/b")},
	    {"Content-Type", SPAN_LIT("application/json")},
	};
	struct transfer_request request = {
	    .method = "POST",
	    .headers = headers,
	    .n_headers = 3,
	    .has_body = true,
	    .body = SPAN_LIT("{\"a\":\0001}"),
	};
	struct got got;

	ck_assert(start_with(&got, &request, "/echo?x=1"));
	loop_run(loop);
	ck_assert_ptr_nonnull(strstr(got.body, "POST /echo?x=1 HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nX-Empty:\r\n"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nAccept: a/b\r\n"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nContent-Length: 8\r\n"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nUser-Agent: plaza/"));
	ck_assert_ptr_nonnull(strstr(got.body, "\r\nAccept-Encoding: gzip, deflate\r\n"));
	ck_assert_ptr_null(strstr(got.body, "Expect"));
}
END_TEST

static const struct {
	const char *method;
	bool has_body;
	const char *body, *line, *type, *length;
} methods[] = {
    {"GET", false, "", "GET /echo HTTP/1.1\r\n", NULL, NULL},
    {"OPTIONS", false, "", "OPTIONS /echo HTTP/1.1\r\n", NULL, NULL},
    {"DELETE", false, "", "DELETE /echo HTTP/1.1\r\n", NULL, NULL},
    {"DELETE", true, "abc", "DELETE /echo HTTP/1.1\r\n", "text/plain; charset=utf-8", "3"},
    {"POST", false, "", "POST /echo HTTP/1.1\r\n", NULL, "0"},
    {"POST", true, "", "POST /echo HTTP/1.1\r\n", "text/plain; charset=utf-8", "0"},
    {"PUT", true, "abc", "PUT /echo HTTP/1.1\r\n", "text/plain; charset=utf-8", "3"},
    {"PATCH", true, "abc", "PATCH /echo HTTP/1.1\r\n", "text/plain; charset=utf-8", "3"},
};

START_TEST(methods_and_bodies)
{
	struct transfer_request request = {.method = methods[_i].method,
					   .has_body = methods[_i].has_body,
					   .body = span_str(methods[_i].body)};
	char field[100];
	struct got got;

	ck_assert(start_with(&got, &request, "/echo"));
	loop_run(loop);
	ck_assert_int_eq(got.error, TRANSFER_OK);
	ck_assert_ptr_nonnull(strstr(got.body, methods[_i].line));
	snprintf(field, sizeof(field), "\r\nContent-Type: %s\r\n",
		 methods[_i].type ? methods[_i].type : "");
	ck_assert((strstr(got.body, field) != NULL) == (methods[_i].type != NULL));
	ck_assert((strstr(got.body, "Content-Type") != NULL) == (methods[_i].type != NULL));
	snprintf(field, sizeof(field), "\r\nContent-Length: %s\r\n",
		 methods[_i].length ? methods[_i].length : "");
	ck_assert((strstr(got.body, field) != NULL) == (methods[_i].length != NULL));
	ck_assert_str_eq(strstr(got.body, "\r\n\r\n") + 4, methods[_i].body);
}
END_TEST

START_TEST(head_has_no_body)
{
	struct got got;

	ck_assert(start_with(&got, &(struct transfer_request){.method = "HEAD"}, "/size?n=1000"));
	loop_run(loop);
	ck_assert_int_eq(got.error, TRANSFER_OK);
	ck_assert_int_eq(got.status, 200);
	ck_assert_uint_eq(got.len, 0);
	ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
	ck_assert_uint_eq(origin.seen->connections, 1);
}
END_TEST

/* ---- time ---- */

START_TEST(time_is_bounded)
{
	static const char *const paths[] = {"/never", "/slow?ms=60000", "/drip?ms=20"};
	const uint64_t begun = clock_monotonic_ms();
	const struct got *got = get_for(paths[_i], 1000);
	const uint64_t took = clock_monotonic_ms() - begun;

	ck_assert_int_eq(got->error, TRANSFER_TIMEOUT);
	ck_assert(got->was_sent);
	/* libcurl's clock is a little ahead of ours */
	ck_assert_uint_ge(took, 990);
	ck_assert_uint_lt(took, 8000);
}
END_TEST

START_TEST(body_that_hardly_comes_is_ended)
{
	const uint64_t begun = clock_monotonic_ms();
	const struct got *got = get_for("/drip?ms=50", 60000);
	const uint64_t took = clock_monotonic_ms() - begun;

	ck_assert_int_eq(got->error, TRANSFER_TIMEOUT);
	ck_assert_int_eq(got->status, 200);
	ck_assert_ptr_nonnull(strstr(got->detail, "too slowly"));
	ck_assert_uint_ge(took, TRANSFER_SLOW_MS);
	ck_assert_uint_lt(took, 2 * TRANSFER_SLOW_MS + 3000);
}
END_TEST

/* Thinking is no slowness. */
START_TEST(answer_may_be_long_in_coming)
{
	ck_assert_int_eq(get_for("/slow?ms=6500", 20000)->error, TRANSFER_OK);
}
END_TEST

START_TEST(many_at_once)
{
	static struct got got[200];

	for (size_t i = 0; i < 200; i++)
		ck_assert(start_with(&got[i], &(struct transfer_request){0},
				     i % 2 ? "/together?n=100" : "/ok"));
	loop_run(loop);
	for (size_t i = 0; i < 200; i++)
		ck_assert_msg(got[i].error == TRANSFER_OK, "%zu: %s", i, got[i].detail);
	ck_assert_uint_ge(origin.seen->most_active, 100);
}
END_TEST

static void
cancel_cb(void *arg, short what)
{
	struct got *got = arg;

	(void)what;
	transfer_cancel(got->transfer);
	if (--pending == 0)
		loop_stop(loop);
}

START_TEST(cancel_is_at_once_and_silent)
{
	static const char *const paths[] = {"/never", "/drip?ms=10", "/endless", "/heads"};
	struct got got;
	struct watch timer;

	ck_assert(start_with(&got, &(struct transfer_request){0}, paths[_i]));
	got.max = SIZE_MAX;
	watch_init_timer(&timer, loop, "cancel", cancel_cb, &got);
	if (_i < 2) {
		watch_start_ms(&timer, 100);
		loop_run(loop);
	} else {
		cancel_cb(&got, 0);
		loop_run(loop);
	}
	ck_assert(!got.is_done);
	ck_assert_str_eq(get("/ok")->body, "hello\n");
}
END_TEST

START_TEST(end_in_the_middle)
{
	struct got got[3];

	ck_assert(start_with(&got[0], &(struct transfer_request){0}, "/never"));
	ck_assert(start_with(&got[1], &(struct transfer_request){0}, "/endless"));
	ck_assert(start_with(&got[2], &(struct transfer_request){0}, "http://localhost:1/"));
	transfers_free(&all);
	for (size_t i = 0; i < 3; i++)
		ck_assert(!got[i].is_done);
}
END_TEST

/* ---- the guard ---- */

START_TEST(private_address_is_seen_when_connecting)
{
	/* names that mean this machine, or might; the address of each is looked at */
	static const char *const urls[] = {
	    "http://localhost/",       "http://localhost:443/", "https://localhost/",
	    "http://127.0.0.1/",       "http://127.0.0.2/",     "http://[::1]/",
	    "http://169.254.169.254/", "http://10.0.0.1/",      "http://[::ffff:127.0.0.1]/",
	    "http://0.0.0.0/",
	};
	const struct got *got = get(urls[_i]);

	ck_assert_msg(got->error == TRANSFER_NOT_ALLOWED, "%s: %d %s", urls[_i], got->error,
		      got->detail);
	ck_assert_msg(strncmp(got->detail, "is at", 5) == 0, "%s", got->detail);
	ck_assert_int_eq(got->status, 0);
	ck_assert(!got->was_sent);
}
END_TEST

START_TEST(name_counts_by_its_address)
{
	char url[100];

	/* 127.0.0.1 is allowed at this port, by whatever name; ::1 is not */
	snprintf(url, sizeof(url), "http://localhost:%u/ok", origin.port);
	ck_assert_int_eq(get(url)->error, TRANSFER_OK);
	snprintf(url, sizeof(url), "http://127.1:%u/ok", origin.port);
	ck_assert_int_eq(get(url)->error, TRANSFER_OK);
	snprintf(url, sizeof(url), "http://[::1]:%u/ok", origin.port);
	ck_assert_int_eq(get(url)->error, TRANSFER_NOT_ALLOWED);
}
END_TEST

static const struct {
	const char *host;
	bool at_origin; /* at its port, which is allowed on 127.0.0.1 */
	enum transfer_error error;
} lookups[] = {
    {"private.test", false, TRANSFER_NOT_ALLOWED},
    {"private.test", true, TRANSFER_NOT_ALLOWED},
    {"metadata.test", false, TRANSFER_NOT_ALLOWED},
    {"loopback.test", false, TRANSFER_NOT_ALLOWED},
    {"loopback.test", true, TRANSFER_OK},
    {"mapped.test", false, TRANSFER_NOT_ALLOWED},
    {"embedded.test", false, TRANSFER_NOT_ALLOWED},
    {"mixed.test", false, TRANSFER_NOT_ALLOWED},
    /* each address for itself */
    {"mixed.test", true, TRANSFER_OK},
};

START_TEST(name_is_what_it_was_looked_up_as)
{
	char url[100];

	snprintf(url, sizeof(url), "http://%s:%u/ok", lookups[_i].host,
		 lookups[_i].at_origin ? origin.port : 80);
	const struct got *got = get(url);
	ck_assert_msg(got->error == lookups[_i].error, "%s: %d %s", url, got->error, got->detail);
	ck_assert_uint_eq(origin.seen->requests, got->error == TRANSFER_OK);
}
END_TEST

static bool has_passed;

static void
pass_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	has_passed = true;
}

/* The loop goes on, the time is kept, and nobody waits for the thread. */
START_TEST(lookup_that_hangs_holds_nobody)
{
	const uint64_t begun = clock_monotonic_ms();
	struct watch timer;
	struct got got;

	watch_init_timer(&timer, loop, "pass", pass_cb, NULL);
	watch_start_ms(&timer, 100);
	const struct got *ended = get_for("http://hangs.test/", 300);
	ck_assert_int_eq(ended->error, TRANSFER_TIMEOUT);
	ck_assert(!ended->was_sent);
	ck_assert(has_passed);
	ck_assert_uint_lt(clock_monotonic_ms() - begun, 2500);
	/* a cancel, and the end of all of it */
	ck_assert(start_with(&got, &(struct transfer_request){0}, "http://hangs.test/"));
	pending--;
	ck_assert_int_eq(get_for("/never", 200)->error, TRANSFER_TIMEOUT);
	transfer_cancel(got.transfer);
	ck_assert(!got.is_done);
	ck_assert(start_with(&got, &(struct transfer_request){0}, "http://hangs.test/"));
	pending--;
	ck_assert_int_eq(get_for("/never", 200)->error, TRANSFER_TIMEOUT);
	transfers_free(&all);
	ck_assert_uint_lt(clock_monotonic_ms() - begun, 5000);
}
END_TEST

START_TEST(our_own_port_is_refused_though_allowed)
{
	struct sockaddr_storage own = {0};
	struct sockaddr_in *sin = (struct sockaddr_in *)&own;

	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin->sin_port = htons(origin.port);
	ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
	ck_assert(guard_add_own(&guard, &own));
	/* the old connection is looked at, too */
	const struct got *got = get("/ok");
	ck_assert_int_eq(got->error, TRANSFER_NOT_ALLOWED);
	ck_assert_str_eq(got->detail, "is this server itself, which is never fetched");
	ck_assert_uint_eq(origin.seen->requests, 1);
}
END_TEST

START_TEST(kept_connection_is_looked_at_again)
{
	ck_assert_int_eq(get("/ok")->error, TRANSFER_OK);
	config.fetch_allow.n = 0;
	const struct got *got = get("/ok");
	ck_assert_int_eq(got->error, TRANSFER_NOT_ALLOWED);
	ck_assert_uint_eq(origin.seen->requests, 1);
}
END_TEST

/* ---- no connection ---- */

START_TEST(nobody_listens)
{
	const unsigned short port = origin.port;
	char url[64];

	origin_stop(&origin);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	const struct got *got = get(url);
	ck_assert_int_eq(got->error, TRANSFER_UNREACHABLE);
	ck_assert(!got->was_sent);
	ck_assert_str_ne(got->detail, "");
}
END_TEST

/* A connection is taken, and then nothing is said: TLS belongs to connecting. */
START_TEST(tls_that_does_not_begin)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64];

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", ntohs(address.sin_port));
	connect_timeout_ms = 300;
	transfers_free(&all);
	open_transfers(NULL);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", ntohs(address.sin_port));
	const uint64_t begun = clock_monotonic_ms();
	const struct got *got = get(url);
	ck_assert_int_eq(got->error, TRANSFER_UNREACHABLE);
	ck_assert(!got->was_sent);
	ck_assert_uint_ge(clock_monotonic_ms() - begun, 290);
	ck_assert_uint_lt(clock_monotonic_ms() - begun, 10000);
	close(fd);
}
END_TEST

START_TEST(no_such_name)
{
	const struct got *got = get("http://no-such-host.invalid/");

	ck_assert_int_eq(got->error, TRANSFER_UNREACHABLE);
	ck_assert(!got->was_sent);
}
END_TEST

START_TEST(tls_with_one_who_has_none)
{
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/ok", origin.port);
	const struct got *got = get(url);
	ck_assert_int_eq(got->error, TRANSFER_UNTRUSTED);
	ck_assert(!got->was_sent);
}
END_TEST

START_TEST(certificate_must_be_trusted_and_of_that_name)
{
	static const struct {
		const char *host;
		bool is_trusted;
		int max_version;
		enum transfer_error error;
	} servers[] = {
	    {"localhost", false, 0, TRANSFER_UNTRUSTED},
	    {"127.0.0.1", true, 0, TRANSFER_UNTRUSTED},
	    {"loopback.test", true, 0, TRANSFER_UNTRUSTED},
	    {"localhost", true, 0, TRANSFER_OK},
	    {"localhost", true, TLS1_2_VERSION, TRANSFER_OK},
	    {"localhost", true, TLS1_1_VERSION, TRANSFER_UNTRUSTED},
	};
	struct tls_origin server;
	char url[64];

	tls_origin_start(&server, servers[_i].max_version);
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", server.port);
	transfers_free(&all);
	open_transfers(servers[_i].is_trusted ? server.ca_file : NULL);
	snprintf(url, sizeof(url), "https://%s:%u/", servers[_i].host, server.port);
	const struct got *got = get(url);
	ck_assert_msg(got->error == servers[_i].error, "%d %s", got->error, got->detail);
	ck_assert_str_eq(got->body, got->error == TRANSFER_OK ? "secret\n" : "");
	ck_assert(got->was_sent == (got->error == TRANSFER_OK));
	tls_origin_stop(&server);
}
END_TEST

/* The file is gone by then: it has been read before. */
START_TEST(certificates_are_read_beforehand)
{
	struct tls_origin server;
	char url[64];

	tls_origin_start(&server, 0);
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", server.port);
	snprintf(url, sizeof(url), "https://localhost:%u/", server.port);
	transfers_free(&all);
	open_transfers(server.ca_file);
	if (_i)
		transfers_warm(all);
	ck_assert_int_eq(unlink(server.ca_file), 0);
	ck_assert_int_eq(get(url)->error, _i ? TRANSFER_OK : TRANSFER_UNTRUSTED);
	tls_origin_stop(&server);
}
END_TEST

/* What its certificate says is quoted by libcurl; it comes through as something that can be read.
 */
START_TEST(error_is_plain_text)
{
	struct tls_origin server;
	char url[64];

	tls_origin_start_as(&server, "b\xc3\xa9\x1b\n\"");
	snprintf(allowed, sizeof(allowed), "127.0.0.1:%u", server.port);
	transfers_free(&all);
	open_transfers(server.ca_file);
	snprintf(url, sizeof(url), "https://localhost:%u/", server.port);
	const struct got *got = get(url);
	ck_assert_int_eq(got->error, TRANSFER_UNTRUSTED);
	ck_assert_msg(strstr(got->detail, "b????\""), "%s", got->detail);
	for (const char *c = got->detail; *c; c++)
		ck_assert(*c >= 0x20 && *c < 0x7f);
	tls_origin_stop(&server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tcase = tcase_create("transfers");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, answer_comes_whole);
	tcase_add_loop_test(tcase, origin_may_do_what_it_likes, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tcase, line_without_end);
	tcase_add_loop_test(tcase, trailer_says_nothing, 0, 3);
	tcase_add_test(tcase, machine_that_is_not_known_is_fetched_nothing_from);
	tcase_add_test(tcase, gzip_is_undone);
	tcase_add_test(tcase, what_the_head_says);
	tcase_add_loop_test(tcase, pause_is_read, 0, sizeof(pauses) / sizeof(pauses[0]));
	tcase_add_test(tcase, pause_until_a_date);
	tcase_add_test(tcase, answer_that_nobody_asked_for);
	tcase_add_test(tcase, connections_are_used_again);
	tcase_add_loop_test(tcase, kept_connection_ends_without_an_answer, 0, 3);
	tcase_add_test(tcase, request_is_what_was_asked_for);
	tcase_add_loop_test(tcase, methods_and_bodies, 0, sizeof(methods) / sizeof(methods[0]));
	tcase_add_test(tcase, head_has_no_body);
	tcase_add_loop_test(tcase, time_is_bounded, 0, 3);
	tcase_add_test(tcase, body_that_hardly_comes_is_ended);
	tcase_add_test(tcase, answer_may_be_long_in_coming);
	tcase_add_test(tcase, many_at_once);
	tcase_add_loop_test(tcase, cancel_is_at_once_and_silent, 0, 4);
	tcase_add_test(tcase, end_in_the_middle);
	tcase_add_loop_test(tcase, private_address_is_seen_when_connecting, 0, 10);
	tcase_add_test(tcase, name_counts_by_its_address);
	tcase_add_loop_test(tcase, name_is_what_it_was_looked_up_as, 0,
			    sizeof(lookups) / sizeof(lookups[0]));
	tcase_add_test(tcase, lookup_that_hangs_holds_nobody);
	tcase_add_test(tcase, our_own_port_is_refused_though_allowed);
	tcase_add_test(tcase, kept_connection_is_looked_at_again);
	tcase_add_test(tcase, nobody_listens);
	tcase_add_test(tcase, tls_that_does_not_begin);
	tcase_add_test(tcase, no_such_name);
	tcase_add_test(tcase, tls_with_one_who_has_none);
	tcase_add_loop_test(tcase, certificate_must_be_trusted_and_of_that_name, 0, 6);
	tcase_add_loop_test(tcase, certificates_are_read_beforehand, 0, 2);
	tcase_add_test(tcase, error_is_plain_text);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
