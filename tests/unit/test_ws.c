/* links: src/hub/ws.c src/hub/ws_message.c src/hub/frame.c src/hub/inflater.c src/base/log.c
 * src/base/clock.c src/base/loop.c src/base/deadline.c src/base/buffer.c -levent_core -lwebsockets
 * -lz */
/*
 * test_ws.c - WebSockets over libwebsockets in our loop: a server process, and a raw client that
 * plays by the rules or not.
 */
#include "hub/ws.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <zlib.h>

#include "base/log.h"
#include "hub/frame.h"
#include "ws_client.h"

#define MAX_MESSAGE 100000
#define INPUT_ROOM  (4 * 131072)

/* What the server does with a message: sends it back; some texts are commands. */
struct peer {
	struct ws_conn conn;
	struct buffer out; /* WS_PRE bytes, then frames of this readable event */
	bool flooding;
};

static uint16_t port;
static pid_t server;
static struct ws *ws;
static struct loop *loop;

/*
 * The library's own: it polls all descriptors and serves what it finds in one go, so that a
 * thousand that are reset at once would hold the loop until all are gone. Nobody is to call it.
 */
int
lws_service(struct lws_context *context, int timeout_ms)
{
	(void)context;
	(void)timeout_ms;
	abort();
}

static void
peer_append(struct peer *p, unsigned opcode, const void *data, size_t len)
{
	unsigned char head[WS_PRE + FRAME_HEAD_MAX] = {0};
	size_t n;

	if (p->out.len == 0 && !buffer_append(&p->out, head, WS_PRE, SIZE_MAX))
		abort();
	n = frame_head(head, (enum frame_opcode)opcode, len);
	if (!buffer_append(&p->out, head, n, SIZE_MAX) ||
	    !buffer_append(&p->out, data, len, SIZE_MAX))
		abort();
}

static enum ws_result
peer_flush(struct peer *p)
{
	enum ws_result result = WS_SENT;

	if (p->out.len > 0)
		result =
		    ws_write(&p->conn, (unsigned char *)p->out.data + WS_PRE, p->out.len - WS_PRE);
	if (result != WS_STUCK)
		p->out.len = 0;
	return result;
}

/* Until the socket takes no more. */
static void
peer_flood(struct peer *p)
{
	static unsigned char run[WS_PRE + 60000];

	frame_head(run + WS_PRE, FRAME_BINARY, sizeof(run) - WS_PRE - 4);
	while (ws_write(&p->conn, run + WS_PRE, sizeof(run) - WS_PRE) == WS_SENT)
		;
}

static void
on_open(struct ws_conn *c, void *ctx)
{
	(void)c;
	(void)ctx;
}

static void
on_message(struct ws_conn *c, bool binary, const unsigned char *data, size_t len, void *ctx)
{
	struct peer *p = (struct peer *)c;
	unsigned code;
	char text[32];

	(void)ctx;
	snprintf(text, sizeof(text), "%.*s", len < 31 ? (int)len : 31, (const char *)data);
	if (sscanf(text, "close %u", &code) == 1) {
		peer_append(p, FRAME_TEXT, "goodbye", 7);
		if (peer_flush(p) != WS_SENT)
			abort();
		ws_close(c, code);
	} else if (sscanf(text, "flood and close %u", &code) == 1) {
		peer_flood(p);
		ws_close(c, code);
	} else if (strcmp(text, "flood") == 0) {
		p->flooding = true;
		peer_flood(p);
	} else {
		peer_append(p, binary ? FRAME_BINARY : FRAME_TEXT, data, len);
	}
}

static void
on_read(struct ws_conn *c, void *ctx)
{
	struct peer *p = (struct peer *)c;

	(void)ctx;
	if (p->flooding)
		return;
	enum ws_result result = peer_flush(p);
	if (result == WS_PARTIAL || result == WS_STUCK)
		ws_pause(c);
}

static void
on_writable(struct ws_conn *c, void *ctx)
{
	struct peer *p = (struct peer *)c;

	(void)ctx;
	if (p->flooding)
		peer_flood(p);
	else if (peer_flush(p) == WS_SENT)
		ws_resume(c);
}

static void
on_closed(struct ws_conn *c, void *ctx)
{
	struct peer *p = (struct peer *)c;

	(void)ctx;
	buffer_fini(&p->out);
	free(p);
}

