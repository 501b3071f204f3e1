/* links: src/http/etag.c */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/etag.h"

/* RFC 9110 8.8.3: entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE */
static const struct {
	const char *tag;
	bool is_valid;
} tags[] = {
    {"\"\"", true},
    {"\"xyzzy\"", true},
    {"W/\"xyzzy\"", true},
    {"\"!#[]\\~,*W/\"", true},
    {"\"\xc3\xa9\"", true},
    {"", false},
    {"\"", false},
    {"W/", false},
    {"xyzzy", false},
    {"\"xyzzy", false},
    {"xyzzy\"", false},
    {"\"a\"b\"", false},
    {"\"a b\"", false},
    {"\"a\tb\"", false},
    {"\"a\x7f\"", false},
    {"w/\"xyzzy\"", false}, /* case-sensitive */
    {"W/W/\"xyzzy\"", false},
    {"W/ \"xyzzy\"", false},
    {" \"xyzzy\"", false},
    {"\"xyzzy\" ", false},
    {"*", false},
};

START_TEST(knows_a_tag)
{
	ck_assert_int_eq(etag_is_valid(span_str(tags[_i].tag)), tags[_i].is_valid);
}
END_TEST

static const struct {
	const char *value;
	const char *tag;
	bool is_listed;
} lists[] = {
    /* RFC 9110 8.8.3.2, the table: weak comparison */
    {"W/\"1\"", "W/\"1\"", true},
    {"W/\"1\"", "W/\"2\"", false},
    {"W/\"1\"", "\"1\"", true},
    {"\"1\"", "W/\"1\"", true},
    {"\"1\"", "\"1\"", true},
    /* the opaque part is compared byte by byte */
    {"\"a\"", "\"A\"", false},
    {"\"a\"", "\"aa\"", false},
    {"\"aa\"", "\"a\"", false},
    {"\"\"", "\"\"", true},
    {"\"\"", "\"a\"", false},
    {"\"W/\"", "\"\"", false},
    /* RFC 9110 13.1.2: a list */
    {"\"a\", \"b\", \"c\"", "\"c\"", true},
    {"\"a\",\"b\"", "\"b\"", true},
    {"\"a\" ,\t\"b\"", "\"a\"", true},
    {"W/\"a\", \"b\"", "\"a\"", true},
    {"\"a\", \"b\", \"c\"", "\"d\"", false},
    {"\"a,b\"", "\"a\"", false},
    {"\"a,b\"", "\"a,b\"", true},
    /* RFC 9110 5.6.1.2: empty elements do no harm */
    {",\"a\"", "\"a\"", true},
    {" , ,\"a\", ,", "\"a\"", true},
    {"\"b\",,\"a\"", "\"a\"", true},
    {",", "\"a\"", false},
    {" ", "\"a\"", false},
    {"", "\"a\"", false},
    /* any */
    {"*", "\"a\"", true},
    {"*", "W/\"a\"", true},
    {" *\t", "\"a\"", true},
    /* malformed: nothing is listed, also not what is well formed in it */
    {"*, \"a\"", "\"a\"", false},
    {"\"a\", *", "\"a\"", false},
    {"**", "\"a\"", false},
    {"\"*\"", "\"a\"", false},
    {"a", "\"a\"", false},
    {"\"a", "\"a\"", false},
    {"\"a\" \"b\"", "\"a\"", false},
    {"\"a\"\"b\"", "\"a\"", false},
    {"\"a\", b", "\"a\"", false},
    {"\"a\"; q=1", "\"a\"", false},
    {"w/\"a\"", "\"a\"", false},
    {"\"b\", \"a", "\"b\"", false},
    {"\"b\x01\", \"a\"", "\"a\"", false},
};

