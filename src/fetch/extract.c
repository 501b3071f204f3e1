/*
 * extract.c - a reader of JSON that is fed piece by piece and remembers only where it is, and the
 * values that it was sent for.
 */
#include "fetch/extract.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"

/* A token of EXTRACT_POINTER_MAX bytes, each maybe written as \u00NN; longer keys match nothing. */
#define KEY_MAX (6 * EXTRACT_POINTER_MAX)

enum state {
	AT_VALUE,        /* one begins here */
	AT_FIRST_ITEM,   /* behind [: one begins here, or ] */
	AT_FIRST_MEMBER, /* behind {: a key, or } */
	AT_KEY,          /* behind a comma: a key */
	AT_COLON,
	AT_END_OF_VALUE, /* a comma or a bracket, or nothing at the outermost */
	IN_STRING,
	IN_ESCAPE, /* behind a backslash */
	IN_HEX,    /* behind \u */
	IN_NUMBER,
	IN_LITERAL,
	IS_WRONG
};

enum number {
	NUMBER_MINUS,
	NUMBER_ZERO,
	NUMBER_DIGITS,
	NUMBER_POINT,
	NUMBER_FRACTION,
	NUMBER_E,
	NUMBER_E_SIGN,
	NUMBER_EXPONENT
};

struct token {
	struct span text; /* with its ~0 and ~1 */
	int64_t index;    /* as an index of an array, -1 if it is none */
};

struct pointer {
	struct token *token;
	size_t n_tokens;
	bool is_found, is_too_large;
	size_t from, to; /* in `out` */
};

struct level {
	bool is_array;
	uint32_t mask;     /* pointers that go through this container */
	uint32_t captured; /* those that end at it */
	int64_t index;
};

struct extract {
	enum state state;
	enum number number;
	bool is_key;
	unsigned hex;        /* digits of \u still to come */
	const char *literal; /* what is still to come of it */
	unsigned bom;        /* bytes of a byte order mark that were there */
	uint32_t mask;       /* pointers that lead to the value that begins next, or beyond */
	uint32_t capturing;  /* whose value is being read */
	uint32_t scalar;     /* of those, a string, number or literal */
	size_t depth;
	const char *wrong;
	size_t key_len;
	struct buffer out; /* all that was captured, nested ones once */
	size_t n;
	struct pointer pointer[EXTRACT_MAX];
	struct token *tokens;
	struct level level[EXTRACT_DEPTH_MAX];
	char key[KEY_MAX];
};

/* ---- pointers ---- */

const char *
extract_pointer_check(struct span pointer)
{
	if (pointer.len > EXTRACT_POINTER_MAX)
		return "must be a JSON pointer of at most 256 bytes";
	if (pointer.len && pointer.ptr[0] != '/')
		return "must be a JSON pointer (RFC 6901): empty, or beginning with /, as in "
		       "/owner/name";
	for (size_t i = 0; i < pointer.len; i++) {
		if (pointer.ptr[i] == '~' && (i + 1 == pointer.len || (pointer.ptr[i + 1] != '0' &&
								       pointer.ptr[i + 1] != '1')))
			return "must be a JSON pointer (RFC 6901), in which ~ is written ~0 and a "
			       "/ in "
			       "a key ~1";
	}
	return NULL;
}

/* RFC 6901 section 4: digits without a leading zero. */
static int64_t
token_index(struct span text)
{
	int64_t index = 0;

	if (text.len < 1 || text.len > 15 || (text.len > 1 && text.ptr[0] == '0'))
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		index = index * 10 + (text.ptr[i] - '0');
	}
	return index;
}

static bool
token_is(const struct token *token, struct span key)
{
	size_t k = 0;

	for (size_t i = 0; i < token->text.len; i++) {
		char c = token->text.ptr[i];
		if (c == '~')
			c = token->text.ptr[++i] == '0' ? '~' : '/';
		if (k == key.len || key.ptr[k++] != c)
			return false;
	}
	return k == key.len;
}

static size_t
count_slashes(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == '/';
	return n;
}

