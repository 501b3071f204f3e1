/*
 * it_rfc6455_frames.c - frames as RFC 6455 has them: lengths, pings, reserved bits, opcodes,
 * fragments, Closes, limits; and what libwebsockets gets wrong, so that it is noticed when it does
 * not any more.
 */
/* links: tests/it/rfc6455.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c */
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

static const struct rfc_case lengths[] = {
    {"1.1.1", "text of 0 bytes", 0, 0, {F(TEXT, "")}, {F(TEXT, "")}},
    {"1.1.2", "text of 125 bytes", 0, 0, {L(TEXT, "*", 125)}, {L(TEXT, "*", 125)}},
    {"1.1.3", "text of 126 bytes", 0, 0, {L(TEXT, "*", 126)}, {L(TEXT, "*", 126)}},
    {"1.1.4", "text of 127 bytes", 0, 0, {L(TEXT, "*", 127)}, {L(TEXT, "*", 127)}},
    {"1.1.5", "text of 128 bytes", 0, 0, {L(TEXT, "*", 128)}, {L(TEXT, "*", 128)}},
    {"1.1.6", "text of 65535 bytes", 0, 0, {L(TEXT, "*", 65535)}, {L(TEXT, "*", 65535)}},
    {"1.1.7", "text of 65536 bytes", 0, 0, {L(TEXT, "*", 65536)}, {L(TEXT, "*", 65536)}},
    {"1.2.1", "binary of 0 bytes", 0, 0, {F(BIN, "")}, {F(BIN, "")}},
    {"1.2.2", "binary of 125 bytes", 0, 0, {L(BIN, "\xfe", 125)}, {L(BIN, "\xfe", 125)}},
    {"1.2.3", "binary of 126 bytes", 0, 0, {L(BIN, "\xfe", 126)}, {L(BIN, "\xfe", 126)}},
    {"1.2.4", "binary of 127 bytes", 0, 0, {L(BIN, "\xfe", 127)}, {L(BIN, "\xfe", 127)}},
    {"1.2.5", "binary of 128 bytes", 0, 0, {L(BIN, "\xfe", 128)}, {L(BIN, "\xfe", 128)}},
    {"1.2.6", "binary of 65535 bytes", 0, 0, {L(BIN, "\xfe", 65535)}, {L(BIN, "\xfe", 65535)}},
    {"1.2.7", "binary of 65536 bytes", 0, 0, {L(BIN, "\xfe", 65536)}, {L(BIN, "\xfe", 65536)}},
    {"1.3.1",
     "every key of a mask counts",
     0,
     0,
     {L(RFC_RAW, "\x81\x85\x01\x02\x03\x04Igohn", 1)},
     {F(TEXT, "Hello")}},
    {"1.3.2",
     "a length of 64 bits whose highest bit is set",
     0,
     1002,
     {L(RFC_RAW, "\x82\xff\x80\0\0\0\0\0\0\1\0\0\0\0x", 1)},
     {{0}}},
};

