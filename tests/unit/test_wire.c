/* links: tests/unit/fail_alloc.c src/hub/wire.c src/hub/frame.c src/base/buffer.c src/base/log.c
 * src/base/clock.c -ljansson -lz */
/*
 * test_wire.c - each wire byte by byte; JSON read back by jansson, compressed frames by zlib.
 */
#include "hub/wire.h"

#include <check.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "fail_alloc.h"

#define EPOCH 0x9f2c61d0u

static struct buffer out;
static struct wire_deflate *press;

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	buffer_init(&out);
	press = wire_deflate_new(32);
	ck_assert_ptr_nonnull(press);
}

static void
teardown(void)
{
	buffer_fini(&out);
	wire_deflate_free(&press);
	ck_assert_ptr_null(press);
}

static struct log_record
record_of(enum log_kind kind, size_t len)
{
	struct log_record record = {
	    .seq = 1043, .ts_ms = 1732291200123, .from = 0xc4, .kind = kind, .len = len};

	return record;
}

static struct wire_message
message_of(const struct log_record *record, const char *payload)
{
	struct wire_message message = {.room = SPAN_LIT("r1"),
				       .epoch = EPOCH,
				       .record = record,
				       .payload = (const unsigned char *)payload};

	return message;
}

static void
ck_out(const char *expected, size_t len)
{
	ck_assert_msg(out.len == len && memcmp(out.data, expected, len) == 0,
		      "%zu bytes: %.*s\nnot %zu: %.*s", out.len, (int)out.len, out.data, len,
		      (int)len, expected);
}

/* The payload of the only frame in `out`. */
static struct span
frame_payload(unsigned first)
{
	const unsigned char *p = (const unsigned char *)out.data;
	size_t head = 2, len;

	ck_assert_uint_ge(out.len, 2);
	ck_assert_uint_eq(p[0], first);
	ck_assert_uint_eq(p[1] & 0x80, 0);
	len = p[1];
	if (len >= 126) {
		size_t bytes = len == 126 ? 2 : 8;

		head += bytes;
		ck_assert_uint_ge(out.len, head);
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | p[2 + i];
		ck_assert_uint_ge(len, bytes == 2 ? 126 : 65536);
	}
	ck_assert_uint_eq(head + len, out.len);
	return span_from(out.data + head, len);
}

/* ---- events as text ---- */

static const struct event_case {
	enum log_kind kind;
	const char *payload;
	size_t len;
	uint64_t from;
	const char *name, *id;
	bool is_replay;
	const char *json;
} events[] = {
    {LOG_TEXT, "hi", 2, 0xc4, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"from\":\"000000c4\","
     "\"data\":\"hi\"}"},
    {LOG_TEXT, "", 0, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"data\":\"\"}"},
    {LOG_TEXT, "hi", 2, UINT64_MAX, "ann", "k1", true,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"r\":1,"
     "\"from\":\"ffffffffffffffff\",\"name\":\"ann\",\"cid\":\"k1\",\"data\":\"hi\"}"},
    {LOG_TEXT, "x", 1, 0x123456789, "\"", "\\\n", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"from\":\"123456789\","
     "\"name\":\"\\\"\",\"cid\":\"\\\\\\n\",\"data\":\"x\"}"},
    {LOG_JSON, "{\"a\":[1,2.50,null]}", 19, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,"
     "\"data\":{\"a\":[1,2.50,null]}}"},
    {LOG_JSON, "null", 4, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"data\":null}"},
    {LOG_BINARY, "", 0, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"b64\":\"\"}"},
    /* RFC 4648 section 10 */
    {LOG_BINARY, "foob", 4, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"b64\":\"Zm9vYg==\"}"},
    {LOG_BINARY, "fooba", 5, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"b64\":\"Zm9vYmE=\"}"},
    {LOG_BINARY, "foobar", 6, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"b64\":\"Zm9vYmFy\"}"},
    {LOG_BINARY, "\xff\xef\xbe\x00", 4, 0, "", "", false,
     "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":1043,\"ts\":1732291200123,\"b64\":\"/+++AA==\"}"},
};

