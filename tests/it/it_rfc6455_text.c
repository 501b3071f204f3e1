/*
 * it_rfc6455_text.c - text messages: UTF-8 whole, split anywhere, and refused as soon as it cannot
 * become right any more (RFC 6455 8.1).
 */
/* links: tests/it/rfc6455.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c */
#include <string.h>

#include "harness.h"
#include "rfc6455.h"

#define TEXT (FIN | WS_TEXT)
#define BIN  (FIN | WS_BINARY)
#define CONT (FIN | WS_CONTINUATION)
#define PING (FIN | WS_PING)
#define PONG (FIN | WS_PONG)

#define F RFC_FRAME
#define L RFC_LONG

/* "Hello-µ@ßöäüàá-UTF-8!!" and the Greek word that Autobahn uses */
#define HELLO "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static const struct rfc_case split[] = {
    {"6.1.1", "a text of no byte", 0, 0, {F(TEXT, "")}, {F(TEXT, "")}},
    {"6.1.2",
     "three fragments of no byte",
     0,
     0,
     {F(WS_TEXT, ""), F(WS_CONTINUATION, ""), F(CONT, "")},
     {F(TEXT, "")}},
    {"6.1.3",
     "bytes in the middle one only",
     0,
     0,
     {F(WS_TEXT, ""), F(WS_CONTINUATION, "middle frame payload"), F(CONT, "")},
     {F(TEXT, "middle frame payload")}},
    {"6.2.1", "in one frame", 0, 0, {F(TEXT, HELLO KOSME)}, {F(TEXT, HELLO KOSME)}},
    {"6.2.2",
     "split between characters",
     0,
     0,
     {F(WS_TEXT, HELLO), F(CONT, KOSME)},
     {F(TEXT, HELLO KOSME)}},
    {"6.2.3",
     "split in characters",
     0,
     0,
     {F(WS_TEXT, "\xce"), F(WS_CONTINUATION, "\xba\xe1"), F(WS_CONTINUATION, "\xbd"),
      F(WS_CONTINUATION, "\xb9\xcf"), F(CONT, "\x83\xce\xbc\xce\xb5")},
     {F(TEXT, KOSME)}},
    {"6.2.4",
     "four bytes in five frames, a ping between",
     0,
     0,
     {F(WS_TEXT, "\xf0"), F(WS_CONTINUATION, "\x9f"), F(PING, "\xff"), F(WS_CONTINUATION, "\x98"),
      F(WS_CONTINUATION, ""), F(CONT, "\x80")},
     {F(PONG, "\xff"), F(TEXT, "\xf0\x9f\x98\x80")}},
    {"6.2.5",
     "a character over the end of a read",
     RFC_APART | RFC_AT_ONCE,
     0,
     {L(TEXT, "\xe5\xa4\xaa", 21000)},
     {L(TEXT, "\xe5\xa4\xaa", 21000)}},
    {"6.3.1",
     "wrong in one frame",
     0,
     1007,
     {F(TEXT, KOSME "\xed\xa0\x80"
		    "edited")},
     {{0}}},
    {"6.3.2",
     "wrong in a fragment",
     0,
     1007,
     {F(WS_TEXT, KOSME), F(CONT, "\xed\xa0\x80"
				 "edited")},
     {{0}}},
    {"6.3.3",
     "a frame that ends in a character, and another message",
     0,
     1007,
     {F(TEXT, "\xe5\xa4"), F(TEXT, "\xaa")},
     {{0}}},
    {"6.3.4",
     "cut off by an empty end",
     0,
     1007,
     {F(WS_TEXT, "\xe5"), F(WS_CONTINUATION, "\xa4"), F(CONT, "")},
     {{0}}},
    {"6.3.7",
     "behind a message that is right",
     0,
     1007,
     {F(TEXT, "right"), F(TEXT, "\xff")},
     {F(TEXT, "right")}},
    {"6.3.5",
     "binary is anything",
     0,
     0,
     {F(BIN, "\xff\xfe\xed\xa0\x80")},
     {F(BIN, "\xff\xfe\xed\xa0\x80")}},
    {"6.3.6",
     "and knows nothing of the text before",
     0,
     0,
     {F(TEXT, KOSME), F(BIN, "\xce")},
     {F(TEXT, KOSME), F(BIN, "\xce")}},
};

