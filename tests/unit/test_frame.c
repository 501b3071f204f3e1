/* links: src/hub/frame.c */
/*
 * test_frame.c - frame heads byte by byte, and what is UTF-8.
 */
#include "hub/frame.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	enum frame_opcode opcode;
	size_t len;
	size_t head_len;
	const char *head;
} heads[] = {
    {FRAME_TEXT, 0, 2, "\x81\x00"},
    {FRAME_TEXT, 125, 2, "\x81\x7d"},
    {FRAME_BINARY, 126, 4, "\x82\x7e\x00\x7e"},
    {FRAME_BINARY, 65535, 4, "\x82\x7e\xff\xff"},
    {FRAME_TEXT, 65536, 10, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
    {FRAME_TEXT, 0x123456789, 10, "\x81\x7f\x00\x00\x00\x01\x23\x45\x67\x89"},
    {FRAME_PING, 0, 2, "\x89\x00"},
};

START_TEST(a_head_is_as_short_as_it_can_be)
{
	unsigned char out[FRAME_HEAD_MAX];

	ck_assert_uint_eq(frame_head(out, heads[_i].opcode, heads[_i].len), heads[_i].head_len);
	ck_assert_mem_eq(out, heads[_i].head, heads[_i].head_len);
	ck_assert_uint_eq(frame_size(heads[_i].len), heads[_i].head_len + heads[_i].len);
}
END_TEST

START_TEST(a_close_has_its_code)
{
	unsigned char out[FRAME_CLOSE_SIZE];

	frame_close(out, CLOSE_SLOW);
	ck_assert_mem_eq(out, "\x88\x02\x0f\xa8", FRAME_CLOSE_SIZE);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
	bool valid;
} texts[] = {
    {"", 0, true},
    {"plain ASCII of some length", 26, true},
    {"\0", 1, true},
    {"\x7f", 1, true},
    {"\xc2\x80", 2, true},         /* U+0080 */
    {"\xdf\xbf", 2, true},         /* U+07FF */
    {"\xe0\xa0\x80", 3, true},     /* U+0800 */
    {"\xed\x9f\xbf", 3, true},     /* U+D7FF */
    {"\xee\x80\x80", 3, true},     /* U+E000 */
    {"\xef\xbf\xbf", 3, true},     /* U+FFFF */
    {"\xf0\x90\x80\x80", 4, true}, /* U+10000 */
    {"\xf4\x8f\xbf\xbf", 4, true}, /* U+10FFFF */
    {"\xe5\xa4\xaa\xe9\x83\x8e", 6, true},
    {"12345678\xe5\xa4\xaa", 11, true},
    {"\x80", 1, false},
    {"\xbf", 1, false},
    {"\xc0\x80", 2, false},
    {"\xc1\xbf", 2, false},
    {"\xc2", 1, false},
    {"\xc2\x41", 2, false},
    {"\xe0\x9f\xbf", 3, false},
    {"\xe5\xa4", 2, false},
    {"\xe5\x41\xaa", 3, false},
    {"\xe5\xa4\x41", 3, false},
    {"\xed\xa0\x80", 3, false}, /* a surrogate */
    {"\xed\xbf\xbf", 3, false},
    {"\xf0\x8f\xbf\xbf", 4, false},
    {"\xf0\x90\x80", 3, false},
    {"\xf4\x90\x80\x80", 4, false}, /* U+110000 */
    {"\xf5\x80\x80\x80", 4, false},
    {"\xfe", 1, false},
    {"\xff", 1, false},
    {"12345678\xff", 9, false},
};

/* At each place: it must not matter what is taken eight bytes at a time. */
START_TEST(utf8)
{
	unsigned char text[64];

	for (size_t before = 0; before <= 16; before++) {
		for (size_t after = 0; after <= 16; after++) {
			memset(text, 'a', sizeof(text));
			memcpy(text + before, texts[_i].text, texts[_i].len);
			if (frame_utf8_valid(text, before + texts[_i].len + after) !=
			    texts[_i].valid)
				ck_abort_msg("case %d, %zu before, %zu after", _i, before, after);
		}
	}
}
END_TEST

/* Texts of three bytes out of these: what is cut off may still come right, or never. */
START_TEST(utf8_cut_off)
{
	static const unsigned char bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
					      0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
					      0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
	enum { BYTES = sizeof(bytes) };
	for (unsigned i = 0; i < BYTES * BYTES * BYTES; i++) {
		unsigned char text[6] = {bytes[i % BYTES],
					 bytes[i / BYTES % BYTES],
					 bytes[i / BYTES / BYTES],
					 0,
					 0,
					 0x80};
		size_t whole = frame_utf8_whole(text, 3);
		bool can_be = frame_utf8_valid(text, 3);

		for (unsigned b = 0; b < BYTES * BYTES && !can_be; b++) {
			text[3] = bytes[b % BYTES];
			text[4] = bytes[b / BYTES];
			can_be = frame_utf8_valid(text, 4) || frame_utf8_valid(text, 5) ||
				 frame_utf8_valid(text, 6);
		}
		if (can_be != (whole != FRAME_NO_UTF8))
			ck_abort_msg("%02x %02x %02x: %zu", text[0], text[1], text[2], whole);
		ck_assert(whole == FRAME_NO_UTF8 || frame_utf8_valid(text, whole));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");
	SRunner *sr = srunner_create(s);

	tcase_add_loop_test(tc, a_head_is_as_short_as_it_can_be, 0,
			    sizeof(heads) / sizeof(heads[0]));
	tcase_add_test(tc, a_close_has_its_code);
	tcase_add_test(tc, utf8_cut_off);
	tcase_add_loop_test(tc, utf8, 0, sizeof(texts) / sizeof(texts[0]));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