static void
on_crowded(struct ws_conn *c, void *ctx)
{
	(void)ctx;
	ws_close(c, CLOSE_TRY_LATER);
}

static const struct ws_events events = {
    .on_open = on_open,
    .on_message = on_message,
    .on_read = on_read,
    .on_writable = on_writable,
    .on_crowded = on_crowded,
    .on_closed = on_closed,
};

static void
accept_cb(void *arg, short what)
{
	static char head[65536];
	int sndbuf = 65536;
	size_t len;
	int fd = server_accept(*(int *)arg, head, sizeof(head), &len);

	(void)what;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	struct peer *p = calloc(1, sizeof(*p));
	ws_adopt(ws, &p->conn, fd, span_from(head, len));
}

static void
stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	loop_stop(loop);
}

static void
serve(int listener)
{
	struct watch accepting, stopping;

	loop = loop_new();
	ws = ws_new(loop, MAX_MESSAGE, INPUT_ROOM, &events, NULL);
	if (!loop || !ws)
		_exit(1);
	watch_init(&accepting, loop, listener, LOOP_READ, "accept", accept_cb, &listener);
	watch_init_signal(&stopping, loop, SIGTERM, "stop", stop_cb, NULL);
	watch_start(&accepting);
	watch_start(&stopping);
	server_is_ready();
	loop_run(loop);
	ws_free(&ws);
	watch_stop(&accepting);
	watch_stop(&stopping);
	loop_free(&loop);
	close(listener);
}

static void
setup(void)
{
	int listener = server_listen(&port);

	server = server_fork();
	if (server == 0) {
		serve(listener);
		exit(0);
	}
	close(listener);
}

static void
teardown(void)
{
	if (server)
		server_end(server);
}

START_TEST(messages_of_all_lengths)
{
	static const size_t lengths[] = {0,    1,    125,   126,   127,   2047,  2048,       2049,
					 4095, 4096, 65535, 65536, 65537, 99999, MAX_MESSAGE};
	static unsigned char data[MAX_MESSAGE];
	int fd = client_open(port);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ck_assert(client_send(fd, FIN | BINARY, data, lengths[i]));
		client_expect(fd, FIN | BINARY, data, lengths[i]);
	}
	memset(data, 'a', sizeof(data));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ck_assert(client_send(fd, FIN | TEXT, data, lengths[i]));
		client_expect(fd, FIN | TEXT, data, lengths[i]);
	}
	close(fd);
}
END_TEST

START_TEST(a_thousand_messages_in_one_write_come_back_in_order)
{
	static unsigned char out[1000 * 32];
	char text[32];
	size_t len = 0;
	int fd = client_open(port);

	for (int i = 0; i < 1000; i++) {
		int n = snprintf(text, sizeof(text), "message %d", i);
		len += client_frame(out + len, FIN | TEXT, text, (size_t)n);
	}
	ck_assert(client_write(fd, out, len));
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		client_expect_text(fd, text);
	}
	close(fd);
}
END_TEST

START_TEST(byte_by_byte)
{
	unsigned char frame[64];
	int fd = client_open(port);
	size_t len = client_frame(frame, FIN | TEXT, "h\xc3\xa9llo \xe5\xa4\xaa", 10);

	for (size_t i = 0; i < len; i++)
		ck_assert(client_write(fd, frame + i, 1));
	client_expect_text(fd, "h\xc3\xa9llo \xe5\xa4\xaa");
	close(fd);
}
END_TEST

START_TEST(fragments_with_pings_between)
{
	int fd = client_open(port);

	ck_assert(client_send(fd, TEXT, "one \xe5", 5));
	ck_assert(client_send(fd, FIN | PING, "are you there", 13));
	client_expect(fd, FIN | PONG, "are you there", 13);
	ck_assert(client_send(fd, CONT, "\xa4", 1));
	ck_assert(client_send(fd, CONT, "", 0));
	ck_assert(client_send(fd, FIN | PING, "", 0));
	client_expect(fd, FIN | PONG, "", 0);
	ck_assert(client_send(fd, FIN | CONT, "\xaa three", 7));
	client_expect_text(fd, "one \xe5\xa4\xaa three");
	ck_assert(client_send(fd, BINARY, "", 0));
	ck_assert(client_send(fd, FIN | CONT, "", 0));
	client_expect(fd, FIN | BINARY, "", 0);
	close(fd);
}
END_TEST

