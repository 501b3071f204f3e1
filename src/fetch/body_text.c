/*
 * body_text.c - charsets by iconv(3), UTF-8 by hand.
 */
#include "fetch/body_text.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/utf8.h"

static const struct charset {
	const char *label;
	const char *name; /* iconv's; NULL: UTF-8 */
} charsets[] = {
    {"utf-8", NULL},
    {"utf8", NULL},
    {"us-ascii", NULL},
    {"ascii", NULL},
    {"iso-8859-1", "WINDOWS-1252"},
    {"iso8859-1", "WINDOWS-1252"},
    {"iso_8859-1", "WINDOWS-1252"},
    {"latin1", "WINDOWS-1252"},
    {"l1", "WINDOWS-1252"},
    {"windows-1252", "WINDOWS-1252"},
    {"cp1252", "WINDOWS-1252"},
    {"x-cp1252", "WINDOWS-1252"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso8859-2", "ISO-8859-2"},
    {"latin2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"iso8859-9", "WINDOWS-1254"},
    {"latin5", "WINDOWS-1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"tis-620", "CP874"},
    {"windows-874", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso8859-15", "ISO-8859-15"},
    {"latin9", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "WINDOWS-1250"},
    {"cp1250", "WINDOWS-1250"},
    {"windows-1251", "WINDOWS-1251"},
    {"cp1251", "WINDOWS-1251"},
    {"x-cp1251", "WINDOWS-1251"},
    {"windows-1253", "WINDOWS-1253"},
    {"cp1253", "WINDOWS-1253"},
    {"windows-1254", "WINDOWS-1254"},
    {"cp1254", "WINDOWS-1254"},
    {"windows-1255", "WINDOWS-1255"},
    {"cp1255", "WINDOWS-1255"},
    {"windows-1256", "WINDOWS-1256"},
    {"cp1256", "WINDOWS-1256"},
    {"windows-1257", "WINDOWS-1257"},
    {"cp1257", "WINDOWS-1257"},
    {"windows-1258", "WINDOWS-1258"},
    {"cp1258", "WINDOWS-1258"},
    {"koi8-r", "KOI8-R"},
    {"koi8", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"ibm866", "CP866"},
    {"cp866", "CP866"},
    {"macintosh", "MACINTOSH"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"x-gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"cn-big5", "BIG5-HKSCS"},
    {"x-x-big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"euc-jp", "EUC-JP"},
    {"x-euc-jp", "EUC-JP"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"ms932", "CP932"},
    {"windows-31j", "CP932"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"euc-kr", "CP949"},
    {"windows-949", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"utf-16", "UTF-16LE"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

/* The text as it grows. */
struct text {
	char *out;
	size_t len, chars;
	bool has_begun; /* a byte order mark is none any more */
};

static const char replacement[] = "\xef\xbf\xbd";

static bool
is_full(const struct text *text)
{
	return text->chars == BODY_TEXT_CHARS;
}

/* One character. */
static void
add(struct text *text, const char *c, size_t n)
{
	const bool is_mark = !text->has_begun && n == 3 && memcmp(c, "\xef\xbb\xbf", 3) == 0;

	text->has_begun = true;
	if (is_mark || is_full(text) || (n == 1 && *c == '\0'))
		return;
	memcpy(text->out + text->len, c, n);
	text->len += n;
	text->chars++;
}

/*
 * How many bytes of what is no character are taken for one mistake: as much as a character could
 * begin with (the Unicode Standard 3.9, "maximal subpart"); all of `len` if it may only be cut.
 */
static size_t
bad_length(const char *p, size_t len)
{
	/* a whole character with this beginning: what cannot go on has none */
	static const char *const ends[] = {"\x80", "\xa0\x80", "\x80\x80", "\x90\x80\x80",
					   "\x80\x80\x80"};
	size_t longest = 1;

	for (size_t cut = 1; cut <= 3 && cut <= len; cut++) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			for (size_t from = 0; from < strlen(ends[i]); from++) {
				char whole[8];
				const size_t rest = strlen(ends[i] + from);

				memcpy(whole, p, cut);
				memcpy(whole + cut, ends[i] + from, rest);
				if (utf8_character(whole, cut + rest) == cut + rest)
					longest = cut;
			}
		}
	}
	return longest;
}

static void
take_utf8(struct text *text, struct span s, bool is_whole)
{
	while (s.len && !is_full(text)) {
		size_t n = utf8_character(s.ptr, s.len);

		if (n) {
			add(text, s.ptr, n);
		} else {
			n = bad_length(s.ptr, s.len);
			const bool is_cut = n == s.len && !is_whole;
			if (!is_cut)
				add(text, replacement, 3);
		}
		s = span_from(s.ptr + n, s.len - n);
	}
}

/* The last character may wait for an accent behind it, in windows-1258 for one. */
static void
take_waiting(struct text *text, iconv_t cd)
{
	char out[64];
	char *to = out;
	size_t to_left = sizeof(out);

	iconv(cd, NULL, NULL, &to, &to_left);
	take_utf8(text, span_from(out, (size_t)(to - out)), true);
}

static void
take_converted(struct text *text, iconv_t cd, size_t unit, struct span s, bool is_whole)
{
	char *in = (char *)(uintptr_t)s.ptr; /* iconv does not write there */
	size_t in_left = s.len;

	while (in_left && !is_full(text)) {
		char out[64];
		char *to = out;
		size_t to_left = sizeof(out);
		const size_t n = iconv(cd, &in, &in_left, &to, &to_left);
		const int error = errno;

		take_utf8(text, span_from(out, (size_t)(to - out)), true);
		if (n != (size_t)-1)
			break;
		if (error == E2BIG)
			continue;
		if (error == EINVAL && !is_whole)
			return;
		add(text, replacement, 3);
		const size_t skip = error == EINVAL || unit > in_left ? in_left : unit;
		in += skip;
		in_left -= skip;
	}
	if (is_whole)
		take_waiting(text, cd);
}

struct span
body_text_charset(struct span s)
{
	const char *semicolon;

	while (s.len && (semicolon = memchr(s.ptr, ';', s.len))) {
		s = span_from(semicolon + 1, s.len - (size_t)(semicolon + 1 - s.ptr));
		while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
			s = span_from(s.ptr + 1, s.len - 1);
		if (s.len < 8 || !span_eq_nocase(span_from(s.ptr, 8), SPAN_LIT("charset=")))
			continue;
		s = span_from(s.ptr + 8, s.len - 8);
		const bool is_quoted = s.len && (s.ptr[0] == '"' || s.ptr[0] == '\'');
		const char *stops = is_quoted ? "\"'" : "; \t,";
		if (is_quoted)
			s = span_from(s.ptr + 1, s.len - 1);
		size_t n = 0;
		while (n < s.len && s.ptr[n] && !strchr(stops, s.ptr[n]))
			n++;
		return span_from(s.ptr, n);
	}
	return span_from(NULL, 0);
}

static const char *
converter_for(struct span content_type, struct span head)
{
	const struct span label = body_text_charset(content_type);

	if (head.len >= 3 && memcmp(head.ptr, "\xef\xbb\xbf", 3) == 0)
		return NULL;
	if (head.len >= 2 && memcmp(head.ptr, "\xff\xfe", 2) == 0)
		return "UTF-16LE";
	if (head.len >= 2 && memcmp(head.ptr, "\xfe\xff", 2) == 0)
		return "UTF-16BE";
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		if (span_eq_nocase(label, span_str(charsets[i].label)))
			return charsets[i].name;
	}
	return NULL;
}

size_t
body_text(struct span content_type, struct span head, bool is_whole, char out[BODY_TEXT_MAX])
{
	const char *name = converter_for(content_type, head);
	const iconv_t none = (iconv_t)-1;
	const iconv_t cd = name ? iconv_open("UTF-8", name) : none;
	struct text text = {.out = out};

	if (cd == none) {
		take_utf8(&text, head, is_whole);
		return text.len;
	}
	take_converted(&text, cd, strncmp(name, "UTF-16", 6) == 0 ? 2 : 1, head, is_whole);
	iconv_close(cd);
	return text.len;
}