struct extract *
extract_new(const struct span *pointers, size_t n)
{
	struct extract *x = calloc(1, sizeof(*x));
	size_t n_tokens = 0;

	for (size_t i = 0; i < n; i++)
		n_tokens += count_slashes(pointers[i]);
	if (x)
		x->tokens = calloc(n_tokens + 1, sizeof(*x->tokens));
	if (!x || !x->tokens) {
		free(x);
		return NULL;
	}
	struct token *token = x->tokens;
	for (size_t i = 0; i < n; i++) {
		struct span s = pointers[i];

		x->pointer[i].token = token;
		while (s.len) {
			s = span_from(s.ptr + 1, s.len - 1);
			const char *slash = memchr(s.ptr, '/', s.len);
			const size_t len = slash ? (size_t)(slash - s.ptr) : s.len;
			token->text = span_from(s.ptr, len);
			token->index = token_index(token->text);
			token++;
			s = span_from(s.ptr + len, s.len - len);
		}
		x->pointer[i].n_tokens = (size_t)(token - x->pointer[i].token);
		x->mask |= UINT32_C(1) << i;
	}
	x->n = n;
	return x;
}

void
extract_free(struct extract **extract)
{
	if (!*extract)
		return;
	buffer_fini(&(*extract)->out);
	free((*extract)->tokens);
	free(*extract);
	*extract = NULL;
}

/* ---- values that are captured ---- */

/* What is being captured is too large: it, and all in it, is given up. */
static void
give_up(struct extract *x)
{
	size_t from = x->out.len;

	for (size_t i = 0; i < x->n; i++) {
		if (x->capturing >> i & 1 && x->pointer[i].from < from)
			from = x->pointer[i].from;
	}
	for (size_t i = 0; i < x->n; i++) {
		struct pointer *p = &x->pointer[i];
		if (x->capturing >> i & 1 || (p->is_found && p->from >= from)) {
			p->is_found = false;
			p->is_too_large = true;
		}
	}
	x->capturing = x->scalar = 0;
	for (size_t i = 0; i < x->depth; i++)
		x->level[i].captured = 0;
	x->out.len = from;
}

static bool
emit(struct extract *x, const char *data, size_t len)
{
	if (!x->capturing)
		return true;
	if (len > EXTRACT_OUT_MAX - x->out.len) {
		give_up(x);
		return true;
	}
	return buffer_append(&x->out, data, len, EXTRACT_OUT_MAX);
}

/* Of the pointers that lead here, those that end here: their values begin. */
static uint32_t
begin_capture(struct extract *x)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < x->n; i++) {
		struct pointer *p = &x->pointer[i];
		if ((x->mask >> i & 1) && p->n_tokens == x->depth) {
			mask |= UINT32_C(1) << i;
			p->from = x->out.len;
		}
	}
	x->capturing |= mask;
	return mask;
}

static void
end_capture(struct extract *x, uint32_t mask)
{
	for (size_t i = 0; i < x->n; i++) {
		if (mask >> i & 1) {
			x->pointer[i].is_found = true;
			x->pointer[i].to = x->out.len;
		}
	}
	x->capturing &= ~mask;
}

/* ---- the way through it ---- */

static void
set_wrong(struct extract *x, const char *why)
{
	x->wrong = why;
	x->state = IS_WRONG;
}

static const char not_json[] = "the body is not JSON";

/* A member or an item begins: which pointers lead to it. A key that was there before is forgotten.
 */
static void
choose(struct extract *x, struct span key)
{
	const struct level *level = &x->level[x->depth - 1];

	x->mask = 0;
	for (size_t i = 0; level->mask && i < x->n; i++) {
		struct pointer *p = &x->pointer[i];
		if (!(level->mask >> i & 1) || p->n_tokens < x->depth)
			continue;
		const struct token *token = &p->token[x->depth - 1];
		if (level->is_array ? token->index != level->index : !token_is(token, key))
			continue;
		x->mask |= UINT32_C(1) << i;
		p->is_found = p->is_too_large = false;
	}
}

static bool
open_container(struct extract *x, char c)
{
	if (x->depth == EXTRACT_DEPTH_MAX) {
		set_wrong(x, "the body is nested more than 128 deep");
		return true;
	}
	const uint32_t captured = begin_capture(x);
	x->level[x->depth++] = (struct level){
	    .is_array = c == '[',
	    .mask = x->mask & ~captured,
	    .captured = captured,
	};
	x->state = c == '[' ? AT_FIRST_ITEM : AT_FIRST_MEMBER;
	return emit(x, &c, 1);
}

static bool
close_container(struct extract *x, char c)
{
	if (!emit(x, &c, 1))
		return false;
	end_capture(x, x->level[--x->depth].captured);
	x->state = AT_END_OF_VALUE;
	return true;
}