START_TEST(what_comes_with_the_head_is_not_lost)
{
	static unsigned char out[60000];
	char text[1001];
	int fd = client_connect_small(port, 0);
	size_t len = sizeof(CLIENT_HEAD) + 1;

	memcpy(out, CLIENT_HEAD "\r\n", len);
	memset(text, 'e', sizeof(text));
	for (size_t i = 0; i <= 50; i++)
		len += client_frame(out + len, FIN | TEXT, text, i * 20);
	ck_assert(client_write(fd, out, len));
	client_expect_101(fd);
	for (size_t i = 0; i <= 50; i++)
		client_expect(fd, FIN | TEXT, text, i * 20);
	client_text(fd, "close 1000");
	client_expect_text(fd, "goodbye");
	ck_assert_uint_eq(client_closed_with(fd), 1000);
}
END_TEST

/* What stands in the head is answered, and nothing else. */
START_TEST(the_head_says_what_is_answered)
{
#define PROTOCOL   "Sec-WebSocket-Protocol: chat.v1.json\r\n"
#define EXTENSIONS "Sec-WebSocket-Extensions: "
#define DEFLATE    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	static const struct {
		const char *fields;
		const char *protocol, *extensions;
	} table[] = {
	    {PROTOCOL, "chat.v1.json", NULL},
	    {EXTENSIONS DEFLATE "\r\n", NULL, DEFLATE},
	    {EXTENSIONS DEFLATE "; server_max_window_bits=15\r\n", NULL,
	     DEFLATE "; server_max_window_bits=15"},
	    {PROTOCOL EXTENSIONS DEFLATE "\r\n", "chat.v1.json", DEFLATE},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char head[1024];
		int fd = client_connect_small(port, 0);
		int len = snprintf(head, sizeof(head), CLIENT_HEAD "%s\r\n", table[i].fields);

		ck_assert(client_write(fd, head, (size_t)len));
		client_expect_101_with(fd, table[i].protocol, table[i].extensions);
		client_text(fd, "hello");
		client_expect_text(fd, "hello");
		close(fd);
	}
}
END_TEST

static int
open_deflating(void)
{
	static const char head[] = CLIENT_HEAD EXTENSIONS DEFLATE "\r\n\r\n";
	int fd = client_connect_small(port, 0);

	ck_assert(client_write(fd, head, sizeof(head) - 1));
	client_expect_101_with(fd, NULL, DEFLATE);
	return fd;
}

/* RFC 7692 7.2.1; returns the length. */
static size_t
compress_message(const void *data, size_t len, unsigned char *out, size_t room)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)data,
		      .avail_in = (uInt)len,
		      .next_out = out,
		      .avail_out = (uInt)room};

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	ck_assert_uint_gt(z.avail_out, 0);
	deflateEnd(&z);
	return room - z.avail_out - 4;
}

START_TEST(compressed_messages)
{
	static const size_t lengths[] = {0, 1, 5, 125, 126, 2047, 65536, MAX_MESSAGE};
	static unsigned char data[MAX_MESSAGE], packed[MAX_MESSAGE + 65536];
	int fd = open_deflating();

	for (unsigned kind = 0; kind < 3; kind++) {
		unsigned random = 1;

		for (size_t i = 0; i < sizeof(data); i++) {
			random = random * 1103515245 + 12345;
			data[i] =
			    kind == 0 ? 'a' : (unsigned char)(random >> (kind == 1 ? 29 : 16));
		}
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			unsigned opcode = kind == 2 ? BINARY : TEXT;
			size_t n = compress_message(data, lengths[i], packed, sizeof(packed));

			ck_assert(client_send(fd, FIN | RSV1 | opcode, packed, n));
			client_expect(fd, FIN | opcode, data, lengths[i]);
			/* and as it is, between them (RFC 7692 6) */
			ck_assert(client_send(fd, FIN | opcode, data, lengths[i]));
			client_expect(fd, FIN | opcode, data, lengths[i]);
			/* in pieces, with a ping in between */
			ck_assert(client_send(fd, RSV1 | opcode, packed, n / 2));
			ck_assert(client_send(fd, FIN | PING, "?", 1));
			client_expect(fd, FIN | PONG, "?", 1);
			ck_assert(client_send(fd, CONT, packed + n / 2, 0));
			ck_assert(client_send(fd, FIN | CONT, packed + n / 2, n - n / 2));
			client_expect(fd, FIN | opcode, data, lengths[i]);
		}
	}
	/* byte by byte */
	size_t n = compress_message("h\xc3\xa9llo \xe5\xa4\xaa", 10, packed, sizeof(packed));
	size_t len = client_frame(data, FIN | RSV1 | TEXT, packed, n);
	for (size_t i = 0; i < len; i++)
		ck_assert(client_write(fd, data + i, 1));
	client_expect_text(fd, "h\xc3\xa9llo \xe5\xa4\xaa");
	close(fd);
}
END_TEST

