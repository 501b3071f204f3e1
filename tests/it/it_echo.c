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

START_TEST(answers_a_fragmented_message_once_and_whole)
{
	struct daemon *d = daemon_start_default();
	struct ws ws;

	ws_open(&ws, daemon_port(d), "/echo", NULL);
	ws_send_frame(&ws, false, WS_TEXT, "Mess", 4);
	ws_send_frame(&ws, false, WS_CONTINUATION, "", 0);
	/* a control frame may come in between; its answer has no place in the order of messages */
	ws_send_frame(&ws, true, WS_PING, "x", 1);
	ws_send_frame(&ws, false, WS_CONTINUATION, "a", 1);
	ws_send_frame(&ws, true, WS_CONTINUATION, "ge", 2);
	for (int i = 0; i < 2; i++) {
		struct ws_frame f;
		ws_read(&ws, &f);
		ck_assert(f.fin);
		ck_assert_str_eq(f.data, f.opcode == WS_PONG ? "x" : "Server received: Message");
		ws_frame_fini(&f);
	}
	ws_close(&ws);
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

START_TEST(keeps_the_rules_of_messages)
{
	struct daemon *d = daemon_start("chat.max_message_size=1k", NULL);
	struct ws ws;
	char data[1025];

	memset(data, 'a', sizeof(data));
	ws_open(&ws, daemon_port(d), "/echo", NULL);
	ws_send_frame(&ws, true, WS_TEXT, data, 1024);
	expect_echo(&ws, WS_TEXT, data, 1024);
	ws_send_frame(&ws, true, WS_TEXT, data, 1025);
	ws_expect_close(&ws, 1009);
	ws_open(&ws, daemon_port(d), "/echo", NULL);
	ws_send_frame(&ws, true, WS_TEXT, "\xff", 1);
	ws_expect_close(&ws, 1007);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "echo");

	tcase_add_test(tc, answers_text_and_binary_in_kind);
	tcase_add_test(tc, answers_every_length_that_is_allowed);
	tcase_add_test(tc, answers_a_fragmented_message_once_and_whole);
	tcase_add_test(tc, answers_in_order_however_many_come_at_once);
	tcase_add_test(tc, keeps_the_rules_of_messages);
}

int
main(void)
{
	return it_main("echo", fill, 0);
}