static void
fill(struct log_record *record, const struct event_case *c)
{
	*record = record_of(c->kind, c->len);
	record->from = c->from;
	record->name_len = (uint8_t)strlen(c->name);
	memcpy(record->name, c->name, record->name_len);
	record->id_len = (uint8_t)strlen(c->id);
	memcpy(record->id, c->id, record->id_len);
}

START_TEST(events_have_their_text)
{
	const struct event_case *c = &events[_i];
	struct log_record record;

	fill(&record, c);
	struct wire_message message = message_of(&record, c->payload);
	message.is_replay = c->is_replay;
	ck_assert(wire_json(&out, &message));
	ck_out(c->json, strlen(c->json));

	out.len = 0;
	ck_assert(wire_message(&out, WIRE_JSON, &message, NULL));
	struct span payload = frame_payload(0x81);
	ck_assert_uint_eq(payload.len, strlen(c->json));
	ck_assert_mem_eq(payload.ptr, c->json, payload.len);

	char expected[1024];
	int n = snprintf(expected, sizeof(expected), "id: 9f2c61d0:1043\ndata: %s\n\n", c->json);
	out.len = 0;
	ck_assert(wire_message(&out, WIRE_EVENTS, &message, NULL));
	ck_out(expected, (size_t)n);

	/* a plain client gets the payload and nothing else */
	out.len = 0;
	ck_assert(wire_message(&out, WIRE_PLAIN, &message, NULL));
	payload = frame_payload(c->kind == LOG_BINARY ? 0x82 : 0x81);
	ck_assert_uint_eq(payload.len, c->len);
	ck_assert(c->len == 0 || memcmp(payload.ptr, c->payload, c->len) == 0);
}
END_TEST

START_TEST(messages_go_behind_one_another)
{
	struct log_record record = record_of(LOG_TEXT, 2);
	struct wire_message message = message_of(&record, "hi");

	for (int i = 0; i < 3; i++)
		ck_assert(wire_message(&out, WIRE_PLAIN, &message, NULL));
	ck_out("\x81\x02hi\x81\x02hi\x81\x02hi", 12);
}
END_TEST

/* ---- strings ---- */

static const struct {
	const char *text;
	size_t len;
	const char *json;
} strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"\"", 1, "\"\\\"\""},
    {"\\", 1, "\"\\\\\""},
    {"/", 1, "\"/\""},
    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
    {"\0", 1, "\"\\u0000\""},
    {"\x01\x0b\x1f\x7f", 4, "\"\\u0001\\u000b\\u001f\x7f\""},
    {"0123456\n", 8, "\"0123456\\n\""},
    {"01234567\n", 9, "\"01234567\\n\""},
    {"\n01234567", 9, "\"\\n01234567\""},
    {"\xc3\xa9", 2, "\"\xc3\xa9\""},
    {"1234567\xf0\x9f\x98\x80z", 12, "\"1234567\xf0\x9f\x98\x80z\""},
    {"\xe2\x80\xa8", 3, "\"\xe2\x80\xa8\""},
    /* what is no UTF-8 */
    {"\xff", 1, "\"\xef\xbf\xbd\""},
    {"a\xc3", 2, "\"a\xef\xbf\xbd\""},
    {"\xc3\"", 2, "\"\xef\xbf\xbd\\\"\""},
    {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(strings_are_escaped)
{
	ck_assert(wire_string(&out, span_from(strings[_i].text, strings[_i].len)));
	ck_out(strings[_i].json, strlen(strings[_i].json));
}
END_TEST

static uint64_t state = 88172645463325252;

static unsigned
random_below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 20) % n);
}