START_TEST(bombs_cost_their_turn_only)
{
	static unsigned char zeros[MAX_MESSAGE + 1], packed[4096], out[400 * 256];
	size_t n = compress_message(zeros, MAX_MESSAGE, packed, sizeof(packed)), len = 0;
	int fd = open_deflating(), other = client_open(port);

	ck_assert_uint_lt(n, 200);
	/* 40 MB in one write; all of it is right, and is answered */
	for (int i = 0; i < 400; i++)
		len += client_frame(out + len, FIN | RSV1 | BINARY, packed, n);
	ck_assert(client_write(fd, out, len));
	for (int i = 0; i < 20; i++) {
		client_text(other, "meanwhile");
		client_expect_text(other, "meanwhile");
	}
	for (int i = 0; i < 400; i++)
		client_expect(fd, FIN | BINARY, zeros, MAX_MESSAGE);
	client_text(fd, "still here");
	client_expect_text(fd, "still here");
	/* one byte too many when it is unpacked */
	n = compress_message(zeros, MAX_MESSAGE + 1, packed, sizeof(packed));
	ck_assert(client_send(fd, FIN | RSV1 | BINARY, packed, n));
	ck_assert_uint_eq(client_closed_with(fd), 1009);
	client_text(other, "afterwards");
	client_expect_text(other, "afterwards");
	close(other);
}
END_TEST

START_TEST(too_long_when_packed_is_1009)
{
	static unsigned char out[1 << 18];
	int fd = open_deflating();
	/* stored blocks of nothing: they never become a byte */
	for (size_t i = 0; i + 5 <= sizeof(out); i += 5)
		memcpy(out + i, "\x00\x00\x00\xff\xff", 5);
	client_send(fd, RSV1 | BINARY, out, 65535);
	client_send(fd, FIN | CONT, out + 65535, 65535);
	ck_assert_uint_eq(client_closed_with(fd), 1009);
	/* announced by its head */
	fd = open_deflating();
	client_write(fd, "\xc2\xff\0\0\0\0\x10\0\0\0abcdx", 15);
	ck_assert_uint_eq(client_closed_with(fd), 1009);
}
END_TEST

#define MAX_FRAMES 4

static const char long_data[300];

/* Wrong input, and the code of the Close it is answered with. */
struct bad {
	const char *name;
	unsigned code;
	struct {
		unsigned first;
		const char *data;
		size_t len;
	} frame[MAX_FRAMES];
};

