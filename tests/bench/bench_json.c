/*
 * bench_json.c - how long the worst JSON bodies that json_text.h lets through hold the loop: each
 * is read and freed again and again, and the longest time counts. No connection may take more than
 * 10 ms of one pass, and the bounds are made so that half of it is enough.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/json_body.h"

#define ROUNDS  50
#define HALF_MS 5.0
#define SEED    1

/* json_body_read is not what is measured */
struct span
exchange_body(const struct exchange *x)
{
	(void)x;
	return span_from(NULL, 0);
}

void
exchange_problem(struct exchange *x, const struct problem *problem)
{
	(void)x;
	(void)problem;
}

struct body {
	char text[JSON_BODY_MAX + 1];
	size_t len;
};

static void
put(struct body *body, const char *text)
{
	size_t len = strlen(text);

	if (len > JSON_BODY_MAX - body->len)
		abort();
	memcpy(body->text + body->len, text, len + 1);
	body->len += len;
}

/* `before`, as many of `piece` as fit, at most `times`, without the last comma, and `after`. */
static void
fill(struct body *body, const char *before, const char *piece, size_t times, const char *after)
{
	size_t end = JSON_BODY_MAX - strlen(after) - strlen(piece);

	put(body, before);
	for (size_t i = 0; i < times && body->len <= end; i++)
		put(body, piece);
	if (times && body->text[body->len - 1] == ',')
		body->text[--body->len] = '\0';
	put(body, after);
}

static void
plain_string(struct body *body)
{
	fill(body, "\"", "a", SIZE_MAX, "\"");
}

static void
two_byte_characters(struct body *body)
{
	fill(body, "\"", "\xc3\xa9", SIZE_MAX, "\"");
}

static void
four_byte_characters(struct body *body)
{
	fill(body, "\"", "\xf0\x9f\x98\x80", SIZE_MAX, "\"");
}

static void
short_escapes(struct body *body)
{
	fill(body, "\"", "\\n", SIZE_MAX, "\"");
}

static void
surrogate_pairs(struct body *body)
{
	fill(body, "\"", "\\ud83d\\ude00", SIZE_MAX, "\"");
}

static void
white_space(struct body *body)
{
	fill(body, "", "\n", SIZE_MAX, "1");
}

static void
one_long_number(struct body *body)
{
	fill(body, "0.", "7", SIZE_MAX, "");
}

static void
small_numbers(struct body *body)
{
	fill(body, "[", "1,", JSON_TEXT_MAX_VALUES - 1, "]");
}

static void
tiny_numbers(struct body *body)
{
	fill(body, "[", "1.234567e-300,", JSON_TEXT_MAX_VALUES - 1, "]");
}

/* Each has to be read to its last digit to be rounded. */
static void
numbers_near_a_half(struct body *body)
{
	fill(body, "[", "9007199254740993.00000000000000000000000000000000000000000000000000001,",
	     JSON_TEXT_MAX_VALUES - 1, "]");
}

static void
empty_arrays(struct body *body)
{
	fill(body, "[", "[],", JSON_TEXT_MAX_VALUES / 2 - 1, "]");
}

static void
small_objects(struct body *body)
{
	fill(body, "[", "{\"a\":\"b\"},", JSON_TEXT_MAX_VALUES / 2 - 1, "]");
}

static void
deep_objects(struct body *body)
{
	char piece[8 * JSON_TEXT_MAX_DEPTH];
	size_t len = 0;

	for (int i = 1; i < JSON_TEXT_MAX_DEPTH; i++)
		len += (size_t)sprintf(piece + len, "{\"a\":");
	len += (size_t)sprintf(piece + len, "1");
	for (int i = 1; i < JSON_TEXT_MAX_DEPTH; i++)
		len += (size_t)sprintf(piece + len, "}");
	sprintf(piece + len, ",");
	fill(body, "[", piece, JSON_TEXT_MAX_VALUES / JSON_TEXT_MAX_DEPTH - 1, "]");
}