/* Characters of all lengths, at every place of a word and of a block. */
static size_t
random_text(char *text, size_t max)
{
	static const char *const pieces[] = {"a",        "bcdefghijkl",  "\"",
					     "\\",       "\n",           "\x02",
					     "\xd0\xb4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	size_t len = 0;

	for (;;) {
		const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = strlen(piece);

		if (len + n > max)
			return len;
		memcpy(text + len, piece, n);
		len += n;
	}
}

START_TEST(any_text_is_read_back)
{
	static char text[5000];

	for (int i = 0; i < 2000; i++) {
		size_t len = random_text(text, random_below(sizeof(text)) + 1);
		json_error_t error;

		out.len = 0;
		ck_assert(wire_string(&out, span_from(text, len)));
		json_t *json = json_loadb(out.data, out.len, JSON_DECODE_ANY, &error);
		ck_assert_msg(json != NULL, "%s", error.text);
		ck_assert_uint_eq(json_string_length(json), len);
		ck_assert_mem_eq(json_string_value(json), text, len);
		json_decref(json);
	}
}
END_TEST

START_TEST(any_bytes_make_json)
{
	char bytes[300];

	for (int i = 0; i < 5000; i++) {
		size_t len = random_below(sizeof(bytes));
		json_error_t error;

		for (size_t j = 0; j < len; j++)
			bytes[j] = (char)random_below(256);
		out.len = 0;
		ck_assert(wire_string(&out, span_from(bytes, len)));
		json_t *json =
		    json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		ck_assert_msg(json != NULL, "%s", error.text);
		json_decref(json);
	}
}
END_TEST

/* ---- lengths ---- */

static const size_t lengths[] = {0,     1,     30,    31,    32,    33,    34,    124,
				 125,   126,   127,   1023,  1024,  1025,  65400, 65430,
				 65440, 65450, 65460, 65535, 65536, 65537, 200000};

static char *
letters(size_t len, char c)
{
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, c, len);
	return text;
}

/* Frames whose head has another length than was guessed, too: control characters swell. */
START_TEST(frames_of_any_length)
{
	size_t len = lengths[_i];

	for (unsigned i = 0; i < 2; i++) {
		char *text = letters(len, i ? '\x01' : 'a');
		struct log_record record = record_of(LOG_TEXT, len);
		struct wire_message message = message_of(&record, text);

		out.len = 0;
		ck_assert(wire_message(&out, WIRE_JSON, &message, NULL));
		struct span payload = frame_payload(0x81);
		json_error_t error;
		json_t *json = json_loadb(payload.ptr, payload.len, 0, &error);
		ck_assert_msg(json != NULL, "%s", error.text);
		const json_t *data = json_object_get(json, "data");
		ck_assert_uint_eq(json_string_length(data), len);
		ck_assert_mem_eq(json_string_value(data), text, len);
		json_decref(json);

		out.len = 0;
		ck_assert(wire_message(&out, WIRE_PLAIN, &message, NULL));
		payload = frame_payload(0x81);
		ck_assert_uint_eq(payload.len, len);
		ck_assert_mem_eq(payload.ptr, text, len);
		free(text);
	}
}
END_TEST

/* ---- compression ---- */

static char *
inflated(struct span payload, size_t *len)
{
	static const char tail[] = "\0\0\xff\xff";
	size_t max = 4 << 20;
	char *text = malloc(max), *in = malloc(payload.len + 4);
	z_stream stream = {0};

	ck_assert(text && in);
	memcpy(in, payload.ptr, payload.len);
	memcpy(in + payload.len, tail, 4);
	ck_assert_int_eq(inflateInit2(&stream, -15), Z_OK);
	stream.next_in = (Bytef *)in;
	stream.avail_in = (uInt)(payload.len + 4);
	stream.next_out = (Bytef *)text;
	stream.avail_out = (uInt)max;
	ck_assert_int_eq(inflate(&stream, Z_SYNC_FLUSH), Z_OK);
	ck_assert_uint_eq(stream.avail_in, 0);
	*len = max - stream.avail_out;
	inflateEnd(&stream);
	free(in);
	return text;
}

