/* links: src/hub/command.c src/hub/command_quick.c src/hub/position.c src/hub/room_name.c
 * src/http/json_text.c src/http/chars.c src/base/buffer.c -ljansson */
/*
 * test_command.c - what each command is read as, and the code and text that each mistake gets.
 */
#include "hub/command_quick.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 65536

#define LONG16 "0123456789abcdef"
#define LONG64 LONG16 LONG16 LONG16 LONG16

static struct command command;
static struct command_error error;

static bool
read_text(struct span text)
{
	/* in a block of its own, so that a sanitizer sees reads past the end */
	static char *copy;

	free(copy);
	copy = malloc(text.len ? text.len : 1);
	ck_assert_ptr_nonnull(copy);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	return command_read(&command, span_from(copy, text.len), MAX, &error);
}

static void
teardown(void)
{
	command_fini(&command);
}

static void
ck_span(struct span span, const char *expected)
{
	ck_assert_msg(span_eq(span, span_str(expected)), "%.*s, not %s", (int)span.len, span.ptr,
		      expected);
}

/* ---- mistakes ---- */

static const struct {
	const char *text;
	enum command_code code;
	const char *said;
	int64_t id; /* -1: none */
} mistakes[] = {
    /* not JSON, or not an object */
    {"", CODE_BAD_REQUEST, "the command ends before its JSON value does", -1},
    {"hello", CODE_BAD_REQUEST, "the command is not JSON", -1},
    {"{", CODE_BAD_REQUEST, "ends before", -1},
    {"{\"t\":\"ping\"", CODE_BAD_REQUEST, "ends before", -1},
    {"{\"t\":\"ping\"}}", CODE_BAD_REQUEST, "something follows", -1},
    {"{\"t\":\"ping\"}{\"t\":\"ping\"}", CODE_BAD_REQUEST, "something follows", -1},
    {"{'t':'ping'}", CODE_BAD_REQUEST, "not JSON", -1},
    {"{\"t\":\"ping\",}", CODE_BAD_REQUEST, "not JSON", -1},
    {"{\"t\":\"ping\",\"t\":\"ping\"}", CODE_BAD_REQUEST, "same key twice", -1},
    {"{\"id\":1,\"id\":1,\"t\":\"ping\"}", CODE_BAD_REQUEST, "same key twice", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":\"\xff\"}", CODE_BAD_REQUEST, "not UTF-8", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":\"\\ud800\"}", CODE_BAD_REQUEST, "not JSON", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":\"a\nb\"}", CODE_BAD_REQUEST, "not JSON", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1e999}", CODE_BAD_REQUEST, "too large", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":{\"a\\u0000\":1}}", CODE_BAD_REQUEST, "U+0000", -1},
    {"[]", CODE_BAD_REQUEST, "a command is a JSON object", -1},
    {"[{\"t\":\"ping\"}]", CODE_BAD_REQUEST, "a command is a JSON object", -1},
    {"\"ping\"", CODE_BAD_REQUEST, "a command is a JSON object", -1},
    {"null", CODE_BAD_REQUEST, "a command is a JSON object", -1},
    {"1", CODE_BAD_REQUEST, "a command is a JSON object", -1},
    /* id */
    {"{\"id\":\"1\",\"t\":\"ping\"}", CODE_BAD_REQUEST, "id is a whole number", -1},
    {"{\"id\":-1,\"t\":\"ping\"}", CODE_BAD_REQUEST, "id is a whole number", -1},
    {"{\"id\":1.5,\"t\":\"ping\"}", CODE_BAD_REQUEST, "id is a whole number", -1},
    {"{\"id\":4294967296,\"t\":\"ping\"}", CODE_BAD_REQUEST, "id is a whole number", -1},
    {"{\"id\":null,\"t\":\"ping\"}", CODE_BAD_REQUEST, "id is a whole number", -1},
    /* t */
    {"{}", CODE_BAD_REQUEST, "t is \"join\", \"pub\"", -1},
    {"{\"id\":7}", CODE_BAD_REQUEST, "t is \"join\", \"pub\"", 7},
    {"{\"id\":7,\"t\":1}", CODE_BAD_REQUEST, "t is", 7},
    {"{\"id\":7,\"t\":null}", CODE_BAD_REQUEST, "t is", 7},
    {"{\"id\":7,\"t\":\"\"}", CODE_UNKNOWN_TYPE, "t is", 7},
    {"{\"id\":7,\"t\":\"PING\"}", CODE_UNKNOWN_TYPE, "t is", 7},
    {"{\"id\":7,\"t\":\"ping\\u0000\"}", CODE_UNKNOWN_TYPE, "t is", 7},
    {"{\"id\":7,\"t\":\"msg\"}", CODE_UNKNOWN_TYPE, "t is", 7},
    {"{\"id\":7,\"t\":\"auth\",\"token\":\"x\"}", CODE_UNKNOWN_TYPE, "t is", 7},
    /* room, of all but ping */
    {"{\"id\":7,\"t\":\"join\"}", CODE_BAD_REQUEST, "room is missing", 7},
    {"{\"t\":\"pub\",\"data\":1}", CODE_BAD_REQUEST, "room is missing", -1},
    {"{\"t\":\"history\",\"room\":1}", CODE_BAD_REQUEST, "room is missing, or not a string", -1},
    {"{\"t\":\"presence\",\"room\":null}", CODE_BAD_REQUEST, "room is missing", -1},
    {"{\"t\":\"leave\",\"room\":[]}", CODE_BAD_REQUEST, "room is missing", -1},
    {"{\"id\":7,\"t\":\"join\",\"room\":\"\"}", CODE_BAD_ROOM, "1 to 64 of", 7},
    {"{\"t\":\"join\",\"room\":\".\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"join\",\"room\":\"..\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"pub\",\"room\":\"a/b\",\"data\":1}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"history\",\"room\":\"a b\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"presence\",\"room\":\"\xc3\xa9\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"leave\",\"room\":\"a\\u0000\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    {"{\"t\":\"join\",\"room\":\"" LONG64 "x\"}", CODE_BAD_ROOM, "1 to 64 of", -1},
    /* join */
    {"{\"t\":\"join\",\"room\":\"r\",\"last\":-1}", CODE_BAD_REQUEST, "last is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"last\":\"5\"}", CODE_BAD_REQUEST, "last is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"last\":0.5}", CODE_BAD_REQUEST, "last is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"last\":9007199254740993}", CODE_BAD_REQUEST, "last is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":1}", CODE_BAD_REQUEST, "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":null}", CODE_BAD_REQUEST, "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{}}", CODE_BAD_REQUEST, "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"seq\":1}}", CODE_BAD_REQUEST, "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"1\"}}", CODE_BAD_REQUEST, "since is",
     -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":1,\"seq\":1}}", CODE_BAD_REQUEST,
     "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"\",\"seq\":1}}", CODE_BAD_REQUEST,
     "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"0x1\",\"seq\":1}}", CODE_BAD_REQUEST,
     "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"" LONG16 "0\",\"seq\":1}}",
     CODE_BAD_REQUEST, "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"1\",\"seq\":\"1\"}}", CODE_BAD_REQUEST,
     "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"1\",\"seq\":-1}}", CODE_BAD_REQUEST,
     "since is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"since\":\"1:1\"}", CODE_BAD_REQUEST, "since is", -1},
    /* `since` wins, but nonsense is nonsense */
    {"{\"t\":\"join\",\"room\":\"r\",\"last\":\"x\",\"since\":{\"epoch\":\"1\",\"seq\":1}}",
     CODE_BAD_REQUEST, "last is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":1}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":\"\"}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":\"a\\nb\"}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":\"\\u0000\"}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":\"\\u007f\"}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"name\":\"" LONG64 "x\"}", CODE_BAD_REQUEST, "name is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"pres\":true}", CODE_BAD_REQUEST, "pres is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"pres\":\"all\"}", CODE_BAD_REQUEST, "pres is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"slow\":0}", CODE_BAD_REQUEST, "slow is", -1},
    {"{\"t\":\"join\",\"room\":\"r\",\"slow\":\"drop\"}", CODE_BAD_REQUEST, "slow is", -1},
    /* pub */
    {"{\"id\":0,\"t\":\"pub\",\"room\":\"r\"}", CODE_BAD_REQUEST, "data is missing", 0},
    {"{\"t\":\"pub\",\"room\":\"r\",\"b64\":\"eA==\"}", CODE_BAD_REQUEST, "data is missing", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":1}", CODE_BAD_REQUEST, "cid is", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":null}", CODE_BAD_REQUEST, "cid is", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":\"\"}", CODE_BAD_REQUEST, "cid is", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":\"\\t\"}", CODE_BAD_REQUEST, "cid is", -1},
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":\"" LONG64 "x\"}", CODE_BAD_REQUEST,
     "cid is", -1},
    /* history */
    {"{\"t\":\"history\",\"room\":\"r\",\"before\":1,\"after\":1}", CODE_BAD_REQUEST, "not both",
     -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"before\":\"1\"}", CODE_BAD_REQUEST, "before is", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"before\":-1}", CODE_BAD_REQUEST, "before is", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"after\":null}", CODE_BAD_REQUEST, "after is", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"after\":1e16}", CODE_BAD_REQUEST, "after is", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"limit\":0}", CODE_BAD_REQUEST, "from 1 to 200", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"limit\":201}", CODE_BAD_REQUEST, "from 1 to 200", -1},
    {"{\"t\":\"history\",\"room\":\"r\",\"limit\":\"5\"}", CODE_BAD_REQUEST, "from 1 to 200", -1},
    /* presence */
    {"{\"t\":\"presence\",\"room\":\"r\",\"offset\":-1}", CODE_BAD_REQUEST, "offset is", -1},
    {"{\"t\":\"presence\",\"room\":\"r\",\"offset\":\"0\"}", CODE_BAD_REQUEST, "offset is", -1},
    {"{\"t\":\"presence\",\"room\":\"r\",\"limit\":0}", CODE_BAD_REQUEST, "from 1 to 200", -1},
    {"{\"t\":\"presence\",\"room\":\"r\",\"limit\":201}", CODE_BAD_REQUEST, "from 1 to 200", -1},
    {"{\"t\":\"presence\",\"room\":\"r\",\"limit\":1.5}", CODE_BAD_REQUEST, "from 1 to 200", -1},
};

