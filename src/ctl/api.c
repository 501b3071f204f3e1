/*
 * api.c - requests to the HTTP API.
 */
#include "ctl/api.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"

#define CONNECT_MS 10000L
/* a connection on which nothing comes for so long is given up */
#define SILENCE_S 60L
/* between two attempts on a server that does not answer */
#define PAUSE_MIN_MS 100u
#define PAUSE_MAX_MS 2000u
#define SLACK_MS     1000u
/* how often somebody who waits hears that we still do */
#define TICK_MS 100
/* somebody who sees nothing of it hears of a wait that is longer */
#define SILENT_MS 1000

/* --- interrupts --- */

static volatile sig_atomic_t interrupted;

static void
interrupt_cb(int sig)
{
	interrupted = sig;
}

void
api_take_interrupts(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = interrupt_cb};

	/* a connection that is gone is an error of its write, and so is an output */
	signal(SIGPIPE, SIG_IGN);
	/* without SA_RESTART: a read that waits for more input is to end */
	action.sa_flags = (int)SA_RESETHAND;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction before;

		/* nohup(1) has told us to ignore it */
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

bool
api_is_interrupted(void)
{
	return interrupted != 0;
}

int
api_take_interrupt(void)
{
	const int sig = interrupted;

	interrupted = 0;
	return sig;
}

/* --- what libcurl calls --- */

static size_t
body_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct api *api = ctx;
	size_t len = size * n;
	bool ok;

	if (api->is_piecewise)
		ok = api->calls->piece(api->ctx, span_from(data, len));
	else
		ok = buffer_append(&api->answer->body, data, len, API_ANSWER_MAX);
	if (ok)
		return len;
	api->has_failed = true;
	return 0;
}

/* The value of a field line, without white space around it, if it is this one's. */
static bool
field_value(struct span line, const char *name, struct span *value)
{
	size_t len = strlen(name);

	if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
		return false;
	line = span_from(line.ptr + len + 1, line.len - len - 1);
	while (line.len && strchr(" \t", line.ptr[0]))
		line = span_from(line.ptr + 1, line.len - 1);
	while (line.len && strchr(" \t\r\n", line.ptr[line.len - 1]))
		line.len--;
	*value = line;
	return true;
}

static size_t
head_cb(char *data, size_t size, size_t n, void *ctx)
{
	struct api *api = ctx;
	struct span value;
	long status = 0;

	if (field_value(span_from(data, size * n), "Retry-After", &value)) {
		unsigned seconds = 0;

		/* a date, which RFC 9110 also allows, is one second here: then it is asked again */
		for (size_t i = 0; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9' &&
				   seconds < 100000;
		     i++)
			seconds = seconds * 10 + (unsigned)(value.ptr[i] - '0');
		api->answer->retry_after_s = seconds ? seconds : 1;
	}
	curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
	api->is_piecewise = api->calls->piece && status >= 200 && status < 300;
	return size * n;
}

static int
progress_cb(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct api *api = ctx;

	(void)down_all, (void)down, (void)up_all, (void)up;
	if (api->calls->tick)
		api->calls->tick(api->ctx, NULL);
	return interrupted != 0;
}

/* --- one attempt --- */

/* Until the deadline, if there is one. */
static uint64_t
left_ms(const struct api *api)
{
	const uint64_t now = clock_monotonic_ms();

	return !api->deadline_ms ? UINT64_MAX : api->deadline_ms > now ? api->deadline_ms - now : 0;
}

static bool
add_field(struct curl_slist **list, const char *name, const char *value)
{
	char line[512];

	if (!value)
		return true;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer != NULL;
}

/* Sets everything that differs between requests. */
static bool
prepare(struct api *api, const struct api_request *request, struct curl_slist **fields)
{
	CURL *curl = api->curl;
	char url[sizeof(api->server) + 2048];

	if ((size_t)snprintf(url, sizeof(url), "%s%s", api->server, request->path) >= sizeof(url))
		return false;
	/* 100-continue would cost a round trip for each body of a megabyte */
	if (!add_field(fields, "Accept", request->accept) ||
	    !add_field(fields, "Content-Type", request->type) ||
	    !add_field(fields, "Idempotency-Key", request->key) ||
	    (request->type && !add_field(fields, "Expect", "")))
		return false;
	if (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *fields) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) != CURLE_OK)
		return false;
	/* the name alone: whether there is a body is told by what follows */
	if (curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) != CURLE_OK)
		return false;
	return !request->type ||
	       (curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)request->body.len) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.ptr) == CURLE_OK);
}

