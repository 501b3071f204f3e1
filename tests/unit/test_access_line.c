/* links: src/http/access_line.c $(request) src/http/chars.c src/http/host.c -ljansson */
/*
 * test_access_line.c - what a line of the access log looks like in each form, that no byte a client
 * sends makes it anything else than one bounded line, and that JSON is JSON.
 */
#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/access_line.h"
#include "request_fill.h"

static char line[ACCESS_LINE_MAX + 1];
static char kept[ACCESS_KEPT_MAX];
static struct request request;
static struct access_peer peer;
static struct access_stamp stamp;
static struct access_entry entry;

static void
parse(const char *head)
{
	struct request_parser parser = {0};
	size_t head_len;

	ck_assert_int_eq(request_parse(&parser, head, strlen(head), 16384, &request, &head_len),
			 REQUEST_COMPLETE);
}

/* 22 November 2026, 21:13:58.123 UTC; 192.0.2.1 asks for the second time; 200 with 16 bytes */
static void
setup(void)
{
	peer = (struct access_peer){.address = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 5000};
	entry = (struct access_entry){.request = &request,
				      .peer = &peer,
				      .worker = 3,
				      .status = 200,
				      .bytes_in = 7,
				      .bytes_out = 16,
				      .since_us = 1000000,
				      .n_requests = 2};
	stamp = (struct access_stamp){.ms = 123, .now_us = 1000042};
	parse("GET /x HTTP/1.1\r\nHost: localhost:8080\r\nReferer: http://a.example/\r\n"
	      "User-Agent: curl/7.88.1\r\n\r\n");
}

static const char *
write_line(enum access_form form)
{
	access_stamp_set(&stamp, form, 1795382038);
	size_t len = access_line_write(line, form, &stamp, &entry);
	ck_assert_uint_le(len, ACCESS_LINE_MAX);
	ck_assert_int_eq(line[len - 1], '\n');
	for (size_t i = 0; i + 1 < len; i++)
		ck_assert_msg(line[i] >= 0x20 && line[i] < 0x7f, "byte %x at %zu of %s",
			      (unsigned)(unsigned char)line[i], i, line);
	line[len] = '\0';
	return line;
}