START_TEST(compressed_frames_of_any_length)
{
	size_t len = lengths[_i];
	char *text = letters(len, 'a');
	struct log_record record = record_of(LOG_TEXT, len);
	struct wire_message message = message_of(&record, text);

	ck_assert(wire_message(&out, WIRE_PLAIN_DEFLATE, &message, press));
	if (len < 32) {
		/* chat.compression_min */
		ck_assert_uint_eq(frame_payload(0x81).len, len);
	} else {
		size_t whole;
		struct span payload = frame_payload(0xc1);
		char *back = inflated(payload, &whole);

		ck_assert_uint_lt(payload.len, len);
		ck_assert_uint_eq(whole, len);
		ck_assert_mem_eq(back, text, len);
		free(back);
	}

	/* an event is longer than what is never compressed, whatever is in it */
	out.len = 0;
	ck_assert(wire_message(&out, WIRE_JSON_DEFLATE, &message, press));
	size_t whole;
	char *back = inflated(frame_payload(0xc1), &whole);
	out.len = 0;
	ck_assert(wire_json(&out, &message));
	ck_assert_uint_eq(whole, out.len);
	ck_assert_mem_eq(back, out.data, whole);
	free(back);
	free(text);
}
END_TEST

START_TEST(what_gets_no_shorter_goes_as_it_is)
{
	char noise[3000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)random_below(256);
	struct log_record record = record_of(LOG_BINARY, sizeof(noise));
	struct wire_message message = message_of(&record, noise);
	ck_assert(wire_message(&out, WIRE_PLAIN_DEFLATE, &message, press));
	struct span payload = frame_payload(0x82);
	ck_assert_uint_eq(payload.len, sizeof(noise));
	ck_assert_mem_eq(payload.ptr, noise, sizeof(noise));

	/* and does not harm what comes next */
	char *text = letters(3000, 'b');
	message.payload = (const unsigned char *)text;
	out.len = 0;
	ck_assert(wire_message(&out, WIRE_PLAIN_DEFLATE, &message, press));
	size_t len;
	char *back = inflated(frame_payload(0xc2), &len);
	ck_assert_uint_eq(len, 3000);
	ck_assert_mem_eq(back, text, len);
	free(back);
	free(text);
}
END_TEST

/* With a fresh context each, the same message is the same bytes whatever went before. */
START_TEST(no_message_needs_another)
{
	char *first = letters(500, 'a'), *second = letters(700, 'b');
	struct log_record record = record_of(LOG_TEXT, 500);
	struct wire_message message = message_of(&record, first);
	struct buffer again = {0};

	ck_assert(wire_message(&out, WIRE_PLAIN_DEFLATE, &message, press));
	record.len = 700;
	message.payload = (const unsigned char *)second;
	ck_assert(wire_message(&again, WIRE_PLAIN_DEFLATE, &message, press));
	record.len = 500;
	message.payload = (const unsigned char *)first;
	again.len = 0;
	ck_assert(wire_message(&again, WIRE_PLAIN_DEFLATE, &message, press));
	ck_out(again.data, again.len);
	buffer_fini(&again);
	free(first);
	free(second);
}
END_TEST

START_TEST(without_what_it_needs_nothing_is_compressed)
{
	char *text = letters(500, 'a');
	struct log_record record = record_of(LOG_TEXT, 500);
	struct wire_message message = message_of(&record, text);

	ck_assert(wire_message(&out, WIRE_PLAIN_DEFLATE, &message, NULL));
	ck_assert_uint_eq(frame_payload(0x81).len, 500);
	out.len = 0;
	ck_assert(wire_message(&out, WIRE_JSON_DEFLATE, &message, NULL));
	ck_assert_uint_gt(frame_payload(0x81).len, 500);
	free(text);
}
END_TEST

/* ---- memory ---- */