/* The hash that jansson has for a key of eight bytes: lookup3 by Bob Jenkins, public domain. */
static uint32_t
key_hash(const char key[8])
{
	uint32_t a, b, c, word[2];

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
	memcpy(word, key, sizeof(word));
	a = b = c = 0xdeadbeef + 8 + SEED;
	a += word[0];
	b += word[1];
	c = (c ^ b) - ROTATE(b, 14);
	a = (a ^ c) - ROTATE(c, 11);
	b = (b ^ a) - ROTATE(a, 25);
	c = (c ^ b) - ROTATE(b, 16);
	a = (a ^ c) - ROTATE(c, 4);
	b = (b ^ a) - ROTATE(a, 14);
	c = (c ^ b) - ROTATE(b, 24);
	return c;
}

/* Objects with all keys that one may have, in one bucket if they are to `collide`. */
static void
many_keys(struct body *body, bool collide)
{
	char object[16 * JSON_TEXT_MAX_KEYS], key[9];
	size_t len = 0;
	unsigned n = 0;

	for (unsigned i = 0; n < JSON_TEXT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "%08u", i);
		if (collide && key_hash(key) % 1024)
			continue;
		len += (size_t)sprintf(object + len, "%s\"%s\":1", n++ ? "," : "{", key);
	}
	sprintf(object + len, "},");
	fill(body, "[", object, JSON_TEXT_MAX_VALUES / JSON_TEXT_MAX_KEYS - 1, "]");
}

static void
keys(struct body *body)
{
	many_keys(body, false);
}

static void
keys_in_one_bucket(struct body *body)
{
	many_keys(body, true);
}

/* Known to be wrong at its end only, where all has been built. */
static void
same_key_at_the_end(struct body *body)
{
	keys_in_one_bucket(body);
	body->len--;
	put(body, ",{\"a\":1,\"a\":2}]");
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The longest of all rounds, in milliseconds of CPU. */
static double
measure(const struct body *body, bool *is_taken)
{
	double worst = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct json_text_error error;
		double start = now_ms();
		json_t *json = json_body_load(span_from(body->text, body->len), &error);
		*is_taken = json != NULL;
		json_decref(json);
		double ms = now_ms() - start;
		if (ms > worst)
			worst = ms;
	}
	return worst;
}

int
main(void)
{
	static const struct {
		const char *name;
		void (*make)(struct body *body);
	} cases[] = {
	    {"one string", plain_string},
	    {"one string of two-byte characters", two_byte_characters},
	    {"one string of four-byte characters", four_byte_characters},
	    {"one string of \\n", short_escapes},
	    {"one string of surrogate pairs", surrogate_pairs},
	    {"line ends and a number", white_space},
	    {"one long number", one_long_number},
	    {"numbers of one digit", small_numbers},
	    {"numbers near 0", tiny_numbers},
	    {"numbers near a half", numbers_near_a_half},
	    {"empty arrays", empty_arrays},
	    {"objects of one key", small_objects},
	    {"objects as deep as may be", deep_objects},
	    {"objects of as many keys as may be", keys},
	    {"the same, all in one bucket", keys_in_one_bucket},
	    {"the same, refused at the end", same_key_at_the_end},
	};
	static struct body body;
	double worst = 0;

	/* what a client cannot know, so that it can be made the worst here */
	json_object_seed(SEED);
	printf("JSON bodies, the longest of %d times, ms of CPU:\n", ROUNDS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_taken;
		body.len = 0;
		cases[i].make(&body);
		double ms = measure(&body, &is_taken);
		printf("%-36s %7zu bytes %6.2f%s\n", cases[i].name, body.len, ms,
		       is_taken ? "" : " (refused)");
		if (ms > worst)
			worst = ms;
	}
	printf("worst %.2f ms; at most %.0f are wanted, so that 10 hold with reserve\n", worst,
	       HALF_MS);
	return 0;
}
