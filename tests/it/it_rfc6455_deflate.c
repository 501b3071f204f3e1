/*
 * it_rfc6455_deflate.c - permessage-deflate (RFC 7692) through the daemon: who gets it, what is
 * compressed, what is refused, and that bombs cost little.
 */
/* links: tests/it/rfc6455.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c -lz */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "harness.h"
#include "rfc6455.h"

#define TEXT  (FIN | WS_TEXT)
#define BIN   (FIN | WS_BINARY)
#define CONT  (FIN | WS_CONTINUATION)
#define CLOSE (FIN | WS_CLOSE)
#define PING  (FIN | WS_PING)
#define PONG  (FIN | WS_PONG)

#define F RFC_FRAME
#define L RFC_LONG
/* Compressed by pack. */
#define PACKED (RFC_DEFLATE | RSV1)

#define OFFER  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
#define ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* RFC 7692 7.2.1; the caller frees. */
static char *
pack(const char *data, size_t len, size_t *packed_len)
{
	z_stream z = {0};
	size_t room = len + len / 8 + 128;
	char *out = malloc(room);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (uInt)len;
	z.next_out = (unsigned char *)out;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	ck_assert_uint_gt(z.avail_out, 0);
	deflateEnd(&z);
	*packed_len = room - z.avail_out - 4;
	return out;
}

/*
 * 7.2.2, with a fresh context and no more than was agreed on: a client that keeps its window, as it
 * may, gets the same (server_no_context_takeover).
 */
static char *
unpack(const char *data, size_t len, size_t *plain_len)
{
	z_stream z = {0};
	size_t room = 1 << 20;
	char *in = malloc(len + 4), *out = malloc(room);

	ck_assert(in && out);
	memcpy(in, data, len);
	memcpy(in + len, "\0\0\xff\xff", 4);
	ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
	z.next_in = (unsigned char *)in;
	z.avail_in = (uInt)(len + 4);
	z.next_out = (unsigned char *)out;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	ck_assert_uint_eq(z.avail_in, 0);
	inflateEnd(&z);
	*plain_len = room - z.avail_out;
	free(in);
	return out;
}

#define LINE "some words that are said again and again; "

