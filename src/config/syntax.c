/*
 * syntax.c - the syntax of single values. Knows no option by name.
 */
#include "config/syntax.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* by rising factor: number_print takes the last that divides */
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {NULL, 0}};

static const struct {
	const struct unit *units;
	const char *not_one;
} kinds[] = {
    [NUMBER_COUNT] = {count_units, "is not a number"},
    [NUMBER_TIME] = {time_units, "is not a time"},
    [NUMBER_SIZE] = {size_units, "is not a size"},
};

const char *
number_parse(enum number_kind kind, const char *text, uint64_t *value)
{
	const char *p = text;
	uint64_t n = 0;
	bool too_large = false;

	if (!isdigit((unsigned char)*p))
		return kinds[kind].not_one;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			too_large = true;
	}
	for (const struct unit *u = kinds[kind].units; u->name; u++) {
		if (strcmp(u->name, p) != 0)
			continue;
		if (too_large || __builtin_mul_overflow(n, u->factor, &n))
			return "is too large";
		*value = n;
		return NULL;
	}
	return kind == NUMBER_TIME && *p == '\0' ? "has no unit" : kinds[kind].not_one;
}

const char *
number_print(enum number_kind kind, uint64_t value, char out[NUMBER_TEXT_MAX])
{
	const struct unit *best = kinds[kind].units;

	for (const struct unit *u = best; u->name && value; u++) {
		if (value % u->factor == 0)
			best = u;
	}
	snprintf(out, NUMBER_TEXT_MAX, "%" PRIu64 "%s", value / best->factor, best->name);
	return out;
}

const char *
text_check(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_character(text + i, len - i);
		unsigned char c = (unsigned char)text[i];

		if (n == 0)
			return "is not UTF-8";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "has a control character";
		i += n;
	}
	return NULL;
}

bool
words_split(struct words *words, const char *text)
{
	static const char blanks[] = " \t";

	*words = (struct words){0};
	for (const char *p = text + strspn(text, blanks); *p; p += strspn(p, blanks)) {
		size_t len = strcspn(p, blanks);
		char **grown = reallocarray(words->word, words->n + 1, sizeof(*grown));

		if (grown)
			words->word = grown;
		if (!grown || !(grown[words->n] = strndup(p, len))) {
			words_fini(words);
			return false;
		}
		words->n++;
		p += len;
	}
	return true;
}

char *
words_join(const struct words *words)
{
	size_t size = 1;

	for (size_t i = 0; i < words->n; i++)
		size += strlen(words->word[i]) + 1;
	char *text = malloc(size);
	if (!text)
		return NULL;
	char *p = text;
	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			*p++ = ' ';
		p = stpcpy(p, words->word[i]);
	}
	*p = '\0';
	return text;
}

void
words_fini(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct words){0};
}

bool
words_contain(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->n; i++) {
		if (strcmp(words->word[i], word) == 0)
			return true;
	}
	return false;
}

static bool
is_ipv6_literal(const char *p, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (len < 4 || len - 2 >= sizeof(text) || p[0] != '[' || p[len - 1] != ']')
		return false;
	memcpy(text, p + 1, len - 2);
	text[len - 2] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

/* Labels of letters, digits, hyphens (and underscores, which are in use) between single dots. */
static bool
is_host(const char *p, size_t len)
{
	size_t label = 0;

	if (is_ipv6_literal(p, len))
		return true;
	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '.') {
			if (label == 0 || p[i - 1] == '-')
				return false;
			label = 0;
		} else if (isalnum((unsigned char)p[i]) || p[i] == '_' || (p[i] == '-' && label)) {
			if (++label > 63)
				return false;
		} else {
			return false;
		}
	}
	return label > 0 && p[len - 1] != '-';
}

static void
lower(char *p)
{
	for (; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

const char *
host_check(char *word)
{
	if (!is_host(word, strlen(word)))
		return "is not a host name";
	lower(word);
	return NULL;
}

const char *
origin_check(char *word)
{
	char *host = strstr(word, "://");
	uint64_t port;

	if (!host || !isalpha((unsigned char)word[0]))
		return "is not an origin";
	for (const char *p = word; p < host; p++) {
		if (!isalnum((unsigned char)*p) && *p != '+' && *p != '-' && *p != '.')
			return "is not an origin";
	}
	lower(word);
	size_t scheme = (size_t)(host - word);
	host += 3;
	if (strpbrk(host, "/?#@"))
		return "has more than scheme, host and port";
	/* the colon of a port stands behind the bracket of an IPv6 address */
	char *bracket = strrchr(host, ']');
	char *colon = strchr(bracket ? bracket : host, ':');
	if (!is_host(host, colon ? (size_t)(colon - host) : strlen(host)))
		return "has no valid host name";
	if (!colon)
		return NULL;
	if (number_parse(NUMBER_COUNT, colon + 1, &port) || port == 0 || port > 65535)
		return "has no valid port";
	if ((port == 80 && scheme == 4 && memcmp(word, "http", 4) == 0) ||
	    (port == 443 && scheme == 5 && memcmp(word, "https", 5) == 0))
		*colon = '\0';
	return NULL;
}

/* Longer than every section.name of options.def with a typing mistake or two. */
#define DISTANCE_MAX 47

static unsigned
smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

unsigned
edit_distance(const char *a, const char *b)
{
	/* optimal string alignment: three rows of the table are alive */
	unsigned row[3][DISTANCE_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > DISTANCE_MAX || b_len > DISTANCE_MAX)
		return DISTANCE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			int x = tolower((unsigned char)a[i - 1]),
			    y = tolower((unsigned char)b[j - 1]);

			now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return row[a_len % 3][b_len];
}