/* What is there already stays as it is, and nothing is left of what could not be made. */
START_TEST(memory_runs_out)
{
	char *text = letters(20000, '\x01');
	struct log_record record = record_of((enum log_kind)(LOG_TEXT + _i), 20000);
	struct wire_message message = message_of(&record, text);
	struct buffer whole = {0};

	for (unsigned wire = 0; wire < WIRES; wire++) {
		bool has_failed = true;

		whole.len = 0;
		ck_assert(wire_message(&whole, (enum wire)wire, &message, press));
		for (unsigned n = 1; has_failed; n++) {
			/* the compressed wires keep what they have grown to */
			wire_deflate_free(&press);
			press = wire_deflate_new(32);
			buffer_fini(&out);
			ck_assert(buffer_append(&out, "before", 6, SIZE_MAX));
			fail_alloc_at(n, false);
			bool is_made = wire_message(&out, (enum wire)wire, &message, press);
			has_failed = fail_alloc_end();
			ck_assert(is_made || has_failed);
			ck_assert_mem_eq(out.data, "before", 6);
			ck_assert_uint_eq(out.len, is_made ? 6 + whole.len : 6);
			if (is_made)
				ck_assert_mem_eq(out.data + 6, whole.data, whole.len);
		}
	}
	buffer_fini(&whole);
	free(text);
}
END_TEST

START_TEST(memory_runs_out_at_the_beginning)
{
	struct log_record record = record_of(LOG_TEXT, 3);
	struct wire_message message = message_of(&record, "abc");
	const struct wire_gap gap = {SPAN_LIT("r1"), EPOCH, 1, 2, GAP_LAG};

	for (unsigned i = 0; i < 6; i++) {
		bool is_made = true;

		fail_alloc_at(1, true);
		switch (i) {
		case 0: is_made = wire_json(&out, &message); break;
		case 1: is_made = wire_string(&out, SPAN_LIT("x")); break;
		case 2: is_made = wire_gap(&out, WIRE_JSON, &gap); break;
		case 3: is_made = wire_gap(&out, WIRE_EVENTS, &gap); break;
		case 4: is_made = wire_event(&out, WIRE_EVENTS, "pres", SPAN_LIT("{}")); break;
		default: is_made = wire_event(&out, WIRE_JSON, "pres", SPAN_LIT("{}"));
		}
		ck_assert(fail_alloc_end());
		ck_assert(!is_made);
		ck_assert_uint_eq(out.len, 0);
	}
	fail_alloc_at(1, true);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	struct wire_deflate *none = wire_deflate_new(1);
	fail_alloc_end();
	ck_assert_ptr_null(none);
}
END_TEST

/* ---- gaps, other events, numbers ---- */

static const char *const whys[] = {"slow", "trimmed", "lag", "epoch"};

START_TEST(gaps_have_their_text)
{
	const struct wire_gap gap = {SPAN_LIT("r1"), EPOCH, 1044, 1060, (enum gap_why)_i};
	char json[256], event[512];

	snprintf(json, sizeof(json),
		 "{\"t\":\"gap\",\"room\":\"r1\",\"from\":1044,\"to\":1060,\"why\":\"%s\","
		 "\"epoch\":\"9f2c61d0\"}",
		 whys[_i]);
	for (unsigned i = 0; i < WIRES; i++) {
		out.len = 0;
		ck_assert(wire_gap(&out, (enum wire)i, &gap));
		switch ((enum wire)i) {
		case WIRE_JSON:
		case WIRE_JSON_DEFLATE: {
			struct span payload = frame_payload(0x81);

			ck_assert_uint_eq(payload.len, strlen(json));
			ck_assert_mem_eq(payload.ptr, json, payload.len);
			break;
		}
		case WIRE_EVENTS: {
			int n = snprintf(event, sizeof(event),
					 "id: 9f2c61d0:1060\nevent: gap\ndata: %s\n\n", json);
			ck_out(event, (size_t)n);
			break;
		}
		default: ck_assert_uint_eq(out.len, 0);
		}
	}
}
END_TEST