/* 6.5 to 6.23: each in one frame, and cut in two at every byte. */
static const struct {
	const char *id;
	const char *text;
	size_t len;
	bool is_right;
} texts[] = {
#define RIGHT(id, text)                          \
	{                                        \
		id, text, sizeof(text) - 1, true \
	}
#define WRONG(id, text)                           \
	{                                         \
		id, text, sizeof(text) - 1, false \
	}
    RIGHT("6.5 the word", KOSME),
    WRONG("6.6.1", "\xce"),
    RIGHT("6.6.2", "\xce\xba"),
    WRONG("6.6.3", "\xce\xba\xe1"),
    WRONG("6.6.4", "\xce\xba\xe1\xbd"),
    RIGHT("6.6.5", "\xce\xba\xe1\xbd\xb9"),
    RIGHT("6.7.1", "\0"),
    RIGHT("6.7.2", "\xc2\x80"),
    RIGHT("6.7.3", "\xe0\xa0\x80"),
    RIGHT("6.7.4", "\xf0\x90\x80\x80"),
    WRONG("6.8.1", "\xf8\x88\x80\x80\x80"),
    WRONG("6.8.2", "\xfc\x84\x80\x80\x80\x80"),
    RIGHT("6.9.1", "\x7f"),
    RIGHT("6.9.2", "\xdf\xbf"),
    RIGHT("6.9.3", "\xef\xbf\xbf"),
    RIGHT("6.9.4", "\xf4\x8f\xbf\xbf"),
    WRONG("6.10.1", "\xf7\xbf\xbf\xbf"),
    WRONG("6.10.2", "\xfb\xbf\xbf\xbf\xbf"),
    WRONG("6.10.3", "\xfd\xbf\xbf\xbf\xbf\xbf"),
    RIGHT("6.11.1", "\xed\x9f\xbf"),
    RIGHT("6.11.2", "\xee\x80\x80"),
    RIGHT("6.11.3", "\xef\xbf\xbd"),
    RIGHT("6.11.4", "\xf4\x8f\xbf\xbf"),
    WRONG("6.11.5", "\xf4\x90\x80\x80"),
    WRONG("6.12.1", "\x80"),
    WRONG("6.12.2", "\xbf"),
    WRONG("6.12.3", "\x80\xbf"),
    WRONG("6.12.8", "\x80\x81\x82\x83\x84\x85\x86\x87"),
    WRONG("6.13.1", "\xc0 \xc1 \xc2 "),
    WRONG("6.13.2", "\xe0 \xe1 \xe2 "),
    WRONG("6.13.3", "\xf0 \xf1 \xf2 "),
    WRONG("6.14.1", "\xc0"),
    WRONG("6.14.2", "\xe0\x80"),
    WRONG("6.14.3", "\xf0\x80\x80"),
    WRONG("6.14.6", "\xdf"),
    WRONG("6.14.7", "\xef\xbf"),
    WRONG("6.14.8", "\xf7\xbf\xbf"),
    WRONG("6.15", "\xc0\xe0\x80\xf0\x80\x80"),
    WRONG("6.16.1", "\xfe"),
    WRONG("6.16.2", "\xff"),
    WRONG("6.16.3", "\xfe\xfe\xff\xff"),
    WRONG("6.17.1", "\xc0\xaf"),
    WRONG("6.17.2", "\xe0\x80\xaf"),
    WRONG("6.17.3", "\xf0\x80\x80\xaf"),
    WRONG("6.18.1", "\xc1\xbf"),
    WRONG("6.18.2", "\xe0\x9f\xbf"),
    WRONG("6.18.3", "\xf0\x8f\xbf\xbf"),
    WRONG("6.19.1", "\xc0\x80"),
    WRONG("6.19.2", "\xe0\x80\x80"),
    WRONG("6.19.3", "\xf0\x80\x80\x80"),
    WRONG("6.20.1", "\xed\xa0\x80"),
    WRONG("6.20.2", "\xed\xad\xbf"),
    WRONG("6.20.7", "\xed\xbf\xbf"),
    WRONG("6.21.1", "\xed\xa0\x80\xed\xb0\x80"),
    WRONG("6.21.8", "\xed\xaf\xbf\xed\xbf\xbf"),
    RIGHT("6.22.1", "\xef\xbf\xbe"),
    RIGHT("6.22.3", "\xf0\x9f\xbf\xbe"),
    RIGHT("6.22.34", "\xf4\x8f\xbf\xbf"),
    RIGHT("6.23.1", "\xef\xbf\xbd"),
};

