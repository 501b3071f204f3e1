/* links: tests/unit/fail_alloc.c src/hub/history.c src/hub/wire.c src/hub/frame.c src/base/buffer.c
 * src/base/log.c src/base/clock.c -ljansson -lz */
/*
 * test_history.c - pages of a log that others overwrite while it is read. A fake of the log keeps
 * messages by seq, loses them when it is told to, and notes what it was asked.
 */
#include "hub/history.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fail_alloc.h"

/* A message's position is its seq times this. */
#define STEP 16

/* For the fakes: check's own assertions need memory, and there may be none. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static struct fake {
	bool is_there;
	uint64_t first, seq;              /* kept */
	size_t len;                       /* of each payload */
	unsigned calls, lose_at, lose_to; /* the calls of these numbers find nothing */
	uint64_t since_ms, max_messages;
} fake;

static struct buffer out;

static bool
is_lost(void)
{
	fake.calls++;
	return fake.calls >= fake.lose_at && fake.calls < fake.lose_to;
}

bool
chat_log_find_room(struct chat_log *log, struct span name, struct log_room *room)
{
	(void)log;
	must(span_eq(name, SPAN_LIT("r1")));
	*room = (struct log_room){.index = 7};
	return fake.is_there;
}

bool
chat_log_view(const struct chat_log *log, const struct log_room *room, struct log_view *view)
{
	(void)log;
	must(room->index == 7);
	*view = (struct log_view){.epoch = 0xabc, .seq = fake.seq};
	return !is_lost();
}

uint64_t
chat_log_epoch(const struct chat_log *log, struct span name)
{
	(void)log;
	(void)name;
	return 0xdef;
}

bool
chat_log_first(const struct chat_log *log, const struct log_room *room, uint64_t max_messages,
	       uint64_t since_ms, uint64_t *first_seq)
{
	(void)log;
	(void)room;
	fake.max_messages = max_messages;
	fake.since_ms = since_ms;
	*first_seq = fake.first;
	return !is_lost();
}

bool
chat_log_seek(const struct chat_log *log, const struct log_room *room, uint64_t seq, uint64_t *pos)
{
	(void)log;
	(void)room;
	*pos = STEP * seq;
	return !is_lost();
}

enum log_read
chat_log_read(const struct chat_log *log, const struct log_room *room, uint64_t pos,
	      struct log_record *record)
{
	(void)log;
	(void)room;
	if (is_lost())
		return LOG_LOST;
	must(pos % STEP == 0);
	if (pos / STEP > fake.seq)
		return LOG_END;
	*record = (struct log_record){
	    .pos = pos, .next = pos + STEP, .seq = pos / STEP, .kind = LOG_TEXT, .len = fake.len};
	return LOG_MESSAGE;
}

bool
chat_log_copy(const struct chat_log *log, const struct log_room *room,
	      const struct log_record *record, void *to)
{
	(void)log;
	(void)room;
	memset(to, (int)('a' + record->seq % 26), record->len);
	return !is_lost();
}

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	fake = (struct fake){.is_there = true, .first = 1, .seq = 10, .len = 3};
	buffer_init(&out);
}

static void
teardown(void)
{
	buffer_fini(&out);
}

static enum log_result
write_page(enum history_from from, uint64_t seq, uint64_t limit)
{
	const struct history_bounds bounds = {.messages = 1000, .age_ms = 60000};
	const struct history_wish wish = {from, seq, limit};

	out.len = 0;
	ck_assert(buffer_append(&out, "{", 1, SIZE_MAX));
	return history_write(NULL, &bounds, SPAN_LIT("r1"), &wish, &out);
}

/* The page has the messages first..last, or none if last is 0. */
static void
ck_page(uint64_t first, uint64_t last, bool more)
{
	json_error_t error;
	size_t n = last ? (size_t)(last - first + 1) : 0;

	ck_assert(buffer_append(&out, "}", 1, SIZE_MAX));
	json_t *page = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(page != NULL, "%s", error.text);
	const json_t *msgs = json_object_get(page, "msgs");
	ck_assert_uint_eq(json_array_size(msgs), n);
	for (size_t i = 0; i < n; i++) {
		const json_t *seq = json_object_get(json_array_get(msgs, i), "seq");

		ck_assert_int_eq(json_integer_value(seq), (json_int_t)(first + i));
	}
	ck_assert_int_eq(json_is_true(json_object_get(page, "more")), more);
	json_decref(page);
}

static const struct {
	enum history_from from;
	uint64_t seq, limit;
	uint64_t first, last;
	bool more;
} pages[] = {
    {HISTORY_NEWEST, 0, 50, 1, 10, false},        {HISTORY_NEWEST, 0, 10, 1, 10, false},
    {HISTORY_NEWEST, 0, 9, 2, 10, true},          {HISTORY_NEWEST, 0, 1, 10, 10, true},
    {HISTORY_BEFORE, 5, 2, 3, 4, true},           {HISTORY_BEFORE, 3, 2, 1, 2, false},
    {HISTORY_BEFORE, 2, 50, 1, 1, false},         {HISTORY_BEFORE, 1, 50, 0, 0, false},
    {HISTORY_BEFORE, 0, 50, 0, 0, false},         {HISTORY_BEFORE, 11, 2, 9, 10, true},
    {HISTORY_BEFORE, UINT64_MAX, 2, 9, 10, true}, {HISTORY_AFTER, 0, 2, 1, 2, true},
    {HISTORY_AFTER, 8, 2, 9, 10, false},          {HISTORY_AFTER, 7, 2, 8, 9, true},
    {HISTORY_AFTER, 9, 50, 10, 10, false},        {HISTORY_AFTER, 10, 50, 0, 0, false},
    {HISTORY_AFTER, 11, 50, 0, 0, false},         {HISTORY_AFTER, UINT64_MAX, 50, 0, 0, false},
};