START_TEST(mistakes_have_their_code)
{
	bool is_read = read_text(span_str(mistakes[_i].text));

	ck_assert_msg(!is_read, "%s was accepted", mistakes[_i].text);
	ck_assert_msg(error.code == mistakes[_i].code, "%s: %s", mistakes[_i].text,
		      command_code_name(error.code));
	ck_assert_msg(strstr(error.text, mistakes[_i].said) != NULL, "%s: %s", mistakes[_i].text,
		      error.text);
	ck_assert_int_eq(command.has_id ? (int64_t)command.id : -1, mistakes[_i].id);
}
END_TEST

/* ---- commands ---- */

START_TEST(joins)
{
	ck_assert(read_text(SPAN_LIT("{\"t\":\"join\",\"room\":\"r1\"}")));
	ck_assert_int_eq(command.type, COMMAND_JOIN);
	ck_assert(!command.has_id);
	ck_span(command.room, "r1");
	ck_assert_int_eq(command.join.from.from, JOIN_NOW);
	ck_assert_uint_eq(command.join.name.len, 0);
	ck_assert_int_eq(command.join.slow, SLOW_AS_CONFIGURED);
	ck_assert_int_eq(command.join.pres, PRES_NONE);
	command_fini(&command);

	ck_assert(read_text(SPAN_LIT(
	    "{\"id\":4294967295,\"t\":\"join\",\"room\":\"" LONG64 "\",\"since\":{\"epoch\":"
	    "\"9F2c61d0\",\"seq\":9007199254740991},\"last\":50,\"name\":\"" LONG64 "\","
	    "\"pres\":\"diff\",\"slow\":\"skip\",\"else\":[{}]}")));
	ck_assert(command.has_id);
	ck_assert_uint_eq(command.id, UINT32_MAX);
	ck_span(command.room, LONG64);
	ck_assert_int_eq(command.join.from.from, JOIN_SINCE);
	ck_assert_uint_eq(command.join.from.since_epoch, 0x9f2c61d0);
	ck_assert_uint_eq(command.join.from.since_seq, 9007199254740991);
	ck_span(command.join.name, LONG64);
	ck_assert_int_eq(command.join.slow, SLOW_SKIP);
	ck_assert_int_eq(command.join.pres, PRES_DIFF);
	command_fini(&command);

	ck_assert(
	    read_text(SPAN_LIT("{\"t\":\"join\",\"room\":\"_r\",\"last\":50,\"name\":\"\\u00e9\","
			       "\"pres\":\"count\",\"slow\":\"close\"}")));
	ck_assert_int_eq(command.join.from.from, JOIN_LAST);
	ck_assert_uint_eq(command.join.from.last, 50);
	ck_span(command.join.name, "\xc3\xa9");
	ck_assert_int_eq(command.join.slow, SLOW_CLOSE);
	ck_assert_int_eq(command.join.pres, PRES_COUNT);
	command_fini(&command);

	ck_assert(read_text(SPAN_LIT("{\"t\":\"join\",\"room\":\"r\",\"pres\":\"none\"}")));
	ck_assert_int_eq(command.join.pres, PRES_NONE);
}
END_TEST

