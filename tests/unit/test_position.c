/* links: src/hub/position.c src/hub/room_name.c src/http/chars.c */
/*
 * test_position.c - positions, numbers and names of rooms as clients write them.
 */
#include "hub/position.h"

#include <check.h>
#include <stdlib.h>

#include "hub/room.h"

#define DATA(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t len;
	bool is_valid;
	uint64_t epoch, seq;
} positions[] = {
    {DATA("9f2c61d0:1043"), true, 0x9f2c61d0, 1043},
    {DATA("9F2C61D0:1043"), true, 0x9f2c61d0, 1043},
    {DATA("0:0"), true, 0, 0},
    {DATA("ffffffffffffffff:9007199254740991"), true, UINT64_MAX, 9007199254740991},
    {DATA("00000001:0000000000000001"), true, 1, 1},
    {DATA(""), false, 0, 0},
    {DATA(":"), false, 0, 0},
    {DATA("1"), false, 0, 0},
    {DATA("1:"), false, 0, 0},
    {DATA(":1"), false, 0, 0},
    {DATA("1:1:1"), false, 0, 0},
    {DATA("1::1"), false, 0, 0},
    {DATA(" 1:1"), false, 0, 0},
    {DATA("1:1 "), false, 0, 0},
    {DATA("1: 1"), false, 0, 0},
    {DATA("1:1\n"), false, 0, 0},
    {DATA("1:1\0"), false, 0, 0},
    {DATA("1\0:1"), false, 0, 0},
    {DATA("0x1:1"), false, 0, 0},
    {DATA("g:1"), false, 0, 0},
    {DATA("1:a"), false, 0, 0},
    {DATA("1:-1"), false, 0, 0},
    {DATA("1:+1"), false, 0, 0},
    {DATA("-1:1"), false, 0, 0},
    {DATA("1:1.0"), false, 0, 0},
    {DATA("1:1e3"), false, 0, 0},
    {DATA("1:9007199254740992"), false, 0, 0},
    {DATA("1:00000000000000001"), false, 0, 0},
    {DATA("1:99999999999999999999"), false, 0, 0},
    {DATA("00000000000000001:1"), false, 0, 0},
    {DATA("1:\xd9\xa1"), false, 0, 0},
};

START_TEST(positions_are_read)
{
	uint64_t epoch = 77, seq = 77;
	bool is_valid =
	    position_read(span_from(positions[_i].text, positions[_i].len), &epoch, &seq);

	ck_assert_msg(is_valid == positions[_i].is_valid, "%s", positions[_i].text);
	if (is_valid) {
		ck_assert_uint_eq(epoch, positions[_i].epoch);
		ck_assert_uint_eq(seq, positions[_i].seq);
	}
}
END_TEST

static const struct {
	const char *text;
	size_t len;
	bool is_valid;
	uint64_t number;
} numbers[] = {
    {DATA("0"), true, 0},
    {DATA("50"), true, 50},
    {DATA("9007199254740991"), true, 9007199254740991},
    {DATA("9007199254740992"), false, 0},
    {DATA(""), false, 0},
    {DATA("-0"), false, 0},
    {DATA("5x"), false, 0},
    {DATA("0x5"), false, 0},
    {DATA("5 "), false, 0},
    {DATA("5\0"), false, 0},
};

START_TEST(numbers_are_read)
{
	uint64_t number = 77;
	bool is_valid = position_read_number(span_from(numbers[_i].text, numbers[_i].len), &number);

	ck_assert_msg(is_valid == numbers[_i].is_valid, "%s", numbers[_i].text);
	ck_assert_uint_eq(number, is_valid ? numbers[_i].number : 77);
}
END_TEST

#define LONG16 "abcdefghijklmnop"

static const struct {
	const char *text;
	size_t len;
	bool is_valid;
} rooms[] = {
    {DATA("lobby"), true},
    {DATA("a"), true},
    {DATA("..."), true},
    {DATA(".a"), true},
    {DATA("_news"), true}, /* one of the daemon's: to listen to */
    {DATA("AZaz09._-"), true},
    {DATA(LONG16 LONG16 LONG16 LONG16), true},
    {DATA(LONG16 LONG16 LONG16 LONG16 "x"), false},
    {DATA(""), false},
    {DATA("."), false},
    {DATA(".."), false},
    {DATA("a b"), false},
    {DATA("a/b"), false},
    {DATA("a\\"), false},
    {DATA("a\""), false},
    {DATA("a%41"), false},
    {DATA("a\0"), false},
    {DATA("\0"), false},
    {DATA("a\n"), false},
    {DATA("\xc3\xa9"), false},
    {DATA("a\x7f"), false},
    {DATA("a:b"), false},
};

START_TEST(rooms_are_judged)
{
	ck_assert_msg(room_name_valid(span_from(rooms[_i].text, rooms[_i].len)) ==
			  rooms[_i].is_valid,
		      "%s", rooms[_i].text);
}
END_TEST

START_TEST(no_memory_is_no_text)
{
	uint64_t number;

	ck_assert(!position_read(span_from(NULL, 0), &number, &number));
	ck_assert(!position_read_number(span_from(NULL, 0), &number));
	ck_assert(!position_read_epoch(span_from(NULL, 0), &number));
	ck_assert(!room_name_valid(span_from(NULL, 0)));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("position");
	TCase *tc = tcase_create("position");

	tcase_add_loop_test(tc, positions_are_read, 0, sizeof(positions) / sizeof(positions[0]));
	tcase_add_loop_test(tc, numbers_are_read, 0, sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_loop_test(tc, rooms_are_judged, 0, sizeof(rooms) / sizeof(rooms[0]));
	tcase_add_test(tc, no_memory_is_no_text);
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
