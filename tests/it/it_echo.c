/*
 * it_echo.c - /echo: each message comes back to its sender, and to nobody else, with a prefix.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

#define PREFIX     "Server received: "
#define PREFIX_LEN (sizeof(PREFIX) - 1)

static void
expect_echo(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	char *answer = malloc(PREFIX_LEN + len);

	ck_assert_ptr_nonnull(answer);
	memcpy(answer, PREFIX, PREFIX_LEN);
	memcpy(answer + PREFIX_LEN, data, len);
	ws_expect_data(ws, opcode, answer, PREFIX_LEN + len);
	free(answer);
}

START_TEST(answers_text_and_binary_in_kind)
{
	struct daemon *d = daemon_start_default();
	struct ws ws[2];
	static const char bytes[] = "\x00\xff\xfe bin\n\x80";

	ws_open_everywhere(ws, 2, d, "/echo");
	for (int i = 0; i < 2; i++) {
		ws_send(&ws[i], "Message 0");
		ws_expect(&ws[i], "Server received: Message 0");
		ws_send(&ws[i], "");
		ws_expect(&ws[i], "Server received: ");
		ws_send(&ws[i], "\xe5\xa4\xaa\xe9\x83\x8e");
		ws_expect(&ws[i], "Server received: \xe5\xa4\xaa\xe9\x83\x8e");
		ws_send_frame(&ws[i], true, WS_BINARY, bytes, sizeof(bytes));
		expect_echo(&ws[i], WS_BINARY, bytes, sizeof(bytes));
		ws_send_frame(&ws[i], true, WS_BINARY, "", 0);
		expect_echo(&ws[i], WS_BINARY, "", 0);
	}
	/* the other one got nothing of it */
	ws_expect_silence(&ws[0]);
	ws_expect_silence(&ws[1]);
	ws_close(&ws[0]);
	ws_close(&ws[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(answers_every_length_that_is_allowed)
{
	static const size_t lengths[] = {1,    108,   109,   125,   126,  127,
					 4096, 65518, 65519, 65535, 65536};
	struct daemon *d = daemon_start_default();
	struct ws ws;
	char *data = malloc(65536);

	for (size_t i = 0; i < 65536; i++)
		data[i] = (char)('a' + i % 26);
	ws_open(&ws, daemon_port(d), "/echo", NULL);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ws_send_frame(&ws, true, WS_TEXT, data, lengths[i]);
		expect_echo(&ws, WS_TEXT, data, lengths[i]);
		ws_send_frame(&ws, true, WS_BINARY, data, lengths[i]);
		expect_echo(&ws, WS_BINARY, data, lengths[i]);
	}
	ws_close(&ws);
	free(data);
	daemon_stop(d);
}
END_TEST

START_TEST(answers_in_order_however_many_come_at_once)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;
	char *out = malloc(5000 * 64), text[64];
	size_t n = 0;

	ws_open(&ws, daemon_port(d), "/echo", NULL);
	for (int i = 0; i < 5000; i++) {
		int len = snprintf(text, sizeof(text), "Message %d", i);
		n += ws_build_frame(out + n, true, WS_TEXT, text, (size_t)len);
	}
	http_send(&ws.c, out, n);
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "Server received: Message %d", i);
		ws_expect(&ws, text);
	}
	ws_close(&ws);
	free(out);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "echo");

	tcase_add_test(tc, answers_text_and_binary_in_kind);
	tcase_add_test(tc, answers_every_length_that_is_allowed);
	tcase_add_test(tc, answers_in_order_however_many_come_at_once);
}

int
main(void)
{
	return it_main("echo", fill, 0);
}