/* True: there is a whole answer. */
static bool
attempt(struct api *api, const struct api_request *request, struct api_answer *answer,
	CURLcode *code)
{
	struct curl_slist *fields = NULL;
	char error[CURL_ERROR_SIZE] = "";
	long status = 0;

	buffer_fini(&answer->body);
	*answer = (struct api_answer){0};
	api->answer = answer;
	api->is_piecewise = api->has_failed = false;
	*code = CURLE_OUT_OF_MEMORY;
	curl_easy_setopt(api->curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(api->curl, CURLOPT_TIMEOUT_MS,
			 (long)(api->deadline_ms ? left_ms(api) + 1 : 0));
	if (prepare(api, request, &fields))
		*code = curl_easy_perform(api->curl);
	curl_easy_setopt(api->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(fields);
	if (*code == CURLE_OK) {
		curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
		answer->status = (int)status;
		api->has_connected = true;
		return true;
	}
	curl_off_t connected_us = 0;
	curl_easy_getinfo(api->curl, CURLINFO_CONNECT_TIME_T, &connected_us);
	api->has_connected = api->has_connected || connected_us > 0;
	char shown[CURL_ERROR_SIZE];
	if (api->has_failed && !api->is_piecewise)
		snprintf(shown, sizeof(shown), "the answer is longer than %u MiB",
			 API_ANSWER_MAX >> 20);
	else
		text_show(shown, sizeof(shown),
			  span_str(error[0] ? error : curl_easy_strerror(*code)));
	snprintf(answer->why, sizeof(answer->why), "%.300s: %s", api->server, shown);
	return false;
}

/* --- until it counts --- */

static bool
asks_for_a_moment(const struct api_answer *answer)
{
	return answer->status == 429 || answer->status == 503 ||
	       (answer->status == 409 && answer->retry_after_s);
}

/* Whether it may come out otherwise the next time. */
static bool
is_worth_another(const struct api *api, CURLcode code)
{
	if (interrupted || api->has_failed)
		return false;
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_WRITE_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION: return false;
	/* what was never there is most likely another address */
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST: return api->has_connected;
	default: return true;
	}
}

/* False when it was interrupted. */
static bool
wait_until(struct api *api, uint64_t until_ms, const char *why)
{
	for (uint64_t now; !interrupted && (now = clock_monotonic_ms()) < until_ms;) {
		if (api->calls->tick)
			api->calls->tick(api->ctx, why);
		poll(NULL, 0, until_ms - now < TICK_MS ? (int)(until_ms - now) : TICK_MS);
	}
	return !interrupted;
}

bool
api_pause(struct api *api, uint64_t ms)
{
	return wait_until(api, clock_monotonic_ms() + ms, NULL);
}

/* Each reason once, however often it is met. */
static void
tell_waiting(struct api *api, const char *why, uint64_t ms)
{
	if (api->shows_waiting || strcmp(api->told, why) == 0)
		return;
	snprintf(api->told, sizeof(api->told), "%s", why);
	ctl_say("%s; trying again for up to %" PRIu64 " s", why, (ms + 999) / 1000);
}

void
api_send(struct api *api, const struct api_request *request, struct api_answer *answer)
{
	const uint64_t allowed = api->patience_ms < left_ms(api) ? api->patience_ms : left_ms(api);
	const uint64_t begun = clock_monotonic_ms(), end = begun + allowed;
	uint64_t pause_ms = PAUSE_MIN_MS;
	char why[sizeof(answer->why)];

	*answer = (struct api_answer){0};
	for (unsigned n = 1;; n++) {
		CURLcode code;
		bool is_whole = attempt(api, request, answer, &code);

		answer->n_sent = n;
		if (interrupted) {
			answer->status = 0;
			snprintf(answer->why, sizeof(answer->why), "interrupted");
			return;
		}
		if (is_whole ? !asks_for_a_moment(answer) : !is_worth_another(api, code))
			return;
		if (!is_whole && left_ms(api) == 0)
			return;
		snprintf(why, sizeof(why), "%s", is_whole ? api_problem(answer) : answer->why);
		uint64_t next = clock_monotonic_ms();
		if (is_whole && answer->retry_after_s) {
			next += answer->retry_after_s * UINT64_C(1000);
		} else {
			next += pause_ms;
			pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
		}
		/* a server that asks for just what is allowed is asked once more */
		if (!allowed || next > end + SLACK_MS) {
			const uint64_t now = clock_monotonic_ms();

			answer->status = 0;
			snprintf(answer->why, sizeof(answer->why),
				 "%.400s (given up: the next try would be in %" PRIu64
				 " s, and %" PRIu64 " s are allowed for all of them)",
				 why, next > now ? (next - now + 999) / 1000 : 0, allowed / 1000);
			return;
		}
		if (!is_whole && api->calls->again && !api->calls->again(api->ctx))
			return;
		if (next - begun >= SILENT_MS)
			tell_waiting(api, why, allowed);
		wait_until(api, next, why);
	}
}

void
api_answer_fini(struct api_answer *answer)
{
	buffer_fini(&answer->body);
}

/* --- words --- */

/* "/args/ms: must be a number; /queue: ..." */
static void
put_errors(FILE *out, const json_t *errors)
{
	const json_t *error;
	size_t i;

	json_array_foreach(errors, i, error)
	{
		const char *pointer = json_string_value(json_object_get(error, "pointer"));
		const char *detail = json_string_value(json_object_get(error, "detail"));

		fprintf(out, "%s%s%s%s", i ? "; " : "", pointer ? pointer : "", pointer ? ": " : "",
			detail ? detail : "is refused");
	}
}

const char *
api_problem_text(const json_t *problem, int status)
{
	static char text[500];
	const json_t *errors = json_object_get(problem, "errors");
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const char *title = json_string_value(json_object_get(problem, "title"));
	char *all = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&all, &len);

	if (!out)
		return "out of memory";
	if (json_array_size(errors))
		put_errors(out, errors);
	else if (detail || title)
		fputs(detail ? detail : title, out);
	else
		fprintf(out, "HTTP status %d", status);
	/* what there is of it is known from here on */
	if (fclose(out) != 0)
		len = 0;
	text_show(text, sizeof(text), span_from(all, len));
	free(all);
	return text;
}