#define DATA(literal) literal, sizeof(literal) - 1

static const struct {
	const char *data;
	size_t len;
	enum log_kind kind;
	const char *payload;
	size_t payload_len;
} datas[] = {
    {DATA("\"hi\""), LOG_TEXT, DATA("hi")},
    {DATA("\"\""), LOG_TEXT, DATA("")},
    {DATA("\"a\\nb\\u0000c\\u00e9\\ud83d\\ude00\""), LOG_TEXT,
     DATA("a\nb\0c\xc3\xa9\xf0\x9f\x98\x80")},
    {DATA("\" sp ace \""), LOG_TEXT, DATA(" sp ace ")},
    {DATA("null"), LOG_JSON, DATA("null")},
    {DATA("true"), LOG_JSON, DATA("true")},
    /* as it was written */
    {DATA("0.1"), LOG_JSON, DATA("0.1")},
    {DATA("1.00"), LOG_JSON, DATA("1.00")},
    {DATA("123456789012345678901234567890"), LOG_JSON, DATA("123456789012345678901234567890")},
    {DATA("-0"), LOG_JSON, DATA("-0")},
    {DATA("{}"), LOG_JSON, DATA("{}")},
    {DATA("[]"), LOG_JSON, DATA("[]")},
    {DATA("{\"b\":1,\"a\":[\"\\u00e9\"]}"), LOG_JSON, DATA("{\"b\":1,\"a\":[\"\\u00e9\"]}")},
    {DATA(" { \"b\" :\t[ 1 ,\r\n2 ] , \"}\\\" \" : \" x \" } "), LOG_JSON,
     DATA("{\"b\":[1,2],\"}\\\" \":\" x \"}")},
    {DATA("[\"]\",\"\\\\\"]"), LOG_JSON, DATA("[\"]\",\"\\\\\"]")},
    {DATA("[1,2]  \n"), LOG_JSON, DATA("[1,2]")},
    {DATA("{\"data\":{\"data\":2}}"), LOG_JSON, DATA("{\"data\":{\"data\":2}}")},
};