static const struct rfc_case pings[] = {
    {"2.1", "ping without payload", 0, 0, {F(PING, "")}, {F(PONG, "")}},
    {"2.2", "ping with text", 0, 0, {F(PING, "Hello, world!")}, {F(PONG, "Hello, world!")}},
    {"2.3",
     "ping with bytes that are not UTF-8",
     0,
     0,
     {F(PING, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")},
     {F(PONG, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
    {"2.4", "ping of 125 bytes", 0, 0, {L(PING, "\xfe", 125)}, {L(PONG, "\xfe", 125)}},
    {"2.5", "ping of 126 bytes", 0, 1002, {L(PING, "\xfe", 126)}, {{0}}},
    {"2.5.1", "ping of 65536 bytes", 0, 1002, {L(PING, "\xfe", 65536)}, {{0}}},
    {"2.6",
     "ping of 125 bytes, byte by byte",
     RFC_BYTES,
     0,
     {L(PING, "\xfe", 125)},
     {L(PONG, "\xfe", 125)}},
    {"2.7", "pong that nobody asked for", 0, 0, {F(PONG, "")}, {{0}}},
    {"2.8", "pong with payload", 0, 0, {F(PONG, "unsolicited")}, {{0}}},
    {"2.8.1", "pong of 126 bytes", 0, 1002, {L(PONG, "\xfe", 126)}, {{0}}},
    {"2.9",
     "pong, then a ping",
     0,
     0,
     {F(PONG, "unsolicited"), F(PING, "our own")},
     {F(PONG, "our own")}},
    {"2.10",
     "ten pings, each after the pong of the other",
     RFC_APART,
     0,
     {F(PING, "0"), F(PING, "1"), F(PING, "2"), F(PING, "3"), F(PING, "4"), F(PING, "5"),
      F(PING, "6"), F(PING, "7"), F(PING, "8"), F(PING, "9")},
     {F(PONG, "0"), F(PONG, "1"), F(PONG, "2"), F(PONG, "3"), F(PONG, "4"), F(PONG, "5"),
      F(PONG, "6"), F(PONG, "7"), F(PONG, "8"), F(PONG, "9")}},
    {"2.12",
     "ping in front of a message",
     0,
     0,
     {F(PING, "p"), F(TEXT, "m")},
     {F(PONG, "p"), F(TEXT, "m")}},
    {"2.13",
     "ping behind a message",
     0,
     0,
     {F(TEXT, "m"), F(PING, "p")},
     {F(PONG, "p"), F(TEXT, "m")}},
};

static const struct rfc_case reserved[] = {
    {"3.1", "RSV1", 0, 1002, {F(RSV1 | TEXT, "x")}, {{0}}},
    {"3.2",
     "RSV2 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(RSV2 | TEXT, "x"), F(PING, "")},
     {F(TEXT, "m"), F(PONG, "")}},
    {"3.3",
     "RSV1 and RSV2 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(RSV1 | RSV2 | TEXT, "x")},
     {F(TEXT, "m")}},
    {"3.4", "RSV3 behind a message", 0, 1002, {F(TEXT, "m"), F(RSV3 | TEXT, "x")}, {F(TEXT, "m")}},
    {"3.5", "RSV3 and RSV1 on binary", 0, 1002, {F(RSV3 | RSV1 | BIN, "\xff")}, {{0}}},
    {"3.6", "RSV3 and RSV2 on a ping", 0, 1002, {F(RSV3 | RSV2 | PING, "x")}, {{0}}},
    {"3.7", "all three on a Close", 0, 1002, {F(RSV1 | RSV2 | RSV3 | CLOSE, "\x03\xe8")}, {{0}}},
    {"3.8", "RSV1 on a continuation", 0, 1002, {F(WS_TEXT, "x"), F(RSV1 | CONT, "y")}, {{0}}},
    {"3.9", "RSV1 on a pong", 0, 1002, {F(RSV1 | PONG, "x")}, {{0}}},
    {"3.10", "RSV2 on an empty text", 0, 1002, {F(RSV2 | TEXT, "")}, {{0}}},
};

static const struct rfc_case opcodes[] = {
    {"4.1.1", "opcode 3", 0, 1002, {F(FIN | 0x3, "")}, {{0}}},
    {"4.1.2", "opcode 4 with payload", 0, 1002, {F(FIN | 0x4, "reserved")}, {{0}}},
    {"4.1.3",
     "opcode 5 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0x5, ""), F(PING, "")},
     {F(TEXT, "m"), F(PONG, "")}},
    {"4.1.4",
     "opcode 6 with payload",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0x6, "reserved")},
     {F(TEXT, "m")}},
    {"4.1.5",
     "opcode 7 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0x7, "reserved")},
     {F(TEXT, "m")}},
    {"4.2.1", "opcode 11", 0, 1002, {F(FIN | 0xb, "")}, {{0}}},
    {"4.2.2", "opcode 12 with payload", 0, 1002, {F(FIN | 0xc, "reserved")}, {{0}}},
    {"4.2.3",
     "opcode 13 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0xd, "")},
     {F(TEXT, "m")}},
    {"4.2.4",
     "opcode 14 with payload",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0xe, "reserved")},
     {F(TEXT, "m")}},
    {"4.2.5",
     "opcode 15 behind a message",
     0,
     1002,
     {F(TEXT, "m"), F(FIN | 0xf, "reserved")},
     {F(TEXT, "m")}},
    {"4.3.1", "a reserved opcode in fragments", 0, 1002, {F(0x3, "a"), F(CONT, "b")}, {{0}}},
};

static const struct rfc_case fragments[] = {
    {"5.1", "ping in two fragments", 0, 1002, {F(WS_PING, "a"), F(CONT, "b")}, {{0}}},
    {"5.2", "pong in two fragments", 0, 1002, {F(WS_PONG, "a"), F(CONT, "b")}, {{0}}},
    {"5.2.1", "Close in two fragments", 0, 1002, {F(WS_CLOSE, "\x03"), F(CONT, "\xe8")}, {{0}}},
    {"5.3",
     "text in two fragments",
     0,
     0,
     {F(WS_TEXT, "fragment1"), F(CONT, "fragment2")},
     {F(TEXT, "fragment1fragment2")}},
    {"5.6",
     "a ping between two fragments",
     0,
     0,
     {F(WS_TEXT, "fragment1"), F(PING, "ping"), F(CONT, "fragment2")},
     {F(PONG, "ping"), F(TEXT, "fragment1fragment2")}},
    {"5.7",
     "a pong between two fragments",
     0,
     0,
     {F(WS_TEXT, "fragment1"), F(PONG, "pong"), F(CONT, "fragment2")},
     {F(TEXT, "fragment1fragment2")}},
    {"5.8",
     "a Close between two fragments",
     0,
     1001,
     {F(WS_TEXT, "fragment1"), F(CLOSE, "\x03\xe9"), F(CONT, "fragment2")},
     {{0}}},
    {"5.9", "a continuation of nothing", 0, 1002, {F(CONT, "x"), F(TEXT, "y")}, {{0}}},
    {"5.10",
     "an unfinished continuation of nothing",
     0,
     1002,
     {F(WS_CONTINUATION, "x"), F(TEXT, "y")},
     {{0}}},
    {"5.12", "an empty continuation of nothing", 0, 1002, {F(WS_CONTINUATION, "")}, {{0}}},
    {"5.13",
     "a continuation behind a whole message",
     0,
     1002,
     {F(TEXT, "m"), F(CONT, "x")},
     {F(TEXT, "m")}},
    {"5.14",
     "a continuation behind a fragmented message",
     0,
     1002,
     {F(WS_TEXT, "a"), F(CONT, "b"), F(CONT, "c")},
     {F(TEXT, "ab")}},
    {"5.15",
     "an unfinished continuation behind a fragmented message",
     0,
     1002,
     {F(WS_TEXT, "a"), F(CONT, "b"), F(WS_CONTINUATION, "c"), F(TEXT, "d")},
     {F(TEXT, "ab")}},
    {"5.16",
     "a message of one fragment, begun by a continuation",
     0,
     1002,
     {F(WS_CONTINUATION, "a"), F(TEXT, "b"), F(CONT, "c")},
     {{0}}},
    {"5.18", "a text in a text", 0, 1002, {F(WS_TEXT, "a"), F(TEXT, "b")}, {{0}}},
    {"5.18.1", "binary in a text", 0, 1002, {F(WS_TEXT, "a"), F(BIN, "b")}, {{0}}},
    {"5.18.2", "a text in binary", 0, 1002, {F(WS_BINARY, "a"), F(WS_TEXT, "b")}, {{0}}},
    {"5.19",
     "five fragments with pings between them",
     0,
     0,
     {F(WS_TEXT, "fragment1"), F(WS_CONTINUATION, "fragment2"), F(PING, "ping1"),
      F(WS_CONTINUATION, "fragment3"), F(WS_CONTINUATION, "fragment4"), F(CONT, "fragment5")},
     {F(PONG, "ping1"), F(TEXT, "fragment1fragment2fragment3fragment4fragment5")}},
    {"5.20",
     "the same with a second ping",
     RFC_APART,
     0,
     {F(WS_TEXT, "fragment1"), F(WS_CONTINUATION, "fragment2"), F(PING, "ping1"),
      F(WS_CONTINUATION, "fragment3"), F(WS_CONTINUATION, "fragment4"), F(PING, "ping2"),
      F(CONT, "fragment5")},
     {F(PONG, "ping1"), F(PONG, "ping2"),
      F(TEXT, "fragment1fragment2fragment3fragment4fragment5")}},
    {"5.21",
     "fragments without a byte",
     0,
     0,
     {F(WS_TEXT, ""), F(WS_CONTINUATION, ""), F(PING, ""), F(CONT, "")},
     {F(PONG, ""), F(TEXT, "")}},
    {"5.22",
     "binary in fragments of all lengths",
     0,
     0,
     {L(WS_BINARY, "\xff", 125), L(WS_CONTINUATION, "\xff", 126), F(WS_CONTINUATION, ""),
      L(WS_CONTINUATION, "\xff", 2049), L(CONT, "\xff", 60000)},
     {L(BIN, "\xff", 62300)}},
    {"5.23",
     "two fragmented messages",
     0,
     0,
     {F(WS_TEXT, "a"), F(CONT, "b"), F(WS_BINARY, "c"), F(CONT, "d")},
     {F(TEXT, "ab"), F(BIN, "cd")}},
};

#define CLOSED_WITH(id, hi, lo, code)                                       \
	{                                                                   \
		id, "a Close with code " #code, 0, code, {F(CLOSE, hi lo)}, \
		{                                                           \
			{                                                   \
				0                                           \
			}                                                   \
		}                                                           \
	}
#define REFUSED(id, hi, lo, code)                                           \
	{                                                                   \
		id, "a Close with code " #code, 0, 1002, {F(CLOSE, hi lo)}, \
		{                                                           \
			{                                                   \
				0                                           \
			}                                                   \
		}                                                           \
	}

static const struct rfc_case closes[] = {
    {"7.1.1",
     "a message, then a Close",
     0,
     1000,
     {F(TEXT, "Hello World!"), F(CLOSE, "\x03\xe8")},
     {F(TEXT, "Hello World!")}},
    {"7.1.2", "two Closes", 0, 1001, {F(CLOSE, "\x03\xe9"), F(CLOSE, "\x03\xe8")}, {{0}}},
    {"7.1.3", "a ping behind the Close", 0, 1000, {F(CLOSE, "\x03\xe8"), F(PING, "late")}, {{0}}},
    {"7.1.4", "a text behind the Close", 0, 1000, {F(CLOSE, "\x03\xe8"), F(TEXT, "late")}, {{0}}},
    {"7.1.5",
     "the rest of a message behind the Close",
     0,
     1000,
     {F(WS_TEXT, "fragment1"), F(CLOSE, "\x03\xe8"), F(CONT, "fragment2")},
     {{0}}},
    {"7.1.6",
     "a lot behind the Close",
     0,
     1000,
     {L(TEXT, "BAsd7&jh23", 2000), F(CLOSE, "\x03\xe8"), L(TEXT, "late", 5000)},
     {L(TEXT, "BAsd7&jh23", 2000)}},
    {"7.1.7",
     "nonsense behind the Close",
     0,
     1000,
     {F(CLOSE, "\x03\xe8"), F(FIN | 0x3, "late")},
     {{0}}},
    {"7.3.1", "a Close without a code", 0, 1005, {F(CLOSE, "")}, {{0}}},
    {"7.3.2", "a Close of one byte", 0, 1002, {F(CLOSE, "a")}, {{0}}},
    {"7.3.3", "a Close with a code", 0, 1000, {F(CLOSE, "\x03\xe8")}, {{0}}},
    {"7.3.4", "a Close with a reason", 0, 1000, {F(CLOSE, "\x03\xe8Hello World!")}, {{0}}},
    {"7.3.5",
     "a Close with the longest reason",
     0,
     1000,
     {F(CLOSE, "\x03\xe8"
	       "***********************************************************************************"
	       "****************************************")},
     {{0}}},
    {"7.3.6", "a Close with a reason that is too long", 0, 1002, {L(CLOSE, "\x03\xe8", 63)}, {{0}}},
    {"7.5.1",
     "a Close whose reason is not UTF-8",
     0,
     1007,
     {F(CLOSE, "\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
	       "edited")},
     {{0}}},
    {"7.5.2", "a Close whose reason is cut off", 0, 1007, {F(CLOSE, "\x03\xe8\xe5\xa4")}, {{0}}},
    CLOSED_WITH("7.7.1", "\x03", "\xe8", 1000),
    CLOSED_WITH("7.7.2", "\x03", "\xe9", 1001),
    CLOSED_WITH("7.7.3", "\x03", "\xea", 1002),
    CLOSED_WITH("7.7.4", "\x03", "\xeb", 1003),
    CLOSED_WITH("7.7.5", "\x03", "\xef", 1007),
    CLOSED_WITH("7.7.6", "\x03", "\xf0", 1008),
    CLOSED_WITH("7.7.7", "\x03", "\xf1", 1009),
    CLOSED_WITH("7.7.8", "\x03", "\xf2", 1010),
    CLOSED_WITH("7.7.9", "\x03", "\xf3", 1011),
    CLOSED_WITH("7.7.10", "\x0b", "\xb8", 3000),
    CLOSED_WITH("7.7.11", "\x0f", "\x9f", 3999),
    CLOSED_WITH("7.7.12", "\x0f", "\xa0", 4000),
    CLOSED_WITH("7.7.13", "\x13", "\x87", 4999),
    REFUSED("7.9.1", "\x00", "\x00", 0),
    REFUSED("7.9.2", "\x03", "\xe7", 999),
    REFUSED("7.9.3", "\x03", "\xec", 1004),
    REFUSED("7.9.4", "\x03", "\xed", 1005),
    REFUSED("7.9.5", "\x03", "\xee", 1006),
    REFUSED("7.9.6", "\x03", "\xf8", 1016),
    REFUSED("7.9.7", "\x04", "\x4c", 1100),
    REFUSED("7.9.8", "\x07", "\xd0", 2000),
    REFUSED("7.9.9", "\x0b", "\xb7", 2999),
    REFUSED("7.9.10", "\x03", "\xf7", 1015),
    REFUSED("7.13.1", "\x13", "\x88", 5000),
    REFUSED("7.13.2", "\xff", "\xff", 65535),
};

#define LIMIT 4096

static const struct rfc_case limits[] = {
    {"9.1.1", "the longest text", 0, 0, {L(TEXT, "*", LIMIT)}, {L(TEXT, "*", LIMIT)}},
    {"9.1.2", "a text of a byte more", 0, 1009, {L(TEXT, "*", LIMIT + 1)}, {{0}}},
    {"9.1.3",
     "a text of more than 2^32",
     0,
     1009,
     {F(RFC_RAW, "\x81\xff\0\0\0\1\0\0\0\0\0\0\0\0*")},
     {{0}}},
    {"9.1.4",
     "a text of 2^63 - 1",
     0,
     1009,
     {F(RFC_RAW, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0*")},
     {{0}}},
    {"9.2.1", "the longest binary", 0, 0, {L(BIN, "\xff", LIMIT)}, {L(BIN, "\xff", LIMIT)}},
    {"9.2.2", "binary of a byte more", 0, 1009, {L(BIN, "\xff", LIMIT + 1)}, {{0}}},
    {"9.3.1",
     "the longest text in two fragments",
     0,
     0,
     {L(WS_TEXT, "*", LIMIT / 2), L(CONT, "*", LIMIT / 2)},
     {L(TEXT, "*", LIMIT)}},
    {"9.3.2",
     "a byte more in the last fragment",
     0,
     1009,
     {L(WS_TEXT, "*", LIMIT / 2), L(CONT, "*", LIMIT / 2 + 1)},
     {{0}}},
    {"9.3.3",
     "all that is allowed, and then a byte",
     0,
     1009,
     {L(WS_BINARY, "\xff", LIMIT), F(CONT, "\xff")},
     {{0}}},
    {"9.3.4",
     "all that is allowed, and then nothing",
     0,
     0,
     {L(WS_BINARY, "\xff", LIMIT), F(WS_CONTINUATION, ""), F(CONT, "")},
     {L(BIN, "\xff", LIMIT)}},
    {"9.3.5",
     "a fragment that announces too much",
     0,
     1009,
     {F(WS_TEXT, "*"), F(RFC_RAW, "\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0*")},
     {{0}}},
    {"9.3.7",
     "a message, and one that is too long",
     0,
     1009,
     {F(TEXT, "m"), L(TEXT, "*", LIMIT + 1)},
     {F(TEXT, "m")}},
    {"9.3.6",
     "40000 fragments without a byte",
     RFC_APART | RFC_AT_ONCE,
     1009,
     {F(WS_TEXT, ""), L(RFC_RAW, "\0\x80\0\0\0\0", 40000)},
     {{0}}},
};

/*
 * What libwebsockets 4.1.6 does where it should not: plaza-chat(7) BUGS. One that fails here has
 * been mended, and belongs above.
 */
static const struct rfc_case holes[] = {
    {"5.1 mask",
     "a later frame that is not masked",
     0,
     0,
     {F(TEXT, "masked"), F(RFC_RAW, "\x81\x03not")},
     {F(TEXT, "masked"), F(TEXT, "not")}},
    {"5.2 length",
     "16 bits for 2 bytes",
     0,
     0,
     {F(RFC_RAW, "\x81\xfe\0\2\0\0\0\0hi")},
     {F(TEXT, "hi")}},
    {"5.2 length",
     "64 bits for 2 bytes",
     0,
     0,
     {F(RFC_RAW, "\x81\xff\0\0\0\0\0\0\0\2\0\0\0\0hi")},
     {F(TEXT, "hi")}},
    {"5.5.3 pings",
     "of several at once the first is answered",
     RFC_AT_ONCE,
     0,
     {F(PING, "0"), F(PING, "1"), F(PING, "2")},
     {F(PONG, "0")}},
    {"7.4.1 codes", "1012 to 1014, registered later", 0, 1002, {F(CLOSE, "\x03\xf4")}, {{0}}},
};

/* 5.1: the first frame, wherever it is cut off from the handshake. */
static const struct rfc_case unmasked[] = {
    {"5.1 mask", "a text", RFC_APART | RFC_AT_ONCE, 1002, {F(RFC_RAW, "\x81\x05hello")}, {{0}}},
    {"5.1 mask", "an empty text", RFC_APART | RFC_AT_ONCE, 1002, {F(RFC_RAW, "\x81\0")}, {{0}}},
    {"5.1 mask", "a ping", RFC_APART | RFC_AT_ONCE, 1002, {F(RFC_RAW, "\x89\1x")}, {{0}}},
    {"5.1 mask", "a Close", RFC_APART | RFC_AT_ONCE, 1002, {F(RFC_RAW, "\x88\2\x03\xe8")}, {{0}}},
    {"5.1 mask",
     "a length of 16 bits",
     RFC_APART | RFC_AT_ONCE,
     1002,
     {F(RFC_RAW, "\x82\x7e\x01\0"), L(RFC_RAW, "x", 256)},
     {{0}}},
};

#define RULES(name)                                                        \
	START_TEST(name##_)                                                \
	{                                                                  \
		struct daemon *d = daemon_start_default();                 \
		const struct rfc_client client = {.port = daemon_port(d)}; \
                                                                           \
		rfc_run(&client, name, sizeof(name) / sizeof((name)[0]));  \
		daemon_stop(d);                                            \
	}                                                                  \
	END_TEST

RULES(lengths)
RULES(pings)
RULES(reserved)
RULES(opcodes)
RULES(fragments)
RULES(closes)
RULES(unmasked)
RULES(holes)

START_TEST(limits_)
{
	struct daemon *d = daemon_start("chat.max_message_size=4k", NULL);
	const struct rfc_client client = {.port = daemon_port(d)};

	rfc_run(&client, limits, sizeof(limits) / sizeof(limits[0]));
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rfc6455 frames");

	tcase_add_test(tc, lengths_);
	tcase_add_test(tc, pings_);
	tcase_add_test(tc, reserved_);
	tcase_add_test(tc, opcodes_);
	tcase_add_test(tc, fragments_);
	tcase_add_test(tc, closes_);
	tcase_add_test(tc, limits_);
	tcase_add_test(tc, unmasked_);
	tcase_add_test(tc, holes_);
}

int
main(void)
{
	return it_main("rfc6455_frames", fill, 0);
}