/* The whole line, as an object; the caller's. */
static json_t *
write_json(void)
{
	json_error_t error;
	json_t *object = json_loads(write_line(ACCESS_JSON), JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(object != NULL, "%s in %s", error.text, line);
	return object;
}

static void
expect_string(const char *key, const char *want)
{
	json_t *object = write_json();
	const json_t *value = json_object_get(object, key);

	ck_assert_msg(value != NULL, "no %s in %s", key, line);
	if (want)
		ck_assert_str_eq(json_string_value(value), want);
	else
		ck_assert(json_is_null(value));
	json_decref(object);
}

START_TEST(combined_is_as_the_readers_of_logs_take_it)
{
	ck_assert_str_eq(write_line(ACCESS_COMBINED),
			 "192.0.2.1 - - [22/Nov/2026:21:13:58 +0000] \"GET /x HTTP/1.1\" 200 16 "
			 "\"http://a.example/\" \"curl/7.88.1\"\n");
	parse("POST http://a.example/y?z=1 HTTP/1.0\r\nContent-Length: 7\r\n\r\n");
	entry.status = 404;
	entry.bytes_out = 0;
	ck_assert_str_eq(write_line(ACCESS_COMBINED),
			 "192.0.2.1 - - [22/Nov/2026:21:13:58 +0000] "
			 "\"POST http://a.example/y?z=1 HTTP/1.0\" 404 0 \"-\" \"-\"\n");
}
END_TEST

START_TEST(json_has_every_key)
{
	ck_assert_str_eq(
	    write_line(ACCESS_JSON),
	    "{\"time\":\"2026-11-22T21:13:58.123Z\",\"worker\":3,\"addr\":\"192.0.2.1\","
	    "\"port\":5000,\"method\":\"GET\",\"target\":\"/x\",\"proto\":\"HTTP/1.1\","
	    "\"status\":200,\"bytes_in\":7,\"bytes_out\":16,\"duration_us\":42,"
	    "\"host\":\"localhost:8080\",\"referer\":\"http://a.example/\","
	    "\"user_agent\":\"curl/7.88.1\",\"requests\":2}\n");
	json_decref(write_json());
	/* what is not there is null */
	parse("GET / HTTP/1.0\r\n\r\n");
	expect_string("host", NULL);
	expect_string("referer", NULL);
	expect_string("user_agent", NULL);
	expect_string("proto", "HTTP/1.0");
}
END_TEST

START_TEST(a_duration_is_never_below_zero)
{
	entry.since_us = stamp.now_us + 5;
	ck_assert_ptr_nonnull(strstr(write_line(ACCESS_JSON), "\"duration_us\":0,"));
	entry.since_us = 0;
	ck_assert_ptr_nonnull(strstr(write_line(ACCESS_JSON), "\"duration_us\":0,"));
}
END_TEST

START_TEST(what_was_kept_makes_the_same_line)
{
	for (int form = ACCESS_COMBINED; form <= ACCESS_JSON; form++) {
		char now[sizeof(line)];

		entry.request = &request;
		memcpy(now, write_line((enum access_form)form), sizeof(now));
		size_t len = access_line_keep(kept, (enum access_form)form, &request);
		entry.request = NULL;
		entry.kept = span_from(kept, len);
		ck_assert_str_eq(write_line((enum access_form)form), now);
	}
}
END_TEST

static const struct {
	const char *head;
	size_t len;
	const char *combined; /* the request, quotes included */
	const char *json;
} bad_heads[] = {
    {"", 0, "\"-\"", "\"method\":null,\"target\":null,\"proto\":null"},
    {"\r\n\r\n", 4, "\"-\"", "\"method\":null,\"target\":null,\"proto\":null"},
    {"GET /a b HTTP/1.1\r\nHost: x\r\n", 28, "\"GET /a b HTTP/1.1\"",
     "\"method\":null,\"target\":\"GET /a b HTTP/1.1\",\"proto\":null"},
    {"\r\nGET /half", 11, "\"GET /half\"",
     "\"method\":null,\"target\":\"GET /half\",\"proto\":null"},
    /* a TLS handshake on the wrong port */
    {"\x16\x03\x01\0\xc2", 5, "\"\\x16\\x03\\x01\\x00\\xC2\"",
     "\"method\":null,\"target\":\"\\u0016\\u0003\\u0001\\ufffd\\ufffd\",\"proto\":null"},
};

START_TEST(a_head_that_could_not_be_read_is_shown_as_far_as_it_came)
{
	entry.request = NULL;
	entry.bad = span_from(bad_heads[_i].head, bad_heads[_i].len);
	entry.status = 400;
	write_line(ACCESS_COMBINED);
	ck_assert_msg(strstr(line, bad_heads[_i].combined) != NULL, "%s", line);
	ck_assert_msg(strstr(line, " 400 16 \"-\" \"-\"\n") != NULL, "%s", line);
	json_decref(write_json());
	ck_assert_msg(strstr(line, bad_heads[_i].json) != NULL, "%s", line);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	const char *combined;
	const char *json;
} hostile[] = {
    {"plain text/1.0 (X11; Linux)", 27, "plain text/1.0 (X11; Linux)",
     "plain text/1.0 (X11; Linux)"},
    {"a\" 200 1 \"b", 11, "a\\x22 200 1 \\x22b", "a\\\" 200 1 \\\"b"},
    {"back\\slash\\x41", 14, "back\\x5Cslash\\x5Cx41", "back\\\\slash\\\\x41"},
    {"\x1b[31m\x7f\t\r\n", 9, "\\x1B[31m\\x7F\\x09\\x0D\\x0A",
     "\\u001b[31m\\u007f\\u0009\\u000d\\u000a"},
    {"nul\0in", 6, "nul\\x00in", "nul\\ufffdin"},
    /* C1, which terminals may obey: as a byte, and as UTF-8 */
    {"\x9b"
     "31m",
     4, "\\x9B31m", "\\ufffd31m"},
    {"\xc2\x9b"
     "31m",
     5, "\\xC2\\x9B31m", "\\u009b31m"},
    {"Gr\xc3\xbc\xc3\x9f", 6, "Gr\\xC3\\xBC\\xC3\\x9F", "Gr\\u00fc\\u00df"},
    {"\xe2\x82\xac\xf0\x9f\x90\x8e", 7, "\\xE2\\x82\\xAC\\xF0\\x9F\\x90\\x8E",
     "\\u20ac\\ud83d\\udc0e"},
    {"\xf4\x8f\xbf\xbf\xef\xbf\xbf", 7, "\\xF4\\x8F\\xBF\\xBF\\xEF\\xBF\\xBF",
     "\\udbff\\udfff\\uffff"},
    /* no UTF-8: cut, overlong, a surrogate, too far */
    {"\xe2\x82", 2, "\\xE2\\x82", "\\ufffd\\ufffd"},
    {"\xc0\xaf", 2, "\\xC0\\xAF", "\\ufffd\\ufffd"},
    {"\xed\xa0\x80", 3, "\\xED\\xA0\\x80", "\\ufffd\\ufffd\\ufffd"},
    {"\xf4\x90\x80\x80", 4, "\\xF4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
    {"", 0, "", ""},
};

START_TEST(hostile_bytes_are_escaped)
{
	static const enum http_field fields[] = {FIELD_REFERER, FIELD_USER_AGENT};
	char want[256];

	for (size_t i = 0; i < 2; i++) {
		setup();
		request_fill(&request, fields[i], span_from(hostile[_i].bytes, hostile[_i].len));
		snprintf(want, sizeof(want), " \"%s\"%c", hostile[_i].combined, i ? '\n' : ' ');
		write_line(ACCESS_COMBINED);
		ck_assert_msg(strstr(line, want) != NULL, "%s not in %s", want, line);
		snprintf(want, sizeof(want), "\"%s\":\"%s\",", i ? "user_agent" : "referer",
			 hostile[_i].json);
		json_t *object = write_json();
		ck_assert_msg(strstr(line, want) != NULL, "%s not in %s", want, line);
		ck_assert_uint_eq(json_object_size(object), 15);
		json_decref(object);
	}
	/* neither a target nor a host has such bytes, but a line does not rely on that */
	setup();
	request.target = request.host = span_from(hostile[_i].bytes, hostile[_i].len);
	snprintf(want, sizeof(want), "\"GET %s HTTP/1.1\" ", hostile[_i].combined);
	ck_assert_ptr_nonnull(strstr(write_line(ACCESS_COMBINED), want));
	json_decref(write_json());
}
END_TEST

/* At each place of the eight that are looked at together, and beyond them. */
START_TEST(every_byte_is_escaped_wherever_it_stands)
{
	char text[20], want[64];

	for (unsigned byte = 0; byte < 256; byte++) {
		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)byte;
			/* a neighbour that the same arithmetic could mistake */
			if (at)
				text[at - 1] = byte & 1 ? ' ' : '~';
			request_fill(&request, FIELD_USER_AGENT, span_from(text, sizeof(text)));
			write_line(ACCESS_COMBINED);
			bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
			snprintf(want, sizeof(want),
				 plain ? "%.*s%c%.*s\"\n" : "%.*s\\x%02X%.*s\"\n", (int)at, text,
				 byte, (int)(sizeof(text) - at - 1), text + at + 1);
			ck_assert_msg(strstr(line, want) != NULL, "%s not in %s", want, line);
		}
	}
}
END_TEST

