/* links: tests/unit/fail_alloc.c src/hub/session.c src/hub/command.c src/hub/command_quick.c
 * src/hub/position.c src/hub/room_name.c src/hub/wire.c src/hub/frame.c src/http/json_text.c
 * src/http/chars.c src/base/buffer.c src/base/log.c src/base/clock.c -ljansson -lz */
/*
 * test_session.c - what a JSON client is told when the log, the rooms or memory fail, and when its
 * mistakes become abuse: what the real daemon cannot be made to do at will. All around session.c is
 * a fake that does as it is told.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "fail_alloc.h"
#include "hub/frame.h"
#include "hub/history.h"
#include "hub/hub_private.h"
#include "hub/presence.h"
#include "hub/publish.h"

/* For the fakes: check's own assertions need memory, and there may be none. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static struct fake {
	uint64_t now_us;
	char said[4096]; /* the last answer */
	unsigned n_said;
	unsigned closed; /* with this code */
	unsigned holds;
	enum log_result joins, pages;
	enum publish_result publishes;
	uint64_t retry_ms;
	bool watches;
	unsigned n_left;
} fake;

static struct config config;
static struct chat_counters counters;
static struct hub hub;
static struct client client;
static struct seat *lobby;

uint64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return fake.now_us;
}

struct span
room_name(const struct room *room)
{
	return span_str((const char *)room);
}

static struct room *
fake_room(struct span name)
{
	char *room = strndup(name.ptr, name.len);

	must(room != NULL);
	return (struct room *)(void *)room;
}

void
client_reply(struct client *c, struct span json)
{
	must(c == &client);
	snprintf(fake.said, sizeof(fake.said), "%.*s", (int)json.len, json.ptr);
	fake.n_said++;
}

struct seat *
client_seat(const struct client *c, struct span room)
{
	for (struct seat *seat = c->seats; seat; seat = seat->next) {
		if (span_eq(room_name(seat->member.room), room))
			return seat;
	}
	return NULL;
}

struct seat *
client_join(struct client *c, struct span room, struct span name, const struct join_wish *wish,
	    struct join_result *joined, enum log_result *result)
{
	(void)name;
	(void)wish;
	*result = fake.joins;
	if (fake.joins != LOG_OK)
		return NULL;
	struct seat *seat = calloc(1, sizeof(*seat));
	must(seat != NULL);
	seat->client = c;
	seat->member.room = fake_room(room);
	seat->next = c->seats;
	c->seats = seat;
	*joined = (struct join_result){.epoch = 1, .seq = 7, .first = 3, .count = 2};
	return seat;
}

void
client_leave(struct client *c, struct seat *seat)
{
	struct seat **link = &c->seats;

	while (*link != seat)
		link = &(*link)->next;
	*link = seat->next;
	free(seat->member.room);
	free(seat);
	fake.n_left++;
}

void
client_close(struct client *c, unsigned code)
{
	(void)c;
	if (!fake.closed)
		fake.closed = code;
}

void
client_hold(struct hub *h, struct client *c, uint64_t until_ms)
{
	(void)h;
	(void)c;
	(void)until_ms;
	fake.holds++;
}

enum publish_result
hub_publish(struct hub *h, struct rate *limit, const struct log_message *message,
	    struct log_receipt *receipt, uint64_t *retry_ms)
{
	(void)h;
	(void)message;
	must(limit == (client.is_limited ? &client.rate : NULL));
	*receipt = (struct log_receipt){.epoch = 1, .seq = 8, .ts_ms = 9};
	*retry_ms = fake.retry_ms;
	return fake.publishes;
}

bool
presence_watch(struct presence *presence, struct seat *seat)
{
	(void)presence;
	(void)seat;
	return fake.watches;
}

static enum log_result
page(struct buffer *out)
{
	if (fake.pages != LOG_OK)
		return fake.pages;
	return buffer_append(out, "\"room\":\"r\"", 10, SIZE_MAX) ? LOG_OK : LOG_TOO_LONG;
}

enum log_result
presence_write_seat(struct presence *presence, struct seat *seat, size_t offset, size_t limit,
		    struct buffer *out)
{
	(void)presence;
	(void)seat;
	(void)offset;
	(void)limit;
	return page(out);
}

enum log_result
presence_write_room(struct presence *presence, struct span room, size_t offset, size_t limit,
		    struct buffer *out)
{
	(void)presence;
	(void)room;
	(void)offset;
	(void)limit;
	return page(out);
}

enum log_result
history_write(struct chat_log *log, const struct history_bounds *bounds, struct span room,
	      const struct history_wish *wish, struct buffer *out)
{
	(void)room;
	(void)wish;
	must(log == &hub.log);
	must(bounds->messages == 1000);
	return page(out);
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	fake = (struct fake){.now_us = 50000000, .watches = true};
	config = (struct config){.chat_history_messages = 1000, .chat_max_rooms_per_connection = 3};
	hub = (struct hub){.config = &config, .counters = &counters, .max_message = 1000};
	lobby = calloc(1, sizeof(*lobby));
	ck_assert_ptr_nonnull(lobby);
	lobby->client = &client;
	lobby->member.room = fake_room(SPAN_LIT("lobby"));
	client = (struct client){.hub = &hub, .kind = CLIENT_JSON, .seats = lobby};
	ck_assert(session_open(&client));
}