START_TEST(pages_have_their_messages)
{
	ck_assert_int_eq(write_page(pages[_i].from, pages[_i].seq, pages[_i].limit), LOG_OK);
	ck_page(pages[_i].first, pages[_i].last, pages[_i].more);
}
END_TEST

/* Nothing is kept any more; the next message will be number 11. */
START_TEST(nothing_kept)
{
	fake.first = 11;
	for (enum history_from from = HISTORY_NEWEST; from <= HISTORY_AFTER; from++) {
		ck_assert_int_eq(write_page(from, 5, 50), LOG_OK);
		ck_page(0, 0, false);
	}
}
END_TEST

START_TEST(the_whole_text)
{
	fake.first = 9;
	ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_OK);
	ck_assert(buffer_append(&out, "", 1, SIZE_MAX));
	ck_assert_str_eq(out.data,
			 "{\"room\":\"r1\",\"epoch\":\"00000abc\",\"first\":9,\"msgs\":["
			 "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":9,\"ts\":0,\"data\":\"jjj\"},"
			 "{\"t\":\"msg\",\"room\":\"r1\",\"seq\":10,\"ts\":0,\"data\":\"kkk\"}],"
			 "\"more\":false");
	fake.is_there = false;
	ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_OK);
	ck_assert(buffer_append(&out, "", 1, SIZE_MAX));
	ck_assert_str_eq(out.data, "{\"room\":\"r1\",\"epoch\":\"00000def\",\"first\":0,"
				   "\"msgs\":[],\"more\":false");
}
END_TEST

START_TEST(the_bounds_are_asked_for)
{
	uint64_t before_ms = clock_realtime_ms();

	ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_OK);
	ck_assert_uint_eq(fake.max_messages, 1000);
	ck_assert_uint_ge(fake.since_ms + 60000, before_ms);
	ck_assert_uint_le(fake.since_ms + 60000, clock_realtime_ms());
}
END_TEST

/* Of 256 KiB, from the end that was asked for. */
START_TEST(a_page_is_bounded)
{
	fake.seq = 300;
	fake.len = 100000;
	ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 200), LOG_OK);
	ck_assert_uint_le(out.len, HISTORY_BYTES_MAX + 200);
	ck_page(299, 300, true);
	ck_assert_int_eq(write_page(HISTORY_AFTER, 298, 200), LOG_OK);
	ck_page(299, 300, false);
	ck_assert_int_eq(write_page(HISTORY_AFTER, 297, 200), LOG_OK);
	ck_page(298, 299, true);
	/* one is always there */
	fake.len = HISTORY_BYTES_MAX;
	ck_assert_int_eq(write_page(HISTORY_AFTER, 298, 200), LOG_OK);
	ck_page(299, 299, true);
	ck_assert_int_eq(write_page(HISTORY_BEFORE, 2, 200), LOG_OK);
	ck_page(1, 1, false);
}
END_TEST

START_TEST(the_longest_page)
{
	fake.seq = 300;
	fake.len = 0;
	ck_assert_int_eq(write_page(HISTORY_AFTER, 0, HISTORY_LIMIT_MAX), LOG_OK);
	ck_page(1, 200, true);
}
END_TEST

/* Whatever is lost while it is read: once, it is begun again; always, it is given up. */
START_TEST(what_is_overwritten)
{
	unsigned calls;

	ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_OK);
	calls = fake.calls;
	ck_assert_uint_gt(calls, 20);
	for (unsigned i = 1; i <= calls; i++) {
		fake.calls = 0;
		fake.lose_at = i;
		fake.lose_to = i + 1;
		ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_OK);
		ck_page(1, 10, false);
		fake.calls = 0;
		fake.lose_to = 1000000;
		ck_assert_int_eq(write_page(HISTORY_NEWEST, 0, 50), LOG_BUSY);
		ck_assert_uint_eq(out.len, 1);
	}
}
END_TEST

START_TEST(memory_runs_out)
{
	bool has_failed = true;

	for (unsigned n = 1; has_failed; n++) {
		buffer_fini(&out);
		ck_assert(buffer_append(&out, "{", 1, SIZE_MAX));
		const struct history_bounds bounds = {.messages = 1000, .age_ms = 60000};
		const struct history_wish wish = {HISTORY_NEWEST, 0, 50};
		fake.len = 1000;
		fail_alloc_at(n, false);
		enum log_result result = history_write(NULL, &bounds, SPAN_LIT("r1"), &wish, &out);
		has_failed = fail_alloc_end();
		ck_assert_int_eq(result, has_failed ? LOG_TOO_LONG : LOG_OK);
		if (has_failed)
			ck_assert_uint_eq(out.len, 1);
	}
	ck_page(1, 10, false);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("history");
	TCase *tc = tcase_create("history");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, pages_have_their_messages, 0, sizeof(pages) / sizeof(pages[0]));
	tcase_add_test(tc, nothing_kept);
	tcase_add_test(tc, the_whole_text);
	tcase_add_test(tc, the_bounds_are_asked_for);
	tcase_add_test(tc, a_page_is_bounded);
	tcase_add_test(tc, the_longest_page);
	tcase_add_test(tc, what_is_overwritten);
	tcase_add_test(tc, memory_runs_out);
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