/* Wherever `data` stands among the members, and however its key is written. */
static const char *const around[][2] = {
    {"{\"t\":\"pub\",\"room\":\"r\",\"data\":", "}"},
    {"{\"data\":", ",\"t\":\"pub\",\"room\":\"r\"}"},
    {"{\"x\":{\"data\":[3,{}]},\"t\":\"pub\",\"y\":\"\\\"data\\\":4\",\"\\u0064ata\" : ",
     " , \"room\":\"r\" } "},
};

START_TEST(publishes)
{
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		char text[512];
		size_t n = strlen(around[i][0]);

		memcpy(text, around[i][0], n);
		memcpy(text + n, datas[_i].data, datas[_i].len);
		n += datas[_i].len;
		memcpy(text + n, around[i][1], strlen(around[i][1]));
		n += strlen(around[i][1]);
		ck_assert_msg(read_text(span_from(text, n)), "%.*s: %s", (int)n, text, error.text);
		ck_assert_int_eq(command.type, COMMAND_PUB);
		ck_assert_int_eq(command.pub.kind, datas[_i].kind);
		ck_assert_uint_eq(command.pub.cid.len, 0);
		ck_assert_msg(
		    span_eq(command.pub.data, span_from(datas[_i].payload, datas[_i].payload_len)),
		    "%.*s: %.*s", (int)n, text, (int)command.pub.data.len, command.pub.data.ptr);
		command_fini(&command);
	}
}
END_TEST