static void
end_scalar(struct extract *x)
{
	end_capture(x, x->scalar);
	x->scalar = 0;
	x->state = AT_END_OF_VALUE;
}

static bool
begin_value(struct extract *x, char c)
{
	if (x->state == AT_FIRST_ITEM) {
		if (c == ']')
			return close_container(x, c);
		choose(x, span_from(NULL, 0));
	}
	switch (c) {
	case '{':
	case '[': return open_container(x, c);
	case '"':
		x->state = IN_STRING;
		x->is_key = false;
		break;
	case 't':
		x->state = IN_LITERAL;
		x->literal = "rue";
		break;
	case 'f':
		x->state = IN_LITERAL;
		x->literal = "alse";
		break;
	case 'n':
		x->state = IN_LITERAL;
		x->literal = "ull";
		break;
	default:
		if (c != '-' && (c < '0' || c > '9')) {
			set_wrong(x, not_json);
			return true;
		}
		x->state = IN_NUMBER;
		x->number = c == '-' ? NUMBER_MINUS : c == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
	}
	x->scalar = begin_capture(x);
	return emit(x, &c, 1);
}

static bool
begin_key(struct extract *x, char c)
{
	if (c == '}' && x->state == AT_FIRST_MEMBER)
		return close_container(x, c);
	if (c != '"') {
		set_wrong(x, not_json);
		return true;
	}
	x->state = IN_STRING;
	x->is_key = true;
	x->key_len = 0;
	return emit(x, &c, 1);
}

/* Behind a value. */
static bool
go_on(struct extract *x, char c)
{
	struct level *level = x->depth ? &x->level[x->depth - 1] : NULL;

	if (level && c == ',') {
		if (level->is_array) {
			level->index++;
			choose(x, span_from(NULL, 0));
		}
		x->state = level->is_array ? AT_VALUE : AT_KEY;
		return emit(x, &c, 1);
	}
	if (level && c == (level->is_array ? ']' : '}'))
		return close_container(x, c);
	set_wrong(x, not_json);
	return true;
}