static const struct bad bad[] = {
    {"a reserved bit", 1002, {{FIN | TEXT | 0x40, "x", 1}}},
    {"a reserved opcode", 1002, {{FIN | 0x3, "x", 1}}},
    {"a reserved control opcode", 1002, {{FIN | 0xb, "x", 1}}},
    {"a continuation of nothing", 1002, {{FIN | CONT, "x", 1}}},
    {"a message in a message", 1002, {{TEXT, "x", 1}, {FIN | TEXT, "y", 1}}},
    {"a fragmented ping", 1002, {{PING, "x", 1}}},
    {"text that is not UTF-8", 1007, {{FIN | TEXT, "a\xff", 2}}},
    {"an overlong form", 1007, {{FIN | TEXT, "\xc0\x80", 2}}},
    {"a surrogate", 1007, {{FIN | TEXT, "\xed\xa0\x80", 3}}},
    {"a character cut off at the end", 1007, {{FIN | TEXT, "\xe5\xa4", 2}}},
    {"a character cut off in fragments", 1007, {{TEXT, "\xe5", 1}, {FIN | CONT, "a", 1}}},
    {"a character cut off by an empty end",
     1007,
     {{TEXT, "\xe5", 1}, {CONT, "\xa4", 1}, {FIN | CONT, "", 0}}},
    {"text that cannot become UTF-8, in a frame that has not ended", 1007, {{TEXT, "\xf4\x90", 2}}},
    {"a frame that is not masked", 1002, {{UNMASKED | FIN | TEXT, "x", 1}}},
    {"an empty frame that is not masked", 1002, {{UNMASKED | FIN | TEXT, "", 0}}},
    {"a long frame that is not masked", 1002, {{UNMASKED | FIN | BINARY, long_data, 300}}},
    {"a ping of 126 bytes", 1002, {{FIN | PING, long_data, 126}}},
    {"a pong of 126 bytes", 1002, {{FIN | PONG, long_data, 126}}},
    {"a Close of 126 bytes", 1002, {{FIN | CLOSE, long_data, 126}}},
    {"a Close whose reason is not UTF-8", 1007, {{FIN | CLOSE, "\x03\xe8\xff", 3}}},
    {"a Close whose reason is cut off", 1007, {{FIN | CLOSE, "\x03\xe8\xe5\xa4", 4}}},
    {"a Close of one byte", 1002, {{FIN | CLOSE, "\x03", 1}}},
    {"a Close with code 0", 1002, {{FIN | CLOSE, "\0\0", 2}}},
    {"a Close with code 999", 1002, {{FIN | CLOSE, "\x03\xe7", 2}}},
    {"a Close with code 1005", 1002, {{FIN | CLOSE, "\x03\xed", 2}}},
    {"a Close with code 1006", 1002, {{FIN | CLOSE, "\x03\xee", 2}}},
    {"a Close with code 5000", 1002, {{FIN | CLOSE, "\x13\x88", 2}}},
    {"a Close with code 65535", 1002, {{FIN | CLOSE, "\xff\xff", 2}}},
    {"data after a Close", 1000, {{FIN | CLOSE, "\x03\xe8", 2}, {FIN | TEXT, "late", 4}}},
    {"nonsense after a Close", 1001, {{FIN | CLOSE, "\x03\xe9", 2}, {FIN | 0x3, "late", 4}}},
    {"another Close after a Close",
     1001,
     {{FIN | CLOSE, "\x03\xe9", 2}, {FIN | CLOSE, "\x03\xe8", 2}}},
    {"a Close without a code", 1005, {{FIN | CLOSE, "", 0}}},
    {"a Close with code 3000", 3000, {{FIN | CLOSE, "\x0b\xb8", 2}}},
    {"a Close with code 4999 and a reason", 4999, {{FIN | CLOSE, "\x13\x87why", 5}}},
    {"a Close in a message", 1001, {{TEXT, "x", 1}, {FIN | CLOSE, "\x03\xe9", 2}}},
};

/* The same, of one that compresses. */
static const struct bad bad_deflate[] = {
    {"corrupt data", 1007, {{FIN | RSV1 | TEXT, "\xff\xff", 2}}},
    {"data that is cut off", 1007, {{FIN | RSV1 | TEXT, "\xf2\x48\xcd\xc9", 4}}},
    {"no data", 1007, {{FIN | RSV1 | TEXT, "", 0}}},
    {"corrupt data in fragments",
     1007,
     {{RSV1 | TEXT, "\xf2\x48", 2}, {FIN | CONT, "\xff\xff", 2}}},
    {"text that is not UTF-8", 1007, {{FIN | RSV1 | TEXT, "\x00\x01\x00\xfe\xff\xff\x00", 7}}},
    {"RSV1 on a continuation",
     1002,
     {{RSV1 | TEXT, "\xf2\x48", 2}, {FIN | RSV1 | CONT, "\xcd", 1}}},
    {"RSV1 on the end of what is not compressed",
     1002,
     {{TEXT, "a", 1}, {FIN | RSV1 | CONT, "\xcd", 1}}},
    {"RSV2", 1002, {{FIN | 0x20 | TEXT, "x", 1}}},
    {"RSV3", 1002, {{FIN | 0x10 | TEXT, "x", 1}}},
    {"RSV1 and RSV2", 1002, {{FIN | RSV1 | 0x20 | TEXT, "x", 1}}},
    {"RSV1 on a Close", 1002, {{FIN | RSV1 | CLOSE, "\x03\xe8", 2}}},
    {"RSV1 on a pong", 1002, {{FIN | RSV1 | PONG, "x", 1}}},
    {"plain text that is not UTF-8", 1007, {{TEXT, "a\xff", 2}}},
    {"a Close in a compressed message",
     1001,
     {{RSV1 | TEXT, "\xf2\x48", 2}, {FIN | CLOSE, "\x03\xe9", 2}}},
};