static const struct {
	const char *unit; /* fills the field */
	size_t len;
	const char *combined, *json;
} fillers[] = {
    {"x", 1, "x", "x"},
    {"\"", 1, "\\x22", "\\\""},
    {"\x01", 1, "\\x01", "\\u0001"},
    {"\xff", 1, "\\xFF", "\\ufffd"},
    {"\xf0\x9f\x90\x8e", 4, "\\xF0\\x9F\\x90\\x8E", "\\ud83d\\udc0e"},
};

/* How a field is written in the line: its first byte, and in *len how long it is. */
static const char *
find_written(enum access_form form, const char *key, size_t *len)
{
	const char *begin = line;
	char name[32];

	if (form == ACCESS_JSON) {
		snprintf(name, sizeof(name), "\"%s\":\"", key);
		begin = strstr(line, name) + strlen(name);
		/* the mark is the last of it, and each is cut here */
		*len = (size_t)(strstr(begin, "...\"") + 3 - begin);
		return begin;
	}
	/* there is no quote in a field */
	unsigned quotes = strcmp(key, "target") == 0 ? 1 : strcmp(key, "referer") == 0 ? 3 : 5;
	for (; quotes; quotes--)
		begin = strchr(begin, '"') + 1;
	*len = (size_t)(strchr(begin, '"') - begin);
	if (strcmp(key, "target") == 0) {
		begin += strlen("GET ");
		*len -= strlen("GET  HTTP/1.1");
	}
	return begin;
}