/* ---- strings ---- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static unsigned
hex4(const char *p)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 4 | (unsigned)hex_value(p[i]);
	return value;
}

/* U+0080 and beyond have two bytes or more; returns how many were put. */
static size_t
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The pair of surrogates at \uXXXX\uXXXX as one character; 0: there is none. */
static unsigned
surrogate_pair(const char *p, size_t len)
{
	if (len < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	const unsigned high = hex4(p + 2), low = hex4(p + 8);
	if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* The key without its escapes, in place: none is longer than what it stands for. */
static size_t
unescape(char *key, size_t len)
{
	static const char letters[] = "b\bf\fn\nr\rt\t";
	size_t to = 0;

	for (size_t i = 0; i < len;) {
		if (key[i] != '\\') {
			key[to++] = key[i++];
			continue;
		}
		if (key[i + 1] != 'u') {
			const char *letter = strchr(letters, key[i + 1]);
			key[to++] = letter ? letter[1] : key[i + 1];
			i += 2;
			continue;
		}
		unsigned c = surrogate_pair(key + i, len - i);
		const size_t took = c ? 12 : 6;
		if (!c)
			c = hex4(key + i + 2);
		to += put_utf8(key + to, c);
		i += took;
	}
	return to;
}

static void
end_key(struct extract *x)
{
	/* one that did not fit is no pointer's */
	const size_t len = x->key_len <= KEY_MAX ? unescape(x->key, x->key_len) : 0;

	x->state = AT_COLON;
	choose(x, span_from(x->key, len));
	if (x->key_len > KEY_MAX)
		x->mask = 0;
}

static bool
add_to_string(struct extract *x, const char *data, size_t len)
{
	if (x->is_key && x->level[x->depth - 1].mask) {
		if (x->key_len <= KEY_MAX && len <= KEY_MAX - x->key_len) {
			memcpy(x->key + x->key_len, data, len);
			x->key_len += len;
		} else {
			x->key_len = KEY_MAX + 1;
		}
	}
	return emit(x, data, len);
}

/* Reads on in a string; how much of it was taken, 0 on out-of-memory. */
static size_t
read_string(struct extract *x, const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && data[n] != '"' && data[n] != '\\' && (unsigned char)data[n] >= 0x20)
		n++;
	if (n)
		return add_to_string(x, data, n) ? n : 0;
	if (data[0] == '\\') {
		x->state = IN_ESCAPE;
		return add_to_string(x, data, 1) ? 1 : 0;
	}
	if (data[0] != '"') {
		set_wrong(x, not_json);
		return 1;
	}
	if (!emit(x, data, 1))
		return 0;
	if (x->is_key)
		end_key(x);
	else
		end_scalar(x);
	return 1;
}

static bool
read_escape(struct extract *x, char c)
{
	if (x->state == IN_ESCAPE) {
		if (c == 'u')
			x->hex = 4;
		else if (c == '\0' || !strchr("\"\\/bfnrt", c))
			set_wrong(x, not_json);
		if (x->state != IS_WRONG)
			x->state = c == 'u' ? IN_HEX : IN_STRING;
	} else if (hex_value(c) < 0) {
		set_wrong(x, not_json);
	} else if (--x->hex == 0) {
		x->state = IN_STRING;
	}
	return x->state == IS_WRONG || add_to_string(x, &c, 1);
}

/* ---- numbers and literals ---- */

static bool
number_may_end(enum number number)
{
	return number == NUMBER_ZERO || number == NUMBER_DIGITS || number == NUMBER_FRACTION ||
	       number == NUMBER_EXPONENT;
}

/* Whether `c` goes on with it, RFC 8259 section 6. */
static bool
number_step(enum number *number, char c)
{
	const bool is_digit = c >= '0' && c <= '9';
	const bool is_e = c == 'e' || c == 'E';

	switch (*number) {
	case NUMBER_MINUS:
		if (is_digit)
			*number = c == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
		return is_digit;
	case NUMBER_ZERO:
	case NUMBER_DIGITS:
		if (is_digit)
			return *number == NUMBER_DIGITS;
		*number = is_e ? NUMBER_E : c == '.' ? NUMBER_POINT : *number;
		return is_e || c == '.';
	case NUMBER_POINT:
	case NUMBER_FRACTION:
		if (is_e && *number == NUMBER_FRACTION) {
			*number = NUMBER_E;
			return true;
		}
		if (is_digit)
			*number = NUMBER_FRACTION;
		return is_digit;
	case NUMBER_E:
		if (c == '+' || c == '-') {
			*number = NUMBER_E_SIGN;
			return true;
		}
		break;
	case NUMBER_E_SIGN:
	case NUMBER_EXPONENT: break;
	}
	if (is_digit)
		*number = NUMBER_EXPONENT;
	return is_digit;
}

/* How much was taken: none of the byte that ends it. *ok false on out-of-memory. */
static size_t
read_number(struct extract *x, const char *data, size_t len, bool *ok)
{
	size_t n = 0;

	while (n < len && number_step(&x->number, data[n]))
		n++;
	*ok = emit(x, data, n);
	if (n == len)
		return n;
	if (number_may_end(x->number))
		end_scalar(x);
	else
		set_wrong(x, not_json);
	return n;
}

static bool
read_literal(struct extract *x, char c)
{
	if (*x->literal != c) {
		set_wrong(x, not_json);
		return true;
	}
	if (!emit(x, &c, 1))
		return false;
	if (*++x->literal == '\0')
		end_scalar(x);
	return true;
}

/* ---- in and out ---- */

/* The mark that RFC 8259 8.1 lets a reader pass over. */
static bool
is_mark(struct extract *x, char c)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (x->bom < 3 && c == mark[x->bom]) {
		x->bom++;
		return true;
	}
	if (x->bom > 0 && x->bom < 3)
		set_wrong(x, not_json);
	x->bom = 3;
	return false;
}

static bool
read_one(struct extract *x, char c)
{
	switch (x->state) {
	case IN_ESCAPE:
	case IN_HEX: return read_escape(x, c);
	case IN_LITERAL: return read_literal(x, c);
	default: break;
	}
	if (x->bom < 3 && is_mark(x, c))
		return true;
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || x->state == IS_WRONG)
		return true;
	switch (x->state) {
	case AT_VALUE:
	case AT_FIRST_ITEM: return begin_value(x, c);
	case AT_FIRST_MEMBER:
	case AT_KEY: return begin_key(x, c);
	case AT_COLON:
		if (c != ':')
			set_wrong(x, not_json);
		else
			x->state = AT_VALUE;
		return x->state == IS_WRONG || emit(x, &c, 1);
	default: return go_on(x, c);
	}
}