static const struct rfc_case messages[] = {
    {"12.1.1", "a text", 0, 0, {F(PACKED | TEXT, "Hello")}, {F(TEXT, "Hello")}},
    {"12.1.2", "an empty text", 0, 0, {F(PACKED | TEXT, "")}, {F(TEXT, "")}},
    {"12.1.3", "binary", 0, 0, {F(PACKED | BIN, "\0\xff\xfe")}, {F(BIN, "\0\xff\xfe")}},
    {"12.1.4", "a long text", 0, 0, {L(PACKED | TEXT, LINE, 1000)}, {L(TEXT, LINE, 1000)}},
    {"12.1.5",
     "as long as is allowed",
     0,
     0,
     {L(PACKED | BIN, "\xff", 65536)},
     {L(BIN, "\xff", 65536)}},
    {"12.1.6",
     "and as it is",
     0,
     0,
     {L(TEXT, LINE, 1000), F(TEXT, "Hello")},
     {L(TEXT, LINE, 1000), F(TEXT, "Hello")}},
    {"12.1.7",
     "in turn",
     0,
     0,
     {F(PACKED | TEXT, "one"), F(TEXT, "two"), F(PACKED | BIN, "three"), F(BIN, "four"),
      F(PACKED | TEXT, "five")},
     {F(TEXT, "one"), F(TEXT, "two"), F(BIN, "three"), F(BIN, "four"), F(TEXT, "five")}},
    {"13.1.1",
     "in three fragments",
     0,
     0,
     {F(RSV1 | WS_TEXT, "\xf2\x48\xcd"), F(WS_CONTINUATION, "\xc9\xc9"), F(CONT, "\x07\x00")},
     {F(TEXT, "Hello")}},
    {"13.1.2",
     "with a ping between them",
     0,
     0,
     {F(RSV1 | WS_TEXT, "\xf2\x48\xcd"), F(PING, "ping"), F(CONT, "\xc9\xc9\x07\x00")},
     {F(PONG, "ping"), F(TEXT, "Hello")}},
    {"13.1.3",
     "with empty ones",
     0,
     0,
     {F(RSV1 | WS_TEXT, ""), F(WS_CONTINUATION, "\xf2\x48\xcd\xc9\xc9\x07\x00"), F(CONT, "")},
     {F(TEXT, "Hello")}},
    {"13.2.1",
     "RFC 7692 7.2.3.3 without compression",
     0,
     0,
     {F(RSV1 | TEXT, "\x00\x05\x00\xfa\xffHello\x00")},
     {F(TEXT, "Hello")}},
    {"13.2.2",
     "RFC 7692 7.2.3.4 a block marked as the last",
     0,
     0,
     {F(RSV1 | TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")},
     {F(TEXT, "Hello")}},
    {"13.2.3",
     "RFC 7692 7.2.3.5 two blocks",
     0,
     0,
     {F(RSV1 | TEXT, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")},
     {F(TEXT, "Hello")}},
    {"13.3.1", "no deflate data", 0, 1007, {F(RSV1 | TEXT, "\xff\xff")}, {{0}}},
    {"13.3.2", "cut off", 0, 1007, {F(RSV1 | BIN, "\xf2\x48\xcd\xc9")}, {{0}}},
    {"13.3.3", "of no byte", 0, 1007, {F(RSV1 | TEXT, "")}, {{0}}},
    {"13.3.4",
     "the window of another message",
     0,
     1007,
     {F(PACKED | TEXT, "Hello"), F(RSV1 | TEXT, "\xf2\x00\x11\x00\x00")},
     {F(TEXT, "Hello")}},
    {"13.3.5", "text that is not UTF-8", 0, 1007, {F(PACKED | TEXT, "\xed\xa0\x80")}, {{0}}},
    {"13.3.6",
     "text that is cut off in a character",
     0,
     1007,
     {F(PACKED | TEXT, "a\xe5\xa4")},
     {{0}}},
    {"13.3.7",
     "RSV1 on a continuation",
     0,
     1002,
     {F(RSV1 | WS_TEXT, "\xf2\x48\xcd"), F(RSV1 | CONT, "\xc9\xc9\x07\x00")},
     {{0}}},
    {"13.3.8",
     "RSV1 on the end of what is not compressed",
     0,
     1002,
     {F(WS_TEXT, "a"), F(RSV1 | CONT, "\x07\x00")},
     {{0}}},
    {"13.3.9", "RSV2", 0, 1002, {F(RSV2 | TEXT, "Hello")}, {{0}}},
    {"13.3.10", "RSV1 and RSV3", 0, 1002, {F(PACKED | RSV3 | TEXT, "Hello")}, {{0}}},
    {"13.3.11", "RSV1 on a pong", 0, 1002, {F(RSV1 | PONG, "pong")}, {{0}}},
    {"13.3.12", "RSV1 on a Close", 0, 1002, {F(RSV1 | CLOSE, "\x03\xe8")}, {{0}}},
    {"13.4.1",
     "a byte too many when it is unpacked",
     0,
     1009,
     {L(PACKED | BIN, "\xff", 65537)},
     {{0}}},
    {"13.4.2",
     "a bomb of 16 MiB",
     RFC_APART | RFC_AT_ONCE,
     1009,
     {L(PACKED | BIN, "\0", 16 << 20)},
     {{0}}},
    {"13.4.3",
     "a bomb in fragments",
     0,
     1009,
     {F(WS_BINARY | RSV1, "\x00\x00\x00\xff\xff"), L(CONT, "\x00\x00\x00\xff\xff", 20000)},
     {{0}}},
    {"13.4.4",
     "too long before it is unpacked",
     0,
     1009,
     {F(RFC_RAW, "\xc2\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0*")},
     {{0}}},
};

/* What libwebsockets lets pass: plaza-chat(7) BUGS. */
static const struct rfc_case holes[] = {
    {"7692 6 RSV1", "on a ping", 0, 0, {F(RSV1 | PING, "ping")}, {F(PONG, "ping")}},
};

static struct rfc_client
client_of(const struct daemon *d)
{
	return (struct rfc_client){.port = daemon_port(d),
				   .fields = OFFER,
				   .extensions = ANSWER,
				   .pack = pack,
				   .unpack = unpack};
}

START_TEST(messages_)
{
	struct daemon *d = daemon_start("chat.compression=on", NULL);
	const struct rfc_client client = client_of(d);

	rfc_run(&client, messages, sizeof(messages) / sizeof(messages[0]));
	rfc_run(&client, holes, sizeof(holes) / sizeof(holes[0]));
	daemon_stop(d);
}
END_TEST

static void
expect_extensions(struct daemon *d, const char *offer, const char *answer)
{
	static const char *const paths[] = {"/echo", "/chat", "/chat?mode=json"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct http_conn c;
		struct http_answer a;
		char fields[256];

		snprintf(fields, sizeof(fields), "Sec-WebSocket-Extensions: %s\r\n", offer);
		http_open(&c, daemon_port(d));
		ws_handshake(&c, paths[i], fields, &a);
		ck_assert_int_eq(a.status, 101);
		const char *got = http_field(&a, "Sec-WebSocket-Extensions");
		if (!answer || !got)
			ck_assert_msg(got == answer, "%s on %s: %s", offer, paths[i], got);
		else
			ck_assert_str_eq(got, answer);
		http_answer_fini(&a);
		http_close(&c);
	}
}

START_TEST(it_is_negotiated_when_it_is_on)
{
	struct daemon *d = daemon_start("chat.compression=on", NULL);

	expect_extensions(d, "permessage-deflate", ANSWER);
	expect_extensions(d, "permessage-deflate; client_max_window_bits", ANSWER);
	expect_extensions(d, "permessage-deflate; server_max_window_bits=15",
			  ANSWER "; server_max_window_bits=15");
	expect_extensions(d, "permessage-deflate; server_max_window_bits=10", NULL);
	expect_extensions(d, "permessage-deflate; server_max_window_bits=10, permessage-deflate",
			  ANSWER);
	expect_extensions(d, "permessage-deflate; nonsense", NULL);
	expect_extensions(d, "x-webkit-deflate-frame", NULL);
	daemon_stop(d);
	/* off is what it is by itself */
	d = daemon_start_default();
	expect_extensions(d, "permessage-deflate", NULL);
	daemon_stop(d);
}
END_TEST

/* Each listener gets the message as it can take it, and only what is worth it is compressed. */
START_TEST(long_messages_are_compressed_for_those_who_can)
{
	struct daemon *d = daemon_start("chat.compression=on", "chat.compression_min=300",
					"server.workers=2", NULL);
	struct ws plain, packing;
	struct http_answer a;
	struct ws_frame f;
	char text[4000];
	size_t len;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = LINE[i % (sizeof(LINE) - 1)];
	ws_open(&plain, daemon_port(d), "/chat/long", NULL);
	memset(&packing, 0, sizeof(packing));
	http_open(&packing.c, daemon_port(d));
	ws_handshake(&packing.c, "/chat/long", OFFER, &a);
	ck_assert_str_eq(http_field(&a, "Sec-WebSocket-Extensions"), ANSWER);
	http_answer_fini(&a);
	packing.takes_rsv1 = true;

	static const size_t lengths[] = {0, 1, 299, 300, 301, 4000};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ws_send_frame(i % 2 ? &plain : &packing, true, WS_TEXT, text, lengths[i]);
		ws_expect_data(&plain, WS_TEXT, text, lengths[i]);
		ws_read(&packing, &f);
		ck_assert_int_eq(f.opcode, WS_TEXT);
		ck_assert_msg(f.rsv1 == (lengths[i] >= 300), "%zu bytes", lengths[i]);
		if (f.rsv1) {
			ck_assert_uint_lt(f.len, lengths[i]);
			char *data = unpack(f.data, f.len, &len);
			ck_assert_uint_eq(len, lengths[i]);
			ck_assert_mem_eq(data, text, len);
			free(data);
		} else {
			ck_assert_uint_eq(f.len, lengths[i]);
		}
		ws_frame_fini(&f);
	}
	/* what does not become shorter goes as it is */
	unsigned random = 1;
	for (size_t i = 0; i < sizeof(text); i++) {
		random = random * 1103515245 + 12345;
		text[i] = (char)(random >> 16);
	}
	ws_send_frame(&plain, true, WS_BINARY, text, sizeof(text));
	ws_expect_data(&plain, WS_BINARY, text, sizeof(text));
	ws_expect_data(&packing, WS_BINARY, text, sizeof(text));
	ws_close(&plain);
	ws_close(&packing);
	daemon_stop(d);
}
END_TEST

/* Bombs of one client cost the others no more than a moment, and the daemon no memory. */
START_TEST(bombs_are_bounded)
{
	enum { BOMBS = 2000 };
	struct daemon *d = daemon_start("chat.compression=on", "server.workers=1",
					"chat.max_message_size=64k", NULL);
	struct ws bomber, other;
	struct http_answer a;
	char *zeros = calloc(1, 1 << 20);
	size_t len, n = 0;

	ck_assert_ptr_nonnull(zeros);
	ws_open(&other, daemon_port(d), "/echo", NULL);
	char *packed = pack(zeros, 65536, &len);
	char *all = malloc(BOMBS * (len + 14));
	ck_assert_ptr_nonnull(all);
	for (int i = 0; i < BOMBS; i++)
		n += ws_build_frame(all + n, true, WS_BINARY | RSV1, packed, len);
	memset(&bomber, 0, sizeof(bomber));
	http_open(&bomber.c, daemon_port(d));
	ws_handshake(&bomber.c, "/echo", OFFER, &a);
	http_answer_fini(&a);
	/* it does not read its answers: 128 MiB */
	pid_t workers[PROCFS_MAX];
	ck_assert_uint_eq(daemon_workers(d, workers), 1);
	const long before = procfs_status(workers[0], "VmRSS");
	ck_assert(http_try_send(&bomber.c, all, n));
	uint64_t worst = 0;
	for (int i = 0; i < 200; i++) {
		uint64_t began = it_now_ms();
		ws_send(&other, "meanwhile");
		ws_expect(&other, "Server received: meanwhile");
		uint64_t took = it_now_ms() - began;
		if (took > worst)
			worst = took;
	}
	ck_assert_msg(worst < 1000, "an answer took %llu ms", (unsigned long long)worst);
	const long after = procfs_status(workers[0], "VmRSS");
	if (!it_has_sanitizers())
		ck_assert_msg(after < before + 16 * 1024, "%ld KiB, then %ld", before, after);
	ws_drop(&bomber);
	ws_close(&other);
	free(all);
	free(packed);
	free(zeros);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rfc6455 deflate");

	tcase_add_test(tc, messages_);
	tcase_add_test(tc, it_is_negotiated_when_it_is_on);
	tcase_add_test(tc, long_messages_are_compressed_for_those_who_can);
	tcase_add_test(tc, bombs_are_bounded);
}

int
main(void)
{
	return it_main("rfc6455_deflate", fill, 0);
}