START_TEST(publishes_with_an_id)
{
	ck_assert(read_text(
	    SPAN_LIT("{\"t\":\"pub\",\"room\":\"r\",\"data\":1,\"cid\":\"" LONG64 "\"}")));
	ck_span(command.pub.cid, LONG64);
}
END_TEST

START_TEST(asks_for_history)
{
	ck_assert(read_text(SPAN_LIT("{\"t\":\"history\",\"room\":\"r\"}")));
	ck_assert_int_eq(command.history.from, HISTORY_NEWEST);
	ck_assert_uint_eq(command.history.limit, 50);
	command_fini(&command);
	ck_assert(read_text(
	    SPAN_LIT("{\"t\":\"history\",\"room\":\"r\",\"before\":1000,\"limit\":200}")));
	ck_assert_int_eq(command.history.from, HISTORY_BEFORE);
	ck_assert_uint_eq(command.history.seq, 1000);
	ck_assert_uint_eq(command.history.limit, 200);
	command_fini(&command);
	ck_assert(
	    read_text(SPAN_LIT("{\"t\":\"history\",\"room\":\"r\",\"after\":0,\"limit\":1}")));
	ck_assert_int_eq(command.history.from, HISTORY_AFTER);
	ck_assert_uint_eq(command.history.seq, 0);
	ck_assert_uint_eq(command.history.limit, 1);
}
END_TEST

START_TEST(asks_who_is_there_and_leaves)
{
	ck_assert(read_text(SPAN_LIT("{\"t\":\"presence\",\"room\":\"r\"}")));
	ck_assert_int_eq(command.type, COMMAND_PRESENCE);
	ck_assert_uint_eq(command.presence.offset, 0);
	ck_assert_uint_eq(command.presence.limit, 100);
	command_fini(&command);
	ck_assert(read_text(
	    SPAN_LIT("{\"t\":\"presence\",\"room\":\"r\",\"offset\":400,\"limit\":200}")));
	ck_assert_uint_eq(command.presence.offset, 400);
	ck_assert_uint_eq(command.presence.limit, 200);
	command_fini(&command);
	ck_assert(read_text(SPAN_LIT("{\"t\":\"leave\",\"room\":\"r\"}")));
	ck_assert_int_eq(command.type, COMMAND_LEAVE);
	ck_span(command.room, "r");
}
END_TEST

START_TEST(pings)
{
	ck_assert(read_text(SPAN_LIT("{\"t\":\"ping\"}")));
	ck_assert_int_eq(command.type, COMMAND_PING);
	ck_assert_uint_eq(command.echo.len, 0);
	command_fini(&command);
	ck_assert(read_text(SPAN_LIT(" {\"id\":0,\"t\":\"ping\",\"x\":{ \"a\":[1, \"b c\"] }} ")));
	ck_assert(command.has_id);
	ck_assert_uint_eq(command.id, 0);
	ck_span(command.echo, "{\"a\":[1,\"b c\"]}");
	command_fini(&command);
	/* a room, even a bad one, is an unknown field here */
	ck_assert(read_text(SPAN_LIT("{\"t\":\"ping\",\"room\":\"//\",\"x\":null}")));
	ck_span(command.echo, "null");
}
END_TEST