/* The last unit that fits depends on where the first one is: twelve places tell them all. */
START_TEST(what_is_too_long_is_cut_between_escapes_and_marked)
{
	static char text[8192];
	static const struct {
		const char *key;
		size_t bound;
	} fields[] = {{"target", ACCESS_TARGET_MAX},
		      {"referer", ACCESS_REFERER_MAX},
		      {"user_agent", ACCESS_AGENT_MAX},
		      {"host", ACCESS_HOST_MAX}};

	for (unsigned round = 0; round < 24; round++) {
		const enum access_form form = round & 1 ? ACCESS_JSON : ACCESS_COMBINED;
		const char *unit = form == ACCESS_JSON ? fillers[_i].json : fillers[_i].combined;
		/* combined knows bytes only, and json no half of a character */
		const size_t step = form == ACCESS_COMBINED && unit[0] == '\\' ? 4 : strlen(unit);
		const size_t before = round / 2;
		size_t len = before;

		memset(text, 'y', before);
		for (; len + fillers[_i].len <= sizeof(text); len += fillers[_i].len)
			memcpy(text + len, fillers[_i].unit, fillers[_i].len);
		request.target = request.host = span_from(text, len);
		request_fill(&request, FIELD_REFERER, request.host);
		request_fill(&request, FIELD_USER_AGENT, request.host);
		write_line(form);
		for (size_t k = 0; k < (form == ACCESS_JSON ? 4 : 3); k++) {
			size_t written;
			const char *p = find_written(form, fields[k].key, &written);

			ck_assert_uint_le(written, fields[k].bound);
			ck_assert_uint_gt(written + step, fields[k].bound);
			for (size_t i = 0; i < before; i++)
				ck_assert_int_eq(*p++, 'y');
			ck_assert_uint_eq((written - 3 - before) % step, 0);
			for (size_t i = 0; i < written - 3 - before; i++)
				ck_assert_int_eq(*p++, unit[i % strlen(unit)]);
			ck_assert_int_eq(strncmp(p, "...\"", 3), 0);
		}
		if (form == ACCESS_JSON)
			json_decref(write_json());
	}
}
END_TEST

/* A text that just fits is whole; with one byte more it is cut. */
START_TEST(what_fits_is_whole)
{
	static char text[ACCESS_AGENT_MAX + 1];
	char want[ACCESS_AGENT_MAX + 8];

	memset(text, 'x', sizeof(text));
	request_fill(&request, FIELD_USER_AGENT, span_from(text, ACCESS_AGENT_MAX));
	snprintf(want, sizeof(want), " \"%.*s\"\n", ACCESS_AGENT_MAX, text);
	ck_assert_ptr_nonnull(strstr(write_line(ACCESS_COMBINED), want));
	request_fill(&request, FIELD_USER_AGENT, span_from(text, ACCESS_AGENT_MAX + 1));
	snprintf(want, sizeof(want), " \"%.*s...\"\n", ACCESS_AGENT_MAX - 3, text);
	ck_assert_ptr_nonnull(strstr(write_line(ACCESS_COMBINED), want));
}
END_TEST

START_TEST(the_longest_line_has_room)
{
	static char text[8192];

	memset(text, 0xff, sizeof(text));
	memset(&peer, 0xff, sizeof(peer));
	request.method = HTTP_OPTIONS;
	request.target = request.host = span_from(text, sizeof(text));
	request_fill(&request, FIELD_REFERER, request.host);
	request_fill(&request, FIELD_USER_AGENT, request.host);
	entry = (struct access_entry){.request = &request,
				      .peer = &peer,
				      .worker = UINT32_MAX,
				      .status = 999,
				      .bytes_in = INT64_MAX,
				      .bytes_out = INT64_MAX,
				      .since_us = 1,
				      .n_requests = INT64_MAX};
	stamp.now_us = INT64_MAX;
	write_line(ACCESS_COMBINED);
	json_decref(write_json());
}
END_TEST