START_TEST(texts_split_anywhere)
{
	struct daemon *d = daemon_start_default();
	const struct rfc_client client = {.port = daemon_port(d)};

	rfc_run(&client, split, sizeof(split) / sizeof(split[0]));
	daemon_stop(d);
}
END_TEST

START_TEST(right_and_wrong_texts)
{
	struct daemon *d = daemon_start_default();
	const struct rfc_client client = {.port = daemon_port(d)};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = texts[i].text;
		const size_t len = texts[i].len;

		for (size_t cut = 0; cut <= len; cut++) {
			struct rfc_case rule = {
			    .id = texts[i].id,
			    .what = cut == 0 ? "in one frame" : "in two",
			    .ways = RFC_APART | RFC_AT_ONCE,
			    .code = texts[i].is_right ? 0 : 1007,
			    .send = {{TEXT, text, len, 0}},
			};
			if (cut > 0) {
				rule.send[0] = (struct rfc_frame){WS_TEXT, text, cut, 0};
				rule.send[1] = (struct rfc_frame){CONT, text + cut, len - cut, 0};
			}
			if (texts[i].is_right)
				rule.expect[0] = (struct rfc_frame){TEXT, text, len, 0};
			rfc_run(&client, &rule, 1);
		}
	}
	daemon_stop(d);
}
END_TEST

/* 6.4: what cannot become right is refused before the frame, or the message, is whole. */
START_TEST(wrong_texts_are_refused_at_once)
{
	static const struct {
		const char *id;
		const char *bytes; /* of a frame that does not end */
		size_t len;
	} table[] = {
#define CASE(id, bytes) {id, bytes, sizeof(bytes) - 1}
	    CASE("6.4.1 a fragment", "\x01\x84\0\0\0\0a\xf4\x90\x80"),
	    CASE("6.4.2 its last byte makes it wrong", "\x01\x83\0\0\0\0a\xf4\x90"),
	    CASE("6.4.3 in the middle of a frame", "\x81\x94\0\0\0\0a\xf4\x90"),
	    CASE("6.4.4 at the start of a long frame", "\x81\xfe\x10\0\0\0\0\0\xff"),
	    CASE("6.4.5 a surrogate, two bytes of it", "\x81\x94\0\0\0\0\xed\xa0"),
	    CASE("6.4.6 an overlong form, two bytes of it", "\x81\x94\0\0\0\0\xe0\x80"),
	    CASE("6.4.7 a byte that never occurs", "\x81\x94\0\0\0\0\xc0"),
	    CASE("6.4.8 in a second fragment", "\x01\x81\0\0\0\0\xf4\x00\x84\0\0\0\0\x90"),
	};
	struct daemon *d = daemon_start_default();

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int way = 0; way < 2; way++) {
			struct ws ws;

			ws_open(&ws, daemon_port(d), way ? "/echo" : "/chat", NULL);
			http_send(&ws.c, table[i].bytes, table[i].len);
			struct ws_frame f;
			ws_read(&ws, &f);
			ck_assert_msg(f.opcode == WS_CLOSE && f.len >= 2 &&
					  memcmp(f.data, "\x03\xef", 2) == 0,
				      "%s: opcode %d, %zu bytes", table[i].id, f.opcode, f.len);
			ws_frame_fini(&f);
			ws_drop(&ws);
		}
	}
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rfc6455 text");

	tcase_add_test(tc, texts_split_anywhere);
	tcase_add_test(tc, right_and_wrong_texts);
	tcase_add_test(tc, wrong_texts_are_refused_at_once);
}

int
main(void)
{
	return it_main("rfc6455_text", fill, 0);
}
