/*
 * rfc6455.c - see rfc6455.h.
 */
#include "rfc6455.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define PREFIX "Server received: "
/* Longer ones are not sent byte by byte. */
#define BYTES_MAX 1500

static const struct {
	const char *name;
	unsigned way;
} ways[] = {
    {"frame by frame", RFC_APART},
    {"at once", RFC_AT_ONCE},
    {"byte by byte", RFC_BYTES},
};

/* One case on its way; its fields are what a failure says. */
struct attempt {
	const struct rfc_client *client;
	const struct rfc_case *rule;
	const char *path, *way;
	struct ws ws;
	size_t n_messages, n_pongs; /* that came of rule->expect */
	bool is_closed;             /* its Close has come */
};

#define FAIL(run, ...) abort_case(run, it_printf(__VA_ARGS__))
static void
abort_case(const struct attempt *run, const char *why)
{
	ck_abort_msg("%s (%s) on %s, %s: %s", run->rule->id, run->rule->what, run->path, run->way,
		     why);
}

static bool
is_end(const struct rfc_frame *f)
{
	return f->first == 0 && !f->data;
}

/* The whole payload; the caller frees. */
static char *
payload(const struct rfc_frame *f, size_t *len)
{
	size_t times = f->times ? f->times : 1;
	char *data = malloc(f->len * times + 1);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < times; i++)
		memcpy(data + i * f->len, f->data, f->len);
	*len = f->len * times;
	return data;
}

/* As it goes over the wire; the caller frees. */
static char *
wire(const struct attempt *run, const struct rfc_frame *f, size_t *wire_len)
{
	size_t len;
	char *data = payload(f, &len);

	if (f->first & RFC_RAW) {
		*wire_len = len;
		return data;
	}
	if (f->first & RFC_DEFLATE) {
		char *packed = run->client->pack(data, len, &len);
		free(data);
		data = packed;
	}
	char *out = malloc(len + 14);
	ck_assert_ptr_nonnull(out);
	*wire_len = ws_build_frame(out, false, f->first & 0xff, data, len);
	free(data);
	return out;
}

/* The n-th frame to come with that opcode, or of the others. */
static const struct rfc_frame *
expected(const struct attempt *run, bool pong, size_t n)
{
	for (const struct rfc_frame *f = run->rule->expect; !is_end(f); f++) {
		if (((f->first & 0xf) == WS_PONG) == pong && n-- == 0)
			return f;
		if (f == &run->rule->expect[RFC_FRAMES - 1])
			break;
	}
	return NULL;
}

static void
check(struct attempt *run, const struct ws_frame *got)
{
	const bool pong = got->opcode == WS_PONG;
	const struct rfc_frame *f = expected(run, pong, pong ? run->n_pongs++ : run->n_messages++);
	const char *prefix = !pong && strcmp(run->path, "/echo") == 0 ? PREFIX : "";
	size_t len, plain_len = got->len;
	char *plain = NULL;

	if (!f)
		FAIL(run, "opcode %d, \"%.80s\", is not expected", got->opcode, got->data);
	if (got->rsv1)
		plain = run->client->unpack(got->data, got->len, &plain_len);
	const char *data = plain ? plain : got->data;
	char *want = payload(f, &len);
	if (!got->fin || got->opcode != (f->first & 0xf) || plain_len != strlen(prefix) + len ||
	    memcmp(data, prefix, strlen(prefix)) != 0 ||
	    memcmp(data + strlen(prefix), want, len) != 0)
		FAIL(run, "%zu bytes, opcode %d, fin %d, \"%.80s\" instead of %zu, \"%s%.80s\"",
		     plain_len, got->opcode, got->fin, data, strlen(prefix) + len, prefix, want);
	free(want);
	free(plain);
}