START_TEST(addresses_are_as_people_write_them)
{
	static const char *const texts[] = {"127.0.0.1",
					    "255.255.255.255",
					    "10.0.200.30",
					    "::1",
					    "2001:db8::1",
					    "fe80::1:0:0:1",
					    "2001:db8:0:1:1:1:1:1",
					    "1::8",
					    "1:2:3:4:5:6:7:8",
					    "::2:3:4:5:6:7:8",
					    "1:2:3:4:5:6:7::",
					    "1:2:3:4:5:6::",
					    "1:0:0:2::",
					    "64:ff9b::c000:201",
					    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char want[64];

		peer.address[10] = peer.address[11] = 0xff;
		memset(peer.address, 0, 10);
		if (strchr(texts[i], '.'))
			ck_assert_int_eq(inet_pton(AF_INET, texts[i], peer.address + 12), 1);
		else
			ck_assert_int_eq(inet_pton(AF_INET6, texts[i], peer.address), 1);
		int len = snprintf(want, sizeof(want), "%s - - ", texts[i]);
		/* RFC 5952 4.2.2: not for one group */
		if (strcmp(texts[i], "::2:3:4:5:6:7:8") == 0)
			len = snprintf(want, sizeof(want), "0:2:3:4:5:6:7:8 - - ");
		if (strcmp(texts[i], "1:2:3:4:5:6:7::") == 0)
			len = snprintf(want, sizeof(want), "1:2:3:4:5:6:7:0 - - ");
		write_line(ACCESS_COMBINED);
		ck_assert_msg(strncmp(line, want, (size_t)len) == 0, "%s: %s", texts[i], line);
	}
	peer = (struct access_peer){.is_local_peer = true};
	ck_assert_int_eq(strncmp(write_line(ACCESS_COMBINED), "unix: - - [", 11), 0);
	expect_string("addr", "unix:");
}
END_TEST

/* The same as inet_ntop's for any address but those of its mixed notation. */
START_TEST(random_addresses_are_right)
{
	unsigned state = 1;

	for (unsigned round = 0; round < 20000; round++) {
		char want[INET6_ADDRSTRLEN + 8];

		for (size_t i = 0; i < 16; i++) {
			state = state * 1103515245 + 12345;
			/* zeros, often */
			peer.address[i] =
			    state >> 30 ? 0 : (uint8_t)((state >> 16) & (round & 1 ? 0xff : 1));
		}
		peer.address[0] |= 0x10;
		ck_assert_ptr_nonnull(inet_ntop(AF_INET6, peer.address, want, sizeof(want)));
		size_t len = strlen(want);
		memcpy(want + len, " - - [", 7);
		write_line(ACCESS_COMBINED);
		ck_assert_msg(strncmp(line, want, len + 6) == 0, "%s: %s", want, line);
	}
}
END_TEST

START_TEST(stamps_are_in_utc)
{
	static const struct {
		time_t second;
		const char *combined, *json;
	} cases[] = {
	    {0, "01/Jan/1970:00:00:00", "1970-01-01T00:00:00"},
	    {951827696, "29/Feb/2000:12:34:56", "2000-02-29T12:34:56"},
	    {1795382038, "22/Nov/2026:21:13:58", "2026-11-22T21:13:58"},
	    {4102444799, "31/Dec/2099:23:59:59", "2099-12-31T23:59:59"},
	};

	setenv("TZ", "Asia/Tokyo", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		access_stamp_set(&stamp, ACCESS_COMBINED, cases[i].second);
		ck_assert_uint_eq(stamp.len, strlen(cases[i].combined));
		ck_assert_int_eq(memcmp(stamp.text, cases[i].combined, stamp.len), 0);
		access_stamp_set(&stamp, ACCESS_JSON, cases[i].second);
		ck_assert_uint_eq(stamp.len, strlen(cases[i].json));
		ck_assert_int_eq(memcmp(stamp.text, cases[i].json, stamp.len), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access_line");
	TCase *tc = tcase_create("access_line");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, combined_is_as_the_readers_of_logs_take_it);
	tcase_add_test(tc, json_has_every_key);
	tcase_add_test(tc, a_duration_is_never_below_zero);
	tcase_add_test(tc, what_was_kept_makes_the_same_line);
	tcase_add_loop_test(tc, a_head_that_could_not_be_read_is_shown_as_far_as_it_came, 0,
			    sizeof(bad_heads) / sizeof(bad_heads[0]));
	tcase_add_loop_test(tc, hostile_bytes_are_escaped, 0, sizeof(hostile) / sizeof(hostile[0]));
	tcase_add_test(tc, every_byte_is_escaped_wherever_it_stands);
	tcase_add_loop_test(tc, what_is_too_long_is_cut_between_escapes_and_marked, 0,
			    sizeof(fillers) / sizeof(fillers[0]));
	tcase_add_test(tc, what_fits_is_whole);
	tcase_add_test(tc, the_longest_line_has_room);
	tcase_add_test(tc, addresses_are_as_people_write_them);
	tcase_add_test(tc, random_addresses_are_right);
	tcase_add_test(tc, stamps_are_in_utc);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