static void
expect_code(int fd, const struct bad *b)
{
	unsigned code;

	for (size_t i = 0; i < MAX_FRAMES && b->frame[i].data; i++)
		client_send(fd, b->frame[i].first, b->frame[i].data, b->frame[i].len);
	code = client_closed_with(fd);
	if (code != b->code)
		ck_abort_msg("%s: %u, not %u", b->name, code, b->code);
}

START_TEST(closed_with_the_right_code_when_compressing)
{
	int fd = open_deflating();

	client_text(fd, "before");
	client_expect_text(fd, "before");
	expect_code(fd, &bad_deflate[_i]);
}
END_TEST

START_TEST(closed_with_the_right_code)
{
	int fd = client_open(port);

	/* of one that does not mask, the first frame is looked at */
	if (!(bad[_i].frame[0].first & UNMASKED)) {
		client_text(fd, "before");
		client_expect_text(fd, "before");
	}
	expect_code(fd, &bad[_i]);
	/* the others notice nothing */
	fd = client_open(port);
	client_text(fd, "after");
	client_expect_text(fd, "after");
	close(fd);
}
END_TEST

/* Wherever the first frame is cut off from the head, or in two. */
START_TEST(a_first_frame_that_is_not_masked_is_seen)
{
	static const char head[] = CLIENT_HEAD "\r\n\x81\x05hello";

	for (size_t cut = sizeof(head) - 1 - 7; cut < sizeof(head); cut++) {
		int fd = client_connect_small(port, 0);

		ck_assert(client_write(fd, head, cut));
		client_expect_101(fd);
		ck_assert(client_write(fd, head + cut, sizeof(head) - 1 - cut));
		static struct client_message m;
		ck_assert_uint_eq(client_receive(fd, &m), FIN | CLOSE);
		ck_assert_uint_eq((unsigned)m.data[0] << 8 | m.data[1], 1002);
		close(fd);
	}
}
END_TEST

START_TEST(messages_before_a_mistake_are_answered)
{
	unsigned char out[64];
	int fd = client_open(port);
	size_t len = client_frame(out, FIN | TEXT, "one", 3);

	len += client_frame(out + len, FIN | TEXT, "two", 3);
	len += client_frame(out + len, FIN | 0x3, "bad", 3);
	ck_assert(client_write(fd, out, len));
	client_expect_text(fd, "one");
	client_expect_text(fd, "two");
	ck_assert_uint_eq(client_closed_with(fd), 1002);
}
END_TEST

START_TEST(messages_before_a_close_are_answered)
{
	unsigned char out[256];
	size_t len = 0;
	int fd = client_open(port);

	len += client_frame(out + len, FIN | TEXT, "one", 3);
	len += client_frame(out + len, FIN | TEXT, "two", 3);
	len += client_frame(out + len, FIN | CLOSE, "\x03\xe8", 2);
	ck_assert(client_write(fd, out, len));
	client_expect_text(fd, "one");
	client_expect_text(fd, "two");
	ck_assert_uint_eq(client_closed_with(fd), 1000);
}
END_TEST