START_TEST(an_echo_has_a_limit)
{
	char text[2048];

	for (int len = COMMAND_ECHO_MAX; len <= COMMAND_ECHO_MAX + 1; len++) {
		int n = snprintf(text, sizeof(text), "{\"t\":\"ping\",\"x\":\"%0*d\"}", len - 2, 0);
		bool is_read = read_text(span_from(text, (size_t)n));

		ck_assert_int_eq(is_read, len == COMMAND_ECHO_MAX);
		command_fini(&command);
	}
	ck_assert_int_eq(error.code, CODE_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(error.text, "at most 1024 bytes"));
}
END_TEST

/* ---- the short way ---- */

#define PUB(members) "{\"t\":\"pub\",\"room\":\"r\"," members "}"
#define TEXT(text)   DATA(PUB("\"data\":\"" text "\""))

static const struct {
	const char *text;
	size_t len;
	bool is_quick;
} ways[] = {
    {TEXT("hi"), true},
    {TEXT(""), true},
    {TEXT("0123456 8"), true},
    {TEXT("\x7f/'"), true},
    {TEXT("\xc3\xa9 12345678 \xe2\x82\xac \xf0\x9f\x98\x80"), true},
    {TEXT("1234567\xc3\xa9"), true},
    {TEXT("{\\\"t\\\":1}"), false},
    {TEXT("\xef\xbf\xbf"), true},
    {DATA(" {\t\"cid\" :\r\n\"c\" , \"id\" : 0 ,\"data\":\"d\",\"room\":\"r\",\"t\":\"pub\"\n} \t"),
     true},
    {DATA(PUB("\"data\":\"d\",\"cid\":\"" LONG64 "\"")), true},
    {DATA(PUB("\"data\":\"d\",\"id\":4294967295")), true},
    {DATA(PUB("\"data\":\"d\",\"id\":10")), true},
    /* right, but of another shape */
    {DATA("{\"t\":\"ping\"}"), false},
    {DATA("{\"t\":\"leave\",\"room\":\"r\"}"), false},
    {DATA(PUB("\"data\":1")), false},
    {DATA(PUB("\"data\":null")), false},
    {DATA(PUB("\"data\":[\"d\"]")), false},
    {DATA(PUB("\"data\":\"d\",\"x\":\"y\"")), false},
    {DATA(PUB("\"data\":\"d\",\"\":\"y\"")), false},
    {DATA(PUB("\"d\\u0061ta\":\"d\"")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":1.0")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":1e1")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":-0")), false},
    {TEXT("a\\nb"), false},
    {TEXT("12345678\\\""), false},
    /* wrong */
    {DATA(""), false},
    {DATA("{"), false},
    {DATA("{}"), false},
    {DATA("pub"), false},
    {DATA("[\"pub\"]"), false},
    {TEXT("1234567\x1f"), false},
    {TEXT("\0"), false},
    {TEXT("1234567\n"), false},
    {TEXT("\x80"), false},
    {TEXT("\xc3"), false},
    {TEXT("\xc0\x80"), false},
    {TEXT("\xed\xa0\x80"), false},
    {TEXT("\xf4\x90\x80\x80"), false},
    {DATA(PUB("\"data\":\"d\",\"data\":\"d\"")), false},
    {DATA(PUB("\"data\":\"\",\"data\":\"\"")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":1,\"id\":1")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":4294967296")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":10000000000")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":18446744073709551617")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":01")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":-1")), false},
    {DATA(PUB("\"data\":\"d\",\"id\":\"1\"")), false},
    {DATA(PUB("\"data\":\"d\",\"cid\":\"\"")), false},
    {DATA(PUB("\"data\":\"d\",\"cid\":\"\x7f\"")), false},
    {DATA(PUB("\"data\":\"d\",\"cid\":\"" LONG64 "x\"")), false},
    {DATA(PUB("\"data\":\"d\",\"cid\":1")), false},
    {DATA(PUB("\"data\":\"d\",")), false},
    {DATA(PUB("\"data\" \"d\"")), false},
    {DATA(PUB("\"data\":\"d\" \"id\":1")), false},
    {DATA(PUB("\"data\":\"d\"") "}"), false},
    {DATA(PUB("\"data\":\"d\"") "\0"), false},
    {DATA(PUB("\"data\":\"d\"") "\v"), false},
    {DATA(PUB("data:\"d\"")), false},
    {DATA(PUB("\"id\":1")), false},
    {DATA("{\"t\":\"pub\",\"data\":\"d\"}"), false},
    {DATA("{\"room\":\"r\",\"data\":\"d\"}"), false},
    {DATA("{\"t\":\"PUB\",\"room\":\"r\",\"data\":\"d\"}"), false},
    {DATA("{\"t\":\"pub\",\"room\":\"\",\"data\":\"d\"}"), false},
    {DATA("{\"t\":\"pub\",\"room\":\"..\",\"data\":\"d\"}"), false},
    {DATA("{\"t\":\"pub\",\"room\":\"a b\",\"data\":\"d\"}"), false},
    {DATA("{\"t\":\"pub\",\"room\":\"" LONG64 "x\",\"data\":\"d\"}"), false},
};