START_TEST(the_longest_gap_and_event_fit)
{
	char room[CHAT_LOG_ROOM_MAX];

	memset(room, 'r', sizeof(room));
	const struct wire_gap gap = {span_from(room, sizeof(room)), UINT64_MAX, UINT64_MAX,
				     UINT64_MAX, GAP_TRIMMED};
	ck_assert(wire_gap(&out, WIRE_EVENTS, &gap));
	struct log_record record = record_of(LOG_TEXT, 0);
	record.seq = record.ts_ms = record.from = UINT64_MAX;
	record.name_len = record.id_len = 64;
	memset(record.name, '\x01', sizeof(record.name));
	memset(record.id, '\x01', sizeof(record.id));
	struct wire_message message = {gap.room, UINT64_MAX, &record, NULL, true};
	ck_assert(wire_message(&out, WIRE_EVENTS, &message, NULL));
	out.len = 0;
	ck_assert(wire_json(&out, &message));
	json_t *json =
	    json_loadb(out.data, out.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
}
END_TEST

START_TEST(other_events)
{
	ck_assert(wire_event(&out, WIRE_JSON, "pres", SPAN_LIT("{\"t\":\"pres\"}")));
	ck_out("\x81\x0c{\"t\":\"pres\"}", 14);
	out.len = 0;
	ck_assert(wire_event(&out, WIRE_JSON_DEFLATE, "pres", SPAN_LIT("{\"t\":\"pres\"}")));
	ck_out("\x81\x0c{\"t\":\"pres\"}", 14);
	out.len = 0;
	ck_assert(wire_event(&out, WIRE_EVENTS, "pres", SPAN_LIT("{\"t\":\"pres\"}")));
	ck_out("event: pres\ndata: {\"t\":\"pres\"}\n\n", 32);
}
END_TEST

static const struct {
	uint64_t number;
	const char *text;
} numbers[] = {
    {0, "00000000"},
    {0x9f2c61d0, "9f2c61d0"},
    {0xffffffff, "ffffffff"},
    {0x100000000, "100000000"},
    {0x123456789abcdef, "123456789abcdef"},
    {UINT64_MAX, "ffffffffffffffff"},
};

START_TEST(numbers_have_eight_digits_or_more)
{
	char text[WIRE_NUMBER_SIZE];

	ck_assert_str_eq(wire_number(text, numbers[_i].number), numbers[_i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tc = tcase_create("wire");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, events_have_their_text, 0, sizeof(events) / sizeof(events[0]));
	tcase_add_test(tc, messages_go_behind_one_another);
	tcase_add_loop_test(tc, strings_are_escaped, 0, sizeof(strings) / sizeof(strings[0]));
	tcase_add_test(tc, any_text_is_read_back);
	tcase_add_test(tc, any_bytes_make_json);
	tcase_add_loop_test(tc, frames_of_any_length, 0, sizeof(lengths) / sizeof(lengths[0]));
	tcase_add_loop_test(tc, compressed_frames_of_any_length, 0,
			    sizeof(lengths) / sizeof(lengths[0]));
	tcase_add_test(tc, what_gets_no_shorter_goes_as_it_is);
	tcase_add_test(tc, no_message_needs_another);
	tcase_add_test(tc, without_what_it_needs_nothing_is_compressed);
	tcase_add_loop_test(tc, memory_runs_out, 0, 3);
	tcase_add_test(tc, memory_runs_out_at_the_beginning);
	tcase_add_loop_test(tc, gaps_have_their_text, 0, sizeof(whys) / sizeof(whys[0]));
	tcase_add_test(tc, the_longest_gap_and_event_fit);
	tcase_add_test(tc, other_events);
	tcase_add_loop_test(tc, numbers_have_eight_digits_or_more, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