static json_t *
read_problem(const struct api_answer *answer)
{
	return json_loadb(answer->body.data ? answer->body.data : "", answer->body.len, 0, NULL);
}

const char *
api_problem(const struct api_answer *answer)
{
	json_t *json = read_problem(answer);
	const char *text = api_problem_text(json, answer->status);

	json_decref(json);
	return text;
}

void
api_fail(const struct api *api, const char *path, const struct api_answer *answer, int *exit)
{
	const bool is_first = *exit == CTL_OK;

	if (!answer->status) {
		ctl_fail(exit, "%s", answer->why);
		return;
	}
	ctl_fail(exit, "%s%s: %d: %s", api->server, path, answer->status, api_problem(answer));
	json_t *json = read_problem(answer);
	const char *hint = json_string_value(json_object_get(json, "hint"));
	if (is_first && hint) {
		fputs("hint: ", stderr);
		line_put(stderr, span_str(hint));
		putc('\n', stderr);
	}
	json_decref(json);
}

const char *
api_server_check(const char *text)
{
	static const char accepted[] =
	    "is no server; accepted: http://host[:port] or https://host[:port]";
	size_t scheme = strncasecmp(text, "http://", 7) == 0    ? 7
			: strncasecmp(text, "https://", 8) == 0 ? 8
								: 0;

	if (!scheme || text[scheme] == '\0' || text[scheme] == '/')
		return accepted;
	for (const char *p = text + scheme; *p; p++)
		if (*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("?#\\", *p))
			return accepted;
	return strlen(text) >= sizeof(((struct api *)0)->server) ? accepted : NULL;
}

/* --- its life --- */

bool
api_init(struct api *api, const char *server, uint64_t patience_ms, const struct api_calls *calls,
	 void *ctx)
{
	*api = (struct api){.patience_ms = patience_ms, .calls = calls, .ctx = ctx};
	snprintf(api->server, sizeof(api->server), "%s", server);
	for (size_t len = strlen(api->server); len && api->server[len - 1] == '/';)
		api->server[--len] = '\0';
	api->curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
	if (!api->curl)
		return false;
	curl_easy_setopt(api->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(api->curl, CURLOPT_USERAGENT, "plazactl/" PLAZA_VERSION);
	curl_easy_setopt(api->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(api->curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
	curl_easy_setopt(api->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, body_cb);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, api);
	curl_easy_setopt(api->curl, CURLOPT_HEADERFUNCTION, head_cb);
	curl_easy_setopt(api->curl, CURLOPT_HEADERDATA, api);
	curl_easy_setopt(api->curl, CURLOPT_XFERINFOFUNCTION, progress_cb);
	curl_easy_setopt(api->curl, CURLOPT_XFERINFODATA, api);
	curl_easy_setopt(api->curl, CURLOPT_NOPROGRESS, 0L);
	return true;
}

void
api_fini(struct api *api)
{
	curl_easy_cleanup(api->curl);
	curl_global_cleanup();
	api->curl = NULL;
}