/* Both readers on a copy in a block of its own; whether the quick one takes it. */
static bool
compare_readers(struct span text)
{
	char *copy = malloc(text.len ? text.len : 1);
	struct command quick = {.type = COMMAND_PING};

	ck_assert_ptr_nonnull(copy);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	bool is_quick = command_read_quick(&quick, span_from(copy, text.len), MAX);
	bool is_read = command_read(&command, span_from(copy, text.len), MAX, &error);

	if (is_quick) {
		ck_assert_msg(is_read, "%.*s: %s", (int)text.len, text.ptr, error.text);
		ck_assert_int_eq(quick.type, command.type);
		ck_assert_int_eq(quick.has_id, command.has_id);
		ck_assert_uint_eq(quick.id, command.id);
		ck_assert(span_eq(quick.room, command.room));
		ck_assert_int_eq(quick.pub.kind, command.pub.kind);
		ck_assert(span_eq(quick.pub.data, command.pub.data));
		ck_assert(span_eq(quick.pub.cid, command.pub.cid));
		ck_assert_ptr_null(quick.json);
	} else {
		ck_assert_int_eq(quick.type, COMMAND_PING);
	}
	command_fini(&command);
	command_fini(&quick);
	free(copy);
	return is_quick;
}

START_TEST(the_short_way_is_no_other_way)
{
	bool is_quick = compare_readers(span_from(ways[_i].text, ways[_i].len));

	ck_assert_msg(is_quick == ways[_i].is_quick, "%.*s", (int)ways[_i].len, ways[_i].text);
}
END_TEST

static const char nearby[] = " {\"t\":\"pub\",\"room\":\"r\",\"data\":\"0123456789\xc3\xa9\","
			     "\"id\":10 ,\"cid\":\"c\"} ";
#define NEARBY (sizeof(nearby) - 1)

/* Cut off at a place, and with each byte there instead of what is, and in front of it. */
START_TEST(the_short_way_is_no_other_way_nearby)
{
	const size_t at = (size_t)_i;
	char other[NEARBY + 1];

	ck_assert(compare_readers(span_from(nearby, NEARBY)));
	/* the last one is a space */
	ck_assert_int_eq(compare_readers(span_from(nearby, at)), at == NEARBY - 1);
	for (int c = 0; c < 256; c++) {
		memcpy(other, nearby, NEARBY);
		other[at] = (char)c;
		compare_readers(span_from(other, NEARBY));
		memcpy(other, nearby, at);
		other[at] = (char)c;
		memcpy(other + at + 1, nearby + at, NEARBY - at);
		compare_readers(span_from(other, NEARBY + 1));
	}
}
END_TEST