bool
extract_feed(struct extract *x, const char *data, size_t len)
{
	for (size_t i = 0; i < len && x->state != IS_WRONG;) {
		bool ok = true;

		if (x->state == IN_STRING) {
			const size_t n = read_string(x, data + i, len - i);
			ok = n > 0;
			i += n;
		} else if (x->state == IN_NUMBER) {
			i += read_number(x, data + i, len - i, &ok);
		} else {
			ok = read_one(x, data[i++]);
		}
		if (!ok)
			return false;
	}
	return true;
}

const char *
extract_end(struct extract *x)
{
	if (x->state == IN_NUMBER && number_may_end(x->number))
		end_scalar(x);
	if (x->state != IS_WRONG && (x->state != AT_END_OF_VALUE || x->depth))
		set_wrong(x, "the body ends before its JSON value does");
	if (x->wrong)
		x->n = 0;
	return x->wrong;
}

/* Whether a reader that has doubles for numbers can hold it; `s` is a number. */
static bool
number_is_safe(struct span s)
{
	static const char most[] = "9007199254740991"; /* 2^53 - 1 */
	const size_t sign = s.ptr[0] == '-';
	const char *digits = s.ptr + sign;
	char text[400];
	char *end;

	if (memchr(s.ptr, '.', s.len) || memchr(s.ptr, 'e', s.len) || memchr(s.ptr, 'E', s.len)) {
		if (s.len >= sizeof(text))
			return false;
		memcpy(text, s.ptr, s.len);
		text[s.len] = '\0';
		const double value = strtod(text, &end);
		return value <= 1.7976931348623157e308 && value >= -1.7976931348623157e308;
	}
	return s.len - sign < sizeof(most) - 1 ||
	       (s.len - sign == sizeof(most) - 1 && memcmp(digits, most, sizeof(most) - 1) <= 0);
}

static size_t
number_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] && strchr("+-.eE0123456789", s.ptr[n]))
		n++;
	return n;
}

/* One step in a string: how many bytes were read, and what they are in the answer. */
static size_t
mend(struct span s, struct span *as)
{
	size_t n = 1;

	if (s.ptr[0] != '\\') {
		n = utf8_character(s.ptr, s.len);
		*as = n ? span_from(s.ptr, n) : SPAN_LIT("\xef\xbf\xbd");
		return n ? n : 1;
	}
	if (s.ptr[1] != 'u') {
		*as = span_from(s.ptr, 2);
		return 2;
	}
	n = surrogate_pair(s.ptr, s.len) ? 12 : 6;
	const unsigned c = hex4(s.ptr + 2);
	*as = span_from(s.ptr, n);
	if (c == 0)
		as->len = 0;
	else if (n == 6 && c >= 0xd800 && c <= 0xdfff)
		*as = SPAN_LIT("\\ufffd");
	return n;
}

/* The captured text is JSON: so it can be gone through lightly. */
static bool
append_mended(struct span s, struct buffer *out, size_t max)
{
	bool in_string = false;

	while (s.len) {
		struct span as;
		size_t n;

		if (in_string && s.ptr[0] != '"') {
			n = mend(s, &as);
		} else if (in_string || (s.ptr[0] != '-' && (s.ptr[0] < '0' || s.ptr[0] > '9'))) {
			in_string ^= s.ptr[0] == '"';
			as = span_from(s.ptr, n = 1);
		} else {
			as = span_from(s.ptr, n = number_length(s));
			const bool quote = !number_is_safe(as);
			if ((quote && !buffer_append(out, "\"", 1, max)) ||
			    !buffer_append(out, as.ptr, as.len, max))
				return false;
			as = quote ? SPAN_LIT("\"") : span_from(NULL, 0);
		}
		if (!buffer_append(out, as.ptr, as.len, max))
			return false;
		s = span_from(s.ptr + n, s.len - n);
	}
	return true;
}

enum extract_found
extract_value(const struct extract *x, size_t i, struct buffer *out, size_t max, bool *ok)
{
	*ok = true;
	if (i >= x->n)
		return EXTRACT_MISSING;
	const struct pointer *p = &x->pointer[i];
	if (p->is_too_large)
		return EXTRACT_TOO_LARGE;
	if (!p->is_found)
		return EXTRACT_MISSING;
	*ok = append_mended(span_from(x->out.data + p->from, p->to - p->from), out, max);
	return *ok ? EXTRACT_FOUND : EXTRACT_MISSING;
}