/* One frame; false when it is the Close that is expected. */
static bool
take(struct attempt *run)
{
	struct ws_frame f;
	const char *wrong = ws_try_read(&run->ws, &f, it_now_ms() + IT_DEADLINE_MS);

	if (wrong)
		FAIL(run, "%s, after %zu messages and %zu pongs", wrong, run->n_messages,
		     run->n_pongs);
	if (f.opcode == WS_CLOSE) {
		unsigned code =
		    f.len >= 2 ? (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1]
			       : 1005;
		if (code != run->rule->code || f.len == 1 || f.len > 125)
			FAIL(run, "a Close %u of %zu bytes", code, f.len);
		ws_try_send_frame(&run->ws, true, WS_CLOSE, f.data, f.len >= 2 ? 2 : 0);
		ws_frame_fini(&f);
		run->is_closed = true;
		return false;
	}
	check(run, &f);
	ws_frame_fini(&f);
	return true;
}

static void
send_all(struct attempt *run, unsigned way)
{
	char *all = NULL;
	size_t all_len = 0;

	for (const struct rfc_frame *f = run->rule->send;
	     f < run->rule->send + RFC_FRAMES && !is_end(f); f++) {
		size_t len;
		char *bytes = wire(run, f, &len);

		if (way != RFC_APART) {
			all = realloc(all, all_len + len);
			ck_assert_ptr_nonnull(all);
			memcpy(all + all_len, bytes, len);
			all_len += len;
		} else {
			/* when it has closed over an earlier one already, so be it */
			http_try_send(&run->ws.c, bytes, len);
			size_t pongs = run->n_pongs;
			if ((f->first & 0x10f) == WS_PING && expected(run, true, pongs) &&
			    !run->is_closed)
				while (run->n_pongs == pongs && take(run))
					;
		}
		free(bytes);
	}
	if (way == RFC_AT_ONCE || all_len > BYTES_MAX) {
		http_try_send(&run->ws.c, all, all_len);
	} else {
		for (size_t i = 0; i < all_len; i++)
			if (!http_try_send(&run->ws.c, all + i, 1))
				break;
	}
	free(all);
}

static void
open_client(struct attempt *run)
{
	struct http_answer a;
	const struct rfc_client *client = run->client;

	if (!client->extensions) {
		ws_open(&run->ws, client->port, run->path, client->fields);
		return;
	}
	memset(&run->ws, 0, sizeof(run->ws));
	http_open(&run->ws.c, client->port);
	ws_handshake(&run->ws.c, run->path, client->fields, &a);
	const char *extensions = http_field(&a, "Sec-WebSocket-Extensions");
	if (a.status != 101 || !extensions || strcmp(extensions, client->extensions) != 0)
		FAIL(run, "the handshake is answered: %s%s", a.head, a.body);
	run->ws.takes_rsv1 = true;
	http_answer_fini(&a);
}

static void
run_one(struct attempt *run, unsigned way)
{
	run->n_messages = run->n_pongs = 0;
	run->is_closed = false;
	open_client(run);
	send_all(run, way);
	if (run->rule->code != 0) {
		while (!run->is_closed && take(run))
			;
		http_expect_eof(&run->ws.c);
		http_close(&run->ws.c);
		return;
	}
	while (expected(run, false, run->n_messages) || expected(run, true, run->n_pongs)) {
		if (!take(run))
			FAIL(run, "it is closed");
	}
	ws_expect_silence(&run->ws);
	ws_close(&run->ws);
}

void
rfc_run(const struct rfc_client *client, const struct rfc_case *cases, size_t n)
{
	static const char *const paths[] = {"/echo", "/chat/rfc6455"};
	struct attempt run = {.client = client};

	for (run.rule = cases; run.rule < cases + n; run.rule++) {
		for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
			for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
				if (run.rule->ways && !(run.rule->ways & ways[w].way))
					continue;
				run.path = paths[p];
				run.way = ways[w].name;
				run_one(&run, ways[w].way);
			}
		}
	}
}