/* What would take jansson long is not given to it. */
START_TEST(worst_cases_are_bounded)
{
	static char text[MAX + 100];
	size_t n;

	/* depth: the command itself is the first of 64 */
	for (int depth = 63; depth <= 64; depth++) {
		n = (size_t)sprintf(text, "{\"t\":\"pub\",\"room\":\"r\",\"data\":");
		for (int i = 0; i < depth; i++)
			text[n++] = '[';
		for (int i = 0; i < depth; i++)
			text[n++] = ']';
		text[n++] = '}';
		ck_assert_int_eq(read_text(span_from(text, n)), depth == 63);
		if (depth == 63)
			ck_assert_uint_eq(command.pub.data.len, 126);
		command_fini(&command);
	}
	ck_assert_int_eq(error.code, CODE_BAD_REQUEST);
	/* keys of one object */
	n = (size_t)sprintf(text, "{\"t\":\"pub\",\"room\":\"r\",\"data\":{");
	for (int i = 0; i <= 128; i++)
		n += (size_t)sprintf(text + n, "%s\"k%d\":1", i ? "," : "", i);
	n += (size_t)sprintf(text + n, "}}");
	ck_assert(!read_text(span_from(text, n)));
	ck_assert_int_eq(error.code, CODE_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(error.text, "128 keys in each object are accepted"));
	command_fini(&command);
	/* values */
	n = (size_t)sprintf(text, "{\"t\":\"pub\",\"room\":\"r\",\"data\":[1");
	for (int i = 0; i < 10000; i++)
		n += (size_t)sprintf(text + n, ",1");
	n += (size_t)sprintf(text + n, "]}");
	ck_assert(!read_text(span_from(text, n)));
	ck_assert_int_eq(error.code, CODE_BAD_REQUEST);
	command_fini(&command);
	/* bytes */
	n = (size_t)sprintf(text, "{\"t\":\"pub\",\"room\":\"r\",\"data\":\"");
	memset(text + n, 'x', MAX - n - 2);
	memcpy(text + MAX - 2, "\"}x", 3);
	ck_assert(compare_readers(span_from(text, MAX)));
	ck_assert(read_text(span_from(text, MAX)));
	ck_assert_uint_eq(command.pub.data.len, MAX - n - 2);
	command_fini(&command);
	memcpy(text + MAX - 2, "\"} ", 3);
	ck_assert(!compare_readers(span_from(text, MAX + 1)));
	ck_assert(!read_text(span_from(text, MAX + 1)));
	ck_assert_int_eq(error.code, CODE_BAD_REQUEST);
}
END_TEST

static const char *const names[] = {
    "bad_request", "unknown_type", "bad_room", "not_joined", "already_joined", "denied",
    "too_big",     "rate",         "limit",    "no_history", "unavailable",    "internal",
};

START_TEST(codes_have_names)
{
	ck_assert_str_eq(command_code_name((enum command_code)_i), names[_i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("command");
	TCase *tc = tcase_create("command");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, mistakes_have_their_code, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(tc, joins);
	tcase_add_loop_test(tc, publishes, 0, sizeof(datas) / sizeof(datas[0]));
	tcase_add_test(tc, publishes_with_an_id);
	tcase_add_test(tc, asks_for_history);
	tcase_add_test(tc, asks_who_is_there_and_leaves);
	tcase_add_test(tc, pings);
	tcase_add_test(tc, an_echo_has_a_limit);
	tcase_add_test(tc, worst_cases_are_bounded);
	tcase_add_loop_test(tc, the_short_way_is_no_other_way, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_loop_test(tc, the_short_way_is_no_other_way_nearby, 0, NEARBY);
	tcase_add_loop_test(tc, codes_have_names, 0, sizeof(names) / sizeof(names[0]));
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
