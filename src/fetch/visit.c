/*
 * visit.c - a URL's way: asks for a turn, transfers, pauses, asks again, ends.
 */
#include "fetch/visit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "fetch/body_text.h"
#include "fetch/fetch_result.h"

enum state {
	VISIT_NEW,    /* its timer begins it */
	VISIT_WAITS,  /* for its turn */
	VISIT_RUNS,   /* has a turn and a transfer */
	VISIT_PAUSES, /* its timer makes it wait for a turn */
	VISIT_ENDS    /* its timer ends it, with what it has */
};

struct visit {
	struct visit_env *env;
	const struct visit_job *job;
	const struct visit_events *events;
	void *ctx;
	size_t n;

	enum state state;
	struct watch timer;
	struct turn turn;
	struct transfer *transfer;
	struct fetch_url url; /* where it is now */
	char origin[FETCH_ORIGIN_SIZE];
	size_t origin_len;
	const char *method;
	bool has_body, has_left; /* the origin of the URL that was given */
	unsigned tries, hops;
	uint64_t left_ms;          /* of its time, without what runs now */
	uint64_t begun_ms, run_ms; /* the first transfer, this one */

	/* of the newest answer */
	int status;
	uint64_t bytes;
	size_t head_len;
	char *head; /* BODY_HEAD_MAX bytes */
	size_t type_len;
	char type[128];
	bool is_too_large, has_no_memory;
	struct extract *extract;
	char error[320]; /* empty: none */
};

/* ---- states ---- */

static void visit_set_state(struct visit *v, enum state state);