START_TEST(too_long_is_1009_before_it_has_come)
{
	/* a frame that announces 2^62 bytes, a message of fragments that add up, and one byte more
	 */
	static const unsigned char huge[] = {
	    FIN | BINARY, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	static char data[MAX_MESSAGE + 1];
	int fd = client_open(port);

	ck_assert(client_write(fd, huge, sizeof(huge)));
	ck_assert_uint_eq(client_closed_with(fd), 1009);

	fd = client_open(port);
	ck_assert(client_send(fd, BINARY, data, MAX_MESSAGE / 2));
	ck_assert(client_send(fd, CONT, data, MAX_MESSAGE / 2));
	client_send(fd, FIN | CONT, data, 1);
	ck_assert_uint_eq(client_closed_with(fd), 1009);

	fd = client_open(port);
	client_send(fd, FIN | BINARY, data, MAX_MESSAGE + 1);
	ck_assert_uint_eq(client_closed_with(fd), 1009);
}
END_TEST

START_TEST(endless_empty_fragments_are_1009)
{
	static unsigned char out[6 * 40000];
	size_t len = client_frame(out, TEXT, "", 0);
	int fd = client_open(port);

	while (len + 6 <= sizeof(out))
		len += client_frame(out + len, CONT, "", 0);
	client_write(fd, out, len);
	ck_assert_uint_eq(client_closed_with(fd), 1009);
}
END_TEST

/* The server has read all that was sent before. */
static void
client_sync(int fd)
{
	struct client_message *m = malloc(sizeof(*m));

	ck_assert_ptr_nonnull(m);
	ck_assert(client_send(fd, FIN | PING, "", 0));
	ck_assert_uint_eq(client_receive(fd, m), FIN | PONG);
	free(m);
}

/* Four of them have room: the one that began first goes, and the others never notice. */
START_TEST(messages_that_do_not_come_whole_are_bounded)
{
	enum { HELD = 4, PART = 70000 };
	static char data[PART];
	int fd[HELD], more;

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < HELD; i++) {
		fd[i] = client_open(port);
		ck_assert(client_send(fd[i], TEXT, data, PART));
		client_sync(fd[i]);
	}
	for (int i = 0; i < HELD; i++) {
		more = client_open(port);
		ck_assert(client_send(more, TEXT, data, PART));
		client_sync(more);
		ck_assert_uint_eq(client_closed_with(fd[i]), 1013);
		fd[i] = more;
	}
	/* whoever comes to an end holds nothing, and is the last with its next message */
	ck_assert(client_send(fd[0], FIN | CONT, "", 0));
	client_expect(fd[0], FIN | TEXT, data, PART);
	ck_assert(client_send(fd[0], TEXT, data, PART));
	client_sync(fd[0]);
	more = client_open(port);
	ck_assert(client_send(more, TEXT, data, PART));
	client_sync(more);
	ck_assert_uint_eq(client_closed_with(fd[1]), 1013);
	fd[1] = more;
	/* so does who leaves, with and without a Close */
	close(fd[2]);
	ck_assert(client_send(fd[3], FIN | CLOSE, "\x03\xe8", 2));
	ck_assert_uint_eq(client_closed_with(fd[3]), 1000);
	for (int i = 2; i < HELD; i++) {
		fd[i] = client_open(port);
		ck_assert(client_send(fd[i], TEXT, data, PART));
		client_sync(fd[i]);
	}
	for (int i = 0; i < HELD; i++) {
		ck_assert(client_send(fd[i], FIN | CONT, "", 0));
		client_expect(fd[i], FIN | TEXT, data, PART);
		close(fd[i]);
	}
}
END_TEST

START_TEST(the_server_closes_behind_its_messages)
{
	int fd = client_open(port);

	client_text(fd, "close 4010");
	client_expect_text(fd, "goodbye");
	/* what still comes is read and forgotten */
	for (int i = 0; i < 100; i++)
		client_send(fd, FIN | TEXT, "still here", 10);
	ck_assert_uint_eq(client_closed_with(fd), 4010);
}
END_TEST

