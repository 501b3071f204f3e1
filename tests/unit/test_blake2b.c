/* links: src/base/blake2b.c */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake2b.h"

/* Of RFC 7693 appendix A, and of another implementation (Python's hashlib). */
static const struct {
	size_t out_len;
	size_t len; /* of bytes 0, 1, .. 250, 0, 1 .. */
	const char *hex;
} cases[] = {
    {24, 0, "ab3b5331a7135ed50d0f182d026e60abdb3646fd51bcf8a3"},
    {24, 1, "f159112ac8a735adc28509634a7b06dc6bc7c3f39249a336"},
    {24, 127, "61995cfb6553446ec9fe9a5e33352a3c7eee7679c2191cde"},
    {24, 128, "2f5f6c3d92c87ec6916cd0034fea92dfd83b28dc91485d41"},
    {24, 129, "921c466b582e135fab21c8e052fe3715d9113bcd864276ba"},
    {24, 255, "1926dd12d0ec2fc1a311b16eda8203f1ca54a82b745317d2"},
    {24, 256, "4d63a4fc84a0b80db9cf35087638800aa8d29db29dede289"},
    {24, 257, "5c3ee165868d95b70a939af1d265c626b91cc4592d885eb3"},
    {24, 1000, "7f71153365089ea59ea52d9dac2eabc5107c3c08082e79b1"},
    {1, 5, "14"},
    {64, 1024,
     "8d1090909017add40e749df2d0ebac43273d6fc816bc4ffaf2a6dfabe4206dea13677d2002399e4a38e700d8083db"
     "4af8341ee9b3a5147110b6a963a3894e4e2"},
    {32, 100000, "916cfaa800ee55811e82095babeb88ea29c9ef8a36e8d7e20c7b772c344c9e1c"},
};

static const char *
hex_of(size_t out_len, const void *data, size_t len)
{
	static char hex[2 * BLAKE2B_MAX + 1];
	unsigned char out[BLAKE2B_MAX];

	blake2b(out, out_len, data, len);
	for (size_t i = 0; i < out_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	return hex;
}

START_TEST(agrees_with_others)
{
	/* of just this size, so that a byte read too many is seen */
	unsigned char *data = malloc(cases[_i].len ? cases[_i].len : 1);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < cases[_i].len; i++)
		data[i] = (unsigned char)(i % 251);
	ck_assert_str_eq(hex_of(cases[_i].out_len, data, cases[_i].len), cases[_i].hex);
	free(data);
}
END_TEST

START_TEST(gives_the_example_of_the_rfc)
{
	ck_assert_str_eq(hex_of(64, "abc", 3),
			 "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
			 "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("blake2b");
	TCase *tc = tcase_create("blake2b");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, agrees_with_others, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, gives_the_example_of_the_rfc);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