static void
teardown(void)
{
	while (client.seats)
		client_leave(&client, client.seats);
	session_free(&client);
	ck_assert_ptr_null(client.session);
}

static void
says(const char *text)
{
	fake.said[0] = '\0';
	session_message(&client, false, (const unsigned char *)text, strlen(text));
}

static void
ck_said(const char *text, const char *answer)
{
	says(text);
	ck_assert_msg(strcmp(fake.said, answer) == 0, "%s: %s\nnot: %s", text, fake.said, answer);
}

#define JOIN "{\"id\":1,\"t\":\"join\",\"room\":\"r\"}"
#define PUB  "{\"id\":1,\"t\":\"pub\",\"room\":\"lobby\",\"data\":1}"
#define ERR(code, text, rest) \
	"{\"id\":1,\"t\":\"err\",\"code\":\"" code "\",\"msg\":\"" text "\"," rest "}"
#define BUSY   ERR("unavailable", "the log of messages is busy", "\"temp\":true,\"retry\":1000")
#define MEMORY ERR("internal", "out of memory", "\"temp\":true,\"retry\":1000")
#define FULL                                                        \
	ERR("limit", "no place for one more room (chat.max_rooms)", \
	    "\"temp\":true,\"retry\":"                              \
	    "10000")

START_TEST(joins_that_fail)
{
	static const struct {
		enum log_result result;
		const char *answer;
	} cases[] = {{LOG_BUSY, BUSY}, {LOG_FULL, FULL}, {LOG_TOO_LONG, MEMORY}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.joins = cases[i].result;
		ck_said(JOIN, cases[i].answer);
	}
	/* in the room, but who else is cannot be told: out again */
	fake.joins = LOG_OK;
	fake.watches = false;
	ck_said("{\"id\":1,\"t\":\"join\",\"room\":\"r\",\"pres\":\"diff\"}", MEMORY);
	ck_assert_uint_eq(fake.n_left, 1);
	ck_assert_ptr_eq(client.seats, lobby);
	/* which does not matter to one that does not ask */
	ck_said(JOIN, "{\"id\":1,\"t\":\"ok\",\"room\":\"r\",\"epoch\":\"00000001\",\"seq\":7,"
		      "\"first\":3,\"recovered\":false,\"replay\":0,\"count\":2}");
	ck_assert_uint_eq(fake.closed, 0);
}
END_TEST