START_TEST(a_close_behind_stuck_output_arrives)
{
	int fd = client_connect_small(port, 8192);

	ck_assert(client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	client_expect_101(fd);
	client_text(fd, "flood and close 4008");
	ck_assert_uint_eq(client_closed_with(fd), 4008);
}
END_TEST

/* Who never takes its Close is gone after 5 s all the same. */
START_TEST(a_client_that_takes_nothing_is_dropped)
{
	static char byte[1 << 20];
	int fd = client_connect_small(port, 8192);
	struct timeval tv = {.tv_sec = 10};
	int error = 0;
	socklen_t len = sizeof(error);

	ck_assert(client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	client_expect_101(fd);
	client_text(fd, "flood and close 4008");
	/* our window is full, so the end can be seen by sending only */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	while (client_write(fd, byte, sizeof(byte)))
		;
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	ck_assert(errno == EPIPE || errno == ECONNRESET);
	close(fd);
}
END_TEST

START_TEST(a_reader_that_stops_gets_everything_when_it_goes_on)
{
	static char data[50000];
	unsigned sent = 0;
	int fd = client_connect_small(port, 8192);
	struct timeval tv = {.tv_usec = 200 * 1000};
	struct timeval patient = {.tv_sec = CLIENT_TIMEOUT_S};
	static unsigned char out[sizeof(data) + 14];

	ck_assert(client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	client_expect_101(fd);
	/* it echoes until the answers are stuck; then it stops reading, until we can send no more
	 */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	size_t len = 0, done = 0;
	for (;;) {
		ssize_t n;

		if (done == len) {
			memset(data, (int)('a' + sent % 26), sizeof(data));
			len = client_frame(out, FIN | TEXT, data, sizeof(data));
			done = 0;
			sent++;
		}
		n = send(fd, out + done, len - done, MSG_NOSIGNAL);
		if (n < 0)
			break;
		done += (size_t)n;
		ck_assert_uint_lt(sent, 2000);
	}
	ck_assert(errno == EAGAIN);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patient, sizeof(patient));
	/* the rest of the last one goes out while we read, from a child */
	pid_t pid = fork();
	if (pid == 0)
		_exit(client_write(fd, out + done, len - done) ? 0 : 1);
	for (unsigned i = 0; i < sent; i++) {
		memset(data, (int)('a' + i % 26), sizeof(data));
		client_expect(fd, FIN | TEXT, data, sizeof(data));
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	client_text(fd, "still open");
	client_expect_text(fd, "still open");
	close(fd);
}
END_TEST

/* Half a close, or none, with output stuck: the server must neither spin nor keep it. */
START_TEST(a_stuck_client_that_leaves_is_let_go)
{
	int fd = client_connect_small(port, 8192);

	ck_assert(client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1));
	client_expect_101(fd);
	client_text(fd, "flood");
	struct client_message *m = malloc(sizeof(*m));
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(client_receive(fd, m), FIN | BINARY);
	shutdown(fd, SHUT_WR);
	/* the end comes, not more of the flood for ever */
	for (unsigned i = 0; client_receive(fd, m); i++)
		ck_assert_uint_lt(i, 1000);
	free(m);
	close(fd);
}
END_TEST

START_TEST(clients_that_vanish)
{
	static unsigned char out[70000];
	size_t len = client_frame(out, FIN | TEXT, out, 60000);

	for (size_t i = 0; i < 40; i++) {
		struct linger linger = {.l_onoff = i % 2, .l_linger = 0};
		int fd = client_connect_small(port, 0);

		client_write(fd, CLIENT_HEAD "\r\n", sizeof(CLIENT_HEAD) + 1);
		if (i % 4 < 2)
			client_expect_101(fd);
		client_write(fd, out, len * i / 40);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(fd);
	}
	int fd = client_open(port);
	client_text(fd, "alive");
	client_expect_text(fd, "alive");
	close(fd);
}
END_TEST

START_TEST(many_at_once_and_a_stop_with_all_open)
{
	int fd[200];

	for (int i = 0; i < 200; i++)
		fd[i] = client_open(port);
	for (int i = 0; i < 200; i++)
		client_text(fd[i], "x");
	for (int i = 0; i < 200; i++)
		client_expect_text(fd[i], "x");
	server_end(server);
	server = 0;
	for (int i = 0; i < 200; i++)
		close(fd[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ws");
	TCase *tc = tcase_create("ws");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, messages_of_all_lengths);
	tcase_add_test(tc, a_thousand_messages_in_one_write_come_back_in_order);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, fragments_with_pings_between);
	tcase_add_test(tc, what_comes_with_the_head_is_not_lost);
	tcase_add_test(tc, the_head_says_what_is_answered);
	tcase_add_test(tc, compressed_messages);
	tcase_add_test(tc, bombs_cost_their_turn_only);
	tcase_add_test(tc, too_long_when_packed_is_1009);
	tcase_add_loop_test(tc, closed_with_the_right_code_when_compressing, 0,
			    sizeof(bad_deflate) / sizeof(bad_deflate[0]));
	tcase_add_loop_test(tc, closed_with_the_right_code, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, a_first_frame_that_is_not_masked_is_seen);
	tcase_add_test(tc, messages_before_a_mistake_are_answered);
	tcase_add_test(tc, messages_before_a_close_are_answered);
	tcase_add_test(tc, too_long_is_1009_before_it_has_come);
	tcase_add_test(tc, endless_empty_fragments_are_1009);
	tcase_add_test(tc, messages_that_do_not_come_whole_are_bounded);
	tcase_add_test(tc, the_server_closes_behind_its_messages);
	tcase_add_test(tc, a_close_behind_stuck_output_arrives);
	tcase_add_test(tc, a_client_that_takes_nothing_is_dropped);
	tcase_add_test(tc, a_reader_that_stops_gets_everything_when_it_goes_on);
	tcase_add_test(tc, a_stuck_client_that_leaves_is_let_go);
	tcase_add_test(tc, clients_that_vanish);
	tcase_add_test(tc, many_at_once_and_a_stop_with_all_open);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