static void set_error(struct visit *v, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
set_error(struct visit *v, const char *code, const char *fmt, ...)
{
	va_list ap;
	int len = snprintf(v->error, sizeof(v->error), "%s: ", code);

	va_start(ap, fmt);
	vsnprintf(v->error + len, sizeof(v->error) - (size_t)len, fmt, ap);
	va_end(ap);
}

static void
visit_free(struct visit *v)
{
	watch_stop(&v->timer);
	if (v->transfer)
		transfer_cancel(v->transfer);
	turn_leave(v->env->turns, &v->turn);
	extract_free(&v->extract);
	free(v->head);
	free(v);
}

/* What the answers have left. */
static void
fill_result(const struct visit *v, struct fetch_result *result, char text[BODY_TEXT_MAX])
{
	const struct fetch_args *args = v->job->args;
	const json_t *url = json_array_get(args->urls, v->n);

	*result = (struct fetch_result){
	    .url = span_from(json_string_value(url), json_string_length(url)),
	    .status = v->status,
	    .ms = v->begun_ms ? loop_now_ms(v->env->loop) - v->begun_ms : 0,
	    .bytes = v->bytes,
	    .has_text = v->status != 0,
	    .n_values = args->n_extract,
	    .values_max = v->job->values_max,
	    .names = args->extract_name,
	};
	if (v->head) {
		const bool is_whole = v->bytes == v->head_len && !v->error[0];

		result->text =
		    span_from(text, body_text(span_from(v->type, v->type_len),
					      span_from(v->head, v->head_len), is_whole, text));
	}
}

static bool
may_have_body(const struct visit *v)
{
	return strcmp(v->method, "HEAD") != 0 && v->status != 204 && v->status != 304;
}

static void
finish(struct visit *v)
{
	char text[BODY_TEXT_MAX];
	struct fetch_result result;
	struct buffer out;

	if (v->extract && v->status && !v->error[0]) {
		const char *wrong = extract_end(v->extract);
		if (wrong && may_have_body(v))
			set_error(v, "not-json", "%s", wrong);
		if (wrong)
			extract_free(&v->extract);
	} else {
		/* half a text says nothing sure */
		extract_free(&v->extract);
	}
	fill_result(v, &result, text);
	result.extract = v->extract;
	result.error = v->error[0] ? v->error : NULL;
	buffer_init(&out);
	const bool ok = fetch_result_append(&out, &result);
	const struct visit_events *events = v->events;
	void *ctx = v->ctx;
	const size_t n = v->n;
	visit_free(v);
	events->done(n, ok ? buffer_span(&out) : span_from(NULL, 0), ctx);
	buffer_fini(&out);
}

/* Uses up so much of its time. False: it has not so much. */
static bool
spend(struct visit *v, uint64_t ms)
{
	if (ms >= v->left_ms)
		return false;
	v->left_ms -= ms;
	return true;
}

static void
pause_for(struct visit *v, uint64_t ms)
{
	turn_leave(v->env->turns, &v->turn);
	visit_set_state(v, VISIT_PAUSES);
	watch_start_ms(&v->timer, ms);
	v->events->paused(true, v->ctx);
}

/* Not now: whoever calls may be in the middle of something. */
static void
end_soon(struct visit *v)
{
	turn_leave(v->env->turns, &v->turn);
	visit_set_state(v, VISIT_ENDS);
	watch_start_ms(&v->timer, 0);
}

/* ---- a transfer ---- */

static bool
body_cb(const char *data, size_t len, void *ctx)
{
	struct visit *v = ctx;
	const size_t room = BODY_HEAD_MAX - v->head_len;

	v->bytes += len;
	if (v->bytes > v->env->max_size) {
		v->is_too_large = true;
		return false;
	}
	if (room && len) {
		if (!v->head)
			v->head = malloc(BODY_HEAD_MAX);
		if (!v->head) {
			v->has_no_memory = true;
			return false;
		}
		memcpy(v->head + v->head_len, data, len < room ? len : room);
		v->head_len += len < room ? len : room;
	}
	if (v->extract && !extract_feed(v->extract, data, len)) {
		v->has_no_memory = true;
		return false;
	}
	return true;
}

static void done_cb(const struct transfer_end *end, void *ctx);

static const struct transfer_events transfer_events = {body_cb, done_cb};

static void
forget_answer(struct visit *v)
{
	v->status = 0;
	v->bytes = 0;
	v->head_len = v->type_len = 0;
	v->is_too_large = v->has_no_memory = false;
	free(v->head);
	v->head = NULL;
	extract_free(&v->extract);
	v->error[0] = '\0';
}

static bool
is_own_content(const char *name)
{
	return strncasecmp(name, "content-", 8) == 0;
}

/* The job's headers that go to where it is now, and our own. Returns how many. */
static size_t
fill_headers(const struct visit *v, struct transfer_header headers[FETCH_HEADERS_MAX + 2],
	     char key[80], char attempt[16])
{
	const struct fetch_args *args = v->job->args;
	const bool is_safe = strcmp(v->method, "GET") == 0 || strcmp(v->method, "HEAD") == 0 ||
			     strcmp(v->method, "OPTIONS") == 0;
	bool has_key = false;
	size_t n = 0;

	for (size_t i = 0; i < args->n_headers; i++) {
		const struct fetch_header *header = &args->header[i];

		if (header->is_secret && v->has_left)
			continue;
		/* a redirect has left the body behind */
		if (args->has_body && !v->has_body && is_own_content(header->name))
			continue;
		has_key = has_key || strcasecmp(header->name, "idempotency-key") == 0;
		headers[n++] =
		    (struct transfer_header){.name = header->name, .value = header->value};
	}
	if (is_safe)
		return n;
	if (!has_key) {
		const int len = snprintf(key, 80, "%s-%zu", v->job->id, v->n);
		headers[n++] =
		    (struct transfer_header){"Idempotency-Key", span_from(key, (size_t)len)};
	}
	const int len = snprintf(attempt, 16, "%u", v->job->attempt);
	headers[n++] = (struct transfer_header){"Job-Attempt", span_from(attempt, (size_t)len)};
	return n;
}

static bool
start_transfer(struct visit *v)
{
	const struct fetch_args *args = v->job->args;
	struct transfer_header headers[FETCH_HEADERS_MAX + 2];
	char key[80], attempt[16];

	forget_answer(v);
	if (args->n_extract) {
		v->extract = extract_new(args->extract_pointer, args->n_extract);
		if (!v->extract)
			return false;
	}
	const struct transfer_request request = {
	    .url = &v->url,
	    .method = v->method,
	    .headers = headers,
	    .n_headers = fill_headers(v, headers, key, attempt),
	    .is_once = !fetch_method_is_idempotent(v->method),
	    .has_body = v->has_body,
	    .body = args->body,
	    .timeout_ms = v->left_ms,
	};
	v->transfer = transfer_start(v->env->transfers, &request, &transfer_events, v);
	return v->transfer != NULL;
}

static struct span
origin_of(const struct visit *v)
{
	return span_from(v->origin, v->origin_len);
}

/* It is its turn; but its host may want to be left alone. */
static void
go(struct turn *turn)
{
	struct visit *v = (struct visit *)(void *)((char *)turn - offsetof(struct visit, turn));
	const uint64_t now_ms = loop_now_ms(v->env->loop);
	uint64_t wait_ms;

	switch (pace_ask(v->env->pace, origin_of(v), now_ms, &wait_ms)) {
	case PACE_DOWN:
		if (!v->error[0] && !v->status)
			set_error(v, "host-down",
				  "the host could not be reached for a while; it is tried again in "
				  "%llu s",
				  (unsigned long long)(wait_ms / 1000 + 1));
		end_soon(v);
		return;
	case PACE_WAIT:
		if (spend(v, wait_ms)) {
			pause_for(v, wait_ms);
			return;
		}
		/* an answer that it had is a better result */
		if (!v->status)
			set_error(v, "host-busy", "the host has asked for a pause, for %llu s more",
				  (unsigned long long)(wait_ms / 1000 + 1));
		end_soon(v);
		return;
	case PACE_GO: break;
	}
	v->run_ms = now_ms;
	if (!v->begun_ms)
		v->begun_ms = now_ms;
	v->tries++;
	visit_set_state(v, VISIT_RUNS);
	if (!start_transfer(v)) {
		set_error(v, "out-of-memory", "try again");
		end_soon(v);
	}
}

/* ---- and after it ---- */

static void
wait_for_turn(struct visit *v)
{
	visit_set_state(v, VISIT_WAITS);
	turn_ask(v->env->turns, &v->turn, origin_of(v), go);
}

static void
set_transfer_error(struct visit *v, const struct transfer_end *end)
{
	static const char *const codes[] = {
	    [TRANSFER_NOT_ALLOWED] = "url-not-allowed",
	    [TRANSFER_UNREACHABLE] = "unreachable",
	    [TRANSFER_UNTRUSTED] = "tls",
	    [TRANSFER_BROKEN] = "connection-lost",
	    [TRANSFER_TIMEOUT] = "timeout",
	    [TRANSFER_TOO_LARGE] = "too-large",
	    [TRANSFER_BAD] = "bad-answer",
	    [TRANSFER_NO_MEMORY] = "out-of-memory",
	};

	if (v->is_too_large)
		set_error(v, "too-large", "the body has more than %llu bytes (fetch.max_size)",
			  (unsigned long long)v->env->max_size);
	else if (v->has_no_memory)
		set_error(v, "out-of-memory", "try again");
	else if (end->error == TRANSFER_NOT_ALLOWED)
		set_error(v, codes[end->error], "the host %s", end->detail);
	else if (end->error != TRANSFER_OK)
		set_error(v, codes[end->error], "%s", end->detail);
}

static bool
is_worth_another(const struct visit *v, const struct transfer_end *end)
{
	const bool is_idempotent = fetch_method_is_idempotent(v->method);

	if (v->tries >= VISIT_TRIES || v->is_too_large)
		return false;
	switch (end->error) {
	case TRANSFER_UNREACHABLE: return true;
	case TRANSFER_BROKEN: return is_idempotent;
	case TRANSFER_OK:
		return is_idempotent &&
		       (end->status == 408 || end->status == 425 || end->status == 429 ||
			(end->status >= 500 && end->status <= 599));
	default: return false;
	}
}

/* xorshift64*: half of it to one and a half. */
static uint64_t
by_chance(struct visit_env *env, uint64_t ms)
{
	env->random ^= env->random >> 12;
	env->random ^= env->random << 25;
	env->random ^= env->random >> 27;
	return ms / 2 + (env->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % (ms + 1);
}

/* False: it is as it is. */
static bool
try_again(struct visit *v, const struct transfer_end *end)
{
	uint64_t ms = end->retry_after_ms;

	if (!is_worth_another(v, end))
		return false;
	if (!ms || end->error != TRANSFER_OK)
		ms = by_chance(v->env, (uint64_t)VISIT_PAUSE_MS << (v->tries - 1));
	if (!spend(v, ms))
		return false;
	pause_for(v, ms);
	return true;
}

static bool
is_redirect(const struct visit *v, const struct transfer_end *end)
{
	const int s = end->status;

	return end->error == TRANSFER_OK && end->has_location && v->env->redirects > 0 &&
	       (s == 301 || s == 302 || s == 303 || s == 307 || s == 308);
}

static void
follow(struct visit *v, const struct transfer_end *end)
{
	struct fetch_url next;
	const char *why;

	if (v->hops++ == v->env->redirects) {
		set_error(v, "too-many-redirects", "more than %u (fetch.redirects)",
			  v->env->redirects);
		end_soon(v);
		return;
	}
	switch (fetch_url_follow(&v->url, end->location, &next, &why)) {
	case FETCH_URL_OK:
		why = guard_check_url(v->env->guard, &next);
		if (why)
			set_error(v, "url-not-allowed", "a redirect whose host %s", why);
		break;
	case FETCH_URL_NOT_ALLOWED:
		set_error(v, "url-not-allowed", "a redirect whose Location %s", why);
		break;
	case FETCH_URL_MALFORMED: set_error(v, "bad-redirect", "its Location %s", why); break;
	}
	if (v->error[0]) {
		end_soon(v);
		return;
	}
	/* RFC 9110 15.4 */
	if ((end->status == 303 && strcmp(v->method, "HEAD") != 0) ||
	    ((end->status == 301 || end->status == 302) && strcmp(v->method, "POST") == 0)) {
		v->method = "GET";
		v->has_body = false;
	}
	v->has_left = v->has_left || !fetch_url_same_origin(&v->url, &next);
	turn_leave(v->env->turns, &v->turn);
	/* what becomes of it there is the result, also if nobody is asked */
	forget_answer(v);
	v->url = next;
	v->origin_len = fetch_url_origin(&v->url, v->origin);
	v->tries = 0;
	wait_for_turn(v);
}

/* Transfers call it from the loop: it may end here. */
static void
done_cb(const struct transfer_end *end, void *ctx)
{
	struct visit *v = ctx;
	const uint64_t now_ms = loop_now_ms(v->env->loop);

	v->transfer = NULL;
	v->status = end->status;
	v->type_len =
	    end->content_type.len < sizeof(v->type) ? end->content_type.len : sizeof(v->type);
	memcpy(v->type, end->content_type.ptr, v->type_len);
	set_transfer_error(v, end);
	if (end->was_sent)
		pace_answered(v->env->pace, origin_of(v));
	else if (end->error == TRANSFER_UNREACHABLE)
		pace_unreachable(v->env->pace, origin_of(v), now_ms);
	if (end->retry_after_ms && (end->status == 429 || end->status == 503))
		pace_pause(v->env->pace, origin_of(v), now_ms, end->retry_after_ms);

	const bool has_time = spend(v, now_ms - v->run_ms);
	if (has_time && is_redirect(v, end)) {
		follow(v, end);
		return;
	}
	if (has_time && try_again(v, end))
		return;
	if (is_redirect(v, end))
		set_error(v, "timeout", "no time was left for a redirect");
	turn_leave(v->env->turns, &v->turn);
	finish(v);
}

static void
timer_cb(void *arg, short what)
{
	struct visit *v = arg;

	(void)what;
	switch (v->state) {
	case VISIT_PAUSES:
		v->events->paused(false, v->ctx);
		wait_for_turn(v);
		return;
	case VISIT_NEW: wait_for_turn(v); return;
	case VISIT_WAITS:
	case VISIT_RUNS: return;
	case VISIT_ENDS: finish(v); return;
	}
}

static void
visit_set_state(struct visit *v, enum state state)
{
	v->state = state;
}

/* ---- its life ---- */

struct visit *
visit_start(struct visit_env *env, const struct visit_job *job, size_t n,
	    const struct visit_events *events, void *ctx)
{
	struct visit *v = calloc(1, sizeof(*v));
	const json_t *url = json_array_get(job->args->urls, n);
	const char *why;

	if (!v)
		return NULL;
	v->env = env;
	v->job = job;
	v->events = events;
	v->ctx = ctx;
	v->n = n;
	v->method = job->args->method;
	v->has_body = job->args->has_body;
	v->left_ms = job->args->timeout_ms ? job->args->timeout_ms : env->timeout_ms;
	visit_set_state(v, VISIT_NEW);
	watch_init_timer(&v->timer, env->loop, "fetch visit", timer_cb, v);
	/* the args have been checked; but by whom? */
	if (fetch_url_parse(span_from(json_string_value(url), json_string_length(url)), &v->url,
			    &why) != FETCH_URL_OK) {
		set_error(v, "url-not-allowed", "%s", why);
		visit_set_state(v, VISIT_ENDS);
	}
	v->origin_len = fetch_url_origin(&v->url, v->origin);
	if (!watch_start_ms(&v->timer, 0)) {
		free(v);
		return NULL;
	}
	return v;
}

void
visit_cancel(struct visit *v)
{
	visit_free(v);
}

bool
visit_not(const struct visit_job *job, size_t n, const char *error, struct buffer *out)
{
	const json_t *url = json_array_get(job->args->urls, n);
	const struct fetch_result result = {
	    .url = span_from(json_string_value(url), json_string_length(url)),
	    .error = error,
	    .n_values = job->args->n_extract,
	    .values_max = job->values_max,
	    .names = job->args->extract_name,
	};

	return fetch_result_append(out, &result);
}