START_TEST(publishes_that_fail)
{
	static const struct {
		enum publish_result result;
		uint64_t retry_ms;
		const char *answer;
	} cases[] = {
	    {PUBLISH_DENIED, 0,
	     ERR("denied", "a room whose name begins with _ is only listened to",
		 "\"temp\":false")},
	    {PUBLISH_TOO_BIG, 0,
	     ERR("too_big", "data is longer than `max` of the welcome", "\"temp\":false")},
	    {PUBLISH_RATE, 850,
	     ERR("rate", "too fast: `limits` of the welcome or chat.room_rate say how fast",
		 "\"temp\":true,\"retry\":850")},
	    {PUBLISH_BUSY, 1000, BUSY},
	    {PUBLISH_FULL, 0, FULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.publishes = cases[i].result;
		fake.retry_ms = cases[i].retry_ms;
		client.is_limited = i % 2;
		ck_said(PUB, cases[i].answer);
	}
	fake.publishes = PUBLISH_OK;
	ck_said(PUB, "{\"id\":1,\"t\":\"ok\",\"room\":\"lobby\",\"seq\":8,\"ts\":9}");
	ck_assert_uint_eq(fake.holds, 0);
	/* while a worker is far behind, whoever publishes waits */
	hub.holding = true;
	ck_said(PUB, "{\"id\":1,\"t\":\"ok\",\"room\":\"lobby\",\"seq\":8,\"ts\":9}");
	ck_assert_uint_eq(fake.holds, 1);
}
END_TEST

static const char *const questions[] = {
    "{\"id\":1,\"t\":\"history\",\"room\":\"r\"}",
    "{\"id\":1,\"t\":\"presence\",\"room\":\"r\"}",
    "{\"id\":1,\"t\":\"presence\",\"room\":\"lobby\"}",
};

START_TEST(pages_that_fail)
{
	ck_said(questions[_i], "{\"id\":1,\"t\":\"ok\",\"room\":\"r\"}");
	fake.pages = LOG_BUSY;
	ck_said(questions[_i], BUSY);
	fake.pages = LOG_TOO_LONG;
	ck_said(questions[_i], MEMORY);
	/* a page of history is long: the next question waits for the next pass */
	ck_assert_uint_eq(fake.holds, 3);
}
END_TEST

#define MISTAKE "{\"t\":\"leave\",\"room\":\"r\"}"

START_TEST(mistakes_become_abuse)
{
	for (unsigned i = 0; i < 9; i++)
		says(MISTAKE);
	ck_assert_uint_eq(fake.closed, 0);
	says(MISTAKE);
	ck_assert_uint_eq(fake.closed, CLOSE_ABUSE);
	/* it has heard of the last one, too */
	ck_assert_uint_eq(fake.n_said, 10);
}
END_TEST

START_TEST(ten_within_ten_seconds)
{
	/* one a little more than each 1.1 s, for long: never ten in ten seconds */
	for (unsigned i = 0; i < 200; i++) {
		says(MISTAKE);
		fake.now_us += 1112000;
	}
	ck_assert_uint_eq(fake.closed, 0);
	/* one each 1.1 s: nine of those are less than ten seconds */
	for (unsigned i = 0; i < 10; i++) {
		says(MISTAKE);
		fake.now_us += 1100000;
	}
	ck_assert_uint_eq(fake.closed, CLOSE_ABUSE);
}
END_TEST

START_TEST(what_passes_is_no_abuse)
{
	fake.publishes = PUBLISH_RATE;
	fake.retry_ms = 50;
	for (unsigned i = 0; i < 50; i++)
		says(PUB);
	fake.publishes = PUBLISH_BUSY;
	for (unsigned i = 0; i < 50; i++)
		says(PUB);
	fake.joins = LOG_FULL;
	for (unsigned i = 0; i < 50; i++)
		says(JOIN);
	ck_assert_uint_eq(fake.closed, 0);
}
END_TEST

START_TEST(wishes_reach_the_seat)
{
	says("{\"t\":\"join\",\"room\":\"a\",\"slow\":\"skip\",\"pres\":\"count\"}");
	ck_assert_uint_eq(fake.n_said, 0);
	ck_assert(client.seats->member.skips_when_slow);
	ck_assert_int_eq(client.seats->presence, SEAT_COUNT);
	says("{\"t\":\"join\",\"room\":\"b\",\"slow\":\"close\",\"pres\":\"diff\"}");
	ck_assert(!client.seats->member.skips_when_slow);
	ck_assert_int_eq(client.seats->presence, SEAT_DIFF);
	/* lobby, a, b */
	ck_said(JOIN,
		ERR("limit", "a connection may be in as many rooms as `limits` of its welcome says",
		    "\"temp\":false"));
}
END_TEST

/* With each allocation failing, alone and with all after it: one answer, or the end. */
START_TEST(memory_runs_out)
{
	static const char *const texts[] = {
	    "{\"id\":1,\"t\":\"join\",\"room\":\"lobby\"}",
	    "{\"id\":1,\"t\":\"pub\",\"room\":\"lobby\",\"data\":{ \"a\" : [1, {}] }}",
	    "{\"id\":1,\"t\":\"history\",\"room\":\"r\"}",
	    "{\"id\":1,\"t\":\"presence\",\"room\":\"lobby\"}",
	    "{\"id\":1,\"t\":\"ping\",\"x\":[1, \"a b\"]}",
	    "nonsense",
	};

	for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
		bool has_failed = true;

		for (unsigned n = 1; has_failed; n++) {
			fake.n_said = fake.closed = 0;
			/* or ten mistakes would be seen in it */
			fake.now_us += 20000000;
			fail_alloc_at(n, i % 2);
			says(texts[i / 2]);
			has_failed = fail_alloc_end();
			ck_assert_uint_le(fake.n_said, 1);
			ck_assert(fake.n_said == 1 || fake.closed == CLOSE_INTERNAL);
			if (has_failed && fake.n_said == 1 && i / 2 > 0 && i / 2 < 5)
				ck_assert_msg(strstr(fake.said, "\"internal\"") != NULL, "%s",
					      fake.said);
			ck_assert_uint_lt(n, 1000);
		}
	}
	fail_alloc_at(1, false);
	struct client other = {.hub = &hub};
	ck_assert(!session_open(&other));
	ck_assert(fail_alloc_end());
}
END_TEST

START_TEST(notices)
{
	session_drain(&client);
	ck_assert_str_eq(fake.said, "{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[1000,8000]}");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, joins_that_fail);
	tcase_add_test(tc, publishes_that_fail);
	tcase_add_loop_test(tc, pages_that_fail, 0, sizeof(questions) / sizeof(questions[0]));
	tcase_add_test(tc, mistakes_become_abuse);
	tcase_add_test(tc, ten_within_ten_seconds);
	tcase_add_test(tc, what_passes_is_no_abuse);
	tcase_add_test(tc, wishes_reach_the_seat);
	tcase_add_test(tc, memory_runs_out);
	tcase_add_test(tc, notices);
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