START_TEST(finds_a_tag_in_a_list)
{
	/* of just this size, so that a byte read too many is seen */
	size_t len = strlen(lists[_i].value);
	char *value = malloc(len + 1);

	ck_assert_ptr_nonnull(value);
	value = realloc(memcpy(value, lists[_i].value, len + 1), len ? len : 1);
	ck_assert_msg(etag_is_listed(span_from(value, len), span_str(lists[_i].tag), ETAG_WEAK) ==
			  lists[_i].is_listed,
		      "%s in %s", lists[_i].tag, lists[_i].value);
	/* what differs when W/ does not count differs strongly, too */
	if (!lists[_i].is_listed)
		ck_assert(
		    !etag_is_listed(span_from(value, len), span_str(lists[_i].tag), ETAG_STRONG));
	free(value);
}
END_TEST

static const struct {
	const char *value;
	const char *tag;
	bool is_listed;
} strong[] = {
    /* RFC 9110 8.8.3.2, the table: strong comparison */
    {"W/\"1\"", "W/\"1\"", false},
    {"W/\"1\"", "W/\"2\"", false},
    {"W/\"1\"", "\"1\"", false},
    {"\"1\"", "W/\"1\"", false},
    {"\"1\"", "\"1\"", true},
    {"W/\"1\", \"1\"", "\"1\"", true},
    {"\"2\", \"1\"", "\"1\"", true},
    {"\"1\", 2", "\"1\"", false},
    /* 13.1.1: whatever is there, also if it has no tag */
    {"*", "W/\"1\"", true},
    {"*", "", true},
    {"\"1\"", "", false},
    {"\"\"", "", false},
    {"", "", false},
};

START_TEST(finds_a_strong_tag_in_a_list)
{
	ck_assert_msg(etag_is_listed(span_str(strong[_i].value), span_str(strong[_i].tag),
				     ETAG_STRONG) == strong[_i].is_listed,
		      "%s in %s", strong[_i].tag, strong[_i].value);
}
END_TEST

START_TEST(a_body_has_one_tag)
{
	static const char *const bodies[] = {"", "a", "b", "aa", "{\"id\":1}", "{\"id\":2}"};
	const size_t n = sizeof(bodies) / sizeof(bodies[0]);
	char tag[6][ETAG_SIZE], again[ETAG_SIZE];

	for (size_t i = 0; i < n; i++) {
		etag_of_body(span_str(bodies[i]), tag[i]);
		ck_assert(etag_is_valid(span_str(tag[i])));
		ck_assert(tag[i][0] == '"');
		etag_of_body(span_str(bodies[i]), again);
		ck_assert_str_eq(again, tag[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(tag[i], tag[j]);
	}
	/*
	 * It stays the same over releases and machines: XXH3 of nothing, as xxh128sum has it,
	 * 99aa06d3014798d86001c324468d497f, six bits at a time from its end.
	 */
	ck_assert_str_eq(tag[0], "\"_lUjGRywBAG2YeUATbgqZC\"");
	etag_of_body(span_from(NULL, 0), again);
	ck_assert_str_eq(again, tag[0]);
}
END_TEST

/* Of all lengths that are hashed in ways of their own, each bit counts. */
START_TEST(each_bit_counts)
{
	static const size_t lens[] = {1, 3, 8, 16, 17, 128, 129, 240, 241, 1024, 5555};
	char body[5555], tag[ETAG_SIZE], other[ETAG_SIZE];
	const size_t len = lens[_i];

	for (size_t i = 0; i < len; i++)
		body[i] = (char)(i * 7);
	etag_of_body(span_from(body, len), tag);
	ck_assert(etag_is_valid(span_str(tag)));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
		etag_of_body(span_from(body, len), other);
		ck_assert_str_ne(other, tag);
		body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
	}
	etag_of_body(span_from(body, len - 1), other);
	ck_assert_str_ne(other, tag);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("etag");
	TCase *tc = tcase_create("etag");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, knows_a_tag, 0, (int)(sizeof(tags) / sizeof(tags[0])));
	tcase_add_loop_test(tc, finds_a_tag_in_a_list, 0, (int)(sizeof(lists) / sizeof(lists[0])));
	tcase_add_loop_test(tc, finds_a_strong_tag_in_a_list, 0,
			    (int)(sizeof(strong) / sizeof(strong[0])));
	tcase_add_test(tc, a_body_has_one_tag);
	tcase_add_loop_test(tc, each_bit_counts, 0, 11);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
